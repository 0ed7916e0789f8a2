//! Counting periods by the Civil Code (民法, articles 138 to 143).
//!
//! | article | what it says | here |
//! |---|---|---|
//! | 138 | these rules hold where law or contract says nothing else | a scheme may state another deadline |
//! | 139 | a period in hours starts at once | `PT24H` counts from the instant |
//! | 140 | the first day is not counted, unless the period starts at 00:00 | days are counted from the day after the trigger; see below |
//! | 141 | a period ends with the end of its last day | 23:59:59.999 in Japan |
//! | 142 | it ends a day later where the last day is a holiday *and* it is usual not to do business then | only where the rule says `/next-business-day` |
//! | 143 | weeks, months and years by the calendar; the last day is the one before the day of the same number, or the end of the month | [`after_months`] |
//!
//! The proviso of article 140 never lengthens a period here and is not applied to what somebody recorded: an event
//! stated for 00:00:00 is how the ledger writes "on that day", not a period that was agreed to start at midnight.
//! Where a clock starts with the end of a day (a contract ends, a fiscal year ends) the period starts at 00:00 of the
//! next day, which the proviso counts; counting from the day that ended gives the same last day.

use daicho_core::Date;

/// Last day of a period of `n` days after something that happened on `day` (articles 140, 141).
pub fn after_days(day: Date, n: u32) -> Date {
    day.plus_days(i32::try_from(n).unwrap_or(i32::MAX))
}

/// Last day of a period of `n` months after something that happened on `day` (articles 140, 143).
///
/// The first day counted is the next one. One that is the first of its month gives whole months: a month from
/// 30 April ends on 31 May. `n` is 0: the day itself.
pub fn after_months(day: Date, n: u32) -> Date {
    if n == 0 {
        return day;
    }
    let first = day.plus_days(1);
    let same = first.plus_months(n);
    // Without a day of the same number the period ends with the month (143(2), proviso).
    if same.ymd().2 == first.ymd().2 { same.plus_days(-1) } else { same }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn months(day: &str, n: u32) -> String {
        after_months(Date::parse(day).expect("a day"), n).to_string()
    }

    #[test]
    fn months_end_the_day_before_the_day_of_the_same_number_or_with_the_month() {
        assert_eq!(months("2021-01-15", 1), "2021-02-15");
        assert_eq!(months("2021-01-28", 1), "2021-02-28");
        assert_eq!(months("2021-01-30", 1), "2021-02-28");
        assert_eq!(months("2021-01-31", 1), "2021-02-28");
        assert_eq!(months("2020-01-31", 1), "2020-02-29");
        assert_eq!(months("2021-02-28", 1), "2021-03-31");
        assert_eq!(months("2021-04-30", 1), "2021-05-31");
        assert_eq!(months("2021-03-31", 12), "2022-03-31");
        assert_eq!(months("2020-02-28", 12), "2021-02-28");
        assert_eq!(months("2020-02-29", 12), "2021-02-28");
        assert_eq!(months("2021-02-28", 36), "2024-02-29");
        assert_eq!(months("2021-02-10", 0), "2021-02-10");
    }

    proptest! {
        #[test]
        fn whole_months_stay_whole(y in 1970i32..2200, m in 1u32..=12, n in 1u32..=60) {
            let end = Date::from_ymd(y, m, 1).expect("a day").end_of_month();
            let after = after_months(end, n);
            prop_assert_eq!(after, after.end_of_month());
            prop_assert_eq!(after, Date::from_ymd(y, m, 1).expect("a day").plus_months(n).end_of_month());
        }

        #[test]
        fn a_period_in_months_never_ends_before_and_is_monotone(d in 0i32..80_000, n in 1u32..=1_200, m in 1u32..=1_200) {
            let day = Date::from_days(d);
            prop_assert!(after_months(day, n) > day);
            prop_assert!(after_months(day.plus_days(1), n) >= after_months(day, n));
            prop_assert_eq!(n <= m, after_months(day, n) <= after_months(day, m));
        }
    }
}
