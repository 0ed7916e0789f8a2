//! A dishonest operator: rewrites one entry and signs everything anew with its real keys.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context as _, ensure};
use daicho_core::proto::event::Fact;
use daicho_core::{
    ChainHash, Entry, EntryIndex, KeyId, LedgerSize, Origin, ParsedStatement, PublicKey, SigningKey,
    VerifyingKey, proto, sign_statement,
};
use daicho_custody::Fold;
use daicho_custody::state::MemoryState;
use daicho_engine::FileGuard;
use daicho_store::{Commit, Head, StatementRow, Store};
use daicho_tlog::merkle::{Frontier, Growth};
use daicho_tlog::{Checkpoint, TreeHash};

/// Takes what the operator of the ledger below `folder` signs and serves with to a folder that is made.
///
/// # Errors
/// When a file cannot be read or written.
pub fn take_keys(folder: &Path, forged: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(forged.join("data.tls"))?;
    let certificate = ["data.tls/ca.pem", "data.tls/server.pem", "data.tls/server.key"];
    for file in ["operator.pem", "ward.pem", "data.checkpoint-key"].into_iter().chain(certificate) {
        std::fs::copy(folder.join(file), forged.join(file))?;
    }
    Ok(())
}

/// Writes a copy of the ledger in `data` to `forged` in which the events of entry `at` happened a day earlier.
///
/// The operator cannot sign for the party that said it, so it signs the altered statement itself. Every later entry is
/// chained anew, the operator's seals are signed anew, tree, index and state are those of the new entries, and the
/// fork guard beside the folder (`.guard`) is renewed: `daichod serve` starts on it and signs its checkpoints.
///
/// # Errors
/// When a file cannot be read or written, or the ledger holds no such entry.
pub fn rewrite(data: &Path, forged: &Path, at: u64, operator: &SigningKey) -> anyhow::Result<()> {
    let old = Store::open_read_only(data)?;
    let size = old.head()?.size.get();
    ensure!(at > 0 && at < size, "entry {at} of {size}");
    let first = Entry::decode(&old.entry(EntryIndex::new(0))?.context("entry 0")?)?;
    let opened = ParsedStatement::parse(first.statement)?;
    let origin = Origin::new(&opened.body().ledger_origin).context("the origin")?;
    let mut forger = Forger {
        store: Store::create(forged, &origin)?,
        head: Head {
            size: LedgerSize::new(0),
            chain: ChainHash::of_origin(&origin),
            recorded: first.recorded,
            root: TreeHash::of_empty(),
            custody: [0; 32],
        },
        frontier: Frontier::default(),
        fold: Fold::default(),
        state: MemoryState::new(),
        keys: HashMap::new(),
        origin,
    };
    // A number that the operator has not used yet.
    let mut spare = 1_000_000_000;
    for index in 0..size {
        let mut entry =
            Entry::decode(&old.entry(EntryIndex::new(index))?.with_context(|| format!("entry {index}"))?)?;
        let parsed = ParsedStatement::parse(entry.statement.clone())?;
        let mut events = parsed.body().events.clone();
        if index == at {
            for event in &mut events {
                event.occur_time_ms -= 86_400_000;
            }
            entry.statement = sign_statement(forger.origin.as_str(), &[(operator, spare)], events);
            spare += 1;
        } else if let [proto::Event { fact: Some(Fact::Sealed(seal)), .. }] = &mut events[..] {
            seal.chain_hash = forger.head.chain.as_bytes().to_vec();
            let number = parsed.signers()[0].sequence;
            entry.statement = sign_statement(forger.origin.as_str(), &[(operator, number)], events);
        }
        entry.previous = forger.head.chain;
        forger.write(&entry)?;
    }
    let Forger { head, origin, .. } = forger;
    let signed = Checkpoint::new(origin.as_str(), head.size.get(), head.root)?;
    Ok(FileGuard::open(&forged.with_extension("guard"))?.renew(&signed)?)
}

struct Forger {
    store: Store,
    head: Head,
    frontier: Frontier,
    fold: Fold,
    state: MemoryState,
    keys: HashMap<KeyId, VerifyingKey>,
    origin: Origin,
}

impl Forger {
    /// Writes an entry as the next one, with its place in tree and index. What the rules of custody refuse leaves no
    /// trace in the state: an honest server would never have written it.
    fn write(&mut self, entry: &Entry) -> anyhow::Result<()> {
        let bytes = entry.encode();
        let parsed = ParsedStatement::parse(entry.statement.clone())?;
        for event in &parsed.body().events {
            match &event.fact {
                Some(Fact::LedgerOpened(e)) => {
                    self.learn(e.operator_key.as_ref());
                    self.learn(e.ward_key.as_ref());
                }
                Some(Fact::KeyAuthorized(e)) => self.learn(e.key.as_ref()),
                _ => {}
            }
        }
        let keys = &self.keys;
        let checked = parsed.check(self.origin.as_str(), |id| keys.get(id))?;
        let changes = self.fold.apply(&self.state, &checked, entry.place()).unwrap_or_default();
        let row = StatementRow { entry: entry.index, hash: checked.signed_hash() };
        let rows: Vec<_> = checked.signers().iter().map(|id| (*id, row)).collect();
        let growth = Growth::new(&self.frontier, [TreeHash::of_leaf(&bytes)]);
        let mut commit = Commit::default();
        self.store.add(&mut commit, entry.index, &bytes, &rows, &changes);
        self.store.add_tiles(&mut commit, &growth)?;
        self.head = Head {
            size: LedgerSize::new(entry.index.get() + 1),
            chain: ChainHash::of_entry(&bytes),
            recorded: entry.recorded,
            root: growth.root(),
            custody: changes.digest(&self.head.custody),
        };
        self.frontier = growth.frontier();
        self.state.apply(changes);
        Ok(self.store.commit(commit, &self.head)?)
    }

    fn learn(&mut self, key: Option<&proto::PublicKey>) {
        if let Some(public) = key.and_then(PublicKey::from_proto)
            && let Some(ready) = public.to_verifying_key()
        {
            self.keys.insert(public.id(), ready);
        }
    }
}
