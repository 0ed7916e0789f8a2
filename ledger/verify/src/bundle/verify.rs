//! Verifies a bundle from its bytes and a policy alone.

use std::io::Read;

use daicho_core::Origin;
use daicho_custody::DeletionReport;
use daicho_tlog::note::MAX_NOTE_BYTES;
use daicho_tlog::policy::Trust;
use daicho_tlog::proof::MAX_TLOG_PROOF_BYTES;
use daicho_tlog::{Policy, SignedCheckpoint, TreeHash};

use super::archive::{ArchiveReader, CHECKPOINT, MANIFEST, receipt, timestamp};
use super::complete::replay;
use super::manifest::Manifest;
use super::selective::{Inspection, SelectedEntry};
use super::{BundleError, Claim, MAX_MANIFEST_BYTES};
use crate::timestamp::{MAX_TIMESTAMP_LEN, TimestampError, TimestampToken, TsaTrust, VerifiedTime};
use crate::{AuditReport, Receipt};

/// A bundle that proves its claim.
#[derive(Debug, Clone)]
pub struct BundleReport<'p> {
    /// What is claimed.
    pub claim: Claim,
    /// Name of the ledger.
    pub origin: String,
    /// Whether its clock is simulated (模擬): then only the times of witnesses and authorities are real.
    pub simulated: bool,
    /// Number of entries that the checkpoint covers.
    pub size: u64,
    /// Root of the tree over them.
    pub root: TreeHash,
    /// Who stands behind the checkpoint.
    pub trust: Trust<'p>,
    /// The timestamps of authorities that the policy knows.
    pub timestamps: Vec<VerifiedTime>,
    /// Timestamps of authorities that the policy does not know. They count for nothing.
    pub unknown_timestamps: usize,
    /// What was checked.
    pub checks: Checks,
    /// What is proven.
    pub proven: Proven,
}

/// How often what was checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checks {
    /// Entries whose hash was recomputed.
    pub entries: u64,
    /// Links from an entry to the one before it.
    pub links: u64,
    /// Signatures on statements.
    pub signatures: u64,
    /// Events that were folded again.
    pub events: u64,
    /// Seals that state the entry before them.
    pub seals: u64,
    /// Proofs that an entry, or the whole list of them, is in the tree of the checkpoint.
    pub proofs: u64,
    /// Documents that were put together and compared with their hash.
    pub documents: u64,
    /// Signatures of the ledger on the checkpoint.
    pub log_signatures: u64,
    /// Cosignatures of known witnesses.
    pub cosignatures: u64,
    /// Timestamps of known authorities.
    pub timestamps: u64,
}

/// What a bundle proves beyond its checkpoint.
#[derive(Debug, Clone)]
pub enum Proven {
    /// The whole ledger up to the checkpoint was replayed and gives this report.
    Complete {
        /// The replay.
        audit: Box<AuditReport>,
        /// The report, as claimed and as computed.
        report: Box<DeletionReport>,
    },
    /// These entries are in the ledger. Others may be, too.
    Selective(Vec<SelectedEntry>),
}

/// Who stands behind the checkpoint of a bundle.
#[derive(Debug, Clone)]
pub struct Standing<'p> {
    /// The checkpoint.
    pub checkpoint: SignedCheckpoint,
    /// The signatures and cosignatures that the policy knows; its quorum may be missing. `None`: there is no policy, and
    /// nothing was checked.
    pub trust: Option<Trust<'p>>,
    /// The timestamps of authorities that the policy knows.
    pub timestamps: Vec<VerifiedTime>,
}

/// Says who stands behind the checkpoint of a bundle, and reads no further: what it claims is not checked.
///
/// # Errors
/// [`BundleError`] with the first check that fails and the part that it is about.
pub fn standing<R: Read>(input: R, policy: Option<&Policy>) -> Result<Standing<'_>, BundleError> {
    let mut input = ArchiveReader::new(input)?;
    let manifest = Manifest::parse(&input.part(MANIFEST, MAX_MANIFEST_BYTES)?)?;
    let checkpoint = SignedCheckpoint::parse(&input.part(CHECKPOINT, MAX_NOTE_BYTES as u64)?)?;
    let Some(policy) = policy else {
        return Ok(Standing { checkpoint, trust: None, timestamps: Vec::new() });
    };
    let trust = Some(policy.examine(&checkpoint)?);
    let (timestamps, _) = tokens(&mut input, &manifest, &checkpoint, policy)?;
    Ok(Standing { checkpoint, trust, timestamps })
}

