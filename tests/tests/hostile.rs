//! Hostile bytes over the wire: every call of every service gets bytes that are no message, and messages with every field set
//! to something that nobody sends; the ledger gets statements of a good key with such events. Nothing panics, memory stays
//! bounded, and what was recorded folds to the same state anew.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use daicho_client::{Client, ClientError, SigningKey};
use daicho_core::{Entry, ParsedStatement, sign_statement};
use daicho_proto::v1::{AppendStatementRequest, Event};
use daicho_tests::{Daichod, Play};
use futures::TryStreamExt as _;
use prost::Message as _;
use prost::bytes::{Buf as _, BufMut as _};
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

/// Messages for each call; of these, each third is bytes that nobody made a message of.
const ROUNDS: u64 = 60;
/// Statements of a good key.
const STATEMENTS: u64 = 2_000;
/// What the server may hold at most, in bytes. RocksDB's buffers are a part of it.
const MEMORY: u64 = 700 << 20;

/// Bytes as they are, in place of messages.
#[derive(Clone, Copy, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = usize;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = usize;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<usize>, Status> {
        let length = from.remaining();
        from.advance(length);
        Ok(Some(length))
    }
}

/// Numbers that come the same in every run (SplitMix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize].clone()
    }

    fn bytes(&mut self, most: u64) -> Vec<u8> {
        (0..self.below(most + 1)).map(|_| self.next() as u8).collect()
    }

    fn integer(&mut self) -> i64 {
        let random = self.next() as i64;
        self.pick(&[
            0,
            1,
            -1,
            2,
            9,
            1_000,
            i64::MIN,
            i64::MAX,
            i64::from(i32::MIN),
            1_612_137_600_000,
            random,
        ])
    }

    fn text(&mut self) -> String {
        const KNOWN: [&str; 14] = [
            "queue_notice_service",
            "ward",
            "hyojito",
            "operator_server",
            "ds_contact",
            "f01_register_contact",
            "r2_no_longer_needed",
            "r3_work_end",
            "c-1",
            "c-2",
            "d-1",
            "h-1",
            "s-1",
            "P1D",
        ];
        const STRANGE: [&str; 15] = [
            "",
            "\0",
            "/",
            "../../etc/passwd",
            "queue_notice_service/hyojito",
            "-P99999999999999D",
            "P2147483647Y",
            "2021-02-29",
            "0000-00-00",
            "9999-12-31T23:59:60Z",
            "令和99年",
            "１２３",
            "\u{202e}txt",
            "%00%n%s",
            "18446744073709551616",
        ];
        match self.below(20) {
            0 => "長い".repeat(self.below(3_000) as usize),
            1 => String::from_utf8_lossy(&self.bytes(40)).into_owned(),
            2..6 => self.pick(&STRANGE).to_owned(),
            _ => self.pick(&KNOWN).to_owned(),
        }
    }

    fn value(&mut self, field: &FieldDescriptor, depth: u32) -> Value {
        match field.kind() {
            Kind::Double => Value::F64(f64::from_bits(self.next())),
            Kind::Float => Value::F32(f32::from_bits(self.next() as u32)),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(self.integer() as i32),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(self.integer()),
            Kind::Uint32 | Kind::Fixed32 => Value::U32(self.integer() as u32),
            Kind::Uint64 | Kind::Fixed64 => Value::U64(self.integer() as u64),
            Kind::Bool => Value::Bool(self.below(2) == 0),
            Kind::String => Value::String(self.text()),
            Kind::Bytes => {
                let most = self.pick(&[0, 16, 32, 33, 64, 70_000]);
                let bytes = self.bytes(most);
                Value::Bytes(self.pick(&[bytes, vec![7; 32], vec![0; 32]]).into())
            }
            Kind::Enum(of) => {
                let known = of.values().nth(self.below(of.values().len() as u64) as usize);
                let number = known.map_or(0, |value| value.number());
                Value::EnumNumber(self.pick(&[number, number, number, 0, 99, i32::MIN]))
            }
            Kind::Message(of) => Value::Message(self.message(&of, depth + 1)),
        }
    }

    fn message(&mut self, of: &MessageDescriptor, depth: u32) -> DynamicMessage {
        let mut message = DynamicMessage::new(of.clone());
        // One of a oneof; it is set last where there are several.
        let chosen = of.oneofs().next().map(|one| {
            let n = self.below(one.fields().len() as u64) as usize;
            one.fields().nth(n).expect("one of them").number()
        });
        for field in of.fields() {
            let left_out = match field.containing_oneof() {
                Some(_) => chosen != Some(field.number()),
                None => self.below(6) == 0,
            };
            if left_out || depth > 6 {
                continue;
            }
            if field.is_list() {
                let short = !matches!(field.kind(), Kind::Message(_) | Kind::String | Kind::Bytes);
                let many = if self.below(20) > 0 {
                    self.below(4)
                } else if short {
                    3_000
                } else {
                    40
                };
                let values = (0..many).map(|_| self.value(&field, depth)).collect();
                message.set_field(&field, Value::List(values));
            } else if !field.is_map() {
                let value = self.value(&field, depth);
                message.set_field(&field, value);
            }
        }
        message
    }

    /// Bytes that nobody made a message of: noise, a message that was cut or changed, messages in messages in messages.
    fn noise(&mut self, of: &MessageDescriptor) -> Vec<u8> {
        let mut bytes = match self.below(3) {
            0 => return self.bytes(300),
            1 => self.message(of, 0).encode_to_vec(),
            _ => {
                let mut inner = Vec::new();
                let field = 1 + self.below(12);
                for _ in 0..self.below(2_000) {
                    let mut outer = vec![(field << 3 | 2) as u8];
                    prost::encode_length_delimiter(inner.len(), &mut outer).expect("a vector grows");
                    outer.append(&mut inner);
                    inner = outer;
                }
                return inner;
            }
        };
        for _ in 0..1 + self.below(4) {
            if !bytes.is_empty() {
                let at = self.below(bytes.len() as u64) as usize;
                bytes[at] ^= 1 << self.below(8);
            }
        }
        bytes.truncate(self.below(bytes.len() as u64 + 1) as usize);
        bytes
    }
}

