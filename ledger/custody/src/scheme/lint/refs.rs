//! References between tables, ids, and words that the format knows: what makes a file wrong.

use std::collections::BTreeSet;

use daicho_core::check_id;

use super::{Context, Level, Place, Report, at};
use crate::scheme::{Check, Flow, Occasion, Rule, Scheme, System, Text, Vocabulary};

/// Owners and operators that are no party.
const NO_PARTY: [&str; 3] = ["public", "third-party", "unspecified"];

pub(super) fn check(cx: &mut Context<'_>) {
    let scheme = cx.scheme;
    duplicates(&mut cx.report, scheme_ids(scheme));
    if scheme.vocabulary != cx.vocabulary.id {
        let place = at("scheme", &scheme.id, "vocabulary");
        unknown(cx, place, "vocabulary", &scheme.vocabulary);
    }
    calendar_name(cx);
    matters_and_contracts(cx);
    for system in &scheme.systems {
        system_refs(cx, system);
    }
    for flow in &scheme.flows {
        flow_refs(cx, flow);
    }
    for rule in &scheme.rules {
        rule_refs(cx, rule);
        deadline_word(cx, rule);
    }
    obligations_and_anomalies(cx);
}

/// Checks a vocabulary alone: ids, clause numbers, references between sheets.
pub(super) fn check_vocabulary(v: &Vocabulary, report: &mut Report) {
    let articles = v.ordinances.iter().flat_map(|o| &o.articles);
    let ids = v.clause_sheets.iter().map(|x| ("clause_sheet", x.id.as_str()));
    let ids = ids.chain(v.ordinances.iter().map(|x| ("ordinance", x.id.as_str())));
    let ids = ids.chain(articles.map(|x| ("article", x.id.as_str())));
    let ids = ids.chain(v.evidence.iter().map(|x| ("evidence", x.id.as_str())));
    let ids = ids.chain(v.deadline_words.iter().map(|x| ("deadline_word", x.id.as_str())));
    let ids = ids.chain(v.milestones.iter().map(|x| ("milestone", x.id.as_str())));
    let ids = ids.chain(v.acts.iter().map(|x| ("act", x.id.as_str())));
    let ids = ids.chain(v.terms.iter().map(|x| ("term", x.id.as_str())));
    duplicates(report, ids.collect());
    for sheet in &v.clause_sheets {
        for (expected, clause) in (1..).zip(&sheet.clauses) {
            let key = format!("clause/{}", clause.n);
            let place = at("clause_sheet", &sheet.id, &key);
            if clause.n != expected {
                report.add(
                    Level::Error,
                    "clause-numbering",
                    place,
                    format!("第{expected}項のはずが第{}項です", clause.n),
                    format!("clause {} stands where {expected} is due", clause.n),
                );
                break;
            }
            for word in clause.check.acts().into_iter().filter(|word| v.act(word).is_none()) {
                let ja = format!("act「{word}」がありません");
                let en = format!("there is no act `{word}`");
                report.add(Level::Error, "unknown-reference", place, ja, en);
            }
            if let Some(other) = &clause.same_as
                && !clause_exists(v, other)
            {
                report.add(
                    Level::Error,
                    "unknown-reference",
                    place,
                    format!("{other} という条項はありません"),
                    format!("there is no clause `{other}`"),
                );
            }
        }
        if sheet.clauses.is_empty() != sheet.not_attached.is_some() {
            report.add(
                Level::Error,
                "clause-numbering",
                at("clause_sheet", &sheet.id, "not_attached"),
                "条項がないなら not_attached が要り、あるなら付けません".into(),
                "give not_attached if, and only if, the sheet has no clauses".into(),
            );
        }
    }
}

fn clause_exists(v: &Vocabulary, reference: &str) -> bool {
    let Some((sheet, n)) = reference.split_once('/') else { return false };
    let sheet = v.clause_sheet(sheet);
    sheet.is_some_and(|s| s.clauses.iter().any(|c| c.n.to_string() == n))
}

