//! Own means own: three contractors of one scheme, the operator, and the namesake of a contractor in another scheme each
//! read what is theirs by docs/operations/access.md, and the ward reads everything.

use std::collections::BTreeMap;
use std::time::Duration;

use daicho_client::proto::event::Fact;
use daicho_client::proto::{self, AppendStatementRequest, MilestoneScope};
use daicho_client::{Client, ClientError, Emitter, Enactment, Instant, SigningKey, StatementId};
use daicho_core::{Entry, sign_statement};
use daicho_custody::scheme::{Level, Scheme, Vocabulary, lint};
use daicho_tests::{Daichod, TLS};
use futures::TryStreamExt as _;
use tempfile::TempDir;

const SCHEME: &str = "special_cash_benefit";
const FILE: &str = include_str!("../../deploy/schemes/special_cash_benefit.toml");
const VOCABULARY: &str = include_str!("../../deploy/schemes/common.toml");

const TOPPAN: &str = "special_cash_benefit/toppan_forms";
/// Works for the one above, which sees what becomes of what it passed on.
const HOKKAIDO: &str = "special_cash_benefit/hokkaido_toppan_forms";
/// Has nothing to do with these two.
const JLIS: &str = "special_cash_benefit/jlis";
/// Of the same name as a party of the scheme, in another one.
const NAMESAKE: &str = "queue_notice_service/toppan_forms";
const OPERATOR: &str = "operator";
const WARD: &str = "ward";

/// Who reads its own alone.
const OWNERS: [&str; 5] = [TOPPAN, HOKKAIDO, JLIS, NAMESAKE, OPERATOR];
const READERS: [&str; 6] = [TOPPAN, HOKKAIDO, JLIS, NAMESAKE, OPERATOR, WARD];

/// A recorded statement, and who may read it beside the ward.
struct Said {
    id: StatementId,
    entry: u64,
    readers: Vec<&'static str>,
}

struct Scene {
    _folder: TempDir,
    server: Daichod,
    client: Client,
    origin: String,
    now: Instant,
    /// Key of each, and the number of its next statement.
    keys: BTreeMap<&'static str, (SigningKey, u64)>,
    said: Vec<Said>,
}

