//! Key files: passphrases that other tools understand, and files that others can read.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use daicho_tests::{Daichod, TLS, binary};

const PASSPHRASE: &str = "correct horse battery";

/// Runs the command line with the passphrase in a file.
fn daicho(folder: &Path, passphrase: &str, args: &[&str]) -> Output {
    let file = folder.join("passphrase");
    std::fs::write(&file, format!("{passphrase}\n")).expect("written");
    let mut command = Command::new(binary("daicho").expect("built"));
    command.args(args).current_dir(folder).env("DAICHO_PASSPHRASE_FILE", file).output().expect("it runs")
}

fn openssl(folder: &Path, args: &[&str]) -> Vec<u8> {
    let done = Command::new("openssl").args(args).current_dir(folder).output().expect("openssl runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    done.stdout
}

#[test]
fn a_key_with_a_passphrase_opens_with_it_alone_here_and_in_openssl() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let new = ["key", "new", "--encrypt", "--out", "key.pem", "--output", "json"];
    let short = daicho(folder, "too short", &new);
    assert!(!short.status.success() && !folder.join("key.pem").exists(), "{short:?}");

    let made = daicho(folder, PASSPHRASE, &new);
    assert!(made.status.success(), "{made:?}");
    let pem = std::fs::read_to_string(folder.join("key.pem")).expect("readable");
    assert!(pem.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
    let mode = folder.join("key.pem").metadata().expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let shown = daicho(folder, PASSPHRASE, &["key", "show", "key.pem", "--output", "json"]);
    assert_eq!(shown.stdout, made.stdout);
    let wrong = daicho(folder, "correct horse stapler", &["key", "show", "key.pem", "--lang", "en"]);
    assert!(!wrong.status.success() && wrong.stdout.is_empty(), "{wrong:?}");
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("check the passphrase"), "{wrong:?}");

    let given = format!("pass:{PASSPHRASE}");
    let public =
        openssl(folder, &["pkey", "-in", "key.pem", "-passin", &given, "-pubout", "-outform", "DER"]);
    let said: serde_json::Value = serde_json::from_slice(&made.stdout).expect("JSON");
    let said = said["public_key"]["value"].as_str().expect("a key");
    assert_eq!(said, format!("hex:{}", hex::encode(&public[public.len() - 32..])));
}

#[test]
fn a_key_that_others_can_read_is_warned_about() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    assert!(daicho(folder, "", &["key", "new", "--out", "key.pem"]).status.success());
    for (mode, warned) in [(0o600, false), (0o640, true), (0o604, true)] {
        std::fs::set_permissions(folder.join("key.pem"), PermissionsExt::from_mode(mode)).expect("set");
        let shown = daicho(folder, "", &["key", "show", "key.pem", "--lang", "en"]);
        assert!(shown.status.success(), "{shown:?}");
        assert_eq!(
            String::from_utf8_lossy(&shown.stderr).contains("chmod 600"),
            warned,
            "{mode:o}: {shown:?}"
        );
    }
}

#[test]
fn the_server_takes_a_key_with_a_passphrase_and_none_that_others_can_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    Daichod::init(folder, None).expect("founded");
    let operator = folder.join("operator.pem");
    let mode = |mode| std::fs::set_permissions(&operator, PermissionsExt::from_mode(mode)).expect("set");
    let refused = |folder: &Path| Daichod::start(folder, &[]).expect_err("refused").to_string();

    mode(0o640);
    let said = refused(folder);
    assert!(said.contains("chmod 600") && said.contains("operator.pem"), "{said}");
    mode(0o600);

    // As another tool protects it.
    let given = format!("pass:{PASSPHRASE}");
    let protect = ["pkcs8", "-topk8", "-scrypt", "-in", "operator.pem", "-out", "protected.pem"];
    openssl(folder, &[&protect[..], &["-passout", &given]].concat());
    std::fs::rename(folder.join("protected.pem"), &operator).expect("moved");
    mode(0o600);
    let said = refused(folder);
    assert!(said.contains("DAICHOD_PASSPHRASE_FILE"), "{said}");
    let file = folder.join("passphrase");
    let with = |passphrase: &str| {
        std::fs::write(&file, format!("{passphrase}\n")).expect("written");
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).expect("set");
        let variables = [("DAICHOD_PASSPHRASE_FILE", file.display().to_string())];
        Daichod::start_with(folder, &[], &variables)
    };
    let said = with("correct horse stapler").expect_err("refused").to_string();
    assert!(said.contains("does not open"), "{said}");
    with(PASSPHRASE).expect("it serves").stop().expect("stopped");

    // As systemd hands over a credential: readable for the service's user by an access list, which shows as the group's right.
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o440)).expect("set");
    let path = |path: &Path| path.display().to_string();
    let named = ("DAICHOD_PASSPHRASE_FILE", path(&file));
    for elsewhere in [Path::new(""), &folder.join("other")] {
        let variables = [named.clone(), ("CREDENTIALS_DIRECTORY", path(elsewhere))];
        let said = Daichod::start_with(folder, &[], &variables).expect_err("refused").to_string();
        assert!(said.contains("chmod 600") && said.contains("passphrase"), "{said}");
    }
    let variables = [named, ("CREDENTIALS_DIRECTORY", path(folder))];
    Daichod::start_with(folder, &[], &variables).expect("it serves").stop().expect("stopped");
}

