//! The engine: checks statements on all cores, hands them to the writer in order, answers when they are on disk.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, RwLock};
use std::thread::JoinHandle;

use daicho_core::{
    ChainHash, CheckedStatement, Entry, EntryIndex, Instant, KeyId, Origin, ParsedStatement, Refusal,
    RefusalCode, VerifyingKey, proto,
};
use daicho_custody::state::{KeyRecord, Scan as _, Table, Txn, decode, key};
use daicho_custody::{FindingCode, Fold, FoldError};
use daicho_store::{Head, Store};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use crate::metrics as names;
use crate::writer::{Job, Writer};
use crate::{Clock, EngineError, SimulatedClock, SystemClock};

/// How the engine is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineConfig {
    /// Statement bytes that may wait between arrival and disk, in KiB. More is refused with `QUEUE_FULL`.
    pub queue_kib: u32,
    /// Threads that verify signatures. 0: one for each core.
    pub check_threads: usize,
    /// Most statements that share one synced write.
    pub max_group: usize,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self { queue_kib: 64 * 1024, check_threads: 0, max_group: 2_048 }
    }
}

/// Where a statement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Its entry.
    pub entry: EntryIndex,
    /// Time of recording.
    pub recorded: Instant,
    /// Chain hash up to and with the entry.
    pub chain: ChainHash,
    /// Whether it had been recorded before.
    pub repeated: bool,
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
    writer: std::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Engine {
    /// Opens a ledger and starts its threads.
    ///
    /// # Errors
    /// When the folder holds no ledger, the disk fails, or head and last entry do not fit together.
    pub fn start(path: &Path, config: EngineConfig) -> Result<Arc<Self>, EngineError> {
        let store = Arc::new(Store::open(path)?);
        let head = checked_head(&store)?;
        let ledger = daicho_custody::fold::ledger_record(&Txn::new(&*store))?;
        let origin = Origin::new(&ledger.origin).ok_or_else(|| EngineError::Head("origin".into()))?;
        let simulated = ledger.simulated.then(|| Arc::new(SimulatedClock::new(head.recorded)));
        let clock: Arc<dyn Clock> = match &simulated {
            Some(clock) => Arc::<SimulatedClock>::clone(clock),
            None => Arc::new(SystemClock),
        };
        let keys = load_keys(&store)?;
        let (head_sender, head_receiver) = watch::channel(head);
        let (job_sender, job_receiver) = crossbeam_channel::unbounded();
        let writer = Writer {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            keys: Arc::clone(&keys),
            head: head_sender,
            max_group: config.max_group.max(1),
        };
        let writer = std::thread::Builder::new()
            .name("daicho-writer".into())
            .spawn(move || writer.run(head, &job_receiver))?;
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
            writer: std::sync::Mutex::new(Some(writer)),
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
        let (answer, receipts) = oneshot::channel();
        let job = Job { statements: checked.statements, permits: checked.permits, answer };
        let jobs = self.jobs.read().map_err(|_| closed())?;
        jobs.as_ref().ok_or_else(closed)?.send(job).map_err(|_| closed())?;
        Ok(receipts)
    }

    /// What recording a statement now would do.
    ///
    /// # Errors
    /// Why it would be refused.
    pub fn validate(&self, statement: proto::SignedStatement) -> Result<Validation, Refusal> {
        let checked =
            ParsedStatement::parse(statement)?.check(self.origin.as_str(), |id| find(&self.keys, id))?;
        let head = *self.head.borrow();
        let recorded = self.clock.now().max(head.recorded);
        let snapshot = self.store.snapshot();
        match Fold::default().apply(&snapshot, &checked, recorded, head.size.next_index()) {
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
        let writer = self.writer.lock().ok().and_then(|mut writer| writer.take());
        if let Some(writer) = writer
            && writer.join().is_err()
        {
            tracing::error!("the writer ended in a panic");
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

    /// The simulated clock, if this ledger has one.
    pub fn simulated_clock(&self) -> Option<&SimulatedClock> {
        self.simulated.as_deref()
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

fn load_keys(store: &Store) -> Result<KeyRing, EngineError> {
    let mut keys = HashMap::new();
    for row in store.snapshot().scan(&key(Table::Key, &[]), None) {
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
                let statements = statements
                    .into_iter()
                    .map(|s| ParsedStatement::parse(s)?.check(origin.as_str(), |id| find(&keys, id)))
                    .collect();
                // The caller may have gone; then nobody waits for the answer.
                let _ = answer.send(Checked { statements, permits });
            }
        })?;
    }
    Ok(sender)
}
