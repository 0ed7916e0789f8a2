//! `daicho log`: shows entries in words.

use std::collections::HashMap;
use std::io::Write;

use daicho_client::{Client, ClientError};
use daicho_core::proto::{self, event::Fact};
use daicho_core::{Entry, PublicKey};
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use prost::Message as _;
use serde_json::{Value, json};

use crate::context::Context;
use crate::exit::Exit;
use crate::table::{plain, when};
use crate::{schema, words};

/// Entries that are shown when nothing is asked for.
const LAST: u64 = 20;
/// Entries that are looked at together on the way back from the end.
const MOST_BACK: u64 = 65_536;
/// Events that are put in words on one line.
const EVENTS_SHOWN: usize = 3;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  daicho log\n  daicho log --from 0 --limit 100\n  \
    daicho log --follow\n  daicho log --from 0 --output json > ledger.jsonl")]
pub(crate) struct Args {
    /// First entry. Default: so that the last 20 are shown, or as many as --limit says
    #[arg(long, value_name = "N")]
    from: Option<u64>,
    /// Most entries to show. Default: all from the first one on
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Go on as new entries are recorded
    #[arg(long, short)]
    follow: bool,
}

pub(crate) async fn run(args: Args, context: &Context, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let client = context.connect().await?;
    let limit = args.limit.unwrap_or(u64::MAX);
    let mut names = Names::load(&client).await?;
    if args.follow {
        let from = match args.from {
            Some(from) => from,
            None => client.ledger_info().await?.size.saturating_sub(LAST),
        };
        let entries = client.follow_entries(from).await?;
        if show(entries, limit, &mut names, context, out).await? < limit {
            out.flush()?;
            let message = context.pick("サーバーが終了しました", "the server stopped").to_owned();
            return Err(ClientError::Unreachable { message }.into());
        }
    } else {
        let shown = match args.from {
            // All to the end: a caller may not read each of them.
            Some(from) => show(client.read_entries(from, 0).await?, limit, &mut names, context, out).await?,
            None => {
                let last = last(&client, args.limit.unwrap_or(LAST)).await?;
                show(stream::iter(last.into_iter().map(Ok)), limit, &mut names, context, out).await?
            }
        };
        if shown == 0 && !context.json() {
            writeln!(out, "{}", context.pick("該当なし", "none"))?;
        }
    }
    Ok(Exit::Ok)
}

/// The last entries that the caller may read, oldest first.
async fn last(client: &Client, wanted: u64) -> Result<Vec<Vec<u8>>, ClientError> {
    let mut end = client.ledger_info().await?.size;
    let (mut parts, mut found, mut step) = (Vec::new(), 0, wanted.clamp(1, MOST_BACK));
    while found < wanted && end > 0 {
        let start = end.saturating_sub(step);
        let part: Vec<Vec<u8>> = client.read_entries(start, end).await?.try_collect().await?;
        found += part.len() as u64;
        parts.push(part);
        end = start;
        step = (step * 4).min(MOST_BACK);
    }
    let all = parts.into_iter().rev().flatten();
    Ok(all.skip(found.saturating_sub(wanted) as usize).collect())
}

/// Shows at most `limit` entries and tells how many there were.
async fn show(
    entries: impl Stream<Item = Result<Vec<u8>, ClientError>>,
    limit: u64,
    names: &mut Names,
    context: &Context,
    out: &mut dyn Write,
) -> anyhow::Result<u64> {
    let mut entries = std::pin::pin!(entries);
    let mut shown = 0;
    while shown < limit {
        // Lines must not wait in the buffer while the ledger is quiet.
        let next = match futures::FutureExt::now_or_never(entries.next()) {
            Some(next) => next,
            None => {
                out.flush()?;
                entries.next().await
            }
        };
        let Some(bytes) = next else { break };
        let entry = Entry::decode(&bytes?)?;
        let statement = proto::Statement::decode(entry.statement.statement.clone())?;
        names.learn(&statement);
        let line = if context.json() {
            as_json(&entry, &statement, names).to_string()
        } else {
            in_words(&entry, &statement, names, context)
        };
        writeln!(out, "{line}")?;
        shown += 1;
    }
    Ok(shown)
}

