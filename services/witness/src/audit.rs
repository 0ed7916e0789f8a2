//! Auditing mode: every entry of a log is replayed before a checkpoint over it is cosigned.
//!
//! One task for each log fetches entry bundles, hashes every entry into the tree and feeds it to the same auditor as
//! `daicho audit`. Its state is in memory only: after a start it begins at entry 0. Whoever asks for a size waits
//! for it for a while; the replay goes on when he has gone.
//!
//! Whoever serves the tiles is trusted for nothing. Entries count as the log's own only once they lead to a root that the
//! log has signed. So what the auditor says against an entry is held back until the tree is complete: it is the
//! log's fault if the root is the signed one, and the server's or the network's otherwise.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use daicho_core::EntryIndex;
use daicho_tlog::TreeHash;
use daicho_tlog::merkle::Frontier;
use daicho_tlog::tile::{self, Kind, Tile};
use daicho_verify::{AuditError, Auditor, Check};
use futures::{StreamExt as _, TryStreamExt as _};
use reqwest::StatusCode;
use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, warn};

use crate::config::AuditSource;
use crate::metrics as names;
use crate::state::StateDir;

/// Bundles that are fetched before they are replayed together. Up to 16 MiB each, if all entries are of the largest size.
const BUNDLES: usize = 8;
/// Bundles that are fetched at the same time.
const PARALLEL: usize = 4;
/// Longest time for a connection to be there.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// Longest time for one bundle.
const FETCH_TIME: Duration = Duration::from_secs(30);
/// Different checkpoints that may wait for their replay.
const MAX_WAITING: usize = 64;
/// Replayed checkpoints that are remembered, so that they can be cosigned when the replay is further on.
const MAX_REACHED: usize = 64;

/// Why a checkpoint counts as not replayed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReplayError {
    /// It takes longer than a request may wait. The replay goes on.
    #[error("{done} of {size} entries are replayed; ask again")]
    NotYet {
        /// Entries replayed.
        done: u64,
        /// Size of the checkpoint.
        size: u64,
    },
    /// Too many other checkpoints wait.
    #[error("too many checkpoints wait for the replay; ask again")]
    Busy,
    /// The replay is further on and did not stop at this size.
    #[error("{done} entries are replayed; ask with a checkpoint of at least that size, not {size}")]
    Past {
        /// Entries replayed.
        done: u64,
        /// Size of the checkpoint.
        size: u64,
    },
    /// Entries cannot be had.
    #[error("the entries cannot be had: {0}")]
    Unavailable(String),
    /// The entries that are served are not those of the checkpoint.
    #[error("the entries that are served do not lead to the root of size {size}")]
    OtherRoot {
        /// Size of the checkpoint.
        size: u64,
    },
    /// The entries are the log's own and break its rules. For ever, or until an operator removes the file that says so.
    #[error("the audit refuses this log: {0}")]
    Refused(String),
}

/// How far the replay is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    /// Entries replayed since the start.
    pub(crate) entries: u64,
    /// Why the log is refused.
    pub(crate) refused: Option<String>,
}

/// The replay of one log.
pub(crate) struct Replay {
    wants: mpsc::Sender<Want>,
    progress: watch::Receiver<Progress>,
    wait: Duration,
}

/// A checkpoint that is to be replayed, and who waits for it.
struct Want {
    size: u64,
    root: TreeHash,
    answer: oneshot::Sender<Result<(), ReplayError>>,
}

impl Replay {
    /// Starts the task. `refused` is what an earlier run found against the log.
    pub(crate) fn start(
        origin: &str,
        source: AuditSource,
        state: Arc<StateDir>,
        refused: Option<String>,
        wait: Duration,
    ) -> anyhow::Result<Self> {
        let (wants, asked) = mpsc::channel(MAX_WAITING);
        if let Some(why) = &refused {
            let file = state.refusal_path(origin);
            error!(origin, why, file = %file.display(), "an earlier audit refused this log; it is not cosigned");
        }
        metrics::gauge!(names::REFUSED, "origin" => origin.to_owned())
            .set(f64::from(refused.is_some() as u8));
        let (shown, progress) = watch::channel(Progress { entries: 0, refused });
        let worker = Worker {
            origin: origin.to_owned(),
            client: client(&source)?,
            source,
            state,
            asked,
            waiting: Vec::new(),
            reached: BTreeMap::new(),
            tape: Some(Tape::new()?),
            done: 0,
            shown,
        };
        tokio::spawn(worker.run());
        Ok(Self { wants, progress, wait })
    }

