//! `daicho certificate`: the forms that contracts ask of a contractor, made from its own signed statements.

use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{anyhow, bail, ensure};
use clap::ValueEnum;
use daicho_client::{Client, ClientError, EntryName};
use daicho_core::proto::{self, event::Fact};
use daicho_core::{Date, Entry, EntryIndex, Instant, Origin};
use daicho_custody::scheme::{PartyRole, Scheme};
use daicho_report::pdf::{CertificatePaper, ErasedCopy, Erasure, Form, MAX_STATEMENTS, render_certificate};
use daicho_report::words::place as place_of;
use futures::TryStreamExt as _;
use prost::Message as _;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::context::Context;
use crate::evidence::newest;
use crate::exit::Exit;
use crate::report;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Make the certificate or the report of erasures from the statements that say so (PDF/A-3)
    #[command(after_help = "Examples:\n  \
        daicho certificate deletion --scheme queue_notice_service --holder hyojito --id C-2021-007 \\\n    \
        --from 2021-02-01 --to 2021-02-28 --out certificate.pdf\n  \
        daicho certificate deletion --scheme queue_notice_service --holder hyojito --id R-2021-007 \\\n    \
        --form report --entry 48 --entry 51 --out report.pdf\n\n\
        The signed statements are attached with their proofs. The hash that is printed goes into the event\n\
        deletion_certified when the form is handed over. An erasure whose verification failed is not certified.")]
    Deletion(Args),
}

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("which").required(true).multiple(true).args(["entry", "from"])))]
pub(crate) struct Args {
    /// Scheme id
    #[arg(long)]
    scheme: String,
    /// The party that erased
    #[arg(long, value_name = "PARTY")]
    holder: String,
    /// Id of the form, unique in the scheme
    #[arg(long)]
    id: String,
    /// Which form
    #[arg(long, value_enum, default_value = "certificate")]
    form: FormName,
    /// An entry that says so. May be given several times
    #[arg(long, value_name = "N", conflicts_with_all = ["from", "to"])]
    entry: Vec<u64>,
    /// All erasures from this day on, in Japan
    #[arg(long, value_name = "DATE", requires = "to")]
    from: Option<String>,
    /// … to this day
    #[arg(long, value_name = "DATE", requires = "from")]
    to: Option<String>,
    /// A party that the form is for. May be given several times. Default: the department that answers for the data
    #[arg(long, value_name = "PARTY")]
    recipient: Vec<String>,
    /// File to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Write over what is there
    #[arg(long)]
    force: bool,
}

/// Which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FormName {
    /// Certificate of erasure (消去証明書)
    Certificate,
    /// Report of data erasure (データ消去報告書)
    Report,
}

pub(crate) async fn run(command: Command, context: &Context, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let Command::Deletion(mut args) = command;
    // As the ledger names it, `<scheme>/<party>`, or as the scheme does.
    if let Some(local) = args.holder.strip_prefix(&format!("{}/", args.scheme)) {
        args.holder = local.to_owned();
    }
    let days = match (&args.from, &args.to) {
        (Some(from), Some(to)) => Some((report::day(from, context)?, report::day(to, context)?)),
        _ => None,
    };
    context.vacant([&args.out], args.force)?;
    let client = context.connect().await?;
    let words = Names::load(&client, &args.scheme, context).await?;
    let erasures = erasures(&client, &args, days, &words, context).await?;
    if erasures.is_empty() {
        // One who has left the scheme since may still certify.
        ensure!(
            words.scheme.parties.iter().any(|party| party.id == args.holder),
            context.pick(
                format!("{} に「{}」という当事者はありません", args.scheme, args.holder),
                format!("no party `{}` in {}", args.holder, args.scheme),
            )
        );
        bail!(context.pick("該当する消去の申告がありません", "no statement of an erasure is there"));
    }
    let to = recipients(&args, &words.scheme);
    let recipients: Vec<String> = to.iter().map(|id| words.party(id).to_owned()).collect();
    let drawn = render_certificate(&CertificatePaper {
        form: match args.form {
            FormName::Certificate => Form::Certificate,
            FormName::Report => Form::Report,
        },
        lang: context.lang,
        id: &args.id,
        origin: &words.origin,
        simulated: words.origin.ends_with(Origin::SIMULATED_SUFFIX),
        scheme: (&words.scheme.id, context.lang.of(&words.scheme.title)),
        holder: words.party(&args.holder),
        recipients: &recipients,
        erasures: &erasures,
    })?;
    context.write(&args.out, &drawn, args.force)?;
    say(&args, &to, &erasures, &drawn, context, out)?;
    Ok(Exit::Ok)
}

/// Names of parties and systems, from what is open to every party of the ledger.
struct Names {
    origin: String,
    scheme: Scheme,
    /// As the ward registered them, by id in the scheme.
    registered: HashMap<String, String>,
}

