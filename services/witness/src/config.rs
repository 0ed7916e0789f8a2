//! Configuration: defaults, then the file, then `DAICHO_WITNESS_…` variables, then flags. Unknown keys are refused.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use daicho_tlog::{Algorithm, NoteSigner, VerifierKey};
use figment::Figment;
use figment::providers::{Env, Format as _, Serialized, Toml};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::witness::Statement;

/// What `daicho-witness serve` reads.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Config {
    /// Name of the witness: the name of its keys. Required.
    pub(crate) name: String,
    /// Files with the secret keys, made by `init`. Each one signs every checkpoint. At least one.
    pub(crate) keys: Vec<PathBuf>,
    /// Address for HTTP. Port 0 takes a free one. Default: `127.0.0.1:7350`.
    pub(crate) listen: SocketAddr,
    /// Address for Prometheus metrics over HTTP. Default: none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// Folder of what was cosigned. Losing it means that the keys must be retired. Default: `witness-state`.
    pub(crate) state: PathBuf,
    /// `text` or `json`. Default: `text`.
    pub(crate) log_format: LogFormat,
    /// Longest time for which a request waits for the replay of its entries, in seconds. Default: 20. 1 to 300.
    pub(crate) audit_wait_seconds: u64,
    /// The logs that are cosigned.
    pub(crate) log: Vec<LogConfig>,
}

/// A log that is cosigned.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct LogConfig {
    /// Name of the log: the first line of its checkpoints.
    pub(crate) origin: String,
    /// Its keys, of the same name. A checkpoint needs the signature of one.
    pub(crate) vkeys: Vec<String>,
    /// Prefix of its tiles, when every entry is to be replayed before a checkpoint is cosigned.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) audit: Option<String>,
    /// File with the bearer token for entry bundles.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) token_file: Option<PathBuf>,
    /// Certificate (PEM) of the authority that signed that of the tiles' server. Default: those that the system knows.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) ca_file: Option<PathBuf>,
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
#[derive(Debug, thiserror::Error)]
#[error("configuration: {0}")]
pub(crate) struct ConfigError(String);

impl ConfigError {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// A log, its keys read.
#[derive(Debug)]
pub(crate) struct KnownLog {
    /// Name of the log.
    pub(crate) origin: String,
    /// Keys that speak for it.
    pub(crate) vkeys: Vec<VerifierKey>,
    /// Where its entries are, in auditing mode.
    pub(crate) audit: Option<AuditSource>,
}

/// Where the entries of a log are.
#[derive(Debug)]
pub(crate) struct AuditSource {
    /// Prefix of the tiles, without a slash at its end.
    pub(crate) prefix: String,
    /// Value of the `Authorization` header; never shown.
    pub(crate) authorization: Option<reqwest::header::HeaderValue>,
    /// The authorities that are believed. Empty: those that the system knows.
    pub(crate) authorities: Vec<reqwest::Certificate>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: String::new(),
            keys: Vec::new(),
            listen: SocketAddr::from(([127, 0, 0, 1], 7350)),
            metrics_listen: None,
            state: PathBuf::from("witness-state"),
            log_format: LogFormat::Text,
            audit_wait_seconds: 20,
            log: Vec::new(),
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
                Env::prefixed("DAICHO_WITNESS_")
                    .map(|key| key.as_str().replace('_', "-").to_ascii_lowercase().into()),
            )
            .merge(Serialized::defaults(flags))
            .extract()
            .map_err(|error| ConfigError(error.to_string().replace('\n', "; ")))?;
        config.validate()
    }

    fn validate(self) -> Result<Self, ConfigError> {
        if self.name.is_empty() {
            return Err(ConfigError("name: missing; it is the name of the keys".into()));
        }
        if self.keys.is_empty() {
            return Err(ConfigError("keys: none; make some with `daicho-witness init`".into()));
        }
        if self.log.is_empty() {
            return Err(ConfigError("log: none; a witness needs at least one [[log]]".into()));
        }
        if !(1..=300).contains(&self.audit_wait_seconds) {
            return Err(ConfigError("audit-wait-seconds: 1 to 300".into()));
        }
        Ok(self)
    }

    /// Longest time for which a request waits for a replay.
    pub(crate) fn audit_wait(&self) -> Duration {
        Duration::from_secs(self.audit_wait_seconds)
    }

    /// What a cosignature of this witness states. All its logs are audited or none is: C2SP tlog-cosignature lets a key
    /// stand for one set of statements only, and the keys sign for every log.
    ///
    /// # Errors
    /// When some logs have `audit` and others have not.
    pub(crate) fn statement(&self) -> Result<Statement, ConfigError> {
        let (audited, plain): (Vec<_>, Vec<_>) = self.log.iter().partition(|log| log.audit.is_some());
        match (audited.first(), plain.first()) {
            (Some(audited), Some(plain)) => Err(ConfigError(format!(
                "log {} has `audit` and log {} has not: one key would make two statements; \
                run two witnesses, each with its own name, keys and state",
                audited.origin, plain.origin
            ))),
            (Some(_), None) => Ok(Statement::Auditing),
            (None, _) => Ok(Statement::Consistent),
        }
    }

    /// Reads the secret keys.
    ///
    /// # Errors
    /// When a file is no key for cosignatures of this name, or the same key is given twice.
    pub(crate) fn signers(&self) -> Result<Vec<NoteSigner>, ConfigError> {
        let mut signers: Vec<NoteSigner> = Vec::new();
        for file in &self.keys {
            let failed = |what: &str| ConfigError(format!("keys: {}: {what}", file.display()));
            let mode = file.metadata().map_err(|error| failed(&error.to_string()))?.permissions().mode();
            if mode & 0o077 != 0 {
                return Err(failed(&format!(
                    "others can read it (mode {:o}); run: chmod 600 {}",
                    mode & 0o777,
                    file.display()
                )));
            }
            let text = std::fs::read_to_string(file).map_err(|error| failed(&error.to_string()))?;
            let text = Zeroizing::new(text);
            let signer: NoteSigner = text.trim().parse().map_err(|error| failed(&format!("{error}")))?;
            let key = signer.verifier();
            if key.algorithm() == Algorithm::Ed25519 {
                return Err(failed(
                    "a key for plain notes does not cosign; make one with `daicho-witness init`",
                ));
            }
            if key.name().as_str() != self.name {
                return Err(failed(&format!("a key of {}, this witness is {}", key.name(), self.name)));
            }
            if signers.iter().any(|other| other.verifier() == key) {
                return Err(failed("the same key twice"));
            }
            signers.push(signer);
        }
        Ok(signers)
    }

    /// Reads the keys of the logs.
    ///
    /// # Errors
    /// When a key, an origin, a URL or a token is not accepted.
    pub(crate) fn logs(&self) -> Result<Vec<KnownLog>, ConfigError> {
        let mut origins = HashSet::new();
        self.log
            .iter()
            .map(|log| {
                let read = log.read().map_err(|what| ConfigError(format!("log {}: {what}", log.origin)))?;
                if !origins.insert(&log.origin) {
                    return Err(ConfigError(format!("log {}: given twice", log.origin)));
                }
                Ok(read)
            })
            .collect()
    }
}

