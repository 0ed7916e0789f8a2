//! Sets a template with values: typst as a library, with the fonts of this crate and no other file.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use daicho_core::Instant;
use serde_json::Value;
use typst::diag::{FileError, FileResult, SourceDiagnostic};
use typst::foundations::{Bytes, Datetime, Duration, Smart};
use typst::syntax::{FileId, RootedPath, Source, VirtualPath, VirtualRoot};
use typst::text::{Font, FontBook};
use typst::utils::LazyHash;
use typst::{Library, LibraryExt as _, World};
use typst_layout::PagedDocument;
use typst_pdf::{PdfOptions, PdfStandard, PdfStandards, Timestamp};

use super::{Attachment, PdfError, program};

/// Minutes by which Japan is ahead of UTC.
const JST_MINUTES: i32 = 540;

/// What a template is given.
pub(super) struct Job<'j> {
    /// The template that draws.
    pub(super) template: &'static str,
    /// What it reads as `view.json`.
    pub(super) view: Value,
    /// What it attaches.
    pub(super) attachments: &'j [Attachment],
    /// What identifies the document.
    pub(super) ident: String,
    /// The time of the document: never a clock's.
    pub(super) time: Instant,
}

/// The document as PDF/A-3a and PDF/UA-1.
pub(super) fn set(job: Job<'_>) -> Result<Vec<u8>, PdfError> {
    let (ident, time) = (job.ident.clone(), job.time);
    let desk = Desk::new(job)?;
    let document: PagedDocument = typst::compile(&desk).output.map_err(|faults| fault(&faults))?;
    // For archives with attachments (ISO 19005-3) and for those who have it read to them (ISO 14289-1).
    let standards = PdfStandards::new(&[PdfStandard::A_3a, PdfStandard::Ua_1])
        .map_err(|e| PdfError::Set(e.message().to_string()))?;
    let options = PdfOptions {
        ident: Smart::Custom(ident),
        creator: Smart::Custom(Some(program())),
        timestamp: timestamp(time),
        standards,
        tagged: true,
        ..PdfOptions::default()
    };
    let bytes = typst_pdf::pdf(&document, &options).map_err(|faults| fault(&faults))?;
    // What typst remembers between documents would only fill the memory.
    typst::comemo::evict(0);
    Ok(bytes)
}

fn fault(faults: &[SourceDiagnostic]) -> PdfError {
    PdfError::Set(faults.first().map_or_else(String::new, |fault| fault.message.to_string()))
}

fn timestamp(time: Instant) -> Option<Timestamp> {
    let (year, month, day) = time.jst_day().ymd();
    let minute = time.jst_minute_of_day();
    let second = (time.unix_ms() / 1000).rem_euclid(60);
    let [month, day, hour, minute, second] =
        [i64::from(month), i64::from(day), i64::from(minute / 60), i64::from(minute % 60), second]
            .map(|n| u8::try_from(n).unwrap_or(0));
    let datetime = Datetime::from_ymd_hms(year, month, day, hour, minute, second)?;
    Timestamp::new_local(datetime, JST_MINUTES)
}

/// The fonts of the crate. BIZ UDPGothic comes first in the templates, for Latin letters alone.
static FONTS: LazyLock<Vec<Font>> = LazyLock::new(|| {
    let files: [&'static [u8]; 4] = [
        include_bytes!("../../fonts/BIZUDGothic-Regular.ttf"),
        include_bytes!("../../fonts/BIZUDGothic-Bold.ttf"),
        include_bytes!("../../fonts/BIZUDPGothic-Regular.ttf"),
        include_bytes!("../../fonts/BIZUDPGothic-Bold.ttf"),
    ];
    files.into_iter().filter_map(|file| Font::new(Bytes::new(file), 0)).collect()
});

/// Everything that typst may look at.
struct Desk {
    library: LazyHash<Library>,
    book: LazyHash<FontBook>,
    main: FileId,
    sources: BTreeMap<&'static str, Source>,
    files: BTreeMap<String, Bytes>,
}

impl Desk {
    fn new(mut job: Job<'_>) -> Result<Self, PdfError> {
        clean(&mut job.view);
        let main = id("main.typ")?;
        let common = Source::new(id("common.typ")?, include_str!("common.typ").to_owned());
        let sources = BTreeMap::from([
            ("/main.typ", Source::new(main, job.template.to_owned())),
            ("/common.typ", common),
        ]);
        let mut files =
            BTreeMap::from([("/view.json".to_owned(), Bytes::new(job.view.to_string().into_bytes()))]);
        for file in job.attachments {
            files.insert(format!("/attached/{}", file.name), Bytes::new(file.bytes.clone()));
        }
        Ok(Self {
            library: LazyHash::new(Library::default()),
            book: LazyHash::new(FontBook::from_fonts(FONTS.iter())),
            main,
            sources,
            files,
        })
    }
}

fn id(path: &str) -> Result<FileId, PdfError> {
    let path = VirtualPath::new(path).map_err(|e| PdfError::Set(e.to_string()))?;
    Ok(RootedPath::new(VirtualRoot::Project, path).intern())
}

impl World for Desk {
    fn library(&self) -> &LazyHash<Library> {
        &self.library
    }

    fn book(&self) -> &LazyHash<FontBook> {
        &self.book
    }

    fn main(&self) -> FileId {
        self.main
    }

    fn source(&self, id: FileId) -> FileResult<Source> {
        let path = id.vpath().get_with_slash();
        self.sources.get(path).cloned().ok_or_else(|| FileError::NotFound(path.into()))
    }

    fn file(&self, id: FileId) -> FileResult<Bytes> {
        let path = id.vpath().get_with_slash();
        self.files.get(path).cloned().ok_or_else(|| FileError::NotFound(path.into()))
    }

    fn font(&self, index: usize) -> Option<Font> {
        FONTS.get(index).cloned()
    }

    /// A document has the time of what it reports.
    fn today(&self, _: Option<Duration>) -> Option<Datetime> {
        None
    }
}

/// Puts 〓, the printer's mark for a missing character, where the fonts have none: archives refuse empty boxes.
pub(super) fn clean(value: &mut Value) {
    match value {
        Value::String(text) if !text.is_ascii() || text.bytes().any(|b| b < b' ') => {
            *text = text.chars().filter_map(shown).collect();
        }
        Value::Array(list) => list.iter_mut().for_each(clean),
        Value::Object(map) => map.values_mut().for_each(clean),
        _ => {}
    }
}

fn shown(c: char) -> Option<char> {
    match c {
        ' '..='~' => Some(c),
        // Selectors choose a variant of the kanji before them; the kanji itself says the same.
        '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' => None,
        _ if FONTS.first().is_some_and(|font| font.info().coverage.contains(c as u32)) => Some(c),
        _ => Some('〓'),
    }
}
