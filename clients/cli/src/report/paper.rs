//! Reports on paper: makes the evidence, and sets it with everything that proves it attached.

use std::path::Path;

use anyhow::Context as _;
use daicho_client::Client;
use daicho_core::Instant;
use daicho_custody::report::Period;
use daicho_report::pdf;

use crate::context::Context;
use crate::evidence;

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

/// Makes the evidence bundle of a report and the paper with it. The second: as of when.
pub(super) async fn make(
    client: &Client,
    order: Order<'_>,
    context: &Context,
) -> anyhow::Result<(Vec<u8>, Instant)> {
    let policy = order.policy.map(|path| context.read(path)).transpose()?;
    if let Some(path) = order.policy {
        context.policy(path)?;
    }
    let folder = tempfile::tempdir().with_context(|| context.cannot_write(&std::env::temp_dir()))?;
    let inside = folder.path().join(pdf::BUNDLE);
    let file = order.bundle.unwrap_or(&inside);
    let terms = (order.scheme, order.period);
    let report = evidence::report_bundle(client, terms, order.as_of, file, context).await?;
    let (bundle, as_of) = (context.read(file)?, report.as_of);
    let lang = context.lang;
    // Setting many pages keeps a core busy for a while.
    let drawn = tokio::task::spawn_blocking(move || pdf::draw(&report, lang, bundle, policy)).await?;
    let drawn =
        drawn.with_context(|| context.pick("PDFを作成できません", "the PDF cannot be made").to_owned());
    Ok((drawn?, as_of))
}
