//! 特別定額給付金, the contractors' side: printing, forms, accounts, calls, and the end of both contracts.

use daicho_core::proto::event::Fact;
use daicho_core::{Date, Instant};
use daicho_custody::FindingCode;
use daicho_custody::scheme::Scope;

use crate::simulate::calendar::{at, date, later, office_day_from, office_days, spread, week_ends};
use crate::simulate::facts::{SetExt as _, copy, derived, kept, part, printed, set};
use crate::simulate::faults::Fault;
use crate::simulate::play::{Hand, Play};

use super::benefit::{GA_PC, INTRANET, LAST_DAY, LOTS, Lot};

const TOPPAN: &str = "toppan_forms";
const HOKKAIDO: &str = "hokkaido_toppan_forms";
const ASP: &str = "toppan_asp_server";
const WORK_PC: &str = "toppan_work_pc";
const HOKKAIDO_PC: &str = "hokkaido_work_pc";

/// 申請書の発送: each lot goes to the contractor, on to the subcontractor, and out by mail.
pub(super) fn deliver(p: &mut Play<'_>, lots: &[Lot]) {
    for lot in lots {
        let day = office_day_from(date("2020-05-18").plus_days(lot.n as i32 - 1));
        to_toppan(p, lot, day);
        to_hokkaido(p, lot, day);
        mail(p, lot, office_day_from(day.plus_days(3)));
        clear(p, lot, office_day_from(day.plus_days(10)));
        if lot.n == LOTS * 17 / 24 + 1 {
            stranger(p, lot, at(day, 15, 0));
        }
    }
}

/// 外部結合: the ward sends a lot.
fn to_toppan(p: &mut Play<'_>, lot: &Lot, day: Date) {
    let id = format!("{}-items", lot.id);
    let (own, asp) = (format!("{id}-ward"), format!("{id}-asp"));
    let mut data_set = set(&id, "ds_coupled_items", lot.people);
    if protected(p, lot) {
        data_set = data_set.class("sensitive_person");
        let on = passes_on(p, lot);
        p.inject(
            Fault::SensitiveHandedOut,
            at(day, 9, 0),
            &[(FindingCode::SensitiveToContractor, 1 + u64::from(on))],
            &format!(
                "{}: 除外すべき人を含むまま委託先に送った{}",
                lot.id,
                if on { "。再委託先にも渡った" } else { "" }
            ),
            &format!(
                "{}: sent to the contractor with protected people in it{}",
                lot.id,
                if on { ", and on to the subcontractor" } else { "" }
            ),
        );
    }
    let db = format!("{}-db", lot.id);
    p.say("ward", at(day, 9, 0), derived("", &[&db], vec![data_set], vec![copy(&own, &id, INTRANET)]));
    p.hand(Hand::new("f10_ward_to_toppan", &id, at(day, 9, 30)), &[kept(&own, &id, lot.people, &asp, ASP)]);
    let work = copy(&format!("{id}-work"), &id, WORK_PC);
    p.say(TOPPAN, at(day, 10, 30), derived("", &[&asp], Vec::new(), vec![work]));
}

fn protected(p: &Play<'_>, lot: &Lot) -> bool {
    p.hits(Fault::SensitiveHandedOut, lot.n, LOTS, 5) || passes_on(p, lot)
}

fn passes_on(p: &Play<'_>, lot: &Lot) -> bool {
    p.hits(Fault::SensitiveHandedOut, lot.n, LOTS, 11)
}

/// 再委託: by the protected page and the line between the two.
fn to_hokkaido(p: &mut Play<'_>, lot: &Lot, day: Date) {
    let id = format!("{}-forms", lot.id);
    let (page, theirs) = (format!("{id}-page"), format!("{id}-pc"));
    let mut data_set = set(&id, "ds_resident_base", lot.people);
    if passes_on(p, lot) {
        data_set = data_set.class("sensitive_person");
    }
    let asp = format!("{}-items-asp", lot.id);
    let (stored, made) = (copy(&page, &id, "secure_page"), at(day, 11, 0));
    let entered = derived("", &[&asp], vec![data_set], vec![stored]);
    p.say(TOPPAN, made, entered.clone());
    if p.hits(Fault::NumberLeftOut, lot.n, LOTS, 8) {
        p.say_refused(TOPPAN, later(made, 5), entered);
        p.inject(
            Fault::NumberLeftOut,
            made,
            &[(FindingCode::SequenceGap, 1)],
            &format!("{}: 同じ記録をもう一度申告して拒否され、その番号が欠けたままになった", lot.id),
            &format!("{}: the same was stated once more and refused; its number stays left out", lot.id),
        );
    }
    p.hand(
        Hand::new("f12_toppan_to_hokkaido", &id, at(day, 13, 0)),
        &[kept(&page, &id, lot.people, &theirs, HOKKAIDO_PC)],
    );
    p.milestone((TOPPAN, ""), at(day, 17, 0), "no_longer_needed", Scope::Copy, std::slice::from_ref(&page));
    p.erase(TOPPAN, at(day, 17, 30), std::slice::from_ref(&page), false);
    p.certify(TOPPAN, at(day.plus_days(1), 11, 0), &format!("cert-{id}-page"), &[page], &["ward"]);
}

