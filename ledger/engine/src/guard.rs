//! The fork guard: the last checkpoint that was signed, kept outside the data folder.
//!
//! Whoever restores an old copy of the data folder, or starts a second server on one, would sign other entries at the
//! places of those that receipts were already given for. The guard is compared and swapped before a checkpoint
//! leaves the server, so that such a server stops instead.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use daicho_core::durable_step;
use daicho_tlog::Checkpoint;

/// Keeps the last signed checkpoint of one ledger where a loss of the data folder does not reach.
pub trait ForkGuard: Send {
    /// The checkpoint it holds; `None` when it never held one.
    ///
    /// # Errors
    /// [`GuardError::Unavailable`] or [`GuardError::Damaged`].
    fn read(&mut self) -> Result<Option<Checkpoint>, GuardError>;

    /// Puts `new` in the place of `expected`, if it still holds that. Returns when it would survive a loss of power.
    ///
    /// # Errors
    /// [`GuardError::Conflict`] when it holds something else: another server signs for this ledger.
    fn swap(&mut self, expected: Option<&Checkpoint>, new: &Checkpoint) -> Result<(), GuardError>;
}

/// Why the guard was not read or swapped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GuardError {
    /// It holds another checkpoint than the one this server signed last.
    #[error(
        "the fork guard holds another checkpoint ({found}): another server signs for this ledger; stop one of the two"
    )]
    Conflict {
        /// What it holds, in words.
        found: String,
    },
    /// It cannot be reached now. Trying again may help.
    #[error("the fork guard cannot be reached: {0}")]
    Unavailable(String),
    /// What it holds is no checkpoint.
    #[error("the fork guard {0} is damaged; compare with your witnesses, then `daichod guard renew`")]
    Damaged(String),
    /// Another process holds it.
    #[error("the fork guard {0} is in use by another server")]
    InUse(String),
}

/// A guard in a file, on a disk that is not restored together with the data folder.
///
/// The file has two slots of 1,024 bytes, written in turn, so that a torn write leaves the other one. A slot is the
/// number of the swap (8 bytes, big-endian), the length of the text (2 bytes), the checkpoint's text, zeros, and
/// BLAKE3 over all of that (32 bytes). The file is locked while a server runs.
#[derive(Debug)]
pub struct FileGuard {
    path: PathBuf,
    file: File,
    /// Number of the last swap, and what it wrote.
    held: Option<(u64, Checkpoint)>,
}

const SLOT: usize = 1_024;

impl FileGuard {
    /// Opens or makes the file, and locks it.
    ///
    /// # Errors
    /// [`GuardError::InUse`], [`GuardError::Unavailable`], [`GuardError::Damaged`].
    pub fn open(path: &Path) -> Result<Self, GuardError> {
        let away = |error: std::io::Error| GuardError::Unavailable(format!("{}: {error}", path.display()));
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(path).map_err(away)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(GuardError::InUse(path.display().to_string())),
            Err(TryLockError::Error(error)) => return Err(away(error)),
        }
        let mut guard = Self { path: path.to_owned(), file, held: None };
        if guard.file.metadata().map_err(away)?.len() != 0 {
            let mut bytes = [0; 2 * SLOT];
            guard
                .file
                .read_exact_at(&mut bytes, 0)
                .map_err(|_| GuardError::Damaged(path.display().to_string()))?;
            let slots = bytes.chunks_exact(SLOT).filter_map(read_slot);
            guard.held = slots.max_by_key(|(number, _)| *number);
            if guard.held.is_none() {
                return Err(GuardError::Damaged(path.display().to_string()));
            }
        }
        Ok(guard)
    }

    /// Puts `checkpoint` there whatever it held. For an operator who knows why.
    ///
    /// # Errors
    /// [`GuardError::Unavailable`].
    pub fn renew(&mut self, checkpoint: &Checkpoint) -> Result<(), GuardError> {
        let number = self.held.as_ref().map_or(1, |(number, _)| number + 1);
        let away =
            |error: std::io::Error| GuardError::Unavailable(format!("{}: {error}", self.path.display()));
        if self.held.is_none() {
            // Both slots exist before the first one counts; the folder's entry is synced with the file.
            self.file.write_all_at(&[0; 2 * SLOT], 0).map_err(away)?;
            durable_step();
            self.file.sync_all().map_err(away)?;
            if let Some(folder) = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                File::open(folder).and_then(|folder| folder.sync_all()).map_err(away)?;
            }
        }
        let slot = write_slot(number, checkpoint);
        durable_step();
        self.file.write_all_at(&slot, number % 2 * SLOT as u64).map_err(away)?;
        durable_step();
        self.file.sync_data().map_err(away)?;
        durable_step();
        self.held = Some((number, checkpoint.clone()));
        Ok(())
    }
}

