//! The checks, one function each, in the order in which they are made.

use std::time::Duration;

use cms::signed_data::{SignedAttributes, SignerIdentifier};
use daicho_core::Instant;
use ring::digest::{self, Digest};
use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage};
use x509_cert::Certificate;
use x509_cert::der::asn1::{AnyRef, GeneralizedTime, Int, OctetStringRef, Uint};
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::oid::db::rfc5911::{
    ID_AA_SIGNING_CERTIFICATE, ID_AA_SIGNING_CERTIFICATE_V_2, ID_CONTENT_TYPE, ID_MESSAGE_DIGEST,
};
use x509_cert::der::oid::db::rfc5912::{
    ID_KP_TIME_STAMPING, ID_SHA_256, ID_SHA_384, ID_SHA_512, RSA_ENCRYPTION,
};
use x509_cert::der::{self, Any, Decode, Encode, ErrorKind, Reader, Tag, Tagged};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{self, ExtendedKeyUsage, SubjectAltName, SubjectKeyIdentifier};
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_tsp::Accuracy;

use super::token::{Contents, ID_CT_TST_INFO, TstInfo, check_sets, items, malformed};
use super::{TimestampError, TsaPolicy, TsaTrust, VerifiedTime};

/// Contents octets of `id-kp-timeStamping`, 1.3.6.1.5.5.7.3.8.
const TIME_STAMPING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 8];

pub(super) fn verify(
    token: &Contents<'_>,
    data: &[u8],
    trust: &TsaTrust,
) -> Result<VerifiedTime, TimestampError> {
    let info = &token.info;
    let (gen_time, accuracy_ms) = check_info(info)?;
    check_imprint(info, data)?;
    check_policy(info, trust.policy)?;

    let attributes = token.signer.signed_attrs.as_ref().ok_or(TimestampError::Attribute("contentType"))?;
    check_content(token, attributes)?;
    let (certificate_der, certificate) = signer_certificate(token)?;
    check_signing_certificate(attributes, certificate_der)?;
    check_purpose(&certificate)?;
    check_name(info, &certificate)?;

    let signer = CertificateDer::from(certificate_der);
    let signer = EndEntityCert::try_from(&signer).map_err(TimestampError::Chain)?;
    check_signature(token, attributes, &signer)?;
    check_chain(token, &signer, gen_time, trust)?;

    Ok(VerifiedTime {
        gen_time,
        accuracy_ms,
        policy: info.policy.to_string(),
        serial: serial(&info.serial),
        tsa: certificate.tbs_certificate.subject.to_string(),
    })
}

// What the token says.

fn check_info(info: &TstInfo) -> Result<(Instant, Option<u64>), TimestampError> {
    if info.version != 1 {
        return Err(TimestampError::Version(info.version));
    }
    if let Some(extension) = info.extensions.iter().find(|extension| extension.critical) {
        return Err(TimestampError::CriticalExtension(extension.extn_id.to_string()));
    }
    let gen_time = gen_time(&info.gen_time).ok_or(TimestampError::GenTime)?;
    let accuracy =
        info.accuracy.as_ref().map(|accuracy| accuracy_ms(accuracy).ok_or(TimestampError::Accuracy));
    Ok((gen_time, accuracy.transpose()?))
}

/// `YYYYMMDDhhmmss[.s…]Z`, without zeros at the end of the fraction (RFC 3161 §2.4.2).
fn gen_time(text: &[u8]) -> Option<Instant> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, rest)| (whole, Some(rest)));
    let millis = fraction.map_or(Some(0), |digits| {
        let well_formed =
            digits.bytes().all(|b| b.is_ascii_digit()) && !digits.is_empty() && !digits.ends_with('0');
        if well_formed { format!("{digits:0<3}")[..3].parse().ok() } else { None }
    })?;
    let whole = format!("{whole}Z");
    let whole =
        AnyRef::new(Tag::GeneralizedTime, whole.as_bytes()).ok()?.decode_as::<GeneralizedTime>().ok()?;
    let seconds = i64::try_from(whole.to_unix_duration().as_secs()).ok()?;
    Instant::from_unix_ms(seconds.checked_mul(1000)?.checked_add(millis)?)
}

