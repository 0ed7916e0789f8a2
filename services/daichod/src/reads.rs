//! Who read: a log of each day beside the data folder, and its digests in the ledger (`docs/operations/access.md`).
//!
//! The log itself stays with the operator: who asks what is a secret of theirs too. The ledger holds, for each day and
//! key, the number of its reads and a hash over its lines, so that a log that is shown later can be held against it.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use daicho_core::proto::event::Fact;
use daicho_core::{
    Date, Entry, EntryIndex, Instant, KeyId, ParsedStatement, RefusalCode, durable_step, proto,
};
use daicho_engine::{ClockWatch, Engine};
use sha2::{Digest as _, Sha256};

use crate::config::beside;

/// How often the clock and the end of the day are looked at.
const EVERY: Duration = Duration::from_secs(10);
/// The same on a simulated ledger, whose days are short.
const EVERY_SIMULATED: Duration = Duration::from_secs(1);
/// How long after the end of a day its log is closed.
const LATE: Duration = Duration::from_secs(60);
/// What the log of a day is called before the ledger has its digests, and after.
const OPEN: &str = "open-";
/// What it is called while they are recorded, with the number of entries from before.
const CLOSING: &str = "closing-";
const ENDING: &str = ".tsv";
/// When the last entry is older than this at the start, the clock is worth a look.
const LONG_MS: i64 = 24 * 60 * 60 * 1_000;
/// Readers of one event.
const READERS: usize = 1_000;

/// The log of reads.
#[derive(Debug)]
pub(crate) struct Reads {
    folder: PathBuf,
    today: Mutex<Option<(Date, File)>>,
}

impl Reads {
    /// The log beside a data folder.
    ///
    /// # Errors
    /// When its folder cannot be made.
    pub(crate) fn beside(data: &Path) -> anyhow::Result<Self> {
        let folder = beside(data, "reads");
        crate::keys::private_folder(&folder).with_context(|| format!("making {}", folder.display()))?;
        Ok(Self { folder, today: Mutex::default() })
    }

    /// Notes that the holder of a key read something.
    pub(crate) fn note(&self, now: Instant, key: KeyId, party: &str, what: &str) {
        let line = format!("{now}\t{key}\t{party}\t{what}\n");
        if let Err(error) = self.write(now.jst_day(), line.as_bytes()) {
            // Reading goes on, as it does on a full disk.
            tracing::error!(%error, folder = %self.folder.display(), "a read could not be logged");
        }
    }

    fn write(&self, day: Date, line: &[u8]) -> io::Result<()> {
        let mut today = self.today.lock().unwrap_or_else(PoisonError::into_inner);
        if today.as_ref().is_none_or(|(date, _)| *date != day) {
            let path = self.folder.join(format!("{OPEN}{day}{ENDING}"));
            *today = Some((day, OpenOptions::new().create(true).append(true).open(path)?));
        }
        today.as_mut().map_or(Ok(()), |(_, file)| file.write_all(line))
    }

    /// Days before `today` whose digests the ledger does not have yet, with their logs; and of those whose recording was
    /// begun, from which entry on the digests may stand.
    fn ended(&self, today: Date) -> io::Result<Vec<(Date, PathBuf, Option<u64>)>> {
        let mut found = Vec::new();
        for file in std::fs::read_dir(&self.folder)? {
            let path = file?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let Some(name) = name.strip_suffix(ENDING) else { continue };
            let begun = name.strip_prefix(CLOSING).and_then(|name| name.split_once('-'));
            let begun = begun.and_then(|(size, day)| Some((Date::parse(day)?, Some(size.parse().ok()?))));
            let open = name.strip_prefix(OPEN).and_then(Date::parse).filter(|day| *day < today);
            if let Some((day, from)) = begun.or(open.map(|day| (day, None))) {
                found.push((day, path, from));
            }
        }
        found.sort();
        Ok(found)
    }

