//! The named faults: what can be made to go wrong, and what each instance must show as.

use std::collections::{BTreeMap, BTreeSet};

use daicho_core::Instant;
use daicho_custody::FindingCode;
use daicho_custody::scheme::Text;

macro_rules! faults {
    ($($variant:ident $word:literal $ja:literal $en:literal;)*) => {
        /// A kind of fault.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) enum Fault { $(#[doc = $en] $variant,)* }

        impl Fault {
            /// Every fault.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word of the command line.
            pub(crate) fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// What goes wrong.
            pub(crate) fn meaning(self) -> Text {
                match self { $(Self::$variant => Text { ja: $ja.into(), en: $en.into() },)* }
            }
        }
    };
}

faults! {
    LateDeletion "late-deletion" "期限に遅れて消去する" "Erased after the deadline";
    NeverDeleted "never-deleted" "消去しない" "Never erased";
    MissingAcknowledgement "missing-acknowledgement" "受取側が受領を記録しない" "The taker never says that it got it";
    UnapprovedSubcontractor "unapproved-subcontractor" "承諾のない相手に渡す" "Handed to a subcontractor without consent";
    ExtraItems "extra-items" "承認されていない項目を含める" "Items that were not approved";
    SensitiveHandedOut "sensitive-handed-out" "除外すべき人の情報を受託者に渡す" "A protected person's data reaches a contractor";
    KeptOnRelay "kept-on-relay" "中継する機器に残す" "Kept where data only passes";
    CertificateToKoOnly "certificate-to-ko-only" "証明書を甲だけに出す" "The certificate goes to the ward alone";
    CertificateLate "certificate-late" "消去証明書の提出が遅れる" "The certificate of erasure comes late";
    HandlersNamedLate "handlers-named-late" "取扱者の届出が遅れる" "The handlers are named after the first receipt";
    AuditLeftOut "audit-left-out" "年度の監査をしない" "No audit in a fiscal year";
    ReportLeftOut "report-left-out" "毎月の報告を欠く" "A monthly report is left out";
    NoPenaltyNotice "no-penalty-notice" "再委託先へ罰則を周知しない" "The subcontractor is not told of the penalties";
    SheetLeftOut "sheet-left-out" "再委託契約に特記事項を付けない" "A subcontract without its clause sheet";
    IncidentNotWrittenUp "incident-not-written-up" "事故の書面報告をしない" "An incident is not reported in writing";
    StaffNotTrained "staff-not-trained" "従事者を教育しない" "The staff are not trained";
    CopiedAside "copied-aside" "禁じられた複製を作る" "A copy is made that the contract forbids";
    CheckedByOne "checked-by-one" "二人で行う確認を一人で済ませる" "A double check is done by one person";
    CarriedOtherwise "carried-otherwise" "承認と異なる方法で渡す" "Handed over in another way than the approved one";
    TakenOut "taken-out" "庁舎外へ持ち出す" "Something is taken out of the building";
    AccessNotRevised "access-not-revised" "従事者が替わってもアクセス権限を直さない" "Staff change and access rights stay";
    MediaReturnedLate "media-returned-late" "記録媒体の返却が遅れる" "Media come back late";
    WeakMethod "weak-method" "廃棄する媒体を上書きだけで済ませ、立会いも写真もない" "A medium is disposed of after a mere overwrite, unseen";
    MilestoneWithheld "milestone-withheld" "契機を申告せず保有し続ける" "The fact that starts the clock is never stated";
    DeletedEarly "deleted-early" "保存期間の満了前に消去する" "Erased before the time for which it must be kept";
    NumberLeftOut "number-left-out" "拒否された申告を出し直さない" "A refused statement is never sent again";
    AttestationStopped "attestation-stopped" "保持していないことの申告をやめる" "A system that keeps nothing stops to say so";
    ContractEnding "contract-ending" "契約の終了が近いのに複製が残る" "A contract is near its end, and copies are still there";
}

/// The faults of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FaultSet(BTreeSet<Fault>);

