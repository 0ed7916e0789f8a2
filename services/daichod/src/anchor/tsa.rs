//! Asking time-stamping authorities for tokens over kept checkpoints (RFC 3161 over HTTP).

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use daicho_core::{DAY_MS, Instant, LedgerSize};
use daicho_store::{CheckpointRow, StoreError};
use daicho_tlog::SignedCheckpoint;
use daicho_verify::timestamp::{
    MAX_TIMESTAMP_LEN, REQUEST_TYPE, RESPONSE_TYPE, TimestampError, TimestampRequest, TimestampToken,
    TsaTrust,
};
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::sync::mpsc;

use super::metrics as names;
use super::{Http, Job, Rows, Trouble, body, http_url, words};
use crate::config::{ConfigError, TsaConfig};

/// How long an authority has to answer.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How far its clock may be from ours before that is said, in milliseconds.
const SKEW_MS: u64 = 300_000;

/// A time-stamping authority.
pub(super) struct Tsa {
    url: reqwest::Url,
    trust: TsaTrust,
    every: Duration,
    client: reqwest::Client,
    rows: Rows,
    stamped: Option<Stamped>,
    /// What was wrong when it was asked last.
    trouble: Option<Trouble>,
}

/// The largest checkpoint that has a token of an authority, and when it was given one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamped {
    size: u64,
    at: Instant,
}

/// What is to be stamped.
#[derive(Debug, Default, PartialEq, Eq)]
struct Due {
    /// The last checkpoint before this midnight in Japan: the day's.
    before: Option<Instant>,
    /// The newest checkpoint.
    newest: bool,
}

impl Tsa {
    /// # Errors
    /// When the address, a root or the policy is not accepted, or there is no TLS for the address.
    pub(super) fn new(config: &TsaConfig, http: &Http, rows: &Rows) -> anyhow::Result<Self> {
        let fault = |error: anyhow::Error| ConfigError::new(format!("tsa {}: {error:#}", config.url));
        let url = http_url(&config.url).map_err(fault)?;
        let trust = trust(config).map_err(fault)?;
        let every = Duration::from_secs(config.every);
        let client = http.client(&url).with_context(|| format!("tsa {url}"))?;
        let rows = rows.clone();
        Ok(Self { url, trust, every, client, rows, stamped: None, trouble: None })
    }

    /// Looks at each publication what is due, as long as there are publications.
    pub(super) async fn run(mut self, mut jobs: mpsc::UnboundedReceiver<Job>) {
        match self.look_back().await {
            Ok(stamped) => self.stamped = stamped,
            Err(error) => tracing::error!(%error, "kept timestamps cannot be read"),
        }
        while let Some(job) = jobs.recv().await {
            // What is not had now is due at the next publication again.
            if let Err(trouble) = self.stamp_what_is_due(job.size, job.now).await {
                self.count(trouble.result);
                if self.trouble.as_ref().map(|then| then.result) != Some(trouble.result) {
                    tracing::warn!(tsa = %self.url, %trouble, "no timestamp; it is asked for again");
                }
                self.trouble = Some(trouble);
            }
        }
    }

    async fn stamp_what_is_due(&mut self, newest: LedgerSize, asked_for: bool) -> Result<(), Trouble> {
        let mut due = due(self.stamped, newest.get(), now(), self.every);
        due.newest |= asked_for;
        if let Some(midnight) = due.before {
            let last = self.rows.read(move |store| {
                let day = store
                    .checkpoints_down(newest)
                    .find(|row| row.as_ref().map_or(true, |(_, row)| row.signed_ms < midnight.unix_ms()));
                Ok(day.transpose()?.map(|(size, _)| size))
            });
            if let Some(last) = last.await.map_err(Trouble::ours)? {
                self.stamp(last).await?;
            }
        }
        if due.newest {
            self.stamp(newest).await?;
        }
        Ok(())
    }

