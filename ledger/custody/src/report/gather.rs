//! What a pass over the copies gathers: sums, findings, the first data sets and copies by rank. Parts of the work join to
//! the same in any order.

use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};
use std::sync::Arc;

use daicho_core::{Date, Instant};

use super::{Certificate, CopyReport, DeletionReport, DueDay, Problem, VerdictCounts};
use crate::FindingCode;
use crate::detail::Names;
use crate::duty::Records;
use crate::judge::{Copied, Evidence, Finding, Judgement, Said, Verdict};
use crate::state::{CopyRecord, DataSetRecord, push_parts};

/// Copies by verdict, in the order of [`Verdict::ALL`].
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ByVerdict([u64; Verdict::ALL.len()]);

impl ByVerdict {
    fn add(&mut self, verdict: Verdict, n: u64) {
        self.0[verdict as usize] += n;
    }

    fn join(&mut self, other: Self) {
        for (own, more) in self.0.iter_mut().zip(other.0) {
            *own += more;
        }
    }

    /// Every verdict.
    pub(super) fn all(self) -> VerdictCounts {
        Verdict::ALL.into_iter().zip(self.0).collect()
    }

    /// Those that occur.
    pub(super) fn occurring(self) -> VerdictCounts {
        self.all().into_iter().filter(|(_, n)| *n > 0).collect()
    }
}

/// Sums of copies.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sums {
    pub(super) copies: u64,
    pub(super) open: u64,
    pub(super) unproven: u64,
    pub(super) verdicts: ByVerdict,
    pub(super) open_verdicts: ByVerdict,
}

impl Sums {
    /// So many copies of which the same is said.
    pub(super) fn add(&mut self, said: &Said, n: u64) {
        let (judgement, when) = (&said.judgement, |is: bool| if is { n } else { 0 });
        let open = when(judgement.closed.is_none());
        self.copies += n;
        self.open += open;
        self.unproven += when(said.judgement.certificate.is_unproven());
        self.verdicts.add(judgement.verdict, n);
        self.open_verdicts.add(judgement.verdict, open);
    }

    pub(super) fn join(&mut self, other: &Self) {
        self.copies += other.copies;
        self.open += other.open;
        self.unproven += other.unproven;
        self.verdicts.join(other.verdicts);
        self.open_verdicts.join(other.open_verdicts);
    }
}

/// Sums of one rule.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RuleSums {
    pub(super) copies: u64,
    pub(super) started: u64,
    pub(super) verdicts: ByVerdict,
}

/// Sums of one flow.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FlowSums {
    pub(super) copies: u64,
    pub(super) open: u64,
    pub(super) last_use: Option<Instant>,
}

/// Sums of the data sets of one kind that came into being on one day.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct BatchSums {
    pub(super) data_sets: u64,
    pub(super) copies: Sums,
}

/// What is gathered on the way.
#[derive(Clone)]
pub(super) struct Gathered {
    pub(super) data_sets: u64,
    pub(super) places: Places,
    pub(super) evidence: BTreeMap<Evidence, u64>,
    pub(super) certificates: BTreeMap<Certificate, u64>,
    /// By the rule's place in the scheme.
    pub(super) rules: Vec<RuleSums>,
    pub(super) flows: HashMap<String, FlowSums>,
    pub(super) due_days: BTreeMap<Date, DueDay>,
    pub(super) batches: BTreeMap<(Date, String), BatchSums>,
    pub(super) found: Found,
    pub(super) records: Records,
    pub(super) listed: Listed,
}

impl Gathered {
    /// Nothing yet, for a scheme with so many rules.
    pub(super) fn new(rules: usize, records: Records) -> Self {
        Self {
            data_sets: 0,
            places: Places::default(),
            evidence: BTreeMap::new(),
            certificates: BTreeMap::new(),
            rules: vec![RuleSums::default(); rules],
            flows: HashMap::new(),
            due_days: BTreeMap::new(),
            batches: BTreeMap::new(),
            found: Found::default(),
            records,
            listed: Listed::default(),
        }
    }

