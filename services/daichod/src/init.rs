//! `daichod init`: founds a ledger.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use daicho_core::{Instant, Origin, PublicKey};
use daicho_engine::{Clock as _, Founding, SystemClock, found};
use daicho_store::{Store, StoreError};
use daicho_tlog::Algorithm;

use crate::config::{ConfigError, beside};
use crate::connection::make_certificate;
use crate::guard::{Location, state_of};
use crate::keys::{note_signer, private_folder, signing_key};

/// Founds a ledger in a new folder. Missing key files are made (PKCS #8 PEM, readable by you alone).
#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("key of the ward").args(["ward_public", "ward_key"]).required(true))]
#[command(after_help = "\
Examples:
  daichod init --data ./ledger --origin ledger.city.example/2026 --ward-public 3b6a27bc… --operator-key operator.pem
  daichod init --data ./demo --origin demo.example/ledger --simulated --start 2018-08-01 \\
      --ward-key ward.pem --operator-key operator.pem

Give the checkpoint keys' lines to auditors and witnesses: they verify everything else.
The name must be unique: every statement is signed for it. A simulated ledger carries `/simulated` in its name
for ever; its clock is moved by whoever uses it, so it proves nothing about real time.")]
pub(crate) struct Args {
    /// Data folder, made when missing. Must hold nothing.
    #[arg(long, default_value = crate::DEFAULT_DATA)]
    data: PathBuf,
    /// Name of the ledger, e.g. a domain name and a year.
    #[arg(long)]
    origin: String,
    /// Private key of the operator; made when missing.
    #[arg(long)]
    operator_key: PathBuf,
    /// Id of the party that runs the ledger.
    #[arg(long, default_value = "operator")]
    operator: String,
    /// Its name in Japanese.
    #[arg(long, default_value = "台帳運用者")]
    operator_label: String,
    /// Public key of the ward (甲), which governs the ledger: 64 hexadecimal digits, as `daicho key show` prints them. The ward
    /// makes its key itself and keeps it.
    #[arg(long, value_name = "HEX")]
    ward_public: Option<String>,
    /// Private key of the ward, for trials on one machine; made when missing.
    #[arg(long)]
    ward_key: Option<PathBuf>,
    /// Id of the ward.
    #[arg(long, default_value = "ward")]
    ward: String,
    /// Its name in Japanese.
    #[arg(long, default_value = "新宿区")]
    ward_label: String,
    /// Private key that signs checkpoints; made when missing. Default: the data folder's name with `.checkpoint-key`.
    #[arg(long)]
    checkpoint_key: Option<PathBuf>,
    /// A second one, for ML-DSA-44 (FIPS 204), that signs beside the first; made when missing.
    #[arg(long)]
    checkpoint_key_ml_dsa: Option<PathBuf>,
    /// Fork guard: a file on a disk that is not restored together with the data folder, or s3://bucket/key. Default: the
    /// data folder's name with `.guard`.
    #[arg(long)]
    guard: Option<Location>,
    /// A name or address of this machine for the certificate that is made, beside localhost; may be given more than once.
    #[arg(long = "tls-name", value_name = "NAME")]
    tls_names: Vec<String>,
    /// Run on a simulated clock (模擬), for demonstrations and tests only.
    #[arg(long)]
    simulated: bool,
    /// Where the simulated clock starts, e.g. 2018-08-01.
    #[arg(long, requires = "simulated")]
    start: Option<String>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let suffix = if args.simulated { Origin::SIMULATED_SUFFIX } else { "" };
    let origin = Origin::new(&format!("{}{suffix}", args.origin))
        .filter(|origin| origin.is_simulated() == args.simulated)
        .ok_or_else(|| {
            ConfigError::new("--origin: printable ASCII without spaces or `+`, at most 109 characters")
        })?;
    let at = match &args.start {
        None => SystemClock.now(),
        Some(text) => Instant::parse(text)
            .ok_or_else(|| ConfigError::new("--start: a time such as 2018-08-01 or 2018-08-01T09:00"))?,
    };
    // Before anything is made: what fails here leaves nothing behind.
    match Store::open_read_only(&args.data).and_then(|store| store.head()) {
        Err(StoreError::Missing(_)) => {}
        Ok(_) => bail!(StoreError::Exists(args.data.display().to_string())),
        // Nobody was told anything by a founding that did not end.
        Err(error) => bail!(
            "{} holds a ledger that does not open, or whose founding was interrupted ({error}): see `daichod fsck`; if \
             nothing was ever recorded, delete the folder and the guard and found it again",
            args.data.display()
        ),
    }
    let other = other_file(&args.data).with_context(|| format!("looking into {}", args.data.display()))?;
    if let Some(other) = other {
        return Err(ConfigError::new(format!(
            "--data: {} holds other files, such as {other}; a ledger has a folder of its own",
            args.data.display()
        ))
        .into());
    }
    let guard = Location::or_beside(args.guard.as_ref(), &args.data);
    // A guard that still holds a checkpoint knows of a ledger whose receipts a new one would contradict.
    let held = if guard.is_missing_file()? { None } else { guard.with(|guard| guard.read())? };
    if let Some(held) = held {
        bail!(
            "the fork guard {guard} holds a checkpoint of `{}` over {} entries; give this ledger a guard of its own",
            held.origin(),
            held.size()
        );
    }
    let ward_key = match (&args.ward_public, &args.ward_key) {
        (Some(hex), _) => public_key(hex).ok_or_else(|| {
            ConfigError::new(
                "--ward-public: 64 hexadecimal digits of an Ed25519 key, as `daicho key show` prints them",
            )
        })?,
        (None, Some(file)) => signing_key(file)?.public(),
        (None, None) => return Err(ConfigError::new("--ward-public or --ward-key is wanted").into()),
    };
    let operator_key = signing_key(&args.operator_key)?;
    if operator_key.public() == ward_key {
        return Err(ConfigError::new(
            "the keys of operator and ward: the same key; the operator must not be able to sign for the ward",
        )
        .into());
    }
    let checkpoint_key = args.checkpoint_key.clone().unwrap_or_else(|| beside(&args.data, "checkpoint-key"));
    let mut signers = vec![note_signer(&checkpoint_key, &origin, Algorithm::Ed25519)?];
    if let Some(path) = &args.checkpoint_key_ml_dsa {
        signers.push(note_signer(path, &origin, Algorithm::CosignatureMlDsa44)?);
    }
    let checkpoint_keys: Vec<String> = signers.iter().map(|signer| signer.verifier().to_string()).collect();
    let founding = Founding {
        origin,
        operator: (args.operator.clone(), args.operator_label.clone()),
        operator_key: &operator_key,
        ward: (args.ward.clone(), args.ward_label.clone()),
        ward_key,
        checkpoint_keys: checkpoint_keys.clone(),
        at,
    };
    private_folder(&args.data).with_context(|| format!("making {}", args.data.display()))?;
    let authority = make_certificate(&args.data, &args.tls_names)?;
    let chain = found(&args.data, &founding)?;
    let founded = state_of(&args.data)?;
    guard.with(|guard| guard.renew(&founded))?;
    crate::say!("ledger       {}", founding.origin);
    crate::say!("data         {}", args.data.display());
    crate::say!("operator     {} key {}", args.operator, operator_key.public().id());
    crate::say!("ward         {} key {}", args.ward, ward_key.id());
    for key in &checkpoint_keys {
        crate::say!("checkpoints  {key}");
    }
    crate::say!("fork guard   {guard}");
    crate::say!("TLS          clients are given {}", authority.display());
    crate::say!("entry 0      {at}  chain hash {chain}");
    Ok(ExitCode::SUCCESS)
}

/// A public key from its hexadecimal digits.
fn public_key(hex: &str) -> Option<PublicKey> {
    let bytes: [u8; 32] = hex::decode(hex.trim()).ok()?.try_into().ok()?;
    Some(PublicKey::from_bytes(bytes)).filter(|key| key.to_verifying_key().is_some())
}

/// A file in a folder that no founding left there which ended before the ledger had a place in it.
///
/// # Errors
/// When the folder cannot be read.
fn other_file(folder: &Path) -> std::io::Result<Option<String>> {
    let left = |name: &str| {
        ["IDENTITY", "LOCK", "LOG", "MANIFEST-000001", "lost+found"].contains(&name)
            || name.starts_with("LOG.old.")
            || name.ends_with(".dbtmp")
    };
    let files = match folder.read_dir() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        files => files?,
    };
    for file in files {
        let name = file?.file_name().to_string_lossy().into_owned();
        if !left(&name) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}
