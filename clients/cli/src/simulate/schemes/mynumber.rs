//! マイナンバーカード交付予約受付等: help with online applications, reservation calls, the issuing counter.

use daicho_core::{Date, Instant};
use daicho_custody::FindingCode;
use daicho_custody::scheme::Scope;

use crate::simulate::calendar::{at, later, month_ends, office_days, spread};
use crate::simulate::facts::{SetExt as _, copy, derived, kept, part, printed, seen, set};
use crate::simulate::faults::Fault;
use crate::simulate::play::{Hand, Play};

const CONTRACTOR: &str = "contractor";
const TERMINAL: &str = "application_support_terminal";

/// Plays fiscal year 2020 and the days after the contract's end.
pub(super) fn play(p: &mut Play<'_>) {
    let applications = p.scaled(p.assumed("applications_per_year"));
    let calls = p.scaled(p.assumed("reservation_calls_per_year"));
    let receptions = p.scaled(p.assumed("counter_receptions_per_year"));
    let days = office_days(p.from, p.to);
    let per_day = |n| spread(n, &days);
    let (applied, called, received) = (per_day(applications), per_day(calls), per_day(receptions));
    let months = month_ends(p.from, p.to);
    let (mut application, mut call, mut reception) = (0, 0, 0);
    let mut reservations = Vec::new();
    for (n, day) in days.iter().copied().enumerate() {
        let mut copies = Vec::new();
        for _ in 0..applied[n].1 {
            application += 1;
            copies.extend(apply(p, day, (application, applications)));
        }
        for _ in 0..called[n].1 {
            call += 1;
            reservations.push(reserve(p, day, call));
        }
        let nth = (n as u64 + 1, days.len() as u64);
        let mut papers = vec![list_of_the_day(p, day, nth)];
        for _ in 0..received[n].1 {
            reception += 1;
            papers.push(receive(p, day, reception));
        }
        close_of_day(p, day, &copies, &papers, nth);
        if months.contains(&day) {
            use_of_system(p, day);
            if day != p.to {
                p.give_back(CONTRACTOR, at(day, 17, 20), &std::mem::take(&mut reservations));
            }
        }
    }
    contract_end(p, &reservations);
}

/// One application at the terminal. Returns the data set whose second print goes to the ward.
fn apply(p: &mut Play<'_>, day: Date, (n, total): (u64, u64)) -> Option<String> {
    let s = format!("app-{n:06}");
    let start = later(at(day, 8, 40), p.random.below(7 * 60) as i64);
    let (form, photo, wishes) = (format!("{s}-form"), format!("{s}-photo"), format!("{s}-wishes"));
    let consent = format!("{s}-consent");
    let info = |id: &str, items: &[&str]| set(id, "ds_application_info", 1).session(&s).items(items);
    let mut read = vec!["application_form_id"];
    if p.hits(Fault::ExtraItems, n, total, 4) {
        read.push("individual_number");
        p.inject(
            Fault::ExtraItems,
            start,
            &[(FindingCode::ItemsNotApproved, 1)],
            &format!("{s}: 承認されていない個人番号を読み取った"),
            &format!("{s}: the Individual Number was read, which is not approved"),
        );
    }
    let take = |p: &mut Play<'_>, flow: &str, minute: i64, data_set: daicho_core::proto::DataSet| {
        let opened = copy(&data_set.id, &data_set.id, TERMINAL);
        p.collect(flow, "", later(start, minute), vec![data_set], vec![opened]);
    };
    take(p, "f01_qr_read", 0, info(&form, &read));
    take(p, "f02_terms_consent", 1, set(&consent, "ds_terms_consent", 1).session(&s));
    take(p, "f03_face_photo", 3, info(&photo, &["face_photo"]));
    take(p, "f04_options_input", 4, info(&wishes, &["e_certificate_wish", "braille_wish"]));

    // 控えを二通: one for the applicant, one for the ward at the close of the day.
    let slip = format!("{s}-slip");
    let prints = ["a", "b"].map(|which| copy(&format!("{slip}-{which}"), &slip, "paper"));
    let data_set = set(&slip, "ds_application_copy", 1).session(&s);
    let made = printed("f06_print_two_copies", &[&form, &photo, &wishes], vec![data_set], prints.to_vec());
    p.say(CONTRACTOR, later(start, 6), made);
    let sent: Vec<_> = [&form, &photo, &wishes].iter().map(|id| seen(id, id, 1)).collect();
    p.hand(Hand::new("f05_send_application", &format!("{s}-send"), later(start, 7)), &sent);
    p.give(
        "f07_copy_to_applicant",
        &format!("{s}-slip-out"),
        later(start, 9),
        vec![part(&format!("{slip}-a"), 0)],
    );
    finish(p, &s, later(start, 10), [form, photo, wishes], consent, (n, total));
    Some(slip)
}

/// 送信の完了、申請手続の完了、自動消去.
fn finish(
    p: &mut Play<'_>,
    s: &str,
    now: Instant,
    info: [String; 3],
    consent: String,
    (n, total): (u64, u64),
) {
    let session = [s.to_owned()];
    if p.hits(Fault::MilestoneWithheld, n, total, 10) {
        p.erase(CONTRACTOR, later(now, 3), &[consent], true);
        p.inject(
            Fault::MilestoneWithheld,
            now,
            &[(FindingCode::MilestoneWithheld, 3), (FindingCode::Overdue, 3)],
            &format!("{s}: 完了を申告せず、申請情報3件が端末に残った。契約の終了後も返さない"),
            &format!(
                "{s}: no completion was stated; three sets stayed on the terminal past the contract's end"
            ),
        );
        return;
    }
    p.milestone((CONTRACTOR, ""), now, "sending_completed", Scope::Session, &session);
    p.milestone((CONTRACTOR, ""), later(now, 1), "application_procedure_completed", Scope::Session, &session);
    let mut erased = info.to_vec();
    let mut wait = 3;
    if p.hits(Fault::LateDeletion, n, total, 16) {
        wait = 120;
        p.inject(
            Fault::LateDeletion,
            now,
            &[(FindingCode::DeletedLate, 3)],
            &format!("{s}: 申請情報3件が端末に2時間残った"),
            &format!("{s}: three sets stayed on the terminal for two hours"),
        );
    }
    erased.push(consent);
    p.erase(CONTRACTOR, later(now, wait), &erased, true);
}

