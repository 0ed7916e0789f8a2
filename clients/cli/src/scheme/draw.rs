//! Draws a scheme in 100 columns: parties, flows by kind, systems, rules.

use std::collections::BTreeMap;
use std::io::Write;

use daicho_custody::scheme::{
    Action, DataSetKind, Date, Effect, End, Flow, Matter, Rule, Scheme, Scope, Storage, System, Witness,
};
use unicode_width::UnicodeWidthStr;

use super::Lang;
use crate::columns::{cut, fit, wrap};

/// Columns that the drawing may fill.
const WIDTH: usize = 100;

/// A scheme on its way to the terminal.
pub(super) struct Drawing<'a> {
    scheme: &'a Scheme,
    lang: Lang,
    out: &'a mut dyn Write,
}

impl<'a> Drawing<'a> {
    /// A drawing of `scheme` on `out`.
    pub(super) fn new(scheme: &'a Scheme, lang: Lang, out: &'a mut dyn Write) -> Self {
        Self { scheme, lang, out }
    }

    /// Draws everything, from the title to the rules.
    pub(super) fn all(&mut self) -> anyhow::Result<()> {
        self.header()?;
        self.parties()?;
        self.flows()?;
        self.systems()?;
        self.rules()
    }

    fn header(&mut self) -> anyhow::Result<()> {
        let (s, lang) = (self.scheme, self.lang);
        writeln!(self.out, "{}", "━".repeat(WIDTH))?;
        for line in wrap(lang.of(&s.title), WIDTH - 2) {
            writeln!(self.out, " {line}")?;
        }
        writeln!(self.out, "{}", "━".repeat(WIDTH))?;
        self.fact(lang.either("事業", "scheme"), &format!("{}  v{}", s.id, s.version))?;
        self.fact(lang.either("所管", "department"), &s.department)?;
        self.fact(lang.either("対象", "subjects"), &s.subjects)?;
        let starts = s.matters.iter().filter_map(first_day).min();
        let open = s.matters.iter().any(|m| m.renewal.is_some() || m.end.is_none());
        let ends = s.matters.iter().filter_map(|m| m.end).max().filter(|_| !open);
        let show = |d: Option<Date>| d.map_or_else(|| "…".to_owned(), |d| d.to_string());
        self.fact(lang.either("期間", "period"), &format!("{} – {}", show(starts), show(ends)))?;
        let numbers = [
            (s.flows.len(), lang.either("流れ", "flows")),
            (s.systems.len(), lang.either("機器・媒体", "systems")),
            (s.rules.len(), lang.either("消去の定め", "rules")),
            (s.obligations.len(), lang.either("その他の義務", "obligations")),
            (s.anomalies.len(), lang.either("書面の誤りと空白", "anomalies")),
        ];
        let numbers: Vec<String> = numbers.iter().map(|(n, what)| format!("{what} {n}")).collect();
        self.fact(lang.either("内容", "holds"), &numbers.join("  "))
    }

    fn fact(&mut self, name: &str, value: &str) -> anyhow::Result<()> {
        for (n, line) in wrap(value, WIDTH - 14).into_iter().enumerate() {
            let name = if n == 0 { name } else { "" };
            writeln!(self.out, " {} {line}", fit(name, 11))?;
        }
        Ok(())
    }

    fn heading(&mut self, ja: &'static str, en: &'static str) -> anyhow::Result<()> {
        let title = self.lang.either(ja, en);
        writeln!(self.out, "\n── {title} {}", "─".repeat(WIDTH - 4 - title.width()))?;
        Ok(())
    }

    fn parties(&mut self) -> anyhow::Result<()> {
        self.heading("当事者", "Parties")?;
        for p in &self.scheme.parties {
            let symbol = p.symbol.as_deref().unwrap_or("");
            let how = match &p.reported_by {
                None => self.lang.either("自ら書く", "writes").to_owned(),
                Some(other) => format!("{}{other}", self.lang.either("報告 ", "told by ")),
            };
            let holds = self.scheme.rules.iter().filter(|r| r.holders.contains(&p.id)).count();
            let rules = match self.lang {
                Lang::Ja => format!("定め {holds}"),
                Lang::En => format!("{holds} rules"),
            };
            let rules = if holds > 0 { rules } else { String::new() };
            let (symbol, label) = (fit(symbol, 2), fit(&p.label, 44));
            let row = format!(" {symbol} {label} {} {} {rules}", fit(&p.id, 22), fit(&how, 18));
            writeln!(self.out, "{}", row.trim_end())?;
        }
        Ok(())
    }

