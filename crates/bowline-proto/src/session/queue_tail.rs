//! The part of a durable queue that is not held in memory to be sent: it is being stored, or only in the store. Knows
//! neither the store nor what comes before it in the queue.

use alloc::collections::VecDeque;

use crate::session::PublicationId;
use crate::session::journal::store_retry_delay;
use crate::session::queued::Queued;
use crate::time::Timestamp;

/// Everything in the queue that is later than a certain publication.
///
/// A publication may only be dropped from memory once it is durable: before, the store cannot give it back, and it could
/// fail to take it. So it passes from `unstored` to `stored`, and from there, by reading, to the queue's memory.
#[derive(Debug)]
pub(crate) struct QueueTail {
    after: PublicationId,
    /// Only in the store.
    stored: Amount,
    /// Not durable yet; later than everything that is.
    unstored: VecDeque<Queued>,
    /// What was only in the store when the read that is under way began.
    reading: Option<Amount>,
    failures: u32,
    retry_at: Option<Timestamp>,
}

/// A number of messages and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

impl QueueTail {
    /// An empty tail behind this publication.
    pub(crate) const fn behind(after: PublicationId) -> Self {
        Self::restored(after, Amount { messages: 0, bytes: 0 })
    }

    /// The tail of a loaded session.
    pub(crate) const fn restored(after: PublicationId, stored: Amount) -> Self {
        Self { after, stored, unstored: VecDeque::new(), reading: None, failures: 0, retry_at: None }
    }

    /// Whether there is nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.stored.messages == 0 && self.unstored.is_empty()
    }

    /// Whether nothing is only in the store, so that what becomes durable next may pass straight on to memory.
    pub(crate) const fn has_nothing_to_read(&self) -> bool {
        self.stored.messages == 0
    }

    /// Adds a publication at the end.
    pub(crate) fn push(&mut self, queued: Queued) {
        self.unstored.push_back(queued);
    }

    /// Takes out a publication that has become durable; `None` if it was read before that was known.
    pub(crate) fn take_durable(&mut self, publication: PublicationId) -> Option<Queued> {
        let is_next = self.unstored.front().is_some_and(|queued| queued.publication == publication);
        if is_next { self.unstored.pop_front() } else { None }
    }

    /// A durable publication went on to memory.
    pub(crate) const fn pass(&mut self, publication: PublicationId) {
        self.after = publication;
    }

    /// A durable publication is only in the store from now on.
    pub(crate) fn leave_to_store(&mut self, queued: &Queued) {
        self.stored.messages += 1;
        self.stored.bytes += queued.message.content_bytes();
    }

    /// Takes out a publication that could not be stored.
    pub(crate) fn take_unstored(&mut self, publication: PublicationId) -> Option<Queued> {
        let position = self.unstored.binary_search_by_key(&publication, |queued| queued.publication).ok()?;
        self.unstored.remove(position)
    }

    /// Everything that is not durable, leaving nothing of it.
    pub(crate) fn take_all_unstored(&mut self) -> VecDeque<Queued> {
        core::mem::take(&mut self.unstored)
    }

    /// Begins to read, if there is something to read, nothing is being read, and no failure is too fresh. Returns what
    /// it is later than.
    pub(crate) fn begin_read(&mut self, now: Timestamp) -> Option<PublicationId> {
        let is_too_fresh = self.retry_at.is_some_and(|retry_at| now < retry_at);
        if self.stored.messages == 0 || self.reading.is_some() || is_too_fresh {
            return None;
        }
        self.reading = Some(self.stored);
        Some(self.after)
    }

    /// When to read again after a failure.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        self.retry_at.filter(|_| self.reading.is_none() && self.stored.messages > 0)
    }

    /// A publication was read.
    pub(crate) fn on_read(&mut self, queued: &Queued) {
        self.after = queued.publication;
        if self.take_durable(queued.publication).is_none() {
            self.stored.messages = self.stored.messages.saturating_sub(1);
            self.stored.bytes = self.stored.bytes.saturating_sub(queued.message.content_bytes());
        }
    }

    /// A read has ended. If it found nothing, returns what the store was believed to have and does not (a damaged one):
    /// to wait for that would be to wait for ever.
    pub(crate) fn on_read_end(&mut self, found_nothing: bool) -> Amount {
        let expected = self.reading.take().unwrap_or_default();
        (self.failures, self.retry_at) = (0, None);
        if !found_nothing {
            return Amount::default();
        }
        let missing = Amount {
            messages: expected.messages.min(self.stored.messages),
            bytes: expected.bytes.min(self.stored.bytes),
        };
        self.stored.messages -= missing.messages;
        self.stored.bytes -= missing.bytes;
        missing
    }

    /// A read has failed: it is tried again after a delay that doubles.
    pub(crate) fn on_read_failed(&mut self, now: Timestamp) {
        if self.reading.take().is_some() {
            self.retry_at = Some(now + store_retry_delay(self.failures));
            self.failures += 1;
        }
    }
}
