//! Every text of a statement, by the schema: bytes (hashes, keys, documents) are not text.

use std::collections::HashMap;
use std::sync::LazyLock;

use daicho_proto::v1 as proto;
use prost::Message as _;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FileDescriptorSet};

/// A field of a message of the schema.
struct Field {
    name: String,
    repeated: bool,
    /// The message that it holds; `None` for a text.
    message: Option<String>,
}

/// Texts and messages of each message of the schema, by number.
static SCHEMA: LazyLock<HashMap<String, HashMap<u32, Field>>> = LazyLock::new(|| {
    let files = FileDescriptorSet::decode(daicho_proto::DESCRIPTORS).expect("the build made the descriptors");
    let mut schema = HashMap::new();
    for file in files.file {
        let package = format!(".{}", file.package());
        file.message_type.iter().for_each(|message| describe(&mut schema, &package, message));
    }
    schema
});

fn describe(schema: &mut HashMap<String, HashMap<u32, Field>>, scope: &str, message: &DescriptorProto) {
    let name = format!("{scope}.{}", message.name());
    message.nested_type.iter().for_each(|nested| describe(schema, &name, nested));
    let fields =
        message.field.iter().filter(|f| matches!(f.r#type(), Type::String | Type::Message)).map(|field| {
            let message = (field.r#type() == Type::Message).then(|| field.type_name().to_owned());
            let repeated = field.label() == Label::Repeated;
            (field.number().unsigned_abs(), Field { name: field.name().to_owned(), repeated, message })
        });
    schema.insert(name, fields.collect());
}

/// The first text of an encoded statement of which `test` says something, with its field, e.g.
/// `events[0].collected.data_sets[2].id`. Bytes that do not decode are for the decoder to refuse.
pub(crate) fn find_in_statement<T>(
    statement: &[u8],
    test: impl Fn(&str) -> Option<T>,
) -> Option<(String, T)> {
    let mut path = Vec::new();
    let found = look(".daicho.v1.Statement", statement, &mut path, &test)?;
    path.reverse();
    Some((path.join("."), found))
}

/// Whether any text of an event passes a test.
pub fn any_text(event: &proto::Event, test: impl Fn(&str) -> bool) -> bool {
    let test = |text: &str| test(text).then_some(());
    look(".daicho.v1.Event", &event.encode_to_vec(), &mut Vec::new(), &test).is_some()
}

fn look<T>(
    message: &str,
    mut bytes: &[u8],
    path: &mut Vec<String>,
    test: &impl Fn(&str) -> Option<T>,
) -> Option<T> {
    let fields = SCHEMA.get(message)?;
    let mut counts: HashMap<u32, usize> = HashMap::new();
    while !bytes.is_empty() {
        let (number, wire) = decode_key(&mut bytes).ok()?;
        if wire != WireType::LengthDelimited {
            skip_field(wire, number, &mut bytes, DecodeContext::default()).ok()?;
            continue;
        }
        let len = usize::try_from(decode_varint(&mut bytes).ok()?).ok()?;
        let (value, rest) = bytes.split_at_checked(len)?;
        bytes = rest;
        let Some(field) = fields.get(&number) else { continue };
        let found = match &field.message {
            Some(inner) => look(inner, value, path, test),
            None => std::str::from_utf8(value).ok().and_then(test),
        };
        let n = counts.entry(number).or_default();
        if found.is_some() {
            path.push(if field.repeated { format!("{}[{n}]", field.name) } else { field.name.clone() });
            return found;
        }
        *n += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_at_any_depth_are_seen() {
        let given = proto::HandoverGiven { to_party: "jlis".to_owned(), ..Default::default() };
        let fact = Some(proto::event::Fact::HandoverGiven(given));
        let event = proto::Event { scheme: "mynumber".to_owned(), fact, ..Default::default() };
        assert!(any_text(&event, |text| text == "jlis"));
        assert!(any_text(&event, |text| text == "mynumber"));
        assert!(!any_text(&event, |text| text == "other"));
    }
}
