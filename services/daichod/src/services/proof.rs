//! `ProofService`: checkpoints, proofs and receipts.

use std::sync::Arc;

use daicho_core::{ChainHash, Entry, EntryIndex, KeyId, LedgerSize, StatementId};
use daicho_engine::{Engine, Published};
use daicho_proto::v1;
use daicho_proto::v1::proof_service_server::ProofService;
use daicho_store::CheckpointRow;
use daicho_tlog::{SignedCheckpoint, TreeHash, merkle};
use tonic::{Request, Response, Status};

use super::ledger::wire;
use super::status;
use crate::access::{Access, Right, peer};
use crate::anchor::{Anchors, PublishError, newest_witnessed};

const DEFAULT_PAGE: usize = 100;
const MAX_PAGE: usize = 1_000;

pub(crate) struct Proof {
    engine: Arc<Engine>,
    anchors: Arc<Anchors>,
    access: Access,
}

/// How a request names an entry.
enum Named {
    Index(u64),
    Statement(v1::StatementRef),
}

impl Proof {
    pub(crate) fn new(engine: Arc<Engine>, anchors: Arc<Anchors>, access: Access) -> Self {
        Self { engine, anchors, access }
    }

    fn published(&self) -> Result<Published, Status> {
        let published = self.engine.published().borrow().clone();
        published.ok_or_else(|| Status::unavailable(PublishError::NothingSigned.to_string()))
    }

    fn locate(&self, named: Option<Named>) -> Result<EntryIndex, Status> {
        match named {
            None => Err(status::bad_field("entry", "an index or a statement is wanted")),
            Some(Named::Index(index)) => Ok(EntryIndex::new(index)),
            Some(Named::Statement(wanted)) => {
                let key = KeyId::from_slice(&wanted.key_id)
                    .ok_or_else(|| status::bad_field("statement.key_id", "16 bytes"))?;
                let id = StatementId { key, sequence: wanted.sequence };
                let row = self.engine.store().statement(&id).map_err(|e| status::storage(&e))?;
                Ok(row.ok_or_else(|| status::not_found(&format!("statement {id}")))?.entry)
            }
        }
    }

    /// The hashes that prove an entry in the tree of `size`, which must be published.
    fn inclusion(&self, index: EntryIndex, size: u64) -> Result<Vec<TreeHash>, Status> {
        let published = self.published()?.size;
        if size > published {
            return Err(status::bad_field("tree_size", &format!("{published} entries are published")));
        }
        if index.get() >= size {
            return Err(status::not_found(&format!("entry {index} in the tree of {size}")));
        }
        let nodes = self.engine.store().nodes(LedgerSize::new(size));
        merkle::inclusion_proof(&nodes, index.get(), size).map_err(|error| tree_fault(&error))
    }

    /// The note over the tree of this size, if one is kept or it is the newest.
    fn note(&self, size: u64) -> Result<String, Status> {
        let row = self.engine.store().checkpoint(LedgerSize::new(size)).map_err(|e| status::storage(&e))?;
        if let Some(row) = row {
            return Ok(row.note);
        }
        let newest = self.published()?;
        Ok(if newest.size == size { newest.note.to_string() } else { String::new() })
    }

    fn newest_kept(&self) -> Result<Option<(LedgerSize, CheckpointRow)>, Status> {
        crate::tiles::newest_kept(self.engine.store()).map_err(|e| status::storage(&e))
    }

    /// The newest of the last kept checkpoints with a quorum of witnesses.
    async fn newest_witnessed(&self) -> Result<Option<(LedgerSize, CheckpointRow)>, Status> {
        let engine = Arc::clone(&self.engine);
        let found = tokio::task::spawn_blocking(move || newest_witnessed(engine.store()));
        found.await.map_err(status::task)?.map_err(|e| status::storage(&e))
    }
}

