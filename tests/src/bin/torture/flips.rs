//! A bit changed in each kind of record and each index, through the database itself, so that no checksum of its files
//! tells: `fsck --rebuild` must.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, ensure};
use daicho_client::proto::event::Fact;
use daicho_client::proto::{
    Corrected, FindingDecided, FindingDecision, HandoverGiven, KeyAuthorized, SealLedgerRequest, WardRuleSet,
};
use daicho_client::{Emitter, event};
use daicho_core::{SigningKey, sign_statement};
use daicho_custody::state::Table;
use daicho_tests::{Daichod, Play, SCHEME, binary};
use rocksdb::{DB, IteratorMode, Options};

use super::{Row, progress};

/// Records of each kind, in which a bit of the content and a bit of the name are changed.
const RECORDS: usize = 4;

/// A record with the family that it is in.
type Place = (String, Vec<u8>, Vec<u8>);

pub(crate) async fn sweep(seed: u64) -> anyhow::Result<Row> {
    let row = Row {
        fault: "a bit changed in a record or its name",
        runs: 0,
        survived: 0,
        lost: 0,
        acknowledged: 0,
    };
    let base = tempfile::tempdir()?;
    fill(base.path()).await?;
    let sound = Daichod::fsck(base.path(), &["--rebuild"])?;
    ensure!(sound.status.success(), "{}", String::from_utf8_lossy(&sound.stdout));

    let kinds = kinds(&base.path().join("data"))?;
    let changes = changes(&kinds, seed);
    let next = AtomicUsize::new(0);
    let row = Mutex::new(row);
    let work = || -> anyhow::Result<()> {
        while let Some(change) = changes.get(next.fetch_add(1, Ordering::Relaxed)) {
            // Damage that is named, or files that cannot be opened; a check that breaks off has found nothing.
            let found = matches!(altered(base.path(), change)?.status.code(), Some(1 | 3));
            let mut row = row.lock().unwrap_or_else(PoisonError::into_inner);
            let Change { at: Some((bit, what)), .. } = change else {
                ensure!(!found, "{} written back as it was is no longer sound", change.name());
                continue;
            };
            row.runs += 1;
            row.survived += u64::from(found);
            if !found {
                eprintln!("\nbit {bit} in the {what} of {} is not found", change.name());
            }
            progress(&row);
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(work);
        work()?;
        other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    let row = row.into_inner().unwrap_or_else(PoisonError::into_inner);
    eprintln!("\n{} kinds of records", kinds.len());
    Ok(row)
}

/// A record and what stands in its place.
struct Change<'k> {
    kind: &'k str,
    place: &'k Place,
    key: Vec<u8>,
    value: Vec<u8>,
    /// Which bit of what is changed. `None`: it is written through the same door, but as it was, so that what is found
    /// elsewhere is the bit and not the writing.
    at: Option<(usize, &'static str)>,
}

impl Change<'_> {
    fn name(&self) -> String {
        format!("{} {}", self.kind, hex::encode(&self.place.1))
    }
}

/// The changes that are tried: for each kind the first record as it was, then bits of some records.
fn changes(kinds: &BTreeMap<String, Vec<Place>>, seed: u64) -> Vec<Change<'_>> {
    let mut random = seed;
    let mut changes = Vec::new();
    for (kind, places) in kinds {
        let (_, key, value) = &places[0];
        changes.push(Change { kind, place: &places[0], key: key.clone(), value: value.clone(), at: None });
        let count = RECORDS.min(places.len());
        for n in 0..count {
            let place = &places[n * (places.len() - 1) / (count - 1).max(1)];
            for what in ["content", "name"] {
                random =
                    random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let (mut key, mut value) = (place.1.clone(), place.2.clone());
                let changed = if what == "name" { &mut key } else { &mut value };
                if changed.is_empty() {
                    continue;
                }
                let bit = (random >> 33) as usize % (changed.len() * 8);
                changed[bit / 8] ^= 1 << (bit % 8);
                changes.push(Change { kind, place, key, value, at: Some((bit, what)) });
            }
        }
    }
    changes
}

