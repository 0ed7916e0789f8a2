//! The engine from inside: the queue, the order, repeated statements, numbers, keys, time, and what stops a start.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use daicho_client::event;
use daicho_client::proto::event::Fact;
use daicho_client::proto::{self, DocumentChunk, Event, SignedStatement};
use daicho_core::{
    Entry, EntryIndex, Instant, Origin, ParsedStatement, Refusal, RefusalCode, SigningKey, sign_statement,
};
use daicho_custody::state::{SequenceRecord, Table, View as _, decode, key};
use daicho_engine::{
    Authority, Clock, ClockWatch, Engine, EngineConfig, EngineError, FileGuard, Founding, Published, Receipt,
    found,
};
use daicho_tests::{Play, SCHEME, collected, deleted};
use daicho_tlog::{
    Algorithm, Checkpoint, NoteError, NoteKey, NoteSigner, SignedCheckpoint, TreeHash, VerifierKey, merkle,
};
use daicho_verify::Auditor;
use futures::executor::block_on;
use futures::future::join_all;

/// A ledger of this process with the contractor's and the ward's next numbers.
struct Stage {
    folder: tempfile::TempDir,
    engine: Arc<Engine>,
    ward_next: u64,
}

impl Stage {
    fn new(config: EngineConfig) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let engine = block_on(Play::start_here(&folder.path().join("data"), config)).expect("a ledger");
        let ward_next = Play::opening().expect("the opening").len() as u64 + 1;
        Self { folder, engine, ward_next }
    }

    fn append(&self, statement: SignedStatement) -> Result<Receipt, Refusal> {
        block_on(self.engine.append(statement))
    }

    /// Records statements as one job, so that one group holds them all.
    fn append_group(&self, statements: Vec<SignedStatement>) -> Vec<Result<Receipt, Refusal>> {
        block_on(async {
            let checked = self.engine.check_when_room(statements).await.expect("the engine runs");
            self.engine.commit(checked).expect("the writer runs").await.expect("an answer")
        })
    }

    /// The receipt without its proof, which holds: the entry is in the tree of a checkpoint that the ledger's key signed.
    fn proven(&self, mut receipt: Receipt) -> Receipt {
        let proof = receipt.proof.take().expect("a proof comes with the receipt");
        let signed = SignedCheckpoint::parse(proof.checkpoint.as_bytes()).expect("a signed note");
        signed.verify([Play::checkpoint_key().expect("a key").verifier()]).expect("signed by the ledger");
        let entry = self.engine.store().entry(receipt.entry).expect("readable").expect("recorded");
        assert_eq!(Entry::decode(&entry).expect("an entry").previous, receipt.previous);
        let checkpoint = signed.checkpoint();
        assert_eq!(checkpoint.size(), proof.size);
        let leaf = TreeHash::of_leaf(&entry);
        merkle::verify_inclusion(&leaf, receipt.entry.get(), proof.size, &proof.hashes, checkpoint.root())
            .expect("proven");
        receipt
    }

    fn entries(&self) -> Vec<Vec<u8>> {
        let snapshot = self.engine.store().snapshot();
        snapshot.entries(EntryIndex::new(0)).map(|row| row.expect("readable")).collect()
    }

    fn size(&self) -> u64 {
        self.engine.head().borrow().size.get()
    }

    /// The statements that are in the ledger, in order.
    fn recorded(&self) -> Vec<SignedStatement> {
        self.entries().iter().map(|bytes| Entry::decode(bytes).expect("an entry").statement).collect()
    }

    /// Stops the engine and starts another one on the same files.
    fn restarted(self) -> Self {
        let Self { folder, engine, ward_next } = self;
        engine.stop();
        drop(engine);
        let data = folder.path().join("data");
        let authority = Play::authority(&data).expect("keys and guard");
        let engine = Engine::start(&data, EngineConfig::default(), authority).expect("starts");
        Self { folder, engine, ward_next }
    }

    /// Stops the engine for good and leaves the files.
    fn files(self) -> tempfile::TempDir {
        self.engine.stop();
        self.folder
    }

    fn audit(&self) {
        let mut auditor = Auditor::new();
        auditor.feed(&self.entries()).expect("sound");
        let report = auditor.finish().expect("sound");
        let head = *self.engine.head().borrow();
        assert_eq!((report.size, report.head, report.custody), (head.size, head.chain, head.custody));
    }
}

