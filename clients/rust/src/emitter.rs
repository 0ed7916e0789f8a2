//! Signs statements and sends them until they are answered.

use std::collections::HashMap;
use std::sync::Arc;

use daicho_core::{
    Draft, Instant, KeyId, ParsedStatement, Refusal, RefusalCode, Signer, StatementId, proto,
    sign_statement_with,
};
use daicho_tlog::Policy;

use crate::receipt::Gate;
use crate::{Client, ClientError, Recorded, Retry};

/// An event of a scheme (empty: of the ledger), as it occurred.
pub fn event(scheme: &str, occurred: Instant, fact: proto::event::Fact) -> proto::Event {
    proto::Event {
        occur_time_ms: occurred.unix_ms(),
        scheme: scheme.to_owned(),
        on_behalf_of: String::new(),
        fact: Some(fact),
    }
}

/// What recording a statement would do.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Validation {
    /// Why it would be refused.
    pub refusal: Option<Refusal>,
    /// Findings that it would raise.
    pub findings: Vec<proto::PredictedFinding>,
    /// Records of custody that it would change.
    pub changed_records: u32,
    /// The entry that the statement is already; recording it again would change nothing.
    pub recorded_at_entry: Option<u64>,
}

/// Emits the statements of one key, one at a time.
///
/// A key belongs to one emitter at a time. When two use it, one of them is refused with
/// [`RefusalCode::SequenceUsed`]; nothing is lost, and its next call takes the next free number.
#[derive(Debug)]
pub struct Emitter {
    client: Client,
    key: Arc<dyn Signer>,
    origin: String,
    /// Next number of each key, as far as it is known. Forgotten when an outcome is in doubt.
    next: HashMap<KeyId, u64>,
    retry: Retry,
    gate: Option<Arc<Gate>>,
}

impl Emitter {
    /// Learns the ledger's origin and the key's next number. A key that never signed starts at 1.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] or [`ClientError::Server`].
    pub async fn new(client: Client, key: impl Signer + 'static) -> Result<Self, ClientError> {
        let origin = client.ledger_info().await?.origin;
        let key: Arc<dyn Signer> = Arc::new(key);
        let mut emitter =
            Self { client, key, origin, next: HashMap::new(), retry: Retry::default(), gate: None };
        emitter.numbers(&[emitter.key.public().id()]).await?;
        Ok(emitter)
    }

    /// The same with another policy of repeating.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// The same, but every receipt is verified on arrival: the ledger must prove that it recorded what was sent, in a
    /// checkpoint that it signed with a key of the policy. Not the quorum: witnesses are asked later.
    ///
    /// What does not hold is [`ClientError::BadReceipt`]. A receipt that comes without a proof is asked for again.
    #[must_use]
    pub fn with_policy(mut self, policy: Policy) -> Self {
        self.gate = Some(Arc::new(Gate::new(policy)));
        self
    }

    /// The key's id.
    pub fn key_id(&self) -> KeyId {
        self.key.public().id()
    }

    /// Name of the ledger that the statements are signed for.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The connection.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Signs the events as one statement, sends it and waits until it is recorded.
    ///
    /// # Errors
    /// [`ClientError::Refused`]: nothing was recorded and the number stays free.
    /// [`ClientError::Unanswered`]: the outcome is unknown; [`resend`](Self::resend) the statement in it.
    pub async fn emit(&mut self, events: Vec<proto::Event>) -> Result<Recorded, ClientError> {
        self.emit_with(events, &[]).await
    }

