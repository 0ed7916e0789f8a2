//! Deadlines: from a trigger to the last instant that is still in time.

use std::fmt;

use daicho_core::{Date, Instant};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A deadline as a scheme file or the ward writes it.
///
/// | text | last instant in time |
/// |---|---|
/// | `P1D`, `P2W`, `P3M`, `P1Y` | end of the day in Japan that many days, weeks, months, years later; the first day is not counted (Civil Code art. 140, 141) |
/// | `PT24H`, `PT5M` | that long after the instant of the trigger |
/// | `end-of-same-day` | end of the trigger's day |
/// | `end-of-next-day` | end of the day after, same as `P1D` |
/// | `close-of-day 17:15` | that time on the trigger's day; the end of the day when the trigger is later |
/// | `2021-03-31` | end of that day, whatever the trigger |
/// | `never-persist` | the trigger itself: nothing may be kept |
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Deadline {
    /// Calendar months and days after the trigger's day.
    Calendar {
        /// Months.
        months: u32,
        /// Days.
        days: u32,
    },
    /// Exact milliseconds after the trigger.
    Elapsed {
        /// Milliseconds.
        ms: i64,
    },
    /// The close of business on the trigger's day, in minutes since midnight in Japan.
    CloseOfDay {
        /// Minutes since midnight, below 1440.
        minute: u32,
    },
    /// End of a fixed day.
    Fixed(Date),
    /// Nothing may be kept at all.
    NeverPersist,
}

impl Deadline {
    /// The last instant that is still in time for a clock started at `trigger`.
    pub fn due(self, trigger: Instant) -> Instant {
        let day = trigger.jst_day();
        match self {
            Self::Calendar { months, days } => day.plus_months(months).plus_days(days as i32).end(),
            Self::Elapsed { ms } => trigger.plus_ms(ms),
            Self::CloseOfDay { minute } => {
                let close = day.start().plus_ms(i64::from(minute) * 60_000);
                if close < trigger { day.end() } else { close }
            }
            Self::Fixed(day) => day.end(),
            Self::NeverPersist => trigger,
        }
    }

    /// Parses the texts of the table above.
    ///
    /// # Errors
    /// A sentence that says what is accepted.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is no deadline; write a duration such as P1D or PT5M, end-of-same-day, end-of-next-day, \
                 close-of-day 17:15, a date such as 2021-03-31, or never-persist"
            )
        };
        match text {
            "never-persist" => return Ok(Self::NeverPersist),
            "end-of-same-day" => return Ok(Self::Calendar { months: 0, days: 0 }),
            "end-of-next-day" => return Ok(Self::Calendar { months: 0, days: 1 }),
            _ => {}
        }
        if let Some(clock) = text.strip_prefix("close-of-day ") {
            let (h, m) = clock.split_once(':').ok_or_else(wrong)?;
            let (h, m): (u32, u32) = (h.parse().map_err(|_| wrong())?, m.parse().map_err(|_| wrong())?);
            return if h < 24 && m < 60 { Ok(Self::CloseOfDay { minute: h * 60 + m }) } else { Err(wrong()) };
        }
        if let Some(date) = Date::parse(text) {
            return Ok(Self::Fixed(date));
        }
        parse_duration(text).ok_or_else(wrong)
    }
}

/// ISO 8601 durations of one part: days, weeks, months, years, or hours, minutes, seconds.
/// A hundred years at most, so that no sum overflows.
fn parse_duration(text: &str) -> Option<Deadline> {
    let (exact, body) = match text.strip_prefix("PT") {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('P')?),
    };
    let unit = body.chars().last()?;
    let number = &body[..body.len() - unit.len_utf8()];
    if number.is_empty() || number.len() > 5 || !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let n: u32 = number.parse().ok()?;
    match (exact, unit) {
        (false, 'D') if n <= 36_525 => Some(Deadline::Calendar { months: 0, days: n }),
        (false, 'W') if n <= 5_200 => Some(Deadline::Calendar { months: 0, days: n * 7 }),
        (false, 'M') if n <= 1_200 => Some(Deadline::Calendar { months: n, days: 0 }),
        (false, 'Y') if n <= 100 => Some(Deadline::Calendar { months: n * 12, days: 0 }),
        (true, 'H') => Some(Deadline::Elapsed { ms: i64::from(n) * 3_600_000 }),
        (true, 'M') => Some(Deadline::Elapsed { ms: i64::from(n) * 60_000 }),
        (true, 'S') => Some(Deadline::Elapsed { ms: i64::from(n) * 1_000 }),
        _ => None,
    }
}

impl fmt::Display for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Calendar { months: 0, days: 0 } => f.write_str("end-of-same-day"),
            Self::Calendar { months: 0, days } => write!(f, "P{days}D"),
            Self::Calendar { months, .. } => write!(f, "P{months}M"),
            Self::Elapsed { ms } if ms % 3_600_000 == 0 => write!(f, "PT{}H", ms / 3_600_000),
            Self::Elapsed { ms } if ms % 60_000 == 0 => write!(f, "PT{}M", ms / 60_000),
            Self::Elapsed { ms } => write!(f, "PT{}S", ms / 1000),
            Self::CloseOfDay { minute } => write!(f, "close-of-day {:02}:{:02}", minute / 60, minute % 60),
            Self::Fixed(date) => write!(f, "{date}"),
            Self::NeverPersist => f.write_str("never-persist"),
        }
    }
}

impl Serialize for Deadline {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Deadline {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(d)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(deadline: &str, trigger: &str) -> String {
        let trigger = Instant::parse(trigger).expect("an instant");
        Deadline::parse(deadline).expect("a deadline").due(trigger).to_string()
    }

    #[test]
    fn a_day_is_counted_by_the_calendar_and_hours_from_the_instant() {
        assert_eq!(due("P1D", "2021-02-01T00:00:01"), "2021-02-02T23:59:59.999+09:00");
        assert_eq!(due("end-of-next-day", "2021-02-01T23:59:59"), "2021-02-02T23:59:59.999+09:00");
        assert_eq!(due("PT24H", "2021-02-01T23:59:59"), "2021-02-02T23:59:59+09:00");
        assert_eq!(due("P1M", "2020-01-31T10:00"), "2020-02-29T23:59:59.999+09:00");
        assert_eq!(due("close-of-day 17:15", "2021-02-01T16:00"), "2021-02-01T17:15:00+09:00");
        assert_eq!(due("close-of-day 17:15", "2021-02-01T18:00"), "2021-02-01T23:59:59.999+09:00");
        assert_eq!(due("2021-03-31", "2021-02-01T18:00"), "2021-03-31T23:59:59.999+09:00");
        assert_eq!(due("never-persist", "2021-02-01T18:00"), "2021-02-01T18:00:00+09:00");
    }

    #[test]
    fn text_round_trips() {
        for text in [
            "P1D",
            "PT5M",
            "PT1H",
            "PT30S",
            "end-of-same-day",
            "close-of-day 17:15",
            "2021-03-31",
            "never-persist",
            "P3M",
        ] {
            assert_eq!(Deadline::parse(text).expect("a deadline").to_string(), text);
        }
        for bad in
            ["", "P", "PD", "P1", "1D", "P1H", "PT", "P99999Y", "速やかに", "close-of-day 25:00", "P1日"]
        {
            assert!(Deadline::parse(bad).is_err(), "{bad}");
        }
    }
}
