//! C2SP tlog-tiles: what is served, what is exported, and audits from nothing else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::IntoResponse as _;
use daicho_client::proto::event::Fact;
use daicho_client::proto::{self, PublishCheckpointRequest};
use daicho_client::{Client, Emitter, SigningKey, event};
use daicho_tests::{Daichod, Play, Port, TLS, binary, collected};
use daicho_tlog::tile::{Kind, Tile, read_bundle};
use daicho_tlog::{Algorithm, NoteSigner, SignedCheckpoint, TreeHash, VerifierKey};
use futures::TryStreamExt as _;
use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE,
    WWW_AUTHENTICATE,
};
use serde_json::Value;

const ORIGIN: &str = "demo.example/ledger";
/// More than one full tile, so that there is a tile above.
const SIZE: u64 = 300;
const TILES: [&str; 2] = ["--tiles-listen", "127.0.0.1:0"];

/// A ledger that is served, in a folder of its own.
struct Scene {
    folder: tempfile::TempDir,
    server: Daichod,
    client: Client,
    http: reqwest::Client,
}

impl Scene {
    async fn new(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Daichod::init(folder.path(), None).expect("founded");
        Self::start(folder, flags).await
    }

    async fn start(folder: tempfile::TempDir, flags: &[&str]) -> Self {
        let server = Daichod::start(folder.path(), &[&TILES, flags].concat()).expect("a server");
        let client = server.client().await.expect("a client");
        Play::prepare(&client, server.ward_key().expect("key")).await.expect("prepared");
        let scene = Self { folder, server, client, http: http() };
        scene.grow(SIZE).await;
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Records statements until there are so many entries, and has a checkpoint kept.
    async fn grow(&self, size: u64) -> u64 {
        let info = self.client.ledger_info().await.expect("info");
        let emitter = Emitter::new(self.client.clone(), Play::contractor_key()).await.expect("authorised");
        let now = emitter.ledger_now().await.expect("time");
        let mut stream = emitter.into_stream(1_000).await.expect("a stream");
        for n in info.size..size {
            stream.send(vec![collected(now, &format!("copy-{n}"))]).await.expect("sent");
        }
        while let Some(answer) = stream.next().await {
            answer.result.expect("recorded");
        }
        self.publish().await
    }

    async fn publish(&self) -> u64 {
        let kept = self.client.proof().publish_checkpoint(PublishCheckpointRequest {}).await.expect("kept");
        kept.into_inner().checkpoint.expect("a checkpoint").tree_size
    }

    async fn get(&self, path: &str) -> reqwest::Response {
        let address = self.server.tiles_address().expect("tiles");
        self.http.get(format!("{address}/{path}")).send().await.expect("an answer")
    }

    /// Everything that tlog-tiles names for a tree of this size, as it is served.
    async fn resources(&self, size: u64) -> BTreeMap<Tile, Bytes> {
        let mut all = BTreeMap::new();
        for tile in Tile::added(0, size) {
            let answer = self.get(&tile.to_string()).await;
            assert_eq!(answer.status(), StatusCode::OK, "{tile}");
            all.insert(tile, answer.bytes().await.expect("whole"));
        }
        all
    }

    async fn entries(&self, size: u64) -> Vec<Vec<u8>> {
        let stream = self.client.read_entries(0, size).await.expect("readable");
        stream.try_collect().await.expect("whole")
    }

    /// The key that signs the checkpoints.
    fn key(&self) -> VerifierKey {
        daicho_tests::checkpoint_key(&self.path("")).expect("the key file").verifier().clone()
    }

    fn export(&self, to: &Path) -> Output {
        let to = to.to_str().expect("a path");
        let mut command = std::process::Command::new(binary("daichod").expect("built"));
        command.arg("export").arg("--data").arg(self.path("data")).args(["--to", to]);
        command.output().expect("runs")
    }
}

fn http() -> reqwest::Client {
    // Fails only where a test before has installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().expect("a client")
}

async fn audit(args: &[&str]) -> Output {
    let mut command = tokio::process::Command::new(binary("daicho").expect("built"));
    command.arg("audit").args(args).env_clear().env("DAICHO_LANG", "en").output().await.expect("runs")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("it ended by itself")
}

fn out(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("UTF-8")
}

fn err(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("UTF-8")
}

/// What an audit says as JSON, and its exit code.
async fn verdict(args: &[&str]) -> (i32, Value) {
    let output = audit(&[&["--output", "json"], args].concat()).await;
    let json = serde_json::from_str(out(&output)).unwrap_or_else(|_| panic!("{}", err(&output)));
    (code(&output), json)
}

fn header<'a>(answer: &'a reqwest::Response, name: &reqwest::header::HeaderName) -> &'a str {
    answer.headers().get(name).map_or("", |value| value.to_str().expect("text"))
}

// ---- served ------------------------------------------------------------------------------------

