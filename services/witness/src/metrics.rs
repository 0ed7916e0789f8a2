//! Names of all metrics, with units. Labels: `status` is the HTTP status of an answer to add-checkpoint, `origin` the
//! name of a log of the configuration.

use metrics::{Unit, describe_counter, describe_gauge};

pub(crate) const REQUESTS: &str = "daicho_witness_requests_total";
pub(crate) const SIZE: &str = "daicho_witness_log_entries";
pub(crate) const COSIGNED: &str = "daicho_witness_last_cosigned_timestamp_seconds";
pub(crate) const REPLAYED: &str = "daicho_witness_replayed_entries";
pub(crate) const TROUBLES: &str = "daicho_witness_replay_troubles_total";
pub(crate) const REFUSED: &str = "daicho_witness_audit_refused";

/// Describes the metrics to the recorder in use.
pub(crate) fn describe() {
    describe_counter!(REQUESTS, Unit::Count, "answers to add-checkpoint, by status");
    describe_gauge!(SIZE, Unit::Count, "size of the last checkpoint cosigned, by log");
    describe_gauge!(COSIGNED, Unit::Seconds, "time of the last cosignature since 1970, by log");
    describe_gauge!(REPLAYED, Unit::Count, "entries replayed since the start, by log");
    describe_counter!(
        TROUBLES,
        Unit::Count,
        "replays that stopped early: entries missing or not those of the tree"
    );
    describe_gauge!(REFUSED, Unit::Count, "1 when an audit refused the log, by log");
}
