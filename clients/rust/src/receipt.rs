//! Receipts as they arrive: the entry is put together from what was sent, so that nobody can hand out a receipt for
//! something else.

use std::ops::Deref;
use std::sync::{Mutex, PoisonError};

use daicho_core::{ChainHash, Entry, EntryIndex, Instant, proto};
use daicho_tlog::note::NoteError;
use daicho_tlog::policy::PolicyError;
use daicho_tlog::{Policy, SignedCheckpoint, TreeHash};
use daicho_verify::{Evidence, ForkProof, Receipt, ReceiptError};

use crate::{Client, ClientError, Retry};

/// A statement that was recorded: the ledger's answer, as on the wire, and what was sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    answer: proto::Receipt,
    statement: proto::SignedStatement,
}

/// What is wrong with a receipt of the ledger. The statement may be recorded all the same; that the ledger does not
/// prove it is worth an inquiry.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptFault {
    /// A hash, time or index that is none.
    #[error("its {0} is malformed")]
    Malformed(&'static str),
    /// The chain hash is not that of the entry with the statement that was sent.
    #[error("its chain hash is not that of the entry with this statement")]
    ChainHash,
    /// It is of another entry than the one that was asked for.
    #[error("it is of another entry")]
    OtherEntry,
    /// The checkpoint is none.
    #[error("its checkpoint is none: {0}")]
    Checkpoint(#[from] NoteError),
    /// The proof is for a tree of another size than the checkpoint.
    #[error("its proof is for {proof} entries, its checkpoint for {checkpoint}")]
    OtherTree {
        /// Size of the proof.
        proof: u64,
        /// Size of the checkpoint.
        checkpoint: u64,
    },
    /// It does not hold.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// The ledger answered without a proof and gave none later.
    #[error("the ledger gives no proof for it")]
    Unproven,
    /// The ledger signed another tree of the same size before. The proof of it convinces anybody.
    #[error("the ledger signed another tree of this size before: it has shown two histories")]
    Fork(Box<ForkProof>),
}

impl Recorded {
    pub(crate) fn new(answer: proto::Receipt, statement: proto::SignedStatement) -> Self {
        Self { answer, statement }
    }

    /// The statement as it was sent.
    pub fn statement(&self) -> &proto::SignedStatement {
        &self.statement
    }

    /// The receipt, to be kept in a file. `None` while the entry is recorded and not published yet: then ask for it
    /// by [`Client::receipt`](crate::Client::receipt).
    ///
    /// # Errors
    /// [`ReceiptFault`] when it is not a receipt of this statement or does not lead to its checkpoint. Who signed the
    /// checkpoint is for a policy to say.
    pub fn receipt(&self) -> Result<Option<Receipt>, ReceiptFault> {
        assemble(&self.answer, entry_bytes(&self.answer, &self.statement)?)
    }
}

/// The answer: index, time, hashes.
impl Deref for Recorded {
    type Target = proto::Receipt;

    fn deref(&self) -> &proto::Receipt {
        &self.answer
    }
}

/// The bytes of the entry that the answer speaks of.
fn entry_bytes(answer: &proto::Receipt, statement: &proto::SignedStatement) -> Result<Vec<u8>, ReceiptFault> {
    let recorded =
        Instant::from_unix_ms(answer.record_time_ms).ok_or(ReceiptFault::Malformed("time of recording"))?;
    let previous = ChainHash::from_slice(&answer.previous_chain_hash)
        .ok_or(ReceiptFault::Malformed("previous chain hash"))?;
    let index = EntryIndex::new(answer.entry_index);
    Ok(Entry { index, recorded, previous, statement: statement.clone() }.encode())
}

/// A receipt from an answer and the entry's bytes, if there is a proof.
pub(crate) fn assemble(answer: &proto::Receipt, entry: Vec<u8>) -> Result<Option<Receipt>, ReceiptFault> {
    if ChainHash::of_entry(&entry).as_bytes()[..] != answer.chain_hash[..] {
        return Err(ReceiptFault::ChainHash);
    }
    let Some(proof) = answer.proof.as_ref().filter(|proof| !proof.checkpoint.is_empty()) else {
        return Ok(None);
    };
    let checkpoint = SignedCheckpoint::parse(proof.checkpoint.as_bytes())?;
    let size = checkpoint.checkpoint().size();
    if proof.tree_size != size {
        return Err(ReceiptFault::OtherTree { proof: proof.tree_size, checkpoint: size });
    }
    let hashes = tree_hashes(&proof.hashes).ok_or(ReceiptFault::Malformed("proof"))?;
    let receipt = Receipt::from_parts(entry, EntryIndex::new(answer.entry_index), hashes, checkpoint)?;
    receipt.check()?;
    Ok(Some(receipt))
}

/// `None` unless each has 32 bytes.
pub(crate) fn tree_hashes(hashes: &[Vec<u8>]) -> Option<Vec<TreeHash>> {
    hashes.iter().map(|hash| TreeHash::from_slice(hash)).collect()
}

/// Verifies every receipt on arrival: the ledger's signature, not the quorum, as witnesses are asked later.
#[derive(Debug)]
pub(crate) struct Gate {
    policy: Policy,
    /// The last checkpoint that was verified: the receipts of a commit group share one.
    verified: Mutex<Option<SignedCheckpoint>>,
}

impl Gate {
    pub(crate) fn new(policy: Policy) -> Self {
        Self { policy, verified: Mutex::new(None) }
    }

    /// Lets an answer pass whose receipt holds. One that came without a proof is asked for again.
    pub(crate) async fn admit(
        &self,
        client: &Client,
        retry: Retry,
        recorded: Recorded,
    ) -> Result<Recorded, ClientError> {
        let bad = |fault| ClientError::bad_receipt(recorded.answer.entry_index, fault);
        if let Some(receipt) = recorded.receipt().map_err(bad)? {
            self.check(&receipt).map_err(bad)?;
            return Ok(recorded);
        }
        let proof = ask_again(client, retry, recorded.answer.entry_index).await?;
        let answer = proto::Receipt { proof: Some(proof), ..recorded.answer.clone() };
        let proven = Recorded::new(answer, recorded.statement.clone());
        let receipt = proven.receipt().and_then(|receipt| receipt.ok_or(ReceiptFault::Unproven));
        receipt.and_then(|receipt| self.check(&receipt)).map_err(bad)?;
        Ok(proven)
    }

    fn check(&self, receipt: &Receipt) -> Result<(), ReceiptFault> {
        // A thread that panicked in between left a checkpoint that was verified all the same.
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        let new = receipt.checkpoint();
        if verified.as_ref() == Some(new) {
            return Ok(());
        }
        self.policy.examine(new).map_err(|error: PolicyError| ReceiptError::from(error))?;
        if let Some(last) = verified.replace(new.clone())
            && last.checkpoint().size() == new.checkpoint().size()
        {
            let evidence = Evidence::SameSize { first: last, second: new.clone() };
            if let Ok(fork) = ForkProof::new(evidence, "") {
                return Err(ReceiptFault::Fork(Box::new(fork)));
            }
        }
        Ok(())
    }
}

/// The proof of an entry that was published after it was answered.
async fn ask_again(
    client: &Client,
    retry: Retry,
    entry_index: u64,
) -> Result<proto::InclusionProof, ClientError> {
    use proto::get_receipt_request::Entry;
    let request = proto::GetReceiptRequest { entry: Some(Entry::EntryIndex(entry_index)), tree_size: 0 };
    for attempt in 1.. {
        let answer = client.proof().get_receipt(request.clone()).await.map_err(ClientError::from);
        let again = match answer {
            Ok(response) => match response.into_inner().receipt.and_then(|receipt| receipt.proof) {
                Some(proof) => return Ok(proof),
                None => true,
            },
            Err(error) => error.retryable(),
        };
        if !again || attempt >= retry.attempts {
            break;
        }
        retry.pause(attempt).await?;
    }
    Err(ClientError::bad_receipt(entry_index, ReceiptFault::Unproven))
}
