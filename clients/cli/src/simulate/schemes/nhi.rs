//! 国民健康保険料の納付: internet banking, credit cards and Pay-easy, each with its own provider.

use daicho_core::{Date, Instant};
use daicho_custody::FindingCode;
use daicho_custody::scheme::Scope;

use crate::simulate::calendar::{at, date, later, month_ends, office_day_from, office_days, spread};
use crate::simulate::facts::{Parcel, SetExt as _, copy, derived, kept, part, seen, set};
use crate::simulate::faults::Fault;
use crate::simulate::play::{Hand, Play};

const PSP: &str = "payment_service_provider";
const PAYER: &str = "designated_payer";
const LGWAN_ASP: &str = "lgwan_asp_provider";
const COLLECTION: &str = "collection_center_server";
const JOINT: &str = "joint_use_center_server";
const CARD_SERVER: &str = "designated_payer_server";
const LAYOUT: &str = "layout_conversion_system";

/// What each provider still holds, with the day on which it came.
#[derive(Default)]
struct Held {
    psp: Vec<(Date, String)>,
    payer: Vec<(Date, String)>,
    asp: Vec<(Date, String)>,
}

/// Plays April 2020 to March 2021: bank payments go on as before, the new services start in June.
pub(super) fn play(p: &mut Play<'_>) {
    let start = date("2020-06-01");
    let mut held = Held::default();
    let early = p.scaled(p.assumed("early_internet_banking"));
    banking(p, (p.from, start.plus_days(-1)), early, "early", &mut held);
    let payments = p.scaled(p.volume("mobile_reji_internet_banking"));
    banking(p, (start, p.to), payments, "ib", &mut held);
    credit(p, (start, p.to), &mut held);
    pay_easy(p, (start, p.to), &mut held);
    erase_by_date(p, held);
    super::nhi_print::play(p, start);
}

/// インターネットバンキング.
fn banking(p: &mut Play<'_>, (from, to): (Date, Date), total: u64, name: &str, held: &mut Held) {
    let mut n = 0;
    for (day, count) in spread(total, &office_days(from, to)) {
        let mut today = Vec::new();
        for _ in 0..count {
            n += 1;
            let id = format!("{name}-{n:05}");
            let now = later(at(day, 8, 0), p.random.below(6 * 60) as i64);
            let data_set = set(&id, "ds_mobile_collection", 1).session(&id);
            p.collect("f01_ib_payment", "", now, vec![data_set], vec![copy(&id, &id, COLLECTION)]);
            let never = name == "ib" && p.hits(Fault::NeverDeleted, n, total, 4);
            if never {
                p.inject(
                    Fault::NeverDeleted,
                    now,
                    &[(FindingCode::Overdue, 1)],
                    &format!("{id}: 収納センターの収納情報を消去しない"),
                    &format!("{id}: collection data at the centre is never erased"),
                );
            } else {
                held.psp.push((day, id.clone()));
            }
            today.push(id);
        }
        to_ward(p, day, "f02_ib_collection_to_ward", name, &today);
    }
}

/// 収納情報の受信と登録: received, registered and erased from the terminal the same day.
fn to_ward(p: &mut Play<'_>, day: Date, flow: &str, name: &str, today: &[String]) {
    if today.is_empty() {
        return;
    }
    let parcels: Vec<Parcel> =
        today.iter().map(|id| kept(id, id, 1, &format!("{id}-terminal"), "isdn_terminal")).collect();
    p.hand(Hand::new(flow, &format!("{name}-{day}"), at(day, 15, 0)), &parcels);
    register(p, "f03_register_mobile", at(day, 16, 0), today);
}

fn register(p: &mut Play<'_>, flow: &str, now: Instant, ids: &[String]) {
    for group in ids.chunks(150) {
        let terminal: Vec<String> = group.iter().map(|id| format!("{id}-terminal")).collect();
        let from: Vec<&str> = terminal.iter().map(String::as_str).collect();
        let opened = group.iter().map(|id| copy(&format!("{id}-standard"), id, "standard_system"));
        p.say("ward", now, derived(flow, &from, Vec::new(), opened.collect()));
        p.milestone(("ward", ""), later(now, 10), "system_registration_completed", Scope::Session, group);
        p.erase("ward", later(now, 20), &terminal, false);
    }
}