/// 予約電話.
fn reserve(p: &mut Play<'_>, day: Date, n: u64) -> String {
    let id = format!("call-{n:06}");
    let now = later(at(day, 8, 40), p.random.below(8 * 60) as i64);
    let data_set = set(&id, "ds_existing_items", 1).session(&id);
    p.collect("f12_reservation_call", "", now, vec![data_set], vec![copy(&id, &id, "telephone_reservation")]);
    id
}

/// 交付窓口の受付.
fn receive(p: &mut Play<'_>, day: Date, n: u64) -> String {
    let id = format!("visit-{n:06}");
    let now = later(at(day, 9, 0), p.random.below(7 * 60) as i64);
    let data_set = set(&id, "ds_existing_items", 1).session(&id);
    p.collect("f13_counter_reception", "", now, vec![data_set], vec![copy(&id, &id, "paper")]);
    id
}

/// 紙の引渡し: the ward hands over the list of the day's appointments.
fn list_of_the_day(p: &mut Play<'_>, day: Date, (n, total): (u64, u64)) -> String {
    let id = format!("list-{day}");
    let own = format!("{id}-ward");
    let data_set = set(&id, "ds_existing_items", 40);
    p.say("ward", at(day, 8, 15), derived("", &[], vec![data_set], vec![copy(&own, &id, "paper")]));
    let left = p.hits(Fault::CarriedOtherwise, n, total, 20).then_some("left_at_the_counter");
    let hand = Hand { otherwise: left, ..Hand::new("f09_paper_to_contractor", &id, at(day, 8, 20)) };
    p.hand(hand, &[kept(&own, &id, 40, &id, "paper")]);
    if left.is_some() {
        p.inject(
            Fault::CarriedOtherwise,
            hand.at,
            &[(FindingCode::ChannelNotApproved, 1), (FindingCode::SafeguardMissing, 1)],
            &format!("{id}: 予約者の一覧を、対面で手渡さず窓口に置いて渡した"),
            &format!("{id}: the list of appointments was left at the counter, with nobody there"),
        );
    }
    id
}

/// 日々の業務終了時: second prints and all paper go to the ward.
fn close_of_day(p: &mut Play<'_>, day: Date, slips: &[String], papers: &[String], (n, total): (u64, u64)) {
    let now = at(day, 17, 0);
    let slips: Vec<_> = slips
        .iter()
        .map(|slip| kept(&format!("{slip}-b"), slip, 1, &format!("{slip}-ward"), "paper"))
        .collect();
    if !slips.is_empty() {
        p.hand(Hand::new("f08_copy_to_ward", &format!("slips-{day}"), now), &slips);
    }
    let papers: Vec<_> = papers
        .iter()
        .map(|id| kept(id, id, if id.starts_with("list") { 40 } else { 1 }, &format!("{id}-back"), "paper"))
        .collect();
    let silent = p.hits(Fault::MissingAcknowledgement, n, total, 8);
    let id = format!("papers-{day}");
    let hand = Hand { acknowledged: !silent, ..Hand::new("f10_paper_return", &id, later(now, 2)) };
    p.hand(hand, &papers);
    if silent {
        p.inject(
            Fault::MissingAcknowledgement,
            now,
            &[(FindingCode::Unacknowledged, papers.len().div_ceil(150) as u64)],
            &format!("{day}: 区が紙の返却の受領を記録しない"),
            &format!("{day}: the ward never says that it got the paper back"),
        );
    }
    p.milestone((CONTRACTOR, ""), at(day, 17, 10), "daily_work_ended", Scope::Day, &[day.to_string()]);
}

/// 交付管理システムの利用: the contractor sees the register, and keeps nothing of it.
fn use_of_system(p: &mut Play<'_>, day: Date) {
    let (year, month, _) = day.ymd();
    let id = format!("register-{year}-{month:02}");
    let count = p.scaled(p.assumed("counter_receptions_per_year")) / 12;
    let data_set = set(&id, "ds_existing_items", count);
    let system = "card_issuance_management_system";
    p.say("ward", at(day, 9, 10), derived("", &[], vec![data_set], vec![copy(&id, &id, system)]));
    p.hand(
        Hand::new("f11_counter_use_of_system", &format!("{id}-use"), at(day, 9, 20)),
        &[seen(&id, &id, count)],
    );
}

/// 業務の終了と契約の終了: what is left goes within a day, with a certificate.
fn contract_end(p: &mut Play<'_>, rest: &[String]) {
    p.milestone((CONTRACTOR, ""), at(p.to, 17, 30), "work_ended", Scope::Contract, &["c1".to_owned()]);
    let next = p.to.plus_days(1);
    p.erase(CONTRACTOR, at(next, 10, 0), rest, false);
    p.certify(CONTRACTOR, at(next, 15, 0), "cert-contract-end", rest, &["ward"]);
    p.confirm(at(next.plus_days(1), 10, 0), rest, "on site");
    p.act(CONTRACTOR, at(next, 16, 0), "terminal-returned", TERMINAL, "ward");
}
