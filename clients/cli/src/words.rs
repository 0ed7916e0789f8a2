//! Events, verdicts and states in words.

use daicho_core::proto::{self, event::Fact};

use crate::scheme::Lang;
use crate::table::plain;

/// What follows the wire name of an event: its Japanese name in brackets; nothing in English.
pub(crate) fn event_name_suffix(name: &str, lang: Lang) -> String {
    let ja = match name {
        "ledger_opened" => "台帳の開設",
        "party_registered" => "当事者の登録",
        "member_registered" => "構成員の登録",
        "key_authorized" => "鍵の承認",
        "key_revoked" => "鍵の失効",
        "document_chunk" => "文書の記録",
        "scheme_enacted" => "事業の施行",
        "deadline_set" => "期限の設定",
        "contract_settled" => "契約の確定",
        "subcontract_approved" => "再委託の承諾",
        "recipient_approved" => "提供先の承認",
        "checkpoint_keys_named" => "検査点の鍵の指定",
        "sealed" => "封緘",
        "reads_logged" => "閲覧の記録",
        "clock_stepped" => "時計の変更",
        "ward_rule_set" => "区の鍵の連署の定め",
        "collected" => "収集",
        "handover_given" => "引渡し",
        "handover_received" => "受領",
        "derived" => "作成・入力",
        "printed" => "印刷",
        "copied" => "複写",
        "milestone_reached" => "契機の到来",
        "deleted" => "消去",
        "returned" => "返却",
        "deletion_certified" => "消去証明書の提出",
        "deletion_confirmed" => "消去の確認",
        "deletion_deferred" => "消去の延期",
        "relayed" => "中継",
        "non_persistence_attested" => "非保持の確認",
        "corrected" => "訂正",
        "act_performed" => "実施の記録",
        "finding_decided" => "指摘への決定",
        _ => "",
    };
    match lang {
        Lang::Ja if !ja.is_empty() => format!("（{ja}）"),
        _ => String::new(),
    }
}

/// An event as one phrase.
pub(crate) fn event(event: &proto::Event, lang: Lang) -> String {
    let phrase = match &event.fact {
        Some(fact) => governance(fact, lang).or_else(|| movement(fact, lang)).or_else(|| ending(fact, lang)),
        None => None,
    };
    let phrase = phrase.unwrap_or_else(|| {
        lang.either("この版では読めない事象", "an event unknown to this version").to_owned()
    });
    let behalf = &event.on_behalf_of;
    let behalf = match (behalf.is_empty(), lang) {
        (true, _) => String::new(),
        (false, Lang::Ja) => format!("（{behalf} に代わって）"),
        (false, Lang::En) => format!(" (for {behalf})"),
    };
    plain(&format!("{phrase}{behalf}"))
}

