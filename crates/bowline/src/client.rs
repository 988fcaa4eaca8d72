//! The handle with everything: publishes and subscribes.

use std::future::Future;
use std::ops::Deref;

use bowline_proto::client::Unmatched;
use bowline_proto::types::topic::TopicError;
use bowline_proto::{QoS, ReasonCode, TopicFilter};
use bytes::Bytes;

use crate::builder::sealed::Sealed;
use crate::builder::{Builder, ConnectError, Role};
use crate::connection::Connection;
use crate::message::Message;
use crate::names::{IntoFilter, IntoTopic};
use crate::publish::{OutcomeError, Publish, Topic, key_outcome};
use crate::publisher::Publisher;
use crate::shared::Hold;
use crate::store::StoredOutcome;
use crate::subscribe::{OnMessage, Subscribe, UnsubscribeError, unsubscribe};
use crate::subscriber::Subscriber;

/// A client that publishes and subscribes over one connection. Cheap to clone, and can be used from everywhere at once; what
/// every handle can do is in [`Connection`]. When the last handle and stream is dropped, it disconnects.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use bowline::{Client, QoS};
///
/// let client = Client::connect("mqtt://localhost:1883").await?;
/// let mut readings = client.subscribe("sensors/+/temperature").qos(QoS::AtLeastOnce).await?;
/// client.publish("sensors/attic/temperature", "21.5").qos(QoS::ExactlyOnce).retain().await?;
/// while let Some(message) = readings.next().await {
///     println!("{} {}", message.topic(), message.text()?);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    connection: Connection,
}

impl Client {
    /// Connects with the defaults of [`Builder`] to `mqtt://[user[:password]@]host[:port]`.
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

    /// The same connection with the methods of a publisher only.
    pub fn publisher(&self) -> Publisher {
        Publisher::of_connection(self.connection.clone())
    }

    /// The same connection with the methods of a subscriber only.
    pub fn subscriber(&self) -> Subscriber {
        Subscriber::of_connection(self.connection.clone())
    }

    /// A message that is about to be published: set its options, then await or send it. May be called before there is a
    /// connection; the message waits then.
    pub fn publish(&self, topic: impl IntoTopic, payload: impl Into<Bytes>) -> Publish<'_> {
        Publish::new(self.connection.lease(), topic, payload)
    }

    /// How the publication with this [key](Publish::key) ended; waits for that while it goes on. `None` if there was none, or if so
    /// many have ended since that it is forgotten. Durable sessions only.
    ///
    /// # Errors
    /// [`OutcomeError`]: the session is not durable, the store could not be read, or the client has ended.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn outcome(&self, key: &str) -> Result<Option<StoredOutcome>, OutcomeError> {
        key_outcome(self.connection.lease(), key).await
    }

    /// A prepared topic: checked once, to be published to again and again.
    ///
    /// # Errors
    /// [`TopicError`] if it is empty, has a wildcard, or is not an MQTT string.
    pub fn topic(&self, topic: impl IntoTopic) -> Result<Topic, TopicError> {
        Ok(Topic::new(self.connection.lease().clone(), topic.into_topic()?))
    }

    /// A subscription that is about to be made: set its options, then await it.
    pub fn subscribe(&self, filter: impl IntoFilter) -> Subscribe {
        self.subscribe_many([(filter, QoS::AtMostOnce)])
    }

    /// One stream for several filters, each with a QoS of its own.
    pub fn subscribe_many<F: IntoFilter>(&self, filters: impl IntoIterator<Item = (F, QoS)>) -> Subscribe {
        Subscribe::new(self.connection.lease().clone(), filters)
    }

    /// A handler that is about to be subscribed: it runs for every message, in order, in a task of its own.
    pub fn on_message<F, R>(&self, filter: impl IntoFilter, handler: F) -> OnMessage<F>
    where
        F: FnMut(Message) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        self.subscribe(filter).on_message(handler)
    }

    /// Ends the subscription of a filter at the broker, and all streams that have no other filter. Resolves when the broker
    /// has answered.
    ///
    /// # Errors
    /// [`UnsubscribeError`] if it is no filter, or the client has ended.
    ///
    /// # Cancel safety
    /// At the first poll it is done; a future dropped later only misses the answer.
    pub async fn unsubscribe(
        &self,
        filter: impl IntoFilter,
    ) -> Result<Vec<(TopicFilter, ReasonCode)>, UnsubscribeError> {
        let filter = filter.into_filter().map_err(UnsubscribeError::Filter)?;
        unsubscribe(Hold::Alive(self.connection.lease().clone()), vec![filter]).await
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
    const UNMATCHED: Unmatched = Unmatched::Hold;

    fn of_connection(connection: Connection) -> Self {
        Self { connection }
    }
}
