//! Receipts on arrival: what holds passes, every lie has its name.

#![expect(clippy::unwrap_used, reason = "tests")]

mod fake;

use std::time::Duration;

use daicho_client::{
    Client, ClientError, Emitter, EntryName, Instant, Receipt, ReceiptFault, Retry, SigningKey, StatementId,
    event, proto,
};
use daicho_tlog::Policy;
use daicho_verify::{Proves, ReceiptError};
use fake::proof::policy_text;
use fake::{Fake, Lie, ORIGIN};

fn policy() -> Policy {
    Policy::parse(policy_text(ORIGIN).as_bytes()).unwrap()
}

async fn emitter(fake: &Fake) -> Emitter {
    let client = Client::connect(&fake.serve().await).await.unwrap();
    let quick = Retry { first: Duration::from_millis(1), longest: Duration::from_millis(2), attempts: 4 };
    let key = SigningKey::from_seed(&[9; 32]);
    Emitter::new(client, key).await.unwrap().with_retry(quick).with_policy(policy())
}

fn events(name: &str) -> Vec<proto::Event> {
    let copied = proto::Copied { from_copies: vec![name.to_owned()], copies: Vec::new() };
    vec![event("scheme", Instant::EPOCH, proto::event::Fact::Copied(copied))]
}

fn fault(error: ClientError) -> ReceiptFault {
    assert!(!error.retryable());
    match error {
        ClientError::BadReceipt { fault, .. } => *fault,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_receipt_is_put_together_from_what_was_sent_and_holds_offline() {
    let fake = Fake::default();
    let mut emitter = emitter(&fake).await;
    let mut files = Vec::new();
    for n in 0..5 {
        let recorded = emitter.emit(events(&n.to_string())).await.unwrap();
        assert_eq!(recorded.entry_index, n);
        files.push(recorded.receipt().unwrap().expect("a proof comes with the answer").to_string());
    }
    for (n, file) in (0..).zip(files) {
        let receipt = Receipt::parse(file.as_bytes()).unwrap();
        assert_eq!(receipt.entry_bytes(), fake.state().entries[n]);
        assert_eq!(receipt.examine(&policy()).unwrap().index.get(), n as u64);
        // The witness has not been asked yet.
        assert!(matches!(receipt.verify(&policy()), Err(ReceiptError::Policy(_))));
    }
}

#[tokio::test]
async fn a_stream_verifies_every_receipt_as_well() {
    let fake = Fake::default();
    let mut stream = emitter(&fake).await.into_stream(4).await.unwrap();
    for n in 0..20 {
        stream.send(events(&n.to_string())).await.unwrap();
    }
    while let Some(answer) = stream.next().await {
        assert!(answer.result.unwrap().receipt().unwrap().is_some());
    }
    fake.state().lie = Some(Lie::OtherKey);
    stream.send(events("late")).await.unwrap();
    let last = stream.next().await.unwrap().result.unwrap_err();
    assert!(matches!(fault(last), ReceiptFault::Receipt(ReceiptError::Policy(_))));
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn an_answer_without_a_proof_is_completed_when_there_is_one() {
    let fake = Fake::default();
    let mut emitter = emitter(&fake).await;
    fake.state().lie = Some(Lie::NoProof);
    fake.state().unpublished = 2;
    let recorded = emitter.emit(events("a")).await.unwrap();
    assert_eq!(fake.state().unpublished, 0);
    assert!(recorded.receipt().unwrap().unwrap().verify(&policy()).is_ok());

    fake.state().unpublished = 100;
    let error = emitter.emit(events("b")).await.unwrap_err();
    assert!(matches!(fault(error), ReceiptFault::Unproven));
    // It was recorded, and its number is used.
    fake.state().unpublished = 0;
    assert_eq!(emitter.emit(events("c")).await.unwrap().entry_index, 2);
    assert_eq!(fake.state().recorded.len(), 3);
}

#[tokio::test]
async fn every_lie_is_named() {
    for lie in [Lie::OtherEntry, Lie::OtherTree, Lie::OtherKey] {
        let fake = Fake::default();
        let mut emitter = emitter(&fake).await;
        fake.state().lie = Some(lie);
        let found = fault(emitter.emit(events("a")).await.unwrap_err());
        let expected = match lie {
            Lie::OtherEntry => matches!(found, ReceiptFault::ChainHash),
            Lie::OtherTree => matches!(found, ReceiptFault::Receipt(ReceiptError::Inclusion(_))),
            _ => matches!(found, ReceiptFault::Receipt(ReceiptError::Policy(_))),
        };
        assert!(expected, "{lie:?}: {found:?}");
    }
}

#[tokio::test]
async fn a_second_history_of_the_same_length_gives_a_proof_against_the_ledger() {
    let fake = Fake::default();
    let mut emitter = emitter(&fake).await;
    emitter.emit(events("a")).await.unwrap();
    let second = emitter.emit(events("b")).await.unwrap();
    fake.state().lie = Some(Lie::OtherHistory);
    // The ledger answers a statement that it has with a new proof.
    let error = emitter.resend(second.statement().clone()).await.unwrap_err();
    let ReceiptFault::Fork(proof) = fault(error) else { panic!("two roots of two entries") };
    let proof = daicho_verify::ForkProof::parse(proof.to_string().as_bytes()).unwrap();
    assert_eq!(proof.verify(&policy()).unwrap().proves, Proves::Fork);
}

#[tokio::test]
async fn proofs_and_checkpoints_are_asked_for_by_index_and_by_statement() {
    let fake = Fake::default();
    let mut emitter = emitter(&fake).await;
    for n in 0..7 {
        emitter.emit(events(&n.to_string())).await.unwrap();
    }
    let client = emitter.client();
    let id = StatementId { key: emitter.key_id(), sequence: 4 };
    for (name, size) in
        [(EntryName::Index(daicho_core::EntryIndex::new(3)), 5), (EntryName::Statement(id), 0)]
    {
        let receipt = client.receipt(name, size).await.unwrap();
        assert_eq!(receipt.entry().index.get(), 3);
        assert_eq!(receipt.verify(&policy()).unwrap().size, if size == 0 { 7 } else { size });
        let inclusion = client.inclusion_proof(name, 6).await.unwrap();
        assert_eq!((inclusion.index.get(), inclusion.size, inclusion.hashes.len()), (3, 6, 3));
    }
    let newest = client.newest_checkpoint(proto::CheckpointKind::Kept).await.unwrap();
    assert!(newest.witnessed && policy().check(&newest.note).is_ok());
    assert_eq!(client.publish_checkpoint().await.unwrap(), newest);
    assert_eq!(client.kept_checkpoint(7).await.unwrap(), newest);
    let all = client.checkpoints(5).await.unwrap();
    assert_eq!(all.iter().map(|c| c.note.checkpoint().size()).collect::<Vec<_>>(), [7, 6, 5, 4, 3]);
    let hashes = client.consistency_proof(3, 7).await.unwrap();
    let old = client.kept_checkpoint(3).await.unwrap();
    let (old, new) = (old.note.checkpoint(), newest.note.checkpoint());
    daicho_tlog::merkle::verify_consistency(3, old.root(), 7, new.root(), &hashes).unwrap();
    assert_eq!(client.seal().await.unwrap().get(), 6);
    let missing = client.receipt(EntryName::Index(daicho_core::EntryIndex::new(9)), 0).await.unwrap_err();
    assert!(matches!(missing, ClientError::NotFound(_)));
}
