//! A scheme made ready for judging: indexes, windows and bindings computed once.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use daicho_core::Date;

use crate::calendar::Calendar;
use crate::scheme::{Action, EvidenceSource, Flow, PartyRole, Personal, Rule, Scheme, Storage, Vocabulary};
use crate::state::SchemeVersion;

/// One version of a scheme with its vocabulary, indexed.
#[derive(Debug)]
pub struct SchemeContext {
    /// The scheme.
    pub scheme: Scheme,
    /// Its vocabulary.
    pub vocabulary: Vocabulary,
    /// Its calendar of business days, if it names one.
    pub calendar: Option<Calendar>,
    parties: HashMap<String, usize>,
    systems: HashMap<String, usize>,
    kinds: HashMap<String, usize>,
    flows: HashMap<String, FlowContext>,
    no_copying: BTreeSet<String>,
}

/// A flow with what follows from it.
#[derive(Debug)]
pub struct FlowContext {
    /// Place in the scheme.
    index: usize,
    /// First lawful day: the later of the flow's own and those of all its bases.
    pub start: Option<Date>,
    /// Last day that the flow itself states.
    pub own_end: Option<Date>,
    /// First last day of its bases. It moves when the contract behind it is renewed.
    pub basis_end: Option<Date>,
    /// Whether its legal basis is whole.
    pub has_basis: bool,
    /// First and last day on which the law is in force that all its bases cite. `None`: open.
    pub law: (Option<Date>, Option<Date>),
    /// Items that may move; `None` where the source does not list them all.
    items: HashMap<String, Option<BTreeSet<String>>>,
}

impl SchemeContext {
    /// Indexes a scheme.
    pub fn new(scheme: Scheme, vocabulary: Vocabulary, calendar: Option<Calendar>) -> Self {
        let index = |ids: Vec<&String>| ids.into_iter().enumerate().map(|(i, id)| (id.clone(), i)).collect();
        let flows = scheme
            .flows
            .iter()
            .enumerate()
            .map(|(i, flow)| (flow.id.clone(), flow_context(&scheme, &vocabulary, i, flow)))
            .collect();
        Self {
            parties: index(scheme.parties.iter().map(|p| &p.id).collect()),
            systems: index(scheme.systems.iter().map(|s| &s.id).collect()),
            kinds: index(scheme.data_sets.iter().map(|d| &d.id).collect()),
            no_copying: parties_that_must_not_copy(&scheme, &vocabulary),
            flows,
            scheme,
            vocabulary,
            calendar,
        }
    }

    /// A party.
    pub fn party(&self, id: &str) -> Option<&crate::scheme::Party> {
        self.parties.get(id).map(|&i| &self.scheme.parties[i])
    }