    /// [`emit`](Self::emit) with further signatures: two-person rules, a second key.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub async fn emit_with(
        &mut self,
        events: Vec<proto::Event>,
        cosigners: &[&dyn Signer],
    ) -> Result<Recorded, ClientError> {
        let statement = self.sign(events, cosigners).await?;
        let outcome = self.resend(statement).await;
        match &outcome {
            // Recorded, whatever its receipt is worth.
            Ok(_) | Err(ClientError::BadReceipt { .. }) => {
                for id in signers(&*self.key, cosigners) {
                    self.next.entry(id).and_modify(|next| *next += 1);
                }
            }
            Err(ClientError::Refused(refusal)) if refusal.code != RefusalCode::SequenceUsed => {}
            // The number may be taken: ask before the next statement.
            Err(_) => self.next.clear(),
        }
        outcome
    }

    /// The events as one statement of this key and others elsewhere, signed by this one. No number is used by it: a key
    /// that signs something else meanwhile makes it void.
    ///
    /// # Errors
    /// [`ClientError::Refused`] for what no ledger would read; [`ClientError::Unreachable`] or [`ClientError::Server`].
    pub async fn draft(&mut self, events: Vec<proto::Event>, others: &[KeyId]) -> Result<Draft, ClientError> {
        let keys: Vec<KeyId> = std::iter::once(self.key_id()).chain(others.iter().copied()).collect();
        let numbers = self.numbers(&keys).await?;
        let ids = keys.into_iter().zip(numbers).map(|(key, sequence)| StatementId { key, sequence });
        let mut draft = Draft::new(&self.origin, &ids.collect::<Vec<_>>(), events)?;
        draft.sign(&*self.key)?;
        Ok(draft)
    }

    /// Sends a signed statement, as it is, until it is answered or the attempts are used up.
    /// A statement that is already recorded is answered with its first receipt.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub async fn resend(&self, statement: proto::SignedStatement) -> Result<Recorded, ClientError> {
        let mut service = self.client.ledger();
        let mut in_doubt = false;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let request = proto::AppendStatementRequest { statement: Some(statement.clone()) };
            let error = match service.append_statement(request).await {
                Ok(response) => {
                    let answer = response
                        .into_inner()
                        .receipt
                        .ok_or_else(|| ClientError::Protocol("an answer without its receipt".to_owned()))?;
                    let recorded = Recorded::new(answer, statement);
                    return match &self.gate {
                        Some(gate) => gate.admit(&self.client, self.retry, recorded).await,
                        None => Ok(recorded),
                    };
                }
                Err(status) => ClientError::from(status),
            };
            in_doubt |= !error.wrote_nothing();
            if error.retryable() && attempts < self.retry.attempts {
                self.retry.pause(attempts).await?;
                continue;
            }
            // A refusal that repeating cannot change is the ledger's word on this statement, whatever came before.
            return Err(match error {
                error if !in_doubt || matches!(&error, ClientError::Refused(_) if !error.retryable()) => {
                    error
                }
                error => {
                    ClientError::Unanswered { statement: Box::new(statement), attempts, last: error.into() }
                }
            });
        }
    }

    /// Asks what recording the events as one statement would do now. Records nothing and uses no number.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] or [`ClientError::Server`]; a refusal is part of the answer.
    pub async fn validate(&mut self, events: Vec<proto::Event>) -> Result<Validation, ClientError> {
        self.validate_with(events, &[]).await
    }

    /// [`validate`](Self::validate) with further signatures.
    ///
    /// # Errors
    /// As [`validate`](Self::validate).
    pub async fn validate_with(
        &mut self,
        events: Vec<proto::Event>,
        cosigners: &[&dyn Signer],
    ) -> Result<Validation, ClientError> {
        let refused = |refusal| Validation { refusal: Some(refusal), ..Default::default() };
        let statement = match self.sign(events, cosigners).await {
            Ok(statement) => statement,
            Err(ClientError::Refused(refusal)) => return Ok(refused(refusal)),
            Err(error) => return Err(error),
        };
        let request = proto::ValidateStatementRequest { statement: Some(statement) };
        let response = match self.client.ledger().validate_statement(request).await {
            Ok(response) => response.into_inner(),
            Err(status) => match ClientError::from(status) {
                ClientError::Refused(refusal) => return Ok(refused(refusal)),
                error => return Err(error),
            },
        };
        let refusal = match response.refusal.map(ClientError::from_refusal) {
            None => None,
            Some(ClientError::Refused(refusal)) => Some(refusal),
            Some(error) => return Err(error),
        };
        Ok(Validation {
            refusal,
            findings: response.findings,
            changed_records: response.changed_records,
            recorded_at_entry: response.recorded_at_entry,
        })
    }

    /// Signs the events under the next numbers and checks every limit that needs no ledger.
    async fn sign(
        &mut self,
        events: Vec<proto::Event>,
        cosigners: &[&dyn Signer],
    ) -> Result<proto::SignedStatement, ClientError> {
        let numbers = self.numbers(&signers(&*self.key, cosigners)).await?;
        let keys: Vec<(&dyn Signer, u64)> =
            std::iter::once(&*self.key).chain(cosigners.iter().copied()).zip(numbers).collect();
        checked(sign_statement_with(&self.origin, &keys, events)?)
    }

    /// The next number of each key; asks the ledger for those that are not known.
    async fn numbers(&mut self, ids: &[KeyId]) -> Result<Vec<u64>, ClientError> {
        if !ids.iter().all(|id| self.next.contains_key(id)) {
            let known = self.client.keys().await?;
            for id in ids {
                self.next.entry(*id).or_insert(next_of(&known, *id));
            }
        }
        Ok(ids.iter().map(|id| self.next[id]).collect())
    }

    /// Takes the emitter apart for a stream.
    pub(crate) async fn into_parts(mut self) -> Result<Parts, ClientError> {
        let next = self.numbers(&[self.key_id()]).await?[0];
        let Self { client, key, origin, retry, gate, .. } = self;
        Ok(Parts { client, key, origin, next, retry, gate })
    }
}

/// What a stream needs of an emitter.
pub(crate) struct Parts {
    pub(crate) client: Client,
    pub(crate) key: Arc<dyn Signer>,
    pub(crate) origin: String,
    /// The key's next number.
    pub(crate) next: u64,
    pub(crate) retry: Retry,
    pub(crate) gate: Option<Arc<Gate>>,
}

fn signers(key: &dyn Signer, cosigners: &[&dyn Signer]) -> Vec<KeyId> {
    std::iter::once(key).chain(cosigners.iter().copied()).map(|key| key.public().id()).collect()
}

fn next_of(known: &[proto::Key], id: KeyId) -> u64 {
    known.iter().find(|key| key.id == id.as_bytes()).map_or(0, |key| key.last_sequence) + 1
}

/// The next number of a key, as the ledger knows it.
pub(crate) async fn next_number(client: &Client, id: KeyId) -> Result<u64, ClientError> {
    Ok(next_of(&client.keys().await?, id))
}

/// The statement, if the ledger will be able to read it.
pub(crate) fn checked(statement: proto::SignedStatement) -> Result<proto::SignedStatement, ClientError> {
    Ok(ParsedStatement::parse(statement)?.signed().clone())
}