impl Names {
    async fn load(client: &Client, scheme: &str, context: &Context) -> anyhow::Result<Self> {
        let request = proto::GetSchemeRequest { scheme: scheme.to_owned() };
        let found = client.custody().get_scheme(request).await.map_err(ClientError::from)?.into_inner();
        let parsed = Scheme::parse(&found.scheme_toml).map_err(|_| {
            anyhow!(context.pick(
                "台帳の事業の定義を解釈できません。プログラムの版が異なる可能性があります",
                "the ledger's scheme file makes no sense; client and server may differ in version",
            ))
        })?;
        let own = format!("{scheme}/");
        let parties = client.parties().await?.into_iter();
        let registered = parties.map(|party| match party.id.strip_prefix(&own) {
            Some(local) => (local.to_owned(), party.label),
            None => (party.id, party.label),
        });
        let registered = registered.filter(|(_, label)| !label.is_empty()).collect();
        Ok(Self { origin: client.ledger_info().await?.origin, scheme: parsed, registered })
    }

    fn party<'n>(&'n self, id: &'n str) -> &'n str {
        let of_scheme = || self.scheme.parties.iter().find(|party| party.id == id).map(|p| p.label.as_str());
        self.registered.get(id).map(String::as_str).or_else(of_scheme).unwrap_or(id)
    }

    fn place(&self, system: &str, unit: &str) -> String {
        let known = self.scheme.systems.iter().find(|known| known.id == system);
        place_of(known.map_or(system, |known| known.label.as_str()), unit)
    }
}

fn recipients(args: &Args, scheme: &Scheme) -> Vec<String> {
    if !args.recipient.is_empty() {
        return args.recipient.clone();
    }
    let ward = scheme.parties.iter().filter(|p| p.role == PartyRole::Controller);
    ward.map(|p| p.id.clone()).collect()
}

/// The file, its hash, and the event that files it.
fn say(
    args: &Args,
    recipients: &[String],
    erasures: &[Erasure],
    drawn: &[u8],
    context: &Context,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let hash = hex::encode(Sha256::digest(drawn));
    let entries: Vec<u64> = erasures.iter().map(|e| e.entry).collect();
    let copies: Vec<&str> = erasures.iter().flat_map(|e| &e.copies).map(|c| c.copy.as_str()).collect();
    let event = json!({
        "scheme": args.scheme,
        "deletion_certified": {
            "certificate": args.id, "copies": copies, "document": format!("hex:{hash}"), "recipients": recipients,
        },
    });
    if context.json() {
        let file = args.out.display().to_string();
        writeln!(out, "{}", json!({ "file": file, "sha256": hash, "entries": entries, "event": event }))?;
        return Ok(());
    }
    let file = args.out.display();
    writeln!(
        out,
        "{}",
        context.pick(
            format!("{file} に書きました（消去の申告{}件、複製{}件）\nSHA-256 {hash}\n提出したときに記録する事象（occur_time を補う）:\n{event}", entries.len(), copies.len()),
            format!("{file} written, from {} statements about {} copies\nSHA-256 {hash}\nthe event to record when it is handed over (add occur_time):\n{event}", entries.len(), copies.len()),
        )
    )?;
    Ok(())
}

/// The statements of the holder that copies were erased, with their receipts.
async fn erasures(
    client: &Client,
    args: &Args,
    days: Option<(Date, Date)>,
    words: &Names,
    context: &Context,
) -> anyhow::Result<Vec<Erasure>> {
    let states = client.copies(&args.scheme, 0).await?;
    let states: HashMap<&str, &proto::CopyState> = states.iter().map(|c| (c.id.as_str(), c)).collect();
    let entries: Vec<u64> = match days {
        None => args.entry.clone(),
        Some(days) => of_days(client, args, days, client.ledger_info().await?.size, &states).await?,
    };
    ensure!(
        entries.len() <= MAX_STATEMENTS,
        context.pick(
            format!("消去の申告が{}件あります。{MAX_STATEMENTS}件までに分けてください", entries.len()),
            format!("there are {} statements; a form holds at most {MAX_STATEMENTS}", entries.len()),
        )
    );
    let needed = entries.iter().max().map_or(0, |last| last + 1);
    let size = newest(client, needed, context).await?.note.checkpoint().size();
    let mut list = Vec::with_capacity(entries.len());
    for index in entries {
        let receipt = client.receipt(EntryName::Index(EntryIndex::new(index)), size).await?;
        for event in &receipt.statement().body().events {
            let Some(deleted) = own(event, args, &states) else { continue };
            ensure!(
                deleted.verification() != proto::CheckResult::Failed,
                context.pick(
                    format!("記録{index}の消去は、完了が確認されていません。証明はできません"),
                    format!("the erasure of entry {index} failed its verification: it cannot be certified"),
                )
            );
            list.push(Erasure {
                entry: index,
                occurred: Instant::from_unix_ms(event.occur_time_ms).unwrap_or(receipt.entry().recorded),
                recorded: receipt.entry().recorded,
                signers: receipt
                    .statement()
                    .signers()
                    .iter()
                    .map(|s| (s.key.to_string(), s.sequence))
                    .collect(),
                copies: deleted.copies.iter().map(|part| erased(part, &states, words)).collect(),
                facts: facts(deleted, context),
                evidence: deleted.evidence_documents.iter().map(hex::encode).collect(),
                receipt: receipt.to_string().into_bytes(),
            });
        }
    }
    Ok(list)
}

