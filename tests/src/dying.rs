//! Programs that die at a durable step. What was written and not synced stays, as after a SIGKILL; what no disk has kept is
//! for the refused and deadly syncs of `torture`.

use std::sync::atomic::{AtomicU64, Ordering};

/// Set to a number: a program that calls [`die_at_step`] dies at that durable step, counted from its start.
pub const DIE_AT_STEP: &str = "DAICHO_DIE_AT_STEP";

static LEFT: AtomicU64 = AtomicU64::new(0);

/// What such a program says last.
pub const DEATH: &str = "dies at a durable step";

/// Has this process die at the durable step that the environment names, if it names one.
pub fn die_at_step() {
    let Some(step) = std::env::var(DIE_AT_STEP).ok().and_then(|step| step.parse().ok()) else { return };
    LEFT.store(step, Ordering::SeqCst);
    daicho_core::watch_durable_steps(|| {
        if LEFT.fetch_sub(1, Ordering::SeqCst) == 1 {
            eprintln!("{DEATH}");
            // At once: no destructor runs, no buffer is written.
            std::process::abort();
        }
    });
}
