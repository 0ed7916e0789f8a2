//! Receipts (受領証): proof in a file that an entry is in a ledger. `docs/formats/receipt.md`.
//!
//! A receipt is a proof of C2SP tlog-proof whose extra data are the entry's exact bytes, so that it needs nothing
//! besides a policy to be checked.

use std::fmt;

use daicho_core::{
    ChainHash, Entry, EntryError, EntryIndex, Instant, Origin, PAYLOAD_TYPE, ParsedStatement, PublicKey,
    Refusal, StatementId, pre_authentication_encoding,
};
use daicho_tlog::merkle::ProofError;
use daicho_tlog::policy::{PolicyError, Trust};
use daicho_tlog::{Policy, SignedCheckpoint, TlogProof, TlogProofError, TreeHash};

/// A receipt that is well formed: the entry decodes, its index is that of the proof, its statement parses.
#[derive(Debug, Clone)]
pub struct Receipt {
    proof: TlogProof,
    entry: Entry,
    statement: ParsedStatement,
}

/// Why a receipt is none, or proves nothing. The check that failed is the variant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// It is no proof file.
    #[error(transparent)]
    Proof(#[from] TlogProofError),
    /// The proof carries no entry.
    #[error("the proof has no extra line with the entry's bytes")]
    NoEntry,
    /// What it carries is no entry.
    #[error("the extra data is no entry: {0}")]
    Entry(#[from] EntryError),
    /// The entry has another index than the proof.
    #[error("the proof is of entry {proof}, the entry in it is entry {entry}")]
    Index {
        /// Index of the proof.
        proof: u64,
        /// Index in the entry's bytes.
        entry: EntryIndex,
    },
    /// The entry's statement is malformed.
    #[error("the entry's statement: {0}")]
    Statement(Refusal),
    /// The checkpoint is of another ledger than the one that the statement was signed for.
    #[error("the statement was signed for `{statement}`, the checkpoint is of `{checkpoint}`")]
    Origin {
        /// Origin in the statement.
        statement: String,
        /// Origin of the checkpoint.
        checkpoint: String,
    },
    /// The hashes do not lead from the entry to the root of the checkpoint.
    #[error("the entry is not proven to be in the tree of the checkpoint: {0}")]
    Inclusion(#[from] ProofError),
    /// The policy does not trust the checkpoint.
    #[error("the checkpoint is not trusted: {0}")]
    Policy(#[from] PolicyError),
    /// The key is none of those that the statement names as its signers.
    #[error("key {0} is not among the signers of the statement")]
    NotSigner(daicho_core::KeyId),
    /// The signature of a given key does not verify.
    #[error("the signature of key {0} on the statement does not verify")]
    BadSignature(daicho_core::KeyId),
}

/// What a receipt proves, and by whose word.
#[derive(Debug, Clone)]
pub struct ReceiptReport<'p> {
    /// Name of the ledger.
    pub origin: String,
    /// Whether its clock is simulated (模擬): then `recorded` is no real time.
    pub simulated: bool,
    /// Position of the entry.
    pub index: EntryIndex,
    /// When it was recorded, as the ledger says.
    pub recorded: Instant,
    /// Names of the statement: its signers with their numbers, the naming one first.
    pub signers: Vec<StatementId>,
    /// How many events the statement has.
    pub events: usize,
    /// Chain hash up to and with the entry.
    pub chain: ChainHash,
    /// Number of entries that the checkpoint covers.
    pub size: u64,
    /// Root of the tree over them.
    pub root: TreeHash,
    /// Who stands behind the checkpoint.
    pub trust: Trust<'p>,
}

impl Receipt {
    /// Reads a receipt file. [`Receipt`] displays as exactly these bytes.
    ///
    /// # Errors
    /// [`ReceiptError`] about its form.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReceiptError> {
        Self::new(TlogProof::parse(bytes)?)
    }

    /// A receipt from the entry's bytes, the entry's index, the hashes from the leaf's sibling up, and a checkpoint.
    ///
    /// # Errors
    /// As [`Receipt::parse`].
    pub fn from_parts(
        entry: Vec<u8>,
        index: EntryIndex,
        hashes: Vec<TreeHash>,
        checkpoint: SignedCheckpoint,
    ) -> Result<Self, ReceiptError> {
        Self::new(TlogProof::new(Some(entry), index.get(), hashes, checkpoint)?)
    }

    fn new(proof: TlogProof) -> Result<Self, ReceiptError> {
        let entry = Entry::decode(proof.extra().ok_or(ReceiptError::NoEntry)?)?;
        if entry.index.get() != proof.index() {
            return Err(ReceiptError::Index { proof: proof.index(), entry: entry.index });
        }
        let statement = ParsedStatement::parse(entry.statement.clone()).map_err(ReceiptError::Statement)?;
        Ok(Self { proof, entry, statement })
    }

    /// The entry.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The entry's bytes: what is hashed.
    pub fn entry_bytes(&self) -> &[u8] {
        self.proof.extra().unwrap_or_default()
    }

    /// The entry's statement. Its signatures are not verified.
    pub fn statement(&self) -> &ParsedStatement {
        &self.statement
    }

    /// The proof with the entry in it.
    pub fn proof(&self) -> &TlogProof {
        &self.proof
    }

    /// The checkpoint that the proof leads to.
    pub fn checkpoint(&self) -> &SignedCheckpoint {
        self.proof.checkpoint()
    }

    /// Hash of the entry as a leaf of the tree.
    pub fn leaf(&self) -> TreeHash {
        TreeHash::of_leaf(self.entry_bytes())
    }

    /// Checks what needs no trust: the entry is of the ledger of the checkpoint and in its tree. Whoever signed the
    /// checkpoint says so; that it was the ledger is for [`Receipt::verify`] to find.
    ///
    /// # Errors
    /// [`ReceiptError::Origin`], [`ReceiptError::Inclusion`].
    pub fn check(&self) -> Result<(), ReceiptError> {
        let (statement, checkpoint) =
            (&self.statement.body().ledger_origin, self.checkpoint().checkpoint().origin());
        if statement != checkpoint {
            let (statement, checkpoint) = (statement.clone(), checkpoint.to_owned());
            return Err(ReceiptError::Origin { statement, checkpoint });
        }
        Ok(self.proof.verify(&self.leaf())?)
    }

    /// Checks that the entry is in a ledger that the policy knows: all of [`Receipt::check`], the ledger's signature
    /// and the quorum of witnesses.
    ///
    /// # Errors
    /// [`ReceiptError`] with the first check that failed.
    pub fn verify<'p>(&self, policy: &'p Policy) -> Result<ReceiptReport<'p>, ReceiptError> {
        self.check()?;
        Ok(self.report(policy.check(self.checkpoint())?))
    }

    /// As [`Receipt::verify`], but the quorum may be missing, and the report says so: a receipt is handed out before
    /// any witness has been asked.
    ///
    /// # Errors
    /// As [`Receipt::verify`], but for the quorum.
    pub fn examine<'p>(&self, policy: &'p Policy) -> Result<ReceiptReport<'p>, ReceiptError> {
        self.check()?;
        Ok(self.report(policy.examine(self.checkpoint())?))
    }

    fn report<'p>(&self, trust: Trust<'p>) -> ReceiptReport<'p> {
        let tree = self.checkpoint().checkpoint();
        ReceiptReport {
            origin: tree.origin().to_owned(),
            simulated: tree.origin().ends_with(Origin::SIMULATED_SUFFIX),
            index: self.entry.index,
            recorded: self.entry.recorded,
            signers: self.statement.signers().to_vec(),
            events: self.statement.body().events.len(),
            chain: ChainHash::of_entry(self.entry_bytes()),
            size: tree.size(),
            root: *tree.root(),
            trust,
        }
    }

    /// Checks the signature of a key on the statement. Whose key it is, the receipt does not say.
    ///
    /// # Errors
    /// [`ReceiptError::NotSigner`], [`ReceiptError::BadSignature`].
    pub fn signed_by(&self, key: &PublicKey) -> Result<(), ReceiptError> {
        let id = key.id();
        let signers = self.statement.signers().iter().zip(&self.statement.signed().signatures);
        let (_, signature) =
            signers.into_iter().find(|(signer, _)| signer.key == id).ok_or(ReceiptError::NotSigner(id))?;
        let message = pre_authentication_encoding(PAYLOAD_TYPE, &self.statement.signed().statement);
        let ready = key.to_verifying_key().ok_or(ReceiptError::BadSignature(id))?;
        if ready.verify_strict(&message, &signature.value) {
            Ok(())
        } else {
            Err(ReceiptError::BadSignature(id))
        }
    }
}

/// The receipt file.
impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.proof.fmt(f)
    }
}
