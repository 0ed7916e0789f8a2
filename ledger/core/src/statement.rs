//! Statements: their limits, signing, and the check that needs no state but keys.

use std::fmt;

use daicho_proto::v1 as proto;
use prost::Message as _;

use crate::sign::pre_authentication_encoding;
use crate::{KeyId, Refusal, RefusalCode, Signer, SignerError, SigningKey, VerifyingKey};

/// DSSE payload type of a statement.
pub const PAYLOAD_TYPE: &str = "application/vnd.daicho.statement.v1+protobuf";
/// Longest encoded statement, in bytes: with signatures and header it stays below the 65,535 of an entry.
pub const MAX_STATEMENT_LEN: usize = 48 * 1024;
/// Most events in one statement.
pub const MAX_EVENTS: usize = 1_000;
/// Most signers of one statement.
pub const MAX_SIGNERS: usize = 4;
/// How far an emitter's clock may run ahead of the ledger's, in milliseconds.
pub const MAX_FUTURE_SKEW_MS: i64 = 5 * 60_000;

/// Names a statement: the first signer's key and its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatementId {
    /// First signer's key.
    pub key: KeyId,
    /// Number among the statements of that key, from 1.
    pub sequence: u64,
}

impl fmt::Display for StatementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.key, self.sequence)
    }
}

/// A statement that is well formed; its signatures are not checked yet.
#[derive(Debug, Clone)]
pub struct ParsedStatement {
    signed: proto::SignedStatement,
    body: proto::Statement,
    signers: Vec<StatementId>,
}

/// A statement whose signatures verify. That the keys are authorised is for the fold to say.
#[derive(Debug, Clone)]
pub struct CheckedStatement(ParsedStatement);

impl ParsedStatement {
    /// Reads a statement and checks every limit that needs no state.
    ///
    /// # Errors
    /// [`RefusalCode::Malformed`] or [`RefusalCode::TooLarge`]. Bytes that this version would not write itself
    /// (unknown fields, another order) are malformed: nobody may sign what the ledger does not understand.
    pub fn parse(signed: proto::SignedStatement) -> Result<Self, Refusal> {
        let parsed = Self::parse_draft(signed)?;
        match parsed.signed.signatures.iter().position(|signature| signature.value.is_empty()) {
            Some(i) => Err(not_a_signature(i)),
            None => Ok(parsed),
        }
    }

    /// The same, but that signatures may be empty.
    fn parse_draft(signed: proto::SignedStatement) -> Result<Self, Refusal> {
        let malformed = |message: &str| Refusal::new(RefusalCode::Malformed, message);
        if signed.statement.len() > MAX_STATEMENT_LEN {
            let message = format!("a statement has at most {MAX_STATEMENT_LEN} bytes; send it in parts");
            return Err(Refusal::new(RefusalCode::TooLarge, message));
        }
        let mut body = proto::Statement::decode(&signed.statement[..])
            .map_err(|error| malformed(&format!("statement does not decode: {error}")))?;
        // The decoder makes room for four events at once, a kilobyte; most statements hold one.
        body.events.shrink_to_fit();
        if body.events.len() > MAX_EVENTS {
            let message = format!("a statement has at most {MAX_EVENTS} events; send it in parts");
            return Err(Refusal::field(RefusalCode::TooLarge, "events", message));
        }
        if body.events.is_empty() {
            return Err(Refusal::field(
                RefusalCode::Malformed,
                "events",
                "a statement has at least one event",
            ));
        }
        if !is_canonical(&body, &signed.statement) {
            return Err(malformed("statement holds unknown fields or is not in canonical protobuf form"));
        }
        let signers = parse_signers(&body.signers)?;
        if signed.signatures.len() != signers.len() {
            return Err(Refusal::field(
                RefusalCode::Malformed,
                "signatures",
                format!("{} signers, {} signatures", signers.len(), signed.signatures.len()),
            ));
        }
        for (i, signature) in signed.signatures.iter().enumerate() {
            let ed25519 = signature.algorithm == proto::SignatureAlgorithm::Ed25519 as i32;
            if !ed25519 || !matches!(signature.value.len(), 0 | 64) {
                return Err(not_a_signature(i));
            }
        }
        Ok(Self { signed, body, signers })
    }

    /// The keys that signed, the naming one first.
    pub fn signers(&self) -> &[StatementId] {
        &self.signers
    }

    /// What was said.
    pub fn body(&self) -> &proto::Statement {
        &self.body
    }

    /// The bytes as signed.
    pub fn signed(&self) -> &proto::SignedStatement {
        &self.signed
    }

    /// BLAKE3 of the statement bytes: by it a statement that is sent again is known.
    pub fn signed_hash(&self) -> [u8; 32] {
        blake3::hash(&self.signed.statement).into()
    }

