//! Duties (義務): what a party owes besides each single copy, judged at a time from the state alone.
//!
//! A duty is one clause of one contract, or one obligation of a scheme, as one party owes it. [`list`] derives them from
//! the scheme; [`Records`] gathers what bears on them in one pass over the state; [`Judge::duty`](crate::Judge) says what
//! became of each. Nothing is stored: any past time can be asked without a replay.

mod acts;
mod evaluate;
mod findings;
mod list;
mod records;

use daicho_core::{EntryIndex, Instant};
use serde::{Deserialize, Serialize};

pub use list::{Duty, DutySource, duties, duty_object};
pub use records::Records;
pub(crate) use records::SUBCONTRACT_APPROVED;

use crate::scheme::Text;

/// What is to be said of a duty. The order is from worst to best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DutyStatus {
    /// It was not done, and its time has passed.
    Missed,
    /// Something that must not happen was recorded.
    Violated,
    /// It was done after its time.
    MetLate,
    /// It is owed, and no number says by when; never a pass.
    NoSchedule,
    /// No ledger can judge it; never a pass.
    NotJudged,
    /// It is owed by a time that has not passed.
    Due,
    /// Nothing has happened yet that would start it.
    NotYetDue,
    /// Nothing that must not happen was recorded. That is not the same as "met".
    NoViolation,
    /// It was done in time.
    Met,
    /// Nothing ever asked for it.
    NotApplicable,
}

impl DutyStatus {
    /// Every status, worst first.
    pub const ALL: [Self; 10] = [
        Self::Missed,
        Self::Violated,
        Self::MetLate,
        Self::NoSchedule,
        Self::NotJudged,
        Self::Due,
        Self::NotYetDue,
        Self::NoViolation,
        Self::Met,
        Self::NotApplicable,
    ];

    /// The stable word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Missed => "missed",
            Self::Violated => "violated",
            Self::MetLate => "met-late",
            Self::NoSchedule => "no-schedule",
            Self::NotJudged => "not-judged",
            Self::Due => "due",
            Self::NotYetDue => "not-yet-due",
            Self::NoViolation => "no-violation",
            Self::Met => "met",
            Self::NotApplicable => "not-applicable",
        }
    }

    /// The status with this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.word() == word)
    }

    /// The words shown to people.
    pub fn label(self) -> Text {
        let (ja, en) = match self {
            Self::Missed => ("不履行", "missed"),
            Self::Violated => ("違反の記録あり", "violated"),
            Self::MetLate => ("遅れて履行", "met late"),
            Self::NoSchedule => ("期限の定めなし", "no schedule defined"),
            Self::NotJudged => ("判定対象外", "not judged"),
            Self::Due => ("期限前", "due"),
            Self::NotYetDue => ("契機未到来", "not yet due"),
            Self::NoViolation => ("違反の記録なし", "no violation recorded"),
            Self::Met => ("履行済", "met"),
            Self::NotApplicable => ("該当なし", "not applicable"),
        };
        Text { ja: ja.into(), en: en.into() }
    }
}

/// What became of one duty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DutyJudgement {
    /// The worst of its times.
    pub status: DutyStatus,
    /// Last instant in time of what comes next, or of what was missed.
    #[serde(with = "crate::report::opt_time")]
    pub due: Option<Instant>,
    /// Nearest last instant in time of what is still to be done, also where something else was missed.
    #[serde(with = "crate::report::opt_time", default)]
    pub next: Option<Instant>,
    /// How often it was owed and its time has come: periods, requests, events, recipients.
    pub owed: u64,
    /// How often of these it was done in time.
    pub met: u64,
    /// Entries that show it, at most [`DutyJudgement::MAX_ENTRIES`]: the problem first, else the newest.
    pub entries: Vec<EntryIndex>,
    /// What exactly, for a person.
    pub detail: Text,
}

impl DutyJudgement {
    /// How many entries are listed.
    pub const MAX_ENTRIES: usize = 8;

    /// What comes next, where that is something else than what is due.
    pub fn upcoming(&self) -> Option<Instant> {
        self.next.filter(|next| self.due != Some(*next))
    }
}
