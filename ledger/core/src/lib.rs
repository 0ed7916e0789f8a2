//! The words and bytes of the ledger: time, ids, signatures, statements, entries, chain.
//!
//! This crate opens no socket, reads no clock and no file, and starts no thread.

mod entry;
mod era;
mod error;
mod id;
mod invitation;
mod personal;
mod possession;
mod sign;
mod statement;
mod steps;
mod text;
mod time;

pub use daicho_proto::v1 as proto;
pub use entry::{ChainHash, Entry, EntryIndex, LedgerSize, MAX_ENTRY_LEN, Place};
pub use era::{Era, EraYear};
pub use error::{EntryError, ReadCode, Refusal, RefusalCode};
pub use id::{MAX_ID_LEN, Origin, check_id, check_text};
pub use invitation::InvitationCode;
pub use personal::{Personal, find_personal, looks_personal};
pub use possession::{POSSESSION_TYPE, shows_possession};
pub use sign::{
    KeyId, PublicKey, Signer, SignerError, SigningKey, VerifyingKey, pre_authentication_encoding,
};
pub use statement::{
    CheckedStatement, Draft, MAX_EVENTS, MAX_FUTURE_SKEW_MS, MAX_SIGNERS, MAX_STATEMENT_LEN, PAYLOAD_TYPE,
    ParsedStatement, StatementId, sign_statement, sign_statement_with,
};
pub use steps::{durable_step, watch_durable_steps};
pub use text::any_text;
pub use time::{DAY_MS, Date, Instant, JST_OFFSET_MS};
