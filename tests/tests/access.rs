//! TLS, and who may do what: every role calls every service, and gets what docs/operations/access.md says.

use std::time::Duration;

use daicho_client::proto::event::Fact;
use daicho_client::proto::{self, AdvanceClockRequest, KeyRevoked, PartyRegistered};
use daicho_client::{Client, ClientError, Emitter, Instant, RefusalCode, SigningKey, event};
use daicho_tests::{Daichod, Play, SCHEME, TLS, binary, collected, deleted, milestone};
use futures::TryStreamExt as _;
use sha2::Digest as _;
use tempfile::TempDir;
use tonic::{Code, Status};

const CONTRACTOR: &str = "queue_notice_service/hyojito";
const RIVAL: &str = "queue_notice_service/line_corp";

/// A ledger with two contractors, an auditor, the council, over TLS.
struct Scene {
    folder: TempDir,
    server: Daichod,
    ward: SigningKey,
    operator: SigningKey,
    now: Instant,
}

fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32])
}

impl Scene {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Daichod::init(folder.path(), Some("2021-02-01")).expect("founded");
        let server = Daichod::start(folder.path(), &[TLS]).expect("a server");
        let ward = server.ward_key().expect("key");
        let pem = std::fs::read_to_string(folder.path().join("operator.pem")).expect("key");
        let operator = SigningKey::from_pem(&pem).expect("key");
        let client = server.client().await.expect("a client");
        let mut play = Play::prepare(&client, server.ward_key().expect("key")).await.expect("prepared");
        let now = daicho_tests::move_clock(&client, "2021-02-01T10:00").await.expect("the ward may");
        let origin = play.ward.origin().to_owned();
        let authorized = |party: &str, n: u8, purpose: &str| {
            event("", now, Fact::KeyAuthorized(key(n).request(&origin, party, purpose)))
        };
        let registered = |party: &str| {
            event(
                "",
                now,
                Fact::PartyRegistered(PartyRegistered { party: party.into(), label: "試験".into() }),
            )
        };
        let invitation = proto::KeyAuthorized {
            invites_for: "server".into(),
            invites_until_ms: now.plus_ms(86_400_000).unix_ms(),
            ..key(54).request(&origin, RIVAL, "invitation")
        };
        play.ward
            .emit(vec![
                registered(RIVAL),
                registered("audit_office"),
                registered("shingikai"),
                authorized(RIVAL, 51, "server"),
                authorized("audit_office", 52, "auditor"),
                authorized("shingikai", 53, "council"),
                event("", now, Fact::KeyAuthorized(invitation)),
            ])
            .await
            .expect("recorded");
        let contractor = Play::contractor_key();
        let own = server.client_of(Some(&contractor)).await.expect("a client");
        let mut emitter = Emitter::new(own, contractor).await.expect("authorised");
        emitter.emit(vec![collected(now, "a"), milestone(now, &["a"])]).await.expect("recorded");
        Self { folder, server, ward, operator, now }
    }

    async fn client(&self, key: Option<&SigningKey>) -> Client {
        self.server.client_of(key).await.expect("a client")
    }
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Got {
    Allowed,
    NotKnown,
    NotAllowed,
}

fn got<T>(result: Result<T, ClientError>) -> Got {
    match result {
        Err(ClientError::NotKnown(_)) => Got::NotKnown,
        Err(ClientError::NotAllowed(_)) => Got::NotAllowed,
        // Whatever else it says, it was let in.
        _ => Got::Allowed,
    }
}

fn status<T>(result: Result<T, Status>) -> Got {
    match result.err().map(|status| status.code()) {
        Some(Code::Unauthenticated) => Got::NotKnown,
        Some(Code::PermissionDenied) => Got::NotAllowed,
        // Let in, and told that there is nothing to do or to see.
        None | Some(Code::InvalidArgument | Code::NotFound | Code::FailedPrecondition) => Got::Allowed,
        Some(other) => panic!("a call that broke: {other:?}"),
    }
}

fn receipt_of(index: u64) -> proto::GetReceiptRequest {
    let entry = Some(proto::get_receipt_request::Entry::EntryIndex(index));
    proto::GetReceiptRequest { entry, tree_size: 0 }
}