    /// Returns once every entry of this checkpoint is replayed and found sound.
    ///
    /// # Errors
    /// [`ReplayError`].
    pub(crate) async fn reach(&self, size: u64, root: TreeHash) -> Result<(), ReplayError> {
        let answer = self.ask(size, root)?;
        match tokio::time::timeout(self.wait, answer).await {
            Ok(Ok(answer)) => answer,
            // The task is gone: the service stops.
            Ok(Err(_)) => Err(ReplayError::Busy),
            Err(_) => Err(ReplayError::NotYet { done: self.progress().entries, size }),
        }
    }

    /// Asks for a checkpoint. Nobody has to wait for the answer.
    ///
    /// # Errors
    /// [`ReplayError::Busy`].
    pub(crate) fn ask(
        &self,
        size: u64,
        root: TreeHash,
    ) -> Result<oneshot::Receiver<Result<(), ReplayError>>, ReplayError> {
        let (answer, answered) = oneshot::channel();
        self.wants.try_send(Want { size, root, answer }).map_err(|_| ReplayError::Busy)?;
        Ok(answered)
    }

    /// How far it is.
    pub(crate) fn progress(&self) -> Progress {
        self.progress.borrow().clone()
    }
}

struct Worker {
    origin: String,
    source: AuditSource,
    client: reqwest::Client,
    state: Arc<StateDir>,
    asked: mpsc::Receiver<Want>,
    waiting: Vec<Want>,
    /// Checkpoints that were replayed and found sound, the largest ones.
    reached: BTreeMap<u64, TreeHash>,
    /// `None` while another thread has it.
    tape: Option<Tape>,
    /// Entries on the tape.
    done: u64,
    shown: watch::Sender<Progress>,
}

/// What was replayed. Not `Clone`: it cannot be wound back, only begun anew.
struct Tape {
    frontier: Frontier,
    auditor: Auditor,
    /// The first entry at fault. From there on entries are hashed only.
    fault: Option<AuditError>,
}

impl Worker {
    async fn run(mut self) {
        loop {
            if self.waiting.is_empty() {
                let Some(want) = self.asked.recv().await else { return };
                self.admit(want);
            }
            while let Ok(want) = self.asked.try_recv() {
                self.admit(want);
            }
            // The smallest first: a replay that has gone past a size cannot come back to it.
            let Some(size) = self.waiting.iter().map(|want| want.size).min() else { continue };
            let step = if self.done < size { self.advance(size).await } else { self.settle(size).await };
            if let Err(why) = step {
                warn!(origin = self.origin, replayed = self.done, %why, "the replay stopped");
                metrics::counter!(names::TROUBLES, "origin" => self.origin.clone()).increment(1);
                self.answer_all(&why);
            }
        }
    }

    fn admit(&mut self, want: Want) {
        let (size, done) = (want.size, self.done);
        let refused = self.shown.borrow().refused.clone();
        let answer = match (refused, self.reached.get(&size)) {
            (Some(why), _) => Err(ReplayError::Refused(why)),
            (None, Some(root)) if *root == want.root => Ok(()),
            (None, Some(_)) => Err(ReplayError::OtherRoot { size }),
            (None, None) if size < done => Err(ReplayError::Past { done, size }),
            (None, None) => {
                // Sizes that nobody waits for any more are no reason to stop on the way to this one.
                self.waiting.retain(|other| !other.answer.is_closed() || other.size > size);
                if self.waiting.len() < MAX_WAITING {
                    return self.waiting.push(want);
                }
                Err(ReplayError::Busy)
            }
        };
        // Nobody may be there any more.
        let _ = want.answer.send(answer);
    }

