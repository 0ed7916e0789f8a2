//! A fork guard in an object store: one object that holds the text of the last signed checkpoint, replaced only on the
//! condition that nobody replaced it since it was read.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use daicho_engine::{ForkGuard, GuardError};
use daicho_tlog::Checkpoint;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload, UpdateVersion};
use tokio::runtime::Handle;

use super::Guard;

/// Longest object that is read: an origin of at most 120 bytes, size and root fit in well.
const MAX_BYTES: u64 = 1_024;
/// How long one reading or writing may take. The publisher, and with it everyone who waits for a receipt, waits for it.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many writes without an answer are remembered.
const MAX_TRIED: usize = 10_000;

/// What the object holds, and by which version it is replaced.
type Held = (Checkpoint, UpdateVersion);

/// A guard in an object store. It has no lock: of two servers, the one that signs second finds a conflict.
pub(crate) struct ObjectGuard {
    store: Arc<dyn ObjectStore>,
    path: Path,
    /// Where the store to be called lives; the guard itself is called on a thread that may wait.
    runtime: Handle,
    patience: Duration,
    /// As it was read or written last.
    held: Option<Held>,
    /// Checkpoints whose writing was not answered. Each may have arrived, or arrive yet, as long as the one before is
    /// there; none of them was acted on.
    tried: Vec<Checkpoint>,
}

impl ObjectGuard {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, path: Path, runtime: Handle) -> Self {
        Self { store, path, runtime, patience: PATIENCE, held: None, tried: Vec::new() }
    }

    fn fetch(&self) -> Result<Option<Held>, GuardError> {
        let (store, path) = (Arc::clone(&self.store), self.path.clone());
        let fetched = self.wait(async move {
            let object = match store.get(&path).await {
                Err(Error::NotFound { .. }) => return Ok(None),
                object => object?,
            };
            let version =
                UpdateVersion { e_tag: object.meta.e_tag.clone(), version: object.meta.version.clone() };
            let bytes = if object.meta.size > MAX_BYTES { None } else { Some(object.bytes().await?) };
            Ok(Some((bytes, version)))
        });
        let Some((bytes, version)) = fetched?.map_err(|error| away(&error))? else { return Ok(None) };
        let text = bytes.as_deref().and_then(|bytes| str::from_utf8(bytes).ok());
        let checkpoint = text.and_then(|text| Checkpoint::parse(text).ok());
        let checkpoint = checkpoint.ok_or_else(|| GuardError::Damaged(self.path.to_string()))?;
        Ok(Some((checkpoint, version)))
    }

    /// Writes, on a condition. The inner error says that the condition did not hold.
    fn put(&self, mode: PutMode, checkpoint: &Checkpoint) -> Result<Result<Held, Missed>, GuardError> {
        let (store, path) = (Arc::clone(&self.store), self.path.clone());
        let payload = PutPayload::from(checkpoint.to_string());
        let put = self.wait(async move { store.put_opts(&path, payload, PutOptions::from(mode)).await });
        match put? {
            Ok(result) => Ok(Ok((checkpoint.clone(), result.into()))),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(Err(Missed)),
            Err(error) => Err(away(&error)),
        }
    }

    /// Runs a call on the runtime and waits for it here.
    fn wait<T: Send + 'static>(
        &self,
        call: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, GuardError> {
        let (answer, answered) = mpsc::channel();
        let call = tokio::time::timeout(self.patience, call);
        // Whoever asked may be gone when it ends.
        self.runtime.spawn(async move { answer.send(call.await) });
        match answered.recv() {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(_)) => Err(GuardError::Unavailable(format!("no answer in {:?}", self.patience))),
            Err(_) => Err(GuardError::Unavailable("the server is stopping".into())),
        }
    }
}

/// Somebody replaced the object since.
struct Missed;

impl ForkGuard for ObjectGuard {
    fn read(&mut self) -> Result<Option<Checkpoint>, GuardError> {
        self.held = self.fetch()?;
        Ok(self.held.as_ref().map(|(checkpoint, _)| checkpoint.clone()))
    }

    fn swap(&mut self, expected: Option<&Checkpoint>, new: &Checkpoint) -> Result<(), GuardError> {
        if !self.tried.contains(new) {
            // The first ones are the likeliest to have arrived: whatever comes after one that did is refused.
            self.tried.truncate(MAX_TRIED - 1);
            self.tried.push(new.clone());
        }
        loop {
            let mode = match &self.held {
                None if expected.is_none() => PutMode::Create,
                Some((found, version)) if Some(found) == expected || self.tried.contains(found) => {
                    PutMode::Update(version.clone())
                }
                held => return Err(conflict(held.as_ref())),
            };
            let held = match self.put(mode, new)? {
                Ok(held) => Some(held),
                // Either another server wrote, or we did and were not told. What is there now says which.
                Err(Missed) => match self.fetch()? {
                    Some(found) if found.0 == *new => Some(found),
                    found if found == self.held => {
                        return Err(GuardError::Unavailable("the object store contradicts itself".into()));
                    }
                    found => {
                        self.held = found;
                        continue;
                    }
                },
            };
            self.held = held;
            self.tried.clear();
            return Ok(());
        }
    }
}

impl Guard for ObjectGuard {
    fn renew(&mut self, checkpoint: &Checkpoint) -> Result<(), GuardError> {
        match self.put(PutMode::Overwrite, checkpoint)? {
            Ok(held) => self.held = Some(held),
            Err(Missed) => return Err(GuardError::Unavailable("it does not let itself be written".into())),
        }
        self.tried.clear();
        Ok(())
    }
}

fn conflict(held: Option<&Held>) -> GuardError {
    let found =
        held.map_or_else(|| "nothing".into(), |(c, _)| format!("size {} root {}", c.size(), c.root()));
    GuardError::Conflict { found }
}

fn away(error: &Error) -> GuardError {
    GuardError::Unavailable(error.to_string())
}