/// クレジット: the payment centre asks, the designated payer answers and pays.
fn credit(p: &mut Play<'_>, (from, to): (Date, Date), held: &mut Held) {
    let total = p.scaled(p.volume("mobile_reji_credit"));
    let mut n = 0;
    for (day, count) in spread(total, &office_days(from, to)) {
        let (mut today, mut early) = (Vec::new(), None);
        for _ in 0..count {
            n += 1;
            let id = format!("credit-{n:05}");
            let now = later(at(day, 8, 0), p.random.below(5 * 60) as i64);
            let data_set = set(&id, "ds_mobile_collection", 1).session(&id);
            p.collect("f04_credit_payment", "", now, vec![data_set], vec![copy(&id, &id, COLLECTION)]);
            authorize(p, day, now, &id, held);
            if p.hits(Fault::DeletedEarly, n, total, 7) {
                early = Some(id.clone());
            } else {
                held.psp.push((day, id.clone()));
            }
            today.push(id);
        }
        to_ward(p, day, "f08_credit_collection_to_ward", "credit", &today);
        if let Some(id) = early {
            erase_certified(p, PSP, at(day, 17, 0), &format!("cert-{id}"), std::slice::from_ref(&id));
            p.inject(
                Fault::DeletedEarly,
                at(day, 17, 0),
                &[(FindingCode::DeletedEarly, 1)],
                &format!("{id}: 収納センターの収納情報を当日のうちに消去した"),
                &format!("{id}: collection data at the centre was erased on the same day"),
            );
        }
    }
    let months = month_ends(from, to);
    let last = months.len() as u64;
    for (nth, day) in (1..).zip(months) {
        let id = format!("substitute-{nth:02}");
        let data_set = set(&id, "ds_substitute_payment", total / last);
        p.say(PAYER, at(day, 10, 0), derived("", &[], vec![data_set], vec![copy(&id, &id, CARD_SERVER)]));
        held.payer.push((day, id.clone()));
        let silent = p.hits(Fault::MissingAcknowledgement, nth, last, 12);
        let hand = Hand { acknowledged: !silent, ..Hand::new("f09_substitute_payment", &id, at(day, 11, 0)) };
        p.hand(hand, &[seen(&id, &id, total / last)]);
        if silent {
            p.inject(
                Fault::MissingAcknowledgement,
                at(day, 11, 0),
                &[(FindingCode::Unacknowledged, 1)],
                &format!("{id}: 区が代理納付の受領を記録しない"),
                &format!("{id}: the ward never says that it got the substitute payment"),
            );
        }
    }
}

/// 与信照会.
fn authorize(p: &mut Play<'_>, day: Date, now: Instant, id: &str, held: &mut Held) {
    let (asked, own, answer) = (format!("{id}-auth"), format!("{id}-auth-payer"), format!("{id}-result"));
    let data_set = set(&asked, "ds_card_authorization", 1).session(id);
    p.say(PSP, later(now, 1), derived("", &[id], vec![data_set], vec![copy(&asked, &asked, COLLECTION)]));
    p.hand(
        Hand::new("f05_otsu_to_hei", &asked, later(now, 2)),
        &[kept(&asked, &asked, 1, &own, CARD_SERVER)],
    );
    p.give("f06_authorization", &format!("{asked}-card"), later(now, 8), vec![part(&own, 0)]);
    let data_set = set(&answer, "ds_card_authorization", 1).session(id);
    p.collect(
        "f07_authorization_result",
        "",
        later(now, 9),
        vec![data_set],
        vec![copy(&answer, &answer, CARD_SERVER)],
    );
    held.psp.push((day, asked));
    held.payer.extend([(day, own), (day, answer)]);
}

