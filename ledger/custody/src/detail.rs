//! What exactly a finding says: a sentence for the state and for machines, and words for people.
//!
//! The fold writes [`Detail`] as its sentence (`Display`), in terms of ids; the sentences are part of the fold's output and
//! never change. [`Detail::parse`] reads them back, so that people get words with names, in their language.

use std::fmt;
use std::sync::Arc;

use daicho_core::proto::SanitizationMethod;
use daicho_core::{Date, EntryIndex, Instant};

use crate::FindingCode;
use crate::context::SchemeContext;
use crate::media::{method_label, method_word};
use crate::scheme::{Deadline, Text};

/// What exactly a finding says. Ids are those of the scheme unless something else is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detail {
    /// The party that named what the ledger never saw come.
    NamedBy(String),
    /// To whom the flow goes.
    GoesTo {
        /// The flow.
        flow: String,
        /// The party.
        party: String,
    },
    /// The taker is no party of the scheme.
    NoParty,
    /// No approved flow goes there.
    NoFlow,
    /// The member of a set of parties is not approved.
    MemberNotApproved,
    /// The ward has not consented to the subcontractor.
    NotConsented,
    /// The flow that was used.
    Flow(String),
    /// Where the flow ends.
    EndsAt {
        /// The flow.
        flow: String,
        /// The system.
        system: String,
    },
    /// A kind of data that the flow does not have.
    NotOfFlow {
        /// The kind.
        kind: String,
        /// The flow.
        flow: String,
    },
    /// Items that are not approved, as stated.
    Items(Vec<String>),
    /// The day of the movement.
    OnDay(Date),
    /// Collected outside every flow.
    OutsideFlows,
    /// The source gives no full legal basis.
    NoFullBasis,
    /// The law cited was not in force any more.
    LawEnded {
        /// The day of the movement.
        day: Date,
        /// The last day of the law.
        last: Date,
    },
    /// The law cited was not yet in force.
    LawNotYet {
        /// The day of the movement.
        day: Date,
        /// The first day of the law.
        first: Date,
    },
    /// The channel that was used, as stated, and the approved one.
    Channel {
        /// As stated.
        used: String,
        /// The approved one.
        approved: String,
    },
    /// Safeguards that were not taken.
    Safeguards(Vec<String>),
    /// The party that copied.
    CopiedBy(String),
    /// A protected group, and the party that got its data.
    Class {
        /// The group.
        class: String,
        /// The party.
        party: String,
    },
    /// The system.
    At(String),
    /// The entry by which the copy was gone.
    ClosedAt(EntryIndex),
    /// The entry of the other side.
    DiffersFrom(EntryIndex),
    /// How much a relay took in and gave out.
    Relayed {
        /// In.
        taken: u64,
        /// Out.
        given: u64,
    },
    /// When something occurred that was recorded late.
    Occurred {
        /// When.
        at: Instant,
        /// The ward's limit.
        limit: Deadline,
    },
    /// The erasure did not run to completion.
    NotCompleted,
    /// A certificate, by the name its issuer gave it.
    Certificate(String),
    /// The method of an erasure, and those of which one would suffice.
    Method {
        /// The one used.
        used: SanitizationMethod,
        /// Those that suffice.
        wanted: Vec<SanitizationMethod>,
    },
    /// The rule that was not kept, and its last instant in time.
    Due {
        /// The rule.
        rule: Arc<str>,
        /// Last instant in time.
        due: Option<Instant>,
    },
    /// The rule whose clock did not start for longer than the ward allows.
    Waited {
        /// The rule.
        rule: Arc<str>,
        /// How long the ward allows.
        wait: Deadline,
    },
    /// The rule that asks to keep it for longer.
    Kept {
        /// The rule.
        rule: Arc<str>,
        /// For how long at least.
        least: Deadline,
        /// Until when.
        until: Keep,
    },
    /// Parties that are owed a certificate and have none.
    OwedTo(Vec<Arc<str>>),
    /// When the last of those who are owed a certificate had one, and the last instant in time.
    Certified {
        /// When it was handed out.
        at: Instant,
        /// Last instant in time.
        due: Instant,
    },
    /// The party that got it back.
    ReturnedTo(String),
    /// A medium that went out of use unseen.
    Unassured,
    /// The side of a handover that recorded nothing. `None`: a giver whom the taker cannot name.
    Silent(Option<String>),
    /// A duty that was not done in time.
    Duty(Box<OfDuty>),
    /// A forbidden act.
    Act {
        /// Its word.
        word: String,
        /// Who did it.
        party: String,
    },
    /// Numbers that a key left out: the first and the last of the first gap.
    Numbers {
        /// The first.
        first: u64,
        /// The last.
        last: u64,
        /// Whose key, as the ledger names the party.
        party: String,
    },
    /// A system of which nothing was said for too long.
    SilentSince {
        /// The kinds of data of which nothing was said. None: it is to keep nothing at all.
        kinds: Vec<String>,
        /// The last attestation. `None`: there was none.
        at: Option<Instant>,
        /// When the next was due.
        due: Instant,
    },
    /// A contract near its end.
    Ends {
        /// Its last day.
        day: Date,
        /// Copies that its parties hold.
        open: u64,
    },
    /// A key that was accepted after the time from which it is not trusted.
    Distrusted {
        /// Whose, as the ledger names the party.
        party: String,
        /// Not trusted from.
        from: Instant,
        /// Accepted until.
        until: Instant,
        /// The last number that it signed.
        last: u64,
    },
    /// A sentence that this program does not know.
    Other(String),
}