    /// Verifies every signature. `key` finds a key by its id; it is trusted to return the key that has the id.
    ///
    /// # Errors
    /// [`RefusalCode::WrongOrigin`], [`RefusalCode::UnknownKey`] or [`RefusalCode::BadSignature`].
    pub fn check<K>(
        self,
        origin: &str,
        key: impl Fn(&KeyId) -> Option<K>,
    ) -> Result<CheckedStatement, Refusal>
    where
        K: std::ops::Deref<Target = VerifyingKey>,
    {
        if self.body.ledger_origin != origin {
            let message = format!("signed for another ledger; this one is `{origin}`");
            return Err(Refusal::field(RefusalCode::WrongOrigin, "ledger_origin", message));
        }
        let message = &pre_authentication_encoding(PAYLOAD_TYPE, &self.signed.statement);
        for (i, (signer, signature)) in self.signers.iter().zip(&self.signed.signatures).enumerate() {
            let Some(key) = key(&signer.key) else {
                let text = format!("key {} is not authorised in this ledger", signer.key);
                return Err(Refusal::field(RefusalCode::UnknownKey, format!("signers[{i}]"), text));
            };
            if !key.verify_strict(message, &signature.value) {
                let text = format!("signature of key {} does not verify", signer.key);
                return Err(Refusal::field(RefusalCode::BadSignature, format!("signatures[{i}]"), text));
            }
        }
        Ok(CheckedStatement(self))
    }
}

/// A statement of several keys that not all of them have signed: what goes from desk to desk where keys do not.
#[derive(Debug, Clone)]
pub struct Draft(ParsedStatement);

impl Draft {
    /// What these keys are to say, under these numbers. Nobody has signed it.
    ///
    /// # Errors
    /// As [`ParsedStatement::parse`].
    pub fn new(origin: &str, signers: &[StatementId], events: Vec<proto::Event>) -> Result<Self, Refusal> {
        let statement = body(origin, signers.iter().copied(), events).encode_to_vec().into();
        let signatures = signers.iter().map(|_| signature(Vec::new())).collect();
        Self::parse(proto::SignedStatement { statement, signatures })
    }

    /// Reads a statement in which signatures may be missing.
    ///
    /// # Errors
    /// As [`ParsedStatement::parse`].
    pub fn parse(signed: proto::SignedStatement) -> Result<Self, Refusal> {
        ParsedStatement::parse_draft(signed).map(Self)
    }

    /// Adds the signature of a key. `false` when it is not for this key to sign.
    ///
    /// # Errors
    /// [`SignerError`].
    pub fn sign(&mut self, key: &dyn Signer) -> Result<bool, SignerError> {
        let id = key.public().id();
        let Some(place) = self.0.signers.iter().position(|signer| signer.key == id) else { return Ok(false) };
        let message = pre_authentication_encoding(PAYLOAD_TYPE, &self.0.signed.statement);
        self.0.signed.signatures[place] = signature(key.sign(&message)?.to_vec());
        Ok(true)
    }

    /// The keys that are to sign, in order, and whether each has. That a signature is good is for the ledger to say.
    pub fn signers(&self) -> impl Iterator<Item = (StatementId, bool)> {
        let signed = self.0.signed.signatures.iter().map(|signature| !signature.value.is_empty());
        self.0.signers.iter().copied().zip(signed)
    }

    /// What is said.
    pub fn body(&self) -> &proto::Statement {
        &self.0.body
    }

    /// As it is, signed or not.
    pub fn signed(&self) -> &proto::SignedStatement {
        &self.0.signed
    }
}

impl CheckedStatement {
    /// Id of the statement.
    pub fn id(&self) -> StatementId {
        self.0.signers[0]
    }

    /// The keys that signed.
    pub fn signers(&self) -> &[StatementId] {
        &self.0.signers
    }

    /// What was said.
    pub fn body(&self) -> &proto::Statement {
        &self.0.body
    }

    /// The bytes as signed.
    pub fn signed(&self) -> &proto::SignedStatement {
        &self.0.signed
    }

    /// BLAKE3 of the statement bytes.
    pub fn signed_hash(&self) -> [u8; 32] {
        self.0.signed_hash()
    }
}

/// Signs a statement with keys in memory and their numbers. The signers of `events` are filled in here.
pub fn sign_statement(
    origin: &str,
    signers: &[(&SigningKey, u64)],
    events: Vec<proto::Event>,
) -> proto::SignedStatement {
    let signers: Vec<(&dyn Signer, u64)> = signers.iter().map(|(key, n)| (*key as &dyn Signer, *n)).collect();
    sign_statement_with(origin, &signers, events).expect("a key in memory always signs")
}

