//! The file of an outbox (`docs/formats/outbox.md`): statements are appended and synced, answers are marked.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use daicho_core::{KeyId, ParsedStatement, StatementId, durable_step, proto};
use prost::Message as _;

use super::OutboxError;

const MAGIC: &[u8] = b"daicho outbox v1\n";
/// Length of what stands before a record's content: kind, length, and a check of the two, so that a changed length is
/// never taken for a record that was cut short.
const HEAD: usize = 1 + 4 + 4;
/// Length of the check behind it.
const CHECK: usize = 8;

/// Kinds of records.
mod kind {
    pub(super) const NUMBERS: u8 = b'N';
    pub(super) const STATEMENT: u8 = b'S';
    pub(super) const ANSWERED: u8 = b'A';
}

/// A statement that has no answer yet.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) id: StatementId,
    pub(super) statement: proto::SignedStatement,
    /// Bytes of its record.
    len: u64,
}

/// An open outbox file. One process has it at a time.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    /// Held as long as the journal is open.
    _lock: Lock,
    origin: String,
    key: KeyId,
    next: u64,
    kept: VecDeque<Kept>,
    /// Bytes of `kept`.
    bytes: u64,
    /// Bytes of the file.
    written: u64,
    /// A write or a sync failed: what the disk holds is not known until it is opened anew.
    failed: bool,
}

impl Journal {
    /// Opens the journal in a folder, which is made when it is missing.
    pub(super) fn open(folder: &Path, key: KeyId) -> Result<Opened, OutboxError> {
        let disk = |path: &Path| {
            let path = path.to_owned();
            move |source| OutboxError::Disk { path, source }
        };
        std::fs::create_dir_all(folder).map_err(disk(folder))?;
        let (lock_path, path) = (folder.join("lock"), folder.join("outbox"));
        let lock = OpenOptions::new().create(true).append(true).open(&lock_path).map_err(disk(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OutboxError::InUse { path: folder.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(disk(&lock_path)(error)),
        }
        let lock = Lock(lock);
        let mut file = match OpenOptions::new().read(true).append(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Opened::New(Place { path, lock }));
            }
            file => file.map_err(disk(&path))?,
        };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(disk(&path))?;
        let Read { origin, key: theirs, next, kept, end } = read(&bytes)
            .map_err(|offset| OutboxError::Damaged { path: path.clone(), offset: offset as u64 })?;
        if theirs != key {
            return Err(OutboxError::OtherKey { path, key: theirs });
        }
        if end < bytes.len() {
            // It was being appended when the machine stopped; nobody was told that it is kept.
            file.set_len(end as u64).and_then(|()| file.sync_all()).map_err(disk(&path))?;
        }
        let of_kept = kept.iter().map(|one| one.len).sum();
        Ok(Opened::Kept(Self {
            path,
            file,
            _lock: lock,
            origin,
            key,
            next,
            kept,
            bytes: of_kept,
            written: end as u64,
            failed: false,
        }))
    }

    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// The number of the next statement.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Statements without an answer, oldest first.
    pub(super) fn kept(&self) -> &VecDeque<Kept> {
        &self.kept
    }

    /// Bytes of them.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Keeps a statement, on disk when this returns.
    pub(super) fn put(&mut self, statement: proto::SignedStatement) -> Result<StatementId, OutboxError> {
        let id = StatementId { key: self.key, sequence: self.next };
        let mut record = Vec::new();
        append(&mut record, kind::STATEMENT, &statement.encode_to_vec());
        self.write(&record, true)?;
        let len = record.len() as u64;
        self.kept.push_back(Kept { id, statement, len });
        self.bytes += len;
        self.next += 1;
        Ok(id)
    }

    /// Marks the oldest statement as answered. A mark that the disk loses only means that it is sent once more. A file with more
    /// than `most_settled` bytes of what is answered is written anew.
    pub(super) fn settle(&mut self, most_settled: u64) -> Result<(), OutboxError> {
        let mut record = Vec::new();
        append(&mut record, kind::ANSWERED, &[]);
        self.write(&record, false)?;
        if let Some(gone) = self.kept.pop_front() {
            self.bytes -= gone.len;
        }
        if self.written - self.bytes > most_settled {
            self.rewrite()?;
        }
        Ok(())
    }

