//! `daichod init`: founds a ledger.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use daicho_core::{Instant, Origin, SigningKey};
use daicho_engine::{Clock as _, Founding, SystemClock, found};

/// Founds a ledger in a new folder. Missing key files are made (PKCS #8 PEM, readable by you alone).
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  daichod init --data ./ledger --origin ledger.city.example/2026 --ward-key ward.pem --operator-key operator.pem
  daichod init --data ./demo --origin demo.example/ledger --simulated --start 2018-08-01 \\
      --ward-key ward.pem --operator-key operator.pem

The name must be unique: every statement is signed for it. A simulated ledger carries `+simulated` in its name
for ever; its clock is moved by whoever uses it, so it proves nothing about real time.")]
pub(crate) struct Args {
    /// Data folder. Must not hold a ledger.
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
    /// Private key of the ward (甲), which governs the ledger; made when missing.
    #[arg(long)]
    ward_key: PathBuf,
    /// Id of the ward.
    #[arg(long, default_value = "ward")]
    ward: String,
    /// Its name in Japanese.
    #[arg(long, default_value = "新宿区")]
    ward_label: String,
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
            crate::config::ConfigError::new(
                "--origin: printable ASCII without spaces or `+`, at most 109 characters",
            )
        })?;
    let at = match &args.start {
        None => SystemClock.now(),
        Some(text) => Instant::parse(text).ok_or_else(|| {
            crate::config::ConfigError::new("--start: a time such as 2018-08-01 or 2018-08-01T09:00")
        })?,
    };
    let operator_key = key(&args.operator_key)?;
    let ward_key = key(&args.ward_key)?;
    let founding = Founding {
        origin,
        operator: (args.operator.clone(), args.operator_label.clone()),
        operator_key: &operator_key,
        ward: (args.ward.clone(), args.ward_label.clone()),
        ward_key: ward_key.public(),
        at,
    };
    let chain = found(&args.data, &founding)?;
    println!("ledger       {}", founding.origin);
    println!("data         {}", args.data.display());
    println!("operator     {} key {}", args.operator, operator_key.public().id());
    println!("ward         {} key {}", args.ward, ward_key.public().id());
    println!("entry 0      {at}  chain hash {chain}");
    Ok(ExitCode::SUCCESS)
}

fn key(path: &Path) -> anyhow::Result<SigningKey> {
    if path.exists() {
        let pem = fs::read_to_string(path).with_context(|| format!("reading key {}", path.display()))?;
        return match SigningKey::from_pem(&pem) {
            Some(key) => Ok(key),
            None => bail!("{} is no Ed25519 private key in PKCS #8 PEM", path.display()),
        };
    }
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    let key = SigningKey::from_seed(&seed);
    write_private(path, &key.to_pem()).with_context(|| format!("writing key {}", path.display()))?;
    Ok(key)
}

fn write_private(path: &Path, pem: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(pem.as_bytes())?;
    file.sync_all()
}
