//! The scheme files that we ship, and each check of the linter on a file broken on purpose.

use std::collections::BTreeSet;

use daicho_custody::SchemeContext;
use daicho_custody::scheme::{Diagnostic, Level, Scheme, Vocabulary, lint, lint_vocabulary};

const COMMON: &str = include_str!("../../../deploy/schemes/common.toml");
const SHIPPED: [(&str, &str); 5] = [
    (
        "mynumber_card_application_support",
        include_str!("../../../deploy/schemes/mynumber_card_application_support.toml"),
    ),
    (
        "convenience_store_certificate_issuance",
        include_str!("../../../deploy/schemes/convenience_store_certificate_issuance.toml"),
    ),
    ("queue_notice_service", include_str!("../../../deploy/schemes/queue_notice_service.toml")),
    ("special_cash_benefit", include_str!("../../../deploy/schemes/special_cash_benefit.toml")),
    ("nhi_premium_payment", include_str!("../../../deploy/schemes/nhi_premium_payment.toml")),
];
const SOUND_VOCABULARY: &str = include_str!("lint/sound-vocabulary.toml");
const SOUND_SCHEME: &str = include_str!("lint/sound-scheme.toml");

fn shipped() -> Vec<Scheme> {
    SHIPPED.iter().map(|(_, text)| Scheme::parse(text).expect("a shipped scheme parses")).collect()
}

fn diagnostics(scheme: &str, vocabulary: &str) -> Vec<Diagnostic> {
    let parsed = Scheme::parse(scheme).expect("the scheme parses");
    lint(scheme, &parsed, &Vocabulary::parse(vocabulary).expect("the vocabulary parses"))
}

#[test]
fn the_shipped_files_hold_all_that_the_papers_state() {
    let schemes = shipped();
    let ids: Vec<&str> = schemes.iter().map(|s| s.id.as_str()).collect();
    assert_eq!(ids, SHIPPED.map(|(id, _)| id));
    // systems, kinds, flows, rules, obligations, anomalies
    let counts: Vec<[usize; 6]> = schemes
        .iter()
        .map(|s| {
            [
                s.systems.len(),
                s.data_sets.len(),
                s.flows.len(),
                s.rules.len(),
                s.obligations.len(),
                s.anomalies.len(),
            ]
        })
        .collect();
    let expected = [
        [7, 4, 13, 7, 13, 9],
        [13, 8, 18, 10, 17, 11],
        [11, 3, 8, 5, 14, 11],
        [19, 14, 27, 11, 21, 22],
        [21, 9, 26, 13, 17, 21],
    ];
    assert_eq!(counts, expected);
    let total = |n: usize| counts.iter().map(|c| c[n]).sum::<usize>();
    assert_eq!([0, 1, 2, 3, 4, 5].map(total), [71, 38, 92, 46, 82, 74]);
}

#[test]
fn the_shipped_vocabulary_has_whole_clause_sheets_and_no_diagnostics() {
    let vocabulary = Vocabulary::parse(COMMON).expect("the vocabulary parses");
    let clauses: Vec<usize> = vocabulary.clause_sheets.iter().map(|s| s.clauses.len()).collect();
    assert_eq!(clauses, [21, 21, 24, 24, 0, 0]);
    assert_eq!(vocabulary.deadline_words.len(), 10);
    assert_eq!(vocabulary.evidence.len(), 9);
    assert_eq!(lint_vocabulary(COMMON, &vocabulary), []);
}

#[test]
fn what_flows_name_has_a_name_for_people() {
    let vocabulary = Vocabulary::parse(COMMON).expect("the vocabulary parses");
    let named: BTreeSet<&str> = vocabulary.terms.iter().map(|term| term.id.as_str()).collect();
    let mut used = BTreeSet::new();
    let schemes = shipped();
    for scheme in &schemes {
        for flow in &scheme.flows {
            used.insert(flow.channel.as_str());
            used.extend(flow.safeguards.iter().map(String::as_str));
            // Groups of persons are parties.
            let groups = scheme.parties.iter().flat_map(|party| &party.must_not_receive);
            for group in groups.chain(&flow.exclude_subjects) {
                assert!(scheme.parties.iter().any(|party| party.id == *group), "{group}");
            }
        }
    }
    assert_eq!(named, used);
}

