//! The part of the demonstration that needs no trust in the operator: cosigned checkpoints, a receipt, bundles that
//! verify offline, and the operator caught when it rewrites.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use daicho_client::{Client, EntryName};
use daicho_core::{Entry, EntryIndex, ParsedStatement, SigningKey, proto::event::Fact};
use daicho_store::Store;
use daicho_tests::surroundings::WITNESSES;
use daicho_tests::{Daichod, Surroundings, TLS, binary, liar};
use daicho_tlog::Policy;
use daicho_verify::timestamp::{TimestampToken, TsaTrust};
use daicho_verify::{Auditor, Evidence, ForkProof, Receipt};
use futures::TryStreamExt as _;
use serde_json::{Value, json};

/// What the others hold once the play is over.
pub(crate) struct Held {
    token: TimestampToken,
    receipt: Receipt,
    /// The entry that the receipt is of: a deletion.
    entry: EntryIndex,
    pub(crate) summary: Value,
}

/// Seals the ledger, has the last checkpoint cosigned and time-stamped, and takes a receipt of a deletion.
pub(crate) async fn publish(folder: &Path, client: &Client, around: &Surroundings) -> anyhow::Result<Held> {
    let policy = policy(around)?;
    client.seal().await?;
    let kept = client.publish_checkpoint().await?;
    let trust = policy.check(&kept.note).context("the last checkpoint has its quorum")?;
    let [token] = &kept.timestamps[..] else { anyhow::bail!("{} time-stamps", kept.timestamps.len()) };
    let names: BTreeSet<&str> = trust.witnesses.iter().map(|w| w.witness.key.name().as_str()).collect();
    ensure!(names.len() == WITNESSES.len(), "only {names:?} cosigned the last checkpoint");
    let token = TimestampToken::parse(token)?;
    let time = token.verify(kept.note.text().as_bytes(), &tsa(around)?)?;
    let entry = a_deletion(client, kept.note.checkpoint().size()).await?;
    let receipt = client.receipt(EntryName::Index(entry), 0).await?;
    receipt.verify(&policy)?;
    fs::write(folder.join("receipt.tlog-proof"), receipt.to_string())?;
    let summary = json!({
        "checkpoint": { "size": kept.note.checkpoint().size(), "root": kept.note.checkpoint().root().to_string() },
        "cosigned_by": names,
        "stamped_at": time.gen_time.to_string(),
        "receipt_of_entry": entry.get(),
    });
    Ok(Held { token, receipt, entry, summary })
}

/// The last entry that states a deletion.
async fn a_deletion(client: &Client, size: u64) -> anyhow::Result<EntryIndex> {
    let mut start = size;
    while start > 0 {
        let end = start;
        start = end.saturating_sub(500);
        let entries: Vec<Vec<u8>> = client.read_entries(start, end).await?.try_collect().await?;
        for (n, bytes) in entries.iter().enumerate().rev() {
            let statement = ParsedStatement::parse(Entry::decode(bytes)?.statement)?;
            if statement.body().events.iter().any(|event| matches!(event.fact, Some(Fact::Deleted(_)))) {
                return Ok(EntryIndex::new(start + n as u64));
            }
        }
    }
    anyhow::bail!("no deletion in the ledger")
}

/// Verifies a file from itself and the policy alone: no server is named.
pub(crate) fn verify_offline(file: &Path, around: &Surroundings, lang: &str) -> anyhow::Result<Value> {
    let output = Command::new(binary("daicho")?)
        .args(["--lang", lang, "--output", "json", "verify"])
        .arg(file)
        .arg("--policy")
        .arg(around.policy())
        .env("DAICHO_SERVER", "http://127.0.0.1:1")
        .output()?;
    ensure!(
        output.status.success(),
        "{} is not proven: {}{}",
        file.display(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The operator rewrites the deletion, signs everything anew with its real keys and serves that. Each of those who hold
/// something from before, and the auditor who holds nothing, must catch it alone.
pub(crate) async fn lie(folder: &Path, around: &Surroundings, held: &Held) -> anyhow::Result<Value> {
    let policy = policy(around)?;
    let forged = folder.join("forged");
    liar::take_keys(folder, &forged)?;
    let pem = fs::read_to_string(folder.join("operator.pem"))?;
    let operator = SigningKey::from_pem(&pem).context("the operator's key")?;
    let size = Store::open_read_only(&folder.join("data"))?.head()?.size.get();
    liar::rewrite(&folder.join("data"), &forged.join("data"), held.entry.get(), &operator)?;
    let config = around.config().to_str().context("a path that is UTF-8")?;
    let server = Daichod::start(&forged, &[TLS, "--config", config])?;
    let client = server.client().await?;
    let shown = client.publish_checkpoint().await?;
    let cosigned = policy.examine(&shown.note)?.witnesses.len();
    let fork = ForkProof::new(
        Evidence::SameSize { first: held.receipt.checkpoint().clone(), second: shown.note.clone() },
        "newest checkpoint",
    )?;
    let proven = fork.verify(&policy).is_ok();
    fs::write(folder.join("fork-proof.txt"), fork.to_string())?;
    let stamp = held.token.verify(shown.note.text().as_bytes(), &tsa(around)?).err();
    let entries: Vec<Vec<u8>> = client.read_entries(0, size).await?.try_collect().await?;
    let mut auditor = Auditor::new();
    let fault = auditor.feed(&entries).and_then(|()| auditor.finish()).err();
    server.stop()?;
    ensure!(cosigned == 0 && !shown.witnessed, "a witness cosigned the forged checkpoint");
    ensure!(proven, "the two checkpoints do not contradict each other");
    let stamp = stamp.context("the old time-stamp fits the forged checkpoint")?;
    let fault = fault.context("the auditor found nothing")?;
    ensure!(fault.entry == held.entry, "rewritten at {}, found at {}", held.entry, fault.entry);
    Ok(json!({
        "rewritten_entry": held.entry.get(),
        "witness": "no cosignature",
        "receipt": "fork proven",
        "timestamp": stamp.to_string(),
        "auditor": { "entry": fault.entry.get(), "check": fault.check.to_string() },
    }))
}

fn policy(around: &Surroundings) -> anyhow::Result<Policy> {
    Ok(Policy::parse(&fs::read(around.policy())?)?)
}

fn tsa(around: &Surroundings) -> anyhow::Result<TsaTrust> {
    Ok(TsaTrust::new(&[around.tsa.root_der()], None)?)
}
