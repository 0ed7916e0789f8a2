//! Data folders of earlier versions are opened, checked whole and judged, for ever.

use std::path::Path;
use std::process::Command;

use daicho_core::Instant;
use daicho_custody::{ContextCache, Judge, Verdict};
use daicho_store::Store;
use daicho_tests::{Daichod, SCHEME};

/// Format, and head of the ledger in it.
const FOLDERS: [(u32, &str); 1] = [(3, "c53a2d52a26eff03648036f4cf7f505cb81503d97236730d864e6a09ea0a7ffc")];

#[test]
fn every_sample_of_a_data_folder_is_read() {
    let samples = Path::new("data");
    let there = std::fs::read_dir(samples).expect("samples").filter(|file| {
        file.as_ref().is_ok_and(|file| file.path().extension().is_some_and(|ending| ending == "gz"))
    });
    assert_eq!(there.count(), FOLDERS.len(), "each sample is in the list");
    for (format, head) in FOLDERS {
        let folder = tempfile::tempdir().expect("a folder");
        let sample = samples.join(format!("ledger-format-{format}.tar.gz"));
        let unpacked = Command::new("tar")
            .arg("xzf")
            .arg(sample)
            .arg("-C")
            .arg(folder.path())
            .status()
            .expect("tar runs");
        assert!(unpacked.success(), "format {format}");
        let checked = Daichod::fsck(folder.path(), &["--rebuild"]).expect("it runs");
        let said = String::from_utf8_lossy(&checked.stdout);
        assert!(checked.status.success() && said.contains(head), "format {format}: {said}");

        let store = Store::open(&folder.path().join("data")).expect("a ledger");
        let snapshot = store.snapshot();
        let judge = Judge::new(&snapshot, &mut ContextCache::default(), SCHEME).expect("readable");
        let judge = judge.expect("in force");
        let t = Instant::parse("2021-02-01T00:00").expect("a time");
        let copies: Vec<_> = judge.copies(t, None).collect::<Result<_, _>>().expect("readable");
        let verdicts: Vec<_> = copies
            .iter()
            .map(|(id, copy)| (id.as_str(), judge.judge(id, copy, t).expect("judged").verdict))
            .collect();
        // The ward adopted no number.
        assert_eq!(verdicts, [("c-1", Verdict::NoSchedule)], "format {format}");
    }
}
