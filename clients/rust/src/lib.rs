//! The Rust client of Daichō: emits signed statements, and reads the ledger.
//!
//! ```no_run
//! use daicho_client::proto::{Collected, event::Fact};
//! use daicho_client::{Client, Emitter, Instant, SigningKey, event};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let key = SigningKey::from_pem(&std::fs::read_to_string("terminal.pem")?).ok_or("no Ed25519 key")?;
//! let client = Client::connect("http://127.0.0.1:7340").await?;
//! let mut emitter = Emitter::new(client, key).await?;
//!
//! let occurred = Instant::parse("2021-04-01T09:00:00+09:00").ok_or("no time")?;
//! let collected = Collected { flow: "queue_notice/entry".into(), ..Default::default() };
//! let receipt = emitter.emit(vec![event("queue_notice", occurred, Fact::Collected(collected))]).await?;
//! println!("recorded as entry {}", receipt.entry_index);
//! # Ok(())
//! # }
//! ```
//!
//! [`Emitter`] sends one statement at a time and waits for its receipt; [`EmitStream`] keeps many in flight.
//! Both send the same bytes again when the connection breaks or the server is busy: the ledger answers a
//! statement that it already has with its first receipt, so nothing is recorded twice.
//!
//! [`Outbox`] keeps statements on disk while the ledger is away, and sends them when it is back.
//!
//! [`Recorded::receipt`] is proof, to be kept in a file, that the ledger recorded the statement. With
//! [`Emitter::with_policy`] every one is verified when it arrives.
//!
//! [`ClientError`] says what to do next.

mod client;
mod document;
mod emitter;
mod error;
mod outbox;
mod proof;
mod receipt;
mod retry;
mod security;
mod split;
mod stream;

pub use client::{Client, KEEPALIVE_INTERVAL, MAX_DECODE_LEN, REQUEST_TIMEOUT};
pub use daicho_core::{
    Instant, KeyId, Refusal, RefusalCode, Signer, SignerError, SigningKey, StatementId, proto,
};
pub use daicho_verify::Receipt;
pub use document::{CHUNK_LEN, DocumentHash, Enacted, Enactment, MAX_DOCUMENT_LEN, document_chunks};
pub use emitter::{Emitter, Validation, event};
pub use error::ClientError;
pub use outbox::{Depth, Outbox, OutboxError, OutboxSettings};
pub use proof::{EntryName, Inclusion, KeptCheckpoint};
pub use receipt::{ReceiptFault, Recorded};
pub use retry::Retry;
pub use security::{Security, self_signed};
pub use split::split;
pub use stream::{Answer, EmitStream};
pub use tonic::Code;
