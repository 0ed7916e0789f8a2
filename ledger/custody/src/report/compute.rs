//! One pass over the copies, data set by data set.

use std::collections::BTreeMap;

use daicho_core::{Date, Instant};

use super::answer::answer;
use super::describe::Describer;
use super::gather::{Gathered, ListedCopies, Ranked, Sums, in_order, problem};
use super::{
    Batch, Certificate, DataSetReport, DeletionReport, DutyReport, FlowReport, Period, Place, ReportHead,
    RuleReport, RuleStatus, ThirdPartyReport, Totals,
};
use crate::FindingCode;
use crate::context::{ContextCache, SchemeContext};
use crate::detail::Names;
use crate::duty::{Duty, DutyJudgement, DutyStatus, Records, duties};
use crate::fold::ledger_record;
use crate::judge::{DataSet, Evidence, Judge, Tally};
use crate::media::method_word;
use crate::scheme::Text;
use crate::state::{Fact, RelayRecord, Scan, StateError, Table, ThirdParty, Txn, decode, key, part};

type Result<T> = std::result::Result<T, StateError>;

impl DeletionReport {
    /// The report on `scheme` over `period` (first and last day) as it stands at `as_of`.
    ///
    /// `None` when the scheme is not in force. Copies are in when their data set came into being in the period;
    /// findings are those of the whole scheme.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn compute(
        state: &dyn Scan,
        cache: &mut ContextCache,
        scheme: &str,
        period: (Date, Date),
        as_of: Instant,
        head: ReportHead,
    ) -> Result<Option<Self>> {
        let Some(judge) = Judge::new(state, cache, scheme)? else { return Ok(None) };
        let context = judge.context_at(as_of);
        let ward = ledger_record(&Txn::new(state))?.ward;
        let describe = Describer { judge: &judge, context, as_of, ward };
        let period = Period { from: period.0, to: period.1 };
        let duties = duties(context);
        let nothing = Gathered::new(context.scheme.rules.len(), Records::new(as_of, &duties));
        let new = || Part { gathered: nothing.clone(), all: Tally::default(), of_period: Tally::default() };
        let names = judge.names(as_of);
        let parts = judge.pass(as_of, new, |part, data_set| part.see(data_set, period, &names))?;
        let mut all = nothing;
        parts.into_iter().for_each(|part| all.join(part.end()));
        all.records.complete(&judge)?;
        let judged = judge.judge_duties(&duties, &all.records);
        let of_duties = judge.duty_findings(&duties, &judged, &all.records);
        let mut others = judge.findings_without_copies(as_of)?;
        others.extend(of_duties);
        let (decisions, older) = judge.decisions(as_of, &others, Self::LISTED_DECISIONS)?;
        others.into_iter().for_each(|finding| all.found.add(finding));
        let mut flows = with_copies(describe.flows(), &all);
        uses(&judge, &mut flows, period, as_of)?;
        let duties = duties.into_iter().zip(judged).map(|(duty, judged)| duty_report(duty, judged)).collect();
        let mut report = written(all, &describe, head, period, flows, duties)?;
        judge.answer_findings(&mut report.findings, as_of)?;
        (report.decisions, report.decisions_unlisted) = (decisions, older);
        Ok(Some(report))
    }
}

/// What one part of the work gathers.
struct Part {
    gathered: Gathered,
    /// All copies, while they are only counted.
    all: Tally,
    /// Those of the period, likewise.
    of_period: Tally,
}

impl Part {
    /// Takes in one data set.
    fn see(&mut self, data_set: &mut DataSet<'_, '_>, period: Period, names: &Names<'_>) -> Result<()> {
        let Self { gathered, all, of_period } = self;
        let (id, record) = (data_set.id, data_set.record);
        let day = record.opened.occurred.jst_day();
        let reported = (period.from..=period.to).contains(&day);
        let (mut sums, mut worst) = (Sums::default(), None);
        data_set.copies(|copy| {
            gathered.found.of_copy(copy.id, &copy.said.judgement, names);
            all.count(copy.said, |said, n| gathered.records.copies(said, n));
            if reported {
                of_period.count(copy.said, |said, n| gathered.copies(said, n));
                sums.add(copy.said, 1);
                worst = worst.into_iter().chain(problem(copy.said)).min();
            }
            Ok(())
        })?;
        if !reported {
            return Ok(());
        }
        gathered.data_sets += 1;
        let batch = gathered.batches.entry((day, record.kind.clone())).or_default();
        batch.data_sets += 1;
        batch.copies.join(&sums);
        gathered.listed.add(worst, id, record);
        Ok(())
    }

