//! Erasing data, and media that go out of use: methods, assurance, third parties, least times to keep.

#[path = "report/ledger.rs"]
mod ledger;
#[path = "report/samples.rs"]
#[allow(dead_code, reason = "shared by tests that each use a part")]
mod samples;

use daicho_core::proto::{self, CheckResult, MediumFate, SanitizationMethod, event::Fact};
use daicho_custody::state::ThirdParty;
use daicho_custody::{ContextCache, FindingCode, FoldError, Judge, Judgement};
use ledger::{Ledger, at, part};
use samples::visit;

const QUEUE: &str = include_str!("../../../deploy/schemes/queue_notice_service.toml");
const METHODS: [SanitizationMethod; 4] = [
    SanitizationMethod::Clear,
    SanitizationMethod::Purge,
    SanitizationMethod::Destroy,
    SanitizationMethod::CryptographicErase,
];

/// The queue notices with a server of this kind and class, and one address on it since 2021-02-01.
fn server(kind: &str, class: &str) -> Ledger {
    let (before, rest) = QUEUE.split_once("id = \"operator_server\"").expect("a server");
    let (own, after) = rest.split_once("[[").expect("a next table");
    let own = own.replacen("kind = \"server\"", &format!("kind = \"{kind}\""), 1);
    let own = own.replacen("confidentiality = \"c2-plus\"", &format!("confidentiality = \"{class}\""), 1);
    assert!(own.contains(kind) && own.contains(class), "{own}");
    // Without the anomalies, some of which speak of the server.
    let (after, _) = after.split_once("[[anomaly]]").expect("a paper with anomalies");
    let mut ledger =
        Ledger::open(&format!("{before}id = \"operator_server\"{own}[[{after}"), "2021-01-20T09:00");
    visit(&mut ledger, 1, "2021-02-01", 9);
    ledger
}

fn erased(method: SanitizationMethod, medium: MediumFate) -> proto::Deleted {
    proto::Deleted {
        copies: vec![part("c-001")],
        method: method as i32,
        verification: CheckResult::Passed as i32,
        medium: medium as i32,
        ..Default::default()
    }
}

fn certificate() -> proto::DeletionCertified {
    proto::DeletionCertified {
        certificate: "cert-1".into(),
        copies: vec!["c-001".into()],
        document: vec![7; 32],
        recipients: vec!["ward".into()],
        ..Default::default()
    }
}

fn judge(ledger: &mut Ledger, t: &str) -> (Judgement, Vec<(FindingCode, String)>) {
    ledger.play();
    let mut cache = ContextCache::default();
    let judge =
        Judge::new(&ledger.state, &mut cache, &ledger.scheme.id).expect("readable").expect("in force");
    let (id, copy) = judge.copies(at(t), None).next().expect("a copy").expect("readable");
    let found = judge.findings(at(t)).expect("readable");
    let of_copy = found.into_iter().filter(|f| f.object == "c-001").map(|f| (f.code, f.detail.en)).collect();
    (judge.judge(&id, &copy, at(t)).expect("readable"), of_copy)
}

/// Details of the findings of a code about the copy.
fn about(ledger: &mut Ledger, t: &str, code: FindingCode) -> Vec<String> {
    judge(ledger, t).1.into_iter().filter(|(found, _)| *found == code).map(|(_, detail)| detail).collect()
}

