//! Where tiles (C2SP tlog-tiles) are read from: a server, or a folder with the same files. All that is read is bounded,
//! and trusted for nothing.

mod failure;

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::anyhow;
use daicho_tlog::note::MAX_NOTE_BYTES;
use daicho_tlog::tile::{self, Kind, Tile, WIDTH};
use daicho_tlog::{SignedCheckpoint, TreeHash};
use reqwest::StatusCode;
use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, HeaderValue};

use crate::context::Context;
use crate::http;

pub(crate) use failure::{Failure, compare, order_of_entries};

/// Longest time until a connection stands.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest silence of a server that answers.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest time of one answer.
const TIMEOUT: Duration = Duration::from_secs(300);
/// Pauses before a request that was not answered is sent again.
const PAUSES: [Duration; 2] = [Duration::from_millis(300), Duration::from_secs(2)];

/// Most bytes of an entry bundle: 256 of the longest entries, each after its length.
const MAX_BUNDLE_BYTES: usize = WIDTH as usize * (2 + 65_535);

/// A log that is read by its tiles.
pub(crate) enum Source {
    /// Files under the names of the resources.
    Folder(PathBuf),
    /// A server below a prefix, which has no slash at its end.
    Server { client: reqwest::Client, prefix: String, token: Option<HeaderValue> },
}

impl Source {
    /// A log at an address that begins with `http://` or `https://`, or in a folder. The token is sent for entry
    /// bundles alone.
    pub(crate) fn open(place: &str, token_file: Option<&Path>, context: &Context) -> anyhow::Result<Self> {
        if !place.starts_with("http://") && !place.starts_with("https://") {
            return Ok(Self::Folder(place.into()));
        }
        let bad =
            || anyhow!(context.pick("所在を読めません", "this is no address")).context(place.to_owned());
        let url = reqwest::Url::parse(place).map_err(|_| bad())?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(bad());
        }
        let token = token_file.map(|path| {
            let text = String::from_utf8(context.read(path)?).ok();
            let value = text.and_then(|text| format!("Bearer {}", text.trim()).parse::<HeaderValue>().ok());
            let mut value = value.ok_or_else(|| {
                let path = path.display();
                anyhow!(
                    context
                        .pick(format!("{path} はトークンではありません"), format!("{path} holds no token"))
                )
            })?;
            value.set_sensitive(true);
            anyhow::Ok(value)
        });
        let security = http::Security::of(context)?;
        let settings = |builder: reqwest::ClientBuilder| {
            let builder =
                builder.connect_timeout(CONNECT_TIMEOUT).read_timeout(READ_TIMEOUT).timeout(TIMEOUT);
            security.apply(builder)
        };
        let client = http::client(&url, settings, context)?;
        let prefix = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self::Server { client, prefix, token: token.transpose()? })
    }

    /// The newest checkpoint. Its signatures are not verified.
    pub(crate) async fn checkpoint(&self) -> Result<SignedCheckpoint, Failure> {
        let bytes = self.get("checkpoint", MAX_NOTE_BYTES, false).await?;
        let bytes = bytes.ok_or_else(|| Failure::NoLog { place: self.path("") })?;
        SignedCheckpoint::parse(&bytes).map_err(Failure::Checkpoint)
    }

    /// The hashes of a tile.
    pub(crate) async fn hashes(&self, tile: Tile) -> Result<Vec<TreeHash>, Failure> {
        let (bytes, present) = self.tile(tile).await?;
        let mut hashes = tile::read_hashes(&bytes, present.width)
            .map_err(|error| Failure::Hashes { tile: present, error })?;
        hashes.truncate(tile.width.into());
        Ok(hashes)
    }

    /// The entries of a bundle.
    pub(crate) async fn entries(&self, tile: Tile) -> Result<Vec<Vec<u8>>, Failure> {
        let (bytes, present) = self.tile(tile).await?;
        let entries = tile::read_bundle(&bytes, present.width)
            .map_err(|error| Failure::Bundle { tile: present, error })?;
        Ok(entries.into_iter().take(tile.width.into()).map(<[u8]>::to_vec).collect())
    }

    /// The bytes of a tile. A log may drop a partial one once the full one is there; then it is that.
    async fn tile(&self, wanted: Tile) -> Result<(Vec<u8>, Tile), Failure> {
        let (limit, entries) = match wanted.kind {
            Kind::Hashes(_) => (WIDTH as usize * 32, false),
            Kind::Entries => (MAX_BUNDLE_BYTES, true),
        };
        if let Some(bytes) = self.get(&wanted.to_string(), limit, entries).await? {
            return Ok((bytes, wanted));
        }
        let full = Tile { width: WIDTH as u16, ..wanted };
        if !wanted.is_full()
            && let Some(bytes) = self.get(&full.to_string(), limit, entries).await?
        {
            return Ok((bytes, full));
        }
        Err(Failure::Missing { tile: wanted })
    }

    /// A resource of at most `limit` bytes. `None` when it is not there.
    async fn get(&self, name: &str, limit: usize, entries: bool) -> Result<Option<Vec<u8>>, Failure> {
        let path = self.path(name);
        let Self::Server { client, token, .. } = self else {
            let read = tokio::task::spawn_blocking(move || read_file(path, limit));
            return read.await.unwrap_or_else(|error| {
                Err(Failure::File { path: String::new(), error: io::Error::other(error) })
            });
        };
        let token = token.as_ref().filter(|_| entries);
        for pause in PAUSES {
            match fetch(client, &path, limit, token).await {
                Err(Failure::Unreachable { .. }) => tokio::time::sleep(pause).await,
                answer => return answer,
            }
        }
        fetch(client, &path, limit, token).await
    }

    fn path(&self, name: &str) -> String {
        match self {
            Self::Folder(folder) => folder.join(name).display().to_string(),
            Self::Server { prefix, .. } => format!("{prefix}/{name}"),
        }
    }
}

