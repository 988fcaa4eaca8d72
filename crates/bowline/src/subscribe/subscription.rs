//! A stream of messages.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bowline_proto::packet::AckProperties;
use bowline_proto::{ReasonCode, TopicFilter};
use futures_core::Stream;

use crate::message::Message;
use crate::shared::Hold;
use crate::stream_end::StreamEnd;
use crate::subscribe::answer::unsubscribe;
use crate::subscribe::delivery::{Delivery, StreamItem};
use crate::subscribe::error::UnsubscribeError;
use crate::subscribe::reader::Reader;

/// The messages of one or more topic filters: a [`Stream`] of [`Message`]s, or of [`Delivery`]s with
/// [`manual_ack`](crate::Subscribe::manual_ack). Made by `subscribe`. Keeps the client alive.
///
/// A QoS 1 or 2 message is acknowledged when the stream has returned it; what waits inside is not, and comes again if the
/// program dies. Acknowledgements leave in the order in which messages arrived on the *connection*, so a stream that is not
/// read holds back the acknowledgements, not the deliveries, of the others; once the inbound limits are reached the broker
/// sends no more. Filters that must not wait for each other want two connections.
///
/// Dropped, it hands what it has not returned to other streams that match, else to [`Unrouted`](crate::Unrouted); else it
/// is acknowledged if the session ends with the connection, and held for a later stream if it does not. The broker is told to
/// end the subscription only if the session ends with the connection; [`unsubscribe`](Self::unsubscribe) always does.
#[derive(Debug)]
#[must_use = "messages wait until the stream is read"]
pub struct Subscription<D: StreamItem = Message> {
    reader: Reader<D>,
    granted: Vec<(TopicFilter, ReasonCode)>,
    properties: Box<AckProperties>,
}

impl<D: StreamItem> Subscription<D> {
    pub(super) const fn new(
        reader: Reader<D>,
        granted: Vec<(TopicFilter, ReasonCode)>,
        properties: Box<AckProperties>,
    ) -> Self {
        Self { reader, granted, properties }
    }

    /// The next message; `None` at the end, which [`end_reason`](Self::end_reason) explains.
    ///
    /// # Cancel safety
    /// A dropped future has taken no message.
    pub async fn next(&mut self) -> Option<D> {
        poll_fn(|cx| self.reader.poll_next(cx)).await
    }

    /// What is there, at least one message and at most `most` (at least 1): cheaper than one at a time. Empty at the end. All
    /// that it returns counts as taken.
    ///
    /// # Cancel safety
    /// A dropped future has taken no message.
    pub async fn next_batch(&mut self, most: usize) -> Vec<D> {
        poll_fn(|cx| self.reader.poll_batch(cx, most.max(1))).await
    }

    /// What the broker answered: a reason code for each filter, in the order asked for. Below 0x80 it is the QoS granted.
    pub fn granted(&self) -> &[(TopicFilter, ReasonCode)] {
        &self.granted
    }

    /// What a 5.0 broker said besides: Reason String and User Properties of the (last) SUBACK.
    pub fn properties(&self) -> &AckProperties {
        &self.properties
    }

    /// Why the stream has ended, once it has returned `None`.
    pub const fn end_reason(&self) -> Option<&StreamEnd> {
        self.reader.end_reason()
    }

    /// Ends the subscription at the broker, for all streams that share its filters, and resolves when the broker has
    /// answered: to one reason code for each filter, `Success` where the version has none. QoS 0 messages that wait in the
    /// stream can still be read; then it ends. QoS 1 and 2 messages that it has not returned are acknowledged, counted in
    /// [`Stats::unsubscribed_acknowledged`](crate::Stats::unsubscribed_acknowledged) and, but for those that it had fetched
    /// already, not returned any more: read the stream empty before if they are wanted.
    ///
    /// # Errors
    /// [`UnsubscribeError::Ended`] if the client has ended.
    ///
    /// # Cancel safety
    /// At the first poll it is done; a future dropped later only misses the answer.
    pub async fn unsubscribe(&mut self) -> Result<Vec<(TopicFilter, ReasonCode)>, UnsubscribeError> {
        let filters = self.granted.iter().map(|(filter, _)| filter.clone()).collect();
        unsubscribe(self.reader.hold().clone(), filters).await
    }

    pub(crate) fn loosen(&mut self) {
        self.reader.loosen();
    }

    pub(crate) const fn hold(&self) -> &Hold {
        self.reader.hold()
    }
}

impl<D: StreamItem> Stream for Subscription<D> {
    type Item = D;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<D>> {
        self.get_mut().reader.poll_next(cx)
    }
}

const fn is_unpin<T: Unpin>() {}
const _: () = is_unpin::<Subscription<Delivery>>();
