//! A prepared topic without async, and publishing all that an iterator has.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bowline_proto::QoS;
use bytes::Bytes;
use futures_core::Stream;

use crate::blocking::publish::{Publish, Receipt};
use crate::blocking::same_options::same_options;
use crate::blocking::wait::wait;
use crate::outcome::PublishError;
use crate::publish::PublishAllError;
use crate::{IntoTopic, SessionLoss, publish};

/// A topic with the options of its messages, checked once: the way to publish at a rate. Made by `topic`. Keeps the client
/// alive. The options are those of the async [`Topic`](crate::Topic).
///
/// ```no_run
/// # fn example(client: bowline::blocking::Client) -> Result<(), Box<dyn std::error::Error>> {
/// use bowline::QoS;
///
/// let topic = client.topic("meter/7/kwh")?.qos(QoS::AtLeastOnce);
/// let acknowledged = topic.publish_all((0..1_000).map(|reading| reading.to_string()))?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a topic publishes nothing by itself"]
pub struct Topic {
    inner: publish::Topic,
}

impl Topic {
    pub(super) const fn new(inner: publish::Topic) -> Self {
        Self { inner }
    }

    same_options! {
        /// As [`Topic::qos`](crate::Topic::qos).
        qos(qos: QoS);
        /// As [`Topic::retain`](crate::Topic::retain).
        retain();
        /// As [`Topic::expires_in`](crate::Topic::expires_in).
        expires_in(expires_in: Duration);
        /// As [`Topic::on_session_loss`](crate::Topic::on_session_loss).
        on_session_loss(choice: SessionLoss);
        /// As [`Topic::payload_is_text`](crate::Topic::payload_is_text).
        payload_is_text();
        /// As [`Topic::content_type`](crate::Topic::content_type).
        content_type(content_type: impl Into<String>);
        /// As [`Topic::response_topic`](crate::Topic::response_topic).
        response_topic(topic: impl IntoTopic);
        /// As [`Topic::correlation_data`](crate::Topic::correlation_data).
        correlation_data(data: impl Into<Bytes>);
        /// As [`Topic::user_property`](crate::Topic::user_property).
        user_property(name: impl Into<String>, value: impl Into<String>);
    }

    /// A message for this topic; what is set on it is for it alone.
    pub fn publish(&self, payload: impl Into<Bytes>) -> Publish<'_> {
        Publish::new(self.inner.publish(payload))
    }

    /// As [`Publish::send`] of a message with this payload.
    ///
    /// # Errors
    /// As [`Publish::send`], and if an option of the topic is not legal.
    pub fn send(&self, payload: impl Into<Bytes>) -> Result<Receipt, PublishError> {
        self.publish(payload).send()
    }

    /// As [`Publish::try_send`] of a message with this payload.
    ///
    /// # Errors
    /// As [`Publish::try_send`], and if an option of the topic is not legal.
    pub fn try_send(&self, payload: impl Into<Bytes>) -> Result<Receipt, PublishError> {
        self.publish(payload).try_send()
    }

    /// Publishes every payload of an iterator, many at a time, and returns their number when all are acknowledged.
    ///
    /// # Errors
    /// [`PublishAllError`] with the first failure; no further payload is taken from the iterator then, those accepted before
    /// go on.
    pub fn publish_all<I>(&self, payloads: I) -> Result<u64, PublishAllError>
    where
        I: IntoIterator<Item: Into<Bytes>>,
    {
        wait(self.inner.publish_all(Payloads(Box::new(payloads.into_iter()))))
    }
}

/// An iterator as a stream that is always ready. Boxed, because it may not be `Unpin`.
struct Payloads<I>(Box<I>);

impl<I: Iterator> Stream for Payloads<I> {
    type Item = I::Item;

    fn poll_next(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<I::Item>> {
        Poll::Ready(self.0.next())
    }
}