#[tokio::test]
async fn checkpoint_tiles_and_bundles_are_served_and_hang_together() {
    let scene = Scene::new(&[]).await;
    let answer = scene.get("checkpoint").await;
    assert_eq!(header(&answer, &CONTENT_TYPE), "text/plain; charset=utf-8");
    assert_eq!(header(&answer, &CACHE_CONTROL), "public, max-age=3");
    let checkpoint = SignedCheckpoint::parse(&answer.bytes().await.expect("whole")).expect("a checkpoint");
    assert_eq!(checkpoint.verify([&scene.key()]).expect("signed").len(), 1);
    let checkpoint = checkpoint.checkpoint();
    assert_eq!((checkpoint.origin(), checkpoint.size()), (ORIGIN, SIZE));

    let tiles = scene.resources(SIZE).await;
    let names: Vec<String> = tiles.keys().map(ToString::to_string).collect();
    let expected =
        ["tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/000", "tile/entries/001.p/44"];
    assert_eq!(names, expected);
    let answer = scene.get("tile/0/000").await;
    assert_eq!(header(&answer, &CONTENT_TYPE), "application/octet-stream");
    assert_eq!(header(&answer, &CACHE_CONTROL), "public, max-age=31536000, immutable");

    let mut entries = scene.entries(SIZE).await.into_iter();
    for (tile, bytes) in tiles.iter().filter(|(tile, _)| tile.kind == Kind::Entries) {
        let hashes = &tiles[&Tile { kind: Kind::Hashes(0), ..*tile }];
        for (entry, hash) in read_bundle(bytes, tile.width).expect("a bundle").iter().zip(hashes.chunks(32)) {
            assert_eq!(Some(*entry), entries.next().as_deref());
            assert_eq!(TreeHash::of_leaf(entry).as_bytes(), hash);
        }
    }
    assert_eq!(entries.next(), None);

    // Every tree on the way can still be read: its partial tiles are cut from what is there now.
    for size in [1, 44, 255, 256, 257] {
        let nodes = scene.resources(size).await;
        let nodes = daicho_tlog::tile::TileNodes::new(size, |tile: Tile| {
            Ok::<_, std::io::Error>(nodes[&tile].to_vec())
        });
        let leaves = scene.entries(size).await;
        let leaves = leaves.iter().map(|entry| TreeHash::of_leaf(entry));
        let growth = daicho_tlog::merkle::Growth::new(&daicho_tlog::merkle::Frontier::default(), leaves);
        assert_eq!(daicho_tlog::merkle::root(&nodes, size).expect("tiles"), growth.root(), "of {size}");
    }
}

/// Tiles as the reader of others asks for them.
struct Served(BTreeMap<Tile, Bytes>);

impl tlog_tiles::TileReader for Served {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[tlog_tiles::Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        let ours = |tile: &tlog_tiles::Tile| {
            let (kind, width) =
                (Kind::Hashes(tile.level()), u16::try_from(tile.width()).expect("at most 256"));
            self.0[&Tile { kind, index: tile.level_index(), width }].to_vec()
        };
        Ok(tiles.iter().map(ours).collect())
    }

    fn save_tiles(&self, _: &[tlog_tiles::Tile], _: &[Vec<u8>]) {}
}

#[tokio::test]
async fn an_implementation_that_is_not_ours_verifies_what_is_served() {
    use signed_note::{StandardVerifier, VerifierList};
    let scene = Scene::new(&[]).await;
    let note = scene.get("checkpoint").await.bytes().await.expect("whole");
    let note = signed_note::Note::from_bytes(&note).expect("a note");
    let key = StandardVerifier::new(&scene.key().to_string()).expect("a key");
    let (verified, _) = note.verify(&VerifierList::new(vec![Box::new(key)])).expect("signed");
    assert_eq!(verified.len(), 1);
    let checkpoint = tlog_tiles::Checkpoint::from_bytes(note.text()).expect("a checkpoint");
    let (size, root) = (checkpoint.size(), *checkpoint.hash());

    let served = Served(scene.resources(size).await);
    let reader = tlog_tiles::TileHashReader::new(size, root, &served);
    assert_eq!(tlog_tiles::tree_hash(size, &reader).expect("tiles"), root);
    for (index, entry) in scene.entries(size).await.iter().enumerate() {
        let proof = tlog_tiles::prove_record(size, index as u64, &reader).expect("tiles");
        let hash = tlog_tiles::record_hash(entry);
        tlog_tiles::check_record(&proof, size, root, index as u64, hash).expect("proven");
    }
}

#[tokio::test]
async fn nothing_else_is_served() {
    let scene = Scene::new(&[]).await;
    let page = scene.get("").await;
    assert_eq!(header(&page, &CONTENT_TYPE), "text/plain; charset=utf-8");
    let page = page.text().await.expect("whole");
    for word in [ORIGIN, &scene.key().to_string(), &format!("{SIZE} entries")] {
        assert!(page.contains(word), "{word}: {page}");
    }
    for path in [
        "tile/0/002",
        "tile/0/001",
        "tile/0/001.p/45",
        "tile/0/000.p/256",
        "tile/0/000.p/0",
        "tile/0/0",
        "tile/0/%3000",
        "tile/00/000",
        "tile/0/x000/000",
        "tile/1/000",
        "tile/2/000.p/1",
        "tile/8/000.p/1",
        "tile/63/000.p/1",
        "tile/64/000",
        "tile/0/x018/x446/x744/x073/x709/x551/615",
        "tile/entries/002",
        "tile/entries/001.p/45",
        "tile/entries/",
        "tile/",
        "checkpoint/",
        "metrics",
    ] {
        let answer = scene.get(path).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
        // It may be there later.
        assert_eq!(header(&answer, &CACHE_CONTROL), "no-store", "{path}");
    }
    let address = scene.server.tiles_address().expect("tiles");
    for path in ["checkpoint", "tile/0/000", "tile/entries/000", ""] {
        let url = format!("{address}/{path}");
        let length = scene.get(path).await.bytes().await.expect("whole").len();
        let head = scene.http.head(&url).send().await.expect("an answer");
        assert_eq!(
            (head.status(), header(&head, &CONTENT_LENGTH)),
            (StatusCode::OK, length.to_string().as_str())
        );
        assert!(head.bytes().await.expect("whole").is_empty());
        for method in [Method::POST, Method::PUT, Method::DELETE] {
            let answer = scene.http.request(method, &url).send().await.expect("an answer");
            assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        }
    }
    // Connections that are kept open do not hold up the stop.
    scene.server.stop().expect("a quiet end");
}