fn accuracy_ms(accuracy: &Accuracy) -> Option<u64> {
    let thousandths = |part: Option<i16>| match part {
        None => Some(0),
        Some(part) => u64::try_from(part).ok().filter(|part| (1..=999).contains(part)),
    };
    let (millis, micros) = (thousandths(accuracy.millis)?, thousandths(accuracy.micros)?);
    accuracy.seconds.unwrap_or(0).checked_mul(1000)?.checked_add(millis + u64::from(micros > 0))
}

fn serial(number: &Int) -> String {
    let bytes = number.as_bytes();
    // The zero in front only says that the number is positive.
    hex::encode(bytes.strip_prefix(&[0]).filter(|rest| !rest.is_empty()).unwrap_or(bytes))
}

fn check_imprint(info: &TstInfo, data: &[u8]) -> Result<(), TimestampError> {
    let digest = sha2(&info.imprint.hash_algorithm, data)?;
    same(digest.as_ref(), info.imprint.hashed_message.as_bytes(), TimestampError::ImprintMismatch)
}

pub(super) fn check_policy(info: &TstInfo, expected: Option<TsaPolicy>) -> Result<(), TimestampError> {
    match expected {
        Some(expected) if expected.0 != info.policy => Err(TimestampError::PolicyMismatch {
            expected: expected.to_string(),
            found: info.policy.to_string(),
        }),
        _ => Ok(()),
    }
}

pub(super) fn check_nonce(info: &TstInfo, expected: u64) -> Result<(), TimestampError> {
    let expected = Uint::new(&expected.to_be_bytes()).ok().map(Int::from);
    if info.nonce.is_some() && info.nonce == expected { Ok(()) } else { Err(TimestampError::NonceMismatch) }
}

// The signed attributes.

fn check_content(token: &Contents<'_>, attributes: &SignedAttributes) -> Result<(), TimestampError> {
    let kind = attribute(attributes, ID_CONTENT_TYPE, "contentType")?;
    let kind = kind.decode_as::<ObjectIdentifier>().map_err(malformed("contentType"))?;
    if kind != ID_CT_TST_INFO {
        return Err(TimestampError::ContentTypeMismatch);
    }
    let stated = attribute(attributes, ID_MESSAGE_DIGEST, "messageDigest")?;
    let stated = stated.decode_as::<OctetStringRef<'_>>().map_err(malformed("messageDigest"))?;
    let digest = sha2(&token.signer.digest_alg, &token.content)?;
    same(digest.as_ref(), stated.as_bytes(), TimestampError::ContentMismatch)
}

/// The only value of the only attribute of a kind.
fn attribute<'a>(
    attributes: &'a SignedAttributes,
    kind: ObjectIdentifier,
    name: &'static str,
) -> Result<&'a Any, TimestampError> {
    let mut found = attributes.iter().filter(|attribute| attribute.oid == kind);
    match (found.next(), found.next()) {
        (Some(only), None) if only.values.len() == 1 => only.values.get(0),
        _ => None,
    }
    .ok_or(TimestampError::Attribute(name))
}

/// The signature names the certificate it was made with, so that nobody can put another one with the same key in its
/// place (RFC 3161 §2.4.2, RFC 5035 §3 and §4, RFC 5816). One of the two forms must be there; what is there must match.
///
/// The digest covers issuer and serial number, which the forms may state as well.
fn check_signing_certificate(
    attributes: &SignedAttributes,
    certificate: &[u8],
) -> Result<(), TimestampError> {
    const NAME: &str = "signingCertificate";
    // Where the first form is used, SHA-1 is all it can say; without another algorithm the second means SHA-256.
    let forms = [
        (ID_AA_SIGNING_CERTIFICATE, &digest::SHA1_FOR_LEGACY_USE_ONLY),
        (ID_AA_SIGNING_CERTIFICATE_V_2, &digest::SHA256),
    ];
    let present = |kind| attributes.iter().any(|attribute| attribute.oid == kind);
    if !forms.iter().any(|(kind, _)| present(*kind)) {
        return Err(TimestampError::Attribute(NAME));
    }
    for (kind, default) in forms.into_iter().filter(|(kind, _)| present(*kind)) {
        let value = attribute(attributes, kind, NAME)?;
        let (algorithm, stated) = first_certificate(value).map_err(malformed(NAME))?;
        let digest = match algorithm {
            Some(algorithm) => sha2(&algorithm, certificate)?,
            None => digest::digest(default, certificate),
        };
        same(digest.as_ref(), stated, TimestampError::SigningCertificateMismatch)?;
    }
    Ok(())
}

