//! Every example printed in the C2SP specifications, retyped. What they say is a fact; what we read must agree.

use daicho_tlog::{Algorithm, Note, NoteError, SignedCheckpoint, VerifierKey};

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
    assert!(matches!(
        SignedCheckpoint::parse(NOTE.as_bytes()),
        Err(NoteError::NoCheckpoint(daicho_tlog::CheckpointError::Lines))
    ));
}
