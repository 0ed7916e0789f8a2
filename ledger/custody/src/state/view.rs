//! Access to the state: views to read, one transaction for each statement, and what it changes.

use std::collections::{BTreeMap, btree_map};
use std::ops::Bound;
use std::sync::LazyLock;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::keys::Table;

/// The state cannot be read. Nothing may be written on top of it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("custody state is unreadable: {0}")]
pub struct StateError(pub String);

/// Point reads. A view MUST return what the last change put, or an error; never something else.
pub trait View {
    /// The value of a key.
    ///
    /// # Errors
    /// When storage fails. The caller must stop writing.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError>;
}

/// A key with its value.
pub type Row = (Vec<u8>, Vec<u8>);

/// The same, borrowed from where it lies.
pub type RowRef<'r> = (&'r [u8], &'r [u8]);

/// A place among the records, in key order.
pub trait Cursor: Send {
    /// Goes to the first record whose key is not less than `key`.
    fn seek(&mut self, key: &[u8]);

    /// Goes on to the next record. At the end it stays there.
    fn step(&mut self);

    /// Key and value of the record here. `None`: after the last.
    ///
    /// # Errors
    /// When storage fails.
    fn row(&self) -> Result<Option<RowRef<'_>>, StateError>;
}

/// Ordered reads, from any number of threads.
pub trait Scan: View + Sync {
    /// A place among the records. Before the first [`Cursor::seek`] it is after the last.
    fn cursor(&self) -> Box<dyn Cursor + '_>;

    /// All records whose key starts with `prefix` and is greater than `after` (when given), in key order. It ends with
    /// the first error.
    fn scan<'a>(&'a self, prefix: &[u8], after: Option<&[u8]>) -> Rows<'a> {
        let mut cursor = self.cursor();
        // A place below the prefix would only start the walk early, and at a record that does not match.
        let after = after.filter(|after| *after >= prefix);
        cursor.seek(after.unwrap_or(prefix));
        if let (Some(after), Ok(Some((key, _)))) = (after, cursor.row())
            && key == after
        {
            cursor.step();
        }
        Rows { cursor, prefix: prefix.to_vec(), ended: false }
    }
}

/// Records below a prefix, as [`Scan::scan`] gives them.
pub struct Rows<'a> {
    cursor: Box<dyn Cursor + 'a>,
    prefix: Vec<u8>,
    ended: bool,
}

impl Iterator for Rows<'_> {
    type Item = Result<Row, StateError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let row = match self.cursor.row() {
            Ok(Some((key, value))) if key.starts_with(&self.prefix) => Ok((key.to_vec(), value.to_vec())),
            Ok(_) => {
                self.ended = true;
                return None;
            }
            Err(error) => {
                self.ended = true;
                return Some(Err(error));
            }
        };
        self.cursor.step();
        Some(row)
    }
}

/// Bytes of a record.
pub fn encode<T: Serialize>(record: &T) -> Vec<u8> {
    postcard::to_stdvec(record).expect("records hold nothing that postcard cannot write")
}

/// A record from its bytes, which it may borrow.
///
/// # Errors
/// When the bytes are not what this version writes.
pub fn decode<'b, T: Deserialize<'b>>(bytes: &'b [u8]) -> Result<T, StateError> {
    match postcard::take_from_bytes(bytes) {
        Ok((record, [])) => Ok(record),
        Ok(_) => Err(StateError("record has bytes after its end".into())),
        Err(error) => Err(StateError(format!("record does not decode: {error}"))),
    }
}

/// The key of the derivation is computed once and then copied.
static CHANGES_HASHER: LazyLock<blake3::Hasher> =
    LazyLock::new(|| blake3::Hasher::new_derive_key("daicho 2026-11 custody changes v1"));

/// What one statement changes: puts and deletions, in key order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// New value, or `None` for a deletion, by key.
    pub records: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// Findings that it raised: code, object, detail.
    pub findings: Vec<(crate::FindingCode, String, String)>,
}

impl Changes {
    /// Hash over all changes so far: `BLAKE3-derive-key("daicho 2026-11 custody changes v1", previous || records)`.
    ///
    /// A record is the key's length (4 bytes, big-endian), the key, 1 and the value's length and value, or 0.
    /// Two replays that agree on it agree on every change.
    pub fn digest(&self, previous: &[u8; 32]) -> [u8; 32] {
        let mut hasher = CHANGES_HASHER.clone();
        hasher.update(previous);
        for (key, value) in &self.records {
            hasher.update(&(key.len() as u32).to_be_bytes()).update(key);
            match value {
                Some(value) => hasher.update(&[1]).update(&(value.len() as u32).to_be_bytes()).update(value),
                None => hasher.update(&[0]),
            };
        }
        hasher.finalize().into()
    }
}

