//! The scheme file and the vocabulary file as values. `docs/formats/scheme.md` explains each key.
//!
//! A scheme is data: nothing in this project knows a party, a system or a rule by name.

use daicho_core::Date;
use serde::{Deserialize, Serialize};

use super::check::{ActWord, Check};
use super::deadline::Deadline;

/// Words shared by all schemes: ordinances, clause sheets, evidence, deadline words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vocabulary {
    /// Always `daicho-vocabulary/1`.
    pub format: String,
    /// Name by which scheme files ask for this vocabulary.
    pub id: String,
    /// Legal bases that a matter may cite.
    #[serde(default, rename = "ordinance")]
    pub ordinances: Vec<Ordinance>,
    /// Sheets of contract clauses (特記事項).
    #[serde(default, rename = "clause_sheet")]
    pub clause_sheets: Vec<ClauseSheet>,
    /// Kinds of evidence that a rule may ask for.
    #[serde(default, rename = "evidence")]
    pub evidence: Vec<EvidenceKind>,
    /// Deadline words of the sources, with the number proposed for each that has none.
    #[serde(default, rename = "deadline_word")]
    pub deadline_words: Vec<DeadlineWord>,
    /// Business facts that may start a clock. A rule may wait for no other.
    #[serde(default, rename = "milestone")]
    pub milestones: Vec<Milestone>,
    /// Words for what is done besides moving and erasing data.
    #[serde(default, rename = "act")]
    pub acts: Vec<ActWord>,
    /// What channels, safeguards and groups of persons are called. What has no term is shown by its id.
    #[serde(default, rename = "term", skip_serializing_if = "Vec::is_empty")]
    pub terms: Vec<NamedTerm>,
}

/// A word of flows with its name for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedTerm {
    /// As flows and movements state it.
    pub id: String,
    /// Name in Japanese and English.
    pub label: Text,
}

/// A business fact that starts a clock (契機).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Milestone {
    /// Word used by rules and by milestone events.
    pub id: String,
    /// Name in Japanese.
    pub label: String,
    /// What the sources leave open about it, so that two honest signers could state different times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unclear: Option<Text>,
}

/// A law or ordinance with the time in which it was in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ordinance {
    /// Id, unique in the vocabulary.
    pub id: String,
    /// Name in Japanese.
    pub label: String,
    /// First day in force.
    #[serde(default, with = "super::day::option", skip_serializing_if = "Option::is_none")]
    pub in_force_from: Option<Date>,
    /// Last day in force.
    #[serde(default, with = "super::day::option", skip_serializing_if = "Option::is_none")]
    pub in_force_to: Option<Date>,
    /// What took its place, in Japanese.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successor: Option<String>,
    /// Articles that schemes cite.
    #[serde(default, rename = "article")]
    pub articles: Vec<Article>,
}

/// One article of an ordinance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Article {
    /// Id, unique in the vocabulary.
    pub id: String,
    /// The article as cited in Japanese.
    pub label: String,
    /// The act that it makes lawful, or punishes.
    pub act: Act,
    /// What it governs.
    pub governs: Text,
}

/// What an article governs, as far as checks need to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// 本人外収集
    Collect,
    /// 目的外利用
    OtherUse,
    /// 外部提供
    Provide,
    /// 業務委託・再委託
    Outsource,
    /// 電子計算機による処理
    Process,
    /// 外部結合
    Couple,
    /// 罰則
    Penalty,
}

/// A text in both languages of the project.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// Japanese: what officials read.
    pub ja: String,
    /// English.
    pub en: String,
}

/// A sheet of contract clauses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClauseSheet {
    /// Id, unique in the vocabulary.
    pub id: String,
    /// Name in Japanese.
    pub label: String,
    /// The role it binds: 乙, 丙, 機構 …
    pub binds: String,
    /// Name of the attachment when the sheet itself is not among the papers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_attached: Option<String>,
    /// The heading printed on the sheet, which is all that a reader of the paper has to tell sheets apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heading: Option<String>,
    /// The word by which the sheet calls what it is attached to: 契約.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instrument: Option<String>,
    /// How its wording differs between the papers that use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variants: Option<Text>,
    /// The clauses by number, without holes.
    #[serde(default, rename = "clause")]
    pub clauses: Vec<Clause>,
}

