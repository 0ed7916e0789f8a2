//! Tampering: what is done to a list of entries, or to a byte on disk, and the check that finds it.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Output;

use daicho_client::event;
use daicho_client::proto::event::Fact;
use daicho_client::proto::{Event, KeyRevoked};
use daicho_client::{Emitter, Instant};
use daicho_core::{
    ChainHash, Entry, EntryIndex, LedgerSize, ParsedStatement, SigningKey, StatementId, sign_statement,
};
use daicho_engine::EngineConfig;
use daicho_store::Store;
use daicho_tests::{Daichod, Play, SCHEME, collected, deleted, milestone};
use daicho_verify::{AuditError, AuditReport, Auditor, Check};
use futures::executor::block_on;

const HOUR_MS: i64 = 3_600_000;
/// Place of the entry that is tampered with: neither the first nor the last of its hour.
const TARGET: usize = 12;
/// Places of the entries that authorise the key of the entry after them.
const KEY_ENTRIES: [usize; 2] = [5, 7];
/// All entries in one batch.
const WHOLE: usize = 1_000;

/// A small ledger as a list of entries, with its claimed head.
struct Ledger {
    entries: Vec<Vec<u8>>,
    size: LedgerSize,
    head: ChainHash,
}

/// The contractor's second key, authorised and not revoked.
fn second_key() -> SigningKey {
    SigningKey::from_seed(&[43; 32])
}

/// The contractor's third key, authorised, used and revoked.
fn revoked_key() -> SigningKey {
    SigningKey::from_seed(&[44; 32])
}

fn sign(key: &SigningKey, sequence: u64, events: Vec<Event>) -> daicho_client::proto::SignedStatement {
    sign_statement(Play::ORIGIN, &[(key, sequence)], events)
}

fn authorized(key: &SigningKey) -> Event {
    let party = format!("{SCHEME}/hyojito");
    event("", Play::start(), Fact::KeyAuthorized(key.request(Play::ORIGIN, &party, "test")))
}

fn hour(n: i64) -> Instant {
    Play::start().plus_ms(n * HOUR_MS)
}

/// Entries 0 to 5 are the opening, 6 to 9 give and take keys, 10 to 16 are of three later hours.
fn ledger() -> Ledger {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = block_on(Play::start_here(&folder.path().join("data"), EngineConfig::default()));
    let engine = engine.expect("a ledger");
    let ward_next = Play::opening().expect("the opening").len() as u64 + 1;
    let (ward, contractor) = (Play::ward_key(), Play::contractor_key());
    let (second, third) = (second_key(), revoked_key());
    let at = Play::start();
    let key_id = third.public().id().as_bytes().to_vec();
    let revoked = KeyRevoked { key_id, distrust_from_ms: at.unix_ms(), reason: "lost".into() };
    let hours = [
        vec![
            sign(&contractor, 1, vec![authorized(&second)]),
            sign(&contractor, 2, vec![authorized(&third)]),
            sign(&third, 1, vec![collected(at, "early")]),
            sign(&ward, ward_next, vec![event("", at, Fact::KeyRevoked(revoked))]),
        ],
        vec![sign(&contractor, 3, vec![collected(hour(1), "a"), collected(hour(1), "b")])],
        vec![
            sign(&second, 1, vec![collected(hour(2), "c")]),
            sign(&contractor, 4, vec![collected(hour(2), "d")]),
            sign(&contractor, 5, vec![milestone(hour(2), &["a", "d"])]),
        ],
        vec![
            sign(&contractor, 6, vec![deleted(hour(3), &["a"]), deleted(hour(3), &["d"])]),
            sign(&second, 2, vec![collected(hour(3), "e")]),
            sign(&contractor, 7, vec![deleted(hour(3), &["a"])]),
        ],
    ];
    for (n, statements) in (0..).zip(hours) {
        assert!(engine.simulated_clock().expect("a simulated ledger").advance(hour(n)));
        for statement in statements {
            block_on(engine.append(statement)).expect("recorded");
        }
    }
    engine.stop();
    let snapshot = engine.store().snapshot();
    let entries: Vec<_> = snapshot.entries(EntryIndex::new(0)).map(|row| row.expect("readable")).collect();
    let head = snapshot.head().expect("a head");
    assert_eq!(entries.len(), 17, "the places that these tests name");
    Ledger { entries, size: head.size, head: head.chain }
}

