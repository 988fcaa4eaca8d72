//! Outbound QoS 1 and 2 flows: what was given a packet identifier and is not finished. Survives reconnects.
//!
//! Two lists hold the flows in the order in which they must go out again: PUBLISH in the order of first sending
//! [MQTT-4.6.0-1], PUBREL in the order of the PUBRECs [MQTT-4.6.0-4].

use slab::Slab;

use crate::session::packet_ids::{Holder, PacketIds};
use crate::session::queued::Queued;
use crate::session::{PublicationId, SessionLoss};
use crate::time::Timestamp;
use crate::types::{Message, PacketId, QoS};

/// One publication on its way.
#[derive(Debug)]
pub(crate) struct OutboundFlow {
    pub(crate) publication: PublicationId,
    pub(crate) packet_id: PacketId,
    pub(crate) message: Message,
    pub(crate) phase: FlowPhase,
    /// When the message expires, if it does.
    pub(crate) deadline: Option<Timestamp>,
    /// Whether a byte of it may have been written, on any connection.
    pub(crate) was_sent: bool,
    /// It was sent in a session that is lost, under another packet identifier: the peer may have it already.
    pub(crate) is_in_doubt: bool,
    /// What becomes of it if its session is lost once it was sent.
    pub(crate) on_session_loss: SessionLoss,
    /// Whether it holds a unit of this connection's send quota.
    pub(crate) holds_quota: bool,
    /// When its packet is to be sent again on this connection, if ever.
    pub(crate) retry_at: Option<Timestamp>,
    /// How often its packet was sent on this connection.
    pub(crate) repetitions: u32,
    link: Link,
}

/// What a flow waits for.
///
/// ```text
/// Persist ──> Acknowledge ──(QoS 1: PUBACK)──────────────────────────────> done
///                 └─(QoS 2: PUBREC)──> PersistRelease ──> Complete ──(PUBCOMP)──> done
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FlowPhase {
    /// Its packet identifier is not durable yet; nothing was written (barrier B2).
    Persist,
    /// PUBACK or PUBREC.
    Acknowledge,
    /// PUBREC came and is not durable yet; PUBREL was not written (barrier B3).
    PersistRelease,
    /// PUBCOMP.
    Complete,
}

#[derive(Clone, Copy, Debug, Default)]
struct Link {
    previous: Option<u32>,
    next: Option<u32>,
}

#[derive(Clone, Copy, Debug, Default)]
struct List {
    first: Option<u32>,
    last: Option<u32>,
    /// Where a round of sending again on the same connection has stopped.
    again: Option<u32>,
}

/// Which packet of a flow is on its way: each has an order of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leg {
    /// PUBLISH, in the order of first sending.
    Publish,
    /// PUBREL, in the order of the PUBRECs.
    Pubrel,
}

/// All outbound flows of a session, by packet identifier and in order.
#[derive(Debug)]
pub(crate) struct Outbound {
    flows: Slab<OutboundFlow>,
    /// Not yet answered by PUBREC.
    publishing: List,
    /// Answered by PUBREC.
    releasing: List,
    /// The next flow of `publishing` to send again on this connection.
    resend: Option<u32>,
    pub(crate) ids: PacketIds,
}