#[test]
fn the_class_of_a_medium_that_goes_out_of_use_decides_which_methods_suffice() {
    use SanitizationMethod::{Clear, CryptographicErase, Destroy, Purge};
    let cases: [(&str, &str, &[SanitizationMethod], &[SanitizationMethod]); 4] = [
        // kind, class, sufficient in use, sufficient out of use
        ("server", "mynumber-segment", &METHODS, &[Destroy]),
        ("server", "c2-plus", &METHODS, &[Purge, Destroy, CryptographicErase]),
        ("server", "c1", &METHODS, &METHODS),
        ("paper", "c1", &[Destroy], &[Destroy]),
    ];
    for (kind, class, in_use, out_of_use) in cases {
        let mut ledger = server(kind, class);
        let mut wanted = Vec::new();
        let mut n = 1;
        for fate in [MediumFate::Unspecified, MediumFate::Disposed, MediumFate::Released] {
            for method in METHODS {
                n += 1;
                visit(&mut ledger, n, "2021-02-01", 9);
                let copies = vec![part(&format!("c-{n:03}"))];
                let deleted = proto::Deleted { copies, ..erased(method, fate) };
                ledger.say("hyojito", "2021-02-01T11:00", Fact::Deleted(deleted));
                let sufficient = if fate == MediumFate::Unspecified { in_use } else { out_of_use };
                if !sufficient.contains(&method) {
                    wanted.push(format!("c-{n:03}"));
                }
            }
        }
        ledger.play();
        let mut cache = ContextCache::default();
        let judge =
            Judge::new(&ledger.state, &mut cache, &ledger.scheme.id).expect("readable").expect("in force");
        let found = judge.findings(at("2021-02-01T12:00")).expect("readable");
        let found = found.into_iter().filter(|f| f.code == FindingCode::MethodNotSufficient);
        assert_eq!(found.map(|f| f.object).collect::<Vec<_>>(), wanted, "{kind} {class}");
    }
    let mut ledger = server("server", "c2-plus");
    ledger.say("hyojito", "2021-02-01T11:00", Fact::Deleted(erased(Clear, MediumFate::Disposed)));
    assert_eq!(
        about(&mut ledger, "2021-02-01T12:00", FindingCode::MethodNotSufficient),
        ["clear instead of purge or destroy or cryptographic erase"]
    );
}

#[test]
fn a_medium_out_of_use_needs_a_witness_or_a_certificate_with_photographs() {
    let dispose = || erased(SanitizationMethod::Destroy, MediumFate::Disposed);
    let missing = |ledger: &mut Ledger, t: &str| !about(ledger, t, FindingCode::AssuranceMissing).is_empty();
    let with = |class: &str, deleted: proto::Deleted, certified: Option<proto::DeletionCertified>| {
        let mut ledger = server("server", class);
        ledger.say("hyojito", "2021-02-01T11:00", Fact::Deleted(deleted));
        if let Some(certified) = certified {
            ledger.say("hyojito", "2021-02-03T11:00", Fact::DeletionCertified(certified));
        }
        missing(&mut ledger, "2021-02-04T00:00")
    };
    let witnessed = proto::Deleted { witnesses: vec!["staff-3".into()], ..dispose() };
    let photographed = proto::Deleted { evidence_documents: vec![vec![9; 32]], ..dispose() };
    let with_photographs =
        proto::DeletionCertified { evidence_documents: vec![vec![9; 32]], ..certificate() };
    for class in ["mynumber-segment", "c2-plus"] {
        assert!(with(class, dispose(), None));
        assert!(with(class, dispose(), Some(certificate())), "a certificate alone shows no picture");
        assert!(with(class, photographed.clone(), None), "a picture alone certifies nothing");
        assert!(!with(class, photographed.clone(), Some(certificate())));
        assert!(!with(class, dispose(), Some(with_photographs.clone())));
        assert!(!with(class, witnessed.clone(), None));
    }
    assert!(!with("c1", dispose(), None));
    let in_use = erased(SanitizationMethod::Destroy, MediumFate::Unspecified);
    assert!(!with("mynumber-segment", in_use, None));
}

#[test]
fn a_certificate_may_still_come_within_the_limit_of_the_ward() {
    let mut ledger = server("server", "c2-plus");
    let limit =
        proto::DeadlineSet {
            certificate_within: "P7D".into(), ground: "定め".into(), ..Default::default()
        };
    ledger.say("ward", "2021-01-21T10:00", Fact::DeadlineSet(limit));
    let disposed = erased(SanitizationMethod::Destroy, MediumFate::Disposed);
    ledger.say("hyojito", "2021-02-01T11:00", Fact::Deleted(disposed));
    let code = FindingCode::AssuranceMissing;
    assert!(about(&mut ledger, "2021-02-08T23:59", code).is_empty());
    assert_eq!(
        about(&mut ledger, "2021-02-09T00:00", code),
        ["no witness, and no certificate with photographs"]
    );
    let certified = proto::DeletionCertified { evidence_documents: vec![vec![9; 32]], ..certificate() };
    ledger.say("hyojito", "2021-02-10T11:00", Fact::DeletionCertified(certified));
    assert!(about(&mut ledger, "2021-02-10T12:00", code).is_empty());
    // The past does not change.
    assert!(!about(&mut ledger, "2021-02-09T00:00", code).is_empty());
}