/// Until when something must be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keep {
    /// Until then.
    Until(Instant),
    /// For some time after a milestone that has not come.
    After(String),
}

/// What a duty asks and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfDuty {
    /// What it asks.
    pub asks: Text,
    /// What was found.
    pub said: Text,
    /// Last instant in time.
    pub due: Option<Instant>,
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NamedBy(party) => write!(f, "named by {party}"),
            Self::GoesTo { flow, party } => write!(f, "flow {flow} goes to {party}"),
            Self::NoParty => f.write_str("no party of the scheme"),
            Self::NoFlow => f.write_str("no approved flow goes there"),
            Self::MemberNotApproved => f.write_str("the member is not approved"),
            Self::NotConsented => f.write_str("the ward has not consented"),
            Self::Flow(flow) => write!(f, "flow {flow}"),
            Self::EndsAt { flow, system } => write!(f, "flow {flow} ends at {system}"),
            Self::NotOfFlow { kind, flow } => write!(f, "kind {kind} is not of flow {flow}"),
            Self::Items(list) | Self::Safeguards(list) => f.write_str(&list.join(", ")),
            Self::OnDay(day) => write!(f, "on {day}"),
            Self::OutsideFlows => f.write_str("collected outside every flow of the scheme"),
            Self::NoFullBasis => f.write_str("the source gives no full legal basis for this flow"),
            Self::LawEnded { day, last } => write!(f, "on {day}; the law cited was in force until {last}"),
            Self::LawNotYet { day, first } => write!(f, "on {day}; the law cited is in force from {first}"),
            Self::Channel { used, approved } => write!(f, "{used} instead of {approved}"),
            Self::CopiedBy(party) => write!(f, "by {party}"),
            Self::Class { class, party } => write!(f, "{class} to {party}"),
            Self::At(system) => write!(f, "at {system}"),
            Self::ClosedAt(entry) => write!(f, "closed at entry {entry}"),
            Self::DiffersFrom(entry) => write!(f, "differs from entry {entry}"),
            Self::Relayed { taken, given } => write!(f, "{taken} in, {given} out"),
            Self::Occurred { at, limit } => write!(f, "occurred {at}, limit {limit}"),
            Self::NotCompleted => f.write_str("the technique did not run to completion"),
            Self::Certificate(id) => write!(f, "certificate {id}"),
            Self::Method { used, wanted } => {
                let wanted: Vec<&str> = wanted.iter().map(|method| method_word(*method)).collect();
                write!(f, "{} instead of {}", method_word(*used), wanted.join(" or "))
            }
            Self::Due { rule, due: None } => f.write_str(rule),
            Self::Due { rule, due: Some(due) } => write!(f, "{rule}, due {}", minute(*due)),
            Self::Waited { rule, wait } => write!(f, "{rule}, may wait: {}", wait.label().en),
            Self::Kept { rule, least, until } => {
                write!(f, "{rule}, not before: {}", least.label().en)?;
                match until {
                    Keep::Until(until) => write!(f, " ({})", minute(*until)),
                    Keep::After(milestone) => write!(f, " ({milestone} has not come)"),
                }
            }
            Self::OwedTo(parties) => write!(f, "owed to {}", parties.join(", ")),
            Self::Certified { at, due } => write!(f, "certificate of {}, due {}", minute(*at), minute(*due)),
            Self::ReturnedTo(party) => write!(f, "returned to {party}"),
            Self::Unassured => f.write_str("no witness, and no certificate with photographs"),
            Self::Silent(None) => f.write_str("the giver is silent"),
            Self::Silent(Some(party)) => write!(f, "{party} is silent"),
            Self::Duty(of) => {
                write!(f, "{}: {}", of.asks.en, of.said.en)?;
                of.due.map_or(Ok(()), |due| write!(f, " (due {})", minute(due)))
            }
            Self::Act { word, party } => write!(f, "{word} by {party}"),
            Self::Numbers { first, last, party } if first == last => write!(f, "number {first} of {party}"),
            Self::Numbers { first, last, party } => write!(f, "numbers {first} to {last} of {party}"),
            Self::SilentSince { kinds, at, due } => {
                f.write_str(if at.is_some() { "silent" } else { "never spoke" })?;
                if !kinds.is_empty() {
                    write!(f, " of {}", kinds.join(", "))?;
                }
                if let Some(at) = at {
                    write!(f, " since {}", minute(*at))?;
                }
                write!(f, ", due {}", minute(*due))
            }
            Self::Ends { day, open } => write!(f, "ends {day}, {open} copies open"),
            Self::Distrusted { party, from, until, last } => {
                let (from, until) = (minute(*from), minute(*until));
                write!(
                    f,
                    "key of {party}, not trusted from {from}, accepted until {until}, last number {last}"
                )
            }
            Self::Other(sentence) => f.write_str(sentence),
        }
    }
}

