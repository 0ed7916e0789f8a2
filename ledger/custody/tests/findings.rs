//! Findings that the fold records, and those of a copy that went to the wrong place: each code raised by what it is about.

#[path = "report/ledger.rs"]
mod ledger;
#[path = "report/samples.rs"]
#[allow(dead_code, reason = "shared by tests that each use a part")]
mod samples;

use daicho_core::proto::{self, CheckResult, SanitizationMethod, event::Fact};
use daicho_custody::{ContextCache, FindingCode, Judge, Verdict};
use ledger::{Ledger, at, certified, copy, data_set, deleted, part};
use samples::{queue, visit};

/// Five addresses that came in on 2021-02-01: `c-001` to `c-005`. The first is erased.
fn addresses() -> Ledger {
    let mut ledger = queue();
    for n in 1..=5 {
        visit(&mut ledger, n, "2021-02-01", 8 + n);
    }
    ledger.say("hyojito", "2021-02-01T20:00", deleted(&["c-001"]));
    ledger
}

/// What is found at the end of the next day, of one code: objects and details.
fn found(ledger: &mut Ledger, code: FindingCode) -> Vec<(String, String)> {
    ledger.play();
    let mut cache = ContextCache::default();
    let judge =
        Judge::new(&ledger.state, &mut cache, &ledger.scheme.id).expect("readable").expect("in force");
    let all = judge.findings(at("2021-02-02T23:00")).expect("readable");
    all.into_iter().filter(|f| f.code == code).map(|f| (f.object, f.detail.en)).collect()
}

fn collected(system: &str, channel: &str, safeguards: &[&str]) -> Fact {
    Fact::Collected(proto::Collected {
        flow: "f01_register_contact".into(),
        data_sets: vec![data_set("d-009", "ds_contact", 1, "s-009")],
        copies: vec![copy("c-009", "d-009", system)],
        channel: channel.into(),
        safeguards: safeguards.iter().map(|word| (*word).to_owned()).collect(),
        ..Default::default()
    })
}

fn given(flow: &str, to_party: &str, to_system: &str) -> Fact {
    Fact::HandoverGiven(proto::HandoverGiven {
        handover: "h-009".into(),
        flow: flow.into(),
        to_party: to_party.into(),
        to_system: to_system.into(),
        ..Default::default()
    })
}

fn returned(copy: &str, to_party: &str) -> Fact {
    Fact::Returned(proto::Returned {
        copies: vec![part(copy)],
        to_party: to_party.into(),
        ..Default::default()
    })
}

fn failed(copy: &str) -> Fact {
    Fact::Deleted(proto::Deleted {
        copies: vec![part(copy)],
        method: SanitizationMethod::Clear as i32,
        verification: CheckResult::Failed as i32,
        ..Default::default()
    })
}

#[test]
fn each_code_is_raised_by_what_it_is_about_and_by_nothing_before() {
    let both = ["encrypted_at_rest", "firewall"];
    let relayed = |count_out| {
        Fact::Relayed(proto::Relayed {
            flow: "f03_notice_email".into(),
            count_in: 3,
            count_out,
            ..Default::default()
        })
    };
    let rows: Vec<(FindingCode, &str, Fact, Fact, &str, &str)> = vec![
        // Code, who says it, what is as it should be, what is not, object, detail.
        (FindingCode::UnrecordedCopy, "hyojito", deleted(&["c-002"]), deleted(&["c-777"]), "c-777", ""),
        (
            FindingCode::ActivityAfterDeletion,
            "hyojito",
            deleted(&["c-002"]),
            deleted(&["c-001"]),
            "c-001",
            "",
        ),
        (
            FindingCode::RecipientNotApproved,
            "ward",
            given("f07_queue_state", "", ""),
            given("f07_queue_state", "line_corp", ""),
            "line_corp",
            "goes to hyojito",
        ),
        (
            FindingCode::SubcontractNotApproved,
            "hyojito",
            given("f04_notice_line", "", ""),
            given("", "helper", ""),
            "helper",
            "no party",
        ),
        (
            FindingCode::SystemNotApproved,
            "ward",
            given("f07_queue_state", "", "operator_server"),
            given("f07_queue_state", "", "line_platform"),
            "line_platform",
            "f07",
        ),
        (
            FindingCode::ChannelNotApproved,
            "hyojito",
            collected("operator_server", "internet", &both),
            collected("operator_server", "post", &both),
            "f01_register_contact",
            "post instead of internet",
        ),
        (
            FindingCode::SafeguardMissing,
            "hyojito",
            collected("operator_server", "internet", &both),
            collected("operator_server", "internet", &both[1..]),
            "f01_register_contact",
            "encrypted_at_rest",
        ),
        (FindingCode::RelayMismatched, "hyojito", relayed(3), relayed(2), "f03_notice_email", "3 in, 2 out"),
        (FindingCode::ErasureNotVerified, "hyojito", deleted(&["c-002"]), failed("c-002"), "c-002", ""),
        (
            FindingCode::CertificateWithoutDeletion,
            "hyojito",
            certified("cert-1", &["c-001"]),
            certified("cert-1", &["c-001", "c-002"]),
            "c-002",
            "",
        ),
        (
            FindingCode::ReturnedElsewhere,
            "hyojito",
            returned("c-002", "ward"),
            returned("c-002", "line_corp"),
            "c-002",
            "returned to line_corp",
        ),
    ];
    for (code, who, right, wrong, object, detail) in rows {
        let say = |fact| {
            let mut ledger = addresses();
            ledger.say(who, "2021-02-02T10:00", fact);
            found(&mut ledger, code)
        };
        assert_eq!(say(right), [], "{code:?}");
        let all = say(wrong);
        assert_eq!(all.iter().map(|(object, _)| object.as_str()).collect::<Vec<_>>(), [object], "{code:?}");
        assert!(all[0].1.contains(detail), "{code:?}: {all:?}");
    }
}

#[test]
fn what_went_back_to_the_wrong_party_was_not_returned() {
    let mut ledger = addresses();
    for (copy, to) in [("c-002", "ward"), ("c-003", "service_user"), ("c-004", "line_corp")] {
        ledger.say("hyojito", "2021-02-02T10:00", returned(copy, to));
    }
    ledger.play();
    let mut cache = ContextCache::default();
    let judge =
        Judge::new(&ledger.state, &mut cache, &ledger.scheme.id).expect("readable").expect("in force");
    let t = at("2021-02-02T23:00");
    let verdicts: Vec<Verdict> = judge
        .copies(t, None)
        .map(|row| row.expect("readable"))
        .map(|(id, copy)| judge.judge(&id, &copy, t).expect("a judgement").verdict)
        .collect();
    let wanted = [Verdict::OnTime, Verdict::Returned, Verdict::Returned, Verdict::Moved, Verdict::Due];
    assert_eq!(verdicts, wanted);
}
