//! Every play, folded and judged in memory: nothing is refused, everything is touched, and what is found is what was declared.

use std::collections::{BTreeMap, BTreeSet};

use daicho_core::proto::{self, event::Fact};
use daicho_core::{
    ChainHash, EntryIndex, Instant, KeyId, Origin, ParsedStatement, Place, SigningKey, VerifyingKey,
    sign_statement,
};
use daicho_custody::fold::{FOLD_VERSION, Fold, FoldError};
use daicho_custody::scheme::Scheme;
use daicho_custody::state::{Changes, DataSetRecord, MemoryState, Scan as _, Table, decode, key};
use daicho_custody::{ContextCache, DeletionReport, Finding, FindingCode, Judge, ReportHead, Verdict};

use super::assumptions::Assumptions;
use super::build::{self, Order};
use super::faults::{Fault, FaultSet, Seen, by_code, total};
use super::plan::{Part, Plan, Signer, Step};
use super::setup::Source;
use super::{baseline, parse_scale, replies};

const COMMON: &str = include_str!("../../../../deploy/schemes/common.toml");
const FILES: [&str; 5] = [
    include_str!("../../../../deploy/schemes/mynumber_card_application_support.toml"),
    include_str!("../../../../deploy/schemes/convenience_store_certificate_issuance.toml"),
    include_str!("../../../../deploy/schemes/queue_notice_service.toml"),
    include_str!("../../../../deploy/schemes/special_cash_benefit.toml"),
    include_str!("../../../../deploy/schemes/nhi_premium_payment.toml"),
];
const ORIGIN: &str = "test.example/play/simulated";
const TINY: u64 = 300;
const SMALL: u64 = 1_500;

fn sources() -> Vec<Source> {
    FILES.iter().map(|text| Source::parse(text, COMMON).expect("a shipped scheme")).collect()
}

fn plan_of(scale_ppm: u64, seed: u64, faults: &FaultSet) -> Plan {
    let (sources, assumptions) = (sources(), Assumptions::load());
    let order =
        Order { sources: &sources, scale_ppm, seed, faults, origin: ORIGIN, assumptions: &assumptions };
    build::plan(&order).expect("a plan")
}

/// A ledger in memory that takes only what a real one would take.
struct Ledger {
    fold: Fold,
    state: MemoryState,
    keys: BTreeMap<Signer, (SigningKey, u64)>,
    known: BTreeMap<KeyId, VerifyingKey>,
    size: u64,
}

impl Ledger {
    fn new(plan: &Plan, seed: u64) -> Self {
        let ward = SigningKey::from_seed(&[7; 32]);
        let mut keys: BTreeMap<Signer, (SigningKey, u64)> =
            plan.signers().into_iter().map(|signer| (signer.clone(), (signer.key(seed), 0))).collect();
        keys.insert(Signer::ward(), (SigningKey::from_seed(&[7; 32]), 0));
        let operator = SigningKey::from_seed(&[8; 32]);
        let mut known = BTreeMap::new();
        for key in keys.values().map(|(key, _)| key).chain([&operator]) {
            known.insert(key.public().id(), key.public().to_verifying_key().expect("a good key"));
        }
        let mut ledger = Self { fold: Fold::default(), state: MemoryState::new(), keys, known, size: 0 };
        let opened = proto::LedgerOpened {
            origin: ORIGIN.to_owned(),
            clock: proto::Clock::Simulated as i32,
            fold_version: FOLD_VERSION,
            operator_party: "operator".to_owned(),
            operator_key: Some(operator.public().to_proto()),
            ward_party: "ward".to_owned(),
            operator_label: "運用者".to_owned(),
            ward_label: "新宿区".to_owned(),
            ward_key: Some(ward.public().to_proto()),
        };
        let at = Instant::parse("2018-08-01").expect("a day");
        ledger.record(at, &operator, 1, vec![daicho_client::event("", at, Fact::LedgerOpened(opened))]);
        ledger
    }

    fn record(&mut self, at: Instant, key: &SigningKey, n: u64, events: Vec<proto::Event>) {
        let said = format!("{:?}", events[0]);
        let changes = self.apply(at, key, n, events);
        self.state.apply(changes.unwrap_or_else(|error| panic!("{error}: {said}")));
        self.size += 1;
    }

