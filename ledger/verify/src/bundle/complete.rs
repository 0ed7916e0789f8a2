//! Complete bundles: every entry up to a checkpoint, and the report that they give.

use std::io::{Read, Write};

use daicho_core::LedgerSize;
use daicho_custody::state::MemoryState;
use daicho_custody::{ContextCache, DeletionReport, ReportHead};
use daicho_tlog::SignedCheckpoint;
use daicho_tlog::tile::{Kind, Tile, WIDTH, read_bundle, write_bundle_entry};

use super::archive::{ArchiveReader, ArchiveWriter, CHECKPOINT, MANIFEST, REPORT, timestamp};
use super::manifest::Manifest;
use super::{BundleError, Claim, MAX_REPORT_BYTES, ReportTerms};
use crate::{AuditReport, Auditor};

/// Tiles that are audited together.
const BATCH: usize = 16;
/// Longest entry bundle: 256 entries of 65,535 bytes with their lengths.
const MAX_TILE_BYTES: u64 = WIDTH * (2 + 65_535);

/// Writes the bundle of a deletion report, entry by entry, and computes the report from those very entries.
///
/// Every entry is audited on the way, so that what is written verifies.
pub struct ReportBundle<W: Write> {
    out: ArchiveWriter<W>,
    terms: ReportTerms,
    checkpoint: SignedCheckpoint,
    auditor: Auditor,
    /// Entry bundles that are still to come.
    tiles: Box<dyn Iterator<Item = Tile> + Send>,
    tile: Option<Tile>,
    /// Entries of the tile that is being filled.
    filling: Vec<Vec<u8>>,
    seen: u64,
}

impl<W: Write> ReportBundle<W> {
    /// Begins a bundle of all entries that the checkpoint covers. The tokens are over its text.
    ///
    /// # Errors
    /// [`BundleError::Manifest`] for too many tokens; [`BundleError::Io`].
    pub fn begin(
        out: W,
        terms: ReportTerms,
        checkpoint: SignedCheckpoint,
        timestamps: &[Vec<u8>],
    ) -> Result<Self, BundleError> {
        let manifest = Manifest::new(Claim::DeletionReport(terms.clone()), timestamps.len(), Vec::new())?;
        let mut out = ArchiveWriter::new(out);
        write_head(&mut out, &manifest, &checkpoint, timestamps)?;
        let size = checkpoint.checkpoint().size();
        let mut tiles = Box::new(entry_tiles(size));
        let tile = tiles.next();
        let auditor = auditor(&checkpoint);
        Ok(Self { out, terms, checkpoint, auditor, tiles, tile, filling: Vec::new(), seen: 0 })
    }

    /// Takes the next entries. Errors may also be about entries of the call before.
    ///
    /// # Errors
    /// [`BundleError::Audit`] with the first entry at fault, [`BundleError::Size`] past the checkpoint, and
    /// [`BundleError::Io`].
    pub fn push(&mut self, entries: Vec<Vec<u8>>) -> Result<(), BundleError> {
        let expected = self.checkpoint.checkpoint().size();
        self.seen += entries.len() as u64;
        if self.seen > expected {
            return Err(BundleError::Size { expected, found: self.seen });
        }
        self.auditor.feed(&entries)?;
        for entry in entries {
            self.filling.push(entry);
            if let Some(tile) = self.tile
                && self.filling.len() == usize::from(tile.width)
            {
                let mut bytes = Vec::new();
                for entry in self.filling.drain(..) {
                    write_bundle_entry(&mut bytes, &entry)
                        .map_err(|error| BundleError::Tile { part: tile.to_string(), error })?;
                }
                self.out.part(&tile.to_string(), &bytes)?;
                self.tile = self.tiles.next();
            }
        }
        Ok(())
    }

    /// Ends the bundle with the report, and gives that with its JSON and what it was written to.
    ///
    /// # Errors
    /// As [`ReportBundle::push`]; [`BundleError::Size`] when entries are missing; [`BundleError::NoScheme`].
    pub fn finish(mut self) -> Result<(W, DeletionReport), BundleError> {
        let expected = self.checkpoint.checkpoint().size();
        if self.seen != expected {
            return Err(BundleError::Size { expected, found: self.seen });
        }
        let (audit, state) = finish(self.auditor, &self.checkpoint)?;
        let report = compute(&audit, &state, &self.terms)?;
        self.out.part(REPORT, &json(&report))?;
        Ok((self.out.finish()?, report))
    }
}

