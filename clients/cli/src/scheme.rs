//! Checks and shows scheme files.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use daicho_custody::scheme::Scheme;
use serde_json::json;

/// Language of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lang {
    /// Japanese.
    Ja,
    /// English.
    En,
}

/// Checks that the files are schemes. `Ok(false)`: at least one is not, and `out` says why.
///
/// # Errors
/// When a file cannot be read or `out` cannot be written.
pub fn check(files: &[PathBuf], lang: Lang, json: bool, out: &mut dyn Write) -> anyhow::Result<bool> {
    let mut sound = true;
    for file in files {
        let name = file.display().to_string();
        let parsed = Scheme::parse(&read(file)?);
        sound &= parsed.is_ok();
        match parsed {
            _ if json => {
                let error = parsed.as_ref().err().map(|e| json!({ "line": e.line, "message": e.message }));
                writeln!(out, "{}", json!({ "file": name, "sound": parsed.is_ok(), "error": error }))?;
            }
            Ok(_) => writeln!(out, "{name}: {}", lang.either("形式に誤りはありません", "well formed"))?,
            Err(error) => writeln!(out, "{name}:{}: {}", error.line, error.message)?,
        }
    }
    Ok(sound)
}

/// Shows what a scheme file holds.
///
/// # Errors
/// When the file cannot be read or is no scheme, or `out` cannot be written.
pub fn show(file: &Path, lang: Lang, out: &mut dyn Write) -> anyhow::Result<()> {
    let scheme = Scheme::parse(&read(file)?)
        .map_err(|error| anyhow!("{}:{}: {}", file.display(), error.line, error.message))?;
    let title = lang.either(&scheme.title.ja, &scheme.title.en);
    writeln!(out, "{title} ({} {})", scheme.id, scheme.version)?;
    for (ja, en, count) in [
        ("当事者", "parties", scheme.parties.len()),
        ("機器・媒体", "systems", scheme.systems.len()),
        ("データセットの種類", "data set kinds", scheme.data_sets.len()),
        ("情報の流れ", "flows", scheme.flows.len()),
        ("保存期間の定め", "rules", scheme.rules.len()),
        ("義務", "obligations", scheme.obligations.len()),
    ] {
        writeln!(out, "  {}: {count}", lang.either(ja, en))?;
    }
    Ok(())
}

fn read(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| file.display().to_string())
}