#[tonic::async_trait]
impl ProofService for Proof {
    async fn get_checkpoint(
        &self,
        request: Request<v1::GetCheckpointRequest>,
    ) -> Result<Response<v1::GetCheckpointResponse>, Status> {
        self.access.call(&request, Right::Proofs).await?;
        let request = request.into_inner();
        let missing = |what: &str| status::not_found(&format!("{what} checkpoint"));
        let kind = v1::CheckpointKind::try_from(request.kind)
            .map_err(|_| status::bad_field("kind", "unknown kind of checkpoint"))?;
        let checkpoint = if request.tree_size != 0 {
            let size = LedgerSize::new(request.tree_size);
            let row = self.engine.store().checkpoint(size).map_err(|e| status::storage(&e))?;
            kept(size, row.ok_or_else(|| missing("that"))?)?
        } else {
            match kind {
                v1::CheckpointKind::Unspecified => {
                    let newest = self.published()?;
                    let size = LedgerSize::new(newest.size);
                    match self.engine.store().checkpoint(size).map_err(|e| status::storage(&e))? {
                        Some(row) => kept(size, row)?,
                        None => v1::Checkpoint {
                            tree_size: newest.size,
                            root_hash: newest.root.as_bytes().to_vec(),
                            note: newest.note.to_string(),
                            sign_time_ms: newest.signed_ms,
                            witnessed: false,
                            timestamps: Vec::new(),
                        },
                    }
                }
                v1::CheckpointKind::Kept => {
                    let (size, row) = self.newest_kept()?.ok_or_else(|| missing("kept"))?;
                    kept(size, row)?
                }
                v1::CheckpointKind::Witnessed => {
                    let found = self.newest_witnessed().await?;
                    let (size, row) = found.ok_or_else(|| missing("witnessed"))?;
                    kept(size, row)?
                }
            }
        };
        Ok(Response::new(v1::GetCheckpointResponse { checkpoint: Some(checkpoint) }))
    }

    async fn list_checkpoints(
        &self,
        request: Request<v1::ListCheckpointsRequest>,
    ) -> Result<Response<v1::ListCheckpointsResponse>, Status> {
        self.access.call(&request, Right::Proofs).await?;
        let request = request.into_inner();
        let wanted = match usize::try_from(request.page_size) {
            Ok(0) => DEFAULT_PAGE,
            Ok(n) if n <= MAX_PAGE => n,
            _ => return Err(status::bad_field("page_size", "0 to 1000")),
        };
        let from = match request.page_token.as_str() {
            "" => u64::MAX,
            token => token.parse().map_err(|_| status::bad_field("page_token", "not one of ours"))?,
        };
        let mut checkpoints = Vec::new();
        let mut next_page_token = String::new();
        for row in self.engine.store().checkpoints_down(LedgerSize::new(from)) {
            let (size, row) = row.map_err(|e| status::storage(&e))?;
            if checkpoints.len() == wanted {
                next_page_token = size.get().to_string();
                break;
            }
            checkpoints.push(kept(size, row)?);
        }
        Ok(Response::new(v1::ListCheckpointsResponse { checkpoints, next_page_token }))
    }

    async fn get_inclusion_proof(
        &self,
        request: Request<v1::GetInclusionProofRequest>,
    ) -> Result<Response<v1::GetInclusionProofResponse>, Status> {
        use v1::get_inclusion_proof_request::Entry as Wanted;
        self.access.call(&request, Right::Proofs).await?;
        let request = request.into_inner();
        let index = self.locate(request.entry.map(|entry| match entry {
            Wanted::EntryIndex(index) => Named::Index(index),
            Wanted::Statement(statement) => Named::Statement(statement),
        }))?;
        let size = if request.tree_size == 0 { self.published()?.size } else { request.tree_size };
        let hashes = self.inclusion(index, size)?;
        let proof =
            v1::InclusionProof { tree_size: size, hashes: bytes(&hashes), checkpoint: self.note(size)? };
        Ok(Response::new(v1::GetInclusionProofResponse { entry_index: index.get(), proof: Some(proof) }))
    }

    async fn get_consistency_proof(
        &self,
        request: Request<v1::GetConsistencyProofRequest>,
    ) -> Result<Response<v1::GetConsistencyProofResponse>, Status> {
        self.access.call(&request, Right::Proofs).await?;
        let request = request.into_inner();
        let published = self.published()?.size;
        let to = if request.to_size == 0 { published } else { request.to_size };
        if to > published {
            return Err(status::bad_field("to_size", &format!("{published} entries are published")));
        }
        if request.from_size > to {
            return Err(status::bad_field("from_size", "larger than to_size"));
        }
        let nodes = self.engine.store().nodes(LedgerSize::new(to));
        let hashes =
            merkle::consistency_proof(&nodes, request.from_size, to).map_err(|error| tree_fault(&error))?;
        let (from_size, to_size) = (request.from_size, to);
        Ok(Response::new(v1::GetConsistencyProofResponse { from_size, to_size, hashes: bytes(&hashes) }))
    }