    fn answer_all(&mut self, why: &ReplayError) {
        for want in self.waiting.drain(..) {
            let _ = want.answer.send(Err(why.clone()));
        }
    }

    /// Fetches and replays some of the entries up to `size`.
    async fn advance(&mut self, size: u64) -> Result<(), ReplayError> {
        let first = self.done / tile::WIDTH;
        let bundles = (first..size.div_ceil(tile::WIDTH)).take(BUNDLES).map(|index| {
            let width = (size - index * tile::WIDTH).min(tile::WIDTH) as u16;
            Tile { kind: Kind::Entries, index, width }
        });
        let fetches = bundles.map(|bundle| fetch(&self.client, &self.source, bundle));
        let bundles: Vec<Vec<Vec<u8>>> = futures::stream::iter(fetches)
            .buffered(PARALLEL)
            .try_collect()
            .await
            .map_err(ReplayError::Unavailable)?;
        let known = (self.done % tile::WIDTH) as usize;
        let entries: Vec<Vec<u8>> = bundles.into_iter().flatten().skip(known).collect();
        let origin = self.origin.clone();
        self.with_tape(move |tape| tape.append(&entries, &origin)).await
    }

    /// Decides about the checkpoints of this size, to which the replay has come.
    async fn settle(&mut self, size: u64) -> Result<(), ReplayError> {
        self.with_tape(Tape::finish_batch).await?;
        let Some(tape) = &self.tape else { return Ok(()) };
        let root = tape.frontier.root();
        let is_ours = |want: &Want| (want.size, want.root) == (size, root);
        if !self.waiting.iter().any(is_ours) {
            // Nothing says that these entries are the log's. Only a new start can tell.
            self.rewind();
            return Err(ReplayError::OtherRoot { size });
        }
        if let Some(fault) = &tape.fault {
            let why = fault.to_string();
            self.refuse(size, &root, &why).await;
            self.answer_all(&ReplayError::Refused(why));
            return Ok(());
        }
        self.reached.insert(size, root);
        if self.reached.len() > MAX_REACHED {
            self.reached.pop_first();
        }
        let (these, others): (Vec<_>, _) =
            std::mem::take(&mut self.waiting).into_iter().partition(|w| w.size == size);
        self.waiting = others;
        for want in these {
            let same = want.root == root;
            let _ = want.answer.send(if same { Ok(()) } else { Err(ReplayError::OtherRoot { size }) });
        }
        Ok(())
    }

    /// Remembers for ever that the log committed to an entry that breaks its rules.
    async fn refuse(&mut self, size: u64, root: &TreeHash, why: &str) {
        let (state, origin) = (Arc::clone(&self.state), self.origin.clone());
        let file = state.refusal_path(&origin);
        error!(origin, size, %root, why, file = %file.display(), "the audit refuses this log for good");
        metrics::gauge!(names::REFUSED, "origin" => origin.clone()).set(1.0);
        self.shown.send_modify(|shown| shown.refused = Some(why.to_owned()));
        let text = format!(
            "{why}\n\nlog   {origin}\nsize  {size}\nroot  {root}\n\n\
            The log has signed this tree, and the entry is in it. While this file is here the log is not cosigned.\n\
            Without it the next start replays everything again.\n"
        );
        // If this fails, the next start comes to the same end by itself.
        let kept = tokio::task::spawn_blocking(move || state.refuse(&origin, &text)).await;
        if !matches!(kept, Ok(Ok(()))) {
            error!(file = %file.display(), "the refusal could not be written down");
        }
    }

    /// Runs something that computes for a while on a thread for that.
    async fn with_tape(&mut self, work: impl FnOnce(&mut Tape) + Send + 'static) -> Result<(), ReplayError> {
        let mut tape = match self.tape.take() {
            Some(tape) => tape,
            None => Tape::new().map_err(|error| ReplayError::Unavailable(error.to_string()))?,
        };
        let done = tokio::task::spawn_blocking(move || {
            work(&mut tape);
            tape
        });
        match done.await {
            Ok(tape) => {
                self.done = tape.frontier.size();
                self.tape = Some(tape);
                self.show();
                Ok(())
            }
            Err(_) => {
                self.rewind();
                Err(ReplayError::Unavailable("the replay broke off".into()))
            }
        }
    }

