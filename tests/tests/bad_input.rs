//! Bad input: each kind gets a clear error with its reason, and the ledger is unchanged.

use daicho_client::proto::event::Fact;
use daicho_client::proto::{
    AppendStatementRequest, Event, FindStatementRequest, GetDataSetRequest, GetDeletionReportRequest,
    KeyRevoked, ListCopiesRequest, ListDueRequest, ListFindingsRequest, ListPartiesRequest, PartyRegistered,
    ReadEntriesRequest, Signature, SignedStatement,
};
use daicho_client::{Client, ClientError, Instant, RefusalCode, SigningKey, event};
use daicho_core::sign_statement;
use daicho_tests::{Daichod, Play, SCHEME, collected, deleted};
use prost::Message as _;

struct Stage {
    _folder: tempfile::TempDir,
    server: Daichod,
    client: Client,
    play: Play,
    origin: String,
    now: Instant,
}

impl Stage {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Daichod::fresh(folder.path(), None).expect("a server");
        let client = server.client().await.expect("a client");
        let play = Play::prepare(&client, server.ward_key().expect("key")).await.expect("prepared");
        let origin = client.ledger_info().await.expect("info").origin;
        let now = play.ward.ledger_now().await.expect("time");
        Self { _folder: folder, server, client, play, origin, now }
    }

    async fn append(&self, statement: SignedStatement) -> Result<u64, ClientError> {
        let request = AppendStatementRequest { statement: Some(statement) };
        let response = self.client.ledger().append_statement(request).await.map_err(ClientError::from)?;
        Ok(response.into_inner().receipt.map_or(0, |r| r.entry_index))
    }

    fn sign(&self, sequence: u64, events: Vec<Event>) -> SignedStatement {
        sign_statement(&self.origin, &[(&self.play.contractor, sequence)], events)
    }

    /// Sends a statement that must be refused with `code`, and checks that nothing changed.
    async fn refused(&self, what: &str, statement: SignedStatement, code: RefusalCode) {
        let before = self.client.ledger_info().await.expect("info");
        let error = self.append(statement).await.expect_err(what);
        match &error {
            ClientError::Refused(refusal) => assert_eq!(refusal.code, code, "{what}: {refusal}"),
            other => panic!("{what}: {other}"),
        }
        let after = self.client.ledger_info().await.expect("info");
        assert_eq!((before.size, before.chain_hash), (after.size, after.chain_hash), "{what} left a trace");
    }
}

#[tokio::test]
async fn what_is_not_authentic_is_refused() {
    let stage = Stage::new().await;
    let good = stage.sign(1, vec![collected(stage.now, "a")]);

    let mut flipped = good.clone();
    flipped.signatures[0].value[5] ^= 1;
    stage.refused("a flipped signature", flipped, RefusalCode::BadSignature).await;

    let other = sign_statement(
        "other.example/ledger",
        &[(&stage.play.contractor, 1)],
        vec![collected(stage.now, "a")],
    );
    stage.refused("another ledger", other, RefusalCode::WrongOrigin).await;

    let stranger = SigningKey::from_seed(&[99; 32]);
    let unknown = sign_statement(&stage.origin, &[(&stranger, 1)], vec![collected(stage.now, "a")]);
    stage.refused("an unknown key", unknown, RefusalCode::UnknownKey).await;

    let mut stripped = good.clone();
    stripped.signatures.clear();
    stage.refused("no signature", stripped, RefusalCode::Malformed).await;

    let mut algorithm = good;
    algorithm.signatures[0] = Signature { algorithm: 2, value: vec![0; 64] };
    stage.refused("an algorithm without a number", algorithm, RefusalCode::Malformed).await;
}

