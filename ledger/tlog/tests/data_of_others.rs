//! A log and signatures made by others: `tessera-log` of transparency-dev, `cctv-ed25519` of C2SP.
//!
//! They are no part of this project. They are looked for beside it, or in the folder that the variable
//! `DAICHO_SHARED_VECTORS` names; where they are absent, each test says so and checks nothing.

use std::io::Write as _;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use daicho_tlog::merkle::{self, Frontier, verify_consistency, verify_inclusion};
use daicho_tlog::tile::{Kind, Tile, TileNodes, read_bundle};
use daicho_tlog::{
    Algorithm, KeyError, KeyName, Note, NoteError, SignedCheckpoint, TlogProof, TreeHash, VerifierKey,
};
use serde_json::Value;

/// The folder of the data of others, when it is there.
fn data_of_others(name: &str) -> Option<PathBuf> {
    let beside = "../../../shared/vectors";
    let root = std::env::var_os("DAICHO_SHARED_VECTORS").unwrap_or_else(|| beside.into());
    let folder = PathBuf::from(root).join(name);
    if !folder.is_dir() {
        // Past the capture of the test harness, so that it shows without --nocapture.
        let text = format!("*** SKIPPED: no {}: NOTHING was checked against {name} ***", folder.display());
        writeln!(std::io::stderr(), "\n{text}").expect("standard error");
        return None;
    }
    Some(folder)
}

/// The key that belongs to the log: it came beside it.
const TESSERA_KEY: &str = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx";
/// Its entries; there is a checkpoint of every size from 0.
const TESSERA_SIZE: u64 = 15;

struct TesseraLog(PathBuf);

impl TesseraLog {
    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.0.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn checkpoint(&self, size: u64) -> SignedCheckpoint {
        let bytes = self.read(&format!("checkpoint.{size}"));
        let checkpoint = SignedCheckpoint::parse(&bytes).expect("a checkpoint");
        assert_eq!(checkpoint.to_string().as_bytes(), bytes);
        checkpoint
    }

    fn root(&self, size: u64) -> TreeHash {
        *self.checkpoint(size).checkpoint().root()
    }

    /// Nodes of the tree of `size`, from the tiles that were published at that size.
    fn nodes(&self, size: u64) -> TileNodes<impl Fn(Tile) -> std::io::Result<Vec<u8>>> {
        TileNodes::new(size, |tile: Tile| std::fs::read(self.0.join(tile.to_string())))
    }

    /// Entries, from the bundle that was published at that size.
    fn entries(&self, size: u64) -> Vec<Vec<u8>> {
        let bytes = self.read(&format!("tile/entries/000.p/{size}"));
        let entries = read_bundle(&bytes, size as u16).expect("a bundle");
        entries.into_iter().map(<[u8]>::to_vec).collect()
    }
}

fn tessera_log() -> Option<TesseraLog> {
    data_of_others("tessera-log").map(TesseraLog)
}

#[test]
fn every_checkpoint_of_the_tessera_log_is_signed_by_its_key() {
    let Some(log) = tessera_log() else { return };
    let key: VerifierKey = TESSERA_KEY.parse().expect("the key beside the log");
    for size in 0..=TESSERA_SIZE {
        let checkpoint = log.checkpoint(size);
        assert_eq!(checkpoint.checkpoint().origin(), "example.com/log/testdata");
        assert_eq!(checkpoint.checkpoint().size(), size);
        assert_eq!(checkpoint.verify([&key]).expect("its key signed").len(), 1);
        // Another root under the same signature is no checkpoint of this log.
        let forged = checkpoint.to_string().replace(
            &checkpoint.checkpoint().root().to_string(),
            &TreeHash::of_leaf(b"something else").to_string(),
        );
        let forged = SignedCheckpoint::parse(forged.as_bytes()).expect("a checkpoint");
        assert_eq!(forged.verify([&key]), Err(NoteError::BadSignature(key.name().clone())));
    }
    assert_eq!(log.read("checkpoint"), log.read("checkpoint.15"));
}

#[test]
fn the_tiles_of_the_tessera_log_lead_to_its_roots() {
    let Some(log) = tessera_log() else { return };
    let entries = log.entries(TESSERA_SIZE);
    let mut frontier = Frontier::default();
    assert_eq!(frontier.root(), log.root(0));
    for size in 1..=TESSERA_SIZE {
        let entry = &entries[size as usize - 1];
        frontier.append(TreeHash::of_leaf(entry));
        assert_eq!(frontier.root(), log.root(size), "from the entries, at {size}");
        assert_eq!(merkle::root(&log.nodes(size), size).expect("tiles"), log.root(size), "from tiles");
        assert_eq!(log.entries(size), entries[..size as usize]);
        // Exactly these files, and what they hold.
        let names: Vec<String> = Tile::added(size - 1, size).map(|tile| tile.to_string()).collect();
        assert_eq!(names, [format!("tile/0/000.p/{size}"), format!("tile/entries/000.p/{size}")]);
        let hashes: Vec<u8> =
            entries[..size as usize].iter().flat_map(|e| *TreeHash::of_leaf(e).as_bytes()).collect();
        let tile = Tile { kind: Kind::Hashes(0), index: 0, width: size as u16 };
        assert_eq!(log.read(&tile.to_string()), hashes);
    }
}