/// 印刷と郵送: the subcontractor mails each lot in two parts, the contractor the returned letters once more.
fn mail(p: &mut Play<'_>, lot: &Lot, day: Date) {
    let id = format!("{}-forms", lot.id);
    let paper = format!("{id}-paper");
    let made =
        printed("f27_print_hokkaido", &[&format!("{id}-pc")], Vec::new(), vec![copy(&paper, &id, "paper")]);
    p.say(HOKKAIDO, at(day, 9, 0), made);
    let first = lot.people * 3 / 5;
    let (one, two) = (format!("{id}-mail-1"), format!("{id}-mail-2"));
    p.give("f13_forms_to_households", &one, at(day, 15, 0), vec![part(&paper, first)]);
    let next = office_day_from(day.plus_days(1));
    p.give("f13_forms_to_households", &two, at(next, 15, 0), vec![part(&paper, lot.people - first)]);
    let again = format!("{}-again", lot.id);
    let returned = office_day_from(day.plus_days(14));
    let data_set = set(&again, "ds_resident_base", 1 + lot.people / 50);
    let work = format!("{}-items-work", lot.id);
    let made = printed("f26_print_toppan", &[&work], vec![data_set], vec![copy(&again, &again, "paper")]);
    p.say(TOPPAN, at(returned, 10, 0), made);
    p.give("f14_forms_by_toppan", &again, at(returned, 15, 0), vec![part(&again, 0)]);
}

/// 不要になったとき: both erase what a lot left with them, with certificates.
fn clear(p: &mut Play<'_>, lot: &Lot, day: Date) {
    let theirs = [format!("{}-forms-pc", lot.id)];
    p.milestone((HOKKAIDO, ""), at(day, 9, 0), "no_longer_needed", Scope::Copy, &theirs);
    let late = p.hits(Fault::LateDeletion, lot.n, LOTS, 2);
    let erased = if late { day.plus_days(9) } else { day };
    p.erase(HOKKAIDO, at(erased, 16, 0), &theirs, false);
    if late {
        p.inject(
            Fault::LateDeletion,
            at(day, 9, 0),
            &[(FindingCode::DeletedLate, 1)],
            &format!("{}: 再委託先の消去が期限より8日遅れた", lot.id),
            &format!("{}: the subcontractor erased eight days late", lot.id),
        );
    }
    let mut to = vec!["ward", TOPPAN];
    if p.hits(Fault::CertificateToKoOnly, lot.n, LOTS, 8)
        || p.hits(Fault::CertificateToKoOnly, lot.n, LOTS, 20)
    {
        to.truncate(1);
        p.inject(
            Fault::CertificateToKoOnly,
            at(erased, 16, 0),
            &[(FindingCode::CertificateIncomplete, 1)],
            &format!("{}: 消去証明書が乙に届かない", lot.id),
            &format!("{}: the certificate of erasure never reaches the contractor", lot.id),
        );
    }
    let late = p.hits(Fault::CertificateLate, lot.n, LOTS, 13);
    let certified = at(erased.plus_days(if late { 12 } else { 2 }), 10, 0);
    if late {
        p.inject(
            Fault::CertificateLate,
            certified,
            &[(FindingCode::CertificateLate, 1)],
            &format!("{}: 消去証明書の提出が期限より5日遅れた", lot.id),
            &format!("{}: the certificate of erasure came five days late", lot.id),
        );
    }
    p.certify(HOKKAIDO, certified, &format!("cert-{}-forms", lot.id), &theirs, &to);
    p.confirm(later(certified, 24 * 60), &theirs, "by document");
    // The contractor keeps its own copy until returned letters were sent again.
    let own = [format!("{}-items-asp", lot.id), format!("{}-items-work", lot.id)];
    let over = office_day_from(day.plus_days(14));
    p.milestone((TOPPAN, ""), at(over, 9, 0), "no_longer_needed", Scope::Copy, &own);
    p.erase(TOPPAN, at(over, 16, 0), &own, false);
    p.certify(TOPPAN, at(over.plus_days(2), 10, 0), &format!("cert-{}-items", lot.id), &own, &["ward"]);
}

