//! Founding a ledger: a data folder whose entry 0 says what the ledger is.

use std::path::Path;

use daicho_core::proto::event::Fact;
use daicho_core::{
    ChainHash, Entry, EntryIndex, Instant, LedgerSize, Origin, ParsedStatement, PublicKey, SigningKey, proto,
    sign_statement,
};
use daicho_custody::{FOLD_VERSION, Fold, FoldError, state::MemoryState};
use daicho_store::{Commit, Head, StatementRow, Store};
use daicho_tlog::TreeHash;
use daicho_tlog::merkle::{Frontier, Growth};

use crate::EngineError;

/// What entry 0 says.
#[derive(Debug)]
pub struct Founding<'k> {
    /// Name of the ledger. Ends in `/simulated` exactly when the clock is simulated.
    pub origin: Origin,
    /// Party that runs the ledger.
    pub operator: (String, String),
    /// Its key, which signs entry 0.
    pub operator_key: &'k SigningKey,
    /// The ward (甲).
    pub ward: (String, String),
    /// Its first key.
    pub ward_key: PublicKey,
    /// C2SP verifier keys, under the origin name, of the keys that sign checkpoints.
    pub checkpoint_keys: Vec<String>,
    /// Time of entry 0.
    pub at: Instant,
}

/// Makes a ledger in a new or empty folder.
///
/// If the process dies on the way, the folder holds a ledger without entries, which does not start; delete it.
///
/// # Errors
/// When the folder holds a ledger, the disk fails, or an id or label is not accepted.
pub fn found(path: &Path, founding: &Founding<'_>) -> Result<ChainHash, EngineError> {
    let entry = entry_zero(founding);
    let parsed = ParsedStatement::parse(entry.statement.clone())?;
    let public = founding.operator_key.public();
    let key = public.to_verifying_key();
    let checked = parsed.check(founding.origin.as_str(), |id| key.as_ref().filter(|_| *id == public.id()))?;
    let changes = match Fold::default().apply(&MemoryState::new(), &checked, entry.place()) {
        Ok(changes) => changes,
        Err(FoldError::Refused(refusal)) => return Err(refusal.into()),
        Err(FoldError::State(error)) => return Err(error.into()),
    };
    let store = Store::create(path, &founding.origin)?;
    let bytes = entry.encode();
    let row = StatementRow { entry: entry.index, hash: checked.signed_hash() };
    let mut commit = Commit::default();
    store.add(&mut commit, entry.index, &bytes, &[(checked.id(), row)], &changes);
    let growth = Growth::new(&Frontier::default(), [TreeHash::of_leaf(&bytes)]);
    store.add_tiles(&mut commit, &growth)?;
    let head = Head {
        size: LedgerSize::new(1),
        chain: ChainHash::of_entry(&bytes),
        recorded: entry.recorded,
        root: growth.root(),
        custody: changes.digest(&[0; 32]),
    };
    store.commit(commit, &head)?;
    Ok(head.chain)
}

fn entry_zero(founding: &Founding<'_>) -> Entry {
    let clock = if founding.origin.is_simulated() { proto::Clock::Simulated } else { proto::Clock::System };
    let opened = proto::LedgerOpened {
        origin: founding.origin.to_string(),
        clock: clock as i32,
        fold_version: FOLD_VERSION,
        operator_party: founding.operator.0.clone(),
        operator_key: Some(founding.operator_key.public().to_proto()),
        ward_party: founding.ward.0.clone(),
        operator_label: founding.operator.1.clone(),
        ward_label: founding.ward.1.clone(),
        ward_key: Some(founding.ward_key.to_proto()),
    };
    let named = proto::CheckpointKeysNamed { keys: founding.checkpoint_keys.clone() };
    let events = [Fact::LedgerOpened(opened), Fact::CheckpointKeysNamed(named)].map(|fact| proto::Event {
        occur_time_ms: founding.at.unix_ms(),
        fact: Some(fact),
        ..Default::default()
    });
    Entry {
        index: EntryIndex::new(0),
        recorded: founding.at,
        previous: ChainHash::of_origin(&founding.origin),
        statement: sign_statement(founding.origin.as_str(), &[(founding.operator_key, 1)], events.into()),
    }
}
