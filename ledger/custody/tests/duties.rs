//! Duties: each kind of rule at the times that matter, whose act counts, answers to findings, signals from silence.

#[path = "report/ledger.rs"]
mod ledger;
#[path = "report/samples.rs"]
#[allow(dead_code, reason = "shared by tests that each use a part")]
mod samples;

use daicho_core::proto::{self, event::Fact};
use daicho_custody::duty::{DutyJudgement, DutyStatus};
use daicho_custody::state::{Scan as _, Table, key};
use daicho_custody::{AnswerKind, ContextCache, Finding, FindingCode, Judge};
use ledger::{Ledger, at};
use samples::visit;

const QUEUE: &str = include_str!("../../../deploy/schemes/queue_notice_service.toml");
const BENEFIT: &str = include_str!("../../../deploy/schemes/special_cash_benefit.toml");
const CONVENIENCE: &str = include_str!("../../../deploy/schemes/convenience_store_certificate_issuance.toml");
const MYNUMBER: &str = include_str!("../../../deploy/schemes/mynumber_card_application_support.toml");
const NHI: &str = include_str!("../../../deploy/schemes/nhi_premium_payment.toml");

fn queue() -> Ledger {
    Ledger::open(QUEUE, "2021-01-20T09:00")
}

fn act(kind: &str, target: &str, counterpart: &str) -> Fact {
    case(kind, target, counterpart, "")
}

fn case(kind: &str, target: &str, counterpart: &str, case: &str) -> Fact {
    let attributes = match case {
        "" => Vec::new(),
        value => vec![proto::Attribute { name: "case".into(), value: value.into() }],
    };
    Fact::ActPerformed(proto::ActPerformed {
        kind: kind.into(),
        target: target.into(),
        counterpart: counterpart.into(),
        attributes,
        ..Default::default()
    })
}

fn with_judge<T>(ledger: &mut Ledger, look: impl FnOnce(&Judge<'_>) -> T) -> T {
    ledger.play();
    let mut cache = ContextCache::default();
    look(&Judge::new(&ledger.state, &mut cache, &ledger.scheme.id).expect("readable").expect("in force"))
}

fn duty(ledger: &mut Ledger, object: &str, t: &str) -> DutyJudgement {
    with_judge(ledger, |judge| {
        let all = judge.all_duties(at(t)).expect("readable");
        let found = all.into_iter().find(|(duty, _)| duty.object() == object);
        found.unwrap_or_else(|| panic!("no duty {object}")).1
    })
}

fn status(ledger: &mut Ledger, object: &str, t: &str) -> DutyStatus {
    duty(ledger, object, t).status
}

fn findings(ledger: &mut Ledger, code: FindingCode, t: &str) -> Vec<Finding> {
    let found = with_judge(ledger, |judge| judge.findings(at(t)).expect("readable"));
    found.into_iter().filter(|finding| finding.code == code).collect()
}

#[test]
fn every_clause_and_obligation_of_a_scheme_is_a_duty_of_each_who_owes_it() {
    let mut ledger = queue();
    let objects: Vec<String> = with_judge(&mut ledger, |judge| {
        let all = judge.all_duties(at("2021-03-01")).expect("readable");
        all.iter().map(|(duty, _)| duty.object()).collect()
    });
    // 14 obligations and 21 clauses, each owed by one party.
    assert_eq!(objects.len(), 14 + 21, "{objects:?}");
    assert!(objects.contains(&"o_audit/ward/c1".to_owned()) && objects.contains(&"c1/16/ward".to_owned()));
    let mut distinct = objects.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), objects.len());
    assert_eq!(status(&mut ledger, "c1/21/hyojito", "2021-03-01"), DutyStatus::NotJudged);
    // A subcontract binds 丙; what it asks of 甲 and 乙 is theirs.
    let mut benefit = Ledger::open(BENEFIT, "2020-04-20T09:00");
    let whose = |judge: &Judge<'_>| -> Vec<(u64, String)> {
        let all = judge.all_duties(at("2020-06-01")).expect("readable");
        let of = all.iter().filter(|(duty, _)| duty.object().starts_with("c2/"));
        of.map(|(duty, _)| {
            (duty.object().split('/').nth(1).and_then(|n| n.parse().ok()).unwrap_or(0), duty.who.clone())
        })
        .collect()
    };
    let rows = with_judge(&mut benefit, whose);
    assert_eq!(rows.len(), 24);
    assert!(
        rows.iter().any(|(_, who)| who == "ward")
            && rows.iter().any(|(_, who)| who == "hokkaido_toppan_forms")
    );
}

#[test]
fn each_duty_is_owed_to_somebody() {
    for (text, day) in [
        (QUEUE, "2021-01-20T09:00"),
        (BENEFIT, "2020-04-20T09:00"),
        (CONVENIENCE, "2018-08-01T09:00"),
        (MYNUMBER, "2020-04-01T09:00"),
        (NHI, "2020-04-01T09:00"),
    ] {
        let mut ledger = Ledger::open(text, day);
        let all = with_judge(&mut ledger, |judge| {
            let all = judge.all_duties(at("2021-03-01")).expect("readable").into_iter();
            all.map(|(duty, _)| (duty.object(), duty.who.clone(), duty.to.clone())).collect::<Vec<_>>()
        });
        assert!(!all.is_empty());
        for (object, who, to) in &all {
            assert!(!to.is_empty() && !to.contains(who), "{object}: {to:?}");
        }
        let to = |object: &str| all.iter().find(|(one, ..)| one == object).map(|(.., to)| to.join(" "));
        if text == BENEFIT {
            assert_eq!(to("o_training/toppan_forms").as_deref(), Some("ward"), "by contract");
            assert_eq!(to("o_training/hokkaido_toppan_forms").as_deref(), Some("toppan_forms"));
            let persons = to("o_sensitive_excluded/ward").expect("a duty");
            assert!(persons.contains("household"), "the persons whose data it is: {persons}");
        }
    }
}

