//! One direction of the in-memory duplex: a bounded queue of bytes and who waits for it. Knows nothing of the other
//! direction.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::io::ReadBuf;

/// Bytes from one writer to one reader.
#[derive(Debug)]
pub(super) struct Pipe {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Grows on demand, never over the capacity.
    bytes: VecDeque<u8>,
    capacity_bytes: usize,
    state: PipeState,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// ```text
///            finish                    (what is queued can still be read, then the end)
///  Open ──────────────► Finished
///   │ │  close_reader                  (writes fail: nobody will read them)
///   │ └───────────────► Unread
///   │    reset, from each of the three
///   └─────────────────► Reset          (what is queued is lost, both sides fail)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PipeState {
    Open,
    Finished,
    Unread,
    Reset,
}

impl Pipe {
    pub(super) const fn new(capacity_bytes: usize) -> Self {
        Self {
            inner: Mutex::new(Inner {
                bytes: VecDeque::new(),
                capacity_bytes,
                state: PipeState::Open,
                reader: None,
                writer: None,
            }),
        }
    }

    /// Moves what is queued into `buf`, as much as fits. Moves nothing at the end of the stream.
    pub(super) fn poll_read(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let mut inner = self.lock();
        match inner.state {
            PipeState::Reset => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            PipeState::Open if inner.bytes.is_empty() => {
                park(&mut inner.reader, cx);
                return Poll::Pending;
            }
            PipeState::Open | PipeState::Finished | PipeState::Unread => {}
        }
        let count = inner.bytes.len().min(buf.remaining());
        inner.bytes.read_exact(buf.initialize_unfilled_to(count))?;
        buf.advance(count);
        let writer = inner.writer.take();
        drop(inner);
        wake(writer);
        Poll::Ready(Ok(()))
    }

    /// Queues as much of the buffers as there is room for.
    pub(super) fn poll_write(&self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut inner = self.lock();
        match inner.state {
            PipeState::Open => {}
            PipeState::Reset => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            PipeState::Finished | PipeState::Unread => {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
        }
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        let room = inner.capacity_bytes - inner.bytes.len();
        if room == 0 {
            park(&mut inner.writer, cx);
            return Poll::Pending;
        }
        let mut left = room;
        for buf in bufs {
            let count = buf.len().min(left);
            inner.bytes.extend(&buf[..count]);
            left -= count;
        }
        let reader = inner.reader.take();
        drop(inner);
        wake(reader);
        Poll::Ready(Ok(room - left))
    }

    /// The writer has written all it will: the reader gets what is queued, then the end.
    pub(super) fn finish(&self) {
        self.end(|inner| {
            if inner.state == PipeState::Open {
                inner.state = PipeState::Finished;
            }
        });
    }

    /// The reader is gone: what is queued is dropped, and further writes fail.
    pub(super) fn close_reader(&self) {
        self.end(|inner| {
            if inner.state == PipeState::Open {
                inner.state = PipeState::Unread;
            }
            inner.bytes = VecDeque::new();
        });
    }

    /// Ends it for both sides: what is queued is lost, and what waits fails.
    pub(super) fn reset(&self) {
        self.end(|inner| {
            inner.state = PipeState::Reset;
            inner.bytes = VecDeque::new();
        });
    }

    fn end(&self, change: impl FnOnce(&mut Inner)) {
        let mut inner = self.lock();
        change(&mut inner);
        let waiting = [inner.reader.take(), inner.writer.take()];
        drop(inner);
        waiting.into_iter().for_each(wake);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing that runs under the lock panics, so a poisoned lock guards a sound queue.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn park(slot: &mut Option<Waker>, cx: &Context<'_>) {
    match slot {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *slot = Some(cx.waker().clone()),
    }
}

/// Wakers are other people's code, so they run only after the lock is given back.
fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
