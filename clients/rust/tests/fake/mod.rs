//! A ledger server in memory, on the loopback interface, that can be told to fail.
//!
//! It answers as the wire contract says: one entry for each statement, the first receipt for a repeated one.
//! It checks no signature and keeps no custody.

#![allow(dead_code, unreachable_pub, reason = "shared by tests that each use a part")]

pub mod proof;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};

use daicho_core::{ChainHash, Entry, EntryIndex, Instant, Origin, ParsedStatement, RefusalCode, proto};
use futures::{Stream, StreamExt as _};
use proto::custody_service_server::{CustodyService, CustodyServiceServer};
use proto::ledger_service_server::{LedgerService, LedgerServiceServer};
use proto::proof_service_server::ProofServiceServer;
use tokio_stream::wrappers::{TcpListenerStream, UnboundedReceiverStream};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::{ErrorDetails, StatusExt as _};

pub const ORIGIN: &str = "fake.example/ledger/simulated";
pub const NOW_MS: i64 = 1_617_235_200_000; // 2021-04-01T09:00:00+09:00

/// What happens to one unary append.
pub enum Fault {
    /// Refused, nothing written.
    Refuse(RefusalCode),
    /// Recorded, and the answer is lost.
    LoseAnswer,
}

/// What happens on one append stream: so many answers, then the end.
pub struct Connection {
    pub answers: usize,
    /// Recorded after the last answer, unanswered.
    pub recorded_unanswered: usize,
    pub end: End,
}

pub enum End {
    /// The stream breaks off.
    Break,
    /// The next statement is refused for now, and everything after it for good.
    RefuseFor(RefusalCode),
}

/// What is wrong with the receipts that are handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// They have no proof.
    NoProof,
    /// They are of an entry with another time.
    OtherEntry,
    /// Their hashes lead elsewhere.
    OtherTree,
    /// Somebody else signed their checkpoint.
    OtherKey,
    /// Their tree has another first entry than before.
    OtherHistory,
}

#[derive(Default)]
pub struct State {
    /// Every statement as it arrived, repeats included.
    pub arrived: Vec<Vec<u8>>,
    /// Entry bytes.
    pub entries: Vec<Vec<u8>>,
    pub recorded: Vec<Vec<u8>>,
    pub faults: VecDeque<Fault>,
    pub connections: VecDeque<Connection>,
    pub keys: Vec<proto::Key>,
    pub parties: Vec<proto::Party>,
    pub copies: Vec<proto::CopyState>,
    pub findings: Vec<proto::Finding>,
    pub predicted: Vec<proto::PredictedFinding>,
    /// Tokens beside every checkpoint.
    pub timestamps: Vec<Vec<u8>>,
    pub lie: Option<Lie>,
    /// How many questions for a receipt come too early.
    pub unpublished: usize,
}

#[derive(Clone, Default)]
pub struct Fake(Arc<Mutex<State>>);

