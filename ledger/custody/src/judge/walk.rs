//! Records below a prefix, read on from where the last ones were: copies are judged in their order, and a step is far
//! cheaper than a search.

use std::mem::swap;

use crate::state::{Cursor, Scan, StateError, Table, write_key};

type Result<T> = std::result::Result<T, StateError>;

/// How many records a walk steps over before it searches anew.
const STEPS: usize = 16;

/// A walk over records in their order.
pub(crate) struct Walk<'a> {
    cursor: Box<dyn Cursor + 'a>,
    /// The prefix that is asked for.
    asked: Vec<u8>,
    /// The prefix that was asked for last. Empty: the cursor was never placed.
    last: Vec<u8>,
    /// One after a search, so that prefixes in no order do not pay for steps in vain.
    steps: usize,
}

impl<'a> Walk<'a> {
    /// Before anything was read.
    pub(crate) fn new(state: &'a dyn Scan) -> Self {
        Self { cursor: state.cursor(), asked: Vec::new(), last: Vec::new(), steps: 1 }
    }

    /// Each record of a table whose key starts with these parts, in key order, with what its key has after them.
    ///
    /// # Errors
    /// When the state cannot be read, and those of `each`.
    pub(crate) fn below(
        &mut self,
        table: Table,
        parts: &[&str],
        mut each: impl FnMut(&[u8], &[u8]) -> Result<()>,
    ) -> Result<()> {
        swap(&mut self.asked, &mut self.last);
        write_key(&mut self.asked, table, parts);
        if !self.reach()? {
            self.cursor.seek(&self.asked);
        }
        while let Some((key, value)) = self.cursor.row()?
            && let Some(rest) = key.strip_prefix(self.asked.as_slice())
        {
            each(rest, value)?;
            self.cursor.step();
        }
        Ok(())
    }

    /// Steps to the first record at or after what is asked for. `false` when it lies behind, or too far ahead to walk.
    fn reach(&mut self) -> Result<bool> {
        let (asked, last) = (&self.asked, &self.last);
        if last.is_empty() || asked <= last || asked.starts_with(last) {
            return Ok(false);
        }
        for _ in 0..self.steps {
            match self.cursor.row()? {
                Some((key, _)) if key < asked.as_slice() => self.cursor.step(),
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
    use crate::state::{Changes, MemoryState, key};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_walk_finds_what_a_scan_finds_whatever_the_order(
            keys in prop::collection::vec(prop::collection::vec("[ab]{1,2}", 1..4), 0..120),
            asked in prop::collection::vec(prop::collection::vec("[ab]{1,2}", 1..4), 1..60),
        ) {
            let mut state = MemoryState::new();
            let mut changes = Changes::default();
            let place = |parts: &[String]| key(Table::Copy, &parts.iter().map(String::as_str).collect::<Vec<_>>());
            for parts in &keys {
                changes.records.insert(place(parts), Some(vec![7]));
            }
            state.apply(changes);
            let mut walk = Walk::new(&state);
            for parts in asked {
                let mut walked = Vec::new();
                let names: Vec<&str> = parts.iter().map(String::as_str).collect();
                walk.below(Table::Copy, &names, |key, _| {
                    walked.push([place(&parts).as_slice(), key].concat());
                    Ok(())
                })?;
                let scanned: Result<Vec<_>> =
                    state.scan(&place(&parts), None).map(|row| Ok(row?.0)).collect();
                prop_assert_eq!(walked, scanned?);
            }
        }
    }
}