#[test]
fn what_must_come_first_is_not_yet_due_met_late_or_missed() {
    let object = "o_handlers/hyojito";
    let mut early = queue();
    assert_eq!(status(&mut early, object, "2021-01-31"), DutyStatus::NotYetDue);
    early.say("hyojito", "2021-01-28T10:00", act("handlers-designated", "o_handlers", "ward"));
    visit(&mut early, 1, "2021-02-01", 9);
    assert_eq!(status(&mut early, object, "2021-02-02"), DutyStatus::Met);

    let mut late = queue();
    visit(&mut late, 1, "2021-02-01", 9);
    late.say("hyojito", "2021-02-04T10:00", act("handlers-designated", "o_handlers", "ward"));
    // At a past time it is as it was then.
    assert_eq!(status(&mut late, object, "2021-02-03"), DutyStatus::Missed);
    assert_eq!(status(&mut late, object, "2021-02-05"), DutyStatus::MetLate);
    let found = findings(&mut late, FindingCode::ObligationLate, "2021-02-05");
    // The obligation, and clause 13 which says the same.
    assert_eq!(found.iter().map(|f| f.object.as_str()).collect::<Vec<_>>(), ["c1/13/hyojito", object]);

    // Told to somebody else, or about something else, it does not count.
    let mut elsewhere = queue();
    elsewhere.say("hyojito", "2021-01-28T10:00", act("handlers-designated", "o_handlers", "line_corp"));
    elsewhere.say("hyojito", "2021-01-28T11:00", act("handlers-designated", "o_training", "ward"));
    visit(&mut elsewhere, 1, "2021-02-01", 9);
    assert_eq!(status(&mut elsewhere, object, "2021-02-02"), DutyStatus::Missed);
}

#[test]
fn what_one_asks_of_oneself_was_not_asked() {
    let mut alone = queue();
    let (asked, told) = (act("status-asked", "", ""), act("status-reported", "", "ward"));
    alone.say("hyojito", "2021-02-02T10:00", asked);
    alone.say("hyojito", "2021-02-02T11:00", told.clone());
    assert_eq!(status(&mut alone, "c1/14/hyojito", "2021-02-03"), DutyStatus::NotApplicable);
    assert_eq!(status(&mut alone, "o_status_report/hyojito", "2021-02-03"), DutyStatus::NotApplicable);

    let mut asked = queue();
    asked.say("ward", "2021-02-02T10:00", act("status-asked", "", "hyojito"));
    assert_eq!(status(&mut asked, "c1/14/hyojito", "2021-02-03"), DutyStatus::NoSchedule);
    // An answer to somebody else is none.
    asked.say("hyojito", "2021-02-02T11:00", act("status-reported", "", "line_corp"));
    assert_eq!(status(&mut asked, "c1/14/hyojito", "2021-02-03"), DutyStatus::NoSchedule);
    asked.say("hyojito", "2021-02-02T12:00", told);
    assert_eq!(status(&mut asked, "c1/14/hyojito", "2021-02-03"), DutyStatus::Met);
}

#[test]
fn a_subcontractor_tells_both_where_the_sheet_says_both() {
    const HEI: &str = "hokkaido_toppan_forms";
    let mut ledger = Ledger::open(BENEFIT, "2020-04-20T09:00");
    ledger.say(HEI, "2020-04-21T10:00", act("handlers-designated", "c2", "toppan_forms"));
    let object = format!("c2/14/{HEI}");
    assert_eq!(status(&mut ledger, &object, "2020-04-22"), DutyStatus::NotYetDue, "甲 was not told");
    ledger.say(HEI, "2020-04-21T11:00", act("handlers-designated", "c2", "ward"));
    assert_eq!(status(&mut ledger, &object, "2020-04-22"), DutyStatus::Met);

    // 乙 asks, 甲 audits: each is answered to who asked, and a power of 甲 is nobody's duty.
    ledger.say("toppan_forms", "2020-04-23T10:00", act("status-asked", "c2", HEI));
    ledger.say(HEI, "2020-04-23T11:00", act("status-reported", "c2", "toppan_forms"));
    // 甲 has a look at 乙's side of the contract: that is no look at 丙.
    ledger.say("ward", "2020-04-24T09:00", act("audited", "c2", "toppan_forms"));
    assert_eq!(status(&mut ledger, "c2/19/ward", "2020-04-25"), DutyStatus::NotYetDue);
    ledger.say("ward", "2020-04-24T10:00", act("audited", "c2", HEI));
    ledger.say(HEI, "2020-04-24T11:00", act("audit-attended", "c2", "ward"));
    let expected = [
        (15, HEI, DutyStatus::Met),
        (16, HEI, DutyStatus::NotApplicable),
        (19, "ward", DutyStatus::Met),
        (21, HEI, DutyStatus::Met),
        (22, "ward", DutyStatus::NotJudged),
    ];
    for (n, who, wanted) in expected {
        assert_eq!(status(&mut ledger, &format!("c2/{n}/{who}"), "2020-04-25"), wanted, "clause {n}");
    }
    with_judge(&mut ledger, |judge| {
        let all = judge.all_duties(at("2020-04-25")).expect("readable");
        let to = |object: &str| {
            let found = all.iter().find(|(duty, _)| duty.object() == object).expect("a duty");
            found.0.to.clone()
        };
        assert_eq!(to(&object), ["ward", "toppan_forms"]);
        assert_eq!(to(&format!("c2/15/{HEI}")), ["toppan_forms"]);
        // Where the sheet names nobody, it is owed to the party that entrusts.
        assert_eq!(to(&format!("c2/17/{HEI}")), ["toppan_forms"]);
        assert_eq!(to("c1/10/toppan_forms"), ["ward"]);
    });
}

#[test]
fn what_was_not_due_before_the_contract_ended_is_not_applicable() {
    let mut ledger = queue();
    let object = "o_vulnerability_assessment/hyojito";
    let set = proto::DeadlineSet {
        rule: "act/vulnerability-assessed".into(),
        deadline: "P100D".into(),
        ground: "百日ごととする".into(),
        ..Default::default()
    };
    ledger.say("ward", "2021-02-02T10:00", Fact::DeadlineSet(set));
    assert_eq!(status(&mut ledger, object, "2021-03-01"), DutyStatus::Due);
    let ended =
        proto::ContractSettled { contract: "c1".into(), end: "2021-03-31".into(), ..Default::default() };
    ledger.say("ward", "2021-03-02T10:00", Fact::ContractSettled(ended));
    let after = duty(&mut ledger, object, "2021-09-01");
    assert_eq!((after.status, after.owed), (DutyStatus::NotApplicable, 0));
}

#[test]
fn an_audit_is_owed_in_each_fiscal_year_of_the_contract() {
    let mut ledger = queue();
    // The contract begins on 1 February, so that two months are the first block.
    ledger.say("ward", "2021-03-10T10:00", act("audited", "c1", "hyojito"));
    let object = "o_audit/ward/c1";
    assert_eq!(status(&mut ledger, object, "2021-02-15"), DutyStatus::Due);
    let first = duty(&mut ledger, object, "2021-02-15");
    assert_eq!(first.due, Some(at("2021-03-31T23:59:59.999")));
    assert_eq!(status(&mut ledger, object, "2021-03-31"), DutyStatus::Met, "the new year has not begun");
    let second = duty(&mut ledger, object, "2022-03-31T12:00");
    assert_eq!((second.status, second.owed, second.met), (DutyStatus::Due, 1, 1));
    let missed = duty(&mut ledger, object, "2022-04-01T00:00");
    assert_eq!((missed.status, missed.owed, missed.met), (DutyStatus::Missed, 2, 1));
    assert_eq!(missed.due, Some(at("2022-03-31T23:59:59.999")));
    // Looking at another contractor does not count for this one.
    ledger.say("ward", "2021-06-01T10:00", act("audited", "", "line_corp"));
    assert_eq!(status(&mut ledger, object, "2022-04-02"), DutyStatus::Missed);
}

