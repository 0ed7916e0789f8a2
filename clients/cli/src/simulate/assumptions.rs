//! Volumes that the papers do not give.

use daicho_custody::scheme::Text;
use serde::Deserialize;

const FILE: &str = include_str!("assumptions.toml");

/// The file of assumptions.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Assumptions {
    #[serde(rename = "assumption")]
    all: Vec<Assumption>,
}

/// One number that no paper states.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Assumption {
    /// Scheme.
    pub(crate) scheme: String,
    /// Name in the scripts.
    pub(crate) id: String,
    /// The number.
    pub(crate) value: u64,
    /// What it is and why.
    pub(crate) what: Text,
}

impl Assumptions {
    /// Reads the file that is built in.
    pub(crate) fn load() -> Self {
        toml::from_str(FILE).expect("the file that is built in is tested")
    }

    /// The number by its name.
    pub(crate) fn value(&self, scheme: &str, id: &str) -> u64 {
        let found = self.of(scheme).find(|one| one.id == id);
        found.expect("the scripts name assumptions that the file makes").value
    }

    /// The assumptions for a scheme.
    pub(crate) fn of(&self, scheme: &str) -> impl Iterator<Item = &Assumption> {
        self.all.iter().filter(move |one| one.scheme == scheme)
    }
}