    fn flows(&mut self) -> anyhow::Result<()> {
        self.heading("情報の流れ", "Flows")?;
        let legend = self.lang.either(
            "━━▶ 移る  ──▶ 手元に残る  ╌╌▶ 中継   書く者: 両=両方 渡=渡す側 受=受ける側 内=内部 観=第三者",
            "━━▶ moves  ──▶ copy stays  ╌╌▶ relay   who writes: 2=both g=giver t=taker i=internal o=observer",
        );
        writeln!(self.out, " {legend}")?;
        let mut by_kind: BTreeMap<usize, Vec<&Flow>> = BTreeMap::new();
        for flow in &self.scheme.flows {
            let order = self.scheme.data_sets.iter().position(|d| d.id == flow.data_set);
            by_kind.entry(order.unwrap_or(usize::MAX)).or_default().push(flow);
        }
        for (order, flows) in by_kind {
            if let Some(kind) = self.scheme.data_sets.get(order) {
                let marks = self.kind_marks(kind);
                writeln!(self.out, "\n ■ {} ({}){marks}", kind.label, kind.id)?;
            }
            for flow in flows {
                self.flow(flow)?;
            }
        }
        Ok(())
    }

    fn kind_marks(&self, kind: &DataSetKind) -> String {
        let marks = [
            (kind.sensitive, self.lang.either("センシティブ", "sensitive")),
            (kind.may_contain_individual_number, self.lang.either("個人番号", "Individual Number")),
            (!kind.items_complete, self.lang.either("項目は一部", "items incomplete")),
        ];
        marks.iter().filter(|(on, _)| *on).map(|(_, mark)| format!("  [{mark}]")).collect()
    }

    fn flow(&mut self, f: &Flow) -> anyhow::Result<()> {
        let arrow = match f.effect {
            Effect::Moves => "━━▶",
            Effect::Leaves => "──▶",
            Effect::Relays => "╌╌▶",
        };
        let lang = self.lang;
        let witness = match f.witness {
            Witness::TwoSided => lang.either("両", "2"),
            Witness::GiverOnly => lang.either("渡", "g"),
            Witness::TakerOnly => lang.either("受", "t"),
            Witness::Internal => lang.either("内", "i"),
            Witness::Observed => lang.either("観", "o"),
        };
        let (from, to) = (fit(&self.end(&f.from), 40), fit(&self.end(&f.to), 40));
        writeln!(self.out, "   {} {from} {arrow} {to} {witness}", fit(short(&f.id), 5))?;
        let mut extra = Vec::new();
        if f.start.is_some() || f.end.is_some() {
            let show = |d: Option<Date>| d.map_or_else(|| "…".to_owned(), |d| d.to_string());
            extra.push(format!("{} – {}", show(f.start), show(f.end)));
        }
        if f.basis.is_empty() || f.basis_gap.is_some() {
            let gap = f.basis_gap.as_ref().map_or("", |t| lang.of(t));
            extra.push(format!("! {}{gap}", lang.either("根拠: ", "basis: ")));
        }
        if !extra.is_empty() {
            writeln!(self.out, "         {}", extra.join("  "))?;
        }
        Ok(())
    }

    fn end(&self, end: &End) -> String {
        let party = self.scheme.party(&end.party).map_or(end.party.as_str(), |p| &p.label);
        let party = short_name(party);
        match end.system.as_ref().and_then(|id| self.scheme.system(id)) {
            Some(s) => {
                // Brackets and tag take 8 of the 40 columns; the party keeps at least 12 of the rest.
                let whole = s.label.width() + party.width() <= 32;
                let label = if whole { s.label.as_str() } else { short_name(&s.label) };
                let party = cut(party, 32_usize.saturating_sub(label.width()).max(14));
                let label = cut(label, 32 - party.width());
                format!("[{}] {label} ({party})", tag(s, self.lang))
            }
            None => format!("[{}] {party}", self.lang.either("人", "--")),
        }
    }

    fn systems(&mut self) -> anyhow::Result<()> {
        self.heading("機器・媒体", "Systems")?;
        for s in &self.scheme.systems {
            let mut storage = storage_word(s.storage, self.lang).to_owned();
            if let Some(until) = &s.until {
                storage.push_str(&format!(" → {}", short(until)));
            }
            let (tag, label) = (tag(s, self.lang), fit(&s.label, 48));
            writeln!(self.out, " [{tag}] {label} {} {storage}", fit(&s.operator, 14))?;
            for (kind, other) in &s.storage_for {
                let row = fit(&format!("  └ {}", self.kind_name(kind)), 63);
                writeln!(self.out, "      {row} {}", storage_word(*other, self.lang))?;
            }
        }
        Ok(())
    }

    fn rules(&mut self) -> anyhow::Result<()> {
        self.heading("保存と消去の定め", "Retention rules")?;
        let lang = self.lang;
        let head = [
            lang.either("契機", "trigger"),
            lang.either("期限の語", "deadline"),
            lang.either("数", "number"),
        ];
        writeln!(self.out, "       {}    {}    {}", fit(head[0], 31), fit(head[1], 21), head[2])?;
        for r in &self.scheme.rules {
            self.rule(r)?;
        }
        Ok(())
    }

