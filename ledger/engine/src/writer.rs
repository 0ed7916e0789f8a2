//! The writer: gives each statement its place and time, folds it, and writes groups with one sync.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant as Stopwatch;

use daicho_core::proto::event::Fact;
use daicho_core::{
    ChainHash, CheckedStatement, Entry, LedgerSize, Origin, ParsedStatement, Place, PublicKey, Refusal,
    RefusalCode, Signer, StatementId, proto, sign_statement_with,
};
use daicho_custody::{Fold, FoldError};
use daicho_store::{Commit, Head, StatementRow, Store, StoreError};
use daicho_tlog::TreeHash;
use daicho_tlog::merkle::{Frontier, Growth};
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};

use crate::disk::Disk;
use crate::engine::KeyRing;
use crate::metrics as names;
use crate::overlay::Overlay;
use crate::publisher::Recorded;
use crate::{Clock, Receipt};

/// Statements of one caller, in order.
pub(crate) struct Job {
    pub(crate) statements: Vec<Result<CheckedStatement, Refusal>>,
    /// What the operator says after them, a statement each.
    pub(crate) notes: Vec<Fact>,
    /// Room in the queue, given back when the job is answered.
    pub(crate) permits: Option<OwnedSemaphorePermit>,
    pub(crate) answer: oneshot::Sender<Vec<Result<Receipt, Refusal>>>,
    /// Whether the operator's seal comes after them; its receipt is the last one.
    pub(crate) seal: Seal,
}

/// Whether a seal is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seal {
    No,
    /// If the interval is over and entries came since the last one.
    WhenDue,
    Now,
}

/// What the operator itself signs and says.
pub(crate) struct Operator {
    pub(crate) key: Box<dyn Signer>,
    /// Next free number of the key.
    pub(crate) next: u64,
    /// Time from one seal to the next, in milliseconds. 0: only on request.
    pub(crate) seal_every_ms: u64,
    /// Time and size after the last seal, or at the start of this run.
    pub(crate) sealed: (daicho_core::Instant, u64),
}

pub(crate) struct Writer {
    pub(crate) store: Arc<Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) keys: KeyRing,
    pub(crate) head: watch::Sender<Head>,
    pub(crate) max_group: usize,
    pub(crate) origin: Origin,
    pub(crate) operator: Option<Operator>,
    /// Right edge of the Merkle tree.
    pub(crate) frontier: Frontier,
    pub(crate) publisher: crossbeam_channel::Sender<Recorded>,
    pub(crate) disk: Disk,
}

/// Answers that wait for the checkpoint.
pub(crate) type Answered = (Job, Vec<Result<Receipt, Refusal>>);

/// A commit group on its way to disk.
struct Group<'w, 's> {
    store: &'w Store,
    overlay: &'w mut Overlay<'s>,
    fold: &'w mut Fold,
    commit: Commit,
    head: Head,
    /// Hashes of the new entries as leaves of the tree.
    leaves: Vec<TreeHash>,
    /// Statements of this group, not yet in the store's index.
    placed: HashMap<StatementId, (StatementRow, Receipt)>,
    new_keys: Vec<PublicKey>,
    events: u64,
}

/// The writer must stop: the state cannot be read, or nobody knows what reached the disk.
struct Fatal(String);

impl Writer {
    /// Runs until every sender is gone. After a failure it answers all with `WRITER_CLOSED` and writes nothing.
    ///
    /// `keys`: names these checkpoint keys first.
    pub(crate) fn run(
        mut self,
        head: Head,
        keys: Option<Vec<String>>,
        jobs: &crossbeam_channel::Receiver<Job>,
    ) {
        let store = Arc::clone(&self.store);
        let mut overlay = Overlay::new(&store);
        let mut fold = Fold::default();
        let mut head = head;
        if let Some(keys) = keys {
            match self.name_keys(keys, head, &mut overlay, &mut fold) {
                Ok(next) => head = next,
                Err(Fatal(reason)) => {
                    tracing::error!(reason, "the writer is closed; restart the server and run fsck");
                    for job in jobs {
                        refuse_all(job, &closed());
                    }
                    return;
                }
            }
        } else {
            // Nothing new, and yet a checkpoint: the one before may not have been published.
            let growth = Growth::new(&self.frontier, []);
            let _ = self.publisher.send(Recorded { growth, answers: Vec::new() });
        }
        while let Ok(first) = jobs.recv() {
            let group = collect(first, jobs, self.max_group);
            if let Some(refusal) = self.disk.refuses() {
                group.into_iter().for_each(|job| refuse_all(job, &refusal));
                continue;
            }
            match self.write(group, head, &mut overlay, &mut fold) {
                Ok(next) => head = next,
                Err(Fatal(reason)) => {
                    tracing::error!(reason, "the writer is closed; restart the server and run fsck");
                    for job in jobs {
                        refuse_all(job, &closed());
                    }
                    return;
                }
            }
        }
    }

