//! What each role gets by the command line over TLS: a right that a command needs and the table does not give shows here.

use std::process::{Command, Output};

use daicho_client::proto::PartyRegistered;
use daicho_client::proto::event::Fact;
use daicho_client::{Emitter, SigningKey, event};
use daicho_tests::{Daichod, Play, SCHEME, TLS, binary, collected, deleted, milestone};
use tempfile::TempDir;

const HOLDERS: [&str; 3] = ["contractor", "auditor", "council"];

struct Scene {
    folder: TempDir,
    server: Daichod,
}

impl Scene {
    /// An erasure by the contractor, and keys for each role.
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Daichod::init(folder.path(), Some("2021-02-01")).expect("founded");
        let server = Daichod::start(folder.path(), &[TLS, "--publish-every", "1"]).expect("a server");
        let client = server.client().await.expect("a client");
        let mut play = Play::prepare(&client, server.ward_key().expect("key")).await.expect("prepared");
        let now = daicho_tests::move_clock(&client, "2021-02-01T10:00").await.expect("the clock moves");
        let origin = play.ward.origin().to_owned();
        let keys =
            [Play::contractor_key(), SigningKey::from_seed(&[52; 32]), SigningKey::from_seed(&[53; 32])];
        let mut events = Vec::new();
        for (party, key) in ["auditor", "council"].into_iter().zip(&keys[1..]) {
            let registered = PartyRegistered { party: party.into(), label: "試験".into() };
            events.push(event("", now, Fact::PartyRegistered(registered)));
            events.push(event("", now, Fact::KeyAuthorized(key.request(&origin, party, party))));
        }
        play.ward.emit(events).await.expect("recorded");
        for (name, key) in HOLDERS.into_iter().zip(&keys) {
            let file = folder.path().join(format!("{name}.pem"));
            std::fs::write(file, key.to_pem().as_bytes()).expect("written");
        }
        let own = server.client_of(Some(&keys[0])).await.expect("a client");
        let mut contractor = Emitter::new(own, Play::contractor_key()).await.expect("authorised");
        contractor.emit(vec![collected(now, "a"), milestone(now, &["a"])]).await.expect("recorded");
        contractor.emit(vec![deleted(now, &["a"])]).await.expect("recorded");
        daicho_tests::write_policy(folder.path()).expect("written");
        Self { folder, server }
    }

    fn run(&self, role: &str, args: &[&str]) -> Output {
        let mut command = Command::new(binary("daicho").expect("built"));
        command.current_dir(self.folder.path()).args(["--lang", "en", "--server", self.server.address()]);
        command.arg("--ca").arg(self.server.authority()).args(["--identity", &format!("{role}.pem")]);
        command.args(args).output().expect("it runs")
    }

    #[track_caller]
    fn good(&self, role: &str, args: &[&str]) -> String {
        let output = self.run(role, args);
        assert!(output.status.success(), "{role}: {args:?}: {output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }
}

#[tokio::test]
async fn a_contractor_makes_its_own_certificate_and_proves_its_own_entries() {
    let scene = Scene::new().await;
    let days = ["--from", "2021-02-01", "--to", "2021-02-01"];
    let form = ["certificate", "deletion", "--scheme", SCHEME, "--holder", "hyojito", "--id", "C-1"];
    let said = scene.good("contractor", &[&form[..], &days, &["--out", "certificate.pdf"]].concat());
    assert!(said.contains("1 statements about 1 copies"), "{said}");
    scene.good("contractor", &["verify", "certificate.pdf", "--policy", "policy.txt"]);

    let log = scene.good("contractor", &["log", "--output", "json"]);
    let last: serde_json::Value = serde_json::from_str(log.lines().last().expect("an entry")).expect("JSON");
    let entry = last["index"].to_string();
    let get = ["receipt", "get", "--entry", &entry, "--out"];
    scene.good("contractor", &[&get[..], &["r.tlog-proof"]].concat());
    scene.good("contractor", &["verify", "r.tlog-proof", "--policy", "policy.txt"]);
    // A bundle rests on entries of others: keys, schemes.
    let bundle = scene.run("contractor", &[&get[..], &["again.tlog-proof", "--bundle", "r.bundle"]].concat());
    assert_eq!(bundle.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&bundle.stderr).contains("may not read"), "{bundle:?}");

    let report = ["report", "deletion", "--scheme", SCHEME, "--from", "2021-02-01", "--to", "2021-02-28"];
    let refused = scene.run("contractor", &report);
    assert_eq!(refused.status.code(), Some(4), "a report is about everybody: {refused:?}");
}

#[tokio::test]
async fn auditors_and_the_council_get_reports_with_what_proves_them() {
    let scene = Scene::new().await;
    for role in ["auditor", "council"] {
        let (file, bundle) = (format!("{role}.json"), format!("{role}.bundle"));
        let report = ["report", "deletion", "--scheme", SCHEME, "--from", "2021-02-01", "--to", "2021-02-28"];
        scene.good(role, &[&report[..], &["--format", "json", "--out", &file, "--bundle", &bundle]].concat());
        let said = scene.good(role, &["verify", &bundle, "--policy", "policy.txt"]);
        assert!(said.contains("PROVEN"), "{role}: {said}");
        let no_seal = scene.run(role, &["checkpoint", "publish"]);
        assert!(!no_seal.status.success(), "{role} operates nothing");
    }
}
