//! Events as JSON: canonical protobuf JSON with two conveniences.
//!
//! - `occur_time` as text (`2021-04-01T09:00`, in Japan unless it says otherwise) instead of `occur_time_ms`;
//! - bytes as `hex:0a1b…` besides base64.

use daicho_core::{Instant, proto};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value as Reflected};
use serde_json::{Map, Value};

use crate::schema;
use crate::scheme::Lang;

/// What is wrong with a line of JSON, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadEvent {
    /// Character in the line, from 1.
    pub(crate) column: usize,
    /// What is wrong, for a person.
    pub(crate) message: String,
}

/// A step from a JSON value to one inside it.
#[derive(Debug, Clone)]
enum Step {
    Key(String),
    Index(usize),
}

/// An error at a path.
struct Wrong {
    path: Vec<Step>,
    message: String,
}

/// Reads one event.
pub(crate) fn parse(text: &str, lang: Lang) -> Result<proto::Event, BadEvent> {
    let value: Value = serde_json::from_str(text).map_err(|error| {
        let said = error.to_string();
        // It names the place as well, in bytes.
        let what = said.rsplit_once(" at line ").map_or(said.as_str(), |(what, _)| what);
        BadEvent {
            column: text[..text.floor_char_boundary(error.column().saturating_sub(1))].chars().count() + 1,
            message: lang.either(format!("JSON として読めません: {what}"), format!("no JSON: {what}")),
        }
    })?;
    read(value, lang).map_err(|wrong| BadEvent {
        column: text[..locate(text, &wrong.path)].chars().count() + 1,
        message: wrong.message,
    })
}

fn read(value: Value, lang: Lang) -> Result<proto::Event, Wrong> {
    let mut path = Vec::new();
    let Value::Object(mut fields) = value else {
        return Err(Wrong {
            path,
            message: lang.either("事象は {…} の形です", "an event is an object, {…}").to_owned(),
        });
    };
    let time = take_time(&mut fields, lang)?;
    let message = message(&schema::message("Event"), fields, &mut path, lang)?;
    let mut event: proto::Event = message.transcode_to().expect("the same schema on both sides");
    if let Some(time) = time {
        event.occur_time_ms = time.unix_ms();
    }
    let missing = |ja: &str, en: &str| Wrong { path: Vec::new(), message: lang.either(ja, en).to_owned() };
    if event.occur_time_ms == 0 {
        return Err(missing(
            "occur_time（発生した時刻、例 \"2021-04-01T09:00\"）がありません",
            "`occur_time` is missing: when it happened, e.g. \"2021-04-01T09:00\"",
        ));
    }
    if event.fact.is_none() {
        return Err(missing(
            "事象の種類がありません。`daicho emit --describe` で一覧を見られます",
            "the fact is missing; `daicho emit --describe` lists them",
        ));
    }
    Ok(event)
}

/// Takes the convenience field out of an event.
fn take_time(fields: &mut Map<String, Value>, lang: Lang) -> Result<Option<Instant>, Wrong> {
    let Some(name) = ["occur_time", "occurTime"].into_iter().find(|name| fields.contains_key(*name)) else {
        return Ok(None);
    };
    let wrong = |message: String| Wrong { path: vec![Step::Key(name.to_owned())], message };
    if fields.contains_key("occur_time_ms") || fields.contains_key("occurTimeMs") {
        let message = lang.either(
            "occur_time と occur_time_ms は一方だけを書いてください",
            "give `occur_time` or `occur_time_ms`, not both",
        );
        return Err(wrong(message.to_owned()));
    }
    let value = fields.remove(name).unwrap_or_default();
    let time = value.as_str().and_then(Instant::parse);
    time.map(Some).ok_or_else(|| {
        wrong(lang.either(
            format!("{value} は時刻として読めません。\"2021-04-01T09:00\" のように書いてください"),
            format!("{value} is no time; write \"2021-04-01T09:00\" (in Japan) or with an offset"),
        ))
    })
}

