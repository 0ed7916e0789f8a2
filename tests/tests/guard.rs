//! The fork guard of a real `daichod`: old copies, second servers, crashes, a lost guard, and a guard in a bucket.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use daicho_client::{ClientError, Emitter, Retry, proto};
use daicho_tests::{Daichod, LocalBucket, Play, binary, collected};
use tempfile::TempDir;

const BUCKET: &str = "s3://guards/wards/ledger";
const OBJECT: &str = "/guards/wards/ledger";

/// Founds a ledger with this scheme of its own and records it.
async fn founded() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Daichod::fresh(folder.path(), None).expect("a server");
    let client = server.client().await.expect("a client");
    Play::prepare(&client, server.ward_key().expect("key")).await.expect("prepared");
    server.stop().expect("stopped");
    folder
}

/// Somebody who says things, each once.
struct Voice {
    emitter: Emitter,
    said: usize,
    word: &'static str,
}

impl Voice {
    async fn of(server: &Daichod, word: &'static str) -> Self {
        let client = server.client().await.expect("a client");
        let emitter = Emitter::new(client, Play::contractor_key()).await.expect("authorised");
        Self { emitter: emitter.with_retry(Retry { attempts: 1, ..Retry::default() }), said: 0, word }
    }

    async fn say(&mut self) -> Result<proto::Receipt, ClientError> {
        let now = self.emitter.ledger_now().await?;
        self.said += 1;
        let said = self.emitter.emit(vec![collected(now, &format!("{}-{}", self.word, self.said))]).await?;
        Ok((*said).clone())
    }
}

/// Serves, records a few things, and stops.
async fn live(folder: &Path, flags: &[&str], word: &'static str) {
    let server = Daichod::start(folder, flags).expect("it serves");
    let mut voice = Voice::of(&server, word).await;
    for _ in 0..3 {
        voice.say().await.expect("recorded");
    }
    server.stop().expect("stopped");
}

/// A copy of everything but the guard, in a folder of its own.
fn copied(folder: &Path) -> TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    for name in ["data", "data.checkpoint-key", "operator.pem", "ward.pem"] {
        let copied = Command::new("cp").arg("-r").arg(folder.join(name)).arg(copy.path()).status();
        assert!(copied.expect("cp runs").success());
    }
    copy
}

fn refusal(folder: &Path, flags: &[&str]) -> String {
    Daichod::start(folder, flags).expect_err("it must not serve").to_string()
}

fn guard(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(binary("daichod").expect("built"));
    command.arg("guard").args(words).arg("--data").arg(folder.join("data")).output().expect("it runs")
}

