//! What a witness does: decide, remember, sign, in this order and one checkpoint of a log after the other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use daicho_tlog::key::MAX_ML_DSA_NAME;
use daicho_tlog::witness::{self, AddCheckpoint, Rejection};
use daicho_tlog::{NoteError, NoteSignature, NoteSigner, SignedCheckpoint, VerifierKey};
use tokio::sync::{Mutex, OwnedMutexGuard, watch};
use tracing::{error, info, warn};

use crate::audit::{Replay, ReplayError};
use crate::config::{Config, ConfigError, KnownLog};
use crate::metrics as names;
use crate::state::{Cosigned, StateDir, origin_hash};

/// What the cosignatures of a key say. Published with the key; a key never changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Statement {
    /// C2SP tlog-cosignature and no more.
    Consistent,
    /// Also that every entry was replayed.
    Auditing,
}

impl Statement {
    /// Its name, in the state folder and on the page.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Consistent => "consistent",
            Self::Auditing => "auditing",
        }
    }

    /// In English.
    pub(crate) fn english(self) -> &'static str {
        match self {
            Self::Consistent => {
                "At the time of the cosignature this was the largest tree that this witness had seen of the log,\n\
                and every tree of the log that it cosigned before is the beginning of this one. It has not read\n\
                the entries and says nothing about them."
            }
            Self::Auditing => {
                "At the time of the cosignature this was the largest tree that this witness had seen of the log,\n\
                and every tree of the log that it cosigned before is the beginning of this one. It has replayed\n\
                every entry of this tree: form, order, times, hash chain, signatures under the keys of their time,\n\
                seals, and the rules of custody. It does not say that what the entries state is true, nor\n\
                that nothing was left unrecorded."
            }
        }
    }

    /// In Japanese.
    pub(crate) fn japanese(self) -> &'static str {
        match self {
            Self::Consistent => {
                "この連署は、その時刻において、本立会人がこの台帳について見た最大の木がこれであること、および\n\
                本立会人が以前に連署したすべての木がこの木の先頭部分であること(書換えや削除がないこと)を\n\
                証します。記録の内容は読んでおらず、内容については何も証しません。"
            }
            Self::Auditing => {
                "この連署は、その時刻において、本立会人がこの台帳について見た最大の木がこれであること、および\n\
                本立会人が以前に連署したすべての木がこの木の先頭部分であること(書換えや削除がないこと)を\n\
                証します。さらに、この木のすべての記録を再演し、形式、順序、時刻、連鎖ハッシュ、当時の鍵による\n\
                署名、封緘、授受と消去の規則を検査して誤りがなかったことを証します。申告の内容が事実であること、\n\
                記録されなかった事実がないことは証しません。"
            }
        }
    }
}

/// A witness with all its logs.
pub(crate) struct Witness {
    /// Name of its keys.
    pub(crate) name: String,
    /// What its cosignatures say.
    pub(crate) statement: Statement,
    signers: Vec<NoteSigner>,
    state: Arc<StateDir>,
    logs: BTreeMap<String, Arc<Log>>,
}

/// One log.
pub(crate) struct Log {
    /// Its name.
    pub(crate) origin: String,
    /// SHA-256 of its name: its path.
    pub(crate) hash: String,
    vkeys: Vec<VerifierKey>,
    latest: watch::Sender<Option<Arc<Cosigned>>>,
    /// Held from the decision until the state is on disk, so that no other checkpoint comes in between.
    turn: Arc<Mutex<Turn>>,
    /// Replays the entries, in auditing mode.
    pub(crate) replay: Option<Replay>,
}

/// Whether the log may be cosigned.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    Open,
    /// The state could not be written. Nobody knows what a restart will find.
    Closed,
}

