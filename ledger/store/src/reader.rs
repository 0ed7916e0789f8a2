//! Consistent reads: a snapshot of entries and custody state.

use daicho_core::EntryIndex;
use daicho_custody::state::{Cursor, RowRef, Scan, StateError, View};
use rocksdb::{DB, DBRawIterator, Direction, IteratorMode, SnapshotWithThreadMode};

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
    fn cursor(&self) -> Box<dyn Cursor + '_> {
        Box::new(StateCursor(self.inner.raw_iterator_cf(self.store.cf(CF_STATE))))
    }
}

struct StateCursor<'s>(DBRawIterator<'s>);

impl Cursor for StateCursor<'_> {
    fn seek(&mut self, key: &[u8]) {
        self.0.seek(key);
    }

    fn step(&mut self) {
        if self.0.valid() {
            self.0.next();
        }
    }

    fn row(&self) -> Result<Option<RowRef<'_>>, StateError> {
        match self.0.item() {
            Some(row) => Ok(Some(row)),
            None => self.0.status().map(|()| None).map_err(|error| StateError(error.to_string())),
        }
    }
}
