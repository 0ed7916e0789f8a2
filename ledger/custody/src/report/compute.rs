//! One pass over the copies, data set by data set.

use std::collections::{BTreeMap, BinaryHeap, HashMap};

use daicho_core::{Date, Instant};

use super::answer::answer;
use super::describe::{Describer, only_occurring};
use super::gather::{Found, Ranked, RankedCopy, Tallies};
use super::{
    Batch, Certificate, CopyReport, DataSetReport, DeletionReport, DueDay, DutyReport, FlowReport, Period,
    Place, Problem, ReportHead, RuleReport, RuleStatus, ThirdPartyReport, Totals, VerdictCounts,
};
use crate::FindingCode;
use crate::context::{ContextCache, SchemeContext};
use crate::duty::{Duty, DutyJudgement, DutyStatus, Records, duties};
use crate::fold::ledger_record;
use crate::judge::{Evidence, Judge, Judgement, Verdict};
use crate::media::method_word;
use crate::scheme::Text;
use crate::state::{
    AT_LEN, CopyRecord, DataSetRecord, Fact, RelayRecord, Scan, StateError, Table, ThirdParty, Txn, decode,
    key, parts,
};

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
        let mut pass = Pass::new(&judge, context, &describe, period, as_of);
        for row in state.scan(&key(Table::DataSet, &[scheme]), None) {
            let (place, value) = row?;
            let id = parts(&place).get(1).copied().unwrap_or_default();
            let record: DataSetRecord = decode(&value)?;
            if record.opened.recorded <= as_of {
                pass.data_set(state, scheme, id, &record)?;
            }
        }
        pass.uses(state, scheme)?;
        pass.records.complete(&judge)?;
        let judged = judge.judge_duties(&pass.duties, &pass.records);
        let of_duties = judge.duty_findings(&pass.duties, &judged, &pass.records);
        pass.judged = judged;
        for finding in judge.findings_without_copies(as_of)?.into_iter().chain(of_duties) {
            pass.found.add(finding);
        }
        let mut report = pass.finish(&describe, head)?;
        judge.answer_findings(&mut report.findings, as_of)?;
        Ok(Some(report))
    }
}

/// All verdicts with no copies.
pub(super) fn no_verdicts() -> VerdictCounts {
    Verdict::ALL.iter().map(|v| (*v, 0)).collect()
}

/// What is gathered on the way.
struct Pass<'p, 's> {
    judge: &'p Judge<'s>,
    context: &'p SchemeContext,
    period: Period,
    as_of: Instant,
    totals: Totals,
    unproven: u64,
    systems: Tallies,
    holders: Tallies,
    places: BTreeMap<(String, String), Place>,
    rules: Vec<RuleReport>,
    rule_at: HashMap<String, usize>,
    flows: Vec<FlowReport>,
    flow_at: HashMap<String, usize>,
    due_days: BTreeMap<Date, DueDay>,
    batches: BTreeMap<(Date, String), Batch>,
    found: Found,
    duties: Vec<Duty<'p>>,
    records: Records,
    judged: Vec<DutyJudgement>,
    listed: BinaryHeap<Ranked>,
}

impl<'p, 's> Pass<'p, 's> {
    fn new(
        judge: &'p Judge<'s>,
        context: &'p SchemeContext,
        describe: &Describer<'_, '_>,
        period: Period,
        as_of: Instant,
    ) -> Self {
        let (rules, flows) = (describe.rules(), describe.flows());
        let duties = duties(context);
        let scheme = &context.scheme;
        Self {
            judge,
            context,
            period,
            as_of,
            totals: Totals {
                data_sets: 0,
                copies: 0,
                open: 0,
                verdicts: no_verdicts(),
                evidence: [Evidence::None, Evidence::Attested, Evidence::Certified, Evidence::Confirmed]
                    .map(|e| (e, 0))
                    .into(),
                certificates: Certificate::ALL.map(|c| (c, 0)).into(),
            },
            unproven: 0,
            systems: Tallies::new(scheme.systems.iter().map(|s| (&s.id, &s.label))),
            holders: Tallies::new(scheme.parties.iter().map(|p| (&p.id, &p.label))),
            places: BTreeMap::new(),
            rule_at: rules.iter().enumerate().map(|(i, r)| (r.id.clone(), i)).collect(),
            rules,
            flow_at: flows.iter().enumerate().map(|(i, f)| (f.id.clone(), i)).collect(),
            flows,
            due_days: BTreeMap::new(),
            batches: BTreeMap::new(),
            found: Found::default(),
            records: Records::new(as_of, &duties),
            duties,
            judged: Vec::new(),
            listed: BinaryHeap::new(),
        }
    }