impl LogConfig {
    fn read(&self) -> Result<KnownLog, String> {
        let mut vkeys: Vec<VerifierKey> = Vec::new();
        for text in &self.vkeys {
            let vkey: VerifierKey = text.parse().map_err(|error| format!("vkeys: {text}: {error}"))?;
            if vkey.name().as_str() != self.origin {
                return Err(format!("vkeys: a key of {}; its name must be the origin", vkey.name()));
            }
            if vkeys.contains(&vkey) {
                return Err(format!("vkeys: {text}: given twice"));
            }
            vkeys.push(vkey);
        }
        if vkeys.is_empty() {
            return Err("vkeys: none; without a key nothing can be believed".into());
        }
        let audit = match &self.audit {
            Some(prefix) => Some(self.source(prefix)?),
            None if self.token_file.is_some() => return Err("token-file: only with audit".into()),
            None if self.ca_file.is_some() => return Err("ca-file: only with audit".into()),
            None => None,
        };
        Ok(KnownLog { origin: self.origin.clone(), vkeys, audit })
    }

    fn source(&self, prefix: &str) -> Result<AuditSource, String> {
        let url = reqwest::Url::parse(prefix).map_err(|error| format!("audit: {prefix}: {error}"))?;
        let plain = matches!(url.scheme(), "http" | "https")
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        if !plain {
            return Err("audit: an http or https URL without user, query and fragment".into());
        }
        let authorization = self.token_file.as_deref().map(read_token).transpose()?;
        if self.ca_file.is_some() && url.scheme() == "http" {
            return Err("ca-file: only with an audit prefix of https".into());
        }
        let authorities = self.ca_file.as_deref().map(read_authorities).transpose()?.unwrap_or_default();
        Ok(AuditSource { prefix: url.as_str().trim_end_matches('/').to_owned(), authorization, authorities })
    }
}

fn read_authorities(file: &Path) -> Result<Vec<reqwest::Certificate>, String> {
    let failed = |what: &str| format!("ca-file: {}: {what}", file.display());
    let pem = std::fs::read(file).map_err(|error| failed(&error.to_string()))?;
    let found = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| failed(&error.to_string()))?;
    if found.is_empty() { Err(failed("no certificate (PEM)")) } else { Ok(found) }
}

fn read_token(file: &Path) -> Result<reqwest::header::HeaderValue, String> {
    let failed = |what: &str| format!("token-file: {}: {what}", file.display());
    let token = std::fs::read_to_string(file).map_err(|error| failed(&error.to_string()))?;
    let token = token.trim();
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(failed("a token is one line of printable ASCII"));
    }
    let mut value = reqwest::header::HeaderValue::try_from(format!("Bearer {token}"))
        .map_err(|_| failed("a token is one line of printable ASCII"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> PathBuf {
        PathBuf::from("../../deploy/witness.toml")
    }

    #[derive(Serialize)]
    struct Flags {
        listen: &'static str,
    }

    #[test]
    fn the_sample_is_accepted_and_flags_win_over_it() {
        let config = Config::load(Some(&sample()), Flags { listen: "127.0.0.1:9" }).expect("valid");
        assert_eq!(config.listen.port(), 9);
        assert_eq!(config.state, PathBuf::from("witness-state"));
        assert_eq!(config.statement().expect("plain"), Statement::Consistent);
        assert_eq!(config.logs().expect("valid")[0].vkeys.len(), 1);
    }

    #[test]
    fn everything_that_the_sample_leaves_out_is_accepted_too() {
        let text = std::fs::read_to_string(sample()).expect("there");
        let settings = ["metrics-listen", "audit ", "token-file"];
        let all = settings.iter().fold(text, |text, key| text.replacen(&format!("# {key}"), key, 1));
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("witness.toml");
        std::fs::write(&file, all).expect("written");
        let config = Config::load(Some(&file), Flags { listen: "127.0.0.1:9" }).expect("valid");
        assert_eq!(config.statement().expect("all audited"), Statement::Auditing);
        assert!(config.metrics_listen.is_some());
        let error = config.logs().expect_err("the token is not there").to_string();
        assert!(error.contains("token-file"), "{error}");
    }
}
