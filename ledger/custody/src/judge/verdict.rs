//! What is said of a copy, a rule, a finding: the words and the shapes. How it comes about is `judge`'s.

use std::sync::Arc;

use daicho_core::{EntryIndex, Instant};
use serde::{Deserialize, Serialize};

use crate::FindingCode;
use crate::answers::FindingAnswer;
use crate::detail::Detail;
use crate::report::Certificate;
use crate::scheme::{Deadline, Text};
use crate::state::{Fact, ThirdParty};

/// What is said of a copy. The order is from worst to best: the worst of its rules shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Still there after the deadline.
    Overdue,
    /// Gone, but after the deadline.
    Late,
    /// No number says by when; never a pass.
    NoSchedule,
    /// Nobody in the ledger can speak for it, or it is not personal data.
    NotJudged,
    /// Still there; the ward put the deadline off.
    Deferred,
    /// Still there; the clock runs.
    Due,
    /// Still there; the clock has not started.
    NotTriggered,
    /// Went along with a handover, in time.
    Moved,
    /// Went back, in time.
    Returned,
    /// Erased in time.
    OnTime,
}

impl Verdict {
    /// Every verdict, worst first.
    pub const ALL: [Self; 10] = [
        Self::Overdue,
        Self::Late,
        Self::NoSchedule,
        Self::NotJudged,
        Self::Deferred,
        Self::Due,
        Self::NotTriggered,
        Self::Moved,
        Self::Returned,
        Self::OnTime,
    ];

    /// The stable word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Overdue => "overdue",
            Self::Late => "late",
            Self::NoSchedule => "no-schedule",
            Self::NotJudged => "not-judged",
            Self::Deferred => "deferred",
            Self::Due => "due",
            Self::NotTriggered => "not-triggered",
            Self::Moved => "moved",
            Self::Returned => "returned",
            Self::OnTime => "on-time",
        }
    }

    /// The words shown to people.
    pub fn label(self) -> Text {
        let (ja, en) = match self {
            Self::Overdue => ("期限超過", "overdue"),
            Self::Late => ("期限後消去", "late"),
            Self::NoSchedule => ("期限の定めなし", "no schedule defined"),
            Self::NotJudged => ("判定対象外", "not judged"),
            Self::Deferred => ("延期中", "deferred"),
            Self::Due => ("期限内(保有中)", "due"),
            Self::NotTriggered => ("契機未到来(保有中)", "not triggered"),
            Self::Moved => ("引渡し済", "moved"),
            Self::Returned => ("期限内返却", "returned"),
            Self::OnTime => ("期限内消去", "on time"),
        };
        Text { ja: ja.into(), en: en.into() }
    }
}

/// How well an erasure or return is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// Nothing says that it is gone.
    None,
    /// The holder's signed statement.
    Attested,
    /// A certificate reached everyone who is owed it.
    Certified,
    /// The ward checked.
    Confirmed,
}

impl Evidence {
    /// The stable word.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Attested => "attested",
            Self::Certified => "certified",
            Self::Confirmed => "confirmed",
        }
    }

    /// The words shown to people.
    pub fn label(self) -> Text {
        let (ja, en) = match self {
            Self::None => ("証拠なし", "none"),
            Self::Attested => ("申告", "attested"),
            Self::Certified => ("証明書", "certified"),
            Self::Confirmed => ("区が確認", "confirmed"),
        };
        Text { ja: ja.into(), en: en.into() }
    }
}

/// What one rule says of one copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleJudgement {
    /// The rule.
    pub rule: Arc<str>,
    /// Its place in the scheme in force at the time.
    pub place: usize,
    /// What it says.
    pub verdict: Verdict,
    /// When its clock started.
    pub triggered: Option<Instant>,
    /// Last instant in time.
    pub due: Option<Instant>,
}

/// What is said of one copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The worst of its rules.
    pub verdict: Verdict,
    /// The rule that decided. `None`: no rule binds it.
    pub rule: Option<Arc<str>>,
    /// Last instant in time under that rule.
    pub due: Option<Instant>,
    /// Evidence of its end.
    pub evidence: Evidence,
    /// Third party that certified its erasure, the last one.
    pub third_party: Option<ThirdParty>,
    /// Parties that are owed a certificate of its erasure.
    pub owed: Vec<Arc<str>>,
    /// Those of them that have none.
    pub unserved: Vec<Arc<str>>,
    /// The certificate with which the last of them had one.
    pub certified: Option<Fact>,
    /// Last instant at which a certificate is in time. `None`: none is owed, or the ward set no limit.
    pub certificate_due: Option<Instant>,
    /// What became of it.
    pub certificate: Certificate,
    /// When it ended, if it has.
    pub closed: Option<Fact>,
    /// Entries that bear on it, its opening first.
    pub entries: Vec<EntryIndex>,
    /// Each rule.
    pub rules: Vec<RuleJudgement>,
    /// Findings that this copy gives at this time, with details.
    pub findings: Vec<(FindingCode, Detail)>,
}

/// A finding as it stands at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Code.
    pub code: FindingCode,
    /// What it is about: a copy, handover, flow, party, system, data set, `entry/<index>` or `key/<id in hex>`.
    pub object: String,
    /// What exactly, from the first occurrence.
    pub detail: Text,
    /// The first entries that show it, at most [`Finding::MAX_ENTRIES`].
    pub entries: Vec<EntryIndex>,
    /// How often it occurred.
    pub occurrences: u64,
    /// What was said about it since, in order. It never goes away by it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<FindingAnswer>,
}

impl Finding {
    /// How many entries a finding lists.
    pub const MAX_ENTRIES: usize = 8;

    /// A finding that occurred once, with nothing said about it.
    pub(crate) fn once(
        code: FindingCode,
        object: impl Into<String>,
        detail: Text,
        entries: Vec<EntryIndex>,
    ) -> Self {
        let object = object.into();
        Self { code, object, detail, entries, occurrences: 1, answers: Vec::new() }
    }
}

/// Limits of a scheme in force at a time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Certificate after closing.
    pub certificate: Option<Deadline>,
    /// Other side of a handover.
    pub acknowledge: Option<Deadline>,
    /// Recording after the fact.
    pub report: Option<Deadline>,
    /// Between two attestations of a system that must keep nothing.
    pub attest: Option<Deadline>,
    /// Before the end of a contract.
    pub warn: Option<Deadline>,
}

/// Where the number of a rule comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "kebab-case")]
pub enum NumberSource {
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
        set: Fact,
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