fn say(sequence: u64, events: Vec<Event>) -> SignedStatement {
    sign_statement(Play::ORIGIN, &[(&Play::contractor_key(), sequence)], events)
}

fn collect(sequence: u64, id: &str) -> SignedStatement {
    say(sequence, vec![collected(Play::start(), id)])
}

/// A statement of the ward with 20 KiB in it: a piece of a document that nobody completes.
fn large(sequence: u64) -> SignedStatement {
    let mut document = [0; 32];
    document[..8].copy_from_slice(&sequence.to_be_bytes());
    let chunk = DocumentChunk { document: document.to_vec(), index: 0, count: 1, data: vec![7; 20 << 10] };
    let events = vec![event("", Play::start(), Fact::DocumentChunk(chunk))];
    sign_statement(Play::ORIGIN, &[(&Play::ward_key(), sequence)], events)
}

fn code(result: &Result<Receipt, Refusal>) -> Option<RefusalCode> {
    result.as_ref().err().map(|refusal| refusal.code)
}

#[test]
fn a_full_queue_refuses_and_loses_nothing() {
    const MANY: usize = 40;
    let stage =
        Stage::new(EngineConfig { queue_kib: 64, check_threads: 2, max_group: 4, ..EngineConfig::default() });
    let statements: Vec<_> = (stage.ward_next..).take(MANY).map(large).collect();

    // Three of 21 KiB fill the room: until they are committed, every other one is refused.
    let (held, rest) = statements.split_at(3);
    let checked = block_on(stage.engine.check_when_room(held.to_vec())).expect("there is room");
    let before = stage.size();
    let refused = block_on(join_all(rest.iter().map(|s| stage.engine.append(s.clone()))));
    assert!(refused.iter().all(|result| code(result) == Some(RefusalCode::QueueFull)), "{refused:?}");
    assert_eq!(stage.size(), before, "what was refused is not recorded");
    let receipts = block_on(stage.engine.commit(checked).expect("taken")).expect("an answer");
    assert!(receipts.iter().all(Result::is_ok), "{receipts:?}");

    // All at once, again and again, until each has an answer other than "full".
    let mut acknowledged: Vec<(Receipt, SignedStatement)> = Vec::new();
    let mut waiting = rest.to_vec();
    while !waiting.is_empty() {
        let answers = block_on(join_all(waiting.iter().map(|s| stage.engine.append(s.clone()))));
        let recorded = stage.recorded();
        let mut again = Vec::new();
        for (statement, answer) in std::mem::take(&mut waiting).into_iter().zip(answers) {
            match answer {
                Ok(receipt) => {
                    assert!(!receipt.repeated, "it was refused before and so was not recorded");
                    acknowledged.push((receipt, statement));
                }
                Err(refusal) => {
                    assert_eq!(refusal.code, RefusalCode::QueueFull, "{refusal}");
                    assert!(!recorded.contains(&statement), "refused and recorded");
                    again.push(statement);
                }
            }
        }
        assert!(again.len() < MANY, "each round records something");
        waiting = again;
    }
    let recorded = stage.recorded();
    for (receipt, statement) in &acknowledged {
        assert_eq!(&recorded[receipt.entry.get() as usize], statement);
    }
    assert_eq!(stage.size(), before + MANY as u64, "each one once");
    stage.audit();
}

#[test]
fn statements_of_one_caller_keep_their_order() {
    let stage = Stage::new(EngineConfig { max_group: 5, ..EngineConfig::default() });
    let mut answers = Vec::new();
    let mut n = 0;
    // Jobs of 1 to 7 statements, handed over one after another without waiting for an answer.
    for size in (1..=7).cycle().take(30) {
        let job: Vec<_> = (n + 1..=n + size).map(|i| collect(i, &format!("c{i}"))).collect();
        n += size;
        let checked = block_on(stage.engine.check_when_room(job)).expect("the engine runs");
        answers.push(stage.engine.commit(checked).expect("the writer runs"));
    }
    let receipts: Vec<Receipt> = answers
        .into_iter()
        .flat_map(|answer| block_on(answer).expect("an answer"))
        .map(|result| result.expect("recorded"))
        .collect();
    let first = receipts[0].entry.get();
    let places: Vec<u64> = receipts.iter().map(|receipt| receipt.entry.get()).collect();
    assert_eq!(places, (first..first + n).collect::<Vec<_>>());
    let recorded = stage.recorded();
    for (i, place) in (1..).zip(places) {
        assert_eq!(recorded[place as usize], collect(i, &format!("c{i}")));
    }
    stage.audit();
}

