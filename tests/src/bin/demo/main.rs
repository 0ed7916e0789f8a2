//! `make demo`: the five schemes run through real gRPC clients into a real ledger; an auditor, a tampered copy,
//! five council reports with evidence that verifies offline, a dishonest operator; one screen at the end. Fails when the
//! findings are not exactly the expected ones, or anything is not caught.

mod proofs;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant as Stopwatch;

use anyhow::{Context as _, bail, ensure};
use clap::Parser;
use daicho_core::EntryIndex;
use daicho_store::Store;
use daicho_tests::{Daichod, Surroundings, TLS, binary};
use serde_json::{Value, json};

/// Plays the demonstration into a folder.
#[derive(Parser)]
struct Args {
    /// Folder for ledger, keys, reports and summary. Emptied first if a demonstration made it.
    #[arg(long, default_value = "demo")]
    folder: PathBuf,
    /// Share of the real volumes.
    #[arg(long, default_value = "0.01")]
    scale: String,
    /// Seed of the play.
    #[arg(long, default_value = "1")]
    seed: String,
    /// Faults: `all`, `none` or names.
    #[arg(long, default_value = "all")]
    faults: String,
    /// Language of the reports and of the screen.
    #[arg(long, default_value = "ja")]
    lang: String,
}

/// File by which a folder is known as one that may be emptied.
const MARK: &str = ".daicho-demo";

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let watch = Stopwatch::now();
    prepare(&args.folder)?;
    let runtime = tokio::runtime::Runtime::new()?;
    Daichod::init(&args.folder, Some("2018-08-01"))?;
    // A seal for each week of the years that are played.
    let around = Surroundings::start(&args.folder, 7 * 86_400)?;
    let server = Daichod::start(&args.folder, &[TLS, "--config", text(around.config())?])?;
    let simulation = simulate(&args, &server)?;
    let mut schemes = Vec::new();
    for played in array(&simulation, "schemes")? {
        schemes.push(report(&args, &server, played, around.policy())?);
    }
    let client = runtime.block_on(server.client())?;
    let held = runtime.block_on(proofs::publish(&args.folder, &client, &around))?;
    let words = ["audit", "--policy", text(around.policy())?, "--output", "json"];
    let audit: Value = serde_json::from_slice(&daicho(&args, &server, &words)?)?;
    ensure!(audit["ok"] == true, "the audit failed: {audit}");
    drop(client);
    server.stop()?;
    // From here on no server of the operator runs.
    let mut verified = Vec::new();
    for scheme in &schemes {
        let file = args.folder.join("reports").join(format!("{}.bundle", string(scheme, "id")?));
        verified.push(proofs::verify_offline(&file, &around, &args.lang)?);
    }
    let paper = args.folder.join("reports").join("queue_notice_service.pdf");
    verified.push(proofs::verify_offline(&paper, &around, &args.lang)?);
    proofs::verify_offline(&args.folder.join("receipt.tlog-proof"), &around, &args.lang)?;
    let tamper = tamper(&args.folder)?;
    let liar = runtime.block_on(proofs::lie(&args.folder, &around, &held))?;
    proofs::verify_offline(&args.folder.join("fork-proof.txt"), &around, &args.lang)?;
    let summary = json!({
        "schemes": schemes,
        "ledger": {
            "entries": audit["entries"], "events": audit["events"],
            "verified_signatures": audit["signatures"], "verified_links": audit["links"],
        },
        "tamper": tamper,
        "proofs": held.summary,
        "bundles": verified,
        "liar": liar,
    });
    fs::write(args.folder.join("summary.json"), format!("{summary:#}\n"))?;
    screen(&args, &summary, &audit, watch.elapsed().as_secs());
    check(&summary)
}

fn prepare(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        ensure!(
            folder.join(MARK).exists() || fs::read_dir(folder)?.next().is_none(),
            "{} was not made by a demonstration; move it away or choose another --folder",
            folder.display()
        );
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder.join("reports"))?;
    Ok(fs::write(folder.join(MARK), "made by `make demo`; emptied by the next one\n")?)
}

/// Runs `daicho` and returns what it prints. Its progress shows on this terminal.
fn daicho(args: &Args, server: &Daichod, words: &[&str]) -> anyhow::Result<Vec<u8>> {
    let output = Command::new(binary("daicho")?)
        .args(["--server", server.address(), "--lang", &args.lang])
        .arg("--ca")
        .arg(server.authority())
        .arg("--identity")
        .arg(args.folder.join("ward.pem"))
        .args(words)
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(
        output.status.success(),
        "daicho {} ended with {}: {}",
        words.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stdout)
    );
    Ok(output.stdout)
}

