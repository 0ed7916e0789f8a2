//! Forks: what two words of a ledger prove, and what they do not.

#[path = "common/world.rs"]
mod world;

use daicho_tlog::merkle::ProofError;
use daicho_tlog::policy::PolicyError;
use daicho_tlog::{Policy, SignedCheckpoint};
use daicho_verify::{Evidence, ForkError, ForkProof, Proves};
use world::{TIME, World, policy, policy_text, sign, sign_at, signer};

const ASKED: &str = "2026-11-22T16:40:00+09:00 http://127.0.0.1:7340";

/// What the file of a contradiction proves after it was written and read.
fn proves(evidence: Evidence) -> Proves {
    let proof = ForkProof::new(evidence, ASKED).expect("a contradiction");
    let text = proof.to_string();
    let again = ForkProof::parse(text.as_bytes()).expect("own text");
    assert_eq!((again.to_string(), again.asked()), (text, ASKED));
    let policy = policy();
    let report = again.verify(&policy).expect("both are signed");
    assert_eq!((report.first.logs.len(), report.second.logs.len()), (1, 1));
    report.proves
}

fn earlier_tree(old: &World, small: u64, new: &World, large: u64) -> Evidence {
    Evidence::EarlierTree {
        first: old.checkpoint(small),
        second: new.checkpoint(large),
        root: new.tree(small).root(),
        hashes: new.consistency(small, large),
    }
}

#[test]
fn two_roots_of_one_size_are_a_fork() {
    let (old, new) = (World::queue(), World::rewritten());
    let (first, second) = (old.checkpoint(40), new.checkpoint(40));
    assert_eq!(proves(Evidence::SameSize { first, second }), Proves::Fork);
    // The word of the ledger is enough, whoever cosigned.
    let (first, second) = (sign(40, old.tree(40).root(), 0), sign(40, new.tree(40).root(), 0));
    assert_eq!(proves(Evidence::SameSize { first, second }), Proves::Fork);
}

#[test]
fn a_later_tree_that_does_not_begin_with_the_earlier_one_is_a_fork() {
    let (old, new) = (World::queue(), World::rewritten());
    for (small, large) in [(31, 33), (32, 33), (32, 64), (33, 80), (40, 41), (47, 90)] {
        assert_eq!(proves(earlier_tree(&old, small, &new, large)), Proves::Fork, "{small} and {large}");
    }
}

#[test]
fn two_entries_at_one_place_are_a_fork_whatever_the_sizes() {
    let (old, new) = (World::queue(), World::rewritten());
    for (small, large) in [(40, 40), (30, 60), (50, 30)] {
        let (first, second) = (Box::new(old.receipt(20, small)), Box::new(new.receipt(20, large)));
        assert_eq!(proves(Evidence::OtherEntry { first, second }), Proves::Fork);
    }
}

#[test]
fn a_shorter_ledger_alone_proves_nothing() {
    let world = World::queue();
    let (first, second) = (sign(40, world.tree(40).root(), 0), sign(30, world.tree(30).root(), 0));
    assert_eq!(proves(Evidence::Shorter { first, second }), Proves::Nothing);
    // Cosigned before the larger one, as it must be.
    let first = sign_at(40, world.tree(40).root(), 3, TIME + 3_600);
    let second = sign_at(30, world.tree(30).root(), 3, TIME);
    assert_eq!(proves(Evidence::Shorter { first: first.clone(), second }), Proves::Nothing);
    // Cosigned after it: two witnesses went back.
    let second = sign_at(30, world.tree(30).root(), 2, TIME + 7_200);
    let Proves::WitnessWentBack(names) = proves(Evidence::Shorter { first, second }) else {
        panic!("a witness must not go back")
    };
    assert_eq!(names.iter().map(ToString::to_string).collect::<Vec<_>>(), ["council", "j-lis"]);
}

#[test]
fn an_honest_ledger_cannot_be_accused() {
    let world = World::queue();
    let fault = |evidence| ForkProof::new(evidence, "").expect_err("nothing contradicts");
    let at = |size| world.checkpoint(size);
    assert_eq!(fault(Evidence::SameSize { first: at(40), second: at(40) }), ForkError::NoContradiction);
    assert_eq!(fault(earlier_tree(&world, 30, &world, 40)), ForkError::NoContradiction);
    let first = Box::new(world.receipt(20, 30));
    let same = Evidence::OtherEntry { first: first.clone(), second: Box::new(world.receipt(20, 40)) };
    assert_eq!(fault(same), ForkError::NoContradiction);
    let other = Evidence::OtherEntry { first: first.clone(), second: Box::new(world.receipt(21, 40)) };
    assert_eq!(fault(other), ForkError::Places { first: 20, second: 21 });
    // A root or an entry of one's own is not in the tree that was signed.
    let mut evidence = earlier_tree(&world, 30, &world, 40);
    if let Evidence::EarlierTree { root, .. } = &mut evidence {
        *root = World::rewritten().tree(30).root();
    }
    assert_eq!(fault(evidence), ForkError::Consistency(ProofError::Root));
    let forged = World { entries: World::rewritten().entries };
    let second = Box::new(forged.receipt_in(20, world.checkpoint(40)));
    let error = fault(Evidence::OtherEntry { first, second });
    assert!(matches!(error, ForkError::Receipt { which: 2, .. }), "{error}");
    let sizes = |first, second| ForkError::Sizes { first, second };
    assert_eq!(fault(Evidence::SameSize { first: at(30), second: at(40) }), sizes(30, 40));
    assert_eq!(fault(Evidence::Shorter { first: at(30), second: at(40) }), sizes(30, 40));
    assert_eq!(fault(earlier_tree(&World::rewritten(), 40, &world, 40)), sizes(40, 40));
}

