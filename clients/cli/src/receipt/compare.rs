//! `daicho receipt compare`: holds the ledger of now to what it signed before.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use daicho_client::proto::CheckpointKind;
use daicho_client::{Client, EntryName};
use daicho_tlog::SignedCheckpoint;
use daicho_tlog::merkle::verify_consistency;
use daicho_verify::{Evidence, ForkProof, Receipt};
use futures::TryStreamExt as _;
use serde_json::json;

use crate::context::{Context, now_here};
use crate::exit::Exit;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Receipts, or checkpoints as they were signed
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Trust policy (C2SP tlog-policy): the ledger's key
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// Where to write the proof when there is a fork; of further ones beside it, with a number
    #[arg(long, value_name = "FILE", default_value = "fork-proof.txt")]
    out: PathBuf,
}

/// What was held: a receipt, or a checkpoint alone.
enum Old {
    Receipt(Box<Receipt>),
    Checkpoint(SignedCheckpoint),
}

impl Old {
    fn checkpoint(&self) -> &SignedCheckpoint {
        match self {
            Self::Receipt(receipt) => receipt.checkpoint(),
            Self::Checkpoint(checkpoint) => checkpoint,
        }
    }
}

pub(super) async fn run(args: Args, context: &Context, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let policy = context.policy(&args.policy)?;
    let client = context.connect().await?;
    let now = client.newest_checkpoint(CheckpointKind::Unspecified).await?.note;
    policy.examine(&now).map_err(|error| anyhow!("{}: {error}", context.server))?;
    let mut found = 0;
    for file in &args.files {
        let bytes = context.read(file)?;
        let old = match Receipt::parse(&bytes) {
            Ok(receipt) => Old::Receipt(Box::new(receipt)),
            Err(error) => Old::Checkpoint(
                SignedCheckpoint::parse(&bytes).map_err(|_| anyhow!("{}: {error}", file.display()))?,
            ),
        };
        // What does not hold itself convicts nobody.
        let held = match &old {
            Old::Receipt(receipt) => receipt.examine(&policy).map(drop).map_err(|error| error.to_string()),
            Old::Checkpoint(old) => policy.examine(old).map(drop).map_err(|error| error.to_string()),
        };
        held.map_err(|error| anyhow!("{}: {error}", file.display()))?;
        let contradiction = contradiction(&client, &old, &now).await?;
        let name = file.display();
        let Some(evidence) = contradiction else {
            say(
                context,
                out,
                file,
                true,
                &context.pick(
                    format!("{name}: 現在の台帳は、これを引き継いでいます"),
                    format!("{name}: the ledger of now continues it"),
                ),
            )?;
            continue;
        };
        found += 1;
        let proof = ForkProof::new(evidence, &format!("{} {}", now_here(), context.server))?;
        let path = numbered(&args.out, found);
        // Evidence is not written over.
        let written = context.create(&path, proof.to_string().as_bytes())?;
        let path = path.display();
        anyhow::ensure!(
            written,
            context.pick(format!("{path} が既にあります"), format!("{path} exists already"))
        );
        say(
            context,
            out,
            file,
            false,
            &context.pick(
                format!("{name}: 現在の台帳は、これを引き継いでいません。証拠を {path} に書きました"),
                format!("{name}: the ledger of now does NOT continue it; evidence written to {path}"),
            ),
        )?;
    }
    Ok(if found == 0 { Exit::Ok } else { Exit::Wrong })
}

/// The file of the nth contradiction: `fork-proof.txt`, `fork-proof-2.txt` and so on.
fn numbered(path: &Path, n: usize) -> PathBuf {
    if n == 1 {
        return path.to_owned();
    }
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{n}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

fn say(
    context: &Context,
    out: &mut dyn Write,
    file: &Path,
    continues: bool,
    text: &str,
) -> anyhow::Result<()> {
    if context.json() {
        writeln!(out, "{}", json!({ "file": file.display().to_string(), "continues": continues }))?;
    } else {
        writeln!(out, "{text}")?;
    }
    Ok(())
}

/// What of the present ledger contradicts what was held. `None`: it continues it.
async fn contradiction(
    client: &Client,
    old: &Old,
    now: &SignedCheckpoint,
) -> anyhow::Result<Option<Evidence>> {
    let (then, shown) = (old.checkpoint().checkpoint(), now.checkpoint());
    let first = old.checkpoint().clone();
    if shown.size() < then.size() {
        return Ok(Some(Evidence::Shorter { first, second: now.clone() }));
    }
    if shown.size() == then.size() {
        let differs = shown.root() != then.root();
        return Ok(differs.then(|| Evidence::SameSize { first, second: now.clone() }));
    }
    let hashes = client.consistency_proof(then.size(), shown.size()).await?;
    if verify_consistency(then.size(), then.root(), shown.size(), shown.root(), &hashes).is_ok() {
        return Ok(None);
    }
    // The present ledger's own receipt of the same place, or its own root of that size, convicts it.
    if let Old::Receipt(receipt) = old {
        let second = client.receipt(EntryName::Index(receipt.entry().index), 0).await?;
        if second.entry_bytes() != receipt.entry_bytes() {
            return Ok(Some(Evidence::OtherEntry { first: receipt.clone(), second: Box::new(second) }));
        }
    }
    let kept = client.kept_checkpoint(then.size()).await;
    if let Ok(kept) = kept
        && kept.note.checkpoint().root() != then.root()
    {
        return Ok(Some(Evidence::SameSize { first, second: kept.note }));
    }
    let root = earlier_root(client, then.size(), shown.size()).await?;
    Ok(Some(Evidence::EarlierTree { first, second: now.clone(), root, hashes }))
}

/// Root of the present ledger's first `size` entries, from the entries themselves.
async fn earlier_root(client: &Client, size: u64, end: u64) -> anyhow::Result<daicho_tlog::TreeHash> {
    let mut entries = Box::pin(client.read_entries(0, size.min(end)).await?);
    let mut tree = daicho_tlog::merkle::Frontier::default();
    while let Some(bytes) = entries.try_next().await? {
        tree.append(daicho_tlog::TreeHash::of_leaf(&bytes));
    }
    Ok(tree.root())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_contradiction_has_a_file_of_its_own() {
        let name = |path: &str, n| numbered(Path::new(path), n).display().to_string();
        assert_eq!(name("fork-proof.txt", 1), "fork-proof.txt");
        assert_eq!(name("fork-proof.txt", 2), "fork-proof-2.txt");
        assert_eq!(name("a.b/proof", 10), "a.b/proof-10");
    }
}
