//! `make torture`: the long forms of the tests of what may break. Prints one table: fault, runs, survived, lost.
//!
//! Survived means: the ledger opens again, everything that was acknowledged is there with the bytes of its receipt, and
//! `fsck` finds every hash, link, signature and record of the state sound.

mod flips;
mod load;
mod steps;
mod syscalls;

use std::io::IsTerminal as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant as Stopwatch;

use anyhow::{Context as _, ensure};
use clap::Parser;
use daicho_client::{Client, Emitter, Retry};
use daicho_tests::{Acknowledged, Daichod, Play, collected};
use tempfile::TempDir;

/// Breaks a ledger in every way that is known, on loopback and in folders of its own.
#[derive(Parser)]
struct Args {
    /// SIGKILLs under load.
    #[arg(long, default_value_t = 1_000)]
    kills: usize,
    /// Most durable steps at which the process dies; all of them when there are fewer.
    #[arg(long, default_value_t = 100_000)]
    steps: u64,
    /// Seed of the times of death.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Measure the server under load, instead: a flood, followers, a reader of everything, a soak.
    #[arg(long)]
    load: bool,
    /// Length of the soak, in minutes.
    #[arg(long, default_value_t = 20.0)]
    minutes: f64,
    /// Followers that wait.
    #[arg(long, default_value_t = 10_000)]
    followers: usize,
    /// Entries that are read while others are recorded.
    #[arg(long, default_value_t = 1_000_000)]
    entries: usize,
}

/// How many SIGKILLs befall one ledger: it is checked in full after each, and a full check takes longer as it grows.
const KILLS_OF_ONE: usize = 100;

/// A row of the table.
struct Row {
    fault: &'static str,
    runs: u64,
    survived: u64,
    lost: u64,
    acknowledged: u64,
}

impl Row {
    /// Counts the n-th run, whose server is no more: it comes up again, has what it acknowledged, records what comes next,
    /// and is sound.
    async fn comes_up(&mut self, folder: &Path, n: u64, acknowledged: &Acknowledged) -> anyhow::Result<()> {
        self.runs += 1;
        self.acknowledged += acknowledged.count() as u64;
        let server = Daichod::start(folder, &[]).with_context(|| format!("{}, {n}", self.fault))?;
        self.lost += lost(&server.client().await?, acknowledged).await?;
        let mut emitter = Emitter::new(server.client().await?, Play::contractor_key()).await?;
        let now = emitter.ledger_now().await?;
        emitter.emit(vec![collected(now, "afterwards")]).await?;
        server.stop()?;
        self.survived += u64::from(sound(folder, n)?);
        progress(self);
        Ok(())
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if args.load {
        return load::run(args.minutes, args.followers, args.entries).await;
    }
    let mut table = Table::new();
    table.row(steps::founding(args.steps)?);
    table.row(steps::serving(args.steps).await?);
    table.row(steps::closing_a_day(args.steps).await?);
    table.row(steps::an_outbox(args.steps).await?);
    for answer in syscalls::ANSWERS {
        table.row(syscalls::refused(answer, args.steps).await?);
    }
    table.row(syscalls::short_writes().await?);
    for command in syscalls::COMMANDS {
        table.row(syscalls::killed(command, args.steps).await?);
    }
    table.row(kill_under_load(args.kills, args.seed).await?);
    table.row(flips::sweep(args.seed).await?);
    table.end()
}

/// The rows as they come.
struct Table {
    watch: Stopwatch,
    lap: Stopwatch,
    held: bool,
}

impl Table {
    fn new() -> Self {
        println!(
            "{:<46} {:>6} {:>18} {:>13} {:>5} {:>6}",
            "fault", "runs", "survived or caught", "acknowledged", "lost", "s"
        );
        Self { watch: Stopwatch::now(), lap: Stopwatch::now(), held: true }
    }

    fn row(&mut self, row: Row) {
        let Row { fault, runs, survived, acknowledged, lost } = row;
        let seconds = self.lap.elapsed().as_secs_f64();
        if std::io::stderr().is_terminal() {
            eprint!("\r{:100}\r", "");
        }
        println!("{fault:<46} {runs:>6} {survived:>18} {acknowledged:>13} {lost:>5} {seconds:>6.0}");
        self.held &= runs == survived && lost == 0 && runs > 0;
        self.lap = Stopwatch::now();
    }

