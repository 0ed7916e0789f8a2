//! What can go wrong when a ledger is founded or started.

use daicho_core::Refusal;
use daicho_custody::state::StateError;
use daicho_store::StoreError;

/// A ledger that cannot be founded or started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The disk, or what is on it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The custody state.
    #[error(transparent)]
    State(#[from] StateError),
    /// The founding statement.
    #[error("the founding statement is refused: {0}")]
    Founding(#[from] Refusal),
    /// The last entry and the head do not fit together.
    #[error("the head does not match the last entry ({0}); run `daichod fsck`")]
    Head(String),
    /// Signing could make a fork.
    #[error(transparent)]
    Fork(#[from] crate::ForkRisk),
    /// The fork guard.
    #[error(transparent)]
    Guard(#[from] crate::GuardError),
    /// The keys that sign checkpoints are not those that the ledger names.
    #[error("checkpoint keys: {0}")]
    CheckpointKeys(String),
    /// The Merkle tree on disk is not that of the entries.
    #[error("the Merkle tree does not match the head ({0}); run `daichod fsck`")]
    Tree(String),
    /// A thread could not be started.
    #[error("a thread could not be started: {0}")]
    Thread(#[from] std::io::Error),
}