/// Reads the fields of a message, so that every error knows its place.
fn message(
    descriptor: &MessageDescriptor,
    fields: Map<String, Value>,
    path: &mut Vec<Step>,
    lang: Lang,
) -> Result<DynamicMessage, Wrong> {
    let mut message = DynamicMessage::new(descriptor.clone());
    for (name, value) in fields {
        path.push(Step::Key(name.clone()));
        let found = descriptor.get_field_by_name(&name).or_else(|| descriptor.get_field_by_json_name(&name));
        let Some(field) = found else {
            return Err(Wrong { path: path.clone(), message: unknown_field(descriptor, &name, lang) });
        };
        if let Some(taken) = taken_by(&message, &field) {
            let message = lang.either(
                format!("`{taken}` と `{name}` は同時に書けません（一つの事象に一つの事実）"),
                format!("`{taken}` and `{name}` exclude each other: one event, one fact"),
            );
            return Err(Wrong { path: path.clone(), message });
        }
        if !value.is_null() {
            let value = self::field(&field, value, path, lang)?;
            message.set_field(&field, value);
        }
        path.pop();
    }
    Ok(message)
}

fn unknown_field(descriptor: &MessageDescriptor, name: &str, lang: Lang) -> String {
    let known: Vec<String> = descriptor.fields().map(|field| field.name().to_owned()).collect();
    let (of, known) = (descriptor.name(), known.join(", "));
    lang.either(
        format!("{of} に `{name}` という項目はありません。使える項目: {known}"),
        format!("{of} has no field `{name}`; it has {known}"),
    )
}

/// The field of the same oneof that is already set.
fn taken_by(message: &DynamicMessage, field: &FieldDescriptor) -> Option<String> {
    let oneof = field.containing_oneof()?;
    oneof.fields().find(|other| message.has_field(other)).map(|other| other.name().to_owned())
}

fn field(
    field: &FieldDescriptor,
    value: Value,
    path: &mut Vec<Step>,
    lang: Lang,
) -> Result<Reflected, Wrong> {
    if !field.is_list() {
        return single(field, value, path, lang);
    }
    let Value::Array(items) = value else {
        let message = lang.either("[…] の形（一覧）で書いてください", "this is a list: write [ … ]");
        return Err(Wrong { path: path.clone(), message: message.to_owned() });
    };
    let mut list = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        path.push(Step::Index(index));
        list.push(single(field, item, path, lang)?);
        path.pop();
    }
    Ok(Reflected::List(list))
}

fn single(
    field: &FieldDescriptor,
    value: Value,
    path: &mut Vec<Step>,
    lang: Lang,
) -> Result<Reflected, Wrong> {
    match (field.kind(), value) {
        (Kind::Message(descriptor), Value::Object(fields)) => {
            message(&descriptor, fields, path, lang).map(Reflected::Message)
        }
        (Kind::Message(_), _) => {
            let message = lang.either("{…} の形で書いてください", "this is an object: write { … }");
            Err(Wrong { path: path.clone(), message: message.to_owned() })
        }
        (Kind::Bytes, Value::String(text)) if text.starts_with("hex:") => {
            let bytes = hex::decode(&text["hex:".len()..]).map_err(|error| Wrong {
                path: path.clone(),
                message: lang
                    .either(format!("16進数として読めません: {error}"), format!("no hexadecimal: {error}")),
            })?;
            Ok(Reflected::Bytes(bytes.into()))
        }
        (_, value) => leaf(field, value).map_err(|error| Wrong {
            path: path.clone(),
            message: lang.either(format!("値が正しくありません: {error}"), error.to_string()),
        }),
    }
}

