//! The in-memory stream: two pipes and what dropping, ending and aborting mean. Knows no listener.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::coop;

use super::description::StreamDescription;
use super::pipe::Pipe;

/// Makes two ends of a stream in memory; what is written into one is read from the other. Each direction holds at most
/// `capacity_bytes` (at least 1): a write into a full one waits until the other end has read. Memory is taken as it is
/// needed, not beforehand.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// let (mut near, mut far) = bowline_transport::duplex(4096);
/// near.write_all(b"knot").await?;
/// drop(near);
/// let mut text = String::new();
/// far.read_to_string(&mut text).await?;
/// assert_eq!(text, "knot");
/// # Ok(())
/// # }
/// ```
pub fn duplex(capacity_bytes: usize) -> (DuplexStream, DuplexStream) {
    let near: Arc<str> = Arc::from("near end");
    let far: Arc<str> = Arc::from("far end");
    pair(capacity_bytes, near, far)
}

/// The two ends of a stream, the first called `near` and the second `far` in logs.
pub(crate) fn pair(capacity_bytes: usize, near: Arc<str>, far: Arc<str>) -> (DuplexStream, DuplexStream) {
    let capacity_bytes = capacity_bytes.max(1);
    let [there, back] = [(), ()].map(|()| Arc::new(Pipe::new(capacity_bytes)));
    let near_end = DuplexStream {
        incoming: back.clone(),
        outgoing: there.clone(),
        local: near.clone(),
        peer: far.clone(),
    };
    (near_end, DuplexStream { incoming: there, outgoing: back, local: far, peer: near })
}

/// One end of a [`duplex`]: a stream in memory.
///
/// - **End**: `shutdown`, or dropping this end, lets the other end read what was written before, then the end of the stream.
/// - **Half-close**: after `shutdown` this end still reads; further writes fail with [`io::ErrorKind::BrokenPipe`].
/// - **Gone**: once the other end is dropped, writes fail with [`io::ErrorKind::BrokenPipe`].
/// - **Reset**: after [`DuplexStream::abort`] the other end's reads and writes fail with
///   [`io::ErrorKind::ConnectionReset`] at once, and bytes not yet read are lost in both directions. TCP may still hand over
///   what had arrived; this is the harsher of what can happen there, and always the same.
#[derive(Debug)]
pub struct DuplexStream {
    incoming: Arc<Pipe>,
    outgoing: Arc<Pipe>,
    local: Arc<str>,
    peer: Arc<str>,
}

impl DuplexStream {
    /// Resets the stream: the other end fails, at once and in both directions.
    pub fn abort(self) {
        self.incoming.reset();
        self.outgoing.reset();
    }

    /// Who is at both ends, for logs.
    pub fn description(&self) -> StreamDescription {
        StreamDescription::new("duplex", self.local.to_string(), self.peer.to_string())
    }
}

impl Drop for DuplexStream {
    fn drop(&mut self) {
        self.outgoing.finish();
        self.incoming.close_reader();
    }
}

impl AsyncRead for DuplexStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // Two ends that always have something for each other must not keep their thread for themselves.
        let budget = ready!(coop::poll_proceed(cx));
        let result = ready!(self.incoming.poll_read(cx, buf));
        budget.made_progress();
        Poll::Ready(result)
    }
}

impl AsyncWrite for DuplexStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let budget = ready!(coop::poll_proceed(cx));
        let result = ready!(self.outgoing.poll_write(cx, bufs));
        budget.made_progress();
        Poll::Ready(result)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.finish();
        Poll::Ready(Ok(()))
    }
}