fn scheme_ids(s: &Scheme) -> Vec<(&'static str, &str)> {
    let ids = s.volumes.iter().map(|x| ("volume", x.id.as_str()));
    let ids = ids.chain(s.application_windows.iter().map(|x| ("application_window", x.id.as_str())));
    let ids = ids.chain(s.matters.iter().map(|x| ("matter", x.id.as_str())));
    let ids = ids.chain(s.parties.iter().map(|x| ("party", x.id.as_str())));
    let ids = ids.chain(s.contracts.iter().map(|x| ("contract", x.id.as_str())));
    let ids = ids.chain(s.systems.iter().map(|x| ("system", x.id.as_str())));
    let ids = ids.chain(s.data_sets.iter().map(|x| ("data_set", x.id.as_str())));
    let ids = ids.chain(s.flows.iter().map(|x| ("flow", x.id.as_str())));
    let ids = ids.chain(s.rules.iter().map(|x| ("rule", x.id.as_str())));
    let ids = ids.chain(s.obligations.iter().map(|x| ("obligation", x.id.as_str())));
    ids.chain(s.anomalies.iter().map(|x| ("anomaly", x.id.as_str()))).collect()
}

fn duplicates(report: &mut Report, ids: Vec<(&'static str, &str)>) {
    let mut seen = BTreeSet::new();
    for (table, id) in ids {
        if !seen.insert((table, id)) {
            let line = report.lines.all(table, id).get(1).copied().unwrap_or(1);
            let message = Text {
                ja: format!("id「{id}」が二度あります"),
                en: format!("the id `{id}` is given twice"),
            };
            report.add_at_line(Level::Error, "duplicate-id", at(table, id, "id"), line, message);
        }
    }
}

fn unknown(cx: &mut Context<'_>, place: Place<'_>, what: &str, id: &str) {
    cx.error(
        "unknown-reference",
        place,
        format!("{what}「{id}」がありません"),
        format!("there is no {what} `{id}`"),
    );
}

/// Reports each of `ids` that is none of the known `what`.
fn each<'i>(cx: &mut Context<'_>, place: Place<'_>, what: &str, ids: impl IntoIterator<Item = &'i String>) {
    for id in ids {
        let s = cx.scheme;
        let known = match what {
            "party" => s.party(id).is_some(),
            "system" => s.system(id).is_some(),
            "data_set" => s.data_set(id).is_some(),
            "flow" => s.flow(id).is_some(),
            "matter" => s.matter(id).is_some(),
            "contract" => s.contract(id).is_some(),
            "rule" => s.rule(id).is_some(),
            "clause_sheet" => cx.vocabulary.clause_sheet(id).is_some(),
            "evidence" => cx.vocabulary.evidence(id).is_some(),
            // A subject class is named after the data-subject party that stands for it.
            "subject class" => {
                s.data_sets.iter().any(|d| d.subject_class.as_ref() == Some(id)) || s.party(id).is_some()
            }
            _ => false,
        };
        if !known {
            unknown(cx, place, what, id);
        }
    }
}

/// The document itself is checked when the scheme is enacted; here only that the name can be one.
fn calendar_name(cx: &mut Context<'_>) {
    let scheme = cx.scheme;
    let Some(name) = &scheme.calendar else { return };
    let fits = name.split_once('/').is_some_and(|(id, version)| {
        check_id("calendar", id).is_ok() && version.parse::<u32>().is_ok_and(|n| n > 0)
    });
    if !fits {
        cx.error(
            "calendar-name",
            at("scheme", &scheme.id, "calendar"),
            format!("暦の名「{name}」は「識別子/版」の形ではありません"),
            format!("`{name}` is no name of a calendar such as japan-holidays/1"),
        );
    }
}

