//! `daicho audit`: verifies the whole ledger without trusting whoever hands it over.

mod anchor;
mod print;

use std::collections::BTreeSet;
use std::io::{IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::pin::pin;

use anyhow::anyhow;
use daicho_client::proto::{CheckpointKind, GetCheckpointRequest, GetLedgerResponse};
use daicho_client::{Client, ClientError};
use daicho_core::LedgerSize;
use daicho_tlog::tile::{Kind, Tile, WIDTH};
use daicho_tlog::{Policy, SignedCheckpoint, TreeHash};
use daicho_verify::{AuditError, AuditReport, Auditor, Check};
use futures::stream::TryChunksError;
use futures::{StreamExt as _, TryStreamExt as _};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};

use crate::context::Context;
use crate::exit::Exit;
use crate::tiles::{Failure, Source, TilesAbove, compare, order_of_entries};
use anchor::{Anchor, Quorum};

/// Entries that are verified together.
const BATCH: usize = Auditor::BATCH;
/// Bundles that are fetched at the same time.
const PARALLEL: usize = 8;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  daicho audit\n  daicho audit --server https://ledger.city.example:7340 --policy policy.txt\n  \
    daicho audit --tiles https://ledger.city.example/ --token-file auditor.token\n  \
    daicho audit --tiles ./published --output json\n\n\
    --tiles reads what `daichod serve --tiles-listen` serves and what `daichod export` writes.\n\
    Without --policy the checkpoint is verified with the keys that the ledger itself names: that decides nothing about\n\
    whom to trust.\n\n\
    Exit codes: 0 sound; 1 the first entry at fault and the failed check are named."
)]
pub(crate) struct Args {
    /// Audit tiles (C2SP tlog-tiles) instead of asking the server: their address, or a folder with the files
    #[arg(long, value_name = "URL|DIR")]
    tiles: Option<String>,
    /// Trust policy (C2SP tlog-policy): who must have signed and cosigned the checkpoint
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// File with the token that entry bundles ask for
    #[arg(long, value_name = "FILE", requires = "tiles")]
    token_file: Option<PathBuf>,
}

pub(crate) async fn run(args: Args, context: &Context, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let policy = args.policy.as_deref().map(|path| read_policy(path, context)).transpose()?;
    let from_server = args.tiles.is_none();
    let audited = match &args.tiles {
        Some(place) => {
            let source = Source::open(place, args.token_file.as_deref(), context)?;
            audit_tiles(&source, policy.as_ref()).await
        }
        None => audit_server(&context.connect().await?, policy.as_ref()).await,
    };
    match audited {
        Ok(sound) => {
            print::sound(&sound, context, out)?;
            Ok(Exit::Ok)
        }
        Err(error) => {
            let fault = Fault::of(error, context)?;
            print::fault(&fault, context, out)?;
            if from_server && fault.check == Check::IndexOrder.to_string() && !context.json() {
                writeln!(
                    out,
                    "{}",
                    context.pick(
                        "  当事者の鍵には、サーバはその当事者に関わる記録だけを示します。全体の監査には、監査人の鍵か tiles を\n  お使いください（docs/operations/access.md）。監査人の鍵でこうなったのなら、記録が抜かれています。",
                        "  To a party's key the server shows its own entries alone: to audit the whole, use an auditor's key or\n  tiles (docs/operations/access.md). If the key is an auditor's, entries were left out.",
                    )
                )?;
            }
            Ok(Exit::Wrong)
        }
    }
}

fn read_policy(path: &Path, context: &Context) -> anyhow::Result<Policy> {
    let policy = Policy::parse(&context.read(path)?);
    policy.map_err(|error| anyhow!("{}: {error}", path.display()))
}

/// What was checked and is right.
struct Sound {
    report: AuditReport,
    /// Tiles that were compared with the entries, when tiles were audited.
    tiles: Option<u64>,
    /// The checkpoints whose roots the entries have.
    anchors: Vec<Anchor>,
}