    fn data_set(&mut self, state: &dyn Scan, scheme: &str, id: &str, record: &DataSetRecord) -> Result<()> {
        let day = record.opened.occurred.jst_day();
        let reported = (self.period.from..=self.period.to).contains(&day);
        let label = self.context.kind(&record.kind).map_or(&record.kind, |k| &k.label).clone();
        let mut batch = Batch {
            day,
            kind: record.kind.clone(),
            label,
            data_sets: 1,
            copies: 0,
            open: 0,
            verdicts: VerdictCounts::new(),
            unproven: 0,
        };
        let mut copies = BinaryHeap::new();
        let mut unlisted = 0;
        for row in state.scan(&key(Table::CopyOfDataSet, &[scheme, id]), None) {
            let (place, _) = row?;
            let copy_id = parts(&place).get(2).copied().unwrap_or_default();
            let bytes = state.get(&key(Table::Copy, &[scheme, copy_id]))?;
            let copy: CopyRecord =
                decode(&bytes.ok_or_else(|| StateError(format!("copy `{copy_id}` is gone")))?)?;
            if copy.opened.recorded > self.as_of {
                continue;
            }
            let judgement = self.judge.judge(copy_id, &copy, self.as_of)?;
            self.found.of_copy(copy_id, &judgement);
            let certificate = self.judge.certificate(&judgement, self.as_of);
            self.records.copy(&copy, &judgement, certificate);
            if reported {
                self.count(&copy, &judgement, certificate);
                self.date(&judgement);
                batch.copies += 1;
                batch.open += u64::from(judgement.closed.is_none());
                *batch.verdicts.entry(judgement.verdict).or_default() += 1;
                batch.unproven += u64::from(certificate.is_unproven());
                copies.push(RankedCopy(copy_report(copy_id, copy, judgement, certificate)));
                if copies.len() > DeletionReport::LISTED_COPIES {
                    copies.pop();
                    unlisted += 1;
                }
            }
        }
        if reported {
            self.totals.data_sets += 1;
            let copies: Vec<CopyReport> = copies.into_sorted_vec().into_iter().map(|c| c.0).collect();
            self.list(DataSetReport {
                id: id.to_owned(),
                kind: record.kind.clone(),
                label: batch.label.clone(),
                subjects: record.subjects,
                session: record.session.clone(),
                opened: record.opened.into(),
                problem: copies.iter().filter_map(|c| c.problem).min(),
                copies,
                copies_unlisted: unlisted,
            });
            self.batch(batch);
        }
        Ok(())
    }

    fn batch(&mut self, one: Batch) {
        let Some(sum) = self.batches.get_mut(&(one.day, one.kind.clone())) else {
            self.batches.insert((one.day, one.kind.clone()), one);
            return;
        };
        sum.data_sets += one.data_sets;
        sum.copies += one.copies;
        sum.open += one.open;
        sum.unproven += one.unproven;
        for (verdict, n) in one.verdicts {
            *sum.verdicts.entry(verdict).or_default() += n;
        }
    }

