//! What is due: open copies and duties whose time is near or has passed.

use std::sync::Arc;

use daicho_core::Instant;

use crate::duty::{Duty, DutyJudgement, DutyStatus, duties};
use crate::judge::{Judge, Judgement, Verdict};
use crate::scheme::Check;
use crate::state::{CopyRecord, StateError};

/// Something that a party has to do by a time.
#[derive(Debug, Clone)]
pub struct Due<'a> {
    /// Last instant in time.
    pub due: Instant,
    /// Whether that has passed.
    pub overdue: bool,
    /// What it is.
    pub what: DueWhat<'a>,
}

/// What is due.
#[derive(Debug, Clone)]
pub enum DueWhat<'a> {
    /// An open copy is to go, by the rule that the judgement names.
    Copy(String, CopyRecord, Judgement),
    /// A duty is to be met.
    Duty(Duty<'a>, DutyJudgement),
}

impl Due<'_> {
    /// The party that has to act.
    pub fn who(&self) -> &str {
        match &self.what {
            DueWhat::Copy(_, copy, _) => &copy.holder,
            DueWhat::Duty(duty, _) => &duty.who,
        }
    }

    /// Name of the copy or duty in its scheme.
    pub fn object(&self) -> String {
        match &self.what {
            DueWhat::Copy(id, ..) => id.clone(),
            DueWhat::Duty(duty, _) => duty.object(),
        }
    }
}

impl Judge<'_> {
    /// What is due at or before `until`, as known at `t`, nearest first.
    ///
    /// An overdue copy stays until it is gone. A duty that was missed cannot be met in time any more: it is listed for as
    /// long after its time as `until` is ahead of `t`.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn due(&self, t: Instant, until: Instant) -> Result<Vec<Due<'_>>, StateError> {
        let duties = duties(self.context_at(t));
        let (records, found) = self.gather(t, &duties, |found: &mut Vec<_>, copy| {
            let judgement = &copy.said.judgement;
            if judgement.closed.is_some() {
                return Ok(());
            }
            // Any running clock counts, also where another rule has no number and so shows first.
            let running = |v| matches!(v, Verdict::Due | Verdict::Deferred | Verdict::Overdue);
            let clocks = judgement.rules.iter().filter(|r| running(r.verdict));
            let near = clocks.filter_map(|r| Some((r.due.filter(|due| *due <= until)?, r.verdict, &r.rule)));
            let nearest =
                near.min_by_key(|c| c.0).map(|(due, verdict, rule)| (due, verdict, Arc::clone(rule)));
            if let Some((due, verdict, rule)) = nearest {
                let mut judgement = judgement.clone();
                judgement.verdict = verdict;
                judgement.due = Some(due);
                judgement.rule = Some(rule);
                let overdue = verdict == Verdict::Overdue;
                let what = DueWhat::Copy(copy.id.to_owned(), copy.record()?.owned(), judgement);
                found.push(Due { due, overdue, what });
            }
            Ok(())
        })?;
        let mut found: Vec<Due<'_>> = found.into_iter().flatten().collect();
        let shown_since = t.plus_ms(t.unix_ms() - until.unix_ms());
        let judged = self.judge_duties(&duties, &records);
        for (duty, judged) in duties.into_iter().zip(judged) {
            // What was not erased is listed copy by copy.
            let counts = judged.status == DutyStatus::Missed && duty.check != Check::Erasure;
            let missed = judged.due.filter(|due| counts && *due >= shown_since);
            // What was missed stays in sight for a while; then what comes next takes its place.
            let Some(due) = missed.or(judged.next).filter(|due| *due <= until) else { continue };
            found.push(Due { due, overdue: missed.is_some(), what: DueWhat::Duty(duty, judged) });
        }
        found.sort_by_cached_key(|one| (one.due, one.object()));
        Ok(found)
    }
}
