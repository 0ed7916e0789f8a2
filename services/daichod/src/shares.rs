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
/// How many streams one party reads at a time, and on how many it records.
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
    reading: Arc<Semaphore>,
    recording: Arc<Semaphore>,
    turns: Turns,
    /// Of its single calls that read: whoever asks much records as before.
    asking: Turns,
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
        let new = || Arc::new(Allowance::new(self.kib as usize, now));
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

    /// How long the next statements wait for their turn, or `None` when that is too long. They have it then.
    fn take(&self, now: Instant, cost: Duration, longest: Duration) -> Option<Duration> {
        let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let from = (*next).max(now.checked_sub(BURST).unwrap_or(now));
        let wait = from.saturating_duration_since(now);
        if wait > longest {
            return None;
        }
        *next = from + cost;
        Some(wait)
    }
}

impl Allowance {
    fn new(kib: usize, now: Instant) -> Self {
        let of = |places| Arc::new(Semaphore::new(places));
        Self {
            room: of(kib),
            looks: of(LOOKS),
            reading: of(STREAMS),
            recording: of(STREAMS),
            turns: Turns::new(now),
            asking: Turns::new(now),
            keys: Mutex::default(),
        }
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
        self.turn(statements.len() as u32, Duration::MAX).await;
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
        self.turn(1, LONGEST_TURN).await.ok_or_else(full)?;
        let wanted = self.wanted(std::slice::from_ref(statement));
        Arc::clone(&allowance.room).try_acquire_many_owned(wanted).map(Some).map_err(|_| full())
    }

    /// Waits for the turn of the key, then for that of its party. `None`: it would take too long.
    ///
    /// In this order: what one key has waiting stands before none of the others.
    async fn turn(&self, statements: u32, longest: Duration) -> Option<()> {
        let cost = self.pace.saturating_mul(statements);
        let begun = Instant::now();
        if let Some(key) = &self.key {
            tokio::time::sleep(key.take(begun, cost * OF_ONE_KEY.1 / OF_ONE_KEY.0, longest)?).await;
        }
        let (party, now) = (&self.allowance.as_ref()?.turns, Instant::now());
        let left = longest.saturating_sub(now.saturating_duration_since(begun));
        tokio::time::sleep(party.take(now, cost, left)?).await;
        Some(())
    }

    /// Waits for the turn of a single call that reads. `false`: it would take too long.
    pub(crate) async fn ask(&self) -> bool {
        let Some(allowance) = self.allowance.as_ref().filter(|_| self.is_paced()) else { return true };
        let Some(wait) = allowance.asking.take(Instant::now(), self.pace, LONGEST_TURN) else { return false };
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        true
    }

    /// Waits until one more list or report of this party may be computed. Its place is free when this is dropped.
    pub(crate) async fn look(&self) -> Option<OwnedSemaphorePermit> {
        // It is never closed.
        Arc::clone(&self.allowance.as_ref()?.looks).acquire_owned().await.ok()
    }

    /// Takes a place for a stream that is read. It is free when this is dropped.
    ///
    /// # Errors
    /// How many there are, when all are taken.
    pub(crate) fn reading(&self) -> Result<Option<OwnedSemaphorePermit>, usize> {
        self.place(|allowance| &allowance.reading)
    }

    /// Takes a place for a stream on which statements come. It is free when this is dropped.
    ///
    /// # Errors
    /// How many there are, when all are taken.
    pub(crate) fn recording(&self) -> Result<Option<OwnedSemaphorePermit>, usize> {
        self.place(|allowance| &allowance.recording)
    }

    fn place(&self, among: fn(&Allowance) -> &Arc<Semaphore>) -> Result<Option<OwnedSemaphorePermit>, usize> {
        let Some(allowance) = &self.allowance else { return Ok(None) };
        Arc::clone(among(allowance)).try_acquire_owned().map(Some).map_err(|_| STREAMS)
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
    async fn who_asks_much_waits_and_then_is_told_while_others_ask() {
        let shares = Shares::new(1, 100);
        let (one, two): (Arc<str>, Arc<str>) = ("one".into(), "two".into());
        let (begun, fast) = (Instant::now(), shares.of(&one, None));
        // A quarter of a second's worth at once, then a hundred a second.
        for _ in 0..30 {
            assert!(fast.ask().await);
        }
        assert!(begun.elapsed() >= Duration::from_millis(30), "{:?}", begun.elapsed());
        let all = futures::future::join_all((0..3_000).map(|_| fast.ask())).await;
        let refused = all.iter().filter(|asked| !**asked).count();
        assert!(refused >= 1_500, "{refused} of 3,000 would wait for more than a second");
        assert!(shares.of(&two, None).ask().await && Share::unlimited().ask().await);
        assert!(Shares::new(1, 0).of(&one, None).ask().await, "no limit");
    }

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
        for place in [Share::reading, Share::recording] {
            let streams: Vec<_> =
                (0..STREAMS).map(|_| place(&shares.of(&one, None)).expect("a place")).collect();
            assert_eq!(place(&shares.of(&one, None)).expect_err("all are taken"), STREAMS);
            assert!(place(&shares.of(&two, None)).is_ok());
            drop(streams);
            assert!(place(&shares.of(&one, None)).is_ok());
        }
    }

    #[tokio::test]
    async fn one_key_that_has_much_waiting_leaves_the_others_of_its_party_their_turn() {
        let shares = Shares::new(1_024, 1_000);
        let party: Arc<str> = "one".into();
        let key = |n| KeyId::from_slice(&[n; KeyId::LEN]);
        let small = proto::SignedStatement::default();
        let begun = Instant::now();
        // Ten seconds' worth, on a hundred streams.
        let busy: Vec<_> = (0..100)
            .map(|_| {
                let (share, many) = (shares.of(&party, key(1)), vec![small.clone(); 75]);
                tokio::spawn(async move {
                    share.wait(&many).await;
                    many.len()
                })
            })
            .collect();
        tokio::task::yield_now().await;
        let other = shares.of(&party, key(2));
        for _ in 0..20 {
            let asked = Instant::now();
            other.take(&small).await.expect("its turn comes within a second");
            assert!(asked.elapsed() < Duration::from_millis(500), "{:?}", asked.elapsed());
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        // Three quarters of a thousand a second, and of the burst; a chunk more on its way.
        let mut done = 0;
        for stream in busy {
            if stream.is_finished() {
                done += stream.await.expect("it ran");
            } else {
                stream.abort();
            }
        }
        let most = 750.0 * (begun.elapsed() + BURST).as_secs_f64() + 75.0;
        assert!(done > 0 && done as f64 <= most, "{done} of {most}");
    }

    #[test]
    fn a_party_goes_at_its_pace_after_a_burst() {
        let ms = Duration::from_millis;
        let now = Instant::now() + Duration::from_secs(60);
        let turns = Turns(Mutex::new(now));
        let turn = |at: u64, n: u32, longest| turns.take(now + ms(at), ms(10) * n, longest);
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
