//! How often and how long to wait before the same bytes are sent again.

use std::time::Duration;

use crate::ClientError;

/// Exponential backoff with jitter and a bounded number of attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Longest wait before the second attempt. It doubles with each further one. Default: 100 ms.
    pub first: Duration,
    /// Longest wait of all. Default: 10 s.
    pub longest: Duration,
    /// Most attempts, the first one included; at least 1. A stream counts them anew after each answer. Default: 8.
    pub attempts: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Self { first: Duration::from_millis(100), longest: Duration::from_secs(10), attempts: 8 }
    }
}

impl Retry {
    /// The wait after `failures` failed attempts (from 1): half of it fixed, the other half by `random`,
    /// so that clients that failed together do not come back together.
    pub fn delay(&self, failures: u32, random: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(20);
        let ceiling = self.first.saturating_mul(1 << doublings).min(self.longest);
        ceiling / 2 + (ceiling / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
    }

    /// Waits after a failure.
    pub(crate) async fn pause(&self, failures: u32) -> Result<(), ClientError> {
        let random = getrandom::u32().map_err(|_| ClientError::NoRandomness)?;
        tokio::time::sleep(self.delay(failures, random)).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_never_overflow() {
        let retry = Retry { first: Duration::from_millis(100), longest: Duration::from_secs(1), attempts: 9 };
        let longest: Vec<_> = (1..=6).map(|n| retry.delay(n, u32::MAX).as_millis()).collect();
        assert_eq!(longest, [100, 200, 400, 800, 1000, 1000]);
        assert_eq!(retry.delay(u32::MAX, u32::MAX), Duration::from_secs(1));
        let endless = Retry { first: Duration::MAX, longest: Duration::MAX, attempts: 1 };
        assert!(endless.delay(30, 0) <= Duration::MAX);
    }

    #[test]
    fn jitter_stays_within_the_upper_half() {
        let retry = Retry::default();
        for random in [0, 1, u32::MAX / 2, u32::MAX] {
            let wait = retry.delay(1, random);
            assert!((Duration::from_millis(50)..=Duration::from_millis(100)).contains(&wait), "{wait:?}");
        }
    }
}
