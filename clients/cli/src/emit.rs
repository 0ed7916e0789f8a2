//! `daicho emit`: signs events and sends them.

mod later;
mod reporter;

use std::io::{Read as _, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::anyhow;
use daicho_client::{ClientError, Emitter, SigningKey, Validation, split};
use daicho_core::{MAX_EVENTS, proto};
use daicho_custody::scheme::Text;
use daicho_custody::{Detail, FindingCode, Names};
use serde_json::json;

use crate::context::Context;
use crate::cosign::{self, Cosigners};
use crate::exit::{self, Exit};
use crate::receipt::ReceiptFolder;
use crate::{describe, event_json, key};
use reporter::Reporter;

/// Statements in flight: enough to fill the ledger's commit groups.
const WINDOW: usize = 256;
/// Exit code of a program that was interrupted twice, as shells have it: 128 and the number of SIGINT.
const INTERRUPTED: i32 = 130;
/// Bad lines that are shown at once.
const BAD_LINES_SHOWN: usize = 20;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  daicho emit --describe\n  daicho emit --describe collected\n  \
    daicho emit --key terminal.pem --event \\\n    '{\"occur_time\":\"2021-04-01T09:00\",\"scheme\":\"queue_notice_service\",\
\"copied\":{\"from_copies\":[\"a\"],\"copies\":[{\"id\":\"b\",\"data_set\":\"d\",\"system\":\"s\"}]}}'\n  \
    daicho emit --key terminal.pem --file day.jsonl --dry-run\n  daicho emit --key terminal.pem --file day.jsonl\n  \
    daicho emit --key terminal.pem --file day.jsonl --receipts receipts\n  \
    daicho emit --key terminal.pem --file day.jsonl --outbox waiting     (kept on disk while the ledger is away)\n  \
    generate-events | daicho emit --key terminal.pem -\n\n\
    Events are protobuf JSON, one on each line. `occur_time` (in Japan) may stand for `occur_time_ms`; \
    bytes are base64, or `hex:` and hexadecimal digits.\n\
    All lines are read and checked before the first statement is sent.\n\
    After a refusal nothing more is sent; what was already on its way is reported too.\n\
    With --outbox the exit code is 3 while statements wait, and 4 when the ledger refused one.\n\
    --dry-run ends with exit code 1 when findings would be raised and 4 when a statement would be refused; \
    each statement is judged by the ledger as it is now, without the ones before it.")]
pub(crate) struct Args {
    /// Private key, PKCS#8 PEM
    #[arg(long, value_name = "FILE", required_unless_present = "describe")]
    key: Option<PathBuf>,
    #[command(flatten)]
    cosigners: Cosigners,
    /// Ask what recording would do, and record nothing
    #[arg(long, conflicts_with = "draft")]
    dry_run: bool,
    /// An event as JSON. May be given several times
    #[arg(long, value_name = "JSON")]
    event: Vec<String>,
    /// A file with one event on each line; - reads standard input
    #[arg(long, value_name = "FILE", conflicts_with = "event")]
    file: Option<PathBuf>,
    /// Read standard input
    #[arg(value_name = "-", value_parser = ["-"], conflicts_with_all = ["event", "file"])]
    stdin: Option<String>,
    /// Keep the receipt of each statement in this folder, as <entry>.tlog-proof: for `daicho receipt verify`
    #[arg(long, value_name = "DIR", conflicts_with_all = ["dry_run", "describe", "draft"])]
    receipts: Option<PathBuf>,
    /// Keep the statements in this folder until the ledger has answered them: for when it may be away. Run it again, with
    /// events or without, to go on sending
    #[arg(long, value_name = "DIR", conflicts_with_all = ["dry_run", "describe", "receipts", "cosign", "draft"])]
    outbox: Option<PathBuf>,
    /// With --outbox: how long to wait for the answers
    #[arg(long, value_name = "SECONDS", default_value_t = 30, requires = "outbox")]
    wait: u64,
    /// Most events in one statement, which is recorded whole or not at all. Default: as many as fit
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=MAX_EVENTS as i64))]
    per_statement: Option<u16>,
    /// Describe the events, or one of them, and send nothing
    #[arg(long, value_name = "EVENT", num_args = 0..=1, default_missing_value = "",
          conflicts_with_all = ["event", "file", "stdin", "dry_run"])]
    describe: Option<String>,
}

