//! The engine: checks statements on all cores, hands them to the writer in order, answers when they are on disk.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, RwLock};
use std::thread::JoinHandle;

use daicho_core::proto::event::Fact;
use daicho_core::{
    ChainHash, CheckedStatement, Entry, EntryIndex, Instant, KeyId, Origin, ParsedStatement, Place, Refusal,
    RefusalCode, Signer, VerifyingKey, proto,
};
use daicho_custody::state::{
    CheckpointKeysRecord, KeyRecord, Scan as _, SequenceRecord, Table, Txn, decode, key as state_key,
};
use daicho_custody::{FindingCode, Fold, FoldError};
use daicho_store::{Head, Store};
use daicho_tlog::merkle::{Frontier, Nodes as _};
use daicho_tlog::{NoteKey, TreeHash, VerifierKey};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use crate::disk::Disk;
use crate::metrics as names;
use crate::publisher::{Published, Publisher, check_guard};
use crate::writer::{Job, Operator, Seal, Writer, no_operator};
use crate::{Clock, ClockStep, EngineError, ForkGuard, SimulatedClock, SystemClock};

/// How the engine is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineConfig {
    /// Statement bytes that may wait between arrival and disk, in KiB. More is refused with `QUEUE_FULL`.
    pub queue_kib: u32,
    /// Threads that verify signatures. 0: one for each core.
    pub check_threads: usize,
    /// Most statements that share one synced write.
    pub max_group: usize,
    /// Time from one seal to the next, in milliseconds of the ledger's clock. 0: only on request.
    pub seal_every_ms: u64,
    /// Least room on the disk of the data folder, in MiB. Below it statements are refused with `DISK_FULL`, so that
    /// a disk that fills up slowly is not filled by the ledger. 0: not looked at.
    pub min_free_mib: u64,
}

/// What a running ledger signs with, and what keeps it from signing two histories.
pub struct Authority {
    /// The operator's key, for seals and for naming checkpoint keys. `None`: neither is possible.
    pub operator: Option<Box<dyn Signer>>,
    /// Keys that sign every checkpoint, under the ledger's origin name. At least one.
    pub checkpoint_keys: Vec<Box<dyn NoteKey>>,
    /// Holds the last signed checkpoint.
    pub guard: Box<dyn ForkGuard>,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self { queue_kib: 64 * 1024, check_threads: 0, max_group: 2_048, seal_every_ms: 0, min_free_mib: 0 }
    }
}

/// That an entry is in a signed tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InclusionProof {
    /// Number of leaves of the tree.
    pub size: u64,
    /// The leaf's sibling first (RFC 6962 §2.1.1).
    pub hashes: Vec<TreeHash>,
    /// The signed note over the tree.
    pub checkpoint: Arc<str>,
}

/// Where a statement is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Its entry.
    pub entry: EntryIndex,
    /// Time of recording.
    pub recorded: Instant,
    /// Chain hash up to and with the entry.
    pub chain: ChainHash,
    /// Chain hash before it.
    pub previous: ChainHash,
    /// Whether it had been recorded before.
    pub repeated: bool,
    /// Proof in the checkpoint of its commit group. `None`: recorded and not published yet.
    pub proof: Option<InclusionProof>,
}

/// What recording a statement would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validation {
    /// Findings that it would raise: code, object, detail.
    pub findings: Vec<(FindingCode, String, String)>,
    /// Records that it would change.
    pub changed: usize,
    /// The entry that it is already. Then it would change nothing and be answered with its first receipt.
    pub recorded_at: Option<EntryIndex>,
}

/// Keys that are or were authorised, ready to verify.
pub(crate) type KeyRing = Arc<RwLock<HashMap<KeyId, Arc<VerifyingKey>>>>;

/// Checked statements in order, with their room in the queue.
pub struct Checked {
    statements: Vec<Result<CheckedStatement, Refusal>>,
    permits: OwnedSemaphorePermit,
}

type CheckTask = (Vec<proto::SignedStatement>, OwnedSemaphorePermit, oneshot::Sender<Checked>);

