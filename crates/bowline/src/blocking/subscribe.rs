//! Subscribing without async: what is subscribed to, how, and the wait for the broker's answer.

use std::future::IntoFuture;
use std::time::Duration;

use bowline_proto::QoS;
use bowline_proto::client::Qos0Full;
use bowline_proto::types::RetainHandling;

use crate::blocking::delivery::{Delivery, StreamItem};
use crate::blocking::error::WaitError;
use crate::blocking::on_message::OnMessage;
use crate::blocking::same_options::same_options;
use crate::blocking::subscription::Subscription;
use crate::blocking::wait::{wait, wait_for_result};
use crate::message::Message;
use crate::subscribe::{self, SubscribeError};

/// A subscription that is about to be made; by `subscribe` or `subscribe_many`. Nothing happens until it is called. Options and
/// defaults are those of the async [`Subscribe`](crate::Subscribe).
#[derive(Debug)]
#[must_use = "nothing is subscribed until this is called"]
pub struct Subscribe<D: StreamItem = Message> {
    inner: subscribe::Subscribe<D::Async>,
}

impl Subscribe {
    pub(super) const fn new(inner: subscribe::Subscribe) -> Self {
        Self { inner }
    }

    /// Has the subscription return [`Delivery`]s, which are acknowledged by hand.
    pub fn manual_ack(self) -> Subscribe<Delivery> {
        Subscribe { inner: self.inner.manual_ack() }
    }

    /// Runs a handler for every message, in order, on a thread of its own; see [`OnMessage`].
    pub fn on_message<F>(self, handler: F) -> OnMessage<F>
    where
        F: FnMut(Message) + Send + 'static,
    {
        OnMessage::new(self.inner.manual_ack(), handler)
    }
}

impl<D: StreamItem> Subscribe<D> {
    same_options! {
        /// As [`Subscribe::qos`](crate::Subscribe::qos).
        qos(qos: QoS);
        /// As [`Subscribe::no_local`](crate::Subscribe::no_local).
        no_local();
        /// As [`Subscribe::retain_as_published`](crate::Subscribe::retain_as_published).
        retain_as_published();
        /// As [`Subscribe::retain_handling`](crate::Subscribe::retain_handling).
        retain_handling(handling: RetainHandling);
        /// As [`Subscribe::qos0`](crate::Subscribe::qos0).
        qos0(messages_max: usize, when_full: Qos0Full);
        /// As [`Subscribe::timeout`](crate::Subscribe::timeout).
        timeout(limit: Duration);
        /// As [`Subscribe::user_property`](crate::Subscribe::user_property).
        user_property(name: impl Into<String>, value: impl Into<String>);
    }

    /// Subscribes, and returns when the broker has answered for all filters; while there is no connection it waits for one.
    ///
    /// # Errors
    /// [`SubscribeError`]; if the broker refuses only some of the filters it is no error.
    pub fn call(self) -> Result<Subscription<D>, SubscribeError> {
        wait(self.inner.into_future()).map(Subscription::new)
    }

    /// The same, at most this long; if the time is up the subscription is given up, as by dropping it.
    ///
    /// # Errors
    /// As [`call`](Self::call), or the time was up.
    pub fn call_timeout(self, limit: Duration) -> Result<Subscription<D>, WaitError<SubscribeError>> {
        wait_for_result(self.inner.into_future(), limit).map(Subscription::new)
    }
}