impl Ledger {
    /// Audits `entries` as `daicho audit` does, in batches of several sizes, which must agree.
    fn audit(&self, entries: &[Vec<u8>]) -> Result<AuditReport, AuditError> {
        let whole = self.audit_in_batches(entries, WHOLE);
        for size in [1, 3] {
            assert_eq!(self.audit_in_batches(entries, size), whole, "in batches of {size}");
        }
        whole
    }

    /// What the auditor says, and then whether the chain ends where the ledger claimed.
    fn audit_in_batches(&self, entries: &[Vec<u8>], size: usize) -> Result<AuditReport, AuditError> {
        let mut auditor = Auditor::new();
        for batch in entries.chunks(size) {
            auditor.feed(batch)?;
        }
        let report = auditor.finish()?;
        if report.size == self.size && report.head == self.head {
            return Ok(report);
        }
        let detail = "the chain ends elsewhere".to_owned();
        Err(AuditError { entry: report.size.next_index(), check: Check::ClaimedHead, detail })
    }

    /// Audits the entries after `change`, and says where and at which check they fail.
    fn fault(&self, change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Option<(u64, Check)> {
        let mut entries = self.entries.clone();
        change(&mut entries);
        self.audit(&entries).err().map(|error| (error.entry.get(), error.check))
    }

    /// Audits the ledger with entry `at` written anew after `change`.
    fn fault_of_entry(&self, at: usize, change: impl FnOnce(&mut Entry)) -> Option<(u64, Check)> {
        self.fault(|entries| {
            let mut entry = Entry::decode(&entries[at]).expect("an entry");
            change(&mut entry);
            entries[at] = entry.encode();
        })
    }
}

#[test]
fn the_ledger_is_sound_before_it_is_tampered_with() {
    let ledger = ledger();
    let report = ledger.audit(&ledger.entries).expect("sound");
    assert_eq!((report.counts.entries, report.counts.signatures), (17, 17));
}

#[test]
fn an_empty_ledger_is_never_sound() {
    let empty: [Vec<u8>; 0] = [];
    let mut auditor = Auditor::new();
    auditor.feed(&empty).expect("nothing is at fault yet");
    let error = auditor.finish().expect_err("nothing was checked");
    assert_eq!((error.entry, error.check), (EntryIndex::new(0), Check::NothingChecked));
}

// ---- single bits -------------------------------------------------------------------------------

/// Where the parts of an entry with one signature are.
struct Layout {
    version: Range<usize>,
    index: Range<usize>,
    recorded: Range<usize>,
    previous: Range<usize>,
    count: Range<usize>,
    algorithm: Range<usize>,
    lengths: [Range<usize>; 2],
    signature: Range<usize>,
    statement: Range<usize>,
    origin: Range<usize>,
    key_id: Range<usize>,
}

impl Layout {
    fn of(bytes: &[u8]) -> Self {
        let entry = Entry::decode(bytes).expect("an entry");
        assert_eq!(entry.statement.signatures.len(), 1);
        let parsed = ParsedStatement::parse(entry.statement).expect("a statement");
        let place = |part: &[u8]| {
            let start = 121 + bytes[121..].windows(part.len()).position(|w| w == part).expect("in it");
            start..start + part.len()
        };
        Self {
            version: 0..1,
            index: 1..9,
            recorded: 9..17,
            previous: 17..49,
            count: 49..50,
            algorithm: 50..51,
            lengths: [51..53, 117..121],
            signature: 53..117,
            statement: 121..bytes.len(),
            origin: place(Play::ORIGIN.as_bytes()),
            key_id: place(parsed.signers()[0].key.as_bytes()),
        }
    }

