//! Every example printed in the C2SP specifications, retyped. What they print is a fact; what we read must agree.
//! Where they leave out keys or signatures, ours are put in.

use daicho_tlog::witness::{AddCheckpoint, cosignatures_body, parse_cosignatures, parse_size, size_body};
use daicho_tlog::{
    Algorithm, CheckpointError, KeyName, Note, NoteError, NoteSigner, Policy, SignedCheckpoint, TlogProof,
    TlogProofError, TreeHash, VerifierKey,
};

fn signer(name: &str, algorithm: Algorithm, seed: u8) -> NoteSigner {
    let name: KeyName = name.parse().expect("a key name");
    NoteSigner::from_seed(name, algorithm, &[seed; 32]).expect("a key")
}

/// C2SP signed-note, "Example".
const NOTE_KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const NOTE: &str = "This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
";

#[test]
fn the_key_of_the_signed_note_example_verifies_its_note() {
    let key: VerifierKey = NOTE_KEY.parse().expect("the printed key");
    assert_eq!((key.name().as_str(), key.algorithm()), ("example.com/foo", Algorithm::Ed25519));
    assert_eq!(key.key_id().to_string(), "530d903a");
    assert_eq!(key.to_string(), NOTE_KEY);
    let note = Note::parse(NOTE.as_bytes()).expect("the printed note");
    assert_eq!(note.text(), "This is an example message.\n");
    assert_eq!(note.to_string(), NOTE);
    let verified = note.verify([&key]).expect("the printed signature");
    assert_eq!((verified.len(), verified[0].key, verified[0].timestamp), (1, &key, None));

    let other = NOTE.replace("an example", "no example");
    let other = Note::parse(other.as_bytes()).expect("a note");
    assert_eq!(other.verify([&key]), Err(NoteError::BadSignature(key.name().clone())));
    assert_eq!(note.verify([]), Err(NoteError::Unverified));
    assert_eq!(
        SignedCheckpoint::parse(NOTE.as_bytes()),
        Err(NoteError::NoCheckpoint(CheckpointError::Lines))
    );
}

#[test]
fn the_text_of_a_note_may_hold_empty_lines() {
    // C2SP signed-note, the first example.
    let printed = "Ognuno sta solo sul cuor della terra
trafitto da un raggio di sole:

ed è subito sera.

— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=
";
    let note = Note::parse(printed.as_bytes()).expect("the printed note");
    assert!(note.text().starts_with("Ognuno") && note.text().ends_with("\n\ned è subito sera.\n"));
    let [signature] = note.signatures() else { panic!("one signature") };
    assert_eq!(signature.name().as_str(), "quasimodo.example/salvatore");
    assert_eq!((signature.key_id().to_string().as_str(), signature.value().len()), ("367ba04b", 64));
    assert_eq!(note.to_string(), printed);
}

/// C2SP tlog-cosignature, the first example; its first five lines are the example of tlog-checkpoint.
const COSIGNED: &str = "example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
";

#[test]
fn the_checkpoint_of_the_examples_is_read_with_its_cosignature() {
    let signed = SignedCheckpoint::parse(COSIGNED.as_bytes()).expect("the printed checkpoint");
    let checkpoint = signed.checkpoint();
    assert_eq!((checkpoint.origin(), checkpoint.size()), ("example.com/behind-the-sofa", 20_852_163));
    assert_eq!(checkpoint.root().to_string(), "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=");
    assert!(checkpoint.extensions().is_empty());
    assert_eq!(signed.to_string(), COSIGNED);
    assert_eq!(signed.text(), checkpoint.to_string());
    let [log, witness] = signed.signatures() else { panic!("two signatures") };
    assert_eq!((log.name().as_str(), log.value().len()), ("example.com/behind-the-sofa", 64));
    // The time that the specification prints beside it.
    let (time, signature) = witness.value().split_first_chunk::<8>().expect("a time first");
    assert_eq!((u64::from_be_bytes(*time), signature.len()), (1_679_315_147, 64));
    assert_eq!(witness.name().as_str(), "witness.example.com/w1");
}

