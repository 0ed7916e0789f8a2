//! A disk that is full or lies: what was acknowledged is there, or the ledger does not open and says why.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use daicho_client::proto::{AppendStatementRequest, SignedStatement};
use daicho_client::{Client, ClientError, RefusalCode, SigningKey};
use daicho_core::{Entry, EntryIndex, sign_statement};
use daicho_engine::EngineConfig;
use daicho_store::{Head, Store, StoreError};
use daicho_tests::{Daichod, Play, collected};
use futures::TryStreamExt as _;
use futures::executor::block_on;

/// How a ledger of this test was left.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    /// As by a loss of power: everything since the opening is in the log.
    InLog,
    /// Quietly: everything is in table files, which the MANIFEST names.
    InTables,
}

/// The files of a small ledger, each of whose last statements was a commit group of its own.
struct Files {
    folder: tempfile::TempDir,
    head: Head,
}

impl Files {
    fn new(left: Left) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("running");
        let engine = block_on(Play::start_here(&data, EngineConfig::default())).expect("a ledger");
        let key = Play::contractor_key();
        for n in 1..=40 {
            let event = collected(Play::start(), &format!("c{n}"));
            block_on(engine.append(sign_statement(Play::ORIGIN, &[(&key, n)], vec![event])))
                .expect("recorded");
        }
        if left == Left::InTables {
            engine.stop();
        }
        let head = *engine.head().borrow();
        copy(&data, &folder.path().join("data"));
        drop(engine);
        Self { folder, head }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The longest file whose name fits, with its bytes.
    fn file(&self, fits: impl Fn(&str) -> bool) -> (PathBuf, Vec<u8>) {
        let all =
            std::fs::read_dir(self.data()).expect("a folder").map(|item| item.expect("readable").path());
        let named = all.filter(|path| fits(&path.file_name().unwrap_or_default().to_string_lossy()));
        let files = named.map(|path| (std::fs::read(&path).expect("readable"), path));
        let (bytes, path) = files.max_by_key(|(bytes, _)| bytes.len()).expect("such a file");
        (path, bytes)
    }

    /// The head as the files have it, and that every entry up to it is there. Reads only.
    fn open(&self) -> Result<Head, StoreError> {
        let store = Store::open_read_only(&self.data())?;
        let head = store.head()?;
        for index in 0..head.size.get() {
            let bytes = store.entry(EntryIndex::new(index))?;
            let bytes = bytes.ok_or_else(|| StoreError::Damaged(format!("entry {index} is missing")))?;
            assert_eq!(Entry::decode(&bytes).expect("an entry").index.get(), index);
        }
        Ok(head)
    }

    /// Flips bits of a file, one after the other. Each time the ledger MUST be whole, or not open and say why.
    fn flip(&self, (path, bytes): &(PathBuf, Vec<u8>), bits: impl Iterator<Item = usize>) -> usize {
        let mut found = 0;
        for bit in bits {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(path, &flipped).expect("writable");
            match self.open() {
                Ok(head) => assert_eq!(head, self.head, "bit {bit} of {} loses entries", path.display()),
                Err(error) => {
                    found += 1;
                    assert!(error.to_string().len() > 20, "bit {bit}: {error}");
                }
            }
        }
        std::fs::write(path, bytes).expect("writable");
        assert_eq!(self.open().expect("mended"), self.head);
        found
    }
}

/// Copies the files of a data folder as they are.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for item in std::fs::read_dir(from).expect("a folder") {
        let item = item.expect("readable");
        std::fs::copy(item.path(), to.join(item.file_name())).expect("copied");
    }
}

/// Where the records of a RocksDB log start: 7 bytes of header each, none across a block of 32 KiB.
fn record_starts(log: &[u8]) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut at = 0;
    while at + 7 <= log.len() {
        let left = 32_768 - at % 32_768;
        if left < 7 {
            at += left;
            continue;
        }
        starts.push(at);
        at += 7 + usize::from(u16::from_le_bytes([log[at + 4], log[at + 5]]));
    }
    starts
}