#[tokio::test]
async fn bundles_are_packed_for_those_who_read_gzip() {
    let scene = Scene::new(&[]).await;
    let plain = scene.get("tile/entries/000").await.bytes().await.expect("whole");
    let url = format!("{}/tile/entries/000", scene.server.tiles_address().expect("tiles"));
    let packed =
        scene.http.get(&url).header(ACCEPT_ENCODING, "gzip, identity").send().await.expect("an answer");
    assert_eq!(header(&packed, &CONTENT_ENCODING), "gzip");
    let packed = packed.bytes().await.expect("whole");
    assert!(packed.len() < plain.len() && packed.starts_with(&[0x1f, 0x8b]), "{}", packed.len());
}

#[tokio::test]
async fn over_tls_auditors_read_bundles_by_their_key() {
    let folder = tempfile::tempdir().expect("a folder");
    Daichod::init(folder.path(), None).expect("founded");
    let scene = Scene::start(folder, &[TLS]).await;
    let address = scene.server.tiles_address().expect("tiles");
    assert!(address.starts_with("https://"), "{address}");
    let auditor = SigningKey::from_seed(&[77; 32]);
    let request = Fact::KeyAuthorized(auditor.request(ORIGIN, "audit_office", "auditor"));
    let office = proto::PartyRegistered { party: "audit_office".to_owned(), label: "監査".to_owned() };
    let mut ward =
        Emitter::new(scene.client.clone(), scene.server.ward_key().expect("a key")).await.expect("known");
    let now = ward.ledger_now().await.expect("time");
    let said = [Fact::PartyRegistered(office), request].map(|fact| event("", now, fact));
    ward.emit(said.into()).await.expect("recorded");
    scene.publish().await;
    for (file, key) in [("auditor.pem", &auditor), ("contractor.pem", &Play::contractor_key())] {
        std::fs::write(scene.path(file), key.to_pem()).expect("written");
    }

    let authority = scene.server.authority().display().to_string();
    let tiles = ["--tiles", &address, "--ca", &authority];
    let by = |file: &str| scene.path(file).display().to_string();
    let (exit, json) = verdict(&[&tiles[..], &["--identity", &by("auditor.pem")]].concat()).await;
    assert_eq!((exit, &json["ok"]), (0, &Value::Bool(true)), "{json}");
    // A contractor's own entries are among those of others; who shows no key gets none.
    assert_eq!(code(&audit(&[&tiles[..], &["--identity", &by("contractor.pem")]].concat()).await), 4);
    assert_eq!(code(&audit(&tiles).await), 4);
    // Nobody believes a server whose authority is unknown.
    assert_eq!(code(&audit(&["--tiles", &address]).await), 3);
    // Hashes are open to all, over TLS alone.
    let pem = std::fs::read(&authority).expect("a file");
    let pem = reqwest::Certificate::from_pem(&pem).expect("a certificate");
    let http = reqwest::Client::builder().tls_certs_only([pem]).build().expect("a client");
    for (path, status) in [("tile/0/000", StatusCode::OK), ("tile/entries/000", StatusCode::FORBIDDEN)] {
        let answer = http.get(format!("{address}/{path}")).send().await.expect("an answer");
        assert_eq!(answer.status(), status, "{path}");
    }
    let plain = http.get(format!("{}/checkpoint", address.replace("https", "http"))).send().await;
    assert!(plain.is_err(), "{plain:?}");

    // What was read is logged under the key's name.
    let log = std::fs::read_dir(scene.path("data.reads")).expect("a log");
    let lines: String =
        log.map(|file| std::fs::read_to_string(file.expect("a day").path()).expect("a text")).collect();
    assert!(lines.contains(&auditor.public().id().to_string()), "{lines}");
}