    /// Takes in so many copies of the period of which the same is said.
    pub(super) fn copies(&mut self, said: &Said, n: u64) {
        let Said { copy, judgement } = said;
        self.places.of(copy).add(said, n);
        *self.evidence.entry(judgement.evidence).or_default() += n;
        *self.certificates.entry(judgement.certificate).or_default() += n;
        for one in &judgement.rules {
            let rule = &mut self.rules[one.place];
            rule.copies += n;
            rule.started += if one.triggered.is_some() { n } else { 0 };
            rule.verdicts.add(one.verdict, n);
        }
        self.flow(copy, judgement.closed.is_none(), n);
        self.date(judgement, n);
    }

    fn flow(&mut self, copy: &CopyRecord, open: bool, n: u64) {
        let flow = match self.flows.get_mut(&copy.flow) {
            Some(flow) => flow,
            None => self.flows.entry(copy.flow.clone()).or_default(),
        };
        flow.copies += n;
        flow.open += if open { n } else { 0 };
        flow.last_use = flow.last_use.max(Some(copy.opened.occurred));
    }

    /// Counts copies under the day on which they are due.
    fn date(&mut self, judgement: &Judgement, n: u64) {
        let Some(due) = judgement.due else { return };
        let day = due.jst_day();
        let mut of = |add: fn(&mut DueDay) -> &mut u64| {
            *add(self.due_days.entry(day).or_insert_with(|| DueDay::new(day))) += n;
        };
        match judgement.verdict {
            Verdict::OnTime | Verdict::Returned | Verdict::Moved => of(|d| &mut d.in_time),
            Verdict::Late => of(|d| &mut d.late),
            Verdict::Overdue => of(|d| &mut d.overdue),
            Verdict::Due | Verdict::Deferred | Verdict::NotTriggered => of(|d| &mut d.kept),
            Verdict::NoSchedule | Verdict::NotJudged => {}
        }
    }

    /// What another part of the work has gathered.
    pub(super) fn join(&mut self, other: Self) {
        self.data_sets += other.data_sets;
        self.places.join(other.places);
        for (evidence, n) in other.evidence {
            *self.evidence.entry(evidence).or_default() += n;
        }
        for (certificate, n) in other.certificates {
            *self.certificates.entry(certificate).or_default() += n;
        }
        for (own, more) in self.rules.iter_mut().zip(other.rules) {
            own.copies += more.copies;
            own.started += more.started;
            own.verdicts.join(more.verdicts);
        }
        for (flow, more) in other.flows {
            let own = self.flows.entry(flow).or_default();
            own.copies += more.copies;
            own.open += more.open;
            own.last_use = own.last_use.max(more.last_use);
        }
        for (day, more) in other.due_days {
            let own = self.due_days.entry(day).or_insert_with(|| DueDay::new(day));
            own.in_time += more.in_time;
            own.late += more.late;
            own.kept += more.kept;
            own.overdue += more.overdue;
        }
        for (batch, more) in other.batches {
            let own = self.batches.entry(batch).or_default();
            own.data_sets += more.data_sets;
            own.copies.join(&more.copies);
        }
        self.found.join(other.found);
        self.records.join(other.records);
        self.listed.join(other.listed);
    }
}

/// Sums at each holder and system.
#[derive(Clone, Default)]
pub(super) struct Places {
    /// By both names, each ended by a zero byte.
    sums: HashMap<Vec<u8>, Sums>,
    asked: Vec<u8>,
}

impl Places {
    fn of(&mut self, copy: &CopyRecord) -> &mut Sums {
        self.asked.clear();
        push_parts(&mut self.asked, &[&copy.holder, &copy.system]);
        if !self.sums.contains_key(&self.asked) {
            self.sums.insert(self.asked.clone(), Sums::default());
        }
        self.sums.get_mut(&self.asked).expect("it was put there")
    }

    fn join(&mut self, other: Self) {
        for (place, more) in other.sums {
            self.sums.entry(place).or_default().join(&more);
        }
    }

