//! Text in columns. A Japanese character fills two.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The text in exactly `width` columns, cut or padded.
pub(super) fn fit(text: &str, width: usize) -> String {
    let text = cut(text, width);
    let gap = width.saturating_sub(text.width());
    text + &" ".repeat(gap)
}

/// The text in at most `width` columns; `…` marks what is cut.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut used = 0;
    let fits = |c: &char| {
        used += c.width().unwrap_or(0);
        used < width
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

/// Lines of at most `width` columns. Japanese has no spaces, so any character may end a line.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for c in text.chars() {
        let w = c.width().unwrap_or(0);
        if used + w > width {
            lines.push(String::new());
            used = 0;
        }
        used += w;
        if let Some(last) = lines.last_mut() {
            last.push(c);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn japanese_is_cut_and_padded_by_columns() {
        assert_eq!(fit("消去", 6), "消去  ");
        assert_eq!(fit("消去証明書", 7), "消去証…");
        assert_eq!(fit("消去証明書", 6).width(), 6);
        assert_eq!(wrap("消去証明書", 4), ["消去", "証明", "書"]);
    }
}
