//! A connector whose streams are watched: how often they are polled, and where the bytes of their writes lie.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bowline::transport::{ConnectFuture, Connector, Endpoint, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What was seen of all streams of one connector.
#[derive(Default)]
pub(crate) struct Seen {
    polls: AtomicUsize,
    writes: AtomicUsize,
    bytes: AtomicUsize,
    /// Where the longest slice of each write began.
    slices: Mutex<Vec<usize>>,
}

impl Seen {
    /// Reads and writes that were tried.
    pub(crate) fn polls(&self) -> usize {
        self.polls.load(Ordering::Relaxed)
    }

    /// Writes that took something.
    pub(crate) fn writes(&self) -> usize {
        self.writes.load(Ordering::Relaxed)
    }

    /// Bytes that they took.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether a write took bytes from this place.
    pub(crate) fn has_written_from(&self, address: *const u8) -> bool {
        self.slices.lock().expect("no test panics meanwhile").contains(&(address as usize))
    }
}

/// Watches what another connector opens.
pub(crate) struct Watching<C> {
    pub(crate) inner: C,
    pub(crate) seen: Arc<Seen>,
}

impl<C: Connector> Connector for Watching<C> {
    fn connect<'a>(&'a self, endpoint: &'a Endpoint) -> ConnectFuture<'a> {
        Box::pin(async move {
            let stream = self.inner.connect(endpoint).await?;
            Ok(Stream::custom(Watched { stream, seen: self.seen.clone() }, "a watched stream"))
        })
    }
}

struct Watched {
    stream: Stream,
    seen: Arc<Seen>,
}

impl Watched {
    fn note(&self, written: &Poll<io::Result<usize>>, slices: &[IoSlice<'_>]) {
        self.seen.polls.fetch_add(1, Ordering::Relaxed);
        let Poll::Ready(Ok(count @ 1..)) = written else { return };
        self.seen.writes.fetch_add(1, Ordering::Relaxed);
        self.seen.bytes.fetch_add(*count, Ordering::Relaxed);
        let longest = slices.iter().max_by_key(|slice| slice.len()).expect("something was written");
        self.seen.slices.lock().expect("no test panics meanwhile").push(longest.as_ptr() as usize);
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.seen.polls.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note(&written, &[IoSlice::new(bytes)]);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.note(&written, slices);
        written
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
