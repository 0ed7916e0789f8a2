//! 受付番号発券システム: contact addresses of people who wait, each gone by the end of the next day.

use daicho_core::proto::event::Fact;
use daicho_core::proto::{ContractSettled, Copied, MediumFate};
use daicho_core::{Date, Instant};
use daicho_custody::FindingCode;
use daicho_custody::scheme::Scope;

use crate::simulate::build::DAYS_AFTER;
use crate::simulate::calendar::{at, later, month_ends, office_days, spread};
use crate::simulate::facts::{SetExt as _, copy, deleted, derived, kept, part, set};
use crate::simulate::faults::Fault;
use crate::simulate::play::{Hand, Play};

const OPERATOR: &str = "hyojito";
const SERVER: &str = "operator_server";

/// What the operator has to erase in the night after a day.
#[derive(Default)]
struct Today {
    contacts: Vec<String>,
    turns: Vec<String>,
    at_ward: Vec<String>,
    by_line: u64,
}

/// How a user is told.
#[derive(PartialEq, Clone, Copy)]
enum Way {
    Email,
    Line,
    Phone,
}

/// Plays one year.
pub(super) fn play(p: &mut Play<'_>) {
    let uses = p.scaled(p.volume("counter_visitors_per_year") * p.assumed("opt_in_percent") / 100);
    let days = office_days(p.from, p.to);
    let mut n = 0;
    for (day, count) in spread(uses, &days) {
        let mut today = Today::default();
        for _ in 0..count {
            n += 1;
            visit(p, day, (n, uses), &mut today);
        }
        night(p, day, &today);
    }
    maintenance(p);
}

/// One visitor who asks to be told.
fn visit(p: &mut Play<'_>, day: Date, (n, total): (u64, u64), today: &mut Today) {
    let s = format!("use-{n:06}");
    let start = later(at(day, 8, 30), p.random.below(7 * 60) as i64);
    let draw = p.random.below(100);
    let way = match draw {
        _ if draw < p.assumed("email_percent") => Way::Email,
        _ if draw < p.assumed("email_percent") + p.assumed("line_percent") => Way::Line,
        _ => Way::Phone,
    };
    let web_percent = p.assumed("web_ticket_percent");
    let web = p.random.percent(web_percent);
    let ended = later(start, 25 + p.random.below(60) as i64);
    let contact = register(p, &s, start, way, web, (n, total));
    if p.hits(Fault::CopiedAside, n, total, 4) {
        let aside = format!("{contact}-aside");
        let copies = vec![copy(&aside, &contact, SERVER)];
        p.say(OPERATOR, later(start, 2), Fact::Copied(Copied { from_copies: vec![contact.clone()], copies }));
        today.contacts.push(aside);
        p.inject(
            Fault::CopiedAside,
            start,
            &[(FindingCode::CopyingNotAllowed, 1)],
            &format!("{s}: 運用事業者が、禁じられているのに連絡先を複製した"),
            &format!("{s}: the operator duplicated the contact address, which the contract forbids"),
        );
    }
    let turn = queue_state(p, &s, later(start, 10), (n, total), today);
    if let Some(turn) = &turn {
        if web {
            p.give("f08_web_ticket_issued", &format!("{s}-ticket"), later(start, 16), vec![part(turn, 0)]);
        }
        notify(p, &s, later(start, 20), way, &contact, turn, today);
        today.turns.push(turn.clone());
    }
    end_of_use(p, &s, day, ended, contact, (n, total), today);
}

