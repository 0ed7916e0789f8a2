//! Keys that sign notes: verifier keys (C2SP signed-note, "vkey"), signer keys, and what each algorithm signs.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::Signer as _;
use ml_dsa::{Keypair as _, MlDsa44};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::checkpoint::Checkpoint;
use crate::note::{KeyName, KeyNameError, NoteError, NoteSignature, check_text};

/// Longest name of an ML-DSA-44 key, and longest origin that it signs, in bytes.
pub const MAX_ML_DSA_NAME: usize = 255;

/// How a key signs. The numbers are the signature types of C2SP signed-note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// Ed25519 (RFC 8032) over the text of the note.
    Ed25519 = 0x01,
    /// Ed25519 over a checkpoint and a time (C2SP tlog-cosignature).
    CosignatureEd25519 = 0x04,
    /// ML-DSA-44 (FIPS 204) over origin, size, root, the signer's name and a time (C2SP tlog-cosignature).
    CosignatureMlDsa44 = 0x06,
}

impl Algorithm {
    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Ed25519, Self::CosignatureEd25519, Self::CosignatureMlDsa44]
            .into_iter()
            .find(|algorithm| *algorithm as u8 == byte)
    }
}

/// Tells keys of one name apart: the first 4 bytes of SHA-256(name ‖ newline ‖ algorithm ‖ public key). No
/// cryptographic identity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 4]);

impl KeyId {
    fn of(name: &KeyName, algorithm: Algorithm, public: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(name.as_str());
        hash.update([b'\n', algorithm as u8]);
        hash.update(public);
        let digest: [u8; 32] = hash.finalize().into();
        Self([digest[0], digest[1], digest[2], digest[3]])
    }

    /// The 4 bytes.
    pub fn as_bytes(&self) -> &[u8; 4] {
        &self.0
    }
}

impl From<[u8; 4]> for KeyId {
    fn from(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }
}

/// Eight lower-case hexadecimal digits.
impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// Why a text is no key, or a key cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not the parts of a key, joined by `+`, in the one form that they are written in.
    #[error("a key is written <name>+<id>+<base64>, a secret one after PRIVATE+KEY+")]
    Form,
    /// The name is none.
    #[error(transparent)]
    Name(#[from] KeyNameError),
    /// An algorithm that we do not verify.
    #[error("unknown signature type 0x{0:02x}")]
    Algorithm(u8),
    /// The key bytes have the wrong length.
    #[error("{bytes} bytes is no length of a key of this type")]
    Length {
        /// How many there are.
        bytes: usize,
    },
    /// No point of the curve, or one of small order, under which a signature would say nothing.
    #[error("the Ed25519 key is no usable point")]
    Point,
    /// The id is not that of this name and key.
    #[error("the key id is not that of the name and the key")]
    Id,
    /// ML-DSA-44 keys sign their name as at most 255 bytes.
    #[error("a name of {bytes} bytes is too long for an ML-DSA-44 key")]
    NameTooLong {
        /// How many there are.
        bytes: usize,
    },
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    Random,
}

/// A public key with its name, ready to verify. Written `<name>+<key id>+<base64(algorithm ‖ public key)>`.
#[derive(Clone)]
pub struct VerifierKey {
    name: KeyName,
    key_id: KeyId,
    algorithm: Algorithm,
    public: Vec<u8>,
    ready: Ready,
}

/// The public key, decoded once.
#[derive(Clone)]
enum Ready {
    Ed25519(ed25519_dalek::VerifyingKey),
    MlDsa44(Box<ml_dsa::VerifyingKey<MlDsa44>>),
}

