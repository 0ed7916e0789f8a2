//! Problems, sums by holder and system, rules, clauses, findings, and what is wrong with the source.

use daicho_custody::Verdict;
use daicho_custody::report::{CopyReport, Number, Problem, RuleReport, RuleStatus, Tally};
use daicho_custody::scheme::Severity;

use super::super::rich::{Block, Look, Rich, Section, Table};
use super::annex::{due, ended, entries, moment};
use super::cover::is_fault;
use crate::problems::{GONE, KEPT, PROBLEMS, delay, persons, problems_of, rest, total, with_problem};
use crate::words::{Words, count, names, setting_name};

/// Copies of one problem that the paper lists. Those without a schedule share few causes, which the rules show with their
/// numbers: some of them are enough.
fn most_listed(problem: Problem) -> usize {
    if problem == Problem::NoSchedule { 20 } else { 100 }
}

/// Findings of one code that the paper lists.
const LISTED_FINDINGS: usize = 50;
/// Decisions of the ward that the paper lists.
const LISTED_DECISIONS: usize = 100;

/// A figure; zeros are faint.
pub(super) fn number(n: u64) -> Rich {
    if n == 0 { Rich::new().look(Look::Faint, "0") } else { count(n).into() }
}

/// A verdict with its symbol.
pub(super) fn verdict_words(w: &Words<'_>, verdict: Verdict) -> Rich {
    let look = if is_fault(verdict) { Look::Bad } else { Look::Whole };
    Rich::new().look(look, w.verdict(verdict))
}

pub(super) fn problems(w: &Words<'_>) -> Section {
    let mut section = Section::new(w.say("問題のある複製", "Copies with problems"));
    for problem in PROBLEMS {
        let all = problems_of(w, problem);
        let n = count(all);
        section = section.with(Block::Heading(
            w.say(format!("{}　{n}件", w.problem(problem)), format!("{}: {n}", w.problem(problem))),
        ));
        if all == 0 {
            section = section.with(Block::Text(w.say("該当する記録なし", "none recorded").into()));
            continue;
        }
        let listed = with_problem(w, problem).take(most_listed(problem)).count() as u64;
        if listed > 0 {
            section = section.with(problem_table(w, problem));
        }
        if listed < all {
            section = section.with(Block::Note(rest(w, problem, all - listed, listed).into()));
        }
    }
    section
}

fn problem_table(w: &Words<'_>, problem: Problem) -> Block {
    let mut table = Table::new(
        [14.0, 23.5, 15.5, 15.5, 15.5, 17.0, 8.0],
        [
            w.say("複製", "Copy"),
            w.say("保有者・機器・媒体", "Holder, system"),
            w.say("発生", "Came to be"),
            w.say("期限", "Due"),
            w.say("消去・返却", "Ended"),
            w.say("定め・理由", "Rule, reason"),
            w.say("記録", "Entries"),
        ],
    );
    for (data_set, copy) in with_problem(w, problem).take(most_listed(problem)) {
        table.row([
            Rich::new()
                .look(Look::Code, &copy.id)
                .line()
                .plain(&data_set.label)
                .line()
                .look(Look::Note, persons(w, copy.subjects)),
            holder(w, copy),
            moment(w, &copy.opened),
            due(w, copy.due),
            ended(w, copy),
            reason(w, problem, copy),
            entries(copy),
        ]);
    }
    Block::Table(table)
}

pub(super) fn holder(w: &Words<'_>, copy: &CopyReport) -> Rich {
    Rich::from(w.holder(&copy.holder, &copy.member)).line().plain(w.place(&copy.system, &copy.unit))
}

/// Why a copy has a problem.
fn reason(w: &Words<'_>, problem: Problem, copy: &CopyReport) -> Rich {
    let rule = copy.rule.as_deref().and_then(|id| w.rule(id));
    let mut text = match &copy.rule {
        Some(rule) => Rich::new().look(Look::Code, rule),
        None => w.say("どの定めも及ばない", "no rule binds it").into(),
    };
    match problem {
        Problem::Overdue | Problem::Late => {
            let end = copy.closed.map_or(w.report.as_of, |closed| closed.occurred);
            if let Some(due) = copy.due {
                text = text.line().look(Look::Bad, delay(w, due, end));
            }
        }
        Problem::NoSchedule => {
            if let Some(rule) = rule {
                text = text.line().plain(if rule.gap {
                    w.say("書面に定めがない", "the source has no rule")
                } else {
                    w.say("期限の数がない", "no number for the deadline")
                });
            }
        }
        Problem::Unproven => {}
    }
    if copy.certificate.is_unproven() { text.line().then(certificate(w, copy)) } else { text }
}