#[test]
fn with_a_passphrase_every_key_of_a_server_is_protected_and_opens_elsewhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let file = folder.join("passphrase");
    std::fs::write(&file, format!("{PASSPHRASE}\n")).expect("written");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).expect("set");
    let variables = [("DAICHOD_PASSPHRASE_FILE", file.display().to_string())];
    let mut init = Command::new(binary("daichod").expect("built"));
    init.args(["init", "--origin", "demo.example/ledger", "--data", "data", "--ward-key", "ward.pem"]);
    init.args(["--operator-key", "operator.pem", "--checkpoint-key-ml-dsa", "second.checkpoint-key"]);
    let founded = init.current_dir(folder).envs(variables.clone()).output().expect("it runs");
    assert!(founded.status.success(), "{founded:?}");

    // Nothing that is made holds a key in the clear, and OpenSSL opens each with the passphrase (those of ML-DSA from 3.5 on).
    let given = format!("pass:{PASSPHRASE}");
    let own =
        ["operator.pem", "data.checkpoint-key", "second.checkpoint-key", "data.tls/server.key", "ward.pem"];
    for name in own {
        let text = std::fs::read_to_string(folder.join(name)).expect("readable");
        assert!(text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"), "{name}");
        assert!(!text.contains("PRIVATE+KEY"), "{name}");
        let opens = if name.starts_with("second") { ["asn1parse", "-in"] } else { ["pkey", "-in"] };
        let pass = if name.starts_with("second") { &[][..] } else { &["-passin", &given, "-noout"][..] };
        openssl(folder, &[&opens[..], &[name], pass].concat());
    }

    let started = Daichod::start(folder, &[]).expect_err("no passphrase").to_string();
    assert!(started.contains("DAICHOD_PASSPHRASE_FILE"), "{started}");
    let both = own[1..3].iter().map(|name| folder.join(name).display().to_string()).collect::<Vec<_>>();
    let flags = [TLS, "--checkpoint-key", &both[0], "--checkpoint-key", &both[1]];
    Daichod::start_with(folder, &flags, &variables).expect("it serves").stop().expect("stopped");

    // The first line names the key; behind that of another it is refused.
    let another = |out: &str| {
        let mut command = Command::new(binary("daichod").expect("built"));
        command.args(["checkpoint-key", "--data", "data", "--out", out]).current_dir(folder);
        command.envs(variables.clone()).output().expect("it runs")
    };
    assert!(another("third.checkpoint-key").status.success());
    let path = folder.join("data.checkpoint-key");
    let text = std::fs::read_to_string(&path).expect("readable");
    let (_, pem) = text.split_once('\n').expect("two parts");
    for (other, why) in
        [("third", "not the one that its first line names"), ("second", "is no checkpoint key")]
    {
        let other =
            std::fs::read_to_string(folder.join(format!("{other}.checkpoint-key"))).expect("readable");
        let (name, _) = other.split_once('\n').expect("two parts");
        std::fs::write(&path, format!("{name}\n{pem}")).expect("written");
        let refused = Daichod::start_with(folder, &[], &variables).expect_err("another key").to_string();
        assert!(refused.contains(why), "{refused}");
    }
    // Nor is a passphrase taken that is short, or that others can read.
    std::fs::write(&file, "too short\n").expect("written");
    let short = another("fourth.checkpoint-key");
    assert!(String::from_utf8_lossy(&short.stderr).contains("at least 12"), "{short:?}");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).expect("set");
    let open = another("fourth.checkpoint-key");
    assert!(String::from_utf8_lossy(&open.stderr).contains("chmod 600"), "{open:?}");
    assert!(!folder.join("fourth.checkpoint-key").exists());
}

#[test]
fn a_ledger_is_founded_without_the_private_key_of_the_ward() {
    let folder = tempfile::tempdir().expect("a folder");
    let (ward, operator) = (folder.path().join("ward"), folder.path().join("operator"));
    for place in [&ward, &operator] {
        std::fs::create_dir(place).expect("made");
    }
    let made =
        daicho(&ward, PASSPHRASE, &["key", "new", "--encrypt", "--out", "ward.pem", "--output", "json"]);
    let said: serde_json::Value = serde_json::from_slice(&made.stdout).expect("JSON");
    let public =
        said["public_key"]["value"].as_str().and_then(|key| key.strip_prefix("hex:")).expect("a key");
    let init = |data: &str, public: &str| {
        let mut command = Command::new(binary("daichod").expect("built"));
        command.args(["init", "--origin", "demo.example/ledger", "--data", data, "--ward-public", public]);
        command.args(["--operator-key", "operator.pem"]).current_dir(&operator).output().expect("it runs")
    };
    let none = init("none", "3b6a27bc");
    assert_eq!(none.status.code(), Some(2), "{none:?}");
    assert!(!operator.join("none").exists() && !operator.join("operator.pem").exists(), "{none:?}");
    let founded = init("data", public);
    assert!(founded.status.success(), "{founded:?}");
    let id = said["id"].as_str().expect("an id");
    assert!(String::from_utf8_lossy(&founded.stdout).contains(id), "{founded:?}");
    // The one key that it holds is its own, and it cannot be the ward's.
    let own = daicho(&operator, "", &["key", "show", "operator.pem", "--output", "json"]);
    let own: serde_json::Value = serde_json::from_slice(&own.stdout).expect("JSON");
    let own = own["public_key"]["value"].as_str().and_then(|key| key.strip_prefix("hex:")).expect("a key");
    assert_eq!(init("other", own).status.code(), Some(2), "the operator would sign for the ward");
    let keys = std::fs::read_dir(&operator).expect("readable").map(|file| file.expect("a file").file_name());
    let keys = keys.filter(|name| name.to_string_lossy().ends_with(".pem"));
    assert_eq!(keys.collect::<Vec<_>>(), ["operator.pem"]);
}
