//! Values of the custody state. Their bytes are postcard of these structs, fields in this order.

use daicho_core::{EntryIndex, Instant, PublicKey};
use serde::{Deserialize, Serialize};

use super::StateError;

/// When something happened, when that was recorded, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fact {
    /// Time stated by the signer.
    pub occurred: Instant,
    /// Time of recording.
    pub recorded: Instant,
    /// The entry that says so.
    pub entry: EntryIndex,
}

/// What this ledger is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerRecord {
    /// Origin name.
    pub origin: String,
    /// Whether the clock is simulated.
    pub simulated: bool,
    /// Version of the fold's rules.
    pub fold_version: u32,
    /// Party that runs it.
    pub operator: String,
    /// Party that governs it.
    pub ward: String,
}

/// Keys that sign checkpoints.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointKeysRecord {
    /// Each set of C2SP verifier keys, from the entry that names it until the next set. The last one is in use.
    pub sets: Vec<(Fact, Vec<String>)>,
}

/// A party.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartyRecord {
    /// Name in Japanese.
    pub label: String,
    /// Members of a set, with their labels.
    pub members: Vec<(String, String)>,
    /// Where it was registered.
    pub registered: Fact,
}

/// A key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// Its party.
    pub party: String,
    /// The key itself.
    pub public: PublicKey,
    /// What it is for.
    pub purpose: String,
    /// Where it was authorised.
    pub authorized: Fact,
    /// Where it was revoked, with the time from which it is not trusted.
    pub revoked: Option<(Fact, Instant)>,
}

/// What a one-time key may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitationRecord {
    /// Purpose of the one key that it may authorise.
    pub invites_for: String,
    /// Last instant in time.
    pub until: Instant,
}

/// How many keys of the ward must sign together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WardRuleRecord {
    /// Where it was set.
    pub set: Fact,
    /// How many.
    pub threshold: u32,
    /// Of which keys, ids in hex.
    pub keys: Vec<String>,
}

/// Which statement numbers a key has used: ranges, both ends included, ascending, never touching.
/// A key that leaves nothing out has one range.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequenceRecord {
    /// The ranges.
    pub used: Vec<(u64, u64)>,
    /// The first number left out each time that one higher than the next came, and the entry with which it did.
    pub skipped: Vec<(u64, Fact)>,
}

impl SequenceRecord {
    /// Whether the number was used.
    pub fn contains(&self, n: u64) -> bool {
        self.used.iter().rev().any(|&(from, to)| (from..=to).contains(&n))
    }

    /// Marks a number as used by an entry. It must not have been.
    pub fn insert(&mut self, n: u64, by: Fact) {
        if n > self.last() + 1 {
            self.skipped.push((self.last() + 1, by));
        }
        let at = self.used.partition_point(|&(_, to)| to < n);
        let joins_before = at > 0 && self.used[at - 1].1 + 1 == n;
        let joins_after = at < self.used.len() && n + 1 == self.used[at].0;
        match (joins_before, joins_after) {
            (true, true) => {
                self.used[at - 1].1 = self.used[at].1;
                self.used.remove(at);
            }
            (true, false) => self.used[at - 1].1 = n,
            (false, true) => self.used[at].0 = n,
            (false, false) => self.used.insert(at, (n, n)),
        }
    }

    /// Drops who left out what has come since.
    pub fn forget_filled(&mut self) {
        if self.skipped.is_empty() {
            return;
        }
        let mut open = self.gaps().into_iter().map(|(from, _)| from).peekable();
        let mut until = self.skipped.iter().skip(1).map(|(first, _)| *first).collect::<Vec<_>>().into_iter();
        // One who skipped is kept as long as a gap lies between its first number and that of the next one.
        self.skipped.retain(|(first, _)| {
            let end = until.next().unwrap_or(u64::MAX);
            while open.next_if(|from| from < first).is_some() {}
            open.peek().is_some_and(|from| *from < end)
        });
    }

    /// The highest used number; 0 when there is none.
    pub fn last(&self) -> u64 {
        self.used.last().map_or(0, |&(_, to)| to)
    }

    /// Ranges that are still left out, each with the entry that skipped it.
    pub fn skipped_by(&self) -> Vec<((u64, u64), Option<Fact>)> {
        self.gaps().into_iter().map(|gap| (gap, self.skipper_of(gap.0))).collect()
    }

    /// The entry that skipped a number which is left out.
    pub fn skipper_of(&self, n: u64) -> Option<Fact> {
        self.skipped.iter().rfind(|(first, _)| *first <= n).map(|(_, fact)| *fact)
    }

    /// Ranges left out below the highest used number.
    pub fn gaps(&self) -> Vec<(u64, u64)> {
        let mut next = 1;
        let mut gaps = Vec::new();
        for &(from, to) in &self.used {
            if from > next {
                gaps.push((next, from - 1));
            }
            next = to + 1;
        }
        gaps
    }
}

