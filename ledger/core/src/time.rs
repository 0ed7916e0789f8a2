//! Instants and Japanese calendar days, without a time zone database.
//!
//! Japan has been at UTC+9 without daylight saving since 1952-04-28, so a fixed offset is exact for
//! every date that a ledger can hold.

use std::fmt;

/// Milliseconds in a day.
pub const DAY_MS: i64 = 86_400_000;
/// Offset of Asia/Tokyo from UTC, in milliseconds.
pub const JST_OFFSET_MS: i64 = 9 * 3_600_000;

/// An instant: milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Instant(i64);

impl Instant {
    /// Latest accepted instant: 9999-12-31T23:59:59.999Z, so that arithmetic on deadlines cannot overflow.
    pub const MAX: Self = Self(253_402_300_799_999);
    /// The Unix epoch; also the earliest accepted instant.
    pub const EPOCH: Self = Self(0);

    /// An instant from milliseconds since the epoch. `None` before 1970 or after 9999.
    pub fn from_unix_ms(ms: i64) -> Option<Self> {
        (0..=Self::MAX.0).contains(&ms).then_some(Self(ms))
    }

    /// Milliseconds since the epoch.
    pub fn unix_ms(self) -> i64 {
        self.0
    }

    /// The instant `ms` later (or earlier when negative), held within the accepted range.
    #[must_use]
    pub fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms).clamp(0, Self::MAX.0))
    }

    /// The calendar day in Asia/Tokyo.
    pub fn jst_day(self) -> Date {
        Date((self.0 + JST_OFFSET_MS).div_euclid(DAY_MS) as i32)
    }

    /// Minutes since midnight in Asia/Tokyo.
    pub fn jst_minute_of_day(self) -> u32 {
        ((self.0 + JST_OFFSET_MS).rem_euclid(DAY_MS) / 60_000) as u32
    }

    /// Parses `2021-02-01T09:30:00+09:00`, the same with `Z`, or a bare date (start of that day in Japan).
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let date = Date::parse(text.get(..10)?)?;
        if text.len() == 10 {
            return Some(date.start());
        }
        let rest = text.get(10..)?.strip_prefix(['T', ' '])?;
        let (clock, offset_ms) = split_offset(rest)?;
        let (whole, millis) = clock.split_once('.').unwrap_or((clock, "0"));
        let mut fields = whole.split(':');
        let hour: i64 = number(fields.next()?)?;
        let minute: i64 = number(fields.next()?)?;
        let second: i64 = number(fields.next().unwrap_or("0"))?;
        if fields.next().is_some() || hour > 23 || minute > 59 || second > 59 || millis.len() > 9 {
            return None;
        }
        let millis: i64 = number(&format!("{millis:0<3}")[..3])?;
        let in_day = ((hour * 60 + minute) * 60 + second) * 1000 + millis;
        Self::from_unix_ms(i64::from(date.0) * DAY_MS + in_day - offset_ms)
    }
}

/// ISO 8601 in Asia/Tokyo, e.g. `2021-02-01T09:30:00+09:00`; milliseconds only when there are some.
impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let in_day = (self.0 + JST_OFFSET_MS).rem_euclid(DAY_MS);
        let (h, m, s, ms) = (in_day / 3_600_000, in_day / 60_000 % 60, in_day / 1000 % 60, in_day % 1000);
        write!(f, "{}T{h:02}:{m:02}:{s:02}", self.jst_day())?;
        if ms != 0 {
            write!(f, ".{ms:03}")?;
        }
        f.write_str("+09:00")
    }
}

/// A calendar day: days since 1970-01-01 in the proleptic Gregorian calendar.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Date(i32);

impl Date {
    /// A day from its number since 1970-01-01.
    pub const fn from_days(days: i32) -> Self {
        Self(days)
    }

    /// Days since 1970-01-01.
    pub fn days(self) -> i32 {
        self.0
    }

    /// A day from year, month (1-12) and day of month. `None` when there is no such day.
    pub fn from_ymd(year: i32, month: u32, day: u32) -> Option<Self> {
        if !(1..=9999).contains(&year)
            || !(1..=12).contains(&month)
            || day == 0
            || day > days_in_month(year, month)
        {
            return None;
        }
        // Days from civil, Hinnant's algorithm: years start in March, so that February's end is the year's.
        let y = i64::from(year) - i64::from(month <= 2);
        let era = y.div_euclid(400);
        let yoe = y.rem_euclid(400);
        let doy = (153 * ((i64::from(month) + 9) % 12) + 2) / 5 + i64::from(day) - 1;
        let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
        Some(Self((era * 146_097 + doe - 719_468) as i32))
    }