    /// Counts a copy under the day on which it is due.
    fn date(&mut self, judgement: &Judgement) {
        let Some(due) = judgement.due else { return };
        let day = due.jst_day();
        let of = |days: &mut BTreeMap<Date, DueDay>, add: fn(&mut DueDay)| {
            add(days.entry(day).or_insert_with(|| DueDay::new(day)));
        };
        match judgement.verdict {
            Verdict::OnTime | Verdict::Returned | Verdict::Moved => {
                of(&mut self.due_days, |d| d.in_time += 1)
            }
            Verdict::Late => of(&mut self.due_days, |d| d.late += 1),
            Verdict::Overdue => of(&mut self.due_days, |d| d.overdue += 1),
            Verdict::Due | Verdict::Deferred | Verdict::NotTriggered => {
                of(&mut self.due_days, |d| d.kept += 1)
            }
            Verdict::NoSchedule | Verdict::NotJudged => {}
        }
    }

    fn list(&mut self, data_set: DataSetReport) {
        self.listed.push(Ranked(data_set));
        if self.listed.len() > DeletionReport::LISTED_DATA_SETS {
            self.listed.pop();
        }
    }

    fn count(&mut self, copy: &CopyRecord, judgement: &Judgement, certificate: Certificate) {
        let open = u64::from(judgement.closed.is_none());
        let unproven = u64::from(certificate.is_unproven());
        self.totals.copies += 1;
        self.totals.open += open;
        self.unproven += unproven;
        *self.totals.verdicts.entry(judgement.verdict).or_default() += 1;
        *self.totals.evidence.entry(judgement.evidence).or_default() += 1;
        *self.totals.certificates.entry(certificate).or_default() += 1;
        for (tallies, id) in [(&mut self.systems, &copy.system), (&mut self.holders, &copy.holder)] {
            let tally = tallies.of(id);
            tally.copies += 1;
            tally.open += open;
            tally.unproven += unproven;
            *tally.verdicts.entry(judgement.verdict).or_default() += 1;
        }
        let place = self.places.entry((copy.holder.clone(), copy.system.clone())).or_insert_with(|| Place {
            holder: copy.holder.clone(),
            system: copy.system.clone(),
            copies: 0,
            open: 0,
            open_verdicts: VerdictCounts::new(),
        });
        place.copies += 1;
        place.open += open;
        *place.open_verdicts.entry(judgement.verdict).or_default() += open;
        for one in &judgement.rules {
            let Some(&at) = self.rule_at.get(&one.rule) else { continue };
            let rule = &mut self.rules[at];
            rule.copies += 1;
            *rule.verdicts.entry(one.verdict).or_default() += 1;
            if one.triggered.is_some() {
                rule.started += 1;
                if rule.status == RuleStatus::NotTriggered {
                    rule.status = RuleStatus::Judged;
                }
            }
        }
        if let Some(&at) = self.flow_at.get(&copy.flow) {
            let flow = &mut self.flows[at];
            flow.copies += 1;
            flow.open += open;
            flow.last_use = flow.last_use.max(Some(copy.opened.occurred));
        }
    }

    /// Counts handovers and relays of the period by flow.
    fn uses(&mut self, state: &dyn Scan, scheme: &str) -> Result<()> {
        for row in self.judge.handovers() {
            let (_, handover) = row?;
            let known = |side: Option<Fact>| side.filter(|fact| fact.recorded <= self.as_of);
            let first = known(handover.given).or_else(|| known(handover.received));
            if let Some(fact) = first {
                self.passage(&handover.flow, fact);
            }
        }
        for row in state.scan(&key(Table::Relay, &[scheme]), None) {
            let (place, value) = row?;
            let relay: RelayRecord = decode(&value)?;
            if relay.fact.recorded <= self.as_of {
                let names = parts(&place[..place.len().saturating_sub(AT_LEN)]);
                self.passage(names.get(1).copied().unwrap_or_default(), relay.fact);
            }
        }
        Ok(())
    }

