//! The pages in `docs/formats/` show values. They are computed here again: a page that says something else is wrong.

use std::convert::Infallible;
use std::fmt::Write as _;

use daicho_tlog::merkle::{Frontier, Growth, Nodes as _, consistency_proof, inclusion_proof};
use daicho_tlog::tile::{Kind, Tile, read_bundle, read_hashes};
use daicho_tlog::{
    Algorithm, Checkpoint, NoteSigner, Policy, SignedCheckpoint, TlogProof, TreeHash, VerifierKey,
};

const ENTRIES: [&str; 7] = ["one", "two", "three", "four", "five", "six", "seven"];
const ORIGIN: &str = "vectors.example/ledger";
const TIME: u64 = 1_764_547_200;

fn page(name: &str) -> String {
    let path = format!("../../docs/formats/{name}.md");
    std::fs::read_to_string(path).expect("the pages are part of the project")
}

/// The indented or fenced block of a page that starts with this line, without the fences.
fn block(page: &str, first_line: &str) -> String {
    let from = page.find(&format!("```\n{first_line}")).unwrap_or_else(|| panic!("no block {first_line:?}"));
    let rest = &page[from + 4..];
    rest[..rest.find("```").expect("a fence at the end")].to_owned()
}

fn assert_shows(name: &str, expected: &str) {
    assert!(page(name).contains(expected), "docs/formats/{name}.md does not show:\n{expected}");
}

fn tree() -> Growth {
    Growth::new(&Frontier::default(), ENTRIES.iter().map(|entry| TreeHash::of_leaf(entry.as_bytes())))
}

fn node(level: u8, index: u64) -> TreeHash {
    let Ok(hash): Result<_, Infallible> = tree().node(level, index);
    hash
}

fn hex(hash: &TreeHash) -> String {
    hex::encode(hash.as_bytes())
}

fn signer(name: &str, algorithm: Algorithm, seed: u8) -> NoteSigner {
    NoteSigner::from_seed(name.parse().expect("a key name"), algorithm, &[seed; 32]).expect("a key")
}

fn log() -> NoteSigner {
    signer(ORIGIN, Algorithm::Ed25519, 11)
}

fn council() -> NoteSigner {
    signer("witness.example/council", Algorithm::CosignatureEd25519, 13)
}

fn signed() -> SignedCheckpoint {
    let checkpoint = Checkpoint::new(ORIGIN, 7, tree().root()).expect("an origin");
    let text = checkpoint.to_string();
    let signatures = [log(), council()].iter().map(|s| s.sign(&text, TIME).expect("a checkpoint")).collect();
    SignedCheckpoint::new(checkpoint, signatures).expect("a note")
}

/// A line of a calculation: what it is, how it comes about, the hash.
fn line(out: &mut String, name: &str, formula: &str, hash: &TreeHash) {
    writeln!(out, "{name:<6}= {formula:<26}= {}", hex(hash)).expect("a string");
}

#[test]
fn the_tree_of_the_page_is_the_tree() {
    let mut expected = String::new();
    for (n, entry) in ENTRIES.iter().enumerate() {
        line(&mut expected, &format!("l{n}"), &format!("SHA-256(00 {entry:?})"), &node(0, n as u64));
    }
    for (n, name) in ["a", "b", "c"].iter().enumerate() {
        let formula = format!("SHA-256(01 l{} l{})", 2 * n, 2 * n + 1);
        line(&mut expected, name, &formula, &node(1, n as u64));
    }
    let (d, c, l6) = (node(2, 0), node(1, 2), node(0, 6));
    let e = TreeHash::of_children(&c, &l6);
    line(&mut expected, "d", "SHA-256(01 a b)", &d);
    line(&mut expected, "e", "SHA-256(01 c l6)", &e);
    line(&mut expected, "root7", "SHA-256(01 d e)", &TreeHash::of_children(&d, &e));
    assert_eq!(TreeHash::of_children(&d, &e), tree().root());
    assert_shows("proof", &expected);
}

#[test]
fn the_walk_of_the_page_goes_from_the_leaf_to_the_root() {
    let Ok(proof): Result<_, Infallible> = inclusion_proof(&tree(), 4, 7);
    assert_eq!(proof, [node(0, 5), node(0, 6), node(2, 0)]);
    let mut expected = String::new();
    let h0 = TreeHash::of_leaf(b"five");
    let h1 = TreeHash::of_children(&h0, &proof[0]);
    let h2 = TreeHash::of_children(&h1, &proof[1]);
    let h3 = TreeHash::of_children(&proof[2], &h2);
    line(&mut expected, "h0", "SHA-256(00 \"five\")", &h0);
    line(&mut expected, "h1", "SHA-256(01 h0 p[0])", &h1);
    line(&mut expected, "h2", "SHA-256(01 h1 p[1])", &h2);
    line(&mut expected, "h3", "SHA-256(01 p[2] h2)", &h3);
    assert_eq!(h3, tree().root());
    assert_shows("proof", &expected);
    let hashes: String = proof.iter().map(|hash| format!("{hash}\n")).collect();
    assert_shows("proof", &hashes);
}

