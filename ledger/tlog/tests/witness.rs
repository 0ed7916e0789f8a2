//! The add-checkpoint call: each status of C2SP tlog-witness, in the order of its checks.

use std::convert::Infallible;

use daicho_tlog::merkle::{self, Frontier, Growth, ProofError};
use daicho_tlog::witness::{
    AddCheckpoint, MAX_REQUEST_BYTES, Rejection, RequestError, decide, monitoring_path, parse_cosignatures,
};
use daicho_tlog::{Algorithm, Checkpoint, NoteError, NoteSigner, SignedCheckpoint, TreeHash, VerifierKey};

const ORIGIN: &str = "example.com/ledger";

fn signer(seed: u8) -> NoteSigner {
    NoteSigner::from_seed(ORIGIN.parse().expect("a key name"), Algorithm::Ed25519, &[seed; 32])
        .expect("a key")
}

fn keys() -> Vec<VerifierKey> {
    vec![signer(1).verifier().clone()]
}

fn tree() -> Growth {
    Growth::new(&Frontier::default(), (0..40u8).map(|n| TreeHash::of_leaf(&[n])))
}

fn root(size: u64) -> TreeHash {
    let Ok(root): Result<_, Infallible> = merkle::root(&tree(), size);
    root
}

fn proof(old: u64, new: u64) -> Vec<TreeHash> {
    let Ok(proof): Result<_, Infallible> = merkle::consistency_proof(&tree(), old, new);
    proof
}

fn signed(size: u64, root: TreeHash, by: &NoteSigner) -> SignedCheckpoint {
    let checkpoint = Checkpoint::new(ORIGIN, size, root).expect("an origin");
    let signature = by.sign(&checkpoint.to_string(), 0).expect("a text");
    SignedCheckpoint::new(checkpoint, vec![signature]).expect("a note")
}

fn request(old: u64, proof: Vec<TreeHash>, checkpoint: SignedCheckpoint) -> AddCheckpoint {
    AddCheckpoint::new(old, proof, checkpoint).expect("few hashes")
}

fn honest(old: u64, new: u64) -> AddCheckpoint {
    request(old, proof(old, new), signed(new, root(new), &signer(1)))
}

#[test]
fn what_goes_on_from_the_last_is_cosigned() {
    for old in 0..=17 {
        for new in old..=17 {
            let latest = Some((old, root(old)));
            assert_eq!(decide(latest, &keys(), &honest(old, new)), Ok(()), "{old} to {new}");
        }
        assert_eq!(decide(None, &keys(), &honest(0, old)), Ok(()), "the first, of size {old}");
    }
}