/// Entries that the guard and the folder hold, by `daichod guard show`.
fn shown(folder: &Path) -> (u64, u64) {
    let output = guard(folder, &["show"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let text = String::from_utf8(output.stdout).expect("text");
    let entries = |word: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(word)).expect("a line");
        line.split_whitespace().next().and_then(|n| n.parse().ok()).expect("a number")
    };
    (entries("guard"), entries("folder"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_older_copy_is_refused_with_an_explanation() {
    let folder = founded().await;
    let backup = copied(folder.path());
    live(folder.path(), &[], "newest").await;
    std::fs::rename(folder.path().join("data"), folder.path().join("newest")).expect("moved");
    std::fs::rename(backup.path().join("data"), folder.path().join("data")).expect("restored");
    let words = refusal(folder.path(), &[]);
    for word in
        ["older than what was acknowledged", "Was a backup restored?", "Bring back the newest data folder"]
    {
        assert!(words.contains(word), "{words}");
    }
    let output = guard(folder.path(), &["show"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("OLDER than what was acknowledged"));

    std::fs::remove_dir_all(folder.path().join("data")).expect("removed");
    std::fs::rename(folder.path().join("newest"), folder.path().join("data")).expect("moved back");
    live(folder.path(), &[], "after").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_a_copy_is_refused_while_the_first_runs_and_afterwards() {
    let folder = founded().await;
    let (second, fork) = (copied(folder.path()), copied(folder.path()));
    let path = folder.path().join("data.guard").display().to_string();
    let first = Daichod::start(folder.path(), &[]).expect("it serves");
    let words = refusal(second.path(), &["--guard", &path]);
    assert!(words.contains("is in use by another server"), "{words}");
    Voice::of(&first, "first").await.say().await.expect("recorded");
    first.stop().expect("stopped");
    let words = refusal(second.path(), &["--guard", &path]);
    assert!(words.contains("older than what was acknowledged"), "{words}");

    // One that went on with a guard of its own is as long, and something else.
    let own = fork.path().join("data.guard").display().to_string();
    let renewed = guard(fork.path(), &["renew", "--accept-fork-risk", "--guard", &own]);
    assert!(renewed.status.success());
    live(fork.path(), &[], "fork").await;
    let words = refusal(fork.path(), &["--guard", &path]);
    assert!(words.contains("this data folder is a fork"), "{words}");
    live(folder.path(), &[], "first-again").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_under_load_it_starts_again_each_time() {
    let folder = founded().await;
    for round in ["one", "two", "three", "four", "five"] {
        let server = Daichod::start(folder.path(), &[]).expect("it starts again");
        let mut voices = Vec::new();
        let mut voice = Voice::of(&server, round).await;
        let load = tokio::spawn(async move { while voice.say().await.is_ok() {} });
        // The ledger grows by itself; how far it is when it dies is up to chance.
        let info = server.client().await.expect("a client");
        let size = async || info.ledger_info().await.expect("told").size;
        let before = size().await;
        while size().await < before + 30 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        voices.push(load);
        server.kill().expect("killed");
        for load in voices {
            load.await.expect("it ends with the server");
        }
        let (guarded, recorded) = shown(folder.path());
        assert!(guarded <= recorded, "{guarded} signed, {recorded} recorded");
    }
    live(folder.path(), &[], "after").await;
    let (guarded, recorded) = shown(folder.path());
    assert_eq!(guarded, recorded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_guard_is_refused_until_somebody_takes_the_risk() {
    let folder = founded().await;
    std::fs::remove_file(folder.path().join("data.guard")).expect("lost");
    let words = refusal(folder.path(), &[]);
    assert!(words.contains("the fork guard holds nothing. Was it lost?"), "{words}");
    assert_eq!(guard(folder.path(), &["show"]).status.code(), Some(1));
    assert_eq!(guard(folder.path(), &["renew"]).status.code(), Some(2));
    assert!(refusal(folder.path(), &[]).contains("holds nothing"));
    assert!(guard(folder.path(), &["renew", "--accept-fork-risk"]).status.success());
    live(folder.path(), &[], "after").await;

    // A guard that is in use is not taken away from its ledger.
    let path = folder.path().join("data.guard").display().to_string();
    let other = tempfile::tempdir().expect("a folder");
    let output = init(other.path(), &["--guard", &path], &[]);
    assert!(!output.status.success());
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("holds a checkpoint of `demo.example/ledger`"), "{words}");
    live(folder.path(), &[], "again").await;
}

fn init(folder: &Path, flags: &[&str], variables: &[(&str, String)]) -> Output {
    Command::new(binary("daichod").expect("built"))
        .args(["init", "--origin", "demo.example/ledger", "--data"])
        .arg(folder.join("data"))
        .arg("--ward-key")
        .arg(folder.join("ward.pem"))
        .arg("--operator-key")
        .arg(folder.join("operator.pem"))
        .args(flags)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .output()
        .expect("it runs")
}

/// A ledger with its guard in a bucket.
async fn founded_with_bucket(bucket: &LocalBucket) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let output = init(folder.path(), &["--guard", BUCKET], &bucket.variables());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let server = serve(folder.path(), bucket);
    let client = server.client().await.expect("a client");
    Play::prepare(&client, server.ward_key().expect("key")).await.expect("prepared");
    server.stop().expect("stopped");
    folder
}

fn serve(folder: &Path, bucket: &LocalBucket) -> Daichod {
    Daichod::start_with(folder, &["--guard", BUCKET], &bucket.variables()).expect("it serves")
}

/// Size of the checkpoint in the bucket.
fn guarded(bucket: &LocalBucket) -> u64 {
    let text = String::from_utf8(bucket.object(OBJECT).expect("an object")).expect("text");
    daicho_tlog::Checkpoint::parse(&text).expect("a checkpoint").size()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_servers_with_one_bucket_the_slower_one_is_closed() {
    let bucket = LocalBucket::start().expect("a bucket");
    let folder = founded_with_bucket(&bucket).await;
    let copy = copied(folder.path());
    // Nothing tells them apart at the start.
    let (first, second) = (serve(folder.path(), &bucket), serve(copy.path(), &bucket));
    let (mut quick, mut slow) = (Voice::of(&first, "quick").await, Voice::of(&second, "slow").await);
    let receipt = quick.say().await.expect("recorded");
    assert!(receipt.proof.is_some());
    assert_eq!(guarded(&bucket), receipt.entry_index + 1);
    for _ in 0..2 {
        let refused = slow.say().await.expect_err("it must not sign a fork").to_string();
        assert!(refused.contains("WRITER_CLOSED"), "{refused}");
    }
    quick.say().await.expect("the other one goes on");
    second.stop().expect("stopped");
    let words = Daichod::start_with(copy.path(), &["--guard", BUCKET], &bucket.variables());
    let words = words.expect_err("it must not serve").to_string();
    assert!(words.contains("this data folder is a fork"), "{words}");
    assert!(words.contains("another server signs for this ledger"), "{words}");
    first.stop().expect("stopped");

    // The commands reach it, too.
    let command = |action: &[&str]| {
        let mut command = Command::new(binary("daichod").expect("built"));
        command.arg("guard").args(action).args(["--guard", BUCKET, "--data"]).arg(folder.path().join("data"));
        command.envs(bucket.variables()).output().expect("it runs")
    };
    let size = guarded(&bucket);
    assert!(String::from_utf8_lossy(&command(&["show"]).stdout).contains(&format!("guard   {size} entries")));
    assert!(command(&["renew", "--accept-fork-risk"]).status.success());
    assert_eq!(guarded(&bucket), size);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_bucket_is_away_receipts_come_without_proof_and_are_published_later() {
    let bucket = LocalBucket::start().expect("a bucket");
    let folder = founded_with_bucket(&bucket).await;
    let server = serve(folder.path(), &bucket);
    let mut voice = Voice::of(&server, "away").await;
    bucket.set_away(true);
    let before = guarded(&bucket);
    let receipt = voice.say().await.expect("recorded all the same");
    assert!(receipt.proof.is_none(), "nothing is signed that the guard does not hold");
    bucket.set_away(false);
    guard_holds(&bucket, receipt.entry_index + 1).await;
    assert!(voice.say().await.expect("recorded").proof.is_some());

    // Stored, and the answer lost: it was our own write, and not another server's.
    bucket.set_loses_answers(true);
    let unanswered = voice.say().await.expect("recorded");
    bucket.set_loses_answers(false);
    let size = unanswered.entry_index + 1;
    guard_holds(&bucket, size).await;
    assert!(voice.say().await.expect("recorded").proof.is_some());

    // Recorded and not published when it dies: the guard is behind, which is no fork.
    bucket.set_away(true);
    let recorded = voice.say().await.expect("recorded");
    assert!(recorded.proof.is_none());
    server.kill().expect("killed");
    let words = Daichod::start_with(folder.path(), &["--guard", BUCKET], &bucket.variables());
    let words = words.expect_err("it cannot know").to_string();
    assert!(words.contains("the fork guard cannot be reached"), "{words}");
    bucket.set_away(false);
    assert!((before..=recorded.entry_index).contains(&guarded(&bucket)));
    let server = serve(folder.path(), &bucket);
    guard_holds(&bucket, recorded.entry_index + 1).await;
    server.stop().expect("stopped");
}

/// Waits until the guard holds so many entries.
async fn guard_holds(bucket: &LocalBucket, size: u64) {
    let started = std::time::Instant::now();
    while guarded(bucket) < size {
        assert!(started.elapsed() < Duration::from_secs(60), "the guard never holds {size} entries");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