/// One statement's work on the state: reads through to the view, keeps writes until the statement is accepted.
pub struct Txn<'a> {
    view: &'a dyn View,
    changes: Changes,
}

impl<'a> Txn<'a> {
    /// A transaction on `view`.
    pub fn new(view: &'a dyn View) -> Self {
        Self { view, changes: Changes::default() }
    }

    /// A record, with this statement's own writes.
    ///
    /// # Errors
    /// When storage fails.
    pub fn get<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, StateError> {
        self.get_raw(key)?.map(|bytes| decode(&bytes)).transpose()
    }

    /// A record's bytes.
    ///
    /// # Errors
    /// When storage fails.
    pub fn get_raw(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        debug_assert!(Table::is_read_by_fold(key[0]), "outputs are never read back");
        match self.changes.records.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.view.get(key),
        }
    }

    /// Whether there is a record.
    ///
    /// # Errors
    /// When storage fails.
    pub fn exists(&self, key: &[u8]) -> Result<bool, StateError> {
        Ok(self.get_raw(key)?.is_some())
    }

    /// Writes a record.
    pub fn put<T: Serialize>(&mut self, key: Vec<u8>, record: &T) {
        self.put_raw(key, encode(record));
    }

    /// Writes bytes.
    pub fn put_raw(&mut self, key: Vec<u8>, bytes: Vec<u8>) {
        self.changes.records.insert(key, Some(bytes));
    }

    /// Notes a finding for the answer; the record is written by the caller.
    pub(crate) fn note_finding(&mut self, code: crate::FindingCode, object: &str, detail: &str) {
        self.changes.findings.push((code, object.to_owned(), detail.to_owned()));
    }

    /// Everything written.
    pub fn into_changes(self) -> Changes {
        self.changes
    }
}

/// State in memory, every record in key order: for tests and comparisons.
#[derive(Debug, Clone, Default)]
pub struct MemoryState {
    records: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl MemoryState {
    /// State without records.
    pub fn new() -> Self {
        Self::default()
    }

    /// Applies changes.
    pub fn apply(&mut self, changes: Changes) {
        for (key, value) in changes.records {
            match value {
                Some(value) => {
                    self.records.insert(key, value);
                }
                None => {
                    self.records.remove(&key);
                }
            }
        }
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}

impl View for MemoryState {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        Ok(self.records.get(key).cloned())
    }
}

impl Scan for MemoryState {
    fn cursor(&self) -> Box<dyn Cursor + '_> {
        Box::new(MemoryCursor { records: &self.records, rest: btree_map::Range::default(), row: None })
    }
}

struct MemoryCursor<'a> {
    records: &'a BTreeMap<Vec<u8>, Vec<u8>>,
    rest: btree_map::Range<'a, Vec<u8>, Vec<u8>>,
    row: Option<(&'a Vec<u8>, &'a Vec<u8>)>,
}

impl Cursor for MemoryCursor<'_> {
    fn seek(&mut self, key: &[u8]) {
        self.rest = self.records.range::<[u8], _>((Bound::Included(key), Bound::Unbounded));
        self.step();
    }

    fn step(&mut self) {
        self.row = self.rest.next();
    }

    fn row(&self) -> Result<Option<RowRef<'_>>, StateError> {
        Ok(self.row.map(|(key, value)| (key.as_slice(), value.as_slice())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_gives_the_records_of_its_prefix_in_order_after_a_place() {
        let mut state = MemoryState::new();
        let mut changes = Changes::default();
        for key in ["a", "ba", "bb", "bc", "c"] {
            changes.records.insert(key.into(), Some(vec![1]));
        }
        state.apply(changes);
        let scan = |prefix: &str, after: Option<&str>| -> Vec<String> {
            let rows = state.scan(prefix.as_bytes(), after.map(str::as_bytes));
            rows.map(|row| String::from_utf8(row.expect("memory reads").0).expect("a word")).collect()
        };
        assert_eq!(scan("b", None), ["ba", "bb", "bc"]);
        assert_eq!(scan("b", Some("ba")), ["bb", "bc"]);
        assert_eq!(scan("b", Some("a")), ["ba", "bb", "bc"]);
        assert_eq!(scan("b", Some("bc")), [""; 0]);
        assert_eq!(scan("b", Some("c")), [""; 0]);
        assert_eq!(scan("", None), ["a", "ba", "bb", "bc", "c"]);
    }
}
