//! Makes evidence bundles from a ledger that is running.

use std::fmt;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use daicho_client::{Client, ClientError, EntryName, KeptCheckpoint, proto};
use daicho_core::Instant;
use daicho_custody::DeletionReport;
use daicho_verify::bundle::{BundleError, ReportBundle, ReportTerms, Selection, write_selective};
use daicho_verify::{Check, Receipt};
use futures::{StreamExt as _, TryStreamExt as _};
use tempfile::NamedTempFile;

use crate::context::Context;
use crate::report;

/// Entries that are audited together.
const BATCH: usize = 4_096;
/// How often a report is computed anew when the ledger's differs: it may have grown in between.
const ATTEMPTS: usize = 3;
/// How often a checkpoint that the server publishes by itself is asked for, and the pause in between.
const CHECKPOINT_ATTEMPTS: usize = 8;
const PAUSE: Duration = Duration::from_secs(3);

/// The ledger computes another report than its entries give.
#[derive(Debug)]
pub(crate) struct Disagreement(String);

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Disagreement {}

/// Writes the complete bundle of a deletion report and returns the report, computed here from every entry up to a
/// checkpoint that is published first. `as_of` is absent for the present.
///
/// The ledger is asked for the same report: it must say the same, but for how far it had come.
pub(crate) async fn report_bundle(
    client: &Client,
    terms: (&str, daicho_custody::report::Period),
    as_of: Option<Instant>,
    file: &Path,
    context: &Context,
) -> anyhow::Result<DeletionReport> {
    let (scheme, period) = terms;
    for _ in 0..ATTEMPTS {
        // Taken before the checkpoint: what is recorded later is not asked about.
        let info = client.ledger_info().await?;
        let as_of = match as_of {
            Some(time) => time,
            None => Instant::from_unix_ms(info.now_ms)
                .ok_or_else(|| anyhow!("the ledger's time {} is out of range", info.now_ms))?,
        };
        let terms = ReportTerms { scheme: scheme.to_owned(), period, as_of };
        let checkpoint = publish(client, info.size, context).await?;
        let (bundle, computed) = complete(client, terms, checkpoint, file, context).await?;
        let request = proto::GetDeletionReportRequest {
            scheme: scheme.to_owned(),
            from: period.from.to_string(),
            to: period.to.to_string(),
            as_of_ms: as_of.unix_ms(),
        };
        let mut stated = report::parse(&report::fetch(client, request, context).await?, context)?;
        let grown = stated.ledger.size > computed.ledger.size;
        stated.ledger = computed.ledger.clone();
        if stated == computed {
            keep(bundle, file, context)?;
            return Ok(computed);
        }
        if !grown {
            let difference = first_difference(&stated, &computed);
            let text = context.pick(
                format!(
                    "台帳の計算した報告書が、その記録から計算したものと一致しません（項目 {difference}）。証拠一式は書き出していません"
                ),
                format!(
                    "the ledger's report is not the one that its entries give; they differ in `{difference}`. No bundle was written"
                ),
            );
            return Err(Disagreement(text).into());
        }
    }
    Err(anyhow!(context.pick(
        "報告書に関わる記録が加わり続けています。しばらくしてからもう一度お試しください",
        "entries that change the report keep coming; call again in a moment",
    )))
}

/// Writes a bundle of some entries with what they rest on, in a checkpoint over at least `needed` entries.
pub(crate) async fn selective_bundle(
    client: &Client,
    mut selection: Selection,
    needed: u64,
    file: &Path,
    context: &Context,
) -> anyhow::Result<()> {
    let checkpoint = publish(client, needed, context).await?;
    let size = checkpoint.note.checkpoint().size();
    let mut entries = Box::pin(client.read_entries(0, size).await?);
    while let Some(entry) = entries.try_next().await? {
        selection.see(&entry).map_err(|error| left_out(error, context))?;
    }
    let selected = selection.finish().map_err(|_| {
        anyhow!(context.pick(
            "検査点までの記録に、該当するものがありません",
            "no entry up to the checkpoint is about it",
        ))
    })?;
    let mut receipts = Vec::with_capacity(selected.entries.len());
    for index in &selected.entries {
        let receipt = client.receipt(EntryName::Index(*index), size).await?;
        // A cosignature may have come meanwhile; the bundle has one checkpoint.
        let (bytes, hashes) = (receipt.entry_bytes().to_vec(), receipt.proof().hashes().to_vec());
        receipts.push(Receipt::from_parts(bytes, *index, hashes, checkpoint.note.clone())?);
    }
    let mut bundle = beside(file, context)?;
    let out = BufWriter::new(bundle.as_file_mut());
    let written = write_selective(out, selected.claim, &checkpoint.note, &checkpoint.timestamps, &receipts)?;
    flush(written, file, context)?;
    keep(bundle, file, context)
}

