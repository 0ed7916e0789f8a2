//! The system refuses a write, a sync, a rename, to open a file, or the process dies in one: `strace` answers in its place, the n-th time.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use daicho_store::Store;
use daicho_tests::{Acknowledged, Daichod, binary};

use crate::{Row, base, copy, progress, record, remove, sound};

/// Statements of a run.
const STATEMENTS: usize = 12;
/// How long the record of the system calls may lag behind an end.
const LAG: Duration = Duration::from_secs(10);

/// What is said in place of the system.
pub(crate) struct Answer {
    fault: &'static str,
    /// As `strace --inject` takes it, without the number.
    injected: &'static str,
    /// Behind the number: from then on, every time.
    for_good: &'static str,
    /// Of which files.
    of: Of,
}

/// Whose calls are answered.
enum Of {
    /// Every file's.
    All,
    /// Those of the ledger's own files, and of what is kept beside it: sockets are written to as well, and libraries opened.
    /// Most are met at the start.
    Ledger,
    /// Those of RocksDB's write-ahead log, which statements go to.
    Log,
}

impl Answer {
    fn call(&self) -> &str {
        self.injected.split(':').next().unwrap_or_default()
    }
}

pub(crate) const ANSWERS: &[Answer] = &[
    answer("a sync fails once (EIO)", "fdatasync:error=EIO", "", Of::All),
    answer("every sync fails from one on (EIO)", "fdatasync:error=EIO", "+", Of::All),
    answer("no room at a sync (ENOSPC)", "fdatasync:error=ENOSPC", "+", Of::All),
    answer("a sync of a folder or of the guard fails (EIO)", "fsync:error=EIO", "", Of::All),
    answer("a write at the start fails (EIO)", "write,pwrite64:error=EIO", "", Of::Ledger),
    answer("a write of a statement fails (EIO)", "write,pwrite64:error=EIO", "", Of::Log),
    answer("no room at a write (ENOSPC)", "write,pwrite64:error=ENOSPC", "+", Of::Log),
    answer("a file cannot be opened (EIO)", "openat:error=EIO", "", Of::Ledger),
    answer("a file cannot be renamed (EIO)", "rename:error=EIO", "", Of::All),
    answer("SIGKILL in a sync", "fdatasync:signal=KILL", "", Of::All),
];

const fn answer(fault: &'static str, injected: &'static str, for_good: &'static str, of: Of) -> Answer {
    Answer { fault, injected, for_good, of }
}

/// The server meets an answer at its first call, at its second, until it lives through all of them.
pub(crate) async fn refused(answer: &Answer, most: u64) -> anyhow::Result<Row> {
    let there = Command::new("strace").arg("-V").output();
    ensure!(there.is_ok_and(|ran| ran.status.success()), "strace is not there: apt-get install strace");
    let base = base().await?;
    let files = match answer.of {
        Of::All => Vec::new(),
        Of::Ledger => files_of_a_run(base.path()).await?,
        Of::Log => {
            let mut files = files_of_a_run(base.path()).await?;
            files.retain(|file| file.extension().is_some_and(|extension| extension == "log"));
            files
        }
    };
    let mut row = Row { fault: answer.fault, runs: 0, survived: 0, lost: 0, acknowledged: 0 };
    for n in 1..=most {
        let folder = tempfile::tempdir()?;
        copy(base.path(), folder.path())?;
        let acknowledged = Acknowledged::default();
        if !meets(folder.path(), (answer, &files), n, &acknowledged).await? {
            break;
        }
        row.comes_up(folder.path(), n, &acknowledged).await?;
    }
    Ok(row)
}

