//! Checkpoints, proofs and seals, typed.

use daicho_core::{EntryIndex, Instant, StatementId, proto};
use daicho_tlog::{SignedCheckpoint, TreeHash};
use daicho_verify::Receipt;

use crate::receipt::tree_hashes;
use crate::{Client, ClientError, ReceiptFault};

/// Checkpoints in a page.
const PAGE_SIZE: i32 = 1_000;

/// How an entry is named in a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryName {
    /// By its index.
    Index(EntryIndex),
    /// By the id of its statement.
    Statement(StatementId),
}

/// A checkpoint with what the ledger keeps beside it. Nothing in it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptCheckpoint {
    /// The checkpoint with its signatures and the cosignatures so far.
    pub note: SignedCheckpoint,
    /// Real time of signing, as the server says, whatever clock the ledger runs on.
    pub signed: Instant,
    /// Whether the cosignatures are a quorum of the server's own policy, as it says.
    pub witnessed: bool,
    /// RFC 3161 tokens over the text of the checkpoint, in DER.
    pub timestamps: Vec<Vec<u8>>,
}

/// Proof that an entry is in a tree, without the entry and without a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inclusion {
    /// The entry.
    pub index: EntryIndex,
    /// Number of leaves of the tree.
    pub size: u64,
    /// RFC 6962 §2.1.1, the leaf's sibling first.
    pub hashes: Vec<TreeHash>,
}

impl Client {
    /// The newest checkpoint, or the newest of a kind.
    ///
    /// # Errors
    /// As every read; [`ClientError::NotFound`] when there is none of the kind.
    pub async fn newest_checkpoint(
        &self,
        kind: proto::CheckpointKind,
    ) -> Result<KeptCheckpoint, ClientError> {
        let request = proto::GetCheckpointRequest { tree_size: 0, kind: kind as i32 };
        kept(self.proof().get_checkpoint(request).await?.into_inner().checkpoint)
    }

    /// The checkpoint that is kept for a size.
    ///
    /// # Errors
    /// As every read; [`ClientError::NotFound`] when none is kept.
    pub async fn kept_checkpoint(&self, tree_size: u64) -> Result<KeptCheckpoint, ClientError> {
        let request = proto::GetCheckpointRequest { tree_size, ..Default::default() };
        kept(self.proof().get_checkpoint(request).await?.into_inner().checkpoint)
    }

    /// The checkpoints that are kept, the newest first, at most so many.
    ///
    /// # Errors
    /// As every read.
    pub async fn checkpoints(&self, most: usize) -> Result<Vec<KeptCheckpoint>, ClientError> {
        let mut all = Vec::new();
        let mut page_token = String::new();
        loop {
            let page_size = i32::try_from(most - all.len()).unwrap_or(PAGE_SIZE).min(PAGE_SIZE);
            let request = proto::ListCheckpointsRequest { page_size, page_token: page_token.clone() };
            let page = self.proof().list_checkpoints(request).await?.into_inner();
            for checkpoint in page.checkpoints {
                all.push(kept(Some(checkpoint))?);
            }
            if page.next_page_token.is_empty() || all.len() >= most {
                all.truncate(most);
                return Ok(all);
            }
            if page.next_page_token == page_token {
                return Err(ClientError::Protocol("a page that is followed by itself".to_owned()));
            }
            page_token = page.next_page_token;
        }
    }

    /// Proof that an entry is in the tree of a size; 0: of the newest checkpoint.
    ///
    /// # Errors
    /// As every read; [`ClientError::NotFound`] when it is not in that tree.
    pub async fn inclusion_proof(&self, entry: EntryName, tree_size: u64) -> Result<Inclusion, ClientError> {
        use proto::get_inclusion_proof_request::Entry;
        let entry = match entry {
            EntryName::Index(index) => Entry::EntryIndex(index.get()),
            EntryName::Statement(id) => Entry::Statement(statement_ref(id)),
        };
        let request = proto::GetInclusionProofRequest { entry: Some(entry), tree_size };
        let response = self.proof().get_inclusion_proof(request).await?.into_inner();
        let proof = response.proof.ok_or_else(|| missing("proof"))?;
        let hashes = tree_hashes(&proof.hashes)
            .ok_or_else(|| ClientError::Protocol("a hash that has not 32 bytes".to_owned()))?;
        Ok(Inclusion { index: EntryIndex::new(response.entry_index), size: proof.tree_size, hashes })
    }