fn simulate(args: &Args, server: &Daichod) -> anyhow::Result<Value> {
    let summary = args.folder.join("simulation.json");
    let ward_key = args.folder.join("ward.pem");
    let words = [
        "simulate",
        "--scheme",
        "all",
        "--scale",
        &args.scale,
        "--seed",
        &args.seed,
        "--faults",
        &args.faults,
        "--ward-key",
        text(&ward_key)?,
        "--summary",
        text(&summary)?,
    ];
    let printed = daicho(args, server, &words)?;
    fs::write(args.folder.join("simulation.txt"), &printed)?;
    Ok(serde_json::from_slice(&fs::read(&summary)?)?)
}

/// Writes the reports of one scheme and takes from them what the summary needs.
fn report(args: &Args, server: &Daichod, played: &Value, policy: &Path) -> anyhow::Result<Value> {
    let id = string(played, "id")?;
    let mut json = Value::Null;
    let bundle = args.folder.join("reports").join(format!("{id}.bundle"));
    let ward_key = args.folder.join("ward.pem");
    for format in ["html", "json", "pdf"] {
        let file = args.folder.join("reports").join(format!("{id}.{format}"));
        let mut words = vec![
            "report",
            "deletion",
            "--scheme",
            id,
            "--from",
            string(played, "from")?,
            "--to",
            string(played, "to")?,
            "--as-of",
            string(played, "as_of")?,
            "--format",
            format,
            "--out",
            text(&file)?,
        ];
        if format == "pdf" {
            words.extend(["--bundle", text(&bundle)?, "--policy", text(policy)?]);
            // That it was issued, for whom and as of when, stands in the ledger.
            words.extend(["--issue-key", text(&ward_key)?]);
        }
        daicho(args, server, &words)?;
        if format == "json" {
            json = serde_json::from_slice(&fs::read(&file)?)?;
        }
    }
    let rules: BTreeMap<&str, &Value> = array(&json, "rules")?
        .iter()
        .map(|rule| Ok((string(rule, "id")?, &rule["status"])))
        .collect::<anyhow::Result<_>>()?;
    // A correction stands beside each finding that its entry shows.
    let findings = array(&json, "findings")?.iter();
    let answers = findings.flat_map(|finding| finding["answers"].as_array().into_iter().flatten());
    let answers: BTreeMap<u64, &str> = answers
        .map(|answer| Ok((answer["entry"].as_u64().context("an entry")?, string(answer, "kind")?)))
        .collect::<anyhow::Result<_>>()?;
    let mut replies: BTreeMap<&str, u64> = BTreeMap::new();
    answers.into_values().for_each(|kind| *replies.entry(kind).or_default() += 1);
    ensure!(json!(replies) == played["replies"], "{id}: the report shows the replies {replies:?}");
    Ok(json!({
        "id": id,
        "systems": played["systems"],
        "flows": played["flows"],
        "rules": rules,
        "copies": json["totals"]["copies"],
        "verdicts": json["totals"]["verdicts"],
        "duties": json["duty_counts"],
        "findings": json["finding_counts"],
        "replies": replies,
        "baseline": played["baseline"],
        "injected": played["injected"],
    }))
}

/// Flips one byte of one entry in a copy of the data folder and lets `fsck` look for it.
fn tamper(folder: &Path) -> anyhow::Result<Value> {
    let sound = Daichod::fsck(folder, &["--rebuild", "--json"])?;
    ensure!(
        sound.status.success(),
        "the untouched ledger is not sound: {}",
        String::from_utf8_lossy(&sound.stdout)
    );
    let copy = folder.join("tampered");
    copy_folder(&folder.join("data"), &copy.join("data"))?;
    let (entry, bytes) = {
        let store = Store::open_read_only(&copy.join("data"))?;
        let entry = store.head()?.size.get() / 2;
        (entry, store.entry(EntryIndex::new(entry))?.context("an entry in the middle")?)
    };
    flip_in_files(&copy.join("data"), &bytes)?;
    let found = Daichod::fsck(&copy, &["--json"])?;
    let found: Value = serde_json::from_slice(&found.stdout)?;
    ensure!(found["ok"] == false, "the flipped byte was not found");
    Ok(
        json!({ "at_entry": entry, "caught_at_entry": found["entry"], "check": found["check"], "detail": found["detail"] }),
    )
}

fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for item in fs::read_dir(from)? {
        let item = item?;
        if item.file_type()?.is_file() {
            fs::copy(item.path(), to.join(item.file_name()))?;
        }
    }
    Ok(())
}

/// Finds the entry's bytes in the table files and flips one bit of its statement.
fn flip_in_files(data: &Path, entry: &[u8]) -> anyhow::Result<()> {
    for item in fs::read_dir(data)? {
        let path = item?.path();
        let mut file = fs::read(&path)?;
        if let Some(at) = find(&file, entry) {
            file[at + entry.len() - 20] ^= 1;
            return Ok(fs::write(&path, file)?);
        }
    }
    bail!("the entry is in no file of {}", data.display())
}

fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    let first = needle.first()?;
    let mut start = 0;
    while let Some(at) = hay.get(start..)?.iter().position(|b| b == first).map(|i| start + i) {
        if hay[at..].starts_with(needle) {
            return Some(at);
        }
        start = at + 1;
    }
    None
}

/// Findings must be baseline plus injected, code by code, and the flipped byte be found where it is.
fn check(summary: &Value) -> anyhow::Result<()> {
    let mut wrong = Vec::new();
    for scheme in array(summary, "schemes")? {
        let count = |part: &str, code: &str| scheme[part][code].as_u64().unwrap_or(0);
        let codes: std::collections::BTreeSet<&String> = ["findings", "baseline", "injected"]
            .iter()
            .filter_map(|part| scheme[*part].as_object())
            .flat_map(|codes| codes.keys())
            .collect();
        for code in codes {
            let (found, expected) =
                (count("findings", code), count("baseline", code) + count("injected", code));
            if found != expected {
                wrong.push(format!("{}: {code} {found}, expected {expected}", scheme["id"]));
            }
        }
        let verdicts: u64 =
            scheme["verdicts"].as_object().into_iter().flatten().filter_map(|(_, n)| n.as_u64()).sum();
        if Some(verdicts) != scheme["copies"].as_u64() {
            wrong.push(format!(
                "{}: verdicts add up to {verdicts}, copies {}",
                scheme["id"], scheme["copies"]
            ));
        }
    }
    let tamper = &summary["tamper"];
    if tamper["at_entry"] != tamper["caught_at_entry"] {
        wrong.push(format!("tampered entry {}, caught at {}", tamper["at_entry"], tamper["caught_at_entry"]));
    }
    ensure!(wrong.is_empty(), "the demonstration is not as expected:\n  {}", wrong.join("\n  "));
    Ok(())
}

