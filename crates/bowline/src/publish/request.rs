//! `client.publish(..)`: what is published, and the ways to do it.

use std::future::{Future, IntoFuture, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bowline_proto::Text;
use bowline_proto::types::Message;

use crate::outcome::{Acknowledgement, PublishError, PublishErrorKind};
use crate::publish::admission::Until;
use crate::publish::keyed_admission::KeyedAdmission;
use crate::publish::message_options::{Draft, message_options};
use crate::publish::receipt::Receipt;
use crate::shared::Lease;
use crate::time_limit::TimeLimit;

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
    limit: Option<Duration>,
    cancels: bool,
    key: Option<Text>,
}

impl<'a> Publish<'a> {
    pub(crate) fn new(
        lease: &'a Arc<Lease>,
        topic: impl crate::IntoTopic,
        payload: impl Into<bytes::Bytes>,
    ) -> Self {
        Self::of_draft(lease, Draft::new(topic, payload.into()))
    }

    pub(super) const fn of_draft(lease: &'a Arc<Lease>, draft: Draft) -> Self {
        Self { lease, draft, limit: None, cancels: false, key: None }
    }

    message_options!();

    /// Gives it a key by which the store of a durable session remembers how it ends: `outcome` tells it, also after a restart, as
    /// long as it is among the last so many that have ended ([`OUTCOMES_MAX`](crate::store::OUTCOMES_MAX) unless the store is
    /// told otherwise). 1 to 1,024 bytes, QoS 1 or 2, and a durable session; else it is refused.
    ///
    /// A message whose key is known is not accepted: the error is
    /// [`PublishErrorKind::KnownKey`](crate::PublishErrorKind::KnownKey) and says what became of the earlier one. So a program that
    /// does not know whether it had published before it was killed just publishes again. The store says so when it is to store the
    /// message, so that messages with and without keys keep the order in which they were published; with
    /// [`try_send`](Self::try_send) it is the receipt that ends with it. Where the send queue is full, one whose key is known does not
    /// wait for room.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        match Text::try_from(key.into()) {
            Ok(key) => self.key = Some(key),
            Err(error) => self.draft.refuse("key", error.to_string()),
        }
        self
    }

    /// How long it may take, from the first poll on: with `.await` until it is acknowledged, with [`send`](Self::send) until
    /// it is accepted. Then it ends with [`PublishErrorKind::TimedOut`](crate::PublishErrorKind::TimedOut), with the message
    /// in it if it was not accepted. An accepted message **stays queued or in flight** and is delivered all the same: to
    /// publish it again would be to publish it twice; if it fails later, an
    /// [`Event::PublishFailed`](crate::Event::PublishFailed) says so. See also
    /// [`cancel_on_timeout`](Self::cancel_on_timeout). Unlimited unless set; [`try_send`](Self::try_send) never waits.
    pub const fn timeout(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Has [`timeout`](Self::timeout) take the message back, and the error hand it back, if no byte of it was sent.
    pub const fn cancel_on_timeout(mut self) -> Self {
        self.cancels = true;
        self
    }

    /// Waits until the message is accepted: there is room in the send queue, connected or not, and in a durable session it is
    /// stored, unless its QoS is 0. The receipt says how it ends.
    ///
    /// # Errors
    /// [`PublishError`] if it cannot be sent as it is or not be stored, or the client has ended.
    ///
    /// # Cancel safety
    /// If the future is dropped, the message was not accepted; except that in a durable session it may be, and go on, if the
    /// store had it in its hands.
    pub async fn send(self) -> Result<Receipt, PublishError> {
        let qos = self.draft.message.as_ref().map_or(crate::QoS::AtMostOnce, |message| message.qos);
        let (lease, mut limit, key) = (self.lease, TimeLimit::new(self.limit), self.key.clone());
        let choice = self.draft.on_session_loss;
        let mut admission =
            KeyedAdmission::new(lease, self.into_message()?, Until::Stored, key).choosing(choice);
        let admitted = poll_fn(|cx| match Pin::new(&mut admission).poll(cx) {
            Poll::Pending if limit.is_over(&lease.runtime, cx) => {
                Poll::Ready(Err(timed_out(admission.take_message())))
            }
            polled => polled,
        });
        let publication = admitted.await?;
        Ok(Receipt::new(lease.clone(), publication, qos))
    }

    /// Has the message accepted without waiting.
    ///
    /// # Errors
    /// [`PublishError`] as with [`send`](Self::send), and [`PublishErrorKind::Full`](crate::PublishErrorKind::Full), with
    /// the message in it, if the send queue is full. In a durable session the receipt says
    /// [`PublishErrorKind::StoreFailed`](crate::PublishErrorKind::StoreFailed) if it could not be stored, and
    /// [`PublishErrorKind::KnownKey`](crate::PublishErrorKind::KnownKey) if its [`key`](Self::key) is known.
    pub fn try_send(self) -> Result<Receipt, PublishError> {
        let (lease, key, choice) = (self.lease, self.key.clone(), self.draft.on_session_loss);
        let message = self.into_message()?;
        let qos = message.qos;
        let mut message = Some(message);
        let (publication, spent) = lease.command_by_clock(|inner, clock| {
            let publication = inner.choosing(choice, |inner| match key {
                None => inner.publish(&mut message, clock),
                Some(key) => inner.publish_keyed(&mut message, key, clock()),
            });
            (publication, inner.take_spent())
        });
        // Without the lock.
        drop((message, spent));
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
        let (lease, limit, cancels) = (self.lease, TimeLimit::new(self.limit), self.cancels);
        let (key, choice) = (self.key.clone(), self.draft.on_session_loss);
        let step = match self.into_message() {
            Ok(message) => {
                let admission = KeyedAdmission::new(lease, message, Until::Queued, key).choosing(choice);
                Step::Admit { admission, qos }
            }
            Err(error) => Step::Fail(Some(error)),
        };
        PublishFuture { step, limit, cancels, is_cancelled: false }
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
    limit: TimeLimit,
    cancels: bool,
    /// The time was up and the message is taken back; its receipt will say so.
    is_cancelled: bool,
}

fn timed_out(message: Option<Message>) -> PublishError {
    PublishError::new(PublishErrorKind::TimedOut, message)
}

#[derive(Debug)]
enum Step<'a> {
    Admit { admission: KeyedAdmission<'a>, qos: crate::QoS },
    Await(Receipt),
    Fail(Option<PublishError>),
}

impl Future for PublishFuture<'_> {
    type Output = Result<Acknowledgement, PublishError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            match &mut this.step {
                Step::Admit { admission, qos } => {
                    let Poll::Ready(admitted) = Pin::new(&mut *admission).poll(cx) else {
                        if this.limit.is_over(&admission.lease().runtime, cx) {
                            return Poll::Ready(Err(timed_out(admission.take_message())));
                        }
                        return Poll::Pending;
                    };
                    let publication = admitted?;
                    let receipt = Receipt::new(admission.lease().clone(), publication, *qos);
                    this.step = Step::Await(receipt);
                }
                Step::Await(receipt) => match Pin::new(&mut *receipt).poll(cx) {
                    Poll::Ready(Err(error))
                        if this.is_cancelled && matches!(error.kind(), PublishErrorKind::Cancelled) =>
                    {
                        return Poll::Ready(Err(timed_out(error.into_message())));
                    }
                    Poll::Pending if this.limit.is_over(receipt.runtime(), cx) => {
                        if !this.cancels || !receipt.cancel() {
                            return Poll::Ready(Err(timed_out(None)));
                        }
                        this.is_cancelled = true;
                    }
                    polled => return polled,
                },
                Step::Fail(error) => {
                    return Poll::Ready(Err(error.take().expect("polled after it was ready")));
                }
            }
        }
    }
}
