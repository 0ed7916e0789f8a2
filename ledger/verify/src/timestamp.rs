//! Timestamps of RFC 3161: a third party says that a text existed at a time. `docs/formats/timestamp.md`.
//!
//! Everything needed comes in as bytes and values: the reply of the authority, the roots that one trusts, the nonce.
//! Certificates are judged at the time that the token itself states, so that a token can be checked for as long as its
//! root is trusted, and gives the same answer on every machine and in every year.
//!
//! ```
//! use daicho_verify::timestamp::{TimestampError, TimestampRequest, TsaTrust};
//!
//! let request = TimestampRequest::new(b"origin\n1\nroot\n", None, 4711);
//! assert_eq!(request.to_der()[0], 0x30);
//! // Without a root there is nobody to believe.
//! assert_eq!(TsaTrust::new::<&[u8]>(&[], None).unwrap_err(), TimestampError::NoRoots);
//! ```

mod error;
mod exchange;
mod token;
mod verify;

use std::fmt;
use std::str::FromStr;

use daicho_core::Instant;
use rustls::pki_types::{CertificateDer, TrustAnchor};
use x509_cert::der::oid::ObjectIdentifier;

pub use error::TimestampError;
pub use exchange::{TimestampRequest, TimestampResponse};
pub use token::TimestampToken;

/// Content type of a request over HTTP (RFC 3161 §3.4).
pub const REQUEST_TYPE: &str = "application/timestamp-query";
/// Content type of a response over HTTP (RFC 3161 §3.4).
pub const RESPONSE_TYPE: &str = "application/timestamp-reply";
/// Longest accepted response or token, in bytes. Tokens have 1 to 8 KiB; long lists in them cost time to walk.
pub const MAX_TIMESTAMP_LEN: usize = 64 * 1024;

/// A policy of a timestamp authority: an object identifier such as `1.2.392.200000.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TsaPolicy(ObjectIdentifier);

impl FromStr for TsaPolicy {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        ObjectIdentifier::new(text).map(Self).map_err(|_| TimestampError::PolicyText(text.to_owned()))
    }
}

impl fmt::Display for TsaPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whose timestamps one believes.
#[derive(Debug, Clone)]
pub struct TsaTrust {
    roots: Vec<TrustAnchor<'static>>,
    policy: Option<TsaPolicy>,
}

impl TsaTrust {
    /// Trusts what was issued below one of `roots`, each a certificate in DER. With a `policy`, only tokens under it.
    ///
    /// A root may also be the certificate that issued the authority's own, when the token does not hold the way up.
    /// Validity and extensions of a root are not judged: whoever names it has decided to trust it (RFC 5280 §6.2).
    ///
    /// # Errors
    /// [`TimestampError::NoRoots`], [`TimestampError::BadRoot`].
    pub fn new<T: AsRef<[u8]>>(roots: &[T], policy: Option<TsaPolicy>) -> Result<Self, TimestampError> {
        if roots.is_empty() {
            return Err(TimestampError::NoRoots);
        }
        let anchor = |(index, root): (usize, &T)| {
            let root = CertificateDer::from(root.as_ref());
            let anchor = webpki::anchor_from_trusted_cert(&root);
            Ok(anchor.map_err(|source| TimestampError::BadRoot { index, source })?.to_owned())
        };
        let roots = roots.iter().enumerate().map(anchor).collect::<Result<_, _>>()?;
        Ok(Self { roots, policy })
    }

    /// The policy that tokens must be under, if any; a request should ask for it.
    pub fn policy(&self) -> Option<TsaPolicy> {
        self.policy
    }
}

/// What a token proves once every check has passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedTime {
    /// The data existed before this time (`genTime`; cut to milliseconds).
    pub gen_time: Instant,
    /// How far the authority's clock may have been off, in milliseconds, rounded up. `None`: it does not say.
    pub accuracy_ms: Option<u64>,
    /// The authority's policy, e.g. `1.2.392.200000.1`.
    pub policy: String,
    /// The authority's serial number of the token, in lower-case hexadecimal.
    pub serial: String,
    /// The subject of the authority's certificate, as in RFC 4514.
    pub tsa: String,
}