    fn passage(&mut self, flow: &str, fact: Fact) {
        let day = fact.occurred.jst_day();
        let Some(&at) = self.flow_at.get(flow) else { return };
        if (self.period.from..=self.period.to).contains(&day) {
            let flow = &mut self.flows[at];
            flow.passages += 1;
            flow.last_use = flow.last_use.max(Some(fact.occurred));
        }
    }

    fn finish(self, describe: &Describer<'_, '_>, ledger: ReportHead) -> Result<DeletionReport> {
        let listed: Vec<DataSetReport> = self.listed.into_sorted_vec().into_iter().map(|d| d.0).collect();
        let places = self.places.into_values();
        let mut duty_counts: BTreeMap<DutyStatus, u64> = DutyStatus::ALL.map(|status| (status, 0)).into();
        for judgement in &self.judged {
            *duty_counts.entry(judgement.status).or_default() += 1;
        }
        let duties =
            self.duties.into_iter().zip(self.judged).map(|(duty, judgement)| duty_report(duty, judgement));
        let findings: u64 = self.found.counts.values().sum();
        let meanings: BTreeMap<FindingCode, Text> =
            self.found.counts.keys().map(|code| (*code, code.meaning())).collect();
        Ok(DeletionReport {
            format: DeletionReport::FORMAT.to_owned(),
            scheme: describe.scheme(),
            period: self.period,
            as_of: self.as_of,
            ledger,
            answer: answer(&self.totals, self.unproven, findings),
            data_sets_unlisted: self.totals.data_sets - listed.len() as u64,
            totals: self.totals,
            systems: self.systems.rows,
            holders: self.holders.rows,
            places: places.map(|p| Place { open_verdicts: only_occurring(p.open_verdicts), ..p }).collect(),
            parties: describe.parties(),
            rules: self.rules,
            flows: self.flows,
            limits: describe.limits(),
            settings: describe.settings(),
            duties: duties.collect(),
            duty_counts,
            findings_unlisted: findings - self.found.listed.len() as u64,
            findings: self.found.listed.into_values().collect(),
            finding_counts: self.found.counts,
            finding_meanings: meanings,
            corrections: describe.corrections(),
            warnings: describe.warnings()?,
            anomalies: describe.anomalies(),
            due_days: self.due_days.into_values().collect(),
            batches: self.batches.into_values().collect(),
            data_sets: listed,
        })
    }
}

fn third_party(from: ThirdParty) -> ThirdPartyReport {
    let level = daicho_core::proto::SanitizationMethod::try_from(from.level).unwrap_or_default();
    ThirdPartyReport { issuer: from.issuer, number: from.number, level: method_word(level).to_owned() }
}

fn copy_report(id: &str, copy: CopyRecord, judgement: Judgement, certificate: Certificate) -> CopyReport {
    let decisive = judgement.rules.iter().find(|r| Some(&r.rule) == judgement.rule.as_ref());
    let problem = match judgement.verdict {
        Verdict::Overdue => Some(Problem::Overdue),
        Verdict::Late => Some(Problem::Late),
        _ if certificate.is_unproven() => Some(Problem::Unproven),
        Verdict::NoSchedule => Some(Problem::NoSchedule),
        _ => None,
    };
    let triggered = decisive.and_then(|r| r.triggered);
    let mut entries = judgement.entries;
    let unlisted = entries.len().saturating_sub(DeletionReport::LISTED_ENTRIES);
    entries.truncate(DeletionReport::LISTED_ENTRIES);
    CopyReport {
        id: id.to_owned(),
        holder: copy.holder,
        member: copy.member,
        system: copy.system,
        unit: copy.unit,
        flow: copy.flow,
        subjects: copy.subjects,
        opened: copy.opened.into(),
        closed: judgement.closed.map(Into::into),
        verdict: judgement.verdict,
        problem,
        rule: judgement.rule,
        triggered,
        due: judgement.due,
        evidence: judgement.evidence,
        third_party: judgement.third_party.map(third_party),
        certificate,
        owed: judgement.unserved,
        entries,
        entries_unlisted: unlisted as u64,
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
