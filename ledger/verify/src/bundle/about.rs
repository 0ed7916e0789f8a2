//! Which entries speak of a data set.

use std::collections::HashSet;

use daicho_core::proto::{self, MilestoneScope, event::Fact};

/// A data set as it is met in entries that are read in order: its copies, the sessions and handovers that they are in.
///
/// What applies to whole days or contracts, and the rules, numbers and approvals that all data sets share, is not
/// counted as speaking of it.
#[derive(Debug, Clone)]
pub(super) struct Trail {
    scheme: String,
    data_set: String,
    session: String,
    copies: HashSet<String>,
    handovers: HashSet<String>,
    entries: HashSet<u64>,
}

impl Trail {
    pub(super) fn new(scheme: &str, data_set: &str) -> Self {
        Self {
            scheme: scheme.to_owned(),
            data_set: data_set.to_owned(),
            session: String::new(),
            copies: HashSet::new(),
            handovers: HashSet::new(),
            entries: HashSet::new(),
        }
    }

    /// Whether an entry speaks of the data set. Entries are taken in their order.
    pub(super) fn follow(&mut self, entry: u64, statement: &proto::Statement) -> bool {
        let mut speaks = false;
        for event in &statement.events {
            if event.scheme == self.scheme {
                speaks |= event.fact.as_ref().is_some_and(|fact| self.fact(fact));
            }
        }
        if speaks {
            self.entries.insert(entry);
        }
        speaks
    }

    /// Scheme and data set.
    pub(super) fn into_names(self) -> (String, String) {
        (self.scheme, self.data_set)
    }

    fn fact(&mut self, fact: &Fact) -> bool {
        match fact {
            Fact::Collected(f) => self.opens(&f.data_sets, &f.copies),
            Fact::Derived(f) => self.opens(&f.data_sets, &f.copies) | self.any(&f.from_copies),
            Fact::Printed(f) => self.opens(&f.data_sets, &f.copies) | self.any(&f.from_copies),
            Fact::Copied(f) => self.opens(&[], &f.copies) | self.any(&f.from_copies),
            Fact::HandoverGiven(f) => {
                let given = self.parts(&f.copies);
                if given {
                    self.handovers.insert(f.handover.clone());
                }
                given | self.handovers.contains(&f.handover)
            }
            Fact::HandoverReceived(f) => {
                let counted = f.received.iter().any(|count| count.data_set == self.data_set);
                let received = self.opens(&[], &f.copies) | counted;
                if received {
                    self.handovers.insert(f.handover.clone());
                }
                received | self.handovers.contains(&f.handover)
            }
            Fact::MilestoneReached(f) => match f.scope() {
                MilestoneScope::Copy => self.any(&f.targets),
                MilestoneScope::DataSet => f.targets.contains(&self.data_set),
                MilestoneScope::Session => !self.session.is_empty() && f.targets.contains(&self.session),
                MilestoneScope::Day | MilestoneScope::Contract | MilestoneScope::Unspecified => false,
            },
            Fact::Deleted(f) => self.parts(&f.copies),
            Fact::Returned(f) => self.parts(&f.copies),
            Fact::DeletionCertified(f) => self.any(&f.copies),
            Fact::DeletionConfirmed(f) => self.any(&f.copies),
            Fact::DeletionDeferred(f) => self.any(&f.copies),
            Fact::NonPersistenceAttested(f) => self.any(&f.copies),
            Fact::Corrected(f) => self.entries.contains(&f.entry_index),
            Fact::FindingDecided(f) => self.any(std::slice::from_ref(&f.object)) || f.object == self.data_set,
            Fact::LedgerOpened(_)
            | Fact::PartyRegistered(_)
            | Fact::MemberRegistered(_)
            | Fact::KeyAuthorized(_)
            | Fact::KeyRevoked(_)
            | Fact::DocumentChunk(_)
            | Fact::SchemeEnacted(_)
            | Fact::DeadlineSet(_)
            | Fact::ContractSettled(_)
            | Fact::SubcontractApproved(_)
            | Fact::RecipientApproved(_)
            | Fact::CheckpointKeysNamed(_)
            | Fact::Sealed(_)
            | Fact::ReadsLogged(_)
            | Fact::WardRuleSet(_)
            | Fact::ClockStepped(_)
            | Fact::Relayed(_)
            | Fact::ActPerformed(_) => false,
        }
    }

    /// Whether the data set or a copy of it comes into being.
    fn opens(&mut self, data_sets: &[proto::DataSet], copies: &[proto::Copy]) -> bool {
        let own = data_sets.iter().find(|set| set.id == self.data_set);
        if let Some(set) = own {
            self.session.clone_from(&set.session);
        }
        let before = self.copies.len();
        let opened = copies.iter().filter(|copy| copy.data_set == self.data_set);
        self.copies.extend(opened.map(|copy| copy.id.clone()));
        own.is_some() || self.copies.len() > before
    }

    fn parts(&self, parts: &[proto::CopyPart]) -> bool {
        parts.iter().any(|part| self.copies.contains(&part.copy))
    }

    fn any(&self, copies: &[String]) -> bool {
        copies.iter().any(|copy| self.copies.contains(copy))
    }
}
