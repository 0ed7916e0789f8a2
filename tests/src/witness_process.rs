//! A `daicho-witness` process on a free loopback port and in a folder of its own. It ends with its value.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::ensure;

use crate::daichod::{binary, wait_for_address};

/// A running witness.
#[derive(Debug)]
pub struct Witness {
    child: Child,
    url: String,
    lines: String,
}

/// Where the entries of a log are, for a witness that replays them.
#[derive(Debug, Clone, Copy)]
pub struct Audited<'a> {
    /// Prefix of the log's tiles.
    pub prefix: &'a str,
    /// File with the token for entries.
    pub token: &'a Path,
    /// Certificate of the authority of the tiles' server.
    pub authority: &'a Path,
}

impl Witness {
    /// Makes keys below `folder` and serves one log, whose verifier keys these are. With `audit` it replays every entry
    /// before it cosigns.
    ///
    /// # Errors
    /// When the witness does not come up within a minute.
    pub fn start(
        folder: &Path,
        name: &str,
        vkeys: &[String],
        audit: Option<Audited<'_>>,
    ) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let made = Command::new(binary("daicho-witness")?)
            .args(["init", "--name", name, "--algorithm", "both", "--out"])
            .arg(folder.join("keys"))
            .output()?;
        ensure!(made.status.success(), "init: {}", String::from_utf8_lossy(&made.stderr));
        let printed = String::from_utf8(made.stdout)?;
        let origin = vkeys.first().and_then(|key| key.split('+').next()).unwrap_or_default();
        let keys = ["ed25519.key", "ml-dsa-44.key"].map(|key| folder.join("keys").join(key));
        let mut config = format!(
            "name = \"{name}\"\nkeys = {keys:?}\nlisten = \"127.0.0.1:0\"\nstate = {:?}\n\n[[log]]\norigin = \"{origin}\"\nvkeys = {vkeys:?}\n",
            folder.join("state")
        );
        if let Some(Audited { prefix, token, authority }) = audit {
            config.push_str(&format!(
                "audit = \"{prefix}\"\ntoken-file = {token:?}\nca-file = {authority:?}\n"
            ));
        }
        let file = folder.join("witness.toml");
        std::fs::write(&file, config)?;
        let port_file = folder.join("address");
        let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("witness.log"))?;
        let mut child = Command::new(binary("daicho-witness")?)
            .args(["serve", "--config"])
            .arg(&file)
            .arg("--port-file")
            .arg(&port_file)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        let url =
            format!("http://{}", wait_for_address(&mut child, &port_file, &folder.join("witness.log"))?);
        // A policy line ends with where the witness is reached.
        let lines =
            printed
                .lines()
                .filter(|line| line.starts_with("witness ") || line.starts_with("group "))
                .map(|line| {
                    if line.starts_with("witness ") { format!("{line} {url}\n") } else { format!("{line}\n") }
                })
                .collect();
        Ok(Self { child, url, lines })
    }

    /// Where it is reached.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its lines for a policy file: two keys and the group of its name that either of them satisfies.
    pub fn policy_lines(&self) -> &str {
        &self.lines
    }

    /// Kills it at once.
    ///
    /// # Errors
    /// When the process cannot be waited for.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // Nothing can be done when even this fails; the process ends with the machine.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