/// RocksDB alone drops acknowledged groups when the length of a record in the last block is damaged, and reads some
/// records with a damaged type for ever.
#[test]
fn a_flipped_bit_of_the_write_ahead_log_never_loses_an_acknowledged_entry() {
    let files = Files::new(Left::InLog);
    let log = files.file(|name| name.ends_with(".log"));
    let starts = record_starts(&log.1);
    assert!(starts.len() > 45 && log.1.len() > 65_536, "{} records", starts.len());
    let headers = starts.iter().flat_map(|start| start * 8..(start + 7) * 8);
    let elsewhere = (0..log.1.len() * 8).step_by(997);
    let bits: Vec<usize> = headers.chain(elsewhere).collect();
    assert_eq!(files.flip(&log, bits.iter().copied()), bits.len(), "every one is found");
    let error = {
        let mut flipped = log.1.clone();
        flipped[starts[starts.len() / 2] + 5] ^= 0x40;
        std::fs::write(&log.0, flipped).expect("writable");
        files.open().expect_err("damaged").to_string()
    };
    assert!(error.contains(".log is damaged at byte") && error.contains("restore the folder"), "{error}");
}

#[test]
fn a_log_that_breaks_off_anywhere_keeps_every_whole_group() {
    let files = Files::new(Left::InLog);
    let (path, bytes) = files.file(|name| name.ends_with(".log"));
    let starts = record_starts(&bytes);
    let last = &starts[starts.len() - 3..];
    let mut ends = last.to_vec();
    ends.push(bytes.len());
    let around = |place: &usize| place.saturating_sub(8)..place + 9;
    let cuts = (last[0]..bytes.len()).step_by(37).chain(ends.iter().flat_map(around));
    for (n, cut) in cuts.filter(|cut| (last[0]..=bytes.len()).contains(cut)).enumerate() {
        std::fs::write(&path, &bytes[..cut]).expect("writable");
        let whole = ends.iter().filter(|end| **end <= cut).count() as u64;
        let head = files.open().unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
        assert_eq!(head.size.get(), files.head.size.get() - 4 + whole, "cut at {cut}");
        // A write of which only the length reached the disk.
        if n % 5 == 0 {
            std::fs::write(&path, [&bytes[..cut], &[0; 300]].concat()).expect("writable");
            match files.open() {
                Ok(head) => assert_eq!(head.size.get(), files.head.size.get() - 4 + whole, "cut at {cut}"),
                // Cut inside a record it looks like one whose payload is damaged.
                Err(error) => assert!(!ends.contains(&cut), "cut at {cut}: {error}"),
            }
        }
    }
}

#[test]
fn a_flipped_bit_of_the_manifest_or_of_its_name_never_loses_an_acknowledged_entry() {
    for left in [Left::InLog, Left::InTables] {
        let files = Files::new(left);
        let manifest = files.file(|name| name.starts_with("MANIFEST-"));
        let bits = 0..manifest.1.len() * 8;
        assert_eq!(files.flip(&manifest, bits.clone()), bits.len(), "every one is found");
        let current = files.file(|name| name == "CURRENT");
        let found = files.flip(&current, 0..current.1.len() * 8);
        assert!(found > current.1.len() * 7, "{found}");
    }
}

/// Largest file that the server may write, in units of 512 bytes: room for its start and some hundred statements.
const FILE_BLOCKS: &str = "1024";

/// Serves the ledger below `folder` after these commands of a shell.
fn serve_after(folder: &Path, commands: &str) -> Daichod {
    let script = format!("{commands}; exec \"$@\"");
    Daichod::start_under(folder, &["sh", "-c", &script, "sh"].map(str::to_owned)).expect("a server")
}

/// The contractor's `n`th statement.
fn statement(origin: &str, key: &SigningKey, n: u64, now: daicho_core::Instant) -> SignedStatement {
    sign_statement(origin, &[(key, n)], vec![collected(now, &format!("c{n}"))])
}

