//! Every parser of foreign bytes, with what must hold of it whatever comes in. `tests/fuzz/README.md`.

mod calendar;
mod evidence;
pub mod large;
mod ledger;
mod log;
mod message;
pub mod mutate;
mod paper;
mod scheme;
mod timestamp;
mod vectors;

use std::io;
use std::path::PathBuf;

/// A parser under test.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, and that of its folder in `corpus/`.
    pub name: &'static str,
    /// Parses, and checks what was parsed; says whether the input was accepted. Panics when a promise is broken.
    pub run: fn(&[u8]) -> bool,
    /// Inputs that must be accepted, made from the golden vectors.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "note", run: log::note, seeds: log::notes },
    Target { name: "checkpoint", run: log::checkpoint, seeds: log::notes },
    Target { name: "verifier-key", run: log::verifier_key, seeds: log::verifier_keys },
    Target { name: "secret-key", run: log::secret_key, seeds: log::secret_keys },
    Target { name: "proof", run: log::proof, seeds: log::proofs },
    Target { name: "policy", run: log::policy, seeds: log::policies },
    Target { name: "add-checkpoint", run: log::add_checkpoint, seeds: log::requests },
    Target { name: "cosignatures", run: log::cosignatures, seeds: log::cosignature_bodies },
    Target { name: "size", run: log::size, seeds: log::sizes },
    Target { name: "tile-path", run: log::tile_path, seeds: log::tile_paths },
    Target { name: "tiles", run: log::tiles, seeds: log::hash_tiles },
    Target { name: "entry-bundle", run: log::entry_bundle, seeds: log::entry_bundles },
    Target { name: "timestamp-response", run: timestamp::response, seeds: timestamp::responses },
    Target { name: "timestamp-token", run: timestamp::token, seeds: timestamp::tokens },
    Target { name: "receipt", run: evidence::receipt, seeds: evidence::receipts },
    Target { name: "fork-proof", run: evidence::fork_proof, seeds: evidence::fork_proofs },
    Target { name: "bundle", run: evidence::bundle, seeds: evidence::bundles },
    Target { name: "archive", run: evidence::archive, seeds: evidence::archives },
    Target { name: "statement", run: ledger::statement, seeds: ledger::statements },
    Target { name: "draft", run: ledger::draft, seeds: ledger::drafts },
    Target { name: "message", run: message::message, seeds: message::messages },
    Target { name: "key", run: ledger::key, seeds: ledger::keys },
    Target { name: "invitation", run: ledger::invitation, seeds: ledger::invitations },
    Target { name: "entry", run: ledger::entry, seeds: ledger::entries },
    Target { name: "scheme", run: scheme::scheme, seeds: scheme::schemes },
    Target { name: "vocabulary", run: scheme::vocabulary, seeds: scheme::vocabularies },
    Target { name: "calendar", run: calendar::calendar, seeds: calendar::calendars },
    Target { name: "manifest", run: paper::manifest, seeds: paper::manifests },
    Target { name: "pdf", run: paper::pdf, seeds: paper::pdfs },
];

impl Target {
    /// The target of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        TARGETS.iter().find(|target| target.name == name)
    }

    /// Where the files of its corpus are.
    pub fn folder(&self) -> PathBuf {
        corpus().join(self.name)
    }

    /// The files of its corpus by their names: inputs that broke something once, and some that are hard to come by.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn files(&self) -> io::Result<Vec<(String, Vec<u8>)>> {
        let read = |file: io::Result<std::fs::DirEntry>| {
            let file = file?;
            Ok((file.file_name().to_string_lossy().into_owned(), std::fs::read(file.path())?))
        };
        let mut files = match std::fs::read_dir(self.folder()) {
            Ok(folder) => folder.map(read).collect::<io::Result<Vec<_>>>()?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        // The order of a folder is not the same everywhere.
        files.sort();
        Ok(files)
    }
}

/// The folder that holds a folder for each target: as from the folder of this package, where tests start.
pub fn corpus() -> PathBuf {
    PathBuf::from("corpus")
}

/// Checks that what was read is written in the same bytes.
#[track_caller]
fn assert_same(written: impl AsRef<[u8]>, read: &[u8]) {
    assert!(written.as_ref() == read, "not written as it was read");
}