    fn write(&mut self, record: &[u8], sync: bool) -> Result<(), OutboxError> {
        if self.failed {
            return Err(OutboxError::Closed { path: self.path.clone() });
        }
        durable_step();
        let written = self.file.write_all(record);
        durable_step();
        let written = written.and_then(|()| if sync { self.file.sync_data() } else { Ok(()) });
        durable_step();
        // After a failed sync the system may forget what it could not write, so nothing more is promised.
        self.failed = written.is_err();
        self.written += record.len() as u64;
        written.map_err(|source| OutboxError::Disk { path: self.path.clone(), source })
    }

    /// Writes the file anew without what is settled.
    fn rewrite(&mut self) -> Result<(), OutboxError> {
        let statements = self.kept.iter().map(|kept| &kept.statement);
        let first = self.next - self.kept.len() as u64;
        let bytes = image(&self.origin, self.key, first, statements);
        let done = replace(&self.path, &bytes);
        self.failed |= done.is_err();
        self.file = done.map_err(|source| OutboxError::Disk { path: self.path.clone(), source })?;
        self.written = bytes.len() as u64;
        Ok(())
    }
}

/// What a folder holds.
#[derive(Debug)]
pub(super) enum Opened {
    /// A journal.
    Kept(Journal),
    /// Nothing yet.
    New(Place),
}

/// Where a journal will be.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    lock: Lock,
}

/// The lock of a folder. It is given back by word, not by closing the file: a program that another thread starts holds every
/// open file for the moment until it is itself.
#[derive(Debug)]
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing gives it back as well, only later.
        let _ = self.0.unlock();
    }
}

impl Place {
    /// Makes the journal of a key whose next number is known.
    pub(super) fn create(self, origin: String, key: KeyId, next: u64) -> Result<Journal, OutboxError> {
        let bytes = image(&origin, key, next, std::iter::empty());
        let file = replace(&self.path, &bytes);
        let file = file.map_err(|source| OutboxError::Disk { path: self.path.clone(), source })?;
        Ok(Journal {
            path: self.path,
            file,
            _lock: self.lock,
            origin,
            key,
            next,
            kept: VecDeque::new(),
            bytes: 0,
            written: bytes.len() as u64,
            failed: false,
        })
    }
}

/// A file with these statements, the first of which has the number `first`.
fn image<'s>(
    origin: &str,
    key: KeyId,
    first: u64,
    statements: impl Iterator<Item = &'s proto::SignedStatement>,
) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    let numbers = [&first.to_be_bytes()[..], key.as_bytes(), origin.as_bytes()].concat();
    append(&mut bytes, kind::NUMBERS, &numbers);
    statements.for_each(|one| append(&mut bytes, kind::STATEMENT, &one.encode_to_vec()));
    bytes
}

/// Puts a file in the place of another, whole or not at all.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let new = path.with_extension("new");
    durable_step();
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    durable_step();
    file.sync_all()?;
    durable_step();
    std::fs::rename(&new, path)?;
    durable_step();
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    durable_step();
    OpenOptions::new().read(true).append(true).open(path)
}

fn append(bytes: &mut Vec<u8>, kind: u8, content: &[u8]) {
    let start = bytes.len();
    bytes.push(kind);
    bytes.extend_from_slice(&(content.len() as u32).to_be_bytes());
    let head = blake3::hash(&bytes[start..]);
    bytes.extend_from_slice(&head.as_bytes()[..4]);
    bytes.extend_from_slice(content);
    let check = blake3::hash(&bytes[start..]);
    bytes.extend_from_slice(&check.as_bytes()[..CHECK]);
}

/// What a file says.
struct Read {
    origin: String,
    key: KeyId,
    next: u64,
    kept: VecDeque<Kept>,
    /// End of the last whole record.
    end: usize,
}

