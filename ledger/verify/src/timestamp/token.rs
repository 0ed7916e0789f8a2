//! The shape of a token: CMS signed data (RFC 5652 §5) around a `TSTInfo` (RFC 3161 §2.4.2).
//!
//! The lists are walked by hand because the exact bytes matter: certificates are hashed and their signatures verified as
//! they came, and a parser that writes them anew may write something else.

use cms::content_info::CmsVersion;
use cms::signed_data::{DigestAlgorithmIdentifiers, EncapsulatedContentInfo, SignerInfo};
use x509_cert::der::asn1::{AnyRef, ContextSpecific, Int, OctetStringRef};
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::oid::db::rfc5911::ID_SIGNED_DATA;
use x509_cert::der::{self, Decode, Encode, ErrorKind, Header, Reader, SliceReader, Tag, TagNumber, Tagged};
use x509_cert::ext::Extensions;
use x509_cert::ext::pkix::name::GeneralName;
use x509_tsp::{Accuracy, MessageImprint};

use super::{MAX_TIMESTAMP_LEN, TimestampError, TsaPolicy, TsaTrust, VerifiedTime, verify};

/// `id-ct-TSTInfo`: what is signed is a timestamp.
pub(super) const ID_CT_TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");

/// A timestamp token, with the bytes that it came as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimestampToken {
    der: Vec<u8>,
}

impl TimestampToken {
    /// Takes a token in DER when it has the shape of one. Nothing it says may be believed yet.
    ///
    /// # Errors
    /// The errors about the form of a token.
    pub fn parse(bytes: &[u8]) -> Result<Self, TimestampError> {
        Contents::read(bytes)?;
        Ok(Self { der: bytes.to_owned() })
    }

    /// The bytes, as they came. They are what is kept.
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// Whether the token is of `data` and made by an authority below one of the trusted roots, and when.
    ///
    /// # Errors
    /// The first check that fails. What is checked, in this order, is listed in `docs/formats/timestamp.md`.
    pub fn verify(&self, data: &[u8], trust: &TsaTrust) -> Result<VerifiedTime, TimestampError> {
        verify::verify(&Contents::read(&self.der)?, data, trust)
    }

    /// As [`TimestampToken::verify`], and the token answers the request with this policy and nonce.
    pub(super) fn verify_answer(
        &self,
        data: &[u8],
        trust: &TsaTrust,
        policy: Option<TsaPolicy>,
        nonce: u64,
    ) -> Result<VerifiedTime, TimestampError> {
        let contents = Contents::read(&self.der)?;
        let time = verify::verify(&contents, data, trust)?;
        verify::check_policy(&contents.info, policy)?;
        verify::check_nonce(&contents.info, nonce)?;
        Ok(time)
    }
}

/// A token taken apart.
pub(super) struct Contents<'a> {
    /// `eContent`: what the signature covers, by its digest.
    pub(super) content: Vec<u8>,
    pub(super) info: TstInfo,
    /// Certificates in DER, as they came.
    pub(super) certificates: Vec<&'a [u8]>,
    pub(super) signer: SignerInfo,
}

impl<'a> Contents<'a> {
    /// Paths through certificates are tried in every order, so that a long list is costly. Real tokens hold 1 to 4.
    const MAX_CERTIFICATES: usize = 8;

    fn read(bytes: &'a [u8]) -> Result<Self, TimestampError> {
        if bytes.len() > MAX_TIMESTAMP_LEN {
            return Err(TimestampError::TooLarge { len: bytes.len() });
        }
        check_sets(bytes)?;
        let (kind, signed) = read_content_info(bytes).map_err(malformed("ContentInfo"))?;
        if kind != ID_SIGNED_DATA {
            return Err(TimestampError::NotSigned);
        }
        let signed = SignedData::read(signed).map_err(malformed("SignedData"))?;
        if signed.content.econtent_type != ID_CT_TST_INFO {
            return Err(TimestampError::NotTimestamp);
        }
        let content = signed.content.econtent.ok_or(TimestampError::NotTimestamp)?;
        let content = content.decode_as::<OctetStringRef<'_>>().map_err(malformed("eContent"))?.as_bytes();
        check_sets(content)?;
        let info = TstInfo::read(content).map_err(malformed("TSTInfo"))?;
        if signed.certificates.len() > Self::MAX_CERTIFICATES {
            return Err(TimestampError::TooManyCertificates { count: signed.certificates.len() });
        }
        let [signer] = signed.signers[..] else {
            return Err(TimestampError::SignerCount { count: signed.signers.len() });
        };
        let signer = read_signer(signer).map_err(malformed("SignerInfo"))?;
        Ok(Self { content: content.to_owned(), info, certificates: signed.certificates, signer })
    }
}