/// 登録: the contact address, by the web ticket or at the machine.
fn register(p: &mut Play<'_>, s: &str, now: Instant, way: Way, web: bool, (n, total): (u64, u64)) -> String {
    let item = match way {
        Way::Email => "email_address",
        Way::Line => "line_id",
        Way::Phone => "phone_number",
    };
    let mut items = vec![item];
    if p.hits(Fault::ExtraItems, n, total, 3) || p.hits(Fault::ExtraItems, n, total, 15) {
        items.extend(["name", "address"]);
        p.inject(
            Fault::ExtraItems,
            now,
            &[(FindingCode::ItemsNotApproved, 1)],
            &format!("{s}: 連絡先に氏名と住所も記録した"),
            &format!("{s}: name and home address were recorded with the contact address"),
        );
    }
    let contact = format!("{s}-contact");
    let data_set = set(&contact, "ds_contact", 1).session(s).items(&items);
    let flow = if web { "f02_web_ticket" } else { "f01_register_contact" };
    p.collect(flow, "", now, vec![data_set], vec![copy(&contact, &contact, SERVER)]);
    if p.hits(Fault::KeptOnRelay, n, total, 9) {
        let relay = format!("{s}-contact-relay");
        let kept = copy(&relay, &contact, "advance_notice_function");
        p.say(OPERATOR, later(now, 1), derived("", &[&contact], Vec::new(), vec![kept]));
        p.erase(OPERATOR, later(now, 2 * 24 * 60), &[relay], true);
        p.inject(
            Fault::KeptOnRelay,
            now,
            &[(FindingCode::KeptWhereNothingMayPersist, 1)],
            &format!("{s}: 事前案内機能に連絡先が2日間残った"),
            &format!("{s}: the address stayed in the notice function for two days"),
        );
    }
    contact
}

/// 発券機から事業者サーバへ: the place in the queue.
fn queue_state(
    p: &mut Play<'_>,
    s: &str,
    now: Instant,
    (n, total): (u64, u64),
    today: &mut Today,
) -> Option<String> {
    let (turn, machine) = (format!("{s}-turn"), format!("{s}-turn-machine"));
    let data_set = set(&turn, "ds_turn_notice", 1).session(s);
    let made = derived("", &[], vec![data_set], vec![copy(&machine, &turn, "ticket_machine")]);
    p.say("ward", later(now, -2), made);
    today.at_ward.push(machine.clone());
    let server = format!("{s}-turn-server");
    let id = format!("{s}-state");
    let silent = p.hits(Fault::MissingAcknowledgement, n, total, 12);
    let hand = Hand { acknowledged: !silent, ..Hand::new("f07_queue_state", &id, now) };
    p.hand(hand, &[kept(&machine, &turn, 1, &server, SERVER)]);
    if silent {
        p.inject(
            Fault::MissingAcknowledgement,
            now,
            &[(FindingCode::Unacknowledged, 1)],
            &format!("{s}: 事業者が順番の受領を記録しない"),
            &format!("{s}: the operator never says that it got the place in the queue"),
        );
        return None;
    }
    Some(server)
}

/// 順番のお知らせ: by e-mail, LINE or telephone.
fn notify(p: &mut Play<'_>, s: &str, now: Instant, way: Way, contact: &str, turn: &str, today: &mut Today) {
    let id = format!("{s}-notice");
    match way {
        Way::Email => p.give("f03_notice_email", &id, now, vec![part(turn, 0)]),
        Way::Phone => p.give("f06_notice_phone", &id, now, vec![part(turn, 0)]),
        Way::Line => {
            p.give("f04_notice_line", &id, now, vec![part(contact, 0), part(turn, 0)]);
            let parcels = [
                kept(contact, contact, 1, &format!("{s}-contact-line"), "line_platform"),
                kept(turn, &format!("{s}-turn"), 1, &format!("{s}-turn-line"), "line_platform"),
            ];
            p.receive("f04_notice_line", &id, later(now, 1), &parcels);
            today.by_line += 1;
        }
    }
}

