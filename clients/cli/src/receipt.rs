//! `daicho receipt`: proof files of single entries.

mod compare;
mod folder;
mod show;

use std::io::Write;
use std::path::PathBuf;

use anyhow::anyhow;
use daicho_client::EntryName;
use daicho_core::{EntryIndex, KeyId, PublicKey, StatementId};
use daicho_verify::bundle::Selection;
use serde_json::json;

use crate::context::Context;
use crate::evidence::selective_bundle;
use crate::exit::Exit;
use crate::verify;

pub(crate) use folder::ReceiptFolder;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Fetch the receipt of an entry, proven in the newest kept checkpoint
    #[command(after_help = "Examples:\n  daicho receipt get --entry 100 --out receipt.tlog-proof\n  \
        daicho receipt get --statement 4f9a03c1d2e8b75600112233445566aa/7 --out receipt.tlog-proof\n  \
        daicho receipt get --entry 100 --out receipt.tlog-proof --bundle receipt.bundle\n\n\
        A receipt is a C2SP tlog-proof whose extra line carries the entry. --bundle adds the entries that it rests on:\n\
        the keys of its signers and who authorised them, the scheme in force.")]
    Get(Get),
    /// Say in words what is in a receipt; verifies no signature
    #[command(after_help = "Examples:\n  daicho receipt show receipt.tlog-proof\n  \
        daicho receipt show receipt.tlog-proof --output json\n\n\
        Exit codes: 0 it holds in itself; 1 its hashes do not lead to its root; 2 it is no receipt.")]
    Show {
        /// The receipt
        file: PathBuf,
    },
    /// Check receipts offline
    #[command(after_help = "Examples:\n  daicho receipt verify receipt.tlog-proof --policy policy.txt\n  \
        daicho receipt verify receipts/*.tlog-proof --policy policy.txt --without-quorum\n  \
        daicho receipt verify receipt.tlog-proof --policy policy.txt \\\n    \
        --public-key ed4928c628d1c2c6eae90338905995612959273a5c63f93636c14614ac8737d1\n\n\
        The receipt that comes with an answer is cut before any witness is asked: use --without-quorum, or get it again\n\
        later. A receipt holds no keys of signers; `daicho key show` prints the public key to give.\n\n\
        Exit codes: 0 all proven; 1 one is not.")]
    Verify(Verify),
    /// Hold old receipts or checkpoints against the ledger as it is now
    #[command(after_help = "Examples:\n  daicho receipt compare receipt.tlog-proof --policy policy.txt\n  \
        daicho receipt compare old/*.tlog-proof checkpoint.txt --policy policy.txt --out fork-proof.txt\n\n\
        When the ledger of now does not continue the one of then, a fork proof is written: `daicho verify` accepts it\n\
        anywhere. Exit codes: 0 the ledger continues all of them; 1 it does not.")]
    Compare(compare::Args),
}

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("which").required(true).args(["entry", "statement"])))]
pub(crate) struct Get {
    /// The entry, by its index
    #[arg(long)]
    entry: Option<u64>,
    /// The entry of this statement: key id and number
    #[arg(long, value_name = "KEY/NUMBER")]
    statement: Option<String>,
    /// File to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Write over what is there
    #[arg(long)]
    force: bool,
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
    #[arg(long, value_name = "FILE", env = "DAICHO_POLICY")]
    policy: PathBuf,
    /// Accept what the ledger signed although the policy's witnesses have not cosigned it
    #[arg(long)]
    without_quorum: bool,
    /// Ed25519 public key, in hexadecimal, whose signature must be on the statement. May be given several times
    #[arg(long, value_name = "HEX", value_parser = public_key)]
    public_key: Vec<PublicKey>,
}

/// A public key as `daicho key show` prints it.
fn public_key(text: &str) -> Result<PublicKey, String> {
    let bytes = hex::decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    let key = bytes.map(PublicKey::from_bytes).filter(|key| key.to_verifying_key().is_some());
    key.ok_or_else(|| "64 hexadecimal digits of an Ed25519 public key are wanted".to_owned())
}

pub(crate) async fn run(command: Command, context: &Context, out: &mut dyn Write) -> anyhow::Result<Exit> {
    match command {
        Command::Get(args) => get(args, context, out).await,
        Command::Show { file } => show::run(&file, context, out),
        Command::Verify(args) => {
            let policy = context.policy(&args.policy)?;
            let demand = verify::Demand { without_quorum: args.without_quorum, signers: args.public_key };
            let mut worst = Exit::Ok;
            for file in &args.files {
                let outcome = verify::of_receipt(&context.read(file)?, &policy, &demand, context);
                if verify::draw(outcome, context, out)? != Exit::Ok {
                    worst = Exit::Wrong;
                }
            }
            Ok(worst)
        }
        Command::Compare(args) => compare::run(args, context, out).await,
    }
}

async fn get(args: Get, context: &Context, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let name = match (args.entry, &args.statement) {
        (Some(index), _) => EntryName::Index(EntryIndex::new(index)),
        (None, text) => EntryName::Statement(statement(text.as_deref().unwrap_or_default(), context)?),
    };
    context.vacant(std::iter::once(&args.out).chain(&args.bundle), args.force)?;
    let client = context.connect().await?;
    let receipt = client.receipt(name, 0).await?;
    context.write(&args.out, receipt.to_string().as_bytes(), args.force)?;
    let index = receipt.entry().index;
    if let Some(path) = &args.bundle {
        selective_bundle(&client, Selection::of_entry(index), index.get() + 1, path, context).await?;
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
    let parsed = text.split_once(['/', ':']).and_then(|(key, number)| {
        Some(StatementId { key: KeyId::parse(key)?, sequence: number.parse().ok()? })
    });
    parsed.ok_or_else(|| {
        anyhow!(context.pick(
            format!("「{text}」は申告の名前として読めません。鍵の識別子/番号 のように指定してください"),
            format!("`{text}` names no statement; write key id/number"),
        ))
    })
}
