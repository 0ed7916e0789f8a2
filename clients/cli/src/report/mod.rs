//! `daicho report deletion`: asks the ledger for a deletion report and draws it.
//!
//! The ledger computes; nothing here judges. With `--bundle` the report is computed here as well, from the entries. See `docs/formats/report.md` for the report's JSON.

mod issue;
mod paper;
mod text;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail, ensure};
use clap::ValueEnum;
use daicho_client::Client;
use daicho_core::{Date, Instant, proto};
use daicho_custody::DeletionReport;
use daicho_custody::report::Period;
use daicho_verify::bundle::BundleError;

use crate::context::Context;
use crate::evidence::{self, Disagreement};
use crate::exit::Exit;

/// Most bytes of a report that are read.
const MAX_REPORT_LEN: usize = 256 * 1024 * 1024;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Report what was erased on schedule and what was not
    #[command(after_help = "Examples:\n  \
        daicho report deletion --scheme queue_notice_service --from 2021-02-01 --to 2021-02-28\n  \
        daicho report deletion --scheme queue_notice_service --from 2021-02-01 --to 2021-02-28 --format html --out report.html\n  \
        daicho report deletion --scheme queue_notice_service --from 2021-02-01 --to 2021-02-28 --format pdf --out report.pdf \\\n    \
        --policy policy.txt --issue-key ward.pem --issued-to 審議会\n  \
        daicho report deletion --scheme queue_notice_service --from 2020-04-01 --to 2021-03-31 --as-of 2021-04-30 --format json\n  \
        daicho report deletion --scheme queue_notice_service --from 2021-02-01 --to 2021-02-28 --format html --out report.html \\\n    \
        --bundle report.bundle\n\n\
        Data sets that came into being in the period are reported, whatever became of them later.\n\
        --bundle publishes a checkpoint, reads and audits every entry up to it, computes the report from them and demands\n\
        that the ledger's own is the same. Anybody can verify the file: daicho verify report.bundle --policy policy.txt\n\
        --format pdf does the same and attaches the bundle inside: daicho verify report.pdf --policy policy.txt")]
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
    /// Write over what is there
    #[arg(long)]
    force: bool,
    /// Trust policy (C2SP tlog-policy) by which the PDF says who witnessed the checkpoint. Without one it says that none was checked
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Write everything that proves the report to this file
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// Private key (PKCS#8 PEM) that records the issue of the file in the ledger: its hash, for whom, as of when
    #[arg(long, value_name = "FILE", requires = "out")]
    issue_key: Option<PathBuf>,
    /// For whom it is issued
    #[arg(long, value_name = "WHOM", default_value = "council", requires = "issue_key")]
    issued_to: String,
}

/// Form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// The tables, a file each in the folder --out, for spreadsheets
    Csv,
    /// One self-contained page, for screens and A4 paper
    Html,
    /// The report as computed, for programs
    Json,
    /// A document for people (PDF/A-3), with everything that proves it attached inside
    Pdf,
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
    let as_of_ms = context.moment(args.as_of.as_deref())?;
    let format = if context.json() { Format::Json } else { args.format };
    outputs_fit(&args, format, context)?;
    let client = context.connect().await?;
    let as_of = Instant::from_unix_ms(as_of_ms).filter(|_| as_of_ms != 0);
    let period = Period { from, to };
    if format == Format::Pdf {
        let (bundle, policy) = (args.bundle.as_deref(), args.policy.as_deref());
        let order = paper::Order { scheme: &args.scheme, period, as_of, bundle, policy };
        let file = args.out.as_deref().context("--out")?;
        let (drawn, as_of) = match paper::make(&client, order, context).await {
            Ok(made) => made,
            Err(error) => return wrong(error, context),
        };
        context.write(file, &drawn, args.force)?;
        return issued(client, &args, as_of, &drawn, context, out).await;
    }
    let report = match &args.bundle {
        Some(bundle) => {
            let terms = (args.scheme.as_str(), period);
            match evidence::report_bundle(&client, terms, as_of, bundle, context).await {
                Ok(report) => report,
                Err(error) => return wrong(error, context),
            }
        }
        None => {
            let (scheme, from, to) = (args.scheme.clone(), args.from.clone(), args.to.clone());
            let request = proto::GetDeletionReportRequest { scheme, from, to, as_of_ms };
            parse(&fetch(&client, request, context).await?, context)?
        }
    };
    if format == Format::Csv {
        let folder = args.out.as_deref().context("--out")?;
        std::fs::create_dir_all(folder).with_context(|| context.cannot_write(folder))?;
        for (name, bytes) in daicho_report::csv::tables(&report, context.lang) {
            context.write(&folder.join(name), &bytes, args.force)?;
        }
        return Ok(Exit::Ok);
    }
    let drawn = draw(&report, format, context)?;
    match &args.out {
        None => out.write_all(drawn.as_bytes())?,
        Some(path) => context.write(path, drawn.as_bytes(), args.force)?,
    }
    issued(client, &args, report.as_of, drawn.as_bytes(), context, out).await
}

