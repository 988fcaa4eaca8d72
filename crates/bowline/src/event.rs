//! What happens to a client, told to whoever listens. Owns the bounded feed; knows neither engine nor driver.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bowline_proto::client::DropReason;
use bowline_proto::types::TopicName;
use bowline_proto::{QoS, ReasonCode, Text, TopicFilter, Version};
use futures_core::Stream;

use crate::disconnection::Disconnection;
use crate::outcome::PublishErrorKind;
use crate::state::ConnectionInfo;
use crate::store::StoreError;

/// How many events a listener may be behind before it loses the oldest: 256.
pub const EVENTS_MAX: usize = 256;

/// Something that happened to a client.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A connection is usable.
    Connected(Arc<ConnectionInfo>),
    /// The connection, or the attempt to make one, is over.
    Disconnected(Disconnection),
    /// The next attempt comes after this delay.
    Reconnecting {
        /// Which attempt in a row it will be, from 1.
        attempt: u32,
        /// How long until then.
        delay: Duration,
    },
    /// The server has sent us elsewhere, and the next attempt goes there at once.
    Redirected {
        /// What it named: usually a host, or a host and a port; several are divided by spaces.
        reference: Text,
        /// Whether it is moved for good.
        is_permanent: bool,
    },
    /// The broker does not take this version of MQTT, and another one is tried at once
    /// ([`Builder::version_fallback`](crate::Builder::version_fallback)).
    VersionRefused {
        /// The version that it refused.
        refused: Version,
        /// The one that is tried.
        next: Version,
    },
    /// The broker does not have the session (any more) that we had.
    SessionLost {
        /// Publications that go out again as new ones.
        requeued: usize,
        /// QoS 2 publications that nobody knows the outcome of.
        indeterminate: usize,
    },
    /// A message waits to be taken, and the acknowledgements of all later ones with it. Told once per message.
    Stalled {
        /// The topic of the message.
        topic: TopicName,
        /// The filter of the stream that has not taken it, if a stream wants it.
        filter: Option<TopicFilter>,
        /// How many acknowledgements wait, its own included.
        held: usize,
        /// Since when it has been the first of those that are not acknowledged.
        since: Instant,
    },
    /// A publication failed and nobody holds its receipt; also a QoS 0 one that could not be sent after all.
    PublishFailed {
        /// Its topic, if the message was never sent.
        topic: Option<TopicName>,
        /// Why.
        kind: PublishErrorKind,
    },
    /// The limits of the send queue had messages dropped before they were sent. Their receipts say so too.
    Dropped {
        /// The topic of the last of them.
        topic: TopicName,
        /// Why that one was dropped.
        why: DropReason,
        /// How many since the last such event.
        messages: u64,
    },
    /// Each time this message was sent the broker closed the connection, the last time with nothing else unanswered. It is
    /// not sent again; its receipt says [`PublishErrorKind::Poison`].
    Poison {
        /// Its topic.
        topic: TopicName,
        /// Its QoS.
        qos: QoS,
        /// How many connections the broker closed over it.
        closes: u32,
    },
    /// Full streams lost this many QoS 0 messages.
    Qos0Dropped {
        /// How many since the last such event.
        messages: u64,
    },
    /// An [`Ack`](crate::Ack) of this message was dropped unused: it stays unacknowledged, and holds back those behind
    /// it, until its filter is unsubscribed.
    AckAbandoned {
        /// The message's topic.
        topic: TopicName,
    },
    /// A message was refused, but this version can only acknowledge.
    RefusalNotTold {
        /// What would have been said.
        reason: ReasonCode,
    },
    /// The store of a durable session failed. The connection lives on: messages that could not be stored are handed back, what
    /// they and acknowledgements wait for is tried again with growing delays, and each attempt that fails is told.
    StoreFailed {
        /// Why.
        error: StoreError,
    },
    /// A handler given to `on_message` panicked, and its subscription ended. Its message stays unacknowledged, but in a
    /// session that ends with the connection until the filter is unsubscribed.
    HandlerPanicked {
        /// The message's topic.
        topic: TopicName,
    },
    /// The client is over; there will be no more events.
    Ended(Disconnection),
    /// The listener was too slow: it lost this many events that came before the next one.
    Lagged(u64),
}

/// The events of a client from the call of `events()` on. A [`Stream`] that ends with the client. Does not keep the client
/// alive.
pub struct Events {
    feed: Arc<EventFeed>,
    /// The number of the next event to return.
    next: u64,
    listener: Option<u64>,
}