    /// Proof that the tree of `from` entries is the beginning of that of `to`: RFC 6962 §2.1.2. Not verified.
    ///
    /// # Errors
    /// As every read.
    pub async fn consistency_proof(&self, from: u64, to: u64) -> Result<Vec<TreeHash>, ClientError> {
        let request = proto::GetConsistencyProofRequest { from_size: from, to_size: to };
        let response = self.proof().get_consistency_proof(request).await?.into_inner();
        tree_hashes(&response.hashes)
            .ok_or_else(|| ClientError::Protocol("a hash that has not 32 bytes".to_owned()))
    }

    /// The receipt of an entry in the kept checkpoint of a size; 0: in the newest kept one that covers it. It is
    /// checked that the receipt is of the entry that was asked for and leads to its checkpoint; whether that is to be
    /// trusted is for a policy to say.
    ///
    /// # Errors
    /// As every read; [`ClientError::BadReceipt`] when the receipt does not hold.
    pub async fn receipt(&self, entry: EntryName, tree_size: u64) -> Result<Receipt, ClientError> {
        use proto::get_receipt_request::Entry;
        let wanted = match entry {
            EntryName::Index(index) => Entry::EntryIndex(index.get()),
            EntryName::Statement(id) => Entry::Statement(statement_ref(id)),
        };
        let request = proto::GetReceiptRequest { entry: Some(wanted), tree_size };
        let response = self.proof().get_receipt(request).await?.into_inner();
        let answer = response.receipt.ok_or_else(|| missing("receipt"))?;
        if response.entry.is_empty() {
            let text =
                format!("entry {} is not of your party; its proof alone is open to all", answer.entry_index);
            return Err(ClientError::NotAllowed(text));
        }
        let bad = |fault| ClientError::bad_receipt(answer.entry_index, fault);
        let receipt = crate::receipt::assemble(&answer, response.entry)
            .and_then(|receipt| receipt.ok_or(ReceiptFault::Unproven))
            .map_err(bad)?;
        let same = match entry {
            EntryName::Index(index) => receipt.entry().index == index,
            EntryName::Statement(id) => receipt.statement().signers().first() == Some(&id),
        };
        if same { Ok(receipt) } else { Err(bad(ReceiptFault::OtherEntry)) }
    }

    /// Asks the operator to seal the ledger now. Returns the place of the seal.
    ///
    /// # Errors
    /// [`ClientError::Refused`] or [`ClientError::Server`] when the server cannot seal.
    pub async fn seal(&self) -> Result<EntryIndex, ClientError> {
        let response = self.proof().seal_ledger(proto::SealLedgerRequest {}).await?.into_inner();
        Ok(EntryIndex::new(response.receipt.ok_or_else(|| missing("receipt"))?.entry_index))
    }

    /// Keeps the newest checkpoint now, with the cosignatures and timestamps that can be had in the server's time.
    ///
    /// # Errors
    /// As every read.
    pub async fn publish_checkpoint(&self) -> Result<KeptCheckpoint, ClientError> {
        let request = proto::PublishCheckpointRequest {};
        kept(self.proof().publish_checkpoint(request).await?.into_inner().checkpoint)
    }
}

fn statement_ref(id: StatementId) -> proto::StatementRef {
    proto::StatementRef { key_id: id.key.as_bytes().to_vec(), sequence: id.sequence }
}

fn kept(checkpoint: Option<proto::Checkpoint>) -> Result<KeptCheckpoint, ClientError> {
    let checkpoint = checkpoint.ok_or_else(|| missing("checkpoint"))?;
    let note = SignedCheckpoint::parse(checkpoint.note.as_bytes())
        .map_err(|error| ClientError::Protocol(format!("a checkpoint that is none: {error}")))?;
    let tree = note.checkpoint();
    if tree.size() != checkpoint.tree_size || tree.root().as_bytes()[..] != checkpoint.root_hash[..] {
        return Err(ClientError::Protocol("a checkpoint of another size or root than is said".to_owned()));
    }
    let signed = Instant::from_unix_ms(checkpoint.sign_time_ms)
        .ok_or_else(|| ClientError::Protocol("a time of signing out of range".to_owned()))?;
    Ok(KeptCheckpoint { note, signed, witnessed: checkpoint.witnessed, timestamps: checkpoint.timestamps })
}

fn missing(what: &str) -> ClientError {
    ClientError::Protocol(format!("an answer without its {what}"))
}