impl ForkGuard for FileGuard {
    fn read(&mut self) -> Result<Option<Checkpoint>, GuardError> {
        Ok(self.held.as_ref().map(|(_, checkpoint)| checkpoint.clone()))
    }

    fn swap(&mut self, expected: Option<&Checkpoint>, new: &Checkpoint) -> Result<(), GuardError> {
        let held = self.held.as_ref().map(|(_, checkpoint)| checkpoint);
        if held != expected {
            let found =
                held.map_or_else(|| "nothing".into(), |c| format!("size {} root {}", c.size(), c.root()));
            return Err(GuardError::Conflict { found });
        }
        self.renew(new)
    }
}

impl Drop for FileGuard {
    /// Gives the lock back by word: a program that another thread starts holds every open file for the moment until it is itself.
    fn drop(&mut self) {
        // Closing gives it back as well, only later.
        let _ = self.file.unlock();
    }
}

fn write_slot(number: u64, checkpoint: &Checkpoint) -> [u8; SLOT] {
    let text = checkpoint.to_string();
    // An origin has at most 120 bytes, size and root less than 70.
    assert!(text.len() <= SLOT - 42, "a checkpoint's text is short");
    let mut slot = [0; SLOT];
    slot[..8].copy_from_slice(&number.to_be_bytes());
    slot[8..10].copy_from_slice(&(text.len() as u16).to_be_bytes());
    slot[10..10 + text.len()].copy_from_slice(text.as_bytes());
    let hash = blake3::hash(&slot[..SLOT - 32]);
    slot[SLOT - 32..].copy_from_slice(hash.as_bytes());
    slot
}

fn read_slot(slot: &[u8]) -> Option<(u64, Checkpoint)> {
    let (body, hash) = slot.split_at(SLOT - 32);
    if blake3::hash(body).as_bytes() != hash {
        return None;
    }
    let number = u64::from_be_bytes(body[..8].try_into().ok()?);
    let len = usize::from(u16::from_be_bytes(body[8..10].try_into().ok()?));
    let text = std::str::from_utf8(body.get(10..10 + len)?).ok()?;
    Some((number, Checkpoint::parse(text).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use daicho_tlog::TreeHash;
    use proptest::prelude::*;

    fn checkpoint(size: u64) -> Checkpoint {
        Checkpoint::new("example.com/log", size, TreeHash::of_leaf(&size.to_be_bytes())).expect("valid")
    }

    proptest! {
        #[test]
        fn any_slot_is_read_or_none(
            body in proptest::collection::vec(any::<u8>(), SLOT - 32),
            len in any::<u16>(),
            words in ".{0,80}",
            sealed in any::<bool>(),
        ) {
            let mut body = body;
            body[8..10].copy_from_slice(&len.to_be_bytes());
            body[10..10 + words.len()].copy_from_slice(words.as_bytes());
            let hash = if sealed { *blake3::hash(&body).as_bytes() } else { [0; 32] };
            let read = read_slot(&[body.as_slice(), &hash].concat());
            prop_assert!(sealed || read.is_none());
        }
    }

    #[test]
    fn a_guard_is_swapped_only_from_what_it_holds_and_survives_torn_writes() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("guard");
        let mut guard = FileGuard::open(&path).expect("a new one");
        assert!(matches!(FileGuard::open(&path), Err(GuardError::InUse(_))));
        assert_eq!(guard.read().expect("empty"), None);
        guard.swap(None, &checkpoint(1)).expect("first");
        guard.swap(Some(&checkpoint(1)), &checkpoint(2)).expect("second");
        assert!(matches!(guard.swap(Some(&checkpoint(1)), &checkpoint(3)), Err(GuardError::Conflict { .. })));
        drop(guard);
        let whole = std::fs::read(&path).expect("the file");
        for at in 0..whole.len() {
            let mut torn = whole.clone();
            torn[at] ^= 1;
            std::fs::write(&path, &torn).expect("writable");
            let held = FileGuard::open(&path).expect("one slot is whole").read().expect("held");
            // A torn last swap was never acted on; a torn earlier one does not matter.
            assert!(held == Some(checkpoint(2)) || (held == Some(checkpoint(1)) && at < SLOT), "byte {at}");
        }
        std::fs::write(&path, b"short").expect("writable");
        assert!(matches!(FileGuard::open(&path), Err(GuardError::Damaged(_))));
    }
}
