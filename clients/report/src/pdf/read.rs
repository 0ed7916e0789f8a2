//! Takes the attachments out of a paper again. What is read is nobody's word: it is bounded, and nothing of it is a path.

use std::fmt;
use std::io::Read as _;

use flate2::read::ZlibDecoder;

use super::certificate::{MAX_STATEMENTS, STATEMENT};
use super::objects::{File, Object};
use super::{BUNDLE, MANIFEST, POLICY, REPORT};

/// Largest paper, in bytes.
pub const MAX_PDF_BYTES: u64 = 1 << 30;
/// Most bytes that packed attachments come to, all together. A bundle is packed already and lies there as it is.
const MAX_UNPACKED: u64 = 256 << 20;
/// Most attachments of a report: one of each name.
const MAX_FILES: usize = 4;

/// Why attachments cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// It is longer than [`MAX_PDF_BYTES`].
    #[error("the file is larger than {MAX_PDF_BYTES} bytes")]
    TooLarge,
    /// It is no PDF, is broken, or is not written as our papers are: another program saved it anew.
    #[error(
        "the file is no PDF as these papers are written; one that another program saved anew is none any more"
    )]
    NotPdf,
    /// It has no attachments of ours.
    #[error("`{0}` is not attached")]
    Missing(&'static str),
    /// Two attachments have one name.
    #[error("`{0}` is attached twice")]
    Doubled(String),
    /// An attachment has a name that no report has.
    #[error("`{0}` is no attachment of a report")]
    Unknown(String),
    /// The places that name an attachment contradict each other.
    #[error("`{0}` is named in another way, or is another file, in another place")]
    Contradicts(String),
    /// Its stated length is not its length.
    #[error("`{name}` has {found} bytes, and the file says {stated}")]
    Length {
        /// Which one.
        name: String,
        /// As the PDF has it.
        stated: u64,
        /// As it is.
        found: u64,
    },
    /// It cannot be unpacked, or is larger than may be.
    #[error("`{0}` cannot be unpacked within the limits")]
    Packed(String),
}

/// The attachments with their names: the bundle, the report, the manifest, and the policy if there is one.
///
/// # Errors
/// [`ReadError`] with the first thing that is wrong.
pub fn attachments(pdf: &[u8]) -> Result<Vec<(&'static str, Vec<u8>)>, ReadError> {
    let of_report = |key: &str| [BUNDLE, REPORT, POLICY, MANIFEST].into_iter().find(|name| *name == key);
    let files = listed(pdf, MAX_FILES, of_report)?;
    for name in [MANIFEST, BUNDLE, REPORT] {
        if !files.iter().any(|(other, _)| *other == name) {
            return Err(ReadError::Missing(name));
        }
    }
    Ok(files)
}

/// The signed statements of a certificate with their proofs (C2SP tlog-proof), by the names under which they are attached:
/// `<entry>.tlog-proof`.
///
/// # Errors
/// [`ReadError`] with the first thing that is wrong.
pub fn statements(pdf: &[u8]) -> Result<Vec<(String, Vec<u8>)>, ReadError> {
    let of_certificate = |key: &str| is_statement(key).then(|| key.to_owned());
    listed(pdf, MAX_STATEMENTS, of_certificate)
}

/// Whether an attachment of this name is a statement of a certificate.
pub fn is_statement(name: &str) -> bool {
    let entry = name.strip_suffix(STATEMENT).unwrap_or_default();
    !entry.is_empty() && entry.bytes().all(|b| b.is_ascii_digit())
}

/// At most so many attachments, all with names that are ours.
fn listed<N: AsRef<str>>(
    pdf: &[u8],
    most: usize,
    ours: impl Fn(&str) -> Option<N>,
) -> Result<Vec<(N, Vec<u8>)>, ReadError> {
    if pdf.len() as u64 > MAX_PDF_BYTES {
        return Err(ReadError::TooLarge);
    }
    let file = File::open(pdf).ok_or(ReadError::NotPdf)?;
    let catalog = file.catalog().ok_or(ReadError::NotPdf)?;
    let tree = file.below(&catalog, "Names").and_then(|names| file.below(&names, "EmbeddedFiles"));
    // One flat list: that is how they are written, and it leaves no room for two trees that differ.
    let list = tree.and_then(|tree| file.below(&tree, "Names")).ok_or(ReadError::Missing(MANIFEST))?;
    let Object::Array(list) = list else { return Err(ReadError::NotPdf) };
    let mut room = Room { raw: pdf.len() as u64, unpacked: MAX_UNPACKED };
    let mut files: Vec<(N, Vec<u8>)> = Vec::new();
    for pair in list.chunks(2) {
        let [key, spec] = pair else { return Err(ReadError::NotPdf) };
        let key = String::from_utf8_lossy(key.text().ok_or(ReadError::NotPdf)?).into_owned();
        let Some(name) = ours(&key) else {
            return Err(ReadError::Unknown(key));
        };
        if files.iter().any(|(other, _)| other.as_ref() == key) {
            return Err(ReadError::Doubled(key));
        }
        if files.len() == most {
            return Err(ReadError::Unknown(key));
        }
        let spec = file.follow(spec).ok_or(ReadError::NotPdf)?;
        files.push((name, content(&file, &key, &spec, &mut room)?));
    }
    Ok(files)
}

