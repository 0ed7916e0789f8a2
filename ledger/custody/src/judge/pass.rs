//! A pass over all copies of a scheme, data set by data set, on all cores.

use std::mem::forget;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use daicho_core::Instant;

use super::Judge;
use super::alike::{Alike, Said, Tally};
use super::walk::Walk;
use crate::duty::{Duty, Records};
use crate::state::{CopyRecord, DataSetRecord, Row, StateError, Table, decode, first_part, key, part};

type Result<T> = std::result::Result<T, StateError>;

/// Data sets that one core takes at a time.
const TOGETHER: usize = 256;
/// Threads at most, over all passes of the process: one that comes while others run makes do with its own.
const MOST_THREADS: usize = 8;

/// Threads that passes have started and that go on.
static STARTED: AtomicUsize = AtomicUsize::new(0);

/// A data set on its way through a pass.
pub(crate) struct DataSet<'p, 'a> {
    /// Its id.
    pub(crate) id: &'p str,
    /// What is known of it.
    pub(crate) record: &'p DataSetRecord,
    /// The judge of this thread.
    pub(crate) judge: &'p Judge<'a>,
    t: Instant,
    walks: &'p mut Walks<'a>,
}

/// A copy of it.
pub(crate) struct Copied<'p> {
    /// Its id.
    pub(crate) id: &'p str,
    /// What is said of it, as of all that are like it.
    pub(crate) said: &'p Arc<Said>,
    stored: &'p [u8],
}

impl<'p> Copied<'p> {
    /// Its own record.
    ///
    /// # Errors
    /// When it does not read.
    pub(crate) fn record(&self) -> Result<CopyRecord<&'p str>> {
        decode(self.stored)
    }
}

struct Walks<'a> {
    index: Walk<'a>,
    copies: Walk<'a>,
    facts: Walk<'a>,
    alike: Alike,
}

impl<'a> Walks<'a> {
    fn new(judge: &Judge<'a>) -> Self {
        let walk = || Walk::new(judge.state);
        Self { index: walk(), copies: walk(), facts: walk(), alike: Alike::new() }
    }
}

/// A thread of a pass. Its place is free again with its end.
struct Started;

impl Started {
    /// A place, while fewer than so many are taken.
    fn one_of(most: usize) -> Option<Self> {
        let taken =
            STARTED.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < most).then_some(n + 1));
        taken.ok().map(|_| Self)
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        STARTED.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Tells the other parts of a pass to stop, when it is dropped.
struct EndsOthers<'f>(&'f AtomicBool);

