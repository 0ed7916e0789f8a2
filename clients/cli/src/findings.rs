//! `daicho findings`: lists what the rules found wrong.

use std::io::Write;

use daicho_core::proto::Finding;
use daicho_custody::FindingCode;

use crate::context::Context;
use crate::exit::Exit;
use crate::schema;
use crate::scheme::Lang;
use crate::table::{Table, or_dash};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  daicho findings\n  \
    daicho findings --scheme queue_notice_service --as-of 2021-04-30 --output json\n\n\
    An empty list says that no violation is recorded, not that there is none.")]
pub(crate) struct Args {
    /// Scheme id. Default: all schemes
    #[arg(long, default_value = "", hide_default_value = true)]
    scheme: String,
    /// As they stand at: a date (its end) or a time in Japan. Default: now
    #[arg(long, value_name = "TIME")]
    as_of: Option<String>,
}

pub(crate) async fn run(args: Args, context: &Context, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let as_of = context.moment(args.as_of.as_deref())?;
    let findings = context.connect().await?.findings(&args.scheme, as_of).await?;
    if context.json() {
        for finding in &findings {
            writeln!(out, "{}", schema::to_json("Finding", finding, true))?;
        }
        return Ok(Exit::Ok);
    }
    if findings.is_empty() {
        writeln!(out, "{}", context.pick("違反の記録なし", "no violation recorded"))?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&context.pick(
        ["事業", "指摘", "対象", "内容", "記録"],
        ["SCHEME", "FINDING", "OBJECT", "DETAIL", "ENTRIES"],
    ));
    for finding in findings {
        let entries = entries(&finding);
        let ja = if finding.detail_ja.is_empty() { &finding.detail } else { &finding.detail_ja };
        let mut detail = context.pick(ja, &finding.detail).clone();
        let code = match FindingCode::parse(&finding.code).filter(|_| context.lang == Lang::Ja) {
            Some(code) => format!("{} {}", code.meaning().ja, finding.code),
            None => finding.code,
        };
        for answer in &finding.answers {
            detail.push_str(&format!(" [{} #{}: {}]", answer.kind, answer.entry, answer.text));
        }
        table.row([or_dash(&finding.scheme), code, or_dash(&finding.object), or_dash(&detail), entries]);
    }
    table.write(context, out)?;
    Ok(Exit::Ok)
}

/// The first entries that show it, and how many more there are.
fn entries(finding: &Finding) -> String {
    let shown: Vec<String> = finding.entries.iter().take(5).map(ToString::to_string).collect();
    let more = finding.occurrences.saturating_sub(shown.len() as u64);
    let more = if more == 0 { String::new() } else { format!(" +{more}") };
    or_dash(&format!("{}{more}", shown.join(",")))
}
