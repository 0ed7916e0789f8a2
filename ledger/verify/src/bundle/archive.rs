//! The archive: ustar (POSIX.1-1988) in gzip (RFC 1952). A list of parts has one form but for the way it is compressed.

use std::io::{self, BufRead, BufReader, Read, Write};

use daicho_tlog::tile::{Kind, Tile};
use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;

use super::{BundleError, MAGIC, MAX_PACKED_BYTES, MAX_UNPACKED_BYTES};

const BLOCK: usize = 512;
/// Longest name of a part: what fits into a header without a prefix.
const MAX_NAME: usize = 99;

pub(super) const MANIFEST: &str = "manifest.json";
pub(super) const CHECKPOINT: &str = "checkpoint";
pub(super) const REPORT: &str = "claim/report.json";

/// Name of a token, from 1.
pub(super) fn timestamp(number: usize) -> String {
    format!("timestamps/{number}.tsr")
}

/// Name of a receipt.
pub(super) fn receipt(index: u64) -> String {
    format!("entries/{index}.tlog-proof")
}

/// Where a part stands among the others. `None` for what is no part.
fn rank(name: &str) -> Option<(u8, u64)> {
    let number = |text: &str| text.parse::<u64>().ok().filter(|n| n.to_string() == text);
    match name {
        MANIFEST => Some((0, 0)),
        CHECKPOINT => Some((1, 0)),
        REPORT => Some((4, 0)),
        _ => {
            if let Some(rest) = name.strip_prefix("timestamps/") {
                return Some((2, number(rest.strip_suffix(".tsr")?)?));
            }
            if let Some(rest) = name.strip_prefix("entries/") {
                return Some((3, number(rest.strip_suffix(".tlog-proof")?)?));
            }
            let tile: Tile = name.parse().ok()?;
            (tile.kind == Kind::Entries).then_some((3, tile.index))
        }
    }
}

/// The header of a part: a plain file of mode 644, without owner and time.
fn header(name: &str, size: u64) -> io::Result<tar::Header> {
    let mut header = tar::Header::new_ustar();
    header.set_path(name)?;
    header.set_size(size);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_entry_type(tar::EntryType::Regular);
    header.set_cksum();
    Ok(header)
}

fn padding(size: u64) -> usize {
    (BLOCK - (size % BLOCK as u64) as usize) % BLOCK
}

/// Writes parts.
pub(super) struct ArchiveWriter<W: Write> {
    out: GzEncoder<W>,
}

impl<W: Write> ArchiveWriter<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out: GzEncoder::new(out, Compression::default()) }
    }

    pub(super) fn part(&mut self, name: &str, bytes: &[u8]) -> Result<(), BundleError> {
        let size = bytes.len() as u64;
        let mut write = || {
            self.out.write_all(header(name, size)?.as_bytes())?;
            self.out.write_all(bytes)?;
            self.out.write_all(&[0; BLOCK][..padding(size)])
        };
        write().map_err(|error| BundleError::Io(error.to_string()))
    }

    pub(super) fn finish(mut self) -> Result<W, BundleError> {
        let end = self.out.write_all(&[0; 2 * BLOCK]).and_then(|()| self.out.finish());
        end.map_err(|error| BundleError::Io(error.to_string()))
    }
}

/// Reads parts that must come in an order that the caller knows.
pub(super) struct ArchiveReader<R: Read> {
    input: GzDecoder<io::Chain<&'static [u8], BufReader<Metered<R>>>>,
    /// Bytes unpacked so far.
    unpacked: u64,
    /// Name and size of the part whose header was read and whose bytes were not.
    next: Option<(String, u64)>,
}

