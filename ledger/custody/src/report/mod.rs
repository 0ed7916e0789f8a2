//! The deletion report: one place computes it, others draw it.
//!
//! A pure function of the state, a scheme, a period and a time. Totals are over everything; single data sets,
//! copies and findings are listed up to limits, problems first, and the report says how many it leaves out.

mod answer;
mod compute;
mod describe;
mod gather;
mod items;
mod model;

pub use items::*;
pub use model::*;

/// Instants as ISO 8601 in Japan.
pub(crate) mod time {
    use daicho_core::Instant;
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde's `with` asks for")]
    pub(crate) fn serialize<S: Serializer>(time: &Instant, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(time)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Instant, D::Error> {
        let text = String::deserialize(d)?;
        Instant::parse(&text).ok_or_else(|| D::Error::custom(format!("`{text}` is no time")))
    }
}

/// Instants that may be absent.
pub(crate) mod opt_time {
    use daicho_core::Instant;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

    #[expect(clippy::ref_option, reason = "the signature that serde's `with` asks for")]
    pub(crate) fn serialize<S: Serializer>(time: &Option<Instant>, s: S) -> Result<S::Ok, S::Error> {
        time.map(|t| t.to_string()).serialize(s)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Instant>, D::Error> {
        let Some(text) = Option::<String>::deserialize(d)? else { return Ok(None) };
        Instant::parse(&text).map(Some).ok_or_else(|| D::Error::custom(format!("`{text}` is no time")))
    }
}

/// Days as ISO 8601.
mod day {
    use daicho_core::Date;
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde's `with` asks for")]
    pub(super) fn serialize<S: Serializer>(day: &Date, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(day)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Date, D::Error> {
        let text = String::deserialize(d)?;
        Date::parse(&text).ok_or_else(|| D::Error::custom(format!("`{text}` is no day")))
    }
}

/// A number with a comma every three digits.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