/// One clause (項).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clause {
    /// Number on the sheet, from 1.
    pub n: u32,
    /// Heading in Japanese.
    pub label: String,
    /// What it asks, in our words.
    pub asks: Text,
    /// How it is judged.
    pub check: Check,
    /// The same clause on another sheet: `sheet/number`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_as: Option<String>,
    /// Whose duty it is, when not that of the role which the sheet binds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duty_of: Option<String>,
    /// Roles each of which must be told. Absent: it is owed to whoever entrusts, and nobody must be named in the record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
    /// Roles from which the material comes that the clause speaks of.
    #[serde(default)]
    pub provided_by: Vec<String>,
    /// For the damages clause: first and last clause of which a breach must be made good.
    #[serde(default)]
    pub breach_of: Vec<[u32; 2]>,
}

/// A kind of evidence of erasure or return.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceKind {
    /// Id used by rules.
    pub id: String,
    /// Name in Japanese.
    pub label: String,
    /// Which event of the ledger gives it.
    pub given_by: EvidenceSource,
    /// Whether a source names it (`false`) or this project proposes it (`true`).
    #[serde(default)]
    pub proposal: bool,
    /// Whether a rule that lists it may do without.
    #[serde(default)]
    pub optional: bool,
}

/// The event that counts as a kind of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EvidenceSource {
    /// The deletion event itself.
    Deletion,
    /// A deletion certificate with recipients.
    Certificate,
    /// A return acknowledged by the one who got it.
    Return,
    /// The ward's confirmation.
    Confirmation,
    /// A periodic attestation that nothing was kept.
    Attestation,
}

/// A deadline word such as 速やかに.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeadlineWord {
    /// Id.
    pub id: String,
    /// The word in Japanese.
    pub label: String,
    /// The deadline that the word itself states, when it states one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub states: Option<Deadline>,
    /// The deadline proposed where the word states none. A ward must adopt it by a signed event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposal: Option<Deadline>,
    /// What the ward must give instead of a duration: a closing time, a date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<String>,
}

/// One administrative programme (事業).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scheme {
    /// Always `daicho-scheme/1`.
    pub format: String,
    /// Id, unique in the ledger: lower case, digits and underscores.
    pub id: String,
    /// Version of this file, from 1. An amendment raises it.
    pub version: u32,
    /// Id of the vocabulary whose words this file uses.
    pub vocabulary: String,
    /// Title.
    pub title: Text,
    /// The document that says on which days the office is open, `id/version`. Needed for business days only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calendar: Option<String>,
    /// The department that answers for it, in Japanese.
    pub department: String,
    /// The registers that it works on, in Japanese.
    #[serde(default)]
    pub registers: Vec<String>,
    /// Whose data this is, in Japanese.
    pub subjects: String,
    /// The day on which the circle of persons was fixed (基準日).
    #[serde(default, with = "super::day::option", skip_serializing_if = "Option::is_none")]
    pub reference_date: Option<Date>,
    /// Name of the council paper.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_paper: Option<String>,
    /// Earlier council sessions on the same business, in Japanese.
    #[serde(default)]
    pub prior_council: Vec<String>,
    /// Attachments to which the paper points and which are not among the papers.
    #[serde(default)]
    pub not_attached: Vec<String>,
    /// Volumes that the source states.
    #[serde(default, rename = "volume")]
    pub volumes: Vec<Volume>,
    /// Windows in which people may apply.
    #[serde(default, rename = "application_window")]
    pub application_windows: Vec<NamedPeriod>,
    /// What the council was asked or told, with legal basis and period.
    #[serde(default, rename = "matter")]
    pub matters: Vec<Matter>,
    /// Who takes part.
    #[serde(default, rename = "party")]
    pub parties: Vec<Party>,
    /// Contracts between parties.
    #[serde(default, rename = "contract")]
    pub contracts: Vec<Contract>,
    /// Where data can be.
    #[serde(default, rename = "system")]
    pub systems: Vec<System>,
    /// Kinds of data sets.
    #[serde(default, rename = "data_set")]
    pub data_sets: Vec<DataSetKind>,
    /// Approved movements.
    #[serde(default, rename = "flow")]
    pub flows: Vec<Flow>,
    /// Retention rules.
    #[serde(default, rename = "rule")]
    pub rules: Vec<Rule>,
    /// What parties must do besides deleting. Recorded; not judged yet.
    #[serde(default, rename = "obligation")]
    pub obligations: Vec<Obligation>,
    /// What is wrong or left open in the source paper.
    #[serde(default, rename = "anomaly")]
    pub anomalies: Vec<Anomaly>,
}

