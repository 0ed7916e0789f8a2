//! The custody state of a replay: hot records in memory, the others in sorted runs of a file that the caller lends.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};

use daicho_custody::state::{Changes, MemoryState, StateError, Table, View};

/// Room for records that do not fit in memory: an empty temporary file, or a `Cursor` in tests.
pub trait Scratch: Read + Write + Seek + Send {}

impl<T: Read + Write + Seek + Send> Scratch for T {}

/// Records that stay in memory without scratch room, and at most twice as many with it.
const HOT_RECORDS: usize = 250_000;
/// Every so many records of a run, its key is kept in memory.
const STRIDE: usize = 64;
/// Length that marks a record as removed.
const REMOVED: u32 = u32::MAX;

/// A record's value, or that it was removed.
type Value = Option<Box<[u8]>>;
type Records = HashMap<Vec<u8>, Value>;

/// Either only what the fold reads back, or every record in order.
pub(crate) enum ReplayState {
    Lean(RefCell<Lean>),
    Full(MemoryState),
}

/// Two generations of records in memory, older ones in runs.
///
/// A record that is asked for comes back to the young generation. When that is full, the old one is written out.
pub(crate) struct Lean {
    young: Records,
    old: Records,
    scratch: Option<Box<dyn Scratch>>,
    runs: Vec<Run>,
    end: u64,
    hot: usize,
}

/// Sorted records in the scratch file: `key length (2), value length (4), key, value` each. The file does not outlive
/// the process. A run costs about two bytes of memory for each of its records.
struct Run {
    end: u64,
    /// First key of each block with its place.
    index: Vec<(Box<[u8]>, u64)>,
    filter: Filter,
}

impl ReplayState {
    pub(crate) fn lean(scratch: Option<Box<dyn Scratch>>) -> Self {
        Self::Lean(RefCell::new(Lean::new(scratch, HOT_RECORDS)))
    }

    pub(crate) fn full() -> Self {
        Self::Full(MemoryState::new())
    }

