//! Papers by the `daicho` program: reports and certificates as PDF, tables as CSV, what of them is recorded, and that a
//! paper that was changed does not verify.

use std::path::PathBuf;
use std::process::{Command, Output};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use daicho_client::Emitter;
use daicho_tests::{Daichod, Play, SCHEME, binary, collected, deleted, milestone};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

struct Scene {
    folder: TempDir,
    server: Daichod,
    /// Entry of the erasure in time.
    erased: u64,
}

impl Scene {
    /// Three copies: erased in time, late, not at all.
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Daichod::fresh(folder.path(), Some("2021-02-01")).expect("a server");
        daicho_tests::write_policy(folder.path()).expect("written");
        let client = server.client().await.expect("a client");
        let play = Play::prepare(&client, server.ward_key().expect("key")).await.expect("prepared");
        let mut contractor = Emitter::new(client.clone(), play.contractor).await.expect("authorised");
        let mut erased = 0;
        let steps: [(&str, &[&str]); 3] =
            [("2021-02-01T10:00", &[]), ("2021-02-02T12:00", &["good"]), ("2021-02-04T12:00", &["slow"])];
        for (time, gone) in steps {
            let now = daicho_tests::move_clock(&client, time).await.expect("the clock moves");
            let ids = ["good", "slow", "kept"];
            let events = match gone {
                [] => ids.iter().map(|id| collected(now, id)).chain([milestone(now, &ids)]).collect(),
                gone => vec![deleted(now, gone)],
            };
            let recorded = contractor.emit(events).await.expect("recorded");
            if gone == ["good"] {
                erased = recorded.entry_index;
            }
        }
        Self { folder, server, erased }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(binary("daicho").expect("built"));
        command.current_dir(self.folder.path()).args(["--lang", "en", "--server", self.server.address()]);
        command.args(args).output().expect("it runs")
    }

    #[track_caller]
    fn good(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    fn report(&self, more: &[&str]) -> Vec<String> {
        let common = ["report", "deletion", "--scheme", SCHEME, "--from", "2021-02-01", "--to", "2021-02-28"];
        common.iter().chain(more).map(|word| (*word).to_owned()).collect()
    }
}

