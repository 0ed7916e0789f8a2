//! The add-checkpoint call and the monitors' checkpoint, answer by answer.

use daicho_tlog::merkle::TreeHash;
use daicho_tlog::witness::{AddCheckpoint, MAX_REQUEST_BYTES};
use daicho_tlog::{Algorithm, Checkpoint, NoteSignature, NoteSigner, SignedCheckpoint};

use crate::setup::{FakeLog, ORIGIN, Setup, key, log_toml, write_state};

/// A signature line of this key whose value was spoiled.
fn spoiled(signer: &NoteSigner, text: &str) -> NoteSignature {
    let line = signer.sign(&format!("{ORIGIN}/other\n{text}"), 0).expect("a text");
    assert!(signer.verifier().is_named_by(&line));
    line
}

fn request(old: u64, proof: Vec<TreeHash>, checkpoint: SignedCheckpoint) -> String {
    AddCheckpoint::new(old, proof, checkpoint).expect("a request").to_string()
}

#[tokio::test]
async fn every_status_comes_in_the_order_of_the_specification() {
    let log = FakeLog::new(ORIGIN, 40);
    let setup = Setup::new(&[&log]);
    let witness = setup.start();
    let status = async |body: String| witness.ask(body).await.status;

    let good = log.request(0, 7);
    let stranger = key(ORIGIN, Algorithm::Ed25519, "stranger");
    let checkpoint = |size: u64| Checkpoint::new(ORIGIN, size, log.root(size)).expect("an origin");
    let signed_by = |signatures: Vec<NoteSignature>| {
        SignedCheckpoint::new(checkpoint(7), signatures).expect("few signatures")
    };
    let text = checkpoint(7).to_string();
    let by_stranger = stranger.sign(&text, 0).expect("a text");
    let by_log = log.signers[0].sign(&text, 0).expect("a text");
    let by_log_badly = spoiled(&log.signers[0], &text);

    // 400: no request at all, whatever it says about the log.
    for bad in [
        String::new(),
        "old 0".to_owned(),
        good.replacen("old 0", "old 00", 1),
        good.replacen("old 0", "new 0", 1),
        good.replacen("old 0\n", "old 0\nnot base64\n", 1),
        good.replacen("\n7\n", "\n07\n", 1),
        good.trim_end().to_owned(),
        good.replacen("old 0\n", &format!("old 0\n{}", format!("{}\n", log.root(1)).repeat(64)), 1),
    ] {
        assert_eq!(status(bad.clone()).await, 400, "{bad:?}");
    }
    // 404: a log that is not known, before its signature is looked at.
    let other = FakeLog::new("ledger.city.example/other", 7);
    assert_eq!(status(other.request(0, 7)).await, 404);
    // 403: nobody that speaks for the log has signed, or somebody did and badly.
    assert_eq!(status(request(0, vec![], signed_by(vec![by_stranger.clone()]))).await, 403);
    assert_eq!(status(request(0, vec![], signed_by(vec![by_log_badly.clone()]))).await, 403);
    assert_eq!(status(request(0, vec![], signed_by(vec![by_log.clone(), by_log_badly.clone()]))).await, 403);
    // ... before the old size is looked at.
    assert_eq!(status(request(9, vec![], signed_by(vec![by_log_badly]))).await, 403);
    // 400: an old size above the size, before it is compared with what was cosigned.
    assert_eq!(status(log.request(8, 7)).await, 400);
    // 409: another size was cosigned last; here none.
    let conflict = witness.ask(log.request(3, 7)).await;
    assert_eq!((conflict.status, conflict.body.as_str()), (409, "0\n"));
    assert_eq!(conflict.content_type, "text/x.tlog.size");
    // 422: size 0 has one root, and from nothing there is nothing to prove.
    let wrong_empty = log.sign(Checkpoint::new(ORIGIN, 0, log.root(1)).expect("an origin"));
    assert_eq!(status(request(0, vec![], wrong_empty)).await, 422);
    assert_eq!(status(request(0, vec![log.root(1)], log.checkpoint(7))).await, 422);
    assert_eq!(witness.monitored(ORIGIN).await, None, "nothing of this was cosigned");

    // 200: with a stranger's signature beside, which is ignored.
    let answer = witness.ask(request(0, vec![], signed_by(vec![by_stranger, by_log]))).await;
    assert_eq!(answer.status, 200);
    witness.verify(&log.checkpoint(7), &answer);

    // 409 again, with the size, and before the proof is looked at.
    let conflict = witness.ask(request(0, vec![log.root(2); 9], log.checkpoint(8))).await;
    assert_eq!((conflict.status, conflict.body.as_str()), (409, "7\n"));
    // 422: no proof, a wrong one, one that is too long, and another root of the same size.
    assert_eq!(status(request(7, vec![], log.checkpoint(8))).await, 422);
    assert_eq!(status(request(7, log.proof(6, 8), log.checkpoint(8))).await, 422);
    let long = [log.proof(7, 8), vec![log.root(1)]].concat();
    assert_eq!(status(request(7, long, log.checkpoint(8))).await, 422);
    let fork = log.fork(3, "fork");
    assert_eq!(status(fork.request(7, 7)).await, 422);
    assert_eq!(status(fork.request(7, 8)).await, 422);
    assert_eq!(witness.monitored(ORIGIN).await.expect("cosigned").checkpoint().size(), 7);
    assert_eq!(status(log.request(7, 40)).await, 200);
    assert!(setup.log().contains("a signed checkpoint does not fit"), "what may prove a fork is logged");
}

