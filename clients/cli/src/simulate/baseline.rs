//! The findings that the papers' own holes cause, written by hand.

use daicho_custody::FindingCode;
use daicho_custody::scheme::Text;
use serde::Deserialize;

use super::faults::{Counts, by_code};

const FILE: &str = include_str!("baseline.toml");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Baseline {
    #[serde(rename = "hole")]
    holes: Vec<Hole>,
}

/// One finding that even a faultless play has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hole {
    /// Scheme.
    pub(crate) scheme: String,
    /// What it is found as.
    pub(crate) code: FindingCode,
    /// What the finding is about.
    pub(crate) object: String,
    /// Anomaly of the scheme file that explains it.
    pub(crate) cause: String,
    /// The hole in words.
    pub(crate) why: Text,
}

/// The holes of a scheme.
pub(crate) fn of(scheme: &str) -> Vec<Hole> {
    let baseline: Baseline = toml::from_str(FILE).expect("the file that is built in is tested");
    baseline.holes.into_iter().filter(|hole| hole.scheme == scheme).collect()
}

/// The findings of a scheme by code.
pub(crate) fn counts(scheme: &str) -> Counts {
    by_code(of(scheme).into_iter().map(|hole| hole.code))
}
