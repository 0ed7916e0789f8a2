//! Records in the ledger that a report was issued: its hash, for whom, as of when.

use anyhow::Context as _;
use daicho_client::{Client, Emitter, event};
use daicho_core::proto::event::Fact;
use daicho_core::{Instant, proto};
use sha2::{Digest as _, Sha256};

use super::Args;
use crate::context::Context;
use crate::key;

/// Records the issue of `document`, which says what stood at `as_of`, by the key of `--issue-key`. The entry that says so;
/// `None` without such a key.
pub(super) async fn record(
    client: Client,
    args: &Args,
    as_of: Instant,
    document: &[u8],
    context: &Context,
) -> anyhow::Result<Option<u64>> {
    let Some(file) = &args.issue_key else { return Ok(None) };
    let now = client.ledger_info().await?.now_ms;
    let now = Instant::from_unix_ms(now).context("the ledger's clock is out of range")?;
    let mut emitter = Emitter::new(client, key::load(file, context)?).await?;
    let attribute = |name: &str, value: String| proto::Attribute { name: name.to_owned(), value };
    let fact = proto::ActPerformed {
        kind: "report-issued".to_owned(),
        target: String::new(),
        counterpart: String::new(),
        document: Sha256::digest(document).to_vec(),
        attributes: vec![
            attribute("for", args.issued_to.clone()),
            attribute("from", args.from.clone()),
            attribute("to", args.to.clone()),
            attribute("as_of", as_of.to_string()),
        ],
    };
    let recorded = emitter.emit(vec![event(&args.scheme, now, Fact::ActPerformed(fact))]).await?;
    Ok(Some(recorded.entry_index))
}
