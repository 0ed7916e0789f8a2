//! Copies that are alike are judged once and counted: whatever was recorded together, the sums are those of a walk from copy
//! to copy.

#[path = "report/ledger.rs"]
mod ledger;
#[path = "report/samples.rs"]
#[allow(dead_code, reason = "shared by tests that each use a part")]
mod samples;

use std::collections::BTreeMap;

use daicho_core::proto::{self, MilestoneScope, event::Fact};
use daicho_core::{Date, Instant};
use daicho_custody::report::{Certificate, DueDay};
use daicho_custody::{ContextCache, DeletionReport, Evidence, FindingCode, Judge, Judgement, Verdict};
use ledger::{Ledger, at, certified, data_set, deleted};
use proptest::prelude::*;

const OPERATOR: &str = "hyojito";
const KIND: &str = "ds_contact";
/// When the report is made: between any two things that may happen, and long after.
const TIMES: [&str; 6] = [
    "2021-02-01T08:30",
    "2021-02-01T12:00",
    "2021-02-02T12:00",
    "2021-02-03T12:00",
    "2021-02-08T12:00",
    "2021-03-31T12:00",
];

/// Data sets that come in one statement, each with so many copies.
#[derive(Debug, Clone)]
struct Arrival {
    data_sets: usize,
    copies: usize,
    /// Copies of different data sets at machines of their own are not alike.
    units: usize,
}

/// Something that befalls every n-th data set or copy.
#[derive(Debug, Clone)]
struct Then {
    what: What,
    every: usize,
    hour: i64,
}

#[derive(Debug, Clone, Copy)]
enum What {
    UseEnds,
    NotNeeded,
    Deleted,
    Certified,
    Confirmed,
    Deferred,
}

fn arrivals() -> impl Strategy<Value = Vec<Arrival>> {
    let one = (1usize..90, 1usize..5, prop_oneof![Just(1usize), 2usize..30]);
    prop::collection::vec(
        one.prop_map(|(data_sets, copies, units)| Arrival { data_sets, copies, units }),
        1..6,
    )
}

fn then() -> impl Strategy<Value = Vec<Then>> {
    use What::{Certified, Confirmed, Deferred, Deleted, NotNeeded, UseEnds};
    let what = prop::sample::select(vec![
        UseEnds, UseEnds, NotNeeded, Deleted, Deleted, Deleted, Certified, Confirmed, Deferred,
    ]);
    let one = (what, 1usize..9, 25i64..170).prop_map(|(what, every, hour)| Then { what, every, hour });
    prop::collection::vec(one, 0..9)
}

