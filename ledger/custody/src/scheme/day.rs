//! Days in TOML are bare local dates (`2021-02-01`); in JSON they are strings of the same form.

use daicho_core::Date;
use serde::{Deserialize, Deserializer, de::Error as _};

#[derive(Deserialize)]
#[serde(untagged)]
enum Either {
    Toml(toml::value::Datetime),
    Text(String),
}

/// Reads a day.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Date, D::Error> {
    let text = match Either::deserialize(d)? {
        Either::Toml(t) => t.to_string(),
        Either::Text(t) => t,
    };
    Date::parse(&text).ok_or_else(|| D::Error::custom(format!("`{text}` is not a day such as 2021-02-01")))
}

/// A day that may be left out.
pub(crate) mod option {
    use daicho_core::Date;
    use serde::{Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "the signature that serde's `with` asks for")]
    pub(crate) fn serialize<S: Serializer>(date: &Option<Date>, s: S) -> Result<S::Ok, S::Error> {
        date.map(|d| d.to_string()).serialize(s)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Date>, D::Error> {
        super::deserialize(d).map(Some)
    }
}
