//! Timestamps of RFC 3161.

use std::sync::LazyLock;

use daicho_verify::timestamp::{
    MAX_TIMESTAMP_LEN, TimestampRequest, TimestampResponse, TimestampToken, TsaTrust, VerifiedTime,
};
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

/// A token whose first set has as many members as fit, in reverse order: whoever sorts them as they come is slow.
pub(crate) fn large_tokens() -> Vec<(&'static str, Vec<u8>)> {
    // ContentInfo is an object identifier and a tag [0] around SignedData: a version, the set, and the rest.
    let token = &tokens()[0];
    let (kind, rest) = first(contents(token));
    let (version, rest) = first(contents(contents(rest)));
    let (_, rest) = first(rest);
    let room = MAX_TIMESTAMP_LEN - token.len() - 16;
    let members = (0..room / 7).rev().flat_map(|n| {
        let [.., a, b, c] = (n as u32).to_be_bytes();
        // A sequence of an object identifier of three bytes, the last below 128.
        [0x30, 5, 6, 3, 0x2a | a & 1, 0x80 | b >> 1 & 0x7f | 1, c & 0x7f]
    });
    let set = wrapped(0x31, &members.collect::<Vec<_>>());
    let signed = wrapped(0x30, &[version, &set, rest].concat());
    vec![("a long set", wrapped(0x30, &[kind, &wrapped(0xa0, &signed)].concat()))]
}

/// Length of the header of a DER value, and of all of it.
fn lengths(der: &[u8]) -> (usize, usize) {
    match der[1] {
        short @ 0..0x80 => (2, 2 + usize::from(short)),
        long => {
            let header = 2 + usize::from(long & 0x7f);
            (header, header + der[2..header].iter().fold(0, |len, byte| len << 8 | usize::from(*byte)))
        }
    }
}

fn contents(der: &[u8]) -> &[u8] {
    let (header, all) = lengths(der);
    &der[header..all]
}

fn first(der: &[u8]) -> (&[u8], &[u8]) {
    der.split_at(lengths(der).1)
}

fn wrapped(tag: u8, contents: &[u8]) -> Vec<u8> {
    let len = contents.len() as u32;
    let header = match len {
        0..0x80 => vec![tag, len as u8],
        _ => {
            let bytes = len.to_be_bytes();
            let skip = bytes.iter().take_while(|byte| **byte == 0).count();
            [&[tag, 0x80 | (4 - skip) as u8], &bytes[skip..]].concat()
        }
    };
    [header, contents.to_vec()].concat()
}
