//! What bears on duties, gathered in one pass over the state as known at a time.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use daicho_core::{EntryIndex, Instant};

use super::acts::Act;
use super::list::Duty;
use super::{DutyJudgement, DutyStatus};
use crate::FindingCode;
use crate::context::SchemeContext;
use crate::judge::{Judge, Said, Verdict};
use crate::report::Certificate;
use crate::scheme::{Check, Occasion, PartyRole};
use crate::state::{
    ActRecord, ApprovalRecord, Fact, FindingRecord, HandoverRecord, Opening, RelayRecord, Scan, StateError,
    Table, decode, key, part,
};

type Result<T> = std::result::Result<T, StateError>;

/// The act word that the ward's consent to a subcontractor counts as.
pub(crate) const SUBCONTRACT_APPROVED: &str = "subcontract-approved";

/// Everything that duties ask about.
#[derive(Debug, Clone)]
pub struct Records {
    pub(super) t: Instant,
    /// By word, in the order in which they occurred.
    pub(super) acts: HashMap<String, Vec<Act>>,
    pub(super) findings: Vec<Shown>,
    pub(super) first_receipt: HashMap<String, Fact>,
    pub(super) first_collection: Option<Fact>,
    /// Of each giver: the first time that it passed work on to each taker.
    pub(super) first_pass_on: HashMap<String, BTreeMap<String, Fact>>,
    /// Uses of the flows that a duty asks about, in the order in which they occurred.
    pub(super) flows: HashMap<String, Vec<Fact>>,
    pub(super) holdings: HashMap<String, Holding>,
}

/// A recorded finding with the party whose event shows it.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    pub(super) code: FindingCode,
    pub(super) by: String,
    pub(super) flow: String,
    pub(super) entry: EntryIndex,
}

/// How many, and the first entries of the ledger that show it.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub(super) count: u64,
    pub(super) entries: BTreeSet<EntryIndex>,
    /// The first and the last of their times.
    pub(super) due: Option<(Instant, Instant)>,
}

impl Seen {
    /// So many, all shown by one entry and due at one time.
    pub(super) fn add(&mut self, entry: Option<EntryIndex>, due: Option<Instant>, n: u64) {
        self.count += n;
        self.span(due.map(|due| (due, due)));
        self.show(entry);
    }

    fn span(&mut self, other: Option<(Instant, Instant)>) {
        let both = self.due.into_iter().chain(other);
        self.due = both.reduce(|(a, b), (c, d)| (a.min(c), b.max(d)));
    }

    fn show(&mut self, entries: impl IntoIterator<Item = EntryIndex>) {
        for entry in entries {
            let full = self.entries.len() == DutyJudgement::MAX_ENTRIES;
            if full && self.entries.last().is_some_and(|last| *last <= entry) {
                continue;
            }
            if self.entries.insert(entry) && full {
                self.entries.pop_last();
            }
        }
    }

    fn join(&mut self, other: Self) {
        self.count += other.count;
        self.span(other.due);
        self.show(other.entries);
    }
}

/// What became of the copies of one party.
#[derive(Debug, Clone, Default)]
pub(super) struct Holding {
    pub(super) open: u64,
    /// Copies by what their erasure comes to.
    pub(super) erasure: BTreeMap<DutyStatus, Seen>,
    /// Erasures by what their certificate comes to.
    pub(super) certificates: BTreeMap<DutyStatus, Seen>,
}

impl Holding {
    fn join(&mut self, other: Self) {
        self.open += other.open;
        for (own, others) in
            [(&mut self.erasure, other.erasure), (&mut self.certificates, other.certificates)]
        {
            for (status, seen) in others {
                own.entry(status).or_default().join(seen);
            }
        }
    }
}