fn matters_and_contracts(cx: &mut Context<'_>) {
    let scheme = cx.scheme;
    for m in &scheme.matters {
        for b in &m.basis {
            if !cx.vocabulary.ordinances.iter().flat_map(|o| &o.articles).any(|a| a.id == b.article) {
                unknown(cx, at("matter", &m.id, "basis"), "article", &b.article);
            }
        }
    }
    for c in &scheme.contracts {
        each(cx, at("contract", &c.id, "between"), "party", &c.between);
        each(cx, at("contract", &c.id, "matter"), "matter", [&c.matter]);
        each(cx, at("contract", &c.id, "clause_sheet"), "clause_sheet", &c.clause_sheet);
        each(cx, at("contract", &c.id, "attaches"), "clause_sheet", &c.attaches);
    }
    for p in &scheme.parties {
        each(cx, at("party", &p.id, "reported_by"), "party", &p.reported_by);
        each(cx, at("party", &p.id, "must_not_receive"), "subject class", &p.must_not_receive);
    }
}

fn system_refs(cx: &mut Context<'_>, s: &System) {
    let party = |id: &&String| !NO_PARTY.contains(&id.as_str());
    each(cx, at("system", &s.id, "owner"), "party", [&s.owner].into_iter().filter(party));
    each(cx, at("system", &s.id, "operator"), "party", [&s.operator].into_iter().filter(party));
    each(cx, at("system", &s.id, "attester"), "party", [&s.attester]);
    each(cx, at("system", &s.id, "within"), "system", &s.within);
    each(cx, at("system", &s.id, "until"), "rule", &s.until);
    each(cx, at("system", &s.id, "storage_for"), "data_set", s.storage_for.keys());
    each(cx, at("system", &s.id, "recording_medium_of"), "data_set", &s.recording_medium_of);
    if cx.scheme.party(&s.attester).is_some_and(|p| !p.writes) {
        cx.error(
            "attester-cannot-write",
            at("system", &s.id, "attester"),
            format!("{}は台帳に書かないので、機器について申告できません", s.attester),
            format!("{} does not write to the ledger and so cannot speak for a system", s.attester),
        );
    }
}

fn flow_refs(cx: &mut Context<'_>, f: &Flow) {
    let place = |key| at("flow", &f.id, key);
    for (key, end) in [("from", &f.from), ("to", &f.to)] {
        each(cx, place(key), "party", [&end.party]);
        each(cx, place(key), "system", &end.system);
    }
    each(cx, place("via"), "system", &f.via);
    each(cx, place("also_stored_at"), "system", &f.also_stored_at);
    each(cx, place("media"), "system", &f.media);
    each(cx, place("data_set"), "data_set", [&f.data_set]);
    each(cx, place("also_carries"), "data_set", &f.also_carries);
    each(cx, place("matched_with"), "data_set", &f.matched_with);
    each(cx, place("basis"), "matter", &f.basis);
    each(cx, place("observer"), "party", &f.observer);
    each(cx, place("must_not_pass"), "party", &f.must_not_pass);
    each(cx, place("exclude_subjects"), "subject class", &f.exclude_subjects);
    if let Some(kind) = cx.scheme.data_set(&f.data_set) {
        let known: BTreeSet<&String> = kind.items.iter().map(|item| &item.id).collect();
        for item in f.items.iter().filter(|i| !known.contains(i)) {
            unknown(cx, place("items"), "item", item);
        }
    }
}

