//! Secrets stay where they are: no output, and at the most talkative level no log of the server, holds a key, a passphrase,
//! a token or the code of an invitation.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use daicho_core::SigningKey;
use daicho_tests::{Daichod, Play, TLS, binary};

const PASSPHRASE: &str = "correct horse battery staple";
const TOKEN: &str = "a-token-of-the-auditor";
const PARTY: &str = "queue_notice_service/hyojito";

/// The forms in which a log could give some bytes away.
fn forms(secret: &[u8]) -> Vec<String> {
    let list = format!("{secret:?}");
    vec![
        hex::encode(secret),
        hex::encode_upper(secret),
        BASE64.encode(secret).trim_end_matches('=').to_owned(),
        list.trim_matches(['[', ']']).to_owned(),
    ]
}

/// The secret bytes in a PEM file: what base64 stands in it, line by line, and the private key of PKCS #8 itself.
fn of_pem(pem: &str) -> Vec<String> {
    let body = || pem.lines().filter(|line| !line.starts_with("-----"));
    // The last line may be a few letters, which stand anywhere.
    let mut all: Vec<String> = body().filter(|line| line.len() > 16).map(str::to_owned).collect();
    if let Ok(der) = BASE64.decode(body().collect::<String>())
        && pem.starts_with("-----BEGIN PRIVATE KEY-----")
    {
        // An octet string of 32 bytes: the seed of Ed25519, the scalar of P-256.
        let at = der.windows(2).position(|pair| pair == [4, 32]).expect("a private key") + 2;
        all.extend(forms(&der[at..at + 32]));
    }
    all
}

fn found<'s>(text: &str, secrets: &'s [(String, Vec<String>)]) -> Vec<&'s str> {
    let holds = |forms: &[String]| forms.iter().any(|form| text.contains(form.as_str()));
    secrets.iter().filter(|(_, forms)| holds(forms)).map(|(name, _)| name.as_str()).collect()
}

#[tokio::test]
async fn no_log_and_no_output_holds_a_secret() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("readable");
    Daichod::init(folder, None).expect("founded");
    let operator = SigningKey::from_pem(&read("operator.pem")).expect("a key");
    let plain = of_pem(&read("operator.pem"));
    let protected = operator.to_encrypted_pem(PASSPHRASE).expect("random numbers");
    std::fs::write(folder.join("operator.pem"), protected).expect("written");
    std::fs::write(folder.join("passphrase"), format!("{PASSPHRASE}\n")).expect("written");
    // What others may read is no passphrase: the server refuses such a file.
    std::fs::set_permissions(folder.join("passphrase"), Permissions::from_mode(0o600)).expect("private");
    std::fs::write(folder.join("token"), format!("{TOKEN}\n")).expect("written");

    let file = |name: &str| folder.join(name).display().to_string();
    let tiles = ["--tiles-listen", "127.0.0.1:0", "--entries-token-file", &file("token")];
    let variables = [("RUST_LOG", "trace".to_owned()), ("DAICHOD_PASSPHRASE_FILE", file("passphrase"))];
    let server = Daichod::start_with(folder, &[&[TLS][..], &tiles].concat(), &variables).expect("it serves");
    let client = server.client().await.expect("a client");
    Play::prepare(&client, server.ward_key().expect("a key")).await.expect("prepared");

    let daicho = |args: &[&str]| daicho(folder, &server, args);
    let good = |args: &[&str]| {
        let output = daicho(args);
        assert!(output.status.success(), "{args:?}: {}", text(&output));
        output
    };
    let invite = ["key", "invite", "--party", PARTY, "--purpose", "auditor", "--key", "ward.pem"];
    let paper = good(&invite);
    let said = String::from_utf8_lossy(&paper.stdout).into_owned();
    let code =
        said.lines().find_map(|line| line.trim().strip_prefix("code")).expect("a code").trim().to_owned();
    let tiles = server.tiles_address().expect("tiles are served");
    let outputs = [
        good(&["key", "enrol", "--code", &code, "--out", "office.pem"]),
        // What goes wrong says no more.
        daicho(&["key", "enrol", "--code", &code, "--out", "again.pem"]),
        daicho(&["--identity", "token", "key", "list"]),
        good(&["--identity", "office.pem", "key", "list"]),
        good(&["key", "new", "--encrypt", "--out", "own.pem"]),
        good(&["key", "show", "own.pem"]),
        good(&["audit", "--tiles", &tiles, "--token-file", "token"]),
        daicho(&["audit", "--tiles", &tiles, "--token-file", "passphrase"]),
        good(&["audit"]),
    ];
    server.stop().expect("stopped");

    let checkpoint = read("data.checkpoint-key");
    // `PRIVATE+KEY+name+id+key`: the key may hold a plus.
    let last = checkpoint.trim_end().splitn(5, '+').nth(4).expect("a key").to_owned();
    let seed = forms(&BASE64.decode(&last).expect("a key in base64")[1..]);
    let mut secrets = vec![
        ("the operator's key".to_owned(), plain),
        ("the passphrase".to_owned(), vec![PASSPHRASE.to_owned()]),
        ("the token".to_owned(), vec![TOKEN.to_owned()]),
        ("the checkpoint key".to_owned(), [vec![last], seed].concat()),
        ("the code".to_owned(), vec![code.clone(), code.to_lowercase(), code.replace('-', "")]),
    ];
    for name in ["ward.pem", "operator.pem", "office.pem", "own.pem", "data.tls/server.key"] {
        secrets.push((name.to_owned(), of_pem(&read(name))));
    }
    assert!(secrets.iter().all(|(_, forms)| !forms.is_empty() && forms.iter().all(|form| form.len() > 8)));

    let log = read("daichod.log");
    // It is talkative, and the search finds what is there.
    assert!(log.contains("TRACE") && log.lines().count() > 200, "{} lines", log.lines().count());
    assert_eq!(found(&read("ward.pem"), &secrets), ["ward.pem"]);
    assert_eq!(found(&said, &secrets), ["the code"], "an invitation is printed to be handed over");
    assert_eq!(found(&String::from_utf8_lossy(&paper.stderr), &secrets), [""; 0]);
    assert_eq!(found(&log, &secrets), [""; 0], "in the server's log");
    for output in &outputs {
        assert_eq!(found(&text(output), &secrets), [""; 0], "{}", text(output));
    }
}

fn daicho(folder: &Path, server: &Daichod, args: &[&str]) -> Output {
    let mut command = Command::new(binary("daicho").expect("built"));
    command.current_dir(folder).args(["--lang", "en", "--server", server.address()]);
    command.arg("--ca").arg(server.authority());
    if args.first() != Some(&"--identity") {
        command.args(["--identity", "ward.pem"]);
    }
    command.env("DAICHO_PASSPHRASE_FILE", folder.join("passphrase"));
    command.args(args).output().expect("it runs")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
