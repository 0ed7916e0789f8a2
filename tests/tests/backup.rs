//! Backups of a ledger that is written to: what was acknowledged before one's mark is in it, damage in it is found, and a
//! restored ledger cannot sign a second history.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant as Stopwatch};

use daicho_client::{Client, Emitter};
use daicho_tests::{Daichod, Play, binary, collected};

/// Statements that are recorded between looks at the backups.
const BURST: usize = 200;

fn daichod(args: &[&str]) -> Output {
    Command::new(binary("daichod").expect("built")).args(args).output().expect("it runs")
}

fn words(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// Numbers of the backups whose description is written.
fn backups(folder: &Path) -> Vec<u64> {
    let list = std::fs::read_dir(folder.join("meta"));
    let names = list.into_iter().flatten().filter_map(|file| file.ok()?.file_name().into_string().ok());
    let mut ids: Vec<u64> = names.filter_map(|name| name.parse().ok()).collect();
    ids.sort_unstable();
    ids
}

/// Records statements until a backup of this number is there. The entries acknowledged before it was asked for.
async fn write_until(client: &Client, server: &Daichod, folder: &Path, id: u64, said: &mut usize) -> u64 {
    let mut emitter = Emitter::new(client.clone(), Play::contractor_key()).await.expect("authorised");
    let now = emitter.ledger_now().await.expect("a time");
    let mut mark = None;
    let watch = Stopwatch::now();
    while !backups(folder).contains(&id) {
        assert!(watch.elapsed() < Duration::from_secs(120), "no backup {id}");
        let events = (0..BURST).map(|n| collected(now, &format!("copy-{}", *said + n))).collect();
        let recorded = emitter.emit(events).await.expect("recorded");
        *said += BURST;
        if mark.is_none() {
            mark = Some(recorded.entry_index);
            let asked = Command::new("kill").args(["-USR1", &server.id().to_string()]).status();
            assert!(asked.expect("kill runs").success());
        }
    }
    mark.expect("something was recorded")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_loses_nothing_that_was_acknowledged_before_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let kept: PathBuf = folder.path().join("backups");
    Daichod::init(folder.path(), None).expect("founded");
    let server = Daichod::start(folder.path(), &["--backup-dir", words(&kept)]).expect("it serves");
    let client = server.client().await.expect("a client");
    Play::prepare(&client, server.ward_key().expect("key")).await.expect("prepared");
    let mut said = 0;
    let first = write_until(&client, &server, &kept, 1, &mut said).await;
    let second = write_until(&client, &server, &kept, 2, &mut said).await;
    // The machine dies at once; the disk with the data is gone.
    server.kill().expect("killed");
    std::fs::remove_dir_all(folder.path().join("data")).expect("removed");

    for (id, mark) in [("1", first), ("2", second)] {
        let checked = daichod(&["verify-backup", "--from", words(&kept), "--id", id]);
        assert!(checked.status.success(), "{checked:?}");
        assert!(String::from_utf8_lossy(&checked.stdout).contains("rebuilt from the entries and equal"));
        let data = folder.path().join(format!("restored-{id}"));
        let restored = daichod(&["restore", "--from", words(&kept), "--id", id, "--data", words(&data)]);
        assert!(restored.status.success(), "{restored:?}");
        let store = daicho_store::Store::open_read_only(&data).expect("a ledger");
        assert!(
            store.head().expect("a head").size.get() > mark,
            "entry {mark} was acknowledged before backup {id}"
        );
        // A folder with a ledger is never written over.
        let again = daichod(&["restore", "--from", words(&kept), "--id", id, "--data", words(&data)]);
        assert_eq!(again.status.code(), Some(3), "{again:?}");
    }
    let none =
        daichod(&["restore", "--from", words(&kept), "--id", "9", "--data", words(&folder.path().join("x"))]);
    assert_eq!(none.status.code(), Some(3), "{none:?}");

    // More was acknowledged after the backup: the guard does not let the restored ledger sign over it.
    std::fs::rename(folder.path().join("restored-1"), folder.path().join("data")).expect("moved");
    let refused = Daichod::start(folder.path(), &[]).expect_err("refused").to_string();
    assert!(refused.contains("older than what was acknowledged"), "{refused}");
}

/// The files of a folder, with their lengths.
fn files(folder: &Path) -> BTreeMap<PathBuf, u64> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for file in std::fs::read_dir(next).expect("readable") {
            let path = file.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path.clone(), path.metadata().expect("readable").len());
            }
        }
    }
    files
}

