//! The report as one self-contained page.

mod details;
mod duties;
mod style;
mod tables;

use daicho_custody::report::{AnswerCode, Certificate, Problem};
use daicho_custody::{DeletionReport, Evidence, Verdict};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::words::{Words, count, is_amiss};
use crate::{Lang, flow_svg, prose};

/// The page.
pub fn page(report: &DeletionReport, lang: Lang) -> String {
    let w = &Words::new(report, lang);
    let title = w.say("個人情報の消去に関する報告書", "Report on the deletion of personal data");
    let simulated = if report.ledger.simulated {
        w.say("模擬の台帳による報告書（実在のデータではない）", "SIMULATED ledger (模擬): no real data")
    } else {
        ""
    };
    let foot = format!("{} {}", report.ledger.origin, w.say("の台帳による", ""));
    let style = style::sheet(simulated, foot.trim_end());
    let page = html! {
        (DOCTYPE)
        html lang=(lang.either("ja", "en")) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width,initial-scale=1";
                title { (title) " " (w.of(&report.scheme.title)) }
                style { (PreEscaped(style)) }
            }
            body {
                (head(w, title))
                main {
                    (answer(w))
                    (details::problems(w))
                    (tables::sums(w))
                    (tables::rules(w))
                    (flow(w))
                    (duties::duties(w))
                    (details::findings(w))
                    (tables::source(w))
                    (details::data_sets(w))
                    (proof(w))
                }
                footer {
                    p { (w.say(
                        "この文書は台帳の記録から計算されたもので、それ自体は証拠ではない。証拠は台帳の記録と、それを検証する手順にある。",
                        "This document is computed from the records of the ledger and is no evidence itself. The evidence is the records and their verification.",
                    )) }
                    @if w.lang == Lang::En {
                        p { "Names of parties, systems, data and rules are official names and stay in Japanese." }
                    }
                }
            }
        }
    };
    page.into_string()
}

fn head(w: &Words<'_>, title: &str) -> Markup {
    let r = w.report;
    let row = |name: &str, value: Markup| html! { dt { (name) } dd { (value) } };
    html! {
        header {
            @if r.ledger.simulated {
                div.banner role="note" {
                    b { (w.say("模擬", "模擬 SIMULATED")) }
                    span { (w.say(
                        "この台帳は模擬の時計で動いている。内容は実在の事務・個人情報ではない。",
                        "This ledger runs on a simulated clock. Nothing in it is real work or real personal data.",
                    )) }
                }
            }
            h1 { (title) }
            p.subtitle { (w.of(&r.scheme.title)) }
            dl.head {
                (row(w.say("事業", "Scheme"), html! { code { (r.scheme.id) } " " (w.say(format!("第{}版", r.scheme.version), format!("version {}", r.scheme.version))) }))
                (row(w.say("所管", "Department"), html! { (r.scheme.department) }))
                (row(w.say("対象者", "Persons"), html! { (r.scheme.subjects) }))
                (row(w.say("対象期間", "Period"), html! {
                    (w.day(r.period.from)) (w.say(" から ", " to ")) (w.day(r.period.to)) (w.say(" まで", ""))
                    br; span.note { (w.say("この期間に生じたデータセットと、そのすべての複製", "Data sets that came into being in it, with all their copies")) }
                }))
                (row(w.say("基準時点", "As of"), html! { (w.time(r.as_of)) }))
                (row(w.say("台帳", "Ledger"), html! { code { (r.ledger.origin) } " " (w.say(format!("記録{}件", count(r.ledger.size)), format!("{} entries", count(r.ledger.size)))) (w.say("、最終記録 ", ", the last of ")) (w.time(r.ledger.last_recorded)) }))
                (row(w.say("連鎖ハッシュ", "Chain hash"), html! { code.hash { (r.ledger.chain_hash_hex) } }))
            }
        }
    }
}

