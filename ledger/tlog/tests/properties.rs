//! What must hold for every text: what is written is read back, whatever is read is written back byte for byte, no
//! parser panics on foreign bytes, and no change of a signed note passes for another text.

use std::fmt::Display;
use std::sync::LazyLock;

use daicho_tlog::tile::{Tile, read_bundle, write_bundle_entry};
use daicho_tlog::witness::{AddCheckpoint, cosignatures_body, parse_cosignatures, parse_size, size_body};
use daicho_tlog::{
    Algorithm, Checkpoint, KeyName, Note, NoteError, NoteSignature, NoteSigner, Policy, SignedCheckpoint,
    TlogProof, TreeHash, VerifierKey,
};
use proptest::prelude::*;

const ALGORITHMS: [Algorithm; 3] =
    [Algorithm::Ed25519, Algorithm::CosignatureEd25519, Algorithm::CosignatureMlDsa44];

/// One signer of each algorithm, and one of a strange name.
static SIGNERS: LazyLock<Vec<NoteSigner>> = LazyLock::new(|| {
    let names = ["example.com/ledger", "w1.example", "w2.example", "証人/3"];
    let algorithms = ALGORITHMS.iter().chain(&ALGORITHMS[1..2]);
    let make = |(name, algorithm): (&str, &Algorithm)| {
        let name: KeyName = name.parse().expect("a key name");
        NoteSigner::from_seed(name, *algorithm, &[*algorithm as u8; 32]).expect("a key")
    };
    names.into_iter().zip(algorithms).map(make).collect()
});

/// Keys of witnesses, of both kinds.
static WITNESSES: LazyLock<Vec<VerifierKey>> = LazyLock::new(|| {
    let name: KeyName = "w".parse().expect("a key name");
    let make = |n: u8| NoteSigner::from_seed(name.clone(), ALGORITHMS[1 + usize::from(n % 2)], &[n; 32]);
    (0..5).map(|n| make(n).expect("a key").verifier().clone()).collect()
});

/// Everything that is read from bytes, one after the other. What is accepted must be written as it was read.
fn read_all(bytes: &[u8]) {
    fn same<T: Display>(bytes: &[u8], read: Option<T>) {
        if let Some(read) = read {
            assert_eq!(read.to_string().as_bytes(), bytes);
        }
    }
    same(bytes, Note::parse(bytes).ok());
    same(bytes, SignedCheckpoint::parse(bytes).ok());
    same(bytes, TlogProof::parse(bytes).ok());
    same(bytes, AddCheckpoint::parse(bytes).ok());
    same(bytes, parse_cosignatures(bytes).ok().map(|lines| cosignatures_body(&lines)));
    same(bytes, parse_size(bytes).map(size_body));
    if let Ok(text) = str::from_utf8(bytes) {
        same(bytes, Checkpoint::parse(text).ok());
        same(bytes, text.parse::<VerifierKey>().ok());
        same(bytes, text.parse::<Tile>().ok());
        same(bytes, text.parse::<KeyName>().ok());
        same(bytes, text.parse::<NoteSigner>().ok().map(|key| key.to_secret_text().to_string()));
    }
    if let Ok(policy) = Policy::parse(bytes) {
        assert_eq!(Policy::parse(&policy.to_bytes()), Ok(policy));
    }
    for width in [1, 2, 256] {
        if let Ok(entries) = read_bundle(bytes, width) {
            let mut again = Vec::new();
            for entry in entries {
                write_bundle_entry(&mut again, entry).expect("it was in a bundle");
            }
            assert_eq!(again, bytes);
        }
    }
}

fn hash() -> impl Strategy<Value = TreeHash> {
    any::<[u8; 32]>().prop_map(TreeHash::from)
}

fn checkpoint() -> impl Strategy<Value = Checkpoint> {
    let origin = "[^\u{0}-\u{1f}]{1,40}";
    let line = "[^\u{0}-\u{1f}]{1,20}";
    (origin, any::<u64>(), hash(), prop::collection::vec(line, 0..3)).prop_map(
        |(origin, size, root, lines)| {
            let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
            Checkpoint::parse(&format!("{origin}\n{size}\n{root}\n{lines}")).expect("a checkpoint")
        },
    )
}