    /// Records which keys sign checkpoints from here on.
    fn name_keys(
        &mut self,
        keys: Vec<String>,
        head: Head,
        overlay: &mut Overlay<'_>,
        fold: &mut Fold,
    ) -> Result<Head, Fatal> {
        if self.operator.is_none() {
            return Ok(head);
        }
        let named = Fact::CheckpointKeysNamed(proto::CheckpointKeysNamed { keys });
        let (answer, _) = oneshot::channel();
        let job = Job { statements: Vec::new(), notes: vec![named], permits: None, answer, seal: Seal::No };
        self.write(vec![job], head, overlay, fold)
    }

    fn write(
        &mut self,
        jobs: Vec<Job>,
        head: Head,
        overlay: &mut Overlay<'_>,
        fold: &mut Fold,
    ) -> Result<Head, Fatal> {
        let mut group = Group {
            store: &self.store,
            overlay,
            fold,
            commit: Commit::default(),
            head,
            leaves: Vec::new(),
            placed: HashMap::new(),
            new_keys: Vec::new(),
            events: 0,
        };
        let mut answers: Vec<Answered> = Vec::with_capacity(jobs.len());
        let mut fatal = None;
        for mut job in jobs {
            let statements = std::mem::take(&mut job.statements);
            let mut results = Vec::with_capacity(statements.len());
            for statement in statements {
                let place =
                    || statement.map_err(Placed::Refused).and_then(|s| group.place(&s, self.clock.now()));
                results.push(settle(&mut fatal, place));
            }
            for fact in std::mem::take(&mut job.notes) {
                let say = || match &mut self.operator {
                    Some(operator) => operator.say(&mut group, &self.origin, self.clock.now(), fact),
                    None => Err(Placed::Refused(no_operator())),
                };
                results.push(settle(&mut fatal, say));
            }
            answers.push((job, results));
        }
        let wanted = answers.iter().map(|(job, _)| job.seal).max_by_key(|seal| *seal as u8);
        if let (Some(operator), None) = (&mut self.operator, &fatal)
            && operator.is_due(wanted.unwrap_or(Seal::No), &group.head, self.clock.now())
        {
            let result = settle(&mut fatal, || operator.seal(&mut group, &self.origin, self.clock.now()));
            for (_, results) in answers.iter_mut().filter(|(job, _)| job.seal == Seal::Now) {
                results.push(result.clone());
            }
        }
        if let Some(reason) = fatal {
            return Err(give_up(answers, reason));
        }
        let Group { mut commit, head: mut next, leaves, new_keys, events, .. } = group;
        let growth = Growth::new(&self.frontier, leaves);
        next.root = growth.root();
        if !commit.is_empty() {
            if let Err(error) = self.store.add_tiles(&mut commit, &growth) {
                return Err(give_up(answers, error.to_string()));
            }
            let size = commit.len();
            let watch = Stopwatch::now();
            // If we die before this returns, no caller has an answer and none can tell whether its statement is in.
            // Sending it again is safe: key and number name it.
            if let Err(error) = self.store.commit(commit, &next) {
                return Err(give_up(answers, error.to_string()));
            }
            // Everything in the group is now *recorded*.
            metrics::histogram!(names::COMMIT).record(watch.elapsed().as_secs_f64());
            metrics::histogram!(names::GROUP).record(size as f64);
            metrics::counter!(names::RECORDED).increment(size as u64);
            metrics::counter!(names::EVENTS).increment(events);
            metrics::gauge!(names::SIZE).set(next.size.get() as f64);
            self.frontier = growth.frontier();
            self.admit(new_keys);
            self.head.send_replace(next);
            tracing::debug!(entries = size, ledger_size = next.size.get(), "group recorded");
        }
        // Also when all were refused: what they asked for is kept too.
        overlay.committed();
        let (proven, refused): (Vec<_>, Vec<_>) =
            answers.into_iter().partition(|(_, results)| results.iter().any(Result::is_ok));
        for (job, results) in refused {
            answer(job, results);
        }
        if next.size != head.size || !proven.is_empty() {
            let group = Recorded { growth, answers: proven };
            if let Err(crossbeam_channel::SendError(group)) = self.publisher.send(group) {
                return Err(give_up(group.answers, "the publisher has stopped".into()));
            }
        }
        Ok(next)
    }