#[tokio::test]
async fn entry_bundles_ask_for_the_token_and_nothing_else_does() {
    let folder = tempfile::tempdir().expect("a folder");
    Daichod::init(folder.path(), None).expect("founded");
    let token_file = folder.path().join("entries.token");
    let flag = token_file.to_str().expect("a path").to_owned();
    let start =
        |folder: &Path| Daichod::start(folder, &[&TILES[..], &["--entries-token-file", &flag]].concat());
    for bad in ["", "short", "two words of a token"] {
        std::fs::write(&token_file, bad).expect("written");
        let error = start(folder.path()).expect_err("no token").to_string();
        assert!(error.contains("entries-token-file"), "{error}");
    }
    std::fs::write(&token_file, "a-token-of-the-auditor\n").expect("written");
    let scene = Scene::start(folder, &["--entries-token-file", &flag]).await;

    for path in ["", "checkpoint", "tile/0/000", "tile/1/000.p/1"] {
        assert_eq!(scene.get(path).await.status(), StatusCode::OK, "{path}");
    }
    let url = format!("{}/tile/entries/000", scene.server.tiles_address().expect("tiles"));
    let with = |value: &'static str| scene.http.get(&url).header(AUTHORIZATION, value).send();
    let open = scene.get("tile/entries/000").await;
    assert_eq!((open.status(), header(&open, &WWW_AUTHENTICATE)), (StatusCode::UNAUTHORIZED, "Bearer"));
    // Without the right nobody learns how many there are.
    assert_eq!(scene.get("tile/entries/009").await.status(), StatusCode::UNAUTHORIZED);
    for (value, status) in [
        ("Bearer a-token-of-the-auditor", StatusCode::OK),
        ("bearer a-token-of-the-auditor", StatusCode::OK),
        ("Bearer a-token-of-the-audito", StatusCode::FORBIDDEN),
        ("Bearer a-token-of-the-auditor2", StatusCode::FORBIDDEN),
        ("Basic a-token-of-the-auditor", StatusCode::UNAUTHORIZED),
        ("a-token-of-the-auditor", StatusCode::UNAUTHORIZED),
    ] {
        assert_eq!(with(value).await.expect("an answer").status(), status, "{value}");
    }
    // A cache that others share must not hand it on.
    let given = with("Bearer a-token-of-the-auditor").await.expect("an answer");
    assert_eq!(header(&given, &CACHE_CONTROL), "private, max-age=31536000, immutable");

    let address = scene.server.tiles_address().expect("tiles");
    let (exit, json) = verdict(&["--tiles", &address, "--token-file", &flag]).await;
    assert_eq!((exit, &json["ok"]), (0, &Value::Bool(true)), "{json}");
    assert_eq!(code(&audit(&["--tiles", &address]).await), 4);
    std::fs::write(&token_file, "a-token-of-somebody\n").expect("written");
    let refused = audit(&["--tiles", &address, "--token-file", &flag]).await;
    assert_eq!(code(&refused), 4);
    assert!(
        err(&refused).contains("--token-file") && !err(&refused).contains("somebody"),
        "{}",
        err(&refused)
    );
}

// ---- exported ----------------------------------------------------------------------------------

/// Files below a folder with their times and contents, by their names relative to it.
fn files(folder: &Path) -> BTreeMap<String, (SystemTime, Vec<u8>)> {
    let mut all = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for item in std::fs::read_dir(&next).expect("a folder") {
            let path = item.expect("an item").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).expect("below it").to_str().expect("a name").to_owned();
            let changed = std::fs::metadata(&path).and_then(|data| data.modified()).expect("a time");
            all.insert(name, (changed, std::fs::read(&path).expect("readable")));
        }
    }
    all
}

#[tokio::test]
async fn an_export_holds_what_is_served_and_grows_without_writing_anything_twice() {
    let scene = Scene::new(&["--publish-every", "3600"]).await;
    let to = scene.path("published");
    let exported = scene.export(&to);
    assert_eq!(code(&exported), 0, "{}", err(&exported));
    assert!(out(&exported).contains("written     5 tiles and bundles; 0 were there"), "{}", out(&exported));
    let first = files(&to);
    let mut served: BTreeMap<String, Vec<u8>> = scene
        .resources(SIZE)
        .await
        .into_iter()
        .map(|(tile, bytes)| (tile.to_string(), bytes.to_vec()))
        .collect();
    let checkpoint = scene.get("checkpoint").await.bytes().await.expect("whole");
    served.insert("checkpoint".to_owned(), checkpoint.to_vec());
    let contents: BTreeMap<_, _> =
        first.iter().map(|(name, (_, bytes))| (name.clone(), bytes.clone())).collect();
    assert_eq!(contents, served);

    assert_eq!(code(&scene.export(&to)), 0);
    assert_eq!(files(&to), first);

    let size = scene.grow(520).await;
    assert_eq!(code(&scene.export(&to)), 0);
    let second = files(&to);
    for (name, file) in first.iter().filter(|(name, _)| *name != "checkpoint") {
        assert_eq!(second.get(name), Some(file), "{name}");
    }
    assert_eq!(second.len() - first.len(), 2 * 2 + 1, "{:?}", second.keys());
    let (exit, json) = verdict(&["--tiles", to.to_str().expect("a path")]).await;
    assert_eq!((exit, &json["entries"]), (0, &Value::from(size)), "{json}");

    // A lost file comes back, and without the server too.
    std::fs::remove_file(to.join("tile/entries/000")).expect("removed");
    let Scene { folder, server, .. } = scene;
    server.stop().expect("a quiet end");
    let data = folder.path().join("data");
    let again = std::process::Command::new(binary("daichod").expect("built"))
        .args(["export", "--data", data.to_str().expect("a path"), "--to", to.to_str().expect("a path")])
        .output()
        .expect("runs");
    assert!(out(&again).contains("written     1 tiles"), "{}{}", out(&again), err(&again));
    assert_eq!(files(&to)["tile/entries/000"].1, second["tile/entries/000"].1);
}

#[tokio::test]
async fn without_a_ledger_or_a_kept_checkpoint_nothing_is_exported() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |data: &Path, to: &str| {
        let mut command = std::process::Command::new(binary("daichod").expect("built"));
        command.arg("export").arg("--data").arg(data).args(["--to", to]).output().expect("runs")
    };
    let to = folder.path().join("published");
    let to_text = to.to_str().expect("a path");
    assert_eq!(code(&run(&folder.path().join("data"), to_text)), 3);
    Daichod::init(folder.path(), None).expect("founded");
    let nothing = run(&folder.path().join("data"), to_text);
    assert_eq!(code(&nothing), 3);
    assert!(err(&nothing).contains("no checkpoint is kept"), "{}", err(&nothing));
    assert!(files(&to).is_empty());
    let elsewhere = run(&folder.path().join("data"), "ftp://somewhere");
    assert_eq!(code(&elsewhere), 2, "{}", err(&elsewhere));
}

