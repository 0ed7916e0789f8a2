//! `daichod export`: writes a ledger as the files or objects of C2SP tlog-tiles.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use daicho_core::LedgerSize;
use daicho_store::{Store, StoreError};
use daicho_tlog::tile::{self, Kind, Tile};
use daicho_tlog::{SignedCheckpoint, TreeHash, merkle};
use futures::{StreamExt as _, TryStreamExt as _};
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use object_store::local::LocalFileSystem;
use object_store::path::Path as Place;
use object_store::{Attribute, Attributes, ObjectStore, ObjectStoreExt as _, PutOptions};

use crate::config::ConfigError;
use crate::tiles::{FOR_EVER, FRESH, OCTETS, TEXT, newest_kept, read};

/// Resources that are written at the same time.
const PARALLEL: usize = 16;
/// Name of what is written last.
const CHECKPOINT: &str = "checkpoint";

/// Writes a ledger as C2SP tlog-tiles: what `tiles-listen` serves, as files or objects that any web server can serve.
///
/// It goes up to the newest kept checkpoint; entries after that wait for the next one. Nothing is written before it was
/// checked against that checkpoint, and the checkpoint itself comes last, so that readers never see one without its
/// tiles. What is there already is not written again.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  daichod export --data ./ledger --to /srv/www/ledger
  AWS_REGION=ap-northeast-1 daichod export --data ./ledger --to s3://bucket/ledger

The server may run on the data folder meanwhile. It keeps a checkpoint at every publication interval, and one at each
start, so that there is something to export soon after.

Entries are exported too: whoever can read the folder or bucket can read them all.

For a bucket, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT are read, and the other variables of
that kind; AWS_ALLOW_HTTP=true admits an endpoint without TLS.

Exit codes: 0 done; 1 the files do not fit the checkpoint, or the target holds a fork; nothing was written; 2 bad usage;
3 the ledger could not be read or the target not be written.")]
pub(crate) struct Args {
    /// Data folder.
    #[arg(long, default_value = crate::DEFAULT_DATA)]
    data: PathBuf,
    /// Folder, or s3://bucket/prefix.
    #[arg(long)]
    to: String,
}

/// What is exported cannot be right. The target is as it was, or has tiles that no checkpoint speaks of.
#[derive(Debug)]
struct Unsound(String);

impl std::fmt::Display for Unsound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unsound {}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let store = Arc::new(Store::open_read_only(&args.data)?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let exported = runtime.block_on(async { export(&store, &Target::open(&args.to)?).await });
    match exported {
        Ok(done) => {
            crate::say!("ledger      {}", done.checkpoint.checkpoint().origin());
            let (size, root) = (done.checkpoint.checkpoint().size(), done.checkpoint.checkpoint().root());
            crate::say!("checkpoint  {size} entries, root {root}");
            crate::say!("written     {} tiles and bundles; {} were there", done.written, done.present);
            Ok(ExitCode::SUCCESS)
        }
        Err(error) if error.is::<Unsound>() => {
            eprintln!("daichod: {error:#}");
            Ok(ExitCode::from(1))
        }
        Err(error) => Err(error),
    }
}

/// Where an export goes.
struct Target {
    store: Arc<dyn ObjectStore>,
    /// Whether it keeps types and cache rules with the objects.
    attributes: bool,
}

impl Target {
    fn open(to: &str) -> anyhow::Result<Self> {
        let wrong = |error: object_store::Error| ConfigError::new(format!("--to {to}: {error}"));
        if let Some(bucket) = crate::s3::bucket(to).map_err(wrong)? {
            return Ok(Self { store: Arc::new(bucket), attributes: true });
        }
        if to.contains("://") {
            bail!(ConfigError::new(format!("--to {to}: a folder or s3://bucket/prefix is wanted")));
        }
        let folder = Path::new(to);
        std::fs::create_dir_all(folder).with_context(|| format!("making {to}"))?;
        // Synced, as what is there is taken for whole by the next export.
        let files = LocalFileSystem::new_with_prefix(folder).map_err(wrong)?.with_fsync(true);
        Ok(Self { store: Arc::new(files), attributes: false })
    }