/// A number that a key had left out and that came after all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateNumberRecord {
    /// The number.
    pub number: u64,
    /// The entry with which it was left out.
    pub skipped: Fact,
    /// Where it came.
    pub fact: Fact,
}

/// A document that comes in pieces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentRecord {
    /// How many pieces it has.
    pub count: u32,
    /// One bit for each piece that is here, lowest first.
    pub present: u64,
}

/// A scheme in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemeRecord {
    /// All versions, the newest last.
    pub versions: Vec<SchemeVersion>,
    /// Limits that the ward set for the whole scheme, oldest first.
    pub limits: Vec<LimitSetting>,
}

/// One version of a scheme.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemeVersion {
    /// Number, from 1.
    pub version: u32,
    /// Where it was enacted.
    pub enacted: Fact,
    /// SHA-256 of the scheme file.
    pub scheme_document: [u8; 32],
    /// SHA-256 of the vocabulary file.
    pub vocabulary_document: [u8; 32],
    /// Errors of the source that the ward settled: diagnostic and ground.
    pub corrections: Vec<(String, String)>,
    /// Whether it judges clocks that ran already.
    pub applies_to_open: bool,
    /// SHA-256 of its calendar of business days. `None`: it names none.
    pub calendar_document: Option<[u8; 32]>,
}

/// Limits for a whole scheme, in the deadline form of scheme files. `None`: unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitSetting {
    /// Where they were set.
    pub set: Fact,
    /// Certificate after closing.
    pub certificate_within: Option<String>,
    /// Other side of a handover.
    pub acknowledge_within: Option<String>,
    /// Recording after the fact.
    pub report_within: Option<String>,
    /// When the ward's office closes, `17:15`.
    pub closing_time: Option<String>,
    /// Longest time between two attestations of a system that must keep nothing.
    pub attest_within: Option<String>,
    /// How long before the end of a contract its open copies become a finding.
    pub warn_before: Option<String>,
    /// On what ground.
    pub ground: String,
}

/// Numbers that the ward set for a rule, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleRecord {
    /// The settings.
    pub settings: Vec<RuleSetting>,
}

/// One setting of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleSetting {
    /// Where it was set.
    pub set: Fact,
    /// By which party.
    pub by: String,
    /// The deadline. `None`: unchanged.
    pub deadline: Option<String>,
    /// Whether it adopts the proposal of the file.
    pub adopts_proposal: bool,
    /// On what ground.
    pub ground: String,
    /// Longest time without the milestone. `None`: unchanged.
    pub longest_wait: Option<String>,
    /// Time from the start of the clock for which data must be kept. `None`: unchanged.
    pub keep_at_least: Option<String>,
}

/// What became of a contract, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContractRecord {
    /// The settlements.
    pub settlements: Vec<Settlement>,
}

/// A contract concluded, renewed, or its party named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// Where.
    pub set: Fact,
    /// Party of the scheme and who it turned out to be.
    pub named: Option<(String, String)>,
    /// First day.
    pub start: Option<daicho_core::Date>,
    /// Last day.
    pub end: Option<daicho_core::Date>,
}

/// The ward's consent to a subcontractor, recipient or member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalRecord {
    /// Where.
    pub approved: Fact,
    /// The contract, for subcontractors.
    pub contract: String,
}

/// A data set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataSetRecord {
    /// Kind of the scheme.
    pub kind: String,
    /// Number of persons.
    pub subjects: u64,
    /// Session, or empty.
    pub session: String,
    /// Item names. Empty: all listed ones.
    pub items: Vec<String>,
    /// Classes of subjects.
    pub classes: Vec<String>,
    /// Where it came into being.
    pub opened: Fact,
}

/// A copy: one data set at one system of one holder. What happens to it is in [`CopyFact`]s.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyRecord<S = String> {
    /// Its data set.
    pub data_set: S,
    /// Kind of that data set.
    pub kind: S,
    /// Session of that data set, or empty.
    pub session: S,
    /// Party that holds it.
    pub holder: S,
    /// Member of a set party, or empty.
    pub member: S,
    /// System.
    pub system: S,
    /// One of several like machines, or empty.
    pub unit: S,
    /// How it came into being.
    pub how: Opening,
    /// Flow, or empty.
    pub flow: S,
    /// Where it came into being.
    pub opened: Fact,
    /// Number of persons.
    pub subjects: u64,
    /// Number of persons whose data is still here.
    pub remaining: u64,
    /// Where the last of it went.
    pub closed: Option<Fact>,
    /// Whether the last attempt to erase it failed verification.
    pub erasure_failed: bool,
}

