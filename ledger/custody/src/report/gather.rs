//! What a pass gathers: sums by id, findings, the first data sets and copies by rank.

use std::collections::{BTreeMap, HashMap};

use daicho_core::Instant;

use super::compute::no_verdicts;
use super::{CopyReport, DataSetReport, DeletionReport, Problem, Tally};
use crate::FindingCode;
use crate::judge::{Finding, Judgement};

/// Sums by id, in the order of the scheme; what the scheme does not list comes last.
pub(super) struct Tallies {
    pub(super) rows: Vec<Tally>,
    at: HashMap<String, usize>,
}

impl Tallies {
    pub(super) fn new<'s>(names: impl Iterator<Item = (&'s String, &'s String)>) -> Self {
        let mut tallies = Self { rows: Vec::new(), at: HashMap::new() };
        for (id, label) in names {
            tallies.add(id, label);
        }
        tallies
    }

    fn add(&mut self, id: &str, label: &str) -> usize {
        self.rows.push(Tally {
            id: id.to_owned(),
            label: label.to_owned(),
            copies: 0,
            open: 0,
            verdicts: no_verdicts(),
            unproven: 0,
        });
        self.at.insert(id.to_owned(), self.rows.len() - 1);
        self.rows.len() - 1
    }

    pub(super) fn of(&mut self, id: &str) -> &mut Tally {
        let at = self.at.get(id).copied().unwrap_or_else(|| self.add(id, id));
        &mut self.rows[at]
    }
}

/// Findings: all counted, listed up to a number for each code.
#[derive(Default)]
pub(super) struct Found {
    pub(super) listed: BTreeMap<(FindingCode, String), Finding>,
    pub(super) counts: BTreeMap<FindingCode, u64>,
}

impl Found {
    pub(super) fn add(&mut self, finding: Finding) {
        let count = self.counts.entry(finding.code).or_default();
        *count += 1;
        if *count <= DeletionReport::LISTED_FINDINGS as u64 {
            self.listed.insert((finding.code, finding.object.clone()), finding);
        }
    }

    /// The findings of one copy, as [`Judge::findings`] gives them.
    pub(super) fn of_copy(&mut self, id: &str, judgement: &Judgement) {
        let mut done: Vec<FindingCode> = Vec::new();
        for (code, detail) in &judgement.findings {
            if done.contains(code) {
                continue;
            }
            done.push(*code);
            let mut entries = judgement.entries.clone();
            entries.dedup();
            entries.truncate(Finding::MAX_ENTRIES);
            self.add(Finding::once(*code, id, detail.as_str(), entries));
        }
    }
}

/// Orders data sets: problems first, the worst first, then by time.
pub(super) struct Ranked(pub(super) DataSetReport);

impl Ranked {
    fn rank(&self) -> (Problem, bool, Instant, &str) {
        let d = &self.0;
        (d.problem.unwrap_or(Problem::NoSchedule), d.problem.is_none(), d.opened.occurred, &d.id)
    }
}

/// Orders copies of one data set in the same way.
pub(super) struct RankedCopy(pub(super) CopyReport);

impl RankedCopy {
    fn rank(&self) -> (Problem, bool, Instant, &str) {
        let c = &self.0;
        (c.problem.unwrap_or(Problem::NoSchedule), c.problem.is_none(), c.opened.occurred, &c.id)
    }
}

macro_rules! ordered_by_rank {
    ($($name:ty),*) => {$(
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.rank() == other.rank()
            }
        }
        impl Eq for $name {}
        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }
        impl Ord for $name {
            fn cmp(&self, other: &Self) -> std::cmp::Ordering {
                self.rank().cmp(&other.rank())
            }
        }
    )*};
}

ordered_by_rank!(Ranked, RankedCopy);