fn name(scheme_party: &'static str) -> &'static str {
    scheme_party.strip_prefix("special_cash_benefit/").unwrap_or(scheme_party)
}

fn ids<T>(list: Vec<T>, id: impl Fn(T) -> String) -> Vec<String> {
    let mut ids: Vec<String> = list.into_iter().map(id).collect();
    ids.sort();
    ids
}

fn time(text: &str) -> Instant {
    Instant::parse(text).expect("a time")
}

fn collected(flow: &str, kind: &str, id: &str, system: &str) -> Fact {
    let data_set =
        proto::DataSet { id: id.into(), kind: kind.into(), subject_count: 1, ..Default::default() };
    let (data_sets, copies) = (vec![data_set], vec![copy(id, id, system)]);
    Fact::Collected(proto::Collected { flow: flow.into(), data_sets, copies, ..Default::default() })
}

fn copy(id: &str, data_set: &str, system: &str) -> proto::Copy {
    proto::Copy { id: id.into(), data_set: data_set.into(), system: system.into(), unit: String::new() }
}

fn given(handover: &str, flow: &str, copy: &str) -> Fact {
    let copies = vec![proto::CopyPart { copy: copy.into(), count: 0 }];
    let (handover, flow) = (handover.into(), flow.into());
    Fact::HandoverGiven(proto::HandoverGiven { handover, flow, copies, ..Default::default() })
}

fn no_longer_needed(copies: &[&str]) -> Fact {
    Fact::MilestoneReached(proto::MilestoneReached {
        milestone: "no_longer_needed".into(),
        scope: MilestoneScope::Copy as i32,
        targets: copies.iter().map(ToString::to_string).collect(),
    })
}

impl Scene {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Daichod::init(folder.path(), Some("2020-06-01")).expect("founded");
        let server = Daichod::start(folder.path(), &[TLS]).expect("a server");
        let client = server.client().await.expect("a client");
        let mut ward = Emitter::new(client.clone(), server.ward_key().expect("key")).await.expect("known");
        let (scheme, words) = (Scheme::parse(FILE).expect("a scheme"), Vocabulary::parse(VOCABULARY));
        let errors = lint(FILE, &scheme, &words.expect("words")).into_iter();
        let corrections = errors.filter(|d| d.level == Level::SourceError).map(|d| proto::SourceCorrection {
            diagnostic: d.name(),
            ground: "事業の定義のとおりに読み替える".into(),
        });
        let enactment = Enactment {
            scheme: SCHEME.into(),
            version: 1,
            scheme_file: FILE.into(),
            vocabulary_file: VOCABULARY.into(),
            corrections: corrections.collect(),
            ..Default::default()
        };
        ward.enact_scheme(enactment, &[]).await.expect("in force");
        let listed = client.keys().await.expect("listed");
        let used = listed.iter().find(|key| key.party == WARD).expect("the ward's").last_sequence;
        // All but the ward leave out their first number: a finding about the key of each.
        let mut keys: BTreeMap<_, _> =
            (61..).zip(OWNERS).map(|(n, who)| (who, (SigningKey::from_seed(&[n; 32]), 2))).collect();
        keys.insert(WARD, (server.ward_key().expect("key"), used + 1));
        let (origin, now) = (ward.origin().to_owned(), time("2020-06-01T10:00"));
        let mut scene = Self { _folder: folder, server, client, origin, now, keys, said: Vec::new() };
        scene.wait_until("2020-06-01T10:00").await;
        scene.play().await;
        scene
    }

    async fn wait_until(&self, text: &str) {
        daicho_tests::move_clock(&self.client, text).await.expect("the ward may");
    }

    /// Records facts as one statement that these and the ward may read.
    async fn say(&mut self, who: &'static str, readers: &[&'static str], facts: Vec<(&str, Fact)>) {
        self.say_of(self.now, who, readers, facts).await;
    }

    async fn say_of(
        &mut self,
        when: Instant,
        who: &'static str,
        readers: &[&'static str],
        facts: Vec<(&str, Fact)>,
    ) {
        let events = facts.into_iter().map(|(scheme, fact)| daicho_client::event(scheme, when, fact));
        let (key, number) = self.keys.get_mut(who).expect("a key");
        let statement = Some(sign_statement(&self.origin, &[(&*key, *number)], events.collect()));
        let id = StatementId { key: key.public().id(), sequence: *number };
        *number += 1;
        let answer = self.client.ledger().append_statement(AppendStatementRequest { statement }).await;
        let receipt = answer.expect("recorded").into_inner().receipt.expect("a receipt");
        self.said.push(Said { id, entry: receipt.entry_index, readers: readers.to_vec() });
    }

    async fn play(&mut self) {
        for who in OWNERS {
            let request = self.keys[who].0.request(&self.origin, who, "server");
            let registered = proto::PartyRegistered { party: who.into(), label: "試験".into() };
            let mut facts = vec![("", Fact::PartyRegistered(registered)), ("", Fact::KeyAuthorized(request))];
            // It is there from the founding on.
            facts.drain(..usize::from(who == OPERATOR));
            self.say(WARD, &[who], facts).await;
        }
        let ground = || "協議により定める".to_owned();
        let rule = |rule: &str| {
            let (rule, deadline, ground) = (rule.into(), "P1D".into(), ground());
            (SCHEME, Fact::DeadlineSet(proto::DeadlineSet { rule, deadline, ground, ..Default::default() }))
        };
        let limits = proto::DeadlineSet {
            acknowledge_within: "P1D".into(),
            report_within: "P1D".into(),
            ground: ground(),
            ..Default::default()
        };
        let rules = vec![
            rule("r2_toppan_no_longer_needed"),
            rule("r5_hokkaido_no_longer_needed"),
            (SCHEME, Fact::DeadlineSet(limits)),
        ];
        self.say(WARD, &[], rules).await;
        let approved = proto::SubcontractApproved {
            contract: "c2".into(),
            party: name(HOKKAIDO).into(),
            ..Default::default()
        };
        self.say(WARD, &[HOKKAIDO], vec![(SCHEME, Fact::SubcontractApproved(approved))]).await;

        let own = collected("f15_forms_back", "ds_postal_application", "t", "paper");
        self.say(TOPPAN, &[TOPPAN], vec![(SCHEME, own), (SCHEME, no_longer_needed(&["t"]))]).await;
        // Neither side names the other.
        let gives = given("x-1", "f12_toppan_to_hokkaido", "t");
        self.say(TOPPAN, &[TOPPAN, HOKKAIDO], vec![(SCHEME, gives)]).await;
        let received = proto::HandoverReceived {
            handover: "x-1".into(),
            flow: "f12_toppan_to_hokkaido".into(),
            copies: vec![copy("th", "t", "hokkaido_work_pc")],
            ..Default::default()
        };
        self.say(HOKKAIDO, &[TOPPAN, HOKKAIDO], vec![(SCHEME, Fact::HandoverReceived(received))]).await;
        let own = vec![
            (SCHEME, collected("", "ds_resident_base", "h", "hokkaido_work_pc")),
            (SCHEME, no_longer_needed(&["h", "th"])),
        ];
        self.say(HOKKAIDO, &[HOKKAIDO], own).await;
        // Days late.
        let own = collected("f19_online_application", "ds_online_application", "j", "myna_portal");
        self.say_of(time("2020-05-28T10:00"), JLIS, &[JLIS], vec![(SCHEME, own)]).await;
        self.say(JLIS, &[JLIS], vec![(SCHEME, given("x-2", "f20_portal_to_ward", "j"))]).await;
        for who in [NAMESAKE, OPERATOR] {
            let disputed = proto::Corrected { entry_index: 1, event: 0, correction: "異議".into() };
            self.say(who, &[who], vec![("", Fact::Corrected(disputed))]).await;
        }
        // The last one names everybody, and is shown whole.
        let told = |who: &'static str| {
            let (kind, counterpart) = ("instruction-given".into(), name(who).into());
            (SCHEME, Fact::ActPerformed(proto::ActPerformed { kind, counterpart, ..Default::default() }))
        };
        self.say(WARD, &OWNERS, OWNERS.map(told).to_vec()).await;
    }

    async fn client(&self, who: &str) -> Client {
        self.server.client_of(Some(&self.keys[who].0)).await.expect("a client")
    }

    /// Entries of what was said that this reader may read.
    fn readable(&self, who: &str) -> Vec<u64> {
        let readable = self.said.iter().filter(|one| who == WARD || one.readers.contains(&who));
        readable.map(|one| one.entry).collect()
    }
}

