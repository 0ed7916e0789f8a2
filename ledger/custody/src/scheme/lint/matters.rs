//! Council matters, volumes, attachments, anomalies.

use daicho_core::Date;

use super::{Context, acts_of_matter, at};
use crate::scheme::{Act, Matter};

/// Words by which phases before go-live are named.
const TEST_PHASES: [&str; 2] = ["test", "verification"];
/// The event that an obligation forbids where tests must do without real data.
const REAL_DATA_IN_TEST: &str = "real-data-used-in-test";

pub(super) fn check(cx: &mut Context<'_>) {
    let scheme = cx.scheme;
    for matter in &scheme.matters {
        planned(cx, matter);
        basis_words(cx, matter);
        test_data(cx, matter);
        after_clauses(cx, matter);
        repealed(cx, matter);
    }
    for volume in &scheme.volumes {
        // 件 counts events, which mean little without the time in which they happen; people and shops do not.
        if volume.label.ends_with('件') && volume.period.is_none() {
            cx.note(
                "volume-without-period",
                at("volume", &volume.id, "label"),
                format!("「{}」がどの期間の件数か書かれていません", volume.label),
                format!("`{}` is a number of cases without a period", volume.label),
            );
        }
    }
    if !scheme.not_attached.is_empty() {
        let list = scheme.not_attached.join("、");
        cx.note(
            "missing-attachment",
            at("scheme", &scheme.id, "not_attached"),
            format!("書面が指す資料が手元にありません: {list}"),
            format!("the paper points to attachments that are not among the papers: {list}"),
        );
    }
}

fn planned(cx: &mut Context<'_>, m: &Matter) {
    if m.planned || m.phases.iter().any(|p| p.planned) {
        cx.note(
            "planned-period",
            at("matter", &m.id, "planned"),
            "期間が予定のままです。確定した日で改訂してください".into(),
            "the period is marked as planned; amend the scheme once the days are fixed".into(),
        );
    }
}

/// A matter that outlives the law on which it rests.
fn repealed(cx: &mut Context<'_>, m: &Matter) {
    let laws = || m.basis.iter().filter_map(|b| cx.vocabulary.ordinance_of(&b.article));
    let ends: Option<Vec<Date>> = laws().map(|law| law.in_force_to).collect();
    let (Some(last), Some(law)) = (ends.and_then(|ends| ends.into_iter().max()), laws().next()) else {
        return;
    };
    // Its own last day, or that of its last phase; without either it goes on.
    let open = m.phases.iter().any(|p| p.end.is_none()) || m.phases.is_empty();
    let end = m.end.or_else(|| m.phases.iter().filter_map(|p| p.end).max().filter(|_| !open));
    if end.is_some_and(|end| end <= last) && m.renewal.is_none() {
        return;
    }
    let next = law.successor.as_deref().unwrap_or("-");
    let (ja, en) = (
        format!(
            "根拠の{}は{last}に失効しました。後継は{next}。その後の取扱いは根拠のないものになります",
            law.label
        ),
        format!("its legal basis ended on {last} ({next} follows); later use has no legal basis"),
    );
    cx.warning("basis-repealed", at("matter", &m.id, "basis"), ja, en);
}

/// A re-entrustment reported under a heading that speaks of outsourcing only.
fn basis_words(cx: &mut Context<'_>, m: &Matter) {
    let subcontract = cx.scheme.contracts.iter().any(|c| c.matter == m.id && c.kind == "subcontract");
    let words = m.basis.iter().filter_map(|b| b.words.as_deref()).find(|w| !w.contains("再委託"));
    if let (true, Some(words)) = (subcontract, words) {
        cx.note(
            "basis-word-differs",
            at("matter", &m.id, "basis"),
            format!("再委託の事項ですが、根拠の見出しは「{words}」です"),
            format!("the matter is a re-entrustment, but the list of bases says `{words}`"),
        );
    }
}

fn test_data(cx: &mut Context<'_>, m: &Matter) {
    let ruled = cx.scheme.obligations.iter().any(|o| o.check.acts().contains(&REAL_DATA_IN_TEST));
    let process = acts_of_matter(cx.vocabulary, m).any(|act| act == Act::Process);
    let Some(phase) = m.phases.iter().find(|p| TEST_PHASES.contains(&p.id.as_str())) else { return };
    if process && !ruled {
        let key = format!("phase/{}", phase.id);
        cx.note(
            "test-without-data-rule",
            at("matter", &m.id, &key),
            "試験の段階がありますが、試験に実データを使ってよいかを定める義務がありません".into(),
            "there is a test phase, but no obligation says whether tests may use real data".into(),
        );
    }
}

fn after_clauses(cx: &mut Context<'_>, m: &Matter) {
    let clause_lines = cx.scheme.rules.iter().filter(|r| r.clause.is_some()).filter_map(|r| r.line);
    if let (Some(line), Some(clauses)) = (m.line, clause_lines.max())
        && line > clauses
    {
        cx.note(
            "matter-after-clauses",
            at("matter", &m.id, "line"),
            format!("この事項は{line}行目にあり、特記事項({clauses}行目)より後です。紙の順序が乱れています"),
            format!(
                "the matter stands on line {line}, after the clauses of line {clauses}: pages out of order"
            ),
        );
    }
}