/// Why a checkpoint is not cosigned.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// C2SP tlog-witness says so.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// Not replayed, in auditing mode.
    #[error(transparent)]
    NotReplayed(#[from] ReplayError),
    /// The checkpoint passed every check and still cannot be signed.
    #[error("cannot be signed: {0}")]
    Unsignable(#[from] NoteError),
    /// The state could not be written.
    #[error("the state of the witness could not be written; its operator must look after it")]
    Closed,
}

impl Refused {
    /// The HTTP status. C2SP has none for an audit; 503 says that the checkpoint may be good and the witness cannot tell.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Rejected(rejection) => rejection.status(),
            Self::NotReplayed(_) => 503,
            Self::Unsignable(_) | Self::Closed => 500,
        }
    }
}

impl Witness {
    /// Reads keys and state, and starts replays.
    ///
    /// # Errors
    /// When the configuration, a key or the state cannot be used.
    pub(crate) fn open(config: &Config) -> anyhow::Result<Arc<Self>> {
        let statement = config.statement()?;
        let signers = config.signers()?;
        let known = config.logs()?;
        check_against_logs(&signers, &known)?;
        let state = Arc::new(StateDir::open(&config.state)?);
        let vkeys: Vec<String> = signers.iter().map(|signer| signer.verifier().to_string()).collect();
        state.bind_keys(statement.word(), vkeys.iter().map(String::as_str))?;
        let mut logs = BTreeMap::new();
        for log in known {
            let log = Log::open(log, &state, config)?;
            logs.insert(log.origin.clone(), Arc::new(log));
        }
        Ok(Arc::new(Self { name: config.name.clone(), statement, signers, state, logs }))
    }

    /// The public keys.
    pub(crate) fn vkeys(&self) -> impl Iterator<Item = &VerifierKey> {
        self.signers.iter().map(NoteSigner::verifier)
    }

    /// The logs, by name.
    pub(crate) fn logs(&self) -> impl Iterator<Item = &Log> {
        self.logs.values().map(Arc::as_ref)
    }

    /// Answers an add-checkpoint request with the cosignatures.
    ///
    /// # Errors
    /// [`Refused`].
    pub(crate) async fn add_checkpoint(
        self: &Arc<Self>,
        request: AddCheckpoint,
    ) -> Result<Vec<NoteSignature>, Refused> {
        let checkpoint = request.checkpoint().checkpoint();
        let log = self.logs.get(checkpoint.origin()).ok_or(Rejection::UnknownOrigin)?;
        if let Some(replay) = &log.replay {
            // What is to be rejected anyway costs no replay. After it the state may be another, so this is done again.
            log.decide(&request)?;
            replay.reach(checkpoint.size(), *checkpoint.root()).await?;
        }
        let turn = Arc::clone(&log.turn).lock_owned().await;
        let (witness, log) = (Arc::clone(self), Arc::clone(log));
        // On a thread of its own, and so to its end even when the caller goes away meanwhile.
        let done = tokio::task::spawn_blocking(move || witness.cosign(&log, turn, &request, now()));
        done.await.unwrap_or(Err(Refused::Closed))
    }

    fn cosign(
        &self,
        log: &Log,
        mut turn: OwnedMutexGuard<Turn>,
        request: &AddCheckpoint,
        now: u64,
    ) -> Result<Vec<NoteSignature>, Refused> {
        log.decide(request)?;
        if *turn == Turn::Closed {
            return Err(Refused::Closed);
        }
        let signed = request.checkpoint();
        let checkpoint = signed.checkpoint();
        let before = log.latest();
        // A clock that was set back does not make a later cosignature look like an earlier one; zero is no time.
        let time = now.max(before.map_or(1, |before| before.time));
        let sign = |signer: &NoteSigner| signer.sign(signed.text(), time);
        let cosignatures = self.signers.iter().map(sign).collect::<Result<Vec<_>, _>>()?;
        // Those of the log were verified by `decide`; one of each key is enough. Foreign ones are left out.
        let by_log = |vkey: &VerifierKey| signed.signatures().iter().find(|s| vkey.is_named_by(s)).cloned();
        let signatures = log.vkeys.iter().filter_map(by_log).chain(cosignatures.iter().cloned()).collect();
        let note = SignedCheckpoint::new(checkpoint.clone(), signatures)?.to_string();
        let (size, root) = (checkpoint.size(), *checkpoint.root());
        let cosigned = Cosigned { size, root, time, note };
        // If we die in here, the log has no answer and asks again; with 409 it then learns the size that was kept.
        if let Err(why) = self.state.keep(&log.origin, &cosigned) {
            error!(origin = log.origin, %why, "the state could not be written; the log is not cosigned until a restart");
            *turn = Turn::Closed;
            return Err(Refused::Closed);
        }
        log.show(cosigned);
        info!(origin = log.origin, size, old = request.old_size(), "cosigned");
        Ok(cosignatures)
    }
}

