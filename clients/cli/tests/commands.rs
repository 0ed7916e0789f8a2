//! The program against a ledger in memory: what it prints, what it sends, how it ends.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "../../rust/tests/fake/mod.rs"]
mod fake;

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::LazyLock;

use daicho_client::RefusalCode;
use daicho_core::{SigningKey, proto};
use fake::{Connection, End, Fake, Fault, NOW_MS};
use tokio::io::AsyncWriteExt as _;

const GOOD: &str = r#"{"occur_time":"2021-04-01T09:00","scheme":"queue_notice","copied":{"from_copies":["a"],"copies":[{"id":"写"}]}}"#;

/// A ledger server, a folder and the ward's key in it.
struct Scene {
    fake: Fake,
    server: String,
    folder: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Self {
        let fake = Fake::default();
        let server = fake.serve().await;
        let scene = Self { fake, server, folder: tempfile::tempdir().unwrap() };
        let key = SigningKey::from_seed(&[5; 32]);
        scene.file("ward.pem", &key.to_pem());
        scene.fake.state().keys.push(proto::Key {
            id: key.public().id().as_bytes().to_vec(),
            party: "ward".to_owned(),
            ..Default::default()
        });
        let ward = proto::Party { id: "ward".to_owned(), label: "新宿区".to_owned(), members: Vec::new() };
        let others = ["j-lis", "mailer"].map(|id| proto::Party { id: id.to_owned(), ..ward.clone() });
        scene.fake.state().parties.extend([ward].into_iter().chain(others));
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        #[cfg(unix)]
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        path
    }

    async fn run(&self, args: &[&str]) -> Output {
        self.run_with(args, "").await
    }

    async fn run_with(&self, args: &[&str], input: &str) -> Output {
        run(self.folder.path(), &self.server, args, input).await
    }
}

async fn run(folder: &Path, server: &str, args: &[&str], input: &str) -> Output {
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_daicho"))
        .args(args)
        .current_dir(folder)
        .env_clear()
        .env("DAICHO_SERVER", server)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    child.wait_with_output().await.unwrap()
}

