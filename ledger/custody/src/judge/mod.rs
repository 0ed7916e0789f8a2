//! Verdicts: what is to be said of a copy at a time, past or present, from the state alone.
//!
//! Nothing here is stored. A verdict at `t` uses what was recorded up to `t` and the clock set to `t`.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use daicho_core::{EntryIndex, Instant};

use crate::FindingCode;
use crate::calendar::{ClockTime, Office};
use crate::context::{ContextCache, SchemeContext};
use crate::detail::{Detail, Keep, Names};
use crate::duty::duties;
use crate::fold::load_context;
use crate::media;
use crate::report::Certificate;
use crate::scheme::{Action, Deadline, Diagnostic, Level, PartyRole, Rule, Text, lint};
use crate::silence::key_findings;
use crate::state::{
    ContractRecord, CopyChange, CopyFact, CopyRecord, Fact, FindingRecord, HandoverRecord, LimitSetting,
    RuleRecord, RuleSetting, Scan, SchemeRecord, SchemeVersion, StateError, Table, Txn, View, decode, key,
    part,
};

mod alike;
mod binding;
mod pass;
mod verdict;
mod walk;

pub(crate) use alike::{Said, Tally};
use binding::{Binding, BoundRule, Prepared, Target};
pub(crate) use pass::{Copied, DataSet};
pub use verdict::{Evidence, Finding, Judgement, Limits, NumberSource, RuleJudgement, Verdict};
use walk::Walk;

type Result<T> = std::result::Result<T, StateError>;

/// Judges the copies of one scheme from one state.
pub struct Judge<'a> {
    state: &'a dyn Scan,
    law: Arc<Law>,
    facts: RefCell<Facts<'a>>,
    /// What was looked up for the time that was asked about last.
    prepared: RefCell<Prepared<'a>>,
    /// The limits of that time.
    limits: Cell<Option<(Instant, Limits)>>,
}

/// What happened to the copy that was asked about last.
struct Facts<'a> {
    walk: Walk<'a>,
    known: Vec<CopyFact>,
}

impl Facts<'_> {
    fn below(&mut self, scheme: &str, copy: &str, t: Instant) -> Result<&[CopyFact]> {
        self.known.clear();
        self.walk.below(Table::CopyFact, &[scheme, copy], |_, value| {
            let fact: CopyFact = decode(value)?;
            if fact.fact.recorded <= t {
                self.known.push(fact);
            }
            Ok(())
        })?;
        Ok(&self.known)
    }
}

/// What a scheme and the ward's numbers for it say, read once.
struct Law {
    id: String,
    record: SchemeRecord,
    /// Contexts of the versions, in the order of `record.versions`.
    contexts: Vec<Arc<SchemeContext>>,
    rules: HashMap<String, RuleRecord>,
    /// The settings of `rules`, parsed.
    numbers: HashMap<String, Arc<[SetNumber]>>,
    contracts: HashMap<String, ContractRecord>,
    /// Closing times of the ward's office with when they were set, oldest first.
    closings: Vec<(Instant, ClockTime)>,
}

/// Numbers that the ward set for a rule at once. `None`: unchanged.
struct SetNumber {
    set: Instant,
    deadline: Option<Deadline>,
    longest_wait: Option<Deadline>,
    keep_at_least: Option<Deadline>,
}

impl SetNumber {
    fn of(setting: &RuleSetting) -> Self {
        let parsed = |text: &Option<String>| text.as_deref().and_then(|text| Deadline::parse(text).ok());
        Self {
            set: setting.set.recorded,
            deadline: parsed(&setting.deadline),
            longest_wait: parsed(&setting.longest_wait),
            keep_at_least: parsed(&setting.keep_at_least),
        }
    }
}

impl Law {
    /// The newest version in force at `t`. The first one when none was.
    fn version_at(&self, t: Instant) -> (&SchemeVersion, &Arc<SchemeContext>) {
        let at = self.record.versions.iter().rposition(|v| v.enacted.recorded <= t).unwrap_or(0);
        (&self.record.versions[at], &self.contexts[at])
    }

    fn context_at(&self, t: Instant) -> &Arc<SchemeContext> {
        self.version_at(t).1
    }

    fn numbers_of(&self, rule: &str) -> Arc<[SetNumber]> {
        self.numbers.get(rule).cloned().unwrap_or_default()
    }

    /// The end of a contract as the ward settled it last, else the scheme's.
    fn contract_end(&self, contract: &str, t: Instant) -> Option<Fact> {
        let settled = self
            .contracts
            .get(contract)
            .into_iter()
            .flat_map(|r| &r.settlements)
            .filter(|s| s.set.recorded <= t)
            .filter_map(|s| s.end.map(|end| (end, s.set)))
            .next_back();
        let (end, set) = match settled {
            Some(found) => found,
            None => (self.context_at(t).contract_end(contract)?, self.record.versions.first()?.enacted),
        };
        Some(Fact { occurred: end.end(), recorded: end.end(), entry: set.entry })
    }