impl Log {
    fn open(known: KnownLog, state: &Arc<StateDir>, config: &Config) -> anyhow::Result<Self> {
        let KnownLog { origin, vkeys, audit } = known;
        let latest = state.cosigned(&origin)?;
        match &latest {
            Some(cosigned) => info!(origin, size = cosigned.size, "cosigned before"),
            None => warn!(origin, "nothing was cosigned before: the first checkpoint is believed as it is"),
        }
        let replay = match audit {
            None => None,
            Some(source) => {
                let refused = state.refusal(&origin)?;
                let replay = Replay::start(&origin, source, Arc::clone(state), refused, config.audit_wait());
                Some(replay.with_context(|| format!("preparing the audit of {origin}"))?)
            }
        };
        if let (Some(replay), Some(cosigned)) = (&replay, &latest) {
            // Begun before anybody asks. Nobody waits for the answer.
            let _ = replay.ask(cosigned.size, cosigned.root);
        }
        let log = Self {
            hash: origin_hash(&origin),
            origin,
            vkeys,
            latest: watch::Sender::new(None),
            turn: Arc::new(Mutex::new(Turn::Open)),
            replay,
        };
        latest.into_iter().for_each(|latest| log.show(latest));
        Ok(log)
    }

    /// The last checkpoint cosigned. It is on disk.
    pub(crate) fn latest(&self) -> Option<Arc<Cosigned>> {
        self.latest.borrow().clone()
    }

    fn show(&self, cosigned: Cosigned) {
        metrics::gauge!(names::SIZE, "origin" => self.origin.clone()).set(cosigned.size as f64);
        metrics::gauge!(names::COSIGNED, "origin" => self.origin.clone()).set(cosigned.time as f64);
        self.latest.send_replace(Some(Arc::new(cosigned)));
    }

    fn decide(&self, request: &AddCheckpoint) -> Result<(), Rejection> {
        let latest = self.latest().map(|cosigned| (cosigned.size, cosigned.root));
        let decided = witness::decide(latest, &self.vkeys, request);
        if let Err(why @ (Rejection::EmptyRoot | Rejection::OtherRoot | Rejection::Inconsistent(_))) =
            &decided
        {
            // Signed by the log: it may prove misbehaviour, so all of it is kept in the log.
            let note = request.checkpoint().to_string();
            warn!(origin = self.origin, old = request.old_size(), %why, note, "a signed checkpoint does not fit");
        }
        decided
    }
}

fn check_against_logs(signers: &[NoteSigner], logs: &[KnownLog]) -> Result<(), ConfigError> {
    for log in logs {
        if log.origin.len() > MAX_ML_DSA_NAME {
            return Err(ConfigError::new(format!("log {}: an origin has at most 255 bytes", log.origin)));
        }
        let same = |signer: &NoteSigner| {
            log.vkeys.iter().any(|vkey| vkey.public_key() == signer.verifier().public_key())
        };
        if signers.iter().any(same) {
            return Err(ConfigError::new(format!("log {}: has a key of this witness", log.origin)));
        }
    }
    Ok(())
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
