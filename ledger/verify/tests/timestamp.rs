//! Timestamps against OpenSSL, which makes the tokens here, and against what a forger would try.

#[path = "common/authority.rs"]
mod authority;

use std::io::Write as _;
use std::ops::{Deref, Range};
use std::path::PathBuf;

use authority::{Authority, POLICY, Plan};
use cms::cert::{CertificateChoices, IssuerAndSerialNumber};
use cms::content_info::ContentInfo;
use cms::signed_data::{CertificateSet, SignedData, SignerIdentifier, SignerInfo};
use daicho_core::Instant;
use daicho_verify::timestamp::{
    MAX_TIMESTAMP_LEN, TimestampError, TimestampRequest, TimestampResponse, TimestampToken, TsaPolicy,
    TsaTrust, VerifiedTime,
};
use rayon::prelude::*;
use ring::digest::{SHA256, SHA512, digest};
use x509_cert::Certificate;
use x509_cert::attr::Attribute;
use x509_cert::der::asn1::{GeneralizedTime, ObjectIdentifier, OctetString, SetOfVec};
use x509_cert::der::oid::db::rfc5911::{
    ID_AA_SIGNING_CERTIFICATE_V_2, ID_CONTENT_TYPE, ID_DATA, ID_MESSAGE_DIGEST, ID_SIGNED_DATA,
};
use x509_cert::der::oid::db::rfc5912::ID_SHA_512;
use x509_cert::der::{Any, Decode, Encode, Tag};
use x509_cert::ext::Extension;
use x509_cert::spki::AlgorithmIdentifier;
use x509_tsp::TstInfo;

const NOTE: &[u8] = b"vectors.example/ledger\n3\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
const NONCE: u64 = 0xfedc_ba98_7654_3210;
const RSA: &str = "-algorithm RSA -pkeyopt rsa_keygen_bits:2048";

/// An authority in a folder that goes with it.
struct Tsa {
    authority: Authority,
    folder: PathBuf,
}

impl Tsa {
    /// `None`, and a line that no test runner hides, where there is no OpenSSL.
    fn make(name: &str, plan: &Plan<'_>) -> Option<Self> {
        if std::process::Command::new("openssl").arg("version").output().is_err() {
            let _ =
                writeln!(std::io::stderr(), "SKIPPED {name}: there is no `openssl` to make timestamps with");
            return None;
        }
        let folder =
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let authority = Authority::make(&folder, plan).expect("OpenSSL makes an authority");
        Some(Self { authority, folder })
    }

    fn trust(&self) -> TsaTrust {
        trust_in(&self.der("root").expect("a root"))
    }

    fn response(&self, data: &[u8]) -> Vec<u8> {
        let request = TimestampRequest::new(data, None, NONCE).to_der();
        self.answer(&request).expect("OpenSSL answers")
    }

    /// A token of [`NOTE`].
    fn token(&self) -> TimestampToken {
        TimestampResponse::parse(&self.response(NOTE)).expect("a token").into_token()
    }

    fn draft(&self) -> Draft<'_> {
        Draft::of(&self.authority, &self.token())
    }

    fn check(&self, token: &[u8]) -> Result<VerifiedTime, TimestampError> {
        TimestampToken::parse(token)?.verify(NOTE, &self.trust())
    }
}

impl Deref for Tsa {
    type Target = Authority;

    fn deref(&self) -> &Authority {
        &self.authority
    }
}

impl Drop for Tsa {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn trust_in(root: &[u8]) -> TsaTrust {
    TsaTrust::new(&[root], None).expect("a root")
}

/// A token being changed by somebody who has the key: what only the authority itself could do.
struct Draft<'a> {
    authority: &'a Authority,
    signed: SignedData,
    content: Vec<u8>,
    attributes: Vec<Attribute>,
    signer: SignerInfo,
    /// Arguments of OpenSSL that sign what it reads.
    sign: &'static str,
}

impl<'a> Draft<'a> {
    fn of(authority: &'a Authority, token: &TimestampToken) -> Self {
        let info = ContentInfo::from_der(token.as_der()).expect("a token");
        let signed = info.content.decode_as::<SignedData>().expect("signed data");
        let content = signed.encap_content_info.econtent.clone().expect("content");
        let signer = signed.signer_infos.0.get(0).expect("a signer").clone();
        let attributes = signer.signed_attrs.clone().expect("attributes").into_vec();
        let sign = "dgst -sha256 -sign tsa.key";
        Self { authority, signed, content: content.value().to_owned(), attributes, signer, sign }
    }

    /// Changes what the token says, with a digest that fits.
    fn info(mut self, change: impl FnOnce(&mut TstInfo)) -> Self {
        let mut info = TstInfo::from_der(&self.content).expect("TSTInfo");
        change(&mut info);
        self.content = info.to_der().expect("DER");
        self.content_digest()
    }

    fn content_digest(self) -> Self {
        let digest = OctetString::new(digest(&SHA256, &self.content).as_ref()).expect("short");
        self.attribute(ID_MESSAGE_DIGEST, |values| *values = vec![Any::encode_from(&digest).expect("DER")])
    }

