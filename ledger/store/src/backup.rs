//! Backups: incremental copies of a data folder, taken while it is written to. Table files, which never change, are copied
//! once and shared by all backups in a folder.

use std::path::Path;

use rocksdb::Env;
use rocksdb::backup::{BackupEngine, BackupEngineOptions, RestoreOptions};

use crate::{Store, StoreError};

/// A backup in a folder of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backup {
    /// Its number in the folder, from 1.
    pub id: u32,
    /// When it was taken, in seconds since 1970, by the machine's clock.
    pub taken: i64,
    /// Its files, in bytes; those that it shares with others count in each.
    pub bytes: u64,
}

impl Store {
    /// Takes a backup into a folder, beside those that are there. It holds every entry of [`Store::head`] as it is now.
    /// May be called while the ledger is written to.
    ///
    /// # Errors
    /// When a disk fails or is full; the folder then holds what it held.
    pub fn back_up(&self, folder: &Path) -> Result<Backup, StoreError> {
        let mut engine = open(folder)?;
        engine.create_new_backup_flush(&self.db, true)?;
        newest(&engine).ok_or_else(|| StoreError::Damaged("a backup that was taken is not there".into()))
    }
}

/// The backups of a folder, oldest first.
///
/// # Errors
/// When the folder cannot be read.
pub fn backups(folder: &Path) -> Result<Vec<Backup>, StoreError> {
    // Opened, any folder becomes one of backups.
    if !folder.join("meta").is_dir() {
        return Err(StoreError::NoBackup(format!("backups in {}", folder.display())));
    }
    Ok(list(&open(folder)?))
}

/// Drops the oldest backups until so many are left.
///
/// # Errors
/// When the folder cannot be written to.
pub fn keep_newest(folder: &Path, count: usize) -> Result<(), StoreError> {
    Ok(open(folder)?.purge_old_backups(count)?)
}

/// Writes a backup back into a folder that holds no ledger.
///
/// # Errors
/// [`StoreError::Exists`] when it holds one, [`StoreError::NoBackup`] when there is no such backup.
pub fn restore(folder: &Path, id: u32, data: &Path) -> Result<(), StoreError> {
    if data.join("CURRENT").exists() {
        return Err(StoreError::Exists(data.display().to_string()));
    }
    if !backups(folder)?.iter().any(|backup| backup.id == id) {
        return Err(StoreError::NoBackup(format!("backup {id} in {}", folder.display())));
    }
    let mut engine = open(folder)?;
    Ok(engine.restore_from_backup(data, data, &RestoreOptions::default(), id)?)
}

fn open(folder: &Path) -> Result<BackupEngine, StoreError> {
    let mut options = BackupEngineOptions::new(folder)?;
    options.set_sync(true);
    Ok(BackupEngine::open(&options, &Env::new()?)?)
}

fn list(engine: &BackupEngine) -> Vec<Backup> {
    let infos = engine.get_backup_info().into_iter();
    let mut list: Vec<Backup> =
        infos.map(|info| Backup { id: info.backup_id, taken: info.timestamp, bytes: info.size }).collect();
    list.sort_by_key(|backup| backup.id);
    list
}

fn newest(engine: &BackupEngine) -> Option<Backup> {
    list(engine).pop()
}
