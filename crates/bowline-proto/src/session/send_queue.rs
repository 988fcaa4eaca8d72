//! Publications that were accepted and not yet given a packet identifier. Survives reconnects.
//!
//! QoS 0 waits in a lane of its own: it must be able to pass a QoS 1 or 2 message that waits for send quota
//! [MQTT-3.3.4-8], and a durable session does not store it.

use alloc::collections::VecDeque;

use crate::session::PublicationId;
use crate::session::queue_tail::{Amount, QueueTail};
use crate::session::queued::Queued;
use crate::time::Timestamp;
use crate::types::QoS;

/// How much may wait. Beyond either bound a publication is refused and handed back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueLimits {
    /// Most messages. Default 65,536.
    pub messages_max: usize,
    /// Most bytes of topics, payloads and properties. Default 64 MiB.
    pub bytes_max: usize,
    /// Of a durable session's queue, most bytes held in memory; the rest is read back from the store when its turn
    /// comes. Default 4 MiB.
    pub memory_bytes_max: usize,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self { messages_max: 65_536, bytes_max: 64 * 1024 * 1024, memory_bytes_max: 4 * 1024 * 1024 }
    }
}

/// The queue of accepted publications: first in, first out within a lane.
#[derive(Debug)]
pub(crate) struct SendQueue {
    limits: QueueLimits,
    /// QoS 1 and 2. A cancelled one leaves a gap behind, so that positions stay sorted.
    acknowledged: VecDeque<Queued>,
    at_most_once: VecDeque<Queued>,
    messages: usize,
    bytes: usize,
    memory_bytes: usize,
    tail: Option<QueueTail>,
}

impl SendQueue {
    pub(crate) const fn new(limits: QueueLimits) -> Self {
        Self {
            limits,
            acknowledged: VecDeque::new(),
            at_most_once: VecDeque::new(),
            messages: 0,
            bytes: 0,
            memory_bytes: 0,
            tail: None,
        }
    }

    /// Messages that wait, in memory and in the store.
    pub(crate) const fn messages(&self) -> usize {
        self.messages
    }

    /// Bytes that wait, in memory and in the store.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether another message of this size may wait.
    pub(crate) const fn has_room_for(&self, message_bytes: usize) -> bool {
        self.messages < self.limits.messages_max
            && self.bytes.saturating_add(message_bytes) <= self.limits.bytes_max
    }

    /// Adds a publication at the end. `may_page` says that the store has it, so that it need not stay in memory.
    pub(crate) fn push(&mut self, queued: Queued, may_page: bool) {
        let bytes = queued.message.content_bytes();
        self.messages += 1;
        self.bytes += bytes;
        if queued.message.qos == QoS::AtMostOnce {
            self.memory_bytes += bytes;
            self.at_most_once.push_back(queued);
            return;
        }
        let is_full = self.memory_bytes.saturating_add(bytes) > self.limits.memory_bytes_max;
        if let Some(last) = self.acknowledged.back().filter(|_| may_page && is_full) {
            self.tail.get_or_insert_with(|| QueueTail::behind(last.publication));
        }
        match &mut self.tail {
            Some(tail) => tail.push(queued),
            None => {
                self.memory_bytes += bytes;
                self.acknowledged.push_back(queued);
            }
        }
    }

    /// A publication is durable: it need not stay in memory if there is no room for it.
    pub(crate) fn on_durable(&mut self, publication: PublicationId) {
        let Some(tail) = &mut self.tail else { return };
        let Some(queued) = tail.take_durable(publication) else { return };
        let bytes = queued.message.content_bytes();
        let has_room = self.memory_bytes.saturating_add(bytes) <= self.limits.memory_bytes_max;
        if tail.has_nothing_to_read() && (has_room || self.acknowledged.is_empty()) {
            tail.pass(publication);
            self.memory_bytes += bytes;
            self.acknowledged.push_back(queued);
        } else {
            tail.leave_to_store(&queued);
        }
        self.drop_empty_tail();
    }

    /// Puts a publication that lost its packet identifier with the session back in front of all that wait.
    pub(crate) fn push_front(&mut self, queued: Queued) {
        let bytes = queued.message.content_bytes();
        self.messages += 1;
        self.bytes += bytes;
        self.memory_bytes += bytes;
        self.acknowledged.push_front(queued);
    }

