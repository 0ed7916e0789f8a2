//! Keys and values outside the custody state. Integers are big-endian, so that byte order is number order.

use daicho_core::{ChainHash, EntryIndex, Instant, KeyId, LedgerSize, StatementId};
use daicho_tlog::TreeHash;

use crate::StoreError;

/// Version of the layout of the data folder.
pub(crate) const FORMAT: u32 = 3;
/// `index (8)` → entry bytes.
pub(crate) const CF_ENTRIES: &str = "entries";
/// `key id (16), sequence (8)` → [`StatementRow`].
pub(crate) const CF_STATEMENTS: &str = "statements";
/// Custody state, as its own module defines it.
pub(crate) const CF_STATE: &str = "state";
/// `level (1), index of the first hash (8)` → hashes of every eighth level of the Merkle tree, 32 bytes each: up to
/// 256, and never from two tiles.
pub(crate) const CF_TILES: &str = "tiles";
/// `size (8)` → [`CheckpointRow`].
pub(crate) const CF_CHECKPOINTS: &str = "checkpoints";
/// Every column family.
pub(crate) const FAMILIES: [&str; 6] =
    [CF_ENTRIES, CF_STATEMENTS, CF_STATE, CF_TILES, CF_CHECKPOINTS, CF_META];
/// [`HEAD`] and [`FORMAT_KEY`].
pub(crate) const CF_META: &str = "meta";
pub(crate) const HEAD: &[u8] = b"head";
pub(crate) const FORMAT_KEY: &[u8] = b"format";

/// How far the ledger is. Written with every commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Number of entries.
    pub size: LedgerSize,
    /// Chain hash of the last entry, or of the origin.
    pub chain: ChainHash,
    /// Time of the last entry.
    pub recorded: Instant,
    /// Root of the Merkle tree over the entries.
    pub root: TreeHash,
    /// Hash over all changes of custody state so far.
    pub custody: [u8; 32],
}

impl Head {
    /// `size (8), chain (32), time (8), root (32), custody (32)`.
    pub(crate) fn encode(&self) -> [u8; 112] {
        let mut out = [0; 112];
        out[..8].copy_from_slice(&self.size.get().to_be_bytes());
        out[8..40].copy_from_slice(self.chain.as_bytes());
        out[40..48].copy_from_slice(&(self.recorded.unix_ms() as u64).to_be_bytes());
        out[48..80].copy_from_slice(self.root.as_bytes());
        out[80..].copy_from_slice(&self.custody);
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let wrong = || StoreError::Damaged("head".into());
        if bytes.len() != 112 {
            return Err(wrong());
        }
        let number = |at: usize| bytes[at..at + 8].try_into().map(u64::from_be_bytes).map_err(|_| wrong());
        let recorded = i64::try_from(number(40)?).ok().and_then(Instant::from_unix_ms).ok_or_else(wrong)?;
        Ok(Self {
            size: LedgerSize::new(number(0)?),
            chain: ChainHash::from_slice(&bytes[8..40]).ok_or_else(wrong)?,
            recorded,
            root: TreeHash::from_slice(&bytes[48..80]).ok_or_else(wrong)?,
            custody: bytes[80..].try_into().map_err(|_| wrong())?,
        })
    }
}

/// Where a statement is, and which bytes it had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatementRow {
    /// Its entry.
    pub entry: EntryIndex,
    /// BLAKE3 of the statement bytes.
    pub hash: [u8; 32],
}

impl StatementRow {
    pub(crate) fn encode(&self) -> [u8; 40] {
        let mut out = [0; 40];
        out[..8].copy_from_slice(&self.entry.get().to_be_bytes());
        out[8..].copy_from_slice(&self.hash);
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let wrong = |_| StoreError::Damaged("statement index".into());
        let entry = bytes.get(..8).unwrap_or_default().try_into().map(u64::from_be_bytes).map_err(wrong)?;
        let hash = bytes.get(8..).unwrap_or_default().try_into().map_err(wrong)?;
        Ok(Self { entry: EntryIndex::new(entry), hash })
    }
}

/// A checkpoint that is kept, with what others said of it since.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CheckpointRow {
    /// The signed note, with the cosignatures so far.
    pub note: String,
    /// Real time of signing, in milliseconds since 1970.
    pub signed_ms: i64,
    /// Whether the cosignatures were a quorum of the policy that the server ran with.
    pub witnessed: bool,
    /// RFC 3161 tokens over the text of the note, DER.
    pub timestamps: Vec<Vec<u8>>,
}

impl CheckpointRow {
    pub(crate) fn encode(&self) -> Vec<u8> {
        postcard::to_stdvec(self).expect("a record of texts and numbers always encodes")
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        postcard::from_bytes(bytes).map_err(|_| StoreError::Damaged("checkpoint".into()))
    }
}

pub(crate) fn tile_key(level: u8, first: u64) -> [u8; 9] {
    let mut out = [level; 9];
    out[1..].copy_from_slice(&first.to_be_bytes());
    out
}

pub(crate) fn statement_key(id: &StatementId) -> [u8; KeyId::LEN + 8] {
    let mut out = [0; KeyId::LEN + 8];
    out[..KeyId::LEN].copy_from_slice(id.key.as_bytes());
    out[KeyId::LEN..].copy_from_slice(&id.sequence.to_be_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use daicho_core::Origin;

    #[test]
    fn a_head_round_trips_and_a_cut_one_is_damaged() {
        let head = Head {
            size: LedgerSize::new(7),
            chain: ChainHash::of_origin(&Origin::new("x").expect("valid")),
            recorded: Instant::EPOCH.plus_ms(5),
            root: TreeHash::of_empty(),
            custody: [9; 32],
        };
        assert_eq!(Head::decode(&head.encode()).expect("own bytes"), head);
        assert!(Head::decode(&head.encode()[..111]).is_err());
    }

    const VECTORS: &str = include_str!("../../../tests/vectors/state.json");

    /// The hexadecimal text of this name in the vectors, which `tests/vectors/make.py` made.
    fn vector(name: &str) -> Vec<u8> {
        let (_, rest) = VECTORS.split_once(&format!("\"{name}\": \"")).expect("the vector is there");
        let (digits, _) = rest.split_once('"').expect("a text ends");
        digits
            .as_bytes()
            .chunks(2)
            .map(|two| u8::from_str_radix(&String::from_utf8_lossy(two), 16).expect("hexadecimal"))
            .collect()
    }

    /// A changed vector means a changed format. Never update one so that a test passes.
    #[test]
    fn head_and_statement_row_have_the_bytes_of_the_vectors() {
        let bytes = vector("head_after_entry_1");
        let head = Head::decode(&bytes).expect("a head");
        assert_eq!(head.encode().as_slice(), bytes);
        assert_eq!((head.size.get(), head.recorded.unix_ms()), (2, 1_612_105_201_500));

        let bytes = vector("statement_row_of_entry_1");
        let row = StatementRow::decode(&bytes).expect("a row");
        assert_eq!(row.encode().as_slice(), bytes);
        assert_eq!(row.entry, EntryIndex::new(1));

        let bytes = vector("statement_key_of_entry_1");
        let key = KeyId::from_slice(&bytes[..KeyId::LEN]).expect("a key id");
        assert_eq!(statement_key(&StatementId { key, sequence: 1 }).as_slice(), bytes);
    }
}
