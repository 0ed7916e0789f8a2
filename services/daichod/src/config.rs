//! Configuration: defaults, then the file, then `DAICHOD_…` variables, then flags. Unknown keys are refused.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use daicho_engine::EngineConfig;
use figment::Figment;
use figment::providers::{Env, Format as _, Serialized, Toml};
use serde::{Deserialize, Serialize};

/// What `daichod serve` reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Config {
    /// Data folder of the ledger. Losing it loses the ledger. Default: `daicho-data`.
    pub(crate) data: PathBuf,
    /// Address for gRPC. Port 0 takes a free one. Default: `127.0.0.1:7340`.
    pub(crate) listen: SocketAddr,
    /// Address for Prometheus metrics over HTTP. Default: none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// `text` or `json`. Default: `text`.
    pub(crate) log_format: LogFormat,
    /// Statement bytes that may wait to be recorded, in KiB. More is refused. Default: 65536. Minimum: 64.
    pub(crate) queue_kib: u32,
    /// Threads that verify signatures. 0: one for each core. Default: 0.
    pub(crate) check_threads: usize,
    /// Most statements that share one synced write. More is faster under load and slower for the first of them.
    /// Default: 2048. Minimum: 1.
    pub(crate) max_group: usize,
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
            metrics_listen: None,
            log_format: LogFormat::Text,
            queue_kib: engine.queue_kib,
            check_threads: engine.check_threads,
            max_group: engine.max_group,
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
        if self.max_group == 0 {
            return Err(ConfigError("max-group: at least 1".into()));
        }
        if self.check_threads > 1024 {
            return Err(ConfigError("check-threads: at most 1024".into()));
        }
        Ok(self)
    }

    pub(crate) fn engine(&self) -> EngineConfig {
        EngineConfig {
            queue_kib: self.queue_kib,
            check_threads: self.check_threads,
            max_group: self.max_group,
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
}