impl VerifierKey {
    /// A key from its public bytes: 32 for Ed25519, 1312 for ML-DSA-44.
    ///
    /// # Errors
    /// [`KeyError`] when there are not as many, when they are no usable point, or when the name is too long.
    pub fn new(name: KeyName, algorithm: Algorithm, public: &[u8]) -> Result<Self, KeyError> {
        let length = KeyError::Length { bytes: public.len() };
        let ready = match algorithm {
            Algorithm::Ed25519 | Algorithm::CosignatureEd25519 => {
                let bytes = public.try_into().map_err(|_| length)?;
                let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::Point)?;
                if key.is_weak() {
                    return Err(KeyError::Point);
                }
                Ready::Ed25519(key)
            }
            Algorithm::CosignatureMlDsa44 => {
                if name.as_str().len() > MAX_ML_DSA_NAME {
                    return Err(KeyError::NameTooLong { bytes: name.as_str().len() });
                }
                let bytes = public.try_into().map_err(|_| length)?;
                Ready::MlDsa44(Box::new(ml_dsa::VerifyingKey::decode(bytes)))
            }
        };
        let key_id = KeyId::of(&name, algorithm, public);
        Ok(Self { name, key_id, algorithm, public: public.to_vec(), ready })
    }

    /// Name of the key: for a log its origin.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// Id of the key.
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// How it signs.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The public key alone: 32 or 1312 bytes.
    pub fn public_key(&self) -> &[u8] {
        &self.public
    }

    /// Whether the signature says that it is by this key.
    pub fn is_named_by(&self, signature: &NoteSignature) -> bool {
        *signature.name() == self.name && signature.key_id() == self.key_id
    }

    /// Verifies a signature over the text of a note. For a cosignature it says when it was made, in seconds since
    /// 1970; 0 stands for no time, which a log may sign and a witness may not.
    ///
    /// Ed25519 is strict: canonical `S` and `R`, no point of small order, no cofactor.
    ///
    /// # Errors
    /// [`NoteError`] unless the signature is by this key over this text, and for cosignatures the text a checkpoint.
    pub fn verify(&self, text: &str, signature: &NoteSignature) -> Result<Option<u64>, NoteError> {
        if !self.is_named_by(signature) {
            return Err(NoteError::OtherKey);
        }
        let bad = || NoteError::BadSignature(self.name.clone());
        let (timestamp, value) = if self.algorithm == Algorithm::Ed25519 {
            (None, signature.value())
        } else {
            let (seconds, value) = signature.value().split_first_chunk::<8>().ok_or_else(bad)?;
            (Some(u64::from_be_bytes(*seconds)), value)
        };
        let message = self.message(text, timestamp.unwrap_or_default())?;
        let holds = match &self.ready {
            Ready::Ed25519(key) => ed25519_dalek::Signature::from_slice(value)
                .is_ok_and(|signature| key.verify_strict(&message, &signature).is_ok()),
            Ready::MlDsa44(key) => ml_dsa::Signature::<MlDsa44>::try_from(value)
                .is_ok_and(|signature| key.verify_with_context(&message, &[], &signature)),
        };
        if holds { Ok(timestamp) } else { Err(bad()) }
    }

    /// The bytes that are signed for a note with this text.
    fn message(&self, text: &str, timestamp: u64) -> Result<Vec<u8>, NoteError> {
        if self.algorithm == Algorithm::Ed25519 {
            return Ok(text.as_bytes().to_vec());
        }
        if timestamp > i64::MAX as u64 {
            return Err(NoteError::Timestamp { seconds: timestamp });
        }
        let checkpoint = Checkpoint::parse(text)?;
        if self.algorithm == Algorithm::CosignatureEd25519 {
            return Ok(format!("cosignature/v1\ntime {timestamp}\n{text}").into_bytes());
        }
        let origin = checkpoint.origin();
        let mut message = b"subtree/v1\n\0".to_vec();
        push_short(&mut message, self.name.as_str()).expect("the length is checked when the key is made");
        message.extend_from_slice(&timestamp.to_be_bytes());
        push_short(&mut message, origin).ok_or(NoteError::OriginTooLong { bytes: origin.len() })?;
        // A checkpoint is the subtree from 0 to its size.
        message.extend_from_slice(&0u64.to_be_bytes());
        message.extend_from_slice(&checkpoint.size().to_be_bytes());
        message.extend_from_slice(checkpoint.root().as_bytes());
        Ok(message)
    }
}

/// Appends a text after its length in one byte. `None` above 255 bytes.
fn push_short(message: &mut Vec<u8>, text: &str) -> Option<()> {
    message.push(u8::try_from(text.len()).ok()?);
    message.extend_from_slice(text.as_bytes());
    Some(())
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&[self.algorithm as u8][..], &self.public].concat();
        write!(f, "{}+{}+{}", self.name, self.key_id, BASE64.encode(bytes))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

/// Keys are the same when they are written the same.
impl PartialEq for VerifierKey {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.algorithm, &self.public) == (&other.name, other.algorithm, &other.public)
    }
}

impl Eq for VerifierKey {}