#[tokio::test]
async fn a_flipped_byte_in_any_exported_file_is_found_and_named() {
    let scene = Scene::new(&[]).await;
    let to = scene.path("published");
    assert_eq!(code(&scene.export(&to)), 0);
    let place = to.to_str().expect("a path");
    let (exit, json) = verdict(&["--tiles", place]).await;
    assert_eq!((exit, &json["tiles"], &json["checkpoints"]), (0, &3.into(), &1.into()), "{json}");

    for (name, (_, whole)) in files(&to) {
        let file = to.join(&name);
        for at in [0, whole.len() / 2, whole.len() - 2] {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            std::fs::write(&file, &flipped).expect("written");
            let (exit, json) = verdict(&["--tiles", place]).await;
            let (check, detail) =
                (json["check"].as_str().expect("a check"), json["detail"].as_str().expect("words"));
            assert_eq!(exit, 1, "byte {at} of {name}");
            match name.as_str() {
                // Its size can change too: then tiles are missing.
                "checkpoint" => assert!(["checkpoint", "tiles"].contains(&check), "{json}"),
                // An entry, or the bundle around it.
                _ if name.contains("entries") => {
                    assert!(check != "tiles" || detail.contains(&name), "{json}")
                }
                _ => assert!(check == "tiles" && detail.contains(&name), "{json}"),
            }
        }
        if name != "checkpoint" {
            let longer = [&whole[..], b"more"].concat();
            for wrong in [&whole[..whole.len() - 1], &whole[..whole.len() / 2], b"", &longer] {
                std::fs::write(&file, wrong).expect("written");
                let (exit, json) = verdict(&["--tiles", place]).await;
                let detail = json["detail"].as_str().expect("words");
                assert!(exit == 1 && json["check"] == "tiles" && detail.contains(&name), "{name}: {json}");
            }
            std::fs::remove_file(&file).expect("removed");
            let (exit, json) = verdict(&["--tiles", place]).await;
            let detail = json["detail"].as_str().expect("words");
            assert!(exit == 1 && detail.contains(&format!("{name} is missing")), "{json}");
        }
        std::fs::write(&file, &whole).expect("written");
    }
    assert_eq!(verdict(&["--tiles", place]).await.0, 0);
}

#[tokio::test]
async fn what_is_cut_doubled_moved_or_too_much_is_each_found_and_said() {
    let scene = Scene::new(&[]).await;
    let to = scene.path("published");
    assert_eq!(code(&scene.export(&to)), 0);
    let place = to.to_str().expect("a path").to_owned();
    let all: BTreeMap<String, Vec<u8>> =
        files(&to).into_iter().map(|(name, (_, bytes))| (name, bytes)).collect();
    let bundle = |change: &dyn Fn(&mut Vec<&[u8]>)| {
        let mut entries = read_bundle(&all["tile/entries/001.p/44"], 44).expect("a bundle");
        change(&mut entries);
        let mut bytes = Vec::new();
        entries
            .iter()
            .try_for_each(|e| daicho_tlog::tile::write_bundle_entry(&mut bytes, e))
            .expect("as long as they were");
        bytes
    };
    let tile = |name: &str, change: &dyn Fn(&mut Vec<&[u8]>)| {
        let mut hashes: Vec<&[u8]> = all[name].chunks(32).collect();
        change(&mut hashes);
        hashes.concat()
    };
    let (entries, leaves) = ("tile/entries/001.p/44", "tile/0/001.p/44");
    let zeros = vec![0; 8_193];
    let cases: [(&str, Vec<u8>, &str); 14] = [
        (entries, bundle(&|e| _ = e.pop()), "ends after 43 entries"),
        (entries, bundle(&|e| _ = e.remove(7)), "ends after 43 entries"),
        (entries, bundle(&|e| e.push(e[43])), "bytes after the last entry"),
        (
            entries,
            bundle(&|e| e[7] = e[3]),
            "place 7 of tile/entries/001.p/44 holds once more what stands at place 3",
        ),
        (
            entries,
            bundle(&|e| e[3] = e[7]),
            "place 3 of tile/entries/001.p/44 holds once more what stands at place 7",
        ),
        (
            entries,
            bundle(&|e| e.swap(3, 7)),
            "place 3 of tile/entries/001.p/44 holds what belongs at place 7",
        ),
        (leaves, tile(leaves, &|h| _ = h.pop()), "ends after 43 hashes"),
        (leaves, tile(leaves, &|h| h.push(h[43])), "32 bytes after the last hash"),
        (leaves, zeros.clone(), "is longer than 8192 bytes"),
        (
            leaves,
            tile(leaves, &|h| h[7] = h[3]),
            "place 7 of tile/0/001.p/44 holds once more what stands at place 3",
        ),
        (leaves, tile(leaves, &|h| h.swap(3, 7)), "place 3 of tile/0/001.p/44 holds what belongs at place 7"),
        (leaves, tile("tile/0/000", &|h| h.truncate(44)), "hash 0 of tile/0/001.p/44 is"),
        ("tile/1/000.p/1", zeros, "is longer than 8192 bytes"),
        ("tile/1/000.p/1", vec![0; 32], "hash 0 of tile/1/000.p/1 is"),
    ];
    for (name, changed, words) in cases {
        std::fs::write(to.join(name), changed).expect("written");
        let (exit, json) = verdict(&["--tiles", &place]).await;
        let detail = json["detail"].as_str().unwrap_or_default();
        assert!(exit == 1 && json["check"] == "tiles" && detail.contains(words), "{words}: {json}");
        assert!(detail.contains(name), "{name}: {json}");
        std::fs::write(to.join(name), &all[name]).expect("written");
    }
    // The bundle of other entries: by the index in the first of them.
    let early = read_bundle(&all["tile/entries/000"], 256).expect("a bundle");
    let mut other = Vec::new();
    for entry in &early[..44] {
        daicho_tlog::tile::write_bundle_entry(&mut other, entry).expect("short");
    }
    std::fs::write(to.join(entries), other).expect("written");
    let (exit, json) = verdict(&["--tiles", &place]).await;
    assert_eq!((exit, &json["entry"], &json["check"]), (1, &256.into(), &"index-order".into()), "{json}");
    std::fs::write(to.join(entries), &all[entries]).expect("written");
    assert_eq!(verdict(&["--tiles", &place]).await.0, 0);
}

