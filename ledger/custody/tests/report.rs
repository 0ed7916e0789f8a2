//! Deletion reports of small ledgers.

#[path = "report/ledger.rs"]
mod ledger;
#[path = "report/samples.rs"]
mod samples;

use daicho_core::proto;
use daicho_core::proto::event::Fact;
use daicho_custody::duty::DutyStatus;
use daicho_custody::report::{AnswerCode, Certificate, Number, Problem, RuleStatus};
use daicho_custody::{DeletionReport, Evidence, FindingCode, Judge, Verdict};
use ledger::{Ledger, at, certified, deleted};
use samples::{queue, queue_sample, visit};

const FEBRUARY: (&str, &str) = ("2021-02-01", "2021-02-28");

fn february(ledger: &mut Ledger, as_of: &str) -> DeletionReport {
    ledger.report(FEBRUARY.0, FEBRUARY.1, as_of)
}

/// Verdict of the only copy.
fn verdict(report: &DeletionReport) -> Verdict {
    report.data_sets[0].copies[0].verdict
}

#[test]
fn a_past_time_gives_the_verdict_of_that_time() {
    let mut ledger = queue();
    visit(&mut ledger, 1, "2021-02-01", 9);
    ledger.say("hyojito", "2021-02-04T10:00", deleted(&["c-001"]));
    let seen: Vec<(Verdict, AnswerCode)> =
        ["2021-02-01T09:10", "2021-02-01T10:00", "2021-02-03T00:00", "2021-02-05T00:00"]
            .map(|time| february(&mut ledger, time))
            .iter()
            .map(|report| (verdict(report), report.answer.code))
            .collect();
    assert_eq!(
        seen,
        [
            (Verdict::NotTriggered, AnswerCode::OpenInTime),
            (Verdict::Due, AnswerCode::OpenInTime),
            (Verdict::Overdue, AnswerCode::Overdue),
            (Verdict::Late, AnswerCode::Late),
        ]
    );
    let before = february(&mut ledger, "2021-02-01T08:00");
    assert_eq!((before.totals.data_sets, before.answer.code), (0, AnswerCode::Nothing));
}

#[test]
fn an_erasure_in_time_is_proven_only_by_the_certificate_that_is_owed() {
    let mut ledger = queue();
    visit(&mut ledger, 1, "2021-02-01", 9);
    ledger.say("hyojito", "2021-02-02T10:00", deleted(&["c-001"]));
    let without = february(&mut ledger, "2021-02-28T00:00");
    let copy = &without.data_sets[0].copies[0];
    assert_eq!((copy.verdict, copy.certificate), (Verdict::OnTime, Certificate::NoLimit));
    assert_eq!((copy.evidence, copy.owed.as_slice()), (Evidence::Attested, &["ward".to_owned()][..]));
    assert_eq!(copy.problem, Some(Problem::Unproven));
    assert_eq!((without.answer.code, without.answer.unproven), (AnswerCode::Unproven, 1));
    assert!(without.limits.iter().all(|limit| limit.within.is_none() && !limit.without.ja.is_empty()));

    ledger.say("hyojito", "2021-03-01T10:00", certified("cert-1", &["c-001"]));
    let with = february(&mut ledger, "2021-03-02T00:00");
    assert_eq!(with.data_sets[0].copies[0].certificate, Certificate::Received);
    assert_eq!(with.data_sets[0].copies[0].evidence, Evidence::Certified);
    assert_eq!(with.answer.code, AnswerCode::AllInTime);
}

#[test]
fn a_limit_tells_pending_from_missing() {
    let mut ledger = queue();
    let limit =
        proto::DeadlineSet {
            certificate_within: "P7D".into(), ground: "定め".into(), ..Default::default()
        };
    ledger.say("ward", "2021-01-22T09:00", Fact::DeadlineSet(limit));
    visit(&mut ledger, 1, "2021-02-01", 9);
    ledger.say("hyojito", "2021-02-02T10:00", deleted(&["c-001"]));
    let state = |report: DeletionReport| report.data_sets[0].copies[0].certificate;
    assert_eq!(state(february(&mut ledger, "2021-02-09T23:59")), Certificate::Pending);
    let report = february(&mut ledger, "2021-02-10T00:00");
    assert_eq!(report.finding_counts[&FindingCode::CertificateMissing], 1);
    assert_eq!(
        report.settings.last().map(|s| (s.what.as_str(), s.by.as_str())),
        Some(("certificate", "ward"))
    );
    assert_eq!(state(report), Certificate::Missing);
}