/// A checkpoint signed by some of the signers, at some time.
fn signed() -> impl Strategy<Value = SignedCheckpoint> {
    let signers = prop::sample::subsequence(vec![0usize, 1, 2, 3], 1..=4);
    (checkpoint(), signers, 0..1u64 << 63).prop_map(|(checkpoint, signers, time)| {
        let text = checkpoint.to_string();
        let sign = |n: usize| SIGNERS[n].sign(&text, time).expect("a checkpoint");
        SignedCheckpoint::parse(
            Note::new(text.clone(), signers.into_iter().map(sign).collect())
                .expect("a note")
                .to_string()
                .as_bytes(),
        )
        .expect("a checkpoint")
    })
}

fn proof() -> impl Strategy<Value = TlogProof> {
    let extra = prop::option::of(prop::collection::vec(any::<u8>(), 0..80));
    (extra, any::<u64>(), prop::collection::vec(hash(), 0..=63), signed()).prop_map(
        |(extra, index, hashes, checkpoint)| {
            TlogProof::new(extra, index, hashes, checkpoint).expect("within the limits")
        },
    )
}

fn request() -> impl Strategy<Value = AddCheckpoint> {
    (any::<u64>(), prop::collection::vec(hash(), 0..=63), signed()).prop_map(|(old, hashes, checkpoint)| {
        AddCheckpoint::new(old, hashes, checkpoint).expect("few hashes")
    })
}

/// A valid policy file: some witnesses, and groups of what came before.
fn policy() -> impl Strategy<Value = Vec<u8>> {
    let groups = prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..4);
    (1..6usize, groups, any::<bool>(), prop::collection::vec(any::<u8>(), 1..40)).prop_map(
        |(witnesses, groups, none, root)| {
            let mut text = String::new();
            let mut free = Vec::new();
            for n in 0..witnesses {
                text += &format!("witness w{n} {}\n", WITNESSES[n]);
                free.push(format!("w{n}"));
            }
            for (n, (cut, all)) in groups.iter().enumerate() {
                let members: Vec<String> = free.drain(..=cut.index(free.len())).collect();
                text += &format!("group g{n} {} {}\n", if *all { "all" } else { "any" }, members.join(" "));
                free.push(format!("g{n}"));
            }
            text += &format!("quorum {}\n", if none { "none" } else { &free[0] });
            text += &format!("log {} https://example.com\n", SIGNERS[0].verifier());
            use base64::Engine as _;
            let root = base64::engine::general_purpose::STANDARD.encode(root);
            text += &format!("# daicho-tsa-root: {root}\n");
            text.into_bytes()
        },
    )
}

/// One valid input of each kind.
fn valid() -> impl Strategy<Value = Vec<u8>> {
    let text = |x: &dyn Display| x.to_string().into_bytes();
    prop_oneof![
        signed().prop_map(move |x| text(&x)),
        proof().prop_map(move |x| text(&x)),
        request().prop_map(move |x| text(&x)),
        checkpoint().prop_map(move |x| text(&x)),
        signed().prop_map(|x| cosignatures_body(x.signatures()).into_bytes()),
        (0..4usize).prop_map(move |n| text(SIGNERS[n].verifier())),
        (0..4usize).prop_map(|n| SIGNERS[n].to_secret_text().as_bytes().to_vec()),
        policy(),
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..4).prop_map(|entries| {
            let mut bundle = Vec::new();
            for entry in entries {
                write_bundle_entry(&mut bundle, &entry).expect("short");
            }
            bundle
        }),
    ]
}

