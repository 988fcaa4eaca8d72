//! The task of one connection: moves bytes between a stream and the core, both ways at once. Decides nothing.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bowline_proto::codec::Outgoing;
use bowline_transport::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;

use crate::broker::hub::Hub;
use crate::core::ConnectionId;

/// Serves one client until its connection is over.
pub(crate) async fn serve(hub: Arc<Hub>, stream: Stream) {
    hub.begin_serving();
    let serving = Serving(hub);
    let Some(id) = serving.0.open() else { return };
    let mut link = Link { hub: &serving.0, id, stream, writing: None, has_ended: false };
    let is_abrupt = poll_fn(|cx| link.poll(cx)).await;
    let Link { stream, .. } = link;
    serving.0.leave(id);
    if is_abrupt {
        stream.abort();
    } else {
        // A client that goes on sending is cut off then.
        let _ = timeout(LINGER, close(stream)).await;
    }
}

/// How long after our last byte the client may take to close its side.
const LINGER: Duration = Duration::from_secs(1);

/// Most bytes that are read at a time. They are on the stack, so that an idle connection holds no buffer.
const READ_BYTES_MAX: usize = 32 * 1024;

/// Most segments of one vectored write.
const SEGMENTS_MAX: usize = 32;

/// Counts the task as long as it lives, however it ends.
struct Serving(Arc<Hub>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.end_serving();
    }
}

struct Link<'a> {
    hub: &'a Hub,
    id: ConnectionId,
    stream: Stream,
    writing: Option<Outgoing>,
    /// Whether the client has closed its side, or the stream has failed.
    has_ended: bool,
}

impl Link<'_> {
    /// Ready when the core has said that the connection is to be closed, with whether it is to be reset.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        loop {
            let orders = self.hub.poll_orders(self.id, cx);
            if let Some(buffer) = orders.to_write {
                self.writing = Some(buffer);
            }
            if let Some(is_abrupt) = orders.close {
                return Poll::Ready(is_abrupt);
            }
            let has_written = self.writing.is_some() && self.poll_write(cx).is_ready();
            let has_read = orders.may_read && !self.has_ended && self.poll_read(cx).is_ready();
            if !has_written && !has_read {
                return Poll::Pending;
            }
        }
    }

    /// Writes what there is; ready when all of it is written or the stream has failed.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(mut buffer) = self.writing.take() else { return Poll::Pending };
        match poll_write_all(&mut self.stream, &mut buffer, cx) {
            Poll::Ready(Ok(())) => {
                self.hub.drive(|core, now| core.handle_transmitted(self.id, buffer, now));
                Poll::Ready(())
            }
            Poll::Ready(Err(_)) => {
                self.fail();
                Poll::Ready(())
            }
            Poll::Pending => {
                self.writing = Some(buffer);
                Poll::Pending
            }
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut space = [const { MaybeUninit::uninit() }; READ_BYTES_MAX];
        let mut buffer = ReadBuf::uninit(&mut space);
        match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)) {
            Ok(()) if buffer.filled().is_empty() => {
                self.has_ended = true;
                self.hub.drive(|core, now| core.handle_closed(self.id, now));
            }
            Ok(()) => self.hub.drive(|core, _| core.handle_bytes(self.id, buffer.filled())),
            Err(_) => self.fail(),
        }
        Poll::Ready(())
    }

    fn fail(&mut self) {
        self.has_ended = true;
        self.hub.drive(|core, now| core.handle_failed(self.id, now));
    }
}

fn poll_write_all(stream: &mut Stream, buffer: &mut Outgoing, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    while !buffer.is_empty() {
        let mut slices = [IoSlice::new(&[]); SEGMENTS_MAX];
        let mut count = 0;
        for (slice, chunk) in slices.iter_mut().zip(buffer.chunks()) {
            *slice = IoSlice::new(chunk);
            count += 1;
        }
        let written = ready!(Pin::new(&mut *stream).poll_write_vectored(cx, &slices[..count]))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        buffer.advance(written);
    }
    Pin::new(stream).poll_flush(cx)
}

/// Ends our side, and waits for the client to end its own: a socket that is dropped with unread bytes is reset, and with
/// that the client would lose our last packet.
async fn close(mut stream: Stream) -> io::Result<()> {
    poll_fn(|cx| Pin::new(&mut stream).poll_shutdown(cx)).await?;
    poll_fn(|cx| {
        loop {
            let mut space = [const { MaybeUninit::uninit() }; READ_BYTES_MAX];
            let mut buffer = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut stream).poll_read(cx, &mut buffer))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    })
    .await
}