/// A running ledger.
pub struct Engine {
    store: Arc<Store>,
    origin: Origin,
    simulated: Option<Arc<SimulatedClock>>,
    clock: Arc<dyn Clock>,
    keys: KeyRing,
    room: Arc<Semaphore>,
    config: EngineConfig,
    checks: crossbeam_channel::Sender<CheckTask>,
    jobs: RwLock<Option<crossbeam_channel::Sender<Job>>>,
    head: watch::Receiver<Head>,
    published: watch::Receiver<Option<Published>>,
    seals: bool,
    threads: std::sync::Mutex<Vec<JoinHandle<()>>>,
}

impl Engine {
    /// Opens a ledger and starts its threads.
    ///
    /// # Errors
    /// When the folder holds no ledger, the disk fails, head, last entry and Merkle tree do not fit together, the
    /// checkpoint keys cannot be used, or the fork guard says that signing could make a fork.
    pub fn start(path: &Path, config: EngineConfig, authority: Authority) -> Result<Arc<Self>, EngineError> {
        Self::start_with_clock(path, config, authority, Arc::new(SystemClock))
    }

    /// As [`start`](Self::start), with another clock than the machine's. A simulated ledger has its own all the same.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with_clock(
        path: &Path,
        config: EngineConfig,
        authority: Authority,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, EngineError> {
        let store = Arc::new(Store::open(path)?);
        let head = checked_head(&store)?;
        let frontier = checked_tree(&store, &head)?;
        let ledger = daicho_custody::fold::ledger_record(&Txn::new(&*store))?;
        let origin = Origin::new(&ledger.origin).ok_or_else(|| EngineError::Head("origin".into()))?;
        let simulated = ledger.simulated.then(|| Arc::new(SimulatedClock::new(head.recorded)));
        let clock: Arc<dyn Clock> = match &simulated {
            Some(clock) => Arc::<SimulatedClock>::clone(clock),
            None => clock,
        };
        let keys = load_keys(&store)?;
        let Authority { operator, checkpoint_keys, mut guard } = authority;
        let guarded = guard.read()?;
        check_guard(guarded.as_ref(), &store, &origin, head.size.get())?;
        let operator = operator
            .map(|key| load_operator(key, &store, &ledger.operator, &head, config.seal_every_ms))
            .transpose()?;
        let new_keys = keys_to_name(&store, &origin, &checkpoint_keys, operator.is_some())?;
        metrics::gauge!(names::SIZE).set(head.size.get() as f64);
        let (head_sender, head_receiver) = watch::channel(head);
        let (published_sender, published) = watch::channel(None);
        let (job_sender, job_receiver) = crossbeam_channel::unbounded();
        let (group_sender, group_receiver) = crossbeam_channel::unbounded();
        let publisher = Publisher {
            store: Arc::clone(&store),
            origin: origin.clone(),
            keys: checkpoint_keys,
            guard,
            guarded,
            waiting: None,
            published: published_sender,
        };
        let publisher = std::thread::Builder::new()
            .name("daicho-publisher".into())
            .spawn(move || publisher.run(&group_receiver))?;
        let seals = operator.is_some();
        let writer = Writer {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            keys: Arc::clone(&keys),
            head: head_sender,
            max_group: config.max_group.max(1),
            origin: origin.clone(),
            operator,
            frontier,
            publisher: group_sender,
            disk: Disk::new(path, config.min_free_mib),
        };
        let writer = std::thread::Builder::new()
            .name("daicho-writer".into())
            .spawn(move || writer.run(head, new_keys, &job_receiver))?;
        let checks = start_checkers(&config, &origin, &keys)?;
        let room = Arc::new(Semaphore::new(config.queue_kib.max(64) as usize));
        Ok(Arc::new(Self {
            store,
            origin,
            simulated,
            clock,
            keys,
            room,
            config,
            checks,
            jobs: RwLock::new(Some(job_sender)),
            head: head_receiver,
            published,
            seals,
            threads: std::sync::Mutex::new(vec![writer, publisher]),
        }))
    }

    /// Records one statement. Returns once it is on disk.
    ///
    /// # Errors
    /// Why it is refused. [`RefusalCode::QueueFull`] when there is no room; nothing was written.
    pub async fn append(&self, statement: proto::SignedStatement) -> Result<Receipt, Refusal> {
        let permits = Arc::clone(&self.room).try_acquire_many_owned(kib(&statement)).map_err(|_| {
            Refusal::new(RefusalCode::QueueFull, "too many statements wait; send it again later")
        })?;
        let checked = self.check(vec![statement], permits).await?;
        self.commit(checked)?.await.map_err(|_| closed())?.pop().ok_or_else(closed)?
    }

