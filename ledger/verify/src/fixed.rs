//! Since when a checkpoint cannot have been changed, by the word of others than the ledger.

use daicho_core::Instant;
use daicho_tlog::Policy;
use daicho_tlog::policy::Trust;

use crate::timestamp::VerifiedTime;

/// A time at which a checkpoint was there, and so everything that it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FixedSince {
    /// The time.
    pub time: Instant,
    /// Who says so.
    pub by: FixedBy,
}

/// Who says when a checkpoint was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FixedBy {
    /// So many witnesses that they are the policy's quorum, or one where it asks for none.
    Witnesses,
    /// A time-stamping authority, by its place among the verified timestamps.
    Authority(usize),
}

impl FixedSince {
    /// The earliest time that is vouched for. `None` when nobody but the ledger says anything.
    ///
    /// One witness alone could put a date too early. What counts is the time at which the quorum was complete.
    pub fn earliest(policy: &Policy, trust: &Trust<'_>, timestamps: &[VerifiedTime]) -> Option<Self> {
        let mut cosigned: Vec<_> = trust.witnesses.iter().map(|one| (one.timestamp, one.witness)).collect();
        cosigned.sort_by_key(|(time, _)| *time);
        let enough = (1..=cosigned.len())
            .find(|n| policy.quorum_met(cosigned[..*n].iter().map(|(_, witness)| witness.name.as_bytes())));
        let quorum = enough.and_then(|n| seconds(cosigned[n - 1].0));
        let quorum = quorum.map(|time| Self { time, by: FixedBy::Witnesses });
        let stamped = timestamps.iter().enumerate();
        let stamped = stamped.map(|(n, stamp)| Self { time: stamp.gen_time, by: FixedBy::Authority(n) });
        quorum.into_iter().chain(stamped).min_by_key(|fixed| fixed.time)
    }
}

/// A time of a cosignature. `None` when it is out of range.
fn seconds(since_1970: u64) -> Option<Instant> {
    Instant::from_unix_ms(i64::try_from(since_1970).ok()?.checked_mul(1000)?)
}
