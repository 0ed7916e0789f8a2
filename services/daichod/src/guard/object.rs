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
        let patience = self.patience;
        // Whoever asked may be gone when it ends.
        self.runtime.spawn(async move { answer.send(tokio::time::timeout(patience, call).await) });
        match answered.recv() {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(_)) => Err(GuardError::Unavailable(format!("no answer in {patience:?}"))),
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Instant as Stopwatch;

    use daicho_core::{Instant, Origin, RefusalCode, SigningKey};
    use daicho_engine::{Authority, Engine, EngineConfig, Founding, found};
    use daicho_tlog::{Algorithm, NoteSigner, TreeHash};
    use futures::stream::BoxStream;
    use object_store::memory::InMemory;
    use object_store::{
        CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, PutMultipartOptions,
        PutResult, Result,
    };

    use super::*;
    use crate::guard::state_of;

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Network {
        Works,
        /// Nothing arrives.
        Away,
        /// Everything arrives, and no answer to a writing comes back.
        LosesAnswers,
        /// Everything arrives, and the answers to writings take for ever.
        Hangs,
    }

    /// A store in memory behind a network that a test breaks.
    #[derive(Debug)]
    struct Remote {
        memory: InMemory,
        network: Mutex<Network>,
    }

    impl Remote {
        fn new() -> Arc<Self> {
            Arc::new(Self { memory: InMemory::new(), network: Mutex::new(Network::Works) })
        }

        fn set(&self, network: Network) {
            *self.network.lock().expect("no panic") = network;
        }

        fn network(&self) -> Result<Network> {
            match *self.network.lock().expect("no panic") {
                Network::Away => Err(Error::Generic { store: "test", source: "no route".into() }),
                other => Ok(other),
            }
        }

        fn guard(self: &Arc<Self>) -> ObjectGuard {
            let store = Arc::<Self>::clone(self);
            let guard = ObjectGuard::new(store, Path::from("guards/ledger"), Handle::current());
            ObjectGuard { patience: Duration::from_millis(200), ..guard }
        }

        async fn held(&self) -> Checkpoint {
            let object = self.memory.get(&Path::from("guards/ledger")).await.expect("there");
            let text = object.bytes().await.expect("there");
            Checkpoint::parse(str::from_utf8(&text).expect("text")).expect("a checkpoint")
        }
    }

    impl std::fmt::Display for Remote {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("test")
        }
    }

    #[tonic::async_trait]
    impl ObjectStore for Remote {
        async fn put_opts(&self, at: &Path, what: PutPayload, how: PutOptions) -> Result<PutResult> {
            let network = self.network()?;
            let put = self.memory.put_opts(at, what, how).await;
            match network {
                Network::LosesAnswers => Err(Error::Generic { store: "test", source: "reset".into() }),
                Network::Hangs => std::future::pending().await,
                _ => put,
            }
        }

        async fn get_opts(&self, at: &Path, how: GetOptions) -> Result<GetResult> {
            self.network()?;
            self.memory.get_opts(at, how).await
        }

        async fn put_multipart_opts(
            &self,
            _: &Path,
            _: PutMultipartOptions,
        ) -> Result<Box<dyn MultipartUpload>> {
            unreachable!("a guard is small")
        }

        fn delete_stream(&self, _: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
            unreachable!("a guard is never deleted")
        }

        fn list(&self, _: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
            unreachable!("a guard is one object")
        }

        async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
            unreachable!("a guard is one object")
        }

        async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
            unreachable!("a guard stays where it is")
        }
    }

    fn checkpoint(size: u64) -> Checkpoint {
        Checkpoint::new("example.com/log", size, TreeHash::of_leaf(&size.to_be_bytes())).expect("valid")
    }

    fn is_away<T>(result: std::result::Result<T, GuardError>) -> bool {
        matches!(result, Err(GuardError::Unavailable(_)))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_guard_is_swapped_only_from_what_it_holds() {
        let remote = Remote::new();
        let (mut first, mut second) = (remote.guard(), remote.guard());
        let [one, two, three, other] = [1, 2, 3, 4].map(checkpoint);
        assert_eq!(first.read().expect("reached"), None);
        assert_eq!(second.read().expect("reached"), None);
        first.swap(None, &one).expect("nobody was there");
        assert!(
            matches!(second.swap(None, &other), Err(GuardError::Conflict { found }) if found.contains("size 1"))
        );
        assert_eq!(second.read().expect("reached"), Some(one.clone()));
        first.swap(Some(&one), &two).expect("as expected");
        assert!(matches!(second.swap(Some(&one), &three), Err(GuardError::Conflict { .. })));
        assert!(matches!(first.swap(Some(&one), &three), Err(GuardError::Conflict { .. })));
        assert_eq!(remote.held().await, two);

        // Whoever takes it away stops everybody.
        remote.memory.delete(&Path::from("guards/ledger")).await.expect("deleted");
        assert!(
            matches!(first.swap(Some(&two), &three), Err(GuardError::Conflict { found }) if found == "nothing")
        );
        second.renew(&three).expect("renewed");
        assert_eq!(remote.held().await, three);
        for damage in [&b"no checkpoint"[..], &[b'x'; 2 * MAX_BYTES as usize], b"\xff"] {
            remote.memory.put(&Path::from("guards/ledger"), damage.to_vec().into()).await.expect("written");
            assert!(matches!(first.read(), Err(GuardError::Damaged(_))));
        }
        second.renew(&two).expect("whatever it held");
        assert_eq!(first.read().expect("reached"), Some(two));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_write_whose_answer_is_lost_is_known_again_as_ours() {
        for network in [Network::LosesAnswers, Network::Hangs] {
            let remote = Remote::new();
            let mut guard = remote.guard();
            let [one, two, three, four] = [1, 2, 3, 4].map(checkpoint);
            remote.set(network);
            assert!(is_away(guard.swap(None, &one)));
            remote.set(Network::Works);
            guard.swap(None, &one).expect("it is there already");
            // Of several writings without an answer, the first arrived: the others were conditional on what it replaced.
            remote.set(network);
            assert!(is_away(guard.swap(Some(&one), &two)));
            assert!(is_away(guard.swap(Some(&one), &three)));
            assert_eq!(remote.held().await, two);
            remote.set(Network::Away);
            assert!(is_away(guard.swap(Some(&one), &four)));
            remote.set(Network::Works);
            guard.swap(Some(&one), &four).expect("nobody else wrote");
            assert_eq!(remote.held().await, four);

            // Another server wrote in the meantime: that is not ours.
            remote.set(Network::Away);
            assert!(is_away(guard.swap(Some(&four), &two)));
            remote.set(Network::Works);
            let mut other = remote.guard();
            other.read().expect("reached");
            other.swap(Some(&four), &three).expect("it goes on from there");
            assert!(matches!(guard.swap(Some(&four), &two), Err(GuardError::Conflict { .. })));
        }
    }

    /// A founded ledger without a server.
    fn founded() -> (tempfile::TempDir, SigningKey) {
        let folder = tempfile::tempdir().expect("a folder");
        let operator = SigningKey::from_seed(&[1; 32]);
        let founding = Founding {
            origin: Origin::new("example.com/ledger").expect("a name"),
            operator: ("operator".into(), "台帳運用者".into()),
            operator_key: &operator,
            ward: ("ward".into(), "新宿区".into()),
            ward_key: SigningKey::from_seed(&[2; 32]).public(),
            checkpoint_keys: vec![signer().verifier().to_string()],
            at: Instant::parse("2026-11-22").expect("a day"),
        };
        found(&folder.path().join("data"), &founding).expect("founded");
        (folder, operator)
    }

    fn signer() -> NoteSigner {
        let name = "example.com/ledger".parse().expect("a key name");
        NoteSigner::from_seed(name, Algorithm::Ed25519, &[3; 32]).expect("a key")
    }

    fn start(folder: &std::path::Path, operator: &SigningKey, guard: ObjectGuard) -> Arc<Engine> {
        let operator = SigningKey::from_pem(&operator.to_pem()).map(|key| Box::new(key) as _);
        let authority =
            Authority { operator, checkpoint_keys: vec![Box::new(signer())], guard: Box::new(guard) };
        Engine::start(&folder.join("data"), EngineConfig::default(), authority).expect("it starts")
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_ledger_goes_on_while_its_guard_is_away_and_closes_when_another_signs() {
        let (folder, operator) = founded();
        let remote = Remote::new();
        remote.guard().renew(&state_of(&folder.path().join("data")).expect("founded")).expect("renewed");
        let engine = start(folder.path(), &operator, remote.guard());
        assert!(engine.seal().await.expect("recorded").proof.is_some());
        for network in [Network::Away, Network::LosesAnswers, Network::Hangs] {
            remote.set(network);
            let receipt = engine.seal().await.expect("recorded all the same");
            assert!(receipt.proof.is_none(), "{network:?}");
            remote.set(Network::Works);
            // It is published without anybody saying anything more.
            let mut published = engine.published();
            let there = published.wait_for(|p| p.as_ref().is_some_and(|p| p.size > receipt.entry.get()));
            assert_eq!(
                there.await.expect("the publisher runs").as_ref().map(|p| p.size),
                Some(receipt.entry.get() + 1)
            );
            assert_eq!(remote.held().await.size(), receipt.entry.get() + 1);
            assert!(engine.seal().await.expect("recorded").proof.is_some());
        }

        let signed = remote.held().await;
        let mut other = remote.guard();
        assert_eq!(other.read().expect("reached"), Some(signed.clone()));
        let watch = Stopwatch::now();
        let forked =
            Checkpoint::new(signed.origin(), signed.size() + 1, TreeHash::of_leaf(b"other")).expect("valid");
        other.swap(Some(&signed), &forked).expect("it was first");
        for _ in 0..2 {
            let refused = engine.seal().await.expect_err("it must not sign a fork");
            assert_eq!(refused.code, RefusalCode::WriterClosed);
        }
        assert!(watch.elapsed() < Duration::from_secs(30));
        assert_eq!(engine.published().borrow().as_ref().map(|p| p.size), Some(signed.size()));
        assert_eq!(remote.held().await, forked, "what the other one signed stands");
    }
}
