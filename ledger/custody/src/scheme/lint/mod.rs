//! Checks on scheme and vocabulary files: is the file right, and is the council paper behind it right?
//!
//! Pure and deterministic: the same text gives the same diagnostics in the same order.

mod clauses;
mod dates;
mod flows;
mod locate;
mod matters;
mod parties;
mod refs;
mod rules;

use std::collections::BTreeSet;
use std::fmt;

use super::{Act, Contract, Flow, Matter, Scheme, Storage, System, Text, Vocabulary};
use locate::Lines;

/// What one check found at one place.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Diagnostic {
    /// Name of the check, kebab-case. Stable: corrections signed by the ward quote it.
    pub check: &'static str,
    /// What it means for enactment.
    pub level: Level,
    /// Line in the file, from 1.
    pub line: usize,
    /// The key at fault, e.g. `flow.f24_payment.basis`.
    pub key: String,
    /// The table at fault, e.g. `flow.f24_payment`.
    pub at: String,
    /// What is wrong, and what to do about it.
    pub message: Text,
}

impl Diagnostic {
    /// The name by which anomalies and corrections refer to it: `check@table.id`.
    pub fn name(&self) -> String {
        format!("{}@{}", self.check, self.at)
    }
}

/// How much a diagnostic weighs. The order is that of weight, heaviest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// The file itself is wrong. It cannot be enacted.
    Error,
    /// The council paper is wrong. Enacted only with the ward's signed correction that names the diagnostic.
    SourceError,
    /// A verdict will be missing or a finding unavoidable. Goes into reports.
    Warning,
    /// Good to know before go-live.
    Note,
}

impl Level {
    /// Whether a scheme with such a diagnostic cannot be enacted as it stands.
    pub fn blocks(self) -> bool {
        matches!(self, Self::Error | Self::SourceError)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::SourceError => "source-error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

/// Checks a scheme against itself and against the vocabulary that it names.
///
/// `text` is the file from which `scheme` was read; it gives the lines.
pub fn lint(text: &str, scheme: &Scheme, vocabulary: &Vocabulary) -> Vec<Diagnostic> {
    let mut cx = Context { scheme, vocabulary, report: Report::new(text) };
    refs::check(&mut cx);
    dates::check(&mut cx);
    matters::check(&mut cx);
    parties::check(&mut cx);
    clauses::check(&mut cx);
    flows::check(&mut cx);
    rules::check(&mut cx);
    unfounded(&mut cx);
    cx.report.sorted()
}

/// An anomaly that names a diagnostic which was not made: the paper or the file changed meanwhile.
fn unfounded(cx: &mut Context<'_>) {
    let names: BTreeSet<String> = cx.report.found.iter().map(Diagnostic::name).collect();
    for anomaly in &cx.scheme.anomalies {
        for name in anomaly.found_by.iter().filter(|n| !names.contains(*n)) {
            cx.error(
                "anomaly-not-found",
                at("anomaly", &anomaly.id, "found_by"),
                format!("{name} という指摘は出ていません。解消したなら異状の記載を外してください"),
                format!("`{name}` was not found; if it is mended, drop it from the anomaly"),
            );
        }
    }
}

/// Checks a vocabulary alone.
pub fn lint_vocabulary(text: &str, vocabulary: &Vocabulary) -> Vec<Diagnostic> {
    let mut report = Report::new(text);
    refs::check_vocabulary(vocabulary, &mut report);
    report.sorted()
}

/// What every check sees.
struct Context<'a> {
    scheme: &'a Scheme,
    vocabulary: &'a Vocabulary,
    report: Report,
}

/// Diagnostics in the making, with the lines of the file.
struct Report {
    lines: Lines,
    found: Vec<Diagnostic>,
}

/// A place in the file: table, id, and the key when one is at fault.
#[derive(Clone, Copy)]
struct Place<'a> {
    table: &'a str,
    id: &'a str,
    key: &'a str,
}

/// The place of `key` in the table `table` with this id.
fn at<'a>(table: &'a str, id: &'a str, key: &'a str) -> Place<'a> {
    Place { table, id, key }
}

impl Report {
    fn new(text: &str) -> Self {
        Self { lines: Lines::of(text), found: Vec::new() }
    }

    fn add(&mut self, level: Level, check: &'static str, place: Place<'_>, ja: String, en: String) {
        let line = self.lines.line(place.table, place.id, place.key);
        self.add_at_line(level, check, place, line, Text { ja, en });
    }

    fn add_at_line(
        &mut self,
        level: Level,
        check: &'static str,
        place: Place<'_>,
        line: usize,
        message: Text,
    ) {
        let table = format!("{}.{}", place.table, place.id);
        let key = if place.key.is_empty() { table.clone() } else { format!("{table}.{}", place.key) };
        self.found.push(Diagnostic { check, level, line, key, at: table, message });
    }

    /// By line, then weight, then name, without repetitions.
    fn sorted(mut self) -> Vec<Diagnostic> {
        self.found.sort_by(|a, b| {
            (a.line, a.level, a.check, &a.key, &a.message.en).cmp(&(
                b.line,
                b.level,
                b.check,
                &b.key,
                &b.message.en,
            ))
        });
        self.found.dedup();
        self.found
    }
}

impl Context<'_> {
    fn error(&mut self, check: &'static str, place: Place<'_>, ja: String, en: String) {
        self.report.add(Level::Error, check, place, ja, en);
    }

    fn source_error(&mut self, check: &'static str, place: Place<'_>, ja: String, en: String) {
        self.report.add(Level::SourceError, check, place, ja, en);
    }

    fn warning(&mut self, check: &'static str, place: Place<'_>, ja: String, en: String) {
        self.report.add(Level::Warning, check, place, ja, en);
    }

    fn note(&mut self, check: &'static str, place: Place<'_>, ja: String, en: String) {
        self.report.add(Level::Note, check, place, ja, en);
    }
}

/// What may be stored at a system for one kind.
fn storage_of(system: &System, kind: &str) -> Storage {
    system.storage_for.get(kind).copied().unwrap_or(system.storage)
}

/// The acts that a flow's matters make lawful.
fn acts_of(scheme: &Scheme, vocabulary: &Vocabulary, flow: &Flow) -> Vec<Act> {
    let matters = flow.basis.iter().filter_map(|id| scheme.matter(id));
    matters.flat_map(|m| acts_of_matter(vocabulary, m)).collect()
}

fn acts_of_matter<'a>(vocabulary: &'a Vocabulary, matter: &'a Matter) -> impl Iterator<Item = Act> + 'a {
    let articles = || vocabulary.ordinances.iter().flat_map(|o| &o.articles);
    matter.basis.iter().filter_map(move |b| articles().find(|a| a.id == b.article)).map(|a| a.act)
}

/// The contracts under which a party works, as one of those entrusted.
fn contracts_binding<'a>(scheme: &'a Scheme, party: &'a str) -> impl Iterator<Item = &'a Contract> + 'a {
    scheme.contracts.iter().filter(move |c| c.between.iter().skip(1).any(|p| p == party))
}
