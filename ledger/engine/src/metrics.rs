//! Names of all metrics of the engine, with units. Labels: `reason` is a word of `RefusalCode`.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

pub(crate) const RECORDED: &str = "daicho_statements_recorded_total";
pub(crate) const REPEATED: &str = "daicho_statements_repeated_total";
pub(crate) const REFUSED: &str = "daicho_statements_refused_total";
pub(crate) const EVENTS: &str = "daicho_events_recorded_total";
pub(crate) const FINDINGS: &str = "daicho_findings_raised_total";
pub(crate) const GROUP: &str = "daicho_commit_group_statements";
pub(crate) const COMMIT: &str = "daicho_commit_seconds";
pub(crate) const SIZE: &str = "daicho_ledger_entries";
pub(crate) const PUBLISHED: &str = "daicho_published_entries";
pub(crate) const UNPUBLISHED: &str = "daicho_groups_unpublished_total";
pub(crate) const PUBLISH: &str = "daicho_publish_seconds";
pub(crate) const QUEUE: &str = "daicho_append_queue_kib";

/// Describes the metrics to the recorder in use.
pub fn describe() {
    describe_counter!(RECORDED, Unit::Count, "statements recorded: synced to disk");
    describe_counter!(REPEATED, Unit::Count, "statements sent again that got their first answer");
    describe_counter!(REFUSED, Unit::Count, "statements refused, by reason");
    describe_counter!(EVENTS, Unit::Count, "events in recorded statements");
    describe_counter!(FINDINGS, Unit::Count, "findings raised when recording, by code");
    describe_histogram!(GROUP, Unit::Count, "statements that shared one synced write");
    describe_histogram!(COMMIT, Unit::Seconds, "time of one synced write");
    describe_gauge!(SIZE, Unit::Count, "entries recorded: in the ledger and synced to disk");
    describe_gauge!(
        PUBLISHED,
        Unit::Count,
        "entries published: covered by a signed checkpoint that the guard holds"
    );
    describe_counter!(
        UNPUBLISHED,
        Unit::Count,
        "commit groups answered without a proof because a key or the guard was away"
    );
    describe_histogram!(
        PUBLISH,
        Unit::Seconds,
        "time to sign the checkpoints of waiting groups and swap the guard"
    );
    describe_gauge!(QUEUE, Unit::Kibibytes, "statement bytes received and not yet recorded");
}