    /// Everything that was gathered.
    fn end(self) -> Gathered {
        let Self { mut gathered, all, of_period } = self;
        all.end(|said, n| gathered.records.copies(said, n));
        of_period.end(|said, n| gathered.copies(said, n));
        gathered
    }
}

/// The data sets that are listed, with what is said of their copies. They are few: looking at them again is cheaper than
/// keeping every copy for it.
fn data_sets(judge: &Judge<'_>, listed: Vec<Ranked>, as_of: Instant) -> Result<Vec<DataSetReport>> {
    let mut reports = Vec::with_capacity(listed.len());
    let names = listed.iter().map(|one| (one.id.as_str(), &one.record));
    let mut problems = listed.iter().map(|one| one.problem);
    judge.again(as_of, names, |data_set| {
        let (mut copies, mut all) = (ListedCopies::default(), 0);
        data_set.copies(|copy| {
            all += 1;
            copies.add(copy);
            Ok(())
        })?;
        let (copies, record) = (copies.into_sorted(), data_set.record);
        reports.push(DataSetReport {
            id: data_set.id.to_owned(),
            kind: record.kind.clone(),
            label: kind_label(judge.context_at(as_of), &record.kind),
            subjects: record.subjects,
            session: record.session.clone(),
            opened: record.opened.into(),
            problem: problems.next().flatten(),
            copies_unlisted: all - copies.len() as u64,
            copies: copies.map(Into::into).collect(),
        });
        Ok(())
    })?;
    Ok(reports)
}

fn kind_label(context: &SchemeContext, kind: &str) -> String {
    context.kind(kind).map_or(kind, |k| &k.label).to_owned()
}

fn with_copies(mut flows: Vec<FlowReport>, all: &Gathered) -> Vec<FlowReport> {
    for flow in &mut flows {
        let sums = all.flows.get(&flow.id).copied().unwrap_or_default();
        flow.copies = sums.copies;
        flow.open = sums.open;
        flow.last_use = sums.last_use;
    }
    flows
}

/// Counts handovers and relays of the period by flow.
fn uses(judge: &Judge<'_>, flows: &mut [FlowReport], period: Period, as_of: Instant) -> Result<()> {
    let mut passed = |flow: &str, fact: Fact| {
        let day = fact.occurred.jst_day();
        let flow = flows.iter_mut().find(|known| known.id == flow);
        if let Some(flow) = flow.filter(|_| (period.from..=period.to).contains(&day)) {
            flow.passages += 1;
            flow.last_use = flow.last_use.max(Some(fact.occurred));
        }
    };
    for row in judge.handovers() {
        let (_, handover) = row?;
        let known = |side: Option<Fact>| side.filter(|fact| fact.recorded <= as_of);
        if let Some(fact) = known(handover.given).or_else(|| known(handover.received)) {
            passed(&handover.flow, fact);
        }
    }
    for row in judge.state().scan(&key(Table::Relay, &[judge.id()]), None) {
        let (place, value) = row?;
        let relay: RelayRecord = decode(&value)?;
        if relay.fact.recorded <= as_of {
            passed(part(&place, 1), relay.fact);
        }
    }
    Ok(())
}

fn with_sums(mut rules: Vec<RuleReport>, all: &Gathered) -> Vec<RuleReport> {
    for (rule, sums) in rules.iter_mut().zip(&all.rules) {
        rule.copies = sums.copies;
        rule.started = sums.started;
        rule.verdicts = sums.verdicts.all();
        if sums.started > 0 && rule.status == RuleStatus::NotTriggered {
            rule.status = RuleStatus::Judged;
        }
    }
    rules
}

fn totals(all: &Gathered, sums: &Sums) -> Totals {
    let evidence = [Evidence::None, Evidence::Attested, Evidence::Certified, Evidence::Confirmed];
    Totals {
        data_sets: all.data_sets,
        copies: sums.copies,
        open: sums.open,
        verdicts: sums.verdicts.all(),
        evidence: evidence.map(|e| (e, all.evidence.get(&e).copied().unwrap_or_default())).into(),
        certificates: Certificate::ALL
            .map(|c| (c, all.certificates.get(&c).copied().unwrap_or_default()))
            .into(),
    }
}

