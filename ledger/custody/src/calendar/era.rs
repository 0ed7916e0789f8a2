//! Reads days of the Japanese eras, alone and out of the words of a paper. How they are written is in `daicho_core`.

use daicho_core::{Date, Era};

static ERAS: [Era; 3] = Era::ALL;

/// A date as a paper writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// First day that the words can mean, counting on past the end of the era.
    pub first: Date,
    /// Last day that they can mean; the same when the day is given.
    pub last: Date,
    /// Whether the era had such a date.
    pub in_era: bool,
    /// Era, year, month and day as written, e.g. `平成32年6月1日`.
    pub text: String,
}

/// First and last day that a paper's words give for a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WrittenPeriod {
    /// What stands before から.
    pub start: Option<Written>,
    /// What stands before まで.
    pub end: Option<Written>,
}

/// The one day that `text` writes with an era, whole or short: `令和元年5月1日`, `令6年4月1日`, `令6.4.1`.
///
/// Years are counted on past the end of an era, and the result says so. `None`: the text is no such day.
pub fn day(text: &str) -> Option<Written> {
    let text = normalize(text);
    let (era, rest) = named(&text)?;
    let (year, rest) = number_of_year(rest)?;
    let (month, rest) = number(rest.strip_prefix(['年', '.'])?)?;
    let (of_month, rest) = number(rest.strip_prefix(['月', '.'])?)?;
    let ends = if text.contains('年') { rest == "日" } else { rest.is_empty() };
    ends.then(|| written(era, year, month, Some(of_month))).flatten()
}

/// The Gregorian year of `令和6年`, `令和6`, `令6` or `平成元`, counting on past the end of the era.
pub fn year(text: &str) -> Option<i32> {
    let text = normalize(text);
    let (era, rest) = named(&text)?;
    let (year, rest) = number_of_year(rest)?;
    era.gregorian(year).filter(|_| year > 0 && matches!(rest, "" | "年"))
}

/// The era that the text names in full or by its letter, and what follows.
fn named(text: &str) -> Option<(&'static Era, &str)> {
    ERAS.iter().find_map(|era| {
        let rest = text.strip_prefix(era.name).or_else(|| text.strip_prefix(era.letter))?;
        Some((era, rest))
    })
}

/// 元 or a number.
fn number_of_year(text: &str) -> Option<(u32, &str)> {
    text.strip_prefix('元').map(|rest| (1, rest)).or_else(|| number(text))
}

/// All dates in `words`, in order. Years without a month (年度, 平成23年度) are left out.
///
/// `同年9月` and a bare `8月` after から take era and year from the date before.
pub(crate) fn dates(words: &str) -> Vec<Written> {
    let text = normalize(words);
    let mut rest = text.as_str();
    let mut found = Vec::new();
    let mut current: Option<(&Era, u32)> = None;
    while let Some(c) = rest.chars().next() {
        let Some((era, year, month_text)) = era_year(rest, current) else {
            rest = &rest[c.len_utf8()..];
            continue;
        };
        current = Some((era, year));
        match month_day(month_text) {
            Some((month, day, after)) => {
                found.extend(written(era, year, month, day));
                rest = after;
            }
            None => rest = month_text,
        }
    }
    found
}

/// The period that `words` give: the date before から, and the last date before まで.
pub(crate) fn period(words: &str) -> WrittenPeriod {
    let text = normalize(words);
    let (before, after) = text.split_once("から").map_or(("", text.as_str()), |(b, a)| (b, a));
    let start = dates(before).into_iter().next();
    // `同年` in the second half needs the year of the first.
    let all = dates(&text);
    let end = if after.contains("まで") && !dates(before).is_empty() {
        all.into_iter().nth(dates(before).len())
    } else if after.contains("まで") {
        all.into_iter().last()
    } else {
        None
    };
    WrittenPeriod { start, end }
}

/// Half-width digits, no spaces.
pub(super) fn normalize(words: &str) -> String {
    let digit = |c: char| match c {
        '０'..='９' => char::from_u32(c as u32 - '０' as u32 + '0' as u32).unwrap_or(c),
        _ => c,
    };
    words.chars().filter(|c| !c.is_whitespace()).map(digit).collect()
}

/// Era and year at the start of `text`, and what follows 年; or those of the date before.
fn era_year<'t>(text: &'t str, current: Option<(&'static Era, u32)>) -> Option<(&'static Era, u32, &'t str)> {
    if let Some(era) = ERAS.iter().find(|e| text.starts_with(e.name)) {
        let rest = &text[era.name.len()..];
        let (year, rest) = number_of_year(rest)?;
        let rest = rest.strip_prefix('年')?;
        return (!rest.starts_with('度')).then_some((era, year, rest));
    }
    let (era, year) = current?;
    if let Some(rest) = text.strip_prefix("同年") {
        return Some((era, year, rest));
    }
    month_day(text).map(|_| (era, year, text))
}

