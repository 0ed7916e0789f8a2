//! Receipts, checkpoints and bundles by the `daicho` program: what it writes with a server is proven without one, and a
//! server that tells another history is caught.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use daicho_client::{Client, Emitter};
use daicho_core::SigningKey;
use daicho_tests::{
    Daichod, LocalBucket, LocalWitness, Play, SCHEME, binary, collected, deleted, liar, milestone,
};
use daicho_tlog::{NoteSigner, SignedCheckpoint, VerifierKey};
use daicho_verify::{Evidence, ForkProof, Receipt};
use serde_json::Value;
use tempfile::TempDir;

/// A ledger, one witness that its policy asks for, and a folder in which people keep what they were given.
struct Scene {
    folder: TempDir,
    server: Option<Daichod>,
    address: String,
    _witness: LocalWitness,
    log: VerifierKey,
    said: usize,
}

/// What the program printed, and how it ended.
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        let code = output.status.code().expect("it ended by itself");
        Self { code, out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Said {
    /// It ended so, and said these words.
    #[track_caller]
    fn expect(self, code: i32, words: &[&str]) -> Self {
        let Self { out, err, .. } = &self;
        assert_eq!(self.code, code, "{out}{err}");
        for words in words {
            assert!(out.contains(words) || err.contains(words), "no `{words}` in: {out}{err}");
        }
        self
    }

    fn json(&self) -> Value {
        serde_json::from_str(self.out.trim_end()).unwrap_or_else(|_| panic!("{}{}", self.out, self.err))
    }
}

impl Scene {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Daichod::init(folder.path(), None).expect("founded");
        let signer = daicho_tests::checkpoint_key(folder.path()).expect("a key");
        let log = signer.verifier().clone();
        let witness = LocalWitness::start("w.example", &log).expect("a witness");
        let policy = format!("log {log}\n{}quorum w\n", witness.line("w"));
        std::fs::write(folder.path().join("policy.txt"), policy).expect("written");
        let key = Play::contractor_key().to_pem();
        std::fs::write(folder.path().join("contractor.pem"), key.as_bytes()).expect("written");
        let mut scene =
            Self { folder, server: None, address: String::new(), _witness: witness, log, said: 0 };
        scene.serve(&scene.path(""), &[]);
        let client = scene.client().await;
        let ward = scene.server().ward_key().expect("key");
        Play::prepare(&client, ward).await.expect("prepared");
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn server(&self) -> &Daichod {
        self.server.as_ref().expect("it serves")
    }

    /// Serves the ledger below a folder, and publishes only on request.
    fn serve(&mut self, folder: &Path, variables: &[(&str, String)]) {
        let policy = self.path("policy.txt").display().to_string();
        let flags = ["--publish-every", "86400", "--policy", &policy];
        let server = Daichod::start_with(folder, &flags, variables).expect("it serves");
        self.address = server.address().to_owned();
        self.server = Some(server);
    }

    fn stop(&mut self) {
        self.server.take().expect("it serves").stop().expect("stopped");
    }

    async fn client(&self) -> Client {
        self.server().client().await.expect("a client")
    }

    /// Records something new and gives its place.
    async fn say(&mut self) -> u64 {
        let mut contractor = Emitter::new(self.client().await, Play::contractor_key()).await.expect("known");
        let now = contractor.ledger_now().await.expect("a time");
        self.said += 1;
        let id = format!("copy-{}", self.said);
        contractor.emit(vec![collected(now, &id)]).await.expect("recorded").entry_index
    }

    /// Runs the program in the folder, in English. The server is the one that serves, or did last.
    fn daicho(&self, args: &[&str]) -> Said {
        let mut command = Command::new(binary("daicho").expect("built"));
        command.args(["--server", &self.address]).args(args).current_dir(self.folder.path());
        command.env_clear().env("DAICHO_LANG", "en").output().expect("it runs").into()
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).expect("it was written")
    }

    fn receipt(&self, name: &str) -> Receipt {
        Receipt::parse(&self.read(name)).expect("a receipt")
    }

    /// The ledger with an entry rewritten, everything signed anew with its real keys, in a folder of its own.
    fn forge(&self, at: u64) -> PathBuf {
        let forged = self.path("forged");
        std::fs::create_dir(&forged).expect("a folder");
        for file in ["operator.pem", "ward.pem", "data.checkpoint-key"] {
            std::fs::copy(self.path(file), forged.join(file)).expect("its real keys");
        }
        let pem = std::fs::read_to_string(self.path("operator.pem")).expect("readable");
        let operator = SigningKey::from_pem(&pem).expect("a key");
        liar::rewrite(&self.path("data"), &forged.join("data"), at, &operator).expect("rewritten");
        forged
    }

    /// What a fork proof is, by the program alone, without a server.
    #[track_caller]
    fn assert_convicts(&self, file: &str, claim: &str) {
        let proof = ForkProof::parse(&self.read(file)).expect("a proof of a fork");
        assert_eq!(proof.evidence().claim(), claim);
        assert!(proof.asked().contains(&self.address), "{}", proof.asked());
        let verify = ["verify", file, "--policy", "policy.txt"];
        self.daicho(&verify).expect(0, &["PROVEN: the key of the ledger", "cannot both be true"]);
        let json = self.daicho(&[&verify[..], &["--output", "json"]].concat()).expect(0, &[]).json();
        assert_eq!((&json["ok"], &json["kind"]), (&true.into(), &"fork-proof".into()), "{json}");
        self.daicho(&[&verify[..], &["--lang", "ja"]].concat()).expect(0, &["両立しない二つの履歴"]);
    }
}

