//! Reports of any size, made from the documented sample.

use std::collections::BTreeMap;

use daicho_core::{Date, Instant};
use daicho_custody::report::{Batch, CopyReport, DataSetReport, DueDay, Moment};
use daicho_custody::{DeletionReport, Verdict};

const SAMPLE: &[u8] = include_bytes!("../../../../docs/formats/report-sample.json");
const DAY_MS: i64 = 86_400_000;

/// The sample itself.
pub(crate) fn sample() -> DeletionReport {
    serde_json::from_slice(SAMPLE).expect("the sample is a report")
}

/// The sample's data sets over and over, spread over a year, a few of them with problems; all sums to match.
pub(crate) fn report(data_sets: usize) -> DeletionReport {
    let mut r = sample();
    let (clean, troubled): (Vec<_>, Vec<_>) =
        r.data_sets.clone().into_iter().partition(|d| d.problem.is_none());
    r.period.from = Date::parse("2020-04-01").expect("a day");
    r.period.to = Date::parse("2021-03-31").expect("a day");
    r.as_of = Date::parse("2021-04-30").expect("a day").end();
    let every = (data_sets / 40).clamp(2, 997);
    let mut all: Vec<DataSetReport> = (0..data_sets)
        .map(|i| {
            let from =
                if i % every == 1 { &troubled[i / every % troubled.len()] } else { &clean[i % clean.len()] };
            moved(from, i, (i * 365 / data_sets.max(1)) as i64 - 306)
        })
        .collect();
    sums(&mut r, &all);
    all.sort_by_key(|d| (d.problem.is_none(), d.problem, d.opened.occurred));
    r.data_sets_unlisted = all.len().saturating_sub(DeletionReport::LISTED_DATA_SETS) as u64;
    all.truncate(DeletionReport::LISTED_DATA_SETS);
    r.data_sets = all;
    r
}

fn moved(from: &DataSetReport, n: usize, days: i64) -> DataSetReport {
    let time = |t: Instant| t.plus_ms(days * DAY_MS);
    let moment = |m: Moment| Moment { occurred: time(m.occurred), recorded: time(m.recorded), ..m };
    let mut set = from.clone();
    set.id = format!("ds-{n:06}");
    set.opened = moment(set.opened);
    for (i, copy) in set.copies.iter_mut().enumerate() {
        copy.id = format!("ds-{n:06}-{}", i + 1);
        copy.opened = moment(copy.opened);
        copy.closed = copy.closed.map(moment);
        copy.due = copy.due.map(time);
    }
    set
}

fn sums(r: &mut DeletionReport, all: &[DataSetReport]) {
    let copies: Vec<&CopyReport> = all.iter().flat_map(|d| &d.copies).collect();
    let n = |test: &dyn Fn(&CopyReport) -> bool| copies.iter().filter(|c| test(c)).count() as u64;
    let verdicts: BTreeMap<Verdict, u64> = Verdict::ALL.map(|v| (v, n(&|c| c.verdict == v))).into();
    r.totals.data_sets = all.len() as u64;
    r.totals.copies = copies.len() as u64;
    r.totals.open = n(&|c| c.closed.is_none());
    r.totals.verdicts = verdicts.clone();
    for (evidence, count) in &mut r.totals.evidence {
        *count = n(&|c| c.evidence == *evidence);
    }
    for (certificate, count) in &mut r.totals.certificates {
        *count = n(&|c| c.certificate == *certificate);
    }
    for (list, holder) in [(&mut r.systems, false), (&mut r.holders, true)] {
        for tally in list {
            let of = |c: &CopyReport| if holder { c.holder == tally.id } else { c.system == tally.id };
            tally.verdicts = Verdict::ALL.map(|v| (v, n(&|c| of(c) && c.verdict == v))).into();
            tally.copies = n(&of);
            tally.open = n(&|c| of(c) && c.closed.is_none());
            tally.unproven = n(&|c| of(c) && c.certificate.is_unproven());
        }
    }
    for place in &mut r.places {
        let of = |c: &CopyReport| c.holder == place.holder && c.system == place.system;
        place.copies = n(&of);
        place.open = n(&|c| of(c) && c.closed.is_none());
        for (verdict, count) in &mut place.open_verdicts {
            *count = n(&|c| of(c) && c.closed.is_none() && c.verdict == *verdict);
        }
    }
    for rule in &mut r.rules {
        let of = |c: &CopyReport| c.rule.as_ref() == Some(&rule.id);
        rule.copies = n(&of);
        rule.verdicts = Verdict::ALL.map(|v| (v, n(&|c| of(c) && c.verdict == v))).into();
    }
    for flow in &mut r.flows {
        flow.copies = n(&|c| c.flow == flow.id);
        flow.open = n(&|c| c.flow == flow.id && c.closed.is_none());
    }
    let a = &mut r.answer;
    let of = |verdict: Verdict| verdicts[&verdict];
    (a.overdue, a.late, a.no_schedule) = (of(Verdict::Overdue), of(Verdict::Late), of(Verdict::NoSchedule));
    a.unproven = n(&|c| c.certificate.is_unproven());
    a.open = r.totals.open;
    a.text.ja = format!(
        "期限を過ぎても消去・返却されていない複製が{}件、期限を過ぎてから消去・返却された複製が{}件、消去されたとの申告だけで、必要な証明書のない複製が{}件、消去の期限が定められていない複製が{}件あります。事業全体の指摘は{}件あります。",
        a.overdue, a.late, a.unproven, a.no_schedule, a.findings
    );
    dates(r, all);
}

fn dates(r: &mut DeletionReport, all: &[DataSetReport]) {
    let mut days: BTreeMap<Date, DueDay> = BTreeMap::new();
    let mut batches: BTreeMap<(Date, String), Batch> = BTreeMap::new();
    for set in all {
        let day = set.opened.occurred.jst_day();
        let batch = batches.entry((day, set.kind.clone())).or_insert_with(|| Batch {
            day,
            kind: set.kind.clone(),
            label: set.label.clone(),
            data_sets: 0,
            copies: 0,
            open: 0,
            verdicts: BTreeMap::new(),
            unproven: 0,
        });
        batch.data_sets += 1;
        for copy in &set.copies {
            batch.copies += 1;
            batch.open += u64::from(copy.closed.is_none());
            batch.unproven += u64::from(copy.certificate.is_unproven());
            *batch.verdicts.entry(copy.verdict).or_default() += 1;
            let Some(due) = copy.due.map(Instant::jst_day) else { continue };
            let bin = days.entry(due).or_insert_with(|| DueDay::new(due));
            match copy.verdict {
                Verdict::Overdue => bin.overdue += 1,
                Verdict::Late => bin.late += 1,
                Verdict::OnTime | Verdict::Returned | Verdict::Moved => bin.in_time += 1,
                _ => bin.kept += 1,
            }
        }
    }
    r.due_days = days.into_values().collect();
    r.batches = batches.into_values().collect();
}