#[test]
fn a_certificate_after_its_limit_stays_late() {
    let mut ledger = queue();
    let limit =
        proto::DeadlineSet {
            certificate_within: "P7D".into(), ground: "定め".into(), ..Default::default()
        };
    ledger.say("ward", "2021-01-22T09:00", Fact::DeadlineSet(limit));
    for n in 1..=3 {
        visit(&mut ledger, n, "2021-02-01", 8 + n);
        ledger.say("hyojito", &format!("2021-02-02T10:0{n}"), deleted(&[&format!("c-00{n}")]));
    }
    // In time, after it, and never: the limit ends with 9 February.
    ledger.say("hyojito", "2021-02-09T23:00", certified("cert-1", &["c-001"]));
    let decided = |code: &str, object: &str| {
        Fact::FindingDecided(proto::FindingDecided {
            code: code.into(),
            object: object.into(),
            decision: proto::FindingDecision::Guided as i32,
            ground: "速やかに提出すること".into(),
            ..Default::default()
        })
    };
    ledger.say("ward", "2021-02-10T09:00", decided("CERTIFICATE_MISSING", "c-002"));
    ledger.say("ward", "2021-02-10T09:01", decided("CERTIFICATE_MISSING", "c-001"));
    ledger.say("hyojito", "2021-02-10T10:00", certified("cert-2", &["c-002"]));

    let before = february(&mut ledger, "2021-02-10T09:30");
    assert_eq!(before.totals.certificates[&Certificate::Missing], 2);
    assert_eq!(before.finding_counts[&FindingCode::CertificateMissing], 2);
    let report = february(&mut ledger, "2021-02-28T17:00");
    for state in [Certificate::Received, Certificate::Late, Certificate::Missing] {
        assert_eq!(report.totals.certificates[&state], 1, "{state:?}");
    }
    assert_eq!(report.finding_counts[&FindingCode::CertificateMissing], 1);
    let late = report.findings.iter().find(|f| f.code == FindingCode::CertificateLate).expect("a finding");
    assert_eq!(late.object, "c-002");
    assert!(late.detail.en.starts_with("certificate of 2021-02-10 10:00, due 2021-02-09 23:59"));
    assert_eq!(late.answers.len(), 1, "decided while it was missing");
    // What was decided of a finding that is none (any more) is still there to be read.
    let stands: Vec<_> = report.decisions.iter().map(|one| (one.object.as_str(), one.stands)).collect();
    assert_eq!(stands, [("c-002", true), ("c-001", false)]);
    // The duty to certify is met late by what is not missed.
    let duty = report.duties.iter().find(|duty| duty.object == "c1/12/hyojito").expect("a duty");
    assert_eq!(duty.judgement.status, DutyStatus::Missed);
    ledger.say("hyojito", "2021-03-01T10:00", certified("cert-3", &["c-003"]));
    let report = february(&mut ledger, "2021-03-02T00:00");
    let duty = report.duties.iter().find(|duty| duty.object == "c1/12/hyojito").expect("a duty");
    assert_eq!((duty.judgement.status, duty.judgement.owed, duty.judgement.met), (DutyStatus::MetLate, 3, 1));
}

#[test]
fn a_new_limit_changes_nothing_of_what_ended_before() {
    let mut ledger = queue();
    let limit = |within: &str| {
        Fact::DeadlineSet(proto::DeadlineSet {
            certificate_within: within.into(),
            ground: "定め".into(),
            ..Default::default()
        })
    };
    ledger.say("ward", "2021-01-22T09:00", limit("P7D"));
    visit(&mut ledger, 1, "2021-02-01", 9);
    ledger.say("hyojito", "2021-02-02T10:00", deleted(&["c-001"]));
    ledger.say("hyojito", "2021-02-08T10:00", certified("cert-1", &["c-001"]));
    ledger.say("ward", "2021-02-10T09:00", limit("P3D"));
    visit(&mut ledger, 2, "2021-02-11", 9);
    ledger.say("hyojito", "2021-02-12T10:00", deleted(&["c-002"]));
    ledger.say("hyojito", "2021-02-18T10:00", certified("cert-2", &["c-002"]));
    let report = february(&mut ledger, "2021-02-28T17:00");
    let state =
        |id: &str| report.data_sets.iter().find(|d| d.id == id).expect("listed").copies[0].certificate;
    assert_eq!((state("d-001"), state("d-002")), (Certificate::Received, Certificate::Late));
}

