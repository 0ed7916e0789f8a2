//! コンビニ交付: a request goes up from the kiosk, a certificate comes down; relays keep nothing.

use daicho_core::proto::{self, event::Fact};
use daicho_core::{Date, Instant};
use daicho_custody::FindingCode;
use daicho_custody::scheme::Scope;

use crate::simulate::calendar::{at, date, days, later, month_ends, spread, week_ends};
use crate::simulate::facts::{SetExt as _, copy, copy_at, deleted, derived, kept, part, printed, seen, set};
use crate::simulate::faults::Fault;
use crate::simulate::play::{Hand, Play};

/// The operators of the play.
pub(super) const OPERATORS: &[(&str, &str)] = &[
    ("operator-a", "コンビニ事業者A(模擬)"),
    ("operator-b", "コンビニ事業者B(模擬)"),
    ("operator-c", "コンビニ事業者C(模擬)"),
    ("operator-d", "コンビニ事業者D(模擬)"),
    ("operator-e", "スーパー事業者E(模擬)"),
    ("operator-f", "薬局事業者F(模擬)"),
];

const CVS: &str = "cvs_operators";
const WARD_SYSTEM: &str = "certificate_auto_issuance_system";
const CENTER: &str = "certificate_issuance_center";
const PDF: &str = "ds_certificate_pdf";
/// The ward's registry in its own system, from which every answer is made.
const REGISTRY: &str = "cards-start-auto";

/// One certificate on its way.
struct Order {
    s: String,
    day: Date,
    now: Instant,
    operator: &'static str,
    shop: String,
    n: u64,
    total: u64,
}

/// Plays the tests from September, go-live in December and four months of service.
pub(super) fn play(p: &mut Play<'_>) {
    connection_tests(p);
    registry(p);
    let live = date("2018-12-03");
    let total = p.scaled(p.assumed("certificates_in_four_months"));
    let shops = p.scaled(p.volume("kiosk_stores"));
    let mut n = 0;
    for (day, count) in spread(total, &days(live, p.to)) {
        let mut at_center = Vec::new();
        let mut relayed = [0; OPERATORS.len()];
        for _ in 0..count {
            n += 1;
            let operator = p.random.below(OPERATORS.len() as u64) as usize;
            let shop = p.random.below(shops) + 1;
            let now = later(at(day, 6, 30), p.random.below(15 * 60) as i64);
            let order = Order {
                s: format!("tx-{n:06}"),
                day,
                now,
                operator: OPERATORS[operator].0,
                shop: format!("{}-{shop:05}", OPERATORS[operator].0),
                n,
                total,
            };
            relayed[operator] += u64::from(serve(p, &order, &mut at_center));
        }
        evening(p, day, &at_center, relayed);
    }
    counts(p, live);
    maintenance(p, live);
}

/// 接続試験: dummy data only.
fn connection_tests(p: &mut Play<'_>) {
    for (n, day) in (1..).zip(week_ends(p.from, date("2018-11-30"))) {
        let id = format!("dummy-{n:02}");
        let made = derived("", &[], vec![set(&id, "ds_dummy", 0)], vec![copy(&id, &id, WARD_SYSTEM)]);
        p.say("ward", at(day, 10, 0), made);
        let back = format!("{id}-center");
        p.hand(Hand::new("f17_connection_test", &id, at(day, 10, 10)), &[kept(&id, &id, 0, &back, CENTER)]);
        p.erase("ward", at(day, 17, 0), &[id], false);
        p.erase("jlis", at(day, 17, 0), &[back], false);
    }
}

/// シリアル番号を証明書自動交付システムへ: at the start, then weekly.
fn registry(p: &mut Play<'_>) {
    let first = p.scaled(p.assumed("cards_at_start"));
    load(p, "cards-start", first, at(date("2018-11-29"), 10, 0));
    let weekly = p.scaled(p.assumed("cards_per_week"));
    for (n, day) in (1..).zip(week_ends(date("2018-12-03"), p.to)) {
        load(p, &format!("cards-{n:02}"), weekly, at(day, 7, 0));
    }
}

fn load(p: &mut Play<'_>, id: &str, count: u64, now: Instant) {
    let own = format!("{id}-cs");
    let data_set = set(id, "ds_registry_items", count);
    p.say("ward", now, derived("", &[], vec![data_set], vec![copy(&own, id, "juki_net_cs")]));
    let opened = copy(&format!("{id}-auto"), id, WARD_SYSTEM);
    p.say("ward", later(now, 10), derived("f01_cs_to_auto", &[&own], Vec::new(), vec![opened]));
}

