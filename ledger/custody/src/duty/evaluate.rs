//! From records to what is said of one duty.

use std::collections::BTreeSet;

use daicho_core::{Date, EntryIndex, Instant};

use super::acts::{Act, Asked, Told};
use super::list::{Duty, stated_window};
use super::records::{Records, SUBCONTRACT_APPROVED, Seen};
use super::{DutyJudgement, DutyStatus};
use crate::calendar::FiscalYear;
use crate::judge::Judge;
use crate::report::count;
use crate::scheme::{Answer, Check, Contract, Deadline, Falls, Occasion, Term, Text};
use crate::state::Fact;

/// The days in which a duty is owed; open ends where nothing says.
#[derive(Debug, Clone, Copy)]
struct Window {
    from: Date,
    to: Option<Date>,
}

impl Judge<'_> {
    /// What became of a duty, from records gathered and completed at the same time.
    pub fn duty(&self, duty: &Duty<'_>, records: &Records) -> DutyJudgement {
        let t = records.t;
        let context = self.context_at(t);
        let asked = Asked { context, duty, records, office: self.office_at(t) };
        let window = self.window(duty, t);
        match &duty.check {
            Check::Before { act, event, each, by, distinct, carries } => {
                let by = by.as_deref().unwrap_or(&duty.who);
                let (acts, lacking): (Vec<&Act>, Vec<&Act>) = asked
                    .acts(act, by)
                    .filter(|act| differ(act, distinct))
                    .partition(|act| act.carries(carries));
                let judged = match event {
                    _ if *each => before_each(&asked, &acts, event),
                    Occasion::FirstPassOn => before_each_taker(&asked, &acts, act == SUBCONTRACT_APPROVED),
                    _ => before_first(&asked, &acts, event),
                };
                match lacking.first() {
                    Some(act) if judged.status == DutyStatus::Missed => without(judged, act),
                    _ => judged,
                }
            }
            Check::Periodic { act, every, min, once } => {
                // A new number is for what begins under it.
                let every = |since| every.or_else(|| self.number_of_act_for(act, since, t));
                if every(t).is_none() && *once {
                    return done(&asked, act, None, window);
                }
                let acts: Vec<&Act> = asked.acts(act, &duty.who).collect();
                periodic(&asked, &acts, &every, *min, window)
            }
            Check::Response { request, by, answers } => {
                let mut sum = Sum::default();
                for answer in answers {
                    // As the ward had set it when it was asked for, else as it set it first.
                    let within = |asked: Instant| {
                        let set = |word: &str| self.number_of_act_for(word, asked, t);
                        let own = answer.number.as_deref().and_then(set);
                        answer.within.or(own).or_else(|| set(&answer.act))
                    };
                    // What the ward orders after an incident, it orders whoever was first to speak.
                    let (request, by) = match &answer.after {
                        Some(after) => (after, None),
                        None => (request, by.as_deref()),
                    };
                    respond(&asked, (request, by), answer, &within, &mut sum);
                }
                sum.conclude(DutyStatus::NotApplicable, "求め・発生の記録なし", "nothing asked for it")
            }
            Check::Done { act } => {
                done(&asked, act, self.number_of_act_for(act, window.from.start(), t), window)
            }
            Check::Absence { findings, acts, flows } => absence(&asked, findings, acts, flows),
            Check::Erasure => held(&asked, |holding| &holding.erasure),
            Check::Certificate => held(&asked, |holding| &holding.certificates),
            Check::NotJudged { why } => DutyJudgement { detail: why.clone(), ..said(DutyStatus::NotJudged) },
        }
    }

    /// The contract's days, else those of the party's contracts, else those of all matters; from the scheme's enactment
    /// on, for what came before is not in the ledger.
    fn window(&self, duty: &Duty<'_>, t: Instant) -> Window {
        let context = self.context_at(t);
        let of_contract = |contract: &Contract| {
            let (from, to) = stated_window(context, contract);
            let to = self.contract_end(&contract.id, t).map(|end| end.occurred.jst_day()).or(to);
            (self.contract_start(&contract.id, t).or(from), to)
        };
        let own =
            context.scheme.contracts.iter().filter(|c| c.between.iter().skip(1).any(|p| *p == duty.who));
        let mut windows: Vec<_> = match duty.contract {
            Some(contract) => vec![of_contract(contract)],
            None => own.map(of_contract).collect(),
        };
        if windows.is_empty() {
            windows.push(context.days());
        }
        let stated = windows.iter().filter_map(|(from, _)| *from).min();
        let ends: Option<Vec<Date>> = windows.iter().map(|(_, to)| *to).collect();
        let enacted = self.record().versions.first().map(|v| v.enacted.occurred.jst_day());
        let from = stated.into_iter().chain(enacted).max().unwrap_or_else(|| t.jst_day());
        Window { from, to: ends.and_then(|ends| ends.into_iter().max()) }
    }
}