#[test]
fn a_third_party_marks_the_evidence() {
    let mut ledger = server("server", "c2-plus");
    let deleted = erased(SanitizationMethod::Purge, MediumFate::Unspecified);
    ledger.say("hyojito", "2021-02-01T11:00", Fact::Deleted(deleted));
    let by = |party: &str, number: &str, level: SanitizationMethod| {
        Fact::DeletionCertified(proto::DeletionCertified {
            third_party: party.into(),
            third_party_number: number.into(),
            third_party_level: level as i32,
            ..certificate()
        })
    };
    ledger.play();
    for (fact, field) in [
        (by("", "A-7", SanitizationMethod::Unspecified), "third_party"),
        (by("", "", SanitizationMethod::Clear), "third_party"),
        (by("ADEC", "A-7", SanitizationMethod::Destroy), "third_party_level"),
    ] {
        match ledger.try_say("hyojito", "2021-02-02T10:00", fact) {
            Err(FoldError::Refused(refusal)) => assert!(refusal.to_string().contains(field), "{refusal}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(judge(&mut ledger, "2021-02-02T11:00").0.third_party, None);
}

#[test]
fn the_mark_names_issuer_number_and_level() {
    let mut ledger = server("server", "c2-plus");
    let deleted = erased(SanitizationMethod::Purge, MediumFate::Unspecified);
    ledger.say("hyojito", "2021-02-01T11:00", Fact::Deleted(deleted));
    let certified = proto::DeletionCertified {
        third_party: "ADEC".into(),
        third_party_number: "A-7".into(),
        third_party_level: SanitizationMethod::Purge as i32,
        ..certificate()
    };
    ledger.say("hyojito", "2021-02-02T11:00", Fact::DeletionCertified(certified));
    let marked =
        ThirdParty { issuer: "ADEC".into(), number: "A-7".into(), level: SanitizationMethod::Purge as i32 };
    assert_eq!(judge(&mut ledger, "2021-02-02T12:00").0.third_party, Some(marked));
    assert_eq!(judge(&mut ledger, "2021-02-02T10:00").0.third_party, None);
}

#[test]
fn erasing_before_the_least_time_is_a_finding_too() {
    let rule = "r1_contact_next_day";
    let clear = || Fact::Deleted(erased(SanitizationMethod::Clear, MediumFate::Unspecified));
    let keep = |text: &str| {
        let set = proto::DeadlineSet {
            rule: rule.into(),
            keep_at_least: text.into(),
            ground: "文書の保存期間".into(),
            ..Default::default()
        };
        Fact::DeadlineSet(set)
    };
    let early = |least: Option<&str>, erased_at: &str| {
        let mut ledger = server("server", "c2-plus");
        assert!(
            ledger.scheme.rule(rule).is_some(),
            "{:?}",
            ledger.scheme.rules.iter().map(|r| &r.id).collect::<Vec<_>>()
        );
        if let Some(least) = least {
            ledger.say("ward", "2021-01-21T10:00", keep(least));
        }
        ledger.say("hyojito", erased_at, clear());
        about(&mut ledger, "2021-03-01T00:00", FindingCode::DeletedEarly)
    };
    assert_eq!(early(None, "2021-02-01T11:00"), [""; 0]);
    let detail = format!("{rule}, not before: end of day 7 after (2021-02-08 23:59)");
    assert_eq!(early(Some("P7D"), "2021-02-08T23:00"), [detail]);
    assert_eq!(early(Some("P7D"), "2021-02-09T00:00"), [""; 0]);
    // Use has not even ended.
    let detail = format!("{rule}, not before: end of day 7 after (service_use_ended has not come)");
    assert_eq!(early_before_the_clock(keep("P7D"), clear()), [detail]);
}

/// An address that is erased while it is in use.
fn early_before_the_clock(keep: Fact, clear: Fact) -> Vec<String> {
    let mut ledger = Ledger::open(QUEUE, "2021-01-20T09:00");
    ledger.say("ward", "2021-01-21T10:00", keep);
    let collected = proto::Collected {
        flow: "f01_register_contact".into(),
        data_sets: vec![ledger::data_set("d-001", "ds_contact", 1, "s-1")],
        copies: vec![ledger::copy("c-001", "d-001", "operator_server")],
        ..Default::default()
    };
    ledger.say("hyojito", "2021-02-01T09:00", Fact::Collected(collected));
    ledger.say("hyojito", "2021-02-01T09:10", clear);
    about(&mut ledger, "2021-02-01T12:00", FindingCode::DeletedEarly)
}
