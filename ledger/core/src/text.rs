//! Every text of a statement, by the schema: bytes (hashes, keys, documents) are not text.

use std::collections::HashMap;
use std::sync::LazyLock;

use daicho_proto::v1 as proto;
use prost::Message as _;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet};

/// A field of a message of the schema.
struct Field {
    name: String,
    repeated: bool,
    /// Place of the message that it holds; `None` for a text.
    message: Option<usize>,
}

/// Texts and messages of a message, by number.
type Fields = HashMap<u32, Field>;

/// The messages of the schema.
struct Schema {
    messages: Vec<Fields>,
    statement: usize,
    event: usize,
}

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let files = FileDescriptorSet::decode(daicho_proto::DESCRIPTORS).expect("the build made the descriptors");
    let mut all = Vec::new();
    for file in &files.file {
        file.message_type
            .iter()
            .for_each(|message| gather(&mut all, &format!(".{}", file.package()), message));
    }
    let places: HashMap<&str, usize> = all.iter().enumerate().map(|(n, (name, _))| (&**name, n)).collect();
    let fields = |message: &DescriptorProto| -> Fields {
        let kept = message.field.iter().filter(|f| matches!(f.r#type(), Type::String | Type::Message));
        let field = |field: &FieldDescriptorProto| Field {
            name: field.name().to_owned(),
            repeated: field.label() == Label::Repeated,
            message: (field.r#type() == Type::Message).then(|| places[field.type_name()]),
        };
        kept.map(|f| (f.number().unsigned_abs(), field(f))).collect()
    };
    Schema {
        messages: all.iter().map(|(_, message)| fields(message)).collect(),
        statement: places[".daicho.v1.Statement"],
        event: places[".daicho.v1.Event"],
    }
});

fn gather<'m>(all: &mut Vec<(String, &'m DescriptorProto)>, scope: &str, message: &'m DescriptorProto) {
    let name = format!("{scope}.{}", message.name());
    message.nested_type.iter().for_each(|nested| gather(all, &name, nested));
    all.push((name, message));
}

/// The first text of an encoded statement of which `test` says something, with its field, e.g.
/// `events[0].collected.data_sets[2].id`. Bytes that do not decode are for the decoder to refuse.
pub(crate) fn find_in_statement<T>(
    statement: &[u8],
    test: impl Fn(&str) -> Option<T>,
) -> Option<(String, T)> {
    let mut path = Vec::new();
    let found = look(SCHEMA.statement, statement, &mut path, &test)?;
    path.reverse();
    Some((path.join("."), found))
}

/// Whether any text of an event passes a test.
pub fn any_text(event: &proto::Event, test: impl Fn(&str) -> bool) -> bool {
    let test = |text: &str| test(text).then_some(());
    look(SCHEMA.event, &event.encode_to_vec(), &mut Vec::new(), &test).is_some()
}

fn look<T>(
    message: usize,
    whole: &[u8],
    path: &mut Vec<String>,
    test: &impl Fn(&str) -> Option<T>,
) -> Option<T> {
    let fields = &SCHEMA.messages[message];
    let mut bytes = whole;
    while !bytes.is_empty() {
        let before = whole.len() - bytes.len();
        let (number, value) = next(&mut bytes)?;
        let (Some(value), Some(field)) = (value, fields.get(&number)) else { continue };
        let found = match field.message {
            Some(inner) => look(inner, value, path, test),
            None => std::str::from_utf8(value).ok().and_then(test),
        };
        if found.is_some() {
            path.push(if field.repeated {
                format!("{}[{}]", field.name, occurrences(&whole[..before], number))
            } else {
                field.name.clone()
            });
            return found;
        }
    }
    None
}

/// Number of the next field, and its bytes where it has a length. `None` where the encoding is broken.
fn next<'b>(bytes: &mut &'b [u8]) -> Option<(u32, Option<&'b [u8]>)> {
    let (number, wire) = decode_key(bytes).ok()?;
    if wire != WireType::LengthDelimited {
        skip_field(wire, number, bytes, DecodeContext::default()).ok()?;
        return Some((number, None));
    }
    let len = usize::try_from(decode_varint(bytes).ok()?).ok()?;
    let (value, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some((number, Some(value)))
}

/// How often a field with a length occurs.
fn occurrences(mut bytes: &[u8], wanted: u32) -> usize {
    let fields = std::iter::from_fn(|| next(&mut bytes));
    fields.filter(|(number, value)| *number == wanted && value.is_some()).count()
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
