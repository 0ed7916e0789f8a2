//! `CustodyService`: reads custody state from a snapshot.

use std::sync::{Arc, Mutex};

use daicho_core::{EntryIndex, Instant, KeyId};
use daicho_custody::duty::{Duty, DutyJudgement, DutySource, DutyStatus};
use daicho_custody::state::{
    CopyRecord, DataSetRecord, HandoverRecord, KeyRecord, PartyRecord, Row, Scan, SchemeRecord,
    SequenceRecord, StateError, Table, View as _, decode, key, parts,
};
use daicho_custody::{ContextCache, Due, DueWhat, Finding, FindingAnswer, Judge, Judgement};
use daicho_engine::Engine;
use daicho_proto::v1;
use daicho_proto::v1::custody_service_server::CustodyService;
use daicho_store::Snapshot;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};

use super::status;
use crate::access::{Access, Right, Sight, local, peer};

const DEFAULT_PAGE: usize = 100;
const MAX_PAGE: usize = 1_000;
/// Seven days, in milliseconds: how far ahead `ListDue` looks when nothing is said.
const DUE_AHEAD_MS: i64 = 7 * daicho_core::DAY_MS;
/// A hundred years, in milliseconds.
const MAX_AHEAD_MS: i64 = 36_525 * daicho_core::DAY_MS;

pub(crate) struct Custody {
    reader: Reader,
    access: Access,
    /// All who follow what is due share one processor, however many they are.
    following: Arc<Semaphore>,
}

/// Of what a list is asked for: a scheme and a party, or all of them (empty).
#[derive(Clone)]
struct Wanted {
    scheme: String,
    party: String,
}

/// Reads custody state. Clones share what they know of schemes.
#[derive(Clone)]
struct Reader {
    engine: Arc<Engine>,
    contexts: Arc<Mutex<ContextCache>>,
}

/// Which part of a list is asked for.
struct Page {
    size: usize,
    after: Option<String>,
}

impl Page {
    fn new(size: i32, token: &str) -> Result<Self, Status> {
        let size = usize::try_from(size).map_err(|_| status::bad_field("page_size", "0 or more"))?;
        let size = if size == 0 { DEFAULT_PAGE } else { size.min(MAX_PAGE) };
        let after = (!token.is_empty()).then(|| token.to_owned());
        if after.as_deref().is_some_and(|token| daicho_core::check_id("", token).is_err()) {
            return Err(not_of_this_list());
        }
        Ok(Self { size, after })
    }

    /// Rows of a table below `scope`, with the token of the next page.
    fn rows<T: DeserializeOwned>(
        &self,
        state: &dyn Scan,
        table: Table,
        scope: &[&str],
    ) -> Result<(Vec<(String, T)>, String), StateError> {
        let with = |id: &str| key(table, &scope.iter().copied().chain([id]).collect::<Vec<_>>());
        let after = self.after.as_deref().map(with);
        let mut rows = Vec::new();
        for row in state.scan(&key(table, scope), after.as_deref()) {
            if rows.len() == self.size {
                let token = rows.last().map(|(id, _): &(String, T)| id.clone()).unwrap_or_default();
                return Ok((rows, token));
            }
            let (place, value): Row = row?;
            let id = parts(&place).get(scope.len()).copied().unwrap_or_default().to_owned();
            rows.push((id, decode(&value)?));
        }
        Ok((rows, String::new()))
    }

    /// Part of a list that is computed whole; the token is a position.
    fn slice<T>(&self, all: Vec<T>) -> Result<(Vec<T>, String), Status> {
        let start: usize = match &self.after {
            None => 0,
            Some(token) => token.parse().map_err(|_| not_of_this_list())?,
        };
        let end = (start + self.size).min(all.len());
        let token = if end < all.len() { end.to_string() } else { String::new() };
        Ok((all.into_iter().skip(start).take(self.size).collect(), token))
    }
}

impl Custody {
    pub(crate) fn new(engine: Arc<Engine>, access: Access) -> Self {
        let reader = Reader { engine, contexts: Arc::default() };
        Self { reader, access, following: Arc::new(Semaphore::new(1)) }
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Snapshot<'_>, &mut ContextCache) -> Result<T, Failure> + Send + 'static,
    ) -> Result<Response<T>, Status> {
        self.reader.read(work).await.map(Response::new)
    }

