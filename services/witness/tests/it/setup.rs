//! A log made in memory, a witness as a process, and questions to it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, Once};
use std::time::{Duration, Instant};

use daicho_tlog::merkle::{self, Frontier, Growth};
use daicho_tlog::witness::{AddCheckpoint, parse_cosignatures};
use daicho_tlog::{
    Algorithm, Checkpoint, NoteSignature, NoteSigner, SignedCheckpoint, TreeHash, VerifierKey,
};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

pub(crate) const WITNESS: &str = "witness.example/w1";
pub(crate) const ORIGIN: &str = "ledger.city.example/2026";

/// A key whose secret is made from its name and a word.
pub(crate) fn key(name: &str, algorithm: Algorithm, word: &str) -> NoteSigner {
    let seed: [u8; 32] = Sha256::digest(format!("{name} {word}")).into();
    NoteSigner::from_seed(name.parse().expect("a key name"), algorithm, &seed).expect("a key")
}

/// A log that signs whatever it is told to.
pub(crate) struct FakeLog {
    pub(crate) signers: Vec<NoteSigner>,
    pub(crate) leaves: Vec<TreeHash>,
}

impl FakeLog {
    /// A log with an Ed25519 key.
    pub(crate) fn new(origin: &str, leaves: u64) -> Self {
        let leaves = (0..leaves).map(|i| TreeHash::of_leaf(&i.to_be_bytes())).collect();
        Self { signers: vec![key(origin, Algorithm::Ed25519, "log")], leaves }
    }

    pub(crate) fn origin(&self) -> &str {
        self.signers.first().map_or(ORIGIN, |signer| signer.verifier().name().as_str())
    }

    pub(crate) fn vkeys(&self) -> Vec<String> {
        self.signers.iter().map(|signer| signer.verifier().to_string()).collect()
    }

    /// Another history after `shared` leaves, under the same key.
    pub(crate) fn fork(&self, shared: usize, word: &str) -> Self {
        let other = |i: usize| TreeHash::of_leaf(format!("{word} {i}").as_bytes());
        let rest = (shared..self.leaves.len()).map(other);
        let leaves = self.leaves[..shared].iter().copied().chain(rest).collect();
        Self { signers: vec![key(self.origin(), Algorithm::Ed25519, "log")], leaves }
    }

    pub(crate) fn root(&self, size: u64) -> TreeHash {
        Growth::new(&Frontier::default(), self.leaves[..size as usize].to_vec()).root()
    }

    pub(crate) fn checkpoint(&self, size: u64) -> SignedCheckpoint {
        self.sign(Checkpoint::new(self.origin(), size, self.root(size)).expect("an origin"))
    }

    pub(crate) fn sign(&self, checkpoint: Checkpoint) -> SignedCheckpoint {
        let text = checkpoint.to_string();
        let signatures = self.signers.iter().map(|signer| signer.sign(&text, 0).expect("a text")).collect();
        SignedCheckpoint::new(checkpoint, signatures).expect("signed")
    }

    pub(crate) fn proof(&self, old: u64, size: u64) -> Vec<TreeHash> {
        let growth = Growth::new(&Frontier::default(), self.leaves[..size as usize].to_vec());
        let Ok(proof) = merkle::consistency_proof(&growth, old, size);
        proof
    }

    pub(crate) fn request(&self, old: u64, size: u64) -> String {
        let proof = if old <= size { self.proof(old, size) } else { Vec::new() };
        AddCheckpoint::new(old, proof, self.checkpoint(size)).expect("a request").to_string()
    }
}

/// A folder with keys and configuration of a witness.
pub(crate) struct Setup {
    folder: Arc<TempDir>,
    pub(crate) vkeys: Vec<VerifierKey>,
}

impl Setup {
    /// A witness of these logs with an Ed25519 key.
    pub(crate) fn new(logs: &[&FakeLog]) -> Self {
        let logs: String = logs.iter().map(|log| log_toml(log, "")).collect();
        Self::with(&[Algorithm::CosignatureEd25519], &logs)
    }

