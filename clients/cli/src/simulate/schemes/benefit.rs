//! 特別定額給付金, the ward's side: protected groups, the database, online applications, payment.

use daicho_core::{Date, Instant};
use daicho_custody::FindingCode;

use crate::simulate::calendar::{at, date, days, later, office_days, spread, week_ends};
use crate::simulate::facts::{SetExt as _, copy, derived, kept, part, printed, set};
use crate::simulate::faults::Fault;
use crate::simulate::play::{Hand, Play};

use super::benefit_contractors as contractors;

/// Some of the governments from which people moved in.
pub(super) const GOVERNMENTS: &[(&str, &str)] = &[
    ("government-a", "都道府県A(模擬)"),
    ("government-b", "市B(模擬)"),
    ("government-c", "区C(模擬)"),
    ("government-d", "町D(模擬)"),
];
/// Deliveries into which the beneficiaries are divided.
pub(super) const LOTS: u64 = 24;
/// Last day for applications, and of every coupling.
pub(super) const LAST_DAY: &str = "2020-08-31";
pub(super) const GA_PC: &str = "general_affairs_pc";
pub(super) const INTRANET: &str = "intranet_pc";

/// A lot of beneficiaries: data set of the register and number of people.
pub(super) struct Lot {
    pub(super) n: u64,
    pub(super) id: String,
    pub(super) people: u64,
}

/// Plays May to November 2020.
pub(super) fn play(p: &mut Play<'_>) {
    let lots = database(p);
    protected_groups(p);
    contractors::deliver(p, &lots);
    let mut paid = contractors::postal_applications(p);
    paid.extend(online_applications(p));
    paid.sort();
    pay(p, &paid);
    contractors::call_center(p);
    contractors::end(p);
}

/// 給付対象者データベース: the register as of 27 April, in lots.
fn database(p: &mut Play<'_>) -> Vec<Lot> {
    // Each lot is mailed in two parts.
    let total = p.scaled(p.volume("beneficiaries")).max(4 * LOTS);
    let day = at(p.from, 9, 0);
    let lots = (1..=LOTS).map(|n| Lot {
        n,
        id: format!("lot-{n:02}"),
        people: total * n / LOTS - total * (n - 1) / LOTS,
    });
    let lots: Vec<Lot> = lots.collect();
    for lot in &lots {
        let (register, db) = (format!("{}-register", lot.id), format!("{}-db", lot.id));
        let data_set = set(&lot.id, "ds_resident_base", lot.people);
        let stock = derived("", &[], vec![data_set], vec![copy(&register, &lot.id, "resident_registry")]);
        p.say("ward", day, stock);
        let opened = copy(&db, &lot.id, "beneficiary_database");
        p.say("ward", later(day, 10), derived("f08_extract_to_db", &[&register], Vec::new(), vec![opened]));
    }
    lots
}

/// 施設入所児童等・虐待による措置: what other divisions and governments know, and what the ward mails itself.
fn protected_groups(p: &mut Play<'_>) {
    let people = p.volume("beneficiaries");
    let sensitive = p.scaled(people * p.assumed("sensitive_of_10000") / 10_000);
    let visual = p.scaled(people * p.assumed("visual_of_10000") / 10_000);
    let last = date(LAST_DAY);
    let weeks = week_ends(p.from, last);
    let extra = p.hits(Fault::ExtraItems, 1, 1, 0);
    if extra {
        p.inject(
            Fault::ExtraItems,
            at(weeks[1], 9, 0),
            &[(FindingCode::ItemsNotApproved, 1)],
            "children-home: 子ども家庭課が承認されていない項目(保護者の氏名)も渡した",
            "children-home: the division also handed over the guardian's name, which is not approved",
        );
    }
    let shares = [
        ("f03_children_division_to_ga", "children-home", "paper", "ds_children_internal", sensitive / 3),
        (
            "f04_disability_children_to_ga",
            "children-care",
            "disability_support_system",
            "ds_children_internal",
            sensitive / 3,
        ),
        ("f05_disability_abuse_to_ga", "abuse-disability", "paper", "ds_abuse_measures", sensitive / 6),
        (
            "f06_elderly_abuse_to_ga",
            "abuse-elderly",
            "elderly_welfare_system",
            "ds_abuse_measures",
            sensitive / 6,
        ),
        ("f07_visual_to_ga", "visual", "disability_support_system", "ds_visual_impairment", visual),
    ];
    for ((flow, id, system, kind, count), day) in shares.into_iter().zip(&weeks[1..]) {
        let own = format!("{id}-division");
        let mut data_set = set(id, kind, count);
        if extra && id == "children-home" {
            data_set = data_set.items(&["name", "birth_date", "guardian_name"]);
        }
        let division = p.flow(flow).from.party.clone();
        p.say(&division, at(*day, 9, 0), derived("", &[], vec![data_set], vec![copy(&own, id, system)]));
        p.hand(Hand::new(flow, id, at(*day, 10, 0)), &[kept(&own, id, count, &format!("{id}-ga"), GA_PC)]);
    }
    let cases = spread(sensitive, &office_days(p.from.plus_days(60), last.plus_days(-7)));
    let mut n = 0;
    let first = cases.iter().find(|(_, count)| *count > 0).map_or(last, |(day, _)| *day);
    for (day, count) in cases {
        for _ in 0..count {
            n += 1;
            protected_case(p, day, n, day == first);
        }
    }
}

