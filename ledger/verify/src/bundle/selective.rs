//! Selective bundles: receipts of some entries, and of what those rest on.

use std::collections::{BTreeSet, HashMap};
use std::io::Write;

use daicho_core::proto::{self, event::Fact};
use daicho_core::{EntryIndex, Instant, StatementId};
use daicho_tlog::SignedCheckpoint;
use sha2::{Digest as _, Sha256};

use super::about::Trail;
use super::archive::{ArchiveWriter, receipt as part_of};
use super::complete::write_head;
use super::keys::KeyRing;
use super::manifest::Manifest;
use super::select::documents;
use super::verify::Checks;
use super::{BundleError, Claim};
use crate::Receipt;

/// An entry that is proven to be in the ledger.
#[derive(Debug, Clone)]
pub struct SelectedEntry {
    /// Position.
    pub index: EntryIndex,
    /// When it was recorded, as the ledger says.
    pub recorded: Instant,
    /// Name of its statement.
    pub statement: StatementId,
    /// The parties that signed, the naming one first.
    pub parties: Vec<String>,
    /// Whether the claim is about it; otherwise it is there because others rest on it.
    pub subject: bool,
    /// What it says.
    pub events: Vec<proto::Event>,
}

/// Writes a selective bundle of receipts that all have this checkpoint. The tokens are over its text.
///
/// Everything but the trust in the checkpoint is verified before anything is written.
///
/// # Errors
/// [`BundleError`] with the check that fails; [`BundleError::Io`].
pub fn write_selective<W: Write>(
    out: W,
    claim: Claim,
    checkpoint: &SignedCheckpoint,
    timestamps: &[Vec<u8>],
    receipts: &[Receipt],
) -> Result<W, BundleError> {
    let indexes = receipts.iter().map(|receipt| receipt.entry().index.get()).collect();
    let manifest = Manifest::new(claim, timestamps.len(), indexes)?;
    if manifest.claim.is_complete() {
        return Err(BundleError::EntryList);
    }
    let mut inspection = Inspection::new(&manifest.claim, checkpoint);
    for (index, receipt) in manifest.entries.iter().zip(receipts) {
        inspection.take(*index, receipt)?;
    }
    inspection.finish()?;
    let mut out = ArchiveWriter::new(out);
    write_head(&mut out, &manifest, checkpoint, timestamps)?;
    for (index, receipt) in manifest.entries.iter().zip(receipts) {
        out.part(&part_of(*index), receipt.to_string().as_bytes())?;
    }
    out.finish()
}

/// The checks on the receipts of a selective bundle, in the order of the entries.
pub(super) struct Inspection<'b> {
    claim: &'b Claim,
    checkpoint: &'b SignedCheckpoint,
    keys: KeyRing,
    trail: Option<Trail>,
    /// Pieces of documents by document, as they came.
    documents: HashMap<Vec<u8>, Vec<proto::DocumentChunk>>,
    enactments: Vec<(EntryIndex, proto::SchemeEnacted)>,
    /// Schemes that the claim is about.
    schemes: BTreeSet<String>,
    checks: Checks,
    entries: Vec<SelectedEntry>,
}

impl<'b> Inspection<'b> {
    pub(super) fn new(claim: &'b Claim, checkpoint: &'b SignedCheckpoint) -> Self {
        let trail = match claim {
            Claim::DataSet(claim) => Some(Trail::new(&claim.scheme, &claim.data_set)),
            Claim::DeletionReport(_) | Claim::Receipt { .. } => None,
        };
        Self {
            claim,
            checkpoint,
            keys: KeyRing::default(),
            trail,
            documents: HashMap::new(),
            enactments: Vec::new(),
            schemes: BTreeSet::new(),
            checks: Checks::default(),
            entries: Vec::new(),
        }
    }

    /// Takes the receipt of the next entry of the manifest.
    pub(super) fn take(&mut self, index: u64, receipt: &Receipt) -> Result<(), BundleError> {
        let entry = receipt.entry();
        if entry.index.get() != index {
            return Err(BundleError::OtherEntry { entry: index, found: entry.index });
        }
        if receipt.checkpoint() != self.checkpoint {
            return Err(BundleError::OtherCheckpoint { entry: index });
        }
        receipt.check().map_err(|error| BundleError::Receipt { entry: index, error })?;
        if self.entries.is_empty() && index != 0 {
            return Err(BundleError::NoFounding);
        }
        let parties = self.keys.admit(receipt)?;
        let statement = receipt.statement();
        let subject = self.claim.subjects().binary_search(&index).is_ok();
        let speaks = self.trail.as_mut().is_none_or(|trail| trail.follow(index, statement.body()));
        if subject && !speaks {
            return Err(BundleError::NotAbout { entry: index });
        }
        for event in &statement.body().events {
            match &event.fact {
                Some(Fact::DocumentChunk(chunk)) => {
                    self.documents.entry(chunk.document.clone()).or_default().push(chunk.clone());
                }
                Some(Fact::SchemeEnacted(enacted)) => self.enactments.push((entry.index, enacted.clone())),
                _ => {}
            }
            if subject {
                self.schemes.insert(event.scheme.clone());
            }
        }
        self.checks.entries += 1;
        self.checks.proofs += 1;
        self.checks.signatures += parties.len() as u64;
        self.entries.push(SelectedEntry {
            index: entry.index,
            recorded: entry.recorded,
            statement: statement.signers()[0],
            parties,
            subject,
            events: statement.body().events.clone(),
        });
        Ok(())
    }

    /// What was proven.
    pub(super) fn finish(mut self) -> Result<(Checks, Vec<SelectedEntry>), BundleError> {
        if let Claim::DataSet(claim) = self.claim
            && !self.enactments.iter().any(|(_, enacted)| enacted.scheme == claim.scheme)
        {
            return Err(BundleError::SchemeMissing(claim.scheme.clone()));
        }
        for (entry, enacted) in &self.enactments {
            if self.schemes.contains(&enacted.scheme) {
                for document in documents(enacted) {
                    if !self.is_whole(document) {
                        let document = hex::encode(document);
                        return Err(BundleError::Document { entry: *entry, document });
                    }
                    self.checks.documents += 1;
                }
            }
        }
        Ok((self.checks, self.entries))
    }

    /// Whether the pieces are the document.
    fn is_whole(&self, document: &[u8]) -> bool {
        let mut pieces: Vec<_> = self.documents.get(document).into_iter().flatten().collect();
        pieces.sort_by_key(|piece| piece.index);
        let hash = pieces.iter().fold(Sha256::new(), |hash, piece| hash.chain_update(&piece.data));
        hash.finalize()[..] == *document
    }
}