#[test]
fn the_same_statement_gets_the_first_receipt_in_its_group_in_later_groups_and_after_a_restart() {
    let stage = Stage::new(EngineConfig::default());
    let before = stage.size();
    let group = stage.append_group(vec![collect(1, "a"), collect(1, "a"), collect(2, "b"), collect(1, "a")]);
    let group: Vec<Receipt> = group.into_iter().map(|result| result.expect("recorded")).collect();
    let group: Vec<Receipt> = group.into_iter().map(|receipt| stage.proven(receipt)).collect();
    let first = group[0].clone();
    assert!(!first.repeated && !group[2].repeated);
    assert_eq!(group[2].entry.get(), first.entry.get() + 1, "what is repeated takes no place");
    let again = Receipt { repeated: true, ..first };
    assert_eq!((&group[1], &group[3]), (&again, &again));

    // The clock moves; the answer does not.
    let clock = stage.engine.simulated_clock().expect("a simulated ledger");
    assert!(clock.advance(Play::start().plus_ms(3_600_000)));
    assert_eq!(stage.append(collect(1, "a")).map(|r| stage.proven(r)), Ok(again.clone()));
    assert_eq!(stage.size(), before + 2);
    let stage = stage.restarted();
    assert_eq!(stage.append(collect(1, "a")).map(|r| stage.proven(r)), Ok(again));
    assert_eq!(stage.size(), before + 2);
    stage.audit();
}

#[test]
fn of_two_statements_with_one_number_one_is_recorded() {
    let stage = Stage::new(EngineConfig::default());
    let before = stage.size();
    let group = stage.append_group(vec![collect(1, "a"), collect(1, "b")]);
    assert!(group[0].is_ok(), "{group:?}");
    assert_eq!(code(&group[1]), Some(RefusalCode::SequenceUsed));
    assert_eq!(code(&stage.append(collect(1, "c"))), Some(RefusalCode::SequenceUsed));
    assert_eq!(stage.size(), before + 1);

    // A second signer's number counts as well.
    let (ward, contractor) = (Play::ward_key(), Play::contractor_key());
    let joint = |ward_number, number, id: &str| {
        let signers = [(&contractor, number), (&ward, ward_number)];
        sign_statement(Play::ORIGIN, &signers, vec![collected(Play::start(), id)])
    };
    let n = stage.ward_next;
    let first = stage.proven(stage.append(joint(n, 2, "d")).expect("recorded"));
    let again = Receipt { repeated: true, ..first };
    assert_eq!(code(&stage.append(joint(n, 3, "e"))), Some(RefusalCode::SequenceUsed));
    assert_eq!(code(&stage.append(large(n))), Some(RefusalCode::SequenceUsed));
    assert_eq!(stage.append(joint(n, 2, "d")).map(|r| stage.proven(r)), Ok(again.clone()));
    let stage = stage.restarted();
    assert_eq!(code(&stage.append(collect(1, "b"))), Some(RefusalCode::SequenceUsed));
    assert_eq!(stage.append(joint(n, 2, "d")).map(|r| stage.proven(r)), Ok(again));
    stage.audit();
}

#[test]
fn a_refused_statement_leaves_no_trace_among_the_others_of_its_group() {
    let stage = Stage::new(EngineConfig::default());
    let before = stage.size();
    let two = say(2, vec![collected(Play::start(), "b"), collected(Play::start(), "a")]);
    let group = stage.append_group(vec![collect(1, "a"), two, collect(3, "b"), collect(2, "c")]);
    assert_eq!(code(&group[1]), Some(RefusalCode::DuplicateId), "`a` is taken, so `b` is not taken either");
    let places: Vec<u64> = group.iter().flatten().map(|receipt| receipt.entry.get()).collect();
    assert_eq!(places, [before, before + 1, before + 2]);
    stage.audit();
}