#[test]
fn no_shipped_file_is_wrong_and_only_one_paper_needs_corrections() {
    for (id, text) in SHIPPED {
        let found = diagnostics(text, COMMON);
        let errors: Vec<&Diagnostic> = found.iter().filter(|d| d.level == Level::Error).collect();
        assert!(errors.is_empty(), "{id}: {errors:#?}");
        let blocked: BTreeSet<String> =
            found.iter().filter(|d| d.level == Level::SourceError).map(Diagnostic::name).collect();
        let expected: &[&str] = match id {
            "nhi_premium_payment" => &[
                "ends-before-start@matter.m7_outsourcing_print",
                "era-date@matter.m1_coupling_mobile",
                "era-date@matter.m2_outsourcing_ib",
                "era-date@matter.m3_outsourcing_credit",
                "era-date@matter.m4_layout_system",
                "era-date@matter.m5_coupling_lgwan_asp",
                "era-date@matter.m6_outsourcing_pay_easy",
                "era-date@matter.m7_outsourcing_print",
            ],
            _ => &[],
        };
        assert_eq!(blocked.iter().map(String::as_str).collect::<Vec<_>>(), expected, "{id}");
    }
}

#[test]
fn every_anomaly_is_found_by_a_check_or_says_why_none_can() {
    let (mut found_by, mut no_check) = (0, 0);
    for (scheme, (id, text)) in shipped().iter().zip(SHIPPED) {
        let names: BTreeSet<String> = diagnostics(text, COMMON).iter().map(Diagnostic::name).collect();
        for anomaly in &scheme.anomalies {
            assert_ne!(anomaly.found_by.is_empty(), anomaly.no_check.is_none(), "{id} {}", anomaly.id);
            for name in &anomaly.found_by {
                assert!(names.contains(name), "{id} {}: {name} was not found", anomaly.id);
            }
            if anomaly.no_check.is_some() { no_check += 1 } else { found_by += 1 }
        }
    }
    assert_eq!((found_by, no_check), (56, 18));
}

#[test]
fn the_same_text_gives_the_same_diagnostics_in_order_of_line() {
    for (_, text) in SHIPPED {
        let found = diagnostics(text, COMMON);
        assert_eq!(found, diagnostics(text, COMMON));
        assert!(found.is_sorted_by_key(|d| d.line));
    }
}

#[test]
fn a_diagnostic_points_at_the_line_of_the_key_in_its_own_table() {
    let (_, text) = SHIPPED[4];
    let found = diagnostics(text, COMMON);
    let period = found.iter().find(|d| d.name() == "ends-before-start@matter.m7_outsourcing_print");
    let line = period.expect("the printing contract ends before it starts").line;
    assert_eq!(text.lines().nth(line - 1), Some("words = \"平成32年6月1日から平成32年3月31日まで\""));
}

#[test]
fn the_sound_sample_has_no_diagnostics() {
    let vocabulary = Vocabulary::parse(SOUND_VOCABULARY).expect("the vocabulary parses");
    assert_eq!(lint_vocabulary(SOUND_VOCABULARY, &vocabulary), []);
    assert_eq!(diagnostics(SOUND_SCHEME, SOUND_VOCABULARY), []);
}

#[test]
fn a_missing_or_unknown_key_is_refused_with_its_line() {
    let error = Scheme::parse(&SOUND_SCHEME.replace("department", "deparment")).expect_err("a typing error");
    assert_eq!(error.line, 7);
    let error = Scheme::parse(&SOUND_SCHEME.replace("daicho-scheme/1", "daicho-scheme/9"));
    assert!(error.expect_err("an unknown format").message.contains("daicho-scheme/9"));
}

