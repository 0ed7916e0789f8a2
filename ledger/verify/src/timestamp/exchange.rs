//! What is sent to an authority and what comes back (RFC 3161 §2.4).

use x509_cert::der::asn1::{BitString, OctetString, Uint};
use x509_cert::der::oid::db::rfc5912::ID_SHA_256;
use x509_cert::der::{Any, Encode, Reader, SliceReader};
use x509_cert::spki::AlgorithmIdentifier;
use x509_tsp::{MessageImprint, TimeStampReq, TspVersion};

use super::token::malformed;
use super::{MAX_TIMESTAMP_LEN, TimestampError, TimestampToken, TsaPolicy, TsaTrust, VerifiedTime};

/// A question to an authority, to be sent as [`super::REQUEST_TYPE`].
#[derive(Debug, Clone, Copy)]
pub struct TimestampRequest<'a> {
    data: &'a [u8],
    policy: Option<TsaPolicy>,
    nonce: u64,
}

impl<'a> TimestampRequest<'a> {
    /// Asks for a timestamp of `data`, of which only the SHA-256 leaves the house.
    /// A `nonce` must be new and random, so that nobody can answer with an older token.
    pub fn new(data: &'a [u8], policy: Option<TsaPolicy>, nonce: u64) -> Self {
        Self { data, policy, nonce }
    }

    /// `TimeStampReq` in DER: version 1, SHA-256, the policy if any, the nonce; asks for the certificates.
    pub fn to_der(&self) -> Vec<u8> {
        let imprint = ring::digest::digest(&ring::digest::SHA256, self.data);
        let request = |imprint: &[u8]| {
            Ok(TimeStampReq {
                version: TspVersion::V1,
                message_imprint: MessageImprint {
                    hash_algorithm: AlgorithmIdentifier { oid: ID_SHA_256, parameters: Some(Any::null()) },
                    hashed_message: OctetString::new(imprint)?,
                },
                req_policy: self.policy.map(|policy| policy.0),
                // By way of an unsigned integer, so that a high first bit does not make it negative.
                nonce: Some(Uint::new(&self.nonce.to_be_bytes())?.into()),
                cert_req: true,
                extensions: None,
            })
        };
        request(imprint.as_ref())
            .and_then(|request| request.to_der())
            .expect("a short message has a DER form")
    }

    /// Takes a reply: it must grant a token that answers this very request and verifies.
    ///
    /// # Errors
    /// As [`TimestampResponse::parse`] and [`TimestampToken::verify`];
    /// [`TimestampError::PolicyMismatch`], [`TimestampError::NonceMismatch`].
    pub fn accept(
        &self,
        reply: &[u8],
        trust: &TsaTrust,
    ) -> Result<(TimestampToken, VerifiedTime), TimestampError> {
        let token = TimestampResponse::parse(reply)?.into_token();
        let time = token.verify_answer(self.data, trust, self.policy, self.nonce)?;
        Ok((token, time))
    }
}

/// A reply that grants a token. The token is not verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimestampResponse {
    token: TimestampToken,
}

impl TimestampResponse {
    /// Reads `TimeStampResp` in DER. Statuses 0 (granted) and 1 (granted with modifications) pass; what was modified
    /// shows when the token is verified.
    ///
    /// # Errors
    /// [`TimestampError::Refused`] with the authority's reason, [`TimestampError::NoToken`], and those of
    /// [`TimestampToken::parse`].
    pub fn parse(bytes: &[u8]) -> Result<Self, TimestampError> {
        if bytes.len() > MAX_TIMESTAMP_LEN {
            return Err(TimestampError::TooLarge { len: bytes.len() });
        }
        let (status, token) = read_response(bytes).map_err(malformed("TimeStampResp"))?;
        if status.code > 1 {
            return Err(TimestampError::Refused { status: status.code, reason: status.reason() });
        }
        let token = TimestampToken::parse(token.ok_or(TimestampError::NoToken)?)?;
        Ok(Self { token })
    }

    /// The token, with the bytes that came.
    pub fn into_token(self) -> TimestampToken {
        self.token
    }
}

/// `PKIStatusInfo`. Not the one of crate `cmpv2`, whose failure bits are not those of the RFC.
struct Status {
    code: u64,
    texts: Vec<String>,
    failure: Option<BitString>,
}

fn read_response(bytes: &[u8]) -> x509_cert::der::Result<(Status, Option<&[u8]>)> {
    let mut reader = SliceReader::new(bytes)?;
    let response = reader.sequence(|reader| {
        let status = reader.sequence(|reader| {
            let code = reader.decode()?;
            let texts = reader.decode::<Option<Vec<String>>>()?.unwrap_or_default();
            Ok(Status { code, texts, failure: reader.decode()? })
        })?;
        let token = if reader.is_finished() { None } else { Some(reader.tlv_bytes()?) };
        Ok((status, token))
    })?;
    reader.finish(response)
}

impl Status {
    /// Longest text of an authority that is passed on, in characters.
    const MAX_TEXT: usize = 300;

    /// One line: it goes to logs, and somebody else wrote it.
    fn reason(&self) -> String {
        let bits = self.failure.iter().flat_map(BitString::bits).enumerate();
        let names = bits.filter(|(_, set)| *set).map(|(bit, _)| failure_name(bit).to_owned());
        let words = names.chain(self.texts.iter().cloned()).collect::<Vec<_>>().join(", ");
        let one_line = words.chars().map(|c| if c.is_control() { ' ' } else { c });
        one_line.take(Self::MAX_TEXT).collect()
    }
}

/// `PKIFailureInfo` of RFC 3161 §2.4.2.
fn failure_name(bit: usize) -> &'static str {
    match bit {
        0 => "badAlg",
        2 => "badRequest",
        5 => "badDataFormat",
        14 => "timeNotAvailable",
        15 => "unacceptedPolicy",
        16 => "unacceptedExtension",
        17 => "addInfoNotAvailable",
        25 => "systemFailure",
        _ => "unknown failure",
    }
}