fn certificate(w: &Words<'_>, copy: &CopyReport) -> Rich {
    let to: Vec<&str> = copy.owed.iter().map(|p| w.party(p)).collect();
    let text = Rich::new().look(Look::Bold, w.say("！証明書なし", "! no certificate"));
    if to.is_empty() {
        return text;
    }
    let to = to.join("、");
    text.plain(w.say(format!("（未提出先: {to}）"), format!(" (owed to {to})")))
}

pub(super) fn sums(w: &Words<'_>) -> Section {
    Section::new(w.say("保有者・機器別の集計", "Sums by holder and system"))
        .with(Block::Heading(w.say("保有者別", "By holder").into()))
        .with(tallies(w, w.say("保有者", "Holder"), &w.report.holders))
        .with(unused(w, &w.report.holders))
        .with(Block::Heading(w.say("機器・媒体別", "By system").into()))
        .with(tallies(w, w.say("機器・媒体", "System"), &w.report.systems))
        .with(unused(w, &w.report.systems))
}

fn tallies(w: &Words<'_>, name: &str, list: &[Tally]) -> Block {
    let of = |t: &Tally, all: &[Verdict]| {
        number(all.iter().map(|v| t.verdicts.get(v).copied().unwrap_or_default()).sum::<u64>())
    };
    let cells = |name: &str, t: &Tally| -> [Rich; 10] {
        [
            name.into(),
            number(t.copies),
            number(t.open),
            of(t, &[Verdict::Overdue]),
            of(t, &[Verdict::Late]),
            of(t, &[Verdict::NoSchedule]),
            of(t, &KEPT),
            of(t, &GONE),
            of(t, &[Verdict::NotJudged]),
            number(t.unproven),
        ]
    };
    let mut table = Table::new(
        [14.0, -9.3, -8.5, -8.5, -9.0, -10.5, -12.6, -12.6, -9.0, -10.5],
        [
            name,
            w.say("複製", "Copies"),
            w.say("保有中", "Kept"),
            w.say("×超過", "× overdue"),
            w.say("▲期限後", "▲ late"),
            w.say("？定めなし", "? no schedule"),
            w.say("○期限内保有", "○ kept in time"),
            w.say("✓期限内終了", "✓ gone in time"),
            w.say("－対象外", "－ not judged"),
            w.say("！証明不足", "! unproven"),
        ],
    );
    for t in list.iter().filter(|t| t.copies > 0) {
        table.row(cells(&t.label, t));
    }
    let total = total(w, list);
    table.sum(cells(w.say("計", "All"), &total));
    Block::Table(table)
}

fn unused(w: &Words<'_>, list: &[Tally]) -> Block {
    let names: Vec<&str> = list.iter().filter(|t| t.copies == 0).map(|t| t.label.as_str()).collect();
    let names = if names.is_empty() { w.say("なし", "–").to_owned() } else { names.join("、") };
    Block::Note(w.say(format!("複製の記録がないもの: {names}"), format!("No copy recorded: {names}")).into())
}

pub(super) fn rules(w: &Words<'_>) -> Section {
    let mut table = Table::new(
        [22.0, 13.0, 27.0, 12.0, -8.0, 20.0],
        [
            w.say("定め", "Rule"),
            w.say("契機", "Trigger"),
            w.say("期限と、その数の出所", "Deadline, source of its number"),
            w.say("状態", "Status"),
            w.say("複製", "Copies"),
            w.say("判定の内訳", "Verdicts"),
        ],
    );
    for rule in &w.report.rules {
        table.row(rule_cells(w, rule));
    }
    Section::new(w.say("保存と消去の定め", "Retention rules"))
        .with(Block::Note(
            w.say(
                "一つの複製に複数の定めが及ぶことがあるため、件数の合計は複製の数と一致しない。「期限の定めなし」は合格ではない。",
                "Several rules may bind one copy, so these numbers do not add up to the copies. “No schedule” is never a pass.",
            )
            .into(),
        ))
        .with(Block::Table(table))
}