/// A number that cannot be counted: its business days lie outside the calendar, or no closing time is set.
fn not_counted() -> DutyJudgement {
    let detail =
        text("暦又は閉庁時刻の定めがない", "the calendar does not reach so far, or no closing time is set");
    DutyJudgement { detail, ..said(DutyStatus::NoSchedule) }
}

fn said(status: DutyStatus) -> DutyJudgement {
    DutyJudgement {
        status,
        due: None,
        next: None,
        owed: 0,
        met: 0,
        entries: Vec::new(),
        detail: Text::default(),
    }
}

fn text(ja: impl Into<String>, en: impl Into<String>) -> Text {
    Text { ja: ja.into(), en: en.into() }
}

/// Whether these attributes are stated and differ from each other.
fn differ(act: &Act, names: &[String]) -> bool {
    let values: Vec<&str> = names.iter().map(|name| act.attribute(name)).collect();
    values.iter().enumerate().all(|(i, value)| !value.is_empty() && !values[..i].contains(value))
}

/// Sums up how often something was owed; the worst shows.
#[derive(Default)]
struct Sum {
    owed: u64,
    met: u64,
    worst: Option<(DutyStatus, Option<Instant>, Text)>,
    next: Option<Instant>,
    problem: Vec<EntryIndex>,
    last: BTreeSet<EntryIndex>,
}

impl Sum {
    fn add(&mut self, status: DutyStatus, due: Option<Instant>, shown: &[EntryIndex], detail: Text) {
        if status == DutyStatus::Due {
            self.next = self.next.into_iter().chain(due).min();
        }
        self.owed += u64::from(!matches!(status, DutyStatus::Due | DutyStatus::NotYetDue));
        self.met += u64::from(status == DutyStatus::Met);
        if status < DutyStatus::Due {
            for entry in shown {
                if self.problem.len() < DutyJudgement::MAX_ENTRIES && !self.problem.contains(entry) {
                    self.problem.push(*entry);
                }
            }
        }
        self.last.extend(shown);
        while self.last.len() > DutyJudgement::MAX_ENTRIES {
            self.last.pop_first();
        }
        // Of several that were met the last shows.
        let shows = |(worst, known, _): &(DutyStatus, Option<Instant>, Text)| {
            status < *worst || (status, *worst) == (DutyStatus::Met, DutyStatus::Met) && due > *known
        };
        if self.worst.as_ref().is_none_or(shows) {
            self.worst = Some((status, due, detail));
        }
    }

    fn conclude(self, otherwise: DutyStatus, ja: &str, en: &str) -> DutyJudgement {
        let Some((status, due, detail)) = self.worst else {
            return DutyJudgement { detail: text(ja, en), ..said(otherwise) };
        };
        let entries = if self.problem.is_empty() { self.last.into_iter().collect() } else { self.problem };
        // Of several that are still to be done the nearest shows.
        let due = if status == DutyStatus::Due { self.next } else { due };
        DutyJudgement { status, due, next: self.next, owed: self.owed, met: self.met, entries, detail }
    }
}

