//! The Merkle tree of RFC 6962 §2.1 over SHA-256: hashes, growth by appending, inclusion and consistency proofs.
//!
//! Subtrees are named by level and index: the node `(level, index)` covers the leaves
//! `index · 2^level .. (index + 1) · 2^level`, and exists in a tree that has all of them.

use std::convert::Infallible;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest as _, Sha256};

/// Most hashes in a proof: one for each level of the largest tree.
pub const MAX_PROOF_LEN: usize = 63;

/// Hash of a leaf, a subtree or a whole tree. 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreeHash([u8; 32]);

impl TreeHash {
    /// The root of the tree without leaves: SHA-256 of nothing.
    pub fn of_empty() -> Self {
        Self(Sha256::digest([]).into())
    }

    /// Hash of a leaf: SHA-256(0x00 ‖ bytes).
    pub fn of_leaf(bytes: &[u8]) -> Self {
        Self(Sha256::new().chain_update([0]).chain_update(bytes).finalize().into())
    }

    /// Hash of two subtrees: SHA-256(0x01 ‖ left ‖ right).
    pub fn of_children(left: &Self, right: &Self) -> Self {
        let mut bytes = [1; 65];
        bytes[1..33].copy_from_slice(&left.0);
        bytes[33..].copy_from_slice(&right.0);
        Self(Sha256::digest(bytes).into())
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A hash read back. `None` unless there are 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Reads standard base64 as C2SP writes it. `None` unless it is the one encoding of 32 bytes.
    pub fn from_base64(text: &str) -> Option<Self> {
        Self::from_slice(&BASE64.decode(text).ok()?)
    }
}

impl From<[u8; 32]> for TreeHash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// Standard base64, as in checkpoints and proofs.
impl fmt::Display for TreeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64.encode(self.0))
    }
}

impl fmt::Debug for TreeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TreeHash({self})")
    }
}

/// Where the hashes of perfect subtrees come from: memory, tiles, a database.
pub trait Nodes {
    /// Why a hash cannot be had.
    type Error;

    /// Hash of the subtree `(level, index)`. Asked only for subtrees that the tree in question has.
    ///
    /// # Errors
    /// When it cannot be had.
    fn node(&self, level: u8, index: u64) -> Result<TreeHash, Self::Error>;
}

/// Root of the tree with the first `size` leaves.
///
/// # Errors
/// When a node cannot be had.
pub fn root<N: Nodes + ?Sized>(nodes: &N, size: u64) -> Result<TreeHash, N::Error> {
    if size == 0 { Ok(TreeHash::of_empty()) } else { range(nodes, 0, size) }
}

/// Proof that leaf `index` is in the tree of `size` leaves: RFC 6962 §2.1.1, the leaf's sibling first.
///
/// # Errors
/// When a node cannot be had.
///
/// # Panics
/// Unless `index < size`.
pub fn inclusion_proof<N: Nodes + ?Sized>(
    nodes: &N,
    index: u64,
    size: u64,
) -> Result<Vec<TreeHash>, N::Error> {
    assert!(index < size, "leaf {index} is not in a tree of {size}");
    let mut proof = Vec::new();
    let (mut start, mut end) = (0, size);
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            proof.push(range(nodes, middle, end)?);
            end = middle;
        } else {
            proof.push(range(nodes, start, middle)?);
            start = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// Proof that the tree of `old` leaves is the beginning of that of `new`: RFC 6962 §2.1.2. Empty when `old` is 0 or
/// equal to `new`.
///
/// # Errors
/// When a node cannot be had.
///
/// # Panics
/// Unless `old <= new`.
pub fn consistency_proof<N: Nodes + ?Sized>(
    nodes: &N,
    old: u64,
    new: u64,
) -> Result<Vec<TreeHash>, N::Error> {
    assert!(old <= new, "a tree of {old} does not begin one of {new}");
    if old == 0 || old == new {
        return Ok(Vec::new());
    }
    let mut proof = Vec::new();
    let (mut start, mut end) = (0, new);
    while end != old {
        let middle = start + split(end - start);
        if old <= middle {
            proof.push(range(nodes, middle, end)?);
            end = middle;
        } else {
            proof.push(range(nodes, start, middle)?);
            start = middle;
        }
    }
    if start != 0 {
        proof.push(range(nodes, start, end)?);
    }
    proof.reverse();
    Ok(proof)
}

/// Hash over the leaves `start..end`, where `start` is on the left edge of a subtree that holds them all.
fn range<N: Nodes + ?Sized>(nodes: &N, start: u64, end: u64) -> Result<TreeHash, N::Error> {
    let mut hash = None;
    let mut rest = end - start;
    // Perfect subtrees from the right edge: the smallest first.
    while rest != 0 {
        let level = rest.trailing_zeros() as u8;
        rest &= rest - 1;
        let left = nodes.node(level, (start + rest) >> level)?;
        hash = Some(hash.map_or(left, |right| TreeHash::of_children(&left, &right)));
    }
    Ok(hash.unwrap_or_else(TreeHash::of_empty))
}

/// Largest power of two below `n`, for `n` of at least 2.
fn split(n: u64) -> u64 {
    1 << (63 - (n - 1).leading_zeros())
}

/// Why a proof does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// A leaf at or past the end, or an old tree larger than the new one.
    #[error("the proof speaks of leaf or tree {small}, the tree has {size} leaves")]
    Range {
        /// The leaf's index or the old size.
        small: u64,
        /// The tree's size.
        size: u64,
    },
    /// Not as many hashes as a proof between these sizes has.
    #[error("the proof has the wrong number of hashes: {found}")]
    Length {
        /// How many there are.
        found: usize,
    },
    /// The hashes lead to another root.
    #[error("the proof leads to another root")]
    Root,
}

