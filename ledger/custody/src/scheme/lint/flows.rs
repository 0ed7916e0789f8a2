//! Flows: legal basis, windows, who sees them, what they bring where.

use daicho_core::Date;

use super::{Context, acts_of, at, contracts_binding, storage_of};
use crate::scheme::{
    Act, Effect, End, Flow, Matter, Party, PartyRole, Personal, Scheme, Storage, System, Witness,
};

pub(super) fn check(cx: &mut Context<'_>) {
    for flow in &cx.scheme.flows {
        basis(cx, flow);
        windows(cx, flow);
        coupling(cx, flow);
        recipient(cx, flow);
        printing(cx, flow);
        media(cx, flow);
        witness(cx, flow);
        effect(cx, flow);
        excluded(cx, flow);
    }
}

fn basis(cx: &mut Context<'_>, f: &Flow) {
    if f.basis.is_empty() {
        cx.warning(
            "flow-without-basis",
            at("flow", &f.id, "basis"),
            "根拠となる事項がありません。使えば必ず指摘になります".into(),
            "no matter makes it lawful: every use is a finding".into(),
        );
    }
    if let Some(gap) = &f.basis_gap {
        cx.warning(
            "basis-incomplete",
            at("flow", &f.id, "basis_gap"),
            format!("根拠が足りません: {}", gap.ja),
            format!("the basis has a gap: {}", gap.en),
        );
    }
}

/// First and last day of a matter; a renewed matter has no last day.
fn window(m: &Matter) -> (Option<Date>, Option<Date>) {
    let start = m.start.or_else(|| m.phases.iter().filter_map(|p| p.start).min());
    let last_phase = || {
        let all_end = !m.phases.is_empty() && m.phases.iter().all(|p| p.end.is_some());
        all_end.then(|| m.phases.iter().filter_map(|p| p.end).max()).flatten()
    };
    let end = if m.renewal.is_some() { None } else { m.end.or_else(last_phase) };
    (start, end)
}

fn windows(cx: &mut Context<'_>, f: &Flow) {
    let scheme = cx.scheme;
    let bases: Vec<_> = f.basis.iter().filter_map(|id| scheme.matter(id)).map(window).collect();
    if bases.is_empty() {
        return;
    }
    let start = bases.iter().filter_map(|w| w.0).max();
    let end = bases.iter().filter_map(|w| w.1).min();
    let show = |d: Option<Date>| d.map_or_else(|| "…".to_owned(), |d| d.to_string());
    if bases.iter().any(|w| *w != bases[0]) {
        cx.warning(
            "basis-windows-apart",
            at("flow", &f.id, "basis"),
            format!("根拠の期間が揃いません。重なるのは{}から{}までだけです", show(start), show(end)),
            format!(
                "its bases cover different times; they overlap only from {} to {}",
                show(start),
                show(end)
            ),
        );
    }
    let early = matches!((f.start, start), (Some(own), Some(basis)) if own < basis);
    let late = matches!((f.end, end), (Some(own), Some(basis)) if own > basis);
    if early || late {
        let key = if early { "start" } else { "end" };
        cx.warning(
            "window-outside-basis",
            at("flow", &f.id, key),
            format!("流れの期間が根拠の期間({}から{})をはみ出しています", show(start), show(end)),
            format!("its own window reaches beyond that of its bases ({} to {})", show(start), show(end)),
        );
    }
}

fn ward_side(party: &Party) -> bool {
    matches!(party.role, PartyRole::Controller | PartyRole::Department)
}

/// Kinds of systems that are no computers.
fn electronic(system: &System) -> bool {
    !matches!(
        system.kind.as_str(),
        "paper"
            | "removable-media"
            | "telephone"
            | "facility"
            | "card"
            | "camera"
            | "transport-container"
            | "display"
    )
}

/// A line between a computer that the ward owns, runs or works at and one of somebody else.
fn couples(scheme: &Scheme, f: &Flow) -> bool {
    let systems = || [&f.from, &f.to].map(|e| e.system.as_ref().and_then(|id| scheme.system(id)));
    let [from, to] = systems();
    if f.from.system == f.to.system || f.channel.contains("access") {
        return false;
    }
    let network = f.via.iter().filter_map(|id| scheme.system(id)).any(|s| s.kind == "network");
    let both = from.is_some_and(electronic) && to.is_some_and(electronic);
    let of_ward = |end: &End, system: Option<&System>| {
        let hands = system.map(|s| [s.owner.as_str(), s.operator.as_str()]);
        let hands = hands.into_iter().flatten().chain([end.party.as_str()]);
        hands.filter_map(|id| scheme.party(id)).any(ward_side)
    };
    (network || both) && of_ward(&f.from, from) != of_ward(&f.to, to)
}

fn coupling(cx: &mut Context<'_>, f: &Flow) {
    let acts = acts_of(cx.scheme, cx.vocabulary, f);
    if couples(cx.scheme, f) && !acts.contains(&Act::Couple) {
        cx.warning(
            "coupling-without-matter",
            at("flow", &f.id, "basis"),
            "区の電算機と外部の電算機をつなぎますが、外部結合の事項がありません".into(),
            "it joins a computer of the ward with one outside, but no matter on coupling is among its bases"
                .into(),
        );
    }
}

fn personal(scheme: &Scheme, kind: &str) -> bool {
    scheme.data_set(kind).is_none_or(|d| d.personal != Personal::No)
}