#[test]
fn numbers_that_were_left_out_show_as_gaps() {
    let stage = Stage::new(EngineConfig::default());
    let used = || -> SequenceRecord {
        let place = key(Table::Sequence, &[&Play::contractor_key().public().id().to_string()]);
        let bytes = stage.engine.store().snapshot().get(&place).expect("readable");
        decode(&bytes.expect("the contractor has signed")).expect("a record")
    };
    for n in [5, 1, 9, 2] {
        stage.append(collect(n, &format!("c{n}"))).expect("recorded");
    }
    assert_eq!((used().last(), used().gaps()), (9, vec![(3, 4), (6, 8)]));
    // A statement that is refused uses no number.
    stage.append(collect(3, "c1")).expect_err("the id is taken");
    assert_eq!(used().gaps(), [(3, 4), (6, 8)]);
    let group = stage.append_group([4, 3].map(|n| collect(n, &format!("c{n}"))).to_vec());
    assert!(group.iter().all(Result::is_ok), "{group:?}");
    assert_eq!((used().last(), used().gaps()), (9, vec![(6, 8)]));
    stage.audit();
}

#[test]
fn a_stopped_engine_answers_writer_closed_and_keeps_what_it_took() {
    let stage = Stage::new(EngineConfig::default());
    let checked = block_on(stage.engine.check_when_room(vec![collect(1, "a")])).expect("there is room");
    let answer = stage.engine.commit(checked).expect("the writer runs");
    let late = block_on(stage.engine.check_when_room(vec![collect(2, "b")])).expect("there is room");
    stage.engine.stop();
    let receipts = block_on(answer).expect("an answer");
    assert!(receipts.iter().all(Result::is_ok), "what was handed over before is recorded: {receipts:?}");
    let size = stage.size();
    assert_eq!(code(&stage.append(collect(3, "c"))), Some(RefusalCode::WriterClosed));
    let refused = stage.engine.commit(late).expect_err("the writer is gone");
    assert_eq!(refused.code, RefusalCode::WriterClosed);
    stage.engine.stop();
    assert_eq!(stage.size(), size);
    let stage = stage.restarted();
    assert_eq!(stage.size(), size);
    assert!(stage.append(collect(1, "a")).expect("recorded before").repeated);
    assert!(!stage.append(collect(2, "b")).expect("new").repeated);
    stage.audit();
}

#[test]
fn a_key_signs_from_the_group_after_the_one_that_authorised_it() {
    let stage = Stage::new(EngineConfig::default());
    let terminal = SigningKey::from_seed(&[43; 32]);
    let authorized = terminal.request(Play::ORIGIN, &format!("{SCHEME}/hyojito"), "terminal");
    let by_terminal =
        |n, id: &str| sign_statement(Play::ORIGIN, &[(&terminal, n)], vec![collected(Play::start(), id)]);
    assert_eq!(code(&stage.append(by_terminal(1, "a"))), Some(RefusalCode::UnknownKey));
    let authorisation = say(1, vec![event("", Play::start(), Fact::KeyAuthorized(authorized))]);
    // Signatures are checked before the group is ordered, so the same job is too early.
    let group = stage.append_group(vec![authorisation, by_terminal(1, "a")]);
    assert!(group[0].is_ok(), "{group:?}");
    assert_eq!(code(&group[1]), Some(RefusalCode::UnknownKey));
    stage.append(by_terminal(1, "a")).expect("authorised by the group before");
    let stage = stage.restarted();
    stage.append(by_terminal(2, "b")).expect("authorised before the restart");
    stage.audit();
}

#[test]
fn recorded_time_stands_with_the_clock_and_never_goes_back() {
    let stage = Stage::new(EngineConfig { max_group: 3, ..EngineConfig::default() });
    let clock = stage.engine.simulated_clock().expect("a simulated ledger");
    let later = Play::start().plus_ms(60_000);
    for n in 1..=5 {
        assert_eq!(stage.append(collect(n, &format!("c{n}"))).map(|r| r.recorded), Ok(Play::start()));
    }
    assert!(clock.advance(later));
    assert!(!clock.advance(Play::start()), "a simulated clock does not go back");
    for n in 6..=10 {
        assert_eq!(stage.append(collect(n, &format!("c{n}"))).map(|r| r.recorded), Ok(later));
    }
    // The simulated clock begins again where the ledger ends.
    let stage = stage.restarted();
    assert_eq!(stage.engine.now(), later);
    assert_eq!(stage.append(say(11, vec![deleted(later, &["c1"])])).map(|r| r.recorded), Ok(later));
    let times: Vec<Instant> =
        stage.entries().iter().map(|bytes| Entry::decode(bytes).expect("an entry").recorded).collect();
    assert!(times.is_sorted(), "{times:?}");
    stage.audit();
}

