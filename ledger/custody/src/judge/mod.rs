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
use crate::duty::{Duty, Records, duties};
use crate::fold::{load_context, scope_word};
use crate::media;
use crate::report::Certificate;
use crate::scheme::{Action, Deadline, Diagnostic, EvidenceSource, Level, Rule, Scope, lint};
use crate::silence::key_findings;
use crate::state::{
    AT_LEN, ContractRecord, CopyChange, CopyFact, CopyRecord, Fact, FindingRecord, HandoverRecord,
    LimitSetting, RuleRecord, RuleSetting, Scan, SchemeRecord, SchemeVersion, StateError, Table, Txn, decode,
    key, parts,
};

mod verdict;
mod walk;

pub use verdict::{Evidence, Finding, Judgement, Limits, NumberSource, RuleJudgement, Verdict};
use walk::Walks;

type Result<T> = std::result::Result<T, StateError>;

/// Judges the copies of one scheme from one state.
pub struct Judge<'a> {
    state: &'a dyn Scan,
    id: String,
    record: SchemeRecord,
    /// Contexts of the versions, in the order of `record.versions`.
    contexts: Vec<Arc<SchemeContext>>,
    rules: HashMap<String, RuleRecord>,
    contracts: HashMap<String, ContractRecord>,
    milestones: RefCell<HashMap<Vec<u8>, Rc<[Fact]>>>,
    walks: Walks<'a>,
    /// The limits of the time that was asked about last.
    limits: Cell<Option<(Instant, Limits)>>,
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
        let rules = read_all(state, Table::Rule, scheme)?;
        let contracts = read_all(state, Table::Contract, scheme)?;
        let milestones = RefCell::default();
        Ok(Some(Self {
            state,
            id: scheme.to_owned(),
            record,
            contexts,
            rules,
            contracts,
            milestones,
            walks: Walks::new(state),
            limits: Cell::default(),
        }))
    }

    /// The newest version in force at `t`. The first one when none was.
    pub fn version_at(&self, t: Instant) -> (&SchemeVersion, &Arc<SchemeContext>) {
        let at = self.record.versions.iter().rposition(|v| v.enacted.recorded <= t).unwrap_or(0);
        (&self.record.versions[at], &self.contexts[at])
    }

    /// What the scheme says in the version in force at `t`.
    pub fn context_at(&self, t: Instant) -> &Arc<SchemeContext> {
        self.version_at(t).1
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
        &self.id
    }

    /// The scheme's record.
    pub fn record(&self) -> &SchemeRecord {
        &self.record
    }

    /// All copies known at `t`, in the order of their ids, from after `after`.
    pub fn copies(
        &self,
        t: Instant,
        after: Option<&str>,
    ) -> impl Iterator<Item = Result<(String, CopyRecord)>> + '_ {
        let after = after.map(|id| key(Table::Copy, &[&self.id, id]));
        self.state
            .scan(&key(Table::Copy, &[&self.id]), after.as_deref())
            .map(|row| {
                let (place, value) = row?;
                let id = parts(&place).get(1).copied().unwrap_or_default().to_owned();
                Ok((id, decode::<CopyRecord>(&value)?))
            })
            .filter(move |row| row.as_ref().map_or(true, |(_, copy)| copy.opened.recorded <= t))
    }

    /// What is said of a copy at `t`.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn judge(&self, id: &str, copy: &CopyRecord, t: Instant) -> Result<Judgement> {
        let facts = self.facts(id, t)?;
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
            closed,
            entries,
            rules: Vec::new(),
            findings: Vec::new(),
        };
        let context = self.context_at(t);
        if !context.is_personal(&copy.kind) || context.is_out_of_scope(&copy.system, &copy.kind) {
            judgement.verdict = Verdict::NotJudged;
            return Ok(judgement);
        }
        let view = CopyView { id, copy, facts: &facts, closed, t };
        for rule in context.rules_for(&copy.holder, &copy.system, &copy.kind) {
            let (one, withheld) = self.judge_rule(rule, &view)?;
            if let Some(until) = self.kept_too_briefly(rule, &view)? {
                judgement.findings.push((FindingCode::DeletedEarly, format!("{}: {until}", rule.id)));
            }
            if let Some(wait) = withheld {
                judgement.findings.push((FindingCode::MilestoneWithheld, format!("{}: {wait}", rule.id)));
            }
            judgement.rules.push(one);
        }
        self.conclude(&mut judgement, context, &view);
        Ok(judgement)
    }

    fn conclude(&self, judgement: &mut Judgement, context: &SchemeContext, view: &CopyView<'_>) {
        match judgement.rules.iter().min_by_key(|r| (r.verdict, r.due.unwrap_or(Instant::MAX))) {
            Some(worst) => {
                judgement.verdict = worst.verdict;
                judgement.rule = Some(worst.rule.clone());
                judgement.due = worst.due;
            }
            None if view.went_along() => judgement.verdict = Verdict::Moved,
            None => judgement.verdict = Verdict::NoSchedule,
        }
        let detail = |j: &Judgement| {
            let due = j.due.map_or_else(String::new, |due| format!(", due {due}"));
            format!("{}{due}", j.rule.as_deref().unwrap_or_default())
        };
        match judgement.verdict {
            Verdict::Overdue => judgement.findings.push((FindingCode::Overdue, detail(judgement))),
            Verdict::Late => judgement.findings.push((FindingCode::DeletedLate, detail(judgement))),
            _ => {}
        }
        self.weigh_evidence(judgement, context, view);
    }

    fn judge_rule(&self, rule: &Rule, view: &CopyView<'_>) -> Result<(RuleJudgement, Option<Deadline>)> {
        let triggered = self.trigger(rule, view)?;
        let (rule, deadline, office) = self.governing(rule, triggered, view.t);
        let mut one =
            RuleJudgement { rule: rule.id.clone(), verdict: Verdict::NoSchedule, triggered: None, due: None };
        if rule.out_of_ledger {
            one.verdict = Verdict::NotJudged;
            return Ok((one, None));
        }
        if view.went_along() && (rule.gap || deadline.is_none()) {
            // The duty to erase went with the data; that this rule has no number no longer matters here.
            one.verdict = view.closed_verdict(rule);
            return Ok((one, None));
        }
        let Some(deadline) = deadline.filter(|_| rule.trigger.milestone != NO_MILESTONE) else {
            return Ok((one, None));
        };
        let Some(trigger) = triggered else {
            let open = view.closed.is_none();
            one.verdict = if open { Verdict::NotTriggered } else { view.closed_verdict(rule) };
            let wait = self
                .longest_wait(&rule.id, view.t)
                .filter(|w| open && w.due(view.copy.opened.occurred, office).is_some_and(|due| view.t > due));
            return Ok((one, wait));
        };
        one.triggered = Some(trigger.occurred);
        // A day that the calendar does not know, or a closing time that nobody set: no schedule.
        let Some(stated) = deadline.due(trigger.occurred, office) else { return Ok((one, None)) };
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
        Ok((one, None))
    }

    /// When the clock of a rule started for a copy, as known at `t`.
    fn trigger(&self, rule: &Rule, view: &CopyView<'_>) -> Result<Option<Fact>> {
        let copy = view.copy;
        let milestone = rule.trigger.milestone.as_str();
        if milestone == NO_MILESTONE {
            return Ok(None);
        }
        if milestone == DATE_REACHED || rule.deadline.stated == Some(Deadline::NeverPersist) {
            return Ok(Some(copy.opened));
        }
        let contract = || {
            let context = self.context_at(view.t);
            rule.contract.clone().or_else(|| context.contract_of(&copy.holder).map(|c| c.id.clone()))
        };
        if milestone == CONTRACT_ENDED {
            return Ok(contract()
                .and_then(|id| self.contract_end(&id, view.t))
                .filter(|end| end.occurred <= view.t));
        }
        let day;
        let target = match rule.trigger.scope {
            Scope::Copy => view.id,
            Scope::DataSet => &copy.data_set,
            Scope::Session => &copy.session,
            Scope::Day => {
                day = copy.opened.occurred.jst_day().to_string();
                &day
            }
            Scope::Contract => {
                day = contract().unwrap_or_default();
                &day
            }
        };
        if target.is_empty() {
            return Ok(None);
        }
        let facts = self.milestones(milestone, rule.trigger.scope, target)?;
        Ok(facts.iter().filter(|f| f.recorded <= view.t).min_by_key(|f| (f.occurred, f.entry)).copied())
    }

    fn milestones(&self, milestone: &str, scope: Scope, target: &str) -> Result<Rc<[Fact]>> {
        let prefix = key(Table::Milestone, &[&self.id, milestone, scope_word(scope), target]);
        if let Some(known) = self.milestones.borrow().get(&prefix) {
            return Ok(Rc::clone(known));
        }
        let group = key(Table::Milestone, &[&self.id, milestone, scope_word(scope)]);
        let rows = self.walks.below(&group, &prefix)?;
        let facts: Result<Vec<Fact>> = rows.iter().map(|(_, value)| decode(value)).collect();
        let facts: Rc<[Fact]> = facts?.into();
        let mut known = self.milestones.borrow_mut();
        if known.len() >= MILESTONES_KEPT {
            known.clear();
        }
        known.insert(prefix, Rc::clone(&facts));
        Ok(facts)
    }

    /// The end of a contract as the ward settled it last, else the scheme's.
    pub(crate) fn contract_end(&self, contract: &str, t: Instant) -> Option<Fact> {
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

    /// The first day of a contract as the ward settled it first; `None`: as in the scheme.
    pub(crate) fn contract_start(&self, contract: &str, t: Instant) -> Option<daicho_core::Date> {
        let settlements = self.contracts.get(contract).into_iter().flat_map(|r| &r.settlements);
        settlements.filter(|s| s.set.recorded <= t).find_map(|s| s.start)
    }

    /// The number that the ward set last for an act word, as known at `t`: how often, or how soon.
    pub(crate) fn number_of_act(&self, word: &str, t: Instant) -> Option<Deadline> {
        self.setting(&act_rule(word), t, t, |s| s.deadline.as_deref())
    }

    /// The rule, deadline and office that govern a clock: those in force when it started, unless a later version
    /// applies to open clocks.
    fn governing<'r>(
        &'r self,
        rule: &'r Rule,
        trigger: Option<Fact>,
        t: Instant,
    ) -> (&'r Rule, Option<Deadline>, Office<'r>) {
        let start = trigger.map_or(t, |fact| fact.recorded);
        let (governed, calendar) = self
            .record
            .versions
            .iter()
            .zip(&self.contexts)
            .rfind(|(v, _)| v.enacted.recorded <= start || v.applies_to_open && v.enacted.recorded <= t)
            .and_then(|(_, context)| Some((context.scheme.rule(&rule.id)?, context.calendar.as_ref())))
            .unwrap_or_else(|| (rule, self.context_at(t).calendar.as_ref()));
        let deadline =
            self.setting(&rule.id, start, t, |s| s.deadline.as_deref()).or(governed.deadline.stated);
        (governed, deadline, Office { calendar, closing: self.closing(start, t) })
    }

    /// A number that the ward set for a rule, for a clock that started at `start`: as set then, else as set first.
    fn setting(
        &self,
        rule: &str,
        start: Instant,
        t: Instant,
        field: fn(&RuleSetting) -> Option<&str>,
    ) -> Option<Deadline> {
        let known = || {
            let settings = self.rules.get(rule).into_iter().flat_map(|r| &r.settings);
            settings.filter(move |s| s.set.recorded <= t && field(s).is_some())
        };
        known()
            .rfind(|s| s.set.recorded <= start)
            .or_else(|| known().next())
            .and_then(field)
            .and_then(|text| Deadline::parse(text).ok())
    }

    /// Until when an erased copy had to be kept, when it was erased before that. The clock is the rule's own; one that
    /// has not started keeps the duty open.
    fn kept_too_briefly(&self, rule: &Rule, view: &CopyView<'_>) -> Result<Option<String>> {
        let Some(erased) = view.closed.filter(|_| view.erased()) else { return Ok(None) };
        let known = rule.keep_at_least.is_some() || self.contexts.len() > 1;
        if !known && !self.settings_of(&rule.id).any(|s| s.keep_at_least.is_some()) {
            return Ok(None);
        }
        let triggered = self.trigger(rule, view)?;
        let start = triggered.map_or(view.t, |fact| fact.recorded);
        let (governed, _, office) = self.governing(rule, triggered, view.t);
        let least = self.setting(&rule.id, start, view.t, |s| s.keep_at_least.as_deref());
        let Some(least) = least.or(governed.keep_at_least) else { return Ok(None) };
        let Some(trigger) = triggered else {
            return Ok(Some(format!("kept for {least} from {}, which has not come", rule.trigger.milestone)));
        };
        let until = least.due(trigger.occurred, office).filter(|until| erased.occurred <= *until);
        Ok(until.map(|until| format!("kept for {least}, until {until}")))
    }

    /// The ward's closing time for a clock that started at `start`: as set then, else as set first, up to `t`.
    fn closing(&self, start: Instant, t: Instant) -> Option<ClockTime> {
        let known = || {
            let limits = self.record.limits.iter().filter(move |l| l.set.recorded <= t);
            limits.filter_map(|l| Some((l.set.recorded, ClockTime::parse(l.closing_time.as_deref()?)?)))
        };
        let then = known().rfind(|(set, _)| *set <= start);
        then.or_else(|| known().next()).map(|(_, time)| time)
    }

    /// The office by which limits of the whole scheme are counted at `t`.
    pub fn office_at(&self, t: Instant) -> Office<'_> {
        Office { calendar: self.context_at(t).calendar.as_ref(), closing: self.closing(t, t) }
    }

    fn longest_wait(&self, rule: &str, t: Instant) -> Option<Deadline> {
        let settings = self.rules.get(rule).into_iter().flat_map(|r| &r.settings);
        settings
            .filter(|s| s.set.recorded <= t)
            .filter_map(|s| s.longest_wait.as_deref())
            .next_back()
            .and_then(|text| Deadline::parse(text).ok())
    }

    /// Where the number of a rule comes from, at `t`.
    pub fn number_source(&self, rule: &Rule, t: Instant) -> NumberSource {
        let mut settings = self.rules.get(&rule.id).into_iter().flat_map(|r| &r.settings);
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
        self.rules.get(rule).into_iter().flat_map(|r| &r.settings)
    }

    /// Parties that the scheme left undetermined and who each turned out to be, as known at `t`, the newest last.
    pub fn named_parties(&self, t: Instant) -> impl Iterator<Item = (&str, &str)> {
        let settlements = self.contracts.values().flat_map(|c| &c.settlements);
        let mut named: Vec<_> = settlements
            .filter(|s| s.set.recorded <= t)
            .filter_map(|s| s.named.as_ref().map(|n| (s.set, n)))
            .collect();
        named.sort();
        named.into_iter().map(|(_, (party, identity))| (party.as_str(), identity.as_str()))
    }

    /// Limits of the scheme at `t`.
    pub fn limits(&self, t: Instant) -> Limits {
        if let Some((_, known)) = self.limits.get().filter(|(at, _)| *at == t) {
            return known;
        }
        let latest = |field: fn(&LimitSetting) -> Option<&str>| {
            let known = self.record.limits.iter().filter(|l| l.set.recorded <= t);
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
    pub fn facts(&self, copy: &str, t: Instant) -> Result<Vec<CopyFact>> {
        let group = key(Table::CopyFact, &[&self.id]);
        let rows = self.walks.below(&group, &key(Table::CopyFact, &[&self.id, copy]))?;
        let facts: Result<Vec<CopyFact>> = rows.iter().map(|(_, value)| decode(value)).collect();
        Ok(facts?.into_iter().filter(|f| f.fact.recorded <= t).collect())
    }

    fn weigh_evidence(&self, judgement: &mut Judgement, context: &SchemeContext, view: &CopyView<'_>) {
        let Some(closed) = judgement.closed else { return };
        if view.went_along() {
            return;
        }
        let confirmed = view.facts.iter().any(|f| f.what == CopyChange::Confirmed);
        let received: Vec<&str> = view
            .facts
            .iter()
            .filter_map(|f| match &f.what {
                CopyChange::Certified { recipients, .. } => Some(recipients.iter().map(String::as_str)),
                _ => None,
            })
            .flatten()
            .collect();
        let certified = view.facts.iter().any(|f| matches!(f.what, CopyChange::Certified { .. }));
        let owed = self.certificate_owed(judgement, context, view, closed);
        let missing = |party: &&String| !received.contains(&party.as_str());
        judgement.unserved = owed.iter().filter(missing).cloned().collect();
        judgement.owed = owed;
        let complete = judgement.unserved.is_empty();
        judgement.evidence = match (confirmed, certified && complete) {
            (true, _) => Evidence::Confirmed,
            (false, true) => Evidence::Certified,
            (false, false) => Evidence::Attested,
        };
        judgement.third_party = view.facts.iter().rev().find_map(|f| match &f.what {
            CopyChange::Certified { third_party, .. } => third_party.clone(),
            _ => None,
        });
        self.weigh_assurance(judgement, view);
        let Some(within) = self.limits(view.t).certificate else { return };
        let due = within.due(closed.occurred, self.office_at(view.t));
        if complete || due.is_none_or(|due| view.t <= due) {
            return;
        }
        let code =
            if certified { FindingCode::CertificateIncomplete } else { FindingCode::CertificateMissing };
        judgement.findings.push((code, format!("owed to {}", judgement.unserved.join(", "))));
    }

    /// What became of the certificate of a copy.
    pub fn certificate(&self, judgement: &Judgement, t: Instant) -> Certificate {
        let Some(closed) = judgement.closed.filter(|_| !judgement.owed.is_empty()) else {
            return Certificate::NotOwed;
        };
        if judgement.unserved.is_empty() {
            return Certificate::Received;
        }
        let due =
            self.limits(t).certificate.and_then(|within| within.due(closed.occurred, self.office_at(t)));
        match due {
            None => Certificate::NoLimit,
            Some(due) if t > due => Certificate::Missing,
            Some(_) => Certificate::Pending,
        }
    }

    /// A medium that went out of use unseen. Where the ward set a time for certificates, one may still come within it.
    fn weigh_assurance(&self, judgement: &mut Judgement, view: &CopyView<'_>) {
        let system_at = |fact: &Fact| self.context_at(fact.recorded).system(&view.copy.system);
        let Some(closed) = view.closed else { return };
        let Some(erased) = system_at(&closed).and_then(|system| media::unassured(system, view.facts)) else {
            return;
        };
        let within = self.limits(view.t).certificate;
        let due = within.and_then(|within| within.due(erased.fact.occurred, self.office_at(view.t)));
        if due.is_none_or(|due| view.t > due) {
            let detail = "no witness, and no certificate with photographs".to_owned();
            judgement.findings.push((FindingCode::AssuranceMissing, detail));
        }
    }

    /// Parties that are owed a certificate for the erasure of a copy: the recipients of each rule whose clock had
    /// started when it was erased, and of each rule but those of a whole contract whose clock started later.
    fn certificate_owed(
        &self,
        judgement: &Judgement,
        context: &SchemeContext,
        view: &CopyView<'_>,
        closed: Fact,
    ) -> Vec<String> {
        if !view.erased() {
            return Vec::new();
        }
        let mut owed: Vec<String> = judgement
            .rules
            .iter()
            .filter_map(|one| context.scheme.rule(&one.rule).map(|rule| (one, rule)))
            .filter(|(one, rule)| {
                one.triggered.is_some_and(|t| t <= closed.occurred || rule.trigger.scope != Scope::Contract)
            })
            .filter(|(_, rule)| context.wants_evidence(rule, EvidenceSource::Certificate))
            .flat_map(|(_, rule)| rule.recipients.iter().cloned())
            .collect();
        owed.sort();
        owed.dedup();
        owed
    }

    /// All findings at `t`: those recorded up to it and those that depend on it, in the order of code and object.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn findings(&self, t: Instant) -> Result<Vec<Finding>> {
        let mut found = BTreeMap::new();
        let duties = duties(self.context_at(t));
        let records = self.gather(t, &duties, |id, _, judgement| {
            for (code, detail) in &judgement.findings {
                for entry in &judgement.entries {
                    add(&mut found, *code, id, detail, *entry);
                }
                found.entry((*code, id.to_owned())).and_modify(|f: &mut Finding| f.occurrences = 1);
            }
        })?;
        self.beside_copies(&mut found, t)?;
        let judged = self.judge_duties(&duties, &records);
        for finding in self.duty_findings(&duties, &judged, &records) {
            found.insert((finding.code, finding.object.clone()), finding);
        }
        let mut found: Vec<Finding> = found.into_values().collect();
        self.answer_findings(&mut found, t)?;
        Ok(found)
    }

    /// One pass over the copies known at `t`: what bears on these duties. `each` sees every copy with what is said of it.
    pub(crate) fn gather(
        &self,
        t: Instant,
        duties: &[Duty<'_>],
        mut each: impl FnMut(&str, &CopyRecord, &Judgement),
    ) -> Result<Records> {
        let mut records = Records::new(t, duties);
        for row in self.copies(t, None) {
            let (id, copy) = row?;
            let judgement = self.judge(&id, &copy, t)?;
            records.copy(&copy, &judgement, self.certificate(&judgement, t));
            each(&id, &copy, &judgement);
        }
        records.complete(self)?;
        Ok(records)
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
        for finding in key_findings(self.state, t, here)?.into_iter().chain(self.silent_systems(t)?) {
            found.insert((finding.code, finding.object.clone()), finding);
        }
        Ok(())
    }

    fn recorded_findings(&self, found: &mut Found, t: Instant) -> Result<()> {
        for row in self.state.scan(&key(Table::Finding, &[&self.id]), None) {
            let (place, value) = row?;
            let record: FindingRecord = decode(&value)?;
            let names = parts(&place[..place.len().saturating_sub(AT_LEN)]);
            let (Some(word), Some(object)) = (names.get(1), names.get(2)) else { continue };
            if let Some(code) = FindingCode::parse(word).filter(|_| record.fact.recorded <= t) {
                add(found, code, object, &record.detail, record.fact.entry);
            }
        }
        Ok(())
    }

    fn unacknowledged(&self, found: &mut Found, t: Instant) -> Result<()> {
        let Some(within) = self.limits(t).acknowledge else { return Ok(()) };
        for row in self.handovers() {
            let (id, handover) = row?;
            let known = |side: Option<Fact>| side.filter(|fact| fact.recorded <= t);
            let one_side = match (known(handover.given), known(handover.received)) {
                (Some(fact), None) => Some((fact, &handover.taker)),
                (None, Some(fact)) => Some((fact, &handover.giver)),
                _ => None,
            };
            let Some((fact, missing)) = one_side.filter(|_| handover.two_sided) else { continue };
            // A taker that knows no flow cannot name the giver.
            let who = if missing.is_empty() { "the giver" } else { missing };
            if within.due(fact.occurred, self.office_at(t)).is_some_and(|due| t > due) {
                add(found, FindingCode::Unacknowledged, &id, &format!("{who} is silent"), fact.entry);
            }
        }
        Ok(())
    }

    /// All handovers, in the order of their ids.
    pub fn handovers(&self) -> impl Iterator<Item = Result<(String, HandoverRecord)>> + '_ {
        self.state.scan(&key(Table::Handover, &[&self.id]), None).map(|row| {
            let (place, value) = row?;
            Ok((parts(&place).get(1).copied().unwrap_or_default().to_owned(), decode(&value)?))
        })
    }
}

/// How many milestone targets are kept in memory: copies of one session or day are judged close together.
const MILESTONES_KEPT: usize = 10_000;
const NO_MILESTONE: &str = "none";

/// Under which name the numbers of an act word are kept among those of rules.
pub(crate) fn act_rule(word: &str) -> String {
    format!("{ACT_RULE_PREFIX}{word}")
}

/// What a rule id starts with when it names an act word. No rule id holds a slash.
pub(crate) const ACT_RULE_PREFIX: &str = "act/";
const CONTRACT_ENDED: &str = "contract_ended";
const DATE_REACHED: &str = "date_reached";

type Found = BTreeMap<(FindingCode, String), Finding>;

fn add(found: &mut Found, code: FindingCode, object: &str, detail: &str, entry: EntryIndex) {
    let first = || Finding { occurrences: 0, ..Finding::once(code, object, detail, Vec::new()) };
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
        Ok((parts(&place).get(1).copied().unwrap_or_default().to_owned(), decode(&value)?))
    })
    .collect()
}

/// A copy as known at a time.
struct CopyView<'v> {
    id: &'v str,
    copy: &'v CopyRecord,
    facts: &'v [CopyFact],
    closed: Option<Fact>,
    t: Instant,
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
