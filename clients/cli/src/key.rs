//! `daicho key`: makes, shows and lists keys, and brings them into the ledger.

mod enrol;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Subcommand;
use daicho_core::SigningKey;
use serde_json::json;
use zeroize::Zeroizing;

use crate::context::Context;
use crate::exit::Exit;
use crate::schema;
use crate::table::{Table, or_dash};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a private key
    #[command(
        after_help = "Examples:\n  daicho key new --out terminal.pem\n  daicho key new --out ward.pem --encrypt\n\n\
        The file is PKCS#8 PEM, readable by you alone. An existing file is never overwritten.\n\
        With --encrypt a passphrase protects it (scrypt, AES-256); every command that signs asks for it, or reads it\n\
        from the file that DAICHO_PASSPHRASE_FILE names."
    )]
    New {
        /// File to write
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Protect it by a passphrase
        #[arg(long)]
        encrypt: bool,
    },
    /// Show id and public key of a private key
    #[command(after_help = "Examples:\n  daicho key show terminal.pem\n  \
        daicho key show terminal.pem --output json    (public_key as an event `key_authorized` takes it)")]
    Show {
        /// Private key, PKCS#8 PEM
        file: PathBuf,
    },
    /// Print the request with which a key asks to be authorised
    #[command(after_help = enrol::REQUEST_HELP)]
    Request(enrol::Request),
    /// Print an invitation on paper: a code with which somebody may authorise one key
    #[command(after_help = enrol::INVITE_HELP)]
    Invite(enrol::Invite),
    /// Make a key and authorise it by the code of an invitation
    #[command(after_help = enrol::ENROL_HELP)]
    Enrol(enrol::Enrol),
    /// List the keys that the ledger knows
    #[command(after_help = "Examples:\n  daicho key list\n  daicho key list --output json")]
    List,
}

pub(crate) async fn run(command: Command, context: &Context, out: &mut dyn Write) -> anyhow::Result<Exit> {
    match command {
        Command::New { out: file, encrypt } => show(&new(&file, encrypt, context)?, context, out)?,
        Command::Request(args) => enrol::request(&args, context, out).await?,
        Command::Invite(args) => enrol::invite(&args, context, out).await?,
        Command::Enrol(args) => enrol::enrol(&args, context, out).await?,
        Command::Show { file } => show(&load(&file, context)?, context, out)?,
        Command::List => list(context, out).await?,
    }
    Ok(Exit::Ok)
}

/// Reads a private key.
pub(crate) fn load(file: &Path, context: &Context) -> anyhow::Result<SigningKey> {
    let bytes = Zeroizing::new(context.read(file)?);
    let pem = std::str::from_utf8(&bytes).unwrap_or_default();
    if SigningKey::is_encrypted(pem) {
        let passphrase = passphrase(file, false, context)?;
        warn_if_open(file, context);
        return SigningKey::from_encrypted_pem(pem, &passphrase).ok_or_else(|| {
            let file = file.display();
            anyhow!(context.pick(
                format!("{file} を開けません。パスフレーズをご確認ください"),
                format!("{file} does not open; check the passphrase"),
            ))
        });
    }
    let key = SigningKey::from_pem(pem).ok_or_else(|| {
        let file = file.display();
        anyhow!(context.pick(
            format!("{file} は Ed25519 の秘密鍵（PKCS#8 PEM）ではありません"),
            format!("{file} is no Ed25519 private key in PKCS#8 PEM"),
        ))
    })?;
    warn_if_open(file, context);
    Ok(key)
}

/// Reads several private keys, in order.
pub(crate) fn load_all(files: &[PathBuf], context: &Context) -> anyhow::Result<Vec<SigningKey>> {
    files.iter().map(|file| load(file, context)).collect()
}

/// Random bytes of a secret.
fn random<const N: usize>(context: &Context) -> anyhow::Result<Zeroizing<[u8; N]>> {
    let mut secret = Zeroizing::new([0; N]);
    getrandom::fill(&mut *secret)
        .map_err(|error| anyhow!("{}: {error}", context.pick("乱数を得られません", "no random numbers")))?;
    Ok(secret)
}

/// File with the passphrase, for programs that nobody sits before.
const PASSPHRASE_FILE: &str = "DAICHO_PASSPHRASE_FILE";
/// Shortest passphrase of a new key, in characters.
const SHORTEST: usize = 12;