fn index(entry: &[u8]) -> u64 {
    Entry::decode(entry).expect("an entry").index.get()
}

#[tokio::test]
async fn each_reads_the_entries_that_concern_it() {
    let scene = Scene::new().await;
    let last = scene.said.last().expect("entries").entry;
    for who in READERS {
        let (client, wanted) = (scene.client(who).await, scene.readable(who));
        let read: Vec<Vec<u8>> =
            client.read_entries(0, 0).await.expect("allowed").try_collect().await.expect("whole");
        let read: Vec<u64> = read.iter().map(|entry| index(entry)).collect();
        if [OPERATOR, WARD].contains(&who) {
            // They founded it, and seals may stand between.
            let said = read.iter().filter(|n| scene.said.iter().any(|one| one.entry == **n));
            assert_eq!(said.copied().collect::<Vec<_>>(), wanted, "{who}");
        } else {
            assert_eq!(read, wanted, "{who}");
        }
        let mut following = Box::pin(client.follow_entries(0).await.expect("allowed"));
        let mut followed = Vec::new();
        while followed.last() != Some(&last) {
            let next = tokio::time::timeout(Duration::from_secs(60), following.try_next()).await;
            followed.push(index(&next.expect("in time").expect("readable").expect("it goes on")));
        }
        assert_eq!(followed, read[..followed.len()], "{who}");

        for one in &scene.said {
            let (seen, what) = (wanted.contains(&one.entry), format!("entry {} by {who}", one.entry));
            match client.entry(one.entry).await {
                Ok(entry) => assert!(seen && index(&entry.bytes) == one.entry, "{what}"),
                Err(ClientError::NotFound(_)) => assert!(!seen, "{what}"),
                Err(other) => panic!("{what}: {other}"),
            }
            let key_id = one.id.key.as_bytes().to_vec();
            let find = proto::FindStatementRequest { key_id, sequence: one.id.sequence };
            let found = client.ledger().find_statement(find).await;
            assert_eq!(found.is_ok(), seen, "{what}: {found:?}");
            let entry = Some(proto::get_receipt_request::Entry::EntryIndex(one.entry));
            let receipt = proto::GetReceiptRequest { entry, tree_size: 0 };
            let receipt = client.proof().get_receipt(receipt).await.expect("open").into_inner();
            assert_eq!(!receipt.entry.is_empty(), seen, "{what}");
        }
    }
}

