//! What is sent again, and what is not, when the server is busy, silent or gone.

#![expect(clippy::unwrap_used, reason = "tests")]

mod fake;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use daicho_client::{
    CHUNK_LEN, Client, ClientError, Emitter, Enactment, Instant, KeyId, RefusalCode, Retry, Signer,
    SignerError, SigningKey, event, proto,
};
use daicho_core::PublicKey;
use fake::{Connection, End, Fake, Fault};

fn key() -> SigningKey {
    SigningKey::from_seed(&[9; 32])
}

async fn emitter(fake: &Fake) -> Emitter {
    let client = Client::connect(&fake.serve().await).await.unwrap();
    let quick = Retry { first: Duration::from_millis(1), longest: Duration::from_millis(2), attempts: 4 };
    Emitter::new(client, key()).await.unwrap().with_retry(quick)
}

fn events(name: &str) -> Vec<proto::Event> {
    let copied = proto::Copied { from_copies: vec![name.to_owned()], copies: Vec::new() };
    vec![event("scheme", Instant::EPOCH, proto::event::Fact::Copied(copied))]
}

fn sequences(statements: &[Vec<u8>]) -> Vec<u64> {
    use prost::Message as _;
    let number = |bytes: &Vec<u8>| proto::Statement::decode(bytes.as_slice()).unwrap().signers[0].sequence;
    statements.iter().map(number).collect()
}

