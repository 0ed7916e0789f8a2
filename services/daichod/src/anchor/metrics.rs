//! Names of all metrics of the anchors, with units. Labels: `witness` is the name in the policy, `tsa` the URL, `result`
//! a word of [`Trouble`](super::Trouble), or `cosigned`, or `stamped`.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

pub(super) const WITNESSED: &str = "daicho_witnessed_entries";
pub(super) const QUORUM: &str = "daicho_quorum_met";
pub(super) const WITNESS_REQUESTS: &str = "daicho_witness_requests_total";
pub(super) const WITNESS_TIME: &str = "daicho_witness_seconds";
pub(super) const STAMPED: &str = "daicho_timestamped_entries";
pub(super) const TSA_REQUESTS: &str = "daicho_tsa_requests_total";

/// Describes the metrics to the recorder in use.
pub(crate) fn describe() {
    describe_gauge!(
        WITNESSED,
        Unit::Count,
        "entries witnessed: covered by a kept checkpoint that a quorum of witnesses cosigned"
    );
    describe_gauge!(
        QUORUM,
        Unit::Count,
        "1 while the witnesses that cosigned when asked last are a quorum, else 0"
    );
    describe_counter!(WITNESS_REQUESTS, Unit::Count, "questions to witnesses, by witness and result");
    describe_histogram!(WITNESS_TIME, Unit::Seconds, "time until a witness cosigned, by witness");
    describe_gauge!(STAMPED, Unit::Count, "entries covered by a checkpoint with a timestamp, by authority");
    describe_counter!(
        TSA_REQUESTS,
        Unit::Count,
        "questions to time-stamping authorities, by authority and result"
    );
}
