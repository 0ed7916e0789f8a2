//! What the schemes ask for besides moving and erasing: notices, training, audits, reports, attestations.
//!
//! Every duty is derived from the scheme and its clause sheets and fulfilled by its kind, so that nothing is left out.

use std::collections::BTreeMap;

use daicho_core::proto;
use daicho_core::proto::event::Fact;
use daicho_core::{Date, Instant};
use daicho_custody::duty::{Duty, DutySource, duties};
use daicho_custody::scheme::{Check, Deadline, PartyRole, Storage, Term, Vocabulary};
use daicho_custody::{FindingCode, SchemeContext};

use super::build::DAYS_AFTER;
use super::calendar::{at, date, days, is_office_day, later, month_ends, office_day_from as office_day};
use super::faults::Fault;
use super::play::Play;
use super::schemes::Members;
use super::setup::DAYS_BEFORE;

/// What the setup or the scripts themselves do.
const DONE_ELSEWHERE: [&str; 5] =
    ["subcontract-approved", "password-delivered", "inspection-passed", "double-checked", "work-approved"];

/// Plays the duties of a scheme and the attestations for its systems.
pub(crate) fn play(play: &mut Play<'_>, vocabulary: &Vocabulary, members: &[Members]) {
    let context = SchemeContext::new(play.scheme.clone(), vocabulary.clone(), None);
    let all = duties(&context);
    let mut said = Said::new(play);
    for duty in &all {
        said.fulfil(play, &context, duty);
    }
    // What answers to acts of other duties comes last.
    for duty in &all {
        said.answer(play, &context, duty);
    }
    for (who, when, fact) in said.acts {
        for member in speakers(&who, members) {
            play.say_as(&who, member, when, vec![Fact::ActPerformed(fact.clone())]);
        }
    }
    attest(play, members);
}

/// A way in which duties go wrong in one scheme, and as what each duty that rests on the act must then be found.
struct DutyFault {
    fault: Fault,
    scheme: &'static str,
    who: &'static str,
    word: &'static str,
    slip: Slip,
    findings: &'static [(FindingCode, u64)],
    /// The duties that they are about.
    objects: &'static [&'static str],
    ja: &'static str,
    en: &'static str,
}