#[test]
fn what_is_signed_is_what_the_cosignature_specification_prints() {
    let text =
        SignedCheckpoint::parse(COSIGNED.as_bytes()).expect("the printed checkpoint").text().to_owned();
    let printed = "cosignature/v1
time 1679315147
example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
";
    let witness = signer("witness.example.com/w1", Algorithm::CosignatureEd25519, 1);
    let signature = witness.sign(&text, 1_679_315_147).expect("a checkpoint");
    let key = ed25519_dalek::VerifyingKey::from_bytes(&public(&witness)).expect("a point");
    let bytes = ed25519_dalek::Signature::from_slice(&signature.value()[8..]).expect("64 bytes");
    key.verify_strict(printed.as_bytes(), &bytes).expect("over the printed message");

    // The structure of ML-DSA-44, with its lengths written out.
    let witness = signer("witness.example.com/w1", Algorithm::CosignatureMlDsa44, 1);
    let root: [u8; 32] = hex::decode("0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62")
        .expect("hexadecimal")
        .try_into()
        .expect("32 bytes");
    let mut structure = b"subtree/v1\n\0".to_vec();
    structure.extend(b"\x16witness.example.com/w1");
    structure.extend([0, 0, 0, 0, 0x64, 0x18, 0x50, 0xcb]);
    structure.extend(b"\x1bexample.com/behind-the-sofa");
    structure.extend([0; 8]);
    structure.extend([0, 0, 0, 0, 0x01, 0x3e, 0x2d, 0xc3]);
    structure.extend(root);
    let signature = witness.sign(&text, 1_679_315_147).expect("a checkpoint");
    assert_eq!(signature.value().len(), 8 + 2420);
    let key = ml_dsa::VerifyingKey::<ml_dsa::MlDsa44>::decode(
        witness.verifier().public_key().try_into().expect("1312 bytes"),
    );
    let bytes = ml_dsa::Signature::try_from(&signature.value()[8..]).expect("2420 bytes");
    assert!(key.verify_with_context(&structure, &[], &bytes));
}

fn public(signer: &NoteSigner) -> [u8; 32] {
    signer.verifier().public_key().try_into().expect("32 bytes")
}

#[test]
fn key_ids_are_those_of_the_formulas() {
    use sha2::Digest as _;
    for algorithm in [Algorithm::Ed25519, Algorithm::CosignatureEd25519, Algorithm::CosignatureMlDsa44] {
        let key = signer("example.com/ledger", algorithm, 2).verifier().clone();
        let input = [b"example.com/ledger\n", &[algorithm as u8][..], key.public_key()].concat();
        assert_eq!(key.key_id().as_bytes(), &sha2::Sha256::digest(input)[..4]);
    }
}

/// C2SP tlog-witness, "Example request body".
const REQUEST: &str = "old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
";

/// C2SP tlog-witness, "Example response body".
const RESPONSE: &str = "— witness.example/w1 CMp+6LWBU0anHGH5aNDTJkH/gj79sG+T6+iP2ThYN5krrDJbR1HDnucjL39QsZTSvVjyQLrdk3DXDqI5G2HgLatVs0pWh6Up69HVOw==
— witness.example/w1 I7rEps0pvK2UqkS2gSpVUDhrhVtQV9lgF6pRrWAvjJHjyWpW7VcE3SiOlVlbQNt64vWhO+DlkL0+UfzuOBMh9ChdMkP1vi/lCAsmlw==
— witness.example/w2 AWui8Sk55XjYLOijihBjhqEH6nS1ndDymE0a+6idX7pLcnoB+dhnz0854aLZgrrKbYKA7nC3HNJhm/kWl7oJlqU3rXXvpysAdyP3wQ==
";

#[test]
fn the_request_and_the_answer_of_the_witness_specification_are_read() {
    let request = AddCheckpoint::parse(REQUEST.as_bytes()).expect("the printed request");
    assert_eq!((request.old_size(), request.proof().len()), (20_852_014, 4));
    assert_eq!(request.proof()[3].to_string(), "/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=");
    assert_eq!(request.checkpoint().checkpoint().size(), 20_852_163);
    assert_eq!(request.checkpoint().signatures().len(), 2);
    assert_eq!(request.to_string(), REQUEST);

    let cosignatures = parse_cosignatures(RESPONSE.as_bytes()).expect("the printed answer");
    let names: Vec<&str> = cosignatures.iter().map(|c| c.name().as_str()).collect();
    assert_eq!(names, ["witness.example/w1", "witness.example/w1", "witness.example/w2"]);
    assert_eq!(cosignatures_body(&cosignatures), RESPONSE);
    // As the specification says: put behind the checkpoint, the answer is a note.
    let together = format!("{}{RESPONSE}", request.checkpoint());
    let mut checkpoint = request.checkpoint().clone();
    checkpoint.add(cosignatures).expect("few");
    assert_eq!(SignedCheckpoint::parse(together.as_bytes()), Ok(checkpoint));

    assert_eq!((size_body(20_852_014).as_str(), parse_size(b"20852014\n")), ("20852014\n", Some(20_852_014)));
    for bad in ["", "\n", "1", "01\n", "+1\n", "1\n\n", " 1\n", "18446744073709551616\n"] {
        assert_eq!(parse_size(bad.as_bytes()), None, "{bad:?}");
    }
}