async fn append(client: &Client, statement: SignedStatement) -> Result<(u64, Vec<u8>), ClientError> {
    let request = AppendStatementRequest { statement: Some(statement) };
    let answer = client.ledger().append_statement(request).await.map_err(ClientError::from)?.into_inner();
    let receipt = answer.receipt.expect("a receipt");
    Ok((receipt.entry_index, receipt.chain_hash))
}

fn is_closed<T>(result: &Result<T, ClientError>) -> bool {
    matches!(result, Err(ClientError::Refused(refusal)) if refusal.code == RefusalCode::WriterClosed)
}

#[tokio::test]
async fn a_full_disk_closes_the_writer_and_loses_nothing_acknowledged() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Daichod::fresh(folder.path(), None).expect("a server");
    let client = server.client().await.expect("a client");
    let play = Play::prepare(&client, server.ward_key().expect("key")).await.expect("prepared");
    let origin = client.ledger_info().await.expect("info").origin;
    let now = play.ward.ledger_now().await.expect("time");
    server.stop().expect("a quiet end");

    // The signal is ignored, so that a write past the limit fails as one on a full disk does.
    let cramped = serve_after(folder.path(), &format!("trap '' XFSZ; ulimit -f {FILE_BLOCKS}"));
    let client = cramped.client().await.expect("a client");
    let mut acknowledged = Vec::new();
    let failed = loop {
        let n = acknowledged.len() as u64 + 1;
        assert!(n < 20_000, "the disk never fills up");
        match append(&client, statement(&origin, &play.contractor, n, now)).await {
            Ok(receipt) => acknowledged.push(receipt),
            failed => break failed,
        }
    };
    assert!(is_closed(&failed), "{failed:?}");
    assert!(acknowledged.len() > 20, "{} before the disk was full", acknowledged.len());
    // Closed for good, also for what would fit; reading goes on.
    let next = acknowledged.len() as u64 + 1;
    for n in [next, next + 1] {
        assert!(is_closed(&append(&client, statement(&origin, &play.contractor, n, now)).await));
    }
    let (last, chain) = acknowledged.last().expect("some").clone();
    let info = client.ledger_info().await.expect("it still answers");
    assert_eq!((info.size, info.chain_hash), (last + 1, chain));
    assert!(!client.entry(last).await.expect("readable").bytes.is_empty());
    cramped.kill().expect("it ran");

    let server = Daichod::start(folder.path(), &[]).expect("starts with room again");
    let client = server.client().await.expect("a client");
    let entries: Vec<Vec<u8>> =
        client.read_entries(0, 0).await.expect("readable").try_collect().await.expect("whole");
    for (index, chain) in &acknowledged {
        let bytes = entries.get(*index as usize).expect("acknowledged and gone");
        assert_eq!(daicho_core::ChainHash::of_entry(bytes).as_bytes()[..], chain[..], "entry {index}");
    }
    // Whether the one that failed reached the disk nobody knew; sent again, it is recorded once.
    let again = append(&client, statement(&origin, &play.contractor, next, now)).await.expect("recorded");
    assert_eq!(again.0, last + 1);
    server.stop().expect("a quiet end");
    let checked = Daichod::fsck(folder.path(), &["--rebuild"]).expect("runs");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

/// A shell or a service manager gives few handles at first; a server that needs more may take them.
#[test]
fn a_server_takes_as_many_handles_as_it_may_have() {
    let folder = tempfile::tempdir().expect("a folder");
    Daichod::init(folder.path(), None).expect("founded");
    let server = serve_after(folder.path(), "ulimit -Sn 256; ulimit -Hn 900");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.id())).expect("Linux");
    let handles = limits.lines().find(|line| line.starts_with("Max open files")).expect("it has a limit");
    let words: Vec<&str> = handles.split_whitespace().collect();
    assert_eq!(words[3..5], ["900", "900"], "{handles}");
    server.stop().expect("a quiet end");
    let log = std::fs::read_to_string(folder.path().join("daichod.log")).expect("a log");
    assert!(log.contains("few file handles"), "{log}");
}