/// One key broken: the check and place that must fire, the table, the text to replace there, and what by.
type Case = (&'static str, &'static str, &'static str, &'static str);

/// Each check on the sound scheme with one thing broken. Since the sound scheme has no diagnostics, mending
/// the key silences the check.
const BROKEN_SCHEMES: &[Case] = &[
    ("unknown-reference@flow.f1", "flow.f1", "basis = [\"m1\"]", "basis = [\"m9\"]"),
    ("unknown-reference@flow.f1", "flow.f1", "items = [\"mail\"]", "items = [\"name\"]"),
    ("unknown-reference@rule.r2", "rule.r2", "milestone = \"done\"", "milestone = \"dnoe\""),
    ("unknown-reference@rule.r2", "rule.r2", "systems = [\"pc\"]", "systems = [\"pcs\"]"),
    ("unknown-reference@rule.r2", "rule.r2", "word = \"next_day\"", "word = \"next_week\""),
    ("unknown-reference@obligation.o3", "obligation.o3", "real-data-used-in-test", "real-data-used"),
    ("unknown-reference@matter.m2", "matter.m2", "article = \"couple\"", "article = \"cuople\""),
    ("unknown-reference@contract.c1", "contract.c1", "clause_sheet = \"s1\"", "clause_sheet = \"s9\""),
    ("unknown-reference@system.pc", "system.pc", "operator = \"ward\"", "operator = \"wadr\""),
    ("unknown-reference@scheme.demo", "scheme", "vocabulary = \"v\"", "vocabulary = \"w\""),
    ("clause-reference@rule.r1", "rule.r1", "numbers = [2]", "numbers = [4]"),
    ("deadline-word-differs@rule.r2", "rule.r2", "stated = \"end-of-next-day\"", "stated = \"P9D\""),
    ("attester-cannot-write@system.pc", "system.pc", "attester = \"ward\"", "attester = \"person\""),
    ("silent-party@party.person", "party.person", "reported_by = \"firm\"", ""),
    ("anomaly-unexplained@anomaly.a1", "anomaly.a1", "no_check", "found_by = [\"x@y\"]\nno_check"),
    ("anomaly-not-found@anomaly.a1", "anomaly.a1", "no_check =", "found_by = [\"era-date@matter.m1\"] #"),
    ("witness-contradiction@flow.f2", "flow.f2", "\"two-sided\"", "\"giver-only\""),
    ("witness-contradiction@flow.f2", "flow.f2", "\"two-sided\"", "\"two-sided\"\nobserver = \"ward\""),
    ("relay-that-stores@flow.f2", "flow.f2", "\"leaves\"", "\"relays\""),
    ("excluded-class@flow.f1", "data_set.d1", "items_complete", "subject_class = \"person\"\nitems_complete"),
    ("ends-before-start@flow.f2", "flow.f2", "end = 2021-11-30", "end = 2021-01-30"),
    (
        "ends-before-start@matter.m1",
        "matter.m1",
        "令和3年12月31日",
        "令和2年12月31日まで\"\nend_as_written = 2020-12-31 #",
    ),
    ("era-date@matter.m1", "matter.m1", "令和3年12月31日", "平成33年12月31日"),
    ("words-differ@matter.m1", "matter.m1", "令和3年12月31日", "令和3年12月30日"),
    ("phases-overlap@matter.m2", "matter.m2", "2021-04-01", "2021-03-31"),
    ("phases-apart@matter.m2", "matter.m2", "2021-04-01", "2021-04-02"),
    ("phase-outside-period@matter.m2", "matter.m2", "2021-04-30", "2022-01-01"),
    ("planned-period@matter.m1", "matter.m1", "line = 10", "planned = true"),
    ("matter-after-clauses@matter.m1", "matter.m1", "line = 10", "line = 30"),
    ("basis-word-differs@matter.m1", "matter.m1", "業務委託、再委託", "業務委託"),
    ("test-without-data-rule@matter.m2", "obligation.o3", "real-data-used-in-test", "take_out"),
    ("volume-without-period@volume.v1", "volume.v1", "period = \"P1Y\"", ""),
    ("missing-attachment@scheme.demo", "scheme", "not_attached = []", "not_attached = [\"資料1\"]"),
    ("missing-attachment@party.sub", "party.sub", "writes = true", "writes = true\nlist_source = \"資料1\""),
    (
        "undetermined-party@party.sub",
        "party.sub",
        "writes = true",
        "writes = true\nidentity = \"undetermined\"",
    ),
    ("unnamed-recipient@party.sub", "party.sub", "writes = true", "writes = true\nidentity = \"not-named\""),
    (
        "party-named-differently@party.sub",
        "party.sub",
        "writes = true",
        "writes = true\nalso_called = [\"孫\"]",
    ),
    ("group-without-data-set@party.person", "party.person", "groups = [\"利用者\"]", "groups = [\"避難者\"]"),
    ("medium-that-stores-nothing@system.press", "system.press", "\"temporary\"", "\"none\""),
    ("owner-not-stated@system.pc", "system.pc", "storage =", "inferred = [\"owner\"]\nstorage ="),
    ("system-never-used@system.line", "flow.f2", "via = [\"line\"]", ""),
    ("incomplete-items@data_set.d1", "data_set.d1", "items_complete = true", "items_complete = false"),
    ("duty-words-differ@obligation.o2", "obligation.o2", "速やかに", "直ちに"),
    ("recipients-differ@obligation.o2", "obligation.o2", "to = [\"ward\", \"firm\"]", "to = [\"ward\"]"),
    ("period-without-number@obligation.o2", "obligation.o2", ", every = \"P1M\"", ""),
    (
        "individual-number-not-covered@contract.c1",
        "data_set.d1",
        "items_complete",
        "may_contain_individual_number = true\nitems_complete",
    ),
    ("subcontract-scope-wider@contract.c2", "contract.c2", "\"印刷\"", "\"印刷\", \"封筒\""),
    ("clauses-do-not-bind@contract.c1", "party.firm", "symbol = \"乙\"", "symbol = \"丙\""),
    ("instrument-differs@contract.c1", "contract.c1", "委託契約", "協定"),
    ("flow-without-basis@flow.f1", "flow.f1", "basis = [\"m1\"]", "basis = []"),
    ("basis-incomplete@flow.f1", "flow.f1", "channel", "basis_gap = { ja = \"無\", en = \"none\" }\nchannel"),
    ("basis-windows-apart@flow.f2", "matter.m2", "end = 2021-12-31", "end = 2021-12-30"),
    ("window-outside-basis@flow.f2", "flow.f2", "2021-02-01", "2020-12-31"),
    ("coupling-without-matter@flow.f2", "flow.f2", "basis = [\"m1\", \"m2\"]", "basis = [\"m1\"]"),
    ("recipient-without-basis@flow.f3", "party.sub", "sub-processor", "third-party"),
    ("unlisted-medium@flow.f4", "system.press", "recording_medium_of = [\"d1\"]", ""),
    ("rule-without-schedule@rule.r2", "rule.r2", "milestone = \"done\"", "milestone = \"none\""),
    (
        "deadline-without-number@rule.r2",
        "rule.r2",
        "stated = \"end-of-next-day\", word = \"next_day\"",
        "word = \"soon\", proposal = \"P1D\"",
    ),
    (
        "calendar-not-named@rule.r2",
        "rule.r2",
        "stated = \"end-of-next-day\", word = \"next_day\"",
        "word = \"soon\", proposal = \"P1BD\"",
    ),
    ("calendar-name@scheme.demo", "scheme", "department", "calendar = \"japan-holidays\"\ndepartment"),
    ("calendar-name@scheme.demo", "scheme", "department", "calendar = \"japan-holidays/0\"\ndepartment"),
    ("keep-past-deadline@rule.r2", "rule.r2", "evidence", "keep_at_least = \"P5Y\"\nevidence"),
    ("certificate-per-erasure@rule.r1", "rule.r1", "[\"record\"]", "[\"certificate\"]"),
    ("no-evidence-asked@rule.r2", "rule.r2", "[\"record\"]", "[]"),
    ("recipient-not-stated@rule.r3", "rule.r3", "evidence", "inferred = [\"recipients\"]\nevidence"),
    ("evidence-names-differ@rule.r3", "rule.r3", "[\"certificate\"]", "[\"report\"]"),
    ("holder-without-rule@flow.f2", "rule.r2", "holders = [\"ward\"]", "holders = [\"firm\"]"),
];