    /// Which check finds a flipped bit at `at`, and how many entries later.
    fn expected(&self, at: usize, flipped: &[u8], before: Instant) -> (u64, Check) {
        let here = |check| (0, check);
        if self.recorded.contains(&at) {
            // A later time that is a time is an honest one for all that the entry says: the chain alone covers it.
            return match Entry::decode(flipped) {
                Err(_) => here(Check::EntryFormat),
                Ok(entry) if entry.recorded < before => here(Check::TimeOrder),
                Ok(_) => (1, Check::ChainLink),
            };
        }
        let formats = [&self.version, &self.count, &self.lengths[0], &self.lengths[1]];
        if formats.iter().any(|part| part.contains(&at)) {
            return here(Check::EntryFormat);
        }
        if self.index.contains(&at) {
            return here(Check::IndexOrder);
        }
        if self.previous.contains(&at) {
            return here(Check::ChainLink);
        }
        if self.algorithm.contains(&at) {
            return here(Check::StatementFormat);
        }
        if self.signature.contains(&at) {
            return here(Check::Signature);
        }
        assert!(self.statement.contains(&at), "every byte has a place");
        let entry = Entry::decode(flipped).expect("its frame is whole");
        if ParsedStatement::parse(entry.statement).is_err() {
            return here(Check::StatementFormat);
        }
        if self.origin.contains(&at) {
            return here(Check::Origin);
        }
        here(if self.key_id.contains(&at) { Check::KeyRules } else { Check::Signature })
    }
}

#[test]
fn every_flipped_bit_of_an_entry_is_found_by_the_check_of_its_place() {
    let ledger = ledger();
    let sound = &ledger.entries[TARGET];
    let layout = Layout::of(sound);
    let before = Entry::decode(&ledger.entries[TARGET - 1]).expect("an entry").recorded;
    let mut seen = BTreeSet::new();
    for at in 0..sound.len() {
        for bit in 0..8 {
            let mut entries = ledger.entries.clone();
            entries[TARGET][at] ^= 1 << bit;
            let (later, check) = layout.expected(at, &entries[TARGET], before);
            let error = ledger.audit_in_batches(&entries, WHOLE).expect_err("never sound");
            let found = (error.entry.get(), error.check);
            assert_eq!(found, (TARGET as u64 + later, check), "bit {bit} of byte {at}: {error}");
            seen.insert(check.to_string());
        }
    }
    let all = [
        "chain-link",
        "entry-format",
        "index-order",
        "key-rules",
        "origin",
        "signature",
        "statement-format",
        "time-order",
    ];
    assert_eq!(seen.iter().map(String::as_str).collect::<Vec<_>>(), all);
}

#[test]
fn a_later_time_in_the_last_entry_is_found_by_the_claimed_head_alone() {
    let ledger = ledger();
    let last = ledger.entries.len() - 1;
    let found = ledger.fault_of_entry(last, |entry| entry.recorded = entry.recorded.plus_ms(1));
    assert_eq!(found, Some((ledger.size.get(), Check::ClaimedHead)));
}

// ---- whole entries -----------------------------------------------------------------------------

#[test]
fn dropping_an_entry_is_found_at_its_index() {
    let ledger = ledger();
    for at in (1..ledger.entries.len() - 1).filter(|at| !KEY_ENTRIES.contains(at)) {
        let found = ledger.fault(|entries| drop(entries.remove(at)));
        assert_eq!(found, Some((at as u64, Check::IndexOrder)));
    }
    assert_eq!(ledger.fault(|entries| drop(entries.remove(0))), Some((0, Check::IndexOrder)));
}

#[test]
fn swapping_two_entries_is_found_at_the_first() {
    let ledger = ledger();
    for at in (1..ledger.entries.len() - 1).filter(|at| !KEY_ENTRIES.contains(at)) {
        assert_eq!(ledger.fault(|entries| entries.swap(at, at + 1)), Some((at as u64, Check::IndexOrder)));
    }
}

/// Signatures are checked ahead of the order. Where the entry that authorises a key is not in its place, the next
/// entry of that key may fail by its key before it fails by its index; the entry that is named is the same.
#[test]
fn a_missing_authorisation_is_found_at_its_index_in_batches_of_any_size() {
    let ledger = ledger();
    for at in KEY_ENTRIES {
        let mut dropped = ledger.entries.clone();
        dropped.remove(at);
        let mut swapped = ledger.entries.clone();
        swapped.swap(at, at + 1);
        for entries in [dropped, swapped] {
            for size in [1, 2, 3, 4, 5, 6, 7, 8, WHOLE] {
                let error = ledger.audit_in_batches(&entries, size).expect_err("never sound");
                assert_eq!(error.entry, EntryIndex::new(at as u64), "in batches of {size}: {error}");
                assert!(matches!(error.check, Check::IndexOrder | Check::KeyRules), "{error}");
            }
        }
    }
}

#[test]
fn doubling_an_entry_is_found_at_the_second() {
    let ledger = ledger();
    for at in 0..ledger.entries.len() {
        let found = ledger.fault(|entries| entries.insert(at, entries[at].clone()));
        assert_eq!(found, Some((at as u64 + 1, Check::IndexOrder)));
    }
}

#[test]
fn a_cut_end_is_sound_in_itself_and_not_at_the_claimed_head() {
    let ledger = ledger();
    for kept in 1..ledger.entries.len() {
        let mut auditor = Auditor::new();
        auditor.feed(&ledger.entries[..kept]).expect("sound");
        let report = auditor.finish().expect("sound");
        assert_eq!(report.head, ChainHash::of_entry(&ledger.entries[kept - 1]));
        assert_ne!((report.size, report.head), (ledger.size, ledger.head));
        let found = ledger.fault(|entries| entries.truncate(kept));
        assert_eq!(found, Some((kept as u64, Check::ClaimedHead)));
    }
    assert_eq!(ledger.fault(Vec::clear), Some((0, Check::NothingChecked)));
}

#[test]
fn a_cut_entry_and_an_entry_with_bytes_after_it_are_no_entries() {
    let ledger = ledger();
    let at = Some((TARGET as u64, Check::EntryFormat));
    assert_eq!(ledger.fault(|entries| entries[TARGET].truncate(100)), at);
    assert_eq!(ledger.fault(|entries| entries[TARGET].push(0)), at);
    assert_eq!(ledger.fault(|entries| entries[TARGET].clear()), at);
}

// ---- forged entries ----------------------------------------------------------------------------

#[test]
fn an_entry_of_an_unknown_key_is_found_by_the_rules_of_keys() {
    let ledger = ledger();
    let stranger = SigningKey::from_seed(&[99; 32]);
    let found = ledger.fault_of_entry(TARGET, |entry| {
        entry.statement = sign(&stranger, 1, vec![collected(hour(2), "forged")]);
    });
    assert_eq!(found, Some((TARGET as u64, Check::KeyRules)));
}

#[test]
fn an_entry_of_a_revoked_key_is_found_by_the_rules_of_keys() {
    let ledger = ledger();
    let found = ledger.fault_of_entry(TARGET, |entry| {
        entry.statement = sign(&revoked_key(), 2, vec![collected(hour(2), "forged")]);
    });
    assert_eq!(found, Some((TARGET as u64, Check::KeyRules)));
}

#[test]
fn an_entry_of_a_key_that_is_authorised_only_later_is_found_by_the_rules_of_keys() {
    let ledger = ledger();
    // Entry 6 authorises the second key; here that key does so itself.
    let found = ledger.fault_of_entry(6, |entry| {
        entry.statement = sign(&second_key(), 1, vec![authorized(&second_key())]);
    });
    assert_eq!(found, Some((6, Check::KeyRules)));
}

#[test]
fn an_altered_statement_that_another_authorised_key_signs_is_found_by_the_chain() {
    let ledger = ledger();
    let last = ledger.entries.len() - 1;
    let forge = |at| {
        ledger.fault_of_entry(at, |entry| {
            entry.statement = sign(&second_key(), 3, vec![collected(hour(2), "forged")]);
        })
    };
    assert_eq!(forge(TARGET), Some((TARGET as u64 + 1, Check::ChainLink)));
    assert_eq!(forge(last), Some((ledger.size.get(), Check::ClaimedHead)));
    // With the number that the key has used already it does not even come that far.
    let found = ledger.fault_of_entry(TARGET, |entry| {
        entry.statement = sign(&second_key(), 1, vec![collected(hour(2), "forged")]);
    });
    assert_eq!(found, Some((TARGET as u64, Check::KeyRules)));
}

#[test]
fn an_altered_statement_under_the_old_signature_is_found_by_the_signature() {
    let ledger = ledger();
    let found = ledger.fault_of_entry(TARGET, |entry| {
        let forged = sign(&Play::contractor_key(), 4, vec![collected(hour(2), "forged")]);
        entry.statement.statement = forged.statement;
    });
    assert_eq!(found, Some((TARGET as u64, Check::Signature)));
}

#[test]
fn a_statement_that_the_rules_of_custody_refuse_is_found_by_the_fold() {
    let ledger = ledger();
    let found = ledger.fault_of_entry(TARGET, |entry| {
        entry.statement = sign(&Play::contractor_key(), 4, vec![collected(hour(2), "a")]);
    });
    assert_eq!(found, Some((TARGET as u64, Check::Fold)), "`a` was collected before");
}

#[test]
fn an_entry_whose_time_goes_back_is_found_by_the_order_of_times() {
    let ledger = ledger();
    let found = ledger.fault_of_entry(TARGET, |entry| entry.recorded = hour(2).plus_ms(-1));
    assert_eq!(found, Some((TARGET as u64, Check::TimeOrder)));
}

#[test]
fn a_chain_that_its_keeper_writes_anew_ends_at_another_head() {
    let ledger = ledger();
    let mut entries = ledger.entries.clone();
    // The contractor's key leaks and its statement changes; every later link is computed again.
    for at in TARGET..entries.len() {
        let mut entry = Entry::decode(&entries[at]).expect("an entry");
        if at == TARGET {
            let before = ParsedStatement::parse(entry.statement.clone()).expect("a statement");
            let named = StatementId { key: Play::contractor_key().public().id(), sequence: 4 };
            assert_eq!(before.signers(), [named]);
            let mut events = vec![collected(hour(2), "d")];
            events.push(collected(hour(2), "slipped-in"));
            entry.statement = sign(&Play::contractor_key(), 4, events);
        }
        entry.previous = ChainHash::of_entry(&entries[at - 1]);
        entries[at] = entry.encode();
    }
    let error = ledger.audit(&entries).expect_err("another head");
    assert_eq!((error.entry.get(), error.check), (ledger.size.get(), Check::ClaimedHead));
}

// ---- files -------------------------------------------------------------------------------------

/// A ledger that a server wrote and closed, with its entries.
struct Files {
    folder: tempfile::TempDir,
    entries: Vec<Vec<u8>>,
}

impl Files {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Daichod::fresh(folder.path(), None).expect("a server");
        let client = server.client().await.expect("a client");
        let play = Play::prepare(&client, server.ward_key().expect("key")).await.expect("prepared");
        let mut contractor = Emitter::new(client.clone(), play.contractor).await.expect("authorised");
        let now = contractor.ledger_now().await.expect("time");
        for n in 0..40 {
            contractor.emit(vec![collected(now, &format!("c{n}"))]).await.expect("recorded");
        }
        contractor.emit(vec![deleted(now, &["c1", "c2", "unknown"])]).await.expect("recorded");
        server.stop().expect("a quiet end");
        let entries = {
            let store = Store::open_read_only(&folder.path().join("data")).expect("opens");
            let snapshot = store.snapshot();
            snapshot.entries(EntryIndex::new(0)).map(|row| row.expect("readable")).collect()
        };
        Self { folder, entries }
    }

