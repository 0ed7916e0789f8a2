//! Retention rules: triggers, deadlines, evidence, and holders that none binds.

use std::collections::BTreeSet;

use daicho_core::Date;

use super::{Context, at, storage_of};
use crate::calendar::Office;
use crate::scheme::{
    Action, Deadline, EvidenceSource, Flow, PartyRole, Personal, Rule, Scheme, Scope, Storage, Vocabulary,
};

pub(super) fn check(cx: &mut Context<'_>) {
    for rule in &cx.scheme.rules {
        schedule(cx, rule);
        calendar(cx, rule);
        least(cx, rule);
        milestone(cx, rule);
        evidence(cx, rule);
        conflicts(cx, rule);
        evidence_names(cx, rule);
    }
    holders(cx);
}

fn schedule(cx: &mut Context<'_>, r: &Rule) {
    if r.gap || !r.trigger.starts() {
        cx.warning(
            "rule-without-schedule",
            at("rule", &r.id, "trigger"),
            "いつ消すかの定めがありません。判定は「定めなし」となります".into(),
            "nothing says when; the verdict will be that there is no schedule".into(),
        );
    } else if r.deadline.stated.is_none() {
        let words = r.deadline.words.as_deref().unwrap_or(&r.deadline.word);
        let help = match &r.deadline.proposal {
            Some(d) => (format!("提案は{d}です"), format!("{d} is proposed")),
            None => ("期日は区が決めます".to_owned(), "the ward must set it".to_owned()),
        };
        cx.warning(
            "deadline-without-number",
            at("rule", &r.id, "deadline"),
            format!("「{words}」に数がありません。区が採用するまで遅れを判定できません。{}", help.0),
            format!(
                "`{words}` gives no number: lateness cannot be judged until the ward adopts one; {}",
                help.1
            ),
        );
    }
}

/// Without a calendar in the ledger nobody can count business days.
fn calendar(cx: &mut Context<'_>, r: &Rule) {
    let stated = r.deadline.stated.iter().chain(&r.deadline.proposal).chain(&r.keep_at_least);
    let counts = stated.into_iter().any(|d| d.needs_calendar());
    if counts && cx.scheme.calendar.is_none() {
        cx.error(
            "calendar-not-named",
            at("rule", &r.id, "deadline"),
            "開庁日で数える期限ですが、事業に calendar がありません".into(),
            "the deadline counts business days, but the scheme names no `calendar`".into(),
        );
    }
}

/// A duty to keep beyond the day by which it must be gone. Seen from one trigger, without an office.
fn least(cx: &mut Context<'_>, r: &Rule) {
    let (Some(least), Some(stated)) = (r.keep_at_least, r.deadline.stated) else { return };
    let trigger = Date::from_days(18_641).start();
    let last = |deadline: Deadline| deadline.due(trigger, Office::default());
    if last(least).zip(last(stated)).is_some_and(|(least, stated)| least > stated) {
        cx.error(
            "keep-past-deadline",
            at("rule", &r.id, "keep_at_least"),
            format!("{least}の間保存せよと言いながら、期限は{stated}です"),
            format!("it must be kept for {least}, but gone by {stated}"),
        );
    }
}

fn milestone(cx: &mut Context<'_>, r: &Rule) {
    let known = cx.vocabulary.milestones.iter().find(|m| m.id == r.trigger.milestone);
    if let Some(unclear) = known.and_then(|m| m.unclear.clone()) {
        cx.note("unclear-milestone", at("rule", &r.id, "trigger"), unclear.ja, unclear.en);
    }
}

fn is_certificate(vocabulary: &Vocabulary, id: &str) -> bool {
    vocabulary.evidence(id).is_some_and(|e| e.given_by == EvidenceSource::Certificate && !e.optional)
}

fn certificates<'a>(vocabulary: &Vocabulary, r: &'a Rule) -> BTreeSet<&'a str> {
    r.evidence.iter().map(String::as_str).filter(|id| is_certificate(vocabulary, id)).collect()
}

fn evidence(cx: &mut Context<'_>, r: &Rule) {
    let ours = r.inferred.iter().any(|k| k == "batch_certificate");
    let batched = r.batch_certificate.is_some() && !ours;
    if r.trigger.scope == Scope::Session && !certificates(cx.vocabulary, r).is_empty() && !batched {
        cx.note(
            "certificate-per-erasure",
            at("rule", &r.id, "evidence"),
            "利用や納品の一件ごとに証明書が要ります。まとめてよいとの定めはありません".into(),
            "each use or delivery needs a certificate of its own; the source allows no batches".into(),
        );
    }
    if !r.gap && (r.evidence_gap || r.evidence.is_empty()) {
        cx.note(
            "no-evidence-asked",
            at("rule", &r.id, "evidence_gap"),
            "書面は消去の証拠を求めていません。挙げた証拠は提案です".into(),
            "the source asks for no evidence; what is listed is a proposal".into(),
        );
    }
    if r.inferred.iter().any(|k| k == "recipients") {
        cx.note(
            "recipient-not-stated",
            at("rule", &r.id, "recipients"),
            "証拠を誰に出すか書面にありません。宛先は推測です".into(),
            "the paper does not say who receives the evidence; the recipients are a guess".into(),
        );
    }
}