    /// How this scheme names a party of the ledger: `ward`, or `<scheme>/<party>` for one of its own. `None` when it
    /// takes no part.
    pub fn local_party<'p>(&self, party: &'p str) -> Option<&'p str> {
        let local = match party.split_once('/') {
            Some((prefix, local)) if prefix == self.scheme.id => local,
            Some(_) => return None,
            None => party,
        };
        self.party(local).map(|_| local)
    }

    /// A system.
    pub fn system(&self, id: &str) -> Option<&crate::scheme::System> {
        self.systems.get(id).map(|&i| &self.scheme.systems[i])
    }

    /// A data set kind.
    pub fn kind(&self, id: &str) -> Option<&crate::scheme::DataSetKind> {
        self.kinds.get(id).map(|&i| &self.scheme.data_sets[i])
    }

    /// A flow with its context.
    pub fn flow(&self, id: &str) -> Option<(&Flow, &FlowContext)> {
        self.flows.get(id).map(|context| (&self.scheme.flows[context.index], context))
    }

    /// Whether the party's contract forbids copying beyond its flows.
    pub fn must_not_copy(&self, party: &str) -> bool {
        self.no_copying.contains(party)
    }

    /// What may be stored of `kind` at `system`, rules of the kind "never keep" included.
    pub fn storage(&self, holder: &str, system: &str, kind: &str) -> Storage {
        let Some(place) = self.system(system) else { return Storage::Unspecified };
        let never = |rule: &&Rule| rule.action == Action::NoRetention && binds(rule, holder, system, kind);
        if self.scheme.rules.iter().any(|rule| never(&rule)) {
            return Storage::None;
        }
        place.storage_for.get(kind).copied().unwrap_or(place.storage)
    }

    /// The rules that bind a copy.
    pub fn rules_for<'a>(
        &'a self,
        holder: &'a str,
        system: &'a str,
        kind: &'a str,
    ) -> impl Iterator<Item = &'a Rule> {
        self.scheme.rules.iter().filter(move |rule| binds(rule, holder, system, kind))
    }

    /// Whether a kind is personal data (or may be).
    pub fn is_personal(&self, kind: &str) -> bool {
        self.kind(kind).is_none_or(|k| k.personal != Personal::No)
    }

    /// Whether the system lies outside what the ledger judges.
    pub fn is_out_of_scope(&self, system: &str, kind: &str) -> bool {
        self.system(system)
            .is_some_and(|s| s.storage_for.get(kind).copied().unwrap_or(s.storage) == Storage::OutOfScope)
    }

    /// The contract under which a party works: the first in which someone entrusts it with work.
    pub fn contract_of(&self, party: &str) -> Option<&crate::scheme::Contract> {
        self.scheme.contracts.iter().find(|c| c.between.iter().skip(1).any(|p| p == party))
    }

    /// Whether the ward must have consented before `party` may get data.
    pub fn needs_approval(&self, party: &str) -> bool {
        self.party(party).is_some_and(|p| p.role == PartyRole::SubProcessor)
    }

    /// Whether a rule asks for evidence of this source, and from whom it counts.
    pub fn wants_evidence(&self, rule: &Rule, source: EvidenceSource) -> bool {
        rule.evidence
            .iter()
            .filter_map(|id| self.vocabulary.evidence(id))
            .any(|kind| kind.given_by == source && !kind.optional)
    }

    /// The last day of a contract as the scheme has it.
    pub fn contract_end(&self, contract: &str) -> Option<Date> {
        let contract = self.scheme.contract(contract)?;
        self.matter_end(&contract.matter)
    }

    /// First and last day of all matters together; open where one has no end.
    pub fn days(&self) -> (Option<Date>, Option<Date>) {
        let matters = &self.scheme.matters;
        let from = matters.iter().filter_map(|m| self.matter_start(&m.id)).min();
        let ends: Option<Vec<Date>> = matters.iter().map(|m| self.matter_end(&m.id)).collect();
        (from, ends.and_then(|ends| ends.into_iter().max()))
    }

    /// The first day of a matter: its own, else that of its first phase.
    pub fn matter_start(&self, matter: &str) -> Option<Date> {
        matter_period(&self.scheme, matter).0
    }

    /// The last day of a matter: its own, else that of its last phase.
    pub fn matter_end(&self, matter: &str) -> Option<Date> {
        matter_period(&self.scheme, matter).1
    }
}

impl FlowContext {
    /// Whether an item of a kind may move; `None` where the source does not say.
    pub fn allows_item(&self, kind: &str, item: &str) -> Option<bool> {
        self.items.get(kind)?.as_ref().map(|items| items.contains(item))
    }

    /// Whether a kind may move at all.
    pub fn allows_kind(&self, kind: &str) -> bool {
        self.items.contains_key(kind)
    }
}

/// Whether a rule binds copies of `kind` that `holder` has at `system`.
pub fn binds(rule: &Rule, holder: &str, system: &str, kind: &str) -> bool {
    let has = |list: &[String], id: &str| list.iter().any(|x| x == "*" || x == id);
    (has(&rule.holders, holder) || has(&rule.disputed_holders, holder))
        && has(&rule.systems, system)
        && has(&rule.data_sets, kind)
}

