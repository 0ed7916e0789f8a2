//! Sums by system, holder and rule; flows; what is wrong with the source and what the ward set.

use daicho_custody::Verdict;
use daicho_custody::report::{Number, RuleStatus, Tally};
use daicho_custody::scheme::Severity;
use maud::{Markup, html};

use super::{columns, id, number, verdict_text};
use crate::problems::{GONE, KEPT, total};
use crate::words::{Words, count, names, setting_name};

pub(super) fn sums(w: &Words<'_>) -> Markup {
    html! {
        section {
            h2 { (w.say("3　集計", "3  Sums")) }
            h3 { (w.say("保有者別", "By holder")) }
            (tallies(w, w.say("保有者", "Holder"), &w.report.holders))
            h3 { (w.say("機器・媒体別", "By system")) }
            (tallies(w, w.say("機器・媒体", "System"), &w.report.systems))
        }
    }
}

/// One row for each tally; columns for problems, one for all that is kept in time, one for all that is gone in time.
fn tallies(w: &Words<'_>, name: &str, list: &[Tally]) -> Markup {
    let of = |t: &Tally, all: &[Verdict]| {
        all.iter().map(|v| t.verdicts.get(v).copied().unwrap_or_default()).sum::<u64>()
    };
    let row = |t: &Tally| {
        html! {
            (number(t.copies)) (number(t.open))
            (number(of(t, &[Verdict::Overdue]))) (number(of(t, &[Verdict::Late])))
            (number(of(t, &[Verdict::NoSchedule]))) (number(of(t, &KEPT))) (number(of(t, &GONE)))
            (number(of(t, &[Verdict::NotJudged]))) (number(t.unproven))
        }
    };
    let unused: Vec<&str> = list.iter().filter(|t| t.copies == 0).map(|t| t.label.as_str()).collect();
    let total = total(w, list);
    html! {
        table {
            thead { tr {
                th { (name) } th.n { (w.say("複製", "copies")) } th.n { (w.say("保有中", "kept")) }
                th.n { (w.say("×超過", "× overdue")) } th.n { (w.say("▲期限後", "▲ late")) }
                th.n { (w.say("？定めなし", "? no schedule")) }
                th.n { (w.say("○期限内保有", "○ kept in time")) } th.n { (w.say("✓期限内終了", "✓ gone in time")) }
                th.n { (w.say("－対象外", "－ not judged")) } th.n { (w.say("！証明不足", "! unproven")) }
            } }
            tbody {
                @for t in list.iter().filter(|t| t.copies > 0) {
                    tr { th scope="row" { (t.label) } (row(t)) }
                }
                tr.sum { th scope="row" { (w.say("計", "All")) } (row(&total)) }
            }
        }
        @if !unused.is_empty() {
            p.note { (w.say("複製の記録がないもの: ", "No copy recorded: ")) (unused.join("、")) }
        }
    }
}

pub(super) fn rules(w: &Words<'_>) -> Markup {
    let all = w.say("すべて", "all");
    html! {
        section {
            h2 { (w.say("4　保存と消去の定め", "4  Retention rules")) }
            p.note { (w.say(
                "一つの複製に複数の定めが及ぶことがあるため、件数の合計は複製の数と一致しない。「期限の定めなし」は合格ではない。",
                "Several rules may bind one copy, so these numbers do not add up to the copies. \"No schedule\" is never a pass.",
            )) }
            table.narrow.fixed {
                (columns(&[24.0, 12.0, 27.0, 10.5, 6.8, 19.7]))
                thead { tr {
                    th { (w.say("定め", "Rule")) } th { (w.say("契機", "Trigger")) } th { (w.say("期限と、その数の出所", "Deadline and source of its number")) }
                    th { (w.say("状態", "Status")) } th.n { (w.say("複製", "Copies")) } th { (w.say("判定の内訳", "Verdicts")) }
                } }
                tbody {
                    @for rule in &w.report.rules {
                        tr {
                            th scope="row" {
                                (w.of(&rule.words)) br; (id(&rule.id))
                                @if rule.systems.iter().all(|s| s != "*") { br; span.note { (w.say("対象: ", "at: ")) (names(&rule.systems, all)) } }
                                @if rule.gap { br; span.gap-t { (w.say("！書面に定めがない", "! missing in the source")) } }
                            }
                            @let (trigger, milestone) = w.trigger_parts(rule);
                            td { (trigger) @if let Some(milestone) = milestone { br; (id(milestone)) } }
                            td {
                                @if !rule.deadline_words.is_empty() { "「" (rule.deadline_words) "」" br; }
                                (number_source(w, &rule.number))
                            }
                            td { span class=(if rule.status == RuleStatus::NoSchedule { "gap-t" } else { "" }) {
                                (match rule.status { RuleStatus::Judged => "✓ ", RuleStatus::NoSchedule => "？ ", RuleStatus::NotTriggered => "・ " })
                                (w.of(&rule.status.label()))
                            } }
                            (number(rule.copies))
                            td { @for (verdict, n) in rule.verdicts.iter().filter(|(_, n)| **n > 0) {
                                div.nw { (verdict_text(w, *verdict, *n)) " " (count(*n)) }
                            } }
                        }
                    }
                }
            }
        }
    }
}

/// Where the number of a rule comes from, in lines.
fn number_source(w: &Words<'_>, number: &Number) -> Markup {
    let Number::Ward { deadline, set, by, ground, adopts_proposal } = number else {
        return html! { (w.number(number)) };
    };
    html! {
        (w.deadline(deadline)) (w.say("（区が定める", " (set by the ward"))
        @if *adopts_proposal { (w.say("、提案を採用", ", adopting the proposal")) } (w.say("）", ")")) br;
        span.note {
            (w.party(by)) " " span.nw { (w.day(set.recorded.jst_day())) } " #" (set.entry) br;
            (w.say("根拠: ", "ground: ")) (ground)
        }
    }
}

