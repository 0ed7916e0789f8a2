//! `daicho dataset`: lists data sets and shows one.

use std::io::Write;

use clap::Subcommand;

use crate::context::Context;
use crate::copies;
use crate::exit::Exit;
use crate::schema;
use crate::table::{Table, or_dash, plain};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the data sets of a scheme
    #[command(after_help = "Examples:\n  daicho dataset list --scheme queue_notice_service")]
    List {
        /// Scheme id
        #[arg(long)]
        scheme: String,
    },
    /// Show a data set with its copies
    #[command(
        after_help = "Examples:\n  daicho dataset show --scheme queue_notice_service 2021-04-01/entry\n  \
        daicho dataset show --scheme queue_notice_service 2021-04-01/entry --as-of 2021-04-30\n  \
        daicho dataset show --scheme queue_notice_service 2021-04-01/entry --bundle entry.bundle\n\n\
        --bundle writes the entries that speak of it, and those that they rest on, with their proofs: for `daicho verify`."
    )]
    Show {
        /// Scheme id
        #[arg(long)]
        scheme: String,
        /// Data set id
        data_set: String,
        /// Time of the verdicts: a date (its end) or a time in Japan. Default: now
        #[arg(long, value_name = "TIME")]
        as_of: Option<String>,
        /// Also write an evidence bundle of the entries about it
        #[arg(long, value_name = "FILE")]
        bundle: Option<std::path::PathBuf>,
        /// Write over what is there
        #[arg(long, requires = "bundle")]
        force: bool,
    },
}

pub(crate) async fn run(command: Command, context: &Context, out: &mut dyn Write) -> anyhow::Result<Exit> {
    match command {
        Command::List { scheme } => list(&scheme, context, out).await?,
        Command::Show { scheme, data_set, as_of, bundle, force } => {
            let as_of = context.moment(as_of.as_deref())?;
            show(&scheme, &data_set, as_of, context, out).await?;
            if let Some(file) = bundle {
                context.vacant([&file], force)?;
                let selection = daicho_verify::bundle::Selection::of_data_set(&scheme, &data_set);
                let client = context.connect().await?;
                let size = client.ledger_info().await?.size;
                crate::evidence::selective_bundle(&client, selection, size, &file, context).await?;
            }
        }
    }
    Ok(Exit::Ok)
}

async fn list(scheme: &str, context: &Context, out: &mut dyn Write) -> anyhow::Result<()> {
    let sets = context.connect().await?.data_sets(scheme).await?;
    if context.json() {
        for set in &sets {
            writeln!(out, "{}", schema::to_json("DataSetSummary", set, true))?;
        }
        return Ok(());
    }
    let mut table = Table::new(&context.pick(
        ["データセット", "種類", "人数", "利用・取引", "最初の記録", "複製"],
        ["DATA SET", "KIND", "PERSONS", "SESSION", "FIRST ENTRY", "COPIES"],
    ));
    for set in sets {
        table.row([
            set.id,
            set.kind,
            set.subject_count.to_string(),
            or_dash(&set.session),
            set.opened_entry.to_string(),
            set.copies.to_string(),
        ]);
    }
    Ok(table.write(context, out)?)
}

async fn show(
    scheme: &str,
    data_set: &str,
    as_of: i64,
    context: &Context,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let set = context.connect().await?.data_set(scheme, data_set, as_of).await?;
    if context.json() {
        writeln!(out, "{}", schema::to_json("GetDataSetResponse", &set, true))?;
        return Ok(());
    }
    let summary = set.summary.unwrap_or_default();
    let persons = summary.subject_count;
    let items = or_dash(&plain(&set.items.join("、")));
    let (id, kind, entry) = (plain(&summary.id), plain(&summary.kind), summary.opened_entry);
    writeln!(
        out,
        "{}",
        context.pick(
            format!("{id}（{kind}、{persons} 人分、記録 {entry} で発生）\n項目: {items}\n"),
            format!("{id} ({kind}, data of {persons} persons, first in entry {entry})\nitems: {items}\n"),
        )
    )?;
    Ok(copies::table(&set.copies, context).write(context, out)?)
}