fn words(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

#[tokio::test]
async fn a_report_on_paper_is_the_same_each_time_and_any_change_is_found() {
    let scene = Scene::new().await;
    for name in ["one.pdf", "two.pdf"] {
        let args = scene.report(&[
            "--format",
            "pdf",
            "--policy",
            "policy.txt",
            "--as-of",
            "2021-02-05",
            "--out",
            name,
        ]);
        scene.good(&words(&args));
    }
    let pdf = std::fs::read(scene.path("one.pdf")).expect("written");
    assert!(
        pdf == std::fs::read(scene.path("two.pdf")).expect("written"),
        "the same ledger, time and options"
    );
    let proven = scene.good(&["verify", "one.pdf", "--policy", "policy.txt", "--output", "json"]);
    let proven: Value = serde_json::from_str(&proven).expect("JSON");
    assert_eq!(proven["kind"], "report-pdf", "{proven}");
    let extract = ["verify", "one.pdf", "--policy", "policy.txt", "--extract", "attached"];
    scene.good(&extract);
    scene.good(&["verify", "attached/evidence.bundle", "--policy", "policy.txt"]);
    let report: Value =
        serde_json::from_slice(&std::fs::read(scene.path("attached/report.json")).expect("there"))
            .expect("JSON");
    assert_eq!(report["scheme"]["id"], SCHEME);
    assert_eq!(scene.run(&extract).status.code(), Some(2), "nothing is written over");
    let bundle = ["verify", "attached/evidence.bundle", "--policy", "policy.txt", "--extract", "more"];
    assert_eq!(scene.run(&bundle).status.code(), Some(2), "nothing is attached to a bundle");

    // One bit, at places all over the file: never proven, whichever check says so.
    let step = pdf.len() / 40;
    for (n, at) in (0..pdf.len()).step_by(step.max(1)).enumerate() {
        let mut changed = pdf.clone();
        changed[at] ^= 1 << (n % 8);
        std::fs::write(scene.path("changed.pdf"), &changed).expect("written");
        let code = scene.run(&["verify", "changed.pdf", "--policy", "policy.txt"]).status.code();
        assert!(matches!(code, Some(1 | 2)), "a bit of byte {at}: {code:?}");
    }
    std::fs::write(scene.path("short.pdf"), &pdf[..pdf.len() / 2]).expect("written");
    assert!(!scene.run(&["verify", "short.pdf", "--policy", "policy.txt"]).status.success());
    // Another ledger's policy does not fit.
    let other =
        "log other.example/ledger+4f4a8cd2+AaY4S3PIFS+8kKXWGMFxpNDjfeb/yHxNHfLM95RZVAz+\nquorum none\n";
    std::fs::write(scene.path("other.txt"), other).expect("written");
    assert!(!scene.run(&["verify", "one.pdf", "--policy", "other.txt"]).status.success());
}

#[tokio::test]
async fn what_is_issued_is_recorded_with_its_hash_for_whom_and_as_of_when() {
    let scene = Scene::new().await;
    // By default, as of the ledger's own time.
    for (out, more, as_of) in [
        ("then.html", &["--as-of", "2021-02-03"][..], "2021-02-03T23:59:59.999+09:00"),
        ("now.html", &[], "2021-02-04T12:00:00+09:00"),
    ] {
        let issue = ["--format", "html", "--out", out, "--issue-key", "ward.pem", "--issued-to", "council"];
        scene.good(&words(&scene.report(&[&issue[..], more].concat())));
        let log = scene.good(&["log", "--limit", "1", "--output", "json"]);
        let log: Value = serde_json::from_str(&log).expect("JSON");
        let act = &log["events"][0]["act_performed"];
        let hash = Sha256::digest(std::fs::read(scene.path(out)).expect("written"));
        assert_eq!((&act["kind"], &act["document"]), (&"report-issued".into(), &BASE64.encode(hash).into()));
        let stated = act["attributes"].as_array().into_iter().flatten();
        let stated: Vec<_> = stated.map(|one| (one["name"].as_str(), one["value"].as_str())).collect();
        let wanted = [("for", "council"), ("from", "2021-02-01"), ("to", "2021-02-28"), ("as_of", as_of)];
        assert_eq!(stated, wanted.map(|(name, value)| (Some(name), Some(value))), "{log}");
    }
}

#[tokio::test]
async fn tables_are_what_a_japanese_spreadsheet_opens() {
    let scene = Scene::new().await;
    let args = scene.report(&["--format", "csv", "--out", "tables", "--lang", "ja"]);
    scene.good(&words(&args));
    let mut files: Vec<_> = std::fs::read_dir(scene.path("tables"))
        .expect("a folder")
        .map(|file| file.expect("readable").path())
        .collect();
    files.sort();
    assert_eq!(files.len(), 12, "{files:?}");
    for file in &files {
        let bytes = std::fs::read(file).expect("readable");
        assert!(bytes.starts_with(&[0xef, 0xbb, 0xbf]), "{}: no byte order mark", file.display());
        let text = String::from_utf8(bytes).expect("UTF-8");
        assert!(
            text.contains("\r\n") && !text.replace("\r\n", "").contains('\n'),
            "{}: line ends",
            file.display()
        );
    }
    let copies = files.iter().find(|file| file.to_string_lossy().contains("copies")).expect("copies");
    let copies = std::fs::read_to_string(copies).expect("readable");
    for id in ["good", "slow", "kept"] {
        assert!(copies.contains(id), "{copies}");
    }
}

#[tokio::test]
async fn a_certificate_is_made_of_signed_events_alone() {
    let scene = Scene::new().await;
    let entry = scene.erased.to_string();
    let certificate = ["certificate", "deletion", "--scheme", SCHEME, "--holder", "hyojito", "--id", "C-1"];
    for form in ["certificate", "report"] {
        let out = format!("{form}.pdf");
        let more = ["--form", form, "--entry", &entry, "--out", &out];
        let said = scene.good(&[&certificate[..], &more].concat());
        let pdf = std::fs::read(scene.path(&out)).expect("written");
        assert!(pdf.starts_with(b"%PDF-"));
        assert!(said.contains(&hex::encode(Sha256::digest(&pdf))), "the hash that is to be recorded: {said}");
    }
    // Verified by itself: the statements that it rests on, not the words on its pages.
    let verify = ["verify", "certificate.pdf", "--policy", "policy.txt", "--output", "json"];
    let proven: Value = serde_json::from_str(&scene.good(&verify)).expect("JSON");
    assert_eq!((&proven["kind"], &proven["checks"]["entries"]), (&"certificate-pdf".into(), &1.into()));
    assert_eq!(proven["statements"].as_array().map(Vec::len), Some(1), "{proven}");
    let extract = ["verify", "certificate.pdf", "--policy", "policy.txt", "--extract", "stated"];
    scene.good(&extract);
    let statement = format!("stated/{entry}.tlog-proof");
    scene.good(&["verify", &statement, "--policy", "policy.txt"]);
    // Of what is no paper of ours nothing is taken out, and no folder is made.
    std::fs::write(
        scene.path("short.pdf"),
        &std::fs::read(scene.path("certificate.pdf")).expect("there")[..99],
    )
    .expect("written");
    let short = ["verify", "short.pdf", "--policy", "policy.txt", "--extract", "nothing"];
    assert!(!scene.run(&short).status.success() && !scene.path("nothing").exists());
    let pdf = std::fs::read(scene.path("certificate.pdf")).expect("written");
    let mark = b"c2sp.org/tlog-proof@";
    let start = pdf.windows(mark.len()).position(|bytes| bytes == mark).expect("it lies there as it is");
    for at in (start..start + 700).step_by(35) {
        let mut changed = pdf.clone();
        changed[at] ^= 1;
        std::fs::write(scene.path("changed.pdf"), &changed).expect("written");
        let code = scene.run(&["verify", "changed.pdf", "--policy", "policy.txt"]).status.code();
        assert_eq!(code, Some(1), "a bit of byte {at}");
    }
    // The first entry says nothing of an erasure.
    let more = ["--entry", "0", "--out", "none.pdf"];
    let refused = scene.run(&[&certificate[..], &more].concat());
    assert!(!refused.status.success() && !scene.path("none.pdf").exists(), "{refused:?}");
}

#[tokio::test]
async fn the_event_that_a_certificate_prints_is_what_makes_the_erasure_certified() {
    let scene = Scene::new().await;
    std::fs::write(scene.path("contractor.pem"), Play::contractor_key().to_pem()).expect("written");
    let evidence = |copy: &str| {
        let copies = scene.good(&["copies", "--scheme", SCHEME, "--output", "json"]);
        let mut copies = copies.lines().map(|line| serde_json::from_str(line).expect("JSON"));
        let of_copy: Value = copies.find(|one: &Value| one["id"] == copy).expect("it is listed");
        of_copy["evidence"].as_str().expect("a word").to_owned()
    };
    assert_eq!(["good", "slow", "kept"].map(evidence), ["attested", "attested", "none"]);
    let entry = scene.erased.to_string();
    let made = ["certificate", "deletion", "--scheme", SCHEME, "--holder", "hyojito", "--id", "C-1"];
    let said = scene.good(&[&made[..], &["--entry", &entry, "--out", "certificate.pdf"]].concat());
    let event = said.lines().last().expect("the event");
    let mut event: Value = serde_json::from_str(event).expect("JSON");
    event["occur_time"] = "2021-02-04T12:00".into();
    scene.good(&["emit", "--key", "contractor.pem", "--event", &event.to_string()]);
    assert_eq!(["good", "slow", "kept"].map(evidence), ["certified", "attested", "none"]);
    let log = scene.good(&["log", "--limit", "1", "--output", "json"]);
    let log: Value = serde_json::from_str(&log).expect("JSON");
    let hash = Sha256::digest(std::fs::read(scene.path("certificate.pdf")).expect("written"));
    assert_eq!(log["events"][0]["deletion_certified"]["document"], BASE64.encode(hash), "{log}");
}

#[tokio::test]
async fn duties_are_listed_with_what_became_of_them() {
    let scene = Scene::new().await;
    // As the scheme names a party, and as the ledger does; nobody is an error, not an empty list.
    for list in [&["duties", "--scheme", SCHEME, "--who"][..], &["due", "--party"]] {
        let of = |who: &str| scene.run(&[list, &[who]].concat());
        assert_eq!(of("hyojito").stdout, of(&format!("{SCHEME}/hyojito")).stdout);
        assert!(of("hyojito").status.success());
        assert_eq!(of("nobody").status.code(), Some(2));
    }
    let all = scene.good(&["duties", "--scheme", SCHEME, "--output", "json"]);
    let all: Vec<Value> = all.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(all.len() > 20, "{}", all.len());
    let not_judged =
        scene.good(&["duties", "--scheme", SCHEME, "--status", "not-judged", "--output", "json"]);
    let wanted = all.iter().filter(|duty| duty["status"] == "not-judged").count();
    assert!(wanted > 0 && not_judged.lines().count() == wanted);
    let wrong = scene.run(&["duties", "--scheme", SCHEME, "--status", "green"]);
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("no-violation"), "it says which there are");
}

