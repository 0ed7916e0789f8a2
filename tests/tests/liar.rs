//! The dishonest operator: it rewrites an entry and signs everything anew with its real keys. A witness, an old receipt,
//! a time-stamp and an auditor each catch it alone.

use std::path::Path;

use daicho_client::{Client, Emitter, EntryName, Instant};
use daicho_core::{EntryIndex, SigningKey};
use daicho_tests::{Daichod, Play, Surroundings, TLS, collected, deleted, liar, milestone};
use daicho_tlog::{Policy, SignedCheckpoint, merkle};
use daicho_verify::timestamp::{TimestampError, TimestampToken, TsaTrust};
use daicho_verify::{AuditError, Auditor, Check};
use futures::TryStreamExt as _;

fn at(text: &str) -> Instant {
    Instant::parse(text).expect("a time of this test")
}

fn start(folder: &Path, around: &Surroundings) -> Daichod {
    let config = around.config().to_str().expect("a path of this test");
    Daichod::start(folder, &[TLS, "--config", config]).expect("a server")
}

/// What an auditor finds who reads the entries and is told no root beforehand.
async fn audit(client: &Client) -> Option<AuditError> {
    let entries: Vec<Vec<u8>> =
        client.read_entries(0, 0).await.expect("readable").try_collect().await.expect("whole");
    let mut auditor = Auditor::new();
    match auditor.feed(&entries) {
        Err(error) => Some(error),
        Ok(()) => auditor.finish().err(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_witness_a_receipt_a_timestamp_and_an_auditor_each_catch_an_operator_that_rewrites() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    Daichod::init(folder, Some("2021-02-01")).expect("founded");
    let around = Surroundings::start(folder, 0).expect("witnesses and an authority");
    let policy = Policy::parse(&std::fs::read(around.policy()).expect("readable")).expect("a policy");
    let trust = TsaTrust::new(&[around.tsa.root_der()], None).expect("a root");

    // An address is erased three days late, and the ledger says so.
    let server = start(folder, &around);
    let client = server.client().await.expect("a client");
    let play = Play::prepare(&client, server.ward_key().expect("key")).await.expect("prepared");
    let own = server.client_of(Some(&play.contractor)).await.expect("a client");
    let mut contractor = Emitter::new(own, play.contractor).await.expect("authorised");
    daicho_tests::move_clock(&client, "2021-02-01T10:00").await.expect("the clock moves");
    contractor.emit(vec![collected(at("2021-02-01T10:00"), "slow")]).await.expect("recorded");
    contractor.emit(vec![milestone(at("2021-02-01T10:00"), &["slow"])]).await.expect("recorded");
    daicho_tests::move_clock(&client, "2021-02-04T12:00").await.expect("the clock moves");
    let late = contractor.emit(vec![deleted(at("2021-02-04T12:00"), &["slow"])]).await.expect("recorded");
    let late = EntryIndex::new(late.entry_index);
    client.seal().await.expect("sealed");

    // What the others hold afterwards.
    let honest = client.publish_checkpoint().await.expect("published");
    assert!(honest.witnessed, "all witnesses cosigned: {}", honest.note);
    assert!(policy.check(&honest.note).expect("trusted").witnesses.len() >= 3);
    let [token] = &honest.timestamps[..] else { panic!("{} timestamps", honest.timestamps.len()) };
    let token = TimestampToken::parse(token).expect("a token");
    token.verify(honest.note.text().as_bytes(), &trust).expect("the time of this very checkpoint");
    let receipt = client.receipt(EntryName::Index(late), 0).await.expect("a receipt");
    receipt.verify(&policy).expect("proven, under the policy");
    assert_eq!(audit(&client).await, None);
    server.stop().expect("stopped");

    // The operator makes the deletion a day earlier, and everything else fit.
    let forged = folder.join("forged");
    liar::take_keys(folder, &forged).expect("its real keys");
    let pem = std::fs::read_to_string(folder.join("operator.pem")).expect("readable");
    let operator = SigningKey::from_pem(&pem).expect("a key");
    liar::rewrite(&folder.join("data"), &forged.join("data"), late.get(), &operator).expect("rewritten");
    let server = start(&forged, &around);
    let client = server.client().await.expect("a client");
    let shown = client.publish_checkpoint().await.expect("published");
    let signed = policy.examine(&shown.note).expect("signed by the ledger's real key");
    assert_eq!(shown.note.checkpoint().size(), honest.note.checkpoint().size());

    // The witnesses remember another tree of that size, and cosign nothing.
    assert!(!shown.witnessed && signed.witnesses.is_empty(), "{}", shown.note);

    // The old receipt and the new checkpoint are two words of one key that cannot both be true.
    let old = receipt.checkpoint();
    assert_eq!(old.checkpoint().size(), shown.note.checkpoint().size());
    assert_ne!(old.checkpoint().root(), shown.note.checkpoint().root());
    let again = client.receipt(EntryName::Index(late), 0).await.expect("a receipt of the forged entry");
    assert_ne!(again.entry_bytes(), receipt.entry_bytes());
    assert!(
        merkle::verify_inclusion(
            &receipt.leaf(),
            late.get(),
            shown.note.checkpoint().size(),
            again.proof().hashes(),
            shown.note.checkpoint().root(),
        )
        .is_err()
    );

    // The token is for another text, and no token of that time can be had for this one.
    let unfit = token.verify(shown.note.text().as_bytes(), &trust).expect_err("another text");
    assert!(matches!(unfit, TimestampError::ImprintMismatch), "{unfit}");

    // The auditor needs nothing from before: the operator cannot speak for the contractor.
    let fault = audit(&client).await.expect("not sound");
    assert_eq!((fault.entry, fault.check), (late, Check::Fold), "{fault}");
    server.stop().expect("stopped");
}

/// Without the contractor's signature in the way: the operator rewrites what it said itself. Its auditor finds nothing
/// wrong with the new entries alone, and everything wrong with them against a checkpoint from before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_auditor_who_kept_a_checkpoint_needs_no_signature_of_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let server = Daichod::fresh(folder, Some("2021-02-01")).expect("a server");
    let client = server.client().await.expect("a client");
    Play::prepare(&client, server.ward_key().expect("key")).await.expect("prepared");
    client.seal().await.expect("sealed");
    daicho_tests::move_clock(&client, "2021-02-05T12:00").await.expect("the clock moves");
    let seal = client.seal().await.expect("sealed");
    let kept: SignedCheckpoint = client.publish_checkpoint().await.expect("published").note;
    server.stop().expect("stopped");

    let forged = folder.join("forged");
    std::fs::create_dir(&forged).expect("a folder");
    for file in ["operator.pem", "ward.pem", "data.checkpoint-key"] {
        std::fs::copy(folder.join(file), forged.join(file)).expect("its real keys");
    }
    let pem = std::fs::read_to_string(folder.join("operator.pem")).expect("readable");
    let operator = SigningKey::from_pem(&pem).expect("a key");
    liar::rewrite(&folder.join("data"), &forged.join("data"), seal.get(), &operator).expect("rewritten");
    let server = Daichod::start(&forged, &[]).expect("a server");
    let client = server.client().await.expect("a client");
    assert_eq!(audit(&client).await, None, "in itself it is sound");
    let entries: Vec<Vec<u8>> =
        client.read_entries(0, 0).await.expect("readable").try_collect().await.expect("whole");
    let mut auditor = Auditor::new();
    let size = kept.checkpoint().size();
    auditor.expect_root(daicho_core::LedgerSize::new(size), *kept.checkpoint().root());
    let fault = auditor.feed(&entries).and_then(|()| auditor.finish()).expect_err("not what was signed");
    assert_eq!((fault.entry.get(), fault.check), (size - 1, Check::Checkpoint), "{fault}");
    server.stop().expect("stopped");
}