fn rule_cells(w: &Words<'_>, rule: &RuleReport) -> [Rich; 6] {
    let mut name = Rich::from(w.of(&rule.words)).line().look(Look::Code, &rule.id);
    if rule.systems.iter().all(|s| s != "*") {
        let systems = names(&rule.systems, w.say("すべて", "all"));
        name = name.line().look(Look::Note, w.say(format!("対象: {systems}"), format!("at: {systems}")));
    }
    if rule.gap {
        name = name.line().look(Look::Bold, w.say("！書面に定めがない", "! missing in the source"));
    }
    let mut deadline = Rich::new();
    if !rule.deadline_words.is_empty() {
        deadline = deadline.plain(format!("「{}」", rule.deadline_words)).line();
    }
    let status = match rule.status {
        RuleStatus::Judged => "✓",
        RuleStatus::NoSchedule => "？",
        RuleStatus::NotTriggered => "・",
    };
    let look = if rule.status == RuleStatus::NoSchedule { Look::Bold } else { Look::Whole };
    let verdicts = rule.verdicts.iter().filter(|(_, n)| **n > 0).fold(Rich::new(), |text, (verdict, n)| {
        text.line().then(verdict_words(w, *verdict)).plain(format!(" {}", count(*n)))
    });
    let (trigger, milestone) = w.trigger_parts(rule);
    let trigger = Rich::from(trigger);
    let trigger = match milestone {
        Some(milestone) => trigger.line().look(Look::Code, milestone),
        None => trigger,
    };
    [
        name,
        trigger,
        deadline.then(number_source(w, &rule.number)),
        Rich::new().look(look, format!("{status} {}", w.of(&rule.status.label()))),
        number(rule.copies),
        verdicts,
    ]
}

fn number_source(w: &Words<'_>, source: &Number) -> Rich {
    let Number::Ward { deadline, set, by, ground, adopts_proposal } = source else {
        return w.number(source).into();
    };
    let adopts = if *adopts_proposal { w.say("、提案を採用", ", adopting the proposal") } else { "" };
    let deadline = w.deadline(deadline);
    Rich::from(
        w.say(format!("{deadline}（区が定める{adopts}）"), format!("{deadline} (set by the ward{adopts})")),
    )
    .line()
    .look(Look::Note, format!("{} {} #{}", w.party(by), w.day(set.recorded.jst_day()), set.entry))
    .line()
    .look(Look::Note, w.say(format!("根拠: {ground}"), format!("ground: {ground}")))
}

pub(super) fn findings(w: &Words<'_>) -> Section {
    let r = w.report;
    let section = Section::new(w.say("指摘", "Findings")).with(Block::Note(
        w.say(
            "事業全体の、期間を限らない指摘である。指摘がない事項は「違反の記録なし」であり、違反がないことを示すものではない。",
            "Findings are those of the whole scheme, whatever the period. Where there is none, no violation is recorded; it does not say that there is none.",
        )
        .into(),
    ));
    if r.finding_counts.is_empty() {
        let none = section.with(Block::Text(w.say("違反の記録なし", "no violation recorded").into()));
        return decisions(w, none);
    }
    let mut table = Table::new(
        [26.0, 46.0, -8.0, 20.0],
        [w.say("対象", "Object"), w.say("内容", "Detail"), w.say("回数", "Times"), w.say("記録", "Entries")],
    )
    .in_small();
    for (code, n) in &r.finding_counts {
        let meaning = r.finding_meanings.get(code).map(|text| w.of(text)).unwrap_or_default();
        table.group(
            Rich::new()
                .look(Look::Bold, meaning)
                .plain(" ")
                .look(Look::Code, code.word())
                .plain(w.say(format!("　{}件", count(*n)), format!(": {}", count(*n)))),
        );
        for f in r.findings.iter().filter(|f| f.code == *code).take(LISTED_FINDINGS) {
            let numbers: Vec<String> = f.entries.iter().map(|e| format!("#{e}")).collect();
            table.row([
                Rich::new().look(Look::Code, &f.object),
                f.answers.iter().fold(Rich::from(w.of(&f.detail)), |said, answer| {
                    said.line().look(Look::Note, crate::duties::answer(w, answer))
                }),
                count(f.occurrences).into(),
                numbers.join(" ").into(),
            ]);
        }
        if *n > LISTED_FINDINGS as u64 {
            let more = count(*n - LISTED_FINDINGS as u64);
            table.wide(Rich::new().look(
                Look::Note,
                w.say(
                    format!("ほか{more}件は、ここに個別に掲げていない。"),
                    format!("{more} more are not listed one by one here."),
                ),
            ));
        }
    }
    decisions(w, section.with(Block::Table(table)))
}