fn recipient(cx: &mut Context<'_>, f: &Flow) {
    let scheme = cx.scheme;
    let outside = scheme.party(&f.to.party).is_some_and(|p| {
        matches!(
            p.role,
            PartyRole::ThirdParty | PartyRole::UnnamedRecipient | PartyRole::CouplingCounterparty
        )
    });
    let given = scheme.party(&f.from.party).is_some_and(|p| p.role != PartyRole::DataSubject);
    let acts = acts_of(scheme, cx.vocabulary, f);
    let lawful = acts.contains(&Act::Provide) || acts.contains(&Act::Couple);
    if outside && given && !f.basis.is_empty() && !lawful && personal(scheme, &f.data_set) {
        cx.warning(
            "recipient-without-basis",
            at("flow", &f.id, "basis"),
            format!("{}は受託者ではありませんが、外部提供も外部結合も根拠にありません", f.to.party),
            format!("{} works under no contract, and neither provision nor coupling is a basis", f.to.party),
        );
    }
}

fn printing(cx: &mut Context<'_>, f: &Flow) {
    let prints = f.witness == Witness::Internal && (f.channel == "print" || f.copies.is_some());
    let banned = contracts_binding(cx.scheme, &f.from.party)
        .filter_map(|c| cx.vocabulary.clause_sheet(c.clause_sheet.as_deref()?))
        .find_map(|s| s.clauses.iter().find(|k| k.check.forbids_copying()).map(|k| (s.id.clone(), k.n)));
    if let (true, Some((sheet, n))) = (prints, banned) {
        cx.note(
            "print-against-copy-ban",
            at("flow", &f.id, "channel"),
            format!("仕事として印刷しますが、{sheet}の第{n}項は例外なく複写を禁じます"),
            format!("the work itself prints, while clause {n} of {sheet} bans copying without exception"),
        );
    }
}

/// A system that takes in a kind for which the paper names another medium of the same operator.
fn media(cx: &mut Context<'_>, f: &Flow) {
    let scheme = cx.scheme;
    let places = f.to.system.iter().chain(&f.media).filter_map(|id| scheme.system(id));
    let mut unlisted = Vec::new();
    for place in places.filter(|s| !s.recording_medium_of.contains(&f.data_set)) {
        let listed = scheme
            .systems
            .iter()
            .find(|s| s.operator == place.operator && s.recording_medium_of.contains(&f.data_set));
        let nested =
            |s: &System| s.within.as_ref() == Some(&place.id) || place.within.as_ref() == Some(&s.id);
        unlisted.extend(listed.filter(|s| !nested(s)).map(|s| (place.id.clone(), s.id.clone())));
    }
    for (place, medium) in unlisted {
        cx.note(
            "unlisted-medium",
            at("flow", &f.id, "data_set"),
            format!("{place}に入りますが、書面が挙げる記録媒体は{medium}です"),
            format!("it goes to {place}, while the paper names {medium} as the recording medium"),
        );
    }
}

/// Who writes must follow from who can.
fn witness(cx: &mut Context<'_>, f: &Flow) {
    let writes = |id: &str| cx.scheme.party(id).is_some_and(|p| p.writes);
    let expected = match (writes(&f.from.party), writes(&f.to.party)) {
        _ if f.from.party == f.to.party => Witness::Internal,
        (true, true) => Witness::TwoSided,
        (true, false) => Witness::GiverOnly,
        (false, true) => Witness::TakerOnly,
        (false, false) => Witness::Observed,
    };
    let observer = f.observer.as_deref().is_some_and(writes);
    if f.witness != expected {
        cx.error(
            "witness-contradiction",
            at("flow", &f.id, "witness"),
            format!("両端の当事者からは {expected:?} になるはずです"),
            format!("the parties at its ends make it {expected:?}"),
        );
    } else if (f.witness == Witness::Observed) != observer {
        cx.error(
            "witness-contradiction",
            at("flow", &f.id, "observer"),
            "observer は、両端が書かない流れにだけ、書く当事者を挙げます".into(),
            "name a writing observer if, and only if, neither end writes".into(),
        );
    }
}

fn effect(cx: &mut Context<'_>, f: &Flow) {
    let from = f.from.system.as_ref().and_then(|id| cx.scheme.system(id));
    let stored = from.is_none_or(|s| storage_of(s, &f.data_set) != Storage::None);
    if f.effect == Effect::Relays && stored {
        cx.error(
            "relay-that-stores",
            at("flow", &f.id, "effect"),
            "中継とされますが、送り側は保存する機器です".into(),
            "it is called a relay, but the system that it starts from may store this kind".into(),
        );
    }
}

fn excluded(cx: &mut Context<'_>, f: &Flow) {
    let scheme = cx.scheme;
    let Some(to) = scheme.party(&f.to.party) else { return };
    for kind in std::iter::once(&f.data_set).chain(&f.also_carries) {
        let class = scheme.data_set(kind).and_then(|d| d.subject_class.as_ref());
        if let Some(class) = class.filter(|c| to.must_not_receive.contains(c)) {
            cx.error(
                "excluded-class",
                at("flow", &f.id, "to"),
                format!("{}には{class}の情報を渡せません", to.id),
                format!("{} must not receive data of {class}", to.id),
            );
        }
    }
}
