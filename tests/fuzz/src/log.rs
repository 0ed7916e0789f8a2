//! The formats of C2SP: notes, keys, proofs, policies, what witnesses get and answer, tiles.

use std::sync::LazyLock;

use daicho_tlog::merkle::{inclusion_proof, root, verify_inclusion};
use daicho_tlog::tile::{Tile, TileNodes, WIDTH, read_bundle, write_bundle_entry};
use daicho_tlog::witness::{
    AddCheckpoint, cosignatures_body, decide, parse_cosignatures, parse_size, size_body,
};
use daicho_tlog::{
    Algorithm, Checkpoint, Note, NoteSigner, Policy, SignedCheckpoint, TlogProof, TreeHash, VerifierKey,
};
use daicho_verify::timestamp::TsaTrust;
use serde_json::Value;

use crate::assert_same;
use crate::large::LEN;
use crate::vectors::{TLOG, bytes, list, read, text, word};

/// What the only signers of the vectors have signed.
struct Signed {
    ledger: Vec<VerifierKey>,
    keys: Vec<VerifierKey>,
    checkpoint: SignedCheckpoint,
    /// Size and root before.
    before: (u64, TreeHash),
    leaf: TreeHash,
}

static SIGNED: LazyLock<Signed> = LazyLock::new(|| {
    let vectors = read(TLOG);
    let keys: Vec<VerifierKey> =
        list(&vectors["keys"]).iter().map(|key| word(&key["vkey"]).parse().expect("a key")).collect();
    let checkpoint = SignedCheckpoint::parse(word(&vectors["note"]).as_bytes()).expect("a checkpoint");
    let hash = |value: &Value| TreeHash::from_slice(&bytes(value)).expect("32 bytes");
    let origin = checkpoint.checkpoint().origin();
    Signed {
        ledger: keys.iter().filter(|key| key.name().as_str() == origin).cloned().collect(),
        before: (3, hash(&vectors["roots"][3])),
        leaf: hash(&vectors["leaves"][4]),
        keys,
        checkpoint,
    }
});

/// Panics when a checkpoint that nobody signed has passed for signed.
fn assert_not_forged(checkpoint: &Checkpoint) {
    let signed = SIGNED.checkpoint.checkpoint();
    let parts = |c: &Checkpoint| (c.origin().to_owned(), c.size(), *c.root());
    assert!(parts(checkpoint) == parts(signed), "a forged checkpoint verifies: {checkpoint:?}");
}

pub(crate) fn note(bytes: &[u8]) -> bool {
    let Ok(note) = Note::parse(bytes) else { return false };
    assert_same(note.to_string(), bytes);
    assert_eq!(Note::new(note.text().to_owned(), note.signatures().to_vec()).as_ref(), Ok(&note));
    if note.verify(&SIGNED.keys).is_ok() {
        assert_not_forged(&Checkpoint::parse(note.text()).expect("only checkpoints were signed"));
    }
    true
}

pub(crate) fn checkpoint(bytes: &[u8]) -> bool {
    let Ok(signed) = SignedCheckpoint::parse(bytes) else { return false };
    assert_same(signed.to_string(), bytes);
    assert_same(signed.checkpoint().to_string(), signed.text().as_bytes());
    if signed.verify(&SIGNED.keys).is_ok() {
        assert_not_forged(signed.checkpoint());
    }
    true
}

pub(crate) fn verifier_key(bytes: &[u8]) -> bool {
    let Some(Ok(key)) = str::from_utf8(bytes).ok().map(str::parse::<VerifierKey>) else { return false };
    assert_same(key.to_string(), bytes);
    let again = VerifierKey::new(key.name().clone(), key.algorithm(), key.public_key());
    assert_eq!(again.as_ref(), Ok(&key));
    true
}

pub(crate) fn secret_key(bytes: &[u8]) -> bool {
    let Some(Ok(key)) = str::from_utf8(bytes).ok().map(str::parse::<NoteSigner>) else { return false };
    assert_same(key.to_secret_text().as_bytes(), bytes);
    true
}

pub(crate) fn proof(bytes: &[u8]) -> bool {
    let Ok(proof) = TlogProof::parse(bytes) else { return false };
    assert_same(proof.to_string(), bytes);
    let (extra, hashes) = (proof.extra().map(<[u8]>::to_vec), proof.hashes().to_vec());
    let again = TlogProof::new(extra, proof.index(), hashes, proof.checkpoint().clone());
    assert_eq!(again.as_ref(), Ok(&proof));
    let tree = proof.checkpoint().checkpoint();
    if proof.verify(&SIGNED.leaf).is_ok() && tree.root() == SIGNED.checkpoint.checkpoint().root() {
        assert_eq!(proof.index(), 4, "a leaf is proven at another place");
    }
    true
}

