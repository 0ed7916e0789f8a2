//! `CustodyService`: reads custody state from a snapshot.

use std::sync::Arc;

use daicho_core::Instant;
use daicho_custody::duty::{Duty, DutyJudgement, DutyStatus};
use daicho_custody::state::{
    CopyRecord, DataSetRecord, HandoverRecord, InvitationRecord, KeyRecord, PartyRecord, SchemeRecord,
    SequenceRecord, StateError, Table, View as _, decode, key,
};
use daicho_custody::{ContextCache, handovers_of};
use daicho_engine::Engine;
use daicho_proto::v1;
use daicho_proto::v1::custody_service_server::CustodyService;
use daicho_store::Snapshot;
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};

use super::due::{self, Wanted};
use super::read::{Failure, Page, Reader, copies_of, judge, scheme_ids};
use super::{seen, status, wire};
use crate::access::{Access, Right, Sight, local, peer};

/// Seven days, in milliseconds: how far ahead `ListDue` looks when nothing is said.
const DUE_AHEAD_MS: i64 = 7 * daicho_core::DAY_MS;
/// A hundred years, in milliseconds.
const MAX_AHEAD_MS: i64 = 36_525 * daicho_core::DAY_MS;

pub(crate) struct Custody {
    reader: Reader,
    access: Access,
    /// Those who follow what is due look one after the other, however many they are.
    following: Arc<Semaphore>,
}

impl Custody {
    pub(crate) fn new(engine: Arc<Engine>, access: Access) -> Self {
        Self { reader: Reader::new(engine), access, following: Arc::new(Semaphore::new(1)) }
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

#[tonic::async_trait]
impl CustodyService for Custody {
    type FollowDueStream = due::Changes;

    async fn list_parties(
        &self,
        request: Request<v1::ListPartiesRequest>,
    ) -> Result<Response<v1::ListPartiesResponse>, Status> {
        self.access.call(&request, Right::Register).await?;
        let request = request.into_inner();
        let page = Page::new(request.page_size, &request.page_token)?;
        self.read(move |state, _| {
            let each = |id: &str, record: PartyRecord| Ok(Some(wire::party(id.to_owned(), record)));
            let (parties, next_page_token) = page.rows(state, Table::Party, &[], each)?;
            Ok(v1::ListPartiesResponse { parties, next_page_token })
        })
        .await
    }

    async fn list_keys(
        &self,
        request: Request<v1::ListKeysRequest>,
    ) -> Result<Response<v1::ListKeysResponse>, Status> {
        let sight = self.access.call(&request, Right::Keys).await?;
        let request = request.into_inner();
        let page = Page::new(request.page_size, &request.page_token)?;
        self.read(move |state, _| {
            let each = |hex: &str, record: KeyRecord| {
                if sight.party().is_some_and(|own| own != record.party) {
                    return Ok(None);
                }
                let used = state.get(&key(Table::Sequence, &[hex]))?;
                let used: SequenceRecord = used.map(|bytes| decode(&bytes)).transpose()?.unwrap_or_default();
                let invitation = state.get(&key(Table::Invitation, &[hex]))?;
                let invitation: Option<InvitationRecord> =
                    invitation.map(|bytes| decode(&bytes)).transpose()?;
                Ok(Some(wire::key(hex, record, &used, invitation)))
            };
            let (keys, next_page_token) = page.rows(state, Table::Key, &[], each)?;
            Ok(v1::ListKeysResponse { keys, next_page_token })
        })
        .await
    }

    async fn list_schemes(
        &self,
        request: Request<v1::ListSchemesRequest>,
    ) -> Result<Response<v1::ListSchemesResponse>, Status> {
        self.access.call(&request, Right::Register).await?;
        let request = request.into_inner();
        let page = Page::new(request.page_size, &request.page_token)?;
        let now = self.reader.engine.now();
        self.read(move |state, cache| {
            let each = |id: &str, _: SchemeRecord| Ok(Some(wire::summary(&judge(state, cache, id)?, now)));
            let (schemes, next_page_token) = page.rows(state, Table::Scheme, &[], each)?;
            Ok(v1::ListSchemesResponse { schemes, next_page_token })
        })
        .await
    }

    async fn get_scheme(
        &self,
        request: Request<v1::GetSchemeRequest>,
    ) -> Result<Response<v1::GetSchemeResponse>, Status> {
        self.access.call(&request, Right::Register).await?;
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
                summary: Some(wire::summary(&judge, now)),
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
        let (sight, turn) = self.access.look(&request, Right::Custody).await?;
        let request = request.into_inner();
        let page = Page::new(request.page_size, &request.page_token)?;
        let access = self.access.clone();
        self.read(move |state, cache| {
            let _turn = turn;
            let sight = seen::here(&sight, &judge(state, cache, &request.scheme)?);
            let each = |id: &str, record: DataSetRecord| {
                let seen = seen::data_set(state, (&access, &sight), &request.scheme, (id, &record))?;
                Ok(seen.map(|copies| wire::data_set(id.to_owned(), &record, copies)))
            };
            let (data_sets, next_page_token) = page.rows(state, Table::DataSet, &[&request.scheme], each)?;
            Ok(v1::ListDataSetsResponse { data_sets, next_page_token })
        })
        .await
    }

    async fn get_data_set(
        &self,
        request: Request<v1::GetDataSetRequest>,
    ) -> Result<Response<v1::GetDataSetResponse>, Status> {
        let sight = self.access.call(&request, Right::Custody).await?;
        let request = request.into_inner();
        let t = self.as_of(request.as_of_ms)?;
        let access = self.access.clone();
        self.read(move |state, cache| {
            let judge = judge(state, cache, &request.scheme)?;
            let sight = seen::here(&sight, &judge);
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
                    copies.push(wire::copy(id, copy, &judgement));
                }
            }
            let which = (request.data_set.as_str(), &record);
            let shown = || seen::data_set(state, (&access, &sight), &request.scheme, which);
            if sight != Sight::All && (copies.is_empty() || shown()?.is_none()) {
                return Err(status::not_found(&format!("data set `{}`", request.data_set)).into());
            }
            let items = record.items.clone();
            let summary = wire::data_set(request.data_set, &record, copies.len());
            Ok(v1::GetDataSetResponse { summary: Some(summary), items, copies })
        })
        .await
    }

