//! The publisher: signs one checkpoint for each commit group, has the fork guard hold it, and cuts each waiter's
//! receipt from it. It works on one group while the writer writes the next.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant as Stopwatch, SystemTime, UNIX_EPOCH};

use crossbeam_channel::RecvTimeoutError;
use daicho_core::{Origin, Refusal};
use daicho_store::Store;
use daicho_tlog::merkle::{self, Frontier, Growth};
use daicho_tlog::{Checkpoint, NoteError, NoteKey, SignedCheckpoint, TreeHash};
use tokio::sync::watch;

use crate::guard::{ForkGuard, GuardError};
use crate::metrics as names;
use crate::writer::{Answered, answer, closed};
use crate::{InclusionProof, Receipt};

/// How long to wait before a key or guard that was away is asked again, when no group comes before.
const RETRY: Duration = Duration::from_secs(1);

/// A checkpoint as it was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Number of entries.
    pub size: u64,
    /// Root of the Merkle tree.
    pub root: TreeHash,
    /// The signed note.
    pub note: Arc<str>,
    /// Real time of signing, in milliseconds since 1970.
    pub signed_ms: i64,
}

/// A commit group that is on disk.
pub(crate) struct Recorded {
    pub(crate) growth: Growth,
    pub(crate) answers: Vec<Answered>,
}

pub(crate) struct Publisher {
    pub(crate) store: Arc<Store>,
    pub(crate) origin: Origin,
    pub(crate) keys: Vec<Box<dyn NoteKey>>,
    pub(crate) guard: Box<dyn ForkGuard>,
    /// What the guard holds.
    pub(crate) guarded: Option<Checkpoint>,
    /// Right edge of a tree that is recorded and could not be published, because a key or the guard was away.
    pub(crate) waiting: Option<Frontier>,
    pub(crate) published: watch::Sender<Option<Published>>,
}

impl Publisher {
    /// Runs until the writer is gone.
    pub(crate) fn run(mut self, groups: &crossbeam_channel::Receiver<Recorded>) {
        loop {
            let first = if self.waiting.is_some() {
                match groups.recv_timeout(RETRY) {
                    Err(RecvTimeoutError::Timeout) => Some(self.catch_up()),
                    Err(RecvTimeoutError::Disconnected) => return,
                    Ok(group) => Some(group),
                }
            } else {
                groups.recv().ok()
            };
            let Some(first) = first else { return };
            // Groups that wait share one swap of the guard, not one checkpoint.
            let mut waiting = vec![first];
            waiting.extend(groups.try_iter());
            match self.publish(&waiting) {
                Ok(checkpoints) => {
                    for (group, published) in waiting.into_iter().zip(checkpoints) {
                        self.hand_out(group, published.as_ref());
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "the publisher is closed; nothing more is acknowledged");
                    for group in waiting.into_iter().chain(groups.iter()) {
                        refuse_all(group.answers);
                    }
                    return;
                }
            }
        }
    }

    /// A group without statements, to publish what waits.
    fn catch_up(&self) -> Recorded {
        let growth = Growth::new(self.waiting.as_ref().unwrap_or(&Frontier::default()), []);
        Recorded { growth, answers: Vec::new() }
    }

    /// Signs a checkpoint for each group and swaps the guard to the last. No checkpoint leaves before that.
    /// `None` for all when a key or the guard is away: the entries are recorded, and the next group publishes them.
    fn publish(&mut self, groups: &[Recorded]) -> Result<Vec<Option<Published>>, Box<dyn Error>> {
        let watch = Stopwatch::now();
        let mut last = None;
        let mut all = Vec::with_capacity(groups.len());
        for group in groups {
            let checkpoint = checkpoint(&self.origin, group.growth.new_size(), group.growth.root());
            match sign(&checkpoint, &self.keys) {
                Ok(published) => all.push(Some(published)),
                Err(error @ NoteError::NotSigned(_)) => return Ok(self.put_off(groups, &error)),
                Err(error) => return Err(error.into()),
            }
            last = Some(checkpoint);
        }
        let Some(last) = last else { return Ok(all) };
        self.waiting = None;
        if self.guarded.as_ref() != Some(&last) {
            match self.guard.swap(self.guarded.as_ref(), &last) {
                Ok(()) => self.guarded = Some(last),
                Err(error @ GuardError::Unavailable(_)) => {
                    return Ok(self.put_off(groups, &error));
                }
                Err(error) => return Err(error.into()),
            }
        }
        metrics::histogram!(names::PUBLISH).record(watch.elapsed().as_secs_f64());
        if let Some(newest) = all.last().and_then(Option::as_ref) {
            metrics::gauge!(names::PUBLISHED).set(newest.size as f64);
            self.published.send_replace(Some(newest.clone()));
        }
        Ok(all)
    }

    /// What is recorded waits for the next group.
    fn put_off(&mut self, groups: &[Recorded], error: &dyn Error) -> Vec<Option<Published>> {
        metrics::counter!(names::UNPUBLISHED).increment(groups.len() as u64);
        tracing::warn!(%error, "recorded and not published");
        self.waiting = groups.last().map(|group| group.growth.frontier());
        groups.iter().map(|_| None).collect()
    }

