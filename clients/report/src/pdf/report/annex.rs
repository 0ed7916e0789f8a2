//! The annex: the data sets one by one, or by batch where there are too many to read.

use std::collections::BTreeMap;

use daicho_core::{Date, Instant};
use daicho_custody::report::{Batch, CopyReport, DataSetReport, Moment};

use super::super::rich::{Block, Look, Rich, Section, Table};
use super::sums::{holder, number, verdict_words};
use crate::Lang;
use crate::problems::persons;
use crate::words::{Words, clock, count, recorded_apart};

/// Most data sets that are listed one by one: some fifteen pages.
const LISTED: usize = 100;
/// Above that: most data sets with problems that are. Their copies stand among the problems already.
const LISTED_TROUBLED: usize = 40;
/// Most lines of a list by day; above it the list is by month.
const DAYS: usize = 180;

/// Day and time in two lines.
fn when(w: &Words<'_>, time: Instant) -> Rich {
    let day = time.jst_day();
    let iso = format!("{day} {}", clock(time));
    match w.lang {
        Lang::Ja => Rich::new().look(Look::Whole, day.era()).line().look(Look::Note, iso),
        Lang::En => iso.into(),
    }
}

/// A time, and that of its recording where it is another.
pub(super) fn moment(w: &Words<'_>, moment: &Moment) -> Rich {
    let text = when(w, moment.occurred);
    if !recorded_apart(moment) {
        return text;
    }
    let recorded = moment.recorded;
    let recorded = format!("{} {}", recorded.jst_day(), clock(recorded));
    text.line().look(Look::Note, w.say(format!("記録 {recorded}"), format!("recorded {recorded}")))
}

pub(super) fn due(w: &Words<'_>, due: Option<Instant>) -> Rich {
    due.map_or_else(|| w.say("―", "–").into(), |time| when(w, time))
}

pub(super) fn ended(w: &Words<'_>, copy: &CopyReport) -> Rich {
    copy.closed.as_ref().map_or_else(|| w.say("保有中", "still kept").into(), |closed| moment(w, closed))
}

pub(super) fn entries(copy: &CopyReport) -> Rich {
    let mut all: Vec<String> = copy.entries.iter().map(|e| format!("#{e}")).collect();
    if copy.entries_unlisted > 0 {
        all.push(format!("+{}", count(copy.entries_unlisted)));
    }
    all.join(" ").into()
}

pub(super) fn data_sets(w: &Words<'_>) -> Section {
    let r = w.report;
    let section = Section::new(w.say("データセットの明細", "Data sets in detail")).on_new_page();
    if r.data_sets.is_empty() {
        let none = w.say("対象期間に生じたデータセットの記録なし", "no data set recorded in the period");
        return section.with(Block::Text(none.into()));
    }
    let note = w.say(
        "「記録」は台帳の記録番号。時刻は日本時間。",
        "Entries are numbers in the ledger. Times are those of Japan.",
    );
    if r.totals.data_sets <= LISTED as u64 && r.data_sets_unlisted == 0 {
        let first = w.say(
            "問題のあるものを先に、ほかは発生の順に掲げる。",
            "Those with problems first, then in the order of time. ",
        );
        return section
            .with(Block::Note(format!("{first}{note}").into()))
            .with(Block::Table(listed(w, r.data_sets.iter())));
    }
    let all = count(r.totals.data_sets);
    let (batches, by_day) = batches(&r.batches);
    let unit = if by_day { w.say("日", "day") } else { w.say("月", "month") };
    let section = section
        .with(Block::Note(
            w.say(
                format!("データセットが{all}件あるため、発生した{unit}と種類ごとにまとめる。すべての件数を含む。一件ごとの記録は、添付の証拠一式にある。"),
                format!("There are {all} data sets, so they are put together by {unit} and kind. All of them are counted. The record of each is in the attached evidence bundle."),
            )
            .into(),
        ))
        .with(Block::Table(batch_table(w, &batches, by_day)));
    let troubled = || r.data_sets.iter().filter(|d| d.problem.is_some());
    let shown = troubled().count().min(LISTED_TROUBLED);
    if shown == 0 {
        return section;
    }
    let title = w.say("問題のあるデータセット", "Data sets with problems");
    section
        .with(Block::Heading(title.to_owned()))
        .with(Block::Note(
            w.say(
                format!("重いものから{}件を掲げる。ほかの問題のあるものは上のまとめに数え、一件ごとの記録は添付の証拠一式にある。{note}", count(shown as u64)),
                format!("The worst {}. Others are counted above; the record of each is in the attached evidence bundle. {note}", count(shown as u64)),
            )
            .into(),
        ))
        .with(Block::Table(listed(w, troubled().take(LISTED_TROUBLED))))
}

/// The batches as they are, or by month; and whether they are by day.
fn batches(all: &[Batch]) -> (Vec<Batch>, bool) {
    if all.len() <= DAYS {
        return (all.to_vec(), true);
    }
    let mut months: BTreeMap<(Date, &str), Batch> = BTreeMap::new();
    for one in all {
        let (year, month, _) = one.day.ymd();
        let first = Date::from_ymd(year, month, 1).unwrap_or(one.day);
        let Some(sum) = months.get_mut(&(first, one.kind.as_str())) else {
            months.insert((first, &one.kind), Batch { day: first, ..one.clone() });
            continue;
        };
        sum.data_sets += one.data_sets;
        sum.copies += one.copies;
        sum.open += one.open;
        sum.unproven += one.unproven;
        for (verdict, n) in &one.verdicts {
            *sum.verdicts.entry(*verdict).or_default() += n;
        }
    }
    (months.into_values().collect(), false)
}

