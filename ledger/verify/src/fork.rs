//! Proof in a file that a ledger showed two faces. `docs/formats/receipt.md` says how one comes about.
//!
//! What is signed cannot be taken back: two checkpoints of one ledger that cannot both be true are enough to convince
//! anybody, without a look at the ledger itself.

use std::fmt;

use daicho_tlog::merkle::{MAX_PROOF_LEN, ProofError, verify_consistency};
use daicho_tlog::note::{MAX_NOTE_BYTES, NoteError};
use daicho_tlog::policy::{Octets, PolicyError, Trust};
use daicho_tlog::proof::MAX_TLOG_PROOF_BYTES;
use daicho_tlog::{Policy, SignedCheckpoint, TreeHash};

use crate::{Receipt, ReceiptError};

/// Largest file, in bytes: two receipts, or two checkpoints, below a head.
pub const MAX_FORK_PROOF_BYTES: usize = 2 * MAX_TLOG_PROOF_BYTES + MAX_NOTE_BYTES;
/// Longest word on what was asked, in bytes.
pub const MAX_ASKED_LEN: usize = 500;

const FIRST_LINE: &str = "daicho-fork-proof/1";

/// Two words of a ledger, held against each other.
#[derive(Debug, Clone)]
pub struct ForkProof {
    evidence: Evidence,
    asked: String,
}

/// What contradicts what.
#[derive(Debug, Clone)]
pub enum Evidence {
    /// Two checkpoints of one size with different roots.
    SameSize {
        /// The one that was held.
        first: SignedCheckpoint,
        /// The one that was shown.
        second: SignedCheckpoint,
    },
    /// A later checkpoint whose first entries are not those of the earlier one.
    EarlierTree {
        /// The smaller one.
        first: SignedCheckpoint,
        /// The larger one.
        second: SignedCheckpoint,
        /// Root over as many entries of the larger tree as the smaller one has: it must be the smaller one's, and is not.
        root: TreeHash,
        /// Proof that the larger tree begins with that root: RFC 6962 §2.1.2.
        hashes: Vec<TreeHash>,
    },
    /// Two receipts of one place with different entries.
    OtherEntry {
        /// The one that was held.
        first: Box<Receipt>,
        /// The one that was shown.
        second: Box<Receipt>,
    },
    /// A checkpoint smaller than one that was there before, shown as the newest. By itself this proves nothing: a
    /// small checkpoint is true for ever, and that it was called the newest is the word of whoever asked.
    Shorter {
        /// The larger one, which was held.
        first: SignedCheckpoint,
        /// The smaller one, which was shown.
        second: SignedCheckpoint,
    },
}

/// Why bytes are no such file, or hold no contradiction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ForkError {
    /// Longer than [`MAX_FORK_PROOF_BYTES`].
    #[error("{bytes} bytes; the limit is {MAX_FORK_PROOF_BYTES}")]
    TooLarge {
        /// How many there are.
        bytes: usize,
    },
    /// Not UTF-8.
    #[error("the file is not UTF-8")]
    Utf8,
    /// The first line is not that of version 1.
    #[error("the first line is not {FIRST_LINE}")]
    Version,
    /// The second line names no kind of contradiction.
    #[error("the second line is no claim that is known")]
    Claim,
    /// The word on what was asked is empty, too long or has control characters.
    #[error("the line `asked` has 1 to {MAX_ASKED_LEN} bytes without control characters")]
    Asked,
    /// A root or hash is missing, one too many, or not the base64 of 32 bytes.
    #[error("line {line} of the head is no hash that belongs there")]
    Hash {
        /// Which, from 1.
        line: usize,
    },
    /// There are not exactly the two documents that the claim asks for.
    #[error("there are not exactly two checkpoints or receipts")]
    Documents,
    /// A checkpoint is none.
    #[error("checkpoint {which}: {error}")]
    Checkpoint {
        /// 1 or 2.
        which: u8,
        /// What is wrong with it.
        error: NoteError,
    },
    /// A receipt is none, or does not hold.
    #[error("receipt {which}: {error}")]
    Receipt {
        /// 1 or 2.
        which: u8,
        /// What is wrong with it.
        error: ReceiptError,
    },
    /// The two are of different ledgers.
    #[error("the two are of different ledgers, `{first}` and `{second}`")]
    OtherLedger {
        /// Origin of the first.
        first: String,
        /// Origin of the second.
        second: String,
    },
    /// The sizes are not those of the claim.
    #[error("sizes {first} and {second} do not fit the claim")]
    Sizes {
        /// Size of the first.
        first: u64,
        /// Size of the second.
        second: u64,
    },
    /// The receipts are of different places.
    #[error("the receipts are of entries {first} and {second}")]
    Places {
        /// Index of the first.
        first: u64,
        /// Index of the second.
        second: u64,
    },
    /// Both say the same: there is no contradiction.
    #[error("both say the same; nothing contradicts")]
    NoContradiction,
    /// The larger tree is not proven to begin as claimed.
    #[error("the larger tree is not proven to begin with the root of the claim: {0}")]
    Consistency(#[from] ProofError),
    /// The policy's ledger did not sign one of the two.
    #[error("checkpoint {which} is not trusted: {error}")]
    Policy {
        /// 1 or 2.
        which: u8,
        /// Why.
        error: PolicyError,
    },
}