    /// Writes one object, whole or not at all.
    async fn put(
        &self,
        name: &str,
        bytes: Vec<u8>,
        kind: &'static str,
        cache: &'static str,
    ) -> anyhow::Result<()> {
        let mut options = PutOptions::default();
        if self.attributes {
            let both = [(Attribute::ContentType, kind), (Attribute::CacheControl, cache)];
            options.attributes = Attributes::from_iter(both);
        }
        let written = self.store.put_opts(&Place::parse(name)?, bytes.into(), options).await;
        written.map(|_| ()).with_context(|| format!("writing {name}"))
    }

    /// The checkpoint that the last export wrote.
    async fn checkpoint(&self) -> anyhow::Result<Option<Vec<u8>>> {
        match self.store.get(&Place::parse(CHECKPOINT)?).await {
            Ok(found) => Ok(Some(found.bytes().await?.into())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error).context("reading the checkpoint there"),
        }
    }

    /// Lengths of the tiles and bundles there, by name.
    async fn tiles(&self) -> anyhow::Result<HashMap<String, u64>> {
        let prefix = Place::parse("tile")?;
        let found =
            self.store.list(Some(&prefix)).map_ok(|object| (object.location.to_string(), object.size));
        found.try_collect().await.context("listing what is there")
    }
}

/// What an export did.
struct Exported {
    checkpoint: SignedCheckpoint,
    written: usize,
    /// Tiles and bundles that were there.
    present: usize,
}

async fn export(store: &Arc<Store>, target: &Target) -> anyhow::Result<Exported> {
    let (note, checkpoint) = trusted_checkpoint(store)?;
    let size = checkpoint.checkpoint().size();
    let before = target.checkpoint().await?;
    if let Some(before) = &before {
        check_continues(store, before, &checkpoint)?;
    }
    let there = target.tiles().await?;
    let (present, missing): (Vec<Tile>, Vec<Tile>) = Tile::added(0, size)
        .partition(|tile| there.get(&tile.to_string()).is_some_and(|len| fits(*tile, *len)));
    let bar = ProgressBar::new(missing.len() as u64).with_finish(ProgressFinish::AndClear).with_style(
        ProgressStyle::with_template("{bar:40} {pos}/{len} tiles  {per_sec}  {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let writes = missing.iter().map(|tile| async {
        let (store, tile) = (Arc::clone(store), *tile);
        let bytes = tokio::task::spawn_blocking(move || checked(|tile| read(&store, tile), size, tile));
        let bytes = bytes.await??;
        target.put(&tile.to_string(), bytes, OCTETS, FOR_EVER).await?;
        bar.inc(1);
        anyhow::Ok(())
    });
    futures::stream::iter(writes).buffer_unordered(PARALLEL).try_collect::<()>().await?;
    // If we die before this, the checkpoint there still speaks of what it spoke of, and all of that is there.
    if before.as_deref() != Some(note.as_bytes()) {
        target.put(CHECKPOINT, note.into_bytes(), TEXT, FRESH).await?;
    }
    Ok(Exported { checkpoint, written: missing.len(), present: present.len() })
}

/// The newest kept checkpoint as stored and as read, when the tree on disk has its root.
fn trusted_checkpoint(store: &Store) -> anyhow::Result<(String, SignedCheckpoint)> {
    let Some((size, row)) = newest_kept(store)? else {
        bail!(
            "no checkpoint is kept yet: `daichod serve` keeps one when it starts and at every publication interval"
        );
    };
    let damaged = |what: &str| {
        Unsound(format!("the kept checkpoint of {} entries {what}; run `daichod fsck`", size.get()))
    };
    let signed = SignedCheckpoint::parse(row.note.as_bytes()).map_err(|_| damaged("is no checkpoint"))?;
    let checkpoint = signed.checkpoint();
    if checkpoint.size() != size.get() || root(store, size.get())? != *checkpoint.root() {
        bail!(damaged("has another root than the tiles"));
    }
    Ok((row.note, signed))
}