    fn as_of(&self, ms: i64) -> Result<Instant, Status> {
        if ms == 0 { Ok(self.reader.engine.now()) } else { status::time("as_of_ms", ms) }
    }
}

impl Reader {
    /// Runs a read on a thread that may block.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Snapshot<'_>, &mut ContextCache) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Status> {
        let (engine, contexts) = (Arc::clone(&self.engine), Arc::clone(&self.contexts));
        let result = tokio::task::spawn_blocking(move || {
            let snapshot = engine.store().snapshot();
            // A copy, so that long reads do not wait for one another.
            let mut cache = contexts.lock().map(|cache| cache.clone()).unwrap_or_default();
            let result = work(&snapshot, &mut cache);
            if let Ok(mut shared) = contexts.lock() {
                *shared = cache;
            }
            result
        });
        match result.await.map_err(status::task)? {
            Ok(value) => Ok(value),
            Err(Failure::Status(status)) => Err(*status),
            Err(Failure::State(error)) => Err(status::state(&error)),
        }
    }

    /// What is due within so many milliseconds, and the time of the list.
    async fn due(
        self,
        wanted: Wanted,
        sight: Sight,
        within_ms: i64,
    ) -> Result<(Instant, Vec<v1::DueItem>), Status> {
        let now = self.engine.now();
        let times = (now, now.plus_ms(within_ms));
        self.read(move |state, cache| Ok((now, due_items(state, cache, &wanted, &sight, times)?))).await
    }
}

fn not_of_this_list() -> Status {
    status::bad_field("page_token", "not one of this list")
}

enum Failure {
    Status(Box<Status>),
    State(StateError),
}

impl From<StateError> for Failure {
    fn from(error: StateError) -> Self {
        Self::State(error)
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Status(Box::new(status))
    }
}

fn judge<'a>(state: &'a dyn Scan, cache: &mut ContextCache, scheme: &str) -> Result<Judge<'a>, Failure> {
    status::id("scheme", scheme)?;
    Ok(Judge::new(state, cache, scheme)?.ok_or_else(|| status::not_found(&format!("scheme `{scheme}`")))?)
}

fn scheme_ids(state: &dyn Scan, wanted: &str) -> Result<Vec<String>, StateError> {
    if !wanted.is_empty() {
        return Ok(vec![wanted.to_owned()]);
    }
    state
        .scan(&key(Table::Scheme, &[]), None)
        .map(|row| Ok(parts(&row?.0).first().copied().unwrap_or_default().to_owned()))
        .collect()
}

#[tonic::async_trait]
impl CustodyService for Custody {
    type FollowDueStream = super::due::Changes;

    async fn list_parties(
        &self,
        request: Request<v1::ListPartiesRequest>,
    ) -> Result<Response<v1::ListPartiesResponse>, Status> {
        self.access.check(&request, Right::Register)?;
        let request = request.into_inner();
        let page = Page::new(request.page_size, &request.page_token)?;
        self.read(move |state, _| {
            let (rows, next_page_token) = page.rows::<PartyRecord>(state, Table::Party, &[])?;
            let parties = rows.into_iter().map(|(id, p)| v1::Party {
                id,
                label: p.label,
                members: p.members.into_iter().map(|(id, _)| id).collect(),
            });
            Ok(v1::ListPartiesResponse { parties: parties.collect(), next_page_token })
        })
        .await
    }

    async fn list_keys(
        &self,
        request: Request<v1::ListKeysRequest>,
    ) -> Result<Response<v1::ListKeysResponse>, Status> {
        let sight = self.access.check(&request, Right::Keys)?;
        let request = request.into_inner();
        let page = Page::new(request.page_size, &request.page_token)?;
        self.read(move |state, _| {
            let (rows, next_page_token) = page.rows::<KeyRecord>(state, Table::Key, &[])?;
            let mut keys = Vec::with_capacity(rows.len());
            for (hex, record) in rows {
                if sight.party().is_some_and(|own| own != record.party) {
                    continue;
                }
                let used = state.get(&key(Table::Sequence, &[&hex]))?;
                let used: SequenceRecord = used.map(|bytes| decode(&bytes)).transpose()?.unwrap_or_default();
                keys.push(wire_key(&hex, record, &used));
            }
            Ok(v1::ListKeysResponse { keys, next_page_token })
        })
        .await
    }