/// A ledger to which all of it happened.
fn played(arrivals: &[Arrival], then: &[Then]) -> Ledger {
    let mut ledger = samples::queue();
    let limits = proto::DeadlineSet {
        certificate_within: "P3D".into(),
        ground: "証明書は三日以内とする".into(),
        ..Default::default()
    };
    ledger.say("ward", "2021-01-21T10:10", Fact::DeadlineSet(limits));
    let (mut data_sets, mut copies) = (Vec::new(), Vec::new());
    for (n, arrival) in arrivals.iter().enumerate() {
        let first = data_sets.len();
        let ids: Vec<String> = (first..first + arrival.data_sets).map(|n| format!("d-{n:04}")).collect();
        let own: Vec<proto::Copy> = ids
            .iter()
            .enumerate()
            .flat_map(|(at, id)| (0..arrival.copies).map(move |n| (at, id, n)))
            .map(|(at, id, n)| proto::Copy {
                id: format!("c-{}-{n}", &id[2..]),
                data_set: id.clone(),
                system: "operator_server".into(),
                unit: format!("u{}", (at + n) % arrival.units),
            })
            .collect();
        copies.extend(own.iter().map(|copy| copy.id.clone()));
        let collected = proto::Collected {
            flow: "f01_register_contact".into(),
            data_sets: ids.iter().map(|id| data_set(id, KIND, 1, &format!("s{}", &id[1..]))).collect(),
            copies: own,
            ..Default::default()
        };
        ledger.say(OPERATOR, &format!("2021-02-01T{:02}:05", 8 + n), Fact::Collected(collected));
        data_sets.extend(ids);
    }
    let mut there = copies.clone();
    let mut gone: Vec<String> = Vec::new();
    let mut said = then.to_vec();
    said.sort_by_key(|one| one.hour);
    for one in &said {
        let every =
            |from: &[String]| -> Vec<String> { from.iter().step_by(one.every).take(300).cloned().collect() };
        let (party, fact) = match one.what {
            What::UseEnds => {
                let sessions = every(&data_sets).iter().map(|id| format!("s{}", &id[1..])).collect();
                (OPERATOR, reached("service_use_ended", MilestoneScope::Session, sessions))
            }
            What::NotNeeded => (OPERATOR, reached("no_longer_needed", MilestoneScope::Copy, every(&copies))),
            What::Deleted => {
                let which = every(&there);
                there.retain(|id| !which.contains(id));
                gone.extend(which.iter().cloned());
                let names: Vec<&str> = which.iter().map(String::as_str).collect();
                (OPERATOR, if names.is_empty() { continue } else { deleted(&names) })
            }
            What::Certified => {
                let which = every(&gone);
                let names: Vec<&str> = which.iter().map(String::as_str).collect();
                let id = format!("z-{}-{}", one.hour, one.every);
                (OPERATOR, if names.is_empty() { continue } else { certified(&id, &names) })
            }
            What::Confirmed => {
                let copies = every(&gone);
                if copies.is_empty() {
                    continue;
                }
                let manner = "立入調査".to_owned();
                ("ward", Fact::DeletionConfirmed(proto::DeletionConfirmed { copies, manner }))
            }
            What::Deferred => {
                let copies = every(&there);
                if copies.is_empty() {
                    continue;
                }
                let (until, ground) = ("2021-02-20".to_owned(), "保全する".to_owned());
                ("ward", Fact::DeletionDeferred(proto::DeletionDeferred { copies, until, ground }))
            }
        };
        let time = at("2021-02-01T00:00").plus_ms(one.hour * 3_600_000);
        ledger.say(party, &time.to_string(), fact);
    }
    ledger.play();
    ledger
}

fn reached(milestone: &str, scope: MilestoneScope, targets: Vec<String>) -> Fact {
    let (milestone, scope) = (milestone.to_owned(), scope as i32);
    Fact::MilestoneReached(proto::MilestoneReached { milestone, scope, targets })
}

/// What a walk from copy to copy counts.
#[derive(Default, Debug, PartialEq)]
struct Counted {
    verdicts: BTreeMap<Verdict, u64>,
    open_verdicts: BTreeMap<Verdict, u64>,
    evidence: BTreeMap<Evidence, u64>,
    certificates: BTreeMap<Certificate, u64>,
    /// By rule: copies, clocks that started, verdicts.
    rules: BTreeMap<String, (u64, u64, BTreeMap<Verdict, u64>)>,
    /// Copies, open ones, the last use.
    flow: (u64, u64, Option<Instant>),
    due_days: BTreeMap<Date, [u64; 4]>,
    findings: BTreeMap<FindingCode, u64>,
    /// Of the operator's duty to erase: copies for which its time came, and those that went in time.
    erasure: (u64, u64),
}

impl Counted {
    fn walk(judge: &Judge<'_>, t: Instant) -> (Self, BTreeMap<String, Judgement>) {
        let (mut counted, mut all) = (Self::default(), BTreeMap::new());
        for row in judge.copies(t, None) {
            let (id, copy) = row.expect("a readable copy");
            let judged = judge.judge(&id, &copy, t).expect("a judgement");
            counted.add(&judged, judged.certificate, copy.opened.occurred);
            all.insert(id, judged);
        }
        (counted, all)
    }