    fn apply(
        &mut self,
        at: Instant,
        key: &SigningKey,
        n: u64,
        events: Vec<proto::Event>,
    ) -> Result<Changes, FoldError> {
        let said = format!("{:?}", events[0]);
        let signed = sign_statement(ORIGIN, &[(key, n)], events);
        let known = |id: &KeyId| self.known.get(id);
        let checked = ParsedStatement::parse(signed).and_then(|parsed| parsed.check(ORIGIN, known));
        let checked = checked.unwrap_or_else(|refusal| panic!("{refusal}: {said}"));
        let previous = ChainHash::of_origin(&Origin::new(ORIGIN).expect("a name"));
        let place = Place { index: EntryIndex::new(self.size), recorded: at, previous };
        self.fold.apply(&self.state, &checked, place)
    }

    fn step(&mut self, step: &Step) {
        let (key, n) = self.keys.remove(&step.signer).expect("each signer has a key");
        if step.refused {
            let answer = self.apply(step.at, &key, n + 1, step.events.clone());
            assert!(matches!(answer, Err(FoldError::Refused(_))), "taken: {:?}", step.events);
        } else {
            self.record(step.at, &key, n + 1, step.events.clone());
        }
        self.keys.insert(step.signer.clone(), (key, n + 1));
    }

    /// Plays in waves, parties of a wave in another order when `reversed`.
    fn play(plan: &Plan, seed: u64, reversed: bool) -> Self {
        let mut ledger = Self::new(plan, seed);
        for (_, waves) in plan.ticks() {
            for mut wave in waves {
                if reversed {
                    // Stable: each party's own order stays.
                    wave.sort_by_key(|step| std::cmp::Reverse(&step.signer));
                }
                wave.into_iter().for_each(|step| ledger.step(step));
            }
        }
        ledger
    }

    fn judge(&self, part: &Part) -> Judge<'_> {
        let judge = Judge::new(&self.state, &mut ContextCache::default(), &part.id);
        judge.expect("a readable state").expect("a scheme in force")
    }

    fn report(&self, part: &Part) -> DeletionReport {
        let (origin, chain_hash_hex) = (ORIGIN.to_owned(), String::new());
        let head = ReportHead {
            origin,
            simulated: true,
            size: self.size,
            chain_hash_hex,
            last_recorded: part.as_of,
        };
        let mut cache = ContextCache::default();
        let ever = (Instant::EPOCH.jst_day(), part.as_of.jst_day());
        let report = DeletionReport::compute(&self.state, &mut cache, &part.id, ever, part.as_of, head);
        report.expect("a readable state").expect("a scheme in force")
    }

    fn findings(&self, part: &Part) -> Vec<Finding> {
        self.judge(part).findings(part.as_of).expect("a readable state")
    }
}

/// Plays and checks that exactly the holes and the declared faults are found.
fn check(scale: u64, seed: u64, faults: &FaultSet) -> (Plan, Ledger) {
    let plan = plan_of(scale, seed, faults);
    let ledger = Ledger::play(&plan, seed, false);
    for part in &plan.parts {
        let findings = ledger.findings(part);
        let mut expected = total(&part.injected);
        for (code, n) in &part.baseline {
            *expected.entry(*code).or_default() += n;
        }
        let shown: Vec<_> = findings.iter().map(|f| (f.code.word(), &f.object, &f.detail.en)).collect();
        assert_eq!(
            by_code(findings.iter().map(|f| f.code)),
            expected,
            "{} with {faults:?}: {shown:#?}",
            part.id
        );
    }
    (plan, ledger)
}

#[test]
fn a_faultless_play_shows_the_holes_of_the_papers_and_nothing_else() {
    for (scale, seed) in [(TINY, 1), (TINY, 2), (SMALL, 1), (SMALL, 2)] {
        let (plan, ledger) = check(scale, seed, &FaultSet::default());
        assert!(plan.parts.iter().all(|part| part.injected.is_empty()));
        for part in &plan.parts {
            let found: BTreeSet<_> =
                ledger.findings(part).into_iter().map(|finding| (finding.code, finding.object)).collect();
            let holes = baseline::of(&part.id).into_iter().map(|hole| (hole.code, hole.object));
            assert_eq!(found, holes.collect(), "{}", part.id);
        }
    }
}