    async fn list_schemes(
        &self,
        request: Request<v1::ListSchemesRequest>,
    ) -> Result<Response<v1::ListSchemesResponse>, Status> {
        self.access.check(&request, Right::Register)?;
        let request = request.into_inner();
        let page = Page::new(request.page_size, &request.page_token)?;
        let now = self.reader.engine.now();
        self.read(move |state, cache| {
            let (rows, next_page_token) = page.rows::<SchemeRecord>(state, Table::Scheme, &[])?;
            let mut schemes = Vec::with_capacity(rows.len());
            for (id, _) in rows {
                schemes.push(summary(&judge(state, cache, &id)?, now));
            }
            Ok(v1::ListSchemesResponse { schemes, next_page_token })
        })
        .await
    }

    async fn get_scheme(
        &self,
        request: Request<v1::GetSchemeRequest>,
    ) -> Result<Response<v1::GetSchemeResponse>, Status> {
        self.access.check(&request, Right::Register)?;
        let id = request.into_inner().scheme;
        let now = self.reader.engine.now();
        self.read(move |state, cache| {
            let judge = judge(state, cache, &id)?;
            let Some(version) = judge.record().versions.last() else {
                return Err(status::not_found(&format!("scheme `{id}`")).into());
            };
            let text = |hash: &[u8; 32]| -> Result<String, Failure> {
                let bytes = daicho_custody::fold::document(state, hash)?.unwrap_or_default();
                String::from_utf8(bytes).map_err(|_| StateError("a document is no text".into()).into())
            };
            Ok(v1::GetSchemeResponse {
                summary: Some(summary(&judge, now)),
                scheme_toml: text(&version.scheme_document)?,
                vocabulary_toml: text(&version.vocabulary_document)?,
                calendar_toml: version.calendar_document.as_ref().map(text).transpose()?.unwrap_or_default(),
            })
        })
        .await
    }

    async fn list_data_sets(
        &self,
        request: Request<v1::ListDataSetsRequest>,
    ) -> Result<Response<v1::ListDataSetsResponse>, Status> {
        let sight = self.access.check(&request, Right::Custody)?;
        let request = request.into_inner();
        let page = Page::new(request.page_size, &request.page_token)?;
        self.read(move |state, cache| {
            judge(state, cache, &request.scheme)?;
            let (rows, next_page_token) =
                page.rows::<DataSetRecord>(state, Table::DataSet, &[&request.scheme])?;
            let mut data_sets = Vec::with_capacity(rows.len());
            for (id, record) in rows {
                let mut copies = 0;
                for copy in copies_of(state, &request.scheme, &id)? {
                    copies += usize::from(sees_copy(state, &sight, &request.scheme, &copy)?);
                }
                if copies > 0 || sight == Sight::All {
                    data_sets.push(wire_data_set(id, &record, copies));
                }
            }
            Ok(v1::ListDataSetsResponse { data_sets, next_page_token })
        })
        .await
    }

    async fn get_data_set(
        &self,
        request: Request<v1::GetDataSetRequest>,
    ) -> Result<Response<v1::GetDataSetResponse>, Status> {
        let sight = self.access.check(&request, Right::Custody)?;
        let request = request.into_inner();
        let t = self.as_of(request.as_of_ms)?;
        self.read(move |state, cache| {
            let judge = judge(state, cache, &request.scheme)?;
            status::id("data_set", &request.data_set)?;
            let place = key(Table::DataSet, &[&request.scheme, &request.data_set]);
            let bytes = state.get(&place)?;
            let bytes =
                bytes.ok_or_else(|| status::not_found(&format!("data set `{}`", request.data_set)))?;
            let record: DataSetRecord = decode(&bytes)?;
            let mut copies = Vec::new();
            for id in copies_of(state, &request.scheme, &request.data_set)? {
                let bytes = state.get(&key(Table::Copy, &[&request.scheme, &id]))?;
                let bytes = bytes.ok_or_else(|| StateError(format!("copy {id} is indexed and missing")))?;
                let copy: CopyRecord = decode(&bytes)?;
                if copy.opened.recorded <= t && sight.of_any(&request.scheme, [copy.holder.as_str()]) {
                    let judgement = judge.judge(&id, &copy, t)?;
                    copies.push(wire_copy(id, copy, &judgement));
                }
            }
            if copies.is_empty() && sight != Sight::All {
                return Err(status::not_found(&format!("data set `{}`", request.data_set)).into());
            }
            let items = record.items.clone();
            let summary = wire_data_set(request.data_set, &record, copies.len());
            Ok(v1::GetDataSetResponse { summary: Some(summary), items, copies })
        })
        .await
    }