#[tokio::test]
async fn a_full_queue_is_met_with_the_same_bytes_and_ends_in_one_receipt() {
    let fake = Fake::default();
    fake.state()
        .faults
        .extend([Fault::Refuse(RefusalCode::QueueFull), Fault::Refuse(RefusalCode::QueueFull)]);
    let receipt = emitter(&fake).await.emit(events("a")).await.unwrap();
    let state = fake.state();
    assert_eq!((receipt.entry_index, receipt.repeated), (0, false));
    assert_eq!(state.arrived.len(), 3);
    assert!(state.arrived.iter().all(|bytes| *bytes == state.arrived[0]));
    assert_eq!(state.recorded.len(), 1);
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_and_nothing_is_recorded_twice() {
    let fake = Fake::default();
    fake.state().faults.push_back(Fault::LoseAnswer);
    let receipt = emitter(&fake).await.emit(events("a")).await.unwrap();
    assert!(receipt.repeated);
    assert_eq!(fake.state().recorded.len(), 1);
}

#[tokio::test]
async fn a_refusal_is_not_repeated_and_leaves_the_number_free() {
    let fake = Fake::default();
    fake.state().faults.push_back(Fault::Refuse(RefusalCode::NotAuthorized));
    let mut emitter = emitter(&fake).await;
    let error = emitter.emit(events("a")).await.unwrap_err();
    assert!(matches!(error, ClientError::Refused(refusal) if refusal.code == RefusalCode::NotAuthorized));
    emitter.emit(events("b")).await.unwrap();
    assert_eq!(sequences(&fake.state().arrived), [1, 1]);
}

/// A key in a token that is pulled out now and then.
#[derive(Debug)]
struct Token {
    key: SigningKey,
    gone: Arc<AtomicBool>,
}

impl Signer for Token {
    fn public(&self) -> PublicKey {
        self.key.public()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerError> {
        match self.gone.load(Ordering::SeqCst) {
            true => Err(SignerError("no token in the slot".to_owned())),
            false => Ok(self.key.sign(message)),
        }
    }
}

#[tokio::test]
async fn a_key_in_a_token_signs_and_one_that_is_gone_sends_nothing_and_takes_no_number() {
    let fake = Fake::default();
    let gone = Arc::new(AtomicBool::new(false));
    let client = Client::connect(&fake.serve().await).await.unwrap();
    let mut emitter = Emitter::new(client, Token { key: key(), gone: Arc::clone(&gone) }).await.unwrap();
    emitter.emit(events("a")).await.unwrap();
    gone.store(true, Ordering::SeqCst);
    let error = emitter.emit(events("b")).await.unwrap_err();
    assert!(matches!(&error, ClientError::Signer(SignerError(why)) if why.contains("slot")), "{error}");
    gone.store(false, Ordering::SeqCst);
    emitter.emit(events("b")).await.unwrap();
    assert_eq!(sequences(&fake.state().arrived), [1, 2]);

    let mut stream = emitter.into_stream(4).await.unwrap();
    gone.store(true, Ordering::SeqCst);
    assert!(matches!(stream.send(events("c")).await, Err(ClientError::Signer(_))));
    gone.store(false, Ordering::SeqCst);
    stream.send(events("c")).await.unwrap();
    stream.next().await.unwrap().result.unwrap();
    assert_eq!(sequences(&fake.state().arrived), [1, 2, 3]);
}

#[tokio::test]
async fn when_all_answers_are_lost_the_statement_comes_back_and_can_be_sent_again() {
    let fake = Fake::default();
    fake.state().faults.extend((0..4).map(|_| Fault::LoseAnswer));
    let emitter = &mut emitter(&fake).await;
    let error = emitter.emit(events("a")).await.unwrap_err();
    let ClientError::Unanswered { statement, attempts, .. } = error else { panic!("{error}") };
    assert_eq!(attempts, 4);
    let receipt = emitter.resend(*statement).await.unwrap();
    assert!(receipt.repeated);
    assert_eq!(fake.state().recorded.len(), 1);
}

#[tokio::test]
async fn a_known_key_goes_on_with_its_next_number_even_on_a_later_page() {
    let fake = Fake::default();
    let known = |id: &KeyId, last_sequence| proto::Key {
        id: id.as_bytes().to_vec(),
        last_sequence,
        ..Default::default()
    };
    for seed in 0..5 {
        let other = SigningKey::from_seed(&[seed; 32]).public().id();
        fake.state().keys.push(known(&other, 7));
    }
    fake.state().keys.push(known(&key().public().id(), 41));
    let cosigner = SigningKey::from_seed(&[3; 32]);
    emitter(&fake).await.emit_with(events("a"), &[&cosigner]).await.unwrap();
    let state = fake.state();
    let body = <proto::Statement as prost::Message>::decode(state.recorded[0].as_slice()).unwrap();
    assert_eq!(body.signers.iter().map(|signer| signer.sequence).collect::<Vec<_>>(), [42, 8]);
}

#[tokio::test]
async fn a_broken_stream_is_resumed_and_every_statement_is_answered_once_in_order() {
    let fake = Fake::default();
    let cut = |answers, recorded_unanswered| Connection { answers, recorded_unanswered, end: End::Break };
    // The second connection records three statements whose answers are lost.
    fake.state().connections.extend([cut(5, 0), cut(4, 3), cut(0, 0), cut(1, 1)]);
    let mut stream = emitter(&fake).await.into_stream(8).await.unwrap();
    let mut answers = Vec::new();
    for i in 0..40 {
        stream.send(events(&i.to_string())).await.unwrap();
        answers.extend(stream.try_next());
    }
    while let Some(answer) = stream.next().await {
        answers.push(answer);
    }
    let numbers: Vec<u64> = answers.iter().map(|answer| answer.statement.sequence).collect();
    assert_eq!(numbers, (1..=40).collect::<Vec<_>>());
    let receipts: Vec<_> = answers.into_iter().map(|answer| answer.result.unwrap()).collect();
    assert_eq!(receipts.iter().map(|r| r.entry_index).collect::<Vec<_>>(), (0..40).collect::<Vec<_>>());
    assert!(receipts.iter().filter(|receipt| receipt.repeated).count() >= 3);
    let state = fake.state();
    assert_eq!(sequences(&state.recorded), (1..=40).collect::<Vec<_>>());
    assert!(state.arrived.len() > 40, "unanswered statements were sent again");
    assert!(state.arrived.iter().all(|bytes| state.recorded.contains(bytes)), "always the same bytes");
}

#[tokio::test]
async fn a_busy_stream_sends_again_in_order_so_that_later_statements_do_not_fail_for_it() {
    let fake = Fake::default();
    let end = End::RefuseFor(RefusalCode::QueueFull);
    fake.state().connections.push_back(Connection { answers: 2, recorded_unanswered: 0, end });
    let mut stream = emitter(&fake).await.into_stream(16).await.unwrap();
    for i in 0..10 {
        stream.send(events(&i.to_string())).await.unwrap();
    }
    for expected in 0..10 {
        let receipt = stream.next().await.unwrap().result.unwrap();
        assert_eq!(receipt.entry_index, expected);
    }
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_stream_that_gives_up_answers_everything_and_closes() {
    let fake = Fake::default();
    let cut = || Connection { answers: 0, recorded_unanswered: 0, end: End::Break };
    fake.state().connections.extend((0..4).map(|_| cut()));
    let mut stream = emitter(&fake).await.into_stream(4).await.unwrap();
    for i in 0..3 {
        stream.send(events(&i.to_string())).await.unwrap();
    }
    for sequence in 1..=3 {
        let answer = stream.next().await.unwrap();
        assert_eq!(answer.statement.sequence, sequence);
        assert!(matches!(answer.result, Err(ClientError::Unanswered { .. })));
    }
    assert!(stream.next().await.is_none());
    assert!(matches!(stream.send(events("x")).await, Err(ClientError::StreamClosed)));
}

#[tokio::test]
async fn a_scheme_is_enacted_with_its_documents_in_pieces() {
    let fake = Fake::default();
    let mut emitter = emitter(&fake).await;
    let enactment = Enactment {
        scheme: "queue_notice".to_owned(),
        version: 1,
        scheme_file: vec![1; CHUNK_LEN + 1],
        vocabulary_file: vec![2; 10],
        ..Default::default()
    };
    let enacted = emitter.enact_scheme(enactment, &[]).await.unwrap();
    assert_eq!(enacted.receipt.entry_index, 3);
    assert_eq!(sequences(&fake.state().recorded), [1, 2, 3, 4]);
}

#[tokio::test]
async fn entries_come_one_by_one_from_groups() {
    use futures::TryStreamExt as _;
    let fake = Fake::default();
    let mut emitter = emitter(&fake).await;
    for i in 0..5 {
        emitter.emit(events(&i.to_string())).await.unwrap();
    }
    let stream = emitter.client().read_entries(1, 0).await.unwrap();
    let entries: Vec<Vec<u8>> = stream.try_collect().await.unwrap();
    assert_eq!(entries, fake.state().entries[1..]);
}

#[tokio::test]
async fn what_is_no_server_is_told_apart_from_a_wrong_address() {
    assert!(matches!(Client::connect("ledger").await, Err(ClientError::BadEndpoint { .. })));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let free = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    assert!(matches!(Client::connect(&free).await, Err(ClientError::Connect { .. })));
}
