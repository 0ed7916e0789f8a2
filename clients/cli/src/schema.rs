//! The wire schema at run time: messages to JSON, and its comments.

use std::collections::HashMap;
use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(daicho_proto::DESCRIPTORS).expect("the build made the descriptors")
});

/// Comments by file and path.
static COMMENTS: LazyLock<HashMap<(String, Vec<i32>), String>> = LazyLock::new(|| {
    let mut comments = HashMap::new();
    for file in POOL.files() {
        let proto = file.file_descriptor_proto();
        for location in proto.source_code_info.iter().flat_map(|info| &info.location) {
            let text = location.leading_comments.as_deref().or(location.trailing_comments.as_deref());
            if let Some(text) = text {
                let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
                comments.insert((file.name().to_owned(), location.path.clone()), text);
            }
        }
    }
    comments
});

/// A message of package `daicho.v1`.
pub(crate) fn message(name: &str) -> MessageDescriptor {
    POOL.get_message_by_name(&format!("daicho.v1.{name}")).expect("a message of our own schema")
}

/// The comment at a path of a file of the schema.
pub(crate) fn comment(file: &str, path: &[i32]) -> &'static str {
    COMMENTS.get(&(file.to_owned(), path.to_vec())).map_or("", String::as_str)
}

/// A message from its JSON form.
pub(crate) fn from_json<M: prost::Message + Default>(name: &str, text: &[u8]) -> anyhow::Result<M> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let message = DynamicMessage::deserialize(message(name), &mut json)?;
    json.end()?;
    Ok(message.transcode_to()?)
}

/// A message as JSON, with the field names of the schema and plain numbers. `full` keeps empty fields.
pub(crate) fn to_json(name: &str, value: &impl prost::Message, full: bool) -> serde_json::Value {
    let options = SerializeOptions::new()
        .use_proto_field_name(true)
        .stringify_64_bit_integers(false)
        .skip_default_fields(!full);
    let mut dynamic = DynamicMessage::new(message(name));
    dynamic.transcode_from(value).expect("the same schema on both sides");
    dynamic
        .serialize_with_options(serde_json::value::Serializer, &options)
        .expect("every message has a JSON form")
}