impl Outbound {
    /// No flows; the first packet identifier to use.
    pub(crate) fn new(first_id: PacketId) -> Self {
        Self {
            flows: Slab::new(),
            publishing: List::default(),
            releasing: List::default(),
            resend: None,
            ids: PacketIds::starting_at(first_id),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.flows.len()
    }

    /// Starts a flow at the end of the order; `None` if no packet identifier is free.
    pub(crate) fn start(&mut self, queued: Queued, phase: FlowPhase) -> Option<u32> {
        let Queued { publication, message, deadline, is_in_doubt, on_session_loss } = queued;
        let entry = self.flows.vacant_entry();
        let slot = slot_of(entry.key());
        let packet_id = self.ids.take(Holder::Flow(slot))?;
        entry.insert(OutboundFlow {
            publication,
            packet_id,
            message,
            phase,
            deadline,
            was_sent: false,
            is_in_doubt,
            on_session_loss,
            holds_quota: false,
            retry_at: None,
            repetitions: 0,
            link: Link::default(),
        });
        self.append(slot, phase);
        Some(slot)
    }

    /// Puts a flow of a loaded session in place, at the end of the order.
    pub(crate) fn restore(&mut self, flow: RestoredFlow) -> u32 {
        let phase = flow.phase;
        let slot = slot_of(self.flows.insert(OutboundFlow {
            publication: flow.publication,
            packet_id: flow.packet_id,
            message: flow.message,
            phase,
            deadline: flow.deadline,
            was_sent: true,
            is_in_doubt: false,
            on_session_loss: flow.on_session_loss,
            holds_quota: false,
            retry_at: None,
            repetitions: 0,
            link: Link::default(),
        }));
        self.ids.assign(flow.packet_id, Holder::Flow(slot));
        self.append(slot, phase);
        slot
    }

    /// The flow that holds this packet identifier.
    pub(crate) fn slot(&self, id: PacketId) -> Option<u32> {
        match self.ids.holder(id) {
            Some(Holder::Flow(slot)) => Some(slot),
            _ => None,
        }
    }

    /// The packet identifier of a publication that is in flight.
    pub(crate) fn packet_id_of(&self, publication: PublicationId) -> Option<PacketId> {
        let mut flows = self.flows.iter().map(|(_, flow)| flow);
        flows.find(|flow| flow.publication == publication).map(|flow| flow.packet_id)
    }

    pub(crate) fn flow(&self, slot: u32) -> &OutboundFlow {
        &self.flows[slot as usize]
    }

    pub(crate) fn flow_mut(&mut self, slot: u32) -> &mut OutboundFlow {
        &mut self.flows[slot as usize]
    }

    /// The flow of a publication, if it is still in this slot.
    pub(crate) fn find(&mut self, slot: u32, publication: PublicationId) -> Option<&mut OutboundFlow> {
        self.flows.get_mut(slot as usize).filter(|flow| flow.publication == publication)
    }

    /// Moves a publication's flow from one phase to the next, if it is there and in the first.
    pub(crate) fn set_phase(
        &mut self,
        slot: u32,
        publication: PublicationId,
        from: FlowPhase,
        to: FlowPhase,
    ) {
        if let Some(flow) = self.find(slot, publication).filter(|flow| flow.phase == from) {
            flow.phase = to;
        }
    }

    /// The flow of a publication that was never sent.
    pub(crate) fn unsent_slot(&self, publication: PublicationId) -> Option<u32> {
        let is_it = |flow: &OutboundFlow| flow.publication == publication && !flow.was_sent;
        self.flows.iter().find(|(_, flow)| is_it(flow)).map(|(slot, _)| slot_of(slot))
    }

    /// PUBREC came: from now on PUBREL is what goes out, in the order of the PUBRECs [MQTT-4.6.0-4].
    pub(crate) fn release(&mut self, slot: u32, phase: FlowPhase) {
        self.unlink(slot);
        let flow = &mut self.flows[slot as usize];
        flow.phase = phase;
        (flow.retry_at, flow.repetitions) = (None, 0);
        self.append(slot, phase);
    }

    /// Ends a flow and frees its packet identifier.
    #[inline]
    pub(crate) fn finish(&mut self, slot: u32) -> OutboundFlow {
        self.unlink(slot);
        let flow = self.flows.remove(slot as usize);
        self.ids.free(flow.packet_id);
        flow
    }

    /// Ends a flow but keeps its packet identifier out of use: the broker may still know it.
    pub(crate) fn finish_retiring_id(&mut self, slot: u32) -> OutboundFlow {
        let flow = self.finish(slot);
        self.ids.assign(flow.packet_id, Holder::Retired);
        flow
    }

    // [MQTT-4.6.0-1] [MQTT-4.6.0-4] [MQTT-4.6.0-1 of 3.1.1] [MQTT-4.6.0-4 of 3.1.1]
    /// A new connection resumes the session: everything unanswered will be sent again in its order. Returns the slots
    /// whose PUBREL goes out at once.
    pub(crate) fn begin_resume(&mut self) -> alloc::vec::Vec<u32> {
        for (_, flow) in &mut self.flows {
            flow.holds_quota = false;
            (flow.retry_at, flow.repetitions) = (None, 0);
        }
        self.resend = self.publishing.first;
        (self.publishing.again, self.releasing.again) = (None, None);
        self.in_order(self.releasing).collect()
    }

    /// The next PUBLISH to send again, `None` when all were.
    pub(crate) const fn next_to_resend(&self) -> Option<u32> {
        self.resend
    }

    /// The flow that [`Outbound::next_to_resend`] named was sent.
    pub(crate) fn advance_resend(&mut self) {
        if let Some(slot) = self.resend {
            self.resend = self.flows[slot as usize].link.next;
        }
    }

    /// When the next one is to be sent again on this connection: the first of all, or the one at which the last round has
    /// stopped.
    pub(crate) fn again_at(&self, leg: Leg) -> Option<Timestamp> {
        let list = self.list(leg);
        [list.first, list.again].into_iter().flatten().filter_map(|slot| self.flow(slot).retry_at).min()
    }

    /// Where to begin with sending again: where the last round has stopped, so that it comes to its end before the next one
    /// begins.
    pub(crate) fn next_again(&self, leg: Leg, now: Timestamp) -> Option<u32> {
        let list = self.list(leg);
        list.again.filter(|&slot| self.flow(slot).is_due_again(now)).or(list.first)
    }

    /// A round of sending again has stopped before this one, or come to its end.
    pub(crate) const fn stop_again(&mut self, leg: Leg, before: Option<u32>) {
        match leg {
            Leg::Publish => self.publishing.again = before,
            Leg::Pubrel => self.releasing.again = before,
        }
    }

    /// The one behind it in the same order.
    pub(crate) fn next(&self, slot: u32) -> Option<u32> {
        self.flows[slot as usize].link.next
    }

    /// All flows: PUBLISH phases in send order, then PUBREL phases in PUBREC order.
    pub(crate) fn all_in_order(&self) -> alloc::vec::Vec<u32> {
        self.in_order(self.publishing).chain(self.in_order(self.releasing)).collect()
    }

    /// The flows that were sent on this connection and are not finished.
    pub(crate) fn unanswered(&self) -> impl Iterator<Item = u32> + '_ {
        let flows = self.flows.iter().filter(|(_, flow)| flow.was_sent && flow.holds_quota);
        flows.map(|(slot, _)| slot_of(slot))
    }

