//! Finds the entries of a selective bundle in one pass over a ledger.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use daicho_core::proto::event::Fact;
use daicho_core::{Entry, EntryIndex, KeyId, ParsedStatement, PublicKey, proto};

use super::about::Trail;
use super::{BundleError, Claim, DataSetClaim};
use crate::{AuditError, Check};

/// Takes every entry of a ledger in order and notes which are asked for, and which those rest on: the founding, the
/// registrations and key authorisations of their signers, the enactments of their scheme with its documents, and the
/// keys that sign checkpoints.
#[derive(Debug)]
pub struct Selection {
    wanted: Wanted,
    next: u64,
    subjects: Vec<u64>,
    /// Schemes that the subjects speak of.
    schemes: BTreeSet<String>,
    /// Who signed the entries that may be needed.
    signers: HashMap<u64, Vec<KeyId>>,
    /// Of each key: the entry that authorised it, and its party.
    keys: HashMap<KeyId, (u64, String)>,
    parties: HashMap<String, u64>,
    enactments: BTreeMap<u64, proto::SchemeEnacted>,
    documents: HashMap<Vec<u8>, Vec<u64>>,
    checkpoint_keys: Option<u64>,
}

#[derive(Debug)]
enum Wanted {
    DataSet(Box<Trail>),
    Entry(u64),
}

/// The documents that an enactment rests on: scheme, vocabulary and, where there is one, calendar.
pub(super) fn documents(enacted: &proto::SchemeEnacted) -> impl Iterator<Item = &Vec<u8>> {
    let all = [&enacted.scheme_document, &enacted.vocabulary_document, &enacted.calendar_document];
    all.into_iter().filter(|document| !document.is_empty())
}

/// The entries of a selective bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// The claim, with the entries that it is about.
    pub claim: Claim,
    /// All entries, ascending: those of the claim and those that they rest on.
    pub entries: Vec<EntryIndex>,
}

impl Selection {
    /// The entries that speak of a data set.
    pub fn of_data_set(scheme: &str, data_set: &str) -> Self {
        Self::new(Wanted::DataSet(Box::new(Trail::new(scheme, data_set))))
    }

    /// One entry.
    pub fn of_entry(index: EntryIndex) -> Self {
        Self::new(Wanted::Entry(index.get()))
    }

    fn new(wanted: Wanted) -> Self {
        Self {
            wanted,
            next: 0,
            subjects: Vec::new(),
            schemes: BTreeSet::new(),
            signers: HashMap::new(),
            keys: HashMap::new(),
            parties: HashMap::new(),
            enactments: BTreeMap::new(),
            documents: HashMap::new(),
            checkpoint_keys: None,
        }
    }

    /// Takes the next entry. Only its form is checked.
    ///
    /// # Errors
    /// [`BundleError::Audit`] when it is no entry, or not the next one.
    pub fn see(&mut self, bytes: &[u8]) -> Result<(), BundleError> {
        let index = self.next;
        let failed = |check, detail: String| AuditError { entry: EntryIndex::new(index), check, detail };
        let entry = Entry::decode(bytes).map_err(|e| failed(Check::EntryFormat, e.to_string()))?;
        if entry.index.get() != index {
            return Err(failed(Check::IndexOrder, format!("found entry {}", entry.index)).into());
        }
        let statement = ParsedStatement::parse(entry.statement)
            .map_err(|refusal| failed(Check::StatementFormat, refusal.to_string()))?;
        self.next += 1;
        let body = statement.body();
        let subject = match &mut self.wanted {
            Wanted::DataSet(trail) => trail.follow(index, body),
            Wanted::Entry(wanted) => *wanted == index,
        };
        let mut keep = subject;
        if subject {
            self.subjects.push(index);
            self.schemes.extend(body.events.iter().map(|event| event.scheme.clone()));
        }
        for event in &body.events {
            keep |= event.fact.as_ref().is_some_and(|fact| self.learn(index, fact));
        }
        if keep {
            self.signers.insert(index, statement.signers().iter().map(|signer| signer.key).collect());
        }
        Ok(())
    }

    /// Whether the entry may be needed for what it says of the ledger itself.
    fn learn(&mut self, index: u64, fact: &Fact) -> bool {
        match fact {
            Fact::LedgerOpened(f) => {
                for (key, party) in [(&f.operator_key, &f.operator_party), (&f.ward_key, &f.ward_party)] {
                    self.learn_key(index, key.as_ref(), party);
                    self.parties.entry(party.clone()).or_insert(index);
                }
            }
            Fact::KeyAuthorized(f) => self.learn_key(index, f.key.as_ref(), &f.party),
            Fact::PartyRegistered(f) => {
                self.parties.entry(f.party.clone()).or_insert(index);
            }
            Fact::SchemeEnacted(f) => {
                self.enactments.insert(index, f.clone());
            }
            Fact::DocumentChunk(f) => self.documents.entry(f.document.clone()).or_default().push(index),
            Fact::CheckpointKeysNamed(_) => self.checkpoint_keys = Some(index),
            _ => return false,
        }
        true
    }

    fn learn_key(&mut self, index: u64, key: Option<&proto::PublicKey>, party: &str) {
        if let Some(key) = key.and_then(PublicKey::from_proto) {
            self.keys.entry(key.id()).or_insert_with(|| (index, party.to_owned()));
        }
    }

    /// What was found in the entries so far.
    ///
    /// # Errors
    /// [`BundleError::EntryList`] when nothing was.
    pub fn finish(self) -> Result<Selected, BundleError> {
        if self.subjects.is_empty() {
            return Err(BundleError::EntryList);
        }
        let mut entries: BTreeSet<u64> = self.subjects.iter().copied().collect();
        entries.insert(0);
        entries.extend(self.checkpoint_keys);
        let enacted = self.enactments.iter().filter(|(_, enacted)| self.schemes.contains(&enacted.scheme));
        for (index, enacted) in enacted {
            entries.insert(*index);
            for document in documents(enacted) {
                entries.extend(self.documents.get(document).into_iter().flatten());
            }
        }
        // What the signers rest on, and what the signers of that rest on.
        let mut pending: Vec<u64> = entries.iter().copied().collect();
        let mut done: HashSet<u64> = HashSet::new();
        while let Some(index) = pending.pop() {
            if !done.insert(index) {
                continue;
            }
            for key in self.signers.get(&index).into_iter().flatten() {
                if let Some((authorized, party)) = self.keys.get(key) {
                    pending.push(*authorized);
                    pending.extend(self.parties.get(party));
                }
            }
        }
        let mut entries: Vec<u64> = done.into_iter().collect();
        entries.sort_unstable();
        let claim = match self.wanted {
            Wanted::DataSet(trail) => {
                let (scheme, data_set) = trail.into_names();
                Claim::DataSet(DataSetClaim { scheme, data_set, entries: self.subjects })
            }
            Wanted::Entry(entry) => Claim::Receipt { entry },
        };
        Ok(Selected { claim, entries: entries.into_iter().map(EntryIndex::new).collect() })
    }
}
