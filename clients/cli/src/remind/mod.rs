//! `daicho remind`: keeps calendars of what is due, and calls a webhook about what is overdue.

mod calendar;
mod journal;
mod webhook;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use daicho_client::{Client, ClientError};
use daicho_core::SigningKey;
use daicho_core::proto::{DueItem, FollowDueResponse};
use futures::StreamExt as _;

use crate::context::Context;
use crate::due::{ahead, duration};
use crate::exit::Exit;
use crate::key;
use journal::Journal;
use webhook::Webhook;

/// Pause before the server is asked again after it went away.
const PAUSE: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  daicho remind --calendar-dir /srv/www/calendars --within P1M\n  \
    daicho key new --out webhook.pem\n  \
    daicho remind --webhook https://ward.example/deadlines --webhook-key webhook.pem\n  \
    daicho remind --once --party shinjuku_ward --calendar-dir .\n\n\
    Calls follow Standard Webhooks: webhook-id, webhook-timestamp and webhook-signature (v1a, Ed25519). A call is\n\
    repeated, with longer and longer pauses and the same webhook-id, until it is answered with 2xx.\n\
    The public key that verifies calls (whpk_...) is printed at the start.\n\n\
    Exit codes: 0 told to stop, or done with --once; 1 with --once when a call was not taken.")]
#[command(group = clap::ArgGroup::new("outlet").required(true).multiple(true).args(["calendar_dir", "webhook"]))]
pub(crate) struct Args {
    /// How far to look ahead of the ledger's time: P7D, P1M, PT12H
    #[arg(long, value_name = "DURATION", default_value = "P30D")]
    within: String,
    /// Scheme id. Default: all schemes
    #[arg(long, default_value = "", hide_default_value = true)]
    scheme: String,
    /// Only what this party has to do
    #[arg(long, value_name = "PARTY", default_value = "", hide_default_value = true)]
    party: String,
    /// Folder in which a calendar of each party is kept: <party>.ics (iCalendar)
    #[arg(long, value_name = "DIR")]
    calendar_dir: Option<PathBuf>,
    /// Address that is called about what is overdue
    #[arg(long, value_name = "URL", requires = "webhook_key")]
    webhook: Option<String>,
    /// Ed25519 key that signs calls (PKCS#8 PEM); none that signs statements
    #[arg(long, value_name = "FILE", requires = "webhook")]
    webhook_key: Option<PathBuf>,
    /// File that remembers what the webhook was told
    #[arg(long, value_name = "FILE", default_value = "daicho-remind.jsonl")]
    state: PathBuf,
    /// Deal with what is due now, and end
    #[arg(long)]
    once: bool,
}

