//! Configuration: defaults, then the file, then `DAICHOD_…` variables, then flags. Unknown keys are refused.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use daicho_core::Signer;
use daicho_engine::{Authority, EngineConfig};
use daicho_store::StoreError;
use daicho_tlog::NoteKey;
use figment::Figment;
use figment::providers::{Env, Format as _, Serialized, Toml};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use crate::guard::Location;

/// What `daichod serve` reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Config {
    /// Data folder of the ledger. Losing it loses the ledger. Default: `daicho-data`.
    pub(crate) data: PathBuf,
    /// Address for gRPC. Port 0 takes a free one. Default: `127.0.0.1:7340`.
    pub(crate) listen: SocketAddr,
    /// Serve without TLS, and let everybody on this machine do everything. Loopback addresses only. Default: false.
    pub(crate) plaintext: bool,
    /// Certificate of the server with what is between it and its authority, PEM. Default: `server.pem` in the folder with
    /// the data folder's name and `.tls`, which `daichod init` makes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) tls_certificate: Option<PathBuf>,
    /// Its private key, PEM. Default: `server.key` in the same folder.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) tls_key: Option<PathBuf>,
    /// Address for Prometheus metrics over HTTP. Default: none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// `text` or `json`. Default: `text`.
    pub(crate) log_format: LogFormat,
    /// Statement bytes that may wait to be recorded, in KiB. More is refused. Default: 65536. Minimum: 64.
    pub(crate) queue_kib: u32,
    /// Statement bytes of one party that may wait, in KiB, over all its connections. Default: 512. Minimum: 64.
    pub(crate) party_kib: u32,
    /// Statements of one party a second, over all its connections; it is made to wait beyond that. 0: no limit.
    /// Default: 2000.
    pub(crate) party_rate: u32,
    /// Seconds of silence after which the other end of a gRPC connection is asked whether it is still there; it has as long
    /// to answer. Default: 30. Minimum: 1.
    pub(crate) ping_every: u64,
    /// Threads that verify signatures. 0: one for each core. Default: 0.
    pub(crate) check_threads: usize,
    /// Most statements that share one synced write. More is faster under load and slower for the first of them.
    /// Default: 2048. Minimum: 1.
    pub(crate) max_group: usize,
    /// Least room on the disk of the data folder, in MiB; below it nothing is recorded. 0: not looked at. Default: 256.
    pub(crate) min_free_mib: u64,
    /// Key of the operator, which signs seals and names new checkpoint keys. Default: none; then nothing is sealed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) operator_key: Option<PathBuf>,
    /// Keys that sign checkpoints, all of them each. Default: the data folder's name with `.checkpoint-key`.
    #[serde(default)]
    pub(crate) checkpoint_keys: Vec<PathBuf>,
    /// Fork guard: a file on a disk that is not restored with the data, or `s3://bucket/key`. Default: the data folder's
    /// name with `.guard`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) guard: Option<Location>,
    /// Seconds of the ledger's clock from one seal to the next. 0: only on request. Default: 3600.
    pub(crate) seal_every: u64,
    /// Seconds from one kept checkpoint to the next. Default: 10. Minimum: 1.
    pub(crate) publish_every: u64,
    /// Trust policy (C2SP tlog-policy) whose witnesses are asked to cosign kept checkpoints. Default: none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) policy: Option<PathBuf>,
    /// Seconds that a witness has to answer. Auditing ones replay first. Default: 30. Minimum: 1.
    pub(crate) witness_timeout: u64,
    /// Time-stamping authorities (RFC 3161) that stamp kept checkpoints. Default: none.
    #[serde(default)]
    pub(crate) tsa: Vec<TsaConfig>,
    /// Folder of backups, on another disk. Default: none; then none are taken.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) backup_dir: Option<PathBuf>,
    /// Seconds from one backup to the next; one is also taken on SIGUSR1. Default: 3600. Minimum: 60.
    pub(crate) backup_every: u64,
    /// How many backups are kept. Default: 48. Minimum: 1.
    pub(crate) backup_keep: usize,
    /// Address for tiles (C2SP tlog-tiles) over HTTP, with TLS as for gRPC. Port 0 takes a free one. Default: none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) tiles_listen: Option<SocketAddr>,
    /// File with the bearer token for which entry bundles are given to tools that cannot show a key. Default: none; auditors
    /// and the ward show their keys.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) entries_token_file: Option<PathBuf>,
}

/// A time-stamping authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct TsaConfig {
    /// Where it takes requests.
    pub(crate) url: String,
    /// Files with certificates below which its own must be issued, PEM or DER.
    pub(crate) roots: Vec<PathBuf>,
    /// Policy that its tokens must be under, e.g. `1.2.392.200000.1`. Default: any.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) policy_oid: Option<String>,
    /// Seconds from one token to the next. Default: 3600.
    #[serde(default = "an_hour")]
    pub(crate) every: u64,
}