    fn in_order(&self, list: List) -> impl Iterator<Item = u32> + '_ {
        core::iter::successors(list.first, |&slot| self.flows[slot as usize].link.next)
    }

    const fn list(&self, leg: Leg) -> List {
        match leg {
            Leg::Publish => self.publishing,
            Leg::Pubrel => self.releasing,
        }
    }

    fn list_of(&mut self, phase: FlowPhase) -> &mut List {
        match phase {
            FlowPhase::Persist | FlowPhase::Acknowledge => &mut self.publishing,
            FlowPhase::PersistRelease | FlowPhase::Complete => &mut self.releasing,
        }
    }

    fn append(&mut self, slot: u32, phase: FlowPhase) {
        let list = self.list_of(phase);
        let previous = list.last.replace(slot);
        if list.first.is_none() {
            list.first = Some(slot);
        }
        self.flows[slot as usize].link = Link { previous, next: None };
        if let Some(previous) = previous {
            self.flows[previous as usize].link.next = Some(slot);
        }
    }

    fn unlink(&mut self, slot: u32) {
        let OutboundFlow { link, phase, .. } = self.flows[slot as usize];
        if self.resend == Some(slot) {
            self.resend = link.next;
        }
        if let Some(previous) = link.previous {
            self.flows[previous as usize].link.next = link.next;
        }
        if let Some(next) = link.next {
            self.flows[next as usize].link.previous = link.previous;
        }
        let list = self.list_of(phase);
        if list.first == Some(slot) {
            list.first = link.next;
        }
        if list.last == Some(slot) {
            list.last = link.previous;
        }
        if list.again == Some(slot) {
            list.again = link.next;
        }
    }
}