    /// The ward's closing time for a clock that started at `start`: as set then, else as set first, up to `t`.
    fn closing(&self, start: Instant, t: Instant) -> Option<ClockTime> {
        let known = &self.closings[..self.closings.partition_point(|(set, _)| *set <= t)];
        let then = known.iter().rfind(|(set, _)| *set <= start);
        then.or_else(|| known.first()).map(|(_, time)| *time)
    }
}

/// A number that the ward set, for a clock that started at `start`: as set then, else as set first, up to `t`.
fn number_for(
    numbers: &[SetNumber],
    start: Instant,
    t: Instant,
    field: fn(&SetNumber) -> Option<Deadline>,
) -> Option<Deadline> {
    let known = numbers.iter().filter(|n| n.set <= t && field(n).is_some());
    in_force(known, |n| n.set, start).and_then(field)
}

/// Of what was set one after the other: what was in force at a time, else what was set first.
fn in_force<T>(
    mut all: impl DoubleEndedIterator<Item = T> + Clone,
    set: impl Fn(&T) -> Instant,
    at: Instant,
) -> Option<T> {
    all.clone().rfind(|one| set(one) <= at).or_else(|| all.next())
}

impl<'a> Judge<'a> {
    /// A judge of `scheme`. `None` when it is not in force.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn new(state: &'a dyn Scan, cache: &mut ContextCache, scheme: &str) -> Result<Option<Self>> {
        let txn = Txn::new(state);
        let Some(record) = txn.get::<SchemeRecord>(&key(Table::Scheme, &[scheme]))? else { return Ok(None) };
        let mut contexts = Vec::with_capacity(record.versions.len());
        for version in &record.versions {
            contexts.push(load_context(&txn, cache, version)?);
        }
        let rules: HashMap<String, RuleRecord> = read_all(state, Table::Rule, scheme)?;
        let numbers =
            rules.iter().map(|(id, r)| (id.clone(), r.settings.iter().map(SetNumber::of).collect()));
        let closing =
            |l: &LimitSetting| Some((l.set.recorded, ClockTime::parse(l.closing_time.as_deref()?)?));
        let law = Law {
            id: scheme.to_owned(),
            closings: record.limits.iter().filter_map(closing).collect(),
            record,
            contexts,
            numbers: numbers.collect(),
            rules,
            contracts: read_all(state, Table::Contract, scheme)?,
        };
        Ok(Some(Self::with(state, Arc::new(law))))
    }

    fn with(state: &'a dyn Scan, law: Arc<Law>) -> Self {
        Self {
            state,
            law,
            facts: RefCell::new(Facts { walk: Walk::new(state), known: Vec::new() }),
            prepared: RefCell::new(Prepared::new(Instant::EPOCH)),
            limits: Cell::default(),
        }
    }

    /// The newest version in force at `t`. The first one when none was.
    pub fn version_at(&self, t: Instant) -> (&SchemeVersion, &Arc<SchemeContext>) {
        self.law.version_at(t)
    }

    /// What the scheme says in the version in force at `t`.
    pub fn context_at(&self, t: Instant) -> &Arc<SchemeContext> {
        self.law.context_at(t)
    }

    /// What the linter warns of in the version in force at `t`.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn warnings(&self, t: Instant) -> Result<Vec<Diagnostic>> {
        let (version, context) = self.version_at(t);
        let bytes = crate::fold::document(self.state, &version.scheme_document)?.unwrap_or_default();
        let text =
            String::from_utf8(bytes).map_err(|_| StateError("an enacted document is no text".into()))?;
        let found = lint(&text, &context.scheme, &context.vocabulary);
        Ok(found.into_iter().filter(|d| d.level == Level::Warning).collect())
    }

    pub(crate) fn state(&self) -> &'a dyn Scan {
        self.state
    }

    /// The scheme's id.
    pub fn id(&self) -> &str {
        &self.law.id
    }

    /// The scheme's record.
    pub fn record(&self) -> &SchemeRecord {
        &self.law.record
    }

    /// All copies known at `t`, in the order of their ids, from after `after`.
    pub fn copies(
        &self,
        t: Instant,
        after: Option<&str>,
    ) -> impl Iterator<Item = Result<(String, CopyRecord)>> + '_ {
        let after = after.map(|id| key(Table::Copy, &[&self.law.id, id]));
        self.state
            .scan(&key(Table::Copy, &[&self.law.id]), after.as_deref())
            .map(|row| {
                let (place, value) = row?;
                let id = part(&place, 1).to_owned();
                Ok((id, decode::<CopyRecord>(&value)?))
            })
            .filter(move |row| row.as_ref().map_or(true, |(_, copy)| copy.opened.recorded <= t))
    }

    /// What is said of a copy at `t`.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn judge<S: AsRef<str>>(&self, id: &str, copy: &CopyRecord<S>, t: Instant) -> Result<Judgement> {
        let copy = &copy.borrowed();
        let binding = self.binding(copy, t);
        let mut started = Vec::new();
        self.clocks(&binding, &Target::of(id, copy), &mut started)?;
        let mut known = self.facts.borrow_mut();
        let facts = known.below(&self.law.id, id, t)?;
        Ok(self.judgement(copy, facts, &binding, &started, t))
    }

    /// What binds a copy at `t`.
    fn binding(&self, copy: &CopyRecord<&str>, t: Instant) -> Rc<Binding> {
        let mut prepared = self.prepared.borrow_mut();
        if prepared.t() != t {
            *prepared = Prepared::new(t);
        }
        prepared.binding(&self.law, self.state, copy)
    }

    /// When the clock of each rule started for a copy, as known at the time of the binding.
    fn clocks(&self, binding: &Binding, copy: &Target<'_>, started: &mut Vec<Option<Fact>>) -> Result<()> {
        let mut prepared = self.prepared.borrow_mut();
        started.clear();
        for bound in &binding.rules {
            started.push(prepared.started(&self.law, &bound.start, copy)?);
        }
        Ok(())
    }

    /// What is said of a copy at `t` from all that is known of it by then, with the start of each rule's clock.
    fn judgement(
        &self,
        copy: &CopyRecord<&str>,
        facts: &[CopyFact],
        binding: &Binding,
        started: &[Option<Fact>],
        t: Instant,
    ) -> Judgement {
        let closed = copy.closed.filter(|fact| fact.recorded <= t);
        let entries = std::iter::once(copy.opened.entry).chain(facts.iter().map(|f| f.fact.entry)).collect();
        let mut judgement = Judgement {
            verdict: Verdict::OnTime,
            rule: None,
            due: None,
            evidence: Evidence::None,
            third_party: None,
            owed: Vec::new(),
            unserved: Vec::new(),
            certified: None,
            certificate_due: None,
            certificate: Certificate::NotOwed,
            closed,
            entries,
            rules: Vec::new(),
            findings: Vec::new(),
        };
        if !binding.judged {
            judgement.verdict = Verdict::NotJudged;
            return judgement;
        }
        let context = self.context_at(t);
        let mut view = CopyView { copy, facts, closed, t, elsewhere: false };
        let elsewhere = match view.last_end() {
            Some(CopyChange::Returned { to, .. }) if !goes_back_to(context, binding, copy, to) => {
                Some(to.clone())
            }
            _ => None,
        };
        view.elsewhere = elsewhere.is_some();
        let elsewhere = elsewhere.map(|to| (FindingCode::ReturnedElsewhere, Detail::ReturnedTo(to)));
        judgement.findings.extend(elsewhere);
        judgement.rules.reserve_exact(binding.rules.len());
        for (bound, &started) in binding.rules.iter().zip(started) {
            let rule = &context.scheme.rules[bound.place];
            let (one, withheld) = self.judge_rule(rule, bound, started, &view);
            if let Some((least, until)) = self.kept_too_briefly(rule, bound, started, &view) {
                let detail = Detail::Kept { rule: Arc::clone(&bound.id), least, until };
                judgement.findings.push((FindingCode::DeletedEarly, detail));
            }
            if let Some(wait) = withheld {
                let detail = Detail::Waited { rule: Arc::clone(&bound.id), wait };
                judgement.findings.push((FindingCode::MilestoneWithheld, detail));
            }
            judgement.rules.push(one);
        }
        self.conclude(&mut judgement, binding, &view);
        judgement
    }

    fn conclude(&self, judgement: &mut Judgement, binding: &Binding, view: &CopyView<'_>) {
        match judgement.rules.iter().min_by_key(|r| (r.verdict, r.due.unwrap_or(Instant::MAX))) {
            Some(worst) => {
                judgement.verdict = worst.verdict;
                judgement.rule = Some(Arc::clone(&worst.rule));
                judgement.due = worst.due;
            }
            None if view.went_along() => judgement.verdict = Verdict::Moved,
            None => judgement.verdict = Verdict::NoSchedule,
        }
        let code = match judgement.verdict {
            Verdict::Overdue => Some(FindingCode::Overdue),
            Verdict::Late => Some(FindingCode::DeletedLate),
            _ => None,
        };
        if let (Some(code), Some(rule)) = (code, &judgement.rule) {
            judgement.findings.push((code, Detail::Due { rule: Arc::clone(rule), due: judgement.due }));
        }
        self.weigh_evidence(judgement, binding, view);
    }

    fn judge_rule(
        &self,
        rule: &Rule,
        bound: &BoundRule,
        started: Option<Fact>,
        view: &CopyView<'_>,
    ) -> (RuleJudgement, Option<Deadline>) {
        let (rule, deadline, office) = self.governing(rule, bound, started, view.t);
        let mut one = RuleJudgement {
            rule: Arc::clone(&bound.id),
            place: bound.place,
            verdict: Verdict::NoSchedule,
            triggered: None,
            due: None,
        };
        if rule.out_of_ledger {
            one.verdict = Verdict::NotJudged;
            return (one, None);
        }
        if view.went_along() && (rule.gap || deadline.is_none()) {
            // The duty to erase went with the data; that this rule has no number no longer matters here.
            one.verdict = view.closed_verdict(rule);
            return (one, None);
        }
        let Some(deadline) = deadline.filter(|_| rule.trigger.starts()) else {
            return (one, None);
        };
        let Some(start) = started else {
            let open = view.closed.is_none();
            one.verdict = if open { Verdict::NotTriggered } else { view.closed_verdict(rule) };
            let mut waits = bound.numbers.iter().filter(|n| n.set <= view.t).filter_map(|n| n.longest_wait);
            let wait = waits
                .next_back()
                .filter(|w| open && w.due(view.copy.opened.occurred, office).is_some_and(|due| view.t > due));
            return (one, wait);
        };
        one.triggered = Some(start.occurred);
        // A day that the calendar does not know, or a closing time that nobody set: no schedule.
        let Some(stated) = deadline.due(start.occurred, office) else { return (one, None) };
        let deferred = view.deferred_to().filter(|until| *until > stated);
        let due = deferred.unwrap_or(stated);
        one.due = Some(due);
        one.verdict = match view.closed {
            Some(closed) if closed.occurred <= due => view.closed_verdict(rule),
            Some(_) => Verdict::Late,
            None if view.t > due => Verdict::Overdue,
            None if deferred.is_some() => Verdict::Deferred,
            None => Verdict::Due,
        };
        (one, None)
    }

    /// The end of a contract as the ward settled it last, else the scheme's.
    pub(crate) fn contract_end(&self, contract: &str, t: Instant) -> Option<Fact> {
        self.law.contract_end(contract, t)
    }

    /// The first day of a contract as the ward settled it first; `None`: as in the scheme.
    pub(crate) fn contract_start(&self, contract: &str, t: Instant) -> Option<daicho_core::Date> {
        let settlements = self.law.contracts.get(contract).into_iter().flat_map(|r| &r.settlements);
        settlements.filter(|s| s.set.recorded <= t).find_map(|s| s.start)
    }

    /// The number for an act word that was in force when something was asked for, as known at `t`; else the first one set
    /// after it.
    pub(crate) fn number_of_act_for(&self, word: &str, asked: Instant, t: Instant) -> Option<Deadline> {
        number_for(&self.law.numbers_of(&act_rule(word)), asked, t, |n| n.deadline)
    }

    /// The rule, deadline and office that govern a clock: those in force when it started, unless a later version
    /// applies to open clocks.
    fn governing<'r>(
        &'r self,
        rule: &'r Rule,
        bound: &BoundRule,
        started: Option<Fact>,
        t: Instant,
    ) -> (&'r Rule, Option<Deadline>, Office<'r>) {
        let start = started.map_or(t, |fact| fact.recorded);
        let law = &self.law;
        let in_force =
            |v: &SchemeVersion| v.enacted.recorded <= start || v.applies_to_open && v.enacted.recorded <= t;
        let (governed, calendar) = law
            .record
            .versions
            .iter()
            .rposition(in_force)
            .and_then(|at| {
                let context = &law.contexts[at];
                Some((&context.scheme.rules[bound.places[at]?], context.calendar.as_ref()))
            })
            .unwrap_or_else(|| (rule, self.context_at(t).calendar.as_ref()));
        let deadline = number_for(&bound.numbers, start, t, |n| n.deadline).or(governed.deadline.stated);
        (governed, deadline, Office { calendar, closing: law.closing(start, t) })
    }

    /// How long and until when an erased copy had to be kept, when it was erased before that. The clock is the rule's own; one that
    /// has not started keeps the duty open.
    fn kept_too_briefly(
        &self,
        rule: &Rule,
        bound: &BoundRule,
        started: Option<Fact>,
        view: &CopyView<'_>,
    ) -> Option<(Deadline, Keep)> {
        let erased = view.closed.filter(|_| bound.may_keep && view.erased())?;
        let (governed, _, office) = self.governing(rule, bound, started, view.t);
        let start = started.map_or(view.t, |fact| fact.recorded);
        let least = number_for(&bound.numbers, start, view.t, |n| n.keep_at_least);
        let least = least.or(governed.keep_at_least)?;
        let Some(started) = started else {
            return Some((least, Keep::After(rule.trigger.milestone.clone())));
        };
        let until = least.due(started.occurred, office).filter(|until| erased.occurred <= *until)?;
        Some((least, Keep::Until(until)))
    }

    /// The office by which limits of the whole scheme are counted at `t`.
    pub fn office_at(&self, t: Instant) -> Office<'_> {
        Office { calendar: self.context_at(t).calendar.as_ref(), closing: self.law.closing(t, t) }
    }

    /// Where the number of a rule comes from, at `t`.
    pub fn number_source(&self, rule: &Rule, t: Instant) -> NumberSource {
        let mut settings = self.law.rules.get(&rule.id).into_iter().flat_map(|r| &r.settings);
        let set = settings.rfind(|s| s.set.recorded <= t && s.deadline.is_some());
        match (set, rule.deadline.stated) {
            (Some(s), _) => NumberSource::Ward {
                deadline: s.deadline.clone().unwrap_or_default(),
                set: s.set,
                by: s.by.clone(),
                ground: s.ground.clone(),
                adopts_proposal: s.adopts_proposal,
            },
            (None, Some(deadline)) => NumberSource::Source { deadline: deadline.to_string() },
            (None, None) => NumberSource::Missing { proposal: rule.deadline.proposal.map(|p| p.to_string()) },
        }
    }

    /// Numbers that the ward set for a rule, oldest first.
    pub fn settings_of(&self, rule: &str) -> impl Iterator<Item = &RuleSetting> {
        self.law.rules.get(rule).into_iter().flat_map(|r| &r.settings)
    }

    /// Parties that the scheme left undetermined and who each turned out to be, as known at `t`, the newest last.
    pub fn named_parties(&self, t: Instant) -> impl Iterator<Item = (&str, &str)> {
        let settlements = self.law.contracts.values().flat_map(|c| &c.settlements);
        let mut named: Vec<_> = settlements
            .filter(|s| s.set.recorded <= t)
            .filter_map(|s| s.named.as_ref().map(|n| (s.set, n)))
            .collect();
        named.sort();
        named.into_iter().map(|(_, (party, identity))| (party.as_str(), identity.as_str()))
    }

    /// What the ids of the scheme are called at `t`.
    pub fn names(&self, t: Instant) -> Names<'_> {
        Names::new(self.context_at(t), self.named_parties(t))
    }

    /// Limits of the scheme at `t`.
    pub fn limits(&self, t: Instant) -> Limits {
        if let Some((_, known)) = self.limits.get().filter(|(at, _)| *at == t) {
            return known;
        }
        let latest = |field: fn(&LimitSetting) -> Option<&str>| {
            let known = self.law.record.limits.iter().filter(|l| l.set.recorded <= t);
            known.filter_map(field).next_back().and_then(|text| Deadline::parse(text).ok())
        };
        let limits = Limits {
            certificate: latest(|l| l.certificate_within.as_deref()),
            acknowledge: latest(|l| l.acknowledge_within.as_deref()),
            report: latest(|l| l.report_within.as_deref()),
            attest: latest(|l| l.attest_within.as_deref()),
            warn: latest(|l| l.warn_before.as_deref()),
        };
        self.limits.set(Some((t, limits)));
        limits
    }

    /// What happened to a copy up to `t`.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn facts(&self, copy: &str, t: Instant) -> Result<Vec<CopyFact>> {
        Ok(self.facts.borrow_mut().below(&self.law.id, copy, t)?.to_vec())
    }

    fn weigh_evidence(&self, judgement: &mut Judgement, binding: &Binding, view: &CopyView<'_>) {
        let Some(closed) = judgement.closed else { return };
        if view.went_along() {
            return;
        }
        let erased = view.facts.iter().rfind(|f| matches!(f.what, CopyChange::Deleted { .. }));
        let erased = erased.map_or(closed, |f| f.fact);
        // From before the erasure, stated and recorded, nothing speaks for it: what fails its verification is erased again.
        let since = |f: &&CopyFact| f.fact.entry >= erased.entry || f.fact.occurred >= erased.occurred;
        let confirmed = view.facts.iter().filter(since).any(|f| f.what == CopyChange::Confirmed);
        let certificates = || {
            view.facts.iter().filter(since).filter_map(|f| match &f.what {
                CopyChange::Certified { recipients, third_party, .. } => {
                    Some((f.fact, recipients, third_party))
                }
                _ => None,
            })
        };
        let received = |party: &str| {
            let to = certificates().filter(|(_, to, _)| to.iter().any(|one| one == party));
            to.map(|(fact, ..)| fact).min_by_key(|fact| (fact.occurred, fact.entry))
        };
        let owed = certificate_owed(judgement, binding, view, closed);
        judgement.owed = owed.to;
        judgement.unserved = judgement.owed.iter().filter(|to| received(to).is_none()).cloned().collect();
        let certified = certificates().next().is_some();
        let complete = judgement.unserved.is_empty();
        judgement.evidence = match (confirmed, certified && complete) {
            (true, _) => Evidence::Confirmed,
            (false, true) => Evidence::Certified,
            (false, false) => Evidence::Attested,
        };
        judgement.third_party =
            certificates().filter_map(|(.., third_party)| third_party.clone()).next_back();
        self.weigh_assurance(judgement, view);
        if judgement.owed.is_empty() {
            return;
        }
        let within = self.certificate_limit(closed.recorded, view.t);
        let due = within.and_then(|within| within.due(owed.since, self.office_at(closed.recorded)));
        let last = || {
            let each = judgement.owed.iter().filter_map(|to| received(to));
            each.max_by_key(|fact| (fact.occurred, fact.entry))
        };
        let last = if complete { last() } else { None };
        (judgement.certified, judgement.certificate_due) = (last, due);
        let (state, found) = match (last, due) {
            (Some(last), Some(due)) if last.occurred > due => {
                let detail = Detail::Certified { at: last.occurred, due };
                (Certificate::Late, Some((FindingCode::CertificateLate, detail)))
            }
            (Some(_), _) => (Certificate::Received, None),
            (None, Some(due)) if view.t > due => {
                let code = match certified {
                    true => FindingCode::CertificateIncomplete,
                    false => FindingCode::CertificateMissing,
                };
                (Certificate::Missing, Some((code, Detail::OwedTo(judgement.unserved.clone()))))
            }
            (None, Some(_)) => (Certificate::Pending, None),
            (None, None) => (Certificate::NoLimit, None),
        };
        judgement.certificate = state;
        judgement.findings.extend(found);
    }

    /// How soon a certificate is owed for what was recorded as ended then: the limit that was in force, else the first one set
    /// after it, as known at `t`.
    fn certificate_limit(&self, ended: Instant, t: Instant) -> Option<Deadline> {
        let known = self.law.record.limits.iter().filter(|l| l.set.recorded <= t);
        let limits = known.filter_map(|l| Some((l.set.recorded, l.certificate_within.as_deref()?)));
        in_force(limits, |(set, _)| *set, ended).and_then(|(_, text)| Deadline::parse(text).ok())
    }

    /// A medium that went out of use unseen. Where the ward set a time for certificates, one may still come within it.
    fn weigh_assurance(&self, judgement: &mut Judgement, view: &CopyView<'_>) {
        let system_at = |fact: &Fact| self.context_at(fact.recorded).system(view.copy.system);
        let Some(closed) = view.closed else { return };
        let Some(erased) = system_at(&closed).and_then(|system| media::unassured(system, view.facts)) else {
            return;
        };
        let recorded = erased.fact.recorded;
        let within = self.certificate_limit(recorded, view.t);
        let due = within.and_then(|within| within.due(erased.fact.occurred, self.office_at(recorded)));
        if due.is_none_or(|due| view.t > due) {
            judgement.findings.push((FindingCode::AssuranceMissing, Detail::Unassured));
        }
    }

    /// All findings at `t`: those recorded up to it and those that depend on it, in the order of code and object.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn findings(&self, t: Instant) -> Result<Vec<Finding>> {
        let mut found = BTreeMap::new();
        let names = self.names(t);
        let duties = duties(self.context_at(t));
        let (records, parts) = self.gather(t, &duties, |found: &mut Found, copy| {
            let judgement = &copy.said.judgement;
            for (code, detail) in &judgement.findings {
                for entry in &judgement.entries {
                    add(found, *code, copy.id, *entry, || detail.words(&names));
                }
                found.entry((*code, copy.id.to_owned())).and_modify(|f: &mut Finding| f.occurrences = 1);
            }
            Ok(())
        })?;
        found.extend(parts.into_iter().flatten());
        self.beside_copies(&mut found, t)?;
        let judged = self.judge_duties(&duties, &records);
        for finding in self.duty_findings(&duties, &judged, &records) {
            found.insert((finding.code, finding.object.clone()), finding);
        }
        let mut found: Vec<Finding> = found.into_values().collect();
        self.answer_findings(&mut found, t)?;
        Ok(found)
    }

    /// Findings apart from those that single copies and duties give: recorded ones, one-sided handovers, keys not trusted.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn findings_without_copies(&self, t: Instant) -> Result<Vec<Finding>> {
        let mut found = BTreeMap::new();
        self.beside_copies(&mut found, t)?;
        Ok(found.into_values().collect())
    }

    fn beside_copies(&self, found: &mut Found, t: Instant) -> Result<()> {
        self.recorded_findings(found, t)?;
        self.unacknowledged(found, t)?;
        let context = self.context_at(t);
        let here = |party: &str| context.local_party(party).is_some();
        for finding in
            key_findings(self.state, t, &self.names(t), here)?.into_iter().chain(self.silent_systems(t)?)
        {
            found.insert((finding.code, finding.object.clone()), finding);
        }
        Ok(())
    }

    fn recorded_findings(&self, found: &mut Found, t: Instant) -> Result<()> {
        let names = self.names(t);
        for row in self.state.scan(&key(Table::Finding, &[&self.law.id]), None) {
            let (place, value) = row?;
            let record: FindingRecord = decode(&value)?;
            if let Some(code) = FindingCode::parse(part(&place, 1)).filter(|_| record.fact.recorded <= t) {
                let words = || Detail::parse(code, &record.detail).words(&names);
                add(found, code, part(&place, 2), record.fact.entry, words);
            }
        }
        Ok(())
    }

    fn unacknowledged(&self, found: &mut Found, t: Instant) -> Result<()> {
        let Some(within) = self.limits(t).acknowledge else { return Ok(()) };
        let names = self.names(t);
        for row in self.handovers() {
            let (id, handover) = row?;
            let known = |side: Option<Fact>| side.filter(|fact| fact.recorded <= t);
            let one_side = match (known(handover.given), known(handover.received)) {
                (Some(fact), None) => Some((fact, handover.taker.as_str())),
                (None, Some(fact)) => Some((fact, handover.giver_at(t))),
                _ => None,
            };
            let Some((fact, missing)) = one_side.filter(|_| handover.two_sided) else { continue };
            // A taker that knows no flow cannot name the giver.
            let detail = Detail::Silent((!missing.is_empty()).then(|| missing.to_owned()));
            if within.due(fact.occurred, self.office_at(t)).is_some_and(|due| t > due) {
                add(found, FindingCode::Unacknowledged, &id, fact.entry, || detail.words(&names));
            }
        }
        Ok(())
    }

    /// All handovers, each pair of parties of an id for itself.
    pub fn handovers(&self) -> impl Iterator<Item = Result<(String, HandoverRecord)>> + '_ {
        let first = self.state.scan(&key(Table::Handover, &[&self.law.id]), None).map(|row| {
            let (place, value) = row?;
            Ok((part(&place, 1).to_owned(), decode(&value)?))
        });
        let others = self.state.scan(&key(Table::OtherHandovers, &[&self.law.id]), None).flat_map(|row| {
            let others = row.and_then(|(place, value)| {
                let records: Vec<HandoverRecord> = decode(&value)?;
                Ok(records.into_iter().map(|record| Ok((part(&place, 1).to_owned(), record))).collect())
            });
            others.unwrap_or_else(|error| vec![Err(error)])
        });
        first.chain(others)
    }
}

