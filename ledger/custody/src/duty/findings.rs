//! Findings that duties give.

use std::collections::{BTreeMap, BTreeSet};

use daicho_core::Instant;

use super::list::{Duty, duties};
use super::{DutyJudgement, DutyStatus, Records};
use crate::FindingCode;
use crate::detail::{Detail, Names, OfDuty};
use crate::judge::{Finding, Judge};
use crate::scheme::Check;
use crate::state::StateError;

impl Judge<'_> {
    /// Every duty of the scheme with what became of it, from a pass over all copies known at `t`.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn all_duties(&self, t: Instant) -> Result<Vec<(Duty<'_>, DutyJudgement)>, StateError> {
        let duties = duties(self.context_at(t));
        let (records, _) = self.gather(t, &duties, |(): &mut (), _| Ok(()))?;
        let judged = self.judge_duties(&duties, &records);
        Ok(duties.into_iter().zip(judged).collect())
    }

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
        let names = self.names(records.t);
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
            let (asks, said) = (duty.asks.clone(), judgement.detail.clone());
            let detail = Detail::Duty(Box::new(OfDuty { asks, said, due: judgement.due })).words(&names);
            let entries = judgement.entries.clone();
            found.insert((code, object.clone()), Finding::once(code, object, detail, entries));
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
                let party = self.context_at(records.t).culprit(act).to_owned();
                let detail = Detail::Act { word: word.to_owned(), party }.words(&names);
                let entries = vec![act.fact.entry];
                let one = Finding::once(code, object.as_str(), detail, entries);
                found.entry((code, object)).and_modify(|f| f.occurrences += 1).or_insert(one);
            }
        }
        self.ending_contracts(records, &mut found);
        found.into_values().collect()
    }

    /// Contracts that end within the ward's warning time while their parties hold copies.
    fn ending_contracts(&self, records: &Records, found: &mut BTreeMap<(FindingCode, String), Finding>) {
        let t = records.t;
        let Some(soon) = self.limits(t).warn.and_then(|warn| warn.due(t, self.office_at(t))) else { return };
        for contract in &self.context_at(t).scheme.contracts {
            let Some(end) =
                self.contract_end(&contract.id, t).filter(|end| (t..=soon).contains(&end.occurred))
            else {
                continue;
            };
            let open = contract.between.iter().skip(1).filter_map(|party| records.holdings.get(party));
            let open: u64 = open.map(|holding| holding.open).sum();
            if open > 0 {
                let (code, object) = (FindingCode::ContractEnding, contract.id.clone());
                let detail = Detail::Ends { day: end.occurred.jst_day(), open }.words(&Names::default());
                let entries = vec![end.entry];
                let one = Finding::once(code, object.as_str(), detail, entries);
                found.insert((code, object), one);
            }
        }
    }
}
