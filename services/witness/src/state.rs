//! What the witness must never forget: of each log the last checkpoint it cosigned, and what its keys stand for.
//!
//! ```text
//! <state>/lock                   held while a witness runs
//! <state>/keys                   of each key: its statement, then its vkey
//! <state>/<origin hash>.state    the last checkpoint cosigned, its time before it
//! <state>/<origin hash>.refused  why an audit refused the log; text for people, who may remove it
//! ```
//!
//! A file begins with a line that holds the SHA-256 of the rest. It is replaced whole: written aside, synced, renamed, and
//! the folder synced. If we die before the rename the old one is there, after it the new one. Files written aside that
//! a crash left behind are never read.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use daicho_tlog::{SignedCheckpoint, TreeHash};
use sha2::{Digest as _, Sha256};

/// First line of a file, before the hash of the rest.
const FORMAT: &str = "daicho-witness/state/v1 ";
/// A checkpoint with all its signatures is far below this, in bytes.
const MAX_FILE: u64 = 4 << 20;

/// Why the state cannot be used. The witness stops: without its state it would sign what it must not.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    /// Another process holds the folder.
    #[error("{0} is in use by another witness; two with the same state could sign two views")]
    InUse(PathBuf),
    /// The file system refuses.
    #[error("{path}: {source}")]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
    /// A file that is not what was written. It is not taken for "nothing seen yet".
    #[error(
        "{path} is damaged: {what}. The witness does not start without knowing what it cosigned; \
        restore this file from a copy that is not older, or retire the keys and begin with new ones and an empty folder"
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A key that signed under another statement or name.
    #[error(
        "key {vkey} has signed as {before} with this state; a key stands for one statement only, make a new one"
    )]
    OtherStatement {
        /// The key.
        vkey: String,
        /// Name of the statement it has signed under.
        before: String,
    },
}

/// The state folder, locked for this process.
pub(crate) struct StateDir {
    folder: PathBuf,
    _lock: File,
}

/// The last checkpoint cosigned for a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cosigned {
    /// Tree size.
    pub(crate) size: u64,
    /// Root hash.
    pub(crate) root: TreeHash,
    /// Time in the cosignatures, seconds since 1970. Never zero.
    pub(crate) time: u64,
    /// The checkpoint with the log's verified signatures and the cosignatures.
    pub(crate) note: String,
}

impl StateDir {
    /// Locks the folder, which is made when it is missing.
    pub(crate) fn open(folder: &Path) -> Result<Self, StateError> {
        let failed = |source| StateError::Io { path: folder.to_owned(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        let path = folder.join("lock");
        let lock = OpenOptions::new().create(true).append(true).mode(0o600).open(&path).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { folder: folder.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StateError::InUse(folder.to_owned())),
            Err(TryLockError::Error(source)) => Err(StateError::Io { path, source }),
        }
    }

    /// The last checkpoint cosigned for a log. `None` when there was none yet.
    pub(crate) fn cosigned(&self, origin: &str) -> Result<Option<Cosigned>, StateError> {
        let path = self.path(origin, "state");
        let Some(text) = read_sealed(&path)? else { return Ok(None) };
        match parse(&text, origin) {
            Some(cosigned) => Ok(Some(cosigned)),
            None => Err(StateError::Damaged { path, what: "it holds no checkpoint of this log" }),
        }
    }

    /// Replaces the last checkpoint of a log. Only once this has returned may its cosignatures leave.
    ///
    /// After an error nobody knows what a restart will find; nothing may be signed for this log until then.
    pub(crate) fn keep(&self, origin: &str, cosigned: &Cosigned) -> Result<(), StateError> {
        self.replace(&self.path(origin, "state"), &format!("time {}\n\n{}", cosigned.time, cosigned.note))
    }

    /// Why an audit refused the log, if one did and nobody has removed the file.
    pub(crate) fn refusal(&self, origin: &str) -> Result<Option<String>, StateError> {
        let path = self.refusal_path(origin);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text.trim_end().to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StateError::Io { path, source }),
        }
    }

    /// Remembers that an audit refused the log.
    pub(crate) fn refuse(&self, origin: &str, why: &str) -> Result<(), StateError> {
        write_aside_and_rename(&self.refusal_path(origin), format!("{why}\n").as_bytes())
    }

    /// The file that remembers a refusal.
    pub(crate) fn refusal_path(&self, origin: &str) -> PathBuf {
        self.path(origin, "refused")
    }

    /// Notes what the keys stand for, and checks that none stood for anything else before.
    ///
    /// C2SP tlog-cosignature: a key and signature version imply a single set of statements. So a key that has
    /// cosigned without auditing can never begin to audit, nor take another name.
    pub(crate) fn bind_keys<'a>(
        &self,
        statement: &str,
        vkeys: impl Iterator<Item = &'a str>,
    ) -> Result<(), StateError> {
        let path = self.folder.join("keys");
        let mut text = read_sealed(&path)?.unwrap_or_default();
        let known = text.len();
        for vkey in vkeys {
            let line = format!("{statement} {vkey}");
            let material = |line: &str| line.rsplit('+').next().map(str::to_owned);
            match text[..known].lines().find(|before| material(before) == material(vkey)) {
                Some(before) if before == line => {}
                Some(before) => {
                    let before = before.split('+').next().unwrap_or_default().to_owned();
                    return Err(StateError::OtherStatement { vkey: vkey.to_owned(), before });
                }
                None => text.push_str(&(line + "\n")),
            }
        }
        if text.len() == known { Ok(()) } else { self.replace(&path, &text) }
    }

    fn path(&self, origin: &str, extension: &str) -> PathBuf {
        self.folder.join(origin_hash(origin)).with_extension(extension)
    }

    fn replace(&self, path: &Path, text: &str) -> Result<(), StateError> {
        write_aside_and_rename(
            path,
            format!("{FORMAT}{}\n{text}", hex::encode(Sha256::digest(text))).as_bytes(),
        )
    }
}