impl OutboundFlow {
    /// Whether its packet is to be sent again on this connection by now.
    pub(crate) fn is_due_again(&self, now: Timestamp) -> bool {
        self.retry_at.is_some_and(|at| at <= now)
    }

    /// The same without a packet identifier.
    pub(crate) fn into_queued(self) -> Queued {
        let Self { publication, message, deadline, was_sent, is_in_doubt, on_session_loss, .. } = self;
        Queued { publication, message, deadline, is_in_doubt: was_sent || is_in_doubt, on_session_loss }
    }

    /// Whether it ends when its session is lost, because nobody knows whether the peer has it and it must not come twice.
    pub(crate) fn ends_with_session(&self) -> bool {
        self.was_sent && self.is_exactly_once() && self.on_session_loss == SessionLoss::Indeterminate
    }

    /// Whether it is a QoS 2 flow.
    pub(crate) fn is_exactly_once(&self) -> bool {
        self.message.qos == QoS::ExactlyOnce
    }
}

/// A flow as a loaded session brings it.
#[derive(Debug)]
pub(crate) struct RestoredFlow {
    pub(crate) publication: PublicationId,
    pub(crate) packet_id: PacketId,
    pub(crate) message: Message,
    pub(crate) phase: FlowPhase,
    pub(crate) deadline: Option<Timestamp>,
    pub(crate) on_session_loss: SessionLoss,
}

/// Slots are bounded by the number of packet identifiers.
fn slot_of(key: usize) -> u32 {
    u32::try_from(key).expect("there are at most 65,535 flows")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::TopicName;
    use alloc::vec::Vec;

    fn outbound(flows: u64) -> (Outbound, Vec<u32>) {
        let mut outbound = Outbound::new(PacketId::new(65_534).unwrap());
        let message = Message::new(TopicName::from_static("t").unwrap(), "p").with_qos(QoS::ExactlyOnce);
        let slots = (0..flows)
            .map(|n| {
                let (publication, message) = (PublicationId::new(n), message.clone());
                let queued = Queued::new(publication, message, None);
                outbound.start(queued, FlowPhase::Acknowledge).unwrap()
            })
            .collect();
        (outbound, slots)
    }

    fn resend_order(outbound: &mut Outbound) -> Vec<u64> {
        let mut order = Vec::new();
        while let Some(slot) = outbound.next_to_resend() {
            order.push(outbound.flow(slot).publication.as_u64());
            outbound.advance_resend();
        }
        order
    }

    // [MQTT-4.6.0-1] [MQTT-4.6.0-1 of 3.1.1]
    #[test]
    fn flows_are_resent_in_send_order_also_after_the_identifiers_wrapped() {
        let (mut outbound, slots) = outbound(5);
        outbound.finish(slots[1]);
        outbound.begin_resume();
        assert_eq!(resend_order(&mut outbound), [0, 2, 3, 4]);
    }

    // [MQTT-4.6.0-4] [MQTT-4.6.0-4 of 3.1.1]
    #[test]
    fn releases_go_out_in_the_order_of_the_pubrecs() {
        let (mut outbound, slots) = outbound(4);
        outbound.release(slots[2], FlowPhase::Complete);
        outbound.release(slots[0], FlowPhase::Complete);
        assert_eq!(outbound.begin_resume(), [slots[2], slots[0]]);
        assert_eq!(resend_order(&mut outbound), [1, 3]);
    }

    #[test]
    fn a_flow_that_ends_while_it_waits_to_be_resent_is_skipped() {
        let (mut outbound, slots) = outbound(3);
        outbound.begin_resume();
        outbound.finish(slots[0]);
        assert_eq!(resend_order(&mut outbound), [1, 2]);
    }

    #[test]
    fn a_retired_identifier_is_not_given_to_the_next_flow() {
        let (mut outbound, slots) = outbound(1);
        let id = outbound.finish_retiring_id(slots[0]).packet_id;
        assert_eq!(outbound.slot(id), None);
        assert_eq!(outbound.ids.holder(id), Some(Holder::Retired));
    }
}
