//! Open and closed days, read from a document of the ledger.

use daicho_core::Date;
use serde::Deserialize;

use crate::scheme::{ParseError, parse_toml};

/// Days on which an office is closed, for a stretch of years. `docs/formats/calendar.md` explains the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    /// Id of the document.
    pub id: String,
    /// Version, from 1.
    pub version: u32,
    /// Whose list it is.
    pub source: String,
    /// First day that it covers.
    pub from: Date,
    /// Last day that it covers.
    pub to: Date,
    /// Days of the week on which the office is closed, 0 for Sunday.
    weekdays: [bool; 7],
    closures: Vec<Closure>,
    /// For each day of a year, the first closure that covers it: a look at a day takes no longer when there are many.
    closed: Vec<Option<usize>>,
    /// In the order of days.
    holidays: Vec<(Date, String)>,
}

/// Whether an office is open on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CalendarDay<'c> {
    /// It is.
    Open,
    /// It is not, by its week.
    WeeklyClosing,
    /// It is not, by ordinance (12-29 to 1-3) or by a national holiday of this name.
    Closed(&'c str),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Closure {
    label: String,
    /// First and last (month, day); the last may lie in the next year.
    from: (u32, u32),
    to: (u32, u32),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    id: String,
    version: u32,
    source: String,
    #[serde(deserialize_with = "crate::scheme::day::deserialize")]
    from: Date,
    #[serde(deserialize_with = "crate::scheme::day::deserialize")]
    to: Date,
    closed_weekdays: Vec<String>,
    #[serde(default)]
    closures: Vec<ClosureFile>,
    holidays: Vec<Holiday>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClosureFile {
    label: String,
    from: String,
    to: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Holiday {
    #[serde(deserialize_with = "crate::scheme::day::deserialize")]
    day: Date,
    name: String,
}

impl Calendar {
    /// The format word that the document starts with.
    pub const FORMAT: &'static str = "daicho-holidays/1";
    /// Years that a document covers at most. No list of holidays is known further ahead.
    const MOST_YEARS: i32 = 200;
    const WEEKDAYS: [&'static str; 7] =
        ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

    /// Reads a document.
    ///
    /// # Errors
    /// What does not fit: format, order of days, a day outside the years that it covers.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let file: File = parse_toml(text)?;
        let wrong = |needle: &str, message: String| {
            let key = text.lines().position(|line| line.starts_with(needle));
            let line = key.or_else(|| {
                text.lines().enumerate().filter(|(_, l)| l.contains(needle)).last().map(|(n, _)| n)
            });
            ParseError { line: 1 + line.unwrap_or(0), message }
        };
        if file.format != Self::FORMAT {
            return Err(wrong("format", format!("format is `{}`, not `{}`", file.format, Self::FORMAT)));
        }
        let first_year =
            Date::from_ymd(1948, 7, 20).expect("the day on which the holidays act came into force");
        if file.to < file.from || file.from < first_year || file.version == 0 {
            return Err(wrong(
                "from",
                "`from` and `to` are in order, from 1948-07-20 on; versions from 1".into(),
            ));
        }
        let mut weekdays = [false; 7];
        for name in &file.closed_weekdays {
            let at = Self::WEEKDAYS.iter().position(|known| known == name);
            let at =
                at.ok_or_else(|| wrong(name, format!("`{name}` is no day of the week such as `sunday`")))?;
            weekdays[at] = true;
        }
        if weekdays == [true; 7] {
            return Err(wrong("closed_weekdays", "an office that never opens has no business days".into()));
        }
        let closures = file.closures.into_iter().map(|closure| {
            let day = |text: &str| {
                month_day(text)
                    .ok_or_else(|| wrong(text, format!("`{text}` is no day of the year such as 12-29")))
            };
            Ok(Closure { from: day(&closure.from)?, to: day(&closure.to)?, label: closure.label })
        });
        let closures: Vec<Closure> = closures.collect::<Result<_, _>>()?;
        let months = (1..=12).flat_map(|month| (1..=31).map(move |day| (month, day)));
        let closed: Vec<Option<usize>> =
            months.map(|day| closures.iter().position(|closure| closure.covers(day))).collect();
        let of_year = |day: Date| closed[place_in_year(day)].is_some();
        let first = Date::from_ymd(2000, 1, 1).expect("the first day of a leap year");
        if (0..366).all(|n| of_year(first.plus_days(n))) {
            return Err(wrong("closures", "an office that never opens has no business days".into()));
        }
        if file.to.ymd().0 - file.from.ymd().0 > Self::MOST_YEARS {
            return Err(wrong("to", format!("it covers more than {} years", Self::MOST_YEARS)));
        }
        if let Some(pair) = file.holidays.windows(2).find(|pair| pair[1].day <= pair[0].day) {
            let day = pair[1].day;
            return Err(wrong(
                &day.to_string(),
                format!("{day} stands after {}; one of each day, in order", pair[0].day),
            ));
        }
        if let Some(holiday) = file.holidays.iter().find(|h| h.day < file.from || h.day > file.to) {
            let day = holiday.day;
            return Err(wrong(&day.to_string(), format!("{day} is outside {} to {}", file.from, file.to)));
        }
        Ok(Self {
            id: file.id,
            version: file.version,
            source: file.source,
            from: file.from,
            to: file.to,
            weekdays,
            closures,
            closed,
            holidays: file.holidays.into_iter().map(|h| (h.day, h.name)).collect(),
        })
    }

    /// The name by which schemes ask for it: `japan-holidays/1`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.id, self.version)
    }

    /// What the calendar says of a day. `None`: the day is outside what it covers, and nobody knows.
    pub fn day(&self, day: Date) -> Option<CalendarDay<'_>> {
        if day < self.from || day > self.to {
            return None;
        }
        if let Ok(at) = self.holidays.binary_search_by_key(&day, |(day, _)| *day) {
            return Some(CalendarDay::Closed(&self.holidays[at].1));
        }
        if let Some(closure) = self.closed[place_in_year(day)] {
            return Some(CalendarDay::Closed(&self.closures[closure].label));
        }
        let weekly = self.weekdays[day.weekday() as usize];
        Some(if weekly { CalendarDay::WeeklyClosing } else { CalendarDay::Open })
    }

    /// The day, or the first open one after it. `None` when that is not covered.
    pub fn next_open(&self, day: Date) -> Option<Date> {
        let mut day = day;
        while self.day(day)? != CalendarDay::Open {
            day = day.plus_days(1);
        }
        Some(day)
    }

    /// The `n`th open day after `day`, which is not counted. `None` when that is not covered.
    pub fn after_open_days(&self, day: Date, n: u32) -> Option<Date> {
        // The day itself need not be open, but must be one of which the calendar knows.
        self.day(day)?;
        (0..n).try_fold(day, |day, _| self.next_open(day.plus_days(1)))
    }
}

