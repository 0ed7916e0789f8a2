//! Deadlines: from a trigger to the last instant that is still in time.

use std::fmt;

use daicho_core::{Date, Instant};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::Text;
use crate::calendar::{ClockTime, FiscalYear, Office, after_days, after_months};

/// A deadline as a scheme file or the ward writes it.
///
/// | text | last instant in time |
/// |---|---|
/// | `P1D`, `P2W` | end of the day in Japan that many days, weeks later; the first day is not counted (Civil Code art. 140, 141) |
/// | `P3M`, `P1Y` | the same by the calendar (art. 143): a month from 30 April ends on 31 May, one from 30 January on the last of February |
/// | `P3BD` | end of the third business day after; by the scheme's calendar |
/// | `PT24H`, `PT5M` | that long after the instant of the trigger (art. 139) |
/// | `end-of-same-day`, `end-of-next-day` | end of the trigger's day, of the day after |
/// | `end-of-month`, `end-of-next-month` | end of the trigger's month, of the month after |
/// | `end-of-fiscal-year` | end of 31 March |
/// | `2021-03-31` | end of that day, whatever the trigger |
/// | any of these days with `/next-business-day` | the same, or the next business day where it is none (art. 142) |
/// | `close-of-day` | the ward's closing time on the trigger's day; the end of the day when the trigger is later |
/// | `close-of-day 17:15` | the same with that time |
/// | `never-persist` | the trigger itself: nothing may be kept |
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Deadline {
    /// The end of a day.
    Day(Term, Falls),
    /// Exact milliseconds after the trigger.
    Elapsed {
        /// Milliseconds.
        ms: i64,
    },
    /// The close of business on the trigger's day.
    CloseOfDay {
        /// The time. `None`: the ward's closing time.
        at: Option<ClockTime>,
    },
    /// Nothing may be kept at all.
    NeverPersist,
}

/// Which day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Term {
    /// Days after the trigger's day.
    Days(u32),
    /// Months after the trigger's day.
    Months(u32),
    /// Business days after the trigger's day. At least 1.
    BusinessDays(u32),
    /// The last day of the month so many months after the trigger's.
    EndOfMonth(u32),
    /// The last day of the trigger's fiscal year.
    EndOfFiscalYear,
    /// This day.
    Fixed(Date),
}

/// What happens when the last day is no business day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Falls {
    /// Nothing: the day stands.
    AsCounted,
    /// It moves to the next business day (Civil Code art. 142). Only where the rule says so.
    OnBusinessDay,
}

const ROLL: &str = "/next-business-day";

impl Deadline {
    /// The last instant that is still in time for a clock started at `trigger`.
    ///
    /// `None` where the office cannot say: no calendar, a day that the calendar does not cover, no closing time. The
    /// verdict then is that there is no schedule; a day is never guessed.
    pub fn due(self, trigger: Instant, office: Office<'_>) -> Option<Instant> {
        let day = trigger.jst_day();
        match self {
            Self::Day(term, falls) => {
                let last = term.last_day(day, office)?;
                match falls {
                    Falls::AsCounted => Some(last.end()),
                    Falls::OnBusinessDay => Some(office.calendar?.next_open(last)?.end()),
                }
            }
            Self::Elapsed { ms } => Some(trigger.plus_ms(ms)),
            Self::CloseOfDay { at } => {
                let minute = at.or(office.closing)?.minute_of_day();
                let close = day.start().plus_ms(i64::from(minute) * 60_000);
                Some(if close < trigger { day.end() } else { close })
            }
            Self::NeverPersist => Some(trigger),
        }
    }

    /// The words shown to people.
    pub fn label(self) -> Text {
        let (ja, en) = match self {
            Self::Day(term, Falls::AsCounted) => return term.label(),
            Self::Day(term, Falls::OnBusinessDay) => {
                let Text { ja, en } = term.label();
                (format!("{ja}(閉庁日なら翌開庁日)"), format!("{en}, or the next business day"))
            }
            Self::Elapsed { ms } if ms % 3_600_000 == 0 => {
                (format!("{}時間以内", ms / 3_600_000), format!("{} hour(s)", ms / 3_600_000))
            }
            Self::Elapsed { ms } if ms % 60_000 == 0 => {
                (format!("{}分以内", ms / 60_000), format!("{} minute(s)", ms / 60_000))
            }
            Self::Elapsed { ms } => (format!("{}秒以内", ms / 1_000), format!("{} second(s)", ms / 1_000)),
            Self::CloseOfDay { at: Some(at) } => (format!("当日の{at}"), format!("{at} of the same day")),
            Self::CloseOfDay { at: None } => {
                ("当日の業務終了時".into(), "close of business of the same day".into())
            }
            Self::NeverPersist => ("保持しない".into(), "never kept".into()),
        };
        Text { ja, en }
    }

