//! Stopping: whoever reads the port file may tell the server to stop, at once, and it ends well.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use daicho_tests::{Daichod, binary};

/// Longest time that anything here is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// SIGTERM in the mask of signals that a process catches.
const TERM: u64 = 1 << 14;

fn serve(folder: &Path) -> Child {
    Command::new(binary("daichod").expect("built"))
        .arg("serve")
        .arg("--data")
        .arg(folder.join("data"))
        .args(["--listen", "127.0.0.1:0", "--publish-every", "1"])
        .arg("--operator-key")
        .arg(folder.join("operator.pem"))
        .arg("--port-file")
        .arg(folder.join("address"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs")
}

fn terminate(child: &Child) {
    let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill runs");
    assert!(sent.success());
}

fn wait(child: &mut Child) -> ExitStatus {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return status;
        }
        assert!(started.elapsed() < PATIENCE, "it does not stop");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn assert_sound(folder: &Path) {
    let fsck = Daichod::fsck(folder, &["--rebuild"]).expect("it runs");
    assert!(fsck.status.success(), "{}", String::from_utf8_lossy(&fsck.stderr));
}

#[test]
fn a_server_that_is_told_to_stop_when_its_port_file_appears_ends_well() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    Daichod::init(folder, None).expect("founded");
    for round in 0..8 {
        let mut child = serve(folder);
        let started = Instant::now();
        // No pause in between: the signal is to come as early as it can.
        while !folder.join("address").exists() {
            assert!(started.elapsed() < PATIENCE, "no port file");
            std::thread::yield_now();
        }
        terminate(&child);
        let status = wait(&mut child);
        assert_eq!(status.code(), Some(0), "round {round}: {status}");
        fs::remove_file(folder.join("address")).expect("there");
    }
    assert_sound(folder);
}

/// Which signals a process catches, by the system's word; 0 when it is gone.
fn caught(child: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}

/// The port file is written aside first. A pipe in that place holds the server right before the port file appears.
#[test]
fn the_signal_is_caught_before_the_port_file_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    Daichod::init(folder, None).expect("founded");
    let aside = folder.join("address.new");
    let made = Command::new("mkfifo").arg(&aside).status().expect("mkfifo runs");
    assert!(made.success());
    let mut child = serve(folder);
    let started = Instant::now();
    while caught(&child) & TERM == 0 {
        assert!(started.elapsed() < PATIENCE, "SIGTERM kills a server that waits to write its port file");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(!folder.join("address").exists());
    terminate(&child);
    // Somebody reads: the server goes on, and finds that it was told to stop.
    let written = fs::read_to_string(&aside).expect("readable");
    assert!(written.starts_with("127.0.0.1:"), "{written}");
    let status = wait(&mut child);
    assert_eq!(status.code(), Some(0), "{status}");
    assert_sound(folder);
}
