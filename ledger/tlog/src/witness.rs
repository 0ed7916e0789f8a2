//! The add-checkpoint call of witnesses (C2SP tlog-witness): request, answers, and what a witness decides.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::checkpoint::SignedCheckpoint;
use crate::key::VerifierKey;
use crate::merkle::{MAX_PROOF_LEN, ProofError, TreeHash, verify_consistency};
use crate::note::{MAX_NOTE_BYTES, NoteError, NoteSignature, checked_utf8};
use crate::proof::{HashesError, read_hashes};
use crate::tile::decimal;

/// Longest request body, in bytes: a checkpoint, the proof and the size before.
pub const MAX_REQUEST_BYTES: usize = MAX_NOTE_BYTES + (1 << 12);

/// Content type of the answer with status 409.
pub const SIZE_CONTENT_TYPE: &str = "text/x.tlog.size";

/// What a log sends to a witness: a checkpoint, and the proof that it goes on from the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    old_size: u64,
    proof: Vec<TreeHash>,
    checkpoint: SignedCheckpoint,
}

/// Why bytes are no add-checkpoint request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Longer than [`MAX_REQUEST_BYTES`].
    #[error("a request of {bytes} bytes; the limit is {MAX_REQUEST_BYTES}")]
    TooLarge {
        /// How many bytes there are.
        bytes: usize,
    },
    /// Not UTF-8.
    #[error("the request is not UTF-8")]
    Utf8,
    /// No blank line before a checkpoint.
    #[error("the request has no blank line and checkpoint after its hashes")]
    NoCheckpoint,
    /// The first line is not `old` and a decimal number.
    #[error("the first line is not the old size")]
    OldSize,
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
    #[error("the checkpoint of the request: {0}")]
    Checkpoint(#[from] NoteError),
}

impl AddCheckpoint {
    /// A request: the size that the witness cosigned last, or 0, and the consistency proof from there.
    ///
    /// # Errors
    /// [`RequestError::TooManyHashes`].
    pub fn new(
        old_size: u64,
        proof: Vec<TreeHash>,
        checkpoint: SignedCheckpoint,
    ) -> Result<Self, RequestError> {
        if proof.len() > MAX_PROOF_LEN {
            return Err(RequestError::TooManyHashes);
        }
        Ok(Self { old_size, proof, checkpoint })
    }

    /// Reads a request body. Every byte counts: [`AddCheckpoint`] displays as exactly these bytes.
    ///
    /// # Errors
    /// [`RequestError`] for anything that the specification does not allow, and above the limits.
    pub fn parse(bytes: &[u8]) -> Result<Self, RequestError> {
        if bytes.len() > MAX_REQUEST_BYTES {
            return Err(RequestError::TooLarge { bytes: bytes.len() });
        }
        let text = str::from_utf8(bytes).map_err(|_| RequestError::Utf8)?;
        let (head, checkpoint) = text.split_once("\n\n").ok_or(RequestError::NoCheckpoint)?;
        let mut lines = head.split('\n');
        let old_size = lines.next().and_then(|line| decimal(line.strip_prefix("old ")?));
        let old_size = old_size.ok_or(RequestError::OldSize)?;
        let proof = read_hashes(lines).map_err(|error| match error {
            HashesError::TooMany => RequestError::TooManyHashes,
            HashesError::Hash { number } => RequestError::Hash { number },
        })?;
        Ok(Self { old_size, proof, checkpoint: SignedCheckpoint::parse(checkpoint.as_bytes())? })
    }

    /// Size that the log believes the witness to have cosigned last. 0 when none.
    pub fn old_size(&self) -> u64 {
        self.old_size
    }

    /// The consistency proof.
    pub fn proof(&self) -> &[TreeHash] {
        &self.proof
    }

    /// The checkpoint to cosign.
    pub fn checkpoint(&self) -> &SignedCheckpoint {
        &self.checkpoint
    }
}

/// The request body.
impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old_size)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

/// The body of the answer with status 200: signature lines.
pub fn cosignatures_body(cosignatures: &[NoteSignature]) -> String {
    cosignatures.iter().map(|line| format!("{line}\n")).collect()
}