/// Where a day stands among those of any year, each month with 31 of them.
fn place_in_year(day: Date) -> usize {
    let (_, month, day) = day.ymd();
    (month as usize - 1) * 31 + day as usize - 1
}

impl Closure {
    fn covers(&self, day: (u32, u32)) -> bool {
        if self.from <= self.to {
            self.from <= day && day <= self.to
        } else {
            self.from <= day || day <= self.to
        }
    }
}

/// Reads `12-29`. A leap year's days are all days of the year.
fn month_day(text: &str) -> Option<(u32, u32)> {
    let (_, month, day) = Date::parse(&format!("2000-{text}"))?.ymd();
    Some((month, day))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const SHIPPED: &str = include_str!("../../../../deploy/calendar/japan-holidays-1.toml");

    fn day(year: i32, month: u32, day: u32) -> Date {
        Date::from_ymd(year, month, day).expect("a day")
    }

    /// The `n`th Monday of a month.
    fn monday(year: i32, month: u32, n: i32) -> Date {
        let first = day(year, month, 1);
        first.plus_days((8 - first.weekday() as i32) % 7 + (n - 1) * 7)
    }

    /// Day of the equinox in Japan by the usual formula for 1980 to 2099 (the announced days agree so far).
    fn equinox(year: i32, month: u32, base: f64) -> Date {
        let years = f64::from(year - 1980);
        day(year, month, (base + 0.242_194 * years - (years / 4.0).floor()) as u32)
    }

    /// The national holidays by the law itself: 国民の祝日に関する法律 as in force in each year, and the acts on 2019,
    /// 2020 and 2021. Nothing is read from the document.
    fn by_law(year: i32) -> BTreeMap<Date, &'static str> {
        let sports = if year >= 2020 { "スポーツの日" } else { "体育の日" };
        let mut named = vec![
            (day(year, 1, 1), "元日"),
            (monday(year, 1, 2), "成人の日"),
            (day(year, 2, 11), "建国記念の日"),
            (equinox(year, 3, 20.8431), "春分の日"),
            (day(year, 4, 29), "昭和の日"),
            (day(year, 5, 3), "憲法記念日"),
            (day(year, 5, 4), "みどりの日"),
            (day(year, 5, 5), "こどもの日"),
            (monday(year, 9, 3), "敬老の日"),
            (equinox(year, 9, 23.2488), "秋分の日"),
            (day(year, 11, 3), "文化の日"),
            (day(year, 11, 23), "勤労感謝の日"),
        ];
        named.extend(match year {
            2020 => [(day(year, 7, 23), "海の日"), (day(year, 8, 10), "山の日"), (day(year, 7, 24), sports)],
            2021 => [(day(year, 7, 22), "海の日"), (day(year, 8, 8), "山の日"), (day(year, 7, 23), sports)],
            _ => {
                [(monday(year, 7, 3), "海の日"), (day(year, 8, 11), "山の日"), (monday(year, 10, 2), sports)]
            }
        });
        match year {
            ..2019 => named.push((day(year, 12, 23), "天皇誕生日")),
            2019 => {
                named.extend([(day(year, 5, 1), "休日(祝日扱い)"), (day(year, 10, 22), "休日(祝日扱い)")])
            }
            _ => named.push((day(year, 2, 23), "天皇誕生日")),
        }
        let named: BTreeMap<Date, &str> = named.into_iter().collect();
        let mut all = named.clone();
        // Article 3(2): a holiday on a Sunday makes the next day that is none a day off.
        for sunday in named.keys().filter(|day| day.weekday() == 0) {
            let mut substitute = sunday.plus_days(1);
            while named.contains_key(&substitute) {
                substitute = substitute.plus_days(1);
            }
            all.insert(substitute, "休日");
        }
        // Article 3(3): a day between two holidays is a day off.
        for before in named.keys() {
            let between = before.plus_days(1);
            if named.contains_key(&before.plus_days(2)) && !named.contains_key(&between) {
                all.entry(between).or_insert("休日");
            }
        }
        all
    }

    #[test]
    fn the_document_shipped_has_the_holidays_of_the_law_and_no_others() {
        let calendar = Calendar::parse(SHIPPED).expect("a calendar");
        assert_eq!(calendar.name(), "japan-holidays/1");
        let listed: BTreeMap<Date, &str> =
            calendar.holidays.iter().map(|(day, name)| (*day, name.as_str())).collect();
        let law: BTreeMap<Date, &str> = (2018..=2027).flat_map(by_law).collect();
        assert_eq!(listed, law);
    }

    #[test]
    fn an_office_is_open_on_what_is_left() {
        let calendar = Calendar::parse(SHIPPED).expect("a calendar");
        let on = |text: &str| calendar.day(Date::parse(text).expect("a day"));
        assert_eq!(on("2021-02-01"), Some(CalendarDay::Open));
        assert_eq!(on("2021-02-06"), Some(CalendarDay::WeeklyClosing));
        assert_eq!(on("2021-02-11"), Some(CalendarDay::Closed("建国記念の日")));
        assert_eq!(on("2020-12-28"), Some(CalendarDay::Open));
        for closed in ["2020-12-29", "2020-12-31", "2021-01-02", "2021-01-03"] {
            assert_eq!(on(closed), Some(CalendarDay::Closed("年末年始の休日")), "{closed}");
        }
        assert_eq!(on("2021-01-04"), Some(CalendarDay::Open));
        // Moved away for the games: the law's usual days were working days.
        assert_eq!(on("2020-07-20"), Some(CalendarDay::Open));
        assert_eq!(on("2021-10-11"), Some(CalendarDay::Open));
        // No Emperor's Birthday between the two.
        assert_eq!(on("2019-12-23"), Some(CalendarDay::Open));
        assert_eq!((on("2017-12-31"), on("2028-01-01")), (None, None));
    }

    #[test]
    fn what_is_wrong_with_a_document_is_said_with_its_line() {
        let head = "format = \"daicho-holidays/1\"\nid = \"x\"\nversion = 1\nsource = \"s\"\nfrom = 2021-01-01\nto = 2021-12-31\n";
        let week = "closed_weekdays = [\"sunday\"]\n";
        let first = "{ day = 2021-01-01, name = \"a\" }";
        let closures = |list: &str| format!("{head}{week}closures = [{list}]\nholidays = []");
        let cases = [
            (format!("{head}{week}holidays = [{first}]"), None),
            (format!("{head}{week}holidays = [{first},\n{first}]"), Some((9, "one of each day"))),
            (
                format!("{head}{week}holidays = [\n{{ day = 2022-01-01, name = \"a\" }}]"),
                Some((9, "outside")),
            ),
            (format!("{head}closed_weekdays = [\"rest\"]\nholidays = []"), Some((7, "no day of the week"))),
            (
                format!(
                    "{head}{week}closures = [{{ label = \"a\", from = \"12-32\", to = \"01-03\" }}]\nholidays = []"
                ),
                Some((8, "12-32")),
            ),
            (format!("{head}{week}holidays = []\nextra = 1"), Some((9, "unknown field"))),
            (format!("{}{week}holidays = []", head.replace("/1", "/2")), Some((1, "daicho-holidays/2"))),
            (format!("{}{week}holidays = []", head.replace("to = 2021", "to = 2020")), Some((5, "in order"))),
            (closures("{ label = \"a\", from = \"01-01\", to = \"12-30\" }"), None),
            (
                closures(
                    "{ label = \"a\", from = \"01-01\", to = \"12-30\" }, { label = \"b\", from = \"12-30\", to = \"12-31\" }",
                ),
                Some((8, "never opens")),
            ),
            (
                format!("{head}closed_weekdays = {:?}\nholidays = []", Calendar::WEEKDAYS),
                Some((7, "never opens")),
            ),
            (format!("{}{week}holidays = []", head.replace("to = 2021", "to = 2221")), None),
            (
                format!("{}{week}holidays = []", head.replace("to = 2021", "to = 2222")),
                Some((6, "200 years")),
            ),
        ];
        for (text, wanted) in cases {
            match (Calendar::parse(&text), wanted) {
                (Ok(_), None) => {}
                (Err(error), Some((line, part))) => {
                    assert!(error.message.contains(part), "{text}\n{error}");
                    assert_eq!(error.line, line, "{text}\n{error}");
                }
                (found, _) => panic!("{text}\n{found:?}"),
            }
        }
    }
}
