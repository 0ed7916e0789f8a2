//! Ids and short texts: what is accepted where.

use std::fmt;

use crate::{Refusal, RefusalCode};

/// Longest id, in bytes. State keys hold several ids and stay below one kilobyte.
pub const MAX_ID_LEN: usize = 120;

/// Checks an id of a field (pass `format_args!`, so that nothing is formatted unless it is at fault): 1 to [`MAX_ID_LEN`] characters of `A-Z a-z 0-9 _ - . : /`, so that ids sort, print and quote safely.
///
/// # Errors
/// [`RefusalCode::Malformed`] with the field.
pub fn check_id(field: impl fmt::Display, id: &str) -> Result<(), Refusal> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':' | b'/');
    if id.is_empty() || id.len() > MAX_ID_LEN || !id.bytes().all(allowed) {
        return Err(Refusal::field(
            RefusalCode::Malformed,
            field.to_string(),
            format!("an id has 1 to {MAX_ID_LEN} characters of A-Z a-z 0-9 _ - . : /"),
        ));
    }
    Ok(())
}

/// Checks a short free text: at most `max` bytes, no control characters.
///
/// # Errors
/// [`RefusalCode::TooLarge`] or [`RefusalCode::Malformed`] with the field.
pub fn check_text(field: impl fmt::Display, text: &str, max: usize) -> Result<(), Refusal> {
    if text.len() > max {
        return Err(Refusal::field(RefusalCode::TooLarge, field.to_string(), format!("at most {max} bytes")));
    }
    if text.chars().any(char::is_control) {
        return Err(Refusal::field(RefusalCode::Malformed, field.to_string(), "no control characters"));
    }
    Ok(())
}

/// Name of a ledger, e.g. `daicho.city.shinjuku.example/2026`. Signed into every statement.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin(String);

impl Origin {
    /// What the name of a simulated ledger ends with, and no other name does, so that no one takes it for a real one.
    pub const SIMULATED_SUFFIX: &'static str = "/simulated";

    /// An origin: 1 to 120 printable ASCII characters without spaces and `+`, so that it can name the key of a signed
    /// note (C2SP signed-note).
    pub fn new(text: &str) -> Option<Self> {
        let base = text.strip_suffix(Self::SIMULATED_SUFFIX).unwrap_or(text);
        let fits = (1..=MAX_ID_LEN).contains(&text.len())
            && !base.is_empty()
            && base.bytes().all(|b| b.is_ascii_graphic() && b != b'+');
        fits.then(|| Self(text.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the ledger runs on a simulated clock.
    pub fn is_simulated(&self) -> bool {
        self.0.ends_with(Self::SIMULATED_SUFFIX)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_plain_and_bounded() {
        assert!(check_id("id", "queue_notice_service/c-2021.04:1").is_ok());
        for bad in ["", "a b", "山田", "a\n", "a\0b", &"x".repeat(MAX_ID_LEN + 1)] {
            assert_eq!(check_id("id", bad).map_err(|r| r.code), Err(RefusalCode::Malformed), "{bad:?}");
        }
    }

    #[test]
    fn a_simulated_ledger_shows_in_its_name() {
        assert!(Origin::new("demo.example/ledger/simulated").is_some_and(|o| o.is_simulated()));
        assert!(Origin::new("demo.example/ledger").is_some_and(|o| !o.is_simulated()));
        for bad in ["", "a b", "a+b", "/simulated", "台帳"] {
            assert!(Origin::new(bad).is_none(), "{bad}");
        }
    }
}
