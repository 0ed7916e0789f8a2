//! The words and bytes of the ledger: time, ids, statements, signatures, entries, chain.

mod time;

pub use time::{DAY_MS, Date, Instant, JST_OFFSET_MS};