impl<R: Read> ArchiveReader<R> {
    pub(super) fn new(input: R) -> Result<Self, BundleError> {
        let mut input = BufReader::new(Metered { input, left: MAX_PACKED_BYTES });
        let mut magic = [0; MAGIC.len()];
        match input.read_exact(&mut magic) {
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
                return Err(fault(&error, "the file"));
            }
            Ok(()) if magic == MAGIC => {}
            _ => return Err(BundleError::NotABundle),
        }
        Ok(Self { input: GzDecoder::new(MAGIC[..].chain(input)), unpacked: 0, next: None })
    }

    /// The bytes of the next part, which must have this name and at most so many bytes.
    pub(super) fn part(&mut self, name: &str, limit: u64) -> Result<Vec<u8>, BundleError> {
        let Some((found, size)) = self.peek(name)? else {
            return Err(BundleError::Missing { part: name.to_owned() });
        };
        if found != name {
            return Err(match (rank(&found), rank(name)) {
                (Some(found_at), Some(wanted)) if found_at > wanted => {
                    BundleError::Missing { part: name.to_owned() }
                }
                (Some(found_at), Some(wanted)) if found_at < wanted => BundleError::Doubled { part: found },
                _ => BundleError::Unknown { part: found },
            });
        }
        if size > limit {
            return Err(BundleError::TooLarge { part: found, limit });
        }
        let padded = size + padding(size) as u64;
        self.count(padded)?;
        // Not reserved at once: the size is only what the header says.
        let mut bytes = Vec::new();
        (&mut self.input).take(padded).read_to_end(&mut bytes).map_err(|error| fault(&error, name))?;
        if (bytes.len() as u64) < padded {
            return Err(BundleError::Truncated { part: found });
        }
        if bytes.drain(size as usize..).any(|byte| byte != 0) {
            return Err(BundleError::Header { part: found });
        }
        self.next = None;
        Ok(bytes)
    }

    /// There must be nothing more.
    pub(super) fn end(mut self) -> Result<(), BundleError> {
        if let Some((part, _)) = self.peek("the end")? {
            return Err(match rank(&part) {
                Some(_) => BundleError::Doubled { part },
                None => BundleError::Unknown { part },
            });
        }
        let mut one = [0];
        match self.input.read(&mut one) {
            Ok(0) => {}
            Ok(_) => return Err(BundleError::Trailing),
            Err(error) => return Err(fault(&error, "the end")),
        }
        match self.input.get_mut().fill_buf() {
            Ok([]) => Ok(()),
            Ok(_) => Err(BundleError::Trailing),
            Err(error) => Err(fault(&error, "the end")),
        }
    }

    /// Name and size of the next part; `None` at the end.
    fn peek(&mut self, wanted: &str) -> Result<Option<(String, u64)>, BundleError> {
        if let Some(next) = &self.next {
            return Ok(Some(next.clone()));
        }
        let block = self.block(wanted)?;
        if block == [0; BLOCK] {
            return if self.block(wanted)? == [0; BLOCK] { Ok(None) } else { Err(BundleError::Trailing) };
        }
        let name = block.split(|byte| *byte == 0).next().unwrap_or_default();
        let shown = String::from_utf8_lossy(&name[..name.len().min(MAX_NAME)]).into_owned();
        let bad = || BundleError::Header { part: shown.chars().filter(|c| !c.is_control()).collect() };
        if name.is_empty() || name.len() > MAX_NAME || !name.iter().all(u8::is_ascii_graphic) {
            return Err(bad());
        }
        let mut stated = tar::Header::new_ustar();
        stated.as_mut_bytes().copy_from_slice(&block);
        let size = stated.entry_size().map_err(|_| bad())?;
        // Whatever else a header can say, of links, owners, other types, is another header than this one.
        let only = header(&shown, size).map_err(|_| bad())?;
        if only.as_bytes()[..] != block[..] {
            return Err(bad());
        }
        self.next = Some((shown, size));
        Ok(self.next.clone())
    }

    fn block(&mut self, wanted: &str) -> Result<[u8; BLOCK], BundleError> {
        self.count(BLOCK as u64)?;
        let mut block = [0; BLOCK];
        self.input.read_exact(&mut block).map_err(|error| fault(&error, wanted))?;
        Ok(block)
    }

    fn count(&mut self, bytes: u64) -> Result<(), BundleError> {
        self.unpacked = self.unpacked.saturating_add(bytes);
        if self.unpacked > MAX_UNPACKED_BYTES {
            return Err(BundleError::TooLarge { part: "unpacked".to_owned(), limit: MAX_UNPACKED_BYTES });
        }
        Ok(())
    }
}

/// What a failed read means.
fn fault(error: &io::Error, part: &str) -> BundleError {
    if error.get_ref().is_some_and(|inner| inner.is::<Exceeded>()) {
        return BundleError::TooLarge { part: "packed".to_owned(), limit: MAX_PACKED_BYTES };
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof => BundleError::Truncated { part: part.to_owned() },
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => BundleError::Gzip(error.to_string()),
        _ => BundleError::Io(error.to_string()),
    }
}

/// Stops after so many bytes, with an error of its own.
struct Metered<R> {
    input: R,
    left: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("more bytes than a bundle may have")]
