//! What the ward's office adds to a deadline: the days on which it is open, and the time at which it closes.

use std::fmt;

use super::Calendar;

/// A time of day in Japan, to the minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClockTime(u32);

impl ClockTime {
    /// Reads `17:15`.
    pub fn parse(text: &str) -> Option<Self> {
        let (hour, minute) = text.split_once(':')?;
        let number = |text: &str| -> Option<u32> {
            ((1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()))
                .then(|| text.parse().ok())?
        };
        let (hour, minute) = (number(hour)?, number(minute)?);
        (hour < 24 && minute < 60).then_some(Self(hour * 60 + minute))
    }

    /// Minutes since midnight, below 1440.
    pub fn minute_of_day(self) -> u32 {
        self.0
    }
}

impl fmt::Display for ClockTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// The office by which a deadline is counted. Without either, deadlines that need them have no date.
#[derive(Debug, Clone, Copy, Default)]
pub struct Office<'c> {
    /// The days on which it is open.
    pub calendar: Option<&'c Calendar>,
    /// When it closes, as the ward set it.
    pub closing: Option<ClockTime>,
}
