//! Fiscal years (会計年度): April to March, named by the year in which they begin.

use std::fmt;

use daicho_core::{Date, Era};

use super::era;

/// A fiscal year: 1 April to 31 March (地方自治法 art. 208).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FiscalYear(i32);

impl FiscalYear {
    /// The fiscal year that begins on 1 April of this Gregorian year. `None` before the year 1 and beyond 9998.
    pub fn beginning_in(year: i32) -> Option<Self> {
        (1..=9998).contains(&year).then_some(Self(year))
    }

    /// The fiscal year in which a day lies.
    pub fn containing(day: Date) -> Self {
        let (y, m, _) = day.ymd();
        Self((if m < 4 { y - 1 } else { y }).clamp(1, 9998))
    }

    /// First day.
    pub fn start(self) -> Date {
        Date::from_ymd(self.0, 4, 1).expect("a year from 1 to 9998 has an April")
    }

    /// Last day.
    pub fn end(self) -> Date {
        Date::from_ymd(self.0 + 1, 3, 31).expect("a year from 2 to 9999 has a March")
    }

    /// Whether the day lies in it.
    pub fn contains(self, day: Date) -> bool {
        (self.start()..=self.end()).contains(&day)
    }

    /// The next one.
    #[must_use]
    pub fn next(self) -> Self {
        Self((self.0 + 1).min(9998))
    }

    /// Reads `令和2年度`, `令2年度`, `平成31年度` (which is 令和元年度) or `2020年度`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = era::normalize(text);
        let year = text.strip_suffix("年度")?;
        let gregorian = match year.parse() {
            Ok(year) => year,
            Err(_) => era::year(year)?,
        };
        Self::beginning_in(gregorian)
    }
}

/// `令和2年度`.
///
/// The year from April 2019 began in Heisei and is called 令和元年度, as the ministries agreed on 2019-04-02. So the
/// era is that of 1 May, which says the same for every other year since Shōwa.
impl fmt::Display for FiscalYear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Era::of(self.start().plus_days(30)) {
            Some(era) => write!(f, "{}{}年度", era.name, era.year(self.0)),
            None => write!(f, "{}年度", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(day: &str) -> FiscalYear {
        FiscalYear::containing(Date::parse(day).expect("a day"))
    }

    #[test]
    fn a_fiscal_year_is_named_by_the_year_in_which_it_begins() {
        assert_eq!(of("2021-03-31").to_string(), "令和2年度");
        assert_eq!(of("2021-04-01").to_string(), "令和3年度");
        assert_eq!(of("2019-04-15").to_string(), "令和元年度");
        assert_eq!(of("2019-03-31").to_string(), "平成30年度");
        assert_eq!(of("1989-02-01").to_string(), "昭和63年度");
        assert_eq!(of("1990-01-01").to_string(), "平成元年度");
        for text in ["令和元年度", "平成31年度", "平成 ３１ 年度", "令元年度", "2019年度"]
        {
            assert_eq!(FiscalYear::parse(text), Some(of("2019-04-01")), "{text}");
        }
        for text in ["令和元年", "年度", "令和年度", "0年度", "令和9999年度"] {
            assert_eq!(FiscalYear::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn fiscal_years_partition_the_days(d in -20_000i32..200_000) {
            let day = Date::from_days(d);
            let year = FiscalYear::containing(day);
            prop_assert!(year.contains(day));
            prop_assert_eq!(year.end().plus_days(1), year.next().start());
            prop_assert!(!year.next().contains(day));
            prop_assert_eq!(FiscalYear::containing(year.start()), year);
            prop_assert_eq!(FiscalYear::containing(year.end()), year);
            prop_assert_eq!(FiscalYear::parse(&year.to_string()), Some(year));
        }
    }
}