    fn tables(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.folder.path().join("data")).expect("readable");
        let paths = files.map(|file| file.expect("readable").path());
        let mut tables: Vec<_> = paths.filter(|path| path.extension().is_some_and(|e| e == "sst")).collect();
        tables.sort();
        tables
    }

    /// Runs `daichod fsck` on a copy of the files in which one bit of byte `at` of a table is flipped.
    fn fsck_flipped(&self, table: &Path, at: usize) -> Output {
        let copy = self.copy();
        let damaged = copy.path().join("data").join(table.file_name().expect("a file"));
        let mut bytes = std::fs::read(&damaged).expect("readable");
        bytes[at] ^= 0x10;
        std::fs::write(&damaged, bytes).expect("written");
        Daichod::fsck(copy.path(), &["--json"]).expect("runs")
    }

    /// A copy of the files.
    fn copy(&self) -> tempfile::TempDir {
        let copy = tempfile::tempdir().expect("a folder");
        let data = copy.path().join("data");
        std::fs::create_dir(&data).expect("a folder");
        for file in std::fs::read_dir(self.folder.path().join("data")).expect("readable") {
            let file = file.expect("readable");
            std::fs::copy(file.path(), data.join(file.file_name())).expect("copied");
        }
        copy
    }

    /// The same, and which entry and check are named. `None` unless it exits as for damage.
    fn fault_flipped(&self, table: &Path, at: usize) -> Option<(u64, String)> {
        let output = self.fsck_flipped(table, at);
        if output.status.code() != Some(1) {
            return None;
        }
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(json["ok"], false);
        // And from where it can be had again.
        let restore = json["restore"].as_str().expect("a remedy");
        assert!(restore.contains("backup") && restore.contains("tile/entries/"), "{restore}");
        Some((json["entry"].as_u64()?, json["check"].as_str()?.to_owned()))
    }

    /// The table that holds an entry, and where in it the entry's bytes begin.
    fn place(&self, entry: usize) -> (PathBuf, usize) {
        let bytes = &self.entries[entry];
        let places = self.tables().into_iter().filter_map(|table| {
            let file = std::fs::read(&table).expect("readable");
            let at = file.windows(bytes.len()).position(|window| window == bytes)?;
            Some((table, at))
        });
        let places: Vec<_> = places.collect();
        let [(table, at)] = &places[..] else { panic!("entry {entry} is in {} tables", places.len()) };
        (table.clone(), *at)
    }
}

