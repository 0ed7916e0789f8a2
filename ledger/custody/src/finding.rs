//! Findings: stable codes with what each means. `docs/formats/custody.md` lists them.

use serde::{Deserialize, Serialize};

use crate::scheme::Text;

macro_rules! codes {
    ($($variant:ident $word:literal $about:ident $ja:literal $en:literal;)*) => {
        /// What a rule found wrong. The word is stable; it stands in reports and decisions for ever.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum FindingCode { $(#[doc = $en] $variant,)* }

        impl FindingCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable word.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// What its object is.
            pub fn about(self) -> About {
                match self { $(Self::$variant => About::$about,)* }
            }

            /// What it means, for a person.
            pub fn meaning(self) -> Text {
                match self { $(Self::$variant => Text { ja: $ja.into(), en: $en.into() },)* }
            }
        }
    };
}

/// What the object of a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// A copy, by its id.
    Copy,
    /// A data set, by its id.
    DataSet,
    /// A handover, by its id; for what has none the flow.
    Handover,
    /// A party of the scheme, or a member of one.
    Party,
    /// A clause or an obligation, as a duty names itself.
    Duty,
    /// A key, as `key/<id>`.
    Key,
    /// An entry, as `entry/<index>`.
    Entry,
    /// A flow, system, kind or contract of the scheme.
    Scheme,
}

codes! {
    UnrecordedCopy "UNRECORDED_COPY" Copy "記録のない複製が消去・授受された" "Something was deleted or given that the ledger never saw come";
    RecipientNotApproved "RECIPIENT_NOT_APPROVED" Party "承認されていない相手への提供" "Data went to a recipient that the scheme does not approve";
    SystemNotApproved "SYSTEM_NOT_APPROVED" Scheme "承認されていない機器・媒体での保有" "Data is at a system that the flow does not approve";
    ItemsNotApproved "ITEMS_NOT_APPROVED" DataSet "承認された項目の範囲外" "Items or kinds outside the approved list";
    OutsidePeriod "OUTSIDE_PERIOD" Scheme "承認された期間の外での取扱い" "A movement outside the period in which it is lawful";
    NoLegalBasis "NO_LEGAL_BASIS" Scheme "根拠のない情報の流れ" "A movement for which the source gives no or no full legal basis";
    ChannelNotApproved "CHANNEL_NOT_APPROVED" Handover "承認と異なる経路" "Another channel than the approved one";
    SafeguardMissing "SAFEGUARD_MISSING" Handover "必要な保護措置の欠如" "A protective measure was not taken";
    SubcontractNotApproved "SUBCONTRACT_NOT_APPROVED" Party "承諾のない再委託" "Data went to a subcontractor to whom the ward has not consented";
    CopyingNotAllowed "COPYING_NOT_ALLOWED" Copy "禁止された複写・複製" "A copy was made though the contract forbids copying";
    SensitiveToContractor "SENSITIVE_TO_CONTRACTOR" DataSet "除外すべき対象者の情報の提供" "Data of a protected group reached someone who must not have it";
    KeptWhereNothingMayPersist "KEPT_WHERE_NOTHING_MAY_PERSIST" Copy "保持してはならない場所での保有" "A copy at a system that must keep nothing";
    ActivityAfterDeletion "ACTIVITY_AFTER_DELETION" Copy "消去・返却後の取扱い" "Something happened to a copy that was gone";
    HandoverMismatched "HANDOVER_MISMATCHED" Handover "授受の双方の記録の不一致" "Giver and taker do not say the same";
    RelayMismatched "RELAY_MISMATCHED" Scheme "通過量の不一致" "A relay gave out another number than it took in";
    ReportedLate "REPORTED_LATE" Entry "記録の遅れ" "A fact was recorded later than the ward allows";
    ErasureNotVerified "ERASURE_NOT_VERIFIED" Copy "消去の完了が確認できない" "An erasure failed its verification; the copy counts as kept";
    CertificateWithoutDeletion "CERTIFICATE_WITHOUT_DELETION" Copy "消去の記録のない証明書" "A certificate covers a copy that is still open";
    MethodNotSufficient "METHOD_NOT_SUFFICIENT" Copy "消去方法の不足" "The method does not suffice for the medium and what it held";
    DeletedLate "DELETED_LATE" Copy "期限後の消去・返却" "Deleted or returned after the deadline";
    Overdue "OVERDUE" Copy "期限超過" "Still kept after the deadline";
    Unacknowledged "UNACKNOWLEDGED" Handover "授受の片側のみの記録" "The other side of a handover is missing";
    MilestoneWithheld "MILESTONE_WITHHELD" Copy "契機の記録がないままの長期保有" "No milestone started the clock within the longest wait";
    CertificateMissing "CERTIFICATE_MISSING" Copy "消去証明書の未提出" "No certificate of erasure within the limit";
    CertificateLate "CERTIFICATE_LATE" Copy "消去証明書の提出の遅れ" "The certificate of erasure came after the limit";
    CertificateIncomplete "CERTIFICATE_INCOMPLETE" Copy "消去証明書の提出先の不足" "The certificate did not go to everyone who is owed it";
    ObligationMissed "OBLIGATION_MISSED" Duty "義務の不履行" "A duty was not done, and its time has passed";
    ObligationLate "OBLIGATION_LATE" Duty "義務の履行の遅れ" "A duty was done after its time";
    ForbiddenAct "FORBIDDEN_ACT" Entry "禁止された行為の記録" "Something was done that a clause or an obligation forbids";
    SequenceGap "SEQUENCE_GAP" Key "申告番号の欠け" "A key left out statement numbers: something was signed, or meant to be, and never came";
    AttestationStopped "ATTESTATION_STOPPED" Scheme "保持していないことの申告の途絶" "A system that must keep nothing has stopped to say so";
    ContractEnding "CONTRACT_ENDING" Scheme "契約の終了が近い保有" "A contract is near its end, and its party still holds copies";
    AssuranceMissing "ASSURANCE_MISSING" Copy "立会い・完了証明の欠如" "A medium went out of use without a witness, and no certificate with photographs shows its erasure";
    ReturnedElsewhere "RETURNED_ELSEWHERE" Copy "返却すべき相手以外への返却" "Given back to a party to which it does not go back";
    DeletedEarly "DELETED_EARLY" Copy "保存期間満了前の消去" "Deleted before the time for which it must be kept";
    KeyDistrusted "KEY_DISTRUSTED" Key "信頼できない時点の後も有効だった鍵" "A revoked key was still accepted after the time from which it is not trusted";
}

