//! Signed notes (C2SP signed-note): a text, a blank line, and a line for each signature.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::checkpoint::CheckpointError;
use crate::key::{KeyId, VerifierKey};

/// Largest note, in bytes. One hundred ML-DSA-44 signatures fit in with room to spare.
pub const MAX_NOTE_BYTES: usize = 1 << 20;
/// Most signatures on a note. C2SP asks for at least 16.
pub const MAX_SIGNATURES: usize = 100;

/// Name of a key: not empty, and without Unicode white space, `+` and control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

impl KeyName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is no key name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key name has at least one character, and no white space, plus or control characters")]
pub struct KeyNameError;

impl FromStr for KeyName {
    type Err = KeyNameError;

    fn from_str(name: &str) -> Result<Self, KeyNameError> {
        let fits = |c: char| !c.is_whitespace() && c != '+' && c >= ' ';
        if !name.is_empty() && name.chars().all(fits) { Ok(Self(name.to_owned())) } else { Err(KeyNameError) }
    }
}

/// Why bytes are no note, or why a note is not to be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Longer than [`MAX_NOTE_BYTES`].
    #[error("a note of {bytes} bytes; the limit is {MAX_NOTE_BYTES}")]
    TooLarge {
        /// How many bytes there are.
        bytes: usize,
    },
    /// Not UTF-8.
    #[error("the note is not UTF-8")]
    Utf8,
    /// A control character other than newline.
    #[error("the note has the control character {0:?}")]
    Control(char),
    /// The text does not end in a newline, or is not followed by a blank line and signatures that do.
    #[error("the note is not a text, a blank line and signature lines, each ended by a newline")]
    Shape,
    /// There is no signature line.
    #[error("the note has no signatures")]
    NoSignatures,
    /// More signature lines than [`MAX_SIGNATURES`].
    #[error("the note has more than {MAX_SIGNATURES} signatures")]
    TooManySignatures,
    /// A signature line of another form, or whose base64 is not the one encoding of its bytes.
    #[error("signature line {line} is malformed")]
    SignatureLine {
        /// Which of the signature lines, from 1.
        line: usize,
    },
    /// The signature is by a key of another name or id.
    #[error("the signature is by another key")]
    OtherKey,
    /// A signature that names a known key and is not by it. The whole note is to be rejected.
    #[error("the signature of {0} does not verify")]
    BadSignature(KeyName),
    /// No signature of a known key. The text must be ignored.
    #[error("the note has no signature of a known key")]
    Unverified,
    /// A time above 2^63 - 1 seconds.
    #[error("the cosignature's time of {seconds} seconds is out of range")]
    Timestamp {
        /// Seconds since 1970.
        seconds: u64,
    },
    /// A key did not sign: its token is gone, or refuses.
    #[error("the key does not sign: {0}")]
    NotSigned(String),
    /// Only checkpoints are cosigned.
    #[error("a cosignature is on a checkpoint: {0}")]
    NoCheckpoint(#[from] CheckpointError),
    /// ML-DSA-44 cosignatures sign the origin as at most 255 bytes.
    #[error("the origin of {bytes} bytes is too long for an ML-DSA-44 cosignature")]
    OriginTooLong {
        /// How many bytes it has.
        bytes: usize,
    },
}

/// One signature line: who says to have signed, and the bytes. Not yet verified.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NoteSignature {
    name: KeyName,
    key_id: KeyId,
    value: Vec<u8>,
}

impl NoteSignature {
    pub(crate) fn new(name: KeyName, key_id: KeyId, value: Vec<u8>) -> Self {
        Self { name, key_id, value }
    }

    /// Name of the key.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// Id of the key: 4 bytes.
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// What follows the key id: a signature, for cosignatures after 8 bytes of time. Never empty.
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// Reads a line without its newline. `None` unless it is in the one form that is displayed.
    pub(crate) fn from_line(line: &str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix("— ")?.split_once(' ')?;
        let bytes = BASE64.decode(encoded).ok()?;
        let (key_id, value) = bytes.split_first_chunk::<4>()?;
        (!value.is_empty()).then_some(())?;
        Some(Self { name: name.parse().ok()?, key_id: KeyId::from(*key_id), value: value.to_vec() })
    }

