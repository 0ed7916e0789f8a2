//! For any recorded order: the same state from replay, from disk and from the auditor; the same entries in groups of
//! any size; the same verdict on a day, then and later.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use daicho_client::event;
use daicho_client::proto::event::Fact;
use daicho_client::proto::{
    CheckResult, Copied, Copy, CopyPart, Corrected, DataSetCount, DeadlineSet, Deleted, DeletionCertified,
    DeletionConfirmed, DeletionDeferred, Event, HandoverGiven, HandoverReceived, MilestoneReached,
    MilestoneScope, NonPersistenceAttested, Relayed, Returned, SanitizationMethod, SignedStatement,
};
use daicho_core::{DAY_MS, Date, EntryIndex, Instant, Refusal, RefusalCode, sign_statement};
use daicho_custody::report::ReportHead;
use daicho_custody::state::{CopyRecord, Row, Scan, Table, decode, key};
use daicho_custody::{ContextCache, DeletionReport, Finding, Judge, Judgement, Verdict};
use daicho_engine::{Engine, EngineConfig, Receipt};
use daicho_tests::{Play, SCHEME, collected, deleted, milestone};
use daicho_verify::Auditor;
use futures::executor::block_on;
use proptest::prelude::*;
use proptest::sample::Index;

const MINUTE_MS: i64 = 60_000;

// ---- what can happen ---------------------------------------------------------------------------

/// A fact of the play. An [`Index`] picks one of the copies collected so far, or one that nobody has seen.
#[derive(Debug, Clone)]
enum What {
    Collect { subjects: u64, beyond_approval: bool },
    CollectAgain(Index),
    UseEnded { of: Index, by_ward: bool },
    NoLongerNeeded(Index),
    WorkEnded,
    Delete { of: Vec<Index>, part: u64 },
    DeleteInVain(Index),
    Return(Index),
    Certify(Vec<Index>),
    CopyAgainstTheBan(Index),
    Relay { came_in: u64, went_out: u64 },
    Attest(Index),
    GiveToPlatform(Index),
    PlatformReceives(Index),
    WardGives { handover: u8, in_flow: bool },
    ContractorReceives { handover: u8, of: Option<Index> },
    Correct { entry: u64 },
    Defer { of: Index, days: i32 },
    Confirm(Index),
    SetDeadline { days: u8 },
    SetLimits { days: u8 },
}

impl What {
    fn is_said_by_the_ward(&self) -> bool {
        match self {
            Self::UseEnded { by_ward, .. } => *by_ward,
            Self::WardGives { .. }
            | Self::Defer { .. }
            | Self::Confirm(_)
            | Self::SetDeadline { .. }
            | Self::SetLimits { .. } => true,
            _ => false,
        }
    }
}

/// A fact, when it is said to have happened, and what comes after it.
#[derive(Debug, Clone)]
struct Step {
    what: What,
    /// Minutes before the present; below zero, ahead of it.
    minutes_ago: i64,
    /// Whether it is in one statement with the fact before, if the same party says it.
    joins: bool,
    /// Whether the ward signs with the contractor.
    joint: bool,
    /// Whether its statement is sent a second time.
    twice: bool,
    /// Minutes until the next fact.
    pause: i64,
}

