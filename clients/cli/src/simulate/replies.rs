//! What is said about findings after they arose: the parties correct and dispute, the ward decides. None of it removes one.

use std::collections::BTreeMap;

use daicho_core::proto::{self, FindingDecision, event::Fact};
use daicho_core::{EntryIndex, Instant};
use daicho_custody::{AnswerKind, FindingCode};

use super::calendar::at;
use super::faults::{Fault, Seen};
use super::plan::{Part, Signer, Step};

/// Something said about what a fault was found as.
pub(crate) struct Reply {
    scheme: &'static str,
    fault: Fault,
    code: FindingCode,
    kind: AnswerKind,
    /// The party that says it, as the scheme names it.
    by: &'static str,
    /// In Japanese: it goes to officials.
    text: &'static str,
}

/// In the order in which they are said.
const REPLIES: [Reply; 6] = [
    Reply {
        scheme: "mynumber_card_application_support",
        fault: Fault::CarriedOtherwise,
        code: FindingCode::ChannelNotApproved,
        kind: AnswerKind::Dispute,
        by: "contractor",
        text: "一覧は窓口で当社の担当者が対面で受け取っており、置いたままにはされていない。",
    },
    Reply {
        scheme: "convenience_store_certificate_issuance",
        fault: Fault::TakenOut,
        code: FindingCode::ForbiddenAct,
        kind: AnswerKind::Correction,
        by: "fujitsu",
        text: "持ち出した媒体には機器の診断記録だけがあり、個人情報は含まれていなかった。",
    },
    Reply {
        scheme: "convenience_store_certificate_issuance",
        fault: Fault::TakenOut,
        code: FindingCode::ForbiddenAct,
        kind: AnswerKind::Guided,
        by: "ward",
        text: "媒体の中身にかかわらず、持出しの前に申請するよう指導した。",
    },
    Reply {
        scheme: "special_cash_benefit",
        fault: Fault::CertificateLate,
        code: FindingCode::CertificateLate,
        kind: AnswerKind::Accepted,
        by: "ward",
        text: "遅れの理由と証明書の内容を確かめ、了承した。",
    },
    Reply {
        scheme: "special_cash_benefit",
        fault: Fault::UnapprovedSubcontractor,
        code: FindingCode::SubcontractNotApproved,
        kind: AnswerKind::Published,
        by: "ward",
        text: "承諾のない再委託として、経緯と再発防止策を公表した。",
    },
    Reply {
        scheme: "nhi_premium_payment",
        fault: Fault::NeverDeleted,
        code: FindingCode::Overdue,
        kind: AnswerKind::Guided,
        by: "ward",
        text: "ただちに消去し、消去証明書を出すよう指導した。",
    },
];

/// When it is said: the day before the scheme is judged.
pub(crate) fn time(part: &Part) -> Instant {
    at(part.as_of.jst_day().plus_days(-1), 10, 30)
}

/// What is said about the findings of a scheme, as far as their faults are in the run.
pub(crate) fn of(part: &Part) -> impl Iterator<Item = &'static Reply> {
    let injected = |reply: &&Reply| part.injected.iter().any(|one| one.fault == reply.fault);
    REPLIES.iter().filter(|reply| reply.scheme == part.id).filter(injected)
}

/// How many of each kind.
pub(crate) fn counts(part: &Part) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    for reply in of(part) {
        *counts.entry(reply.kind.word()).or_default() += 1;
    }
    counts
}

impl Reply {
    /// As a statement. `found`: the findings, each with the first entry that shows it. `None`: it is not among them.
    pub(crate) fn step(&self, part: &Part, found: &[(Seen, Option<EntryIndex>)]) -> Option<Step> {
        let caused = |seen: &Seen| {
            let mut injected = part.injected.iter();
            seen.code == self.code && injected.any(|one| one.fault == self.fault && one.explains(seen))
        };
        let (seen, entry) = found.iter().find(|(seen, _)| caused(seen))?;
        let decided = |decision: FindingDecision| {
            Fact::FindingDecided(proto::FindingDecided {
                code: seen.code.word().to_owned(),
                object: seen.object.clone(),
                decision: decision as i32,
                ground: self.text.to_owned(),
                document: Vec::new(),
            })
        };
        let fact = match self.kind {
            AnswerKind::Correction | AnswerKind::Dispute => Fact::Corrected(proto::Corrected {
                entry_index: (*entry)?.get(),
                event: 0,
                correction: self.text.to_owned(),
            }),
            AnswerKind::Accepted => decided(FindingDecision::Accepted),
            AnswerKind::Guided => decided(FindingDecision::Guided),
            AnswerKind::Published => decided(FindingDecision::Published),
        };
        let event = proto::Event {
            occur_time_ms: time(part).unix_ms(),
            scheme: part.id.clone(),
            fact: Some(fact),
            ..Default::default()
        };
        let signer = Signer::of(&part.id, self.by, "");
        Some(Step { at: time(part), signer, events: vec![event], refused: false })
    }
}
