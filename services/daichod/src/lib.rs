//! `daichod`: the server of Daichō. Its program is [`main`] and nothing else; the tests have one that dies where they say.

mod access;
mod anchor;
mod backup;
mod config;
mod connection;
mod export;
mod fsck;
mod guard;
mod idle;
mod init;
mod keys;
mod reads;
mod s3;
mod serve;
mod services;
mod shares;
mod tiles;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Says something to whoever reads. Nobody may: then what was done stands all the same, and the exit code says it.
macro_rules! say {
    ($($text:tt)*) => {
        drop(std::io::Write::write_fmt(&mut std::io::stdout(), format_args!("{}\n", format_args!($($text)*))))
    };
}
pub(crate) use say;

/// Runs a tamper-evident ledger of personal-data custody (台帳).
///
/// A ledger is founded once with `init`, then served. Its files are trusted for nothing: `fsck` recomputes every
/// hash, link and signature from them.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  daichod init --data ./ledger --origin ledger.city.example/2026 --ward-key ward.pem --operator-key operator.pem
  daichod serve --data ./ledger --operator-key operator.pem
  daichod serve --config /etc/daichod.toml --listen 0.0.0.0:7340
  daichod fsck --data ./ledger --rebuild
  daichod export --data ./ledger --to ./published

Exit codes: 0 done; 1 checked and found wrong; 2 bad usage, configuration or input; 3 the ledger could not be run.";

#[derive(Subcommand)]
enum Command {
    /// Found a ledger: its name, its clock, the operator, the ward and their first keys.
    Init(init::Args),
    /// Serve a ledger over gRPC until SIGINT or SIGTERM.
    Serve(serve::Args),
    /// Check every hash, link, signature and custody rule of the files. Best while the server does not run.
    Fsck(fsck::Args),
    /// Write the ledger as C2SP tlog-tiles to a folder or a bucket.
    Export(export::Args),
    /// Take a backup of a ledger that is not served.
    Backup(backup::BackupArgs),
    /// Restore a backup into a new folder, and check it.
    Restore(backup::RestoreArgs),
    /// Restore a backup aside, check everything in it, and remove it again.
    VerifyBackup(backup::VerifyArgs),
    /// Show or renew the fork guard, which keeps a restored backup from signing a second history.
    Guard(guard::Args),
    /// Make another key that signs checkpoints, for a rotation.
    CheckpointKey(keys::Args),
}

/// Where the ledger's data folder is when nothing else is said.
const DEFAULT_DATA: &str = "daicho-data";

/// Runs the command that this process was given.
pub fn main() -> ExitCode {
    // One source of cryptography for TLS. It fails only when there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let result = match Cli::parse().command {
        Command::Init(args) => init::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Fsck(args) => fsck::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Backup(args) => backup::back_up(&args),
        Command::Restore(args) => backup::run_restore(&args),
        Command::VerifyBackup(args) => backup::verify(&args),
        Command::Guard(args) => guard::run(&args),
        Command::CheckpointKey(args) => keys::run(&args),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("daichod: {error:#}");
            ExitCode::from(if error.is::<config::ConfigError>() { 2 } else { 3 })
        }
    }
}
