//! What the end-to-end tests, the demonstration and the benchmarks share: servers of their own and a small play.

mod bucket;
mod daichod;
mod dying;
mod http;
pub mod liar;
mod load;
mod play;
mod port;
mod proxy;
mod receiver;
pub mod surroundings;
mod tsa;
mod witness;
mod witness_process;

pub use self::daichod::{Daichod, TLS, binary, checkpoint_key, processor_seconds, write_policy};
pub use bucket::LocalBucket;
pub use dying::{DEATH, DIE_AT_STEP, die_at_step};
pub use load::Acknowledged;
pub use play::{Play, SCHEME, collected, deleted, milestone, move_clock, recorded_by, statements};
pub use port::Port;
pub use proxy::{Fate, FaultyProxy};
pub use receiver::{LocalReceiver, WebhookCall};
pub use surroundings::Surroundings;
pub use tsa::LocalTsa;
pub use witness::{LocalWitness, Manner};
pub use witness_process::Witness;