#[test]
fn at_intervals_means_nothing_until_the_ward_says_how_often() {
    let object = "o_patch/hyojito";
    let mut ledger = queue();
    ledger.say("hyojito", "2021-02-10T10:00", act("security-updated", "o_patch", ""));
    assert_eq!(status(&mut ledger, object, "2021-03-15"), DutyStatus::NoSchedule);
    ledger.set_deadline("2021-03-20T10:00", "act/security-updated", "P1M", true);
    assert_eq!(status(&mut ledger, object, "2021-03-15"), DutyStatus::NoSchedule, "as known then");
    assert_eq!(status(&mut ledger, object, "2021-03-31"), DutyStatus::Due, "February is there, March runs");
    assert_eq!(status(&mut ledger, object, "2021-04-01"), DutyStatus::Missed);
}

#[test]
fn an_interval_in_days_runs_from_act_to_act() {
    let object = "o_patch/hyojito";
    let mut ledger = queue();
    ledger.say("hyojito", "2021-02-10T10:00", act("security-updated", "o_patch", ""));
    ledger.set_deadline("2021-03-20T10:00", "act/security-updated", "P40D", false);
    // The first by 1 March, the next by 22 March.
    assert_eq!(status(&mut ledger, object, "2021-03-22"), DutyStatus::Due);
    assert_eq!(status(&mut ledger, object, "2021-04-02"), DutyStatus::Missed);
    ledger.say("hyojito", "2021-04-03T10:00", act("security-updated", "o_patch", ""));
    let late = duty(&mut ledger, object, "2021-04-05");
    assert_eq!(late.status, DutyStatus::MetLate, "{late:?}");
}

#[test]
fn a_new_interval_is_for_what_begins_under_it() {
    let object = "o_patch/hyojito";
    let mut ledger = queue();
    let end = |day: &str| Some(daicho_core::Date::parse(day).expect("a day").end());
    ledger.set_deadline("2021-02-02T10:00", "act/security-updated", "P1M", true);
    for day in ["2021-02-10", "2021-04-05"] {
        ledger.say("hyojito", &format!("{day}T10:00"), act("security-updated", "o_patch", ""));
    }
    let before = duty(&mut ledger, object, "2021-04-09");
    // One for the whole quarter would have been enough in March, too; it was not when March ended.
    ledger.set_deadline("2021-04-10T10:00", "act/security-updated", "P3M", false);
    let after = duty(&mut ledger, object, "2021-04-11");
    assert_eq!((after.status, after.due), (DutyStatus::Missed, end("2021-03-31")));
    assert_eq!((after.owed, after.met), (before.owed, before.met));
    // April ends under the old one; the rest of the quarter is one under the new one.
    assert_eq!(duty(&mut ledger, object, "2021-05-15").next, end("2021-06-30"));
    assert_eq!(duty(&mut ledger, object, "2021-07-01").next, end("2021-09-30"));
    // The calendar ends, and so does the count.
    assert_eq!(status(&mut ledger, object, "9999-12-31"), DutyStatus::Missed);
}

#[test]
fn blocks_and_intervals_take_turns_without_a_gap() {
    let object = "o_patch/hyojito";
    let mut ledger = queue();
    let end = |day: &str| Some(daicho_core::Date::parse(day).expect("a day").end());
    ledger.set_deadline("2021-02-02T10:00", "act/security-updated", "P40D", false);
    ledger.say("hyojito", "2021-03-02T10:00", act("security-updated", "o_patch", ""));
    ledger.set_deadline("2021-03-05T10:00", "act/security-updated", "P1M", true);
    ledger.say("hyojito", "2021-03-10T10:00", act("security-updated", "o_patch", ""));
    // What ended the last interval in days counts for the rest of that month.
    let march = duty(&mut ledger, object, "2021-04-01");
    assert_eq!((march.status, march.next), (DutyStatus::Due, end("2021-04-30")), "{march:?}");
    // One that never does anything comes under the new number once its interval is over.
    let mut silent = queue();
    silent.set_deadline("2021-02-02T10:00", "act/security-updated", "P10D", false);
    silent.set_deadline("2021-02-03T10:00", "act/security-updated", "P1M", true);
    let after = duty(&mut silent, object, "2021-04-02");
    assert_eq!((after.status, after.next), (DutyStatus::Missed, end("2021-04-30")), "{after:?}");
}

#[test]
fn an_incident_is_noticed_reported_in_writing_and_its_instruction_followed() {
    let object = "o_incident/hyojito";
    let mut ledger = queue();
    assert_eq!(status(&mut ledger, object, "2021-02-09"), DutyStatus::NotApplicable);
    ledger.say("hyojito", "2021-02-10T10:00", case("incident-occurred", "o_incident", "ward", "i-1"));
    assert_eq!(status(&mut ledger, object, "2021-02-10T11:00"), DutyStatus::NoSchedule);
    ledger.set_deadline("2021-02-10T12:00", "act/incident-notified", "PT24H", false);
    ledger.set_deadline("2021-02-10T12:01", "act/incident-reported", "P14D", true);
    assert_eq!(status(&mut ledger, object, "2021-02-10T13:00"), DutyStatus::Due);
    ledger.say("hyojito", "2021-02-10T15:00", case("incident-notified", "o_incident", "ward", "i-1"));
    // Another incident's report does not answer this one.
    ledger.say("hyojito", "2021-02-12T15:00", case("incident-reported", "o_incident", "ward", "i-0"));
    assert_eq!(status(&mut ledger, object, "2021-02-24"), DutyStatus::Due);
    assert_eq!(status(&mut ledger, object, "2021-02-25"), DutyStatus::Missed);
    ledger.say("hyojito", "2021-02-26T15:00", case("incident-reported", "o_incident", "ward", "i-1"));
    assert_eq!(status(&mut ledger, object, "2021-02-27"), DutyStatus::MetLate);
    // An instruction of the ward starts a duty of its own.
    ledger.say("ward", "2021-03-01T10:00", case("instruction-given", "o_incident", "hyojito", "i-1"));
    ledger.set_deadline("2021-03-01T11:00", "act/instruction-followed", "P1D", false);
    assert_eq!(status(&mut ledger, object, "2021-03-02"), DutyStatus::MetLate, "the worst shows");
    let missed = duty(&mut ledger, object, "2021-03-03");
    assert_eq!(missed.status, DutyStatus::Missed);
    assert!(missed.detail.en.contains("following of an instruction"), "{missed:?}");
}

