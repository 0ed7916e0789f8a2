//! Receipts: what is proven, and which check fails when something is changed.

#[path = "common/world.rs"]
mod world;

use daicho_core::{EntryIndex, SigningKey, sign_statement};
use daicho_tlog::merkle::ProofError;
use daicho_tlog::policy::PolicyError;
use daicho_tlog::{Policy, TlogProof, TlogProofError};
use daicho_verify::{Receipt, ReceiptError};
use sha2::{Digest as _, Sha256};
use world::{ORIGIN, World, policy, policy_text, sign, signer};

/// An entry with a contact address.
const ENTRY: u64 = 20;

#[test]
fn a_receipt_holds_in_every_tree_that_has_its_entry() {
    let world = World::queue();
    let policy = policy();
    for size in [ENTRY + 1, 32, 33, world.size()] {
        let receipt = Receipt::parse(world.receipt(ENTRY, size).to_string().as_bytes()).expect("own text");
        let report = receipt.verify(&policy).expect("proven");
        assert_eq!((report.index.get(), report.size, report.origin.as_str()), (ENTRY, size, ORIGIN));
        assert!(report.simulated);
        assert_eq!((report.trust.logs.len(), report.trust.witnesses.len()), (1, 3));
        assert_eq!(report.recorded, receipt.entry().recorded);
        assert_eq!(report.events, 1);
    }
}

#[test]
fn a_receipt_without_quorum_is_proven_only_where_that_is_allowed() {
    let world = World::queue();
    let receipt = world.receipt_in(ENTRY, sign(40, world.tree(40).root(), 1));
    let policy = policy();
    assert!(matches!(receipt.verify(&policy), Err(ReceiptError::Policy(PolicyError::NoQuorum(_)))));
    let report = receipt.examine(&policy).expect("signed by the log");
    assert_eq!(report.trust.shortfall.map(|s| (s.found, s.needed)), Some((1, 2)));
}

#[test]
fn the_signature_of_a_key_is_checked_when_the_key_is_given() {
    let seed = |party: &str| -> [u8; 32] { Sha256::digest(party.as_bytes()).into() };
    let world = World::queue();
    let receipt = world.receipt(ENTRY, 40);
    let signer = receipt.statement().signers()[0].key;
    let keys = ["hyojito", "ward", "operator"].map(|party| SigningKey::from_seed(&seed(party)).public());
    let own = keys.iter().find(|key| key.id() == signer).expect("one of them signed");
    assert_eq!(receipt.signed_by(own), Ok(()));
    for other in keys.iter().filter(|key| key.id() != signer) {
        assert_eq!(receipt.signed_by(other), Err(ReceiptError::NotSigner(other.id())));
    }
    // The signature is part of the entry, so it takes an entry of its own to forge it.
    let mut entry = receipt.entry().clone();
    entry.statement.signatures[0].value[40] ^= 1;
    let forged = receipt_of(entry.encode(), &world);
    assert_eq!(forged.signed_by(own), Err(ReceiptError::BadSignature(signer)));
}

/// A receipt whose proof is that of another entry at the place.
fn receipt_of(entry: Vec<u8>, world: &World) -> Receipt {
    let index = EntryIndex::new(ENTRY);
    Receipt::from_parts(entry, index, world.inclusion(ENTRY, 40), world.checkpoint(40)).expect("well formed")
}