    /// The store has waiting publications later than `after` that are not in memory.
    pub(crate) fn restore_paged(&mut self, after: PublicationId, messages: usize, bytes: usize) {
        if messages > 0 {
            self.messages += messages;
            self.bytes += bytes;
            self.tail = Some(QueueTail::restored(after, Amount { messages, bytes }));
        }
    }

    // [MQTT-3.3.4-8]
    /// The publication that goes next: the oldest one, or the oldest QoS 0 one if there is no send quota.
    pub(crate) fn next_lane(&self, quota_is_free: bool) -> Option<Lane> {
        let acknowledged = self.acknowledged.front().filter(|_| quota_is_free);
        match (acknowledged, self.at_most_once.front()) {
            (None, None) => None,
            (Some(_), None) => Some(Lane::Acknowledged),
            (None, Some(_)) => Some(Lane::AtMostOnce),
            (Some(a), Some(b)) if a.publication < b.publication => Some(Lane::Acknowledged),
            (Some(_), Some(_)) => Some(Lane::AtMostOnce),
        }
    }

    /// Whether nothing waits in a lane, in memory or in the store.
    pub(crate) fn is_lane_empty(&self, lane: Lane) -> bool {
        match lane {
            Lane::Acknowledged => self.acknowledged.is_empty() && self.tail.is_none(),
            Lane::AtMostOnce => self.at_most_once.is_empty(),
        }
    }

    pub(crate) fn pop(&mut self, lane: Lane) -> Option<Queued> {
        let queued = match lane {
            Lane::Acknowledged => self.acknowledged.pop_front(),
            Lane::AtMostOnce => self.at_most_once.pop_front(),
        }?;
        self.forget(&queued);
        Some(queued)
    }

    /// Takes out a publication that waits in memory to be sent; `None` if there is none of this name.
    pub(crate) fn remove(&mut self, publication: PublicationId) -> Option<Queued> {
        let lane = [&mut self.acknowledged, &mut self.at_most_once]
            .into_iter()
            .find_map(|lane| Some((position(lane, publication)?, lane)));
        let (position, lane) = lane?;
        let queued = lane.remove(position)?;
        self.forget(&queued);
        Some(queued)
    }

    /// Takes out a publication that could not be stored.
    pub(crate) fn remove_unstored(&mut self, publication: PublicationId) -> Option<Queued> {
        let Some(queued) = self.tail.as_mut().and_then(|tail| tail.take_unstored(publication)) else {
            return self.remove(publication);
        };
        self.messages -= 1;
        self.bytes -= queued.message.content_bytes();
        self.drop_empty_tail();
        Some(queued)
    }

    /// What to read from the store next, if the memory part has run low and nothing is being read.
    pub(crate) fn poll_load(&mut self, now: Timestamp) -> Option<(PublicationId, usize)> {
        if self.memory_bytes > self.limits.memory_bytes_max / 2 {
            return None;
        }
        let after = self.tail.as_mut()?.begin_read(now)?;
        Some((after, self.limits.memory_bytes_max - self.memory_bytes))
    }

    /// When to read again after a failure.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        let has_run_low = self.memory_bytes <= self.limits.memory_bytes_max / 2;
        self.tail.as_ref().filter(|_| has_run_low)?.deadline()
    }

    /// The store has read waiting publications.
    pub(crate) fn on_loaded(&mut self, loaded: impl IntoIterator<Item = Queued>) {
        let Some(tail) = &mut self.tail else { return };
        let mut was_empty = true;
        for queued in loaded {
            was_empty = false;
            tail.on_read(&queued);
            self.memory_bytes += queued.message.content_bytes();
            self.acknowledged.push_back(queued);
        }
        let missing = tail.on_read_end(was_empty);
        self.messages -= missing.messages;
        self.bytes -= missing.bytes;
        self.drop_empty_tail();
    }

    /// Reading failed: it will be tried again.
    pub(crate) fn on_load_failed(&mut self, now: Timestamp) {
        if let Some(tail) = &mut self.tail {
            tail.on_read_failed(now);
        }
    }

    /// Everything in memory, oldest first, leaving the queue empty.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = Queued> + use<> {
        let unstored = self.tail.as_mut().map(QueueTail::take_all_unstored).unwrap_or_default();
        let (acknowledged, at_most_once) =
            (core::mem::take(&mut self.acknowledged), core::mem::take(&mut self.at_most_once));
        *self = Self::new(self.limits);
        acknowledged.into_iter().chain(unstored).chain(at_most_once)
    }

    fn drop_empty_tail(&mut self) {
        if self.tail.as_ref().is_some_and(QueueTail::is_empty) {
            self.tail = None;
        }
    }

    fn forget(&mut self, queued: &Queued) {
        let bytes = queued.message.content_bytes();
        self.messages -= 1;
        self.bytes -= bytes;
        self.memory_bytes -= bytes;
    }
}