/// The same with the vocabulary broken, seen from the scheme.
const BROKEN_VOCABULARIES: &[Case] = &[
    ("basis-repealed@matter.m1", "ordinance.law", "条例\"", "条例\"\nin_force_to = 2021-06-30"),
    (
        "unclear-milestone@rule.r1",
        "milestone.done",
        "完了\"",
        "完了\"\nunclear = { ja = \"不明\", en = \"open\" }",
    ),
    (
        "print-against-copy-ban@flow.f4",
        "clause_sheet.s1",
        "{ kind = \"not-judged\", why = { ja = \"判定しない\", en = \"no ledger can\" } }",
        "{ kind = \"absence\", findings = [\"COPYING_NOT_ALLOWED\"] }",
    ),
    ("same-heading@contract.c1", "clause_sheet.s2", "特記事項(再委託先)", "特記事項"),
    ("damages-for-others-duty@contract.c1", "clause_sheet.s1", "check", "duty_of = \"甲\"\ncheck"),
    ("clauses-differ-in-giver@contract.c1", "clause_sheet.s1", "check", "provided_by = [\"乙\"]\ncheck"),
];

/// Replaces `from` where it first stands after the head of a table (`flow.f1`), or of the file (`scheme`).
fn broken(text: &str, table: &str, from: &str, to: &str) -> String {
    let head =
        table.split_once('.').map_or(String::new(), |(name, id)| format!("[[{name}]]\nid = \"{id}\"\n"));
    let start = text.find(&head).unwrap_or_else(|| panic!("no table {table}"));
    let at = start + text[start..].find(from).unwrap_or_else(|| panic!("no `{from}` in {table}"));
    format!("{}{to}{}", &text[..at], &text[at + from.len()..])
}

