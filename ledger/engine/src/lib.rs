//! The pipeline: check → order → fold → commit → publish.
//!
//! - *Check* runs on all cores and is the only place where signatures are verified on the way in.
//! - *Order* is one writer thread: it gives each checked statement its index and its time. A replicated log can
//!   take its place; everything after it is deterministic.
//! - *Fold* and *commit* happen in groups: one synced batch for many statements. Nothing is acknowledged before.
//! - *Publish* signs one checkpoint for each group, has the fork guard hold it, and cuts each waiter's receipt from it.
//!
//! An entry is *recorded* when it would survive a loss of power, *published* when a signed checkpoint covers it, and
//! *witnessed* when that checkpoint has its quorum of cosignatures (which is asked for outside of this crate).

mod clock;
mod disk;
mod engine;
mod error;
mod founding;
mod guard;
mod metrics;
mod overlay;
mod publisher;
mod writer;

pub use clock::{Clock, ClockStep, ClockWatch, SimulatedClock, SystemClock};
pub use engine::{Authority, Checked, Engine, EngineConfig, InclusionProof, Receipt, Validation};
pub use error::EngineError;
pub use founding::{Founding, found};
pub use guard::{FileGuard, ForkGuard, GuardError};
pub use metrics::describe as describe_metrics;
pub use publisher::{ForkRisk, Published};
