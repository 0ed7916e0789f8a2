//! A process dies at each of its durable steps in turn: right before and right after something reaches the disk.

use std::path::Path;
use std::process::{Command, Output};

use anyhow::ensure;
use daicho_client::proto::event::Fact;
use daicho_client::{Client, proto};
use daicho_tests::{
    Acknowledged, DEATH, DIE_AT_STEP, Daichod, Play, SCHEME, TLS, binary, move_clock, recorded_by, statements,
};

use crate::{Row, base, copy, progress, record, remove, sound};

/// Founding dies at each durable step in turn. It can be done again, or was done.
pub(crate) fn founding(most: u64) -> anyhow::Result<Row> {
    let mut row =
        Row { fault: "died at a durable step of founding", runs: 0, survived: 0, lost: 0, acknowledged: 0 };
    for step in 1..=most {
        let folder = tempfile::tempdir()?;
        let found = |die_at: Option<u64>| {
            let program = if die_at.is_some() { "dying-daichod" } else { "daichod" };
            let mut command = Command::new(binary(program)?);
            command
                .args(["init", "--origin", "demo.example/ledger", "--data"])
                .arg(folder.path().join("data"));
            command.arg("--ward-key").arg(folder.path().join("ward.pem"));
            command.arg("--operator-key").arg(folder.path().join("operator.pem"));
            if let Some(step) = die_at {
                command.env(DIE_AT_STEP, step.to_string());
            }
            anyhow::Ok(command.output()?)
        };
        let ended = found(Some(step))?;
        if ended.status.success() {
            break;
        }
        let said = String::from_utf8_lossy(&ended.stderr);
        ensure!(said.contains(DEATH), "step {step}: no death, and yet: {said}");
        row.runs += 1;
        // Nothing was acknowledged: what is there half may be thrown away, and the founding done anew.
        if !found(None)?.status.success() {
            for name in ["data", "data.guard"] {
                remove(&folder.path().join(name))?;
            }
            let again = found(None)?;
            ensure!(again.status.success(), "step {step}: {}", String::from_utf8_lossy(&again.stderr));
        }
        row.survived += u64::from(sound(folder.path(), step)?);
        progress(&row);
    }
    Ok(row)
}

/// The server dies at each durable step in turn of starting, recording, publishing, sealing and stopping.
pub(crate) async fn serving(most: u64) -> anyhow::Result<Row> {
    let mut row =
        Row { fault: "died at a durable step of serving", runs: 0, survived: 0, lost: 0, acknowledged: 0 };
    let base = base().await?;
    for step in 1..=most {
        let folder = tempfile::tempdir()?;
        copy(base.path(), folder.path())?;
        let acknowledged = Acknowledged::default();
        let ended = serve_a_while(folder.path(), step, &acknowledged).await;
        if !died(folder.path(), ended)? {
            break;
        }
        row.comes_up(folder.path(), step, &acknowledged).await?;
    }
    Ok(row)
}

/// Serves with a death ahead.
async fn serve_a_while(folder: &Path, step: u64, acknowledged: &Acknowledged) -> anyhow::Result<()> {
    let server = Daichod::start_dying(folder, &["--publish-every", "86400"], step)?;
    let client = server.client().await?;
    record(&client, 6, acknowledged).await?;
    client.publish_checkpoint().await?;
    client.proof().seal_ledger(proto::SealLedgerRequest {}).await?;
    server.stop()
}

/// Whether a server died at its step, as it says in its log. That it failed for another reason is an error.
fn died(folder: &Path, ended: anyhow::Result<()>) -> anyhow::Result<bool> {
    let Err(error) = ended else { return Ok(false) };
    let log = std::fs::read_to_string(folder.join("daichod.log"))?;
    ensure!(log.contains(DEATH), "no death, and yet: {error:#}");
    Ok(true)
}

/// The day of which the log of reads is closed, and when that happens.
const DAY: &str = "2021-02-01";
const NEXT_DAY: &str = "2021-02-02T10:00";
/// Later on it, for a server that has to be told the time again.
const NEXT_NOON: &str = "2021-02-02T12:00";

