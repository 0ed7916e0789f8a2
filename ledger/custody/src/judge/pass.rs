//! A pass over all copies of a scheme, data set by data set, on all cores.

use std::mem::forget;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use daicho_core::Instant;

use super::walk::Walk;
use super::{Judge, Judgement};
use crate::duty::{Duty, Records};
use crate::state::{CopyRecord, DataSetRecord, Row, StateError, Table, decode, key, part};

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

struct Walks<'a> {
    index: Walk<'a>,
    copies: Walk<'a>,
}

impl<'a> Walks<'a> {
    fn new(judge: &Judge<'a>) -> Self {
        Self { index: Walk::new(judge.state), copies: Walk::new(judge.state) }
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
    /// Each of its copies known at the time of the pass, in the order of their ids, with what is said of it.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub(crate) fn copies(&mut self, mut each: impl FnMut(&str, &CopyRecord<&str>, &Judgement)) -> Result<()> {
        let (scheme, judge, t) = (self.judge.id(), self.judge, self.t);
        let Walks { index, copies } = self.walks;
        index.below(Table::CopyOfDataSet, &[scheme, self.id], |place, _| {
            let id = part(place, 2);
            let mut found = false;
            copies.below(Table::Copy, &[scheme, id], |_, value| {
                found = true;
                let copy: CopyRecord<&str> = decode(value)?;
                if copy.opened.recorded <= t {
                    each(id, &copy, &judge.judge(id, &copy, t)?);
                }
                Ok(())
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

    /// What bears on these duties, of the copies known at `t`. `each` sees every copy with what is said of it, in one of
    /// several parts of the work.
    pub(crate) fn gather<G: Default + Send>(
        &self,
        t: Instant,
        duties: &[Duty<'_>],
        each: impl Fn(&mut G, &str, &CopyRecord<&str>, &Judgement) + Sync,
    ) -> Result<(Records, Vec<G>)> {
        let nothing = Records::new(t, duties);
        let new = || (nothing.clone(), G::default());
        let parts = self.pass(t, new, |(records, seen), data_set| {
            let judge = data_set.judge;
            data_set.copies(|id, copy, judgement| {
                records.copy(copy, judgement, judge.certificate(judgement, t));
                each(seen, id, copy, judgement);
            })
        })?;
        let mut records = nothing;
        let mut seen = Vec::with_capacity(parts.len());
        for (part, own) in parts {
            records.join(part);
            seen.push(own);
        }
        records.complete(self)?;
        Ok((records, seen))
    }
}