/// Calls every method, and gives the name of its right with what came of it.
async fn every_call(client: &Client, now: Instant) -> Vec<(&'static str, &'static str, Got)> {
    let scheme = || SCHEME.to_owned();
    let (mut ledger, mut proof, mut custody) = (client.ledger(), client.proof(), client.custody());
    let nothing = proto::SignedStatement::default();
    // A statement that is none is refused as such by whoever lets it in.
    let append = proto::AppendStatementRequest { statement: Some(nothing.clone()) };
    let validate = proto::ValidateStatementRequest { statement: Some(nothing.clone()) };
    let stream = futures::stream::iter([proto::AppendStatementsRequest { statement: Some(nothing) }]);
    let find = proto::FindStatementRequest { key_id: key(51).public().id().as_bytes().to_vec(), sequence: 1 };
    let report = proto::GetDeletionReportRequest {
        scheme: scheme(),
        from: "2021-02-01".into(),
        to: "2021-02-28".into(),
        as_of_ms: 0,
    };
    let advance = AdvanceClockRequest { now_ms: now.unix_ms() - 1 };
    vec![
        ("proofs", "GetLedger", got(client.ledger_info().await)),
        (
            "proofs",
            "GetCheckpoint",
            status(proof.get_checkpoint(proto::GetCheckpointRequest::default()).await),
        ),
        (
            "proofs",
            "ListCheckpoints",
            status(proof.list_checkpoints(proto::ListCheckpointsRequest::default()).await),
        ),
        (
            "proofs",
            "GetInclusionProof",
            status(proof.get_inclusion_proof(proto::GetInclusionProofRequest::default()).await),
        ),
        (
            "proofs",
            "GetConsistencyProof",
            status(proof.get_consistency_proof(proto::GetConsistencyProofRequest::default()).await),
        ),
        ("proofs", "GetReceipt", status(proof.get_receipt(receipt_of(1)).await)),
        ("register", "ListParties", got(client.parties().await)),
        ("register", "ListSchemes", got(client.schemes().await)),
        (
            "register",
            "GetScheme",
            status(custody.get_scheme(proto::GetSchemeRequest { scheme: scheme() }).await),
        ),
        ("record", "AppendStatement", status(ledger.append_statement(append).await)),
        ("record", "AppendStatements", status(ledger.append_statements(stream).await)),
        ("record", "ValidateStatement", status(ledger.validate_statement(validate).await)),
        ("entries", "GetEntry", got(client.entry(1).await)),
        ("entries", "FindStatement", status(ledger.find_statement(find).await)),
        ("entries", "ReadEntries", got(client.read_entries(0, 0).await)),
        ("entries", "FollowEntries", got(client.follow_entries(0).await)),
        ("keys", "ListKeys", got(client.keys().await)),
        ("custody", "ListDataSets", got(client.data_sets(SCHEME).await)),
        ("custody", "GetDataSet", got(client.data_set(SCHEME, "a", 0).await)),
        ("custody", "ListCopies", got(client.copies(SCHEME, 0).await)),
        ("custody", "ListHandovers", got(client.handovers(SCHEME).await)),
        ("custody", "ListDue", got(client.due("", "", 0).await)),
        ("custody", "FollowDue", got(client.follow_due("", "", 0).await)),
        ("findings", "ListFindings", got(client.findings("", 0).await)),
        ("findings", "ListDuties", got(client.duties(SCHEME, 0, "", "").await)),
        ("reports", "GetDeletionReport", status(client.report().get_deletion_report(report).await)),
        ("operate", "SealLedger", status(proof.seal_ledger(proto::SealLedgerRequest {}).await)),
        (
            "operate",
            "PublishCheckpoint",
            status(proof.publish_checkpoint(proto::PublishCheckpointRequest {}).await),
        ),
        ("operate", "AdvanceClock", status(client.simulation().advance_clock(advance).await)),
    ]
}

/// The rows of the table in the page for people: right, and a word for each role.
fn table() -> Vec<Vec<String>> {
    let page = include_str!("../../docs/operations/access.md");
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| {
        line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    })
    .collect()
}