#[tokio::test]
async fn a_flipped_byte_at_the_beginning_middle_or_end_of_a_table_is_never_sound() {
    let files = Files::new().await;
    let sound = Daichod::fsck(files.folder.path(), &["--rebuild"]).expect("runs");
    assert!(sound.status.success(), "{}", String::from_utf8_lossy(&sound.stdout));
    let tables = files.tables();
    assert!(tables.len() >= 4, "one of each kind: {tables:?}");
    for table in tables {
        let len = std::fs::metadata(&table).expect("readable").len() as usize;
        for at in [0, len / 2, len - 1] {
            let output = files.fsck_flipped(&table, at);
            let said = String::from_utf8_lossy(&output.stdout);
            assert_eq!(output.status.code(), Some(1), "byte {at} of {}: {said}", table.display());
        }
    }
}

#[tokio::test]
async fn a_table_that_is_gone_is_found_and_not_served_over() {
    let files = Files::new().await;
    for table in files.tables() {
        let copy = files.copy();
        let name = table.file_name().expect("a file");
        std::fs::remove_file(copy.path().join("data").join(name)).expect("removed");
        let output = Daichod::fsck(copy.path(), &["--json"]).expect("runs");
        assert_eq!(output.status.code(), Some(1), "without {}", table.display());
        for key in ["operator.pem", "data.checkpoint-key", "data.guard"] {
            let kept = files.folder.path().join(key);
            std::fs::copy(kept, copy.path().join(key)).expect("copied");
        }
        assert!(Daichod::start(copy.path(), &[]).is_err(), "it serves without {}", table.display());
    }
}

