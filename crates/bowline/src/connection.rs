//! What every handle can do whatever its role: watch the connection, and end it.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bowline_proto::Text;
use tokio::sync::watch;

use crate::disconnection::Disconnection;
use crate::event::Events;
use crate::shared::{Lease, Place};
use crate::state::{ConnectionInfo, ConnectionState};
use crate::stats::Stats;

/// The connection behind a [`Client`](crate::Client), [`Publisher`](crate::Publisher) or
/// [`Subscriber`](crate::Subscriber), which all have these methods. Cheap to clone; keeps the client alive.
#[derive(Clone, Debug)]
pub struct Connection {
    lease: Arc<Lease>,
}

impl Connection {
    pub(crate) const fn new(lease: Arc<Lease>) -> Self {
        Self { lease }
    }

    pub(crate) const fn lease(&self) -> &Arc<Lease> {
        &self.lease
    }

    /// Where the connection is at this moment.
    pub fn state(&self) -> ConnectionState {
        self.lease.state.borrow().clone()
    }

    /// Watches where the connection is. Does not keep the client alive.
    pub fn connection(&self) -> ConnectionWatch {
        ConnectionWatch::new(self.lease.state.subscribe())
    }

    /// What happens from now on. Does not keep the client alive.
    pub fn events(&self) -> Events {
        Events::new(self.lease.feed.clone())
    }

    /// Figures of this moment.
    pub fn stats(&self) -> Stats {
        let inner = self.lease.lock();
        let counted = inner.engine_stats();
        let mut stats = Stats {
            streams: inner.inboxes.len(),
            unknown_acknowledgements: counted.unknown_acknowledgements,
            qos0_unmatched: counted.qos0_unmatched,
            qos0_dropped: counted.qos0_dropped,
            unmatched_acknowledged: counted.unmatched_acknowledged,
            unmatched_left: counted.unmatched_left,
            unmatched_forgotten: counted.unmatched_forgotten,
            unsubscribed_acknowledged: counted.unsubscribed_acknowledged,
            sent_again: counted.sent_again,
            publications_dropped: counted.publications_dropped,
            publications_expired: counted.publications_expired,
            ..Stats::default()
        };
        if let Some(engine) = &inner.engine {
            (stats.queued_messages, stats.queued_bytes) = engine.queued();
            stats.in_flight = engine.in_flight();
            stats.unwritten_bytes = engine.unwritten_bytes();
        }
        stats
    }

    /// The client identifier: ours, or the one that the broker assigned. `None` once the client is over.
    pub fn client_id(&self) -> Option<Text> {
        self.lease.lock().engine.as_ref().map(|engine| engine.client_id().clone())
    }

    /// Finds out at once whether the connection is alive, for example after the network has changed: a PINGREQ is sent now, and if
    /// nothing arrives within the ping timeout the connection is lost, with
    /// [`DisconnectCause::PingTimeout`](crate::DisconnectCause::PingTimeout). While a PINGREQ waits for its answer, no second one is
    /// sent. While the next attempt to connect waits for its time, it is made now. Works with keep-alive off too.
    pub fn probe(&self) {
        self.lease.command(|inner, now| inner.probe(now));
    }

