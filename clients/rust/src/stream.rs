//! Many statements in flight, answered in order, across broken connections.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use daicho_core::{Signer, StatementId, proto, sign_statement_with};
use futures::{StreamExt as _, TryFutureExt as _};
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::UnboundedReceiverStream;

use crate::emitter::{Parts, checked};
use crate::receipt::Gate;
use crate::{Client, ClientError, Emitter, Recorded, Retry};

/// How long a server may be silent while it owes an answer.
const SILENCE: Duration = Duration::from_secs(60);

/// The ledger's word on one statement of a stream.
#[derive(Debug)]
pub struct Answer {
    /// The statement.
    pub statement: StatementId,
    /// Its receipt, or why there is none. [`ClientError::Unanswered`] when the stream gave up before it knew.
    pub result: Result<Recorded, ClientError>,
}

/// Sends statements without waiting for each receipt.
///
/// Statements take effect in the order in which they are sent, and every one is answered once, in that order.
/// When the connection breaks, or the server is busy, a new one is made and everything unanswered is sent
/// again, the same bytes: what was recorded meanwhile is answered with its first receipt.
///
/// A refused statement leaves its number unused; the gap stays visible in the ledger. Use
/// [`Emitter::validate`] first where that matters.
#[derive(Debug)]
pub struct EmitStream {
    key: Arc<dyn Signer>,
    origin: String,
    next: u64,
    /// One permit for each statement that may still go unanswered.
    window: Arc<Semaphore>,
    requests: mpsc::UnboundedSender<Pending>,
    answers: mpsc::UnboundedReceiver<Answer>,
    /// Statements sent whose answers the caller has not taken.
    owed: usize,
}

/// A signed statement on its way.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    pub(crate) id: StatementId,
    pub(crate) statement: proto::SignedStatement,
}

impl Emitter {
    /// Opens a stream with at most `window` statements unanswered (at least 1). The emitter's key goes with it.
    ///
    /// # Errors
    /// As [`Emitter::new`], when the key's next number is not known.
    pub async fn into_stream(self, window: usize) -> Result<EmitStream, ClientError> {
        let Parts { client, key, origin, next, retry, gate } = self.into_parts().await?;
        let window = Arc::new(Semaphore::new(window.clamp(1, Semaphore::MAX_PERMITS)));
        let (requests, answers) = Driver::start(client, retry, gate, Arc::clone(&window));
        Ok(EmitStream { key, origin, next, window, requests, answers, owed: 0 })
    }
}

impl EmitStream {
    /// Signs the events as one statement and sends it. Waits while the window is full.
    ///
    /// # Errors
    /// [`ClientError::Refused`] when the statement is malformed: it was not sent and has no answer.
    /// [`ClientError::StreamClosed`] when the stream gave up.
    pub async fn send(&mut self, events: Vec<proto::Event>) -> Result<StatementId, ClientError> {
        let id = StatementId { key: self.key.public().id(), sequence: self.next };
        let statement = checked(sign_statement_with(&self.origin, &[(&*self.key, self.next)], events)?)?;
        let permit = self.window.acquire().await.map_err(|_| ClientError::StreamClosed)?;
        self.requests.send(Pending { id, statement }).map_err(|_| ClientError::StreamClosed)?;
        // Given back by the driver with the answer.
        permit.forget();
        self.next += 1;
        self.owed += 1;
        Ok(id)
    }

    /// The next answer. `None` when every statement sent so far is answered.
    pub async fn next(&mut self) -> Option<Answer> {
        if self.owed == 0 {
            return None;
        }
        let answer = self.answers.recv().await?;
        self.owed -= 1;
        Some(answer)
    }

    /// The next answer if it is already there.
    pub fn try_next(&mut self) -> Option<Answer> {
        let answer = self.answers.try_recv().ok()?;
        self.owed -= 1;
        Some(answer)
    }

    /// Number of statements whose answers were not taken.
    pub fn owed(&self) -> usize {
        self.owed
    }
}

/// The task behind a stream. It ends when the stream is dropped and everything sent is answered, or when it gives up.
pub(crate) struct Driver {
    client: Client,
    retry: Retry,
    gate: Option<Arc<Gate>>,
    requests: mpsc::UnboundedReceiver<Pending>,
    answers: mpsc::UnboundedSender<Answer>,
    window: Arc<Semaphore>,
    /// Sent and unanswered, oldest first.
    pending: VecDeque<Pending>,
    /// Failures since the last answer.
    failures: u32,
}

