//! Words, dates and symbols of reports in both languages.

use std::collections::HashMap;

use daicho_core::{Date, Instant};
pub use daicho_custody::report::count;
use daicho_custody::report::{
    Certificate, LimitReport, Moment, Number, Problem, RuleReport, ThirdPartyReport,
};
use daicho_custody::scheme::{Deadline, Falls, Term, Text};
use daicho_custody::{Decision, DeletionReport, Evidence, Finding, FindingCode, Verdict};

use crate::Lang;

/// A report with its names looked up.
pub struct Words<'r> {
    /// The report.
    pub report: &'r DeletionReport,
    /// The language.
    pub lang: Lang,
    parties: HashMap<&'r str, &'r str>,
    systems: HashMap<&'r str, &'r str>,
}

impl<'r> Words<'r> {
    /// A report with the names of its parties and systems.
    pub fn new(report: &'r DeletionReport, lang: Lang) -> Self {
        let name = |p: &'r daicho_custody::report::PartyInfo| {
            if p.identity.is_empty() { p.label.as_str() } else { p.identity.as_str() }
        };
        Self {
            report,
            lang,
            parties: report.parties.iter().map(|p| (p.id.as_str(), name(p))).collect(),
            systems: report.systems.iter().map(|s| (s.id.as_str(), s.label.as_str())).collect(),
        }
    }

    /// The text in the report's language.
    pub fn say<T>(&self, ja: T, en: T) -> T {
        self.lang.either(ja, en)
    }

    /// The text of a pair.
    pub fn of<'t>(&self, text: &'t Text) -> &'t str {
        self.lang.either(&text.ja, &text.en)
    }

    /// Name of a party, by its id in the scheme or in the ledger.
    pub fn party<'a>(&self, id: &'a str) -> &'a str
    where
        'r: 'a,
    {
        let local = id.strip_prefix(self.report.scheme.id.as_str()).and_then(|id| id.strip_prefix('/'));
        self.parties.get(local.unwrap_or(id)).copied().unwrap_or(id)
    }

    /// A detail in Japanese with the ids and terms in it named.
    fn named(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"_-/.:".contains(c));
            let id = &rest[..end.unwrap_or(rest.len())];
            let id = id.trim_end_matches(['.', ':']);
            let (id, after) = rest.split_at(id.len().max(c.len_utf8()));
            out.push_str(&self.name(id));
            rest = after;
        }
        out
    }

    /// The name of anything that a detail may name by id, or the id.
    fn name(&self, id: &str) -> String {
        let party = self.party(id);
        let flow = || self.report.flows.iter().find(|flow| flow.id == id);
        match self.report.names.get(id) {
            Some(name) => name.ja.clone(),
            None if party != id => party.to_owned(),
            // Days are days, and no terms.
            None if id.starts_with("P") || id.starts_with("end-of-") => self.deadline(id),
            None => flow().map_or_else(|| self.system(id), |flow| flow.label.as_str()).to_owned(),
        }
    }

    /// Name of a system.
    pub fn system<'a>(&self, id: &'a str) -> &'a str
    where
        'r: 'a,
    {
        self.systems.get(id).copied().unwrap_or(id)
    }

    /// Limits of the whole scheme that nobody has set.
    pub(crate) fn unset_limits(&self) -> impl Iterator<Item = &'r LimitReport> + use<'r> {
        self.report.limits.iter().filter(|limit| limit.within.is_none())
    }

    /// A rule.
    pub fn rule(&self, id: &str) -> Option<&'r RuleReport> {
        self.report.rules.iter().find(|r| r.id == id)
    }

    /// A day: `令和3年2月1日 (2021-02-01)`.
    pub fn day(&self, day: Date) -> String {
        self.lang.either(format!("{} ({day})", day.era()), day.to_string())
    }

    /// A time: `令和3年2月1日 (2021-02-01) 10:05`.
    pub fn time(&self, time: Instant) -> String {
        format!("{} {}", self.day(time.jst_day()), clock(time))
    }

    /// A verdict with its symbol.
    pub fn verdict(&self, verdict: Verdict) -> String {
        format!("{} {}", symbol(verdict), self.of(&verdict.label()))
    }

    /// Evidence in words.
    pub fn evidence(&self, evidence: Evidence) -> &'static str {
        match evidence {
            Evidence::None => self.say("なし", "none"),
            Evidence::Attested => self.say("保有者の申告のみ", "holder's word only"),
            Evidence::Certified => self.say("消去証明書", "certificate"),
            Evidence::Confirmed => self.say("区が確認", "confirmed by the ward"),
        }
    }

    /// A third party's certificate: issuer, number, level.
    pub fn third_party(&self, by: &ThirdPartyReport) -> String {
        let level = match by.level.as_str() {
            "clear" => self.say("（消去水準 Clear）", " (clear)"),
            "purge" => self.say("（消去水準 Purge）", " (purge)"),
            _ => "",
        };
        format!("{} {}{level}", by.issuer, by.number)
    }

    /// State of a certificate in words.
    pub fn certificate(&self, certificate: Certificate) -> String {
        self.of(&certificate.label()).to_owned()
    }

    /// What is to be said of a certificate beside the evidence of an erasure.
    pub fn certificate_note(&self, certificate: Certificate) -> Option<&'static str> {
        match certificate {
            Certificate::Late => Some(self.say("証明書は期限後に提出", "certificate came late")),
            Certificate::Pending => Some(self.say("証明書は提出期限前", "certificate not due yet")),
            _ => None,
        }
    }

    /// Whether the finding of a decision stands.
    pub fn stands(&self, decision: &Decision) -> &'static str {
        if decision.stands {
            self.say("現在も指摘あり", "stands")
        } else {
            self.say("現在は指摘なし", "no finding now")
        }
    }

    /// Heading of a group of problems, with its symbol.
    pub fn problem(&self, problem: Problem) -> &'static str {
        match problem {
            Problem::Overdue => self.say("× 期限超過（いまも保有）", "× Overdue: still kept"),
            Problem::Late => {
                self.say("▲ 期限後の消去・返却", "▲ Late: erased or returned after the deadline")
            }
            Problem::Unproven => self.say(
                "！ 証明不足（申告のみで、必要な証明書がない）",
                "! Unproven: the certificate that is owed is not there",
            ),
            Problem::NoSchedule => self.say("？ 期限の定めなし", "? No schedule defined"),
        }
    }

    /// A deadline in words; the text itself when it cannot be read.
    pub fn deadline(&self, text: &str) -> String {
        match Deadline::parse(text) {
            Ok(Deadline::Day(term, Falls::AsCounted)) => self.term(term),
            Ok(Deadline::Day(term, Falls::OnBusinessDay)) => {
                let term = self.term(term);
                self.say(format!("{term}(閉庁日なら翌開庁日)"), format!("{term}, or the next business day"))
            }
            Ok(Deadline::Elapsed { ms }) if ms % 3_600_000 == 0 => {
                self.say(format!("{}時間以内", ms / 3_600_000), format!("{} hour(s)", ms / 3_600_000))
            }
            Ok(Deadline::Elapsed { ms }) => {
                self.say(format!("{}分以内", ms / 60_000), format!("{} minute(s)", ms / 60_000))
            }
            Ok(Deadline::CloseOfDay { at: Some(at) }) => {
                self.say(format!("当日の{at}"), format!("{at} of the same day"))
            }
            Ok(Deadline::CloseOfDay { at: None }) => {
                self.say("当日の業務終了時", "close of business of the same day").into()
            }
            Ok(Deadline::NeverPersist) => self.say("保持しない", "never kept").into(),
            Err(_) => text.to_owned(),
        }
    }

    fn term(&self, term: Term) -> String {
        match term {
            Term::Days(0) => self.say("当日の終わり", "end of the same day").into(),
            Term::Days(1) => self.say("翌日の終わり", "end of the next day").into(),
            Term::Days(n) => self.say(format!("{n}日後の終わり"), format!("end of day {n} after")),
            Term::Months(n) if n > 0 && n % 12 == 0 => {
                self.say(format!("{}年後", n / 12), format!("{} year(s)", n / 12))
            }
            Term::Months(n) => self.say(format!("{n}か月後"), format!("{n} month(s)")),
            Term::BusinessDays(n) => {
                self.say(format!("{n}開庁日後の終わり"), format!("end of business day {n} after"))
            }
            Term::EndOfMonth(0) => self.say("当月末", "end of the month").into(),
            Term::EndOfMonth(_) => self.say("翌月末", "end of the next month").into(),
            Term::EndOfFiscalYear => self.say("年度末", "end of the fiscal year").into(),
            Term::Fixed(day) => self.day(day),
        }
    }

    /// Where the number of a rule comes from.
    pub fn number(&self, number: &Number) -> String {
        match number {
            Number::Source { deadline } => {
                let deadline = self.deadline(deadline);
                self.say(format!("{deadline}（書面が定める）"), format!("{deadline} (stated by the source)"))
            }
            Number::Ward { deadline, set, by, ground, adopts_proposal } => {
                let (deadline, by) = (self.deadline(deadline), self.party(by));
                let (day, entry) = (self.day(set.recorded.jst_day()), set.entry);
                let adopts = if *adopts_proposal {
                    self.say("、提案を採用", ", adopting the proposal")
                } else {
                    ""
                };
                self.say(
                    format!("{deadline}（{by}が{day}に設定{adopts}。根拠: {ground}。記録{entry}）"),
                    format!("{deadline} (set by {by} on {day}{adopts}; ground: {ground}; entry {entry})"),
                )
            }
            Number::Missing { proposal: Some(proposal) } => {
                let proposal = self.deadline(proposal);
                self.say(
                    format!("なし（提案は{proposal}。区はまだ定めていない）"),
                    format!("none (proposed: {proposal}; the ward has set none)"),
                )
            }
            Number::Missing { proposal: None } => self
                .say("なし（書面になく、区も定めていない）", "none (neither by the source nor by the ward)")
                .into(),
        }
    }

    /// What starts the clock of a rule.
    pub fn trigger(&self, rule: &RuleReport) -> String {
        let t = &rule.trigger;
        if t.milestone == "none" {
            return self.say("書面に定めなし", "none in the source").to_owned();
        }
        let label = if t.label.is_empty() { &t.milestone } else { &t.label };
        let words = if t.words.is_empty() { label } else { &t.words };
        self.say(format!("「{words}」"), format!("「{words}」({})", t.milestone))
    }

    /// Holder with its member.
    pub fn holder(&self, holder: &str, member: &str) -> String {
        let party = self.party(holder);
        if member.is_empty() { party.to_owned() } else { format!("{party} / {member}") }
    }

    /// System with its unit.
    pub fn place(&self, system: &str, unit: &str) -> String {
        place(self.system(system), unit)
    }

    /// A finding's detail, which the ledger writes in English, with the parties' names.
    pub fn detail(&self, detail: &str) -> String {
        if let Some(owed) = detail.strip_prefix("owed to ") {
            let names: Vec<&str> = owed.split(", ").map(|id| self.party(id)).collect();
            let names = names.join("、");
            return self.say(format!("未提出先: {names}"), format!("owed to {names}"));
        }
        if let Some(party) = detail.strip_prefix("returned to ") {
            let name = self.party(party);
            return self.say(format!("返却先: {name}"), format!("returned to {name}"));
        }
        // For how long a fact may be awaited, after the rule.
        if let Some((rule, within)) =
            detail.split_once(": ").filter(|(_, within)| Deadline::parse(within).is_ok())
        {
            let within = self.deadline(within);
            return self.say(
                format!("定め: {rule}、契機を待つ期限: {within}"),
                format!("{rule}, may wait: {within}"),
            );
        }
        // Words of others for ways and certificates, which may be those of ids.
        let of_others = detail.contains(" instead of ") || detail.starts_with("certificate ");
        let detail = detail_in(detail, self.lang);
        match self.lang {
            Lang::Ja if !of_others => self.named(&detail),
            _ => detail,
        }
    }
}

