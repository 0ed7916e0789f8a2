//! The fork guard that the configuration names, and `daichod guard`.

mod object;

use std::convert::Infallible;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::Context as _;
use daicho_engine::{FileGuard, ForkGuard, GuardError};
use daicho_store::Store;
use daicho_tlog::Checkpoint;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use crate::config::{ConfigError, beside};

use object::ObjectGuard;

/// Shows or renews the fork guard: the last signed checkpoint, kept outside the data folder.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  daichod guard show --data ./ledger
  daichod guard renew --data ./ledger --accept-fork-risk
  daichod guard show --data ./ledger --guard s3://guards/ledger-2026

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
    /// Guard: a file or s3://bucket/key. Default: the data folder's name with `.guard`.
    #[arg(long)]
    guard: Option<Location>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.action {
        Action::Show(place) => {
            let now = place.folder()?;
            let guard = place.guard();
            // Looking makes no file.
            let held = if guard.is_missing_file()? { None } else { guard.with(|guard| guard.read())? };
            let Some(held) = held else {
                crate::say!("the guard {guard} holds nothing");
                return Ok(ExitCode::from(1));
            };
            crate::say!("guard   {} entries, root {}", held.size(), held.root());
            crate::say!("folder  {} entries, root {}", now.size(), now.root());
            if now.size() < held.size() {
                crate::say!("The folder is OLDER than what was acknowledged. Bring back the newest one.");
                return Ok(ExitCode::from(1));
            }
            Ok(ExitCode::SUCCESS)
        }
        Action::Renew { place, .. } => {
            let now = place.folder()?;
            place.guard().with(|guard| guard.renew(&now))?;
            crate::say!("the guard holds {} entries, root {}", now.size(), now.root());
            Ok(ExitCode::SUCCESS)
        }
    }
}

impl Place {
    fn folder(&self) -> anyhow::Result<Checkpoint> {
        state_of(&self.data)
    }

    fn guard(&self) -> Location {
        Location::or_beside(self.guard.as_ref(), &self.data)
    }
}

/// The checkpoint that the data folder stands at.
pub(crate) fn state_of(data: &Path) -> anyhow::Result<Checkpoint> {
    let store = Store::open_read_only(data)?;
    let head = store.head()?;
    let ledger = daicho_custody::fold::ledger_record(&daicho_custody::state::Txn::new(&store))?;
    Ok(Checkpoint::new(ledger.origin, head.size.get(), head.root)?)
}

/// A fork guard that an operator can set anew.
pub(crate) trait Guard: ForkGuard {
    /// Puts `checkpoint` there whatever it held. For an operator who knows why.
    ///
    /// # Errors
    /// [`GuardError::Unavailable`].
    fn renew(&mut self, checkpoint: &Checkpoint) -> Result<(), GuardError>;
}

impl Guard for FileGuard {
    fn renew(&mut self, checkpoint: &Checkpoint) -> Result<(), GuardError> {
        Self::renew(self, checkpoint)
    }
}

/// Where a fork guard is: a file, or an object in an S3-compatible store, written `s3://bucket/key`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Location(PathBuf);

impl Location {
    /// The one that is given, or the file beside the data folder.
    pub(crate) fn or_beside(given: Option<&Self>, data: &Path) -> Self {
        given.cloned().unwrap_or_else(|| Self(beside(data, "guard")))
    }

    fn is_object(&self) -> bool {
        self.0.to_str().is_some_and(|text| text.contains("://"))
    }

    /// Whether it is a file that is not there: then it holds nothing, and opening it would make it.
    ///
    /// # Errors
    /// When nobody may look.
    pub(crate) fn is_missing_file(&self) -> anyhow::Result<bool> {
        if self.is_object() {
            return Ok(false);
        }
        Ok(!self.0.try_exists().with_context(|| format!("looking for the fork guard {self}"))?)
    }

    /// Opens it. `runtime` does what waits for the network, while the thread that calls the guard waits for it.
    ///
    /// # Errors
    /// When the file is in use or damaged, or the place is none. An object store is reached for when the guard is read.
    pub(crate) fn open(&self, runtime: &Handle) -> anyhow::Result<Box<dyn Guard>> {
        let wrong = |why: String| ConfigError::new(format!("guard {self}: {why}"));
        let text = self.0.to_str().filter(|_| self.is_object());
        let Some((folder, key)) = text.and_then(|text| text.rsplit_once('/')) else {
            return Ok(Box::new(FileGuard::open(&self.0)?));
        };
        let bucket = crate::s3::bucket(folder).map_err(|error| wrong(error.to_string()))?;
        let key = object_store::path::Path::parse(key).map_err(|error| wrong(error.to_string()))?;
        match bucket.filter(|_| !key.as_ref().is_empty()) {
            Some(bucket) => Ok(Box::new(ObjectGuard::new(Arc::new(bucket), key, runtime.clone()))),
            None => Err(wrong("a file or s3://bucket/key is wanted".into()).into()),
        }
    }

    /// Opens it for one act of a command.
    ///
    /// # Errors
    /// As [`Location::open`], and as the act.
    pub(crate) fn with<T>(
        &self,
        act: impl FnOnce(&mut dyn Guard) -> Result<T, GuardError>,
    ) -> anyhow::Result<T> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        Ok(act(self.open(runtime.handle())?.as_mut())?)
    }
}

impl FromStr for Location {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}