/// Parties, keys, documents, schemes, contracts.
fn governance(fact: &Fact, lang: Lang) -> Option<String> {
    Some(match fact {
        Fact::LedgerOpened(f) => {
            lang.either(format!("台帳 {} を開設", f.origin), format!("ledger {} opened", f.origin))
        }
        Fact::PartyRegistered(f) => lang.either(
            format!("当事者 {}（{}）を登録", f.party, f.label),
            format!("party {} ({}) registered", f.party, f.label),
        ),
        Fact::MemberRegistered(f) => lang.either(
            format!("{} の構成員 {}（{}）を登録", f.party, f.member, f.label),
            format!("member {} ({}) of {} registered", f.member, f.label, f.party),
        ),
        Fact::KeyAuthorized(f) => lang.either(
            format!("{} の鍵を承認（{}）", f.party, f.purpose),
            format!("key of {} authorised ({})", f.party, f.purpose),
        ),
        Fact::WardRuleSet(f) => {
            let (m, n) = (f.threshold, f.key_ids.len());
            lang.either(
                format!("区の鍵は{n}本のうち{m}本の連署を要するものと定める"),
                format!("the ward's rule is {m} of {n} keys"),
            )
        }
        Fact::KeyRevoked(f) => {
            let key = short(&f.key_id);
            lang.either(
                format!("鍵 {key} を失効（{}）", f.reason),
                format!("key {key} revoked ({})", f.reason),
            )
        }
        Fact::DocumentChunk(f) => {
            let (document, piece) = (short(&f.document), f.index.saturating_add(1));
            lang.either(
                format!("文書 {document} を記録（{piece}/{}）", f.count),
                format!("document {document} recorded ({piece}/{})", f.count),
            )
        }
        Fact::SchemeEnacted(f) => lang.either(
            format!("事業 {} 第{}版を施行", f.scheme, f.version),
            format!("scheme {} version {} enacted", f.scheme, f.version),
        ),
        Fact::DeadlineSet(f) => deadline(f, lang),
        Fact::ContractSettled(f) => {
            let who = if f.identity.is_empty() { &f.party } else { &f.identity };
            let who = if who.is_empty() { String::new() } else { format!(": {who}") };
            lang.either(
                format!("契約 {} を確定{who}", f.contract),
                format!("contract {} settled{who}", f.contract),
            )
        }
        Fact::SubcontractApproved(f) => {
            let who = with_member(&f.party, &f.member);
            lang.either(
                format!("契約 {} の再委託を承諾: {who}", f.contract),
                format!("subcontractor {who} approved under {}", f.contract),
            )
        }
        Fact::RecipientApproved(f) => {
            let who = with_member(&f.party, &f.member);
            lang.either(format!("提供先 {who} を承認"), format!("recipient {who} approved"))
        }
        Fact::CheckpointKeysNamed(f) => lang.either(
            format!("検査点に署名する鍵を指定（{}個）", f.keys.len()),
            format!("{} keys named to sign checkpoints", f.keys.len()),
        ),
        Fact::Sealed(f) => lang.either(
            format!("記録 {} までを封緘", f.after_entry),
            format!("sealed up to entry {}", f.after_entry),
        ),
        Fact::ReadsLogged(f) => {
            let reads: u64 = f.readers.iter().map(|reader| reader.reads).sum();
            lang.either(
                format!("{} の閲覧 {reads}件（鍵 {}個）", f.day, f.readers.len()),
                format!("{}: {reads} reads by {} keys", f.day, f.readers.len()),
            )
        }
        Fact::ClockStepped(f) => {
            let seconds = f.found_ms.saturating_sub(f.expected_ms) / 1_000;
            lang.either(format!("時計が {seconds:+} 秒動いた"), format!("the clock went by {seconds:+} s"))
        }
        Fact::Corrected(f) => {
            let event = f.event.saturating_add(1);
            lang.either(
                format!("記録 {} の {event} 番目の事象を訂正: {}", f.entry_index, f.correction),
                format!("event {event} of entry {} corrected: {}", f.entry_index, f.correction),
            )
        }
        Fact::FindingDecided(f) => {
            let decision = match f.decision() {
                proto::FindingDecision::Accepted => lang.either("了承", "accepted"),
                proto::FindingDecision::Guided => lang.either("指導", "guided"),
                proto::FindingDecision::Published => lang.either("公表", "published"),
                proto::FindingDecision::Unspecified => "?",
            };
            lang.either(
                format!("指摘 {} ({}) への決定: {decision}、{}", f.code, f.object, f.ground),
                format!("finding {} ({}) {decision}: {}", f.code, f.object, f.ground),
            )
        }
        Fact::ActPerformed(f) => {
            let target = if f.target.is_empty() { String::new() } else { format!(" ({})", f.target) };
            lang.either(format!("実施: {}{target}", f.kind), format!("done: {}{target}", f.kind))
        }
        _ => return None,
    })
}

fn deadline(f: &proto::DeadlineSet, lang: Lang) -> String {
    let rule = if f.rule.is_empty() { lang.either("事業全体", "the scheme") } else { &f.rule };
    let limits = [
        &f.deadline,
        &f.longest_wait,
        &f.keep_at_least,
        &f.certificate_within,
        &f.acknowledge_within,
        &f.report_within,
        &f.closing_time,
        &f.attest_within,
        &f.warn_before,
    ];
    let limits: Vec<&str> =
        limits.into_iter().map(String::as_str).filter(|limit| !limit.is_empty()).collect();
    let limits = limits.join(", ");
    lang.either(format!("{rule} の期限を設定: {limits}"), format!("deadline of {rule} set: {limits}"))
}