#[test]
fn at_once_has_a_number_of_its_own_beside_without_delay() {
    let (at_once, without_delay) = ("o_incident_immediate/toppan_forms", "o_incident_clause/toppan_forms");
    let mut ledger = Ledger::open(BENEFIT, "2020-04-20T09:00");
    ledger.set_deadline("2020-05-01T10:00", "act/incident-notified", "P1D", true);
    let incident = |ledger: &mut Ledger, day: &str, n: &str| {
        // Which of the two it names does not matter: they are one duty, stated twice.
        let said = |word| case(word, "o_incident_clause", "ward", n);
        ledger.say("toppan_forms", &format!("{day}T10:00"), said("incident-occurred"));
        ledger.say("toppan_forms", &format!("{day}T15:00"), said("incident-notified"));
    };
    incident(&mut ledger, "2020-06-01", "i-1");
    // Without a number for 直ちに that of the act counts.
    let met = duty(&mut ledger, at_once, "2020-06-03");
    assert_eq!(met.status, DutyStatus::Met, "{met:?}");
    ledger.set_deadline("2020-06-04T10:00", "act/incident-notified-at-once", "PT1H", true);
    incident(&mut ledger, "2020-06-05", "i-2");
    assert_eq!(status(&mut ledger, at_once, "2020-06-06"), DutyStatus::MetLate);
    let notice = duty(&mut ledger, without_delay, "2020-06-06");
    assert_ne!(notice.status, DutyStatus::MetLate, "{notice:?}");
    // So are changed safeguards to be reported.
    let changed = case("measures-changed", "", "ward", "m-1");
    ledger.say("toppan_forms", "2020-06-08T10:00", changed);
    ledger.set_deadline("2020-06-08T10:01", "act/measures-change-reported", "PT1H", true);
    let missed = duty(&mut ledger, at_once, "2020-06-08T12:00");
    assert_eq!(missed.status, DutyStatus::Missed, "{missed:?}");
    assert!(missed.detail.ja.contains("安全対策の変更の報告"), "{missed:?}");
}

#[test]
fn absence_is_never_met_and_a_confession_is_a_finding() {
    let object = "o_no_subcontract/hyojito";
    let mut ledger = queue();
    assert_eq!(status(&mut ledger, object, "2021-02-09"), DutyStatus::NoViolation);
    ledger.say("hyojito", "2021-02-10T10:00", act("work-passed-on", "c1", ""));
    assert_eq!(status(&mut ledger, object, "2021-02-09"), DutyStatus::NoViolation);
    assert_eq!(status(&mut ledger, object, "2021-02-11"), DutyStatus::Violated);
    assert_eq!(status(&mut ledger, "c1/10/hyojito", "2021-02-11"), DutyStatus::Violated);
    assert_eq!(
        findings(&mut ledger, FindingCode::ForbiddenAct, "2021-02-11").len(),
        1,
        "one act, one finding"
    );
    // A violation of another party is not this one's.
    assert_eq!(status(&mut ledger, "o_no_copy/hyojito", "2021-02-11"), DutyStatus::NoViolation);
}

#[test]
fn training_is_owed_by_the_end_of_the_contract() {
    let object = "o_training/hyojito";
    let mut ledger = queue();
    assert_eq!(status(&mut ledger, object, "2021-03-01"), DutyStatus::Due);
    assert_eq!(status(&mut ledger, "c1/18/hyojito", "2025-01-31"), DutyStatus::Due);
    assert_eq!(status(&mut ledger, "c1/18/hyojito", "2025-02-01"), DutyStatus::Missed);
    ledger.say("hyojito", "2021-02-10T10:00", act("staff-trained", "c1", ""));
    assert_eq!(status(&mut ledger, object, "2021-03-01"), DutyStatus::Met);
    assert_eq!(status(&mut ledger, "c1/18/hyojito", "2025-02-01"), DutyStatus::Met);
}

#[test]
fn what_the_ward_says_of_a_party_is_a_breach_like_its_own_word() {
    let mut ledger = queue();
    let object = "c1/2/hyojito";
    ledger.say("ward", "2021-02-10T10:00", act("disclosed", "c1", "hyojito"));
    assert_eq!(status(&mut ledger, object, "2021-02-09"), DutyStatus::NoViolation);
    assert_eq!(status(&mut ledger, object, "2021-02-11"), DutyStatus::Violated);
    let found = findings(&mut ledger, FindingCode::ForbiddenAct, "2021-02-11");
    assert_eq!(found.iter().map(|f| f.detail.en.as_str()).collect::<Vec<_>>(), ["disclosed by hyojito"]);
    // A name is enough; its own name under a contract is none of a contractor.
    let mut ledger = queue();
    ledger.say("ward", "2021-02-10T10:00", act("disclosed", "", "ward"));
    assert_eq!(status(&mut ledger, object, "2021-02-11"), DutyStatus::NoViolation);
    ledger.say("ward", "2021-02-12T10:00", act("disclosed", "", "hyojito"));
    assert_eq!(status(&mut ledger, object, "2021-02-13"), DutyStatus::Violated);
    // What binds the ward itself is broken by its own word, whichever contractor it names.
    let mut ledger = Ledger::open(CONVENIENCE, "2018-08-01T09:00");
    ledger.say("ward", "2018-09-10T10:00", act("real-data-checked-by-contractor", "", "fujitsu"));
    assert_eq!(status(&mut ledger, "o_real_data_by_staff/ward", "2018-09-11"), DutyStatus::Violated);
    // What one contractor says of another is not on record against it.
    let object = "o_no_take_out/fujitsu";
    for (by, wanted) in [("jlis", DutyStatus::NoViolation), ("ward", DutyStatus::Violated)] {
        let mut ledger = Ledger::open(CONVENIENCE, "2018-08-01T09:00");
        ledger.say(by, "2018-09-10T10:00", act("taken-out", "", "fujitsu"));
        assert_eq!(status(&mut ledger, object, "2018-09-11"), wanted, "{by}");
    }
}

