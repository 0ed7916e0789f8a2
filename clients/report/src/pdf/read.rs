//! Takes the attachments out of a paper again. What is read is nobody's word: it is bounded, and nothing of it is a path.

use std::fmt;
use std::io::Read as _;

use flate2::read::ZlibDecoder;
use hayro_syntax::Pdf;
use hayro_syntax::object::{Array, Dict, Name, Stream, String as PdfString};

use super::certificate::{MAX_STATEMENTS, STATEMENT};
use super::{BUNDLE, MANIFEST, POLICY, REPORT};

/// Largest paper, in bytes.
pub const MAX_PDF_BYTES: u64 = 1 << 30;
/// Largest attachment that is packed, in bytes as unpacked. A bundle is packed already and lies there as it is.
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
    /// It is no PDF, or it is broken or encrypted.
    #[error("the file cannot be read as PDF")]
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
    let pdf = Pdf::new(pdf.to_vec()).map_err(|_| ReadError::NotPdf)?;
    let xref = pdf.xref();
    let catalog: Dict<'_> = xref.get(xref.root_id()).ok_or(ReadError::NotPdf)?;
    let names = catalog.get::<Dict<'_>>("Names").and_then(|names| names.get::<Dict<'_>>("EmbeddedFiles"));
    // One flat list: that is how they are written, and it leaves no room for two trees that differ.
    let list = names.and_then(|tree| tree.get::<Array<'_>>("Names")).ok_or(ReadError::Missing(MANIFEST))?;
    let mut list = list.flex_iter();
    let mut files: Vec<(N, Vec<u8>)> = Vec::new();
    while let Some(key) = list.next::<PdfString<'_>>() {
        let key = String::from_utf8_lossy(key.as_bytes()).into_owned();
        let Some(name) = ours(&key) else {
            return Err(ReadError::Unknown(key));
        };
        if files.iter().any(|(other, _)| other.as_ref() == key) {
            return Err(ReadError::Doubled(key));
        }
        let spec: Dict<'_> = list.next().ok_or(ReadError::NotPdf)?;
        files.push((name, content(&key, &spec)?));
        if files.len() > most {
            return Err(ReadError::Unknown(key));
        }
    }
    Ok(files)
}

/// What one attachment holds.
fn content(name: &str, spec: &Dict<'_>) -> Result<Vec<u8>, ReadError> {
    let contradicts = || ReadError::Contradicts(name.to_owned());
    for key in ["F", "UF"] {
        let text: PdfString<'_> = spec.get(key).ok_or_else(contradicts)?;
        if text.as_bytes() != name.as_bytes() {
            return Err(contradicts());
        }
    }
    let files: Dict<'_> = spec.get("EF").ok_or_else(contradicts)?;
    if files.get_ref("F").is_none() || files.get_ref("F") != files.get_ref("UF") {
        return Err(contradicts());
    }
    let stream: Stream<'_> = files.get("F").ok_or_else(contradicts)?;
    let stated = stream.dict().get::<Dict<'_>>("Params").and_then(|params| params.get::<i64>("Size"));
    let stated = stated.and_then(|size| u64::try_from(size).ok()).ok_or_else(contradicts)?;
    let bytes = unpacked(name, &stream)?;
    let found = bytes.len() as u64;
    if stated != found {
        return Err(ReadError::Length { name: name.to_owned(), stated, found });
    }
    Ok(bytes)
}

fn unpacked(name: &str, stream: &Stream<'_>) -> Result<Vec<u8>, ReadError> {
    let fault = || ReadError::Packed(name.to_owned());
    let raw = stream.raw_data();
    if !stream.dict().contains_key("Filter") {
        return Ok(raw.into_owned());
    }
    let filter: Option<Name<'_>> = stream.dict().get("Filter");
    if filter.is_none_or(|filter| filter.as_str() != "FlateDecode")
        || stream.dict().contains_key("DecodeParms")
    {
        return Err(fault());
    }
    let mut bytes = Vec::new();
    // One byte more than is allowed, so that what is too long is found to be.
    let read = ZlibDecoder::new(raw.as_ref()).take(MAX_UNPACKED + 1).read_to_end(&mut bytes);
    match read {
        Ok(_) if bytes.len() as u64 <= MAX_UNPACKED => Ok(bytes),
        _ => Err(fault()),
    }
}

/// Where two papers differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// They have different numbers of pages.
    Pages {
        /// Pages of the first.
        one: usize,
        /// Pages of the second.
        other: usize,
    },
    /// A page, counted from 1, does not show the same.
    Page(usize),
    /// The pages are drawn by the same words; fonts, pictures, structure or metadata differ from this byte on.
    Byte(usize),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pages { one, other } => write!(f, "it has {one} pages and they give {other}"),
            Self::Page(page) => write!(f, "page {page} shows something else"),
            Self::Byte(byte) => {
                write!(f, "fonts, pictures, structure or metadata differ from byte {byte} on")
            }
        }
    }
}

/// Where two papers differ first. `None`: they are the same, byte for byte.
pub fn difference(one: &[u8], other: &[u8]) -> Option<Difference> {
    let byte = one.iter().zip(other).position(|(a, b)| a != b);
    let byte = match byte {
        None if one.len() == other.len() => return None,
        None => one.len().min(other.len()),
        Some(byte) => byte,
    };
    let (Ok(first), Ok(second)) = (Pdf::new(one.to_vec()), Pdf::new(other.to_vec())) else {
        return Some(Difference::Byte(byte));
    };
    let (first, second) = (first.pages(), second.pages());
    if first.len() != second.len() {
        return Some(Difference::Pages { one: first.len(), other: second.len() });
    }
    let page = first.iter().zip(second.iter()).position(|(a, b)| a.page_stream() != b.page_stream());
    Some(page.map_or(Difference::Byte(byte), |page| Difference::Page(page + 1)))
}

/// How many pages a paper has.
pub(super) fn pages(pdf: &[u8]) -> usize {
    Pdf::new(pdf.to_vec()).map_or(0, |pdf| pdf.pages().len())
}