/// Sends a message and takes the beginning of the answer.
async fn call(channel: &Channel, path: &str, message: Vec<u8>) -> anyhow::Result<Code> {
    let mut grpc = tonic::client::Grpc::new(channel.clone()).max_decoding_message_size(64 << 20);
    grpc.ready().await?;
    let path = PathAndQuery::try_from(path)?;
    let request = Request::new(futures::stream::iter([message]));
    let answer = async {
        let mut stream = grpc.streaming(request, path, Raw).await?.into_inner();
        for _ in 0..3 {
            if stream.message().await?.is_none() {
                break;
            }
        }
        Ok::<_, Status>(())
    };
    // Some calls are answered when something happens, which may be never.
    match tokio::time::timeout(Duration::from_millis(300), answer).await {
        // What is no message at all is answered so before any of our code is asked.
        Ok(Err(status)) if status.message().starts_with("failed to decode Protobuf message") => {
            Ok(Code::InvalidArgument)
        }
        Ok(Err(status)) if matches!(status.code(), Code::Internal | Code::Unknown | Code::DataLoss) => {
            Err(status.into())
        }
        Ok(answer) => Ok(answer.map_or_else(|status| status.code(), |()| Code::Ok)),
        Err(_) => Ok(Code::DeadlineExceeded),
    }
}

/// The most that the process has held, in bytes.
fn peak(process: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("VmHWM")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse::<u64>()? << 10)
}