/// What is wrong.
#[derive(Debug)]
struct Fault {
    entry: u64,
    check: String,
    detail: String,
}

impl Fault {
    fn of_checkpoint(checkpoint: &SignedCheckpoint, detail: impl ToString) -> Self {
        let entry = checkpoint.checkpoint().size().saturating_sub(1);
        Self { entry, check: Check::Checkpoint.to_string(), detail: detail.to_string() }
    }

    /// The fault, when the error is one.
    fn of(error: anyhow::Error, context: &Context) -> anyhow::Result<Self> {
        let error = match error.downcast::<AuditError>() {
            Ok(AuditError { entry, check, detail }) => {
                return Ok(Self { entry: entry.get(), check: check.to_string(), detail });
            }
            Err(error) => error,
        };
        match error.downcast::<Failure>() {
            Ok(failure) if failure.exit() == Exit::Wrong => {
                let check = if matches!(failure, Failure::Checkpoint(_)) { "checkpoint" } else { "tiles" };
                let (entry, detail) = (failure.entry(), failure.explain(context.lang));
                Ok(Self { entry, check: check.to_owned(), detail })
            }
            Ok(failure) => Err(failure.into()),
            Err(error) => error.downcast(),
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "entry {}: check {} failed: {}", self.entry, self.check, self.detail)
    }
}

impl std::error::Error for Fault {}

/// An auditor that looks for the roots of checkpoints and works beside the fetching.
struct Replay {
    auditor: Auditor,
    anchors: Vec<Anchor>,
    bar: ProgressBar,
}

impl Replay {
    /// # Errors
    /// [`Fault`] when two checkpoints over as many entries have other roots.
    fn new(anchors: Vec<Anchor>, size: u64) -> anyhow::Result<Self> {
        let mut auditor = Auditor::with_scratch(Box::new(tempfile::tempfile()?));
        for (n, anchor) in anchors.iter().enumerate() {
            let root = anchor.checkpoint.checkpoint().root();
            let forks = |other: &Anchor| {
                other.size() == anchor.size() && other.checkpoint.checkpoint().root() != root
            };
            if anchors[..n].iter().any(forks) {
                let detail = "two checkpoints over as many entries have other roots: a fork";
                return Err(Fault::of_checkpoint(&anchor.checkpoint, detail).into());
            }
            auditor.expect_root(LedgerSize::new(anchor.size()), *root);
        }
        Ok(Self { auditor, anchors, bar: progress(size) })
    }

    /// Verification keeps all cores busy; the connection is read by another thread meanwhile.
    async fn beside<T: Send + 'static>(
        self,
        work: impl FnOnce(&mut Auditor) -> T + Send + 'static,
    ) -> anyhow::Result<(Self, T)> {
        let Self { mut auditor, anchors, bar } = self;
        let working = tokio::task::spawn_blocking(move || {
            let done = work(&mut auditor);
            (auditor, done)
        });
        let (auditor, done) = working.await?;
        Ok((Self { auditor, anchors, bar }, done))
    }

    fn finish(self, tiles: Option<u64>) -> anyhow::Result<Sound> {
        let Self { auditor, mut anchors, .. } = self;
        let report = auditor.finish()?;
        for anchor in &mut anchors {
            anchor.settle(&report)?;
        }
        let sizes: BTreeSet<u64> = anchors.iter().map(Anchor::size).collect();
        if report.counts.checkpoints != sizes.len() as u64
            && let Some(largest) = anchors.iter().max_by_key(|anchor| anchor.size())
        {
            let (claimed, found) = (largest.size(), report.size.get());
            let detail = format!("the checkpoint speaks of {claimed} entries; there are {found}");
            return Err(Fault::of_checkpoint(&largest.checkpoint, detail).into());
        }
        Ok(Sound { report, tiles, anchors })
    }
}