/// A fault: the contractor hands a lot to a printer that nobody approved.
fn stranger(p: &mut Play<'_>, lot: &Lot, now: Instant) {
    if !p.hits(Fault::UnapprovedSubcontractor, lot.n, LOTS, 17) {
        return;
    }
    let work = format!("{}-items-work", lot.id);
    p.give_outside(TOPPAN, "helping-printer", &format!("{}-help", lot.id), now, &work);
    p.inject_about(
        Fault::UnapprovedSubcontractor,
        now,
        // The consent is owed by the obligation and by clause 10.
        (
            &[
                (FindingCode::SubcontractNotApproved, 1),
                (FindingCode::Unacknowledged, 1),
                (FindingCode::ObligationMissed, 2),
            ],
            &["helping-printer", "c1/10/toppan_forms", "o_subcontract_approval/toppan_forms"],
        ),
        (
            &format!("{}: 承諾のない印刷業者に渡した。受領の記録もない", lot.id),
            &format!("{}: handed to a printer without consent, who acknowledges nothing", lot.id),
        ),
    );
}

/// 返送された申請書: entry, transfer, return. Gives the accounts with the day on which the ward has them.
pub(super) fn postal_applications(p: &mut Play<'_>) -> Vec<(Date, String, String)> {
    let total = p.scaled(p.volume("households") * p.assumed("postal_percent") / 100);
    let open = office_days(date("2020-05-27"), date(LAST_DAY));
    let weeks = week_ends(date("2020-05-27"), date(LAST_DAY));
    let (mut accounts, mut week) = (Vec::new(), Vec::new());
    let mut n = 0;
    for (day, count) in spread(total, &open) {
        let mut today = Vec::new();
        for _ in 0..count {
            n += 1;
            today.push(household(p, day, n));
        }
        accounts.extend(transfer(p, day, &today));
        week.append(&mut today);
        if let Some(nth) = weeks.iter().position(|end| *end == day) {
            close_week(p, (nth as u64 + 1, weeks.len() as u64), day, &std::mem::take(&mut week));
        }
    }
    accounts
}

/// One household's form: received, entered, made ready for the ward.
fn household(p: &mut Play<'_>, day: Date, n: u64) -> String {
    let id = format!("hh-{n:06}");
    let now = later(at(day, 9, 0), p.random.below(4 * 60) as i64);
    let (form, account) = (format!("{id}-form"), format!("{id}-account"));
    let data_set = set(&form, "ds_postal_application", 1).session(&id);
    p.collect("f15_forms_back", "", now, vec![data_set], vec![copy(&form, &form, "paper")]);
    let data_set = set(&account, "ds_account", 1).session(&id);
    let entered = copy(&format!("{account}-work"), &account, WORK_PC);
    p.say(TOPPAN, later(now, 60), derived("f16_account_entry", &[&form], vec![data_set], vec![entered]));
    let ready = copy(&format!("{account}-asp"), &account, ASP);
    p.say(TOPPAN, later(now, 90), derived("", &[&format!("{account}-work")], Vec::new(), vec![ready]));
    id
}

/// 口座情報の送信: once a day, as long as the coupling is approved.
fn transfer(p: &mut Play<'_>, day: Date, today: &[String]) -> Vec<(Date, String, String)> {
    if today.is_empty() {
        return Vec::new();
    }
    let parcel = |id: &String| {
        let account = format!("{id}-account");
        kept(&format!("{account}-asp"), &account, 1, &format!("{account}-intranet"), INTRANET)
    };
    let parcels: Vec<_> = today.iter().map(parcel).collect();
    p.hand(Hand::new("f11_toppan_to_ward", &format!("accounts-{day}"), at(day, 16, 0)), &parcels);
    for group in today.chunks(150) {
        let from: Vec<String> = group.iter().map(|id| format!("{id}-account-intranet")).collect();
        let from: Vec<&str> = from.iter().map(String::as_str).collect();
        let copies =
            group.iter().map(|id| copy(&format!("{id}-account-ga"), &format!("{id}-account"), GA_PC));
        p.say("ward", at(day, 16, 30), derived("", &from, Vec::new(), copies.collect()));
    }
    today.iter().map(|id| (day, format!("{id}-account"), format!("{id}-account-ga"))).collect()
}

