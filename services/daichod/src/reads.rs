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
use daicho_core::{Date, Instant, KeyId, RefusalCode, proto};
use daicho_engine::{ClockWatch, Engine};
use sha2::{Digest as _, Sha256};

use crate::config::beside;

/// How often the clock and the end of the day are looked at.
const EVERY: Duration = Duration::from_secs(10);
/// The same on a simulated ledger, whose days are short.
const EVERY_SIMULATED: Duration = Duration::from_secs(1);
/// How long after the end of a day its log is closed.
const LATE: Duration = Duration::from_secs(60);
/// What the log of a day is called before and after the ledger has its digests.
const OPEN: &str = "open-";
const ENDING: &str = ".tsv";
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

    /// Days before `today` whose digests the ledger does not have yet, with their logs.
    fn ended(&self, today: Date) -> io::Result<Vec<(Date, PathBuf)>> {
        let mut found = Vec::new();
        for file in std::fs::read_dir(&self.folder)? {
            let path = file?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let day = name.strip_prefix(OPEN).and_then(|name| name.strip_suffix(ENDING));
            if let Some(day) = day.and_then(Date::parse).filter(|day| *day < today) {
                found.push((day, path));
            }
        }
        found.sort();
        Ok(found)
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
        for (day, path) in self.ended(engine.now().plus_ms(-late).jst_day())? {
            let log = File::open(&path).with_context(|| path.display().to_string())?;
            log.sync_all()?;
            let readers = digests(BufReader::new(log))?;
            let day = day.to_string();
            let fact = |readers: &[proto::Reader]| {
                Fact::ReadsLogged(proto::ReadsLogged { day: day.clone(), readers: readers.to_vec() })
            };
            match engine.note(readers.chunks(READERS).map(fact).collect()).await {
                Ok(()) => std::fs::rename(&path, self.free_name(&day))?,
                // Without the operator's key nothing can be said; the log waits.
                Err(refusal) if refusal.code == RefusalCode::NotAuthorized => return Ok(()),
                Err(refusal) => return Err(refusal.into()),
            }
        }
        Ok(())
    }
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
    let simulated = engine.origin().is_simulated();
    let start = std::time::Instant::now();
    let recorded = engine.head().borrow().recorded;
    let (mut clock, mut step) = ClockWatch::start(recorded, engine.clock_time(), start.elapsed());
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
        tokio::time::sleep(if simulated { EVERY_SIMULATED } else { EVERY }).await;
        step = clock.look(engine.clock_time(), start.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