/// Signs a statement with the given keys, wherever they are, and numbers. The signers of `events` are filled in here.
///
/// # Errors
/// [`SignerError`] of the first key that does not sign.
pub fn sign_statement_with(
    origin: &str,
    signers: &[(&dyn Signer, u64)],
    events: Vec<proto::Event>,
) -> Result<proto::SignedStatement, SignerError> {
    let ids =
        signers.iter().map(|(key, sequence)| StatementId { key: key.public().id(), sequence: *sequence });
    let statement = body(origin, ids, events).encode_to_vec();
    let message = pre_authentication_encoding(PAYLOAD_TYPE, &statement);
    let signed = |(key, _): &(&dyn Signer, u64)| Ok(signature(key.sign(&message)?.to_vec()));
    let signatures = signers.iter().map(signed).collect::<Result<_, SignerError>>()?;
    Ok(proto::SignedStatement { statement: statement.into(), signatures })
}

fn body(
    origin: &str,
    signers: impl Iterator<Item = StatementId>,
    events: Vec<proto::Event>,
) -> proto::Statement {
    let signer =
        |id: StatementId| proto::Signer { key_id: id.key.as_bytes().to_vec(), sequence: id.sequence };
    proto::Statement { ledger_origin: origin.to_owned(), signers: signers.map(signer).collect(), events }
}

fn signature(value: Vec<u8>) -> proto::Signature {
    proto::Signature { algorithm: proto::SignatureAlgorithm::Ed25519 as i32, value }
}

fn not_a_signature(place: usize) -> Refusal {
    Refusal::field(RefusalCode::Malformed, format!("signatures[{place}]"), "64 bytes of Ed25519 are wanted")
}

/// Whether this version would write the statement in these very bytes.
fn is_canonical(body: &proto::Statement, bytes: &[u8]) -> bool {
    thread_local! {
        // Every statement is written once more to compare; the memory for it is kept.
        static AGAIN: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) };
    }
    AGAIN.with_borrow_mut(|again| {
        again.clear();
        body.encode(again).is_ok_and(|()| again == bytes)
    })
}

fn parse_signers(signers: &[proto::Signer]) -> Result<Vec<StatementId>, Refusal> {
    if !(1..=MAX_SIGNERS).contains(&signers.len()) {
        let message = format!("a statement has 1 to {MAX_SIGNERS} signers");
        return Err(Refusal::field(RefusalCode::Malformed, "signers", message));
    }
    let mut parsed: Vec<StatementId> = Vec::with_capacity(signers.len());
    for (i, signer) in signers.iter().enumerate() {
        let wrong = |message: &str| Refusal::field(RefusalCode::Malformed, format!("signers[{i}]"), message);
        let key = KeyId::from_slice(&signer.key_id).ok_or_else(|| wrong("a key id has 16 bytes"))?;
        if signer.sequence == 0 || signer.sequence > i64::MAX as u64 {
            return Err(wrong("statements are numbered from 1"));
        }
        if parsed.iter().any(|other| other.key == key) {
            return Err(wrong("a key signs a statement once"));
        }
        parsed.push(StatementId { key, sequence: signer.sequence });
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_is_a_statement_once_all_have_signed() {
        let keys = [1, 2].map(|n| SigningKey::from_seed(&[n; 32]));
        let event = proto::Event {
            occur_time_ms: 1,
            fact: Some(proto::event::Fact::PartyRegistered(proto::PartyRegistered::default())),
            ..Default::default()
        };
        let ids = [(0, 7), (1, 3)].map(|(n, sequence)| StatementId { key: keys[n].public().id(), sequence });
        let mut draft = Draft::new("o", &ids, vec![event.clone()]).expect("within limits");
        assert!(draft.signers().eq(ids.map(|id| (id, false))));
        assert_eq!(draft.sign(&SigningKey::from_seed(&[3; 32])), Ok(false), "it is not among the signers");
        assert_eq!(draft.sign(&keys[1]), Ok(true));
        let mut draft = Draft::parse(draft.signed().clone()).expect("a draft");
        assert!(draft.signers().eq([(ids[0], false), (ids[1], true)]));
        let refusal = ParsedStatement::parse(draft.signed().clone()).expect_err("one is missing");
        assert_eq!(refusal.field, "signatures[0]");
        assert_eq!(draft.sign(&keys[0]), Ok(true));
        let whole = sign_statement("o", &[(&keys[0], 7), (&keys[1], 3)], vec![event]);
        assert_eq!(draft.signed(), &whole);
        ParsedStatement::parse(whole).expect("complete");
        assert!(Draft::new("o", &ids, Vec::new()).is_err(), "nothing is said");
    }
}
