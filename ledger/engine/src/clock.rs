//! Where the time of recording comes from.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use daicho_core::Instant;

/// A clock. It may stand still or go back; the writer never lets recorded time go back.
pub trait Clock: Send + Sync {
    /// The present time.
    fn now(&self) -> Instant;
}

/// The machine's clock.
#[derive(Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        let ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
        Instant::from_unix_ms(ms).unwrap_or(Instant::MAX)
    }
}

/// A clock that stands still until it is moved (模擬). For demonstrations and tests only.
#[derive(Debug)]
pub struct SimulatedClock(AtomicI64);

impl SimulatedClock {
    /// A clock that stands at `start`.
    pub fn new(start: Instant) -> Self {
        Self(AtomicI64::new(start.unix_ms()))
    }

    /// Moves it forward. `false` when `to` lies in its past.
    pub fn advance(&self, to: Instant) -> bool {
        self.0.fetch_max(to.unix_ms(), Ordering::SeqCst) <= to.unix_ms()
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Instant {
        Instant::from_unix_ms(self.0.load(Ordering::SeqCst)).unwrap_or(Instant::MAX)
    }
}
