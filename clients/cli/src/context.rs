//! What every command is given.

use anyhow::{Context as _, anyhow};
use clap::ValueEnum;
use daicho_client::Client;
use daicho_core::{Date, Instant};

use crate::scheme::Lang;

/// Form of the results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Words and tables for people.
    Text,
    /// JSON for programs: one object per line.
    Json,
}

/// The global options.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) server: String,
    pub(crate) lang: Lang,
    pub(crate) output: Output,
}

impl Context {
    /// Connects to the server.
    pub(crate) async fn connect(&self) -> anyhow::Result<Client> {
        Ok(Client::connect(&self.server).await?)
    }

    /// The text in the chosen language.
    pub(crate) fn pick<T>(&self, ja: T, en: T) -> T {
        self.lang.either(ja, en)
    }

    /// Whether the results are JSON.
    pub(crate) fn json(&self) -> bool {
        self.output == Output::Json
    }

    /// Reads a file whole.
    pub(crate) fn read(&self, path: &std::path::Path) -> anyhow::Result<Vec<u8>> {
        let what = || {
            let path = path.display();
            self.pick(format!("{path} を読めません"), format!("cannot read {path}"))
        };
        std::fs::read(path).with_context(what)
    }

    /// A time given as a date (its end, in Japan) or as an instant; 0, which means now, when absent.
    pub(crate) fn moment(&self, text: Option<&str>) -> anyhow::Result<i64> {
        let Some(text) = text else { return Ok(0) };
        let instant = Date::parse(text).map(Date::end).or_else(|| Instant::parse(text));
        instant.map(Instant::unix_ms).ok_or_else(|| {
            anyhow!(self.pick(
                format!("「{text}」は日時として読めません。2021-04-01 または 2021-04-01T09:00 のように指定してください"),
                format!("`{text}` is no time; write 2021-04-01 or 2021-04-01T09:00"),
            ))
        })
    }
}