/// The handovers under an id, each pair of parties for itself.
///
/// # Errors
/// When the state cannot be read.
pub fn handovers_of(state: &(impl View + ?Sized), scheme: &str, id: &str) -> Result<Vec<HandoverRecord>> {
    let first = state.get(&key(Table::Handover, &[scheme, id]))?;
    let others = state.get(&key(Table::OtherHandovers, &[scheme, id]))?;
    let mut all: Vec<HandoverRecord> = first.iter().map(|bytes| decode(bytes)).collect::<Result<_>>()?;
    if let Some(others) = others {
        all.extend(decode::<Vec<HandoverRecord>>(&others)?);
    }
    Ok(all)
}

/// Under which name the numbers of an act word are kept among those of rules.
pub(crate) fn act_rule(word: &str) -> String {
    format!("{ACT_RULE_PREFIX}{word}")
}

/// What a rule id starts with when it names an act word. No rule id holds a slash.
pub(crate) const ACT_RULE_PREFIX: &str = "act/";

type Found = BTreeMap<(FindingCode, String), Finding>;

/// Adds one occurrence; the first one is told in `words`.
fn add(found: &mut Found, code: FindingCode, object: &str, entry: EntryIndex, words: impl FnOnce() -> Text) {
    let first = || Finding { occurrences: 0, ..Finding::once(code, object, words(), Vec::new()) };
    let finding = found.entry((code, object.to_owned())).or_insert_with(first);
    finding.occurrences += 1;
    if finding.entries.len() < Finding::MAX_ENTRIES && !finding.entries.contains(&entry) {
        finding.entries.push(entry);
    }
}

