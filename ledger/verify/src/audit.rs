//! The auditor: recomputes every hash, link and signature, and folds every entry.

#![expect(
    clippy::vec_box,
    reason = "lists pass from thread to thread; boxed items keep them small and their memory in use"
)]

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use daicho_core::proto::event::Fact;
use daicho_core::{
    ChainHash, CheckedStatement, Entry, EntryError, EntryIndex, Instant, KeyId, LedgerSize, Origin,
    ParsedStatement, PublicKey, Refusal, RefusalCode, VerifyingKey, proto,
};
use daicho_custody::state::MemoryState;
use daicho_custody::{FindingCode, Fold, FoldError};
use daicho_tlog::TreeHash;
use daicho_tlog::merkle::Frontier;
use rayon::prelude::*;

use crate::state::{ReplayState, Scratch};

/// The check that an entry failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Check {
    /// The bytes are no entry.
    EntryFormat,
    /// An entry is missing, doubled or out of place.
    IndexOrder,
    /// It does not hold the chain hash of the entry before it.
    ChainLink,
    /// Its time lies before that of the entry before it.
    TimeOrder,
    /// The statement is malformed.
    StatementFormat,
    /// The statement was signed for another ledger.
    Origin,
    /// A signature does not verify.
    Signature,
    /// A key was not authorised, or revoked, at this place.
    KeyRules,
    /// The rules of custody refuse what the ledger holds.
    Fold,
    /// A seal does not state the entry before it and the chain hash there.
    Seal,
    /// The Merkle tree over the entries has another root than a checkpoint says.
    Checkpoint,
    /// The chain ends at another hash than was claimed.
    ClaimedHead,
    /// The state differs from the one that was claimed.
    ClaimedState,
    /// There was nothing to check. Never a pass.
    NothingChecked,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EntryFormat => "entry-format",
            Self::IndexOrder => "index-order",
            Self::ChainLink => "chain-link",
            Self::TimeOrder => "time-order",
            Self::StatementFormat => "statement-format",
            Self::Origin => "origin",
            Self::Signature => "signature",
            Self::KeyRules => "key-rules",
            Self::Fold => "fold",
            Self::Seal => "seal",
            Self::Checkpoint => "checkpoint",
            Self::ClaimedHead => "claimed-head",
            Self::ClaimedState => "claimed-state",
            Self::NothingChecked => "nothing-checked",
        })
    }
}

/// Where verification stopped and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry {entry}: check {check} failed: {detail}")]
pub struct AuditError {
    /// The first entry at fault.
    pub entry: EntryIndex,
    /// The check that it failed.
    pub check: Check,
    /// What was found.
    pub detail: String,
}

/// What was checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Entries whose hash was recomputed.
    pub entries: u64,
    /// Links from an entry to the one before it.
    pub links: u64,
    /// Signatures that verify.
    pub signatures: u64,
    /// Events that were folded.
    pub events: u64,
    /// Seals that state the entry before them and the chain hash there.
    pub seals: u64,
    /// Roots of checkpoints that the tree over the entries has.
    pub checkpoints: u64,
}

/// A ledger that passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditReport {
    /// Origin name, from entry 0.
    pub origin: Origin,
    /// Number of entries.
    pub size: LedgerSize,
    /// Chain hash of the last entry.
    pub head: ChainHash,
    /// Root of the Merkle tree over the entries (RFC 6962).
    pub root: TreeHash,
    /// C2SP verifier keys that sign checkpoints: each set from the entry that names it.
    pub checkpoint_keys: Vec<(EntryIndex, Vec<String>)>,
    /// Time of the last entry.
    pub recorded: Instant,
    /// Hash over all changes of custody state.
    pub custody: [u8; 32],
    /// What was checked.
    pub counts: Counts,
    /// How many findings the fold raised, by code.
    pub findings: BTreeMap<FindingCode, u64>,
}

