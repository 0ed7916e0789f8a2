//! RocksDB's log files, its write-ahead log and its MANIFEST, looked through before RocksDB reads them.
//!
//! RocksDB tells a torn end from damage by less than the files hold. Of what a flipped bit makes of a record's length it
//! thinks, in the last block, that the file ends there, and drops every acknowledged group behind it without a word; a
//! flipped bit in a record's type can make it take the whole log for an old one, or read the same record for ever. So
//! each file is checked first, by a stricter rule: nothing whole may stand behind the place where it breaks off.
//!
//! The format (RocksDB, `db/log_format.h`): blocks of 32 KiB, of records that never cross one:
//!
//! ```text
//! crc      4   CRC-32C of type and payload, masked, little-endian
//! length   2   of the payload, little-endian
//! type     1   whole, or first, middle, last piece
//! payload
//! ```

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use crate::StoreError;

const BLOCK: usize = 32 * 1024;
const HEADER: usize = 7;

/// Checks every log file of a data folder.
///
/// # Errors
/// [`StoreError::Damaged`] with the file and the place in it; [`StoreError::Unreadable`].
pub(crate) fn check_all(folder: &Path) -> Result<(), StoreError> {
    let unreadable = unreadable(folder);
    for item in std::fs::read_dir(folder).map_err(&unreadable)? {
        let item = item.map_err(&unreadable)?;
        let name = item.file_name().to_string_lossy().into_owned();
        if name.ends_with(".log") || name.starts_with("MANIFEST-") {
            check(&item.path())?;
        }
    }
    Ok(())
}

fn unreadable(path: &Path) -> impl Fn(std::io::Error) -> StoreError {
    move |error| StoreError::Unreadable(path.display().to_string(), error)
}

fn check(path: &Path) -> Result<(), StoreError> {
    let mut file = File::open(path).map_err(unreadable(path))?;
    let mut block = Vec::with_capacity(BLOCK);
    let mut start = 0;
    let mut broken_off = None;
    loop {
        block.clear();
        file.by_ref().take(BLOCK as u64).read_to_end(&mut block).map_err(unreadable(path))?;
        let damaged = |at: usize| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            StoreError::Damaged(format!(
                "{name} is damaged at byte {at}: acknowledged entries may stand behind it; restore the folder from a copy"
            ))
        };
        match broken_off {
            Some(at) if block.iter().any(|&b| b != 0) => return Err(damaged(at)),
            Some(_) => {}
            None => match end_of(&block) {
                End::Whole => {}
                End::BreaksOff(at) => broken_off = Some(start + at),
                End::Damaged(at) => return Err(damaged(start + at)),
            },
        }
        if block.len() < BLOCK {
            return Ok(());
        }
        start += BLOCK;
    }
}

/// How a block ends.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// With a whole record, or too few bytes behind it for another one.
    Whole,
    /// In the middle of a write: nobody was told of it.
    BreaksOff(usize),
    /// In something that no broken-off write leaves.
    Damaged(usize),
}

fn end_of(block: &[u8]) -> End {
    let mut at = 0;
    while block.len() - at >= HEADER {
        match record(&block[at..]) {
            Some(len) => at += len,
            None if block[at..].iter().all(|&b| b == 0) => return End::BreaksOff(at),
            None if breaks_off(block, at) => return End::BreaksOff(at),
            None => return End::Damaged(at),
        }
    }
    End::Whole
}

/// Length of the whole record at the start of `bytes`.
fn record(bytes: &[u8]) -> Option<usize> {
    let (header, rest) = bytes.split_at_checked(HEADER)?;
    let payload = rest.get(..usize::from(u16::from_le_bytes([header[4], header[5]])))?;
    let crc = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
    (masked_crc(&bytes[6..HEADER + payload.len()]) == crc && header[6] != 0).then_some(HEADER + payload.len())
}

/// Whether the record at `at`, which is not whole, may be one that was being written when the machine stopped: it
/// reaches past the end of the file, no other length makes it whole, and nothing whole stands behind it.
fn breaks_off(block: &[u8], at: usize) -> bool {
    let rest = &block[at..];
    let claimed = HEADER + usize::from(u16::from_le_bytes([rest[4], rest[5]]));
    let crc = u32::from_le_bytes([rest[0], rest[1], rest[2], rest[3]]);
    block.len() < BLOCK
        && claimed > rest.len()
        && at + claimed <= BLOCK
        && masked_crc(&rest[6..]) != crc
        && (1..rest.len()).all(|skip| !is_piece(&rest[skip..]))
}

fn is_piece(bytes: &[u8]) -> bool {
    matches!(bytes.get(6), Some(1..=4)) && record(bytes).is_some()
}

/// CRC-32C (Castagnoli, RFC 3720 B.4), masked as RocksDB stores it.
fn masked_crc(bytes: &[u8]) -> u32 {
    let crc = !bytes.iter().fold(!0, |crc: u32, &b| TABLE[usize::from(crc as u8 ^ b)] ^ crc >> 8);
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

static TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut n = 0;
    while n < 256 {
        let mut crc = n as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
            bit += 1;
        }
        table[n] = crc;
        n += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    /// A record with a payload of this length.
    fn written(kind: u8, len: usize) -> Vec<u8> {
        let payload: Vec<u8> = (0..len).map(|n| (n * 7) as u8 ^ kind).collect();
        let mut out = masked_crc(&[&[kind], &payload[..]].concat()).to_le_bytes().to_vec();
        out.extend_from_slice(&(len as u16).to_le_bytes());
        out.push(kind);
        out.extend(payload);
        out
    }

    #[test]
    fn the_checksum_is_the_one_of_rfc_3720() {
        let unmasked = |bytes: &[u8]| masked_crc(bytes).wrapping_sub(0xa282_ead8).rotate_left(15);
        assert_eq!(unmasked(&[0; 32]), 0x8a91_36aa);
        assert_eq!(unmasked(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn a_cut_anywhere_is_a_torn_end() {
        let log: Vec<u8> = [written(1, 100), written(1, 40), written(2, 300)].concat();
        for len in 0..log.len() {
            assert!(!matches!(end_of(&log[..len]), End::Damaged(_)), "cut to {len}");
        }
        let zeros = [&log[..107], &[0; 500]].concat();
        assert_eq!(end_of(&zeros), End::BreaksOff(107));
    }

    #[test]
    fn a_flipped_bit_anywhere_is_damage() {
        let log: Vec<u8> = [written(1, 100), written(1, 40), written(1, 300)].concat();
        assert_eq!(end_of(&log), End::Whole);
        for bit in 0..log.len() * 8 {
            let mut flipped = log.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(end_of(&flipped), End::Damaged(_)), "bit {bit}");
        }
    }
}
