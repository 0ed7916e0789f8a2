//! Draws the sample report with a number of data sets, to look at and to measure:
//! `cargo run --release -p daicho-report --example paper -- 300 ja report.pdf`

#[path = "../tests/model/mod.rs"]
mod model;

use std::time::Instant;

use daicho_report::Lang;
use daicho_report::pdf::{Paper, Witnessed, render};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, data_sets, lang, out] = args.as_slice() else { return Err("data sets, language, file".into()) };
    let report = match data_sets.as_str() {
        "sample" => model::sample(),
        number => model::report(number.parse()?),
    };
    let time = report.ledger.last_recorded;
    let paper = Paper {
        report: &report,
        lang: Lang::parse(lang).ok_or("ja or en")?,
        root: "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=".to_owned(),
        witnessed: Some(Witnessed {
            cosigned: vec![("witness.example/audit-office".to_owned(), time)],
            stamped: vec![("CN=Example TSA,O=Example,C=JP".to_owned(), time)],
            quorum_met: Some(true),
        }),
        bundle: vec![7; 1000],
        policy: Some(b"quorum none\n".to_vec()),
    };
    let start = Instant::now();
    let bytes = render(&paper)?;
    println!("{} bytes in {:.2} s", bytes.len(), start.elapsed().as_secs_f64());
    std::fs::write(out, bytes)?;
    Ok(())
}