impl FromStr for VerifierKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let parts = Parts::parse(text)?;
        let key = Self::new(parts.name, parts.algorithm, &parts.key)?;
        if key.key_id == parts.key_id { Ok(key) } else { Err(KeyError::Id) }
    }
}

/// The parts of a written key, public or secret.
struct Parts {
    name: KeyName,
    key_id: KeyId,
    algorithm: Algorithm,
    key: Zeroizing<Vec<u8>>,
}

impl Parts {
    /// Reads `<name>+<key id>+<base64(algorithm ‖ key)>`.
    fn parse(text: &str) -> Result<Self, KeyError> {
        let (name, rest) = text.split_once('+').ok_or(KeyError::Form)?;
        // The base64 may hold a plus, the id may not.
        let (id, encoded) = rest.split_once('+').ok_or(KeyError::Form)?;
        let mut key_id = [0; 4];
        hex::decode_to_slice(id, &mut key_id).map_err(|_| KeyError::Form)?;
        if id.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(KeyError::Form);
        }
        let bytes = Zeroizing::new(BASE64.decode(encoded).map_err(|_| KeyError::Form)?);
        let (algorithm, key) = bytes.split_first().ok_or(KeyError::Form)?;
        let algorithm = Algorithm::from_byte(*algorithm).ok_or(KeyError::Algorithm(*algorithm))?;
        Ok(Self { name: name.parse()?, key_id: KeyId(key_id), algorithm, key: Zeroizing::new(key.to_vec()) })
    }
}

/// A private key with its name, wherever it is: in memory ([`NoteSigner`]), or in a token that signs and gives nothing away.
pub trait NoteKey: Send + Sync + fmt::Debug {
    /// The public half.
    fn verifier(&self) -> &VerifierKey;

    /// The signature of the verifier's algorithm over a message: 64 bytes of Ed25519 (RFC 8032), or ML-DSA-44 (FIPS 204)
    /// with an empty context. It may take as long as a token does.
    ///
    /// # Errors
    /// [`NoteError::NotSigned`].
    fn sign_message(&self, message: &[u8]) -> Result<Vec<u8>, NoteError>;

    /// Signs the text of a note. `timestamp` is in seconds since 1970; Ed25519 without time ignores it.
    ///
    /// # Errors
    /// [`NoteError`] when the text is none of a note, for cosignatures none of a checkpoint, when the time is above
    /// 2^63 - 1, or when the key does not sign.
    fn sign(&self, text: &str, timestamp: u64) -> Result<NoteSignature, NoteError> {
        check_text(text)?;
        let verifier = self.verifier();
        let message = verifier.message(text, timestamp)?;
        let mut value = Vec::new();
        if verifier.algorithm != Algorithm::Ed25519 {
            value.extend_from_slice(&timestamp.to_be_bytes());
        }
        value.extend_from_slice(&self.sign_message(&message)?);
        Ok(NoteSignature::new(verifier.name.clone(), verifier.key_id, value))
    }
}

impl NoteKey for NoteSigner {
    fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    fn sign_message(&self, message: &[u8]) -> Result<Vec<u8>, NoteError> {
        Ok(match &self.secret {
            Secret::Ed25519(key) => key.sign(message).to_bytes().to_vec(),
            Secret::MlDsa44(key) => {
                // The deterministic variant, with an empty context.
                let signature: ml_dsa::Signature<MlDsa44> = key.sign(message);
                signature.encode().to_vec()
            }
        })
    }
}

/// A secret key with its name. It never prints, and its memory is cleared when it is dropped.
pub struct NoteSigner {
    verifier: VerifierKey,
    secret: Secret,
}

enum Secret {
    Ed25519(Box<ed25519_dalek::SigningKey>),
    MlDsa44(Box<ml_dsa::SigningKey<MlDsa44>>),
}

impl NoteSigner {
    /// Length of the secret seed of every algorithm, in bytes.
    pub const SEED_LEN: usize = 32;