    async fn list_copies(
        &self,
        request: Request<v1::ListCopiesRequest>,
    ) -> Result<Response<v1::ListCopiesResponse>, Status> {
        let sight = self.access.check(&request, Right::Custody)?;
        let request = request.into_inner();
        let page = Page::new(request.page_size, &request.page_token)?;
        let t = self.as_of(request.as_of_ms)?;
        self.read(move |state, cache| {
            let judge = judge(state, cache, &request.scheme)?;
            let mut copies = Vec::new();
            let mut next_page_token = String::new();
            for row in judge.copies(t, page.after.as_deref()) {
                let (id, copy) = row?;
                if !sight.of_any(&request.scheme, [copy.holder.as_str()]) {
                    continue;
                }
                if copies.len() == page.size {
                    next_page_token = copies.last().map(|c: &v1::CopyState| c.id.clone()).unwrap_or_default();
                    break;
                }
                let judgement = judge.judge(&id, &copy, t)?;
                copies.push(wire_copy(id, copy, &judgement));
            }
            Ok(v1::ListCopiesResponse { copies, next_page_token })
        })
        .await
    }

    async fn list_handovers(
        &self,
        request: Request<v1::ListHandoversRequest>,
    ) -> Result<Response<v1::ListHandoversResponse>, Status> {
        let sight = self.access.check(&request, Right::Custody)?;
        let request = request.into_inner();
        let page = Page::new(request.page_size, &request.page_token)?;
        self.read(move |state, cache| {
            judge(state, cache, &request.scheme)?;
            let (rows, next_page_token) =
                page.rows::<HandoverRecord>(state, Table::Handover, &[&request.scheme])?;
            let seen =
                |h: &HandoverRecord| sight.of_any(&request.scheme, [h.giver.as_str(), h.taker.as_str()]);
            let handovers = rows.into_iter().filter(|(_, h)| seen(h)).map(|(id, h)| v1::Handover {
                id,
                flow: h.flow,
                state: match (h.given, h.received) {
                    _ if h.mismatched => "mismatched",
                    (Some(_), Some(_)) => "matched",
                    (Some(_), None) => "sent",
                    _ => "received",
                }
                .to_owned(),
                given_entry: h.given.map_or(0, |f| f.entry.get()),
                received_entry: h.received.map_or(0, |f| f.entry.get()),
            });
            Ok(v1::ListHandoversResponse { handovers: handovers.collect(), next_page_token })
        })
        .await
    }

    async fn list_due(
        &self,
        request: Request<v1::ListDueRequest>,
    ) -> Result<Response<v1::ListDueResponse>, Status> {
        let sight = self.access.check(&request, Right::Custody)?;
        let request = request.into_inner();
        let page = Page::new(request.page_size, &request.page_token)?;
        let now = self.reader.engine.now();
        let until = match request.until_ms {
            0 => now.plus_ms(DUE_AHEAD_MS),
            ms => status::time("until_ms", ms)?,
        };
        self.read(move |state, cache| {
            let wanted = Wanted { scheme: request.scheme, party: request.party };
            let due = due_items(state, cache, &wanted, &sight, (now, until))?;
            let (due, next_page_token) = page.slice(due)?;
            Ok(v1::ListDueResponse { due, next_page_token })
        })
        .await
    }

