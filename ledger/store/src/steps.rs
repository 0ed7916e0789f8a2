//! Places at which a loss of power is played: before and after each write that must last.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Set to a number by `make torture`: the process dies at that durable step, counted from its start.
const VARIABLE: &str = "DAICHO_DIE_AT_STEP";

static LEFT: LazyLock<Option<AtomicU64>> =
    LazyLock::new(|| Some(AtomicU64::new(std::env::var(VARIABLE).ok()?.parse().ok()?)));

/// Marks a place right before or right after something reaches the disk. Does nothing unless a test asked for a death.
pub fn durable_step() {
    if let Some(left) = &*LEFT
        && left.fetch_sub(1, Ordering::SeqCst) == 1
    {
        // At once: no destructor runs, no buffer is written.
        std::process::abort();
    }
}
