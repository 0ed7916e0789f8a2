//! Copies of which the same is said are judged once.
//!
//! What is said of a copy follows from its record, from what happened to it and from when its clocks started. Copies that
//! were recorded together agree in all of that but their names: a statement of a hundred persons makes a hundred copies
//! alike. They are told by their bytes, and counted; see `docs/design/a-pass-in-parts.md`.

use std::mem::replace;
use std::rc::Rc;
use std::sync::Arc;

use daicho_core::Instant;

use super::binding::{Binding, Target};
use super::walk::Walk;
use super::{Judge, Judgement};
use crate::state::{CopyHead, CopyRecord, Fact, StateError, Table, decode};

type Result<T> = std::result::Result<T, StateError>;

/// Kinds of copies that are kept in mind: a data set has a few copies, each of another kind.
const KEPT: usize = 16;

/// What is said of copies that are alike.
#[derive(Debug)]
pub(crate) struct Said {
    /// The first of them. The others differ in the data set, its session, and nothing else.
    pub(crate) copy: CopyRecord,
    /// What is said of each.
    pub(crate) judgement: Judgement,
}

/// Copies seen lately, by what tells them apart.
pub(super) struct Alike {
    kinds: Vec<Kind>,
    /// Where the last one was found.
    last: usize,
    /// Where the next new one goes.
    next: usize,
    /// What happened to the copy that is looked at, as it is stored.
    facts: Vec<u8>,
    /// When its clocks started, by rule.
    started: Vec<Option<Fact>>,
}

struct Kind {
    kind: String,
    /// Its record but for the data set, its kind and its session, as it is stored.
    rest: Vec<u8>,
    facts: Vec<u8>,
    started: Vec<Option<Fact>>,
    binding: Rc<Binding>,
    said: Arc<Said>,
    /// Where the one that came after it was found: the copies of the next data set come in the same order.
    then: usize,
}

impl Alike {
    pub(super) fn new() -> Self {
        Self { kinds: Vec::new(), last: 0, next: 0, facts: Vec::new(), started: Vec::new() }
    }

    /// What is said at `t` of a copy from its stored record. `None`: it was not known then.
    pub(super) fn said(
        &mut self,
        judge: &Judge<'_>,
        facts: &mut Walk<'_>,
        id: &str,
        value: &[u8],
        t: Instant,
    ) -> Result<Option<&Arc<Said>>> {
        let head = CopyHead::of(value)?;
        self.facts.clear();
        facts.below(Table::CopyFact, &[judge.id(), id], |_, fact| {
            self.facts.extend_from_slice(&(fact.len() as u32).to_be_bytes());
            self.facts.extend_from_slice(fact);
            Ok(())
        })?;
        let mut clocks_known = false;
        let likely = self.kinds.get(self.last).map_or(0, |kind| kind.then);
        for at in (0..self.kinds.len()).map(|n| (likely + n) % self.kinds.len()) {
            let kind = &self.kinds[at];
            if kind.rest != head.rest || kind.facts != self.facts || kind.kind != head.kind {
                continue;
            }
            if !clocks_known {
                let opened = kind.said.copy.opened;
                let target = Target { copy: id, data_set: head.data_set, session: head.session, opened };
                judge.clocks(&kind.binding, &target, &mut self.started)?;
                clocks_known = true;
            }
            if kind.started == self.started {
                self.found(at);
                return Ok(Some(&self.kinds[at].said));
            }
        }
        let copy: CopyRecord<&str> = decode(value)?;
        if copy.opened.recorded > t {
            return Ok(None);
        }
        let new = self.judged(judge, id, &copy, head.rest, t)?;
        let at = self.next;
        self.next = (at + 1) % KEPT;
        match self.kinds.get_mut(at) {
            Some(old) => *old = new,
            None => self.kinds.push(new),
        }
        self.found(at);
        Ok(Some(&self.kinds[at].said))
    }

    fn found(&mut self, at: usize) {
        if let Some(before) = self.kinds.get_mut(self.last) {
            before.then = at;
        }
        self.last = at;
    }

    fn judged(
        &mut self,
        judge: &Judge<'_>,
        id: &str,
        copy: &CopyRecord<&str>,
        rest: &[u8],
        t: Instant,
    ) -> Result<Kind> {
        let binding = judge.binding(copy, t);
        judge.clocks(&binding, &Target::of(id, copy), &mut self.started)?;
        let mut facts = Vec::new();
        let mut stored = self.facts.as_slice();
        while let Some((len, more)) = stored.split_first_chunk() {
            let (fact, more) = more.split_at(u32::from_be_bytes(*len) as usize);
            facts.push(decode(fact)?);
            stored = more;
        }
        facts.retain(|fact: &crate::state::CopyFact| fact.fact.recorded <= t);
        let judgement = judge.judgement(copy, &facts, &binding, &self.started, t);
        Ok(Kind {
            kind: copy.kind.to_owned(),
            rest: rest.to_vec(),
            facts: self.facts.clone(),
            started: self.started.clone(),
            binding,
            said: Arc::new(Said { copy: copy.owned(), judgement }),
            then: self.next,
        })
    }
}

/// How many copies there are of which the same is said, until they are taken in together.
#[derive(Clone, Default)]
pub(crate) struct Tally {
    counted: Vec<(Arc<Said>, u64)>,
    next: usize,
}

impl Tally {
    /// Counts a copy. Those that have to make room for it are taken in.
    pub(crate) fn count(&mut self, said: &Arc<Said>, take_in: impl FnOnce(&Said, u64)) {
        if let Some((_, n)) = self.counted.iter_mut().find(|(known, _)| Arc::ptr_eq(known, said)) {
            *n += 1;
            return;
        }
        let new = (Arc::clone(said), 1);
        if self.counted.len() < KEPT {
            self.counted.push(new);
            return;
        }
        let (old, n) = replace(&mut self.counted[self.next], new);
        take_in(&old, n);
        self.next = (self.next + 1) % KEPT;
    }

    /// All that is left is taken in.
    pub(crate) fn end(self, mut take_in: impl FnMut(&Said, u64)) {
        self.counted.iter().for_each(|(said, n)| take_in(said, *n));
    }
}
