//! Parts of the report: limits, numbers of the ward, corrections, anomalies, data sets, copies.

use daicho_core::{EntryIndex, Instant};
use serde::{Deserialize, Serialize};

use super::{Certificate, Moment};
use crate::duty::{DutyJudgement, DutySource};
use crate::scheme::{Severity, Text};
use crate::{Evidence, Verdict};

/// A duty and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DutyReport {
    /// Its stable name in the scheme, as findings have it.
    pub object: String,
    /// Where it comes from: an obligation of the scheme, or a clause of a sheet.
    #[serde(flatten)]
    pub source: DutySource,
    /// Contract id. `None`: it is owed under none in particular.
    pub contract: Option<String>,
    /// Heading in Japanese.
    pub label: String,
    /// What is owed.
    pub asks: Text,
    /// The kind of rule that judges it.
    pub kind: String,
    /// Party that owes it.
    pub who: String,
    /// Parties to whom it is owed or reported.
    pub to: Vec<String>,
    /// What became of it.
    #[serde(flatten)]
    pub judgement: DutyJudgement,
}

/// A limit of the whole scheme.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitReport {
    /// `certificate`, `acknowledge`, `report`, `attest` or `warn`.
    pub what: String,
    /// What it limits, for people.
    pub label: Text,
    /// The limit. `None`: the ward set none.
    pub within: Option<String>,
    /// What cannot be said without it. Empty when there is one.
    pub without: Text,
}

/// A number that the ward set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WardSetting {
    /// Rule id. Empty: the scheme as a whole.
    pub rule: String,
    /// `deadline`, `longest-wait` or `keep-at-least`; of the scheme `certificate`, `acknowledge`, `report`, `attest`, `warn` or
    /// `closing-time`.
    pub what: String,
    /// The number.
    pub value: String,
    /// When, where.
    pub set: Moment,
    /// By which party.
    pub by: String,
    /// On what ground.
    pub ground: String,
    /// Whether it adopts the proposal of the scheme file.
    pub adopts_proposal: bool,
}

/// An error of the source that the ward settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorrectionReport {
    /// The diagnostic: `check@table.id`.
    pub diagnostic: String,
    /// On what ground.
    pub ground: String,
    /// With which version of the scheme.
    pub version: u32,
    /// When, where.
    pub set: Moment,
}

/// Something wrong or left open in the source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnomalyReport {
    /// Id in the scheme.
    pub id: String,
    /// How much hangs on it.
    pub severity: Severity,
    /// What.
    pub what: Text,
}

/// Something in the scheme file of which the linter warns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarningReport {
    /// Name of the diagnostic: `check@table.id`.
    pub diagnostic: String,
    /// Line of the scheme file in the ledger.
    pub line: u64,
    /// What.
    pub what: Text,
}

/// A data set with its copies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataSetReport {
    /// Id.
    pub id: String,
    /// Kind of the scheme.
    pub kind: String,
    /// Name of the kind, in Japanese.
    pub label: String,
    /// Number of persons.
    pub subjects: u64,
    /// Session, or empty.
    pub session: String,
    /// Where it came into being.
    pub opened: Moment,
    /// The worst problem of its copies.
    pub problem: Option<Problem>,
    /// Its copies, those with problems first.
    pub copies: Vec<CopyReport>,
    /// Copies that are counted but not listed.
    pub copies_unlisted: u64,
}

/// A reason to look at a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Problem {
    /// Still there after the deadline.
    Overdue,
    /// Gone after the deadline.
    Late,
    /// Gone, but without the certificate that is owed.
    Unproven,
    /// No deadline is defined.
    NoSchedule,
}

/// A third party's certificate of erasure (ADEC).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThirdPartyReport {
    /// Who issued it.
    pub issuer: String,
    /// Its number, or empty.
    pub number: String,
    /// What it certifies: `clear`, `purge`, or `unspecified`.
    pub level: String,
}

/// A copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyReport {
    /// Id.
    pub id: String,
    /// Party that holds it.
    pub holder: String,
    /// Member of a set party, or empty.
    pub member: String,
    /// System.
    pub system: String,
    /// One of several like machines, or empty.
    pub unit: String,
    /// Flow by which it came into being, or empty.
    pub flow: String,
    /// Number of persons.
    pub subjects: u64,
    /// Where it came into being.
    pub opened: Moment,
    /// Where the last of it went.
    pub closed: Option<Moment>,
    /// What is said of it.
    pub verdict: Verdict,
    /// The worst reason to look at it.
    pub problem: Option<Problem>,
    /// The rule that decided. `None`: no rule binds it.
    pub rule: Option<String>,
    /// When that rule's clock started.
    #[serde(with = "super::opt_time")]
    pub triggered: Option<Instant>,
    /// Last instant in time under that rule.
    #[serde(with = "super::opt_time")]
    pub due: Option<Instant>,
    /// Evidence of its end.
    pub evidence: Evidence,
    /// Third party that certified its erasure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub third_party: Option<ThirdPartyReport>,
    /// What became of the certificate.
    pub certificate: Certificate,
    /// Parties that are owed a certificate and have none.
    pub owed: Vec<String>,
    /// Entries that bear on it, its opening first; at most [`LISTED_ENTRIES`](super::DeletionReport::LISTED_ENTRIES).
    pub entries: Vec<EntryIndex>,
    /// Entries that are not listed.
    pub entries_unlisted: u64,
}
