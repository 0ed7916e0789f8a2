//! Streams to readers who may be slow. One that takes nothing for a minute is told so and let go: it holds a snapshot of the
//! ledger and a thread, or a list in memory.

use std::iter;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::{Stream, StreamExt as _, stream};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::status;

/// Longest time in which a reader takes nothing of a stream.
const SLOWEST_READER: Duration = Duration::from_secs(60);
/// Pages that wait for a reader.
const AHEAD: usize = 4;

/// Answers of a stream.
pub(super) type Responses<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Where the pages of a stream go in.
pub(super) struct Pages<T> {
    pages: mpsc::Sender<Result<T, Status>>,
    gave_up: Arc<AtomicBool>,
}

impl<T> Clone for Pages<T> {
    fn clone(&self) -> Self {
        Self { pages: self.pages.clone(), gave_up: Arc::clone(&self.gave_up) }
    }
}

impl<T: Send + 'static> Pages<T> {
    /// A stream, and where its pages go in. It never ends as if it were whole when its reader was let go.
    pub(super) fn new() -> (Self, Responses<T>) {
        let (pages, receiver) = mpsc::channel(AHEAD);
        let gave_up = Arc::<AtomicBool>::default();
        let told = Arc::clone(&gave_up);
        let end = iter::once_with(move || told.load(Ordering::SeqCst).then(|| Err(status::too_slow())));
        let whole = ReceiverStream::new(receiver).chain(stream::iter(end.flatten()));
        (Self { pages, gave_up }, Box::pin(whole))
    }

    /// Hands a page to the reader. `false` when it is gone, or was let go.
    pub(super) async fn send(&self, page: Result<T, Status>) -> bool {
        self.send_within(page, SLOWEST_READER).await
    }

    /// [`Self::send`] on a thread that may block.
    pub(super) fn push(&self, page: Result<T, Status>) -> bool {
        tokio::runtime::Handle::current().block_on(self.send(page))
    }

    async fn send_within(&self, page: Result<T, Status>, longest: Duration) -> bool {
        let sent = tokio::time::timeout(longest, self.pages.send(page)).await;
        if sent.is_err() {
            self.gave_up.store(true, Ordering::SeqCst);
        }
        matches!(sent, Ok(Ok(())))
    }

    /// Waits until the reader is gone.
    pub(super) async fn closed(&self) {
        self.pages.closed().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_reader_that_takes_nothing_is_let_go_and_told() {
        let (pages, stream) = Pages::new();
        let mut taken = 0;
        while pages.send_within(Ok(taken), Duration::from_millis(50)).await {
            taken += 1;
        }
        drop(pages);
        // Nobody took a page meanwhile.
        assert_eq!(taken, AHEAD as i32);
        let got: Vec<Result<i32, Status>> = stream.collect().await;
        assert_eq!(got.len(), AHEAD + 1);
        assert!(got[..AHEAD].iter().all(Result::is_ok));
        assert_eq!(got[AHEAD].as_ref().err().map(Status::code), Some(tonic::Code::Aborted));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_reader_that_takes_its_time_gets_everything() {
        let (pages, mut stream) = Pages::new();
        let pushed = tokio::task::spawn_blocking(move || (0..20).all(|n| pages.push(Ok(n))));
        for wanted in 0..20 {
            assert_eq!(stream.next().await.expect("a page").expect("no end"), wanted);
        }
        assert!(stream.next().await.is_none());
        assert!(pushed.await.expect("it ends"));
    }
}