fn read_all<T: serde::de::DeserializeOwned>(
    state: &dyn Scan,
    table: Table,
    scheme: &str,
) -> Result<HashMap<String, T>> {
    let rows = state.scan(&key(table, &[scheme]), None);
    rows.map(|row| {
        let (place, value) = row?;
        Ok((part(&place, 1).to_owned(), decode(&value)?))
    })
    .collect()
}

/// Who is owed a certificate, and since when.
struct Owed {
    to: Vec<Arc<str>>,
    since: Instant,
}

/// Parties that are owed a certificate for the erasure of a copy: the recipients of each rule whose clock had started when
/// it was erased, and of each rule but those of a whole contract whose clock started later; then since that.
fn certificate_owed(judgement: &Judgement, binding: &Binding, view: &CopyView<'_>, closed: Fact) -> Owed {
    let mut owed = Owed { to: Vec::new(), since: closed.occurred };
    if !view.erased() {
        return owed;
    }
    let mut first = None;
    for (one, bound) in judgement.rules.iter().zip(&binding.rules) {
        let Some(started) = one.triggered.filter(|t| *t <= closed.occurred || !bound.of_contract) else {
            continue;
        };
        if bound.certificate_to.is_empty() {
            continue;
        }
        owed.to.extend(bound.certificate_to.iter().cloned());
        first = Some(first.map_or(started, |first: Instant| first.min(started)));
    }
    owed.since = first.map_or(closed.occurred, |first| first.max(closed.occurred));
    owed.to.sort();
    owed.to.dedup();
    owed
}

