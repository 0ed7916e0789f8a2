//! Statements that wait on disk until the ledger has answered them.

use std::fmt::Write as _;
use std::future::Future;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use daicho_core::{KeyId, Refusal, Signer, StatementId, durable_step, proto, sign_statement_with};
use daicho_tlog::Policy;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;

use crate::emitter::{checked, next_number};
use crate::receipt::Gate;
use crate::stream::{Driver, Pending};
use crate::{Answer, Client, ClientError, Retry};

mod journal;

use journal::{Journal, Opened};

/// Statements on their way at a time.
const WINDOW: usize = 64;

/// How an outbox works.
#[derive(Debug, Clone)]
pub struct OutboxSettings {
    /// Most statements that wait. Default: 100,000.
    pub most_statements: usize,
    /// Most bytes that wait, on disk and in memory. Default: 64 MiB.
    pub most_bytes: u64,
    /// Bytes of answered statements above which the file is written anew without them. Default: 4 MiB.
    pub most_settled: u64,
    /// How long to wait before the ledger is tried again. The number of attempts does not count: an outbox never gives
    /// up.
    pub retry: Retry,
    /// When given, every receipt must hold under it, as with [`Emitter::with_policy`](crate::Emitter::with_policy).
    pub policy: Option<Policy>,
}

impl Default for OutboxSettings {
    fn default() -> Self {
        Self {
            most_statements: 100_000,
            most_bytes: 64 << 20,
            most_settled: 4 << 20,
            retry: Retry { longest: std::time::Duration::from_secs(60), ..Retry::default() },
            policy: None,
        }
    }
}

/// How full an outbox is, and how it goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Depth {
    /// Statements without an answer.
    pub statements: usize,
    /// Bytes of them on disk.
    pub bytes: u64,
    /// Statements that the ledger refused since the outbox was opened; they are in the file `refused`.
    pub refused: u64,
    /// What keeps the oldest statement from being answered.
    pub trouble: Option<String>,
}

/// Why an outbox does not open, or does not take a statement.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutboxError {
    /// It holds as much as it may. Nothing was taken; put it again when the ledger has taken some.
    #[error("the outbox is full: {statements} statements of {bytes} bytes wait for the ledger")]
    Full {
        /// Statements that wait.
        statements: usize,
        /// Their bytes.
        bytes: u64,
    },
    /// The statement is malformed: no ledger would take it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// An earlier write failed: what is on disk is only known when the outbox is opened anew.
    #[error("{}: a write failed earlier; open the outbox anew", path.display())]
    Closed {
        /// The file.
        path: PathBuf,
    },
    /// The file was changed. What stands before the place is readable; keep a copy before you remove it.
    #[error("{} is damaged at byte {offset}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        offset: u64,
    },
    /// Another process has it open.
    #[error("{} is in use by another process", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// It belongs to another key.
    #[error("{} belongs to the key {key}", path.display())]
    OtherKey {
        /// The file.
        path: PathBuf,
        /// Its key.
        key: KeyId,
    },
    /// A new outbox learns the ledger's name and the key's next number from the ledger, and it did not answer.
    #[error("a new outbox asks the ledger once: {0}")]
    Ledger(#[from] ClientError),
}

/// Keeps statements on disk until the ledger has answered them, and sends them in their order whenever it can be reached.
///
/// What [`put`](Self::put) has taken survives the end of the process and of the machine. Statements take effect in the
/// order in which they were put; each is recorded once, however often it had to be sent. A key belongs to one outbox.
///
/// A statement that the ledger refuses goes to the file `refused` in the folder, one line each, and the next ones go on.
#[derive(Debug)]
pub struct Outbox {
    shared: Arc<Shared>,
    key: Arc<dyn Signer>,
    settings: OutboxSettings,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    inner: Mutex<Inner>,
    /// A statement was put.
    more: Notify,
    /// A statement was answered.
    fewer: Notify,
}