/// A system, by its name for people, with its unit.
pub fn place(system: &str, unit: &str) -> String {
    if unit.is_empty() { system.to_owned() } else { format!("{system} / {unit}") }
}

/// A finding's detail, which the ledger writes in English.
pub fn detail_in(detail: &str, lang: Lang) -> String {
    let detail = tidy_times(detail);
    match lang {
        Lang::En => detail,
        Lang::Ja => detail_ja(&detail),
    }
}

/// What a finding says: of a duty what its judgement says, of anything else its detail.
pub fn finding_detail(w: &Words<'_>, finding: &Finding) -> String {
    let of_duty = matches!(finding.code, FindingCode::ObligationMissed | FindingCode::ObligationLate);
    let duty = w.report.duties.iter().find(|duty| of_duty && duty.object == finding.object);
    let Some(duty) = duty else { return w.detail(&finding.detail) };
    let asks = w.of(&duty.asks);
    let said = w.of(&duty.judgement.detail);
    match duty.judgement.due {
        Some(due) => w.say(
            format!("{asks}: {said}（期限 {}）", due.jst_day()),
            format!("{asks}: {said} (due {})", due.jst_day()),
        ),
        None => format!("{asks}: {said}"),
    }
}

/// Instants as `2021-02-03 23:59` instead of their full form.
fn tidy_times(text: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let (body, tail) = word.strip_suffix(',').map_or((word, ""), |body| (body, ","));
        let instant =
            body.strip_suffix("+09:00").filter(|t| t.len() >= 19).and_then(|_| Instant::parse(body));
        words.push(match instant {
            Some(time) => format!("{} {}{tail}", time.jst_day(), clock(time)),
            None => word.to_owned(),
        });
    }
    words.join(" ")
}

