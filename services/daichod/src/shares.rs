//! Shares of the queue: no party's statements fill it, however many connections it has.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use daicho_core::{Refusal, RefusalCode, proto};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What each party may have between arrival and disk.
pub(crate) struct Shares {
    kib: u32,
    of: Mutex<HashMap<Arc<str>, Weak<Semaphore>>>,
}

/// The share of one party, over all its connections. Without a limit for whoever is on this machine.
#[derive(Clone)]
pub(crate) struct Share {
    room: Option<Arc<Semaphore>>,
    kib: u32,
}

impl Shares {
    pub(crate) fn new(kib: u32) -> Self {
        Self { kib, of: Mutex::default() }
    }

    pub(crate) fn of(&self, party: &Arc<str>) -> Share {
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        let room = of.get(party).and_then(Weak::upgrade).unwrap_or_else(|| {
            // Those who left are forgotten when somebody comes.
            of.retain(|_, room| room.strong_count() > 0);
            let room = Arc::new(Semaphore::new(self.kib as usize));
            of.insert(Arc::clone(party), Arc::downgrade(&room));
            room
        });
        Share { room: Some(room), kib: self.kib }
    }
}

impl Share {
    /// The share of whoever needs none.
    pub(crate) fn unlimited() -> Self {
        Self { room: None, kib: 0 }
    }

    /// Waits until these statements fit.
    pub(crate) async fn wait(&self, statements: &[proto::SignedStatement]) -> Option<OwnedSemaphorePermit> {
        let room = self.room.as_ref()?;
        // It is never closed.
        Arc::clone(room).acquire_many_owned(self.wanted(statements)).await.ok()
    }

    /// Takes room for a statement at once.
    ///
    /// # Errors
    /// [`RefusalCode::QueueFull`] when there is none.
    pub(crate) fn take(
        &self,
        statement: &proto::SignedStatement,
    ) -> Result<Option<OwnedSemaphorePermit>, Refusal> {
        let Some(room) = &self.room else { return Ok(None) };
        let wanted = self.wanted(std::slice::from_ref(statement));
        let full = |_| {
            let text = "your party has its share of the queue; wait for answers, or send on one stream";
            Refusal::new(RefusalCode::QueueFull, text)
        };
        Arc::clone(room).try_acquire_many_owned(wanted).map(Some).map_err(full)
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
        let shares = Shares::new(2);
        let (one, two): (Arc<str>, Arc<str>) = ("one".into(), "two".into());
        let small = proto::SignedStatement::default();
        let (first, second) = (shares.of(&one), shares.of(&one));
        let held = [first.take(&small).expect("room"), second.take(&small).expect("room")];
        let refused = first.take(&small).expect_err("no room").code;
        assert_eq!(refused, RefusalCode::QueueFull);
        assert!(shares.of(&two).take(&small).is_ok());
        drop(held);
        // More than a share at once is taken when the whole share is free.
        let many = vec![small.clone(); 5];
        let all = second.wait(&many).await.expect("room");
        assert!(first.take(&small).is_err());
        drop(all);
        assert!(first.take(&small).is_ok());
        assert!(Share::unlimited().wait(&many).await.is_none());
    }
}