/// ペイジー: billing goes up each month, payments come down each day.
fn pay_easy(p: &mut Play<'_>, (from, to): (Date, Date), held: &mut Held) {
    let total = p.scaled(p.volume("pay_easy"));
    let months = month_ends(from, to);
    let bills: Vec<(Date, String)> =
        months.iter().map(|end| (*end, bill(p, *end, total / months.len() as u64, held))).collect();
    let mut n = 0;
    for (day, count) in spread(total, &office_days(from, to)) {
        let mut today = Vec::new();
        let billed = bills.iter().find(|(end, _)| day <= *end).map(|(_, id)| id.clone());
        let billed = billed.expect("each office day lies in a month");
        for _ in 0..count {
            n += 1;
            let id = format!("pe-{n:05}");
            let now = later(at(day, 9, 30), p.random.below(5 * 60) as i64);
            let asked = format!("{id}-asked");
            let sets = vec![
                set(&asked, "ds_layout_items", 1).session(&id),
                set(&id, "ds_pay_easy_collection", 1).session(&id),
            ];
            p.collect(
                "f14_bank_inquiry",
                "",
                now,
                sets,
                vec![copy(&asked, &asked, JOINT), copy(&id, &id, JOINT)],
            );
            p.give("f15_billing_to_bank", &format!("{id}-answer"), later(now, 1), vec![part(&billed, 0)]);
            held.asp.extend([(day, asked), (day, id.clone())]);
            today.push(id);
        }
        download(p, day, &today, (n, total));
    }
}

/// 調定データ: converted on its way, uploaded, and withdrawn where it was wrong. Returns the provider's copy.
fn bill(p: &mut Play<'_>, end: Date, count: u64, held: &mut Held) -> String {
    let (year, month, _) = end.ymd();
    let first = office_day_from(Date::from_ymd(year, month, 1).expect("each month has a first day"));
    let id = format!("bill-{year}-{month:02}");
    let (stock, own, theirs) = (format!("{id}-standard"), format!("{id}-terminal"), format!("{id}-joint"));
    let made = derived(
        "",
        &[],
        vec![set(&format!("{id}-items"), "ds_layout_items", count)],
        vec![copy(&stock, &format!("{id}-items"), "standard_system")],
    );
    p.say("ward", at(first, 8, 0), made);
    let now = at(first, 8, 10);
    p.relay(("ward", ""), (now, now), "f10_standard_to_layout", &[LAYOUT], 1);
    let data_set = set(&id, "ds_billing", count);
    let converted = derived(
        "f11_layout_to_lgwan_terminal",
        &[&stock],
        vec![data_set],
        vec![copy(&own, &id, "lgwan_terminal")],
    );
    p.say("ward", at(first, 8, 20), converted);
    p.hand(Hand::new("f12_upload_billing", &id, at(first, 8, 40)), &[kept(&own, &id, count, &theirs, JOINT)]);
    held.asp.push((first, theirs.clone()));
    withdraw(p, first, &id, count);
    theirs
}

/// 取下げ: a delete record goes up, and the bill that it withdraws is erased.
fn withdraw(p: &mut Play<'_>, first: Date, bill: &str, count: u64) {
    let wrong = count * p.assumed("withdrawn_of_1000") / 1_000 + 1;
    let (id, record) = (format!("{bill}-wrong"), format!("{bill}-delete"));
    let (own, theirs) = (format!("{id}-terminal"), format!("{id}-joint"));
    let made = derived(
        "f11_layout_to_lgwan_terminal",
        &[],
        vec![set(&id, "ds_billing", wrong)],
        vec![copy(&own, &id, "lgwan_terminal")],
    );
    p.say("ward", at(first, 8, 25), made);
    p.hand(Hand::new("f12_upload_billing", &id, at(first, 8, 41)), &[kept(&own, &id, wrong, &theirs, JOINT)]);
    let day = office_day_from(first.plus_days(2));
    let source = format!("{record}-terminal");
    let made = derived(
        "",
        &[&own],
        vec![set(&record, "ds_delete_change_record", wrong)],
        vec![copy(&source, &record, "lgwan_terminal")],
    );
    p.say("ward", at(day, 10, 0), made);
    let taken = format!("{record}-joint");
    p.hand(
        Hand::new("f19_delete_record", &record, at(day, 10, 10)),
        &[kept(&source, &record, wrong, &taken, JOINT)],
    );
    p.milestone(
        (LGWAN_ASP, ""),
        at(day, 10, 20),
        "delete_record_received",
        Scope::DataSet,
        std::slice::from_ref(&id),
    );
    let gone = [theirs, taken];
    p.erase(LGWAN_ASP, at(day, 13, 0), &gone, false);
    p.certify(LGWAN_ASP, at(day.plus_days(1), 13, 0), &format!("cert-{id}"), &gone, &["ward"]);
}

