//! SIGKILL under load, again and again: every acknowledged statement is there, once, and the files are sound.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use daicho_client::{EmitStream, Emitter, Retry, SigningKey};
use daicho_core::Entry;
use daicho_tests::{Daichod, Play, collected};
use futures::TryStreamExt as _;

const ROUNDS: usize = 20;
/// Acknowledgements after which the server is killed, so that each round dies in the middle of work.
const ACKNOWLEDGED_PER_ROUND: usize = 150;

type Acknowledged = Arc<Mutex<BTreeMap<u64, Vec<u8>>>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_server_is_killed_twenty_times() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Daichod::fresh(folder.path(), None).expect("a server");
    let client = server.client().await.expect("a client");
    Play::prepare(&client, server.ward_key().expect("key")).await.expect("prepared");
    let acknowledged: Acknowledged = Arc::default();
    for round in 0..ROUNDS {
        let before = acknowledged.lock().expect("no panic").len();
        let load = tokio::spawn(load(server.address().to_owned(), round, Arc::clone(&acknowledged)));
        while acknowledged.lock().expect("no panic").len() < before + ACKNOWLEDGED_PER_ROUND {
            assert!(!load.is_finished(), "the load ended early: {:?}", load.await);
            tokio::task::yield_now().await;
        }
        server.kill().expect("killed");
        load.abort();
        server = Daichod::start(folder.path(), &[]).expect("starts again");
        check_all(&server, &acknowledged).await;
    }
    server.kill().expect("killed");
    let checked = Daichod::fsck(folder.path(), &["--rebuild"]).expect("runs");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

/// Sends statements with many in flight and notes each acknowledgement, until it is cut off.
async fn load(address: String, round: usize, acknowledged: Acknowledged) -> anyhow::Result<()> {
    let client = daicho_client::Client::connect(&address).await?;
    let emitter = Emitter::new(client, SigningKey::from_seed(&[42; 32])).await?;
    let emitter = emitter.with_retry(Retry { attempts: 1, ..Retry::default() });
    let now = emitter.ledger_now().await?;
    let mut stream: EmitStream = emitter.into_stream(64).await?;
    for n in 0..1_000_000 {
        stream.send(vec![collected(now, &format!("r{round}-{n}"))]).await?;
        while let Some(answer) = stream.try_next() {
            let receipt = answer.result?;
            acknowledged.lock().expect("no panic").insert(receipt.entry_index, receipt.chain_hash.clone());
        }
    }
    Ok(())
}

/// Every acknowledged entry is there, with the chain hash of its receipt.
async fn check_all(server: &Daichod, acknowledged: &Acknowledged) {
    let client = server.client().await.expect("a client");
    let entries: Vec<Vec<u8>> =
        client.read_entries(0, 0).await.expect("readable").try_collect().await.expect("whole");
    for (index, chain) in acknowledged.lock().expect("no panic").iter() {
        let bytes = entries
            .get(*index as usize)
            .unwrap_or_else(|| panic!("entry {index} was acknowledged and is gone"));
        assert_eq!(Entry::decode(bytes).expect("an entry").index.get(), *index);
        assert_eq!(
            daicho_core::ChainHash::of_entry(bytes).as_bytes()[..],
            chain[..],
            "entry {index} has changed"
        );
    }
}
