//! How keys get in: proof of possession, invitations that work once, and the rule of several keys of the ward.

use std::path::Path;
use std::process::{Command, Output};

use daicho_client::event;
use daicho_client::proto::event::Fact;
use daicho_client::proto::{self, Event, KeyAuthorized, KeyRevoked, WardRuleSet};
use daicho_core::{EntryIndex, Instant, InvitationCode, Refusal, RefusalCode, SigningKey, sign_statement};
use daicho_engine::{Engine, EngineConfig, Receipt};
use daicho_tests::{Daichod, Play, SCHEME, TLS, binary, collected};
use daicho_verify::Auditor;
use futures::executor::block_on;
use std::sync::Arc;

const PARTY: &str = "queue_notice_service/hyojito";
const DAY_MS: i64 = 86_400_000;

struct Stage {
    _folder: tempfile::TempDir,
    engine: Arc<Engine>,
    ward: u64,
}

fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32])
}

fn said(fact: Fact) -> Vec<Event> {
    vec![event("", Play::start(), fact)]
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        let engine = block_on(Play::start_here(&data, EngineConfig::default())).expect("a ledger");
        let ward = Play::opening().expect("the opening").len() as u64;
        Self { _folder: folder, engine, ward }
    }

    fn append(&self, signers: &[(&SigningKey, u64)], events: Vec<Event>) -> Result<Receipt, Refusal> {
        block_on(self.engine.append(sign_statement(Play::ORIGIN, signers, events)))
    }

    /// The ward, with others that sign for the first time unless told otherwise.
    fn ward_with(&mut self, others: &[(&SigningKey, u64)], fact: Fact) -> Result<Receipt, Refusal> {
        self.ward += 1;
        let ward = Play::ward_key();
        let signers: Vec<_> = std::iter::once((&ward, self.ward)).chain(others.iter().copied()).collect();
        self.append(&signers, said(fact))
    }

    fn ward(&mut self, fact: Fact) -> Result<Receipt, Refusal> {
        self.ward_with(&[], fact)
    }

    /// An auditor who replays everything comes to the same.
    fn audit(&self) {
        let snapshot = self.engine.store().snapshot();
        let entries: Vec<Vec<u8>> =
            snapshot.entries(EntryIndex::new(0)).map(|row| row.expect("readable")).collect();
        let mut auditor = Auditor::new();
        auditor.feed(&entries).expect("sound");
        let report = auditor.finish().expect("sound");
        let head = *self.engine.head().borrow();
        assert_eq!((report.size, report.head, report.custody), (head.size, head.chain, head.custody));
    }
}

fn code(answer: &Result<Receipt, Refusal>) -> Option<RefusalCode> {
    answer.as_ref().err().map(|refusal| refusal.code)
}

#[test]
fn a_key_that_does_not_show_that_it_is_held_is_not_authorised() {
    let mut stage = Stage::new();
    let request = key(60).request(Play::ORIGIN, PARTY, "server");
    let elsewhere = key(60).request("other.example/ledger", PARTY, "server");
    let for_another = KeyAuthorized { party: "ward".into(), ..request.clone() };
    let unproven = KeyAuthorized { possession: Vec::new(), ..request.clone() };
    for wrong in [elsewhere, for_another, unproven] {
        assert_eq!(code(&stage.ward(Fact::KeyAuthorized(wrong))), Some(RefusalCode::BadSignature));
    }
    stage.ward(Fact::KeyAuthorized(request)).expect("its own signature");
    stage.audit();
}

fn invitation(code: &InvitationCode, purpose: &str, until: Instant) -> KeyAuthorized {
    KeyAuthorized {
        invites_for: purpose.into(),
        invites_until_ms: until.unix_ms(),
        ..code.key(Play::ORIGIN).request(Play::ORIGIN, PARTY, "invitation")
    }
}

