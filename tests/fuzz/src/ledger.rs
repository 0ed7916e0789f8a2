//! Statements and entries.

use std::collections::HashMap;
use std::sync::LazyLock;

use daicho_core::{
    Draft, Entry, InvitationCode, KeyId, MAX_STATEMENT_LEN, ParsedStatement, PublicKey, SigningKey,
    StatementId, VerifyingKey, proto,
};
use prost::Message as _;
use serde_json::Value;

use crate::assert_same;
use crate::large::LEN;
use crate::vectors::{LEDGER, SIGNING, bytes, list, read, word};

/// What the only signers of the vectors have signed.
struct Signed {
    origin: String,
    keys: HashMap<KeyId, VerifyingKey>,
    statements: Vec<Vec<u8>>,
}

static SIGNED: LazyLock<Signed> = LazyLock::new(|| {
    let ledger = read(LEDGER);
    let key = |vector: &Value| {
        let public = PublicKey::from_bytes(bytes(&vector["public"]).try_into().expect("32 bytes"));
        (public.id(), public.to_verifying_key().expect("a point"))
    };
    Signed {
        origin: word(&ledger["origin"]).to_owned(),
        keys: list(&read(SIGNING)["keys"]).iter().map(key).collect(),
        statements: list(&ledger["entries"]).iter().map(|entry| bytes(&entry["statement"])).collect(),
    }
});

/// The input is a `SignedStatement` in protobuf, as it comes over the wire.
pub(crate) fn statement(bytes: &[u8]) -> bool {
    proto::SignedStatement::decode(bytes).is_ok_and(|signed| check(&signed))
}

/// The input is a statement of several keys on its way from desk to desk.
pub(crate) fn draft(bytes: &[u8]) -> bool {
    let Ok(signed) = proto::SignedStatement::decode(bytes) else { return false };
    let Ok(mut draft) = Draft::parse(signed.clone()) else { return false };
    assert_eq!(draft.signed(), &signed);
    let missing = draft.signers().any(|(_, signed)| !signed);
    assert_eq!(
        ParsedStatement::parse(signed.clone()).is_ok(),
        !missing,
        "what all have signed is a statement"
    );
    let (key, before) = (desk(1), draft.signers().collect::<Vec<_>>());
    let own = |id: &StatementId| id.key == key.public().id();
    assert_eq!(draft.sign(&key), Ok(before.iter().any(|(id, _)| own(id))), "a signer signs, and nobody else");
    let wanted: Vec<_> = before.iter().map(|(id, signed)| (*id, *signed || own(id))).collect();
    assert_eq!(draft.signers().collect::<Vec<_>>(), wanted);
    assert_eq!(draft.signed().statement, signed.statement, "what is said stays");
    true
}

/// Key of an officer.
fn desk(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32])
}

/// The input is the file of a private key.
pub(crate) fn key(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else { return false };
    let Some(key) = SigningKey::from_pem(text) else { return false };
    let again = SigningKey::from_pem(&key.to_pem()).expect("own PEM");
    assert_eq!(again.public(), key.public());
    true
}

/// The input is the code of an invitation as somebody typed it.
pub(crate) fn invitation(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else { return false };
    let Some(code) = InvitationCode::parse(text) else { return false };
    let written = code.to_string();
    assert_eq!(written.len(), 34);
    assert_eq!(InvitationCode::parse(&written).map(|again| again.to_string()), Some(written));
    true
}

pub(crate) fn entry(bytes: &[u8]) -> bool {
    let Ok(entry) = Entry::decode(bytes) else { return false };
    assert_same(entry.encode(), bytes);
    let longer = [bytes, b"more"].concat();
    assert_eq!(Entry::decode_prefix(&longer).as_ref(), Ok(&(entry.clone(), bytes.len())));
    check(&entry.statement);
    true
}

fn check(signed: &proto::SignedStatement) -> bool {
    let Ok(parsed) = ParsedStatement::parse(signed.clone()) else { return false };
    assert_eq!(parsed.signed(), signed);
    assert_same(parsed.body().encode_to_vec(), &signed.statement);
    assert_eq!(proto::SignedStatement::decode(&signed.encode_to_vec()[..]).as_ref(), Ok(signed));
    if let Ok(checked) = parsed.check(&SIGNED.origin, |id| SIGNED.keys.get(id)) {
        let known = SIGNED.statements.iter().any(|statement| checked.signed().statement == statement);
        assert!(known, "a forged statement verifies");
    }
    true
}

pub(crate) fn entries() -> Vec<Vec<u8>> {
    list(&read(LEDGER)["entries"]).iter().map(|entry| bytes(&entry["entry"])).collect()
}

pub(crate) fn statements() -> Vec<Vec<u8>> {
    let statement =
        |entry: Vec<u8>| Entry::decode(&entry).expect("an entry of the vectors").statement.encode_to_vec();
    entries().into_iter().map(statement).collect()
}

/// Of two officers: as the first one writes it, and as one of them has signed it.
pub(crate) fn drafts() -> Vec<Vec<u8>> {
    let ids = [1, 2].map(|n| StatementId { key: desk(n).public().id(), sequence: n.into() });
    let event = proto::Event { scheme: "s".to_owned(), ..Default::default() };
    let draft = Draft::new(&SIGNED.origin, &ids, vec![event]).expect("a draft");
    let mut half = draft.clone();
    assert_eq!(half.sign(&desk(2)), Ok(true));
    [draft, half].iter().map(|draft| draft.signed().encode_to_vec()).chain(statements()).collect()
}

pub(crate) fn keys() -> Vec<Vec<u8>> {
    let pem = desk(3).to_pem();
    vec![pem.replace('\n', "\r\n").into_bytes(), pem.as_bytes().to_vec()]
}

pub(crate) fn invitations() -> Vec<Vec<u8>> {
    let code = InvitationCode::from_random([0x5a; 16]).to_string();
    let wide: String = code.chars().filter_map(|c| char::from_u32(u32::from(c) + 0xfee0)).collect();
    [code.to_lowercase().replace('-', " "), wide, code].map(String::into_bytes).into()
}

/// Messages that take few bytes each: many empty events, many empty signatures.
pub(crate) fn large_statements() -> Vec<(&'static str, Vec<u8>)> {
    const EMPTY_EVENT: [u8; 2] = [0x1a, 0];
    const EMPTY_SIGNATURE: [u8; 2] = [0x12, 0];
    let events = EMPTY_EVENT.repeat(MAX_STATEMENT_LEN / 2).into();
    vec![
        ("empty events", proto::SignedStatement { statement: events, signatures: vec![] }.encode_to_vec()),
        ("empty signatures", EMPTY_SIGNATURE.repeat(LEN / 2)),
    ]
}
