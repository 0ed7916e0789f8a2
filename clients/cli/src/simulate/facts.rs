//! Short ways to write the parts of events.

use daicho_core::proto::{self, event::Fact};

/// A data set with all items of its kind.
pub(crate) fn set(id: &str, kind: &str, subjects: u64) -> proto::DataSet {
    proto::DataSet { id: id.to_owned(), kind: kind.to_owned(), subject_count: subjects, ..Default::default() }
}

/// Further facts of a data set.
pub(crate) trait SetExt {
    /// The use, transaction or job that it belongs to.
    fn session(self, id: &str) -> Self;
    /// The items in it.
    fn items(self, names: &[&str]) -> Self;
    /// A class of subjects in it.
    fn class(self, name: &str) -> Self;
}

impl SetExt for proto::DataSet {
    fn session(mut self, id: &str) -> Self {
        id.clone_into(&mut self.session);
        self
    }

    fn items(mut self, names: &[&str]) -> Self {
        self.items = names.iter().map(ToString::to_string).collect();
        self
    }

    fn class(mut self, name: &str) -> Self {
        self.subject_classes.push(name.to_owned());
        self
    }
}

/// A copy of a data set at a system.
pub(crate) fn copy(id: &str, data_set: &str, system: &str) -> proto::Copy {
    proto::Copy {
        id: id.to_owned(),
        data_set: data_set.to_owned(),
        system: system.to_owned(),
        unit: String::new(),
    }
}

/// A copy at one of several like machines.
pub(crate) fn copy_at(id: &str, data_set: &str, system: &str, unit: &str) -> proto::Copy {
    proto::Copy { unit: unit.to_owned(), ..copy(id, data_set, system) }
}

/// New data made by one holder, or data that it had before the play begins.
pub(crate) fn derived(
    flow: &str,
    from: &[&str],
    data_sets: Vec<proto::DataSet>,
    copies: Vec<proto::Copy>,
) -> Fact {
    Fact::Derived(proto::Derived {
        flow: flow.to_owned(),
        from_copies: from.iter().map(ToString::to_string).collect(),
        data_sets,
        copies,
        ..Default::default()
    })
}

/// Data put on paper.
pub(crate) fn printed(
    flow: &str,
    from: &[&str],
    data_sets: Vec<proto::DataSet>,
    copies: Vec<proto::Copy>,
) -> Fact {
    Fact::Printed(proto::Printed {
        flow: flow.to_owned(),
        from_copies: from.iter().map(ToString::to_string).collect(),
        data_sets,
        copies,
    })
}

/// Copies erased, by a machine or by a person.
pub(crate) fn deleted(copies: &[String], automatic: bool) -> Fact {
    let passed = proto::CheckResult::Passed as i32;
    let (technique, tool) =
        if automatic { ("overwrite", "scheduled job") } else { ("cryptographic overwrite", "wiping tool") };
    Fact::Deleted(proto::Deleted {
        copies: copies.iter().map(|id| part(id, 0)).collect(),
        method: proto::SanitizationMethod::Clear as i32,
        technique: technique.to_owned(),
        technique_standard: "NIST SP 800-88".to_owned(),
        tool: tool.to_owned(),
        verification: passed,
        validation: passed,
        performed_by: if automatic { String::new() } else { "handler-1".to_owned() },
        backups: proto::BackupCoverage::NoneExist as i32,
        automatic,
        ..Default::default()
    })
}

/// Part of a copy; 0: all that remains.
pub(crate) fn part(copy: &str, count: u64) -> proto::CopyPart {
    proto::CopyPart { copy: copy.to_owned(), count }
}

/// What a handover carries: one copy of the giver, and what the taker makes of it.
#[derive(Debug, Clone)]
pub(crate) struct Parcel {
    /// Copy of the giver.
    pub(crate) copy: String,
    /// Its data set.
    pub(crate) data_set: String,
    /// Number of persons.
    pub(crate) count: u64,
    /// Copy and system of the taker. `None`: it keeps nothing.
    pub(crate) opens: Option<(String, String)>,
}

/// A parcel that the taker keeps.
pub(crate) fn kept(copy: &str, data_set: &str, count: u64, as_copy: &str, system: &str) -> Parcel {
    let opens = Some((as_copy.to_owned(), system.to_owned()));
    Parcel { opens, ..seen(copy, data_set, count) }
}

/// A parcel of which the taker keeps nothing.
pub(crate) fn seen(copy: &str, data_set: &str, count: u64) -> Parcel {
    Parcel { copy: copy.to_owned(), data_set: data_set.to_owned(), count, opens: None }
}