impl Drop for EndsOthers<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl DataSet<'_, '_> {
    /// Each of its copies known at the time of the pass, in the order of their ids.
    ///
    /// # Errors
    /// When the state cannot be read, and those of `each`.
    pub(crate) fn copies(&mut self, mut each: impl FnMut(&Copied<'_>) -> Result<()>) -> Result<()> {
        let (scheme, judge, t) = (self.judge.id(), self.judge, self.t);
        let Walks { index, copies, facts, alike } = self.walks;
        index.below(Table::CopyOfDataSet, &[scheme, self.id], |rest, _| {
            let id = first_part(rest);
            let mut found = false;
            copies.below(Table::Copy, &[scheme, id], |_, stored| {
                found = true;
                match alike.said(judge, facts, id, stored, t)? {
                    Some(said) => each(&Copied { id, said, stored }),
                    None => Ok(()),
                }
            })?;
            if found { Ok(()) } else { Err(StateError(format!("copy `{id}` is gone"))) }
        })
    }
}

impl<'a> Judge<'a> {
    /// Every data set known at `t`, each seen by one of several parts of the work. Which part sees which is open: what
    /// the parts gather must come to the same in any order.
    ///
    /// # Errors
    /// When the state cannot be read, and those of `each`.
    pub(crate) fn pass<P: Send>(
        &self,
        t: Instant,
        new: impl Fn() -> P + Sync,
        each: impl Fn(&mut P, &mut DataSet<'_, '_>) -> Result<()> + Sync,
    ) -> Result<Vec<P>> {
        let mut rows = self.state.scan(&key(Table::DataSet, &[&self.law.id]), None);
        let first: Vec<Row> = rows.by_ref().take(TOGETHER).collect::<Result<_>>()?;
        let all_seen = first.len() < TOGETHER;
        let rows = Mutex::new(rows);
        let failed = AtomicBool::new(false);
        let next = || -> Result<Vec<Row>> {
            if failed.load(Ordering::Relaxed) {
                return Ok(Vec::new());
            }
            rows.lock().unwrap_or_else(PoisonError::into_inner).by_ref().take(TOGETHER).collect()
        };
        let part = |judge: &Judge<'_>, mut batch: Vec<Row>| -> Result<P> {
            let mut gathered = new();
            let mut walks = Walks::new(judge);
            while !batch.is_empty() {
                for (place, value) in batch {
                    let record: DataSetRecord = decode(&value)?;
                    if record.opened.recorded <= t {
                        let id = part(&place, 1);
                        let walks = &mut walks;
                        each(&mut gathered, &mut DataSet { id, record: &record, judge, t, walks })?;
                    }
                }
                batch = next()?;
            }
            Ok(gathered)
        };
        // What fails in one part, or panics, ends the others.
        let work = |judge: &Judge<'_>, batch: Result<Vec<Row>>| {
            let ends = EndsOthers(&failed);
            let done = batch.and_then(|batch| part(judge, batch));
            if done.is_ok() {
                forget(ends);
            }
            done
        };
        if all_seen {
            return Ok(vec![work(self, Ok(first))?]);
        }
        let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
        let (state, law) = (self.state, &self.law);
        thread::scope(|scope| {
            let start = || {
                let place = Started::one_of(threads - 1)?;
                let work = move || {
                    let done = work(&Judge::with(state, Arc::clone(law)), next());
                    drop(place);
                    done
                };
                thread::Builder::new().spawn_scoped(scope, work).ok()
            };
            let others: Vec<_> = (1..threads).map_while(|_| start()).collect();
            let own = work(self, Ok(first));
            let join = |part: thread::ScopedJoinHandle<'_, Result<P>>| {
                part.join().unwrap_or_else(|panic| resume_unwind(panic))
            };
            std::iter::once(own).chain(others.into_iter().map(join)).collect()
        })
    }

    /// Looks at single data sets again, in the order given.
    ///
    /// # Errors
    /// When the state cannot be read, and those of `each`.
    pub(crate) fn again<'d>(
        &self,
        t: Instant,
        data_sets: impl IntoIterator<Item = (&'d str, &'d DataSetRecord)>,
        mut each: impl FnMut(&mut DataSet<'_, '_>) -> Result<()>,
    ) -> Result<()> {
        let mut walks = Walks::new(self);
        for (id, record) in data_sets {
            each(&mut DataSet { id, record, judge: self, t, walks: &mut walks })?;
        }
        Ok(())
    }

    /// What bears on these duties, of the copies known at `t`. `each` sees every copy, in one of several parts of the
    /// work.
    ///
    /// # Errors
    /// When the state cannot be read, and those of `each`.
    pub(crate) fn gather<G: Default + Send>(
        &self,
        t: Instant,
        duties: &[Duty<'_>],
        each: impl Fn(&mut G, &Copied<'_>) -> Result<()> + Sync,
    ) -> Result<(Records, Vec<G>)> {
        let nothing = Records::new(t, duties);
        let new = || (nothing.clone(), Tally::default(), G::default());
        let parts = self.pass(t, new, |(records, tally, seen), data_set| {
            data_set.copies(|copy| {
                tally.count(copy.said, |said, n| records.copies(said, n));
                each(seen, copy)
            })
        })?;
        let mut records = nothing;
        let mut seen = Vec::with_capacity(parts.len());
        for (mut part, tally, own) in parts {
            tally.end(|said, n| part.copies(said, n));
            records.join(part);
            seen.push(own);
        }
        records.complete(self)?;
        Ok((records, seen))
    }
}
