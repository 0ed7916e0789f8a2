//! `daicho copies`: lists copies with their verdicts.

use std::io::Write;

use daicho_core::proto::CopyState;

use crate::context::Context;
use crate::exit::Exit;
use crate::schema;
use crate::table::{Table, or_dash, when};
use crate::words;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  daicho copies --scheme queue_notice_service\n  \
    daicho copies --scheme queue_notice_service --as-of 2021-04-30 --output json")]
pub(crate) struct Args {
    /// Scheme id
    #[arg(long)]
    scheme: String,
    /// Time of the verdicts: a date (its end) or a time in Japan. Default: now
    #[arg(long, value_name = "TIME")]
    as_of: Option<String>,
}

pub(crate) async fn run(args: Args, context: &Context, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let as_of = context.moment(args.as_of.as_deref())?;
    let copies = context.connect().await?.copies(&args.scheme, as_of).await?;
    if context.json() {
        for copy in &copies {
            writeln!(out, "{}", schema::to_json("CopyState", copy, true))?;
        }
    } else {
        table(&copies, context).write(context, out)?;
    }
    Ok(Exit::Ok)
}

/// Copies as a table.
pub(crate) fn table(copies: &[CopyState], context: &Context) -> Table {
    let mut table = Table::new(&context.pick(
        ["複製", "データセット", "保有者", "機器・媒体", "発生", "終了", "期限", "判定", "証拠"],
        ["COPY", "DATA SET", "HOLDER", "SYSTEM", "OPENED", "CLOSED", "DUE", "VERDICT", "EVIDENCE"],
    ));
    for copy in copies {
        table.row([
            copy.id.clone(),
            copy.data_set.clone(),
            copy.holder.clone(),
            place(copy),
            when(copy.opened_ms),
            if copy.closed { when(copy.closed_ms) } else { "-".to_owned() },
            when(copy.due_ms),
            words::state(&or_dash(&copy.verdict), context.lang).to_owned(),
            words::state(&or_dash(&copy.evidence), context.lang).to_owned(),
        ]);
    }
    table
}

/// The system, and which of several machines.
pub(crate) fn place(copy: &CopyState) -> String {
    if copy.unit.is_empty() { copy.system.clone() } else { format!("{}/{}", copy.system, copy.unit) }
}
