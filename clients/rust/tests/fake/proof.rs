//! Checkpoints and proofs of the ledger in memory, which may lie.

use std::convert::Infallible;

use daicho_core::{ChainHash, Entry, ParsedStatement, proto};
use daicho_tlog::merkle::{Frontier, Growth, consistency_proof, inclusion_proof};
use daicho_tlog::{Algorithm, Checkpoint, NoteSigner, SignedCheckpoint, TreeHash};
use proto::proof_service_server::ProofService;
use tonic::{Request, Response, Status};

use super::{Fake, Lie, NOW_MS, State, page};

/// Key that signs the checkpoints of a ledger of this name.
pub fn log_key(origin: &str) -> NoteSigner {
    key(origin, Algorithm::Ed25519, 11)
}

/// Key of the only witness.
pub fn witness_key() -> NoteSigner {
    key("witness.example/council", Algorithm::CosignatureEd25519, 21)
}

fn key(name: &str, algorithm: Algorithm, seed: u8) -> NoteSigner {
    NoteSigner::from_seed(name.parse().expect("a key name"), algorithm, &[seed; 32]).expect("a key")
}

/// The policy that trusts the ledger and its witness.
pub fn policy_text(origin: &str) -> String {
    let (log, witness) = (log_key(origin), witness_key());
    format!("log {}\nwitness council {}\nquorum council\n", log.verifier(), witness.verifier())
}

pub fn tree(entries: &[Vec<u8>]) -> Growth {
    Growth::new(&Frontier::default(), entries.iter().map(|entry| TreeHash::of_leaf(entry)))
}

impl State {
    /// Signed by the ledger, and by the witness when it is a kept one.
    pub fn checkpoint(&self, size: u64, kept: bool) -> SignedCheckpoint {
        let root = tree(&self.entries[..size as usize]).root();
        let checkpoint = Checkpoint::new(self.origin(), size, root).expect("an origin");
        let text = checkpoint.to_string();
        let seconds = NOW_MS as u64 / 1000 + size;
        let mut signatures = vec![log_key(&self.origin()).sign(&text, 0).expect("a checkpoint")];
        if kept {
            signatures.push(witness_key().sign(&text, seconds).expect("a checkpoint"));
        }
        SignedCheckpoint::new(checkpoint, signatures).expect("a note")
    }

    pub fn inclusion(&self, index: u64, size: u64, kept: bool) -> Result<proto::InclusionProof, Status> {
        if index >= size || size > self.entries.len() as u64 {
            return Err(Status::not_found("no such entry in that tree"));
        }
        let Ok(hashes): Result<_, Infallible> =
            inclusion_proof(&tree(&self.entries[..size as usize]), index, size);
        Ok(proto::InclusionProof {
            tree_size: size,
            hashes: hashes.iter().map(|hash| hash.as_bytes().to_vec()).collect(),
            checkpoint: self.checkpoint(size, kept).to_string(),
        })
    }

    /// The receipt of an entry.
    pub fn receipt(
        &self,
        index: u64,
        size: u64,
        repeated: bool,
        kept: bool,
    ) -> Result<proto::Receipt, Status> {
        let proof = self.inclusion(index, size, kept)?;
        let bytes = &self.entries[index as usize];
        let entry = Entry::decode(bytes).expect("own entry");
        Ok(proto::Receipt {
            entry_index: index,
            record_time_ms: entry.recorded.unix_ms(),
            chain_hash: ChainHash::of_entry(bytes).as_bytes().to_vec(),
            repeated,
            previous_chain_hash: entry.previous.as_bytes().to_vec(),
            proof: Some(proof),
        })
    }

    /// What an emitter is told, lies included.
    pub fn answer(&self, index: u64, repeated: bool) -> proto::Receipt {
        let size = self.entries.len() as u64;
        let mut answer = self.receipt(index, size, repeated, false).expect("it was recorded");
        let Some(proof) = &mut answer.proof else { return answer };
        match self.lie {
            None => {}
            Some(Lie::NoProof) => answer.proof = None,
            Some(Lie::OtherEntry) => answer.record_time_ms += 1,
            Some(Lie::OtherTree) => proof.hashes.push(vec![0; 32]),
            Some(Lie::OtherKey) => {
                let stranger = key(&self.origin(), Algorithm::Ed25519, 99);
                let honest = self.checkpoint(size, false);
                let signature = stranger.sign(honest.text(), 0).expect("a checkpoint");
                let forged = SignedCheckpoint::new(honest.checkpoint().clone(), vec![signature]);
                proof.checkpoint = forged.expect("a note").to_string();
            }
            Some(Lie::OtherHistory) => {
                let mut entries = self.entries.clone();
                entries[0] = b"another beginning".to_vec();
                let other = tree(&entries);
                let Ok(hashes): Result<_, Infallible> = inclusion_proof(&other, index, size);
                proof.hashes = hashes.iter().map(|hash| hash.as_bytes().to_vec()).collect();
                let checkpoint = Checkpoint::new(self.origin(), size, other.root()).expect("an origin");
                let signature = log_key(&self.origin()).sign(&checkpoint.to_string(), 0);
                let forged = SignedCheckpoint::new(checkpoint, vec![signature.expect("a checkpoint")]);
                proof.checkpoint = forged.expect("a note").to_string();
            }
        }
        answer
    }