/// A volume stated by the source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Volume {
    /// Id.
    pub id: String,
    /// The number.
    pub value: u64,
    /// The source's words.
    pub label: String,
    /// Whether the source says "about".
    #[serde(default)]
    pub approximate: bool,
    /// Period to which it applies, e.g. `P1Y`; absent when the source gives none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<String>,
    /// The day for which the source states it.
    #[serde(default, with = "super::day::option", skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Date>,
    /// A remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Text>,
}

/// A named period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedPeriod {
    /// Id.
    pub id: String,
    /// First day. Absent: not stated.
    #[serde(default, with = "super::day::option", skip_serializing_if = "Option::is_none")]
    pub start: Option<Date>,
    /// Last day. Absent: open-ended or not stated.
    #[serde(default, with = "super::day::option", skip_serializing_if = "Option::is_none")]
    pub end: Option<Date>,
    /// The source's words for the period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
    /// Whether the source marks it as planned (予定).
    #[serde(default)]
    pub planned: bool,
    /// Whether the days are read out of vaguer words (下旬, a month).
    #[serde(default)]
    pub approximate: bool,
}

/// One council matter (諮問・報告事項).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matter {
    /// Id, unique in the scheme.
    pub id: String,
    /// Title in Japanese.
    pub label: String,
    /// Legal bases.
    #[serde(default)]
    pub basis: Vec<Basis>,
    /// First day of the approved period. Absent when only phases are given.
    #[serde(default, with = "super::day::option", skip_serializing_if = "Option::is_none")]
    pub start: Option<Date>,
    /// Last day used by the judge. Absent: open-ended.
    #[serde(default, with = "super::day::option", skip_serializing_if = "Option::is_none")]
    pub end: Option<Date>,
    /// The period in the source's words, kept beside the values used, so that both can be checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
    /// The first day exactly as the source states it, when the value used differs.
    #[serde(default, with = "super::day::option", skip_serializing_if = "Option::is_none")]
    pub start_as_written: Option<Date>,
    /// The last day exactly as the source states it, when the value used differs.
    #[serde(default, with = "super::day::option", skip_serializing_if = "Option::is_none")]
    pub end_as_written: Option<Date>,
    /// Whether the source marks the period as planned.
    #[serde(default)]
    pub planned: bool,
    /// Whether the source gives months only.
    #[serde(default)]
    pub by_month: bool,
    /// How it renews: `yearly-same`, `same-after-end`. Absent: not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewal: Option<String>,
    /// Phases inside the period.
    #[serde(default, rename = "phase")]
    pub phases: Vec<NamedPeriod>,
    /// Which register of which department the data comes from, in Japanese.
    #[serde(default)]
    pub registers: Vec<String>,
    /// Since when the work was outsourced before this paper.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// A remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Text>,
    /// Line of the paper.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// A legal basis as cited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Basis {
    /// Article id of the vocabulary.
    pub article: String,
    /// Whether the council was consulted (諮問) or told (報告).
    pub kind: CouncilItem,
    /// The word behind the article in the paper's list of bases, where it matters: 業務委託.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
}

/// Kind of a council item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CouncilItem {
    /// 諮問
    Consult,
    /// 報告
    Report,
}