/// The files that a run reads and writes, from its folder on: their names are the same in every run. Without RocksDB's own
/// log, of which nothing depends.
async fn files_of_a_run(base: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let folder = tempfile::tempdir()?;
    copy(base, folder.path())?;
    let mut found = BTreeSet::new();
    let mut look = || -> anyhow::Result<()> {
        for place in ["data", "data.reads", "."] {
            let Ok(files) = std::fs::read_dir(folder.path().join(place)) else { continue };
            for file in files {
                let file = file?;
                let name = file.file_name();
                let name = name.to_string_lossy();
                let ours = if place == "." { name.starts_with("data.") } else { !name.starts_with("LOG") };
                if ours && file.file_type()?.is_file() {
                    found.insert(if place == "." {
                        PathBuf::from(&*name)
                    } else {
                        Path::new(place).join(&*name)
                    });
                }
            }
        }
        Ok(())
    };
    look()?;
    let server = Daichod::start(folder.path(), &[])?;
    look()?;
    record(&server.client().await?, STATEMENTS, &Acknowledged::default()).await?;
    look()?;
    server.stop()?;
    look()?;
    Ok(found.into_iter().collect())
}

/// Every write to a file takes only half of what it is given, then every second one, and so on.
pub(crate) async fn short_writes() -> anyhow::Result<Row> {
    const SOURCE: &str = include_str!("short.c");
    let tools = tempfile::tempdir()?;
    let (source, library) = (tools.path().join("short.c"), tools.path().join("short.so"));
    std::fs::write(&source, SOURCE)?;
    let made = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .output()
        .context("a C compiler")?;
    ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let base = base().await?;
    let fault = "a write takes only half of it";
    let mut row = Row { fault, runs: 0, survived: 0, lost: 0, acknowledged: 0 };
    for every in 1..=10 {
        let folder = tempfile::tempdir()?;
        copy(base.path(), folder.path())?;
        let told = tools.path().join("told");
        let variables = [
            ("LD_PRELOAD", library.display().to_string()),
            ("SHORT_EVERY", every.to_string()),
            ("SHORT_TOLD", told.display().to_string()),
        ];
        let server = Daichod::start_with(folder.path(), &[], &variables)?;
        let acknowledged = Acknowledged::default();
        record(&server.client().await?, STATEMENTS, &acknowledged).await?;
        ensure!(acknowledged.count() >= STATEMENTS, "a short write was taken for a refusal");
        server.stop()?;
        let shortened: u64 = std::fs::read_to_string(&told).context("how often")?.trim().parse()?;
        ensure!(shortened >= STATEMENTS as u64 / every, "only {shortened} writes were short");
        row.comes_up(folder.path(), every, &acknowledged).await?;
    }
    Ok(row)
}

/// A command of the operator that is killed in one of its syncs.
#[derive(Clone, Copy)]
pub(crate) enum Killed {
    /// Which makes key files, too.
    Founding,
    Backup,
    Restore,
}

pub(crate) const COMMANDS: &[Killed] = &[Killed::Founding, Killed::Backup, Killed::Restore];

impl Killed {
    fn fault(self) -> &'static str {
        match self {
            Self::Founding => "SIGKILL in a sync of founding, with its keys",
            Self::Backup => "SIGKILL in a sync of a backup",
            Self::Restore => "SIGKILL in a sync of a restore",
        }
    }

    /// The command, in a folder that holds a ledger in `data` and a backup of it in `kept`; a restore writes `back/data`.
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Founding => &[
                "init",
                "--origin",
                "demo.example/ledger",
                "--data",
                "new/data",
                "--ward-key",
                "new/ward.pem",
                "--operator-key",
                "new/operator.pem",
            ],
            Self::Backup => &["backup", "--data", "data", "--to", "kept"],
            Self::Restore => &["restore", "--from", "kept", "--data", "back/data"],
        }
    }

    /// What holds after a death: what was there is there, and the command can be given again, where it is said what to
    /// remove first.
    fn holds(self, folder: &Path) -> anyhow::Result<bool> {
        let run = |args: &[&str]| daichod(folder, args, &[]);
        let again = || Ok::<_, anyhow::Error>(run(self.arguments())?.status.success());
        match self {
            Self::Founding => {
                if !again()? {
                    for name in ["data", "data.guard"] {
                        remove(&folder.join("new").join(name))?;
                    }
                    ensure!(again()?, "it cannot be founded again");
                }
                sound(&folder.join("new"), 0)
            }
            Self::Backup => {
                let first = run(&["verify-backup", "--from", "kept", "--id", "1"])?.status.success();
                let next = again()? && run(&["verify-backup", "--from", "kept"])?.status.success();
                Ok(first && next && sound(folder, 0)?)
            }
            Self::Restore => {
                let back = folder.join("back");
                // Half of a ledger does not pass for one.
                let size = |data: &Path| {
                    Store::open_read_only(data).and_then(|store| store.head()).map(|head| head.size)
                };
                let whole = size(&folder.join("data"))?;
                ensure!(
                    size(&back.join("data")).map_or(true, |found| found == whole),
                    "a part passes for a ledger"
                );
                remove(&back.join("data"))?;
                Ok(again()? && sound(&back, 0)?)
            }
        }
    }
}