/// How the stored form of a [`CopyRecord`] begins: what tells copies apart that are otherwise alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyHead<'b> {
    /// Its data set.
    pub data_set: &'b str,
    /// Kind of that data set.
    pub kind: &'b str,
    /// Session of that data set, or empty.
    pub session: &'b str,
    /// The bytes of all other fields.
    pub rest: &'b [u8],
}

impl<'b> CopyHead<'b> {
    /// Reads the beginning of a stored record.
    ///
    /// # Errors
    /// When the bytes are not what this version writes.
    pub fn of(bytes: &'b [u8]) -> Result<Self, StateError> {
        let ((data_set, kind, session), rest) = postcard::take_from_bytes(bytes)
            .map_err(|error| StateError(format!("record does not decode: {error}")))?;
        Ok(Self { data_set, kind, session, rest })
    }
}

impl<S: AsRef<str>> CopyRecord<S> {
    /// The same with its texts borrowed.
    pub fn borrowed(&self) -> CopyRecord<&str> {
        self.with_texts(|text| text.as_ref())
    }

    /// The same with texts of its own.
    pub fn owned(&self) -> CopyRecord {
        self.with_texts(|text| text.as_ref().to_owned())
    }

    fn with_texts<'s, T>(&'s self, text: impl Fn(&'s S) -> T) -> CopyRecord<T> {
        CopyRecord {
            data_set: text(&self.data_set),
            kind: text(&self.kind),
            session: text(&self.session),
            holder: text(&self.holder),
            member: text(&self.member),
            system: text(&self.system),
            unit: text(&self.unit),
            how: self.how,
            flow: text(&self.flow),
            opened: self.opened,
            subjects: self.subjects,
            remaining: self.remaining,
            closed: self.closed,
            erasure_failed: self.erasure_failed,
        }
    }
}

/// How a copy came into being.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Opening {
    /// Taken in from someone who does not write.
    Collected,
    /// Received from a party.
    Received,
    /// Made or entered from other copies.
    Derived,
    /// Put on paper.
    Printed,
    /// Duplicated.
    Copied,
}

/// Something that happened to a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyFact {
    /// When and where.
    pub fact: Fact,
    /// What.
    pub what: CopyChange,
}

/// What happened to a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CopyChange {
    /// Erased, in whole or part.
    Deleted {
        /// Number of persons.
        count: u64,
        /// NIST SP 800-88 method, number of the wire enum.
        method: i32,
        /// Whether a machine did it.
        automatic: bool,
        /// Whether validation passed.
        validated: bool,
        /// What became of the medium, number of the wire enum.
        medium: i32,
        /// How many people saw it done.
        witnesses: u32,
        /// How many photographs or logs show it.
        photographs: u32,
    },
    /// An attempt to erase that failed verification. The copy stays open.
    ErasureFailed,
    /// Gone back.
    Returned {
        /// Number of persons.
        count: u64,
        /// To whom.
        to: String,
    },
    /// Gone along with a handover or a move between systems.
    Moved {
        /// Number of persons.
        count: u64,
        /// To whom; the holder itself for a move between its systems.
        to: String,
    },
    /// A certificate was handed out.
    Certified {
        /// Certificate id.
        certificate: String,
        /// Who received it.
        recipients: Vec<String>,
        /// The third party that issued it.
        third_party: Option<ThirdParty>,
        /// How many photographs came with it.
        photographs: u32,
    },
    /// The ward confirmed.
    Confirmed,
    /// The ward put the deadline off.
    Deferred {
        /// New last day.
        until: daicho_core::Date,
        /// On what ground.
        ground: String,
    },
}

/// A third party that certifies an erasure, in place of the holder itself (ADEC).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThirdParty {
    /// Who.
    pub issuer: String,
    /// Its number of the certificate, or empty.
    pub number: String,
    /// NIST SP 800-88 method that it certifies, number of the wire enum; 0: it does not say.
    pub level: i32,
}

/// A handover.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandoverRecord {
    /// Flow, or empty for a movement that the scheme does not know.
    pub flow: String,
    /// Giver.
    pub giver: String,
    /// Taker.
    pub taker: String,
    /// Whether both sides must write.
    pub two_sided: bool,
    /// Giver's event.
    pub given: Option<Fact>,
    /// Taker's event.
    pub received: Option<Fact>,
    /// What the first side said: data sets with counts, sorted.
    pub items: Vec<(String, u64)>,
    /// Whether the two sides differ.
    pub mismatched: bool,
}

impl HandoverRecord {
    /// The giver as it was known at `t`: where no flow names it, it names itself. Empty: not known.
    pub fn giver_at(&self, t: Instant) -> &str {
        let spoke = self.given.is_some_and(|fact| fact.recorded <= t);
        if self.flow.is_empty() && !spoke { "" } else { &self.giver }
    }
}

