use daicho_core::{EntryIndex, KeyId, Refusal};
use daicho_custody::state::StateError;
use daicho_tlog::note::NoteError;
use daicho_tlog::policy::PolicyError;
use daicho_tlog::tile;

use crate::timestamp::TimestampError;
use crate::{AuditError, ReceiptError};

/// Why a bundle is none, or does not prove its claim. The check that failed is the variant, and names the part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The file cannot be read or written.
    #[error("the bundle cannot be read or written: {0}")]
    Io(String),

    // The archive.
    /// It does not begin as a bundle does.
    #[error("the file is no bundle: it does not begin as a gzip file without time and name")]
    NotABundle,
    /// More bytes than a limit.
    #[error("{part} has more than {limit} bytes")]
    TooLarge {
        /// The part, or the whole: `packed` or `unpacked`.
        part: String,
        /// The most that is allowed.
        limit: u64,
    },
    /// The compressed data are broken: a wrong checksum, or no deflate stream.
    #[error("the compressed data are broken: {0}")]
    Gzip(String),
    /// The file ends in the middle.
    #[error("the bundle ends in the middle of {part}")]
    Truncated {
        /// The part.
        part: String,
    },
    /// Something follows the end.
    #[error("there is something after the end of the bundle")]
    Trailing,
    /// The tar header of a part is not in the only form that is allowed: a plain file, no owner, no time.
    #[error("the tar header of `{part}` is not in the one form that it must have")]
    Header {
        /// Its name, as far as it can be read.
        part: String,
    },
    /// A part is not where it must be.
    #[error("`{part}` is missing, or not in its place")]
    Missing {
        /// The part that was to come.
        part: String,
    },
    /// A part came before.
    #[error("`{part}` is there twice, or not in its place")]
    Doubled {
        /// The part.
        part: String,
    },
    /// A part that no bundle of this kind has.
    #[error("`{part}` does not belong in this bundle")]
    Unknown {
        /// The part.
        part: String,
    },

    // manifest.json
    /// It is no manifest.
    #[error("manifest.json: {0}")]
    Manifest(String),
    /// It is not written as it must be, byte for byte.
    #[error("manifest.json is not in the one form that it must have")]
    ManifestForm,
    /// Another version.
    #[error("manifest.json: the format `{0}` is unknown")]
    Format(String),
    /// The list of entries is empty, too long, out of order, or lacks an entry that the claim speaks of.
    #[error("manifest.json: the list of entries is empty, too long, out of order, or lacks one of the claim")]
    EntryList,

    // checkpoint, timestamps
    /// It is no checkpoint.
    #[error("checkpoint: {0}")]
    Checkpoint(#[from] NoteError),
    /// The policy does not trust it.
    #[error("checkpoint: {0}")]
    Policy(#[from] PolicyError),
    /// A root of the policy is no certificate.
    #[error("the policy's roots of time-stamping authorities: {0}")]
    TsaRoots(TimestampError),
    /// A token is none, or of something else, or forged.
    #[error("timestamps/{number}.tsr: {error}")]
    Timestamp {
        /// Which, from 1.
        number: usize,
        /// What is wrong with it.
        error: TimestampError,
    },

    // complete
    /// Entries of a tile are cut or there are too many.
    #[error("`{part}`: {error}")]
    Tile {
        /// The part.
        part: String,
        /// What is wrong with it.
        error: tile::BundleError,
    },
    /// The replay found something wrong.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The ledger has another number of entries than the checkpoint says.
    #[error("{found} entries; the checkpoint says {expected}")]
    Size {
        /// By the checkpoint.
        expected: u64,
        /// In the bundle.
        found: u64,
    },
    /// The entries are of another ledger than the checkpoint.
    #[error("the entries are of `{entries}`, the checkpoint is of `{checkpoint}`")]
    Origin {
        /// Origin in the entries.
        entries: String,
        /// Origin of the checkpoint.
        checkpoint: String,
    },
    /// The scheme of the claim is not in force in this ledger.
    #[error("scheme `{0}` is not in force in this ledger")]
    NoScheme(String),
    /// The replayed state cannot be read.
    #[error("the replayed state: {0}")]
    State(String),
    /// What the entries give is not what is claimed.
    #[error(
        "claim/report.json is not the report that the entries give; the first difference is at byte {at}"
    )]
    ReportDiffers {
        /// Position of the first byte that differs, from 0.
        at: usize,
    },

    // selective
    /// A receipt does not hold.
    #[error("entries/{entry}.tlog-proof: {error}")]
    Receipt {
        /// The entry.
        entry: u64,
        /// What is wrong with it.
        error: ReceiptError,
    },
    /// A receipt is in another checkpoint than the bundle's.
    #[error("entries/{entry}.tlog-proof holds another checkpoint than the bundle")]
    OtherCheckpoint {
        /// The entry.
        entry: u64,
    },
    /// A receipt is of another entry than its name says.
    #[error("entries/{entry}.tlog-proof is of entry {found}")]
    OtherEntry {
        /// By its name.
        entry: u64,
        /// By its content.
        found: EntryIndex,
    },
    /// Entry 0 does not open a ledger.
    #[error("entry 0 does not open a ledger with this name")]
    NoFounding,
    /// A signer's key is not authorised by an entry of the bundle.
    #[error("entry {entry}: key {key} is not authorised by an earlier entry of the bundle")]
    KeyUnknown {
        /// The entry.
        entry: EntryIndex,
        /// The key.
        key: KeyId,
    },
    /// A signer's key was revoked before.
    #[error("entry {entry}: key {key} was revoked by entry {revoked}")]
    KeyRevoked {
        /// The entry.
        entry: EntryIndex,
        /// The key.
        key: KeyId,
        /// The entry that revoked it.
        revoked: EntryIndex,
    },
    /// A key was authorised that did not show that it is held.
    #[error("entry {entry}: a key is authorised without its own signature")]
    NoPossession {
        /// The entry.
        entry: EntryIndex,
    },
    /// A one-time key signed something else than that the key takes its place that it was given out for.
    #[error("entry {entry}: an invitation is used for something that it is not for")]
    Invitation {
        /// The entry.
        entry: EntryIndex,
    },
    /// A key was authorised or revoked by somebody who may not.
    #[error("entry {entry}: `{signer}` may not speak about keys of `{party}`")]
    KeyRights {
        /// The entry.
        entry: EntryIndex,
        /// Party of the first signer.
        signer: String,
        /// Party of the key.
        party: String,
    },
    /// A signature does not verify.
    #[error("entry {entry}: {refusal}")]
    Signature {
        /// The entry.
        entry: EntryIndex,
        /// What is wrong.
        refusal: Refusal,
    },
    /// An entry that the claim lists has nothing to do with it.
    #[error("entry {entry} does not speak of what the claim is about")]
    NotAbout {
        /// The entry.
        entry: u64,
    },
    /// No entry of the bundle puts the scheme of the claim in force.
    #[error("no entry of the bundle puts the scheme `{0}` in force")]
    SchemeMissing(String),
    /// The pieces of a document that puts a scheme in force are not all there, or are not its bytes.
    #[error("entry {entry}: document {document} is not whole in this bundle")]
    Document {
        /// The entry that names it.
        entry: EntryIndex,
        /// SHA-256 in hexadecimal.
        document: String,
    },
}

impl From<StateError> for BundleError {
    fn from(error: StateError) -> Self {
        Self::State(error.0)
    }
}
