//! `daicho due`: lists what is due soon: open copies and duties.

use std::io::Write;

use anyhow::anyhow;
use daicho_client::Client;
use daicho_core::Instant;
use daicho_core::proto::DueItem;
use daicho_custody::calendar::Office;
use daicho_custody::scheme::{Deadline, Falls, Term};
use futures::StreamExt as _;

use crate::context::Context;
use crate::copies::place;
use crate::exit::Exit;
use crate::schema;
use crate::table::{Table, or_dash, plain, when};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  daicho due\n  daicho due --within P30D --scheme queue_notice_service\n  \
    daicho due --until 2021-04-30 --output json\n  daicho due --party shinjuku_ward --follow\n\n\
    A duty that was missed is listed for as long after its time as the list looks ahead; `daicho duties` keeps it.\n\
    For calendars and calls to other systems: daicho remind"
)]
pub(crate) struct Args {
    /// How far to look ahead of the ledger's time: P7D, P1M, PT12H
    #[arg(long, value_name = "DURATION", default_value = "P7D", conflicts_with = "until")]
    within: String,
    /// Look ahead to the end of this day, or to this time
    #[arg(long, value_name = "DATE", conflicts_with = "follow")]
    until: Option<String>,
    /// Scheme id. Default: all schemes
    #[arg(long, default_value = "", hide_default_value = true)]
    scheme: String,
    /// Only what this party has to do
    #[arg(long, value_name = "PARTY", default_value = "", hide_default_value = true)]
    party: String,
    /// Go on, and show what comes, passes its time or is settled
    #[arg(long)]
    follow: bool,
}

pub(crate) async fn run(args: Args, context: &Context, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let until = context.moment(args.until.as_deref())?;
    let within = duration(&args.within, context)?;
    let client = context.connect().await?;
    if args.follow {
        return follow(&client, &args, within, context, out).await;
    }
    let until = if args.until.is_some() { until } else { ahead(&client, within).await?.1 };
    let due = client.due(&args.scheme, &args.party, until).await?;
    if context.json() {
        for item in &due {
            writeln!(out, "{}", schema::to_json("DueItem", item, true))?;
        }
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&context.pick(
        ["期限", "状態", "事業", "すべき者", "対象", "所在・内容", "定め"],
        ["DUE", "STATUS", "SCHEME", "WHO", "WHAT", "WHERE", "RULE"],
    ));
    for item in &due {
        let said = Said::of(item, context);
        let (who, scheme) = (item.party.clone(), item.scheme.clone());
        table.row([when(item.due_ms), said.status.to_owned(), scheme, who, said.what, said.place, said.rule]);
    }
    table.write(context, out)?;
    Ok(Exit::Ok)
}

async fn follow(
    client: &Client,
    args: &Args,
    within: Deadline,
    context: &Context,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let (now, until) = ahead(client, within).await?;
    let mut changes = client.follow_due(&args.scheme, &args.party, until - now).await?;
    while let Some(change) = changes.next().await {
        let change = change?;
        if context.json() {
            writeln!(out, "{}", schema::to_json("FollowDueResponse", &change, true))?;
        } else {
            let line = |item: &DueItem, status: &str, said: Said| {
                let (scheme, who) = (&item.scheme, &item.party);
                let Said { what, place, .. } = said;
                plain(&format!("{}  {status}  {scheme}  {who}  {what}  {place}", when(item.due_ms)))
            };
            for item in &change.settled {
                let settled = context.pick("解消", "settled");
                writeln!(out, "{}", line(item, settled, Said::of(item, context)))?;
            }
            for item in &change.due {
                let said = Said::of(item, context);
                writeln!(out, "{}", line(item, said.status, said))?;
            }
        }
        out.flush()?;
    }
    Ok(Exit::Ok)
}

/// What is said of something due.
pub(crate) struct Said {
    /// Whether it is overdue.
    pub(crate) status: &'static str,
    /// The copy with its data set, or the duty.
    pub(crate) what: String,
    /// Where the copy is, or what the duty asks.
    pub(crate) place: String,
    /// The rule of a copy.
    pub(crate) rule: String,
}

impl Said {
    pub(crate) fn of(item: &DueItem, context: &Context) -> Self {
        let status = if item.overdue {
            context.pick("期限超過", "overdue")
        } else {
            context.pick("期限前", "due")
        };
        let (what, place, rule) = match (&item.copy, &item.duty) {
            (Some(copy), _) => (format!("{} ({})", copy.id, copy.data_set), place(copy), or_dash(&copy.rule)),
            (None, Some(duty)) => {
                let asks = context.pick(&duty.asks_ja, &duty.asks_en).clone();
                (duty.object.clone(), asks, "-".to_owned())
            }
            (None, None) => ("-".to_owned(), "-".to_owned(), "-".to_owned()),
        };
        Self { status, what, place, rule }
    }
}

pub(crate) fn duration(text: &str, context: &Context) -> anyhow::Result<Deadline> {
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

/// The ledger's present time and the end of a duration from it: a simulated ledger has its own.
pub(crate) async fn ahead(client: &Client, within: Deadline) -> anyhow::Result<(i64, i64)> {
    let now = Instant::EPOCH.plus_ms(client.ledger_info().await?.now_ms);
    let ahead = within.due(now, Office::default());
    Ok((now.unix_ms(), ahead.expect("days and hours need no office").unix_ms()))
}