/// Data that comes, goes and is made.
fn movement(fact: &Fact, lang: Lang) -> Option<String> {
    Some(match fact {
        Fact::Collected(f) => {
            let persons: u64 = f.data_sets.iter().map(|set| set.subject_count).fold(0, u64::saturating_add);
            let sets = several(f.data_sets.iter().map(|set| set.id.as_str()), lang);
            lang.either(
                format!("収集: {sets}（{persons} 人分、{}）", f.flow),
                format!("collected {sets} (data of {persons} persons, {})", f.flow),
            )
        }
        Fact::HandoverGiven(f) => {
            let copies = several(f.copies.iter().map(|part| part.copy.as_str()), lang);
            let to = with_member(&f.to_party, &f.to_member);
            let (to_ja, to_en) = if to.is_empty() {
                (String::new(), String::new())
            } else {
                (format!("{to} へ"), format!(" to {to}"))
            };
            lang.either(
                format!("引渡し {}: {to_ja}{copies}", f.handover),
                format!("handover {}: gave {copies}{to_en}", f.handover),
            )
        }
        Fact::HandoverReceived(f) => {
            let sets = several(f.received.iter().map(|set| set.data_set.as_str()), lang);
            lang.either(
                format!("受領 {}: {sets}", f.handover),
                format!("handover {}: received {sets}", f.handover),
            )
        }
        Fact::Derived(f) => made(lang.either("作成・入力", "derived"), &f.from_copies, &f.copies, lang),
        Fact::Printed(f) => made(lang.either("印刷", "printed"), &f.from_copies, &f.copies, lang),
        Fact::Copied(f) => made(lang.either("複写", "copied"), &f.from_copies, &f.copies, lang),
        Fact::MilestoneReached(f) => {
            let targets = several(f.targets.iter().map(String::as_str), lang);
            lang.either(
                format!("契機 {}: {targets}", f.milestone),
                format!("milestone {} reached: {targets}", f.milestone),
            )
        }
        Fact::Relayed(f) => lang.either(
            format!("中継 {}: 入 {}、出 {}", f.flow, f.count_in, f.count_out),
            format!("relayed {}: {} in, {} out", f.flow, f.count_in, f.count_out),
        ),
        _ => return None,
    })
}

/// Data that ends, and its proofs.
fn ending(fact: &Fact, lang: Lang) -> Option<String> {
    Some(match fact {
        Fact::Deleted(f) => {
            let copies = several(f.copies.iter().map(|part| part.copy.as_str()), lang);
            let how = method(f.method, lang);
            let medium = match f.medium() {
                proto::MediumFate::Unspecified => "",
                proto::MediumFate::Disposed => lang.either("、媒体は廃棄", ", medium disposed of"),
                proto::MediumFate::Released => lang.either("、媒体は返却・転用", ", medium released"),
            };
            lang.either(
                format!("消去: {copies}（{how}{medium}）"),
                format!("deleted {copies} ({how}{medium})"),
            )
        }
        Fact::Returned(f) => {
            let copies = several(f.copies.iter().map(|part| part.copy.as_str()), lang);
            lang.either(
                format!("返却: {} へ {copies}", f.to_party),
                format!("returned {copies} to {}", f.to_party),
            )
        }
        Fact::DeletionCertified(f) => {
            let copies = several(f.copies.iter().map(String::as_str), lang);
            lang.either(
                format!("消去証明書 {}: {copies}", f.certificate),
                format!("certificate {} covers {copies}", f.certificate),
            )
        }
        Fact::DeletionConfirmed(f) => {
            let copies = several(f.copies.iter().map(String::as_str), lang);
            lang.either(
                format!("消去を確認: {copies}（{}）", f.manner),
                format!("deletion of {copies} confirmed ({})", f.manner),
            )
        }
        Fact::DeletionDeferred(f) => {
            let copies = several(f.copies.iter().map(String::as_str), lang);
            lang.either(
                format!("消去を {} まで延期: {copies}", f.until),
                format!("deletion of {copies} deferred until {}", f.until),
            )
        }
        Fact::NonPersistenceAttested(f) if f.data_sets.is_empty() => lang.either(
            format!("{} に保持がないことを確認", f.system),
            format!("nothing kept at {} attested", f.system),
        ),
        Fact::NonPersistenceAttested(f) => {
            let kinds = several(f.data_sets.iter().map(String::as_str), lang);
            lang.either(
                format!("{} に {kinds} の保持がないことを確認", f.system),
                format!("nothing of {kinds} kept at {} attested", f.system),
            )
        }
        _ => return None,
    })
}