/// The tables that a backup names in its description.
fn tables(folder: &Path, id: u32) -> BTreeSet<String> {
    let text = std::fs::read_to_string(folder.join(format!("meta/{id}"))).expect("a description");
    let names = text.lines().filter_map(|line| line.split(' ').next());
    names.filter(|name| name.ends_with(".sst")).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_backup_adds_what_is_new_and_shares_the_rest() {
    let folder = tempfile::tempdir().expect("a folder");
    let kept = folder.path().join("backups");
    let server = Daichod::fresh(folder.path(), None).expect("a server");
    let client = server.client().await.expect("a client");
    Play::prepare(&client, server.ward_key().expect("key")).await.expect("prepared");
    let mut emitter = Emitter::new(client, Play::contractor_key()).await.expect("authorised");
    let now = emitter.ledger_now().await.expect("a time");
    for burst in 0..20 {
        let events = (0..BURST).map(|n| collected(now, &format!("copy-{burst}-{n}"))).collect();
        emitter.emit(events).await.expect("recorded");
    }
    let back_up = |folder: &Path| {
        let taken = daichod(&["backup", "--data", words(&folder.join("data")), "--to", words(&kept)]);
        assert!(taken.status.success(), "{taken:?}");
        files(&kept)
    };
    server.stop().expect("stopped");
    let first = back_up(folder.path());
    let server = Daichod::start(folder.path(), &[]).expect("it serves");
    let client = server.client().await.expect("a client");
    let mut emitter = Emitter::new(client, Play::contractor_key()).await.expect("authorised");
    emitter.emit(vec![collected(now, "one-more")]).await.expect("recorded");
    server.stop().expect("stopped");
    let second = back_up(folder.path());

    let all: u64 = first.values().sum();
    let added: u64 = second.iter().filter(|(path, _)| !first.contains_key(*path)).map(|(_, len)| len).sum();
    assert!(added * 4 < all, "{added} bytes beside {all}");
    assert!(first.keys().all(|path| second.contains_key(path)), "the first one is whole");
    let [one, two] = [1, 2].map(|id| tables(&kept, id));
    assert!(one.intersection(&two).count() * 2 > two.len(), "{one:?} {two:?}");
    assert_ne!(one, two, "what is new is in it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bit_in_any_table_of_a_backup_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let kept = folder.path().join("backups");
    let server = Daichod::fresh(folder.path(), None).expect("a server");
    let client = server.client().await.expect("a client");
    Play::prepare(&client, server.ward_key().expect("key")).await.expect("prepared");
    server.stop().expect("stopped");
    let taken = daichod(&["backup", "--data", words(&folder.path().join("data")), "--to", words(&kept)]);
    assert!(taken.status.success(), "{taken:?}");
    let files = files(&kept);
    let tables: Vec<&PathBuf> =
        files.keys().filter(|path| path.extension().is_some_and(|ending| ending == "sst")).collect();
    assert!(!tables.is_empty(), "{files:?}");
    for path in tables {
        let sound = std::fs::read(path).expect("readable");
        let mut changed = sound.clone();
        changed[sound.len() / 3] ^= 4;
        std::fs::write(path, &changed).expect("written");
        let checked = daichod(&["verify-backup", "--from", words(&kept)]);
        assert_eq!(checked.status.code(), Some(1), "{}: {checked:?}", path.display());
        assert!(String::from_utf8_lossy(&checked.stdout).contains("DAMAGED"), "{checked:?}");
        std::fs::write(path, &sound).expect("written");
    }
    assert!(daichod(&["verify-backup", "--from", words(&kept)]).status.success());
}
