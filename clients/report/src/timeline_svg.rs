//! The picture of copies against their deadlines: each copy on a line of its own while there are few, else a bar for each
//! day, week, month, quarter or year of deadlines.

use std::fmt::Write as _;

use daicho_core::{Date, Instant};
use daicho_custody::Verdict;
use daicho_custody::report::{CopyReport, DueDay};

use crate::svg::{escape, fit};
use crate::words::{Words, count, symbol};

const WIDTH: f64 = 720.0;
/// Most copies that get a line of their own.
const LINES: usize = 40;
/// Most bars.
const BARS: usize = 36;
const LABEL: f64 = 150.0;
const SMALL: f64 = 9.0;

/// How copies are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Each on its own line.
    Lines,
    /// Summed by the day, week, month, quarter or year of their deadline.
    Bars(Unit),
}

/// What a bar stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

/// The picture and its form. `None` when no copy has a deadline.
pub(crate) fn picture(w: &Words<'_>) -> Option<(String, Form)> {
    let r = w.report;
    if r.due_days.is_empty() {
        return None;
    }
    let copies: Vec<&CopyReport> = r.data_sets.iter().flat_map(|d| &d.copies).collect();
    if r.totals.copies <= LINES as u64 && copies.len() as u64 == r.totals.copies {
        return Some((lines(w, copies), Form::Lines));
    }
    let units = [Unit::Day, Unit::Week, Unit::Month, Unit::Quarter, Unit::Year];
    let (unit, bars) = units
        .into_iter()
        .map(|unit| (unit, bars(&r.due_days, unit)))
        .find(|(unit, bars)| bars.len() <= BARS || *unit == Unit::Year)?;
    Some((histogram(w, &bars, unit), Form::Bars(unit)))
}

fn open(height: f64) -> String {
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0}"><style>text{{font-family:'BIZ UDPGothic','BIZ UDGothic'}}</style><defs><pattern id="h" width="4" height="4" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="4" height="4" fill="white"/><rect width="2" height="4" fill="black"/></pattern></defs>"#
    )
}

fn text(out: &mut String, x: f64, y: f64, anchor: &str, fill: &str, words: &str) {
    let _ = write!(
        out,
        r#"<text x="{x:.1}" y="{y:.1}" font-size="{SMALL}" text-anchor="{anchor}" fill="{fill}">{}</text>"#,
        escape(words)
    );
}

/// Colour of a fault, as on the rest of the paper.
const FAULT: &str = "#8c1c13";

fn lines(w: &Words<'_>, mut copies: Vec<&CopyReport>) -> String {
    const ROW: f64 = 15.0;
    const HEAD: f64 = 24.0;
    copies.sort_by_key(|c| (c.opened.occurred, &c.id));
    let as_of = w.report.as_of;
    let first = copies.iter().map(|c| c.opened.occurred).min().unwrap_or(as_of).jst_day();
    let last = copies.iter().filter_map(|c| c.due).max().unwrap_or(as_of).max(as_of).jst_day().plus_days(1);
    let span = (last.start().unix_ms() - first.start().unix_ms()).max(1) as f64;
    let at = |time: Instant| {
        LABEL + (WIDTH - LABEL - 8.0) * (time.unix_ms() - first.start().unix_ms()).max(0) as f64 / span
    };
    let height = HEAD + copies.len() as f64 * ROW + 8.0;
    let mut out = open(height);
    let days = last.days() - first.days();
    let step = [1, 2, 7, 14, 31, 92, 183, 366, 3_660].into_iter().find(|s| days / s <= 9).unwrap_or(36_600);
    for n in 0..=days / step {
        let day = first.plus_days(n * step);
        let x = at(day.start());
        let _ = write!(
            out,
            r##"<line x1="{x:.1}" x2="{x:.1}" y1="{HEAD}" y2="{height:.1}" stroke="#cfcfcf" stroke-width="0.6"/>"##
        );
        text(&mut out, x, HEAD - 8.0, "middle", "#555555", &day.to_string());
    }
    let x = at(as_of);
    let _ = write!(
        out,
        r##"<line x1="{x:.1}" x2="{x:.1}" y1="{HEAD}" y2="{height:.1}" stroke="#000000" stroke-width="0.9" stroke-dasharray="5 3"/>"##
    );
    for (i, copy) in copies.iter().enumerate() {
        line(&mut out, w, copy, HEAD + i as f64 * ROW, &at);
    }
    out + "</svg>"
}

