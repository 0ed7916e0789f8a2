//! Media that held personal data: which methods of erasure suffice, and what must assure it.
//!
//! Two sources, for two cases. The data goes and the medium stays in use: the Personal Information Protection
//! Commission's guideline on specific personal information asks that part of a file be not easily recovered, which
//! every method does. The medium or device itself goes out of use: the ministry's guideline on the security policies
//! of local governments (2020-12) decides by what it held. Paper is burnt, dissolved or shredded in either case.

use daicho_core::proto::{MediumFate, SanitizationMethod};

use crate::Detail;
use crate::scheme::{Confidentiality, System};
use crate::state::{CopyChange, CopyFact};

/// Kind of system whose medium is the paper itself.
const PAPER: &str = "paper";

/// The methods that suffice to erase data at `system` whose medium meets this fate. `None`: not judged.
fn sufficient(system: &System, fate: MediumFate) -> Option<&'static [SanitizationMethod]> {
    use SanitizationMethod::{Clear, CryptographicErase, Destroy, Purge};
    if system.kind == PAPER {
        return Some(&[Destroy]);
    }
    match (fate, system.confidentiality?) {
        (MediumFate::Unspecified, _) | (_, Confidentiality::C1) => {
            Some(&[Clear, Purge, Destroy, CryptographicErase])
        }
        // Erasing the key withstands a laboratory as purging does (NIST SP 800-88r2 section 3.1).
        (_, Confidentiality::C2Plus) => Some(&[Purge, Destroy, CryptographicErase]),
        (_, Confidentiality::MynumberSegment) => Some(&[Destroy]),
    }
}

/// What is wrong with the method, in words: which would suffice. `None`: nothing.
pub(crate) fn insufficient(system: &System, fate: MediumFate, method: SanitizationMethod) -> Option<Detail> {
    let methods = sufficient(system, fate).filter(|methods| !methods.contains(&method))?;
    Some(Detail::Method { used: method, wanted: methods.to_vec() })
}

/// Whether an erasure at `system` must be witnessed, or shown by a certificate with photographs.
///
/// The guideline asks it of media that go out of use and held data of confidentiality 2 or higher. Paper is shredded
/// every day; its assurance is that of the rule.
fn needs_assurance(system: &System, fate: MediumFate) -> bool {
    fate != MediumFate::Unspecified
        && system.kind != PAPER
        && matches!(system.confidentiality, Some(Confidentiality::MynumberSegment | Confidentiality::C2Plus))
}

/// The first erasure of a copy at `system` that needs assurance and has none among what happened to it.
pub(crate) fn unassured<'f>(system: &System, facts: &'f [CopyFact]) -> Option<&'f CopyFact> {
    facts.iter().find(|fact| {
        let CopyChange::Deleted { medium, witnesses, photographs, .. } = &fact.what else { return false };
        let fate = MediumFate::try_from(*medium).unwrap_or_default();
        needs_assurance(system, fate) && *witnesses == 0 && !certified_with(facts, fact, *photographs)
    })
}

/// Whether a certificate was handed out for the erasure, and photographs show it: with either of the two.
fn certified_with(facts: &[CopyFact], erased: &CopyFact, photographs: u32) -> bool {
    facts.iter().filter(|fact| fact.fact.entry >= erased.fact.entry).any(|fact| match &fact.what {
        CopyChange::Certified { photographs: more, .. } => photographs + more > 0,
        _ => false,
    })
}

/// The method as the guideline names it.
pub(crate) fn method_label(method: SanitizationMethod) -> &'static str {
    match method {
        SanitizationMethod::Unspecified => "不明",
        SanitizationMethod::Clear => "上書き等（Clear）",
        SanitizationMethod::Purge => "除去（Purge）",
        SanitizationMethod::Destroy => "物理的破壊（Destroy）",
        SanitizationMethod::CryptographicErase => "暗号鍵の消去",
    }
}

/// The method as a word of findings and reports.
pub fn method_word(method: SanitizationMethod) -> &'static str {
    match method {
        SanitizationMethod::Unspecified => "unspecified",
        SanitizationMethod::Clear => "clear",
        SanitizationMethod::Purge => "purge",
        SanitizationMethod::Destroy => "destroy",
        SanitizationMethod::CryptographicErase => "cryptographic erase",
    }
}
