//! Consistent reads: a snapshot of entries and custody state.

use daicho_core::EntryIndex;
use daicho_custody::state::{Row, Scan, StateError, View};
use rocksdb::{DB, Direction, IteratorMode, SnapshotWithThreadMode};

use crate::format::{CF_ENTRIES, CF_META, CF_STATE, HEAD, Head};
use crate::{Store, StoreError};

/// The ledger as it was at one moment. Later commits do not show.
pub struct Snapshot<'s> {
    store: &'s Store,
    inner: SnapshotWithThreadMode<'s, DB>,
}

impl<'s> Snapshot<'s> {
    pub(crate) fn new(store: &'s Store) -> Self {
        Self { store, inner: store.db.snapshot() }
    }

    /// How far the ledger was.
    ///
    /// # Errors
    /// When the head is damaged.
    pub fn head(&self) -> Result<Head, StoreError> {
        let bytes = self.inner.get_cf(self.store.cf(CF_META), HEAD)?;
        Head::decode(&bytes.ok_or_else(|| StoreError::Damaged("no head".into()))?)
    }

    /// Entries from `start` on, in order.
    pub fn entries(&self, start: EntryIndex) -> impl Iterator<Item = Result<Vec<u8>, StoreError>> + '_ {
        let from = start.get().to_be_bytes();
        let mode = IteratorMode::From(&from, Direction::Forward);
        self.inner.iterator_cf(self.store.cf(CF_ENTRIES), mode).map(|row| Ok(row?.1.into_vec()))
    }
}

impl View for Snapshot<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        self.inner.get_cf(self.store.cf(CF_STATE), key).map_err(|e| StateError(e.to_string()))
    }
}

impl View for Store {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        self.db.get_cf(self.cf(CF_STATE), key).map_err(|e| StateError(e.to_string()))
    }
}

impl Scan for Snapshot<'_> {
    fn scan<'a>(
        &'a self,
        prefix: &[u8],
        after: Option<&[u8]>,
    ) -> Box<dyn Iterator<Item = Result<Row, StateError>> + 'a> {
        let prefix = prefix.to_vec();
        let start = after.unwrap_or(&prefix).to_vec();
        let after = after.map(<[u8]>::to_vec);
        let rows = self
            .inner
            .iterator_cf(self.store.cf(CF_STATE), IteratorMode::From(&start, Direction::Forward))
            .map(|row| match row {
                Ok((key, value)) => Ok((key.into_vec(), value.into_vec())),
                Err(error) => Err(StateError(error.to_string())),
            });
        let inside = move |row: &Result<Row, StateError>| {
            row.as_ref().map_or(true, |(key, _)| key.starts_with(&prefix))
        };
        let later = move |row: &Result<Row, StateError>| match (row, &after) {
            (Ok((key, _)), Some(after)) => key > after,
            _ => true,
        };
        Box::new(rows.take_while(inside).filter(later))
    }
}