    /// Year, month (1-12) and day of month.
    pub fn ymd(self) -> (i32, u32, u32) {
        let z = i64::from(self.0) + 719_468;
        let era = z.div_euclid(146_097);
        let doe = z.rem_euclid(146_097);
        let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let day = (doy - (153 * mp + 2) / 5 + 1) as u32;
        let month = (if mp < 10 { mp + 3 } else { mp - 9 }) as u32;
        ((yoe + era * 400 + i64::from(month <= 2)) as i32, month, day)
    }

    /// The day `n` days later.
    #[must_use]
    pub fn plus_days(self, n: i32) -> Self {
        Self(self.0.saturating_add(n))
    }

    /// The same day of the month `n` months later, or that month's last day.
    #[must_use]
    pub fn plus_months(self, n: u32) -> Self {
        let (y, m, d) = self.ymd();
        let months = i64::from(y) * 12 + i64::from(m) - 1 + i64::from(n);
        let (y, m) = ((months / 12).min(9999) as i32, (months % 12) as u32 + 1);
        Self::from_ymd(y, m, d.min(days_in_month(y, m))).unwrap_or(self)
    }

    /// Last day of the day's month.
    #[must_use]
    pub fn end_of_month(self) -> Self {
        let (y, m, _) = self.ymd();
        Self::from_ymd(y, m, days_in_month(y, m)).unwrap_or(self)
    }

    /// Day of the week, 0 for Sunday to 6 for Saturday.
    pub fn weekday(self) -> u32 {
        // 1970-01-01 was a Thursday.
        (i64::from(self.0) + 4).rem_euclid(7) as u32
    }

    /// First millisecond of the day in Asia/Tokyo.
    pub fn start(self) -> Instant {
        Instant::EPOCH.plus_ms(i64::from(self.0) * DAY_MS - JST_OFFSET_MS)
    }

    /// Last millisecond of the day in Asia/Tokyo.
    pub fn end(self) -> Instant {
        self.start().plus_ms(DAY_MS - 1)
    }

    /// Parses `2021-02-01`.
    pub fn parse(text: &str) -> Option<Self> {
        let b = text.as_bytes();
        if b.len() != 10 || b[4] != b'-' || b[7] != b'-' {
            return None;
        }
        Self::from_ymd(number(&text[..4])? as i32, number(&text[5..7])? as u32, number(&text[8..])? as u32)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (y, m, d) = self.ymd();
        write!(f, "{y:04}-{m:02}-{d:02}")
    }
}

fn days_in_month(year: i32, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn number(text: &str) -> Option<i64> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

fn split_offset(text: &str) -> Option<(&str, i64)> {
    if let Some(clock) = text.strip_suffix('Z') {
        return Some((clock, 0));
    }
    match text.find(['+', '-']) {
        None => Some((text, JST_OFFSET_MS)),
        Some(at) => {
            let (clock, offset) = text.split_at(at);
            let (h, m) = offset[1..].split_once(':')?;
            let ms = (number(h)? * 60 + number(m)?) * 60_000;
            Some((clock, if offset.starts_with('-') { -ms } else { ms }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_four_centuries_round_trips() {
        let mut day = Date::from_ymd(1800, 1, 1).expect("a day");
        while day.ymd().0 < 2201 {
            let (y, m, d) = day.ymd();
            assert_eq!(Date::from_ymd(y, m, d), Some(day));
            day = day.plus_days(1);
        }
    }

    #[test]
    fn a_day_in_japan_starts_nine_hours_before_utc() {
        let t = Instant::parse("2021-02-01T00:00:00+09:00").expect("an instant");
        assert_eq!(t, Instant::parse("2021-01-31T15:00:00Z").expect("an instant"));
        assert_eq!(t.jst_day().to_string(), "2021-02-01");
        assert_eq!(t.plus_ms(-1).jst_day().to_string(), "2021-01-31");
        assert_eq!(t.to_string(), "2021-02-01T00:00:00+09:00");
        assert_eq!(t.jst_day().end().to_string(), "2021-02-01T23:59:59.999+09:00");
    }

    #[test]
    fn months_end_where_the_month_ends() {
        let day = Date::parse("2020-01-31").expect("a day");
        assert_eq!(day.plus_months(1).to_string(), "2020-02-29");
        assert_eq!(day.plus_months(13).to_string(), "2021-02-28");
    }

    #[test]
    fn nonsense_is_no_time() {
        for bad in ["", "2021-02-30", "2021-02-01T25:00", "2021-02-01X10:00", "令和3年2月1日", "2021-2-1"]
        {
            assert_eq!(Instant::parse(bad), None, "{bad}");
        }
    }
}
