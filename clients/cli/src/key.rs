//! `daicho key`: makes, shows and lists keys.

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
    #[command(after_help = "Examples:\n  daicho key new --out terminal.pem\n\n\
        The file is PKCS#8 PEM, readable by you alone. An existing file is never overwritten.")]
    New {
        /// File to write
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Show id and public key of a private key
    #[command(after_help = "Examples:\n  daicho key show terminal.pem\n  \
        daicho key show terminal.pem --output json    (public_key as an event `key_authorized` takes it)")]
    Show {
        /// Private key, PKCS#8 PEM
        file: PathBuf,
    },
    /// List the keys that the ledger knows
    #[command(after_help = "Examples:\n  daicho key list\n  daicho key list --output json")]
    List,
}

pub(crate) async fn run(command: Command, context: &Context, out: &mut dyn Write) -> anyhow::Result<Exit> {
    match command {
        Command::New { out: file } => new(&file, context, out)?,
        Command::Show { file } => show(&load(&file, context)?, context, out)?,
        Command::List => list(context, out).await?,
    }
    Ok(Exit::Ok)
}

/// Reads a private key.
pub(crate) fn load(file: &Path, context: &Context) -> anyhow::Result<SigningKey> {
    let pem = Zeroizing::new(context.read(file)?);
    let key = std::str::from_utf8(&pem).ok().and_then(SigningKey::from_pem);
    let key = key.ok_or_else(|| {
        let file = file.display();
        anyhow!(context.pick(
            format!("{file} は Ed25519 の秘密鍵（PKCS#8 PEM）ではありません"),
            format!("{file} is no Ed25519 private key in PKCS#8 PEM"),
        ))
    })?;
    warn_if_open(file, context);
    Ok(key)
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

fn new(file: &Path, context: &Context, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed)
        .map_err(|error| anyhow!("{}: {error}", context.pick("乱数を得られません", "no random numbers")))?;
    let key = SigningKey::from_seed(&seed);
    let pem = Zeroizing::new(key.to_pem());
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
    show(&key, context, out)
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
