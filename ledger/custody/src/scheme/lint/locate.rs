//! Finds the line of a table or key in a TOML text.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

/// Line numbers of the keys of a file, by `table.id.key`.
pub(super) struct Lines {
    /// One number per occurrence, since ids may be repeated by mistake.
    by_path: BTreeMap<String, Vec<usize>>,
}

impl Lines {
    /// Reads the lines of a file. A file that does not parse has none; it never gets as far as checks.
    pub(super) fn of(text: &str) -> Self {
        let mut lines = Self { by_path: BTreeMap::new() };
        let starts = line_starts(text);
        if let Ok(root) = DeTable::parse(text) {
            for (key, value) in root.get_ref().iter() {
                lines.put(key.get_ref().to_string(), line_at(&starts, key.span().start));
                if let DeValue::Array(array) = value.get_ref() {
                    for item in array.iter() {
                        if let DeValue::Table(table) = item.get_ref() {
                            lines.read_table(key.get_ref(), table, &starts);
                        }
                    }
                }
            }
        }
        lines
    }

    fn read_table(&mut self, name: &str, table: &DeTable<'_>, starts: &[usize]) {
        let Some(id) = table.get("id").and_then(|v| v.get_ref().as_str()) else { return };
        for (key, value) in table.iter() {
            let line = line_at(starts, key.span().start);
            if key.get_ref() == "id" {
                self.put(format!("{name}.{id}"), line);
            }
            self.put(format!("{name}.{id}.{}", key.get_ref()), line);
            self.read_clauses(name, id, key.get_ref(), value.get_ref(), starts);
        }
    }

    /// Clauses are numbered instead of named: `clause_sheet.<id>.clause/<n>`.
    fn read_clauses(&mut self, name: &str, id: &str, key: &str, value: &DeValue<'_>, starts: &[usize]) {
        let DeValue::Array(array) = value else { return };
        for item in array.iter() {
            let DeValue::Table(table) = item.get_ref() else { continue };
            let mark = table.get("n").or_else(|| table.get("id"));
            let Some(mark) = mark else { continue };
            let text = match mark.get_ref() {
                DeValue::Integer(n) => n.as_str().to_owned(),
                other => other.as_str().unwrap_or_default().to_owned(),
            };
            self.put(format!("{name}.{id}.{key}/{text}"), line_at(starts, mark.span().start));
        }
    }

    fn put(&mut self, path: String, line: usize) {
        self.by_path.entry(path).or_default().push(line);
    }

    /// The line of a key; that of its table when the key is absent; 1 when the table is unknown.
    pub(super) fn line(&self, table: &str, id: &str, key: &str) -> usize {
        let exact = format!("{table}.{id}.{key}");
        let table_only = format!("{table}.{id}");
        [exact.as_str(), table_only.as_str(), key]
            .into_iter()
            .find_map(|path| self.by_path.get(path).and_then(|lines| lines.first()))
            .copied()
            .unwrap_or(1)
    }

    /// The lines on which an id is given, in file order.
    pub(super) fn all(&self, table: &str, id: &str) -> &[usize] {
        self.by_path.get(&format!("{table}.{id}")).map_or(&[], Vec::as_slice)
    }
}

fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect()
}

/// Number, from 1, of the line that holds the byte at `offset`.
fn line_at(starts: &[usize], offset: usize) -> usize {
    starts.partition_point(|start| *start <= offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "format = \"x\"\n\n# a comment\n[[flow]]\nid = \"f1\"\nnote = \"\"\"\n[[flow]]\nid = \"f2\"\n\"\"\"\nbasis = []\n\n[[flow]]\nbasis = [\n]\nid = \"f2\"\n\n[[clause_sheet]]\nid = \"s\"\n[[clause_sheet.clause]]\nn = 1\n";

    #[test]
    fn a_key_is_found_in_its_own_table_even_after_text_that_looks_like_one() {
        let lines = Lines::of(TEXT);
        assert_eq!(lines.line("flow", "f1", ""), 5);
        assert_eq!(lines.line("flow", "f1", "basis"), 10);
        assert_eq!(lines.line("flow", "f2", "basis"), 13);
        assert_eq!(lines.line("flow", "f2", "absent"), 15);
        assert_eq!(lines.line("clause_sheet", "s", "clause/1"), 20);
        assert_eq!(lines.line("scheme", "x", "format"), 1);
    }
}