#[test]
fn an_invitation_authorises_one_key_for_its_party_and_purpose() {
    let mut stage = Stage::new();
    let paper = InvitationCode::from_random([7; 16]);
    let one_time = paper.key(Play::ORIGIN);
    let until = Play::start().plus_ms(7 * DAY_MS);
    stage.ward(Fact::KeyAuthorized(invitation(&paper, "auditor", until))).expect("the ward invites");

    let asks =
        |n: u8, party: &str, purpose: &str| Fact::KeyAuthorized(key(n).request(Play::ORIGIN, party, purpose));
    let not_its_own = [
        vec![collected(Play::start(), "a")],
        said(asks(61, PARTY, "server")),
        said(asks(61, "ward", "auditor")),
        [said(asks(61, PARTY, "auditor")), said(asks(62, PARTY, "auditor"))].concat(),
    ];
    for events in not_its_own {
        let answer = stage.append(&[(&one_time, 1)], events);
        assert_eq!(code(&answer), Some(RefusalCode::NotAuthorized), "{answer:?}");
    }
    // A purpose that only the ward can give: the ward gave it by the invitation.
    let used = stage.append(&[(&one_time, 1)], said(asks(61, PARTY, "auditor")));
    used.expect("what it is for");
    let speaks = stage.append(&[(&key(61), 1)], vec![collected(Play::start(), "a")]);
    assert_eq!(code(&speaks), Some(RefusalCode::NotAuthorized), "an auditor says nothing");
    let again = stage.append(&[(&one_time, 2)], said(asks(62, PARTY, "auditor")));
    assert_eq!(code(&again), Some(RefusalCode::KeyRevoked));
    stage.audit();
}

#[test]
fn an_invitation_ends_on_its_day_and_only_the_ward_gives_one() {
    let mut stage = Stage::new();
    let paper = InvitationCode::from_random([8; 16]);
    let until = Play::start().plus_ms(DAY_MS);
    let by_contractor = said(Fact::KeyAuthorized(invitation(&paper, "server", until)));
    let answer = stage.append(&[(&Play::contractor_key(), 1)], by_contractor);
    assert_eq!(code(&answer), Some(RefusalCode::NotAuthorized));
    let past = invitation(&paper, "server", Play::start().plus_ms(-1));
    assert_eq!(code(&stage.ward(Fact::KeyAuthorized(past))), Some(RefusalCode::Malformed));
    stage.ward(Fact::KeyAuthorized(invitation(&paper, "server", until))).expect("the ward invites");
    stage.engine.simulated_clock().expect("simulated").advance(until.plus_ms(1));
    let late = said(Fact::KeyAuthorized(key(63).request(Play::ORIGIN, PARTY, "server")));
    let answer = stage.append(&[(&paper.key(Play::ORIGIN), 1)], late);
    assert_eq!(code(&answer), Some(RefusalCode::NotAuthorized));
    stage.audit();
}

fn rule(threshold: u32, keys: &[&SigningKey]) -> Fact {
    let key_ids = keys.iter().map(|key| key.public().id().as_bytes().to_vec()).collect();
    Fact::WardRuleSet(WardRuleSet { threshold, key_ids })
}

