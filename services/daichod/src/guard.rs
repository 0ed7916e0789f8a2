//! The fork guard that the configuration names, and `daichod guard`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use daicho_engine::{FileGuard, ForkGuard as _};
use daicho_store::Store;
use daicho_tlog::Checkpoint;

use crate::config::beside;

/// Shows or renews the fork guard: the last signed checkpoint, kept outside the data folder.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  daichod guard show --data ./ledger
  daichod guard renew --data ./ledger --accept-fork-risk

The server compares the guard with its data folder at every start and swaps it before every checkpoint leaves. When the
folder is older than the guard, a backup was restored, and going on would sign other entries in the place of those that
receipts were given for. Bring back the newest folder; renew the guard only when it is lost or was given to another
ledger, and after comparing the folder with witnesses and receipts (`daicho receipt compare`).")]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Print what the guard holds and whether the data folder continues it.
    Show(Place),
    /// Make the guard hold the data folder's present state, whatever it held.
    Renew {
        #[command(flatten)]
        place: Place,
        /// Say that you compared the folder with witnesses and receipts, and that no other server runs.
        #[arg(long, required = true)]
        accept_fork_risk: bool,
    },
}

#[derive(clap::Args)]
struct Place {
    /// Data folder. The server must not run on it.
    #[arg(long, default_value = crate::DEFAULT_DATA)]
    data: PathBuf,
    /// Guard file. Default: the data folder's name with `.guard`.
    #[arg(long)]
    guard: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.action {
        Action::Show(place) => {
            let Some(held) = place.open()?.read()? else {
                println!("the guard holds nothing");
                return Ok(ExitCode::from(1));
            };
            println!("guard   {} entries, root {}", held.size(), held.root());
            let now = place.folder()?;
            println!("folder  {} entries, root {}", now.size(), now.root());
            if now.size() < held.size() {
                println!("The folder is OLDER than what was acknowledged. Bring back the newest one.");
                return Ok(ExitCode::from(1));
            }
            Ok(ExitCode::SUCCESS)
        }
        Action::Renew { place, .. } => {
            let now = place.folder()?;
            place.open()?.renew(&now)?;
            println!("the guard holds {} entries, root {}", now.size(), now.root());
            Ok(ExitCode::SUCCESS)
        }
    }
}

impl Place {
    fn open(&self) -> anyhow::Result<FileGuard> {
        let path = self.guard.clone().unwrap_or_else(|| beside(&self.data, "guard"));
        Ok(FileGuard::open(&path)?)
    }

    fn folder(&self) -> anyhow::Result<Checkpoint> {
        state_of(&self.data)
    }
}

/// The checkpoint that the data folder stands at.
pub(crate) fn state_of(data: &Path) -> anyhow::Result<Checkpoint> {
    let store = Store::open_read_only(data)?;
    let head = store.head()?;
    let ledger = daicho_custody::fold::ledger_record(&daicho_custody::state::Txn::new(&store))?;
    Ok(Checkpoint::new(ledger.origin, head.size.get(), head.root)?)
}