fn what() -> impl Strategy<Value = What> {
    let of = || any::<Index>();
    let several = || prop::collection::vec(any::<Index>(), 1..4);
    prop_oneof![
        10 => (1u64..4, prop::bool::weighted(0.1))
            .prop_map(|(subjects, beyond_approval)| What::Collect { subjects, beyond_approval }),
        1 => of().prop_map(What::CollectAgain),
        5 => (of(), any::<bool>()).prop_map(|(of, by_ward)| What::UseEnded { of, by_ward }),
        2 => of().prop_map(What::NoLongerNeeded),
        1 => Just(What::WorkEnded),
        6 => (several(), 0u64..3).prop_map(|(of, part)| What::Delete { of, part }),
        1 => of().prop_map(What::DeleteInVain),
        2 => of().prop_map(What::Return),
        3 => several().prop_map(What::Certify),
        2 => of().prop_map(What::CopyAgainstTheBan),
        2 => (0u64..3, 0u64..3).prop_map(|(came_in, went_out)| What::Relay { came_in, went_out }),
        1 => of().prop_map(What::Attest),
        2 => of().prop_map(What::GiveToPlatform),
        1 => of().prop_map(What::PlatformReceives),
        2 => (0u8..4, any::<bool>()).prop_map(|(handover, in_flow)| What::WardGives { handover, in_flow }),
        2 => (0u8..4, prop::option::of(any::<Index>()))
            .prop_map(|(handover, of)| What::ContractorReceives { handover, of }),
        1 => (0u64..30).prop_map(|entry| What::Correct { entry }),
        3 => (of(), 0i32..10).prop_map(|(of, days)| What::Defer { of, days }),
        3 => of().prop_map(What::Confirm),
        1 => (1u8..9).prop_map(|days| What::SetDeadline { days }),
        1 => (1u8..9).prop_map(|days| What::SetLimits { days }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let minutes_ago = prop_oneof![6 => Just(0i64), 3 => 0i64..4_000, 1 => -8i64..0];
    let pause = prop_oneof![4 => Just(0i64), 2 => 1i64..600, 1 => 600i64..6_000];
    let weighted = prop::bool::weighted;
    (what(), minutes_ago, weighted(0.4), weighted(0.1), weighted(0.1), pause).prop_map(
        |(what, minutes_ago, joins, joint, twice, pause)| Step {
            what,
            minutes_ago,
            joins,
            joint,
            twice,
            pause,
        },
    )
}

// ---- from facts to statements ------------------------------------------------------------------

/// Statements that are sent while the clock stands at `at`; at `asked` somebody asks what is to be said of it all.
#[derive(Debug)]
struct Round {
    at: Instant,
    statements: Vec<SignedStatement>,
    asked: Instant,
}

/// Turns steps into signed statements.
struct Script {
    now: Instant,
    copies: usize,
    certificates: usize,
    next: BTreeMap<bool, u64>,
    rounds: Vec<Round>,
    statements: Vec<SignedStatement>,
    /// The statement at hand: whether the ward says it, whether both sign, how often it is sent, and its events.
    open: Option<(bool, bool, usize, Vec<Event>)>,
}

impl Script {
    fn of(steps: &[Step]) -> Vec<Round> {
        let ward_next = Play::opening().expect("the opening").len() as u64 + 1;
        let mut script = Self {
            now: Play::start().plus_ms(MINUTE_MS),
            copies: 0,
            certificates: 0,
            next: BTreeMap::from([(true, ward_next), (false, 1)]),
            rounds: Vec::new(),
            statements: Vec::new(),
            open: None,
        };
        for step in steps {
            script.take(step);
        }
        script.pause(1);
        script.rounds
    }

    fn take(&mut self, step: &Step) {
        let ward = step.what.is_said_by_the_ward();
        if !(step.joins && self.open.as_ref().is_some_and(|(by_ward, ..)| *by_ward == ward)) {
            self.close();
        }
        let at = self.now.plus_ms(-step.minutes_ago * MINUTE_MS);
        let said = self.event(&step.what, at);
        let times = if step.twice { 2 } else { 1 };
        self.open.get_or_insert_with(|| (ward, step.joint, times, Vec::new())).3.push(said);
        if step.pause > 0 {
            self.pause(step.pause);
        }
    }

    fn close(&mut self) {
        let Some((ward, joint, times, events)) = self.open.take() else { return };
        let keys = [Play::contractor_key(), Play::ward_key()];
        let mut signers = Vec::new();
        for by_ward in [ward, !ward].into_iter().take(if joint { 2 } else { 1 }) {
            let next = self.next.entry(by_ward).or_insert(1);
            signers.push((&keys[usize::from(by_ward)], *next));
            *next += 1;
        }
        let statement = sign_statement(Play::ORIGIN, &signers, events);
        self.statements.extend(std::iter::repeat_n(statement, times));
    }

    fn pause(&mut self, minutes: i64) {
        self.close();
        let (at, pause) = (self.now, minutes * MINUTE_MS);
        self.now = at.plus_ms(pause);
        let statements = std::mem::take(&mut self.statements);
        self.rounds.push(Round { at, statements, asked: at.plus_ms(pause / 2) });
    }

    fn pick(&self, of: &Index) -> String {
        match of.index(self.copies + 1) {
            n if n == self.copies => "never-seen".to_owned(),
            n => format!("c{n}"),
        }
    }

    fn event(&mut self, what: &What, at: Instant) -> Event {
        let part = |copy: String, count| CopyPart { copy, count };
        let fact = match what {
            What::Collect { subjects, beyond_approval } => {
                let mut said = collected(at, &format!("c{}", self.copies));
                self.copies += 1;
                if let Some(Fact::Collected(c)) = &mut said.fact {
                    c.data_sets[0].subject_count = *subjects;
                    c.data_sets[0].items.extend(beyond_approval.then(|| "name".to_owned()));
                }
                return said;
            }
            What::CollectAgain(of) => return collected(at, &self.pick(of)),
            What::UseEnded { of, .. } => return milestone(at, &[&self.pick(of)]),
            What::NoLongerNeeded(of) => Fact::MilestoneReached(MilestoneReached {
                milestone: "no_longer_needed".into(),
                scope: MilestoneScope::Copy as i32,
                targets: vec![self.pick(of)],
            }),
            What::WorkEnded => Fact::MilestoneReached(MilestoneReached {
                milestone: "work_ended".into(),
                scope: MilestoneScope::Contract as i32,
                targets: vec!["c1".into()],
            }),
            What::Delete { of, part: count } => Fact::Deleted(Deleted {
                copies: of.iter().map(|of| part(self.pick(of), *count)).collect(),
                method: SanitizationMethod::Purge as i32,
                validation: CheckResult::Passed as i32,
                ..Default::default()
            }),
            What::DeleteInVain(of) => {
                let mut said = deleted(at, &[&self.pick(of)]);
                if let Some(Fact::Deleted(d)) = &mut said.fact {
                    d.verification = CheckResult::Failed as i32;
                }
                return said;
            }
            What::Return(of) => Fact::Returned(Returned {
                copies: vec![part(self.pick(of), 0)],
                to_party: "ward".into(),
                ..Default::default()
            }),
            What::Certify(of) => {
                self.certificates += 1;
                Fact::DeletionCertified(DeletionCertified {
                    certificate: format!("e{}", self.certificates),
                    copies: of.iter().map(|of| self.pick(of)).collect(),
                    document: vec![7; 32],
                    recipients: vec!["ward".into()],
                    ..Default::default()
                })
            }
            What::CopyAgainstTheBan(of) => {
                let source = self.pick(of);
                let copy = self.copy_of(&source, "operator_terminal");
                Fact::Copied(Copied { from_copies: vec![source], copies: vec![copy] })
            }
            What::Relay { came_in, went_out } => Fact::Relayed(Relayed {
                flow: "f05_line_to_user".into(),
                count_in: *came_in,
                count_out: *went_out,
                ..Default::default()
            }),
            What::Attest(of) => Fact::NonPersistenceAttested(NonPersistenceAttested {
                system: "web_ticket_function".into(),
                copies: vec![self.pick(of)],
                ..Default::default()
            }),
            What::GiveToPlatform(of) => Fact::HandoverGiven(HandoverGiven {
                handover: format!("line-{}", self.copies),
                flow: "f04_notice_line".into(),
                copies: vec![part(self.pick(of), 0)],
                ..Default::default()
            }),
            What::PlatformReceives(of) => {
                let source = self.pick(of);
                let copy = self.copy_of(&source, "line_platform");
                let handover = format!("line-{}", self.copies - 1);
                let flow = "f04_notice_line".to_owned();
                let received = HandoverReceived { handover, flow, copies: vec![copy], ..Default::default() };
                let said = event(SCHEME, at, Fact::HandoverReceived(received));
                return Event { on_behalf_of: "line_corp".into(), ..said };
            }
            What::WardGives { handover, in_flow } => Fact::HandoverGiven(HandoverGiven {
                handover: format!("h{handover}"),
                flow: if *in_flow { "f07_queue_state".into() } else { String::new() },
                to_party: "hyojito".into(),
                ..Default::default()
            }),
            What::ContractorReceives { handover, of } => {
                let counts = of.iter().map(|of| DataSetCount { data_set: self.pick(of), count: 1 });
                Fact::HandoverReceived(HandoverReceived {
                    handover: format!("h{handover}"),
                    flow: "f07_queue_state".into(),
                    received: counts.collect(),
                    ..Default::default()
                })
            }
            What::Correct { entry } => {
                let (entry_index, correction) = (*entry, "別の日".to_owned());
                Fact::Corrected(Corrected { entry_index, event: 0, correction })
            }
            What::Defer { of, days } => Fact::DeletionDeferred(DeletionDeferred {
                copies: vec![self.pick(of)],
                until: self.now.jst_day().plus_days(*days).to_string(),
                ground: "test".into(),
            }),
            What::Confirm(of) => Fact::DeletionConfirmed(DeletionConfirmed {
                copies: vec![self.pick(of)],
                manner: "on site".into(),
            }),
            What::SetDeadline { days } => Fact::DeadlineSet(DeadlineSet {
                rule: "r2_no_longer_needed".into(),
                deadline: format!("P{days}D"),
                ground: "test".into(),
                ..Default::default()
            }),
            What::SetLimits { days } => Fact::DeadlineSet(DeadlineSet {
                certificate_within: format!("P{days}D"),
                acknowledge_within: format!("P{days}D"),
                report_within: format!("P{days}D"),
                ground: "test".into(),
                ..Default::default()
            }),
        };
        event(SCHEME, at, fact)
    }

    /// A new copy of the data set that has the id of its first copy.
    fn copy_of(&mut self, source: &str, system: &str) -> Copy {
        let id = format!("c{}", self.copies);
        self.copies += 1;
        Copy { id, data_set: source.to_owned(), system: system.into(), unit: String::new() }
    }
}

// ---- running -----------------------------------------------------------------------------------

type Answer = Result<Receipt, Refusal>;

/// All that is to be said at a time.
#[derive(Debug, PartialEq)]
struct Said {
    copies: Vec<(String, Judgement)>,
    findings: Vec<Finding>,
    report: DeletionReport,
}

/// What a run left.
struct Run {
    engine: Arc<Engine>,
    answers: Vec<Answer>,
    /// What was said at each time, when the ledger's clock stood there.
    said: Vec<(Instant, Said)>,
}

/// Sends every statement, in groups of these sizes over and over; 0 is a statement sent for itself.
fn run(data: &Path, rounds: &[Round], groups: &[usize], max_group: usize) -> Run {
    let config = EngineConfig { max_group, check_threads: 2, ..EngineConfig::default() };
    let engine = block_on(Play::start_here(data, config)).expect("a ledger");
    let clock = engine.simulated_clock().expect("a simulated ledger");
    let (mut answers, mut said) = (Vec::new(), Vec::new());
    let mut sizes = groups.iter().cycle();
    for round in rounds {
        assert!(clock.advance(round.at));
        let mut rest = &round.statements[..];
        while let [first, after @ ..] = rest {
            match *sizes.next().expect("groups never end") {
                0 => {
                    answers.push(block_on(engine.append(first.clone())));
                    rest = after;
                }
                size => {
                    let (group, after) = rest.split_at(size.min(rest.len()));
                    answers.extend(append_group(&engine, group.to_vec()));
                    rest = after;
                }
            }
        }
        assert!(clock.advance(round.asked));
        assert_eq!(engine.now(), round.asked);
        said.push((round.asked, ask(&engine.store().snapshot(), round.asked)));
    }
    // A proof is in the checkpoint of its group: other groups, other proofs of the same entry.
    for receipt in answers.iter_mut().filter_map(|answer| answer.as_mut().ok()) {
        assert!(receipt.proof.take().is_some(), "every receipt has a proof");
    }
    Run { engine, answers, said }
}

fn append_group(engine: &Engine, statements: Vec<SignedStatement>) -> Vec<Answer> {
    block_on(async {
        let checked = engine.check_when_room(statements).await.expect("the engine runs");
        engine.commit(checked).expect("the writer runs").await.expect("an answer")
    })
}

fn ask(state: &dyn Scan, t: Instant) -> Said {
    let mut cache = ContextCache::default();
    let judge = Judge::new(state, &mut cache, SCHEME).expect("readable").expect("in force");
    let copies = judge.copies(t, None).map(|row| row.expect("readable"));
    let copies = copies.map(|(id, copy)| {
        let judgement = judge.judge(&id, &copy, t).expect("readable");
        (id, judgement)
    });
    let copies = copies.collect();
    let findings = judge.findings(t).expect("readable");
    let head = ReportHead {
        origin: Play::ORIGIN.into(),
        simulated: true,
        size: 0,
        chain_hash_hex: String::new(),
        last_recorded: Play::start(),
    };
    let day = |text| Date::parse(text).expect("a day");
    let period = (day("2020-01-01"), day("2029-12-31"));
    let report = DeletionReport::compute(state, &mut cache, SCHEME, period, t, head);
    Said { copies, findings, report: report.expect("readable").expect("in force") }
}

fn all_records(state: &dyn Scan) -> Vec<Row> {
    state.scan(&[], None).map(|row| row.expect("readable")).collect()
}

fn entries(engine: &Engine) -> Vec<Vec<u8>> {
    let snapshot = engine.store().snapshot();
    snapshot.entries(EntryIndex::new(0)).map(|row| row.expect("readable")).collect()
}

/// How many copies had been recorded at `t`, counted without a judge.
fn copies_at(records: &[Row], t: Instant) -> u64 {
    let copies = records.iter().filter(|(place, _)| place.starts_with(&key(Table::Copy, &[SCHEME])));
    let known = copies.filter(|(_, value)| {
        let copy: CopyRecord = decode(value).expect("a copy");
        copy.opened.recorded <= t
    });
    known.count() as u64
}

fn assert_counts_add_up(said: &Said, copies: u64) {
    let mut verdicts: BTreeMap<Verdict, u64> = Verdict::ALL.map(|verdict| (verdict, 0)).into();
    for (_, judgement) in &said.copies {
        *verdicts.entry(judgement.verdict).or_default() += 1;
    }
    let totals = &said.report.totals;
    assert_eq!(verdicts.values().sum::<u64>(), copies);
    assert_eq!((totals.copies, &totals.verdicts), (copies, &verdicts));
    assert_eq!(totals.evidence.values().sum::<u64>(), copies);
    assert_eq!(totals.certificates.values().sum::<u64>(), copies);
    let open = said.copies.iter().filter(|(_, judgement)| judgement.closed.is_none()).count() as u64;
    assert_eq!(totals.open, open);
}

/// Whatever is drawn above may be refused for these reasons and for no other.
fn is_foreseen(refusal: &Refusal) -> bool {
    use RefusalCode as Code;
    let foreseen = [
        Code::DuplicateId,
        Code::UnknownReference,
        Code::FutureTime,
        Code::VerificationFailed,
        Code::NotAuthorized,
    ];
    foreseen.contains(&refusal.code)
}

fn config() -> ProptestConfig {
    // Each case founds two ledgers and syncs every group.
    ProptestConfig {
        cases: 24,
        max_shrink_iters: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_recorded_order_gives_the_same_state_from_replay_disk_and_auditor(
        steps in prop::collection::vec(step(), 1..60),
        groups in prop::collection::vec(0usize..9, 1..6),
        other_groups in prop::collection::vec(0usize..9, 1..6),
        max_group in 1usize..6,
        batch in 1usize..20,
        later in prop::collection::vec(0i64..20 * DAY_MS, 3),
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let rounds = Script::of(&steps);
        let one = run(&folder.path().join("one"), &rounds, &groups, max_group);
        let head = one.engine.store().head().expect("a head");
        let bytes = entries(&one.engine);
        let records = all_records(&one.engine.store().snapshot());
        for refusal in one.answers.iter().filter_map(|answer| answer.as_ref().err()) {
            prop_assert!(is_foreseen(refusal), "{refusal}");
        }

        // The auditor, from the entries alone.
        let mut auditor = Auditor::keeping_all_state();
        for batch in bytes.chunks(batch) {
            auditor.feed(batch).expect("sound");
        }
        let (report, replayed) = auditor.finish_with_state().expect("sound");
        let mut lean = Auditor::new();
        lean.feed(&bytes).expect("sound");
        prop_assert_eq!(&lean.finish().expect("sound"), &report, "an auditor that keeps only what it needs");
        prop_assert_eq!((report.size, report.head, report.recorded), (head.size, head.chain, head.recorded));
        prop_assert_eq!(report.custody, head.custody);
        prop_assert!(all_records(&replayed) == records, "the auditor's state is another one");

        // The same statements in other groups.
        let two = run(&folder.path().join("two"), &rounds, &other_groups, max_group * 7);
        prop_assert_eq!(&two.answers, &one.answers);
        prop_assert!(entries(&two.engine) == bytes, "other groups gave other entries");
        prop_assert_eq!(two.engine.store().head().expect("a head"), head);
        prop_assert_eq!(&two.said, &one.said);
        two.engine.stop();

        // The disk, after a restart.
        one.engine.stop();
        let said = one.said;
        drop(one.engine);
        let data = folder.path().join("one");
        let authority = Play::authority(&data).expect("keys and guard");
        let again = Engine::start(&data, EngineConfig::default(), authority).expect("starts");
        prop_assert_eq!(*again.head().borrow(), head);
        prop_assert!(entries(&again) == bytes, "the restart changed the entries");
        let snapshot = again.store().snapshot();
        prop_assert!(all_records(&snapshot) == records, "the restart changed the state");

        // What was said on a day is what is said of that day later, on disk and in the replay.
        for (t, then) in &said {
            assert_counts_add_up(then, copies_at(&records, *t));
            let now = ask(&snapshot, *t);
            prop_assert_eq!(&now.copies, &then.copies, "verdicts of {}", t);
            prop_assert_eq!(&now.findings, &then.findings, "findings of {}", t);
            prop_assert_eq!(&now.report, &then.report, "report of {}", t);
            prop_assert_eq!(&ask(&replayed, *t), then);
        }
        for ms in later {
            let t = Play::start().plus_ms(ms);
            assert_counts_add_up(&ask(&snapshot, t), copies_at(&records, t));
        }
        drop(snapshot);
        again.stop();
    }
}

/// The taker of a handover that no flow knows does not name the giver, and the giver speaks up days later. What was
/// said of the silent side in between must stay what it was.
#[test]
fn a_giver_that_is_named_later_does_not_change_what_was_said_before() {
    let steps = [
        (What::ContractorReceives { handover: 1, of: None }, 8_000),
        (What::WardGives { handover: 1, in_flow: false }, 0),
    ];
    let steps = steps.map(|(what, pause)| Step {
        what,
        minutes_ago: 0,
        joins: false,
        joint: false,
        twice: false,
        pause,
    });
    let mut rounds = Script::of(&steps);
    let received = HandoverReceived { handover: "h1".into(), ..Default::default() };
    let said = event(SCHEME, rounds[0].at, Fact::HandoverReceived(received));
    rounds[0].statements = vec![sign_statement(Play::ORIGIN, &[(&Play::contractor_key(), 1)], vec![said])];
    let folder = tempfile::tempdir().expect("a folder");
    let run = run(&folder.path().join("data"), &rounds, &[1], 1);
    assert!(run.answers.iter().all(Result::is_ok), "{:?}", run.answers);
    let (t, then) = &run.said[0];
    let snapshot = run.engine.store().snapshot();
    assert_eq!(ask(&snapshot, *t).findings, then.findings);
    drop(snapshot);
    run.engine.stop();
}
