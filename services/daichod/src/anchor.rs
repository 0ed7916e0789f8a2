//! What makes a checkpoint hold outside of this server: it is kept, and others say that they saw it.

use std::sync::Arc;
use std::time::Duration;

use daicho_core::LedgerSize;
use daicho_engine::Engine;
use daicho_store::{CheckpointRow, StoreError};
use tokio::sync::Mutex;

/// Keeps checkpoints, one for each publication interval.
pub(crate) struct Anchors {
    engine: Arc<Engine>,
    /// One publication at a time.
    publishing: Mutex<()>,
}

impl Anchors {
    pub(crate) fn new(engine: Arc<Engine>) -> Arc<Self> {
        Arc::new(Self { engine, publishing: Mutex::new(()) })
    }

    /// Publishes at every interval, and has the ledger sealed when that is due. Runs until it is dropped.
    pub(crate) async fn run(self: Arc<Self>, every: Duration) {
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.engine.seal_when_due();
            if let Err(error) = Arc::clone(&self).publish(false).await {
                tracing::error!(%error, "the checkpoint could not be kept");
            }
        }
    }

    /// Keeps the newest checkpoint and returns it.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) async fn publish(
        self: Arc<Self>,
        _now: bool,
    ) -> Result<(LedgerSize, CheckpointRow), StoreError> {
        let _one_at_a_time = self.publishing.lock().await;
        let mut newest = self.engine.published();
        // There is one as soon as the publisher thread has run once.
        let newest = match newest.wait_for(Option::is_some).await {
            Ok(newest) => newest.clone(),
            Err(_) => None,
        };
        let newest = newest.ok_or_else(|| StoreError::Damaged("the publisher has stopped".into()))?;
        let size = LedgerSize::new(newest.size);
        let store = Arc::clone(self.engine.store());
        let kept = tokio::task::spawn_blocking(move || -> Result<CheckpointRow, StoreError> {
            if let Some(row) = store.checkpoint(size)? {
                return Ok(row);
            }
            let row = CheckpointRow {
                note: newest.note.to_string(),
                signed_ms: newest.signed_ms,
                witnessed: false,
                timestamps: Vec::new(),
            };
            store.keep_checkpoint(size, &row)?;
            Ok(row)
        });
        let row = kept.await.map_err(|error| StoreError::Damaged(error.to_string()))??;
        Ok((size, row))
    }
}
