//! SUBSCRIBE and UNSUBSCRIBE requests from the call to their last answer. They outlive connections: what is unanswered
//! when one is lost is asked again on the next.

use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;

use slab::Slab;

use crate::client::event::{Event, OperationId};
use crate::packet::AckProperties;
use crate::reason::ReasonCode;
use crate::time::Timestamp;
use crate::types::{PacketId, TopicFilter, UserProperties};

/// All unanswered requests.
#[derive(Debug)]
pub(crate) struct Requests {
    operations: Slab<Operation>,
    /// Operations with filters that are not on the wire.
    unsent: VecDeque<u32>,
    packets: Slab<SentPacket>,
    next_operation: u64,
}

/// One call of the application, or the engine's own re-subscription.
#[derive(Debug)]
pub(crate) struct Operation {
    /// `None` for a re-subscription, whose success nobody waits for.
    pub(crate) id: Option<OperationId>,
    pub(crate) kind: RequestKind,
    pub(crate) items: Vec<RequestItem>,
    pub(crate) user_properties: UserProperties,
    pub(crate) properties: AckProperties,
    /// Not durable yet (B8).
    pub(crate) is_gated: bool,
}

/// Which request it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestKind {
    Subscribe,
    Unsubscribe,
}

impl RequestKind {
    /// The request that undoes this one.
    pub(crate) const fn opposite(self) -> Self {
        match self {
            Self::Subscribe => Self::Unsubscribe,
            Self::Unsubscribe => Self::Subscribe,
        }
    }

    /// What became of a request that a later one has undone before it was answered.
    pub(crate) const fn overtaken(self) -> ReasonCode {
        match self {
            Self::Subscribe => ReasonCode::UnspecifiedError,
            Self::Unsubscribe => ReasonCode::Success,
        }
    }
}

/// One filter of a request.
#[derive(Debug)]
pub(crate) struct RequestItem {
    pub(crate) filter: TopicFilter,
    pub(crate) state: ItemState,
}

/// How far one filter of a request got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ItemState {
    Unsent,
    Sent,
    Answered(ReasonCode),
}

/// A packet on the wire and the items that its reason codes are for, in order.
#[derive(Debug)]
pub(crate) struct SentPacket {
    pub(crate) operation: u32,
    pub(crate) packet_id: PacketId,
    pub(crate) items: Vec<usize>,
    /// When it is to be sent again on this connection, if ever.
    pub(crate) retry_at: Option<Timestamp>,
    pub(crate) repetitions: u32,
}

impl Requests {
    pub(crate) const fn new() -> Self {
        Self { operations: Slab::new(), unsent: VecDeque::new(), packets: Slab::new(), next_operation: 0 }
    }

    pub(crate) const fn next_id(&mut self) -> OperationId {
        self.next_operation += 1;
        OperationId(self.next_operation)
    }

    /// Whether no request is unanswered.
    pub(crate) fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    pub(crate) fn add(&mut self, operation: Operation) -> u32 {
        let slot = slot_of(self.operations.insert(operation));
        self.unsent.push_back(slot);
        slot
    }

    /// Adds an operation that goes before all others.
    pub(crate) fn add_first(&mut self, operation: Operation) {
        let slot = slot_of(self.operations.insert(operation));
        self.unsent.push_front(slot);
    }

    pub(crate) fn operation(&mut self, slot: u32) -> &mut Operation {
        &mut self.operations[slot as usize]
    }

    /// B8 is passed.
    pub(crate) fn open_gate(&mut self, slot: u32) {
        if let Some(operation) = self.operations.get_mut(slot as usize) {
            operation.is_gated = false;
        }
    }

    /// The oldest operation with something to send; a gated one holds back those behind it, to keep the order.
    pub(crate) fn next_unsent(&mut self) -> Option<u32> {
        loop {
            let slot = *self.unsent.front()?;
            match self.operations.get(slot as usize) {
                Some(operation) if operation.is_gated => return None,
                Some(operation) if operation.has_unsent() => return Some(slot),
                _ => {
                    self.unsent.pop_front();
                }
            }
        }
    }

    /// The number that the next packet will be known by.
    pub(crate) fn next_packet(&self) -> u32 {
        slot_of(self.packets.vacant_key())
    }

    /// Notes a packet that was written.
    pub(crate) fn sent(&mut self, packet: SentPacket) {
        let operation = &mut self.operations[packet.operation as usize];
        for &item in &packet.items {
            operation.items[item].state = ItemState::Sent;
        }
        self.packets.insert(packet);
    }

    /// When the next packet is to be sent again. Looks through all that are unanswered.
    pub(crate) fn first_retry(&self) -> Option<Timestamp> {
        self.packets.iter().filter_map(|(_, packet)| packet.retry_at).min()
    }

    /// The packets that are to be sent again now, in the order of their times.
    pub(crate) fn due_again(&self, now: Timestamp) -> Vec<u32> {
        let due = self.packets.iter().filter_map(|(slot, packet)| Some((packet.retry_at?, slot_of(slot))));
        let mut due: Vec<(Timestamp, u32)> = due.filter(|(at, _)| *at <= now).collect();
        due.sort_unstable();
        due.into_iter().map(|(_, slot)| slot).collect()
    }

