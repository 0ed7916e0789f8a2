//! `daicho simulate`: every party of the five schemes plays its part on a simulated ledger.

mod assumptions;
mod baseline;
mod build;
mod calendar;
mod facts;
mod faults;
mod governance;
mod plan;
mod play;
mod random;
mod replies;
mod report;
mod runner;
mod schemes;
mod setup;
#[cfg(test)]
mod tests;
mod touch;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};

use crate::context::Context;
use crate::exit::Exit;
use crate::key;

use assumptions::Assumptions;
use build::Order;
use faults::FaultSet;
use runner::Runner;
use schemes::CASTS;
use setup::Source;

const VOCABULARY: &str = "common.toml";

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    daicho simulate --ward-key ward.pem\n  \
    daicho simulate --scheme queue_notice_service --scale 1 --faults none --ward-key ward.pem\n  \
    daicho simulate --scheme all --faults late-deletion,kept-on-relay --ward-key ward.pem --summary run.json\n  \
    daicho simulate --plan-only\n\n\
    Plays only on ledgers whose name ends in /simulated and whose clock is simulated; it moves that clock.\n\
    The keys of all parties but the ward are computed from the seed and are worth nothing elsewhere.\n\
    Exit code 1 when the ledger's findings are not exactly those of the papers' holes and of the faults.")]
pub(crate) struct Args {
    /// Scheme to play, or all. May be given several times
    #[arg(long, value_name = "ID", default_value = "all")]
    scheme: Vec<String>,
    /// Folder with the scheme files
    #[arg(long, value_name = "DIR", default_value = "deploy/schemes")]
    schemes_dir: PathBuf,
    /// Share of the real volumes that is played
    #[arg(long, value_name = "X", default_value = "0.01", value_parser = parse_scale)]
    scale: u64,
    /// The same seed gives the same play
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// What goes wrong: none, all, or names with commas between them
    #[arg(long, value_name = "NAMES", default_value = "all", value_parser = FaultSet::parse)]
    faults: FaultSet,
    /// Private key of the ward that founded the ledger, PKCS#8 PEM
    #[arg(long, value_name = "FILE", required_unless_present = "plan_only")]
    ward_key: Option<PathBuf>,
    /// File to which a summary is written as JSON
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// Say what would be played, and connect nowhere
    #[arg(long)]
    plan_only: bool,
}

pub(crate) async fn run(args: Args, context: &Context, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let sources = read(&args, context)?;
    let assumptions = Assumptions::load();
    let mut runner = match args.ward_key.as_deref().filter(|_| !args.plan_only) {
        Some(file) => Some(Runner::connect(context, key::load(file, context)?, args.seed).await?),
        None => None,
    };
    let order = Order {
        sources: &sources,
        scale_ppm: args.scale,
        seed: args.seed,
        faults: &args.faults,
        origin: runner.as_ref().map_or("", Runner::origin),
        assumptions: &assumptions,
    };
    let plan = build::plan(&order)?;
    report::preface(&plan, &assumptions, context, out)?;
    report::sizes(&plan, context, out)?;
    out.flush()?;
    if let Some(file) = &args.summary {
        report::summary(&plan, file, context)?;
    }
    let Some(runner) = &mut runner else { return Ok(Exit::Ok) };
    runner.play(&plan).await?;
    let mut agrees = true;
    for part in &plan.parts {
        let found = runner.findings(part, part.as_of).await?;
        let found: Vec<_> = found.into_iter().map(|(seen, _)| seen).collect();
        agrees &= report::compare(part, &found, context, out)?;
    }
    Ok(if agrees { Exit::Ok } else { Exit::Wrong })
}

/// Reads the files of the schemes that are asked for.
fn read(args: &Args, context: &Context) -> anyhow::Result<Vec<Source>> {
    let text = |path: &Path| -> anyhow::Result<String> {
        String::from_utf8(context.read(path)?).with_context(|| path.display().to_string())
    };
    let vocabulary = text(&args.schemes_dir.join(VOCABULARY))?;
    let all = args.scheme.iter().any(|id| id == "all");
    if let Some(unknown) = args.scheme.iter().find(|id| *id != "all" && build::cast(id).is_none()) {
        let known = CASTS.iter().map(|cast| cast.id).collect::<Vec<_>>().join(", ");
        bail!(context.pick(
            format!("「{unknown}」という事業の模擬はありません。次のものがあります: all, {known}"),
            format!("there is no play of `{unknown}`; there are: all, {known}"),
        ));
    }
    let chosen = CASTS.iter().filter(|cast| all || args.scheme.iter().any(|id| id == cast.id));
    chosen
        .map(|cast| {
            let path = args.schemes_dir.join(format!("{}.toml", cast.id));
            let source =
                Source::parse(&text(&path)?, &vocabulary).with_context(|| path.display().to_string())?;
            if source.scheme.id == cast.id {
                return Ok(source);
            }
            Err(anyhow!(context.pick(
                format!("{} は {} の定義ではありません", path.display(), cast.id),
                format!("{} does not define {}", path.display(), cast.id),
            )))
        })
        .collect()
}

/// Reads a scale such as 0.01 as millionths, without the rounding of floating-point numbers.
fn parse_scale(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no scale; write a number above 0 and up to 10, e.g. 0.01");
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || whole.len() > 2 || fraction.len() > 6 || !digits(whole) || !digits(fraction) {
        return Err(wrong());
    }
    let millionths = format!("{whole}{fraction:0<6}").parse().map_err(|_| wrong())?;
    if (1..=10_000_000).contains(&millionths) { Ok(millionths) } else { Err(wrong()) }
}