#[tokio::test]
async fn what_is_malformed_is_refused() {
    let stage = Stage::new().await;
    let good = stage.sign(1, vec![collected(stage.now, "a")]);

    let mut cut = good.clone();
    cut.statement = cut.statement.slice(..cut.statement.len() - 3);
    stage.refused("truncated bytes", cut, RefusalCode::Malformed).await;

    // Field 200, a varint: a fact that this version does not know.
    let mut unknown_field = good.statement.to_vec();
    unknown_field.extend_from_slice(&[0xc0, 0x0c, 0x01]);
    let signed = resign(&stage.play.contractor, unknown_field);
    stage.refused("an unknown field", signed, RefusalCode::Malformed).await;

    let utf8 = good.statement.to_vec();
    let at = utf8.windows(8).position(|w| w == b"operator").expect("the system's name is in it");
    let mut broken = utf8;
    broken[at] = 0xff;
    stage.refused("invalid UTF-8", resign(&stage.play.contractor, broken), RefusalCode::Malformed).await;

    stage.refused("no event", stage.sign(1, Vec::new()), RefusalCode::Malformed).await;
    let many = (0..10_000).map(|_| Event::default()).collect();
    stage.refused("10,000 events", stage.sign(1, many), RefusalCode::TooLarge).await;
    let mut long = collected(stage.now, "a");
    if let Some(Fact::Collected(c)) = &mut long.fact {
        c.safeguards = vec!["x".repeat(60_000)];
    }
    stage.refused("60 KB in one statement", stage.sign(1, vec![long]), RefusalCode::TooLarge).await;
    stage
        .refused("a space in an id", stage.sign(1, vec![collected(stage.now, "a b")]), RefusalCode::Malformed)
        .await;
    let mut without = collected(stage.now, "a");
    without.fact = None;
    stage.refused("an event without a fact", stage.sign(1, vec![without]), RefusalCode::Malformed).await;
    let zero = sign_statement(&stage.origin, &[(&stage.play.contractor, 0)], vec![collected(stage.now, "a")]);
    stage.refused("number 0", zero, RefusalCode::Malformed).await;
}

#[tokio::test]
async fn what_names_nothing_or_something_taken_is_refused() {
    let stage = Stage::new().await;
    let future = stage.now.plus_ms(86_400_000);
    stage.refused("tomorrow", stage.sign(1, vec![collected(future, "a")]), RefusalCode::FutureTime).await;

    let mut scheme = collected(stage.now, "a");
    scheme.scheme = "no_such_scheme".into();
    stage.refused("an unknown scheme", stage.sign(1, vec![scheme]), RefusalCode::UnknownReference).await;

    let mut system = collected(stage.now, "a");
    if let Some(Fact::Collected(c)) = &mut system.fact {
        c.copies[0].system = "no_such_system".into();
    }
    stage.refused("an unknown system", stage.sign(1, vec![system]), RefusalCode::UnknownReference).await;

    stage.append(stage.sign(1, vec![collected(stage.now, "a")])).await.expect("recorded");
    stage
        .refused("a data set twice", stage.sign(2, vec![collected(stage.now, "a")]), RefusalCode::DuplicateId)
        .await;
    stage
        .refused("a used number", stage.sign(1, vec![collected(stage.now, "b")]), RefusalCode::SequenceUsed)
        .await;

    // The second event is at fault: the first one leaves no trace either.
    let both = vec![collected(stage.now, "c"), collected(stage.now, "a")];
    stage.refused("one bad event of two", stage.sign(2, both), RefusalCode::DuplicateId).await;
    stage.append(stage.sign(2, vec![collected(stage.now, "c")])).await.expect("c was not taken");

    let party = Fact::PartyRegistered(PartyRegistered { party: "x".into(), label: "x".into() });
    let usurped = stage.sign(3, vec![event("", stage.now, party)]);
    stage.refused("the contractor governs", usurped, RefusalCode::NotAuthorized).await;
}