/// Reads a file up to a record that was being written when the machine stopped. `Err`: offset of damage.
fn read(bytes: &[u8]) -> Result<Read, usize> {
    if !bytes.starts_with(MAGIC) {
        return Err(0);
    }
    let mut end = MAGIC.len();
    let (kind, content, len) = record(&bytes[end..]).map_err(|_| end)?;
    let split =
        content.split_at_checked(8).and_then(|(first, rest)| Some((first, rest.split_at_checked(16)?)));
    let (first, (key, origin)) = split.filter(|_| kind == kind::NUMBERS).ok_or(end)?;
    let mut next = u64::from_be_bytes(first.try_into().map_err(|_| end)?);
    let key = KeyId::from_slice(key).ok_or(end)?;
    let origin = String::from_utf8(origin.to_vec()).map_err(|_| end)?;
    let mut kept = VecDeque::new();
    end += len;
    while end < bytes.len() {
        match record(&bytes[end..]) {
            Ok((kind::STATEMENT, content, len)) => {
                let statement = proto::SignedStatement::decode(content).map_err(|_| end)?;
                let id = StatementId { key, sequence: next };
                let parsed = ParsedStatement::parse(statement.clone()).map_err(|_| end)?;
                if parsed.signers().first().is_none_or(|s| (s.key, s.sequence) != (key, next)) {
                    return Err(end);
                }
                kept.push_back(Kept { id, statement, len: len as u64 });
                next = next.checked_add(1).ok_or(end)?;
                end += len;
            }
            Ok((kind::ANSWERED, [], len)) => {
                kept.pop_front().ok_or(end)?;
                end += len;
            }
            Ok(_) | Err(Broken::Within) => return Err(end),
            Err(Broken::AtEnd) => break,
        }
    }
    Ok(Read { origin, key, next, kept, end })
}

enum Broken {
    /// The last record is not whole.
    AtEnd,
    /// It is not the last one, or was changed.
    Within,
}

/// Kind, content and whole length of the first record.
fn record(bytes: &[u8]) -> Result<(u8, &[u8], usize), Broken> {
    // A file that grew before its bytes came reads as zeros.
    if bytes.len() < HEAD || bytes.iter().all(|b| *b == 0) {
        return Err(Broken::AtEnd);
    }
    let (said, check) = bytes[..HEAD].split_at(5);
    if blake3::hash(said).as_bytes()[..4] != *check {
        return Err(Broken::Within);
    }
    let len = u32::from_be_bytes([said[1], said[2], said[3], said[4]]) as usize;
    let whole = HEAD + len + CHECK;
    if whole > bytes.len() {
        return Err(Broken::AtEnd);
    }
    let (content, check) = bytes[..whole].split_at(whole - CHECK);
    if blake3::hash(content).as_bytes()[..CHECK] != *check {
        return Err(if whole == bytes.len() { Broken::AtEnd } else { Broken::Within });
    }
    Ok((said[0], &content[HEAD..], whole))
}