/// An S3 service of one bucket, as far as an export needs one. It keeps what was put, in order.
#[derive(Clone, Default)]
struct Bucket(Arc<Mutex<Vec<(String, HeaderMap, Bytes)>>>);

impl Bucket {
    async fn serve(&self) -> String {
        let bucket = self.clone();
        let router = Router::new().fallback(move |method, uri, headers, body| async move {
            bucket.answer(&method, &uri, headers, body).into_response()
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async { axum::serve(listener, router).await });
        format!("http://{address}")
    }

    fn answer(
        &self,
        method: &Method,
        uri: &Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> (StatusCode, HeaderMap, Bytes) {
        let signed = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        assert!(signed.starts_with("AWS4-HMAC-SHA256 Credential=key/"), "{signed}");
        let mut objects = self.0.lock().expect("no test panics with it");
        let key = uri.path().strip_prefix("/bucket/").map(str::to_owned);
        let ok = |body: Bytes| {
            let etag = [("etag", "\"1\""), ("last-modified", "Thu, 01 Apr 2021 00:00:00 GMT")];
            let headers =
                etag.map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")));
            (StatusCode::OK, HeaderMap::from_iter(headers), body)
        };
        match (method, key) {
            (&Method::PUT, Some(key)) => {
                objects.push((key, headers, body));
                ok(Bytes::new())
            }
            (&Method::GET, Some(key)) => match objects.iter().rev().find(|(name, _, _)| *name == key) {
                Some((_, _, body)) => ok(body.clone()),
                None => (StatusCode::NOT_FOUND, HeaderMap::new(), Bytes::new()),
            },
            (&Method::GET, None) => {
                assert!(uri.query().is_some_and(|query| query.contains("prefix=log%2Ftile%2F")), "{uri}");
                let listed = objects.iter().filter(|(name, _, _)| name.starts_with("log/tile/")).map(
                    |(name, _, body)| {
                        format!(
                            "<Contents><Key>{name}</Key><LastModified>2021-04-01T00:00:00.000Z</LastModified>\
                         <ETag>\"1\"</ETag><Size>{}</Size></Contents>",
                            body.len()
                        )
                    },
                );
                let listed: String = listed.collect();
                ok(format!("<ListBucketResult><IsTruncated>false</IsTruncated>{listed}</ListBucketResult>")
                    .into())
            }
            _ => (StatusCode::METHOD_NOT_ALLOWED, HeaderMap::new(), Bytes::new()),
        }
    }

    fn objects(&self) -> Vec<(String, HeaderMap, Bytes)> {
        self.0.lock().expect("no test panics with it").clone()
    }

    fn names(&self) -> Vec<String> {
        self.objects().into_iter().map(|(name, _, _)| name).collect()
    }
}

#[tokio::test]
async fn an_export_to_a_bucket_is_signed_and_repeated_writes_nothing() {
    let scene = Scene::new(&["--publish-every", "3600"]).await;
    let bucket = Bucket::default();
    let endpoint = bucket.serve().await;
    let data = scene.path("data");
    let run = async || {
        tokio::process::Command::new(binary("daichod").expect("built"))
            .args(["export", "--to", "s3://bucket/log", "--data"])
            .arg(&data)
            .env_clear()
            .envs([("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret"), ("AWS_REGION", "test")])
            .envs([("AWS_ENDPOINT", endpoint.as_str()), ("AWS_ALLOW_HTTP", "true")])
            .output()
            .await
            .expect("runs")
    };
    let exported = run().await;
    assert_eq!(code(&exported), 0, "{}", err(&exported));
    let names = bucket.names();
    assert_eq!((names.len(), names.last().map(String::as_str)), (6, Some("log/checkpoint")), "{names:?}");
    for (name, headers, body) in bucket.objects() {
        let name = name.strip_prefix("log/").expect("below the prefix");
        assert_eq!(body, scene.get(name).await.bytes().await.expect("whole"), "{name}");
        let text =
            if name == "checkpoint" { "text/plain; charset=utf-8" } else { "application/octet-stream" };
        assert_eq!(headers[CONTENT_TYPE], text);
    }
    assert_eq!(code(&run().await), 0);
    assert_eq!(bucket.names(), names);
}

// ---- audited -----------------------------------------------------------------------------------

#[tokio::test]
async fn an_audit_says_whose_keys_it_trusted() {
    let scene = Scene::new(&["--publish-every", "3600"]).await;
    scene.client.proof().seal_ledger(daicho_client::proto::SealLedgerRequest {}).await.expect("sealed");
    let size = scene.publish().await;
    let to = scene.path("published");
    assert_eq!(code(&scene.export(&to)), 0);
    let (folder, url) =
        (to.to_str().expect("a path").to_owned(), scene.server.tiles_address().expect("tiles"));
    let server = scene.server.address().to_owned();
    let ways: [&[&str]; 3] = [&["--tiles", &folder], &["--tiles", &url], &["--server", &server]];

    for way in ways {
        let text = audit(way).await;
        assert_eq!(code(&text), 0, "{}{}", out(&text), err(&text));
        for words in [
            "1  seals:",
            "1  checkpoints:",
            "keys taken from the ledger itself",
            "signed by demo.example/ledger+",
        ] {
            assert!(out(&text).contains(words), "{words}: {}", out(&text));
        }
        let text = audit(&[way, &["--lang", "ja"]].concat()).await;
        assert!(out(&text).contains("台帳自身の記載"), "{}", out(&text));
        let (exit, json) = verdict(way).await;
        let anchor = &json["anchors"][0];
        assert_eq!(
            (exit, &json["seals"], &anchor["size"], &anchor["keys_from"]),
            (0, &1.into(), &size.into(), &"ledger".into())
        );
        assert_eq!(json["tiles"].is_null(), way[0] == "--server");
        assert_eq!(json["root"], anchor["root"]);
    }

    let witness =
        NoteSigner::from_seed("w.example".parse().expect("a name"), Algorithm::CosignatureEd25519, &[7; 32]);
    let witness = witness.expect("a key");
    let other =
        NoteSigner::from_seed(ORIGIN.parse().expect("a name"), Algorithm::Ed25519, &[8; 32]).expect("a key");
    let policy = |name: &str, text: String| {
        std::fs::write(scene.path(name), text).expect("written");
        scene.path(name).to_str().expect("a path").to_owned()
    };
    let log = scene.key();
    let plain = policy("plain", format!("log {log}\nquorum none\n"));
    let quorum = policy("quorum", format!("log {log}\nwitness w1 {}\nquorum w1\n", witness.verifier()));
    let wrong = policy("wrong", format!("log {}\nquorum none\n", other.verifier()));
    let broken = policy("broken", format!("log {log}\n"));
    for way in ways {
        let (exit, json) = verdict(&[way, &["--policy", &plain]].concat()).await;
        assert_eq!((exit, &json["anchors"][0]["keys_from"]), (0, &"policy".into()), "{json}");
        for (policy, words) in [(&wrong, "did not sign"), (&quorum, "quorum is not met")] {
            let (exit, json) = verdict(&[way, &["--policy", policy]].concat()).await;
            let detail = json["detail"].as_str().expect("words");
            assert!(exit == 1 && json["check"] == "checkpoint" && detail.contains(words), "{json}");
        }
        assert_eq!(code(&audit(&[way, &["--policy", &broken]].concat()).await), 2);
    }

    // A witness cosigns what was exported.
    let mut note =
        SignedCheckpoint::parse(&std::fs::read(to.join("checkpoint")).expect("a file")).expect("a note");
    let cosignature = witness.sign(note.text(), 1_764_547_200).expect("a checkpoint");
    note.add([cosignature]).expect("room");
    std::fs::write(to.join("checkpoint"), note.to_string()).expect("written");
    let (exit, json) = verdict(&["--tiles", &folder, "--policy", &quorum]).await;
    let cosigned = &json["anchors"][0]["cosigned_by"][0];
    assert_eq!(
        (exit, &cosigned["witness"], &cosigned["at"]),
        (0, &"w1".into(), &"2025-12-01T09:00:00+09:00".into()),
        "{json}"
    );
}

/// Answers one connection after the other with these bytes, whatever is asked.
async fn answers_all(answer: Vec<u8>) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut asked = [0; 4_096];
            // A client that hangs up early is what some of these tests want.
            let _ = connection.read(&mut asked).await;
            let _ = connection.write_all(&answer).await;
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn a_place_without_a_log_and_a_server_that_breaks_off_have_their_exit_codes() {
    let folder = tempfile::tempdir().expect("a folder");
    let empty = audit(&["--tiles", folder.path().to_str().expect("a path")]).await;
    assert_eq!(code(&empty), 2, "{}", err(&empty));
    assert!(err(&empty).contains("no checkpoint"), "{}", err(&empty));
    assert_eq!(code(&audit(&["--tiles", "http://"]).await), 2);
    assert_eq!(code(&audit(&["--token-file", "x"]).await), 2);

    let answer = |head: &str, body: &[u8]| [format!("HTTP/1.1 {head}\r\n\r\n").as_bytes(), body].concat();
    let endless = vec![b'x'; (1 << 20) + 1];
    let cases = [
        (answer("404 Not Found\r\nContent-Length: 0", b""), 2, "no checkpoint"),
        (answer("200 OK\r\nContent-Length: 100", b"half of it"), 3, "cannot be had"),
        (answer("503 Service Unavailable\r\nContent-Length: 0", b""), 3, "503"),
        (answer("200 OK\r\nContent-Length: 7", b"no note"), 1, "checkpoint"),
        (answer("200 OK\r\nContent-Length: 1048577", &endless), 1, "longer than 1048576 bytes"),
        (answer("200 OK\r\nContent-Encoding: br\r\nContent-Length: 1", b"x"), 1, "unpacked"),
    ];
    for (bytes, exit, words) in cases {
        let address = answers_all(bytes).await;
        let output = audit(&["--tiles", &address]).await;
        assert_eq!(code(&output), exit, "{words}: {}", err(&output));
        assert!([out(&output), err(&output)].concat().contains(words), "{words}: {}", err(&output));
    }
    let nobody = Port::take().expect("a free port");
    let silent = format!("http://{}", nobody.address());
    let gone = audit(&["--tiles", &silent, "--lang", "ja"]).await;
    assert_eq!(code(&gone), 3);
    assert!(err(&gone).contains("取得できません"), "{}", err(&gone));
}

/// Serves a folder with something changed, as a dishonest or careless operator would.
async fn serves(
    folder: PathBuf,
    change: impl Fn(&str, Vec<u8>) -> Option<Vec<u8>> + Clone + Send + Sync + 'static,
) -> String {
    let router = Router::new().fallback(move |uri: Uri| async move {
        let name = uri.path().trim_start_matches('/').to_owned();
        let found = std::fs::read(folder.join(&name)).ok().and_then(|bytes| change(&name, bytes));
        found.ok_or(StatusCode::NOT_FOUND)
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async { axum::serve(listener, router).await });
    format!("http://{address}")
}

#[tokio::test]
async fn a_server_that_lies_or_leaves_out_is_found() {
    let scene = Scene::new(&[]).await;
    let to = scene.path("published");
    assert_eq!(code(&scene.export(&to)), 0);
    let honest = serves(to.clone(), |_, bytes| Some(bytes)).await;
    // With a path below the host, and a slash at its end.
    assert_eq!(verdict(&["--tiles", &format!("{honest}/")]).await.0, 0);

    let missing = serves(to.clone(), |name, bytes| (name != "tile/1/000.p/1").then_some(bytes)).await;
    let (exit, json) = verdict(&["--tiles", &missing]).await;
    assert!(
        exit == 1 && json["detail"].as_str().is_some_and(|d| d.contains("tile/1/000.p/1 is missing")),
        "{json}"
    );

    // An entry and its hash changed together: the chain, or the signature, finds it.
    let bundle = std::fs::read(to.join("tile/entries/000")).expect("a file");
    let mut entries: Vec<Vec<u8>> =
        read_bundle(&bundle, 256).expect("a bundle").iter().map(|e| e.to_vec()).collect();
    entries[200][12] ^= 1;
    let leaf = TreeHash::of_leaf(&entries[200]);
    let rewritten = serves(to, move |name, mut bytes| {
        match name {
            "tile/entries/000" => {
                bytes.clear();
                entries
                    .iter()
                    .try_for_each(|e| daicho_tlog::tile::write_bundle_entry(&mut bytes, e))
                    .expect("short");
            }
            "tile/0/000" => bytes[200 * 32..201 * 32].copy_from_slice(leaf.as_bytes()),
            _ => {}
        }
        Some(bytes)
    })
    .await;
    let (exit, json) = verdict(&["--tiles", &rewritten]).await;
    assert_eq!((exit, json["entry"].as_u64()), (1, Some(201)), "{json}");
}

/// The log of transparency-dev is no part of this project, and its entries are not ours.
#[tokio::test]
async fn the_log_of_others_is_read_and_its_first_entry_is_none_of_ours() {
    let beside = "../../shared/vectors";
    let root = std::env::var_os("DAICHO_SHARED_VECTORS").unwrap_or_else(|| beside.into());
    let folder = PathBuf::from(root).join("tessera-log");
    if !folder.is_dir() {
        eprintln!("\n*** SKIPPED: {} is absent. NOTHING was read from it. ***\n", folder.display());
        return;
    }
    let place = folder.to_str().expect("a path");
    let (exit, json) = verdict(&["--tiles", place]).await;
    assert_eq!((exit, &json["entry"], &json["check"]), (1, &0.into(), &"entry-format".into()), "{json}");
}

/// A machine without certificates of authorities: their place is set, and is empty.
#[tokio::test]
async fn tiles_over_plain_http_need_no_certificates_of_authorities() {
    let scene = Scene::new(&[]).await;
    let address = scene.server.tiles_address().expect("tiles");
    let run = async |place: &str, lang: &str| {
        let mut command = tokio::process::Command::new(binary("daicho").expect("built"));
        command.args(["audit", "--tiles", place, "--lang", lang]).env_clear();
        command.env("SSL_CERT_FILE", "/dev/null").env("SSL_CERT_DIR", scene.folder.path());
        command.output().await.expect("runs")
    };
    let plain = run(&address, "en").await;
    assert_eq!(code(&plain), 0, "{}", err(&plain));
    let tls = address.replacen("http:", "https:", 1);
    let refused = run(&tls, "en").await;
    assert_eq!(code(&refused), 2, "{}", err(&refused));
    assert!(err(&refused).contains("certificates of authorities installed"), "{}", err(&refused));
    assert!(err(&run(&tls, "ja").await).contains("認証局の証明書"));
}
