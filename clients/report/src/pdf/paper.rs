//! Papers and their proof: makes one from a report and its evidence bundle, and verifies one from its bytes and a policy.

use daicho_core::Instant;
use daicho_custody::DeletionReport;
use daicho_tlog::Policy;
use daicho_tlog::policy::Cosigned;
use daicho_verify::bundle::{BundleError, BundleReport, Claim, Proven, standing, verify};

use super::manifest::{Manifest, ManifestError};
use super::read::{self, Difference, ReadError, difference};
use super::{BUNDLE, MANIFEST, POLICY, Paper, PdfError, REPORT, Witnessed, program, render, report_json};
use crate::Lang;

/// Why a paper is not made, or proves nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PaperError {
    /// Its attachments cannot be taken out.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Its attachments are not those that it lists.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The attached bundle does not hold.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The attached bundle holds, but claims something else.
    #[error("the attached bundle is not about a deletion report")]
    OtherClaim,
    /// The attached report is not what the entries of the bundle give.
    #[error("the attached report is not what the entries of the attached bundle give")]
    ReportDiffers,
    /// The attached bundle and report hold; the pages were drawn by a program that this one cannot follow.
    #[error("the pages were drawn by `{theirs}` and this is `{}`: verify with that one", program())]
    OtherProgram {
        /// What the manifest names.
        theirs: String,
    },
    /// The attached policy is none.
    #[error("the policy cannot be read: {0}")]
    Policy(String),
    /// The pages cannot be drawn.
    #[error(transparent)]
    Set(#[from] PdfError),
    /// The pages are not what the attached files give.
    #[error("the file is not what its attachments give: {0}")]
    Differs(Difference),
}

/// A paper whose every byte follows from the bundle inside it.
#[derive(Debug)]
pub struct ProvenPaper<'p> {
    /// What the bundle proves, under the policy of whoever verifies.
    pub bundle: BundleReport<'p>,
    /// What is attached.
    pub manifest: Manifest,
    /// The policy by which the cover names witnesses.
    pub policy: Option<Vec<u8>>,
    /// Number of pages.
    pub pages: usize,
}

/// The paper of a report. The same for whoever makes it and for whoever verifies it.
///
/// With a policy it says who witnessed the checkpoint, also when they are too few; without one that nobody checked.
///
/// # Errors
/// [`PaperError`] when the bundle or the policy cannot be read, when they are of different ledgers, or when a signature
/// that the policy knows does not hold.
pub fn draw(
    report: &DeletionReport,
    lang: Lang,
    bundle: Vec<u8>,
    policy: Option<Vec<u8>>,
) -> Result<Vec<u8>, PaperError> {
    let parsed = policy.as_deref().map(Policy::parse).transpose();
    let parsed = parsed.map_err(|error| PaperError::Policy(error.to_string()))?;
    let standing = standing(bundle.as_slice(), parsed.as_ref())?;
    let witnessed = parsed.as_ref().zip(standing.trust.as_ref()).map(|(policy, trust)| Witnessed {
        cosigned: trust.witnesses.iter().filter_map(cosigned).collect(),
        stamped: standing.timestamps.iter().map(|stamp| (stamp.tsa.clone(), stamp.gen_time)).collect(),
        quorum_met: policy.quorum().map(|_| trust.shortfall.is_none()),
    });
    let root = standing.checkpoint.checkpoint().root().to_string();
    Ok(render(&Paper { report, lang, root, witnessed, bundle, policy })?)
}

fn cosigned(one: &Cosigned<'_>) -> Option<(String, Instant)> {
    let time = Instant::from_unix_ms(i64::try_from(one.timestamp).ok()?.checked_mul(1000)?)?;
    Some((one.witness.name.to_string(), time))
}

/// Verifies a paper: takes the attachments out, replays the bundle under `policy`, computes the report again, draws the
/// paper again and compares every byte.
///
/// # Errors
/// [`PaperError`] with the first check that fails.
pub fn verify_paper<'p>(pdf: &[u8], policy: &'p Policy) -> Result<ProvenPaper<'p>, PaperError> {
    let files = read::attachments(pdf)?;
    let of = |name: &str| files.iter().find(|(other, _)| *other == name).map(|(_, bytes)| bytes.as_slice());
    let listed: Vec<(&str, &[u8])> =
        files.iter().filter(|(name, _)| *name != MANIFEST).map(|(name, b)| (*name, b.as_slice())).collect();
    let (manifest, lang) = Manifest::check(of(MANIFEST).unwrap_or_default(), &listed)?;
    let packed = of(BUNDLE).unwrap_or_default();
    let bundle = verify(packed, policy)?;
    let (Claim::DeletionReport(_), Proven::Complete { report, .. }) = (&bundle.claim, &bundle.proven) else {
        return Err(PaperError::OtherClaim);
    };
    if of(REPORT) != Some(report_json(report)?.as_slice()) {
        return Err(PaperError::ReportDiffers);
    }
    if manifest.program != program() {
        return Err(PaperError::OtherProgram { theirs: manifest.program });
    }
    let policy = of(POLICY).map(<[u8]>::to_vec);
    let again = draw(report, lang, packed.to_vec(), policy.clone())?;
    if let Some(difference) = difference(pdf, &again) {
        return Err(PaperError::Differs(difference));
    }
    Ok(ProvenPaper { bundle, manifest, policy, pages: read::pages(pdf) })
}