/// Verifies a bundle. Reads it once, from the beginning to the end.
///
/// A complete bundle is replayed with all of its custody state in memory.
///
/// # Errors
/// [`BundleError`] with the first check that fails and the part that it is about.
pub fn verify<R: Read>(input: R, policy: &Policy) -> Result<BundleReport<'_>, BundleError> {
    let mut input = ArchiveReader::new(input)?;
    let manifest = Manifest::parse(&input.part(MANIFEST, MAX_MANIFEST_BYTES)?)?;
    let checkpoint = SignedCheckpoint::parse(&input.part(CHECKPOINT, MAX_NOTE_BYTES as u64)?)?;
    // Whoever hands over more than the ledger has signed gets no further.
    let trust = policy.check(&checkpoint)?;
    let (timestamps, unknown_timestamps) = tokens(&mut input, &manifest, &checkpoint, policy)?;
    let (mut checks, proven) = match &manifest.claim {
        Claim::DeletionReport(terms) => {
            let (audit, report) = replay(&mut input, &checkpoint, terms)?;
            (replayed(&audit), Proven::Complete { audit: Box::new(audit), report: Box::new(report) })
        }
        Claim::DataSet(_) | Claim::Receipt { .. } => {
            let mut inspection = Inspection::new(&manifest.claim, &checkpoint);
            for entry in &manifest.entries {
                let bytes = input.part(&receipt(*entry), MAX_TLOG_PROOF_BYTES as u64)?;
                let receipt =
                    Receipt::parse(&bytes).map_err(|error| BundleError::Receipt { entry: *entry, error })?;
                inspection.take(*entry, &receipt)?;
            }
            let (checks, entries) = inspection.finish()?;
            (checks, Proven::Selective(entries))
        }
    };
    input.end()?;
    checks.log_signatures = trust.logs.len() as u64;
    checks.cosignatures = trust.witnesses.len() as u64;
    checks.timestamps = timestamps.len() as u64;
    let tree = checkpoint.checkpoint();
    Ok(BundleReport {
        claim: manifest.claim,
        origin: tree.origin().to_owned(),
        simulated: tree.origin().ends_with(Origin::SIMULATED_SUFFIX),
        size: tree.size(),
        root: *tree.root(),
        trust,
        timestamps,
        unknown_timestamps,
        checks,
        proven,
    })
}

/// The times of known authorities, and how many tokens are of others.
fn tokens<R: Read>(
    input: &mut ArchiveReader<R>,
    manifest: &Manifest,
    checkpoint: &SignedCheckpoint,
    policy: &Policy,
) -> Result<(Vec<VerifiedTime>, usize), BundleError> {
    let roots = policy.tsa_roots();
    let trust = (!roots.is_empty()).then(|| TsaTrust::new(roots, None)).transpose();
    let trust = trust.map_err(BundleError::TsaRoots)?;
    let (mut times, mut unknown) = (Vec::new(), 0);
    for number in 1..=manifest.timestamps {
        let bytes = input.part(&timestamp(number), MAX_TIMESTAMP_LEN as u64)?;
        let fault = |error| BundleError::Timestamp { number, error };
        let token = TimestampToken::parse(&bytes).map_err(fault)?;
        let verified = trust.as_ref().map(|trust| token.verify(checkpoint.text().as_bytes(), trust));
        match verified {
            Some(Ok(time)) => times.push(time),
            // No way up to a root of the policy, or one that only bears the name of a root.
            None | Some(Err(TimestampError::UnknownIssuer | TimestampError::Chain(_))) => unknown += 1,
            Some(Err(error)) => return Err(fault(error)),
        }
    }
    Ok((times, unknown))
}

fn replayed(audit: &AuditReport) -> Checks {
    let counts = audit.counts;
    Checks {
        entries: counts.entries,
        links: counts.links,
        signatures: counts.signatures,
        events: counts.events,
        seals: counts.seals,
        proofs: counts.checkpoints,
        ..Checks::default()
    }
}
