//! What a monitoring system reads: figures that move with the ledger, and nothing that could tell its content.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use daicho_client::proto::{AppendStatementRequest, Event, SignedStatement};
use daicho_client::{Client, ClientError, RefusalCode, SigningKey};
use daicho_core::sign_statement;
use daicho_tests::{Daichod, Play, Port, SCHEME, collected, deleted};

/// Starts the server with metrics on a free port.
fn start(folder: &Path) -> (Daichod, SocketAddr) {
    let port = Port::take().expect("a free port");
    let address = port.address();
    let server = Daichod::start(folder, &["--metrics-listen", &address.to_string()]);
    (server.expect("it serves"), address)
}

/// The text that a scrape returns.
fn scrape(address: SocketAddr) -> String {
    let mut connection = TcpStream::connect(address).expect("metrics are served");
    connection.write_all(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n").expect("sent");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).expect("an answer in UTF-8");
    let (head, text) = answer.split_once("\r\n\r\n").expect("head and body");
    assert!(head.contains(" 200 "), "{head}");
    text.to_owned()
}

/// Every series, labels included, with its value.
fn series(text: &str) -> BTreeMap<&str, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let pairs = lines.map(|line| line.rsplit_once(' ').expect("a name and a value"));
    pairs.map(|(name, value)| (name, value.parse().expect("a number"))).collect()
}

async fn append(client: &Client, statement: SignedStatement) -> Result<(), ClientError> {
    let request = AppendStatementRequest { statement: Some(statement) };
    client.ledger().append_statement(request).await.map(drop).map_err(ClientError::from)
}

#[tokio::test]
async fn figures_move_as_statements_are_recorded_and_tell_nothing_of_them() {
    let folder = tempfile::tempdir().expect("a folder");
    Daichod::init(folder.path(), None).expect("founded");
    let (server, address) = start(folder.path());
    let client = server.client().await.expect("a client");
    let play = Play::prepare(&client, server.ward_key().expect("key")).await.expect("prepared");
    let origin = client.ledger_info().await.expect("info").origin;
    let now = play.ward.ledger_now().await.expect("time");
    let sign = |n: u64, events: Vec<Event>| sign_statement(&origin, &[(&play.contractor, n)], events);

    let before = scrape(address);
    append(&client, sign(1, vec![collected(now, "telling-a"), collected(now, "telling-b")]))
        .await
        .expect("new");
    append(&client, sign(2, vec![deleted(now, &["telling-stranger"])])).await.expect("a finding");
    append(&client, sign(2, vec![deleted(now, &["telling-stranger"])])).await.expect("a repeat");
    let stranger = SigningKey::from_seed(&[98; 32]);
    let unknown = sign_statement(&origin, &[(&stranger, 1)], vec![collected(now, "telling-c")]);
    let refused = append(&client, unknown).await.expect_err("an unknown key");
    assert!(matches!(refused, ClientError::Refused(r) if r.code == RefusalCode::UnknownKey));
    let after = scrape(address);

    let (before, now) = (series(&before), series(&after));
    let moved = |name: &str| {
        let new = now.get(name).unwrap_or_else(|| panic!("no series {name} in\n{after}"));
        new - before.get(name).copied().unwrap_or(0.0)
    };
    for (name, by) in [
        ("daicho_statements_recorded_total", 2.0),
        ("daicho_statements_repeated_total", 1.0),
        ("daicho_statements_refused_total{reason=\"UNKNOWN_KEY\"}", 1.0),
        ("daicho_events_recorded_total", 3.0),
        ("daicho_findings_raised_total{code=\"UNRECORDED_COPY\"}", 1.0),
        ("daicho_ledger_entries", 2.0),
        ("daicho_commit_seconds_count", 2.0),
        ("daicho_commit_group_statements_count", 2.0),
        ("daicho_commit_group_statements_sum", 2.0),
    ] {
        assert_eq!(moved(name), by, "{name}");
    }
    assert!(moved("daicho_commit_seconds_sum") > 0.0);
    let size = client.ledger_info().await.expect("info").size;
    assert_eq!(now["daicho_ledger_entries"], size as f64);
    assert!(now["daicho_append_queue_kib"] >= 0.0);

    let keys = [&play.contractor, &server.ward_key().expect("key"), &stranger];
    let secrets = keys.into_iter().flat_map(|key| {
        let public = key.public();
        let bytes = public.to_proto().value;
        [public.id().to_string(), hex::encode(&bytes), hex::encode(&bytes).to_uppercase()]
    });
    let words = ["telling", SCHEME, "hyojito", "ward", "新宿区", origin.as_str(), "overwrite"];
    for word in secrets.chain(words.map(str::to_owned)) {
        assert!(!after.contains(&word), "`{word}` stands in\n{after}");
    }
}

#[test]
fn the_size_is_there_from_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    Daichod::init(folder.path(), None).expect("founded");
    for _ in 0..2 {
        let (server, address) = start(folder.path());
        let text = scrape(address);
        // Nothing was recorded since the start but, at the first one, what founding left to do.
        assert!(series(&text).get("daicho_ledger_entries").is_some_and(|size| *size >= 1.0), "{text}");
        server.stop().expect("stopped");
    }
}
