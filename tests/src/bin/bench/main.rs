//! `make bench`: figures measured side by side in one run, each beside its bare limit. Prints and writes `bench.json`.

mod proofs;
mod scale;

use std::path::PathBuf;
use std::time::Instant as Stopwatch;

use crate::proofs::Proofs;
use anyhow::Context as _;
use clap::Parser;
use daicho_client::proto::{AppendStatementsRequest, SignedStatement};
use daicho_client::{Client, EmitStream, Emitter, Instant, SigningKey};
use daicho_core::{PAYLOAD_TYPE, pre_authentication_encoding, sign_statement};
use daicho_tests::{Daichod, Play, collected, processor_seconds};
use daicho_verify::Auditor;
use futures::{StreamExt as _, TryStreamExt as _};
use rayon::prelude::*;
use serde::Serialize;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures a ledger on this machine's disk and loopback.
#[derive(Parser)]
struct Args {
    /// Statements of the single-event runs; the others are scaled from it. 0: leave those out.
    #[arg(long, default_value_t = 30_000)]
    statements: usize,
    /// How often each figure is measured; the median is printed.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Data sets of the scheme that is judged and reported; they are recorded first. 0: leave that out.
    #[arg(long, default_value_t = 1_000_000)]
    data_sets: usize,
    /// Where to write the figures.
    #[arg(long)]
    out: PathBuf,
}

#[derive(Serialize)]
struct Figure {
    name: &'static str,
    value: f64,
    unit: &'static str,
    /// The bare limit in the same unit; absent where there is none.
    limit: Option<f64>,
    ratio: Option<f64>,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut figures = Vec::new();
    if args.statements > 0 {
        let mut rounds = Vec::with_capacity(args.rounds);
        for round in 0..args.rounds {
            eprintln!("round {} of {}", round + 1, args.rounds);
            rounds.push(measure(args.statements, round).await?);
        }
        figures = summarize(&rounds);
    }
    if args.data_sets > 0 {
        figures.extend(scale::measure(args.data_sets, args.rounds).await?);
        figures.extend(scale::alone(args.data_sets / 10, args.rounds).await?);
    }
    println!("{:<18} {:>12} {:<14} {:>12} {:>7}", "figure", "median", "unit", "bare limit", "ratio");
    for f in &figures {
        let limit = f.limit.map_or_else(String::new, |l| format!("{l:.0}"));
        let ratio = f.ratio.map_or_else(String::new, |r| format!("{r:.2}"));
        println!("{:<18} {:>12.2} {:<14} {limit:>12} {ratio:>7}", f.name, f.value, f.unit);
    }
    let json = serde_json::json!({ "figures": figures });
    std::fs::write(&args.out, format!("{json:#}\n")).with_context(|| args.out.display().to_string())?;
    println!("written to {}", args.out.display());
    Ok(())
}

/// One round: every figure once.
struct Round {
    /// Strict verifications per second, all cores.
    verify: f64,
    /// The same statements, one at a time, in synced RocksDB writes of the same bytes: statements per second in groups.
    bare_write_1: f64,
    bare_write_100: f64,
    append_1: f64,
    append_100: f64,
    /// Seconds of processor time of the load generator and the server for one statement of `append_1`.
    client_cpu: f64,
    server_cpu: f64,
    ack_1: Vec<f64>,
    ack_many: Vec<f64>,
    audit: f64,
    proofs: Proofs,
    /// Statements per second while somebody follows what is due, which judges everything again and again, and while nobody
    /// does.
    watched: f64,
    unwatched: f64,
}

async fn measure(statements: usize, round: usize) -> anyhow::Result<Round> {
    let folder = tempfile::tempdir()?;
    let server = Daichod::fresh(folder.path(), None)?;
    let client = server.client().await?;
    let play = Play::prepare(&client, server.ward_key()?).await?;
    let origin = client.ledger_info().await?.origin;
    let now = play.ward.ledger_now().await?;
    let key = play.contractor;

    // Everything is signed before a clock starts.
    let single = signed(&origin, &key, now, 1, statements, 1);
    let hundreds = statements / 50;
    let batch = signed(&origin, &key, now, 1 + statements as u64, hundreds, 100);
    let verify = verify_rate(&key, &single);

    let before = (processor_seconds(std::process::id())?, server.processor_seconds()?);
    let append_1 = append(&client, single.clone()).await?;
    let after = (processor_seconds(std::process::id())?, server.processor_seconds()?);
    // The auditor reads the ledger of single-event statements.
    let entries: Vec<Vec<u8>> = client.read_entries(0, 0).await?.try_collect().await?;
    let audit = audit_rate(&entries)?;
    let proofs = proofs::measure(&entries)?;
    let append_100 = append(&client, batch.clone()).await? * 100.0;

    // Long enough for some passes; which comes first changes, as the ledger grows.
    let many = statements * 3;
    let first = 1 + (statements + hundreds) as u64;
    let [mut watched, mut unwatched] = [0.0, 0.0];
    for half in 0..2 {
        let batch = signed(&origin, &key, now, first + (half * many) as u64, many, 1);
        if half == round % 2 {
            let follower = follow_due(&client).await?;
            watched = append(&client, batch).await?;
            follower.abort();
        } else {
            unwatched = append(&client, batch).await?;
        }
    }

    let ack_1 = latencies(&client, &key, now, "one", 400, 1).await?;
    let ack_many = latencies(&client, &key, now, "many", 4_000, 64).await?;
    server.stop()?;
    Ok(Round {
        verify,
        bare_write_1: bare_writes(folder.path().join("bare-1"), &single)?,
        bare_write_100: bare_writes(folder.path().join("bare-100"), &batch)? * 100.0,
        append_1,
        append_100,
        client_cpu: (after.0 - before.0) / statements as f64,
        server_cpu: (after.1 - before.1) / statements as f64,
        ack_1,
        ack_many,
        audit,
        proofs,
        watched,
        unwatched,
    })
}