#[test]
fn a_certificate_from_before_the_erasure_says_nothing_of_it() {
    let mut ledger = queue();
    visit(&mut ledger, 1, "2021-02-01", 9);
    ledger.say("hyojito", "2021-02-01T12:00", certified("cert-1", &["c-001"]));
    ledger.say("hyojito", "2021-02-02T10:00", deleted(&["c-001"]));
    let report = february(&mut ledger, "2021-02-03T00:00");
    assert_eq!(report.data_sets[0].copies[0].certificate, Certificate::NoLimit);
    assert_eq!(report.data_sets[0].copies[0].evidence, Evidence::Attested);
    assert_eq!(report.finding_counts[&FindingCode::CertificateWithoutDeletion], 1);
    // What was erased before it, and recorded after it, it does cover.
    visit(&mut ledger, 2, "2021-02-04", 9);
    ledger.say("hyojito", "2021-02-04T12:00", certified("cert-2", &["c-002"]));
    ledger.say("hyojito", "2021-02-04T11:00", deleted(&["c-002"]));
    let report = february(&mut ledger, "2021-02-05T00:00");
    let covered = report.data_sets.iter().find(|d| d.id == "d-002").expect("listed");
    assert_eq!(covered.copies[0].certificate, Certificate::Received);
}

#[test]
fn a_rule_without_a_number_is_never_a_pass() {
    let mut ledger =
        Ledger::open(include_str!("../../../deploy/schemes/queue_notice_service.toml"), "2021-01-20");
    visit(&mut ledger, 1, "2021-02-01", 9);
    ledger.say("hyojito", "2021-02-02T10:00", deleted(&["c-001"]));
    ledger.say("hyojito", "2021-02-02T11:00", certified("cert-1", &["c-001"]));
    let report = february(&mut ledger, "2021-02-03T00:00");
    assert_eq!(verdict(&report), Verdict::NoSchedule);
    assert_eq!(report.answer.code, AnswerCode::NoSchedule);
    let status: Vec<RuleStatus> = report.rules.iter().map(|r| r.status).collect();
    use RuleStatus::{Judged, NoSchedule};
    assert_eq!(status, [Judged, NoSchedule, NoSchedule, NoSchedule, NoSchedule]);
    assert_eq!(report.rules[1].number, Number::Missing { proposal: Some("P1D".into()) });

    // The ward sets the numbers: clocks that run already get them.
    ledger.set_deadline("2021-02-04T10:00", "r2_no_longer_needed", "P1D", true);
    ledger.set_deadline("2021-02-04T10:00", "r3_work_end", "P1D", true);
    let report = february(&mut ledger, "2021-02-05T00:00");
    assert_eq!(verdict(&report), Verdict::OnTime);
    assert_eq!(report.rules[1].status, RuleStatus::NotTriggered);
    assert!(
        matches!(&report.rules[1].number, Number::Ward { by, adopts_proposal: true, .. } if by == "ward")
    );
}

#[test]
fn only_data_sets_of_the_period_are_reported_but_findings_are_of_the_whole_scheme() {
    let mut ledger = queue();
    visit(&mut ledger, 1, "2021-02-01", 9);
    visit(&mut ledger, 2, "2021-03-01", 9);
    let report = ledger.report("2021-03-01", "2021-03-31", "2021-04-01");
    assert_eq!((report.totals.data_sets, report.totals.copies), (1, 1));
    assert_eq!(report.data_sets[0].id, "d-002");
    assert_eq!(report.finding_counts[&FindingCode::Overdue], 2);
}