// ---- what stops a start ------------------------------------------------------------------------

/// Lets `change` write to the files of a stopped ledger past the store.
fn alter(data: &Path, change: impl FnOnce(&rocksdb::DB)) {
    let families = ["entries", "statements", "state", "tiles", "checkpoints", "meta"];
    let db = rocksdb::DB::open_cf(&rocksdb::Options::default(), data, families).expect("opens");
    change(&db);
    for family in families {
        db.flush_cf(db.cf_handle(family).expect("opened")).expect("written");
    }
}

fn get(db: &rocksdb::DB, family: &str, place: &[u8]) -> Vec<u8> {
    let family = db.cf_handle(family).expect("opened");
    db.get_cf(family, place).expect("readable").expect("there")
}

fn put(db: &rocksdb::DB, family: &str, place: &[u8], value: &[u8]) {
    db.put_cf(db.cf_handle(family).expect("opened"), place, value).expect("written");
}

/// A stopped ledger with a few entries, and the place of its last one.
fn stopped() -> (tempfile::TempDir, [u8; 8]) {
    let stage = Stage::new(EngineConfig::default());
    for n in 1..=3 {
        stage.append(collect(n, &format!("c{n}"))).expect("recorded");
    }
    let last = stage.size() - 1;
    (stage.files(), last.to_be_bytes())
}

fn start(folder: &tempfile::TempDir) -> Result<Arc<Engine>, EngineError> {
    let data = folder.path().join("data");
    Engine::start(&data, EngineConfig::default(), Play::authority(&data).expect("keys and guard"))
}

#[track_caller]
fn assert_stopped_by_head(folder: &tempfile::TempDir, what: &str) {
    match start(folder) {
        Err(EngineError::Head(_) | EngineError::Tree(_)) => {}
        Err(other) => panic!("{what}: {other}"),
        Ok(_) => panic!("{what}: the engine starts"),
    }
}

#[test]
fn a_damaged_last_entry_stops_the_start_until_it_is_mended() {
    let (folder, last) = stopped();
    let data = folder.path().join("data");
    let mut sound = Vec::new();
    alter(&data, |db| sound = get(db, "entries", &last));
    for at in [0, 1, 9, 17, 60, sound.len() - 1] {
        let mut damaged = sound.clone();
        damaged[at] ^= 1;
        alter(&data, |db| put(db, "entries", &last, &damaged));
        assert_stopped_by_head(&folder, &format!("byte {at} of the last entry"));
    }
    alter(&data, |db| put(db, "entries", &last, &sound[..sound.len() - 1]));
    assert_stopped_by_head(&folder, "a cut last entry");
    alter(&data, |db| {
        db.delete_cf(db.cf_handle("entries").expect("opened"), last).expect("deleted");
    });
    assert_stopped_by_head(&folder, "no last entry");
    alter(&data, |db| put(db, "entries", &last, &sound));
    start(&folder).expect("the entry is as it was").stop();
}

/// `size (8), chain (32), time (8), root (32), custody (32)`.
fn start_with_each_byte_of_the_head_flipped(bytes: impl Iterator<Item = usize>) {
    let (folder, _) = stopped();
    let data = folder.path().join("data");
    let mut sound = Vec::new();
    alter(&data, |db| sound = get(db, "meta", b"head"));
    assert_eq!(sound.len(), 112);
    for at in bytes {
        let mut damaged = sound.clone();
        damaged[at] ^= 1;
        alter(&data, |db| put(db, "meta", b"head", &damaged));
        assert_stopped_by_head(&folder, &format!("byte {at} of the head"));
    }
    alter(&data, |db| put(db, "meta", b"head", &sound));
    start(&folder).expect("the head is as it was").stop();
}

#[test]
fn a_head_with_another_size_or_chain_hash_stops_the_start() {
    start_with_each_byte_of_the_head_flipped(0..40);
}

#[test]
fn a_head_with_another_root_stops_the_start() {
    start_with_each_byte_of_the_head_flipped(48..80);
}

/// The writer takes the later of clock and head, so a head whose time was set back lets recorded time go back, and
/// every auditor refuses the ledger from then on.
#[test]
fn a_head_with_another_time_stops_the_start() {
    start_with_each_byte_of_the_head_flipped(42..48);
}

