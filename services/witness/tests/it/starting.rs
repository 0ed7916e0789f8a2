//! Keys, configuration, and what the witness finds when it starts.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

use daicho_tlog::Algorithm;
use daicho_tlog::policy::Policy;

use crate::setup::{FakeLog, ORIGIN, Setup, WITNESS, key, log_toml, origin_hash, write_state};

fn refused(output: &Output, code: i32, word: &str) {
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains(word), "{word:?} in {words:?}");
    assert_eq!(output.status.code(), Some(code), "{words}");
}

#[tokio::test]
async fn what_was_cosigned_outlives_a_restart() {
    let log = FakeLog::new(ORIGIN, 30);
    let setup = Setup::new(&[&log]);
    let witness = setup.start();
    let (_, before) = witness.cosign(&log, 0, 20).await;
    let seen = witness.monitored(ORIGIN).await;
    witness.stop();

    let witness = setup.start();
    assert_eq!(witness.monitored(ORIGIN).await, seen);
    let conflict = witness.ask(log.request(0, 25)).await;
    assert_eq!((conflict.status, conflict.body.as_str()), (409, "20\n"));
    assert_eq!(witness.ask(log.fork(10, "fork").request(20, 25)).await.status, 422);
    let (_, after) = witness.cosign(&log, 20, 25).await;
    assert!(after >= before);
}

#[tokio::test]
async fn a_second_witness_with_the_same_state_does_not_start() {
    let log = FakeLog::new(ORIGIN, 3);
    let setup = Setup::new(&[&log]);
    let witness = setup.start();
    refused(&setup.fail(), 3, "in use by another witness");
    witness.cosign(&log, 0, 3).await;
    witness.stop();
    setup.start().stop();
}

#[tokio::test]
async fn a_damaged_state_is_never_taken_for_none() {
    let log = FakeLog::new(ORIGIN, 30);
    let setup = Setup::new(&[&log]);
    let witness = setup.start();
    witness.cosign(&log, 0, 20).await;
    witness.stop();
    let file = setup.state_file(ORIGIN);
    let sound = std::fs::read(&file).expect("kept");
    for at in (0..sound.len()).step_by(sound.len() / 12) {
        let mut flipped = sound.clone();
        flipped[at] ^= 1;
        std::fs::write(&file, flipped).expect("written");
        refused(&setup.fail(), 3, "is damaged");
    }
    for cut in [0, 1, 30, 90, sound.len() - 1] {
        std::fs::write(&file, &sound[..cut]).expect("written");
        refused(&setup.fail(), 3, "is damaged");
    }
    // Whole, but of another log, without time, or no checkpoint.
    let note = FakeLog::new("ledger.other.example", 3).checkpoint(3);
    for rest in [format!("time 1800000000\n\n{note}"), "time 0\n\n".to_owned(), "nothing\n".to_owned()] {
        write_state(&file, &rest);
        refused(&setup.fail(), 3, "is damaged");
    }
    std::fs::write(&file, &sound).expect("written");
    // Half of a file that a crash left aside does not matter.
    std::fs::write(setup.path("state").join(format!("{}.state.new", origin_hash(ORIGIN))), "daicho")
        .expect("written");
    let witness = setup.start();
    witness.cosign(&log, 20, 30).await;
}

#[test]
fn a_configuration_that_cannot_be_meant_is_refused_by_name() {
    let log = FakeLog::new(ORIGIN, 1);
    let mut doubled = FakeLog::new(ORIGIN, 1);
    doubled.signers.push(key(ORIGIN, Algorithm::Ed25519, "log"));
    let other = FakeLog::new("ledger.other.example", 1);
    let witness_key = key(WITNESS, Algorithm::CosignatureEd25519, "witness");
    let plain = log_toml(&log, "");
    let audit = "audit = \"http://127.0.0.1:1\"";
    let seed_of_witness = daicho_tlog::VerifierKey::new(
        ORIGIN.parse().expect("a name"),
        Algorithm::Ed25519,
        witness_key.verifier().public_key(),
    );
    let shared = plain.replace(&log.vkeys()[0], &seed_of_witness.expect("a key").to_string());
    for (toml, word) in [
        (String::new(), "log: none"),
        (format!("stat = 1\n{plain}"), "stat"),
        (format!("{plain}orgin = \"x\"\n"), "orgin"),
        (format!("metrics-listen = \"nowhere\"\n{plain}"), "metrics-listen"),
        (format!("audit-wait-seconds = 0\n{plain}"), "audit-wait-seconds"),
        (format!("{plain}{plain}"), "given twice"),
        (log_toml(&doubled, ""), "given twice"),
        (plain.replace("vkeys = [", "vkeys = [] # "), "vkeys: none"),
        (plain.replace("+", "-"), "vkeys"),
        (plain.replace(&format!("origin = {ORIGIN:?}"), "origin = \"x\""), "must be the origin"),
        (log_toml(&log, "token-file = \"x\""), "token-file"),
        (log_toml(&log, "audit = \"ftp://x\""), "audit"),
        (log_toml(&log, "audit = \"http://user:word@x\""), "audit"),
        (log_toml(&log, &format!("{audit}\ntoken-file = \"/nowhere\"")), "token-file"),
        (format!("{}{}", log_toml(&log, audit), log_toml(&other, "")), "one key would make two statements"),
        (shared, "has a key of this witness"),
    ] {
        refused(&Setup::with(&[Algorithm::CosignatureEd25519], &toml).fail(), 2, word);
    }
    for (algorithms, word) in [
        (&[][..], "keys: none"),
        (&[Algorithm::Ed25519][..], "does not cosign"),
        (&[Algorithm::CosignatureEd25519; 2][..], "same key twice"),
    ] {
        refused(&Setup::with(algorithms, &plain).fail(), 2, word);
    }
    let setup = Setup::new(&[&log]);
    refused(&setup.fail_with("DAICHO_WITNESS_AUDIT_WAIT_SECONDS", "0"), 2, "audit-wait-seconds");
    refused(&setup.fail_with("DAICHO_WITNESS_NAM", "x"), 2, "nam");
    let config = std::fs::read_to_string(setup.path("witness.toml")).expect("written");
    std::fs::write(setup.path("witness.toml"), config.replace(WITNESS, "witness.example/w2"))
        .expect("written");
    refused(&setup.fail(), 2, "this witness is witness.example/w2");
}

