//! The deletion report as a value. Its JSON is `docs/formats/report.md`.

use std::collections::BTreeMap;

use daicho_core::{Date, EntryIndex, Instant};
use serde::{Deserialize, Serialize};

use super::{
    AnomalyReport, CorrectionReport, DataSetReport, DutyReport, LimitReport, WardSetting, WarningReport,
};
use crate::duty::DutyStatus;
use crate::scheme::{Action, Effect, PartyRole, Scope, Text};
use crate::{Decision, Evidence, Finding, FindingCode, Verdict};

/// How many copies got each verdict. Verdicts that no copy got are there with 0.
pub type VerdictCounts = BTreeMap<Verdict, u64>;

/// What became of the data sets of one scheme that came into being in a period, as it stands at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletionReport {
    /// Always [`DeletionReport::FORMAT`].
    pub format: String,
    /// The scheme, in the version in force at `as_of`.
    pub scheme: SchemeInfo,
    /// The data sets that came into being in it are reported.
    pub period: Period,
    /// What was known and due at this time.
    #[serde(with = "super::time")]
    pub as_of: Instant,
    /// The ledger and how far it went when the report was made.
    pub ledger: ReportHead,
    /// All in one sentence.
    pub answer: Answer,
    /// Over all data sets of the period.
    pub totals: Totals,
    /// By system, in the order of the scheme.
    pub systems: Vec<Tally>,
    /// By holder, in the order of the scheme.
    pub holders: Vec<Tally>,
    /// By holder and system: what is open where.
    pub places: Vec<Place>,
    /// The parties, in the order of the scheme.
    pub parties: Vec<PartyInfo>,
    /// The retention rules, in the order of the scheme.
    pub rules: Vec<RuleReport>,
    /// The approved movements, in the order of the scheme.
    pub flows: Vec<FlowReport>,
    /// Limits of the whole scheme. Without one, "missing" cannot be said.
    pub limits: Vec<LimitReport>,
    /// Numbers that the ward set, oldest first.
    pub settings: Vec<WardSetting>,
    /// The duties of the whole scheme: its obligations, then the clauses of each contract.
    pub duties: Vec<DutyReport>,
    /// Duties by status. Statuses that none has are there with 0.
    pub duty_counts: BTreeMap<DutyStatus, u64>,
    /// Findings of the whole scheme, of every period, by code and object.
    pub findings: Vec<Finding>,
    /// How many findings (code and object) there are, listed or not.
    pub finding_counts: BTreeMap<FindingCode, u64>,
    /// What each code that occurs means.
    pub finding_meanings: BTreeMap<FindingCode, Text>,
    /// Findings that are counted but not listed.
    pub findings_unlisted: u64,
    /// What the ward decided on findings of the whole scheme, the newest last. Beside each finding stands what was decided
    /// on it; here are those, too, whose finding stands no more or is not listed.
    #[serde(default)]
    pub decisions: Vec<Decision>,
    /// Older decisions, which are not listed.
    #[serde(default)]
    pub decisions_unlisted: u64,
    /// Errors of the source that the ward settled.
    pub corrections: Vec<CorrectionReport>,
    /// Of what the linter warns in the scheme file.
    pub warnings: Vec<WarningReport>,
    /// What is wrong or left open in the source and matters.
    pub anomalies: Vec<AnomalyReport>,
    /// Copies by the day on which they are due, ascending. A copy without a deadline is in none.
    pub due_days: Vec<DueDay>,
    /// Data sets by the day on which they came into being and by kind, ascending. All of them, listed below or not.
    pub batches: Vec<Batch>,
    /// The data sets, those with problems first, then by time.
    pub data_sets: Vec<DataSetReport>,
    /// Data sets that are counted but not listed.
    pub data_sets_unlisted: u64,
}

impl DeletionReport {
    /// The format word.
    pub const FORMAT: &'static str = "daicho-deletion-report/2";
    /// How many data sets are listed one by one.
    pub const LISTED_DATA_SETS: usize = 2_000;
    /// How many copies of one data set are listed one by one.
    pub const LISTED_COPIES: usize = 100;
    /// How many findings of one code are listed one by one.
    pub const LISTED_FINDINGS: usize = 1_000;
    /// How many decisions are listed.
    pub const LISTED_DECISIONS: usize = 1_000;
    /// How many entries of one copy are listed.
    pub const LISTED_ENTRIES: usize = 32;
}

/// The ledger and how far it went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportHead {
    /// Origin name.
    pub origin: String,
    /// Whether its clock is simulated (模擬).
    pub simulated: bool,
    /// Number of entries.
    pub size: u64,
    /// Chain hash after the last of them, in hex.
    pub chain_hash_hex: String,
    /// When the last of them was recorded.
    #[serde(with = "super::time")]
    pub last_recorded: Instant,
}

