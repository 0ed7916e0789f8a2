//! How a key gets into the ledger: by its request, or by an invitation on paper.

use std::fmt;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use daicho_client::{Client, ClientError, Emitter, Refusal};
use daicho_core::proto::event::Fact;
use daicho_core::{DAY_MS, Instant, InvitationCode, SigningKey, proto};
use daicho_custody::fold::INVITATION_PURPOSE;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::context::{Context, now_here};
use crate::cosign::{self, Cosigners};
use crate::schema;

pub(super) const REQUEST_HELP: &str = "Examples:\n  \
    daicho key request terminal.pem --party queue_notice_service/hyojito --purpose server > request.json\n  \
    daicho emit --key ward.pem --file request.json      (the ward, on its own machine)\n\n\
    The request holds no secret: the public key, and the key's own signature that it is to speak for that party in that\n\
    ledger. The private key stays where it is.";
pub(super) const INVITE_HELP: &str = "Examples:\n  \
    daicho key invite --party jlis --purpose server --key ward.pem\n  \
    daicho key invite --party council --purpose council --days 3 --key ward.pem --cosign deputy.pem\n\n\
    Hand the paper over in person. The code works once, for that party and purpose; the ledger shows when it was used.\n\
    A lost paper is ended by `key_revoked`, as a key is.";
pub(super) const ENROL_HELP: &str = "Examples:\n  \
    daicho key enrol --out server.pem --encrypt\n  \
    daicho key enrol --out server.pem --code 7Q2M-...\n\n\
    Asks for the code on the paper, makes a key on this machine, and authorises it. The code is spent by it.";

#[derive(Debug, clap::Args)]
pub(crate) struct Request {
    /// Private key, PKCS#8 PEM
    file: PathBuf,
    /// Party for which it is to speak
    #[arg(long, value_name = "ID")]
    party: String,
    /// What it is for: a name of the machine, `auditor`, `council`
    #[arg(long, value_name = "TEXT")]
    purpose: String,
    /// Name of the ledger. Default: asks the server
    #[arg(long, value_name = "NAME")]
    origin: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Invite {
    /// Party for which the key to come is to speak
    #[arg(long, value_name = "ID")]
    party: String,
    /// What that key is for: a name of the machine, `auditor`, `council`
    #[arg(long, value_name = "TEXT")]
    purpose: String,
    /// Days for which the code works
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=90))]
    days: u16,
    /// Private key of the ward, PKCS#8 PEM
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    #[command(flatten)]
    cosigners: Cosigners,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Enrol {
    /// File to write the private key to
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Protect it by a passphrase
    #[arg(long)]
    encrypt: bool,
    /// The code. Default: asks for it, which leaves it out of the shell's history and the list of processes
    #[arg(long, value_name = "CODE")]
    code: Option<Secret>,
}

/// A text that is wiped, and that nothing prints.
#[derive(Clone)]
pub(crate) struct Secret(Zeroizing<String>);

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

pub(super) async fn request(args: &Request, context: &Context, out: &mut dyn Write) -> anyhow::Result<()> {
    let key = super::load(&args.file, context)?;
    let (origin, now) = match &args.origin {
        Some(origin) => (origin.clone(), now_here()),
        None => {
            let info = context.connect_alone(&key).await?.ledger_info().await?;
            (info.origin, Instant::from_unix_ms(info.now_ms).context("now_ms")?)
        }
    };
    let authorized = key.request(&origin, &args.party, &args.purpose);
    let event = daicho_client::event("", now, Fact::KeyAuthorized(authorized));
    Ok(writeln!(out, "{}", schema::to_json("Event", &event, false))?)
}

pub(super) async fn invite(args: &Invite, context: &Context, out: &mut dyn Write) -> anyhow::Result<()> {
    let ward = super::load(&args.key, context)?;
    let cosigners = args.cosigners.here(context)?;
    let client = context.connect_as(&ward).await?;
    let info = client.ledger_info().await?;
    let now = Instant::from_unix_ms(info.now_ms).context("now_ms")?;
    let until = now.plus_ms(i64::from(args.days) * DAY_MS).jst_day().end();
    let code = InvitationCode::from_random(*super::random(context)?);
    let one_time = code.key(&info.origin);
    let authorized = proto::KeyAuthorized {
        invites_for: args.purpose.clone(),
        invites_until_ms: until.unix_ms(),
        ..one_time.request(&info.origin, &args.party, INVITATION_PURPOSE)
    };
    let id = one_time.public().id();
    let event = daicho_client::event("", now, Fact::KeyAuthorized(authorized));
    let mut emitter = Emitter::new(client, ward).await?;
    let cosigners = cosign::signers(&cosigners);
    let entry = match args.cosigners.draft(&mut emitter, std::slice::from_ref(&event), context, out).await? {
        true => None,
        false => Some(emitter.emit_with(vec![event], &cosigners).await?.entry_index),
    };
    if context.json() {
        let json = json!({
            "code": code.to_string(), "key": id.to_string(), "entry": entry, "origin": info.origin,
            "party": args.party, "purpose": args.purpose, "until": until.to_string(),
        });
        return Ok(writeln!(out, "{json}")?);
    }
    let authority = match &context.ca {
        Some(file) => fingerprint(file, context)?,
        None => context.pick("（公的な認証局）", "(a public authority)").to_owned(),
    };
    let (party, purpose, origin, server) = (&args.party, &args.purpose, &info.origin, &context.server);
    let day = until.jst_day();
    // With others elsewhere it is recorded once they have signed.
    let entry = match entry {
        Some(entry) => entry.to_string(),
        None => context.pick("署名待ち", "waits for signatures").to_owned(),
    };
    let paper = context.pick(
        format!(
            "台帳への招待状\n\n  当事者        {party}\n  鍵の用途      {purpose}\n  台帳          {origin}\n  \
             接続先        {server}\n  認証局の指紋  {authority}\n  有効期限      {day} まで・一回限り\n  \
             記録          {entry}(鍵 {id})\n\n  コード        {code}\n\n\
             受け取った方は、鍵を使う機器で次を実行し、コードを入力してください。\n\n  \
             daicho --server {server} --ca ca.pem key enrol --out server.pem --encrypt\n\n\
             使う前に紛失したとき、又は他人の目に触れたときは、直ちに区へ届け出てください。\n"
        ),
        format!(
            "Invitation to a ledger\n\n  party                  {party}\n  purpose of the key     {purpose}\n  \
             ledger                 {origin}\n  server                 {server}\n  authority, fingerprint {authority}\n  \
             works until            {day}, once\n  recorded               {entry} (key {id})\n\n  \
             code                   {code}\n\n\
             On the machine that is to use the key, run this and type the code:\n\n  \
             daicho --server {server} --ca ca.pem key enrol --out server.pem --encrypt\n\n\
             Tell the ward at once when this paper is lost, or seen by others, before it was used.\n"
        ),
    );
    Ok(write!(out, "{paper}")?)
}