#[tokio::test]
async fn days_are_those_of_japan_wherever_the_machine_thinks_it_is_and_without_time_zone_data() {
    let Scene { folder, server, .. } = Scene::new().await;
    server.stop().expect("stopped");
    let report = ["report", "deletion", "--scheme", SCHEME, "--from", "2021-02-01", "--to", "2021-02-01"];
    let asked = [
        vec!["log"],
        vec!["findings", "--as-of", "2021-02-03"],
        vec!["due", "--scheme", SCHEME, "--until", "2021-03-31"],
        [&report[..], &["--as-of", "2021-02-03"]].concat(),
    ];
    let mut seen: Vec<Vec<String>> = Vec::new();
    // Zones that say themselves how far they are off, for a folder of zones is not there, as in a container that was built
    // from nothing.
    for zone in ["JST-9", "LINT-14", "PST8", ":/nonexistent", ""] {
        let place =
            [("TZ", zone.to_owned()), ("TZDIR", folder.path().join("no-zones").display().to_string())];
        let server = Daichod::start_with(folder.path(), &[], &place).expect("it serves");
        let run = |args: &Vec<&str>| {
            let mut command = Command::new(binary("daicho").expect("built"));
            command.envs(place.clone()).args(["--lang", "ja", "--server", server.address()]).args(args);
            let done = command.output().expect("it runs");
            assert!(!done.stdout.is_empty(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
            String::from_utf8(done.stdout).expect("UTF-8")
        };
        seen.push(asked.iter().map(run).collect());
        server.stop().expect("stopped");
    }
    let days = ["2021-02-01 10:00", "期限: 2021-02-02 23:59", "2021-02-02 23:59", "令和3年2月1日"];
    for (shown, day) in seen[0].iter().zip(days) {
        assert!(shown.contains(day), "{day}: {shown}");
    }
    for (n, (one, other)) in seen.iter().zip(&seen[1..]).enumerate() {
        assert_eq!(one, other, "{n}");
    }
}
