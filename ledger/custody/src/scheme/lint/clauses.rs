//! Contracts and their clause sheets.

use super::{Context, at, contracts_binding};
use crate::scheme::{ClauseSheet, Contract};

pub(super) fn check(cx: &mut Context<'_>) {
    for contract in &cx.scheme.contracts {
        individual_numbers(cx, contract);
        scope(cx, contract);
        let sheet = contract.clause_sheet.as_deref().and_then(|id| cx.vocabulary.clause_sheet(id));
        if let Some(sheet) = sheet {
            attached(cx, contract, sheet);
            binding(cx, contract, sheet);
            wording(cx, contract, sheet);
            damages(cx, contract, sheet);
        }
    }
}

fn individual_numbers(cx: &mut Context<'_>, c: &Contract) {
    let scheme = cx.scheme;
    let received = scheme.flows.iter().find(|f| {
        c.between.iter().skip(1).any(|p| *p == f.to.party)
            && scheme.data_set(&f.data_set).is_some_and(|d| d.may_contain_individual_number)
    });
    if let (false, Some(flow)) = (c.covers_individual_number, received) {
        cx.warning(
            "individual-number-not-covered",
            at("contract", &c.id, ""),
            format!("個人番号を含み得る情報を受けます({})が、契約の表は特定個人情報に触れません", flow.id),
            format!("{} may bring Individual Numbers, of which the contract's tables do not speak", flow.id),
        );
    }
}

/// A subcontract for work that was never entrusted above.
fn scope(cx: &mut Context<'_>, c: &Contract) {
    if c.kind != "subcontract" || c.scope.is_empty() {
        return;
    }
    let above: Vec<&Contract> =
        c.between.first().map(|p| contracts_binding(cx.scheme, p).collect()).unwrap_or_default();
    let known = |work: &String| above.iter().any(|a| a.scope.is_empty() || a.scope.contains(work));
    let extra: Vec<&str> = c.scope.iter().filter(|w| !known(w)).map(String::as_str).collect();
    if !above.is_empty() && !extra.is_empty() {
        cx.note(
            "subcontract-scope-wider",
            at("contract", &c.id, "scope"),
            format!("再委託の内容にあって委託の内容にないもの: {}", extra.join("、")),
            format!("entrusted below but not above: {}", extra.join(", ")),
        );
    }
}

fn attached(cx: &mut Context<'_>, c: &Contract, sheet: &ClauseSheet) {
    if let Some(name) = &sheet.not_attached {
        cx.warning(
            "clause-sheet-not-attached",
            at("contract", &c.id, "clause_sheet"),
            format!("契約の条項は{name}にあり、手元にありません。消去の証拠の義務が分かりません"),
            format!(
                "its clauses are in {name}, which is not among the papers: what evidence is owed is unknown"
            ),
        );
    }
}

fn binding(cx: &mut Context<'_>, c: &Contract, sheet: &ClauseSheet) {
    for party in c.between.iter().skip(1).filter_map(|id| cx.scheme.party(id)) {
        if let Some(symbol) = party.symbol.as_ref().filter(|s| **s != sheet.binds) {
            cx.warning(
                "clauses-do-not-bind",
                at("contract", &c.id, "clause_sheet"),
                format!(
                    "{symbol}({})は契約の当事者ですが、特記事項は{}しか縛りません",
                    party.id, sheet.binds
                ),
                format!(
                    "{} ({symbol}) is a side of the contract, but the sheet binds {} alone",
                    party.id, sheet.binds
                ),
            );
        }
    }
}

fn wording(cx: &mut Context<'_>, c: &Contract, sheet: &ClauseSheet) {
    if let (Some(word), Some(label)) = (&sheet.instrument, &c.label)
        && !word.ends_with(label.as_str())
        && !label.ends_with(word.trim_start_matches("この"))
    {
        cx.note(
            "instrument-differs",
            at("contract", &c.id, "label"),
            format!("「{label}」に付く特記事項が自らを「{word}」と呼びます"),
            format!("attached to `{label}`, the sheet calls it `{word}`"),
        );
    }
    let others = c.attaches.iter().filter_map(|id| cx.vocabulary.clause_sheet(id));
    if sheet.heading.is_some() && others.into_iter().any(|s| s.heading == sheet.heading) {
        cx.note(
            "same-heading",
            at("contract", &c.id, "attaches"),
            "付いている特記事項の見出しが同じで、紙の上で区別できません".into(),
            "the sheets attached carry one and the same heading: on paper they cannot be told apart".into(),
        );
    }
    let mut givers = sheet.clauses.iter().filter(|k| !k.provided_by.is_empty());
    if let Some(first) = givers.next()
        && let Some(other) = givers.find(|k| k.provided_by != first.provided_by)
    {
        cx.note(
            "clauses-differ-in-giver",
            at("contract", &c.id, "clause_sheet"),
            format!("第{}項と第{}項で、誰の提供した情報かの範囲が違います", first.n, other.n),
            format!("clauses {} and {} differ in whose material they speak of", first.n, other.n),
        );
    }
}

/// The damages clause counts duties that are not those of the one who pays.
fn damages(cx: &mut Context<'_>, c: &Contract, sheet: &ClauseSheet) {
    for clause in &sheet.clauses {
        let within = |n: u32| clause.breach_of.iter().any(|[from, to]| (*from..=*to).contains(&n));
        let foreign: Vec<String> = sheet
            .clauses
            .iter()
            .filter(|k| within(k.n) && k.duty_of.is_some())
            .map(|k| k.n.to_string())
            .collect();
        if !foreign.is_empty() {
            let list = foreign.join(", ");
            cx.note(
                "damages-for-others-duty",
                at("contract", &c.id, "clause_sheet"),
                format!("第{}項は、{}の義務ではない項({list})の違反まで償わせます", clause.n, sheet.binds),
                format!(
                    "clause {} makes {} pay for duties that are not its own ({list})",
                    clause.n, sheet.binds
                ),
            );
        }
    }
}