const POLICY: [&str; 2] = ["--policy", "policy.txt"];

fn with_policy<'a>(args: &[&'a str]) -> Vec<&'a str> {
    [args, &POLICY].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_is_got_and_verified_and_an_honest_ledger_continues_it() {
    let mut scene = Scene::new().await;
    let place = scene.say().await;
    scene.daicho(&["checkpoint", "publish"]).expect(0, &["witnessed"]);

    let entry = place.to_string();
    let get = scene.daicho(&["receipt", "get", "--entry", &entry, "--out", "a.tlog-proof"]);
    get.expect(0, &[&format!("receipt of entry {entry}"), "a.tlog-proof"]);
    let receipt = scene.receipt("a.tlog-proof");
    assert_eq!(receipt.entry().index.get(), place);
    let name = receipt.statement().signers()[0].to_string();
    let get = ["receipt", "get", "--statement", &name, "--out", "b.tlog-proof", "--output", "json"];
    assert_eq!(scene.daicho(&get).expect(0, &[]).json()["entry"], place);
    assert_eq!(scene.read("b.tlog-proof"), scene.read("a.tlog-proof"));
    scene.daicho(&["receipt", "get", "--entry", "999999", "--out", "c"]).expect(2, &[]);
    scene.daicho(&["receipt", "get", "--statement", "nonsense", "--out", "c"]).expect(2, &["key id/number"]);
    std::fs::write(scene.path("then.txt"), scene.daicho(&["checkpoint", "show", "--kept"]).out)
        .expect("kept");

    // The ledger as it is, and as it is later.
    let compare = with_policy(&["receipt", "compare", "a.tlog-proof", "then.txt"]);
    let continues = "the ledger of now continues it";
    assert_eq!(scene.daicho(&compare).expect(0, &[]).out.matches(continues).count(), 2);
    for _ in 0..5 {
        scene.say().await;
    }
    scene.daicho(&compare).expect(0, &[continues]);
    let json =
        scene.daicho(&[&compare[..2], &compare[3..], &["--output", "json"]].concat()).expect(0, &[]).json();
    assert_eq!((&json["file"], &json["continues"]), (&"then.txt".into(), &true.into()));
    assert!(!scene.path("fork-proof.txt").exists());

    // Offline.
    scene.stop();
    let verify = with_policy(&["receipt", "verify", "a.tlog-proof", "b.tlog-proof"]);
    let proven = scene.daicho(&verify).expect(0, &["PROVEN: entry", "witness", "What this does not prove"]);
    assert_eq!(proven.out.matches("PROVEN: entry").count(), 2);
    scene.daicho(&[&verify[..], &["--lang", "ja"]].concat()).expect(0, &["証明されました", "証明しないこと"]);
    let json = scene.daicho(&with_policy(&["receipt", "verify", "a.tlog-proof", "--output", "json"])).json();
    assert_eq!(
        (&json["ok"], &json["entry"], &json["size"]),
        (&true.into(), &place.into(), &(place + 1).into())
    );
    scene.daicho(&with_policy(&["verify", "a.tlog-proof"])).expect(0, &["PROVEN: entry"]);
    scene.daicho(&with_policy(&["verify", "then.txt"])).expect(0, &["PROVEN: the ledger"]);
    scene.daicho(&compare).expect(3, &[]);

    // One bit more, one line less.
    let text = String::from_utf8(scene.read("a.tlog-proof")).expect("text");
    std::fs::write(scene.path("other"), text.replacen("\nindex ", "\nindex 1", 1)).expect("written");
    scene.daicho(&with_policy(&["receipt", "verify", "other"])).expect(1, &["NOT PROVEN: check Index"]);
    let (cut, _) = text.trim_end().rsplit_once('\n').expect("lines");
    std::fs::write(scene.path("cut"), format!("{cut}\n")).expect("written");
    scene
        .daicho(&with_policy(&["receipt", "verify", "a.tlog-proof", "cut"]))
        .expect(1, &["PROVEN: entry", "NOT PROVEN: check Policy", "quorum is not met"]);
    scene.daicho(&with_policy(&["receipt", "verify", "cut", "--without-quorum"])).expect(0, &["PROVEN"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_a_receipt_is_said_in_words_and_signers_are_checked_by_their_keys() {
    let mut scene = Scene::new().await;
    let place = scene.say().await;
    scene.daicho(&["checkpoint", "publish"]).expect(0, &[]);
    scene.daicho(&["receipt", "get", "--entry", &place.to_string(), "--out", "a"]).expect(0, &[]);
    scene.stop();

    let show = ["receipt", "show", "a"];
    let entry = format!("entry {place}, recorded");
    let chain = daicho_core::ChainHash::of_entry(scene.receipt("a").entry_bytes()).to_string();
    scene.daicho(&show).expect(
        0,
        &[
            &entry,
            "collected copy-1",
            &chain,
            "signature on the checkpoint: demo.example/ledger",
            "w.example",
            "The hashes lead from this entry to the root",
            "No signature was verified",
        ],
    );
    scene
        .daicho(&[&show[..], &["--lang", "ja"]].concat())
        .expect(0, &["に記録", "収集: copy-1", "検査点の署名", "誰が署名したかは検証していません"]);
    let json = scene.daicho(&[&show[..], &["--output", "json"]].concat()).expect(0, &[]).json();
    assert_eq!(json["entry"], place, "{json}");
    assert_eq!((&json["holds"], &json["simulated"]), (&true.into(), &false.into()), "{json}");
    assert_eq!(json["chain_hash"], chain);
    assert_eq!(json["leaf_hash"], scene.receipt("a").leaf().to_string());
    assert_eq!(json["events"][0]["collected"]["data_sets"][0]["id"], "copy-1", "{json}");
    assert_eq!(json["checkpoint_signatures"][0]["key_id"], scene.log.key_id().to_string());

    // A hash that leads elsewhere, and what is no receipt at all.
    let text = String::from_utf8(scene.read("a")).expect("text");
    let hash = scene.receipt("a").proof().hashes()[0].to_string();
    let other = daicho_tlog::TreeHash::of_leaf(b"other").to_string();
    std::fs::write(scene.path("broken"), text.replacen(&hash, &other, 1)).expect("written");
    scene.daicho(&["receipt", "show", "broken"]).expect(1, &["does NOT hold", "another root"]);
    scene.daicho(&["receipt", "show", "broken", "--lang", "ja"]).expect(1, &["成り立ちません"]);
    scene.daicho(&["receipt", "show", "policy.txt"]).expect(2, &["policy.txt is no receipt"]);

    let key = |key: &SigningKey| hex::encode(key.public().as_bytes());
    let (signer, stranger) = (key(&Play::contractor_key()), key(&SigningKey::from_seed(&[9; 32])));
    let verify = |key: &str| scene.daicho(&with_policy(&["receipt", "verify", "a", "--public-key", key]));
    let proven = verify(&signer).expect(0, &["1  signatures on the statement"]);
    assert!(!proven.out.contains("whose signatures are on the statement"), "{}", proven.out);
    verify(&stranger).expect(1, &["NOT PROVEN: check NotSigner"]);
    verify("00ff").expect(2, &["64 hexadecimal digits"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_tells_another_history_is_caught_by_old_receipts_and_checkpoints() {
    let mut scene = Scene::new().await;
    let place = scene.say().await;
    // Of a size at which neither this ledger nor the forged one keeps a checkpoint.
    let between = scene.daicho(&["checkpoint", "show"]);
    std::fs::write(scene.path("between.txt"), &between.out).expect("kept");
    scene.say().await;
    scene.daicho(&["checkpoint", "publish"]).expect(0, &[]);
    let first = scene.daicho(&["checkpoint", "show"]);
    std::fs::write(scene.path("then.txt"), &first.out).expect("kept");
    for (name, entry) in [("changed", place), ("same", place - 1)] {
        let entry = entry.to_string();
        scene.daicho(&["receipt", "get", "--entry", &entry, "--out", name]).expect(0, &[]);
    }
    scene.stop();
    let forged = scene.forge(place);
    scene.serve(&forged, &[]);

    // As long as before: two roots of one size.
    let compare =
        |file: &'static str, out: &'static str| with_policy(&["receipt", "compare", file, "--out", out]);
    let caught = ["does NOT continue it", "evidence written to"];
    scene.daicho(&compare("then.txt", "size.txt")).expect(1, &caught);
    scene.assert_convicts("size.txt", "same-size");

    // It goes on: another entry in the place of a receipt, or another root of the first entries.
    scene.say().await;
    scene.daicho(&compare("changed", "entry.txt")).expect(1, &caught);
    let proof = ForkProof::parse(&scene.read("entry.txt")).expect("a proof");
    let Evidence::OtherEntry { first, second } = proof.evidence() else {
        panic!("{}", proof.evidence().claim())
    };
    assert_eq!(first.entry().index.get(), place);
    assert_ne!(first.entry_bytes(), second.entry_bytes());
    scene.assert_convicts("entry.txt", "other-entry");
    scene.daicho(&compare("between.txt", "tree.txt")).expect(1, &caught);
    scene.assert_convicts("tree.txt", "earlier-tree");
    // Of the other sizes the forger keeps a checkpoint: it published when it started. That convicts it more shortly, and
    // so does the receipt of an entry that was left as it was, by the checkpoint in it.
    for (file, out) in [("then.txt", "kept.txt"), ("same", "same.txt")] {
        scene.daicho(&compare(file, out)).expect(1, &caught);
        scene.assert_convicts(out, "same-size");
    }

    // All at once; and evidence is never written over.
    let all = with_policy(&["receipt", "compare", "changed", "then.txt", "--out", "all.txt", "--lang", "ja"]);
    scene.daicho(&all).expect(1, &["引き継いでいません", "all.txt", "all-2.txt"]);
    scene.assert_convicts("all.txt", "other-entry");
    scene.assert_convicts("all-2.txt", "same-size");
    scene.daicho(&all).expect(2, &["all.txt が既にあります"]);

    // The proofs hold without any server, and only under the key that signed.
    scene.stop();
    scene.assert_convicts("entry.txt", "other-entry");
    let stranger = NoteSigner::from_seed(
        "demo.example/ledger".parse().expect("a name"),
        daicho_tlog::Algorithm::Ed25519,
        &[7; 32],
    );
    let stranger = stranger.expect("a key");
    std::fs::write(scene.path("other.txt"), format!("log {}\nquorum none\n", stranger.verifier()))
        .expect("written");
    scene.daicho(&["verify", "entry.txt", "--policy", "other.txt"]).expect(1, &["NOT PROVEN: check Policy"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_was_cut_is_suspicious_and_convicted_when_it_grows() {
    let mut scene = Scene::new().await;
    scene.stop();
    let cut = scene.path("cut");
    std::fs::create_dir(&cut).expect("a folder");
    for file in ["operator.pem", "ward.pem", "data.checkpoint-key", "data", "data.guard"] {
        let copied = Command::new("cp").arg("-r").arg(scene.path(file)).arg(&cut).status().expect("cp runs");
        assert!(copied.success());
    }
    scene.serve(&scene.path(""), &[]);
    let place = scene.say().await.to_string();
    scene.daicho(&["checkpoint", "publish"]).expect(0, &[]);
    scene.daicho(&["receipt", "get", "--entry", &place, "--out", "a"]).expect(0, &[]);
    scene.stop();

    scene.serve(&cut, &[]);
    let compare = |out: &'static str| with_policy(&["receipt", "compare", "a", "--out", out]);
    scene.daicho(&compare("shorter.txt")).expect(1, &["does NOT continue it"]);
    let proof = ForkProof::parse(&scene.read("shorter.txt")).expect("readable");
    assert_eq!(proof.evidence().claim(), "shorter");
    scene.daicho(&with_policy(&["verify", "shorter.txt"])).expect(1, &["NOT PROVEN", "by itself no proof"]);

    for _ in 0..3 {
        scene.say().await;
    }
    scene.daicho(&["checkpoint", "publish"]).expect(0, &["not witnessed"]);
    scene.daicho(&compare("grown.txt")).expect(1, &["does NOT continue it"]);
    scene.assert_convicts("grown.txt", "other-entry");
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_are_shown_listed_published_and_sealed() {
    let mut scene = Scene::new().await;
    scene.daicho(&["checkpoint", "publish"]).expect(0, &[]);
    let place = scene.say().await;
    let newest = scene.daicho(&["checkpoint", "show"]).expect(0, &[]);
    let note = SignedCheckpoint::parse(newest.out.as_bytes()).expect("as it was signed");
    assert_eq!(note.checkpoint().size(), place + 1);
    assert_eq!(note.verify([&scene.log]).expect("signed by the ledger").len(), 1);
    let kept = scene.daicho(&["checkpoint", "show", "--kept", "--output", "json"]).expect(0, &[]).json();
    assert_eq!((&kept["size"], &kept["witnessed"]), (&place.into(), &true.into()), "{kept}");

    let sealed = scene.daicho(&["checkpoint", "seal"]).expect(0, &["sealed by entry"]);
    assert_eq!(sealed.out.trim_end(), format!("sealed by entry {}", place + 1));
    let sealed = scene.daicho(&["checkpoint", "seal", "--output", "json"]).expect(0, &[]).json();
    assert_eq!(sealed["entry"], place + 2);
    scene.daicho(&["log", "--from", &(place + 2).to_string()]).expect(0, &["sealed up to entry"]);

    let published = scene.daicho(&["checkpoint", "publish", "--output", "json"]).expect(0, &[]).json();
    assert_eq!((&published["size"], &published["witnessed"]), (&(place + 3).into(), &true.into()));
    let note = published["note"].as_str().expect("a note");
    assert_eq!(SignedCheckpoint::parse(note.as_bytes()).expect("a note").checkpoint().size(), place + 3);
    assert_eq!(scene.daicho(&["checkpoint", "show", "--kept"]).out, note);

    let lines = scene.daicho(&["checkpoint", "list"]).expect(0, &["witnessed", "0 time-stamps"]);
    let sizes: Vec<u64> = lines
        .out
        .lines()
        .map(|line| line.split_whitespace().next().and_then(|n| n.parse().ok()).expect("a size"))
        .collect();
    assert!(sizes.is_sorted_by(|a, b| a > b) && sizes[..2] == [place + 3, place], "{sizes:?}");
    let one = scene.daicho(&["checkpoint", "list", "--most", "1", "--output", "json"]).expect(0, &[]).json();
    assert_eq!((&one["size"], &one["root"]), (&published["size"], &published["root"]));
    scene.daicho(&["checkpoint", "list", "--lang", "ja"]).expect(0, &["連署は定足数に達した"]);
}

/// A data set that was collected, used and erased, and something else.
async fn recorded(scene: &Scene) -> u64 {
    let mut contractor = Emitter::new(scene.client().await, Play::contractor_key()).await.expect("known");
    let now = contractor.ledger_now().await.expect("a time");
    let place = contractor.emit(vec![collected(now, "mine")]).await.expect("recorded").entry_index;
    contractor.emit(vec![collected(now, "other")]).await.expect("recorded");
    contractor.emit(vec![milestone(now, &["mine"])]).await.expect("recorded");
    contractor.emit(vec![deleted(now, &["mine"])]).await.expect("recorded");
    place
}

#[tokio::test(flavor = "multi_thread")]
async fn bundles_of_receipts_and_data_sets_are_proven_with_the_server_stopped() {
    let mut scene = Scene::new().await;
    let place = recorded(&scene).await;
    let entry = place.to_string();
    let get = ["receipt", "get", "--entry", &entry, "--out", "a.tlog-proof", "--bundle", "a.bundle"];
    // A receipt is of a kept checkpoint; the bundle has one published for it.
    scene.daicho(&["checkpoint", "publish"]).expect(0, &[]);
    scene.daicho(&get).expect(0, &[]);
    let show = ["dataset", "show", "--scheme", SCHEME, "mine", "--bundle", "set.bundle"];
    scene.daicho(&show).expect(0, &["mine"]);
    let nothing = ["dataset", "show", "--scheme", SCHEME, "nobody", "--bundle", "none.bundle"];
    scene.daicho(&nothing).expect(2, &[]);
    assert!(!scene.path("none.bundle").exists());
    let report = ["report", "deletion", "--scheme", SCHEME, "--from", "2021-01-01", "--to", "2099-12-31"];
    let report = [&report[..], &["--format", "json", "--out", "r.json", "--bundle", "r.bundle"]].concat();
    scene.daicho(&report).expect(0, &[]);
    scene.stop();

    let verify = |file: &'static str| with_policy(&["verify", file]);
    let said = scene.daicho(&verify("a.bundle"));
    said.expect(0, &["PROVEN: this entry is in the ledger", "collected mine", "No verdict on the whole"]);
    let json = scene.daicho(&[&verify("a.bundle")[..], &["--output", "json"]].concat()).expect(0, &[]).json();
    assert_eq!((&json["ok"], &json["claim"]["receipt"]["entry"]), (&true.into(), &place.into()), "{json}");
    assert_eq!(json["proven"]["kind"], "selective");
    // The founding, the contractor and its key, the scheme with its documents: all that it rests on, counted.
    assert!(json["checks"]["entries"].as_u64() > Some(4), "{json}");
    assert_eq!(json["checks"]["documents"], 2, "{json}");

    let said = scene.daicho(&verify("set.bundle"));
    let said = said.expect(0, &["these 3 entries about the data set mine", "collected mine", "deleted"]);
    assert!(!said.out.contains("collected other"), "{}", said.out);
    scene
        .daicho(&[&verify("set.bundle")[..], &["--lang", "ja"]].concat())
        .expect(0, &["証明されました", "データセット mine", "収集: mine"]);
    let json =
        scene.daicho(&[&verify("set.bundle")[..], &["--output", "json"]].concat()).expect(0, &[]).json();
    let subjects = [place, place + 2, place + 3];
    assert_eq!(json["claim"]["data-set"]["entries"], serde_json::json!(subjects), "{json}");

    let said = scene.daicho(&verify("r.bundle")).expect(0, &["PROVEN: the report is what all"]);
    assert!(said.out.contains(SCHEME), "{}", said.out);
    let json = scene.daicho(&[&verify("r.bundle")[..], &["--output", "json"]].concat()).expect(0, &[]).json();
    assert_eq!(json["proven"]["kind"], "complete");
    assert_eq!(json["checks"]["entries"], json["size"]);

    // Every bundle is worth nothing under a policy that knows another ledger, and when it is cut.
    std::fs::write(scene.path("none.txt"), "quorum none\n").expect("written");
    for bundle in ["a.bundle", "set.bundle", "r.bundle"] {
        scene.daicho(&["verify", bundle, "--policy", "none.txt"]).expect(1, &["check Policy of checkpoint"]);
        let bytes = scene.read(bundle);
        std::fs::write(scene.path("cut.bundle"), &bytes[..bytes.len() - 9]).expect("written");
        scene.daicho(&verify("cut.bundle")).expect(1, &["NOT PROVEN: check"]);
    }
}

/// The events of some collections, a line each.
fn lines(ids: impl Iterator<Item = String>) -> String {
    let line = |id| {
        format!(
            "{{\"occur_time\":\"2021-04-01T09:00\",\"scheme\":\"{SCHEME}\",\"collected\":{{\"flow\":\"f01_register_contact\",\
             \"data_sets\":[{{\"id\":\"{id}\",\"kind\":\"ds_contact\",\"items\":[\"email_address\"],\"subject_count\":1,\
             \"session\":\"{id}\"}}],\"copies\":[{{\"id\":\"{id}\",\"data_set\":\"{id}\",\"system\":\"operator_server\"}}]}}}}\n"
        )
    };
    ids.map(line).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn emitting_keeps_the_receipt_of_every_statement() {
    let mut scene = Scene::new().await;
    std::fs::write(scene.path("day.jsonl"), lines((0..25).map(|n| format!("d-{n}")))).expect("written");
    let emit = ["emit", "--key", "contractor.pem", "--file", "day.jsonl", "--per-statement", "2"];
    let said = scene.daicho(&[&emit[..], &["--receipts", "kept/receipts"]].concat());
    said.expect(0, &["recorded 13 statement(s) with 25 event(s)", "their receipts are in kept/receipts"]);
    let mut files: Vec<u64> = std::fs::read_dir(scene.path("kept/receipts"))
        .expect("a folder")
        .map(|file| {
            let name = file.expect("a file").file_name().into_string().expect("text");
            name.strip_suffix(".tlog-proof").and_then(|n| n.parse().ok()).expect("named after its entry")
        })
        .collect();
    files.sort_unstable();
    assert_eq!(files.len(), 13);
    assert!(files.is_sorted_by(|a, b| a + 1 == *b), "{files:?}");
    for index in &files {
        assert_eq!(scene.receipt(&format!("kept/receipts/{index}.tlog-proof")).entry().index.get(), *index);
    }

    // One event, as JSON, with the file that holds its receipt.
    let event = lines(std::iter::once("single".to_owned()));
    let one =
        ["emit", "--key", "contractor.pem", "--receipts", "kept/receipts", "--output", "json", "--event"];
    let json = scene.daicho(&[&one[..], &[event.trim_end()]].concat()).expect(0, &[]).json();
    let last = format!("kept/receipts/{}.tlog-proof", json["entry"]);
    assert_eq!(json["receipt"], last, "{json}");
    let without = ["emit", "--key", "contractor.pem", "--output", "json", "--event"];
    let event = lines(std::iter::once("without".to_owned()));
    assert!(scene.daicho(&[&without[..], &[event.trim_end()]].concat()).json()["receipt"].is_null());
    // Nothing is proven by asking what would be recorded.
    scene.daicho(&[&emit[..], &["--receipts", "x", "--dry-run"]].concat()).expect(2, &[]);

    scene.stop();
    let names: Vec<String> = files.iter().map(|index| format!("kept/receipts/{index}.tlog-proof")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).chain([last.as_str()]).collect();
    let verify = [&["receipt", "verify", "--without-quorum"][..], &names, &POLICY].concat();
    let said = scene.daicho(&verify).expect(0, &[]);
    assert_eq!(said.out.matches("PROVEN: entry").count(), 14);
    // They were cut before any witness was asked.
    scene.daicho(&with_policy(&["receipt", "verify", &last])).expect(1, &["quorum is not met"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_that_is_there_already_is_never_written_over() {
    let mut scene = Scene::new().await;
    let next = scene.say().await + 1;
    std::fs::create_dir(scene.path("receipts")).expect("a folder");
    let taken = format!("receipts/{next}.tlog-proof");
    std::fs::write(scene.path(&taken), "something else").expect("written");
    let event = lines(std::iter::once("taken".to_owned()));
    let emit = ["emit", "--key", "contractor.pem", "--receipts", "receipts", "--event", event.trim_end()];
    scene.daicho(&emit).expect(1, &["is there already", "not overwritten", "recorded 1 statement(s)"]);
    assert_eq!(scene.read(&taken), b"something else");
    // Where the folder cannot be, nothing is sent.
    let before = scene.client().await.ledger_info().await.expect("info").size;
    let emit = ["emit", "--key", "contractor.pem", "--receipts", "policy.txt", "--event", event.trim_end()];
    scene.daicho(&emit).expect(2, &["cannot write policy.txt"]);
    assert_eq!(scene.client().await.ledger_info().await.expect("info").size, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_guard_is_away_statements_are_recorded_and_their_missing_receipts_are_said() {
    let mut scene = Scene::new().await;
    scene.stop();
    let bucket = LocalBucket::start().expect("a store");
    let place = "s3://guards/ledger";
    let renewed = Command::new(binary("daichod").expect("built"))
        .args(["guard", "renew", "--accept-fork-risk", "--guard", place, "--data"])
        .arg(scene.path("data"))
        .envs(bucket.variables())
        .output()
        .expect("it runs");
    assert!(renewed.status.success(), "{}", String::from_utf8_lossy(&renewed.stderr));
    let variables = [&bucket.variables()[..], &[("DAICHOD_GUARD", place.to_owned())]].concat();
    scene.serve(&scene.path(""), &variables);
    let emit = |id: &str| {
        let event = lines(std::iter::once(id.to_owned()));
        scene.daicho(&[
            "emit",
            "--key",
            "contractor.pem",
            "--receipts",
            "receipts",
            "--event",
            event.trim_end(),
        ])
    };
    emit("there").expect(0, &["their receipts are in"]);
    bucket.set_away(true);
    emit("away").expect(1, &["recorded 1 statement(s)"]);
    bucket.set_away(false);
    emit("back").expect(0, &["their receipts are in"]);
    let kept = std::fs::read_dir(scene.path("receipts")).expect("a folder").count();
    assert_eq!(kept, 2, "the one without a proof can be got later");
}
