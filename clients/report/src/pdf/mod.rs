//! Reports on paper: PDF/A-3a, with everything that proves them attached inside.
//!
//! [`render`] is a pure function: the same report, words and attachments give the same bytes on every machine, as long
//! as the program is of the same version ([`program`]). That is how a paper is checked: whoever has its attachments
//! computes the report again, renders it again and compares.

mod certificate;
mod manifest;
mod objects;
mod paper;
mod read;
mod report;
mod rich;
mod set;

use daicho_core::Instant;
use daicho_custody::DeletionReport;
use serde_json::json;

use crate::Lang;

pub use certificate::{CertificatePaper, ErasedCopy, Erasure, Form, MAX_STATEMENTS, render_certificate};
pub use manifest::{FileRecord, Manifest, ManifestError};
pub use paper::{PaperError, ProvenPaper, draw, verify_paper};
pub use read::{Difference, MAX_PDF_BYTES, ReadError, attachments, difference, is_statement, statements};

/// What makes a document, as it stands in its metadata and in its manifest. Another one draws another paper.
///
/// Raise the number whenever the same report would give other bytes: `tests/paper.rs` holds the hashes of two papers.
pub fn program() -> String {
    format!("daicho {} report-pdf/9 typst/{}", env!("CARGO_PKG_VERSION"), typst::utils::version().raw())
}

/// Name of the attached evidence bundle.
pub const BUNDLE: &str = "evidence.bundle";
/// Name of the attached report, as computed.
pub const REPORT: &str = "report.json";
/// Name of the attached trust policy.
pub const POLICY: &str = "policy.txt";
/// Name of the attached list of the other attachments.
pub const MANIFEST: &str = "manifest.json";

/// Why a document cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PdfError {
    /// The typesetter refuses: a fault of this program, or a standard that cannot be kept.
    #[error("the document cannot be set: {0}")]
    Set(String),
}

/// A file inside a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its name: in a report one of those of this module.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// Who saw the checkpoint under a report, as the attached policy has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witnessed {
    /// Witnesses with the times at which they cosigned.
    pub cosigned: Vec<(String, Instant)>,
    /// Authorities with the times that they certify.
    pub stamped: Vec<(String, Instant)>,
    /// Whether those are enough. `None`: the policy asks for none.
    pub quorum_met: Option<bool>,
}

/// What a paper shows besides the report itself.
#[derive(Debug, Clone)]
pub struct Paper<'p> {
    /// The report.
    pub report: &'p DeletionReport,
    /// The language of the paper.
    pub lang: Lang,
    /// Root of the tree over the entries behind the report, as the checkpoint states it, in base64.
    pub root: String,
    /// What the witnesses of the attached policy say. `None`: no policy is attached, and no witness was checked.
    pub witnessed: Option<Witnessed>,
    /// The evidence bundle, as it lies on the disk.
    pub bundle: Vec<u8>,
    /// The trust policy.
    pub policy: Option<Vec<u8>>,
}

/// The attached form of a report: what `--format json` writes.
///
/// # Errors
/// Never for a report that was computed.
pub fn report_json(report: &DeletionReport) -> Result<Vec<u8>, PdfError> {
    let mut bytes = serde_json::to_vec_pretty(report).map_err(|e| PdfError::Set(e.to_string()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The paper as PDF/A-3a.
///
/// # Errors
/// [`PdfError`] when it cannot be set.
pub fn render(paper: &Paper<'_>) -> Result<Vec<u8>, PdfError> {
    let mut attachments = vec![
        Attachment { name: BUNDLE.to_owned(), bytes: paper.bundle.clone() },
        Attachment { name: REPORT.to_owned(), bytes: report_json(paper.report)? },
    ];
    attachments.extend(
        paper.policy.iter().map(|policy| Attachment { name: POLICY.to_owned(), bytes: policy.clone() }),
    );
    let manifest = Manifest::of(paper.lang, &attachments);
    let view = report::view(paper, &manifest);
    attachments.push(Attachment { name: MANIFEST.to_owned(), bytes: manifest.to_bytes() });
    let r = paper.report;
    set::set(set::Job {
        template: include_str!("report.typ"),
        view: json!(view),
        attachments: &attachments,
        ident: format!(
            "daicho deletion report {} {} {} {} {} {} {}",
            r.ledger.origin,
            r.scheme.id,
            r.period.from,
            r.period.to,
            r.as_of,
            r.ledger.size,
            paper.lang.tag()
        ),
        time: r.as_of,
    })
}

/// Everything that a paper says, as its template gets it. All of it can be drawn.
#[cfg(test)]
pub(crate) fn shown(report: &DeletionReport, witnessed: Option<Witnessed>, lang: crate::Lang) -> String {
    let (root, bundle) = ("the root of the tree".to_owned(), b"the evidence".to_vec());
    let paper = Paper { report, lang, root, witnessed, bundle, policy: None };
    let attachments = [Attachment { name: BUNDLE.to_owned(), bytes: paper.bundle.clone() }];
    let view = json!(report::view(&paper, &Manifest::of(lang, &attachments)));
    let mut drawn = view.clone();
    set::clean(&mut drawn);
    assert_eq!(view, drawn, "the fonts have no such character");
    view.to_string()
}