    /// Whether it can only be counted with a calendar of business days.
    pub fn needs_calendar(self) -> bool {
        matches!(self, Self::Day(Term::BusinessDays(_), _) | Self::Day(_, Falls::OnBusinessDay))
    }

    /// Parses the texts of the table above.
    ///
    /// # Errors
    /// A sentence that says what is accepted.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is no deadline; write a duration such as P1D, P3BD or PT5M, end-of-same-day, end-of-next-day, \
                 end-of-month, end-of-next-month, end-of-fiscal-year, a date such as 2021-03-31 (each day may add \
                 {ROLL}), close-of-day, close-of-day 17:15, or never-persist"
            )
        };
        match text {
            "never-persist" => return Ok(Self::NeverPersist),
            "close-of-day" => return Ok(Self::CloseOfDay { at: None }),
            _ => {}
        }
        if let Some(clock) = text.strip_prefix("close-of-day ") {
            let at = ClockTime::parse(clock).ok_or_else(wrong)?;
            return Ok(Self::CloseOfDay { at: Some(at) });
        }
        if let Some(ms) = text.strip_prefix("PT").and_then(parse_time) {
            return Ok(Self::Elapsed { ms });
        }
        let (term, falls) = match text.strip_suffix(ROLL) {
            Some(term) => (term, Falls::OnBusinessDay),
            None => (text, Falls::AsCounted),
        };
        let term = Term::parse(term).ok_or_else(wrong)?;
        // A business day needs no moving; one text for one meaning.
        if matches!(term, Term::BusinessDays(_)) && falls == Falls::OnBusinessDay {
            return Err(wrong());
        }
        Ok(Self::Day(term, falls))
    }
}

impl Term {
    fn label(self) -> Text {
        let (ja, en) = match self {
            Self::Days(0) => ("当日の終わり".into(), "end of the same day".into()),
            Self::Days(1) => ("翌日の終わり".into(), "end of the next day".into()),
            Self::Days(n) => (format!("{n}日後の終わり"), format!("end of day {n} after")),
            Self::Months(n) if n > 0 && n % 12 == 0 => {
                (format!("{}年後", n / 12), format!("{} year(s)", n / 12))
            }
            Self::Months(n) => (format!("{n}か月後"), format!("{n} month(s)")),
            Self::BusinessDays(n) => {
                (format!("{n}開庁日後の終わり"), format!("end of business day {n} after"))
            }
            Self::EndOfMonth(0) => ("当月末".into(), "end of the month".into()),
            Self::EndOfMonth(_) => ("翌月末".into(), "end of the next month".into()),
            Self::EndOfFiscalYear => ("年度末".into(), "end of the fiscal year".into()),
            Self::Fixed(day) => (format!("{} ({day})", day.era()), day.to_string()),
        };
        Text { ja, en }
    }

    fn last_day(self, day: Date, office: Office<'_>) -> Option<Date> {
        match self {
            Self::Days(n) => Some(after_days(day, n)),
            Self::Months(n) => Some(after_months(day, n)),
            Self::BusinessDays(n) => office.calendar?.after_open_days(day, n),
            Self::EndOfMonth(n) => Some(day.plus_months(n).end_of_month()),
            Self::EndOfFiscalYear => Some(FiscalYear::containing(day).end()),
            Self::Fixed(day) => Some(day),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "end-of-same-day" => Self::Days(0),
            "end-of-next-day" => Self::Days(1),
            "end-of-month" => Self::EndOfMonth(0),
            "end-of-next-month" => Self::EndOfMonth(1),
            "end-of-fiscal-year" => Self::EndOfFiscalYear,
            _ => return Date::parse(text).map(Self::Fixed).or_else(|| Self::parse_duration(text)),
        })
    }

    /// ISO 8601 durations of one part, and `P3BD`. A hundred years at most, so that no sum overflows.
    fn parse_duration(text: &str) -> Option<Self> {
        let body = text.strip_prefix('P')?;
        if let Some(n) = body.strip_suffix("BD").and_then(number) {
            return (1..=MAX_BUSINESS_DAYS).contains(&n).then_some(Self::BusinessDays(n));
        }
        let unit = body.chars().last()?;
        let n = number(&body[..body.len() - unit.len_utf8()])?;
        match unit {
            'D' if n <= 36_525 => Some(Self::Days(n)),
            'W' if n <= 5_200 => Some(Self::Days(n * 7)),
            'M' if n <= 1_200 => Some(Self::Months(n)),
            'Y' if n <= 100 => Some(Self::Months(n * 12)),
            _ => None,
        }
    }
}

