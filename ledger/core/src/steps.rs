//! Places at which a process can be made to die: before and after each write that must last.

use std::sync::OnceLock;

static WATCHER: OnceLock<fn()> = OnceLock::new();

/// Marks a place right before or right after something reaches the disk. Nothing happens there unless the program watches.
pub fn durable_step() {
    if let Some(watcher) = WATCHER.get() {
        watcher();
    }
}

/// Has a function called at each durable step of this process. For the programs of the tests, which die there: those that are
/// installed never call it. The first watcher stays.
pub fn watch_durable_steps(watcher: fn()) {
    let _ = WATCHER.set(watcher);
}