/// The server dies at each durable step of having the digests of a day's reads recorded and naming its log.
pub(crate) async fn closing_a_day(most: u64) -> anyhow::Result<Row> {
    let fault = "died at a durable step of closing a day's reads";
    let mut row = Row { fault, runs: 0, survived: 0, lost: 0, acknowledged: 0 };
    let base = tempfile::tempdir()?;
    Daichod::init(base.path(), Some(DAY))?;
    let server = Daichod::start(base.path(), &[TLS])?;
    let client = server.client().await?;
    Play::prepare(&client, server.ward_key()?).await?;
    client.copies(SCHEME, 0).await?;
    server.stop()?;
    let read = std::fs::read_to_string(base.path().join(format!("data.reads/open-{DAY}.tsv")))?;
    let read = read.lines().count() as u64;
    for step in 1..=most {
        let folder = tempfile::tempdir()?;
        copy(base.path(), folder.path())?;
        let dying = |flags: &[&str]| Daichod::start_dying(folder.path(), flags, step);
        if !died(folder.path(), close(folder.path(), NEXT_DAY, dying).await)? {
            break;
        }
        row.runs += 1;
        close(folder.path(), NEXT_NOON, |flags| Daichod::start(folder.path(), flags)).await?;
        let log = std::fs::read_to_string(folder.path().join(format!("data.reads/{DAY}.tsv")))?;
        let (lines, said) = (log.lines().count() as u64, said(folder.path()).await?);
        row.acknowledged += read;
        row.lost += read.abs_diff(lines) + read.abs_diff(said);
        row.survived += u64::from(sound(folder.path(), step)? && (lines, said) == (read, read));
        progress(&row);
    }
    Ok(row)
}

/// Serves until the log of the day is closed.
async fn close(
    folder: &Path,
    at: &str,
    start: impl FnOnce(&[&str]) -> anyhow::Result<Daichod>,
) -> anyhow::Result<()> {
    let mut server = start(&[TLS])?;
    move_clock(&server.client().await?, at).await?;
    let closed = folder.join(format!("data.reads/{DAY}.tsv"));
    server.until("the log of the day is closed", || closed.exists())?;
    server.stop()
}

/// How many reads of the day the ledger tells of.
async fn said(folder: &Path) -> anyhow::Result<u64> {
    let server = Daichod::start(folder, &[])?;
    let mut reads = 0;
    for statement in statements(&server.client().await?).await? {
        for event in &statement.body().events {
            if let Some(Fact::ReadsLogged(proto::ReadsLogged { day, readers })) = &event.fact
                && day == DAY
            {
                reads += readers.iter().map(|reader| reader.reads).sum::<u64>();
            }
        }
    }
    server.stop()?;
    Ok(reads)
}

/// An emitter dies at each durable step of its outbox in turn: of making it, keeping, sending, marking, writing it anew.
pub(crate) async fn an_outbox(most: u64) -> anyhow::Result<Row> {
    let fault = "died at a durable step of an outbox";
    let mut row = Row { fault, runs: 0, survived: 0, lost: 0, acknowledged: 0 };
    let ledger = base().await?;
    let server = Daichod::start(ledger.path(), &[])?;
    let client = server.client().await?;
    for step in 1..=most {
        let folder = tempfile::tempdir()?;
        let died = keep(folder.path(), &server, &client, Some(step)).await?;
        if died.status.success() {
            break;
        }
        let why = String::from_utf8_lossy(&died.stderr);
        ensure!(why.contains(DEATH), "step {step}: no death, and yet: {why}");
        let again = keep(folder.path(), &server, &client, None).await?;
        ensure!(again.status.success(), "step {step}: {}", String::from_utf8_lossy(&again.stderr));
        let recorded = recorded_by(&client, &Play::contractor_key()).await?;
        let refused = std::fs::read_to_string(folder.path().join("refused")).unwrap_or_default();
        let kept = String::from_utf8(died.stdout)?;
        let mut lost = 0;
        for (n, line) in kept.lines().enumerate() {
            let Some((number, id)) = line.split_once(' ') else { continue };
            let times = recorded.iter().filter(|(n, copy)| n.to_string() == number && copy == id).count();
            let is_refused = refused.lines().any(|line| {
                line.split('\t').next().is_some_and(|name| name.ends_with(&format!("/{number}")))
            });
            // Every third one is refused, the others are recorded once.
            let wanted = if n % 3 == 2 { (0, true) } else { (1, false) };
            lost += u64::from((times, is_refused) != wanted);
        }
        let in_order = recorded.is_sorted_by(|(a, _), (b, _)| a < b);
        ensure!(in_order, "step {step}: not in the order in which they were put");
        row.runs += 1;
        row.acknowledged += kept.lines().count() as u64;
        row.lost += lost;
        row.survived += u64::from(lost == 0);
        progress(&row);
    }
    server.stop()?;
    ensure!(sound(ledger.path(), 0)?, "the ledger of the outboxes is damaged");
    Ok(row)
}

/// Puts statements into an outbox in a program of its own, which dies at a step, or puts nothing and waits for what was kept.
async fn keep(
    folder: &Path,
    server: &Daichod,
    client: &Client,
    die_at: Option<u64>,
) -> anyhow::Result<Output> {
    let at = client.ledger_info().await?.now_ms.to_string();
    let (prefix, count) =
        (format!("step-{}", die_at.unwrap_or_default()), if die_at.is_some() { "9" } else { "0" });
    let mut command = tokio::process::Command::new(binary("outbox")?);
    command.arg(folder).args([server.address(), &at, &prefix, "--count", count, "--most-settled", "600"]);
    if let Some(step) = die_at {
        command.env(DIE_AT_STEP, step.to_string());
    }
    Ok(command.output().await?)
}
