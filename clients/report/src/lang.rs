//! The language of what a person reads.

use daicho_custody::scheme::Text;

/// Language of what a person reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lang {
    /// 日本語
    Ja,
    /// English
    En,
}

impl Lang {
    /// The text in this language.
    pub fn either<T>(self, ja: T, en: T) -> T {
        match self {
            Self::Ja => ja,
            Self::En => en,
        }
    }

    /// The text of a pair.
    pub fn of(self, text: &Text) -> &str {
        self.either(&text.ja, &text.en)
    }

    /// `ja` or `en`, as in RFC 5646.
    pub fn tag(self) -> &'static str {
        self.either("ja", "en")
    }

    /// Reads `ja` or `en`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "ja" => Some(Self::Ja),
            "en" => Some(Self::En),
            _ => None,
        }
    }
}
