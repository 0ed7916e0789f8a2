//! Papers: PDF files that carry their proof as attachments.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::LazyLock;

use daicho_report::pdf::{
    BUNDLE, FileRecord, MANIFEST, Manifest, POLICY, REPORT, ReadError, attachments, difference, is_statement,
    statements,
};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use serde_json::json;

use crate::assert_same;
use crate::evidence::{receipts, selective};
use crate::large::LEN;

/// What is attached to a report, and the list of it.
static FILES: LazyLock<Vec<(&str, Vec<u8>)>> = LazyLock::new(|| {
    let mut files =
        vec![(BUNDLE, selective()), (REPORT, b"{}\n".to_vec()), (POLICY, b"quorum none\n".to_vec())];
    let records: Vec<FileRecord> = files.iter().map(|(name, bytes)| FileRecord::of(name, bytes)).collect();
    let manifest =
        json!({ "format": "daicho-report-pdf/1", "program": "fuzz", "lang": "ja", "files": records });
    files.push((MANIFEST, written(&serde_json::from_value(manifest).expect("a manifest"))));
    files
});

static PAPER: LazyLock<Vec<u8>> = LazyLock::new(|| file(&FILES));

/// The input is a file of which nothing is known, read as `daicho verify` reads it.
pub(crate) fn pdf(bytes: &[u8]) -> bool {
    let files = match attachments(bytes) {
        Ok(files) => files,
        Err(ReadError::Unknown(name)) if is_statement(&name) => {
            let Ok(files) = statements(bytes) else { return false };
            assert_once_each(files.iter().map(|(name, _)| name.as_str()));
            return true;
        }
        Err(_) => return false,
    };
    assert_once_each(files.iter().map(|(name, _)| *name));
    let (list, others): (Vec<_>, Vec<_>) = files.iter().partition(|(name, _)| *name == MANIFEST);
    let others: Vec<(&str, &[u8])> = others.iter().map(|(name, bytes)| (*name, &**bytes)).collect();
    // What was changed in it is looked for on its pages.
    assert_eq!(difference(bytes, &PAPER).is_none(), bytes == *PAPER);
    listed(&list[0].1, &others)
}

/// The input is a list of the attachments.
pub(crate) fn manifest(bytes: &[u8]) -> bool {
    let others: Vec<(&str, &[u8])> = FILES[..3].iter().map(|(name, bytes)| (*name, &**bytes)).collect();
    listed(bytes, &others)
}

fn listed(bytes: &[u8], files: &[(&str, &[u8])]) -> bool {
    let Ok((manifest, _)) = Manifest::check(bytes, files) else { return false };
    assert_same(written(&manifest), bytes);
    let mut records: Vec<FileRecord> =
        files.iter().map(|(name, bytes)| FileRecord::of(name, bytes)).collect();
    let mut found = manifest.files;
    for list in [&mut records, &mut found] {
        list.sort_by(|a, b| a.name.cmp(&b.name));
    }
    assert_eq!(found, records, "it lists something else than is attached");
    true
}

fn written(manifest: &Manifest) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(manifest).expect("memory");
    bytes.push(b'\n');
    bytes
}

#[track_caller]
fn assert_once_each<'n>(names: impl Iterator<Item = &'n str>) {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "two attachments of one name");
}

/// A file with an empty page and these attachments.
fn file<N: AsRef<str>>(files: &[(N, Vec<u8>)]) -> Vec<u8> {
    let plain = |bytes: &[u8]| ("", bytes.to_vec(), bytes.len());
    let streams = files.iter().enumerate().map(|(n, (name, bytes))| {
        // Some are packed, as a typesetter does it.
        (name.as_ref(), if n % 2 == 1 { (PACKED, pack(bytes), bytes.len()) } else { plain(bytes) })
    });
    file_of(&streams.collect::<Vec<_>>())
}

const PACKED: &str = "/Filter/FlateDecode";

/// Words in front of a stream, the stream as it lies there, the length that is stated.
type Packed<'p> = (&'p str, Vec<u8>, usize);