#[test]
fn each_part_that_is_changed_has_its_own_error() {
    let world = World::queue();
    let policy = policy();
    let good = world.receipt(ENTRY, 40);
    let (index, hashes) = (EntryIndex::new(ENTRY), world.inclusion(ENTRY, 40));
    let fault = |receipt: Result<Receipt, ReceiptError>| {
        receipt.and_then(|r| r.verify(&policy).map(drop)).expect_err("it is not proven")
    };

    let bare = TlogProof::new(None, ENTRY, hashes.clone(), world.checkpoint(40)).expect("a proof");
    assert_eq!(fault(Receipt::parse(bare.to_string().as_bytes())), ReceiptError::NoEntry);

    let other = Receipt::from_parts(world.entries[3].clone(), index, hashes.clone(), world.checkpoint(40));
    let entry = EntryIndex::new(3);
    assert_eq!(fault(other), ReceiptError::Index { proof: ENTRY, entry });

    let cut = good.entry_bytes()[..50].to_vec();
    let cut = Receipt::from_parts(cut, index, hashes.clone(), world.checkpoint(40));
    assert!(matches!(fault(cut), ReceiptError::Entry(_)));

    let mut entry = good.entry().clone();
    entry.statement.statement = b"no statement".to_vec().into();
    let nonsense = Receipt::from_parts(entry.encode(), index, hashes.clone(), world.checkpoint(40));
    assert!(matches!(fault(nonsense), ReceiptError::Statement(_)));

    let mut entry = good.entry().clone();
    entry.recorded = entry.recorded.plus_ms(1);
    let later = Receipt::from_parts(entry.encode(), index, hashes.clone(), world.checkpoint(40));
    assert_eq!(fault(later), ReceiptError::Inclusion(ProofError::Root));

    let mut entry = good.entry().clone();
    let key = SigningKey::from_seed(&[1; 32]);
    let events = good.statement().body().events.clone();
    entry.statement = sign_statement("other.example/ledger", &[(&key, 1)], events);
    let foreign = Receipt::from_parts(entry.encode(), index, hashes.clone(), world.checkpoint(40));
    assert!(matches!(fault(foreign), ReceiptError::Origin { .. }));

    let short = hashes[1..].to_vec();
    let short = Receipt::from_parts(world.entries[20].clone(), index, short, world.checkpoint(40));
    assert!(matches!(fault(short), ReceiptError::Inclusion(ProofError::Length { .. })));

    // The hashes lead to the same root from a tree of 41: the size is what the signature is for.
    let longer = good.to_string().replace("\n40\n", "\n41\n");
    assert!(matches!(
        fault(Receipt::parse(longer.as_bytes())),
        ReceiptError::Policy(PolicyError::Signature(_))
    ));

    let stranger = signer(ORIGIN, daicho_tlog::Algorithm::Ed25519, 99);
    let strangers = Policy::parse(policy_text(stranger.verifier(), &[]).as_bytes()).expect("a policy");
    let error = good.verify(&strangers).expect_err("another key");
    assert_eq!(error, ReceiptError::Policy(PolicyError::NotSigned { origin: ORIGIN.into() }));
    let unknown = signer("other.example/ledger", daicho_tlog::Algorithm::Ed25519, 11);
    let unknown = Policy::parse(policy_text(unknown.verifier(), &[]).as_bytes()).expect("a policy");
    let error = good.verify(&unknown).expect_err("another ledger");
    assert_eq!(error, ReceiptError::Policy(PolicyError::UnknownLog { origin: ORIGIN.into() }));
    assert!(good.verify(&policy).is_ok());
}

#[test]
fn no_flipped_bit_is_overlooked() {
    let world = World::queue();
    let policy = policy();
    let text = world.receipt(ENTRY, 40).to_string().into_bytes();
    for at in 0..text.len() {
        let mut flipped = text.clone();
        flipped[at] ^= 1 << (at % 8);
        // A cosignature whose name or key id is changed is one of a witness that nobody knows; two are enough.
        let proven = Receipt::parse(&flipped)
            .ok()
            .and_then(|r| r.verify(&policy).ok().map(|report| report.trust.witnesses.len()));
        assert_ne!(proven, Some(3), "byte {at}");
    }
}

#[test]
fn no_truncation_is_overlooked_and_nothing_may_follow() {
    let world = World::queue();
    let text = world.receipt(ENTRY, 40).to_string();
    let policy = policy();
    for at in 0..text.len() {
        if let Some(cut) = text.get(..at) {
            let whole = Receipt::parse(cut.as_bytes()).ok();
            let seen = whole.and_then(|r| r.verify(&policy).ok().map(|report| report.trust.witnesses.len()));
            assert_ne!(seen, Some(3), "cut at {at}");
        }
    }
    let twice = format!("{text}{text}");
    assert!(matches!(
        Receipt::parse(twice.as_bytes()),
        Err(ReceiptError::Proof(TlogProofError::Checkpoint(_)))
    ));
}
