//! Copies with problems, findings, and each data set with its copies.

use daicho_core::Instant;
use daicho_custody::report::{Certificate, CopyReport, DataSetReport, Moment, Problem};
use maud::{Markup, html};

use super::{columns, id, problem_class, verdict_text};
use crate::duties::answer;
use crate::problems::{PROBLEMS, delay, persons, problems_of, rest, with_problem};
use crate::words::{Words, clock, count, recorded_apart};

/// Copies of one problem that the page lists first; the rest stands with the data sets.
const LISTED_PROBLEMS: usize = 200;
/// Findings of one code that the page lists.
const LISTED_FINDINGS: usize = 100;
/// Decisions of the ward that the page lists.
const LISTED_DECISIONS: usize = 200;
/// Data sets without a problem that the page lists: more would make it slow to print and nobody the wiser.
const LISTED_CLEAN: usize = 300;

pub(super) fn problems(w: &Words<'_>) -> Markup {
    html! {
        section {
            h2 { (w.say("2　問題のある複製", "2  Copies with problems")) }
            @for problem in PROBLEMS {
                @let all = problems_of(w, problem);
                @let listed = with_problem(w, problem).take(LISTED_PROBLEMS).count() as u64;
                h3 class=(if all > 0 { problem_class(problem) } else { "" }) { (w.problem(problem)) "　" (w.say(format!("{}件", count(all)), count(all))) }
                @if all == 0 {
                    p { (w.say("該当する記録なし", "none recorded")) }
                } @else {
                    @if listed > 0 { (problem_table(w, problem)) }
                    @if listed < all {
                        p.note { (rest(w, problem, all - listed, listed)) }
                    }
                }
            }
        }
    }
}

fn problem_table(w: &Words<'_>, problem: Problem) -> Markup {
    html! {
        table.narrow.fixed {
            (columns(&[15.0, 23.0, 13.3, 13.3, 13.3, 15.1, 7.0]))
            thead { tr {
                th { (w.say("複製", "Copy")) } th { (w.say("保有者・機器・媒体", "Holder, system")) }
                th { (w.say("発生", "Came to be")) } th { (w.say("期限", "Due")) } th { (w.say("消去・返却", "Ended")) }
                th { (w.say("定め・理由", "Rule, reason")) } th { (w.say("記録", "Entries")) }
            } }
            tbody {
                @for (data_set, copy) in with_problem(w, problem).take(LISTED_PROBLEMS) {
                    tr {
                        th scope="row" { (id(&copy.id)) br; (data_set.label) br; span.note { (persons(w, copy.subjects)) } }
                        td { (w.holder(&copy.holder, &copy.member)) br; (w.place(&copy.system, &copy.unit)) }
                        td { (moment(w, &copy.opened)) }
                        td { (due(w, copy.due)) }
                        td { (ended(w, copy)) }
                        td { (reason(w, problem, copy)) }
                        td { (entries(copy)) }
                    }
                }
            }
        }
    }
}

/// Why a copy has a problem.
fn reason(w: &Words<'_>, problem: Problem, copy: &CopyReport) -> Markup {
    let rule = copy.rule.as_deref().and_then(|id| w.rule(id));
    html! {
        @match &copy.rule {
            Some(rule) => { (id(rule)) br; }
            None => { (w.say("どの定めも及ばない", "no rule binds it")) br; }
        }
        @match problem {
            Problem::Overdue | Problem::Late => {
                @if let Some((due, end)) = copy.due.zip(copy.closed.map(|c| c.occurred).or(Some(w.report.as_of))) {
                    span class=(problem_class(problem)) { (delay(w, due, end)) }
                }
            }
            Problem::Unproven => { (certificate(w, copy)) }
            Problem::NoSchedule => {
                @if let Some(rule) = rule {
                    @if rule.gap { (w.say("書面に定めがない", "the source has no rule")) }
                    @else { (w.say("期限の数がない", "no number for the deadline")) }
                }
            }
        }
        @if problem != Problem::Unproven && copy.certificate.is_unproven() { br; (certificate(w, copy)) }
    }
}

fn certificate(w: &Words<'_>, copy: &CopyReport) -> Markup {
    let to: Vec<&str> = copy.owed.iter().map(|p| w.party(p)).collect();
    html! {
        span.unproven-t { (w.say("！証明書なし", "! no certificate")) }
        @if !to.is_empty() { (w.say("（未提出先: ", " (owed to ")) (to.join("、")) (w.say("）", ")")) }
        @if copy.certificate == Certificate::NoLimit { br; span.note { (w.say("提出期限の定めなし", "no limit set")) } }
    }
}