pub(crate) async fn run(args: Args, context: &Context, out: &mut dyn Write) -> anyhow::Result<Exit> {
    if let Some(event) = &args.describe {
        describe::run(Some(event.as_str()).filter(|event| !event.is_empty()), context, out)?;
        return Ok(Exit::Ok);
    }
    let file = args.key.as_deref().expect("required unless describing");
    let batches = read(&args, context)?;
    let key = key::load(file, context)?;
    let cosigners = args.cosigners.here(context)?;
    if let Some(folder) = &args.outbox {
        let wait = Duration::from_secs(args.wait);
        return later::run(folder, key, batches, wait, context, out).await;
    }
    let receipts = args.receipts.map(|folder| ReceiptFolder::open(&folder, context)).transpose()?;
    let client = context.connect_as(&key).await?;
    let mut emitter = Emitter::new(client.clone(), key).await?;
    if let [batch] = batches.as_slice() {
        if args.cosigners.draft(&mut emitter, &batch.events, context, out).await? {
            return Ok(Exit::Ok);
        }
    } else if args.cosigners.is_elsewhere() {
        let statements = batches.len();
        return Err(anyhow!(context.pick(
            format!("下書きは申告1件分です。事象が多すぎます（{statements} 件の申告になります）"),
            format!("a draft holds one statement; these events make {statements}"),
        )));
    }
    if args.dry_run {
        return dry_run(emitter, batches, &cosigners, context, out).await;
    }
    let mut reporter = Reporter::new(&batches, receipts, context, out);
    let stop = Interrupt::listen(context);
    let left = if cosigners.is_empty() && batches.len() > 1 {
        send_many(emitter, batches, &stop, &mut reporter).await?
    } else {
        send_each(emitter, batches, &cosigners, &stop, &mut reporter).await?
    };
    if stop.came() && left > 0 {
        reporter.interrupted();
    }
    reporter.finish(left, &client).await
}

/// Whether somebody pressed Ctrl-C. What is on its way then is still answered; a second one ends the program at once.
struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    fn listen(context: &Context) -> Self {
        let waiting = context.pick(
            "送信済みの申告への答えを待っています。もう一度 Ctrl-C を押すと直ちに終了します。",
            "waiting for the answers to what was sent; press Ctrl-C again to end at once",
        );
        let came = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&came);
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                flag.store(true, Ordering::Relaxed);
                eprintln!("{waiting}");
                drop(tokio::signal::ctrl_c().await);
                #[expect(clippy::disallowed_methods, reason = "what the user asks for by the second Ctrl-C")]
                std::process::exit(INTERRUPTED);
            }
        });
        Self(came)
    }

    fn came(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The events of one statement, and where they come from.
#[derive(Debug, Clone, PartialEq)]
struct Batch {
    /// First and last line, from 1.
    lines: (usize, usize),
    events: Vec<proto::Event>,
}

/// A file as text, without the mark that some editors put at its start.
fn utf8(bytes: Vec<u8>, name: &Path, context: &Context) -> anyhow::Result<String> {
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..at].iter().filter(|b| **b == b'\n').count() + 1;
        let name = name.display();
        anyhow!(context.pick(
            format!("{name} の {line} 行目は UTF-8 ではありません。UTF-8 で保存し直してください"),
            format!("{name}, line {line}: not UTF-8; save it as UTF-8"),
        ))
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// Reads and checks all events.
fn read(args: &Args, context: &Context) -> anyhow::Result<Vec<Batch>> {
    let (name, text) = match (&args.file, &args.stdin) {
        (Some(file), _) if file != Path::new("-") => {
            (file.display().to_string(), utf8(context.read(file)?, file, context)?)
        }
        (Some(_), _) | (None, Some(_)) => {
            let mut bytes = Vec::new();
            std::io::stdin().read_to_end(&mut bytes)?;
            let name = context.pick("標準入力", "standard input");
            (name.to_owned(), utf8(bytes, Path::new(name), context)?)
        }
        // A line break inside of one event would be taken for the end of it.
        (None, None) => {
            ("--event".to_owned(), args.event.iter().map(|e| e.replace('\n', " ") + "\n").collect())
        }
    };
    let batches = batches(parse(&name, &text, context)?, args.per_statement);
    if batches.is_empty() && args.outbox.is_none() {
        return Err(anyhow!(context.pick(
            "送る事象がありません。--event、--file または - で指定してください",
            "there are no events; give --event, --file or -",
        )));
    }
    Ok(batches)
}

/// The events of a text with the lines on which they stand. All bad lines are reported together.
fn parse(name: &str, text: &str, context: &Context) -> anyhow::Result<Vec<(usize, proto::Event)>> {
    let mut events = Vec::new();
    let mut bad = Vec::new();
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match event_json::parse(line, context.lang) {
            Ok(event) => events.push((i + 1, event)),
            Err(error) => bad.push(format!("{name}:{}:{}: {}", i + 1, error.column, error.message)),
        }
    }
    if bad.is_empty() {
        return Ok(events);
    }
    let count = bad.len();
    bad.truncate(BAD_LINES_SHOWN);
    let lines = bad.join("\n");
    Err(anyhow!(context.pick(
        format!("{count} 行に誤りがあります。何も送信していません。\n{lines}"),
        format!("{count} bad line(s); nothing was sent\n{lines}"),
    )))
}