fn batch_table(w: &Words<'_>, batches: &[Batch], by_day: bool) -> Table {
    let mut table = Table::new(
        [17.0, 23.0, -13.5, -8.5, -8.5, 22.5, -12.0],
        [
            if by_day { w.say("発生した日", "Day") } else { w.say("発生した月", "Month") },
            w.say("種類", "Kind"),
            w.say("データセット", "Data sets"),
            w.say("複製", "Copies"),
            w.say("保有中", "Kept"),
            w.say("判定の内訳", "Verdicts"),
            w.say("！証明不足", "! unproven"),
        ],
    );
    let mut sums = [0; 4];
    for batch in batches {
        let verdicts =
            batch.verdicts.iter().filter(|(_, n)| **n > 0).fold(Rich::new(), |text, (verdict, n)| {
                text.line().then(verdict_words(w, *verdict)).plain(format!(" {}", count(*n)))
            });
        for (sum, n) in sums.iter_mut().zip([batch.data_sets, batch.copies, batch.open, batch.unproven]) {
            *sum += n;
        }
        table.row([
            if by_day { day(w, batch.day) } else { month(w, batch.day) },
            batch.label.as_str().into(),
            number(batch.data_sets),
            number(batch.copies),
            number(batch.open),
            verdicts,
            number(batch.unproven),
        ]);
    }
    table.sum([
        w.say("計", "All").into(),
        Rich::new(),
        count(sums[0]).into(),
        count(sums[1]).into(),
        count(sums[2]).into(),
        Rich::new(),
        count(sums[3]).into(),
    ]);
    table
}

fn day(w: &Words<'_>, day: Date) -> Rich {
    match w.lang {
        Lang::Ja => Rich::new().look(Look::Whole, day.era()).plain(" ").look(Look::Note, day.to_string()),
        Lang::En => day.to_string().into(),
    }
}

/// A month: 令和3年2月 with 2021-02.
fn month(w: &Words<'_>, day: Date) -> Rich {
    let (year, month, _) = day.ymd();
    let iso = format!("{year}-{month:02}");
    let era = day.era();
    match (w.lang, era.split_once('月')) {
        (Lang::Ja, Some((month, _))) => {
            Rich::new().look(Look::Whole, format!("{month}月")).plain(" ").look(Look::Note, iso)
        }
        _ => iso.into(),
    }
}

fn listed<'d>(w: &Words<'_>, sets: impl Iterator<Item = &'d DataSetReport>) -> Table {
    let mut table = Table::new(
        [10.5, 22.0, 15.5, 15.5, 15.5, 17.5, 10.5, 7.0],
        [
            w.say("複製", "Copy"),
            w.say("保有者・機器・媒体", "Holder, system"),
            w.say("発生", "Came to be"),
            w.say("期限", "Due"),
            w.say("消去・返却等", "Ended"),
            w.say("判定・定め", "Verdict, rule"),
            w.say("証拠", "Evidence"),
            w.say("記録", "Entries"),
        ],
    );
    for d in sets {
        let mut head = Rich::new()
            .look(Look::Bold, &d.label)
            .plain(" ")
            .look(Look::Code, &d.id)
            .plain(format!("　{}　{}", persons(w, d.subjects), w.time(d.opened.occurred)));
        if d.copies.is_empty() {
            head = head.plain(w.say("　複製の記録なし", ": no copy recorded"));
        }
        table.group(head);
        for copy in &d.copies {
            table.row(copy_cells(w, copy));
        }
        if d.copies_unlisted > 0 {
            let more = count(d.copies_unlisted);
            table.wide(Rich::new().look(
                Look::Note,
                w.say(
                    format!("ほか{more}件の複製は個別に掲げていない。"),
                    format!("{more} more copies are not listed one by one."),
                ),
            ));
        }
    }
    table
}

fn copy_cells(w: &Words<'_>, copy: &CopyReport) -> [Rich; 8] {
    let verdict = verdict_words(w, copy.verdict);
    let verdict = copy.rule.iter().fold(verdict, |text, rule| text.line().look(Look::Code, rule));
    let mut evidence: Rich =
        if copy.closed.is_some() { w.evidence(copy.evidence).into() } else { w.say("―", "–").into() };
    if let Some(by) = &copy.third_party {
        evidence = evidence.line().look(Look::Note, w.third_party(by));
    }
    if copy.certificate.is_unproven() {
        evidence = evidence.line().look(Look::Bold, w.say("！証明書なし", "! no certificate"));
    }
    if let Some(note) = w.certificate_note(copy.certificate) {
        evidence = evidence.line().look(Look::Note, note);
    }
    [
        Rich::new().look(Look::Code, &copy.id),
        holder(w, copy),
        moment(w, &copy.opened),
        due(w, copy.due),
        ended(w, copy),
        verdict,
        evidence,
        entries(copy),
    ]
}
