//! The ledger on disk: RocksDB with one column family for each kind of record.
//!
//! Nothing here is trusted: whoever proves something from these bytes recomputes the hashes.

mod backup;
mod error;
mod format;
mod log;
mod reader;
mod store;

pub use backup::{Backup, backups, keep_newest, restore};
pub use error::StoreError;
pub use format::{CheckpointRow, Head, StatementRow};
pub use reader::Snapshot;
pub use store::{Commit, Store};
