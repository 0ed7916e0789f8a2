//! Judging a large scheme: all duties and the JSON report over many data sets of four copies each.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant as Stopwatch;

use anyhow::Context as _;
use daicho_client::event;
use daicho_client::proto::event::Fact;
use daicho_client::proto::{Collected, Copy, DataSet, SignedStatement};
use daicho_core::{Date, sign_statement};
use daicho_custody::{ContextCache, DeletionReport, Judge, ReportHead};
use daicho_engine::{Engine, EngineConfig};
use daicho_report::Lang;
use daicho_report::pdf::{Paper, render};
use daicho_store::Snapshot;
use daicho_tests::{Play, SCHEME, deleted, milestone};

use crate::{Figure, median};

/// Data sets in one statement: some 40 KiB.
const TOGETHER: usize = 120;
/// In milliseconds.
const DAY: i64 = 86_400_000;
/// On how many days they come and go, from the first of February on.
const DAYS: usize = 28;
/// When they are judged, after the first day, in milliseconds.
const AFTER_MS: i64 = 40 * DAY;
/// Statements that are checked and committed together.
const GROUP: usize = 32;

/// A ledger with so many data sets, spread over a month, half of whose copies are erased in time; and the first day.
async fn recorded(
    folder: &Path,
    data_sets: usize,
    together: usize,
) -> anyhow::Result<(Arc<Engine>, daicho_client::Instant)> {
    let engine = Play::start_here(&folder.join("data"), EngineConfig::default()).await?;
    let key = Play::contractor_key();
    let clock = engine.simulated_clock().expect("the play is simulated");
    let first_day = Play::start();
    let statements = (0..data_sets).step_by(together).flat_map(|first| {
        let ids: Vec<String> = (first..data_sets.min(first + together)).map(|n| format!("d{n}")).collect();
        let sessions: Vec<&str> = ids.iter().map(String::as_str).collect();
        let gone: Vec<String> = ids.iter().flat_map(|id| [format!("{id}-0"), format!("{id}-1")]).collect();
        let gone: Vec<&str> = gone.iter().map(String::as_str).collect();
        let day = first_day.plus_ms((first * DAYS / data_sets) as i64 * DAY);
        let collected = vec![event(SCHEME, day, Fact::Collected(four_each(&ids))), milestone(day, &sessions)];
        [(day, collected), (day, vec![deleted(day, &gone)])]
    });
    // The clock runs with what is signed.
    let signed = |(n, (day, events)): (usize, (daicho_client::Instant, Vec<_>))| {
        clock.advance(day.plus_ms(3_600_000));
        sign_statement(Play::ORIGIN, &[(&key, n as u64 + 1)], events)
    };
    let watch = Stopwatch::now();
    let mut statements = statements.enumerate().map(signed).peekable();
    while statements.peek().is_some() {
        let group: Vec<SignedStatement> = statements.by_ref().take(GROUP).collect();
        let checked = engine.check_when_room(group).await?;
        for receipt in engine.commit(checked)?.await? {
            receipt?;
        }
    }
    eprintln!("{data_sets} data sets recorded in {:.0} s", watch.elapsed().as_secs_f64());
    Ok((engine, first_day))
}

fn report_head(snapshot: &Snapshot<'_>) -> anyhow::Result<ReportHead> {
    let head = snapshot.head()?;
    Ok(ReportHead {
        origin: Play::ORIGIN.to_owned(),
        simulated: true,
        size: head.size.get(),
        chain_hash_hex: head.chain.to_string(),
        last_recorded: head.recorded,
    })
}

fn february() -> (Date, Date) {
    (Date::parse("2021-02-01").expect("a day"), Date::parse("2021-02-28").expect("a day"))
}

/// Reports so many data sets of which each came in a statement of its own: few copies are alike.
pub(crate) async fn alone(data_sets: usize, rounds: usize) -> anyhow::Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let (engine, day) = recorded(folder.path(), data_sets, 1).await?;
    let snapshot = engine.store().snapshot();
    let head = report_head(&snapshot)?;
    let as_of = day.plus_ms(AFTER_MS);
    let mut cache = ContextCache::default();
    let mut written = Vec::new();
    for _ in 0..rounds {
        let watch = Stopwatch::now();
        let report = DeletionReport::compute(&snapshot, &mut cache, SCHEME, february(), as_of, head.clone())?;
        serde_json::to_vec(&report)?;
        written.push(watch.elapsed().as_secs_f64());
    }
    drop(snapshot);
    engine.stop();
    let figure = |name, value, unit| Figure { name, value, unit, limit: None, ratio: None };
    Ok(vec![
        figure("alone_data_sets", data_sets as f64, "data sets"),
        figure("alone_report_json", median(written), "s"),
    ])
}

