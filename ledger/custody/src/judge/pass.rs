//! A pass over all copies of a scheme, data set by data set, on all cores.

use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use daicho_core::Instant;

use super::walk::Walk;
use super::{Judge, Judgement};
use crate::duty::{Duty, Records};
use crate::state::{CopyRecord, DataSetRecord, Row, StateError, Table, decode, key, parts};

type Result<T> = std::result::Result<T, StateError>;

/// Data sets that one core takes at a time.
const TOGETHER: usize = 256;
/// Threads at most: memory grows with each.
const MOST_THREADS: usize = 8;

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
    ids: Vec<String>,
}

impl DataSet<'_, '_> {
    /// Each of its copies known at the time of the pass, in the order of their ids, with what is said of it.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub(crate) fn copies(&mut self, mut each: impl FnMut(&str, &CopyRecord<&str>, &Judgement)) -> Result<()> {
        let (scheme, judge, t) = (self.judge.id(), self.judge, self.t);
        let Walks { index, copies, ids } = self.walks;
        ids.clear();
        index.below(&key(Table::CopyOfDataSet, &[scheme, self.id]), |place, _| {
            ids.push(parts(place).get(2).copied().unwrap_or_default().to_owned());
            Ok(())
        })?;
        for id in ids {
            let mut found = false;
            copies.below(&key(Table::Copy, &[scheme, id]), |_, value| {
                found = true;
                let copy: CopyRecord<&str> = decode(value)?;
                if copy.opened.recorded <= t {
                    each(id, &copy, &judge.judge(id, &copy, t)?);
                }
                Ok(())
            })?;
            if !found {
                return Err(StateError(format!("copy `{id}` is gone")));
            }
        }
        Ok(())
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
        let next = || -> Result<Vec<Row>> {
            rows.lock().unwrap_or_else(PoisonError::into_inner).by_ref().take(TOGETHER).collect()
        };
        let work = |judge: &Judge<'_>, mut batch: Vec<Row>| -> Result<P> {
            let mut part = new();
            let mut walks =
                Walks { index: Walk::new(judge.state), copies: Walk::new(judge.state), ids: Vec::new() };
            while !batch.is_empty() {
                for (place, value) in batch {
                    let record: DataSetRecord = decode(&value)?;
                    if record.opened.recorded <= t {
                        let id = parts(&place).get(1).copied().unwrap_or_default();
                        let walks = &mut walks;
                        each(&mut part, &mut DataSet { id, record: &record, judge, t, walks })?;
                    }
                }
                batch = next()?;
            }
            Ok(part)
        };
        if all_seen {
            return Ok(vec![work(self, first)?]);
        }
        let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
        let (state, law) = (self.state, &self.law);
        thread::scope(|scope| {
            let start = || scope.spawn(|| work(&Judge::with(state, Arc::clone(law)), next()?));
            let others: Vec<_> = (1..threads).map(|_| start()).collect();
            let own = work(self, first);
            let join = |part: thread::ScopedJoinHandle<'_, Result<P>>| {
                part.join().unwrap_or_else(|panic| resume_unwind(panic))
            };
            std::iter::once(own).chain(others.into_iter().map(join)).collect()
        })
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
