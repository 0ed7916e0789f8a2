//! Tiles of C2SP tlog-tiles: 256 hashes of every eighth level, and bundles of entries. Paths, widths, and nodes read
//! from them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use crate::merkle::{Nodes, TreeHash};

/// Hashes in a full tile, and entries in a full bundle.
pub const WIDTH: u64 = 256;
/// Levels of the tree that one level of tiles spans.
pub const HEIGHT: u8 = 8;
/// Highest tile level.
pub const MAX_LEVEL: u8 = 63;

/// What a path under `tile/` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Hashes of a level of tiles; level 0 has those of the leaves.
    Hashes(u8),
    /// Entries.
    Entries,
}

/// Which tile: kind, index within its level, and how many of its 256 places are filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    /// Hashes of some level, or entries.
    pub kind: Kind,
    /// Index within the level.
    pub index: u64,
    /// Filled places: 1 to 256.
    pub width: u16,
}

impl Tile {
    /// Whether all places are filled. Such a tile never changes.
    pub fn is_full(&self) -> bool {
        u64::from(self.width) == WIDTH
    }

    /// The tiles of hashes that hold a tree of `size` leaves, the partial ones included, level by level.
    pub fn all_of(size: u64) -> impl Iterator<Item = Self> {
        Self::added(0, size)
    }

    /// The tiles of hashes and the entry bundles that a tree of `new` leaves has and one of `old` leaves has not, or
    /// not as wide.
    pub fn added(old: u64, new: u64) -> impl Iterator<Item = Self> {
        let levels = (0..=7u8).take_while(move |level| new >> (HEIGHT * level) != 0);
        levels.flat_map(move |level| {
            let (before, after) = (old >> (HEIGHT * level), new >> (HEIGHT * level));
            let indexes = before / WIDTH..after.div_ceil(WIDTH);
            indexes.filter(move |_| before != after).flat_map(move |index| {
                let width = (after - index * WIDTH).min(WIDTH) as u16;
                let hashes = Self { kind: Kind::Hashes(level), index, width };
                let entries = (level == 0).then_some(Self { kind: Kind::Entries, index, width });
                [Some(hashes), entries].into_iter().flatten()
            })
        })
    }
}

/// The path below the log's prefix: `tile/0/x001/x234/067.p/8`.
impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Hashes(level) => write!(f, "tile/{level}")?,
            Kind::Entries => f.write_str("tile/entries")?,
        }
        let mut groups = vec![self.index % 1000];
        let mut rest = self.index / 1000;
        while rest != 0 {
            groups.push(rest % 1000);
            rest /= 1000;
        }
        for (n, group) in groups.iter().enumerate().rev() {
            write!(f, "/{}{group:03}", if n == 0 { "" } else { "x" })?;
        }
        if !self.is_full() {
            write!(f, ".p/{}", self.width)?;
        }
        Ok(())
    }
}

/// A path that names no tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no tile path")]
pub struct PathError;

impl FromStr for Tile {
    type Err = PathError;

    /// Reads a path. Only the one form that [`Tile`] displays as is accepted.
    fn from_str(path: &str) -> Result<Self, PathError> {
        let rest = path.strip_prefix("tile/").ok_or(PathError)?;
        let (kind, rest) = rest.split_once('/').ok_or(PathError)?;
        let kind = match kind {
            "entries" => Kind::Entries,
            level => {
                Kind::Hashes(decimal(level).filter(|l| *l <= u64::from(MAX_LEVEL)).ok_or(PathError)? as u8)
            }
        };
        let (rest, width) = match rest.split_once(".p/") {
            Some((rest, width)) => {
                let width = decimal(width).filter(|w| (1..WIDTH).contains(w)).ok_or(PathError)?;
                (rest, width as u16)
            }
            None => (rest, WIDTH as u16),
        };
        let mut index = 0u64;
        let mut groups = rest.split('/').peekable();
        let mut first = true;
        while let Some(group) = groups.next() {
            let digits =
                if groups.peek().is_some() { group.strip_prefix('x').ok_or(PathError)? } else { group };
            if digits.len() != 3 || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return Err(PathError);
            }
            let number: u64 = digits.parse().map_err(|_| PathError)?;
            // A leading group of zeros would be a second name for the same tile.
            if first && number == 0 && groups.peek().is_some() {
                return Err(PathError);
            }
            first = false;
            index = index.checked_mul(1000).and_then(|i| i.checked_add(number)).ok_or(PathError)?;
        }
        Ok(Self { kind, index, width })
    }
}

