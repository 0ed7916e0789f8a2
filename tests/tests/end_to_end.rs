//! The whole way: founding, scheme, statements over gRPC, findings, due list, log, report, audit, file check.

use daicho_client::Instant;
use daicho_client::proto::GetDeletionReportRequest;
use daicho_client::{Emitter, SigningKey};
use daicho_tests::{Daichod, Play, SCHEME, collected, deleted, milestone};
use daicho_verify::Auditor;
use futures::TryStreamExt as _;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

fn at(text: &str) -> Instant {
    Instant::parse(text).expect("a time of this test")
}

#[tokio::test]
async fn a_year_in_the_life_of_three_addresses() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Daichod::fresh(folder.path(), Some("2021-02-01")).expect("a server");
    let client = server.client().await.expect("a client");
    let play = Play::prepare(&client, server.ward_key().expect("key")).await.expect("prepared");
    let mut contractor = Emitter::new(client.clone(), play.contractor).await.expect("authorised");

    daicho_tests::move_clock(&client, "2021-02-01T10:00").await.expect("the clock moves");
    let now = at("2021-02-01T10:00");
    for id in ["good", "slow", "kept"] {
        contractor.emit(vec![collected(now, id)]).await.expect("recorded");
    }
    contractor.emit(vec![milestone(now, &["good", "slow", "kept"])]).await.expect("recorded");
    let due = client.due(SCHEME, "", 0).await.expect("listed");
    let copies = due.iter().filter(|item| item.copy.is_some()).count();
    assert_eq!(copies, 3, "all three run against the end of the next day");

    daicho_tests::move_clock(&client, "2021-02-02T12:00").await.expect("the clock moves");
    contractor.emit(vec![deleted(at("2021-02-02T12:00"), &["good"])]).await.expect("recorded");
    daicho_tests::move_clock(&client, "2021-02-04T12:00").await.expect("the clock moves");
    contractor.emit(vec![deleted(at("2021-02-04T12:00"), &["slow"])]).await.expect("recorded");

    let copies = client.copies(SCHEME, 0).await.expect("listed");
    let verdict = |id: &str| copies.iter().find(|c| c.id == id).expect("known").verdict.clone();
    // Rules of the same scheme without a number bind the copies too, and the worst shows.
    assert_eq!(verdict("slow"), "late");
    assert_eq!(verdict("kept"), "overdue");
    assert_eq!(verdict("good"), "no-schedule");
    // What was said on the second of February can still be asked.
    let then = client.copies(SCHEME, at("2021-02-02T13:00").unix_ms()).await.expect("listed");
    assert!(then.iter().all(|c| c.verdict == "no-schedule"), "{then:?}");

    let findings = client.findings(SCHEME, 0).await.expect("listed");
    let has = |code: &str, object: &str| findings.iter().any(|f| f.code == code && f.object == object);
    assert!(has("DELETED_LATE", "slow") && has("OVERDUE", "kept"));
    assert!(has("CERTIFICATE_MISSING", "good"), "{findings:?}");

    let request = GetDeletionReportRequest {
        scheme: SCHEME.into(),
        from: "2021-02-01".into(),
        to: "2021-02-28".into(),
        as_of_ms: 0,
    };
    let stream = client.report().get_deletion_report(request).await.expect("a report").into_inner();
    let pieces: Vec<_> = stream.try_collect().await.expect("whole");
    let json: Vec<u8> = pieces.into_iter().flat_map(|piece| piece.json).collect();
    let report: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
    assert_eq!(report["totals"]["copies"], 3);

    let entries: Vec<Vec<u8>> =
        client.read_entries(0, 0).await.expect("readable").try_collect().await.expect("whole");
    let mut auditor = Auditor::new();
    auditor.feed(&entries).expect("sound");
    let audited = auditor.finish().expect("sound");
    assert_eq!(audited.size.get(), entries.len() as u64);
    assert!(audited.counts.signatures >= entries.len() as u64);

    server.stop().expect("a quiet end");
    let checked = Daichod::fsck(folder.path(), &["--rebuild", "--json"]).expect("runs");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[tokio::test]
async fn followers_get_old_entries_and_then_new_ones() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Daichod::fresh(folder.path(), None).expect("a server");
    let client = server.client().await.expect("a client");
    let mut stream = Box::pin(client.follow_entries(0).await.expect("follows"));
    let first = stream.try_next().await.expect("readable").expect("entry 0");
    assert_eq!(daicho_core::Entry::decode(&first).expect("an entry").index.get(), 0);
    let ward = server.ward_key().expect("key");
    Play::prepare(&client, ward).await.expect("prepared");
    let size = client.ledger_info().await.expect("info").size;
    for index in 1..size {
        let bytes = stream.try_next().await.expect("readable").expect("an entry");
        assert_eq!(daicho_core::Entry::decode(&bytes).expect("an entry").index.get(), index);
    }
}

