//! What is due, told to those who have to act: the list, the stream of its changes, calendars, webhooks.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant as Stopwatch};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use daicho_client::{Client, Emitter, Instant, SigningKey};
use daicho_tests::{
    Daichod, LocalReceiver, Play, SCHEME, WebhookCall, binary, collected, deleted, milestone,
};
use serde_json::Value;
use tempfile::TempDir;

const CONTRACTOR: &str = "queue_notice_service/hyojito";

struct Scene {
    folder: TempDir,
    server: Daichod,
    client: Client,
    contractor: Emitter,
}

impl Scene {
    /// Three copies that are to go by the end of 2 February 2021.
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Daichod::fresh(folder.path(), Some("2021-02-01")).expect("a server");
        let client = server.client().await.expect("a client");
        let play = Play::prepare(&client, server.ward_key().expect("key")).await.expect("prepared");
        let contractor = Emitter::new(client.clone(), play.contractor).await.expect("authorised");
        let mut scene = Self { folder, server, client, contractor };
        scene.advance("2021-02-01T10:00").await;
        let now = at("2021-02-01T10:00");
        let ids = ["one", "two", "three"];
        let events = ids.iter().map(|id| collected(now, id)).chain([milestone(now, &ids)]).collect();
        scene.contractor.emit(events).await.expect("recorded");
        scene
    }

    async fn advance(&self, to: &str) {
        daicho_tests::move_clock(&self.client, to).await.expect("the clock moves");
    }

    async fn erase(&mut self, time: &str, copies: &[&str]) {
        self.contractor.emit(vec![deleted(at(time), copies)]).await.expect("recorded");
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary("daicho").expect("built"));
        command
            .current_dir(self.folder.path())
            .args(["--lang", "en", "--server", self.server.address()])
            .args(args);
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("it runs")
    }

    /// Runs `daicho remind --once` against a receiver, and gives the exit code and the public key.
    fn remind(&self, receiver: &LocalReceiver) -> (Option<i32>, String) {
        let args = ["remind", "--once", "--webhook", &receiver.url(), "--webhook-key", "webhook.pem"];
        let output = self.run(&args);
        let key = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        assert!(key.starts_with("whpk_"), "{output:?}");
        (output.status.code(), key)
    }
}

fn at(text: &str) -> Instant {
    Instant::parse(text).expect("a time of this test")
}

/// Ids of the items of a call.
fn ids(call: &Value) -> Vec<&str> {
    let items = call["data"]["items"].as_array().expect("items");
    items.iter().map(|item| item["id"].as_str().expect("an id")).collect()
}

fn named(copy: &str) -> String {
    format!("{SCHEME}/copy/{copy}")
}

