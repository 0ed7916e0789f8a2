//! The tables of a report as CSV that opens right in a Japanese Excel: UTF-8 with a byte order mark, lines ending in CR LF,
//! quoted as in RFC 4180, one file for each table.
//!
//! A cell that a spreadsheet would take for a formula gets an apostrophe in front: names in a report come from others.

use daicho_core::{EntryIndex, Instant};
use daicho_custody::DeletionReport;
use daicho_custody::Verdict;
use daicho_custody::duty::DutySource;
use daicho_custody::report::{CopyReport, DataSetReport, Moment, Tally};

use crate::Lang;
use crate::duties::answer;
use crate::words::{Words, clock};

/// UTF-8, says this to Excel.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// The tables of a report: file name and content.
pub fn tables(report: &DeletionReport, lang: Lang) -> Vec<(&'static str, Vec<u8>)> {
    let w = &Words::new(report, lang);
    vec![
        ("01-report.csv", head(w)),
        ("02-holders.csv", tallies(w, w.say("保有者", "holder"), &report.holders)),
        ("03-systems.csv", tallies(w, w.say("機器・媒体", "system"), &report.systems)),
        ("04-rules.csv", rules(w)),
        ("05-flows.csv", flows(w)),
        ("06-findings.csv", findings(w)),
        ("07-copies.csv", copies(w)),
        ("08-batches.csv", batches(w)),
        ("09-due-days.csv", due_days(w)),
        ("10-settings.csv", settings(w)),
        ("11-duties.csv", duties(w)),
        ("12-decisions.csv", decisions(w)),
    ]
}

struct Csv(String);

impl Csv {
    fn new<const N: usize>(head: [&str; N]) -> Self {
        let mut csv = Self(BYTE_ORDER_MARK.to_owned());
        csv.row(head.map(str::to_owned));
        csv
    }

    fn row<const N: usize>(&mut self, cells: [String; N]) {
        let cells: Vec<String> = cells.iter().map(|text| cell(text)).collect();
        self.0.push_str(&cells.join(","));
        self.0.push_str("\r\n");
    }

    fn bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }
}

/// A cell: no formula, and quoted where it must be.
fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// A time that a spreadsheet reads as one.
fn time(time: Instant) -> String {
    format!("{} {}", time.jst_day(), clock(time))
}

fn optional(at: Option<Instant>) -> String {
    at.map_or_else(String::new, time)
}

