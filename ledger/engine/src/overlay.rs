//! Custody state as the writer sees it: the store, with the changes of the commit group at hand on top.

use std::collections::HashMap;

use daicho_custody::state::{Changes, StateError, View};
use daicho_store::Store;

/// How many records are kept in memory between groups, so that hot ones are not read again.
const MAX_KEPT: usize = 200_000;

pub(crate) struct Overlay<'s> {
    store: &'s Store,
    records: HashMap<Vec<u8>, Option<Vec<u8>>>,
}

impl<'s> Overlay<'s> {
    pub(crate) fn new(store: &'s Store) -> Self {
        Self { store, records: HashMap::new() }
    }

    /// Shows the changes of an accepted statement to those after it.
    pub(crate) fn apply(&mut self, changes: &Changes) {
        for (key, value) in &changes.records {
            if daicho_custody::state::Table::is_read_by_fold(key[0]) {
                self.records.insert(key.clone(), value.clone());
            }
        }
    }

    /// The group is on disk. What is kept from here on is a copy of what the store holds.
    pub(crate) fn committed(&mut self) {
        if self.records.len() > MAX_KEPT {
            self.records = HashMap::new();
        }
    }
}

impl View for Overlay<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        match self.records.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.store.get(key),
        }
    }
}
