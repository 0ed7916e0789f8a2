//! Periods: the days that the judge uses, and the words of the paper.

use daicho_core::Date;

use super::{Context, Place, at};
use crate::calendar::era::{self, WrittenPeriod};
use crate::scheme::{Matter, NamedPeriod};

pub(super) fn check(cx: &mut Context<'_>) {
    for matter in &cx.scheme.matters {
        check_matter(cx, matter);
    }
    for flow in &cx.scheme.flows {
        check_order(cx, at("flow", &flow.id, "end"), flow.start, flow.end);
    }
    for window in &cx.scheme.application_windows {
        let place = at("application_window", &window.id, "end");
        check_order(cx, place, window.start, window.end);
        check_words(cx, place, window.words.as_deref(), window.start, window.end);
    }
}

fn check_matter(cx: &mut Context<'_>, m: &Matter) {
    check_order(cx, at("matter", &m.id, "end"), m.start, m.end);
    let as_written = (m.start_as_written.or(m.start), m.end_as_written.or(m.end));
    check_words(cx, at("matter", &m.id, "words"), m.words.as_deref(), as_written.0, as_written.1);
    if m.words.is_none() {
        check_written_order(cx, at("matter", &m.id, "end_as_written"), as_written, m);
    }
    for phase in &m.phases {
        let key = format!("phase/{}", phase.id);
        let place = at("matter", &m.id, &key);
        check_order(cx, place, phase.start, phase.end);
        check_words(cx, place, phase.words.as_deref(), phase.start, phase.end);
    }
    check_phases(cx, m);
}

/// The values used must be in order: the judge could not use them otherwise.
fn check_order(cx: &mut Context<'_>, place: Place<'_>, start: Option<Date>, end: Option<Date>) {
    if let (Some(start), Some(end)) = (start, end)
        && end < start
    {
        cx.error(
            "ends-before-start",
            place,
            format!("期間の終わり{end}が始まり{start}より前です。値を直してください"),
            format!("the period ends on {end}, before it starts on {start}; mend the values"),
        );
    }
}

/// A matter that keeps no words but says that the value written differs.
fn check_written_order(
    cx: &mut Context<'_>,
    place: Place<'_>,
    (start, end): (Option<Date>, Option<Date>),
    m: &Matter,
) {
    if m.start_as_written.is_none() && m.end_as_written.is_none() {
        return;
    }
    if let (Some(start), Some(end)) = (start, end)
        && end < start
    {
        ends_before_start(cx, place, &start.to_string(), &end.to_string());
    }
}

fn check_words(
    cx: &mut Context<'_>,
    place: Place<'_>,
    words: Option<&str>,
    start: Option<Date>,
    end: Option<Date>,
) {
    let Some(words) = words else { return };
    for date in era::dates(words).iter().filter(|d| !d.in_era) {
        cx.source_error(
            "era-date",
            place,
            format!(
                "書面の「{}」はその元号に存在しない日付です。読み替えを区が署名して訂正してください",
                date.text
            ),
            format!("the paper's {} never existed in that era; the ward must sign how it is read", date.text),
        );
    }
    let WrittenPeriod { start: first, end: last } = era::period(words);
    if let (Some(first), Some(last)) = (&first, &last)
        && last.last < first.first
    {
        ends_before_start(cx, place, &first.text, &last.text);
    }
    let start_differs = matches!((&first, start), (Some(w), Some(value)) if w.first != value);
    let end_differs = matches!((&last, end), (Some(w), Some(value)) if w.last != value);
    if start_differs || end_differs {
        cx.error(
            "words-differ",
            place,
            format!("書面の語「{words}」と値が一致しません。写し間違いか、*_as_written が要ります"),
            format!("the words `{words}` and the values disagree: mend the values, or give *_as_written"),
        );
    }
}

fn ends_before_start(cx: &mut Context<'_>, place: Place<'_>, start: &str, end: &str) {
    cx.source_error(
        "ends-before-start",
        place,
        format!("書面の期間は{start}に始まり{end}に終わります。正しい終期を区が署名して訂正してください"),
        format!(
            "as written the period starts on {start} and ends on {end}; the ward must sign the right end"
        ),
    );
}

fn check_phases(cx: &mut Context<'_>, m: &Matter) {
    for pair in m.phases.windows(2) {
        check_neighbours(cx, m, &pair[0], &pair[1]);
    }
    for phase in &m.phases {
        let early = matches!((phase.start, m.start), (Some(p), Some(m)) if p < m);
        let late = m.renewal.is_none() && matches!((phase.end, m.end), (Some(p), Some(m)) if p > m);
        if early || late {
            let key = format!("phase/{}", phase.id);
            cx.warning(
                "phase-outside-period",
                at("matter", &m.id, &key),
                format!(
                    "段階「{}」が事項の期間からはみ出しています。その間に実データを使うと指摘になります",
                    phase.id
                ),
                format!(
                    "phase `{}` lies partly outside the period; real data used then is a finding",
                    phase.id
                ),
            );
        }
    }
}

fn check_neighbours(cx: &mut Context<'_>, m: &Matter, a: &NamedPeriod, b: &NamedPeriod) {
    let (Some(end), Some(next)) = (a.end, b.start) else { return };
    let key = format!("phase/{}", b.id);
    let place = at("matter", &m.id, &key);
    if next <= end {
        cx.note(
            "phases-overlap",
            place,
            format!("段階「{}」が終わる{end}より前に「{}」が{next}に始まります", a.id, b.id),
            format!("phase `{}` starts on {next}, while `{}` lasts until {end}", b.id, a.id),
        );
    } else if next > end.plus_days(1) {
        cx.note(
            "phases-apart",
            place,
            format!(
                "段階「{}」が{end}に終わり、「{}」は{next}に始まります。間の活動が書かれていません",
                a.id, b.id
            ),
            format!(
                "between phase `{}` (to {end}) and `{}` (from {next}) nothing is said to happen",
                a.id, b.id
            ),
        );
    }
}
