//! One connection through a fault link: two streams and the bytes between them. Does what the plan says; decides nothing.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bowline_transport::{Connector, Endpoint, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::plan::{Direction, Order, Plan};

/// Beyond so many bytes a direction is not read.
const HELD_BYTES_MAX: usize = 256 * 1024;

/// Nor beyond so many reads, however small they were.
const HELD_READS_MAX: usize = 1_024;

/// Most bytes of one read.
const READ_BYTES_MAX: usize = 16 * 1024;

/// A throttled direction passes on what it may in this part of a second, and then waits.
const STEPS_PER_SEC: usize = 100;

/// Leads one client on to the broker, until the connection is over.
pub(super) async fn relay(
    plan: Arc<Plan>,
    client: Stream,
    to_broker: Arc<dyn Connector>,
    endpoint: Endpoint,
) {
    let Ok(broker) = to_broker.connect(&endpoint).await else {
        plan.count_unreachable();
        return client.abort();
    };
    let Some(id) = plan.open() else { return client.abort() };
    let mut relay = Relay {
        plan: &plan,
        id,
        client,
        broker,
        up: Lane::new(Direction::ToBroker),
        down: Lane::new(Direction::ToClient),
    };
    let end = poll_fn(|cx| relay.poll(cx)).await;
    let Relay { client, broker, .. } = relay;
    plan.leave(id);
    if end == End::Reset {
        client.abort();
        broker.abort();
    }
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Both sides have ended their direction, and it was passed on.
    Orderly,
    /// It was cut, or one side failed: the other is to fail as well.
    Reset,
}

struct Relay<'a> {
    plan: &'a Plan,
    id: usize,
    client: Stream,
    broker: Stream,
    up: Lane,
    down: Lane,
}

impl Relay<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            if self.plan.is_cut(self.id, cx) {
                return Poll::Ready(End::Reset);
            }
            let Self { plan, id, client, broker, up, down } = self;
            let moved = up
                .poll(plan, *id, client, broker, cx)
                .and_then(|went_up| Ok(went_up | down.poll(plan, *id, broker, client, cx)?));
            match moved {
                Err(_) => return Poll::Ready(End::Reset),
                Ok(_) if up.is_done && down.is_done => return Poll::Ready(End::Orderly),
                Ok(true) => {}
                Ok(false) => return Poll::Pending,
            }
        }
    }
}

/// One direction of a connection.
struct Lane {
    direction: Direction,
    /// What was read and not passed on, and when it may be.
    held: VecDeque<(Instant, Vec<u8>)>,
    held_bytes: usize,
    has_ended: bool,
    /// A direction that was ended by a fault is read to nowhere.
    is_deaf: bool,
    /// The end was passed on.
    is_done: bool,
    /// When a throttled direction may go on.
    free_at: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Lane {
    fn new(direction: Direction) -> Self {
        Self {
            direction,
            held: VecDeque::new(),
            held_bytes: 0,
            has_ended: false,
            is_deaf: false,
            is_done: false,
            free_at: Instant::now(),
            timer: None,
        }
    }

    /// Moves what can be moved; whether that was anything. An error ends the connection.
    fn poll(
        &mut self,
        plan: &Plan,
        relay: usize,
        from: &mut Stream,
        to: &mut Stream,
        cx: &mut Context<'_>,
    ) -> io::Result<bool> {
        let has_read = flat(self.poll_read(plan.lane(self.direction).delay, from, cx))?;
        let has_written = flat(self.poll_write(plan, relay, to, cx))?;
        Ok(has_read || has_written)
    }

    fn poll_read(
        &mut self,
        delay: Duration,
        from: &mut Stream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.has_ended || self.held_bytes >= HELD_BYTES_MAX || self.held.len() >= HELD_READS_MAX {
            return Poll::Pending;
        }
        let mut space = [0; READ_BYTES_MAX];
        let mut buffer = ReadBuf::new(&mut space);
        ready!(Pin::new(from).poll_read(cx, &mut buffer))?;
        let bytes = buffer.filled();
        if bytes.is_empty() {
            self.has_ended = true;
        } else if !self.is_deaf {
            self.held_bytes += bytes.len();
            self.held.push_back((Instant::now() + delay, bytes.to_vec()));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write(
        &mut self,
        plan: &Plan,
        relay: usize,
        to: &mut Stream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_done {
            return Poll::Pending;
        }
        if self.is_deaf {
            return self.poll_end(to, cx);
        }
        let bytes_max = match plan.order(relay, self.direction, !self.held.is_empty()) {
            Order::Cut => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            Order::Stall => return Poll::Pending,
            Order::End => {
                self.is_deaf = true;
                self.held = VecDeque::new();
                self.held_bytes = 0;
                return self.poll_end(to, cx);
            }
            Order::Corrupt => {
                if let Some((_, bytes)) = self.held.front_mut() {
                    bytes[0] = !bytes[0];
                }
                return Poll::Ready(Ok(()));
            }
            Order::Pass(bytes_max) => usize::try_from(bytes_max).unwrap_or(usize::MAX),
        };
        let Some((due, bytes)) = self.held.front_mut() else {
            return if self.has_ended { self.poll_end(to, cx) } else { Poll::Pending };
        };
        let bytes_per_sec = plan.lane(self.direction).bytes_per_sec;
        let at = bytes_per_sec.map_or(*due, |_| (*due).max(self.free_at));
        ready!(poll_timer(&mut self.timer, at, cx));
        let step = bytes_per_sec.map_or(usize::MAX, |rate| (rate as usize / STEPS_PER_SEC).max(1));
        let count = bytes.len().min(bytes_max).min(step);
        let written = ready!(Pin::new(&mut *to).poll_write(cx, &bytes[..count]))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        bytes.drain(..written);
        if bytes.is_empty() {
            self.held.pop_front();
        }
        self.held_bytes -= written;
        if let Some(rate) = bytes_per_sec {
            self.free_at = Instant::now() + Duration::from_secs(1).mul_f64(written as f64 / f64::from(rate));
        }
        plan.passed(relay, self.direction, written as u64);
        // The transport may hold it back otherwise; if it cannot take it all now, it does with the next write.
        let _flushed = Pin::new(to).poll_flush(cx)?;
        Poll::Ready(Ok(()))
    }

    fn poll_end(&mut self, to: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(to).poll_shutdown(cx))?;
        self.is_done = true;
        Poll::Ready(Ok(()))
    }
}

/// Ready at that time; the task is woken then.
fn poll_timer(timer: &mut Option<Pin<Box<Sleep>>>, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
    if at <= Instant::now() {
        return Poll::Ready(());
    }
    let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
    timer.as_mut().reset(at);
    timer.as_mut().poll(cx)
}

/// Whether it was ready.
fn flat(polled: Poll<io::Result<()>>) -> io::Result<bool> {
    match polled {
        Poll::Ready(result) => result.map(|()| true),
        Poll::Pending => Ok(false),
    }
}
