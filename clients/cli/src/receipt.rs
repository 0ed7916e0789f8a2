//! `daicho receipt`: proof files of single entries.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use daicho_client::proto::CheckpointKind;
use daicho_client::{Client, EntryName};
use daicho_core::{EntryIndex, KeyId, StatementId};
use daicho_tlog::SignedCheckpoint;
use daicho_tlog::merkle::verify_consistency;
use daicho_verify::bundle::Selection;
use daicho_verify::{Evidence, ForkProof, Receipt};
use futures::TryStreamExt as _;
use serde_json::json;

use crate::context::Context;
use crate::evidence::selective_bundle;
use crate::exit::Exit;
use crate::verify;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Fetch the receipt of an entry, proven in the newest kept checkpoint
    #[command(after_help = "Examples:\n  daicho receipt get --entry 100 --out receipt.tlog-proof\n  \
        daicho receipt get --statement 4f9a03c1d2e8b75600112233445566aa:7 --out receipt.tlog-proof\n  \
        daicho receipt get --entry 100 --out receipt.tlog-proof --bundle receipt.bundle\n\n\
        A receipt is a C2SP tlog-proof whose extra line carries the entry. --bundle adds the entries that it rests on:\n\
        the keys of its signers and who authorised them, the scheme in force.")]
    Get(Get),
    /// Check receipts offline
    #[command(after_help = "Examples:\n  daicho receipt verify receipt.tlog-proof --policy policy.txt\n\n\
        Exit codes: 0 all proven; 1 one is not.")]
    Verify(Verify),
    /// Hold old receipts or checkpoints against the ledger as it is now
    #[command(after_help = "Examples:\n  daicho receipt compare receipt.tlog-proof --policy policy.txt\n  \
        daicho receipt compare old/*.tlog-proof checkpoint.txt --policy policy.txt --out fork-proof.txt\n\n\
        When the ledger of now does not continue the one of then, a fork proof is written: `daicho verify` accepts it\n\
        anywhere. Exit codes: 0 the ledger continues all of them; 1 it does not.")]
    Compare(Compare),
}

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("which").required(true).args(["entry", "statement"])))]
pub(crate) struct Get {
    /// The entry, by its index
    #[arg(long)]
    entry: Option<u64>,
    /// The entry of this statement: key id and number
    #[arg(long, value_name = "KEY:NUMBER")]
    statement: Option<String>,
    /// File to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Also write an evidence bundle with what the entry rests on
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    /// Receipts
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Trust policy (C2SP tlog-policy)
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Compare {
    /// Receipts, or checkpoints as they were signed
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Trust policy (C2SP tlog-policy): the ledger's key
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// Where to write the proof when there is a fork
    #[arg(long, value_name = "FILE", default_value = "fork-proof.txt")]
    out: PathBuf,
}

pub(crate) async fn run(command: Command, context: &Context, out: &mut dyn Write) -> anyhow::Result<Exit> {
    match command {
        Command::Get(args) => get(args, context, out).await,
        Command::Verify(args) => {
            let policy = context.policy(&args.policy)?;
            let mut worst = Exit::Ok;
            for file in &args.files {
                let outcome =
                    verify::of_receipt(&context.read(file)?, &policy, &verify::Demand::default(), context);
                if verify::draw(outcome, context, out)? != Exit::Ok {
                    worst = Exit::Wrong;
                }
            }
            Ok(worst)
        }
        Command::Compare(args) => compare(args, context, out).await,
    }
}

async fn get(args: Get, context: &Context, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let name = match (args.entry, &args.statement) {
        (Some(index), _) => EntryName::Index(EntryIndex::new(index)),
        (None, text) => EntryName::Statement(statement(text.as_deref().unwrap_or_default(), context)?),
    };
    let client = context.connect().await?;
    let receipt = client.receipt(name, 0).await?;
    context.write(&args.out, receipt.to_string().as_bytes())?;
    let index = receipt.entry().index;
    if let Some(path) = &args.bundle {
        selective_bundle(&client, Selection::of_entry(index), path, context).await?;
    }
    let size = receipt.checkpoint().checkpoint().size();
    if context.json() {
        writeln!(
            out,
            "{}",
            json!({ "entry": index.get(), "size": size, "file": args.out.display().to_string() })
        )?;
    } else {
        let file = args.out.display();
        writeln!(
            out,
            "{}",
            context.pick(
                format!("記録 {index} の受領証（{size} 件の検査点）を {file} に書きました"),
                format!("receipt of entry {index}, in a checkpoint over {size}, written to {file}"),
            )
        )?;
    }
    Ok(Exit::Ok)
}

fn statement(text: &str, context: &Context) -> anyhow::Result<StatementId> {
    let parsed = text.split_once(':').and_then(|(key, number)| {
        Some(StatementId { key: KeyId::parse(key)?, sequence: number.parse().ok()? })
    });
    parsed.ok_or_else(|| {
        anyhow!(context.pick(
            format!("「{text}」は申告の名前として読めません。鍵の識別子:番号 のように指定してください"),
            format!("`{text}` names no statement; write key id:number"),
        ))
    })
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

async fn compare(args: Compare, context: &Context, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let policy = context.policy(&args.policy)?;
    let client = context.connect().await?;
    let now = client.newest_checkpoint(CheckpointKind::Unspecified).await?.note;
    policy.examine(&now).map_err(|error| anyhow!("{}: {error}", context.server))?;
    let mut worst = Exit::Ok;
    for file in &args.files {
        let bytes = context.read(file)?;
        let old = match Receipt::parse(&bytes) {
            Ok(receipt) => Old::Receipt(Box::new(receipt)),
            Err(error) => Old::Checkpoint(
                SignedCheckpoint::parse(&bytes).map_err(|_| anyhow!("{}: {error}", file.display()))?,
            ),
        };
        policy.examine(old.checkpoint()).map_err(|error| anyhow!("{}: {error}", file.display()))?;
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
        worst = Exit::Wrong;
        let proof = ForkProof::new(evidence, &format!("asked {} for its newest checkpoint", context.server))?;
        let path = args.out.display();
        // Evidence is not written over.
        anyhow::ensure!(
            context.create(&args.out, proof.to_string().as_bytes())?,
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
    Ok(worst)
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