/// A party of the scheme (当事者).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Party {
    /// Id, unique in the scheme.
    pub id: String,
    /// Name in Japanese.
    pub label: String,
    /// What it is in this scheme.
    pub role: PartyRole,
    /// Other names that the paper uses for it.
    #[serde(default)]
    pub also_called: Vec<String>,
    /// Groups of persons that a data subject stands for, in the source's words.
    #[serde(default)]
    pub groups: Vec<String>,
    /// 甲, 乙 or 丙 in the paper.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
    /// Whether it writes to the ledger with a key of its own.
    pub writes: bool,
    /// Whether the paper names it.
    #[serde(default)]
    pub identity: Identity,
    /// How it will be chosen, in Japanese.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection: Option<String>,
    /// Who may join a set: `ward-approved`. Absent: the set is closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<String>,
    /// Attachment that lists the members or names the party.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list_source: Option<String>,
    /// Certifications, in Japanese.
    #[serde(default)]
    pub certifications: Vec<String>,
    /// The party that speaks for it when it does not write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported_by: Option<String>,
    /// Classes of subjects whose data must never reach it.
    #[serde(default)]
    pub must_not_receive: Vec<String>,
    /// Keys of this table that are not in the source.
    #[serde(default)]
    pub inferred: Vec<String>,
    /// A remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Text>,
}

/// What a party is in a scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartyRole {
    /// The ward department that answers for the data (甲).
    Controller,
    /// Another department of the ward.
    Department,
    /// A contractor (乙).
    Processor,
    /// An equal contractor in a three-party contract (丙 of a 三者契約).
    CoProcessor,
    /// A subcontractor (丙).
    SubProcessor,
    /// Someone who acts for a subcontractor.
    Agent,
    /// The other side of a computer coupling (外部結合).
    CouplingCounterparty,
    /// The person whose data it is.
    DataSubject,
    /// Another recipient.
    ThirdParty,
    /// Someone who carries sealed things.
    Carrier,
    /// A recipient that the paper does not name.
    UnnamedRecipient,
}

impl PartyRole {
    /// Whether the party works under a contract for the ward.
    pub fn is_contractor(self) -> bool {
        matches!(self, Self::Processor | Self::CoProcessor | Self::SubProcessor | Self::Agent)
    }
}

/// Whether a party is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Identity {
    /// Named in the paper.
    #[default]
    Named,
    /// A set with members.
    Set,
    /// To be chosen later; a contract event names it.
    Undetermined,
    /// The paper is silent.
    NotNamed,
}

/// A contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contract {
    /// Id, unique in the scheme.
    pub id: String,
    /// Kind: `outsourcing`, `agreement`, `subcontract`, `three-party`, `uniform-national`.
    pub kind: String,
    /// Name of the instrument in Japanese, where it is not plainly a 委託契約: 協定, 三者契約.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The parties, the one who entrusts first.
    pub between: Vec<String>,
    /// The matter whose period it has.
    pub matter: String,
    /// Clause sheet that it carries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clause_sheet: Option<String>,
    /// Further clause sheets attached for passing on.
    #[serde(default)]
    pub attaches: Vec<String>,
    /// The work entrusted, in the source's words.
    #[serde(default)]
    pub scope: Vec<String>,
    /// Whether the paper's tables for this contract speak of 特定個人情報 as well as 個人情報.
    #[serde(default)]
    pub covers_individual_number: bool,
    /// Whether work may be passed on.
    pub subcontracting: Subcontracting,
    /// Where the source says so, or what else it asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
    /// A remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Text>,
}

/// Whether a contract lets work be passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subcontracting {
    /// 再委託の禁止
    Prohibited,
    /// Only with the ward's consent to that subcontractor.
    WithApproval,
    /// Only to members that the ward has approved.
    ApprovedMembers,
    /// The source is silent.
    Unspecified,
}

