//! What one party cannot do to another: take its side of a handover, weigh down the ledger with its numbers, undo a consent.

#[path = "report/ledger.rs"]
mod ledger;

use daicho_core::proto;
use daicho_core::proto::event::Fact;
use daicho_core::{Refusal, RefusalCode};
use daicho_custody::scheme::Witness;
use daicho_custody::state::{ActRecord, HandoverRecord, Scan as _, Table, decode, key};
use daicho_custody::{FindingCode, FoldError, handovers_of};
use ledger::{Ledger, at};

const BENEFIT: &str = include_str!("../../../deploy/schemes/special_cash_benefit.toml");
const TIME: &str = "2020-06-01T10:00";

/// A flow with two sides that write, and somebody who has no part in it.
struct Handover {
    ledger: Ledger,
    flow: String,
    giver: String,
    taker: String,
    stranger: String,
}

impl Handover {
    fn new() -> Self {
        let ledger = Ledger::open(BENEFIT, "2020-05-01T09:00");
        let scheme = &ledger.scheme;
        let writes = |id: &str| scheme.parties.iter().any(|p| p.id == id && p.writes);
        let both = |f: &&daicho_custody::scheme::Flow| {
            f.witness == Witness::TwoSided && writes(&f.from.party) && writes(&f.to.party)
        };
        let flow = scheme.flows.iter().find(both).expect("a flow with two sides").clone();
        let (giver, taker) = (flow.from.party, flow.to.party);
        let other = scheme.parties.iter().find(|p| p.writes && ![&giver, &taker].contains(&&p.id));
        let stranger = other.expect("a third party").id.clone();
        Self { ledger, flow: flow.id, giver, taker, stranger }
    }

    fn gives(&mut self, who: &str, flow: &str, to: &str) -> Result<(), FoldError> {
        let (handover, flow, to_party) = ("h-1".into(), flow.into(), to.into());
        let given = proto::HandoverGiven { handover, flow, to_party, ..Default::default() };
        self.ledger.try_say(who, TIME, Fact::HandoverGiven(given))
    }

    fn receives(&mut self, who: &str, flow: &str) -> Result<(), FoldError> {
        let (handover, flow) = ("h-1".into(), flow.into());
        let received = proto::HandoverReceived { handover, flow, ..Default::default() };
        self.ledger.try_say(who, TIME, Fact::HandoverReceived(received))
    }

    /// The handover of this giver and taker.
    fn record(&self, giver: &str) -> HandoverRecord {
        let known = handovers_of(&self.ledger.state, &self.ledger.scheme.id, "h-1").expect("readable");
        known.into_iter().find(|h| h.giver == giver && h.taker == self.taker).expect("recorded")
    }

    fn mismatches(&self) -> usize {
        let word = FindingCode::HandoverMismatched.word();
        self.ledger.state.scan(&key(Table::Finding, &[&self.ledger.scheme.id, word]), None).count()
    }

    /// Both sides say the same, whatever others say to it and when.
    fn ends_well(&self, strangers: usize) {
        let record = self.record(&self.giver);
        assert_eq!((&record.flow, record.mismatched), (&self.flow, false));
        assert!(record.given.is_some() && record.received.is_some());
        assert_eq!(self.mismatches(), strangers);
    }
}

fn refused_as(result: Result<(), FoldError>) -> Option<RefusalCode> {
    match result {
        Err(FoldError::Refused(Refusal { code, .. })) => Some(code),
        _ => None,
    }
}

#[test]
fn a_stranger_takes_neither_side_of_a_handover_whenever_it_speaks() {
    for when in 0..3 {
        let mut h = Handover::new();
        let (flow, giver, taker, stranger) =
            (h.flow.clone(), h.giver.clone(), h.taker.clone(), h.stranger.clone());
        for n in 0..3 {
            if n == when {
                // To have received it, and to have given it to somebody.
                h.receives(&stranger, "").expect("recorded, as a finding where it does not fit");
                h.gives(&stranger, "", &taker).expect("the same");
            }
            match n {
                0 => h.gives(&giver, &flow, "").expect("the giver's own side"),
                1 => h.receives(&taker, &flow).expect("the taker's own side"),
                _ => {}
            }
        }
        let (record, found) = (h.record(&giver), h.mismatches());
        assert!(!record.mismatched, "stranger at {when}");
        assert!(record.given.is_some() && record.received.is_some(), "stranger at {when}");
        assert!(found >= 2, "stranger at {when}: {found}");
        assert_eq!(refused_as(h.gives(&giver, &flow, "")), Some(RefusalCode::DuplicateId));
        assert_eq!(refused_as(h.receives(&taker, &flow)), Some(RefusalCode::DuplicateId));
    }
}

#[test]
fn the_taker_may_speak_first_also_after_a_stranger() {
    let mut h = Handover::new();
    let (flow, giver, taker, stranger) =
        (h.flow.clone(), h.giver.clone(), h.taker.clone(), h.stranger.clone());
    h.receives(&stranger, "").expect("recorded");
    h.receives(&taker, &flow).expect("recorded");
    h.gives(&giver, &flow, "").expect("recorded");
    h.ends_well(1);
}

