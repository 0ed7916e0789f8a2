//! Opening and writing. One synced batch for each commit group: all of it is on disk, or none.

use std::path::Path;

use daicho_core::{ChainHash, Entry, EntryIndex, Instant, LedgerSize, Origin, StatementId, durable_step};
use daicho_custody::state::Changes;
use daicho_tlog::TreeHash;
use daicho_tlog::merkle::Growth;
use daicho_tlog::tile::{self, Tile, TileNodes};
use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB,
    DBCompressionType, DBRecoveryMode, Options, WriteBatch, WriteOptions,
};

use crate::format::{
    CF_CHECKPOINTS, CF_ENTRIES, CF_META, CF_STATE, CF_STATEMENTS, CF_TILES, CheckpointRow, FAMILIES, FORMAT,
    FORMAT_KEY, HEAD, Head, StatementRow, statement_key, tile_key,
};
use crate::{Snapshot, StoreError};

/// Key and value as RocksDB hands them out.
type Row = (Box<[u8]>, Box<[u8]>);

/// Length of a full tile.
const TILE_BYTES: usize = 32 * tile::WIDTH as usize;
/// Memory for blocks read back and for indexes, in bytes.
const CACHE_BYTES: usize = 128 << 20;

/// A ledger's data folder, open for writing.
pub struct Store {
    pub(crate) db: DB,
}

/// What one commit group writes.
#[derive(Default)]
pub struct Commit {
    batch: WriteBatch,
    entries: usize,
}

impl Store {
    /// Makes an empty ledger for `origin` in a new or empty folder.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when there is one.
    pub fn create(path: &Path, origin: &Origin) -> Result<Self, StoreError> {
        if path.join("CURRENT").exists() {
            return Err(StoreError::Exists(path.display().to_string()));
        }
        let store = Self { db: open(path, Mode::Create)? };
        let head = Head {
            size: LedgerSize::new(0),
            chain: ChainHash::of_origin(origin),
            recorded: Instant::EPOCH,
            root: TreeHash::of_empty(),
            custody: [0; 32],
        };
        let mut batch = WriteBatch::default();
        batch.put_cf(store.cf(CF_META), FORMAT_KEY, FORMAT.to_be_bytes());
        batch.put_cf(store.cf(CF_META), HEAD, head.encode());
        store.write_synced(batch)?;
        Ok(store)
    }