/// Records so many data sets, many in a statement, and judges and reports them so many times.
pub(crate) async fn measure(data_sets: usize, rounds: usize) -> anyhow::Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let (engine, day) = recorded(folder.path(), data_sets, TOGETHER).await?;
    let as_of = day.plus_ms(AFTER_MS);
    let snapshot = engine.store().snapshot();
    let head = report_head(&snapshot)?;
    let before = resident("VmRSS")?;
    // From here on the highest mark is that of what follows.
    std::fs::write("/proc/self/clear_refs", "5")?;
    let period = february();
    let mut cache = ContextCache::default();
    let (mut judged, mut computed, mut written) = (Vec::new(), Vec::new(), Vec::new());
    let (mut copies, mut last) = (0, None);
    for _ in 0..rounds {
        let watch = Stopwatch::now();
        let judge = Judge::new(&snapshot, &mut cache, SCHEME)?.expect("the scheme is in force");
        anyhow::ensure!(!judge.all_duties(as_of)?.is_empty(), "no duties");
        judged.push(watch.elapsed().as_secs_f64());
        let watch = Stopwatch::now();
        let report = DeletionReport::compute(&snapshot, &mut cache, SCHEME, period, as_of, head.clone())?;
        let report = report.expect("the scheme is in force");
        computed.push(watch.elapsed().as_secs_f64());
        let json = serde_json::to_vec(&report)?.len();
        written.push(watch.elapsed().as_secs_f64());
        copies = report.totals.copies;
        eprintln!("the report has {json} bytes");
        last = Some(report);
    }
    let whole = resident("VmHWM")?;
    drop(snapshot);
    engine.stop();
    let report = last.context("no round")?;
    // The bundle is copied into the paper as it is.
    let paper = Paper {
        report: &report,
        lang: Lang::Ja,
        root: String::new(),
        witnessed: None,
        bundle: Vec::new(),
        policy: None,
    };
    let mut drawn = Vec::new();
    for _ in 0..rounds {
        let watch = Stopwatch::now();
        let pdf = render(&paper)?.len();
        drawn.push(watch.elapsed().as_secs_f64());
        eprintln!("the paper has {pdf} bytes");
    }
    let figure = |name, value, unit| Figure { name, value, unit, limit: None, ratio: None };
    Ok(vec![
        figure("scale_data_sets", data_sets as f64, "data sets"),
        figure("scale_copies", copies as f64, "copies"),
        figure("scale_duties", median(judged), "s"),
        figure("scale_report", median(computed), "s"),
        figure("scale_report_json", median(written), "s"),
        figure("scale_memory", whole - before, "MB"),
        figure("scale_memory_with_engine", whole, "MB"),
        figure("scale_report_pdf", median(drawn), "s"),
    ])
}

fn four_each(ids: &[String]) -> Collected {
    let set = |id: &String| DataSet {
        id: id.clone(),
        kind: "ds_contact".into(),
        items: vec!["email_address".into()],
        subject_count: 1,
        session: id.clone(),
        ..Default::default()
    };
    let copy = |(id, n): (&String, u32)| Copy {
        id: format!("{id}-{n}"),
        data_set: id.clone(),
        system: "operator_server".into(),
        unit: format!("u{n}"),
    };
    Collected {
        flow: "f01_register_contact".into(),
        data_sets: ids.iter().map(set).collect(),
        copies: ids.iter().flat_map(|id| (0..4).map(move |n| (id, n))).map(copy).collect(),
        ..Default::default()
    }
}

/// A mark of this process's memory, in MB.
fn resident(mark: &str) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with(mark)).unwrap_or_default();
    let kib = line.split_whitespace().nth(1).and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0);
    Ok(kib / 1000.0)
}
