//! Entries: a statement as recorded, and the hash chain over them. `docs/formats/entry.md`.

use std::fmt;
use std::sync::LazyLock;

use crate::proto;
use crate::{EntryError, Instant, Origin};

/// Longest entry, in bytes: the limit of C2SP tlog-tiles.
pub const MAX_ENTRY_LEN: usize = 65_535;

const VERSION: u8 = 1;
const CHAIN_CONTEXT: &str = "daicho 2026-11 entry chain v1";
const ORIGIN_CONTEXT: &str = "daicho 2026-11 ledger origin v1";

/// The key of the derivation is computed once and then copied.
static CHAIN_HASHER: LazyLock<blake3::Hasher> =
    LazyLock::new(|| blake3::Hasher::new_derive_key(CHAIN_CONTEXT));

/// Position of an entry. The first has index 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct EntryIndex(u64);

impl EntryIndex {
    /// An index.
    pub fn new(index: u64) -> Self {
        Self(index)
    }

    /// The number.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for EntryIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Number of entries, and so the index that the next one receives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LedgerSize(u64);

impl LedgerSize {
    /// A size.
    pub fn new(size: u64) -> Self {
        Self(size)
    }

    /// The number.
    pub fn get(self) -> u64 {
        self.0
    }

    /// Index of the next entry.
    pub fn next_index(self) -> EntryIndex {
        EntryIndex(self.0)
    }
}

/// Hash of the chain up to and with an entry.
///
/// `BLAKE3-derive-key("daicho 2026-11 entry chain v1", entry bytes)`; the entry bytes hold the hash before it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChainHash([u8; 32]);

impl ChainHash {
    /// The hash that entry 0 continues: `BLAKE3-derive-key("daicho 2026-11 ledger origin v1", origin)`.
    pub fn of_origin(origin: &Origin) -> Self {
        Self(blake3::derive_key(ORIGIN_CONTEXT, origin.as_str().as_bytes()))
    }

    /// The hash of the chain that ends with these entry bytes.
    pub fn of_entry(bytes: &[u8]) -> Self {
        let mut hasher = CHAIN_HASHER.clone();
        hasher.update(bytes);
        Self(hasher.finalize().into())
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A chain hash read back. `None` unless there are 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChainHash({self})")
    }
}

/// The place that an entry takes: what it is told by the ledger, and not by its statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Position.
    pub index: EntryIndex,
    /// Time of recording. Never before that of the entry ahead.
    pub recorded: Instant,
    /// Chain hash of the entry ahead, or of the origin for entry 0.
    pub previous: ChainHash,
}

/// An entry.
///
/// ```text
/// version = 1          1 byte
/// index                8 bytes, big-endian
/// recorded             8 bytes, big-endian, milliseconds since 1970
/// previous chain hash 32 bytes
/// signature count      1 byte
///   algorithm          1 byte      } for each
///   length             2 bytes     } signature
///   signature          bytes       }
/// statement length     4 bytes, big-endian
/// statement            bytes, exactly as signed
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Position.
    pub index: EntryIndex,
    /// Time of recording. Never before that of the entry ahead.
    pub recorded: Instant,
    /// Chain hash of the entry ahead, or of the origin for entry 0.
    pub previous: ChainHash,
    /// Statement and signatures.
    pub statement: proto::SignedStatement,
}

impl Entry {
    /// Its place.
    pub fn place(&self) -> Place {
        Place { index: self.index, recorded: self.recorded, previous: self.previous }
    }

