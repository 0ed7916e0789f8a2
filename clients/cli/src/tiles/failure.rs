//! What can be wrong with tiles, and how it is said.

use std::{fmt, io};

use daicho_core::Entry;
use daicho_tlog::TreeHash;
use daicho_tlog::note::NoteError;
use daicho_tlog::tile::{BundleError, HEIGHT, HashesError, Kind, Tile, WIDTH};
use reqwest::StatusCode;

use crate::exit::Exit;
use crate::scheme::Lang;

/// Why something was not read.
#[derive(Debug)]
pub(crate) enum Failure {
    /// There is no checkpoint, so no log.
    NoLog { place: String },
    /// The checkpoint cannot be read.
    Checkpoint(NoteError),
    /// A tile or bundle that the checkpoint needs is not there.
    Missing { tile: Tile },
    /// A tile has not its number of hashes.
    Hashes { tile: Tile, error: HashesError },
    /// A bundle has not its number of entries.
    Bundle { tile: Tile, error: BundleError },
    /// What stands at a place, from 0, stands at the place where it belongs as well.
    Doubled { tile: Tile, place: usize, of: usize },
    /// What stands at a place belongs at another one of the same tile, where something else is.
    Moved { tile: Tile, place: usize, belongs: usize },
    /// A hash that the entries do not have.
    Hash { tile: Tile, place: usize, found: TreeHash, expected: TreeHash },
    /// Longer than it can be.
    TooLong { path: String, limit: usize },
    /// Packed in a way that cannot be undone.
    Packed { path: String },
    /// A server that wants another token, or one at all.
    Refused { path: String, status: StatusCode },
    /// No answer, or half of one.
    Unreachable { path: String, reason: String },
    /// A file that cannot be read.
    File { path: String, error: io::Error },
}

impl Failure {
    /// How the program ends when this is why.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Checkpoint(_)
            | Self::Missing { .. }
            | Self::Hashes { .. }
            | Self::Bundle { .. }
            | Self::Doubled { .. }
            | Self::Moved { .. }
            | Self::Hash { .. }
            | Self::TooLong { .. }
            | Self::Packed { .. } => Exit::Wrong,
            Self::NoLog { .. } | Self::File { .. } => Exit::Usage,
            Self::Refused { .. } => Exit::Refused,
            Self::Unreachable { .. } => Exit::Unreachable,
        }
    }

    /// An entry that cannot be checked because of it.
    pub(crate) fn entry(&self) -> u64 {
        match self {
            Self::Missing { tile } | Self::Hashes { tile, .. } | Self::Bundle { tile, .. } => {
                last_entry(tile, 0)
            }
            Self::Doubled { tile, place, .. }
            | Self::Moved { tile, place, .. }
            | Self::Hash { tile, place, .. } => last_entry(tile, *place as u64),
            _ => 0,
        }
    }

    /// For a person.
    pub(crate) fn explain(&self, lang: Lang) -> String {
        if lang == Lang::En {
            return self.to_string();
        }
        match self {
            Self::NoLog { place } => {
                format!("{place} に検査点（checkpoint）がありません。所在の指定をご確認ください。")
            }
            Self::Checkpoint(error) => format!("検査点を読めません（{error}）"),
            Self::Missing { tile } => format!("検査点に必要な {tile} がありません"),
            Self::Hashes { tile, error } => {
                format!("{tile} は {} 個のハッシュ値になっていません（{error}）", tile.width)
            }
            Self::Bundle { tile, error } => {
                format!("{tile} は {} 件の記録になっていません（{error}）", tile.width)
            }
            Self::Doubled { tile, place, of } => {
                format!("{tile} の位置 {place} に、位置 {of} と同じものが重複しています")
            }
            Self::Moved { tile, place, belongs } => {
                format!("{tile} の位置 {place} に、位置 {belongs} にあるべきものがあります（順序の誤り）")
            }
            Self::Hash { tile, place, found, expected } => {
                format!(
                    "{tile} の位置 {place} のハッシュ値は {found} ですが、記録から計算すると {expected} です"
                )
            }
            Self::TooLong { path, limit } => format!("{path} が上限の {limit} バイトを超えています"),
            Self::Packed { path } => format!("{path} の圧縮を解けません"),
            Self::Refused { path, status } => {
                format!("{path} の閲覧が認められません（{status}）。--token-file をご確認ください。")
            }
            Self::Unreachable { path, reason } => {
                format!("{path} を取得できません（{reason}）。しばらくしてからもう一度お試しください。")
            }
            Self::File { path, error } => format!("{path} を読めません（{error}）"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLog { place } => write!(f, "there is no checkpoint at {place}"),
            Self::Checkpoint(error) => write!(f, "the checkpoint cannot be read: {error}"),
            Self::Missing { tile } => write!(f, "{tile} is missing; the checkpoint needs it"),
            Self::Hashes { tile, error } => write!(f, "{tile} is not {} hashes: {error}", tile.width),
            Self::Bundle { tile, error } => write!(f, "{tile} is not {} entries: {error}", tile.width),
            Self::Doubled { tile, place, of } => {
                write!(f, "place {place} of {tile} holds once more what stands at place {of}")
            }
            Self::Moved { tile, place, belongs } => {
                write!(f, "place {place} of {tile} holds what belongs at place {belongs}: out of order")
            }
            Self::Hash { tile, place, found, expected } => {
                write!(f, "hash {place} of {tile} is {found}; the entries have {expected}")
            }
            Self::TooLong { path, limit } => write!(f, "{path} is longer than {limit} bytes"),
            Self::Packed { path } => write!(f, "{path} cannot be unpacked"),
            Self::Refused { path, status } => {
                write!(f, "{path} may not be read ({status}); see --token-file")
            }
            Self::Unreachable { path, reason } => write!(f, "{path} cannot be had: {reason}"),
            Self::File { path, error } => write!(f, "cannot read {path}: {error}"),
        }
    }
}

