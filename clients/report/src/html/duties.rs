//! Duties: the obligations of the scheme, and clause by clause what became of each contract's sheet.

use daicho_custody::duty::{DutySource, DutyStatus};
use daicho_custody::report::DutyReport;
use maud::{Markup, html};

use super::{columns, id, number};
use crate::duties::{entries, mark, met_of};
use crate::words::Words;

pub(super) fn duties(w: &Words<'_>) -> Markup {
    let of = |clause: bool| {
        let rows = w.report.duties.iter();
        rows.filter(move |d| matches!(d.source, DutySource::Clause { .. }) == clause)
    };
    let mut contracts: Vec<&str> = of(true).filter_map(|d| d.contract.as_deref()).collect();
    contracts.dedup();
    html! {
        section {
            h2 { (w.say("6　義務と特記事項の履行", "6  Duties and contract clauses")) }
            p.note { (w.say(
                "「違反の記録なし」は、違反の記録がないことだけを示し、履行を示すものではない。「判定対象外」と「期限の定めなし」は合格ではない。",
                "\"No violation recorded\" says only that no breach is on record. \"Not judged\" and \"no schedule defined\" are never a pass.",
            )) }
            table {
                caption { (w.say("判定の内訳", "By status")) }
                thead { tr { @for status in DutyStatus::ALL { th.n { (mark(status)) (w.of(&status.label())) } } } }
                tbody { tr { @for status in DutyStatus::ALL {
                    (number(w.report.duty_counts.get(&status).copied().unwrap_or_default()))
                } } }
            }
            h3 { (w.say("事業の義務", "Obligations of the scheme")) }
            (table(w, of(false), false))
            @for contract in contracts {
                h3 { (w.say("特記事項　契約", "Clauses of contract")) " " (id(contract)) }
                (table(w, of(true).filter(|d| d.contract.as_deref() == Some(contract)), true))
            }
        }
    }
}

fn table<'d>(w: &Words<'_>, rows: impl Iterator<Item = &'d DutyReport>, clauses: bool) -> Markup {
    html! {
        table.narrow.fixed {
            (columns(&[38.0, 17.0, 17.0, 6.0, 22.0]))
            thead { tr {
                th { @if clauses { (w.say("項", "Clause")) } @else { (w.say("義務", "Duty")) } }
                th { (w.say("負う者", "Owed by")) } th { (w.say("状態", "Status")) }
                th.n { (w.say("履行", "Met")) } th { (w.say("内容・記録", "Details, entries")) }
            } }
            tbody { @for d in rows {
                tr {
                    th scope="row" {
                        @if let DutySource::Clause { n, .. } = d.source && n > 0 {
                            (w.say(format!("第{n}項 {}", d.label), format!("{n}. {}", d.label))) br;
                            span.note { (w.of(&d.asks)) }
                        } @else {
                            (w.of(&d.asks))
                            @if let DutySource::Obligation { id: name, .. } = &d.source { br; (id(name)) }
                        }
                    }
                    td {
                        (w.party(&d.who))
                        @if !d.to.is_empty() { br; span.note { "→ " (d.to.iter().map(|p| w.party(p)).collect::<Vec<_>>().join("、")) } }
                    }
                    td { span class=(class(d.judgement.status)) { (mark(d.judgement.status)) (w.of(&d.judgement.status.label())) }
                        @if let Some(due) = d.judgement.due { br; span.note.nw { (w.say("期限 ", "due ")) (due.jst_day().to_string()) } }
                        @if let Some(next) = d.judgement.upcoming() { br; span.note.nw { (w.say("次の期限 ", "next ")) (next.jst_day().to_string()) } }
                    }
                    td.n { (met_of(w, d)) }
                    td {
                        (w.of(&d.judgement.detail))
                        @if !d.judgement.entries.is_empty() { " " span.note { (entries(d)) } }
                    }
                }
            } }
        }
    }
}

fn class(status: DutyStatus) -> &'static str {
    match status {
        DutyStatus::Missed | DutyStatus::Violated => "bad-t",
        DutyStatus::MetLate => "late-t",
        DutyStatus::NoSchedule | DutyStatus::NotJudged => "gap-t",
        _ => "",
    }
}