    async fn list_copies(
        &self,
        request: Request<v1::ListCopiesRequest>,
    ) -> Result<Response<v1::ListCopiesResponse>, Status> {
        let (sight, turn) = self.access.look(&request, Right::Custody).await?;
        let request = request.into_inner();
        let page = Page::new(request.page_size, &request.page_token)?;
        let t = self.as_of(request.as_of_ms)?;
        self.read(move |state, cache| {
            let _turn = turn;
            let judge = judge(state, cache, &request.scheme)?;
            let sight = seen::here(&sight, &judge);
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
                copies.push(wire::copy(id, copy, &judgement));
            }
            Ok(v1::ListCopiesResponse { copies, next_page_token })
        })
        .await
    }

    async fn list_handovers(
        &self,
        request: Request<v1::ListHandoversRequest>,
    ) -> Result<Response<v1::ListHandoversResponse>, Status> {
        let (sight, turn) = self.access.look(&request, Right::Custody).await?;
        let request = request.into_inner();
        let page = Page::new(request.page_size, &request.page_token)?;
        self.read(move |state, cache| {
            let _turn = turn;
            let sight = seen::here(&sight, &judge(state, cache, &request.scheme)?);
            // Each pair of parties of an id; all of one id stand on one page.
            let each = |id: &str, _: HandoverRecord| {
                let known = handovers_of(state, &request.scheme, id)?.into_iter();
                let seen = known.filter(|record| seen::handover(&sight, &request.scheme, record));
                let seen: Vec<_> = seen.map(|record| wire::handover(id.to_owned(), record)).collect();
                Ok((!seen.is_empty()).then_some(seen))
            };
            let (handovers, next_page_token) = page.rows(state, Table::Handover, &[&request.scheme], each)?;
            let handovers = handovers.into_iter().flatten().collect();
            Ok(v1::ListHandoversResponse { handovers, next_page_token })
        })
        .await
    }

    async fn list_due(
        &self,
        request: Request<v1::ListDueRequest>,
    ) -> Result<Response<v1::ListDueResponse>, Status> {
        let (sight, turn) = self.access.look(&request, Right::Custody).await?;
        let request = request.into_inner();
        let page = Page::new(request.page_size, &request.page_token)?;
        let now = self.reader.engine.now();
        let until = match request.until_ms {
            0 => now.plus_ms(DUE_AHEAD_MS),
            ms => status::time("until_ms", ms)?,
        };
        self.read(move |state, cache| {
            let _turn = turn;
            let wanted = Wanted { scheme: request.scheme, party: request.party };
            let due = due::list(state, cache, &wanted, &sight, (now, until))?;
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
        let (_, place) = self.access.stream(&request, Right::Custody)?;
        // Held as long as the stream looks.
        let place = Arc::new(place);
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
            let (following, _place) = (Arc::clone(&following), Arc::clone(&place));
            async move {
                // It is never closed.
                let _turn = following.acquire().await;
                // A key that is revoked meanwhile sees no further.
                let sight = access.check_peer(peer, Right::Custody)?;
                let now = reader.engine.now();
                let times = (now, now.plus_ms(within));
                let due = move |state: &Snapshot<'_>, cache: &mut ContextCache| {
                    Ok((now, due::list(state, cache, &wanted, &sight, times)?))
                };
                reader.read(due).await
            }
        };
        // An unknown scheme is said at once, not in the stream.
        let first = look().await?;
        Ok(Response::new(due::follow(Arc::clone(&self.reader.engine), look, first)))
    }

    async fn list_findings(
        &self,
        request: Request<v1::ListFindingsRequest>,
    ) -> Result<Response<v1::ListFindingsResponse>, Status> {
        let (sight, turn) = self.access.look(&request, Right::Findings).await?;
        let request = request.into_inner();
        let page = Page::new(request.page_size, &request.page_token)?;
        let t = self.as_of(request.as_of_ms)?;
        let access = self.access.clone();
        self.read(move |state, cache| {
            let _turn = turn;
            let mut findings = Vec::new();
            let whole_ledger = request.scheme.is_empty();
            if whole_ledger {
                for finding in
                    daicho_custody::key_findings(state, t, &daicho_custody::Names::default(), |_| true)?
                {
                    let owns = sight.party().map(|own| access.owns_key(&finding.object, own)).transpose()?;
                    if owns.is_none_or(|owns| owns == Some(true)) {
                        findings.push(wire::finding("", finding));
                    }
                }
            }
            for scheme in scheme_ids(state, &request.scheme)? {
                let judge = judge(state, cache, &scheme)?;
                let sight = seen::here(&sight, &judge);
                let seen = seen::Findings::new(state, (&access, &sight), &judge, t);
                for finding in judge.findings(t)? {
                    // A key may serve several schemes; in the list of all it stands once.
                    let stands_above = whole_ledger && finding.object.starts_with("key/");
                    if !stands_above && seen.see(finding.code, &finding.object)? {
                        findings.push(wire::finding(&scheme, finding));
                    }
                }
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
        let (sight, turn) = self.access.look(&request, Right::Findings).await?;
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
            let _turn = turn;
            let judge = judge(state, cache, &request.scheme)?;
            let sight = seen::here(&sight, &judge);
            let who = local(&request.who, &request.scheme);
            if !request.who.is_empty() && who.is_none_or(|who| judge.context_at(t).party(who).is_none()) {
                return Err(status::not_found(&format!("party `{}`", request.who)).into());
            }
            let wanted = |(duty, judged): &(Duty<'_>, DutyJudgement)| {
                (request.who.is_empty() || Some(duty.who.as_str()) == who)
                    && seen::duty(&sight, &request.scheme, duty)
                    && wanted_status.is_none_or(|status| judged.status == status)
            };
            let duties = judge.all_duties(t)?.into_iter().filter(wanted);
            let duties = duties.map(|(duty, judged)| wire::duty(duty, judged)).collect();
            let (duties, next_page_token) = page.slice(duties)?;
            Ok(v1::ListDutiesResponse { duties, next_page_token })
        })
        .await
    }
}