fn event_uses(asked: &Asked<'_>, event: &Occasion) -> Vec<Fact> {
    let (records, who) = (asked.records, &asked.duty.who);
    match event {
        Occasion::FirstReceipt => records.first_receipt.get(who).copied().into_iter().collect(),
        Occasion::FirstCollection => records.first_collection.into_iter().collect(),
        Occasion::FirstPassOn => {
            let all = records.first_pass_on.get(who).into_iter().flat_map(|to| to.values());
            all.copied().min_by_key(|fact| (fact.occurred, fact.entry)).into_iter().collect()
        }
        Occasion::Flow(flow) => records.flows.get(flow).cloned().unwrap_or_default(),
        Occasion::Act(word) => asked.all(word).filter(|a| a.by == *who).map(|a| a.fact).collect(),
    }
}

/// 事前: for each party to whom it is owed, the first act against the first event.
fn before_first(asked: &Asked<'_>, acts: &[&Act], event: &Occasion) -> DutyJudgement {
    let first = event_uses(asked, event).first().copied();
    let mut sum = Sum::default();
    for told in asked.told() {
        let act = acts.iter().find(|act| told.by(act));
        before(act.copied(), first, &told.ja, &told.en, &mut sum);
    }
    sum.conclude(DutyStatus::NotYetDue, "", "")
}

/// An act against the event before which it was owed. `ja` and `en` begin what is said of it.
fn before(act: Option<&Act>, event: Option<Fact>, ja: &str, en: &str, sum: &mut Sum) {
    match (act, event) {
        (Some(act), Some(event)) if act.fact.occurred > event.occurred => {
            let days = act.fact.occurred.jst_day().days() - event.occurred.jst_day().days();
            let detail = text(format!("{ja}{days}日遅れ"), format!("{en}{days} days late"));
            sum.add(DutyStatus::MetLate, Some(event.occurred), &[event.entry, act.fact.entry], detail);
        }
        (Some(act), event) => {
            let due = event.map(|e| e.occurred);
            sum.add(DutyStatus::Met, due, &[act.fact.entry], Text::default());
        }
        (None, Some(event)) => {
            let detail = text(format!("{ja}記録なし"), format!("{en}nothing recorded"));
            sum.add(DutyStatus::Missed, Some(event.occurred), &[event.entry], detail);
        }
        (None, None) => sum.add(DutyStatus::NotYetDue, None, &[], Text::default()),
    }
}

/// 事前: for each party to whom work was passed on, the first act about it against the first time. A consent is to its
/// counterpart; what else is done says which subcontractor it is about, or is about all of them.
fn before_each_taker(asked: &Asked<'_>, acts: &[&Act], consent: bool) -> DutyJudgement {
    let Some(takers) = asked.records.first_pass_on.get(&asked.duty.who) else {
        return before_first(asked, acts, &Occasion::FirstPassOn);
    };
    let mut sum = Sum::default();
    let told = if consent { vec![Told::nobody()] } else { asked.told() };
    for ((taker, event), told) in takers.iter().flat_map(|taker| told.iter().map(move |told| (taker, told))) {
        let label = asked.context.party(taker).map_or(taker.as_str(), |known| known.label.as_str());
        let (ja, en) = (format!("{}{label}について: ", told.ja), format!("{}about {taker}: ", told.en));
        let act = acts.iter().find(|act| {
            let which = if consent { act.counterpart.as_str() } else { act.attribute("subcontractor") };
            (which.is_empty() || which == *taker) && told.by(act)
        });
        before(act.copied(), Some(*event), &ja, &en, &mut sum);
    }
    sum.conclude(DutyStatus::NotYetDue, "", "")
}

/// What was missed, though it was done: not with all that it had to carry.
fn without(missed: DutyJudgement, act: &Act) -> DutyJudgement {
    let (entry, Text { ja, en }) = (act.fact.entry, missed.detail);
    let detail = text(
        format!("{ja}。記録{entry}に、求められた内容を含むとの記載なし"),
        format!("{en}; entry {entry} does not say that it carries this"),
    );
    let mut entries = missed.entries;
    entries.truncate(DutyJudgement::MAX_ENTRIES - 1);
    entries.push(entry);
    entries.sort_unstable();
    DutyJudgement { entries, detail, ..missed }
}

