//! Parties, systems, data set kinds, obligations.

use std::collections::BTreeSet;

use super::{Context, at, contracts_binding, storage_of};
use crate::scheme::{Check, Identity, Obligation, Party, PartyRole, Storage, System};

pub(super) fn check(cx: &mut Context<'_>) {
    let scheme = cx.scheme;
    for party in &scheme.parties {
        identity(cx, party);
        groups(cx, party);
        silent(cx, party);
    }
    for system in &scheme.systems {
        medium(cx, system);
        owner(cx, system);
        unused(cx, system);
    }
    for kind in scheme.data_sets.iter().filter(|d| !d.items_complete) {
        let source = kind.items_source.as_deref().unwrap_or("記載なし");
        cx.note(
            "incomplete-items",
            at("data_set", &kind.id, "items_complete"),
            format!("項目の全体がありません({source})。挙げられていない項目は判定されません"),
            format!("the list of items is not whole ({source}); items that it lacks are not judged"),
        );
    }
    for obligation in &scheme.obligations {
        same_duty(cx, obligation);
        recipients(cx, obligation);
        if matches!(obligation.check, Check::Periodic { every: None, once: false, .. }) {
            cx.note(
                "period-without-number",
                at("obligation", &obligation.id, "check"),
                "定期的にとありますが、間隔が書かれていません".into(),
                "it is owed at intervals that the source does not give".into(),
            );
        }
    }
}

fn identity(cx: &mut Context<'_>, p: &Party) {
    match p.identity {
        Identity::Undetermined => cx.note(
            "undetermined-party",
            at("party", &p.id, "identity"),
            "当事者が決まっていません。契約の事象が名指しするまで署名できません".into(),
            "nobody is named; it cannot sign before a contract event names somebody".into(),
        ),
        Identity::NotNamed => cx.warning(
            "unnamed-recipient",
            at("party", &p.id, "identity"),
            "情報を受ける者を書面が名指ししていません".into(),
            "the paper does not name who receives the data".into(),
        ),
        Identity::Named | Identity::Set => {}
    }
    if let Some(source) = &p.list_source {
        cx.note(
            "missing-attachment",
            at("party", &p.id, "list_source"),
            format!("一覧は{source}にあり、手元にありません"),
            format!("the list is in {source}, which is not among the papers"),
        );
    }
    if !p.also_called.is_empty() {
        cx.note(
            "party-named-differently",
            at("party", &p.id, "also_called"),
            format!("書面に別の名でも現れます: {}", p.also_called.join("、")),
            format!("the paper has other names for it: {}", p.also_called.join(", ")),
        );
    }
}

fn groups(cx: &mut Context<'_>, p: &Party) {
    for group in &p.groups {
        let held = cx
            .scheme
            .data_sets
            .iter()
            .filter_map(|d| d.subjects.as_deref())
            .any(|s| s.contains(group.as_str()));
        if !held {
            cx.warning(
                "group-without-data-set",
                at("party", &p.id, "groups"),
                format!("「{group}」の情報を扱う種類も根拠もありません"),
                format!("no kind of data set, and so no legal basis, covers `{group}`"),
            );
        }
    }
}

/// A party that does not write needs somebody to speak for it.
fn silent(cx: &mut Context<'_>, p: &Party) {
    let speaker = p.reported_by.as_deref().and_then(|id| cx.scheme.party(id));
    if !p.writes && !speaker.is_some_and(|s| s.writes) {
        cx.error(
            "silent-party",
            at("party", &p.id, "reported_by"),
            "台帳に書かない当事者には、代わりに報告する書き手が要ります".into(),
            "a party that does not write needs a writing party that reports for it".into(),
        );
    }
}

fn medium(cx: &mut Context<'_>, s: &System) {
    for kind in s.recording_medium_of.iter().filter(|k| storage_of(s, k) == Storage::None) {
        cx.warning(
            "medium-that-stores-nothing",
            at("system", &s.id, "recording_medium_of"),
            format!("{kind}の記録媒体とされながら、保持しないともされています"),
            format!("named as the recording medium of {kind}, and said to keep nothing of it"),
        );
    }
}

fn owner(cx: &mut Context<'_>, s: &System) {
    if s.inferred.iter().any(|key| key == "owner") {
        cx.note(
            "owner-not-stated",
            at("system", &s.id, "owner"),
            "誰のものか書面にありません。値は推測です".into(),
            "the paper does not say whose it is; the value is a guess".into(),
        );
    }
}

fn unused(cx: &mut Context<'_>, s: &System) {
    let scheme = cx.scheme;
    let touched = scheme.flows.iter().any(|f| {
        let ends = [f.from.system.as_ref(), f.to.system.as_ref()].into_iter().flatten();
        ends.chain(&f.via).chain(&f.also_stored_at).chain(&f.media).any(|id| *id == s.id)
    });
    let inside = scheme.systems.iter().any(|x| x.within.as_ref() == Some(&s.id));
    if !touched && !inside && s.covered_by.is_none() {
        cx.note(
            "system-never-used",
            at("system", &s.id, ""),
            "どの流れにも現れず、covered_by もありません".into(),
            "no flow touches it, and no covered_by says how it shows in the ledger".into(),
        );
    }
}

fn same_duty(cx: &mut Context<'_>, o: &Obligation) {
    let other = o.same_duty_as.as_ref().and_then(|id| cx.scheme.obligations.iter().find(|x| x.id == *id));
    if let Some(other) = other
        && o.words != other.words
    {
        let (a, b) = (o.words.clone().unwrap_or_default(), other.words.clone().unwrap_or_default());
        cx.warning(
            "duty-words-differ",
            at("obligation", &o.id, "words"),
            format!("同じ義務が「{a}」と「{b}」({})で期限の語が違います", other.id),
            format!("one duty has two deadline words: `{a}` here, `{b}` in {}", other.id),
        );
    }
}

/// What a subcontractor owes to both of those above it elsewhere, it owes here to one.
fn recipients(cx: &mut Context<'_>, o: &Obligation) {
    let scheme = cx.scheme;
    let subs = o.who.iter().filter(|id| scheme.party(id).is_some_and(|p| p.role == PartyRole::SubProcessor));
    let mut missing = BTreeSet::new();
    for sub in subs.filter(|_| !o.to.is_empty()) {
        let above: BTreeSet<_> = contracts_binding(scheme, sub)
            .filter_map(|c| c.between.first())
            .filter(|p| !o.to.contains(p))
            .collect();
        let told = scheme.rules.iter().filter(|r| r.holders.contains(sub)).flat_map(|r| &r.recipients);
        missing.extend(told.filter(|p| above.contains(p)));
    }
    for party in missing {
        cx.note(
            "recipients-differ",
            at("obligation", &o.id, "to"),
            format!("証明書は{party}にも出すのに、この義務の宛先に{party}がありません"),
            format!("certificates go to {party} as well, but this is owed without telling {party}"),
        );
    }
}
