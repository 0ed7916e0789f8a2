//! `daicho duties`: what parties owe besides each single copy, and what became of it.

use std::io::Write;

use daicho_core::{Instant, proto::Duty};
use daicho_custody::duty::DutyStatus;

use crate::context::Context;
use crate::exit::Exit;
use crate::schema;
use crate::table::{Table, or_dash};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  daicho duties --scheme queue_notice_service\n  \
    daicho duties --scheme queue_notice_service --status missed --output json\n  \
    daicho duties --scheme special_cash_benefit --who hokkaido_toppan_forms --as-of 2020-08-31\n\n\
    A duty is an obligation of the scheme, or a clause of a contract's sheet, as one party owes it.\n\
    `no-violation` says that no breach is recorded, not that there was none; `not-judged` and `no-schedule`\n\
    are never a pass. Exit code 0 whatever the duties came to.")]
pub(crate) struct Args {
    /// Scheme id
    #[arg(long)]
    scheme: String,
    /// Only what this party owes
    #[arg(long, value_name = "PARTY", default_value = "", hide_default_value = true)]
    who: String,
    /// Only with this status: missed, violated, met-late, no-schedule, not-judged, due, not-yet-due, no-violation, met, not-applicable
    #[arg(long, value_name = "WORD", default_value = "", hide_default_value = true)]
    status: String,
    /// As they stand at: a date (its end) or a time in Japan. Default: now
    #[arg(long, value_name = "TIME")]
    as_of: Option<String>,
}

pub(crate) async fn run(args: Args, context: &Context, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let as_of = context.moment(args.as_of.as_deref())?;
    let client = context.connect().await?;
    let duties = client.duties(&args.scheme, as_of, &args.who, &args.status).await?;
    if context.json() {
        for duty in &duties {
            writeln!(out, "{}", schema::to_json("Duty", duty, true))?;
        }
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&context.pick(
        ["義務", "状態", "期限", "次の期限", "履行", "内容", "求めること"],
        ["DUTY", "STATUS", "DUE", "NEXT", "MET", "DETAIL", "ASKS"],
    ));
    for duty in duties {
        table.row(row(&duty, context));
    }
    table.write(context, out)?;
    Ok(Exit::Ok)
}

fn row(duty: &Duty, context: &Context) -> [String; 7] {
    let status = DutyStatus::parse(&duty.status).map(DutyStatus::label);
    let status = status.map_or(duty.status.clone(), |label| context.pick(label.ja, label.en));
    let day = |ms: i64| {
        let time = Instant::from_unix_ms(ms).filter(|_| ms != 0);
        or_dash(&time.map(|time| time.jst_day().to_string()).unwrap_or_default())
    };
    let met = daicho_report::duties::met(context.lang, DutyStatus::parse(&duty.status), duty.met, duty.owed);
    [
        duty.object.clone(),
        status,
        day(duty.due_ms),
        day(duty.next_ms),
        or_dash(&met),
        or_dash(&context.pick(duty.detail_ja.clone(), duty.detail_en.clone())),
        context.pick(duty.asks_ja.clone(), duty.asks_en.clone()),
    ]
}
