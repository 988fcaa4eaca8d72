//! The messages that no stream wants.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::message::Message;
use crate::shared::{AckMode, Hold, Inbox};
use crate::stream_end::StreamEnd;
use crate::subscribe::reader::Reader;

/// The messages that match no stream: a [`Stream`] that is open before CONNECT is sent, so that a resumed session loses
/// nothing. Made by [`Builder::unrouted`](crate::Builder::unrouted). A message is acknowledged when it is taken. Keeps the
/// client alive.
///
/// Dropped, it leaves QoS 1 and 2 messages unacknowledged for a later stream.
#[derive(Debug)]
#[must_use = "messages wait until the stream is read"]
pub struct Unrouted {
    reader: Reader<Message>,
}

impl Unrouted {
    /// Opens it; `messages_max` bounds QoS 0.
    pub(crate) fn open(hold: Hold, messages_max: usize) -> Self {
        use bowline_proto::client::{Qos0Full, Qos0Limits, UNROUTED};
        let inbox = Inbox::new(AckMode::OnTake, false);
        let cursor = inbox.cursor().clone();
        let qos0 = Qos0Limits::new(messages_max, Qos0Full::Pause);
        hold.command(|inner, _| inner.open_unrouted(qos0, inbox));
        Self { reader: Reader::new(hold, UNROUTED, cursor) }
    }

    /// The next message; `None` at the end.
    ///
    /// # Cancel safety
    /// A dropped future has taken no message.
    pub async fn next(&mut self) -> Option<Message> {
        poll_fn(|cx| self.reader.poll_next(cx)).await
    }

    /// Why the stream has ended, once it has returned `None`.
    pub const fn end_reason(&self) -> Option<&StreamEnd> {
        self.reader.end_reason()
    }
}

impl Stream for Unrouted {
    type Item = Message;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.get_mut().reader.poll_next(cx)
    }
}
