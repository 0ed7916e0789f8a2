//! Ledgers from which samples of reports are made: one small and real, and a walk through any scheme.

use daicho_core::proto::{self, MilestoneScope, event::Fact};
use daicho_custody::scheme::{Flow, Scope, Witness};

use super::ledger::{Ledger, at, certified, copy, data_set, deleted, milestone, part};

const QUEUE: &str = include_str!("../../../../deploy/schemes/queue_notice_service.toml");

/// An empty ledger of the queue notices, with the ward's numbers for the rules that have none.
pub(crate) fn queue() -> Ledger {
    let mut ledger = Ledger::open(QUEUE, "2021-01-20T09:00");
    ledger.set_deadline("2021-01-21T10:00", "r2_no_longer_needed", "P1D", true);
    ledger.set_deadline("2021-01-21T10:05", "r3_work_end", "P1D", true);
    ledger
}

/// A contact address comes in and its use ends half an hour later. Ids: `d-N`, `c-N`, `s-N`.
pub(crate) fn visit(ledger: &mut Ledger, n: u32, day: &str, hour: u32) {
    let (d, c, s) = (format!("d-{n:03}"), format!("c-{n:03}"), format!("s-{n:03}"));
    let collected = proto::Collected {
        flow: "f01_register_contact".into(),
        data_sets: vec![data_set(&d, "ds_contact", 1, &s)],
        copies: vec![copy(&c, &d, "operator_server")],
        ..Default::default()
    };
    ledger.say("hyojito", &format!("{day}T{hour:02}:05"), Fact::Collected(collected));
    let ended = milestone("service_use_ended", MilestoneScope::Session, &s);
    ledger.say("hyojito", &format!("{day}T{hour:02}:35"), ended);
}

/// Three days of the queue notices: in time, late, overdue, unproven, without schedule.
pub(crate) fn queue_sample() -> Ledger {
    let mut ledger = queue();
    let limits = proto::DeadlineSet {
        certificate_within: "P7D".into(),
        report_within: "P1D".into(),
        ground: "証明書は一週間以内、記録は翌日までとする".into(),
        ..Default::default()
    };
    ledger.say("ward", "2021-01-21T10:10", Fact::DeadlineSet(limits));
    for (i, day) in ["2021-02-01", "2021-02-02", "2021-02-03"].into_iter().enumerate() {
        for hour in 0..6 {
            visit(&mut ledger, i as u32 * 6 + hour + 1, day, 9 + hour);
        }
    }
    // The third address also goes to LINE, for which the source has neither a basis nor a rule.
    let given = proto::HandoverGiven {
        handover: "h-line-003".into(),
        flow: "f04_notice_line".into(),
        copies: vec![part("c-003")],
        ..Default::default()
    };
    ledger.say("hyojito", "2021-02-01T11:20", Fact::HandoverGiven(given));
    let received = proto::HandoverReceived {
        handover: "h-line-003".into(),
        flow: "f04_notice_line".into(),
        copies: vec![copy("c-003-line", "d-003", "line_platform")],
        ..Default::default()
    };
    ledger.say_late(
        "hyojito",
        "line_corp",
        "2021-02-01T11:20",
        "2021-02-01T11:21",
        Fact::HandoverReceived(received),
    );
    ledger.say(
        "hyojito",
        "2021-02-02T23:00",
        deleted(&["c-001", "c-002", "c-003", "c-004", "c-005", "c-006"]),
    );
    ledger.say("hyojito", "2021-02-03T23:00", deleted(&["c-007", "c-008", "c-009", "c-010"]));
    ledger.say("hyojito", "2021-02-04T22:30", deleted(&["c-013", "c-014", "c-015", "c-016", "c-017"]));
    let all = ["c-001", "c-002", "c-003", "c-004", "c-005", "c-006", "c-007", "c-008", "c-009"];
    ledger.say("hyojito", "2021-02-05T10:00", certified("cert-0205", &all));
    ledger.say("hyojito", "2021-02-06T11:20", deleted(&["c-011"]));
    ledger.say("hyojito", "2021-02-08T10:00", certified("cert-0208", &["c-011", "c-013", "c-014", "c-015"]));
    let confirmed = proto::DeletionConfirmed {
        copies: vec!["c-001".into(), "c-002".into()],
        manner: "立入調査".into(),
    };
    ledger.say("ward", "2021-02-09T14:00", Fact::DeletionConfirmed(confirmed));
    let deferred = proto::DeletionDeferred {
        copies: vec!["c-018".into()],
        until: "2021-03-31".into(),
        ground: "事故の調査のため保全する".into(),
    };
    ledger.say("ward", "2021-02-04T09:00", Fact::DeletionDeferred(deferred));
    ledger
}

