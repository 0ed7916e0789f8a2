//! Auditing mode: a small ledger whose entry bundles are served over HTTP, sound and otherwise.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use daicho_core::proto::{self, event::Fact};
use daicho_core::{ChainHash, Entry, EntryIndex, Instant, Origin, SigningKey, sign_statement};
use daicho_tlog::tile::{Kind, Tile, WIDTH, write_bundle_entry};
use daicho_tlog::{Algorithm, TreeHash};
use tokio::sync::watch;

use crate::setup::{FakeLog, ORIGIN, Setup, Witness, log_toml, origin_hash};

/// A ledger in memory: founded, and then one party after the other.
struct TinyLedger {
    origin: String,
    operator: SigningKey,
    ward: SigningKey,
    entries: Vec<Vec<u8>>,
    head: ChainHash,
}

impl TinyLedger {
    fn new(origin: &str, entries: u64) -> Self {
        let name = Origin::new(origin).expect("an origin");
        let mut ledger = Self {
            origin: origin.to_owned(),
            operator: SigningKey::from_seed(&[1; 32]),
            ward: SigningKey::from_seed(&[2; 32]),
            entries: Vec::new(),
            head: ChainHash::of_origin(&name),
        };
        let opened = proto::LedgerOpened {
            origin: origin.to_owned(),
            clock: if name.is_simulated() { proto::Clock::Simulated } else { proto::Clock::System } as i32,
            fold_version: daicho_custody::FOLD_VERSION,
            operator_party: "operator".into(),
            operator_label: "台帳運用者".into(),
            operator_key: Some(ledger.operator.public().to_proto()),
            ward_party: "ward".into(),
            ward_label: "新宿区".into(),
            ward_key: Some(ledger.ward.public().to_proto()),
        };
        let entry = ledger.entry(&ledger.operator, 1, Fact::LedgerOpened(opened));
        ledger.push(entry);
        ledger.grow(entries - 1);
        ledger
    }

    fn time(index: u64) -> Instant {
        Instant::parse("2026-04-01T09:00").expect("a time").plus_ms(index as i64 * 1000)
    }

    fn entry(&self, key: &SigningKey, sequence: u64, fact: Fact) -> Entry {
        let index = self.entries.len() as u64;
        let recorded = Self::time(index);
        let event = proto::Event {
            occur_time_ms: recorded.unix_ms(),
            scheme: String::new(),
            on_behalf_of: String::new(),
            fact: Some(fact),
        };
        let statement = sign_statement(&self.origin, &[(key, sequence)], vec![event]);
        Entry { index: EntryIndex::new(index), recorded, previous: self.head, statement }
    }

    /// The next entry as it should be.
    fn next(&self) -> Entry {
        let n = self.entries.len() as u64;
        let fact = proto::PartyRegistered { party: format!("party-{n}"), label: format!("当事者{n}") };
        self.entry(&self.ward, n, Fact::PartyRegistered(fact))
    }

    fn push(&mut self, entry: Entry) {
        let bytes = entry.encode();
        self.head = ChainHash::of_entry(&bytes);
        self.entries.push(bytes);
    }

    fn grow(&mut self, n: u64) {
        for _ in 0..n {
            self.push(self.next());
        }
    }

    /// The log that commits to exactly these bytes, whatever they are.
    fn log(&self, origin: &str) -> FakeLog {
        let mut log = FakeLog::new(origin, 0);
        log.leaves = self.entries.iter().map(|entry| TreeHash::of_leaf(entry)).collect();
        log
    }
}

/// Serves entry bundles.
struct Tiles {
    prefix: String,
    served: Arc<Served>,
}

struct Served {
    entries: Mutex<Vec<Vec<u8>>>,
    /// Requests wait while it is true.
    held: watch::Sender<bool>,
    token: Option<String>,
    /// Partial bundles are gone.
    only_full: bool,
    asked: Mutex<Vec<String>>,
}

impl Tiles {
    async fn serve(entries: &[Vec<u8>]) -> Self {
        Self::serve_with(entries, None, false).await
    }