    fn attribute(mut self, kind: ObjectIdentifier, change: impl FnOnce(&mut Vec<Any>)) -> Self {
        let attribute = self.attributes.iter_mut().find(|attribute| attribute.oid == kind).expect("present");
        let mut values = attribute.values.clone().into_vec();
        change(&mut values);
        attribute.values = SetOfVec::try_from(values).expect("a set");
        self
    }

    /// Signs with the certificate `<name>.pem`, whose key must be that of the authority.
    fn certificate(mut self, name: &str) -> Self {
        let der = self.authority.der(name).expect("a certificate");
        let certificate = Certificate::from_der(&der).expect("a certificate");
        self.signer.sid = SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
            issuer: certificate.tbs_certificate.issuer.clone(),
            serial_number: certificate.tbs_certificate.serial_number.clone(),
        });
        let only = SetOfVec::try_from(vec![CertificateChoices::Certificate(certificate)]).expect("a set");
        self.signed.certificates = Some(CertificateSet(only));
        let digest = OctetString::new(digest(&SHA256, &der).as_ref()).expect("short");
        let id = sequence(&sequence(&sequence(&digest.to_der().expect("DER"))));
        let id = Any::from_der(&id).expect("DER");
        self.attribute(ID_AA_SIGNING_CERTIFICATE_V_2, |values| *values = vec![id])
    }

    fn signer(mut self) -> SignerInfo {
        let attributes = SetOfVec::try_from(self.attributes).expect("a set");
        let signature =
            self.authority.openssl(self.sign, &attributes.to_der().expect("DER")).expect("a signature");
        self.signer.signed_attrs = Some(attributes);
        self.signer.signature = OctetString::new(signature).expect("short");
        self.signer
    }

    fn token(self) -> Vec<u8> {
        let (signed, content) = (self.signed.clone(), self.content.clone());
        encode(signed, &content, vec![self.signer()])
    }
}

fn encode(mut signed: SignedData, content: &[u8], signers: Vec<SignerInfo>) -> Vec<u8> {
    signed.encap_content_info.econtent = Some(Any::new(Tag::OctetString, content).expect("short"));
    signed.signer_infos.0 = SetOfVec::try_from(signers).expect("a set");
    let content = Any::encode_from(&signed).expect("DER");
    ContentInfo { content_type: ID_SIGNED_DATA, content }.to_der().expect("DER")
}

fn sequence(content: &[u8]) -> Vec<u8> {
    Any::new(Tag::Sequence, content).and_then(|any| any.to_der()).expect("short")
}

/// Milliseconds now, only to see that the authority's time is one of today.
fn now_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_millis()).expect("before the sun burns out")
}

