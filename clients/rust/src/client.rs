//! The connection, and typed reads.

use std::time::Duration;

use futures::{Stream, StreamExt as _, TryStreamExt as _};
use tonic::Streaming;
use tonic::transport::{Channel, Endpoint};

use daicho_core::proto::{
    self, custody_service_client::CustodyServiceClient, ledger_service_client::LedgerServiceClient,
    proof_service_client::ProofServiceClient, report_service_client::ReportServiceClient,
    simulation_service_client::SimulationServiceClient,
};

use crate::{ClientError, Security};

/// Longest message that is decoded, in bytes: a page of 1,000 data sets with room to spare.
pub const MAX_DECODE_LEN: usize = 64 * 1024 * 1024;
/// How long a call may take until its answer begins.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// How often an idle or waiting connection is probed. A dead one is noticed at most 10 seconds later.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Results in a page: the most that the server gives.
const PAGE_SIZE: i32 = 1_000;

/// A connection to a ledger server. Clones share it.
#[derive(Debug, Clone)]
pub struct Client {
    channel: Channel,
}

/// Reads every page of a list call into one vector.
macro_rules! all_pages {
    ($service:expr, $call:ident, $items:ident, $request:ident { $($field:ident: $value:expr),* }) => {{
        let mut service = $service;
        let mut all = Vec::new();
        let mut request =
            proto::$request { page_size: PAGE_SIZE, $($field: $value,)* ..Default::default() };
        loop {
            let page = service.$call(request.clone()).await?.into_inner();
            all.extend(page.$items);
            if page.next_page_token.is_empty() {
                return Ok(all);
            }
            // A server that hands out the same page for ever must not fill our memory.
            if page.next_page_token == request.page_token {
                return Err(ClientError::Protocol("a page that is followed by itself".to_owned()));
            }
            request.page_token = page.next_page_token;
        }
    }};
}

impl Client {
    /// Connects without saying who calls, e.g. to `http://127.0.0.1:7340`, or to `https://…` with a certificate of an
    /// authority that the system knows. A connection that breaks later is made anew by the next call.
    ///
    /// # Errors
    /// [`ClientError::BadEndpoint`] or [`ClientError::Connect`].
    pub async fn connect(endpoint: &str) -> Result<Self, ClientError> {
        Self::connect_as(endpoint, &Security::default()).await
    }

    /// Connects to `https://…` with a key of the ledger, and only to a server with a certificate of the given authority.
    /// Over `http://…` there is no security to have, and it is not used.
    ///
    /// # Errors
    /// [`ClientError::BadEndpoint`], [`ClientError::BadIdentity`] or [`ClientError::Connect`].
    pub async fn connect_as(endpoint: &str, security: &Security<'_>) -> Result<Self, ClientError> {
        let bad = || ClientError::BadEndpoint { endpoint: endpoint.to_owned() };
        let target = Endpoint::from_shared(endpoint.to_owned()).map_err(|_| bad())?;
        // Without scheme and host the transport would fail later, and less clearly.
        if target.uri().scheme().is_none() || target.uri().host().is_none() {
            return Err(bad());
        }
        let secure = target.uri().scheme_str() == Some("https");
        let target = if secure {
            target.tls_config(security.config()?).map_err(|error| ClientError::BadIdentity(root(&error)))?
        } else {
            target
        };
        let channel = target
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(true)
            .connect()
            .await
            .map_err(|error| ClientError::Connect { endpoint: endpoint.to_owned(), reason: root(&error) })?;
        Ok(Self { channel })
    }