    /// Waits for room for statements and verifies them on the check threads. Returns when that is done.
    ///
    /// # Errors
    /// [`RefusalCode::WriterClosed`] when the engine stops.
    pub async fn check_when_room(&self, statements: Vec<proto::SignedStatement>) -> Result<Checked, Refusal> {
        let wanted = statements.iter().map(kib).sum::<u32>().min(self.config.queue_kib.max(64));
        let permits = Arc::clone(&self.room).acquire_many_owned(wanted).await.map_err(|_| closed())?;
        self.check(statements, permits).await
    }

    async fn check(
        &self,
        statements: Vec<proto::SignedStatement>,
        permits: OwnedSemaphorePermit,
    ) -> Result<Checked, Refusal> {
        let (answer, checked) = oneshot::channel();
        self.checks.send((statements, permits, answer)).map_err(|_| closed())?;
        checked.await.map_err(|_| closed())
    }

    /// Hands checked statements to the writer, which takes them in the order of these calls. The answer comes when
    /// they are on disk: one result for each, in order.
    ///
    /// # Errors
    /// [`RefusalCode::WriterClosed`] when the writer has stopped.
    pub fn commit(
        &self,
        checked: Checked,
    ) -> Result<oneshot::Receiver<Vec<Result<Receipt, Refusal>>>, Refusal> {
        metrics::gauge!(names::QUEUE)
            .set((self.config.queue_kib as usize).saturating_sub(self.room.available_permits()) as f64);
        self.send(checked.statements, Vec::new(), Some(checked.permits), Seal::No)
    }

    fn send(
        &self,
        statements: Vec<Result<CheckedStatement, Refusal>>,
        notes: Vec<Fact>,
        permits: Option<OwnedSemaphorePermit>,
        seal: Seal,
    ) -> Result<oneshot::Receiver<Vec<Result<Receipt, Refusal>>>, Refusal> {
        let (answer, receipts) = oneshot::channel();
        let jobs = self.jobs.read().map_err(|_| closed())?;
        let job = Job { statements, notes, permits, answer, seal };
        jobs.as_ref().ok_or_else(closed)?.send(job).map_err(|_| closed())?;
        Ok(receipts)
    }

    /// Records a seal now.
    ///
    /// # Errors
    /// [`RefusalCode::NotAuthorized`] when the server has no operator key; [`RefusalCode::WriterClosed`].
    pub async fn seal(&self) -> Result<Receipt, Refusal> {
        if !self.seals {
            return Err(no_operator());
        }
        let answer = self.send(Vec::new(), Vec::new(), None, Seal::Now)?;
        answer.await.map_err(|_| closed())?.pop().ok_or_else(closed)?
    }

    /// Records what the operator says of its server, a statement for each fact.
    ///
    /// # Errors
    /// As [`seal`](Self::seal), or what the rules of the ledger have against a fact; those before it are recorded.
    pub async fn note(&self, facts: Vec<Fact>) -> Result<(), Refusal> {
        let answer = self.send(Vec::new(), facts, None, Seal::No)?;
        answer.await.map_err(|_| closed())?.into_iter().try_for_each(|receipt| receipt.map(drop))
    }

    /// Records that the machine's clock was set.
    ///
    /// # Errors
    /// As [`note`](Self::note).
    pub async fn note_clock(&self, step: ClockStep) -> Result<(), Refusal> {
        let (expected_ms, found_ms) = (step.expected.unix_ms(), step.found.unix_ms());
        self.note(vec![Fact::ClockStepped(proto::ClockStepped { expected_ms, found_ms })]).await
    }

    /// Records a seal if the interval is over and entries came since the last one. Call it now and then.
    pub fn seal_when_due(&self) {
        if self.seals && self.config.seal_every_ms != 0 {
            // The writer has stopped: nothing is left to seal.
            let _ = self.send(Vec::new(), Vec::new(), None, Seal::WhenDue);
        }
    }

    /// The newest checkpoint; changes with every commit. `None` for a moment after the start.
    pub fn published(&self) -> watch::Receiver<Option<Published>> {
        self.published.clone()
    }