/// The same of streams with the words in front of them, as they lie there, and the lengths that are stated.
fn file_of(files: &[(&str, Packed<'_>)]) -> Vec<u8> {
    // Objects in the order of their numbers: these, the names, the streams.
    let (mut names, mut objects) = (String::new(), Vec::new());
    let first = 4 + files.len();
    for (n, (name, _)) in files.iter().enumerate() {
        write!(names, "({name}) {} 0 R ", 4 + n).expect("memory");
        let stream = first + n;
        objects
            .push(format!("<</Type/Filespec/F({name})/UF({name})/EF<</F {stream} 0 R/UF {stream} 0 R>>>>"));
    }
    let head = [
        format!("<</Type/Catalog/Pages 2 0 R/Names<</EmbeddedFiles<</Names[{names}]>>>>>>"),
        "<</Type/Pages/Count 1/Kids[3 0 R]>>".to_owned(),
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>".to_owned(),
    ];
    let objects: Vec<String> = head.into_iter().chain(objects).collect();
    let streams = files.iter().map(|(_, (words, bytes, stated))| {
        stream(&format!("/Type/EmbeddedFile/Params<</Size {stated}>>{words}"), bytes)
    });
    let (mut out, mut places) = (b"%PDF-1.7\n".to_vec(), Vec::new());
    let mut put = |out: &mut Vec<u8>, number: usize, object: &[u8]| {
        places.push((number, out.len()));
        writeln!(out, "{number} 0 obj").expect("memory");
        out.extend_from_slice(object);
        out.extend_from_slice(b"\nendobj\n");
    };
    objects.iter().enumerate().for_each(|(n, object)| put(&mut out, 1 + n, object.as_bytes()));
    streams.enumerate().for_each(|(n, object)| put(&mut out, first + n, &object));
    let count = first + files.len();
    let table = out.len();
    writeln!(out, "xref\n0 {count}\n0000000000 65535 f ").expect("memory");
    places.iter().for_each(|(_, at)| writeln!(out, "{at:010} 00000 n ").expect("memory"));
    writeln!(out, "trailer\n<</Root 1 0 R/Size {count}>>").expect("memory");
    writeln!(out, "startxref\n{table}\n%%EOF").expect("memory");
    out
}

fn stream(words: &str, bytes: &[u8]) -> Vec<u8> {
    let head = format!("<</Length {}{words}>>\nstream\n", bytes.len());
    [head.as_bytes(), bytes, b"\nendstream"].concat()
}

fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut out = ZlibEncoder::new(Vec::new(), Compression::best());
    out.write_all(bytes).expect("memory");
    out.finish().expect("memory")
}

pub(crate) fn pdfs() -> Vec<Vec<u8>> {
    let statements: Vec<(String, Vec<u8>)> =
        (0..).zip(receipts()).map(|(n, bytes)| (format!("{n}.tlog-proof"), bytes)).collect();
    vec![PAPER.clone(), file(&statements)]
}

pub(crate) fn manifests() -> Vec<Vec<u8>> {
    vec![FILES[3].1.clone()]
}

/// So many zeros (whole mebibytes), packed without ever having them all.
fn zeros(len: usize) -> Vec<u8> {
    let mut out = ZlibEncoder::new(Vec::new(), Compression::best());
    let part = vec![0; LEN];
    (0..len / LEN).for_each(|_| out.write_all(&part).expect("memory"));
    out.finish().expect("memory")
}

/// What is small and becomes large, or deep.
pub(crate) fn large_pdfs() -> Vec<(&'static str, Vec<u8>)> {
    const ALLOWED: usize = 256 << 20;
    let (most, more) = (zeros(ALLOWED), zeros(2 * ALLOWED));
    let names: Vec<String> = (0..4).map(|n| format!("{n}.tlog-proof")).collect();
    let of = |name, bytes: &[u8], stated| (name, (PACKED, bytes.to_vec(), stated));
    let statements: Vec<_> = names.iter().map(|name| of(name.as_str(), &most, ALLOWED)).collect();
    // The list of attachments as it is in a paper, with something else in the place of its page.
    let with = |page: &str| {
        let text = b"/MediaBox[0 0 9 9]";
        let at = PAPER.windows(text.len()).position(|part| part == text).expect("a page");
        [&PAPER[..at], page.as_bytes(), &PAPER[at..]].concat()
    };
    let deep = |open: &str, close: &str| {
        let depth = LEN / 2 / (open.len() + close.len());
        with(&format!("/A {}1{}", open.repeat(depth), close.repeat(depth)))
    };
    // Twenty pages in the file, each of them twice under the next.
    let kids =
        (0..20).map(|n| format!("{} 0 obj\n<</Type/Pages/Kids[{1} 0 R {1} 0 R]>>\nendobj\n", 90 + n, 91 + n));
    let last = "110 0 obj\n<</Type/Page/MediaBox[0 0 9 9]>>\nendobj\n";
    let head = "%PDF-1.7\n1 0 obj\n<</Type/Catalog/Pages 90 0 R>>\nendobj\n";
    let tree = format!("{head}{}{last}trailer\n<</Root 1 0 R>>\n", kids.collect::<String>());
    let objects = stream(&format!("/Type/ObjStm/N 1/First 4{PACKED}"), &more);
    let objects = [head.as_bytes(), b"9 0 obj\n", &objects, b"\nendobj\ntrailer\n<</Root 1 0 R>>\n"].concat();
    vec![
        ("an attachment that unpacks", file_of(&[of(MANIFEST, &more, 9)])),
        ("attachments that unpack", file_of(&statements)),
        ("objects that unpack", objects),
        ("pages of pages", tree.into_bytes()),
        ("arrays in arrays", deep("[", "]")),
        ("dictionaries in dictionaries", deep("<</A ", ">>")),
    ]
}
