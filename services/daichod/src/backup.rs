//! Backups: taken by the server while it runs, or of a ledger that is not served; verified and restored.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use daicho_engine::Engine;
use daicho_store::{Backup, Store, StoreError, backups, keep_newest, restore};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info};

use crate::config::{Config, ConfigError};
use crate::fsck;

/// Takes a backup of a ledger that is not served. A server takes its own: see `backup-dir` in `daichod serve --help`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  daichod backup --data ./ledger --to /mnt/backups

Backups in one folder share what they have in common: a later one adds what is new alone.")]
pub(crate) struct BackupArgs {
    /// Data folder.
    #[arg(long, default_value = crate::DEFAULT_DATA)]
    data: PathBuf,
    /// Folder of backups.
    #[arg(long)]
    to: PathBuf,
}

/// Restores a backup into a new data folder, and checks it as `fsck` does.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  daichod restore --from /mnt/backups --data ./ledger
  daichod restore --from /mnt/backups --id 17 --data ./ledger

What was recorded after the backup is not in it. The fork guard keeps the restored ledger from signing another history
than the one that receipts were given for: it says so, and what to do (daichod guard --help).

Exit codes: 0 restored and sound; 1 restored, and something is damaged: the first entry at fault is named; 3 not restored.")]
pub(crate) struct RestoreArgs {
    /// Folder of backups.
    #[arg(long)]
    from: PathBuf,
    /// Number of the backup. Default: the newest.
    #[arg(long)]
    id: Option<u32>,
    /// Data folder to make. Must not hold a ledger.
    #[arg(long, default_value = crate::DEFAULT_DATA)]
    data: PathBuf,
}

/// Verifies a backup: restores it aside, checks every hash, link, signature and rule, rebuilds the custody state from the
/// entries and compares it, and removes what it restored.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  daichod verify-backup --from /mnt/backups
  daichod verify-backup --from /mnt/backups --id 17 --aside /var/tmp

Exit codes: 0 sound; 1 damaged: the first entry at fault and the check are named; 3 it cannot be restored.")]
pub(crate) struct VerifyArgs {
    /// Folder of backups.
    #[arg(long)]
    from: PathBuf,
    /// Number of the backup. Default: the newest.
    #[arg(long)]
    id: Option<u32>,
    /// Where there is room to restore it aside. Default: the system's folder for temporary files.
    #[arg(long)]
    aside: Option<PathBuf>,
}

pub(crate) fn back_up(args: &BackupArgs) -> anyhow::Result<ExitCode> {
    let store = Store::open(&args.data).with_context(|| {
        format!("opening {}; a ledger that is served takes its own backups (backup-dir)", args.data.display())
    })?;
    let entries = store.head()?.size.get();
    crate::keys::private_folder(&args.to).with_context(|| format!("making {}", args.to.display()))?;
    let backup = store.back_up(&args.to)?;
    crate::say!(
        "backup {} of {entries} entries, {} bytes, in {}",
        backup.id,
        backup.bytes,
        args.to.display()
    );
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn run_restore(args: &RestoreArgs) -> anyhow::Result<ExitCode> {
    let backup = find(&args.from, args.id)?;
    crate::keys::private_folder(&args.data).with_context(|| format!("making {}", args.data.display()))?;
    restore(&args.from, backup.id, &args.data).context("restoring")?;
    crate::say!("backup {} restored to {}", backup.id, args.data.display());
    crate::say!(
        "To serve it, name the fork guard, checkpoint key and certificate of the ledger that it is of: they are no part of a \
         backup, and lie beside that ledger's folder. Do not make new ones."
    );
    fsck::run(&fsck::Args::whole(&args.data))
}

pub(crate) fn verify(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let backup = find(&args.from, args.id)?;
    let aside = match &args.aside {
        Some(folder) => tempfile::tempdir_in(folder),
        None => tempfile::tempdir(),
    };
    let aside = aside.context("a folder to restore to")?;
    let data = aside.path().join("data");
    if let Err(error) = restore(&args.from, backup.id, &data) {
        crate::say!("DAMAGED  backup {}: {error}", backup.id);
        return Ok(ExitCode::from(1));
    }
    crate::say!("backup {} restored aside", backup.id);
    fsck::run(&fsck::Args::whole(&data))
}

fn find(folder: &Path, id: Option<u32>) -> Result<Backup, StoreError> {
    let list = backups(folder)?;
    let (what, found) = match id {
        None => ("backup".to_owned(), list.last().copied()),
        Some(id) => (format!("backup {id}"), list.into_iter().find(|backup| backup.id == id)),
    };
    found.ok_or_else(|| StoreError::NoBackup(format!("{what} in {}", folder.display())))
}

/// Takes backups as the configuration says, and whenever the process gets SIGUSR1. Runs until it is dropped.
///
/// # Errors
/// When there is no folder to write to, or signals cannot be heard.
pub(crate) fn start(
    config: &Config,
    engine: &Arc<Engine>,
) -> anyhow::Result<Option<impl Future<Output = ()> + Send + 'static>> {
    let Some(folder) = config.backup_dir.clone() else { return Ok(None) };
    let unfit = |error| ConfigError::new(format!("backup-dir {}: {error}", folder.display()));
    crate::keys::private_folder(&folder).map_err(unfit)?;
    let (engine, keep) = (Arc::clone(engine), config.backup_keep);
    let mut asked = signal(SignalKind::user_defined1())?;
    let every = Duration::from_secs(config.backup_every);
    Ok(Some(async move {
        loop {
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                _ = asked.recv() => {}
            }
            let (engine, folder) = (Arc::clone(&engine), folder.clone());
            let taken = tokio::task::spawn_blocking(move || {
                let entries = engine.head().borrow().size.get();
                let backup = engine.store().back_up(&folder)?;
                keep_newest(&folder, keep)?;
                Ok::<_, StoreError>((backup, entries))
            });
            match taken.await {
                Ok(Ok((backup, entries))) => {
                    metrics::gauge!(ENTRIES).set(entries as f64);
                    info!(id = backup.id, entries, bytes = backup.bytes, "backup");
                }
                Ok(Err(error)) => {
                    metrics::counter!(FAILURES).increment(1);
                    error!(%error, "no backup was taken; those before stay");
                }
                Err(error) => error!(%error, "no backup was taken"),
            }
        }
    }))
}

const ENTRIES: &str = "daicho_backup_entries";
const FAILURES: &str = "daicho_backup_failures_total";

pub(crate) fn describe_metrics() {
    metrics::describe_gauge!(ENTRIES, "Entries that the newest backup holds at least");
    metrics::describe_counter!(FAILURES, "Backups that could not be taken");
}
