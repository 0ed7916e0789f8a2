//! What proofs cost: for an append, and for whoever checks them, in trees of 10^4 to 10^7 entries.

use std::convert::Infallible;
use std::time::Instant as Stopwatch;

use daicho_core::{ChainHash, Entry, EntryIndex, Instant, Origin, proto::SignedStatement};
use daicho_engine::{FileGuard, ForkGuard as _};
use daicho_tests::Play;
use daicho_tlog::merkle::{self, Frontier, Growth};
use daicho_tlog::tile::{self, Tile, TileNodes};
use daicho_tlog::{Algorithm, Checkpoint, NoteSigner, Policy, SignedCheckpoint, TreeHash};
use daicho_verify::Receipt;
use rayon::prelude::*;

/// Sizes of the trees in which a receipt is checked.
pub(crate) const SIZES: [u64; 4] = [10_000, 100_000, 1_000_000, 10_000_000];
/// Statements in a commit group, about as many as the server has under load.
const GROUP: usize = 256;

pub(crate) struct Proofs {
    /// Seconds for one statement in groups of [`GROUP`]: leaf hash, tree, checkpoint, proof.
    pub(crate) append: f64,
    /// Milliseconds that one group of one statement waits longer: tree, checkpoint, synced swap of the guard.
    pub(crate) wait: Vec<f64>,
    /// For each size: bytes of a receipt file, and seconds to read and check it under a policy with the ledger's key.
    pub(crate) plain: Vec<(f64, f64)>,
    /// The same with Ed25519 and ML-DSA-44 of the ledger and of three witnesses.
    pub(crate) full: Vec<(f64, f64)>,
    /// Of the proof from half of the largest tree (and one) to all of it: hashes, seconds to make and to check.
    pub(crate) consistency: (f64, f64, f64),
}

pub(crate) fn measure(entries: &[Vec<u8>]) -> anyhow::Result<Proofs> {
    let key = Play::checkpoint_key()?;
    let mut frontier = Frontier::default();
    let watch = Stopwatch::now();
    for group in entries.chunks(GROUP) {
        let growth = Growth::new(&frontier, group.iter().map(|bytes| TreeHash::of_leaf(bytes)));
        let note = sign(growth.new_size(), growth.root(), &[&key])?.to_string();
        let proofs: Vec<_> =
            (growth.old_size()..growth.new_size()).map(|index| growth.inclusion_proof(index)).collect();
        std::hint::black_box((note, proofs));
        frontier = growth.frontier();
    }
    let append = watch.elapsed().as_secs_f64() / entries.len() as f64;

    let folder = tempfile::tempdir()?;
    let mut guard = FileGuard::open(&folder.path().join("guard"))?;
    let mut held = None;
    let mut wait = Vec::new();
    for entry in entries.iter().take(300) {
        let watch = Stopwatch::now();
        let growth = Growth::new(&frontier, [TreeHash::of_leaf(entry)]);
        let signed = sign(growth.new_size(), growth.root(), &[&key])?;
        guard.swap(held.as_ref(), signed.checkpoint())?;
        std::hint::black_box((signed.to_string(), growth.inclusion_proof(growth.old_size())));
        wait.push(watch.elapsed().as_secs_f64() * 1_000.0);
        held = Some(signed.checkpoint().clone());
        frontier = growth.frontier();
    }

    let tree = Tree::new(SIZES[3]);
    let mut ml_dsa = signers(Play::ORIGIN, &[(Algorithm::CosignatureMlDsa44, 44)])?;
    ml_dsa.insert(0, key);
    let mut witnesses = Vec::new();
    for (n, name) in ["w.jlis.example", "w.contractor.example", "w.council.example"].iter().enumerate() {
        let both =
            [(Algorithm::CosignatureEd25519, 50 + n as u8), (Algorithm::CosignatureMlDsa44, 60 + n as u8)];
        witnesses.extend(signers(name, &both)?);
    }
    let mut plain = Vec::new();
    let mut full = Vec::new();
    for size in SIZES {
        plain.push(receipt(&tree, size, &ml_dsa[..1], &[])?);
        full.push(receipt(&tree, size, &ml_dsa, &witnesses)?);
    }

    let (old, new) = (SIZES[3] / 2 + 1, SIZES[3]);
    let (old_root, new_root) = (tree.root(old), tree.root(new));
    let watch = Stopwatch::now();
    let Ok(proof) = merkle::consistency_proof(&tree.nodes(new), old, new) else { anyhow::bail!("a tile") };
    let made = watch.elapsed().as_secs_f64();
    let watch = Stopwatch::now();
    merkle::verify_consistency(old, &old_root, new, &new_root, &proof)?;
    let consistency = (proof.len() as f64, made, watch.elapsed().as_secs_f64());
    Ok(Proofs { append, wait, plain, full, consistency })
}

fn signers(name: &str, keys: &[(Algorithm, u8)]) -> anyhow::Result<Vec<NoteSigner>> {
    keys.iter()
        .map(|(algorithm, seed)| Ok(NoteSigner::from_seed(name.parse()?, *algorithm, &[*seed; 32])?))
        .collect()
}