    async fn get_receipt(
        &self,
        request: Request<v1::GetReceiptRequest>,
    ) -> Result<Response<v1::GetReceiptResponse>, Status> {
        use v1::get_receipt_request::Entry as Wanted;
        self.access.call(&request, Right::Proofs).await?;
        // The proof is open to all, as hashes are. What the entry says is for who may read it.
        let sight = self.access.check_call(peer(&request), Right::Entries).ok();
        let request = request.into_inner();
        let index = self.locate(request.entry.map(|entry| match entry {
            Wanted::EntryIndex(index) => Named::Index(index),
            Wanted::Statement(statement) => Named::Statement(statement),
        }))?;
        let stored = self.engine.store().entry(index).map_err(|e| status::storage(&e))?;
        let stored = stored.ok_or_else(|| status::not_found(&format!("entry {index}")))?;
        let size = match request.tree_size {
            0 => self.newest_kept()?.map(|(size, _)| size.get()).filter(|size| *size > index.get()),
            size => Some(size),
        };
        // Nothing kept covers it yet: the newest published one does.
        let size = size.map_or_else(|| self.published().map(|newest| newest.size), Ok)?;
        let hashes = self.inclusion(index, size)?;
        let checkpoint = self.note(size)?;
        if checkpoint.is_empty() {
            return Err(status::bad_field("tree_size", "no checkpoint of this size is kept"));
        }
        let entry = Entry::decode(&stored)
            .map_err(|error| Status::data_loss(format!("entry {index}: {error}; run `daichod fsck`")))?;
        let receipt = v1::Receipt {
            entry_index: index.get(),
            record_time_ms: entry.recorded.unix_ms(),
            chain_hash: ChainHash::of_entry(&stored).as_bytes().to_vec(),
            repeated: true,
            previous_chain_hash: entry.previous.as_bytes().to_vec(),
            proof: Some(v1::InclusionProof { tree_size: size, hashes: bytes(&hashes), checkpoint }),
        };
        let seen = sight.map_or(Ok(false), |sight| self.access.sees(&sight, &stored))?;
        let entry = if seen { stored } else { Vec::new() };
        Ok(Response::new(v1::GetReceiptResponse { receipt: Some(receipt), entry }))
    }

    async fn seal_ledger(
        &self,
        request: Request<v1::SealLedgerRequest>,
    ) -> Result<Response<v1::SealLedgerResponse>, Status> {
        self.access.call(&request, Right::Operate).await?;
        let receipt = self.engine.seal().await.map_err(|refusal| status::refused(&refusal))?;
        Ok(Response::new(v1::SealLedgerResponse { receipt: Some(wire(receipt)) }))
    }

    async fn publish_checkpoint(
        &self,
        request: Request<v1::PublishCheckpointRequest>,
    ) -> Result<Response<v1::PublishCheckpointResponse>, Status> {
        self.access.call(&request, Right::Operate).await?;
        let (size, row) = self.anchors.publish(true).await.map_err(|error| match error {
            PublishError::NothingSigned => Status::unavailable(error.to_string()),
            PublishError::Store(error) => status::storage(&error),
        })?;
        Ok(Response::new(v1::PublishCheckpointResponse { checkpoint: Some(kept(size, row)?) }))
    }
}

fn kept(size: LedgerSize, row: CheckpointRow) -> Result<v1::Checkpoint, Status> {
    let damaged = |_| {
        Status::data_loss(format!("the checkpoint of size {} is damaged; run `daichod fsck`", size.get()))
    };
    let signed = SignedCheckpoint::parse(row.note.as_bytes()).map_err(damaged)?;
    Ok(v1::Checkpoint {
        tree_size: size.get(),
        root_hash: signed.checkpoint().root().as_bytes().to_vec(),
        note: row.note,
        sign_time_ms: row.signed_ms,
        witnessed: row.witnessed,
        timestamps: row.timestamps,
    })
}

fn bytes(hashes: &[TreeHash]) -> Vec<Vec<u8>> {
    hashes.iter().map(|hash| hash.as_bytes().to_vec()).collect()
}

fn tree_fault(error: &dyn std::fmt::Display) -> Status {
    Status::data_loss(format!("the Merkle tree cannot be read ({error}); run `daichod fsck`"))
}