    /// Waits until nothing is left to do: every message, also those that others publish meanwhile, is acknowledged (QoS 0:
    /// written to the transport), and nothing waits to be written. Without a connection it waits for one.
    ///
    /// # Errors
    /// [`Disconnection`] if the client ended before.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn flush(&self) -> Result<(), Disconnection> {
        Idle { lease: &self.lease, place: None }.await
    }

    /// Waits like [`flush`](Self::flush), at most this long, and then ends like [`disconnect`](Self::disconnect).
    ///
    /// # Errors
    /// [`DrainError`] if something was left undone: it says how much. The client is over either way.
    ///
    /// # Cancel safety
    /// Dropping the future before the time is up leaves the client as it is.
    pub async fn drain(&self, at_most: Duration) -> Result<(), DrainError> {
        let flushed = tokio::time::timeout(at_most, self.flush()).await;
        let left = self.stats();
        self.disconnect().await;
        match flushed {
            Ok(Ok(())) => Ok(()),
            _ => Err(DrainError { queued: left.queued_messages, in_flight: left.in_flight }),
        }
    }

    /// Sends what is encoded, then DISCONNECT, closes the connection, and ends the client: messages that wait end
    /// [`NotSent`](crate::PublishErrorKind::NotSent), streams return what they hold and then `None`. Resolves when the
    /// connection is closed. A client that is over already stays so.
    ///
    /// # Cancel safety
    /// At the first poll it is decided; a future dropped later only misses the end.
    pub async fn disconnect(&self) {
        self.lease.command(|inner, now| inner.disconnect(now));
        self.ended().await;
    }

    /// Closes the connection without DISCONNECT, so that the broker publishes the will, and ends the client.
    ///
    /// # Cancel safety
    /// As [`disconnect`](Self::disconnect).
    pub async fn abort(&self) {
        self.lease.command(|inner, now| inner.abort(now));
        self.ended().await;
    }

    async fn ended(&self) {
        self.connection().ended().await;
    }
}

/// Watches where a connection is.
#[derive(Clone, Debug)]
pub struct ConnectionWatch {
    states: watch::Receiver<ConnectionState>,
}

impl ConnectionWatch {
    pub(crate) const fn new(states: watch::Receiver<ConnectionState>) -> Self {
        Self { states }
    }

    /// Where it is at this moment.
    pub fn state(&self) -> ConnectionState {
        self.states.borrow().clone()
    }

    /// Waits until it is somewhere else than when this watch looked last. States that pass quickly may be missed. Once the
    /// client is over it resolves at once.
    ///
    /// # Cancel safety
    /// A dropped future has missed nothing.
    pub async fn changed(&mut self) -> ConnectionState {
        // An error means that the client is gone, and that the last state stands.
        let _gone = self.states.changed().await;
        self.states.borrow_and_update().clone()
    }

    /// Waits until there is a connection.
    ///
    /// # Errors
    /// [`Disconnection`] if the client is over.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn connected(&mut self) -> Result<Arc<ConnectionInfo>, Disconnection> {
        loop {
            match self.states.borrow_and_update().clone() {
                ConnectionState::Connected(connection) => return Ok(connection),
                ConnectionState::Ended(why) => return Err(why),
                ConnectionState::Connecting | ConnectionState::Waiting { .. } => {}
            }
            if self.states.changed().await.is_err() {
                return Err(Disconnection::of_ended_runtime());
            }
        }
    }

    /// Waits until the client is over.
    pub async fn ended(&mut self) -> Disconnection {
        loop {
            if let ConnectionState::Ended(why) = self.states.borrow_and_update().clone() {
                return why;
            }
            if self.states.changed().await.is_err() {
                return Disconnection::of_ended_runtime();
            }
        }
    }
}

/// Not everything was done in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrainError {
    /// Messages that were never sent.
    pub queued: usize,
    /// Messages that were sent and not acknowledged.
    pub in_flight: usize,
}

impl fmt::Display for DrainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { queued, in_flight } = self;
        write!(f, "the client ended with {queued} messages not sent and {in_flight} not acknowledged")
    }
}

impl Error for DrainError {}

/// Resolves when nothing is queued, in flight or unwritten.
struct Idle<'a> {
    lease: &'a Arc<Lease>,
    place: Option<Place>,
}

impl Future for Idle<'_> {
    type Output = Result<(), Disconnection>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let mut inner = this.lease.lock();
        match &inner.ended {
            Some(why) => Poll::Ready(Err(why.clone())),
            None if inner.is_idle() => Poll::Ready(Ok(())),
            None => {
                inner.idle.wait(&mut this.place, cx.waker());
                Poll::Pending
            }
        }
    }
}

impl Drop for Idle<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            let waker = self.lease.lock().idle.leave(place);
            drop(waker);
        }
    }
}
