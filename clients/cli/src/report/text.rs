//! The report for terminals: 100 columns, full-width characters counted as two.

use std::fmt::Write as _;

use daicho_custody::duty::{DutySource, DutyStatus};
use daicho_custody::report::{Certificate, CopyReport, Problem, RuleStatus};
use daicho_custody::scheme::Severity;
use daicho_custody::{DeletionReport, Evidence, Verdict};
use unicode_width::UnicodeWidthStr as _;

use crate::columns::{fit, left_pad, wrap};
use crate::scheme::Lang;
use crate::table::plain;
use daicho_report::duties::{answer, entries, mark};
use daicho_report::problems::{PROBLEMS, delay, persons, problems_of, rest, with_problem};
use daicho_report::prose;
use daicho_report::words::{Words, clock, count, setting_name, symbol};

const COLUMNS: usize = 100;
const LISTED_PROBLEMS: usize = 100;
const LISTED_FINDINGS: usize = 20;

/// The report as plain text.
pub(super) fn page(report: &DeletionReport, lang: Lang) -> String {
    let words = Words::new(report, lang);
    let mut page = Page { w: &words, out: String::new() };
    page.head();
    page.answer();
    page.problems();
    page.sums();
    page.rules();
    page.flows();
    page.duties();
    page.findings();
    page.source();
    page.data_sets();
    page.proof();
    page.out
}

struct Page<'p, 'r> {
    w: &'p Words<'r>,
    out: String,
}

impl Page<'_, '_> {
    /// A line at an indent, wrapped.
    fn line(&mut self, indent: usize, text: &str) {
        for row in wrap(&plain(text), COLUMNS - indent) {
            let _ = writeln!(self.out, "{}{row}", " ".repeat(indent));
        }
    }

    /// Cells in columns of given widths; the last one takes the rest.
    fn cells(&mut self, cells: &[(&str, usize)]) {
        let mut row = String::from("  ");
        for (text, width) in cells {
            row.push_str(&fit(&plain(text), *width));
            row.push_str("  ");
        }
        let _ = writeln!(self.out, "{}", fit(row.trim_end(), COLUMNS).trim_end());
    }

    fn heading(&mut self, ja: &str, en: &str) {
        let heading = self.w.say(ja, en);
        let _ = writeln!(self.out, "\n{heading}\n{}", "─".repeat(heading.width().min(COLUMNS)));
    }

    fn head(&mut self) {
        let (w, r) = (self.w, self.w.report);
        if r.ledger.simulated {
            let rule = "＊".repeat(COLUMNS / 2);
            let _ = writeln!(self.out, "{rule}");
            self.line(0, w.say(
                "模擬　この台帳は模擬の時計で動いている。内容は実在の事務・個人情報ではない。",
                "模擬 SIMULATED. This ledger runs on a simulated clock. Nothing in it is real work or real personal data.",
            ));
            let _ = writeln!(self.out, "{rule}\n");
        }
        self.line(0, w.say("個人情報の消去に関する報告書", "REPORT ON THE DELETION OF PERSONAL DATA"));
        self.line(0, w.of(&r.scheme.title));
        self.out.push('\n');
        let rows = [
            (
                w.say("事業", "Scheme"),
                format!(
                    "{} {}",
                    r.scheme.id,
                    w.say(format!("第{}版", r.scheme.version), format!("version {}", r.scheme.version))
                ),
            ),
            (w.say("所管", "Department"), r.scheme.department.clone()),
            (
                w.say("対象期間", "Period"),
                format!("{} {} {}", w.day(r.period.from), w.say("から", "to"), w.day(r.period.to)),
            ),
            (w.say("基準時点", "As of"), w.time(r.as_of)),
            (w.say("台帳", "Ledger"), r.ledger.origin.clone()),
            (
                w.say("記録", "Entries"),
                format!(
                    "{} ({} {})",
                    count(r.ledger.size),
                    w.say("最終", "last"),
                    w.time(r.ledger.last_recorded)
                ),
            ),
            (w.say("連鎖ハッシュ", "Chain hash"), r.ledger.chain_hash_hex.clone()),
        ];
        for (name, value) in rows {
            let _ = writeln!(self.out, "{}  {}", fit(name, 12), plain(&value));
        }
    }

