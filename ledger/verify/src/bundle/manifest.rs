//! `manifest.json`: what is claimed, and which parts follow.

use daicho_core::Instant;
use daicho_custody::report::Period;
use serde::{Deserialize, Serialize};

use super::{BundleError, MAX_SELECTED, MAX_TIMESTAMPS};

const FORMAT: &str = "daicho-bundle/1";

/// What a bundle claims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Claim {
    /// The report on deletions is what the ledger gives up to the checkpoint. Only complete bundles claim this.
    DeletionReport(ReportTerms),
    /// Entries about a data set are in the ledger.
    DataSet(DataSetClaim),
    /// An entry is in the ledger.
    Receipt {
        /// Its index.
        entry: u64,
    },
}

/// Which report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportTerms {
    /// Scheme id.
    pub scheme: String,
    /// First and last day.
    pub period: Period,
    /// What was known and due at this time.
    #[serde(with = "time")]
    pub as_of: Instant,
}

/// Which data set, and the entries that speak of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataSetClaim {
    /// Scheme id.
    pub scheme: String,
    /// Id of the data set.
    pub data_set: String,
    /// Indexes of the entries about it, ascending.
    pub entries: Vec<u64>,
}

impl Claim {
    /// Whether the bundle must hold every entry.
    pub fn is_complete(&self) -> bool {
        matches!(self, Self::DeletionReport(_))
    }

    /// The entries that it is about. Empty: all.
    pub fn subjects(&self) -> &[u64] {
        match self {
            Self::DeletionReport(_) => &[],
            Self::DataSet(claim) => &claim.entries,
            Self::Receipt { entry } => std::slice::from_ref(entry),
        }
    }
}

/// The file, in the order of its fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    format: String,
    kind: Kind,
    pub(super) claim: Claim,
    /// How many tokens there are.
    pub(super) timestamps: usize,
    /// Indexes of all entries of a selective bundle, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) entries: Vec<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Complete,
    Selective,
}

impl Kind {
    fn of(claim: &Claim) -> Self {
        if claim.is_complete() { Self::Complete } else { Self::Selective }
    }
}

impl Manifest {
    pub(super) fn new(claim: Claim, timestamps: usize, entries: Vec<u64>) -> Result<Self, BundleError> {
        let manifest = Self { format: FORMAT.to_owned(), kind: Kind::of(&claim), claim, timestamps, entries };
        manifest.check()?;
        Ok(manifest)
    }

    /// Reads the file; every byte counts.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, BundleError> {
        let manifest: Self =
            serde_json::from_slice(bytes).map_err(|error| BundleError::Manifest(error.to_string()))?;
        if manifest.format != FORMAT {
            return Err(BundleError::Format(manifest.format.chars().take(64).collect()));
        }
        if manifest.to_bytes() != bytes {
            return Err(BundleError::ManifestForm);
        }
        manifest.check()?;
        Ok(manifest)
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("strings, numbers and lists always encode");
        bytes.push(b'\n');
        bytes
    }

    fn check(&self) -> Result<(), BundleError> {
        if self.kind != Kind::of(&self.claim) {
            return Err(BundleError::Manifest("the kind does not fit the claim".to_owned()));
        }
        if self.timestamps > MAX_TIMESTAMPS {
            return Err(BundleError::Manifest(format!("more than {MAX_TIMESTAMPS} timestamps")));
        }
        if self.kind == Kind::Complete {
            return if self.entries.is_empty() { Ok(()) } else { Err(BundleError::EntryList) };
        }
        let ascending = |list: &[u64]| !list.is_empty() && list.is_sorted_by(|a, b| a < b);
        let subjects = self.claim.subjects();
        let held = |index: &u64| self.entries.binary_search(index).is_ok();
        let fits = self.entries.len() <= MAX_SELECTED && ascending(&self.entries);
        if fits && ascending(subjects) && subjects.iter().all(held) {
            Ok(())
        } else {
            Err(BundleError::EntryList)
        }
    }
}

/// Instants as ISO 8601 in Japan.
mod time {
    use daicho_core::Instant;
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde's `with` asks for")]
    pub(super) fn serialize<S: Serializer>(time: &Instant, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(time)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Instant, D::Error> {
        let text = String::deserialize(d)?;
        Instant::parse(&text).ok_or_else(|| D::Error::custom(format!("`{text}` is no time")))
    }
}