#[derive(Debug)]
struct Inner {
    journal: Journal,
    refused: u64,
    trouble: Option<String>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Connect = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<Client, ClientError>> + Send>> + Send>;

impl Outbox {
    /// Opens the outbox in a folder and goes on sending. The folder is made when it is missing; then the ledger must
    /// answer once. Later it need not. `answered` hears each answer before it is forgotten; after a crash it may hear one
    /// again. Runs on a runtime.
    ///
    /// # Errors
    /// [`OutboxError`].
    pub async fn open<C>(
        folder: &Path,
        key: impl Signer + 'static,
        settings: OutboxSettings,
        connect: impl Fn() -> C + Send + 'static,
        answered: impl FnMut(&Answer) + Send + 'static,
    ) -> Result<Self, OutboxError>
    where
        C: Future<Output = Result<Client, ClientError>> + Send + 'static,
    {
        let key: Arc<dyn Signer> = Arc::new(key);
        let id = key.public().id();
        let journal = match Journal::open(folder, id)? {
            Opened::Kept(journal) => journal,
            Opened::New(place) => {
                let client = connect().await?;
                let origin = client.ledger_info().await?.origin;
                place.create(origin, id, next_number(&client, id).await?)?
            }
        };
        let inner = Mutex::new(Inner { journal, refused: 0, trouble: None });
        let shared = Arc::new(Shared { inner, more: Notify::new(), fewer: Notify::new() });
        let sender = Sender {
            shared: Arc::clone(&shared),
            refused: folder.join("refused"),
            most_settled: settings.most_settled,
            retry: settings.retry,
            gate: settings.policy.clone().map(|policy| Arc::new(Gate::new(policy))),
            connect: Box::new(move || Box::pin(connect())),
            answered: Box::new(answered),
        };
        Ok(Self { shared, key, settings, task: tokio::spawn(sender.run()) })
    }

    /// Signs the events as one statement and keeps it. When this returns, it is on disk.
    ///
    /// # Errors
    /// [`OutboxError::Full`], [`OutboxError::Refused`], [`OutboxError::Disk`] or [`OutboxError::Closed`].
    pub async fn put(&self, events: Vec<proto::Event>) -> Result<StatementId, OutboxError> {
        let (shared, key) = (Arc::clone(&self.shared), Arc::clone(&self.key));
        let (most_statements, most_bytes) = (self.settings.most_statements, self.settings.most_bytes);
        let put = tokio::task::spawn_blocking(move || {
            let mut inner = shared.lock();
            let journal = &mut inner.journal;
            let (statements, bytes) = (journal.kept().len(), journal.bytes());
            if statements >= most_statements || bytes >= most_bytes {
                return Err(OutboxError::Full { statements, bytes });
            }
            let signed = sign_statement_with(journal.origin(), &[(&*key, journal.next())], events)
                .map_err(|error| OutboxError::Ledger(error.into()))?;
            let statement = checked(signed).map_err(|error| match error {
                ClientError::Refused(refusal) => OutboxError::Refused(refusal),
                error => OutboxError::Ledger(error),
            })?;
            let id = journal.put(statement)?;
            drop(inner);
            shared.more.notify_one();
            Ok(id)
        });
        put.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
    }

    /// How full it is.
    pub fn depth(&self) -> Depth {
        let inner = self.shared.lock();
        Depth {
            statements: inner.journal.kept().len(),
            bytes: inner.journal.bytes(),
            refused: inner.refused,
            trouble: inner.trouble.clone(),
        }
    }

    /// Waits until every statement put so far is answered.
    pub async fn drained(&self) {
        loop {
            let fewer = self.shared.fewer.notified();
            if self.shared.lock().journal.kept().is_empty() {
                return;
            }
            fewer.await;
        }
    }

