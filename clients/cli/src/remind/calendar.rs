//! A calendar of each party (RFC 5545): what it has to do, on the day by whose end it must be done.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use daicho_core::Instant;
use daicho_core::proto::DueItem;
use icalendar::{Calendar, Component as _, Event, Property};

use super::{List, name, warn};
use crate::context::Context;
use crate::due::Said;
use crate::table::when;

/// Writes the calendar of every party, each aside and then in its place: a reader never sees half of one.
pub(super) fn write(folder: &Path, origin: &str, list: &mut List, context: &Context) -> anyhow::Result<()> {
    for party in &list.parties {
        let own = list.items.iter().filter(|(_, item)| item.party == *party).map(|(_, item)| item);
        let text = calendar(party, origin, list.as_of_ms, own, context).to_string();
        let Some(path) = place(folder, party) else {
            warn(&context.pick(
                format!("「{party}」はファイルの名にできません"),
                format!("`{party}` cannot be the name of a file"),
            ));
            continue;
        };
        let aside = path.with_extension("new");
        let written = std::fs::create_dir_all(path.parent().unwrap_or(folder))
            .and_then(|()| std::fs::write(&aside, text))
            .and_then(|()| std::fs::rename(&aside, &path));
        written.with_context(|| context.cannot_write(&path))?;
    }
    Ok(())
}

/// Where the calendar of a party is. A party of a scheme, `scheme/party`, is in a folder of the scheme. A name that would
/// lead out of the folder has no place: the server is not trusted with it.
fn place(folder: &Path, party: &str) -> Option<PathBuf> {
    let fit = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
    };
    party.split('/').all(fit).then(|| folder.join(format!("{party}.ics")))
}

fn calendar<'a>(
    party: &str,
    origin: &str,
    as_of_ms: i64,
    items: impl Iterator<Item = &'a DueItem>,
    context: &Context,
) -> Calendar {
    let mut calendar = Calendar::new();
    calendar.name(&context.pick(format!("個人情報の期限 {party}"), format!("Deadlines of {party}")));
    calendar.append_property(Property::new("METHOD", "PUBLISH"));
    calendar
        .append_property(Property::new("REFRESH-INTERVAL", "PT1H").add_parameter("VALUE", "DURATION").done());
    let stamp = utc(as_of_ms);
    for item in items {
        let said = Said::of(item, context);
        let day = Instant::EPOCH.plus_ms(item.due_ms).jst_day();
        let date = |day: daicho_core::Date| day.to_string().replace('-', "");
        let whole_day = |key: &str, day| Property::new(key, date(day)).add_parameter("VALUE", "DATE").done();
        let mark = if item.overdue { context.pick("【期限超過】", "[OVERDUE] ") } else { "" };
        let by = context.pick("期限", "Due");
        let text = [
            format!("{by}: {}", when(item.due_ms)),
            format!("{}: {}", context.pick("事業", "Scheme"), item.scheme),
            said.place,
            format!("{}: {origin}", context.pick("台帳", "Ledger")),
        ];
        let mut event = Event::new();
        event
            .uid(&format!("{}@{}", name(item), origin))
            .summary(&format!("{mark}{}", said.what))
            .description(&text.join("\n"))
            .add_property("DTSTAMP", &stamp)
            .add_property("TRANSP", "TRANSPARENT")
            .append_property(whole_day("DTSTART", day))
            .append_property(whole_day("DTEND", day.plus_days(1)));
        calendar.push(event.done());
    }
    calendar.done()
}

/// A time in the form of RFC 5545 §3.3.5, in UTC.
fn utc(ms: i64) -> String {
    // What stands there is the time in Japan; nine hours earlier it is that of UTC.
    let text = Instant::EPOCH.plus_ms(ms - 9 * 3_600_000).to_string();
    format!("{}Z", text[..19].replace(['-', ':'], ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheme::Lang;
    use daicho_core::proto::CopyState;

    #[test]
    fn a_calendar_holds_the_day_in_japan_and_folds_long_lines() {
        let copy = CopyState {
            id: "c1".to_owned(),
            data_set: "一時的な待ち状況の通知のための電話番号、順番待ちの番号、受付の種別".to_owned(),
            system: "server".to_owned(),
            ..Default::default()
        };
        // The last millisecond of a day in Japan.
        let due_ms = Instant::parse("2021-04-01T23:59:59.999").expect("a time").unix_ms();
        let item =
            DueItem { scheme: "s".to_owned(), copy: Some(copy), due_ms, overdue: true, ..Default::default() };
        let context = Context::showing(Lang::Ja);
        let text = calendar("ward", "demo.example/ledger", due_ms, [&item].into_iter(), &context).to_string();
        for line in [
            "BEGIN:VCALENDAR",
            "DTSTAMP:20210401T145959Z",
            "DTSTART;VALUE=DATE:20210401",
            "DTEND;VALUE=DATE:20210402",
            "UID:s/copy/c1@demo.example/ledger",
        ] {
            assert!(text.contains(&format!("{line}\r\n")), "{line}: {text}");
        }
        assert!(text.contains("【期限超過】"), "{text}");
        assert!(text.split("\r\n").all(|line| line.len() <= 75), "{text}");
    }

    #[test]
    fn a_party_cannot_name_a_file_elsewhere() {
        let folder = Path::new("calendars");
        assert_eq!(place(folder, "scheme/party"), Some(folder.join("scheme/party.ics")));
        for party in ["", "../party", "/etc/party", "a//b", "a/..", "a\\b", "a/.hidden", "区"] {
            assert_eq!(place(folder, party), None, "{party}");
        }
    }
}