/// One request and its answer. Returns whether a certificate passed the operator's centre.
fn serve(p: &mut Play<'_>, o: &Order, at_center: &mut Vec<String>) -> bool {
    let s = &o.s;
    request(p, o);
    // 区の応答: identification and certificate.
    let (request, ident, pdf) = (format!("{s}-req-ward"), format!("{s}-ident"), format!("{s}-pdf"));
    let made = derived(
        "",
        &[REGISTRY, &request],
        vec![set(&ident, "ds_identify", 1).session(s), set(&pdf, PDF, 1).session(s)],
        vec![copy(&ident, &ident, WARD_SYSTEM), copy(&pdf, &pdf, WARD_SYSTEM)],
    );
    let now = later(o.now, 15);
    p.say("ward", now, made);
    let (ident_center, pdf_center) = (format!("{s}-ident-center"), format!("{s}-pdf-center"));
    let identify = Hand::new("f06_ward_to_center_identify", &ident, later(now, 1));
    p.hand(identify, &[kept(&ident, &ident, 1, &ident_center, CENTER)]);
    p.hand(
        Hand::new("f07_ward_to_center_pdf", &pdf, later(now, 2)),
        &[kept(&pdf, &pdf, 1, &pdf_center, CENTER)],
    );
    p.milestone(("ward", ""), later(now, 3), "sending_completed", Scope::Session, std::slice::from_ref(s));
    let late = p.hits(Fault::LateDeletion, o.n, o.total, 2);
    let erased = if late { at(o.day.plus_days(4), 3, 0) } else { later(now, 4) };
    p.erase("ward", erased, std::slice::from_ref(&pdf), true);
    if late {
        p.inject(
            Fault::LateDeletion,
            now,
            &[(FindingCode::DeletedLate, 1)],
            &format!("{s}: 区の証明書データの消去が3日遅れた"),
            &format!("{s}: the ward erased the certificate three days late"),
        );
    }
    kept_inside_center(p, o, later(now, 9));
    if p.hits(Fault::NeverDeleted, o.n, o.total, 5) {
        p.inject(
            Fault::NeverDeleted,
            now,
            &[(FindingCode::Overdue, 1)],
            &format!("{s}: 証明書交付センターに証明書データが残った"),
            &format!("{s}: the certificate stayed at the issuing centre"),
        );
    } else {
        at_center.push(pdf_center.clone());
    }
    answer(p, o, later(now, 10), (&ident, &ident_center), (&pdf, &pdf_center))
}

/// 請求: from the card to the ward.
fn request(p: &mut Play<'_>, o: &Order) {
    let (s, id) = (&o.s, format!("{}-req", o.s));
    let data_set = set(&id, "ds_request", 1).session(s);
    let kiosk = copy_at(&format!("{id}-kiosk"), &id, "kiosk_terminal", &o.shop);
    p.collect("f02_user_to_kiosk", o.operator, o.now, vec![data_set], vec![kiosk]);
    let ec = copy(&format!("{id}-ec"), &id, "ec_center");
    let sent = derived("f03_kiosk_to_ec", &[&format!("{id}-kiosk")], Vec::new(), vec![ec]);
    p.say_as(CVS, o.operator, later(o.now, 1), vec![sent]);
    let (up, on) = (format!("{id}-up"), format!("{id}-on"));
    let hand = Hand { member: o.operator, ..Hand::new("f04_ec_to_center", &up, later(o.now, 2)) };
    p.hand(hand, &[kept(&format!("{id}-ec"), &id, 1, &format!("{id}-center"), CENTER)]);
    let parcel = kept(&format!("{id}-center"), &id, 1, &format!("{id}-ward"), WARD_SYSTEM);
    p.hand(Hand::new("f05_center_to_ward", &on, later(o.now, 8)), &[parcel]);
}

/// A fault: the server inside of the centre keeps what should only pass.
fn kept_inside_center(p: &mut Play<'_>, o: &Order, now: Instant) {
    if !p.hits(Fault::KeptOnRelay, o.n, o.total, 7) {
        return;
    }
    let kept = copy(&format!("{}-pdf-server", o.s), &format!("{}-pdf", o.s), "wide_area_issuance_server");
    p.say("jlis", now, derived("", &[&format!("{}-pdf-center", o.s)], Vec::new(), vec![kept]));
    p.inject(
        Fault::KeptOnRelay,
        now,
        &[(FindingCode::KeptWhereNothingMayPersist, 1), (FindingCode::Overdue, 1)],
        &format!("{}: 広域交付サーバに証明書データが残った", o.s),
        &format!("{}: the certificate stayed on the issuing server", o.s),
    );
}