#[test]
fn every_refusal_has_its_status() {
    let latest = Some((10, root(10)));
    let other = TreeHash::of_leaf(b"another view");
    let ours = signer(1);
    let check = |latest, request: &AddCheckpoint, status: u16, expected: Rejection| {
        let rejection = decide(latest, &keys(), request).expect_err("not to be cosigned");
        assert_eq!((rejection.status(), &rejection), (status, &expected));
    };
    assert_eq!(decide(latest, &[], &honest(10, 20)), Err(Rejection::UnknownOrigin));
    assert_eq!(Rejection::UnknownOrigin.status(), 404);

    let stranger = request(10, proof(10, 20), signed(20, root(20), &signer(2)));
    check(latest, &stranger, 403, Rejection::Signature(NoteError::Unverified));
    let mut spoilt = signed(20, root(20), &ours);
    spoilt.add(signed(21, root(21), &ours).signatures().to_vec()).expect("few");
    let bad = NoteError::BadSignature(keys()[0].name().clone());
    check(latest, &request(10, proof(10, 20), spoilt), 403, Rejection::Signature(bad));

    let backwards = request(21, vec![], signed(20, root(20), &ours));
    check(latest, &backwards, 400, Rejection::OldAboveNew { old: 21, size: 20 });

    check(latest, &honest(9, 20), 409, Rejection::Conflict { latest: 10 });
    check(latest, &honest(0, 20), 409, Rejection::Conflict { latest: 10 });
    check(latest, &honest(11, 20), 409, Rejection::Conflict { latest: 10 });
    check(None, &honest(9, 20), 409, Rejection::Conflict { latest: 0 });

    check(None, &request(0, vec![], signed(0, other, &ours)), 422, Rejection::EmptyRoot);

    check(latest, &request(10, vec![], signed(10, other, &ours)), 422, Rejection::OtherRoot);

    let with_proof = request(0, vec![other], signed(20, root(20), &ours));
    check(None, &with_proof, 422, Rejection::Inconsistent(ProofError::Length { found: 1 }));
    let with_proof = request(10, vec![other], signed(10, root(10), &ours));
    check(latest, &with_proof, 422, Rejection::Inconsistent(ProofError::Length { found: 1 }));
    let forked = request(10, proof(10, 20), signed(20, other, &ours));
    check(latest, &forked, 422, Rejection::Inconsistent(ProofError::Root));
    let mut changed = proof(10, 20);
    changed[0] = other;
    let changed = request(10, changed, signed(20, root(20), &ours));
    check(latest, &changed, 422, Rejection::Inconsistent(ProofError::Root));
    let short = request(10, vec![], signed(20, root(20), &ours));
    check(latest, &short, 422, Rejection::Inconsistent(ProofError::Length { found: 0 }));
    // What the witness itself holds decides, not what the log says of it.
    let rewritten = Some((10, other));
    check(rewritten, &honest(10, 20), 422, Rejection::Inconsistent(ProofError::Root));

    let malformed = Rejection::from(AddCheckpoint::parse(b"").expect_err("no request"));
    assert_eq!(malformed.status(), 400);
}

#[test]
fn of_two_faults_the_earlier_check_answers() {
    let other = TreeHash::of_leaf(b"another view");
    let status = |latest, old, proof: Vec<TreeHash>, size, by: &NoteSigner| {
        let rejection = decide(latest, &keys(), &request(old, proof, signed(size, other, by)));
        rejection.expect_err("not to be cosigned").status()
    };
    let latest = Some((10, root(10)));
    let (ours, stranger) = (signer(1), signer(2));
    // Signature before sizes; sizes before the state; the state before the proof.
    assert_eq!(status(latest, 21, vec![], 20, &stranger), 403);
    assert_eq!(status(latest, 21, vec![other], 20, &ours), 400);
    assert_eq!(status(latest, 9, vec![other], 20, &ours), 409);
    assert_eq!(status(latest, 0, vec![other], 0, &ours), 409);
    assert_eq!(status(None, 0, vec![other], 0, &ours), 422);
}

#[test]
fn a_log_may_sign_with_several_keys_of_which_one_is_enough() {
    let checkpoint = Checkpoint::new(ORIGIN, 20, root(20)).expect("an origin");
    let pq =
        NoteSigner::from_seed(ORIGIN.parse().expect("a key name"), Algorithm::CosignatureMlDsa44, &[3; 32])
            .expect("a key");
    let text = checkpoint.to_string();
    let signatures = vec![pq.sign(&text, 0).expect("a text"), signer(1).sign(&text, 0).expect("a text")];
    let both = SignedCheckpoint::new(checkpoint, signatures).expect("a note");
    let request = request(10, proof(10, 20), both);
    let latest = Some((10, root(10)));
    for trusted in [vec![pq.verifier().clone()], keys(), vec![pq.verifier().clone(), keys()[0].clone()]] {
        assert_eq!(decide(latest, &trusted, &request), Ok(()));
    }
}

