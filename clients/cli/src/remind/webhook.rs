//! Calls to another system, in the form of Standard Webhooks (standardwebhooks.com, specification 1.0.0).

use std::time::{Duration, Instant, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use daicho_core::proto::DueItem;
use daicho_core::{Instant as Time, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{bad_url, name, warn};
use crate::context::Context;
use crate::{http, schema};

/// Most items of one call.
pub(super) const MOST_ITEMS: usize = 100;

/// Longest time that a call may take.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Pause after the first call that was not taken. It doubles with each one.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(3_600);

/// An address that is called.
pub(super) struct Webhook {
    url: reqwest::Url,
    client: reqwest::Client,
    key: SigningKey,
    /// After calls that were not taken: how many, and when the next one is due.
    failed: Option<(u32, Instant)>,
}

/// What a call says. The same content has the same id.
pub(super) struct Call {
    id: String,
    body: String,
}

/// Copies and duties whose deadline passed.
pub(super) fn overdue(origin: &str, as_of_ms: i64, items: &[&DueItem]) -> Call {
    let ids = items.iter().map(|item| format!("{}@{}", name(item), item.due_ms));
    let list = items.iter().map(|item| {
        let mut value = schema::to_json("DueItem", *item, false);
        value["id"] = json!(name(item));
        value["due"] = json!(Time::EPOCH.plus_ms(item.due_ms).to_string());
        value
    });
    call("deadline.overdue", origin, as_of_ms, ids.collect(), list.collect())
}

/// What was told before and is no longer overdue: gone, put off, or too long past to be listed.
/// It names the deadlines that were told: what is overdue again under another one is settled again, too.
pub(super) fn settled(origin: &str, as_of_ms: i64, told: &[(String, i64)]) -> Call {
    let ids = told.iter().map(|(name, due_ms)| format!("{name}@{due_ms}"));
    let list = told.iter().map(|(name, _)| json!({ "id": name }));
    call("deadline.settled", origin, as_of_ms, ids.collect(), list.collect())
}

fn call(kind: &str, origin: &str, as_of_ms: i64, ids: Vec<String>, items: Vec<Value>) -> Call {
    let mut hash = Sha256::new();
    for part in [kind, origin].into_iter().chain(ids.iter().map(String::as_str)) {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let id = format!("msg_{}", hex::encode(&hash.finalize()[..16]));
    let timestamp = Time::EPOCH.plus_ms(as_of_ms).to_string();
    let body = json!({ "type": kind, "timestamp": timestamp, "data": { "origin": origin, "items": items } });
    Call { id, body: body.to_string() }
}

impl Webhook {
    pub(super) fn new(url: &str, key: SigningKey, context: &Context) -> anyhow::Result<Self> {
        let parsed = reqwest::Url::parse(url).map_err(|_| bad_url(url, context))?;
        if !matches!(parsed.scheme(), "http" | "https") || parsed.host().is_none() {
            return Err(bad_url(url, context));
        }
        let settings = |builder: reqwest::ClientBuilder| {
            let agent = concat!("daicho/", env!("CARGO_PKG_VERSION"));
            builder.timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none()).user_agent(agent)
        };
        let client = http::client(&parsed, settings, context)?;
        Ok(Self { url: parsed, client, key, failed: None })
    }

    /// The public key, as receivers configure it.
    pub(super) fn public(&self) -> String {
        format!("whpk_{}", BASE64.encode(self.key.public().as_bytes()))
    }

    /// How long until the next call may be made, after one that was not taken.
    pub(super) fn pause(&self) -> Option<Duration> {
        self.failed.map(|(_, next)| next.saturating_duration_since(Instant::now()))
    }

    /// Makes a call. `false` when it was not taken, or when the pause after such a one is not over.
    pub(super) async fn send(&mut self, call: &Call) -> bool {
        if self.pause().is_some_and(|pause| !pause.is_zero()) {
            return false;
        }
        let trouble = match self.post(call).await {
            Ok(status) if status.is_success() => {
                self.failed = None;
                return true;
            }
            Ok(status) => format!("{status}"),
            // Without the address: it may hold a secret.
            Err(error) => http::root(&error.without_url()),
        };
        let tries = self.failed.map_or(0, |(tries, _)| tries);
        let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(tries)).min(LONGEST_PAUSE);
        self.failed = Some((tries.saturating_add(1), Instant::now() + pause));
        warn(&format!("{}: {trouble}; again in {} s", call.id, pause.as_secs()));
        false
    }

    async fn post(&self, call: &Call) -> Result<reqwest::StatusCode, reqwest::Error> {
        // The receiver's clock decides what is fresh, not that of the ledger.
        let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let signed = format!("{}.{seconds}.{}", call.id, call.body);
        let signature = format!("v1a,{}", BASE64.encode(self.key.sign(signed.as_bytes())));
        let request = self.client.post(self.url.clone()).header("content-type", "application/json");
        let request = request.header("webhook-id", &call.id).header("webhook-timestamp", seconds);
        let response = request.header("webhook-signature", signature).body(call.body.clone()).send().await?;
        Ok(response.status())
    }
}
