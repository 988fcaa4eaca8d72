//! What a blocking subscription returns: messages, or messages with the right to acknowledge them.

use bowline_proto::ReasonCode;

use crate::blocking::wait::wait;
use crate::message::Message;
use crate::subscribe::{self, AckError, OnAbandon};

/// A message and its acknowledgement, which is the application's to give: what a subscription with
/// [`manual_ack`](super::Subscribe::manual_ack) returns.
#[derive(Debug)]
#[must_use = "the message stays unacknowledged until its `Ack` says so"]
pub struct Delivery {
    inner: subscribe::Delivery,
}

impl Delivery {
    /// The message.
    pub const fn message(&self) -> &Message {
        self.inner.message()
    }

    /// Message and acknowledgement apart, to be moved to different places.
    pub fn into_parts(self) -> (Message, Ack) {
        let (message, inner) = self.inner.into_parts();
        (message, Ack { inner })
    }

    /// Acknowledges the message: see [`Ack::ack`].
    ///
    /// # Errors
    /// As [`Ack::ack`].
    pub fn ack(self) -> Result<Message, AckError> {
        wait(self.inner.ack())
    }
}

/// The right to acknowledge one message; see the async [`Ack`](crate::Ack).
#[derive(Debug)]
#[must_use = "the message stays unacknowledged until this says so"]
pub struct Ack {
    inner: subscribe::Ack,
}

impl Ack {
    /// Acknowledges the message. With QoS 0 there is nothing to do.
    ///
    /// # Errors
    /// As [`Ack::ack`](crate::Ack::ack).
    pub fn ack(self) -> Result<(), AckError> {
        wait(self.inner.ack())
    }

    /// Refuses the message, as [`Ack::reject`](crate::Ack::reject).
    ///
    /// # Errors
    /// As [`Ack::reject`](crate::Ack::reject).
    pub fn reject(self, reason: ReasonCode) -> Result<(), AckError> {
        wait(self.inner.reject(reason))
    }

    /// What becomes of the message if this is dropped unused. Default: [`OnAbandon::Hold`].
    pub fn on_abandon(self, on_abandon: OnAbandon) -> Self {
        Self { inner: self.inner.on_abandon(on_abandon) }
    }
}

/// What subscriptions return: [`Message`], acknowledged when it is taken, or [`Delivery`], acknowledged by hand. Sealed.
pub trait StreamItem: sealed::Sealed + Sized + Send + 'static {}

impl StreamItem for Message {}
impl StreamItem for Delivery {}

pub(super) mod sealed {
    #[expect(unnameable_types, reason = "this is what seals the items")]
    pub trait Sealed {
        /// What the async stream returns.
        #[doc(hidden)]
        type Async: crate::subscribe::StreamItem;

        #[doc(hidden)]
        fn of_async(item: Self::Async) -> Self;
    }
}

impl sealed::Sealed for Message {
    type Async = Self;

    fn of_async(item: Self) -> Self {
        item
    }
}

impl sealed::Sealed for Delivery {
    type Async = subscribe::Delivery;

    fn of_async(inner: subscribe::Delivery) -> Self {
        Self { inner }
    }
}