#[test]
fn what_comes_next_is_due_though_something_was_missed_before() {
    let mut ledger = Ledger::open(MYNUMBER, "2020-04-01T09:00");
    let object = "o_monthly_report/contractor";
    ledger.play();
    let judged = duty(&mut ledger, object, "2020-06-10");
    let end = |day: &str| daicho_core::Date::parse(day).expect("a day").end();
    assert_eq!((judged.status, judged.next), (DutyStatus::Missed, Some(end("2020-06-30"))), "{judged:?}");
    let due = with_judge(&mut ledger, |judge| {
        let (t, until) = (at("2020-06-28"), at("2020-07-05"));
        let all = judge.due(t, until).expect("readable").into_iter();
        all.filter(|one| one.object() == object).map(|one| (one.due, one.overdue)).collect::<Vec<_>>()
    });
    assert_eq!(due, [(end("2020-06-30"), false)], "the one that was missed long ago is not in its way");
}

#[test]
fn each_subcontractor_has_its_own_notice_and_contract() {
    let said = |word: &str, about: &str, carries: &[&str]| {
        let attribute = |name: &str, value: &str| proto::Attribute { name: name.into(), value: value.into() };
        let mut attributes: Vec<_> = carries.iter().map(|value| attribute("carries", value)).collect();
        attributes.extend((!about.is_empty()).then(|| attribute("subcontractor", about)));
        let (kind, target, counterpart) = (word.into(), "c1".into(), "ward".into());
        Fact::ActPerformed(proto::ActPerformed {
            kind,
            target,
            counterpart,
            attributes,
            ..Default::default()
        })
    };
    for (about, wanted) in [("", DutyStatus::Met), ("hokkaido_toppan_forms", DutyStatus::Missed)] {
        let mut ledger = Ledger::open(BENEFIT, "2020-04-20T09:00");
        let both = ["direct-inspection", "clause-sheet"];
        ledger.say("toppan_forms", "2020-05-11T10:00", said("subcontract-filed", about, &both));
        ledger.say("toppan_forms", "2020-05-11T11:00", said("penalty-notice-given", about, &[]));
        for (handover, to) in [("h-1", "hokkaido_toppan_forms"), ("h-2", "helping-printer")] {
            let (handover, to_party) = (handover.into(), to.into());
            let given = proto::HandoverGiven { handover, to_party, ..Default::default() };
            ledger.say("toppan_forms", "2020-05-12T10:00", Fact::HandoverGiven(given));
        }
        for clause in [11, 12, 13] {
            let judged = duty(&mut ledger, &format!("c1/{clause}/toppan_forms"), "2020-05-20");
            assert_eq!(
                (judged.status, judged.owed),
                (wanted, 2),
                "clause {clause}, about `{about}`: {judged:?}"
            );
        }
    }
}

#[test]
fn a_decision_stays_beside_what_becomes_of_its_finding() {
    let mut ledger = queue();
    visit(&mut ledger, 1, "2021-02-01", 9);
    let decided = proto::FindingDecided {
        code: FindingCode::Overdue.word().into(),
        object: "c-001".into(),
        decision: proto::FindingDecision::Guided as i32,
        ground: "速やかに消去するよう指導した".into(),
        ..Default::default()
    };
    ledger.say("ward", "2021-02-03T10:00", Fact::FindingDecided(decided));
    ledger.say("hyojito", "2021-02-04T10:00", ledger::deleted(&["c-001"]));
    for (code, t) in [(FindingCode::Overdue, "2021-02-03T12:00"), (FindingCode::DeletedLate, "2021-02-05")] {
        let found = findings(&mut ledger, code, t);
        let answers: Vec<AnswerKind> = found.iter().flat_map(|f| &f.answers).map(|a| a.kind).collect();
        assert_eq!(answers, [AnswerKind::Guided], "{}", code.word());
    }
}

#[test]
fn an_answer_is_owed_by_the_number_in_force_when_it_was_asked_for() {
    let set = |deadline: &str| {
        Fact::DeadlineSet(proto::DeadlineSet {
            rule: "act/status-reported".into(),
            deadline: deadline.into(),
            ground: "区が定める".into(),
            ..Default::default()
        })
    };
    let mut ledger = queue();
    ledger.say("ward", "2021-02-01T10:00", set("P1D"));
    ledger.say("ward", "2021-02-02T10:00", act("status-asked", "c1", "hyojito"));
    let object = with_judge(&mut ledger, |judge| {
        let all = judge.all_duties(at("2021-02-10")).expect("readable").into_iter();
        let missed = all.filter(|(duty, judged)| {
            judged.status == DutyStatus::Missed && duty.check.acts().contains(&"status-asked")
        });
        missed.map(|(duty, _)| duty.object()).next().expect("a duty to answer")
    });
    ledger.say("ward", "2021-02-12T10:00", set("P30D"));
    assert_eq!(
        status(&mut ledger, &object, "2021-02-15"),
        DutyStatus::Missed,
        "a later number heals nothing"
    );
    ledger.say("ward", "2021-02-16T10:00", act("status-asked", "c1", "hyojito"));
    ledger.say("hyojito", "2021-02-25T10:00", act("status-reported", "c1", "ward"));
    assert_eq!(
        status(&mut ledger, &object, "2021-03-01"),
        DutyStatus::MetLate,
        "both are answered, one late"
    );
}

#[test]
fn training_is_owed_as_often_as_the_ward_says() {
    let object = "c1/18/hyojito";
    let mut ledger = queue();
    let every_year = proto::DeadlineSet {
        rule: "act/staff-trained".into(),
        deadline: "P1Y".into(),
        ground: "区が定める".into(),
        ..Default::default()
    };
    ledger.say("ward", "2021-02-02T10:00", Fact::DeadlineSet(every_year));
    ledger.say("hyojito", "2021-02-10T10:00", act("staff-trained", "c1", ""));
    assert_eq!(status(&mut ledger, object, "2021-03-01"), DutyStatus::Met);
    assert_eq!(status(&mut ledger, object, "2022-03-31"), DutyStatus::Due);
    let judged = duty(&mut ledger, object, "2022-04-01");
    assert_eq!((judged.status, judged.owed, judged.met), (DutyStatus::Missed, 2, 1), "{judged:?}");
}

#[test]
fn erasure_and_certificates_come_from_the_copies() {
    let mut ledger = samples::queue();
    assert_eq!(status(&mut ledger, "c1/11/hyojito", "2021-02-01"), DutyStatus::NotApplicable);
    visit(&mut ledger, 1, "2021-02-01", 9);
    assert_eq!(status(&mut ledger, "c1/11/hyojito", "2021-02-02"), DutyStatus::Due);
    assert_eq!(status(&mut ledger, "c1/11/hyojito", "2021-02-03"), DutyStatus::Missed);
    ledger.say("hyojito", "2021-02-02T10:00", ledger::deleted(&["c-001"]));
    assert_eq!(status(&mut ledger, "c1/11/hyojito", "2021-02-03"), DutyStatus::Met);
    assert_eq!(status(&mut ledger, "c1/12/hyojito", "2021-02-20"), DutyStatus::NoSchedule, "no limit is set");
    ledger.say("hyojito", "2021-02-03T10:00", ledger::certified("z-1", &["c-001"]));
    assert_eq!(status(&mut ledger, "c1/12/hyojito", "2021-02-20"), DutyStatus::Met);
    assert_eq!(
        findings(&mut ledger, FindingCode::ObligationMissed, "2021-02-20")
            .iter()
            .filter(|f| f.object.starts_with("c1/1"))
            .count(),
        1,
        "clause 13 alone"
    );
}

