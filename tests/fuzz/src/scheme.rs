//! Scheme and vocabulary files. They come out of a ledger as bytes, so an auditor reads what others wrote.

use std::sync::LazyLock;

use daicho_custody::SchemeContext;
use daicho_custody::scheme::{MAX_FILE_LEN, Scheme, Vocabulary, lint, lint_vocabulary};
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
    let _ = SchemeContext::new(scheme, VOCABULARY.clone(), None);
    true
}

pub(crate) fn vocabulary(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else { return false };
    let Ok(vocabulary) = Vocabulary::parse(text) else { return false };
    assert_written_and_read(&vocabulary, Vocabulary::parse);
    let _ = lint_vocabulary(text, &vocabulary);
    let _ = lint(SCHEMES[0], &SCHEME, &vocabulary);
    let _ = SchemeContext::new(SCHEME.clone(), vocabulary, None);
    true
}

fn assert_written_and_read<T, E>(value: &T, parse: fn(&str) -> Result<T, E>)
where
    T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
    E: PartialEq + std::fmt::Debug,
{
    let written = toml::to_string(value).expect("what was read can be written");
    // In another form it may be longer than a file may be.
    if written.len() > MAX_FILE_LEN {
        return;
    }
    assert_eq!(parse(&written).as_ref(), Ok(value));
}

pub(crate) fn schemes() -> Vec<Vec<u8>> {
    SCHEMES.map(|text| text.as_bytes().to_vec()).to_vec()
}

pub(crate) fn vocabularies() -> Vec<Vec<u8>> {
    VOCABULARIES.map(|text| text.as_bytes().to_vec()).to_vec()
}

/// Each table of a sound file as often as fits, under ids of their own.
fn numbered_tables(file: &str) -> Vec<(&'static str, Vec<u8>)> {
    let tables = file.split("\n\n").filter(|part| part.trim_start().starts_with("[["));
    let many = |table: &str| {
        let mut text = file.to_owned();
        let copies = (MAX_FILE_LEN - file.len()) / (table.len() + 8);
        for n in 0..copies {
            text += "\n\n";
            text += &table.replacen("id = \"", &format!("id = \"{n}-"), 1);
        }
        ("tables", text.into_bytes())
    };
    tables.map(many).collect()
}

/// And a flow that rests on every one of many matters, and rules with long lists that are compared with each other.
pub(crate) fn large_schemes() -> Vec<(&'static str, Vec<u8>)> {
    let mut all = numbered_tables(SCHEMES[0]);
    let matter =
        |n: usize| format!("\n\n[[matter]]\nid = \"{n}\"\nlabel = \"m\"\nbasis = []\nwords = \"\"\n");
    let names = |n: usize| format!("\"{n}\",");
    let ids = (MAX_FILE_LEN / 2) / 64;
    let matters: String = (0..ids).map(matter).collect();
    let basis: String = (0..ids).map(names).collect::<String>().repeat(5);
    let text = SCHEMES[0].replacen("basis = [\"m1\"]", &format!("basis = [{basis}]"), 1);
    all.push(("references", (text + &matters).into_bytes()));
    // Two rules for the same erasure, of holders that have nobody in common.
    let holders =
        |letter: char| (0..MAX_FILE_LEN / 24).map(|n| format!("\"{letter}{n}\",")).collect::<String>();
    let rules = SCHEMES[0].replacen("holders = [\"sub\"]", &format!("holders = [{}]", holders('a')), 1);
    let rules = rules.replacen("holders = [\"sub\"]", &format!("holders = [{}]", holders('b')), 1);
    all.push(("holders", rules.into_bytes()));
    let items = |n: usize| format!("{{ id = \"{n}\", label = \"i\" }},");
    let (known, used): (String, String) = (0..MAX_FILE_LEN / 48).map(|n| (items(n), names(n))).unzip();
    let text = SCHEMES[0].replacen("items = [\"mail\"]", &format!("items = [{used}]"), 1);
    all.push(("items", text.replacen("items = [{ id", &format!("items = [{known} {{ id"), 1).into_bytes()));
    all
}

pub(crate) fn large_vocabularies() -> Vec<(&'static str, Vec<u8>)> {
    numbered_tables(VOCABULARIES[0])
}
