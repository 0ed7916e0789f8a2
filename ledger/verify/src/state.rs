//! The custody state of a replay, in memory.

use std::collections::HashMap;

use daicho_custody::state::{Changes, MemoryState, StateError, Table, View};

/// Either only what the fold reads back, in a hash table, or every record in order.
pub(crate) enum ReplayState {
    Lean(HashMap<Vec<u8>, Box<[u8]>>),
    Full(MemoryState),
}

impl ReplayState {
    pub(crate) fn lean() -> Self {
        Self::Lean(HashMap::new())
    }

    pub(crate) fn full() -> Self {
        Self::Full(MemoryState::new())
    }

    pub(crate) fn apply(&mut self, changes: Changes) {
        let records = match self {
            Self::Full(state) => return state.apply(changes),
            Self::Lean(records) => records,
        };
        for (key, value) in changes.records {
            match value {
                Some(value) if Table::is_read_by_fold(key[0]) => {
                    records.insert(key, value.into_boxed_slice());
                }
                Some(_) => {}
                None => {
                    records.remove(&key);
                }
            }
        }
    }

    /// Every record; none when only a part was kept.
    pub(crate) fn into_full(self) -> MemoryState {
        match self {
            Self::Lean(_) => MemoryState::default(),
            Self::Full(state) => state,
        }
    }
}

impl View for ReplayState {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        match self {
            Self::Lean(records) => Ok(records.get(key).map(|value| value.to_vec())),
            Self::Full(state) => state.get(key),
        }
    }
}
