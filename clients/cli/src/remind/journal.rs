//! What a webhook was told: one JSON object a line, appended and synced after each call that was taken.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use serde::{Deserialize, Serialize};

use crate::context::Context;

/// A line: something overdue was told, with its deadline, or that it is settled.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    name: String,
    due_ms: Option<i64>,
}

pub(super) struct Journal {
    path: PathBuf,
    file: File,
    /// What was told and is not settled, with the deadline that was told.
    told: BTreeMap<String, i64>,
}

impl Journal {
    /// Reads the file, and writes it anew without what is settled. A last line that was cut off by a crash is dropped:
    /// its call is made again.
    pub(super) fn open(path: &Path, context: &Context) -> anyhow::Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            text => text.with_context(|| {
                context.pick(
                    format!("{} を読めません", path.display()),
                    format!("cannot read {}", path.display()),
                )
            })?,
        };
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let mut told = BTreeMap::new();
        for (n, line) in whole.lines().enumerate() {
            let line: Line = serde_json::from_str(line).map_err(|error| {
                let (path, n) = (path.display(), n + 1);
                anyhow!(context.pick(
                    format!(
                        "{path} の {n} 行目を読めません（{error}）。別のファイルを --state に指定してください"
                    ),
                    format!("{path} line {n}: {error}; give another file as --state"),
                ))
            })?;
            match line.due_ms {
                Some(due_ms) => told.insert(line.name, due_ms),
                None => told.remove(&line.name),
            };
        }
        let write_anew = || -> anyhow::Result<File> {
            let aside = path.with_extension("new");
            let mut file = File::create(&aside)?;
            for (name, due_ms) in &told {
                file.write_all(&line(name, Some(*due_ms))?)?;
            }
            file.sync_all()?;
            std::fs::rename(&aside, path)?;
            Ok(OpenOptions::new().append(true).open(path)?)
        };
        let file = write_anew().with_context(|| context.cannot_write(path))?;
        Ok(Self { path: path.to_owned(), file, told })
    }

    /// Whether this was told with this deadline.
    pub(super) fn knows(&self, name: &str, due_ms: i64) -> bool {
        self.told.get(name) == Some(&due_ms)
    }

    /// What was told and is not settled, with the deadline that was told.
    pub(super) fn told(&self) -> impl Iterator<Item = (&str, i64)> {
        self.told.iter().map(|(name, due_ms)| (name.as_str(), *due_ms))
    }

    /// Remembers what was told: a deadline, or that there is none any more.
    pub(super) fn note(
        &mut self,
        told: impl Iterator<Item = (String, Option<i64>)>,
        context: &Context,
    ) -> anyhow::Result<()> {
        let mut text = Vec::new();
        for (name, due_ms) in told {
            text.extend(line(&name, due_ms)?);
            match due_ms {
                Some(due_ms) => self.told.insert(name, due_ms),
                None => self.told.remove(&name),
            };
        }
        let written = self.file.write_all(&text).and_then(|()| self.file.sync_data());
        written.with_context(|| context.cannot_write(&self.path))
    }
}

fn line(name: &str, due_ms: Option<i64>) -> anyhow::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(&Line { name: name.to_owned(), due_ms })?;
    line.push(b'\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheme::Lang;

    #[test]
    fn a_journal_outlives_a_crash_in_the_middle_of_a_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state.jsonl");
        let context = Context::showing(Lang::En);
        let mut journal = Journal::open(&path, &context).expect("opens");
        let told = [("a", Some(1)), ("b", Some(2)), ("a", None)].map(|(n, d)| (n.to_owned(), d));
        journal.note(told.into_iter(), &context).expect("written");
        let mut text = std::fs::read(&path).expect("there");
        text.extend(b"{\"name\":\"c\",\"due");
        std::fs::write(&path, text).expect("written");
        let journal = Journal::open(&path, &context).expect("opens");
        assert_eq!(journal.told().collect::<Vec<_>>(), [("b", 2)]);
        assert!(journal.knows("b", 2) && !journal.knows("b", 3));
        // A line that is damaged in the middle is no crash.
        std::fs::write(&path, "nonsense\n{\"name\":\"b\",\"due_ms\":2}\n").expect("written");
        let error = Journal::open(&path, &context).err().expect("refused").to_string();
        assert!(error.contains("line 1"), "{error}");
    }
}