fn sign(size: u64, root: TreeHash, keys: &[&NoteSigner]) -> anyhow::Result<SignedCheckpoint> {
    let checkpoint = Checkpoint::new(Play::ORIGIN, size, root)?;
    let text = checkpoint.to_string();
    let signatures = keys.iter().map(|key| key.sign(&text, 1_790_000_000)).collect::<Result<_, _>>()?;
    Ok(SignedCheckpoint::new(checkpoint, signatures)?)
}

/// Length of the receipt of a real entry in a tree of `size`, and the median time to read and check it.
fn receipt(
    tree: &Tree,
    size: u64,
    log: &[NoteSigner],
    witnesses: &[NoteSigner],
) -> anyhow::Result<(f64, f64)> {
    let index = size / 3;
    let entry = entry(index)?;
    // The tree holds other leaves; the one to prove is put in its place on the path alone.
    let Ok(hashes) = merkle::inclusion_proof(&tree.nodes(size), index, size) else { anyhow::bail!("a tile") };
    let root = root_of(&TreeHash::of_leaf(&entry), index, size, &hashes);
    let signed = sign(size, root, &log.iter().chain(witnesses).collect::<Vec<_>>())?;
    let mut policy = String::new();
    for key in log {
        policy.push_str(&format!("log {}\n", key.verifier()));
    }
    for (n, key) in witnesses.iter().enumerate() {
        policy.push_str(&format!("witness w{n} {}\n", key.verifier()));
    }
    if witnesses.is_empty() {
        policy.push_str("quorum none\n");
    } else {
        let names: Vec<String> = (0..witnesses.len()).map(|n| format!("w{n}")).collect();
        policy.push_str(&format!("group all-of-them all {}\nquorum all-of-them\n", names.join(" ")));
    }
    let policy = Policy::parse(policy.as_bytes())?;
    let file = Receipt::from_parts(entry, EntryIndex::new(index), hashes, signed)?.to_string();
    let mut times = Vec::new();
    for _ in 0..200 {
        let watch = Stopwatch::now();
        Receipt::parse(file.as_bytes())?.verify(&policy)?;
        times.push(watch.elapsed().as_secs_f64());
    }
    Ok((file.len() as f64, super::median(times)))
}

/// A statement of one event as entry `index`.
fn entry(index: u64) -> anyhow::Result<Vec<u8>> {
    let at = Instant::EPOCH.plus_ms(1_790_000_000_000);
    let origin = Origin::new(Play::ORIGIN).ok_or_else(|| anyhow::anyhow!("the origin"))?;
    let statement: SignedStatement = daicho_core::sign_statement(
        Play::ORIGIN,
        &[(&Play::contractor_key(), index + 1)],
        vec![daicho_tests::collected(at, "b")],
    );
    let previous = ChainHash::of_origin(&origin);
    Ok(Entry { index: EntryIndex::new(index), recorded: at, previous, statement }.encode())
}

/// The root that a leaf and its proof lead to.
fn root_of(leaf: &TreeHash, index: u64, size: u64, hashes: &[TreeHash]) -> TreeHash {
    let (mut at, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in hashes {
        while at % 2 == 0 && at == last && at != 0 {
            (at, last) = (at / 2, last / 2);
        }
        hash = if at % 2 == 1 || at == last {
            TreeHash::of_children(sibling, &hash)
        } else {
            TreeHash::of_children(&hash, sibling)
        };
        (at, last) = (at / 2, last / 2);
    }
    hash
}

/// The hashes of all levels of tiles of a tree, in memory.
struct Tree {
    levels: Vec<Vec<TreeHash>>,
}

impl Tree {
    fn new(size: u64) -> Self {
        let leaves: Vec<TreeHash> =
            (0..size).into_par_iter().map(|index| TreeHash::of_leaf(&index.to_be_bytes())).collect();
        let mut levels = vec![leaves];
        while levels[levels.len() - 1].len() >= tile::WIDTH as usize {
            let below = &levels[levels.len() - 1];
            levels.push(below.par_chunks_exact(tile::WIDTH as usize).map(tile::perfect).collect());
        }
        Self { levels }
    }

    fn nodes(&self, size: u64) -> TileNodes<impl Fn(Tile) -> Result<Vec<u8>, Infallible> + '_> {
        TileNodes::new(size, |wanted| {
            let tile::Kind::Hashes(level) = wanted.kind else { return Ok(Vec::new()) };
            let start = (wanted.index * tile::WIDTH) as usize;
            let hashes = &self.levels[usize::from(level)][start..start + usize::from(wanted.width)];
            Ok(hashes.iter().flat_map(|hash| *hash.as_bytes()).collect())
        })
    }

    fn root(&self, size: u64) -> TreeHash {
        merkle::root(&self.nodes(size), size).unwrap_or_else(|_| TreeHash::of_empty())
    }
}