#[test]
fn tokens_verify_with_every_accepted_kind_of_key() {
    let plans = [
        ("rsa-sha256", Plan { key: RSA, ..Plan::default() }),
        ("rsa-sha512", Plan { key: RSA, digest: "sha512", ..Plan::default() }),
        ("p256-sha256", Plan::default()),
        ("p256-sha384", Plan { digest: "sha384", ..Plan::default() }),
        (
            "p384-sha384",
            Plan {
                key: "-algorithm EC -pkeyopt ec_paramgen_curve:P-384",
                digest: "sha384",
                ..Plan::default()
            },
        ),
        ("middle", Plan { intermediate: true, ..Plan::default() }),
        ("fraction", Plan { options: "clock_precision_digits = 3", ..Plan::default() }),
        ("sha1-id", Plan { options: "ess_cert_id_alg = sha1", ..Plan::default() }),
        ("chain-ids", Plan { options: "ess_cert_id_chain = yes", intermediate: true, ..Plan::default() }),
        ("unnamed", Plan { options: "tsa_name = no", ..Plan::default() }),
    ];
    for (name, plan) in plans {
        let Some(tsa) = Tsa::make(name, &plan) else { return };
        let before = now_ms();
        let request = TimestampRequest::new(NOTE, None, NONCE);
        let reply = tsa.answer(&request.to_der()).expect("an answer");
        let (token, time) =
            request.accept(&reply, &tsa.trust()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!((before - 1000..=now_ms()).contains(&time.gen_time.unix_ms()), "{name}: {time:?}");
        assert_eq!(time.accuracy_ms, Some(1501), "1 s, 500 ms and 100 µs, rounded up");
        assert_eq!(time.policy, POLICY);
        assert_eq!(time.serial, "01");
        assert_eq!(time.tsa, "CN=Timestamps,O=Test");
        assert!(reply.ends_with(token.as_der()), "{name}: the bytes are kept as they came");
        assert_eq!(token.verify(NOTE, &tsa.trust()), Ok(time), "{name}: the same every time");
        assert_eq!(token.verify(b"other", &tsa.trust()), Err(TimestampError::ImprintMismatch), "{name}");
    }
}

/// `tests/vectors/timestamp.json`, made once with OpenSSL. It is checked where there is no OpenSSL, and in years to come.
#[test]
fn golden_tokens_verify_for_ever() {
    let path = "../../tests/vectors/timestamp.json";
    let text = std::fs::read_to_string(path).expect("the vectors are part of the project");
    let vectors: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let word = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    let bytes = |value: &serde_json::Value| hex::decode(word(value)).expect("hexadecimal");
    let list = vectors["tokens"].as_array().expect("a list");
    assert_eq!(list.len(), 2);
    for vector in list {
        let (note, root) = (word(&vector["note"]), bytes(&vector["root"]));
        let policy = word(&vector["policy"]).parse::<TsaPolicy>().expect("a policy");
        let nonce = u64::from_str_radix(&word(&vector["nonce"]), 16).expect("a nonce");
        let request = TimestampRequest::new(note.as_bytes(), Some(policy), nonce);
        assert_eq!(hex::encode(request.to_der()), word(&vector["request"]), "as OpenSSL writes it");
        let (_, time) = request.accept(&bytes(&vector["response"]), &trust_in(&root)).expect("a good token");
        let expected = VerifiedTime {
            gen_time: Instant::parse(&word(&vector["gen_time"])).expect("a time"),
            accuracy_ms: Some(1501),
            policy: policy.to_string(),
            serial: word(&vector["serial"]),
            tsa: "CN=Timestamps,O=Test".to_owned(),
        };
        assert_eq!(time, expected);
    }
}

#[test]
fn openssl_alone_comes_to_the_same_answer() {
    let Some(tsa) = Tsa::make("openssl", &Plan { intermediate: true, ..Plan::default() }) else { return };
    std::fs::write(tsa.file("checkpoint.txt"), NOTE).expect("written");
    std::fs::write(tsa.file("token.tst"), tsa.token().as_der()).expect("written");
    // The command of docs/formats/timestamp.md.
    let command = "ts -verify -data checkpoint.txt -in token.tst -token_in -CAfile root.pem";
    tsa.openssl(command, &[]).expect("OpenSSL verifies");
    let then = tsa.check(tsa.token().as_der()).expect("a good token").gen_time.unix_ms() / 1000;
    tsa.openssl(&format!("{command} -attime {then}"), &[]).expect("at the time of the token");
    tsa.openssl(&format!("{command} -attime 4200000000"), &[]).expect_err("after 2099");
    std::fs::write(tsa.file("checkpoint.txt"), b"other").expect("written");
    tsa.openssl(command, &[]).expect_err("other data");
}

#[test]
fn the_issuer_of_the_authority_may_be_the_root() {
    let Some(tsa) = Tsa::make("issuer", &Plan { intermediate: true, ..Plan::default() }) else { return };
    let middle = trust_in(&tsa.der("middle").expect("a certificate"));
    assert!(tsa.token().verify(NOTE, &middle).is_ok());
    // Its own certificate is no root: trust goes to who issues, not to who signs.
    let own = trust_in(&tsa.der("tsa").expect("a certificate"));
    assert_eq!(tsa.token().verify(NOTE, &own), Err(TimestampError::UnknownIssuer));
    // One of several roots is enough.
    let both = [tsa.der("tsa").expect("a certificate"), tsa.der("root").expect("a certificate")];
    assert!(tsa.token().verify(NOTE, &TsaTrust::new(&both, None).expect("roots")).is_ok());
}

#[test]
fn a_root_of_somebody_else_is_not_believed() {
    let Some(tsa) = Tsa::make("one", &Plan::default()) else { return };
    let Some(other) = Tsa::make("other", &Plan::default()) else { return };
    // Both roots have the same name, so that only the signature tells them apart.
    let error = tsa.token().verify(NOTE, &other.trust()).expect_err("another root");
    assert_eq!(error, TimestampError::Chain(webpki::Error::InvalidSignatureForPublicKey));
    assert_eq!(TsaTrust::new::<&[u8]>(&[], None).expect_err("none"), TimestampError::NoRoots);
    let error =
        TsaTrust::new(&[&tsa.der("root").expect("a root")[..], b"no root"], None).expect_err("no root");
    assert!(matches!(error, TimestampError::BadRoot { index: 1, .. }), "{error}");
}

#[test]
fn a_reply_must_answer_the_request() {
    let Some(tsa) = Tsa::make("answer", &Plan::default()) else { return };
    let reply = tsa.response(NOTE);
    let accept = |request: TimestampRequest<'_>| request.accept(&reply, &tsa.trust()).map(|_| ());
    let other: TsaPolicy = "1.2.392.99999.2".parse().expect("a policy");
    let mismatch =
        TimestampError::PolicyMismatch { expected: "1.2.392.99999.2".to_owned(), found: POLICY.to_owned() };

    assert_eq!(accept(TimestampRequest::new(NOTE, None, NONCE)), Ok(()));
    assert_eq!(accept(TimestampRequest::new(NOTE, None, 1)), Err(TimestampError::NonceMismatch));
    assert_eq!(accept(TimestampRequest::new(b"x", None, NONCE)), Err(TimestampError::ImprintMismatch));
    assert_eq!(accept(TimestampRequest::new(NOTE, Some(other), NONCE)), Err(mismatch.clone()));

    // The policy that one trusts holds at any later time as well.
    let root = [tsa.der("root").expect("a root")];
    let strict = |policy| TsaTrust::new(&root, Some(policy)).expect("a root");
    assert_eq!(tsa.token().verify(NOTE, &strict(other)), Err(mismatch));
    assert!(tsa.token().verify(NOTE, &strict(POLICY.parse().expect("a policy"))).is_ok());
    assert!(matches!("1.2.".parse::<TsaPolicy>(), Err(TimestampError::PolicyText(_))));

    // An authority grants what it is asked for.
    let request = TimestampRequest::new(NOTE, Some(other), NONCE);
    let reply = tsa.answer(&request.to_der()).expect("an answer");
    assert_eq!(request.accept(&reply, &strict(other)).expect("granted").1.policy, "1.2.392.99999.2");

    let mute = tsa.draft().info(|info| info.nonce = None).token();
    assert!(tsa.check(&mute).is_ok(), "a nonce is the business of the one who asked");
    let granted = sequence(&[&sequence(&[2, 1, 0])[..], &mute].concat());
    let request = TimestampRequest::new(NOTE, None, NONCE);
    assert_eq!(request.accept(&granted, &tsa.trust()).map(|_| ()), Err(TimestampError::NonceMismatch));
}

#[test]
fn requests_read_as_they_were_meant() {
    let Some(tsa) = Tsa::make("request", &Plan::default()) else { return };
    for nonce in [0, 1, 0x7f, 0x80, 0xff, 0x100, u64::MAX >> 1, NONCE, u64::MAX] {
        let request = TimestampRequest::new(NOTE, Some(POLICY.parse().expect("a policy")), nonce);
        let text = tsa.openssl("ts -query -in /dev/stdin -text", &request.to_der()).expect("a request");
        let text = String::from_utf8(text).expect("text");
        for line in [
            "Version: 1",
            "Hash Algorithm: sha256",
            &format!("Policy OID: {POLICY}"),
            "Certificate required: yes",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        assert!(
            text.lines().any(|line| line
                .strip_prefix("Nonce: 0x")
                .is_some_and(|hex| { u64::from_str_radix(hex, 16) == Ok(nonce) })),
            "{nonce:x} in {text}"
        );
        let reply = tsa.answer(&request.to_der()).expect("an answer");
        request.accept(&reply, &tsa.trust()).unwrap_or_else(|error| panic!("{nonce:x}: {error}"));
    }
}

#[test]
fn a_refusal_says_why() {
    let Some(tsa) = Tsa::make("refusal", &Plan::default()) else { return };
    let unknown = "1.2.3.4".parse().expect("a policy");
    let reply = tsa.answer(&TimestampRequest::new(NOTE, Some(unknown), 1).to_der()).expect("an answer");
    let error = TimestampResponse::parse(&reply).expect_err("refused");
    let TimestampError::Refused { status: 2, reason } = &error else { panic!("{error}") };
    assert!(reason.starts_with("unacceptedPolicy, "), "{reason}");

    let status = |bytes: &[u8]| TimestampResponse::parse(&sequence(&sequence(bytes)));
    let refused = |status, reason: &str| Err(TimestampError::Refused { status, reason: reason.to_owned() });
    assert_eq!(status(&[2, 1, 0]), Err(TimestampError::NoToken));
    assert_eq!(status(&[2, 1, 3]), refused(3, ""));
    assert_eq!(status(&[2, 1, 2, 3, 5, 6, 0, 0, 0, 0x40]), refused(2, "systemFailure"));
    assert_eq!(
        status(&[2, 1, 2, 0x30, 5, 0x0c, 3, b'a', b'\n', b'b', 3, 2, 7, 0x80]),
        refused(2, "badAlg, a b")
    );
    // A token beside a refusal is no token.
    let granted = tsa.response(NOTE);
    let beside = sequence(&[&sequence(&[2, 1, 2])[..], tsa.token().as_der()].concat());
    assert_eq!(TimestampResponse::parse(&beside), refused(2, ""));
    assert!(TimestampResponse::parse(&granted).is_ok());
}

#[test]
fn certificates_are_judged_at_the_time_of_the_token() {
    let past = Plan { valid: ("20200101000000Z", "20210101000000Z"), ..Plan::default() };
    let Some(tsa) = Tsa::make("past", &past) else { return };
    let at = |text: &str| Instant::parse(text).expect("a time");
    let check_at = |text: &str| {
        let time =
            GeneralizedTime::from_unix_duration(std::time::Duration::from_millis(at(text).unix_ms() as u64));
        tsa.check(&tsa.draft().info(|info| info.gen_time = time.expect("a time")).token())
    };
    assert!(matches!(tsa.check(tsa.token().as_der()), Err(TimestampError::Expired { .. })));
    assert_eq!(check_at("2020-06-01T00:00:00Z").map(|time| time.gen_time), Ok(at("2020-06-01T00:00:00Z")));
    // The first and the last second are inside.
    assert!(check_at("2020-01-01T00:00:00Z").is_ok());
    assert!(check_at("2021-01-01T00:00:00Z").is_ok());
    let late = at("2021-01-01T00:00:01Z");
    assert_eq!(check_at("2021-01-01T00:00:01Z"), Err(TimestampError::Expired { at: late }));
    let early = at("2019-12-31T23:59:59Z");
    assert_eq!(check_at("2019-12-31T23:59:59Z"), Err(TimestampError::NotYetValid { at: early }));

    let future = Plan { valid: ("20980101000000Z", "20990101000000Z"), ..Plan::default() };
    let Some(tsa) = Tsa::make("future", &future) else { return };
    assert!(matches!(tsa.check(tsa.token().as_der()), Err(TimestampError::NotYetValid { .. })));
}

#[test]
fn a_certificate_must_be_for_timestamps_and_nothing_else() {
    let Some(tsa) = Tsa::make("purpose", &Plan::default()) else { return };
    let configuration = std::fs::read_to_string(tsa.file("openssl.cnf")).expect("a configuration");
    // OpenSSL does not sign tokens with such certificates, so that the token is signed by hand.
    let check = |extensions: &str| {
        std::fs::write(tsa.file("openssl.cnf"), format!("{configuration}\n[bad]\n{extensions}\n"))
            .expect("written");
        std::fs::copy(tsa.file("tsa.key"), tsa.file("bad.key")).expect("copied");
        tsa.certify("bad", "/O=Test/CN=Timestamps", "bad", "root", Plan::default().valid)
            .expect("a certificate");
        tsa.check(&tsa.draft().certificate("bad").token()).map(|_| ())
    };
    let good = "extendedKeyUsage = critical, timeStamping";
    assert_eq!(check(good), Ok(()));
    assert_eq!(check(&format!("{good}\nkeyUsage = nonRepudiation")), Ok(()));
    assert_eq!(check("keyUsage = digitalSignature"), Err(TimestampError::NoExtendedKeyUsage));
    assert_eq!(check("extendedKeyUsage = timeStamping"), Err(TimestampError::ExtendedKeyUsageNotCritical));
    assert_eq!(check("extendedKeyUsage = critical, serverAuth"), Err(TimestampError::ExtendedKeyUsage));
    assert_eq!(
        check("extendedKeyUsage = critical, anyExtendedKeyUsage"),
        Err(TimestampError::ExtendedKeyUsage)
    );
    let both = "extendedKeyUsage = critical, timeStamping, emailProtection";
    assert_eq!(check(both), Err(TimestampError::ExtendedKeyUsage));
    assert_eq!(check(&format!("{good}\nkeyUsage = critical, keyAgreement")), Err(TimestampError::KeyUsage));
    let chain = |extension: &str, error| {
        assert_eq!(check(&format!("{good}\n{extension}")), Err(TimestampError::Chain(error)), "{extension}");
    };
    chain("basicConstraints = critical, CA:TRUE", webpki::Error::CaUsedAsEndEntity);
    chain("1.2.3.4 = critical, DER:0500", webpki::Error::UnsupportedCriticalExtension);
}

#[test]
fn an_authority_below_one_that_may_not_issue_is_not_believed() {
    let Some(tsa) = Tsa::make("leaf", &Plan { intermediate: true, ..Plan::default() }) else { return };
    // The one in between again, with its name and key, but as the certificate of an authority for timestamps.
    tsa.certify("middle", "/O=Test/CN=Middle", "tsa_certificate", "root", Plan::default().valid)
        .expect("issued");
    std::fs::copy(tsa.file("middle.pem"), tsa.file("chain.pem")).expect("copied");
    let error = TimestampError::Chain(webpki::Error::EndEntityUsedAsCa);
    assert_eq!(tsa.check(tsa.token().as_der()), Err(error));
}

#[test]
fn what_is_signed_must_be_stated_in_the_attributes() {
    let Some(tsa) = Tsa::make("attributes", &Plan::default()) else { return };
    let id = ID_AA_SIGNING_CERTIFICATE_V_2;
    for (kind, name) in
        [(ID_CONTENT_TYPE, "contentType"), (ID_MESSAGE_DIGEST, "messageDigest"), (id, "signingCertificate")]
    {
        let mut without = tsa.draft();
        without.attributes.retain(|attribute| attribute.oid != kind);
        assert_eq!(tsa.check(&without.token()), Err(TimestampError::Attribute(name)));

        let mut twice = tsa.draft();
        let mut second = twice.attributes.iter().find(|found| found.oid == kind).expect("present").clone();
        second.values = SetOfVec::try_from(vec![Any::null()]).expect("a set");
        twice.attributes.push(second);
        assert_eq!(tsa.check(&twice.token()), Err(TimestampError::Attribute(name)));

        let two_values = tsa.draft().attribute(kind, |values| values.push(Any::null()));
        assert_eq!(tsa.check(&two_values.token()), Err(TimestampError::Attribute(name)));
    }
    let mut bare = tsa.draft();
    let mut signer = bare.signer.clone();
    signer.signed_attrs = None;
    signer.signature =
        OctetString::new(tsa.openssl(bare.sign, &bare.content).expect("signed")).expect("short");
    bare.signer = signer.clone();
    let bare = encode(bare.signed, &bare.content, vec![signer]);
    assert_eq!(tsa.check(&bare), Err(TimestampError::Attribute("contentType")), "no attributes at all");

    let of_data = tsa.draft().attribute(ID_CONTENT_TYPE, |values| {
        *values = vec![Any::encode_from(&ID_DATA).expect("DER")];
    });
    assert_eq!(tsa.check(&of_data.token()), Err(TimestampError::ContentTypeMismatch));

    let stale = Draft { content: tsa.draft().info(|info| info.ordering = true).content, ..tsa.draft() };
    assert_eq!(tsa.check(&stale.token()), Err(TimestampError::ContentMismatch));

    // The same key in another certificate: the signature fits and the certificate is a good one.
    std::fs::copy(tsa.file("tsa.key"), tsa.file("twin.key")).expect("copied");
    tsa.certify("twin", "/O=Test/CN=Twin", "tsa_certificate", "root", Plan::default().valid).expect("issued");
    let mut twin = tsa.draft();
    let named = twin.attributes.iter().find(|attribute| attribute.oid == id).expect("present").values.clone();
    twin = twin.certificate("twin").attribute(id, |values| *values = named.into_vec());
    assert_eq!(tsa.check(&twin.token()), Err(TimestampError::SigningCertificateMismatch));
    assert_eq!(tsa.check(&tsa.draft().certificate("twin").token()), Err(TimestampError::TsaNameMismatch));
    let renamed = tsa.draft().info(|info| info.tsa = None).certificate("twin").token();
    assert_eq!(tsa.check(&renamed).map(|time| time.tsa), Ok("CN=Twin,O=Test".to_owned()));
}

#[test]
fn what_a_token_says_must_be_understood() {
    let Some(tsa) = Tsa::make("info", &Plan::default()) else { return };
    let check = |change: &dyn Fn(&mut TstInfo)| tsa.check(&tsa.draft().info(change).token());
    assert!(check(&|_| {}).is_ok(), "made again without a change");
    assert_eq!(check(&|info| info.accuracy = None).map(|time| time.accuracy_ms), Ok(None));
    assert_eq!(
        check(&|info| info.accuracy.as_mut().expect("given").millis = Some(1000)),
        Err(TimestampError::Accuracy)
    );
    assert_eq!(
        check(&|info| info.accuracy.as_mut().expect("given").seconds = Some(u64::MAX)),
        Err(TimestampError::Accuracy)
    );
    let sha512 = |info: &mut TstInfo| {
        info.message_imprint.hash_algorithm = AlgorithmIdentifier { oid: ID_SHA_512, parameters: None };
        info.message_imprint.hashed_message =
            OctetString::new(digest(&SHA512, NOTE).as_ref()).expect("short");
    };
    assert!(check(&sha512).is_ok());
    let sha1 = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
    assert_eq!(
        check(&|info| info.message_imprint.hash_algorithm.oid = sha1),
        Err(TimestampError::DigestAlgorithm(sha1.to_string()))
    );
    let extension = |critical| Extension {
        extn_id: ObjectIdentifier::new_unwrap("1.2.3.4"),
        critical,
        extn_value: OctetString::new(vec![5, 0]).expect("short"),
    };
    assert!(check(&|info| info.extensions = Some(vec![extension(false)])).is_ok());
    assert_eq!(
        check(&|info| info.extensions = Some(vec![extension(true)])),
        Err(TimestampError::CriticalExtension("1.2.3.4".to_owned()))
    );

    // What the parser of OpenSSL's friends cannot write: the bytes themselves.
    let raw = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut draft = tsa.draft().info(|info| info.tsa = None);
        change(&mut draft.content);
        tsa.check(&draft.content_digest().token())
    };
    assert_eq!(raw(&|content| content[4] = 2), Err(TimestampError::Version(2)));
    let year =
        |content: &[u8]| content.windows(2).position(|bytes| bytes == [0x18, 15]).expect("genTime") + 2;
    assert_eq!(
        raw(&|content| {
            let at = year(content);
            content[at..at + 4].copy_from_slice(b"1969")
        }),
        Err(TimestampError::GenTime)
    );
    assert_eq!(
        raw(&|content| {
            let at = year(content);
            content[at + 14] = b'0'
        }),
        Err(TimestampError::GenTime)
    );
    let fraction = |digits: &'static [u8]| {
        raw(&|content| {
            let end = year(content) + 14;
            content.splice(end..end, digits.iter().copied());
            content[end - 15] += digits.len() as u8;
            content[1] += digits.len() as u8;
        })
        .map(|time| time.gen_time.unix_ms() % 1000)
    };
    assert_eq!(fraction(b".5"), Ok(500));
    assert_eq!(fraction(b".123999"), Ok(123), "cut, not rounded into the future");
    for bad in [&b"."[..], b".0", b".50", b".5x", b",5", b".+5"] {
        assert_eq!(fraction(bad), Err(TimestampError::GenTime), "{bad:?}");
    }
}

