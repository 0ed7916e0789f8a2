//! Load that notes what was acknowledged, and whether it is still there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use daicho_client::{Client, EmitStream, Emitter, Recorded, Retry};
use daicho_core::{ChainHash, Entry};
use futures::TryStreamExt as _;

use crate::{Play, collected};

/// Acknowledged entries with their chain hashes. Clones note into one list.
#[derive(Debug, Clone, Default)]
pub struct Acknowledged(Arc<Mutex<BTreeMap<u64, Vec<u8>>>>);

impl Acknowledged {
    /// How many.
    pub fn count(&self) -> usize {
        self.list().len()
    }

    /// Notes a receipt.
    pub fn note(&self, receipt: &Recorded) {
        self.list().insert(receipt.entry_index, receipt.chain_hash.clone());
    }

    /// Notes all of another list.
    pub fn extend(&self, other: &Self) {
        let other = other.list().clone();
        self.list().extend(other);
    }

    /// Sends statements with many in flight and notes each acknowledgement, until it is cut off.
    ///
    /// # Errors
    /// When the server is gone or refuses.
    pub async fn load(self, address: String, round: usize) -> anyhow::Result<()> {
        let emitter = Emitter::new(Client::connect(&address).await?, Play::contractor_key()).await?;
        let emitter = emitter.with_retry(Retry { attempts: 1, ..Retry::default() });
        let now = emitter.ledger_now().await?;
        let mut stream: EmitStream = emitter.into_stream(64).await?;
        for n in 0..1_000_000 {
            stream.send(vec![collected(now, &format!("r{round}-{n}"))]).await?;
            while let Some(answer) = stream.try_next() {
                self.note(&answer.result?);
            }
        }
        Ok(())
    }

    /// Those that are gone or have changed.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn lost(&self, client: &Client) -> anyhow::Result<Vec<u64>> {
        let mut missing = self.list().clone();
        let Some(first) = missing.keys().next().copied() else { return Ok(Vec::new()) };
        let mut entries = std::pin::pin!(client.read_entries(first, 0).await?);
        let mut index = first;
        while let Some(bytes) = entries.try_next().await? {
            let same = |chain: &Vec<u8>| ChainHash::of_entry(&bytes).as_bytes()[..] == chain[..];
            if Entry::decode(&bytes).is_ok_and(|e| e.index.get() == index)
                && missing.get(&index).is_some_and(same)
            {
                missing.remove(&index);
            }
            index += 1;
        }
        Ok(missing.into_keys().collect())
    }

    fn list(&self) -> MutexGuard<'_, BTreeMap<u64, Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