#[tokio::test]
async fn what_is_no_call_of_the_protocol_has_the_usual_statuses() {
    let log = FakeLog::new(ORIGIN, 3);
    let witness = Setup::new(&[&log]).start();
    assert_eq!(witness.get("add-checkpoint").await.status, 405);
    assert_eq!(witness.get("nothing").await.status, 404);
    assert_eq!(witness.get(&format!("{}/checkpoint", "0".repeat(64))).await.status, 404);
    assert_eq!(witness.ask(vec![b'a'; MAX_REQUEST_BYTES + 1]).await.status, 413);
    assert_eq!(witness.ask(vec![0xff; 100]).await.status, 400);
}

#[tokio::test]
async fn size_zero_is_cosigned_and_the_log_goes_on_from_there() {
    let log = FakeLog::new(ORIGIN, 5);
    let witness = Setup::new(&[&log]).start();
    witness.cosign(&log, 0, 0).await;
    assert_eq!(witness.monitored(ORIGIN).await.expect("cosigned").checkpoint().size(), 0);
    witness.cosign(&log, 0, 5).await;
}

#[tokio::test]
async fn monitors_see_the_logs_signature_and_the_cosignatures_and_nobody_elses() {
    let mut log = FakeLog::new(ORIGIN, 20);
    log.signers.push(key(ORIGIN, Algorithm::CosignatureMlDsa44, "log"));
    let setup =
        Setup::with(&[Algorithm::CosignatureEd25519, Algorithm::CosignatureMlDsa44], &log_toml(&log, ""));
    let witness = setup.start();
    let mut checkpoint = log.checkpoint(20);
    let stranger = key("stranger.example", Algorithm::Ed25519, "stranger");
    let foreign = stranger.sign(checkpoint.text(), 0).expect("a text");
    let old_cosignature =
        key("witness.example/w1", Algorithm::CosignatureEd25519, "witness").sign(checkpoint.text(), 5);
    checkpoint.add([foreign, old_cosignature.expect("a text")]).expect("few enough");

    let answer = witness.ask(request(0, vec![], checkpoint)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let (cosignatures, _) = witness.verify(&log.checkpoint(20), &answer);
    let seen = witness.monitored(ORIGIN).await.expect("cosigned");
    let mut expected = log.checkpoint(20);
    expected.add(cosignatures).expect("few enough");
    assert_eq!(seen, expected);
    let vkeys: Vec<_> = log.signers.iter().map(|signer| signer.verifier().clone()).collect();
    assert_eq!(seen.verify(&vkeys).expect("both keys of the log").len(), 2);
}

#[tokio::test]
async fn one_key_of_a_log_is_enough_and_either_may_go_away() {
    let mut log = FakeLog::new(ORIGIN, 9);
    log.signers.push(key(ORIGIN, Algorithm::CosignatureMlDsa44, "log"));
    let setup = Setup::with(&[Algorithm::CosignatureMlDsa44], &log_toml(&log, ""));
    let witness = setup.start();
    let ml_dsa = log.signers.pop().expect("two keys");
    witness.cosign(&log, 0, 4).await;
    log.signers = vec![ml_dsa];
    witness.cosign(&log, 4, 9).await;
}

#[tokio::test]
async fn the_same_checkpoint_again_gets_a_fresh_cosignature_whose_time_never_goes_back() {
    let log = FakeLog::new(ORIGIN, 9);
    let setup = Setup::new(&[&log]);
    let witness = setup.start();
    let (_, first) = witness.cosign(&log, 0, 9).await;
    let (_, second) = witness.cosign(&log, 9, 9).await;
    assert!(second >= first);
    witness.stop();
    // As if the clock had been in the year 2100 when it was cosigned, and was set right since.
    let file = setup.state_file(ORIGIN);
    let text = std::fs::read_to_string(&file).expect("kept");
    let (_, rest) = text.split_once('\n').expect("lines");
    let (_, note) = rest.split_once("\n\n").expect("a note");
    write_state(&file, &format!("time 4102444800\n\n{note}"));
    let witness = setup.start();
    assert_eq!(witness.cosign(&log, 9, 9).await.1, 4_102_444_800);
}

/// The race of the specification: N and N+K are both checked, N+K is stored, and then N rolls it back.
#[tokio::test]
async fn a_smaller_checkpoint_never_follows_a_larger_one_that_came_at_the_same_time() {
    let log = FakeLog::new(ORIGIN, 200);
    let witness = Setup::new(&[&log]).start();
    let mut size = 0;
    for _ in 0..20 {
        let asked: Vec<u64> = (1..=6).map(|k| size + k).collect();
        let answers = asked.iter().map(|new| witness.ask(log.request(size, *new)));
        let answers = futures::future::join_all(answers).await;
        let won: Vec<u64> =
            asked.iter().zip(&answers).filter(|(_, a)| a.status == 200).map(|(new, _)| *new).collect();
        assert_eq!(won.len(), 1, "all start from one size, so one of them wins");
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            assert_eq!((answer.status, answer.body.as_str()), (409, format!("{}\n", won[0]).as_str()));
        }
        size = won[0];
        assert_eq!(witness.monitored(ORIGIN).await.expect("cosigned").checkpoint().size(), size);
    }
}