#[test]
fn a_consent_to_one_subcontractor_is_none_to_another() {
    let mut ledger = Ledger::open(BENEFIT, "2020-04-20T09:00");
    let approved = proto::SubcontractApproved {
        contract: "c1".into(),
        party: "hokkaido_toppan_forms".into(),
        ..Default::default()
    };
    let given = |handover: &str, to: &str| {
        let (handover, to_party) = (handover.into(), to.into());
        Fact::HandoverGiven(proto::HandoverGiven { handover, to_party, ..Default::default() })
    };
    ledger.say("ward", "2020-05-10T10:00", Fact::SubcontractApproved(approved));
    let duties = ["c1/10/toppan_forms", "o_subcontract_approval/toppan_forms"];
    ledger.say("toppan_forms", "2020-05-12T10:00", given("h-1", "hokkaido_toppan_forms"));
    ledger.say("toppan_forms", "2020-05-14T10:00", given("h-2", "helping-printer"));
    for object in duties {
        assert_eq!(status(&mut ledger, object, "2020-05-13"), DutyStatus::Met, "{object}");
        let judged = duty(&mut ledger, object, "2020-05-15");
        assert_eq!((judged.status, judged.owed, judged.met), (DutyStatus::Missed, 2, 1), "{object}");
        assert!(judged.detail.en.contains("helping-printer"), "{judged:?}");
    }
    let missed = findings(&mut ledger, FindingCode::ObligationMissed, "2020-05-15");
    assert_eq!(missed.iter().filter(|f| duties.contains(&f.object.as_str())).count(), 2);
}

#[test]
fn a_subcontract_that_does_not_carry_the_sheet_does_not_meet_the_clause_that_asks_for_it() {
    let filed = |carries: &[&str]| {
        let attribute = |value: &&str| proto::Attribute { name: "carries".into(), value: (*value).into() };
        Fact::ActPerformed(proto::ActPerformed {
            kind: "subcontract-filed".into(),
            target: "c1".into(),
            counterpart: "ward".into(),
            attributes: carries.iter().map(attribute).collect(),
            ..Default::default()
        })
    };
    let (met, missed, late) = (DutyStatus::Met, DutyStatus::Missed, DutyStatus::MetLate);
    // What is filed at first, what is filed once work was passed on; what clauses 12 and 13 come to.
    for (first, then, wanted) in [
        (vec!["clause-sheet", "direct-inspection"], None, [met, met]),
        (vec!["direct-inspection"], None, [met, missed]),
        (vec!["direct-inspection"], Some(vec!["clause-sheet"]), [met, late]),
        (vec![], None, [missed, missed]),
    ] {
        let mut ledger = Ledger::open(BENEFIT, "2020-04-20T09:00");
        ledger.say("toppan_forms", "2020-04-22T10:00", filed(&first));
        let passed_on = proto::HandoverGiven { to_party: "hokkaido_toppan_forms".into(), ..given("h-1", "") };
        ledger.say("toppan_forms", "2020-05-12T10:00", Fact::HandoverGiven(passed_on));
        if let Some(then) = then {
            ledger.say("toppan_forms", "2020-05-15T10:00", filed(&then));
        }
        let objects = ["c1/12/toppan_forms", "c1/13/toppan_forms"];
        let found = objects.map(|object| duty(&mut ledger, object, "2020-05-20"));
        assert_eq!(found.each_ref().map(|one| one.status), wanted, "{first:?}");
        let shows_it = found.iter().all(|one| one.status != missed || one.detail.en.contains("does not say"));
        assert!(shows_it, "{found:?}");
    }
}

fn given(handover: &str, flow: &str) -> proto::HandoverGiven {
    proto::HandoverGiven { handover: handover.into(), flow: flow.into(), ..Default::default() }
}

#[test]
fn what_is_owed_each_time_is_owed_each_time_anew() {
    let mut ledger = Ledger::open(NHI, "2020-05-20T09:00");
    let object = "o_inspection_before_post/ward";
    let posted = |n: u32| Fact::HandoverGiven(given(&format!("h-{n}"), "f24_post"));
    let mut judged = |day: &str, party: &str, fact: Fact| {
        ledger.say(party, &format!("2020-07-{day}T10:00"), fact);
        let found = duty(&mut ledger, object, &format!("2020-07-{day}T11:00"));
        (found.status, found.owed, found.met)
    };
    let inspected = || act("inspection-passed", "", "");
    assert_eq!(judged("01", "ward", inspected()), (DutyStatus::NotYetDue, 0, 0));
    assert_eq!(judged("02", "print_contractor", posted(1)), (DutyStatus::Met, 1, 1));
    assert_eq!(judged("03", "print_contractor", posted(2)), (DutyStatus::Missed, 2, 1));
    assert_eq!(judged("04", "ward", inspected()), (DutyStatus::Missed, 2, 1));
    assert_eq!(judged("05", "print_contractor", posted(3)), (DutyStatus::Missed, 3, 2));
}

#[test]
fn a_double_check_is_by_two() {
    let checked = |first: &str, second: &str| {
        let named = [("confirmer", first), ("second_confirmer", second)];
        let attribute =
            |(name, value): (&str, &str)| proto::Attribute { name: name.into(), value: value.into() };
        Fact::ActPerformed(proto::ActPerformed {
            kind: "double-checked".into(),
            attributes: named.into_iter().filter(|(_, value)| !value.is_empty()).map(attribute).collect(),
            ..Default::default()
        })
    };
    for (first, second, wanted) in [
        ("officer-1", "officer-2", DutyStatus::Met),
        ("officer-1", "officer-1", DutyStatus::Missed),
        ("officer-1", "", DutyStatus::Missed),
    ] {
        let mut ledger = Ledger::open(BENEFIT, "2020-04-20T09:00");
        ledger.say("ward", "2020-05-11T10:00", checked(first, second));
        ledger.say(
            "ward",
            "2020-05-12T10:00",
            Fact::HandoverGiven(given("h-1", "f02_provide_to_governments")),
        );
        assert_eq!(status(&mut ledger, "o_double_check_mail/ward", "2020-05-13"), wanted, "{first} {second}");
    }
}