#[test]
fn a_key_that_was_accepted_after_it_could_not_be_trusted_is_a_finding() {
    let mut ledger = queue();
    visit(&mut ledger, 1, "2021-02-01", 9);
    ledger.revoke("hyojito", "2021-02-05T10:00", "2021-02-03T00:00");
    // The operator takes no part in the scheme.
    ledger.revoke("operator", "2021-02-05T11:00", "2021-02-03T00:00");
    let before = february(&mut ledger, "2021-02-05T09:59");
    assert_eq!(before.finding_counts.get(&FindingCode::KeyDistrusted), None);

    let report = february(&mut ledger, "2021-02-05T12:00");
    let found: Vec<_> = report.findings.iter().filter(|f| f.code == FindingCode::KeyDistrusted).collect();
    let [finding] = found.as_slice() else { panic!("{found:?}") };
    let key = ledger.public("hyojito").id();
    assert_eq!((finding.object.clone(), finding.occurrences), (format!("key/{key}"), 1));
    assert_eq!(
        finding.detail.en,
        "key of hyojito, not trusted from 2021-02-03 00:00, accepted until 2021-02-05 10:00, last number 2"
    );
    assert_eq!(finding.entries.len(), 1);
    assert!(!report.finding_meanings[&FindingCode::KeyDistrusted].ja.is_empty());

    let mut in_good_order = queue();
    in_good_order.revoke("hyojito", "2021-02-05T10:00", "2021-02-05T10:00");
    assert!(february(&mut in_good_order, "2021-02-05T12:00").finding_counts.is_empty());
}

#[test]
fn sums_add_up_and_findings_are_those_of_the_judge() {
    let mut ledger = queue_sample();
    let report = february(&mut ledger, "2021-02-28T17:00");
    let totals = &report.totals;
    assert_eq!(totals.verdicts.len(), Verdict::ALL.len());
    assert_eq!(totals.verdicts.values().sum::<u64>(), totals.copies);
    assert_eq!(totals.evidence.values().sum::<u64>(), totals.copies);
    assert_eq!(totals.certificates.values().sum::<u64>(), totals.copies);
    for tallies in [&report.systems, &report.holders] {
        assert_eq!(tallies.iter().map(|t| t.copies).sum::<u64>(), totals.copies);
        assert!(tallies.iter().all(|t| t.verdicts.values().sum::<u64>() == t.copies));
    }
    assert_eq!(report.places.iter().map(|p| p.open).sum::<u64>(), totals.open);
    for rule in &report.rules {
        assert_eq!(rule.verdicts.values().sum::<u64>(), rule.copies, "{}", rule.id);
    }
    let mut cache = daicho_custody::ContextCache::default();
    let judge =
        Judge::new(&ledger.state, &mut cache, &ledger.scheme.id).expect("readable").expect("in force");
    assert_eq!(report.findings, judge.findings(at("2021-02-28T17:00")).expect("readable"));

    let ranks: Vec<Option<Problem>> = report.data_sets.iter().map(|d| d.problem).collect();
    let problems = ranks.iter().take_while(|p| p.is_some()).count();
    assert!(ranks[..problems].is_sorted() && ranks[problems..].iter().all(Option::is_none));
    assert_eq!(ranks[0], Some(Problem::Overdue));
}

#[test]
fn json_comes_back_as_the_same_report_and_says_when_it_is_simulated() {
    let report = february(&mut queue_sample(), "2021-02-28T17:00");
    let json = serde_json::to_value(&report).expect("a report is JSON");
    assert_eq!(json["format"], DeletionReport::FORMAT);
    assert_eq!(json["ledger"]["simulated"], true);
    assert_eq!(json["as_of"], "2021-02-28T17:00:00+09:00");
    assert_eq!(json["period"]["from"], "2021-02-01");
    assert_eq!(json["totals"]["verdicts"]["on-time"], 15);
    let back: DeletionReport = serde_json::from_value(json).expect("what was written is read");
    assert_eq!(back, report);
}

#[test]
fn the_documented_sample_is_what_the_sample_ledger_gives() {
    let report = february(&mut queue_sample(), "2021-02-28T17:00");
    let documented = include_str!("../../../docs/formats/report-sample.json");
    let documented: DeletionReport = serde_json::from_str(documented).expect("the sample is a report");
    assert!(documented == report, "cargo run -p daicho-custody --example report_sample > the sample");
}

#[test]
fn every_scheme_that_we_ship_can_be_reported_on() {
    let texts = [
        include_str!("../../../deploy/schemes/special_cash_benefit.toml"),
        include_str!("../../../deploy/schemes/nhi_premium_payment.toml"),
        include_str!("../../../deploy/schemes/mynumber_card_application_support.toml"),
        include_str!("../../../deploy/schemes/convenience_store_certificate_issuance.toml"),
    ];
    for text in texts {
        let report = samples::walk(text).report("2020-05-01", "2020-12-31", "2021-03-31T17:00");
        assert!(report.totals.copies > 20, "{}", report.scheme.id);
        assert_eq!(report.totals.verdicts.values().sum::<u64>(), report.totals.copies);
    }
}