    pub(crate) fn packet_mut(&mut self, slot: u32) -> &mut SentPacket {
        &mut self.packets[slot as usize]
    }

    pub(crate) fn packet(&self, slot: u32) -> &SentPacket {
        &self.packets[slot as usize]
    }

    /// Takes an answered packet out.
    pub(crate) fn answered(&mut self, slot: u32) -> SentPacket {
        self.packets.remove(slot as usize)
    }

    /// Takes an unanswered packet back. Its filters are to be sent in another one, in their turn.
    pub(crate) fn take_back(&mut self, number: u32) -> SentPacket {
        let packet = self.packets.remove(number as usize);
        let operation = &mut self.operations[packet.operation as usize];
        for &item in &packet.items {
            operation.items[item].state = ItemState::Unsent;
        }
        self.unsent.push_back(packet.operation);
        packet
    }

    /// Takes an operation out if all its filters are answered.
    pub(crate) fn take_if_done(&mut self, slot: u32) -> Option<Operation> {
        let is_done = self.operations.get(slot as usize)?.is_answered();
        is_done.then(|| self.operations.remove(slot as usize))
    }

    /// The connection is gone: everything unanswered is to be sent again. Returns the packet identifiers to free.
    pub(crate) fn on_connection_lost(&mut self) -> Vec<PacketId> {
        let freed = self.packets.drain().map(|packet| packet.packet_id).collect();
        self.unsent.clear();
        for (slot, operation) in &mut self.operations {
            for item in operation.items.iter_mut().filter(|item| item.state == ItemState::Sent) {
                item.state = ItemState::Unsent;
            }
            self.unsent.push_back(slot_of(slot));
        }
        self.unsent.make_contiguous().sort_by_key(|&slot| self.operations[slot as usize].id);
        freed
    }

    /// The filters that a subscribe request waits for.
    pub(crate) fn unanswered_filters(&self) -> BTreeSet<TopicFilter> {
        let subscribes = self.operations.iter().filter(|(_, one)| one.kind == RequestKind::Subscribe);
        let items = subscribes.flat_map(|(_, one)| one.items.iter()).filter(|item| item.reason().is_none());
        items.map(|item| item.filter.clone()).collect()
    }

    /// Whether a subscribe request waits for an answer for this filter.
    pub(crate) fn asks_for(&self, filter: &TopicFilter) -> bool {
        let subscribes = self.operations.iter().filter(|(_, one)| one.kind == RequestKind::Subscribe);
        let mut items = subscribes.flat_map(|(_, one)| one.items.iter());
        items.any(|item| item.reason().is_none() && item.filter == *filter)
    }

    /// Whether a request of this kind with this filter has yet to be sent.
    pub(crate) fn will_ask(&self, kind: RequestKind, filter: &TopicFilter) -> bool {
        let operations = self.operations.iter().filter(|(_, one)| one.kind == kind);
        let mut items = operations.flat_map(|(_, one)| one.items.iter());
        items.any(|item| item.state == ItemState::Unsent && item.filter == *filter)
    }

    /// Forgets an unfinished re-subscription, when none of its packets is on the wire any more.
    pub(crate) fn drop_resubscription(&mut self) {
        self.operations.retain(|_, operation| operation.id.is_some());
        self.unsent.retain(|&slot| self.operations.contains(slot as usize));
    }
}

impl Operation {
    fn has_unsent(&self) -> bool {
        self.items.iter().any(|item| item.state == ItemState::Unsent)
    }

    /// The filters that are not on the wire, at most so many.
    pub(crate) fn unsent_items(&self, most: usize) -> Vec<usize> {
        let unsent = self.items.iter().enumerate().filter(|(_, item)| item.state == ItemState::Unsent);
        unsent.map(|(index, _)| index).take(most).collect()
    }

    /// Whether all filters are answered.
    pub(crate) fn is_answered(&self) -> bool {
        self.items.iter().all(|item| item.reason().is_some())
    }

    /// What to tell the application once all filters are answered.
    pub(crate) fn into_event(self, operation: OperationId) -> Event {
        let results = self.items.into_iter().filter_map(|item| {
            let reason = item.reason()?;
            Some((item.filter, reason))
        });
        let (results, properties) = (results.collect(), Box::new(self.properties));
        match self.kind {
            RequestKind::Subscribe => Event::Subscribed { operation, results, properties },
            RequestKind::Unsubscribe => Event::Unsubscribed { operation, results, properties },
        }
    }
}

impl RequestItem {
    pub(crate) const fn new(filter: TopicFilter) -> Self {
        Self { filter, state: ItemState::Unsent }
    }

    /// Needs no packet: the broker has answered it before.
    pub(crate) const fn answer(&mut self, reason: ReasonCode) {
        self.state = ItemState::Answered(reason);
    }

    const fn reason(&self) -> Option<ReasonCode> {
        match self.state {
            ItemState::Answered(reason) => Some(reason),
            ItemState::Unsent | ItemState::Sent => None,
        }
    }
}

fn slot_of(key: usize) -> u32 {
    u32::try_from(key).expect("requests are bounded by memory long before this")
}