    /// By holder and system.
    pub(super) fn by_name(&self) -> BTreeMap<(String, String), Sums> {
        let name = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        let place = |(place, sums): (&Vec<u8>, &Sums)| {
            let mut names = place.split(|&b| b == 0);
            ((name(names.next()), name(names.next())), *sums)
        };
        self.sums.iter().map(place).collect()
    }
}

/// A copy that is listed.
pub(super) struct ListedCopy {
    id: String,
    said: Arc<Said>,
    problem: Option<Problem>,
}

impl ListedCopy {
    fn rank(&self) -> Rank<'_> {
        rank(self.problem, self.said.copy.opened.occurred, &self.id)
    }
}

/// The first copies of a data set by rank.
#[derive(Default)]
pub(super) struct ListedCopies(Vec<ListedCopy>);

impl ListedCopies {
    pub(super) fn add(&mut self, copy: &Copied<'_>) {
        let (id, said) = (copy.id.to_owned(), Arc::clone(copy.said));
        self.0.push(ListedCopy { id, problem: problem(&said), said });
        if self.0.len() >= 2 * DeletionReport::LISTED_COPIES {
            self.cut();
        }
    }

    fn cut(&mut self) {
        self.0.sort_unstable_by(|a, b| a.rank().cmp(&b.rank()));
        self.0.truncate(DeletionReport::LISTED_COPIES);
    }

    pub(super) fn into_sorted(mut self) -> impl ExactSizeIterator<Item = ListedCopy> {
        self.cut();
        self.0.into_iter()
    }
}

/// What a report would circle in a copy first.
pub(super) fn problem(said: &Said) -> Option<Problem> {
    match said.judgement.verdict {
        Verdict::Overdue => Some(Problem::Overdue),
        Verdict::Late => Some(Problem::Late),
        _ if said.judgement.certificate.is_unproven() => Some(Problem::Unproven),
        Verdict::NoSchedule => Some(Problem::NoSchedule),
        _ => None,
    }
}

/// Problems first, the worst first, then by time.
type Rank<'r> = (Problem, bool, Instant, &'r str);

fn rank(problem: Option<Problem>, opened: Instant, id: &str) -> Rank<'_> {
    (problem.unwrap_or(Problem::NoSchedule), problem.is_none(), opened, id)
}

/// The first data sets by rank. What is said of them is looked up once all are in.
#[derive(Clone, Default)]
pub(super) struct Listed(BinaryHeap<Ranked>);

impl Listed {
    pub(super) fn add(&mut self, problem: Option<Problem>, id: &str, record: &DataSetRecord) {
        let last = self.0.peek().filter(|_| self.0.len() >= DeletionReport::LISTED_DATA_SETS);
        if last.is_none_or(|last| rank(problem, record.opened.occurred, id) < last.rank()) {
            self.put(Ranked { problem, id: id.to_owned(), record: record.clone() });
        }
    }

    fn put(&mut self, one: Ranked) {
        self.0.push(one);
        if self.0.len() > DeletionReport::LISTED_DATA_SETS {
            self.0.pop();
        }
    }

    fn join(&mut self, other: Self) {
        other.0.into_iter().for_each(|one| self.put(one));
    }

    pub(super) fn into_sorted(self) -> Vec<Ranked> {
        self.0.into_sorted_vec()
    }
}

/// A data set with what is wrong with it.
#[derive(Clone)]
pub(super) struct Ranked {
    pub(super) problem: Option<Problem>,
    pub(super) id: String,
    pub(super) record: DataSetRecord,
}

impl Ranked {
    fn rank(&self) -> Rank<'_> {
        rank(self.problem, self.record.opened.occurred, &self.id)
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Ranked {}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

/// Findings: all counted, of each code the first ones by object listed.
#[derive(Clone, Default)]
pub(super) struct Found(BTreeMap<FindingCode, OfCode>);

#[derive(Clone, Default)]
struct OfCode {
    count: u64,
    listed: BTreeMap<String, Finding>,
}

impl OfCode {
    fn takes(&self, object: &str) -> bool {
        let full = self.listed.len() >= DeletionReport::LISTED_FINDINGS;
        !full || self.listed.last_key_value().is_some_and(|(last, _)| object < last.as_str())
    }

