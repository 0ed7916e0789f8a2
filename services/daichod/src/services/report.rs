//! `ReportService`: computes reports from a snapshot and streams them as JSON.

use std::sync::Arc;

use daicho_core::{Date, Instant};
use daicho_custody::{ContextCache, DeletionReport, ReportHead};
use daicho_engine::Engine;
use daicho_proto::v1;
use daicho_proto::v1::report_service_server::ReportService;
use tokio_stream::Iter;
use tonic::{Request, Response, Status};

use super::status;
use crate::access::{Access, Right};

/// Bytes of JSON in one message.
const PIECE: usize = 256 * 1024;

pub(crate) struct Report {
    engine: Arc<Engine>,
    access: Access,
}

impl Report {
    pub(crate) fn new(engine: Arc<Engine>, access: Access) -> Self {
        Self { engine, access }
    }
}

#[tonic::async_trait]
impl ReportService for Report {
    type GetDeletionReportStream = Iter<std::vec::IntoIter<Result<v1::GetDeletionReportResponse, Status>>>;

    async fn get_deletion_report(
        &self,
        request: Request<v1::GetDeletionReportRequest>,
    ) -> Result<Response<Self::GetDeletionReportStream>, Status> {
        let (_, turn) = self.access.look(&request, Right::Reports).await?;
        let request = request.into_inner();
        status::id("scheme", &request.scheme)?;
        let day = |field: &str, text: &str| {
            Date::parse(text).ok_or_else(|| status::bad_field(field, "a day such as 2021-02-01"))
        };
        let period = (day("from", &request.from)?, day("to", &request.to)?);
        if period.1 < period.0 {
            return Err(status::bad_field("to", "the period ends before it starts"));
        }
        let as_of = match request.as_of_ms {
            0 => self.engine.now(),
            ms => status::time("as_of_ms", ms)?,
        };
        let engine = Arc::clone(&self.engine);
        let scheme = request.scheme;
        let computed = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            compute(&engine, &scheme, period, as_of)
        });
        let json = computed.await.map_err(status::task)??;
        let pieces: Vec<_> = json
            .chunks(PIECE)
            .map(|piece| Ok(v1::GetDeletionReportResponse { json: piece.to_vec() }))
            .collect();
        Ok(Response::new(tokio_stream::iter(pieces)))
    }
}

fn compute(engine: &Engine, scheme: &str, period: (Date, Date), as_of: Instant) -> Result<Vec<u8>, Status> {
    let snapshot = engine.store().snapshot();
    let head = snapshot.head().map_err(|e| status::storage(&e))?;
    let head = ReportHead {
        origin: engine.origin().to_string(),
        simulated: engine.origin().is_simulated(),
        size: head.size.get(),
        chain_hash_hex: head.chain.to_string(),
        last_recorded: head.recorded,
    };
    let mut cache = ContextCache::default();
    let report = DeletionReport::compute(&snapshot, &mut cache, scheme, period, as_of, head)
        .map_err(|e| status::state(&e))?
        .ok_or_else(|| status::not_found(&format!("scheme `{scheme}`")))?;
    serde_json::to_vec(&report)
        .map_err(|error| Status::internal(format!("the report does not encode: {error}")))
}
