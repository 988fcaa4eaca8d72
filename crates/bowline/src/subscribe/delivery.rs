//! What a stream returns: messages, or messages with the right to acknowledge them.

use std::error::Error;
use std::fmt;
use std::future::poll_fn;

use bowline_proto::ReasonCode;
use bowline_proto::routing::StreamId;
use bowline_proto::session::DeliveryId;
use bowline_proto::types::TopicName;

use crate::event::Event;
use crate::message::Message;
use crate::shared::Hold;

/// A message and its acknowledgement, which is the application's to give: what a stream with
/// [`manual_ack`](crate::Subscribe::manual_ack) returns.
#[derive(Debug)]
#[must_use = "the message stays unacknowledged until its `Ack` says so"]
pub struct Delivery {
    message: Message,
    ack: Ack,
}

impl Delivery {
    /// The message.
    pub const fn message(&self) -> &Message {
        &self.message
    }

    /// Message and acknowledgement apart, to be moved to different places.
    pub fn into_parts(self) -> (Message, Ack) {
        (self.message, self.ack)
    }

    /// Acknowledges the message: see [`Ack::ack`].
    ///
    /// # Errors
    /// As [`Ack::ack`].
    pub async fn ack(self) -> Result<Message, AckError> {
        self.ack.ack().await?;
        Ok(self.message)
    }
}

/// The right to acknowledge one message. Acknowledgements may be given in any order: they leave in the order in which the
/// messages arrived, so one that is missing holds back those behind it.
///
/// Dropped unused, it follows [`on_abandon`](Ack::on_abandon).
#[derive(Debug)]
#[must_use = "the message stays unacknowledged until this says so"]
pub struct Ack {
    hold: Hold,
    stream: StreamId,
    /// `None` with QoS 0, and once it was used.
    delivery: Option<DeliveryId>,
    topic: TopicName,
    on_abandon: OnAbandon,
}

/// What an [`Ack`] does that is dropped unused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnAbandon {
    /// The message stays unacknowledged and holds back those behind it, and an [`Event::AckAbandoned`] says so, unless no
    /// acknowledgement is due any more. A broker sends it again on the next connection of a session that is kept: then the
    /// stream returns it again, or another one that matches. One whose filter is unsubscribed, before or after, is
    /// acknowledged with that: nobody would get it again.
    #[default]
    Hold,
    /// The message is acknowledged.
    Ack,
}

impl Ack {
    pub(super) fn new(hold: Hold, stream: StreamId, delivery: Option<DeliveryId>, topic: TopicName) -> Self {
        Self { hold, stream, delivery, topic, on_abandon: OnAbandon::default() }
    }

    /// Acknowledges the message. With QoS 0 there is nothing to do.
    ///
    /// In a durable session it resolves, for QoS 2, once the acknowledgement is stored: the message will not be handed out again
    /// then, whatever happens to the program. If several streams have the message, the last one's acknowledgement is the one that
    /// counts, and the one that waits.
    ///
    /// # Errors
    /// [`AckError::Stale`] if no acknowledgement is due any more: the session is gone, or the broker has used the packet
    /// identifier for another message. [`AckError::NotStored`] if the client ended before it was stored: the message may be
    /// handed out again by the next client on the session.
    ///
    /// # Cancel safety
    /// It is acknowledged at the first poll; a future that was never polled counts as a dropped `Ack`, and one that is dropped later
    /// only misses that it is stored.
    pub async fn ack(mut self) -> Result<(), AckError> {
        let Some(delivery) = self.delivery else { return Ok(()) };
        self.give(ReasonCode::Success)?;
        let is_stored = poll_fn(|cx| self.hold.lock().poll_ack_stored(delivery, cx.waker())).await;
        if is_stored { Ok(()) } else { Err(AckError::NotStored) }
    }

