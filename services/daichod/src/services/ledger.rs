//! `LedgerService`: appending and reading entries.

use std::collections::BTreeSet;
use std::sync::Arc;

use daicho_core::{ChainHash, EntryIndex, KeyId, ParsedStatement, Refusal, RefusalCode, StatementId};
use daicho_custody::fold::ledger_record;
use daicho_custody::state::{DataSetRecord, Table, Txn, View as _, decode, key};
use daicho_custody::{About, FindingCode};
use daicho_engine::{Engine, Receipt};
use daicho_proto::v1;
use daicho_proto::v1::append_statements_response::Outcome;
use daicho_proto::v1::ledger_service_server::LedgerService;
use futures::{StreamExt as _, stream};
use tonic::{Code, Request, Response, Status, Streaming};

use super::pages::{Pages, Responses};
use super::{seen, status};
use crate::access::{Access, Right, Sight, peer};

/// Statements of one stream that are checked together.
const CHUNK: usize = 32;
/// The same of a party that goes at a pace: others come between.
const PACED_CHUNK: usize = 8;
/// Chunks of one stream that are checked at the same time.
const CHECKING: usize = 16;
/// Chunks of one stream that wait for the disk.
const WAITING: usize = 256;
/// Entry bytes in one message of a reading stream.
const PAGE_BYTES: usize = 256 * 1024;

pub(crate) struct Ledger {
    engine: Arc<Engine>,
    access: Access,
}

impl Ledger {
    pub(crate) fn new(engine: Arc<Engine>, access: Access) -> Self {
        Self { engine, access }
    }

    fn entry_bytes(&self, index: EntryIndex, sight: &Sight) -> Result<v1::Entry, Status> {
        let missing = || status::not_found(&format!("entry {index}"));
        let bytes = self.engine.store().entry(index).map_err(|e| status::storage(&e))?.ok_or_else(missing)?;
        if !self.access.sees(sight, &bytes)? {
            return Err(missing());
        }
        Ok(v1::Entry { chain_hash: ChainHash::of_entry(&bytes).as_bytes().to_vec(), bytes })
    }
}

#[tonic::async_trait]
impl LedgerService for Ledger {
    type AppendStatementsStream = Responses<v1::AppendStatementsResponse>;
    type ReadEntriesStream = Responses<v1::ReadEntriesResponse>;
    type FollowEntriesStream = Responses<v1::FollowEntriesResponse>;

    async fn get_ledger(
        &self,
        request: Request<v1::GetLedgerRequest>,
    ) -> Result<Response<v1::GetLedgerResponse>, Status> {
        self.access.call(&request, Right::Proofs).await?;
        let head = *self.engine.head().borrow();
        let record = ledger_record(&Txn::new(&**self.engine.store())).map_err(|e| status::state(&e))?;
        let clock =
            if self.engine.origin().is_simulated() { v1::Clock::Simulated } else { v1::Clock::System };
        Ok(Response::new(v1::GetLedgerResponse {
            origin: self.engine.origin().to_string(),
            clock: clock as i32,
            size: head.size.get(),
            chain_hash: head.chain.as_bytes().to_vec(),
            last_record_time_ms: head.recorded.unix_ms(),
            fold_version: record.fold_version,
            now_ms: self.engine.now().unix_ms(),
        }))
    }

    async fn append_statement(
        &self,
        request: Request<v1::AppendStatementRequest>,
    ) -> Result<Response<v1::AppendStatementResponse>, Status> {
        let share = self.access.share(&request)?;
        let statement = request.into_inner().statement.ok_or_else(status::no_statement)?;
        let _room = share.take(&statement).await.map_err(|r| status::refused(&r))?;
        let receipt = self.engine.append(statement).await.map_err(|r| status::refused(&r))?;
        Ok(Response::new(v1::AppendStatementResponse { receipt: Some(wire(receipt)) }))
    }

