//! Publications that were accepted and not yet given a packet identifier. Survives reconnects.
//!
//! QoS 0 waits in a lane of its own: it must be able to pass a QoS 1 or 2 message that waits for send quota
//! [MQTT-3.3.4-8], and a durable session does not store it.

use alloc::collections::VecDeque;

use crate::session::PublicationId;
use crate::session::lane::{Due, Lane, Places, Waiting};
use crate::session::queue_index::QueueIndex;
use crate::session::queue_limits::QueueLimits;
use crate::session::queue_tail::{Amount, QueueTail};
use crate::session::queued::Queued;
use crate::time::Timestamp;
use crate::types::{Message, QoS};

/// The queue of accepted publications: first in, first out within a lane.
#[derive(Debug)]
pub(crate) struct SendQueue {
    limits: QueueLimits,
    /// QoS 1 and 2 that had a packet identifier and lost it with the session: ahead of all that wait, and no more than
    /// were in flight. The peer may have them, so neither age nor a full queue removes them.
    again: VecDeque<Queued>,
    again_bytes: usize,
    /// QoS 1 and 2.
    acknowledged: Places,
    at_most_once: Places,
    index: QueueIndex,
    messages: usize,
    bytes: usize,
    memory_bytes: usize,
    tail: Option<QueueTail>,
}

impl SendQueue {
    pub(crate) const fn new(limits: QueueLimits) -> Self {
        Self {
            limits,
            again: VecDeque::new(),
            again_bytes: 0,
            acknowledged: Places::new(),
            at_most_once: Places::new(),
            index: QueueIndex::new(),
            messages: 0,
            bytes: 0,
            memory_bytes: 0,
            tail: None,
        }
    }

    /// A queue that can say who waits for a topic; for one that holds nothing in a store.
    pub(crate) fn by_topic(limits: QueueLimits) -> Self {
        Self { index: QueueIndex::by_topic(), ..Self::new(limits) }
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
        self.has_room_without(0, 0, message_bytes)
    }

    /// Whether another message of this size could wait if everything that may be dropped were.
    pub(crate) fn could_make_room_for(&self, message_bytes: usize) -> bool {
        let (messages, bytes) = (self.messages - self.again.len(), self.bytes - self.again_bytes);
        self.has_room_without(messages, bytes, message_bytes)
    }

    /// Whether another message of this size may wait in place of the one of its topic.
    pub(crate) fn has_room_to_replace(&self, message: &Message) -> bool {
        let (messages, bytes) = match self.index.of_topic(message) {
            Some((lane, place)) => (1, self.lane(lane).at(place).map_or(0, bytes_of)),
            None => (0, 0),
        };
        self.has_room_without(messages, bytes, message.content_bytes())
    }

    const fn has_room_without(&self, messages: usize, bytes: usize, message_bytes: usize) -> bool {
        self.messages - messages < self.limits.messages_max
            && (self.bytes - bytes).saturating_add(message_bytes) <= self.limits.bytes_max
    }

    /// Adds a publication at the end. `may_page` says that the store has it, so that it need not stay in memory;
    /// `too_old_at` when it has waited too long.
    pub(crate) fn push(&mut self, queued: Queued, may_page: bool, too_old_at: Option<Timestamp>) {
        let bytes = queued.message.content_bytes();
        if queued.message.qos != QoS::AtMostOnce {
            let is_full = self.memory_bytes.saturating_add(bytes) > self.limits.memory_bytes_max;
            if let Some(last) = self.acknowledged.last().filter(|_| may_page && is_full) {
                self.tail.get_or_insert_with(|| QueueTail::behind(last.publication));
            }
            if let Some(tail) = &mut self.tail {
                self.messages += 1;
                self.bytes += bytes;
                return tail.push(queued);
            }
        }
        let due = queued.deadline.into_iter().chain(too_old_at).min();
        self.append(Waiting { queued, due });
    }

    /// Adds a publication in the place of the one of the same topic and RETAIN flag that waits, and returns that. Where the
    /// lane is another one, or nobody waits, the place is the last.
    pub(crate) fn push_replacing(&mut self, queued: Queued, too_old_at: Option<Timestamp>) -> Option<Queued> {
        let lane = Lane::of(queued.message.qos);
        let due = queued.deadline.into_iter().chain(too_old_at).min();
        match self.index.of_topic(&queued.message) {
            Some((same, place)) if same == lane => {
                let waiting = Waiting { queued, due };
                self.enter(&waiting, place);
                let had = self.lane_mut(lane).replace(place, waiting)?;
                self.leave(&had, place);
                Some(had.queued)
            }
            Some((other, place)) => {
                let had = self.take_place(other, place);
                self.append(Waiting { queued, due });
                had
            }
            None => {
                self.append(Waiting { queued, due });
                None
            }
        }
    }

