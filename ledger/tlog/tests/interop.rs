//! Against implementations that are not ours: `signed_note` and `tlog_tiles` of Cloudflare, ports of Go's `sumdb`.
//! What we write they must accept, and we what they write.

use daicho_tlog::merkle::{self, Frontier, Growth, verify_consistency, verify_inclusion};
use daicho_tlog::tile::{HEIGHT, Kind, Tile, TileNodes};
use daicho_tlog::{
    Algorithm, Checkpoint, KeyName, Note, NoteSigner, SignedCheckpoint, TreeHash, VerifierKey,
};
use proptest::prelude::*;
use signed_note::{Signer as _, StandardSigner, StandardVerifier, Verifier as _, VerifierList};
use tlog_tiles::{Hash, TileHashReader, TileReader};

fn signer(name: &str, algorithm: Algorithm, seed: u8) -> NoteSigner {
    let name: KeyName = name.parse().expect("a key name");
    NoteSigner::from_seed(name, algorithm, &[seed; 32]).expect("a key")
}

fn known(keys: &[&VerifierKey]) -> VerifierList {
    let verifier = |key: &&VerifierKey| -> Box<dyn signed_note::Verifier> {
        Box::new(StandardVerifier::new(&key.to_string()).expect("our key"))
    };
    VerifierList::new(keys.iter().map(verifier).collect())
}

#[test]
fn keys_and_notes_are_theirs_and_ours() {
    for seed in 0..20 {
        let ours = signer("interop.example/ledger", Algorithm::Ed25519, seed);
        let theirs = StandardSigner::new(&ours.to_secret_text()).expect("our secret text");
        let (name, id) = (ours.verifier().name().as_str(), ours.verifier().key_id());
        assert_eq!((theirs.name(), theirs.key_id().to_be_bytes()), (name, *id.as_bytes()));

        let text = format!("line {seed}\n\n二行目\n");
        let note = Note::new(text.clone(), vec![ours.sign(&text, 0).expect("a text")]).expect("a note");
        let mut other = signed_note::Note::new(text.as_bytes(), &[]).expect("a text");
        other.add_sigs(&[&theirs]).expect("signed");
        assert_eq!(note.to_string().as_bytes(), other.to_bytes());

        let read = signed_note::Note::from_bytes(note.to_string().as_bytes()).expect("our note");
        let (verified, _) = read.verify(&known(&[ours.verifier()])).expect("our signature");
        assert_eq!(verified.len(), 1);
        let read = Note::parse(&other.to_bytes()).expect("their note");
        assert_eq!(read.verify([ours.verifier()]).expect("their signature").len(), 1);
    }
}

#[test]
fn they_read_a_checkpoint_with_signatures_of_every_algorithm() {
    let origin = "interop.example/ledger";
    let log = signer(origin, Algorithm::Ed25519, 1);
    let log_pq = signer(origin, Algorithm::CosignatureMlDsa44, 2);
    let witness = signer("w.example", Algorithm::CosignatureEd25519, 3);
    let witness_pq = signer("w.example", Algorithm::CosignatureMlDsa44, 4);
    let checkpoint = Checkpoint::new(origin, 20_852_163, TreeHash::of_leaf(b"x")).expect("an origin");
    let text = checkpoint.to_string();
    let time = 1_764_547_200;
    let signatures =
        [&log, &log_pq, &witness, &witness_pq].map(|s| s.sign(&text, time).expect("a checkpoint")).to_vec();
    let cosignature = signatures[2].value()[8..].to_vec();
    let signed = SignedCheckpoint::new(checkpoint, signatures).expect("a note");

    let read = signed_note::Note::from_bytes(signed.to_string().as_bytes()).expect("our note");
    let (verified, others) = read.verify(&known(&[log.verifier()])).expect("our signature");
    // They know nothing of cosignatures: those are left alone, as the specification asks.
    assert_eq!((verified.len(), others.len()), (1, 3));
    let theirs = tlog_tiles::Checkpoint::from_bytes(read.text()).expect("our checkpoint");
    assert_eq!((theirs.origin(), theirs.size()), (origin, 20_852_163));
    assert_eq!((theirs.hash().0, theirs.extension()), (*TreeHash::of_leaf(b"x").as_bytes(), ""));
    assert_eq!(theirs.to_bytes(), text.as_bytes());

    // Their Ed25519 over the message that the specification prints, under the key of our witness.
    let plain = VerifierKey::new(
        witness.verifier().name().clone(),
        Algorithm::Ed25519,
        witness.verifier().public_key(),
    )
    .expect("a key");
    let their_key = StandardVerifier::new(&plain.to_string()).expect("our key");
    let message = format!("cosignature/v1\ntime {time}\n{text}");
    assert!(their_key.verify(message.as_bytes(), &cosignature));
    assert!(!their_key.verify(text.as_bytes(), &cosignature));
}