impl Records {
    /// Nothing gathered yet, as known at `t`, for these duties.
    pub fn new(t: Instant, duties: &[Duty<'_>]) -> Self {
        let asked = duties.iter().filter_map(|duty| match &duty.check {
            Check::Before { event: Occasion::Flow(flow), .. } => Some((flow.clone(), Vec::new())),
            _ => None,
        });
        Self {
            t,
            acts: HashMap::new(),
            findings: Vec::new(),
            first_receipt: HashMap::new(),
            first_collection: None,
            first_pass_on: HashMap::new(),
            flows: asked.collect(),
            holdings: HashMap::new(),
        }
    }

    /// Takes in so many copies of which the same is said.
    pub(crate) fn copies(&mut self, said: &Said, n: u64) {
        let Said { copy, judgement } = said;
        if matches!(copy.how, Opening::Collected | Opening::Received) {
            earliest(&mut self.first_receipt, &copy.holder, copy.opened);
        }
        if copy.how == Opening::Collected {
            self.first_collection =
                Some(self.first_collection.map_or(copy.opened, |f| first(f, copy.opened)));
        }
        // What was received is counted with its handover.
        if copy.how != Opening::Received {
            self.used(&copy.flow, copy.opened);
        }

        let status = match judgement.verdict {
            Verdict::Overdue => DutyStatus::Missed,
            Verdict::Late => DutyStatus::MetLate,
            Verdict::NoSchedule => DutyStatus::NoSchedule,
            Verdict::NotJudged => return,
            Verdict::Deferred | Verdict::Due => DutyStatus::Due,
            Verdict::NotTriggered => DutyStatus::NotYetDue,
            Verdict::Moved | Verdict::Returned | Verdict::OnTime => DutyStatus::Met,
        };
        let entry = judgement.closed.map(|fact| fact.entry).or_else(|| judgement.entries.first().copied());
        let holding = match self.holdings.get_mut(&copy.holder) {
            Some(holding) => holding,
            None => self.holdings.entry(copy.holder.clone()).or_default(),
        };
        holding.open += if judgement.closed.is_none() { n } else { 0 };
        holding.erasure.entry(status).or_default().add(entry, judgement.due, n);
        let certified = match judgement.certificate {
            Certificate::Missing => DutyStatus::Missed,
            Certificate::NoLimit => DutyStatus::NoSchedule,
            Certificate::Pending => DutyStatus::Due,
            Certificate::Late => DutyStatus::MetLate,
            Certificate::Received => DutyStatus::Met,
            Certificate::NotOwed => return,
        };
        let entry = judgement.certified.map(|fact| fact.entry).or(entry);
        holding.certificates.entry(certified).or_default().add(entry, judgement.certificate_due, n);
    }

    /// Takes in what was gathered of other copies. The order does not matter.
    pub(crate) fn join(&mut self, other: Self) {
        for (party, fact) in other.first_receipt {
            earliest(&mut self.first_receipt, &party, fact);
        }
        let collections = self.first_collection.into_iter().chain(other.first_collection);
        self.first_collection = collections.reduce(first);
        for (flow, facts) in other.flows {
            self.flows.entry(flow).or_default().extend(facts);
        }
        for (holder, holding) in other.holdings {
            self.holdings.entry(holder).or_default().join(holding);
        }
    }

    fn used(&mut self, flow: &str, fact: Fact) {
        if let Some(uses) = self.flows.get_mut(flow) {
            uses.push(fact);
        }
    }

    /// Takes in what is recorded beside the copies, once all of these are in.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn complete(&mut self, judge: &Judge<'_>) -> Result<()> {
        let (state, scheme) = (judge.state(), judge.id());
        let context = judge.context_at(self.t);
        for row in judge.handovers() {
            self.handover(context, &row?.1);
        }
        for row in state.scan(&key(Table::Relay, &[scheme]), None) {
            let (place, value) = row?;
            let record: RelayRecord = decode(&value)?;
            if record.fact.recorded <= self.t {
                self.used(part(&place, 1), record.fact);
            }
        }
        self.read_acts(state, scheme)?;
        self.read_approvals(state, context, scheme)?;
        self.read_findings(state, scheme)?;
        for uses in self.flows.values_mut() {
            uses.sort_by_key(|fact| (fact.occurred, fact.entry));
            uses.dedup_by_key(|fact| fact.entry);
        }
        for acts in self.acts.values_mut() {
            acts.sort_by_key(|act| (act.fact.occurred, act.fact.entry));
        }
        Ok(())
    }

    fn handover(&mut self, context: &SchemeContext, handover: &HandoverRecord) {
        let known = |side: Option<Fact>| side.filter(|fact| fact.recorded <= self.t);
        let (given, received) = (known(handover.given), known(handover.received));
        if let Some(fact) = given.into_iter().chain(received).min_by_key(|fact| (fact.occurred, fact.entry)) {
            self.used(&handover.flow, fact);
            earliest(&mut self.first_receipt, &handover.taker, fact);
            let below = context.party(&handover.taker).is_none_or(|p| p.role == PartyRole::SubProcessor);
            let giver = handover.giver_at(self.t);
            let by_contractor = context.party(giver).is_some_and(|p| p.role.is_contractor());
            if below && by_contractor {
                let to = self.first_pass_on.entry(giver.to_owned()).or_default();
                let known = to.entry(handover.taker.clone()).or_insert(fact);
                *known = first(*known, fact);
            }
        }
    }

    fn read_acts(&mut self, state: &dyn Scan, scheme: &str) -> Result<()> {
        for row in state.scan(&key(Table::Act, &[scheme]), None) {
            let (place, value) = row?;
            let record: ActRecord = decode(&value)?;
            if record.fact.recorded <= self.t {
                let kind = part(&place, 1).to_owned();
                self.acts.entry(kind).or_default().push(record.into());
            }
        }
        Ok(())
    }

    /// The ward's consents, as acts of the ward towards the subcontractor under the contract. Ledgers that fold by version 3 or
    /// later have them among the acts.
    fn read_approvals(&mut self, state: &dyn Scan, context: &SchemeContext, scheme: &str) -> Result<()> {
        let ward = context.scheme.parties.iter().find(|p| p.role == PartyRole::Controller);
        for row in state.scan(&key(Table::Approval, &[scheme]), None) {
            let (place, value) = row?;
            let record: ApprovalRecord = decode(&value)?;
            if record.approved.recorded > self.t || record.contract.is_empty() {
                continue;
            }
            let act = Act {
                fact: record.approved,
                by: ward.map(|p| p.id.clone()).unwrap_or_default(),
                target: record.contract,
                counterpart: part(&place, 1).to_owned(),
                attributes: Vec::new(),
            };
            self.acts.entry(SUBCONTRACT_APPROVED.to_owned()).or_default().push(act);
        }
        Ok(())
    }

    fn read_findings(&mut self, state: &dyn Scan, scheme: &str) -> Result<()> {
        for row in state.scan(&key(Table::Finding, &[scheme]), None) {
            let (place, value) = row?;
            let record: FindingRecord = decode(&value)?;
            let code = FindingCode::parse(part(&place, 1));
            if let Some(code) = code.filter(|_| record.fact.recorded <= self.t) {
                let entry = record.fact.entry;
                self.findings.push(Shown { code, by: record.by, flow: record.flow, entry });
            }
        }
        Ok(())
    }
}

fn first(a: Fact, b: Fact) -> Fact {
    if (b.occurred, b.entry) < (a.occurred, a.entry) { b } else { a }
}

fn earliest(firsts: &mut HashMap<String, Fact>, party: &str, fact: Fact) {
    match firsts.get_mut(party) {
        Some(known) => *known = first(*known, fact),
        None => {
            firsts.insert(party.to_owned(), fact);
        }
    }
}