/// What is not made from recorded copies comes from outside of them: then nothing is said of a source.
fn made(verb: &str, from: &[String], copies: &[proto::Copy], lang: Lang) -> String {
    let copies = several(copies.iter().map(|copy| copy.id.as_str()), lang);
    if from.is_empty() {
        return lang.either(format!("{verb}: {copies}"), format!("{verb} {copies}"));
    }
    let from = several(from.iter().map(String::as_str), lang);
    lang.either(format!("{verb}: {from} から {copies}"), format!("{verb} {copies} from {from}"))
}

fn method(method: i32, lang: Lang) -> &'static str {
    match proto::SanitizationMethod::try_from(method) {
        Ok(proto::SanitizationMethod::Clear) => lang.either("上書き等（Clear）", "clear"),
        Ok(proto::SanitizationMethod::Purge) => lang.either("除去（Purge）", "purge"),
        Ok(proto::SanitizationMethod::Destroy) => lang.either("物理的破壊（Destroy）", "destroy"),
        Ok(proto::SanitizationMethod::CryptographicErase) => {
            lang.either("暗号鍵の消去", "cryptographic erase")
        }
        Ok(proto::SanitizationMethod::Unspecified) | Err(_) => {
            lang.either("方法の記載なし", "method not stated")
        }
    }
}

/// The first id and how many more there are.
fn several<'a>(ids: impl ExactSizeIterator<Item = &'a str>, lang: Lang) -> String {
    let count = ids.len();
    match (ids.into_iter().next(), count) {
        (None, _) => lang.either("なし", "nothing").to_owned(),
        (Some(first), 1) => first.to_owned(),
        (Some(first), _) => {
            lang.either(format!("{first} ほか{}件", count - 1), format!("{first} and {} more", count - 1))
        }
    }
}

fn with_member(party: &str, member: &str) -> String {
    if member.is_empty() { party.to_owned() } else { format!("{party}/{member}") }
}

/// The first digits of a hash or key id.
pub(crate) fn short(bytes: &[u8]) -> String {
    hex::encode(&bytes[..bytes.len().min(4)])
}

/// A word of the wire for a person. Unknown ones stay as they are.
pub(crate) fn state(word: &str, lang: Lang) -> &str {
    if lang == Lang::En {
        return word;
    }
    match word {
        // Those of reports: `Verdict::label`, `Evidence::label`.
        "not-triggered" => "契機未到来(保有中)",
        "due" => "期限内(保有中)",
        "on-time" => "期限内消去",
        "late" => "期限後消去",
        "overdue" => "期限超過",
        "returned" => "期限内返却",
        "moved" => "引渡し済",
        "deferred" => "延期中",
        "no-schedule" => "期限の定めなし",
        "not-judged" => "判定対象外",
        "none" => "証拠なし",
        "attested" => "申告",
        "certified" => "証明書",
        "confirmed" => "区が確認",
        "sent" => "引渡しの記録のみ",
        "received" => "受領の記録のみ",
        "matched" => "一致",
        "mismatched" => "不一致",
        "unacknowledged" => "未受領",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn derived(from: &[&str]) -> proto::Event {
        let copy = proto::Copy { id: "b".to_owned(), ..Default::default() };
        let from_copies = from.iter().map(|id| (*id).to_owned()).collect();
        let fact = Fact::Derived(proto::Derived { from_copies, copies: vec![copy], ..Default::default() });
        proto::Event { fact: Some(fact), ..Default::default() }
    }

    #[test]
    fn verdicts_and_evidence_have_the_words_of_reports() {
        use daicho_custody::{Evidence, Verdict};
        for verdict in Verdict::ALL {
            assert_eq!(state(verdict.word(), Lang::Ja), verdict.label().ja);
        }
        for evidence in [Evidence::None, Evidence::Attested, Evidence::Certified, Evidence::Confirmed] {
            assert_eq!(state(evidence.word(), Lang::Ja), evidence.label().ja);
        }
    }

    #[test]
    fn what_is_made_from_no_recorded_copy_has_no_source() {
        assert_eq!(event(&derived(&[]), Lang::En), "derived b");
        assert_eq!(event(&derived(&[]), Lang::Ja), "作成・入力: b");
        assert_eq!(event(&derived(&["a"]), Lang::En), "derived b from a");
        assert_eq!(event(&derived(&["a", "c"]), Lang::Ja), "作成・入力: a ほか1件 から b");
    }
}
