//! How a duty is judged: the few kinds of rules to which every clause and obligation comes down.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{Deadline, Text};
use crate::FindingCode;

/// How a duty is judged (義務の判定方法). `docs/formats/scheme.md` has an example of each.
///
/// Acts are named by words of the vocabulary ([`ActWord`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Check {
    /// 事前: an act comes before something else happens.
    Before {
        /// The act.
        act: String,
        /// What it must precede.
        event: Occasion,
        /// Whether each such event needs an act of its own since the one before it; else the first one does.
        #[serde(default)]
        each: bool,
        /// Who does it, when not the party that owes it: a party of the scheme, or a role of a sheet (甲).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// Attributes of the act that must be stated and differ from each other: the two persons of a double check.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        distinct: Vec<String>,
        /// What the act must say that it carries, each as an attribute `carries`: the clauses of a subcontract.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        carries: Vec<String>,
    },
    /// 定期: an act comes at intervals.
    Periodic {
        /// The act.
        act: String,
        /// How often. Months that divide a year are blocks of the fiscal year (`P1M`, `P3M`, `P1Y`); anything else runs
        /// from act to act. Absent: the source gives no number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        every: Option<Deadline>,
        /// Smallest number in each block.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        min: u32,
        /// Whether once by the end of the contract will do where neither the source nor the ward says how often.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        once: bool,
    },
    /// 応答: acts follow whenever something was asked for or happened.
    Response {
        /// The act that asks for them: a request, an incident, a change of staff.
        request: String,
        /// Who asks, where that party's asking alone counts: a party of the scheme, or a role of a sheet (乙). Absent: what
        /// the party that owes the answer states itself counts as well, as an incident does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// What must follow.
        answers: Vec<Answer>,
    },
    /// 実施: an act comes at least once by the end of the contract; it may come before it starts.
    Done {
        /// The act.
        act: String,
    },
    /// 禁止: something never happens. Absence of a record is never "met".
    Absence {
        /// Findings that show that it happened.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        findings: Vec<FindingCode>,
        /// Acts that show it: what a party confesses or another one reports.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        acts: Vec<String>,
        /// Only what happened by these flows. Empty: all.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        flows: Vec<String>,
    },
    /// 消去・返還: every copy that the party holds is gone in time, as the retention rules have it.
    Erasure,
    /// 証明: every erasure was certified to everyone who is owed it.
    Certificate,
    /// No ledger can judge it.
    NotJudged {
        /// Why.
        why: Text,
    },
}

/// What must follow a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The act.
    pub act: String,
    /// What asks for it, when not the request itself: 指示 after an incident.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// By when, counted from the request. Absent: the source gives no number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Deadline>,
    /// A word whose number of the ward counts before the act's own: where sources set other words (直ちに, 速やかに) on one act.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
}

/// What a duty must precede.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Occasion {
    /// `first-receipt`: personal data first reaches a system of the party.
    FirstReceipt,
    /// `first-collection`: data is first collected from the persons themselves, by anyone.
    FirstCollection,
    /// `first-pass-on`: the party first gives data to a subcontractor.
    FirstPassOn,
    /// `flow <id>`: data moves by this flow.
    Flow(String),
    /// `act <word>`: the party does this.
    Act(String),
}

impl Occasion {
    /// Reads the texts above.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.split_once(' ') {
            None if text == "first-receipt" => Self::FirstReceipt,
            None if text == "first-collection" => Self::FirstCollection,
            None if text == "first-pass-on" => Self::FirstPassOn,
            Some(("flow", id)) => Self::Flow(id.to_owned()),
            Some(("act", word)) => Self::Act(word.to_owned()),
            _ => return None,
        })
    }
}

impl fmt::Display for Occasion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FirstReceipt => f.write_str("first-receipt"),
            Self::FirstCollection => f.write_str("first-collection"),
            Self::FirstPassOn => f.write_str("first-pass-on"),
            Self::Flow(id) => write!(f, "flow {id}"),
            Self::Act(word) => write!(f, "act {word}"),
        }
    }
}

impl Serialize for Occasion {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Occasion {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Self::parse(&text).ok_or_else(|| {
            D::Error::custom(format!(
                "`{text}` is no occasion; write first-receipt, first-collection, first-pass-on, `flow <id>` or `act <word>`"
            ))
        })
    }
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_one(n: &u32) -> bool {
    *n == 1
}

/// A word for something done besides moving and erasing data (行為).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActWord {
    /// The word, as act events state it.
    pub id: String,
    /// Name in Japanese and English.
    pub label: Text,
    /// A number that the ward may adopt where the source has none: how often it is owed, or how soon after a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposal: Option<Deadline>,
}

impl Check {
    /// The stable word of the kind.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Before { .. } => "before",
            Self::Periodic { .. } => "periodic",
            Self::Response { .. } => "response",
            Self::Done { .. } => "done",
            Self::Absence { .. } => "absence",
            Self::Erasure => "erasure",
            Self::Certificate => "certificate",
            Self::NotJudged { .. } => "not-judged",
        }
    }

    /// The act words that it speaks of.
    pub fn acts(&self) -> Vec<&str> {
        match self {
            Self::Before { act, event, .. } => {
                let other = if let Occasion::Act(word) = event { Some(word.as_str()) } else { None };
                std::iter::once(act.as_str()).chain(other).collect()
            }
            Self::Periodic { act, .. } | Self::Done { act } => vec![act],
            Self::Response { request, answers, .. } => {
                let answers =
                    answers.iter().flat_map(|a| std::iter::once(&a.act).chain(&a.after).chain(&a.number));
                std::iter::once(request).chain(answers).map(String::as_str).collect()
            }
            Self::Absence { acts, .. } => acts.iter().map(String::as_str).collect(),
            Self::Erasure | Self::Certificate | Self::NotJudged { .. } => Vec::new(),
        }
    }

    /// Whether it forbids copying beyond the flows of the scheme (複写等の禁止).
    pub fn forbids_copying(&self) -> bool {
        matches!(self, Self::Absence { findings, .. } if findings.contains(&FindingCode::CopyingNotAllowed))
    }
}