#[test]
fn a_token_has_one_signature_of_the_authority() {
    let Some(tsa) = Tsa::make("signers", &Plan::default()) else { return };
    let draft = tsa.draft();
    let count = |signers| tsa.check(&encode(draft.signed.clone(), &draft.content, signers));
    assert_eq!(count(vec![]), Err(TimestampError::SignerCount { count: 0 }));
    let other = tsa.draft().info(|info| info.ordering = true).signer();
    assert_eq!(count(vec![draft.signer.clone(), other]), Err(TimestampError::SignerCount { count: 2 }));

    let mut alone = draft.signed.clone();
    alone.certificates = None;
    let alone = encode(alone, &draft.content, vec![draft.signer.clone()]);
    assert_eq!(tsa.check(&alone), Err(TimestampError::NoCertificate));

    let mut of_data = draft.signed.clone();
    of_data.encap_content_info.econtent_type = ID_DATA;
    assert_eq!(tsa.check(&encode(of_data, &draft.content, vec![])), Err(TimestampError::NotTimestamp));

    let mut data = ContentInfo::from_der(tsa.token().as_der()).expect("a token");
    data.content_type = ID_DATA;
    assert_eq!(tsa.check(&data.to_der().expect("DER")), Err(TimestampError::NotSigned));

    let len = MAX_TIMESTAMP_LEN + 1;
    assert_eq!(tsa.check(&vec![0x30; len]), Err(TimestampError::TooLarge { len }));
    assert_eq!(TimestampResponse::parse(&vec![0x30; len]).map(|_| ()), Err(TimestampError::TooLarge { len }));
}