/// Audits what a server has recorded, and its newest checkpoint. Under a policy with a quorum also the newest one that
/// is cosigned.
async fn audit_server(client: &Client, policy: Option<&Policy>) -> anyhow::Result<Sound> {
    let newest = checkpoint(client, CheckpointKind::Unspecified).await?;
    let newest = newest.ok_or_else(|| ClientError::NotFound("checkpoint".to_owned()))?;
    let mut anchors = Vec::new();
    if policy.is_some_and(|policy| policy.quorum().is_some()) {
        let mut cosigned = checkpoint(client, CheckpointKind::Witnessed).await?;
        if cosigned.is_none() {
            cosigned = checkpoint(client, CheckpointKind::Kept).await?;
        }
        // Where there is none, the newest one shows what is missing.
        anchors.push(Anchor::new(cosigned.unwrap_or_else(|| newest.clone()), policy, Quorum::Wanted)?);
    }
    anchors.push(Anchor::new(newest, policy, Quorum::MayLack)?);
    let claimed = client.ledger_info().await?;
    let mut replay = Replay::new(anchors, claimed.size)?;
    let mut batches = pin!(client.read_entries(0, claimed.size).await?.try_chunks(BATCH));
    while let Some(batch) = batches.next().await {
        // What came before a break is checked before the break is reported.
        let (batch, broken) = parts(batch);
        replay.bar.inc(batch.len() as u64);
        let stop = broken.is_some();
        let (back, fed) = replay.beside(move |auditor| feed(auditor, &batch, stop)).await?;
        replay = back;
        fed?;
        if let Some(error) = broken {
            return Err(error.into());
        }
    }
    let sound = replay.finish(None)?;
    check_claim(&sound.report, &claimed)?;
    Ok(sound)
}

