//! The pipeline: check → order → fold → commit → publish.
//!
//! - *Check* runs on all cores and is the only place where signatures are verified on the way in.
//! - *Order* is one writer thread: it gives each checked statement its index and its time. A replicated log can
//!   take its place; everything after it is deterministic.
//! - *Fold* and *commit* happen in groups: one synced batch for many statements. Nothing is acknowledged before.

mod clock;
mod engine;
mod error;
mod founding;
mod metrics;
mod overlay;
mod writer;

pub use clock::{Clock, SimulatedClock, SystemClock};
pub use engine::{Checked, Engine, EngineConfig, Receipt, Validation};
pub use error::EngineError;
pub use founding::{Founding, found};
pub use metrics::describe as describe_metrics;