/// Names of keys and parties.
#[derive(Debug, Default)]
struct Names {
    party_of_key: HashMap<Vec<u8>, String>,
    label_of_party: HashMap<String, String>,
}

impl Names {
    async fn load(client: &Client) -> anyhow::Result<Self> {
        let keys = client.keys().await?;
        let parties = client.parties().await?;
        Ok(Self {
            party_of_key: keys.into_iter().map(|key| (key.id, key.party)).collect(),
            label_of_party: parties.into_iter().map(|party| (party.id, party.label)).collect(),
        })
    }

    /// Takes in what was registered since.
    fn learn(&mut self, statement: &proto::Statement) {
        for event in &statement.events {
            match &event.fact {
                Some(Fact::LedgerOpened(opened)) => {
                    self.key(opened.operator_key.as_ref(), &opened.operator_party);
                    self.key(opened.ward_key.as_ref(), &opened.ward_party);
                    self.label_of_party.insert(opened.operator_party.clone(), opened.operator_label.clone());
                    self.label_of_party.insert(opened.ward_party.clone(), opened.ward_label.clone());
                }
                Some(Fact::PartyRegistered(registered)) => {
                    self.label_of_party.insert(registered.party.clone(), registered.label.clone());
                }
                Some(Fact::KeyAuthorized(authorized)) => self.key(authorized.key.as_ref(), &authorized.party),
                _ => {}
            }
        }
    }

    fn key(&mut self, key: Option<&proto::PublicKey>, party: &str) {
        if let Some(key) = key.and_then(PublicKey::from_proto) {
            self.party_of_key.insert(key.id().as_bytes().to_vec(), party.to_owned());
        }
    }

    /// The signer's party with its name, or the start of the key's id.
    fn signer(&self, key: &[u8]) -> String {
        let Some(party) = self.party_of_key.get(key) else { return words::short(key) };
        match self.label_of_party.get(party) {
            Some(label) if !label.is_empty() => format!("{party}[{label}]"),
            _ => party.clone(),
        }
    }
}

fn in_words(entry: &Entry, statement: &proto::Statement, names: &Names, context: &Context) -> String {
    let signers: Vec<String> = statement.signers.iter().map(|signer| names.signer(&signer.key_id)).collect();
    let mut schemes: Vec<&str> = statement.events.iter().map(|event| event.scheme.as_str()).collect();
    schemes.retain(|scheme| !scheme.is_empty());
    schemes.sort_unstable();
    schemes.dedup();
    let schemes = if schemes.is_empty() { "-".to_owned() } else { schemes.join(",") };
    let mut events: Vec<String> =
        statement.events.iter().take(EVENTS_SHOWN).map(|event| words::event(event, context.lang)).collect();
    let more = statement.events.len().saturating_sub(EVENTS_SHOWN);
    if more > 0 {
        events.push(context.pick(format!("ほか{more}件"), format!("{more} more")));
    }
    let events = events.join(context.pick("、", "; "));
    let (index, time) = (entry.index, when(entry.recorded.unix_ms()));
    plain(&format!("{index}  {time}  {}  {schemes}  {events}", signers.join("+")))
}

fn as_json(entry: &Entry, statement: &proto::Statement, names: &Names) -> Value {
    let signers: Vec<Value> = statement
        .signers
        .iter()
        .map(|signer| {
            json!({
                "key": hex::encode(&signer.key_id),
                "sequence": signer.sequence,
                "party": names.party_of_key.get(&signer.key_id),
            })
        })
        .collect();
    let events: Vec<Value> =
        statement.events.iter().map(|event| schema::to_json("Event", event, false)).collect();
    json!({
        "index": entry.index.get(),
        "record_time": entry.recorded.to_string(),
        "record_time_ms": entry.recorded.unix_ms(),
        "previous_chain_hash": entry.previous.to_string(),
        "signers": signers,
        "events": events,
    })
}
