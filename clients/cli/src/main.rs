//! `daicho`: the command line of the ledger.
//!
//! To add a command: one module, one arm of [`Command`], one arm of [`run`], its Japanese in `help_ja.rs`.

mod audit;
mod certificate;
mod checkpoint;
mod columns;
mod context;
mod copies;
mod cosign;
mod dataset;
mod describe;
mod due;
mod duties;
mod emit;
mod event_json;
mod evidence;
mod exit;
mod findings;
mod handovers;
mod help_ja;
mod http;
mod key;
mod lang;
mod log;
mod party;
mod receipt;
mod remind;
mod report;
mod schema;
#[allow(unreachable_pub, reason = "a module with an interface of its own, kept apart from the commands")]
mod scheme;
mod scheme_cmd;
mod simulate;
mod table;
mod tiles;
mod verify;
mod words;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use context::{Context, Output};
use exit::Exit;
use scheme::Lang;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EXIT_CODES: &str = "\
Exit codes:
  0  done, and nothing was found wrong
  1  checked, and something is wrong
  2  wrong usage or bad input; nothing was sent
  3  the server cannot be reached or did not answer
  4  refused by the ledger";

/// Emits statements to a Daichō ledger and reads it.
#[derive(Debug, Parser)]
#[command(name = "daicho", version, after_help = EXIT_CODES, max_term_width = 100)]
struct Cli {
    /// Address of the ledger server
    #[arg(long, global = true, env = "DAICHO_SERVER", default_value = "https://127.0.0.1:7340")]
    server: String,
    /// Certificate of the authority that signed the server's. Default: those that the system knows
    #[arg(long, global = true, env = "DAICHO_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Key by which the ledger knows you: one that it has authorised (PKCS#8 PEM)
    #[arg(long, global = true, env = "DAICHO_IDENTITY", value_name = "FILE")]
    identity: Option<PathBuf>,
    /// Language of messages: ja or en. Default: ja when the system's language is Japanese
    #[arg(long, global = true, env = "DAICHO_LANG", value_parser = lang::parse, value_name = "ja|en")]
    lang: Option<Lang>,
    /// Form of the results
    #[arg(long, global = true, value_enum, default_value = "text")]
    output: Output,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make keys, bring them into the ledger, list them
    #[command(subcommand)]
    Key(key::Command),
    /// Sign events and send them to the ledger
    Emit(emit::Args),
    /// Look at a statement that several keys are to sign, sign it, send it
    Cosign(cosign::Args),
    /// Show entries of the ledger in words
    Log(log::Args),
    /// Show the parties
    #[command(subcommand)]
    Party(party::Command),
    /// Check, show and enact scheme files
    #[command(subcommand)]
    Scheme(scheme_cmd::Command),
    /// Show data sets
    #[command(subcommand)]
    Dataset(dataset::Command),
    /// List the copies of a scheme with their verdicts
    Copies(copies::Args),
    /// List copies and duties whose deadline is near, nearest first
    Due(due::Args),
    /// Keep calendars of what is due, and call another system about what is overdue
    Remind(remind::Args),
    /// List what the rules found wrong
    Findings(findings::Args),
    /// List what parties owe besides single copies, and what became of it
    Duties(duties::Args),
    /// List the handovers of a scheme
    Handovers(handovers::Args),
    /// Verify the whole ledger without trusting its operator
    Audit(audit::Args),
    /// Verify a bundle, receipt or proof of a fork, offline
    Verify(verify::Args),
    /// Fetch, check and compare receipts: proofs of single entries
    #[command(subcommand)]
    Receipt(receipt::Command),
    /// Show what the ledger signed, and who cosigned it
    #[command(subcommand)]
    Checkpoint(checkpoint::Command),
    /// Forms that a contractor hands to the ward
    #[command(subcommand)]
    Certificate(certificate::Command),
    /// Reports for the council
    #[command(subcommand)]
    Report(report::Command),
    /// Play the five schemes on a simulated ledger
    Simulate(simulate::Args),
}

async fn run(command: Command, context: &Context, out: &mut dyn Write) -> anyhow::Result<Exit> {
    match command {
        Command::Key(command) => key::run(command, context, out).await,
        Command::Emit(args) => emit::run(args, context, out).await,
        Command::Cosign(args) => cosign::run(args, context, out).await,
        Command::Log(args) => log::run(args, context, out).await,
        Command::Party(command) => party::run(command, context, out).await,
        Command::Scheme(command) => scheme_cmd::run(command, context, out).await,
        Command::Dataset(command) => dataset::run(command, context, out).await,
        Command::Copies(args) => copies::run(args, context, out).await,
        Command::Due(args) => due::run(args, context, out).await,
        Command::Remind(args) => remind::run(args, context, out).await,
        Command::Findings(args) => findings::run(args, context, out).await,
        Command::Duties(args) => duties::run(args, context, out).await,
        Command::Handovers(args) => handovers::run(args, context, out).await,
        Command::Audit(args) => audit::run(args, context, out).await,
        Command::Verify(args) => verify::run(args, context, out).await,
        Command::Receipt(command) => receipt::run(command, context, out).await,
        Command::Checkpoint(command) => checkpoint::run(command, context, out).await,
        Command::Certificate(command) => certificate::run(command, context, out).await,
        Command::Report(command) => report::run(command, context, out).await,
        Command::Simulate(args) => simulate::run(args, context, out).await,
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let lang = lang::of_process();
    let command = match lang {
        Lang::Ja => help_ja::translate(Cli::command()),
        Lang::En => Cli::command(),
    };
    let parsed = command.try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return exit::usage(&error, lang),
    };
    let context = Context {
        server: cli.server,
        lang: cli.lang.unwrap_or(lang),
        output: cli.output,
        ca: cli.ca,
        identity: cli.identity,
    };
    let mut out = std::io::BufWriter::new(std::io::stdout());
    let done = run(cli.command, &context, &mut out).await;
    let done = done.and_then(|exit| out.flush().map(|()| exit).map_err(Into::into));
    match done {
        Ok(exit) => exit.into(),
        Err(error) => exit::report(&error, &context),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent_in_both_languages() {
        Cli::command().debug_assert();
        help_ja::translate(Cli::command()).debug_assert();
    }

    #[test]
    fn every_command_has_examples() {
        fn check(command: &clap::Command, path: &str) {
            for sub in command.get_subcommands() {
                let path = format!("{path} {}", sub.get_name());
                if sub.has_subcommands() {
                    check(sub, &path);
                } else {
                    let help = sub.get_after_help().map(ToString::to_string).unwrap_or_default();
                    assert!(help.contains(&path), "no example of `{path}`");
                }
            }
        }
        check(&Cli::command(), "daicho");
    }
}
