//! Days and times of the play. Public holidays are not known; offices close on weekends and at the turn of the year.

use daicho_core::{Date, Instant};

/// A day that the script names.
pub(crate) fn date(text: &str) -> Date {
    Date::parse(text).expect("the scripts name days that exist")
}

/// A time of a day in Japan.
pub(crate) fn at(day: Date, hour: u32, minute: u32) -> Instant {
    day.start().plus_ms(i64::from(hour * 60 + minute) * 60_000)
}

/// Some minutes later.
pub(crate) fn later(instant: Instant, minutes: i64) -> Instant {
    instant.plus_ms(minutes * 60_000)
}

/// Every day from the first to the last.
pub(crate) fn days(first: Date, last: Date) -> Vec<Date> {
    (first.days()..=last.days()).map(Date::from_days).collect()
}

/// Every day on which a ward office is open.
pub(crate) fn office_days(first: Date, last: Date) -> Vec<Date> {
    days(first, last).into_iter().filter(|day| is_office_day(*day)).collect()
}

/// The last office day of each month.
pub(crate) fn month_ends(first: Date, last: Date) -> Vec<Date> {
    last_of_each(&office_days(first, last), |day| (day.ymd().0, day.ymd().1))
}

/// The last office day of each week.
pub(crate) fn week_ends(first: Date, last: Date) -> Vec<Date> {
    // 1970-01-01 was a Thursday, so that weeks counted like this start on Monday.
    last_of_each(&office_days(first, last), |day| (day.days() + 3).div_euclid(7))
}

/// The first office day on or after a day.
pub(crate) fn office_day_from(day: Date) -> Date {
    (0..).map(|n| day.plus_days(n)).find(|day| is_office_day(*day)).expect("offices open again")
}

/// `n` things spread evenly over days, in order, the first of them on the first day.
pub(crate) fn spread(n: u64, days: &[Date]) -> Vec<(Date, u64)> {
    let len = days.len() as u64;
    let until = |i: u64| (u128::from(n) * u128::from(i)).div_ceil(u128::from(len.max(1))) as u64;
    days.iter().zip(0..).map(|(day, i)| (*day, until(i + 1) - until(i))).collect()
}

pub(crate) fn is_office_day(day: Date) -> bool {
    let (_, month, of_month) = day.ymd();
    let weekend = matches!((day.days() + 3).rem_euclid(7), 5 | 6);
    let turn_of_year = (month == 12 && of_month >= 29) || (month == 1 && of_month <= 3);
    !weekend && !turn_of_year
}

fn last_of_each<K: PartialEq>(days: &[Date], group: impl Fn(Date) -> K) -> Vec<Date> {
    let ends = |pair: &[Date]| group(pair[0]) != group(pair[1]);
    let mut last: Vec<Date> = days.windows(2).filter(|pair| ends(pair)).map(|pair| pair[0]).collect();
    last.extend(days.last());
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offices_are_closed_on_weekends_and_at_the_turn_of_the_year() {
        let open = office_days(date("2020-12-25"), date("2021-01-05"));
        let open: Vec<String> = open.iter().map(ToString::to_string).collect();
        assert_eq!(open, ["2020-12-25", "2020-12-28", "2021-01-04", "2021-01-05"]);
        assert_eq!(office_day_from(date("2021-02-06")), date("2021-02-08"));
    }

    #[test]
    fn weeks_and_months_end_on_open_days() {
        let months = month_ends(date("2021-01-01"), date("2021-03-31"));
        assert_eq!(months, [date("2021-01-29"), date("2021-02-26"), date("2021-03-31")]);
        let weeks = week_ends(date("2021-02-01"), date("2021-02-16"));
        assert_eq!(weeks, [date("2021-02-05"), date("2021-02-12"), date("2021-02-16")]);
    }

    #[test]
    fn nothing_is_lost_by_spreading() {
        let open = office_days(date("2021-02-01"), date("2021-03-31"));
        for n in [0, 1, 24, 1_000] {
            assert_eq!(spread(n, &open).iter().map(|(_, n)| n).sum::<u64>(), n);
        }
    }
}