/// 給付決定通知、書類の返還、不要になったものの消去: each week.
fn close_week(p: &mut Play<'_>, (n, total): (u64, u64), friday: Date, households: &[String]) {
    if households.is_empty() {
        return;
    }
    let notice = format!("notice-{n:02}");
    let data_set = set(&notice, "ds_decision_notice", households.len() as u64);
    let made = printed("f26_print_toppan", &[], vec![data_set], vec![copy(&notice, &notice, "paper")]);
    p.say(TOPPAN, at(friday, 17, 0), made);
    let monday = office_day_from(friday.plus_days(3));
    p.give("f17_decision_notice", &notice, at(monday, 15, 0), vec![part(&notice, 0)]);
    give_forms_back(p, (n, total), at(monday, 10, 0), households);
    let copies =
        |place: &str| households.iter().map(|id| format!("{id}-account-{place}")).collect::<Vec<_>>();
    let mut done = copies("work");
    if p.hits(Fault::NeverDeleted, n, total, 14) {
        let kept = done.remove(0);
        p.milestone(
            (TOPPAN, ""),
            at(monday, 11, 0),
            "no_longer_needed",
            Scope::Copy,
            std::slice::from_ref(&kept),
        );
        p.inject(
            Fault::NeverDeleted,
            at(monday, 11, 0),
            &[(FindingCode::Overdue, 1)],
            &format!("{kept}: 委託先のパソコンの口座情報を消去しない"),
            &format!("{kept}: account data on the contractor's computer is never erased"),
        );
    }
    done.extend(copies("asp"));
    p.milestone((TOPPAN, ""), at(monday, 11, 0), "no_longer_needed", Scope::Copy, &done);
    p.erase(TOPPAN, at(monday, 16, 0), &done, false);
    p.certify(TOPPAN, at(monday.plus_days(2), 10, 0), &format!("cert-accounts-{n:02}"), &done, &["ward"]);
    p.confirm(at(office_day_from(monday.plus_days(4)), 10, 0), &done, "by document");
}

fn give_forms_back(p: &mut Play<'_>, (n, total): (u64, u64), now: Instant, households: &[String]) {
    let form = |id: &String| {
        kept(&format!("{id}-form"), &format!("{id}-form"), 1, &format!("{id}-form-ward"), "paper")
    };
    let forms: Vec<_> = households.iter().map(form).collect();
    let silent = p.hits(Fault::MissingAcknowledgement, n, total, 10);
    let id = format!("forms-{n:02}");
    p.hand(Hand { acknowledged: !silent, ..Hand::new("f25_docs_back_to_ward", &id, now) }, &forms);
    if silent {
        p.inject(
            Fault::MissingAcknowledgement,
            now,
            &[(FindingCode::Unacknowledged, forms.len().div_ceil(150) as u64)],
            &format!("{id}: 区が申請書類の受領を記録しない"),
            &format!("{id}: the ward never says that it got the forms"),
        );
    }
}

/// コールセンター: one data set for the calls of a day.
pub(super) fn call_center(p: &mut Play<'_>) {
    let total = p.scaled(p.assumed("inquiries"));
    for (day, count) in spread(total, &office_days(p.from.plus_days(10), date("2020-10-30"))) {
        let id = format!("calls-{day}");
        if count > 0 {
            let data_set = set(&id, "ds_inquiry", count);
            p.collect(
                "f18_call_center",
                "",
                at(day, 17, 30),
                vec![data_set],
                vec![copy(&id, &id, "call_center")],
            );
        }
    }
}

/// 業務完了後: the subcontract ends in August, the contract in November; what is left goes within a day.
pub(super) fn end(p: &mut Play<'_>) {
    let last = date(LAST_DAY);
    for milestone in ["work_completed", "work_ended"] {
        p.milestone((HOKKAIDO, ""), at(last, 17, 30), milestone, Scope::Contract, &["c2".to_owned()]);
        p.milestone((TOPPAN, ""), at(p.to, 17, 30), milestone, Scope::Contract, &["c1".to_owned()]);
    }
    let opened = |step: &Fact| match step {
        Fact::Collected(e) if e.flow == "f18_call_center" => Some(e.copies[0].id.clone()),
        _ => None,
    };
    let calls: Vec<String> = p.said().filter_map(opened).collect();
    let next = p.to.plus_days(1);
    // 甲が別に指示したとき: complaints of the last days of calls are still open, so the ward puts these off.
    let (done, open) = calls.split_at(calls.len().saturating_sub(3));
    p.defer(at(p.to, 16, 0), open, next.plus_days(3), "苦情への対応が終わるまで");
    p.erase(TOPPAN, at(next, 10, 0), done, false);
    p.erase(TOPPAN, at(next.plus_days(2), 10, 0), open, false);
    p.certify(TOPPAN, at(next.plus_days(3), 10, 0), "cert-calls", &calls, &["ward"]);
    p.confirm(at(next.plus_days(6), 10, 0), &calls, "on site");
}
