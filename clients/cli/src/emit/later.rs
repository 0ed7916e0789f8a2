//! `daicho emit --outbox`: statements wait on disk until the ledger has answered them.

use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use daicho_client::{Answer, ClientError, Outbox, OutboxError, OutboxSettings, SigningKey};
use serde_json::json;

use super::Batch;
use crate::context::Context;
use crate::exit::{self, Exit};

/// Puts the statements into the outbox and sends for so long.
pub(super) async fn run(
    folder: &Path,
    key: SigningKey,
    batches: Vec<Batch>,
    wait: Duration,
    context: &Context,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let key = Arc::new(key);
    let connect = context.connector(&key)?;
    let (recorded, refusals) = (Arc::<AtomicU64>::default(), Arc::<Mutex<Vec<String>>>::default());
    let (of_recorded, of_refusals, lang) = (Arc::clone(&recorded), Arc::clone(&refusals), context.lang);
    let answered = move |answer: &Answer| match &answer.result {
        Ok(_) => drop(of_recorded.fetch_add(1, Ordering::SeqCst)),
        Err(error) => {
            let text = format!("{}: {}", answer.statement, exit::explain(error, lang));
            of_refusals.lock().unwrap_or_else(PoisonError::into_inner).push(text);
        }
    };
    let settings = OutboxSettings::default();
    let opened = Outbox::open(folder, key, settings, connect, answered).await;
    let outbox = opened.map_err(|error| explain(error, context))?;
    let before = outbox.depth().statements;
    let mut kept = 0;
    let mut stopped = None;
    for batch in batches {
        if let Err(error) = outbox.put(batch.events).await {
            stopped = Some((batch.lines.0, error));
            break;
        }
        kept += 1;
    }
    // What is not answered by then stays, and is sent the next time.
    let _ = tokio::time::timeout(wait, outbox.drained()).await;
    let depth = outbox.depth();
    outbox.close().await;

    let refusals = std::mem::take(&mut *refusals.lock().unwrap_or_else(PoisonError::into_inner));
    refusals.iter().for_each(|text| eprintln!("{text}"));
    let (recorded, refused, waiting) = (recorded.load(Ordering::SeqCst), refusals.len(), depth.statements);
    if context.json() {
        let json = json!({
            "waited_before": before, "kept": kept, "recorded": recorded, "refused": refused, "waiting": waiting,
            "trouble": depth.trouble,
        });
        writeln!(out, "{json}")?;
    } else {
        let place = folder.display();
        let text = context.pick(
            format!(
                "保管 {kept} 件、記録 {recorded} 件、拒否 {refused} 件、送信待ち {waiting} 件（{place}）"
            ),
            format!("kept {kept}, recorded {recorded}, refused {refused}, waiting {waiting} in {place}"),
        );
        writeln!(out, "{text}")?;
        if let Some(trouble) = depth.trouble.filter(|_| waiting > 0) {
            writeln!(out, "  {trouble}")?;
        }
    }
    if let Some((line, error)) = stopped {
        // What stands before it is kept: sent once more, it would be said twice.
        return Err(explain(error, context).context(context.pick(
            format!("{line} 行目から後は保管していません"),
            format!("nothing from line {line} on was kept"),
        )));
    }
    Ok(match (waiting, refused) {
        (0, 0) => Exit::Ok,
        (0, _) => Exit::Refused,
        _ => Exit::Unreachable,
    })
}

fn explain(error: OutboxError, context: &Context) -> anyhow::Error {
    match error {
        OutboxError::Ledger(error) => anyhow::Error::from(error).context(
            context.pick(
                "何も保管していません。新しい送信箱は、はじめに一度だけ台帳に尋ねます。つながってから、もう一度送ってください",
                "nothing was kept: a new outbox asks the ledger once; send it again when it can be reached",
            ),
        ),
        OutboxError::Refused(refusal) => ClientError::Refused(refusal).into(),
        error => error.into(),
    }
}
