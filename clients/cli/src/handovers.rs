//! `daicho handovers`: lists the handovers of a scheme.

use std::io::Write;

use crate::context::Context;
use crate::exit::Exit;
use crate::schema;
use crate::table::{Table, or_dash};
use crate::words;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  daicho handovers --scheme queue_notice_service\n  \
    daicho handovers --scheme queue_notice_service --output json")]
pub(crate) struct Args {
    /// Scheme id
    #[arg(long)]
    scheme: String,
}

pub(crate) async fn run(args: Args, context: &Context, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let handovers = context.connect().await?.handovers(&args.scheme).await?;
    if context.json() {
        for handover in &handovers {
            writeln!(out, "{}", schema::to_json("Handover", handover, true))?;
        }
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&context.pick(
        ["授受", "情報の流れ", "状態", "引渡しの記録", "受領の記録"],
        ["HANDOVER", "FLOW", "STATE", "GIVEN IN", "RECEIVED IN"],
    ));
    for handover in handovers {
        // Entry 0 opens the ledger and holds no handover, so 0 says that a side is missing.
        let entry = |index: u64| if index == 0 { "-".to_owned() } else { index.to_string() };
        table.row([
            handover.id,
            or_dash(&handover.flow),
            words::state(&handover.state, context.lang).to_owned(),
            entry(handover.given_entry),
            entry(handover.received_entry),
        ]);
    }
    table.write(context, out)?;
    Ok(Exit::Ok)
}
