//! The blocking handle with everything: publishes and subscribes.

use std::ops::Deref;
use std::time::Duration;

use bowline_proto::types::topic::TopicError;
use bowline_proto::{QoS, ReasonCode, TopicFilter};
use bytes::Bytes;

use crate::blocking::builder::sealed::Sealed;
use crate::blocking::builder::{Builder, Role};
use crate::blocking::connection::Connection;
use crate::blocking::error::WaitError;
use crate::blocking::on_message::OnMessage;
use crate::blocking::publish::Publish;
use crate::blocking::publisher::Publisher;
use crate::blocking::subscribe::Subscribe;
use crate::blocking::subscriber::Subscriber;
use crate::blocking::topic::Topic;
use crate::blocking::wait::{wait, wait_for_result};
use crate::builder::ConnectError;
use crate::message::Message;
use crate::names::{IntoFilter, IntoTopic};
use crate::publish::OutcomeError;
use crate::store::StoredOutcome;
use crate::subscribe::UnsubscribeError;

/// A blocking client that publishes and subscribes over one connection: the async [`Client`](crate::Client) without async. Cheap
/// to clone, and can be used from many threads at once; what every handle can do is in [`Connection`].
#[derive(Clone, Debug)]
pub struct Client {
    inner: crate::Client,
    connection: Connection,
}

impl Client {
    /// Connects with the defaults of [`Builder`] to `mqtt://[user[:password]@]host[:port]`.
    ///
    /// # Errors
    /// As [`Builder::connect`].
    pub fn connect(url: &str) -> Result<Self, ConnectError> {
        Self::builder(url)?.connect()
    }

    /// Everything that can be set before connecting.
    ///
    /// # Errors
    /// [`ConnectError::Url`] if the URL cannot be connected to.
    pub fn builder(url: &str) -> Result<Builder<Self>, ConnectError> {
        Builder::new(url)
    }

    /// The same connection with the methods of a publisher only.
    pub fn publisher(&self) -> Publisher {
        Publisher::of_async(self.inner.publisher())
    }

    /// The same connection with the methods of a subscriber only.
    pub fn subscriber(&self) -> Subscriber {
        Subscriber::of_async(self.inner.subscriber())
    }

    /// A message that is about to be published: set its options, then call or send it. As
    /// [`Client::publish`](crate::Client::publish).
    pub fn publish(&self, topic: impl IntoTopic, payload: impl Into<Bytes>) -> Publish<'_> {
        Publish::new(self.inner.publish(topic, payload))
    }

    /// How the publication with this key ended, as [`Client::outcome`](crate::Client::outcome).
    ///
    /// # Errors
    /// As [`Client::outcome`](crate::Client::outcome).
    pub fn outcome(&self, key: &str) -> Result<Option<StoredOutcome>, OutcomeError> {
        wait(self.inner.outcome(key))
    }

    /// The same, at most this long.
    ///
    /// # Errors
    /// As [`outcome`](Self::outcome), or the time was up: the publication goes on.
    pub fn outcome_timeout(
        &self,
        key: &str,
        limit: Duration,
    ) -> Result<Option<StoredOutcome>, WaitError<OutcomeError>> {
        wait_for_result(self.inner.outcome(key), limit)
    }

    /// A prepared topic: checked once, to be published to again and again.
    ///
    /// # Errors
    /// [`TopicError`] if it is empty, has a wildcard, or is not an MQTT string.
    pub fn topic(&self, topic: impl IntoTopic) -> Result<Topic, TopicError> {
        self.inner.topic(topic).map(Topic::new)
    }

    /// A subscription that is about to be made: set its options, then call it.
    pub fn subscribe(&self, filter: impl IntoFilter) -> Subscribe {
        Subscribe::new(self.inner.subscribe(filter))
    }

    /// One subscription for several filters, each with a QoS of its own.
    pub fn subscribe_many<F: IntoFilter>(&self, filters: impl IntoIterator<Item = (F, QoS)>) -> Subscribe {
        Subscribe::new(self.inner.subscribe_many(filters))
    }

    /// A handler that is about to be subscribed: it runs for every message, in order, on a thread of its own.
    pub fn on_message<F>(&self, filter: impl IntoFilter, handler: F) -> OnMessage<F>
    where
        F: FnMut(Message) + Send + 'static,
    {
        self.subscribe(filter).on_message(handler)
    }

    /// As [`Client::unsubscribe`](crate::Client::unsubscribe): returns when the broker has answered.
    ///
    /// # Errors
    /// [`UnsubscribeError`] if it is no filter, or the client has ended.
    pub fn unsubscribe(
        &self,
        filter: impl IntoFilter,
    ) -> Result<Vec<(TopicFilter, ReasonCode)>, UnsubscribeError> {
        wait(self.inner.unsubscribe(filter))
    }

    /// The same, at most this long; if the time is up only the answer is missed.
    ///
    /// # Errors
    /// As [`unsubscribe`](Self::unsubscribe), or the time was up.
    pub fn unsubscribe_timeout(
        &self,
        filter: impl IntoFilter,
        limit: Duration,
    ) -> Result<Vec<(TopicFilter, ReasonCode)>, WaitError<UnsubscribeError>> {
        wait_for_result(self.inner.unsubscribe(filter), limit)
    }
}

impl Deref for Client {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl Role for Client {}

impl Sealed for Client {
    type Async = crate::Client;

    fn of_async(inner: crate::Client) -> Self {
        let connection = Connection::new((*inner).clone());
        Self { inner, connection }
    }
}