#[tokio::test]
async fn a_key_that_cosigned_without_auditing_never_begins_to_audit() {
    let log = FakeLog::new(ORIGIN, 1);
    let setup = Setup::new(&[&log]);
    setup.start().stop();
    let config = std::fs::read_to_string(setup.path("witness.toml")).expect("written");
    let audited = format!("{config}audit = \"http://127.0.0.1:1\"\n");
    std::fs::write(setup.path("witness.toml"), &audited).expect("written");
    refused(&setup.fail(), 3, "a key stands for one statement only");
    // With a key of its own it may.
    let own = key(WITNESS, Algorithm::CosignatureEd25519, "another");
    std::fs::write(setup.path("0.key"), own.to_secret_text().as_bytes()).expect("written");
    setup.start().stop();
    // One that others can read is no secret.
    std::fs::set_permissions(setup.path("0.key"), std::fs::Permissions::from_mode(0o640)).expect("set");
    refused(&setup.fail(), 2, "others can read it (mode 640)");
}

#[test]
fn init_makes_keys_for_its_owner_alone_and_lines_that_a_policy_takes() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("keys");
    let init = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_daicho-witness"));
        command.args(["init", "--name", WITNESS, "--url", "http://127.0.0.1:7350/", "--out"]).arg(&out);
        command.output().expect("it runs")
    };
    let output = init();
    assert!(output.status.success());
    let printed = String::from_utf8(output.stdout).expect("text");
    let policy = Policy::parse(format!("{printed}quorum {WITNESS}\n").as_bytes()).expect("a policy");
    assert_eq!(policy.witnesses().len(), 2);
    let mut secrets = Vec::new();
    for name in ["ed25519.key", "ml-dsa-44.key"] {
        let file = out.join(name);
        assert_eq!(std::fs::metadata(&file).expect("made").permissions().mode() & 0o777, 0o600);
        secrets.push(std::fs::read_to_string(&file).expect("made"));
        let signer: daicho_tlog::NoteSigner = secrets[secrets.len() - 1].trim().parse().expect("a key");
        assert!(printed.contains(&signer.verifier().to_string()));
        assert!(!printed.contains(secrets[secrets.len() - 1].trim()));
    }
    // One of them is missing: the other is not replaced, and no new pair begins.
    std::fs::remove_file(out.join("ed25519.key")).expect("made");
    refused(&init(), 3, "never overwritten");
    assert!(!out.join("ed25519.key").exists());
    assert_eq!(std::fs::read_to_string(out.join("ml-dsa-44.key")).expect("made"), secrets[1]);
}

#[tokio::test]
async fn secrets_show_nowhere_in_the_log() {
    let log = FakeLog::new(ORIGIN, 3);
    let folder = tempfile::tempdir().expect("a folder");
    let token = folder.path().join("token");
    std::fs::write(&token, "very-secret-token\n").expect("written");
    let audited = Setup::with(
        &[Algorithm::CosignatureMlDsa44],
        &log_toml(&log, &format!("audit = \"http://127.0.0.1:1\"\ntoken-file = {token:?}")),
    );
    let witness = audited.start();
    assert_eq!(witness.ask(log.request(0, 3)).await.status, 503);
    let secret = std::fs::read_to_string(audited.path("0.key")).expect("written");
    witness.stop();
    assert!(audited.log().contains("the replay stopped"));
    assert!(!audited.log().contains("very-secret-token"));
    assert!(!audited.log().contains(secret.trim()) && !audited.log().contains("PRIVATE"));
}
