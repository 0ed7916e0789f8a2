//! Witnesses and time-stamping authorities of a real `daichod`: good ones, dead, slow, lying, late.

use std::collections::HashMap;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use daicho_client::proto::{CheckpointKind, GetCheckpointRequest, PublishCheckpointRequest};
use daicho_client::{Emitter, proto};
use daicho_core::SigningKey;
use daicho_proto::v1::proof_service_client::ProofServiceClient;
use daicho_tests::{Daichod, LocalTsa, LocalWitness, Manner, Play, Port, collected, liar};
use daicho_tlog::{Policy, SignedCheckpoint, VerifierKey};
use daicho_verify::timestamp::{TimestampToken, TsaTrust};
use tempfile::TempDir;

/// Longest time that anything here is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often something was said in this process, so that nothing is said twice.
static SAID: AtomicUsize = AtomicUsize::new(1);

/// A founded ledger in a folder of its own.
struct Stage {
    folder: TempDir,
    log: VerifierKey,
}

/// A server with somebody who says things to it.
struct Scene {
    server: Daichod,
    contractor: Emitter,
    metrics: String,
    /// Of the metrics: nobody else is given it.
    _port: Port,
    said: usize,
    counted: HashMap<String, f64>,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Daichod::init(folder.path(), None).expect("founded");
        let signer = daicho_tests::checkpoint_key(folder.path()).expect("a key");
        Self { log: signer.verifier().clone(), folder }
    }

    fn witness(&self, name: &str) -> LocalWitness {
        LocalWitness::start(name, &self.log).expect("a witness")
    }

    fn write(&self, name: &str, text: &str) -> String {
        let file = self.folder.path().join(name);
        std::fs::write(&file, text).expect("written");
        file.display().to_string()
    }

    /// Writes a policy of this log with these lines.
    fn policy(&self, lines: &str) -> Policy {
        let text = format!("log {}\n{lines}", self.log);
        self.write("policy.txt", &text);
        Policy::parse(text.as_bytes()).expect("a policy")
    }

    /// Serves with the policy that was written and publishes only on request, but for `flags`.
    async fn serve(&self, flags: &[&str]) -> Scene {
        let policy = self.folder.path().join("policy.txt").display().to_string();
        let mut all = vec!["--publish-every", "86400", "--witness-timeout", "60"];
        if std::fs::exists(&policy).expect("a folder") {
            all.extend(["--policy", &policy]);
        }
        let scene = self.serve_with(&[&all[..], flags].concat()).await;
        // It publishes when it starts; what is counted comes after that.
        scene.publish_again().await;
        scene
    }

    async fn serve_with(&self, flags: &[&str]) -> Scene {
        let port = Port::take().expect("a port");
        let metrics = port.address().to_string();
        let server = Daichod::start(self.folder.path(), &[flags, &["--metrics-listen", &metrics]].concat());
        let server = server.expect("it serves");
        let client = server.client().await.expect("a client");
        if client.keys().await.expect("listed").len() < 3 {
            Play::prepare(&client, server.ward_key().expect("key")).await.expect("prepared");
        }
        let contractor = Emitter::new(client, Play::contractor_key()).await.expect("authorised");
        Scene { server, contractor, metrics, _port: port, said: 0, counted: HashMap::new() }
    }

    fn log_lines(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("daichod.log")).unwrap_or_default()
    }

    /// Waits until something is in the server's log.
    async fn logged(&self, words: &str) {
        until(words, async || self.log_lines().contains(words)).await;
    }
}

impl Scene {
    /// Records something new.
    async fn say(&mut self) -> proto::Receipt {
        self.said += 1;
        let now = self.contractor.ledger_now().await.expect("a time");
        let id = format!("said-{}", SAID.fetch_add(1, Ordering::Relaxed));
        (*self.contractor.emit(vec![collected(now, &id)]).await.expect("recorded")).clone()
    }

