//! The wire messages of Daichō. `proto/daicho/v1/*.proto` documents each of them.

/// Package `daicho.v1`.
pub mod v1 {
    #![allow(clippy::all, clippy::pedantic, missing_docs, reason = "generated code")]
    include!(concat!(env!("OUT_DIR"), "/daicho.v1.rs"));
}

/// The file descriptors, encoded: what gRPC reflection serves.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