/// What attachments may still come to. Several may name one stream: a small file must not become a large one by that.
struct Room {
    raw: u64,
    unpacked: u64,
}

/// What one attachment holds.
fn content(file: &File<'_>, name: &str, spec: &Object<'_>, room: &mut Room) -> Result<Vec<u8>, ReadError> {
    let contradicts = || ReadError::Contradicts(name.to_owned());
    for key in ["F", "UF"] {
        if spec.get(key).and_then(Object::text) != Some(name.as_bytes()) {
            return Err(contradicts());
        }
    }
    let files = file.below(spec, "EF").ok_or_else(contradicts)?;
    let of = |key: &str| files.get(key).and_then(Object::reference);
    let stream = of("F").filter(|stream| of("UF") == Some(*stream)).ok_or_else(contradicts)?;
    let (dict, raw) = file.stream(stream).ok_or_else(contradicts)?;
    let stated =
        file.below(&dict, "Params").and_then(|params| params.get("Size")?.int()).ok_or_else(contradicts)?;
    let bytes = unpacked(name, &dict, raw, (stated, room))?;
    let found = bytes.len() as u64;
    if stated != found {
        return Err(ReadError::Length { name: name.to_owned(), stated, found });
    }
    Ok(bytes)
}

fn unpacked(
    name: &str,
    dict: &Object<'_>,
    raw: &[u8],
    (stated, room): (u64, &mut Room),
) -> Result<Vec<u8>, ReadError> {
    let fault = || ReadError::Packed(name.to_owned());
    room.raw = room.raw.checked_sub(raw.len() as u64).ok_or_else(fault)?;
    match dict.get("Filter") {
        None => return Ok(raw.to_vec()),
        Some(Object::Name(b"FlateDecode")) if dict.get("DecodeParms").is_none() => {}
        Some(_) => return Err(fault()),
    }
    // No more than the file says itself, and one byte so that what is longer is found to be.
    room.unpacked = room.unpacked.checked_sub(stated).ok_or_else(fault)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(stated as usize + 1).map_err(|_| fault())?;
    ZlibDecoder::new(raw).take(stated + 1).read_to_end(&mut bytes).map_err(|_| fault())?;
    if bytes.len() as u64 > stated { Err(fault()) } else { Ok(bytes) }
}

/// Where a paper differs from the one that its attachments give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// A page, counted from 1, does not show the same.
    Page(usize),
    /// Fonts, pictures, structure, metadata or the number of pages differ from this byte on.
    Byte(usize),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Page(page) => write!(f, "page {page} shows something else"),
            Self::Byte(byte) => {
                write!(
                    f,
                    "fonts, pictures, structure, metadata or the number of pages differ from byte {byte} on"
                )
            }
        }
    }
}

/// Where a paper differs first from the one that it should be. `None`: they are the same, byte for byte.
///
/// Only the second one is looked into: it is our own.
pub fn difference(found: &[u8], wanted: &[u8]) -> Option<Difference> {
    let byte = found.iter().zip(wanted).position(|(a, b)| a != b);
    let byte = match byte {
        None if found.len() == wanted.len() => return None,
        None => found.len().min(wanted.len()),
        Some(byte) => byte,
    };
    let pages = File::open(wanted).map(|file| file.pages()).unwrap_or_default();
    let page = pages.iter().position(|content| content.contains(&byte));
    Some(page.map_or(Difference::Byte(byte), |page| Difference::Page(page + 1)))
}

/// How many pages a paper of ours has.
pub(super) fn pages(pdf: &[u8]) -> usize {
    File::open(pdf).map_or(0, |file| file.pages().len())
}
