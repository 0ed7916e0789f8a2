use daicho_core::Instant;
use x509_cert::der;

use super::MAX_TIMESTAMP_LEN;

/// Why a timestamp was not had or is not believed. Final for the bytes at hand; who asks an authority may ask again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimestampError {
    // What the caller gave.
    /// Nobody to believe.
    #[error("no root certificate was given")]
    NoRoots,
    /// The root at this place of the list is no certificate in DER.
    #[error("root {index} is no certificate in DER: {source}")]
    BadRoot {
        /// Position in the list, from 0.
        index: usize,
        /// What the parser said.
        source: webpki::Error,
    },
    /// No object identifier.
    #[error("`{0}` is no object identifier")]
    PolicyText(String),

    // The response (RFC 3161 §2.4.2).
    /// The authority granted nothing.
    #[error("the authority refused with status {status}: {reason}")]
    Refused {
        /// `PKIStatus`: 2 rejection, 3 waiting, 4 and 5 about a revocation.
        status: u64,
        /// The failure by its name in RFC 3161, and the authority's words. One line.
        reason: String,
    },
    /// It says that it granted one, and there is none.
    #[error("the response grants a token and holds none")]
    NoToken,

    // The form of the token.
    /// Longer than a limit.
    #[error("{len} bytes are more than {MAX_TIMESTAMP_LEN}")]
    TooLarge {
        /// Length in bytes.
        len: usize,
    },
    /// A set, such as that of the signed attributes, with more members than any authority needs.
    #[error("a set in the token has more than 64 members")]
    LongSet,
    /// The bytes are not what they should be in DER.
    #[error("the {part} is malformed: {source}")]
    Malformed {
        /// The part by its name in its RFC.
        part: &'static str,
        /// What the parser said.
        source: der::Error,
    },
    /// It is no CMS `SignedData`.
    #[error("the token is no signed data")]
    NotSigned,
    /// What is signed is no `TSTInfo`.
    #[error("the signed content is no timestamp")]
    NotTimestamp,
    /// A token has one signature, its authority's (RFC 3161 §2.4.2).
    #[error("the token has {count} signatures, not one")]
    SignerCount {
        /// How many it has.
        count: usize,
    },
    /// More certificates than any authority needs.
    #[error("the token holds {count} certificates")]
    TooManyCertificates {
        /// How many it has.
        count: usize,
    },

    // What the token says (RFC 3161 §2.4.2).
    /// Only version 1 is known.
    #[error("version {0} of TSTInfo is unknown")]
    Version(u8),
    /// `genTime` is not written as RFC 3161 demands, or before 1970.
    #[error("genTime is malformed")]
    GenTime,
    /// A part of `accuracy` is out of its range.
    #[error("accuracy is out of range")]
    Accuracy,
    /// An extension of `TSTInfo` that must be understood and is not.
    #[error("critical extension {0} is unknown")]
    CriticalExtension(String),
    /// Not SHA-256, SHA-384 or SHA-512.
    #[error("digest algorithm {0} is not accepted")]
    DigestAlgorithm(String),
    /// It is a timestamp of something else.
    #[error("the token is of other data")]
    ImprintMismatch,
    /// It is under another policy than the one trusted or asked for.
    #[error("the token is under policy {found}, not {expected}")]
    PolicyMismatch {
        /// The policy trusted or asked for.
        expected: String,
        /// The token's policy.
        found: String,
    },
    /// It answers another request, or none.
    #[error("the token does not hold the nonce of the request")]
    NonceMismatch,
    /// The name in the token is no name of its signer.
    #[error("the token names another authority than its signer")]
    TsaNameMismatch,

    // The signed attributes (RFC 5652 §5.3 and §11, RFC 5816).
    /// There is none of this kind, or two, or one with several values.
    #[error("the token does not have exactly one signed attribute {0}")]
    Attribute(&'static str),
    /// The signature is over another kind of content.
    #[error("the signed content type is not that of a timestamp")]
    ContentTypeMismatch,
    /// The signature is over another content.
    #[error("the content is not the one that was signed")]
    ContentMismatch,
    /// The signature was made with another certificate in mind.
    #[error("the signer's certificate is not the one that was signed with")]
    SigningCertificateMismatch,

    // The signature and its certificate (RFC 3161 §2.3).
    /// The token does not hold the certificate of its signer.
    #[error("the token does not hold its signer's certificate")]
    NoCertificate,
    /// No extended key usage.
    #[error("the signer's certificate has no extended key usage")]
    NoExtendedKeyUsage,
    /// Not marked critical.
    #[error("the extended key usage of the signer's certificate is not critical")]
    ExtendedKeyUsageNotCritical,
    /// Not for timestamps, or not for them alone.
    #[error("the signer's certificate is not for timestamps alone")]
    ExtendedKeyUsage,
    /// Its key is not for signatures.
    #[error("the key of the signer's certificate is not for signatures")]
    KeyUsage,
    /// A way of signing, or a key, that is not accepted.
    #[error("signature algorithm {0} is not accepted with the signer's key")]
    SignatureAlgorithm(String),
    /// The signature does not verify.
    #[error("the signature does not verify")]
    BadSignature,

    // The chain to a root, at genTime.
    /// A certificate of the chain had expired.
    #[error("a certificate had expired at {at}")]
    Expired {
        /// The time of the token.
        at: Instant,
    },
    /// A certificate of the chain was not valid yet.
    #[error("a certificate was not valid yet at {at}")]
    NotYetValid {
        /// The time of the token.
        at: Instant,
    },
    /// No way up to a trusted root.
    #[error("no trusted root issued the signer's certificate")]
    UnknownIssuer,
    /// A certificate of the chain is signed in a way, or has a kind of key, that is not accepted.
    #[error("a certificate of the chain is signed with an algorithm that is not accepted")]
    ChainAlgorithm,
    /// Another reason why the chain does not hold.
    #[error("the chain of certificates does not hold: {0}")]
    Chain(#[source] webpki::Error),
}