    /// The generated client of the ledger.
    pub fn ledger(&self) -> LedgerServiceClient<Channel> {
        LedgerServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_DECODE_LEN)
    }

    /// The generated client of proofs.
    pub fn proof(&self) -> ProofServiceClient<Channel> {
        ProofServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_DECODE_LEN)
    }

    /// The generated client of custody.
    pub fn custody(&self) -> CustodyServiceClient<Channel> {
        CustodyServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_DECODE_LEN)
    }

    /// The generated client of reports.
    pub fn report(&self) -> ReportServiceClient<Channel> {
        ReportServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_DECODE_LEN)
    }

    /// The generated client that moves the clock of a simulated ledger.
    pub fn simulation(&self) -> SimulationServiceClient<Channel> {
        SimulationServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_DECODE_LEN)
    }

    /// What ledger this is and how far it is.
    ///
    /// # Errors
    /// As every read: [`ClientError::Unreachable`] or [`ClientError::Server`].
    pub async fn ledger_info(&self) -> Result<proto::GetLedgerResponse, ClientError> {
        Ok(self.ledger().get_ledger(proto::GetLedgerRequest {}).await?.into_inner())
    }

    /// One entry.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] past the end.
    pub async fn entry(&self, entry_index: u64) -> Result<proto::Entry, ClientError> {
        let response = self.ledger().get_entry(proto::GetEntryRequest { entry_index }).await?;
        response.into_inner().entry.ok_or_else(|| ClientError::Protocol("an answer without its entry".into()))
    }

    /// Entry bytes from `start` to before `end`, or to the present end when `end` is 0.
    ///
    /// # Errors
    /// Here or in the stream, as every read.
    pub async fn read_entries(
        &self,
        start: u64,
        end: u64,
    ) -> Result<impl Stream<Item = Result<Vec<u8>, ClientError>> + use<>, ClientError> {
        let stream = self.ledger().read_entries(proto::ReadEntriesRequest { start, end }).await?.into_inner();
        Ok(flatten(stream, |response| response.entries.into_iter().map(Into::into).collect()))
    }

    /// Entry bytes from `start`, and on as new ones are recorded. Ends when the server stops.
    ///
    /// # Errors
    /// Here or in the stream, as every read.
    pub async fn follow_entries(
        &self,
        start: u64,
    ) -> Result<impl Stream<Item = Result<Vec<u8>, ClientError>> + use<>, ClientError> {
        let stream = self.ledger().follow_entries(proto::FollowEntriesRequest { start }).await?.into_inner();
        Ok(flatten(stream, |response| response.entries.into_iter().map(Into::into).collect()))
    }

    /// All parties.
    ///
    /// # Errors
    /// As every read.
    pub async fn parties(&self) -> Result<Vec<proto::Party>, ClientError> {
        all_pages!(self.custody(), list_parties, parties, ListPartiesRequest {})
    }

    /// All keys that were ever authorised.
    ///
    /// # Errors
    /// As every read.
    pub async fn keys(&self) -> Result<Vec<proto::Key>, ClientError> {
        all_pages!(self.custody(), list_keys, keys, ListKeysRequest {})
    }

    /// All schemes in force.
    ///
    /// # Errors
    /// As every read.
    pub async fn schemes(&self) -> Result<Vec<proto::SchemeSummary>, ClientError> {
        all_pages!(self.custody(), list_schemes, schemes, ListSchemesRequest {})
    }

    /// The data sets of a scheme.
    ///
    /// # Errors
    /// As every read; [`ClientError::NotFound`] for an unknown scheme.
    pub async fn data_sets(&self, scheme: &str) -> Result<Vec<proto::DataSetSummary>, ClientError> {
        all_pages!(
            self.custody(),
            list_data_sets,
            data_sets,
            ListDataSetsRequest { scheme: scheme.to_owned() }
        )
    }

    /// A data set with its copies, judged at `as_of_ms` (0: now).
    ///
    /// # Errors
    /// As every read; [`ClientError::NotFound`] when there is none.
    pub async fn data_set(
        &self,
        scheme: &str,
        data_set: &str,
        as_of_ms: i64,
    ) -> Result<proto::GetDataSetResponse, ClientError> {
        let (scheme, data_set) = (scheme.to_owned(), data_set.to_owned());
        let request = proto::GetDataSetRequest { scheme, data_set, as_of_ms };
        Ok(self.custody().get_data_set(request).await?.into_inner())
    }

    /// The copies of a scheme, judged at `as_of_ms` (0: now).
    ///
    /// # Errors
    /// As every read; [`ClientError::NotFound`] for an unknown scheme.
    pub async fn copies(&self, scheme: &str, as_of_ms: i64) -> Result<Vec<proto::CopyState>, ClientError> {
        all_pages!(
            self.custody(),
            list_copies,
            copies,
            ListCopiesRequest { scheme: scheme.to_owned(), as_of_ms: as_of_ms }
        )
    }

    /// The handovers of a scheme.
    ///
    /// # Errors
    /// As every read; [`ClientError::NotFound`] for an unknown scheme.
    pub async fn handovers(&self, scheme: &str) -> Result<Vec<proto::Handover>, ClientError> {
        all_pages!(
            self.custody(),
            list_handovers,
            handovers,
            ListHandoversRequest { scheme: scheme.to_owned() }
        )
    }

    /// What is due at or before `until_ms` (0: 7 days from now), of one scheme and party or of all (empty).
    ///
    /// # Errors
    /// As every read.
    pub async fn due(
        &self,
        scheme: &str,
        party: &str,
        until_ms: i64,
    ) -> Result<Vec<proto::DueItem>, ClientError> {
        all_pages!(
            self.custody(),
            list_due,
            due,
            ListDueRequest { scheme: scheme.to_owned(), party: party.to_owned(), until_ms: until_ms }
        )
    }

    /// What is due within `within_ms` (0: 7 days), then what changes in it. Ends when the server stops.
    ///
    /// # Errors
    /// Here or in the stream, as every read.
    pub async fn follow_due(
        &self,
        scheme: &str,
        party: &str,
        within_ms: i64,
    ) -> Result<impl Stream<Item = Result<proto::FollowDueResponse, ClientError>> + use<>, ClientError> {
        let (scheme, party) = (scheme.to_owned(), party.to_owned());
        let request = proto::FollowDueRequest { scheme, party, within_ms };
        Ok(self.custody().follow_due(request).await?.into_inner().map_err(ClientError::from))
    }

    /// Findings as they stand at `as_of_ms` (0: now), of one scheme or of all (empty).
    ///
    /// # Errors
    /// As every read.
    pub async fn findings(&self, scheme: &str, as_of_ms: i64) -> Result<Vec<proto::Finding>, ClientError> {
        all_pages!(
            self.custody(),
            list_findings,
            findings,
            ListFindingsRequest { scheme: scheme.to_owned(), as_of_ms: as_of_ms }
        )
    }

    /// Every duty of a scheme as it stands at a time; empty words mean all parties and all statuses.
    ///
    /// # Errors
    /// As for any call.
    pub async fn duties(
        &self,
        scheme: &str,
        as_of_ms: i64,
        who: &str,
        status: &str,
    ) -> Result<Vec<proto::Duty>, ClientError> {
        all_pages!(
            self.custody(),
            list_duties,
            duties,
            ListDutiesRequest {
                scheme: scheme.to_owned(),
                as_of_ms: as_of_ms,
                who: who.to_owned(),
                status: status.to_owned()
            }
        )
    }
}

/// The entries of a stream of groups of entries.
fn flatten<T>(
    stream: Streaming<T>,
    entries: impl Fn(T) -> Vec<Vec<u8>>,
) -> impl Stream<Item = Result<Vec<u8>, ClientError>> {
    stream
        .map_err(ClientError::from)
        .map_ok(move |group| futures::stream::iter(entries(group)).map(Ok))
        .try_flatten()
}

/// The innermost cause: what the system said.
fn root(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
