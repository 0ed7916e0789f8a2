//! Findings that duties give.

use std::collections::{BTreeMap, BTreeSet};

use super::list::Duty;
use super::{DutyJudgement, DutyStatus, Records};
use crate::FindingCode;
use crate::judge::{Finding, Judge};
use crate::scheme::Check;

impl Judge<'_> {
    /// What became of each duty, in their order.
    pub fn judge_duties(&self, duties: &[Duty<'_>], records: &Records) -> Vec<DutyJudgement> {
        duties.iter().map(|duty| self.duty(duty, records)).collect()
    }

    /// Duties that were missed or met late, and acts that a duty forbids.
    ///
    /// What a duty to erase or to certify comes to is in the findings of the copies, and what breaks a ban in the
    /// findings that show it: those duties add none of their own.
    pub fn duty_findings(
        &self,
        duties: &[Duty<'_>],
        judged: &[DutyJudgement],
        records: &Records,
    ) -> Vec<Finding> {
        let mut found: BTreeMap<(FindingCode, String), Finding> = BTreeMap::new();
        for (duty, judgement) in duties.iter().zip(judged) {
            if matches!(duty.check, Check::Erasure | Check::Certificate | Check::Absence { .. }) {
                continue;
            }
            let code = match judgement.status {
                DutyStatus::Missed => FindingCode::ObligationMissed,
                DutyStatus::MetLate => FindingCode::ObligationLate,
                _ => continue,
            };
            let object = duty.object();
            let due = judgement.due.map_or_else(String::new, |due| format!(", due {due}"));
            let detail = format!("{}{due}", judgement.detail.en);
            let entries = judgement.entries.clone();
            found.insert((code, object.clone()), Finding { code, object, detail, entries, occurrences: 1 });
        }
        let banned: BTreeSet<&str> = duties
            .iter()
            .filter_map(|duty| if let Check::Absence { acts, .. } = &duty.check { Some(acts) } else { None })
            .flatten()
            .map(String::as_str)
            .collect();
        for word in banned {
            for act in records.acts.get(word).into_iter().flatten() {
                let (code, object) = (FindingCode::ForbiddenAct, format!("entry/{}", act.fact.entry));
                let detail = format!("{word} by {}", act.by);
                let entries = vec![act.fact.entry];
                let one = Finding { code, object: object.clone(), detail, entries, occurrences: 1 };
                found.entry((code, object)).and_modify(|f| f.occurrences += 1).or_insert(one);
            }
        }
        found.into_values().collect()
    }
}
