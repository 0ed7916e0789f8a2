//! The gRPC services. Handlers convert, call and convert back; rules live below.

mod custody;
mod due;
mod ledger;
mod pages;
mod proof;
mod read;
mod report;
mod seen;
mod simulation;
pub(crate) mod status;
mod wire;

pub(crate) use custody::Custody;
pub(crate) use ledger::Ledger;
pub(crate) use proof::Proof;
pub(crate) use report::Report;
pub(crate) use simulation::Simulation;
