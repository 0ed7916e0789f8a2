//! The system refuses a sync, or the process dies in one: `strace` answers in its place, the n-th time.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use daicho_client::{Emitter, Retry};
use daicho_tests::{Acknowledged, Daichod, Play, collected};

use crate::{Row, copy, lost, progress, sound};

/// Statements of a run, one after the other: each is a group of its own, with a sync of its own.
const STATEMENTS: usize = 12;

/// What is said in place of the system.
struct Answer {
    fault: &'static str,
    /// As `strace --inject` takes it, without the number.
    injected: &'static str,
    /// Behind the number: from then on, every time.
    for_good: &'static str,
}

const ANSWERS: [Answer; 4] = [
    Answer { fault: "a sync fails once (EIO)", injected: "fdatasync:error=EIO", for_good: "" },
    Answer { fault: "every sync fails from one on (EIO)", injected: "fdatasync:error=EIO", for_good: "+" },
    Answer { fault: "no room at a sync (ENOSPC)", injected: "fdatasync:error=ENOSPC", for_good: "+" },
    Answer { fault: "SIGKILL in a sync", injected: "fdatasync:signal=KILL", for_good: "" },
];

/// A row for each answer: the server meets it at its first sync, at its second, until it lives through all of them.
pub(crate) async fn refused(most: u64) -> anyhow::Result<Vec<Row>> {
    let there = Command::new("strace").arg("-V").output();
    ensure!(there.is_ok_and(|ran| ran.status.success()), "strace is not there: apt-get install strace");
    let base = tempfile::tempdir()?;
    let server = Daichod::fresh(base.path(), None)?;
    Play::prepare(&server.client().await?, server.ward_key()?).await?;
    server.stop()?;
    let mut rows = Vec::new();
    for answer in &ANSWERS {
        let mut row = Row { fault: answer.fault, runs: 0, survived: 0, lost: 0, acknowledged: 0 };
        for n in 1..=most {
            let folder = tempfile::tempdir()?;
            copy(base.path(), folder.path())?;
            let acknowledged = Acknowledged::default();
            if serve_a_while(folder.path(), answer, n, &acknowledged).await {
                break;
            }
            row.runs += 1;
            row.acknowledged += acknowledged.count() as u64;
            let server = Daichod::start(folder.path(), &[]).with_context(|| format!("{}, {n}", row.fault))?;
            row.lost += lost(&server.client().await?, &acknowledged).await?;
            let mut emitter = Emitter::new(server.client().await?, Play::contractor_key()).await?;
            let now = emitter.ledger_now().await?;
            emitter.emit(vec![collected(now, "afterwards")]).await?;
            server.stop()?;
            row.survived += u64::from(sound(folder.path(), n)?);
            progress(&row);
        }
        rows.push(row);
    }
    Ok(rows)
}

/// Serves and records, with the n-th sync answered so. `true` when that never came.
async fn serve_a_while(folder: &Path, answer: &Answer, n: u64, acknowledged: &Acknowledged) -> bool {
    let lives = async {
        let inject = format!("inject={}:when={n}{}", answer.injected, answer.for_good);
        let log = folder.join("strace.log").display().to_string();
        // In the place of the server, which keeps the process that was started; each thread counts its own syncs. (With
        // --seccomp-bpf no signal comes.)
        let words = ["strace", "-D", "-f", "-e", "trace=fdatasync", "-e", &inject, "-o", &log];
        let server = Daichod::start_under(folder, &words.map(str::to_owned))?;
        let client = server.client().await?;
        let emitter = Emitter::new(client.clone(), Play::contractor_key()).await?;
        let mut emitter = emitter.with_retry(Retry { attempts: 1, ..Retry::default() });
        let now = emitter.ledger_now().await?;
        for copy in 0..STATEMENTS {
            let receipt = emitter.emit(vec![collected(now, &format!("copy-{copy}"))]).await?;
            acknowledged.note(&receipt);
        }
        server.stop()
    };
    let lives = lives.await.is_ok();
    let met = std::fs::read_to_string(folder.join("strace.log")).unwrap_or_default();
    // A sync of RocksDB's own that fails may change nothing for those who were answered: that is a run, too.
    lives && !met.contains("INJECTED") && !met.contains("killed by SIGKILL")
}
