//! Where the time of recording comes from.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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

/// Notices when the machine's clock is set: it is held against one that only goes forward.
#[derive(Debug)]
pub struct ClockWatch {
    /// Both at the last look.
    last: (Instant, Duration),
}

/// The clock was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockStep {
    /// What it would have shown.
    pub expected: Instant,
    /// What it showed.
    pub found: Instant,
}

impl ClockWatch {
    /// What a clock may be out by between two looks without having been set: it is slewed by far less, and a leap second
    /// is one.
    pub const TOLERANCE_MS: i64 = 5_000;

    /// Begins with the time of the last entry, and the first look. A clock that shows less has gone back meanwhile.
    pub fn start(recorded: Instant, wall: Instant, steady: Duration) -> (Self, Option<ClockStep>) {
        let back = recorded.unix_ms() - wall.unix_ms() > Self::TOLERANCE_MS;
        let step = ClockStep { expected: recorded, found: wall };
        (Self { last: (wall, steady) }, back.then_some(step))
    }

    /// Looks again, at both clocks.
    pub fn look(&mut self, wall: Instant, steady: Duration) -> Option<ClockStep> {
        let (before, since) = std::mem::replace(&mut self.last, (wall, steady));
        let passed = i64::try_from(steady.saturating_sub(since).as_millis()).unwrap_or(i64::MAX);
        let expected = before.plus_ms(passed);
        let off = (wall.unix_ms() - expected.unix_ms()).abs();
        (off > Self::TOLERANCE_MS).then_some(ClockStep { expected, found: wall })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Instant {
        Instant::parse("2021-04-01T09:00").expect("a time").plus_ms(seconds * 1_000)
    }

    #[test]
    fn a_clock_that_is_set_is_noticed_once_and_one_that_is_slewed_is_not() {
        let seconds = Duration::from_secs;
        let (mut watch, back) = ClockWatch::start(at(0), at(60), seconds(100));
        assert_eq!(back, None);
        assert_eq!(watch.look(at(70), seconds(110)), None);
        // A leap second, and a little of slewing.
        assert_eq!(watch.look(at(81), seconds(120)), None);
        let ahead = watch.look(at(91 + 3_600), seconds(130));
        assert_eq!(ahead, Some(ClockStep { expected: at(91), found: at(91 + 3_600) }));
        assert_eq!(watch.look(at(101 + 3_600), seconds(140)), None);
        let back = watch.look(at(111), seconds(150));
        assert_eq!(back, Some(ClockStep { expected: at(111 + 3_600), found: at(111) }));
    }

    #[test]
    fn a_clock_behind_the_last_entry_is_noticed_at_the_start() {
        let (_, step) = ClockWatch::start(at(600), at(0), Duration::ZERO);
        assert_eq!(step, Some(ClockStep { expected: at(600), found: at(0) }));
        assert_eq!(ClockWatch::start(at(4), at(0), Duration::ZERO).1, None);
    }
}