/// Statements that are signed well, with events that nobody sends: what becomes of them, by the word of the answer.
async fn statements(client: &Client, key: &SigningKey) -> anyhow::Result<BTreeMap<String, u64>> {
    let pool = DescriptorPool::decode(daicho_proto::DESCRIPTORS)?;
    let of = pool.get_message_by_name("daicho.v1.Event").context("Event")?;
    let info = client.ledger_info().await?;
    let (mut dice, mut sequence, mut answers) = (Dice(7), 100, BTreeMap::<String, u64>::new());
    for n in 0..STATEMENTS {
        let events = (0..=dice.below(3)).map(|_| Event::decode(&*dice.message(&of, 0).encode_to_vec()));
        let mut events = events.collect::<Result<Vec<_>, _>>()?;
        // Most of them get past the first checks.
        for event in events.iter_mut().filter(|_| n % 8 > 0) {
            event.occur_time_ms = info.now_ms;
            "queue_notice_service".clone_into(&mut event.scheme);
            event.on_behalf_of.clear();
        }
        sequence += 1;
        let statement = sign_statement(&info.origin, &[(key, sequence)], events);
        let (length, statement) = (statement.encoded_len(), Some(statement));
        let answer = client.ledger().append_statement(AppendStatementRequest { statement }).await;
        let word = match answer.map_err(ClientError::from) {
            Ok(_) => "recorded".to_owned(),
            Err(ClientError::Refused(refusal)) => format!("{:?}", refusal.code),
            Err(ClientError::Server { code, .. }) if code != Code::Internal => format!("{code:?}"),
            Err(error) => return Err(error).with_context(|| format!("statement {n} of {length} bytes")),
        };
        *answers.entry(word).or_default() += 1;
    }
    Ok(answers)
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_bytes_neither_stop_the_server_nor_get_into_the_ledger() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Daichod::fresh(folder.path(), None)?;
    let client = server.client().await?;
    Play::prepare(&client, server.ward_key()?).await?;

    let (ward, contractor) = (server.ward_key()?, Play::contractor_key());
    let answers = statements(&client, &contractor).await?;
    let of_ward = statements(&client, &ward).await?;
    let recorded = |answers: &BTreeMap<String, u64>| answers.get("recorded").copied().unwrap_or_default();
    for answers in [&answers, &of_ward] {
        assert!(answers.len() > 5, "many rules were met: {answers:?}");
        assert!(recorded(answers) > 20, "some are good all the same: {answers:?}");
    }

    let pool = DescriptorPool::decode(daicho_proto::DESCRIPTORS)?;
    let channel = Endpoint::from_shared(server.address().to_owned())?.connect().await?;
    let size = client.ledger_info().await?.size;
    let (mut dice, mut calls, mut codes) = (Dice(11), 0, BTreeMap::<String, u64>::new());
    for method in pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        calls += 1;
        for n in 0..ROUNDS {
            let message = match n % 3 {
                0 => dice.noise(&method.input()),
                _ => dice.message(&method.input(), 0).encode_to_vec(),
            };
            let code = call(&channel, &path, message).await.with_context(|| format!("{path}, {n}"))?;
            *codes.entry(format!("{code:?}")).or_default() += 1;
        }
    }
    assert!(calls > 25, "{calls} calls");
    assert!(codes.len() > 2, "{codes:?}");
    // None of them was signed: what came in is the operator's, whom a call may ask for a seal.
    let operator = SigningKey::from_pem(&std::fs::read_to_string(folder.path().join("operator.pem"))?);
    let operator = operator.context("a key")?.public().id();
    let mut came = Box::pin(client.read_entries(size, 0).await?);
    while let Some(bytes) = came.try_next().await? {
        let statement = ParsedStatement::parse(Entry::decode(&bytes)?.statement)?;
        assert!(statement.signers().iter().all(|signer| signer.key == operator), "{statement:?}");
    }

    let log = std::fs::read_to_string(folder.path().join("daichod.log"))?;
    ensure!(!log.contains("panicked"), "{log}");
    let most = peak(server.id())?;
    assert!(most < MEMORY, "{} MB", most >> 20);
    server.stop()?;
    let checked = Daichod::fsck(folder.path(), &["--rebuild"])?;
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    Ok(())
}