impl Detail {
    /// Reads a sentence that the fold wrote for a finding of this code.
    pub fn parse(code: FindingCode, sentence: &str) -> Self {
        Self::read(code, sentence).unwrap_or_else(|| Self::Other(sentence.to_owned()))
    }

    fn read(code: FindingCode, sentence: &str) -> Option<Self> {
        let after = |start: &str| sentence.strip_prefix(start);
        let entry = |text: &str| text.parse().ok().map(EntryIndex::new);
        let list = || sentence.split(", ").map(str::to_owned).collect();
        let fixed = [
            Self::NoParty,
            Self::NoFlow,
            Self::MemberNotApproved,
            Self::NotConsented,
            Self::OutsideFlows,
            Self::NoFullBasis,
            Self::NotCompleted,
        ];
        if let Some(known) = fixed.into_iter().find(|known| known.to_string() == sentence) {
            return Some(known);
        }
        Some(match code {
            FindingCode::UnrecordedCopy => Self::NamedBy(after("named by ")?.into()),
            FindingCode::RecipientNotApproved => {
                let (flow, party) = after("flow ")?.split_once(" goes to ")?;
                Self::GoesTo { flow: flow.into(), party: party.into() }
            }
            FindingCode::SystemNotApproved => match after("flow ")?.split_once(" ends at ") {
                Some((flow, system)) => Self::EndsAt { flow: flow.into(), system: system.into() },
                None => Self::Flow(after("flow ")?.into()),
            },
            FindingCode::ItemsNotApproved => {
                match after("kind ").and_then(|rest| rest.split_once(" is not of flow ")) {
                    Some((kind, flow)) => Self::NotOfFlow { kind: kind.into(), flow: flow.into() },
                    None => Self::Items(list()),
                }
            }
            FindingCode::OutsidePeriod => Self::OnDay(Date::parse(after("on ")?)?),
            FindingCode::NoLegalBasis => {
                let (day, law) = after("on ")?.split_once("; the law cited ")?;
                let day = Date::parse(day)?;
                match law.strip_prefix("was in force until ") {
                    Some(last) => Self::LawEnded { day, last: Date::parse(last)? },
                    None => {
                        Self::LawNotYet { day, first: Date::parse(law.strip_prefix("is in force from ")?)? }
                    }
                }
            }
            FindingCode::ChannelNotApproved => {
                // What was used is the signer's word; what is approved is the scheme's, which has none of these words.
                let (used, approved) = sentence.rsplit_once(" instead of ")?;
                Self::Channel { used: used.into(), approved: approved.into() }
            }
            FindingCode::SafeguardMissing => Self::Safeguards(list()),
            FindingCode::CopyingNotAllowed => Self::CopiedBy(after("by ")?.into()),
            FindingCode::SensitiveToContractor => {
                let (class, party) = sentence.rsplit_once(" to ")?;
                Self::Class { class: class.into(), party: party.into() }
            }
            FindingCode::KeptWhereNothingMayPersist => Self::At(after("at ")?.into()),
            FindingCode::ActivityAfterDeletion => Self::ClosedAt(entry(after("closed at entry ")?)?),
            FindingCode::HandoverMismatched => Self::DiffersFrom(entry(after("differs from entry ")?)?),
            FindingCode::RelayMismatched => {
                let (taken, given) = sentence.strip_suffix(" out")?.split_once(" in, ")?;
                Self::Relayed { taken: taken.parse().ok()?, given: given.parse().ok()? }
            }
            FindingCode::ReportedLate => {
                let (at, limit) = after("occurred ")?.split_once(", limit ")?;
                Self::Occurred { at: Instant::parse(at)?, limit: Deadline::parse(limit).ok()? }
            }
            FindingCode::CertificateWithoutDeletion => Self::Certificate(after("certificate ")?.into()),
            FindingCode::MethodNotSufficient => {
                let (used, wanted) = sentence.split_once(" instead of ")?;
                let wanted = wanted.split(" or ").map(method).collect::<Option<_>>()?;
                Self::Method { used: method(used)?, wanted }
            }
            _ => return None,
        })
    }