    /// Reads signature lines, each ended by a newline.
    pub(crate) fn parse_lines(text: &str) -> Result<Vec<Self>, NoteError> {
        if text.is_empty() {
            return Err(NoteError::NoSignatures);
        }
        let lines = text.strip_suffix('\n').ok_or(NoteError::Shape)?;
        // Counted before anything is decoded, so that a note cannot make much work.
        if lines.split('\n').nth(MAX_SIGNATURES).is_some() {
            return Err(NoteError::TooManySignatures);
        }
        let read = |(n, line)| Self::from_line(line).ok_or(NoteError::SignatureLine { line: n + 1 });
        lines.split('\n').enumerate().map(read).collect()
    }
}

/// The signature line, without a newline.
impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [self.key_id.as_bytes(), &self.value[..]].concat();
        write!(f, "— {} {}", self.name, BASE64.encode(bytes))
    }
}

/// A signature that was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified<'k> {
    /// The key that signed.
    pub key: &'k VerifierKey,
    /// When, in seconds since 1970, as the signer says. `None` for algorithms that do not say. 0 is no time.
    pub timestamp: Option<u64>,
}

/// A text and its signatures, which are not verified by reading them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

impl Note {
    /// A note of this text, which ends in a newline, and these signatures, in their order.
    ///
    /// # Errors
    /// [`NoteError`] when the note could not be read back: a text of another form, no signature, or too much.
    pub fn new(text: String, signatures: Vec<NoteSignature>) -> Result<Self, NoteError> {
        check_text(&text)?;
        let note = Self { text, signatures };
        note.check_limits()?;
        Ok(note)
    }

