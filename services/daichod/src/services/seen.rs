//! What of a scheme's custody a caller sees: what its party holds, hands over, signed, owes or is owed.

use std::collections::HashSet;

use daicho_core::{EntryIndex, Instant};
use daicho_custody::duty::{Duty, duties};
use daicho_custody::state::{CopyRecord, HandoverRecord, Scan, StateError, Table, decode, key};
use daicho_custody::{About, FindingCode, Judge, handovers_of};

use super::read::{Failure, copies_of};
use crate::access::{Access, Sight, local};

/// What is seen in a scheme: a contractor sees what became of the copies of those to which it passed work on, too.
pub(super) fn here(sight: &Sight, judge: &Judge<'_>) -> Sight {
    sight.with_subcontractors(&judge.context_at(Instant::MAX).scheme)
}

/// Whether a copy is held by whoever looks.
pub(super) fn copy(state: &dyn Scan, sight: &Sight, scheme: &str, id: &str) -> Result<bool, StateError> {
    if *sight == Sight::All {
        return Ok(true);
    }
    let bytes = state.get(&key(Table::Copy, &[scheme, id]))?;
    let copy = bytes.map(|bytes| decode::<CopyRecord>(&bytes)).transpose()?;
    Ok(copy.is_some_and(|copy| sight.of_any(scheme, [copy.holder.as_str()])))
}

/// Whether a side of a handover is whoever looks.
pub(super) fn handover(sight: &Sight, scheme: &str, handover: &HandoverRecord) -> bool {
    sight.of_any(scheme, [handover.giver.as_str(), handover.taker.as_str()])
}

/// Whether a duty is owed by or to whoever looks.
pub(super) fn duty(sight: &Sight, scheme: &str, duty: &Duty<'_>) -> bool {
    sight.of_any(scheme, duty.to.iter().map(String::as_str).chain([duty.who.as_str()]))
}

/// Which findings of a scheme are about something of whoever looks.
pub(super) struct Findings<'f> {
    state: &'f dyn Scan,
    access: &'f Access,
    sight: &'f Sight,
    scheme: &'f str,
    /// Objects of the duties that are owed by or to it.
    duties: HashSet<String>,
}

impl<'f> Findings<'f> {
    pub(super) fn new(
        state: &'f dyn Scan,
        (access, sight): (&'f Access, &'f Sight),
        judge: &'f Judge<'_>,
        t: Instant,
    ) -> Self {
        let scheme = judge.id();
        let duties = match sight {
            Sight::All => HashSet::new(),
            Sight::Own(_) | Sight::With(..) => {
                let own = duties(judge.context_at(t)).into_iter().filter(|one| duty(sight, scheme, one));
                own.map(|one| one.object()).collect()
            }
        };
        Self { state, access, sight, scheme, duties }
    }

    /// Whether the finding of this code about this object is. The code says what the object is: ids of one kind may be those
    /// of another, and whoever makes ids chooses them.
    pub(super) fn see(&self, code: FindingCode, object: &str) -> Result<bool, Failure> {
        let Some(own) = self.sight.party() else { return Ok(true) };
        let (state, scheme) = (self.state, self.scheme);
        match code.about() {
            About::Copy => Ok(copy(state, self.sight, scheme, object)?),
            About::DataSet => {
                for of_data_set in copies_of(state, scheme, object)? {
                    if copy(state, self.sight, scheme, &of_data_set)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            About::Handover => {
                let known = handovers_of(state, scheme, object)?;
                Ok(known.iter().any(|record| handover(self.sight, scheme, record)))
            }
            About::Party => Ok(object == own || local(own, scheme) == Some(object)),
            About::Duty => Ok(self.duties.contains(object)),
            About::Key => Ok(self.access.owns_key(object, own)? == Some(true)),
            About::Entry => match object.strip_prefix("entry/").and_then(|n| n.parse().ok()) {
                Some(index) => Ok(self.access.concerns_entry(EntryIndex::new(index), own)?),
                None => Ok(false),
            },
            About::Scheme => Ok(false),
        }
    }
}