    /// A witness with these keys and this text in its configuration.
    pub(crate) fn with(algorithms: &[Algorithm], toml: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let keys: Vec<NoteSigner> = algorithms.iter().map(|a| key(WITNESS, *a, "witness")).collect();
        let mut files = Vec::new();
        for (n, key) in keys.iter().enumerate() {
            let file = folder.path().join(format!("{n}.key"));
            std::fs::write(&file, format!("{}\n", *key.to_secret_text())).expect("written");
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("private");
            files.push(format!("{:?}", file.display().to_string()));
        }
        let text = format!(
            "name = {WITNESS:?}\nkeys = [{}]\nstate = {:?}\n{toml}",
            files.join(", "),
            folder.path().join("state").display().to_string()
        );
        std::fs::write(folder.path().join("witness.toml"), text).expect("written");
        Self { folder: Arc::new(folder), vkeys: keys.iter().map(|key| key.verifier().clone()).collect() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn state_file(&self, origin: &str) -> PathBuf {
        self.path("state").join(format!("{}.state", origin_hash(origin)))
    }

    fn command(&self) -> Command {
        // Left by one that was killed.
        let _ = std::fs::remove_file(self.path("port"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_daicho-witness"));
        command.arg("serve").arg("--config").arg(self.path("witness.toml"));
        command.args(["--listen", "127.0.0.1:0"]).arg("--port-file").arg(self.path("port"));
        command.env("RUST_LOG", "info").env("NO_PROXY", "*");
        command
    }

    pub(crate) fn start(&self) -> Witness {
        self.start_with(&[])
    }

    pub(crate) fn start_with(&self, flags: &[&str]) -> Witness {
        let port_file = self.path("port");
        // Left by one that was killed.
        let _ = std::fs::remove_file(&port_file);
        let log =
            std::fs::OpenOptions::new().create(true).append(true).open(self.path("log")).expect("a log");
        let mut command = self.command();
        let mut child = command.args(flags).stderr(log).stdout(Stdio::null()).spawn().expect("it starts");
        let started = Instant::now();
        while !port_file.exists() {
            let ended = child.try_wait().expect("a child");
            assert_eq!(ended, None, "it ended: {}", self.log());
            assert!(started.elapsed() < Duration::from_secs(60), "it does not come up: {}", self.log());
            std::thread::sleep(Duration::from_millis(2));
        }
        let address = std::fs::read_to_string(&port_file).expect("an address");
        Witness {
            child: Mutex::new(child),
            address: format!("http://{address}"),
            client: client(),
            vkeys: self.vkeys.clone(),
            _folder: Arc::clone(&self.folder),
        }
    }

    /// Starts it where it should not start. Its words are in `stderr`.
    pub(crate) fn fail(&self) -> Output {
        ends(&mut self.command(), &self.path("port"))
    }

    /// As [`Setup::fail`], with a variable in the environment.
    pub(crate) fn fail_with(&self, variable: &str, value: &str) -> Output {
        ends(self.command().env(variable, value), &self.path("port"))
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }
}

/// Runs it to its end, which must come before it listens.
fn ends(command: &mut Command, port_file: &Path) -> Output {
    let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("it starts");
    let started = Instant::now();
    while child.try_wait().expect("a child").is_none() {
        if started.elapsed() > Duration::from_secs(30) || port_file.exists() {
            child.kill().expect("it runs");
            child.wait().expect("it ended");
            panic!("it came up");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    child.wait_with_output().expect("it ended")
}

/// The table of a log.
pub(crate) fn log_toml(log: &FakeLog, more: &str) -> String {
    format!("[[log]]\norigin = {:?}\nvkeys = {:?}\n{more}\n", log.origin(), log.vkeys())
}

pub(crate) fn origin_hash(origin: &str) -> String {
    hex::encode(Sha256::digest(origin))
}

/// The first line of a state file vouches for the rest.
pub(crate) fn write_state(file: &Path, rest: &str) {
    let text = format!("daicho-witness/state/v1 {}\n{rest}", hex::encode(Sha256::digest(rest)));
    std::fs::write(file, text).expect("written");
}

pub(crate) fn client() -> reqwest::Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    let none: [reqwest::Certificate; 0] = [];
    let client = reqwest::Client::builder().no_proxy().tls_certs_only(none);
    client.timeout(Duration::from_secs(60)).build().expect("a client")
}

/// A running witness. Killed when it is dropped.
pub(crate) struct Witness {
    child: Mutex<Child>,
    pub(crate) address: String,
    pub(crate) client: reqwest::Client,
    vkeys: Vec<VerifierKey>,
    /// It stays while the witness runs.
    _folder: Arc<TempDir>,
}

/// Status, content type and body of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) retry_after: Option<String>,
    pub(crate) body: String,
}

impl Witness {
    pub(crate) async fn try_ask(&self, body: impl Into<reqwest::Body>) -> reqwest::Result<Answer> {
        let request = self.client.post(format!("{}/add-checkpoint", self.address)).body(body);
        Answer::read(request.send().await?).await
    }

    pub(crate) async fn ask(&self, body: impl Into<reqwest::Body>) -> Answer {
        self.try_ask(body).await.expect("it answers")
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        let request = self.client.get(format!("{}/{path}", self.address));
        Answer::read(request.send().await.expect("it answers")).await.expect("whole")
    }

    /// What monitors read. `None` for status 404.
    pub(crate) async fn monitored(&self, origin: &str) -> Option<SignedCheckpoint> {
        let answer = self.get(&format!("{}/checkpoint", origin_hash(origin))).await;
        match answer.status {
            200 => Some(SignedCheckpoint::parse(answer.body.as_bytes()).expect("a checkpoint")),
            404 => None,
            other => panic!("status {other}"),
        }
    }

    /// Asks for what must be cosigned. Returns the cosignatures and their times, verified, one of each key.
    pub(crate) async fn cosign(&self, log: &FakeLog, old: u64, size: u64) -> (Vec<NoteSignature>, u64) {
        let answer = self.ask(log.request(old, size)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        self.verify(&log.checkpoint(size), &answer)
    }

    /// Verifies an answer with status 200.
    pub(crate) fn verify(&self, checkpoint: &SignedCheckpoint, answer: &Answer) -> (Vec<NoteSignature>, u64) {
        let cosignatures = parse_cosignatures(answer.body.as_bytes()).expect("signature lines");
        assert_eq!(cosignatures.len(), self.vkeys.len());
        let mut with = checkpoint.clone();
        with.add(cosignatures.iter().cloned()).expect("few enough");
        let verified = with.verify(&self.vkeys).expect("every cosignature holds");
        assert_eq!(verified.len(), self.vkeys.len());
        let times: Vec<u64> = verified.iter().map(|v| v.timestamp.expect("a time")).collect();
        assert!(times.iter().all(|time| *time == times[0] && *time > 1_700_000_000), "{times:?}");
        (cosignatures, times[0])
    }

    /// Kills it at once, as a loss of power would.
    pub(crate) fn kill(&self) {
        let mut child = self.child.lock().expect("no panic");
        child.kill().expect("it is ours");
        child.wait().expect("it ended");
    }

    /// Tells it to stop and waits for it.
    pub(crate) fn stop(self) {
        let mut child = self.child.lock().expect("no panic");
        let id = child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill runs").success());
        assert!(child.wait().expect("it ended").success());
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        if let Ok(child) = self.child.get_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Answer {
    async fn read(response: reqwest::Response) -> reqwest::Result<Self> {
        let header = |name: &str| response.headers().get(name).map(|v| v.to_str().expect("text").to_owned());
        Ok(Self {
            status: response.status().as_u16(),
            content_type: header("content-type").unwrap_or_default(),
            retry_after: header("retry-after"),
            body: response.text().await?,
        })
    }
}