    /// The words for people. In Japanese, ids that have a name are named; few have an English one.
    pub fn words(&self, names: &Names<'_>) -> Text {
        let en = match self {
            Self::Occurred { at, limit } => format!("occurred {}, limit {}", minute(*at), limit.label().en),
            said => said.to_string(),
        };
        Text { ja: self.japanese(names), en }
    }

    fn japanese(&self, n: &Names<'_>) -> String {
        match self {
            Self::NamedBy(party) => format!("申告者: {}", n.party(party)),
            Self::GoesTo { flow, party } => {
                format!("流れ {} の承認された相手は {}", n.flow(flow), n.party(party))
            }
            Self::NoParty => "事業の当事者ではない".into(),
            Self::NoFlow => "承認された流れがない".into(),
            Self::MemberNotApproved => "構成員の承認の記録がない".into(),
            Self::NotConsented => "区の承諾の記録がない".into(),
            Self::Flow(flow) => format!("流れ: {}", n.flow(flow)),
            Self::EndsAt { flow, system } => {
                format!("流れ {} の承認された機器・媒体は {}", n.flow(flow), n.system(system))
            }
            Self::NotOfFlow { kind, flow } => {
                format!("{} は流れ {} のものではない", n.kind(kind), n.flow(flow))
            }
            Self::Items(items) => joined(items.iter().map(|item| n.item(item))),
            Self::OnDay(day) => format!("取扱日: {day}"),
            Self::OutsideFlows => "承認された流れによらない収集".into(),
            Self::NoFullBasis => "この流れの根拠が書面に十分に示されていない".into(),
            Self::LawEnded { day, last } => format!("取扱日: {day}、引用された法令の効力の終わり: {last}"),
            Self::LawNotYet { day, first } => format!("取扱日: {day}、引用された法令の施行: {first}"),
            Self::Channel { used, approved } => format!("{}（承認は {}）", n.term(used), n.term(approved)),
            Self::Safeguards(all) => joined(all.iter().map(|one| n.term(one))),
            Self::CopiedBy(party) => format!("{}による", n.party(party)),
            Self::Class { class, party } => {
                // A group of persons is often a party of the scheme.
                let class = if n.party(class) == class { n.term(class) } else { n.party(class) };
                format!("対象者の区分: {class}、相手: {}", n.party(party))
            }
            Self::At(system) => format!("場所: {}", n.system(system)),
            Self::ClosedAt(entry) => format!("記録{entry}で既に消去・返却済"),
            Self::DiffersFrom(entry) => format!("記録{entry}と一致しない"),
            Self::Relayed { taken, given } => format!("入{taken}、出{given}"),
            Self::Occurred { at, limit } => {
                format!("発生: {}、記録期限: {}", minute(*at), limit.label().ja)
            }
            Self::NotCompleted => "消去の処理が完了しなかった".into(),
            Self::Certificate(id) => format!("証明書: {id}"),
            Self::Method { used, wanted } => {
                let wanted = joined(wanted.iter().map(|method| method_label(*method)));
                format!("{}（必要な方法: {wanted}）", method_label(*used))
            }
            Self::Due { rule, due: None } => format!("定め: {rule}"),
            Self::Due { rule, due: Some(due) } => format!("定め: {rule}、期限: {}", minute(*due)),
            Self::Waited { rule, wait } => format!("定め: {rule}、契機を待つ期限: {}", wait.label().ja),
            Self::Kept { rule, least, until } => {
                let until = match until {
                    Keep::Until(until) => minute(*until),
                    Keep::After(milestone) => format!("契機 {} は未到来", n.milestone(milestone)),
                };
                format!("定め: {rule}、保存すべき期限: {}（{until}）", least.label().ja)
            }
            Self::OwedTo(parties) => {
                format!("未提出先: {}", joined(parties.iter().map(|party| n.party(party))))
            }
            Self::Certified { at, due } => {
                format!("証明書の提出: {}、提出期限: {}", minute(*at), minute(*due))
            }
            Self::ReturnedTo(party) => format!("返却先: {}", n.party(party)),
            Self::Unassured => "立会いの記録も、写真の付いた証明書もない".into(),
            Self::Silent(None) => "渡した側の記録がない".into(),
            Self::Silent(Some(party)) => format!("{} の記録がない", n.party(party)),
            Self::Duty(of) => {
                let due = of.due.map_or_else(String::new, |due| format!("（期限 {}）", minute(due)));
                format!("{}: {}{due}", of.asks.ja, of.said.ja)
            }
            Self::Act { word, party } => format!("行為: {}、当事者: {}", n.act(word), n.party(party)),
            Self::Numbers { first, last, party } if first == last => {
                format!("欠けた申告番号: {first}（{}）", n.party(party))
            }
            Self::Numbers { first, last, party } => {
                format!("欠けた申告番号: {first}〜{last}（{}）", n.party(party))
            }
            Self::SilentSince { kinds, at, due } => {
                let of = joined(kinds.iter().map(|kind| n.kind(kind)));
                let of = if kinds.is_empty() { of } else { format!("{of}について、") };
                match at {
                    Some(at) => format!("{of}最後の申告: {}、次の申告の期限: {}", minute(*at), minute(*due)),
                    None => format!("{of}申告なし、最初の申告の期限: {}", minute(*due)),
                }
            }
            Self::Ends { day, open } => format!("契約の終了: {day}、未消去の複製: {open}件"),
            Self::Distrusted { party, from, until, last } => format!(
                "{} の鍵、信頼できない時点: {}、失効の記録: {}、最後の申告番号: {last}",
                n.party(party),
                minute(*from),
                minute(*until),
            ),
            Self::Other(sentence) => sentence.clone(),
        }
    }
}

