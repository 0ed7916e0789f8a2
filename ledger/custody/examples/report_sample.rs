//! Prints the sample of `docs/formats/report.md`; with a scheme file, a report on a walk through that scheme.

use std::io::Write as _;

#[path = "../tests/report/ledger.rs"]
mod ledger;
#[path = "../tests/report/samples.rs"]
#[allow(dead_code, reason = "shared with the tests, which use more of it")]
mod samples;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let report = match std::env::args().nth(1) {
        None => samples::queue_sample().report("2021-02-01", "2021-02-28", "2021-02-28T17:00"),
        Some(file) => {
            let text = std::fs::read_to_string(file)?;
            samples::walk(&text).report("2020-05-01", "2020-12-31", "2021-03-31T17:00")
        }
    };
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &report)?;
    writeln!(out)?;
    Ok(())
}