    /// Opens a ledger.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Format`], or what RocksDB finds wrong with its files.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        if !path.join("CURRENT").exists() {
            return Err(StoreError::Missing(path.display().to_string()));
        }
        Self::checked(open(path, Mode::Write)?)
    }

    /// Opens a ledger for reading only: not a byte of the folder changes.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_read_only(path: &Path) -> Result<Self, StoreError> {
        if !path.join("CURRENT").exists() {
            return Err(StoreError::Missing(path.display().to_string()));
        }
        Self::checked(open(path, Mode::Read)?)
    }

    fn checked(db: DB) -> Result<Self, StoreError> {
        let store = Self { db };
        let format = store.db.get_cf(store.cf(CF_META), FORMAT_KEY)?.unwrap_or_default();
        let found = format.as_slice().try_into().map_or(0, u32::from_be_bytes);
        if found != FORMAT {
            return Err(StoreError::Format { found, expected: FORMAT });
        }
        Ok(store)
    }

    /// How far the ledger is.
    ///
    /// # Errors
    /// When the head is damaged.
    pub fn head(&self) -> Result<Head, StoreError> {
        let bytes = self.db.get_cf(self.cf(CF_META), HEAD)?;
        Head::decode(&bytes.ok_or_else(|| StoreError::Damaged("no head".into()))?)
    }

    /// Writes a commit group with the head after it, and syncs.
    ///
    /// If the process dies before this returns, the group is on disk as a whole or not at all, and nobody has been
    /// told. After it has returned the group survives a loss of power.
    ///
    /// # Errors
    /// After an error nobody knows what reached the disk: write nothing more.
    pub fn commit(&self, mut commit: Commit, head: &Head) -> Result<(), StoreError> {
        commit.batch.put_cf(self.cf(CF_META), HEAD, head.encode());
        self.write_synced(commit.batch)
    }

    /// Adds an entry with its statement's index rows and changes to a commit group.
    pub fn add(
        &self,
        commit: &mut Commit,
        index: EntryIndex,
        bytes: &[u8],
        statements: &[(StatementId, StatementRow)],
        changes: &Changes,
    ) {
        commit.entries += 1;
        commit.batch.put_cf(self.cf(CF_ENTRIES), index.get().to_be_bytes(), bytes);
        for (id, row) in statements {
            commit.batch.put_cf(self.cf(CF_STATEMENTS), statement_key(id), row.encode());
        }
        let state = self.cf(CF_STATE);
        for (key, value) in &changes.records {
            match value {
                Some(value) => commit.batch.put_cf(state, key, value),
                None => commit.batch.delete_cf(state, key),
            }
        }
    }

    /// A consistent view for readers.
    pub fn snapshot(&self) -> Snapshot<'_> {
        Snapshot::new(self)
    }

    /// One entry's bytes.
    ///
    /// # Errors
    /// When the disk fails or a block is damaged.
    pub fn entry(&self, index: EntryIndex) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.db.get_cf(self.cf(CF_ENTRIES), index.get().to_be_bytes())?)
    }

    /// One entry's bytes out of the raw table files, where they stand uncompressed: for naming the entry at fault
    /// when a block's checksum fails. RocksDB must not parse such a block. `None` when no bytes there read as that
    /// entry; whether they are the right ones is for the chain to say.
    ///
    /// # Errors
    /// When the files cannot be read.
    pub fn entry_from_files(&self, index: EntryIndex) -> std::io::Result<Option<Vec<u8>>> {
        // Version byte and index: how the entry begins.
        let mut start = vec![1];
        start.extend_from_slice(&index.get().to_be_bytes());
        for item in std::fs::read_dir(self.db.path())? {
            let path = item?.path();
            if path.extension().is_none_or(|extension| extension != "sst") {
                continue;
            }
            let bytes = std::fs::read(&path)?;
            let places =
                bytes.windows(start.len()).enumerate().filter(|(_, window)| *window == start.as_slice());
            for (at, _) in places {
                if let Ok((entry, len)) = Entry::decode_prefix(&bytes[at..])
                    && entry.index == index
                    // Other rows begin like this too: a run of zeros reads as an entry that nobody signed.
                    && !entry.statement.signatures.is_empty()
                    && !entry.statement.statement.is_empty()
                {
                    return Ok(Some(bytes[at..at + len].to_vec()));
                }
            }
        }
        Ok(None)
    }

    /// Adds the nodes that a commit group adds to the Merkle tree.
    ///
    /// Each level of tiles gets one row, or one for each tile it reaches into. A tile that is full now is written
    /// again as one row in place of its pieces.
    ///
    /// # Errors
    /// When earlier pieces of a tile cannot be read.
    pub fn add_tiles(&self, commit: &mut Commit, growth: &Growth) -> Result<(), StoreError> {
        let tiles = self.cf(CF_TILES);
        for level in (0..).take_while(|level| growth.new_size() >> (tile::HEIGHT * level) != 0) {
            let (first, mut nodes) = growth.new_nodes(tile::HEIGHT * level);
            let mut at = first;
            while !nodes.is_empty() {
                let start = at - at % tile::WIDTH;
                let room = (start + tile::WIDTH - at) as usize;
                let (piece, rest) = nodes.split_at(room.min(nodes.len()));
                let bytes: Vec<u8> = piece.iter().flat_map(|hash| *hash.as_bytes()).collect();
                if piece.len() == room && at != start {
                    let mut whole = Vec::with_capacity(TILE_BYTES);
                    for row in self.tile_pieces(level, start) {
                        let (key, hashes) = row?;
                        whole.extend_from_slice(&hashes);
                        commit.batch.delete_cf(tiles, key);
                    }
                    whole.extend_from_slice(&bytes);
                    if whole.len() != TILE_BYTES {
                        return Err(StoreError::Damaged(format!("tile {level} of hash {start}")));
                    }
                    commit.batch.put_cf(tiles, tile_key(level, start), whole);
                } else {
                    commit.batch.put_cf(tiles, tile_key(level, at), bytes);
                }
                at += piece.len() as u64;
                nodes = rest;
            }
        }
        Ok(())
    }

    /// Rows of one tile, in order.
    fn tile_pieces(&self, level: u8, start: u64) -> impl Iterator<Item = Result<Row, StoreError>> + '_ {
        let from = tile_key(level, start);
        let end = tile_key(level, start + tile::WIDTH);
        let mode = rocksdb::IteratorMode::From(&from, rocksdb::Direction::Forward);
        let rows = self.db.iterator_cf(self.cf(CF_TILES), mode).map(|row| row.map_err(StoreError::from));
        rows.take_while(move |row| row.as_ref().map_or(true, |(key, _)| **key < end[..]))
    }

    /// The bytes of a tile of hashes, as C2SP tlog-tiles serves them. `None` when the tree is not that large.
    ///
    /// # Errors
    /// When the disk fails or a row is damaged.
    pub fn tile(&self, wanted: Tile) -> Result<Option<Vec<u8>>, StoreError> {
        let tile::Kind::Hashes(level) = wanted.kind else { return Ok(None) };
        // No level above this has a node that fits 64 bits, and no such index is looked for.
        let Some(start) = wanted.index.checked_mul(tile::WIDTH).filter(|_| level < 8) else {
            return Ok(None);
        };
        if start.checked_add(tile::WIDTH).is_none() {
            return Ok(None);
        }
        let mut bytes = Vec::with_capacity(TILE_BYTES);
        let len = usize::from(wanted.width) * 32;
        for row in self.tile_pieces(level, start) {
            if bytes.len() >= len {
                break;
            }
            let (key, hashes) = row?;
            if key[..] != tile_key(level, start + bytes.len() as u64 / 32)[..] || hashes.len() % 32 != 0 {
                return Err(StoreError::Damaged(format!("tile {wanted}")));
            }
            bytes.extend_from_slice(&hashes);
        }
        bytes.truncate(len);
        Ok((bytes.len() == len).then_some(bytes))
    }

    /// The nodes of the tree of `size` leaves. Nothing of them is checked.
    pub fn nodes(&self, size: LedgerSize) -> TileNodes<impl Fn(Tile) -> Result<Vec<u8>, StoreError> + '_> {
        TileNodes::new(size.get(), |wanted| {
            self.tile(wanted)?.ok_or_else(|| StoreError::Damaged(format!("{wanted} is missing")))
        })
    }

    /// Keeps a checkpoint, or what was added to one. Synced.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn keep_checkpoint(&self, size: LedgerSize, row: &CheckpointRow) -> Result<(), StoreError> {
        let mut batch = WriteBatch::default();
        batch.put_cf(self.cf(CF_CHECKPOINTS), size.get().to_be_bytes(), row.encode());
        self.write_synced(batch)
    }

    /// The checkpoint kept for a size.
    ///
    /// # Errors
    /// When the disk fails or the row is damaged.
    pub fn checkpoint(&self, size: LedgerSize) -> Result<Option<CheckpointRow>, StoreError> {
        let bytes = self.db.get_cf(self.cf(CF_CHECKPOINTS), size.get().to_be_bytes())?;
        bytes.map(|bytes| CheckpointRow::decode(&bytes)).transpose()
    }

    /// Kept checkpoints of at most `from`, the largest first.
    pub fn checkpoints_down(
        &self,
        from: LedgerSize,
    ) -> impl Iterator<Item = Result<(LedgerSize, CheckpointRow), StoreError>> + '_ {
        self.checkpoints(from, rocksdb::Direction::Reverse)
    }

    /// Kept checkpoints of at least `from`, the smallest first.
    pub fn checkpoints_up(
        &self,
        from: LedgerSize,
    ) -> impl Iterator<Item = Result<(LedgerSize, CheckpointRow), StoreError>> + '_ {
        self.checkpoints(from, rocksdb::Direction::Forward)
    }

    fn checkpoints(
        &self,
        from: LedgerSize,
        direction: rocksdb::Direction,
    ) -> impl Iterator<Item = Result<(LedgerSize, CheckpointRow), StoreError>> + '_ {
        let start = from.get().to_be_bytes();
        let mode = rocksdb::IteratorMode::From(&start, direction);
        self.db.iterator_cf(self.cf(CF_CHECKPOINTS), mode).map(|row| {
            let (key, value) = row?;
            let size = (*key).try_into().map(u64::from_be_bytes);
            let size = size.map_err(|_| StoreError::Damaged("checkpoint key".into()))?;
            Ok((LedgerSize::new(size), CheckpointRow::decode(&value)?))
        })
    }

    /// Where a statement is. `None` when it is not recorded.
    ///
    /// # Errors
    /// When the disk fails or the row is damaged.
    pub fn statement(&self, id: &StatementId) -> Result<Option<StatementRow>, StoreError> {
        let bytes = self.db.get_cf(self.cf(CF_STATEMENTS), statement_key(id))?;
        bytes.map(|bytes| StatementRow::decode(&bytes)).transpose()
    }

    /// Number of rows of the statement index and of the custody state, read one by one.
    ///
    /// # Errors
    /// When the disk fails or a block is damaged.
    pub fn count_rows(&self) -> Result<(u64, u64), StoreError> {
        Ok((self.count(CF_STATEMENTS)?, self.count(CF_STATE)?))
    }

    /// Number of rows of the tiles, read one by one.
    ///
    /// # Errors
    /// When the disk fails or a block is damaged.
    pub fn count_tile_rows(&self) -> Result<u64, StoreError> {
        self.count(CF_TILES)
    }

    fn count(&self, name: &str) -> Result<u64, StoreError> {
        self.db.iterator_cf(self.cf(name), rocksdb::IteratorMode::Start).try_fold(0, |n, row| {
            row?;
            Ok(n + 1)
        })
    }

    /// Writes everything that is still in memory to table files. For a quiet shutdown; nothing depends on it.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn flush(&self) -> Result<(), StoreError> {
        for name in FAMILIES {
            self.db.flush_cf(self.cf(name))?;
        }
        Ok(())
    }

    fn write_synced(&self, batch: WriteBatch) -> Result<(), StoreError> {
        let mut options = WriteOptions::default();
        options.set_sync(true);
        durable_step();
        self.db.write_opt(batch, &options)?;
        durable_step();
        Ok(())
    }

    pub(crate) fn cf(&self, name: &str) -> &ColumnFamily {
        self.db.cf_handle(name).expect("every column family is opened with the database")
    }
}