/// Which scheme.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemeInfo {
    /// Id.
    pub id: String,
    /// Version in force at the report's time.
    pub version: u32,
    /// Title.
    pub title: Text,
    /// The department that answers for it, in Japanese.
    pub department: String,
    /// Whose data it is, in Japanese.
    pub subjects: String,
    /// When that version was enacted, and where.
    pub enacted: Moment,
}

/// First and last day in Japan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    /// First day.
    #[serde(with = "super::day")]
    pub from: Date,
    /// Last day.
    #[serde(with = "super::day")]
    pub to: Date,
}

/// When something happened, when that was recorded, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Time stated by the signer.
    #[serde(with = "super::time")]
    pub occurred: Instant,
    /// Time of recording.
    #[serde(with = "super::time")]
    pub recorded: Instant,
    /// The entry that says so.
    pub entry: EntryIndex,
}

impl From<crate::state::Fact> for Moment {
    fn from(fact: crate::state::Fact) -> Self {
        Self { occurred: fact.occurred, recorded: fact.recorded, entry: fact.entry }
    }
}

/// The worst that is to be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnswerCode {
    /// Something is still there after its deadline.
    Overdue,
    /// Something went after its deadline.
    Late,
    /// Something is gone, but a certificate that is owed is not there.
    Unproven,
    /// For something no deadline is defined.
    NoSchedule,
    /// None of these, but some copies are still there, in time.
    OpenInTime,
    /// Everything that is judged was erased, returned or handed on in time.
    AllInTime,
    /// No copy was recorded in the period, or none that is judged.
    Nothing,
}

/// The report in one sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The worst that is to be said.
    pub code: AnswerCode,
    /// For people.
    pub text: Text,
    /// Copies that are overdue.
    pub overdue: u64,
    /// Copies that went late.
    pub late: u64,
    /// Copies that are gone and whose certificate is owed, but not there. They have a verdict as well.
    pub unproven: u64,
    /// Copies without a schedule.
    pub no_schedule: u64,
    /// Copies that are open.
    pub open: u64,
    /// Findings of the whole scheme.
    pub findings: u64,
}

/// Sums over the period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Data sets.
    pub data_sets: u64,
    /// Copies.
    pub copies: u64,
    /// Copies that are open.
    pub open: u64,
    /// Copies by verdict. They add up to `copies`.
    pub verdicts: VerdictCounts,
    /// Copies by evidence of their end. They add up to `copies`.
    pub evidence: BTreeMap<Evidence, u64>,
    /// Copies by what became of the certificate. They add up to `copies`.
    pub certificates: BTreeMap<Certificate, u64>,
}

/// What became of the certificate of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Certificate {
    /// Owed, and not there within the limit.
    Missing,
    /// Owed and not there, and no limit says when that is too late.
    NoLimit,
    /// Everyone who is owed it has it, but after the limit.
    Late,
    /// Owed; the limit has not passed.
    Pending,
    /// Everyone who is owed it has it.
    Received,
    /// No rule asks for one (yet): the copy is open, or went along, or its rules do without.
    NotOwed,
}

impl Certificate {
    /// Every state, worst first.
    pub const ALL: [Self; 6] =
        [Self::Missing, Self::NoLimit, Self::Late, Self::Pending, Self::Received, Self::NotOwed];

    /// Whether the erasure rests on the holder's word although more is owed.
    pub fn is_unproven(self) -> bool {
        matches!(self, Self::Missing | Self::NoLimit)
    }

    /// The words shown to people.
    pub fn label(self) -> Text {
        let (ja, en) = match self {
            Self::Missing => ("期限までに未提出", "missing after the limit"),
            Self::NoLimit => ("未提出(提出期限の定めなし)", "not there, and no limit is set"),
            Self::Late => ("期限後に提出", "received after the limit"),
            Self::Pending => ("提出期限前", "not due yet"),
            Self::Received => ("提出済", "received"),
            Self::NotOwed => ("提出義務なし(保有中を含む)", "not owed (or still open)"),
        };
        Text { ja: ja.into(), en: en.into() }
    }
}

/// Sums for one system or holder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Id in the scheme.
    pub id: String,
    /// Name in Japanese.
    pub label: String,
    /// Copies.
    pub copies: u64,
    /// Copies that are open.
    pub open: u64,
    /// Copies by verdict.
    pub verdicts: VerdictCounts,
    /// Copies that are unproven.
    pub unproven: u64,
}

/// What became of the copies that are due on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DueDay {
    /// The day of the last instant in time.
    #[serde(with = "super::day")]
    pub day: Date,
    /// Copies that went in time.
    pub in_time: u64,
    /// Copies that went late.
    pub late: u64,
    /// Copies that are still there, in time.
    pub kept: u64,
    /// Copies that are still there after their deadline.
    pub overdue: u64,
}

impl DueDay {
    /// A day on which nothing is due.
    pub fn new(day: Date) -> Self {
        Self { day, in_time: 0, late: 0, kept: 0, overdue: 0 }
    }
}