/// Algorithm, if stated, and digest of the first certificate: the signer's. The others, if any, lead up to a root.
///
/// ```text
/// SigningCertificate ::= SEQUENCE { certs SEQUENCE OF ESSCertID, policies SEQUENCE OF PolicyInformation OPTIONAL }
/// ESSCertID ::= SEQUENCE { hashAlgorithm AlgorithmIdentifier OPTIONAL, -- not in the first form
///     certHash OCTET STRING, issuerSerial IssuerSerial OPTIONAL }
/// ```
fn first_certificate(value: &Any) -> der::Result<(Option<AlgorithmIdentifierOwned>, &[u8])> {
    let certificates = AnyRef::from(value).sequence(|reader| {
        let certificates = reader.decode::<AnyRef<'_>>()?;
        reader.decode::<Option<AnyRef<'_>>>()?;
        Ok(certificates)
    })?;
    certificates.tag().assert_eq(Tag::Sequence)?;
    let first = items(certificates.value())?.into_iter().next().ok_or(ErrorKind::Failed)?;
    AnyRef::from_der(first)?.sequence(|reader| {
        let algorithm = reader.decode()?;
        let stated = reader.decode::<OctetStringRef<'_>>()?.as_bytes();
        reader.decode::<Option<AnyRef<'_>>>()?;
        Ok((algorithm, stated))
    })
}

// The signer and its signature.

fn signer_certificate<'a>(token: &Contents<'a>) -> Result<(&'a [u8], Certificate), TimestampError> {
    let parsed =
        token.certificates.iter().filter_map(|bytes| Some((*bytes, Certificate::from_der(bytes).ok()?)));
    parsed.into_iter().find(|(_, found)| is_of(found, &token.signer.sid)).ok_or(TimestampError::NoCertificate)
}

fn is_of(certificate: &Certificate, signer: &SignerIdentifier) -> bool {
    let certificate = &certificate.tbs_certificate;
    match signer {
        SignerIdentifier::IssuerAndSerialNumber(name) => {
            certificate.issuer == name.issuer && certificate.serial_number == name.serial_number
        }
        SignerIdentifier::SubjectKeyIdentifier(id) => {
            matches!(certificate.get::<SubjectKeyIdentifier>(), Ok(Some((_, found))) if found == *id)
        }
    }
}

/// For timestamps and nothing else, and marked so that nobody may overlook it (RFC 3161 §2.3). A key usage is not
/// asked for, but if it is there it must allow signatures (RFC 5280 §4.2.1.3).
fn check_purpose(certificate: &Certificate) -> Result<(), TimestampError> {
    let certificate = &certificate.tbs_certificate;
    let purposes = certificate.get::<ExtendedKeyUsage>().map_err(malformed("extendedKeyUsage"))?;
    let (critical, ExtendedKeyUsage(purposes)) = purposes.ok_or(TimestampError::NoExtendedKeyUsage)?;
    if purposes != [ID_KP_TIME_STAMPING] {
        return Err(TimestampError::ExtendedKeyUsage);
    }
    if !critical {
        return Err(TimestampError::ExtendedKeyUsageNotCritical);
    }
    match certificate.get::<pkix::KeyUsage>().map_err(malformed("keyUsage"))? {
        Some((_, usage)) if !usage.digital_signature() && !usage.non_repudiation() => {
            Err(TimestampError::KeyUsage)
        }
        _ => Ok(()),
    }
}

/// A token may name its authority; then it must be a name of the certificate (RFC 3161 §2.4.2, `tsa`).
fn check_name(info: &TstInfo, certificate: &Certificate) -> Result<(), TimestampError> {
    let Some(name) = &info.tsa else { return Ok(()) };
    let certificate = &certificate.tbs_certificate;
    for extension in certificate.extensions.iter().flatten() {
        check_sets(extension.extn_value.as_bytes())?;
    }
    let others = certificate.get::<SubjectAltName>().map_err(malformed("subjectAltName"))?;
    let others = others.map(|(_, SubjectAltName(names))| names).unwrap_or_default();
    let subject = GeneralName::DirectoryName(certificate.subject.clone());
    if subject == *name || others.contains(name) { Ok(()) } else { Err(TimestampError::TsaNameMismatch) }
}

