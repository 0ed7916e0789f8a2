//! The custody state: a set of key → value records. One home for its keys, its values and access to it.

mod keys;
mod records;
mod view;

pub use keys::{Table, key, key_at, part};
pub(crate) use keys::{first_part, push_parts, write_key};
pub use records::*;
pub use view::{
    Changes, Cursor, MemoryState, Row, RowRef, Rows, Scan, StateError, Txn, View, decode, encode,
};
