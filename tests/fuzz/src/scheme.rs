//! Scheme and vocabulary files. They come out of a ledger as bytes, so an auditor reads what others wrote.

use std::sync::LazyLock;

use daicho_custody::SchemeContext;
use daicho_custody::scheme::{Scheme, Vocabulary, lint, lint_vocabulary};
use serde::{Serialize, de::DeserializeOwned};

const SCHEMES: [&str; 2] = [
    include_str!("../../../ledger/custody/tests/lint/sound-scheme.toml"),
    include_str!("../../../deploy/schemes/queue_notice_service.toml"),
];
const VOCABULARIES: [&str; 2] = [
    include_str!("../../../ledger/custody/tests/lint/sound-vocabulary.toml"),
    include_str!("../../../deploy/schemes/common.toml"),
];

static SCHEME: LazyLock<Scheme> = LazyLock::new(|| Scheme::parse(SCHEMES[0]).expect("a scheme"));
static VOCABULARY: LazyLock<Vocabulary> =
    LazyLock::new(|| Vocabulary::parse(VOCABULARIES[0]).expect("a vocabulary"));

pub(crate) fn scheme(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else { return false };
    let Ok(scheme) = Scheme::parse(text) else { return false };
    assert_written_and_read(&scheme, Scheme::parse);
    let found = lint(text, &scheme, &VOCABULARY);
    let lines = text.matches('\n').count() + 1;
    assert!(found.iter().all(|diagnostic| (1..=lines).contains(&diagnostic.line)), "no such line");
    let _ = SchemeContext::new(scheme, VOCABULARY.clone());
    true
}

pub(crate) fn vocabulary(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else { return false };
    let Ok(vocabulary) = Vocabulary::parse(text) else { return false };
    assert_written_and_read(&vocabulary, Vocabulary::parse);
    let _ = lint_vocabulary(text, &vocabulary);
    let _ = lint(SCHEMES[0], &SCHEME, &vocabulary);
    let _ = SchemeContext::new(SCHEME.clone(), vocabulary);
    true
}

fn assert_written_and_read<T, E>(value: &T, parse: fn(&str) -> Result<T, E>)
where
    T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
    E: PartialEq + std::fmt::Debug,
{
    let written = toml::to_string(value).expect("what was read can be written");
    assert_eq!(parse(&written).as_ref(), Ok(value));
}

pub(crate) fn schemes() -> Vec<Vec<u8>> {
    SCHEMES.map(|text| text.as_bytes().to_vec()).to_vec()
}

pub(crate) fn vocabularies() -> Vec<Vec<u8>> {
    VOCABULARIES.map(|text| text.as_bytes().to_vec()).to_vec()
}