/// A small file system of its own, in memory. `None` where this machine does not let one mount any.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(mib: u32) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let size = format!("size={mib}m");
        let mount = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(folder.path())
            .output();
        mount.is_ok_and(|done| done.status.success()).then_some(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a server that a failed test left behind may still be there.
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

#[tokio::test]
async fn a_disk_that_fills_up_is_refused_cleanly_and_recording_goes_on_when_there_is_room() {
    let Some(disk) = SmallDisk::mount(160) else {
        eprintln!("SKIPPED: no file system can be mounted here");
        return;
    };
    Daichod::init(disk.0.path(), None).expect("founded");
    let server = Daichod::start(disk.0.path(), &["--min-free-mib", "40"]).expect("a server");
    let client = server.client().await.expect("a client");
    let play = Play::prepare(&client, server.ward_key().expect("key")).await.expect("prepared");
    let quick = daicho_client::Retry { attempts: 1, ..Default::default() };
    let mut emitter =
        daicho_client::Emitter::new(client.clone(), play.contractor).await.expect("known").with_retry(quick);
    let now = emitter.ledger_now().await.expect("a time");
    emitter.emit(vec![collected(now, "a")]).await.expect("recorded");

    // Something else fills the disk: to the last byte.
    let ballast = disk.0.path().join("ballast");
    let mut file = std::fs::File::create(&ballast).expect("made");
    while std::io::Write::write_all(&mut file, &[7; 1 << 20]).is_ok() {}
    drop(file);
    let refused = emitter.emit(vec![collected(now, "b")]).await.expect_err("no room");
    assert!(
        matches!(&refused, ClientError::Refused(refusal) if refusal.code == RefusalCode::DiskFull && refused.retryable()),
        "{refused}"
    );
    // Reading goes on.
    let size = client.ledger_info().await.expect("it answers").size;
    assert_eq!(
        client.read_entries(0, 0).await.expect("readable").try_collect::<Vec<_>>().await.expect("whole").len()
            as u64,
        size
    );

    std::fs::remove_file(&ballast).expect("removed");
    let recorded = emitter.emit(vec![collected(now, "b")]).await.expect("room again, and no restart");
    assert_eq!(recorded.entry_index, size, "nothing came between");
    server.stop().expect("stopped");
    let sound = Daichod::fsck(disk.0.path(), &["--rebuild"]).expect("runs");
    assert!(sound.status.success(), "{}", String::from_utf8_lossy(&sound.stdout));
}

#[tokio::test]
async fn a_disk_that_can_only_be_read_is_named_checked_and_served_again() {
    let Some(disk) = SmallDisk::mount(160) else {
        eprintln!("SKIPPED: no file system can be mounted here");
        return;
    };
    let remount = |how: &str| {
        let options = format!("remount,{how}");
        let mut mount = std::process::Command::new("mount");
        mount.args(["-o", &options]).arg(disk.0.path()).output().expect("mount runs").status.success()
    };
    let folder = disk.0.path();
    Daichod::init(folder, None).expect("founded");
    let server = Daichod::start(folder, &["--min-free-mib", "0"]).expect("a server");
    let client = server.client().await.expect("a client");
    let play = Play::prepare(&client, server.ward_key().expect("key")).await.expect("prepared");
    let origin = client.ledger_info().await.expect("info").origin;
    let now = play.ward.ledger_now().await.expect("time");
    let say = |n: u64| statement(&origin, &play.contractor, n, now);
    let last = append(&client, say(1)).await.expect("recorded").0;
    server.stop().expect("a quiet end");

    assert!(remount("ro"), "a file system of this test");
    // Everything that the server writes before it opens the ledger lies elsewhere.
    let log = tempfile::tempdir().expect("a folder");
    let port = log.path().join("port");
    let started = std::process::Command::new(daicho_tests::binary("daichod").expect("built"))
        .args(["serve", "--plaintext", "--listen", "127.0.0.1:0", "--data"])
        .arg(folder.join("data"))
        .arg("--operator-key")
        .arg(folder.join("operator.pem"))
        .arg("--port-file")
        .arg(&port)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&started.stderr);
    assert!(!started.status.success() && said.contains("Read-only file system"), "{said}");
    let checked = Daichod::fsck(folder, &[]).expect("runs");
    assert!(checked.status.success(), "what can be read can be checked: {checked:?}");

    assert!(remount("rw"));
    let server = Daichod::start(folder, &["--min-free-mib", "0"]).expect("it serves again");
    let client = server.client().await.expect("a client");
    assert_eq!(client.ledger_info().await.expect("info").size, last + 1);
    assert_eq!(append(&client, say(2)).await.expect("recorded").0, last + 1);
    server.stop().expect("a quiet end");
    let sound = Daichod::fsck(folder, &["--rebuild"]).expect("runs");
    assert!(sound.status.success(), "{}", String::from_utf8_lossy(&sound.stdout));
}