/// One of the two lanes of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// QoS 1 and 2.
    Acknowledged,
    /// QoS 0.
    AtMostOnce,
}

/// Where a publication waits. The lane is sorted but for what a session loss put back in front, so look there by hand
/// if bisection does not find it.
fn position(lane: &VecDeque<Queued>, publication: PublicationId) -> Option<usize> {
    lane.binary_search_by_key(&publication, |queued| queued.publication)
        .ok()
        .or_else(|| lane.iter().position(|queued| queued.publication == publication))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Message, TopicName};
    use alloc::vec::Vec;

    fn queued(n: u64, qos: QoS) -> Queued {
        let message = Message::new(TopicName::from_static("topic").unwrap(), "12345").with_qos(qos);
        Queued { publication: PublicationId::new(n), message, deadline: None, is_in_doubt: false }
    }

    fn queue(memory_bytes_max: usize) -> SendQueue {
        SendQueue::new(QueueLimits { messages_max: 100, bytes_max: 1_000, memory_bytes_max })
    }

    // [MQTT-3.3.4-8]
    #[test]
    fn qos_0_passes_a_message_that_waits_for_quota_and_otherwise_keeps_the_order() {
        let mut queue = queue(1_000);
        queue.push(queued(1, QoS::AtLeastOnce), false);
        queue.push(queued(2, QoS::AtMostOnce), false);
        assert_eq!(queue.next_lane(false), Some(Lane::AtMostOnce));
        assert_eq!(queue.next_lane(true), Some(Lane::Acknowledged));
    }

    #[test]
    fn the_queue_has_room_up_to_its_messages_and_bytes() {
        let mut queue = queue(1_000);
        for n in 0..99 {
            assert!(queue.has_room_for(10));
            queue.push(queued(n, QoS::AtLeastOnce), false);
        }
        assert!(queue.has_room_for(10));
        assert!(!queue.has_room_for(11), "1,000 bytes are the limit");
        queue.push(queued(99, QoS::AtLeastOnce), false);
        assert!(!queue.has_room_for(0), "100 messages are the limit");
        assert!(queue.remove(PublicationId::new(50)).is_some());
        assert!(queue.has_room_for(10));
        assert!(queue.remove(PublicationId::new(50)).is_none());
    }

    #[test]
    fn a_stored_queue_keeps_only_its_head_in_memory_and_reads_the_rest_in_order() {
        let mut queue = queue(30);
        for n in 0..10 {
            queue.push(queued(n, QoS::AtLeastOnce), true);
            queue.on_durable(PublicationId::new(n));
        }
        assert_eq!((queue.messages(), queue.acknowledged.len()), (10, 3));
        let mut order = Vec::new();
        while let Some(lane) = queue.next_lane(true) {
            order.push(queue.pop(lane).unwrap().publication.as_u64());
            if let Some((after, bytes_max)) = queue.poll_load(Timestamp::ZERO) {
                let page = (after.as_u64() + 1..10).take(bytes_max / 10).map(|n| queued(n, QoS::AtLeastOnce));
                queue.on_loaded(page.collect::<Vec<_>>());
                assert!(queue.acknowledged.len() <= 3);
            }
        }
        assert_eq!(order, (0..10).collect::<Vec<_>>());
        assert_eq!((queue.messages(), queue.bytes()), (0, 0));
    }

    #[test]
    fn a_store_with_less_than_was_counted_does_not_stall_the_queue() {
        let mut queue = queue(30);
        queue.restore_paged(PublicationId::new(0), 5, 50);
        assert!(queue.poll_load(Timestamp::ZERO).is_some());
        assert!(queue.poll_load(Timestamp::ZERO).is_none(), "one read at a time");
        queue.on_loaded([]);
        assert_eq!((queue.messages(), queue.bytes()), (0, 0));
        assert!(queue.poll_load(Timestamp::ZERO).is_none());
    }
}