/// 都度: each event needs an act since the one before it.
fn before_each(asked: &Asked<'_>, acts: &[&Act], event: &Occasion) -> DutyJudgement {
    let mut sum = Sum::default();
    let mut next = acts.iter().peekable();
    let mut since = None;
    for fact in event_uses(asked, event) {
        // Events of one instant go together.
        if since == Some(fact.occurred) {
            continue;
        }
        let mut found = None;
        while let Some(act) = next.next_if(|act| act.fact.occurred <= fact.occurred) {
            found = Some(act.fact.entry);
        }
        match found {
            Some(entry) => sum.add(DutyStatus::Met, None, &[entry], Text::default()),
            None => {
                let day = fact.occurred.jst_day();
                let detail =
                    text(format!("{day}の分の記録なし"), format!("nothing recorded before that of {day}"));
                sum.add(DutyStatus::Missed, Some(fact.occurred), &[fact.entry], detail);
            }
        }
        since = Some(fact.occurred);
    }
    sum.conclude(DutyStatus::NotYetDue, "", "")
}

/// 定期: blocks of the fiscal year, or from act to act.
fn periodic(
    asked: &Asked<'_>,
    acts: &[&Act],
    every: &dyn Fn(Instant) -> Option<Deadline>,
    min: u32,
    window: Window,
) -> DutyJudgement {
    let t = asked.records.t;
    if every(t).is_none() {
        let entries = acts.iter().rev().take(DutyJudgement::MAX_ENTRIES).map(|act| act.fact.entry).collect();
        let detail = text("間隔の定めなし", "no interval is set");
        return DutyJudgement { entries, detail, ..said(DutyStatus::NoSchedule) };
    }
    let mut sum = Sum::default();
    for told in asked.told() {
        let acts: Vec<&Act> = acts.iter().copied().filter(|act| told.by(act)).collect();
        if !at_intervals(asked, &told, &acts, (every, min), window, &mut sum) {
            return not_counted();
        }
    }
    match window.to {
        Some(to) if t > to.end() => {
            sum.conclude(DutyStatus::NotApplicable, "終了までに期日なし", "it ended before any was due")
        }
        _ => sum.conclude(DutyStatus::NotYetDue, "", ""),
    }
}

/// What came to one party at intervals. `false`: the days cannot be counted.
fn at_intervals(
    asked: &Asked<'_>,
    told: &Told<'_>,
    acts: &[&Act],
    (number, min): (&dyn Fn(Instant) -> Option<Deadline>, u32),
    window: Window,
    sum: &mut Sum,
) -> bool {
    let t = asked.records.t;
    let (ja, en) = (&told.ja, &told.en);
    let last = window.to.map_or(t, |to| to.end().min(t));
    let mut since = window.from.start();
    let mut acts: Vec<&Act> = acts.iter().copied().filter(|act| act.fact.occurred >= since).rev().collect();
    loop {
        let Some(every) = number(since) else { return false };
        if let Some(months) = months_of_block(every) {
            if since > last {
                return true;
            }
            let from = since.jst_day();
            let end = end_of_block(from, months);
            let to = window.to.map_or(end, |to| to.min(end));
            let after = acts.iter().rposition(|act| act.fact.occurred > to.end()).map_or(0, |last| last + 1);
            let inside: Vec<EntryIndex> = acts.drain(after..).rev().map(|act| act.fact.entry).collect();
            let status = match inside.len() >= min as usize {
                true => DutyStatus::Met,
                false if t > to.end() => DutyStatus::Missed,
                false => DutyStatus::Due,
            };
            let detail = match status {
                DutyStatus::Missed => {
                    text(format!("{ja}{from}から{to}までの分なし"), format!("{en}none from {from} to {to}"))
                }
                _ => Text::default(),
            };
            sum.add(status, Some(to.end()), &inside, detail);
            let next = to.plus_days(1).start();
            // The calendar ends somewhere.
            if next <= since {
                return true;
            }
            since = next;
            continue;
        }
        let Some(due) = every.due(since, asked.office) else { return false };
        let day = due.jst_day();
        let Some(act) = acts.last().copied() else {
            if due < last {
                let detail = text(format!("{ja}{day}以降なし"), format!("{en}none since {day}"));
                sum.add(DutyStatus::Missed, Some(due), &[], detail);
                // Whoever does nothing comes under a new number all the same.
                if due > since && number(due) != Some(every) {
                    since = due;
                    continue;
                }
            } else if window.to.is_none_or(|to| t <= to.end()) {
                sum.add(DutyStatus::Due, Some(due), &[], Text::default());
            }
            return true;
        };
        let late = act.fact.occurred > due;
        let status = if late { DutyStatus::MetLate } else { DutyStatus::Met };
        let detail = text(format!("{ja}{day}までの分が遅れ"), format!("{en}late for {day}"));
        sum.add(status, Some(due), &[act.fact.entry], if late { detail } else { Text::default() });
        since = act.fact.occurred;
        // It counts for the block as well that it begins.
        if number(since).and_then(months_of_block).is_none() {
            acts.pop();
        }
    }
}

