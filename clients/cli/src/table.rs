//! Tables for people: aligned by the width that characters take on a terminal, full-width ones two.

use std::io::Write;

use daicho_core::Instant;
use unicode_width::UnicodeWidthStr as _;

use crate::columns::fit;
use crate::context::Context;

/// Rows below headings.
#[derive(Debug)]
pub(crate) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table.
    pub(crate) fn new(headings: &[&'static str]) -> Self {
        Self { headings: headings.to_vec(), rows: Vec::new() }
    }

    /// Adds a row, one cell for each heading.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<String> = cells.into_iter().map(|cell| plain(&cell)).collect();
        debug_assert_eq!(cells.len(), self.headings.len(), "one cell for each heading");
        self.rows.push(cells);
    }

    /// Writes the table, then how many rows it has.
    pub(crate) fn write(&self, context: &Context, out: &mut dyn Write) -> std::io::Result<()> {
        if self.rows.is_empty() {
            return writeln!(out, "{}", context.pick("該当なし", "none"));
        }
        let headings: Vec<String> = self.headings.iter().map(ToString::to_string).collect();
        let widths = self.widths();
        writeln!(out, "{}", line(&headings, &widths))?;
        writeln!(out, "{}", "-".repeat(widths.iter().sum::<usize>() + 2 * (widths.len() - 1)))?;
        for row in &self.rows {
            writeln!(out, "{}", line(row, &widths))?;
        }
        let count = self.rows.len();
        writeln!(out, "{}", context.pick(format!("{count} 件"), format!("{count} in all")))
    }

    fn widths(&self) -> Vec<usize> {
        let column = |i: usize| self.rows.iter().map(move |row| row[i].width()).max().unwrap_or(0);
        self.headings.iter().enumerate().map(|(i, heading)| heading.width().max(column(i))).collect()
    }
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let mut text = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        text.push_str(&fit(cell, width + 2));
    }
    text.trim_end().to_owned()
}

/// Text from the ledger without control characters: it must neither steer a terminal nor turn the order of what is read.
pub(crate) fn plain(text: &str) -> String {
    let turns = |c| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if c.is_control() || turns(c) { '?' } else { c }).collect()
}

/// A time in Japan, e.g. `2021-04-01 09:00:00`; `-` for none (0).
pub(crate) fn when(ms: i64) -> String {
    match Instant::from_unix_ms(ms) {
        Some(instant) if ms != 0 => {
            let iso = instant.to_string();
            iso.split_once('T').map_or(iso.clone(), |(day, time)| format!("{day} {}", &time[..8]))
        }
        _ => "-".to_owned(),
    }
}

/// The text, or `-` for none.
pub(crate) fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheme::Lang;

    #[test]
    fn columns_line_up_under_full_width_characters() {
        let mut table = Table::new(&["当事者", "名称", "数"]);
        table.row(["ward".to_owned(), "新宿区".to_owned(), "1".to_owned()]);
        table.row(["j-lis".to_owned(), "A\u{1b}[2J".to_owned(), "2".to_owned()]);
        let context = Context::showing(Lang::Ja);
        let mut out = Vec::new();
        table.write(&context, &mut out).expect("a vector takes all");
        let text = String::from_utf8(out).expect("UTF-8");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "当事者  名称    数");
        assert_eq!(lines[2], "ward    新宿区  1");
        assert_eq!(lines[3], "j-lis   A?[2J   2");
        assert_eq!(lines[4], "2 件");
    }

    #[test]
    fn times_are_those_of_japan() {
        assert_eq!(when(1_617_235_200_123), "2021-04-01 09:00:00");
        assert_eq!(when(0), "-");
    }
}