    async fn follow_due(
        &self,
        request: Request<v1::FollowDueRequest>,
    ) -> Result<Response<Self::FollowDueStream>, Status> {
        let peer = peer(&request);
        self.access.check_peer(peer, Right::Custody)?;
        let request = request.into_inner();
        let within = match request.within_ms {
            0 => DUE_AHEAD_MS,
            ms if (1..=MAX_AHEAD_MS).contains(&ms) => ms,
            _ => return Err(status::bad_field("within_ms", "0 to 100 years")),
        };
        let wanted = Wanted { scheme: request.scheme, party: request.party };
        let (reader, access, following) =
            (self.reader.clone(), self.access.clone(), Arc::clone(&self.following));
        let look = move || {
            let (reader, access, wanted) = (reader.clone(), access.clone(), wanted.clone());
            let following = Arc::clone(&following);
            async move {
                // It is never closed.
                let _turn = following.acquire().await;
                // A key that is revoked meanwhile sees no further.
                let sight = access.check_peer(peer, Right::Custody)?;
                reader.due(wanted, sight, within).await
            }
        };
        // An unknown scheme is said at once, not in the stream.
        let first = look().await?;
        Ok(Response::new(super::due::follow(Arc::clone(&self.reader.engine), look, first)))
    }

    async fn list_findings(
        &self,
        request: Request<v1::ListFindingsRequest>,
    ) -> Result<Response<v1::ListFindingsResponse>, Status> {
        let sight = self.access.check(&request, Right::Findings)?;
        let request = request.into_inner();
        let page = Page::new(request.page_size, &request.page_token)?;
        let t = self.as_of(request.as_of_ms)?;
        let access = self.access.clone();
        self.read(move |state, cache| {
            let mut findings = Vec::new();
            let whole_ledger = request.scheme.is_empty();
            if whole_ledger {
                let mut keys = daicho_custody::key_findings(state, t, |_| true)?;
                let own = |f: &Finding| -> Result<bool, Failure> {
                    let Some(own) = sight.party() else { return Ok(true) };
                    let id = f.object.strip_prefix("key/").and_then(KeyId::parse);
                    let party = id.map(|id| access.party_of(&id)).transpose()?.flatten();
                    Ok(party.is_some_and(|party| party == own))
                };
                let seen: Vec<bool> = keys.iter().map(own).collect::<Result<_, _>>()?;
                let mut seen = seen.into_iter();
                keys.retain(|_| seen.next().unwrap_or(false));
                findings.extend(keys.into_iter().map(|f| wire_finding("", f)));
            }
            for scheme in scheme_ids(state, &request.scheme)? {
                let judge = judge(state, cache, &scheme)?;
                let mut own = Vec::new();
                for finding in judge.findings(t)? {
                    if sees_finding(state, (&access, &sight), &judge, &finding.object, t)? {
                        own.push(finding);
                    }
                }
                // A key may serve several schemes; in the list of all it stands once.
                own.retain(|f| !whole_ledger || !f.object.starts_with("key/"));
                findings.extend(own.into_iter().map(|f| wire_finding(&scheme, f)));
            }
            let (findings, next_page_token) = page.slice(findings)?;
            Ok(v1::ListFindingsResponse { findings, next_page_token })
        })
        .await
    }

    async fn list_duties(
        &self,
        request: Request<v1::ListDutiesRequest>,
    ) -> Result<Response<v1::ListDutiesResponse>, Status> {
        let sight = self.access.check(&request, Right::Findings)?;
        let request = request.into_inner();
        let page = Page::new(request.page_size, &request.page_token)?;
        let t = self.as_of(request.as_of_ms)?;
        let wanted_status = match request.status.as_str() {
            "" => None,
            word => Some(DutyStatus::parse(word).ok_or_else(|| {
                let words = DutyStatus::ALL.map(DutyStatus::word).join(", ");
                status::bad_field("status", &format!("no such status; there are: {words}"))
            })?),
        };
        self.read(move |state, cache| {
            let judge = judge(state, cache, &request.scheme)?;
            let wanted = |(duty, judged): &(Duty<'_>, DutyJudgement)| {
                (request.who.is_empty() || duty.who == request.who)
                    && sees_duty(&sight, &request.scheme, duty)
                    && wanted_status.is_none_or(|status| judged.status == status)
            };
            let duties = judge.all_duties(t)?.into_iter().filter(wanted);
            let duties = duties.map(|(duty, judged)| wire_duty(duty, judged)).collect();
            let (duties, next_page_token) = page.slice(duties)?;
            Ok(v1::ListDutiesResponse { duties, next_page_token })
        })
        .await
    }
}