/// What the two together prove, to somebody who trusts the keys of a policy.
#[derive(Debug, Clone)]
pub struct ForkReport<'p> {
    /// Name of the ledger.
    pub origin: String,
    /// Who stands behind the first.
    pub first: Trust<'p>,
    /// Who stands behind the second.
    pub second: Trust<'p>,
    /// What is proven.
    pub proves: Proves,
}

/// What two words of a ledger prove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proves {
    /// The ledger signed two histories that cannot both be true.
    Fork,
    /// These witnesses, by their names in the policy, cosigned a smaller tree after a larger one, which a witness must
    /// not. It says nothing certain of the ledger.
    WitnessWentBack(Vec<Octets>),
    /// Nothing. Suspicious, and worth keeping: once the ledger has grown past the larger checkpoint, it must either
    /// continue it or can be convicted.
    Nothing,
}

impl ForkProof {
    /// Takes evidence when it holds a contradiction. `asked` says in one line when and where the second was shown; it
    /// is kept for people and proves nothing. Empty: nothing is said.
    ///
    /// # Errors
    /// [`ForkError`] but for [`ForkError::Policy`], which only [`ForkProof::verify`] can tell.
    pub fn new(evidence: Evidence, asked: &str) -> Result<Self, ForkError> {
        if asked.len() > MAX_ASKED_LEN || asked.contains(char::is_control) {
            return Err(ForkError::Asked);
        }
        evidence.check()?;
        Ok(Self { evidence, asked: asked.to_owned() })
    }

    /// Reads a file. [`ForkProof`] displays as exactly these bytes.
    ///
    /// # Errors
    /// As [`ForkProof::new`], and those about the form.
    pub fn parse(bytes: &[u8]) -> Result<Self, ForkError> {
        if bytes.len() > MAX_FORK_PROOF_BYTES {
            return Err(ForkError::TooLarge { bytes: bytes.len() });
        }
        let text = str::from_utf8(bytes).map_err(|_| ForkError::Utf8)?;
        let (head, body) = text.split_once("\n\n").ok_or(ForkError::Documents)?;
        let mut lines = head.split('\n').enumerate().map(|(n, line)| (n + 1, line)).peekable();
        if lines.next().map(|(_, line)| line) != Some(FIRST_LINE) {
            return Err(ForkError::Version);
        }
        let claim = lines.next().and_then(|(_, line)| line.strip_prefix("claim ")).ok_or(ForkError::Claim)?;
        let asked = lines.next_if(|(_, line)| line.starts_with("asked "));
        let asked = asked.map(|(_, line)| &line["asked ".len()..]);
        // What is not said has no line, so that there is one file for one proof.
        if asked == Some("") {
            return Err(ForkError::Asked);
        }
        let asked = asked.unwrap_or_default();
        let mut hash = |prefix: &str| {
            let (line, text) = lines.next()?;
            Some(text.strip_prefix(prefix).and_then(TreeHash::from_base64).ok_or(ForkError::Hash { line }))
        };
        let evidence = match claim {
            "same-size" => {
                let [first, second] = checkpoints(body)?;
                Evidence::SameSize { first, second }
            }
            "earlier-tree" => {
                let root = hash("root ").ok_or(ForkError::Hash { line: 3 })??;
                let mut hashes = Vec::new();
                while hashes.len() < MAX_PROOF_LEN
                    && let Some(hash) = hash("")
                {
                    hashes.push(hash?);
                }
                let [first, second] = checkpoints(body)?;
                Evidence::EarlierTree { first, second, root, hashes }
            }
            "other-entry" => {
                let [first, second] = receipts(body)?.map(Box::new);
                Evidence::OtherEntry { first, second }
            }
            "shorter" => {
                let [first, second] = checkpoints(body)?;
                Evidence::Shorter { first, second }
            }
            _ => return Err(ForkError::Claim),
        };
        match lines.next() {
            Some((line, _)) => Err(ForkError::Hash { line }),
            None => Self::new(evidence, asked),
        }
    }

    /// The two words and what links them.
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// When and where the second was shown, as whoever asked says. Empty: nothing is said.
    pub fn asked(&self) -> &str {
        &self.asked
    }

    /// Checks that the ledger of the policy signed both, and says what that proves. No quorum is asked for: the
    /// ledger's own word convicts it.
    ///
    /// # Errors
    /// [`ForkError::Policy`].
    pub fn verify<'p>(&self, policy: &'p Policy) -> Result<ForkReport<'p>, ForkError> {
        let [first, second] = self.evidence.checkpoints();
        let trust = |which, checkpoint| {
            policy.examine(checkpoint).map_err(|error| ForkError::Policy { which, error })
        };
        let (one, two) = (trust(1, first)?, trust(2, second)?);
        let proves = match self.evidence {
            Evidence::Shorter { .. } => went_back(&one, &two),
            _ => Proves::Fork,
        };
        Ok(ForkReport { origin: first.checkpoint().origin().to_owned(), first: one, second: two, proves })
    }
}