fn when(w: &Words<'_>, time: Instant) -> Markup {
    let day = time.jst_day();
    html! {
        span.nw { @if w.lang == crate::Lang::Ja { (day.era()) br; } }
        span class=(w.say("iso", "nw")) { (day.to_string()) " " (clock(time)) }
    }
}

/// A time, and that of its recording where it is another.
fn moment(w: &Words<'_>, moment: &Moment) -> Markup {
    html! {
        (when(w, moment.occurred))
        @if recorded_apart(moment) { br; span.note { (w.say("記録 ", "recorded ")) span.iso { (moment.recorded.jst_day().to_string()) " " (clock(moment.recorded)) } } }
    }
}

fn due(w: &Words<'_>, due: Option<Instant>) -> Markup {
    match due {
        Some(time) => when(w, time),
        None => html! { (w.say("―", "–")) },
    }
}

fn ended(w: &Words<'_>, copy: &CopyReport) -> Markup {
    match &copy.closed {
        Some(closed) => moment(w, closed),
        None => html! { (w.say("保有中", "still kept")) },
    }
}

fn entries(copy: &CopyReport) -> Markup {
    let all: Vec<String> = copy.entries.iter().map(|e| format!("#{e}")).collect();
    html! { (all.join(" ")) @if copy.entries_unlisted > 0 { " +" (count(copy.entries_unlisted)) } }
}

pub(super) fn findings(w: &Words<'_>) -> Markup {
    let r = w.report;
    html! {
        section {
            h2 { (w.say("7　指摘", "7  Findings")) }
            p.note { (w.say(
                "事業全体の、期間を限らない指摘である。指摘がない事項は「違反の記録なし」であり、違反がないことを示すものではない。",
                "Findings are those of the whole scheme, whatever the period. Where there is none, no violation is recorded; it does not say that there is none.",
            )) }
            @if r.finding_counts.is_empty() { p { (w.say("違反の記録なし", "no violation recorded")) } } @else {
                table.narrow.fixed {
                    (columns(&[26.0, 46.0, 7.0, 21.0]))
                    thead { tr { th { (w.say("対象", "Object")) } th { (w.say("内容", "Detail")) } th.n { (w.say("回数", "Times")) } th { (w.say("記録", "Entries")) } } }
                    @for (code, n) in &r.finding_counts {
                        tbody.group {
                            tr.set { th colspan="4" {
                                b { (r.finding_meanings.get(code).map(|text| w.of(text)).unwrap_or_default()) } " "
                                code { (code.word()) } "　" (w.say(format!("{}件", count(*n)), count(*n)))
                            } }
                            @let listed = r.findings.iter().filter(|f| f.code == *code);
                            @for f in listed.take(LISTED_FINDINGS) {
                                tr {
                                    td { (id(&f.object)) } td { (w.of(&f.detail)) @for said in &f.answers { br; span.note { (answer(w, said)) } } } td.n { (count(f.occurrences)) }
                                    td { (f.entries.iter().map(|e| format!("#{e}")).collect::<Vec<_>>().join(" ")) }
                                }
                            }
                            @if *n > LISTED_FINDINGS as u64 {
                                tr { td colspan="4" { (w.say(format!("ほか{}件は、ここに個別に掲げていない。", count(*n - LISTED_FINDINGS as u64)), format!("{} more are not listed one by one here.", count(*n - LISTED_FINDINGS as u64)))) } }
                            }
                        }
                    }
                }
            }
            @if !r.decisions.is_empty() {
                h3 { (w.say("指摘に対する区の決定（新しい順）", "Decisions of the ward on findings, the newest first")) }
                table.narrow.fixed {
                    (columns(&[34.0, 48.0, 18.0]))
                    thead { tr { th { (w.say("指摘", "Finding")) } th { (w.say("決定の内容", "Decision")) } th { (w.say("現況", "Now")) } } }
                    tbody {
                        @for one in r.decisions.iter().rev().take(LISTED_DECISIONS) {
                            tr { td { (w.of(&one.meaning)) br; (id(&one.object)) } td { (answer(w, &one.said)) } td { (w.stands(one)) } }
                        }
                        @let more = r.decisions.len().saturating_sub(LISTED_DECISIONS) as u64 + r.decisions_unlisted;
                        @if more > 0 {
                            tr { td colspan="3" { (w.say(format!("ほか{}件は、ここに個別に掲げていない。", count(more)), format!("{} more are not listed here.", count(more)))) } }
                        }
                    }
                }
            }
        }
    }
}

