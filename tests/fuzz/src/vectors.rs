//! The golden vectors of `tests/vectors`, from which the seeds are made.

use base64::Engine as _;
use serde_json::Value;

/// Keys, notes, proofs, tiles and policies.
pub(crate) const TLOG: &str = include_str!("../../vectors/tlog.json");
/// Entries.
pub(crate) const LEDGER: &str = include_str!("../../vectors/ledger.json");
/// Keys that sign statements.
pub(crate) const SIGNING: &str = include_str!("../../vectors/signing.json");
/// A receipt, proofs of a fork, a bundle.
pub(crate) const RECEIPT: &str = include_str!("../../vectors/receipt.json");
/// Responses of timestamp authorities.
pub(crate) const TIMESTAMP: &str = include_str!("../../vectors/timestamp.json");

pub(crate) fn read(text: &str) -> Value {
    serde_json::from_str(text).expect("the vectors are JSON")
}

pub(crate) fn word(value: &Value) -> &str {
    value.as_str().expect("a text")
}

pub(crate) fn text(value: &Value) -> Vec<u8> {
    word(value).as_bytes().to_vec()
}

pub(crate) fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(word(value)).expect("hexadecimal")
}

pub(crate) fn base64(value: &Value) -> Vec<u8> {
    base64::engine::general_purpose::STANDARD.decode(word(value)).expect("base64")
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}