    async fn append_statements(
        &self,
        request: Request<Streaming<v1::AppendStatementsRequest>>,
    ) -> Result<Response<Self::AppendStatementsStream>, Status> {
        let peer = peer(&request);
        let share = self.access.share(&request)?;
        let place = share.recording().map_err(status::too_many_streams)?;
        let access = self.access.clone();
        let most = if share.is_paced() { PACED_CHUNK } else { CHUNK };
        let engine = Arc::clone(&self.engine);
        let committing = Arc::clone(&self.engine);
        let answers = request
            .into_inner()
            // A client that hangs up in the middle ends its stream; what it sent is recorded all the same.
            .take_while(|message| std::future::ready(message.is_ok()))
            .filter_map(|message| std::future::ready(message.ok()))
            .map(|message| message.statement.unwrap_or_default())
            .ready_chunks(most)
            // A key that was revoked meanwhile sends no further; what has no answer was not taken.
            .take_while(move |_| std::future::ready(access.check_peer(peer, Right::Record).is_ok()))
            .map(move |chunk| {
                let (engine, share) = (Arc::clone(&engine), share.clone());
                let count = chunk.len();
                async move {
                    let room = share.wait(&chunk).await;
                    (count, engine.check_when_room(chunk).await, room)
                }
            })
            .buffered(CHECKING)
            // The calls to `commit` are made in the order of the stream: that is the order of the entries.
            .map(move |(count, checked, room)| {
                let receipts = checked.and_then(|checked| committing.commit(checked));
                async move {
                    let _room = room;
                    match receipts {
                        Ok(receipts) => receipts.await.unwrap_or_else(|_| vec![Err(writer_closed()); count]),
                        Err(refusal) => vec![Err(refusal); count],
                    }
                }
            })
            .buffered(WAITING)
            .flat_map(move |results| {
                let _place = &place;
                stream::iter(results.into_iter().map(|result| Ok(outcome(result))))
            });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn validate_statement(
        &self,
        request: Request<v1::ValidateStatementRequest>,
    ) -> Result<Response<v1::ValidateStatementResponse>, Status> {
        let (_, turn) = self.access.look(&request, Right::Record).await?;
        // Who may record and see nothing sees nothing of others' here either.
        let seen = self.access.check_peer(peer(&request), Right::Custody);
        let sight = seen.unwrap_or_else(|_| Sight::Own("".into()));
        let statement = request.into_inner().statement.ok_or_else(status::no_statement)?;
        let (engine, access) = (Arc::clone(&self.engine), self.access.clone());
        let validated = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let named = schemes_of(&statement);
            let mut result = engine.validate(statement);
            for (code, object, detail) in result.iter_mut().flat_map(|valid| &mut valid.findings) {
                // What it would break is the caller's to know; what somebody else's data set is made of is not.
                if is_of_others(&engine, (&access, &sight), &named, (*code, object.as_str()))? {
                    detail.clear();
                }
            }
            Ok::<_, Status>(result)
        });
        let result = validated.await.map_err(status::task)??;
        let response = match result {
            Err(refusal) => v1::ValidateStatementResponse {
                refusal: Some(status::refusal(refusal)),
                ..Default::default()
            },
            Ok(validation) => v1::ValidateStatementResponse {
                refusal: None,
                changed_records: validation.changed as u32,
                recorded_at_entry: validation.recorded_at.map(EntryIndex::get),
                findings: validation
                    .findings
                    .into_iter()
                    .map(|(code, object, detail)| v1::PredictedFinding {
                        code: code.word().into(),
                        object,
                        detail,
                    })
                    .collect(),
            },
        };
        Ok(Response::new(response))
    }

    async fn get_entry(
        &self,
        request: Request<v1::GetEntryRequest>,
    ) -> Result<Response<v1::GetEntryResponse>, Status> {
        let sight = self.access.call(&request, Right::Entries).await?;
        let entry = self.entry_bytes(EntryIndex::new(request.into_inner().entry_index), &sight)?;
        Ok(Response::new(v1::GetEntryResponse { entry: Some(entry) }))
    }

    async fn find_statement(
        &self,
        request: Request<v1::FindStatementRequest>,
    ) -> Result<Response<v1::FindStatementResponse>, Status> {
        let sight = self.access.call(&request, Right::Entries).await?;
        let request = request.into_inner();
        let key =
            KeyId::from_slice(&request.key_id).ok_or_else(|| status::bad_field("key_id", "16 bytes"))?;
        let id = StatementId { key, sequence: request.sequence };
        let row = self.engine.store().statement(&id).map_err(|e| status::storage(&e))?;
        let row = row.ok_or_else(|| status::not_found(&format!("statement {id}")))?;
        let entry = self.entry_bytes(row.entry, &sight).map_err(|error| match error.code() {
            // Named as it was asked for: the number of the entry is not the caller's to know.
            Code::NotFound => status::not_found(&format!("statement {id}")),
            _ => error,
        })?;
        Ok(Response::new(v1::FindStatementResponse { entry: Some(entry) }))
    }

    async fn read_entries(
        &self,
        request: Request<v1::ReadEntriesRequest>,
    ) -> Result<Response<Self::ReadEntriesStream>, Status> {
        let peer = peer(&request);
        let (sight, place) = self.access.stream(&request, Right::Entries)?;
        let request = request.into_inner();
        let size = self.engine.head().borrow().size.get();
        let end = if request.end == 0 { size } else { request.end };
        if request.start > end || end > size {
            return Err(status::bad_field("end", &format!("the ledger has {size} entries")));
        }
        let (pages, answers) = Pages::new();
        let (engine, access) = (Arc::clone(&self.engine), self.access.clone());
        tokio::task::spawn_blocking(move || {
            let _place = place;
            // A key that was revoked meanwhile reads no further.
            let may = || access.check_peer(peer, Right::Entries);
            let send = |page: Page| {
                let page = may().and(page);
                let whole = page.is_ok();
                pages.push(page.map(|entries| v1::ReadEntriesResponse { entries })) && whole
            };
            read_pages(&engine, request.start, end, |entry| access.sees(&sight, entry), send);
        });
        Ok(Response::new(answers))
    }

    async fn follow_entries(
        &self,
        request: Request<v1::FollowEntriesRequest>,
    ) -> Result<Response<Self::FollowEntriesStream>, Status> {
        let peer = peer(&request);
        let (_, place) = self.access.stream(&request, Right::Entries)?;
        let mut next = request.into_inner().start;
        let mut head = self.engine.head();
        if next > head.borrow().size.get() {
            return Err(status::bad_field("start", "past the end of the ledger"));
        }
        let (pages, answers) = Pages::new();
        let (engine, access) = (Arc::clone(&self.engine), self.access.clone());
        tokio::spawn(async move {
            let _place = place;
            loop {
                let size = head.borrow_and_update().size.get();
                if next < size {
                    let (engine, access, pages) = (Arc::clone(&engine), access.clone(), pages.clone());
                    let read = tokio::task::spawn_blocking(move || {
                        let send = |page: Page| {
                            pages.push(page.map(|entries| v1::FollowEntriesResponse { entries }))
                        };
                        // A key that was revoked meanwhile reads no further.
                        match access.check_peer(peer, Right::Entries) {
                            Ok(sight) => read_pages(&engine, next, size, |e| access.sees(&sight, e), send),
                            Err(status) => {
                                send(Err(status));
                                false
                            }
                        }
                    });
                    if !matches!(read.await, Ok(true)) {
                        return;
                    }
                    next = size;
                }
                tokio::select! {
                    changed = head.changed() => if changed.is_err() { return },
                    () = pages.closed() => return,
                }
            }
        });
        Ok(Response::new(answers))
    }
}