pub(super) fn data_sets(w: &Words<'_>) -> Markup {
    let r = w.report;
    let (clean, troubled): (Vec<_>, Vec<_>) = r.data_sets.iter().partition(|d| d.problem.is_none());
    let left_out = clean.len().saturating_sub(LISTED_CLEAN) as u64;
    html! {
        section {
            h2 { (w.say("9　データセット別の明細", "9  Data sets in detail")) }
            p.note {
                (w.say("問題のあるものを先に、ほかは発生の順に掲げる。「記録」は台帳の記録番号。時刻は日本時間。", "Those with problems first, then in the order of time. Entries are numbers in the ledger. Times are those of Japan."))
                @if left_out > 0 {
                    " " b { (w.say(
                        format!("問題のないデータセットは、はじめの{LISTED_CLEAN}件を掲げる。ほか{}件は、この報告書のJSON（daicho report deletion … --format json）に個別に掲げている。", count(left_out)),
                        format!("Of those without a problem the first {LISTED_CLEAN} are listed; {} more are listed one by one in the JSON of this report (daicho report deletion … --format json).", count(left_out)),
                    )) }
                }
                @if r.data_sets_unlisted > 0 {
                    " " b { (w.say(
                        format!("このほかに{}件のデータセットがあり、集計に含まれるが、個別には掲げていない。", count(r.data_sets_unlisted)),
                        format!("{} more data sets are in the sums but not listed one by one.", count(r.data_sets_unlisted)),
                    )) }
                }
            }
            @if r.data_sets.is_empty() { p { (w.say("対象期間に生じたデータセットの記録なし", "no data set recorded in the period")) } } @else {
                table.narrow.fixed {
                    (columns(&[9.5, 18.6, 13.3, 13.3, 13.3, 14.0, 10.5, 7.5]))
                    thead { tr {
                        th { (w.say("複製", "Copy")) } th { (w.say("保有者・機器・媒体", "Holder, system")) } th { (w.say("発生", "Came to be")) }
                        th { (w.say("期限", "Due")) } th { (w.say("消去・返却等", "Ended")) } th { (w.say("判定・定め", "Verdict, rule")) }
                        th { (w.say("証拠", "Evidence")) } th { (w.say("記録", "Entries")) }
                    } }
                    @for d in troubled.into_iter().chain(clean.into_iter().take(LISTED_CLEAN)) { (data_set(w, d)) }
                }
            }
        }
    }
}

fn data_set(w: &Words<'_>, d: &DataSetReport) -> Markup {
    html! {
        tbody.group {
            tr.set { th colspan="8" {
                b { (d.label) } " " code { (d.id) } "　" (persons(w, d.subjects)) "　" (w.time(d.opened.occurred))
                @if d.copies.is_empty() { "　" (w.say("複製の記録なし", "no copy recorded")) }
            } }
            @for copy in &d.copies {
                tr {
                    th scope="row" { (id(&copy.id)) }
                    td { (w.holder(&copy.holder, &copy.member)) br; (w.place(&copy.system, &copy.unit)) }
                    td { (moment(w, &copy.opened)) }
                    td { (due(w, copy.due)) }
                    td { (ended(w, copy)) }
                    td { (verdict_text(w, copy.verdict, 1)) @if let Some(rule) = &copy.rule { br; (id(rule)) } }
                    td {
                        @if copy.closed.is_some() { (w.evidence(copy.evidence)) } @else { (w.say("―", "–")) }
                        @if let Some(by) = &copy.third_party { br; span.note { (w.third_party(by)) } }
                        @if copy.certificate.is_unproven() { br; span.unproven-t { (w.say("！証明書なし", "! no certificate")) } }
                        @if let Some(note) = w.certificate_note(copy.certificate) { br; span.note { (note) } }
                    }
                    td { (entries(copy)) }
                }
            }
            @if d.copies_unlisted > 0 {
                tr { td colspan="8" { (w.say(format!("ほか{}件の複製は個別に掲げていない。", count(d.copies_unlisted)), format!("{} more copies are not listed one by one.", count(d.copies_unlisted)))) } }
            }
        }
    }
}