    /// Has a kept checkpoint stamped, unless it or a larger one is.
    async fn stamp(&mut self, size: LedgerSize) -> Result<(), Trouble> {
        if self.stamped.is_some_and(|stamped| stamped.size >= size.get()) {
            return Ok(());
        }
        let row = self.rows.get(size).await.map_err(Trouble::ours)?;
        let signed = SignedCheckpoint::parse(row.note.as_bytes()).map_err(Trouble::ours)?;
        let late = |_| Trouble::away(format!("no answer in {} s", TIMEOUT.as_secs()));
        let token = tokio::time::timeout(TIMEOUT, self.request(signed.text())).await.map_err(late)??;
        let added = self.rows.amend(size, move |row| {
            row.timestamps.push(token.as_der().to_vec());
            Ok(())
        });
        added.await.map_err(Trouble::ours)?;
        self.stamped = Some(Stamped { size: size.get(), at: now() });
        self.count("stamped");
        metrics::gauge!(names::STAMPED, "tsa" => self.url.to_string()).set(size.get() as f64);
        if self.trouble.take().is_some() {
            tracing::info!(tsa = %self.url, "timestamps are there again");
        }
        Ok(())
    }

    async fn request(&self, text: &str) -> Result<TimestampToken, Trouble> {
        let mut nonce = [0; 8];
        getrandom::fill(&mut nonce).map_err(Trouble::ours)?;
        let request = TimestampRequest::new(text.as_bytes(), self.trust.policy(), u64::from_be_bytes(nonce));
        let question = self.client.post(self.url.clone()).body(request.to_der());
        let question = question.header(CONTENT_TYPE, REQUEST_TYPE).header(ACCEPT, RESPONSE_TYPE);
        let response = question.send().await?;
        let status = response.status();
        if !status.is_success() {
            return Err(Trouble::away(format!("{status}: {}", words(response).await)));
        }
        if response.headers().get(CONTENT_TYPE).is_none_or(|kind| kind != RESPONSE_TYPE) {
            return Err(Trouble::unusable(format!("an answer that is no {RESPONSE_TYPE}")));
        }
        let reply = body(response, MAX_TIMESTAMP_LEN).await?;
        let (token, time) = request.accept(&reply, &self.trust).map_err(|error| match error {
            TimestampError::Refused { .. } => Trouble::refused(error),
            error => Trouble::unusable(error),
        })?;
        if time.gen_time.unix_ms().abs_diff(now().unix_ms()) > SKEW_MS {
            tracing::warn!(tsa = %self.url, stamped = %time.gen_time, now = %now(), "its clock and ours are apart");
        }
        tracing::debug!(tsa = %self.url, at = %time.gen_time, serial = time.serial, "a checkpoint is stamped");
        Ok(token)
    }

    /// Finds the newest token of earlier runs. What is older than a day and the interval does not matter.
    async fn look_back(&self) -> Result<Option<Stamped>, StoreError> {
        let (trust, every) = (self.trust.clone(), self.every);
        let old = now().plus_ms(-DAY_MS).plus_ms(-(every.as_millis() as i64));
        let found = self.rows.read(move |store| {
            for row in store.checkpoints_down(LedgerSize::new(u64::MAX)) {
                let (size, row) = row?;
                if let Some(at) = stamped_at(&row, &trust) {
                    return Ok(Some(Stamped { size: size.get(), at }));
                }
                if row.signed_ms < old.unix_ms() {
                    break;
                }
            }
            Ok(None)
        });
        let found = found.await?;
        if let Some(stamped) = found {
            metrics::gauge!(names::STAMPED, "tsa" => self.url.to_string()).set(stamped.size as f64);
        }
        Ok(found)
    }

    fn count(&self, result: &'static str) {
        metrics::counter!(names::TSA_REQUESTS, "tsa" => self.url.to_string(), "result" => result)
            .increment(1);
    }
}

