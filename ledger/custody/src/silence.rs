//! Signals from silence: numbers that a key left out, systems that stopped to attest, keys used after their end.

use std::collections::BTreeSet;

use daicho_core::Instant;

use crate::FindingCode;
use crate::context::SchemeContext;
use crate::detail::{Detail, Names};
use crate::fold::{FIRST_WITH_KINDS, ledger_record};
use crate::judge::{Finding, Judge};
use crate::scheme::{Flow, Storage, System};
use crate::state::{
    AttestationRecord, Fact, KeyRecord, LateNumberRecord, Scan, SequenceRecord, StateError, Table, Txn,
    decode, key, part,
};

type Result<T> = std::result::Result<T, StateError>;

/// What is to be said of keys whose party is wanted: one that the ledger accepted after the time from which, as its
/// revocation says, it is not trusted; and numbers that it left out.
///
/// What a distrusted key signed stands. The state does not know which of its statements came in between, so the finding
/// names the time span and the last number that the key used. A number that came later after all is no gap from then on.
///
/// # Errors
/// When the state cannot be read.
pub fn key_findings(
    state: &dyn Scan,
    t: Instant,
    names: &Names<'_>,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    for row in state.scan(&key(Table::Key, &[]), None) {
        let (place, value) = row?;
        let record: KeyRecord = decode(&value)?;
        if !wanted(&record.party) {
            continue;
        }
        let id = part(&place, 0);
        let used: SequenceRecord = Txn::new(state).get(&key(Table::Sequence, &[id]))?.unwrap_or_default();
        let object = format!("key/{id}");
        let left_out = left_out(state, id, &used, t)?;
        if let Some((gap, _)) = left_out.first() {
            let (first, last) = *gap;
            let detail = Detail::Numbers { first, last, party: record.party.clone() }.words(names);
            let entries = left_out.iter().take(Finding::MAX_ENTRIES).map(|(_, by)| by.entry).collect();
            let occurrences = left_out.len() as u64;
            let (code, object) = (FindingCode::SequenceGap, object.clone());
            found.push(Finding { occurrences, ..Finding::once(code, object, detail, entries) });
        }
        let Some((revoked, from)) = record.revoked.filter(|(fact, _)| fact.recorded <= t) else { continue };
        if from >= revoked.recorded {
            continue;
        }
        let (until, last) = (revoked.recorded, used.last());
        let detail = Detail::Distrusted { party: record.party, from, until, last }.words(names);
        let (code, entries) = (FindingCode::KeyDistrusted, vec![revoked.entry]);
        found.push(Finding::once(code, object, detail, entries));
    }
    Ok(found)
}

/// Numbers that a key had left out at `t`, as ranges in order, each with the entry that skipped it.
fn left_out(
    state: &dyn Scan,
    id: &str,
    used: &SequenceRecord,
    t: Instant,
) -> Result<Vec<((u64, u64), Fact)>> {
    let mut all: Vec<((u64, u64), Fact)> =
        used.skipped_by().into_iter().filter_map(|(gap, by)| Some((gap, by?))).collect();
    for row in state.scan(&key(Table::LateNumber, &[id]), None) {
        let late: LateNumberRecord = decode(&row?.1)?;
        if late.fact.recorded > t {
            all.push(((late.number, late.number), late.skipped));
        }
    }
    all.retain(|(_, by)| by.recorded <= t);
    all.sort_unstable_by_key(|(gap, _)| *gap);
    all.dedup_by(|next, before| {
        let joins = before.0.1 + 1 == next.0.0 && before.1 == next.1;
        if joins {
            before.0.1 = next.0.1;
        }
        joins
    });
    Ok(all)
}

impl Judge<'_> {
    /// Systems that must keep nothing, or nothing of some kind, and whose attester has said so for the last time longer ago
    /// than the ward allows.
    ///
    /// They owe it from the scheme's enactment to the last day of its matters. What is said of a kind is said of that kind
    /// alone; in ledgers that fold by a version before 4 the state does not tell for which.
    pub(crate) fn silent_systems(&self, t: Instant) -> Result<Vec<Finding>> {
        let Some(within) = self.limits(t).attest else { return Ok(Vec::new()) };
        let context = self.context_at(t);
        let Some(enacted) = self.record().versions.first().map(|v| v.enacted) else { return Ok(Vec::new()) };
        let last_day = context.days().1.map_or(t, |end| end.end().min(t));
        let tells_kinds = ledger_record(&Txn::new(self.state()))?.fold_version >= FIRST_WITH_KINDS;
        let mut found = Vec::new();
        for system in &context.scheme.systems {
            if context.party(&system.attester).is_none_or(|party| !party.writes) {
                continue;
            }
            let of_all = self.last_attested(key(Table::Attestation, &[self.id(), &system.id]), t, enacted)?;
            let mut owed = kept_nothing_of(context, system);
            if owed.is_empty() {
                continue;
            }
            if !tells_kinds {
                owed = vec![None];
            }
            let mut silent = Vec::new();
            for kind in &owed {
                let last = match kind {
                    Some(kind) => {
                        let rows = key(Table::AttestationOfKind, &[self.id(), &system.id, kind]);
                        self.last_attested(rows, t, of_all)?
                    }
                    None => of_all,
                };
                let due = within.due(last.occurred, self.office_at(t));
                silent.extend(due.filter(|due| *due < last_day).map(|due| (due, last, *kind)));
            }
            // The longest silence shows.
            let Some(&(due, last, _)) = silent.iter().min_by_key(|(due, _, _)| *due) else { continue };
            let at = (last != enacted).then_some(last.occurred);
            let all = silent.len() == owed.len() && system.storage == Storage::None;
            let kinds =
                silent.into_iter().filter_map(|(_, _, kind)| kind.map(str::to_owned)).filter(|_| !all);
            let detail = Detail::SilentSince { kinds: kinds.collect(), at, due }.words(&self.names(t));
            let (code, object) = (FindingCode::AttestationStopped, system.id.clone());
            found.push(Finding::once(code, object, detail, vec![last.entry]));
        }
        Ok(found)
    }

    /// The last of these attestations as known at `t`, or `before` where none came after it.
    fn last_attested(&self, rows: Vec<u8>, t: Instant, before: Fact) -> Result<Fact> {
        let mut last = before;
        for row in self.state().scan(&rows, None) {
            let record: AttestationRecord = decode(&row?.1)?;
            if record.fact.recorded <= t && record.fact.occurred > last.occurred {
                last = record.fact;
            }
        }
        Ok(last)
    }
}

/// What a system must keep nothing of. One that keeps nothing at all owes a word on each kind that a flow brings there or takes
/// from there, where it is not told otherwise of that kind; `None`, a word on everything, where no flow touches it.
fn kept_nothing_of<'s>(context: &'s SchemeContext, system: &'s System) -> Vec<Option<&'s str>> {
    let none = |kind: &&str| system.storage_for.get(*kind).unwrap_or(&system.storage) == &Storage::None;
    let stated = system.storage_for.keys().map(String::as_str);
    let is_end =
        |flow: &&Flow| [&flow.from, &flow.to].iter().any(|end| end.system.as_deref() == Some(&*system.id));
    let carried = context.scheme.flows.iter().filter(is_end).map(|flow| flow.data_set.as_str());
    let kinds: BTreeSet<&str> = stated.chain(carried).filter(none).collect();
    match system.storage {
        Storage::None if kinds.is_empty() => vec![None],
        _ => kinds.into_iter().map(Some).collect(),
    }
}