/// Follows what is due until it is told to end.
async fn follow_due(client: &Client) -> anyhow::Result<tokio::task::JoinHandle<()>> {
    let mut changes = Box::pin(client.follow_due("", "", 0).await?);
    changes.try_next().await?.context("the list as it stands")?;
    Ok(tokio::spawn(async move { while let Ok(Some(_)) = changes.try_next().await {} }))
}

fn signed(
    origin: &str,
    key: &SigningKey,
    now: Instant,
    first: u64,
    count: usize,
    events: usize,
) -> Vec<SignedStatement> {
    (0..count)
        .into_par_iter()
        .map(|n| {
            let sequence = first + n as u64;
            let events = (0..events).map(|e| collected(now, &format!("b{sequence}-{e}"))).collect();
            sign_statement(origin, &[(key, sequence)], events)
        })
        .collect()
}

/// Verifications per second on all cores, over the same messages: no server can record faster.
fn verify_rate(key: &SigningKey, statements: &[SignedStatement]) -> f64 {
    let ready = key.public().to_verifying_key().expect("a key of this run");
    let watch = Stopwatch::now();
    let sound = statements
        .par_iter()
        .filter(|s| {
            ready.verify_strict(
                &pre_authentication_encoding(PAYLOAD_TYPE, &s.statement),
                &s.signatures[0].value,
            )
        })
        .count();
    assert_eq!(sound, statements.len(), "every signature of this run is good");
    statements.len() as f64 / watch.elapsed().as_secs_f64()
}

/// Sends signed statements over one stream and waits for every receipt. Statements per second.
async fn append(client: &Client, statements: Vec<SignedStatement>) -> anyhow::Result<f64> {
    let count = statements.len();
    let watch = Stopwatch::now();
    let requests = futures::stream::iter(statements).map(|s| AppendStatementsRequest { statement: Some(s) });
    let mut answers = client.ledger().append_statements(requests).await?.into_inner();
    let mut receipts = 0;
    while let Some(answer) = answers.try_next().await? {
        match answer.outcome {
            Some(daicho_client::proto::append_statements_response::Outcome::Receipt(_)) => receipts += 1,
            other => anyhow::bail!("refused: {other:?}"),
        }
    }
    anyhow::ensure!(receipts == count, "{receipts} receipts for {count} statements");
    Ok(count as f64 / watch.elapsed().as_secs_f64())
}