/// The schemes that a statement speaks of.
fn schemes_of(statement: &v1::SignedStatement) -> BTreeSet<String> {
    let parsed = ParsedStatement::parse(statement.clone());
    parsed.iter().flat_map(|parsed| &parsed.body().events).map(|event| event.scheme.clone()).collect()
}

/// Whether a finding is about a data set that is in the ledger and not within sight.
fn is_of_others(
    engine: &Engine,
    seen_by: (&Access, &Sight),
    schemes: &BTreeSet<String>,
    (code, object): (FindingCode, &str),
) -> Result<bool, Status> {
    if *seen_by.1 == Sight::All || code.about() != About::DataSet {
        return Ok(false);
    }
    let snapshot = engine.store().snapshot();
    for scheme in schemes {
        let bytes = snapshot.get(&key(Table::DataSet, &[scheme, object])).map_err(|e| status::state(&e))?;
        let Some(bytes) = bytes else { continue };
        let record: DataSetRecord = decode(&bytes).map_err(|e| status::state(&e))?;
        if seen::data_set(&snapshot, seen_by, scheme, (object, &record)).map_err(Status::from)?.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}

type Page = Result<Vec<prost::bytes::Bytes>, Status>;

/// Sends entries `start..end` in pages. `false` when the reader has gone or the disk failed.
fn read_pages(
    engine: &Engine,
    start: u64,
    end: u64,
    sees: impl Fn(&[u8]) -> Result<bool, Status>,
    send: impl Fn(Page) -> bool,
) -> bool {
    let snapshot = engine.store().snapshot();
    let mut page = Vec::new();
    let mut bytes = 0;
    let wanted = (end - start) as usize;
    for entry in snapshot.entries(EntryIndex::new(start)).take(wanted) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                send(Err(status::storage(&error)));
                return false;
            }
        };
        match sees(&entry) {
            Ok(true) => {}
            Ok(false) => continue,
            Err(status) => {
                send(Err(status));
                return false;
            }
        }
        bytes += entry.len();
        page.push(entry.into());
        if bytes >= PAGE_BYTES {
            bytes = 0;
            if !send(Ok(std::mem::take(&mut page))) {
                return false;
            }
        }
    }
    page.is_empty() || send(Ok(page))
}

fn writer_closed() -> Refusal {
    Refusal::new(RefusalCode::WriterClosed, "the ledger writer is closed")
}

fn outcome(result: Result<Receipt, Refusal>) -> v1::AppendStatementsResponse {
    let outcome = match result {
        Ok(receipt) => Outcome::Receipt(wire(receipt)),
        Err(refusal) => Outcome::Refusal(status::refusal(refusal)),
    };
    v1::AppendStatementsResponse { outcome: Some(outcome) }
}

pub(super) fn wire(receipt: Receipt) -> v1::Receipt {
    let proof = receipt.proof.map(|proof| v1::InclusionProof {
        tree_size: proof.size,
        hashes: proof.hashes.iter().map(|hash| hash.as_bytes().to_vec()).collect(),
        checkpoint: proof.checkpoint.to_string(),
    });
    v1::Receipt {
        entry_index: receipt.entry.get(),
        record_time_ms: receipt.recorded.unix_ms(),
        chain_hash: receipt.chain.as_bytes().to_vec(),
        repeated: receipt.repeated,
        previous_chain_hash: receipt.previous.as_bytes().to_vec(),
        proof,
    }
}