struct Exceeded;

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| io::Error::other(Exceeded))?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(parts: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = ArchiveWriter::new(Vec::new());
        for (name, bytes) in parts {
            writer.part(name, bytes).expect("memory does not fail");
        }
        writer.finish().expect("memory does not fail")
    }

    #[test]
    fn parts_come_back_and_the_same_parts_give_the_same_bytes() {
        let big = vec![7; 1_025];
        let parts: [(&str, &[u8]); 3] =
            [(MANIFEST, b"{}"), (CHECKPOINT, b""), ("tile/entries/000.p/3", &big)];
        let bytes = archive(&parts);
        assert_eq!(bytes, archive(&parts));
        assert_eq!(bytes[..MAGIC.len()], MAGIC);
        let mut reader = ArchiveReader::new(bytes.as_slice()).expect("own bytes");
        for (name, content) in parts {
            assert_eq!(reader.part(name, 2_000).as_deref(), Ok(content), "{name}");
        }
        assert_eq!(reader.end(), Ok(()));
    }

    #[test]
    fn other_programs_can_open_it() {
        let bytes = archive(&[(MANIFEST, b"{}"), ("tile/entries/x001/234", b"abc")]);
        let mut theirs = tar::Archive::new(flate2::read::GzDecoder::new(bytes.as_slice()));
        let read: Vec<(String, Vec<u8>)> = theirs
            .entries()
            .expect("an archive")
            .map(|entry| {
                let mut entry = entry.expect("an entry");
                let mut content = Vec::new();
                entry.read_to_end(&mut content).expect("its bytes");
                (entry.path().expect("a path").display().to_string(), content)
            })
            .collect();
        let expected = [(MANIFEST, &b"{}"[..]), ("tile/entries/x001/234", b"abc")];
        assert_eq!(read, expected.map(|(name, bytes)| (name.to_owned(), bytes.to_vec())));
    }

    #[test]
    fn headers_that_say_anything_else_are_refused() {
        let change = |change: &dyn Fn(&mut tar::Header)| {
            let mut head = header(MANIFEST, 0).expect("a header");
            change(&mut head);
            head.set_cksum();
            let mut packed = GzEncoder::new(Vec::new(), Compression::default());
            packed.write_all(head.as_bytes()).expect("memory");
            packed.write_all(&[0; 2 * BLOCK]).expect("memory");
            let bytes = packed.finish().expect("memory");
            ArchiveReader::new(bytes.as_slice()).and_then(|mut reader| reader.part(MANIFEST, 10))
        };
        assert_eq!(change(&|_| {}), Ok(Vec::new()));
        let refused = Err(BundleError::Header { part: MANIFEST.to_owned() });
        assert_eq!(change(&|h| h.set_mtime(1)), refused);
        assert_eq!(change(&|h| h.set_uid(1)), refused);
        assert_eq!(change(&|h| h.set_mode(0o755)), refused);
        for kind in [tar::EntryType::Symlink, tar::EntryType::Link, tar::EntryType::Directory] {
            assert_eq!(change(&|h| h.set_entry_type(kind)), refused);
        }
        assert_eq!(change(&|h| h.as_mut_bytes()[124] = b'x'), refused);
        assert_eq!(change(&|h| h.as_mut_bytes()[400] = b'x'), refused);
        let sneaky = change(&|h| h.as_mut_bytes()[..5].copy_from_slice(b"../et"));
        assert_eq!(sneaky, Err(BundleError::Unknown { part: "../etest.json".to_owned() }));
    }

    #[test]
    fn limits_ends_and_order_each_have_their_error() {
        let bytes = archive(&[(MANIFEST, &[1; 600]), (CHECKPOINT, b"c")]);
        let open = |bytes: &[u8]| ArchiveReader::new(bytes).map(|_| ());
        assert_eq!(open(b""), Err(BundleError::NotABundle));
        assert_eq!(open(b"PK\x03\x04 and more than ten"), Err(BundleError::NotABundle));
        let read = |bytes: &[u8], wanted: &[(&str, u64)]| {
            let mut reader = ArchiveReader::new(bytes)?;
            wanted.iter().try_for_each(|(name, limit)| reader.part(name, *limit).map(drop))?;
            reader.end()
        };
        let all = [(MANIFEST, 600), (CHECKPOINT, 1)];
        assert_eq!(read(&bytes, &all), Ok(()));
        let large = BundleError::TooLarge { part: MANIFEST.to_owned(), limit: 599 };
        assert_eq!(read(&bytes, &[(MANIFEST, 599)]), Err(large));
        assert_eq!(read(&bytes, &all[..1]), Err(BundleError::Doubled { part: CHECKPOINT.to_owned() }));
        assert_eq!(read(&bytes, &all[1..]), Err(BundleError::Doubled { part: MANIFEST.to_owned() }));
        let missing = BundleError::Missing { part: CHECKPOINT.to_owned() };
        assert_eq!(read(&archive(&[(MANIFEST, b"")]), &all), Err(missing.clone()));
        assert_eq!(read(&archive(&[(MANIFEST, b""), (REPORT, b"")]), &all), Err(missing));
        let twice = BundleError::Doubled { part: MANIFEST.to_owned() };
        assert_eq!(read(&archive(&[(MANIFEST, b""), (MANIFEST, b"")]), &all), Err(twice));
        let unknown = BundleError::Unknown { part: "virus.exe".to_owned() };
        assert_eq!(read(&archive(&[(MANIFEST, b""), ("virus.exe", b"")]), &all), Err(unknown));
        assert_eq!(read(&[&bytes[..], b"x"].concat(), &all), Err(BundleError::Trailing));
        assert_eq!(read(&[&bytes[..], &bytes[..]].concat(), &all), Err(BundleError::Trailing));
        for at in 0..bytes.len() {
            assert!(read(&bytes[..at], &all).is_err(), "cut at {at}");
        }
    }
}
