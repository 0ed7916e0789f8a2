//! Checkpoints that an audit holds the entries to, and who stands behind them.

use anyhow::anyhow;
use daicho_client::Instant;
use daicho_tlog::policy::PolicyError;
use daicho_tlog::{Policy, SignedCheckpoint, VerifierKey};
use daicho_verify::AuditReport;

use super::Fault;

/// A checkpoint, and who stands behind it.
pub(super) struct Anchor {
    pub(super) checkpoint: SignedCheckpoint,
    /// Names and ids of the keys of the ledger that signed it.
    pub(super) signed_by: Vec<String>,
    /// Witnesses that cosigned it, by their names in the policy, and when.
    pub(super) cosigned_by: Vec<(String, Instant)>,
    pub(super) keys: Keys,
}

/// Where the keys came from that a checkpoint was verified with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keys {
    /// From a policy.
    Policy,
    /// From the entries themselves.
    Ledger,
}

/// Whether a checkpoint must have the policy's quorum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quorum {
    Wanted,
    /// Too new to be cosigned.
    MayLack,
}

impl Anchor {
    /// Checks a checkpoint under the policy. Without one that waits until the ledger has named its keys.
    pub(super) fn new(
        checkpoint: SignedCheckpoint,
        policy: Option<&Policy>,
        quorum: Quorum,
    ) -> anyhow::Result<Self> {
        let mut anchor =
            Self { checkpoint, signed_by: Vec::new(), cosigned_by: Vec::new(), keys: Keys::Ledger };
        let Some(policy) = policy else { return Ok(anchor) };
        let trust = match quorum {
            Quorum::Wanted => policy.check(&anchor.checkpoint),
            Quorum::MayLack => policy.examine(&anchor.checkpoint),
        };
        let trust = trust.map_err(|error| match error {
            PolicyError::UnknownLog { .. } => anyhow!("{error}: it is for another ledger"),
            error => Fault::of_checkpoint(&anchor.checkpoint, error).into(),
        })?;
        anchor.keys = Keys::Policy;
        anchor.signed_by = trust.logs.iter().map(|log| name_of(&log.key)).collect();
        anchor.cosigned_by =
            trust.witnesses.iter().map(|c| (c.witness.name.to_string(), instant(c.timestamp))).collect();
        Ok(anchor)
    }

    /// Number of entries that it speaks of.
    pub(super) fn size(&self) -> u64 {
        self.checkpoint.checkpoint().size()
    }

    /// Compares it with the ledger that was replayed, whose keys verify it when no policy did.
    pub(super) fn settle(&mut self, report: &AuditReport) -> Result<(), Fault> {
        let origin = self.checkpoint.checkpoint().origin();
        if origin != report.origin.as_str() {
            let detail = format!("the checkpoint is of {origin}, the entries are of {}", report.origin);
            return Err(Fault::of_checkpoint(&self.checkpoint, detail));
        }
        if self.keys == Keys::Ledger {
            // Any key that it ever named: a checkpoint may have been signed just before a new set was recorded.
            let texts = report.checkpoint_keys.iter().flat_map(|(_, keys)| keys);
            let keys: Vec<VerifierKey> = texts.filter_map(|key| key.parse().ok()).collect();
            let verified = self.checkpoint.verify(&keys);
            let verified = verified.map_err(|error| Fault::of_checkpoint(&self.checkpoint, error))?;
            self.signed_by = verified.iter().map(|signature| name_of(signature.key)).collect();
        }
        Ok(())
    }
}

fn name_of(key: &VerifierKey) -> String {
    format!("{}+{}", key.name(), key.key_id())
}

/// A witness's time. What is beyond all times is shown as the last one.
fn instant(seconds: u64) -> Instant {
    let ms = i64::try_from(seconds).ok().and_then(|s| s.checked_mul(1_000));
    ms.and_then(Instant::from_unix_ms).unwrap_or(Instant::MAX)
}