/// Verifies a ledger batch by batch. While one batch's signatures are checked on all cores, the batch before it is folded.
pub struct Auditor {
    fold: Fold,
    state: ReplayState,
    origin: Option<Origin>,
    size: LedgerSize,
    head: Option<ChainHash>,
    recorded: Instant,
    custody: [u8; 32],
    /// Right edge of the Merkle tree over the entries that were folded.
    tree: Frontier,
    /// Roots that the tree must have on the way, by size.
    claims: BTreeMap<u64, TreeHash>,
    checkpoint_keys: Vec<(EntryIndex, Vec<String>)>,
    /// Keys that the ledger mentions. Whether they may sign is for the fold to say.
    keys: HashMap<KeyId, Arc<VerifyingKey>>,
    counts: Counts,
    findings: BTreeMap<FindingCode, u64>,
    /// Batch whose signatures verify and that waits for the fold.
    waiting: Vec<Box<Verified>>,
    /// First index after the waiting batch.
    next: u64,
}

struct Opened {
    /// The entry without its statement, which is in `parsed`.
    entry: Entry,
    hash: ChainHash,
    leaf: TreeHash,
    parsed: ParsedStatement,
}

struct Verified {
    entry: Entry,
    hash: ChainHash,
    leaf: TreeHash,
    statement: CheckedStatement,
}

impl Default for Auditor {
    fn default() -> Self {
        Self::new()
    }
}

impl Auditor {
    /// An auditor at the beginning of a ledger. Its memory grows with what the fold reads back; give it room with
    /// [`Auditor::with_scratch`] for a large ledger.
    pub fn new() -> Self {
        Self::with_state(ReplayState::lean(None))
    }

    /// An auditor that puts records aside that were not asked for lately, into an empty temporary file. Its memory
    /// stays bounded, whatever the size of the ledger, but for about two bytes for each record put aside.
    pub fn with_scratch(scratch: Box<dyn Scratch>) -> Self {
        Self::with_state(ReplayState::lean(Some(scratch)))
    }

    /// An auditor that keeps every record of the state, for comparison. Its memory grows with the ledger.
    pub fn keeping_all_state() -> Self {
        Self::with_state(ReplayState::full())
    }

    fn with_state(state: ReplayState) -> Self {
        Self {
            fold: Fold::default(),
            state,
            origin: None,
            size: LedgerSize::new(0),
            head: None,
            recorded: Instant::EPOCH,
            custody: [0; 32],
            tree: Frontier::default(),
            claims: BTreeMap::new(),
            checkpoint_keys: Vec::new(),
            keys: HashMap::new(),
            counts: Counts::default(),
            findings: BTreeMap::new(),
            waiting: Vec::new(),
            next: 0,
        }
    }

    /// Demands this root of the tree of `size` entries: what a checkpoint says. Call it before that entry is fed.
    pub fn expect_root(&mut self, size: LedgerSize, root: TreeHash) {
        self.claims.insert(size.get(), root);
    }

    /// How many entries are best fed at a time: the fold of one batch runs beside the signatures of the next, and the last
    /// one alone.
    pub const BATCH: usize = 1_024;

    /// Takes the next entries. Errors may also be about entries of the call before.
    ///
    /// # Errors
    /// The first entry at fault. The auditor is of no use afterwards.
    pub fn feed<B: AsRef<[u8]> + Sync>(&mut self, entries: &[B]) -> Result<(), AuditError> {
        let start = self.next;
        self.next += entries.len() as u64;
        let opened: Vec<Result<Box<Opened>, Box<AuditError>>> =
            entries.par_iter().enumerate().map(|(i, bytes)| open(start + i as u64, bytes.as_ref())).collect();
        // Everything before the first entry that does not even open is still checked, so that the first fault is named.
        let mut sound = Vec::with_capacity(opened.len());
        let mut fault = None;
        for result in opened {
            match result {
                Ok(opened) => sound.push(opened),
                Err(error) => {
                    fault = Some(*error);
                    break;
                }
            }
        }
        self.learn(&sound);
        let waiting = std::mem::take(&mut self.waiting);
        let keys = self.keys.clone();
        let origin = self.origin.clone();
        let (folded, verified) =
            rayon::join(|| self.fold_batch(waiting), || verify_batch(start, sound, origin.as_ref(), &keys));
        folded?;
        let (verified, bad) = verified;
        self.waiting = verified;
        match bad.or(fault) {
            None => Ok(()),
            Some(error) => {
                let rest = std::mem::take(&mut self.waiting);
                self.fold_batch(rest)?;
                Err(error)
            }
        }
    }

