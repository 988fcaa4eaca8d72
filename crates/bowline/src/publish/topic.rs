//! A prepared topic: checked once, then published to again and again.

use std::sync::Arc;

use bowline_proto::TopicName;
use bytes::Bytes;
use futures_core::Stream;

use crate::outcome::PublishError;
use crate::publish::admission::{Admission, Until};
use crate::publish::all::{PublishAllError, publish_all};
use crate::publish::message_options::{Draft, message_options};
use crate::publish::receipt::Receipt;
use crate::publish::request::Publish;
use crate::shared::Lease;

/// A topic with the options of its messages, checked once: the way to publish at a rate. Made by `topic`. Keeps the client
/// alive.
///
/// ```no_run
/// # async fn example(client: bowline::Client) -> Result<(), Box<dyn std::error::Error>> {
/// use bowline::QoS;
///
/// let topic = client.topic("meter/7/kwh")?.qos(QoS::AtLeastOnce);
/// for reading in 0..1_000 {
///     let _receipt = topic.send(reading.to_string()).await?;
/// }
/// client.flush().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a topic publishes nothing by itself"]
pub struct Topic {
    lease: Arc<Lease>,
    draft: Draft,
}

impl Topic {
    pub(crate) fn new(lease: Arc<Lease>, topic: TopicName) -> Self {
        Self { lease, draft: Draft::new(topic, Bytes::new()) }
    }

    message_options!();

    /// A message for this topic; what is set on it is for it alone.
    pub fn publish(&self, payload: impl Into<Bytes>) -> Publish<'_> {
        let mut draft = self.draft.clone();
        draft.set_payload(payload.into());
        Publish::of_draft(&self.lease, draft)
    }

    /// Waits until a message with this payload is accepted: there is room in the send queue, and in a durable session it is
    /// stored, unless its QoS is 0.
    ///
    /// # Errors
    /// [`PublishError`] if an option of the topic is not legal, the message cannot be sent as it is or not be stored, or the
    /// client has ended.
    ///
    /// # Cancel safety
    /// As [`Publish::send`].
    pub async fn send(&self, payload: impl Into<Bytes>) -> Result<Receipt, PublishError> {
        let draft = match &self.draft.message {
            Ok(draft) => draft,
            Err(kind) => return Err(PublishError::new(kind.clone(), None)),
        };
        // The message is made where it stays: moving it would cost a tenth of publishing it.
        let message = Draft::filled(draft, payload.into());
        let admission = Admission::new(&self.lease, message, Until::Stored);
        let publication = admission.choosing(self.draft.on_session_loss).await?;
        Ok(Receipt::new(self.lease.clone(), publication, draft.qos))
    }

    /// Has a message with this payload accepted without waiting.
    ///
    /// # Errors
    /// As [`send`](Self::send), and [`PublishErrorKind::Full`](crate::PublishErrorKind::Full), with the message in it, if
    /// the send queue is full.
    pub fn try_send(&self, payload: impl Into<Bytes>) -> Result<Receipt, PublishError> {
        self.publish(payload).try_send()
    }

    /// Publishes every payload of a stream, many at a time, and resolves when all are acknowledged, to their number.
    ///
    /// ```no_run
    /// # async fn example(client: bowline::Client, lines: impl futures_core::Stream<Item = String>)
    /// # -> Result<(), Box<dyn std::error::Error>> {
    /// let topic = client.topic("log/lines")?.qos(bowline::QoS::AtLeastOnce);
    /// let lines_acknowledged = topic.publish_all(lines).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`PublishAllError`] with the first failure; no further payload is taken from the stream then, those accepted before go
    /// on.
    ///
    /// # Cancel safety
    /// If the future is dropped, messages that were accepted stay queued or in flight; at most one payload was taken from
    /// the stream and not accepted.
    pub async fn publish_all<S>(&self, payloads: S) -> Result<u64, PublishAllError>
    where
        S: Stream<Item: Into<Bytes>>,
    {
        publish_all(&self.lease, self.draft.on_session_loss, payloads, |payload| {
            self.draft.with_payload(payload.into())
        })
        .await
    }
}