impl std::error::Error for Failure {}

/// Compares the hashes of a tile with those that the entries have.
pub(crate) fn compare(tile: Tile, found: &[TreeHash], expected: &[TreeHash]) -> Result<(), Failure> {
    let Some(place) = found.iter().zip(expected).position(|(found, expected)| found != expected) else {
        return Ok(());
    };
    let strange = Failure::Hash { tile, place, found: found[place], expected: expected[place] };
    Err(out_of_order(tile, found, expected, place).unwrap_or(strange))
}

/// Looks for the entries of a bundle at wrong places, by the indexes in them.
pub(crate) fn order_of_entries(tile: Tile, entries: &[Vec<u8>]) -> Result<(), Failure> {
    let index = |entry: &Vec<u8>| Entry::decode(entry).ok().map(|entry| entry.index.get());
    let found: Vec<_> = entries.iter().map(index).collect();
    let first = tile.index * WIDTH;
    let expected: Vec<_> = (first..).map(Some).take(found.len()).collect();
    let wrong = found.iter().zip(&expected).position(|(found, expected)| found != expected);
    let fault = wrong.and_then(|place| out_of_order(tile, &found, &expected, place));
    fault.map_or(Ok(()), Err)
}

/// Why the wrong thing stands at a place. `None` when it belongs nowhere in this tile.
fn out_of_order<T: PartialEq>(tile: Tile, found: &[T], expected: &[T], place: usize) -> Option<Failure> {
    let belongs = expected.iter().position(|expected| *expected == found[place])?;
    Some(if found[belongs] == found[place] {
        Failure::Doubled { tile, place, of: belongs }
    } else {
        Failure::Moved { tile, place, belongs }
    })
}

/// The last entry that place `n` of a tile or bundle stands for.
fn last_entry(tile: &Tile, n: u64) -> u64 {
    let level = if let Kind::Hashes(level) = tile.kind { level } else { 0 };
    ((tile.index * WIDTH + n + 1) << (HEIGHT * level)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tile(path: &str) -> Tile {
        path.parse().expect("a tile")
    }

    #[test]
    fn what_stands_twice_or_in_another_order_is_told_from_what_is_strange() {
        let hashes: Vec<TreeHash> = (0..5u8).map(|n| TreeHash::of_leaf(&[n])).collect();
        let place = tile("tile/0/002.p/5");
        assert!(compare(place, &hashes, &hashes).is_ok());
        let changed = |change: &dyn Fn(&mut Vec<TreeHash>)| {
            let mut found = hashes.clone();
            change(&mut found);
            compare(place, &found, &hashes).expect_err("other hashes")
        };
        let doubled = changed(&|found| found[3] = found[1]);
        assert!(matches!(doubled, Failure::Doubled { place: 3, of: 1, .. }) && doubled.entry() == 515);
        let doubled = changed(&|found| found[0] = found[4]);
        assert!(matches!(doubled, Failure::Doubled { place: 0, of: 4, .. }));
        let moved = changed(&|found| found.swap(1, 2));
        assert!(matches!(moved, Failure::Moved { place: 1, belongs: 2, .. }));
        let strange = changed(&|found| found[2] = TreeHash::of_leaf(b"strange"));
        assert!(matches!(strange, Failure::Hash { place: 2, .. }));
        for failure in [doubled, moved, strange] {
            assert_eq!(failure.exit(), Exit::Wrong);
            assert_ne!(failure.explain(Lang::Ja), failure.explain(Lang::En));
        }
    }

    #[test]
    fn the_page_of_tiles_shows_these_faults() {
        let page = include_str!("../../../../docs/formats/tile.md");
        let tile = tile("tile/0/000.p/7");
        for failure in [
            Failure::Missing { tile },
            Failure::Doubled { tile, place: 3, of: 1 },
            Failure::Moved { tile, place: 3, belongs: 4 },
            Failure::TooLong { path: "tile/0/000".to_owned(), limit: WIDTH as usize * 32 },
        ] {
            assert!(page.contains(&format!("| `{failure}` |")), "the page does not show: {failure}");
        }
        let grouped = |n: usize| format!("{},{:03},{:03}", n / 1_000_000, n / 1_000 % 1_000, n % 1_000);
        assert!(page.contains(&grouped(super::super::MAX_BUNDLE_BYTES)));
    }
}
