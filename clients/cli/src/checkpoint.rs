//! `daicho checkpoint`: what the ledger signed, and who cosigned it.

use std::io::Write;

use daicho_client::KeptCheckpoint;
use daicho_client::proto::CheckpointKind;
use serde_json::json;

use crate::context::Context;
use crate::exit::Exit;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Show the newest checkpoint as it was signed
    #[command(
        after_help = "Examples:\n  daicho checkpoint show\n  daicho checkpoint show --kept > checkpoint.txt\n\n\
        Keep what it prints: `daicho receipt compare` holds it against the ledger later."
    )]
    Show {
        /// The newest one that is kept, with its cosignatures
        #[arg(long)]
        kept: bool,
    },
    /// List the checkpoints that are kept, the newest first
    #[command(
        after_help = "Examples:\n  daicho checkpoint list\n  daicho checkpoint list --most 1000 --output json"
    )]
    List {
        /// How many at most
        #[arg(long, default_value_t = 20)]
        most: usize,
    },
    /// Keep the newest checkpoint now, and ask the witnesses and time-stamping authorities for it
    #[command(after_help = "Examples:\n  daicho checkpoint publish")]
    Publish,
    /// Have the operator seal the ledger now
    #[command(after_help = "Examples:\n  daicho checkpoint seal")]
    Seal,
}

pub(crate) async fn run(command: Command, context: &Context, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let client = context.connect().await?;
    match command {
        Command::Show { kept } => {
            let kind = if kept { CheckpointKind::Kept } else { CheckpointKind::Unspecified };
            let checkpoint = client.newest_checkpoint(kind).await?;
            if context.json() {
                writeln!(out, "{}", to_json(&checkpoint))?;
            } else {
                write!(out, "{}", checkpoint.note)?;
            }
        }
        Command::List { most } => {
            for checkpoint in client.checkpoints(most).await? {
                line(&checkpoint, context, out)?;
            }
        }
        Command::Publish => line(&client.publish_checkpoint().await?, context, out)?,
        Command::Seal => {
            let entry = client.seal().await?;
            if context.json() {
                writeln!(out, "{}", json!({ "entry": entry.get() }))?;
            } else {
                writeln!(
                    out,
                    "{}",
                    context.pick(format!("記録 {entry} で封緘しました"), format!("sealed by entry {entry}"))
                )?;
            }
        }
    }
    Ok(Exit::Ok)
}

fn line(checkpoint: &KeptCheckpoint, context: &Context, out: &mut dyn Write) -> anyhow::Result<()> {
    if context.json() {
        writeln!(out, "{}", to_json(checkpoint))?;
        return Ok(());
    }
    let tree = checkpoint.note.checkpoint();
    let witnessed = match checkpoint.witnessed {
        true => context.pick("連署は定足数に達した", "witnessed"),
        false => context.pick("連署は定足数に満たない", "not witnessed"),
    };
    let stamps = checkpoint.timestamps.len();
    let stamps = context.pick(format!("時刻印 {stamps}"), format!("{stamps} time-stamps"));
    Ok(writeln!(out, "{:>12}  {}  {}  {witnessed}  {stamps}", tree.size(), tree.root(), checkpoint.signed)?)
}

fn to_json(checkpoint: &KeptCheckpoint) -> serde_json::Value {
    let tree = checkpoint.note.checkpoint();
    json!({
        "origin": tree.origin(), "size": tree.size(), "root": tree.root().to_string(),
        "signed": checkpoint.signed.to_string(), "witnessed": checkpoint.witnessed,
        "timestamps": checkpoint.timestamps.len(), "note": checkpoint.note.to_string(),
    })
}