    /// What recording a statement now would do.
    ///
    /// # Errors
    /// Why it would be refused.
    pub fn validate(&self, statement: proto::SignedStatement) -> Result<Validation, Refusal> {
        let checked = admit(statement, &self.origin, &self.keys)?;
        let head = *self.head.borrow();
        let recorded = self.clock.now().max(head.recorded);
        let snapshot = self.store.snapshot();
        let place = Place { index: head.size.next_index(), recorded, previous: head.chain };
        match Fold::default().apply(&snapshot, &checked, place) {
            Ok(changes) => Ok(Validation {
                changed: changes.records.len(),
                findings: changes.findings,
                recorded_at: None,
            }),
            Err(FoldError::Refused(refusal)) if refusal.code == RefusalCode::SequenceUsed => {
                let row = self.store.statement(&checked.id()).map_err(|_| closed())?;
                let row = row.filter(|row| row.hash == checked.signed_hash()).ok_or(refusal)?;
                Ok(Validation { findings: Vec::new(), changed: 0, recorded_at: Some(row.entry) })
            }
            Err(FoldError::Refused(refusal)) => Err(refusal),
            Err(FoldError::State(_)) => Err(closed()),
        }
    }

    /// Stops taking statements, records those that were taken, and closes the files quietly.
    pub fn stop(&self) {
        if let Ok(mut jobs) = self.jobs.write() {
            jobs.take();
        }
        let threads = self.threads.lock().map(|mut threads| std::mem::take(&mut *threads));
        for thread in threads.unwrap_or_default() {
            if thread.join().is_err() {
                tracing::error!("the writer or the publisher ended in a panic");
            }
        }
        if let Err(error) = self.store.flush() {
            tracing::warn!(%error, "flush failed; the log is intact and is read at the next start");
        }
    }

    /// The store, for reading.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Name of the ledger.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// How far the ledger is; changes with every commit.
    pub fn head(&self) -> watch::Receiver<Head> {
        self.head.clone()
    }

    /// The ledger's present time.
    pub fn now(&self) -> Instant {
        self.clock.now().max(self.head.borrow().recorded)
    }

    /// What the clock shows, which may be before what was recorded last.
    pub fn clock_time(&self) -> Instant {
        self.clock.now()
    }

    /// The simulated clock, if this ledger has one.
    pub fn simulated_clock(&self) -> Option<&SimulatedClock> {
        self.simulated.as_deref()
    }
}

/// Whoever gives an engine up without stopping it stops it by that: its threads must not outlive the files.
impl Drop for Engine {
    fn drop(&mut self) {
        self.stop();
    }
}

fn closed() -> Refusal {
    Refusal::new(RefusalCode::WriterClosed, "the ledger takes no statements until it is started again")
}

/// Room that a statement takes, in KiB.
fn kib(statement: &proto::SignedStatement) -> u32 {
    (statement.statement.len() / 1024 + 1).min(64) as u32
}

fn find(keys: &KeyRing, id: &KeyId) -> Option<Arc<VerifyingKey>> {
    keys.read().ok()?.get(id).cloned()
}

/// What is asked of a statement before it waits for the writer: that it is one, that it holds no personal data, that its
/// signatures verify.
fn admit(
    statement: proto::SignedStatement,
    origin: &Origin,
    keys: &KeyRing,
) -> Result<CheckedStatement, Refusal> {
    let parsed = ParsedStatement::parse(statement)?;
    if let Some((field, what)) = daicho_core::find_personal(&parsed.signed().statement) {
        let text =
            format!("it looks like {what}; the ledger takes no personal data, only ids that say nothing");
        return Err(Refusal::field(RefusalCode::PersonalData, field, text));
    }
    parsed.check(origin.as_str(), |id| find(keys, id))
}

/// Reads the head and checks that the last entry hashes to it.
fn checked_head(store: &Store) -> Result<Head, EngineError> {
    let head = store.head()?;
    let Some(last) = head.size.get().checked_sub(1) else {
        return Err(EngineError::Head("the ledger has no entry 0; make it anew".into()));
    };
    let bytes = store
        .entry(EntryIndex::new(last))?
        .ok_or_else(|| EngineError::Head(format!("entry {last} is missing")))?;
    if ChainHash::of_entry(&bytes) != head.chain {
        return Err(EngineError::Head(format!("entry {last} hashes to something else")));
    }
    let entry = Entry::decode(&bytes).map_err(|error| EngineError::Head(error.to_string()))?;
    if entry.index.get() != last || entry.recorded != head.recorded {
        return Err(EngineError::Head(format!("entry {last} has another index or time")));
    }
    Ok(head)
}

