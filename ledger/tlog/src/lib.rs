//! The formats of transparency logs: RFC 6962 Merkle trees and what C2SP builds on them. Pure, and free of anything
//! that only Daichō knows: a tool for another log could use it as it is.

pub mod checkpoint;
pub mod key;
pub mod merkle;
pub mod note;
pub mod policy;
pub mod proof;
pub mod tile;
pub mod witness;

pub use checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint};
pub use key::{Algorithm, KeyError, KeyId, NoteKey, NoteSigner, VerifierKey};
pub use merkle::TreeHash;
pub use note::{KeyName, Note, NoteError, NoteSignature, Verified};
pub use policy::Policy;
pub use proof::{TlogProof, TlogProofError};