/// Most members of a set. Real tokens have at most seven in one.
const MAX_MEMBERS: usize = 64;

/// Refuses long sets before anything reads them: the parser sorts what it reads, in quadratic time. Sets are also behind
/// the tags that stand for them, so whatever is constructed and no sequence counts as one.
pub(super) fn check_sets(bytes: &[u8]) -> Result<(), TimestampError> {
    // Where each value that holds others ends, and how many more it may hold. No recursion: the depth is not ours.
    let mut open: Vec<(usize, usize)> = vec![(bytes.len(), usize::MAX)];
    let mut at = 0;
    while let Some((end, left)) = open.last_mut() {
        let end = *end;
        if at >= end {
            open.pop();
            continue;
        }
        *left = left.checked_sub(1).ok_or(TimestampError::LongSet)?;
        let Some((tag, start, next)) = header(&bytes[at..end]) else {
            // No DER. The parser says so, or takes this value as it is and never looks into it.
            at = end;
            continue;
        };
        if tag.is_constructed() {
            let most = if tag == Tag::Sequence { usize::MAX } else { MAX_MEMBERS };
            open.push((at + next, most));
            at += start;
        } else {
            at += next;
        }
    }
    Ok(())
}

/// Tag of the first value, where its contents begin, and where the next value does.
fn header(bytes: &[u8]) -> Option<(Tag, usize, usize)> {
    let mut reader = SliceReader::new(bytes).ok()?;
    let header = Header::decode(&mut reader).ok()?;
    let start = usize::try_from(reader.position()).ok()?;
    let next = start.checked_add(usize::try_from(header.length).ok()?)?;
    (next <= bytes.len()).then_some((header.tag, start, next))
}

fn read_content_info(bytes: &[u8]) -> der::Result<(ObjectIdentifier, AnyRef<'_>)> {
    let mut reader = SliceReader::new(bytes)?;
    let info = reader.sequence(|reader| {
        let kind = reader.decode()?;
        let content = ContextSpecific::<AnyRef<'_>>::decode_explicit(reader, TagNumber::N0)?;
        Ok((kind, content.ok_or(ErrorKind::Failed)?.value))
    })?;
    reader.finish(info)
}

struct SignedData<'a> {
    content: EncapsulatedContentInfo,
    certificates: Vec<&'a [u8]>,
    signers: Vec<&'a [u8]>,
}

impl<'a> SignedData<'a> {
    fn read(bytes: AnyRef<'a>) -> der::Result<Self> {
        bytes.sequence(|reader| {
            reader.decode::<CmsVersion>()?;
            reader.decode::<DigestAlgorithmIdentifiers>()?;
            let content = reader.decode()?;
            let certificates = ContextSpecific::<AnyRef<'_>>::decode_implicit(reader, TagNumber::N0)?;
            let mut certificates = certificates.map_or(Ok(vec![]), |set| items(set.value.value()))?;
            // The other choices are attribute certificates and the like, which have tags of their own.
            certificates.retain(|item| item.first() == Some(&Tag::Sequence.octet()));
            ContextSpecific::<AnyRef<'_>>::decode_implicit(reader, TagNumber::N1)?;
            let signers = reader.decode::<AnyRef<'_>>()?;
            signers.tag().assert_eq(Tag::Set)?;
            Ok(Self { content, certificates, signers: items(signers.value())? })
        })
    }
}

/// The elements of a list, each with its header.
pub(super) fn items(bytes: &[u8]) -> der::Result<Vec<&[u8]>> {
    let mut reader = SliceReader::new(bytes)?;
    let mut items = vec![];
    while !reader.is_finished() {
        items.push(reader.tlv_bytes()?);
    }
    Ok(items)
}