#[test]
fn every_entry_of_the_tessera_log_is_proven_in_every_tree() {
    let Some(log) = tessera_log() else { return };
    let entries = log.entries(TESSERA_SIZE);
    let mut checked = 0;
    for size in 1..=TESSERA_SIZE {
        for index in 0..size {
            let proof = merkle::inclusion_proof(&log.nodes(TESSERA_SIZE), index, size).expect("tiles");
            let leaf = TreeHash::of_leaf(&entries[index as usize]);
            verify_inclusion(&leaf, index, size, &proof, &log.root(size)).expect("proven");
            let file = TlogProof::new(None, index, proof, log.checkpoint(size)).expect("a proof file");
            let file = TlogProof::parse(file.to_string().as_bytes()).expect("what was written");
            file.verify(&leaf).expect("proven");
            for other in (0..size).filter(|other| *other != index) {
                assert!(file.verify(&TreeHash::of_leaf(&entries[other as usize])).is_err());
            }
            checked += 1;
        }
    }
    assert_eq!(checked, TESSERA_SIZE * (TESSERA_SIZE + 1) / 2);
}

#[test]
fn every_two_checkpoints_of_the_tessera_log_are_consistent() {
    let Some(log) = tessera_log() else { return };
    let nodes = log.nodes(TESSERA_SIZE);
    let roots: Vec<TreeHash> = (0..=TESSERA_SIZE).map(|size| log.root(size)).collect();
    for new in 0..=TESSERA_SIZE {
        for old in 0..=new {
            let proof = merkle::consistency_proof(&nodes, old, new).expect("tiles");
            let (old_root, new_root) = (&roots[old as usize], &roots[new as usize]);
            verify_consistency(old, old_root, new, new_root, &proof).expect("consistent");
            for (size, other) in roots.iter().enumerate().filter(|(size, _)| *size as u64 != old) {
                assert!(verify_consistency(old, other, new, new_root, &proof).is_err(), "{size} for {old}");
            }
        }
    }
}

/// What `verify_strict` documents that it refuses beyond the equation of RFC 8032: `A` or `R` of small order. What is
/// not written canonically cannot be the `R` that it computes, and the equation is checked without the cofactor. All
/// non-canonical `A` of the vectors are of small order.
const REFUSED: [&str; 5] =
    ["low_order_A", "low_order_R", "non_canonical_A", "non_canonical_R", "low_order_residue"];

#[test]
fn of_the_ed25519_edge_cases_exactly_the_strict_ones_are_accepted() {
    let Some(folder) = data_of_others("cctv-ed25519") else { return };
    let text = std::fs::read_to_string(folder.join("ed25519vectors.json")).expect("the vectors");
    let vectors: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    let name: KeyName = "vectors.example/key".parse().expect("a key name");
    let (mut good, mut bad_keys, mut bad_signatures) = (0, 0, 0);
    for vector in &vectors {
        let field = |name: &str| hex::decode(vector[name].as_str().expect("a text")).expect("hexadecimal");
        let flags: Vec<&str> =
            vector["flags"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let expected = !flags.iter().any(|flag| REFUSED.contains(flag));
        let at = format!("vector {}: {flags:?}", vector["number"]);
        match VerifierKey::new(name.clone(), Algorithm::Ed25519, &field("key")) {
            Err(error) => {
                assert_eq!(error, KeyError::Point);
                // A key is only refused for what it is itself.
                assert!(flags.contains(&"low_order_A"), "{at}");
                bad_keys += 1;
            }
            Ok(key) => {
                // The vectors sign texts without a newline, which no note has: only the signature is looked at here.
                let value = [&key.key_id().as_bytes()[..], &field("sig")].concat();
                let line = format!("— {name} {}", BASE64.encode(value));
                let note = Note::parse(format!("text\n\n{line}\n").as_bytes()).expect("a note");
                let message = vector["msg"].as_str().expect("a text");
                let accepted = key.verify(message, &note.signatures()[0]).is_ok();
                assert_eq!(accepted, expected, "{at}");
                if accepted { good += 1 } else { bad_signatures += 1 }
            }
        }
    }
    assert_eq!(good + bad_keys + bad_signatures, vectors.len());
    // Every outcome must be there, or the test would prove nothing.
    assert!(good > 0 && bad_keys > 0 && bad_signatures > 0, "{good}, {bad_keys}, {bad_signatures}");
    println!("{good} accepted, {bad_keys} keys and {bad_signatures} signatures refused");
}