/// The data sets of one kind that came into being on one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// The day.
    #[serde(with = "super::day")]
    pub day: Date,
    /// Kind of the scheme.
    pub kind: String,
    /// Name of the kind, in Japanese.
    pub label: String,
    /// Data sets.
    pub data_sets: u64,
    /// Their copies.
    pub copies: u64,
    /// Those that are open.
    pub open: u64,
    /// Copies by verdict; only those that occur.
    pub verdicts: VerdictCounts,
    /// Copies that are unproven.
    pub unproven: u64,
}

/// What one holder has at one system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Party id.
    pub holder: String,
    /// System id.
    pub system: String,
    /// Copies.
    pub copies: u64,
    /// Copies that are open.
    pub open: u64,
    /// The open ones by verdict; only those that occur.
    pub open_verdicts: VerdictCounts,
}

/// A party.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartyInfo {
    /// Id in the scheme.
    pub id: String,
    /// Name in Japanese.
    pub label: String,
    /// What it is in the scheme.
    pub role: PartyRole,
    /// Who an undetermined party turned out to be. Empty: as in the scheme.
    pub identity: String,
}

/// Whether a rule could be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleStatus {
    /// It has a number and a clock under it started.
    Judged,
    /// No number is known, no trigger is named, or nobody in the ledger can speak for the holder.
    NoSchedule,
    /// It has a number, but no copy's clock under it started.
    NotTriggered,
}

impl RuleStatus {
    /// The words shown to people.
    pub fn label(self) -> Text {
        let (ja, en) = match self {
            Self::Judged => ("判定済", "judged"),
            Self::NoSchedule => ("期限の定めなし", "no schedule defined"),
            Self::NotTriggered => ("契機未到来", "not triggered"),
        };
        Text { ja: ja.into(), en: en.into() }
    }
}

/// A retention rule and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleReport {
    /// Id in the scheme.
    pub id: String,
    /// What must happen, in words.
    pub words: Text,
    /// What must happen.
    pub action: Action,
    /// Names of the kinds that it binds, in Japanese; `*` for all.
    pub data_sets: Vec<String>,
    /// Names of the holders that it binds, in Japanese.
    pub holders: Vec<String>,
    /// Names of the systems that it binds, in Japanese; `*` for all.
    pub systems: Vec<String>,
    /// What starts its clock.
    pub trigger: TriggerReport,
    /// The source's words for the deadline. Empty: none.
    pub deadline_words: String,
    /// Where the number comes from.
    pub number: Number,
    /// Whether it could be judged.
    pub status: RuleStatus,
    /// Whether the source leaves the rule out and it stands here to show the gap.
    pub gap: bool,
    /// Copies that it binds.
    pub copies: u64,
    /// Those whose clock started.
    pub started: u64,
    /// What this rule says of each. They add up to `copies`; a copy may be bound by several rules.
    pub verdicts: VerdictCounts,
}

/// What starts a clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriggerReport {
    /// Milestone word; `none`: the source gives no trigger.
    pub milestone: String,
    /// Its name in Japanese.
    pub label: String,
    /// The source's words. Empty: none.
    pub words: String,
    /// To what one milestone applies.
    pub scope: Scope,
}

/// Where a number comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "kebab-case")]
pub enum Number {
    /// The source states it.
    Source {
        /// The deadline.
        deadline: String,
    },
    /// The ward set it.
    Ward {
        /// The deadline.
        deadline: String,
        /// When, where.
        set: Moment,
        /// By which party.
        by: String,
        /// On what ground.
        ground: String,
        /// Whether it adopts the proposal of the scheme file.
        adopts_proposal: bool,
    },
    /// Nobody gave one.
    Missing {
        /// What the scheme file proposes, if anything.
        proposal: Option<String>,
    },
}

/// One end of a flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowEnd {
    /// Party id.
    pub party: String,
    /// System id. Empty: the source names none.
    pub system: String,
}

/// An approved movement and its use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowReport {
    /// Id in the scheme.
    pub id: String,
    /// Where it starts.
    pub from: FlowEnd,
    /// Where it ends.
    pub to: FlowEnd,
    /// Systems that it passes through.
    pub via: Vec<String>,
    /// Kind of data set that moves.
    pub data_set: String,
    /// Name of that kind, in Japanese.
    pub label: String,
    /// What becomes of the giver's copy.
    pub effect: Effect,
    /// Why its legal basis is incomplete.
    pub basis_gap: Option<Text>,
    /// Copies that came into being by it.
    pub copies: u64,
    /// Those that are open.
    pub open: u64,
    /// Handovers and relays recorded for it in the period.
    pub passages: u64,
    /// When it was last used, in or before the period's data.
    #[serde(with = "super::opt_time")]
    pub last_use: Option<Instant>,
}