#[tokio::test]
async fn a_flipped_byte_of_an_entry_on_disk_names_that_entry() {
    let files = Files::new().await;
    let last = files.entries.len() - 1;
    // Entry 1 is a document over several pages, the others are of a few hundred bytes.
    for entry in [0, 1, 20, last] {
        let (table, start) = files.place(entry);
        let len = files.entries[entry].len();
        let parts = [(0, "version"), (17, "previous"), (48, "previous"), (49, "count"), (50, "algorithm")];
        let more = [(60, "signature"), (118, "length"), (121, "statement"), (len / 2, "statement")];
        for (at, part) in parts.into_iter().chain(more).chain([(len - 1, "statement")]) {
            let found = files.fault_flipped(&table, start + at).map(|(entry, _)| entry);
            assert_eq!(found, Some(entry as u64), "byte {at} ({part}) of entry {entry}");
        }
        // A time that is a time, and not before the last one, is covered by the chain alone: by the entry after it.
        let found = files.fault_flipped(&table, start + 12).map(|(entry, _)| entry as usize);
        assert!(found.is_some_and(|found| found == entry || found == entry + 1), "{found:?}");
    }
}

/// The place of an entry is what the auditor counts, not what its bytes say.
#[tokio::test]
async fn a_flipped_byte_of_an_index_on_disk_names_the_entry_at_that_place() {
    let files = Files::new().await;
    for entry in [1, 20, files.entries.len() - 1] {
        let (table, start) = files.place(entry);
        for at in 1..9 {
            let found = files.fault_flipped(&table, start + at);
            // No bytes in the file read as that entry any more.
            assert_eq!(found, Some((entry as u64, "files".to_owned())), "byte {at} of entry {entry}");
        }
    }
}