/// What may happen to bytes on their way.
#[derive(Debug, Clone)]
enum Change {
    Replace(prop::sample::Index, u8),
    Insert(prop::sample::Index, Vec<u8>),
    Remove(prop::sample::Index, prop::sample::Index),
    Repeat(prop::sample::Index, prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    use prop::sample::Index;
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Replace(at, byte)),
        (any::<Index>(), "[\\n +=A—0]{1,3}").prop_map(|(at, text)| Change::Insert(at, text.into_bytes())),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Change::Remove(from, to)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Change::Repeat(from, to)),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: Change) {
    if bytes.is_empty() {
        return;
    }
    let range = |from: prop::sample::Index, to: prop::sample::Index| {
        let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
        from.min(to)..from.max(to)
    };
    match change {
        Change::Replace(at, byte) => {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        Change::Insert(at, text) => {
            let at = at.index(bytes.len());
            bytes.splice(at..at, text);
        }
        Change::Remove(from, to) => {
            bytes.drain(range(from, to));
        }
        Change::Repeat(from, to) => {
            let part = bytes[range(from, to)].to_vec();
            bytes.extend(part);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn what_is_written_is_read_back(signed in signed(), proof in proof(), request in request()) {
        prop_assert_eq!(Checkpoint::parse(signed.text()), Ok(signed.checkpoint().clone()));
        let read = SignedCheckpoint::parse(signed.to_string().as_bytes());
        prop_assert_eq!(read, Ok(signed.clone()));
        prop_assert_eq!(TlogProof::parse(proof.to_string().as_bytes()), Ok(proof));
        prop_assert_eq!(AddCheckpoint::parse(request.to_string().as_bytes()), Ok(request));
        let lines: Vec<NoteSignature> = signed.signatures().to_vec();
        prop_assert_eq!(parse_cosignatures(cosignatures_body(&lines).as_bytes()), Ok(lines));
    }

    #[test]
    fn a_policy_is_read_back(bytes in policy()) {
        let policy = Policy::parse(&bytes).expect("a policy");
        prop_assert_eq!(Policy::parse(&policy.to_bytes()), Ok(policy));
    }

    #[test]
    fn changed_input_is_refused_or_read_as_it_is(
        bytes in valid(),
        changes in prop::collection::vec(change(), 1..4),
    ) {
        read_all(&bytes);
        let mut bytes = bytes;
        for change in changes {
            apply(&mut bytes, change);
        }
        read_all(&bytes);
    }

    #[test]
    fn any_bytes_are_refused_or_read_as_they_are(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        read_all(&bytes);
    }
}

#[test]
fn no_changed_byte_of_a_signed_note_passes_for_another_text() {
    let checkpoint = Checkpoint::new("example.com/ledger", 20_852_163, TreeHash::of_leaf(b"x"));
    let text = checkpoint.expect("an origin").to_string();
    let sign = |signer: &NoteSigner| signer.sign(&text, 1_764_547_200).expect("a checkpoint");
    for signer in SIGNERS.iter() {
        let key = signer.verifier();
        let note = Note::new(text.clone(), vec![sign(signer)]).expect("a note");
        let bytes = note.to_string().into_bytes();
        let mut refused = [0; 2];
        // One bit in each byte, of a long signature in some; for plain Ed25519 every bit.
        let some = key.algorithm() != Algorithm::Ed25519;
        let places = (0..bytes.len()).filter(|at| *at < text.len() + 60 || at % 7 == 0);
        let bits =
            places.flat_map(|at| (0..8).filter(move |bit| !some || *bit == at % 8).map(move |bit| (at, bit)));
        for (at, bit) in bits {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            match Note::parse(&changed) {
                Err(_) => refused[0] += 1,
                Ok(read) => match read.verify([key]) {
                    Err(NoteError::Unverified | NoteError::BadSignature(_)) => refused[1] += 1,
                    Err(NoteError::NoCheckpoint(_) | NoteError::Timestamp { .. }) => refused[1] += 1,
                    Err(other) => panic!("byte {at} bit {bit}: {other}"),
                    Ok(_) => panic!("byte {at} bit {bit} of {key:?} verifies"),
                },
            }
        }
        assert!(refused[0] > 30 && refused[1] > 30, "{refused:?}");
    }
}
