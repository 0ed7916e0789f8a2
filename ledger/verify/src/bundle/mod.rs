//! Evidence bundles (証拠一式): one file with everything that a claim about a ledger rests on. `docs/formats/bundle.md`.
//!
//! A bundle is a gzipped tar archive, so that anybody can open it, of parts in published formats, in one order:
//!
//! ```text
//! manifest.json                  what is claimed
//! checkpoint                     signed note: origin, size, root, cosignatures
//! timestamps/1.tsr …             RFC 3161 tokens over the text of the checkpoint
//! complete:   tile/entries/…     every entry up to the checkpoint, as C2SP tlog-tiles has them
//!             claim/report.json  the report
//! selective:  entries/7.tlog-proof …  receipts of the entries in question and of those that they rest on
//! ```
//!
//! A *complete* bundle is replayed by whoever verifies it and may carry a verdict on a whole scheme. A *selective* one
//! proves that the entries in it are in the ledger and who signed them, and nothing about what is not in it.

mod about;
mod archive;
mod complete;
mod error;
mod keys;
mod manifest;
mod select;
mod selective;
mod verify;

pub use complete::ReportBundle;
pub use error::BundleError;
pub use manifest::{Claim, DataSetClaim, ReportTerms};
pub use select::{Selected, Selection};
pub use selective::{SelectedEntry, write_selective};
pub use verify::{BundleReport, Checks, Proven, Standing, standing, verify};

/// First bytes of every bundle: gzip without time or name.
pub const MAGIC: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// Largest bundle, in bytes as it lies on the disk.
pub const MAX_PACKED_BYTES: u64 = 4 << 30;
/// Largest bundle, in bytes as unpacked.
pub const MAX_UNPACKED_BYTES: u64 = 16 << 30;
/// Largest manifest, in bytes.
pub const MAX_MANIFEST_BYTES: u64 = 256 << 10;
/// Largest report, in bytes of JSON.
pub const MAX_REPORT_BYTES: u64 = 256 << 20;
/// Most timestamps beside a checkpoint.
pub const MAX_TIMESTAMPS: usize = 64;
/// Most entries of a selective bundle.
pub const MAX_SELECTED: usize = 10_000;
