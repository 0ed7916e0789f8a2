//! What binds the copies of one holder, system and kind, looked up once for all of them, and when clocks started.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use daicho_core::Instant;

use super::walk::Walk;
use super::{Law, SetNumber};
use crate::fold::scope_word;
use crate::scheme::{Deadline, EvidenceSource, Rule, Scope, Trigger};
use crate::state::{CopyRecord, Fact, Scan, StateError, Table, decode, push_parts};

type Result<T> = std::result::Result<T, StateError>;

const CONTRACT_ENDED: &str = "contract_ended";
const DATE_REACHED: &str = "date_reached";

/// How many targets of a milestone are kept in memory: copies of one session or day are judged close together.
const TARGETS_KEPT: usize = 10_000;

/// What binds copies of one holder, system and kind at a time.
pub(super) struct Binding {
    /// Whether the ledger judges them at all.
    pub(super) judged: bool,
    pub(super) rules: Vec<BoundRule>,
}

/// A rule that binds them.
pub(super) struct BoundRule {
    /// Its place in the scheme in force at the time.
    pub(super) place: usize,
    pub(super) id: Arc<str>,
    /// Its place in each version of the scheme.
    pub(super) places: Vec<Option<usize>>,
    /// Numbers that the ward set for it, oldest first.
    pub(super) numbers: Arc<[SetNumber]>,
    pub(super) start: Start,
    /// Whether its clock is that of a whole contract.
    pub(super) of_contract: bool,
    /// Who is owed a certificate of an erasure by it.
    pub(super) certificate_to: Vec<Arc<str>>,
    /// Whether it may have asked to keep a copy for a time.
    pub(super) may_keep: bool,
}

/// What starts the clock of a rule for a copy.
pub(super) enum Start {
    /// Nothing does.
    Never,
    /// Its opening.
    Opening,
    /// The end of a contract, if there is one.
    ContractEnd(Option<String>),
    /// A milestone, by its place among those of [`Prepared`], for the contract if it is one of contracts.
    Milestone(usize, Option<String>),
}

/// What clocks can be started for: a copy, and what it belongs to.
pub(super) struct Target<'c> {
    pub(super) copy: &'c str,
    pub(super) data_set: &'c str,
    pub(super) session: &'c str,
    pub(super) opened: Fact,
}

impl<'c> Target<'c> {
    pub(super) fn of(id: &'c str, copy: &CopyRecord<&'c str>) -> Self {
        Self { copy: id, data_set: copy.data_set, session: copy.session, opened: copy.opened }
    }
}

/// What was looked up for a time, and what is known of clocks by then.
pub(super) struct Prepared<'a> {
    t: Instant,
    bindings: HashMap<Vec<u8>, Rc<Binding>>,
    milestones: Vec<Milestone<'a>>,
    place: Vec<u8>,
}

struct Milestone<'a> {
    name: String,
    scope: Scope,
    walk: Walk<'a>,
    /// What was asked last: the copies of one data set ask for the same.
    last: (String, Option<Fact>),
    known: HashMap<String, Option<Fact>>,
}

impl<'a> Prepared<'a> {
    pub(super) fn new(t: Instant) -> Self {
        Self { t, bindings: HashMap::new(), milestones: Vec::new(), place: Vec::new() }
    }

    pub(super) fn t(&self) -> Instant {
        self.t
    }

    /// What binds a copy.
    pub(super) fn binding(&mut self, law: &Law, state: &'a dyn Scan, copy: &CopyRecord<&str>) -> Rc<Binding> {
        self.place.clear();
        push_parts(&mut self.place, &[copy.holder, copy.system, copy.kind]);
        if let Some(known) = self.bindings.get(&self.place) {
            return Rc::clone(known);
        }
        let binding = Rc::new(self.bind(law, state, copy));
        self.bindings.insert(self.place.clone(), Rc::clone(&binding));
        binding
    }

