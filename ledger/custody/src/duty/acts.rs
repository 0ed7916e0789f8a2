//! Which acts count for which duty.

use super::list::{Duty, DutySource};
use super::records::Records;
use crate::calendar::Office;
use crate::context::SchemeContext;
use crate::scheme::{Contract, PartyRole};
use crate::state::{ActRecord, Fact};

/// The attribute with which an act says what it carries; there may be several.
const CARRIES: &str = "carries";

/// An act as known at a time.
#[derive(Debug, Clone)]
pub(super) struct Act {
    pub(super) fact: Fact,
    pub(super) by: String,
    pub(super) target: String,
    pub(super) counterpart: String,
    pub(super) attributes: Vec<(String, String)>,
}

impl From<ActRecord> for Act {
    fn from(record: ActRecord) -> Self {
        let ActRecord { fact, by, target, counterpart, attributes, .. } = record;
        Self { fact, by, target, counterpart, attributes }
    }
}

impl Act {
    /// The value of an attribute; empty when it is not stated.
    pub(super) fn attribute(&self, name: &str) -> &str {
        self.attributes.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    /// Whether it says that it carries each of these.
    pub(super) fn carries(&self, words: &[String]) -> bool {
        words.iter().all(|word| self.attributes.iter().any(|(name, value)| name == CARRIES && value == word))
    }

    /// What ties a request to its answers.
    pub(super) fn case(&self) -> &str {
        self.attribute("case")
    }
}

impl SchemeContext {
    /// Who did what must not be done: whoever says so, or the party of which the ward says it.
    pub(super) fn culprit<'a>(&self, act: &'a Act) -> &'a str {
        let by_ward = self.party(&act.by).is_some_and(|p| p.role == PartyRole::Controller);
        if by_ward && self.party(&act.counterpart).is_some() { &act.counterpart } else { &act.by }
    }
}

/// A party that must be told, and how a text about it begins.
pub(super) struct Told<'d> {
    party: &'d str,
    pub(super) ja: String,
    pub(super) en: String,
}

impl Told<'_> {
    /// Where nobody in particular must be told.
    pub(super) fn nobody() -> Self {
        Self { party: "", ja: String::new(), en: String::new() }
    }

    /// Whether an act reached the party: it names it, or names nobody.
    pub(super) fn by(&self, act: &Act) -> bool {
        self.party.is_empty() || act.counterpart.is_empty() || act.counterpart == self.party
    }
}

/// A duty with what is needed to tell which acts count for it.
pub(super) struct Asked<'d> {
    pub(super) context: &'d SchemeContext,
    pub(super) duty: &'d Duty<'d>,
    pub(super) records: &'d Records,
    pub(super) office: Office<'d>,
}

impl<'d> Asked<'d> {
    /// Acts of a word by `who` that count for the duty, in the order in which they occurred.
    pub(super) fn acts(&self, word: &str, who: &'d str) -> impl Iterator<Item = &'d Act> + use<'_, 'd> {
        self.all(word).filter(move |act| act.by == who && self.is_meant(act))
    }

    /// Acts of a word by anyone.
    pub(super) fn all(&self, word: &str) -> impl Iterator<Item = &'d Act> + use<'d> {
        self.records.acts.get(word).into_iter().flatten()
    }

    /// Whether an act may serve this duty: it does not name another obligation, contract or contractor.
    pub(super) fn is_meant(&self, act: &Act) -> bool {
        let scheme = &self.context.scheme;
        let named = scheme.obligations.iter().find(|o| o.id == act.target);
        if let (Some(named), DutySource::Obligation { id, .. }) = (named, &self.duty.source) {
            // One duty that is stated twice is met by one act, whichever it names.
            let other = scheme.obligations.iter().find(|o| o.id == *id);
            let same = |one: Option<&String>, id: &str| one.is_some_and(|same| same == id);
            let twice = same(named.same_duty_as.as_ref(), id)
                || same(other.and_then(|o| o.same_duty_as.as_ref()), &named.id);
            if named.id != *id && !twice {
                return false;
            }
        }
        let Some(contract) = self.duty.contract else { return true };
        let by_ward = self.context.party(&act.by).is_some_and(|p| p.role == PartyRole::Controller);
        let of_the_duty = self.duty.others.contains(&act.counterpart) || act.counterpart == self.duty.who;
        let concerned = of_the_duty && act.counterpart != act.by;
        if scheme.contract(&act.target).is_some() {
            // A look at the processor is none at its sub-processor.
            let to_another = by_ward && !concerned && contract.between.contains(&act.counterpart);
            return act.target == contract.id && !to_another;
        }
        // What the ward does to its contractors must say which one is meant; a contractor's own act serves
        // each of its contracts.
        concerned || !by_ward
    }

    /// Whether an act is a breach by the party: it says so itself, or the ward says it of it. What the ward says with a
    /// contractor as the other party may be a breach by both.
    pub(super) fn is_breach(&self, act: &Act) -> bool {
        act.by == self.duty.who || self.context.culprit(act) == self.duty.who
    }

    /// Whether what happened over a flow bears on the duty's contract. What happened over no flow bears on each; so does a flow
    /// that no contract of the party is about.
    pub(super) fn is_of_contract(&self, flow: &str) -> bool {
        let Some(contract) = self.duty.contract else { return true };
        let Some(flow) = self.context.scheme.flow(flow) else { return true };
        let about = |contract: &Contract| flow.basis.contains(&contract.matter);
        let own = |contract: &&Contract| contract.between.contains(&self.duty.who);
        about(contract) || !self.context.scheme.contracts.iter().filter(own).any(about)
    }

    /// Whether an act that asks for something concerns the party that owes the duty, and comes from who may ask.
    pub(super) fn concerns(&self, act: &Act, by: Option<&str>) -> bool {
        let who = &self.duty.who;
        if by.is_some_and(|by| act.by != by) {
            return false;
        }
        if act.by == *who || act.counterpart == *who {
            return self
                .duty
                .contract
                .is_none_or(|c| self.context.scheme.contract(&act.target).is_none() || act.target == c.id);
        }
        act.counterpart.is_empty() && act.target.is_empty() && self.duty.others.contains(&act.by)
    }

    /// Those who must be told, each for itself; one without a name where nobody must.
    pub(super) fn told(&self) -> Vec<Told<'d>> {
        if self.duty.told.is_empty() {
            return vec![Told::nobody()];
        }
        let named = self.duty.told.iter().map(|party| {
            let label = self.context.party(party).map_or(party.as_str(), |known| known.label.as_str());
            Told { party, ja: format!("{label}へ: "), en: format!("to {party}: ") }
        });
        named.collect()
    }
}