    async fn serve_with(entries: &[Vec<u8>], token: Option<&str>, only_full: bool) -> Self {
        let served = Arc::new(Served {
            entries: Mutex::new(entries.to_vec()),
            held: watch::Sender::new(false),
            token: token.map(|token| format!("Bearer {token}")),
            only_full,
            asked: Mutex::default(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let prefix = format!("http://{}/ledger", listener.local_addr().expect("bound"));
        let routes = Router::new().route("/ledger/{*path}", get(bundle)).with_state(Arc::clone(&served));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { prefix, served }
    }

    fn now_has(&self, entries: &[Vec<u8>]) {
        *self.served.entries.lock().expect("no panic") = entries.to_vec();
    }
}

async fn bundle(
    State(served): State<Arc<Served>>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Result<Vec<u8>, StatusCode> {
    served.asked.lock().expect("no panic").push(path.clone());
    let authorized = headers.get("authorization").and_then(|value| value.to_str().ok());
    if served.token.is_some() && authorized != served.token.as_deref() {
        return Err(StatusCode::FORBIDDEN);
    }
    let mut held = served.held.subscribe();
    held.wait_for(|held| !held).await.expect("the sender lives");
    let tile: Tile = path.parse().map_err(|_| StatusCode::NOT_FOUND)?;
    assert_eq!(tile.kind, Kind::Entries);
    let entries = served.entries.lock().expect("no panic");
    let start = (tile.index * WIDTH) as usize;
    if served.only_full && !tile.is_full() {
        return Err(StatusCode::NOT_FOUND);
    }
    let entries = entries.get(start..start + usize::from(tile.width)).ok_or(StatusCode::NOT_FOUND)?;
    let mut bytes = Vec::new();
    for entry in entries {
        write_bundle_entry(&mut bytes, entry).expect("short enough");
    }
    Ok(bytes)
}

/// An auditing witness of these logs, with few seconds of patience.
fn setup(logs: &[(&FakeLog, &Tiles, &str)]) -> Setup {
    let logs: String = logs
        .iter()
        .map(|(log, tiles, more)| log_toml(log, &format!("audit = {:?}\n{more}", tiles.prefix)))
        .collect();
    Setup::with(&[Algorithm::CosignatureMlDsa44], &format!("audit-wait-seconds = 120\n{logs}"))
}

async fn refused(witness: &Witness, log: &FakeLog, old: u64, size: u64) -> String {
    let answer = witness.ask(log.request(old, size)).await;
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert!(answer.retry_after.is_some());
    answer.body
}

#[tokio::test]
async fn a_sound_ledger_is_replayed_and_cosigned_as_it_grows() {
    let ledger = TinyLedger::new(ORIGIN, 530);
    let tiles = Tiles::serve(&ledger.entries).await;
    let log = ledger.log(ORIGIN);
    let setup = setup(&[(&log, &tiles, "")]);
    let witness = setup.start();
    let mut old = 0;
    for size in [1, 2, 255, 256, 257, 512, 530] {
        witness.cosign(&log, old, size).await;
        old = size;
    }
    // A larger one was replayed; the same size again needs no more.
    let asked = tiles.served.asked.lock().expect("no panic").len();
    witness.cosign(&log, 530, 530).await;
    assert_eq!(tiles.served.asked.lock().expect("no panic").len(), asked);
    assert_eq!(witness.ask(log.request(256, 530)).await.status, 409);
    assert_eq!(witness.ask(log.fork(500, "fork").request(530, 530)).await.status, 422);
    let page = witness.get("").await.body;
    assert!(page.contains("replayed 530 entries") && page.contains("statement  auditing"), "{page}");
    assert!(page.contains("再演"), "{page}");
    witness.stop();
    // What was replayed is not kept, so all of it is read again.
    let witness = setup.start();
    witness.cosign(&log, 530, 530).await;
    let asked = tiles.served.asked.lock().expect("no panic").clone();
    assert_eq!(asked.iter().filter(|path| *path == "tile/entries/000").count(), 2, "{asked:?}");
}

#[tokio::test]
async fn a_partial_bundle_that_is_gone_is_read_from_the_full_one() {
    let ledger = TinyLedger::new(ORIGIN, 512);
    let tiles = Tiles::serve_with(&ledger.entries, None, true).await;
    let log = ledger.log(ORIGIN);
    let witness = setup(&[(&log, &tiles, "")]).start();
    witness.cosign(&log, 0, 300).await;
    witness.cosign(&log, 300, 512).await;
}

/// Each is hashed properly into the tree and signed by the log, so that only a replay can see it.
#[tokio::test]
async fn what_breaks_the_rules_of_the_ledger_is_refused_for_good() {
    type Spoil = fn(&TinyLedger, &mut Entry);
    let spoils: [(&str, Spoil); 5] = [
        ("signature", |_, entry| entry.statement.signatures[0].value[40] ^= 1),
        ("chain-link", |_, entry| entry.previous = ChainHash::of_entry(b"another")),
        ("time-order", |_, entry| entry.recorded = TinyLedger::time(0)),
        ("index-order", |_, entry| entry.index = EntryIndex::new(7)),
        ("key-rules", |ledger, entry| {
            let stranger = SigningKey::from_seed(&[9; 32]);
            entry.statement = ledger.entry(&stranger, 1, next_fact(ledger)).statement;
        }),
    ];
    for (check, spoil) in spoils {
        let mut ledger = TinyLedger::new(ORIGIN, 27);
        let mut entry = ledger.next();
        spoil(&ledger, &mut entry);
        ledger.push(entry);
        ledger.grow(3);
        let tiles = Tiles::serve(&ledger.entries).await;
        let log = ledger.log(ORIGIN);
        let setup = setup(&[(&log, &tiles, "")]);
        let witness = setup.start();
        witness.cosign(&log, 0, 27).await;
        let why = refused(&witness, &log, 27, 29).await;
        assert!(why.contains(&format!("entry 27: check {check} failed")), "{check}: {why}");
        // Nothing more of this log, also not what comes before the entry, and after a start without any tiles too.
        assert!(refused(&witness, &log, 27, 27).await.contains("entry 27"));
        assert!(witness.get("").await.body.contains("REFUSED entry 27"));
        assert_eq!(witness.monitored(ORIGIN).await.expect("cosigned").checkpoint().size(), 27);
        witness.stop();
        tiles.now_has(&[]);
        let witness = setup.start();
        assert!(refused(&witness, &log, 27, 29).await.contains("entry 27"));
        witness.stop();
        // An operator lifts it: the replay begins anew, and comes to the same end.
        std::fs::remove_file(setup.path("state").join(format!("{}.refused", origin_hash(ORIGIN))))
            .expect("there");
        tiles.now_has(&ledger.entries);
        let witness = setup.start();
        assert!(refused(&witness, &log, 27, 30).await.contains("entry 27"));
    }
}

fn next_fact(ledger: &TinyLedger) -> Fact {
    let n = ledger.entries.len();
    Fact::PartyRegistered(proto::PartyRegistered { party: format!("party-{n}"), label: "当事者".into() })
}

#[tokio::test]
async fn entries_that_are_not_those_of_the_tree_are_nobodys_fault_for_good() {
    let ledger = TinyLedger::new(ORIGIN, 300);
    let log = ledger.log(ORIGIN);
    // Another sound ledger in its place, and one whose server spoils a signature.
    let mut other = TinyLedger::new(ORIGIN, 200);
    other.ward = SigningKey::from_seed(&[2; 32]);
    let mut late = other.next();
    late.recorded = TinyLedger::time(205);
    other.push(late);
    other.grow(99);
    let mut spoiled = ledger.entries.clone();
    spoiled[150][60] ^= 1;
    let tiles = Tiles::serve(&other.entries).await;
    let setup = setup(&[(&log, &tiles, "")]);
    let witness = setup.start();
    assert!(refused(&witness, &log, 0, 300).await.contains("do not lead to the root of size 300"));
    tiles.now_has(&spoiled);
    assert!(refused(&witness, &log, 0, 300).await.contains("do not lead to the root of size 300"));
    tiles.now_has(&ledger.entries[..280]);
    assert!(refused(&witness, &log, 0, 300).await.contains("cannot be had: tile/entries/001.p/44"));
    assert_eq!(witness.monitored(ORIGIN).await, None);
    tiles.now_has(&ledger.entries);
    witness.cosign(&log, 0, 300).await;
}

#[tokio::test]
async fn the_entries_of_another_ledger_are_refused() {
    let ledger = TinyLedger::new("ledger.other.example/2026", 5);
    let tiles = Tiles::serve(&ledger.entries).await;
    let log = ledger.log(ORIGIN);
    let witness = setup(&[(&log, &tiles, "")]).start();
    let why = refused(&witness, &log, 0, 5).await;
    assert!(why.contains("entry 0: check origin failed") && why.contains("ledger.other.example"), "{why}");
}

#[tokio::test]
async fn bundles_that_need_a_token_are_asked_for_with_it() {
    let ledger = TinyLedger::new(ORIGIN, 5);
    let tiles = Tiles::serve_with(&ledger.entries, Some("open-sesame"), false).await;
    let log = ledger.log(ORIGIN);
    let without = setup(&[(&log, &tiles, "")]).start();
    assert!(refused(&without, &log, 0, 5).await.contains("status 403"));
    let folder = tempfile::tempdir().expect("a folder");
    let token = folder.path().join("token");
    std::fs::write(&token, "open-sesame\n").expect("written");
    let with = setup(&[(&log, &tiles, &format!("token-file = {token:?}"))]).start();
    with.cosign(&log, 0, 5).await;
}

#[tokio::test]
async fn a_slow_replay_goes_on_without_its_caller_and_holds_up_no_other_log() {
    let (slow, quick) = (TinyLedger::new(ORIGIN, 300), TinyLedger::new("quick.example/2026", 20));
    let slow_tiles = Tiles::serve(&slow.entries).await;
    let quick_tiles = Tiles::serve(&quick.entries).await;
    let (slow_log, quick_log) = (slow.log(ORIGIN), quick.log("quick.example/2026"));
    let setup = setup(&[(&slow_log, &slow_tiles, ""), (&quick_log, &quick_tiles, "")]);
    let config = std::fs::read_to_string(setup.path("witness.toml")).expect("written");
    std::fs::write(setup.path("witness.toml"), config.replace("seconds = 120", "seconds = 5"))
        .expect("written");
    let witness = setup.start();
    slow_tiles.served.held.send_replace(true);
    let (waiting, ()) = tokio::join!(refused(&witness, &slow_log, 0, 290), async {
        witness.cosign(&quick_log, 0, 20).await;
    });
    assert!(waiting.contains("of 290 entries are replayed; ask again"), "{waiting}");
    // What must be rejected is rejected at once.
    assert_eq!(witness.ask(slow_log.request(3, 290)).await.status, 409);
    slow_tiles.served.held.send_replace(false);
    shows(&witness, "replayed 290 entries").await;
    // Nobody waited for it; now it is there at once.
    slow_tiles.served.held.send_replace(true);
    witness.cosign(&slow_log, 0, 290).await;
    assert!(refused(&witness, &slow_log, 290, 300).await.contains("290 of 300 entries"));
    // It is on its way to 300 entries and does not come back to a smaller checkpoint once it is past.
    slow_tiles.served.held.send_replace(false);
    shows(&witness, "replayed 300 entries").await;
    assert!(refused(&witness, &slow_log, 290, 295).await.contains("at least that size"));
    witness.cosign(&slow_log, 290, 300).await;
}

/// The entry breaks a rule of custody alone: it is signed, linked and in time.
#[tokio::test]
async fn what_the_rules_of_custody_refuse_is_refused() {
    let mut ledger = TinyLedger::new(ORIGIN, 5);
    let nameless = proto::PartyRegistered { party: String::new(), label: "当事者".into() };
    ledger.push(ledger.entry(&ledger.ward, 5, Fact::PartyRegistered(nameless)));
    let tiles = Tiles::serve(&ledger.entries).await;
    let log = ledger.log(ORIGIN);
    let witness = setup(&[(&log, &tiles, "")]).start();
    assert!(refused(&witness, &log, 0, 6).await.contains("entry 5: check fold failed"));
}

#[tokio::test]
async fn metrics_tell_sizes_answers_and_refusals() {
    let mut ledger = TinyLedger::new(ORIGIN, 10);
    let mut entry = ledger.next();
    entry.previous = ChainHash::of_entry(b"another");
    ledger.push(entry);
    let tiles = Tiles::serve(&ledger.entries).await;
    let log = ledger.log(ORIGIN);
    let setup = setup(&[(&log, &tiles, "")]);
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound");
    let witness = setup.start_with(&["--metrics-listen", &free.to_string()]);
    witness.cosign(&log, 0, 10).await;
    refused(&witness, &log, 10, 11).await;
    let metrics = witness.client.get(format!("http://{free}/metrics")).send().await.expect("served");
    let metrics = metrics.text().await.expect("text");
    for line in [
        "daicho_witness_requests_total{status=\"200\"} 1".to_owned(),
        "daicho_witness_requests_total{status=\"503\"} 1".to_owned(),
        format!("daicho_witness_log_entries{{origin=\"{ORIGIN}\"}} 10"),
        format!("daicho_witness_replayed_entries{{origin=\"{ORIGIN}\"}} 11"),
        format!("daicho_witness_audit_refused{{origin=\"{ORIGIN}\"}} 1"),
        format!("daicho_witness_last_cosigned_timestamp_seconds{{origin=\"{ORIGIN}\"}} 1"),
    ] {
        assert!(metrics.lines().any(|found| found.starts_with(&line)), "{line} in {metrics}");
    }
}

/// Waits until the page of a witness says so.
async fn shows(witness: &Witness, words: &str) {
    let started = std::time::Instant::now();
    while !witness.get("").await.body.contains(words) {
        assert!(started.elapsed() < std::time::Duration::from_secs(60), "it never says `{words}`");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}
