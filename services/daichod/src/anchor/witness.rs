//! Asking witnesses for cosignatures (C2SP tlog-witness), and whether they are a quorum of the policy (tlog-policy).

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::{Duration, Instant as Stopwatch};

use anyhow::Context as _;
use daicho_core::LedgerSize;
use daicho_store::{CheckpointRow, Store, StoreError};
use daicho_tlog::policy::{Octets, PolicyWitness};
use daicho_tlog::witness::{AddCheckpoint, parse_cosignatures, parse_size};
use daicho_tlog::{NoteSignature, Policy, SignedCheckpoint, merkle, note};
use reqwest::StatusCode;
use tokio::sync::mpsc;

use super::metrics as names;
use super::{Http, Job, Rows, Trouble, body, http_url, words};
use crate::config::ConfigError;

/// How many kept checkpoints are looked through for the newest witnessed one: more than a day of them.
const LOOK_BACK: usize = 10_000;

/// The newest kept checkpoint with a quorum of witnesses, of the last ones.
///
/// # Errors
/// When the disk fails.
pub(crate) fn newest_witnessed(store: &Store) -> Result<Option<(LedgerSize, CheckpointRow)>, StoreError> {
    let mut newest_first = store.checkpoints_down(LedgerSize::new(u64::MAX)).take(LOOK_BACK);
    newest_first.find(|row| row.as_ref().map_or(true, |(_, row)| row.witnessed)).transpose()
}

/// A witness with an address. Several lines of a policy may share one: a witness with several keys is asked once.
pub(super) struct Witness {
    /// Where it takes checkpoints.
    url: reqwest::Url,
    /// The names of its lines in the policy.
    names: Vec<Octets>,
    client: reqwest::Client,
    timeout: Duration,
    rows: Rows,
    quorum: Arc<Quorum>,
    /// The size that it cosigned last, as far as we know.
    latest: u64,
    /// What was wrong when it was asked last.
    trouble: Option<Trouble>,
}

impl Witness {
    /// The witnesses of a policy file that have an address.
    ///
    /// # Errors
    /// When the file or an address in it is not accepted, or there is no TLS for an address.
    pub(super) fn all(file: &Path, timeout: Duration, http: &Http, rows: &Rows) -> anyhow::Result<Vec<Self>> {
        let fault = |text: String| ConfigError::new(format!("policy {}: {text}", file.display()));
        let bytes = std::fs::read(file).map_err(|error| fault(error.to_string()))?;
        let policy = Policy::parse(&bytes).map_err(|error| fault(error.to_string()))?;
        let origin = rows.engine.origin().as_str();
        if !policy.logs().iter().any(|log| log.key.name().as_str() == origin) {
            tracing::warn!(origin, "the policy does not name this ledger; nobody else can verify with it");
        }
        let mut places: BTreeMap<&Octets, Vec<Octets>> = BTreeMap::new();
        for witness in policy.witnesses() {
            match &witness.url {
                Some(url) => places.entry(url).or_default().push(witness.name.clone()),
                None => {
                    tracing::warn!(witness = %witness.name, "it has no address in the policy and is not asked")
                }
            }
        }
        let mut found = Vec::new();
        for (url, names) in places {
            let place = http_url(&format!("{}/add-checkpoint", url.to_string().trim_end_matches('/')));
            found.push((place.map_err(|error| fault(format!("{url}: {error:#}")))?, names));
        }
        let quorum = Arc::new(Quorum {
            asked: found.iter().map(|(_, names)| names.len()).sum(),
            policy,
            state: Lock::default(),
        });
        quorum.look_back(rows)?;
        let start = |(url, names)| {
            let client = http.client(&url).with_context(|| format!("witness {url}"))?;
            let (quorum, rows) = (Arc::clone(&quorum), rows.clone());
            Ok(Self { url, names, client, timeout, rows, quorum, latest: 0, trouble: None })
        };
        found.into_iter().map(start).collect()
    }

    /// Asks about one checkpoint after the other, as long as there are questions.
    pub(super) async fn run(mut self, mut jobs: mpsc::UnboundedReceiver<Job>) {
        while let Some(job) = jobs.recv().await {
            let watch = Stopwatch::now();
            if let Some(outcome) = self.ask(job.size).await.transpose() {
                self.report(outcome, watch.elapsed());
            }
        }
    }