/// A checkpoint of the server, if it has one of this kind.
async fn checkpoint(client: &Client, kind: CheckpointKind) -> anyhow::Result<Option<SignedCheckpoint>> {
    let request = GetCheckpointRequest { tree_size: 0, kind: kind as i32 };
    match client.proof().get_checkpoint(request).await.map_err(ClientError::from) {
        Ok(answer) => {
            let note = answer.into_inner().checkpoint.unwrap_or_default().note;
            Ok(Some(SignedCheckpoint::parse(note.as_bytes()).map_err(Failure::Checkpoint)?))
        }
        Err(ClientError::NotFound(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The chain that was replayed must end where the server said that it ends.
fn check_claim(report: &AuditReport, claimed: &GetLedgerResponse) -> Result<(), AuditError> {
    let same = report.size.get() == claimed.size && report.head.as_bytes()[..] == claimed.chain_hash[..];
    if same && report.origin.as_str() == claimed.origin {
        return Ok(());
    }
    let detail = format!(
        "the server claims {} entries of {}; the replay ends after {} of {} at {}",
        claimed.size,
        claimed.origin,
        report.size.get(),
        report.origin,
        report.head
    );
    Err(AuditError { entry: report.size.next_index(), check: Check::ClaimedHead, detail })
}

/// A bundle and the hashes that are served for its entries.
struct Fetched {
    tile: Tile,
    hashes: Vec<TreeHash>,
    entries: Vec<Vec<u8>>,
}

/// Audits a log by its tiles: every entry bundle, every tile of hashes, and the checkpoint.
async fn audit_tiles(source: &Source, policy: Option<&Policy>) -> anyhow::Result<Sound> {
    let anchor = Anchor::new(source.checkpoint().await?, policy, Quorum::Wanted)?;
    let size = anchor.size();
    let mut replay = Replay::new(vec![anchor], size)?;
    let bundles = Tile::added(0, size).filter(|tile| tile.kind == Kind::Entries);
    let fetched = futures::stream::iter(bundles).map(|bundle| async move {
        let tile = Tile { kind: Kind::Hashes(0), ..bundle };
        let (entries, hashes) = futures::try_join!(source.entries(bundle), source.hashes(tile))?;
        Ok::<_, Failure>(Fetched { tile, hashes, entries })
    });
    let mut groups = pin!(fetched.buffered(PARALLEL).try_chunks(BATCH / WIDTH as usize));
    let (mut above, mut tiles) = (TilesAbove::default(), 0);
    while let Some(group) = groups.next().await {
        let (group, broken) = parts(group);
        tiles += group.len() as u64;
        replay.bar.inc(group.iter().map(|fetched| fetched.entries.len() as u64).sum());
        let stop = broken.is_some();
        let (back, (leaves, checked)) =
            replay.beside(move |auditor| check_group(auditor, group, stop)).await?;
        replay = back;
        checked?;
        for (tile, expected) in leaves.iter().flat_map(|leaves| above.add(leaves)) {
            if let Err(error) = compare_with(source, tile, &expected).await {
                replay.beside(Auditor::settle).await?.1?;
                return Err(error);
            }
            tiles += 1;
        }
        if let Some(error) = broken {
            return Err(error.into());
        }
    }
    let rest = above.rest();
    let sound = replay.finish(Some(tiles + rest.len() as u64))?;
    for (tile, expected) in rest {
        compare_with(source, tile, &expected).await?;
    }
    Ok(sound)
}

/// Compares entries with their hashes and feeds them. Returns the hashes that they have. An entry at fault is named
/// before a tile that does not fit it.
fn check_group(
    auditor: &mut Auditor,
    group: Vec<Fetched>,
    stop: bool,
) -> (Vec<Vec<TreeHash>>, anyhow::Result<()>) {
    let mut entries = Vec::with_capacity(BATCH);
    let (mut leaves, mut bundles, mut lie) = (Vec::new(), Vec::new(), None);
    for fetched in group {
        let own: Vec<_> = fetched.entries.iter().map(|entry| TreeHash::of_leaf(entry)).collect();
        lie = lie.or_else(|| compare(fetched.tile, &fetched.hashes, &own).err());
        leaves.push(own);
        bundles.push(Tile { kind: Kind::Entries, ..fetched.tile });
        entries.extend(fetched.entries);
    }
    let fed = feed(auditor, &entries, stop || lie.is_some());
    let checked = match fed {
        Ok(()) => lie.map_or(Ok(()), |lie| Err(lie.into())),
        Err(error) => {
            let wrong_place = error.check == Check::IndexOrder;
            let disorder = wrong_place.then(|| disorder(&bundles, &entries)).flatten();
            Err(disorder.map_or_else(|| error.into(), Into::into))
        }
    };
    (leaves, checked)
}

/// The first entry that stands at a place of another one of its bundle.
fn disorder(bundles: &[Tile], entries: &[Vec<u8>]) -> Option<Failure> {
    let mut rest = entries;
    bundles.iter().find_map(|bundle| {
        let (own, after) = rest.split_at_checked(bundle.width.into())?;
        rest = after;
        order_of_entries(*bundle, own).err()
    })
}

/// Feeds entries. With `stop`, nothing comes after them, and all of them are checked before this returns.
fn feed(auditor: &mut Auditor, entries: &[Vec<u8>], stop: bool) -> Result<(), AuditError> {
    auditor.feed(entries)?;
    if stop { auditor.settle() } else { Ok(()) }
}

/// What was read of a group, and why no more.
fn parts<T, E>(group: Result<Vec<T>, TryChunksError<T, E>>) -> (Vec<T>, Option<E>) {
    match group {
        Ok(whole) => (whole, None),
        Err(TryChunksError(read, error)) => (read, Some(error)),
    }
}

async fn compare_with(source: &Source, tile: Tile, expected: &[TreeHash]) -> anyhow::Result<()> {
    Ok(compare(tile, &source.hashes(tile).await?, expected)?)
}

fn progress(size: u64) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(size), target);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len}  {per_sec}  {eta}");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_finish(ProgressFinish::AndClear)
}
