//! Records below a prefix, read on from where the last ones were: copies are judged in their order, and a step is far
//! cheaper than a search.

use std::cell::RefCell;
use std::collections::HashMap;
use std::iter::Peekable;

use crate::state::{Row, Scan, StateError};

type Result<T> = std::result::Result<T, StateError>;

/// How many records a walk steps over before it searches anew.
const STEPS: usize = 16;

/// A walk over each group of records.
pub(super) struct Walks<'a> {
    state: &'a dyn Scan,
    groups: RefCell<HashMap<Vec<u8>, Walk<'a>>>,
}

impl<'a> Walks<'a> {
    /// Before anything was read.
    pub(super) fn new(state: &'a dyn Scan) -> Self {
        Self { state, groups: RefCell::default() }
    }

    /// The records below a prefix of a group, in key order.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub(super) fn below(&self, group: &[u8], prefix: &[u8]) -> Result<Vec<Row>> {
        let mut groups = self.groups.borrow_mut();
        if !groups.contains_key(group) {
            groups.insert(group.to_owned(), Walk::at(self.state, group, prefix));
        }
        let walk = groups.get_mut(group).expect("it was put there");
        if prefix <= &*walk.last || !walk.reach(prefix)? {
            *walk = Walk::at(self.state, group, prefix);
        }
        walk.last = prefix.to_owned();
        let mut rows = Vec::new();
        while let Some(row) =
            walk.rows.next_if(|row| row.as_ref().map_or(true, |(key, _)| key.starts_with(prefix)))
        {
            rows.push(row?);
        }
        Ok(rows)
    }
}

/// A walk over a group of records in their order.
struct Walk<'a> {
    rows: Peekable<Box<dyn Iterator<Item = Result<Row>> + 'a>>,
    /// The prefix that was asked for last.
    last: Vec<u8>,
}

impl<'a> Walk<'a> {
    /// Before the first record of the group at or after a prefix: keys below a prefix are longer than it.
    fn at(state: &'a dyn Scan, group: &[u8], prefix: &[u8]) -> Self {
        Self { rows: state.scan(group, Some(prefix)).peekable(), last: Vec::new() }
    }

    /// Steps to the first record at or after a prefix. `false` when it is too far to walk.
    fn reach(&mut self, prefix: &[u8]) -> Result<bool> {
        for _ in 0..STEPS {
            match self.rows.peek() {
                Some(Ok((key, _))) if &**key < prefix => {}
                Some(Ok(_)) | None => return Ok(true),
                Some(Err(_)) => {}
            }
            self.rows.next().transpose()?;
        }
        Ok(false)
    }
}