    fn answer(&mut self) {
        let (w, r) = (self.w, self.w.report);
        self.heading("1　結論", "1  Conclusion");
        self.line(0, w.of(&r.answer.text));
        self.out.push('\n');
        for (verdict, n) in &r.totals.verdicts {
            self.cells(&[(&w.verdict(*verdict), 30), (&right(*n), 9)]);
        }
        self.cells(&[(w.say("計", "All"), 30), (&right(r.totals.copies), 9)]);
        self.out.push('\n');
        let unproven = w.say("！ 証明不足", "! unproven");
        self.cells(&[(unproven, 30), (&right(r.answer.unproven), 9)]);
        self.cells(&[(w.say("データセット", "Data sets"), 30), (&right(r.totals.data_sets), 9)]);
        self.cells(&[(w.say("うち保有中の複製", "Copies still kept"), 30), (&right(r.totals.open), 9)]);
        for evidence in [Evidence::Confirmed, Evidence::Certified, Evidence::Attested, Evidence::None] {
            let n = r.totals.evidence.get(&evidence).copied().unwrap_or_default();
            let name = format!("{}: {}", w.say("証拠", "Evidence"), w.evidence(evidence));
            self.cells(&[(&name, 30), (&right(n), 9)]);
        }
    }

    fn problems(&mut self) {
        let w = self.w;
        self.heading("2　問題のある複製", "2  Copies with problems");
        for problem in PROBLEMS {
            let all = problems_of(w, problem);
            self.line(
                0,
                &format!("{}  {}", w.problem(problem), w.say(format!("{}件", count(all)), count(all))),
            );
            if all == 0 {
                self.line(2, w.say("該当する記録なし", "none recorded"));
            }
            let mut listed = 0;
            for (data_set, copy) in with_problem(w, problem).take(LISTED_PROBLEMS) {
                listed += 1;
                self.line(2, &format!("{}  {} {}", copy.id, data_set.label, persons(w, copy.subjects)));
                self.line(
                    4,
                    &format!(
                        "{} / {}",
                        w.holder(&copy.holder, &copy.member),
                        w.place(&copy.system, &copy.unit)
                    ),
                );
                self.line(4, &self.times(copy));
                self.line(4, &self.reason(problem, copy));
            }
            if listed < all {
                self.line(2, &rest(w, problem, all - listed, listed));
            }
        }
    }

    fn times(&self, copy: &CopyReport) -> String {
        let w = self.w;
        let short = |time: daicho_core::Instant| format!("{} {}", time.jst_day(), clock(time));
        let due = copy.due.map_or_else(|| w.say("なし", "none").to_owned(), short);
        let ended =
            copy.closed.map_or_else(|| w.say("保有中", "still kept").to_owned(), |c| short(c.occurred));
        let opened = short(copy.opened.occurred);
        w.say(
            format!("発生 {opened}  期限 {due}  消去・返却 {ended}"),
            format!("came to be {opened}, due {due}, ended {ended}"),
        )
    }

    fn reason(&self, problem: Problem, copy: &CopyReport) -> String {
        let w = self.w;
        let rule = copy.rule.as_deref().unwrap_or(w.say("どの定めも及ばない", "no rule binds it"));
        let end = copy.closed.map_or(w.report.as_of, |c| c.occurred);
        let mut parts = vec![rule.to_owned()];
        if let (Problem::Overdue | Problem::Late, Some(due)) = (problem, copy.due) {
            parts.push(delay(w, due, end));
        }
        if copy.certificate.is_unproven() {
            let to: Vec<&str> = copy.owed.iter().map(|p| w.party(p)).collect();
            let to = to.join("、");
            parts.push(
                w.say(format!("証明書なし（未提出先: {to}）"), format!("no certificate (owed to {to})")),
            );
        }
        let entries: Vec<String> = copy.entries.iter().map(|e| format!("#{e}")).collect();
        parts.push(format!("{} {}", w.say("記録", "entries"), entries.join(" ")));
        parts.join("  ")
    }