fn assert_found(found: &[Diagnostic], name: &str) {
    assert!(found.iter().any(|d| d.name() == name), "{name} was not found, but {found:#?}");
}

#[test]
fn each_check_fires_on_a_scheme_broken_in_one_key() {
    for (name, table, from, to) in BROKEN_SCHEMES {
        let mut text = broken(SOUND_SCHEME, table, from, to);
        if name.starts_with("excluded-class") {
            text = broken(&text, "party.firm", "writes", "must_not_receive = [\"person\"]\nwrites");
        }
        if name.starts_with("test-without-data-rule") {
            text = broken(&text, "matter.m2", "article = \"couple\"", "article = \"process\"");
        }
        assert_found(&diagnostics(&text, SOUND_VOCABULARY), name);
    }
}

#[test]
fn each_check_fires_on_a_vocabulary_broken_in_one_key() {
    for (name, table, from, to) in BROKEN_VOCABULARIES {
        let text = broken(SOUND_VOCABULARY, table, from, to);
        assert_found(&diagnostics(SOUND_SCHEME, &text), name);
    }
    let detached = SOUND_VOCABULARY.split("[[clause_sheet]]\nid = \"s2\"").next().expect("a first part");
    let detached = format!(
        "{detached}[[clause_sheet]]\nid = \"s2\"\nlabel = \"別紙\"\nbinds = \"丙\"\nnot_attached = \"資料1\"\n"
    );
    assert_found(&diagnostics(SOUND_SCHEME, &detached), "clause-sheet-not-attached@contract.c2");
}

