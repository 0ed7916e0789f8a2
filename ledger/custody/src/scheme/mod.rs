//! Schemes are data: the file format, its reading, its checks.

mod check;
pub(crate) mod day;
mod deadline;
mod lint;
mod model;

pub use check::{ActWord, Answer, Check, Occasion};
pub use daicho_core::Date;
pub use deadline::{Deadline, Falls, Term};
pub use lint::{Diagnostic, Level, lint, lint_vocabulary};
pub use model::*;

/// Longest scheme or vocabulary file, in bytes. Those of a ward have up to 50 KiB. What refers to something is looked up
/// in lists, and lists are compared, so that the time for a file grows faster than its length.
pub const MAX_FILE_LEN: usize = 256 * 1024;

/// A file that could not be read as a scheme or vocabulary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct ParseError {
    /// Line in the file, from 1.
    pub line: usize,
    /// What is wrong, and with which key.
    pub message: String,
}

impl Scheme {
    /// The format word that a scheme file starts with.
    pub const FORMAT: &'static str = "daicho-scheme/1";

    /// Reads a scheme file. Unknown keys are refused, so that a typing error cannot drop a rule.
    ///
    /// # Errors
    /// The first line that does not fit the format; line 1 above [`MAX_FILE_LEN`].
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let scheme: Self = parse_toml(text)?;
        check_format(&scheme.format, Self::FORMAT)?;
        Ok(scheme)
    }

    /// The party with this id.
    pub fn party(&self, id: &str) -> Option<&Party> {
        self.parties.iter().find(|p| p.id == id)
    }

    /// The system with this id.
    pub fn system(&self, id: &str) -> Option<&System> {
        self.systems.iter().find(|s| s.id == id)
    }

    /// The data set kind with this id.
    pub fn data_set(&self, id: &str) -> Option<&DataSetKind> {
        self.data_sets.iter().find(|d| d.id == id)
    }

    /// The flow with this id.
    pub fn flow(&self, id: &str) -> Option<&Flow> {
        self.flows.iter().find(|f| f.id == id)
    }

    /// The rule with this id.
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.rules.iter().find(|r| r.id == id)
    }

    /// The matter with this id.
    pub fn matter(&self, id: &str) -> Option<&Matter> {
        self.matters.iter().find(|m| m.id == id)
    }

    /// The contract with this id.
    pub fn contract(&self, id: &str) -> Option<&Contract> {
        self.contracts.iter().find(|c| c.id == id)
    }
}

impl Vocabulary {
    /// The format word that a vocabulary file starts with.
    pub const FORMAT: &'static str = "daicho-vocabulary/1";

    /// Reads a vocabulary file.
    ///
    /// # Errors
    /// The first line that does not fit the format; line 1 above [`MAX_FILE_LEN`].
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let vocabulary: Self = parse_toml(text)?;
        check_format(&vocabulary.format, Self::FORMAT)?;
        Ok(vocabulary)
    }

    /// The clause sheet with this id.
    pub fn clause_sheet(&self, id: &str) -> Option<&ClauseSheet> {
        self.clause_sheets.iter().find(|s| s.id == id)
    }

    /// The law that has this article.
    pub fn ordinance_of(&self, article: &str) -> Option<&Ordinance> {
        self.ordinances.iter().find(|law| law.articles.iter().any(|a| a.id == article))
    }

    /// The kind of evidence with this id.
    pub fn evidence(&self, id: &str) -> Option<&EvidenceKind> {
        self.evidence.iter().find(|e| e.id == id)
    }

    /// The act with this word.
    pub fn act(&self, word: &str) -> Option<&ActWord> {
        self.acts.iter().find(|a| a.id == word)
    }
}

pub(crate) fn parse_toml<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, ParseError> {
    if text.len() > MAX_FILE_LEN {
        let message = format!("the file has {} bytes; the limit is {MAX_FILE_LEN}", text.len());
        return Err(ParseError { line: 1, message });
    }
    toml::from_str(text).map_err(|error| ParseError {
        line: error.span().map_or(1, |span| 1 + text[..span.start.min(text.len())].matches('\n').count()),
        message: error.message().to_owned(),
    })
}

fn check_format(found: &str, expected: &str) -> Result<(), ParseError> {
    if found == expected {
        return Ok(());
    }
    Err(ParseError { line: 1, message: format!("format is `{found}`; this version reads `{expected}`") })
}
