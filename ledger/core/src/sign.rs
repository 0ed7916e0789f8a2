//! Keys and signatures: Ed25519 (RFC 8032) over the DSSE pre-authentication encoding.

use std::fmt;
use std::sync::Arc;

use ed25519_dalek::Signer as DalekSigner;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::proto;

/// Names a key: the first 16 bytes of SHA-256 over `daicho key v1`, a zero byte, the algorithm byte and the public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct KeyId([u8; Self::LEN]);

impl KeyId {
    /// Length in bytes.
    pub const LEN: usize = 16;

    /// A key id from its bytes. `None` unless there are 16.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Parses 32 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_slice(&hex::decode(text).ok()?)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; 2 * Self::LEN];
        hex::encode_to_slice(self.0, &mut digits).map_err(|_| fmt::Error)?;
        f.write_str(str::from_utf8(&digits).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// A public key as bytes, with its algorithm. Not yet known to be a point of the curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Reads the wire form. `None` for another algorithm or length.
    pub fn from_proto(key: &proto::PublicKey) -> Option<Self> {
        let ed25519 = key.algorithm == proto::SignatureAlgorithm::Ed25519 as i32;
        if ed25519 { key.value.as_slice().try_into().ok().map(Self) } else { None }
    }

    /// The wire form.
    pub fn to_proto(self) -> proto::PublicKey {
        proto::PublicKey { algorithm: proto::SignatureAlgorithm::Ed25519 as i32, value: self.0.to_vec() }
    }

    /// A public key from its 32 bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key's name.
    pub fn id(&self) -> KeyId {
        let mut hash = Sha256::new();
        hash.update(b"daicho key v1\0");
        hash.update([proto::SignatureAlgorithm::Ed25519 as u8]);
        hash.update(self.0);
        let digest: [u8; 32] = hash.finalize().into();
        let mut id = [0; KeyId::LEN];
        id.copy_from_slice(&digest[..KeyId::LEN]);
        KeyId(id)
    }

    /// Decompresses the point once, for many verifications. `None` when it is no usable key:
    /// not on the curve, or of small order, so that a signature would say nothing.
    pub fn to_verifying_key(self) -> Option<VerifyingKey> {
        let key = ed25519_dalek::VerifyingKey::from_bytes(&self.0).ok()?;
        (!key.is_weak()).then_some(VerifyingKey(key))
    }
}

/// A public key ready to verify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyingKey(ed25519_dalek::VerifyingKey);

impl VerifyingKey {
    /// Whether `signature` is one of this key over `message`, under the strict rules: canonical `S`
    /// and `R`, no small-order points. Every path that verifies uses this function.
    pub fn verify_strict(&self, message: &[u8], signature: &[u8]) -> bool {
        ed25519_dalek::Signature::from_slice(signature)
            .is_ok_and(|signature| self.0.verify_strict(message, &signature).is_ok())
    }
}

/// A private Ed25519 key, wherever it is: in memory ([`SigningKey`]), or in a token that signs and gives nothing away.
pub trait Signer: Send + Sync + fmt::Debug {
    /// The public half.
    fn public(&self) -> PublicKey;

    /// Signs a message. It may take as long as a token does: where that matters, call it on a thread that may wait.
    ///
    /// # Errors
    /// [`SignerError`]: nothing was signed.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerError>;
}

/// A key did not sign: its token is gone, or refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the key does not sign: {0}")]
pub struct SignerError(pub String);

impl Signer for SigningKey {
    fn public(&self) -> PublicKey {
        Self::public(self)
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerError> {
        Ok(Self::sign(self, message))
    }
}

impl<S: Signer + ?Sized> Signer for Arc<S> {
    fn public(&self) -> PublicKey {
        (**self).public()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerError> {
        (**self).sign(message)
    }
}

/// A private key in memory. It never prints, and its memory is cleared when it is dropped.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// A key from 32 secret bytes.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// Reads PKCS #8 PEM (RFC 8410), as `openssl genpkey -algorithm ed25519` writes it.
    pub fn from_pem(pem: &str) -> Option<Self> {
        use ed25519_dalek::pkcs8::DecodePrivateKey as _;
        ed25519_dalek::SigningKey::from_pkcs8_pem(pem).ok().map(Self)
    }

    /// PKCS #8 PEM, version 1: OpenSSL before 3.5 does not read the version with the public key beside it (RFC 5958). It is
    /// wiped when dropped.
    pub fn to_pem(&self) -> Zeroizing<String> {
        use ed25519_dalek::pkcs8::{EncodePrivateKey as _, spki::der::pem::LineEnding};
        let pem = self.alone().to_pkcs8_pem(LineEnding::LF);
        pem.expect("a key of fixed length always encodes")
    }

    fn alone(&self) -> ed25519_dalek::pkcs8::KeypairBytes {
        ed25519_dalek::pkcs8::KeypairBytes { secret_key: self.0.to_bytes(), public_key: None }
    }

    /// Whether this is PKCS #8 PEM that a passphrase protects.
    pub fn is_encrypted(pem: &str) -> bool {
        pem.trim_start().starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    }

    /// Reads PKCS #8 PEM that a passphrase protects (RFC 8018 PBES2), as `openssl pkcs8 -topk8` writes it. `None` also for
    /// another passphrase.
    pub fn from_encrypted_pem(pem: &str, passphrase: &str) -> Option<Self> {
        use ed25519_dalek::pkcs8::DecodePrivateKey as _;
        ed25519_dalek::SigningKey::from_pkcs8_encrypted_pem(pem, passphrase).ok().map(Self)
    }

    /// PKCS #8 PEM protected by a passphrase: scrypt and AES-256-CBC. `None` when the system gives no random numbers.
    pub fn to_encrypted_pem(&self, passphrase: &str) -> Option<Zeroizing<String>> {
        use ed25519_dalek::pkcs8::{EncodePrivateKey as _, spki::der::pem::LineEnding};
        self.alone().to_pkcs8_encrypted_pem(passphrase, LineEnding::LF).ok()
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs a message.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        DalekSigner::sign(&self.0, message).to_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public().id())
    }
}

/// DSSE v1 pre-authentication encoding: `DSSEv1 SP len(type) SP type SP len(body) SP body`, lengths in ASCII decimal.
pub fn pre_authentication_encoding(payload_type: &str, body: &[u8]) -> Vec<u8> {
    let mut out = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), body.len()).into_bytes();
    out.extend_from_slice(body);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_is_the_one_of_the_dsse_protocol_document() {
        let pae = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world");
        assert_eq!(pae, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }

    #[test]
    fn a_key_round_trips_through_pem() {
        let key = SigningKey::from_seed(&[7; 32]);
        let again = SigningKey::from_pem(&key.to_pem()).expect("own PEM");
        assert_eq!(again.public(), key.public());
    }

    #[test]
    fn a_small_order_key_is_no_key() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert!(PublicKey(identity).to_verifying_key().is_none());
    }
}