fn entries(list: &[EntryIndex]) -> String {
    list.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn head(w: &Words<'_>) -> Vec<u8> {
    let r = w.report;
    let mut csv = Csv::new([w.say("項目", "item"), w.say("値", "value")]);
    let simulated = if r.ledger.simulated { w.say("模擬", "simulated (模擬)") } else { "" };
    let rows = [
        (w.say("台帳の種別", "kind of ledger"), simulated.to_owned()),
        (w.say("事業", "scheme"), r.scheme.id.clone()),
        (w.say("事業名", "title"), w.of(&r.scheme.title).to_owned()),
        (w.say("所管", "department"), r.scheme.department.clone()),
        (w.say("対象期間の初日", "first day"), r.period.from.to_string()),
        (w.say("対象期間の末日", "last day"), r.period.to.to_string()),
        (w.say("基準時点", "as of"), time(r.as_of)),
        (w.say("台帳", "ledger"), r.ledger.origin.clone()),
        (w.say("記録の数", "entries"), r.ledger.size.to_string()),
        (w.say("連鎖ハッシュ", "chain hash"), r.ledger.chain_hash_hex.clone()),
        (w.say("結論", "conclusion"), w.of(&r.answer.text).to_owned()),
        (w.say("データセット", "data sets"), r.totals.data_sets.to_string()),
        (w.say("複製", "copies"), r.totals.copies.to_string()),
        (w.say("保有中", "still kept"), r.totals.open.to_string()),
        (w.say("期限超過", "overdue"), r.answer.overdue.to_string()),
        (w.say("期限後", "late"), r.answer.late.to_string()),
        (w.say("証明不足", "unproven"), r.answer.unproven.to_string()),
        (w.say("期限の定めなし", "no schedule"), r.answer.no_schedule.to_string()),
        (w.say("事業全体の指摘", "findings of the scheme"), r.answer.findings.to_string()),
    ];
    for (name, value) in rows {
        csv.row([name.to_owned(), value]);
    }
    csv.bytes()
}

fn tallies(w: &Words<'_>, name: &str, list: &[Tally]) -> Vec<u8> {
    let verdicts: Vec<String> = Verdict::ALL.iter().map(|v| verdict(w, *v)).collect();
    let mut csv = Csv(BYTE_ORDER_MARK.to_owned());
    let fixed = ["id", name, w.say("複製", "copies"), w.say("保有中", "kept"), w.say("証明不足", "unproven")];
    let head: Vec<String> =
        fixed.iter().map(|name| cell(name)).chain(verdicts.iter().map(|v| cell(v))).collect();
    csv.0.push_str(&(head.join(",") + "\r\n"));
    for t in list {
        let counts = Verdict::ALL.iter().map(|v| t.verdicts.get(v).copied().unwrap_or_default().to_string());
        let fixed =
            [cell(&t.id), cell(&t.label), t.copies.to_string(), t.open.to_string(), t.unproven.to_string()];
        let row: Vec<String> = fixed.into_iter().chain(counts).collect();
        csv.0.push_str(&(row.join(",") + "\r\n"));
    }
    csv.bytes()
}

/// A verdict in words alone: its symbol could be taken for a sign of calculation.
fn verdict(w: &Words<'_>, verdict: Verdict) -> String {
    w.of(&verdict.label()).to_owned()
}

fn rules(w: &Words<'_>) -> Vec<u8> {
    let mut csv = Csv::new([
        "id",
        w.say("定め", "rule"),
        w.say("契機", "trigger"),
        w.say("書面の語", "words of the source"),
        w.say("期限と出所", "deadline and its source"),
        w.say("状態", "status"),
        w.say("複製", "copies"),
        w.say("開始", "started"),
        w.say("期限超過", "overdue"),
        w.say("期限後", "late"),
    ]);
    for rule in &w.report.rules {
        let of = |v: Verdict| rule.verdicts.get(&v).copied().unwrap_or_default().to_string();
        csv.row([
            rule.id.clone(),
            w.of(&rule.words).to_owned(),
            w.trigger(rule),
            rule.deadline_words.clone(),
            w.number(&rule.number),
            w.of(&rule.status.label()).to_owned(),
            rule.copies.to_string(),
            rule.started.to_string(),
            of(Verdict::Overdue),
            of(Verdict::Late),
        ]);
    }
    csv.bytes()
}

fn flows(w: &Words<'_>) -> Vec<u8> {
    let mut csv = Csv::new([
        "id",
        w.say("情報", "data"),
        w.say("渡す側", "from"),
        w.say("渡す側の機器", "its system"),
        w.say("受ける側", "to"),
        w.say("受ける側の機器", "its system"),
        w.say("複製", "copies"),
        w.say("保有中", "kept"),
        w.say("授受", "moves"),
        w.say("最終使用", "last use"),
    ]);
    for flow in &w.report.flows {
        csv.row([
            flow.id.clone(),
            flow.label.clone(),
            w.party(&flow.from.party).to_owned(),
            w.system(&flow.from.system).to_owned(),
            w.party(&flow.to.party).to_owned(),
            w.system(&flow.to.system).to_owned(),
            flow.copies.to_string(),
            flow.open.to_string(),
            flow.passages.to_string(),
            optional(flow.last_use),
        ]);
    }
    csv.bytes()
}

fn findings(w: &Words<'_>) -> Vec<u8> {
    let mut csv = Csv::new([
        w.say("指摘", "finding"),
        w.say("意味", "meaning"),
        w.say("対象", "object"),
        w.say("内容", "detail"),
        w.say("回数", "times"),
        w.say("記録", "entries"),
        w.say("訂正・異議・決定", "corrections, disputes, decisions"),
    ]);
    for f in &w.report.findings {
        let answers: Vec<String> = f.answers.iter().map(|said| answer(w, said)).collect();
        let meaning = w.report.finding_meanings.get(&f.code).map(|text| w.of(text)).unwrap_or_default();
        csv.row([
            f.code.word().to_owned(),
            meaning.to_owned(),
            f.object.clone(),
            w.of(&f.detail).to_owned(),
            f.occurrences.to_string(),
            entries(&f.entries),
            answers.join(" / "),
        ]);
    }
    csv.bytes()
}

fn decisions(w: &Words<'_>) -> Vec<u8> {
    let mut csv = Csv::new([
        w.say("指摘", "finding"),
        w.say("意味", "meaning"),
        w.say("対象", "object"),
        w.say("決定の内容", "decision"),
        w.say("現況", "now"),
    ]);
    for one in &w.report.decisions {
        csv.row([
            one.code.word().to_owned(),
            w.of(&one.meaning).to_owned(),
            one.object.clone(),
            answer(w, &one.said),
            w.stands(one).to_owned(),
        ]);
    }
    csv.bytes()
}

fn duties(w: &Words<'_>) -> Vec<u8> {
    let mut csv = Csv::new([
        w.say("識別子", "id"),
        w.say("契約", "contract"),
        w.say("項", "clause"),
        w.say("求めること", "what it asks"),
        w.say("負う者", "owed by"),
        w.say("相手", "owed to"),
        w.say("状態", "status"),
        w.say("期限", "due"),
        w.say("次の期限", "next"),
        w.say("到来", "owed"),
        w.say("履行", "met"),
        w.say("内容", "detail"),
        w.say("記録", "entries"),
    ]);
    for duty in &w.report.duties {
        let clause = match duty.source {
            DutySource::Clause { n, .. } if n > 0 => n.to_string(),
            _ => String::new(),
        };
        let to: Vec<&str> = duty.to.iter().map(|party| w.party(party)).collect();
        let judged = &duty.judgement;
        csv.row([
            duty.object.clone(),
            duty.contract.clone().unwrap_or_default(),
            clause,
            w.of(&duty.asks).to_owned(),
            w.party(&duty.who).to_owned(),
            to.join(" "),
            w.of(&judged.status.label()).to_owned(),
            optional(judged.due),
            optional(judged.next),
            judged.owed.to_string(),
            judged.met.to_string(),
            w.of(&judged.detail).to_owned(),
            entries(&judged.entries),
        ]);
    }
    csv.bytes()
}

fn copies(w: &Words<'_>) -> Vec<u8> {
    let mut csv = Csv::new([
        w.say("データセット", "data set"),
        w.say("種類", "kind"),
        w.say("複製", "copy"),
        w.say("保有者", "holder"),
        w.say("機器・媒体", "system"),
        w.say("人数", "persons"),
        w.say("発生", "came to be"),
        w.say("発生の記録", "recorded"),
        w.say("期限", "due"),
        w.say("消去・返却等", "ended"),
        w.say("消去等の記録", "end recorded"),
        w.say("判定", "verdict"),
        w.say("定め", "rule"),
        w.say("証拠", "evidence"),
        w.say("証明書", "certificate"),
        w.say("第三者の証明", "third-party certificate"),
        w.say("記録", "entries"),
    ]);
    for d in &w.report.data_sets {
        for copy in &d.copies {
            csv.row(copy_row(w, d, copy));
        }
    }
    csv.bytes()
}

fn copy_row(w: &Words<'_>, d: &DataSetReport, copy: &CopyReport) -> [String; 17] {
    let closed = |part: fn(&Moment) -> Instant| optional(copy.closed.as_ref().map(part));
    [
        d.id.clone(),
        d.label.clone(),
        copy.id.clone(),
        w.holder(&copy.holder, &copy.member),
        w.place(&copy.system, &copy.unit),
        copy.subjects.to_string(),
        time(copy.opened.occurred),
        time(copy.opened.recorded),
        optional(copy.due),
        closed(|m| m.occurred),
        closed(|m| m.recorded),
        verdict(w, copy.verdict),
        copy.rule.clone().unwrap_or_default(),
        w.evidence(copy.evidence).to_owned(),
        w.certificate(copy.certificate),
        copy.third_party.as_ref().map(|by| w.third_party(by)).unwrap_or_default(),
        entries(&copy.entries),
    ]
}

fn batches(w: &Words<'_>) -> Vec<u8> {
    let mut csv = Csv::new([
        w.say("発生した日", "day"),
        w.say("種類", "kind"),
        w.say("データセット", "data sets"),
        w.say("複製", "copies"),
        w.say("保有中", "kept"),
        w.say("期限超過", "overdue"),
        w.say("期限後", "late"),
        w.say("証明不足", "unproven"),
    ]);
    for b in &w.report.batches {
        let of = |v: Verdict| b.verdicts.get(&v).copied().unwrap_or_default().to_string();
        csv.row([
            b.day.to_string(),
            b.label.clone(),
            b.data_sets.to_string(),
            b.copies.to_string(),
            b.open.to_string(),
            of(Verdict::Overdue),
            of(Verdict::Late),
            b.unproven.to_string(),
        ]);
    }
    csv.bytes()
}

fn due_days(w: &Words<'_>) -> Vec<u8> {
    let mut csv = Csv::new([
        w.say("期限の日", "due"),
        w.say("期限内に終了", "gone in time"),
        w.say("期限後に終了", "late"),
        w.say("期限内に保有", "kept in time"),
        w.say("期限超過", "overdue"),
    ]);
    for d in &w.report.due_days {
        let counts = [d.in_time, d.late, d.kept, d.overdue].map(|n| n.to_string());
        let [in_time, late, kept, overdue] = counts;
        csv.row([d.day.to_string(), in_time, late, kept, overdue]);
    }
    csv.bytes()
}

fn settings(w: &Words<'_>) -> Vec<u8> {
    let mut csv = Csv::new([
        w.say("定め", "rule"),
        w.say("対象", "for"),
        w.say("数", "number"),
        w.say("根拠", "ground"),
        w.say("誰が", "by"),
        w.say("いつ", "when"),
        w.say("記録", "entry"),
    ]);
    for s in &w.report.settings {
        csv.row([
            s.rule.clone(),
            crate::words::setting_name(w, &s.what).to_owned(),
            w.deadline(&s.value),
            s.ground.clone(),
            w.party(&s.by).to_owned(),
            time(s.set.recorded),
            s.set.entry.to_string(),
        ]);
    }
    csv.bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for text in ["=1+1", "+81", "-1", "@SUM(A1)", "\tx", "＝1", "－対象外"] {
            assert!(cell(text).trim_start_matches('"').starts_with('\''), "{text}");
        }
        assert_eq!(cell("=\"a\",b"), "\"'=\"\"a\"\",b\"");
        assert_eq!(cell("2021-02-01 10:05"), "2021-02-01 10:05");
    }

    #[test]
    fn every_table_has_a_mark_crlf_and_rows_of_one_length() {
        let report: DeletionReport =
            serde_json::from_slice(include_bytes!("../../../docs/formats/report-sample.json"))
                .expect("a report");
        for (name, bytes) in tables(&report, Lang::Ja) {
            let text = String::from_utf8(bytes).expect("UTF-8");
            let body = text.strip_prefix(BYTE_ORDER_MARK).expect("a mark");
            assert!(body.ends_with("\r\n") && !body.replace("\r\n", "").contains('\n'), "{name}");
            let columns: Vec<usize> = body.trim_end().split("\r\n").map(columns).collect();
            assert!(columns.windows(2).all(|pair| pair[0] == pair[1]), "{name}: {columns:?}");
        }
    }

    #[test]
    fn what_is_said_about_a_finding_stands_in_its_row() {
        let report = crate::tests::sample_with_answers();
        for lang in [Lang::Ja, Lang::En] {
            let (_, bytes) =
                tables(&report, lang).into_iter().find(|(name, _)| name.starts_with("06")).expect("there");
            let text = String::from_utf8(bytes).expect("UTF-8");
            let row = text.lines().nth(1).expect("a finding");
            for said in &report.findings[0].answers {
                let label = said.kind.label();
                assert!(
                    row.contains(lang.either(&*label.ja, &*label.en)) && row.contains(&said.text),
                    "{row}"
                );
            }
        }
    }

    /// Commas outside of quotes, and one.
    fn columns(line: &str) -> usize {
        line.split('"').step_by(2).map(|outside| outside.matches(',').count()).sum::<usize>() + 1
    }
}