/// A decimal number without leading zeros. `None` for anything else.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let plain = text == "0" || text.starts_with(|c: char| c.is_ascii_digit() && c != '0');
    (plain && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// Splits a tile into its hashes.
///
/// # Errors
/// [`HashesError`] unless there are exactly `width` hashes of 32 bytes and nothing after them.
pub fn read_hashes(bytes: &[u8], width: u16) -> Result<Vec<TreeHash>, HashesError> {
    let width = usize::from(width);
    let (hashes, _) = bytes.as_chunks::<32>();
    if hashes.len() < width {
        return Err(HashesError::Truncated { found: hashes.len() });
    }
    match bytes.len() - 32 * width {
        0 => Ok(hashes.iter().copied().map(TreeHash::from).collect()),
        bytes => Err(HashesError::Trailing { bytes }),
    }
}

/// Why bytes are no tile of hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashesError {
    /// It ends before its last hash does.
    #[error("the tile ends after {found} hashes")]
    Truncated {
        /// Whole hashes.
        found: usize,
    },
    /// Bytes after the last hash.
    #[error("{bytes} bytes after the last hash of the tile")]
    Trailing {
        /// How many.
        bytes: usize,
    },
}

/// Splits an entry bundle into its entries: each after its length, two bytes, big-endian.
///
/// # Errors
/// [`BundleError`] unless there are exactly `width` entries and nothing after them.
pub fn read_bundle(bytes: &[u8], width: u16) -> Result<Vec<&[u8]>, BundleError> {
    let mut rest = bytes;
    let mut entries = Vec::with_capacity(usize::from(width));
    for found in 0..usize::from(width) {
        let cut = BundleError::Truncated { found };
        let (len, after) = rest.split_first_chunk::<2>().ok_or(cut)?;
        let len = usize::from(u16::from_be_bytes(*len));
        let entry = after.get(..len).ok_or(cut)?;
        entries.push(entry);
        rest = &after[len..];
    }
    if rest.is_empty() { Ok(entries) } else { Err(BundleError::Trailing { bytes: rest.len() }) }
}

/// Why bytes are no entry bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// It ends inside an entry.
    #[error("the entry bundle ends after {found} entries")]
    Truncated {
        /// Whole entries.
        found: usize,
    },
    /// Bytes after the last entry.
    #[error("{bytes} bytes after the last entry of the bundle")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// Longer than an entry may be.
    #[error("an entry of {bytes} bytes; the limit is 65535")]
    TooLong {
        /// How many.
        bytes: usize,
    },
}