/// A place where data can be (機器・媒体).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct System {
    /// Id, unique in the scheme.
    pub id: String,
    /// Name in Japanese.
    pub label: String,
    /// Kind: `server`, `terminal`, `paper`, `removable-media`, `network` …
    pub kind: String,
    /// A party id, or `public`, `third-party`, `unspecified`.
    pub owner: String,
    /// A party id, or `public`, `third-party`, `unspecified`.
    pub operator: String,
    /// The party that speaks for the system in the ledger.
    pub attester: String,
    /// The system inside which this one lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
    /// What may be stored here.
    pub storage: Storage,
    /// Data set kinds for which other storage applies.
    #[serde(default)]
    pub storage_for: std::collections::BTreeMap<String, Storage>,
    /// The rule that ends the storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Kinds for which the paper names this system as the recording medium (記録媒体).
    #[serde(default)]
    pub recording_medium_of: Vec<String>,
    /// How confidential what is stored here is. Absent: disposal of the medium is not judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidentiality: Option<Confidentiality>,
    /// Protective measures that the source lists, as words.
    #[serde(default)]
    pub safeguards: Vec<String>,
    /// Where it stands, in Japanese.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// How a system that no movement touches shows in the ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covered_by: Option<Text>,
    /// Keys of this table that are not in the source.
    #[serde(default)]
    pub inferred: Vec<String>,
    /// A remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Text>,
}

/// How confidential stored data is: classes of 地方公共団体における情報セキュリティポリシーに関するガイドライン.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidentiality {
    /// Residents' data of the segment that uses My Number (マイナンバー利用事務系).
    MynumberSegment,
    /// Other data of confidentiality 2 or higher (機密性2以上).
    C2Plus,
    /// Data of confidentiality 1 (機密性1).
    C1,
}

/// What may be stored at a system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Storage {
    /// Nothing: data passes through. A copy here is a violation.
    None,
    /// For one transaction.
    Transient,
    /// For a job or a period.
    Temporary,
    /// For as long as the register lives.
    Persistent,
    /// The source is silent.
    Unspecified,
    /// Not the ledger's business (a person's own card or letter).
    OutOfScope,
}

/// A kind of data set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSetKind {
    /// Id, unique in the scheme.
    pub id: String,
    /// Name in Japanese.
    pub label: String,
    /// Whose data, in Japanese.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subjects: Option<String>,
    /// Whether it is personal data. `unknown` where the source does not say.
    #[serde(default)]
    pub personal: Personal,
    /// Whether the source calls it sensitive.
    #[serde(default)]
    pub sensitive: bool,
    /// Class of subjects, for rules that keep a class away from someone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_class: Option<String>,
    /// Whether it may carry an Individual Number (個人番号).
    #[serde(default)]
    pub may_contain_individual_number: bool,
    /// Whether `items` is the whole approved list. If not, an unlisted item is not judged.
    pub items_complete: bool,
    /// Attachment that has the whole list, or 記載なし.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items_source: Option<String>,
    /// Items by id and Japanese label. Names only, never values.
    #[serde(default)]
    pub items: Vec<Item>,
    /// Items that must never be in it.
    #[serde(default)]
    pub forbidden_items: Vec<Item>,
    /// The source's words where the ban is open-ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forbidden_words: Option<String>,
    /// Keys of this table that are not in the source.
    #[serde(default)]
    pub inferred: Vec<String>,
    /// A remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Text>,
}

/// Whether a kind is personal data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Personal {
    /// It is.
    #[default]
    Yes,
    /// Counts, dummy data.
    No,
    /// The source does not say.
    Unknown,
}

/// An item (記録項目).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Id, unique in the data set kind.
    pub id: String,
    /// Name in Japanese.
    pub label: String,
}

