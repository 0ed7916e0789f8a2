//! Private key files, made where they are missing and readable by their owner alone, and `daichod checkpoint-key`.
//!
//! Where the operator names a file with a passphrase, every key that is made here is protected by it (PKCS #8, RFC 8018
//! PBES2), and every key that is read may be.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use daicho_core::{Origin, SigningKey};
use daicho_tlog::{Algorithm, KeyName, NoteSigner, VerifierKey};
use pkcs8::der::asn1::OctetStringRef;
use pkcs8::{AlgorithmIdentifierRef, EncryptedPrivateKeyInfoRef, LineEnding, ObjectIdentifier};
use pkcs8::{PrivateKeyInfoRef, SecretDocument};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

use crate::config::ConfigError;

/// Makes another key that signs checkpoints, for a rotation or to sign beside the first.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  daichod checkpoint-key --data ./ledger --out new.checkpoint-key
  daichod checkpoint-key --data ./ledger --out second.checkpoint-key --ml-dsa

With DAICHOD_PASSPHRASE_FILE naming a file that holds a passphrase, the key is protected by it.

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

/// File with the passphrase of this server's keys, e.g. a credential of systemd.
const PASSPHRASE_FILE: &str = "DAICHOD_PASSPHRASE_FILE";
/// Shortest passphrase of a new key, in characters.
const SHORTEST: usize = 12;
/// What PEM of a protected key starts with (RFC 7468, section 11).
const ENCRYPTED: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";

/// The passphrase of this server's keys, where the operator names its file.
fn passphrase() -> anyhow::Result<Option<Zeroizing<String>>> {
    let Some(from) = std::env::var_os(PASSPHRASE_FILE) else { return Ok(None) };
    let text = read_private(Path::new(&from), "the passphrase in")?;
    let passphrase = text.trim_end_matches(['\r', '\n']);
    Ok(Some(Zeroizing::new(passphrase.to_owned())))
}

/// The passphrase that opens this file.
fn passphrase_for(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let none = || format!("{} has a passphrase; name its file in {PASSPHRASE_FILE}", path.display());
    passphrase()?.with_context(none)
}

/// The text of a private key file.
fn read_private(path: &Path, what: &str) -> anyhow::Result<Zeroizing<String>> {
    check_mode(path)?;
    let text = fs::read_to_string(path).with_context(|| format!("reading {what} {}", path.display()))?;
    Ok(Zeroizing::new(text))
}

/// PKCS #8 in the clear out of PEM that the passphrase protects.
fn decrypted(path: &Path, pem: &str) -> anyhow::Result<SecretDocument> {
    let wrong = || format!("{} does not open with this passphrase", path.display());
    let (_, der) = SecretDocument::from_pem(pem.trim()).ok().with_context(wrong)?;
    let protected = EncryptedPrivateKeyInfoRef::try_from(der.as_bytes()).ok().with_context(wrong)?;
    protected.decrypt(passphrase_for(path)?.as_bytes()).ok().with_context(wrong)
}

/// The passphrase for a key that is made, if there is to be one.
fn new_passphrase() -> anyhow::Result<Option<Zeroizing<String>>> {
    let passphrase = passphrase()?;
    if passphrase.as_ref().is_some_and(|passphrase| passphrase.chars().count() < SHORTEST) {
        bail!("{PASSPHRASE_FILE}: a passphrase has at least {SHORTEST} characters");
    }
    Ok(passphrase)
}

/// PEM of a private key that is PKCS #8, protected where there is a passphrase.
pub(crate) fn pem_of(pkcs8: &[u8]) -> anyhow::Result<Zeroizing<String>> {
    let (label, der) = match new_passphrase()? {
        Some(passphrase) => {
            ("ENCRYPTED PRIVATE KEY", PrivateKeyInfoRef::try_from(pkcs8)?.encrypt(&*passphrase)?)
        }
        None => ("PRIVATE KEY", SecretDocument::try_from(pkcs8)?),
    };
    Ok(der.to_pem(label, LineEnding::LF)?)
}

/// The key of a TLS server in this file (PEM).
///
/// # Errors
/// When it cannot be read, others can read it, or the passphrase does not open it.
pub(crate) fn tls_key(path: &Path) -> anyhow::Result<PrivateKeyDer<'static>> {
    let pem = read_private(path, "TLS key")?;
    if pem.trim_start().starts_with(ENCRYPTED) {
        let key = decrypted(path, &pem)?;
        return Ok(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into());
    }
    PrivateKeyDer::from_pem_slice(pem.as_bytes())
        .with_context(|| format!("{} is no private key in PEM", path.display()))
}

