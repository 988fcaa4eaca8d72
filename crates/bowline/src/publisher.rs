//! The handle that only publishes.

use std::ops::Deref;

use bowline_proto::client::Unmatched;
use bowline_proto::types::topic::TopicError;
use bytes::Bytes;

use crate::builder::sealed::Sealed;
use crate::builder::{Builder, ConnectError, Role};
use crate::connection::Connection;
use crate::names::IntoTopic;
use crate::publish::{OutcomeError, Publish, Topic, key_outcome};
use crate::store::StoredOutcome;

/// A client that only publishes: it has no method to subscribe. Cheap to clone; what every handle can do is in
/// [`Connection`].
///
/// Connected as such, messages that the broker sends all the same (of a session that once had subscriptions) are left to
/// it; made by [`Client::publisher`](crate::Client::publisher), it is a view of the client's connection.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let publisher = bowline::Publisher::connect("mqtt://localhost").await?;
/// publisher.publish("sensors/attic/temperature", "21.5").await?;
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail,E0599
/// # async fn example(publisher: bowline::Publisher) {
/// publisher.subscribe("sensors/#");
/// # }
/// ```
///
/// ```compile_fail,E0599
/// # async fn example(publisher: bowline::Publisher) {
/// publisher.unsubscribe("sensors/#");
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Publisher {
    connection: Connection,
}

impl Publisher {
    /// As [`Client::connect`](crate::Client::connect).
    ///
    /// # Errors
    /// As [`Builder::connect`].
    ///
    /// # Cancel safety
    /// As [`Builder::connect`].
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        Self::builder(url)?.connect().await
    }

    /// Everything that can be set before connecting.
    ///
    /// # Errors
    /// [`ConnectError::Url`] if the URL cannot be connected to.
    pub fn builder(url: &str) -> Result<Builder<Self>, ConnectError> {
        Builder::new(url)
    }

    /// As [`Client::publish`](crate::Client::publish).
    pub fn publish(&self, topic: impl IntoTopic, payload: impl Into<Bytes>) -> Publish<'_> {
        Publish::new(self.connection.lease(), topic, payload)
    }

    /// As [`Client::outcome`](crate::Client::outcome).
    ///
    /// # Errors
    /// As [`Client::outcome`](crate::Client::outcome).
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn outcome(&self, key: &str) -> Result<Option<StoredOutcome>, OutcomeError> {
        key_outcome(self.connection.lease(), key).await
    }

    /// As [`Client::topic`](crate::Client::topic).
    ///
    /// # Errors
    /// [`TopicError`] if it is empty, has a wildcard, or is not an MQTT string.
    pub fn topic(&self, topic: impl IntoTopic) -> Result<Topic, TopicError> {
        Ok(Topic::new(self.connection.lease().clone(), topic.into_topic()?))
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
    const UNMATCHED: Unmatched = Unmatched::Leave;

    fn of_connection(connection: Connection) -> Self {
        Self { connection }
    }
}
