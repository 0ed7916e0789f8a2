//! `daicho verify`: checks a file of evidence offline, from itself and a policy alone.

use std::io::{BufReader, Read as _, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use daicho_core::Instant;
use daicho_tlog::Policy;
use daicho_tlog::policy::Trust;
use daicho_verify::bundle::{self, BundleReport, Claim, Proven};
use daicho_verify::timestamp::VerifiedTime;
use daicho_verify::{FixedBy, FixedSince, ForkProof, Proves, Receipt, ReceiptReport};
use serde_json::{Value, json};

use crate::context::Context;
use crate::exit::Exit;
use crate::scheme::Lang;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  daicho verify report.bundle --policy policy.txt\n  \
    daicho verify receipt.tlog-proof --policy policy.txt --output json\n  \
    daicho verify fork-proof.txt --policy policy.txt --lang ja\n\n\
    Takes evidence bundles, receipts and fork proofs. No server is asked: the file and the policy are all that counts.\n\
    The policy (C2SP tlog-policy) says whose signatures to trust.\n\n\
    Exit codes: 0 proven; 1 not proven: the check that failed is named; 2 the file cannot be read.")]
pub(crate) struct Args {
    /// Evidence bundle, receipt or fork proof
    file: PathBuf,
    /// Trust policy (C2SP tlog-policy): whose signatures and cosignatures count
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
}

/// First lines by which files are told apart.
const RECEIPT: &[u8] = b"c2sp.org/tlog-proof@v1\n";
const FORK_PROOF: &[u8] = b"daicho-fork-proof/1\n";
/// Largest file that is read whole; bundles are not.
const MAX_WHOLE: u64 = 16 << 20;

pub(crate) fn run(args: &Args, context: &Context, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let policy = read_policy(&args.policy, context)?;
    let path = &args.file;
    let what = || {
        context.pick(format!("{} を読めません", path.display()), format!("cannot read {}", path.display()))
    };
    let mut file = std::fs::File::open(path).with_context(what)?;
    let mut start = [0; 32];
    let mut len = 0;
    while len < start.len() {
        match file.read(&mut start[len..]).with_context(what)? {
            0 => break,
            n => len += n,
        }
    }
    let start = &start[..len];
    if start.starts_with(&bundle::MAGIC[..2]) {
        let whole = std::io::Cursor::new(start.to_vec()).chain(file);
        return match bundle::verify(BufReader::with_capacity(1 << 20, whole), &policy) {
            Ok(report) => bundle_report(&report, &policy, context, out),
            Err(error) => not_proven(&error, context, out),
        };
    }
    let mut bytes = start.to_vec();
    file.take(MAX_WHOLE).read_to_end(&mut bytes).with_context(what)?;
    if bytes.starts_with(RECEIPT) {
        verify_receipt(&bytes, &policy, context, out)
    } else if bytes.starts_with(FORK_PROOF) {
        verify_fork(&bytes, &policy, context, out)
    } else {
        bail!(context.pick(
            format!("{} は、証拠一式でも、受領証でも、分岐の証明でもありません", path.display()),
            format!("{} is no evidence bundle, no receipt and no fork proof", path.display()),
        ))
    }
}

/// Reads a policy file.
pub(crate) fn read_policy(path: &Path, context: &Context) -> anyhow::Result<Policy> {
    Policy::parse(&context.read(path)?).map_err(|error| anyhow!("{}: {error}", path.display()))
}

fn not_proven(error: &dyn std::fmt::Display, context: &Context, out: &mut dyn Write) -> anyhow::Result<Exit> {
    if context.json() {
        writeln!(out, "{}", json!({ "proven": false, "detail": error.to_string() }))?;
    } else {
        writeln!(out, "{}", context.pick("証明されません:", "NOT PROVEN:"))?;
        writeln!(out, "  {error}")?;
    }
    Ok(Exit::Wrong)
}

/// Checks a receipt under a policy.
pub(crate) fn verify_receipt(
    bytes: &[u8],
    policy: &Policy,
    context: &Context,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let receipt = match Receipt::parse(bytes) {
        Ok(receipt) => receipt,
        Err(error) => return not_proven(&error, context, out),
    };
    match receipt.verify(policy) {
        Ok(report) => receipt_report(&report, policy, context, out),
        Err(error) => not_proven(&error, context, out),
    }
}

fn receipt_report(
    report: &ReceiptReport<'_>,
    policy: &Policy,
    context: &Context,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let fixed = FixedSince::earliest(policy, &report.trust, &[]);
    if context.json() {
        let json = json!({
            "proven": true, "kind": "receipt", "origin": report.origin, "simulated": report.simulated,
            "entry": report.index.get(), "recorded": report.recorded.to_string(), "events": report.events,
            "statement": report.signers.first().map(ToString::to_string), "chain_hash": report.chain.to_string(),
            "size": report.size, "root": report.root.to_string(), "trust": trust_json(&report.trust),
            "fixed_since": fixed.map(|fixed| fixed.time.to_string()),
        });
        writeln!(out, "{json}")?;
        return Ok(Exit::Ok);
    }
    let page = Page { lang: context.lang };
    writeln!(
        out,
        "{}",
        context.pick(
            format!("証明されました: 記録 {} は台帳 {} にあります。", report.index, report.origin),
            format!("PROVEN: entry {} is in the ledger {}.", report.index, report.origin),
        )
    )?;
    page.line(
        out,
        "検査",
        "checked",
        &context.pick(
            format!(
                "記録1件の包含証明（{}件の木）、台帳の署名{}、連署{}",
                report.size,
                report.trust.logs.len(),
                report.trust.witnesses.len()
            ),
            format!(
                "1 inclusion proof in a tree of {}, {} signatures of the ledger, {} cosignatures",
                report.size,
                report.trust.logs.len(),
                report.trust.witnesses.len()
            ),
        ),
    )?;
    page.line(
        out,
        "記録の時刻",
        "recorded",
        &format!("{}{}", page.time(report.recorded), page.simulated(report.simulated)),
    )?;
    page.trust(out, &report.trust, fixed, &[])?;
    page.line(out, "証明しないこと", "not proven", context.pick(
        "申告の内容が正しいこと、その後の訂正・失効・記録がないこと。署名者の鍵の承認は、証拠一式で検証します。",
        "that what the statement says is true; that nothing was corrected, revoked or added since. Who may sign is for a bundle to prove.",
    ))?;
    Ok(Exit::Ok)
}

fn verify_fork(
    bytes: &[u8],
    policy: &Policy,
    context: &Context,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let proof = match ForkProof::parse(bytes) {
        Ok(proof) => proof,
        Err(error) => return not_proven(&error, context, out),
    };
    let report = match proof.verify(policy) {
        Ok(report) => report,
        Err(error) => return not_proven(&error, context, out),
    };
    let (word, ja, en) = match &report.proves {
        Proves::Fork => (
            "fork",
            "台帳は、両立しない二つの履歴に署名しました。運用者の鍵による分岐の証明です。",
            "the ledger signed two histories that cannot both be true: proof of a fork, by its own key.",
        ),
        Proves::WitnessWentBack(_) => (
            "witness-went-back",
            "立会人が、大きい木の後に小さい木へ連署しました。台帳の分岐は証明しません。",
            "a witness cosigned a smaller tree after a larger one. That proves no fork of the ledger.",
        ),
        Proves::Nothing => (
            "nothing",
            "小さい検査点が最新として示されました。疑わしいものの、単独では何も証明しません。",
            "a smaller checkpoint was shown as the newest. Suspicious; by itself it proves nothing.",
        ),
    };
    let exit = if matches!(report.proves, Proves::Nothing) { Exit::Wrong } else { Exit::Ok };
    let [first, second] = proof.evidence().checkpoints().map(|signed| signed.checkpoint());
    if context.json() {
        let tree = |c: &daicho_tlog::Checkpoint| json!({ "size": c.size(), "root": c.root().to_string() });
        let json = json!({
            "proven": exit == Exit::Ok, "kind": "fork-proof", "origin": report.origin, "proves": word,
            "evidence": proof.evidence().claim(), "first": tree(first), "second": tree(second), "asked": proof.asked(),
        });
        writeln!(out, "{json}")?;
        return Ok(exit);
    }
    writeln!(out, "{} {}", context.pick("分岐の証明:", "FORK PROOF:"), report.origin)?;
    writeln!(out, "  {}", context.pick(ja, en))?;
    writeln!(out, "  1: {} {}", first.size(), first.root())?;
    writeln!(out, "  2: {} {}", second.size(), second.root())?;
    Ok(exit)
}

fn bundle_report(
    report: &BundleReport<'_>,
    policy: &Policy,
    context: &Context,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let fixed = FixedSince::earliest(policy, &report.trust, &report.timestamps);
    let checks = &report.checks;
    if context.json() {
        let stamps: Vec<Value> = report
            .timestamps
            .iter()
            .map(|t| json!({ "time": t.gen_time.to_string(), "tsa": t.tsa, "policy": t.policy, "serial": t.serial }))
            .collect();
        let entries: Vec<u64> = match &report.proven {
            Proven::Complete { .. } => Vec::new(),
            Proven::Selective(entries) => entries.iter().map(|entry| entry.index.get()).collect(),
        };
        let json = json!({
            "proven": true, "kind": if report.claim.is_complete() { "complete" } else { "selective" },
            "claim": report.claim, "origin": report.origin, "simulated": report.simulated, "size": report.size,
            "root": report.root.to_string(), "trust": trust_json(&report.trust), "timestamps": stamps,
            "unknown_timestamps": report.unknown_timestamps, "selected_entries": entries,
            "fixed_since": fixed.map(|fixed| fixed.time.to_string()),
            "checked": {
                "entries": checks.entries, "links": checks.links, "signatures": checks.signatures,
                "events": checks.events, "seals": checks.seals, "proofs": checks.proofs,
                "documents": checks.documents, "log_signatures": checks.log_signatures,
                "cosignatures": checks.cosignatures, "timestamps": checks.timestamps,
            },
        });
        writeln!(out, "{json}")?;
        return Ok(Exit::Ok);
    }
    let page = Page { lang: context.lang };
    writeln!(out, "{} {}", context.pick("証明されました:", "PROVEN:"), report.origin)?;
    page.line(out, "主張", "claim", &claim(&report.claim, context))?;
    let counts = [
        (checks.entries, "記録", "entries"),
        (checks.links, "連鎖", "links"),
        (checks.signatures, "申告の署名", "signatures"),
        (checks.events, "事象", "events"),
        (checks.seals, "封緘", "seals"),
        (checks.proofs, "木の証明", "proofs"),
        (checks.documents, "文書", "documents"),
        (checks.log_signatures, "台帳の署名", "signatures of the ledger"),
        (checks.cosignatures, "連署", "cosignatures"),
        (checks.timestamps, "時刻印", "time-stamps"),
    ];
    let counts: Vec<String> = counts
        .into_iter()
        .filter(|(n, _, _)| *n != 0)
        .map(|(n, ja, en)| context.pick(format!("{ja} {n}"), format!("{n} {en}")))
        .collect();
    page.line(out, "検査", "checked", &counts.join(context.pick("、", ", ")))?;
    page.trust(out, &report.trust, fixed, &report.timestamps)?;
    if report.simulated {
        page.line(
            out,
            "模擬",
            "simulated",
            context.pick(
                "台帳の時刻は模擬です。実際の時刻は、連署と時刻印のものだけです。",
                "the ledger's own times are simulated; only those of witnesses and authorities are real",
            ),
        )?;
    }
    match &report.proven {
        Proven::Complete { report: deletion, .. } => {
            let verdicts: Vec<String> =
                deletion.totals.verdicts.iter().map(|(verdict, n)| format!("{verdict:?} {n}")).collect();
            let copies = deletion.totals.copies;
            page.line(
                out,
                "報告",
                "report",
                &context.pick(
                    format!(
                        "複製 {copies} 件の判定は、全記録の再演から得たものと一致しました（{}）",
                        verdicts.join("、")
                    ),
                    format!(
                        "the verdicts on {copies} copies are those that a replay of every entry gives ({})",
                        verdicts.join(", ")
                    ),
                ),
            )?;
            page.line(out, "証明しないこと", "not proven", context.pick(
                "記録されなかった複製が存在しないこと、当事者の申告が事実であること、この検査点より後のこと。",
                "that no copy exists which nobody recorded; that what the parties stated is true; anything after this checkpoint",
            ))?;
        }
        Proven::Selective(entries) => {
            for entry in entries.iter().filter(|entry| entry.subject) {
                page.line(
                    out,
                    "記録",
                    "entry",
                    &format!("{}  {}  {}", entry.index, page.time(entry.recorded), entry.parties.join(", ")),
                )?;
            }
            page.line(out, "証明しないこと", "not proven", context.pick(
                "これがすべてであること。訂正、鍵の失効、その他の記録が、この一式の外にあるかもしれません。全体の判定はしません。",
                "that this is all: corrections, revocations and further events may exist outside of it. It says nothing on the whole",
            ))?;
        }
    }
    Ok(Exit::Ok)
}

fn claim(claim: &Claim, context: &Context) -> String {
    match claim {
        Claim::DeletionReport(terms) => {
            let (from, to) = (terms.period.from, terms.period.to);
            context.pick(
                format!(
                    "事業 {} の消去報告（{}から{}まで、{} 現在）",
                    terms.scheme,
                    from.era(),
                    to.era(),
                    terms.as_of
                ),
                format!("deletion report of {} from {from} to {to}, as of {}", terms.scheme, terms.as_of),
            )
        }
        Claim::DataSet(claim) => context.pick(
            format!(
                "事業 {} のデータセット {} に関する記録 {} 件が台帳にあること",
                claim.scheme,
                claim.data_set,
                claim.entries.len()
            ),
            format!(
                "{} entries about data set {} of {} are in the ledger",
                claim.entries.len(),
                claim.data_set,
                claim.scheme
            ),
        ),
        Claim::Receipt { entry } => {
            context.pick(format!("記録 {entry} が台帳にあること"), format!("entry {entry} is in the ledger"))
        }
    }
}

fn trust_json(trust: &Trust<'_>) -> Value {
    let witnesses: Vec<Value> = trust
        .witnesses
        .iter()
        .map(|one| {
            let time = Instant::from_unix_ms((one.timestamp as i64).saturating_mul(1_000));
            json!({ "name": one.witness.name.to_string(), "time": time.map(|time| time.to_string()) })
        })
        .collect();
    json!({
        "log_keys": trust.logs.iter().map(|log| log.key.to_string()).collect::<Vec<_>>(),
        "witnesses": witnesses,
        "quorum": trust.shortfall.is_none(),
    })
}

/// Lines for people.
struct Page {
    lang: Lang,
}

impl Page {
    fn line(&self, out: &mut dyn Write, ja: &str, en: &str, text: &str) -> anyhow::Result<()> {
        Ok(writeln!(out, "  {}: {text}", self.lang.either(ja, en))?)
    }

    /// A time with the day in the Japanese era.
    fn time(&self, time: Instant) -> String {
        match self.lang {
            Lang::Ja => format!("{time}（{}）", time.jst_day().era()),
            Lang::En => time.to_string(),
        }
    }

    fn simulated(&self, simulated: bool) -> &'static str {
        if simulated { self.lang.either("［模擬］", " (simulated)") } else { "" }
    }

    fn trust(
        &self,
        out: &mut dyn Write,
        trust: &Trust<'_>,
        fixed: Option<FixedSince>,
        stamps: &[VerifiedTime],
    ) -> anyhow::Result<()> {
        for log in &trust.logs {
            self.line(
                out,
                "台帳の鍵",
                "ledger key",
                &log.key.to_string().chars().take(72).collect::<String>(),
            )?;
        }
        for one in &trust.witnesses {
            let time = Instant::from_unix_ms((one.timestamp as i64).saturating_mul(1_000));
            let time = time.map(|time| self.time(time)).unwrap_or_default();
            self.line(out, "立会人", "witness", &format!("{}  {time}", one.witness.name))?;
        }
        for stamp in stamps {
            self.line(
                out,
                "時刻認証局",
                "authority",
                &format!("{}  {}", stamp.tsa, self.time(stamp.gen_time)),
            )?;
        }
        let text = match fixed {
            Some(fixed) => {
                let by = match fixed.by {
                    FixedBy::Witnesses => self.lang.either("立会人の定足数", "a quorum of witnesses"),
                    FixedBy::Authority(_) => self.lang.either("時刻認証局", "a time-stamping authority"),
                };
                format!("{}  ({by})", self.time(fixed.time))
            }
            None => self
                .lang
                .either("台帳以外のだれも時刻を証言していません", "nobody but the ledger says when")
                .into(),
        };
        self.line(out, "確定した時刻", "fixed since", &text)
    }
}