fn passphrase(file: &Path, new: bool, context: &Context) -> anyhow::Result<Zeroizing<String>> {
    if let Some(from) = std::env::var_os(PASSPHRASE_FILE) {
        let bytes = Zeroizing::new(context.read(Path::new(&from))?);
        let text = std::str::from_utf8(&bytes).context(PASSPHRASE_FILE)?;
        return Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()));
    }
    let file = file.display();
    let words = match new {
        true => context.pick(
            format!("{file} の新しいパスフレーズ（{SHORTEST}文字以上）: "),
            format!("new passphrase of {file}, at least {SHORTEST} characters: "),
        ),
        false => context.pick(format!("{file} のパスフレーズ: "), format!("passphrase of {file}: ")),
    };
    let what = || {
        context.pick(
            format!(
                "パスフレーズを尋ねられません。{PASSPHRASE_FILE} に、それを書いたファイルを指定してください"
            ),
            format!("nobody to ask for a passphrase; name a file that holds it in {PASSPHRASE_FILE}"),
        )
    };
    rpassword::prompt_password(words).map(Zeroizing::new).with_context(what)
}

/// A passphrase for a new key: asked for twice, where a person gives it.
fn new_passphrase(file: &Path, context: &Context) -> anyhow::Result<Zeroizing<String>> {
    let first = passphrase(file, true, context)?;
    if first.chars().count() < SHORTEST {
        anyhow::bail!(context.pick(
            format!("パスフレーズは {SHORTEST} 文字以上にしてください"),
            format!("a passphrase has at least {SHORTEST} characters"),
        ));
    }
    if std::env::var_os(PASSPHRASE_FILE).is_none() && passphrase(file, false, context)? != first {
        anyhow::bail!(context.pick("パスフレーズが一致しません", "the two are not the same"));
    }
    Ok(first)
}

/// A key that others can read can speak for its party.
#[cfg(unix)]
fn warn_if_open(file: &Path, context: &Context) {
    use std::os::unix::fs::PermissionsExt as _;
    if std::fs::metadata(file).is_ok_and(|data| data.permissions().mode() & 0o077 != 0) {
        let file = file.display();
        eprintln!(
            "{}",
            context.pick(
                format!("注意: {file} は他の利用者にも読めます。chmod 600 で保護してください。"),
                format!("warning: others can read {file}; protect it with chmod 600"),
            )
        );
    }
}

#[cfg(not(unix))]
fn warn_if_open(_: &Path, _: &Context) {}

/// Makes a key in a new file.
fn new(file: &Path, encrypt: bool, context: &Context) -> anyhow::Result<SigningKey> {
    let key = SigningKey::from_seed(&*random(context)?);
    let pem = if encrypt {
        let pem = key.to_encrypted_pem(&new_passphrase(file, context)?);
        pem.ok_or_else(|| anyhow!(context.pick("乱数を得られません", "no random numbers")))?
    } else {
        key.to_pem()
    };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let what = || {
        let file = file.display();
        context.pick(
            format!("{file} を作れません（既にあるファイルには上書きしません）"),
            format!("cannot create {file} (an existing file is never overwritten)"),
        )
    };
    let mut created = options.open(file).with_context(what)?;
    created.write_all(pem.as_bytes()).and_then(|()| created.sync_all()).with_context(what)?;
    Ok(key)
}

fn show(key: &SigningKey, context: &Context, out: &mut dyn Write) -> anyhow::Result<()> {
    let public = key.public();
    let value = hex::encode(public.as_bytes());
    if context.json() {
        let public_key =
            json!({ "algorithm": "SIGNATURE_ALGORITHM_ED25519", "value": format!("hex:{value}") });
        writeln!(out, "{}", json!({ "id": public.id().to_string(), "public_key": public_key }))?;
        return Ok(());
    }
    writeln!(out, "{}{}", context.pick("鍵の識別子  ", "key id      "), public.id())?;
    writeln!(out, "{}Ed25519 {value}", context.pick("公開鍵      ", "public key  "))?;
    Ok(())
}

async fn list(context: &Context, out: &mut dyn Write) -> anyhow::Result<()> {
    let keys = context.connect().await?.keys().await?;
    if context.json() {
        for key in &keys {
            let mut json = schema::to_json("Key", key, true);
            json["id"] = json!(hex::encode(&key.id));
            writeln!(out, "{json}")?;
        }
        return Ok(());
    }
    let mut table = Table::new(&context.pick(
        ["鍵の識別子", "当事者", "用途", "承認した記録", "失効した記録", "最後の番号", "欠番"],
        ["KEY", "PARTY", "PURPOSE", "AUTHORISED BY", "REVOKED BY", "LAST NUMBER", "GAPS"],
    ));
    for key in keys {
        let revoked = if key.revoked { key.revoked_entry.to_string() } else { "-".to_owned() };
        table.row([
            hex::encode(&key.id),
            key.party,
            or_dash(&key.purpose),
            key.authorized_entry.to_string(),
            revoked,
            key.last_sequence.to_string(),
            or_dash(&key.gaps.join(", ")),
        ]);
    }
    Ok(table.write(context, out)?)
}
