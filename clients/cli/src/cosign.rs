//! `daicho cosign`: a statement of several keys goes from desk to desk, and to the ledger when all have signed.

use std::io::{IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use daicho_client::{ClientError, Emitter};
use daicho_core::{Draft, KeyId, Signer, SigningKey, proto};
use serde_json::json;

use crate::context::Context;
use crate::exit::Exit;
use crate::table::plain;
use crate::{key, schema, words};

/// Who signs beside the key of a command.
#[derive(Debug, clap::Args)]
pub(crate) struct Cosigners {
    /// Further private key that signs, where the ward's rule asks for several
    #[arg(long, value_name = "FILE")]
    cosign: Vec<PathBuf>,
    /// Id of a key elsewhere that is to sign: nothing is sent, the statement is written to --draft
    #[arg(long, value_name = "KEY", requires = "draft", conflicts_with = "cosign", value_parser = key_id)]
    with: Vec<KeyId>,
    /// File for the statement that those keys are to sign; `daicho cosign --help`
    #[arg(long, value_name = "FILE", requires = "with")]
    draft: Option<PathBuf>,
}

fn key_id(text: &str) -> Result<KeyId, String> {
    KeyId::parse(text).ok_or_else(|| "a key id has 32 hexadecimal digits; `daicho key list`".to_owned())
}

impl Cosigners {
    /// The keys that are here.
    pub(crate) fn here(&self, context: &Context) -> anyhow::Result<Vec<SigningKey>> {
        key::load_all(&self.cosign, context)
    }

    /// Whether keys elsewhere are to sign.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.draft.is_some()
    }

    /// Where keys are elsewhere: writes the draft that they are to sign. Says whether it did.
    pub(crate) async fn draft(
        &self,
        emitter: &mut Emitter,
        events: &[proto::Event],
        context: &Context,
        out: &mut dyn Write,
    ) -> anyhow::Result<bool> {
        let Some(file) = &self.draft else { return Ok(false) };
        let draft = emitter.draft(events.to_vec(), &self.with).await?;
        let path = file.display();
        anyhow::ensure!(
            context.create(file, &encoded(&draft))?,
            context.pick(format!("{path} が既にあります"), format!("{path} exists already"))
        );
        still_missing(&draft, file, true, context, out)?;
        Ok(true)
    }
}

/// Keys of files, as signers.
pub(crate) fn signers(keys: &[SigningKey]) -> Vec<&dyn Signer> {
    keys.iter().map(|key| key as &dyn Signer).collect()
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    daicho emit --key a.pem --with 5e0c… --draft draft.json --file request.json   (the first officer)\n  \
    daicho cosign draft.json                                                      (anybody: what it says)\n  \
    daicho cosign draft.json --key b.pem                                          (the second, on a machine of their own)\n  \
    daicho --identity a.pem cosign draft.json --send                              (whoever has it then)\n\n\
    Private keys stay where they are; the file goes around. It needs no server to be signed, and holds no secret.\n\
    A key that signs something else before the draft is sent makes it void: the ledger refuses its number.")]
pub(crate) struct Args {
    /// The draft
    file: PathBuf,
    /// Private key that signs it, PKCS#8 PEM
    #[arg(long, value_name = "FILE", conflicts_with = "send")]
    key: Option<PathBuf>,
    /// Sign without asking
    #[arg(long, requires = "key")]
    yes: bool,
    /// Send it to the ledger, signed by all
    #[arg(long)]
    send: bool,
}

pub(crate) async fn run(args: Args, context: &Context, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let mut draft = read(&args.file, context)?;
    if args.send {
        return send(&draft, &args.file, context, out).await;
    }
    show(&draft, context, out)?;
    let Some(file) = &args.key else { return Ok(Exit::Ok) };
    out.flush()?;
    let key = key::load(file, context)?;
    if !draft.sign(&key).map_err(ClientError::from)? {
        bail!(context.pick("この鍵は、この申告の署名者ではありません", "this key is not among its signers"));
    }
    if !args.yes && !agreed(context)? {
        bail!(context.pick("署名していません", "not signed"));
    }
    write(&args.file, &draft, context)?;
    still_missing(&draft, &args.file, true, context, out)?;
    Ok(Exit::Ok)
}

fn read(file: &Path, context: &Context) -> anyhow::Result<Draft> {
    let bytes = context.read(file)?;
    let path = file.display();
    let what = || context.pick(format!("{path} は申告の下書きではありません"), format!("{path} is no draft"));
    let signed: proto::SignedStatement = schema::from_json("SignedStatement", &bytes).with_context(what)?;
    Draft::parse(signed).with_context(what)
}

fn encoded(draft: &Draft) -> Vec<u8> {
    format!("{:#}\n", schema::to_json("SignedStatement", draft.signed(), true)).into_bytes()
}

/// In the place of the file, whole or not at all.
fn write(file: &Path, draft: &Draft, context: &Context) -> anyhow::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let what = || context.cannot_write(file);
    let mut beside = tempfile::NamedTempFile::new_in(folder).with_context(what)?;
    beside.write_all(&encoded(draft)).and_then(|()| beside.as_file().sync_all()).with_context(what)?;
    beside.persist(file).map(drop).with_context(what)
}