impl Events {
    pub(crate) fn new(feed: Arc<EventFeed>) -> Self {
        let next = feed.ring().join();
        Self { feed, next, listener: None }
    }

    /// The next event; `None` once the client is over.
    ///
    /// # Cancel safety
    /// A dropped future has lost no event.
    pub async fn next(&mut self) -> Option<Event> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let this = self.get_mut();
        let mut ring = this.feed.ring();
        if this.next < ring.first {
            let lost = ring.first - this.next;
            this.next = ring.first;
            return Poll::Ready(Some(Event::Lagged(lost)));
        }
        let at = usize::try_from(this.next - ring.first).unwrap_or(usize::MAX);
        if let Some(event) = ring.events.get(at) {
            this.next += 1;
            return Poll::Ready(Some(event.clone()));
        }
        if ring.is_closed {
            return Poll::Ready(None);
        }
        let listener = *this.listener.get_or_insert_with(|| ring.new_listener());
        ring.listen(listener, cx.waker());
        Poll::Pending
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.feed.ring().leave(self.listener);
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("next", &self.next).finish_non_exhaustive()
    }
}

/// The last events, and who waits for the next.
#[derive(Debug, Default)]
pub(crate) struct EventFeed {
    ring: Mutex<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    /// How many listen. Without one nothing is kept.
    listeners: usize,
    events: VecDeque<Event>,
    /// The number of the first of them.
    first: u64,
    is_closed: bool,
    next_listener: u64,
    wakers: Vec<(u64, Waker)>,
}

impl EventFeed {
    /// Tells everybody. Must not be called under the client's lock: it wakes.
    pub(crate) fn tell(&self, events: impl IntoIterator<Item = Event>) {
        self.change(|ring| {
            for event in events {
                ring.push(event);
            }
        });
    }

    /// There will be no more events.
    pub(crate) fn close(&self) {
        self.change(|ring| ring.is_closed = true);
    }

    fn change(&self, change: impl FnOnce(&mut Ring)) {
        let wakers = {
            let mut ring = self.ring();
            change(&mut ring);
            std::mem::take(&mut ring.wakers)
        };
        for (_, waker) in wakers {
            waker.wake();
        }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    /// Someone begins to listen, at the number that is returned.
    fn join(&mut self) -> u64 {
        self.listeners += 1;
        self.first + self.events.len() as u64
    }

    fn leave(&mut self, listener: Option<u64>) {
        self.listeners -= 1;
        self.wakers.retain(|(other, _)| Some(*other) != listener);
        if self.listeners == 0 {
            self.first += self.events.len() as u64;
            self.events = VecDeque::new();
        }
    }

    fn push(&mut self, event: Event) {
        // `Ended` is the last one, whatever handles do that are left.
        if self.is_closed {
            return;
        }
        if self.listeners == 0 {
            self.first += 1;
            return;
        }
        if self.events.len() == EVENTS_MAX {
            self.events.pop_front();
            self.first += 1;
        }
        self.events.push_back(event);
    }

    const fn new_listener(&mut self) -> u64 {
        self.next_listener += 1;
        self.next_listener
    }

    fn listen(&mut self, listener: u64, waker: &Waker) {
        match self.wakers.iter_mut().find(|(other, _)| *other == listener) {
            Some((_, known)) => known.clone_from(waker),
            None => self.wakers.push((listener, waker.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dropped(messages: u64) -> Event {
        Event::Qos0Dropped { messages }
    }

    fn poll(events: &mut Events) -> Poll<Option<Event>> {
        Pin::new(events).poll_next(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_slow_listener_is_told_how_much_it_lost() {
        let feed = Arc::new(EventFeed::default());
        let mut slow = Events::new(feed.clone());
        feed.tell((0..EVENTS_MAX as u64 + 3).map(dropped));
        assert!(matches!(poll(&mut slow), Poll::Ready(Some(Event::Lagged(3)))));
        assert!(matches!(poll(&mut slow), Poll::Ready(Some(Event::Qos0Dropped { messages: 3 }))));
        let mut late = Events::new(feed.clone());
        assert!(matches!(poll(&mut late), Poll::Pending), "it hears what comes after it began");
        feed.close();
        assert!(matches!(poll(&mut late), Poll::Ready(None)));
        assert!(matches!(poll(&mut slow), Poll::Ready(Some(Event::Qos0Dropped { messages: 4 }))));
    }
}