/// Groups events into statements that fit.
fn batches(events: Vec<(usize, proto::Event)>, per_statement: Option<u16>) -> Vec<Batch> {
    let per_statement = per_statement.map_or(usize::MAX, usize::from);
    let (lines, events): (Vec<_>, Vec<_>) = events.into_iter().unzip();
    let mut lines = lines.into_iter();
    let mut batches = Vec::new();
    for part in split(events) {
        for events in part.chunks(per_statement.min(part.len())) {
            let mut own = lines.by_ref().take(events.len());
            let first = own.next().unwrap_or_default();
            let last = own.last().unwrap_or(first);
            batches.push(Batch { lines: (first, last), events: events.to_vec() });
        }
    }
    batches
}

/// Where a batch stands and how much it holds.
fn place(batch: &Batch) -> (usize, usize, usize) {
    (batch.lines.0, batch.lines.1, batch.events.len())
}

/// One statement after the other, until one is not recorded. Returns how many were not sent.
async fn send_each(
    mut emitter: Emitter,
    batches: Vec<Batch>,
    cosigners: &[SigningKey],
    stop: &Interrupt,
    reporter: &mut Reporter<'_>,
) -> anyhow::Result<usize> {
    let cosigners = cosign::signers(cosigners);
    let mut left = batches.len();
    for batch in batches {
        if stop.came() {
            break;
        }
        let place = place(&batch);
        left -= 1;
        let result = emitter.emit_with(batch.events, &cosigners).await;
        if !reporter.answered(place, result)? {
            break;
        }
    }
    Ok(left)
}

/// Many statements in flight, until one is not recorded; then the answers that are still owed. Returns how many were not
/// sent.
async fn send_many(
    emitter: Emitter,
    batches: Vec<Batch>,
    stop: &Interrupt,
    reporter: &mut Reporter<'_>,
) -> anyhow::Result<usize> {
    let mut left = batches.len();
    let mut stream = emitter.into_stream(WINDOW).await?;
    let mut sent = std::collections::VecDeque::new();
    let mut go_on = true;
    for batch in batches {
        while let Some(answer) = stream.try_next() {
            go_on &= reporter.answered(sent.pop_front().unwrap_or_default(), answer.result)?;
        }
        if !go_on || stop.came() {
            break;
        }
        let place = place(&batch);
        match stream.send(batch.events).await {
            Ok(_) => sent.push_back(place),
            Err(ClientError::StreamClosed) => break,
            Err(error) => {
                reporter.answered(place, Err(error))?;
                left -= 1;
                break;
            }
        }
        left -= 1;
    }
    while let Some(answer) = stream.next().await {
        reporter.answered(sent.pop_front().unwrap_or_default(), answer.result)?;
    }
    Ok(left)
}

