//! Publications that were accepted and not yet given a packet identifier. Survives reconnects.
//!
//! QoS 0 waits in a lane of its own: it must be able to pass a QoS 1 or 2 message that waits for send quota
//! [MQTT-3.3.4-8], and a durable session does not store it.

use alloc::collections::VecDeque;

use crate::session::PublicationId;
use crate::time::Timestamp;
use crate::types::{Message, QoS};

/// One waiting publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Queued {
    pub(crate) publication: PublicationId,
    pub(crate) message: Message,
    /// When it expires, if it does.
    pub(crate) deadline: Option<Timestamp>,
}

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

/// The part of the queue that is only in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Paged {
    /// Everything later than this is only in the store.
    after: PublicationId,
    messages: usize,
    bytes: usize,
    is_loading: bool,
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
    paged: Option<Paged>,
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
            paged: None,
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
        match &mut self.paged {
            Some(paged) => {
                paged.messages += 1;
                paged.bytes += bytes;
            }
            None if may_page && is_full && !self.acknowledged.is_empty() => {
                let after = self.acknowledged.back().map_or(queued.publication, |last| last.publication);
                self.paged = Some(Paged { after, messages: 1, bytes, is_loading: false });
            }
            None => {
                self.memory_bytes += bytes;
                self.acknowledged.push_back(queued);
            }
        }
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
    pub(crate) const fn restore_paged(&mut self, after: PublicationId, messages: usize, bytes: usize) {
        if messages > 0 {
            self.messages += messages;
            self.bytes += bytes;
            self.paged = Some(Paged { after, messages, bytes, is_loading: false });
        }
    }

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
            Lane::Acknowledged => self.acknowledged.is_empty() && self.paged.is_none(),
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

    /// Takes a waiting publication out; `None` if it is not here (any more).
    pub(crate) fn remove(&mut self, publication: PublicationId) -> Option<Queued> {
        let lane = [&mut self.acknowledged, &mut self.at_most_once]
            .into_iter()
            .find_map(|lane| Some((position(lane, publication)?, lane)));
        let (position, lane) = lane?;
        let queued = lane.remove(position)?;
        self.forget(&queued);
        Some(queued)
    }

    /// What to read from the store next, if the memory part has run low and nothing is being read.
    pub(crate) fn poll_load(&mut self) -> Option<(PublicationId, usize)> {
        let bytes_max = self.limits.memory_bytes_max;
        let paged = self.paged.as_mut()?;
        if paged.is_loading || self.memory_bytes > bytes_max / 2 {
            return None;
        }
        paged.is_loading = true;
        Some((paged.after, bytes_max - self.memory_bytes))
    }

    /// The store has read waiting publications; none left behind them means that the queue is in memory again.
    pub(crate) fn on_loaded(&mut self, loaded: impl IntoIterator<Item = Queued>) {
        let Some(mut paged) = self.paged.take() else { return };
        paged.is_loading = false;
        let mut was_empty = true;
        for queued in loaded {
            was_empty = false;
            let bytes = queued.message.content_bytes();
            paged.after = queued.publication;
            paged.messages = paged.messages.saturating_sub(1);
            paged.bytes = paged.bytes.saturating_sub(bytes);
            self.memory_bytes += bytes;
            self.acknowledged.push_back(queued);
        }
        if was_empty {
            // The store has fewer than was counted (a damaged one); believe the store, or this would wait for ever.
            self.messages -= paged.messages;
            self.bytes -= paged.bytes;
        } else if paged.messages > 0 {
            self.paged = Some(paged);
        }
    }

    /// Reading failed: it will be tried again.
    pub(crate) const fn on_load_failed(&mut self) {
        if let Some(paged) = &mut self.paged {
            paged.is_loading = false;
        }
    }

    /// Everything in memory, oldest first, leaving the queue empty.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = Queued> + use<> {
        let (acknowledged, at_most_once) =
            (core::mem::take(&mut self.acknowledged), core::mem::take(&mut self.at_most_once));
        *self = Self::new(self.limits);
        acknowledged.into_iter().chain(at_most_once)
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
    use crate::types::TopicName;
    use alloc::vec::Vec;

    fn queued(n: u64, qos: QoS) -> Queued {
        let message = Message::new(TopicName::from_static("topic").unwrap(), "12345").with_qos(qos);
        Queued { publication: PublicationId::new(n), message, deadline: None }
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
        }
        assert_eq!((queue.messages(), queue.acknowledged.len()), (10, 3));
        let mut order = Vec::new();
        while let Some(lane) = queue.next_lane(true) {
            order.push(queue.pop(lane).unwrap().publication.as_u64());
            if let Some((after, bytes_max)) = queue.poll_load() {
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
        assert!(queue.poll_load().is_some());
        assert!(queue.poll_load().is_none(), "one read at a time");
        queue.on_loaded([]);
        assert_eq!((queue.messages(), queue.bytes()), (0, 0));
        assert!(queue.poll_load().is_none());
    }
}