#[test]
fn a_taker_outside_every_flow_learns_who_gave() {
    let mut h = Handover::new();
    let (giver, taker) = (h.giver.clone(), h.taker.clone());
    h.receives(&taker, "").expect("recorded");
    let then = h.record("").received.expect("it spoke").recorded;
    h.gives(&giver, "", &taker).expect("recorded");
    h.flow.clear();
    h.ends_well(0);
    // And what was known before is what was known before.
    assert_eq!(h.record(&giver).giver_at(then.plus_ms(-1)), "");
}

#[test]
fn a_giver_says_to_whom() {
    let mut h = Handover::new();
    let (giver, taker, stranger) = (h.giver.clone(), h.taker.clone(), h.stranger.clone());
    h.receives(&stranger, "").expect("recorded");
    h.gives(&giver, "", &taker).expect("recorded");
    h.receives(&taker, "").expect("its side is free");
    h.flow.clear();
    h.ends_well(1);
}

#[test]
fn a_key_leaves_out_few_numbers() {
    let mut h = Handover::new();
    let attested = |n: u64| {
        Fact::ActPerformed(proto::ActPerformed {
            kind: "training".into(),
            target: format!("t-{n}"),
            ..Default::default()
        })
    };
    let who = h.stranger.clone();
    let say = |ledger: &mut Ledger, n: u64| {
        ledger.number_next(&who, n);
        ledger.try_say(&who, TIME, attested(n))
    };
    for n in 1..=256 {
        say(&mut h.ledger, 2 * n).unwrap_or_else(|error| panic!("{n}: {error}"));
    }
    assert_eq!(refused_as(say(&mut h.ledger, 514)), Some(RefusalCode::Malformed));
    say(&mut h.ledger, 513).expect("it goes on from the last one");
    assert_eq!(refused_as(say(&mut h.ledger, 515)), Some(RefusalCode::Malformed));
    say(&mut h.ledger, 1).expect("what was left out may come");
    assert_eq!(refused_as(say(&mut h.ledger, 515)), Some(RefusalCode::Malformed), "it made no room");
    say(&mut h.ledger, 3).expect("the same");
    say(&mut h.ledger, 515).expect("there is room for one more");
}

#[test]
fn a_past_time_shows_the_numbers_that_were_left_out_then() {
    let mut h = Handover::new();
    let who = h.stranger.clone();
    let act = || Fact::ActPerformed(proto::ActPerformed { kind: "training".into(), ..Default::default() });
    let mut gaps = Vec::new();
    for (number, time) in [(5, "10:00"), (3, "11:00"), (1, "12:00"), (2, "13:00"), (4, "14:00")] {
        h.ledger.number_next(&who, number);
        h.ledger.try_say(&who, &format!("2020-06-01T{time}"), act()).expect("recorded");
        let found =
            daicho_custody::key_findings(&h.ledger.state, at("2020-06-01T14:30"), &Default::default(), |p| {
                p == who
            });
        gaps.push(found.expect("readable").first().map(|f| (f.detail.en.clone(), f.occurrences)));
    }
    let then = |hour: u32| {
        let t = at(&format!("2020-06-01T{hour}:30"));
        let found =
            daicho_custody::key_findings(&h.ledger.state, t, &Default::default(), |party| party == who);
        found.expect("readable").first().map(|f| (f.detail.en.clone(), f.occurrences))
    };
    // What was seen then is what is seen now of then.
    assert_eq!(gaps, (10..15).map(then).collect::<Vec<_>>());
    assert_eq!(then(10), Some((format!("numbers 1 to 4 of {who}"), 1)));
    assert_eq!(then(11), Some((format!("numbers 1 to 2 of {who}"), 2)));
    assert_eq!((then(9), then(14)), (None, None));
}

#[test]
fn consents_under_several_contracts_stay_beside_each_other() {
    let mut h = Handover::new();
    let scheme = h.ledger.scheme.clone();
    let contracts: Vec<String> = scheme.contracts.iter().map(|c| c.id.clone()).take(2).collect();
    let party = h.stranger.clone();
    for contract in &contracts {
        let approved = proto::SubcontractApproved {
            contract: contract.clone(),
            party: party.clone(),
            ..Default::default()
        };
        h.ledger.try_say("ward", TIME, Fact::SubcontractApproved(approved)).expect("the ward's to say");
    }
    let recipient = proto::RecipientApproved { party: party.clone(), ..Default::default() };
    h.ledger.try_say("ward", TIME, Fact::RecipientApproved(recipient)).expect("the ward's to say");
    let acts = h.ledger.state.scan(&key(Table::Act, &[&scheme.id, "subcontract-approved"]), None);
    let acts: Vec<ActRecord> = acts.map(|row| decode(&row.expect("readable").1).expect("an act")).collect();
    assert_eq!(acts.iter().map(|act| &act.target).collect::<Vec<_>>(), contracts.iter().collect::<Vec<_>>());
    assert!(acts.iter().all(|act| act.counterpart == party));
}
