//! Business days, closing times and the law's own time, from the documents in the ledger to the verdict.

#[path = "report/ledger.rs"]
mod ledger;
#[path = "report/samples.rs"]
#[allow(dead_code, reason = "shared by tests that each use a part")]
mod samples;

use daicho_core::proto::{self, event::Fact};
use daicho_custody::{ContextCache, FindingCode, FoldError, Judge, RuleJudgement, Verdict};
use ledger::{Ledger, VOCABULARY, at, copy, data_set};
use samples::visit;

const QUEUE: &str = include_str!("../../../deploy/schemes/queue_notice_service.toml");
const CALENDAR: &str = include_str!("../../../deploy/calendar/japan-holidays-1.toml");
const RULE: &str = "r2_no_longer_needed";

/// The queue notices, counting by the calendar that is shipped.
fn scheme() -> String {
    let named = QUEUE.replacen("\nvocabulary =", "\ncalendar = \"japan-holidays/1\"\nvocabulary =", 1);
    assert_ne!(named, QUEUE);
    named
}

fn open(calendar: Option<&str>) -> Result<Ledger, FoldError> {
    Ledger::open_with(&scheme(), VOCABULARY, calendar, "2021-01-20T09:00")
}

fn set(rule: &str, deadline: &str, closing_time: &str) -> Fact {
    Fact::DeadlineSet(proto::DeadlineSet {
        rule: rule.into(),
        deadline: deadline.into(),
        closing_time: closing_time.into(),
        ground: "区が定める".into(),
        ..Default::default()
    })
}

/// What a rule says of the first address, whose use ends on `day` at 9:35.
fn of_rule(ledger: &mut Ledger, rule: &str, t: &str) -> RuleJudgement {
    ledger.play();
    let mut cache = ContextCache::default();
    let judge =
        Judge::new(&ledger.state, &mut cache, &ledger.scheme.id).expect("readable").expect("in force");
    let (id, copy) = judge.copies(at(t), None).next().expect("a copy").expect("readable");
    let judgement = judge.judge(&id, &copy, at(t)).expect("readable");
    judgement.rules.into_iter().find(|r| &*r.rule == rule).expect("the rule binds it")
}

/// The rule whose clock the end of use starts.
fn session_rule(ledger: &Ledger) -> String {
    let rules = ledger.scheme.rules.iter();
    rules.filter(|r| r.trigger.milestone == "service_use_ended").map(|r| r.id.clone()).next().expect("a rule")
}

fn due(calendar: &str, day: &str, deadline: &str, closing: &str) -> (Verdict, Option<String>) {
    let mut ledger = open(Some(calendar)).expect("accepted");
    let rule = session_rule(&ledger);
    ledger.say("ward", "2021-01-21T10:00", set(&rule, deadline, ""));
    if !closing.is_empty() {
        ledger.say("ward", "2021-01-21T11:00", set("", "", closing));
    }
    visit(&mut ledger, 1, day, 9);
    let one = of_rule(&mut ledger, &rule, &format!("{day}T10:00"));
    assert!(one.triggered.is_some());
    (one.verdict, one.due.map(|due| due.to_string()))
}

#[test]
fn a_business_day_is_counted_by_the_calendar_in_the_ledger() {
    let is = |text: &str| (Verdict::Due, Some(text.to_owned()));
    // Wednesday; Thursday is a holiday.
    assert_eq!(due(CALENDAR, "2021-02-10", "P1BD", ""), is("2021-02-12T23:59:59.999+09:00"));
    assert_eq!(due(CALENDAR, "2021-02-10", "P1D/next-business-day", ""), is("2021-02-12T23:59:59.999+09:00"));
    assert_eq!(due(CALENDAR, "2021-02-10", "P1D", ""), is("2021-02-11T23:59:59.999+09:00"));
    assert_eq!(due(CALENDAR, "2021-02-10", "close-of-day", "17:15"), is("2021-02-10T17:15:00+09:00"));
}

#[test]
fn what_calendar_and_ward_do_not_say_is_no_schedule() {
    let short = "format = \"daicho-holidays/1\"\nid = \"japan-holidays\"\nversion = 1\nsource = \"s\"\nfrom = 2021-01-01\n\
        to = 2021-02-12\nclosed_weekdays = [\"saturday\", \"sunday\"]\nholidays = []\n";
    assert_eq!(due(short, "2021-02-11", "P1BD", "").0, Verdict::Due);
    assert_eq!(due(short, "2021-02-11", "P2BD", ""), (Verdict::NoSchedule, None));
    assert_eq!(due(short, "2021-02-13", "P1BD", ""), (Verdict::NoSchedule, None));
    assert_eq!(due(CALENDAR, "2021-02-10", "close-of-day", ""), (Verdict::NoSchedule, None));
}

#[test]
fn a_clock_keeps_the_closing_time_under_which_it_started() {
    let mut ledger = open(Some(CALENDAR)).expect("accepted");
    let rule = session_rule(&ledger);
    ledger.say("ward", "2021-01-21T10:00", set(&rule, "close-of-day", ""));
    ledger.say("ward", "2021-01-21T11:00", set("", "", "17:15"));
    visit(&mut ledger, 1, "2021-02-01", 9);
    ledger.say("ward", "2021-02-01T12:00", set("", "", "19:00"));
    let due = |ledger: &mut Ledger| of_rule(ledger, &rule, "2021-02-02T00:00").due;
    assert_eq!(due(&mut ledger), Some(at("2021-02-01T17:15")));
}

