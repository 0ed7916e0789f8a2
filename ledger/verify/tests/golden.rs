//! Golden vectors of receipts, proofs of a fork and bundles: `tests/vectors/receipt.json`, made by
//! `tests/vectors/make.py`, which shares no code with this project. A changed vector means a changed format. Never update
//! one so that a test passes.

#[path = "common/vectors.rs"]
mod vectors;

use std::io::Read as _;

use daicho_core::EntryIndex;
use daicho_tlog::TreeHash;
use daicho_verify::bundle::{Checks, Claim, Proven, verify, write_selective};
use daicho_verify::{Evidence, ForkProof, Proves, Receipt};
use vectors::{Vectors, word};

#[test]
fn the_receipt_of_the_vectors_is_proven_and_written_as_it_was_read() {
    let vectors = Vectors::read();
    let text = word(&vectors.json["receipt"]);
    let receipt = Receipt::parse(text.as_bytes()).expect("a receipt");
    assert_eq!(receipt.to_string(), text);
    assert_eq!(receipt.entry_bytes(), vectors.entry(1));
    assert_eq!(receipt.leaf(), vectors.hash(&vectors.json["leaves"][1]));
    assert_eq!(receipt.checkpoint().checkpoint().root(), &vectors.hash(&vectors.json["root"]));
    let report = receipt.verify(&vectors.policy).expect("proven");
    assert_eq!((report.index.get(), report.size, report.events, report.simulated), (1, 3, 2, false));
    assert_eq!((report.trust.logs.len(), report.trust.witnesses.len()), (1, 1));
    let parts = (vectors.entry(1), receipt.proof().hashes().to_vec(), receipt.checkpoint().clone());
    let made = Receipt::from_parts(parts.0, EntryIndex::new(1), parts.1, parts.2).expect("a receipt");
    assert_eq!(made.to_string(), text);
}

#[test]
fn the_proofs_of_a_fork_of_the_vectors_prove_it() {
    let vectors = Vectors::read();
    for (name, claim) in [
        ("same_size", "same-size"),
        ("earlier_tree", "earlier-tree"),
        ("other_entry", "other-entry"),
        ("shorter", "shorter"),
    ] {
        let text = word(&vectors.json["fork_proofs"][name]);
        let proof = ForkProof::parse(text.as_bytes()).expect("a contradiction");
        assert_eq!(proof.to_string(), text, "{name}");
        assert_eq!(proof.evidence().claim(), claim);
        assert_eq!(proof.asked(), "2025-12-01T09:30:00+09:00 http://127.0.0.1:7340");
        match proof.verify(&vectors.policy).expect("both are signed").proves {
            Proves::Fork => assert_ne!(claim, "shorter"),
            Proves::WitnessWentBack(names) => {
                assert!(matches!(proof.evidence(), Evidence::Shorter { .. }), "{name}");
                assert_eq!(names.iter().map(ToString::to_string).collect::<Vec<_>>(), ["council"]);
            }
            Proves::Nothing => panic!("{name} proves something"),
        }
    }
}

fn unpack(bundle: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(bundle));
    let parts = archive.entries().expect("an archive").map(|part| {
        let mut part = part.expect("a part");
        let mut bytes = Vec::new();
        part.read_to_end(&mut bytes).expect("its bytes");
        (part.path().expect("a path").display().to_string(), bytes)
    });
    parts.collect()
}

#[test]
fn the_bundle_of_the_vectors_is_proven_and_ours_has_the_same_parts() {
    let vectors = Vectors::read();
    let bundle = vectors.bundle();
    let report = verify(bundle.as_slice(), &vectors.policy).expect("proven");
    assert_eq!(report.claim, Claim::Receipt { entry: 2 });
    let (entries, signatures) = (3, 4);
    let checks =
        Checks { entries, signatures, proofs: 3, log_signatures: 1, cosignatures: 1, ..Checks::default() };
    assert_eq!(report.checks, checks);
    let Proven::Selective(proven) = report.proven else { panic!("a selective bundle") };
    let parties: Vec<_> = proven.iter().map(|entry| entry.parties.join("+")).collect();
    assert_eq!(parties, ["operator", "ward+operator", "library_notice/mailer"]);

    let parts = unpack(&bundle);
    let read = |bytes: &[u8]| Receipt::parse(bytes).expect("a receipt");
    let receipts: Vec<Receipt> = parts[2..].iter().map(|(_, bytes)| read(bytes)).collect();
    let checkpoint = receipts[0].checkpoint().clone();
    let ours = write_selective(Vec::new(), report.claim, &checkpoint, &[], &receipts).expect("it holds");
    assert_eq!(unpack(&ours), parts);
    let mut headers = (Vec::new(), Vec::new());
    flate2::read::GzDecoder::new(ours.as_slice()).read_to_end(&mut headers.0).expect("gzip");
    flate2::read::GzDecoder::new(bundle.as_slice()).read_to_end(&mut headers.1).expect("gzip");
    assert!(headers.0 == headers.1, "the archives differ in a header");
}

#[test]
fn the_leaves_of_the_vectors_are_those_of_the_entries() {
    let vectors = Vectors::read();
    for index in 0..3 {
        let leaf = vectors.hash(&vectors.json["leaves"][index]);
        assert_eq!(TreeHash::of_leaf(&vectors.entry(index)), leaf);
    }
}
