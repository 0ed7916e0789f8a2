//! Custody state as the writer sees it: the store, with the changes of the commit group at hand on top.

use std::cell::RefCell;
use std::collections::HashMap;

use daicho_custody::state::{Changes, StateError, View};
use daicho_store::Store;

/// How many records are kept in memory between groups, so that hot ones are not read again.
const MAX_KEPT: usize = 200_000;

pub(crate) struct Overlay<'s> {
    store: &'s Store,
    /// What was written, and what was read: the writer alone changes the store, so both stay true. Most statements ask
    /// for the same keys, approvals and rules, also for those that are not there.
    records: RefCell<HashMap<Vec<u8>, Option<Vec<u8>>>>,
}

impl<'s> Overlay<'s> {
    pub(crate) fn new(store: &'s Store) -> Self {
        Self { store, records: RefCell::default() }
    }

    /// Shows the changes of an accepted statement to those after it.
    pub(crate) fn apply(&mut self, changes: &Changes) {
        let records = self.records.get_mut();
        for (key, value) in &changes.records {
            if daicho_custody::state::Table::is_read_by_fold(key[0]) {
                records.insert(key.clone(), value.clone());
            }
        }
    }

    /// The group is on disk. What is kept from here on is a copy of what the store holds.
    pub(crate) fn committed(&mut self) {
        let records = self.records.get_mut();
        if records.len() > MAX_KEPT {
            records.clear();
        }
    }
}

impl View for Overlay<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        if let Some(value) = self.records.borrow().get(key) {
            return Ok(value.clone());
        }
        let value = self.store.get(key)?;
        self.records.borrow_mut().insert(key.to_vec(), value.clone());
        Ok(value)
    }
}