/// RFC 5652 §5.4: the signature is over the attributes as a `SET OF` in DER.
fn check_signature(
    token: &Contents<'_>,
    attributes: &SignedAttributes,
    signer: &EndEntityCert<'_>,
) -> Result<(), TimestampError> {
    let message = attributes.to_der().map_err(malformed("signedAttrs"))?;
    for algorithm in signature_algorithms(token)? {
        match signer.verify_signature(algorithm, &message, token.signer.signature.as_bytes()) {
            Ok(()) => return Ok(()),
            // The same name stands for several curves.
            Err(webpki::Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_)) => {}
            Err(_) => return Err(TimestampError::BadSignature),
        }
    }
    Err(TimestampError::SignatureAlgorithm(token.signer.signature_algorithm.oid.to_string()))
}

/// What is accepted for the chain is accepted here. CMS also has `rsaEncryption`, which leaves the digest to the
/// field beside it (RFC 3370 §3.2).
fn signature_algorithms(
    token: &Contents<'_>,
) -> Result<Vec<&'static dyn SignatureVerificationAlgorithm>, TimestampError> {
    let stated = &token.signer.signature_algorithm;
    if stated.oid == RSA_ENCRYPTION {
        return match token.signer.digest_alg.oid {
            ID_SHA_256 => Ok(vec![webpki::ring::RSA_PKCS1_2048_8192_SHA256]),
            ID_SHA_384 => Ok(vec![webpki::ring::RSA_PKCS1_2048_8192_SHA384]),
            ID_SHA_512 => Ok(vec![webpki::ring::RSA_PKCS1_2048_8192_SHA512]),
            other => Err(TimestampError::DigestAlgorithm(other.to_string())),
        };
    }
    // Without its own header, as webpki names algorithms.
    let stated = Any::encode_from(stated).map_err(malformed("signatureAlgorithm"))?;
    let same =
        |known: &&&dyn SignatureVerificationAlgorithm| known.signature_alg_id().as_ref() == stated.value();
    Ok(ALL_VERIFICATION_ALGS.iter().filter(same).copied().collect())
}

/// Up to a root, with every certificate valid at the time that the token states (RFC 5280 §6).
fn check_chain(
    token: &Contents<'_>,
    signer: &EndEntityCert<'_>,
    gen_time: Instant,
    trust: &TsaTrust,
) -> Result<(), TimestampError> {
    let others = token.certificates.iter().map(|bytes| CertificateDer::from(*bytes)).collect::<Vec<_>>();
    let time = UnixTime::since_unix_epoch(Duration::from_millis(gen_time.unix_ms().unsigned_abs()));
    // The signer's own usage was checked above, more strictly. Those in between need not state any.
    let usage = KeyUsage::required_if_present(TIME_STAMPING);
    match signer.verify_for_usage(ALL_VERIFICATION_ALGS, &trust.roots, &others, time, usage, None, None) {
        Ok(_) => Ok(()),
        Err(webpki::Error::CertExpired { .. }) => Err(TimestampError::Expired { at: gen_time }),
        Err(webpki::Error::CertNotValidYet { .. }) => Err(TimestampError::NotYetValid { at: gen_time }),
        // Their own texts list every algorithm there is.
        Err(
            webpki::Error::UnsupportedSignatureAlgorithmContext(_)
            | webpki::Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_),
        ) => Err(TimestampError::ChainAlgorithm),
        Err(webpki::Error::UnknownIssuer) => Err(TimestampError::UnknownIssuer),
        Err(other) => Err(TimestampError::Chain(other)),
    }
}

fn sha2(algorithm: &AlgorithmIdentifierOwned, data: &[u8]) -> Result<Digest, TimestampError> {
    let algorithm = match algorithm.oid {
        ID_SHA_256 => &digest::SHA256,
        ID_SHA_384 => &digest::SHA384,
        ID_SHA_512 => &digest::SHA512,
        other => return Err(TimestampError::DigestAlgorithm(other.to_string())),
    };
    Ok(digest::digest(algorithm, data))
}

fn same(computed: &[u8], stated: &[u8], otherwise: TimestampError) -> Result<(), TimestampError> {
    if computed == stated { Ok(()) } else { Err(otherwise) }
}