    fn sums(&mut self) {
        let (w, r) = (self.w, self.w.report);
        self.heading("3　集計", "3  Sums");
        for (name, list) in
            [(w.say("保有者別", "By holder"), &r.holders), (w.say("機器・媒体別", "By system"), &r.systems)]
        {
            let heads = w.say(
                ["複製", "保有中", "×超過", "▲期限後", "？定めなし", "！証明不足"],
                ["copies", "kept", "× overdue", "▲ late", "? no sched", "! unproven"],
            );
            let mut row = vec![(name.to_owned(), 28)];
            row.extend(heads.iter().map(|head| (left_pad(head, 11), 11)));
            self.owned(&row);
            for t in list.iter().filter(|t| t.copies > 0) {
                let of = |v: Verdict| t.verdicts.get(&v).copied().unwrap_or_default();
                let numbers = [
                    t.copies,
                    t.open,
                    of(Verdict::Overdue),
                    of(Verdict::Late),
                    of(Verdict::NoSchedule),
                    t.unproven,
                ];
                let mut row = vec![(t.label.clone(), 28)];
                row.extend(numbers.iter().map(|n| (left_pad(&count(*n), 11), 11)));
                self.owned(&row);
            }
            let unused = list.iter().filter(|t| t.copies == 0).count();
            if unused > 0 {
                self.line(
                    2,
                    &w.say(
                        format!("（複製の記録がないもの {unused}）"),
                        format!("({unused} without a recorded copy)"),
                    ),
                );
            }
            self.out.push('\n');
        }
    }

    /// Cells one column apart.
    fn owned(&mut self, cells: &[(String, usize)]) {
        let row: Vec<String> = cells.iter().map(|(text, width)| fit(&plain(text), *width)).collect();
        let _ = writeln!(self.out, "  {}", row.join("").trim_end());
    }

    fn rules(&mut self) {
        let w = self.w;
        self.heading("4　保存と消去の定め", "4  Retention rules");
        for rule in &w.report.rules {
            let mark = match rule.status {
                RuleStatus::Judged => "✓",
                RuleStatus::NoSchedule => "？",
                RuleStatus::NotTriggered => "・",
            };
            let label = rule.status.label();
            self.line(0, &format!("{mark} {}  [{}]", rule.id, w.of(&label)));
            self.line(4, w.of(&rule.words));
            self.line(4, &format!("{}: {}", w.say("契機", "trigger"), w.trigger(rule)));
            self.line(4, &format!("{}: {}", w.say("期限", "deadline"), w.number(&rule.number)));
            let verdicts: Vec<String> = rule
                .verdicts
                .iter()
                .filter(|(_, n)| **n > 0)
                .map(|(v, n)| format!("{}{} {}", symbol(*v), w.of(&v.label()), count(*n)))
                .collect();
            let verdicts = if verdicts.is_empty() {
                w.say("及ぶ複製なし", "binds no copy").to_owned()
            } else {
                verdicts.join("  ")
            };
            self.line(4, &format!("{}: {verdicts}", w.say("判定", "verdicts")));
        }
    }

