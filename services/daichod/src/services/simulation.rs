//! `SimulationService`: moves the clock of a simulated ledger.

use std::sync::Arc;

use daicho_engine::Engine;
use daicho_proto::v1;
use daicho_proto::v1::simulation_service_server::SimulationService;
use tonic::{Request, Response, Status};

use super::status;
use crate::access::{Access, Right};

pub(crate) struct Simulation {
    engine: Arc<Engine>,
    access: Access,
}

impl Simulation {
    pub(crate) fn new(engine: Arc<Engine>, access: Access) -> Self {
        Self { engine, access }
    }
}

#[tonic::async_trait]
impl SimulationService for Simulation {
    async fn advance_clock(
        &self,
        request: Request<v1::AdvanceClockRequest>,
    ) -> Result<Response<v1::AdvanceClockResponse>, Status> {
        self.access.call(&request, Right::Operate).await?;
        let to = status::time("now_ms", request.into_inner().now_ms)?;
        let clock =
            self.engine.simulated_clock().ok_or_else(|| Status::unimplemented("this clock is real"))?;
        if !clock.advance(to) {
            return Err(Status::failed_precondition(format!(
                "the clock stands at {} already",
                self.engine.now()
            )));
        }
        Ok(Response::new(v1::AdvanceClockResponse { now_ms: self.engine.now().unix_ms() }))
    }
}