/// What it says, and who has signed.
fn show(draft: &Draft, context: &Context, out: &mut dyn Write) -> anyhow::Result<()> {
    let body = draft.body();
    if context.json() {
        let signers = draft.signers().map(
            |(id, signed)| json!({ "key": id.key.to_string(), "sequence": id.sequence, "signed": signed }),
        );
        let events = body.events.iter().map(|event| schema::to_json("Event", event, false));
        let json = json!({
            "origin": body.ledger_origin,
            "signers": signers.collect::<Vec<_>>(),
            "events": events.collect::<Vec<_>>(),
        });
        return Ok(writeln!(out, "{json}")?);
    }
    writeln!(out, "{}  {}", context.pick("台帳", "ledger"), plain(&body.ledger_origin))?;
    for (id, signed) in draft.signers() {
        let word = if signed {
            context.pick("署名済", "signed")
        } else {
            context.pick("未署名", "not signed yet")
        };
        writeln!(out, "{}  {id}  {word}", context.pick("鍵", "key"))?;
    }
    for (n, event) in (1..).zip(&body.events) {
        writeln!(out, "\n{n}. {}", plain(&words::event(event, context.lang)))?;
        let json = format!("{:#}", schema::to_json("Event", event, false));
        json.lines().try_for_each(|line| writeln!(out, "{}", plain(line)))?;
    }
    Ok(writeln!(out)?)
}

fn agreed(context: &Context) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!(context.pick("確認する人がいません。--yes を指定してください", "nobody to ask; say --yes"));
    }
    eprint!("{}", context.pick("以上の内容に署名しますか [y/N]: ", "Sign this? [y/N]: "));
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "はい"))
}

/// Who has to sign yet, and what to do next. `written`: whether the file was, or somebody wanted to send it.
fn still_missing(
    draft: &Draft,
    file: &Path,
    written: bool,
    context: &Context,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let missing: Vec<String> =
        draft.signers().filter(|(_, signed)| !signed).map(|(id, _)| id.key.to_string()).collect();
    let path = file.display();
    if context.json() {
        return Ok(writeln!(out, "{}", json!({ "draft": path.to_string(), "missing": missing }))?);
    }
    let keys = missing.join(context.pick("、", ", "));
    let text = if missing.is_empty() {
        context.pick(
            format!("全員が署名しました。送信: daicho --identity 鍵 cosign {path} --send"),
            format!("all have signed; to send it: daicho --identity KEY cosign {path} --send"),
        )
    } else if written {
        context.pick(
            format!("{path} に書きました。次の鍵の署名が必要です: {keys}"),
            format!("written to {path}; these keys are to sign it: {keys}"),
        )
    } else {
        context.pick(
            format!("送っていません。次の鍵の署名がまだありません: {keys}"),
            format!("not sent; these keys have not signed it yet: {keys}"),
        )
    };
    Ok(writeln!(out, "{text}")?)
}

async fn send(draft: &Draft, file: &Path, context: &Context, out: &mut dyn Write) -> anyhow::Result<Exit> {
    if draft.signers().any(|(_, signed)| !signed) {
        still_missing(draft, file, false, context, out)?;
        return Ok(Exit::Wrong);
    }
    let who = context.identity.as_deref().ok_or_else(|| {
        anyhow!(context.pick(
            "--identity に、台帳に承認された鍵を指定してください",
            "name a key that the ledger has authorised in --identity",
        ))
    })?;
    let key = key::load(who, context)?;
    let emitter = Emitter::new(context.connect_as(&key).await?, key).await?;
    let recorded = emitter.resend(draft.signed().clone()).await?;
    let (entry, repeated) = (recorded.entry_index, recorded.repeated);
    if context.json() {
        writeln!(out, "{}", json!({ "entry": entry, "repeated": repeated }))?;
    } else {
        let text = context.pick(format!("記録 {entry} になりました"), format!("recorded as entry {entry}"));
        writeln!(out, "{text}")?;
    }
    Ok(Exit::Ok)
}