/// Writes what every bundle begins with.
pub(super) fn write_head<W: Write>(
    out: &mut ArchiveWriter<W>,
    manifest: &Manifest,
    checkpoint: &SignedCheckpoint,
    timestamps: &[Vec<u8>],
) -> Result<(), BundleError> {
    out.part(MANIFEST, &manifest.to_bytes())?;
    out.part(CHECKPOINT, checkpoint.to_string().as_bytes())?;
    (1..).zip(timestamps).try_for_each(|(number, token)| out.part(&timestamp(number), token))
}

/// Replays the entries of a bundle and compares its report with the one that they give.
pub(super) fn replay<R: Read>(
    input: &mut ArchiveReader<R>,
    checkpoint: &SignedCheckpoint,
    terms: &ReportTerms,
) -> Result<(AuditReport, DeletionReport), BundleError> {
    let mut auditor = auditor(checkpoint);
    let mut batch: Vec<Vec<u8>> = Vec::new();
    for tile in entry_tiles(checkpoint.checkpoint().size()) {
        let part = tile.to_string();
        let bytes = input.part(&part, MAX_TILE_BYTES)?;
        let entries = read_bundle(&bytes, tile.width).map_err(|error| BundleError::Tile { part, error })?;
        batch.extend(entries.into_iter().map(<[u8]>::to_vec));
        if batch.len() >= BATCH * WIDTH as usize {
            auditor.feed(&batch)?;
            batch.clear();
        }
    }
    auditor.feed(&batch)?;
    let (audit, state) = finish(auditor, checkpoint)?;
    let claimed = input.part(REPORT, MAX_REPORT_BYTES)?;
    let report = compute(&audit, &state, terms)?;
    let computed = json(&report);
    if claimed != computed {
        let same = claimed.iter().zip(&computed).take_while(|(one, other)| one == other).count();
        return Err(BundleError::ReportDiffers { at: same });
    }
    Ok((audit, report))
}

fn entry_tiles(size: u64) -> impl Iterator<Item = Tile> + Send + use<> {
    (0..size.div_ceil(WIDTH)).map(move |index| {
        let width = (size - index * WIDTH).min(WIDTH) as u16;
        Tile { kind: Kind::Entries, index, width }
    })
}

fn auditor(checkpoint: &SignedCheckpoint) -> Auditor {
    let mut auditor = Auditor::keeping_all_state();
    let tree = checkpoint.checkpoint();
    auditor.expect_root(LedgerSize::new(tree.size()), *tree.root());
    auditor
}

fn finish(
    auditor: Auditor,
    checkpoint: &SignedCheckpoint,
) -> Result<(AuditReport, MemoryState), BundleError> {
    let (audit, state) = auditor.finish_with_state()?;
    let origin = checkpoint.checkpoint().origin();
    if audit.origin.as_str() == origin {
        return Ok((audit, state));
    }
    Err(BundleError::Origin { entries: audit.origin.to_string(), checkpoint: origin.to_owned() })
}

fn compute(
    audit: &AuditReport,
    state: &MemoryState,
    terms: &ReportTerms,
) -> Result<DeletionReport, BundleError> {
    let head = ReportHead {
        origin: audit.origin.to_string(),
        simulated: audit.origin.is_simulated(),
        size: audit.size.get(),
        chain_hash_hex: audit.head.to_string(),
        last_recorded: audit.recorded,
    };
    let period = (terms.period.from, terms.period.to);
    let mut cache = ContextCache::default();
    DeletionReport::compute(state, &mut cache, &terms.scheme, period, terms.as_of, head)?
        .ok_or_else(|| BundleError::NoScheme(terms.scheme.clone()))
}

/// The report as it lies in the bundle, and as `daicho report deletion --format json` writes it.
fn json(report: &DeletionReport) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(report).expect("strings, numbers and lists always encode");
    bytes.push(b'\n');
    bytes
}