fn an_hour() -> u64 {
    3_600
}

/// A bearer token: at least 16 characters of those that a header may hold, none of them a space.
pub(crate) struct Token(zeroize::Zeroizing<String>);

impl Token {
    const MIN_LEN: usize = 16;

    /// Reads a file that holds a token and nothing else but white space around it.
    fn read(path: &Path) -> Result<Self, ConfigError> {
        let wrong = |what: String| ConfigError(format!("entries-token-file {}: {what}", path.display()));
        let text = zeroize::Zeroizing::new(std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?);
        let token = text.trim();
        if token.len() < Self::MIN_LEN || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(wrong(format!(
                "at least {} letters, digits and signs, without spaces",
                Self::MIN_LEN
            )));
        }
        Ok(Self(zeroize::Zeroizing::new(token.to_owned())))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// The data folder's name with an ending, beside it.
pub(crate) fn beside(data: &Path, ending: &str) -> PathBuf {
    // Without a slash at its end, which would put what is beside the folder into it.
    let mut name = data.components().collect::<PathBuf>().into_os_string();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}

/// Form of the log on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A configuration that cannot be used.
#[derive(Debug)]
pub(crate) struct ConfigError(String);

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "configuration: {}", self.0)
    }
}

impl std::error::Error for ConfigError {}

impl ConfigError {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl Default for Config {
    fn default() -> Self {
        let engine = EngineConfig::default();
        Self {
            data: PathBuf::from(crate::DEFAULT_DATA),
            listen: SocketAddr::from(([127, 0, 0, 1], 7340)),
            plaintext: false,
            tls_certificate: None,
            tls_key: None,
            metrics_listen: None,
            log_format: LogFormat::Text,
            queue_kib: engine.queue_kib,
            party_kib: 512,
            party_rate: 2_000,
            ping_every: 30,
            check_threads: engine.check_threads,
            max_group: engine.max_group,
            min_free_mib: 256,
            operator_key: None,
            checkpoint_keys: Vec::new(),
            guard: None,
            seal_every: 3_600,
            publish_every: 10,
            policy: None,
            witness_timeout: 30,
            tsa: Vec::new(),
            backup_dir: None,
            backup_every: 3_600,
            backup_keep: 48,
            tiles_listen: None,
            entries_token_file: None,
        }
    }
}

impl Config {
    /// Reads the configuration. `flags` holds what the command line sets.
    ///
    /// # Errors
    /// When the file cannot be read, or a key or value is not accepted.
    pub(crate) fn load(file: Option<&Path>, flags: impl Serialize) -> Result<Self, ConfigError> {
        let mut figment = Figment::from(Serialized::defaults(Self::default()));
        if let Some(file) = file {
            if !file.is_file() {
                return Err(ConfigError(format!("{} is no file", file.display())));
            }
            figment = figment.merge(Toml::file_exact(file));
        }
        let config: Self = figment
            .merge(
                Env::prefixed("DAICHOD_")
                    .ignore(&["PASSPHRASE_FILE"])
                    .map(|key| key.as_str().replace('_', "-").to_ascii_lowercase().into()),
            )
            .merge(Serialized::defaults(flags))
            .extract()
            .map_err(|error| ConfigError(error.to_string().replace('\n', "; ")))?;
        config.validate()
    }

    fn validate(self) -> Result<Self, ConfigError> {
        if self.queue_kib < 64 {
            return Err(ConfigError("queue-kib: at least 64".into()));
        }
        if self.party_kib < 64 {
            return Err(ConfigError("party-kib: at least 64".into()));
        }
        if self.backup_every < 60 || self.backup_every > 366 * 86_400 || self.backup_keep == 0 {
            return Err(ConfigError("backup-every: 60 seconds to a year; backup-keep: at least 1".into()));
        }
        if self.ping_every == 0 || self.ping_every > 3_600 {
            return Err(ConfigError("ping-every: 1 to 3600 seconds".into()));
        }
        if self.max_group == 0 {
            return Err(ConfigError("max-group: at least 1".into()));
        }
        if self.publish_every == 0 || self.publish_every > 86_400 {
            return Err(ConfigError("publish-every: 1 to 86400 seconds".into()));
        }
        if self.seal_every > 366 * 86_400 {
            return Err(ConfigError("seal-every: at most a year".into()));
        }
        if self.witness_timeout == 0 || self.witness_timeout > 3_600 {
            return Err(ConfigError("witness-timeout: 1 to 3600 seconds".into()));
        }
        if self.tsa.iter().any(|tsa| tsa.every == 0 || tsa.every > 366 * 86_400) {
            return Err(ConfigError("tsa.every: 1 second to a year".into()));
        }
        if self.check_threads > 1024 {
            return Err(ConfigError("check-threads: at most 1024".into()));
        }
        Ok(self)
    }