pub(super) fn flows(w: &Words<'_>) -> Markup {
    let end = |party: &str, system: &str| {
        let party = w.party(party).to_owned();
        if system.is_empty() { party } else { format!("{party}・{}", w.system(system)) }
    };
    html! {
        table.narrow.fixed {
            (columns(&[4.5, 22.0, 19.0, 23.0, 6.8, 6.0, 6.8, 11.9]))
            thead { tr {
                th.n { (w.say("番", "No.")) } th { (w.say("情報", "Data")) } th { (w.say("渡す側", "From")) } th { (w.say("受ける側", "To")) }
                th.n { (w.say("複製", "Copies")) } th.n { (w.say("保有", "kept")) } th.n { (w.say("授受", "Moves")) } th { (w.say("最終使用", "Last use")) }
            } }
            tbody {
                @for (i, flow) in w.report.flows.iter().enumerate() {
                    tr {
                        td.n { (i + 1) }
                        th scope="row" {
                            (flow.label) br; (id(&flow.id))
                            @if let Some(gap) = &flow.basis_gap { br; span.late-t { (w.say("！", "! ")) (w.of(gap)) } }
                        }
                        td { (end(&flow.from.party, &flow.from.system)) }
                        td {
                            (end(&flow.to.party, &flow.to.system))
                            @if !flow.via.is_empty() {
                                br; span.note { (w.say("経由: ", "via ")) (flow.via.iter().map(|s| w.system(s)).collect::<Vec<_>>().join("、")) }
                            }
                        }
                        (number(flow.copies)) (number(flow.open)) (number(flow.passages))
                        td.nw { @match flow.last_use {
                            Some(time) => { (time.jst_day().to_string()) }
                            None => { (w.say("記録なし", "none")) }
                        } }
                    }
                }
            }
        }
    }
}

pub(super) fn source(w: &Words<'_>) -> Markup {
    let r = w.report;
    html! {
        section {
            h2 { (w.say("8　書面の不備、区の訂正と区が定めた数", "8  Flaws of the source, corrections and numbers set by the ward")) }
            h3 { (w.say("書面の不備（重要なもの）", "Flaws of the source that matter")) }
            @if r.anomalies.is_empty() { p { (w.say("記載なし", "none stated")) } } @else {
                table {
                    thead { tr { th.nw { (w.say("重要度", "Weight")) } th { (w.say("内容", "What")) } } }
                    tbody { @for a in &r.anomalies {
                        tr { td.nw { @match a.severity {
                            Severity::High => span.bad-t { (w.say("▲ 高", "▲ high")) },
                            Severity::Medium | Severity::Low => span { (w.say("・ 中", "・ medium")) },
                        } } td { (w.of(&a.what)) } }
                    } }
                }
            }
            h3 { (w.say("事業定義の点検による警告", "Warnings of the check of the scheme file")) }
            @if r.warnings.is_empty() { p { (w.say("警告なし", "none")) } } @else {
                table {
                    thead { tr { th { (w.say("箇所", "Where")) } th { (w.say("内容", "What")) } } }
                    tbody { @for x in &r.warnings {
                        tr { td { (id(&x.diagnostic)) } td { (w.of(&x.what)) } }
                    } }
                }
            }
            h3 { (w.say("区による書面の訂正", "Corrections by the ward")) }
            @if r.corrections.is_empty() { p { (w.say("訂正の記録なし", "no correction recorded")) } } @else {
                table {
                    thead { tr { th { (w.say("箇所", "Where")) } th { (w.say("根拠", "Ground")) } th.nw { (w.say("日・記録", "Day, entry")) } } }
                    tbody { @for c in &r.corrections {
                        tr { td { (id(&c.diagnostic)) } td { (c.ground) } td.nw { (c.set.recorded.jst_day().to_string()) " #" (c.set.entry) } }
                    } }
                }
            }
            h3 { (w.say("区が署名して定めた数", "Numbers set by the ward under its signature")) }
            @if r.settings.is_empty() { p { (w.say("記録なし", "none recorded")) } } @else {
                table {
                    thead { tr { th { (w.say("対象", "For")) } th { (w.say("数", "Number")) } th { (w.say("根拠", "Ground")) } th { (w.say("誰が・いつ・記録", "Who, when, entry")) } } }
                    tbody { @for s in &r.settings {
                        tr {
                            td { (setting_name(w, &s.what)) @if !s.rule.is_empty() { br; (id(&s.rule)) } }
                            td { (w.deadline(&s.value)) @if s.adopts_proposal { br; span.note { (w.say("提案を採用", "adopts the proposal")) } } }
                            td { (s.ground) }
                            td { (w.party(&s.by)) br; (w.day(s.set.recorded.jst_day())) " #" (s.set.entry) }
                        }
                    } }
                }
            }
            @if w.unset_limits().next().is_some() {
                h3 { (w.say("区が定めていない事業全体の期限", "Limits of the whole scheme that the ward has not set")) }
                table {
                    thead { tr { th { (w.say("期限", "Limit")) } th { (w.say("定めがない場合", "Without it")) } } }
                    tbody { @for limit in w.unset_limits() {
                        tr { th scope="row" { span.gap-t { (w.say("？ ", "? ")) } (w.of(&limit.label)) } td { (w.of(&limit.without)) } }
                    } }
                }
            }
        }
    }
}
