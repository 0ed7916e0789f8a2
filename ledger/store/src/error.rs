//! What can go wrong on disk.

/// A failure of the store. All of them mean: stop, and look at the disk.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// RocksDB could not do it.
    #[error("storage failed: {0}")]
    Rocks(#[from] rocksdb::Error),
    /// There is no ledger in this folder.
    #[error("no ledger in {0}; found one with `daichod init`, or name its folder")]
    Missing(String),
    /// There is no such backup.
    #[error("no {0}")]
    NoBackup(String),
    /// There is a ledger in this folder already.
    #[error("{0} holds a ledger already")]
    Exists(String),
    /// Written by another version.
    #[error("the data folder has format {found}; this program reads format {expected}")]
    Format {
        /// Version found.
        found: u32,
        /// Version that this program reads.
        expected: u32,
    },
    /// A file or folder cannot be read.
    #[error("cannot read {0}: {1}")]
    Unreadable(String, std::io::Error),
    /// A record is not what this version writes.
    #[error("stored record is damaged: {0}")]
    Damaged(String),
}
