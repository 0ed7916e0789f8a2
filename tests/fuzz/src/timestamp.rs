//! Timestamps of RFC 3161.

use std::sync::LazyLock;

use daicho_verify::timestamp::{TimestampRequest, TimestampResponse, TimestampToken, TsaTrust, VerifiedTime};
use serde_json::Value;

use crate::assert_same;
use crate::vectors::{TIMESTAMP, bytes, list, read, word};

/// What an authority has signed.
struct Signed {
    note: String,
    nonce: u64,
    trust: TsaTrust,
    time: VerifiedTime,
}

static SIGNED: LazyLock<Vec<Signed>> = LazyLock::new(|| {
    let signed = |vector: &Value| {
        let note = word(&vector["note"]).to_owned();
        let nonce = u64::from_str_radix(word(&vector["nonce"]), 16).expect("a nonce");
        let trust = TsaTrust::new(&[bytes(&vector["root"])], None).expect("a root");
        let request = TimestampRequest::new(note.as_bytes(), None, nonce);
        let (_, time) = request.accept(&bytes(&vector["response"]), &trust).expect("a good token");
        Signed { note, nonce, trust, time }
    };
    list(&read(TIMESTAMP)["tokens"]).iter().map(signed).collect()
});

pub(crate) fn response(bytes: &[u8]) -> bool {
    let Ok(response) = TimestampResponse::parse(bytes) else { return false };
    let token = response.into_token();
    assert!(bytes.ends_with(token.as_der()), "a token that did not come");
    check(&token);
    for Signed { note, nonce, trust, time } in &*SIGNED {
        if let Ok((_, found)) = TimestampRequest::new(note.as_bytes(), None, *nonce).accept(bytes, trust) {
            assert_eq!(found, *time, "a forged answer verifies");
        }
    }
    true
}

pub(crate) fn token(bytes: &[u8]) -> bool {
    let Ok(token) = TimestampToken::parse(bytes) else { return false };
    assert_same(token.as_der(), bytes);
    check(&token);
    true
}

fn check(token: &TimestampToken) {
    assert_eq!(TimestampToken::parse(token.as_der()).as_ref(), Ok(token));
    for Signed { note, trust, time, .. } in &*SIGNED {
        if let Ok(found) = token.verify(note.as_bytes(), trust) {
            assert_eq!(found, *time, "a forged token verifies");
        }
    }
}

pub(crate) fn responses() -> Vec<Vec<u8>> {
    list(&read(TIMESTAMP)["tokens"]).iter().map(|vector| bytes(&vector["response"])).collect()
}

pub(crate) fn tokens() -> Vec<Vec<u8>> {
    let token = |response: Vec<u8>| {
        let response = TimestampResponse::parse(&response).expect("a response of the vectors");
        response.into_token().as_der().to_vec()
    };
    responses().into_iter().map(token).collect()
}
