//! A small ledger with everything that stands behind one: a signing log, three witnesses, a policy.

#![allow(dead_code, unreachable_pub, reason = "shared by tests that each use a part")]

#[path = "../../../custody/tests/report/ledger.rs"]
mod ledger;
#[path = "../../../custody/tests/report/samples.rs"]
mod samples;

use std::convert::Infallible;

use daicho_core::EntryIndex;
use daicho_core::proto::{self, event::Fact};
use daicho_tlog::merkle::{Frontier, Growth, consistency_proof, inclusion_proof};
use daicho_tlog::{Algorithm, Checkpoint, NoteSigner, Policy, SignedCheckpoint, TreeHash, VerifierKey};
use daicho_verify::Receipt;
use daicho_verify::bundle::{ReportBundle, ReportTerms, Selection, write_selective};
pub(crate) use ledger::Ledger;

pub const ORIGIN: &str = ledger::ORIGIN;

/// When the first witness cosigned: 2025-12-01T00:00:00Z. The second did a minute later, the third two.
pub const TIME: u64 = 1_764_547_200;
pub const WITNESSES: [&str; 3] = ["council", "j-lis", "mailer"];
pub const SCHEME: &str = "queue_notice_service";
/// A data set whose copy also went to another holder.
pub const DATA_SET: &str = "d-003";

/// Until when the invitation of [`World::invited`] may be used.
pub const INVITED_UNTIL: &str = "2021-02-01T00:00";

/// The entries of a ledger.
#[derive(Clone)]
pub struct World {
    pub entries: Vec<Vec<u8>>,
}

/// Key that signs the checkpoints of the ledger.
pub fn log_key() -> NoteSigner {
    signer(ORIGIN, Algorithm::Ed25519, 11)
}

/// Key of a witness, by its place in [`WITNESSES`].
pub fn witness_key(n: usize) -> NoteSigner {
    signer(&format!("witness.example/{}", WITNESSES[n]), Algorithm::CosignatureEd25519, 21 + n as u8)
}

pub fn signer(name: &str, algorithm: Algorithm, seed: u8) -> NoteSigner {
    NoteSigner::from_seed(name.parse().expect("a key name"), algorithm, &[seed; 32]).expect("a key")
}

/// Two of three witnesses, with these roots of time-stamping authorities.
pub fn policy_text(log: &VerifierKey, tsa_roots: &[Vec<u8>]) -> String {
    use base64::Engine as _;
    let mut text = format!("log {log}\n");
    for (n, name) in WITNESSES.iter().enumerate() {
        text += &format!("witness {name} {}\n", witness_key(n).verifier());
    }
    text += &format!("group two 2 {}\nquorum two\n", WITNESSES.join(" "));
    for root in tsa_roots {
        let root = base64::engine::general_purpose::STANDARD.encode(root);
        text += &format!("# daicho-tsa-root: {root}\n");
    }
    text
}

pub fn policy() -> Policy {
    policy_with(&[])
}

pub fn policy_with(tsa_roots: &[Vec<u8>]) -> Policy {
    Policy::parse(policy_text(log_key().verifier(), tsa_roots).as_bytes()).expect("a policy")
}

/// Signs a checkpoint with the log's key, and with the first so many witnesses.
pub fn sign(size: u64, root: TreeHash, witnesses: usize) -> SignedCheckpoint {
    sign_at(size, root, witnesses, TIME)
}

/// The same at another time of the first witness.
pub fn sign_at(size: u64, root: TreeHash, witnesses: usize, time: u64) -> SignedCheckpoint {
    let checkpoint = Checkpoint::new(ORIGIN, size, root).expect("an origin");
    let text = checkpoint.to_string();
    let cosigned = (0..witnesses).map(|n| witness_key(n).sign(&text, time + 60 * n as u64));
    let signatures = std::iter::once(log_key().sign(&text, 0)).chain(cosigned);
    let signatures = signatures.collect::<Result<_, _>>().expect("a checkpoint");
    SignedCheckpoint::new(checkpoint, signatures).expect("a note")
}

fn named_keys() -> Fact {
    Fact::CheckpointKeysNamed(proto::CheckpointKeysNamed { keys: vec![log_key().verifier().to_string()] })
}

impl World {
    /// Three days of the queue notices, with the key of the checkpoints named and a seal at the end.
    pub fn queue() -> Self {
        let mut ledger = samples::queue_sample();
        ledger.say_outside("operator", named_keys());
        ledger.play();
        Self { entries: ledger.entries }
    }