    /// A new key, from the system's randomness.
    ///
    /// # Errors
    /// [`KeyError::Random`] without randomness; [`KeyError::NameTooLong`] for ML-DSA-44.
    pub fn generate(name: KeyName, algorithm: Algorithm) -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0; Self::SEED_LEN]);
        getrandom::fill(&mut seed[..]).map_err(|_| KeyError::Random)?;
        Self::from_seed(name, algorithm, &seed)
    }

    /// The key of this seed: the secret key of RFC 8032, or ξ of FIPS 204.
    ///
    /// # Errors
    /// [`KeyError::NameTooLong`] for ML-DSA-44.
    pub fn from_seed(
        name: KeyName,
        algorithm: Algorithm,
        seed: &[u8; Self::SEED_LEN],
    ) -> Result<Self, KeyError> {
        let (secret, public) = match algorithm {
            Algorithm::Ed25519 | Algorithm::CosignatureEd25519 => {
                let key = ed25519_dalek::SigningKey::from_bytes(seed);
                let public = key.verifying_key().to_bytes().to_vec();
                (Secret::Ed25519(Box::new(key)), public)
            }
            Algorithm::CosignatureMlDsa44 => {
                let key = ml_dsa::SigningKey::<MlDsa44>::from_seed(seed.into());
                let public = key.verifying_key().encode().to_vec();
                (Secret::MlDsa44(Box::new(key)), public)
            }
        };
        Ok(Self { verifier: VerifierKey::new(name, algorithm, &public)?, secret })
    }

    /// The public half.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The secret as the seed of [`NoteSigner::from_seed`].
    pub fn seed(&self) -> Zeroizing<[u8; Self::SEED_LEN]> {
        let mut seed = Zeroizing::new([0; Self::SEED_LEN]);
        match &self.secret {
            Secret::Ed25519(key) => seed.copy_from_slice(key.as_bytes()),
            Secret::MlDsa44(key) => seed.copy_from_slice(key.as_seed()),
        }
        seed
    }

    /// The secret as text: `PRIVATE+KEY+<name>+<key id>+<base64(algorithm ‖ seed)>`, as Go's sumdb/note writes it. Read
    /// it back with [`str::parse`].
    pub fn to_secret_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; 1 + Self::SEED_LEN]);
        bytes[0] = self.verifier.algorithm as u8;
        bytes[1..].copy_from_slice(&*self.seed());
        let encoded = Zeroizing::new(BASE64.encode(&bytes[..]));
        let VerifierKey { name, key_id, .. } = &self.verifier;
        let public = format!("PRIVATE+KEY+{name}+{key_id}+");
        // Reserved whole: a string that grows leaves copies behind.
        let mut text = Zeroizing::new(String::with_capacity(public.len() + encoded.len()));
        text.push_str(&public);
        text.push_str(&encoded);
        text
    }

    /// As [`NoteKey::sign`]; it always signs, and the same input gives the same bytes.
    ///
    /// # Errors
    /// As [`NoteKey::sign`].
    pub fn sign(&self, text: &str, timestamp: u64) -> Result<NoteSignature, NoteError> {
        NoteKey::sign(self, text, timestamp)
    }
}

impl fmt::Debug for NoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoteSigner({}+{})", self.verifier.name, self.verifier.key_id)
    }
}