/// Fails for places that the report could not be written to, before anything is asked of the ledger.
fn outputs_fit(args: &Args, format: Format, context: &Context) -> anyhow::Result<()> {
    match (format, &args.out) {
        (Format::Csv, None) => {
            bail!(context.pick(
                "--format csv には --out（フォルダー）が必要です",
                "--format csv needs --out, a folder"
            ))
        }
        (Format::Csv, Some(_)) if args.issue_key.is_some() => bail!(context.pick(
            "--issue-key は一つのファイルの報告書に使います",
            "--issue-key is for a report in one file"
        )),
        (Format::Csv, Some(folder)) => {
            context.distinct(&std::iter::once(folder).chain(&args.bundle).collect::<Vec<_>>())?;
            tables_fit(folder, args.force, context)?;
            context.vacant(&args.bundle, args.force)
        }
        (Format::Pdf, None) => {
            bail!(context.pick("--format pdf には --out が必要です", "--format pdf needs --out"))
        }
        _ => context.vacant(args.out.iter().chain(&args.bundle), args.force),
    }
}

/// Fails for a folder that holds something: tables would be lost among other files.
fn tables_fit(folder: &Path, force: bool, context: &Context) -> anyhow::Result<()> {
    let empty = folder.read_dir().map_or(true, |mut files| files.next().is_none());
    ensure!(
        empty || force,
        context.pick(
            format!(
                "{} は空ではありません。別のフォルダーを指定するか、同じ名前のファイルに上書きしてよければ --force を付けてください",
                folder.display()
            ),
            format!(
                "{} is not empty; name another folder, or say --force to write over files of the same names",
                folder.display()
            ),
        )
    );
    Ok(())
}

/// Records the issue where a key for it is given, and says where that stands.
async fn issued(
    client: Client,
    args: &Args,
    as_of: Instant,
    document: &[u8],
    context: &Context,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    // What was asked for on standard output says so itself.
    if let Some(file) = args.out.as_ref().filter(|_| !context.json()) {
        let file = file.display();
        writeln!(out, "{}", context.pick(format!("{file} に書き出しました"), format!("written to {file}")))?;
    }
    if let Some(entry) = issue::record(client, args, as_of, document, context).await? {
        let said = context.pick(
            format!("報告書の発行を記録しました（記録 {entry}）"),
            format!("the issue of the report is recorded (entry {entry})"),
        );
        writeln!(out, "{said}")?;
    }
    Ok(Exit::Ok)
}

/// Ends with the exit code of something wrong where the ledger is at fault.
fn wrong(error: anyhow::Error, context: &Context) -> anyhow::Result<Exit> {
    let at_fault = error.is::<Disagreement>() || matches!(error.downcast_ref(), Some(BundleError::Audit(_)));
    if !at_fault {
        return Err(error);
    }
    eprintln!("{}{error:#}", context.pick("誤りを見つけました: ", "NOT SOUND: "));
    Ok(Exit::Wrong)
}

/// Reads a day.
pub(crate) fn day(text: &str, context: &Context) -> anyhow::Result<Date> {
    Date::parse(text).ok_or_else(|| {
        anyhow!(context.pick(
            format!("「{text}」は日付として読めません。2021-02-01 のように指定してください"),
            format!("`{text}` is no date; write one such as 2021-02-01"),
        ))
    })
}

/// Reads a report from the ledger.
pub(crate) async fn fetch(
    client: &Client,
    request: proto::GetDeletionReportRequest,
    context: &Context,
) -> anyhow::Result<Vec<u8>> {
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

/// Reads a report's JSON.
pub(crate) fn parse(bytes: &[u8], context: &Context) -> anyhow::Result<DeletionReport> {
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
    Ok(report)
}

/// Draws a report.
fn draw(report: &DeletionReport, format: Format, context: &Context) -> anyhow::Result<String> {
    Ok(match format {
        Format::Html => daicho_report::html::page(report, context.lang),
        Format::Json => serde_json::to_string_pretty(report)? + "\n",
        Format::Csv | Format::Pdf => bail!("not one text"),
        Format::Text => text::page(report, context.lang),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheme::Lang;

    const SAMPLE: &[u8] = include_bytes!("../../../../docs/formats/report-sample.json");

    fn sample(format: Format, lang: Lang) -> String {
        let context = Context::showing(lang);
        draw(&parse(SAMPLE, &context).expect("a report"), format, &context).expect("the sample draws")
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
        let context = Context::showing(Lang::En);
        let page = draw(&report, Format::Html, &context).expect("it draws");
        let listed = page.matches("<tbody class=\"group\"><tr class=\"set\"><th colspan=\"8\">").count();
        assert_eq!(listed, problems + 300);
        for set in report.data_sets.iter().filter(|d| d.problem.is_some()) {
            assert!(page.contains(&format!("<code>{}</code>", set.id)), "{} is hidden", set.id);
        }
        let more = format!(
            "{} more are listed one by one in the JSON",
            daicho_report::words::count((own + 900) as u64)
        );
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
        let text = std::str::from_utf8(SAMPLE).expect("UTF-8").replace("report/2", "report/3");
        let context = Context::showing(Lang::En);
        assert!(parse(text.as_bytes(), &context).is_err());
    }
}