/// SHA-256 of the first certificate of a PEM file, in hex.
fn fingerprint(file: &Path, context: &Context) -> anyhow::Result<String> {
    let pem = context.read(file)?;
    let first = CertificateDer::pem_slice_iter(&pem).next().and_then(Result::ok);
    let first = first.ok_or_else(|| anyhow!(context.no_certificate(file)))?;
    Ok(hex::encode(Sha256::digest(&first)))
}

pub(super) async fn enrol(args: &Enrol, context: &Context, out: &mut dyn Write) -> anyhow::Result<()> {
    let code = match &args.code {
        Some(code) => code.clone(),
        None => {
            let words = context.pick("招待状のコード: ", "code of the invitation: ");
            let what = || {
                context.pick(
                    "コードを尋ねられません。--code で指定してください",
                    "nobody to ask for the code; give it with --code",
                )
            };
            Secret(Zeroizing::new(rpassword::prompt_password(words).with_context(what)?))
        }
    };
    let code = InvitationCode::parse(&code.0).ok_or_else(|| {
        anyhow!(context.pick(
            "コードではありません。紙面の28文字をもう一度ご確認ください",
            "that is no code; look at its 28 characters again",
        ))
    })?;
    // The server's name has to be known before the one-time key is: it is made for one ledger.
    let stranger = SigningKey::from_seed(&Sha256::digest(b"nobody").into());
    let origin = context.connect_alone(&stranger).await?.ledger_info().await?.origin;
    let invited = code.key(&origin);
    let client = context.connect_alone(&invited).await?;
    let invitation = invitation(&client, &invited, context).await?;
    let key = super::new(&args.out, args.encrypt, context)?;
    let now = Instant::from_unix_ms(client.ledger_info().await?.now_ms).context("now_ms")?;
    let authorized = key.request(&origin, &invitation.party, &invitation.invites_for);
    let event = daicho_client::event("", now, Fact::KeyAuthorized(authorized));
    match Emitter::new(client, invited).await?.emit(vec![event]).await {
        Ok(recorded) => {
            super::show(&key, context, out)?;
            if !context.json() {
                let (party, entry) = (&invitation.party, recorded.entry_index);
                let words = context.pick(
                    format!("{party} の鍵として記録 {entry} で承認されました。コードは使用済みです。"),
                    format!("authorised as a key of {party} by entry {entry}; the code is spent"),
                );
                writeln!(out, "{words}")?;
            }
            Ok(())
        }
        Err(error @ ClientError::Refused(Refusal { .. })) => {
            // Nothing speaks for the key: it is of no use.
            fs::remove_file(&args.out).ok();
            Err(error.into())
        }
        Err(error) => {
            let file = args.out.display();
            Err(anyhow::Error::from(error).context(context.pick(
                format!("鍵は {file} にあります。承認されたかは `daicho --identity {file} key list` で分かります"),
                format!("the key is in {file}; `daicho --identity {file} key list` tells whether it was authorised"),
            )))
        }
    }
}

/// What the ledger knows of the one-time key.
async fn invitation(client: &Client, invited: &SigningKey, context: &Context) -> anyhow::Result<proto::Key> {
    let id = invited.public().id();
    let known = match client.keys().await {
        Ok(keys) => keys.into_iter().find(|key| key.id == id.as_bytes()),
        Err(ClientError::NotKnown(_)) => None,
        Err(error) => return Err(error.into()),
    };
    match known {
        Some(key) if !key.revoked => Ok(key),
        _ => bail!(context.pick(
            "このコードは、この台帳の招待状のものではないか、使用済み又は失効しています",
            "the code is of no invitation to this ledger, or it was used or ended before",
        )),
    }
}