/// One copy: a bar while it was there, a stroke at its deadline.
fn line(out: &mut String, w: &Words<'_>, copy: &CopyReport, top: f64, at: &impl Fn(Instant) -> f64) {
    let fault = matches!(copy.verdict, Verdict::Overdue | Verdict::Late);
    let colour = if fault { FAULT } else { "#000000" };
    let y = top + 8.0;
    let name = fit(&format!("{} {}", symbol(copy.verdict), copy.id), LABEL - 10.0, SMALL);
    text(out, 2.0, y + 3.2, "start", colour, &name);
    let end = copy.closed.map_or(w.report.as_of, |closed| closed.occurred);
    let (x1, x2) = (at(copy.opened.occurred), at(end));
    // What lasted a moment still shows.
    let length = (x2 - x1).max(2.0);
    let in_time = copy.due.map_or(x1 + length, |due| at(due).clamp(x1, x1 + length));
    let _ = write!(
        out,
        r##"<rect x="{x1:.1}" y="{:.1}" width="{:.1}" height="5" fill="#9a9a9a"/>"##,
        y - 2.5,
        in_time - x1
    );
    if in_time < x1 + length && fault {
        let _ = write!(
            out,
            r#"<rect x="{in_time:.1}" y="{:.1}" width="{:.1}" height="5" fill="{FAULT}"/>"#,
            y - 2.5,
            x1 + length - in_time
        );
    }
    if copy.closed.is_none() {
        let x = x1 + length;
        let _ = write!(out, r#"<path d="M{x:.1} {:.1}l6 4l-6 4z" fill="{colour}"/>"#, y - 4.0);
    }
    if let Some(due) = copy.due {
        let x = at(due);
        let _ = write!(
            out,
            r#"<line x1="{x:.1}" x2="{x:.1}" y1="{:.1}" y2="{:.1}" stroke="{colour}" stroke-width="1.6"/>"#,
            y - 5.5,
            y + 5.5
        );
    }
}

/// The days put together by a unit, with empty bars between them.
fn bars(days: &[DueDay], unit: Unit) -> Vec<DueDay> {
    let (Some(first), Some(last)) = (days.first(), days.last()) else { return Vec::new() };
    let mut list = vec![DueDay::new(floor(first.day, unit))];
    while let Some(bar) = list.last() {
        let next = next(bar.day, unit);
        // One more than would be drawn is enough to know that a coarser unit is needed.
        if next > last.day || list.len() > 4 * BARS {
            break;
        }
        list.push(DueDay::new(next));
    }
    for day in days {
        let at = list.partition_point(|bar| bar.day <= day.day).saturating_sub(1);
        let bar = &mut list[at];
        bar.in_time += day.in_time;
        bar.late += day.late;
        bar.kept += day.kept;
        bar.overdue += day.overdue;
    }
    list
}

fn floor(day: Date, unit: Unit) -> Date {
    let (year, month, _) = day.ymd();
    let start = |month| Date::from_ymd(year, month, 1).unwrap_or(day);
    match unit {
        Unit::Day | Unit::Week => day,
        Unit::Month => start(month),
        Unit::Quarter => start((month - 1) / 3 * 3 + 1),
        Unit::Year => start(1),
    }
}

fn next(day: Date, unit: Unit) -> Date {
    match unit {
        Unit::Day => day.plus_days(1),
        Unit::Week => day.plus_days(7),
        Unit::Month => day.plus_months(1),
        Unit::Quarter => day.plus_months(3),
        Unit::Year => day.plus_months(12),
    }
}

fn histogram(w: &Words<'_>, bars: &[DueDay], unit: Unit) -> String {
    const TOP: f64 = 46.0;
    const PLOT: f64 = 150.0;
    const LEFT: f64 = 92.0;
    let height = TOP + PLOT + 26.0;
    let mut out = open(height);
    let step = (WIDTH - LEFT - 6.0) / bars.len() as f64;
    let tallest = bars.iter().map(|b| b.in_time + b.late + b.kept + b.overdue).max().unwrap_or(1).max(1);
    let base = TOP + PLOT;
    for part in 0..=2_u32 {
        let y = base - PLOT * f64::from(part) / 2.0;
        let n = tallest * u64::from(part) / 2;
        let _ = write!(
            out,
            r##"<line x1="{LEFT}" x2="{WIDTH}" y1="{y:.1}" y2="{y:.1}" stroke="#cfcfcf" stroke-width="0.6"/>"##
        );
        text(&mut out, LEFT - 6.0, y + 3.0, "end", "#555555", &count(n));
    }
    text(&mut out, 2.0, 13.0, "start", FAULT, w.say("× 期限超過", "× overdue"));
    text(&mut out, 2.0, 29.0, "start", FAULT, w.say("▲ 期限後", "▲ late"));
    // A label with the room to the next one.
    let room = match unit {
        Unit::Day | Unit::Week => 66.0,
        Unit::Month | Unit::Quarter => 50.0,
        Unit::Year => 34.0,
    };
    let labels = (room / step).ceil().max(1.0) as usize;
    for (i, bar) in bars.iter().enumerate() {
        let x = LEFT + i as f64 * step;
        let middle = x + step / 2.0;
        let mut y = base;
        let parts = [
            (bar.in_time, "#c9c9c9", "#7a7a7a"),
            (bar.kept, "#ffffff", "#000000"),
            (bar.late, "url(#h)", "#000000"),
            (bar.overdue, FAULT, FAULT),
        ];
        for (n, fill, stroke) in parts {
            if n > 0 {
                let part = PLOT * n as f64 / tallest as f64;
                y -= part;
                let (gap, wide) = (step * 0.14, step * 0.72);
                let _ = write!(
                    out,
                    r#"<rect x="{:.1}" y="{y:.2}" width="{wide:.1}" height="{part:.2}" fill="{fill}" stroke="{stroke}" stroke-width="0.5"/>"#,
                    x + gap
                );
            }
        }
        for (n, y) in [(bar.overdue, 13.0), (bar.late, 29.0)] {
            if n > 0 {
                text(&mut out, middle, y, "middle", FAULT, &short(n));
            }
        }
        if i % labels == 0 {
            let (year, month, _) = bar.day.ymd();
            let name = match unit {
                Unit::Day | Unit::Week => bar.day.to_string(),
                Unit::Month | Unit::Quarter => format!("{year}-{month:02}"),
                Unit::Year => year.to_string(),
            };
            let _ = write!(
                out,
                r##"<line x1="{x:.1}" x2="{x:.1}" y1="{base:.1}" y2="{:.1}" stroke="#555555" stroke-width="0.6"/>"##,
                base + 5.0
            );
            // The last one ends with the picture, where that leaves room for the one before.
            let at = x.min(WIDTH - room + 8.0);
            if i == 0 || at >= x - labels as f64 * step + room {
                text(&mut out, at, base + 16.0, "start", "#555555", &name);
            }
        }
    }
    out + "</svg>"
}

/// A figure that fits above a bar.
fn short(n: u64) -> String {
    match n {
        0..=999 => n.to_string(),
        1_000..=999_999 => format!("{}k", n / 1_000),
        _ => format!("{}M", n / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str, late: u64) -> DueDay {
        DueDay { late, ..DueDay::new(Date::parse(text).expect("a day")) }
    }

    #[test]
    fn bars_hold_every_copy_whatever_their_unit() {
        let days = [day("2020-02-29", 1), day("2020-12-31", 2), day("2021-01-01", 4), day("2024-06-30", 8)];
        for unit in [Unit::Day, Unit::Week, Unit::Month, Unit::Quarter, Unit::Year] {
            let bars = bars(&days, unit);
            assert_eq!(bars.iter().map(|b| b.late).sum::<u64>(), 15, "{unit:?}");
        }
        let years = bars(&days, Unit::Year);
        assert_eq!(years.iter().map(|b| b.late).collect::<Vec<_>>(), [3, 4, 0, 0, 8]);
    }
}