impl Commit {
    /// Number of entries in it.
    pub fn len(&self) -> usize {
        self.entries
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Create,
    Write,
    Read,
}

/// Table files that are held open.
const MAX_OPEN_TABLES: i32 = 1_000;

fn open(path: &Path, mode: Mode) -> Result<DB, StoreError> {
    let mut options = Options::default();
    options.create_if_missing(mode == Mode::Create);
    options.create_missing_column_families(mode == Mode::Create);
    // A torn record at the end of the log is a write that nobody was told of: to stop the start because of it, as
    // `AbsoluteConsistency` does, would stop it after many a loss of power. Damage anywhere else stops the start; by
    // itself RocksDB takes some of it for a torn end, and reads some for ever.
    if mode != Mode::Create {
        crate::log::check_all(path)?;
    }
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_max_background_jobs(2);
    options.set_keep_log_file_num(4);
    options.set_max_total_wal_size(256 << 20);
    // Beyond so many tables (64 GB) the least used is closed, so that handles do not grow with the ledger for ever.
    options.set_max_open_files(MAX_OPEN_TABLES);
    let cache = Cache::new_lru_cache(CACHE_BYTES);
    let families = FAMILIES.map(|name| ColumnFamilyDescriptor::new(name, family_options(name, &cache)));
    if mode == Mode::Read {
        return Ok(DB::open_cf_descriptors_read_only(&options, path, families, false)?);
    }
    Ok(DB::open_cf_descriptors(&options, path, families)?)
}

fn family_options(name: &str, cache: &Cache) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    // Indexes in parts, in the cache: memory does not grow with the ledger. A look for a new name reads one part; whole
    // indexes in the cache would bring recording to a stop at a million data sets.
    blocks.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_pin_top_level_index_and_filter(true);
    let mut options = Options::default();
    if name == CF_ENTRIES || name == CF_TILES {
        // Hashes do not compress. Entries are kept uncompressed, so that a damaged byte on disk is a damaged byte of one entry.
        options.set_compression_type(DBCompressionType::None);
    } else {
        // No bloom filter: RocksDB passes over a damaged one without a word, and every flipped bit must be found.
        options.set_compression_type(DBCompressionType::Lz4);
        // In memory nothing is damaged: most names that are asked for are new.
        options.set_memtable_whole_key_filtering(true);
        options.set_memtable_prefix_bloom_ratio(0.02);
    }
    options.set_write_buffer_size(64 << 20);
    options.set_block_based_table_factory(&blocks);
    options
}