fn decisions(w: &Words<'_>, section: Section) -> Section {
    let r = w.report;
    if r.decisions.is_empty() {
        return section;
    }
    let heads = [w.say("指摘", "Finding"), w.say("決定の内容", "Decision"), w.say("現況", "Now")];
    let mut table = Table::new([34.0, 48.0, 18.0], heads).in_small();
    for one in r.decisions.iter().rev().take(LISTED_DECISIONS) {
        table.row([
            Rich::from(w.of(&one.meaning)).line().look(Look::Code, &one.object),
            crate::duties::answer(w, &one.said).into(),
            w.stands(one).into(),
        ]);
    }
    let more = r.decisions.len().saturating_sub(LISTED_DECISIONS) as u64 + r.decisions_unlisted;
    if more > 0 {
        let more = count(more);
        let text = w.say(
            format!("ほか{more}件は、ここに個別に掲げていない。"),
            format!("{more} more are not listed here."),
        );
        table.wide(Rich::new().look(Look::Note, text));
    }
    let heading =
        w.say("指摘に対する区の決定（新しい順）", "Decisions of the ward on findings, the newest first");
    section.with(Block::Heading(heading.into())).with(Block::Table(table))
}

pub(super) fn source(w: &Words<'_>) -> Section {
    let r = w.report;
    let title = w.say("書面の不備と、区が定めた数", "Flaws of the source, and numbers set by the ward");
    let mut section = Section::new(title)
        .with(Block::Heading(w.say("書面の不備（重要なもの）", "Flaws of the source that matter").into()));
    if r.anomalies.is_empty() {
        section = section.with(Block::Text(w.say("記載なし", "none stated").into()));
    } else {
        let mut table = Table::new([1.0, 8.0], [w.say("重要度", "Weight"), w.say("内容", "What")]);
        for a in &r.anomalies {
            let weight = match a.severity {
                Severity::High => Rich::new().look(Look::Bold, w.say("▲ 高", "▲ high")),
                Severity::Medium | Severity::Low => w.say("・ 中", "・ medium").into(),
            };
            table.row([weight, w.of(&a.what).into()]);
        }
        section = section.with(Block::Table(table));
    }
    section = settings(w, section);
    if w.unset_limits().next().is_none() {
        return section;
    }
    let without = w.say("定めがない場合", "Without it");
    let mut table = Table::new([2.0, 3.0], [w.say("期限", "Limit"), without]);
    for limit in w.unset_limits() {
        let label = Rich::new().look(Look::Bold, w.say("？ ", "? ")).plain(w.of(&limit.label));
        table.row([label, w.of(&limit.without).into()]);
    }
    let title =
        w.say("区が定めていない事業全体の期限", "Limits of the whole scheme that the ward has not set");
    section.with(Block::Heading(title.into())).with(Block::Table(table))
}

fn settings(w: &Words<'_>, section: Section) -> Section {
    let r = w.report;
    let moment =
        |set: &daicho_custody::report::Moment| format!("{} #{}", w.day(set.recorded.jst_day()), set.entry);
    let mut section = section;
    if !r.corrections.is_empty() {
        let mut table = Table::new(
            [4.0, 6.0, 4.0],
            [w.say("箇所", "Where"), w.say("根拠", "Ground"), w.say("日・記録", "Day, entry")],
        );
        for c in &r.corrections {
            table.row([
                Rich::new().look(Look::Code, &c.diagnostic),
                c.ground.as_str().into(),
                moment(&c.set).into(),
            ]);
        }
        section = section
            .with(Block::Heading(w.say("区による書面の訂正", "Corrections by the ward").into()))
            .with(Block::Table(table));
    }
    section = section.with(Block::Heading(
        w.say("区が署名して定めた数", "Numbers set by the ward under its signature").into(),
    ));
    if r.settings.is_empty() {
        return section.with(Block::Text(w.say("記録なし", "none recorded").into()));
    }
    let mut table = Table::new(
        [4.0, 3.0, 4.0, 4.0],
        [
            w.say("対象", "For"),
            w.say("数", "Number"),
            w.say("根拠", "Ground"),
            w.say("誰が・いつ・記録", "Who, when, entry"),
        ],
    );
    for s in &r.settings {
        let adopts = if s.adopts_proposal { w.say("提案を採用", "adopts the proposal") } else { "" };
        table.row([
            Rich::from(setting_name(w, &s.what)).line().look(Look::Code, &s.rule),
            Rich::from(w.deadline(&s.value)).line().look(Look::Note, adopts),
            s.ground.as_str().into(),
            Rich::from(w.party(&s.by)).line().plain(moment(&s.set)),
        ]);
    }
    section.with(Block::Table(table))
}
