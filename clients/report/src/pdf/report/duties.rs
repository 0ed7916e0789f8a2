//! Duties: the obligations of the scheme, and the matrix of each contract's special terms (特記事項).

use daicho_custody::duty::{DutySource, DutyStatus};
use daicho_custody::report::DutyReport;

use super::super::rich::{Block, Look, Rich, Section, Table};
use crate::duties::{entries, mark, met_of};
use crate::words::{Words, count};

pub(super) fn duties(w: &Words<'_>) -> Section {
    let mut counts = Table::new([60.0, -40.0], [w.say("判定", "Status"), w.say("件数", "Number")]);
    for (status, n) in w.report.duty_counts.iter().filter(|(_, n)| **n > 0) {
        counts.row([status_text(w, *status), count(*n).into()]);
    }
    let mut table = Table::new(
        [38.0, 18.0, 16.0, -8.0, 20.0],
        [
            w.say("義務・条項", "Duty, clause"),
            w.say("負う者", "Owed by"),
            w.say("状態", "Status"),
            w.say("履行", "Met"),
            w.say("内容・記録", "Details, entries"),
        ],
    )
    .in_small();
    let mut group: Option<Option<&str>> = None;
    for duty in &w.report.duties {
        let contract = match duty.source {
            DutySource::Clause { .. } => duty.contract.as_deref(),
            DutySource::Obligation { .. } => None,
        };
        if group != Some(contract) {
            table.group(match contract {
                None => Rich::new().look(Look::Bold, w.say("事業の義務", "Obligations of the scheme")),
                Some(id) => Rich::new()
                    .look(Look::Bold, w.say("特記事項　契約 ", "Special terms of contract "))
                    .look(Look::Code, id),
            });
            group = Some(contract);
        }
        table.row(row(w, duty));
    }
    Section::new(w.say("義務と特記事項の履行", "Duties and special terms"))
        .with(Block::Note(
            w.say(
                "「違反の記録なし」は、違反の記録がないことだけを示し、履行を示すものではない。「判定対象外」と「期限の定めなし」は合格ではない。",
                "\u{201c}No violation recorded\u{201d} says only that no breach is on record. \u{201c}Not judged\u{201d} and \u{201c}no schedule defined\u{201d} are never a pass.",
            )
            .into(),
        ))
        .with(Block::Table(counts))
        .with(Block::Table(table))
}

fn row(w: &Words<'_>, duty: &DutyReport) -> [Rich; 5] {
    let judged = &duty.judgement;
    let what = match duty.source {
        DutySource::Clause { n, .. } if n > 0 => {
            Rich::from(w.say(format!("第{n}項 {}", duty.label), format!("{n}. {}", duty.label)))
                .line()
                .look(Look::Note, w.of(&duty.asks))
        }
        _ => w.of(&duty.asks).into(),
    };
    let mut who = Rich::from(w.party(&duty.who));
    if !duty.to.is_empty() {
        let to: Vec<&str> = duty.to.iter().map(|party| w.party(party)).collect();
        who = who.line().look(Look::Note, format!("→ {}", to.join("、")));
    }
    let mut status = status_text(w, judged.status);
    if let Some(due) = judged.due {
        let due = due.jst_day();
        status = status.line().look(Look::Note, w.say(format!("期限 {due}"), format!("due {due}")));
    }
    if let Some(next) = judged.upcoming() {
        let next = next.jst_day();
        status = status.line().look(Look::Note, w.say(format!("次の期限 {next}"), format!("next {next}")));
    }
    let mut details = Rich::from(w.of(&judged.detail));
    if !judged.entries.is_empty() {
        if !w.of(&judged.detail).is_empty() {
            details = details.line();
        }
        details = details.look(Look::Note, entries(duty));
    }
    [what, who, status, met_of(w, duty).into(), details]
}

fn status_text(w: &Words<'_>, status: DutyStatus) -> Rich {
    let text = format!("{}{}", mark(status), w.of(&status.label()));
    let look = if status <= DutyStatus::MetLate { Look::Bad } else { Look::Whole };
    Rich::new().look(look, text)
}
