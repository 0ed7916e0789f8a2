//! Shares of the server: no party's statements fill the queue or come faster than the others can bear, however many
//! connections it has.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use daicho_core::{KeyId, Refusal, RefusalCode, proto};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How much a party that was quiet may send at once: as much as it may within this time.
const BURST: Duration = Duration::from_millis(250);
/// What one key may take of its party's pace, as a fraction: no system of a party takes all of it from the others.
const OF_ONE_KEY: (u32, u32) = (3, 4);
/// How many lists and reports of one party are computed at a time.
const LOOKS: usize = 2;
/// How many streams of entries one party has at a time.
const STREAMS: usize = 64;
/// Longest time that a single call waits for its turn.
const LONGEST_TURN: Duration = Duration::from_secs(1);

/// What each party may have between arrival and disk, and how fast.
pub(crate) struct Shares {
    kib: u32,
    /// Time of one statement; zero: no limit.
    pace: Duration,
    /// As many as there are parties that ever called.
    of: Mutex<HashMap<Arc<str>, Arc<Allowance>>>,
}

/// What a party has, over all its connections.
struct Allowance {
    room: Arc<Semaphore>,
    looks: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    turns: Turns,
    /// As many as the party has keys that ever called.
    keys: Mutex<HashMap<KeyId, Arc<Turns>>>,
}

/// When the next statement may come.
struct Turns(Mutex<Instant>);

/// The share of one party. Without a limit for whoever is on this machine.
#[derive(Clone)]
pub(crate) struct Share {
    allowance: Option<Arc<Allowance>>,
    /// Of the key that is behind the connection.
    key: Option<Arc<Turns>>,
    kib: u32,
    pace: Duration,
}

impl Shares {
    /// With so many KiB for each party, and so many statements a second (0: no limit).
    pub(crate) fn new(kib: u32, rate: u32) -> Self {
        let pace = Duration::from_secs(1).checked_div(rate).unwrap_or_default();
        Self { kib, pace, of: Mutex::default() }
    }

    pub(crate) fn of(&self, party: &Arc<str>, key: Option<KeyId>) -> Share {
        let now = Instant::now();
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Allowance::new(self.kib as usize, Turns::new(now)));
        let allowance = Arc::clone(of.entry(Arc::clone(party)).or_insert_with(new));
        drop(of);
        let key = key.map(|key| {
            let mut keys = allowance.keys.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(keys.entry(key).or_insert_with(|| Arc::new(Turns::new(now))))
        });
        Share { allowance: Some(allowance), key, kib: self.kib, pace: self.pace }
    }
}

impl Turns {
    /// Of somebody who was quiet until `now`.
    fn new(now: Instant) -> Self {
        Self(Mutex::new(now.checked_sub(BURST).unwrap_or(now)))
    }

    /// How long the next statements wait for their turn.
    fn wait(&self, now: Instant) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).saturating_duration_since(now)
    }

    /// The next turn is taken.
    fn book(&self, now: Instant, cost: Duration) {
        let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *next = (*next).max(now.checked_sub(BURST).unwrap_or(now)) + cost;
    }
}

impl Allowance {
    fn new(kib: usize, turns: Turns) -> Self {
        let of = |places| Arc::new(Semaphore::new(places));
        Self { room: of(kib), looks: of(LOOKS), streams: of(STREAMS), turns, keys: Mutex::default() }
    }
}

impl Share {
    /// The share of whoever needs none.
    pub(crate) fn unlimited() -> Self {
        Self { allowance: None, key: None, kib: 0, pace: Duration::ZERO }
    }

    /// Whether it is made to wait for its turn.
    pub(crate) fn is_paced(&self) -> bool {
        self.allowance.is_some() && !self.pace.is_zero()
    }

    /// Waits until it is the turn of these statements and they fit.
    pub(crate) async fn wait(&self, statements: &[proto::SignedStatement]) -> Option<OwnedSemaphorePermit> {
        let allowance = self.allowance.as_ref()?;
        if let Some(wait) = self.turn(Instant::now(), statements.len() as u32, Duration::MAX) {
            tokio::time::sleep(wait).await;
        }
        // It is never closed.
        Arc::clone(&allowance.room).acquire_many_owned(self.wanted(statements)).await.ok()
    }

    /// Takes room for a statement, when it is its turn.
    ///
    /// # Errors
    /// [`RefusalCode::QueueFull`] when there is none, or its turn would not come soon.
    pub(crate) async fn take(
        &self,
        statement: &proto::SignedStatement,
    ) -> Result<Option<OwnedSemaphorePermit>, Refusal> {
        let Some(allowance) = &self.allowance else { return Ok(None) };
        let full = || {
            let text = "your party has its share of the server; wait for answers, or send on one stream";
            Refusal::new(RefusalCode::QueueFull, text)
        };
        let wait = self.turn(Instant::now(), 1, LONGEST_TURN).ok_or_else(full)?;
        tokio::time::sleep(wait).await;
        let wanted = self.wanted(std::slice::from_ref(statement));
        Arc::clone(&allowance.room).try_acquire_many_owned(wanted).map(Some).map_err(|_| full())
    }

    /// How long so many statements wait for the turn of their key and of their party, or `None` when that is too long. They
    /// have it then.
    fn turn(&self, now: Instant, statements: u32, longest: Duration) -> Option<Duration> {
        let cost = self.pace.saturating_mul(statements);
        let party = &self.allowance.as_ref()?.turns;
        let wait = self.key.as_ref().map_or(Duration::ZERO, |key| key.wait(now)).max(party.wait(now));
        if wait > longest {
            return None;
        }
        party.book(now, cost);
        if let Some(key) = &self.key {
            key.book(now, cost * OF_ONE_KEY.1 / OF_ONE_KEY.0);
        }
        Some(wait)
    }

