//! Describes the events, from the schema itself.

use std::io::Write;

use anyhow::anyhow;
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use crate::context::Context;
use crate::{schema, words};

/// Lists the events, or describes one.
pub(crate) fn run(event: Option<&str>, context: &Context, out: &mut dyn Write) -> anyhow::Result<()> {
    let Some(name) = event else { return list(context, out) };
    let field = facts().find(|field| field.name() == name || field.json_name() == name).ok_or_else(|| {
        anyhow!(context.pick(
            format!("「{name}」という事象はありません。`daicho emit --describe` で一覧を見られます"),
            format!("there is no event `{name}`; `daicho emit --describe` lists them"),
        ))
    })?;
    let message = message_of(&field);
    if context.json() {
        writeln!(out, "{}", example(&field))?;
        return Ok(());
    }
    writeln!(out, "{}{}", field.name(), words::event_name_suffix(field.name(), context.lang))?;
    writeln!(out, "{}\n", comment(&message))?;
    fields(&message, 1, out)?;
    let heading = context.pick("例（一行で書いてください）:", "Example (write it on one line):");
    writeln!(out, "\n{heading}\n{}", serde_json::to_string_pretty(&example(&field))?)?;
    writeln!(
        out,
        "\n{}",
        context.pick(
            "bytes の値は base64、または hex: に続く16進数で書きます。occur_time は日本時間です。",
            "Values of type bytes are base64, or hex: and hexadecimal digits. occur_time is the time in Japan.",
        )
    )?;
    Ok(())
}

fn list(context: &Context, out: &mut dyn Write) -> anyhow::Result<()> {
    for field in facts() {
        let comment = comment(&message_of(&field));
        if context.json() {
            writeln!(out, "{}", json!({ "event": field.name(), "comment": comment }))?;
        } else {
            writeln!(out, "{}{}", field.name(), words::event_name_suffix(field.name(), context.lang))?;
            writeln!(out, "    {comment}")?;
        }
    }
    Ok(())
}

/// The facts that an event can hold, as fields of `Event`.
fn facts() -> impl Iterator<Item = FieldDescriptor> {
    let fields: Vec<_> =
        schema::message("Event").fields().filter(|f| f.containing_oneof().is_some()).collect();
    fields.into_iter()
}

fn message_of(field: &FieldDescriptor) -> MessageDescriptor {
    match field.kind() {
        Kind::Message(message) => message,
        _ => unreachable!("every fact is a message"),
    }
}

fn comment(message: &MessageDescriptor) -> &'static str {
    schema::comment(message.parent_file().name(), message.path())
}

/// The fields of a message with types and comments, those of messages inside further in.
fn fields(message: &MessageDescriptor, depth: usize, out: &mut dyn Write) -> anyhow::Result<()> {
    let indent = "  ".repeat(depth);
    for field in message.fields() {
        let comment = schema::comment(message.parent_file().name(), field.path());
        writeln!(out, "{indent}{}: {}", field.name(), type_name(&field))?;
        if !comment.is_empty() {
            writeln!(out, "{indent}    {comment}")?;
        }
        match field.kind() {
            Kind::Message(inner) => fields(&inner, depth + 2, out)?,
            Kind::Enum(words) => {
                for word in words.values().filter(|word| word.number() != 0) {
                    let comment = schema::comment(words.parent_file().name(), word.path());
                    writeln!(out, "{indent}    {} {comment}", word.name())?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn type_name(field: &FieldDescriptor) -> String {
    let name = match field.kind() {
        Kind::Message(message) => message.name().to_owned(),
        Kind::Enum(words) => words.name().to_owned(),
        kind => format!("{kind:?}").to_lowercase(),
    };
    if field.is_list() { format!("list of {name}") } else { name }
}

/// An event with every field filled in.
fn example(fact: &FieldDescriptor) -> Value {
    let shared = [
        "ledger_opened",
        "party_registered",
        "member_registered",
        "key_authorized",
        "key_revoked",
        "document_chunk",
    ];
    let mut event = Map::new();
    event.insert("occur_time".to_owned(), json!("2021-04-01T09:00:00+09:00"));
    if !shared.contains(&fact.name()) {
        event.insert("scheme".to_owned(), json!("queue_notice_service"));
    }
    event.insert(fact.name().to_owned(), filled(&message_of(fact)));
    Value::Object(event)
}

fn filled(message: &MessageDescriptor) -> Value {
    let fields = message.fields().map(|field| {
        let value = sample(&field);
        (field.name().to_owned(), if field.is_list() { json!([value]) } else { value })
    });
    Value::Object(fields.collect())
}

/// A value that fits a field.
fn sample(field: &FieldDescriptor) -> Value {
    match (field.kind(), field.name()) {
        (Kind::Message(message), _) => filled(&message),
        (Kind::Enum(words), _) => {
            words.values().find(|w| w.number() != 0).map_or(json!(0), |w| json!(w.name()))
        }
        (Kind::Bytes, "key_id" | "key_ids") => json!(format!("hex:{}", "00".repeat(16))),
        (Kind::Bytes, "data") => json!("hex:00"),
        (Kind::Bytes, _) => json!(format!("hex:{}", "00".repeat(32))),
        (Kind::Bool, _) => json!(false),
        (Kind::String, "start" | "until") => json!("2021-04-30"),
        (Kind::String, "end") => json!("2022-03-31"),
        (
            Kind::String,
            "deadline" | "certificate_within" | "acknowledge_within" | "report_within" | "longest_wait"
            | "attest_within" | "warn_before",
        ) => {
            json!("P7D")
        }
        (Kind::String, name) => json!(format!("{}-1", singular(name))),
        (_, name) if name.ends_with("_ms") => json!(1_617_235_200_000_i64),
        _ => json!(1),
    }
}

/// One of what a list is named after.
fn singular(name: &str) -> &str {
    let several = if name.ends_with("classes") { "es" } else { "s" };
    name.strip_suffix(several).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_json;
    use crate::scheme::Lang;

    fn described(event: Option<&str>, lang: Lang) -> String {
        let context = Context::showing(lang);
        let mut out = Vec::new();
        run(event, &context, &mut out).expect("described");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn every_example_is_an_event_with_words_and_a_name_in_both_languages() {
        let mut count = 0;
        for fact in facts() {
            let event = event_json::parse(&example(&fact).to_string(), Lang::En)
                .unwrap_or_else(|bad| panic!("{}: {}", fact.name(), bad.message));
            let (ja, en) = (words::event(&event, Lang::Ja), words::event(&event, Lang::En));
            assert!(!ja.is_empty() && !en.is_empty() && ja != en, "{}", fact.name());
            assert!(!words::event_name_suffix(fact.name(), Lang::Ja).is_empty(), "{}", fact.name());
            count += 1;
        }
        assert_eq!(count, 33);
    }

    #[test]
    fn comments_of_the_schema_are_shown() {
        let text = described(Some("deleted"), Lang::En);
        assert!(text.contains("Copies were erased. Fields after NIST SP 800-88."));
        assert!(
            text.contains("Number of the person in the handler list reported to the ward. Never a name.")
        );
        assert!(text.contains("SANITIZATION_METHOD_PURGE Against a laboratory."));
        assert!(described(None, Lang::Ja).contains("deleted（消去）"));
    }
}