    /// Takes out who waits with the topic and the RETAIN flag of this message.
    pub(crate) fn take_of_topic(&mut self, message: &Message) -> Option<Queued> {
        let (lane, place) = self.index.of_topic(message)?;
        self.take_place(lane, place)
    }

    /// Takes out the one that was accepted first among all that were never sent.
    pub(crate) fn take_oldest(&mut self) -> Option<Queued> {
        let acknowledged = self.acknowledged.first().map(|place| (place, Lane::Acknowledged));
        let at_most_once = self.at_most_once.first().map(|place| (place, Lane::AtMostOnce));
        let (place, lane) = acknowledged.into_iter().chain(at_most_once).min_by_key(|(place, _)| *place)?;
        self.take_place(lane, place)
    }

    /// When the next one is to leave unsent.
    #[inline]
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.index.next_due().map(|(due, _)| due)
    }

    /// Takes out the next one whose time is up.
    pub(crate) fn pop_due(&mut self, now: Timestamp) -> Option<(Queued, Due)> {
        let (_, publication) = self.index.next_due().filter(|(due, _)| *due <= now)?;
        let queued = self.remove(publication)?;
        let is_expired = queued.deadline.is_some_and(|deadline| deadline <= now);
        Some((queued, if is_expired { Due::Expired } else { Due::TooOld }))
    }

    /// A publication is durable: it need not stay in memory if there is no room for it. Returned if it is only in the store now.
    pub(crate) fn on_durable(&mut self, publication: PublicationId) -> Option<Queued> {
        let tail = self.tail.as_mut()?;
        let queued = tail.take_durable(publication)?;
        let bytes = queued.message.content_bytes();
        let has_room = self.memory_bytes.saturating_add(bytes) <= self.limits.memory_bytes_max;
        if tail.has_nothing_to_read() && (has_room || self.acknowledged.is_empty()) {
            tail.pass(publication);
            self.move_to_memory(queued);
            self.drop_empty_tail();
            return None;
        }
        tail.leave_to_store(&queued);
        Some(queued)
    }

    /// Puts a publication that lost its packet identifier with the session back in front of all that wait.
    pub(crate) fn push_front(&mut self, queued: Queued) {
        let bytes = queued.message.content_bytes();
        self.messages += 1;
        self.bytes += bytes;
        self.memory_bytes += bytes;
        self.again_bytes += bytes;
        self.index.enter_again(&queued);
        self.again.push_front(queued);
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
        let again = self.again.front().map(|queued| queued.publication);
        let acknowledged = again.or_else(|| self.acknowledged.first()).filter(|_| quota_is_free);
        match (acknowledged, self.at_most_once.first()) {
            (None, None) => None,
            (Some(_), None) => Some(Lane::Acknowledged),
            (None, Some(_)) => Some(Lane::AtMostOnce),
            (Some(a), Some(b)) if a < b => Some(Lane::Acknowledged),
            (Some(_), Some(_)) => Some(Lane::AtMostOnce),
        }
    }

    /// Whether nothing waits in a lane, in memory or in the store.
    pub(crate) fn is_lane_empty(&self, lane: Lane) -> bool {
        match lane {
            Lane::Acknowledged => {
                self.again.is_empty() && self.acknowledged.is_empty() && self.tail.is_none()
            }
            Lane::AtMostOnce => self.at_most_once.is_empty(),
        }
    }

    pub(crate) fn pop(&mut self, lane: Lane) -> Option<Queued> {
        if lane == Lane::Acknowledged && !self.again.is_empty() {
            return self.take_again(0);
        }
        let place = self.lane(lane).first()?;
        let waiting = self.lane_mut(lane).pop()?;
        self.leave(&waiting, place);
        Some(waiting.queued)
    }

    /// Takes out a publication that waits in memory and was never sent; `None` if there is none of this name.
    pub(crate) fn remove_unsent(&mut self, publication: PublicationId) -> Option<Queued> {
        let place = self.index.place_of(publication);
        for lane in [Lane::Acknowledged, Lane::AtMostOnce] {
            // A place may have passed on to a newer publication.
            if self.lane(lane).at(place).is_some_and(|waiting| waiting.queued.publication == publication) {
                return self.take_place(lane, place);
            }
        }
        None
    }

    /// Takes out a publication that waits in memory, sent before or not.
    pub(crate) fn remove(&mut self, publication: PublicationId) -> Option<Queued> {
        let unsent = self.remove_unsent(publication);
        if unsent.is_some() {
            return unsent;
        }
        let index = self.again.iter().position(|queued| queued.publication == publication)?;
        self.take_again(index)
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
        let mut was_empty = true;
        for queued in loaded {
            was_empty = false;
            let Some(tail) = &mut self.tail else { return };
            tail.on_read(&queued);
            self.move_to_memory(queued);
        }
        let Some(tail) = &mut self.tail else { return };
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
        let all = core::mem::replace(self, Self::new(self.limits));
        let unstored = all.tail.map(|mut tail| tail.take_all_unstored()).unwrap_or_default();
        let acknowledged = all.again.into_iter().chain(all.acknowledged.into_queued());
        acknowledged.chain(unstored).chain(all.at_most_once.into_queued())
    }

    /// Whether an empty queue is empty in every index.
    #[cfg(test)]
    pub(crate) fn has_forgotten_all(&self) -> bool {
        self.index.is_empty() && self.memory_bytes + self.again_bytes == 0
    }

    fn drop_empty_tail(&mut self) {
        if self.tail.as_ref().is_some_and(QueueTail::is_empty) {
            self.tail = None;
        }
    }

    const fn lane(&self, lane: Lane) -> &Places {
        match lane {
            Lane::Acknowledged => &self.acknowledged,
            Lane::AtMostOnce => &self.at_most_once,
        }
    }

    const fn lane_mut(&mut self, lane: Lane) -> &mut Places {
        match lane {
            Lane::Acknowledged => &mut self.acknowledged,
            Lane::AtMostOnce => &mut self.at_most_once,
        }
    }

    /// What was counted in the tail comes to the end of what is in memory.
    fn move_to_memory(&mut self, queued: Queued) {
        self.messages -= 1;
        self.bytes -= queued.message.content_bytes();
        let due = queued.deadline;
        self.append(Waiting { queued, due });
    }

    fn append(&mut self, waiting: Waiting) {
        let place = waiting.queued.publication;
        self.enter(&waiting, place);
        self.lane_mut(Lane::of(waiting.queued.message.qos)).push(waiting);
    }

    fn take_place(&mut self, lane: Lane, place: PublicationId) -> Option<Queued> {
        let waiting = self.lane_mut(lane).take(place)?;
        self.leave(&waiting, place);
        Some(waiting.queued)
    }

    fn take_again(&mut self, index: usize) -> Option<Queued> {
        let queued = self.again.remove(index)?;
        let bytes = queued.message.content_bytes();
        self.messages -= 1;
        self.bytes -= bytes;
        self.memory_bytes -= bytes;
        self.again_bytes -= bytes;
        self.index.leave_again(&queued);
        Some(queued)
    }

    /// Counts and notes one that is put into a place.
    fn enter(&mut self, waiting: &Waiting, place: PublicationId) {
        let bytes = bytes_of(waiting);
        self.messages += 1;
        self.bytes += bytes;
        self.memory_bytes += bytes;
        self.index.enter(waiting, place);
    }

    /// Undoes that for one that was taken out, or whose place another has now.
    fn leave(&mut self, waiting: &Waiting, place: PublicationId) {
        let bytes = bytes_of(waiting);
        self.messages -= 1;
        self.bytes -= bytes;
        self.memory_bytes -= bytes;
        let is_vacant = self.lane(Lane::of(waiting.queued.message.qos)).at(place).is_none();
        self.index.leave(waiting, place, is_vacant);
    }
}