/// 応答: from the centre to the kiosk. Returns whether it passed the operator's centre.
fn answer(
    p: &mut Play<'_>,
    o: &Order,
    now: Instant,
    (ident, ident_center): (&str, &str),
    (pdf, pdf_center): (&str, &str),
) -> bool {
    let s = &o.s;
    let (ident_out, pdf_out) = (format!("{ident}-out"), format!("{pdf}-out"));
    let stranger = p.hits(Fault::UnapprovedSubcontractor, o.n, o.total, 10);
    let member = if stranger { "operator-z" } else { o.operator };
    let told = |flow, id, at| Hand { member, acknowledged: !stranger, ..Hand::new(flow, id, at) };
    let identified = kept(ident_center, ident, 1, &format!("{ident}-ec"), "ec_center");
    p.hand(told("f08_center_to_ec_identify", &ident_out, now), &[identified]);
    let relay_keeps = p.hits(Fault::KeptOnRelay, o.n, o.total, 13);
    let at_ec = format!("{pdf}-ec");
    let passes =
        if relay_keeps { kept(pdf_center, pdf, 1, &at_ec, "ec_center") } else { seen(pdf_center, pdf, 1) };
    p.hand(told("f09_center_to_ec_pdf", &pdf_out, later(now, 1)), &[passes]);
    p.milestone(("jlis", ""), later(now, 2), "sending_completed", Scope::Session, std::slice::from_ref(s));
    if relay_keeps {
        p.say_as(CVS, o.operator, later(now, 24 * 60), vec![deleted(&[at_ec], true)]);
        p.inject(
            Fault::KeptOnRelay,
            now,
            &[(FindingCode::KeptWhereNothingMayPersist, 1), (FindingCode::DeletedLate, 1)],
            &format!("{s}: ECセンターに証明書データが一日残った"),
            &format!("{s}: the certificate stayed at the operator's centre for a day"),
        );
    }
    if stranger {
        p.inject_about(
            Fault::UnapprovedSubcontractor,
            now,
            (
                &[(FindingCode::SubcontractNotApproved, 1), (FindingCode::Unacknowledged, 2)],
                &["cvs_operators/operator-z"],
            ),
            (
                &format!("{s}: 区が承諾していない事業者に応答を渡した。事業者は鍵を持たず受領を記録できない"),
                &format!(
                    "{s}: the answer went to an operator without consent, which has no key to acknowledge it"
                ),
            ),
        );
        return false;
    }
    print(p, o, later(now, 8), pdf);
    true
}

/// 印刷: the certificate comes out of the kiosk and is gone from it.
fn print(p: &mut Play<'_>, o: &Order, now: Instant, pdf: &str) {
    let (s, operator) = (&o.s, o.operator);
    let (kiosk, paper) = (format!("{pdf}-kiosk"), format!("{s}-paper"));
    let opened = copy_at(&kiosk, pdf, "kiosk_terminal", &o.shop);
    p.say_as(CVS, operator, now, vec![derived("f10_ec_to_kiosk_pdf", &[], Vec::new(), vec![opened])]);
    let forgotten = o.n % (1_000 / p.assumed("left_behind_of_1000")) == 1;
    let left = if forgotten { vec![copy(&paper, &paper, "certificate_paper")] } else { Vec::new() };
    let data_set = set(&paper, "ds_certificate_paper", 1).session(s);
    let made = printed("f11_kiosk_to_user", &[&kiosk], vec![data_set], left);
    p.say_as(CVS, operator, later(now, 1), vec![made]);
    if forgotten {
        left_behind(p, o, later(now, 30), &paper);
    }
    if p.hits(Fault::MilestoneWithheld, o.n, o.total, 16) {
        p.inject(
            Fault::MilestoneWithheld,
            now,
            &[(FindingCode::MilestoneWithheld, 1)],
            &format!("{s}: 印刷の完了を申告せず、キオスク端末に証明書データが残った"),
            &format!("{s}: the end of printing is not stated and the certificate stays on the kiosk"),
        );
        return;
    }
    p.milestone(
        (CVS, operator),
        later(now, 2),
        "printing_completed",
        Scope::Session,
        std::slice::from_ref(s),
    );
    p.say_as(CVS, operator, later(now, 3), vec![deleted(&[kiosk], true)]);
}