#[test]
fn the_calendar_that_the_scheme_names_must_be_in_the_ledger_and_no_other() {
    let refused = |found: Result<Ledger, FoldError>, part: &str| match found {
        Err(FoldError::Refused(refusal)) => {
            assert!(refusal.to_string().contains(part), "{refusal}");
        }
        other => panic!("{:?}", other.map(|_| ())),
    };
    refused(open(None), "counts by calendar `japan-holidays/1`");
    refused(open(Some(&CALENDAR.replacen("version = 1", "version = 2", 1))), "this is `japan-holidays/2`");
    refused(open(Some("format = \"daicho-holidays/1\"")), "missing field");
    refused(
        Ledger::open_with(QUEUE, VOCABULARY, Some(CALENDAR), "2021-01-20T09:00"),
        "the scheme names no calendar",
    );
    let mut without = Ledger::open(QUEUE, "2021-01-20T09:00");
    let found = without.try_say("ward", "2021-01-21T10:00", set(RULE, "P3BD", ""));
    assert!(matches!(found, Err(FoldError::Refused(r)) if r.to_string().contains("need a calendar")));
    let found = without.try_say("ward", "2021-01-21T10:00", set("", "", "25:00"));
    assert!(matches!(found, Err(FoldError::Refused(r)) if r.to_string().contains("17:15")));
}

/// Codes and details of findings about the flow by which addresses come in, after one on each day.
fn about_flow(mut ledger: Ledger, days: &[&str]) -> Vec<(FindingCode, u64, String)> {
    for (n, day) in (1..).zip(days) {
        let (d, c) = (format!("d-{n}"), format!("c-{n}"));
        let collected = proto::Collected {
            flow: "f01_register_contact".into(),
            data_sets: vec![data_set(&d, "ds_contact", 1, &d)],
            copies: vec![copy(&c, &d, "operator_server")],
            ..Default::default()
        };
        ledger.say("hyojito", &format!("{day}T10:00"), Fact::Collected(collected));
    }
    ledger.play();
    let mut cache = ContextCache::default();
    let judge =
        Judge::new(&ledger.state, &mut cache, &ledger.scheme.id).expect("readable").expect("in force");
    let found = judge.findings_without_copies(at("2024-01-01")).expect("readable");
    let about = found.into_iter().filter(|f| f.object == "f01_register_contact");
    about.map(|f| (f.code, f.occurrences, f.detail.en)).collect()
}

#[test]
fn a_movement_after_the_repeal_of_the_ordinance_has_no_legal_basis() {
    let days = ["2023-03-31", "2023-04-01", "2023-06-01"];
    let repealed = about_flow(Ledger::open(QUEUE, "2021-01-20T09:00"), &days);
    let detail = "on 2023-04-01; the law cited was in force until 2023-03-31".to_owned();
    assert_eq!(repealed, [(FindingCode::NoLegalBasis, 2, detail)]);

    // A version that cites the successor as well goes on with it; one that cites it alone was too early before.
    let cites = |bases: &str| {
        // Without the anomalies, which speak of the bases that the paper has.
        let (paper, _) = QUEUE.split_once("[[anomaly]]").expect("a paper with anomalies");
        let text: String = paper
            .lines()
            .map(|line| {
                if line.starts_with("basis = [{") {
                    format!("basis = [{bases}]\n")
                } else {
                    format!("{line}\n")
                }
            })
            .collect();
        Ledger::open(&text, "2021-01-20T09:00")
    };
    let (old, new) =
        ("{ article = \"art14_1\", kind = \"report\" }", "{ article = \"act66\", kind = \"report\" }");
    assert_eq!(about_flow(cites(&format!("{old}, {new}")), &days), []);
    let early = about_flow(cites(new), &days);
    let detail = "on 2023-03-31; the law cited is in force from 2023-04-01".to_owned();
    assert_eq!(early, [(FindingCode::NoLegalBasis, 1, detail)]);
}

#[test]
fn the_ordinance_that_the_five_schemes_cite_carries_its_repeal_and_its_successor() {
    use daicho_custody::scheme::{Scheme, Vocabulary};
    let vocabulary = Vocabulary::parse(VOCABULARY).expect("a vocabulary");
    let texts = [
        QUEUE,
        include_str!("../../../deploy/schemes/special_cash_benefit.toml"),
        include_str!("../../../deploy/schemes/nhi_premium_payment.toml"),
        include_str!("../../../deploy/schemes/mynumber_card_application_support.toml"),
        include_str!("../../../deploy/schemes/convenience_store_certificate_issuance.toml"),
    ];
    let mut cited = 0;
    for text in texts {
        for basis in Scheme::parse(text).expect("a scheme").matters.iter().flat_map(|m| &m.basis) {
            let law = vocabulary.ordinance_of(&basis.article).expect("a law");
            assert_eq!(law.in_force_to.map(|day| day.to_string()).as_deref(), Some("2023-03-31"));
            assert!(law.successor.as_deref().is_some_and(|next| next.contains("個人情報の保護に関する法律")));
            cited += 1;
        }
    }
    assert!(cited > 5);
    let act = vocabulary.ordinance_of("act66").expect("the successor");
    assert_eq!(act.in_force_from.map(|day| day.to_string()).as_deref(), Some("2023-04-01"));
}