pub(crate) fn policy(bytes: &[u8]) -> bool {
    let Ok(policy) = Policy::parse(bytes) else { return false };
    assert_eq!(Policy::parse(&policy.to_bytes()).as_ref(), Ok(&policy));
    let all = policy.witnesses().iter().map(|witness| witness.name.as_bytes());
    assert!(policy.quorum_met(all), "all witnesses together are not enough");
    assert_eq!(policy.shortfall([]).is_none(), policy.quorum().is_none());
    if let Ok(trust) = policy.check(&SIGNED.checkpoint) {
        assert!(!trust.logs.is_empty() && trust.shortfall.is_none());
    }
    let _ = TsaTrust::new(policy.tsa_roots(), None);
    true
}

pub(crate) fn add_checkpoint(bytes: &[u8]) -> bool {
    let Ok(request) = AddCheckpoint::parse(bytes) else { return false };
    assert_same(request.to_string(), bytes);
    let again =
        AddCheckpoint::new(request.old_size(), request.proof().to_vec(), request.checkpoint().clone());
    assert_eq!(again.as_ref(), Ok(&request));
    if decide(Some(SIGNED.before), &SIGNED.ledger, &request).is_ok() {
        assert_not_forged(request.checkpoint().checkpoint());
    }
    true
}

pub(crate) fn cosignatures(bytes: &[u8]) -> bool {
    let Ok(signatures) = parse_cosignatures(bytes) else { return false };
    assert_same(cosignatures_body(&signatures), bytes);
    let mut checkpoint = SIGNED.checkpoint.clone();
    if checkpoint.add(signatures).is_ok() {
        assert_eq!(SignedCheckpoint::parse(checkpoint.to_string().as_bytes()), Ok(checkpoint));
    }
    true
}

pub(crate) fn size(bytes: &[u8]) -> bool {
    let Some(size) = parse_size(bytes) else { return false };
    assert_same(size_body(size), bytes);
    true
}

pub(crate) fn tile_path(bytes: &[u8]) -> bool {
    let Some(Ok(tile)) = str::from_utf8(bytes).ok().map(str::parse::<Tile>) else { return false };
    assert_same(tile.to_string(), bytes);
    assert!((1..=WIDTH).contains(&u64::from(tile.width)));
    true
}

/// The input is the size of a tree and the index of a leaf, 8 bytes each, big-endian, and the bytes of every tile.
pub(crate) fn tiles(bytes: &[u8]) -> bool {
    let Some((size, rest)) = bytes.split_first_chunk() else { return false };
    let Some((index, tile)) = rest.split_first_chunk() else { return false };
    let size = u64::from_be_bytes(*size);
    // A tile may be longer than the width asked for by no more than what makes it wrong.
    let fetch = |asked: Tile| {
        let whole = 32 * usize::from(asked.width);
        Ok::<_, std::convert::Infallible>(tile.get(..whole).unwrap_or(tile).to_vec())
    };
    let nodes = TileNodes::new(size, fetch);
    let Ok(root) = root(&nodes, size) else { return false };
    if let Some(index) = u64::from_be_bytes(*index).checked_rem(size) {
        let proof = inclusion_proof(&nodes, index, size);
        // In one tile, all hashes are of the same tree. From a full one, the level above is asked for.
        if size < WIDTH {
            let at = 32 * index as usize;
            let leaf = TreeHash::from_slice(&tile[at..at + 32]).expect("32 bytes");
            let proof = proof.expect("the root needed all of the tile");
            assert_eq!(verify_inclusion(&leaf, index, size, &proof, &root), Ok(()));
        }
    }
    true
}

/// The input is the width, 2 bytes, big-endian, and a bundle of so many entries.
pub(crate) fn entry_bundle(bytes: &[u8]) -> bool {
    let Some((width, bundle)) = bytes.split_first_chunk() else { return false };
    let Ok(entries) = read_bundle(bundle, u16::from_be_bytes(*width)) else { return false };
    let mut again = Vec::new();
    for entry in entries {
        write_bundle_entry(&mut again, entry).expect("as long as it was");
    }
    assert_same(again, bundle);
    true
}

/// The text without the lines that hold ML-DSA-44, whose length leaves a fuzzer little hope of changing the rest.
fn without_ml_dsa(text: &str) -> String {
    text.split_inclusive('\n').filter(|line| line.len() < 1_000).collect()
}