    fn rule(&mut self, r: &Rule) -> anyhow::Result<()> {
        let lang = self.lang;
        let holders: Vec<&str> = r.holders.iter().map(|h| self.party_name(h)).collect();
        let kinds: Vec<&str> = r.data_sets.iter().map(|d| self.kind_name(d)).collect();
        let what = format!("{}: {}", holders.join("、"), kinds.join("、"));
        let mark = if r.gap { "!" } else { " " };
        let (id, action) = (fit(short(&r.id), 4), fit(action_word(r.action, lang), 10));
        writeln!(self.out, "{mark}{id} {action} {}", cut(&what, 82))?;
        let trigger = r.trigger.words.as_deref().unwrap_or(match r.trigger.milestone.as_str() {
            "none" => lang.either("(定めなし)", "(none)"),
            other => other,
        });
        let words = r.deadline.words.as_deref().unwrap_or(lang.either("(定めなし)", "(none)"));
        let scope = scope_word(r.trigger.scope, lang);
        let trigger = format!("{} ({scope})", cut(trigger, 28_usize.saturating_sub(scope.width())));
        let (trigger, words) = (fit(&trigger, 31), fit(words, 21));
        writeln!(self.out, "       {trigger} ─▶ {words} ─▶ {}", self.number(r))?;
        Ok(())
    }

    /// Where the number of a deadline comes from.
    fn number(&self, r: &Rule) -> String {
        let lang = self.lang;
        match (&r.deadline.stated, &r.deadline.proposal) {
            (Some(stated), _) => format!("{} {stated}", lang.either("書面の数", "stated:")),
            (None, Some(proposal)) => format!("{} {proposal}", lang.either("なし。提案", "none; proposed")),
            (None, None) if r.gap => lang.either("定めがない", "no schedule at all").to_owned(),
            (None, None) => lang.either("なし。区が定める", "none; ward sets it").to_owned(),
        }
    }

    fn party_name<'s>(&'s self, id: &'s str) -> &'s str {
        self.scheme.party(id).map_or(id, |p| short_name(&p.label))
    }

    fn kind_name<'s>(&'s self, id: &'s str) -> &'s str {
        let all = self.lang.either("すべて", "everything");
        if id == "*" { all } else { self.scheme.data_set(id).map_or(id, |d| &d.label) }
    }
}

fn first_day(m: &Matter) -> Option<Date> {
    m.start.or_else(|| m.phases.iter().filter_map(|p| p.start).min())
}

/// The part of an id by which people call it: `r1` of `r1_contact_next_day`.
fn short(id: &str) -> &str {
    id.split('_').next().unwrap_or(id)
}

/// A party's name without what stands in brackets.
fn short_name(label: &str) -> &str {
    match label.find(['(', '（']) {
        Some(at) if at > 0 => &label[..at],
        _ => label,
    }
}

fn tag(system: &System, lang: Lang) -> &'static str {
    match system.kind.as_str() {
        "server" | "mainframe" => lang.either("機", "sv"),
        "terminal" | "display" => lang.either("端", "pc"),
        "paper" => lang.either("紙", "pp"),
        "removable-media" | "storage-device" | "card" => lang.either("媒", "md"),
        "database" | "storage-area" => lang.either("庫", "db"),
        "network" => lang.either("網", "nw"),
        "telephone" => lang.either("話", "ph"),
        "facility" | "transport-container" | "camera" => lang.either("所", "pl"),
        _ => lang.either("系", "ap"),
    }
}

fn storage_word(storage: Storage, lang: Lang) -> &'static str {
    match storage {
        Storage::None => lang.either("保持しない", "nothing"),
        Storage::Transient => lang.either("処理の間", "transient"),
        Storage::Temporary => lang.either("一時", "temporary"),
        Storage::Persistent => lang.either("保有", "persistent"),
        Storage::Unspecified => lang.either("定めなし", "unspecified"),
        Storage::OutOfScope => lang.either("対象外", "out of scope"),
    }
}

fn action_word(action: Action, lang: Lang) -> &'static str {
    match action {
        Action::Erase => lang.either("消去", "erase"),
        Action::Return => lang.either("返却", "return"),
        Action::HandOver => lang.either("引渡し", "hand over"),
        Action::ReturnAndErase => lang.either("返還・消去", "ret.+erase"),
        Action::NoRetention => lang.either("保持しない", "keep none"),
    }
}

fn scope_word(scope: Scope, lang: Lang) -> &'static str {
    match scope {
        Scope::Copy => lang.either("複製ごと", "per copy"),
        Scope::DataSet => lang.either("データセットごと", "per data set"),
        Scope::Session => lang.either("利用・処理ごと", "per session"),
        Scope::Day => lang.either("日ごと", "per day"),
        Scope::Contract => lang.either("契約ごと", "per contract"),
    }
}
