//! `tests/vectors/receipt.json` and the entries that it is about.

#![allow(dead_code, unreachable_pub, reason = "shared by tests that each use a part")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use daicho_tlog::{Policy, TreeHash};
use serde_json::Value;

pub struct Vectors {
    pub json: Value,
    pub policy: Policy,
    ledger: Value,
}

impl Vectors {
    pub fn read() -> Self {
        let json = file("receipt");
        let policy = Policy::parse(word(&json["policy"]).as_bytes()).expect("a policy");
        Self { json, policy, ledger: file("ledger") }
    }

    /// The bytes of an entry.
    pub fn entry(&self, index: usize) -> Vec<u8> {
        hex::decode(word(&self.ledger["entries"][index]["entry"])).expect("hexadecimal")
    }

    pub fn hash(&self, value: &Value) -> TreeHash {
        TreeHash::from_slice(&hex::decode(word(value)).expect("hexadecimal")).expect("32 bytes")
    }

    pub fn bundle(&self) -> Vec<u8> {
        BASE64.decode(word(&self.json["selective_bundle"])).expect("base64")
    }
}

fn file(name: &str) -> Value {
    let path = format!("../../tests/vectors/{name}.json");
    let text = std::fs::read_to_string(path).expect("the vectors are part of the project");
    serde_json::from_str(&text).expect("JSON")
}

pub fn word(value: &Value) -> &str {
    value.as_str().expect("a text")
}
