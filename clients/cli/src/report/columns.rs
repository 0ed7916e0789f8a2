//! Text in columns of a terminal, full-width characters counted as two.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// The text at the right of `width` columns.
pub(super) fn left_pad(text: &str, width: usize) -> String {
    format!("{}{text}", " ".repeat(width.saturating_sub(text.width())))
}

/// The text in exactly `width` columns: padded, or cut.
pub(super) fn fit(text: &str, width: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    let whole = text.width() <= width;
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if used + wide > if whole { width } else { width.saturating_sub(1) } {
            break;
        }
        out.push(c);
        used += wide;
    }
    if !whole {
        out.push('…');
        used += 1;
    }
    out + &" ".repeat(width.saturating_sub(used))
}

/// The text in lines of at most `width` columns: at spaces where there are any, else between characters.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
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
    fn text_is_cut_and_wrapped_by_columns() {
        assert_eq!(fit("新宿区", 8), "新宿区  ");
        assert_eq!(fit("新宿区役所", 6), "新宿… ");
        assert_eq!(wrap("one two three", 9), ["one two", "three"]);
        assert_eq!(wrap("期限超過の複製", 6), ["期限超", "過の複", "製"]);
    }
}