    /// Has a kept checkpoint cosigned. Says who of it cosigned; `None` when there was nothing to ask for.
    async fn ask(&mut self, size: LedgerSize) -> Result<Option<Vec<Octets>>, Trouble> {
        let row = self.rows.get(size).await.map_err(Trouble::ours)?;
        let signed = SignedCheckpoint::parse(row.note.as_bytes()).map_err(Trouble::ours)?;
        if self.cosigned(&signed).len() == self.names.len() {
            return Ok(None);
        }
        let timeout = self.timeout;
        let late = |_| Trouble::away(format!("no answer in {} s", timeout.as_secs()));
        let cosignatures = tokio::time::timeout(timeout, self.request(&signed)).await.map_err(late)??;
        let quorum = Arc::clone(&self.quorum);
        let added = self.rows.amend(size, move |row| {
            let unfit = |error: note::NoteError| StoreError::Damaged(error.to_string());
            let mut signed = SignedCheckpoint::parse(row.note.as_bytes()).map_err(unfit)?;
            signed.add(quorum.verified(&signed, cosignatures)).map_err(unfit)?;
            row.note = signed.to_string();
            row.witnessed = quorum.witnessed(&signed);
            Ok(())
        });
        let row = added.await.map_err(Trouble::ours)?;
        if row.witnessed {
            self.quorum.reached(size);
        }
        let signed = SignedCheckpoint::parse(row.note.as_bytes()).map_err(Trouble::ours)?;
        Ok(Some(self.cosigned(&signed)))
    }

    /// Those of it whose cosignature a checkpoint has.
    fn cosigned(&self, signed: &SignedCheckpoint) -> Vec<Octets> {
        let own = self.quorum.cosigned(signed).filter(|witness| self.names.contains(&witness.name));
        own.map(|witness| witness.name.clone()).collect()
    }

    /// The add-checkpoint call, with a second try when it remembers another size than we do.
    async fn request(&mut self, signed: &SignedCheckpoint) -> Result<Vec<NoteSignature>, Trouble> {
        let size = signed.checkpoint().size();
        let mut corrected = false;
        loop {
            let old = self.latest;
            let proof = self.rows.read(move |store| {
                let proof = merkle::consistency_proof(&store.nodes(LedgerSize::new(size)), old, size);
                proof.map_err(|error| StoreError::Damaged(error.to_string()))
            });
            let proof = proof.await.map_err(Trouble::ours)?;
            let request = AddCheckpoint::new(old, proof, signed.clone()).map_err(Trouble::ours)?;
            let response = self.client.post(self.url.clone()).body(request.to_string()).send().await?;
            match response.status() {
                StatusCode::OK => {
                    let body = body(response, note::MAX_NOTE_BYTES).await?;
                    self.latest = size;
                    return parse_cosignatures(&body).map_err(Trouble::unusable);
                }
                StatusCode::CONFLICT if !corrected => {
                    let latest = parse_size(&body(response, 64).await?);
                    let latest = latest.ok_or_else(|| Trouble::unusable("a 409 without a size"))?;
                    self.latest = self.checked(latest, size)?;
                    corrected = true;
                }
                status => return Err(rejected(status, &words(response).await)),
            }
        }
    }

    /// The size that it says to have cosigned last, unless it cannot be.
    fn checked(&self, latest: u64, size: u64) -> Result<u64, Trouble> {
        let published = self.rows.engine.published().borrow().as_ref().map_or(0, |newest| newest.size);
        if latest > published {
            return Err(Trouble::fork(format!(
                "it cosigned {latest} entries of this ledger, which has published {published}"
            )));
        }
        if latest > size {
            return Err(Trouble::refused(format!(
                "it cosigned {latest} entries already, more than these {size}"
            )));
        }
        Ok(latest)
    }

    fn report(&mut self, outcome: Result<Vec<Octets>, Trouble>, took: Duration) {
        let witness = Names(&self.names);
        let (cosigned, trouble) = match outcome {
            Ok(cosigned) => {
                let silent: Vec<_> =
                    self.names.iter().filter(|name| !cosigned.contains(name)).cloned().collect();
                let text = || format!("no cosignature that the policy's key of {} verifies", Names(&silent));
                let trouble = (!silent.is_empty()).then(|| Trouble::unusable(text()));
                (cosigned, trouble)
            }
            Err(trouble) => (Vec::new(), Some(trouble)),
        };
        match &trouble {
            Some(trouble) if trouble.result == "fork" => tracing::error!(
                %witness,
                %trouble,
                "POSSIBLE FORK OR ROLLBACK: a witness saw another history of this ledger; compare with its checkpoint"
            ),
            Some(now) if self.trouble.as_ref().map(|then| then.result) != Some(now.result) => {
                tracing::warn!(%witness, trouble = %now, "a witness did not cosign");
            }
            None if self.trouble.is_some() => tracing::info!(%witness, "a witness cosigns again"),
            _ => {}
        }
        for name in &self.names {
            let ok = cosigned.contains(name);
            let result = trouble.as_ref().filter(|_| !ok).map_or("cosigned", |trouble| trouble.result);
            let name = name.to_string();
            if ok {
                metrics::histogram!(names::WITNESS_TIME, "witness" => name.clone())
                    .record(took.as_secs_f64());
            }
            metrics::counter!(names::WITNESS_REQUESTS, "witness" => name, "result" => result).increment(1);
        }
        self.trouble = trouble;
        self.quorum.heard(self.names.iter().map(|name| (name.clone(), cosigned.contains(name))));
    }
}

