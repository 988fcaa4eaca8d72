//! Publishing without async: a message, the ways to publish it, and the receipt.

use std::future::IntoFuture;
use std::time::Duration;

use bowline_proto::{PacketId, QoS};
use bytes::Bytes;

use crate::blocking::error::WaitError;
use crate::blocking::same_options::same_options;
use crate::blocking::wait::{wait, wait_for, wait_for_result};
use crate::outcome::{Acknowledgement, PublishError};
use crate::{IntoTopic, SessionLoss, publish};

/// A message that is about to be published; made by `publish`. Nothing happens until it is called or sent:
///
/// | | waits for room in the send queue | waits for the acknowledgement |
/// |---|---|---|
/// | [`call`](Self::call) | yes | yes |
/// | [`send`](Self::send) | yes | no: the [`Receipt`] does |
/// | [`try_send`](Self::try_send) | no | no: the [`Receipt`] does |
///
/// The options are those of the async [`Publish`](crate::Publish).
///
/// ```no_run
/// # fn example(client: bowline::blocking::Client) -> Result<(), bowline::PublishError> {
/// use bowline::QoS;
///
/// client.publish("meter/7/kwh", "21.5").qos(QoS::AtLeastOnce).retain().call()?;
/// let receipt = client.publish("meter/7/kwh", "21.6").qos(QoS::ExactlyOnce).send()?;
/// // ... something else ...
/// receipt.wait()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing is published until this is called or sent"]
pub struct Publish<'a> {
    inner: publish::Publish<'a>,
}

impl<'a> Publish<'a> {
    pub(super) const fn new(inner: publish::Publish<'a>) -> Self {
        Self { inner }
    }

    same_options! {
        /// As [`Publish::qos`](crate::Publish::qos).
        qos(qos: QoS);
        /// As [`Publish::retain`](crate::Publish::retain).
        retain();
        /// As [`Publish::expires_in`](crate::Publish::expires_in).
        expires_in(expires_in: Duration);
        /// As [`Publish::on_session_loss`](crate::Publish::on_session_loss).
        on_session_loss(choice: SessionLoss);
        /// As [`Publish::payload_is_text`](crate::Publish::payload_is_text).
        payload_is_text();
        /// As [`Publish::content_type`](crate::Publish::content_type).
        content_type(content_type: impl Into<String>);
        /// As [`Publish::response_topic`](crate::Publish::response_topic).
        response_topic(topic: impl IntoTopic);
        /// As [`Publish::correlation_data`](crate::Publish::correlation_data).
        correlation_data(data: impl Into<Bytes>);
        /// As [`Publish::key`](crate::Publish::key).
        key(key: impl Into<String>);
        /// As [`Publish::user_property`](crate::Publish::user_property).
        user_property(name: impl Into<String>, value: impl Into<String>);
    }

    /// Publishes it, and returns when it is acknowledged (QoS 0: accepted).
    ///
    /// # Errors
    /// [`PublishError`] if it was not.
    pub fn call(self) -> Result<Acknowledgement, PublishError> {
        wait(self.inner.into_future())
    }

    /// The same, at most this long. If the time is up before the message was accepted, the message is gone; after that, it
    /// stays queued or in flight and is delivered all the same. [`send_timeout`](Self::send_timeout) and
    /// [`Receipt::wait_timeout`] tell one from the other.
    ///
    /// # Errors
    /// As [`call`](Self::call), or the time was up.
    pub fn call_timeout(self, limit: Duration) -> Result<Acknowledgement, WaitError<PublishError>> {
        wait_for_result(self.inner.into_future(), limit)
    }

    /// Waits until the message is accepted: there is room in the send queue, connected or not. The receipt says how it
    /// ends.
    ///
    /// # Errors
    /// [`PublishError`] if it cannot be sent as it is, or the client has ended.
    pub fn send(self) -> Result<Receipt, PublishError> {
        wait(self.inner.send()).map(Receipt::new)
    }

    /// The same, at most this long; if the time is up the message was not accepted and is gone.
    ///
    /// # Errors
    /// As [`send`](Self::send), or the time was up.
    pub fn send_timeout(self, limit: Duration) -> Result<Receipt, WaitError<PublishError>> {
        wait_for_result(self.inner.send(), limit).map(Receipt::new)
    }

    /// Has the message accepted without waiting.
    ///
    /// # Errors
    /// [`PublishError`] as with [`send`](Self::send), and [`PublishErrorKind::Full`](crate::PublishErrorKind::Full), with
    /// the message in it, if the send queue is full.
    pub fn try_send(self) -> Result<Receipt, PublishError> {
        self.inner.try_send().map(Receipt::new)
    }
}

/// A message was accepted; this says how its publication ends. It lives across reconnects, and keeps the client alive.
/// Dropping it changes nothing for the message, as with the async [`Receipt`](crate::Receipt).
#[derive(Debug)]
#[must_use = "the receipt says whether the message was acknowledged; drop it if that does not matter"]
pub struct Receipt {
    inner: publish::Receipt,
}

impl Receipt {
    pub(super) const fn new(inner: publish::Receipt) -> Self {
        Self { inner }
    }

    /// Returns when the message is acknowledged (QoS 0: at once).
    ///
    /// # Errors
    /// [`PublishError`] if it never will be.
    pub fn wait(self) -> Result<Acknowledgement, PublishError> {
        wait(self.inner)
    }

    /// The result, if it comes within this time. A limit of zero only looks.
    ///
    /// # Errors
    /// The receipt itself if the time was up: the message is on its way still.
    pub fn wait_timeout(mut self, limit: Duration) -> Result<Result<Acknowledgement, PublishError>, Self> {
        wait_for(&mut self.inner, limit).map_err(|_| self)
    }

    /// As [`Receipt::cancel`](crate::Receipt::cancel).
    pub fn cancel(&self) -> bool {
        self.inner.cancel()
    }

    /// As [`Receipt::packet_id`](crate::Receipt::packet_id).
    pub fn packet_id(&self) -> Option<PacketId> {
        self.inner.packet_id()
    }
}
