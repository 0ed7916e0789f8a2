//! Reads dates of the Japanese eras out of the words of a paper.

use daicho_core::Date;

/// A date as a paper writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    /// First day that the words can mean, counting on past the end of the era.
    pub(super) first: Date,
    /// Last day that they can mean; the same when the day is given.
    pub(super) last: Date,
    /// Whether the era had such a date.
    pub(super) in_era: bool,
    /// Era, year, month and day as written, e.g. `平成32年6月1日`.
    pub(super) text: String,
}

/// First and last day that a paper's words give for a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WrittenPeriod {
    /// What stands before から.
    pub(super) start: Option<Written>,
    /// What stands before まで.
    pub(super) end: Option<Written>,
}

struct Era {
    name: &'static str,
    /// The year before its first.
    zero: i32,
    /// First and last day, year-month-day.
    first: (i32, u32, u32),
    last: Option<(i32, u32, u32)>,
}

const ERAS: [Era; 3] = [
    Era { name: "昭和", zero: 1925, first: (1926, 12, 25), last: Some((1989, 1, 7)) },
    Era { name: "平成", zero: 1988, first: (1989, 1, 8), last: Some((2019, 4, 30)) },
    Era { name: "令和", zero: 2018, first: (2019, 5, 1), last: None },
];

/// All dates in `words`, in order. Years without a month (年度, 平成23年度) are left out.
///
/// `同年9月` and a bare `8月` after から take era and year from the date before.
pub(super) fn dates(words: &str) -> Vec<Written> {
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
pub(super) fn period(words: &str) -> WrittenPeriod {
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
fn normalize(words: &str) -> String {
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
        let (year, rest) = match rest.strip_prefix('元') {
            Some(rest) => (1, rest),
            None => number(rest)?,
        };
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
fn written(era: &Era, year: u32, month: u32, day: Option<u32>) -> Option<Written> {
    let y = era.zero + i32::try_from(year).ok()?;
    let first = Date::from_ymd(y, month, day.unwrap_or(1))?;
    let last = if day.is_some() { first } else { first.plus_months(1).plus_days(-1) };
    let bound = |(y, m, d): (i32, u32, u32)| Date::from_ymd(y, m, d);
    let begins = bound(era.first).is_some_and(|b| last >= b);
    let ends = era.last.is_none_or(|l| bound(l).is_some_and(|l| first <= l));
    let day_text = day.map(|d| format!("{d}日")).unwrap_or_default();
    let text = format!("{}{year}年{month}月{day_text}", era.name);
    Some(Written { first, last, in_era: begins && ends, text })
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
        assert_eq!(texts("令和元年4月30日"), ["令和1年4月30日=2019-04-30!"]);
        assert_eq!(texts("令和3年2月1日"), ["令和3年2月1日=2021-02-01"]);
        assert_eq!(texts("昭和64年1月7日"), ["昭和64年1月7日=1989-01-07"]);
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
