//! SIGKILL under load, again and again: every acknowledged statement is there, once, and the files are sound.

use daicho_tests::{Acknowledged, Daichod, Play};

const ROUNDS: usize = 20;
/// Acknowledgements after which the server is killed, so that each round dies in the middle of work.
const ACKNOWLEDGED_PER_ROUND: usize = 150;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_server_is_killed_twenty_times() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Daichod::fresh(folder.path(), None).expect("a server");
    let client = server.client().await.expect("a client");
    Play::prepare(&client, server.ward_key().expect("key")).await.expect("prepared");
    let acknowledged = Acknowledged::default();
    for round in 0..ROUNDS {
        let before = acknowledged.count();
        let load = tokio::spawn(acknowledged.clone().load(server.address().to_owned(), round));
        while acknowledged.count() < before + ACKNOWLEDGED_PER_ROUND {
            assert!(!load.is_finished(), "the load ended early: {:?}", load.await);
            tokio::task::yield_now().await;
        }
        server.kill().expect("killed");
        load.abort();
        server = Daichod::start(folder.path(), &[]).expect("starts again");
        let lost = acknowledged.lost(&server.client().await.expect("a client")).await.expect("readable");
        assert!(lost.is_empty(), "acknowledged, and gone or changed: {lost:?}");
    }
    server.kill().expect("killed");
    let checked = Daichod::fsck(folder.path(), &["--rebuild"]).expect("runs");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}