pub(crate) async fn run(args: Args, context: &Context, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let within = duration(&args.within, context)?;
    let client = context.connect().await?;
    let origin = client.ledger_info().await?.origin;
    if let Some(folder) = &args.calendar_dir {
        std::fs::create_dir_all(folder).with_context(|| context.cannot_write(folder))?;
    }
    let mut teller = match (&args.webhook, &args.webhook_key) {
        (Some(url), Some(file)) => {
            let signer = key::load(file, context)?;
            ensure!(
                !speaks(&client, &signer).await?,
                context.pick(
                    format!("{} は台帳に登録された鍵です。知らせには別の鍵を使ってください", file.display()),
                    format!("{} is a key of the ledger; make another one for the webhook", file.display()),
                )
            );
            let hook = Webhook::new(url, signer, context)?;
            writeln!(out, "{}", hook.public())?;
            out.flush()?;
            Some(Teller { hook, journal: Journal::open(&args.state, context)?, origin: origin.clone() })
        }
        _ => None,
    };
    let mut list = List::default();
    loop {
        let started = async {
            let (now, until) = ahead(&client, within).await?;
            anyhow::Ok(client.follow_due(&args.scheme, &args.party, until - now).await?)
        };
        let mut changes = match started.await {
            Ok(changes) => Box::pin(changes),
            // At the start an error is one of the caller's; later the server is only away.
            Err(error) if list.as_of_ms == 0 => return Err(error),
            Err(error) => {
                warn(&format!("{error:#}"));
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        // The first answer is the whole list, also after the server was away.
        list.items.clear();
        let ended = loop {
            // What is untold yet is tried again when its pause is over, whether or not anything changes.
            let pause = teller.as_ref().and_then(Teller::pause).unwrap_or(Duration::from_secs(3_600));
            let change = tokio::select! {
                change = changes.next() => Some(change),
                () = tokio::time::sleep(pause) => None,
            };
            match change {
                Some(Some(Ok(change))) => {
                    list.take(change);
                    if let Some(folder) = &args.calendar_dir {
                        calendar::write(folder, &origin, &mut list, context)?;
                    }
                }
                Some(Some(Err(error))) => break Some(error),
                Some(None) => break None,
                None => {}
            }
            if let Some(teller) = &mut teller {
                let told = teller.tell(&list, context).await?;
                if args.once {
                    return Ok(if told { Exit::Ok } else { Exit::Wrong });
                }
            } else if args.once {
                return Ok(Exit::Ok);
            }
        };
        warn(&ended.map_or_else(
            || context.pick("サーバーが停止しました", "the server has stopped").to_owned(),
            |error| error.to_string(),
        ));
        tokio::time::sleep(PAUSE).await;
    }
}

fn warn(text: &str) {
    eprintln!("daicho remind: {text}");
}

/// What is due now.
#[derive(Debug, Default)]
struct List {
    as_of_ms: i64,
    items: BTreeMap<String, DueItem>,
    /// Parties that ever had something due: an empty calendar takes away what was in it.
    parties: std::collections::BTreeSet<String>,
}

impl List {
    fn take(&mut self, change: FollowDueResponse) {
        self.as_of_ms = change.as_of_ms;
        for item in &change.settled {
            self.items.remove(&name(item));
        }
        for item in change.due {
            self.parties.insert(item.party.clone());
            self.items.insert(name(&item), item);
        }
    }
}

/// Stable name of something due, within a ledger.
fn name(item: &DueItem) -> String {
    match (&item.copy, &item.duty) {
        (Some(copy), _) => format!("{}/copy/{}", item.scheme, copy.id),
        (None, Some(duty)) => format!("{}/duty/{}", item.scheme, duty.object),
        (None, None) => item.scheme.clone(),
    }
}

/// Tells a webhook what it was not told yet.
struct Teller {
    hook: Webhook,
    journal: Journal,
    origin: String,
}

impl Teller {
    /// How long until something untold is to be tried again.
    fn pause(&self) -> Option<Duration> {
        self.hook.pause()
    }

    /// Tells what is overdue and what of that is settled. `false` when a call was not taken; it will be made again.
    async fn tell(&mut self, list: &List, context: &Context) -> anyhow::Result<bool> {
        let overdue = list.items.iter().filter(|(_, item)| item.overdue);
        let fresh: Vec<_> = overdue
            .filter(|(name, item)| !self.journal.knows(name, item.due_ms))
            .map(|(_, item)| item)
            .collect();
        for group in fresh.chunks(webhook::MOST_ITEMS) {
            let call = webhook::overdue(&self.origin, list.as_of_ms, group);
            if !self.hook.send(&call).await {
                return Ok(false);
            }
            let told = group.iter().map(|item| (name(item), Some(item.due_ms)));
            self.journal.note(told, context)?;
        }
        let gone = |name: &str| !list.items.get(name).is_some_and(|item| item.overdue);
        let told = self.journal.told().filter(|(name, _)| gone(name));
        let settled: Vec<(String, i64)> = told.map(|(name, due_ms)| (name.to_owned(), due_ms)).collect();
        for group in settled.chunks(webhook::MOST_ITEMS) {
            let call = webhook::settled(&self.origin, list.as_of_ms, group);
            if !self.hook.send(&call).await {
                return Ok(false);
            }
            self.journal.note(group.iter().map(|(name, _)| (name.clone(), None)), context)?;
        }
        Ok(true)
    }
}

/// Whether the ledger knows a key as one of a party: what it signs would be a statement.
async fn speaks(client: &Client, key: &SigningKey) -> Result<bool, ClientError> {
    let id = key.public().id();
    Ok(client.keys().await?.iter().any(|known| known.id == id.as_bytes()))
}

/// An address that cannot be called.
fn bad_url(url: &str, context: &Context) -> anyhow::Error {
    anyhow!(context.pick(
        format!(
            "「{url}」は知らせる先として使えません。http:// または https:// で始まる所在を指定してください"
        ),
        format!("`{url}` cannot be called; give an address that begins with http:// or https://"),
    ))
}
