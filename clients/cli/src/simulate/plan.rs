//! A plan: every statement of a run in order, with what must be found in the end.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use daicho_core::proto::{self, event::Fact};
use daicho_core::{Date, Instant, SigningKey};
use sha2::{Digest as _, Sha256};

use super::baseline;
use super::faults::{Counts, Injected, Seen};
use super::touch::Touches;

/// What is said within one hour is recorded at its end.
pub(crate) const TICK_MS: i64 = 3_600_000;

/// Who signs: a party, or a member of a set party with a key of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Signer {
    /// Party id in the ledger.
    pub(crate) party: String,
    /// Member, or empty.
    pub(crate) member: String,
}

impl Signer {
    /// The ward.
    pub(crate) fn ward() -> Self {
        Self { party: "ward".to_owned(), member: String::new() }
    }

    /// A party of a scheme. The ward and the agency of all local governments are the same in every scheme.
    pub(crate) fn of(scheme: &str, local: &str, member: &str) -> Self {
        let party = match local {
            "ward" | "jlis" => local.to_owned(),
            _ => format!("{scheme}/{local}"),
        };
        Self { party, member: member.to_owned() }
    }

    /// The key with which it signs on simulated ledgers. Anyone can compute it.
    pub(crate) fn key(&self, seed: u64) -> SigningKey {
        let mut hash = Sha256::new();
        hash.update(b"daicho simulation key v1\0");
        hash.update(seed.to_be_bytes());
        hash.update(self.to_string());
        SigningKey::from_seed(&hash.finalize().into())
    }
}

impl std::fmt::Display for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.party)?;
        if self.member.is_empty() { Ok(()) } else { write!(f, ":{}", self.member) }
    }
}

/// One statement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    /// In a script, when it occurs; in a plan, when it is recorded.
    pub(crate) at: Instant,
    /// Who signs it.
    pub(crate) signer: Signer,
    /// What it says.
    pub(crate) events: Vec<proto::Event>,
    /// Whether the ledger must refuse it.
    pub(crate) refused: bool,
}

/// What is played of one scheme.
#[derive(Debug)]
pub(crate) struct Part {
    /// Scheme id.
    pub(crate) id: String,
    /// First day.
    pub(crate) from: Date,
    /// Last day.
    pub(crate) to: Date,
    /// When it is judged: all that can be due is due.
    pub(crate) as_of: Instant,
    /// Findings that the paper's own holes cause.
    pub(crate) baseline: Counts,
    /// What was made to go wrong.
    pub(crate) injected: Vec<Injected>,
    /// How many events touch each flow and system.
    pub(crate) touches: Touches,
    /// Number of copies opened.
    pub(crate) copies: u64,
}

impl Part {
    /// The findings that neither a hole of the papers nor a fault explains.
    pub(crate) fn strays<'f>(&self, found: &'f [Seen]) -> Vec<&'f Seen> {
        let holes = baseline::of(&self.id);
        let hole = |f: &Seen| holes.iter().any(|hole| (hole.code, &hole.object) == (f.code, &f.object));
        found.iter().filter(|f| !hole(f) && !self.injected.iter().any(|one| one.explains(f))).collect()
    }
}

/// A whole run.
#[derive(Debug)]
pub(crate) struct Plan {
    /// All statements, in the order in which they are recorded.
    pub(crate) steps: Vec<Step>,
    /// What is played of each scheme.
    pub(crate) parts: Vec<Part>,
}

impl Plan {
    /// Orders what the scripts said: by the hour of recording, then by time, then as said.
    pub(crate) fn new(mut steps: Vec<Step>, parts: Vec<Part>) -> Self {
        steps.sort_by_key(|step| step.at);
        for step in &mut steps {
            step.at = recorded(step.at);
        }
        Self { steps, parts }
    }

    /// Number of events.
    pub(crate) fn events(&self) -> usize {
        self.steps.iter().map(|step| step.events.len()).sum()
    }

    /// Everyone who signs.
    pub(crate) fn signers(&self) -> BTreeSet<&Signer> {
        self.steps.iter().map(|step| &step.signer).collect()
    }