/// To a party's key the server shows its own entries alone; says so where one is missing.
fn left_out(error: BundleError, context: &Context) -> anyhow::Error {
    let missing = matches!(&error, BundleError::Audit(fault) if fault.check == Check::IndexOrder);
    let error = anyhow::Error::from(error);
    if !missing {
        return error;
    }
    error.context(context.pick(
        "証拠一式は、この鍵では読めない記録にも基づきます。区または監査人に依頼してください（受領証だけでも、その記録は証明できます）。区または監査人の鍵でこの表示が出た場合は、記録が欠落しています",
        "a bundle rests on entries that this key may not read; ask the ward or an auditor for it. A receipt proves its entry by itself. If the key is the ward's or an auditor's, entries are missing",
    ))
}

/// A checkpoint over at least so many entries: one that is published now, or for a caller who may not have that done, the
/// one that the server publishes by itself within a few seconds.
pub(crate) async fn newest(client: &Client, size: u64, context: &Context) -> anyhow::Result<KeptCheckpoint> {
    for attempt in 1..=CHECKPOINT_ATTEMPTS {
        let kept = match client.publish_checkpoint().await {
            Err(ClientError::NotAllowed(_)) => {
                match client.newest_checkpoint(proto::CheckpointKind::Kept).await {
                    Err(ClientError::NotFound(_)) => None,
                    kept => Some(kept?),
                }
            }
            published => Some(published?),
        };
        // What is recorded may not be published yet: a key or the fork guard may be away.
        if let Some(kept) = kept.filter(|kept| kept.note.checkpoint().size() >= size) {
            return Ok(kept);
        }
        if attempt < CHECKPOINT_ATTEMPTS {
            tokio::time::sleep(PAUSE).await;
        }
    }
    Err(anyhow!(context.pick(
        format!(
            "記録 {size} 件を含む検査点が、まだ公表されていません。しばらくしてからもう一度お試しください"
        ),
        format!("no checkpoint over {size} entries has been published yet; call again in a moment"),
    )))
}

/// Takes a checkpoint over at least so many entries and says so when too few witnesses cosigned it.
async fn publish(client: &Client, size: u64, context: &Context) -> anyhow::Result<KeptCheckpoint> {
    let checkpoint = newest(client, size, context).await?;
    if !checkpoint.witnessed {
        eprintln!(
            "{}",
            context.pick(
                "注意: 検査点の連署が、サーバーの方針の定足数に達していないか、サーバーに方針がありません。連署を求める信頼方針では証明にならないことがあります。",
                "warning: too few witnesses cosigned the checkpoint for the server's own policy, or it has none; a policy that asks for witnesses may not accept it",
            )
        );
    }
    Ok(checkpoint)
}

/// Audits every entry up to the checkpoint into a bundle that is not kept yet, and the report that they give.
async fn complete(
    client: &Client,
    terms: ReportTerms,
    checkpoint: KeptCheckpoint,
    file: &Path,
    context: &Context,
) -> anyhow::Result<(NamedTempFile, DeletionReport)> {
    let bundle = beside(file, context)?;
    let size = checkpoint.note.checkpoint().size();
    let out = BufWriter::new(bundle.reopen().with_context(|| context.cannot_write(file))?);
    let mut writer = ReportBundle::begin(out, terms, checkpoint.note, &checkpoint.timestamps)?;
    let mut batches = Box::pin(client.read_entries(0, size).await?.try_chunks(BATCH));
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(|broken| broken.1)?;
        // The audit keeps all cores busy; the connection is read meanwhile.
        let (back, pushed) = tokio::task::spawn_blocking(move || {
            let pushed = writer.push(batch);
            (writer, pushed)
        })
        .await?;
        writer = back;
        pushed?;
    }
    let (out, report) = tokio::task::spawn_blocking(move || writer.finish()).await??;
    flush(out, file, context)?;
    Ok((bundle, report))
}

/// A file in the folder of the bundle, so that the bundle is there whole or not at all.
fn beside(file: &Path, context: &Context) -> anyhow::Result<NamedTempFile> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    NamedTempFile::new_in(folder).with_context(|| context.cannot_write(file))
}

fn flush(out: BufWriter<impl std::io::Write>, file: &Path, context: &Context) -> anyhow::Result<()> {
    match out.into_inner() {
        Ok(_) => Ok(()),
        Err(error) => Err(error.into_error()).with_context(|| context.cannot_write(file)),
    }
}

fn keep(bundle: NamedTempFile, file: &Path, context: &Context) -> anyhow::Result<()> {
    let synced = bundle.as_file().sync_all();
    synced.with_context(|| context.cannot_write(file))?;
    let kept: File = bundle.persist(file).with_context(|| context.cannot_write(file))?;
    readable(&kept).with_context(|| context.cannot_write(file))
}

/// A temporary file is its owner's alone; evidence is for others to read.
#[cfg(unix)]
fn readable(file: &File) -> std::io::Result<()> {
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable(_: &File) -> std::io::Result<()> {
    Ok(())
}

/// Name of the first part of two reports that differs.
fn first_difference(one: &DeletionReport, other: &DeletionReport) -> String {
    let parts = |report: &DeletionReport| match serde_json::to_value(report) {
        Ok(serde_json::Value::Object(parts)) => parts,
        _ => serde_json::Map::new(),
    };
    let (one, other) = (parts(one), parts(other));
    let different = one.iter().find(|(name, value)| other.get(*name) != Some(value));
    different.map_or_else(String::new, |(name, _)| name.clone())
}