fn out(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn err(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

#[tokio::test]
async fn a_key_is_made_once_readable_by_its_owner_alone() {
    let scene = Scene::new().await;
    let made = scene.run(&["key", "new", "--out", "new.pem"]).await;
    assert_eq!(code(&made), 0, "{}", err(&made));
    let pem = std::fs::read_to_string(scene.path("new.pem")).unwrap();
    let id = SigningKey::from_pem(&pem).unwrap().public().id().to_string();
    assert!(out(&made).contains(&id));
    assert!(!out(&made).contains("PRIVATE"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(scene.path("new.pem")).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let shown = scene.run(&["key", "show", "new.pem"]).await;
    assert_eq!(out(&shown), out(&made));
    let again = scene.run(&["key", "new", "--out", "new.pem"]).await;
    assert_eq!(code(&again), 2);
    assert_eq!(std::fs::read_to_string(scene.path("new.pem")).unwrap(), pem);
}

#[tokio::test]
async fn a_bad_line_stops_everything_before_the_first_send() {
    let scene = Scene::new().await;
    scene
        .file("day.jsonl", &format!("{GOOD}\n{{\"occur_time\":\"2021-04-01\",\"copied\":{{\"frm\":[]}}}}\n"));
    let output =
        scene.run(&["emit", "--key", "ward.pem", "--file", "day.jsonl", "--per-statement", "1"]).await;
    assert_eq!(code(&output), 2);
    assert!(err(&output).contains("day.jsonl:2:"), "{}", err(&output));
    assert!(err(&output).contains("Copied has no field `frm`"), "{}", err(&output));
    assert!(scene.fake.state().arrived.is_empty());
}

#[tokio::test]
async fn a_file_is_sent_over_a_broken_stream_and_logged_in_words() {
    let scene = Scene::new().await;
    let cut = Connection { answers: 2, recorded_unanswered: 1, end: End::Break };
    scene.fake.state().connections.push_back(cut);
    let input = format!("{GOOD}\n").repeat(5);
    let sent = scene.run_with(&["emit", "--key", "ward.pem", "--per-statement", "1", "-"], &input).await;
    assert_eq!(code(&sent), 0, "{}", err(&sent));
    assert_eq!(out(&sent), "recorded 5 statement(s) with 5 event(s) in entries 0 to 4\n");

    let log = scene.run(&["log", "--from", "1", "--limit", "2", "--lang", "ja"]).await;
    let expected = "2021-04-01 09:00:00  ward[新宿区]  queue_notice  複写: a から 写";
    assert_eq!(out(&log), format!("1  {expected}\n2  {expected}\n"), "{}", err(&log));

    let json = scene.run(&["log", "--limit", "1", "--output", "json"]).await;
    let entry: serde_json::Value = serde_json::from_str(out(&json)).unwrap();
    assert_eq!(entry["index"], 4);
    assert_eq!(entry["signers"][0]["party"], "ward");
    // What the log prints can be emitted again.
    let event = entry["events"][0].to_string();
    let again = scene.run(&["emit", "--key", "ward.pem", "--dry-run", "--event", &event]).await;
    assert_eq!(code(&again), 0, "{}", err(&again));
}

#[tokio::test]
async fn a_refusal_is_explained_in_both_languages_and_has_its_exit_code() {
    let scene = Scene::new().await;
    for (lang, words) in
        [("ja", "この当事者には申告する権限がありません"), ("en", "the ledger refused it: NOT_AUTHORIZED")]
    {
        scene.fake.state().faults.push_back(Fault::Refuse(RefusalCode::NotAuthorized));
        let output = scene.run(&["emit", "--lang", lang, "--key", "ward.pem", "--event", GOOD]).await;
        assert_eq!(code(&output), 4);
        assert!(err(&output).contains(words), "{}", err(&output));
    }
}

#[tokio::test]
async fn a_refusal_in_a_file_names_the_lines() {
    let scene = Scene::new().await;
    let end = End::RefuseFor(RefusalCode::DuplicateId);
    scene.fake.state().connections.push_back(Connection { answers: 1, recorded_unanswered: 0, end });
    let input = format!("{GOOD}\n").repeat(2);
    let output = scene.run_with(&["emit", "--key", "ward.pem", "--per-statement", "1", "-"], &input).await;
    assert_eq!(code(&output), 4);
    assert!(err(&output).contains("lines 2-2: the ledger refused it: DUPLICATE_ID"), "{}", err(&output));
    assert_eq!(out(&output), "recorded 1 statement(s) with 1 event(s) as entry 0\n");
}

#[tokio::test]
async fn a_dry_run_shows_the_findings_and_sends_nothing() {
    let scene = Scene::new().await;
    scene.fake.state().predicted.push(proto::PredictedFinding {
        code: "COPYING_NOT_ALLOWED".to_owned(),
        object: "写".to_owned(),
        detail: String::new(),
    });
    let output = scene.run(&["emit", "--key", "ward.pem", "--dry-run", "--event", GOOD]).await;
    assert_eq!(code(&output), 1, "{}", err(&output));
    assert!(out(&output).contains("COPYING_NOT_ALLOWED"));
    assert!(scene.fake.state().recorded.is_empty());
}

#[tokio::test]
async fn following_shows_every_entry_and_tells_when_the_server_stops() {
    let scene = Scene::new().await;
    for _ in 0..3 {
        let output = scene.run(&["emit", "--key", "ward.pem", "--event", GOOD]).await;
        assert_eq!(code(&output), 0, "{}", err(&output));
        let last = scene.fake.state().recorded.len() as u64;
        scene.fake.state().keys[0].last_sequence = last;
    }
    let limited = scene.run(&["log", "--follow", "--from", "1", "--limit", "2"]).await;
    assert_eq!((code(&limited), out(&limited).lines().count()), (0, 2), "{}", err(&limited));
    let all = scene.run(&["log", "--follow"]).await;
    assert_eq!((code(&all), out(&all).lines().count()), (3, 3));
    assert!(err(&all).contains("the server stopped"), "{}", err(&all));
}

#[tokio::test]
async fn help_and_mistakes_are_in_japanese_where_japanese_is_asked_for() {
    let scene = Scene::new().await;
    let help = scene.run(&["emit", "--help", "--lang", "ja"]).await;
    assert!(out(&help).contains("事象に署名して台帳に送る") && out(&help).contains("例:"));
    assert!(!out(&help).contains("Examples"));
    let mistake = scene.run(&["emit", "--lang=ja", "--key", "ward.pem", "--event", "{}"]).await;
    assert_eq!(code(&mistake), 2);
    assert!(err(&mistake).contains("何も送信していません"), "{}", err(&mistake));
}

#[tokio::test]
async fn a_scheme_file_that_is_no_scheme_is_neither_sound_nor_enacted() {
    let scene = Scene::new().await;
    scene.file("bad.toml", "format = 7\n");
    assert_eq!(code(&scene.run(&["scheme", "check", "bad.toml"]).await), 1);
    let enact = scene.run(&["scheme", "enact", "bad.toml", "--key", "ward.pem"]).await;
    assert_eq!(code(&enact), 2, "{}", err(&enact));
    assert!(scene.fake.state().arrived.is_empty());
}

#[tokio::test]
async fn errors_of_the_source_are_named_at_once_and_nothing_is_sent_before_they_are_settled() {
    let scene = Scene::new().await;
    let file = "../../deploy/schemes/nhi_premium_payment.toml";
    let file = std::fs::canonicalize(file).unwrap().display().to_string();
    let enact = ["scheme", "enact", &file, "--key", "ward.pem"];
    let open = scene.run(&enact).await;
    let names: Vec<String> = err(&open)
        .lines()
        .filter_map(|line| Some(line.trim().strip_prefix("--settle '")?.split_once('=')?.0.to_owned()))
        .collect();
    assert_eq!((code(&open), names.len()), (2, 8), "{}", err(&open));
    let settled: Vec<String> = names.iter().map(|name| format!("--settle={name}=ground")).collect();
    let but_one: Vec<&str> = settled[1..].iter().map(String::as_str).collect();
    let open = scene.run(&[&enact[..], &but_one].concat()).await;
    assert!(err(&open).contains(&names[0]) && !err(&open).contains(&names[1]), "{}", err(&open));
    let nothing = scene.run(&[&enact[..], &["--settle=era-date@matter.none=ground"]].concat()).await;
    assert!(code(&nothing) == 2 && err(&nothing).contains("matter.none"), "{}", err(&nothing));
    assert!(scene.fake.state().arrived.is_empty());
}

#[tokio::test]
async fn a_file_in_another_encoding_is_named_with_its_line() {
    let scene = Scene::new().await;
    std::fs::write(scene.path("sjis.jsonl"), [GOOD.as_bytes(), b"\n\x8e\xca"].concat()).unwrap();
    let bad = scene.run(&["emit", "--key", "ward.pem", "--file", "sjis.jsonl"]).await;
    assert!(code(&bad) == 2 && err(&bad).contains("sjis.jsonl, line 2"), "{}", err(&bad));
    assert!(scene.fake.state().arrived.is_empty());
    scene.file("marked.jsonl", &format!("\u{feff}{GOOD}\n"));
    let good = scene.run(&["emit", "--key", "ward.pem", "--file", "marked.jsonl"]).await;
    assert_eq!(code(&good), 0, "{}", err(&good));
}

#[tokio::test]
async fn two_people_sign_one_statement() {
    let scene = Scene::new().await;
    scene.file("second.pem", &SigningKey::from_seed(&[6; 32]).to_pem());
    let args = ["emit", "--key", "ward.pem", "--cosign", "second.pem", "--event", GOOD];
    let output = scene.run(&args).await;
    assert_eq!(code(&output), 0, "{}", err(&output));
    let state = scene.fake.state();
    let entry = daicho_core::Entry::decode(&state.entries[0]).unwrap();
    assert_eq!(entry.statement.signatures.len(), 2);
}

#[tokio::test]
async fn lists_follow_every_page() {
    let scene = Scene::new().await;
    let parties = scene.run(&["party", "list"]).await;
    assert!(out(&parties).contains("mailer") && out(&parties).ends_with("3 in all\n"), "{}", out(&parties));
    let json = scene.run(&["party", "list", "--output", "json"]).await;
    assert_eq!(out(&json).lines().count(), 3);
    let none = scene.run(&["findings", "--lang", "ja"]).await;
    assert_eq!(out(&none), "違反の記録なし\n");
}

#[tokio::test]
async fn what_is_due_is_counted_from_the_time_of_the_ledger() {
    let scene = Scene::new().await;
    let copy = |id: &str, days: i64| proto::CopyState {
        id: id.to_owned(),
        verdict: "due".to_owned(),
        due_ms: NOW_MS + days * 86_400_000,
        ..Default::default()
    };
    scene.fake.state().copies.extend([copy("soon", 3), copy("later", 20)]);
    let week = scene.run(&["due"]).await;
    assert!(out(&week).contains("soon") && !out(&week).contains("later"), "{}", out(&week));
    let month = scene.run(&["due", "--within", "P1M"]).await;
    assert!(out(&month).contains("later"));
    let day = scene.run(&["due", "--until", "2021-04-02", "--lang", "ja"]).await;
    assert_eq!(out(&day), "該当なし\n");
    assert_eq!(code(&scene.run(&["due", "--within", "soon"]).await), 2);
}

#[tokio::test]
async fn no_server_and_wrong_usage_have_their_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let free = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let gone = run(folder.path(), &free, &["party", "list", "--lang", "ja"], "").await;
    assert_eq!(code(&gone), 3);
    assert!(err(&gone).contains("に接続できません"), "{}", err(&gone));
    let usage = run(folder.path(), &free, &["due", "--soon"], "").await;
    assert_eq!(code(&usage), 2);
    let address = run(folder.path(), "nowhere", &["party", "list"], "").await;
    assert_eq!(code(&address), 2);
    let help = run(folder.path(), &free, &["--help"], "").await;
    assert_eq!(code(&help), 0);
    assert!(out(&help).contains("refused by the ledger"));
}

/// The scheme files: tests start in the folder of the package, commands elsewhere.
static SCHEMES: LazyLock<String> = LazyLock::new(|| {
    let folder = std::fs::canonicalize("../../deploy/schemes").expect("part of the project");
    folder.display().to_string()
});

#[tokio::test]
async fn a_plan_is_shown_with_its_assumptions_faults_and_summary_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["simulate", "--plan-only", "--lang", "en", "--scale", "0.0003", "--schemes-dir", &SCHEMES];
    let args = [&args[..], &["--scheme", "queue_notice_service", "--summary", "run.json"]].concat();
    let shown = run(folder.path(), "http://127.0.0.1:1", &args, "").await;
    assert_eq!(code(&shown), 0, "{}", err(&shown));
    for text in ["40 percent of visitors", "f04_notice_line (a3)", "milestone-withheld", "statements"] {
        assert!(out(&shown).contains(text), "{text}: {}", out(&shown));
    }
    let summary = std::fs::read_to_string(folder.path().join("run.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    let scheme = &summary["schemes"][0];
    assert_eq!(scheme["id"], "queue_notice_service");
    assert_eq!(scheme["baseline"]["NO_LEGAL_BASIS"], 1);
    assert_eq!(scheme["flows"].as_object().unwrap().len(), 8);
    assert_eq!(scheme["systems"].as_object().unwrap().len(), 11);
}

#[tokio::test]
async fn a_play_refuses_unknown_schemes_and_ledgers_whose_clock_is_past_its_start() {
    let scene = Scene::new().await;
    let args = ["simulate", "--ward-key", "ward.pem", "--lang", "en", "--scale", "0.0003"];
    let args = |more: &[&'static str]| [&args[..], &["--schemes-dir", &SCHEMES], more].concat();
    let unknown = scene.run(&args(&["--scheme", "lottery"])).await;
    assert_eq!(code(&unknown), 2);
    assert!(err(&unknown).contains("no play of `lottery`"), "{}", err(&unknown));
    let late = scene.run(&args(&["--scheme", "queue_notice_service"])).await;
    assert_eq!(code(&late), 2);
    assert!(err(&late).contains("--start 2021-01-25"), "{}", err(&late));
    assert!(scene.fake.state().arrived.is_empty());
}