#[test]
fn attributes_out_of_order_are_refused() {
    let Some(tsa) = Tsa::make("order", &Plan::default()) else { return };
    let token = tsa.token();
    let attributes = Draft::of(&tsa, &token).attributes;
    let [first, second] = [&attributes[0], &attributes[1]].map(|attribute| attribute.to_der().expect("DER"));
    let place = find(token.as_der(), &[&first[..], &second].concat());
    let mut changed = token.as_der().to_owned();
    changed[place].copy_from_slice(&[second, first].concat());
    let error = tsa.check(&changed).expect_err("not in DER");
    assert!(matches!(error, TimestampError::Malformed { part: "SignerInfo", .. }), "{error}");
}

#[test]
fn many_certificates_are_refused_before_they_cost_time() {
    let Some(tsa) = Tsa::make("many", &Plan::default()) else { return };
    let mut draft = tsa.draft();
    let mut certificates = draft.signed.certificates.expect("some").0.into_vec();
    for n in 0..7 {
        std::fs::copy(tsa.file("tsa.key"), tsa.file("more.key")).expect("copied");
        tsa.certify("more", &format!("/O=Test/CN={n}"), "issuer", "root", Plan::default().valid)
            .expect("issued");
        let more = Certificate::from_der(&tsa.der("more").expect("issued")).expect("a certificate");
        certificates.push(CertificateChoices::Certificate(more));
    }
    let count = certificates.len();
    draft.signed.certificates = Some(CertificateSet(SetOfVec::try_from(certificates).expect("a set")));
    assert_eq!(tsa.check(&draft.token()), Err(TimestampError::TooManyCertificates { count }));
}