/// What is due at a publication: at the first one of a day in Japan the last checkpoint of the day before, and the newest
/// when the interval since the last token is over. Nothing while nothing was recorded.
fn due(stamped: Option<Stamped>, newest: u64, now: Instant, every: Duration) -> Due {
    let Some(stamped) = stamped else { return Due { before: None, newest: true } };
    if stamped.size >= newest {
        return Due::default();
    }
    let midnight = now.jst_day().start();
    let over = now.unix_ms().saturating_sub(stamped.at.unix_ms()) >= every.as_millis() as i64;
    Due { before: (stamped.at < midnight).then_some(midnight), newest: over }
}

/// When an authority stamped a checkpoint.
fn stamped_at(row: &CheckpointRow, trust: &TsaTrust) -> Option<Instant> {
    if row.timestamps.is_empty() {
        return None;
    }
    let signed = SignedCheckpoint::parse(row.note.as_bytes()).ok()?;
    let times = row.timestamps.iter().filter_map(|der| {
        let token = TimestampToken::parse(der).ok()?;
        Some(token.verify(signed.text().as_bytes(), trust).ok()?.gen_time)
    });
    times.max()
}

fn trust(config: &TsaConfig) -> anyhow::Result<TsaTrust> {
    let mut roots = Vec::new();
    for file in &config.roots {
        roots.extend(certificates(file).with_context(|| format!("root {}", file.display()))?);
    }
    let policy = config.policy_oid.as_deref().map(str::parse).transpose()?;
    Ok(TsaTrust::new(&roots, policy)?)
}

/// The certificates in a file: one in DER, or any number in PEM.
fn certificates(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let bytes = std::fs::read(file)?;
    if bytes.first() == Some(&0x30) {
        return Ok(vec![CertificateDer::from(bytes)]);
    }
    let found: Vec<_> = CertificateDer::pem_slice_iter(&bytes).collect::<Result<_, _>>()?;
    anyhow::ensure!(!found.is_empty(), "no certificate in PEM or DER");
    Ok(found)
}

/// Real time, whatever clock the ledger has.
fn now() -> Instant {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Instant::EPOCH.plus_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn at(text: &str) -> Instant {
        Instant::parse(text).expect("a time")
    }

    fn due_at(stamped: (u64, &str), newest: u64, now: &str) -> (bool, bool) {
        let stamped = Stamped { size: stamped.0, at: at(stamped.1) };
        let due = due(Some(stamped), newest, at(now), HOUR);
        if let Some(midnight) = due.before {
            assert_eq!(midnight, at(&now[..10]), "midnight in Japan");
        }
        (due.before.is_some(), due.newest)
    }

    #[test]
    fn a_stamp_is_due_at_first_then_by_the_hour_and_at_the_end_of_the_day_in_japan() {
        let (day, newest) = ((true, false), (false, true));
        let (both, nothing) = ((true, true), (false, false));
        assert_eq!(due(None, 1, at("2026-11-22"), HOUR), Due { before: None, newest: true });
        let stamped = (5, "2026-11-22T23:10:00+09:00");
        assert_eq!(due_at(stamped, 6, "2026-11-22T23:59:59+09:00"), nothing);
        assert_eq!(due_at(stamped, 6, "2026-11-23T00:00:00+09:00"), day);
        assert_eq!(due_at((6, "2026-11-23T00:00:01+09:00"), 7, "2026-11-23T00:00:11+09:00"), nothing);
        assert_eq!(due_at((6, "2026-11-23T00:00:01+09:00"), 7, "2026-11-23T01:00:01+09:00"), newest);
        // The authority was away over midnight.
        assert_eq!(due_at((5, "2026-11-22T20:00:00+09:00"), 9, "2026-11-23T03:00:00+09:00"), both);
        // The day ends at 15:00 UTC.
        assert_eq!(due_at((5, "2026-11-22T14:30:00Z"), 6, "2026-11-22T14:59:59Z"), nothing);
        // Nothing was recorded since: an older token says more than a newer one.
        assert_eq!(due_at((6, "2026-11-22T20:00:00+09:00"), 6, "2026-11-24T03:00:00+09:00"), nothing);
    }
}