/// One screen in which a newcomer understands what happened.
fn screen(args: &Args, summary: &Value, audit: &Value, seconds: u64) {
    let ja = args.lang == "ja";
    let pick = |j: &'static str, e: &'static str| if ja { j } else { e };
    let folder = args.folder.display();
    println!();
    println!("{}", pick("台帳 — 実演の結果(模擬時計)", "Daicho - what just happened (simulated clock)"));
    println!();
    println!(
        "{}",
        pick(
            "1. 五つの実事業の当事者が、それぞれの鍵で署名し、gRPCで台帳に記録しました。",
            "1. The parties of five real schemes signed what they did, each with its own key, and sent it over gRPC."
        )
    );
    println!(
        "   {}",
        pick(
            "事業                                      複製   期限内 期限後 期限超過 その他      指摘",
            "scheme                                  copies  on-time   late  overdue  other  findings"
        )
    );
    for scheme in summary["schemes"].as_array().into_iter().flatten() {
        let verdict = |word: &str| scheme["verdicts"][word].as_u64().unwrap_or(0);
        let copies = scheme["copies"].as_u64().unwrap_or(0);
        let passed = verdict("on-time") + verdict("returned") + verdict("moved");
        let (late, overdue) = (verdict("late"), verdict("overdue"));
        let findings: u64 =
            scheme["findings"].as_object().into_iter().flatten().filter_map(|(_, n)| n.as_u64()).sum();
        println!(
            "   {:<38} {copies:>7} {passed:>8} {late:>6} {overdue:>8} {:>6} {findings:>9}",
            scheme["id"].as_str().unwrap_or_default(),
            copies - passed - late - overdue
        );
    }
    println!(
        "   {}",
        pick(
            "期限内: 期限内の消去・返却・引渡し。その他: 期限の定めなし、契機未到来、判定対象外など(合格には数えません)。",
            "on-time: erased, returned or handed on in time. other: no schedule, not triggered, not judged: never a pass."
        )
    );
    let duties = |word: &str| -> u64 {
        let schemes = summary["schemes"].as_array().into_iter().flatten();
        schemes.filter_map(|scheme| scheme["duties"][word].as_u64()).sum()
    };
    println!(
        "   {} {} / {} / {} / {} / {}",
        pick(
            "義務と特記事項の各項(履行・違反の記録なし・遅れ・不履行と違反・判定できず):",
            "Duties and clauses (met, no violation recorded, late, missed or violated, never a pass):"
        ),
        duties("met"),
        duties("no-violation"),
        duties("met-late"),
        duties("missed") + duties("violated"),
        duties("not-judged") + duties("no-schedule"),
    );
    let replies = |words: &[&str]| -> u64 {
        let schemes = summary["schemes"].as_array().into_iter().flatten();
        schemes.flat_map(|scheme| words.iter().filter_map(|word| scheme["replies"][*word].as_u64())).sum()
    };
    println!(
        "   {} {} / {}",
        pick(
            "指摘の横に残る言い分と決定(訂正・異議 / 区の決定)。指摘は消えません:",
            "Said beside findings, which stay (corrections and disputes / decisions of the ward):"
        ),
        replies(&["correction", "dispute"]),
        replies(&["accepted", "guided", "published"]),
    );
    println!();
    println!(
        "{} {} / {} / {} / {}",
        pick(
            "2. 監査: すべてを再計算し、誤りはありませんでした(記録・連鎖・署名・事象):",
            "2. An auditor recomputed everything and found it sound (entries, links, signatures, events):"
        ),
        audit["entries"],
        audit["links"],
        audit["signatures"],
        audit["events"]
    );
    let tamper = &summary["tamper"];
    println!(
        "{} {}{} {} ({})",
        pick("3. 写しの1ビットを改ざん: 記録", "3. One bit was flipped in a copy of the files, in entry"),
        tamper["at_entry"],
        pick("。検査が見つけた場所: 記録", "; the check found it at entry"),
        tamper["caught_at_entry"],
        tamper["check"].as_str().unwrap_or_default()
    );
    let (proofs, liar) = (&summary["proofs"], &summary["liar"]);
    let names: Vec<&str> =
        proofs["cosigned_by"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    println!(
        "{} {}",
        pick(
            "4. 検査点に第三者が連署し、時刻認証局が刻印しました:",
            "4. Others cosigned the checkpoint, and an authority stamped its time:"
        ),
        proofs["stamped_at"].as_str().unwrap_or_default()
    );
    println!("   {}", names.join("  "));
    println!(
        "{} {} {}",
        pick(
            "5. 運用者が消去の記録を書き換え、本物の鍵で全てに署名し直しました: 記録",
            "5. The operator rewrote a deletion and signed everything anew with its real keys, entry"
        ),
        liar["rewritten_entry"],
        pick(
            "。立会人・受領証・時刻印・監査が、それぞれ単独で見破りました。",
            "- caught by witness, receipt, time-stamp and auditor, each alone."
        )
    );
    println!(
        "{} {folder}/reports/*.pdf, *.html",
        pick(
            "6. 審議会向けの消去報告書(五事業)。PDFは証拠一式を含み、それだけで検証できます:",
            "6. Deletion reports for the council. Each PDF holds what proves it, and verifies offline:"
        )
    );
    println!("   daicho verify {folder}/reports/queue_notice_service.pdf --policy {folder}/policy.txt");
    println!(
        "   {}",
        pick(
            "指摘は、原資料そのものの不備(baseline)と、わざと起こした違反(injected)に一致しました。",
            "Findings are exactly the holes of the papers themselves (baseline) plus the faults played on purpose (injected)."
        )
    );
    println!("   {folder}/summary.json   {folder}/simulation.txt   ({seconds} s)");
}

fn array<'v>(value: &'v Value, key: &str) -> anyhow::Result<&'v Vec<Value>> {
    value[key].as_array().with_context(|| format!("`{key}` is no list"))
}

fn string<'v>(value: &'v Value, key: &str) -> anyhow::Result<&'v str> {
    value[key].as_str().with_context(|| format!("`{key}` is no text"))
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("a path that is UTF-8")
}
