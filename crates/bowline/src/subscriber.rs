//! The handle that only subscribes.

use std::future::Future;
use std::ops::Deref;

use bowline_proto::client::Unmatched;
use bowline_proto::{QoS, ReasonCode, TopicFilter};

use crate::builder::sealed::Sealed;
use crate::builder::{Builder, ConnectError, Role};
use crate::connection::Connection;
use crate::message::Message;
use crate::names::IntoFilter;
use crate::shared::Hold;
use crate::subscribe::{OnMessage, Subscribe, UnsubscribeError, unsubscribe};

/// A client that only subscribes: it has no method to publish. Cheap to clone; what every handle can do is in
/// [`Connection`].
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let subscriber = bowline::Subscriber::connect("mqtt://localhost").await?;
/// let mut readings = subscriber.subscribe("sensors/#").await?;
/// while let Some(message) = readings.next().await {
///     println!("{}", message.topic());
/// }
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail,E0599
/// # async fn example(subscriber: bowline::Subscriber) {
/// subscriber.publish("sensors/attic", "21.5");
/// # }
/// ```
///
/// ```compile_fail,E0599
/// # async fn example(subscriber: bowline::Subscriber) {
/// subscriber.topic("sensors/attic");
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Subscriber {
    connection: Connection,
}

impl Subscriber {
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

    /// As [`Client::subscribe`](crate::Client::subscribe).
    pub fn subscribe(&self, filter: impl IntoFilter) -> Subscribe {
        self.subscribe_many([(filter, QoS::AtMostOnce)])
    }

    /// As [`Client::subscribe_many`](crate::Client::subscribe_many).
    pub fn subscribe_many<F: IntoFilter>(&self, filters: impl IntoIterator<Item = (F, QoS)>) -> Subscribe {
        Subscribe::new(self.connection.lease().clone(), filters)
    }

    /// As [`Client::on_message`](crate::Client::on_message).
    pub fn on_message<F, R>(&self, filter: impl IntoFilter, handler: F) -> OnMessage<F>
    where
        F: FnMut(Message) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        self.subscribe(filter).on_message(handler)
    }

    /// As [`Client::unsubscribe`](crate::Client::unsubscribe).
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

impl Deref for Subscriber {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl Role for Subscriber {}

impl Sealed for Subscriber {
    const UNMATCHED: Unmatched = Unmatched::Hold;

    fn of_connection(connection: Connection) -> Self {
        Self { connection }
    }
}
