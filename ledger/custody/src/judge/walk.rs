//! Records below a prefix, read on from where the last ones were: copies are judged in their order, and a step is far
//! cheaper than a search.

use crate::state::{Cursor, Scan, StateError};

type Result<T> = std::result::Result<T, StateError>;

/// How many records a walk steps over before it searches anew.
const STEPS: usize = 16;

/// A walk over records in their order.
pub(crate) struct Walk<'a> {
    cursor: Box<dyn Cursor + 'a>,
    /// The prefix that was asked for last. `None`: the cursor was never placed.
    last: Option<Vec<u8>>,
    /// One after a search, so that prefixes in no order do not pay for steps in vain.
    steps: usize,
}

impl<'a> Walk<'a> {
    /// Before anything was read.
    pub(crate) fn new(state: &'a dyn Scan) -> Self {
        Self { cursor: state.cursor(), last: None, steps: 1 }
    }

    /// Each record below a prefix, in key order.
    ///
    /// # Errors
    /// When the state cannot be read, and those of `each`.
    pub(crate) fn below(
        &mut self,
        prefix: &[u8],
        mut each: impl FnMut(&[u8], &[u8]) -> Result<()>,
    ) -> Result<()> {
        if !self.reach(prefix)? {
            self.cursor.seek(prefix);
        }
        let last = self.last.get_or_insert_default();
        last.clear();
        last.extend_from_slice(prefix);
        while let Some((key, value)) = self.cursor.row()?
            && key.starts_with(prefix)
        {
            each(key, value)?;
            self.cursor.step();
        }
        Ok(())
    }

    /// Steps to the first record at or after a prefix. `false` when it lies behind, or too far ahead to walk.
    fn reach(&mut self, prefix: &[u8]) -> Result<bool> {
        if self.last.as_deref().is_none_or(|last| prefix <= last || prefix.starts_with(last)) {
            return Ok(false);
        }
        for _ in 0..self.steps {
            match self.cursor.row()? {
                Some((key, _)) if key < prefix => self.cursor.step(),
                _ => {
                    self.steps = STEPS;
                    return Ok(true);
                }
            }
        }
        self.steps = 1;
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Changes, MemoryState};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_walk_finds_what_a_scan_finds_whatever_the_order(
            keys in prop::collection::btree_set("[ab]{1,6}", 0..120),
            asked in prop::collection::vec("[ab]{1,5}", 1..60),
        ) {
            let mut state = MemoryState::new();
            let mut changes = Changes::default();
            for key in &keys {
                changes.records.insert(key.clone().into_bytes(), Some(vec![7]));
            }
            state.apply(changes);
            let mut walk = Walk::new(&state);
            for prefix in asked {
                let mut walked = Vec::new();
                walk.below(prefix.as_bytes(), |key, _| {
                    walked.push(key.to_vec());
                    Ok(())
                })?;
                let scanned: Result<Vec<_>> =
                    state.scan(prefix.as_bytes(), None).map(|row| Ok(row?.0)).collect();
                prop_assert_eq!(walked, scanned?);
            }
        }
    }
}
