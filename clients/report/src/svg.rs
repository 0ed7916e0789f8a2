//! Words in pictures.

use unicode_width::UnicodeWidthChar as _;

/// Text as it may stand in a picture.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// About how wide a text is drawn, rather more than less. Full-width characters take one em.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    let ems = text.chars().map(|c| match c {
        'M' | 'W' | 'm' | 'w' | '%' | '@' => 0.92,
        'A'..='Z' | '&' | '+' | '=' | '~' => 0.7,
        c => c.width().unwrap_or(0) as f64 * 0.53,
    });
    ems.sum::<f64>() * size
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
