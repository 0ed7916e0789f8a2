//! Copies with problems: which they are, and what is said of them in every drawing.

use daicho_core::Instant;
use daicho_custody::Verdict;
use daicho_custody::report::{CopyReport, DataSetReport, Problem, Tally};

use crate::words::{Words, count};

/// The listed copies with one problem, with their data sets.
pub fn with_problem<'r>(
    w: &Words<'r>,
    problem: Problem,
) -> impl Iterator<Item = (&'r DataSetReport, &'r CopyReport)> {
    let all = w.report.data_sets.iter().flat_map(|d| d.copies.iter().map(move |c| (d, c)));
    all.filter(move |(_, c)| c.problem == Some(problem))
}

/// How many copies have a problem, listed or not. Unproven ones that are late as well are counted as late.
pub fn problems_of(w: &Words<'_>, problem: Problem) -> u64 {
    let a = &w.report.answer;
    match problem {
        Problem::Overdue => a.overdue,
        Problem::Late => a.late,
        Problem::Unproven => a.unproven,
        Problem::NoSchedule => a.no_schedule,
    }
}

/// Every problem, the worst first.
pub const PROBLEMS: [Problem; 4] = [Problem::Overdue, Problem::Late, Problem::Unproven, Problem::NoSchedule];

/// What is said of the copies with a problem that a list leaves out, beside so many that it has.
pub fn rest(w: &Words<'_>, problem: Problem, n: u64, listed: u64) -> String {
    let n = count(n);
    if listed == 0 {
        return w.say(
            format!("{n}件は、より重い区分に掲げたもの、またはここに個別に掲げていないもの。"),
            format!("{n} stand under a heavier heading or are not listed one by one here."),
        );
    }
    if matches!(problem, Problem::Unproven | Problem::NoSchedule) {
        w.say(
            format!("ほか{n}件は、より重い区分に掲げたもの、またはここに個別に掲げていないもの。"),
            format!("{n} more stand under a heavier heading or are not listed one by one here."),
        )
    } else {
        w.say(
            format!("ほか{n}件は、ここに個別に掲げていない。"),
            format!("{n} more are not listed one by one here."),
        )
    }
}

/// How long after the deadline.
pub fn delay(w: &Words<'_>, due: Instant, end: Instant) -> String {
    let minutes = (end.unix_ms() - due.unix_ms()).max(0) / 60_000;
    let (days, hours) = (minutes / 1_440, minutes / 60);
    match (days, hours) {
        (0, 0) => w.say(format!("{minutes}分の超過"), format!("{minutes} min over")),
        (0, _) => w.say(format!("{hours}時間の超過"), format!("{hours} h over")),
        _ => w.say(format!("{days}日の超過"), format!("{days} days over")),
    }
}

/// A number of persons.
pub fn persons(w: &Words<'_>, n: u64) -> String {
    w.say(format!("{}人分", count(n)), format!("{} person(s)", count(n)))
}

/// Verdicts of what is still there, in time.
pub const KEPT: [Verdict; 3] = [Verdict::Due, Verdict::Deferred, Verdict::NotTriggered];
/// Verdicts of what is gone, in time.
pub const GONE: [Verdict; 3] = [Verdict::OnTime, Verdict::Returned, Verdict::Moved];

/// The last row below tallies: all of them together.
pub fn total(w: &Words<'_>, list: &[Tally]) -> Tally {
    Tally {
        id: String::new(),
        label: String::new(),
        copies: list.iter().map(|t| t.copies).sum(),
        open: list.iter().map(|t| t.open).sum(),
        verdicts: w.report.totals.verdicts.clone(),
        unproven: list.iter().map(|t| t.unproven).sum(),
    }
}
