//! Words, dates and symbols of reports in both languages.

use std::collections::HashMap;

use daicho_core::{Date, Instant};
pub use daicho_custody::report::count;
use daicho_custody::report::{
    Certificate, LimitReport, Moment, Number, Problem, RuleReport, ThirdPartyReport,
};
use daicho_custody::scheme::{Deadline, Text};
use daicho_custody::{Decision, DeletionReport, Evidence, Verdict};

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
        Deadline::parse(text).map_or_else(|_| text.to_owned(), |known| self.of(&known.label()).to_owned())
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
        let (words, milestone) = self.trigger_parts(rule);
        match milestone {
            Some(id) => format!("{words} ({id})"),
            None => words,
        }
    }

    /// What starts the clock of a rule, in the words of its source, and the id for who does not read them.
    pub fn trigger_parts<'t>(&self, rule: &'t RuleReport) -> (String, Option<&'t str>) {
        let t = &rule.trigger;
        if t.milestone == "none" {
            return (self.say("書面に定めなし", "none in the source").to_owned(), None);
        }
        let label = if t.label.is_empty() { &t.milestone } else { &t.label };
        let words = if t.words.is_empty() { label } else { &t.words };
        (format!("「{words}」"), self.say(None, Some(t.milestone.as_str())))
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
}

/// A system, by its name for people, with its unit.
pub fn place(system: &str, unit: &str) -> String {
    if unit.is_empty() { system.to_owned() } else { format!("{system} / {unit}") }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_verdict_has_a_symbol_of_its_own() {
        let symbols: std::collections::BTreeSet<_> = Verdict::ALL.iter().map(|v| symbol(*v)).collect();
        assert_eq!(symbols.len(), Verdict::ALL.len());
    }
}
