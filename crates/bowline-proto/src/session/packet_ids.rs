//! The pool of packet identifiers of our own requests. Knows who holds each one, never what they do with it.

use crate::session::id_table::IdTable;
use crate::types::PacketId;

/// Identifiers that publishing leaves free, so that a full window never blocks SUBSCRIBE and UNSUBSCRIBE.
pub(crate) const RESERVED_FOR_SUBSCRIPTIONS: usize = 16;

/// Most identifiers that publications can hold at once.
pub(crate) const PUBLICATIONS_MAX: usize = u16::MAX as usize - RESERVED_FOR_SUBSCRIPTIONS;

/// Who holds an identifier. Answers are matched by identifier *and* kind [MQTT-2.2.1-6].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// A QoS 1 or 2 flow, by its slot.
    Flow(u32),
    /// A SUBSCRIBE, by its request.
    Subscribe(u32),
    /// An UNSUBSCRIBE, by its request.
    Unsubscribe(u32),
    /// A QoS 2 flow that ended without the broker's word: it may still know the identifier, and would swallow the
    /// next message that carries it.
    Retired,
    /// A SUBSCRIBE or UNSUBSCRIBE that is over although its answer may still come on this connection.
    TakenBack,
}

/// One pool for PUBLISH, SUBSCRIBE and UNSUBSCRIBE; identifiers go round, so that each is reused as late as possible.
#[derive(Debug)]
pub(crate) struct PacketIds {
    next: PacketId,
    holders: IdTable<Holder>,
}

impl PacketIds {
    /// A pool that hands out `first` first.
    pub(crate) const fn starting_at(first: PacketId) -> Self {
        Self { next: first, holders: IdTable::new() }
    }

    pub(crate) fn holder(&self, id: PacketId) -> Option<Holder> {
        self.holders.get(id)
    }

    /// Whether a publication could take one.
    pub(crate) const fn has_free_for_publications(&self) -> bool {
        self.holders.len() < PUBLICATIONS_MAX
    }

    /// Takes an identifier that nobody holds; `None` if all are taken.
    // [MQTT-2.2.1-3] [MQTT-2.3.1-1 of 3.1.1] [MQTT-2.3.1-2 of 3.1.1]
    pub(crate) fn take(&mut self, holder: Holder) -> Option<PacketId> {
        let id = self.holders.first_free_from(self.next)?;
        self.holders.insert(id, holder);
        self.next = PacketId::new(id.as_u16().wrapping_add(1)).unwrap_or(FIRST);
        Some(id)
    }

    /// Gives an identifier to another holder, or takes a certain one when a session is loaded.
    pub(crate) fn assign(&mut self, id: PacketId, holder: Holder) {
        self.holders.insert(id, holder);
    }

    pub(crate) fn free(&mut self, id: PacketId) {
        self.holders.remove(id);
    }

    /// Frees what ended without the broker's word: after a session loss it knows none of them.
    pub(crate) fn free_retired(&mut self) {
        self.free_all(Holder::Retired);
    }

    /// Frees the requests that were taken back: no answer comes on another connection.
    pub(crate) fn free_taken_back(&mut self) {
        self.free_all(Holder::TakenBack);
    }

    fn free_all(&mut self, of: Holder) {
        let all: alloc::vec::Vec<PacketId> =
            self.holders.iter().filter(|(_, holder)| *holder == of).map(|(id, _)| id).collect();
        for id in all {
            self.holders.remove(id);
        }
    }
}

const FIRST: PacketId = PacketId::new(1).expect("1 is not 0");

#[cfg(test)]
mod tests {
    use super::*;

    // [MQTT-2.2.1-3] [MQTT-2.3.1-2 of 3.1.1]
    #[test]
    fn an_identifier_is_never_handed_out_while_it_is_live() {
        let mut ids = PacketIds::starting_at(FIRST);
        let first = ids.take(Holder::Subscribe(0)).unwrap();
        for slot in 0..65_534 {
            assert_ne!(ids.take(Holder::Flow(slot)), Some(first));
        }
        assert_eq!(ids.take(Holder::Flow(0)), None, "all 65,535 are taken");
        ids.free(first);
        assert_eq!(ids.take(Holder::Flow(1)), Some(first));
    }

    #[test]
    fn a_freed_identifier_is_reused_last() {
        let mut ids = PacketIds::starting_at(PacketId::new(65_535).unwrap());
        let last = ids.take(Holder::Flow(0)).unwrap();
        ids.free(last);
        assert_eq!(ids.take(Holder::Flow(0)).map(PacketId::as_u16), Some(1), "0 is skipped");
    }

    #[test]
    fn a_retired_identifier_stays_taken_until_the_session_is_lost() {
        let mut ids = PacketIds::starting_at(FIRST);
        let id = ids.take(Holder::Flow(0)).unwrap();
        ids.assign(id, Holder::Retired);
        assert_eq!(ids.holder(id), Some(Holder::Retired));
        ids.free_retired();
        assert_eq!(ids.holder(id), None);
    }
}