/// Appends an entry to an entry bundle.
///
/// # Errors
/// [`BundleError::TooLong`] above 65,535 bytes.
pub fn write_bundle_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), BundleError> {
    let len = u16::try_from(entry.len()).map_err(|_| BundleError::TooLong { bytes: entry.len() })?;
    bundle.extend_from_slice(&len.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// Nodes of a tree of known size, read from tiles as they are asked for. Each tile is fetched once.
pub struct TileNodes<F> {
    size: u64,
    fetch: F,
    tiles: RefCell<HashMap<(u8, u64), Vec<TreeHash>>>,
}

/// Why a node cannot be read from tiles.
#[derive(Debug, thiserror::Error)]
pub enum TileError<E> {
    /// The tile cannot be had.
    #[error("{0}")]
    Fetch(E),
    /// The tile does not have as many hashes as its width says.
    #[error("{tile}: {error}")]
    Hashes {
        /// Which tile.
        tile: Tile,
        /// What is wrong with it.
        error: HashesError,
    },
}

impl<E, F: Fn(Tile) -> Result<Vec<u8>, E>> TileNodes<F> {
    /// Reads the tree of `size` leaves. `fetch` gives the bytes of a tile.
    ///
    /// Nothing is checked here: compare the root with a trusted one before anything is believed.
    pub fn new(size: u64, fetch: F) -> Self {
        Self { size, fetch, tiles: RefCell::default() }
    }
}

impl<E, F: Fn(Tile) -> Result<Vec<u8>, E>> Nodes for TileNodes<F> {
    type Error = TileError<E>;

    fn node(&self, level: u8, index: u64) -> Result<TreeHash, TileError<E>> {
        let (tile_level, above) = (level / HEIGHT, level % HEIGHT);
        let first = index << above;
        let tile_index = first / WIDTH;
        let mut tiles = self.tiles.borrow_mut();
        let hashes = match tiles.entry((tile_level, tile_index)) {
            std::collections::hash_map::Entry::Occupied(tile) => tile.into_mut(),
            std::collections::hash_map::Entry::Vacant(place) => {
                let filled = (self.size >> (HEIGHT * tile_level)) - tile_index * WIDTH;
                let width = filled.min(WIDTH) as u16;
                let tile = Tile { kind: Kind::Hashes(tile_level), index: tile_index, width };
                let bytes = (self.fetch)(tile).map_err(TileError::Fetch)?;
                place.insert(read_hashes(&bytes, width).map_err(|error| TileError::Hashes { tile, error })?)
            }
        };
        let start = (first % WIDTH) as usize;
        Ok(perfect(&hashes[start..start + (1 << above)]))
    }
}

/// Root of a perfect subtree over these hashes; their number is a power of two.
pub fn perfect(hashes: &[TreeHash]) -> TreeHash {
    match hashes {
        [hash] => *hash,
        _ => {
            let (left, right) = hashes.split_at(hashes.len() / 2);
            TreeHash::of_children(&perfect(left), &perfect(right))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::{self, Frontier};

    #[test]
    fn paths_have_one_form() {
        let tile = |kind, index, width| Tile { kind, index, width };
        for (path, expected) in [
            ("tile/0/x001/x234/067", tile(Kind::Hashes(0), 1_234_067, 256)),
            ("tile/63/000.p/1", tile(Kind::Hashes(63), 0, 1)),
            ("tile/entries/x012/000.p/255", tile(Kind::Entries, 12_000, 255)),
        ] {
            assert_eq!(path.parse(), Ok(expected));
            assert_eq!(expected.to_string(), path);
        }
        for path in [
            "",
            "tile",
            "tile/0",
            "tile/0/",
            "tile/64/000",
            "tile/00/000",
            "tile/0/0",
            "tile/0/0000",
            "tile/0/001/000",
            "tile/0/x000/001",
            "tile/0/x001",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000/",
            "tile/-1/000",
            "tile/entries/+01",
            "/tile/0/000",
            "tile/0/x001/",
            "tile/0/x999/x999/x999/x999/x999/x999/x999/x999/999",
        ] {
            assert_eq!(path.parse::<Tile>(), Err(PathError), "{path}");
        }
    }

    #[test]
    fn a_tree_of_70000_has_the_tiles_that_the_specification_counts() {
        let of =
            |level| Tile::all_of(70_000).filter(move |t| t.kind == Kind::Hashes(level)).collect::<Vec<_>>();
        assert_eq!((of(0).len(), of(0)[273].width, of(0)[272].width), (274, 112, 256));
        assert_eq!((of(1).len(), of(1)[0].width, of(1)[1].width), (2, 256, 17));
        assert_eq!((of(2).len(), of(2)[0].width, of(3).len()), (1, 1, 0));
        let added: Vec<String> = Tile::added(70_000, 70_001).map(|t| t.to_string()).collect();
        assert_eq!(added, ["tile/0/273.p/113", "tile/entries/273.p/113"]);
        assert_eq!(Tile::added(5, 5).count(), 0);
    }

    #[test]
    fn nodes_from_tiles_are_those_of_the_tree() {
        let size = 70_003u64;
        let leaves: Vec<TreeHash> = (0..size).map(|i| TreeHash::of_leaf(&i.to_be_bytes())).collect();
        let growth = merkle::Growth::new(&Frontier::default(), leaves);
        let fetch = |tile: Tile| -> Result<Vec<u8>, std::convert::Infallible> {
            let Kind::Hashes(level) = tile.kind else { panic!("hashes are asked for") };
            let (_, nodes) = growth.new_nodes(level * HEIGHT);
            let start = (tile.index * WIDTH) as usize;
            let hashes = &nodes[start..start + usize::from(tile.width)];
            Ok(hashes.iter().flat_map(|hash| *hash.as_bytes()).collect())
        };
        let nodes = TileNodes::new(size, fetch);
        assert_eq!(merkle::root(&nodes, size).expect("every tile is there"), growth.root());
        for index in [0, 255, 256, 65_535, 65_536, 70_002] {
            let proof = merkle::inclusion_proof(&nodes, index, size).expect("every tile is there");
            assert_eq!(proof, growth.inclusion_proof(index));
        }
        let fault = |len| {
            let nodes = TileNodes::new(3, |_| Ok::<_, std::convert::Infallible>(vec![0; len]));
            let Err(TileError::Hashes { tile, error }) = merkle::root(&nodes, 3) else {
                panic!("{len} bytes")
            };
            assert_eq!(tile.to_string(), "tile/0/000.p/3");
            error
        };
        assert_eq!(fault(0), HashesError::Truncated { found: 0 });
        assert_eq!(fault(95), HashesError::Truncated { found: 2 });
        assert_eq!(fault(97), HashesError::Trailing { bytes: 1 });
        assert_eq!(fault(128), HashesError::Trailing { bytes: 32 });
    }

    #[test]
    fn bundles_hold_what_was_put_in_and_nothing_more() {
        let mut bundle = Vec::new();
        for entry in [&b"first"[..], b"", &[7; 65_535]] {
            write_bundle_entry(&mut bundle, entry).expect("short enough");
        }
        assert_eq!(read_bundle(&bundle, 3).expect("whole")[2].len(), 65_535);
        assert_eq!(read_bundle(&bundle, 2), Err(BundleError::Trailing { bytes: 65_537 }));
        assert_eq!(read_bundle(&bundle, 4), Err(BundleError::Truncated { found: 3 }));
        assert_eq!(read_bundle(&bundle[..bundle.len() - 1], 3), Err(BundleError::Truncated { found: 2 }));
        assert_eq!(
            write_bundle_entry(&mut bundle, &[0; 65_536]),
            Err(BundleError::TooLong { bytes: 65_536 })
        );
    }
}
