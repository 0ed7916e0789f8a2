//! `daicho audit`: verifies the whole ledger without trusting the server.

use std::io::{IsTerminal as _, Write};

use daicho_verify::{AuditError, AuditReport, Auditor, Check};
use futures::{StreamExt as _, TryStreamExt as _};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::context::Context;
use crate::exit::Exit;

/// Entries that are verified together.
const BATCH: usize = 4_096;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  daicho audit\n  daicho audit --server http://ledger.city.example:7340\n  \
    daicho audit --output json\n\nExit codes: 0 sound; 1 the first entry at fault and the failed check are named."
)]
pub(crate) struct Args {}

pub(crate) async fn run(_: Args, context: &Context, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let client = context.connect().await?;
    let claimed = client.ledger_info().await?;
    let bar = progress(claimed.size);
    let mut batches = Box::pin(client.read_entries(0, claimed.size).await?.try_chunks(BATCH));
    let mut auditor = Auditor::with_scratch(Box::new(tempfile::tempfile()?));
    let mut fault = None;
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(|broken| broken.1)?;
        bar.inc(batch.len() as u64);
        // Verification keeps all cores busy; the connection is read by another thread meanwhile.
        let (back, result) = tokio::task::spawn_blocking(move || {
            let result = auditor.feed(&batch);
            (auditor, result)
        })
        .await?;
        auditor = back;
        if let Err(error) = result {
            fault = Some(error);
            break;
        }
    }
    bar.finish_and_clear();
    let result = match fault {
        Some(error) => Err(error),
        None => auditor.finish().and_then(|report| check_claim(report, &claimed)),
    };
    match result {
        Ok(report) => {
            print_report(&report, context, out)?;
            Ok(Exit::Ok)
        }
        Err(error) => {
            print_fault(&error, context, out)?;
            Ok(Exit::Wrong)
        }
    }
}

/// The chain that was replayed must end where the server said that it ends.
fn check_claim(
    report: AuditReport,
    claimed: &daicho_client::proto::GetLedgerResponse,
) -> Result<AuditReport, AuditError> {
    let same = report.size.get() == claimed.size && report.head.as_bytes()[..] == claimed.chain_hash[..];
    if same && report.origin.as_str() == claimed.origin {
        return Ok(report);
    }
    let detail = format!(
        "the server claims {} entries of {}; the replay ends after {} of {} at {}",
        claimed.size,
        claimed.origin,
        report.size.get(),
        report.origin,
        report.head
    );
    Err(AuditError { entry: report.size.next_index(), check: Check::ClaimedHead, detail })
}

fn progress(size: u64) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(size), target);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len}  {per_sec}  {eta}");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn print_report(report: &AuditReport, context: &Context, out: &mut dyn Write) -> anyhow::Result<()> {
    let counts = report.counts;
    if context.json() {
        let findings: serde_json::Map<String, serde_json::Value> =
            report.findings.iter().map(|(code, n)| (code.word().to_owned(), (*n).into())).collect();
        let json = serde_json::json!({
            "ok": true, "origin": report.origin.as_str(), "simulated": report.origin.is_simulated(),
            "entries": counts.entries, "links": counts.links, "signatures": counts.signatures,
            "events": counts.events, "head": report.head.to_string(),
            "last_recorded": report.recorded.to_string(), "findings_raised": findings,
        });
        writeln!(out, "{json}")?;
        return Ok(());
    }
    writeln!(out, "{} {}", context.pick("監査の結果、誤りはありません:", "sound:"), report.origin)?;
    let lines = [
        (counts.entries, context.pick("記録のハッシュ値を再計算", "entries: hashes recomputed")),
        (
            counts.links,
            context.pick("前の記録との連鎖を確認", "links: each entry continues the one before it"),
        ),
        (
            counts.signatures,
            context.pick("署名を当時の鍵で検証", "signatures: verified under the keys of their time"),
        ),
        (
            counts.events,
            context.pick("事象を規則どおりに再演", "events: folded again by the rules of custody"),
        ),
    ];
    for (count, text) in lines {
        writeln!(out, "  {count:>10}  {text}")?;
    }
    writeln!(out, "  {} {}  {}", context.pick("末尾の連鎖ハッシュ", "head"), report.head, report.recorded)?;
    if report.origin.is_simulated() {
        writeln!(
            out,
            "  {}",
            context.pick(
                "模擬時計の台帳です。実際の時刻は証明しません。",
                "simulated clock: it proves nothing about real time"
            )
        )?;
    }
    Ok(())
}

fn print_fault(error: &AuditError, context: &Context, out: &mut dyn Write) -> anyhow::Result<()> {
    if context.json() {
        let json = serde_json::json!({
            "ok": false, "entry": error.entry.get(), "check": error.check.to_string(), "detail": error.detail,
        });
        writeln!(out, "{json}")?;
        return Ok(());
    }
    let (entry, check) = (error.entry, error.check);
    writeln!(
        out,
        "{}",
        context.pick(
            format!("誤りを見つけました: 記録 {entry}、検査 {check}"),
            format!("NOT SOUND at entry {entry}: check {check} failed"),
        )
    )?;
    writeln!(out, "  {}", error.detail)?;
    Ok(())
}