impl Fake {
    /// Starts a server on a free port and returns its address.
    pub async fn serve(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let server = tonic::transport::Server::builder()
            .add_service(LedgerServiceServer::new(self.clone()))
            .add_service(CustodyServiceServer::new(self.clone()))
            .add_service(ProofServiceServer::new(self.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        format!("http://{address}")
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics while it holds the state")
    }
}

impl State {
    fn append(&mut self, signed: proto::SignedStatement) -> Result<proto::Receipt, daicho_core::Refusal> {
        let bytes = signed.statement.to_vec();
        let id = ParsedStatement::parse(signed.clone())?;
        if let Some(index) = self.recorded.iter().position(|other| *other == bytes) {
            return Ok(self.answer(index as u64, true));
        }
        let taken = self.recorded.iter().any(|other| {
            let other = proto::SignedStatement {
                statement: other.clone().into(),
                signatures: signed.signatures.clone(),
            };
            ParsedStatement::parse(other).is_ok_and(|other| other.body().signers[0] == id.body().signers[0])
        });
        if taken {
            return Err(daicho_core::Refusal::new(RefusalCode::SequenceUsed, "take the next number"));
        }
        let origin = Origin::new(ORIGIN).expect("an origin");
        let previous =
            self.entries.last().map_or(ChainHash::of_origin(&origin), |last| ChainHash::of_entry(last));
        let index = self.entries.len() as u64;
        let recorded = Instant::EPOCH.plus_ms(NOW_MS + index as i64);
        let entry = Entry { index: EntryIndex::new(index), recorded, previous, statement: signed }.encode();
        self.entries.push(entry);
        self.recorded.push(bytes);
        Ok(self.answer(index, false))
    }

    /// Name of the ledger.
    pub fn origin(&self) -> String {
        let first = self.entries.first().and_then(|bytes| Entry::decode(bytes).ok());
        let statement = first.and_then(|entry| ParsedStatement::parse(entry.statement).ok());
        statement.map_or(ORIGIN.to_owned(), |statement| statement.body().ledger_origin.clone())
    }
}

/// A refusal as the server puts it on the wire.
pub fn status(refusal: &daicho_core::Refusal) -> Status {
    let code = if refusal.code.retryable() { Code::ResourceExhausted } else { Code::FailedPrecondition };
    let mut details = ErrorDetails::new();
    details.set_error_info(refusal.code.reason(), "daicho", [] as [(String, String); 0]);
    if !refusal.field.is_empty() {
        details.add_bad_request_violation(&refusal.field, &refusal.message);
    }
    Status::with_error_details(code, &refusal.message, details)
}

fn outcome(result: Result<proto::Receipt, daicho_core::Refusal>) -> proto::AppendStatementsResponse {
    use proto::append_statements_response::Outcome;
    let outcome = match result {
        Ok(receipt) => Outcome::Receipt(receipt),
        Err(refusal) => Outcome::Refusal(proto::Refusal {
            reason: refusal.code.reason().to_owned(),
            retry: refusal.code.retryable(),
            code: Code::FailedPrecondition as i32,
            message: refusal.message,
            field: refusal.field,
        }),
    };
    proto::AppendStatementsResponse { outcome: Some(outcome) }
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl LedgerService for Fake {
    async fn get_ledger(
        &self,
        _: Request<proto::GetLedgerRequest>,
    ) -> Result<Response<proto::GetLedgerResponse>, Status> {
        let size = self.state().entries.len() as u64;
        let info = proto::GetLedgerResponse {
            origin: self.state().origin(),
            clock: proto::Clock::Simulated as i32,
            size,
            now_ms: NOW_MS,
            ..Default::default()
        };
        Ok(Response::new(info))
    }

    async fn append_statement(
        &self,
        request: Request<proto::AppendStatementRequest>,
    ) -> Result<Response<proto::AppendStatementResponse>, Status> {
        let statement =
            request.into_inner().statement.ok_or_else(|| Status::invalid_argument("statement"))?;
        let mut state = self.state();
        state.arrived.push(statement.statement.to_vec());
        let fault = state.faults.pop_front();
        if let Some(Fault::Refuse(code)) = fault {
            return Err(status(&daicho_core::Refusal::new(code, "as told")));
        }
        let receipt = state.append(statement).map_err(|refusal| status(&refusal))?;
        match fault {
            Some(Fault::LoseAnswer) => Err(Status::unavailable("the answer is lost")),
            _ => Ok(Response::new(proto::AppendStatementResponse { receipt: Some(receipt) })),
        }
    }

    type AppendStatementsStream = Answers<proto::AppendStatementsResponse>;

    async fn append_statements(
        &self,
        request: Request<Streaming<proto::AppendStatementsRequest>>,
    ) -> Result<Response<Self::AppendStatementsStream>, Status> {
        let mut inbound = request.into_inner();
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        let fake = self.clone();
        let plan = self.state().connections.pop_front();
        tokio::spawn(async move {
            let mut answered = 0;
            while let Some(Ok(request)) = inbound.next().await {
                let statement = request.statement.unwrap_or_default();
                fake.state().arrived.push(statement.statement.to_vec());
                if let Some(plan) = &plan
                    && answered >= plan.answers
                {
                    match plan.end {
                        End::Break => {
                            if answered < plan.answers + plan.recorded_unanswered {
                                drop(fake.state().append(statement));
                            }
                            if answered + 1 >= plan.answers + plan.recorded_unanswered {
                                drop(sender.send(Err(Status::unavailable("broken"))));
                                return;
                            }
                        }
                        End::RefuseFor(code) => {
                            let code =
                                if answered == plan.answers { code } else { RefusalCode::UnknownReference };
                            let refusal = daicho_core::Refusal::new(code, "as told");
                            drop(sender.send(Ok(outcome(Err(refusal)))));
                        }
                    }
                } else {
                    let answer = outcome(fake.state().append(statement));
                    drop(sender.send(Ok(answer)));
                }
                answered += 1;
            }
        });
        Ok(Response::new(Box::pin(UnboundedReceiverStream::new(receiver))))
    }

    async fn validate_statement(
        &self,
        _: Request<proto::ValidateStatementRequest>,
    ) -> Result<Response<proto::ValidateStatementResponse>, Status> {
        let findings = self.state().predicted.clone();
        let response =
            proto::ValidateStatementResponse { findings, changed_records: 2, ..Default::default() };
        Ok(Response::new(response))
    }

    async fn get_entry(
        &self,
        request: Request<proto::GetEntryRequest>,
    ) -> Result<Response<proto::GetEntryResponse>, Status> {
        let index = request.into_inner().entry_index as usize;
        let state = self.state();
        let bytes = state.entries.get(index).ok_or_else(|| Status::not_found("no such entry"))?;
        let chain_hash = ChainHash::of_entry(bytes).as_bytes().to_vec();
        let entry = Some(proto::Entry { bytes: bytes.clone(), chain_hash });
        Ok(Response::new(proto::GetEntryResponse { entry }))
    }

    async fn find_statement(
        &self,
        _: Request<proto::FindStatementRequest>,
    ) -> Result<Response<proto::FindStatementResponse>, Status> {
        Err(Status::unimplemented("not in the fake"))
    }

    type ReadEntriesStream = Answers<proto::ReadEntriesResponse>;

    async fn read_entries(
        &self,
        request: Request<proto::ReadEntriesRequest>,
    ) -> Result<Response<Self::ReadEntriesStream>, Status> {
        let request = request.into_inner();
        let entries = self.state().entries.clone();
        let end = if request.end == 0 { entries.len() } else { (request.end as usize).min(entries.len()) };
        let start = (request.start as usize).min(end);
        let groups: Vec<_> = entries[start..end]
            .chunks(2)
            .map(|group| proto::ReadEntriesResponse {
                entries: group.iter().cloned().map(Into::into).collect(),
            })
            .map(Ok)
            .collect();
        Ok(Response::new(Box::pin(futures::stream::iter(groups))))
    }

    type FollowEntriesStream = Answers<proto::FollowEntriesResponse>;

    async fn follow_entries(
        &self,
        request: Request<proto::FollowEntriesRequest>,
    ) -> Result<Response<Self::FollowEntriesStream>, Status> {
        // Hangs up after the present entries, as a server that stops.
        let start = request.into_inner().start as usize;
        let entries = self.state().entries.iter().skip(start).cloned().map(Into::into).collect();
        let group = Ok(proto::FollowEntriesResponse { entries });
        Ok(Response::new(Box::pin(futures::stream::iter([group]))))
    }
}

/// Pages of two, so that every reader must follow them.
fn page<T: Clone>(all: &[T], token: &str) -> (Vec<T>, String) {
    let start: usize = token.parse().unwrap_or(0);
    let end = (start + 2).min(all.len());
    let next = if end < all.len() { end.to_string() } else { String::new() };
    (all[start.min(end)..end].to_vec(), next)
}

macro_rules! listed {
    ($fake:expr, $request:expr, $items:ident, $response:ident) => {{
        let ($items, next_page_token) = page(&$fake.state().$items, &$request.into_inner().page_token);
        Ok(Response::new(proto::$response { $items, next_page_token }))
    }};
}

#[tonic::async_trait]
impl CustodyService for Fake {
    async fn list_parties(
        &self,
        request: Request<proto::ListPartiesRequest>,
    ) -> Result<Response<proto::ListPartiesResponse>, Status> {
        listed!(self, request, parties, ListPartiesResponse)
    }

    async fn list_keys(
        &self,
        request: Request<proto::ListKeysRequest>,
    ) -> Result<Response<proto::ListKeysResponse>, Status> {
        listed!(self, request, keys, ListKeysResponse)
    }

    async fn list_copies(
        &self,
        request: Request<proto::ListCopiesRequest>,
    ) -> Result<Response<proto::ListCopiesResponse>, Status> {
        listed!(self, request, copies, ListCopiesResponse)
    }

    async fn list_findings(
        &self,
        request: Request<proto::ListFindingsRequest>,
    ) -> Result<Response<proto::ListFindingsResponse>, Status> {
        listed!(self, request, findings, ListFindingsResponse)
    }

    async fn list_duties(
        &self,
        _: Request<proto::ListDutiesRequest>,
    ) -> Result<Response<proto::ListDutiesResponse>, Status> {
        Ok(Response::new(proto::ListDutiesResponse::default()))
    }

    async fn list_due(
        &self,
        request: Request<proto::ListDueRequest>,
    ) -> Result<Response<proto::ListDueResponse>, Status> {
        let until = request.into_inner().until_ms;
        let copies = self.state().copies.clone();
        let due = copies
            .into_iter()
            .filter(|copy| copy.due_ms != 0 && copy.due_ms <= until)
            .map(|copy| proto::DueItem {
                scheme: "queue_notice".to_owned(),
                due_ms: copy.due_ms,
                copy: Some(copy),
                ..Default::default()
            })
            .collect();
        Ok(Response::new(proto::ListDueResponse { due, next_page_token: String::new() }))
    }

    type FollowDueStream = futures::stream::Empty<Result<proto::FollowDueResponse, Status>>;

    async fn follow_due(
        &self,
        _: Request<proto::FollowDueRequest>,
    ) -> Result<Response<Self::FollowDueStream>, Status> {
        Ok(Response::new(futures::stream::empty()))
    }

    async fn list_schemes(
        &self,
        _: Request<proto::ListSchemesRequest>,
    ) -> Result<Response<proto::ListSchemesResponse>, Status> {
        Ok(Response::new(proto::ListSchemesResponse::default()))
    }

    async fn get_scheme(
        &self,
        _: Request<proto::GetSchemeRequest>,
    ) -> Result<Response<proto::GetSchemeResponse>, Status> {
        Err(Status::not_found("no such scheme"))
    }

    async fn list_data_sets(
        &self,
        _: Request<proto::ListDataSetsRequest>,
    ) -> Result<Response<proto::ListDataSetsResponse>, Status> {
        Err(Status::not_found("no such scheme"))
    }

    async fn get_data_set(
        &self,
        _: Request<proto::GetDataSetRequest>,
    ) -> Result<Response<proto::GetDataSetResponse>, Status> {
        Err(Status::not_found("no such data set"))
    }

    async fn list_handovers(
        &self,
        _: Request<proto::ListHandoversRequest>,
    ) -> Result<Response<proto::ListHandoversResponse>, Status> {
        Ok(Response::new(proto::ListHandoversResponse::default()))
    }
}
