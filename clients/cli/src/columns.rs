//! Text in columns of a terminal. A full-width character fills two.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// The text in exactly `width` columns: padded, or cut.
pub(crate) fn fit(text: &str, width: usize) -> String {
    let text = cut(text, width);
    let gap = width.saturating_sub(text.width());
    text + &" ".repeat(gap)
}

/// The text at the right of `width` columns.
pub(crate) fn left_pad(text: &str, width: usize) -> String {
    format!("{}{text}", " ".repeat(width.saturating_sub(text.width())))
}

/// The text in at most `width` columns; `…` marks what is cut.
pub(crate) fn cut(text: &str, width: usize) -> String {
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

/// The text in lines of at most `width` columns: at spaces where there are any, else between characters.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    let mut space: Option<usize> = None;
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if used + wide > width {
            let rest = match space {
                Some(at) if at * 2 > line.len() => line.split_off(at),
                _ => String::new(),
            };
            lines.push(line.trim_end().to_owned());
            line = rest.trim_start().to_owned();
            used = line.width();
            space = None;
        }
        if c == ' ' {
            space = Some(line.len());
        }
        line.push(c);
        used += wide;
    }
    lines.push(line.trim_end().to_owned());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_and_padded_by_columns() {
        assert_eq!(fit("新宿区", 8), "新宿区  ");
        assert_eq!(fit("新宿区役所", 6), "新宿… ");
        assert_eq!(fit("消去証明書", 7), "消去証…");
        assert_eq!(cut("消去証明書", 10), "消去証明書");
        assert_eq!(left_pad("12", 4), "  12");
        assert_eq!(left_pad("消去", 2), "消去");
    }

    #[test]
    fn text_is_wrapped_at_spaces_or_between_characters() {
        assert_eq!(wrap("one two three", 9), ["one two", "three"]);
        assert_eq!(wrap("期限超過の複製", 6), ["期限超", "過の複", "製"]);
        assert_eq!(wrap("", 6), [""]);
    }
}