/// How an act goes wrong.
#[derive(PartialEq)]
enum Slip {
    /// It never comes.
    Never,
    /// It does not come in this month.
    NotIn(&'static str),
    /// It comes so many days late.
    Late(i64),
    /// It comes without this, which it must carry.
    Without(&'static str),
    /// It comes though it must not, on this day.
    Done(&'static str),
}

const DUTY_FAULTS: [DutyFault; 9] = [
    DutyFault {
        fault: Fault::HandlersNamedLate,
        scheme: "queue_notice_service",
        who: "hyojito",
        word: "handlers-designated",
        slip: Slip::Late(30),
        findings: &[(FindingCode::ObligationLate, 2)],
        objects: &["c1/13/hyojito", "o_handlers/hyojito"],
        ja: "取扱者の届出が最初の受領より後になった(義務と第13項)",
        en: "the handlers are named after the first receipt (obligation and clause 13)",
    },
    DutyFault {
        fault: Fault::AuditLeftOut,
        scheme: "mynumber_card_application_support",
        who: "ward",
        word: "audited",
        slip: Slip::Never,
        findings: &[(FindingCode::ObligationMissed, 3)],
        objects: &["c1/15/ward", "c1/16/ward", "o_audit/ward/c1"],
        ja: "令和2年度の立入調査がない(義務、第15項、第16項)",
        en: "no audit in fiscal year 2020 (obligation, clauses 15 and 16)",
    },
    DutyFault {
        fault: Fault::ReportLeftOut,
        scheme: "mynumber_card_application_support",
        who: "contractor",
        word: "monthly-reported",
        slip: Slip::NotIn("2020-08"),
        findings: &[(FindingCode::ObligationMissed, 1)],
        objects: &["o_monthly_report/contractor"],
        ja: "8月の報告がない",
        en: "no report for August",
    },
    DutyFault {
        fault: Fault::NoPenaltyNotice,
        scheme: "special_cash_benefit",
        who: "toppan_forms",
        word: "penalty-notice-given",
        slip: Slip::Never,
        findings: &[(FindingCode::ObligationMissed, 2)],
        objects: &["c1/11/toppan_forms", "o_penalty_notice/toppan_forms"],
        ja: "再委託先への守秘義務・罰則の周知がない(義務と第11項)",
        en: "the subcontractor's staff are never told of secrecy and penalties (obligation and clause 11)",
    },
    DutyFault {
        fault: Fault::SheetLeftOut,
        scheme: "special_cash_benefit",
        who: "toppan_forms",
        word: "subcontract-filed",
        slip: Slip::Without("clause-sheet"),
        findings: &[(FindingCode::ObligationMissed, 2)],
        objects: &["c1/13/toppan_forms", "o_subcontract_clauses/toppan_forms"],
        ja: "届け出た再委託契約に再委託用の特記事項がない(義務と第13項)",
        en: "the subcontract that is filed lacks the clause sheet (obligation and clause 13)",
    },
    DutyFault {
        fault: Fault::IncidentNotWrittenUp,
        scheme: "convenience_store_certificate_issuance",
        who: "fujitsu",
        word: "incident-reported",
        slip: Slip::Never,
        findings: &[(FindingCode::ObligationMissed, 2)],
        objects: &["c_fujitsu/19/fujitsu", "o_incident/fujitsu"],
        ja: "事故の書面報告がない(義務と第19項)",
        en: "an incident is never reported in writing (obligation and clause 19)",
    },
    DutyFault {
        fault: Fault::StaffNotTrained,
        scheme: "nhi_premium_payment",
        who: "lgwan_asp_provider",
        word: "staff-trained",
        slip: Slip::Never,
        findings: &[(FindingCode::ObligationMissed, 1)],
        objects: &["c_pay_easy/18/lgwan_asp_provider"],
        ja: "従事者の教育がない(第18項)",
        en: "the staff are never trained (clause 18)",
    },
    DutyFault {
        fault: Fault::AccessNotRevised,
        scheme: "mynumber_card_application_support",
        who: "ward",
        word: "access-rights-revised",
        slip: Slip::Never,
        findings: &[(FindingCode::ObligationMissed, 1)],
        objects: &["o_access_rights/ward"],
        ja: "従事者の変更の後、アクセス権限を更新しない",
        en: "access rights are not revised after a change of staff",
    },
    DutyFault {
        fault: Fault::TakenOut,
        scheme: "convenience_store_certificate_issuance",
        who: "fujitsu",
        word: "taken-out",
        slip: Slip::Done("2019-01-16"),
        findings: &[(FindingCode::ForbiddenAct, 1)],
        objects: &[],
        ja: "保守員が媒体を庁舎の外へ持ち出した",
        en: "a maintainer took media out of the building",
    },
];

/// The system whose attester falls silent, and after how many months.
const FALLS_SILENT: (&str, &str) = ("mynumber_card_application_support", "application_form_qr");
const MONTHS_ATTESTED: usize = 6;

/// Acts on their way, each once.
struct Said {
    acts: Vec<(String, Instant, proto::ActPerformed)>,
    /// Where each is among them.
    known: BTreeMap<(String, String, String, String, Instant), usize>,
    faults: Vec<&'static DutyFault>,
}

impl Said {
    /// With the faults of the run that concern the scheme, declared.
    fn new(play: &mut Play<'_>) -> Self {
        let here = DUTY_FAULTS.iter().filter(|one| one.scheme == play.scheme.id && play.has(one.fault));
        let mut said = Self { acts: Vec::new(), known: BTreeMap::new(), faults: here.collect() };
        for one in said.faults.clone() {
            play.inject_about(one.fault, at(play.from, 10, 0), (one.findings, one.objects), (one.ja, one.en));
            if let Slip::Done(day) = one.slip {
                let fact = act(one.word, "", "", "");
                said.acts.push((one.who.to_owned(), at(date(day), 10, 0), fact));
            }
        }
        said
    }

    fn say(&mut self, duty: &Duty<'_>, (who, to): (&str, &str), word: &str, when: Instant, case: &str) {
        let mut when = when;
        for one in self.faults.iter().filter(|one| one.who == who && one.word == word) {
            match one.slip {
                Slip::Never => return,
                Slip::NotIn(month) if when.jst_day().to_string().starts_with(month) => return,
                Slip::Late(days) => when = when.plus_ms(days * 86_400_000),
                Slip::NotIn(_) | Slip::Without(_) | Slip::Done(_) => {}
            }
        }
        let target = match (&duty.source, duty.contract) {
            (_, Some(contract)) => contract.id.as_str(),
            (DutySource::Obligation { id, .. }, None) => id,
            (DutySource::Clause { .. }, None) => "",
        };
        let name = (who.to_owned(), word.to_owned(), target.to_owned(), to.to_owned(), when);
        let next = self.acts.len();
        let at = *self.known.entry(name).or_insert(next);
        if at == next {
            self.acts.push((who.to_owned(), when, act(word, target, to, case)));
        }
        let Check::Before { carries, .. } = &duty.check else { return };
        let left_out = |word: &str| {
            let without = |one: &DutyFault| matches!(one.slip, Slip::Without(what) if what == word);
            self.faults.iter().any(|one| one.who == who && without(one))
        };
        let carried = carries.iter().filter(|word| !left_out(word));
        let (_, _, fact) = &mut self.acts[at];
        for word in carried {
            let attribute = proto::Attribute { name: "carries".to_owned(), value: word.clone() };
            if !fact.attributes.contains(&attribute) {
                fact.attributes.push(attribute);
            }
        }
    }

    /// Does once, or at intervals, what is owed without being asked for.
    fn fulfil(&mut self, play: &Play<'_>, context: &SchemeContext, duty: &Duty<'_>) {
        let start = first_morning(play);
        let other = [duty.others.last().cloned().unwrap_or_default()];
        let to = if addressees(duty).is_empty() { &other[..] } else { addressees(duty) };
        match &duty.check {
            Check::Before { act, each: false, by, .. } if !DONE_ELSEWHERE.contains(&act.as_str()) => {
                let by = by.as_deref().unwrap_or(&duty.who);
                to.iter().for_each(|party| self.say(duty, (by, party), act, start, ""));
            }
            Check::Periodic { act, every: None, once: true, .. } => {
                self.say(duty, (&duty.who, &other[0]), act, start, "");
            }
            Check::Done { act } if !DONE_ELSEWHERE.contains(&act.as_str()) => {
                self.say(duty, (&duty.who, &other[0]), act, start, "");
            }
            Check::Periodic { act, every, .. } => {
                let every = every.or_else(|| context.vocabulary.act(act).and_then(|word| word.proposal));
                let months = match every {
                    Some(Deadline::Day(Term::Months(months), _)) => months,
                    _ => 12,
                };
                for day in days_of_blocks(play, context, duty, months) {
                    to.iter().for_each(|party| self.say(duty, (&duty.who, party), act, at(day, 10, 0), ""));
                }
            }
            _ => {}
        }
    }

    /// Asks for what is owed when asked for, and answers; so that each such duty is played at least once.
    fn answer(&mut self, play: &Play<'_>, context: &SchemeContext, duty: &Duty<'_>) {
        let Check::Response { request, by, answers } = &duty.check else { return };
        let who = duty.who.as_str();
        let asked = at(office_day(play.from.plus_days(40)), 11, 0);
        let case = format!("{request}-{who}");
        let concerns = |fact: &proto::ActPerformed| {
            fact.kind == *request
                && (fact.counterpart == who || fact.attributes.iter().any(|a| a.value == case))
        };
        let mut requests: Vec<(Instant, String)> = self
            .acts
            .iter()
            .filter(|(_, _, fact)| concerns(fact) && duty.contract.is_none_or(|c| fact.target == c.id))
            .map(|(_, when, fact)| {
                (*when, if fact.attributes.is_empty() { "" } else { case.as_str() }.to_owned())
            })
            .collect();
        if requests.is_empty() {
            let (by, to) = match by {
                Some(by) => (by.clone(), who.to_owned()),
                None => asker(context, duty, request),
            };
            self.say(duty, (&by, &to), request, asked, &case);
            requests.push((asked, case));
        }
        for (when, case) in requests {
            for (n, answer) in (1..).zip(answers) {
                let mut since = when;
                if let Some(after) = &answer.after {
                    since = later(when, 60 * 24);
                    let (by, to) = asker(context, duty, after);
                    self.say(duty, (&by, &to), after, since, &case);
                }
                let day = later(since, 20 * n);
                self.say(
                    duty,
                    (who, &addressees(duty).first().cloned().unwrap_or_default()),
                    &answer.act,
                    day,
                    &case,
                );
            }
        }
    }
}

/// To whom an act of a duty is addressed: those who must be told, under a clause else whoever entrusts by its contract.
fn addressees<'d>(duty: &'d Duty<'_>) -> &'d [String] {
    let entrusts = duty.contract.and_then(|contract| contract.between.first());
    match duty.source {
        DutySource::Clause { .. } if duty.told.is_empty() && duty.to.first() == entrusts => &duty.to,
        _ => &duty.told,
    }
}

/// Who asks for something, and whom: what happens at a party is its own word, anything else comes from the ward or concerns it.
fn asker(context: &SchemeContext, duty: &Duty<'_>, request: &str) -> (String, String) {
    let ward = ward(context);
    if ["incident-occurred", "measures-changed"].contains(&request)
        || addressees(duty).is_empty() && duty.who != ward
    {
        return (duty.who.clone(), String::new());
    }
    if duty.who != ward {
        return (ward.to_owned(), duty.who.clone());
    }
    let contractor = context.scheme.contracts.first().and_then(|c| c.between.get(1)).cloned();
    match request {
        "handlers-changed" => (contractor.unwrap_or_default(), ward.to_owned()),
        _ => (ward.to_owned(), String::new()),
    }
}

fn ward(context: &SchemeContext) -> &str {
    let found = context.scheme.parties.iter().find(|party| party.role == PartyRole::Controller);
    found.map_or("ward", |party| &party.id)
}

/// The morning after the ward set the scheme up.
fn first_morning(play: &Play<'_>) -> Instant {
    at(play.from.plus_days(1 - DAYS_BEFORE), 10, 0)
}

/// An office day in each block of months of the fiscal year, as far as the contract and the play go.
fn days_of_blocks(play: &Play<'_>, context: &SchemeContext, duty: &Duty<'_>, months: u32) -> Vec<Date> {
    let first = play.from.plus_days(1 - DAYS_BEFORE);
    let last = play.to.plus_days(DAYS_AFTER);
    let (start, end) = match duty.contract {
        Some(contract) => (context.matter_start(&contract.matter), context.matter_end(&contract.matter)),
        None => (None, None),
    };
    let (first, last) = (start.map_or(first, |day| day.max(first)), end.map_or(last, |day| day.min(last)));
    // Months since April of year 0, in blocks.
    let block = |day: &Date| (day.ymd().0 * 12 + day.ymd().1 as i32 - 4).div_euclid(months as i32);
    let mut found: Vec<Date> = Vec::new();
    for day in days(first, last) {
        match found.last_mut() {
            // The last office day of the block, or its first day where it has none.
            Some(known) if block(known) == block(&day) => {
                if is_office_day(day) {
                    *known = day;
                }
            }
            _ => found.push(day),
        }
    }
    found
}

/// Monthly words on systems where nothing may stay, and on those that no movement touches.
fn attest(play: &mut Play<'_>, members: &[(&str, &[(&str, &str)])]) {
    let scheme = play.scheme;
    let writes = |party: &str| scheme.party(party).is_some_and(|party| party.writes);
    for system in scheme.systems.iter().filter(|system| writes(&system.attester)) {
        let kinds: Vec<&str> = system
            .storage_for
            .iter()
            .filter(|(_, storage)| **storage == Storage::None)
            .map(|(kind, _)| kind.as_str())
            .collect();
        let empty = system.storage == Storage::None;
        let mut since = at(play.from, 0, 0);
        let stops = (play.scheme.id.as_str(), system.id.as_str()) == FALLS_SILENT
            && play.has(Fault::AttestationStopped);
        for (n, day) in month_ends(play.from, play.to).into_iter().enumerate() {
            if stops && n == MONTHS_ATTESTED {
                play.inject(
                    Fault::AttestationStopped,
                    at(day, 18, 30),
                    &[(FindingCode::AttestationStopped, 1)],
                    &format!("{}: 保持していないことの申告が{day}から途絶えた", system.label),
                    &format!("{}: nobody says any more that it keeps nothing, from {day}", system.id),
                );
            }
            if stops && n >= MONTHS_ATTESTED {
                continue;
            }
            let now = at(day, 18, 30);
            for member in speakers(&system.attester, members) {
                if empty || !kinds.is_empty() {
                    let kinds = if empty { &[][..] } else { &kinds[..] };
                    play.attest((&system.attester, member), (since, now), &system.id, kinds, &[]);
                }
                if system.covered_by.is_some() {
                    let fact = act("system-attested", &system.id, "", "");
                    play.say_as(&system.attester, member, later(now, 1), vec![Fact::ActPerformed(fact)]);
                }
            }
            since = now;
        }
    }
}

fn act(word: &str, target: &str, counterpart: &str, case: &str) -> proto::ActPerformed {
    let attributes = match case {
        "" => Vec::new(),
        case => vec![proto::Attribute { name: "case".to_owned(), value: case.to_owned() }],
    };
    let (kind, target, counterpart) = (word.to_owned(), target.to_owned(), counterpart.to_owned());
    proto::ActPerformed { kind, target, counterpart, attributes, ..Default::default() }
}

/// The members of a set party, or the party itself.
fn speakers<'m>(party: &str, members: &[(&str, &'m [(&'m str, &'m str)])]) -> Vec<&'m str> {
    match members.iter().find(|(set, _)| *set == party) {
        Some((_, all)) => all.iter().map(|(id, _)| *id).collect(),
        None => vec![""],
    }
}