#[tokio::test]
async fn the_same_statement_again_returns_the_first_answer() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Daichod::fresh(folder.path(), None).expect("a server");
    let client = server.client().await.expect("a client");
    let play = Play::prepare(&client, server.ward_key().expect("key")).await.expect("prepared");
    let origin = client.ledger_info().await.expect("info").origin;
    let now = play.ward.ledger_now().await.expect("time");
    let sign =
        |id: &str| daicho_core::sign_statement(&origin, &[(&play.contractor, 1)], vec![collected(now, id)]);
    let append = |statement| {
        let request = daicho_client::proto::AppendStatementRequest { statement: Some(statement) };
        let mut ledger = client.ledger();
        async move { ledger.append_statement(request).await.map(|r| r.into_inner().receipt.expect("a receipt")) }
    };
    let first = append(sign("a")).await.expect("recorded");
    let again = append(sign("a")).await.expect("recorded before");
    assert!(again.repeated && !first.repeated);
    assert_eq!((again.entry_index, again.chain_hash), (first.entry_index, first.chain_hash));
    let other = append(sign("b")).await.expect_err("the number is used");
    assert_eq!(other.code(), tonic::Code::AlreadyExists);

    // After a restart as well.
    server.stop().expect("a quiet end");
    let server = Daichod::start(folder.path(), &[]).expect("starts again");
    let client = server.client().await.expect("a client");
    let request = daicho_client::proto::AppendStatementRequest { statement: Some(sign("a")) };
    let again = client.ledger().append_statement(request).await.expect("recorded before").into_inner();
    assert_eq!(again.receipt.map(|r| r.entry_index), Some(first.entry_index));
}

#[tokio::test]
async fn health_is_served_and_a_real_clock_does_not_move() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Daichod::fresh(folder.path(), None).expect("a server");
    let client = server.client().await.expect("a client");
    let request = daicho_client::proto::AdvanceClockRequest { now_ms: at("2030-01-01").unix_ms() };
    let error = client.simulation().advance_clock(request).await.expect_err("a real clock does not move");
    assert_eq!(error.code(), tonic::Code::Unimplemented);
    let channel =
        tonic::transport::Endpoint::new(server.address().to_owned()).expect("an address").connect().await;
    let mut health = tonic_health::pb::health_client::HealthClient::new(channel.expect("connects"));
    let service = tonic_health::pb::HealthCheckRequest { service: "daicho.v1.LedgerService".into() };
    let status = health.check(service).await.expect("answers").into_inner().status;
    assert_eq!(status, tonic_health::pb::health_check_response::ServingStatus::Serving as i32);
}

/// What one request of reflection is answered with.
async fn reflect(server: &Daichod, request: MessageRequest) -> MessageResponse {
    let channel = tonic::transport::Endpoint::new(server.address().to_owned()).expect("an address");
    let mut client = ServerReflectionClient::new(channel.connect().await.expect("connects"));
    let request = ServerReflectionRequest { message_request: Some(request), ..Default::default() };
    let answers = client.server_reflection_info(futures::stream::iter([request])).await.expect("served");
    let answer = answers.into_inner().try_next().await.expect("readable").expect("an answer");
    answer.message_response.expect("a message")
}

/// What reflection lists, in the order of the names.
async fn services(server: &Daichod) -> Vec<String> {
    let MessageResponse::ListServicesResponse(list) =
        reflect(server, MessageRequest::ListServices(String::new())).await
    else {
        panic!("no list");
    };
    let mut names: Vec<String> = list.service.into_iter().map(|service| service.name).collect();
    names.sort();
    names
}

#[tokio::test]
async fn reflection_lists_and_describes_all_services_and_none_that_is_not_served() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Daichod::fresh(folder.path(), Some("2021-02-01")).expect("a server");
    let listed = services(&server).await;
    let served = [
        "daicho.v1.CustodyService",
        "daicho.v1.LedgerService",
        "daicho.v1.ProofService",
        "daicho.v1.ReportService",
        "daicho.v1.SimulationService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
    ];
    assert_eq!(listed, served);
    for name in &listed {
        let answer = reflect(&server, MessageRequest::FileContainingSymbol(name.clone())).await;
        let MessageResponse::FileDescriptorResponse(files) = answer else { panic!("{name}: {answer:?}") };
        let short = name.rsplit('.').next().expect("a name").as_bytes();
        let described = |file: &Vec<u8>| file.windows(short.len()).any(|window| window == short);
        assert!(files.file_descriptor_proto.iter().any(described), "{name} is not described");
    }

    // Time does not move on a real ledger, so nothing that moves it is listed.
    let folder = tempfile::tempdir().expect("a folder");
    let server = Daichod::fresh(folder.path(), None).expect("a server");
    let real = services(&server).await;
    assert_eq!(real, served.into_iter().filter(|name| !name.contains("Simulation")).collect::<Vec<_>>());
}

#[test]
fn a_second_ledger_in_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    Daichod::init(folder.path(), None).expect("founded");
    let error = Daichod::init(folder.path(), None).expect_err("refused").to_string();
    assert!(error.contains("holds a ledger already"), "{error}");
}

#[test]
fn a_private_key_never_prints() {
    let key = SigningKey::from_seed(&[7; 32]);
    let shown = format!("{key:?}");
    assert!(shown.contains(&key.public().id().to_string()) && !shown.contains("07"), "{shown}");
}