#[test]
fn what_the_ward_decides_together_one_key_alone_does_not() {
    let mut stage = Stage::new();
    let (root, deputy, third) = (Play::ward_key(), key(70), key(71));
    for officer in [&deputy, &third] {
        let request = officer.request(Play::ORIGIN, "ward", "root");
        stage.ward(Fact::KeyAuthorized(request)).expect("no rule yet");
    }
    let all = [&root, &deputy, &third];
    // Nobody is bound who has not signed; a threshold that nobody can reach is none.
    assert_eq!(code(&stage.ward(rule(2, &all))), Some(RefusalCode::NotAuthorized));
    assert_eq!(code(&stage.ward(rule(4, &all))), Some(RefusalCode::Malformed));
    let without_spare = stage.ward_with(&[(&deputy, 1)], rule(2, &[&root, &deputy]));
    assert_eq!(code(&without_spare), Some(RefusalCode::Malformed));
    // What cannot sign beside others is no key of the rule: else it would count as one that is left.
    let paper = InvitationCode::from_random([9; 16]);
    let invited = KeyAuthorized {
        invites_for: "root".into(),
        invites_until_ms: Play::start().plus_ms(DAY_MS).unix_ms(),
        ..paper.key(Play::ORIGIN).request(Play::ORIGIN, "ward", "invitation")
    };
    stage.ward(Fact::KeyAuthorized(invited)).expect("no rule yet");
    let with_paper = stage.ward_with(&[(&deputy, 1)], rule(2, &[&root, &deputy, &paper.key(Play::ORIGIN)]));
    assert_eq!(code(&with_paper), Some(RefusalCode::UnknownReference));
    assert_eq!(code(&stage.ward(rule(1, &[&Play::contractor_key()]))), Some(RefusalCode::UnknownReference));
    stage.ward_with(&[(&deputy, 1)], rule(2, &all)).expect("two of three");

    let mut next = 2;
    let number = |deadline: &str| {
        let ground = "協議により定める".into();
        Fact::DeadlineSet(proto::DeadlineSet {
            certificate_within: deadline.into(),
            ground,
            ..Default::default()
        })
    };
    let of_scheme = |fact: Fact| vec![event(SCHEME, Play::start(), fact)];
    stage.ward += 1;
    let alone = stage.append(&[(&root, stage.ward)], of_scheme(number("P9D")));
    assert_eq!(code(&alone), Some(RefusalCode::NotAuthorized), "a number");
    let server = key(72).request(Play::ORIGIN, PARTY, "server");
    assert_eq!(
        code(&stage.ward(Fact::KeyAuthorized(server.clone()))),
        Some(RefusalCode::NotAuthorized),
        "a key"
    );
    let deferred =
        proto::DeletionDeferred { copies: vec!["a".into()], until: "2030-01-01".into(), ground: "x".into() };
    stage.ward += 1;
    let alone = stage.append(&[(&root, stage.ward)], of_scheme(Fact::DeletionDeferred(deferred)));
    assert_eq!(code(&alone), Some(RefusalCode::NotAuthorized), "a deferral");
    let own = key(73).request(Play::ORIGIN, "ward", "another");
    assert_eq!(code(&stage.ward(Fact::KeyAuthorized(own))), Some(RefusalCode::NotAuthorized), "its own key");
    let other_party = (&Play::contractor_key(), 1);
    let with_other = stage.ward_with(&[other_party], Fact::KeyAuthorized(server.clone()));
    assert_eq!(code(&with_other), Some(RefusalCode::NotAuthorized), "a contractor's key is no second one");
    stage.ward_with(&[(&third, 1)], Fact::KeyAuthorized(server)).expect("two of three");
    stage.ward += 1;
    let two = [(&root, stage.ward), (&deputy, next)];
    stage.append(&two, of_scheme(number("P9D"))).expect("two of three");
    next += 1;
    // From day to day one is enough.
    let registered = proto::PartyRegistered { party: "printer".into(), label: "印刷所".into() };
    stage.ward(Fact::PartyRegistered(registered)).expect("nobody speaks by that");

    // A lost key goes; a second one would lock the ward out.
    let revoked = |key: &SigningKey| {
        Fact::KeyRevoked(KeyRevoked {
            key_id: key.public().id().as_bytes().to_vec(),
            distrust_from_ms: Play::start().unix_ms(),
            reason: "紛失".into(),
        })
    };
    assert_eq!(code(&stage.ward(revoked(&third))), Some(RefusalCode::NotAuthorized), "one alone");
    stage.ward_with(&[(&deputy, next)], revoked(&third)).expect("two are left");
    next += 1;
    let locked = stage.ward_with(&[(&deputy, next)], revoked(&root));
    assert_eq!(code(&locked), Some(RefusalCode::NotAuthorized));
    stage.ward_with(&[(&deputy, next + 1)], rule(1, &[&root, &deputy])).expect("by the rule before it");
    stage.ward(revoked(&deputy)).expect("the new rule asks for one");
    stage.audit();
}

