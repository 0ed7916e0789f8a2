//! `daicho verify`: what a file proves, from the file and a policy alone. Opens no connection.

mod bundle;
mod faults;
mod findings;
mod fork;
mod paper;
mod receipt;

use std::fs::File;
use std::io::{Read as _, Seek as _, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use daicho_report::pdf::MAX_PDF_BYTES;
use daicho_tlog::{Policy, SignedCheckpoint};
use daicho_verify::MAX_FORK_PROOF_BYTES;
use daicho_verify::bundle::MAGIC;

use crate::context::Context;
use crate::exit::Exit;

pub(crate) use faults::Fault;
pub(crate) use findings::Findings;
pub(crate) use receipt::{Demand, described, of_receipt};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  daicho verify report.pdf --policy policy.txt\n  \
    daicho verify report.pdf --policy policy.txt --extract attached\n  \
    daicho verify queue_notice_service.bundle --policy policy.txt\n  \
    daicho verify 12.tlog-proof --policy policy.txt --lang ja\n  \
    daicho verify fork-proof.txt --policy policy.txt --output json\n\n\
    Takes reports and certificates on paper (PDF), evidence bundles, receipts, proofs of a fork, and checkpoints. Nothing is asked of anybody: the file and the\n\
    policy decide. What is not proven is said as well.\n\n\
    Exit codes: 0 proven; 1 not proven, with the check and the part; 2 the file or the policy cannot be read.")]
pub(crate) struct Args {
    /// What to verify: a report or certificate in PDF, a bundle, a receipt, a proof of a fork or a checkpoint
    file: PathBuf,
    /// Trust policy (C2SP tlog-policy): who must have signed and cosigned the checkpoint
    #[arg(long, value_name = "FILE", env = "DAICHO_POLICY")]
    policy: PathBuf,
    /// Folder for the files that are attached to a PDF: bundle, report, policy, or signed statements. Nothing is written over
    #[arg(long, value_name = "DIR")]
    extract: Option<PathBuf>,
}

#[expect(clippy::unused_async, reason = "every command is run in the same way")]
pub(crate) async fn run(args: Args, context: &Context, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let policy = context.policy(&args.policy)?;
    let kind = open(&args.file, context)?;
    if let Some(folder) = &args.extract {
        let Kind::Paper(bytes) = &kind else {
            let path = args.file.display();
            bail!(context.pick(
                format!("{path} は PDF ではないので、取り出す添付ファイルがありません"),
                format!("{path} is no PDF: there is nothing attached to extract"),
            ));
        };
        paper::extract(bytes, folder, context)?;
    }
    let outcome = match kind {
        Kind::Bundle(file) => bundle::of_bundle(file, &policy, context),
        Kind::Paper(bytes) => paper::of_paper(&bytes, &policy, &context.read(&args.policy)?, context),
        Kind::Small(bytes) => of_small(&bytes, &args.file, &policy, context)?,
    };
    draw(outcome, context, out)
}

/// Prints what a file proves, or why it does not.
pub(crate) fn draw(
    outcome: Result<Findings, Fault>,
    context: &Context,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    match outcome {
        Ok(findings) => {
            findings.write(context, out)?;
            Ok(if findings.proven { Exit::Ok } else { Exit::Wrong })
        }
        Err(fault) => {
            fault.write(context, out)?;
            Ok(Exit::Wrong)
        }
    }
}

/// First bytes of every PDF (ISO 32000-1, 7.5.2).
const PDF: [u8; 5] = *b"%PDF-";

/// A file by how it begins.
enum Kind {
    /// Gzip: read as it comes.
    Bundle(File),
    /// A report on paper.
    Paper(Vec<u8>),
    /// Everything else is small.
    Small(Vec<u8>),
}

fn open(path: &Path, context: &Context) -> anyhow::Result<Kind> {
    let what = || {
        let path = path.display();
        context.pick(format!("{path} を読めません"), format!("cannot read {path}"))
    };
    let mut file = File::open(path).with_context(what)?;
    let mut start = Vec::new();
    (&mut file).take(2).read_to_end(&mut start).with_context(what)?;
    if start == MAGIC[..2] {
        file.rewind().with_context(what)?;
        return Ok(Kind::Bundle(file));
    }
    if start == PDF[..2] {
        file.take(MAX_PDF_BYTES).read_to_end(&mut start).with_context(what)?;
        return Ok(Kind::Paper(start));
    }
    // One byte more than is allowed, so that what is too long is found to be.
    file.take(MAX_FORK_PROOF_BYTES as u64 + 1).read_to_end(&mut start).with_context(what)?;
    Ok(Kind::Small(start))
}

fn of_small(
    bytes: &[u8],
    path: &Path,
    policy: &Policy,
    context: &Context,
) -> anyhow::Result<Result<Findings, Fault>> {
    if bytes.starts_with(b"c2sp.org/tlog-proof@") {
        return Ok(of_receipt(bytes, policy, &Demand::default(), context));
    }
    if bytes.starts_with(b"daicho-fork-proof/") {
        return Ok(fork::of_fork(bytes, policy, context));
    }
    if let Ok(checkpoint) = SignedCheckpoint::parse(bytes) {
        return Ok(receipt::of_checkpoint(&checkpoint, policy, context));
    }
    let path = path.display();
    bail!(context.pick(
        format!("{path} は報告書のPDF、証拠一式、受領証、分岐の証明、検査点のいずれでもありません"),
        format!("{path} is no report in PDF, bundle, receipt, proof of a fork or checkpoint"),
    ))
}
