//! `daicho-witness init`: makes the keys of a witness.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use daicho_tlog::{Algorithm, KeyName, NoteSigner};

use crate::config::ConfigError;

/// Makes the secret keys of a new witness (readable by you alone) and prints what to give to others.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  daicho-witness init --name witness.council.example/daicho --out /etc/daicho-witness
  daicho-witness init --name auditor.council.example/daicho --out ./auditor --algorithm ml-dsa-44

The name stands in every cosignature and cannot be changed later; take a domain name of your own. Plain and auditing
witnesses, and two witnesses of one party, never share keys. Existing files are never overwritten.")]
pub(crate) struct Args {
    /// Name of the witness: a URL without scheme. No spaces, no `+`.
    #[arg(long)]
    name: String,
    /// Folder for the key files; made when missing.
    #[arg(long)]
    out: PathBuf,
    /// How to sign. `both` stays valid when either algorithm falls.
    #[arg(long, value_enum, default_value = "both")]
    algorithm: Choice,
    /// Where the witness will be reached; goes into the policy lines.
    #[arg(long)]
    url: Option<String>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Choice {
    /// Ed25519 (C2SP type 0x04): small, and known to every verifier.
    Ed25519,
    /// ML-DSA-44 (C2SP type 0x06): safe against quantum computers.
    #[value(name = "ml-dsa-44")]
    MlDsa44,
    /// One key of each.
    Both,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let name: KeyName =
        args.name.parse().map_err(|error| ConfigError::new(format!("--name {}: {error}", args.name)))?;
    if args.name.contains("://") {
        return Err(ConfigError::new(format!(
            "--name {name}: without `https://`; where the witness is reached goes into --url"
        ))
        .into());
    }
    let ed25519 = ("ed25519", Algorithm::CosignatureEd25519);
    let ml_dsa = ("ml-dsa-44", Algorithm::CosignatureMlDsa44);
    let wanted = match args.algorithm {
        Choice::Ed25519 => vec![ed25519],
        Choice::MlDsa44 => vec![ml_dsa],
        Choice::Both => vec![ed25519, ml_dsa],
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&args.out)
        .with_context(|| format!("making {}", args.out.display()))?;
    let file = |word: &str| args.out.join(format!("{word}.key"));
    // All or none: a second run must not end with one old and one new key.
    if let Some((word, _)) = wanted.iter().find(|(word, _)| file(word).exists()) {
        anyhow::bail!("{} exists; keys are never overwritten", file(word).display());
    }
    let mut keys = Vec::new();
    for (word, algorithm) in &wanted {
        let signer = NoteSigner::generate(name.clone(), *algorithm)
            .map_err(|error| ConfigError::new(format!("--name {name}: {error}")))?;
        write_private(&file(word), &signer.to_secret_text())
            .with_context(|| format!("writing {}", file(word).display()))?;
        keys.push((*word, signer.verifier().to_string()));
    }
    print(args, &keys);
    Ok(ExitCode::SUCCESS)
}

fn print(args: &Args, keys: &[(&str, String)]) {
    println!("# Secret: for `keys` in the configuration of this witness.");
    for (word, _) in keys {
        println!("#   {}", args.out.join(format!("{word}.key")).display());
    }
    println!("# Public: give these lines of a policy file (C2SP tlog-policy) to logs and verifiers.");
    let url = args.url.as_ref().map(|url| format!(" {url}")).unwrap_or_default();
    if let [(_, vkey)] = keys {
        println!("witness {} {vkey}{url}", args.name);
        return;
    }
    for (word, vkey) in keys {
        println!("witness {}/{word} {vkey}{url}", args.name);
    }
    let members: Vec<String> = keys.iter().map(|(word, _)| format!("{}/{word}", args.name)).collect();
    println!("# Either signature counts as this witness; `all` asks for both.");
    println!("group {} any {}", args.name, members.join(" "));
}

fn write_private(path: &Path, secret: &str) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{secret}")?;
    file.sync_all()
}