    /// Reads a note. Every byte counts: [`Note`] displays as exactly these bytes.
    ///
    /// # Errors
    /// [`NoteError`] for anything that the specification does not allow, and above the limits.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        let whole = checked_utf8(bytes)?;
        let (text, signatures) = whole.rsplit_once("\n\n").ok_or(NoteError::Shape)?;
        let signatures = NoteSignature::parse_lines(signatures)?;
        Ok(Self { text: format!("{text}\n"), signatures })
    }

    /// The text that is signed, with its last newline.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures, in their order.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Adds signatures, in their order; those that are there already are left out.
    ///
    /// # Errors
    /// [`NoteError`] above the limits; then the note is as it was.
    pub fn add(&mut self, signatures: impl IntoIterator<Item = NoteSignature>) -> Result<(), NoteError> {
        let before = self.signatures.len();
        for signature in signatures {
            if !self.signatures.contains(&signature) {
                self.signatures.push(signature);
            }
        }
        self.check_limits().inspect_err(|_| self.signatures.truncate(before))
    }

    /// Verifies every signature that names one of these keys, and ignores all others.
    ///
    /// Says which signatures hold, in the order of the note; at least one.
    ///
    /// # Errors
    /// [`NoteError::Unverified`] when no key is named; the error of the first signature that names a key and does not
    /// hold, whatever the others say.
    pub fn verify<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k VerifierKey> + Clone,
    ) -> Result<Vec<Verified<'k>>, NoteError> {
        let mut verified = Vec::new();
        for signature in &self.signatures {
            let mut outcome = None;
            // Two keys may share a name and an id by accident: one of them must have signed.
            for key in keys.clone().into_iter().filter(|key| key.is_named_by(signature)) {
                outcome =
                    Some(key.verify(&self.text, signature).map(|timestamp| Verified { key, timestamp }));
                if matches!(outcome, Some(Ok(_))) {
                    break;
                }
            }
            verified.extend(outcome.transpose()?);
        }
        if verified.is_empty() { Err(NoteError::Unverified) } else { Ok(verified) }
    }

    fn check_limits(&self) -> Result<(), NoteError> {
        if self.signatures.is_empty() {
            return Err(NoteError::NoSignatures);
        }
        if self.signatures.len() > MAX_SIGNATURES {
            return Err(NoteError::TooManySignatures);
        }
        let line = |s: &NoteSignature| {
            "— ".len() + s.name.0.len() + " ".len() + (4 + s.value.len()).div_ceil(3) * 4 + "\n".len()
        };
        let bytes = self.text.len() + "\n".len() + self.signatures.iter().map(line).sum::<usize>();
        if bytes > MAX_NOTE_BYTES { Err(NoteError::TooLarge { bytes }) } else { Ok(()) }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

/// The text of a note, or of a part of one: bounded, UTF-8, and newline its only control character.
pub(crate) fn checked_utf8(bytes: &[u8]) -> Result<&str, NoteError> {
    if bytes.len() > MAX_NOTE_BYTES {
        return Err(NoteError::TooLarge { bytes: bytes.len() });
    }
    let text = str::from_utf8(bytes).map_err(|_| NoteError::Utf8)?;
    match text.chars().find(|c| *c < ' ' && *c != '\n') {
        Some(control) => Err(NoteError::Control(control)),
        None => Ok(text),
    }
}

/// Whether this can be the text of a note.
pub(crate) fn check_text(text: &str) -> Result<(), NoteError> {
    checked_utf8(text.as_bytes())?;
    if text.ends_with('\n') { Ok(()) } else { Err(NoteError::Shape) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{Algorithm, NoteSigner};

    /// A line that reads as a signature: key id and one byte.
    const LINE: &str = "— name AAAAAAA=";

    fn signer(name: &str, seed: u8) -> NoteSigner {
        NoteSigner::from_seed(name.parse().expect("a key name"), Algorithm::Ed25519, &[seed; 32])
            .expect("a key")
    }

    #[test]
    fn key_names_have_no_white_space_and_no_plus() {
        for good in ["a", "example.com/log42", "台帳", "a-b_c.d:e/f", "\u{7f}"] {
            assert!(good.parse::<KeyName>().is_ok(), "{good}");
        }
        for bad in ["", " ", "a b", "a+b", "a\n", "a\u{a0}b", "a\u{3000}b", "a\u{2028}", "a\u{85}", "\u{1}"] {
            assert_eq!(bad.parse::<KeyName>(), Err(KeyNameError), "{bad:?}");
        }
    }

    #[test]
    fn a_note_has_one_form() {
        let line = |line| Err(NoteError::SignatureLine { line });
        for (bytes, expected) in [
            ("", Err(NoteError::Shape)),
            ("text\n", Err(NoteError::Shape)),
            ("text\n\n", Err(NoteError::NoSignatures)),
            (&format!("\n{LINE}\n"), Err(NoteError::Shape)),
            (&format!("text\n{LINE}\n"), Err(NoteError::Shape)),
            (&format!("text\n\n{LINE}"), Err(NoteError::Shape)),
            (&format!("text\n\n{LINE}\n\n"), Err(NoteError::NoSignatures)),
            (&format!("text\n\n{LINE}\n{LINE}\nmore\n"), line(3)),
            (&format!("text\n\n {LINE}\n"), line(1)),
            (&format!("text\n\n{LINE} \n"), line(1)),
            (&format!("text\r\n\r\n{LINE}\r\n"), Err(NoteError::Control('\r'))),
            (&format!("te\0xt\n\n{LINE}\n"), Err(NoteError::Control('\0'))),
            ("text\n\n- name AAAAAAA=\n", line(1)),
            ("text\n\n—name AAAAAAA=\n", line(1)),
            ("text\n\n—  name AAAAAAA=\n", line(1)),
            ("text\n\n— name  AAAAAAA=\n", line(1)),
            ("text\n\n— na+me AAAAAAA=\n", line(1)),
            ("text\n\n— na\u{a0}me AAAAAAA=\n", line(1)),
            ("text\n\n— AAAAAAA=\n", line(1)),
            ("text\n\n— name \n", line(1)),
            // No padding, wrong padding, left-over bits, another alphabet, only a key id, less than a key id.
            ("text\n\n— name AAAAAAA\n", line(1)),
            ("text\n\n— name AAAAAAA==\n", line(1)),
            ("text\n\n— name AAAAAAB=\n", line(1)),
            ("text\n\n— name AAAAAA-_\n", line(1)),
            ("text\n\n— name AAAAAA==\n", line(1)),
            ("text\n\n— name AAAA\n", line(1)),
        ] {
            assert_eq!(Note::parse(bytes.as_bytes()).map(|_| ()), expected, "{bytes:?}");
        }
        assert_eq!(Note::parse(b"\xff\n\n"), Err(NoteError::Utf8));
        for text in ["text\n", "\n", "\n\n\n", "— name AAAAAAA=\n", "a\n\n— name AAAAAAA=\n"] {
            let bytes = format!("{text}\n{LINE}\n");
            let note = Note::parse(bytes.as_bytes()).expect("a note");
            assert_eq!((note.text(), note.signatures().len()), (text, 1));
            assert_eq!(note.to_string(), bytes);
        }
    }

    #[test]
    fn limits_are_kept_on_both_sides() {
        let lines = |n: usize| format!("text\n\n{}", format!("{LINE}\n").repeat(n));
        assert_eq!(Note::parse(lines(100).as_bytes()).expect("a note").signatures().len(), 100);
        assert_eq!(Note::parse(lines(101).as_bytes()), Err(NoteError::TooManySignatures));

        let signature = NoteSignature::from_line(LINE).expect("a line");
        let around = format!("\n\n{LINE}\n").len();
        let text = |len: usize| format!("{}\n", "x".repeat(len));
        let largest = text(MAX_NOTE_BYTES - around);
        let note = Note::new(largest, vec![signature.clone()]).expect("just small enough");
        assert_eq!(note.to_string().len(), MAX_NOTE_BYTES);
        assert_eq!(Note::parse(note.to_string().as_bytes()).as_ref(), Ok(&note));
        let bytes = MAX_NOTE_BYTES + 1;
        let larger = text(bytes - around);
        assert_eq!(Note::new(larger.clone(), vec![signature.clone()]), Err(NoteError::TooLarge { bytes }));
        let larger = format!("{larger}\n{LINE}\n");
        assert_eq!(Note::parse(larger.as_bytes()), Err(NoteError::TooLarge { bytes }));

        assert_eq!(Note::new("text\n".into(), vec![]), Err(NoteError::NoSignatures));
        assert_eq!(Note::new("text".into(), vec![signature.clone()]), Err(NoteError::Shape));
        let many = vec![signature; 101];
        assert_eq!(Note::new("text\n".into(), many), Err(NoteError::TooManySignatures));
    }

    #[test]
    fn signatures_are_added_once() {
        let text = "text\n";
        let [a, b] = [1, 2].map(|seed| signer("a", seed).sign(text, 0).expect("a text"));
        let mut note = Note::new(text.into(), vec![a.clone()]).expect("a note");
        note.add([b.clone(), a.clone(), b.clone()]).expect("few");
        assert_eq!(note.signatures(), [a, b]);
        let many = (0..99)
            .map(|n| NoteSignature::new("c".parse().expect("a key name"), KeyId::from([0; 4]), vec![n]));
        let before = note.clone();
        assert_eq!(note.add(many), Err(NoteError::TooManySignatures));
        assert_eq!(note, before);
    }

    #[test]
    fn a_bad_signature_of_a_known_key_spoils_the_note_and_unknown_ones_do_not() {
        let text = "text\n";
        let (known, other) = (signer("known", 1), signer("other", 2));
        let good = known.sign(text, 0).expect("a text");
        let bad = known.sign("another text\n", 0).expect("a text");
        let unknown = other.sign("another text\n", 0).expect("a text");
        let key = known.verifier();
        let verify = |signatures: &[&NoteSignature]| {
            let signatures = signatures.iter().map(|s| (*s).clone()).collect();
            Note::new(text.into(), signatures).expect("a note").verify([key]).map(|verified| verified.len())
        };
        let spoilt = Err(NoteError::BadSignature(key.name().clone()));
        assert_eq!(verify(&[&good]), Ok(1));
        assert_eq!(verify(&[&unknown, &good, &unknown]), Ok(1));
        assert_eq!(verify(&[&unknown]), Err(NoteError::Unverified));
        assert_eq!(verify(&[&good, &bad]), spoilt);
        assert_eq!(verify(&[&bad, &good]), spoilt);
        // The same name with another id, or the same id with another name, is another key.
        let renamed = NoteSignature::new("known".parse().expect("a key name"), unknown.key_id, vec![0; 64]);
        let same_id = NoteSignature::new("other".parse().expect("a key name"), key.key_id(), vec![0; 64]);
        assert_eq!(verify(&[&renamed, &same_id, &good]), Ok(1));
        assert_eq!(verify(&[&renamed, &same_id]), Err(NoteError::Unverified));
    }
}