fn daicho(folder: &Path, server: &Daichod, words: &[&str]) -> Output {
    Command::new(binary("daicho").expect("built"))
        .current_dir(folder)
        .args(["--lang", "en", "--server", server.address(), "--ca"])
        .arg(server.authority())
        .args(words)
        .output()
        .expect("runs")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[tokio::test]
async fn an_official_hands_over_a_code_and_its_holder_enrols_with_it() {
    let folder = tempfile::tempdir().expect("a folder");
    Daichod::init(folder.path(), None).expect("founded");
    let server = Daichod::start(folder.path(), &[TLS]).expect("a server");
    Play::prepare(&server.client().await.expect("a client"), server.ward_key().expect("key"))
        .await
        .expect("prepared");
    let words = ["key", "invite", "--party", PARTY, "--purpose", "auditor", "--key", "ward.pem"];
    let paper = daicho(folder.path(), &server, &words);
    assert!(paper.status.success(), "{}", text(&paper));
    let paper = text(&paper);
    let code =
        paper.lines().find_map(|line| line.trim().strip_prefix("code")).expect("a code").trim().to_owned();
    assert!(paper.contains(PARTY) && paper.contains("once"), "{paper}");

    let enrol = |code: &str, out: &str| {
        daicho(folder.path(), &server, &["key", "enrol", "--code", code, "--out", out])
    };
    let (rest, last) = code.split_at(code.len() - 1);
    let slip = enrol(&format!("{rest}{}", if last == "Z" { "Y" } else { "Z" }), "slip.pem");
    assert!(!slip.status.success() && !folder.path().join("slip.pem").exists(), "{}", text(&slip));
    let done = enrol(&code.to_lowercase(), "office.pem");
    assert!(done.status.success(), "{}", text(&done));
    assert!(text(&done).contains("spent"), "{}", text(&done));
    let again = enrol(&code, "second.pem");
    assert!(!again.status.success() && !folder.path().join("second.pem").exists(), "{}", text(&again));
    assert!(text(&again).contains("used or ended"), "{}", text(&again));

    // The key reads what an auditor reads.
    let list = daicho(folder.path(), &server, &["--identity", "office.pem", "key", "list"]);
    assert!(list.status.success() && text(&list).contains("auditor"), "{}", text(&list));

    // By request: the event is what the ward emits, as it is.
    for words in [&["key", "new", "--out", "own.pem"][..], &["key", "show", "own.pem"]] {
        assert!(daicho(folder.path(), &server, words).status.success());
    }
    let request = daicho(
        folder.path(),
        &server,
        &["key", "request", "own.pem", "--party", PARTY, "--purpose", "terminal"],
    );
    assert!(request.status.success(), "{}", text(&request));
    std::fs::write(folder.path().join("request.json"), &request.stdout).expect("written");
    let emitted = daicho(folder.path(), &server, &["emit", "--key", "ward.pem", "--file", "request.json"]);
    assert!(emitted.status.success(), "{}", text(&emitted));
}

/// Two officers of the ward, each with a key on a machine of their own.
#[tokio::test]
async fn two_officers_sign_at_two_desks() {
    let folder = tempfile::tempdir().expect("a folder");
    Daichod::init(folder.path(), None).expect("founded");
    let server = Daichod::start(folder.path(), &[TLS]).expect("a server");
    let ward = server.ward_key().expect("a key");
    let client = server.client().await.expect("a client");
    Play::prepare(&client, server.ward_key().expect("a key")).await.expect("prepared");
    let now = client.ledger_info().await.expect("an answer").now_ms;
    let run = |words: &[&str]| {
        let output = daicho(folder.path(), &server, words);
        (output.status.code(), text(&output))
    };
    let good = |words: &[&str]| {
        let (code, text) = run(words);
        assert_eq!(code, Some(0), "{words:?}: {text}");
        text
    };
    let desk = folder.path().join("desk");
    std::fs::create_dir(&desk).expect("a folder");
    // A third one, so that a lost key locks nobody out.
    let [deputy, third] = ["desk/deputy.pem", "desk/third.pem"].map(|file| {
        good(&["key", "new", "--out", file]);
        let request = good(&["key", "request", file, "--party", "ward", "--purpose", "root"]);
        good(&["emit", "--key", "ward.pem", "--event", &request]);
        let key = std::fs::read_to_string(folder.path().join(file)).expect("a file");
        SigningKey::from_pem(&key).expect("a key").public().id().to_string()
    });

    // Both are bound by what both have signed.
    let ids = [&ward.public().id().to_string(), &deputy, &third].map(|id| format!("\"hex:{id}\"")).join(",");
    let rule = format!(r#"{{"occur_time_ms":{now},"ward_rule_set":{{"threshold":2,"key_ids":[{ids}]}}}}"#);
    let draft = ["emit", "--key", "ward.pem", "--with", &deputy, "--event", &rule, "--draft", "draft.json"];
    assert!(good(&draft).contains(&deputy));
    let send = ["--identity", "ward.pem", "cosign", "draft.json", "--send"];
    let (code, said) = run(&send);
    assert!(code == Some(1) && said.contains("not sent") && said.contains(&deputy), "{said}");
    let shown = good(&["cosign", "draft.json"]);
    assert!(shown.contains("threshold") && shown.contains("not signed yet"), "{shown}");
    good(&["key", "new", "--out", "stranger.pem"]);
    let (code, said) = run(&["cosign", "draft.json", "--key", "stranger.pem", "--yes"]);
    assert!(code == Some(2) && said.contains("not among"), "{said}");
    // Nobody is there to say yes.
    let (code, said) = run(&["cosign", "draft.json", "--key", "desk/deputy.pem"]);
    assert!(code == Some(2) && said.contains("--yes"), "{said}");
    good(&["cosign", "draft.json", "--key", "desk/deputy.pem", "--yes"]);
    assert!(good(&send).contains("recorded as entry"));

    // One alone invites nobody any more; both do.
    let invite = ["key", "invite", "--party", PARTY, "--purpose", "server", "--key", "ward.pem"];
    let (code, said) = run(&invite);
    assert_eq!(code, Some(4), "{said}");
    let paper = good(&[&invite[..], &["--with", &deputy, "--draft", "invite.json"]].concat());
    let slip = paper.lines().find_map(|line| line.trim().strip_prefix("code")).expect("a code").trim();
    let enrol = ["key", "enrol", "--code", slip, "--out", "office.pem"];
    assert_eq!(run(&enrol).0, Some(2));
    good(&["cosign", "invite.json", "--key", "desk/deputy.pem", "--yes"]);
    // A signature that is not theirs.
    let good_draft = std::fs::read_to_string(folder.path().join("invite.json")).expect("a file");
    let mut forged: serde_json::Value = serde_json::from_str(&good_draft).expect("JSON");
    forged["signatures"][1]["value"] = forged["signatures"][0]["value"].clone();
    std::fs::write(folder.path().join("forged.json"), forged.to_string()).expect("written");
    let (code, said) = run(&["--identity", "ward.pem", "cosign", "forged.json", "--send"]);
    assert!(code == Some(4) && said.contains("signature"), "{said}");
    good(&["--identity", "ward.pem", "cosign", "invite.json", "--send"]);
    good(&enrol);

    // What a key signs meanwhile makes a draft void.
    let end = format!(r#"{{"occur_time_ms":{now},"party_registered":{{"party":"press","label":"広報課"}}}}"#);
    good(&["emit", "--key", "ward.pem", "--with", &deputy, "--event", &end, "--draft", "late.json"]);
    let other = format!(r#"{{"occur_time_ms":{now},"party_registered":{{"party":"audit","label":"監査"}}}}"#);
    good(&["emit", "--key", "ward.pem", "--event", &other]);
    good(&["cosign", "late.json", "--key", "desk/deputy.pem", "--yes"]);
    let (code, said) = run(&["--identity", "ward.pem", "cosign", "late.json", "--send"]);
    assert_eq!(code, Some(4), "{said}");
}