    /// Waits until one more list or report of this party may be computed. Its place is free when this is dropped.
    pub(crate) async fn look(&self) -> Option<OwnedSemaphorePermit> {
        // It is never closed.
        Arc::clone(&self.allowance.as_ref()?.looks).acquire_owned().await.ok()
    }

    /// Takes a place for a stream of entries. Its place is free when this is dropped.
    ///
    /// # Errors
    /// How many there are, when all are taken.
    pub(crate) fn stream(&self) -> Result<Option<OwnedSemaphorePermit>, usize> {
        let Some(allowance) = &self.allowance else { return Ok(None) };
        Arc::clone(&allowance.streams).try_acquire_owned().map(Some).map_err(|_| STREAMS)
    }

    fn wanted(&self, statements: &[proto::SignedStatement]) -> u32 {
        let kib: usize = statements.iter().map(|s| s.statement.len() / 1024 + 1).sum();
        u32::try_from(kib).unwrap_or(u32::MAX).min(self.kib)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn connections_of_a_party_share_and_parties_do_not() {
        let shares = Shares::new(2, 0);
        let (one, two): (Arc<str>, Arc<str>) = ("one".into(), "two".into());
        let small = proto::SignedStatement::default();
        let (first, second) = (shares.of(&one, None), shares.of(&one, None));
        let held = [first.take(&small).await.expect("room"), second.take(&small).await.expect("room")];
        let refused = first.take(&small).await.expect_err("no room").code;
        assert_eq!(refused, RefusalCode::QueueFull);
        assert!(shares.of(&two, None).take(&small).await.is_ok());
        drop(held);
        // More than a share at once is taken when the whole share is free.
        let many = vec![small.clone(); 5];
        let all = second.wait(&many).await.expect("room");
        assert!(first.take(&small).await.is_err());
        drop(all);
        assert!(first.take(&small).await.is_ok());
        assert!(Share::unlimited().wait(&many).await.is_none());
    }

    #[tokio::test]
    async fn a_party_computes_two_lists_at_a_time_and_others_do_not_wait() {
        let shares = Shares::new(2, 0);
        let (one, two): (Arc<str>, Arc<str>) = ("one".into(), "two".into());
        let mut held = Vec::new();
        for _ in 0..LOOKS {
            held.push(shares.of(&one, None).look().await.expect("a place"));
        }
        let share = shares.of(&one, None);
        let mut third = Box::pin(share.look());
        assert!(futures::poll!(&mut third).is_pending());
        assert!(shares.of(&two, None).look().await.is_some());
        held.pop();
        assert!(third.await.is_some());
        let streams: Vec<_> =
            (0..STREAMS).map(|_| shares.of(&one, None).stream().expect("a place")).collect();
        assert_eq!(shares.of(&one, None).stream().expect_err("all are taken"), STREAMS);
        assert!(shares.of(&two, None).stream().is_ok());
        drop(streams);
        assert!(shares.of(&one, None).stream().is_ok());
    }

    #[test]
    fn one_key_leaves_something_of_the_pace_to_the_others_of_its_party() {
        let shares = Shares::new(2, 100);
        let party: Arc<str> = "one".into();
        let [busy, other] = [1, 2].map(|n| shares.of(&party, KeyId::from_slice(&[n; KeyId::LEN])));
        let start = Instant::now() + Duration::from_secs(60);
        // In ten seconds the busy one takes what it can get at once; the other one asks every tenth of a second.
        let (mut taken, mut waited) = (0, Duration::ZERO);
        for at in (0..10_000).map(|ms| start + Duration::from_millis(ms)) {
            while busy.turn(at, 1, Duration::ZERO).is_some() {
                taken += 1;
            }
            if (at - start).as_millis() % 100 == 99 {
                waited = waited.max(other.turn(at, 1, Duration::MAX).expect("a turn"));
            }
        }
        // A second's worth is a hundred; three quarters of ten seconds and of the burst.
        assert!((740..=775).contains(&taken), "{taken}");
        assert!(waited <= Duration::from_millis(10), "{waited:?}");
        // Two busy keys have the party's whole pace and no more.
        let both: u32 = (0..10_000)
            .map(|ms| start + Duration::from_secs(100) + Duration::from_millis(ms))
            .map(|at| [&busy, &other].map(|key| u32::from(key.turn(at, 1, Duration::ZERO).is_some())))
            .map(|[a, b]| a + b)
            .sum();
        assert!((1_000..=1_030).contains(&both), "{both}");
    }

    #[test]
    fn a_party_goes_at_its_pace_after_a_burst() {
        let ms = Duration::from_millis;
        let now = Instant::now() + Duration::from_secs(60);
        let turns = Turns(Mutex::new(now));
        let turn = |at: u64, n: u32, longest| {
            let wait = turns.wait(now + ms(at));
            (wait <= longest).then(|| turns.book(now + ms(at), ms(10) * n)).map(|()| wait)
        };
        assert_eq!(turn(0, 1, ms(5)), Some(ms(0)));
        assert_eq!(turn(0, 1, ms(5)), None, "it would wait too long, and has not taken its turn");
        assert_eq!(turn(0, 3, ms(10)), Some(ms(10)));
        assert_eq!(turn(0, 1, ms(100)), Some(ms(40)));
        // Quiet for long: the burst, and no more.
        assert_eq!(turn(9_000, 25, ms(0)), Some(ms(0)));
        assert_eq!(turn(9_000, 1, ms(0)), Some(ms(0)));
        assert_eq!(turn(9_000, 1, ms(100)), Some(ms(10)));
    }
}