/// Root without the capability to write whatever it wants to: permissions hold for it as for anybody.
const WITHOUT_CAPABILITIES: [&str; 3] = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"];

#[tokio::test]
async fn what_may_not_be_read_or_written_is_named_and_nothing_is_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let locked = folder.path().join("locked");
    std::fs::create_dir(&locked).expect("a folder");
    let mode = |path: &Path, mode| std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("set");
    mode(&locked, 0o500);
    let under: &[&str] = match std::fs::write(locked.join("file"), "").is_ok() {
        false => &[],
        true => {
            let tried =
                std::process::Command::new("setpriv").args(&WITHOUT_CAPABILITIES[1..]).arg("true").status();
            if !tried.is_ok_and(|status| status.success()) {
                eprintln!(
                    "SKIPPED: permissions do not hold for this user, and setpriv does not let go of capabilities"
                );
                return;
            }
            &WITHOUT_CAPABILITIES
        }
    };
    let under: Vec<String> = under.iter().map(|word| (*word).to_owned()).collect();

    let server = Daichod::fresh(folder.path(), None).expect("a server");
    let client = server.client().await.expect("a client");
    let play = Play::prepare(&client, server.ward_key().expect("key")).await.expect("prepared");
    let origin = client.ledger_info().await.expect("info").origin;
    let now = play.ward.ledger_now().await.expect("time");
    let mut said = 0;
    let mut record = async |client: &Client| {
        said += 1;
        append(client, statement(&origin, &play.contractor, said, now)).await.expect("recorded").0
    };
    let mut last = record(&client).await;
    server.stop().expect("a quiet end");

    let data = folder.path().join("data");
    // Another one after each start.
    let manifest = || {
        let names =
            std::fs::read_dir(&data).expect("a folder").map(|file| file.expect("readable").file_name());
        let mut names = names.map(|name| name.to_string_lossy().into_owned());
        format!("data/{}", names.find(|name| name.starts_with("MANIFEST-")).expect("a manifest"))
    };
    for (name, closed) in [
        ("data", 0o500),
        ("data", 0o000),
        ("MANIFEST", 0o000),
        ("data/CURRENT", 0o000),
        ("data.guard", 0o400),
        ("data.checkpoint-key", 0o000),
        ("operator.pem", 0o000),
    ] {
        let path = folder.path().join(if name == "MANIFEST" { manifest() } else { name.to_owned() });
        let open = path.metadata().expect("there").permissions().mode();
        mode(&path, closed);
        std::fs::remove_file(folder.path().join("daichod.log")).expect("what was said before");
        let refused = Daichod::start_under(folder.path(), &under);
        mode(&path, open & 0o777);
        let said = refused.expect_err(&format!("{name} {closed:o}")).to_string();
        let named = |line: &str| line.contains("ermission denied") && line.contains(&*path.to_string_lossy());
        assert!(said.lines().any(named), "{name} {closed:o}: {said}");
        // With its mode set right, everything is there and recording goes on.
        let server = Daichod::start_under(folder.path(), &under).expect("it serves");
        let client = server.client().await.expect("a client");
        assert_eq!(client.ledger_info().await.expect("info").size, last + 1, "{name}");
        last = record(&client).await;
        server.stop().expect("a quiet end");
    }
    let checked = Daichod::fsck(folder.path(), &["--rebuild"]).expect("runs");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}