/// Checks that what the target holds is the beginning of this ledger.
fn check_continues(store: &Store, before: &[u8], now: &SignedCheckpoint) -> anyhow::Result<()> {
    let before =
        SignedCheckpoint::parse(before).context("the target holds something else named `checkpoint`")?;
    let (before, now) = (before.checkpoint(), now.checkpoint());
    if before.origin() != now.origin() {
        bail!("the target holds the ledger {}, not {}", before.origin(), now.origin());
    }
    if before.size() > now.size() {
        bail!(
            "the target is ahead: it holds {} entries, the newest kept checkpoint here has {}; was an old backup restored?",
            before.size(),
            now.size()
        );
    }
    if root(store, before.size())? != *before.root() {
        bail!(Unsound(format!(
            "the target holds other first {} entries than this ledger: one of the two is a fork; keep both as evidence",
            before.size()
        )));
    }
    Ok(())
}

fn root(store: &Store, size: u64) -> anyhow::Result<TreeHash> {
    merkle::root(&store.nodes(LedgerSize::new(size)), size).context("reading the tiles; run `daichod fsck`")
}

/// Whether this can be the length of a whole tile or bundle.
fn fits(tile: Tile, len: u64) -> bool {
    match tile.kind {
        Kind::Hashes(_) => len == u64::from(tile.width) * 32,
        Kind::Entries => len >= u64::from(tile.width) * 2,
    }
}