/// Milliseconds from sending a statement to its receipt, with `in_flight` of them on the way.
async fn latencies(
    client: &Client,
    key: &SigningKey,
    now: Instant,
    name: &str,
    count: usize,
    in_flight: usize,
) -> anyhow::Result<Vec<f64>> {
    let key = SigningKey::from_pem(&key.to_pem()).context("the key of this run")?;
    let emitter = Emitter::new(client.clone(), key).await?;
    let mut stream: EmitStream = emitter.into_stream(in_flight).await?;
    let mut sent = std::collections::VecDeque::with_capacity(in_flight);
    let mut times = Vec::with_capacity(count);
    let mut next = 0;
    while times.len() < count {
        while next < count && sent.len() < in_flight {
            stream.send(vec![collected(now, &format!("{name}-{next}"))]).await?;
            sent.push_back(Stopwatch::now());
            next += 1;
        }
        let answer = stream.next().await.context("an answer is owed")?;
        answer.result?;
        let started = sent.pop_front().context("answers come in order")?;
        times.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(times)
}

fn audit_rate(entries: &[Vec<u8>]) -> anyhow::Result<f64> {
    let watch = Stopwatch::now();
    let mut auditor = Auditor::with_scratch(Box::new(tempfile::tempfile()?));
    for batch in entries.chunks(Auditor::BATCH) {
        auditor.feed(batch)?;
    }
    auditor.finish()?;
    Ok(entries.len() as f64 / watch.elapsed().as_secs_f64())
}

/// Synced RocksDB writes of the same bytes in groups of the size that the server uses. Statements per second.
fn bare_writes(folder: PathBuf, statements: &[SignedStatement]) -> anyhow::Result<f64> {
    let mut options = rocksdb::Options::default();
    options.create_if_missing(true);
    let db = rocksdb::DB::open(&options, folder)?;
    let mut synced = rocksdb::WriteOptions::default();
    synced.set_sync(true);
    let watch = Stopwatch::now();
    for (group, chunk) in statements.chunks(256).enumerate() {
        let mut batch = rocksdb::WriteBatch::default();
        for (n, statement) in chunk.iter().enumerate() {
            batch.put(((group * 256 + n) as u64).to_be_bytes(), &statement.statement);
        }
        db.write_opt(batch, &synced)?;
    }
    Ok(statements.len() as f64 / watch.elapsed().as_secs_f64())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

fn percentile(mut values: Vec<f64>, p: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = ((values.len() as f64 - 1.0) * p).round() as usize;
    values.get(at).copied().unwrap_or(0.0)
}

fn summarize(rounds: &[Round]) -> Vec<Figure> {
    let of = |f: fn(&Round) -> f64| median(rounds.iter().map(f).collect());
    // Ratios are taken inside each round, so that a machine whose speed drifts does not bend them.
    let bounded = |name, unit, value: fn(&Round) -> f64, limit: fn(&Round) -> f64| Figure {
        name,
        value: of(value),
        unit,
        limit: Some(of(limit)),
        ratio: Some(median(rounds.iter().map(|r| value(r) / limit(r)).collect())),
    };
    let bare = |name, unit, value: fn(&Round) -> f64| Figure {
        name,
        value: of(value),
        unit,
        limit: None,
        ratio: None,
    };
    let at = |name, times: fn(&Round) -> &Vec<f64>, p: f64| Figure {
        name,
        value: median(rounds.iter().map(|r| percentile(times(r).clone(), p)).collect()),
        unit: "ms",
        limit: None,
        ratio: None,
    };
    let mut figures = vec![
        bare("verify", "signatures/s", |r| r.verify),
        bare("write_1", "statements/s", |r| r.bare_write_1),
        bare("write_100", "events/s", |r| r.bare_write_100),
        bounded("append_1", "statements/s", |r| r.append_1, |r| r.verify),
        bounded("append_100", "events/s", |r| r.append_100, |r| r.bare_write_100),
        bounded("append_watched", "statements/s", |r| r.watched, |r| r.unwatched),
        at("ack_p50_1", |r| &r.ack_1, 0.50),
        at("ack_p99_1", |r| &r.ack_1, 0.99),
        at("ack_p50_many", |r| &r.ack_many, 0.50),
        at("ack_p99_many", |r| &r.ack_many, 0.99),
        bounded("audit", "entries/s", |r| r.audit, |r| r.verify),
        bare("load_cpu", "us/statement", |r| r.client_cpu * 1e6),
        bare("server_cpu", "us/statement", |r| r.server_cpu * 1e6),
        // Of the server's own processor time.
        bounded("proof_cpu", "us/statement", |r| r.proofs.append * 1e6, |r| r.server_cpu * 1e6),
        at("proof_wait_p50", |r| &r.proofs.wait, 0.50),
        at("proof_wait_p99", |r| &r.proofs.wait, 0.99),
        bare("consistency_len", "hashes", |r| r.proofs.consistency.0),
        bare("consistency_make", "us", |r| r.proofs.consistency.1 * 1e6),
        bare("consistency_check", "us", |r| r.proofs.consistency.2 * 1e6),
    ];
    let receipts = |name: &'static str, unit, of: &dyn Fn(&Proofs) -> f64| Figure {
        name,
        value: median(rounds.iter().map(|r| of(&r.proofs)).collect()),
        unit,
        limit: None,
        ratio: None,
    };
    for (n, names) in RECEIPTS.iter().enumerate() {
        figures.push(receipts(names[0], "bytes", &|p| p.plain[n].0));
        figures.push(receipts(names[1], "us", &|p| p.plain[n].1 * 1e6));
        figures.push(receipts(names[2], "bytes", &|p| p.full[n].0));
        figures.push(receipts(names[3], "us", &|p| p.full[n].1 * 1e6));
    }
    figures
}

/// Size and check time of a receipt with the ledger's signature alone, and with Ed25519 and ML-DSA-44 of the ledger and
/// of three witnesses, for each size of tree.
const RECEIPTS: [[&str; 4]; proofs::SIZES.len()] = [
    ["receipt_1e4", "receipt_check_1e4", "full_receipt_1e4", "full_check_1e4"],
    ["receipt_1e5", "receipt_check_1e5", "full_receipt_1e5", "full_check_1e5"],
    ["receipt_1e6", "receipt_check_1e6", "full_receipt_1e6", "full_check_1e6"],
    ["receipt_1e7", "receipt_check_1e7", "full_receipt_1e7", "full_check_1e7"],
];
