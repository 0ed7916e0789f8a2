//! What of a scheme's custody a caller sees: what its party holds, hands over, signed, owes or is owed.

use std::collections::HashSet;

use daicho_core::{EntryIndex, Instant};
use daicho_custody::duty::{Duty, duties};
use daicho_custody::state::{
    CopyRecord, DataSetRecord, HandoverRecord, Scan, StateError, Table, decode, key,
};
use daicho_custody::{About, FindingCode, Judge, handovers_of};

use super::read::{Failure, copies_of};
use crate::access::{Access, Sight, local};

/// What is seen in a scheme: a contractor sees what became of the copies of those to which it passed work on, too.
pub(super) fn here(sight: &Sight, judge: &Judge<'_>) -> Sight {
    sight.with_subcontractors(&judge.context_at(Instant::MAX).scheme)
}

/// Whether a copy is held by whoever looks.
fn copy(state: &dyn Scan, sight: &Sight, scheme: &str, id: &str) -> Result<bool, StateError> {
    Ok(*sight == Sight::All || own_copy(state, sight, scheme, id)?.is_some())
}

/// A copy that is held by whoever looks.
fn own_copy(
    state: &dyn Scan,
    sight: &Sight,
    scheme: &str,
    id: &str,
) -> Result<Option<CopyRecord>, StateError> {
    let bytes = state.get(&key(Table::Copy, &[scheme, id]))?;
    let copy = bytes.map(|bytes| decode::<CopyRecord>(&bytes)).transpose()?;
    Ok(copy.filter(|copy| sight.of_any(scheme, [copy.holder.as_str()])))
}

/// How many copies of a data set are held by whoever looks, when one of them shows what it is. Anybody may say that they
/// hold a copy of anything: what is known of a data set is for those with whom it came into being, to whom its giver says
/// to have handed it, or who made theirs of such a copy. `None`: it is not theirs to see.
pub(super) fn data_set(
    state: &dyn Scan,
    (access, sight): (&Access, &Sight),
    scheme: &str,
    (id, record): (&str, &DataSetRecord),
) -> Result<Option<usize>, Failure> {
    let copies = copies_of(state, scheme, id)?;
    if *sight == Sight::All {
        return Ok(Some(copies.len()));
    }
    let (mut own, mut shown) = (0, false);
    for of_data_set in copies {
        let Some(copy) = own_copy(state, sight, scheme, &of_data_set)? else { continue };
        own += 1;
        let which = (id, of_data_set.as_str(), &copy);
        shown = shown || shows(state, (access, sight), scheme, record, which, LONGEST_CHAIN)?;
    }
    Ok(shown.then_some(own))
}

/// How many copies may have been made one of the other on the way to one that shows its data set.
const LONGEST_CHAIN: u32 = 16;

fn shows(
    state: &dyn Scan,
    (access, sight): (&Access, &Sight),
    scheme: &str,
    record: &DataSetRecord,
    (data_set, id, copy): (&str, &str, &CopyRecord),
    left: u32,
) -> Result<bool, Failure> {
    use daicho_core::proto::event::Fact;
    if copy.opened.entry == record.opened.entry {
        return Ok(true);
    }
    let Some(statement) = access.statement_at(copy.opened.entry)? else { return Ok(false) };
    for event in statement.body().events.iter().filter(|event| event.scheme == scheme) {
        let (opened, made_of) = match &event.fact {
            Some(Fact::HandoverReceived(e)) => {
                let known = handovers_of(state, scheme, &e.handover)?;
                let both_say_so = known.iter().any(|h| {
                    let here = h.received.is_some_and(|fact| fact.entry == copy.opened.entry);
                    let of_it = h.items.iter().any(|(item, _)| item == data_set);
                    here && h.given.is_some() && !h.mismatched && h.taker == copy.holder && of_it
                });
                if both_say_so && e.copies.iter().any(|opened| opened.id == id) {
                    return Ok(true);
                }
                continue;
            }
            Some(Fact::Derived(e)) => (&e.copies, &e.from_copies),
            Some(Fact::Printed(e)) => (&e.copies, &e.from_copies),
            Some(Fact::Copied(e)) => (&e.copies, &e.from_copies),
            _ => continue,
        };
        if left == 0 || !opened.iter().any(|opened| opened.id == id) {
            continue;
        }
        for source in made_of {
            let Some(before) = own_copy(state, sight, scheme, source)? else { continue };
            let same = before.data_set == data_set;
            let which = (data_set, source.as_str(), &before);
            if same && shows(state, (access, sight), scheme, record, which, left - 1)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
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
                let Some(bytes) = state.get(&key(Table::DataSet, &[scheme, object]))? else {
                    return Ok(false);
                };
                let record: DataSetRecord = decode(&bytes)?;
                Ok(data_set(state, (self.access, self.sight), scheme, (object, &record))?.is_some())
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