#[test]
fn all_faults_together_are_found_code_by_code() {
    for (scale, seed) in [(TINY, 1), (SMALL, 2)] {
        let (plan, ledger) = check(scale, seed, &FaultSet::all());
        let seen: BTreeSet<Fault> =
            plan.parts.iter().flat_map(|part| &part.injected).map(|one| one.fault).collect();
        assert_eq!(seen.len(), Fault::ALL.len(), "each fault is played somewhere");
        let several =
            |part: &&Part| part.injected.iter().map(|one| one.fault).collect::<BTreeSet<_>>().len() > 1;
        assert!(plan.parts.iter().filter(several).count() >= 4);
        let data_sets = verdicts_add_up(&plan, &ledger);
        assert!(scale == TINY || data_sets > 600, "{data_sets}: enough for several parts");
    }
}

/// A finding with the first entry that shows it.
fn seen(f: &Finding) -> (Seen, Option<EntryIndex>) {
    (Seen::new(f.code, &f.object, &f.detail.en), f.entries.first().copied())
}

#[test]
fn what_is_said_about_findings_stands_beside_them() {
    let (plan, mut ledger) = check(TINY, 1, &FaultSet::all());
    let end = plan.parts.iter().map(|part| part.as_of).max().expect("parts");
    let mut kinds = BTreeSet::new();
    for part in &plan.parts {
        let before = ledger.judge(part).findings(end).expect("a readable state");
        let known = ledger.judge(part).findings(replies::time(part)).expect("a readable state");
        let found: Vec<_> = known.iter().map(seen).collect();
        for reply in replies::of(part) {
            let step = reply.step(part, &found).expect("there is something to reply to");
            ledger.step(&Step { at: end, ..step });
        }
        let after = ledger.judge(part).findings(end).expect("a readable state");
        assert_eq!(by_code(after.iter().map(|f| f.code)), by_code(before.iter().map(|f| f.code)));
        // A correction stands beside each finding that its entry shows.
        let answers = after.iter().flat_map(|finding| &finding.answers);
        let answers: BTreeSet<_> = answers.map(|answer| (answer.entry, answer.kind)).collect();
        let mut counts = BTreeMap::new();
        for (_, kind) in answers {
            *counts.entry(kind.word()).or_insert(0) += 1;
            kinds.insert(kind);
        }
        assert_eq!(counts, replies::counts(part), "{}", part.id);
    }
    assert_eq!(kinds.len(), 5, "a correction, a dispute and the ward's three decisions: {kinds:?}");
}

#[test]
fn each_fault_alone_is_found_in_what_it_touched() {
    for fault in Fault::ALL {
        let (plan, ledger) = check(TINY, 3, &FaultSet::only(*fault));
        assert!(plan.parts.iter().any(|part| !part.injected.is_empty()), "{fault:?}");
        for part in &plan.parts {
            let found = ledger.findings(part);
            let found: Vec<Seen> = found.iter().map(|f| Seen::new(f.code, &f.object, &f.detail.en)).collect();
            assert_eq!(part.strays(&found), Vec::<&Seen>::new(), "{fault:?}");
            let at_reply = ledger.judge(part).findings(replies::time(part)).expect("a readable state");
            let at_reply: Vec<_> = at_reply.iter().map(seen).collect();
            assert!(replies::of(part).all(|reply| reply.step(part, &at_reply).is_some()), "{fault:?}");
        }
    }
}

#[test]
fn a_finding_about_something_else_is_a_stray() {
    let plan = plan_of(TINY, 3, &FaultSet::only(Fault::UnapprovedSubcontractor));
    let part = plan.parts.iter().find(|part| part.id == "special_cash_benefit").expect("a part");
    let code = FindingCode::SubcontractNotApproved;
    let stray = |code, object| !part.strays(&[Seen::new(code, object, "")]).is_empty();
    assert!(!stray(code, "helping-printer"));
    assert!(
        stray(code, "helping-printer-2") && stray(code, "") && stray(FindingCode::Overdue, "helping-printer")
    );
}