#[tokio::test]
async fn a_revoked_key_is_refused_and_what_it_signed_before_stands() {
    let mut stage = Stage::new().await;
    stage.append(stage.sign(1, vec![collected(stage.now, "a")])).await.expect("recorded");
    let revoked = KeyRevoked {
        key_id: stage.play.contractor.public().id().as_bytes().to_vec(),
        distrust_from_ms: stage.now.unix_ms(),
        reason: "lost".into(),
    };
    let now = stage.now;
    stage.play.ward.emit(vec![event("", now, Fact::KeyRevoked(revoked))]).await.expect("recorded");
    stage.refused("a revoked key", stage.sign(2, vec![deleted(now, &["a"])]), RefusalCode::KeyRevoked).await;
    assert_eq!(stage.client.copies(SCHEME, 0).await.expect("listed").len(), 1);
    // In the list of its scheme and in that of all, once.
    for (scheme, named) in [(SCHEME, SCHEME), ("", "")] {
        let findings = stage.client.findings(scheme, 0).await.expect("listed");
        let about_keys: Vec<_> = findings.into_iter().filter(|f| f.code == "KEY_DISTRUSTED").collect();
        let [finding] = about_keys.as_slice() else { panic!("{about_keys:?}") };
        assert_eq!(finding.object, format!("key/{}", stage.play.contractor.public().id()));
        assert_eq!((finding.scheme.as_str(), finding.entries.len()), (named, 1));
        assert!(finding.detail.ends_with("last number 1"), "{}", finding.detail);
    }

    let again = stage.play.contractor.request(stage.play.ward.origin(), &format!("{SCHEME}/hyojito"), "");
    let error = stage.play.ward.emit(vec![event("", now, Fact::KeyAuthorized(again))]).await;
    assert!(matches!(error, Err(ClientError::Refused(r)) if r.code == RefusalCode::DuplicateId));
}

#[tokio::test]
async fn bad_news_is_recorded_as_a_finding() {
    let stage = Stage::new().await;
    stage.append(stage.sign(1, vec![deleted(stage.now, &["never-seen"])])).await.expect("recorded");
    let mut extra = collected(stage.now, "a");
    if let Some(Fact::Collected(c)) = &mut extra.fact {
        c.data_sets[0].items.push("name".into());
    }
    stage.append(stage.sign(2, vec![extra])).await.expect("recorded");
    let findings = stage.client.findings(SCHEME, 0).await.expect("listed");
    let codes: Vec<&str> = findings.iter().map(|f| f.code.as_str()).collect();
    assert!(codes.contains(&"UNRECORDED_COPY") && codes.contains(&"ITEMS_NOT_APPROVED"), "{codes:?}");
}

#[tokio::test]
async fn validating_tells_and_records_nothing() {
    let stage = Stage::new().await;
    let before = stage.client.ledger_info().await.expect("info");
    let request = daicho_client::proto::ValidateStatementRequest {
        statement: Some(stage.sign(1, vec![deleted(stage.now, &["never-seen"])])),
    };
    let answer = stage.client.ledger().validate_statement(request).await.expect("answers").into_inner();
    assert!(answer.refusal.is_none());
    assert_eq!(answer.findings.first().map(|f| f.code.as_str()), Some("UNRECORDED_COPY"));
    assert_eq!(
        before,
        daicho_client::proto::GetLedgerResponse {
            now_ms: before.now_ms,
            ..stage.client.ledger_info().await.expect("info")
        }
    );
}

#[tokio::test]
async fn validating_a_recorded_statement_tells_its_entry() {
    let stage = Stage::new().await;
    let validate = |statement: SignedStatement| {
        let request = daicho_client::proto::ValidateStatementRequest { statement: Some(statement) };
        let mut ledger = stage.client.ledger();
        async move { ledger.validate_statement(request).await.expect("answers").into_inner() }
    };
    let statement = stage.sign(1, vec![collected(stage.now, "a")]);
    assert_eq!(validate(statement.clone()).await.recorded_at_entry, None);
    let entry = stage.append(statement.clone()).await.expect("recorded");
    let answer = validate(statement).await;
    assert_eq!((answer.refusal, answer.recorded_at_entry), (None, Some(entry)));
    assert_eq!((answer.changed_records, answer.findings), (0, Vec::new()));

    // The same number with other bytes is refused, as recording it would be.
    let answer = validate(stage.sign(1, vec![collected(stage.now, "b")])).await;
    assert_eq!(answer.refusal.map(|r| r.reason).as_deref(), Some("SEQUENCE_USED"));
    assert_eq!(answer.recorded_at_entry, None);
}