/// Reads the body of the answer with status 200. Verify the signatures, and ignore those of unknown keys.
///
/// # Errors
/// [`NoteError`] unless there are one or more signature lines and nothing else.
pub fn parse_cosignatures(body: &[u8]) -> Result<Vec<NoteSignature>, NoteError> {
    NoteSignature::parse_lines(checked_utf8(body)?)
}

/// The body of the answer with status 409: the size cosigned last.
pub fn size_body(size: u64) -> String {
    format!("{size}\n")
}

/// Reads the body of the answer with status 409. `None` unless it is one decimal number and a newline.
pub fn parse_size(body: &[u8]) -> Option<u64> {
    decimal(str::from_utf8(body).ok()?.strip_suffix('\n')?)
}

/// Where a witness shows the latest checkpoint of a log, below its monitoring prefix: the SHA-256 of the origin in
/// lower-case hexadecimal, and `checkpoint`.
pub fn monitoring_path(origin: &str) -> String {
    format!("{}/checkpoint", hex::encode(Sha256::digest(origin)))
}

/// Why a witness does not cosign. Nothing else is ever answered but status 200.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The body is no request. Status 400.
    #[error(transparent)]
    Malformed(#[from] RequestError),
    /// The witness does not know the origin. Status 404.
    #[error("unknown origin")]
    UnknownOrigin,
    /// No signature of a trusted key, or one that names a trusted key and is not by it. Status 403.
    #[error(transparent)]
    Signature(NoteError),
    /// The old size is above that of the checkpoint. Status 400.
    #[error("the old size {old} is above the size {size} of the checkpoint")]
    OldAboveNew {
        /// The old size in the request.
        old: u64,
        /// The size in the checkpoint.
        size: u64,
    },
    /// The witness cosigned another size last. Status 409, with [`size_body`].
    #[error("the size cosigned last is {latest}")]
    Conflict {
        /// The size cosigned last; 0 when none.
        latest: u64,
    },
    /// Size 0 with a root other than that of the empty tree. Status 422.
    #[error("the root of size 0 is not that of the empty tree")]
    EmptyRoot,
    /// The same size with another root than was cosigned: the log shows two views. Status 422.
    #[error("another root was cosigned for this size")]
    OtherRoot,
    /// The proof does not show that the log goes on from what was cosigned. Status 422.
    #[error("not shown to be consistent with what was cosigned: {0}")]
    Inconsistent(ProofError),
}

impl Rejection {
    /// The HTTP status that the specification asks for.
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) | Self::OldAboveNew { .. } => 400,
            Self::Signature(_) => 403,
            Self::UnknownOrigin => 404,
            Self::Conflict { .. } => 409,
            Self::EmptyRoot | Self::OtherRoot | Self::Inconsistent(_) => 422,
        }
    }
}

/// Decides whether to cosign, with the checks in the order of the specification. `latest` is the size and root cosigned last for the
/// origin, `trusted` are the keys that speak for it: none when the origin is unknown.
///
/// The new state must be stored, in the same atomic step as `latest` was read, before anything is signed.
///
/// # Errors
/// [`Rejection`] when not.
pub fn decide(
    latest: Option<(u64, TreeHash)>,
    trusted: &[VerifierKey],
    request: &AddCheckpoint,
) -> Result<(), Rejection> {
    if trusted.is_empty() {
        return Err(Rejection::UnknownOrigin);
    }
    request.checkpoint.verify(trusted).map_err(Rejection::Signature)?;
    let (old, new) = (request.old_size, request.checkpoint.checkpoint());
    if old > new.size() {
        return Err(Rejection::OldAboveNew { old, size: new.size() });
    }
    let (latest_size, latest_root) = latest.unwrap_or((0, TreeHash::of_empty()));
    if old != latest_size {
        return Err(Rejection::Conflict { latest: latest_size });
    }
    if new.size() == 0 && *new.root() != TreeHash::of_empty() {
        return Err(Rejection::EmptyRoot);
    }
    if old == new.size() && latest_root != *new.root() {
        return Err(Rejection::OtherRoot);
    }
    verify_consistency(old, &latest_root, new.size(), new.root(), &request.proof)
        .map_err(Rejection::Inconsistent)
}