/// 収納データ: down to the terminal, through the conversion, into the standard system.
fn download(p: &mut Play<'_>, day: Date, today: &[String], (n, total): (u64, u64)) {
    if today.is_empty() {
        return;
    }
    let count = today.len() as u64;
    let paid = (at(day, 9, 0), at(day, 15, 10));
    p.relay((LGWAN_ASP, ""), paid, "f13_payer_at_bank", &["bank_web", "bank_atm"], count);
    let parcels: Vec<Parcel> =
        today.iter().map(|id| kept(id, id, 1, &format!("{id}-terminal"), "lgwan_terminal")).collect();
    p.hand(Hand::new("f16_download_collection", &format!("pe-{day}"), at(day, 15, 30)), &parcels);
    let now = at(day, 16, 0);
    p.relay(("ward", ""), (now, now), "f17_collection_to_layout", &[LAYOUT], count);
    let slot = total * 15 / 24 + 1;
    if (n - count + 1..=n).contains(&slot) && p.hits(Fault::KeptOnRelay, slot, total, 15) {
        let id = &today[(slot - (n - count + 1)) as usize];
        let stays = format!("{id}-layout");
        let terminal = format!("{id}-terminal");
        let made =
            derived("f17_collection_to_layout", &[&terminal], Vec::new(), vec![copy(&stays, id, LAYOUT)]);
        p.say("ward", now, made);
        p.erase("ward", later(now, 24 * 60), &[stays], false);
        p.inject(
            Fault::KeptOnRelay,
            now,
            &[(FindingCode::KeptWhereNothingMayPersist, 1), (FindingCode::DeletedLate, 1)],
            &format!("{id}: レイアウト変換システムに収納情報が一日残った"),
            &format!("{id}: collection data stayed in the conversion system for a day"),
        );
    }
    register(p, "f18_layout_to_standard", later(now, 10), today);
}

/// 定められた期日: each month what is older than a month; at the contract's end everything.
fn erase_by_date(p: &mut Play<'_>, held: Held) {
    let parties = [(PSP, held.psp), (PAYER, held.payer), (LGWAN_ASP, held.asp)];
    for (party, mut copies) in parties {
        copies.sort();
        for (n, day) in (1..).zip(month_ends(p.from, p.to)) {
            let limit = day.plus_days(-26);
            let old: Vec<String> = drain_until(&mut copies, |came| came < limit);
            if day < p.to {
                erase_certified(p, party, at(day, 18, 0), &format!("cert-{party}-{n:02}"), &old);
            } else {
                copies.extend(old.into_iter().map(|id| (day, id)));
            }
        }
        let rest: Vec<String> = copies.into_iter().map(|(_, id)| id).collect();
        erase_certified(p, party, at(p.to.plus_days(1), 10, 0), &format!("cert-{party}-end"), &rest);
    }
}

fn drain_until(copies: &mut Vec<(Date, String)>, old: impl Fn(Date) -> bool) -> Vec<String> {
    let n = copies.partition_point(|(came, _)| old(*came));
    copies.drain(..n).map(|(_, id)| id).collect()
}

fn erase_certified(p: &mut Play<'_>, party: &str, now: Instant, certificate: &str, copies: &[String]) {
    p.erase(party, now, copies, false);
    p.certify(party, later(now, 24 * 60), certificate, copies, &["ward"]);
    p.confirm(later(now, 48 * 60), copies, "by document");
}