#[test]
fn the_policy_of_the_specification_asks_for_two_of_x_and_one_of_y() {
    let key = |name: &str, seed| signer(name, Algorithm::CosignatureEd25519, seed).verifier().to_string();
    let log = signer("example.com/log", Algorithm::Ed25519, 10);
    let printed = format!(
        "log {}

witness X1 {}
witness X2 {}
witness X3 {}
group X-witnesses 2 X1 X2 X3

witness Y1 {}
witness Y2 {}
witness Y3 {}
group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
",
        log.verifier(),
        key("x1.example", 1),
        key("x2.example", 2),
        key("x3.example", 3),
        key("y1.example", 4),
        key("y2.example", 5),
        key("y3.example", 6),
    );
    let policy = Policy::parse(printed.as_bytes()).expect("the printed policy");
    assert_eq!((policy.logs().len(), policy.witnesses().len(), policy.groups().len()), (1, 6, 3));
    // Every subset of the witnesses, against the sentence of the specification.
    let names = ["X1", "X2", "X3", "Y1", "Y2", "Y3"];
    for subset in 0..64u32 {
        let chosen = names.iter().enumerate().filter(|(n, _)| subset >> n & 1 == 1).map(|(_, name)| *name);
        let expected = (subset & 7).count_ones() >= 2 && (subset >> 3).count_ones() >= 1;
        assert_eq!(policy.quorum_met(chosen.map(str::as_bytes)), expected, "{subset:06b}");
    }
    assert_eq!(Policy::parse(&policy.to_bytes()), Ok(policy));
}

#[test]
fn a_proof_of_the_printed_shape_is_read() {
    // C2SP tlog-proof, the example, which elides the signatures.
    let log = signer("example.com/fancylog", Algorithm::Ed25519, 1);
    let witness = |name| signer(name, Algorithm::CosignatureEd25519, 2);
    let text = "example.com/fancylog\n109482\nsFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=\n";
    let signatures: String =
        [log, witness("witness1.example"), witness("witness2.example"), witness("witness3.example")]
            .iter()
            .map(|signer| format!("{}\n", signer.sign(text, 1).expect("a checkpoint")))
            .collect();
    let printed = |extra: &str| {
        format!(
            "c2sp.org/tlog-proof@v1
{extra}index 73894
gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=
B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=
EKNzoDWG8LGC0Yp9o+sv3qllpMP9uHQ9B20KNL+Q1zs=
RoopEkOdqkYqMB4MJXrbt/hMjOxsVn0IrWjpz1ZMMes=
AHCioX9nLjsrse6YhjRRmk1WUEirVOLLRoOQ6vfO5vk=

{text}
{signatures}"
        )
    };
    let whole = printed("extra YWdlLXYxLjIuMS1kYXJ3aW4tYXJtNjQudGFyLmd6kYXJ3aW4tYXJ\n");
    let proof = TlogProof::parse(whole.as_bytes()).expect("the printed shape");
    let extra = proof.extra().expect("extra data");
    assert!(extra.starts_with(b"age-v1.2.1-darwin-arm64.tar.gz") && extra.len() == 39);
    assert_eq!((proof.index(), proof.hashes().len()), (73_894, 5));
    assert_eq!(proof.checkpoint().checkpoint().size(), 109_482);
    assert_eq!(proof.to_string(), whole);
    // Five hashes do not prove a leaf among 109482.
    let leaf = TreeHash::of_leaf(b"");
    assert_eq!(proof.verify(&leaf), Err(daicho_tlog::merkle::ProofError::Length { found: 5 }));

    assert_eq!(TlogProof::parse(printed("").as_bytes()).expect("no extra data").extra(), None);
    for (extra, error) in [
        ("extra \n", TlogProofError::Extra),
        ("extra YQ\n", TlogProofError::Extra),
        ("extra YR==\n", TlogProofError::Extra),
        ("extra YQ==\nextra YQ==\n", TlogProofError::Index),
        ("Extra YQ==\n", TlogProofError::Index),
        ("\n", TlogProofError::Index),
    ] {
        assert_eq!(TlogProof::parse(printed(extra).as_bytes()), Err(error), "{extra:?}");
    }
}