/// Months of a block of the fiscal year, where a number is one: 1, 2, 3, 4, 6 or 12.
fn months_of_block(every: Deadline) -> Option<u32> {
    match every {
        Deadline::Day(Term::Months(months), Falls::AsCounted) if months > 0 && 12 % months == 0 => {
            Some(months)
        }
        _ => None,
    }
}

/// Last day of the block of `months` of the fiscal year that a day is in.
fn end_of_block(day: Date, months: u32) -> Date {
    let since_april = (day.ymd().1 + 8) % 12;
    let april = FiscalYear::containing(day).start();
    april.plus_months(since_april / months * months + months).plus_days(-1)
}

/// 応答: each request, and for each party that must be told the first answer to it.
fn respond(
    asked: &Asked<'_>,
    (request, by): (&str, Option<&str>),
    answer: &Answer,
    within: &dyn Fn(Instant) -> Option<Deadline>,
    sum: &mut Sum,
) {
    let told = asked.told();
    let requests = asked.all(request).filter(|act| asked.concerns(act, by));
    for (request, told) in requests.flat_map(|request| told.iter().map(move |told| (request, told))) {
        answered(asked, request, told, answer, within(request.fact.recorded), sum);
    }
}

fn answered(
    asked: &Asked<'_>,
    request: &Act,
    told: &Told<'_>,
    answer: &Answer,
    within: Option<Deadline>,
    sum: &mut Sum,
) {
    let found = asked.acts(&answer.act, &asked.duty.who).find(|act| {
        act.fact.occurred >= request.fact.occurred
            && (request.case().is_empty() || act.case() == request.case())
            && told.by(act)
    });
    let due = within.and_then(|within| within.due(request.fact.occurred, asked.office));
    let (status, word) = match (found, due) {
        (Some(act), Some(due)) if act.fact.occurred > due => (DutyStatus::MetLate, ("遅れ", "late")),
        (Some(_), _) => (DutyStatus::Met, ("", "")),
        (None, Some(due)) if asked.records.t > due => (DutyStatus::Missed, ("記録なし", "nothing recorded")),
        (None, Some(_)) => (DutyStatus::Due, ("期限前", "not there yet")),
        (None, None) => {
            (DutyStatus::NoSchedule, ("記録なし・期限の定めなし", "nothing recorded, no limit set"))
        }
    };
    let label = |lang: fn(&Text) -> &str| {
        asked.context.vocabulary.act(&answer.act).map_or(answer.act.clone(), |a| lang(&a.label).to_owned())
    };
    let detail = match word.0 {
        "" => Text::default(),
        _ => text(
            format!("{}{}: {}", told.ja, label(|l| &l.ja), word.0),
            format!("{}{}: {}", told.en, label(|l| &l.en), word.1),
        ),
    };
    let mut shown = vec![request.fact.entry];
    shown.extend(found.map(|act| act.fact.entry));
    sum.add(status, due, &shown, detail);
}