    async fn proofs(&self) -> ProofServiceClient<tonic::transport::Channel> {
        ProofServiceClient::connect(self.server.address().to_owned()).await.expect("a client")
    }

    /// Records something and publishes it.
    async fn publish(&mut self) -> (proto::Checkpoint, SignedCheckpoint) {
        self.say().await;
        self.publish_again().await
    }

    async fn publish_again(&self) -> (proto::Checkpoint, SignedCheckpoint) {
        let answer = self.proofs().await.publish_checkpoint(PublishCheckpointRequest {}).await;
        read(answer.expect("published").into_inner().checkpoint)
    }

    async fn newest(&self, kind: CheckpointKind) -> Option<(proto::Checkpoint, SignedCheckpoint)> {
        let request = GetCheckpointRequest { kind: kind as i32, tree_size: 0 };
        match self.proofs().await.get_checkpoint(request).await {
            Ok(answer) => Some(read(answer.into_inner().checkpoint)),
            Err(status) if status.code() == tonic::Code::NotFound => None,
            Err(status) => panic!("{status}"),
        }
    }

    /// How much a counter has grown since it was read last.
    async fn grown(&mut self, name: &str) -> f64 {
        let now = self.metric(name).await.unwrap_or_default();
        now - self.counted.insert(name.to_owned(), now).unwrap_or_default()
    }

    /// A metric's value, by its name and labels as they are written.
    async fn metric(&self, name: &str) -> Option<f64> {
        // It fails only when there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let answer = reqwest::get(format!("http://{}/metrics", self.metrics)).await.expect("served");
        let text = answer.text().await.expect("text");
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map(|value| value.parse().expect("a number"))
    }
}

fn read(checkpoint: Option<proto::Checkpoint>) -> (proto::Checkpoint, SignedCheckpoint) {
    let checkpoint = checkpoint.expect("a checkpoint");
    let signed = SignedCheckpoint::parse(checkpoint.note.as_bytes()).expect("a signed note");
    assert_eq!(signed.checkpoint().size(), checkpoint.tree_size);
    (checkpoint, signed)
}