/// Month and day at the start of `text`, and what follows.
fn month_day(text: &str) -> Option<(u32, Option<u32>, &str)> {
    let (month, rest) = number(text)?;
    let rest = rest.strip_prefix('月')?;
    let day = number(rest).and_then(|(d, r)| r.strip_prefix('日').map(|r| (d, r)));
    Some(match day {
        Some((day, rest)) => (month, Some(day), rest),
        None => (month, None, rest),
    })
}

fn number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok().map(|n| (n, &text[end..]))
}

/// `None` when the month has no such day at all.
fn written(era: &'static Era, year: u32, month: u32, day: Option<u32>) -> Option<Written> {
    let gregorian = era.gregorian(year).filter(|_| year > 0)?;
    let first = Date::from_ymd(gregorian, month, day.unwrap_or(1))?;
    let last = if day.is_some() { first } else { first.end_of_month() };
    let in_era = Era::of(first) == Some(era) || Era::of(last) == Some(era);
    let day_text = day.map(|d| format!("{d}日")).unwrap_or_default();
    let text = format!("{}{}年{month}月{day_text}", era.name, era.year(gregorian));
    Some(Written { first, last, in_era, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(words: &str) -> Vec<String> {
        dates(words)
            .into_iter()
            .map(|d| format!("{}={}{}", d.text, d.first, if d.in_era { "" } else { "!" }))
            .collect()
    }

    #[test]
    fn dates_past_the_end_of_an_era_are_read_and_marked() {
        assert_eq!(
            texts("平成32年6月1日から平成32年3月31日"),
            ["平成32年6月1日=2020-06-01!", "平成32年3月31日=2020-03-31!"]
        );
        assert_eq!(texts("平成 23 年度より"), Vec::<String>::new());
        assert_eq!(
            texts("平成31年4月から同年9月まで"),
            ["平成31年4月=2019-04-01", "平成31年9月=2019-09-01!"]
        );
        assert_eq!(texts("平成30年4月から8月まで"), ["平成30年4月=2018-04-01", "平成30年8月=2018-08-01"]);
        assert_eq!(texts("令和元年4月30日"), ["令和元年4月30日=2019-04-30!"]);
        assert_eq!(texts("令和3年2月1日"), ["令和3年2月1日=2021-02-01"]);
        assert_eq!(texts("昭和64年1月7日"), ["昭和64年1月7日=1989-01-07"]);
    }

    #[test]
    fn one_day_is_read_in_full_and_short_forms() {
        let read = |text: &str| day(text).map(|d| (d.first.to_string(), d.in_era));
        let is = |day: &str, in_era| Some((day.to_owned(), in_era));
        assert_eq!(read("平成31年4月30日"), is("2019-04-30", true));
        assert_eq!(read("令和元年5月1日"), is("2019-05-01", true));
        assert_eq!(read("令和 ６ 年４月１日"), is("2024-04-01", true));
        assert_eq!(read("令6年4月1日"), is("2024-04-01", true));
        assert_eq!(read("令6.4.1"), is("2024-04-01", true));
        assert_eq!(read("平元.1.8"), is("1989-01-08", true));
        assert_eq!(read("平成32年6月1日"), is("2020-06-01", false));
        assert_eq!(read("令和元年4月30日"), is("2019-04-30", false));
        for none in [
            "令和3年2月30日",
            "令和3年2月",
            "令和0年1月1日",
            "令6.4",
            "令6年4.1",
            "2021-02-01",
            "令和",
            "大正5年1月1日",
        ] {
            assert_eq!(read(none), None, "{none}");
        }
        assert_eq!(
            (year("令6"), year("平成32年"), year("令和元年"), year("令和3年度")),
            (Some(2024), Some(2020), Some(2019), None)
        );
    }

    proptest::proptest! {
        #[test]
        fn a_day_written_with_its_era_is_read_back(d in -15_713i32..300_000) {
            let date = Date::from_days(d);
            for text in [date.era(), date.era_short()] {
                let read = day(&text).expect("a day");
                proptest::prop_assert_eq!((read.first, read.last, read.in_era), (date, date, true));
            }
        }
    }

    #[test]
    fn a_period_has_its_ends_where_the_particles_are() {
        let p = period("平成30年9月1日 (予定) から平成31年3月31日まで");
        assert_eq!(p.start.map(|d| d.first.to_string()).as_deref(), Some("2018-09-01"));
        assert_eq!(p.end.map(|d| d.last.to_string()).as_deref(), Some("2019-03-31"));
        let p = period("平成31年4月から同年9月まで");
        assert_eq!(p.end.map(|d| d.last.to_string()).as_deref(), Some("2019-09-30"));
        let p = period("平成23年4月1日から");
        assert!(p.start.is_some() && p.end.is_none());
        assert_eq!(period("令和3年1月下旬"), WrittenPeriod { start: None, end: None });
    }
}