fn rule_refs(cx: &mut Context<'_>, r: &Rule) {
    let place = |key| at("rule", &r.id, key);
    let named = |id: &&String| id.as_str() != "*";
    each(cx, place("data_sets"), "data_set", r.data_sets.iter().filter(named));
    each(cx, place("systems"), "system", r.systems.iter().filter(named));
    each(cx, place("also_returns"), "system", &r.also_returns);
    for (key, parties) in [
        ("holders", &r.holders),
        ("disputed_holders", &r.disputed_holders),
        ("recipients", &r.recipients),
        ("return_to", &r.return_to),
        ("trigger", &r.trigger.stated_by),
    ] {
        each(cx, place(key), "party", parties);
    }
    each(cx, place("override_by"), "party", &r.override_by);
    each(cx, place("evidence"), "evidence", &r.evidence);
    each(cx, place("disputed_evidence"), "evidence", &r.disputed_evidence);
    each(cx, place("contract"), "contract", &r.contract);
    each(cx, place("applies_to"), "matter", &r.applies_to);
    each(cx, place("same_duty_as"), "rule", &r.same_duty_as);
    let milestone = &r.trigger.milestone;
    if r.trigger.starts() && !cx.vocabulary.milestones.iter().any(|m| m.id == *milestone) {
        unknown(cx, place("trigger"), "milestone", milestone);
    }
    clause_ref(cx, r);
}

fn clause_ref(cx: &mut Context<'_>, r: &Rule) {
    let Some(clause) = &r.clause else { return };
    let place = at("rule", &r.id, "clause");
    let Some(sheet) = cx.vocabulary.clause_sheet(&clause.sheet) else {
        return unknown(cx, place, "clause_sheet", &clause.sheet);
    };
    for n in clause.numbers.iter().filter(|n| !sheet.clauses.iter().any(|c| c.n == **n)) {
        cx.error(
            "clause-reference",
            place,
            format!("{}に第{n}項はありません", sheet.id),
            format!("{} has no clause {n}", sheet.id),
        );
    }
}

/// A word that states a number states the same in every rule; no other may pass for the source's own.
fn deadline_word(cx: &mut Context<'_>, r: &Rule) {
    let place = at("rule", &r.id, "deadline");
    let Some(word) = cx.vocabulary.deadline_words.iter().find(|w| w.id == r.deadline.word) else {
        return unknown(cx, place, "deadline_word", &r.deadline.word);
    };
    if word.states.is_some() && r.deadline.stated != word.states {
        cx.error(
            "deadline-word-differs",
            place,
            format!("語「{}」が言う期限と stated が一致しません", word.label),
            format!("`{}` states a deadline of its own; `stated` must be the same", word.label),
        );
    }
}

fn obligations_and_anomalies(cx: &mut Context<'_>) {
    let scheme = cx.scheme;
    for o in &scheme.obligations {
        let place = |key| at("obligation", &o.id, key);
        each(cx, place("who"), "party", &o.who);
        each(cx, place("disputed_who"), "party", &o.disputed_who);
        each(cx, place("to"), "party", &o.to);
        each(cx, place("contracts"), "contract", &o.contracts);
        check_refs(cx, place("check"), &o.check);
        if let Some(id) =
            o.same_duty_as.as_ref().filter(|id| !scheme.obligations.iter().any(|x| x.id == **id))
        {
            unknown(cx, place("same_duty_as"), "obligation", id);
        }
    }
    for a in &scheme.anomalies {
        if a.found_by.is_empty() != a.no_check.is_some() {
            cx.error(
                "anomaly-unexplained",
                at("anomaly", &a.id, ""),
                "found_by か no_check のどちらか一方だけを書いてください".into(),
                "give exactly one of found_by and no_check".into(),
            );
        }
    }
}

fn check_refs(cx: &mut Context<'_>, place: Place<'_>, c: &Check) {
    match c {
        Check::Absence { flows, .. } => each(cx, place, "flow", flows),
        Check::Response { by, .. } => each(cx, place, "party", by),
        Check::Before { event, by, .. } => {
            if let Occasion::Flow(flow) = event {
                each(cx, place, "flow", [flow]);
            }
            each(cx, place, "party", by);
        }
        _ => {}
    }
    for word in c.acts() {
        if cx.vocabulary.act(word).is_none() {
            unknown(cx, place, "act", word);
        }
    }
}
