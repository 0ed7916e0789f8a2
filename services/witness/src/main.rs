//! `daicho-witness`: a witness of transparency logs.

mod audit;
mod config;
mod http;
mod init;
mod metrics;
mod serve;
mod state;
mod witness;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Watches ledgers for their users: cosigns what is consistent with all that it has seen (立会人).
///
/// A ledger sends each new checkpoint with a proof that nothing before it was changed. The witness remembers the last one
/// that it cosigned, checks the proof, and adds its signature and the time. An auditing witness first replays every
/// entry itself. Logs speak C2SP tlog-witness to it; it can watch any number of them.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  daicho-witness init --name witness.council.example/daicho --out ./witness
  daicho-witness serve --config witness.toml

Exit codes: 0 done; 2 bad usage, configuration or input; 3 the witness could not be run, e.g. its state is damaged.";

#[derive(Subcommand)]
enum Command {
    /// Make the keys of a new witness.
    Init(init::Args),
    /// Cosign checkpoints until SIGINT or SIGTERM.
    Serve(serve::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Init(args) => init::run(&args),
        Command::Serve(args) => serve::run(&args),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("daicho-witness: {error:#}");
            ExitCode::from(if error.is::<config::ConfigError>() { 2 } else { 3 })
        }
    }
}