/// A command dies in the first, the second, … sync of a thread, until none has so many; of files' data (`fdatasync`) and of
/// files and folders (`fsync`) in turn.
pub(crate) async fn killed(command: &Killed, most: u64) -> anyhow::Result<Row> {
    let base = base().await?;
    let taken = daichod(base.path(), Killed::Backup.arguments(), &[])?;
    ensure!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
    let mut row = Row { fault: command.fault(), runs: 0, survived: 0, lost: 0, acknowledged: 0 };
    for call in ["fdatasync", "fsync"] {
        for n in 1..=most {
            let folder = tempfile::tempdir()?;
            let folder = folder.path();
            copy(base.path(), folder)?;
            for name in ["new", "back"] {
                std::fs::create_dir(folder.join(name))?;
            }
            let (trace, inject) = (format!("trace={call}"), format!("inject={call}:signal=KILL:when={n}"));
            let under = ["strace", "-f", "-e", &trace, "-e", &inject, "-o", "strace.log"];
            let ran = daichod(folder, command.arguments(), &under)?;
            if ran.status.success() {
                break;
            }
            let what = || format!("{}, {call} {n}", command.fault());
            let killed = std::fs::read_to_string(folder.join("strace.log"))?.contains("killed by SIGKILL");
            ensure!(killed, "{}: {}", what(), String::from_utf8_lossy(&ran.stderr));
            row.runs += 1;
            row.survived += u64::from(command.holds(folder).with_context(what)?);
            progress(&row);
        }
    }
    Ok(row)
}

/// A command in this folder, under another program or not.
fn daichod(folder: &Path, args: &[&str], under: &[&str]) -> anyhow::Result<Output> {
    let daichod = binary("daichod")?;
    let mut command = match under {
        [] => Command::new(daichod),
        [program, rest @ ..] => {
            let mut command = Command::new(program);
            command.args(rest).arg(daichod);
            command
        }
    };
    Ok(command.args(args).current_dir(folder).output()?)
}

/// Serves and records, with the n-th call of each thread answered so. `false` when that never came.
///
/// # Errors
/// When the server fails for another reason.
async fn meets(
    folder: &Path,
    (answer, files): (&Answer, &[PathBuf]),
    n: u64,
    acknowledged: &Acknowledged,
) -> anyhow::Result<bool> {
    let log = folder.join("strace.log");
    let served = async {
        let inject = format!("inject={}:when={n}{}", answer.injected, answer.for_good);
        let log = log.display().to_string();
        // In the place of the server, which keeps the process that was started; each thread counts its own syncs. (With
        // --seccomp-bpf no signal comes.)
        let trace = format!("trace={}", answer.call());
        let words = ["strace", "-D", "-f", "-e", &trace, "-e", &inject, "-o", &log].map(str::to_owned);
        let places = files.iter().flat_map(|file| ["-P".to_owned(), folder.join(file).display().to_string()]);
        let server = Daichod::start_under(folder, &words.into_iter().chain(places).collect::<Vec<_>>())?;
        record(&server.client().await?, STATEMENTS, acknowledged).await?;
        server.stop()
    };
    let served = served.await;
    // A sync of RocksDB's own that fails may change nothing for those who were answered: that is a run, too.
    let met = || {
        let calls = std::fs::read_to_string(&log).unwrap_or_default();
        calls.contains("INJECTED") || calls.contains("killed by SIGKILL")
    };
    let until = Instant::now() + LAG;
    while served.is_err() && !met() && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    match served {
        Err(error) if !met() => Err(error.context(format!("{}, {n}: it failed by itself", answer.fault))),
        _ => Ok(met()),
    }
}
