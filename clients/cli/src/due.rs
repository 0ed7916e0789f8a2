//! `daicho due`: lists open copies whose deadline is near.

use std::io::Write;

use anyhow::anyhow;
use daicho_client::Client;
use daicho_core::Instant;
use daicho_custody::calendar::Office;
use daicho_custody::scheme::{Deadline, Falls, Term};

use crate::context::Context;
use crate::copies::place;
use crate::exit::Exit;
use crate::schema;
use crate::table::{Table, or_dash, when};
use crate::words;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  daicho due\n  daicho due --within P30D --scheme queue_notice\n  \
    daicho due --until 2021-04-30 --output json")]
pub(crate) struct Args {
    /// How far to look ahead of the ledger's time: P7D, P1M, PT12H
    #[arg(long, value_name = "DURATION", default_value = "P7D", conflicts_with = "until")]
    within: String,
    /// Look ahead to the end of this day, or to this time
    #[arg(long, value_name = "DATE")]
    until: Option<String>,
    /// Scheme id. Default: all schemes
    #[arg(long, default_value = "", hide_default_value = true)]
    scheme: String,
}

pub(crate) async fn run(args: Args, context: &Context, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let until = context.moment(args.until.as_deref())?;
    let within = duration(&args.within, context)?;
    let client = context.connect().await?;
    let until = if args.until.is_some() { until } else { ahead(&client, within).await? };
    let due = client.due(&args.scheme, until).await?;
    if context.json() {
        for copy in &due {
            writeln!(out, "{}", schema::to_json("DueCopy", copy, true))?;
        }
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&context.pick(
        ["期限", "判定", "事業", "複製", "データセット", "保有者", "機器・媒体", "定め"],
        ["DUE", "VERDICT", "SCHEME", "COPY", "DATA SET", "HOLDER", "SYSTEM", "RULE"],
    ));
    for due in due {
        let copy = due.copy.unwrap_or_default();
        let place = place(&copy);
        table.row([
            when(copy.due_ms),
            words::state(&or_dash(&copy.verdict), context.lang).to_owned(),
            due.scheme,
            copy.id,
            copy.data_set,
            copy.holder,
            place,
            or_dash(&copy.rule),
        ]);
    }
    table.write(context, out)?;
    Ok(Exit::Ok)
}

fn duration(text: &str, context: &Context) -> anyhow::Result<Deadline> {
    match Deadline::parse(text) {
        Ok(
            deadline @ (Deadline::Day(Term::Days(_) | Term::Months(_), Falls::AsCounted)
            | Deadline::Elapsed { .. }),
        ) => Ok(deadline),
        _ => Err(anyhow!(context.pick(
            format!("「{text}」は期間として読めません。P7D、P1M、PT12H のように指定してください"),
            format!("`{text}` is no duration; write P7D, P1M or PT12H"),
        ))),
    }
}

/// The end of a duration from the ledger's present time: a simulated ledger has its own.
async fn ahead(client: &Client, within: Deadline) -> anyhow::Result<i64> {
    let now = Instant::EPOCH.plus_ms(client.ledger_info().await?.now_ms);
    let ahead = within.due(now, Office::default());
    Ok(ahead.expect("days and hours need no office").unix_ms())
}