impl Driver {
    /// Starts the task: it takes statements on one channel and answers them, in their order, on the other. Each answer
    /// gives the window a permit back.
    pub(crate) fn start(
        client: Client,
        retry: Retry,
        gate: Option<Arc<Gate>>,
        window: Arc<Semaphore>,
    ) -> (mpsc::UnboundedSender<Pending>, mpsc::UnboundedReceiver<Answer>) {
        let (to_driver, requests) = mpsc::unbounded_channel();
        let (answers, from_driver) = mpsc::unbounded_channel();
        let pending = VecDeque::new();
        tokio::spawn(Self { client, retry, gate, requests, answers, window, pending, failures: 0 }.run());
        (to_driver, from_driver)
    }

    async fn run(mut self) {
        loop {
            if self.pending.is_empty() {
                match self.requests.recv().await {
                    Some(first) => self.pending.push_back(first),
                    None => return,
                }
            }
            let Err(error) = self.converse().await else { return };
            if self.pending.is_empty() {
                // It broke while nothing was owed. The next statement makes a new connection.
                continue;
            }
            self.failures += 1;
            let enough = !error.retryable() || self.failures >= self.retry.attempts;
            if enough || self.retry.pause(self.failures).await.is_err() {
                return self.give_up(error).await;
            }
        }
    }

    /// Sends on one connection until all is answered (`Ok`) or it breaks.
    async fn converse(&mut self) -> Result<(), ClientError> {
        let (sender, outgoing) = mpsc::unbounded_channel();
        let send = |sender: &mpsc::UnboundedSender<_>, pending: &Pending| {
            // A closed channel means a broken call, which the reply side reports; the statement stays pending.
            let request = proto::AppendStatementsRequest { statement: Some(pending.statement.clone()) };
            drop(sender.send(request));
        };
        self.pending.iter().for_each(|pending| send(&sender, pending));
        let mut sender = Some(sender);
        let mut service = self.client.ledger();
        let call = async move { service.append_statements(UnboundedReceiverStream::new(outgoing)).await };
        let mut replies = pin!(call.map_ok(tonic::Response::into_inner).try_flatten_stream());
        loop {
            tokio::select! {
                reply = tokio::time::timeout(SILENCE, replies.next()), if !self.pending.is_empty() => match reply {
                    Err(_) => return Err(ClientError::Unreachable { message: "no answer for a minute".into() }),
                    Ok(None) => return Err(ClientError::Unreachable { message: "the stream ended early".into() }),
                    Ok(Some(reply)) => self.settle(reply?).await?,
                },
                request = self.requests.recv(), if sender.is_some() => match (request, &sender) {
                    (Some(request), Some(sender)) => {
                        send(sender, &request);
                        self.pending.push_back(request);
                    }
                    _ => sender = None,
                },
            }
            if sender.is_none() && self.pending.is_empty() {
                return Ok(());
            }
        }
    }

    /// Hands the oldest statement its answer.
    ///
    /// A refusal that may pass is treated as a broken connection: later statements may depend on this one,
    /// so all of them are sent again, in order.
    async fn settle(&mut self, reply: proto::AppendStatementsResponse) -> Result<(), ClientError> {
        use proto::append_statements_response::Outcome;
        let result = match reply.outcome {
            Some(Outcome::Receipt(receipt)) => Ok(receipt),
            Some(Outcome::Refusal(refusal)) => match ClientError::from_refusal(refusal) {
                error if error.retryable() => return Err(error),
                error => Err(error),
            },
            None => return Err(ClientError::Protocol("an answer without its outcome".to_owned())),
        };
        let Some(pending) = self.pending.pop_front() else {
            return Err(ClientError::Protocol("an answer to nothing".to_owned()));
        };
        self.failures = 0;
        let result = match result {
            Ok(answer) => self.admit(Recorded::new(answer, pending.statement)).await,
            Err(error) => Err(error),
        };
        self.answer(pending.id, result);
        Ok(())
    }

    async fn admit(&self, recorded: Recorded) -> Result<Recorded, ClientError> {
        match &self.gate {
            Some(gate) => gate.admit(&self.client, self.retry, recorded).await,
            None => Ok(recorded),
        }
    }

    fn answer(&self, statement: StatementId, result: Result<Recorded, ClientError>) {
        // The caller may have dropped the stream; the statements are recorded all the same.
        drop(self.answers.send(Answer { statement, result }));
        self.window.add_permits(1);
    }

    /// Answers everything that is left with what is known: nothing.
    async fn give_up(mut self, error: ClientError) {
        self.window.close();
        self.requests.close();
        let last = Arc::new(error);
        let attempts = self.failures;
        while let Some(pending) = self.pending.pop_front() {
            self.answer(pending.id, Err(unanswered(pending, attempts, &last)));
        }
        while let Some(pending) = self.requests.recv().await {
            self.answer(pending.id, Err(unanswered(pending, 0, &last)));
        }
    }
}

fn unanswered(pending: Pending, attempts: u32, last: &Arc<ClientError>) -> ClientError {
    ClientError::Unanswered { statement: Box::new(pending.statement), attempts, last: last.clone() }
}
