//! `daicho party`: shows the parties.

use std::io::Write;

use clap::Subcommand;

use crate::context::Context;
use crate::exit::Exit;
use crate::schema;
use crate::table::{Table, or_dash};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the parties and their members
    #[command(after_help = "Examples:\n  daicho party list\n  daicho party list --output json")]
    List,
}

pub(crate) async fn run(command: Command, context: &Context, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let Command::List = command;
    let parties = context.connect().await?.parties().await?;
    if context.json() {
        for party in &parties {
            writeln!(out, "{}", schema::to_json("Party", party, true))?;
        }
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&context.pick(["識別子", "名称", "構成員"], ["PARTY", "NAME", "MEMBERS"]));
    for party in parties {
        table.row([party.id, party.label, or_dash(&party.members.join(", "))]);
    }
    table.write(context, out)?;
    Ok(Exit::Ok)
}