/// The symbol of a verdict. It always stands beside the word.
pub fn symbol(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Overdue => "×",
        Verdict::Late => "▲",
        Verdict::NoSchedule => "？",
        Verdict::NotJudged => "－",
        Verdict::Deferred => "◇",
        Verdict::Due => "○",
        Verdict::NotTriggered => "・",
        Verdict::Moved => "→",
        Verdict::Returned => "←",
        Verdict::OnTime => "✓",
    }
}

/// Hours and minutes in Japan.
pub fn clock(time: Instant) -> String {
    let minute = time.jst_minute_of_day();
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

/// Whether a fact was recorded so much later that both times must show.
pub fn recorded_apart(moment: &Moment) -> bool {
    moment.recorded.unix_ms() - moment.occurred.unix_ms() > 60_000
}

/// Whether a certificate that should be there in time is not.
pub fn is_amiss(certificate: Certificate) -> bool {
    matches!(certificate, Certificate::Missing | Certificate::Late)
}

/// Names in one list.
pub fn names(list: &[String], all: &str) -> String {
    list.iter().map(|name| if name == "*" { all } else { name }).collect::<Vec<_>>().join("、")
}

/// What a number of the ward is for.
pub fn setting_name(w: &Words<'_>, what: &str) -> &'static str {
    match what {
        "deadline" => w.say("消去の期限", "deadline"),
        "longest-wait" => w.say("契機を待つ最長の期間", "longest wait for the trigger"),
        "certificate" => w.say("消去証明書の提出期限", "certificate after erasure"),
        "keep-at-least" => w.say("保存しておく最短期間", "least time to keep"),
        "closing-time" => w.say("区の業務終了時刻", "the ward's closing time"),
        "attest" => w.say("保持していないことの申告の間隔", "between attestations"),
        "warn" => w.say("契約終了前の警告期間", "warning before the end of a contract"),
        "acknowledge" => w.say("授受の相手方の記録期限", "other side of a handover"),
        "report" => w.say("事実の記録期限", "recording after the fact"),
        _ => w.say("その他", "other"),
    }
}

fn detail_ja(detail: &str) -> String {
    const WHOLE: &[(&str, &str)] = &[
        ("the source gives no full legal basis for this flow", "この流れの根拠が書面に十分に示されていない"),
        ("the ward has not consented", "区の承諾の記録がない"),
        ("the member is not approved", "構成員の承認の記録がない"),
        ("no approved flow goes there", "承認された流れがない"),
        ("the giver is silent", "渡した側の記録がない"),
        ("no party of the scheme", "事業の当事者ではない"),
        ("collected outside every flow of the scheme", "承認された流れによらない収集"),
        ("the technique did not run to completion", "消去の処理が完了しなかった"),
        ("no witness, and no certificate with photographs", "立会いの記録も、写真の付いた証明書もない"),
    ];
    const STARTS: &[(&str, &str, &str)] = &[
        ("closed at entry ", "記録", "で既に消去・返却済"),
        ("differs from entry ", "記録", "と一致しない"),
        ("named by ", "申告者: ", ""),
        ("certificate ", "証明書: ", ""),
        ("on ", "取扱日: ", ""),
        ("at ", "場所: ", ""),
        ("by ", "", "による"),
    ];
    const INSIDE: &[(&str, &str, &str, &str)] = &[
        (", due ", "定め: ", "、期限: ", ""),
        (" in, ", "入", "、出", ""),
        (", limit ", "", "、記録期限: ", ""),
        (" goes to ", "", "の承認された相手は ", ""),
        (" ends at ", "", "の承認された機器・媒体は ", ""),
        (" instead of ", "", "（承認は ", "）"),
        (" is not of flow ", "", " は流れ ", " のものではない"),
        (" to ", "対象者の区分: ", "、相手: ", ""),
        (" by ", "行為: ", "、当事者: ", ""),
    ];
    if let Some((since, due)) = detail.strip_prefix("silent since ").and_then(|d| d.split_once(", due ")) {
        return format!("最後の申告: {since}、次の申告の期限: {due}");
    }
    let certified = detail.strip_prefix("certificate of ").and_then(|times| times.split_once(", due "));
    if let Some((at, due)) = certified {
        return format!("証明書の提出: {at}、提出期限: {due}");
    }
    if let Some((_, ja)) = WHOLE.iter().find(|(en, _)| *en == detail) {
        return (*ja).to_owned();
    }
    if let Some((end, open)) =
        detail.strip_prefix("ends ").and_then(|d| d.strip_suffix(" copies open")?.split_once(", "))
    {
        return format!("契約の終了: {end}、未消去の複製: {open}件");
    }
    if let Some(party) = detail.strip_suffix(" is silent") {
        return format!("{party} の記録がない");
    }
    if let Some(key) = detail.strip_prefix("key of ") {
        return key
            .replacen(", not trusted from ", " の鍵、信頼できない時点: ", 1)
            .replacen(", accepted until ", "、失効の記録: ", 1)
            .replacen(", last number ", "、最後の申告番号: ", 1);
    }
    // Methods of erasure; a channel has no word of its own.
    if let Some((used, wanted)) = detail.split_once(" instead of ")
        && let Some(used) = method_ja(used)
    {
        let wanted: Vec<&str> = wanted.split(" or ").map(|word| method_ja(word).unwrap_or(word)).collect();
        return format!("{used}（必要な方法: {}）", wanted.join("、"));
    }
    if let Some(rest) = detail.strip_prefix("owed to ") {
        return format!("未提出先: {}", rest.replace(", ", "、"));
    }
    if let Some((numbers, party)) =
        detail.strip_prefix("number").and_then(|rest| rest.trim_start_matches('s').trim().split_once(" of "))
    {
        return format!("欠けた申告番号: {}（{party}）", numbers.replace(" to ", "〜"));
    }
    if let Some((said, due)) = detail.split_once(", due ")
        && let Some(to) = said.strip_suffix("nothing recorded")
    {
        let to = to.strip_prefix("to ").and_then(|to| to.strip_suffix(": ")).unwrap_or_default();
        let to = if to.is_empty() { String::new() } else { format!("{to} に対する") };
        return format!("{to}記録がない（期限: {due}）");
    }
    // A rule that says for how long to keep, after its name.
    if let Some((rule, kept)) = detail.split_once(": kept for ") {
        if let Some((least, milestone)) =
            kept.strip_suffix(", which has not come").and_then(|k| k.split_once(" from "))
        {
            return format!("定め: {rule}、保存期間: {least}（契機 {milestone} は未到来）");
        }
        if let Some((least, until)) = kept.split_once(", until ") {
            return format!("定め: {rule}、保存期間: {least}（{until} まで）");
        }
    }
    if let Some((day, law)) = detail.strip_prefix("on ").and_then(|d| d.split_once("; the law cited ")) {
        let law = law.replacen("was in force until ", "引用された法令の効力の終わり: ", 1).replacen(
            "is in force from ",
            "引用された法令の施行: ",
            1,
        );
        return format!("取扱日: {day}、{law}");
    }
    for (en, before, after) in STARTS {
        if let Some(rest) = detail.strip_prefix(en) {
            return format!("{before}{rest}{after}");
        }
    }
    for (en, before, between, after) in INSIDE {
        if let Some((a, b)) = detail.split_once(en) {
            let a = a.strip_prefix("kind ").unwrap_or(a);
            let a = a.strip_prefix("occurred ").map_or_else(|| a.to_owned(), |time| format!("発生: {time}"));
            let a = a.strip_prefix("flow ").map_or_else(|| a.clone(), |flow| format!("流れ {flow} "));
            return format!("{before}{a}{between}{}{after}", b.strip_suffix(" out").unwrap_or(b));
        }
    }
    detail.strip_prefix("flow ").map_or_else(|| detail.to_owned(), |flow| format!("流れ: {flow}"))
}

/// A method of erasure, by the word of its findings.
fn method_ja(word: &str) -> Option<&'static str> {
    Some(match word {
        "clear" => "上書き等（Clear）",
        "purge" => "除去（Purge）",
        "destroy" => "物理的破壊（Destroy）",
        "cryptographic erase" => "暗号鍵の消去",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_of_the_ledger_have_japanese_words() {
        let cases = [
            ("r1, due 2021-02-04T23:59:59.999+09:00", "定め: r1、期限: 2021-02-04 23:59"),
            ("3 in, 2 out", "入3、出2"),
            ("flow f1 goes to ward", "流れ f1 の承認された相手は ward"),
            ("occurred 2021, limit P1D", "発生: 2021、記録期限: P1D"),
            ("ward is silent", "ward の記録がない"),
            (
                "key of ward, not trusted from 2021-02-03T00:00:00+09:00, accepted until \
                 2021-02-05T10:00:00+09:00, last number 7",
                "ward の鍵、信頼できない時点: 2021-02-03 00:00、失効の記録: 2021-02-05 10:00、最後の申告番号: 7",
            ),
            ("ends 2022-03-25, 14 copies open", "契約の終了: 2022-03-25、未消去の複製: 14件"),
            (
                "clear instead of purge or destroy",
                "上書き等（Clear）（必要な方法: 除去（Purge）、物理的破壊（Destroy））",
            ),
            ("letter instead of lgwan", "letter（承認は lgwan）"),
            (
                "on 2026-04-01; the law cited was in force until 2023-03-31",
                "取扱日: 2026-04-01、引用された法令の効力の終わり: 2023-03-31",
            ),
            ("taken-out by fujitsu", "行為: taken-out、当事者: fujitsu"),
            (
                "silent since 2021-02-03T10:00:00+09:00, due 2021-04-30T23:59:59.999+09:00",
                "最後の申告: 2021-02-03 10:00、次の申告の期限: 2021-04-30 23:59",
            ),
            (
                "r1: kept for P5Y, until 2026-03-31T23:59:59.999+09:00",
                "定め: r1、保存期間: P5Y（2026-03-31 23:59 まで）",
            ),
            (
                "r1: kept for P5Y from case_closed, which has not come",
                "定め: r1、保存期間: P5Y（契機 case_closed は未到来）",
            ),
            ("sensitive_person to toppan_forms", "対象者の区分: sensitive_person、相手: toppan_forms"),
            ("numbers 1 to 4 of ward", "欠けた申告番号: 1〜4（ward）"),
            ("number 7 of ward", "欠けた申告番号: 7（ward）"),
            ("kind ds_x is not of flow f1", "ds_x は流れ f1 のものではない"),
            ("owed to ward, line", "未提出先: ward、line"),
            ("on 2021-02-01", "取扱日: 2021-02-01"),
            ("by hyojito", "hyojitoによる"),
            ("nothing recorded, due 2021-02-01T09:01:00+09:00", "記録がない（期限: 2021-02-01 09:01）"),
            (
                "to ward: nothing recorded, due 2021-02-01T09:01:00+09:00",
                "ward に対する記録がない（期限: 2021-02-01 09:01）",
            ),
            ("something new", "something new"),
        ];
        for (en, ja) in cases {
            assert_eq!(detail_ja(&tidy_times(en)), ja);
        }
    }

    #[test]
    fn ids_in_details_are_named() {
        let mut report = crate::tests::sample();
        let id = report.scheme.id.clone();
        for (id, ja) in [("taken-out", "持出し"), ("name", "氏名")] {
            report.names.insert(id.into(), Text { ja: ja.into(), en: id.into() });
        }
        let party = report.parties[0].clone();
        let named = Words::new(&report, Lang::Ja).party(&party.id).to_owned();
        let cases = [
            (format!("taken-out by {}", party.id), format!("行為: 持出し、当事者: {named}")),
            (format!("number 7 of {id}/{}", party.id), format!("欠けた申告番号: 7（{named}）")),
            ("name, address".to_owned(), "氏名, address".to_owned()),
            // Only whole ids, and no words of others.
            (format!("certificate {}.2021-03", party.id), format!("証明書: {}.2021-03", party.id)),
            (format!("x.{}-name", party.id), format!("x.{}-name", party.id)),
            ("name instead of lgwan".to_owned(), "name（承認は lgwan）".to_owned()),
            ("r1: P7D".to_owned(), "定め: r1、契機を待つ期限: 7日後の終わり".to_owned()),
            (
                "r1: kept for end-of-month, until 2026-03-31T23:59:59.999+09:00".to_owned(),
                "定め: r1、保存期間: 当月末（2026-03-31 23:59 まで）".to_owned(),
            ),
        ];
        for (detail, ja) in cases {
            assert_eq!(Words::new(&report, Lang::Ja).detail(&detail), ja);
        }
        assert_eq!(Words::new(&report, Lang::En).detail("taken-out by x"), "taken-out by x");
    }

    #[test]
    fn each_verdict_has_a_symbol_of_its_own() {
        let symbols: std::collections::BTreeSet<_> = Verdict::ALL.iter().map(|v| symbol(*v)).collect();
        assert_eq!(symbols.len(), Verdict::ALL.len());
    }
}