type Places = BTreeMap<(String, String), Sums>;

/// Sums of places by one of their names.
fn by(places: &Places, name: fn(&(String, String)) -> &String) -> BTreeMap<String, Sums> {
    let mut sums: BTreeMap<String, Sums> = BTreeMap::new();
    for (place, more) in places {
        sums.entry(name(place).clone()).or_default().join(more);
    }
    sums
}

fn written(
    all: Gathered,
    describe: &Describer<'_, '_>,
    ledger: ReportHead,
    period: Period,
    flows: Vec<FlowReport>,
    duties: Vec<DutyReport>,
) -> Result<DeletionReport> {
    let places = all.places.by_name();
    let mut sums = Sums::default();
    places.values().for_each(|more| sums.join(more));
    let scheme = &describe.context.scheme;
    let (holders, systems) = (by(&places, |(holder, _)| holder), by(&places, |(_, system)| system));
    let totals = totals(&all, &sums);
    let rules = with_sums(describe.rules(), &all);
    let finding_counts = all.found.counts();
    let findings: u64 = finding_counts.values().sum();
    let meanings: BTreeMap<FindingCode, Text> =
        finding_counts.keys().map(|code| (*code, code.meaning())).collect();
    let mut duty_counts: BTreeMap<DutyStatus, u64> = DutyStatus::ALL.map(|status| (status, 0)).into();
    for duty in &duties {
        *duty_counts.entry(duty.judgement.status).or_default() += 1;
    }
    let place = |((holder, system), sums): ((String, String), Sums)| Place {
        holder,
        system,
        copies: sums.copies,
        open: sums.open,
        open_verdicts: sums.open_verdicts.occurring(),
    };
    let batch = |((day, kind), sums): ((Date, String), super::gather::BatchSums)| Batch {
        day,
        label: kind_label(describe.context, &kind),
        kind,
        data_sets: sums.data_sets,
        copies: sums.copies.copies,
        open: sums.copies.open,
        verdicts: sums.copies.verdicts.occurring(),
        unproven: sums.copies.unproven,
    };
    let data_sets = data_sets(describe.judge, all.listed.into_sorted(), describe.as_of)?;
    let listed = all.found.into_listed();
    Ok(DeletionReport {
        format: DeletionReport::FORMAT.to_owned(),
        scheme: describe.scheme(),
        period,
        as_of: describe.as_of,
        ledger,
        answer: answer(&totals, sums.unproven, findings),
        data_sets_unlisted: totals.data_sets - data_sets.len() as u64,
        totals,
        systems: in_order(scheme.systems.iter().map(|s| (&s.id, &s.label)), &systems),
        holders: in_order(scheme.parties.iter().map(|p| (&p.id, &p.label)), &holders),
        places: places.into_iter().map(place).collect(),
        parties: describe.parties(),
        rules,
        flows,
        limits: describe.limits(),
        settings: describe.settings(),
        duties,
        duty_counts,
        findings_unlisted: findings - listed.len() as u64,
        findings: listed,
        finding_counts,
        finding_meanings: meanings,
        decisions: Vec::new(),
        decisions_unlisted: 0,
        corrections: describe.corrections(),
        warnings: describe.warnings()?,
        anomalies: describe.anomalies(),
        due_days: all.due_days.into_values().collect(),
        batches: all.batches.into_iter().map(batch).collect(),
        data_sets,
    })
}

impl From<ThirdParty> for ThirdPartyReport {
    fn from(from: ThirdParty) -> Self {
        let level = daicho_core::proto::SanitizationMethod::try_from(from.level).unwrap_or_default();
        Self { issuer: from.issuer, number: from.number, level: method_word(level).to_owned() }
    }
}

fn duty_report(duty: Duty<'_>, judgement: DutyJudgement) -> DutyReport {
    DutyReport {
        object: duty.object(),
        contract: duty.contract.map(|contract| contract.id.clone()),
        label: duty.label.to_owned(),
        kind: duty.check.word().to_owned(),
        source: duty.source,
        asks: duty.asks,
        who: duty.who,
        to: duty.to,
        judgement,
    }
}