/// A ledger with records of every kind: the schemes played with all their faults, and what no scheme brings about.
async fn fill(folder: &Path) -> anyhow::Result<()> {
    Daichod::init(folder, Some("2018-08-01"))?;
    let server = Daichod::start(folder, &[])?;
    // As from the folder of the project, where `make` is called.
    let schemes = Path::new("deploy/schemes");
    let mut play = Command::new(binary("daicho")?);
    play.args(["simulate", "--scale", "0.00001", "--server", server.address(), "--schemes-dir"]).arg(schemes);
    play.arg("--ward-key").arg(folder.join("ward.pem"));
    let played = play.output()?;
    ensure!(played.status.success(), "{}", String::from_utf8_lossy(&played.stderr));

    let client = server.client().await?;
    let mut ward = Emitter::new(client.clone(), server.ward_key()?).await?;
    let (origin, now) = (ward.origin().to_owned(), ward.ledger_now().await?);
    let (key, party) = (Play::contractor_key(), format!("{SCHEME}/hyojito"));
    let invited = SigningKey::from_seed(&[43; 32]).request(&origin, &party, "invitation");
    let invites_until_ms = now.plus_ms(86_400_000).unix_ms();
    let invitation = KeyAuthorized { invites_for: "server".into(), invites_until_ms, ..invited };
    let findings = client.findings(SCHEME, 0).await?;
    let finding = findings.first().context("a finding")?;
    let decided = FindingDecided {
        code: finding.code.clone(),
        object: finding.object.clone(),
        decision: FindingDecision::Guided.into(),
        ground: "told what to do".into(),
        ..Default::default()
    };
    let corrected = Corrected { entry_index: 1, event: 0, correction: "another day".into() };
    let given = |id: &str, flow: &str, to_party: &str| {
        let (handover, flow, to_party) = (id.into(), flow.into(), to_party.into());
        Fact::HandoverGiven(HandoverGiven { handover, flow, to_party, ..Default::default() })
    };
    let rule = WardRuleSet { threshold: 1, key_ids: vec![ward.key_id().as_bytes().to_vec()] };
    ward.emit(vec![
        event("", now, Fact::KeyAuthorized(key.request(&origin, &party, "server"))),
        event("", now, Fact::KeyAuthorized(invitation)),
        event("", now, Fact::Corrected(corrected)),
        event(SCHEME, now, Fact::FindingDecided(decided)),
        event(SCHEME, now, given("h-1", "f07_queue_state", "hyojito")),
        event("", now, Fact::WardRuleSet(rule)),
    ])
    .await?;
    // The second number first: one is left out, and comes after all. Its handover has the id of the ward's.
    for (number, id) in [(2, "h-1"), (1, "h-2")] {
        let fact = given(id, "f04_notice_line", "line_corp");
        let said = sign_statement(&origin, &[(&key, number)], vec![event(SCHEME, now, fact)]);
        ward.resend(said).await?;
    }
    client.proof().seal_ledger(SealLedgerRequest {}).await?;
    client.publish_checkpoint().await?;
    server.stop()
}

/// What `fsck` says of a copy of a ledger with a change.
fn altered(base: &Path, change: &Change<'_>) -> anyhow::Result<Output> {
    let folder = tempfile::tempdir()?;
    super::copy(base, folder.path())?;
    {
        let (family, key, _) = change.place;
        let db = open(&folder.path().join("data"))?;
        let cf = db.cf_handle(family).context("the family")?;
        db.delete_cf(cf, key)?;
        db.put_cf(cf, &change.key, &change.value)?;
    }
    Daichod::fsck(folder.path(), &["--rebuild"])
}

fn open(data: &Path) -> anyhow::Result<DB> {
    let families = DB::list_cf(&Options::default(), data)?;
    Ok(DB::open_cf(&Options::default(), data, families)?)
}

fn of_state(table: u8) -> String {
    format!("state {:?}", char::from(table))
}

/// All records by kind: the family, and for the state its table.
fn kinds(data: &Path) -> anyhow::Result<BTreeMap<String, Vec<Place>>> {
    let mut kinds: BTreeMap<String, Vec<Place>> = BTreeMap::new();
    let families = DB::list_cf(&Options::default(), data)?;
    let db = open(data)?;
    for family in families {
        let cf = db.cf_handle(&family).context("the family")?;
        for record in db.iterator_cf(cf, IteratorMode::Start) {
            let (key, value) = record?;
            let kind = if family == "state" { of_state(key[0]) } else { family.clone() };
            kinds.entry(kind).or_default().push((family.clone(), key.to_vec(), value.to_vec()));
        }
    }
    let missing: Vec<Table> =
        Table::ALL.into_iter().filter(|table| !kinds.contains_key(&of_state(*table as u8))).collect();
    ensure!(missing.is_empty(), "no record of {missing:?}");
    Ok(kinds)
}