/// Uses each flow of a scheme a few times, adopts every second proposal and erases part of the copies.
pub(crate) fn walk(text: &str) -> Ledger {
    let mut ledger = Ledger::open(text, "2020-05-01T09:00");
    let rules = ledger.scheme.rules.clone();
    for (i, rule) in rules.iter().enumerate() {
        if let Some(proposal) = rule.deadline.proposal.filter(|_| i % 3 != 2) {
            ledger.set_deadline("2020-05-02T10:00", &rule.id, &proposal.to_string(), true);
        }
    }
    let flows = ledger.scheme.flows.clone();
    let mut open = Vec::new();
    for round in 0..3 {
        for (i, flow) in flows.iter().enumerate() {
            let day = at("2020-05-20").jst_day().plus_days(round * 9 + i as i32);
            open.extend(use_flow(
                &mut ledger,
                flow,
                &format!("{day}T10:00"),
                &format!("{:02}-{round}", i + 1),
            ));
        }
    }
    for (n, (holder, copy, data_set)) in open.iter().enumerate() {
        for rule in rules.iter().filter(|r| r.trigger.milestone != "none" && r.holders.contains(holder)) {
            let (scope, target) = match rule.trigger.scope {
                Scope::Copy => (MilestoneScope::Copy, copy),
                Scope::DataSet => (MilestoneScope::DataSet, data_set),
                _ => continue,
            };
            if n % 4 != 3 && rule.trigger.stated_by.is_empty() {
                ledger.say("ward", "2020-07-20T10:00", milestone(&rule.trigger.milestone, scope, target));
            }
        }
        let writes = ledger.scheme.party(holder).is_some_and(|p| p.writes);
        match n % 5 {
            0 | 1 if writes => ledger.say(holder, "2020-07-20T18:00", deleted(&[copy])),
            2 if writes => ledger.say(holder, "2020-09-20T18:00", deleted(&[copy])),
            _ => {}
        }
    }
    ledger
}

/// One use of a flow. Returns holder, copy and data set of what it opened.
fn use_flow(ledger: &mut Ledger, flow: &Flow, time: &str, n: &str) -> Vec<(String, String, String)> {
    let (d, from, to) = (format!("{}-{n}", flow.data_set), format!("c-{n}-a"), format!("c-{n}-b"));
    let first = ledger.scheme.systems[0].id.clone();
    let system = |end: &daicho_custody::scheme::End| end.system.clone().unwrap_or_else(|| first.clone());
    let sets = vec![data_set(&d, &flow.data_set, 40 + n.len() as u64, &format!("job-{n}"))];
    let (giver, taker) = (flow.from.party.clone(), flow.to.party.clone());
    let mut opened = Vec::new();
    match flow.witness {
        Witness::TakerOnly => {
            let copies = vec![copy(&to, &d, &system(&flow.to))];
            let fact =
                proto::Collected { flow: flow.id.clone(), data_sets: sets, copies, ..Default::default() };
            ledger.say(&taker, time, Fact::Collected(fact));
            opened.push((taker, to, d));
        }
        Witness::Internal => {
            let copies = vec![copy(&to, &d, &system(&flow.to))];
            let fact =
                proto::Derived { flow: flow.id.clone(), data_sets: sets, copies, ..Default::default() };
            ledger.say(&giver, time, Fact::Derived(fact));
            opened.push((taker, to, d));
        }
        Witness::TwoSided | Witness::GiverOnly => {
            let copies = vec![copy(&from, &d, &system(&flow.from))];
            let fact = proto::Derived { data_sets: sets, copies, ..Default::default() };
            ledger.say(&giver, time, Fact::Derived(fact));
            let handover = format!("h-{n}");
            let fact = proto::HandoverGiven {
                handover: handover.clone(),
                flow: flow.id.clone(),
                copies: vec![part(&from)],
                ..Default::default()
            };
            ledger.say(&giver, time, Fact::HandoverGiven(fact));
            opened.push((giver, from, d.clone()));
            if flow.witness == Witness::TwoSided {
                let copies = vec![copy(&to, &d, &system(&flow.to))];
                let fact =
                    proto::HandoverReceived { handover, flow: flow.id.clone(), copies, ..Default::default() };
                ledger.say(&taker, time, Fact::HandoverReceived(fact));
                opened.push((taker, to, d));
            }
        }
        Witness::Observed => {}
    }
    opened
}
