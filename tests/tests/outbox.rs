//! Outboxes of emitters: killed, without a ledger, over a network that breaks. In the end everything that was put is in the
//! ledger, once, in its order.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use daicho_client::{Client, Instant, Outbox, OutboxError, OutboxSettings, Retry};
use daicho_tests::{Daichod, Fate, FaultyProxy, Play, SCHEME, binary, collected, recorded_by};

/// Longest that anything here may take.
const PATIENCE: Duration = Duration::from_secs(120);

fn settings() -> OutboxSettings {
    let retry = Retry { first: Duration::from_millis(5), longest: Duration::from_millis(50), attempts: 3 };
    OutboxSettings { retry, ..Default::default() }
}

async fn open(folder: &std::path::Path, address: String) -> Result<Outbox, OutboxError> {
    let connect = move || {
        let address = address.clone();
        async move { Client::connect(&address).await }
    };
    Outbox::open(folder, Play::contractor_key(), settings(), connect, |_| {}).await
}

async fn drained(outbox: &Outbox) {
    let waited = tokio::time::timeout(PATIENCE, outbox.drained()).await;
    assert!(waited.is_ok(), "{:?}", outbox.depth());
}

/// Numbers and copies of what the contractor had recorded, in the order of the ledger.
async fn recorded(client: &Client) -> Vec<(u64, String)> {
    recorded_by(client, &Play::contractor_key()).await.expect("readable")
}

/// A ledger in which the contractor may speak.
async fn prepared() -> (tempfile::TempDir, Daichod, Client) {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Daichod::fresh(folder.path(), None).expect("a server");
    let client = server.client().await.expect("a client");
    Play::prepare(&client, server.ward_key().expect("key")).await.expect("prepared");
    (folder, server, client)
}

async fn now(client: &Client) -> Instant {
    let emitter = daicho_client::Emitter::new(client.clone(), Play::contractor_key()).await.expect("known");
    emitter.ledger_now().await.expect("a time")
}