/// Witnesses that cosigned the larger tree before the smaller one.
fn went_back(larger: &Trust<'_>, smaller: &Trust<'_>) -> Proves {
    let earlier = |name: &Octets, time: u64| {
        larger.witnesses.iter().any(|one| one.witness.name == *name && one.timestamp < time)
    };
    let names: Vec<Octets> = smaller
        .witnesses
        .iter()
        .filter(|one| earlier(&one.witness.name, one.timestamp))
        .map(|one| one.witness.name.clone())
        .collect();
    if names.is_empty() { Proves::Nothing } else { Proves::WitnessWentBack(names) }
}

impl Evidence {
    /// The word that stands for it in a file.
    pub fn claim(&self) -> &'static str {
        match self {
            Self::SameSize { .. } => "same-size",
            Self::EarlierTree { .. } => "earlier-tree",
            Self::OtherEntry { .. } => "other-entry",
            Self::Shorter { .. } => "shorter",
        }
    }

    /// The two checkpoints.
    pub fn checkpoints(&self) -> [&SignedCheckpoint; 2] {
        match self {
            Self::SameSize { first, second }
            | Self::EarlierTree { first, second, .. }
            | Self::Shorter { first, second } => [first, second],
            Self::OtherEntry { first, second } => [first.checkpoint(), second.checkpoint()],
        }
    }

    /// Whether it holds what it claims, whoever signed it.
    fn check(&self) -> Result<(), ForkError> {
        let [first, second] = self.checkpoints().map(SignedCheckpoint::checkpoint);
        if first.origin() != second.origin() {
            let (first, second) = (first.origin().to_owned(), second.origin().to_owned());
            return Err(ForkError::OtherLedger { first, second });
        }
        let sizes = ForkError::Sizes { first: first.size(), second: second.size() };
        let differs = |differs: bool| if differs { Ok(()) } else { Err(ForkError::NoContradiction) };
        match self {
            Self::SameSize { .. } if first.size() != second.size() => Err(sizes),
            Self::SameSize { .. } => differs(first.root() != second.root()),
            Self::EarlierTree { .. } if first.size() == 0 || first.size() >= second.size() => Err(sizes),
            Self::EarlierTree { root, hashes, .. } => {
                differs(root != first.root())?;
                Ok(verify_consistency(first.size(), root, second.size(), second.root(), hashes)?)
            }
            Self::OtherEntry { first, second } => {
                let places = [first, second].map(|receipt| receipt.proof().index());
                if places[0] != places[1] {
                    return Err(ForkError::Places { first: places[0], second: places[1] });
                }
                differs(first.entry_bytes() != second.entry_bytes())?;
                let check = |which, receipt: &Receipt| {
                    receipt.check().map_err(|error| ForkError::Receipt { which, error })
                };
                check(1, first).and_then(|()| check(2, second))
            }
            Self::Shorter { .. } if first.size() <= second.size() => Err(sizes),
            Self::Shorter { .. } => Ok(()),
        }
    }
}

/// Two signed checkpoints, one after the other with an empty line between. Their texts have no empty lines.
fn checkpoints(body: &str) -> Result<[SignedCheckpoint; 2], ForkError> {
    let [first, second] = halves(body, 2)?;
    let read = |which, text: &str| {
        SignedCheckpoint::parse(text.as_bytes()).map_err(|error| ForkError::Checkpoint { which, error })
    };
    Ok([read(1, first)?, read(2, second)?])
}

/// Two receipts, one after the other with an empty line between.
fn receipts(body: &str) -> Result<[Receipt; 2], ForkError> {
    let [first, second] = halves(body, 3)?;
    let read = |which, text: &str| {
        Receipt::parse(text.as_bytes()).map_err(|error| ForkError::Receipt { which, error })
    };
    Ok([read(1, first)?, read(2, second)?])
}

/// Splits a text into two documents of so many blocks each; an empty line ends a block.
fn halves(body: &str, blocks: usize) -> Result<[&str; 2], ForkError> {
    let mut ends = body.match_indices("\n\n").map(|(at, _)| at);
    let middle = ends.nth(blocks - 1).ok_or(ForkError::Documents)?;
    if ends.count() != blocks - 1 {
        return Err(ForkError::Documents);
    }
    // The first document ends with the newline before the empty line.
    Ok([&body[..middle + 1], &body[middle + 2..]])
}

/// The file.
impl fmt::Display for ForkProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST_LINE}\nclaim {}", self.evidence.claim())?;
        if !self.asked.is_empty() {
            writeln!(f, "asked {}", self.asked)?;
        }
        match &self.evidence {
            Evidence::EarlierTree { first, second, root, hashes } => {
                writeln!(f, "root {root}")?;
                hashes.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
                write!(f, "\n{first}\n{second}")
            }
            Evidence::SameSize { first, second } | Evidence::Shorter { first, second } => {
                write!(f, "\n{first}\n{second}")
            }
            Evidence::OtherEntry { first, second } => write!(f, "\n{first}\n{second}"),
        }
    }
}