/// A certificate of erasure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateRecord {
    /// Where.
    pub issued: Fact,
    /// By whom.
    pub holder: String,
    /// SHA-256 of the document.
    pub document: [u8; 32],
    /// Who received it.
    pub recipients: Vec<String>,
    /// Number of copies.
    pub copies: u32,
    /// The third party that issued it.
    pub third_party: Option<ThirdParty>,
}

/// One occurrence of a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingRecord {
    /// The entry that shows it.
    pub fact: Fact,
    /// What exactly.
    pub detail: String,
    /// The party whose event shows it.
    pub by: String,
    /// The flow of that event, or empty.
    pub flow: String,
}

/// Data that passed through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayRecord {
    /// Where.
    pub fact: Fact,
    /// Systems.
    pub systems: Vec<String>,
    /// How much.
    pub count: u64,
    /// Start of the period that it sums up.
    pub since: Instant,
}

/// An attestation that nothing was kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttestationRecord {
    /// Where; the period ends at `occurred`.
    pub fact: Fact,
    /// By whom.
    pub by: String,
    /// Start of the period.
    pub since: Instant,
    /// Copies that it closed.
    pub copies: u32,
}

/// An act of governance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActRecord {
    /// Where.
    pub fact: Fact,
    /// By whom.
    pub by: String,
    /// What it serves.
    pub target: String,
    /// The other party.
    pub counterpart: String,
    /// SHA-256 of the document, or empty.
    pub document: Vec<u8>,
    /// Numbers and words.
    pub attributes: Vec<(String, String)>,
}

/// A correction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorrectionRecord {
    /// Where.
    pub fact: Fact,
    /// By whom.
    pub by: String,
    /// What is right.
    pub correction: String,
}

/// A decision of the ward on a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionRecord {
    /// Where.
    pub fact: Fact,
    /// By whom.
    pub by: String,
    /// Number of the wire enum.
    pub decision: i32,
    /// On what ground.
    pub ground: String,
    /// SHA-256 of the document, or empty.
    pub document: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{decode, encode};
    use proptest::prelude::*;

    #[test]
    fn the_head_of_a_copy_is_what_its_record_begins_with() {
        let opened = Fact { occurred: Instant::EPOCH, recorded: Instant::EPOCH, entry: EntryIndex::new(7) };
        let copy = |data_set, session| CopyRecord {
            data_set,
            kind: "kind",
            session,
            holder: "holder",
            member: "",
            system: "system",
            unit: "unit",
            how: Opening::Derived,
            flow: "flow",
            opened,
            subjects: 3,
            remaining: 2,
            closed: Some(opened),
            erasure_failed: true,
        };
        let (one, other) = (encode(&copy("d-1", "")), encode(&copy("d-10", "s")));
        let (one, other) = (CopyHead::of(&one).expect("reads"), CopyHead::of(&other).expect("reads"));
        assert_eq!((one.data_set, one.kind, one.session), ("d-1", "kind", ""));
        assert_eq!((other.data_set, other.kind, other.session), ("d-10", "kind", "s"));
        assert_eq!(one.rest, other.rest);
        let bytes = encode(&copy("d-1", ""));
        assert_eq!(decode::<CopyRecord<&str>>(&bytes).expect("reads"), copy("d-1", ""));
        assert!(CopyHead::of(&bytes[..8]).is_err());
    }

    proptest! {
        #[test]
        fn used_numbers_are_ranges_whatever_the_order(mut order in Just((1u64..40).collect::<Vec<_>>()).prop_shuffle(), keep in 1usize..39) {
            order.truncate(keep);
            let mut record = SequenceRecord::default();
            let by = Fact { occurred: Instant::EPOCH, recorded: Instant::EPOCH, entry: EntryIndex::new(0) };
            for (i, &n) in order.iter().enumerate() {
                prop_assert!(!record.contains(n));
                record.insert(n, Fact { entry: EntryIndex::new(i as u64), ..by });
                prop_assert!(record.contains(n));
            }
            let max = order.iter().copied().max().unwrap_or(0);
            prop_assert_eq!(record.last(), max);
            let by_all = record.skipped_by();
            record.forget_filled();
            prop_assert_eq!(record.skipped_by(), by_all);
            prop_assert!(record.skipped.len() <= record.gaps().len());
            let missing: Vec<u64> = (1..max).filter(|n| !order.contains(n)).collect();
            let gaps: Vec<u64> = record.gaps().into_iter().flat_map(|(a, b)| a..=b).collect();
            prop_assert_eq!(gaps, missing);
            prop_assert!(record.used.windows(2).all(|w| w[0].1 + 1 < w[1].0));
        }
    }
}