#[test]
fn two_rules_that_state_one_duty_differently_are_named_once() {
    let grouped = |text: String, rule| broken(&text, rule, "evidence", "conflict_group = \"g\"\nevidence");
    let text = grouped(grouped(SOUND_SCHEME.to_owned(), "rule.r3"), "rule.r4");
    let found = diagnostics(&text, SOUND_VOCABULARY);
    let names: Vec<String> = found.iter().map(Diagnostic::name).collect();
    assert_eq!(names, ["conflicting-rules@rule.r3"]);
}

#[test]
fn an_id_given_twice_is_reported_at_its_second_place() {
    let text = broken(SOUND_SCHEME, "rule.r4", "id = \"r4\"", "id = \"r3\"");
    let found = diagnostics(&text, SOUND_VOCABULARY);
    let twice = found.iter().find(|d| d.check == "duplicate-id").expect("a diagnostic");
    let second = text.lines().enumerate().filter(|(_, l)| *l == "id = \"r3\"").nth(1).map(|(n, _)| n + 1);
    assert_eq!((twice.at.as_str(), Some(twice.line)), ("rule.r3", second));
}

#[test]
fn a_vocabulary_with_holes_is_refused() {
    let cases: &[Case] = &[
        ("clause-numbering@clause_sheet.s1", "clause_sheet.s1", "n = 2", "n = 4"),
        ("clause-numbering@clause_sheet.s1", "clause_sheet.s1", "binds", "not_attached = \"資料1\"\nbinds"),
        ("unknown-reference@clause_sheet.s2", "clause_sheet.s2", "s1/1", "s1/9"),
        ("duplicate-id@evidence.record", "evidence.certificate", "\"certificate\"", "\"record\""),
    ];
    for (name, table, from, to) in cases {
        let text = broken(SOUND_VOCABULARY, table, from, to);
        let vocabulary = Vocabulary::parse(&text).expect("the vocabulary parses");
        let found = lint_vocabulary(&text, &vocabulary);
        assert_found(&found, name);
        assert!(found.iter().all(|d| d.level == Level::Error), "{found:#?}");
    }
}

#[test]
fn the_sample_of_the_format_page_is_a_sound_file() {
    let page = include_str!("../../../docs/formats/scheme.md");
    let sample = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a sample");
    let found = diagnostics(sample, COMMON);
    assert!(found.iter().all(|d| !d.level.blocks()), "{found:#?}");
}

#[test]
fn what_the_shipped_files_forbid_and_when_they_end_reaches_the_judge() {
    let contexts: Vec<SchemeContext> = shipped()
        .into_iter()
        .map(|scheme| {
            SchemeContext::new(scheme, Vocabulary::parse(COMMON).expect("the vocabulary parses"), None)
        })
        .collect();
    let of = |id: &str| contexts.iter().find(|context| context.scheme.id == id).expect("a shipped scheme");
    assert!(of("queue_notice_service").must_not_copy("hyojito"));
    assert!(of("special_cash_benefit").must_not_copy("hokkaido_toppan_forms"));
    let convenience = of("convenience_store_certificate_issuance");
    assert!(convenience.must_not_copy("fujitsu"));
    assert!(!convenience.must_not_copy("jlis"), "the sheets of the agency are not attached");
    let end = convenience.matter_end("m2_change_outsourcing").map(|day| day.to_string());
    assert_eq!(end.as_deref(), Some("2019-03-31"), "the last of its phases");
}