/// The bytes of a tile or bundle of the tree of `size` entries, whose root is checked: entries against their hashes,
/// hashes of a full tile against the tile above. Those of partial tiles are in the root itself.
fn checked(
    read: impl Fn(Tile) -> Result<Vec<u8>, StoreError>,
    size: u64,
    wanted: Tile,
) -> anyhow::Result<Vec<u8>> {
    let bytes = read(wanted)?;
    let wrong = || Unsound(format!("{wanted} does not fit the checkpoint; run `daichod fsck`"));
    let hashes_of = |tile: Tile| -> anyhow::Result<Vec<TreeHash>> {
        Ok(read(tile)?.chunks(32).filter_map(TreeHash::from_slice).collect())
    };
    match wanted.kind {
        Kind::Entries => {
            let entries = tile::read_bundle(&bytes, wanted.width).map_err(|_| wrong())?;
            let expected = hashes_of(Tile { kind: Kind::Hashes(0), ..wanted })?;
            if !entries.iter().map(|entry| TreeHash::of_leaf(entry)).eq(expected) {
                bail!(wrong());
            }
        }
        Kind::Hashes(level) if wanted.is_full() => {
            let hashes: Vec<TreeHash> = bytes.chunks(32).filter_map(TreeHash::from_slice).collect();
            let (index, place) = (wanted.index / tile::WIDTH, (wanted.index % tile::WIDTH) as usize);
            let filled = (size >> (tile::HEIGHT * (level + 1))) - index * tile::WIDTH;
            let above = Tile { kind: Kind::Hashes(level + 1), index, width: filled.min(tile::WIDTH) as u16 };
            if hashes_of(above)?.get(place) != Some(&tile::perfect(&hashes)) {
                bail!(wrong());
            }
        }
        Kind::Hashes(_) => {}
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use daicho_core::{ChainHash, EntryIndex, Instant, Origin};
    use daicho_custody::state::Changes;
    use daicho_store::{CheckpointRow, Commit, Head};
    use daicho_tlog::merkle::{Frontier, Growth};
    use daicho_tlog::{Algorithm, Checkpoint, NoteSigner};
    use object_store::memory::InMemory;

    const ORIGIN: &str = "export.example/ledger";

    /// A store of entries that say nothing: an export reads no meaning into them.
    struct Ledger {
        store: Arc<Store>,
        frontier: Frontier,
        _folder: tempfile::TempDir,
    }

    impl Ledger {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let origin = Origin::new(ORIGIN).expect("a name");
            let store = Store::create(&folder.path().join("data"), &origin).expect("a new ledger");
            Self { store: Arc::new(store), frontier: Frontier::default(), _folder: folder }
        }

        /// Adds entries of which each says its index and the word, and keeps a checkpoint.
        fn grow(&mut self, to: u64, word: &str) {
            let mut commit = Commit::default();
            let entries: Vec<String> = (self.frontier.size()..to).map(|n| format!("{n} {word}")).collect();
            for (n, entry) in (self.frontier.size()..).zip(&entries) {
                let (at, none) = (EntryIndex::new(n), Changes::default());
                self.store.add(&mut commit, at, entry.as_bytes(), &[], &none);
            }
            let leaves = entries.iter().map(|entry| TreeHash::of_leaf(entry.as_bytes()));
            let growth = Growth::new(&self.frontier, leaves);
            self.store.add_tiles(&mut commit, &growth).expect("tiles");
            let head = Head {
                size: LedgerSize::new(to),
                chain: ChainHash::of_origin(&Origin::new(ORIGIN).expect("a name")),
                recorded: Instant::EPOCH,
                root: growth.root(),
                custody: [0; 32],
            };
            self.store.commit(commit, &head).expect("written");
            self.frontier = growth.frontier();
            self.keep(growth.root(), &[1]);
        }

        fn keep(&self, root: TreeHash, keys: &[u8]) {
            let checkpoint = Checkpoint::new(ORIGIN, self.frontier.size(), root).expect("valid");
            let name = || ORIGIN.parse().expect("a key name");
            let signers = keys.iter().map(|n| NoteSigner::from_seed(name(), Algorithm::Ed25519, &[*n; 32]));
            let text = checkpoint.to_string();
            let signatures = signers.map(|s| s.expect("a key").sign(&text, 0).expect("signed")).collect();
            let note = SignedCheckpoint::new(checkpoint, signatures).expect("a note").to_string();
            let row = CheckpointRow { note, signed_ms: 0, witnessed: false, timestamps: Vec::new() };
            self.store.keep_checkpoint(LedgerSize::new(self.frontier.size()), &row).expect("kept");
        }
    }

    fn memory() -> Target {
        Target { store: Arc::new(InMemory::new()), attributes: true }
    }

    async fn get(target: &Target, name: &str) -> Vec<u8> {
        let found = target.store.get(&Place::parse(name).expect("a path")).await.expect(name);
        found.bytes().await.expect("bytes").into()
    }

    #[tokio::test]
    async fn every_tile_is_written_once_and_the_checkpoint_after_them() {
        let mut ledger = Ledger::new();
        ledger.grow(70_000, "word");
        let target = memory();
        let done = export(&ledger.store, &target).await.expect("exported");
        // 274 tiles and bundles of level 0, 2 of level 1, 1 of level 2.
        assert_eq!((done.written, done.present), (2 * 274 + 2 + 1, 0));
        assert_eq!(target.tiles().await.expect("listed").len(), done.written);
        let bundle = get(&target, "tile/entries/273.p/112").await;
        assert_eq!(tile::read_bundle(&bundle, 112).expect("a bundle")[111], b"69999 word");
        let nodes = tile::TileNodes::new(70_000, |tile: Tile| {
            futures::executor::block_on(async { anyhow::Ok(get(&target, &tile.to_string()).await) })
        });
        assert_eq!(merkle::root(&nodes, 70_000).expect("tiles"), ledger.frontier.root());
        let found = target.store.get(&Place::parse("tile/2/000.p/1").expect("a path")).await.expect("there");
        let attribute = |name| found.attributes.get(&name).map(|value| value.as_ref().to_owned());
        assert_eq!(attribute(Attribute::ContentType).as_deref(), Some(OCTETS));
        assert_eq!(attribute(Attribute::CacheControl).as_deref(), Some(FOR_EVER));

        let again = export(&ledger.store, &target).await.expect("exported");
        assert_eq!((again.written, again.present), (0, done.written));
        // What is lost there comes back; a cosignature comes with the checkpoint.
        target.store.delete(&Place::parse("tile/0/007").expect("a path")).await.expect("deleted");
        ledger.keep(ledger.frontier.root(), &[1, 2]);
        assert_eq!(export(&ledger.store, &target).await.expect("exported").written, 1);
        let checkpoint = SignedCheckpoint::parse(&get(&target, CHECKPOINT).await).expect("a checkpoint");
        assert_eq!(checkpoint.signatures().len(), 2);

        ledger.grow(70_001, "word");
        assert_eq!(export(&ledger.store, &target).await.expect("exported").written, 2);
        assert!(get(&target, CHECKPOINT).await.starts_with(b"export.example/ledger\n70001\n"));
    }

    #[tokio::test]
    async fn without_a_kept_checkpoint_or_with_a_wrong_one_nothing_is_written() {
        let mut ledger = Ledger::new();
        let target = memory();
        let Err(error) = export(&ledger.store, &target).await else { panic!("nothing is kept") };
        assert!(error.to_string().contains("no checkpoint is kept"), "{error}");
        ledger.grow(300, "word");
        ledger.keep(TreeHash::of_leaf(b"another tree"), &[1]);
        let Err(error) = export(&ledger.store, &target).await else { panic!("another root") };
        assert!(error.is::<Unsound>() && target.tiles().await.expect("listed").is_empty(), "{error}");
    }

    #[tokio::test]
    async fn an_entry_or_hash_that_is_not_what_was_signed_never_gets_out() {
        let mut ledger = Ledger::new();
        ledger.grow(600, "word");
        for path in ["tile/0/000", "tile/0/001", "tile/entries/001", "tile/entries/002.p/88"] {
            let wanted: Tile = path.parse().expect("a tile");
            checked(|tile| read(&ledger.store, tile), 600, wanted).expect("sound");
            let flipped = |tile: Tile| {
                let mut bytes = read(&ledger.store, tile)?;
                if tile == wanted {
                    bytes[100] ^= 1;
                }
                Ok(bytes)
            };
            let error = checked(flipped, 600, wanted).expect_err("one bit is wrong");
            assert!(error.is::<Unsound>(), "{path}: {error:#}");
        }
        let mut commit = Commit::default();
        ledger.store.add(&mut commit, EntryIndex::new(300), b"another", &[], &Changes::default());
        let head = ledger.store.head().expect("a head");
        ledger.store.commit(commit, &head).expect("written");
        let target = memory();
        let Err(error) = export(&ledger.store, &target).await else { panic!("an entry is wrong") };
        assert!(error.is::<Unsound>(), "{error:#}");
        assert!(target.checkpoint().await.expect("readable").is_none());
    }

    #[tokio::test]
    async fn a_target_with_another_ledger_a_longer_one_or_a_fork_is_left_alone() {
        let (mut first, mut second) = (Ledger::new(), Ledger::new());
        first.grow(300, "word");
        second.grow(300, "other word");
        let target = memory();
        export(&first.store, &target).await.expect("exported");
        let before = get(&target, CHECKPOINT).await;
        let Err(fork) = export(&second.store, &target).await else { panic!("a fork") };
        assert!(fork.is::<Unsound>(), "{fork:#}");
        let mut shorter = Ledger::new();
        shorter.grow(299, "word");
        let Err(behind) = export(&shorter.store, &target).await else { panic!("an old copy") };
        assert!(behind.to_string().contains("ahead"), "{behind:#}");
        assert_eq!(get(&target, CHECKPOINT).await, before);
        target.put(CHECKPOINT, b"something".to_vec(), TEXT, FRESH).await.expect("written");
        assert!(export(&first.store, &target).await.is_err());
    }
}