    /// Stops sending and lets go of the folder, which can be opened anew when this returns. What waits stays there.
    pub async fn close(mut self) {
        self.task.abort();
        // It ends by having been aborted; that is no news.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Outbox {
    /// As [`Outbox::close`], without waiting.
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The task that sends.
struct Sender {
    shared: Arc<Shared>,
    refused: PathBuf,
    most_settled: u64,
    retry: Retry,
    gate: Option<Arc<Gate>>,
    connect: Connect,
    answered: Box<dyn FnMut(&Answer) + Send>,
}

impl Sender {
    async fn run(mut self) {
        let mut failures = 0;
        loop {
            while self.shared.lock().journal.kept().is_empty() {
                self.shared.more.notified().await;
            }
            let mut got_on = false;
            let error = match (self.connect)().await {
                Ok(client) => self.converse(client, &mut got_on).await,
                Err(error) => error.to_string(),
            };
            self.shared.lock().trouble = Some(error);
            failures = if got_on { 1 } else { failures + 1 };
            // Without random numbers all clients come back together; that is no reason to stop.
            if self.retry.pause(failures).await.is_err() {
                tokio::time::sleep(self.retry.longest).await;
            }
        }
    }

    /// Sends on a connection until something is in the way, and says what.
    async fn converse(&mut self, client: Client, got_on: &mut bool) -> String {
        let window = Arc::new(Semaphore::new(0));
        let (requests, mut answers) = Driver::start(client, self.retry, self.gate.clone(), window);
        // So many of the oldest are on their way.
        let mut sent = 0;
        loop {
            let room = WINDOW - sent;
            let next: Vec<Pending> = {
                let inner = self.shared.lock();
                let unsent = inner.journal.kept().iter().skip(sent).take(room);
                unsent.map(|kept| Pending { id: kept.id, statement: kept.statement.clone() }).collect()
            };
            for pending in next {
                // A driver that has gone says why in its answers.
                sent += usize::from(requests.send(pending).is_ok());
            }
            tokio::select! {
                answer = answers.recv() => {
                    let Some(answer) = answer else { return ClientError::StreamClosed.to_string() };
                    if let Err(error @ ClientError::Unanswered { .. }) = &answer.result {
                        return error.to_string();
                    }
                    if let Err(error) = self.settle(&answer) {
                        return error.to_string();
                    }
                    sent -= 1;
                    *got_on = true;
                }
                () = self.shared.more.notified(), if sent < WINDOW => {}
            }
        }
    }

    /// The oldest statement has its answer.
    fn settle(&mut self, answer: &Answer) -> Result<(), OutboxError> {
        let mut inner = self.shared.lock();
        let refusal = match &answer.result {
            // A receipt that does not hold is for `answered` to see; the statement is recorded.
            Ok(_) | Err(ClientError::BadReceipt { .. }) => None,
            Err(error) => Some(error),
        };
        if let Some(error) = refusal {
            let oldest = inner.journal.kept().front().map(|kept| &kept.statement);
            keep_refused(&self.refused, answer.statement, error, oldest)
                .map_err(|source| OutboxError::Disk { path: self.refused.clone(), source })?;
            inner.refused += 1;
        }
        (self.answered)(answer);
        inner.journal.settle(self.most_settled)?;
        inner.trouble = None;
        drop(inner);
        self.shared.fewer.notify_waiters();
        Ok(())
    }
}

/// One line: the statement's name, why, and the statement in hex.
fn keep_refused(
    path: &Path,
    id: StatementId,
    error: &ClientError,
    statement: Option<&proto::SignedStatement>,
) -> std::io::Result<()> {
    use prost::Message as _;
    let bytes = statement.map(|statement| hex::encode(statement.encode_to_vec())).unwrap_or_default();
    let mut line = String::new();
    // Writing into a string does not fail.
    let _ = writeln!(line, "{id}\t{}\t{bytes}", error.to_string().escape_debug());
    let is_new = !path.exists();
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
    if let Some(folder) = path.parent().filter(|_| is_new) {
        std::fs::File::open(folder)?.sync_all()?;
    }
    durable_step();
    file.write_all(line.as_bytes())?;
    durable_step();
    file.sync_data()?;
    durable_step();
    Ok(())
}
