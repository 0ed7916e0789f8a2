//! Golden vectors of the transparency log: `tests/vectors/tlog.json`, made by `tests/vectors/make.py`, which shares no
//! code with this project. A changed vector means a changed format. Never update one so that a test passes.

use daicho_tlog::merkle::{Frontier, Growth, consistency_proof, inclusion_proof, verify_consistency};
use daicho_tlog::tile::write_bundle_entry;
use daicho_tlog::witness::AddCheckpoint;
use daicho_tlog::{
    Algorithm, Checkpoint, KeyName, NoteSigner, Policy, SignedCheckpoint, TlogProof, TreeHash, VerifierKey,
};
use serde_json::Value;

const ALGORITHMS: [Algorithm; 3] =
    [Algorithm::Ed25519, Algorithm::CosignatureEd25519, Algorithm::CosignatureMlDsa44];

fn vectors() -> Value {
    let path = "../../tests/vectors/tlog.json";
    serde_json::from_str(&std::fs::read_to_string(path).expect("the vectors are part of the project"))
        .expect("JSON")
}

fn word(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(word(value)).expect("hexadecimal")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn hashes(value: &Value) -> Vec<TreeHash> {
    list(value).iter().map(|hash| TreeHash::from_slice(&bytes(hash)).expect("32 bytes")).collect()
}

fn signers(vectors: &Value) -> Vec<NoteSigner> {
    let signer = |key: &Value| {
        let name: KeyName = word(&key["name"]).parse().expect("a key name");
        let algorithm = ALGORITHMS.into_iter().find(|a| *a as u64 == key["type"]).expect("a known type");
        let seed = bytes(&key["seed"]).try_into().expect("32 bytes");
        NoteSigner::from_seed(name, algorithm, &seed).expect("a key")
    };
    list(&vectors["keys"]).iter().map(signer).collect()
}

fn tree(vectors: &Value) -> Growth {
    let entries = list(&vectors["entries"]).iter().map(|entry| TreeHash::of_leaf(word(entry).as_bytes()));
    Growth::new(&Frontier::default(), entries)
}

#[test]
fn keys_are_those_of_the_vectors() {
    let vectors = vectors();
    for (signer, expected) in signers(&vectors).iter().zip(list(&vectors["keys"])) {
        assert_eq!(signer.verifier().to_string(), word(&expected["vkey"]));
        assert_eq!(signer.verifier().key_id().to_string(), word(&expected["id"]));
        assert_eq!(*signer.to_secret_text(), word(&expected["secret"]));
        assert_eq!(word(&expected["vkey"]).parse::<VerifierKey>().as_ref(), Ok(signer.verifier()));
        let read: NoteSigner = word(&expected["secret"]).parse().expect("a secret key");
        assert_eq!(read.verifier(), signer.verifier());
    }
}

#[test]
fn hashes_and_proofs_are_those_of_the_vectors() {
    let vectors = vectors();
    let tree = tree(&vectors);
    assert_eq!(tree.new_nodes(0).1, hashes(&vectors["leaves"]));
    let mut frontier = Frontier::default();
    for (size, root) in hashes(&vectors["roots"]).into_iter().enumerate() {
        assert_eq!((frontier.size(), frontier.root()), (size as u64, root));
        if let Some(leaf) = tree.new_nodes(0).1.get(size) {
            frontier.append(*leaf);
        }
    }
    assert_eq!(inclusion_proof(&tree, 4, 7), Ok(hashes(&vectors["inclusion_of_4_in_7"])));
    assert_eq!(consistency_proof(&tree, 3, 7), Ok(hashes(&vectors["consistency_of_3_in_7"])));

    let tiles = &vectors["tiles"];
    let leaves: Vec<u8> = tree.new_nodes(0).1.iter().flat_map(|leaf| *leaf.as_bytes()).collect();
    assert_eq!(leaves, bytes(&tiles["tile/0/000.p/7"]));
    let mut bundle = Vec::new();
    for entry in list(&vectors["entries"]) {
        write_bundle_entry(&mut bundle, word(entry).as_bytes()).expect("short");
    }
    assert_eq!(bundle, bytes(&tiles["tile/entries/000.p/7"]));
}

#[test]
fn signatures_are_those_of_the_vectors() {
    let vectors = vectors();
    let (signers, time) = (signers(&vectors), vectors["time"].as_u64().expect("a number"));
    let note = SignedCheckpoint::parse(word(&vectors["note"]).as_bytes()).expect("a checkpoint");
    assert_eq!(note.to_string(), word(&vectors["note"]));
    let made = Checkpoint::new("vectors.example/ledger", 7, tree(&vectors).root()).expect("an origin");
    assert_eq!(*note.checkpoint(), made);
    let keys: Vec<VerifierKey> = signers.iter().map(|signer| signer.verifier().clone()).collect();
    let verified = note.verify(&keys).expect("every signature holds");
    assert_eq!(verified.iter().map(|v| v.key).collect::<Vec<_>>(), keys.iter().collect::<Vec<_>>());
    assert_eq!(
        verified.iter().map(|v| v.timestamp).collect::<Vec<_>>(),
        [None, Some(time), Some(time), Some(time)]
    );
    for (signer, expected) in signers.iter().zip(note.signatures()) {
        let ours = signer.sign(note.text(), time).expect("a checkpoint");
        // The script signs with randomness where ML-DSA-44 allows it.
        if signer.verifier().algorithm() != Algorithm::CosignatureMlDsa44 {
            assert_eq!(ours, *expected);
        }
    }
}

#[test]
fn files_are_those_of_the_vectors() {
    let vectors = vectors();
    let tree = tree(&vectors);
    let note = SignedCheckpoint::parse(word(&vectors["note"]).as_bytes()).expect("a checkpoint");
    let proof = TlogProof::new(None, 4, hashes(&vectors["inclusion_of_4_in_7"]), note.clone()).expect("few");
    assert_eq!(proof.to_string(), word(&vectors["proof"]));
    assert_eq!(TlogProof::parse(word(&vectors["proof"]).as_bytes()).as_ref(), Ok(&proof));
    proof.verify(&TreeHash::of_leaf(b"five")).expect("leaf 4");

    let request =
        AddCheckpoint::new(3, hashes(&vectors["consistency_of_3_in_7"]), note.clone()).expect("few");
    assert_eq!(request.to_string(), word(&vectors["add_checkpoint"]));
    assert_eq!(AddCheckpoint::parse(word(&vectors["add_checkpoint"]).as_bytes()).as_ref(), Ok(&request));
    let old_root = hashes(&vectors["roots"])[3];
    verify_consistency(3, &old_root, 7, &tree.root(), request.proof()).expect("consistent");

    let policy = Policy::parse(word(&vectors["policy"]).as_bytes()).expect("a policy");
    assert_eq!(policy.to_bytes(), word(&vectors["policy"]).as_bytes());
    let trust = policy.check(&note).expect("trusted");
    assert_eq!((trust.logs.len(), trust.witnesses.len()), (2, 2));
}
