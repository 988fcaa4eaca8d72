//! The peer without a socket and without a thread: a stream that answers what is written to it, on the thread of the client, so
//! that two runs cut the bytes alike. Knows no client.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bowline::transport::{ConnectFuture, Connector, Endpoint, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::answers::{Counted, answer};
use crate::flood::Flood;
use crate::plan::Plan;

/// Leads to a peer that does what [`Peer`](crate::Peer) does.
#[derive(Debug)]
pub(crate) struct InMemory(pub(crate) Plan);

impl Connector for InMemory {
    fn connect<'a>(&'a self, _endpoint: &'a Endpoint) -> ConnectFuture<'a> {
        Box::pin(async move { Ok(Stream::custom(PeerStream::new(self.0), "the peer in memory")) })
    }
}

/// The client's end of it.
#[derive(Debug)]
struct PeerStream {
    plan: Plan,
    flood: Flood,
    counted: Counted,
    /// What was written and is no whole packet yet.
    written: Vec<u8>,
    /// What is to be read, from `read` on.
    unread: Vec<u8>,
    read: usize,
    is_flooding: bool,
    reader: Option<Waker>,
}

impl PeerStream {
    fn new(plan: Plan) -> Self {
        Self {
            plan,
            flood: Flood::new(&plan),
            counted: Counted::default(),
            written: Vec::new(),
            unread: Vec::new(),
            read: 0,
            is_flooding: false,
            reader: None,
        }
    }

    /// Its work for a read; false if there is nothing to read yet. A function of its own, which `cargo xtask instructions` does
    /// not count, as it does not count an operating system.
    #[inline(never)]
    fn peers_part_of_read(&mut self, buffer: &mut ReadBuf<'_>, reader: &Waker) -> bool {
        if self.read == self.unread.len() {
            self.unread.clear();
            self.read = 0;
            if self.is_flooding
                && let Some(packets) = self.flood.next()
            {
                self.unread.extend_from_slice(packets);
            }
        }
        let unread = &self.unread[self.read..];
        let bytes = unread.len().min(buffer.remaining());
        buffer.put_slice(&unread[..bytes]);
        self.read += bytes;
        let is_over = self.is_flooding && self.flood.is_over();
        let has_read = bytes > 0 || is_over;
        if !has_read {
            self.reader = Some(reader.clone());
        }
        has_read
    }

    /// Its work for a write; not counted either.
    #[inline(never)]
    fn peers_part_of_write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written.extend_from_slice(bytes);
        let before = self.counted.completed;
        let used = answer(&self.plan, &self.written, &mut self.unread, &mut self.counted)?;
        self.written.drain(..used);
        self.is_flooding |= std::mem::take(&mut self.counted.has_subscribed);
        if self.is_flooding {
            self.flood.on_completed(self.counted.completed - before);
        }
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        Ok(())
    }
}

impl AsyncRead for PeerStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.peers_part_of_read(buffer, cx.waker()) { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

impl AsyncWrite for PeerStream {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.peers_part_of_write(bytes).map(|()| bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