/// What is due at the second time as known at the first, over all schemes nearest first.
fn due_items(
    state: &dyn Scan,
    cache: &mut ContextCache,
    wanted: &Wanted,
    sight: &Sight,
    (now, until): (Instant, Instant),
) -> Result<Vec<v1::DueItem>, Failure> {
    let mut items = Vec::new();
    for scheme in scheme_ids(state, &wanted.scheme)? {
        for one in judge(state, cache, &scheme)?.due(now, until)? {
            let who = one.who();
            let party = party_of_ledger(state, &scheme, who)?;
            let asked_for = wanted.party.is_empty() || wanted.party == who || wanted.party == party;
            if asked_for && sight.of_any(&scheme, [who]) {
                items.push(wire_due(&scheme, party, one));
            }
        }
    }
    // Each scheme is in order already, and stays so.
    items.sort_by_key(|item| item.due_ms);
    Ok(items)
}

/// How the ledger names a party of a scheme.
fn party_of_ledger(state: &dyn Scan, scheme: &str, party: &str) -> Result<String, StateError> {
    let own = format!("{scheme}/{party}");
    Ok(if state.get(&key(Table::Party, &[&own]))?.is_some() { own } else { party.to_owned() })
}

fn wire_due(scheme: &str, party: String, one: Due<'_>) -> v1::DueItem {
    let (due_ms, overdue) = (one.due.unix_ms(), one.overdue);
    let (copy, duty) = match one.what {
        DueWhat::Copy(id, copy, judgement) => (Some(wire_copy(id, copy, &judgement)), None),
        DueWhat::Duty(duty, judged) => (None, Some(wire_duty(duty, judged))),
    };
    v1::DueItem { scheme: scheme.to_owned(), copy, duty, party, due_ms, overdue }
}

/// Whether a copy is held by whoever looks.
fn sees_copy(state: &dyn Scan, sight: &Sight, scheme: &str, id: &str) -> Result<bool, StateError> {
    if *sight == Sight::All {
        return Ok(true);
    }
    let bytes = state.get(&key(Table::Copy, &[scheme, id]))?;
    let copy = bytes.map(|bytes| decode::<CopyRecord>(&bytes)).transpose()?;
    Ok(copy.is_some_and(|copy| sight.of_any(scheme, [copy.holder.as_str()])))
}

/// Whether a finding is about something of whoever looks.
fn sees_finding(
    state: &dyn Scan,
    (access, sight): (&Access, &Sight),
    judge: &Judge<'_>,
    object: &str,
    t: Instant,
) -> Result<bool, Failure> {
    let Some(own) = sight.party() else { return Ok(true) };
    let scheme = judge.id();
    if object == own || local(own, scheme) == Some(object) || sees_copy(state, sight, scheme, object)? {
        return Ok(true);
    }
    if let Some(id) = object.strip_prefix("key/") {
        let party = KeyId::parse(id).map(|id| access.party_of(&id)).transpose()?.flatten();
        return Ok(party.is_some_and(|party| party == own));
    }
    if let Some(index) = object.strip_prefix("entry/").and_then(|n| n.parse().ok()) {
        return Ok(access.concerns_entry(EntryIndex::new(index), own)?);
    }
    if let Some(bytes) = state.get(&key(Table::Handover, &[scheme, object]))? {
        let handover: HandoverRecord = decode(&bytes)?;
        return Ok(sight.of_any(scheme, [handover.giver.as_str(), handover.taker.as_str()]));
    }
    for copy in copies_of(state, scheme, object)? {
        if sees_copy(state, sight, scheme, &copy)? {
            return Ok(true);
        }
    }
    let duties = daicho_custody::duty::duties(judge.version_at(t).1);
    Ok(duties.iter().any(|duty| duty.object() == object && sees_duty(sight, scheme, duty)))
}

/// Whether a duty is owed by or to whoever looks.
fn sees_duty(sight: &Sight, scheme: &str, duty: &Duty<'_>) -> bool {
    sight.of_any(scheme, duty.to.iter().map(String::as_str).chain([duty.who.as_str()]))
}

fn copies_of(state: &dyn Scan, scheme: &str, data_set: &str) -> Result<Vec<String>, StateError> {
    state
        .scan(&key(Table::CopyOfDataSet, &[scheme, data_set]), None)
        .map(|row| Ok(parts(&row?.0).get(2).copied().unwrap_or_default().to_owned()))
        .collect()
}