/// What an answer other than 200 and the first 409 means.
fn rejected(status: StatusCode, words: &str) -> Trouble {
    let text = format!("{status}: {words}");
    match status {
        StatusCode::UNPROCESSABLE_ENTITY => {
            Trouble::fork(format!("it says that this ledger does not go on from what it cosigned ({text})"))
        }
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Trouble::away(text),
        status if status.is_server_error() => Trouble::away(text),
        status if status.is_client_error() => Trouble::refused(text),
        _ => Trouble::unusable(text),
    }
}

/// `a, b`.
struct Names<'a>(&'a [Octets]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, name) in self.0.iter().enumerate() {
            write!(f, "{}{name}", if n == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// The policy, and how far its quorum is met.
struct Quorum {
    policy: Policy,
    /// How many witnesses are asked.
    asked: usize,
    state: Lock<Heard>,
}

#[derive(Default)]
struct Heard {
    /// Whether a witness cosigned when it was asked last.
    witnesses: BTreeMap<Octets, bool>,
    /// Whether those that did are a quorum. `None` until that is known.
    met: Option<bool>,
    /// Size of the largest witnessed checkpoint.
    witnessed: u64,
}

impl Quorum {
    /// Finds the newest witnessed checkpoint of earlier runs.
    fn look_back(&self, rows: &Rows) -> Result<(), StoreError> {
        if let Some((size, _)) = newest_witnessed(rows.engine.store())? {
            self.reached(size);
        }
        Ok(())
    }

    /// The witnesses that cosigned a checkpoint. A cosignature without a time does not count: it does not say that this
    /// was the largest tree that the witness knew.
    fn cosigned<'a>(&'a self, signed: &'a SignedCheckpoint) -> impl Iterator<Item = &'a PolicyWitness> {
        let did = |witness: &&PolicyWitness| {
            signed.signatures().iter().any(|signature| is_cosignature(witness, signed, signature))
        };
        self.policy.witnesses().iter().filter(did)
    }

    /// Those signatures that are by witnesses of the policy. The others are not ours to pass on: one that names a known
    /// key and is not by it would spoil the whole note.
    fn verified(&self, signed: &SignedCheckpoint, signatures: Vec<NoteSignature>) -> Vec<NoteSignature> {
        let good = |signature: &NoteSignature| {
            self.policy.witnesses().iter().any(|witness| is_cosignature(witness, signed, signature))
        };
        signatures.into_iter().filter(good).collect()
    }

    /// Whether a checkpoint has its quorum. Where the policy asks for nobody, somebody must have seen it all the same.
    fn witnessed(&self, signed: &SignedCheckpoint) -> bool {
        let names: Vec<&[u8]> = self.cosigned(signed).map(|witness| witness.name.as_bytes()).collect();
        !names.is_empty() && self.policy.quorum_met(names)
    }

    /// A checkpoint of this size is witnessed.
    fn reached(&self, size: LedgerSize) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.witnessed = state.witnessed.max(size.get());
        metrics::gauge!(names::WITNESSED).set(state.witnessed as f64);
    }

    /// Takes in whether witnesses cosigned, and says so when the quorum is lost or there again.
    fn heard(&self, answers: impl Iterator<Item = (Octets, bool)>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.witnesses.extend(answers);
        let cosigned = state.witnesses.iter().filter(|(_, did)| **did).map(|(name, _)| name.as_bytes());
        let shortfall = self.policy.shortfall(cosigned);
        let met = shortfall.is_none();
        // Before all were asked, nobody is missing.
        if !met && state.witnesses.len() < self.asked {
            return;
        }
        metrics::gauge!(names::QUORUM).set(if met { 1.0 } else { 0.0 });
        match (&shortfall, state.met) {
            (Some(missing), None | Some(true)) => {
                tracing::warn!(%missing, "checkpoints are not witnessed: the quorum is missing; recording goes on");
            }
            (None, Some(false)) => tracing::info!("checkpoints are witnessed again: the quorum is met"),
            _ => {}
        }
        state.met = Some(met);
    }
}

fn is_cosignature(witness: &PolicyWitness, signed: &SignedCheckpoint, signature: &NoteSignature) -> bool {
    matches!(witness.key.verify(signed.text(), signature), Ok(Some(time)) if time != 0)
}
