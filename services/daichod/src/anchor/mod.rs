//! What makes a checkpoint hold outside of this server: it is kept, witnesses cosign it, and authorities stamp its time.
//!
//! All of it is off the path of a statement. Each witness and each authority is asked by a task of its own, so that a
//! slow one delays neither the others nor the next checkpoint; what they say is added to the kept row when it comes.

mod metrics;
mod tsa;
mod witness;

use std::cell::OnceCell;
use std::fmt;
use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use daicho_core::LedgerSize;
use daicho_engine::Engine;
use daicho_store::{CheckpointRow, Store, StoreError};
use tokio::sync::{Mutex, mpsc};
use tokio::time::timeout;

use crate::config::Config;
use tsa::Tsa;
use witness::Witness;
pub(crate) use witness::newest_witnessed;

pub(crate) use metrics::describe as describe_metrics;

/// How long the first checkpoint after a start is waited for.
const FIRST: Duration = Duration::from_secs(5);

/// Why no checkpoint is kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    /// A checkpoint key or the fork guard has been away since the start.
    #[error("no checkpoint is signed yet; ask again in a moment")]
    NothingSigned,
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Keeps checkpoints, one for each publication interval, and has them cosigned and stamped.
pub(crate) struct Anchors {
    rows: Rows,
    anchors: Vec<Anchor>,
    /// One publication at a time, so that everybody is asked in the order of the sizes.
    publishing: Mutex<()>,
}

impl Anchors {
    /// Starts the tasks that ask. Runs on a runtime.
    ///
    /// # Errors
    /// When the policy, a root or an address cannot be used, or TLS on this machine.
    pub(crate) fn new(engine: Arc<Engine>, config: &Config) -> anyhow::Result<Arc<Self>> {
        let rows = Rows { engine, writing: Arc::default() };
        let http = Http::default();
        let mut anchors = Vec::new();
        if let Some(policy) = &config.policy {
            let timeout = Duration::from_secs(config.witness_timeout);
            for witness in Witness::all(policy, timeout, &http, &rows)? {
                anchors.push(Anchor::start(|jobs| witness.run(jobs)));
            }
        }
        for config in &config.tsa {
            let tsa = Tsa::new(config, &http, &rows)?;
            anchors.push(Anchor::start(|jobs| tsa.run(jobs)));
        }
        Ok(Arc::new(Self { rows, anchors, publishing: Mutex::default() }))
    }

    /// Publishes at every interval, and has the ledger sealed when that is due. Runs until it is dropped.
    pub(crate) async fn run(self: Arc<Self>, every: Duration) {
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.rows.engine.seal_when_due();
            if let Err(error) = self.publish(false).await {
                tracing::error!(%error, "the checkpoint could not be kept");
            }
        }
    }

    /// Keeps the newest checkpoint, has it cosigned and stamped, and returns it. With `now`, everybody is asked, and it
    /// comes with their answers, as far as there were any in time; without, those who are still busy are left out, and
    /// nobody is waited for.
    ///
    /// # Errors
    /// [`PublishError`].
    pub(crate) async fn publish(&self, now: bool) -> Result<(LedgerSize, CheckpointRow), PublishError> {
        let (open, mut answered) = mpsc::channel(1);
        let (size, row) = {
            let _one_at_a_time = self.publishing.lock().await;
            let (size, row) = self.rows.keep_newest().await?;
            for anchor in &self.anchors {
                anchor.ask(size, now, &open);
            }
            (size, row)
        };
        if !now {
            return Ok((size, row));
        }
        drop(open);
        // Nothing comes out of it. It ends with the last question.
        let _ = answered.recv().await;
        Ok((size, self.rows.get(size).await?))
    }
}

/// A witness or an authority with its queue: it is asked about one checkpoint at a time, in the order of their sizes.
struct Anchor {
    jobs: mpsc::UnboundedSender<Job>,
    /// As many owners as there are questions, and this one.
    busy: Arc<()>,
}

/// A question about a kept checkpoint. It is dropped when it is done with.
struct Job {
    size: LedgerSize,
    /// Somebody asked for it now and waits.
    now: bool,
    _busy: Arc<()>,
    _open: mpsc::Sender<()>,
}

impl Anchor {
    fn start<Task>(task: impl FnOnce(mpsc::UnboundedReceiver<Job>) -> Task) -> Self
    where
        Task: Future<Output = ()> + Send + 'static,
    {
        let (jobs, queue) = mpsc::unbounded_channel();
        tokio::spawn(task(queue));
        Self { jobs, busy: Arc::default() }
    }

    fn ask(&self, size: LedgerSize, now: bool, open: &mpsc::Sender<()>) {
        if now || Arc::strong_count(&self.busy) == 1 {
            let job = Job { size, now, _busy: Arc::clone(&self.busy), _open: open.clone() };
            // The task ends only with this value.
            let _ = self.jobs.send(job);
        }
    }
}

/// The kept checkpoints.
#[derive(Clone)]
struct Rows {
    engine: Arc<Engine>,
    /// Held while a row is read, changed and written.
    writing: Arc<Lock<()>>,
}