/// 取り忘れ: to the police.
fn left_behind(p: &mut Play<'_>, o: &Order, now: Instant, paper: &str) {
    let found = [paper.to_owned()];
    p.milestone((CVS, o.operator), now, "certificate_left_behind", Scope::Copy, &found);
    let given = proto::HandoverGiven {
        handover: format!("{paper}-police"),
        flow: "f12_left_behind_to_police".to_owned(),
        copies: vec![part(paper, 0)],
        ..Default::default()
    };
    let fact = Fact::HandoverGiven(given);
    p.say_as(CVS, o.operator, later(now, 60), vec![fact]);
}

/// Machines erased what was sent; what passed the operators' centres is summed up.
fn evening(p: &mut Play<'_>, day: Date, at_center: &[String], relayed: [u64; OPERATORS.len()]) {
    let period = (at(day, 0, 0), at(day, 23, 30));
    if !at_center.is_empty() {
        p.attest(("jlis", ""), period, CENTER, &[PDF], at_center);
    }
    for ((operator, _), count) in OPERATORS.iter().zip(relayed).filter(|(_, count)| *count > 0) {
        p.relay((CVS, operator), period, "f10_ec_to_kiosk_pdf", &["ec_center"], count);
    }
}

/// 件数: operators to the agency, the agency to the ward, each month.
fn counts(p: &mut Play<'_>, live: Date) {
    let months = month_ends(live, p.to);
    let total = months.len() as u64;
    for (n, day) in (1..).zip(months) {
        for (operator, _) in OPERATORS {
            let id = format!("count-{n}-{operator}");
            let made =
                derived("", &[], vec![set(&id, "ds_issue_count", 0)], vec![copy(&id, &id, "ec_center")]);
            p.say_as(CVS, operator, at(day, 15, 0), vec![made]);
            let silent = *operator == "operator-c" && p.hits(Fault::MissingAcknowledgement, n, total, 12);
            let hand = Hand::new("f18_counts_to_jlis", &id, at(day, 15, 10));
            p.hand(Hand { member: operator, acknowledged: !silent, ..hand }, &[seen(&id, &id, 0)]);
            if silent {
                p.inject(
                    Fault::MissingAcknowledgement,
                    at(day, 15, 10),
                    &[(FindingCode::Unacknowledged, 1)],
                    &format!("{id}: 機構が件数の受領を記録しない"),
                    &format!("{id}: the agency never says that it got the count"),
                );
            }
        }
        let id = format!("count-{n}-all");
        let made = derived("", &[], vec![set(&id, "ds_issue_count", 0)], vec![copy(&id, &id, CENTER)]);
        p.say("jlis", at(day, 16, 0), made);
        p.hand(Hand::new("f13_counts_to_ward", &id, at(day, 16, 10)), &[seen(&id, &id, 0)]);
    }
}

/// 保守: the maker on site, and backups on the ward's media.
fn maintenance(p: &mut Play<'_>, live: Date) {
    let cards = p.scaled(p.assumed("cards_at_start"));
    for (n, day) in (1..).zip(month_ends(live, p.to)) {
        let id = format!("job-{n}");
        p.act("fujitsu", at(day, 8, 30), "work-reported", WARD_SYSTEM, "ward");
        p.act("ward", at(day, 8, 40), "work-approved", WARD_SYSTEM, "fujitsu");
        p.act("fujitsu", at(day, 8, 50), "equipment-operated", WARD_SYSTEM, "ward");
        let access = format!("{id}-access");
        p.hand(
            Hand::new("f14_fujitsu_system_access", &access, at(day, 9, 0)),
            &[seen(REGISTRY, "cards-start", cards)],
        );
        let (own, theirs, back) =
            (format!("{id}-media"), format!("{id}-media-fujitsu"), format!("{id}-media-back"));
        let data_set = set(&id, "ds_backup", cards).session(&id);
        let opened = copy(&own, &id, "external_media");
        p.say("ward", at(day, 9, 30), derived("", &[REGISTRY], vec![data_set], vec![opened]));
        let out = format!("{id}-out");
        p.hand(
            Hand::new("f15_media_to_fujitsu", &out, at(day, 10, 0)),
            &[kept(&own, &id, cards, &theirs, "external_media")],
        );
        p.milestone(
            ("fujitsu", ""),
            at(day, 15, 0),
            "maintenance_work_ended",
            Scope::Session,
            std::slice::from_ref(&id),
        );
        let home = format!("{id}-home");
        p.hand(
            Hand::new("f16_media_return", &home, at(day, 15, 30)),
            &[kept(&theirs, &id, cards, &back, "external_media")],
        );
        p.erase("ward", at(day, 17, 0), &[back], false);
    }
}
