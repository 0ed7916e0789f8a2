//! Lets go of connections over which nothing moves. HTTP/1.1 has no pings: without this, a caller that asks for nothing, or
//! takes nothing of its answer, would hold its place for ever.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// A stream that ends with [`io::ErrorKind::TimedOut`] once nothing was read or written for a time.
///
/// One limit for both: while an answer is taken, nothing is asked, and the other way round.
pub(crate) struct Idle<S> {
    stream: S,
    limit: Option<Duration>,
    /// When nothing moved for so long. Made with the first wait.
    until: Option<Pin<Box<Sleep>>>,
}

impl<S> Idle<S> {
    /// A stream that may be idle for so long. `None`: for ever.
    pub(crate) fn new(stream: S, limit: Option<Duration>) -> Self {
        Self { stream, limit, until: None }
    }

    fn watch<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let Some(limit) = self.limit else { return polled };
        if polled.is_ready() {
            if let Some(until) = &mut self.until {
                until.as_mut().reset(Instant::now() + limit);
            }
            return polled;
        }
        let until = self.until.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        until.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Idle<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.watch(cx, polled)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Idle<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.watch(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.watch(cx, polled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    const LIMIT: Duration = Duration::from_millis(50);

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(test);
    }

    #[test]
    fn who_says_nothing_is_let_go() {
        run(async {
            let (_caller, server) = duplex(16);
            let (mut server, start) = (Idle::new(server, Some(LIMIT)), Instant::now());
            let error = server.read_u8().await.expect_err("nothing came");
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert!(start.elapsed() >= LIMIT);
        });
    }

    #[test]
    fn who_takes_nothing_is_let_go() {
        run(async {
            let (_caller, server) = duplex(16);
            let (mut server, start) = (Idle::new(server, Some(LIMIT)), Instant::now());
            let error = server.write_all(&[0; 17]).await.expect_err("nobody takes it");
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert!(start.elapsed() >= LIMIT);
        });
    }

    #[test]
    fn what_moves_either_way_begins_the_time_anew() {
        run(async {
            let (mut caller, server) = duplex(16);
            let mut server = Idle::new(server, Some(LIMIT * 1_000));
            assert!(futures::poll!(Box::pin(server.read_u8())).is_pending());
            let deadline = |server: &Idle<_>| server.until.as_ref().expect("it waits").deadline();
            let first = deadline(&server);
            tokio::time::sleep(Duration::from_millis(1)).await;
            server.write_u8(7).await.expect("there is room");
            let second = deadline(&server);
            tokio::time::sleep(Duration::from_millis(1)).await;
            caller.write_u8(8).await.expect("there is room");
            server.read_u8().await.expect("it came");
            assert!(first < second && second < deadline(&server));
        });
    }

    #[test]
    fn without_a_limit_nobody_is_let_go() {
        run(async {
            let (_caller, server) = duplex(16);
            let mut server = Idle::new(server, None);
            let read = tokio::time::timeout(LIMIT, server.read_u8()).await;
            assert!(read.is_err(), "it waits on");
            assert!(server.until.is_none());
        });
    }
}
