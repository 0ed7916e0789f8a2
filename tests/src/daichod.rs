//! A `daichod` process on a free loopback port and in a folder of its own. It ends with its value.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use daicho_client::{Client, Security, SigningKey};
use daicho_tlog::NoteSigner;

use crate::DIE_AT_STEP;

const TILES_PORT_FILE: &str = "tiles-address";

/// A program of this workspace, built beside this one.
///
/// # Errors
/// When it has not been built.
pub fn binary(name: &str) -> anyhow::Result<PathBuf> {
    let here = std::env::current_exe()?;
    let found = here.ancestors().skip(1).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.with_context(|| format!("`{name}` is not built; run `cargo build --release --workspace` first"))
}

/// Waits until a server has written its address to its port file.
///
/// # Errors
/// When it ends, or has not come up within a minute.
pub(crate) fn wait_for_address(child: &mut Child, port_file: &Path, log: &Path) -> anyhow::Result<String> {
    wait(child, log, "the server comes up", || port_file.exists())?;
    Ok(std::fs::read_to_string(port_file)?)
}

/// Waits until a server has done something.
fn wait(child: &mut Child, log: &Path, what: &str, done: impl Fn() -> bool) -> anyhow::Result<()> {
    let started = Instant::now();
    while !done() {
        if let Some(status) = child.try_wait()? {
            bail!("the server ended with {status}: {}", std::fs::read_to_string(log).unwrap_or_default());
        }
        if started.elapsed() > Duration::from_secs(60) {
            child.kill()?;
            bail!("not within a minute: {what}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Among the flags of a server: with TLS, as it is by default. Without this word it serves `--plaintext`.
pub const TLS: &str = "tls";

/// A running server with its data folder.
#[derive(Debug)]
pub struct Daichod {
    child: Child,
    address: String,
    folder: PathBuf,
}

impl Daichod {
    /// Founds a ledger below `folder`. The keys of ward and operator are made there.
    ///
    /// # Errors
    /// When `daichod init` fails; its words are in the error.
    pub fn init(folder: &Path, simulated_start: Option<&str>) -> anyhow::Result<()> {
        let mut command = Command::new(binary("daichod")?);
        command.arg("init").arg("--data").arg(folder.join("data"));
        command.args(["--origin", "demo.example/ledger"]);
        command.arg("--ward-key").arg(folder.join("ward.pem"));
        command.arg("--operator-key").arg(folder.join("operator.pem"));
        if let Some(start) = simulated_start {
            command.args(["--simulated", "--start", start]);
        }
        let output = command.output()?;
        ensure!(output.status.success(), "init: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// Serves the ledger below `folder` on a free port.
    ///
    /// # Errors
    /// When the server does not come up within a minute.
    pub fn start(folder: &Path, flags: &[&str]) -> anyhow::Result<Self> {
        Self::start_with(folder, flags, &[])
    }

    /// As [`Daichod::start`], with variables in the environment.
    ///
    /// # Errors
    /// When the server does not come up within a minute.
    pub fn start_with(folder: &Path, flags: &[&str], variables: &[(&str, String)]) -> anyhow::Result<Self> {
        let mut command = Command::new(binary("daichod")?);
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        Self::spawn(folder, flags, command)
    }

    /// As [`Daichod::start`], in the place of a program that goes on as the server: its name and arguments.
    ///
    /// # Errors
    /// When the server does not come up within a minute.
    pub fn start_under(folder: &Path, program: &[String]) -> anyhow::Result<Self> {
        let (program, arguments) = program.split_first().context("a program is wanted")?;
        let mut command = Command::new(program);
        command.args(arguments).arg(binary("daichod")?);
        Self::spawn(folder, &[], command)
    }

    /// As [`Daichod::start`], and it dies at that durable step.
    ///
    /// # Errors
    /// When the server does not come up within a minute, or dies before.
    pub fn start_dying(folder: &Path, flags: &[&str], step: u64) -> anyhow::Result<Self> {
        let mut command = Command::new(binary("dying-daichod")?);
        command.env(DIE_AT_STEP, step.to_string());
        Self::spawn(folder, flags, command)
    }

    fn spawn(folder: &Path, flags: &[&str], mut command: Command) -> anyhow::Result<Self> {
        let (port_file, tiles_port_file) = (folder.join("address"), folder.join(TILES_PORT_FILE));
        // Left by a server that was killed.
        for file in [&port_file, &tiles_port_file].into_iter().filter(|file| file.exists()) {
            std::fs::remove_file(file)?;
        }
        let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("daichod.log"))?;
        let mut child = command
            .arg("serve")
            .arg("--data")
            .arg(folder.join("data"))
            .args(["--listen", "127.0.0.1:0"])
            .args((!flags.contains(&TLS)).then_some("--plaintext"))
            .arg("--port-file")
            .arg(&port_file)
            .arg("--tiles-port-file")
            .arg(&tiles_port_file)
            .arg("--operator-key")
            .arg(folder.join("operator.pem"))
            .args(flags.iter().filter(|flag| **flag != TLS))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        let address = wait_for_address(&mut child, &port_file, &folder.join("daichod.log"))?;
        let scheme = if flags.contains(&TLS) { "https" } else { "http" };
        let address = format!("{scheme}://{address}");
        Ok(Self { child, address, folder: folder.to_owned() })
    }

    /// Founds and serves a new ledger below `folder`.
    ///
    /// # Errors
    /// As [`Daichod::init`] and [`Daichod::start`].
    pub fn fresh(folder: &Path, simulated_start: Option<&str>) -> anyhow::Result<Self> {
        Self::init(folder, simulated_start)?;
        Self::start(folder, &[])
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its address for clients.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its address for tiles, when it was started with `--tiles-listen 127.0.0.1:0`.
    ///
    /// # Errors
    /// When it serves none.
    pub fn tiles_address(&self) -> anyhow::Result<String> {
        let address = std::fs::read_to_string(self.folder.join(TILES_PORT_FILE));
        let scheme = self.address.split(':').next().unwrap_or_default();
        Ok(format!("{scheme}://{}", address.context("no tiles are served")?))
    }

    /// A client of it: over TLS with the ward's key.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn client(&self) -> anyhow::Result<Client> {
        if !self.address.starts_with("https:") {
            return Ok(Client::connect(&self.address).await?);
        }
        self.client_of(Some(&self.ward_key()?)).await
    }

    /// A client of it over TLS, with a key or without.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn client_of(&self, identity: Option<&SigningKey>) -> anyhow::Result<Client> {
        let authority = std::fs::read(self.authority())?;
        let security = Security { authority: Some(&authority), identity };
        Ok(Client::connect_as(&self.address, &security).await?)
    }

    /// The certificate of the authority that signed its own.
    pub fn authority(&self) -> PathBuf {
        self.folder.join("data.tls/ca.pem")
    }

    /// The ward's founding key.
    ///
    /// # Errors
    /// When the file is not there.
    pub fn ward_key(&self) -> anyhow::Result<SigningKey> {
        let pem = std::fs::read_to_string(self.folder.join("ward.pem"))?;
        SigningKey::from_pem(&pem).context("the ward's key file")
    }

    /// Processor time that the server has used so far.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn processor_seconds(&self) -> anyhow::Result<f64> {
        processor_seconds(self.child.id())
    }

    /// Waits until it has done something.
    ///
    /// # Errors
    /// When it ends, or has not done it within a minute.
    pub fn until(&mut self, what: &str, done: impl Fn() -> bool) -> anyhow::Result<()> {
        wait(&mut self.child, &self.folder.join("daichod.log"), what, done)
    }

    /// Kills it at once, as a loss of power would.
    ///
    /// # Errors
    /// When the process cannot be waited for.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to stop and waits until it has.
    ///
    /// # Errors
    /// When it does not end well.
    pub fn stop(mut self) -> anyhow::Result<()> {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        ensure!(asked.success(), "the signal could not be sent");
        let status = self.child.wait()?;
        ensure!(status.success(), "daichod ended with {status}");
        Ok(())
    }

    /// Runs `daichod fsck` on the ledger below `folder`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn fsck(folder: &Path, flags: &[&str]) -> anyhow::Result<Output> {
        Ok(Command::new(binary("daichod")?)
            .arg("fsck")
            .arg("--data")
            .arg(folder.join("data"))
            .args(flags)
            .output()?)
    }
}

impl Drop for Daichod {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // Nothing can be done when even this fails; the process ends with the machine.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Processor time of the threads that a process has now, in seconds.
///
/// # Errors
/// When the system does not tell.
pub fn processor_seconds(process: u32) -> anyhow::Result<f64> {
    let mut nanoseconds = 0.0;
    for task in std::fs::read_dir(format!("/proc/{process}/task"))? {
        // A thread that has just ended is left out.
        let Ok(text) = std::fs::read_to_string(task?.path().join("schedstat")) else { continue };
        nanoseconds += text.split_whitespace().next().and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0);
    }
    Ok(nanoseconds / 1e9)
}

/// The key that signs the checkpoints of a server in this folder.
///
/// # Errors
/// When the file is not there.
pub fn checkpoint_key(folder: &Path) -> anyhow::Result<NoteSigner> {
    let secret = std::fs::read_to_string(folder.join("data.checkpoint-key"))?;
    Ok(secret.trim_end().parse()?)
}

/// Writes `policy.txt` into the folder: it trusts that key, and asks for no witness.
///
/// # Errors
/// When the folder holds no key, or cannot be written to.
pub fn write_policy(folder: &Path) -> anyhow::Result<()> {
    let policy = format!("log {}\nquorum none\n", checkpoint_key(folder)?.verifier());
    Ok(std::fs::write(folder.join("policy.txt"), policy)?)
}
