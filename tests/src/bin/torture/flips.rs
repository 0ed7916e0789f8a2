//! A bit changed in each kind of record and each index, through the database itself, so that no checksum of its files
//! tells: `fsck --rebuild` must.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;

use anyhow::{Context as _, ensure};
use daicho_client::Emitter;
use daicho_tests::{Daichod, Play, collected, deleted, milestone};
use rocksdb::{DB, IteratorMode, Options};

use super::{Row, progress};

/// Records of each kind, in which a bit of the content and a bit of the name are changed.
const RECORDS: usize = 10;

/// A record with the family that it is in.
type Place = (String, Vec<u8>, Vec<u8>);

pub(crate) async fn sweep(seed: u64) -> anyhow::Result<Row> {
    let mut row = Row {
        fault: "a bit changed in a record or its name",
        runs: 0,
        survived: 0,
        lost: 0,
        acknowledged: 0,
    };
    let base = tempfile::tempdir()?;
    let server = Daichod::fresh(base.path(), None)?;
    let client = server.client().await?;
    Play::prepare(&client, server.ward_key()?).await?;
    let mut emitter = Emitter::new(client.clone(), Play::contractor_key()).await?;
    let now = emitter.ledger_now().await?;
    for id in ["a", "b", "c", "d"] {
        emitter.emit(vec![collected(now, id)]).await?;
    }
    emitter.emit(vec![milestone(now, &["a", "b"]), deleted(now, &["a"])]).await?;
    client.proof().seal_ledger(daicho_client::proto::SealLedgerRequest {}).await?;
    client.publish_checkpoint().await?;
    server.stop()?;
    let sound = Daichod::fsck(base.path(), &["--rebuild"])?;
    ensure!(sound.status.success(), "{}", String::from_utf8_lossy(&sound.stdout));

    let kinds = kinds(&base.path().join("data"))?;
    let mut random = seed;
    for (kind, places) in &kinds {
        // Written through the same door, but as it was: what is found below is the bit, not the writing.
        let (family, key, value) = &places[0];
        let same = altered(base.path(), family, key, (key, value))?;
        ensure!(same.status.success(), "{kind}: {}", String::from_utf8_lossy(&same.stdout));
        let count = RECORDS.min(places.len());
        for n in 0..count {
            let (family, key, value) = &places[n * (places.len() - 1) / (count - 1).max(1)];
            for in_name in [false, true] {
                random =
                    random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let (mut new_key, mut new_value) = (key.clone(), value.clone());
                let changed = if in_name { &mut new_key } else { &mut new_value };
                if changed.is_empty() {
                    continue;
                }
                let at = (random >> 33) as usize % (changed.len() * 8);
                changed[at / 8] ^= 1 << (at % 8);
                let checked = altered(base.path(), family, key, (&new_key, &new_value))?;
                row.runs += 1;
                if checked.status.success() {
                    let what = if in_name { "name" } else { "content" };
                    eprintln!("\nbit {at} in the {what} of {kind} {} is not found", hex::encode(key));
                } else {
                    row.survived += 1;
                }
                progress(&row);
            }
        }
    }
    eprintln!("\n{} kinds of records", kinds.len());
    Ok(row)
}

/// What `fsck` says of a copy of a ledger in which another record stands in the place of one.
fn altered(base: &Path, family: &str, key: &[u8], new: (&[u8], &[u8])) -> anyhow::Result<Output> {
    let folder = tempfile::tempdir()?;
    super::copy(base, folder.path())?;
    {
        let db = open(&folder.path().join("data"))?;
        let cf = db.cf_handle(family).context("the family")?;
        db.delete_cf(cf, key)?;
        db.put_cf(cf, new.0, new.1)?;
    }
    Daichod::fsck(folder.path(), &["--rebuild"])
}

fn open(data: &Path) -> anyhow::Result<DB> {
    let families = DB::list_cf(&Options::default(), data)?;
    Ok(DB::open_cf(&Options::default(), data, families)?)
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
            let kind = if family == "state" { format!("state {:02x}", key[0]) } else { family.clone() };
            kinds.entry(kind).or_default().push((family.clone(), key.to_vec(), value.to_vec()));
        }
    }
    Ok(kinds)
}