/// Refuses a key file that others on the machine can read.
///
/// # Errors
/// When they can, with what to do.
pub(crate) fn check_mode(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let Ok(meta) = path.metadata() else { return Ok(()) };
    let mode = meta.permissions().mode() & 0o777;
    // systemd lets the service's user read a credential by an access list, which shows as a right of the group. The folder is
    // the service's alone.
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY");
    let credential = credentials.is_some_and(|folder| path.parent() == Some(Path::new(&folder)));
    let others = if credential { 0o037 } else { 0o077 };
    if mode & others != 0 {
        bail!("{} can be read by others (mode {mode:o}); run: chmod 600 {0}", path.display());
    }
    Ok(())
}

/// The statement key in this file (PKCS #8 PEM).
pub(crate) fn read_signing_key(path: &Path) -> anyhow::Result<SigningKey> {
    let pem = read_private(path, "key")?;
    if SigningKey::is_encrypted(&pem) {
        let key = SigningKey::from_encrypted_pem(&pem, &passphrase_for(path)?);
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
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    let key = SigningKey::from_seed(&seed);
    let pem = match new_passphrase()? {
        Some(passphrase) => key.to_encrypted_pem(&passphrase).context("no randomness")?,
        None => key.to_pem(),
    };
    write_private(path, &pem).with_context(|| format!("writing key {}", path.display()))?;
    Ok(key)
}

/// The checkpoint key in this file: `PRIVATE+KEY+name+id+key`, one line; or, protected by the passphrase, its public half
/// `name+id+key` in a line and PKCS #8 PEM.
pub(crate) fn read_note_signer(path: &Path) -> anyhow::Result<NoteSigner> {
    let text = read_private(path, "checkpoint key")?;
    let none = || format!("{} is no checkpoint key", path.display());
    let Some((public, pem)) = text.split_once('\n').filter(|(_, pem)| pem.starts_with(ENCRYPTED)) else {
        return text.trim_end().parse().with_context(none);
    };
    let public: VerifierKey = public.trim_end().parse().with_context(none)?;
    let key = decrypted(path, pem)?;
    let info = PrivateKeyInfoRef::try_from(key.as_bytes()).ok().with_context(none)?;
    let (oid, tag) = pkcs8_of(public.algorithm()).with_context(none)?;
    let seed = match info.private_key.as_bytes() {
        [first, 32, seed @ ..] if info.algorithm.oid == oid && *first == tag => seed.try_into().ok(),
        _ => None,
    };
    let seed: &[u8; NoteSigner::SEED_LEN] = seed.with_context(none)?;
    let signer = NoteSigner::from_seed(public.name().clone(), public.algorithm(), seed)?;
    if *signer.verifier() != public {
        bail!("{}: the key is not the one that its first line names", path.display());
    }
    Ok(signer)
}

/// How PKCS #8 holds the seed of such a key: the algorithm, and the tag before its 32 bytes.
fn pkcs8_of(algorithm: Algorithm) -> Option<(ObjectIdentifier, u8)> {
    Some(match algorithm {
        // RFC 8410, section 7: an octet string.
        Algorithm::Ed25519 => (ObjectIdentifier::new_unwrap("1.3.101.112"), 0x04),
        // RFC 9881, section 6: the seed alone.
        Algorithm::CosignatureMlDsa44 => (ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.17"), 0x80),
        Algorithm::CosignatureEd25519 => return None,
    })
}

/// The text of a checkpoint key file under the passphrase.
fn protected(signer: &NoteSigner) -> anyhow::Result<Zeroizing<String>> {
    let (oid, tag) = pkcs8_of(signer.verifier().algorithm()).context("no key of a log")?;
    let mut value = Zeroizing::new([0; 2 + NoteSigner::SEED_LEN]);
    value[..2].copy_from_slice(&[tag, NoteSigner::SEED_LEN as u8]);
    value[2..].copy_from_slice(&*signer.seed());
    let value = OctetStringRef::new(&value[..])?;
    let info = PrivateKeyInfoRef::new(AlgorithmIdentifierRef { oid, parameters: None }, value);
    let pem = pem_of(SecretDocument::encode_msg(&info)?.as_bytes())?;
    Ok(Zeroizing::new(format!("{}\n{}", signer.verifier(), pem.as_str())))
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
    let text = match passphrase()? {
        Some(_) => protected(&signer)?,
        None => Zeroizing::new(format!("{}\n", signer.to_secret_text().as_str())),
    };
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