/// Reads the right edge of the tree and checks that it has the head's root and the last entry as its last leaf.
fn checked_tree(store: &Store, head: &Head) -> Result<Frontier, EngineError> {
    let tree = |error: &dyn std::fmt::Display| EngineError::Tree(error.to_string());
    let size = head.size.get();
    let nodes = store.nodes(head.size);
    let frontier = Frontier::read(&nodes, size).map_err(|error| tree(&error))?;
    if frontier.root() != head.root {
        return Err(tree(&"its root is another"));
    }
    let last = store.entry(EntryIndex::new(size - 1))?.unwrap_or_default();
    let leaf = nodes.node(0, size - 1).map_err(|error| tree(&error))?;
    if leaf != TreeHash::of_leaf(&last) {
        return Err(tree(&"its last leaf is not the last entry"));
    }
    Ok(frontier)
}

fn load_operator(
    key: Box<dyn Signer>,
    store: &Store,
    party: &str,
    head: &Head,
    seal_every_ms: u64,
) -> Result<Operator, EngineError> {
    let txn = Txn::new(store);
    let id = key.public().id().to_string();
    let record = txn.get::<KeyRecord>(&state_key(Table::Key, &[&id]))?;
    if record.is_none_or(|record| record.party != party || record.revoked.is_some()) {
        return Err(EngineError::CheckpointKeys(format!(
            "key {id} is not, or no longer, a key of the operator `{party}`"
        )));
    }
    let used: SequenceRecord = txn.get(&state_key(Table::Sequence, &[&id]))?.unwrap_or_default();
    Ok(Operator { key, next: used.last() + 1, seal_every_ms, sealed: (head.recorded, head.size.get()) })
}

/// The verifier keys to name in the ledger, when they are not those that it names now.
fn keys_to_name(
    store: &Store,
    origin: &Origin,
    signers: &[Box<dyn NoteKey>],
    may_name: bool,
) -> Result<Option<Vec<String>>, EngineError> {
    let fault = |text: String| Err(EngineError::CheckpointKeys(text));
    if signers.is_empty() {
        return fault("none is given; every checkpoint needs a signature".into());
    }
    let keys: Vec<&VerifierKey> = signers.iter().map(|key| key.verifier()).collect();
    if let Some(other) = keys.iter().find(|key| key.name().as_str() != origin.as_str()) {
        return fault(format!("a key is for `{}`, the ledger is `{origin}`", other.name()));
    }
    let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
    let record: Option<CheckpointKeysRecord> = Txn::new(store).get(&state_key(Table::CheckpointKeys, &[]))?;
    let named = record.and_then(|mut record| record.sets.pop()).map(|(_, keys)| keys).unwrap_or_default();
    if named == keys {
        return Ok(None);
    }
    if !may_name {
        return fault(
            "they are not those that the ledger names; naming new ones takes the operator's key".into(),
        );
    }
    Ok(Some(keys))
}

fn load_keys(store: &Store) -> Result<KeyRing, EngineError> {
    let mut keys = HashMap::new();
    for row in store.snapshot().scan(&state_key(Table::Key, &[]), None) {
        let record: KeyRecord = decode(&row?.1)?;
        if let Some(ready) = record.public.to_verifying_key() {
            keys.insert(record.public.id(), Arc::new(ready));
        }
    }
    Ok(Arc::new(RwLock::new(keys)))
}

fn start_checkers(
    config: &EngineConfig,
    origin: &Origin,
    keys: &KeyRing,
) -> Result<crossbeam_channel::Sender<CheckTask>, EngineError> {
    let (sender, receiver) = crossbeam_channel::unbounded::<CheckTask>();
    let threads = match config.check_threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        n => n,
    };
    for n in 0..threads {
        let (receiver, origin, keys) = (receiver.clone(), origin.clone(), Arc::clone(keys));
        std::thread::Builder::new().name(format!("daicho-check-{n}")).spawn(move || {
            for (statements, permits, answer) in receiver {
                let statements =
                    statements.into_iter().map(|statement| admit(statement, &origin, &keys)).collect();
                // The caller may have gone; then nobody waits for the answer.
                let _ = answer.send(Checked { statements, permits });
            }
        })?;
    }
    Ok(sender)
}
