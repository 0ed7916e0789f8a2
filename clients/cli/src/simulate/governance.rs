//! What the schemes ask for besides moving and erasing: notices, training, audits, reports, attestations.
//!
//! Read from the obligations and systems of the scheme, so that nothing of a scheme is left out.

use daicho_core::Date;
use daicho_custody::scheme::{Obligation, Storage};

use super::calendar::{at, later, month_ends, office_day_from};
use super::play::Play;

/// Plays the obligations of a scheme and the attestations for its systems.
pub(crate) fn play(play: &mut Play<'_>, members: &[(&str, &[(&str, &str)])]) {
    let scheme = play.scheme;
    for obligation in &scheme.obligations {
        fulfil(play, obligation, members);
    }
    attest(play, members);
}

/// When and as what an obligation of a kind is fulfilled. `None`: by not doing something, or by other events.
fn schedule(play: &Play<'_>, obligation: &Obligation) -> Option<(&'static str, Vec<Date>)> {
    let before = play.from.plus_days(-3);
    let monthly = || month_ends(play.from, play.to);
    let first = || vec![before];
    Some(match obligation.check.kind.as_str() {
        "before-first-receipt" => ("handlers-designated", first()),
        "event-exists-per-handler" => ("staff-trained", first()),
        "per-fiscal-year" => ("audited", fiscal_years(play.from, play.to)),
        "periodic" => ("periodic-duty-done", monthly()),
        "attestation" => ("attested", monthly()),
        "on-request" => ("reported-on-request", vec![office_day_from(play.from.plus_days(40))]),
        "approval-before-event" => ("approval-given", first()),
        "subcontract-contains-clause-set" => ("subcontract-filed", first()),
        "document-registered" => ("document-filed", first()),
        "event-exists-before" => ("notice-published", first()),
        "follows" => ("access-rights-revised", vec![office_day_from(play.from.plus_days(60))]),
        _ => return None,
    })
}

fn fulfil(play: &mut Play<'_>, obligation: &Obligation, members: &[(&str, &[(&str, &str)])]) {
    let Some((kind, days)) = schedule(play, obligation) else { return };
    let nobody = String::new();
    for (day, who) in days.iter().flat_map(|day| obligation.who.iter().map(move |who| (*day, who))) {
        let to = if obligation.to.is_empty() { std::slice::from_ref(&nobody) } else { &obligation.to[..] };
        for (n, counterpart) in (0..).zip(to) {
            for member in speakers(who, members) {
                let fact = act(kind, &obligation.id, counterpart);
                play.say_as(who, member, later(at(day, 10, 0), n), vec![fact]);
            }
        }
    }
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
        for day in month_ends(play.from, play.to) {
            let now = at(day, 18, 30);
            for member in speakers(&system.attester, members) {
                if empty || !kinds.is_empty() {
                    let kinds = if empty { &[][..] } else { &kinds[..] };
                    play.attest((&system.attester, member), (since, now), &system.id, kinds, &[]);
                }
                if system.covered_by.is_some() {
                    let fact = act("system-attested", &system.id, "");
                    play.say_as(&system.attester, member, later(now, 1), vec![fact]);
                }
            }
            since = now;
        }
    }
}

fn act(kind: &str, target: &str, counterpart: &str) -> daicho_core::proto::event::Fact {
    daicho_core::proto::event::Fact::ActPerformed(daicho_core::proto::ActPerformed {
        kind: kind.to_owned(),
        target: target.to_owned(),
        counterpart: counterpart.to_owned(),
        ..Default::default()
    })
}

/// The members of a set party, or the party itself.
fn speakers<'m>(party: &str, members: &[(&str, &'m [(&'m str, &'m str)])]) -> Vec<&'m str> {
    match members.iter().find(|(set, _)| *set == party) {
        Some((_, all)) => all.iter().map(|(id, _)| *id).collect(),
        None => vec![""],
    }
}

/// A day in each fiscal year of the play.
fn fiscal_years(from: Date, to: Date) -> Vec<Date> {
    let fiscal = |day: Date| if day.ymd().1 >= 4 { day.ymd().0 } else { day.ymd().0 - 1 };
    let days = (fiscal(from)..=fiscal(to)).filter_map(|year| {
        let start = Date::from_ymd(year, 4, 1)?.max(from);
        let end = Date::from_ymd(year + 1, 3, 31)?.min(to);
        Some(office_day_from(Date::from_days((start.days() + end.days()) / 2)))
    });
    days.collect()
}