/// One protected person: asked elsewhere, told elsewhere, written to by the ward itself.
fn protected_case(p: &mut Play<'_>, day: Date, n: u64, on_first_day: bool) {
    let id = format!("case-{n:05}");
    let collected = format!("{id}-elsewhere");
    let data_set = set(&collected, "ds_children_collected", 1).session(&id);
    p.collect(
        "f01_collect_from_governments",
        "",
        at(day, 9, 30),
        vec![data_set],
        vec![copy(&collected, &collected, GA_PC)],
    );
    let told = format!("{id}-told");
    let data_set = set(&told, "ds_children_provided", 1).session(&id);
    let source = if n.is_multiple_of(2) { "children-home-ga" } else { "children-care-ga" };
    let letter = printed("", &[source], vec![data_set], vec![copy(&told, &told, "paper")]);
    p.say("ward", at(day, 10, 0), letter);
    let alone = on_first_day && p.has(Fault::CheckedByOne);
    let persons =
        [("confirmer", "handler-3"), ("second_confirmer", if alone { "handler-3" } else { "handler-8" })];
    if alone && n == 1 {
        p.inject_about(
            Fault::CheckedByOne,
            at(day, 10, 30),
            (&[(FindingCode::ObligationMissed, 1)], &["o_double_check_mail/ward"]),
            (
                "初日の自治体への通知の宛先を、同じ一人が二度確認した",
                "on the first day one person checked the addresses of letters to municipalities twice",
            ),
        );
    }
    p.act_with("ward", at(day, 10, 30), "double-checked", "f02_provide_to_governments", &persons);
    let (government, _) = GOVERNMENTS[n as usize % GOVERNMENTS.len()];
    let sent = at(day, 11, 0);
    p.give_to("f02_provide_to_governments", government, &told, sent, vec![part(&told, 0)]);
    let form = format!("{id}-form");
    let (kind, source) = match n % 3 {
        0 => ("ds_abuse_measures", "abuse-disability-ga"),
        1 => ("ds_children_internal", "children-home-ga"),
        _ => ("ds_children_internal", "children-care-ga"),
    };
    let letter =
        printed("", &[source], vec![set(&form, kind, 1).session(&id)], vec![copy(&form, &form, "paper")]);
    p.say("ward", at(day, 13, 0), letter);
    p.give("f23_sensitive_by_ward", &form, at(day, 15, 0), vec![part(&form, 0)]);
}

/// オンライン申請: the portal takes them from 11 May, the line to the ward opens on 15 May. Returns accounts by day.
fn online_applications(p: &mut Play<'_>) -> Vec<(Date, String, String)> {
    let households = p.scaled(p.volume("households"));
    let total = p.scaled(p.volume("households") * p.assumed("online_percent") / 100).min(households);
    let open = days(date("2020-05-11"), date(LAST_DAY).plus_days(-3));
    let line = date("2020-05-15");
    let mut accounts = Vec::new();
    let mut n = 0;
    for (day, count) in spread(total, &open) {
        for _ in 0..count {
            n += 1;
            let id = format!("on-{n:06}");
            let now = later(at(day, 0, 10), p.random.below(15 * 60) as i64);
            let portal = format!("{id}-portal");
            let data_set = set(&id, "ds_online_application", 1).session(&id);
            p.collect(
                "f19_online_application",
                "",
                now,
                vec![data_set],
                vec![copy(&portal, &id, "myna_portal")],
            );
            let sent = if day < line { at(line, 9, 30) } else { at(day, 16, 0) };
            accounts.push(take_in(p, &id, &portal, sent));
        }
    }
    accounts
}

/// 突合とシリアル番号: one online application at the ward.
fn take_in(p: &mut Play<'_>, id: &str, portal: &str, sent: Instant) -> (Date, String, String) {
    let (own, serial, account) = (format!("{id}-ward"), format!("{id}-serial"), format!("{id}-account"));
    p.hand(Hand::new("f20_portal_to_ward", id, sent), &[kept(portal, id, 1, &own, INTRANET)]);
    let matched = copy(&format!("{id}-match"), id, "matching_program");
    p.say("ward", later(sent, 30), derived("f21_matching", &[&own], Vec::new(), vec![matched]));
    let data_set = set(&serial, "ds_serial", 1).session(id);
    let host = copy(&serial, &serial, "host_computer");
    p.say("ward", later(sent, 31), derived("f22_serial_to_host", &[&own], vec![data_set], vec![host]));
    let data_set = set(&account, "ds_account", 1).session(id);
    let at_ga = format!("{account}-ga");
    let made = derived("", &[&own], vec![data_set], vec![copy(&at_ga, &account, GA_PC)]);
    p.say("ward", later(sent, 40), made);
    (sent.jst_day(), account, at_ga)
}

/// 口座振込: each week, for which the paper has no item; then the state of the benefit.
fn pay(p: &mut Play<'_>, accounts: &[(Date, String, String)]) {
    let mut start = 0;
    for (n, friday) in (1..).zip(week_ends(date("2020-05-18"), date("2020-09-30"))) {
        let end = accounts.partition_point(|(day, _, _)| *day < friday);
        let due = &accounts[start..end];
        start = end;
        for (k, group) in due.chunks(300).enumerate() {
            let copies = group.iter().map(|(_, _, copy)| part(copy, 0)).collect();
            p.give("f24_payment", &format!("payment-{n:02}-{k:03}"), at(friday, 11, 0), copies);
        }
        if !due.is_empty() {
            let id = format!("status-{n:02}");
            let data_set = set(&id, "ds_benefit_status", due.len() as u64);
            let opened = copy(&id, &id, "beneficiary_database");
            p.say("ward", at(friday, 15, 0), derived("f09_status_update", &[], vec![data_set], vec![opened]));
            p.act("ward", at(friday, 15, 10), "matching-run", "matching_program", "");
        }
    }
}
