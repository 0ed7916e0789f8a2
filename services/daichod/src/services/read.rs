//! Reads of custody state: from one snapshot, on a thread that may block, in pages.

use std::sync::{Arc, Mutex};

use daicho_custody::state::{Row, Scan, StateError, Table, decode, key, part};
use daicho_custody::{ContextCache, Judge};
use daicho_engine::Engine;
use daicho_store::Snapshot;
use serde::de::DeserializeOwned;
use tonic::Status;

use super::status;

const DEFAULT_PAGE: usize = 100;
const MAX_PAGE: usize = 1_000;

/// Reads custody state. Clones share what they know of schemes.
#[derive(Clone)]
pub(super) struct Reader {
    pub(super) engine: Arc<Engine>,
    contexts: Arc<Mutex<ContextCache>>,
}

/// Which part of a list is asked for.
pub(super) struct Page {
    pub(super) size: usize,
    pub(super) after: Option<String>,
}

impl Page {
    pub(super) fn new(size: i32, token: &str) -> Result<Self, Status> {
        let size = usize::try_from(size).map_err(|_| status::bad_field("page_size", "0 or more"))?;
        let size = if size == 0 { DEFAULT_PAGE } else { size.min(MAX_PAGE) };
        let after = (!token.is_empty()).then(|| token.to_owned());
        if after.as_deref().is_some_and(|token| daicho_core::check_id("", token).is_err()) {
            return Err(not_of_this_list());
        }
        Ok(Self { size, after })
    }

    /// What `seen` makes of the rows of a table below `scope`, with the token of the next page. What it leaves out leaves no
    /// trace, neither in the token nor in the size of a page.
    pub(super) fn rows<T: DeserializeOwned, S>(
        &self,
        state: &dyn Scan,
        table: Table,
        scope: &[&str],
        mut seen: impl FnMut(&str, T) -> Result<Option<S>, Failure>,
    ) -> Result<(Vec<S>, String), Failure> {
        let with = |id: &str| key(table, &scope.iter().copied().chain([id]).collect::<Vec<_>>());
        let after = self.after.as_deref().map(with);
        let (mut rows, mut last) = (Vec::new(), String::new());
        for row in state.scan(&key(table, scope), after.as_deref()) {
            let (place, value): Row = row?;
            let id = part(&place, scope.len());
            let Some(row) = seen(id, decode(&value)?)? else { continue };
            if rows.len() == self.size {
                return Ok((rows, last));
            }
            rows.push(row);
            id.clone_into(&mut last);
        }
        Ok((rows, String::new()))
    }

    /// Part of a list that is computed whole; the token is a position.
    pub(super) fn slice<T>(&self, all: Vec<T>) -> Result<(Vec<T>, String), Status> {
        let start: usize = match &self.after {
            None => 0,
            Some(token) => token.parse().map_err(|_| not_of_this_list())?,
        };
        let end = (start + self.size).min(all.len());
        let token = if end < all.len() { end.to_string() } else { String::new() };
        Ok((all.into_iter().skip(start).take(self.size).collect(), token))
    }
}

impl Reader {
    pub(super) fn new(engine: Arc<Engine>) -> Self {
        Self { engine, contexts: Arc::default() }
    }

    /// Runs a read on a thread that may block.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Snapshot<'_>, &mut ContextCache) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Status> {
        let (engine, contexts) = (Arc::clone(&self.engine), Arc::clone(&self.contexts));
        let result = tokio::task::spawn_blocking(move || {
            let snapshot = engine.store().snapshot();
            // A copy, so that long reads do not wait for one another.
            let mut cache = contexts.lock().map(|cache| cache.clone()).unwrap_or_default();
            let result = work(&snapshot, &mut cache);
            if let Ok(mut shared) = contexts.lock() {
                *shared = cache;
            }
            result
        });
        Ok(result.await.map_err(status::task)??)
    }
}

fn not_of_this_list() -> Status {
    status::bad_field("page_token", "not one of this list")
}

/// Why a read failed.
pub(super) enum Failure {
    Status(Box<Status>),
    State(StateError),
}

impl From<StateError> for Failure {
    fn from(error: StateError) -> Self {
        Self::State(error)
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Status(Box::new(status))
    }
}

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Status(status) => *status,
            Failure::State(error) => status::state(&error),
        }
    }
}

/// The judge of a scheme.
pub(super) fn judge<'a>(
    state: &'a dyn Scan,
    cache: &mut ContextCache,
    scheme: &str,
) -> Result<Judge<'a>, Failure> {
    status::id("scheme", scheme)?;
    Ok(Judge::new(state, cache, scheme)?.ok_or_else(|| status::not_found(&format!("scheme `{scheme}`")))?)
}

/// The scheme that is wanted, or all (empty).
pub(super) fn scheme_ids(state: &dyn Scan, wanted: &str) -> Result<Vec<String>, StateError> {
    if !wanted.is_empty() {
        return Ok(vec![wanted.to_owned()]);
    }
    state.scan(&key(Table::Scheme, &[]), None).map(|row| Ok(part(&row?.0, 0).to_owned())).collect()
}

/// Ids of the copies of a data set.
pub(super) fn copies_of(state: &dyn Scan, scheme: &str, data_set: &str) -> Result<Vec<String>, StateError> {
    state
        .scan(&key(Table::CopyOfDataSet, &[scheme, data_set]), None)
        .map(|row| Ok(part(&row?.0, 2).to_owned()))
        .collect()
}
