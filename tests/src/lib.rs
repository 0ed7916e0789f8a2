//! What the end-to-end tests, the demonstration and the benchmarks share: servers of their own and a small play.

mod bucket;
mod daichod;
mod http;
pub mod liar;
mod play;
mod tsa;
mod witness;

pub use bucket::LocalBucket;
pub use daichod::{Daichod, binary, processor_seconds};
pub use play::{Play, SCHEME, collected, deleted, milestone};
pub use tsa::LocalTsa;
pub use witness::{LocalWitness, Manner};
