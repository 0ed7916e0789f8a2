//! Who may say what: every kind of event from every kind of party, by the table of docs/formats/statement.md.

#[path = "report/ledger.rs"]
mod ledger;

use std::collections::BTreeSet;

use daicho_core::proto::{self, event::Fact};
use daicho_core::{Refusal, RefusalCode, SigningKey};
use daicho_custody::FoldError;
use daicho_custody::fold::fact_name;
use daicho_tlog::{Algorithm, NoteSigner};
use ledger::{Ledger, ORIGIN, at, certified, copy, data_set, deleted, milestone, part};
use prost::Message as _;

const PREMIUM: &str = include_str!("../../../deploy/schemes/nhi_premium_payment.toml");
const QUEUE: &str = include_str!("../../../deploy/schemes/queue_notice_service.toml");
const START: &str = "2020-07-01T09:00";

const WARD: &str = "ward";
const COLLECTOR: &str = "payment_service_provider";
const PAYER: &str = "designated_payer";
const CENTRE: &str = "lgwan_asp_provider";
const PRINTER: &str = "print_contractor";
const OPERATOR: &str = "operator";
/// Takes part in no scheme.
const OUTSIDER: &str = "audit_office";
/// Of the same name as a party of the scheme, in another one.
const NAMESAKE: &str = "queue_notice_service/payment_service_provider";

/// The parties of the scheme that write.
const SCHEME: [&str; 5] = [WARD, COLLECTOR, PAYER, CENTRE, PRINTER];
const ALL: [&str; 8] = [WARD, COLLECTOR, PAYER, CENTRE, PRINTER, OPERATOR, OUTSIDER, NAMESAKE];

/// Keys of the ward, of which the rule names the first three.
const WARD_KEYS: [&str; 4] = [WARD, "deputy", "third", "intern"];

/// An event, and who alone may say it.
struct Row {
    fact: Fact,
    by: Vec<&'static str>,
    on_behalf_of: &'static str,
    /// Whether the ward says it by as many keys as its rule asks for.
    together: bool,
}

fn row(by: &[&'static str], fact: Fact) -> Row {
    Row { fact, by: by.to_vec(), on_behalf_of: "", together: false }
}

impl Row {
    fn together(self) -> Self {
        Self { together: true, ..self }
    }

    fn on_behalf_of(self, party: &'static str) -> Self {
        Self { on_behalf_of: party, ..self }
    }

    fn name(&self) -> &'static str {
        fact_name(&self.fact)
    }
}