/// A copy as known at a time.
struct CopyView<'v> {
    copy: &'v CopyRecord<&'v str>,
    facts: &'v [CopyFact],
    closed: Option<Fact>,
    t: Instant,
    /// Whether it was given back to a party to which it does not go back.
    elsewhere: bool,
}

/// Whether a copy may go back to a party: the ward, the giver of its flow, or one that a rule of it names.
fn goes_back_to(context: &SchemeContext, binding: &Binding, copy: &CopyRecord<&str>, to: &str) -> bool {
    let of_rule = |bound: &BoundRule| {
        let rule = &context.scheme.rules[bound.place];
        rule.return_to.iter().chain(&rule.recipients).any(|party| party == to)
    };
    context.party(to).is_some_and(|party| party.role == PartyRole::Controller)
        || context.scheme.flow(copy.flow).is_some_and(|flow| flow.from.party == to)
        || binding.rules.iter().any(of_rule)
}

impl CopyView<'_> {
    fn last_end(&self) -> Option<&CopyChange> {
        let ends = |f: &&CopyFact| {
            matches!(
                f.what,
                CopyChange::Deleted { .. } | CopyChange::Returned { .. } | CopyChange::Moved { .. }
            )
        };
        self.facts.iter().rfind(ends).map(|f| &f.what)
    }

    /// Whether any of it was erased.
    fn erased(&self) -> bool {
        self.facts.iter().any(|f| matches!(f.what, CopyChange::Deleted { .. }))
    }

    /// Whether the copy ended by going along with a handover or a move.
    fn went_along(&self) -> bool {
        self.closed.is_some() && matches!(self.last_end(), Some(CopyChange::Moved { .. }))
    }

    /// The verdict of a copy that ended in time.
    fn closed_verdict(&self, rule: &Rule) -> Verdict {
        match self.last_end() {
            Some(CopyChange::Returned { .. }) if self.elsewhere => Verdict::Moved,
            Some(CopyChange::Returned { .. }) => Verdict::Returned,
            Some(CopyChange::Moved { to, .. }) => {
                let goes_back =
                    matches!(rule.action, Action::Return | Action::ReturnAndErase | Action::HandOver);
                let back_to = rule.return_to.iter().chain(&rule.recipients).any(|party| party == to);
                if goes_back && back_to { Verdict::Returned } else { Verdict::Moved }
            }
            _ => Verdict::OnTime,
        }
    }

    fn deferred_to(&self) -> Option<Instant> {
        let until = self.facts.iter().filter_map(|f| match &f.what {
            CopyChange::Deferred { until, .. } => Some(*until),
            _ => None,
        });
        until.max().map(daicho_core::Date::end)
    }
}