    /// Gives a log another name, for good.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        durable_step();
        std::fs::rename(from, to)?;
        durable_step();
        File::open(&self.folder)?.sync_all()?;
        durable_step();
        Ok(())
    }

    /// Where the log of a day goes that the ledger has the digests of. A clock that was set may bring a day twice.
    fn free_name(&self, day: &str) -> PathBuf {
        let names =
            std::iter::once(format!("{day}{ENDING}")).chain((2..).map(|n| format!("{day}.{n}{ENDING}")));
        let mut places = names.map(|name| self.folder.join(name));
        places.find(|place| !place.exists()).unwrap_or_else(|| self.folder.join(day))
    }

    /// Has the ledger record the digests of the days that are over.
    async fn close(&self, engine: &Engine) -> anyhow::Result<()> {
        // A line of a day that has just ended may still be on its way.
        let late = if engine.origin().is_simulated() { 0 } else { LATE.as_millis() as i64 };
        for (day, mut path, begun) in self.ended(engine.now().plus_ms(-late).jst_day())? {
            let log = File::open(&path).with_context(|| path.display().to_string())?;
            log.sync_all()?;
            let mut readers = digests(BufReader::new(log))?;
            let day = day.to_string();
            let mut known = Vec::new();
            match begun {
                // It was cut short: what is recorded already is not said again.
                Some(size) => {
                    known = recorded(engine, size, &day)?;
                    readers.retain(|reader| !known.contains(reader));
                }
                None => {
                    let size = engine.head().borrow().size.get();
                    let begun = self.folder.join(format!("{CLOSING}{size}-{day}{ENDING}"));
                    self.rename(&path, &begun)?;
                    path = begun;
                }
            }
            let fact = |readers: &[proto::Reader]| {
                Fact::ReadsLogged(proto::ReadsLogged { day: day.clone(), readers: readers.to_vec() })
            };
            match engine.note(readers.chunks(READERS).map(fact).collect()).await {
                Ok(()) => self.rename(&path, &self.free_name(&day))?,
                // Without the operator's key nothing can be said; the log waits.
                Err(refusal) if refusal.code == RefusalCode::NotAuthorized => {
                    if known.is_empty() {
                        self.rename(&path, &self.folder.join(format!("{OPEN}{day}{ENDING}")))?;
                    }
                    return Ok(());
                }
                Err(refusal) => return Err(refusal.into()),
            }
        }
        Ok(())
    }
}

/// Digests of a day's reads in the entries from `size` on.
fn recorded(engine: &Engine, size: u64, day: &str) -> anyhow::Result<Vec<proto::Reader>> {
    let mut found = Vec::new();
    for index in size..engine.head().borrow().size.get() {
        let bytes = engine.store().entry(EntryIndex::new(index))?;
        let bytes = bytes.with_context(|| format!("entry {index} is not there"))?;
        let statement = ParsedStatement::parse(Entry::decode(&bytes)?.statement)?;
        for event in &statement.body().events {
            // Nobody but the operator may say it.
            match &event.fact {
                Some(Fact::ReadsLogged(said)) if said.day == day => {
                    found.extend(said.readers.iter().cloned())
                }
                _ => {}
            }
        }
    }
    Ok(found)
}

/// Number of lines of each key in a log, and their hash, in the order of the keys.
fn digests(log: impl io::BufRead) -> io::Result<Vec<proto::Reader>> {
    let mut readers: BTreeMap<KeyId, (u64, Sha256)> = BTreeMap::new();
    for line in log.split(b'\n') {
        let line = line?;
        let key = line.split(|b| *b == b'\t').nth(1).and_then(|key| str::from_utf8(key).ok());
        // A line that a loss of power cut short names nobody.
        let Some(key) = key.and_then(KeyId::parse) else { continue };
        let (reads, hash) = readers.entry(key).or_default();
        *reads += 1;
        hash.update(&line);
        hash.update(b"\n");
    }
    let reader = |(key, (reads, hash)): (KeyId, (u64, Sha256))| proto::Reader {
        key_id: key.as_bytes().to_vec(),
        reads,
        log_hash: hash.finalize().to_vec(),
    };
    Ok(readers.into_iter().map(reader).collect())
}

/// Looks at the clock and the end of the day until it is dropped, and has the ledger record what there is to say.
pub(crate) async fn watch(engine: Arc<Engine>, reads: Arc<Reads>) {
    let every = if engine.origin().is_simulated() { EVERY_SIMULATED } else { EVERY };
    watch_every(engine, reads, every).await;
}