fn flow_context(scheme: &Scheme, vocabulary: &Vocabulary, index: usize, flow: &Flow) -> FlowContext {
    let bases = flow.basis.iter().map(|id| matter_period(scheme, id));
    let (start, end) = bases.fold((None, None), |(start, end): (Option<Date>, Option<Date>), (s, e)| {
        (later(start, s), earlier(end, e))
    });
    let items = std::iter::once(&flow.data_set)
        .chain(&flow.also_carries)
        .map(|kind| (kind.clone(), allowed_items(scheme, flow, kind)))
        .collect();
    FlowContext {
        index,
        start: later(flow.start, start),
        own_end: flow.end,
        basis_end: end,
        has_basis: !flow.basis.is_empty() && flow.basis_gap.is_none(),
        law: law_in_force(scheme, vocabulary, flow),
        items,
    }
}

/// Days on which each basis of a flow has a law in force. A matter that cites a law and its successor goes on with the
/// successor.
fn law_in_force(scheme: &Scheme, vocabulary: &Vocabulary, flow: &Flow) -> (Option<Date>, Option<Date>) {
    flow.basis.iter().filter_map(|id| scheme.matter(id)).fold((None, None), |(start, end), matter| {
        let mut cited = matter.basis.iter().filter_map(|b| vocabulary.ordinance_of(&b.article)).peekable();
        if cited.peek().is_none() {
            return (start, end);
        }
        let windows: Vec<_> = cited.map(|law| (law.in_force_from, law.in_force_to)).collect();
        // `None` is open, so that one law without a first or last day leaves that side open.
        let first = windows.iter().map(|w| w.0).min().flatten();
        let last =
            windows.iter().map(|w| w.1).try_fold(None, |last, end| Some(later(last, Some(end?)))).flatten();
        (later(start, first), earlier(end, last))
    })
}

fn allowed_items(scheme: &Scheme, flow: &Flow, kind: &str) -> Option<BTreeSet<String>> {
    if kind == flow.data_set && !flow.items.is_empty() && !flow.inferred.iter().any(|key| key == "items") {
        return Some(flow.items.iter().cloned().collect());
    }
    let kind = scheme.data_set(kind)?;
    kind.items_complete.then(|| kind.items.iter().map(|item| item.id.clone()).collect())
}

/// First and last day of a matter: its own, else those of its phases together.
fn matter_period(scheme: &Scheme, id: &str) -> (Option<Date>, Option<Date>) {
    let Some(matter) = scheme.matter(id) else { return (None, None) };
    let start = matter.start.or_else(|| matter.phases.iter().filter_map(|p| p.start).min());
    let open = matter.phases.iter().any(|p| p.end.is_none());
    let end =
        matter.end.or_else(|| if open { None } else { matter.phases.iter().filter_map(|p| p.end).max() });
    (start, end)
}

fn later(a: Option<Date>, b: Option<Date>) -> Option<Date> {
    a.max(b)
}

fn earlier(a: Option<Date>, b: Option<Date>) -> Option<Date> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

fn parties_that_must_not_copy(scheme: &Scheme, vocabulary: &Vocabulary) -> BTreeSet<String> {
    scheme
        .contracts
        .iter()
        .filter(|contract| {
            let sheet = contract.clause_sheet.as_deref().and_then(|id| vocabulary.clause_sheet(id));
            sheet.is_some_and(|sheet| sheet.clauses.iter().any(|clause| clause.check.forbids_copying()))
        })
        .flat_map(|contract| contract.between.iter().skip(1).cloned())
        .collect()
}

/// Contexts by the hashes of their documents, so that each file is read once.
#[derive(Debug, Default, Clone)]
pub struct ContextCache(HashMap<Documents, Arc<SchemeContext>>);

/// Scheme, vocabulary, calendar.
type Documents = ([u8; 32], [u8; 32], Option<[u8; 32]>);

fn documents(version: &SchemeVersion) -> Documents {
    (version.scheme_document, version.vocabulary_document, version.calendar_document)
}

impl ContextCache {
    /// The context of the version's documents, if it was made before.
    pub fn get(&self, version: &SchemeVersion) -> Option<Arc<SchemeContext>> {
        self.0.get(&documents(version)).cloned()
    }

    /// Keeps a context.
    pub fn insert(&mut self, version: &SchemeVersion, context: Arc<SchemeContext>) {
        self.0.insert(documents(version), context);
    }
}
