//! Japanese eras (元号): the one table, and how a day is written with it.

use std::fmt;

use crate::Date;

/// An era from Shōwa on.
#[derive(Debug, PartialEq, Eq)]
pub struct Era {
    /// Name: 令和.
    pub name: &'static str,
    /// Short name as forms print it: 令.
    pub letter: &'static str,
    /// Its first day. The last one is the day before the next era.
    pub first: Date,
    /// The Gregorian year before its first one.
    zero: i32,
}

impl Era {
    /// Shōwa, Heisei, Reiwa (政令 of 1926-12-25, 1989-01-07 and 2019-04-01), oldest first.
    pub const ALL: [Self; 3] = [
        Self { name: "昭和", letter: "昭", first: Date::from_days(-15_713), zero: 1925 },
        Self { name: "平成", letter: "平", first: Date::from_days(6_947), zero: 1988 },
        Self { name: "令和", letter: "令", first: Date::from_days(18_017), zero: 2018 },
    ];

    /// The era of a day. `None` before Shōwa.
    pub fn of(day: Date) -> Option<&'static Self> {
        static ALL: [Era; 3] = Era::ALL;
        ALL.iter().rfind(|era| era.first <= day)
    }

    /// The Gregorian year of the era's year `n`, counting on past its end: 平成32年 is 2020. `None` beyond 9999.
    pub fn gregorian(&self, n: u32) -> Option<i32> {
        i32::try_from(n).ok()?.checked_add(self.zero).filter(|year| (1..=9999).contains(year))
    }

    /// The era's year of a Gregorian year, as it is written: 元 or a number.
    pub fn year(&self, gregorian: i32) -> EraYear {
        EraYear(gregorian - self.zero)
    }
}

/// A year of an era; the first one is written 元.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EraYear(i32);

impl fmt::Display for EraYear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("元"),
            n => write!(f, "{n}"),
        }
    }
}

impl Date {
    /// The day in the Japanese era calendar, e.g. `令和3年2月1日`. Before Shōwa the ISO form is used.
    pub fn era(self) -> String {
        let (y, m, d) = self.ymd();
        match Era::of(self) {
            Some(era) => format!("{}{}年{m}月{d}日", era.name, era.year(y)),
            None => self.to_string(),
        }
    }

    /// The short form of tables, e.g. `令3.2.1`. Before Shōwa the ISO form is used.
    pub fn era_short(self) -> String {
        let (y, m, d) = self.ymd();
        match Era::of(self) {
            Some(era) => format!("{}{}.{m}.{d}", era.letter, era.year(y)),
            None => self.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(day: &str) -> (String, String) {
        let day = Date::parse(day).expect("a day");
        (day.era(), day.era_short())
    }

    #[test]
    fn eras_change_on_their_days() {
        assert_eq!(written("2019-04-30"), ("平成31年4月30日".into(), "平31.4.30".into()));
        assert_eq!(written("2019-05-01"), ("令和元年5月1日".into(), "令元.5.1".into()));
        assert_eq!(written("2024-04-01"), ("令和6年4月1日".into(), "令6.4.1".into()));
        assert_eq!(written("1989-01-07").0, "昭和64年1月7日");
        assert_eq!(written("1989-01-08").0, "平成元年1月8日");
        assert_eq!(written("1926-12-25").0, "昭和元年12月25日");
        assert_eq!(written("1926-12-24").0, "1926-12-24");
    }

    #[test]
    fn years_count_on_past_the_end_of_an_era() {
        assert_eq!(Era::ALL[1].gregorian(32), Some(2020));
        assert_eq!(Era::ALL[2].gregorian(1), Some(2019));
        assert_eq!(Era::ALL[2].gregorian(9_000), None);
    }
}
