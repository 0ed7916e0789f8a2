//! What every drawing says of a duty.

use daicho_custody::FindingAnswer;
use daicho_custody::duty::DutyStatus;
use daicho_custody::report::DutyReport;

use crate::Lang;
use crate::words::{Words, count};

/// The entries that show it.
pub fn entries(d: &DutyReport) -> String {
    d.judgement.entries.iter().map(|entry| format!("#{entry}")).collect::<Vec<_>>().join(" ")
}

/// How often a duty was met of how often it was owed; of what must not be done, how often it was.
pub fn met(lang: Lang, status: Option<DutyStatus>, met: u64, owed: u64) -> String {
    match (owed, met) {
        (0, _) => String::new(),
        (_, 0) if status == Some(DutyStatus::Violated) => {
            let n = count(owed);
            lang.either(format!("違反{n}件"), format!("{n} breached"))
        }
        _ => format!("{}/{}", count(met), count(owed)),
    }
}

/// The same of a duty of a report.
pub(crate) fn met_of(w: &Words<'_>, d: &DutyReport) -> String {
    met(w.lang, Some(d.judgement.status), d.judgement.met, d.judgement.owed)
}

/// A mark before each status, so that it never hangs on a colour.
pub fn mark(status: DutyStatus) -> &'static str {
    match status {
        DutyStatus::Missed | DutyStatus::Violated => "× ",
        DutyStatus::MetLate => "▲ ",
        DutyStatus::NoSchedule => "？ ",
        DutyStatus::NotJudged => "－ ",
        DutyStatus::Due | DutyStatus::NotYetDue | DutyStatus::NotApplicable => "・ ",
        DutyStatus::NoViolation => "○ ",
        DutyStatus::Met => "✓ ",
    }
}

/// What was said about a finding, by whom, when and where.
pub fn answer(w: &Words<'_>, answer: &FindingAnswer) -> String {
    let (kind, by, day) = (answer.kind.label(), w.party(&answer.by), answer.occurred.jst_day());
    w.say(
        format!("{}: {}（{by}、{day}、#{}）", kind.ja, answer.text, answer.entry),
        format!("{}: {} ({by}, {day}, #{})", kind.en, answer.text, answer.entry),
    )
}
