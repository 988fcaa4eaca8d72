//! The blocking handle that only publishes.

use std::ops::Deref;
use std::time::Duration;

use bowline_proto::types::topic::TopicError;
use bytes::Bytes;

use crate::blocking::builder::sealed::Sealed;
use crate::blocking::builder::{Builder, Role};
use crate::blocking::connection::Connection;
use crate::blocking::error::WaitError;
use crate::blocking::publish::Publish;
use crate::blocking::topic::Topic;
use crate::blocking::wait::{wait, wait_for_result};
use crate::builder::ConnectError;
use crate::names::IntoTopic;
use crate::publish::OutcomeError;
use crate::store::StoredOutcome;

/// A blocking client that only publishes: it has no method to subscribe. The async [`Publisher`](crate::Publisher) without
/// async; what every handle can do is in [`Connection`].
///
/// ```no_run
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let publisher = bowline::blocking::Publisher::connect("mqtt://localhost")?;
/// publisher.publish("sensors/attic/temperature", "21.5").call()?;
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail,E0599
/// # fn example(publisher: bowline::blocking::Publisher) {
/// publisher.subscribe("sensors/#");
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Publisher {
    inner: crate::Publisher,
    connection: Connection,
}

impl Publisher {
    /// As [`Client::connect`](super::Client::connect).
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

    /// As [`Client::publish`](super::Client::publish).
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

    /// As [`Client::topic`](super::Client::topic).
    ///
    /// # Errors
    /// [`TopicError`] if it is empty, has a wildcard, or is not an MQTT string.
    pub fn topic(&self, topic: impl IntoTopic) -> Result<Topic, TopicError> {
        self.inner.topic(topic).map(Topic::new)
    }
}

impl Deref for Publisher {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl Role for Publisher {}

impl Sealed for Publisher {
    type Async = crate::Publisher;

    fn of_async(inner: crate::Publisher) -> Self {
        let connection = Connection::new((*inner).clone());
        Self { inner, connection }
    }
}