impl Rows {
    /// Keeps the newest checkpoint, unless that was done before.
    async fn keep_newest(&self) -> Result<(LedgerSize, CheckpointRow), PublishError> {
        // There is one as soon as the publisher thread has run once, unless a key or the guard is away.
        let mut published = self.engine.published();
        let newest = match timeout(FIRST, published.wait_for(Option::is_some)).await {
            Ok(Ok(newest)) => newest.clone().ok_or(PublishError::NothingSigned)?,
            Ok(Err(_)) => return Err(StoreError::Damaged("the publisher has stopped".into()).into()),
            Err(_) => return Err(PublishError::NothingSigned),
        };
        let size = LedgerSize::new(newest.size);
        let row = self.exclusive(move |store| {
            if let Some(row) = store.checkpoint(size)? {
                return Ok(row);
            }
            let row = CheckpointRow {
                note: newest.note.to_string(),
                signed_ms: newest.signed_ms,
                witnessed: false,
                timestamps: Vec::new(),
            };
            store.keep_checkpoint(size, &row)?;
            Ok(row)
        });
        Ok((size, row.await?))
    }

    /// A kept checkpoint.
    async fn get(&self, size: LedgerSize) -> Result<CheckpointRow, StoreError> {
        self.read(move |store| store.checkpoint(size)?.ok_or_else(|| missing(size))).await
    }

    /// Adds to a kept checkpoint.
    async fn amend(
        &self,
        size: LedgerSize,
        add: impl FnOnce(&mut CheckpointRow) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<CheckpointRow, StoreError> {
        let amended = self.exclusive(move |store| {
            let mut row = store.checkpoint(size)?.ok_or_else(|| missing(size))?;
            add(&mut row)?;
            store.keep_checkpoint(size, &row)?;
            Ok(row)
        });
        amended.await
    }

    async fn exclusive<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let writing = Arc::clone(&self.writing);
        let alone = move |store: &Store| {
            // Rows are written whole, so that whoever panicked left none halfway.
            let _writing = writing.lock().unwrap_or_else(PoisonError::into_inner);
            work(store)
        };
        self.read(alone).await
    }

    /// Runs what waits for the disk where it may wait.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = Arc::clone(self.engine.store());
        let done = tokio::task::spawn_blocking(move || work(&store)).await;
        done.map_err(|error| StoreError::Damaged(error.to_string()))?
    }
}

fn missing(size: LedgerSize) -> StoreError {
    StoreError::Damaged(format!("the checkpoint of size {} is gone", size.get()))
}

/// Why somebody did not cosign or stamp: a word for the metrics, and what happened.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Trouble {
    result: &'static str,
    text: String,
}

impl Trouble {
    /// Not reached, or not able to answer. Another time may help.
    fn away(text: impl fmt::Display) -> Self {
        Self { result: "away", text: text.to_string() }
    }

    /// It says no.
    fn refused(text: impl fmt::Display) -> Self {
        Self { result: "refused", text: text.to_string() }
    }

    /// What it said is not to be used.
    fn unusable(text: impl fmt::Display) -> Self {
        Self { result: "unusable", text: text.to_string() }
    }

    /// It saw another history of this ledger than the one here.
    fn fork(text: impl fmt::Display) -> Self {
        Self { result: "fork", text: text.to_string() }
    }

    /// Our own disk.
    fn ours(error: impl fmt::Display) -> Self {
        Self { result: "ours", text: error.to_string() }
    }
}

impl From<reqwest::Error> for Trouble {
    fn from(error: reqwest::Error) -> Self {
        // With its causes; the address is known.
        Self::away(format!("{:#}", anyhow::Error::new(error.without_url())))
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The clients for all witnesses and authorities, each made when it is needed first.
#[derive(Default)]
struct Http {
    plain: OnceCell<reqwest::Client>,
    tls: OnceCell<reqwest::Client>,
}

impl Http {
    /// The client for an address. Only `https` asks for certificates of authorities on this machine.
    ///
    /// # Errors
    /// When it cannot be made.
    fn client(&self, url: &reqwest::Url) -> anyhow::Result<reqwest::Client> {
        let tls = url.scheme() == "https";
        let known = if tls { &self.tls } else { &self.plain };
        if let Some(client) = known.get() {
            return Ok(client.clone());
        }
        let client = reqwest::Client::builder().user_agent(concat!("daichod/", env!("CARGO_PKG_VERSION")));
        // Whoever moved says so to its operator, not to us.
        let client = client.redirect(reqwest::redirect::Policy::none());
        let client = if tls { client } else { client.tls_certs_only([]) };
        let client = client.build().context(if tls {
            "TLS cannot be used; are certificates of authorities installed (ca-certificates)?"
        } else {
            "no HTTP client"
        })?;
        Ok(known.get_or_init(|| client).clone())
    }
}

/// An address that can be asked.
fn http_url(text: &str) -> anyhow::Result<reqwest::Url> {
    let url: reqwest::Url = text.parse()?;
    anyhow::ensure!(matches!(url.scheme(), "http" | "https"), "neither http nor https");
    Ok(url)
}

/// The body of an answer, of at most `limit` bytes.
async fn body(mut response: reqwest::Response, limit: usize) -> Result<Vec<u8>, Trouble> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await? {
        if body.len() + piece.len() > limit {
            return Err(Trouble::unusable(format!("an answer of more than {limit} bytes")));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// The first words of an answer that says no, fit for a log: somebody else wrote them.
async fn words(response: reqwest::Response) -> String {
    const LIMIT: usize = 4_096;
    let body = body(response, LIMIT).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&body);
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}