#[test]
fn checkpoints_that_the_ledger_did_not_sign_convict_nobody() {
    let (old, new) = (World::queue(), World::rewritten());
    let evidence = Evidence::SameSize { first: old.checkpoint(40), second: new.checkpoint(40) };
    let proof = ForkProof::new(evidence, "").expect("a contradiction");
    let other = signer(world::ORIGIN, daicho_tlog::Algorithm::Ed25519, 99);
    let policy = Policy::parse(policy_text(other.verifier(), &[]).as_bytes()).expect("a policy");
    let error = proof.verify(&policy).expect_err("another key");
    assert!(matches!(error, ForkError::Policy { which: 1, error: PolicyError::NotSigned { .. } }), "{error}");
}

#[test]
fn each_part_that_is_changed_has_its_own_error() {
    let (old, new) = (World::queue(), World::rewritten());
    let proof = ForkProof::new(earlier_tree(&old, 33, &new, 80), ASKED).expect("a contradiction");
    let text = proof.to_string();
    let fault = |text: &str| ForkProof::parse(text.as_bytes()).expect_err("no proof");
    let lines: Vec<&str> = text.lines().collect();
    let without = |n: usize| {
        let mut lines = lines.clone();
        lines.remove(n);
        lines.join("\n") + "\n"
    };
    assert_eq!(fault(&without(0)), ForkError::Version);
    assert_eq!(fault(&without(1)), ForkError::Claim);
    assert_eq!(fault(&without(3)), ForkError::Hash { line: 4 });
    assert!(matches!(fault(&without(4)), ForkError::Consistency(_)));
    assert_eq!(fault(&text.replace("claim earlier-tree", "claim same-size")), ForkError::Hash { line: 4 });
    assert_eq!(fault(&text.replace("claim earlier-tree", "claim theft")), ForkError::Claim);
    assert_eq!(fault(&text.replace(ASKED, "")), ForkError::Asked);
    // Also where it is the last line of the head.
    let evidence = Evidence::SameSize { first: old.checkpoint(40), second: new.checkpoint(40) };
    let last = ForkProof::new(evidence, ASKED).expect("a contradiction").to_string();
    assert_eq!(fault(&last.replace(ASKED, "")), ForkError::Asked);
    assert_eq!(fault(&text.replace(ASKED, &"x".repeat(501))), ForkError::Asked);
    assert_eq!(fault(""), ForkError::Documents);
    let [first, second] = proof.evidence().checkpoints().map(SignedCheckpoint::to_string);
    assert_eq!(fault(text.strip_suffix(&format!("\n{second}")).expect("at the end")), ForkError::Documents);
    assert_eq!(fault(&format!("{text}\n{second}")), ForkError::Documents);
    let swapped = text.replace(&first, "@").replace(&second, &first).replace('@', &second);
    assert_eq!(fault(&swapped), ForkError::Sizes { first: 80, second: 33 });
    let broken = text.replacen("\n80\n", "\n080\n", 1);
    assert!(matches!(fault(&broken), ForkError::Checkpoint { which: 2, .. }));
    assert!(matches!(ForkProof::parse(&[0xff, 0xfe]), Err(ForkError::Utf8)));
    assert!(matches!(ForkProof::parse(&vec![b'x'; 8 << 20]), Err(ForkError::TooLarge { .. })));
}

#[test]
fn no_flipped_bit_convicts_with_other_words() {
    let (old, new) = (World::queue(), World::rewritten());
    let text = ForkProof::new(earlier_tree(&old, 33, &new, 80), "").expect("a fork").to_string();
    let policy = policy();
    let cosigned =
        |report: &daicho_verify::ForkReport<'_>| report.first.witnesses.len() + report.second.witnesses.len();
    for at in (0..text.len()).step_by(11) {
        let mut flipped = text.clone().into_bytes();
        flipped[at] ^= 1 << (at % 8);
        let read = ForkProof::parse(&flipped);
        let seen = read.as_ref().ok().and_then(|p| p.verify(&policy).ok());
        // Only a cosignature can become one of somebody unknown.
        assert!(seen.is_none_or(|report| cosigned(&report) < 6), "byte {at}");
    }
}