    fn bind(&mut self, law: &Law, state: &'a dyn Scan, copy: &CopyRecord<&str>) -> Binding {
        let context = law.context_at(self.t);
        if !context.is_personal(copy.kind) || context.is_out_of_scope(copy.system, copy.kind) {
            return Binding { judged: false, rules: Vec::new() };
        }
        let rules = context.rules_for(copy.holder, copy.system, copy.kind).map(|rule| {
            let place = |scheme: &crate::scheme::Scheme| scheme.rules.iter().position(|r| r.id == rule.id);
            let contract =
                || rule.contract.clone().or_else(|| context.contract_of(copy.holder).map(|c| c.id.clone()));
            let numbers = law.numbers_of(&rule.id);
            let certified = context.wants_evidence(rule, EvidenceSource::Certificate);
            let recipients = rule.recipients.iter().filter(|_| certified);
            BoundRule {
                place: place(&context.scheme).expect("it is a rule of this scheme"),
                id: rule.id.as_str().into(),
                places: law.contexts.iter().map(|context| place(&context.scheme)).collect(),
                may_keep: rule.keep_at_least.is_some()
                    || law.contexts.len() > 1
                    || numbers.iter().any(|n| n.keep_at_least.is_some()),
                numbers,
                start: self.start(state, rule, contract),
                of_contract: rule.trigger.scope == Scope::Contract,
                certificate_to: recipients.map(|party| party.as_str().into()).collect(),
            }
        });
        Binding { judged: true, rules: rules.collect() }
    }

    fn start(&mut self, state: &'a dyn Scan, rule: &Rule, contract: impl Fn() -> Option<String>) -> Start {
        let name = rule.trigger.milestone.as_str();
        match name {
            Trigger::NO_MILESTONE => Start::Never,
            DATE_REACHED => Start::Opening,
            _ if rule.deadline.stated == Some(Deadline::NeverPersist) => Start::Opening,
            CONTRACT_ENDED => Start::ContractEnd(contract()),
            _ => {
                let scope = rule.trigger.scope;
                let at = self.milestones.iter().position(|m| m.name == name && m.scope == scope);
                let at = at.unwrap_or_else(|| {
                    let (name, walk) = (name.to_owned(), Walk::new(state));
                    self.milestones.push(Milestone {
                        name,
                        scope,
                        walk,
                        last: Default::default(),
                        known: HashMap::new(),
                    });
                    self.milestones.len() - 1
                });
                Start::Milestone(at, if scope == Scope::Contract { contract() } else { None })
            }
        }
    }

    /// When the clock of a rule started for a copy, as known by then.
    pub(super) fn started(&mut self, law: &Law, start: &Start, copy: &Target<'_>) -> Result<Option<Fact>> {
        match start {
            Start::Never => Ok(None),
            Start::Opening => Ok(Some(copy.opened)),
            Start::ContractEnd(contract) => {
                let end = contract.as_deref().and_then(|id| law.contract_end(id, self.t));
                Ok(end.filter(|end| end.occurred <= self.t))
            }
            Start::Milestone(at, contract) => {
                let milestone = &mut self.milestones[*at];
                let day;
                let target = match milestone.scope {
                    Scope::Copy => copy.copy,
                    Scope::DataSet => copy.data_set,
                    Scope::Session => copy.session,
                    Scope::Day => {
                        day = copy.opened.occurred.jst_day().to_string();
                        &day
                    }
                    Scope::Contract => contract.as_deref().unwrap_or_default(),
                };
                if target.is_empty() { Ok(None) } else { milestone.first(&law.id, target, self.t) }
            }
        }
    }
}

impl Milestone<'_> {
    /// The first time that it came for a target, which is not empty, of what was recorded up to `t`.
    fn first(&mut self, scheme: &str, target: &str, t: Instant) -> Result<Option<Fact>> {
        if self.last.0 == target {
            return Ok(self.last.1);
        }
        // A single copy or data set is not asked for again.
        let again = matches!(self.scope, Scope::Session | Scope::Day | Scope::Contract);
        let known = if again { self.known.get(target).copied() } else { None };
        let first = match known {
            Some(first) => first,
            None => self.look(scheme, target, t)?,
        };
        if again && known.is_none() {
            if self.known.len() >= TARGETS_KEPT {
                self.known.clear();
            }
            self.known.insert(target.to_owned(), first);
        }
        target.clone_into(&mut self.last.0);
        self.last.1 = first;
        Ok(first)
    }

    fn look(&mut self, scheme: &str, target: &str, t: Instant) -> Result<Option<Fact>> {
        let mut first: Option<Fact> = None;
        let of_target = [scheme, &self.name, scope_word(self.scope), target];
        self.walk.below(Table::Milestone, &of_target, |_, value| {
            let fact: Fact = decode(value)?;
            let earlier = |than: Fact| (fact.occurred, fact.entry) < (than.occurred, than.entry);
            if fact.recorded <= t && first.is_none_or(earlier) {
                first = Some(fact);
            }
            Ok(())
        })?;
        Ok(first)
    }
}