#[test]
fn a_checkpoint_of_theirs_with_extension_lines_is_read() {
    let theirs =
        tlog_tiles::Checkpoint::new("their log, 名", 7, Hash([9; 32]), "first\nsecond +\n").expect("valid");
    let bytes = theirs.to_bytes();
    let ours = Checkpoint::parse(str::from_utf8(&bytes).expect("UTF-8")).expect("their checkpoint");
    assert_eq!((ours.origin(), ours.size()), ("their log, 名", 7));
    assert_eq!(ours.extensions(), ["first", "second +"]);
    assert_eq!(ours.to_string().as_bytes(), bytes);
}

/// Their path has the height of tiles in it, and other words for entries.
fn path_of_theirs(tile: &tlog_tiles::Tile) -> String {
    tile.path().replacen("tile/8/", "tile/", 1).replacen("tile/data/", "tile/entries/", 1)
}

proptest! {
    #[test]
    fn paths_of_tiles_are_the_same(level in 0..=63u8, index: u64, width in 1..=256u16, entries: bool) {
        let ours = Tile { kind: if entries { Kind::Entries } else { Kind::Hashes(level) }, index, width };
        let level = if entries { 0 } else { level };
        let theirs = tlog_tiles::Tile::new(HEIGHT, level, index, width.into(), entries);
        prop_assert_eq!(ours.to_string(), path_of_theirs(&theirs));
        prop_assert_eq!(ours.to_string().parse::<Tile>(), Ok(ours));
    }

    #[test]
    fn the_same_tiles_are_new(old in 0..200_000u64, added in 0..2_000u64) {
        let (old, new) = (old, old + added);
        let theirs: Vec<String> =
            tlog_tiles::Tile::new_tiles(HEIGHT, old, new).iter().map(path_of_theirs).collect();
        let ours: Vec<String> = Tile::added(old, new)
            .filter(|tile| tile.kind != Kind::Entries)
            .map(|tile| tile.to_string())
            .collect();
        prop_assert_eq!(ours, theirs);
    }
}

/// Our tree, its tiles served to their reader, which checks each against the root.
struct Tiles(Growth);

impl Tiles {
    fn of(size: u64) -> Self {
        Self(Growth::new(&Frontier::default(), (0..size).map(leaf)))
    }

    fn bytes(&self, level: u8, index: u64, width: u64) -> Vec<u8> {
        let (_, nodes) = self.0.new_nodes(level * HEIGHT);
        let start = (index * 256) as usize;
        nodes[start..start + width as usize].iter().flat_map(|hash| *hash.as_bytes()).collect()
    }

    fn ours(&self, size: u64) -> TileNodes<impl Fn(Tile) -> Result<Vec<u8>, std::convert::Infallible>> {
        TileNodes::new(size, |tile: Tile| {
            let Kind::Hashes(level) = tile.kind else { panic!("hashes are asked for") };
            Ok(self.bytes(level, tile.index, tile.width.into()))
        })
    }
}

impl TileReader for Tiles {
    fn height(&self) -> u8 {
        HEIGHT
    }