/// The scheme, with two things that none of the files has: a rule whose milestone others state, and a system that one
/// operates and another attests for.
fn scheme() -> String {
    let text = PREMIUM.to_owned();
    [
        (
            r#"scope = "data-set", words = "削除、"#,
            r#"scope = "data-set", stated_by = ["designated_payer"], words = "削除、"#,
        ),
        (r#"operator = "third-party""#, r#"operator = "payment_service_provider""#),
    ]
    .iter()
    .fold(text, |text, (old, new)| {
        assert_eq!(text.matches(old).count(), 1, "{old}");
        text.replace(old, new)
    })
}

/// A ledger with keys of everybody, another scheme's file, and two copies of the collector: at its own system, and at one
/// for which the centre answers.
fn stage() -> Ledger {
    let mut ledger = Ledger::open(&scheme(), START);
    for party in [OUTSIDER, NAMESAKE] {
        let registered = proto::PartyRegistered { party: party.into(), label: "試験".into() };
        ledger.say_outside(WARD, Fact::PartyRegistered(registered));
    }
    let officers = WARD_KEYS[1..].iter().map(|name| (*name, WARD, "officer"));
    let others = [
        ("old", WARD, "officer"),
        ("reader", COLLECTOR, "auditor"),
        (OUTSIDER, OUTSIDER, "server"),
        (NAMESAKE, NAMESAKE, "server"),
    ];
    for (name, party, purpose) in officers.chain(others) {
        let request = ledger.further_key(name, party, purpose);
        ledger.say_outside(WARD, Fact::KeyAuthorized(request));
    }
    ledger.document(QUEUE.as_bytes());
    let collected = proto::Collected {
        data_sets: vec![data_set("d", "ds_layout_items", 1, "")],
        copies: vec![
            copy("own", "d", "collection_center_server"),
            copy("hosted", "d", "joint_use_center_server"),
        ],
        ..Default::default()
    };
    ledger.try_say(COLLECTOR, START, Fact::Collected(collected)).expect("recorded");
    ledger
}

fn ward_rule(ledger: &Ledger, threshold: u32, names: &[&str]) -> Fact {
    let key_ids = names.iter().map(|name| ledger.public(name).id().as_bytes().to_vec()).collect();
    Fact::WardRuleSet(proto::WardRuleSet { threshold, key_ids })
}

/// Each event is valid but for who says it.
fn rows(ledger: &Ledger) -> Vec<Row> {
    [of_the_ledger(ledger), of_schemes(), of_movements(), of_ends()].into_iter().flatten().collect()
}

fn of_the_ledger(ledger: &Ledger) -> Vec<Row> {
    let new_key = |party, purpose| SigningKey::from_seed(&[90; 32]).request(ORIGIN, party, purpose);
    let authorized = |party, purpose| Fact::KeyAuthorized(new_key(party, purpose));
    let invitation = proto::KeyAuthorized {
        invites_for: "server".into(),
        invites_until_ms: at("2021-01-01").unix_ms(),
        ..new_key(COLLECTOR, "invitation")
    };
    let revoked = |name| {
        Fact::KeyRevoked(proto::KeyRevoked {
            key_id: ledger.public(name).id().as_bytes().to_vec(),
            distrust_from_ms: at(START).unix_ms(),
            reason: "紛失".into(),
        })
    };
    let log_key = NoteSigner::from_seed(ORIGIN.parse().expect("a name"), Algorithm::Ed25519, &[91; 32]);
    let checkpoint_keys = vec![log_key.expect("a key").verifier().to_string()];
    let reader = proto::Reader { key_id: vec![1; 16], reads: 1, log_hash: vec![2; 32] };
    vec![
        row(&[], Ledger::unopened(PREMIUM, START).1),
        row(&[WARD], Fact::PartyRegistered(proto::PartyRegistered { party: "p".into(), label: "p".into() })),
        row(
            &[WARD],
            Fact::MemberRegistered(proto::MemberRegistered {
                party: COLLECTOR.into(),
                member: "m".into(),
                label: "m".into(),
            }),
        ),
        row(&[WARD, COLLECTOR], authorized(COLLECTOR, "server")).together(),
        row(&[WARD, OUTSIDER], authorized(OUTSIDER, "server")).together(),
        row(&[WARD, OPERATOR], authorized(OPERATOR, "server")).together(),
        row(&[WARD], authorized(WARD, "server")).together(),
        row(&[WARD], authorized(COLLECTOR, "auditor")).together(),
        row(&[WARD], authorized(COLLECTOR, "council")).together(),
        row(&[WARD], Fact::KeyAuthorized(invitation)).together(),
        row(&[WARD, COLLECTOR], revoked(COLLECTOR)).together(),
        row(&[WARD, OPERATOR], revoked(OPERATOR)).together(),
        row(&[WARD], revoked("old")).together(),
        // Also one that reads for its party, which the ward alone could authorise.
        row(&[WARD, COLLECTOR], revoked("reader")).together(),
        row(&[WARD], ward_rule(ledger, 1, &WARD_KEYS)).together(),
        row(&[OPERATOR], Fact::CheckpointKeysNamed(proto::CheckpointKeysNamed { keys: checkpoint_keys })),
        row(&[OPERATOR], ledger.seal()),
        row(
            &[OPERATOR],
            Fact::ReadsLogged(proto::ReadsLogged { day: "2020-06-30".into(), readers: vec![reader] }),
        ),
        row(&[OPERATOR], Fact::ClockStepped(proto::ClockStepped { expected_ms: 1, found_ms: 9_999 })),
        row(&ALL, Fact::Corrected(proto::Corrected { entry_index: 1, event: 0, correction: "誤り".into() })),
    ]
}

fn of_schemes() -> Vec<Row> {
    use sha2::{Digest as _, Sha256};
    let sha = |bytes: &[u8]| Sha256::digest(bytes).to_vec();
    let chunk = proto::DocumentChunk { document: sha(b"x"), index: 0, count: 1, data: b"x".to_vec() };
    let enacted = proto::SchemeEnacted {
        scheme: "queue_notice_service".into(),
        version: 1,
        scheme_document: sha(QUEUE.as_bytes()),
        vocabulary_document: sha(ledger::VOCABULARY.as_bytes()),
        ..Default::default()
    };
    let limit =
        proto::DeadlineSet {
            certificate_within: "P1D".into(), ground: "協議".into(), ..Default::default()
        };
    let settled = proto::ContractSettled { contract: "c_print".into(), ..Default::default() };
    let subcontract =
        proto::SubcontractApproved { contract: "c_print".into(), party: PAYER.into(), ..Default::default() };
    let recipient = proto::RecipientApproved { party: PAYER.into(), ..Default::default() };
    let decided = proto::FindingDecided {
        code: "OVERDUE".into(),
        object: "own".into(),
        decision: proto::FindingDecision::Accepted as i32,
        ground: "了承".into(),
        ..Default::default()
    };
    vec![
        row(&[WARD], Fact::DocumentChunk(chunk)),
        row(&[WARD], Fact::SchemeEnacted(enacted)).together(),
        row(&[WARD], Fact::DeadlineSet(limit)).together(),
        row(&[WARD], Fact::ContractSettled(settled)).together(),
        row(&[WARD], Fact::SubcontractApproved(subcontract)),
        row(&[WARD], Fact::RecipientApproved(recipient)),
        row(&[WARD], Fact::FindingDecided(decided)),
    ]
}

fn of_movements() -> Vec<Row> {
    let collected =
        |flow: &str| Fact::Collected(proto::Collected { flow: flow.into(), ..Default::default() });
    let given = |flow: &str, to: &str, copies: &[&str]| {
        Fact::HandoverGiven(proto::HandoverGiven {
            handover: "h".into(),
            flow: flow.into(),
            to_party: to.into(),
            copies: copies.iter().map(|id| part(id)).collect(),
            ..Default::default()
        })
    };
    let received = |flow: &str| {
        Fact::HandoverReceived(proto::HandoverReceived {
            handover: "h".into(),
            flow: flow.into(),
            ..Default::default()
        })
    };
    let names = |copies: &[&str]| copies.iter().map(ToString::to_string).collect();
    let derived = |flow: &str, from: &[&str]| {
        let flow = flow.into();
        Fact::Derived(proto::Derived { flow, from_copies: names(from), ..Default::default() })
    };
    let printed = |flow: &str, from: &[&str]| {
        let flow = flow.into();
        Fact::Printed(proto::Printed { flow, from_copies: names(from), ..Default::default() })
    };
    let copied =
        |from: &[&str]| Fact::Copied(proto::Copied { from_copies: names(from), ..Default::default() });
    let relayed = |flow: &str, systems: &[&str]| {
        let flow = flow.into();
        Fact::Relayed(proto::Relayed { flow, systems: names(systems), ..Default::default() })
    };
    let (session, set) = (proto::MilestoneScope::Session, proto::MilestoneScope::DataSet);
    vec![
        row(&[COLLECTOR], collected("f01_ib_payment")),
        row(&SCHEME, collected("")),
        row(&[COLLECTOR], given("f05_otsu_to_hei", "", &[])),
        row(&SCHEME, given("", PRINTER, &[])),
        row(&[COLLECTOR], given("", PRINTER, &["own"])),
        row(&[COLLECTOR, CENTRE], given("", PRINTER, &["hosted"])),
        row(&[PAYER], received("f05_otsu_to_hei")),
        row(&SCHEME, received("")),
        row(&[PRINTER], derived("f21_media_to_pc", &[])),
        row(&SCHEME, derived("", &[])),
        row(&[COLLECTOR], derived("", &["own"])),
        row(&[PRINTER], printed("f22_print", &[])),
        row(&SCHEME, printed("", &[])),
        row(&[COLLECTOR, CENTRE], printed("", &["hosted"])),
        row(&SCHEME, copied(&[])),
        row(&[COLLECTOR], copied(&["own"])),
        row(&[WARD, PRINTER], milestone("goods_delivered", session, "s")),
        row(&[WARD, PAYER], milestone("delete_record_received", set, "d")),
        // Its ends; an observer; who attests for every system named.
        row(&[COLLECTOR, PAYER], relayed("f05_otsu_to_hei", &[])),
        row(&[CENTRE], relayed("f13_payer_at_bank", &[])),
        row(&[COLLECTOR, PAYER, CENTRE], relayed("f05_otsu_to_hei", &["bank_web", "bank_atm"])),
        row(&[COLLECTOR, PAYER], relayed("f05_otsu_to_hei", &["bank_web", "isdn_line"])),
    ]
}

fn of_ends() -> Vec<Row> {
    let copies = |ids: &[&str]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    let returned = |id: &str| {
        Fact::Returned(proto::Returned {
            copies: vec![part(id)],
            to_party: WARD.into(),
            ..Default::default()
        })
    };
    let confirmed = proto::DeletionConfirmed { copies: copies(&["own"]), ..Default::default() };
    let deferred = proto::DeletionDeferred {
        copies: copies(&["own"]),
        until: "2030-01-01".into(),
        ground: "指示".into(),
    };
    let attested = |system: &str, ids: &[&str]| {
        let (system, copies) = (system.into(), copies(ids));
        Fact::NonPersistenceAttested(proto::NonPersistenceAttested { system, copies, ..Default::default() })
    };
    let act =
        || Fact::ActPerformed(proto::ActPerformed { kind: "staff-trained".into(), ..Default::default() });
    vec![
        row(&[COLLECTOR], deleted(&["own"])),
        row(&[COLLECTOR, CENTRE], deleted(&["hosted"])),
        row(&[COLLECTOR], returned("own")),
        row(&[COLLECTOR, CENTRE], returned("hosted")),
        row(&[COLLECTOR], certified("c", &["own"])),
        row(&[COLLECTOR, CENTRE], certified("c", &["hosted"])),
        row(&[WARD], Fact::DeletionConfirmed(confirmed)),
        row(&[WARD], Fact::DeletionDeferred(deferred)).together(),
        row(&[CENTRE], attested("bank_web", &[])),
        row(&[CENTRE, COLLECTOR], attested("multi_payment_network", &[])),
        row(&[CENTRE], attested("joint_use_center_server", &["hosted"])),
        row(&SCHEME, act()),
        row(&[COLLECTOR], act()).on_behalf_of("payer"),
        row(&[PRINTER], act()).on_behalf_of("post_office"),
        row(&[PRINTER], act()).on_behalf_of(PRINTER),
        row(&[WARD], act()).on_behalf_of(WARD),
    ]
}

/// Event names of the table for people, with who signs them.
fn page() -> Vec<(&'static str, &'static str)> {
    let page = include_str!("../../../docs/formats/statement.md");
    let table = page.split("| event | Japanese | signed by |").nth(1).expect("the table");
    let lines = table.lines().skip(1).take_while(|line| line.starts_with('|'));
    let cells = lines.map(|line| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>());
    let rows = cells.filter(|cells| cells[0].starts_with('`'));
    rows.flat_map(|cells| cells[0].split(", ").map(move |name| (name.trim_matches('`'), cells[2]))).collect()
}

/// Every fact of the wire schema.
fn facts() -> BTreeSet<String> {
    let files = prost_types::FileDescriptorSet::decode(daicho_proto::DESCRIPTORS).expect("descriptors");
    let messages = files.file.iter().flat_map(|file| &file.message_type);
    let event = messages.clone().find(|message| message.name() == "Event").expect("the message");
    let of_fact = event.field.iter().filter(|field| field.oneof_index.is_some());
    of_fact.map(|field| field.name().to_owned()).collect()
}

#[test]
fn every_fact_has_a_row_here_and_in_the_page_for_people() {
    let facts = facts();
    assert!(facts.contains("ledger_opened") && facts.contains("finding_decided"), "{facts:?}");
    let page = page();
    let in_page: BTreeSet<String> = page.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(in_page, facts, "docs/formats/statement.md");
    assert_eq!(page.len(), facts.len(), "each once");
    let rows = rows(&stage());
    assert_eq!(rows.iter().map(|row| row.name().to_owned()).collect::<BTreeSet<_>>(), facts, "the rows here");
    for (name, signed_by) in page {
        let together = rows.iter().any(|row| row.name() == name && row.together);
        assert_eq!(together, signed_by.contains("*together*"), "{name}: {signed_by}");
    }
}

/// Whether it was taken. A refusal must be one of authority.
fn taken(ledger: &mut Ledger, keys: &[&str], row: &Row) -> bool {
    // Whoever it is, a ledger is opened once.
    let refusal =
        if row.name() == "ledger_opened" { RefusalCode::Malformed } else { RefusalCode::NotAuthorized };
    match ledger.would_take(keys, row.on_behalf_of, row.fact.clone()) {
        Ok(()) => true,
        Err(FoldError::Refused(Refusal { code, .. })) if code == refusal => false,
        Err(other) => panic!("{} by {keys:?}: {other}", row.name()),
    }
}

#[test]
fn each_event_is_taken_from_those_who_may_say_it_and_from_nobody_else() {
    let mut ledger = stage();
    let rows = rows(&ledger);
    for row in &rows {
        for party in ALL {
            // A further signature adds no rights, also the ward's.
            for keys in [&[party][..], &[party, WARD]].iter().filter(|keys| keys[1..] != [party]) {
                let (by, on_behalf_of) = (&row.by, row.on_behalf_of);
                let what = format!("{} by {keys:?} for `{on_behalf_of}`: {by:?}", row.name());
                assert_eq!(taken(&mut ledger, keys, row), by.contains(&party), "{what} {:?}", row.fact);
            }
        }
    }
}

#[test]
fn what_the_ward_says_together_takes_two_keys_of_its_rule_and_all_else_takes_one() {
    let mut ledger = stage();
    let rule = ward_rule(&ledger, 2, &WARD_KEYS[..3]);
    ledger.record_together(&[WARD, "deputy"], rule).expect("recorded");
    let rows = rows(&ledger);
    for row in rows.iter().filter(|row| row.by.contains(&WARD)) {
        for (keys, enough) in [
            (&[WARD][..], false),
            (&["intern"], false),
            (&[WARD, "intern"], false),
            (&[WARD, COLLECTOR], false),
            (&[WARD, "deputy"], true),
            (&["third", "deputy"], true),
            (&["intern", "third", "deputy"], true),
        ] {
            let what = format!("{} by {keys:?}", row.name());
            assert_eq!(taken(&mut ledger, keys, row), enough || !row.together, "{what}");
        }
    }
    // The rule binds the ward alone.
    for row in rows {
        for party in &ALL[1..] {
            let what = format!("{} by {party}", row.name());
            assert_eq!(taken(&mut ledger, &[party], &row), row.by.contains(party), "{what}");
        }
    }
}

#[test]
fn a_ledger_is_opened_by_its_operator() {
    let cases = [
        (OPERATOR, None),
        (WARD, Some(RefusalCode::NotAuthorized)),
        (OUTSIDER, Some(RefusalCode::UnknownKey)),
    ];
    for (who, refusal) in cases {
        let (mut ledger, opened) = Ledger::unopened(PREMIUM, START);
        ledger.further_key(OUTSIDER, OUTSIDER, "server");
        let answer = match ledger.try_outside(who, opened) {
            Ok(()) => None,
            Err(FoldError::Refused(Refusal { code, .. })) => Some(code),
            Err(other) => panic!("{who}: {other}"),
        };
        assert_eq!(answer, refusal, "{who}");
    }
}