#[tokio::test]
async fn every_role_gets_from_every_call_what_the_table_says() {
    let scene = Scene::new().await;
    let (contractor, rival) = (Play::contractor_key(), key(51));
    let (auditor, council) = (key(52), key(53));
    let table = table();
    assert_eq!(table.len(), 9, "the rights of the page");
    let (stranger, invited) = (key(99), key(54));
    let roles = [
        (1, None),
        (1, Some(&stranger)),
        (2, Some(&invited)),
        (3, Some(&contractor)),
        (3, Some(&rival)),
        (4, Some(&scene.ward)),
        (5, Some(&scene.operator)),
        (6, Some(&auditor)),
        (7, Some(&council)),
    ];
    let mut cells = 0;
    for (column, key) in roles {
        let client = scene.client(key).await;
        for (right, call, got) in every_call(&client, scene.now).await {
            let row = table.iter().find(|row| row[0] == right).expect("a row of the table");
            let wanted = match (row[column].as_str(), column) {
                ("no", 1) => Got::NotKnown,
                ("no", _) => Got::NotAllowed,
                _ => Got::Allowed,
            };
            assert_eq!(got, wanted, "{call} by column {column}");
            cells += 1;
        }
    }
    assert_eq!(cells, 9 * 29);
}

#[tokio::test]
async fn a_contractor_sees_its_own_and_nothing_of_its_rivals() {
    let scene = Scene::new().await;
    let (contractor, rival) = (Play::contractor_key(), key(51));
    let (own, other) = (scene.client(Some(&contractor)).await, scene.client(Some(&rival)).await);
    let all = scene.client(Some(&key(52))).await;

    let copies = |list: Vec<proto::CopyState>| list.into_iter().map(|copy| copy.id).collect::<Vec<_>>();
    assert_eq!(copies(own.copies(SCHEME, 0).await.expect("listed")), ["a"]);
    assert_eq!(copies(all.copies(SCHEME, 0).await.expect("listed")), ["a"]);
    assert!(other.copies(SCHEME, 0).await.expect("listed").is_empty());
    assert_eq!(own.data_sets(SCHEME).await.expect("listed").len(), 1);
    assert!(other.data_sets(SCHEME).await.expect("listed").is_empty());
    assert!(own.data_set(SCHEME, "a", 0).await.is_ok());
    // What is not its own is not there: the same words as for what nobody ever named.
    let words = |error: ClientError| error.to_string();
    let hidden = words(other.data_set(SCHEME, "a", 0).await.expect_err("not its own"));
    let absent = words(other.data_set(SCHEME, "b", 0).await.expect_err("not there"));
    assert_eq!(hidden.replace("`a`", "`b`"), absent);
    assert!(own.due("", "", 0).await.expect("listed").iter().any(|item| item.copy.is_some()));
    assert!(!other.due("", "", 0).await.expect("listed").iter().any(|item| item.copy.is_some()));

    let parties = |keys: Vec<proto::Key>| {
        let mut parties: Vec<String> = keys.into_iter().map(|key| key.party).collect();
        parties.dedup();
        parties
    };
    assert_eq!(parties(own.keys().await.expect("listed")), [CONTRACTOR]);
    assert_eq!(parties(other.keys().await.expect("listed")), [RIVAL]);

    // Its entries: those that it signed, and those that name it.
    let read = async |client: &Client| -> Vec<u64> {
        let entries: Vec<Vec<u8>> =
            client.read_entries(0, 0).await.expect("allowed").try_collect().await.expect("whole");
        entries.iter().map(|e| daicho_core::Entry::decode(e).expect("an entry").index.get()).collect()
    };
    let (of_own, of_other, of_all) = (read(&own).await, read(&other).await, read(&all).await);
    let last = *of_all.last().expect("entries");
    assert_eq!(of_all, (0..=last).collect::<Vec<_>>());
    // The ward named the contractor, then the rival; last the contractor spoke. A seal may stand between.
    let ([named, spoke], [rival]) = (&of_own[..], &of_other[..]) else { panic!("{of_own:?} {of_other:?}") };
    assert!(named < rival && rival < spoke && *spoke == last, "{of_own:?} {of_other:?}");
    assert!(own.entry(last).await.is_ok());
    assert!(matches!(other.entry(last).await, Err(ClientError::NotFound(_))));

    // The proof of an entry is open to all; what the entry says is for those who may read it.
    let nobody = scene.client(None).await;
    let council = scene.client(Some(&key(53))).await;
    let clients =
        [(&own, &of_own[..]), (&other, &of_other), (&all, &of_all), (&nobody, &[]), (&council, &of_all)];
    for (client, readable) in clients {
        for index in 0..=last {
            let answer = client.proof().get_receipt(receipt_of(index)).await.expect("open").into_inner();
            assert!(answer.receipt.is_some_and(|receipt| receipt.proof.is_some()));
            assert_eq!(!answer.entry.is_empty(), readable.contains(&index), "entry {index} of {readable:?}");
        }
    }
    // Neither does the token of a page tell of what is left out of it.
    let mut custody = other.custody();
    let sets = proto::ListDataSetsRequest { scheme: SCHEME.into(), page_size: 1, ..Default::default() };
    let sets = custody.list_data_sets(sets).await.expect("listed").into_inner();
    assert_eq!((sets.data_sets.len(), sets.next_page_token.as_str()), (0, ""));
    let keys = proto::ListKeysRequest { page_size: 1, ..Default::default() };
    let keys = custody.list_keys(keys).await.expect("listed").into_inner();
    assert_eq!((keys.keys[0].party.as_str(), keys.keys.len()), (RIVAL, 1));
    let next = proto::ListKeysRequest { page_size: 1, page_token: keys.next_page_token };
    let next = custody.list_keys(next).await.expect("listed").into_inner();
    assert_eq!((next.keys[0].party.as_str(), next.next_page_token.as_str()), (RIVAL, ""), "its invitation");

    // Late, so that there is a finding.
    let ward = scene.client(Some(&scene.ward)).await;
    let day = daicho_tests::move_clock(&ward, "2021-02-04T12:00").await.expect("moved");
    let mut emitter =
        Emitter::new(scene.client(Some(&contractor)).await, Play::contractor_key()).await.expect("known");
    emitter.emit(vec![deleted(day, &["a"])]).await.expect("recorded");
    let late = |list: Vec<proto::Finding>| list.iter().any(|f| f.code == "DELETED_LATE" && f.object == "a");
    assert!(late(own.findings(SCHEME, 0).await.expect("listed")));
    assert!(late(scene.client(Some(&key(53))).await.findings(SCHEME, 0).await.expect("listed")));
    assert!(!late(other.findings(SCHEME, 0).await.expect("listed")));
    let duties = other.duties(SCHEME, 0, "", "").await.expect("listed");
    assert!(duties.iter().all(|d| d.who == "line_corp" || d.to.iter().any(|to| to == "line_corp")));
    assert!(own.duties(SCHEME, 0, "", "").await.expect("listed").len() > duties.len());
}