/// Asks what each statement would do.
async fn dry_run(
    mut emitter: Emitter,
    batches: Vec<Batch>,
    cosigners: &[SigningKey],
    context: &Context,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let cosigners = cosign::signers(cosigners);
    let mut worst = Exit::Ok;
    for batch in batches {
        let lines = batch.lines;
        let validation = emitter.validate_with(batch.events, &cosigners).await?;
        let exit = match (&validation.refusal, validation.findings.is_empty()) {
            (Some(_), _) => Exit::Refused,
            (None, false) => Exit::Wrong,
            (None, true) => Exit::Ok,
        };
        if exit as u8 > worst as u8 {
            worst = exit;
        }
        predict(lines, validation, context, out)?;
    }
    Ok(worst)
}

fn predict(
    (first, last): (usize, usize),
    validation: Validation,
    context: &Context,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let Validation { refusal, findings, changed_records, recorded_at_entry } = validation;
    if context.json() {
        let refusal =
            refusal.map(|r| json!({ "reason": r.code.reason(), "field": r.field, "message": r.message }));
        let findings: Vec<_> = findings
            .iter()
            .map(
                |finding| json!({ "code": finding.code, "object": finding.object, "detail": finding.detail }),
            )
            .collect();
        let json = json!({
            "first_line": first, "last_line": last, "refusal": refusal, "findings": findings,
            "changed_records": changed_records, "recorded_at_entry": recorded_at_entry,
        });
        writeln!(out, "{json}")?;
        return Ok(());
    }
    let verdict = match (&refusal, recorded_at_entry) {
        (Some(refusal), _) => exit::explain(&ClientError::Refused(refusal.clone()), context.lang),
        (None, Some(entry)) => context.pick(
            format!("記録 {entry} としてすでに記録されています。"),
            format!("is recorded already, as entry {entry}"),
        ),
        (None, None) if findings.is_empty() => {
            context
                .pick(
                    "記録でき、記録による指摘は生じません(期限の遵守は、記録後に時点ごとに判定します)。",
                    "would be recorded, and recording it raises no finding (deadlines are judged whenever somebody looks)",
                )
                .to_owned()
        }
        (None, None) => context.pick(
            format!("記録できますが、次の {} 件の指摘が生じます。", findings.len()),
            format!("would be recorded and raise {} finding(s):", findings.len()),
        ),
    };
    let heading = if first == last {
        context.pick(format!("{first} 行目: "), format!("line {first}: "))
    } else {
        context.pick(format!("{first}〜{last} 行目: "), format!("lines {first}-{last}: "))
    };
    writeln!(out, "{heading}{verdict}")?;
    for finding in findings {
        let said = match FindingCode::parse(&finding.code) {
            Some(code) => Detail::parse(code, &finding.detail).words(&Names::default()),
            None => Text { ja: finding.detail.clone(), en: finding.detail },
        };
        let said = context.pick(said.ja, said.en);
        writeln!(out, "  {}  {}  {said}", finding.code, finding.object)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheme::Lang;

    fn context() -> Context {
        Context::showing(Lang::En)
    }

    const LINE: &str = r#"{"occur_time":"2021-04-01","copied":{}}"#;

    #[test]
    fn all_bad_lines_are_named_with_line_and_column() {
        let text = format!("{LINE}\n\n{{\"x\":1}}\n{LINE}\nnonsense\n");
        let error = parse("day.jsonl", &text, &context()).expect_err("bad lines").to_string();
        assert!(error.contains("2 bad line(s); nothing was sent"), "{error}");
        assert!(error.contains("\nday.jsonl:3:6: "), "{error}");
        assert!(error.contains("\nday.jsonl:5:"), "{error}");
    }

    #[test]
    fn statements_know_their_lines_across_blank_ones() {
        let text = format!("\n{LINE}\n{LINE}\n\n{LINE}\n");
        let events = parse("f", &text, &context()).expect("events");
        let lines = |per| batches(events.clone(), per).iter().map(|b| b.lines).collect::<Vec<_>>();
        assert_eq!(lines(Some(2)), [(2, 3), (5, 5)]);
        assert_eq!(lines(Some(1)), [(2, 2), (3, 3), (5, 5)]);
        assert_eq!(lines(None), [(2, 5)]);
    }
}