    /// Ends the ledger.
    ///
    /// # Errors
    /// The first entry at fault; [`Check::NothingChecked`] for an empty ledger.
    pub fn finish(self) -> Result<AuditReport, AuditError> {
        self.finish_with_state().map(|(report, _)| report)
    }

    /// Ends the ledger and hands out the state: every record, or none when only what the fold reads was kept.
    ///
    /// # Errors
    /// As [`Auditor::finish`].
    pub fn finish_with_state(mut self) -> Result<(AuditReport, MemoryState), AuditError> {
        let waiting = std::mem::take(&mut self.waiting);
        self.fold_batch(waiting)?;
        let (Some(origin), Some(head)) = (self.origin, self.head) else {
            let entry = EntryIndex::new(0);
            let detail = "the ledger holds no entry".to_owned();
            return Err(AuditError { entry, check: Check::NothingChecked, detail });
        };
        let report = AuditReport {
            origin,
            size: self.size,
            head,
            root: self.tree.root(),
            checkpoint_keys: self.checkpoint_keys,
            recorded: self.recorded,
            custody: self.custody,
            counts: self.counts,
            findings: self.findings,
        };
        Ok((report, self.state.into_full()))
    }

    /// Folds what was fed and waits, so that everything fed so far is checked. Slower than to go on feeding.
    ///
    /// # Errors
    /// As [`Auditor::feed`].
    pub fn settle(&mut self) -> Result<(), AuditError> {
        let waiting = std::mem::take(&mut self.waiting);
        self.fold_batch(waiting)
    }

    /// Number of entries that are checked, and root of the tree over them.
    pub fn tree(&self) -> (LedgerSize, TreeHash) {
        (self.size, self.tree.root())
    }

    /// Origin name, once entry 0 was fed.
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// What was checked so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Notes keys and the origin that entries mention, so that signatures can be checked ahead of the fold.
    fn learn(&mut self, entries: &[Box<Opened>]) {
        for opened in entries {
            let body = opened.parsed.body();
            if opened.entry.index.get() == 0 && self.origin.is_none() {
                self.origin = Origin::new(&body.ledger_origin);
                self.head = self.origin.as_ref().map(ChainHash::of_origin);
            }
            for event in &body.events {
                match &event.fact {
                    Some(Fact::LedgerOpened(e)) => {
                        self.learn_key(e.operator_key.as_ref());
                        self.learn_key(e.ward_key.as_ref());
                    }
                    Some(Fact::KeyAuthorized(e)) => self.learn_key(e.key.as_ref()),
                    _ => {}
                }
            }
        }
    }

    fn learn_key(&mut self, key: Option<&proto::PublicKey>) {
        if let Some(public) = key.and_then(PublicKey::from_proto)
            && let Some(ready) = public.to_verifying_key()
        {
            self.keys.insert(public.id(), Arc::new(ready));
        }
    }

    fn fold_batch(&mut self, batch: Vec<Box<Verified>>) -> Result<(), AuditError> {
        for verified in batch {
            self.fold_one(&verified)?;
        }
        Ok(())
    }

    fn fold_one(&mut self, verified: &Verified) -> Result<(), AuditError> {
        let index = self.size.next_index();
        let failed = |check: Check, detail: String| AuditError { entry: index, check, detail };
        let Some(head) = self.head else {
            return Err(failed(Check::Origin, "entry 0 names no usable origin".into()));
        };
        verified.entry.check_link(self.size, head, self.recorded).map_err(|error| {
            let check = match &error {
                EntryError::IndexGap { .. } => Check::IndexOrder,
                EntryError::WrongPreviousHash(_) => Check::ChainLink,
                EntryError::TimeGoesBack(_) => Check::TimeOrder,
                _ => Check::EntryFormat,
            };
            failed(check, error.to_string())
        })?;
        let changes = self
            .fold
            .apply(&self.state, &verified.statement, verified.entry.place())
            .map_err(|error| failed(fold_check(&error), error.to_string()))?;
        self.custody = changes.digest(&self.custody);
        for (code, _, _) in &changes.findings {
            *self.findings.entry(*code).or_default() += 1;
        }
        self.state.apply(changes).map_err(|error| failed(Check::Fold, error.to_string()))?;
        self.counts.entries += 1;
        self.counts.links += 1;
        self.counts.signatures += verified.statement.signers().len() as u64;
        self.counts.events += verified.statement.body().events.len() as u64;
        self.size = LedgerSize::new(index.get() + 1);
        self.head = Some(verified.hash);
        self.recorded = verified.entry.recorded;
        for event in &verified.statement.body().events {
            match &event.fact {
                Some(Fact::Sealed(_)) => self.counts.seals += 1,
                Some(Fact::CheckpointKeysNamed(e)) => self.checkpoint_keys.push((index, e.keys.clone())),
                _ => {}
            }
        }
        self.tree.append(verified.leaf);
        if let Some(claimed) = self.claims.remove(&self.tree.size()) {
            let root = self.tree.root();
            if root != claimed {
                let detail = format!(
                    "a checkpoint says that {} entries have the root {claimed}; they have {root}",
                    self.tree.size()
                );
                return Err(failed(Check::Checkpoint, detail));
            }
            self.counts.checkpoints += 1;
        }
        Ok(())
    }
}