/// 実施: at least once by the end of the window, by the ward's limit from its start where there is one.
fn done(asked: &Asked<'_>, word: &str, within: Option<Deadline>, window: Window) -> DutyJudgement {
    let t = asked.records.t;
    let due = within.and_then(|w| w.due(window.from.start(), asked.office)).or(window.to.map(Date::end));
    let mut sum = Sum::default();
    for told in asked.told() {
        let acts: Vec<&Act> = asked.acts(word, &asked.duty.who).filter(|act| told.by(act)).collect();
        let (ja, en) = (&told.ja, &told.en);
        let says = |j: &str, e: &str| text(format!("{ja}{j}"), format!("{en}{e}"));
        match (acts.first(), due) {
            (Some(act), Some(due)) if act.fact.occurred > due => {
                sum.add(DutyStatus::MetLate, Some(due), &[act.fact.entry], says("遅れ", "late"));
            }
            (Some(_), due) => {
                let shown: Vec<EntryIndex> = acts.iter().map(|act| act.fact.entry).collect();
                sum.add(DutyStatus::Met, due, &shown, Text::default());
            }
            (None, Some(due)) if t > due => {
                sum.add(DutyStatus::Missed, Some(due), &[], says("記録なし", "nothing recorded"));
            }
            (None, Some(due)) if t >= window.from.start() => {
                sum.add(DutyStatus::Due, Some(due), &[], Text::default())
            }
            (None, None) if t >= window.from.start() => {
                let detail = says("記録なし・期限の定めなし", "nothing recorded, no limit set");
                sum.add(DutyStatus::NoSchedule, None, &[], detail);
            }
            (None, _) => sum.add(DutyStatus::NotYetDue, due, &[], Text::default()),
        }
    }
    sum.conclude(DutyStatus::NotYetDue, "", "")
}

/// 禁止: recorded findings and acts of the party that show it.
fn absence(
    asked: &Asked<'_>,
    findings: &[crate::FindingCode],
    acts: &[String],
    flows: &[String],
) -> DutyJudgement {
    let who = &asked.duty.who;
    let mut seen = Seen::default();
    for shown in &asked.records.findings {
        let here = || flows.is_empty() || flows.contains(&shown.flow);
        let counts = shown.by == *who && findings.contains(&shown.code) && here();
        if counts && asked.is_of_contract(&shown.flow) {
            seen.add(Some(shown.entry), None, 1);
        }
    }
    for word in acts {
        for act in asked.all(word).filter(|act| asked.is_breach(act) && asked.is_meant(act)) {
            seen.add(Some(act.fact.entry), None, 1);
        }
    }
    if seen.count == 0 {
        return said(DutyStatus::NoViolation);
    }
    let n = seen.count;
    let detail = text(format!("{n}件の記録"), format!("{n} recorded"));
    DutyJudgement {
        owed: n,
        entries: seen.entries.into_iter().collect(),
        detail,
        ..said(DutyStatus::Violated)
    }
}

/// 消去・証明: the worst of the copies that the party holds or held.
fn held(
    asked: &Asked<'_>,
    which: impl Fn(&super::records::Holding) -> &std::collections::BTreeMap<DutyStatus, Seen>,
) -> DutyJudgement {
    let none = DutyJudgement {
        detail: text("対象の複製なし", "no copy to which it applies"),
        ..said(DutyStatus::NotApplicable)
    };
    let Some(holding) = asked.records.holdings.get(&asked.duty.who) else { return none };
    let by_status = which(holding);
    let Some((status, seen)) = by_status.first_key_value() else { return none };
    let owed = by_status.iter().filter(|(s, _)| !matches!(s, DutyStatus::Due | DutyStatus::NotYetDue));
    let n = seen.count;
    let detail = match status {
        DutyStatus::Met => Text::default(),
        _ => text(format!("複製{}件", count(n)), format!("{} copies", count(n))),
    };
    DutyJudgement {
        status: *status,
        due: match status {
            DutyStatus::Missed => seen.due.map(|(_, last)| last),
            DutyStatus::Due => seen.due.map(|(first, _)| first),
            _ => None,
        },
        next: by_status.get(&DutyStatus::Due).and_then(|seen| seen.due).map(|(first, _)| first),
        owed: owed.map(|(_, seen)| seen.count).sum(),
        met: by_status.get(&DutyStatus::Met).map_or(0, |seen| seen.count),
        entries: seen.entries.iter().copied().collect(),
        detail,
    }
}