    fn add(&mut self, judged: &Judgement, certificate: Certificate, opened: Instant) {
        let open = u64::from(judged.closed.is_none());
        *self.verdicts.entry(judged.verdict).or_default() += 1;
        if open == 1 {
            *self.open_verdicts.entry(judged.verdict).or_default() += 1;
        }
        *self.evidence.entry(judged.evidence).or_default() += 1;
        *self.certificates.entry(certificate).or_default() += 1;
        for one in &judged.rules {
            let rule = self.rules.entry(one.rule.to_string()).or_default();
            rule.0 += 1;
            rule.1 += u64::from(one.triggered.is_some());
            *rule.2.entry(one.verdict).or_default() += 1;
        }
        self.flow = (self.flow.0 + 1, self.flow.1 + open, self.flow.2.max(Some(opened)));
        let place = match judged.verdict {
            Verdict::OnTime | Verdict::Returned | Verdict::Moved => Some(0),
            Verdict::Late => Some(1),
            Verdict::Due | Verdict::Deferred | Verdict::NotTriggered => Some(2),
            Verdict::Overdue => Some(3),
            Verdict::NoSchedule | Verdict::NotJudged => None,
        };
        if let (Some(due), Some(place)) = (judged.due, place) {
            self.due_days.entry(due.jst_day()).or_default()[place] += 1;
        }
        let mut codes: Vec<FindingCode> = judged.findings.iter().map(|(code, _)| *code).collect();
        codes.sort();
        codes.dedup();
        codes.into_iter().for_each(|code| *self.findings.entry(code).or_default() += 1);
        let waits = matches!(judged.verdict, Verdict::Due | Verdict::Deferred | Verdict::NotTriggered);
        let met = matches!(judged.verdict, Verdict::OnTime | Verdict::Returned | Verdict::Moved);
        self.erasure.0 += u64::from(!waits && judged.verdict != Verdict::NotJudged);
        self.erasure.1 += u64::from(met);
    }

    /// The same out of a report. Of findings those that the walk knows.
    fn reported(report: &DeletionReport, known: &Self) -> Self {
        let occurring = |counts: &BTreeMap<Verdict, u64>| -> BTreeMap<Verdict, u64> {
            counts.iter().filter(|(_, n)| **n > 0).map(|(verdict, n)| (*verdict, *n)).collect()
        };
        let flow = report.flows.iter().find(|flow| flow.id == "f01_register_contact").expect("its flow");
        let duty = report.duties.iter().find(|duty| duty.object == "c1/11/hyojito").expect("its duty");
        let rules = report.rules.iter().filter(|rule| rule.copies > 0);
        let day = |day: &DueDay| (day.day, [day.in_time, day.late, day.kept, day.overdue]);
        let copy_codes = report.finding_counts.iter().filter(|(code, _)| known.findings.contains_key(code));
        Self {
            verdicts: occurring(&report.totals.verdicts),
            open_verdicts: report.places.iter().flat_map(|place| occurring(&place.open_verdicts)).collect(),
            evidence: report.totals.evidence.clone().into_iter().filter(|(_, n)| *n > 0).collect(),
            certificates: report.totals.certificates.clone().into_iter().filter(|(_, n)| *n > 0).collect(),
            rules: rules
                .map(|rule| (rule.id.clone(), (rule.copies, rule.started, occurring(&rule.verdicts))))
                .collect(),
            flow: (flow.copies, flow.open, flow.last_use),
            due_days: report.due_days.iter().map(day).collect(),
            findings: copy_codes.map(|(code, n)| (*code, *n)).collect(),
            erasure: (duty.judgement.owed, duty.judgement.met),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn sums_are_those_of_a_walk_from_copy_to_copy(arrivals in arrivals(), then in then()) {
        let mut ledger = played(&arrivals, &then);
        for time in TIMES {
            let report = ledger.report("2021-01-01", "2021-12-31", time);
            let mut cache = ContextCache::default();
            let judge = Judge::new(&ledger.state, &mut cache, &ledger.scheme.id).expect("readable");
            let judge = judge.expect("in force");
            let (walked, judgements) = Counted::walk(&judge, at(time));
            prop_assert_eq!(Counted::reported(&report, &walked), walked, "{}", time);
            let batches: u64 = report.batches.iter().map(|batch| batch.copies).sum();
            prop_assert_eq!(batches, judgements.len() as u64);
            for copy in report.data_sets.iter().flat_map(|data_set| &data_set.copies) {
                let judged = &judgements[&copy.id];
                prop_assert_eq!(copy.verdict, judged.verdict, "{}", copy.id);
                prop_assert_eq!(copy.rule.as_deref(), judged.rule.as_deref(), "{}", copy.id);
                prop_assert_eq!(copy.due, judged.due, "{}", copy.id);
                prop_assert_eq!(&copy.entries, &judged.entries, "{}", copy.id);
            }
            // Each finding of a copy is about a copy that has it.
            for finding in judge.findings(at(time)).expect("readable") {
                if let Some(judged) = judgements.get(&finding.object) {
                    prop_assert!(judged.findings.iter().any(|(code, _)| *code == finding.code), "{:?}", finding);
                }
            }
        }
    }
}
