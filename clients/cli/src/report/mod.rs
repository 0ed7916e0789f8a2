//! `daicho report deletion`: asks the ledger for a deletion report and draws it.
//!
//! The ledger computes; nothing here judges. See `docs/formats/report.md` for the report's JSON.

mod details;
mod flow_svg;
mod html;
mod prose;
mod style;
mod tables;
mod text;
mod words;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, ensure};
use clap::ValueEnum;
use daicho_core::{Date, Instant, proto};
use daicho_custody::DeletionReport;
use daicho_custody::report::Period;
use daicho_verify::bundle::{ReportBundle, ReportTerms};
use futures::{StreamExt as _, TryStreamExt as _};

use crate::context::Context;
use crate::exit::Exit;

/// Entries that are audited together.
const BATCH: usize = 4_096;
/// Most bytes of a report that are read.
const MAX_REPORT_LEN: usize = 256 * 1024 * 1024;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Report what was erased on schedule and what was not
    #[command(after_help = "Examples:\n  \
        daicho report deletion --scheme queue_notice --from 2021-02-01 --to 2021-02-28\n  \
        daicho report deletion --scheme queue_notice --from 2021-02-01 --to 2021-02-28 --format html --out report.html\n  \
        daicho report deletion --scheme queue_notice --from 2020-04-01 --to 2021-03-31 --as-of 2021-04-30 --format json\n  \
        daicho report deletion --scheme queue_notice --from 2021-02-01 --to 2021-02-28 --out report.txt --bundle report.bundle\n\n\
        --bundle publishes a checkpoint, reads every entry up to it and computes the report from them.\n\
        Data sets that came into being in the period are reported, whatever became of them later.")]
    Deletion(Args),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Scheme id
    #[arg(long)]
    scheme: String,
    /// First day in Japan, e.g. 2021-02-01
    #[arg(long, value_name = "DATE")]
    from: String,
    /// Last day
    #[arg(long, value_name = "DATE")]
    to: String,
    /// As it stands at: a date (its end) or a time in Japan. Default: now
    #[arg(long, value_name = "TIME")]
    as_of: Option<String>,
    /// Form of the report
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Write to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Also write an evidence bundle that proves the report offline; the report is then the one computed from it
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
}

/// Form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One self-contained page, for screens and A4 paper
    Html,
    /// The report as computed, for programs
    Json,
    /// Plain text of 100 columns
    Text,
}

pub(crate) async fn run(command: Command, context: &Context, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let Command::Deletion(args) = command;
    let (from, to) = (day(&args.from, context)?, day(&args.to, context)?);
    ensure!(
        from <= to,
        context.pick("--to の日が --from の日より前です", "the day of --to is before the day of --from")
    );
    let request = proto::GetDeletionReportRequest {
        scheme: args.scheme.clone(),
        from: args.from.clone(),
        to: args.to.clone(),
        as_of_ms: context.moment(args.as_of.as_deref())?,
    };
    let bytes = match &args.bundle {
        None => fetch(context, request).await?,
        Some(path) => evidence(context, request, Period { from, to }, path).await?,
    };
    let format = if context.json() { Format::Json } else { args.format };
    let drawn = draw(&bytes, format, context)?;
    match &args.out {
        None => out.write_all(drawn.as_bytes())?,
        Some(path) => std::fs::write(path, drawn).with_context(|| {
            let path = path.display();
            context.pick(format!("{path} に書き込めません"), format!("cannot write {path}"))
        })?,
    }
    Ok(Exit::Ok)
}

fn day(text: &str, context: &Context) -> anyhow::Result<Date> {
    Date::parse(text).ok_or_else(|| {
        anyhow!(context.pick(
            format!("「{text}」は日付として読めません。2021-02-01 のように指定してください"),
            format!("`{text}` is no date; write one such as 2021-02-01"),
        ))
    })
}

/// Writes a complete bundle, and gives the JSON of the report that its entries give. The server's own report over the
/// same entries must be the same.
async fn evidence(
    context: &Context,
    mut request: proto::GetDeletionReportRequest,
    period: Period,
    path: &Path,
) -> anyhow::Result<Vec<u8>> {
    let client = context.connect().await?;
    if request.as_of_ms == 0 {
        request.as_of_ms = client.ledger_info().await?.now_ms;
    }
    let as_of = Instant::from_unix_ms(request.as_of_ms).context("a time in range")?;
    let kept = client.publish_checkpoint().await?;
    let size = kept.note.checkpoint().size();
    let terms = ReportTerms { scheme: request.scheme.clone(), period, as_of };
    let what = || {
        let path = path.display();
        context.pick(format!("{path} に書き込めません"), format!("cannot write {path}"))
    };
    let file = std::io::BufWriter::new(std::fs::File::create(path).with_context(what)?);
    let mut bundle = ReportBundle::begin(file, terms, kept.note, &kept.timestamps)?;
    let mut batches = std::pin::pin!(client.read_entries(0, size).await?.try_chunks(BATCH));
    while let Some(batch) = batches.next().await {
        bundle.push(batch.map_err(|broken| broken.1)?)?;
    }
    let (mut file, report) = bundle.finish()?;
    file.flush().with_context(what)?;
    let served: DeletionReport = serde_json::from_slice(&fetch(context, request).await?)?;
    // The ledger may have grown meanwhile; then the two are of different ledgers.
    if served.ledger.size == report.ledger.size {
        ensure!(
            served == report,
            context.pick(
                "サーバーの報告書が、全記録から計算した報告書と異なります。`daicho audit` で台帳を監査してください",
                "the server's report is not the one that its entries give; run `daicho audit`"
            )
        );
    }
    Ok(serde_json::to_vec(&report)?)
}

