//! A witness that is killed again and again while many clients try to make it sign two views.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use daicho_tlog::TreeHash;
use daicho_tlog::merkle::Frontier;
use daicho_tlog::witness::AddCheckpoint;

use crate::setup::{FakeLog, ORIGIN, Setup, Witness};

const KILLS: u64 = 25;
const CLIENTS: u64 = 6;

/// An answer with status 200: between `sent` and `got` the witness cosigned this tree.
struct Cosigned {
    sent: u64,
    got: u64,
    size: u64,
    root: TreeHash,
    time: u64,
}

/// What the clients know together.
struct Shared {
    log: FakeLog,
    ticks: AtomicU64,
    /// Every tree that was ever proposed, by its root.
    proposed: Mutex<HashMap<TreeHash, Vec<TreeHash>>>,
    cosigned: Mutex<Vec<Cosigned>>,
}

impl Shared {
    fn tick(&self) -> u64 {
        self.ticks.fetch_add(1, Ordering::SeqCst)
    }

    fn leaves(&self, root: &TreeHash) -> Vec<TreeHash> {
        self.proposed.lock().expect("no panic")[root].clone()
    }
}

/// Proposes its own trees, each on top of what is cosigned at that moment, until the witness is gone.
async fn propose(shared: &Shared, witness: &Witness, client: u64, round: u64) {
    for turn in 0_u64.. {
        let before =
            match witness.client.get(format!("{}/{}/checkpoint", witness.address, path())).send().await {
                Err(_) => return,
                Ok(answer) if answer.status() == 404 => Vec::new(),
                Ok(answer) => {
                    let Ok(body) = answer.bytes().await else { return };
                    let seen = daicho_tlog::SignedCheckpoint::parse(&body).expect("a checkpoint");
                    shared.leaves(seen.checkpoint().root())
                }
            };
        let mut mine = FakeLog { signers: vec![], leaves: before.clone() };
        for n in 0..1 + (turn + client) % 3 {
            mine.leaves.push(TreeHash::of_leaf(format!("{round} {client} {turn} {n}").as_bytes()));
        }
        let (old, size) = (before.len() as u64, mine.leaves.len() as u64);
        let root = mine.root(size);
        shared.proposed.lock().expect("no panic").insert(root, mine.leaves.clone());
        let checkpoint = daicho_tlog::Checkpoint::new(ORIGIN, size, root).expect("an origin");
        let signed = shared.log.sign(checkpoint);
        let request = AddCheckpoint::new(old, mine.proof(old, size), signed.clone()).expect("a request");
        let sent = shared.tick();
        let Ok(answer) = witness.try_ask(request.to_string()).await else { return };
        let got = shared.tick();
        match answer.status {
            200 => {
                let (_, time) = witness.verify(&signed, &answer);
                shared.cosigned.lock().expect("no panic").push(Cosigned { sent, got, size, root, time });
            }
            // Somebody else was faster.
            409 => {}
            other => panic!("status {other}: {}", answer.body),
        }
    }
}

fn path() -> String {
    crate::setup::origin_hash(ORIGIN)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_witness_that_is_killed_at_any_moment_never_signs_two_views() {
    let log = FakeLog::new(ORIGIN, 0);
    let setup = Setup::new(&[&log]);
    let shared = Arc::new(Shared {
        log,
        ticks: AtomicU64::new(0),
        proposed: Mutex::default(),
        cosigned: Mutex::default(),
    });
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..KILLS {
        let answered = shared.cosigned.lock().expect("no panic").len();
        let witness = Arc::new(setup.start());
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (shared, witness) = (Arc::clone(&shared), Arc::clone(&witness));
                tokio::spawn(async move { propose(&shared, &witness, client, round).await })
            })
            .collect();
        // At least one answer, and then some moment or other.
        while shared.cosigned.lock().expect("no panic").len() == answered {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        tokio::time::sleep(Duration::from_micros((random >> 33) % 40_000)).await;
        witness.kill();
        for client in clients {
            client.await.expect("no check failed");
        }
        drop(witness);
        check(&shared, &setup).await;
    }
    let count = shared.cosigned.lock().expect("no panic").len();
    assert!(count as u64 >= KILLS, "{count} cosigned");
}

async fn check(shared: &Shared, setup: &Setup) {
    // What is on disk goes on from everything that was ever answered.
    let witness = setup.start();
    let kept = witness.monitored(ORIGIN).await.expect("cosigned");
    witness.kill();
    let mut kept_tree = Frontier::default();
    let mut roots = vec![kept_tree.root()];
    for leaf in shared.leaves(kept.checkpoint().root()) {
        kept_tree.append(leaf);
        roots.push(kept_tree.root());
    }
    let cosigned = shared.cosigned.lock().expect("no panic");
    for answer in cosigned.iter() {
        let root = roots.get(answer.size as usize);
        let root = root.unwrap_or_else(|| panic!("size {} was answered and is not kept", answer.size));
        assert_eq!(*root, answer.root, "another view of size {}", answer.size);
    }
    // Never smaller, never earlier, than what was answered before it was asked for.
    let mut by_sent: Vec<&Cosigned> = cosigned.iter().collect();
    by_sent.sort_by_key(|answer| answer.sent);
    let mut by_got: Vec<&Cosigned> = cosigned.iter().collect();
    by_got.sort_by_key(|answer| answer.got);
    let (mut before, mut largest, mut latest) = (by_got.iter().peekable(), 0, 0);
    for answer in by_sent {
        while let Some(earlier) = before.next_if(|earlier| earlier.got < answer.sent) {
            largest = largest.max(earlier.size);
            latest = latest.max(earlier.time);
        }
        assert!(answer.size >= largest && answer.time >= latest, "size {} after {largest}", answer.size);
    }
}