    /// The plan as bytes: the same for the same seed, scale and faults.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> Vec<u8> {
        use prost::Message as _;
        let mut bytes = Vec::new();
        for step in &self.steps {
            bytes.extend_from_slice(&step.at.unix_ms().to_be_bytes());
            bytes.extend_from_slice(step.signer.to_string().as_bytes());
            for event in &step.events {
                bytes.extend_from_slice(&event.encode_length_delimited_to_vec());
            }
        }
        bytes
    }

    /// The statements of each hour, in waves: those of one wave need nothing of another party's in the same wave.
    pub(crate) fn ticks(&self) -> impl Iterator<Item = (Instant, Vec<Vec<&Step>>)> {
        self.steps.chunk_by(|a, b| a.at == b.at).map(|tick| (tick[0].at, waves(tick)))
    }
}

/// The end of the hour in which something occurs.
fn recorded(occurred: Instant) -> Instant {
    let ticks = occurred.unix_ms().div_euclid(TICK_MS) + 1;
    Instant::EPOCH.plus_ms(ticks * TICK_MS)
}

/// Puts each statement after those whose ids it uses, and after the earlier ones of its own signer.
fn waves(tick: &[Step]) -> Vec<Vec<&Step>> {
    let mut introduced: HashMap<(&str, &str), (usize, &Signer)> = HashMap::new();
    let mut last: BTreeMap<&Signer, usize> = BTreeMap::new();
    let mut waves: Vec<Vec<&Step>> = Vec::new();
    for step in tick {
        let mut wave = last.get(&step.signer).copied().unwrap_or(0);
        for event in &step.events {
            for id in ids(event).1 {
                if let Some((n, _)) =
                    introduced.get(&(event.scheme.as_str(), id)).filter(|(_, by)| *by != &step.signer)
                {
                    wave = wave.max(n + 1);
                }
            }
        }
        for event in &step.events {
            for id in ids(event).0 {
                introduced.insert((event.scheme.as_str(), id), (wave, &step.signer));
            }
        }
        last.insert(&step.signer, wave);
        if waves.len() <= wave {
            waves.resize_with(wave + 1, Vec::new);
        }
        waves[wave].push(step);
    }
    waves
}

/// The data sets and copies that an event brings, and those that it needs.
fn ids(event: &proto::Event) -> (Vec<&str>, Vec<&str>) {
    fn opened<'e>(
        sets: &'e [proto::DataSet],
        copies: &'e [proto::Copy],
        from: &'e [String],
    ) -> (Vec<&'e str>, Vec<&'e str>) {
        let brings = sets.iter().map(|d| d.id.as_str()).chain(copies.iter().map(|c| c.id.as_str()));
        let needs = copies.iter().map(|c| c.data_set.as_str()).chain(from.iter().map(String::as_str));
        (brings.collect(), needs.collect())
    }
    fn parts(parts: &[proto::CopyPart]) -> (Vec<&str>, Vec<&str>) {
        (Vec::new(), parts.iter().map(|part| part.copy.as_str()).collect())
    }
    fn listed(ids: &[String]) -> (Vec<&str>, Vec<&str>) {
        (Vec::new(), ids.iter().map(String::as_str).collect())
    }
    match event.fact.as_ref() {
        Some(Fact::Collected(e)) => opened(&e.data_sets, &e.copies, &[]),
        Some(Fact::Derived(e)) => opened(&e.data_sets, &e.copies, &e.from_copies),
        Some(Fact::Printed(e)) => opened(&e.data_sets, &e.copies, &e.from_copies),
        Some(Fact::Copied(e)) => opened(&[], &e.copies, &e.from_copies),
        Some(Fact::HandoverReceived(e)) => {
            let (brings, mut needs) = opened(&[], &e.copies, &[]);
            needs.extend(e.received.iter().map(|d| d.data_set.as_str()));
            (brings, needs)
        }
        Some(Fact::HandoverGiven(e)) => parts(&e.copies),
        Some(Fact::Deleted(e)) => parts(&e.copies),
        Some(Fact::Returned(e)) => parts(&e.copies),
        Some(Fact::DeletionCertified(e)) => listed(&e.copies),
        Some(Fact::DeletionConfirmed(e)) => listed(&e.copies),
        Some(Fact::DeletionDeferred(e)) => listed(&e.copies),
        Some(Fact::NonPersistenceAttested(e)) => listed(&e.copies),
        _ => (Vec::new(), Vec::new()),
    }
}

/// A hash that stands for a document that the play does not hold.
pub(crate) fn document_hash(name: &str) -> Vec<u8> {
    Sha256::digest(name.as_bytes()).to_vec()
}