/// When a block's checksum fails, its entries are looked for in the raw file. That they are whole does not make the
/// bytes between them sound: lengths, keys and numbers of RocksDB, the list of restarts, the checksum itself.
#[tokio::test]
async fn a_flipped_byte_beside_an_entry_on_disk_is_never_sound() {
    let files = Files::new().await;
    // Entry 0 is alone in its block: 15 or more bytes of key ahead of it, 8 of restarts and 5 of checksum behind it.
    let (table, start) = files.place(0);
    let end = start + files.entries[0].len();
    for at in (0..start).chain(end..end + 13) {
        let output = files.fsck_flipped(&table, at);
        assert_eq!(output.status.code(), Some(1), "byte {at} of {}: {output:?}", table.display());
    }
}

/// Filters only speed look-ups up; a damaged one is passed over. It is damage on disk all the same.
#[tokio::test]
async fn no_flipped_byte_of_a_small_table_is_sound() {
    let files = Files::new().await;
    for table in files.tables() {
        let len = std::fs::metadata(&table).expect("readable").len() as usize;
        for at in (0..len).step_by(16).filter(|_| len < 4_096) {
            let output = files.fsck_flipped(&table, at);
            assert_eq!(output.status.code(), Some(1), "byte {at} of {}: {output:?}", table.display());
        }
    }
}