async fn watch_every(engine: Arc<Engine>, reads: Arc<Reads>, every: Duration) {
    let simulated = engine.origin().is_simulated();
    let start = std::time::Instant::now();
    let recorded = engine.head().borrow().recorded;
    let now = engine.clock_time();
    if now.unix_ms() - recorded.unix_ms() > LONG_MS && !simulated {
        // Nobody can tell from here whether the server was off, or its clock runs ahead.
        tracing::warn!(%recorded, %now, "the last entry is old: unless the server was off for so long, its clock is ahead, and what is recorded now cannot be taken back");
    }
    let (mut clock, mut step) = ClockWatch::start(recorded, now, start.elapsed());
    loop {
        if let Some(step) = step.take().filter(|_| !simulated) {
            let (expected, found) = (step.expected, step.found);
            tracing::warn!(%expected, %found, "the machine's clock was set; recorded time does not go back");
            if let Err(refusal) = engine.note_clock(step).await {
                tracing::warn!(%refusal, "that the clock was set is not recorded");
            }
        }
        if let Err(error) = reads.close(&engine).await {
            tracing::warn!(error = format!("{error:#}"), "the reads of a day are not recorded yet");
        }
        tokio::time::sleep(every).await;
        step = clock.look(engine.clock_time(), start.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use daicho_core::{Origin, SigningKey};
    use daicho_engine::{Authority, Clock, EngineConfig, FileGuard, Founding, found};
    use daicho_store::Store;
    use daicho_tlog::{Algorithm, Checkpoint, NoteSigner};

    use super::*;

    /// Shows what it is set to.
    struct Settable(AtomicI64);

    impl Clock for Settable {
        fn now(&self) -> Instant {
            Instant::from_unix_ms(self.0.load(Ordering::SeqCst)).expect("a time")
        }
    }

    /// Everything that the operator said of its server, with the times of recording.
    fn said(engine: &Engine) -> Vec<(Instant, Fact)> {
        let size = engine.head().borrow().size.get();
        let entry = |index| {
            let bytes = engine.store().entry(EntryIndex::new(index)).expect("readable").expect("there");
            let entry = Entry::decode(&bytes).expect("an entry");
            let statement = ParsedStatement::parse(entry.statement).expect("a statement");
            (entry.recorded, statement.body().events[0].fact.clone().expect("a fact"))
        };
        let noted = |fact: &Fact| matches!(fact, Fact::ClockStepped(_) | Fact::ReadsLogged(_));
        (1..size).map(entry).filter(|(_, fact)| noted(fact)).collect()
    }

    /// Waits until the operator has said so much.
    async fn until(engine: &Engine, count: usize) -> Vec<(Instant, Fact)> {
        let mut head = engine.head();
        loop {
            let said = said(engine);
            if said.len() >= count {
                return said;
            }
            let next = tokio::time::timeout(Duration::from_secs(60), head.changed()).await;
            next.expect("in time").expect("the engine runs");
        }
    }

    #[tokio::test]
    async fn a_clock_that_is_set_and_the_reads_of_a_day_are_recorded_once() {
        const HOUR: i64 = 3_600_000;
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("ledger");
        let evening = Instant::parse("2021-02-01T22:30").expect("a time");
        let operator = SigningKey::from_seed(&[1; 32]);
        let name = "test.example/ledger".parse().expect("a name");
        let signer = NoteSigner::from_seed(name, Algorithm::Ed25519, &[4; 32]).expect("a key");
        let founding = Founding {
            origin: Origin::new("test.example/ledger").expect("a name"),
            operator: ("operator".into(), "台帳運用者".into()),
            operator_key: &operator,
            ward: ("ward".into(), "新宿区".into()),
            ward_key: SigningKey::from_seed(&[2; 32]).public(),
            checkpoint_keys: vec![signer.verifier().to_string()],
            at: evening,
        };
        found(&data, &founding).expect("founded");
        let clock = Arc::new(Settable(AtomicI64::new(evening.unix_ms())));
        let mut guard = FileGuard::open(&folder.path().join("guard")).expect("a guard");
        let head = Store::open_read_only(&data).and_then(|store| store.head()).expect("a head");
        let first = Checkpoint::new("test.example/ledger", head.size.get(), head.root).expect("a checkpoint");
        guard.renew(&first).expect("written");
        let authority = Authority {
            operator: Some(Box::new(operator)),
            checkpoint_keys: vec![Box::new(signer)],
            guard: Box::new(guard),
        };
        let config = EngineConfig { seal_every_ms: 0, ..EngineConfig::default() };
        let engine = Engine::start_with_clock(&data, config, authority, Arc::<Settable>::clone(&clock))
            .expect("started");
        let reads = Arc::new(Reads::beside(&data).expect("a log"));
        let key = SigningKey::from_seed(&[3; 32]).public().id();
        reads.note(engine.now(), key, "office", "custody");
        let looks = watch_every(Arc::clone(&engine), Arc::clone(&reads), Duration::from_millis(2));
        let watch = tokio::spawn(looks);
        // It looks at the clock for the first time before it waits for anything.
        tokio::task::yield_now().await;

        // Ahead by two hours, into the next day: that is recorded, and the day's reads are.
        clock.0.fetch_add(2 * HOUR, Ordering::SeqCst);
        let noted = until(&engine, 2).await;
        let Fact::ClockStepped(step) = &noted[0].1 else { panic!("{noted:?}") };
        assert!((step.found_ms - step.expected_ms - 2 * HOUR).abs() < 60_000, "{step:?}");
        let Fact::ReadsLogged(day) = &noted[1].1 else { panic!("{noted:?}") };
        assert_eq!((day.day.as_str(), day.readers[0].reads), ("2021-02-01", 1));
        // And back: recorded time does not go with it.
        clock.0.fetch_sub(HOUR, Ordering::SeqCst);
        let noted = until(&engine, 3).await;
        let Fact::ClockStepped(step) = &noted[2].1 else { panic!("{noted:?}") };
        assert!((step.expected_ms - step.found_ms - HOUR).abs() < 60_000, "{step:?}");
        assert!(noted[2].0 >= noted[1].0 && noted[1].0 >= noted[0].0, "{noted:?}");
        watch.abort();
        assert!(watch.await.expect_err("stopped").is_cancelled());

        // It died between recording a day and naming its log: the next one names it, and says nothing twice.
        clock.0.fetch_add(HOUR, Ordering::SeqCst);
        let [closed, begun] =
            ["2021-02-01.tsv", "closing-1-2021-02-01.tsv"].map(|name| reads.folder.join(name));
        std::fs::rename(&closed, &begun).expect("closed before");
        let size = engine.head().borrow().size;
        reads.close(&engine).await.expect("closed");
        assert!(closed.exists() && !begun.exists());
        assert_eq!(engine.head().borrow().size, size, "nothing new is said");
        // It died before recording.
        std::fs::rename(&closed, reads.folder.join(format!("closing-{}-2021-02-01.tsv", size.get())))
            .expect("there");
        reads.close(&engine).await.expect("closed");
        assert!(closed.exists() && said(&engine).len() == 4);
        engine.stop();
    }

    #[test]
    fn a_digest_is_that_of_the_lines_of_one_key() {
        let (a, b) = ("0a".repeat(16), "0b".repeat(16));
        let lines = [
            format!("t1\t{b}\tward\tcustody\n"),
            format!("t2\t{a}\toffice\treports\n"),
            format!("t3\t{b}\tward\tentries\n"),
        ];
        let log = format!("{}cut sho", lines.concat());
        let found = digests(log.as_bytes()).expect("readable");
        let hash = |lines: &[&String]| -> Vec<u8> {
            let text: String = lines.iter().map(|line| line.as_str()).collect();
            Sha256::digest(text).to_vec()
        };
        let said: Vec<_> =
            found.iter().map(|r| (hex::encode(&r.key_id), r.reads, r.log_hash.clone())).collect();
        let expected = [(a, 1, hash(&[&lines[1]])), (b, 2, hash(&[&lines[0], &lines[2]]))];
        assert_eq!(said, expected);
    }
}
