//! Calendars of an office. They come out of a ledger as bytes, too.

use std::fmt::Write as _;

use daicho_custody::calendar::{Calendar, CalendarDay};
use daicho_custody::scheme::MAX_FILE_LEN;

const SHIPPED: &str = include_str!("../../../deploy/calendar/japan-holidays-1.toml");

pub(crate) fn calendar(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else { return false };
    let lines = text.matches('\n').count() + 1;
    let calendar = match Calendar::parse(text) {
        Ok(calendar) => calendar,
        Err(error) => {
            assert!((1..=lines).contains(&error.line), "no such line: {error:?}");
            return false;
        }
    };
    let (from, to) = (calendar.from, calendar.to);
    for outside in [from.plus_days(-1), to.plus_days(1)] {
        assert_eq!((calendar.day(outside), calendar.next_open(outside)), (None, None));
        assert_eq!(calendar.after_open_days(outside, 1), None);
    }
    let is_open = |day| calendar.day(day) == Some(CalendarDay::Open);
    for day in [from, to] {
        assert!(calendar.day(day).is_some(), "it covers its first and its last day");
        let open = calendar.next_open(day);
        assert!(open.is_none_or(|open| open >= day && is_open(open)), "{open:?}");
        let next = calendar.next_open(day.plus_days(1));
        assert_eq!((calendar.after_open_days(day, 0), calendar.after_open_days(day, 1)), (Some(day), next));
    }
    true
}

pub(crate) fn calendars() -> Vec<Vec<u8>> {
    vec![SHIPPED.as_bytes().to_vec()]
}

/// An office that is closed for eight thousand years, for many reasons; and as many holidays as fit.
pub(crate) fn large_calendars() -> Vec<(&'static str, Vec<u8>)> {
    let head = "format='daicho-holidays/1'\nid='x'\nversion=1\nsource=''\nfrom=1948-07-20\nto=9999-12-31\nclosed_weekdays=[]\n";
    let closure = |from: &str, to: &str| format!("{{label='',from='{from}',to='{to}'}},");
    let day = closure("02-29", "02-29");
    // A part of what fits, so that whoever takes long for it is done one day.
    let days = day.repeat(MAX_FILE_LEN / 32 / day.len());
    let closures = format!("{head}closures=[{days}{}]\nholidays=[]\n", closure("01-01", "12-31"));
    let mut holidays = format!("{head}holidays=[");
    let mut date = daicho_core::Date::from_ymd(1948, 7, 20).expect("a day");
    while holidays.len() < MAX_FILE_LEN - 64 {
        write!(holidays, "{{day={date},name=''}},").expect("memory");
        date = date.plus_days(1);
    }
    holidays += "]\n";
    vec![("closures", closures.into_bytes()), ("holidays", holidays.into_bytes())]
}
