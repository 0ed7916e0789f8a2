//! Words in pictures.

use unicode_width::UnicodeWidthStr as _;

/// Text as it may stand in a picture.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// About how wide a text is drawn. Full-width characters take one em.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    text.width() as f64 * size * 0.53
}

/// The text cut to a width.
pub(crate) fn fit(text: &str, room: f64, size: f64) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    let mut out = String::new();
    for c in text.chars() {
        if width(&out, size) + size * 2.0 > room {
            break;
        }
        out.push(c);
    }
    out + "…"
}