/// What the report sums in parts of the work is what a walk over the copies counts, one after the other. Returns the most
/// data sets of a scheme.
fn verdicts_add_up(plan: &Plan, ledger: &Ledger) -> u64 {
    let mut most = 0;
    for part in &plan.parts {
        let judge = ledger.judge(part);
        let rules = &judge.context_at(part.as_of).scheme.rules;
        let (mut verdicts, mut evidence) = (BTreeMap::<Verdict, u64>::new(), BTreeMap::<_, u64>::new());
        let (mut at_systems, mut of_rules) = (BTreeMap::new(), vec![(0, 0); rules.len()]);
        for row in judge.copies(part.as_of, None) {
            let (id, copy) = row.expect("a readable copy");
            let judged = judge.judge(&id, &copy, part.as_of).expect("a judgement");
            *verdicts.entry(judged.verdict).or_default() += 1;
            *evidence.entry(judged.evidence).or_default() += 1;
            let (copies, open) = at_systems.entry(copy.system.clone()).or_insert((0, 0));
            *copies += 1;
            *open += u64::from(judged.closed.is_none());
            for one in &judged.rules {
                of_rules[one.place].0 += 1;
                of_rules[one.place].1 += u64::from(one.triggered.is_some());
            }
        }
        assert_eq!(verdicts.values().sum::<u64>(), part.copies, "{}: {verdicts:?}", part.id);
        assert!(verdicts.len() > 2, "{}: {verdicts:?}", part.id);

        // A data set that was only passed on has no copy.
        let data_sets = ledger.state.scan(&key(Table::DataSet, &[&part.id]), None).filter(|row| {
            let (_, value) = row.as_ref().expect("a readable row");
            decode::<DataSetRecord>(value).expect("a data set").opened.recorded <= part.as_of
        });
        let data_sets = data_sets.count() as u64;

        let report = ledger.report(part);
        let of = |id: &str| report.systems.iter().find(|tally| tally.id == id).map(|t| (t.copies, t.open));
        let occurring = |(_, n): &(_, u64)| *n > 0;
        assert_eq!(report.totals.data_sets, data_sets, "{}", part.id);
        assert_eq!(
            report.totals.verdicts.clone().into_iter().filter(occurring).collect::<BTreeMap<_, _>>(),
            verdicts
        );
        assert!(evidence.iter().all(|(kind, n)| report.totals.evidence[kind] == *n), "{evidence:?}");
        assert!(at_systems.iter().all(|(id, sums)| of(id) == Some(*sums)), "{}: {at_systems:?}", part.id);
        let started: Vec<_> = report.rules.iter().map(|rule| (rule.copies, rule.started)).collect();
        assert_eq!(started, of_rules, "{}", part.id);
        let batches: u64 = report.batches.iter().map(|batch| batch.copies).sum();
        assert_eq!(batches, part.copies, "{}", part.id);
        let codes = ledger.findings(part).into_iter().map(|finding| finding.code);
        assert_eq!(report.finding_counts, by_code(codes), "{}", part.id);
        most = most.max(report.totals.data_sets);
    }
    most
}

#[test]
fn what_no_play_does_would_be_found_too() {
    let (plan, mut ledger) = check(TINY, 1, &FaultSet::default());
    let part = plan.parts.iter().find(|part| part.id.starts_with("convenience")).expect("it is played");
    let say = |day: &str, party: &str, fact: Fact| {
        let at = Instant::parse(day).expect("a day");
        let event = daicho_client::event(&part.id, at, fact);
        Step {
            at: at.plus_ms(1),
            signer: Signer::of(&part.id, party, ""),
            events: vec![event],
            refused: false,
        }
    };
    // The maker's contract ended with March, by the last of its phases.
    let access = proto::HandoverGiven {
        handover: "after-the-end".to_owned(),
        flow: "f14_fujitsu_system_access".to_owned(),
        copies: vec![super::facts::part("cards-start-auto", 0)],
        ..Default::default()
    };
    ledger.step(&say("2019-04-01", "ward", Fact::HandoverGiven(access)));
    // Its clause sheet forbids copies.
    let (own, theirs) = ("late-media", "late-media-twice");
    let at_media = |id: &str| super::facts::copy(id, "late-work", "external_media");
    let set = super::facts::set("late-work", "ds_backup", 1);
    ledger.step(&say(
        "2019-04-02",
        "fujitsu",
        super::facts::derived("", &[], vec![set], vec![at_media(own)]),
    ));
    let copied = proto::Copied { from_copies: vec![own.to_owned()], copies: vec![at_media(theirs)] };
    ledger.step(&say("2019-04-02", "fujitsu", Fact::Copied(copied)));
    let found: BTreeSet<_> =
        ledger.findings(part).into_iter().map(|finding| (finding.code.word(), finding.object)).collect();
    for (word, object) in
        [("OUTSIDE_PERIOD", "f14_fujitsu_system_access"), ("COPYING_NOT_ALLOWED", theirs), ("OVERDUE", own)]
    {
        assert!(found.contains(&(word, object.to_owned())), "{word}: {found:?}");
    }
}

