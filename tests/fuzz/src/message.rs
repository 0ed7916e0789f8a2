//! Every message of every call: what a server reads of strangers, and a client of a server.

use std::collections::BTreeSet;

use daicho_proto::v1;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, Kind, MapKey, MessageDescriptor, Value};

/// How deep messages are filled for seeds.
const DEPTH: u32 = 4;

macro_rules! messages {
    ($($name:ident),* $(,)?) => {
        /// Names and readers.
        const MESSAGES: &[(&str, fn(&[u8]) -> bool)] = &[$((stringify!($name), read::<v1::$name>)),*];
    };
}

messages! {
    GetLedgerRequest,
    GetLedgerResponse,
    AppendStatementRequest,
    AppendStatementResponse,
    AppendStatementsRequest,
    AppendStatementsResponse,
    ValidateStatementRequest,
    ValidateStatementResponse,
    GetEntryRequest,
    GetEntryResponse,
    FindStatementRequest,
    FindStatementResponse,
    ReadEntriesRequest,
    ReadEntriesResponse,
    FollowEntriesRequest,
    FollowEntriesResponse,
    GetCheckpointRequest,
    GetCheckpointResponse,
    ListCheckpointsRequest,
    ListCheckpointsResponse,
    GetInclusionProofRequest,
    GetInclusionProofResponse,
    GetConsistencyProofRequest,
    GetConsistencyProofResponse,
    GetReceiptRequest,
    GetReceiptResponse,
    SealLedgerRequest,
    SealLedgerResponse,
    PublishCheckpointRequest,
    PublishCheckpointResponse,
    AdvanceClockRequest,
    AdvanceClockResponse,
    ListPartiesRequest,
    ListPartiesResponse,
    ListKeysRequest,
    ListKeysResponse,
    ListSchemesRequest,
    ListSchemesResponse,
    GetSchemeRequest,
    GetSchemeResponse,
    ListDataSetsRequest,
    ListDataSetsResponse,
    GetDataSetRequest,
    GetDataSetResponse,
    ListCopiesRequest,
    ListCopiesResponse,
    ListHandoversRequest,
    ListHandoversResponse,
    ListDueRequest,
    ListDueResponse,
    FollowDueRequest,
    FollowDueResponse,
    ListFindingsRequest,
    ListFindingsResponse,
    ListDutiesRequest,
    ListDutiesResponse,
    GetDeletionReportRequest,
    GetDeletionReportResponse,
}

/// The first byte of the input says which message the others are.
pub(crate) fn message(bytes: &[u8]) -> bool {
    let Some((which, bytes)) = bytes.split_first() else { return false };
    MESSAGES.get(usize::from(*which)).is_some_and(|(_, read)| read(bytes))
}

fn read<M: Message + Default + PartialEq>(bytes: &[u8]) -> bool {
    let Ok(message) = M::decode(bytes) else { return false };
    let written = message.encode_to_vec();
    assert_eq!(written.len(), message.encoded_len());
    assert!(M::decode(&*written).as_ref() == Ok(&message), "not read as it was written");
    true
}

/// Each message empty, and with every field set.
pub(crate) fn messages() -> Vec<Vec<u8>> {
    let pool = DescriptorPool::decode(daicho_proto::DESCRIPTORS).expect("the schema");
    let of_calls = pool.services().filter(|s| s.parent_file().package_name().starts_with("daicho."));
    let of_calls = of_calls.flat_map(|service| service.methods().collect::<Vec<_>>());
    let of_calls = of_calls.flat_map(|call| [call.input(), call.output()]);
    let of_calls: BTreeSet<String> = of_calls.map(|message| message.name().to_owned()).collect();
    let known: BTreeSet<String> = MESSAGES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(known, of_calls, "the messages of all calls");
    let seeds = MESSAGES.iter().zip(0u8..).flat_map(|((name, _), which)| {
        let message = pool.get_message_by_name(&format!("daicho.v1.{name}")).expect("a message");
        let seed = |bytes: Vec<u8>| [vec![which], bytes].concat();
        [seed(Vec::new()), seed(filled(&message, DEPTH).encode_to_vec())]
    });
    seeds.collect()
}

fn filled(descriptor: &MessageDescriptor, depth: u32) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    for field in descriptor.fields() {
        let one = match field.kind() {
            Kind::Message(_) if depth == 0 => continue,
            Kind::Message(inner) => Value::Message(filled(&inner, depth - 1)),
            Kind::Enum(of) => Value::EnumNumber(of.values().last().map_or(0, |value| value.number())),
            Kind::String => Value::String("令和".to_owned()),
            Kind::Bytes => Value::Bytes(vec![0x80; 16].into()),
            Kind::Bool => Value::Bool(true),
            Kind::Double => Value::F64(1.5),
            Kind::Float => Value::F32(1.5),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(-1),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(-1),
            Kind::Uint32 | Kind::Fixed32 => Value::U32(u32::MAX),
            Kind::Uint64 | Kind::Fixed64 => Value::U64(u64::MAX),
        };
        let value = if field.is_map() {
            let entry = one.as_message().and_then(|entry| entry.get_field_by_name("value"));
            let value = entry.expect("a map has values").into_owned();
            Value::Map([(MapKey::String("a".to_owned()), value)].into())
        } else if field.is_list() {
            Value::List(vec![one.clone(), one])
        } else {
            one
        };
        message.set_field(&field, value);
    }
    message
}