fn read_file(path: String, limit: usize) -> Result<Option<Vec<u8>>, Failure> {
    let read = || -> io::Result<Vec<u8>> { read_up_to(std::fs::File::open(&path)?, limit) };
    match read() {
        Ok(bytes) if bytes.len() > limit => Err(Failure::TooLong { path, limit }),
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::File { path, error }),
    }
}

/// Reads to the end, or one byte more than `limit`.
fn read_up_to(from: impl io::Read, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

async fn fetch(
    client: &reqwest::Client,
    url: &str,
    limit: usize,
    token: Option<&HeaderValue>,
) -> Result<Option<Vec<u8>>, Failure> {
    let path = || url.to_owned();
    let broken = |error: reqwest::Error| Failure::Unreachable { path: path(), reason: http::root(&error) };
    let mut request = client.get(url).header(ACCEPT_ENCODING, "gzip, identity");
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, token);
    }
    let mut answer = request.send().await.map_err(broken)?;
    match answer.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(None),
        status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
            return Err(Failure::Refused { path: path(), status });
        }
        status => return Err(Failure::Unreachable { path: path(), reason: status.to_string() }),
    }
    let packing = answer.headers().get(CONTENT_ENCODING).map(|value| value.as_bytes().to_ascii_lowercase());
    // What cannot be packed grows a little by it.
    let most = if packing.is_some() { limit + limit / 256 + 64 } else { limit };
    let mut bytes = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(broken)? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > most {
            return Err(Failure::TooLong { path: path(), limit });
        }
    }
    let bytes = match packing.as_deref() {
        None | Some(b"identity") => bytes,
        Some(b"gzip") => read_up_to(flate2::read::MultiGzDecoder::new(&bytes[..]), limit)
            .map_err(|_| Failure::Packed { path: path() })?,
        Some(_) => return Err(Failure::Packed { path: path() }),
    };
    if bytes.len() > limit { Err(Failure::TooLong { path: path(), limit }) } else { Ok(Some(bytes)) }
}

/// The tiles above level 0, computed from the leaves as they come.
#[derive(Default)]
pub(crate) struct TilesAbove {
    /// Of each level from 1: index of the tile that is being filled, and its hashes.
    levels: Vec<(u64, Vec<TreeHash>)>,
}