#[tokio::test(flavor = "multi_thread")]
async fn over_a_network_that_breaks_everything_is_recorded_once_and_in_order() {
    let (folder, server, client) = prepared().await;
    let now = now(&client).await;
    let place: SocketAddr =
        server.address().strip_prefix("http://").expect("plain").parse().expect("a place");
    let proxy = FaultyProxy::start(place, 7).await.expect("a proxy");

    let watch = std::time::Instant::now();
    // A new outbox asks the ledger once; over this network it may have to be opened again.
    let outbox = loop {
        match open(&folder.path().join("outbox"), proxy.address()).await {
            Ok(outbox) => break outbox,
            Err(OutboxError::Ledger(_)) => assert!(watch.elapsed() < PATIENCE, "{:?}", proxy.met()),
            Err(error) => panic!("{error}"),
        }
    };
    let mut put = Vec::new();
    // Until each fault has struck three times.
    while proxy.met().len() < Fate::ALL.len() || proxy.met().values().any(|n| *n < 3) {
        assert!(watch.elapsed() < PATIENCE, "{:?} {:?}", proxy.met(), outbox.depth());
        for _ in 0..20 {
            let id = format!("copy-{}", put.len());
            put.push((outbox.put(vec![collected(now, &id)]).await.expect("kept").sequence, id));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    proxy.heal();
    drained(&outbox).await;
    assert_eq!(recorded(&client).await, put, "{:?}", proxy.met());
    assert_eq!(client.copies(SCHEME, 0).await.expect("listed").len(), put.len());
    let depth = outbox.depth();
    assert_eq!((depth.statements, depth.bytes, depth.refused, depth.trouble), (0, 0, 0, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_put_survives_the_end_of_the_emitter_and_of_the_ledger() {
    let (folder, server, client) = prepared().await;
    let mut server = Some(server);
    let at = now(&client).await.unix_ms().to_string();
    let kept = folder.path().join("outbox");
    let mut put = Vec::new();
    for round in 0..12 {
        // In every third round the ledger is away.
        if round % 3 == 2 {
            server.take().expect("up").kill().expect("killed");
        }
        let address = server.as_ref().map_or("http://127.0.0.1:9", Daichod::address).to_owned();
        let mut child = Command::new(binary("outbox").expect("built"))
            .arg(&kept)
            .args([&address, &at, &format!("r{round}")])
            .stdout(Stdio::piped())
            .spawn()
            .expect("it runs");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let before = put.len();
        for line in lines {
            let line = line.expect("readable");
            let (number, id) = line.split_once(' ').expect("number and id");
            put.push((number.parse().expect("a number"), id.to_owned()));
            if put.len() == before + 40 + 17 * round {
                child.kill().expect("killed");
            }
        }
        child.wait().expect("ended");
        if server.is_none() {
            server = Some(Daichod::start(folder.path(), &[]).expect("starts again"));
        }
    }
    let server = server.expect("up");
    let outbox = open(&kept, server.address().to_owned()).await.expect("opens");
    drained(&outbox).await;
    let found = recorded(&server.client().await.expect("a client")).await;
    // The last ones of a round may be kept without having been said.
    let numbers: Vec<u64> = found.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=found.len() as u64).collect::<Vec<_>>(), "each number once, in order");
    let missing: Vec<_> = put.iter().filter(|one| !found.contains(one)).collect();
    assert!(missing.is_empty(), "kept and not recorded: {missing:?}");
    assert!(put.len() > 500 && found.len() >= put.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outbox_is_bounded_and_a_refusal_does_not_stop_it() {
    let (folder, server, client) = prepared().await;
    let now = now(&client).await;
    let kept = folder.path().join("outbox");
    open(&kept, server.address().to_owned()).await.expect("made").close().await;

    // Without a ledger it fills, and says so.
    let away = || async { Client::connect("http://127.0.0.1:9").await };
    let small = OutboxSettings { most_statements: 3, ..settings() };
    let outbox = Outbox::open(&kept, Play::contractor_key(), small, away, |_| {}).await.expect("opens");
    outbox.put(vec![collected(now, "a")]).await.expect("kept");
    let mut unknown = collected(now, "b");
    unknown.scheme = "no_such_scheme".into();
    outbox.put(vec![unknown]).await.expect("kept: only the ledger knows");
    outbox.put(vec![collected(now, "c")]).await.expect("kept");
    let full = outbox.put(vec![collected(now, "d")]).await;
    assert!(matches!(full, Err(OutboxError::Full { statements: 3, .. })), "{full:?}");
    assert!(matches!(outbox.put(Vec::new()).await, Err(OutboxError::Refused(_) | OutboxError::Full { .. })));
    let again = open(&kept, server.address().to_owned()).await;
    assert!(matches!(again, Err(OutboxError::InUse { .. })), "{again:?}");
    assert_eq!(outbox.depth().statements, 3);
    outbox.close().await;

    let outbox = open(&kept, server.address().to_owned()).await.expect("opens");
    drained(&outbox).await;
    assert_eq!(outbox.depth().refused, 1);
    let found = recorded(&client).await;
    assert_eq!(found, [(1, "a".to_owned()), (3, "c".to_owned())]);
    let refused = std::fs::read_to_string(kept.join("refused")).expect("kept");
    assert_eq!(refused.lines().count(), 1);
    assert!(refused.contains("UNKNOWN_REFERENCE"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_keeps_statements_while_the_ledger_is_away() {
    let (folder, server, client) = prepared().await;
    let at = now(&client).await;
    std::fs::write(folder.path().join("key.pem"), Play::contractor_key().to_pem()).expect("written");
    let away = "http://127.0.0.1:9";
    let emit = |server: &str, copy: Option<&str>| {
        let wait = if server == away { "2" } else { "60" };
        let mut command = Command::new(binary("daicho").expect("built"));
        command
            .current_dir(folder.path())
            .args(["--lang", "en", "--server", server, "emit", "--key", "key.pem"]);
        command.args(["--outbox", "waiting", "--wait", wait]);
        if let Some(id) = copy {
            let event = serde_json::json!({
                "occur_time_ms": at.unix_ms().to_string(), "scheme": SCHEME,
                "collected": {
                    "flow": "f01_register_contact",
                    "data_sets": [{ "id": id, "kind": "ds_contact", "items": ["email_address"], "subject_count": 1,
                        "session": id }],
                    "copies": [{ "id": id, "data_set": id, "system": "operator_server" }],
                },
            });
            command.args(["--event", &event.to_string()]);
        }
        let done = command.output().expect("it runs");
        (done.status.code(), String::from_utf8_lossy(&done.stdout).into_owned())
    };
    assert_eq!(emit(away, Some("a")).0, Some(3), "a new outbox needs the ledger once");
    let (code, said) = emit(server.address(), Some("a"));
    assert_eq!((code, said.contains("recorded 1, refused 0, waiting 0")), (Some(0), true), "{said}");
    for (n, id) in [(1, "b"), (2, "c")] {
        let (code, said) = emit(away, Some(id));
        assert_eq!((code, said.contains(&format!("waiting {n}"))), (Some(3), true), "{said}");
    }
    let (code, said) = emit(server.address(), None);
    assert_eq!((code, said.contains("recorded 2, refused 0, waiting 0")), (Some(0), true), "{said}");
    let found = recorded(&client).await;
    assert_eq!(found, [(1, "a".to_owned()), (2, "b".to_owned()), (3, "c".to_owned())]);
}