#[test]
fn every_flow_and_every_system_is_touched() {
    let plan = plan_of(TINY, 1, &FaultSet::default());
    let (mut flows, mut systems) = (0, 0);
    for part in &plan.parts {
        let untouched = |counts: &BTreeMap<String, u64>| -> Vec<String> {
            counts.iter().filter(|(_, n)| **n == 0).map(|(id, _)| id.clone()).collect()
        };
        assert_eq!(untouched(&part.touches.flows), [""; 0], "{}", part.id);
        assert_eq!(untouched(&part.touches.systems), [""; 0], "{}", part.id);
        flows += part.touches.flows.len();
        systems += part.touches.systems.len();
    }
    assert_eq!((flows, systems), (92, 71));
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_does_not() {
    let bytes = |seed, faults| plan_of(TINY, seed, &faults).bytes();
    assert!(bytes(1, FaultSet::all()) == bytes(1, FaultSet::all()));
    assert!(bytes(1, FaultSet::all()) != bytes(2, FaultSet::all()));
    assert!(bytes(1, FaultSet::all()) != bytes(1, FaultSet::default()));
}

#[test]
fn the_order_of_independent_statements_changes_nothing() {
    let plan = plan_of(TINY, 5, &FaultSet::all());
    let (one, other) = (Ledger::play(&plan, 5, false), Ledger::play(&plan, 5, true));
    for part in &plan.parts {
        let found = |ledger: &Ledger| -> Vec<_> {
            ledger.findings(part).into_iter().map(|f| (f.code, f.object, f.occurrences)).collect()
        };
        assert_eq!(found(&one), found(&other), "{}", part.id);
    }
}

#[test]
fn each_hole_is_explained_by_an_anomaly_of_its_paper() {
    for text in FILES {
        let scheme = Scheme::parse(text).expect("a shipped scheme");
        for hole in baseline::of(&scheme.id) {
            assert!(scheme.anomalies.iter().any(|anomaly| anomaly.id == hole.cause), "{hole:?}");
        }
    }
}

#[test]
fn the_ward_settles_each_error_of_the_papers_and_leaves_one_rule_without_a_number() {
    let plan = plan_of(TINY, 1, &FaultSet::default());
    let facts = || plan.steps.iter().flat_map(|step| &step.events).filter_map(|event| event.fact.as_ref());
    let corrections = facts().map(|fact| match fact {
        Fact::SchemeEnacted(e) => e.corrections.len(),
        _ => 0,
    });
    assert_eq!(corrections.sum::<usize>(), 8);
    let set: BTreeSet<&str> = facts()
        .filter_map(|fact| match fact {
            Fact::DeadlineSet(e) if !e.deadline.is_empty() => Some(e.rule.as_str()),
            _ => None,
        })
        .collect();
    let open = |text: &&str| {
        let scheme = Scheme::parse(text).expect("a shipped scheme");
        let rules = scheme.rules.iter().filter(|rule| rule.deadline.stated.is_none() && !rule.gap);
        rules.filter(|rule| !set.contains(rule.id.as_str())).count()
    };
    assert_eq!(FILES.iter().map(open).sum::<usize>(), 1);
}

#[test]
fn scales_are_read_exactly() {
    assert_eq!(parse_scale("0.01"), Ok(10_000));
    assert_eq!(parse_scale("1"), Ok(1_000_000));
    assert_eq!(parse_scale("0.000001"), Ok(1));
    for bad in ["", "0", "-1", "1e3", "0.0000001", "11", "x", ".5"] {
        assert!(parse_scale(bad).is_err(), "{bad}");
    }
}
