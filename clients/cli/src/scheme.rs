//! `daicho scheme check` and `daicho scheme show`: reads scheme files, reports what is wrong, draws them.

mod draw;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use daicho_custody::calendar::Calendar;
use daicho_custody::scheme::{Diagnostic, Level, Scheme, Text, Vocabulary, lint, lint_vocabulary};
pub use daicho_report::Lang;

use draw::Drawing;

/// Checks scheme, vocabulary and calendar files and prints each diagnostic with its line.
///
/// The vocabulary of a scheme is taken from `files`, else from the file beside the scheme that has its id.
/// Returns whether every file could be enacted as it stands.
///
/// # Errors
/// A file cannot be read, or `out` cannot be written. A file that does not parse is a diagnostic, not an error.
pub fn check(files: &[PathBuf], lang: Lang, json: bool, out: &mut dyn Write) -> anyhow::Result<bool> {
    let mut found = Vec::new();
    for file in files {
        let text = read(file)?;
        found.extend(check_file(file, &text, files)?.into_iter().map(|d| (file.as_path(), d)));
    }
    if json {
        write_json(&found, out)?;
    } else {
        write_plain(&found, files.len(), lang, out)?;
    }
    Ok(!found.iter().any(|(_, d)| d.level.blocks()))
}

fn read(file: &Path) -> anyhow::Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

fn is_vocabulary(text: &str) -> bool {
    let format = text.lines().find(|l| l.trim_start().starts_with("format"));
    format.is_some_and(|l| l.contains("daicho-vocabulary/"))
}

fn is_calendar(text: &str) -> bool {
    text.lines().any(|l| l.starts_with("format") && l.contains("daicho-holidays/"))
}

fn check_file(file: &Path, text: &str, files: &[PathBuf]) -> anyhow::Result<Vec<Diagnostic>> {
    if is_vocabulary(text) {
        return Ok(match Vocabulary::parse(text) {
            Ok(vocabulary) => lint_vocabulary(text, &vocabulary),
            Err(error) => vec![unreadable(error.line, &error.message)],
        });
    }
    if is_calendar(text) {
        let wrong = Calendar::parse(text).err();
        return Ok(wrong.iter().map(|error| unreadable(error.line, &error.message)).collect());
    }
    let scheme = match Scheme::parse(text) {
        Ok(scheme) => scheme,
        Err(error) => return Ok(vec![unreadable(error.line, &error.message)]),
    };
    match find_vocabulary(file, &scheme.vocabulary, files)? {
        Some(vocabulary) => Ok(lint(text, &scheme, &vocabulary)),
        None => {
            let line = 1 + text.lines().take_while(|l| !l.starts_with("vocabulary")).count();
            let message = format!(
                "no vocabulary `{}` among the files given or beside this one; pass its file as well",
                scheme.vocabulary
            );
            Ok(vec![unreadable(line, &message)])
        }
    }
}

fn unreadable(line: usize, message: &str) -> Diagnostic {
    Diagnostic {
        check: "unreadable",
        level: Level::Error,
        line,
        key: "file".into(),
        at: "file".into(),
        message: Text { ja: format!("読めません: {message}"), en: message.to_owned() },
    }
}

/// Files given come first; then the folder of the scheme, in order of name.
fn find_vocabulary(scheme: &Path, id: &str, files: &[PathBuf]) -> anyhow::Result<Option<Vocabulary>> {
    let folder = match scheme.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut beside: Vec<PathBuf> = fs::read_dir(folder)?.filter_map(|e| e.ok().map(|e| e.path())).collect();
    beside.retain(|p| p.extension().is_some_and(|x| x == "toml"));
    beside.sort();
    for file in files.iter().chain(&beside) {
        let text = read(file)?;
        if is_vocabulary(&text)
            && let Ok(vocabulary) = Vocabulary::parse(&text)
            && vocabulary.id == id
        {
            return Ok(Some(vocabulary));
        }
    }
    Ok(None)
}

fn write_json(found: &[(&Path, Diagnostic)], out: &mut dyn Write) -> anyhow::Result<()> {
    let rows: Vec<serde_json::Value> = found
        .iter()
        .map(|(file, d)| {
            serde_json::json!({
                "file": file.display().to_string(), "line": d.line, "level": d.level, "check": d.check,
                "at": d.at, "key": d.key, "message": d.message,
            })
        })
        .collect();
    serde_json::to_writer_pretty(&mut *out, &rows)?;
    writeln!(out)?;
    Ok(())
}

fn write_plain(
    found: &[(&Path, Diagnostic)],
    files: usize,
    lang: Lang,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    for (file, d) in found {
        let (file, line, message) = (file.display(), d.line, lang.of(&d.message));
        writeln!(out, "{file}:{line}: {}[{}] {}: {message}", d.level, d.check, d.key)?;
        if d.level == Level::SourceError {
            writeln!(out, "    --settle '{}={}'", d.name(), lang.either("根拠", "GROUND"))?;
        }
    }
    let count = |level| found.iter().filter(|(_, d)| d.level == level).count();
    let (errors, source) = (count(Level::Error), count(Level::SourceError));
    let (warnings, notes) = (count(Level::Warning), count(Level::Note));
    if !found.is_empty() {
        writeln!(out)?;
    }
    match lang {
        Lang::Ja => writeln!(
            out,
            "{files}ファイル: エラー {errors}、書面の誤り {source}、警告 {warnings}、注記 {notes}"
        )?,
        Lang::En => writeln!(
            out,
            "{files} files: {errors} errors, {source} source errors, {warnings} warnings, {notes} notes"
        )?,
    }
    write_meaning(errors, source, lang, out)
}

fn write_meaning(errors: usize, source: usize, lang: Lang, out: &mut dyn Write) -> anyhow::Result<()> {
    if errors > 0 {
        writeln!(
            out,
            "{}",
            lang.either(
                "エラー: ファイル自体の誤りです。直すまで施行できません。",
                "error: the file itself is wrong; it cannot be enacted until it is mended."
            )
        )?;
    }
    if source > 0 {
        writeln!(
            out,
            "{}",
            lang.either(
                "書面の誤り: 検査名と場所(check@at)、理由を挙げた区の署名付き訂正がある時だけ施行できます。",
                "source-error: the paper is wrong; enacted only with the ward's signed correction that names \
                 check@at and its ground."
            )
        )?;
    }
    if errors + source == 0 {
        writeln!(
            out,
            "{}",
            lang.either(
                "施行を妨げるものはありません。警告と注記は報告書に載ります。",
                "nothing blocks enactment; warnings and notes go into reports."
            )
        )?;
    }
    Ok(())
}

/// Draws a scheme in the terminal: who takes part, what moves where, what must be gone when.
///
/// # Errors
/// The file cannot be read or is no scheme, or `out` cannot be written.
pub fn show(file: &Path, lang: Lang, out: &mut dyn Write) -> anyhow::Result<()> {
    let text = read(file)?;
    if is_vocabulary(&text) {
        bail!("{} is a vocabulary; show draws scheme files", file.display());
    }
    let scheme = Scheme::parse(&text).with_context(|| format!("{}", file.display()))?;
    Drawing::new(&scheme, lang, out).all()
}