#[test]
fn a_notice_comes_before_anybody_uses_the_service() {
    for (published, wanted) in [("2020-06-01", DutyStatus::Met), ("2020-07-03", DutyStatus::MetLate)] {
        let mut ledger = Ledger::open(NHI, "2020-05-20T09:00");
        let collected = proto::Collected {
            flow: "f01_ib_payment".into(),
            data_sets: vec![ledger::data_set("d-1", "ds_mobile_collection", 1, "s-1")],
            copies: vec![ledger::copy("c-1", "d-1", "collection_center_server")],
            ..Default::default()
        };
        let notice = act("notice-published", "", "");
        let collection = ("payment_service_provider", "2020-07-01", Fact::Collected(collected));
        let mut said = [("ward", published, notice), collection];
        said.sort_by_key(|(_, day, _)| *day);
        for (party, day, fact) in said {
            ledger.say(party, &format!("{day}T10:00"), fact);
        }
        assert_eq!(status(&mut ledger, "o_web_notice/ward", "2020-07-04"), wanted, "{published}");
    }
}

#[test]
fn what_must_not_happen_over_some_flows_is_the_duty_of_whoever_did_it_there() {
    let carried = |handover: &str, flow: &str, safeguards: &[&str]| {
        Fact::HandoverGiven(proto::HandoverGiven {
            channel: "hand_delivery_direct".into(),
            safeguards: safeguards.iter().map(|word| (*word).to_owned()).collect(),
            ..given(handover, flow)
        })
    };
    let mut ledger = Ledger::open(NHI, "2020-05-20T09:00");
    let object = "o_locked_transport/print_contractor";
    // The ward's own lapse, and a journey as it should be.
    ledger.say("ward", "2020-07-01T10:00", carried("h-1", "f20_media_to_print", &["encrypted"]));
    let whole = ["locked_case", "two_or_more_carriers"];
    ledger.say("print_contractor", "2020-07-02T10:00", carried("h-2", "f26_media_return", &whole));
    assert_eq!(status(&mut ledger, object, "2020-07-03"), DutyStatus::NoViolation);
    ledger.say("print_contractor", "2020-07-04T10:00", carried("h-3", "f26_media_return", &whole[..1]));
    let judged = duty(&mut ledger, object, "2020-07-05");
    assert_eq!((judged.status, judged.owed), (DutyStatus::Violated, 1));
    assert_eq!(
        status(&mut ledger, "o_direct_handover/print_contractor", "2020-07-05"),
        DutyStatus::NoViolation
    );
    let mut posted = given("h-4", "f26_media_return");
    posted.channel = "mail".into();
    ledger.say("print_contractor", "2020-07-06T10:00", Fact::HandoverGiven(posted));
    assert_eq!(status(&mut ledger, "o_direct_handover/print_contractor", "2020-07-07"), DutyStatus::Violated);
}

#[test]
fn what_is_wrong_under_one_contract_is_not_wrong_under_another_of_the_same_party() {
    let mut ledger = Ledger::open(NHI, "2020-05-20T09:00");
    let (ib, credit) = ("c_ib/7/payment_service_provider", "c_credit/7/payment_service_provider");
    for object in [ib, credit] {
        assert_eq!(status(&mut ledger, object, "2020-07-01"), DutyStatus::NoViolation, "{object}");
    }
    let given = |handover: &str, flow: &str| {
        Fact::HandoverGiven(proto::HandoverGiven {
            handover: handover.into(),
            flow: flow.into(),
            to_party: "jlis".into(),
            ..Default::default()
        })
    };
    // Collected under the contract on bank transfers, and given to somebody else.
    ledger.say("payment_service_provider", "2020-07-02T10:00", given("h-1", "f02_ib_collection_to_ward"));
    assert_eq!(status(&mut ledger, ib, "2020-07-03"), DutyStatus::Violated);
    assert_eq!(status(&mut ledger, credit, "2020-07-03"), DutyStatus::NoViolation);
    // Over no flow: nobody knows under which, and it stands against both.
    ledger.say("payment_service_provider", "2020-07-04T10:00", given("h-2", ""));
    assert_eq!(status(&mut ledger, credit, "2020-07-05"), DutyStatus::Violated);
}

#[test]
fn a_finding_stays_with_corrections_disputes_and_decisions_beside_it() {
    let mut ledger = queue();
    ledger.say("hyojito", "2021-02-10T10:00", act("taken-out", "", ""));
    ledger.say("hyojito", "2021-02-10T11:00", act("work-passed-on", "c1", ""));
    let finding = findings(&mut ledger, FindingCode::ForbiddenAct, "2021-02-11").remove(0);
    let entry = finding.entries[0].get();
    let corrected = |text: &str| {
        Fact::Corrected(proto::Corrected { entry_index: entry, event: 0, correction: text.into() })
    };
    ledger.say("hyojito", "2021-02-12T10:00", corrected("委託ではなく、自社の別部署に渡した"));
    ledger.say("ward", "2021-02-13T10:00", corrected("別部署ではない"));
    let decided = proto::FindingDecided {
        code: "FORBIDDEN_ACT".into(),
        object: finding.object.clone(),
        decision: proto::FindingDecision::Guided as i32,
        ground: "是正を指導した".into(),
        document: Vec::new(),
    };
    ledger.say("ward", "2021-02-14T10:00", Fact::FindingDecided(decided.clone()));
    let kinds = |ledger: &mut Ledger, t: &str| -> Vec<AnswerKind> {
        let found = findings(ledger, FindingCode::ForbiddenAct, t).remove(0);
        found.answers.iter().map(|answer| answer.kind).collect()
    };
    assert_eq!(kinds(&mut ledger, "2021-02-11"), []);
    assert_eq!(kinds(&mut ledger, "2021-02-12T12:00"), [AnswerKind::Correction]);
    let mut all = vec![AnswerKind::Correction, AnswerKind::Dispute, AnswerKind::Guided];
    assert_eq!(kinds(&mut ledger, "2021-02-15"), all);
    // A decision may be followed by another; all of them stay.
    for (day, decision, kind) in [
        ("2021-02-17", proto::FindingDecision::Published, AnswerKind::Published),
        ("2021-02-18", proto::FindingDecision::Accepted, AnswerKind::Accepted),
    ] {
        let next = proto::FindingDecided { decision: decision as i32, ..decided.clone() };
        ledger.say("ward", &format!("{day}T10:00"), Fact::FindingDecided(next));
        all.push(kind);
        assert_eq!(kinds(&mut ledger, &format!("{day}T12:00")), all);
    }
    // Only the ward decides, and only with a ground.
    let of = |fact: &proto::FindingDecided| Fact::FindingDecided(fact.clone());
    assert!(ledger.try_say("hyojito", "2021-02-19T10:00", of(&decided)).is_err());
    let without = proto::FindingDecided { ground: String::new(), ..decided.clone() };
    assert!(ledger.try_say("ward", "2021-02-19T10:01", of(&without)).is_err());
    let undecided = proto::FindingDecided { decision: 9, ..decided };
    assert!(ledger.try_say("ward", "2021-02-19T10:02", of(&undecided)).is_err());
}

