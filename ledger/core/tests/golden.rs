//! Golden vectors of the signed formats: `tests/vectors/*.json`, made by `tests/vectors/make.py`, which shares no
//! code with this project. A changed vector means a changed format. Never update one so that a test passes.

use std::sync::Arc;

use daicho_core::proto::{self, event::Fact};
use daicho_core::{
    ChainHash, Entry, EntryIndex, Instant, Origin, PAYLOAD_TYPE, ParsedStatement, SigningKey,
    pre_authentication_encoding, sign_statement,
};
use serde_json::Value;

fn vectors(name: &str) -> Value {
    let path = format!("../../tests/vectors/{name}.json");
    serde_json::from_str(&std::fs::read_to_string(path).expect("the vectors are part of the project"))
        .expect("JSON")
}

fn word(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(word(value)).expect("hexadecimal")
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("a number")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

/// The keys of the vectors: seeds of 32 equal bytes.
fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32])
}

/// What the statements of `ledger.json` say, written with the types of this project.
fn statements() -> Vec<proto::SignedStatement> {
    let t0 = 1_612_105_200_000;
    let event = |ms: i64, scheme: &str, fact: Fact| proto::Event {
        occur_time_ms: t0 + ms,
        scheme: scheme.into(),
        on_behalf_of: String::new(),
        fact: Some(fact),
    };
    let opened = proto::LedgerOpened {
        origin: "vectors.example/ledger".into(),
        clock: proto::Clock::System as i32,
        fold_version: 1,
        operator_party: "operator".into(),
        operator_key: Some(key(1).public().to_proto()),
        ward_party: "ward".into(),
        operator_label: "台帳運用者".into(),
        ward_label: "新宿区".into(),
        ward_key: Some(key(2).public().to_proto()),
    };
    let registered =
        proto::PartyRegistered { party: "library_notice/mailer".into(), label: "配信会社".into() };
    let authorized = proto::KeyAuthorized {
        party: "library_notice/mailer".into(),
        key: Some(key(3).public().to_proto()),
        purpose: "配信サーバ".into(),
        ..Default::default()
    };
    let part = |copy: &str, count| proto::CopyPart { copy: copy.into(), count };
    let deleted = proto::Deleted {
        copies: vec![part("c-1", 0), part("c-2", 40)],
        method: proto::SanitizationMethod::Clear as i32,
        technique: "overwrite".into(),
        verification: proto::CheckResult::Passed as i32,
        validation: proto::CheckResult::Passed as i32,
        backups: proto::BackupCoverage::NoneExist as i32,
        automatic: true,
        ..Default::default()
    };
    let sign =
        |signers: &[(&SigningKey, u64)], events| sign_statement("vectors.example/ledger", signers, events);
    vec![
        sign(&[(&key(1), 1)], vec![event(0, "", Fact::LedgerOpened(opened))]),
        sign(
            &[(&key(2), 1), (&key(1), 2)],
            vec![
                event(1000, "", Fact::PartyRegistered(registered)),
                event(1000, "", Fact::KeyAuthorized(authorized)),
            ],
        ),
        sign(&[(&key(3), 3)], vec![event(1200, "library_notice", Fact::Deleted(deleted))]),
    ]
}

#[test]
fn public_keys_and_key_ids_are_those_of_the_vectors() {
    let file = vectors("signing");
    for row in list(&file["keys"]) {
        let seed: [u8; 32] = bytes(&row["seed"]).try_into().expect("32 bytes");
        let public = SigningKey::from_seed(&seed).public();
        assert_eq!(public.as_bytes().as_slice(), bytes(&row["public"]));
        assert_eq!(public.id().to_string(), word(&row["key_id"]));
    }
}

#[test]
fn the_pre_authentication_encoding_is_that_of_the_vectors() {
    let file = vectors("signing");
    for row in list(&file["pre_authentication_encodings"]) {
        let pae = pre_authentication_encoding(word(&row["payload_type"]), &bytes(&row["body"]));
        assert_eq!(pae, bytes(&row["pae"]));
    }
    assert_eq!(word(&file["pre_authentication_encodings"][1]["payload_type"]), PAYLOAD_TYPE);
}

#[test]
fn statements_encode_and_sign_to_the_vectors() {
    let file = vectors("ledger");
    let made = statements();
    assert_eq!(made.len(), list(&file["entries"]).len());
    for (made, row) in made.iter().zip(list(&file["entries"])) {
        assert_eq!(hex::encode(&made.statement), word(&row["statement"]));
        let signatures: Vec<_> = made.signatures.iter().map(|s| hex::encode(&s.value)).collect();
        assert_eq!(signatures, list(&row["signatures"]).iter().map(word).collect::<Vec<_>>());
        assert_eq!(blake3::hash(&made.statement).to_hex().as_str(), word(&row["statement_hash"]));
    }
}

#[test]
fn the_statements_of_the_vectors_parse_and_verify() {
    let file = vectors("ledger");
    let keys: Vec<_> = (1..=3).map(|n| key(n).public()).collect();
    let find = |id: &daicho_core::KeyId| {
        let public = keys.iter().find(|public| public.id() == *id)?;
        public.to_verifying_key().map(Arc::new)
    };
    for (row, made) in list(&file["entries"]).iter().zip(statements()) {
        let entry = Entry::decode(&bytes(&row["entry"])).expect("an entry");
        let parsed = ParsedStatement::parse(entry.statement).expect("well formed");
        let names: Vec<(String, u64)> =
            parsed.signers().iter().map(|id| (id.key.to_string(), id.sequence)).collect();
        let wanted: Vec<(String, u64)> = list(&row["signers"])
            .iter()
            .map(|s| (word(&s["key_id"]).to_owned(), number(&s["sequence"])))
            .collect();
        assert_eq!(names, wanted);
        let checked = parsed.check("vectors.example/ledger", find).expect("signatures verify");
        assert_eq!(checked.signed(), &made);
    }
}

#[test]
fn entries_and_chain_hashes_are_those_of_the_vectors() {
    let file = vectors("ledger");
    let origin = Origin::new(word(&file["origin"])).expect("an origin");
    let mut head = ChainHash::of_origin(&origin);
    assert_eq!(head.to_string(), word(&file["origin_hash"]));
    for (row, statement) in list(&file["entries"]).iter().zip(statements()) {
        assert_eq!(head.to_string(), word(&row["previous"]));
        let entry = Entry {
            index: EntryIndex::new(number(&row["index"])),
            recorded: Instant::EPOCH.plus_ms(number(&row["recorded_ms"]) as i64),
            previous: head,
            statement,
        };
        let encoded = entry.encode();
        assert_eq!(hex::encode(&encoded), word(&row["entry"]));
        assert_eq!(Entry::decode(&encoded), Ok(entry));
        head = ChainHash::of_entry(&encoded);
        assert_eq!(head.to_string(), word(&row["chain_hash"]));
    }
}
