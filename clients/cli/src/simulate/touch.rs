//! Which flows and systems the events of a scheme touch.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use daicho_core::proto::{self, event::Fact};
use daicho_custody::scheme::Scheme;

/// How many events touch each flow and each system. Untouched ones stand at 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Touches {
    /// By flow.
    pub(crate) flows: BTreeMap<String, u64>,
    /// By system.
    pub(crate) systems: BTreeMap<String, u64>,
}

/// Counts touches, remembering where each copy lies.
#[derive(Debug)]
pub(crate) struct Toucher<'s> {
    scheme: &'s Scheme,
    touches: Touches,
    places: HashMap<String, String>,
}

impl<'s> Toucher<'s> {
    /// Starts with everything untouched.
    pub(crate) fn new(scheme: &'s Scheme) -> Self {
        let touches = Touches {
            flows: scheme.flows.iter().map(|flow| (flow.id.clone(), 0)).collect(),
            systems: scheme.systems.iter().map(|system| (system.id.clone(), 0)).collect(),
        };
        Self { scheme, touches, places: HashMap::new() }
    }

    /// The counts, and the number of copies seen.
    pub(crate) fn finish(self) -> (Touches, u64) {
        (self.touches, self.places.len() as u64)
    }

    /// Counts one event.
    pub(crate) fn event(&mut self, event: &proto::Event) {
        let mut systems = BTreeSet::new();
        let mut flow = "";
        match event.fact.as_ref() {
            Some(Fact::Collected(e)) => {
                flow = &e.flow;
                self.open(&e.copies, &mut systems);
            }
            Some(Fact::HandoverReceived(e)) => {
                flow = &e.flow;
                self.open(&e.copies, &mut systems);
            }
            Some(Fact::Derived(e)) => {
                flow = &e.flow;
                self.open(&e.copies, &mut systems);
                self.lie(e.from_copies.iter(), &mut systems);
            }
            Some(Fact::Printed(e)) => {
                flow = &e.flow;
                self.open(&e.copies, &mut systems);
                self.lie(e.from_copies.iter(), &mut systems);
            }
            Some(Fact::Copied(e)) => {
                self.open(&e.copies, &mut systems);
                self.lie(e.from_copies.iter(), &mut systems);
            }
            Some(Fact::HandoverGiven(e)) => {
                flow = &e.flow;
                self.lie(e.copies.iter().map(|part| &part.copy), &mut systems);
            }
            Some(Fact::Deleted(e)) => self.lie(e.copies.iter().map(|part| &part.copy), &mut systems),
            Some(Fact::Returned(e)) => self.lie(e.copies.iter().map(|part| &part.copy), &mut systems),
            Some(Fact::Relayed(e)) => {
                flow = &e.flow;
                systems.extend(e.systems.iter().cloned());
            }
            Some(Fact::NonPersistenceAttested(e)) => {
                systems.insert(e.system.clone());
                self.lie(e.copies.iter(), &mut systems);
            }
            Some(Fact::ActPerformed(e)) => {
                systems.insert(e.target.clone());
            }
            _ => {}
        }
        if let Some(known) = self.scheme.flow(flow) {
            *self.touches.flows.entry(known.id.clone()).or_default() += 1;
            let ends = [&known.from.system, &known.to.system].into_iter().flatten();
            systems.extend(ends.chain(&known.via).chain(&known.also_stored_at).cloned());
        }
        for system in systems {
            if let Some(count) = self.touches.systems.get_mut(&system) {
                *count += 1;
            }
        }
    }

    fn open(&mut self, copies: &[proto::Copy], systems: &mut BTreeSet<String>) {
        for copy in copies {
            systems.insert(copy.system.clone());
            self.places.insert(copy.id.clone(), copy.system.clone());
        }
    }

    fn lie<'c>(&self, copies: impl Iterator<Item = &'c String>, systems: &mut BTreeSet<String>) {
        systems.extend(copies.filter_map(|copy| self.places.get(copy).cloned()));
    }
}