    /// Refuses the message: a 5.0 broker is told the reason and does not send it again. Before 5.0 there is no way to
    /// say it: the message is acknowledged, and an [`Event::RefusalNotTold`] says so.
    ///
    /// # Errors
    /// [`AckError::Stale`] as with [`ack`](Self::ack), [`AckError::NoRefusal`] if the reason is below 0x80 or not one that
    /// acknowledgements have.
    ///
    /// # Cancel safety
    /// As [`ack`](Self::ack).
    pub async fn reject(mut self, reason: ReasonCode) -> Result<(), AckError> {
        let is_legal = matches!(
            reason,
            ReasonCode::UnspecifiedError
                | ReasonCode::ImplementationSpecificError
                | ReasonCode::NotAuthorized
                | ReasonCode::TopicNameInvalid
                | ReasonCode::QuotaExceeded
                | ReasonCode::PayloadFormatInvalid
        );
        if is_legal { self.give(reason) } else { Err(AckError::NoRefusal { reason }) }
    }

    /// What becomes of the message if this is dropped unused. Default: [`OnAbandon::Hold`].
    pub const fn on_abandon(mut self, on_abandon: OnAbandon) -> Self {
        self.on_abandon = on_abandon;
        self
    }

    fn give(&mut self, reason: ReasonCode) -> Result<(), AckError> {
        let Some(delivery) = self.delivery.take() else { return Ok(()) };
        let stream = self.stream;
        self.hold.command(|inner, _| {
            let engine = inner.engine.as_mut().ok_or(AckError::Stale)?;
            engine.take(delivery, stream, reason).map_err(|_| AckError::Stale)?;
            if engine.awaits_stored_acknowledgement(delivery) {
                inner.unstored_acks.insert(delivery, None);
            }
            Ok(())
        })
    }
}

impl Drop for Ack {
    fn drop(&mut self) {
        let Some(delivery) = self.delivery else { return };
        match self.on_abandon {
            OnAbandon::Hold => {
                let stream = self.stream;
                let is_due = self.hold.command(|inner, _| {
                    inner.engine.as_mut().is_some_and(|engine| engine.abandon(delivery, stream).is_ok())
                });
                if is_due {
                    self.hold.feed.tell([Event::AckAbandoned { topic: self.topic.clone() }]);
                }
            }
            // A stale one needs none.
            OnAbandon::Ack => drop(self.give(ReasonCode::Success)),
        }
    }
}

/// Why a message was not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AckError {
    /// No acknowledgement is due any more: the session is gone, or the identifier carries another message.
    Stale,
    /// The client ended before the acknowledgement was stored: the message may be handed out again by the next client on the
    /// durable session.
    NotStored,
    /// This reason code does not refuse a message.
    NoRefusal {
        /// Which.
        reason: ReasonCode,
    },
}

impl fmt::Display for AckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale => f.write_str("the message is not to be acknowledged any more: its session is gone"),
            Self::NotStored => f.write_str(
                "the client ended before the acknowledgement was stored: the message may come again",
            ),
            Self::NoRefusal { reason } => {
                write!(f, "the reason code {reason} does not refuse a message")
            }
        }
    }
}

impl Error for AckError {}

/// What streams return: [`Message`], acknowledged when it is taken, or [`Delivery`], acknowledged by hand. Sealed.
pub trait StreamItem: sealed::Sealed + Sized + Send + 'static {}

impl StreamItem for Message {}
impl StreamItem for Delivery {}

pub(super) mod sealed {
    use bowline_proto::types::TopicName;

    use super::Ack;
    use crate::message::Message;

    #[expect(unnameable_types, reason = "this is what seals the items")]
    pub trait Sealed {
        /// Whether the application acknowledges.
        #[doc(hidden)]
        const IS_MANUAL: bool;

        #[doc(hidden)]
        fn of_parts(message: Message, ack: impl FnOnce(TopicName) -> Ack) -> Self;
    }
}

impl sealed::Sealed for Message {
    const IS_MANUAL: bool = false;

    fn of_parts(message: Message, _ack: impl FnOnce(TopicName) -> Ack) -> Self {
        message
    }
}

impl sealed::Sealed for Delivery {
    const IS_MANUAL: bool = true;

    fn of_parts(message: Message, ack: impl FnOnce(TopicName) -> Ack) -> Self {
        let ack = ack(message.content().topic.clone());
        Self { message, ack }
    }
}