    /// Adds the proof to each receipt of a group and answers.
    fn hand_out(&self, group: Recorded, published: Option<&Published>) {
        let Recorded { growth, answers } = group;
        for (job, mut results) in answers {
            if let Some(published) = published {
                for receipt in results.iter_mut().filter_map(|r| r.as_mut().ok()) {
                    receipt.proof = self.prove(receipt, &growth, published);
                }
            }
            answer(job, results);
        }
    }

    fn prove(&self, receipt: &Receipt, growth: &Growth, published: &Published) -> Option<InclusionProof> {
        let index = receipt.entry.get();
        let hashes = if index >= growth.old_size() {
            growth.inclusion_proof(index)
        } else {
            // A repeated answer to an earlier group's entry. The tiles have it.
            let nodes = self.store.nodes(daicho_core::LedgerSize::new(published.size));
            match merkle::inclusion_proof(&nodes, index, published.size) {
                Ok(hashes) => hashes,
                Err(error) => {
                    tracing::error!(%error, entry = index, "no proof; run `daichod fsck`");
                    return None;
                }
            }
        };
        Some(InclusionProof { size: published.size, hashes, checkpoint: Arc::clone(&published.note) })
    }
}

/// The checkpoint of a tree of this ledger.
pub(crate) fn checkpoint(origin: &Origin, size: u64, root: TreeHash) -> Checkpoint {
    Checkpoint::new(origin.as_str(), size, root).expect("an origin name is fit for a checkpoint")
}

/// Signs a checkpoint with every key, and checks what came of it.
///
/// # Errors
/// [`NoteError::NotSigned`] for a key that is away; another error stays however often it is tried.
fn sign(checkpoint: &Checkpoint, keys: &[Box<dyn NoteKey>]) -> Result<Published, NoteError> {
    let text = checkpoint.to_string();
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let sign = |key: &dyn NoteKey| {
        let signature = key.sign(&text, since.as_secs())?;
        // A token may hold another key than it was taken for. Nothing it said then leaves.
        let note = SignedCheckpoint::new(checkpoint.clone(), vec![signature.clone()])?;
        match note.verify([key.verifier()]) {
            Ok(_) => Ok(signature),
            Err(error) => Err(NoteError::NotSigned(error.to_string())),
        }
    };
    let signatures: Result<_, NoteError> = keys.iter().map(|key| sign(key.as_ref())).collect();
    let note = SignedCheckpoint::new(checkpoint.clone(), signatures?)?;
    Ok(Published {
        size: checkpoint.size(),
        root: *checkpoint.root(),
        note: note.to_string().into(),
        signed_ms: since.as_millis() as i64,
    })
}

/// Compares the guard with the ledger on disk before anything is signed.
///
/// # Errors
/// Why this server must not sign: [`ForkRisk`].
pub(crate) fn check_guard(
    held: Option<&Checkpoint>,
    store: &Store,
    origin: &Origin,
    size: u64,
) -> Result<(), ForkRisk> {
    let held = held.ok_or(ForkRisk::NoGuard)?;
    if held.origin() != origin.as_str() {
        return Err(ForkRisk::OtherLedger { found: held.origin().to_owned() });
    }
    if held.size() > size {
        return Err(ForkRisk::Behind { signed: held.size(), size });
    }
    // The ledger may be ahead: a crash between recording and publishing. Then it must continue what was signed.
    let root = merkle::root(&store.nodes(daicho_core::LedgerSize::new(held.size())), held.size());
    match root.map_err(|error| ForkRisk::Unreadable(error.to_string()))? {
        root if root == *held.root() => Ok(()),
        _ => Err(ForkRisk::Forked { size: held.size() }),
    }
}

/// Why a server must not sign checkpoints of the ledger that it found on disk.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForkRisk {
    /// The guard holds nothing, though the ledger was founded with one.
    #[error(
        "the fork guard holds nothing. Was it lost? Without it nobody knows whether this data folder is the newest: \
         compare it with your witnesses and receipts, then `daichod guard renew`"
    )]
    NoGuard,
    /// The guard belongs to another ledger.
    #[error("the fork guard belongs to the ledger `{found}`; give this ledger a guard of its own")]
    OtherLedger {
        /// Its origin.
        found: String,
    },
    /// Entries are missing that were acknowledged.
    #[error(
        "the data folder is older than what was acknowledged: it has {size} entries, and a checkpoint over {signed} was \
         signed. Was a backup restored? To go on would sign other entries in the place of those, a fork. Bring back the \
         newest data folder, or restore the missing entries from an export, a peer or a backup. If they are lost for \
         good, end this ledger and found a new one under another origin name"
    )]
    Behind {
        /// Size of the last signed checkpoint.
        signed: u64,
        /// Entries found.
        size: u64,
    },
    /// The entries are others than those that were signed.
    #[error(
        "the first {size} entries are not those that a checkpoint was signed for: this data folder is a fork. Another \
         server ran on a copy of it. Bring back the folder that the guard knows; keep this one as evidence"
    )]
    Forked {
        /// Size of the last signed checkpoint.
        size: u64,
    },
    /// The tree cannot be read.
    #[error("the Merkle tree cannot be read ({0}); run `daichod fsck`")]
    Unreadable(String),
}

fn refuse_all(answers: Vec<Answered>) {
    for (job, results) in answers {
        let refused: Vec<Result<Receipt, Refusal>> = results.iter().map(|_| Err(closed())).collect();
        answer(job, refused);
    }
}