fn fold_check(error: &FoldError) -> Check {
    match error {
        FoldError::Refused(refusal) => match refusal.code {
            RefusalCode::UnknownKey | RefusalCode::KeyRevoked | RefusalCode::SequenceUsed => Check::KeyRules,
            RefusalCode::WrongSeal => Check::Seal,
            _ => Check::Fold,
        },
        FoldError::State(_) => Check::Fold,
    }
}

/// Boxed, so that the lists that pass from thread to thread stay small and their memory is used again.
fn open(index: u64, bytes: &[u8]) -> Result<Box<Opened>, Box<AuditError>> {
    let at = EntryIndex::new(index);
    let failed = |check: Check, detail: String| Box::new(AuditError { entry: at, check, detail });
    let mut entry = Entry::decode(bytes).map_err(|e| failed(Check::EntryFormat, e.to_string()))?;
    if entry.index != at {
        let gap = EntryError::IndexGap { expected: at, found: entry.index };
        return Err(failed(Check::IndexOrder, gap.to_string()));
    }
    let parsed = ParsedStatement::parse(std::mem::take(&mut entry.statement))
        .map_err(|e| failed(Check::StatementFormat, e.to_string()))?;
    Ok(Box::new(Opened { hash: ChainHash::of_entry(bytes), leaf: TreeHash::of_leaf(bytes), entry, parsed }))
}

/// Checks the signatures of a batch on all cores. Returns the entries before the first bad one, and that one's error.
fn verify_batch(
    start: u64,
    batch: Vec<Box<Opened>>,
    origin: Option<&Origin>,
    keys: &HashMap<KeyId, Arc<VerifyingKey>>,
) -> (Vec<Box<Verified>>, Option<AuditError>) {
    let origin = origin.map_or("", Origin::as_str);
    let results: Vec<Result<Box<Verified>, Box<AuditError>>> = batch
        .into_par_iter()
        .enumerate()
        .with_min_len(8)
        // Nobody ends a batch with a long piece of it while the other cores wait, the one that folded among them.
        .with_max_len(16)
        .map(|(i, opened)| {
            // The place in the ledger: the index in the bytes is checked later, by the chain.
            let index = EntryIndex::new(start + i as u64);
            let Opened { entry, hash, leaf, parsed } = *opened;
            match parsed.check(origin, |id| keys.get(id).map(Arc::as_ref)) {
                Ok(statement) => Ok(Box::new(Verified { entry, hash, leaf, statement })),
                Err(refusal) => Err(Box::new(AuditError {
                    entry: index,
                    check: signature_check(&refusal),
                    detail: refusal.to_string(),
                })),
            }
        })
        .collect();
    let mut sound = Vec::with_capacity(results.len());
    for result in results {
        match result {
            Ok(verified) => sound.push(verified),
            Err(error) => return (sound, Some(*error)),
        }
    }
    (sound, None)
}

fn signature_check(refusal: &Refusal) -> Check {
    match refusal.code {
        RefusalCode::WrongOrigin => Check::Origin,
        RefusalCode::UnknownKey => Check::KeyRules,
        _ => Check::Signature,
    }
}