#[tokio::test]
async fn a_webhook_is_told_once_what_is_overdue_and_once_that_it_is_settled() {
    let mut scene = Scene::new().await;
    let receiver = LocalReceiver::start().expect("a receiver");
    assert!(scene.run(&["key", "new", "--out", "webhook.pem"]).status.success());
    // No copy is overdue yet; the handlers should have been named before the first receipt, and were not.
    assert_eq!(scene.remind(&receiver).0, Some(0));
    let calls = receiver.calls();
    assert_eq!(calls.len(), 1);
    let duties = ids(&calls[0].body);
    assert!(duties.contains(&"queue_notice_service/duty/o_handlers/hyojito"), "{duties:?}");
    assert!(!duties.iter().any(|id| id.contains("/copy/")), "{duties:?}");

    scene.advance("2021-02-03T12:00").await;
    receiver.refuse(1);
    let (code, key) = scene.remind(&receiver);
    assert_eq!(code, Some(1), "the call was not taken");
    assert_eq!(scene.remind(&receiver).0, Some(0));
    let calls = receiver.calls();
    assert_eq!(calls.iter().map(|call| call.taken).collect::<Vec<_>>(), [false, true]);
    assert_eq!(calls[0].id, calls[1].id, "a repeated call is the same call");
    for call in &calls {
        call.verify(&key).expect("signed");
        assert_eq!(call.body["type"], "deadline.overdue");
        let mut copies = ids(&call.body);
        copies.sort_unstable();
        assert_eq!(copies, [named("one"), named("three"), named("two")]);
        assert_eq!(call.body["data"]["items"][0]["party"], CONTRACTOR);
    }
    let another = SigningKey::from_seed(&[7; 32]).public();
    let another = format!("whpk_{}", BASE64.encode(another.as_bytes()));
    calls[0].verify(&another).expect_err("signed with another key");
    assert_eq!(scene.remind(&receiver).0, Some(0));
    assert!(receiver.calls().is_empty(), "it was told already");

    scene.erase("2021-02-03T12:00", &["one"]).await;
    assert_eq!(scene.remind(&receiver).0, Some(0));
    let calls = receiver.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(
        (&calls[0].body["type"], ids(&calls[0].body)),
        (&"deadline.settled".into(), vec![&*named("one")])
    );

    // What cannot be called is said before anything happens.
    let refused = scene.run(&["remind", "--webhook", "ftp://x", "--webhook-key", "webhook.pem"]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert_eq!(scene.run(&["remind"]).status.code(), Some(2), "an outlet is wanted");
}

/// Takes the calls of a receiver until there are so many.
async fn wait_for(receiver: &LocalReceiver, calls: &mut Vec<WebhookCall>, count: usize) {
    let watch = Stopwatch::now();
    while calls.len() < count {
        assert!(watch.elapsed() < Duration::from_secs(60), "{} calls, not {count}", calls.len());
        calls.extend(receiver.calls());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_call_that_is_refused_is_made_again_after_longer_and_longer_pauses() {
    let scene = Scene::new().await;
    let receiver = LocalReceiver::start().expect("a receiver");
    receiver.refuse(2);
    assert!(scene.run(&["key", "new", "--out", "webhook.pem"]).status.success());
    let args = ["remind", "--webhook", &receiver.url(), "--webhook-key", "webhook.pem"];
    let mut command = tokio::process::Command::from(scene.command(&args));
    let mut running = command.stdout(Stdio::null()).kill_on_drop(true).spawn().expect("it runs");
    let mut calls = Vec::new();
    wait_for(&receiver, &mut calls, 3).await;
    assert_eq!(calls.iter().map(|call| call.taken).collect::<Vec<_>>(), [false, false, true]);
    assert!(calls.iter().all(|call| call.id == calls[0].id && call.body == calls[0].body), "{calls:?}");
    // Two seconds, then four: a busy machine makes them longer, never shorter.
    let pauses = [1, 2].map(|n| calls[n].came - calls[n - 1].came);
    assert!(pauses[0] >= Duration::from_secs(2) && pauses[1] >= Duration::from_secs(4), "{pauses:?}");
    // It goes on: what is told next is something else.
    scene.advance("2021-02-03T12:00").await;
    wait_for(&receiver, &mut calls, 4).await;
    assert!(calls[3].taken && ids(&calls[3].body).contains(&&*named("one")), "{calls:?}");
    assert!(running.try_wait().expect("known").is_none(), "one process made them all");
}

#[tokio::test]
async fn calendars_hold_what_each_party_has_to_do() {
    let mut scene = Scene::new().await;
    let write = |scene: &Scene| {
        let output = scene.run(&["remind", "--once", "--calendar-dir", "calendars", "--within", "P7D"]);
        assert!(output.status.success(), "{output:?}");
        let path = scene.folder.path().join(format!("calendars/{CONTRACTOR}.ics"));
        std::fs::read_to_string(path).expect("a calendar").replace("\r\n ", "")
    };
    let text = write(&scene);
    for copy in ["one", "two", "three"] {
        assert!(text.contains(&format!("UID:{}@demo.example/ledger", named(copy))), "{text}");
    }
    assert!(text.contains("DTSTART;VALUE=DATE:20210202") && !text.contains("[OVERDUE] one"), "{text}");
    scene.advance("2021-02-03T12:00").await;
    scene.erase("2021-02-03T12:00", &["one", "two"]).await;
    let text = write(&scene);
    assert!(!text.contains("copy/one@") && text.contains("[OVERDUE] three"), "{text}");
}

#[tokio::test]
async fn followers_hear_what_passes_its_time_and_what_is_settled() {
    let mut scene = Scene::new().await;
    let list = scene.run(&["due", "--party", CONTRACTOR, "--output", "json"]);
    let list = String::from_utf8(list.stdout).expect("UTF-8");
    assert_eq!(list.lines().filter(|line| line.contains("\"copy\":{")).count(), 3, "{list}");
    let others = scene.run(&["due", "--party", "ward", "--output", "json"]);
    assert!(!String::from_utf8_lossy(&others.stdout).contains("\"copy\":{"));

    let args = ["due", "--follow", "--party", CONTRACTOR, "--output", "json"];
    let mut follower = scene.command(&args).stdout(Stdio::piped()).spawn().expect("it runs");
    let mut lines = BufReader::new(follower.stdout.take().expect("piped")).lines();
    // Messages until one fits: duties of the scheme come and go as well.
    let mut next = |fits: &dyn Fn(&Value) -> bool| loop {
        let line = lines.next().expect("it goes on").expect("readable");
        let message: Value = serde_json::from_str(&line).expect("JSON");
        if fits(&message) {
            break message;
        }
    };
    let copies = |list: &Value| -> Vec<(String, bool)> {
        let items = list.as_array().into_iter().flatten().filter(|item| item["copy"].is_object());
        let one = |i: &Value| (i["copy"]["id"].as_str().unwrap_or_default().to_owned(), i["overdue"] == true);
        let mut found: Vec<_> = items.map(one).collect();
        found.sort();
        found
    };
    let with = |overdue| ["one", "three", "two"].map(|id| (id.to_owned(), overdue)).to_vec();
    let first = next(&|message| !copies(&message["due"]).is_empty());
    assert_eq!(copies(&first["due"]), with(false));
    scene.advance("2021-02-03T12:00").await;
    let past = next(&|message| !copies(&message["due"]).is_empty());
    assert_eq!(copies(&past["due"]), with(true));
    scene.erase("2021-02-03T12:00", &["two"]).await;
    let gone = next(&|message| !copies(&message["settled"]).is_empty());
    assert_eq!(copies(&gone["settled"]), [("two".to_owned(), true)]);
    follower.kill().expect("it runs still");
    follower.wait().expect("it ends");
}