    /// # Errors
    /// When the scratch file fails.
    pub(crate) fn apply(&mut self, changes: Changes) -> Result<(), StateError> {
        match self {
            Self::Full(state) => state.apply(changes),
            Self::Lean(lean) => {
                let lean = lean.get_mut();
                for (key, value) in changes.records {
                    if Table::is_read_by_fold(key[0]) {
                        lean.young.insert(key, value.map(Vec::into_boxed_slice));
                    }
                }
                lean.make_room().map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Every record; none when only a part was kept.
    pub(crate) fn into_full(self) -> MemoryState {
        match self {
            Self::Lean(_) => MemoryState::default(),
            Self::Full(state) => state,
        }
    }
}

impl View for ReplayState {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        match self {
            Self::Lean(lean) => lean.borrow_mut().get(key).map_err(failed),
            Self::Full(state) => state.get(key),
        }
    }
}

fn failed(error: io::Error) -> StateError {
    StateError(format!("the scratch file of the replay failed: {error}"))
}

impl Lean {
    fn new(scratch: Option<Box<dyn Scratch>>, hot: usize) -> Self {
        // Room for a whole generation: to hash every record again as a table grows takes a sixth of the fold's time.
        let young = Records::with_capacity(hot);
        Self { young, old: Records::new(), scratch, runs: Vec::new(), end: 0, hot }
    }

    fn get(&mut self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        if let Some(value) = self.young.get(key) {
            return Ok(value.as_deref().map(<[u8]>::to_vec));
        }
        // Asked first, so that the key is not hashed again for nothing while there is no old generation.
        if !self.old.is_empty()
            && let Some((key, value)) = self.old.remove_entry(key)
        {
            let found = value.as_deref().map(<[u8]>::to_vec);
            self.young.insert(key, value);
            return Ok(found);
        }
        let Some(scratch) = &mut self.scratch else { return Ok(None) };
        // The newest run that knows the key has the say.
        for run in self.runs.iter().rev().filter(|run| run.filter.may_have(key)) {
            if let Some(value) = run.find(scratch.as_mut(), key)? {
                let found = value.as_deref().map(<[u8]>::to_vec);
                self.young.insert(key.to_vec(), value);
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn make_room(&mut self) -> io::Result<()> {
        if self.young.len() < self.hot || self.scratch.is_none() {
            return Ok(());
        }
        let young = Records::with_capacity(self.hot);
        let cold = std::mem::replace(&mut self.old, std::mem::replace(&mut self.young, young));
        if cold.is_empty() {
            return Ok(());
        }
        let sorted: BTreeMap<Vec<u8>, Value> = cold.into_iter().collect();
        let count = sorted.len();
        self.write_run(sorted, count)
    }

    fn write_run(&mut self, records: BTreeMap<Vec<u8>, Value>, count: usize) -> io::Result<()> {
        let Some(scratch) = &mut self.scratch else { return Ok(()) };
        let start = self.end;
        scratch.seek(SeekFrom::Start(start))?;
        let mut out = BufWriter::with_capacity(1 << 20, scratch);
        let mut run = Run { end: start, index: Vec::new(), filter: Filter::new(count) };
        for (n, (key, value)) in records.into_iter().enumerate() {
            if n % STRIDE == 0 {
                run.index.push((key.clone().into_boxed_slice(), run.end));
            }
            run.filter.add(&key);
            let value_len = value.as_ref().map_or(REMOVED, |v| v.len() as u32);
            out.write_all(&(key.len() as u16).to_le_bytes())?;
            out.write_all(&value_len.to_le_bytes())?;
            out.write_all(&key)?;
            out.write_all(value.as_deref().unwrap_or_default())?;
            run.end += 6 + key.len() as u64 + value.as_ref().map_or(0, |v| v.len() as u64);
        }
        out.flush()?;
        drop(out);
        self.end = run.end;
        self.runs.push(run);
        Ok(())
    }
}

impl Run {
    /// The record of a key: `Some(None)` when this run says that it was removed.
    fn find(&self, scratch: &mut dyn Scratch, key: &[u8]) -> io::Result<Option<Value>> {
        let block = self.index.partition_point(|(first, _)| first.as_ref() <= key);
        let Some((_, start)) = block.checked_sub(1).and_then(|b| self.index.get(b)) else { return Ok(None) };
        let end = self.index.get(block).map_or(self.end, |(_, next)| *next);
        let mut bytes = vec![0; (end - start) as usize];
        scratch.seek(SeekFrom::Start(*start))?;
        scratch.read_exact(&mut bytes)?;
        let mut rest = bytes.as_slice();
        while let Some((found, value, after)) = split_record(rest) {
            if found == key {
                return Ok(Some(value.map(Into::into)));
            }
            rest = after;
        }
        Ok(None)
    }
}

type Split<'b> = (&'b [u8], Option<&'b [u8]>, &'b [u8]);

/// The first record of a block: key, value, and the bytes after it.
fn split_record(bytes: &[u8]) -> Option<Split<'_>> {
    let (key_len, bytes) = bytes.split_first_chunk::<2>()?;
    let (value_len, bytes) = bytes.split_first_chunk::<4>()?;
    let (key, bytes) = bytes.split_at_checked(usize::from(u16::from_le_bytes(*key_len)))?;
    match u32::from_le_bytes(*value_len) {
        REMOVED => Some((key, None, bytes)),
        len => bytes.split_at_checked(len as usize).map(|(value, rest)| (key, Some(value), rest)),
    }
}

/// A Bloom filter of ten bits for each key: one question in a hundred about a key that is not there reads the file.
struct Filter {
    bits: Vec<u64>,
}

impl Filter {
    const HASHES: u64 = 7;

    fn new(keys: usize) -> Self {
        Self { bits: vec![0; (keys * 10).div_ceil(64).max(1)] }
    }

    fn places(&self, key: &[u8]) -> impl Iterator<Item = (usize, u64)> + use<> {
        let hash: [u8; 32] = *blake3::hash(key).as_bytes();
        let half = |at: usize| hash[at..at + 8].iter().fold(0_u64, |n, &b| n << 8 | u64::from(b));
        let (a, b, bits) = (half(0), half(8) | 1, self.bits.len() as u64 * 64);
        (0..Self::HASHES).map(move |n| {
            let bit = a.wrapping_add(n.wrapping_mul(b)) % bits;
            ((bit / 64) as usize, 1 << (bit % 64))
        })
    }

    fn add(&mut self, key: &[u8]) {
        for (word, bit) in self.places(key) {
            self.bits[word] |= bit;
        }
    }

    fn may_have(&self, key: &[u8]) -> bool {
        self.places(key).all(|(word, bit)| self.bits[word] & bit != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_that_were_put_aside_are_found_again_and_the_newest_wins() {
        let scratch: Box<dyn Scratch> = Box::new(io::Cursor::new(Vec::new()));
        let mut lean = Lean::new(Some(scratch), 10);
        let mut expected: HashMap<Vec<u8>, Option<Vec<u8>>> = HashMap::new();
        // A fixed walk over 200 keys: writes, overwrites, removals and reads in between.
        let mut at = 1_u64;
        for step in 0..5_000_u64 {
            at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let key = format!("c{}", (at >> 33) % 200).into_bytes();
            let value = !(at >> 20).is_multiple_of(5);
            let value = value.then(|| format!("v{step}").into_bytes());
            lean.young.insert(key.clone(), value.clone().map(Vec::into_boxed_slice));
            lean.make_room().expect("memory does not fail");
            expected.insert(key, value);
            let asked = format!("c{}", (at >> 40) % 220).into_bytes();
            let found = lean.get(&asked).expect("memory does not fail");
            assert_eq!(found, expected.get(&asked).cloned().flatten(), "step {step}");
        }
        assert!(lean.runs.len() > 10, "the walk writes runs");
        assert!(lean.young.len() + lean.old.len() < 40, "memory stays bounded");
    }
}
