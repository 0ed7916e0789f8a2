//! What the ward does before a scheme is played: parties, keys, the scheme itself, numbers, contracts, consents.

use anyhow::{Context as _, anyhow};
use daicho_client::{DocumentHash, document_chunks};
use daicho_core::proto::{self, event::Fact};
use daicho_core::{Instant, SigningKey};
use daicho_custody::scheme::{Check, Identity, Level, Scheme, Vocabulary, lint};
use std::collections::BTreeSet;

use super::calendar::at;
use super::plan::{Signer, Step};
use super::schemes::Cast;

/// Days before the first one of the play on which the ward sets everything up.
pub(crate) const DAYS_BEFORE: i32 = 7;

/// A scheme file with all that a play needs of it.
#[derive(Debug)]
pub(crate) struct Source {
    /// The scheme.
    pub(crate) scheme: Scheme,
    /// Its vocabulary.
    pub(crate) vocabulary: Vocabulary,
    text: String,
    vocabulary_text: String,
}

impl Source {
    /// Reads the two files.
    pub(crate) fn parse(text: &str, vocabulary: &str) -> anyhow::Result<Self> {
        Ok(Self {
            scheme: Scheme::parse(text)?,
            vocabulary: Vocabulary::parse(vocabulary)?,
            text: text.to_owned(),
            vocabulary_text: vocabulary.to_owned(),
        })
    }
}

/// The ward's statements before one scheme. `shared` remembers what serves several schemes.
pub(crate) fn steps(
    source: &Source,
    cast: &Cast,
    (seed, origin): (u64, &str),
    shared: &mut BTreeSet<String>,
) -> anyhow::Result<Vec<Step>> {
    let start = at(cast.from().plus_days(-DAYS_BEFORE), 9, 0);
    let mut ward = Ward { at: start, origin, scheme: "", steps: Vec::new() };
    register(&mut ward, source, cast, seed, shared);
    for (name, text) in [("vocabulary", &source.vocabulary_text), (source.scheme.id.as_str(), &source.text)] {
        let hash = DocumentHash::of(text.as_bytes()).to_string();
        if shared.insert(hash) {
            let pieces = document_chunks(text.as_bytes(), ward.at).with_context(|| name.to_owned())?;
            pieces.into_iter().for_each(|piece| ward.push(vec![piece]));
        }
    }
    ward.scheme = &source.scheme.id;
    enact(&mut ward, source);
    set_numbers(&mut ward, source, cast)?;
    settle(&mut ward, &source.scheme, cast);
    Ok(ward.steps)
}

/// What the ward says, one statement after the other.
struct Ward<'s> {
    at: Instant,
    origin: &'s str,
    scheme: &'s str,
    steps: Vec<Step>,
}

impl Ward<'_> {
    fn say(&mut self, fact: Fact) {
        let event = daicho_client::event(self.scheme, self.at, fact);
        self.push(vec![event]);
    }

    fn push(&mut self, events: Vec<proto::Event>) {
        self.steps.push(Step { at: self.at, signer: Signer::ward(), events, refused: false });
    }
}

/// Registers who writes and who has members, and authorises a key for each who writes.
fn register(ward: &mut Ward<'_>, source: &Source, cast: &Cast, seed: u64, shared: &mut BTreeSet<String>) {
    let scheme = &source.scheme;
    let has_members = |id: &str| cast.members.iter().any(|(set, _)| *set == id);
    let known = |id: &str, writes: bool| id != "ward" && (writes || has_members(id));
    for party in scheme.parties.iter().filter(|party| known(&party.id, party.writes)) {
        let signer = Signer::of(&scheme.id, &party.id, "");
        if !shared.insert(signer.party.clone()) {
            continue;
        }
        let registered = proto::PartyRegistered { party: signer.party.clone(), label: party.label.clone() };
        ward.say(Fact::PartyRegistered(registered));
        let members = cast.members.iter().filter(|(set, _)| *set == party.id).flat_map(|(_, all)| *all);
        let members: Vec<&(&str, &str)> = members.collect();
        if members.is_empty() {
            authorize(ward, &signer, &signer.key(seed), "simulation");
        }
        for (id, label) in members {
            let member = Signer { member: (*id).to_owned(), ..signer.clone() };
            ward.say(Fact::MemberRegistered(proto::MemberRegistered {
                party: member.party.clone(),
                member: member.member.clone(),
                label: (*label).to_owned(),
            }));
            if party.writes {
                authorize(ward, &member, &member.key(seed), id);
            }
        }
    }
}

fn authorize(ward: &mut Ward<'_>, signer: &Signer, key: &SigningKey, purpose: &str) {
    ward.say(Fact::KeyAuthorized(key.request(ward.origin, &signer.party, purpose)));
}