/// An approved movement (情報の流れ).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flow {
    /// Id, unique in the scheme.
    pub id: String,
    /// Where it starts.
    pub from: End,
    /// Where it ends.
    pub to: End,
    /// Systems that it passes through.
    #[serde(default)]
    pub via: Vec<String>,
    /// Kind of data set that moves.
    pub data_set: String,
    /// The items of that kind that may move. Empty: all approved items of the kind.
    #[serde(default)]
    pub items: Vec<String>,
    /// Other kinds that travel along.
    #[serde(default)]
    pub also_carries: Vec<String>,
    /// Kinds from which the moving kind is made.
    #[serde(default)]
    pub matched_with: Vec<String>,
    /// Further systems at which the taker stores it.
    #[serde(default)]
    pub also_stored_at: Vec<String>,
    /// Other media or systems of the source that the paper names for the same flow.
    #[serde(default)]
    pub media: Vec<String>,
    /// Who writes it down.
    pub witness: Witness,
    /// The party that reports an `observed` flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observer: Option<String>,
    /// What becomes of the giver's copy.
    pub effect: Effect,
    /// Channel word.
    pub channel: String,
    /// Protective measures that each movement must state.
    #[serde(default)]
    pub safeguards: Vec<String>,
    /// First day of the flow's own window. Absent: the overlap of its bases.
    #[serde(default, with = "super::day::option", skip_serializing_if = "Option::is_none")]
    pub start: Option<Date>,
    /// Last day of the flow's own window.
    #[serde(default, with = "super::day::option", skip_serializing_if = "Option::is_none")]
    pub end: Option<Date>,
    /// Matters that make it lawful. It is lawful only where their periods overlap.
    #[serde(default)]
    pub basis: Vec<String>,
    /// Why the basis is incomplete. Using such a flow is a finding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis_gap: Option<Text>,
    /// Classes of subjects that must not be in it.
    #[serde(default)]
    pub exclude_subjects: Vec<String>,
    /// Parties that it must never pass.
    #[serde(default)]
    pub must_not_pass: Vec<String>,
    /// From whom it is collected: `subject` or `third-party`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collected_from: Option<String>,
    /// Something that must have happened before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires: Option<String>,
    /// Number of copies made (prints).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies: Option<u32>,
    /// Day as of which the data is taken.
    #[serde(default, with = "super::day::option", skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Date>,
    /// How often, in the source's sense.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency: Option<String>,
    /// Only in exceptional cases.
    #[serde(default)]
    pub exceptional: bool,
    /// Only if built: the source's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conditional: Option<String>,
    /// `test` for flows before go-live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// Keys of this table that are not in the source.
    #[serde(default)]
    pub inferred: Vec<String>,
    /// A remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Text>,
    /// Line of the paper.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// One end of a flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// Party id.
    pub party: String,
    /// System id. Absent where the source names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
}

/// Who writes a movement down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Witness {
    /// Giver and taker both. Only these can be unacknowledged or mismatched.
    TwoSided,
    /// The giver; the taker does not write to the ledger.
    GiverOnly,
    /// The taker; the giver does not write to the ledger.
    TakerOnly,
    /// One holder, both ends.
    Internal,
    /// Neither end writes; a named party reports.
    Observed,
}

/// What becomes of the giver's copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// It goes along (paper, media): the giver's copy closes.
    Moves,
    /// It stays (transmission), with its own clock.
    Leaves,
    /// The giver never stored anything (relay).
    Relays,
}

/// A retention rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Id, unique in the scheme.
    pub id: String,
    /// Kinds that it binds; `["*"]` for all.
    pub data_sets: Vec<String>,
    /// Parties that it binds.
    pub holders: Vec<String>,
    /// Holders for whom the source leaves it open whether they are bound.
    #[serde(default)]
    pub disputed_holders: Vec<String>,
    /// Systems that it binds; `["*"]` for all of those holders.
    pub systems: Vec<String>,
    /// Hardware that goes back as well.
    #[serde(default)]
    pub also_returns: Vec<String>,
    /// What must happen.
    pub action: Action,
    /// Whether a machine does it without a person.
    #[serde(default)]
    pub automatic: bool,
    /// What starts the clock.
    pub trigger: Trigger,
    /// By when.
    pub deadline: RuleDeadline,
    /// For how long it must be kept first, from the start of the same clock. Erasing it earlier is a finding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_at_least: Option<Deadline>,
    /// Evidence asked for.
    #[serde(default)]
    pub evidence: Vec<String>,
    /// Evidence for which the source leaves it open whether it is owed.
    #[serde(default)]
    pub disputed_evidence: Vec<String>,
    /// The source asks for no evidence; `evidence` is this project's proposal.
    #[serde(default)]
    pub evidence_gap: bool,
    /// Parties to whom certificate, report or notice must go.
    #[serde(default)]
    pub recipients: Vec<String>,
    /// Parties of which any one may take the return.
    #[serde(default)]
    pub return_to: Vec<String>,
    /// The party that may order otherwise (甲が別に指示したとき).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub override_by: Option<String>,
    /// Whether one certificate may cover a batch, and the period proposed for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_certificate: Option<String>,
    /// Clauses that it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clause: Option<ClauseRef>,
    /// Contract whose end or milestones it follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<String>,
    /// Matters to which it belongs, where not all.
    #[serde(default)]
    pub applies_to: Vec<String>,
    /// Rules of one group state the same duty in words that conflict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflict_group: Option<String>,
    /// Another rule that states the same duty again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_duty_as: Option<String>,
    /// The source leaves this rule out altogether; it stands here so that the gap shows.
    #[serde(default)]
    pub gap: bool,
    /// Only if something optional is built.
    #[serde(default)]
    pub conditional: bool,
    /// Nobody in the ledger can speak for the holder.
    #[serde(default)]
    pub out_of_ledger: bool,
    /// Keys of this table that are not in the source.
    #[serde(default)]
    pub inferred: Vec<String>,
    /// A remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Text>,
    /// Line of the paper.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// What a retention rule asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// 消去
    Erase,
    /// 返却
    Return,
    /// 引渡し
    HandOver,
    /// 返還し、かつ消去
    ReturnAndErase,
    /// 保持しない
    NoRetention,
}