/// Ten years: counting takes a step for each day.
const MAX_BUSINESS_DAYS: u32 = 2_600;

fn number(text: &str) -> Option<u32> {
    let digits = (1..=5).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// Milliseconds of what follows `PT`: hours, minutes or seconds.
fn parse_time(body: &str) -> Option<i64> {
    let unit = body.chars().last()?;
    let n = i64::from(number(&body[..body.len() - unit.len_utf8()])?);
    match unit {
        'H' => Some(n * 3_600_000),
        'M' => Some(n * 60_000),
        'S' => Some(n * 1_000),
        _ => None,
    }
}

impl fmt::Display for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Day(term, Falls::AsCounted) => write!(f, "{term}"),
            Self::Day(term, Falls::OnBusinessDay) => write!(f, "{term}{ROLL}"),
            Self::Elapsed { ms } if ms % 3_600_000 == 0 => write!(f, "PT{}H", ms / 3_600_000),
            Self::Elapsed { ms } if ms % 60_000 == 0 => write!(f, "PT{}M", ms / 60_000),
            Self::Elapsed { ms } => write!(f, "PT{}S", ms / 1000),
            Self::CloseOfDay { at: Some(at) } => write!(f, "close-of-day {at}"),
            Self::CloseOfDay { at: None } => f.write_str("close-of-day"),
            Self::NeverPersist => f.write_str("never-persist"),
        }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Days(0) => f.write_str("end-of-same-day"),
            Self::Days(n) => write!(f, "P{n}D"),
            Self::Months(n) => write!(f, "P{n}M"),
            Self::BusinessDays(n) => write!(f, "P{n}BD"),
            Self::EndOfMonth(0) => f.write_str("end-of-month"),
            Self::EndOfMonth(_) => f.write_str("end-of-next-month"),
            Self::EndOfFiscalYear => f.write_str("end-of-fiscal-year"),
            Self::Fixed(date) => write!(f, "{date}"),
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
    use crate::calendar::{Calendar, CalendarDay};
    use proptest::prelude::*;

    fn due(deadline: &str, trigger: &str) -> String {
        let trigger = Instant::parse(trigger).expect("an instant");
        Deadline::parse(deadline)
            .expect("a deadline")
            .due(trigger, Office::default())
            .expect("a date")
            .to_string()
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
            "P3BD",
            "P1D/next-business-day",
            "end-of-fiscal-year/next-business-day",
            "end-of-month",
            "end-of-next-month",
            "close-of-day",
            "close-of-day 17:15",
            "2021-03-31",
            "never-persist",
            "P3M",
        ] {
            assert_eq!(Deadline::parse(text).expect("a deadline").to_string(), text);
        }
        for bad in [
            "",
            "P",
            "PD",
            "P1",
            "1D",
            "P1H",
            "PT",
            "P99999Y",
            "速やかに",
            "close-of-day 25:00",
            "P1日",
            "P0BD",
            "P3BD/next-business-day",
            "PT5M/next-business-day",
            "P1D/",
        ] {
            assert!(Deadline::parse(bad).is_err(), "{bad}");
        }
    }

    /// The calendar that is shipped, as the tests of the format read it.
    fn calendar() -> Calendar {
        Calendar::parse(include_str!("../../../../deploy/calendar/japan-holidays-1.toml"))
            .expect("a calendar")
    }

    #[test]
    fn business_days_month_ends_and_closing_times() {
        let calendar = calendar();
        let office = Office { calendar: Some(&calendar), closing: ClockTime::parse("17:15") };
        let day = |deadline: &str, trigger: &str| {
            let trigger = Instant::parse(trigger).expect("an instant");
            Deadline::parse(deadline).expect("a deadline").due(trigger, office).map(|due| due.to_string())
        };
        let is = |text: &str| Some(text.to_owned());
        // Ten days of holidays in 2019; a Friday before them.
        assert_eq!(day("P1BD", "2019-04-26T12:00"), is("2019-05-07T23:59:59.999+09:00"));
        assert_eq!(day("P3BD", "2020-07-22T12:00"), is("2020-07-29T23:59:59.999+09:00"));
        assert_eq!(day("P1D/next-business-day", "2020-12-28T12:00"), is("2021-01-04T23:59:59.999+09:00"));
        assert_eq!(day("P1D", "2020-12-28T12:00"), is("2020-12-29T23:59:59.999+09:00"));
        assert_eq!(day("end-of-month", "2020-02-10"), is("2020-02-29T23:59:59.999+09:00"));
        assert_eq!(day("end-of-next-month", "2020-01-31"), is("2020-02-29T23:59:59.999+09:00"));
        assert_eq!(day("end-of-fiscal-year", "2021-03-31T23:00"), is("2021-03-31T23:59:59.999+09:00"));
        assert_eq!(day("end-of-fiscal-year", "2021-04-01"), is("2022-03-31T23:59:59.999+09:00"));
        assert_eq!(
            day("end-of-fiscal-year/next-business-day", "2018-04-01"),
            is("2019-04-01T23:59:59.999+09:00")
        );
        assert_eq!(day("close-of-day", "2021-02-01T10:00"), is("2021-02-01T17:15:00+09:00"));
        assert_eq!(day("close-of-day", "2021-02-01T18:00"), is("2021-02-01T23:59:59.999+09:00"));
        // Nobody knows the holidays of 2028 yet, and 2017 is not in the document.
        assert_eq!(day("P3BD", "2027-12-27T12:00"), None);
        assert_eq!(day("P1BD", "2017-12-20T12:00"), None);
        assert_eq!(day("2028-03-31/next-business-day", "2021-01-01"), None);
        assert_eq!(day("2028-03-31", "2021-01-01"), is("2028-03-31T23:59:59.999+09:00"));
    }

    #[test]
    fn without_an_office_there_is_no_date() {
        let trigger = Instant::parse("2021-02-01T10:00").expect("an instant");
        for text in ["P3BD", "P1D/next-business-day", "close-of-day"] {
            assert_eq!(
                Deadline::parse(text).expect("a deadline").due(trigger, Office::default()),
                None,
                "{text}"
            );
        }
    }

    fn terms() -> impl Strategy<Value = Term> {
        prop_oneof![
            (0u32..400).prop_map(Term::Days),
            (0u32..40).prop_map(Term::Months),
            (1u32..60).prop_map(Term::BusinessDays),
            (0u32..2).prop_map(Term::EndOfMonth),
            Just(Term::EndOfFiscalYear),
        ]
    }

    fn deadlines() -> impl Strategy<Value = Deadline> {
        let falls = prop_oneof![Just(Falls::AsCounted), Just(Falls::OnBusinessDay)];
        prop_oneof![
            6 => (terms(), falls).prop_map(|(term, falls)| match term {
                Term::BusinessDays(_) => Deadline::Day(term, Falls::AsCounted),
                _ => Deadline::Day(term, falls),
            }),
            1 => (0i64..100_000).prop_map(|s| Deadline::Elapsed { ms: s * 1000 }),
            1 => Just(Deadline::CloseOfDay { at: None }),
            1 => Just(Deadline::NeverPersist),
        ]
    }

    proptest! {
        #[test]
        fn a_deadline_is_written_and_read_back(deadline in deadlines()) {
            prop_assert_eq!(Deadline::parse(&deadline.to_string()), Ok(deadline));
        }

        #[test]
        fn no_deadline_lies_before_its_trigger_and_a_later_trigger_gives_no_earlier_one(
            deadline in deadlines(), ms in 1_520_000_000_000i64..1_790_000_000_000, step in 0i64..3_000_000_000,
        ) {
            let calendar = calendar();
            let office = Office { calendar: Some(&calendar), closing: ClockTime::parse("17:15") };
            let trigger = Instant::EPOCH.plus_ms(ms);
            let due = deadline.due(trigger, office);
            prop_assert!(due.is_none_or(|due| due >= trigger));
            if let (Some(due), Some(later)) = (due, deadline.due(trigger.plus_ms(step), office)) {
                prop_assert!(later >= due);
            }
        }

        #[test]
        fn business_days_are_open_ones_and_each_of_them_is_counted(ms in 1_520_000_000_000i64..1_790_000_000_000, n in 1u32..60) {
            let calendar = calendar();
            let office = Office { calendar: Some(&calendar), closing: None };
            let trigger = Instant::EPOCH.plus_ms(ms);
            let due = Deadline::Day(Term::BusinessDays(n), Falls::AsCounted).due(trigger, office).expect("covered");
            let (first, last) = (trigger.jst_day(), due.jst_day());
            let open = (first.days() + 1..=last.days()).filter(|d| calendar.day(Date::from_days(*d)) == Some(CalendarDay::Open));
            prop_assert_eq!(open.count() as u32, n);
            prop_assert_eq!(calendar.day(last), Some(CalendarDay::Open));
            let rolled = Deadline::Day(Term::Days(n), Falls::OnBusinessDay).due(trigger, office).expect("covered");
            prop_assert_eq!(calendar.day(rolled.jst_day()), Some(CalendarDay::Open));
        }
    }
}