    /// A ledger with other entries from the place of the first contact address on.
    pub fn rewritten() -> Self {
        let mut ledger = samples::queue();
        ledger.say_outside("operator", named_keys());
        for n in 0..60 {
            samples::visit(&mut ledger, 100 + n, "2021-02-05", 9);
        }
        ledger.play();
        Self { entries: ledger.entries }
    }

    /// A ledger of more entries than a tile holds.
    pub fn long() -> Self {
        let mut ledger = samples::queue();
        for n in 0..260 {
            samples::visit(&mut ledger, 100 + n, "2021-02-05", 9);
        }
        ledger.play();
        Self { entries: ledger.entries }
    }

    /// An invitation of a machine of the operator's is spent by `spend`; then that machine authorises another one.
    pub(crate) fn invited(spend: impl FnOnce(&mut Ledger)) -> Self {
        let mut ledger = samples::queue();
        let slip = proto::KeyAuthorized {
            invites_for: "server".to_owned(),
            invites_until_ms: ledger::at(INVITED_UNTIL).unix_ms(),
            ..ledger.further_key("slip", "hyojito", "invitation")
        };
        ledger.say_outside("ward", Fact::KeyAuthorized(slip));
        spend(&mut ledger);
        let second = ledger.further_key("second", "hyojito", "server");
        ledger.force_outside("first", vec![Fact::KeyAuthorized(second)]);
        Self { entries: ledger.entries }
    }

    pub fn size(&self) -> u64 {
        self.entries.len() as u64
    }

    pub fn tree(&self, size: u64) -> Growth {
        let leaves = self.entries.iter().take(size as usize).map(|entry| TreeHash::of_leaf(entry));
        Growth::new(&Frontier::default(), leaves)
    }

    /// Signed by the log and all witnesses.
    pub fn checkpoint(&self, size: u64) -> SignedCheckpoint {
        sign(size, self.tree(size).root(), 3)
    }

    pub fn inclusion(&self, index: u64, size: u64) -> Vec<TreeHash> {
        let Ok(hashes): Result<_, Infallible> = inclusion_proof(&self.tree(size), index, size);
        hashes
    }

    pub fn consistency(&self, old: u64, new: u64) -> Vec<TreeHash> {
        let Ok(hashes): Result<_, Infallible> = consistency_proof(&self.tree(new), old, new);
        hashes
    }

    /// The bundle of a report over February, in the tree of this size.
    pub fn report_bundle(&self, checkpoint: SignedCheckpoint, timestamps: &[Vec<u8>]) -> Vec<u8> {
        let entries = self.entries[..checkpoint.checkpoint().size() as usize].to_vec();
        let mut bundle =
            ReportBundle::begin(Vec::new(), terms(), checkpoint, timestamps).expect("memory does not fail");
        for chunk in entries.chunks(100) {
            bundle.push(chunk.to_vec()).expect("sound entries");
        }
        bundle.finish().expect("a report").0
    }

    /// The bundle of what a pass over the ledger selected.
    pub fn selective_bundle(
        &self,
        mut selection: Selection,
        checkpoint: &SignedCheckpoint,
        timestamps: &[Vec<u8>],
    ) -> Vec<u8> {
        for entry in &self.entries[..checkpoint.checkpoint().size() as usize] {
            selection.see(entry).expect("an entry");
        }
        let selected = selection.finish().expect("something was found");
        let receipts: Vec<Receipt> =
            selected.entries.iter().map(|index| self.receipt_in(index.get(), checkpoint.clone())).collect();
        write_selective(Vec::new(), selected.claim, checkpoint, timestamps, &receipts).expect("it holds")
    }

    /// Receipt of an entry in the tree of this size.
    pub fn receipt(&self, index: u64, size: u64) -> Receipt {
        self.receipt_in(index, self.checkpoint(size))
    }

    pub fn receipt_in(&self, index: u64, checkpoint: SignedCheckpoint) -> Receipt {
        let size = checkpoint.checkpoint().size();
        let entry = self.entries[index as usize].clone();
        Receipt::from_parts(entry, EntryIndex::new(index), self.inclusion(index, size), checkpoint)
            .expect("a receipt")
    }
}

/// The report of the tests.
pub fn terms() -> ReportTerms {
    let day = |text| daicho_core::Date::parse(text).expect("a day");
    ReportTerms {
        scheme: SCHEME.to_owned(),
        period: daicho_custody::report::Period { from: day("2021-02-01"), to: day("2021-02-28") },
        as_of: ledger::at("2021-02-28T17:00"),
    }
}