fn answer(w: &Words<'_>) -> Markup {
    let (r, a) = (w.report, &w.report.answer);
    let class = match a.code {
        AnswerCode::Overdue => "bad",
        AnswerCode::Late | AnswerCode::Unproven => "late",
        AnswerCode::NoSchedule => "gap",
        AnswerCode::AllInTime => "ok",
        AnswerCode::OpenInTime | AnswerCode::Nothing => "open",
    };
    let card = |n: u64, class: &str, name: &str| {
        html! { div class=(format!("card {class}{}", if n == 0 { " zero" } else { "" })) { span { (name) } b { (count(n)) } } }
    };
    let evidence = [Evidence::Confirmed, Evidence::Certified, Evidence::Attested];
    let of = |e: &Evidence| r.totals.evidence.get(e).copied().unwrap_or_default();
    html! {
        section {
            h2 { (w.say("1　結論", "1  Conclusion")) }
            p class=(format!("answer {class}")) { (w.of(&a.text)) }
            div.cards {
                (card(a.overdue, "bad", w.say("× 期限超過（保有中）", "× overdue, still kept")))
                (card(a.late, "late", w.say("▲ 期限後に消去・返却", "▲ late")))
                (card(a.unproven, "unproven", w.say("！ 証明不足", "! unproven")))
                (card(a.no_schedule, "gap", w.say("？ 期限の定めなし", "? no schedule")))
            }
            p { (w.say(
                format!("対象期間に生じたデータセット{}件、その複製{}件（うち基準時点で保有中{}件）。",
                    count(r.totals.data_sets), count(r.totals.copies), count(r.totals.open)),
                format!("Data sets that came into being in the period: {}. Their copies: {}, of which {} are still kept.",
                    count(r.totals.data_sets), count(r.totals.copies), count(r.totals.open)),
            )) }
            div.two {
                table {
                    caption { (w.say("判定", "Verdicts")) }
                    thead { tr { th { (w.say("判定", "Verdict")) } th.n { (w.say("複製", "Copies")) } } }
                    tbody {
                        @for (verdict, n) in &r.totals.verdicts {
                            tr { th scope="row" { (verdict_text(w, *verdict, *n)) } (number(*n)) }
                        }
                        tr.sum { th scope="row" { (w.say("計", "All")) } (number(r.totals.copies)) }
                    }
                }
                div {
                    table {
                        caption { (w.say("消去・返却の証拠", "Evidence of the end")) }
                        tbody {
                            @for e in &evidence { tr { th scope="row" { (w.evidence(*e)) } (number(of(e))) } }
                            tr { th scope="row" { (w.say("なし（保有中・引渡し等）", "none (kept, handed on …)")) } (number(of(&Evidence::None))) }
                            tr.sum { th scope="row" { (w.say("計", "All")) } (number(r.totals.copies)) }
                        }
                    }
                    table {
                        caption { (w.say("消去証明書", "Certificates of erasure")) }
                        tbody {
                            @for state in Certificate::ALL {
                                @let n = r.totals.certificates.get(&state).copied().unwrap_or_default();
                                tr { th scope="row" {
                                    @if is_amiss(state) && n > 0 { span.unproven-t { "！ " (w.certificate(state)) } }
                                    @else { (w.certificate(state)) }
                                } (number(n)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn flow(w: &Words<'_>) -> Markup {
    let figures = flow_svg::figures(w);
    let pages = figures.len();
    html! {
        section {
            h2 { (w.say("5　情報の流れ", "5  Data flow")) }
            @for (i, figure) in figures.iter().enumerate() {
                figure {
                    figcaption {
                        @if pages > 1 { (w.say(format!("図{}（{}/{pages}）　", i + 1, i + 1), format!("Figure {} of {pages}. ", i + 1))) }
                        (w.say(
                            "列は当事者、枠は機器・媒体（× 期限超過あり　？ 期限の定めなし　○ 期限内の保有　✓ 保有なし　点線 記録なし）。太い矢印は引渡しにより元の複製がなくなる流れ、細い矢印は元の複製が残る流れ、点線は使用の記録がない流れ。情報が通過するだけの機器・回線は下の表の「経由」に示す。",
                            "Columns are parties, boxes systems (× overdue, ? no schedule, ○ kept in time, ✓ nothing kept, dashed: no record). A thick arrow takes the giver's copy along, a thin one leaves it, a dotted one was not used on record. Systems that data only passes are named in the table below.",
                        ))
                    }
                    (PreEscaped(figure))
                }
            }
            (tables::flows(w))
        }
    }
}

fn proof(w: &Words<'_>) -> Markup {
    let p = prose::prose(w);
    html! {
        section {
            h2 { (w.say("10　この報告書が証明すること・しないこと", "10  What this report proves and what it does not")) }
            div.proof {
                div { h3 { (w.say("✓ 証明すること（下の検証を経て）", "✓ It proves (once verified as below)")) } ul.plain { @for s in &p.proves { li { (s) } } } }
                div.not { h3 { (w.say("× 証明しないこと", "× It does not prove")) } ul.plain { @for s in &p.does_not { li { (s) } } } }
            }
            h2 { (w.say("11　検証の方法", "11  How to verify")) }
            ol.plain {
                @for (text, command) in &p.verify {
                    li { (text) @if let Some(command) = command { pre { code { (command) } } } }
                }
            }
        }
    }
}

/// An id that may break after its punctuation.
fn id(text: &str) -> Markup {
    html! { code { @for piece in text.split_inclusive(['_', '-', '/', '.', '@']) { (piece) wbr; } } }
}

/// The widths of columns in percent.
fn columns(widths: &[f32]) -> Markup {
    html! { colgroup { @for width in widths { col style=(format!("width:{width}%")); } } }
}

/// A number in a cell; zeros are faint.
fn number(n: u64) -> Markup {
    html! { td class=(if n == 0 { "n zero" } else { "n" }) { (count(n)) } }
}

/// A verdict with its symbol, in its colour when there is a copy with it.
fn verdict_text(w: &Words<'_>, verdict: Verdict, n: u64) -> Markup {
    let class = match verdict {
        _ if n == 0 => "",
        Verdict::Overdue => "bad-t",
        Verdict::Late => "late-t",
        Verdict::NoSchedule => "gap-t",
        Verdict::Due | Verdict::Deferred | Verdict::NotTriggered => "open-t",
        Verdict::OnTime | Verdict::Returned | Verdict::Moved => "ok-t",
        Verdict::NotJudged => "",
    };
    html! { span class=(class) { (w.verdict(verdict)) } }
}

/// The class of a group of problems.
fn problem_class(problem: Problem) -> &'static str {
    match problem {
        Problem::Overdue => "bad-t",
        Problem::Late => "late-t",
        Problem::Unproven => "unproven-t",
        Problem::NoSchedule => "gap-t",
    }
}