/// Of each reader: copies with their data sets, handovers, copies that are due.
type Custody =
    (&'static str, &'static [(&'static str, &'static str)], &'static [&'static str], &'static [&'static str]);

const CUSTODY: [Custody; 6] = [
    (TOPPAN, &[("h", "h"), ("t", "t"), ("th", "t")], &["x-1"], &["h", "t", "th"]),
    (HOKKAIDO, &[("h", "h"), ("th", "t")], &["x-1"], &["h", "th"]),
    (JLIS, &[("j", "j")], &["x-2"], &[]),
    (NAMESAKE, &[], &[], &[]),
    (OPERATOR, &[], &[], &[]),
    (WARD, &[("h", "h"), ("j", "j"), ("t", "t"), ("th", "t")], &["x-1", "x-2"], &["h", "t", "th"]),
];

#[tokio::test]
async fn each_sees_its_own_custody_and_keys() {
    let scene = Scene::new().await;
    let mut followers = Vec::new();
    for (who, copies, handovers, due) in CUSTODY {
        let client = scene.client(who).await;
        let listed = ids(client.copies(SCHEME, 0).await.expect("listed"), |copy| copy.id);
        assert_eq!(listed, copies.iter().map(|(copy, _)| *copy).collect::<Vec<_>>(), "{who}");
        let data_sets = client.data_sets(SCHEME).await.expect("listed");
        for id in ["h", "j", "t"] {
            let of_it = copies.iter().filter(|(_, data_set)| *data_set == id).map(|(copy, _)| *copy);
            let of_it: Vec<&str> = of_it.collect();
            let summary = data_sets.iter().find(|one| one.id == id);
            let counted = summary.map_or(0, |one| one.copies as usize);
            assert_eq!((summary.is_some(), counted), (!of_it.is_empty(), of_it.len()), "{id} of {who}");
            match client.data_set(SCHEME, id, 0).await {
                Ok(shown) => assert_eq!(ids(shown.copies, |copy| copy.id), of_it, "{id} of {who}"),
                Err(ClientError::NotFound(_)) => assert!(of_it.is_empty(), "{id} of {who}"),
                Err(other) => panic!("{id} of {who}: {other}"),
            }
        }
        assert_eq!(ids(client.handovers(SCHEME).await.expect("listed"), |one| one.id), handovers, "{who}");

        let listed = client.due("", "", 0).await.expect("listed");
        let mut following = Box::pin(client.follow_due("", "", 0).await.expect("allowed"));
        let next = tokio::time::timeout(Duration::from_secs(60), following.try_next()).await;
        let first = next.expect("in time").expect("readable").expect("the list");
        for list in [listed, first.due] {
            only_due(who, list, due);
        }
        // What it asks of another by name is its own all the same.
        let of_toppan = client.due("", TOPPAN, 0).await.expect("listed");
        only_due(who, of_toppan, if [TOPPAN, WARD].contains(&who) { &["t"] } else { &[] });
        if !due.is_empty() {
            followers.push((who, due, following));
        }

        let mut keys = ids(client.keys().await.expect("listed"), |key| key.party);
        keys.dedup();
        match who {
            WARD | OPERATOR => assert!(OWNERS.iter().all(|one| keys.contains(&(*one).to_owned())), "{who}"),
            _ => assert_eq!(keys, [who]),
        }
    }
    // Whoever follows is told of its own alone as well: all of it passes its time.
    scene.wait_until("2020-06-04T10:00").await;
    for (who, due, mut following) in followers {
        let next = tokio::time::timeout(Duration::from_secs(60), following.try_next()).await;
        let next = next.expect("in time").expect("readable").expect("it goes on");
        only_due(who, next.due, due);
    }
}