    fn kept(&self, size: u64) -> proto::Checkpoint {
        let note = self.checkpoint(size, true);
        proto::Checkpoint {
            tree_size: size,
            root_hash: note.checkpoint().root().as_bytes().to_vec(),
            note: note.to_string(),
            sign_time_ms: NOW_MS,
            witnessed: true,
            timestamps: self.timestamps.clone(),
        }
    }

    fn index_of(&self, wanted: &proto::StatementRef) -> Result<u64, Status> {
        let is_it = |entry: &Vec<u8>| {
            let statement = Entry::decode(entry).expect("own entry").statement;
            let signers = ParsedStatement::parse(statement).expect("own statement").signers().to_vec();
            signers[0].key.as_bytes()[..] == wanted.key_id[..] && signers[0].sequence == wanted.sequence
        };
        let found = self.entries.iter().position(is_it);
        found.map(|index| index as u64).ok_or_else(|| Status::not_found("no such statement"))
    }
}

#[tonic::async_trait]
impl ProofService for Fake {
    async fn get_checkpoint(
        &self,
        request: Request<proto::GetCheckpointRequest>,
    ) -> Result<Response<proto::GetCheckpointResponse>, Status> {
        let wanted = request.into_inner().tree_size;
        let state = self.state();
        let size = if wanted == 0 { state.entries.len() as u64 } else { wanted };
        if size > state.entries.len() as u64 {
            return Err(Status::not_found("that checkpoint"));
        }
        Ok(Response::new(proto::GetCheckpointResponse { checkpoint: Some(state.kept(size)) }))
    }

    async fn list_checkpoints(
        &self,
        request: Request<proto::ListCheckpointsRequest>,
    ) -> Result<Response<proto::ListCheckpointsResponse>, Status> {
        let state = self.state();
        let all: Vec<_> = (1..=state.entries.len() as u64).rev().map(|size| state.kept(size)).collect();
        let (checkpoints, next_page_token) = page(&all, &request.into_inner().page_token);
        Ok(Response::new(proto::ListCheckpointsResponse { checkpoints, next_page_token }))
    }

    async fn get_inclusion_proof(
        &self,
        request: Request<proto::GetInclusionProofRequest>,
    ) -> Result<Response<proto::GetInclusionProofResponse>, Status> {
        use proto::get_inclusion_proof_request::Entry;
        let request = request.into_inner();
        let state = self.state();
        let entry_index = match request.entry {
            Some(Entry::EntryIndex(index)) => index,
            Some(Entry::Statement(wanted)) => state.index_of(&wanted)?,
            None => return Err(Status::invalid_argument("entry")),
        };
        let size = if request.tree_size == 0 { state.entries.len() as u64 } else { request.tree_size };
        let proof = Some(state.inclusion(entry_index, size, true)?);
        Ok(Response::new(proto::GetInclusionProofResponse { entry_index, proof }))
    }

    async fn get_consistency_proof(
        &self,
        request: Request<proto::GetConsistencyProofRequest>,
    ) -> Result<Response<proto::GetConsistencyProofResponse>, Status> {
        let request = request.into_inner();
        let state = self.state();
        let to_size = if request.to_size == 0 { state.entries.len() as u64 } else { request.to_size };
        if to_size > state.entries.len() as u64 || request.from_size > to_size {
            return Err(Status::invalid_argument("to_size"));
        }
        let Ok(hashes): Result<_, Infallible> =
            consistency_proof(&tree(&state.entries[..to_size as usize]), request.from_size, to_size);
        Ok(Response::new(proto::GetConsistencyProofResponse {
            from_size: request.from_size,
            to_size,
            hashes: hashes.iter().map(|hash| hash.as_bytes().to_vec()).collect(),
        }))
    }

    async fn get_receipt(
        &self,
        request: Request<proto::GetReceiptRequest>,
    ) -> Result<Response<proto::GetReceiptResponse>, Status> {
        use proto::get_receipt_request::Entry;
        let request = request.into_inner();
        let mut state = self.state();
        if state.unpublished > 0 {
            state.unpublished -= 1;
            return Err(Status::unavailable("no checkpoint is signed yet"));
        }
        let index = match request.entry {
            Some(Entry::EntryIndex(index)) => index,
            Some(Entry::Statement(wanted)) => state.index_of(&wanted)?,
            None => return Err(Status::invalid_argument("entry")),
        };
        let size = if request.tree_size == 0 { state.entries.len() as u64 } else { request.tree_size };
        let receipt = state.receipt(index, size, true, true)?;
        let entry = state.entries[index as usize].clone();
        Ok(Response::new(proto::GetReceiptResponse { receipt: Some(receipt), entry }))
    }

    async fn seal_ledger(
        &self,
        _: Request<proto::SealLedgerRequest>,
    ) -> Result<Response<proto::SealLedgerResponse>, Status> {
        let state = self.state();
        let size = state.entries.len() as u64;
        let last = size.checked_sub(1).ok_or_else(|| Status::failed_precondition("nothing to seal"))?;
        let receipt = Some(state.receipt(last, size, false, false)?);
        Ok(Response::new(proto::SealLedgerResponse { receipt }))
    }

    async fn publish_checkpoint(
        &self,
        _: Request<proto::PublishCheckpointRequest>,
    ) -> Result<Response<proto::PublishCheckpointResponse>, Status> {
        let state = self.state();
        let checkpoint = Some(state.kept(state.entries.len() as u64));
        Ok(Response::new(proto::PublishCheckpointResponse { checkpoint }))
    }
}
