//! `client.publish(..)`: what is published, and the ways to do it.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bowline_proto::types::Message;

use crate::outcome::{Acknowledgement, PublishError};
use crate::publish::admission::Admission;
use crate::publish::message_options::{Draft, message_options};
use crate::publish::receipt::Receipt;
use crate::shared::Lease;

/// A message that is about to be published; made by `publish`. Nothing happens until it is awaited or sent:
///
/// | | waits for room in the send queue | waits for the acknowledgement |
/// |---|---|---|
/// | `.await` | yes | yes |
/// | [`send`](Self::send)`().await` | yes | no: the [`Receipt`] does |
/// | [`try_send`](Self::try_send)`()` | no | no: the [`Receipt`] does |
///
/// The properties that only MQTT 5.0 has (marked "5.0") are refused on a connection of another version.
///
/// ```no_run
/// # async fn example(client: bowline::Client) -> Result<(), bowline::PublishError> {
/// use bowline::QoS;
///
/// client.publish("meter/7/kwh", "21.5").qos(QoS::AtLeastOnce).retain().await?;
/// let receipt = client.publish("meter/7/kwh", "21.6").qos(QoS::ExactlyOnce).send().await?;
/// // ... something else ...
/// receipt.await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing is published until this is awaited or sent"]
pub struct Publish<'a> {
    lease: &'a Arc<Lease>,
    draft: Draft,
}

impl<'a> Publish<'a> {
    pub(crate) fn new(
        lease: &'a Arc<Lease>,
        topic: impl crate::IntoTopic,
        payload: impl Into<bytes::Bytes>,
    ) -> Self {
        Self { lease, draft: Draft::new(topic, payload.into()) }
    }

    pub(super) const fn of_draft(lease: &'a Arc<Lease>, draft: Draft) -> Self {
        Self { lease, draft }
    }

    message_options!();

    /// Waits until the message is accepted: there is room in the send queue, connected or not. The receipt says how it
    /// ends.
    ///
    /// # Errors
    /// [`PublishError`] if it cannot be sent as it is, or the client has ended.
    ///
    /// # Cancel safety
    /// If the future is dropped, the message was not accepted.
    pub async fn send(self) -> Result<Receipt, PublishError> {
        let qos = self.draft.message.as_ref().map_or(crate::QoS::AtMostOnce, |message| message.qos);
        let lease = self.lease;
        let publication = Admission::new(lease, self.into_message()?, true).await?;
        Ok(Receipt::new(lease.clone(), publication, qos))
    }

    /// Has the message accepted without waiting.
    ///
    /// # Errors
    /// [`PublishError`] as with [`send`](Self::send), and [`PublishErrorKind::Full`](crate::PublishErrorKind::Full), with
    /// the message in it, if the send queue is full.
    pub fn try_send(self) -> Result<Receipt, PublishError> {
        let lease = self.lease;
        let message = self.into_message()?;
        let qos = message.qos;
        let (publication, spent) =
            lease.command(|inner, now| (inner.publish(message, true, now), inner.take_spent()));
        drop(spent);
        let publication = publication?;
        Ok(Receipt::new(lease.clone(), publication, qos))
    }

    fn into_message(self) -> Result<Message, PublishError> {
        self.draft.message.map_err(|kind| PublishError::new(kind, None))
    }
}

impl<'a> IntoFuture for Publish<'a> {
    type Output = Result<Acknowledgement, PublishError>;
    type IntoFuture = PublishFuture<'a>;

    fn into_future(self) -> PublishFuture<'a> {
        let qos = self.draft.message.as_ref().map_or(crate::QoS::AtMostOnce, |message| message.qos);
        let lease = self.lease;
        let step = match self.into_message() {
            Ok(message) => Step::Admit { admission: Admission::new(lease, message, true), qos },
            Err(error) => Step::Fail(Some(error)),
        };
        PublishFuture { step }
    }
}

/// Resolves when the message is acknowledged (QoS 0: accepted).
///
/// # Cancel safety
/// If it is dropped before the message was accepted, the message is gone; after that, the message stays queued or in flight
/// and is delivered all the same: a publish that a timeout interrupts is not taken back. Use
/// [`Receipt::cancel`] for that.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct PublishFuture<'a> {
    step: Step<'a>,
}

#[derive(Debug)]
enum Step<'a> {
    Admit { admission: Admission<'a>, qos: crate::QoS },
    Await(Receipt),
    Fail(Option<PublishError>),
}

impl Future for PublishFuture<'_> {
    type Output = Result<Acknowledgement, PublishError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match &mut self.step {
                Step::Admit { admission, qos } => {
                    let publication = ready!(Pin::new(&mut *admission).poll(cx))?;
                    let receipt = Receipt::new(admission.lease().clone(), publication, *qos);
                    self.step = Step::Await(receipt);
                }
                Step::Await(receipt) => return Pin::new(receipt).poll(cx),
                Step::Fail(error) => {
                    return Poll::Ready(Err(error.take().expect("polled after it was ready")));
                }
            }
        }
    }
}