/// Day and minute in Japan.
fn minute(time: Instant) -> String {
    let minute = time.jst_minute_of_day();
    format!("{} {:02}:{:02}", time.jst_day(), minute / 60, minute % 60)
}

fn joined<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join("、")
}

fn method(word: &str) -> Option<SanitizationMethod> {
    (0..).map_while(|n| SanitizationMethod::try_from(n).ok()).find(|method| method_word(*method) == word)
}

/// What the ids of a scheme are called at a time. What has no name keeps its id.
#[derive(Debug, Clone, Default)]
pub struct Names<'n> {
    scheme: Option<&'n SchemeContext>,
    /// Parties that the scheme left open, by who they turned out to be; the newest last.
    settled: Vec<(&'n str, &'n str)>,
}

impl<'n> Names<'n> {
    /// The names of a scheme, and who its parties turned out to be.
    pub fn new(scheme: &'n SchemeContext, settled: impl IntoIterator<Item = (&'n str, &'n str)>) -> Self {
        Self { scheme: Some(scheme), settled: settled.into_iter().collect() }
    }

    fn find<'a>(&self, id: &'a str, name: impl FnOnce(&'n SchemeContext) -> Option<&'n str>) -> &'a str
    where
        'n: 'a,
    {
        self.scheme.and_then(name).unwrap_or(id)
    }

