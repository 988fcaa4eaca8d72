//! The reading end of one stream: takes what waits in batches, and counts what it has returned.

use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context, Poll};

use bowline_proto::routing::StreamId;

use crate::shared::{Cursor, HandOver, Hold, Item};
use crate::stream_end::StreamEnd;
use crate::subscribe::delivery::{Ack, StreamItem};

/// Owns one stream; dropping it closes the stream.
pub(super) struct Reader<D> {
    hold: Hold,
    stream: StreamId,
    cursor: Arc<Cursor>,
    /// Handed over and not returned yet, and so not taken.
    items: VecDeque<Item>,
    end: Option<StreamEnd>,
    item: PhantomData<fn() -> D>,
}

impl<D: StreamItem> Reader<D> {
    pub(super) const fn new(hold: Hold, stream: StreamId, cursor: Arc<Cursor>) -> Self {
        Self { hold, stream, cursor, items: VecDeque::new(), end: None, item: PhantomData }
    }

    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<D>> {
        loop {
            if let Some(item) = self.items.pop_front() {
                self.hold.advance(self.stream, &self.cursor, 1);
                return Poll::Ready(Some(to_application(item, &self.hold, self.stream)));
            }
            match self.fetch(cx) {
                HandOver::Some => {}
                HandOver::Nothing => return Poll::Pending,
                HandOver::Ended => return Poll::Ready(None),
            }
        }
    }

    /// At least one and at most `most` of them; none at the end.
    pub(super) fn poll_batch(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<Vec<D>> {
        if self.items.is_empty() {
            match self.fetch(cx) {
                HandOver::Some => {}
                HandOver::Nothing => return Poll::Pending,
                HandOver::Ended => return Poll::Ready(Vec::new()),
            }
        }
        let count = self.items.len().min(most);
        let (hold, stream) = (&self.hold, self.stream);
        let batch = self.items.drain(..count).map(|item| to_application(item, hold, stream)).collect();
        self.hold.advance(self.stream, &self.cursor, count as u64);
        Poll::Ready(batch)
    }

    fn fetch(&mut self, cx: &Context<'_>) -> HandOver {
        if self.end.is_some() {
            return HandOver::Ended;
        }
        let mut inner = self.hold.lock();
        let Some(inbox) = inner.inboxes.get_mut(&self.stream) else { return HandOver::Ended };
        let found = inbox.hand_over(&mut self.items, cx.waker());
        if found == HandOver::Ended {
            self.end = inbox.end_reason().cloned();
        }
        found
    }

    pub(super) const fn hold(&self) -> &Hold {
        &self.hold
    }

    /// From now on the stream does not keep the client alive.
    pub(super) fn loosen(&mut self) {
        self.hold.loosen();
    }

    /// Why the last message was returned.
    pub(super) const fn end_reason(&self) -> Option<&StreamEnd> {
        self.end.as_ref()
    }
}

fn to_application<D: StreamItem>(item: Item, hold: &Hold, stream: StreamId) -> D {
    let Item { message, delivery } = item;
    D::of_parts(message, |topic| Ack::new(hold.clone(), stream, delivery, topic))
}

impl<D> Drop for Reader<D> {
    fn drop(&mut self) {
        let stream = self.stream;
        let closed = self.hold.command(|inner, _| inner.close_stream(stream));
        // Without the lock: the messages may be the application's.
        drop(closed);
    }
}

impl<D> fmt::Debug for Reader<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("stream", &self.stream)
            .field("handed_over", &self.items.len())
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}