/// Puts the scheme in force, settling each error of its source paper.
fn enact(ward: &mut Ward<'_>, source: &Source) {
    let scheme = &source.scheme;
    let found = lint(&source.text, scheme, &source.vocabulary);
    let errors = found.iter().filter(|found| found.level == Level::SourceError);
    // One correction settles all diagnostics of a check on a table.
    let errors: BTreeSet<(&str, &str)> = errors.map(|found| (found.check, found.at.as_str())).collect();
    let corrections = errors.into_iter().map(|(check, at)| {
        let ground = match check {
            "era-date" => "存在しない元号の年は西暦に読み替える。書面の原文は事業の定義に残す",
            "ends-before-start" => "年度の慣例から平成33年の誤記と認め、令和3年3月31日とする",
            _ => "書面の誤りと認め、事業の定義の値による",
        };
        proto::SourceCorrection { diagnostic: format!("{check}@{at}"), ground: ground.to_owned() }
    });
    let hash = |text: &str| DocumentHash::of(text.as_bytes()).as_bytes().to_vec();
    let enacted = proto::SchemeEnacted {
        scheme: scheme.id.clone(),
        version: scheme.version,
        scheme_document: hash(&source.text),
        vocabulary_document: hash(&source.vocabulary_text),
        corrections: corrections.collect(),
        ..Default::default()
    };
    ward.say(Fact::SchemeEnacted(enacted));
}

/// Adopts every proposal, sets what has none, and leaves open what the cast says.
fn set_numbers(ward: &mut Ward<'_>, source: &Source, cast: &Cast) -> anyhow::Result<()> {
    let scheme = &source.scheme;
    for rule in scheme.rules.iter().filter(|rule| rule.deadline.stated.is_none() && !rule.gap) {
        let own = cast.numbers.iter().find(|(id, _)| *id == rule.id).map(|(_, number)| (*number).to_owned());
        let proposal = rule.deadline.proposal.map(|proposal| proposal.to_string());
        let adopts_proposal = own.is_none();
        let Some(deadline) = own.or(proposal) else {
            if cast.left_open.contains(&rule.id.as_str()) {
                continue;
            }
            return Err(anyhow!("rule `{}` of `{}` has no number and no proposal", rule.id, scheme.id));
        };
        ward.say(Fact::DeadlineSet(proto::DeadlineSet {
            rule: rule.id.clone(),
            deadline,
            adopts_proposal,
            ground: if adopts_proposal {
                "定義の提案を採用する"
            } else {
                "協議により定める"
            }
            .to_owned(),
            ..Default::default()
        }));
    }
    for word in number_words(source) {
        let Some(proposal) = source.vocabulary.act(word).and_then(|act| act.proposal) else { continue };
        ward.say(Fact::DeadlineSet(proto::DeadlineSet {
            rule: format!("act/{word}"),
            deadline: proposal.to_string(),
            adopts_proposal: true,
            ground: "定義の提案を採用する".to_owned(),
            ..Default::default()
        }));
    }
    for (rule, wait) in cast.waits {
        ward.say(Fact::DeadlineSet(proto::DeadlineSet {
            rule: (*rule).to_owned(),
            longest_wait: (*wait).to_owned(),
            ground: "契機の申告がないまま保有できる期間の上限".to_owned(),
            ..Default::default()
        }));
    }
    for (rule, keep) in cast.keeps {
        ward.say(Fact::DeadlineSet(proto::DeadlineSet {
            rule: (*rule).to_owned(),
            keep_at_least: (*keep).to_owned(),
            ground: "区が収納情報を登録し終えるまで保存する".to_owned(),
            ..Default::default()
        }));
    }
    ward.say(Fact::DeadlineSet(proto::DeadlineSet {
        certificate_within: "P7D".to_owned(),
        acknowledge_within: "P1D".to_owned(),
        report_within: "PT24H".to_owned(),
        attest_within: "P2M".to_owned(),
        warn_before: "P14D".to_owned(),
        ground: "証明書、受領及び申告の期限を定める".to_owned(),
        ..Default::default()
    }));
    Ok(())
}

/// Act words of the scheme's duties for which the sources give no number.
fn number_words(source: &Source) -> BTreeSet<&str> {
    let sheets = source.scheme.contracts.iter().filter_map(|c| c.clause_sheet.as_deref());
    let clauses = sheets.filter_map(|id| source.vocabulary.clause_sheet(id)).flat_map(|s| &s.clauses);
    let checks = source.scheme.obligations.iter().map(|o| &o.check).chain(clauses.map(|c| &c.check));
    let words = checks.flat_map(|check| match check {
        Check::Periodic { act, every: None, once: false, .. } => vec![act.as_str()],
        Check::Response { answers, .. } => {
            let open = answers.iter().filter(|a| a.within.is_none());
            open.flat_map(|a| a.number.iter().chain([&a.act])).map(String::as_str).collect()
        }
        _ => Vec::new(),
    });
    words.collect()
}

/// Names the parties that the paper leaves open, and consents to subcontractors and members.
fn settle(ward: &mut Ward<'_>, scheme: &Scheme, cast: &Cast) {
    for party in scheme.parties.iter().filter(|party| party.identity == Identity::Undetermined) {
        for contract in scheme.contracts.iter().filter(|c| c.between.iter().skip(1).any(|p| *p == party.id)) {
            ward.say(Fact::ContractSettled(proto::ContractSettled {
                contract: contract.id.clone(),
                party: party.id.clone(),
                identity: format!("{}(模擬)", party.label),
                ..Default::default()
            }));
        }
    }
    for (contract, party) in cast.consents {
        let members = cast.members.iter().filter(|(set, _)| set == party).flat_map(|(_, all)| *all);
        let mut members: Vec<&str> = members.map(|(id, _)| *id).collect();
        if members.is_empty() {
            members.push("");
        }
        for member in members {
            ward.say(Fact::SubcontractApproved(proto::SubcontractApproved {
                contract: (*contract).to_owned(),
                party: (*party).to_owned(),
                member: member.to_owned(),
            }));
        }
    }
}