#[test]
fn signatures_of_other_kinds() {
    // RSA-PSS, with the parameters as RFC 4055 writes them.
    let Some(tsa) = Tsa::make("pss", &Plan { key: RSA, ..Plan::default() }) else { return };
    let mut draft = tsa.draft();
    draft.sign = "dgst -sha256 -sign tsa.key -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32";
    assert_eq!(tsa.check(&draft.token()), Err(TimestampError::BadSignature), "named as the older kind");
    let mut draft = tsa.draft();
    draft.sign = "dgst -sha256 -sign tsa.key -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32";
    let sha256 = "300d06096086480165030402010500";
    let pss = format!("a00f{sha256}a11c301a06092a864886f70d010108{sha256}a203020120");
    let parameters = sequence(&hex::decode(pss).expect("hexadecimal"));
    draft.signer.signature_algorithm = AlgorithmIdentifier {
        oid: ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10"),
        parameters: Some(Any::from_der(&parameters).expect("DER")),
    };
    assert_eq!(tsa.check(&draft.token()).map(|_| ()), Ok(()));

    // Ed25519 (RFC 8419); `openssl ts` cannot, so that the authority's key signs by hand.
    let Some(tsa) = Tsa::make("ed25519", &Plan::default()) else { return };
    tsa.openssl("genpkey -algorithm ED25519 -out ed.key", &[]).expect("a key");
    tsa.certify("ed", "/O=Test/CN=Timestamps", "tsa_certificate", "root", Plan::default().valid)
        .expect("issued");
    let mut draft = tsa.draft().certificate("ed");
    draft.signer.digest_alg = AlgorithmIdentifier { oid: ID_SHA_512, parameters: None };
    draft.signer.signature_algorithm =
        AlgorithmIdentifier { oid: ObjectIdentifier::new_unwrap("1.3.101.112"), parameters: None };
    let sha512 = OctetString::new(digest(&SHA512, &draft.content).as_ref()).expect("short");
    draft =
        draft.attribute(ID_MESSAGE_DIGEST, |values| *values = vec![Any::encode_from(&sha512).expect("DER")]);
    let attributes = SetOfVec::try_from(draft.attributes.clone()).expect("a set").to_der().expect("DER");
    std::fs::write(tsa.file("attributes"), attributes).expect("written");
    draft.sign = "pkeyutl -sign -rawin -inkey ed.key -in attributes";
    assert_eq!(tsa.check(&draft.token()).map(|_| ()), Ok(()));

    // A key of another kind than the signature claims, and one that is too short.
    let Some(tsa) = Tsa::make("kind", &Plan::default()) else { return };
    let mut draft = tsa.draft();
    draft.signer.signature_algorithm.oid = ObjectIdentifier::new_unwrap("1.3.101.112");
    let refused = TimestampError::SignatureAlgorithm("1.3.101.112".to_owned());
    assert_eq!(tsa.check(&draft.token()), Err(refused));
    let short = Plan { key: "-algorithm RSA -pkeyopt rsa_keygen_bits:1024", ..Plan::default() };
    let Some(tsa) = Tsa::make("short", &short) else { return };
    assert_eq!(tsa.check(tsa.token().as_der()), Err(TimestampError::BadSignature));
}