    /// Lets keys that this group authorised verify from now on.
    fn admit(&self, keys: Vec<PublicKey>) {
        if keys.is_empty() {
            return;
        }
        if let Ok(mut ring) = self.keys.write() {
            for public in keys {
                if let Some(ready) = public.to_verifying_key() {
                    ring.insert(public.id(), Arc::new(ready));
                }
            }
        }
    }
}

enum Placed {
    Refused(Refusal),
    Fatal(String),
}

/// Does the next step of a group, unless an earlier one failed for good, and says what to answer.
fn settle(
    fatal: &mut Option<String>,
    step: impl FnOnce() -> Result<Receipt, Placed>,
) -> Result<Receipt, Refusal> {
    if fatal.is_some() {
        return Err(closed());
    }
    step().map_err(|placed| match placed {
        Placed::Refused(refusal) => refusal,
        Placed::Fatal(reason) => {
            *fatal = Some(reason);
            closed()
        }
    })
}

impl From<StoreError> for Placed {
    fn from(error: StoreError) -> Self {
        Self::Fatal(error.to_string())
    }
}

impl Operator {
    fn is_due(&self, wanted: Seal, head: &Head, now: daicho_core::Instant) -> bool {
        let (at, size) = self.sealed;
        let interval_over =
            self.seal_every_ms != 0 && head.size.get() > size && now >= at.plus_ms(self.seal_every_ms as i64);
        wanted == Seal::Now || interval_over
    }

    /// Adds a seal to the group.
    fn seal(
        &mut self,
        group: &mut Group<'_, '_>,
        origin: &Origin,
        now: daicho_core::Instant,
    ) -> Result<Receipt, Placed> {
        let head = group.head;
        let sealed =
            proto::Sealed { after_entry: head.size.get() - 1, chain_hash: head.chain.as_bytes().to_vec() };
        let receipt = self.say(group, origin, now, Fact::Sealed(sealed))?;
        self.sealed = (now.max(head.recorded), group.head.size.get());
        Ok(receipt)
    }

    /// Adds a statement of one fact to the group.
    fn say(
        &mut self,
        group: &mut Group<'_, '_>,
        origin: &Origin,
        now: daicho_core::Instant,
        fact: Fact,
    ) -> Result<Receipt, Placed> {
        let occurred = now.max(group.head.recorded).unix_ms();
        let event = proto::Event { occur_time_ms: occurred, fact: Some(fact), ..Default::default() };
        let statement = self.sign(origin, event).map_err(Placed::Refused)?;
        group.place(&statement, now)
    }

    /// Signs an event with the next number.
    fn sign(&mut self, origin: &Origin, event: proto::Event) -> Result<CheckedStatement, Refusal> {
        // Without its key the operator says nothing now; it is asked again when the next seal is due.
        let signed = sign_statement_with(origin.as_str(), &[(&*self.key, self.next)], vec![event])
            .map_err(|error| Refusal::new(RefusalCode::QueueFull, error.to_string()))?;
        self.next += 1;
        let public = self.key.public();
        let key = public.to_verifying_key();
        ParsedStatement::parse(signed)?
            .check(origin.as_str(), |id| key.as_ref().filter(|_| *id == public.id()))
    }
}

