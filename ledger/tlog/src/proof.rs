//! Proofs in a file (C2SP tlog-proof): that an entry is in the log of a signed checkpoint.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::checkpoint::SignedCheckpoint;
use crate::merkle::{MAX_PROOF_LEN, ProofError, TreeHash, verify_inclusion};
use crate::note::{MAX_NOTE_BYTES, NoteError};
use crate::tile::decimal;

/// Largest proof file, in bytes: extra data of some 700 KiB besides the largest checkpoint.
pub const MAX_TLOG_PROOF_BYTES: usize = 2 * MAX_NOTE_BYTES;

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";

/// Proof that some entry is leaf `index` of the tree of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    extra: Option<Vec<u8>>,
    index: u64,
    hashes: Vec<TreeHash>,
    checkpoint: SignedCheckpoint,
}

/// Why bytes are no proof file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlogProofError {
    /// Longer than [`MAX_TLOG_PROOF_BYTES`].
    #[error("a proof of {bytes} bytes; the limit is {MAX_TLOG_PROOF_BYTES}")]
    TooLarge {
        /// How many bytes there are.
        bytes: usize,
    },
    /// Not UTF-8.
    #[error("the proof is not UTF-8")]
    Utf8,
    /// The first line is not that of version 1.
    #[error("the first line is not {FIRST_LINE}")]
    Version,
    /// No blank line before a checkpoint.
    #[error("the proof has no blank line and checkpoint after its hashes")]
    NoCheckpoint,
    /// The extra data is empty, or not the one base64 of its bytes.
    #[error("the extra line is not the base64 of data")]
    Extra,
    /// No index line where one must be.
    #[error("there is no index line with a decimal number")]
    Index,
    /// A hash is not the base64 of 32 bytes.
    #[error("hash {number} of the proof is not the base64 of 32 bytes")]
    Hash {
        /// Which of the hashes, from 1.
        number: usize,
    },
    /// More than [`MAX_PROOF_LEN`] hashes.
    #[error("the proof has more than {MAX_PROOF_LEN} hashes")]
    TooManyHashes,
    /// The checkpoint is none.
    #[error("the checkpoint of the proof: {0}")]
    Checkpoint(#[from] NoteError),
}

impl TlogProof {
    /// A proof from its parts. Extra data that is empty is the same as none.
    ///
    /// # Errors
    /// [`TlogProofError::TooManyHashes`]; [`TlogProofError::TooLarge`] for extra data that leaves no room.
    pub fn new(
        extra: Option<Vec<u8>>,
        index: u64,
        hashes: Vec<TreeHash>,
        checkpoint: SignedCheckpoint,
    ) -> Result<Self, TlogProofError> {
        if hashes.len() > MAX_PROOF_LEN {
            return Err(TlogProofError::TooManyHashes);
        }
        let proof = Self { extra: extra.filter(|data| !data.is_empty()), index, hashes, checkpoint };
        let bytes = proof.to_string().len();
        if bytes > MAX_TLOG_PROOF_BYTES { Err(TlogProofError::TooLarge { bytes }) } else { Ok(proof) }
    }

    /// Reads a proof file. Every byte counts: [`TlogProof`] displays as exactly these bytes.
    ///
    /// # Errors
    /// [`TlogProofError`] for anything that the specification does not allow, and above the limits.
    pub fn parse(bytes: &[u8]) -> Result<Self, TlogProofError> {
        if bytes.len() > MAX_TLOG_PROOF_BYTES {
            return Err(TlogProofError::TooLarge { bytes: bytes.len() });
        }
        let text = str::from_utf8(bytes).map_err(|_| TlogProofError::Utf8)?;
        let (head, checkpoint) = text.split_once("\n\n").ok_or(TlogProofError::NoCheckpoint)?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(FIRST_LINE) {
            return Err(TlogProofError::Version);
        }
        let extra = lines.next_if(|line| line.starts_with("extra ")).map(|line| &line["extra ".len()..]);
        let extra = extra.map(|data| BASE64.decode(data).map_err(|_| TlogProofError::Extra)).transpose()?;
        if extra.as_ref().is_some_and(Vec::is_empty) {
            return Err(TlogProofError::Extra);
        }
        let index = lines.next().and_then(|line| decimal(line.strip_prefix("index ")?));
        let index = index.ok_or(TlogProofError::Index)?;
        let hashes = read_hashes(lines).map_err(|error| match error {
            HashesError::TooMany => TlogProofError::TooManyHashes,
            HashesError::Hash { number } => TlogProofError::Hash { number },
        })?;
        Ok(Self { extra, index, hashes, checkpoint: SignedCheckpoint::parse(checkpoint.as_bytes())? })
    }

    /// Data that came along. Nothing proves it.
    pub fn extra(&self) -> Option<&[u8]> {
        self.extra.as_deref()
    }

    /// Index of the leaf. The first leaf has 0.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The inclusion proof, the leaf's sibling first.
    pub fn hashes(&self) -> &[TreeHash] {
        &self.hashes
    }

    /// The checkpoint. Whether it is to be trusted is for a [`Policy`](crate::Policy) to say.
    pub fn checkpoint(&self) -> &SignedCheckpoint {
        &self.checkpoint
    }

    /// Checks that this leaf is in the tree of the checkpoint, at the index of the proof. Says nothing of signatures.
    ///
    /// # Errors
    /// [`ProofError`] when it is not proven.
    pub fn verify(&self, leaf: &TreeHash) -> Result<(), ProofError> {
        let tree = self.checkpoint.checkpoint();
        verify_inclusion(leaf, self.index, tree.size(), &self.hashes, tree.root())
    }
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST_LINE}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", BASE64.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.hashes.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

/// Why lines are not the hashes of a proof.
pub(crate) enum HashesError {
    /// More than [`MAX_PROOF_LEN`].
    TooMany,
    /// Which, from 1, is not the base64 of 32 bytes.
    Hash { number: usize },
}

/// Reads the hashes of a proof, one for each line.
pub(crate) fn read_hashes<'t>(lines: impl Iterator<Item = &'t str>) -> Result<Vec<TreeHash>, HashesError> {
    let mut hashes = Vec::new();
    for line in lines {
        if hashes.len() == MAX_PROOF_LEN {
            return Err(HashesError::TooMany);
        }
        let number = hashes.len() + 1;
        hashes.push(TreeHash::from_base64(line).ok_or(HashesError::Hash { number })?);
    }
    Ok(hashes)
}