    /// What the ledger signs with. `runtime` is for a guard behind a network.
    ///
    /// # Errors
    /// When a key file or the guard cannot be read.
    pub(crate) fn authority(&self, runtime: &Handle) -> anyhow::Result<Authority> {
        let folder = self.data.display();
        let there =
            self.data.join("CURRENT").try_exists().with_context(|| format!("looking into {folder}"))?;
        ensure!(there, StoreError::Missing(folder.to_string()));
        let operator = self.operator_key.as_deref().map(crate::keys::read_signing_key).transpose()?;
        let operator = operator.map(|key| Box::new(key) as Box<dyn Signer>);
        let default = [beside(&self.data, "checkpoint-key")];
        let keys = if self.checkpoint_keys.is_empty() { &default[..] } else { &self.checkpoint_keys[..] };
        let checkpoint_keys =
            keys.iter().map(|path| Ok(Box::new(crate::keys::read_note_signer(path)?) as Box<dyn NoteKey>));
        let checkpoint_keys = checkpoint_keys.collect::<anyhow::Result<_>>()?;
        let guard = Location::or_beside(self.guard.as_ref(), &self.data).open(runtime)?;
        Ok(Authority { operator, checkpoint_keys, guard })
    }

    /// The token that entry bundles ask for, if they do.
    ///
    /// # Errors
    /// When the file cannot be read or holds no token.
    pub(crate) fn entries_token(&self) -> Result<Option<Token>, ConfigError> {
        self.entries_token_file.as_deref().map(Token::read).transpose()
    }

    pub(crate) fn engine(&self) -> EngineConfig {
        EngineConfig {
            queue_kib: self.queue_kib,
            check_threads: self.check_threads,
            max_group: self.max_group,
            seal_every_ms: self.seal_every * 1_000,
            min_free_mib: self.min_free_mib,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Flags {
        #[serde(rename = "max-group", skip_serializing_if = "Option::is_none")]
        max_group: Option<usize>,
    }

    fn load(text: &str, max_group: Option<usize>) -> Result<Config, ConfigError> {
        let name = format!("daichod-config-{}-{:?}.toml", std::process::id(), std::thread::current().id());
        let file = std::env::temp_dir().join(name);
        std::fs::write(&file, text).expect("the temporary folder is writable");
        let config = Config::load(Some(&file), Flags { max_group });
        std::fs::remove_file(&file).expect("the file was written above");
        config
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let config = load("max-group = 7\nqueue-kib = 128", None).expect("valid");
        assert_eq!((config.max_group, config.queue_kib), (7, 128));
        assert_eq!(load("max-group = 7", Some(9)).expect("valid").max_group, 9);
    }

    #[test]
    fn unknown_keys_and_bad_values_are_refused_by_name() {
        for (text, word) in
            [("max-grup = 7", "max-grup"), ("listen = \"nowhere\"", "listen"), ("queue-kib = 1", "queue-kib")]
        {
            let error = load(text, None).expect_err("refused").to_string();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn the_sample_file_has_every_key_with_its_default() {
        let file = "../../deploy/daichod.toml";
        let config = Config::load(Some(Path::new(file)), Flags { max_group: None }).expect("valid");
        assert_eq!(config, Config::default());
        // With its examples in force it is valid, too, and sets whatever can be set.
        let text = std::fs::read_to_string(file).expect("there");
        let example = |line: &&str| line.contains(" = ") || *line == "[[tsa]]";
        let lines = text.lines().map(|line| line.strip_prefix("# ").filter(example).unwrap_or(line));
        let config = load(&lines.collect::<Vec<_>>().join("\n"), None).expect("valid");
        let Config { metrics_listen, operator_key, checkpoint_keys, guard, policy, tsa, .. } = &config;
        assert!(metrics_listen.is_some() && operator_key.is_some() && !checkpoint_keys.is_empty());
        assert!(guard.is_some() && policy.is_some() && tsa.len() == 1 && tsa[0].policy_oid.is_some());
        assert!(config.backup_dir.is_some());
        assert!(config.tls_certificate.is_some() && config.tls_key.is_some());
        assert!(config.tiles_listen.is_some() && config.entries_token_file.is_some());
    }

    #[test]
    fn the_sample_policy_is_one() {
        let policy = include_bytes!("../../../deploy/policy.example.txt");
        let policy = daicho_tlog::Policy::parse(policy).expect("a policy");
        assert_eq!((policy.logs().len(), policy.witnesses().len()), (1, 3));
        assert!(policy.witnesses().iter().all(|witness| witness.url.is_some()));
    }
}