fn summary(judge: &Judge<'_>, t: Instant) -> v1::SchemeSummary {
    let (in_force, context) = judge.version_at(t);
    let scheme = &context.scheme;
    v1::SchemeSummary {
        id: scheme.id.clone(),
        version: scheme.version,
        title_ja: scheme.title.ja.clone(),
        title_en: scheme.title.en.clone(),
        enacted_entry: in_force.enacted.entry.get(),
    }
}

fn wire_key(hex: &str, record: KeyRecord, used: &SequenceRecord) -> v1::Key {
    v1::Key {
        id: KeyId::parse(hex).map(|id| id.as_bytes().to_vec()).unwrap_or_default(),
        party: record.party,
        purpose: record.purpose,
        authorized_entry: record.authorized.entry.get(),
        revoked: record.revoked.is_some(),
        revoked_entry: record.revoked.map_or(0, |(fact, _)| fact.entry.get()),
        last_sequence: used.last(),
        gaps: used
            .gaps()
            .into_iter()
            .map(|(from, to)| if from == to { from.to_string() } else { format!("{from}-{to}") })
            .collect(),
    }
}

fn wire_data_set(id: String, record: &DataSetRecord, copies: usize) -> v1::DataSetSummary {
    v1::DataSetSummary {
        id,
        kind: record.kind.clone(),
        subject_count: record.subjects,
        session: record.session.clone(),
        opened_entry: record.opened.entry.get(),
        copies: copies as u32,
    }
}

fn wire_finding(scheme: &str, finding: Finding) -> v1::Finding {
    v1::Finding {
        scheme: scheme.to_owned(),
        code: finding.code.word().to_owned(),
        object: finding.object,
        detail: finding.detail,
        entries: finding.entries.iter().map(|e| e.get()).collect(),
        occurrences: finding.occurrences,
        answers: finding.answers.into_iter().map(wire_answer).collect(),
    }
}

fn wire_copy(id: String, copy: CopyRecord, judgement: &Judgement) -> v1::CopyState {
    v1::CopyState {
        id,
        data_set: copy.data_set,
        holder: copy.holder,
        system: copy.system,
        unit: copy.unit,
        opened_ms: copy.opened.occurred.unix_ms(),
        opened_entry: copy.opened.entry.get(),
        closed_ms: judgement.closed.map_or(0, |f| f.occurred.unix_ms()),
        closed_entry: judgement.closed.map_or(0, |f| f.entry.get()),
        closed: judgement.closed.is_some(),
        verdict: judgement.verdict.word().to_owned(),
        evidence: judgement.evidence.word().to_owned(),
        due_ms: judgement.due.map_or(0, Instant::unix_ms),
        rule: judgement.rule.clone().unwrap_or_default(),
    }
}

fn wire_answer(answer: FindingAnswer) -> v1::FindingAnswer {
    v1::FindingAnswer {
        kind: answer.kind.word().to_owned(),
        by: answer.by,
        text: answer.text,
        entry: answer.entry.get(),
        occur_time_ms: answer.occurred.unix_ms(),
    }
}

fn wire_duty(duty: Duty<'_>, judged: DutyJudgement) -> v1::Duty {
    let object = duty.object();
    let (obligation, clause_sheet, clause) = match duty.source {
        DutySource::Obligation { id, .. } => (id, String::new(), 0),
        DutySource::Clause { sheet, n } => (String::new(), sheet, n),
    };
    v1::Duty {
        object,
        obligation,
        clause_sheet,
        clause,
        contract: duty.contract.map(|contract| contract.id.clone()).unwrap_or_default(),
        label: duty.label.to_owned(),
        asks_ja: duty.asks.ja,
        asks_en: duty.asks.en,
        kind: duty.check.word().to_owned(),
        who: duty.who,
        to: duty.to,
        status: judged.status.word().to_owned(),
        due_ms: judged.due.map_or(0, |due| due.unix_ms()),
        owed: judged.owed,
        met: judged.met,
        entries: judged.entries.iter().map(|e| e.get()).collect(),
        detail_ja: judged.detail.ja,
        detail_en: judged.detail.en,
    }
}