    fn flows(&mut self) {
        let w = self.w;
        self.heading("5　情報の流れ", "5  Data flow");
        let end = |party: &str, system: &str| {
            if system.is_empty() {
                w.party(party).to_owned()
            } else {
                format!("{}[{}]", w.party(party), w.system(system))
            }
        };
        for (i, f) in w.report.flows.iter().enumerate() {
            let state = match f.last_use {
                None => w.say("使用の記録なし", "not used on record").to_owned(),
                Some(last) => w.say(
                    format!(
                        "複製{}（保有{}）授受{} 最終 {}",
                        count(f.copies),
                        count(f.open),
                        count(f.passages),
                        last.jst_day()
                    ),
                    format!(
                        "{} copies ({} kept), {} handovers, last {}",
                        count(f.copies),
                        count(f.open),
                        count(f.passages),
                        last.jst_day()
                    ),
                ),
            };
            self.line(0, &format!("{:>2}. {}  {state}", i + 1, f.label));
            let (from, to) = (end(&f.from.party, &f.from.system), end(&f.to.party, &f.to.system));
            let _ = writeln!(
                self.out,
                "    {} ─▶ {}",
                fit(&plain(&from), 45).trim_end(),
                fit(&plain(&to), 45).trim_end()
            );
            if let Some(gap) = &f.basis_gap {
                self.line(4, &format!("{} {}", w.say("！", "!"), w.of(gap)));
            }
        }
    }

    fn duties(&mut self) {
        let (w, r) = (self.w, self.w.report);
        self.heading("6　義務と特記事項の履行", "6  Duties and contract clauses");
        for (status, n) in r.duty_counts.iter().filter(|(_, n)| **n > 0) {
            self.cells(&[(&format!("{}{}", mark(*status), w.of(&status.label())), 30), (&right(*n), 10)]);
        }
        for d in &r.duties {
            let place = match (&d.source, &d.contract) {
                (DutySource::Clause { n, .. }, Some(contract)) => w.say(
                    format!("{contract} 第{n}項 {}", d.label),
                    format!("{contract} clause {n}: {}", w.of(&d.asks)),
                ),
                _ => w.of(&d.asks).to_owned(),
            };
            let status = format!("{}{}", mark(d.judgement.status), w.of(&d.judgement.status.label()));
            self.cells(&[(&status, 24), (w.party(&d.who), 24), (&place, 60)]);
            let details = [w.of(&d.judgement.detail).to_owned(), entries(d)].join(" ");
            if d.judgement.status < DutyStatus::Due && !details.trim().is_empty() {
                self.line(28, details.trim());
            }
        }
    }

    fn findings(&mut self) {
        let (w, r) = (self.w, self.w.report);
        self.heading("7　指摘（事業全体）", "7  Findings of the whole scheme");
        if r.finding_counts.is_empty() {
            self.line(0, w.say("違反の記録なし", "no violation recorded"));
        }
        for (code, n) in &r.finding_counts {
            let meaning = r.finding_meanings.get(code).map(|text| w.of(text)).unwrap_or_default();
            self.line(0, &format!("{}  {}  {meaning}", code.word(), count(*n)));
            for f in r.findings.iter().filter(|f| f.code == *code).take(LISTED_FINDINGS) {
                let entries: Vec<String> = f.entries.iter().map(|e| format!("#{e}")).collect();
                self.line(4, &format!("{}  {}  {}", f.object, w.of(&f.detail), entries.join(" ")));
                for said in &f.answers {
                    self.line(6, &answer(w, said));
                }
            }
            if *n > LISTED_FINDINGS as u64 {
                let more = count(*n - LISTED_FINDINGS as u64);
                self.line(4, &w.say(format!("ほか{more}件"), format!("and {more} more")));
            }
        }
        let gone: Vec<_> = r.decisions.iter().filter(|one| !one.stands).collect();
        if !gone.is_empty() {
            self.line(
                0,
                w.say("現在は成立していない指摘への区の決定:", "Decisions on what is no finding now:"),
            );
        }
        for one in gone {
            self.line(4, &format!("{}  {}", one.code.word(), one.object));
            self.line(6, &answer(w, &one.said));
        }
        if r.decisions_unlisted > 0 {
            let older = count(r.decisions_unlisted);
            self.line(
                4,
                &w.say(format!("ほかにより古い決定{older}件"), format!("and {older} older decisions")),
            );
        }
    }