impl FindingCode {
    /// What is found of the same thing before this is: what is said of that is said of this, too.
    pub(crate) fn before(self) -> &'static [Self] {
        match self {
            Self::DeletedLate => &[Self::Overdue],
            Self::ObligationLate => &[Self::ObligationMissed],
            Self::CertificateIncomplete => &[Self::CertificateMissing],
            Self::CertificateLate => &[Self::CertificateMissing, Self::CertificateIncomplete],
            _ => &[],
        }
    }

    /// The code with this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.word() == word)
    }
}

impl Serialize for FindingCode {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.word())
    }
}

impl<'de> Deserialize<'de> for FindingCode {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let word = String::deserialize(d)?;
        Self::parse(&word).ok_or_else(|| serde::de::Error::custom(format!("`{word}` is no finding code")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_findings_says_what_each_is_about() {
        let page = include_str!("../../../docs/formats/custody.md");
        for code in FindingCode::ALL {
            let row = page.lines().find(|line| line.starts_with(&format!("| `{}` ", code.word())));
            let row = row.unwrap_or_else(|| panic!("no row for {}", code.word()));
            let about = match row.split('|').nth(2).expect("a cell").trim() {
                "copy" => About::Copy,
                "data set" => About::DataSet,
                "handover" | "handover or flow" => About::Handover,
                "party or party/member" => About::Party,
                "duty" => About::Duty,
                "`key/<id>`" => About::Key,
                "`entry/<index>`" => About::Entry,
                "flow" | "flow or kind" | "system" | "contract" => About::Scheme,
                other => panic!("{}: {other}", code.word()),
            };
            assert_eq!(code.about(), about, "{}", code.word());
        }
    }
}