/// A value without parts, by the rules of canonical protobuf JSON.
fn leaf(field: &FieldDescriptor, value: Value) -> Result<Reflected, serde_json::Error> {
    let value = if field.is_list() { Value::Array(vec![value]) } else { value };
    let object = Value::Object([(field.name().to_owned(), value)].into_iter().collect());
    let message = DynamicMessage::deserialize(field.parent_message().clone(), object)?;
    Ok(match message.get_field(field).into_owned() {
        Reflected::List(mut items) => items.pop().unwrap_or_else(|| Reflected::default_value(&field.kind())),
        value => value,
    })
}

/// Byte offset of the value at a path in JSON text that is known to be well formed.
fn locate(text: &str, path: &[Step]) -> usize {
    let mut scanner = Scanner { text: text.as_bytes(), at: 0 };
    scanner.space();
    for step in path {
        let place = match step {
            Step::Key(name) => scanner.enter_field(name),
            Step::Index(index) => scanner.enter_item(*index),
        };
        // Not there: the value around it is the best place to point at.
        if place.is_none() {
            break;
        }
    }
    scanner.at.min(text.len())
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    fn byte(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    fn space(&mut self) {
        while self.byte().is_ascii_whitespace() {
            self.at += 1;
        }
    }

    /// Goes from `{` to the value of a field. `None` when there is none: the scanner stays.
    fn enter_field(&mut self, name: &str) -> Option<()> {
        let start = self.at;
        if self.byte() != b'{' {
            return None;
        }
        self.at += 1;
        loop {
            self.space();
            if self.byte() != b'"' {
                self.at = start;
                return None;
            }
            let key = self.at;
            self.skip();
            let found =
                serde_json::from_slice::<String>(&self.text[key..self.at]).is_ok_and(|key| key == name);
            self.space();
            self.at += 1; // the colon
            self.space();
            if found {
                return Some(());
            }
            self.skip();
            self.space();
            self.at += 1; // a comma or the end
        }
    }

    /// Goes from `[` to an item.
    fn enter_item(&mut self, index: usize) -> Option<()> {
        if self.byte() != b'[' {
            return None;
        }
        self.at += 1;
        self.space();
        for _ in 0..index {
            self.skip();
            self.space();
            self.at += 1; // the comma
            self.space();
        }
        Some(())
    }

    /// Goes past one value.
    fn skip(&mut self) {
        let mut depth = 0usize;
        loop {
            match self.byte() {
                b'"' => self.skip_string(),
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' if depth > 0 => {
                    depth -= 1;
                    self.at += 1;
                }
                b',' | b'}' | b']' | 0 if depth == 0 => return,
                0 => return,
                _ => {
                    self.at += 1;
                    if depth == 0
                        && (self.byte().is_ascii_whitespace() || matches!(self.byte(), b',' | b'}' | b']'))
                    {
                        return;
                    }
                    continue;
                }
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn skip_string(&mut self) {
        self.at += 1;
        while !matches!(self.byte(), b'"' | 0) {
            self.at += if self.byte() == b'\\' { 2 } else { 1 };
        }
        self.at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proto::event::Fact;

    fn bad(text: &str) -> BadEvent {
        parse(text, Lang::En).expect_err("a bad event")
    }

    #[test]
    fn an_event_is_read_in_canonical_form_and_in_the_convenient_one() {
        let canonical = r#"{"occurTimeMs":"1617235200000","scheme":"s","deleted":{"copies":[{"copy":"c","count":"3"}],
            "method":"SANITIZATION_METHOD_PURGE","evidenceDocuments":["AQI="]}}"#;
        let convenient = r#"{"occur_time":"2021-04-01T09:00","scheme":"s","deleted":{"copies":[{"copy":"c","count":3}],
            "method":"SANITIZATION_METHOD_PURGE","evidence_documents":["hex:0102"]}}"#;
        let event = parse(convenient, Lang::En).expect("an event");
        assert_eq!(parse(canonical, Lang::En).expect("an event"), event);
        let Some(Fact::Deleted(deleted)) = event.fact else { panic!("another fact") };
        assert_eq!(deleted.copies[0].count, 3);
        assert_eq!(deleted.method, proto::SanitizationMethod::Purge as i32);
        assert_eq!(deleted.evidence_documents, [vec![1, 2]]);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let text = r#"{"occur_time":"2021-04-01","derived":{"flow":"f","copies":[{"id":"c"}],"moves":true}}"#;
        let event = parse(text, Lang::En).expect("an event");
        let json = schema::to_json("Event", &event, false).to_string();
        assert_eq!(parse(&json, Lang::En).expect("an event"), event);
    }

    proptest! {
        /// What is no event is refused with a place in the line, whatever it is.
        #[test]
        fn any_line_is_read_or_refused_at_a_place_in_it(
            at in any::<prop::sample::Index>(),
            with in prop_oneof![
                prop::sample::select(vec!["{", "}", "[", "\"", ":", ",", "null", "-1", "1e400", "\\ud800", "hex:0", "令"])
                    .prop_map(str::to_owned),
                ".{0,8}",
            ],
            cut in 0usize..12,
            deep in 0usize..300,
        ) {
            let line = r#"{"occur_time":"2021-04-01","deleted":{"copies":[{"copy":"c","count":"3"}],"evidence_documents":["hex:0102"]}}"#;
            let at = at.index(line.len());
            let end = (at + cut).min(line.len());
            let nested = "[".repeat(deep);
            for text in [format!("{}{with}{}", &line[..at], &line[end..]), with.clone(), nested + &with] {
                if let Err(bad) = parse(&text, Lang::Ja) {
                    prop_assert!((1..=text.chars().count() + 1).contains(&bad.column), "{text}: {bad:?}");
                    prop_assert!(!bad.message.is_empty());
                }
            }
        }
    }

    #[test]
    fn every_error_points_at_its_place() {
        let cases = [
            (r#"{"occur_time":"2021-04-01","collected":{"flow":"f"}"#, "", "no JSON"),
            (r#"{"occur_time":"2021-04-01","collekted":{}}"#, r#"{}"#, "no field `collekted`"),
            (r#"{"occur_time":"yesterday","collected":{}}"#, r#""yesterday""#, "no time"),
            (
                r#"{"occur_time":"2021-04-01","deleted":{"copies":[{"copy":"a"},{"copy":7}]}}"#,
                "7",
                "invalid type",
            ),
            (r#"{"occur_time":"2021-04-01","deleted":{"method":"BURN"}}"#, r#""BURN""#, "BURN"),
            (r#"{"occur_time":"2021-04-01","x\"y":1,"deleted":{}}"#, "1,", "no field"),
            (
                r#"{"occur_time":"2021-04-01","deleted":{"evidence_documents":["hex:0"]}}"#,
                r#""hex:0""#,
                "hexadecimal",
            ),
            (r#"{"occur_time":"2021-04-01","deleted":{"copies":{}}}"#, "{}", "list"),
            (r#"{"scheme":"区","deleted":7}"#, "7", "object"),
            (r#"{"deleted":{}}"#, r#"{"deleted"#, "occur_time"),
            (r#"{"occur_time":"2021-04-01"}"#, "{", "fact is missing"),
            (r#"{"occur_time":"2021-04-01","occur_time_ms":1}"#, r#""2021"#, "not both"),
            (r#"{"occur_time":"2021-04-01","copied":{},"printed":{}}"#, "{}}", "exclude"),
            ("[]", "[", "object"),
        ];
        for (text, place, message) in cases {
            let bad = bad(text);
            assert!(bad.message.contains(message), "{text}: {}", bad.message);
            if !place.is_empty() {
                let at = text.char_indices().nth(bad.column - 1).map(|(i, _)| i).expect("within the line");
                assert!(text[at..].starts_with(place), "{text}: column {} for {place}", bad.column);
            }
        }
    }
}