/// SHA-256 of the origin in lower-case hexadecimal: the log's name in paths. C2SP tlog-witness.
pub(crate) fn origin_hash(origin: &str) -> String {
    hex::encode(Sha256::digest(origin))
}

fn parse(text: &str, origin: &str) -> Option<Cosigned> {
    let (time, note) = text.strip_prefix("time ")?.split_once("\n\n")?;
    let time = time.parse().ok().filter(|time| *time != 0)?;
    let signed = SignedCheckpoint::parse(note.as_bytes()).ok()?;
    let checkpoint = signed.checkpoint();
    let (size, root) = (checkpoint.size(), *checkpoint.root());
    (checkpoint.origin() == origin).then(|| Cosigned { size, root, time, note: note.to_owned() })
}

fn read_sealed(path: &Path) -> Result<Option<String>, StateError> {
    let damaged = |what| StateError::Damaged { path: path.to_owned(), what };
    let failed = |source| StateError::Io { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut bytes).map_err(failed)?;
    let mut text = String::from_utf8(bytes).map_err(|_| damaged("it is no text"))?;
    let rest = text.strip_prefix(FORMAT).and_then(|text| text.split_once('\n'));
    let (hash, rest) = rest.ok_or_else(|| damaged("its first line is none of ours"))?;
    if hash != hex::encode(Sha256::digest(rest)) {
        return Err(damaged("its content has another SHA-256 than its first line says"));
    }
    let start = text.len() - rest.len();
    Ok(Some(text.split_off(start)))
}

fn write_aside_and_rename(path: &Path, bytes: &[u8]) -> Result<(), StateError> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".new");
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        // If we die here, the old state stands: nothing was signed for the new one.
        fs::rename(&aside, path)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    };
    write().map_err(|source| StateError::Io { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_is_a_state_or_none(
            head in prop_oneof![Just("time "), Just("time"), Just("")],
            time in prop_oneof![any::<u64>().prop_map(|n| n.to_string()), ".{0,12}"],
            gap in prop_oneof![Just("\n\n"), Just("\n")],
            origin in prop_oneof![Just("test.example/ledger"), Just("x")],
            size in prop_oneof![any::<u64>().prop_map(|n| n.to_string()), ".{0,12}"],
            rest in "(.|\n){0,120}",
        ) {
            let text = format!("{head}{time}{gap}{origin}\n{size}\n{rest}");
            if let Some(known) = parse(&text, "test.example/ledger") {
                prop_assert!(known.time != 0 && known.note.starts_with("test.example/ledger\n"));
            }
        }

        #[test]
        fn any_sealed_file_is_read_or_named_damaged(bytes in any::<Vec<u8>>(), sealed in any::<bool>()) {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("state");
            let seal = format!("{FORMAT}{}\n", hex::encode(Sha256::digest(&bytes)));
            let head = if sealed { seal.into_bytes() } else { Vec::new() };
            fs::write(&path, [head, bytes.clone()].concat()).expect("written");
            match read_sealed(&path) {
                Ok(text) => prop_assert!(sealed && text.is_some_and(|text| text.as_bytes() == bytes)),
                Err(StateError::Damaged { .. }) => prop_assert!(!sealed || String::from_utf8(bytes).is_err()),
                Err(other) => prop_assert!(false, "{other}"),
            }
        }
    }
}