/// Whose custody and duties a reader sees.
fn seen_by(who: &'static str) -> Vec<&'static str> {
    if who == TOPPAN { vec![TOPPAN, HOKKAIDO] } else { vec![who] }
}

/// Whether these copies are in a list of what is due, and nothing that another has to do.
fn only_due(who: &'static str, list: Vec<proto::DueItem>, copies: &[&str]) {
    assert!(
        who == WARD || list.iter().all(|item| seen_by(who).contains(&item.party.as_str())),
        "{who}: {list:?}"
    );
    let listed = list.into_iter().filter_map(|item| item.copy).collect();
    assert_eq!(ids(listed, |copy| copy.id), copies, "{who}");
}

#[tokio::test]
async fn each_sees_findings_and_duties_of_its_own() {
    let scene = Scene::new().await;
    let late = scene.said.iter().rfind(|one| one.readers == [JLIS] && one.id.sequence == 2).expect("said");
    scene.wait_until("2020-06-04T10:00").await;
    let mut wanted = vec![
        ("ITEMS_NOT_APPROVED", "t".to_owned(), vec![TOPPAN, HOKKAIDO]),
        ("OVERDUE", "t".to_owned(), vec![TOPPAN]),
        ("OVERDUE", "h".to_owned(), vec![TOPPAN, HOKKAIDO]),
        ("OVERDUE", "th".to_owned(), vec![TOPPAN, HOKKAIDO]),
        ("UNACKNOWLEDGED", "x-2".to_owned(), vec![JLIS]),
        ("REPORTED_LATE", format!("entry/{}", late.entry), vec![JLIS]),
    ];
    wanted.extend(
        OWNERS.map(|who| ("SEQUENCE_GAP", format!("key/{}", scene.keys[who].0.public().id()), vec![who])),
    );
    let all = scene.client(WARD).await.duties(SCHEME, 0, "", "").await.expect("listed");
    for who in READERS {
        let client = scene.client(who).await;
        let findings = client.findings("", 0).await.expect("listed");
        for (code, object, readers) in &wanted {
            let seen = findings.iter().filter(|f| f.code == *code && f.object == *object).count();
            let wanted = usize::from(who == WARD || readers.contains(&who));
            assert_eq!(seen, wanted, "{code} {object} by {who}");
        }
        // And no other ones of these kinds.
        let of_kinds = findings.iter().filter(|f| wanted.iter().any(|(code, ..)| f.code == *code));
        let others = of_kinds.filter(|f| !wanted.iter().any(|(_, object, _)| f.object == *object));
        assert_eq!(others.count(), 0, "{who}: {findings:?}");

        let own = |duty: &&proto::Duty| {
            let seen = |party: &String| seen_by(who).iter().any(|own| name(own) == party);
            who == WARD || seen(&duty.who) || duty.to.iter().any(seen)
        };
        let (duties, own) = (client.duties(SCHEME, 0, "", "").await.expect("listed"), all.iter().filter(own));
        let own = own.map(|duty| duty.object.clone()).collect::<Vec<_>>();
        assert_eq!(duties.iter().map(|duty| duty.object.clone()).collect::<Vec<_>>(), own, "{who}");
        assert_eq!(own.is_empty(), [JLIS, NAMESAKE, OPERATOR].contains(&who), "{who}: {own:?}");
        let of_toppan = client.duties(SCHEME, 0, TOPPAN, "").await.expect("listed");
        assert!(of_toppan.iter().all(|duty| own.contains(&duty.object)), "{who}: {of_toppan:?}");
        // The list of the scheme shows no more than the one of all.
        for finding in client.findings(SCHEME, 0).await.expect("listed") {
            let same = |f: &proto::Finding| f.code == finding.code && f.object == finding.object;
            assert!(findings.iter().any(same), "{} {} by {who}", finding.code, finding.object);
        }
        for finding in findings.iter().filter(|f| f.code.starts_with("OBLIGATION_")) {
            assert!(own.contains(&finding.object), "{} by {who}", finding.object);
        }
    }
}

#[tokio::test]
async fn nobody_learns_of_a_data_set_by_saying_to_hold_it() {
    let mut scene = Scene::new().await;
    let copied = |id: &str, source: &[&str]| {
        let from_copies = source.iter().map(ToString::to_string).collect();
        let copies = vec![copy(id, "t", "myna_portal")];
        (SCHEME, Fact::Copied(proto::Copied { from_copies, copies }))
    };
    // Out of nothing, out of that, and from a giver that never said so.
    scene.say(JLIS, &[JLIS], vec![copied("spy", &[]), copied("spy-2", &["spy"])]).await;
    let received = proto::HandoverReceived {
        handover: "x-9".into(),
        copies: vec![copy("spy-3", "t", "myna_portal")],
        ..Default::default()
    };
    scene.say(JLIS, &[JLIS], vec![(SCHEME, Fact::HandoverReceived(received))]).await;

    let client = scene.client(JLIS).await;
    assert_eq!(ids(client.data_sets(SCHEME).await.expect("listed"), |one| one.id), ["j"]);
    let asked = client.data_set(SCHEME, "t", 0).await;
    assert!(matches!(asked, Err(ClientError::NotFound(_))), "{asked:?}");
    let own = client.data_set(SCHEME, "j", 0).await.expect("its own").summary.expect("what it is");
    assert_eq!(own.kind, "ds_online_application");

    let pem = scene.keys[JLIS].0.to_pem();
    let mut emitter =
        Emitter::new(client, SigningKey::from_pem(&pem).expect("its key")).await.expect("known");
    let event = |fact| daicho_client::event(SCHEME, scene.now, fact);
    let tried =
        emitter.validate(vec![event(given("x-7", "f20_portal_to_ward", "spy"))]).await.expect("tried");
    let of_it: Vec<_> = tried.findings.iter().filter(|finding| finding.object == "t").collect();
    assert!(!of_it.is_empty() && of_it.iter().all(|finding| finding.detail.is_empty()), "{tried:?}");
    let refused =
        emitter.validate(vec![event(given("x-8", "f20_portal_to_ward", "th"))]).await.expect("tried");
    let text = refused.refusal.expect("another's copy").to_string();
    assert!(!text.contains(name(HOKKAIDO)), "{text}");
    // Whose it is sees all of it, as before.
    let shown = scene.client(HOKKAIDO).await.data_set(SCHEME, "t", 0).await.expect("its giver says so, too");
    assert_eq!(shown.summary.expect("what it is").kind, "ds_postal_application");
}