/// Where `part` lies in `whole`.
fn find(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = whole.windows(part.len()).position(|window| window == part).expect("a part");
    start..start + part.len()
}

#[test]
fn no_flipped_bit_changes_what_a_token_proves() {
    for (name, key) in [("flip-rsa", RSA), ("flip-ec", Plan::default().key)] {
        let Some(tsa) = Tsa::make(name, &Plan { key, intermediate: true, ..Plan::default() }) else { return };
        let trust = tsa.trust();
        let token = tsa.token();
        let proven = token.verify(NOTE, &trust).expect("a good token");
        let bytes = token.as_der();

        let draft = Draft::of(&tsa, &token);
        let attributes = draft.signer.signed_attrs.as_ref().expect("attributes").to_der().expect("DER");
        let sealed = [
            find(bytes, &draft.content),
            // Their first byte is another one in the token (RFC 5652 §5.4).
            find(bytes, &attributes[1..]),
            find(bytes, draft.signer.signature.as_bytes()),
            find(bytes, &tsa.der("tsa").expect("a certificate")),
            find(bytes, &tsa.der("middle").expect("a certificate")),
        ];
        let accepted = (0..bytes.len() * 8)
            .into_par_iter()
            .filter(|bit| {
                let mut changed = bytes.to_owned();
                changed[bit / 8] ^= 1 << (bit % 8);
                let Ok(changed) = TimestampToken::parse(&changed) else { return false };
                assert!(changed.verify(b"other", &trust).is_err(), "bit {bit}: other data");
                let Ok(time) = changed.verify(NOTE, &trust) else { return false };
                assert_eq!(time, proven, "bit {bit}: another time");
                assert!(!sealed.iter().any(|part| part.contains(&(bit / 8))), "bit {bit} of a sealed part");
                true
            })
            .count();
        // What remains: numbers of versions, the list of digests, parameters that mean nothing.
        println!("{name}: {accepted} of {} bits do not matter", bytes.len() * 8);
        assert!(accepted < 200, "{accepted} bits");
    }
}

#[test]
fn a_reply_cut_short_is_an_error_and_nothing_worse() {
    let Some(tsa) = Tsa::make("cut", &Plan { intermediate: true, ..Plan::default() }) else { return };
    let reply = tsa.response(NOTE);
    let token = tsa.token();
    for len in 0..reply.len() {
        assert!(TimestampResponse::parse(&reply[..len]).is_err(), "{len} bytes");
        // With lengths that fit, the parser gets as far as it can.
        let _ = TimestampResponse::parse(&sequence(&reply[len..]));
    }
    for len in 0..token.as_der().len() {
        assert!(TimestampToken::parse(&token.as_der()[..len]).is_err(), "{len} bytes");
        let _ = TimestampToken::parse(&sequence(&token.as_der()[len..]));
    }
    let longer = [token.as_der(), &[0]].concat();
    assert!(matches!(TimestampToken::parse(&longer), Err(TimestampError::Malformed { .. })));
}