/// The field that a call was turned down for.
fn bad_field<T>(result: Result<T, tonic::Status>) -> String {
    let status = result.map(drop).expect_err("a bad field");
    assert_eq!(status.code(), tonic::Code::InvalidArgument, "{status}");
    match ClientError::from(status) {
        ClientError::BadField { field, message } if !message.is_empty() => field,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn bad_fields_of_reading_calls_are_named_and_are_no_refusals() {
    let stage = Stage::new().await;
    let custody = || stage.client.custody();
    let scheme = || SCHEME.to_owned();

    let spaced = ListCopiesRequest { scheme: "a b".into(), ..Default::default() };
    assert_eq!(bad_field(custody().list_copies(spaced).await), "scheme");
    // A zero byte ends a part of a key of the state.
    let zero = GetDataSetRequest { scheme: scheme(), data_set: "a\0b".into(), as_of_ms: 0 };
    assert_eq!(bad_field(custody().get_data_set(zero).await), "data_set");
    let before = ListCopiesRequest { scheme: scheme(), as_of_ms: -1, ..Default::default() };
    assert_eq!(bad_field(custody().list_copies(before).await), "as_of_ms");
    let after = ListDueRequest { until_ms: i64::MAX, ..Default::default() };
    assert_eq!(bad_field(custody().list_due(after).await), "until_ms");
    let size = ListPartiesRequest { page_size: -1, ..Default::default() };
    assert_eq!(bad_field(custody().list_parties(size).await), "page_size");
    for page_token in ["a b", "\0"] {
        let token = ListPartiesRequest { page_token: page_token.into(), ..Default::default() };
        assert_eq!(bad_field(custody().list_parties(token).await), "page_token");
    }
    let token = ListFindingsRequest { page_token: "ward".into(), ..Default::default() };
    assert_eq!(bad_field(custody().list_findings(token).await), "page_token");

    let key = FindStatementRequest { key_id: vec![1; 15], sequence: 1 };
    assert_eq!(bad_field(stage.client.ledger().find_statement(key).await), "key_id");
    let range = ReadEntriesRequest { start: 2, end: 1 };
    assert_eq!(bad_field(stage.client.ledger().read_entries(range).await), "end");

    let report = |from: &str, to: &str| {
        let (from, to) = (from.to_owned(), to.to_owned());
        let mut service = stage.client.report();
        let request = GetDeletionReportRequest { scheme: scheme(), from, to, as_of_ms: 0 };
        async move { bad_field(service.get_deletion_report(request).await) }
    };
    assert_eq!(report("2021-02-30", "2021-03-01").await, "from");
    assert_eq!(report("2021-03-02", "2021-03-01").await, "to");

    // A call without its statement is about a statement.
    let empty = stage.client.ledger().append_statement(AppendStatementRequest { statement: None }).await;
    let refused = ClientError::from(empty.map(drop).expect_err("refused"));
    assert!(matches!(refused, ClientError::Refused(r) if r.code == RefusalCode::Malformed));
}

#[tokio::test]
async fn the_command_line_tells_wrong_usage_from_a_refusal() {
    let stage = Stage::new().await;
    let run = |args: &[&str]| {
        let mut command = tokio::process::Command::new(daicho_tests::binary("daicho").expect("built"));
        let output = command.args(args).args(["--lang", "en", "--server", stage.server.address()]).output();
        async move {
            let output = output.await.expect("runs");
            (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
        }
    };
    for args in [
        ["copies", "--scheme", "a b"].as_slice(),
        &["log", "--from", "1000000"],
        &["report", "deletion", "--scheme", "a b", "--from", "2021-03-01", "--to", "2021-03-02"],
        &["copies", "--scheme", "no_such_scheme"],
    ] {
        let (code, error) = run(args).await;
        assert_eq!(code, Some(2), "{args:?}: {error}");
        assert!(error.starts_with("error: "), "{args:?}: {error}");
    }
}

/// Signs bytes that no honest client would send.
fn resign(key: &SigningKey, statement: Vec<u8>) -> SignedStatement {
    let message = daicho_core::pre_authentication_encoding(daicho_core::PAYLOAD_TYPE, &statement);
    let signature = Signature { algorithm: 1, value: key.sign(&message).to_vec() };
    let signed = SignedStatement { statement: statement.into(), signatures: vec![signature] };
    assert!(signed.encoded_len() > 0);
    signed
}