/// Entries with an erasure by the holder that happened in these days.
async fn of_days(
    client: &Client,
    args: &Args,
    (from, to): (Date, Date),
    size: u64,
    states: &HashMap<&str, &proto::CopyState>,
) -> anyhow::Result<Vec<u64>> {
    let mut found = Vec::new();
    let mut entries = Box::pin(client.read_entries(0, size).await?);
    while let Some(bytes) = entries.try_next().await? {
        let entry = Entry::decode(&bytes)?;
        let statement = proto::Statement::decode(entry.statement.statement.clone())?;
        let within = |event: &proto::Event| {
            let day = Instant::from_unix_ms(event.occur_time_ms).map(Instant::jst_day);
            day.is_some_and(|day| (from..=to).contains(&day))
        };
        if statement.events.iter().any(|event| within(event) && own(event, args, states).is_some()) {
            found.push(entry.index.get());
        }
    }
    Ok(found)
}

/// The erasure that an event states, when all of its copies are the holder's.
fn own<'e>(
    event: &'e proto::Event,
    args: &Args,
    states: &HashMap<&str, &proto::CopyState>,
) -> Option<&'e proto::Deleted> {
    let Some(Fact::Deleted(deleted)) = &event.fact else { return None };
    let of_holder = |part: &proto::CopyPart| {
        states.get(part.copy.as_str()).is_some_and(|state| state.holder == args.holder)
    };
    (event.scheme == args.scheme && deleted.copies.iter().all(of_holder)).then_some(deleted)
}

fn erased(part: &proto::CopyPart, states: &HashMap<&str, &proto::CopyState>, words: &Names) -> ErasedCopy {
    let state = states.get(part.copy.as_str());
    ErasedCopy {
        copy: part.copy.clone(),
        data_set: state.map(|s| s.data_set.clone()).unwrap_or_default(),
        system: state.map(|s| words.place(&s.system, &s.unit)).unwrap_or_default(),
        persons: part.count,
    }
}

/// How it was done, after NIST SP 800-88; what the statement leaves out is said to be left out.
fn facts(deleted: &proto::Deleted, context: &Context) -> Vec<(String, String)> {
    use proto::{BackupCoverage as Backup, CheckResult as Check, SanitizationMethod as Method};
    let pick = |ja: &str, en: &str| context.pick(ja.to_owned(), en.to_owned());
    let stated =
        |text: &str| if text.is_empty() { pick("記載なし", "not stated") } else { text.to_owned() };
    let method = match deleted.method() {
        Method::Unspecified => pick("記載なし", "not stated"),
        Method::Clear => {
            pick("消去（Clear: 通常の復元手段では復元できない）", "clear: against simple recovery tools")
        }
        Method::Purge => pick("除去（Purge: 研究施設の手段でも復元できない）", "purge: against a laboratory"),
        Method::Destroy => pick("破壊（Destroy: 媒体の物理的破壊）", "destroy: the medium is gone"),
        Method::CryptographicErase => pick("暗号化消去（鍵の破棄）", "cryptographic erase: the key is gone"),
    };
    let check = |result: Check| match result {
        Check::Unspecified => pick("記載なし", "not stated"),
        Check::NotDone => pick("未実施", "not done"),
        Check::Passed => pick("✓ 確認済", "✓ passed"),
        Check::Failed => pick("× 不合格", "× failed"),
    };
    let backups = match deleted.backups() {
        Backup::Unspecified => pick("記載なし", "not stated"),
        Backup::NoneExist => pick("控えは存在しない", "none exist"),
        Backup::Covered => pick("控えも消去した", "erased as well"),
        Backup::NotCovered => pick("！控えは含まない", "! not covered"),
    };
    let tool = [deleted.tool.as_str(), deleted.tool_version.as_str()].join(" ");
    let by = if deleted.automatic {
        pick("機器が自動で行った", "by machine, without a person")
    } else {
        stated(&deleted.performed_by)
    };
    vec![
        (pick("方法（NIST SP 800-88）", "Method (NIST SP 800-88)"), method),
        (pick("手法", "Technique"), stated(&deleted.technique)),
        (pick("手法の基準", "Its standard"), stated(&deleted.technique_standard)),
        (pick("用いた道具と版", "Tool and version"), stated(tool.trim())),
        (pick("処理の完了の確認", "Verification: it ran to completion"), check(deleted.verification())),
        (pick("結果の十分さの確認", "Validation: the result is good enough"), check(deleted.validation())),
        (pick("実施者（届出名簿の番号）", "Performed by (number in the handler list)"), by),
        (pick("立会い（届出名簿の番号）", "Witnesses (numbers)"), stated(&deleted.witnesses.join("、"))),
        (pick("控え（バックアップ）", "Backups"), backups),
    ]
}
