//! What is said about findings after they arose: corrections, disputes, decisions of the ward.

use std::collections::HashSet;

use daicho_core::{EntryIndex, Instant, proto};
use serde::{Deserialize, Serialize};

use crate::finding::{About, FindingCode};
use crate::judge::{Finding, Judge};
use crate::scheme::Text;
use crate::state::{
    CopyRecord, CorrectionRecord, DecisionRecord, Fact, StateError, Table, decode, key, key_at, part,
};

/// What kind of answer it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnswerKind {
    /// The party that signed the entry says what is right.
    Correction,
    /// Another party does.
    Dispute,
    /// The ward asks for nothing more.
    Accepted,
    /// The ward told the party what to do.
    Guided,
    /// The ward made it public.
    Published,
}

impl AnswerKind {
    /// The stable word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Correction => "correction",
            Self::Dispute => "dispute",
            Self::Accepted => "accepted",
            Self::Guided => "guided",
            Self::Published => "published",
        }
    }

    /// The words shown to people.
    pub fn label(self) -> Text {
        let (ja, en) = match self {
            Self::Correction => ("訂正", "correction"),
            Self::Dispute => ("異議", "dispute"),
            Self::Accepted => ("区の決定: 了承", "ward: accepted"),
            Self::Guided => ("区の決定: 指導", "ward: guided"),
            Self::Published => ("区の決定: 公表", "ward: published"),
        };
        Text { ja: ja.into(), en: en.into() }
    }

    fn of_decision(decision: i32) -> Option<Self> {
        match proto::FindingDecision::try_from(decision).ok()? {
            proto::FindingDecision::Accepted => Some(Self::Accepted),
            proto::FindingDecision::Guided => Some(Self::Guided),
            proto::FindingDecision::Published => Some(Self::Published),
            proto::FindingDecision::Unspecified => None,
        }
    }
}

/// Something said about a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingAnswer {
    /// What kind of answer.
    pub kind: AnswerKind,
    /// By which party.
    pub by: String,
    /// What is right, or on what ground.
    pub text: String,
    /// When it was said.
    #[serde(with = "crate::report::time")]
    pub occurred: Instant,
    /// The entry that says it.
    pub entry: EntryIndex,
}

/// A decision of the ward on a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The finding on which it decided.
    pub code: FindingCode,
    /// What that means.
    pub meaning: Text,
    /// What the finding was about.
    pub object: String,
    /// Whether it stands now: that finding, or what became of it. What was waited for may have come.
    pub stands: bool,
    /// What was decided.
    pub said: FindingAnswer,
}

impl Judge<'_> {
    /// The newest decisions of the ward up to `t`, at most so many, in the order of the ledger, and how many are older. `others`
    /// are the findings that no copy gives.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub(crate) fn decisions(
        &self,
        t: Instant,
        others: &[Finding],
        most: usize,
    ) -> Result<(Vec<Decision>, u64), StateError> {
        let others: HashSet<(FindingCode, &str)> =
            others.iter().map(|finding| (finding.code, finding.object.as_str())).collect();
        let mut decided = Vec::new();
        for row in self.state().scan(&key(Table::Decision, &[self.id()]), None) {
            let (place, value) = row?;
            let record: DecisionRecord = decode(&value)?;
            let code = FindingCode::parse(part(&place, 1));
            let (Some(said), Some(code)) = (decision(record, t), code) else { continue };
            let (object, meaning) = (part(&place, 2).to_owned(), code.meaning());
            decided.push(Decision { code, meaning, object, stands: false, said });
        }
        decided.sort_by_key(|decision| decision.said.entry);
        let older = decided.len().saturating_sub(most);
        let mut decided = decided.split_off(older);
        for Decision { code, object, stands, .. } in &mut decided {
            // A duty has one finding for all of its times: the worst.
            let of_duty = code.about() == About::Duty;
            let same = |other: &FindingCode| {
                of_duty && other.about() == About::Duty || other == code || other.before().contains(code)
            };
            *stands = FindingCode::ALL.iter().any(|other| same(other) && others.contains(&(*other, object)))
                || code.about() == About::Copy && self.findings_of_copy(object, t)?.iter().any(same);
        }
        Ok((decided, older as u64))
    }

    fn findings_of_copy(&self, id: &str, t: Instant) -> Result<Vec<FindingCode>, StateError> {
        let Some(bytes) = self.state().get(&key(Table::Copy, &[self.id(), id]))? else {
            return Ok(Vec::new());
        };
        let copy: CopyRecord = decode(&bytes)?;
        if copy.opened.recorded > t {
            return Ok(Vec::new());
        }
        Ok(self.judge(id, &copy, t)?.findings.into_iter().map(|(code, _)| code).collect())
    }

    /// Puts beside each finding what was said about it up to `t`: about an entry that shows it, or about itself.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub(crate) fn answer_findings(&self, findings: &mut [Finding], t: Instant) -> Result<(), StateError> {
        for finding in findings {
            let mut answers = Vec::new();
            for entry in &finding.entries {
                self.corrections(*entry, t, &mut answers)?;
            }
            for code in finding.code.before().iter().chain([&finding.code]) {
                let place = key(Table::Decision, &[self.id(), code.word(), &finding.object]);
                for row in self.state().scan(&place, None) {
                    answers.extend(decision(decode(&row?.1)?, t));
                }
            }
            answers.sort_by_key(|answer| answer.entry);
            finding.answers = answers;
        }
        Ok(())
    }

    fn corrections(
        &self,
        entry: EntryIndex,
        t: Instant,
        answers: &mut Vec<FindingAnswer>,
    ) -> Result<(), StateError> {
        let corrected = format!("{:020}", entry.get());
        let mut author: Option<String> = None;
        for row in self.state().scan(&key(Table::Correction, &[&corrected]), None) {
            let record: CorrectionRecord = decode(&row?.1)?;
            if record.fact.recorded > t
                || answers.iter().any(|a| a.entry == record.fact.entry && a.text == record.correction)
            {
                continue;
            }
            if author.is_none() {
                let bytes = self.state().get(&key_at(Table::Author, &[], entry, 0))?;
                author = bytes.map(|bytes| decode(&bytes)).transpose()?;
            }
            let own = author.as_deref() == Some(record.by.as_str());
            let kind = if own { AnswerKind::Correction } else { AnswerKind::Dispute };
            answers.push(answer(kind, record.fact, record.by, record.correction));
        }
        Ok(())
    }
}

/// What the ward decided, as known at `t`.
fn decision(record: DecisionRecord, t: Instant) -> Option<FindingAnswer> {
    let kind = AnswerKind::of_decision(record.decision).filter(|_| record.fact.recorded <= t)?;
    Some(answer(kind, record.fact, record.by, record.ground))
}

fn answer(kind: AnswerKind, fact: Fact, by: String, text: String) -> FindingAnswer {
    FindingAnswer { kind, by, text, occurred: fact.occurred, entry: fact.entry }
}
