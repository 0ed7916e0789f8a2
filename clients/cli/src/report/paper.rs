//! Reports on paper: makes the evidence, and sets it with everything that proves it attached.

use std::path::Path;

use anyhow::Context as _;
use daicho_client::Client;
use daicho_core::Instant;
use daicho_custody::DeletionReport;
use daicho_custody::report::Period;
use daicho_report::pdf::{self, Paper, Witnessed};
use daicho_tlog::Policy;
use daicho_verify::bundle::{BundleError, standing};

use crate::context::Context;
use crate::evidence;
use crate::scheme::Lang;

/// What is put on paper.
pub(super) struct Order<'o> {
    pub(super) scheme: &'o str,
    pub(super) period: Period,
    /// Absent for the present.
    pub(super) as_of: Option<Instant>,
    /// Where the bundle is kept beside the paper, if it is to be.
    pub(super) bundle: Option<&'o Path>,
    pub(super) policy: Option<&'o Path>,
}

/// Makes the evidence bundle of a report and the paper with it.
pub(super) async fn make(client: &Client, order: Order<'_>, context: &Context) -> anyhow::Result<Vec<u8>> {
    let policy = order.policy.map(|path| context.read(path)).transpose()?;
    if let Some(path) = order.policy {
        context.policy(path)?;
    }
    let folder = tempfile::tempdir().with_context(|| context.cannot_write(&std::env::temp_dir()))?;
    let inside = folder.path().join(pdf::BUNDLE);
    let file = order.bundle.unwrap_or(&inside);
    let terms = (order.scheme, order.period);
    let report = evidence::report_bundle(client, terms, order.as_of, file, context).await?;
    let bundle = context.read(file)?;
    let lang = context.lang;
    // Setting many pages takes a while and keeps a core busy.
    let drawn = tokio::task::spawn_blocking(move || draw(&report, lang, bundle, policy)).await?;
    drawn.map_err(|error| error.with(context))
}

/// The paper of a report and its evidence. The same for whoever makes it and for whoever verifies it.
pub(crate) fn draw(
    report: &DeletionReport,
    lang: Lang,
    bundle: Vec<u8>,
    policy: Option<Vec<u8>>,
) -> Result<Vec<u8>, DrawError> {
    let parsed = policy.as_deref().map(Policy::parse).transpose().map_err(|_| DrawError::Policy)?;
    let standing = standing(bundle.as_slice(), parsed.as_ref()).map_err(DrawError::Bundle)?;
    let witnessed = parsed.as_ref().zip(standing.trust.as_ref()).map(|(policy, trust)| Witnessed {
        cosigned: trust
            .witnesses
            .iter()
            .filter_map(|one| Some((one.witness.name.to_string(), crate::verify::cosigned_at(one)?)))
            .collect(),
        stamped: standing.timestamps.iter().map(|stamp| (stamp.tsa.clone(), stamp.gen_time)).collect(),
        quorum_met: policy.quorum().map(|_| trust.shortfall.is_none()),
    });
    let root = standing.checkpoint.checkpoint().root().to_string();
    pdf::render(&Paper { report, lang, root, witnessed, bundle, policy }).map_err(DrawError::Set)
}

/// Why a paper cannot be drawn.
#[derive(Debug)]
pub(crate) enum DrawError {
    /// The policy cannot be read.
    Policy,
    /// The policy and the bundle do not fit together.
    Bundle(BundleError),
    /// The typesetter refuses.
    Set(pdf::PdfError),
}

impl DrawError {
    fn with(self, context: &Context) -> anyhow::Error {
        match self {
            Self::Policy => anyhow::anyhow!(
                context.pick("信頼方針を読めません", "the trust policy cannot be read").to_owned()
            ),
            Self::Bundle(error) => anyhow::Error::new(error).context(
                context
                    .pick(
                        "この信頼方針では、検査点を確認できません",
                        "the checkpoint cannot be checked under this policy",
                    )
                    .to_owned(),
            ),
            Self::Set(error) => anyhow::Error::new(error)
                .context(context.pick("PDFを作成できません", "the PDF cannot be made").to_owned()),
        }
    }
}
