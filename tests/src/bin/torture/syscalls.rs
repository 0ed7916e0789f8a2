//! The system refuses a sync or a rename, or the process dies in one: `strace` answers in its place, the n-th time.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::ensure;
use daicho_tests::{Acknowledged, Daichod};

use crate::{Row, base, copy, record};

/// Statements of a run.
const STATEMENTS: usize = 12;
/// How long the record of the system calls may lag behind an end.
const LAG: Duration = Duration::from_secs(10);

/// What is said in place of the system.
struct Answer {
    fault: &'static str,
    /// As `strace --inject` takes it, without the number.
    injected: &'static str,
    /// Behind the number: from then on, every time.
    for_good: &'static str,
}

impl Answer {
    fn call(&self) -> &str {
        self.injected.split(':').next().unwrap_or_default()
    }
}

const ANSWERS: [Answer; 6] = [
    Answer { fault: "a sync fails once (EIO)", injected: "fdatasync:error=EIO", for_good: "" },
    Answer { fault: "every sync fails from one on (EIO)", injected: "fdatasync:error=EIO", for_good: "+" },
    Answer { fault: "no room at a sync (ENOSPC)", injected: "fdatasync:error=ENOSPC", for_good: "+" },
    Answer {
        fault: "a sync of a folder or of the guard fails (EIO)",
        injected: "fsync:error=EIO",
        for_good: "",
    },
    Answer { fault: "a file cannot be renamed (EIO)", injected: "rename:error=EIO", for_good: "" },
    Answer { fault: "SIGKILL in a sync", injected: "fdatasync:signal=KILL", for_good: "" },
];

/// A row for each answer: the server meets it at its first sync, at its second, until it lives through all of them.
pub(crate) async fn refused(most: u64) -> anyhow::Result<Vec<Row>> {
    let there = Command::new("strace").arg("-V").output();
    ensure!(there.is_ok_and(|ran| ran.status.success()), "strace is not there: apt-get install strace");
    let base = base().await?;
    let mut rows = Vec::new();
    for answer in &ANSWERS {
        let mut row = Row { fault: answer.fault, runs: 0, survived: 0, lost: 0, acknowledged: 0 };
        for n in 1..=most {
            let folder = tempfile::tempdir()?;
            copy(base.path(), folder.path())?;
            let acknowledged = Acknowledged::default();
            if !meets(folder.path(), answer, n, &acknowledged).await? {
                break;
            }
            row.comes_up(folder.path(), n, &acknowledged).await?;
        }
        rows.push(row);
    }
    Ok(rows)
}

/// Serves and records, with the n-th sync answered so. `false` when that never came.
///
/// # Errors
/// When the server fails for another reason.
async fn meets(folder: &Path, answer: &Answer, n: u64, acknowledged: &Acknowledged) -> anyhow::Result<bool> {
    let log = folder.join("strace.log");
    let served = async {
        let inject = format!("inject={}:when={n}{}", answer.injected, answer.for_good);
        let log = log.display().to_string();
        // In the place of the server, which keeps the process that was started; each thread counts its own syncs. (With
        // --seccomp-bpf no signal comes.)
        let trace = format!("trace={}", answer.call());
        let words = ["strace", "-D", "-f", "-e", &trace, "-e", &inject, "-o", &log];
        let server = Daichod::start_under(folder, &words.map(str::to_owned))?;
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