impl FaultSet {
    /// Every fault.
    pub(crate) fn all() -> Self {
        Self(Fault::ALL.iter().copied().collect())
    }

    /// One fault alone.
    #[cfg(test)]
    pub(crate) fn only(fault: Fault) -> Self {
        Self([fault].into())
    }

    /// Reads `none`, `all` or names with commas between them.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "none" => return Ok(Self::default()),
            "all" => return Ok(Self::all()),
            _ => {}
        }
        let words = || Fault::ALL.iter().map(|fault| fault.word()).collect::<Vec<_>>().join(", ");
        let one = |word: &str| {
            let found = Fault::ALL.iter().copied().find(|fault| fault.word() == word);
            found.ok_or_else(|| format!("`{word}` is no fault; there are: none, all, {}", words()))
        };
        text.split(',').map(|word| one(word.trim())).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a fault is in it.
    pub(crate) fn contains(&self, fault: Fault) -> bool {
        self.0.contains(&fault)
    }
}

/// One thing that was made to go wrong, with what it must be found as.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Injected {
    /// The kind of fault.
    pub(crate) fault: Fault,
    /// When.
    pub(crate) at: Instant,
    /// What, in words.
    pub(crate) what: Text,
    /// The findings that it causes, cascades included.
    pub(crate) findings: Vec<(FindingCode, u64)>,
    /// What they are about, beside what stands before the colon of its words.
    pub(crate) objects: &'static [&'static str],
}

impl Injected {
    /// Whether a finding is about what this touched.
    pub(crate) fn explains(&self, finding: &Seen) -> bool {
        let touched = match self.fault {
            // An entry and a key, which have no name.
            Fault::TakenOut => finding.detail == "taken-out by fujitsu",
            Fault::NumberLeftOut => finding.detail.ends_with("of special_cash_benefit/toppan_forms"),
            _ => self.what.en.split_once(':').is_some_and(|(id, _)| names(&finding.object, id)),
        };
        let code = self.findings.iter().any(|(code, _)| *code == finding.code);
        code && (touched || self.objects.contains(&finding.object.as_str()))
    }
}

/// Whether an object's name has this one in it, whole: `c-tx-1` names `tx-1`, and `tx-10` does not.
fn names(object: &str, id: &str) -> bool {
    let joint = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
    let found = object.match_indices(id).any(|(at, _)| {
        joint(object[..at].chars().next_back()) && joint(object[at + id.len()..].chars().next())
    });
    !id.is_empty() && found
}

/// A finding as the ledger has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) code: FindingCode,
    pub(crate) object: String,
    pub(crate) detail: String,
}

impl Seen {
    pub(crate) fn new(code: FindingCode, object: &str, detail: &str) -> Self {
        Self { code, object: object.to_owned(), detail: detail.to_owned() }
    }
}

/// How many findings there are of each code.
pub(crate) type Counts = BTreeMap<FindingCode, u64>;

/// Findings by code.
pub(crate) fn by_code(codes: impl IntoIterator<Item = FindingCode>) -> Counts {
    let mut counts = Counts::new();
    for code in codes {
        *counts.entry(code).or_default() += 1;
    }
    counts
}

/// The findings that faults cause together.
pub(crate) fn total(injected: &[Injected]) -> Counts {
    let mut counts = Counts::new();
    for (code, n) in injected.iter().flat_map(|one| &one.findings) {
        *counts.entry(*code).or_default() += n;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_named_on_the_command_line() {
        assert_eq!(FaultSet::parse("none"), Ok(FaultSet::default()));
        assert_eq!(FaultSet::parse("all").map(|set| set.0.len()), Ok(28));
        let two = FaultSet::parse("late-deletion, extra-items").expect("two faults");
        assert!(two.contains(Fault::LateDeletion) && two.contains(Fault::ExtraItems));
        assert!(FaultSet::parse("late-deletion,nonsense").is_err_and(|text| text.contains("kept-on-relay")));
    }
}
