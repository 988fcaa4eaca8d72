//! Messages for a thread that waits for them.

use std::iter::FusedIterator;
use std::time::Duration;

use bowline_proto::packet::AckProperties;
use bowline_proto::{ReasonCode, TopicFilter};

use crate::blocking::delivery::StreamItem;
use crate::blocking::error::{TimedOut, WaitError};
use crate::blocking::wait::{wait, wait_for, wait_for_result};
use crate::message::Message;
use crate::stream_end::StreamEnd;
use crate::subscribe::{self, UnsubscribeError};

/// The messages of one or more topic filters: an iterator of [`Message`]s, or of [`Delivery`](super::Delivery)s with
/// [`manual_ack`](super::Subscribe::manual_ack), that waits for the next. Made by `subscribe`. Keeps the client alive.
///
/// When messages are acknowledged, what waits and what dropping it means is all as with the async
/// [`Subscription`](crate::Subscription). `for message in &mut subscription` leaves it usable after a `break`.
#[derive(Debug)]
#[must_use = "messages wait until the subscription is read"]
pub struct Subscription<D: StreamItem = Message> {
    inner: subscribe::Subscription<D::Async>,
}

impl<D: StreamItem> Subscription<D> {
    pub(super) const fn new(inner: subscribe::Subscription<D::Async>) -> Self {
        Self { inner }
    }

    /// The next message, if it comes within this time; `None` at the end. A limit of zero only looks.
    ///
    /// # Errors
    /// [`TimedOut`] if none came; no message is taken.
    pub fn next_timeout(&mut self, limit: Duration) -> Result<Option<D>, TimedOut> {
        Ok(wait_for(self.inner.next(), limit)?.map(D::of_async))
    }

    /// As [`Subscription::next_batch`](crate::Subscription::next_batch): waits for at least one.
    pub fn next_batch(&mut self, most: usize) -> Vec<D> {
        wait(self.inner.next_batch(most)).into_iter().map(D::of_async).collect()
    }

    /// The same, at most this long.
    ///
    /// # Errors
    /// [`TimedOut`] if none came; no message is taken.
    pub fn next_batch_timeout(&mut self, most: usize, limit: Duration) -> Result<Vec<D>, TimedOut> {
        Ok(wait_for(self.inner.next_batch(most), limit)?.into_iter().map(D::of_async).collect())
    }

    /// As [`Subscription::granted`](crate::Subscription::granted).
    pub fn granted(&self) -> &[(TopicFilter, ReasonCode)] {
        self.inner.granted()
    }

    /// As [`Subscription::properties`](crate::Subscription::properties).
    pub fn properties(&self) -> &AckProperties {
        self.inner.properties()
    }

    /// Why it has ended, once it has returned `None`.
    pub const fn end_reason(&self) -> Option<&StreamEnd> {
        self.inner.end_reason()
    }

    /// As [`Subscription::unsubscribe`](crate::Subscription::unsubscribe): returns when the broker has answered.
    ///
    /// # Errors
    /// [`UnsubscribeError::Ended`] if the client has ended.
    pub fn unsubscribe(&mut self) -> Result<Vec<(TopicFilter, ReasonCode)>, UnsubscribeError> {
        wait(self.inner.unsubscribe())
    }

    /// The same, at most this long; if the time is up only the answer is missed.
    ///
    /// # Errors
    /// As [`unsubscribe`](Self::unsubscribe), or the time was up.
    pub fn unsubscribe_timeout(
        &mut self,
        limit: Duration,
    ) -> Result<Vec<(TopicFilter, ReasonCode)>, WaitError<UnsubscribeError>> {
        wait_for_result(self.inner.unsubscribe(), limit)
    }
}

impl<D: StreamItem> Iterator for Subscription<D> {
    type Item = D;

    fn next(&mut self) -> Option<D> {
        wait(self.inner.next()).map(D::of_async)
    }
}

impl<D: StreamItem> FusedIterator for Subscription<D> {}

/// The messages that no subscription wants: an iterator, made by [`Builder::unrouted`](super::Builder::unrouted). See the async
/// [`Unrouted`](crate::Unrouted).
#[derive(Debug)]
#[must_use = "messages wait until this is read"]
pub struct Unrouted {
    inner: subscribe::Unrouted,
}

impl Unrouted {
    pub(super) const fn new(inner: subscribe::Unrouted) -> Self {
        Self { inner }
    }

    /// The next message, if it comes within this time; `None` at the end. A limit of zero only looks.
    ///
    /// # Errors
    /// [`TimedOut`] if none came; no message is taken.
    pub fn next_timeout(&mut self, limit: Duration) -> Result<Option<Message>, TimedOut> {
        wait_for(self.inner.next(), limit)
    }

    /// Why it has ended, once it has returned `None`.
    pub const fn end_reason(&self) -> Option<&StreamEnd> {
        self.inner.end_reason()
    }
}

impl Iterator for Unrouted {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        wait(self.inner.next())
    }
}

impl FusedIterator for Unrouted {}