/// What starts a clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trigger {
    /// Milestone word; `none` where the source gives no trigger. `contract_ended` needs no event.
    pub milestone: String,
    /// To what one milestone event applies.
    pub scope: Scope,
    /// The source's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
    /// Parties that may state it. Empty: the holder and the ward.
    #[serde(default)]
    pub stated_by: Vec<String>,
}

impl Trigger {
    /// The milestone of a rule whose source gives no trigger.
    pub const NO_MILESTONE: &'static str = "none";

    /// Whether anything starts the clock.
    pub fn starts(&self) -> bool {
        self.milestone != Self::NO_MILESTONE
    }
}

/// To what one milestone event applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// One copy.
    Copy,
    /// One data set, wherever its copies are.
    DataSet,
    /// One use, transaction, job or delivery: all data sets that carry its id.
    Session,
    /// One calendar day: all copies opened on it.
    Day,
    /// One contract: all copies of the contractor.
    Contract,
}

/// The deadline of a rule and where its number comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleDeadline {
    /// The deadline that the source itself states. Absent: the source gives no number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stated: Option<Deadline>,
    /// The deadline word of the vocabulary.
    pub word: String,
    /// The source's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
    /// What the ward may adopt where the source gives no number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposal: Option<Deadline>,
}

/// A reference to clauses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClauseRef {
    /// Clause sheet.
    pub sheet: String,
    /// Clause numbers.
    pub numbers: Vec<u32>,
}

/// Something a party must do besides deleting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Obligation {
    /// Id, unique in the scheme.
    pub id: String,
    /// Who owes it.
    pub who: Vec<String>,
    /// For whom the source leaves it open.
    #[serde(default)]
    pub disputed_who: Vec<String>,
    /// To whom it is owed or reported.
    #[serde(default)]
    pub to: Vec<String>,
    /// What, in our words.
    pub duty: Text,
    /// Another obligation that states the same duty again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_duty_as: Option<String>,
    /// The source's key words, in Japanese.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
    /// The contracts for each of which it is owed. Empty: once, whatever the contracts.
    #[serde(default)]
    pub contracts: Vec<String>,
    /// How it is judged.
    pub check: Check,
    /// Keys of this table that are not in the source.
    #[serde(default)]
    pub inferred: Vec<String>,
    /// A remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Text>,
    /// Line of the paper.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// Something wrong or left open in the source paper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anomaly {
    /// Id, unique in the scheme.
    pub id: String,
    /// How much hangs on it.
    pub severity: Severity,
    /// What, in our words.
    pub what: Text,
    /// Lines of the paper.
    #[serde(default)]
    pub lines: Vec<u32>,
    /// The lint diagnostics that show it: `check-name@table.id`.
    #[serde(default)]
    pub found_by: Vec<String>,
    /// Why no check can find it from the data. Exactly one of `found_by` and this is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_check: Option<Text>,
}

/// How much hangs on an anomaly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// A verdict or a right depends on it.
    High,
    /// It must be settled before go-live.
    Medium,
    /// Wording.
    Low,
}
