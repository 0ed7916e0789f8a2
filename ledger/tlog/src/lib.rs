//! The formats of transparency logs: RFC 6962 Merkle trees and what C2SP builds on them. Pure, and free of anything
//! that only Daichō knows: a tool for another log could use it as it is.

pub mod merkle;
pub mod tile;

pub use merkle::TreeHash;