impl Group<'_, '_> {
    /// Gives a statement its index and time and folds it, or finds that it was recorded before.
    fn place(&mut self, statement: &CheckedStatement, now: daicho_core::Instant) -> Result<Receipt, Placed> {
        let index = self.head.size.next_index();
        let recorded = now.max(self.head.recorded);
        let place = Place { index, recorded, previous: self.head.chain };
        let changes = match self.fold.apply(&*self.overlay, statement, place) {
            Ok(changes) => changes,
            Err(FoldError::State(error)) => return Err(Placed::Fatal(error.to_string())),
            Err(FoldError::Refused(refusal)) if refusal.code == RefusalCode::SequenceUsed => {
                return self.first_answer(statement, refusal);
            }
            Err(FoldError::Refused(refusal)) => return Err(Placed::Refused(refusal)),
        };
        let entry =
            Entry { index, recorded, previous: self.head.chain, statement: statement.signed().clone() };
        let bytes = entry.encode();
        let chain = ChainHash::of_entry(&bytes);
        let row = StatementRow { entry: index, hash: statement.signed_hash() };
        let rows: Vec<(StatementId, StatementRow)> =
            statement.signers().iter().map(|id| (*id, row)).collect();
        self.store.add(&mut self.commit, index, &bytes, &rows, &changes);
        self.overlay.apply(&changes);
        for (code, _, _) in &changes.findings {
            metrics::counter!(names::FINDINGS, "code" => code.word()).increment(1);
        }
        self.note_keys(statement);
        self.events += statement.body().events.len() as u64;
        let receipt =
            Receipt { entry: index, recorded, chain, previous: entry.previous, repeated: false, proof: None };
        for (id, row) in rows {
            self.placed.insert(id, (row, receipt.clone()));
        }
        self.leaves.push(TreeHash::of_leaf(&bytes));
        self.head = Head {
            size: LedgerSize::new(index.get() + 1),
            chain,
            recorded,
            // Known when the group is whole.
            root: self.head.root,
            custody: changes.digest(&self.head.custody),
        };
        Ok(receipt)
    }

    /// The first answer to a statement that is sent again; a refusal when the number was used for other bytes.
    fn first_answer(&self, statement: &CheckedStatement, refusal: Refusal) -> Result<Receipt, Placed> {
        let hash: [u8; 32] = statement.signed_hash();
        let id = statement.id();
        if let Some((row, receipt)) = self.placed.get(&id) {
            let same = row.hash == hash;
            return if same {
                Ok(Receipt { repeated: true, ..receipt.clone() })
            } else {
                Err(Placed::Refused(refusal))
            };
        }
        let Some(row) = self.store.statement(&id)?.filter(|row| row.hash == hash) else {
            return Err(Placed::Refused(refusal));
        };
        let damaged = || Placed::Fatal(format!("entry {} is damaged", row.entry));
        let bytes = self.store.entry(row.entry)?.ok_or_else(damaged)?;
        let entry = Entry::decode(&bytes).map_err(|_| damaged())?;
        metrics::counter!(names::REPEATED).increment(1);
        let chain = ChainHash::of_entry(&bytes);
        let (recorded, previous) = (entry.recorded, entry.previous);
        Ok(Receipt { entry: row.entry, recorded, chain, previous, repeated: true, proof: None })
    }

    fn note_keys(&mut self, statement: &CheckedStatement) {
        let keys = statement.body().events.iter().filter_map(|event: &proto::Event| match &event.fact {
            Some(Fact::KeyAuthorized(e)) => e.key.as_ref().and_then(PublicKey::from_proto),
            _ => None,
        });
        self.new_keys.extend(keys);
    }
}

/// The first job and whatever else waits, up to `max` statements.
fn collect(first: Job, jobs: &crossbeam_channel::Receiver<Job>, max: usize) -> Vec<Job> {
    let mut count = first.statements.len();
    let mut group = vec![first];
    while count < max {
        let Ok(job) = jobs.try_recv() else { break };
        count += job.statements.len();
        group.push(job);
    }
    group
}

pub(crate) fn closed() -> Refusal {
    Refusal::new(RefusalCode::WriterClosed, "the ledger writer is closed after a storage failure")
}

pub(crate) fn no_operator() -> Refusal {
    let text = "the server runs without the operator's key, which signs what the operator says";
    Refusal::new(RefusalCode::NotAuthorized, text)
}

pub(crate) fn answer(job: Job, results: Vec<Result<Receipt, Refusal>>) {
    for refusal in results.iter().filter_map(|r| r.as_ref().err()) {
        metrics::counter!(names::REFUSED, "reason" => refusal.code.reason()).increment(1);
    }
    // A caller that hung up sends the statement again and gets the first answer then.
    let _ = job.answer.send(results);
    drop(job.permits);
}

fn refuse_all(job: Job, why: &Refusal) {
    let wanted = job.statements.len() + job.notes.len() + usize::from(job.seal == Seal::Now);
    answer(job, (0..wanted).map(|_| Err(why.clone())).collect());
}

/// Nothing of the group may be acknowledged.
fn give_up(answers: Vec<Answered>, reason: String) -> Fatal {
    for (job, results) in answers {
        let refused = results.iter().map(|_| Err(closed())).collect();
        answer(job, refused);
    }
    Fatal(reason)
}