/// Reported once, at the first rule of the group.
fn conflicts(cx: &mut Context<'_>, r: &Rule) {
    let Some(group) = &r.conflict_group else { return };
    let ids: Vec<&str> = cx
        .scheme
        .rules
        .iter()
        .filter(|x| x.conflict_group.as_ref() == Some(group))
        .map(|x| x.id.as_str())
        .collect();
    if ids.len() > 1 && ids[0] == r.id {
        let others = ids[1..].join(", ");
        cx.warning(
            "conflicting-rules",
            at("rule", &r.id, "conflict_group"),
            format!("同じ義務を別の言葉で定める規定があります: {others}。双方が掛かり、悪い方が示されます"),
            format!(
                "the same duty stands elsewhere in words that conflict: {others}; both bind, the worse shows"
            ),
        );
    }
}

fn overlaps(a: &[String], b: &[String]) -> bool {
    let any = |l: &[String]| l.iter().any(|x| x == "*");
    let b_has: BTreeSet<&String> = b.iter().collect();
    any(a) || any(b) || a.iter().any(|x| b_has.contains(x))
}

/// Two documents by different names for what is one erasure. Reported at the earlier rule.
fn evidence_names(cx: &mut Context<'_>, r: &Rule) {
    let erases = |x: &Rule| matches!(x.action, Action::Erase | Action::ReturnAndErase);
    let mine = certificates(cx.vocabulary, r);
    let later = cx.scheme.rules.iter().skip_while(|x| x.id != r.id).skip(1);
    let other = later
        .filter(|x| erases(x) && overlaps(&x.holders, &r.holders))
        .filter(|x| overlaps(&x.data_sets, &r.data_sets) && overlaps(&x.systems, &r.systems))
        .find(|x| {
            let theirs = certificates(cx.vocabulary, x);
            !theirs.is_empty() && mine.is_disjoint(&theirs)
        });
    if let (true, Some(other)) = (erases(r) && !mine.is_empty(), other) {
        cx.note(
            "evidence-names-differ",
            at("rule", &r.id, "evidence"),
            format!("一つの消去に{}と違う名の証明を求めています。双方とも要ります", other.id),
            format!("one erasure, two documents: {} asks for another by name; both stay owed", other.id),
        );
    }
}

/// Places to which flows bring personal data and where no rule ends it. Reported at the flow that brings it.
fn holders(cx: &mut Context<'_>) {
    let scheme = cx.scheme;
    let mut seen = BTreeSet::new();
    for flow in &scheme.flows {
        for (system, kind) in brought(scheme, flow) {
            let party = flow.to.party.as_str();
            let bound = scheme.rules.iter().any(|r| binds(r, party, system, kind));
            if !bound && seen.insert((party, system, kind)) {
                let place = system.unwrap_or("?");
                cx.warning(
                    "holder-without-rule",
                    at("flow", &flow.id, "to"),
                    format!("{party}の{place}に届く{kind}を消す定めがありません"),
                    format!("no rule ends {kind} at {party}/{place}, to which it is brought here"),
                );
            }
        }
    }
}

/// Systems and kinds that a flow leaves with a taker who can keep them.
fn brought<'a>(scheme: &'a Scheme, flow: &'a Flow) -> Vec<(Option<&'a str>, &'a str)> {
    let subject = scheme.party(&flow.to.party).is_none_or(|p| p.role == PartyRole::DataSubject);
    let kinds = std::iter::once(&flow.data_set).chain(&flow.also_carries).map(String::as_str);
    let personal = |k: &&str| scheme.data_set(k).is_some_and(|d| d.personal != Personal::No);
    let mut out = Vec::new();
    for kind in kinds.filter(personal).filter(|_| !subject) {
        let named: Vec<&str> =
            flow.to.system.iter().chain(&flow.also_stored_at).map(String::as_str).collect();
        if named.is_empty() {
            out.push((None, kind));
        }
        let keeps = |id: &&str| {
            scheme
                .system(id)
                .is_some_and(|s| !matches!(storage_of(s, kind), Storage::None | Storage::OutOfScope))
        };
        out.extend(named.into_iter().filter(keeps).map(|id| (Some(id), kind)));
    }
    out
}

fn binds(rule: &Rule, party: &str, system: Option<&str>, kind: &str) -> bool {
    let lists = |list: &[String], id: &str| list.iter().any(|x| x == "*" || x == id);
    let held = rule.holders.iter().any(|h| h == party);
    held && lists(&rule.data_sets, kind) && system.is_none_or(|s| lists(&rule.systems, s))
}
