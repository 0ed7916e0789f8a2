//! Golden vectors of the custody state: `tests/vectors/state.json`, made by `tests/vectors/make.py`, which shares no
//! code with this project. A changed vector means a changed format. Never update one so that a test passes.

use std::collections::BTreeMap;
use std::sync::Arc;

use daicho_core::{Date, Entry, EntryIndex, Instant, ParsedStatement, SigningKey};
use daicho_custody::Fold;
use daicho_custody::state::{
    Changes, CopyChange, CopyFact, CopyRecord, DataSetRecord, Fact, FindingRecord, HandoverRecord, KeyRecord,
    MemoryState, Opening, SequenceRecord, Table, ThirdParty, decode, encode, key, key_at, part,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
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

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

const TABLES: [Table; 25] = [
    Table::Ledger,
    Table::Party,
    Table::Key,
    Table::Sequence,
    Table::DocumentPiece,
    Table::Document,
    Table::Scheme,
    Table::Rule,
    Table::Contract,
    Table::Approval,
    Table::DataSet,
    Table::Copy,
    Table::Handover,
    Table::Certificate,
    Table::CopyOfDataSet,
    Table::CopyFact,
    Table::Milestone,
    Table::Finding,
    Table::Relay,
    Table::Attestation,
    Table::Act,
    Table::Correction,
    Table::LateNumber,
    Table::OtherHandovers,
    Table::AttestationOfKind,
];

#[test]
fn table_bytes_are_the_ones_assigned() {
    let letters: String = TABLES.iter().map(|table| char::from(*table as u8)).collect();
    assert_eq!(letters, "LPKQDdSRCATcHEIeMFVXJZnhx");
}

#[test]
fn keys_are_built_and_taken_apart_as_in_the_vectors() {
    for row in list(&vectors("state")["keys"]) {
        let letter = word(&row["table"]).as_bytes()[0];
        let table = TABLES.into_iter().find(|table| *table as u8 == letter).expect("a table");
        let names: Vec<&str> = list(&row["parts"]).iter().map(word).collect();
        let built = match row["entry"].as_u64() {
            None => key(table, &names),
            Some(entry) => {
                let n = row["n"].as_u64().expect("a number") as u32;
                key_at(table, &names, EntryIndex::new(entry), n)
            }
        };
        assert_eq!(hex::encode(&built), word(&row["key"]));
        for (n, name) in names.into_iter().enumerate() {
            assert_eq!(part(&built, n), name);
        }
    }
}

fn same<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(
    records: &Value,
    name: &str,
    value: &T,
) {
    assert_eq!(hex::encode(encode(value)), word(&records[name]), "{name}");
    assert_eq!(&decode::<T>(&bytes(&records[name])).expect("a record"), value, "{name}");
}

#[test]
fn records_encode_and_decode_as_in_the_vectors() {
    let file = vectors("state");
    let records = &file["records"];
    let t0 = Instant::from_unix_ms(1_612_105_200_000).expect("in range");
    let at = Fact { occurred: t0, recorded: t0.plus_ms(1500), entry: EntryIndex::new(300) };
    let received = CopyRecord {
        data_set: "d-1".into(),
        kind: "address".into(),
        session: "s-1".into(),
        holder: "mailer".into(),
        member: String::new(),
        system: "mail_server".into(),
        unit: String::new(),
        how: Opening::Received,
        flow: "f1".into(),
        opened: at,
        subjects: 100,
        remaining: 60,
        closed: None,
        erasure_failed: false,
    };
    let printed = CopyRecord {
        session: String::new(),
        member: "shop-1".into(),
        system: "kiosk".into(),
        unit: "k-7".into(),
        how: Opening::Printed,
        flow: String::new(),
        remaining: 0,
        closed: Some(at),
        erasure_failed: true,
        ..received.clone()
    };
    same(records, "copy_received", &received);
    same(records, "copy_printed_and_closed", &printed);
    let handover = HandoverRecord {
        flow: "f1".into(),
        giver: "library".into(),
        taker: "mailer".into(),
        two_sided: true,
        given: Some(at),
        received: None,
        items: vec![("d-1".into(), 100)],
        mismatched: false,
    };
    same(records, "handover_given", &handover);
    let deleted = CopyChange::Deleted {
        count: 40,
        method: 1,
        automatic: true,
        validated: true,
        medium: 2,
        witnesses: 1,
        photographs: 3,
    };
    let moved = CopyChange::Moved { count: 100, to: "ward".into() };
    let certified = CopyChange::Certified {
        certificate: "z-1".into(),
        recipients: vec!["library".into()],
        third_party: Some(ThirdParty { issuer: "ADEC".into(), number: "A-7".into(), level: 2 }),
        photographs: 2,
    };
    let until = Date::parse("2021-04-30").expect("a day");
    let deferred = CopyChange::Deferred { until, ground: "区長の指示".into() };
    for (name, what) in [
        ("fact_deleted", deleted),
        ("fact_erasure_failed", CopyChange::ErasureFailed),
        ("fact_moved", moved),
        ("fact_certified", certified),
        ("fact_deferred", deferred),
    ] {
        same(records, name, &CopyFact { fact: at, what });
    }
    same(records, "sequence", &SequenceRecord { used: vec![(1, 3), (5, 900)], skipped: vec![(4, at)] });
    let data_set = DataSetRecord {
        kind: "address".into(),
        subjects: 100,
        session: "s-1".into(),
        items: vec!["mail".into()],
        classes: vec!["minor".into()],
        opened: at,
    };
    same(records, "data_set", &data_set);
    same(
        records,
        "finding",
        &FindingRecord {
            fact: at,
            detail: "due 2021-02-02T23:59:59.999+09:00".into(),
            by: "hyojito".into(),
            flow: String::new(),
        },
    );
    let revoked = KeyRecord {
        party: "mailer".into(),
        public: SigningKey::from_seed(&[3; 32]).public(),
        purpose: "配信サーバ".into(),
        authorized: at,
        revoked: Some((at, t0)),
    };
    same(records, "key_revoked", &revoked);
}

#[test]
fn the_first_entries_change_exactly_the_records_of_the_vectors() {
    let (ledger, file) = (vectors("ledger"), vectors("state"));
    let keys: Vec<_> = (1..=3).map(|n| SigningKey::from_seed(&[n; 32]).public()).collect();
    let find = |id: &daicho_core::KeyId| {
        keys.iter().find(|public| public.id() == *id)?.to_verifying_key().map(Arc::new)
    };
    let mut fold = Fold::default();
    let mut state = MemoryState::new();
    let mut custody = [0; 32];
    for (row, wanted) in list(&ledger["entries"]).iter().zip(list(&file["folded"])) {
        let entry = Entry::decode(&bytes(&row["entry"])).expect("an entry");
        let parsed = ParsedStatement::parse(entry.statement.clone()).expect("well formed");
        let checked = parsed.check(word(&ledger["origin"]), find).expect("signatures verify");
        let changes = fold.apply(&state, &checked, entry.place()).expect("accepted");
        let found: BTreeMap<String, String> = changes
            .records
            .iter()
            .map(|(key, value)| (hex::encode(key), value.as_ref().map(hex::encode).unwrap_or_default()))
            .collect();
        let expected: BTreeMap<String, String> = wanted["changes"]
            .as_object()
            .expect("an object")
            .iter()
            .map(|(key, value)| (key.clone(), word(value).to_owned()))
            .collect();
        assert_eq!(found, expected, "entry {}", entry.index);
        assert!(changes.findings.is_empty());
        custody = changes.digest(&custody);
        assert_eq!(hex::encode(custody), word(&wanted["custody"]), "entry {}", entry.index);
        state.apply(changes);
    }
}

#[test]
fn the_digest_tells_a_deletion_from_a_put() {
    let mut changes = Changes::default();
    changes.records.insert(key(Table::Copy, &["s", "a"]), Some(vec![1, 2]));
    changes.records.insert(key(Table::Copy, &["s", "b"]), None);
    assert_eq!(hex::encode(changes.digest(&[0; 32])), word(&vectors("state")["digest_with_a_deletion"]));
}