impl TilesAbove {
    /// Takes the leaves of the next tile of level 0 and returns the tiles above that are full now.
    pub(crate) fn add(&mut self, leaves: &[TreeHash]) -> Vec<(Tile, Vec<TreeHash>)> {
        let mut full = Vec::new();
        if leaves.len() as u64 != WIDTH {
            return full;
        }
        let mut hash = tile::perfect(leaves);
        for level in 1.. {
            if self.levels.len() < level {
                self.levels.push((0, Vec::new()));
            }
            let (index, hashes) = &mut self.levels[level - 1];
            hashes.push(hash);
            if hashes.len() as u64 != WIDTH {
                break;
            }
            hash = tile::perfect(hashes);
            let kind = Kind::Hashes(level as u8);
            full.push((Tile { kind, index: *index, width: WIDTH as u16 }, std::mem::take(hashes)));
            *index += 1;
        }
        full
    }

    /// The tiles above that are not full.
    pub(crate) fn rest(self) -> Vec<(Tile, Vec<TreeHash>)> {
        let levels = (1..).zip(self.levels).filter(|(_, (_, hashes))| !hashes.is_empty());
        let tile = |(level, (index, hashes)): (u8, (u64, Vec<TreeHash>))| {
            (Tile { kind: Kind::Hashes(level), index, width: hashes.len() as u16 }, hashes)
        };
        levels.map(tile).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;
    use crate::scheme::Lang;
    use daicho_tlog::merkle::{self, Frontier, Growth};
    use daicho_tlog::note::NoteError;
    use daicho_tlog::tile::{BundleError, HEIGHT, HashesError};

    fn folder(files: &[(&str, &[u8])]) -> (tempfile::TempDir, Source) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, bytes) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, bytes).expect("written");
        }
        let source = Source::Folder(folder.path().to_owned());
        (folder, source)
    }

    fn tile(path: &str) -> Tile {
        path.parse().expect("a tile")
    }

    #[test]
    fn the_tiles_above_are_those_of_the_tree() {
        for size in [1, 256, 257, 65_535, 65_536, 70_000, 131_072] {
            let leaves: Vec<TreeHash> = (0..size).map(|n: u32| TreeHash::of_leaf(&n.to_be_bytes())).collect();
            let mut above = TilesAbove::default();
            let mut tiles: Vec<_> = leaves.chunks(256).flat_map(|leaves| above.add(leaves)).collect();
            tiles.extend(above.rest());
            tiles.sort();
            let growth = Growth::new(&Frontier::default(), leaves);
            let expected = Tile::all_of(size.into()).filter_map(|tile| match tile.kind {
                Kind::Hashes(level) if level != 0 => {
                    let (_, nodes) = growth.new_nodes(level * HEIGHT);
                    let start = (tile.index * WIDTH) as usize;
                    Some((tile, nodes[start..start + usize::from(tile.width)].to_vec()))
                }
                _ => None,
            });
            assert_eq!(tiles, expected.collect::<Vec<_>>(), "of {size}");
        }
    }

    #[tokio::test]
    async fn each_way_to_be_wrong_has_its_own_failure() {
        let (_kept, source) = folder(&[
            ("checkpoint", b"no note"),
            ("tile/0/000.p/2", &[7; 63]),
            ("tile/0/000.p/3", &[7; 100]),
            ("tile/0/001", &[7; 8_193]),
            ("tile/entries/000.p/2", &[0, 1, b'a', 0, 1, b'b']),
            ("tile/entries/001.p/2", &[0, 1, b'a', 0, 1]),
            ("tile/entries/002.p/1", &[0, 1, b'a', 0, 1, b'b']),
        ]);
        assert_eq!(source.entries(tile("tile/entries/000.p/2")).await.expect("two"), [b"a", b"b"]);
        let failure = source.checkpoint().await.expect_err("no note");
        assert!(matches!(failure, Failure::Checkpoint(NoteError::Shape)));
        let failure = source.hashes(tile("tile/0/000.p/2")).await.expect_err("too short");
        assert!(matches!(failure, Failure::Hashes { error: HashesError::Truncated { found: 1 }, .. }));
        assert_eq!(failure.exit(), Exit::Wrong);
        let failure = source.hashes(tile("tile/0/000.p/3")).await.expect_err("more than three");
        assert!(matches!(failure, Failure::Hashes { error: HashesError::Trailing { bytes: 4 }, .. }));
        let failure = source.hashes(tile("tile/0/001")).await.expect_err("too long");
        assert!(matches!(failure, Failure::TooLong { limit: 8_192, .. }));
        let failure = source.hashes(tile("tile/0/002")).await.expect_err("not there");
        assert!(matches!(failure, Failure::Missing { .. }) && failure.entry() == 512);
        let failure = source.entries(tile("tile/entries/001.p/2")).await.expect_err("cut");
        assert!(matches!(failure, Failure::Bundle { error: BundleError::Truncated { found: 1 }, .. }));
        let failure = source.entries(tile("tile/entries/002.p/1")).await.expect_err("more than one");
        assert!(matches!(failure, Failure::Bundle { error: BundleError::Trailing { bytes: 3 }, .. }));
        let nowhere = Source::Folder("/nowhere".into()).checkpoint().await.expect_err("nothing");
        assert!(matches!(nowhere, Failure::NoLog { .. }) && nowhere.exit() == Exit::Usage);
        for failure in [failure, nowhere] {
            assert_ne!(failure.explain(Lang::Ja), failure.explain(Lang::En));
        }
    }

    #[tokio::test]
    async fn the_beginning_of_the_full_tile_stands_for_a_partial_one_that_was_dropped() {
        let hashes: Vec<u8> = (0..=255u8).flat_map(|n| [n; 32]).collect();
        let (_kept, source) = folder(&[("tile/0/000", &hashes), ("tile/entries/000", &[0; 512])]);
        let found = source.hashes(tile("tile/0/000.p/3")).await.expect("three");
        assert_eq!(found, [[0; 32], [1; 32], [2; 32]].map(TreeHash::from));
        assert_eq!(source.entries(tile("tile/entries/000.p/2")).await.expect("two"), [b"", b""]);
    }

    /// The log of transparency-dev is no part of this project: see `ledger/tlog/tests/data_of_others.rs`.
    #[tokio::test]
    async fn the_log_of_others_is_read_and_has_its_root() {
        let beside = "../../../shared/vectors";
        let root = std::env::var_os("DAICHO_SHARED_VECTORS").unwrap_or_else(|| beside.into());
        let folder = PathBuf::from(root).join("tessera-log");
        if !folder.is_dir() {
            eprintln!("\n*** SKIPPED: {} is absent. NOTHING was read from it. ***\n", folder.display());
            return;
        }
        let source = Source::Folder(folder.clone());
        let newest = source.checkpoint().await.expect("a checkpoint");
        assert_eq!(
            (newest.checkpoint().origin(), newest.checkpoint().size()),
            ("example.com/log/testdata", 15)
        );
        for width in 1..=15u16 {
            let name = folder.join(format!("checkpoint.{width}"));
            let checkpoint = SignedCheckpoint::parse(&std::fs::read(name).expect("a file")).expect("a note");
            let bundle = Tile { kind: Kind::Entries, index: 0, width };
            let entries = source.entries(bundle).await.expect("entries");
            let leaves: Vec<_> = entries.iter().map(|entry| TreeHash::of_leaf(entry)).collect();
            let hashes = source.hashes(Tile { kind: Kind::Hashes(0), ..bundle }).await.expect("hashes");
            assert_eq!(hashes, leaves);
            let root = Growth::new(&Frontier::default(), leaves).root();
            assert_eq!(root, *checkpoint.checkpoint().root(), "of {width}");
            let bytes = || hashes.iter().flat_map(|hash| *hash.as_bytes()).collect();
            let nodes = tile::TileNodes::new(width.into(), |_| Ok::<_, io::Error>(bytes()));
            assert_eq!(merkle::root(&nodes, width.into()).expect("nodes"), root);
        }
    }
}