fn bytes_of(waiting: &Waiting) -> usize {
    waiting.queued.message.content_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Message, TopicName};
    use alloc::vec::Vec;

    fn queued(n: u64, qos: QoS) -> Queued {
        let message = Message::new(TopicName::from_static("topic").unwrap(), "12345").with_qos(qos);
        Queued::new(PublicationId::new(n), message, None)
    }

    fn queue(memory_bytes_max: usize) -> SendQueue {
        SendQueue::new(QueueLimits { messages_max: 100, bytes_max: 1_000, memory_bytes_max })
    }

    // [MQTT-3.3.4-8]
    #[test]
    fn qos_0_passes_a_message_that_waits_for_quota_and_otherwise_keeps_the_order() {
        let mut queue = queue(1_000);
        queue.push(queued(1, QoS::AtLeastOnce), false, None);
        queue.push(queued(2, QoS::AtMostOnce), false, None);
        assert_eq!(queue.next_lane(false), Some(Lane::AtMostOnce));
        assert_eq!(queue.next_lane(true), Some(Lane::Acknowledged));
    }

    #[test]
    fn the_queue_has_room_up_to_its_messages_and_bytes() {
        let mut queue = queue(1_000);
        for n in 0..99 {
            assert!(queue.has_room_for(10));
            queue.push(queued(n, QoS::AtLeastOnce), false, None);
        }
        assert!(queue.has_room_for(10));
        assert!(!queue.has_room_for(11), "1,000 bytes are the limit");
        queue.push(queued(99, QoS::AtLeastOnce), false, None);
        assert!(!queue.has_room_for(0), "100 messages are the limit");
        assert!(queue.remove(PublicationId::new(50)).is_some());
        assert!(queue.has_room_for(10));
        assert!(queue.remove(PublicationId::new(50)).is_none());
    }

    #[test]
    fn a_stored_queue_keeps_only_its_head_in_memory_and_reads_the_rest_in_order() {
        let mut queue = queue(30);
        for n in 0..10 {
            queue.push(queued(n, QoS::AtLeastOnce), true, None);
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