/// With both kinds of signatures, and with the short ones alone.
fn both_lengths(field: &str) -> Vec<Vec<u8>> {
    let vectors = read(TLOG);
    let text = word(&vectors[field]);
    vec![text.to_owned().into_bytes(), without_ml_dsa(text).into_bytes()]
}

pub(crate) fn notes() -> Vec<Vec<u8>> {
    both_lengths("note")
}

pub(crate) fn verifier_keys() -> Vec<Vec<u8>> {
    list(&read(TLOG)["keys"]).iter().map(|key| text(&key["vkey"])).collect()
}

pub(crate) fn secret_keys() -> Vec<Vec<u8>> {
    list(&read(TLOG)["keys"]).iter().map(|key| text(&key["secret"])).collect()
}

pub(crate) fn proofs() -> Vec<Vec<u8>> {
    both_lengths("proof")
}

pub(crate) fn policies() -> Vec<Vec<u8>> {
    vec![text(&read(TLOG)["policy"])]
}

pub(crate) fn requests() -> Vec<Vec<u8>> {
    both_lengths("add_checkpoint")
}

pub(crate) fn cosignature_bodies() -> Vec<Vec<u8>> {
    let lines = |signatures: &[_]| cosignatures_body(signatures).into_bytes();
    let all = SIGNED.checkpoint.signatures();
    vec![lines(all), lines(&all[..1])]
}

pub(crate) fn sizes() -> Vec<Vec<u8>> {
    [0, 7, u64::MAX].map(|size| size_body(size).into_bytes()).to_vec()
}

pub(crate) fn tile_paths() -> Vec<Vec<u8>> {
    let ours = read(TLOG)["tiles"].as_object().expect("tiles by path").keys().cloned().collect::<Vec<_>>();
    let long = ["tile/1/x001/x234/067", "tile/63/x018/x446/x744/x073/x709/x551/615.p/255"].map(str::to_owned);
    ours.into_iter().chain(long).map(String::into_bytes).collect()
}

pub(crate) fn hash_tiles() -> Vec<Vec<u8>> {
    let numbers = |size: u64, index: u64| [size.to_be_bytes(), index.to_be_bytes()].concat();
    let seven = bytes(&read(TLOG)["tiles"]["tile/0/000.p/7"]);
    let full: Vec<u8> = (0..256u64).flat_map(|i| *TreeHash::of_leaf(&i.to_be_bytes()).as_bytes()).collect();
    vec![
        [numbers(7, 4), seven].concat(),
        [numbers(70_003, 65_536), full.clone()].concat(),
        [numbers(u64::MAX, 1 << 63), full].concat(),
    ]
}

pub(crate) fn entry_bundles() -> Vec<Vec<u8>> {
    vec![[vec![0, 7], bytes(&read(TLOG)["tiles"]["tile/entries/000.p/7"])].concat()]
}

/// As many lines as a note can have, above and below.
pub(crate) fn large_notes() -> Vec<(&'static str, Vec<u8>)> {
    let vectors = read(TLOG);
    let (text, signatures) = word(&vectors["note"]).rsplit_once("\n\n").expect("a note");
    let lines: Vec<&str> = signatures.lines().collect();
    let short = lines[0];
    let ml_dsa = format!("{}\n", lines[1]).repeat(100);
    vec![
        ("text lines", format!("{text}\n{}\n{short}\n", "x\n".repeat(LEN / 2 - 300)).into_bytes()),
        ("signatures", format!("{text}\n\n{ml_dsa}").into_bytes()),
    ]
}

/// With much extra data.
pub(crate) fn large_proofs() -> Vec<(&'static str, Vec<u8>)> {
    let vectors = read(TLOG);
    let extra = format!("\nextra {}\nindex", "A".repeat(LEN));
    vec![("extra data", word(&vectors["proof"]).replacen("\nindex", &extra, 1).into_bytes())]
}

/// As many witnesses as a policy can have, in groups within groups, and long roots.
pub(crate) fn large_policies() -> Vec<(&'static str, Vec<u8>)> {
    let mut lines = String::new();
    for n in 0..256u64 {
        let mut seed = [7; 32];
        seed[..8].copy_from_slice(&n.to_be_bytes());
        let name = "witness".parse().expect("a key name");
        let key = NoteSigner::from_seed(name, Algorithm::CosignatureEd25519, &seed).expect("a key");
        lines += &format!("witness w{n} {}\n", key.verifier());
    }
    lines += "group g0 any w0\n";
    for n in 1..256 {
        lines += &format!("group g{n} all w{n} g{}\n", n - 1);
    }
    lines += "quorum g255\n";
    lines += &format!("# daicho-tsa-root: {}\n", "A".repeat(4_000)).repeat(256);
    vec![("groups in groups", lines.into_bytes())]
}