#[test]
fn the_consistency_walk_of_the_page_gives_both_roots() {
    let Ok(proof): Result<_, Infallible> = consistency_proof(&tree(), 3, 7);
    assert_eq!(proof[..3], [node(0, 2), node(0, 3), node(1, 0)]);
    let mut old = Frontier::default();
    ENTRIES[..3].iter().for_each(|entry| old.append(TreeHash::of_leaf(entry.as_bytes())));
    let mut expected = String::new();
    for (n, (name, hash)) in ["l2", "l3", "a", "e"].iter().zip(&proof).enumerate() {
        writeln!(expected, "p[{n}] = {name:<3}= {}", hex(hash)).expect("a string");
    }
    assert_shows("proof", &expected);
    let mut expected = String::new();
    let n1 = TreeHash::of_children(&proof[0], &proof[1]);
    let o2 = TreeHash::of_children(&proof[2], &proof[0]);
    let n2 = TreeHash::of_children(&proof[2], &n1);
    let n3 = TreeHash::of_children(&n2, &proof[3]);
    line(&mut expected, "o0", "p[0]", &proof[0]);
    line(&mut expected, "n0", "p[0]", &proof[0]);
    line(&mut expected, "n1", "SHA-256(01 n0 p[1])", &n1);
    line(&mut expected, "o2", "SHA-256(01 p[2] o0)", &o2);
    line(&mut expected, "n2", "SHA-256(01 p[2] n1)", &n2);
    line(&mut expected, "n3", "SHA-256(01 n2 p[3])", &n3);
    assert_eq!((o2, n3), (old.root(), tree().root()));
    assert_shows("proof", &expected);
}

#[test]
fn the_proof_file_of_the_page_is_valid() {
    let Ok(hashes): Result<_, Infallible> = inclusion_proof(&tree(), 4, 7);
    let proof = TlogProof::new(None, 4, hashes, signed()).expect("a proof");
    assert_shows("proof", &proof.to_string());
    let shown = block(&page("proof"), "c2sp.org/tlog-proof@v1");
    TlogProof::parse(shown.as_bytes()).expect("a proof").verify(&TreeHash::of_leaf(b"five")).expect("proven");
}

#[test]
fn the_checkpoint_of_the_page_is_signed_by_the_keys_of_the_page() {
    assert_shows("checkpoint", &signed().to_string());
    let shown = block(&page("checkpoint"), ORIGIN);
    let read = SignedCheckpoint::parse(shown.as_bytes()).expect("a checkpoint");
    let keys = block(&page("checkpoint"), log().verifier().to_string().as_str());
    let keys: Vec<VerifierKey> = keys.lines().map(|key| key.parse().expect("a key")).collect();
    assert_eq!(read.verify(&keys).expect("every signature holds").len(), 2);
    assert_shows("checkpoint", &log().to_secret_text());
    // The messages, as they are signed.
    let text = signed().text().to_owned();
    assert_shows("checkpoint", &format!("cosignature/v1\ntime {TIME}\n{text}"));
    let structure = [
        hex::encode("subtree/v1\n\0"),
        format!("{:02x} {}", "witness.example/mailer".len(), hex::encode("witness.example/mailer")),
        hex::encode(TIME.to_be_bytes()),
        format!("{:02x} {}", ORIGIN.len(), hex::encode(ORIGIN)),
        hex::encode(0u64.to_be_bytes()),
        hex::encode(7u64.to_be_bytes()),
        hex(signed().checkpoint().root()),
    ];
    for part in structure {
        assert_shows("checkpoint", &part);
    }
    let key = log().verifier().clone();
    let hashed = [ORIGIN.as_bytes(), b"\n\x01", key.public_key()].concat();
    assert_shows("checkpoint", &hex::encode(hashed));
    assert_shows("checkpoint", &format!("{} = first 4 bytes", key.key_id()));
}

#[test]
fn the_policies_of_the_page_are_policies() {
    let page = page("policy");
    let sample = Policy::parse(block(&page, "# The ward").as_bytes()).expect("a policy");
    assert_eq!(
        (sample.logs()[0].key.clone(), sample.witnesses()[0].key.clone()),
        (log().verifier().clone(), council().verifier().clone())
    );
    assert_eq!((sample.witnesses().len(), sample.groups().len(), sample.tsa_roots().len()), (3, 2, 1));
    let error = sample.check(&signed()).expect_err("one witness is not enough").to_string();
    assert!(page.contains(&error), "docs/formats/policy.md does not show: {error}");
}

#[test]
fn the_tiles_of_the_page_are_the_tiles() {
    let mut expected = String::new();
    for level in 0..=2u8 {
        let tiles: Vec<Tile> = Tile::all_of(70_000).filter(|tile| tile.kind == Kind::Hashes(level)).collect();
        let full = tiles.iter().filter(|tile| tile.is_full()).count();
        let last = tiles.last().expect("a partial tile");
        writeln!(expected, "| {level} | {full} | `{last}` |").expect("a string");
    }
    assert_shows("tile", &expected);
    for (index, width) in [(1_234_067, 256), (1_234_067, 8)] {
        assert_shows("tile", &Tile { kind: Kind::Hashes(0), index, width }.to_string());
    }
    let mut bundle = Vec::new();
    for entry in ENTRIES {
        daicho_tlog::tile::write_bundle_entry(&mut bundle, entry.as_bytes()).expect("short");
    }
    let shown = block(&page("tile"), "0003 6f6e65");
    let shown: String = shown.lines().map(|line| line.split("  ").next().unwrap_or_default()).collect();
    let shown = hex::decode(shown.replace(' ', "")).expect("hexadecimal");
    assert_eq!(shown, bundle);
    assert_eq!(read_bundle(&shown, 7).expect("a bundle").len(), 7);
    for error in [
        read_hashes(&[0; 7 * 32 - 1], 7).expect_err("too short"),
        read_hashes(&[0; 8 * 32], 7).expect_err("too long"),
    ] {
        assert_shows("tile", &format!("| `{error}` |"));
    }
    let longer = [&bundle[..], b"\0\x03one"].concat();
    for error in [read_bundle(&bundle[..bundle.len() - 1], 7), read_bundle(&longer, 7)] {
        assert_shows("tile", &format!("| `{}` |", error.expect_err("not seven entries")));
    }
}