    fn list(&mut self, finding: Finding) {
        self.listed.insert(finding.object.clone(), finding);
        if self.listed.len() > DeletionReport::LISTED_FINDINGS {
            self.listed.pop_last();
        }
    }
}

impl Found {
    pub(super) fn add(&mut self, finding: Finding) {
        let of = self.0.entry(finding.code).or_default();
        of.count += 1;
        of.list(finding);
    }

    /// The findings of one copy, as [`Judge::findings`](crate::Judge::findings) gives them.
    pub(super) fn of_copy(&mut self, id: &str, judgement: &Judgement, names: &Names<'_>) {
        for (n, (code, detail)) in judgement.findings.iter().enumerate() {
            if judgement.findings[..n].iter().any(|(earlier, _)| earlier == code) {
                continue;
            }
            let of = self.0.entry(*code).or_default();
            of.count += 1;
            if of.takes(id) {
                let mut entries = judgement.entries.clone();
                entries.dedup();
                entries.truncate(Finding::MAX_ENTRIES);
                of.list(Finding::once(*code, id, detail.words(names), entries));
            }
        }
    }

    fn join(&mut self, other: Self) {
        for (code, more) in other.0 {
            let of = self.0.entry(code).or_default();
            of.count += more.count;
            more.listed.into_values().for_each(|finding| of.list(finding));
        }
    }

    /// How many there are of each code.
    pub(super) fn counts(&self) -> BTreeMap<FindingCode, u64> {
        self.0.iter().map(|(code, of)| (*code, of.count)).collect()
    }

    /// Those that are listed, in the order of code and object.
    pub(super) fn into_listed(self) -> Vec<Finding> {
        self.0.into_values().flat_map(|of| of.listed.into_values()).collect()
    }
}

/// The sums of each name, in the order of the scheme; what the scheme does not list comes last.
pub(super) fn in_order<'n>(
    names: impl Iterator<Item = (&'n String, &'n String)>,
    of: &BTreeMap<String, Sums>,
) -> Vec<super::Tally> {
    let tally = |id: &str, label: &str| {
        let sums = of.get(id).copied().unwrap_or_default();
        super::Tally {
            id: id.to_owned(),
            label: label.to_owned(),
            copies: sums.copies,
            open: sums.open,
            verdicts: sums.verdicts.all(),
            unproven: sums.unproven,
        }
    };
    let mut known = HashSet::new();
    let mut rows: Vec<_> = names
        .map(|(id, label)| {
            known.insert(id.as_str());
            tally(id, label)
        })
        .collect();
    rows.extend(of.keys().filter(|id| !known.contains(id.as_str())).map(|id| tally(id, id)));
    rows
}

/// A listed copy as the report shows it.
impl From<ListedCopy> for CopyReport {
    fn from(listed: ListedCopy) -> Self {
        let ListedCopy { id, said, problem } = listed;
        let Said { copy, judgement } = &*said;
        let decisive = judgement.rules.iter().find(|r| Some(&r.rule) == judgement.rule.as_ref());
        let triggered = decisive.and_then(|r| r.triggered);
        let mut entries = judgement.entries.clone();
        let unlisted = entries.len().saturating_sub(DeletionReport::LISTED_ENTRIES);
        entries.truncate(DeletionReport::LISTED_ENTRIES);
        Self {
            id,
            holder: copy.holder.clone(),
            member: copy.member.clone(),
            system: copy.system.clone(),
            unit: copy.unit.clone(),
            flow: copy.flow.clone(),
            subjects: copy.subjects,
            opened: copy.opened.into(),
            closed: judgement.closed.map(Into::into),
            verdict: judgement.verdict,
            problem,
            rule: judgement.rule.as_ref().map(ToString::to_string),
            triggered,
            due: judgement.due,
            evidence: judgement.evidence,
            third_party: judgement.third_party.clone().map(Into::into),
            certificate: judgement.certificate,
            owed: judgement.unserved.iter().map(ToString::to_string).collect(),
            entries,
            entries_unlisted: unlisted as u64,
        }
    }
}