    fn read_tiles(&self, tiles: &[tlog_tiles::Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        Ok(tiles
            .iter()
            .map(|tile| self.bytes(tile.level(), tile.level_index(), tile.width().into()))
            .collect())
    }

    fn save_tiles(&self, _: &[tlog_tiles::Tile], _: &[Vec<u8>]) {}
}

fn leaf(index: u64) -> TreeHash {
    TreeHash::of_leaf(&index.to_be_bytes())
}

fn theirs(hash: &TreeHash) -> Hash {
    Hash(*hash.as_bytes())
}

fn list_of_theirs(hashes: &[TreeHash]) -> Vec<Hash> {
    hashes.iter().map(theirs).collect()
}

fn list_of_ours(hashes: &[Hash]) -> Vec<TreeHash> {
    hashes.iter().map(|hash| TreeHash::from(hash.0)).collect()
}

#[test]
fn leaves_and_nodes_hash_the_same() {
    assert_eq!(theirs(&TreeHash::of_empty()), tlog_tiles::EMPTY_HASH);
    assert_eq!(theirs(&TreeHash::of_leaf(b"entry")), tlog_tiles::record_hash(b"entry"));
    let (left, right) = (leaf(1), leaf(2));
    assert_eq!(
        theirs(&TreeHash::of_children(&left, &right)),
        tlog_tiles::node_hash(theirs(&left), theirs(&right))
    );
}

#[test]
fn roots_and_proofs_from_tiles_are_the_same_and_hold_on_both_sides() {
    let sizes = [1u64, 2, 3, 7, 255, 256, 257, 1_000, 65_535, 65_536, 65_537, 66_000];
    let tiles = Tiles::of(66_000);
    for (n, &size) in sizes.iter().enumerate() {
        let root = merkle::root(&tiles.ours(size), size).expect("tiles");
        let reader = TileHashReader::new(size, theirs(&root), &tiles);
        assert_eq!(tlog_tiles::tree_hash(size, &reader).expect("checked against the root"), theirs(&root));

        for index in [0, 1, size / 3, size / 2, size.saturating_sub(2), size - 1] {
            let Some(index) = (index < size).then_some(index) else { continue };
            let ours = merkle::inclusion_proof(&tiles.ours(size), index, size).expect("tiles");
            let proof = tlog_tiles::prove_record(size, index, &reader).expect("tiles");
            assert_eq!(proof, list_of_theirs(&ours), "leaf {index} of {size}");
            tlog_tiles::check_record(
                &list_of_theirs(&ours),
                size,
                theirs(&root),
                index,
                theirs(&leaf(index)),
            )
            .expect("ours holds for them");
            verify_inclusion(&leaf(index), index, size, &list_of_ours(&proof), &root)
                .expect("theirs holds for us");
        }

        for &old in &sizes[..=n] {
            let old_root = merkle::root(&tiles.ours(old), old).expect("tiles");
            let ours = merkle::consistency_proof(&tiles.ours(size), old, size).expect("tiles");
            let proof = tlog_tiles::prove_tree(size, old, &reader).expect("tiles");
            assert_eq!(proof, list_of_theirs(&ours), "{old} to {size}");
            tlog_tiles::check_tree(&list_of_theirs(&ours), size, theirs(&root), old, theirs(&old_root))
                .expect("ours holds for them");
            verify_consistency(old, &old_root, size, &root, &list_of_ours(&proof))
                .expect("theirs holds for us");
        }
    }
}

#[test]
fn both_sides_refuse_the_same_broken_proofs() {
    let (size, tiles) = (1_000, Tiles::of(1_000));
    let root = merkle::root(&tiles.ours(size), size).expect("tiles");
    let refused = |index: u64, proof: &[TreeHash]| {
        let ours = verify_inclusion(&leaf(index), index, size, proof, &root);
        let other = tlog_tiles::check_record(
            &list_of_theirs(proof),
            size,
            theirs(&root),
            index,
            theirs(&leaf(index)),
        );
        assert!(ours.is_err() && other.is_err(), "leaf {index}: {ours:?}, {other:?}");
    };
    for index in (0..size).step_by(97) {
        let proof = merkle::inclusion_proof(&tiles.ours(size), index, size).expect("tiles");
        refused(index, &proof[1..]);
        refused(index, &proof[..proof.len() - 1]);
        refused(index, &[&proof[..], &[root]].concat());
        refused((index + 1) % size, &proof);
        let mut swapped = proof.clone();
        swapped.swap(0, 1);
        refused(index, &swapped);
    }
}

/// What the certificate log Google Argon 2020 answered (RFC 6962), as `tlog_tiles` keeps it: its root at this size,
/// the proof of leaf 10,000, and the proof that it goes on from an earlier size.
const ARGON_SIZE: u64 = 961_984_011;
const ARGON_ROOT: &str = "AWxD3p811N3m4WTinWRXPvBZHfT9IR9g/R4C7SKLPiU=";
const ARGON_LEAF: &str = "nCs3mfIydh9x4CKyQ+u2xtmpxmFggA5MLymHwNQSlLg="; // leaf 10,000
const ARGON_OLD_SIZE: u64 = 3_654_490;
const ARGON_OLD_ROOT: &str = "AuIZ5V6sDUj1vn3Y1K85oOaQ7y+FJJKtyRTl1edIKBQ=";
const ARGON_INCLUSION: [&str; 30] = [
    "T46AmJsuOM/gFiGlUp+IJJebp+1Z5qratFNW7U0JyOQ=",
    "9Jj1Feodn42uRYEfffkV4HF/EIPFQ5Zo9IwkxbQ2uhk=",
    "D53/1oCNebF4J59HHgioovKZxrmrKcVuCVhy3Izg8Ck=",
    "wSFDgGSrsXRPA+1c8WHoAFCsWeUv8NDyP/Q/SgsyVyY=",
    "516/RcwsgdwdzHn18v1dJHqBkgFUbNhmCIWOGjsMJaE=",
    "naTFY2ajLFgrgs5XUl+zJYZnnlJksLGsA1VYwpLfqbY=",
    "mKBRJo6qao+0Kdh/rhGkZUbHUAxMhrtrclrTpIbNjIg=",
    "Co4ueOFE7lpifLio94irxxsv1wFMMaK3tPu2ZQkHlro=",
    "yRgy800K6JMYCC05sWfqF2kvCg2riT/pVM+nEa6V5+0=",
    "n2O38XJZC8/Wpbwi9HhgVizlUyeUHVZvYyQB1607MRc=",
    "go3tAjuNfNSCj87y2Rg1xOroDknGN1eaf3cgvzObf7Q=",
    "8D0Mj3/J7ySSnFb0afIHYXv6rlOhECnsebY6XKi1IR8=",
    "6rcez46ZU8M5vPiWVMAUfJfAOV0pPP/mch/lYzZhj/M=",
    "2rtIeXrPvSdUyHc5maIgSAVB2BzaKaupWxSAiVayDE4=",
    "nniW/IMFQPN5xw8UsHFn7CRStYbm1gLu7NNa6kkRqJQ=",
    "mRPPi7sQS22MduIEyvcNzCNFqIt6kLwYPkNKrVtIcu8=",
    "JvTivzESNS9wHI8aph5a7uieVmtS/p9PciMZ5D6GyOo=",
    "UTyQd+Ym0wY4zG+qK806bBORwi1CSVvFQ/KknnqoZj8=",
    "hXODrqN+ff+U6zPqRQ+ZQKs6im1fPcxIerDSfNwflhE=",
    "II6GE+WY/DrpZzfHztLwkR46o37zVkNLCyPYlf68zA0=",
    "d609kWWcNBllbA8Jb/ad4XAVVGnScLRmtP8FYyr+Dck=",
    "rikBsP0G0gioXRpBFED2CzQdSLrGPvRd0bEcbEZw1rI=",
    "GXIElfmnRuWfbA4z7ubV/UwlpSRUbUeec7oL5HDDnh0=",
    "pR0SH/NYP6s9+8azWwaeUXA4Ze/3WCIgMfh5YW6wvcE=",
    "f3GuAKYVrF8RBg3s15jvA/YvV9oAliWtzP/imwPhQVA=",
    "WHn8zDxlVgkV+lSlmzaOdfSBrTHoRr5nT3d76q0KKWE=",
    "f2uV2ZxVgULzLPKuZcowRY3ZY7fRlX59iDBjV1R8kNQ=",
    "NzQVjJsvQwbi7WStMr9oFkh9VbHfK7LB6o7WwAqwNTs=",
    "C0LttBeYHZHgL+032JIcJC3CTBIyza/hsbmJUgJfmDI=",
    "30HzZbwT4DdqHQi4f7+WRG6M4YwVGaKgGXicDvSFT6k=",
];
const ARGON_CONSISTENCY: [&str; 30] = [
    "80Sfbj6UQEdVSZCSIgh9NMPj3vCBzcc1A48B2crJSWg=",
    "FZcrgAHUk6nNPviJZq8kEK6jCG1d18pJOFE45ZDc1TQ=",
    "Q67reWXmPBo1UfmwBap4Xi9PMPfFdUSSw3WGlRZdG7k=",
    "eJ7CyhR4PxzBxDIsWgrVYW1eFUb9ndgf46tFmiqVrxA=",
    "QrDwp062Grm5WY8KdrhFsBuuNjGzRox2Jb8PmVL5OYw=",
    "XM4YMjMEdLH/XJam/ZWyaP14k3cmsOtnPsOWQ54lW1s=",
    "SGiBh+jOTGccXU48ZzgQ88lRcBmtB4wz4oSDndv2QTg=",
    "WAS6txqNLYKGL1GdBdpqmV42TTfn6cJsuDsqLXuTCNI=",
    "QFmRS0rirUA7ZN3lxFjDncV+E1OCrn3NUB4RCp+5fzc=",
    "Hdbp7It2XBNZmNDBpCN/KPd7vfVqxgzwOosqVIaEA9E=",
    "mxvHL0ZiblBdD7j7pIa1jlfB0gSqfJ6oX0UGo7L0VsU=",
    "q5hjyvoW6TL/PThgcitpDcSTrnKX2p1+aqscqH2euRA=",
    "jTOWDqt3IHj2NVFeezyBz2ofpru+ztEywqKUAfFclKI=",
    "GIRn0w3HqJdvU9j1WVD//eR6lk2AaTVjyzjsJNP8U88=",
    "x52GJvxG81fnQBrgOTbll1A5tz95/LXK0Ag1NhB0r1I=",
    "6/0OqrcTgc3o5dD5PymmoC96lB9yLPFuTHVvLy8fSGk=",
    "Gf+iKLfcXO5l4JEFmsZvSdG5q1uEeWPfYLrds6pmjz0=",
    "DGuaco+McyM3AfRSF6qX7RwSetwe2ieYJmxw5e9rVx0=",
    "2tQJ9V32hnYp+fdpP6TcjmgJmLeNVOMKM0Ml1kk4cNU=",
    "3PapK+IkyJr8I9yAErAmzuZezzLMzsg+PfeRCgNW8NQ=",
    "s6xiYeejb+wtqHA+URJZ2I/SCPyIW8coP6aB00FJbMY=",
    "z9lSpmdTcr5M5ZzKlc4EPh3SrSypKFdk6JUF/UccaZU=",
    "GXIElfmnRuWfbA4z7ubV/UwlpSRUbUeec7oL5HDDnh0=",
    "pR0SH/NYP6s9+8azWwaeUXA4Ze/3WCIgMfh5YW6wvcE=",
    "f3GuAKYVrF8RBg3s15jvA/YvV9oAliWtzP/imwPhQVA=",
    "WHn8zDxlVgkV+lSlmzaOdfSBrTHoRr5nT3d76q0KKWE=",
    "f2uV2ZxVgULzLPKuZcowRY3ZY7fRlX59iDBjV1R8kNQ=",
    "NzQVjJsvQwbi7WStMr9oFkh9VbHfK7LB6o7WwAqwNTs=",
    "C0LttBeYHZHgL+032JIcJC3CTBIyza/hsbmJUgJfmDI=",
    "30HzZbwT4DdqHQi4f7+WRG6M4YwVGaKgGXicDvSFT6k=",
];

#[test]
fn the_proofs_of_a_log_of_a_billion_certificates_hold() {
    let hash = |text: &str| TreeHash::from_base64(text).expect("32 bytes");
    let [inclusion, consistency] = [&ARGON_INCLUSION[..], &ARGON_CONSISTENCY[..]]
        .map(|list| list.iter().map(|h| hash(h)).collect::<Vec<_>>());
    let root = hash(ARGON_ROOT);
    verify_inclusion(&hash(ARGON_LEAF), 10_000, ARGON_SIZE, &inclusion, &root).expect("included");
    verify_consistency(ARGON_OLD_SIZE, &hash(ARGON_OLD_ROOT), ARGON_SIZE, &root, &consistency)
        .expect("consistent");
    assert!(verify_inclusion(&hash(ARGON_LEAF), 10_001, ARGON_SIZE, &inclusion, &root).is_err());
    assert!(
        verify_consistency(ARGON_OLD_SIZE + 1, &hash(ARGON_OLD_ROOT), ARGON_SIZE, &root, &consistency)
            .is_err()
    );
}