#[test]
fn a_system_that_stops_to_attest_is_a_finding_once_the_ward_says_how_often_it_must() {
    let mut ledger = queue();
    let attested = |since: &str| {
        Fact::NonPersistenceAttested(proto::NonPersistenceAttested {
            system: "line_platform".into(),
            period_start_ms: at(since).unix_ms(),
            manner: "log".into(),
            ..Default::default()
        })
    };
    let system = ledger
        .scheme
        .systems
        .iter()
        .find(|s| s.storage == daicho_custody::scheme::Storage::None && s.attester == "hyojito");
    let system = system.expect("a system that keeps nothing").id.clone();
    let attested = |since: &str| match attested(since) {
        Fact::NonPersistenceAttested(mut fact) => {
            system.clone_into(&mut fact.system);
            Fact::NonPersistenceAttested(fact)
        }
        other => other,
    };
    ledger.say("hyojito", "2021-02-28T18:00", attested("2021-02-01T00:00"));
    let silent = |ledger: &mut Ledger, t: &str| -> Vec<String> {
        findings(ledger, FindingCode::AttestationStopped, t).into_iter().map(|f| f.object).collect()
    };
    assert!(silent(&mut ledger, "2021-05-01").is_empty(), "no limit is set");
    let limits =
        proto::DeadlineSet {
            attest_within: "P1M".into(), ground: "毎月とする".into(), ..Default::default()
        };
    ledger.say("ward", "2021-05-02T10:00", Fact::DeadlineSet(limits));
    assert!(silent(&mut ledger, "2021-05-03").contains(&system));
    ledger.say("hyojito", "2021-05-04T18:00", attested("2021-03-01T00:00"));
    assert!(!silent(&mut ledger, "2021-05-05").contains(&system));
}

#[test]
fn a_system_that_must_keep_nothing_of_one_kind_is_silent_like_any_other() {
    let mut ledger = Ledger::open(CONVENIENCE, "2018-08-01T09:00");
    let system = "wide_area_issuance_server";
    let limits =
        proto::DeadlineSet {
            attest_within: "P2M".into(), ground: "隔月とする".into(), ..Default::default()
        };
    ledger.say("ward", "2018-08-02T10:00", Fact::DeadlineSet(limits));
    let attested = proto::NonPersistenceAttested {
        system: system.into(),
        data_sets: vec!["ds_certificate_pdf".into()],
        period_start_ms: at("2018-08-02T00:00").unix_ms(),
        manner: "log".into(),
        ..Default::default()
    };
    ledger.say("jlis", "2018-09-30T18:00", Fact::NonPersistenceAttested(attested.clone()));
    // What is said of another kind does not help, and what is no kind is refused.
    let of_others = |kind: &str| {
        Fact::NonPersistenceAttested(proto::NonPersistenceAttested {
            data_sets: vec![kind.into()],
            ..attested.clone()
        })
    };
    let other = ledger.scheme.data_sets.iter().find(|kind| kind.id != "ds_certificate_pdf").expect("a kind");
    let other = other.id.clone();
    ledger.say("jlis", "2018-11-20T18:00", of_others(&other));
    assert!(ledger.try_say("jlis", "2018-11-20T18:01", of_others("ds_none")).is_err());
    let mut silent = |t: &str| {
        let found = findings(&mut ledger, FindingCode::AttestationStopped, t);
        found.iter().any(|finding| finding.object == system)
    };
    assert!(!silent("2018-11-29"));
    assert!(silent("2018-12-02"));
    // What is said of everything is said of each kind.
    let of_all = proto::NonPersistenceAttested { data_sets: Vec::new(), ..attested.clone() };
    ledger.say("jlis", "2018-12-03T18:00", Fact::NonPersistenceAttested(of_all));
    let found = findings(&mut ledger, FindingCode::AttestationStopped, "2018-12-04");
    assert!(found.iter().all(|finding| finding.object != system), "{found:?}");
}

#[test]
fn ledgers_of_earlier_versions_do_not_tell_of_which_kind_nothing_is_kept() {
    let attested = |kind: &str| {
        Fact::NonPersistenceAttested(proto::NonPersistenceAttested {
            system: "wide_area_issuance_server".into(),
            data_sets: vec![kind.into()],
            period_start_ms: at("2018-08-02T00:00").unix_ms(),
            manner: "log".into(),
            ..Default::default()
        })
    };
    let tables = |ledger: &mut Ledger| {
        ledger.play();
        [Table::Attestation, Table::AttestationOfKind].map(|table| {
            let rows = ledger.state.scan(&key(table, &[&ledger.scheme.id]), None);
            rows.count()
        })
    };
    let mut earlier = Ledger::open_by(3, CONVENIENCE, "2018-08-01T09:00");
    earlier.say("jlis", "2018-09-30T18:00", attested("ds_certificate_pdf"));
    earlier.say("jlis", "2018-09-30T18:01", attested("no_kind"));
    assert_eq!(tables(&mut earlier), [2, 0]);
    let mut ledger = Ledger::open(CONVENIENCE, "2018-08-01T09:00");
    ledger.say("jlis", "2018-09-30T18:00", attested("ds_certificate_pdf"));
    assert!(ledger.try_say("jlis", "2018-09-30T18:01", attested("no_kind")).is_err());
    assert_eq!(tables(&mut ledger), [0, 1]);
}

#[test]
fn a_contract_near_its_end_with_open_copies_is_a_finding_before_it_fails() {
    let mut ledger = queue();
    let limits = proto::DeadlineSet {
        warn_before: "P30D".into(),
        ground: "一か月前に確かめる".into(),
        ..Default::default()
    };
    ledger.say("ward", "2021-01-21T10:00", Fact::DeadlineSet(limits));
    visit(&mut ledger, 1, "2025-01-10", 9);
    let ending = |ledger: &mut Ledger, t: &str| findings(ledger, FindingCode::ContractEnding, t).len();
    assert_eq!(ending(&mut ledger, "2024-12-31"), 0);
    assert_eq!(ending(&mut ledger, "2025-01-11"), 1);
    assert_eq!(ending(&mut ledger, "2025-02-01"), 0, "then it is overdue, not a warning");
    ledger.say("hyojito", "2025-01-12T10:00", ledger::deleted(&["c-001"]));
    assert_eq!(ending(&mut ledger, "2025-01-13"), 0);
}