#[test]
fn a_request_has_one_form() {
    let good = honest(10, 20).to_string();
    assert_eq!(AddCheckpoint::parse(good.as_bytes()), Ok(honest(10, 20)));
    let first = proof(10, 20)[0].to_string();
    let hash = |number| RequestError::Hash { number };
    for (bad, expected) in [
        ("", RequestError::NoCheckpoint),
        ("old 0\n", RequestError::NoCheckpoint),
        (&good.replacen("\n\n", "\n", 1), hash(proof(10, 20).len() + 1)),
        (&good.replacen("old 10\n", "", 1), RequestError::OldSize),
        (&good.replacen("old 10", "old 010", 1), RequestError::OldSize),
        (&good.replacen("old 10", "old  10", 1), RequestError::OldSize),
        (&good.replacen("old 10", "old +10", 1), RequestError::OldSize),
        (&good.replacen("old 10", "Old 10", 1), RequestError::OldSize),
        (&good.replacen("old 10", "old 10 ", 1), RequestError::OldSize),
        (&good.replacen("old 10", "old 18446744073709551616", 1), RequestError::OldSize),
        (&good.replacen(&first, &first[..43], 1), hash(1)),
        (&good.replacen(&first, &format!("{first} "), 1), hash(1)),
        (&good.replacen(&first, &format!("{first}\r"), 1), hash(1)),
        (
            &good.replacen("\n\n", "\n\n\n", 1),
            RequestError::Checkpoint(NoteError::NoCheckpoint(daicho_tlog::CheckpointError::Origin)),
        ),
        (&format!("{good}\n"), RequestError::Checkpoint(NoteError::NoSignatures)),
        (&good[..good.len() - 1], RequestError::Checkpoint(NoteError::Shape)),
    ] {
        assert_eq!(AddCheckpoint::parse(bad.as_bytes()), Err(expected), "{bad:?}");
    }
    assert_eq!(AddCheckpoint::parse(b"old 1\xff"), Err(RequestError::Utf8));
    let bytes = MAX_REQUEST_BYTES + 1;
    assert_eq!(AddCheckpoint::parse(&vec![b'o'; bytes]), Err(RequestError::TooLarge { bytes }));

    let checkpoint = signed(20, root(20), &signer(1));
    let most = AddCheckpoint::new(1, vec![root(1); 63], checkpoint.clone()).expect("63 hashes");
    assert_eq!(AddCheckpoint::parse(most.to_string().as_bytes()), Ok(most.clone()));
    let more = most.to_string().replacen("old 1\n", &format!("old 1\n{}\n", root(1)), 1);
    assert_eq!(AddCheckpoint::parse(more.as_bytes()), Err(RequestError::TooManyHashes));
    assert_eq!(AddCheckpoint::new(1, vec![root(1); 64], checkpoint), Err(RequestError::TooManyHashes));
}

#[test]
fn an_answer_is_signature_lines_and_nothing_else() {
    let line = signed(20, root(20), &signer(1)).signatures()[0].to_string();
    assert_eq!(parse_cosignatures(format!("{line}\n").as_bytes()).expect("one line").len(), 1);
    for (bad, expected) in [
        (String::new(), NoteError::NoSignatures),
        (line.clone(), NoteError::Shape),
        ("\n".into(), NoteError::SignatureLine { line: 1 }),
        (format!("\n{line}\n"), NoteError::SignatureLine { line: 1 }),
        (format!("{line}\n\n"), NoteError::SignatureLine { line: 2 }),
        (format!("{line}\r\n"), NoteError::Control('\r')),
        (format!("{line}\n").repeat(101), NoteError::TooManySignatures),
    ] {
        assert_eq!(parse_cosignatures(bad.as_bytes()), Err(expected), "{bad:?}");
    }
}

#[test]
fn the_monitoring_path_is_the_hash_of_the_origin() {
    // printf %s example.com/behind-the-sofa | sha256sum
    assert_eq!(
        monitoring_path("example.com/behind-the-sofa"),
        "5fd2dc0beb4ce54da5050cf6d5c75248b023abad441c3cecde3976fbe9da4fe4/checkpoint"
    );
}