/// Who cosigned, by the names of the policy; every signature of a known key must hold.
fn cosigners(policy: &Policy, signed: &SignedCheckpoint) -> Vec<String> {
    let trust = policy.examine(signed).expect("signed by the log, and no bad signature");
    trust.witnesses.iter().map(|cosigned| cosigned.witness.name.to_string()).collect()
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < PATIENCE, "{what} does not come true");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn witnesses_cosign_and_two_of_three_are_enough_while_one_is_dead() {
    let stage = Stage::new();
    let (a, b, c) = (stage.witness("a.example"), stage.witness("b.example"), stage.witness("c.example"));
    let lines = [a.line("a"), b.line_ml_dsa("b"), c.line("c")].concat();
    let policy = stage.policy(&format!("{lines}group most 2 a b c\nquorum most\n"));
    drop(c);
    let mut scene = stage.serve(&[]).await;
    let requests = |witness: &str, result: &str| {
        format!("daicho_witness_requests_total{{witness=\"{witness}\",result=\"{result}\"}}")
    };
    for (witness, result) in [("a", "cosigned"), ("c", "away")] {
        scene.grown(&requests(witness, result)).await;
    }
    let asked = (a.answers().len(), b.answers().len());
    let (published, signed) = scene.publish().await;
    assert!(published.witnessed, "{}", published.note);
    policy.check(&signed).expect("anybody with the policy says so");
    assert_eq!(cosigners(&policy, &signed), ["a", "b"]);
    assert_eq!((a.latest(), b.latest()), (published.tree_size, published.tree_size));
    // The witness has two keys and the policy names one: the other cosignature is not ours to vouch for.
    assert_eq!(signed.signatures().len(), 3);

    assert_eq!(scene.metric("daicho_quorum_met").await, Some(1.0));
    assert_eq!(scene.metric("daicho_witnessed_entries").await, Some(published.tree_size as f64));
    assert_eq!(scene.grown(&requests("a", "cosigned")).await, 1.0);
    assert_eq!(scene.grown(&requests("c", "away")).await, 1.0);
    stage.logged("a witness did not cosign").await;

    // Who asks for the newest, a kept or a witnessed one gets the cosignatures.
    for kind in [CheckpointKind::Unspecified, CheckpointKind::Kept, CheckpointKind::Witnessed] {
        let (same, _) = scene.newest(kind).await.expect("there");
        assert_eq!(same, published, "{kind:?}");
    }
    // Nothing new was recorded: only the one that is missing is asked again.
    scene.publish_again().await;
    assert_eq!((a.answers().len(), b.answers().len()), (asked.0 + 1, asked.1 + 1));
    assert_eq!(scene.grown(&requests("c", "away")).await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quorum_of_groups_is_lost_and_found_and_recording_goes_on() {
    let stage = Stage::new();
    let ward: Vec<_> = ["x1.example", "x2.example", "x3.example"].map(|name| stage.witness(name)).into();
    let council: Vec<_> = ["y1.example", "y2.example"].map(|name| stage.witness(name)).into();
    let mut lines: String =
        ward.iter().enumerate().map(|(n, witness)| witness.line(&format!("x{}", n + 1))).collect();
    // Both keys of one witness, at one address, as two members.
    lines += &council[0].line("y1");
    lines += &council[0].line_ml_dsa("y1pq");
    lines += &council[1].line("y2");
    let policy = stage.policy(&format!(
        "{lines}group x 2 x1 x2 x3\ngroup y1s all y1 y1pq\ngroup y any y1s y2\ngroup both all x y\nquorum both\n"
    ));
    ward[2].set(Manner::Away);
    let mut scene = stage.serve(&[]).await;
    let asked = council[0].answers().len();
    let (published, signed) = scene.publish().await;
    assert!(published.witnessed);
    assert_eq!(cosigners(&policy, &signed), ["x1", "x2", "y1", "y1pq", "y2"]);
    assert_eq!(council[0].answers().len(), asked + 1, "one question for both keys");

    council[0].set(Manner::Away);
    council[1].set(Manner::Away);
    let (lost, signed) = scene.publish().await;
    assert!(!lost.witnessed && lost.tree_size > published.tree_size);
    assert_eq!(cosigners(&policy, &signed), ["x1", "x2"]);
    assert_eq!(scene.metric("daicho_quorum_met").await, Some(0.0));
    assert_eq!(scene.metric("daicho_witnessed_entries").await, Some(published.tree_size as f64));
    assert_eq!(scene.metric("daicho_published_entries").await, Some(lost.tree_size as f64));
    stage
        .logged(
            "both has 1 of 2 (y has 0 of 1 (y1s has 0 of 2 (y1 is missing, y1pq is missing), y2 is missing))",
        )
        .await;
    let (witnessed, _) = scene.newest(CheckpointKind::Witnessed).await.expect("there");
    assert_eq!(witnessed, published);
    assert!(scene.say().await.proof.is_some(), "recorded and published all the same");

    council[1].set(Manner::Honest);
    let (found, signed) = scene.publish_again().await;
    assert!(found.witnessed);
    assert_eq!(cosigners(&policy, &signed), ["x1", "x2", "y2"]);
    assert_eq!(scene.metric("daicho_quorum_met").await, Some(1.0));
    stage.logged("checkpoints are witnessed again").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_remembers_another_size_is_asked_once_more_with_that() {
    let stage = Stage::new();
    let held = Port::take().expect("a port");
    let port = held.address().port();
    let witness = LocalWitness::start_at(port, "w.example", &stage.log).expect("a witness");
    stage.policy(&format!("{}quorum w\n", witness.line("w")));
    let mut scene = stage.serve(&[]).await;
    let asked = witness.answers().len();
    assert!(scene.publish().await.0.witnessed);
    assert!(scene.publish().await.0.witnessed);
    assert_eq!(witness.answers()[asked..], [200, 200], "the size is remembered");

    // The server has forgotten.
    scene.server.stop().expect("stopped");
    let mut scene = stage.serve(&[]).await;
    assert!(scene.publish().await.0.witnessed);
    assert_eq!(witness.answers()[asked + 2..], [409, 200]);

    // The witness has: another one takes its place, late.
    drop(witness);
    assert!(!scene.publish().await.0.witnessed);
    let late = LocalWitness::start_at(port, "w.example", &stage.log).expect("a witness");
    let (published, _) = scene.publish().await;
    assert!(published.witnessed);
    assert_eq!(late.answers(), [409, 200]);
    assert_eq!(late.latest(), published.tree_size);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_hangs_delays_neither_receipts_nor_the_others() {
    let stage = Stage::new();
    let (quick, stuck) = (stage.witness("quick.example"), stage.witness("stuck.example"));
    stuck.set(Manner::Hangs);
    stage.policy(&format!("{}{}group one any q s\nquorum one\n", quick.line("q"), stuck.line("s")));
    // Longer than the whole test: what waits for it fails.
    let policy = stage.folder.path().join("policy.txt").display().to_string();
    let flags = ["--publish-every", "1", "--witness-timeout", "3600", "--policy", &policy];
    let mut scene = stage.serve_with(&flags).await;
    let started = Instant::now();
    let mut slowest = Duration::ZERO;
    let mut cosigned = vec![quick.latest()];
    // Three more checkpoints are kept and witnessed in the meantime, and something is recorded all the time.
    while cosigned.len() < 4 {
        let watch = Instant::now();
        assert!(scene.say().await.proof.is_some(), "the receipt comes with its proof");
        slowest = slowest.max(watch.elapsed());
        if cosigned.last() != Some(&quick.latest()) {
            cosigned.push(quick.latest());
        }
        assert!(started.elapsed() < PATIENCE, "{cosigned:?}");
    }
    eprintln!(
        "{} receipts in {:?} beside a witness that hangs; the slowest took {slowest:?}",
        scene.said,
        started.elapsed()
    );
    assert!(slowest < Duration::from_secs(60), "{slowest:?}");
    until("the last one is witnessed", async || {
        scene.newest(CheckpointKind::Witnessed).await.is_some_and(|(c, _)| c.tree_size >= cosigned[3])
    })
    .await;
    assert!(stuck.answers().is_empty());
    // A question that waits for it does not hold up the stop either.
    scene.server.stop().expect("stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn cosignatures_that_are_not_by_a_key_of_the_policy_are_left_out() {
    let stage = Stage::new();
    let (honest, liar) = (stage.witness("honest.example"), stage.witness("liar.example"));
    let policy =
        stage.policy(&format!("{}{}group all all h l\nquorum all\n", honest.line("h"), liar.line("l")));
    let mut scene = stage.serve(&[]).await;
    for manner in [Manner::Forges, Manner::Stranger] {
        liar.set(manner);
        let (published, signed) = scene.publish().await;
        assert!(!published.witnessed, "{manner:?}");
        // Kept, either of them would be passed on, and a bad one would spoil the note for everybody.
        assert_eq!(cosigners(&policy, &signed), ["h"], "{manner:?}");
        assert_eq!(signed.signatures().len(), 2, "{manner:?}");
    }
    let unusable = "daicho_witness_requests_total{witness=\"l\",result=\"unusable\"}";
    assert_eq!(scene.grown(unusable).await, 2.0);
    liar.set(Manner::Honest);
    assert!(scene.publish().await.0.witnessed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_saw_more_or_something_else_is_reported_loudly() {
    let stage = Stage::new();
    let witness = stage.witness("w.example");
    stage.policy(&format!("{}quorum w\n", witness.line("w")));
    let mut scene = stage.serve(&[]).await;
    scene.publish().await;
    scene.server.stop().expect("stopped");
    let earlier = tempfile::tempdir().expect("a folder");
    copy(&stage.folder.path().join("data"), &earlier.path().join("data"));
    let mut scene = stage.serve(&[]).await;
    scene.publish().await;
    scene.publish().await;
    scene.server.stop().expect("stopped");
    let fork = "daicho_witness_requests_total{witness=\"w\",result=\"fork\"}";

    // A backup with a guard that was renewed against the rules: the witness knows more.
    let data = stage.folder.path().join("data");
    std::fs::rename(&data, stage.folder.path().join("newest")).expect("moved");
    copy(&earlier.path().join("data"), &data);
    renew(&stage);
    let mut scene = stage.serve(&[]).await;
    assert!(!scene.publish().await.0.witnessed);
    assert_eq!(scene.grown(fork).await, 1.0);
    stage.logged("POSSIBLE FORK OR ROLLBACK").await;
    // Grown beyond, it is another history.
    while scene.newest(CheckpointKind::Unspecified).await.expect("one").0.tree_size <= witness.latest() {
        scene.say().await;
    }
    let (published, _) = scene.publish_again().await;
    assert!(!published.witnessed);
    assert_eq!(scene.grown(fork).await, 1.0);
    assert!(stage.log_lines().contains("does not go on from what it cosigned"));
    assert_eq!(witness.answers().last(), Some(&422));
    scene.server.stop().expect("stopped");

    // The operator rewrites an entry of the newest folder and signs everything anew.
    let operator = std::fs::read_to_string(stage.folder.path().join("operator.pem")).expect("a key");
    let operator = SigningKey::from_pem(&operator).expect("a key");
    std::fs::remove_dir_all(&data).expect("removed");
    let newest = stage.folder.path().join("newest");
    let last = witness.latest() - 1;
    liar::rewrite(&newest, &data, last, &operator).expect("rewritten");
    let mut scene = stage.serve(&[]).await;
    scene.grown(fork).await;
    assert!(!scene.publish().await.0.witnessed);
    assert_eq!(scene.grown(fork).await, 1.0);
    assert_eq!(witness.answers().last(), Some(&422));
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_are_stamped_and_openssl_says_so_too() {
    let stage = Stage::new();
    let folder = tempfile::tempdir().expect("a folder");
    let tsa = LocalTsa::start(&folder.path().join("tsa")).expect("an authority");
    let config = stage.write("daichod.toml", &tsa_config(&tsa, 3_600));
    let mut scene = stage.serve(&["--config", &config]).await;
    let trust = TsaTrust::new(&[tsa.root_der()], None).expect("a root");
    let (published, signed) = scene.publish().await;
    let [token] = &published.timestamps[..] else { panic!("{} tokens", published.timestamps.len()) };
    let parsed = TimestampToken::parse(token).expect("a token");
    let time = parsed.verify(signed.text().as_bytes(), &trust).expect("it holds");
    assert!(published.sign_time_ms - time.gen_time.unix_ms() < 2_000, "{time:?}");
    assert_eq!(time.policy, tsa.policy());

    let (text, file) = (stage.write("checkpoint", signed.text()), stage.folder.path().join("token"));
    std::fs::write(&file, token).expect("written");
    let verify = Command::new("openssl")
        .args(["ts", "-verify", "-token_in", "-data", &text, "-in"])
        .arg(&file)
        .arg("-CAfile")
        .arg(tsa.root_file())
        .output()
        .expect("openssl runs");
    assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stderr));

    // Nothing new: nothing to stamp.
    assert_eq!(scene.publish_again().await.0, published);
    // Away, and there again: the next publication asks again.
    tsa.set_away(true);
    let (away, _) = scene.publish().await;
    assert!(away.timestamps.is_empty() && scene.say().await.proof.is_some());
    let requests = |result| format!("daicho_tsa_requests_total{{tsa=\"{}\",result=\"{result}\"}}", tsa.url());
    assert_eq!(scene.grown(&requests("away")).await, 1.0);
    scene.grown(&requests("stamped")).await;
    tsa.set_away(false);
    let (back, signed) = scene.publish_again().await;
    assert_eq!(back.timestamps.len(), 1);
    assert_eq!(scene.grown(&requests("stamped")).await, 1.0);
    let token = TimestampToken::parse(&back.timestamps[0]).expect("a token");
    token.verify(signed.text().as_bytes(), &trust).expect("it holds");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_another_root_or_policy_are_not_kept() {
    let stage = Stage::new();
    let folder = tempfile::tempdir().expect("a folder");
    let tsa = LocalTsa::start(&folder.path().join("tsa")).expect("an authority");
    let other = LocalTsa::start(&folder.path().join("other")).expect("an authority");
    let root = other.root_file().display().to_string();
    let wrong_root = format!("[[tsa]]\nurl = {:?}\nroots = [{root:?}]\n", tsa.url());
    let refused = tsa_config(&other, 3_600) + "policy-oid = \"1.2.3\"\n";
    let config = stage.write("daichod.toml", &(wrong_root + &refused));
    let mut scene = stage.serve(&["--config", &config]).await;
    let requests = |tsa: &LocalTsa, result| {
        format!("daicho_tsa_requests_total{{tsa=\"{}\",result=\"{result}\"}}", tsa.url())
    };
    let both = [requests(&tsa, "unusable"), requests(&other, "refused")];
    for name in &both {
        assert!(scene.grown(name).await >= 1.0, "{name}");
    }
    assert!(scene.publish().await.0.timestamps.is_empty());
    for name in &both {
        assert_eq!(scene.grown(name).await, 1.0, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_cosigned_and_stamped_is_known_after_a_restart() {
    let stage = Stage::new();
    let folder = tempfile::tempdir().expect("a folder");
    let tsa = LocalTsa::start(&folder.path().join("tsa")).expect("an authority");
    let witness = stage.witness("w.example");
    stage.policy(&format!("{}quorum w\n", witness.line("w")));
    let config = stage.write("daichod.toml", &tsa_config(&tsa, 3_600));
    let mut scene = stage.serve(&["--config", &config]).await;
    let (published, _) = scene.publish().await;
    assert!(published.witnessed && published.timestamps.len() == 1);
    scene.server.kill().expect("killed");

    let policy = stage.folder.path().join("policy.txt").display().to_string();
    let flags = ["--publish-every", "1", "--policy", &policy, "--config", &config];
    let mut scene = stage.serve_with(&flags).await;
    let (kept, _) = scene.newest(CheckpointKind::Witnessed).await.expect("there");
    assert_eq!(kept, published);
    assert_eq!(scene.metric("daicho_witnessed_entries").await, Some(published.tree_size as f64));
    // The interval is not over: what comes now is witnessed, and not stamped before the hour is over.
    scene.say().await;
    until("the newest is witnessed", async || {
        scene
            .newest(CheckpointKind::Kept)
            .await
            .is_some_and(|(c, _)| c.witnessed && c.tree_size > kept.tree_size)
    })
    .await;
    let stamped = format!("daicho_timestamped_entries{{tsa=\"{}\"}}", tsa.url());
    assert_eq!(scene.metric(&stamped).await, Some(published.tree_size as f64));
    let (newest, _) = scene.newest(CheckpointKind::Kept).await.expect("there");
    assert!(newest.timestamps.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn stamps_come_at_their_interval() {
    let stage = Stage::new();
    let folder = tempfile::tempdir().expect("a folder");
    let tsa = LocalTsa::start(&folder.path().join("tsa")).expect("an authority");
    let config = stage.write("daichod.toml", &tsa_config(&tsa, 1));
    let mut scene = stage.serve_with(&["--config", &config, "--publish-every", "1"]).await;
    let stamped = format!("daicho_timestamped_entries{{tsa=\"{}\"}}", tsa.url());
    for _ in 0..2 {
        let size = scene.say().await.entry_index as f64 + 1.0;
        until("the newest is stamped", async || scene.metric(&stamped).await.is_some_and(|s| s >= size))
            .await;
    }
}

/// What makes a machine one without certificates of authorities: their place is set, and is empty.
fn no_authorities(stage: &Stage) -> [(&'static str, String); 2] {
    let nothing = stage.folder.path().join("nothing");
    std::fs::create_dir_all(&nothing).expect("a folder");
    [("SSL_CERT_FILE", "/dev/null".to_owned()), ("SSL_CERT_DIR", nothing.display().to_string())]
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_needs_no_certificates_of_authorities_and_https_says_that_it_does() {
    let stage = Stage::new();
    let folder = tempfile::tempdir().expect("a folder");
    let tsa = LocalTsa::start(&folder.path().join("tsa")).expect("an authority");
    let witness = stage.witness("w.example");
    let line = witness.line("w");
    stage.policy(&format!("{line}quorum w\n"));
    let policy = stage.folder.path().join("policy.txt").display().to_string();
    let config = stage.write("daichod.toml", &tsa_config(&tsa, 3_600));
    let flags = ["--publish-every", "86400", "--policy", &policy, "--config", &config];
    let start = |flags: &[&str]| Daichod::start_with(stage.folder.path(), flags, &no_authorities(&stage));
    let server = start(&flags).expect("it serves");
    let mut proofs = ProofServiceClient::connect(server.address().to_owned()).await.expect("a client");
    let answer = proofs.publish_checkpoint(PublishCheckpointRequest {}).await.expect("published");
    let (published, _) = read(answer.into_inner().checkpoint);
    assert!(published.witnessed && published.timestamps.len() == 1, "{}", published.note);
    server.stop().expect("stopped");

    // Only what is asked over TLS needs them, and it is named.
    stage.policy(&format!("{}quorum w\n", line.replacen("http:", "https:", 1)));
    let error = start(&flags).expect_err("no TLS").to_string();
    assert!(error.contains("witness https://") && error.contains("ca-certificates"), "{error}");
    stage.policy("quorum none\n");
    let config = tsa_config(&tsa, 3_600).replacen("http:", "https:", 1);
    let config = stage.write("tls.toml", &config);
    let error = start(&["--policy", &policy, "--config", &config]).expect_err("no TLS").to_string();
    assert!(error.contains("tsa https://") && error.contains("exit status: 3"), "{error}");
}

#[test]
fn what_cannot_be_used_is_named_at_the_start() {
    let stage = Stage::new();
    let policy = stage.write("bad.txt", "quorum nobody\n");
    let no_root =
        stage.write("root.toml", "[[tsa]]\nurl = \"http://127.0.0.1:1\"\nroots = [\"nowhere.pem\"]\n");
    let no_url = stage.write("url.toml", "[[tsa]]\nurl = \"ftp://tsa\"\nroots = []\n");
    for (flags, words) in [
        (["--policy", &policy], "line 1"),
        (["--config", &no_root], "nowhere.pem"),
        (["--config", &no_url], "neither http nor https"),
    ] {
        let error = Daichod::start(stage.folder.path(), &flags).expect_err("refused").to_string();
        assert!(error.contains(words) && error.contains("exit status: 2"), "{error}");
    }
}

fn tsa_config(tsa: &LocalTsa, every: u64) -> String {
    let root = tsa.root_file().display().to_string();
    format!("[[tsa]]\nurl = {:?}\nroots = [{root:?}]\nevery = {every}\n", tsa.url())
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    let copied = Command::new("cp").arg("-r").arg(from).arg(to).status().expect("cp runs");
    assert!(copied.success());
}

fn renew(stage: &Stage) {
    let renewed = Command::new(daicho_tests::binary("daichod").expect("built"))
        .args(["guard", "renew", "--accept-fork-risk", "--data"])
        .arg(stage.folder.path().join("data"))
        .output()
        .expect("it runs");
    assert!(renewed.status.success(), "{}", String::from_utf8_lossy(&renewed.stderr));
}
