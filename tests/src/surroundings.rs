//! Who holds an operator to its word, around one ledger: three witnesses of three parties, one of which replays every
//! entry, and a time-stamping authority. All on free loopback ports, all ended with their value.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use daicho_tlog::{NoteSigner, Policy};

use crate::witness_process::Audited;
use crate::{LocalTsa, Port, Witness};

/// Witnesses and authority, and the two files that name them: the policy for verifiers, the configuration for `daichod`.
pub struct Surroundings {
    /// J-LIS, a contractor, the council. The last one replays.
    pub witnesses: Vec<Witness>,
    /// The authority.
    pub tsa: LocalTsa,
    policy: PathBuf,
    config: PathBuf,
    /// Of the server's tiles, which comes when the witness that reads them is there.
    _tiles: Port,
}

/// Names of the witnesses, as in policies and cosignatures.
pub const WITNESSES: [&str; 3] =
    ["witness.jlis.example/daicho", "witness.contractor.example/daicho", "auditor.council.example/daicho"];

impl Surroundings {
    /// Starts them for the ledger that was founded below `folder` and that will be served over TLS. Two of the three
    /// witnesses make a quorum.
    ///
    /// # Errors
    /// When one of them does not come up.
    pub fn start(folder: &Path, seal_every: u64) -> anyhow::Result<Self> {
        // The programs that are started may stand in folders of their own.
        let folder = &folder.canonicalize()?;
        std::fs::create_dir_all(folder.join("tsa"))?;
        let vkey = checkpoint_vkey(folder)?;
        let vkeys = [vkey.clone()];
        // The witness that replays must know where the tiles are before the server that serves them starts.
        let tiles = Port::take()?;
        let prefix = format!("https://{}", tiles.address());
        let token = folder.join("entries.token");
        std::fs::write(&token, "a-token-of-this-test-alone\n")?;
        let authority = folder.join("data.tls/ca.pem");
        let source = Audited { prefix: &prefix, token: &token, authority: &authority };
        let audit = [None, None, Some(source)];
        let mut witnesses = Vec::new();
        for (n, (name, audit)) in WITNESSES.into_iter().zip(audit).enumerate() {
            witnesses.push(Witness::start(&folder.join(format!("witness-{n}")), name, &vkeys, audit)?);
        }
        let tsa = LocalTsa::start(&folder.join("tsa"))?;
        let lines: String = witnesses.iter().map(Witness::policy_lines).collect();
        let root = BASE64.encode(tsa.root_der());
        let text = format!(
            "# Whom to trust about this ledger (C2SP tlog-policy).\nlog {vkey} {prefix}\n\n# J-LIS, a contractor, the council's auditor\n{lines}group quorum 2 {}\nquorum quorum\n\n# daicho-tsa-root: {root}\n",
            WITNESSES.join(" ")
        );
        Policy::parse(text.as_bytes()).context("the policy of the test")?;
        let policy = folder.join("policy.txt");
        std::fs::write(&policy, text)?;
        let config = folder.join("daichod.toml");
        std::fs::write(
            &config,
            format!(
                "policy = {policy:?}\ntiles-listen = \"{}\"\nentries-token-file = {token:?}\nseal-every = {seal_every}\npublish-every = 1\nwitness-timeout = 60\n\n[[tsa]]\nurl = {:?}\nroots = [{:?}]\n",
                tiles.address(),
                tsa.url(),
                tsa.root_file()
            ),
        )?;
        Ok(Self { witnesses, tsa, policy, config, _tiles: tiles })
    }

    /// The policy file.
    pub fn policy(&self) -> &Path {
        &self.policy
    }

    /// The configuration for `daichod serve`.
    pub fn config(&self) -> &Path {
        &self.config
    }
}

/// The verifier key of the ledger that was founded below `folder`.
fn checkpoint_vkey(folder: &Path) -> anyhow::Result<String> {
    let secret = std::fs::read_to_string(folder.join("data.checkpoint-key"))?;
    let signer: NoteSigner = secret.trim_end().parse()?;
    Ok(signer.verifier().to_string())
}
