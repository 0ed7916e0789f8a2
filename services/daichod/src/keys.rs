//! Private key files, made where they are missing and readable by their owner alone, and `daichod checkpoint-key`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use daicho_core::{Origin, SigningKey};
use daicho_tlog::{Algorithm, KeyName, NoteSigner};

use crate::config::ConfigError;

/// Makes another key that signs checkpoints, for a rotation or to sign beside the first.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  daichod checkpoint-key --data ./ledger --out new.checkpoint-key
  daichod checkpoint-key --data ./ledger --out second.checkpoint-key --ml-dsa

Then name the old one and the new one in checkpoint-keys and restart the server: the ledger names them in an entry. Give
the line that is printed to auditors and witnesses, and drop the old key when they have taken it in.")]
pub(crate) struct Args {
    /// Data folder of the ledger that it is for.
    #[arg(long, default_value = crate::DEFAULT_DATA)]
    data: PathBuf,
    /// File that is made. Must not be there.
    #[arg(long)]
    out: PathBuf,
    /// A key for ML-DSA-44 (FIPS 204). Default: Ed25519.
    #[arg(long)]
    ml_dsa: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.out.exists() {
        return Err(ConfigError::new(format!("--out: {} is there already", args.out.display())).into());
    }
    let origin = Origin::new(crate::guard::state_of(&args.data)?.origin()).context("the ledger's name")?;
    let algorithm = if args.ml_dsa { Algorithm::CosignatureMlDsa44 } else { Algorithm::Ed25519 };
    let signer = note_signer(&args.out, &origin, algorithm)?;
    crate::say!("{}", signer.verifier());
    Ok(ExitCode::SUCCESS)
}

/// File with the passphrase of the operator's key, e.g. a credential of systemd.
const PASSPHRASE_FILE: &str = "DAICHOD_PASSPHRASE_FILE";

/// Refuses a key file that others on the machine can read.
///
/// # Errors
/// When they can, with what to do.
pub(crate) fn check_mode(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let Ok(meta) = path.metadata() else { return Ok(()) };
    let mode = meta.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        bail!("{} can be read by others (mode {mode:o}); run: chmod 600 {0}", path.display());
    }
    Ok(())
}

/// The statement key in this file (PKCS #8 PEM).
pub(crate) fn read_signing_key(path: &Path) -> anyhow::Result<SigningKey> {
    check_mode(path)?;
    let pem = fs::read_to_string(path).with_context(|| format!("reading key {}", path.display()))?;
    let pem = zeroize::Zeroizing::new(pem);
    if SigningKey::is_encrypted(&pem) {
        let from = std::env::var_os(PASSPHRASE_FILE).with_context(|| {
            format!("{} has a passphrase; name its file in {PASSPHRASE_FILE}", path.display())
        })?;
        let passphrase = fs::read_to_string(&from).with_context(|| format!("reading {}", from.display()))?;
        let passphrase = zeroize::Zeroizing::new(passphrase);
        let key = SigningKey::from_encrypted_pem(&pem, passphrase.trim_end_matches(['\r', '\n']));
        return key.with_context(|| format!("{} does not open with this passphrase", path.display()));
    }
    match SigningKey::from_pem(&pem) {
        Some(key) => Ok(key),
        None => bail!("{} is no Ed25519 private key in PKCS #8 PEM", path.display()),
    }
}

/// The statement key in this file; made when there is none.
pub(crate) fn signing_key(path: &Path) -> anyhow::Result<SigningKey> {
    if path.exists() {
        return read_signing_key(path);
    }
    let mut seed = zeroize::Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    let key = SigningKey::from_seed(&seed);
    write_private(path, &key.to_pem()).with_context(|| format!("writing key {}", path.display()))?;
    Ok(key)
}

/// The checkpoint key in this file: `PRIVATE+KEY+name+id+key`, one line.
pub(crate) fn read_note_signer(path: &Path) -> anyhow::Result<NoteSigner> {
    check_mode(path)?;
    let text = zeroize::Zeroizing::new(
        fs::read_to_string(path).with_context(|| format!("reading checkpoint key {}", path.display()))?,
    );
    text.trim_end().parse().with_context(|| format!("{} is no checkpoint key", path.display()))
}

/// The checkpoint key in this file; made under the ledger's name when there is none.
pub(crate) fn note_signer(path: &Path, origin: &Origin, algorithm: Algorithm) -> anyhow::Result<NoteSigner> {
    if path.exists() {
        let signer = read_note_signer(path)?;
        if signer.verifier().name().as_str() != origin.as_str() {
            bail!("{} is a key for `{}`, not for `{origin}`", path.display(), signer.verifier().name());
        }
        return Ok(signer);
    }
    let name: KeyName = origin.as_str().parse()?;
    let signer = NoteSigner::generate(name, algorithm)?;
    let text = zeroize::Zeroizing::new(format!("{}\n", signer.to_secret_text().as_str()));
    write_private(path, &text).with_context(|| format!("writing checkpoint key {}", path.display()))?;
    Ok(signer)
}

/// Makes a folder that its owner alone can enter, unless it is there.
pub(crate) fn private_folder(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Writes a file that its owner alone can read, and that is not there yet.
pub(crate) fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(folder)?.sync_all()
}