#[tokio::test]
async fn a_stolen_connection_says_nothing_in_another_name_and_a_revoked_key_ends_it() {
    let scene = Scene::new().await;
    let (rival, stolen) = (key(51), scene.client(Some(&Play::contractor_key())).await);
    // Over the contractor's connection, with a key of one's own that the ledger does not know.
    let thief = Emitter::new(stolen.clone(), key(77)).await;
    let refused = match thief {
        Ok(mut thief) => thief.emit(vec![collected(scene.now, "b")]).await.map(|_| ()),
        Err(error) => Err(error),
    };
    assert!(refused.is_err(), "an unknown key records nothing");
    // Over the contractor's connection with the rival's key it is the rival who speaks, and for itself alone.
    let mut foreign = Emitter::new(stolen.clone(), rival).await.expect("known");
    let refused = foreign.emit(vec![deleted(scene.now, &["a"])]).await;
    assert!(refused.is_err() || !stolen.copies(SCHEME, 0).await.expect("listed")[0].closed, "{refused:?}");

    let mut follower = Box::pin(stolen.follow_entries(0).await.expect("allowed"));
    follower.try_next().await.expect("readable").expect("an entry");
    let mut ward = Emitter::new(scene.client(Some(&scene.ward)).await, scene.server.ward_key().expect("key"))
        .await
        .expect("known");
    let revoked = KeyRevoked {
        key_id: Play::contractor_key().public().id().as_bytes().to_vec(),
        distrust_from_ms: scene.now.unix_ms(),
        reason: "stolen".into(),
    };
    ward.emit(vec![event("", scene.now, Fact::KeyRevoked(revoked))]).await.expect("recorded");
    // The connection stands, and is nobody's.
    assert!(matches!(stolen.copies(SCHEME, 0).await, Err(ClientError::NotKnown(_))));
    let ended = loop {
        match follower.try_next().await {
            Ok(Some(_)) => {}
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    assert!(matches!(ended, Some(ClientError::NotKnown(_))), "{ended:?}");
}

#[tokio::test]
async fn a_party_has_its_share_of_streams_and_leaves_the_others_theirs() {
    const SHARE: usize = 64;
    let scene = Scene::new().await;
    let contractor = scene.client(Some(&Play::contractor_key())).await;
    let mut entries = Vec::new();
    let mut due = Vec::new();
    for _ in 0..SHARE / 2 {
        entries.push(Box::pin(contractor.follow_entries(0).await.expect("within its share")));
        due.push(Box::pin(contractor.follow_due("", "", 0).await.expect("within its share")));
    }
    // On another connection it has no more.
    let again = scene.client(Some(&Play::contractor_key())).await;
    for refused in [again.follow_due("", "", 0).await.err(), again.follow_entries(0).await.err()] {
        let said = refused.expect("its share is used up").to_string();
        assert!(said.contains(&SHARE.to_string()), "{said}");
    }
    let rival = scene.client(Some(&key(51))).await;
    drop(rival.follow_due("", "", 0).await.expect("it has its own"));
    drop((entries, due));
    let begun = std::time::Instant::now();
    while let Err(error) = again.follow_due("", "", 0).await {
        assert!(begun.elapsed() < Duration::from_secs(30), "its places are free again: {error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn nobody_makes_an_auditor_of_itself() {
    let scene = Scene::new().await;
    let contractor = Play::contractor_key();
    let mut emitter =
        Emitter::new(scene.client(Some(&contractor)).await, Play::contractor_key()).await.expect("known");
    let origin = emitter.origin().to_owned();
    for purpose in ["auditor", "council"] {
        let fact = key(80).request(&origin, CONTRACTOR, purpose);
        let refused = emitter.emit(vec![event("", scene.now, Fact::KeyAuthorized(fact))]).await;
        let Err(ClientError::Refused(refusal)) = refused else { panic!("{refused:?}") };
        assert_eq!(refusal.code, RefusalCode::NotAuthorized);
    }
    // A second key for its own systems it may have.
    let fact = key(80).request(&origin, CONTRACTOR, "server");
    emitter.emit(vec![event("", scene.now, Fact::KeyAuthorized(fact))]).await.expect("recorded");
    assert!(scene.client(Some(&key(80))).await.copies(SCHEME, 0).await.is_ok());
}

#[tokio::test]
async fn what_looks_like_personal_data_is_refused_and_not_repeated() {
    let scene = Scene::new().await;
    let contractor = Play::contractor_key();
    let mut emitter =
        Emitter::new(scene.client(Some(&contractor)).await, Play::contractor_key()).await.expect("known");
    let before = emitter.client().ledger_info().await.expect("info").size;
    let refused = emitter.emit(vec![collected(scene.now, "p-123456789018")]).await;
    let Err(ClientError::Refused(refusal)) = refused else { panic!("{refused:?}") };
    assert_eq!(
        (refusal.code, refusal.field.as_str()),
        (RefusalCode::PersonalData, "events[0].collected.data_sets[0].id")
    );
    assert!(!refusal.to_string().contains("123456789018"), "{refusal}");
    assert_eq!(emitter.client().ledger_info().await.expect("info").size, before);
}

#[tokio::test]
async fn connections_without_the_right_tls_do_not_come_about() {
    let scene = Scene::new().await;
    let plain = scene.server.address().replace("https:", "http:");
    let refused = match Client::connect(&plain).await {
        Ok(client) => client.ledger_info().await.map(|_| ()),
        Err(error) => Err(error),
    };
    assert!(refused.is_err(), "no TLS");
    // An authority that did not sign the server's certificate.
    let other = tempfile::tempdir().expect("a folder");
    Daichod::init(other.path(), None).expect("founded");
    let authority = std::fs::read(other.path().join("data.tls/ca.pem")).expect("made");
    let security = daicho_client::Security { authority: Some(&authority), identity: None };
    assert!(Client::connect_as(scene.server.address(), &security).await.is_err());
    // Plain text for others than this machine is not to be had.
    let mut command = std::process::Command::new(binary("daichod").expect("built"));
    command.arg("serve").arg("--data").arg(other.path().join("data"));
    let refused = command.args(["--listen", "0.0.0.0:0", "--plaintext"]).output().expect("it runs");
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("plaintext"), "{refused:?}");
}

#[tokio::test]
async fn a_caller_that_says_nothing_is_hung_up_on() {
    use tokio::io::AsyncReadExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    Daichod::init(folder.path(), None).expect("founded");
    let server = Daichod::start(folder.path(), &[TLS]).expect("a server");
    let address = server.address().strip_prefix("https://").expect("TLS").to_owned();
    let mut silent = tokio::net::TcpStream::connect(address).await.expect("it listens");
    let heard = tokio::time::timeout(Duration::from_secs(60), silent.read(&mut [0; 16])).await;
    assert!(matches!(heard.expect("hung up"), Ok(0) | Err(_)), "it answers nobody");
}

#[tokio::test]
async fn a_caller_that_is_gone_without_a_word_is_let_go_and_one_that_is_quiet_stays() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const NO_SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
    const SETTINGS: u8 = 4;
    const PING: u8 = 6;
    const MAX_CONCURRENT_STREAMS: [u8; 2] = [0, 3];
    let folder = tempfile::tempdir().expect("a folder");
    Daichod::init(folder.path(), None).expect("founded");
    let every = [("DAICHOD_PING_EVERY", "3".to_owned())];
    let server = Daichod::start_with(folder.path(), &[], &every).expect("a server");
    let quiet = server.client().await.expect("a client");
    let info = quiet.ledger_info().await.expect("info");
    let mut entries = Box::pin(quiet.follow_entries(info.size).await.expect("a stream"));

    let address = server.address().strip_prefix("http://").expect("plain").to_owned();
    let mut gone = tokio::net::TcpStream::connect(address).await.expect("it listens");
    gone.write_all(&[PREFACE, NO_SETTINGS].concat()).await.expect("sent");
    let mut heard = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(60), gone.read_to_end(&mut heard)).await;
    assert!(matches!(ended, Ok(Ok(_))), "it is let go: {ended:?}");
    // Each frame: three bytes of length, its type, flags, its stream (RFC 9113 section 4.1).
    let (mut rest, mut asked, mut bounded) = (heard.as_slice(), false, false);
    while let [a, b, c, kind, _, _, _, _, _, after @ ..] = rest {
        asked |= *kind == PING;
        let len = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        // Settings: two bytes of which, four of what (RFC 9113 section 6.5.1).
        let mut set = after.get(..len).filter(|_| *kind == SETTINGS).unwrap_or_default().chunks_exact(6);
        bounded |= set.any(|set| set[..2] == MAX_CONCURRENT_STREAMS && set[2..] == [0, 0, 1, 0]);
        rest = after.get(len..).unwrap_or_default();
    }
    assert!(asked, "it was asked first: {heard:?}");
    assert!(bounded, "one connection has so many calls at a time, and no more: {heard:?}");

    // The other one has been quiet for as long, and its stream goes on.
    let registered = PartyRegistered { party: "quiet_office".into(), label: "試験".into() };
    let event =
        event("", Instant::from_unix_ms(info.now_ms).expect("a time"), Fact::PartyRegistered(registered));
    let mut ward = Emitter::new(quiet.clone(), server.ward_key().expect("key")).await.expect("an emitter");
    ward.emit(vec![event]).await.expect("recorded");
    let next = tokio::time::timeout(Duration::from_secs(60), entries.try_next()).await;
    assert!(next.expect("in time").expect("the stream stands").is_some());
}

#[tokio::test]
async fn who_read_is_logged_and_its_digest_is_in_the_ledger() {
    let scene = Scene::new().await;
    let auditor = scene.client(Some(&key(52))).await;
    auditor.findings(SCHEME, 0).await.expect("listed");
    auditor.copies(SCHEME, 0).await.expect("listed");
    auditor.ledger_info().await.expect("open to all: not a read");
    scene.client(Some(&key(53))).await.findings(SCHEME, 0).await.expect("listed");

    // The day ends, and the operator says who read.
    let ward = scene.client(Some(&scene.ward)).await;
    let next_day = daicho_tests::move_clock(&ward, "2021-02-02T00:10").await.expect("moved");
    let mut entries = Box::pin(ward.follow_entries(0).await.expect("allowed"));
    let said = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            let bytes = entries.try_next().await.expect("readable").expect("it goes on");
            let entry = daicho_core::Entry::decode(&bytes).expect("an entry");
            let statement = daicho_core::ParsedStatement::parse(entry.statement).expect("a statement");
            if let Some(Fact::ReadsLogged(fact)) = &statement.body().events[0].fact {
                break (statement.signers()[0].key, fact.clone());
            }
        }
    });
    let (signer, said) = said.await.expect("the digest of the day comes");
    assert_eq!((signer, said.day.as_str()), (scene.operator.public().id(), "2021-02-01"));

    // What the page tells an auditor to do.
    let log = scene.folder.path().join("data.reads/2021-02-01.tsv");
    let named = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            match std::fs::read_to_string(&log) {
                Ok(text) => break text,
                // It gets its name when the entry is recorded, a moment after we have read it.
                Err(_) => tokio::task::yield_now().await,
            }
        }
    });
    let log = named.await.expect("the log of the day is closed");
    for (n, reads, rights) in [(52, 2, "findings custody"), (53, 1, "findings")] {
        let id = key(n).public().id();
        let lines: Vec<&str> =
            log.split_inclusive('\n').filter(|line| line.contains(&format!("\t{id}\t"))).collect();
        let seen: Vec<&str> =
            lines.iter().map(|line| line.trim_end().rsplit('\t').next().expect("a right")).collect();
        assert_eq!(seen.join(" "), rights);
        let reader = said.readers.iter().find(|r| r.key_id == id.as_bytes()).expect("named");
        assert_eq!((reader.reads, lines.len() as u64), (reads, reads));
        assert_eq!(reader.log_hash, sha2::Sha256::digest(lines.concat()).to_vec());
    }
    // Nobody else says it.
    let mut emitter = Emitter::new(ward, scene.server.ward_key().expect("key")).await.expect("known");
    let refused = emitter.emit(vec![event("", next_day, Fact::ReadsLogged(said))]).await;
    assert!(matches!(refused, Err(ClientError::Refused(r)) if r.code == RefusalCode::NotAuthorized));
}

#[tokio::test]
async fn a_party_that_audits_is_told_that_it_sees_its_own_entries_alone() {
    let scene = Scene::new().await;
    let key_file = scene.folder.path().join("contractor.pem");
    std::fs::write(&key_file, Play::contractor_key().to_pem()).expect("written");
    let audit = |key: &std::path::Path| {
        let mut command = std::process::Command::new(binary("daicho").expect("built"));
        command
            .args(["--lang", "en", "--server", scene.server.address(), "--ca"])
            .arg(scene.server.authority());
        command.arg("--identity").arg(key).arg("audit").output().expect("it runs")
    };
    let part = audit(&key_file);
    assert_eq!(part.status.code(), Some(1), "{part:?}");
    assert!(String::from_utf8_lossy(&part.stdout).contains("its own entries alone"), "{part:?}");
    assert!(audit(&scene.folder.path().join("ward.pem")).status.success());
}