impl FromStr for NoteSigner {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let parts = Parts::parse(text.strip_prefix("PRIVATE+KEY+").ok_or(KeyError::Form)?)?;
        let length = KeyError::Length { bytes: parts.key.len() };
        let seed = parts.key[..].try_into().map_err(|_| length)?;
        let signer = Self::from_seed(parts.name, parts.algorithm, seed)?;
        if signer.verifier.key_id == parts.key_id { Ok(signer) } else { Err(KeyError::Id) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Algorithm; 3] =
        [Algorithm::Ed25519, Algorithm::CosignatureEd25519, Algorithm::CosignatureMlDsa44];
    const CHECKPOINT: &str = "example.com/log\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    fn signer(algorithm: Algorithm) -> NoteSigner {
        let name = "example.com/log".parse().expect("a key name");
        NoteSigner::from_seed(name, algorithm, &[1; 32]).expect("a key")
    }

    #[test]
    fn the_keys_that_go_documents_are_read() {
        // The example of golang.org/x/mod/sumdb/note.
        let secret = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
        let public = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let signer: NoteSigner = secret.parse().expect("the documented key");
        assert_eq!(signer.verifier().to_string(), public);
        assert_eq!(*signer.to_secret_text(), secret);
        let text = "If you think cryptography is the answer to your problem,\n\
            then you don't know what your problem is.\n";
        let signature = signer.sign(text, 0).expect("a text");
        assert_eq!(
            signature.to_string(),
            "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
        );
    }

    #[test]
    fn keys_of_every_algorithm_round_trip_and_sign_the_same_bytes_again() {
        for algorithm in ALL {
            let key = signer(algorithm);
            let again: NoteSigner = key.to_secret_text().parse().expect("own text");
            assert_eq!(again.verifier(), key.verifier());
            assert_eq!(key.verifier().to_string().parse().as_ref(), Ok(key.verifier()));
            let signature = key.sign(CHECKPOINT, 7).expect("a checkpoint");
            assert_eq!(again.sign(CHECKPOINT, 7), Ok(signature.clone()));
            let time = (algorithm != Algorithm::Ed25519).then_some(7);
            assert_eq!(key.verifier().verify(CHECKPOINT, &signature), Ok(time));
            let fresh = |name: &str| {
                let name = name.parse().expect("a key name");
                NoteSigner::generate(name, algorithm).expect("random bytes")
            };
            assert_ne!(fresh("a").verifier().public_key(), fresh("a").verifier().public_key());
        }
    }

    #[test]
    fn a_secret_key_never_prints() {
        for algorithm in ALL {
            let key = signer(algorithm);
            assert_eq!(
                format!("{key:?}"),
                format!("NoteSigner(example.com/log+{})", key.verifier().key_id())
            );
        }
    }

    #[test]
    fn one_key_under_two_types_is_two_keys() {
        let ids: Vec<KeyId> = ALL[..2].iter().map(|a| signer(*a).verifier().key_id()).collect();
        assert_ne!(ids[0], ids[1]);
        let plain = signer(Algorithm::Ed25519).sign(CHECKPOINT, 0).expect("a checkpoint");
        let verifier = signer(Algorithm::CosignatureEd25519).verifier().clone();
        assert_eq!(verifier.verify(CHECKPOINT, &plain), Err(NoteError::OtherKey));
    }

    #[test]
    fn only_what_was_signed_verifies() {
        let bad = |key: &NoteSigner| Err(NoteError::BadSignature(key.verifier().name().clone()));
        for algorithm in ALL {
            let key = signer(algorithm);
            let signature = key.sign(CHECKPOINT, 7).expect("a checkpoint");
            let verify = |text: &str, value: Vec<u8>| {
                let named = NoteSignature::new(key.verifier().name().clone(), key.verifier().key_id(), value);
                key.verifier().verify(text, &named)
            };
            let value = signature.value().to_vec();
            for at in (0..value.len()).step_by(61).chain([7, value.len() - 1]) {
                let mut changed = value.clone();
                changed[at] ^= 1;
                let outcome = verify(CHECKPOINT, changed);
                assert_eq!(outcome, bad(&key), "{algorithm:?} byte {at}");
            }
            for length in [1, 7, 8, 9, 63, 64, 65, value.len() - 1] {
                if length < value.len() {
                    assert_eq!(verify(CHECKPOINT, value[..length].to_vec()), bad(&key), "{length}");
                }
            }
            assert_eq!(verify(CHECKPOINT, [&value[..], &[0]].concat()), bad(&key));
            assert_eq!(verify(&CHECKPOINT.replace("log\n1", "log\n2"), value), bad(&key));
        }
    }

    #[test]
    fn extension_lines_are_signed_by_ed25519_alone() {
        let extended = format!("{CHECKPOINT}more\n");
        for algorithm in ALL {
            let key = signer(algorithm);
            let signature = key.sign(CHECKPOINT, 7).expect("a checkpoint");
            let holds = key.verifier().verify(&extended, &signature).is_ok();
            assert_eq!(holds, algorithm == Algorithm::CosignatureMlDsa44);
        }
    }

    #[test]
    fn cosignatures_are_on_checkpoints_and_at_a_time_that_fits() {
        for algorithm in &ALL[1..] {
            let key = signer(*algorithm);
            assert!(matches!(key.sign("some text\n", 1), Err(NoteError::NoCheckpoint(_))));
            let late = 1 << 63;
            assert_eq!(key.sign(CHECKPOINT, late), Err(NoteError::Timestamp { seconds: late }));
            assert!(key.sign(CHECKPOINT, late - 1).is_ok());
            let mut value = key.sign(CHECKPOINT, 1).expect("a checkpoint").value().to_vec();
            value[0] = 0x80;
            let signature = NoteSignature::new(key.verifier().name().clone(), key.verifier().key_id(), value);
            let seconds = late + 1;
            assert_eq!(key.verifier().verify(CHECKPOINT, &signature), Err(NoteError::Timestamp { seconds }));
        }
        assert_eq!(signer(Algorithm::Ed25519).sign("no newline", 0), Err(NoteError::Shape));
        assert_eq!(signer(Algorithm::Ed25519).sign("tab\t\n", 0), Err(NoteError::Control('\t')));
    }

    #[test]
    fn ml_dsa_signs_names_and_origins_of_255_bytes_and_no_longer() {
        let name = |len: usize| -> KeyName { "n".repeat(len).parse().expect("a key name") };
        let make = |len| NoteSigner::from_seed(name(len), Algorithm::CosignatureMlDsa44, &[1; 32]);
        assert_eq!(make(256).err(), Some(KeyError::NameTooLong { bytes: 256 }));
        let key = make(255).expect("short enough");
        let text = |len: usize| CHECKPOINT.replace("example.com/log", &"o".repeat(len));
        let signature = key.sign(&text(255), 1).expect("short enough");
        assert_eq!(key.verifier().verify(&text(255), &signature), Ok(Some(1)));
        let long = Err(NoteError::OriginTooLong { bytes: 256 });
        assert_eq!(key.sign(&text(256), 1), long);
        assert_eq!(key.verifier().verify(&text(256), &signature), long.map(|_| None));
        let plain = NoteSigner::from_seed(name(256), Algorithm::Ed25519, &[1; 32]).expect("any length");
        assert!(plain.sign(&text(256), 1).is_ok());
    }

    #[test]
    fn a_key_has_one_form() {
        let good = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
        assert!(good.parse::<VerifierKey>().is_ok());
        for (bad, error) in [
            ("", KeyError::Form),
            ("example.com/foo", KeyError::Form),
            ("example.com/foo+530d903a", KeyError::Form),
            ("example.com/foo+530d903a+", KeyError::Form),
            (&good.replace("530d903a", "530D903A"), KeyError::Form),
            (&good.replace("530d903a", "30d903a"), KeyError::Form),
            (&good.replace("530d903a", "+30d903a"), KeyError::Form),
            (&good.replace("530d903a", "530d903b"), KeyError::Id),
            (&good.replace("foo", "bar"), KeyError::Id),
            (&good.replace("example.com/foo", ""), KeyError::Name(KeyNameError)),
            (&good.replace("foo", "f oo"), KeyError::Name(KeyNameError)),
            (&good.replace("foo", "f\u{3000}oo"), KeyError::Name(KeyNameError)),
            (&good.replace("2k", "2l"), KeyError::Id),
            ("example.com/foo+530d903a+AR==", KeyError::Form),
            ("example.com/foo+530d903a+AQ", KeyError::Form),
            (&format!("{good}="), KeyError::Form),
            (&format!("{good}\n"), KeyError::Form),
            (&good.replace("AekyeRrm", "Aeky+Rrm"), KeyError::Point),
            ("example.com/foo+530d903a+AQ==", KeyError::Length { bytes: 0 }),
            ("example.com/foo+530d903a+Ag==", KeyError::Algorithm(2)),
            ("example.com/foo+530d903a+BukyeRrm", KeyError::Length { bytes: 5 }),
        ] {
            assert_eq!(bad.parse::<VerifierKey>(), Err(error), "{bad}");
        }
        let secret = signer(Algorithm::Ed25519).to_secret_text();
        for (bad, error) in [
            (&secret["PRIVATE+".len()..], KeyError::Form),
            (good, KeyError::Form),
            (&secret.replace("log+", "log2+"), KeyError::Id),
            (&secret[..secret.len() - 4], KeyError::Length { bytes: 29 }),
        ] {
            assert_eq!(bad.parse::<NoteSigner>().err(), Some(error), "{bad}");
        }
    }

    #[test]
    fn points_of_small_order_are_no_keys() {
        let name: KeyName = "example.com/log".parse().expect("a key name");
        let mut identity = [0; 32];
        identity[0] = 1;
        for point in [[0; 32], identity] {
            for algorithm in &ALL[..2] {
                let key = VerifierKey::new(name.clone(), *algorithm, &point);
                assert_eq!(key.err(), Some(KeyError::Point));
            }
        }
    }
}
