//! How long an exchange may take: a fixed time, and beside it what its bytes need at the slowest pace that is waited for.
//!
//! A full request is 10 MiB, which a slow line needs minutes for; a server that is gone takes no byte, and one that drips is
//! left nearly as soon.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

/// The slowest pace waited for, in bytes a second: half a megabit.
const PACE: u64 = 64 << 10;

/// Bytes that went over one connection, either way.
#[derive(Debug, Clone, Default)]
pub(crate) struct Moved(Arc<AtomicU64>);

impl Moved {
    /// Waits for an exchange over this connection: for `time`, and for what the bytes that move meanwhile need.
    pub(crate) async fn within<T>(
        &self,
        time: Duration,
        exchange: impl Future<Output = T>,
    ) -> Result<T, Elapsed> {
        let mut exchange = pin!(exchange);
        let mut allowed = time;
        let mut counted = self.count();
        loop {
            let elapsed = match timeout(allowed, &mut exchange).await {
                Ok(done) => return Ok(done),
                Err(elapsed) => elapsed,
            };
            let count = self.count();
            allowed = Duration::from_millis((count - counted) * 1000 / PACE);
            if allowed.is_zero() {
                return Err(elapsed);
            }
            counted = count;
        }
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// A connection whose bytes are counted.
pub(crate) struct Counted<S> {
    stream: S,
    moved: Moved,
}

impl<S> Counted<S> {
    pub(crate) fn new(stream: S, moved: Moved) -> Self {
        Counted { stream, moved }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.moved.add(buffer.filled().len() - before);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if let Poll::Ready(Ok(written)) = polled {
            self.moved.add(written);
        }
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        if let Poll::Ready(Ok(written)) = polled {
            self.moved.add(written);
        }
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