#[cfg(test)]
mod tests {
    use daicho_core::{SigningKey, sign_statement};
    use proptest::prelude::*;

    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_seed(&[3; 32])
    }

    fn statement(n: u64) -> proto::SignedStatement {
        let fact = proto::Copied { from_copies: vec![format!("c-{n}")], copies: Vec::new() };
        let event = crate::event("s", daicho_core::Instant::EPOCH, proto::event::Fact::Copied(fact));
        sign_statement("test.example/ledger", &[(&key(), n)], vec![event])
    }

    fn opened(folder: &Path) -> Result<Journal, OutboxError> {
        let id = key().public().id();
        match Journal::open(folder, id)? {
            Opened::Kept(journal) => Ok(journal),
            Opened::New(place) => place.create("test.example/ledger".into(), id, 7),
        }
    }

    fn numbers(journal: &Journal) -> Vec<u64> {
        journal.kept().iter().map(|kept| kept.id.sequence).collect()
    }

    /// Content of the first record.
    fn numbers_from(first: u64) -> Vec<u8> {
        let id = key().public().id();
        [&first.to_be_bytes(), &id.as_bytes()[..], b"test.example/ledger"].concat()
    }

    /// A record with checks that hold, whatever it says.
    fn any_record() -> impl Strategy<Value = Vec<u8>> {
        let content = prop_oneof![
            any::<Vec<u8>>(),
            (0..4u64).prop_map(|n| statement(n).encode_to_vec()),
            (0..4u64).prop_map(numbers_from),
            Just(Vec::new()),
        ];
        let kind = prop_oneof![Just(kind::NUMBERS), Just(kind::STATEMENT), Just(kind::ANSWERED), any::<u8>()];
        (kind, content).prop_map(|(kind, content)| {
            let mut bytes = Vec::new();
            append(&mut bytes, kind, &content);
            bytes
        })
    }

    proptest! {
        #[test]
        fn any_file_is_read_or_named_damaged(
            numbered in any::<bool>(),
            records in proptest::collection::vec(any_record(), 0..8),
            rest in any::<Vec<u8>>(),
            cut in any::<proptest::sample::Index>(),
        ) {
            let mut bytes = MAGIC.to_vec();
            if numbered {
                append(&mut bytes, kind::NUMBERS, &numbers_from(1));
            }
            records.iter().for_each(|record| bytes.extend_from_slice(record));
            bytes.extend_from_slice(&rest);
            bytes.truncate(cut.index(bytes.len() + 1));
            match read(&bytes) {
                Ok(said) => {
                    prop_assert!(said.end <= bytes.len());
                    // What was read of it, it says again without what was cut off.
                    let again = read(&bytes[..said.end]);
                    prop_assert!(again.is_ok_and(|again| again.end == said.end && again.next == said.next));
                    prop_assert!(said.kept.iter().all(|kept| kept.id.sequence < said.next));
                }
                Err(at) => prop_assert!(at <= bytes.len()),
            }
        }
    }

    #[test]
    fn what_was_put_and_not_answered_is_there_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut journal = opened(folder.path()).expect("made");
        assert!(matches!(opened(folder.path()), Err(OutboxError::InUse { .. })));
        for n in 7..10 {
            assert_eq!(journal.put(statement(n)).expect("kept").sequence, n);
        }
        journal.settle(u64::MAX).expect("marked");
        drop(journal);
        let mut journal = opened(folder.path()).expect("opened");
        assert_eq!((numbers(&journal), journal.next()), (vec![8, 9], 10));
        journal.rewrite().expect("written anew");
        journal.put(statement(10)).expect("kept");
        drop(journal);
        assert_eq!(numbers(&opened(folder.path()).expect("opened")), [8, 9, 10]);
        let other = SigningKey::from_seed(&[4; 32]).public().id();
        assert!(matches!(Journal::open(folder.path(), other), Err(OutboxError::OtherKey { .. })));
    }

    #[test]
    fn a_file_cut_anywhere_loses_its_last_record_alone_and_a_changed_byte_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut journal = opened(folder.path()).expect("made");
        let start = journal.written as usize;
        let mut ends = vec![(start, 0)];
        for n in 7..10 {
            journal.put(statement(n)).expect("kept");
            ends.push((journal.written as usize, ends.len()));
        }
        let bytes = std::fs::read(&journal.path).expect("readable");
        for cut in start..=bytes.len() {
            let (end, count) = *ends.iter().rfind(|(end, _)| *end <= cut).expect("the first");
            let found = read(&bytes[..cut]).map_err(|offset| format!("cut at {cut}: damage at {offset}"));
            let found = found.expect("a torn end is no damage");
            assert_eq!((found.kept.len(), found.end), (count, end), "cut at {cut}");
            let grown = [&bytes[..end], &vec![0; cut - end]].concat();
            assert_eq!(read(&grown).map(|found| found.end), Ok(end), "zeros to {cut}");
        }
        // In what was synced before the last record, every change is damage, and is never taken for the end.
        for at in 0..ends[2].0 {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                assert!(read(&changed).is_err(), "bit {bit} of byte {at}");
            }
        }
    }
}
