//! Room on the disk: the ledger refuses before it is full, and goes on when there is room again.

use std::path::{Path, PathBuf};

use daicho_core::{Refusal, RefusalCode};

const MIB: u64 = 1 << 20;

/// The disk of a data folder, and how much of it stays free.
///
/// A database that meets a full disk in the middle of a write must close. One that stops short of it goes on
/// when there is room again. How much room what was accepted still takes, in memory and in files that are to be merged, nobody
/// knows exactly; where the limit was too low the database closes after all, and nothing acknowledged is lost.
pub(crate) struct Disk {
    folder: PathBuf,
    /// MiB that stay free. 0: not looked at.
    least: u64,
    /// Whether the last look found too little.
    short: bool,
}

impl Disk {
    pub(crate) fn new(folder: &Path, least: u64) -> Self {
        Self { folder: folder.to_owned(), least, short: false }
    }

    /// Looks. Why nothing can be recorded now; `None` while there is room, or where the system does not say.
    pub(crate) fn refuses(&mut self) -> Option<Refusal> {
        if self.least == 0 {
            return None;
        }
        let free = rustix::fs::statvfs(&self.folder).ok()?;
        let free = free.f_bavail.saturating_mul(free.f_frsize) / MIB;
        let short = free < self.least;
        if short != self.short {
            self.short = short;
            match short {
                true => tracing::error!(
                    free_mib = free,
                    least_mib = self.least,
                    "the disk is nearly full: nothing is recorded until there is room"
                ),
                false => tracing::warn!(
                    free_mib = free,
                    "there is room on the disk again: statements are recorded"
                ),
            }
        }
        let text = || format!("{free} MiB are free on the ledger's disk, and {} are kept free", self.least);
        short.then(|| Refusal::new(RefusalCode::DiskFull, text()))
    }
}