    /// Forgets everything that was replayed; the next step begins anew.
    fn rewind(&mut self) {
        self.tape = None;
        self.done = 0;
        self.show();
    }

    fn show(&self) {
        self.shown.send_modify(|shown| shown.entries = self.done);
        metrics::gauge!(names::REPLAYED, "origin" => self.origin.clone()).set(self.done as f64);
    }
}

impl Tape {
    /// At the beginning of a log.
    fn new() -> std::io::Result<Self> {
        let auditor = Auditor::with_scratch(Box::new(tempfile::tempfile()?));
        Ok(Self { frontier: Frontier::default(), auditor, fault: None })
    }

    fn append(&mut self, entries: &[Vec<u8>], origin: &str) {
        if self.fault.is_none() {
            self.fault = self.auditor.feed(entries).err().or_else(|| self.names_another_ledger(origin));
        }
        for entry in entries {
            self.frontier.append(TreeHash::of_leaf(entry));
        }
    }

    /// Whether these are the entries of some other ledger.
    fn names_another_ledger(&self, origin: &str) -> Option<AuditError> {
        let named = self.auditor.origin().filter(|named| named.as_str() != origin)?;
        let detail = format!("the entries are those of {named}, not of {origin}");
        Some(AuditError { entry: EntryIndex::new(0), check: Check::Origin, detail })
    }

    /// The auditor folds entries one batch behind; this makes it fold the last.
    fn finish_batch(&mut self) {
        if self.fault.is_none() {
            self.fault = self.auditor.settle().err();
        }
    }
}

fn client(source: &AuditSource) -> reqwest::Result<reqwest::Client> {
    let builder = reqwest::Client::builder()
        // The token is for the configured place alone.
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIME)
        .timeout(FETCH_TIME);
    // Without TLS a machine without certificates of authorities will do.
    if source.prefix.starts_with("http:") || !source.authorities.is_empty() {
        builder.tls_certs_only(source.authorities.iter().cloned()).build()
    } else {
        builder.build()
    }
}

/// The entries of a bundle. A partial bundle may be gone once the full one is there, which then begins with it.
async fn fetch(client: &reqwest::Client, source: &AuditSource, bundle: Tile) -> Result<Vec<Vec<u8>>, String> {
    let full = Tile { width: tile::WIDTH as u16, ..bundle };
    let (served, bytes) = match fetch_bytes(client, source, bundle).await? {
        Some(bytes) => (bundle, bytes),
        None if bundle.is_full() => return Err(format!("{bundle}: not there")),
        None => (full, fetch_bytes(client, source, full).await?.ok_or(format!("{bundle}: not there"))?),
    };
    let entries = tile::read_bundle(&bytes, served.width).map_err(|error| format!("{served}: {error}"))?;
    Ok(entries[..usize::from(bundle.width)].iter().map(|entry| entry.to_vec()).collect())
}

/// The bytes of a bundle; `None` for status 404.
async fn fetch_bytes(
    client: &reqwest::Client,
    source: &AuditSource,
    bundle: Tile,
) -> Result<Option<Vec<u8>>, String> {
    let failed = |error: reqwest::Error| format!("{bundle}: {}", chain(&error.without_url()));
    let mut request = client.get(format!("{}/{bundle}", source.prefix)).header(ACCEPT_ENCODING, "identity");
    if let Some(authorization) = &source.authorization {
        request = request.header(AUTHORIZATION, authorization);
    }
    let mut response = request.send().await.map_err(failed)?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => return Ok(None),
        status => return Err(format!("{bundle}: status {status}")),
    }
    if response.headers().get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(format!("{bundle}: compressed, which was not asked for"));
    }
    // Two bytes of length before each entry.
    let limit = usize::from(bundle.width) * (2 + daicho_core::MAX_ENTRY_LEN);
    let mut bytes = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(failed)? {
        if bytes.len() + piece.len() > limit {
            return Err(format!("{bundle}: longer than {limit} bytes"));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(Some(bytes))
}

/// An error with what is behind it, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