    /// The entry's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let signatures = &self.statement.signatures;
        let mut out = Vec::with_capacity(54 + signatures.len() * 67 + self.statement.statement.len());
        out.push(VERSION);
        out.extend_from_slice(&self.index.0.to_be_bytes());
        out.extend_from_slice(&(self.recorded.unix_ms() as u64).to_be_bytes());
        out.extend_from_slice(&self.previous.0);
        out.push(signatures.len() as u8);
        for signature in signatures {
            out.push(signature.algorithm as u8);
            out.extend_from_slice(&(signature.value.len() as u16).to_be_bytes());
            out.extend_from_slice(&signature.value);
        }
        out.extend_from_slice(&(self.statement.statement.len() as u32).to_be_bytes());
        out.extend_from_slice(&self.statement.statement);
        debug_assert!(out.len() <= MAX_ENTRY_LEN, "limits on statements keep entries below the limit");
        out
    }

    /// Reads an entry. `decode(encode(x)) == x`, and no other bytes decode to `x`.
    ///
    /// # Errors
    /// [`EntryError::Malformed`] or [`EntryError::UnknownVersion`].
    pub fn decode(bytes: &[u8]) -> Result<Self, EntryError> {
        if bytes.len() > MAX_ENTRY_LEN {
            return Err(EntryError::Malformed("longer than 65535 bytes"));
        }
        let (entry, len) = Self::decode_prefix(bytes)?;
        if len < bytes.len() {
            return Err(EntryError::Malformed("bytes after the statement"));
        }
        Ok(entry)
    }

    /// Reads the entry with which `bytes` begin, and its length: for finding entries in a damaged file.
    ///
    /// # Errors
    /// As [`Entry::decode`], but for what comes after the entry.
    pub fn decode_prefix(bytes: &[u8]) -> Result<(Self, usize), EntryError> {
        let mut rest = Reader(bytes);
        let version = rest.array::<1>()?[0];
        if version != VERSION {
            return Err(EntryError::UnknownVersion(version));
        }
        let index = EntryIndex(u64::from_be_bytes(rest.array()?));
        let recorded = i64::try_from(u64::from_be_bytes(rest.array()?))
            .ok()
            .and_then(Instant::from_unix_ms)
            .ok_or(EntryError::Malformed("time out of range"))?;
        let previous = ChainHash(rest.array()?);
        let count = rest.array::<1>()?[0];
        let mut signatures = Vec::with_capacity(usize::from(count.min(8)));
        for _ in 0..count {
            let algorithm = i32::from(rest.array::<1>()?[0]);
            let length = u16::from_be_bytes(rest.array()?);
            signatures.push(proto::Signature { algorithm, value: rest.take(usize::from(length))?.to_vec() });
        }
        let length = u32::from_be_bytes(rest.array()?) as usize;
        let statement = rest.take(length)?.to_vec().into();
        let entry =
            Self { index, recorded, previous, statement: proto::SignedStatement { statement, signatures } };
        Ok((entry, bytes.len() - rest.0.len()))
    }

    /// Checks that this entry is the next one after `(size, head, time)`.
    ///
    /// # Errors
    /// [`EntryError::IndexGap`], [`EntryError::WrongPreviousHash`] or [`EntryError::TimeGoesBack`].
    pub fn check_link(&self, size: LedgerSize, head: ChainHash, time: Instant) -> Result<(), EntryError> {
        if self.index != size.next_index() {
            return Err(EntryError::IndexGap { expected: size.next_index(), found: self.index });
        }
        if self.previous != head {
            return Err(EntryError::WrongPreviousHash(self.index));
        }
        if self.recorded < time {
            return Err(EntryError::TimeGoesBack(self.index));
        }
        Ok(())
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], EntryError> {
        if n > self.0.len() {
            return Err(EntryError::Malformed("ends early"));
        }
        let (head, rest) = self.0.split_at(n);
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], EntryError> {
        self.take(N)?.try_into().map_err(|_| EntryError::Malformed("ends early"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SigningKey, sign_statement};
    use proptest::prelude::*;

    fn entry(index: u64, payload: &str) -> Entry {
        let event = proto::Event { scheme: payload.to_owned(), ..Default::default() };
        Entry {
            index: EntryIndex(index),
            recorded: Instant::EPOCH.plus_ms(1_612_137_600_000),
            previous: ChainHash::of_origin(&Origin::new("example").expect("valid")),
            statement: sign_statement("example", &[(&SigningKey::from_seed(&[1; 32]), 1)], vec![event]),
        }
    }

    #[test]
    fn every_flipped_bit_changes_the_chain_hash() {
        let bytes = entry(3, "s").encode();
        let hash = ChainHash::of_entry(&bytes);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(ChainHash::of_entry(&flipped), hash, "bit {bit}");
        }
    }

    #[test]
    fn each_broken_link_has_its_own_error() {
        let e = entry(3, "s");
        let (size, head, time) = (LedgerSize(3), e.previous, e.recorded);
        assert_eq!(e.check_link(size, head, time), Ok(()));
        let gap = EntryError::IndexGap { expected: EntryIndex(4), found: EntryIndex(3) };
        assert_eq!(e.check_link(LedgerSize(4), head, time), Err(gap));
        let other = ChainHash::of_entry(b"other");
        assert_eq!(e.check_link(size, other, time), Err(EntryError::WrongPreviousHash(e.index)));
        assert_eq!(e.check_link(size, head, time.plus_ms(1)), Err(EntryError::TimeGoesBack(e.index)));
    }

    proptest! {
        #[test]
        fn decode_undoes_encode(index: u64, payload in "[a-z]{0,40}") {
            let e = entry(index, &payload);
            prop_assert_eq!(Entry::decode(&e.encode()), Ok(e));
        }

        #[test]
        fn no_bytes_panic_and_what_decodes_encodes_to_itself(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(e) = Entry::decode(&bytes) {
                prop_assert_eq!(e.encode(), bytes);
            }
        }

        #[test]
        fn truncated_entries_are_malformed(cut in 0usize..200) {
            let bytes = entry(1, "abc").encode();
            let cut = cut.min(bytes.len() - 1);
            prop_assert!(Entry::decode(&bytes[..cut]).is_err());
        }
    }
}
