//! Checkpoints (C2SP tlog-checkpoint): origin, size and root of a log as a signed note.

use std::fmt;

use crate::key::VerifierKey;
use crate::merkle::TreeHash;
use crate::note::{Note, NoteError, NoteSignature, Verified};
use crate::tile::decimal;

/// What a log says of itself: its name, how many leaves it has, and their root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    origin: String,
    size: u64,
    root: TreeHash,
    extensions: Vec<String>,
}

/// Why a text is no checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Fewer than three lines, or the last does not end in a newline.
    #[error("a checkpoint has at least three lines, each ended by a newline")]
    Lines,
    /// The origin is empty, or has a control character.
    #[error("the origin is empty or has control characters")]
    Origin,
    /// The second line is not the one form of a number below 2^64.
    #[error("the tree size is no decimal number")]
    Size,
    /// The third line is not the base64 of 32 bytes.
    #[error("the root is not the base64 of 32 bytes")]
    Root,
    /// An empty line after the root.
    #[error("an extension line is empty")]
    Extension,
}

impl Checkpoint {
    /// A checkpoint without extension lines.
    ///
    /// # Errors
    /// [`CheckpointError::Origin`] unless the origin has at least one character and no control characters.
    pub fn new(origin: impl Into<String>, size: u64, root: TreeHash) -> Result<Self, CheckpointError> {
        let origin = origin.into();
        check_origin(&origin)?;
        Ok(Self { origin, size, root, extensions: Vec::new() })
    }

    /// Reads the text of a note. Every byte counts: [`Checkpoint`] displays as exactly this text.
    ///
    /// # Errors
    /// [`CheckpointError`] for anything that the specification does not allow.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.strip_suffix('\n').ok_or(CheckpointError::Lines)?.split('\n');
        let mut next = || lines.next().ok_or(CheckpointError::Lines);
        let (origin, size, root) = (next()?, next()?, next()?);
        check_origin(origin)?;
        let size = decimal(size).ok_or(CheckpointError::Size)?;
        let root = TreeHash::from_base64(root).ok_or(CheckpointError::Root)?;
        let extensions: Vec<String> = lines.map(str::to_owned).collect();
        if extensions.iter().any(String::is_empty) {
            return Err(CheckpointError::Extension);
        }
        Ok(Self { origin: origin.to_owned(), size, root, extensions })
    }

    /// Name of the log.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Root of the tree of that size.
    pub fn root(&self) -> &TreeHash {
        &self.root
    }

    /// Further lines, which no monitor can check and ML-DSA-44 does not sign. Ours has none.
    pub fn extensions(&self) -> &[String] {
        &self.extensions
    }
}

fn check_origin(origin: &str) -> Result<(), CheckpointError> {
    let fits = !origin.is_empty() && !origin.contains(|c| c < ' ');
    fits.then_some(()).ok_or(CheckpointError::Origin)
}

/// The text that is signed.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, self.root)?;
        self.extensions.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// A checkpoint with its signatures. They are not verified by reading them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: Note,
}

impl SignedCheckpoint {
    /// Puts signatures under a checkpoint.
    ///
    /// # Errors
    /// [`NoteError`] without a signature or with more than a note may have.
    pub fn new(checkpoint: Checkpoint, signatures: Vec<NoteSignature>) -> Result<Self, NoteError> {
        let note = Note::new(checkpoint.to_string(), signatures)?;
        Ok(Self { checkpoint, note })
    }

    /// Reads a signed note whose text is a checkpoint.
    ///
    /// # Errors
    /// [`NoteError`] when it is no note, [`NoteError::NoCheckpoint`] when its text is no checkpoint.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        let note = Note::parse(bytes)?;
        Ok(Self { checkpoint: Checkpoint::parse(note.text())?, note })
    }

    /// The checkpoint. Not to be believed before its signatures are verified.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The text that is signed, with its last newline.
    pub fn text(&self) -> &str {
        self.note.text()
    }

    /// The signatures, in their order.
    pub fn signatures(&self) -> &[NoteSignature] {
        self.note.signatures()
    }

    /// Adds signatures, in their order; those that are there already are left out.
    ///
    /// # Errors
    /// [`NoteError`] above the limits; then the checkpoint is as it was.
    pub fn add(&mut self, signatures: impl IntoIterator<Item = NoteSignature>) -> Result<(), NoteError> {
        self.note.add(signatures)
    }

    /// Verifies every signature that names one of these keys, as [`Note::verify`]. Whether the key speaks for the
    /// origin is for the caller to know.
    ///
    /// # Errors
    /// [`NoteError`] unless at least one key signed and every signature that names a key holds.
    pub fn verify<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k VerifierKey> + Clone,
    ) -> Result<Vec<Verified<'k>>, NoteError> {
        self.note.verify(keys)
    }
}

/// The signed note.
impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";

    #[test]
    fn a_checkpoint_has_one_form() {
        for (text, error) in [
            (String::new(), CheckpointError::Lines),
            ("\n".into(), CheckpointError::Lines),
            (format!("log\n{ROOT}\n"), CheckpointError::Lines),
            (format!("log\n1\n{ROOT}"), CheckpointError::Lines),
            (format!("\n1\n{ROOT}\n"), CheckpointError::Origin),
            (format!("l\tog\n1\n{ROOT}\n"), CheckpointError::Origin),
            (format!("log\n\n{ROOT}\n"), CheckpointError::Size),
            (format!("log\n01\n{ROOT}\n"), CheckpointError::Size),
            (format!("log\n+1\n{ROOT}\n"), CheckpointError::Size),
            (format!("log\n-0\n{ROOT}\n"), CheckpointError::Size),
            (format!("log\n1 \n{ROOT}\n"), CheckpointError::Size),
            (format!("log\n１\n{ROOT}\n"), CheckpointError::Size),
            (format!("log\n18446744073709551616\n{ROOT}\n"), CheckpointError::Size),
            ("log\n1\n\n".into(), CheckpointError::Root),
            (format!("log\n1\n{}\n", &ROOT[..43]), CheckpointError::Root),
            (format!("log\n1\n{}\n", ROOT.replace("2I=", "2J=")), CheckpointError::Root),
            (format!("log\n1\n{}\n", &ROOT[4..]), CheckpointError::Root),
            (format!("log\n1\n{ROOT}\n\n"), CheckpointError::Extension),
            (format!("log\n1\n{ROOT}\nmore\n\nyet more\n"), CheckpointError::Extension),
        ] {
            assert_eq!(Checkpoint::parse(&text), Err(error), "{text:?}");
        }
        for text in [
            format!("log\n0\n{ROOT}\n"),
            format!("a log with spaces + plus\n18446744073709551615\n{ROOT}\n"),
            format!("log\n1\n{ROOT}\nmore\n yet more\n"),
        ] {
            assert_eq!(Checkpoint::parse(&text).expect("a checkpoint").to_string(), text);
        }
    }

    #[test]
    fn a_checkpoint_is_made_only_with_an_origin_that_can_be_read_back() {
        let root = TreeHash::of_empty();
        for bad in ["", "a\n", "a\nb", "\0"] {
            assert_eq!(Checkpoint::new(bad, 0, root), Err(CheckpointError::Origin), "{bad:?}");
        }
        let checkpoint = Checkpoint::new("example.com/log", 0, root).expect("an origin");
        assert_eq!(Checkpoint::parse(&checkpoint.to_string()), Ok(checkpoint));
    }
}