    fn end(self) -> anyhow::Result<()> {
        println!("{:.0} s", self.watch.elapsed().as_secs_f64());
        ensure!(self.held, "something was lost, or did not come up again");
        Ok(())
    }
}

/// A ledger that knows a contractor and a scheme.
async fn base() -> anyhow::Result<TempDir> {
    let base = tempfile::tempdir()?;
    let server = Daichod::fresh(base.path(), None)?;
    Play::prepare(&server.client().await?, server.ward_key()?).await?;
    server.stop()?;
    Ok(base)
}

/// So many statements one after the other: each is a group of its own, with a sync of its own.
async fn record(client: &Client, statements: usize, acknowledged: &Acknowledged) -> anyhow::Result<()> {
    let emitter = Emitter::new(client.clone(), Play::contractor_key()).await?;
    let mut emitter = emitter.with_retry(Retry { attempts: 1, ..Retry::default() });
    let now = emitter.ledger_now().await?;
    for n in 0..statements {
        let receipt = emitter.emit(vec![collected(now, &format!("copy-{n}"))]).await?;
        acknowledged.note(&receipt);
    }
    Ok(())
}

/// Ledgers that are killed again and again in the middle of work, each checked in full after each time.
async fn kill_under_load(kills: usize, seed: u64) -> anyhow::Result<Row> {
    let mut row = Row { fault: "SIGKILL under load", runs: 0, survived: 0, lost: 0, acknowledged: 0 };
    let mut random = seed;
    for first in (0..kills).step_by(KILLS_OF_ONE) {
        let folder = tempfile::tempdir()?;
        let mut server = Daichod::fresh(folder.path(), None)?;
        Play::prepare(&server.client().await?, server.ward_key()?).await?;
        let all = Acknowledged::default();
        for round in first..kills.min(first + KILLS_OF_ONE) {
            let acknowledged = Acknowledged::default();
            let load = tokio::spawn(acknowledged.clone().load(server.address().to_owned(), round));
            // From one statement on to many: a death while little and while much is on the way.
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let wanted = 1 + (random >> 33) as usize % 200;
            while acknowledged.count() < wanted {
                ensure!(!load.is_finished(), "the load ended early: {:?}", load.await);
                tokio::task::yield_now().await;
            }
            server.kill()?;
            load.abort();
            let sound = sound(folder.path(), round as u64)?;
            server = Daichod::start(folder.path(), &[]).with_context(|| format!("after kill {round}"))?;
            row.lost += lost(&server.client().await?, &acknowledged).await?;
            row.runs += 1;
            row.survived += u64::from(sound);
            row.acknowledged += acknowledged.count() as u64;
            all.extend(&acknowledged);
            progress(&row);
        }
        // What an early round got is still there after all of them.
        row.lost += lost(&server.client().await?, &all).await?;
        server.kill()?;
        ensure!(sound(folder.path(), kills as u64)?, "a ledger is damaged after its last kill");
    }
    Ok(row)
}

/// How many acknowledged entries are gone or have changed.
async fn lost(client: &Client, acknowledged: &Acknowledged) -> anyhow::Result<u64> {
    let lost = acknowledged.lost(client).await?;
    for index in &lost {
        eprintln!("entry {index} was acknowledged and is not there");
    }
    Ok(lost.len() as u64)
}

/// Copies a folder.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    let copied = Command::new("cp").arg("-r").arg(format!("{}/.", from.display())).arg(to).status()?;
    ensure!(copied.success(), "cp failed");
    Ok(())
}

/// Removes a file or folder that may be there.
fn remove(path: &Path) -> std::io::Result<()> {
    let gone = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    gone.or_else(|error| if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

fn sound(folder: &Path, step: u64) -> anyhow::Result<bool> {
    let checked = Daichod::fsck(folder, &["--rebuild"])?;
    if !checked.status.success() {
        eprintln!("step {step}: {}", String::from_utf8_lossy(&checked.stdout));
    }
    Ok(checked.status.success())
}

fn progress(row: &Row) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    eprint!("\r{}: {} of {} survived, {} lost   ", row.fault, row.survived, row.runs, row.lost);
}
