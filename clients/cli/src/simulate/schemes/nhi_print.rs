//! 納入通知書等の印字と発送: media out, notices printed, inspected and mailed, media back, disks wiped.

use daicho_core::Date;
use daicho_custody::FindingCode;
use daicho_custody::scheme::Scope;

use crate::simulate::calendar::{at, month_ends, office_day_from};
use crate::simulate::facts::{SetExt as _, copy, derived, kept, part, printed, seen, set};
use crate::simulate::faults::Fault;
use crate::simulate::play::{Hand, Play};

const PRINTER: &str = "print_contractor";
const MEDIA: &str = "ward_electronic_media";

/// One job each month.
pub(super) fn play(p: &mut Play<'_>, start: Date) {
    let notices = p.scaled(p.assumed("notices_per_month"));
    let months = month_ends(start, p.to);
    let total = months.len() as u64;
    for (n, end) in (1..).zip(months) {
        let (year, month, _) = end.ymd();
        let first = Date::from_ymd(year, month, 8).expect("each month has an eighth day");
        job(p, &format!("print-{year}-{month:02}"), office_day_from(first), notices, (n, total));
    }
}

/// From the media's way out to the wiped disk.
fn job(p: &mut Play<'_>, id: &str, day: Date, count: u64, (n, total): (u64, u64)) {
    let (own, theirs, pc) = (format!("{id}-media"), format!("{id}-media-printer"), format!("{id}-pc"));
    let hdd = format!("{id}-hdd");
    let data_set = set(id, "ds_print_data", count).session(id);
    p.say("ward", at(day, 9, 0), derived("", &[], vec![data_set], vec![copy(&own, id, MEDIA)]));
    p.act("ward", at(day, 9, 10), "password-delivered", "o_encrypted_media", PRINTER);
    let out = format!("{id}-out");
    p.hand(Hand::new("f20_media_to_print", &out, at(day, 10, 0)), &[kept(&own, id, count, &theirs, MEDIA)]);
    let loaded = vec![copy(&pc, id, "print_contractor_pc"), copy(&hdd, id, "print_contractor_hdd")];
    p.say(PRINTER, at(day, 11, 0), derived("f21_media_to_pc", &[&theirs], Vec::new(), loaded));
    if p.hits(Fault::UnapprovedSubcontractor, n, total, 8) {
        p.give_outside(PRINTER, "enclosing-helper", &format!("{id}-help"), at(day, 13, 0), &pc);
        p.inject_about(
            Fault::UnapprovedSubcontractor,
            at(day, 13, 0),
            (
                &[(FindingCode::SubcontractNotApproved, 1), (FindingCode::Unacknowledged, 1)],
                &["enclosing-helper"],
            ),
            (
                &format!("{id}: 再委託を禁じる契約の下で封入業者に渡した。受領の記録もない"),
                &format!(
                    "{id}: handed to an enclosing firm though the contract forbids it; nobody acknowledges"
                ),
            ),
        );
    }
    deliver(p, id, day, count);
    let delivered = office_day_from(day.plus_days(5));
    p.milestone((PRINTER, ""), at(delivered, 14, 0), "goods_delivered", Scope::Session, &[id.to_owned()]);
    let (home, back) = (format!("{id}-home"), format!("{id}-media-back"));
    let kept_on = p.hits(Fault::MediaReturnedLate, n, total, 12);
    let returned = if kept_on { office_day_from(delivered.plus_days(2)) } else { delivered };
    p.hand(
        Hand::new("f26_media_return", &home, at(returned, 15, 0)),
        &[kept(&theirs, id, count, &back, MEDIA)],
    );
    p.erase("ward", at(returned, 17, 0), &[back], false);
    if kept_on {
        p.inject(
            Fault::MediaReturnedLate,
            at(delivered, 15, 0),
            &[(FindingCode::DeletedLate, 1)],
            &format!("{id}: 記録媒体の返却が納品の日より遅れた"),
            &format!("{id}: the media came back days after delivery"),
        );
    }
    let late = p.hits(Fault::LateDeletion, n, total, 18);
    let wiped = if late { delivered.plus_days(2) } else { delivered };
    let disks = [pc, hdd];
    p.erase(PRINTER, at(wiped, 16, 0), &disks, false);
    p.certify(PRINTER, at(wiped.plus_days(1), 10, 0), &format!("cert-{id}"), &disks, &["ward"]);
    p.confirm(at(wiped.plus_days(2), 10, 0), &disks, "by document");
    if late {
        p.inject(
            Fault::LateDeletion,
            at(delivered, 14, 0),
            &[(FindingCode::DeletedLate, 2)],
            &format!("{id}: パソコンとハードディスクの消去が納品より2日遅れた"),
            &format!("{id}: computer and disk were wiped two days after delivery"),
        );
    }
}

/// 印字、検査、発送: in two mailings, and on to the payers.
fn deliver(p: &mut Play<'_>, id: &str, day: Date, count: u64) {
    let notices = format!("{id}-notices");
    let made = printed(
        "f22_print",
        &[&format!("{id}-pc")],
        vec![set(&notices, "ds_notices", count).session(id)],
        vec![copy(&notices, &notices, "notice_paper")],
    );
    p.say(PRINTER, at(day, 15, 0), made);
    let checked = office_day_from(day.plus_days(3));
    let inspection = format!("{id}-inspection");
    p.hand(
        Hand::new("f23_ward_inspection", &inspection, at(checked, 10, 0)),
        &[seen(&notices, &notices, count)],
    );
    p.act("ward", at(checked, 11, 0), "inspection-passed", "f24_post", PRINTER);
    let posted = office_day_from(day.plus_days(5));
    let half = count / 2;
    p.give("f24_post", &format!("{id}-post-1"), at(posted, 11, 0), vec![part(&notices, half)]);
    p.act("ward", at(posted, 12, 0), "inspection-passed", "f24_post", PRINTER);
    p.give("f24_post", &format!("{id}-post-2"), at(posted, 13, 0), vec![part(&notices, count - half)]);
    let arrived = (at(posted, 13, 0), at(posted.plus_days(3), 17, 0));
    p.relay(("ward", ""), arrived, "f25_post_to_payer", &["notice_paper"], count);
}