#[tokio::test]
async fn two_views_that_come_at_the_same_time_are_never_both_cosigned() {
    let log = FakeLog::new(ORIGIN, 60);
    let witness = Setup::new(&[&log]).start();
    let views: Vec<FakeLog> = (0..8).map(|n| log.fork(0, &format!("view {n}"))).collect();
    let answers = futures::future::join_all(views.iter().map(|view| witness.ask(view.request(0, 50)))).await;
    let won: Vec<usize> = (0..views.len()).filter(|n| answers[*n].status == 200).collect();
    assert_eq!(won.len(), 1);
    assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 409)));
    for (n, view) in views.iter().enumerate() {
        let expected = if n == won[0] { 200 } else { 422 };
        assert_eq!(witness.ask(view.request(50, 50)).await.status, expected);
        assert_eq!(witness.ask(view.request(50, 51)).await.status, if n == won[0] { 200 } else { 422 });
        if n == won[0] {
            break;
        }
    }
}

#[tokio::test]
async fn logs_do_not_mix_and_the_page_shows_them() {
    let (one, two) = (FakeLog::new(ORIGIN, 30), FakeLog::new("ledger.other.example/2026", 30));
    let setup = Setup::new(&[&one, &two]);
    let witness = setup.start();
    witness.cosign(&one, 0, 30).await;
    witness.cosign(&two, 0, 10).await;
    witness.cosign(&two, 10, 20).await;
    assert_eq!(witness.monitored(one.origin()).await.expect("cosigned").checkpoint().size(), 30);
    assert_eq!(witness.monitored(two.origin()).await.expect("cosigned").checkpoint().size(), 20);
    let page = witness.get("").await;
    assert!(page.content_type.starts_with("text/plain"));
    let words = ["witness.example/w1", one.origin(), two.origin(), "30 entries", "20 entries", "連署"];
    for word in words.into_iter().chain([setup.vkeys[0].to_string().as_str()]) {
        assert!(page.body.contains(word), "{word} in {}", page.body);
    }
}