    fn party<'a>(&self, id: &'a str) -> &'a str
    where
        'n: 'a,
    {
        let local = |scheme: &'n SchemeContext| scheme.local_party(id).and_then(|id| scheme.party(id));
        self.find(id, |scheme| {
            let party = local(scheme)?;
            let settled = self.settled.iter().rev().find(|(id, _)| *id == party.id);
            Some(settled.map_or(party.label.as_str(), |(_, who)| who))
        })
    }

    fn system<'a>(&self, id: &'a str) -> &'a str
    where
        'n: 'a,
    {
        self.find(id, |scheme| Some(scheme.system(id)?.label.as_str()))
    }

    fn kind<'a>(&self, id: &'a str) -> &'a str
    where
        'n: 'a,
    {
        self.find(id, |scheme| Some(scheme.kind(id)?.label.as_str()))
    }

    /// A flow, by what it carries.
    fn flow<'a>(&self, id: &'a str) -> &'a str
    where
        'n: 'a,
    {
        self.find(id, |scheme| Some(scheme.kind(&scheme.flow(id)?.0.data_set)?.label.as_str()))
    }

    fn item<'a>(&self, id: &'a str) -> &'a str
    where
        'n: 'a,
    {
        let of = |kind: &'n crate::scheme::DataSetKind| kind.items.iter().chain(&kind.forbidden_items);
        self.find(id, |scheme| {
            let items = scheme.scheme.data_sets.iter().flat_map(of);
            let mut labels = items.filter(|item| item.id == id).map(|item| item.label.as_str());
            // What has two names keeps its id.
            labels.next().filter(|first| labels.all(|other| other == *first))
        })
    }

    fn milestone<'a>(&self, id: &'a str) -> &'a str
    where
        'n: 'a,
    {
        let known = |scheme: &'n SchemeContext| scheme.vocabulary.milestones.iter().find(|one| one.id == id);
        self.find(id, |scheme| Some(known(scheme)?.label.as_str()))
    }

    fn term<'a>(&self, id: &'a str) -> &'a str
    where
        'n: 'a,
    {
        let known = |scheme: &'n SchemeContext| scheme.vocabulary.terms.iter().find(|term| term.id == id);
        self.find(id, |scheme| Some(known(scheme)?.label.ja.as_str()))
    }

    fn act<'a>(&self, id: &'a str) -> &'a str
    where
        'n: 'a,
    {
        self.find(id, |scheme| Some(scheme.vocabulary.act(id)?.label.ja.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::{select, subsequence};

    use super::*;

    fn instant(ms: i64) -> Instant {
        Instant::from_unix_ms(ms).expect("in range")
    }

    fn at(text: &str) -> Instant {
        Instant::parse(text).expect("a time")
    }

    fn method() -> impl Strategy<Value = SanitizationMethod> {
        let all = [SanitizationMethod::Clear, SanitizationMethod::Purge, SanitizationMethod::Destroy];
        select([&all[..], &[SanitizationMethod::CryptographicErase]].concat())
    }

    /// What the fold says, with the code under which it does.
    fn recorded() -> impl Strategy<Value = (FindingCode, Detail)> {
        let id = || "[a-z][a-z0-9_.-]{0,12}";
        let said = || "[a-z][a-z0-9 _-]{0,12}";
        let day = || (0..40_000i64).prop_map(|n| instant(n * 86_400_000).jst_day());
        let entry = || any::<u64>().prop_map(EntryIndex::new);
        let limit = select(vec![
            "P1D",
            "PT5M",
            "P3BD",
            "end-of-month",
            "close-of-day 17:15",
            "P1M/next-business-day",
        ]);
        let fixed = select(vec![
            (FindingCode::RecipientNotApproved, Detail::NoParty),
            (FindingCode::SubcontractNotApproved, Detail::NoParty),
            (FindingCode::RecipientNotApproved, Detail::NoFlow),
            (FindingCode::SubcontractNotApproved, Detail::NotConsented),
            (FindingCode::RecipientNotApproved, Detail::MemberNotApproved),
            (FindingCode::NoLegalBasis, Detail::OutsideFlows),
            (FindingCode::NoLegalBasis, Detail::NoFullBasis),
            (FindingCode::ErasureNotVerified, Detail::NotCompleted),
        ]);
        let methods = subsequence(vec![SanitizationMethod::Purge, SanitizationMethod::Destroy], 1..=2);
        let ids = || proptest::collection::vec(id(), 1..4);
        let with = |code: FindingCode| move |detail: Detail| (code, detail);
        prop_oneof![
            fixed,
            id().prop_map(Detail::NamedBy).prop_map(with(FindingCode::UnrecordedCopy)),
            (id(), id())
                .prop_map(|(flow, party)| Detail::GoesTo { flow, party })
                .prop_map(with(FindingCode::RecipientNotApproved)),
            id().prop_map(Detail::Flow).prop_map(with(FindingCode::SystemNotApproved)),
            (id(), id())
                .prop_map(|(flow, system)| Detail::EndsAt { flow, system })
                .prop_map(with(FindingCode::SystemNotApproved)),
            (id(), id())
                .prop_map(|(kind, flow)| Detail::NotOfFlow { kind, flow })
                .prop_map(with(FindingCode::ItemsNotApproved)),
            ids().prop_map(Detail::Items).prop_map(with(FindingCode::ItemsNotApproved)),
            day().prop_map(Detail::OnDay).prop_map(with(FindingCode::OutsidePeriod)),
            (day(), day())
                .prop_map(|(day, last)| Detail::LawEnded { day, last })
                .prop_map(with(FindingCode::NoLegalBasis)),
            (day(), day())
                .prop_map(|(day, first)| Detail::LawNotYet { day, first })
                .prop_map(with(FindingCode::NoLegalBasis)),
            (said(), id())
                .prop_map(|(used, approved)| Detail::Channel {
                    used: format!("{used} instead of it"),
                    approved
                })
                .prop_map(with(FindingCode::ChannelNotApproved)),
            ids().prop_map(Detail::Safeguards).prop_map(with(FindingCode::SafeguardMissing)),
            id().prop_map(Detail::CopiedBy).prop_map(with(FindingCode::CopyingNotAllowed)),
            (id(), id())
                .prop_map(|(class, party)| Detail::Class { class, party })
                .prop_map(with(FindingCode::SensitiveToContractor)),
            id().prop_map(Detail::At).prop_map(with(FindingCode::KeptWhereNothingMayPersist)),
            entry().prop_map(Detail::ClosedAt).prop_map(with(FindingCode::ActivityAfterDeletion)),
            entry().prop_map(Detail::DiffersFrom).prop_map(with(FindingCode::HandoverMismatched)),
            any::<(u64, u64)>()
                .prop_map(|(taken, given)| Detail::Relayed { taken, given })
                .prop_map(with(FindingCode::RelayMismatched)),
            (0..4_000_000_000_000i64, limit)
                .prop_map(|(ms, limit)| Detail::Occurred {
                    at: instant(ms),
                    limit: Deadline::parse(limit).expect("a deadline"),
                })
                .prop_map(with(FindingCode::ReportedLate)),
            id().prop_map(Detail::Certificate).prop_map(with(FindingCode::CertificateWithoutDeletion)),
            (method(), methods)
                .prop_map(|(used, wanted)| Detail::Method { used, wanted })
                .prop_map(with(FindingCode::MethodNotSufficient)),
        ]
    }

    proptest! {
        #[test]
        fn what_the_fold_writes_is_read_back((code, detail) in recorded()) {
            let sentence = detail.to_string();
            prop_assert_eq!(Detail::parse(code, &sentence), detail.clone(), "{}", sentence);
            // And no sentence reaches a Japanese paper in English.
            let words = detail.words(&Names::default());
            let spoken = !words.ja.is_ascii();
            let only_names = matches!(detail, Detail::Items(_) | Detail::Safeguards(_));
            prop_assert!(spoken || only_names, "{}", words.ja);
        }

        #[test]
        fn any_sentence_is_shown_as_it_is_or_understood(sentence in ".{0,40}", n in 0..FindingCode::ALL.len()) {
            let read = Detail::parse(FindingCode::ALL[n], &sentence);
            let again = Detail::parse(FindingCode::ALL[n], &read.to_string());
            prop_assert_eq!(read, again);
        }
    }

    #[test]
    fn the_sentences_of_the_fold_do_not_change() {
        let method = Detail::Method {
            used: SanitizationMethod::Clear,
            wanted: vec![SanitizationMethod::Purge, SanitizationMethod::CryptographicErase],
        };
        let limit = Deadline::parse("P1D").expect("a deadline");
        let day = |text| Date::parse(text).expect("a day");
        let (day, other) = (day("2021-02-03"), day("2021-03-31"));
        let (flow, party, system) = ("f1".to_owned(), "ward".to_owned(), "s1".to_owned());
        let entry = EntryIndex::new(7);
        let cases = [
            (Detail::NamedBy(party.clone()), "named by ward"),
            (Detail::GoesTo { flow: flow.clone(), party: party.clone() }, "flow f1 goes to ward"),
            (Detail::NoParty, "no party of the scheme"),
            (Detail::NoFlow, "no approved flow goes there"),
            (Detail::MemberNotApproved, "the member is not approved"),
            (Detail::NotConsented, "the ward has not consented"),
            (Detail::Flow(flow.clone()), "flow f1"),
            (Detail::EndsAt { flow: flow.clone(), system: system.clone() }, "flow f1 ends at s1"),
            (Detail::NotOfFlow { kind: "k1".into(), flow }, "kind k1 is not of flow f1"),
            (Detail::Items(vec!["a".into(), "b".into()]), "a, b"),
            (Detail::OnDay(day), "on 2021-02-03"),
            (Detail::OutsideFlows, "collected outside every flow of the scheme"),
            (Detail::NoFullBasis, "the source gives no full legal basis for this flow"),
            (
                Detail::LawEnded { day, last: other },
                "on 2021-02-03; the law cited was in force until 2021-03-31",
            ),
            (
                Detail::LawNotYet { day, first: other },
                "on 2021-02-03; the law cited is in force from 2021-03-31",
            ),
            (Detail::Channel { used: "mail".into(), approved: "lgwan".into() }, "mail instead of lgwan"),
            (Detail::Safeguards(vec!["a".into(), "b".into()]), "a, b"),
            (Detail::CopiedBy(party.clone()), "by ward"),
            (Detail::Class { class: "minor".into(), party }, "minor to ward"),
            (Detail::At(system), "at s1"),
            (Detail::ClosedAt(entry), "closed at entry 7"),
            (Detail::DiffersFrom(entry), "differs from entry 7"),
            (Detail::Relayed { taken: 3, given: 2 }, "3 in, 2 out"),
            (
                Detail::Occurred { at: at("2021-02-03T10:00"), limit },
                "occurred 2021-02-03T10:00:00+09:00, limit P1D",
            ),
            (Detail::NotCompleted, "the technique did not run to completion"),
            (Detail::Certificate("c-1".into()), "certificate c-1"),
            (method, "clear instead of purge or cryptographic erase"),
        ];
        for (detail, sentence) in cases {
            assert_eq!(detail.to_string(), sentence);
        }
    }

    #[test]
    fn people_read_times_to_the_minute_and_deadlines_in_words() {
        let limit = Deadline::parse("P7D").expect("a deadline");
        let due = at("2021-02-04T23:59:59.999+09:00");
        let duty = OfDuty {
            asks: Text { ja: "報告".into(), en: "report".into() },
            said: Text { ja: "記録なし".into(), en: "nothing recorded".into() },
            due: Some(due),
        };
        let kept =
            |until| Detail::Kept { rule: "r1".into(), least: Deadline::parse("P5Y").expect("one"), until };
        let cases = [
            (
                Detail::Due { rule: "r1".into(), due: Some(due) },
                "定め: r1、期限: 2021-02-04 23:59",
                "r1, due 2021-02-04 23:59",
            ),
            (
                Detail::Waited { rule: "r1".into(), wait: limit },
                "定め: r1、契機を待つ期限: 7日後の終わり",
                "r1, may wait: end of day 7 after",
            ),
            (
                Detail::Occurred { at: at("2021-02-03T10:00"), limit },
                "発生: 2021-02-03 10:00、記録期限: 7日後の終わり",
                "occurred 2021-02-03 10:00, limit end of day 7 after",
            ),
            (
                kept(Keep::Until(due)),
                "定め: r1、保存すべき期限: 5年後（2021-02-04 23:59）",
                "r1, not before: 5 year(s) (2021-02-04 23:59)",
            ),
            (
                kept(Keep::After("case_closed".into())),
                "定め: r1、保存すべき期限: 5年後（契機 case_closed は未到来）",
                "r1, not before: 5 year(s) (case_closed has not come)",
            ),
            (
                Detail::Duty(Box::new(duty)),
                "報告: 記録なし（期限 2021-02-04 23:59）",
                "report: nothing recorded (due 2021-02-04 23:59)",
            ),
            (
                Detail::Numbers { first: 1, last: 4, party: "ward".into() },
                "欠けた申告番号: 1〜4（ward）",
                "numbers 1 to 4 of ward",
            ),
            (
                Detail::SilentSince { kinds: vec!["k1".into(), "k2".into()], at: Some(due), due },
                "k1、k2について、最後の申告: 2021-02-04 23:59、次の申告の期限: 2021-02-04 23:59",
                "silent of k1, k2 since 2021-02-04 23:59, due 2021-02-04 23:59",
            ),
            (
                Detail::SilentSince { kinds: Vec::new(), at: None, due },
                "申告なし、最初の申告の期限: 2021-02-04 23:59",
                "never spoke, due 2021-02-04 23:59",
            ),
            (Detail::Other("something new".into()), "something new", "something new"),
        ];
        for (detail, ja, en) in cases {
            assert_eq!(detail.words(&Names::default()), Text { ja: ja.into(), en: en.into() });
        }
    }
}