async fn fetch(context: &Context, request: proto::GetDeletionReportRequest) -> anyhow::Result<Vec<u8>> {
    let client = context.connect().await?;
    let answer = client.report().get_deletion_report(request).await;
    let mut pieces = answer.map_err(daicho_client::ClientError::from)?.into_inner();
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.message().await.map_err(daicho_client::ClientError::from)? {
        bytes.extend_from_slice(&piece.json);
        ensure!(
            bytes.len() <= MAX_REPORT_LEN,
            context.pick(
                "報告書が大きすぎます。期間を分けてください",
                "the report is too large; split the period"
            )
        );
    }
    Ok(bytes)
}

/// Draws a report from its JSON.
fn draw(bytes: &[u8], format: Format, context: &Context) -> anyhow::Result<String> {
    let report: DeletionReport = serde_json::from_slice(bytes).map_err(|error| {
        anyhow!(context.pick(
            format!(
                "サーバーの返した報告書を解釈できません（{error}）。プログラムの版が異なる可能性があります"
            ),
            format!("the server's report makes no sense ({error}); client and server may differ in version"),
        ))
    })?;
    ensure!(
        report.format == DeletionReport::FORMAT,
        context.pick(
            format!("報告書の形式 {} は、この版では読めません", report.format),
            format!("this version cannot read reports of the format {}", report.format),
        )
    );
    Ok(match format {
        Format::Html => html::page(&report, context.lang),
        Format::Json => serde_json::to_string_pretty(&report)? + "\n",
        Format::Text => text::page(&report, context.lang),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Output;
    use crate::scheme::Lang;

    const SAMPLE: &[u8] = include_bytes!("../../../../docs/formats/report-sample.json");

    fn sample(format: Format, lang: Lang) -> String {
        let context = Context { server: String::new(), lang, output: Output::Text };
        draw(SAMPLE, format, &context).expect("the sample draws")
    }

    #[test]
    fn json_is_the_report_as_computed() {
        let drawn = sample(Format::Json, Lang::Ja);
        assert_eq!(drawn.as_bytes(), SAMPLE);
    }

    #[test]
    fn problems_stand_before_all_tables_and_a_simulated_ledger_says_so() {
        for lang in [Lang::Ja, Lang::En] {
            for format in [Format::Html, Format::Text] {
                let drawn = sample(format, lang).replace("<wbr>", "");
                let place = |text: &str| drawn.find(text).unwrap_or_else(|| panic!("no `{text}`"));
                assert!(drawn.contains("模擬"), "{format:?}");
                // The overdue copy, before the sums by system and the details of the first data set in time.
                assert!(place("c-012") < place("d-001"));
                assert!(place("2021-02-01") < place("c-012"));
                assert!(!drawn.contains("{") || format == Format::Html);
            }
        }
    }

    #[test]
    fn the_page_lists_every_problem_and_three_hundred_data_sets_without_one() {
        let mut report: DeletionReport = serde_json::from_slice(SAMPLE).expect("a report");
        let problems = report.data_sets.iter().filter(|d| d.problem.is_some()).count();
        let clean = report.data_sets.iter().find(|d| d.problem.is_none()).expect("one in time").clone();
        for n in 0..1_200 {
            let id = format!("clean-{n:04}");
            report.data_sets.push(daicho_custody::report::DataSetReport { id, ..clean.clone() });
        }
        let own = report.data_sets.len() - problems - 1_200;
        let bytes = serde_json::to_vec(&report).expect("JSON");
        let context = Context { server: String::new(), lang: Lang::En, output: Output::Text };
        let page = draw(&bytes, Format::Html, &context).expect("it draws");
        let listed = page.matches("<tbody class=\"group\"><tr class=\"set\"><th colspan=\"8\">").count();
        assert_eq!(listed, problems + 300);
        for set in report.data_sets.iter().filter(|d| d.problem.is_some()) {
            assert!(page.contains(&format!("<code>{}</code>", set.id)), "{} is hidden", set.id);
        }
        let more = format!("{} more are listed one by one in the JSON", words::count((own + 900) as u64));
        assert!(page.contains(&more));
        assert!(!sample(Format::Html, Lang::En).contains("more are listed one by one in the JSON"));
    }

    #[test]
    fn the_page_stands_alone() {
        let page = sample(Format::Html, Lang::Ja);
        for outside in ["http:", "https:", "<script", "<link", "@import", "url(", "<img"] {
            assert!(!page.replace("url(#", "").contains(outside), "{outside}");
        }
        assert!(page.starts_with("<!DOCTYPE html>"));
        assert!(page.contains("令和3年2月1日"));
    }

    #[test]
    fn the_english_page_has_japanese_only_in_names() {
        let page = sample(Format::Text, Lang::En);
        for word in ["期限超過", "指摘", "結論", "保有中", "判定"] {
            assert!(!page.contains(word), "{word}");
        }
    }

    #[test]
    fn lines_fit_a_hundred_columns() {
        use unicode_width::UnicodeWidthStr as _;
        for lang in [Lang::Ja, Lang::En] {
            for line in sample(Format::Text, lang).lines() {
                assert!(line.width() <= 100, "{} columns: {line}", line.width());
            }
        }
    }

    #[test]
    fn other_formats_are_refused() {
        let text = std::str::from_utf8(SAMPLE).expect("UTF-8").replace("report/1", "report/2");
        let context = Context { server: String::new(), lang: Lang::En, output: Output::Text };
        assert!(draw(text.as_bytes(), Format::Text, &context).is_err());
    }
}
