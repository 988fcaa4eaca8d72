//! The blocking handle that only subscribes.

use std::ops::Deref;
use std::time::Duration;

use bowline_proto::{QoS, ReasonCode, TopicFilter};

use crate::blocking::builder::sealed::Sealed;
use crate::blocking::builder::{Builder, Role};
use crate::blocking::connection::Connection;
use crate::blocking::error::WaitError;
use crate::blocking::on_message::OnMessage;
use crate::blocking::subscribe::Subscribe;
use crate::blocking::wait::{wait, wait_for_result};
use crate::builder::ConnectError;
use crate::message::Message;
use crate::names::IntoFilter;
use crate::subscribe::UnsubscribeError;

/// A blocking client that only subscribes: it has no method to publish. The async [`Subscriber`](crate::Subscriber) without
/// async; what every handle can do is in [`Connection`].
///
/// ```no_run
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let subscriber = bowline::blocking::Subscriber::connect("mqtt://localhost")?;
/// for message in subscriber.subscribe("sensors/#").call()? {
///     println!("{}", message.topic());
/// }
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail,E0599
/// # fn example(subscriber: bowline::blocking::Subscriber) {
/// subscriber.publish("sensors/attic", "21.5");
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Subscriber {
    inner: crate::Subscriber,
    connection: Connection,
}

impl Subscriber {
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

    /// As [`Client::subscribe`](super::Client::subscribe).
    pub fn subscribe(&self, filter: impl IntoFilter) -> Subscribe {
        Subscribe::new(self.inner.subscribe(filter))
    }

    /// As [`Client::subscribe_many`](super::Client::subscribe_many).
    pub fn subscribe_many<F: IntoFilter>(&self, filters: impl IntoIterator<Item = (F, QoS)>) -> Subscribe {
        Subscribe::new(self.inner.subscribe_many(filters))
    }

    /// As [`Client::on_message`](super::Client::on_message).
    pub fn on_message<F>(&self, filter: impl IntoFilter, handler: F) -> OnMessage<F>
    where
        F: FnMut(Message) + Send + 'static,
    {
        self.subscribe(filter).on_message(handler)
    }

    /// As [`Client::unsubscribe`](super::Client::unsubscribe).
    ///
    /// # Errors
    /// [`UnsubscribeError`] if it is no filter, or the client has ended.
    pub fn unsubscribe(
        &self,
        filter: impl IntoFilter,
    ) -> Result<Vec<(TopicFilter, ReasonCode)>, UnsubscribeError> {
        wait(self.inner.unsubscribe(filter))
    }

    /// As [`Client::unsubscribe_timeout`](super::Client::unsubscribe_timeout).
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

impl Deref for Subscriber {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl Role for Subscriber {}

impl Sealed for Subscriber {
    type Async = crate::Subscriber;

    fn of_async(inner: crate::Subscriber) -> Self {
        let connection = Connection::new((*inner).clone());
        Self { inner, connection }
    }
}