    fn source(&mut self) {
        let (w, r) = (self.w, self.w.report);
        self.heading(
            "8　書面の不備、区の訂正と区が定めた数",
            "8  Flaws of the source, corrections, numbers set by the ward",
        );
        for a in &r.anomalies {
            let weight =
                if a.severity == Severity::High { w.say("高", "high") } else { w.say("中", "medium") };
            self.line(0, &format!("[{weight}] {}", w.of(&a.what)));
        }
        for x in &r.warnings {
            self.line(0, &format!("{} {}: {}", w.say("警告", "warning"), x.diagnostic, w.of(&x.what)));
        }
        for c in &r.corrections {
            self.line(
                0,
                &format!("{} {}: {} (#{})", w.say("訂正", "correction"), c.diagnostic, c.ground, c.set.entry),
            );
        }
        for s in &r.settings {
            let rule = if s.rule.is_empty() { String::new() } else { format!(" {}", s.rule) };
            let text = format!(
                "{}{rule}: {}  {} {} #{}  {}",
                setting_name(w, &s.what),
                w.deadline(&s.value),
                w.party(&s.by),
                w.day(s.set.recorded.jst_day()),
                s.set.entry,
                s.ground
            );
            self.line(0, &text);
        }
        for limit in r.limits.iter().filter(|l| l.within.is_none()) {
            self.line(0, &format!("{} {}", w.say("？", "?"), w.of(&limit.without)));
        }
    }

    fn data_sets(&mut self) {
        let (w, r) = (self.w, self.w.report);
        self.heading("9　データセット別の明細", "9  Data sets in detail");
        if r.data_sets_unlisted > 0 {
            let n = count(r.data_sets_unlisted);
            self.line(
                0,
                &w.say(
                    format!("個別に掲げていないデータセット: {n}件（集計には含む）"),
                    format!("{n} data sets are in the sums but not listed"),
                ),
            );
        }
        for d in &r.data_sets {
            self.line(
                0,
                &format!("{}  {}  {}  {}", d.id, d.label, persons(w, d.subjects), w.time(d.opened.occurred)),
            );
            for copy in &d.copies {
                let proof = match copy.certificate {
                    Certificate::Missing | Certificate::NoLimit => w.say("！証明書なし", "! no certificate"),
                    other => match w.certificate_note(other) {
                        Some(note) => note,
                        None if copy.closed.is_some() => w.evidence(copy.evidence),
                        None => "",
                    },
                };
                self.line(
                    2,
                    &format!(
                        "{}  {}  {}  {proof}",
                        copy.id,
                        w.verdict(copy.verdict),
                        w.place(&copy.system, &copy.unit)
                    ),
                );
                self.line(4, &self.times(copy));
            }
            if d.copies_unlisted > 0 {
                let n = count(d.copies_unlisted);
                self.line(2, &w.say(format!("ほか{n}件の複製"), format!("and {n} more copies")));
            }
        }
    }

    fn proof(&mut self) {
        let w = self.w;
        let p = prose::prose(w);
        self.heading(
            "10　この報告書が証明すること・しないこと",
            "10  What this report proves and what it does not",
        );
        for (name, list) in [
            (w.say("証明すること", "It proves"), &p.proves),
            (w.say("証明しないこと", "It does not prove"), &p.does_not),
        ] {
            self.line(0, name);
            for text in list {
                self.line(2, &format!("{} {text}", w.say("・", "-")));
            }
        }
        self.heading("11　検証の方法", "11  How to verify");
        for (i, (text, command)) in p.verify.iter().enumerate() {
            self.line(0, &format!("{}. {text}", i + 1));
            if let Some(command) = command {
                self.line(5, command);
            }
        }
        if w.lang == Lang::En {
            self.out.push('\n');
            self.line(
                0,
                "Names of parties, systems, data and rules are official names and stay in Japanese.",
            );
        }
    }
}

fn right(n: u64) -> String {
    left_pad(&count(n), 9)
}