/// What is signed is the DER form of the attributes (RFC 5652 §5.4). The parser sorts sets, so that what it writes is
/// that form whatever came; other verifiers take the bytes as they came. Only where both are the same do all agree.
fn read_signer(bytes: &[u8]) -> der::Result<SignerInfo> {
    let signer = SignerInfo::from_der(bytes)?;
    if signer.to_der()? != bytes {
        return Err(Tag::Sequence.non_canonical_error());
    }
    Ok(signer)
}

/// `TSTInfo`. Not the one of crate `x509-tsp`, which refuses a `genTime` with parts of a second.
pub(super) struct TstInfo {
    pub(super) version: u8,
    pub(super) policy: ObjectIdentifier,
    pub(super) imprint: MessageImprint,
    /// Should be positive, and is not with every authority.
    pub(super) serial: Int,
    /// As written, e.g. `20260401000000.5Z`.
    pub(super) gen_time: Vec<u8>,
    pub(super) accuracy: Option<Accuracy>,
    pub(super) nonce: Option<Int>,
    pub(super) tsa: Option<GeneralName>,
    pub(super) extensions: Extensions,
}

impl TstInfo {
    fn read(bytes: &[u8]) -> der::Result<Self> {
        let mut reader = SliceReader::new(bytes)?;
        let info = reader.sequence(|reader| {
            let version = reader.decode()?;
            let policy = reader.decode()?;
            let imprint = reader.decode()?;
            let serial = reader.decode()?;
            let gen_time = reader.decode::<AnyRef<'_>>()?;
            gen_time.tag().assert_eq(Tag::GeneralizedTime)?;
            let accuracy = reader.decode()?;
            reader.decode::<Option<bool>>()?; // ordering: says nothing about this token
            let nonce = reader.decode()?;
            let tsa = ContextSpecific::decode_explicit(reader, TagNumber::N0)?.map(|field| field.value);
            let extensions = ContextSpecific::<Extensions>::decode_implicit(reader, TagNumber::N1)?;
            let extensions = extensions.map(|field| field.value).unwrap_or_default();
            let gen_time = gen_time.value().to_owned();
            Ok(Self { version, policy, imprint, serial, gen_time, accuracy, nonce, tsa, extensions })
        })?;
        reader.finish(info)
    }
}

/// Names the part that a parser stumbled over.
pub(super) fn malformed(part: &'static str) -> impl Fn(der::Error) -> TimestampError {
    move |source| TimestampError::Malformed { part, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(tag: u8, contents: &[u8]) -> Vec<u8> {
        let header = match contents.len() {
            len @ 0..0x80 => vec![tag, len as u8],
            len @ 0x80..0x100 => vec![tag, 0x81, len as u8],
            len => [&[tag, 0x82][..], &u16::try_from(len).expect("short").to_be_bytes()].concat(),
        };
        [&header, contents].concat()
    }

    /// `NULL`, so often.
    fn nulls(count: usize) -> Vec<u8> {
        [5, 0].repeat(count)
    }

    #[test]
    fn a_long_set_is_refused_wherever_it_is() {
        assert_eq!(check_sets(&value(0x30, &nulls(5_000))), Ok(()), "a sequence is not sorted");
        for tag in [0x31, 0xa0, 0xa1] {
            let (most, more) = (value(tag, &nulls(MAX_MEMBERS)), value(tag, &nulls(MAX_MEMBERS + 1)));
            assert_eq!(check_sets(&most), Ok(()));
            assert_eq!(check_sets(&more), Err(TimestampError::LongSet));
            assert_eq!(check_sets(&value(0x30, &[most, more].concat())), Err(TimestampError::LongSet));
        }
    }

    #[test]
    fn what_is_no_der_hides_no_long_set_behind_it() {
        let long = value(0x31, &nulls(MAX_MEMBERS + 1));
        for garbage in [value(0x30, b"\xff\xff"), value(0x30, b"\x04\x7f"), value(0xa0, b"\x31")] {
            assert_eq!(check_sets(&garbage), Ok(()));
            assert_eq!(
                check_sets(&value(0x30, &[&garbage[..], &long].concat())),
                Err(TimestampError::LongSet)
            );
        }
    }

    #[test]
    fn depth_does_not_matter() {
        let mut nested = nulls(1);
        while nested.len() < MAX_TIMESTAMP_LEN - 4 {
            nested = value(0x31, &nested);
        }
        assert_eq!(check_sets(&nested), Ok(()));
    }
}