/// Checks that `leaf` is leaf `index` of the tree with `size` leaves and this root. RFC 9162 §2.1.3.2.
///
/// # Errors
/// [`ProofError`] when it is not proven.
pub fn verify_inclusion(
    leaf: &TreeHash,
    index: u64,
    size: u64,
    proof: &[TreeHash],
    root: &TreeHash,
) -> Result<(), ProofError> {
    if inclusion_root(leaf, index, size, proof)? == *root { Ok(()) } else { Err(ProofError::Root) }
}

/// The root that a proof leads to from `leaf` as leaf `index` of a tree with `size` leaves. RFC 9162 §2.1.3.2.
///
/// # Errors
/// [`ProofError::Range`], [`ProofError::Length`].
pub fn inclusion_root(
    leaf: &TreeHash,
    index: u64,
    size: u64,
    proof: &[TreeHash],
) -> Result<TreeHash, ProofError> {
    if index >= size {
        return Err(ProofError::Range { small: index, size });
    }
    let found = proof.len();
    let (mut at, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in proof {
        if last == 0 {
            return Err(ProofError::Length { found });
        }
        if at & 1 == 1 || at == last {
            hash = TreeHash::of_children(sibling, &hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = TreeHash::of_children(&hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    if last == 0 { Ok(hash) } else { Err(ProofError::Length { found }) }
}

/// Checks that the tree of `old` leaves with `old_root` is the beginning of that of `new` leaves with `new_root`.
/// RFC 9162 §2.1.4.2. The empty tree begins every tree, by an empty proof.
///
/// # Errors
/// [`ProofError`] when it is not proven.
pub fn verify_consistency(
    old: u64,
    old_root: &TreeHash,
    new: u64,
    new_root: &TreeHash,
    proof: &[TreeHash],
) -> Result<(), ProofError> {
    if old > new {
        return Err(ProofError::Range { small: old, size: new });
    }
    let found = proof.len();
    if old == 0 || old == new {
        if found != 0 {
            return Err(ProofError::Length { found });
        }
        let fits = if old == new { old_root == new_root } else { *old_root == TreeHash::of_empty() };
        return if fits { Ok(()) } else { Err(ProofError::Root) };
    }
    let mut rest = proof.iter();
    // When the old tree is perfect, its root is a node of the new one and is not repeated in the proof.
    let first =
        if old.is_power_of_two() { old_root } else { rest.next().ok_or(ProofError::Length { found })? };
    let (mut at, mut last) = (old - 1, new - 1);
    while at & 1 == 1 {
        at >>= 1;
        last >>= 1;
    }
    let (mut before, mut after) = (*first, *first);
    for sibling in rest {
        if last == 0 {
            return Err(ProofError::Length { found });
        }
        if at & 1 == 1 || at == last {
            before = TreeHash::of_children(sibling, &before);
            after = TreeHash::of_children(sibling, &after);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            after = TreeHash::of_children(&after, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofError::Length { found });
    }
    if before == *old_root && after == *new_root { Ok(()) } else { Err(ProofError::Root) }
}

/// The right edge of a tree: its perfect subtrees, largest first. Enough to append and to know the root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    hashes: Vec<TreeHash>,
}

impl Frontier {
    /// The right edge of the tree with the first `size` leaves of `nodes`.
    ///
    /// # Errors
    /// When a node cannot be had.
    pub fn read<N: Nodes + ?Sized>(nodes: &N, size: u64) -> Result<Self, N::Error> {
        let levels = (0..64u8).rev().filter(|level| size >> level & 1 == 1);
        let hashes = levels.map(|level| nodes.node(level, (size >> level) - 1)).collect::<Result<_, _>>()?;
        Ok(Self { size, hashes })
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf by its hash.
    pub fn append(&mut self, leaf: TreeHash) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.hashes.pop() {
                hash = TreeHash::of_children(&left, &hash);
            }
        }
        self.hashes.push(hash);
        self.size += 1;
    }

    /// Root of the tree.
    pub fn root(&self) -> TreeHash {
        let mut hashes = self.hashes.iter().rev();
        let Some(first) = hashes.next() else { return TreeHash::of_empty() };
        hashes.fold(*first, |right, left| TreeHash::of_children(left, &right))
    }
}

/// A tree before and after leaves were added, with all nodes that the new leaves' proofs and the new tiles need.
///
/// It holds the right edge of the tree before and every node that is new, and nothing of the rest.
#[derive(Debug, Clone)]
pub struct Growth {
    old: u64,
    new: u64,
    /// Of each level: index of the first node held, and the nodes from there to the right edge.
    levels: Vec<(u64, Vec<TreeHash>)>,
}

impl Growth {
    /// Adds leaves, by their hashes, to the tree with this right edge.
    pub fn new(before: &Frontier, leaves: impl IntoIterator<Item = TreeHash>) -> Self {
        let old = before.size;
        let mut edge = before.hashes.iter().rev();
        let mut levels: Vec<(u64, Vec<TreeHash>)> = Vec::new();
        let mut fresh: Vec<TreeHash> = leaves.into_iter().collect();
        let new = old + fresh.len() as u64;
        let mut level = 0;
        while level < 64 && new >> level != 0 {
            let mut first = old >> level;
            let mut nodes = Vec::with_capacity(fresh.len() + 1);
            if first & 1 == 1 {
                nodes.extend(edge.next().copied());
                first -= 1;
            }
            nodes.append(&mut fresh);
            fresh = nodes.chunks_exact(2).map(|pair| TreeHash::of_children(&pair[0], &pair[1])).collect();
            levels.push((first, nodes));
            level += 1;
        }
        Self { old, new, levels }
    }

    /// Number of leaves before.
    pub fn old_size(&self) -> u64 {
        self.old
    }

    /// Number of leaves after.
    pub fn new_size(&self) -> u64 {
        self.new
    }

    /// Root after.
    pub fn root(&self) -> TreeHash {
        let Ok(root) = root(self, self.new);
        root
    }

    /// The right edge after.
    pub fn frontier(&self) -> Frontier {
        let Ok(frontier) = Frontier::read(self, self.new);
        frontier
    }

    /// Proof that leaf `index`, one of those added, is in the tree after.
    ///
    /// # Panics
    /// Unless the leaf is one of those added.
    pub fn inclusion_proof(&self, index: u64) -> Vec<TreeHash> {
        assert!(index >= self.old, "leaf {index} was there before");
        let Ok(proof) = inclusion_proof(self, index, self.new);
        proof
    }

    /// The nodes of a level that are complete now and were not before, and the index of the first.
    pub fn new_nodes(&self, level: u8) -> (u64, &[TreeHash]) {
        let start = if level < 64 { self.old >> level } else { 0 };
        let Some((first, nodes)) = self.levels.get(usize::from(level)) else { return (start, &[]) };
        (start, &nodes[(start - first) as usize..])
    }
}

impl Nodes for Growth {
    type Error = Infallible;

    fn node(&self, level: u8, index: u64) -> Result<TreeHash, Infallible> {
        let (first, nodes) = &self.levels[usize::from(level)];
        Ok(nodes[(index - first) as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition of RFC 6962 §2.1, word for word.
    fn definition(leaves: &[TreeHash]) -> TreeHash {
        match leaves {
            [] => TreeHash::of_empty(),
            [leaf] => *leaf,
            _ => {
                let k = split(leaves.len() as u64) as usize;
                TreeHash::of_children(&definition(&leaves[..k]), &definition(&leaves[k..]))
            }
        }
    }

    struct Plain<'a>(&'a [TreeHash]);

    impl Nodes for Plain<'_> {
        type Error = Infallible;

        fn node(&self, level: u8, index: u64) -> Result<TreeHash, Infallible> {
            let (start, end) = ((index << level) as usize, ((index + 1) << level) as usize);
            Ok(definition(&self.0[start..end]))
        }
    }

    fn leaves(n: u64) -> Vec<TreeHash> {
        (0..n).map(|i| TreeHash::of_leaf(&i.to_be_bytes())).collect()
    }

    #[test]
    fn roots_are_those_of_the_definition() {
        let all = leaves(70);
        let mut frontier = Frontier::default();
        for n in 0..=70 {
            let expected = definition(&all[..n]);
            assert_eq!(frontier.root(), expected, "size {n}");
            assert_eq!(root(&Plain(&all), n as u64), Ok(expected));
            assert_eq!(Frontier::read(&Plain(&all), n as u64), Ok(frontier.clone()));
            if n < 70 {
                frontier.append(all[n]);
            }
        }
    }

    #[test]
    fn every_leaf_is_proven_in_every_tree_and_nowhere_else() {
        let all = leaves(40);
        for size in 1..=40u64 {
            let whole = definition(&all[..size as usize]);
            for index in 0..size {
                let Ok(proof) = inclusion_proof(&Plain(&all), index, size);
                assert!(proof.len() <= MAX_PROOF_LEN);
                let leaf = &all[index as usize];
                assert_eq!(verify_inclusion(leaf, index, size, &proof, &whole), Ok(()));
                for other in (0..size).filter(|other| *other != index) {
                    assert!(verify_inclusion(leaf, other, size, &proof, &whole).is_err());
                }
                for at in 0..proof.len() {
                    let mut bad = proof.clone();
                    bad[at].0[at % 32] ^= 1;
                    assert_eq!(verify_inclusion(leaf, index, size, &bad, &whole), Err(ProofError::Root));
                    let found = bad.len() - 1;
                    bad.remove(at);
                    assert!(matches!(
                        verify_inclusion(leaf, index, size, &bad, &whole),
                        Err(ProofError::Length { found: f }) if f == found
                    ));
                }
                let mut long = proof.clone();
                long.push(*leaf);
                assert!(verify_inclusion(leaf, index, size, &long, &whole).is_err());
            }
        }
    }

    #[test]
    fn every_tree_begins_every_larger_one() {
        let all = leaves(40);
        for new in 0..=40u64 {
            let new_root = definition(&all[..new as usize]);
            for old in 0..=new {
                let old_root = definition(&all[..old as usize]);
                let Ok(proof) = consistency_proof(&Plain(&all), old, new);
                assert_eq!(verify_consistency(old, &old_root, new, &new_root, &proof), Ok(()), "{old} {new}");
                let wrong = TreeHash::of_leaf(b"another tree");
                assert!(verify_consistency(old, &wrong, new, &new_root, &proof).is_err());
                if old != 0 {
                    assert!(verify_consistency(old, &old_root, new, &wrong, &proof).is_err());
                }
                for at in 0..proof.len() {
                    let mut bad = proof.clone();
                    bad[at].0[0] ^= 1;
                    assert!(verify_consistency(old, &old_root, new, &new_root, &bad).is_err());
                    bad.remove(at);
                    assert!(verify_consistency(old, &old_root, new, &new_root, &bad).is_err());
                }
                let mut long = proof.clone();
                long.push(wrong);
                assert!(verify_consistency(old, &old_root, new, &new_root, &long).is_err());
            }
        }
    }

    #[test]
    fn growth_knows_roots_proofs_and_new_nodes() {
        let all = leaves(80);
        for old in 0..60usize {
            let Ok(before) = Frontier::read(&Plain(&all), old as u64);
            for added in 0..20usize {
                let new = old + added;
                let growth = Growth::new(&before, all[old..new].iter().copied());
                assert_eq!(growth.root(), definition(&all[..new]));
                assert_eq!(Ok(growth.frontier()), Frontier::read(&Plain(&all), new as u64));
                for index in old..new {
                    assert_eq!(
                        Ok(growth.inclusion_proof(index as u64)),
                        inclusion_proof(&Plain(&all), index as u64, new as u64)
                    );
                }
                for level in 0..8u8 {
                    let (first, nodes) = growth.new_nodes(level);
                    assert_eq!(first, old as u64 >> level);
                    assert_eq!(first + nodes.len() as u64, new as u64 >> level, "{old} {new} {level}");
                    for (n, node) in nodes.iter().enumerate() {
                        assert_eq!(Ok(*node), Plain(&all).node(level, first + n as u64));
                    }
                }
            }
        }
    }
}