/// サービスの利用の終了: the clock of the contact address starts.
fn end_of_use(
    p: &mut Play<'_>,
    s: &str,
    day: Date,
    ended: Instant,
    contact: String,
    (n, total): (u64, u64),
    today: &mut Today,
) {
    if p.hits(Fault::MilestoneWithheld, n, total, 18) {
        p.inject(
            Fault::MilestoneWithheld,
            ended,
            &[(FindingCode::MilestoneWithheld, 1)],
            &format!("{s}: 利用の終了を申告せず、連絡先を持ち続ける"),
            &format!("{s}: the end of use is not stated and the address is kept"),
        );
        return;
    }
    p.milestone((OPERATOR, ""), ended, "service_use_ended", Scope::Session, &[s.to_owned()]);
    if p.hits(Fault::NeverDeleted, n, total, 6) {
        p.inject(
            Fault::NeverDeleted,
            ended,
            &[(FindingCode::Overdue, 1)],
            &format!("{s}: 連絡先を消去しない"),
            &format!("{s}: the contact address is never erased"),
        );
        return;
    }
    if p.hits(Fault::WeakMethod, n, total, 9) {
        let erased = at(day.plus_days(1), 2, 0);
        let mut gone = deleted(std::slice::from_ref(&contact), false);
        if let Fact::Deleted(gone) = &mut gone {
            gone.medium = MediumFate::Disposed as i32;
        }
        p.say(OPERATOR, erased, gone);
        p.certify(OPERATOR, later(erased, 8 * 60), &format!("cert-disk-{s}"), &[contact], &["ward"]);
        p.inject(
            Fault::WeakMethod,
            erased,
            &[(FindingCode::MethodNotSufficient, 1), (FindingCode::AssuranceMissing, 1)],
            &format!("{s}: 連絡先のあった媒体を、上書きだけで、立会いも写真もなく廃棄した"),
            &format!("{s}: the medium with the address was disposed of after an overwrite, with no witness and no photograph"),
        );
        return;
    }
    if p.hits(Fault::LateDeletion, n, total, 0) || p.hits(Fault::LateDeletion, n, total, 21) {
        let erased = at(day.plus_days(3), 2, 0);
        p.erase(OPERATOR, erased, std::slice::from_ref(&contact), true);
        p.certify(OPERATOR, later(erased, 8 * 60), &format!("cert-late-{s}"), &[contact], &["ward"]);
        p.inject(
            Fault::LateDeletion,
            ended,
            &[(FindingCode::DeletedLate, 1)],
            &format!("{s}: 連絡先の消去が期限より2日遅れた"),
            &format!("{s}: the contact address was erased two days late"),
        );
        return;
    }
    today.contacts.push(contact);
}

/// 翌日に消去: one job and one certificate for all of a day.
fn night(p: &mut Play<'_>, day: Date, today: &Today) {
    let next = day.plus_days(1);
    p.erase("ward", at(day, 19, 0), &today.at_ward, true);
    if today.by_line > 0 {
        let period = (at(day, 8, 0), at(day, 19, 0));
        p.relay((OPERATOR, ""), period, "f05_line_to_user", &["line_platform"], today.by_line);
    }
    p.milestone((OPERATOR, ""), at(next, 1, 0), "no_longer_needed", Scope::Copy, &today.turns);
    let erased: Vec<String> = today.contacts.iter().chain(&today.turns).cloned().collect();
    p.erase(OPERATOR, at(next, 2, 0), &erased, true);
    p.certify(OPERATOR, at(next, 10, 0), &format!("cert-{day}"), &erased, &["ward"]);
}

/// Verification before the start, logs and the ward's checks each month.
fn maintenance(p: &mut Play<'_>) {
    p.act(OPERATOR, at(p.from.plus_days(-5), 11, 0), "verification-done", "m1_system_addition", "ward");
    for (n, day) in (1..).zip(month_ends(p.from, p.to)) {
        let log = format!("operations-{n:02}");
        let data_set = set(&log, "ds_operation_log", 0);
        let written = derived("", &[], vec![data_set], vec![copy(&log, &log, SERVER)]);
        p.say(OPERATOR, at(day, 17, 30), written);
        p.act("ward", at(day, 17, 40), "erasure-checked", "r1_contact_next_day", OPERATOR);
    }
    if p.has(Fault::ContractEnding) {
        // Ends eight days after the play is judged.
        let end = p.to.plus_days(DAYS_AFTER + 8);
        let settled = ContractSettled { contract: "c1".into(), end: end.to_string(), ..Default::default() };
        p.say("ward", at(p.to, 11, 0), Fact::ContractSettled(settled));
        p.inject_about(
            Fault::ContractEnding,
            at(p.to, 11, 0),
            (&[(FindingCode::ContractEnding, 1)], &["c1"]),
            (
                &format!("契約を{end}に終えることになったが、運用事業者に複製が残っている"),
                &format!("the contract is to end on {end}, and the operator still holds copies"),
            ),
        );
    }
}