#[test]
fn a_head_that_is_cut_or_missing_stops_the_start() {
    let (folder, _) = stopped();
    let data = folder.path().join("data");
    let mut sound = Vec::new();
    alter(&data, |db| {
        sound = get(db, "meta", b"head");
        put(db, "meta", b"head", &sound[..111]);
    });
    assert!(matches!(start(&folder), Err(EngineError::Store(_))));
    alter(&data, |db| db.delete_cf(db.cf_handle("meta").expect("opened"), b"head").expect("deleted"));
    assert!(matches!(start(&folder), Err(EngineError::Store(_))));
    alter(&data, |db| put(db, "meta", b"head", &sound));
    start(&folder).expect("the head is as it was").stop();
}

/// A clock that shows what a test sets.
struct SetClock(AtomicI64);

impl SetClock {
    fn set(&self, time: Instant) {
        self.0.store(time.unix_ms(), Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Instant {
        Instant::from_unix_ms(self.0.load(Ordering::SeqCst)).expect("a time")
    }
}

/// A ledger that is not simulated, on a clock that is set by hand.
fn on_clock(folder: &Path, clock: &Arc<SetClock>) -> Arc<Engine> {
    const ORIGIN: &str = "test.example/real";
    let data = folder.join("data");
    let (operator, ward) = (SigningKey::from_seed(&[40; 32]), Play::ward_key());
    let name = ORIGIN.parse().expect("a name");
    let signer = NoteSigner::from_seed(name, Algorithm::Ed25519, &[43; 32]).expect("a key");
    let mut guard = FileGuard::open(&folder.join("guard")).expect("a guard");
    if !data.exists() {
        let founding = Founding {
            origin: Origin::new(ORIGIN).expect("a name"),
            operator: ("operator".into(), "台帳運用者".into()),
            operator_key: &operator,
            ward: ("ward".into(), "新宿区".into()),
            ward_key: ward.public(),
            checkpoint_keys: vec![signer.verifier().to_string()],
            at: clock.now(),
        };
        found(&data, &founding).expect("founded");
        let head = daicho_store::Store::open_read_only(&data).and_then(|store| store.head()).expect("a head");
        guard.renew(&Checkpoint::new(ORIGIN, head.size.get(), head.root).expect("fits")).expect("set");
    }
    let authority = Authority {
        operator: Some(Box::new(operator)),
        checkpoint_keys: vec![Box::new(signer)],
        guard: Box::new(guard),
    };
    let clock: Arc<dyn Clock> = Arc::<SetClock>::clone(clock);
    Engine::start_with_clock(&data, EngineConfig::default(), authority, clock).expect("it starts")
}

#[test]
fn recorded_time_never_goes_back_and_a_clock_that_was_set_is_on_record() {
    let folder = tempfile::tempdir().expect("a folder");
    let noon = Instant::parse("2021-02-01T12:00").expect("a time");
    let minutes = |n: i64| noon.plus_ms(n * 60_000);
    let clock = Arc::new(SetClock(AtomicI64::new(noon.unix_ms())));
    let ward = Play::ward_key();
    let mut number = 0;
    let mut register = |engine: &Engine| {
        number += 1;
        let party = proto::PartyRegistered { party: format!("party-{number}"), label: "試験".into() };
        let said = event("", noon, Fact::PartyRegistered(party));
        let statement = sign_statement(engine.origin().as_str(), &[(&ward, number)], vec![said]);
        block_on(engine.append(statement)).expect("recorded").recorded
    };

    let engine = on_clock(folder.path(), &clock);
    let steady = Duration::from_secs;
    let (mut watch, back) = ClockWatch::start(engine.head().borrow().recorded, clock.now(), steady(0));
    assert_eq!(back, None);
    assert_eq!(register(&engine), noon);
    clock.set(minutes(10));
    assert_eq!((register(&engine), watch.look(clock.now(), steady(600))), (minutes(10), None));
    // An hour back: what is recorded stands still until the clock has caught up.
    clock.set(minutes(-50));
    assert_eq!(register(&engine), minutes(10));
    assert_eq!(engine.now(), minutes(10));
    let step = watch.look(engine.clock_time(), steady(601)).expect("noticed");
    block_on(engine.note_clock(step)).expect("recorded");
    clock.set(minutes(5));
    assert_eq!(register(&engine), minutes(10));
    // Ten years ahead.
    let ahead = noon.plus_ms(10 * 365 * 86_400_000);
    clock.set(ahead);
    assert_eq!(register(&engine), ahead);
    assert!(watch.look(clock.now(), steady(602)).is_some(), "the jump is noticed, too");
    engine.stop();
    drop(engine);

    // Set right while the server was down: the ledger's time is the last entry's, and the start notices.
    clock.set(minutes(20));
    let engine = on_clock(folder.path(), &clock);
    let (_, step) = ClockWatch::start(engine.head().borrow().recorded, clock.now(), steady(0));
    block_on(engine.note_clock(step.expect("noticed"))).expect("recorded");
    assert_eq!(register(&engine), ahead);

    let size = engine.head().borrow().size.get();
    let entries: Vec<Entry> = (0..size)
        .map(|n| engine.store().entry(EntryIndex::new(n)).expect("readable").expect("there"))
        .map(|bytes| Entry::decode(&bytes).expect("an entry"))
        .collect();
    assert!(entries.windows(2).all(|pair| pair[0].recorded <= pair[1].recorded));
    let steps: Vec<(i64, i64)> = entries
        .iter()
        .flat_map(|entry| {
            ParsedStatement::parse(entry.statement.clone()).expect("a statement").body().events.clone()
        })
        .filter_map(|event| match event.fact {
            Some(Fact::ClockStepped(step)) => Some((step.expected_ms, step.found_ms)),
            _ => None,
        })
        .collect();
    let second = minutes(10).plus_ms(1_000);
    let wanted = [(second, minutes(-50)), (ahead, minutes(20))];
    assert_eq!(steps, wanted.map(|(expected, found)| (expected.unix_ms(), found.unix_ms())));
    engine.stop();
}

/// A checkpoint key in a token that somebody may pull out.
#[derive(Debug)]
struct Token {
    key: NoteSigner,
    gone: Arc<AtomicBool>,
    /// What is there instead of it.
    other: Arc<Mutex<Option<NoteSigner>>>,
}

impl NoteKey for Token {
    fn verifier(&self) -> &VerifierKey {
        self.key.verifier()
    }

    fn sign_message(&self, message: &[u8]) -> Result<Vec<u8>, NoteError> {
        if self.gone.load(Ordering::SeqCst) {
            return Err(NoteError::NotSigned("the token is gone".into()));
        }
        self.other.lock().expect("alone").as_ref().unwrap_or(&self.key).sign_message(message)
    }
}

/// The checkpoint over so many entries, once it is there.
fn published_of(engine: &Engine, size: u64) -> Published {
    let begun = std::time::Instant::now();
    loop {
        let newest = engine.published().borrow().clone();
        if let Some(newest) = newest.filter(|newest| newest.size >= size) {
            return newest;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not catch up");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_checkpoint_key_in_a_token_signs_and_what_is_recorded_while_it_is_gone_is_published_later() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    Play::found_here(&data).expect("founded");
    let (gone, other) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<Option<NoteSigner>>>::default());
    let name = || Play::ORIGIN.parse().expect("a name");
    let key = Play::checkpoint_key().expect("a key");
    let token = Token { key, gone: Arc::clone(&gone), other: Arc::clone(&other) };
    let authority =
        Authority { checkpoint_keys: vec![Box::new(token)], ..Play::authority(&data).expect("the rest") };
    let engine = Engine::start(&data, EngineConfig::default(), authority).expect("it starts");
    let mut opening = Play::opening().expect("the opening").into_iter();
    let mut next = || block_on(engine.append(opening.next().expect("one more"))).expect("recorded");
    assert!(next().proof.is_some());
    gone.store(true, Ordering::SeqCst);
    let kept = next();
    assert_eq!((kept.proof, engine.published().borrow().as_ref().map(|p| p.size)), (None, Some(2)));
    gone.store(false, Ordering::SeqCst);
    let newest = published_of(&engine, 3);
    let note = SignedCheckpoint::parse(newest.note.as_bytes()).expect("a note");
    note.verify([Play::checkpoint_key().expect("a key").verifier()]).expect("signed by the token");

    // Another token in its place: what it signs goes nowhere.
    *other.lock().expect("alone") =
        Some(NoteSigner::from_seed(name(), Algorithm::Ed25519, &[9; 32]).expect("a key"));
    let kept = next();
    assert_eq!((kept.proof, engine.published().borrow().as_ref().map(|p| p.size)), (None, Some(3)));
    *other.lock().expect("alone") = None;
    published_of(&engine, 4);
    engine.stop();
}
