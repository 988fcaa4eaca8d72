//! Outgoing publications on a connection: binding to packet identifier and quota, PUBLISH, PUBREL, and their answers.

use crate::client::context::Context;
use crate::client::event::{DisconnectCause, Outcome};
use crate::client::state::Active;
use crate::client::state::active::retrying::note_flow;
use crate::codec::EncodeError;
use crate::connection::LimitError;
use crate::error::ProtocolError;
use crate::packet::{Ack, PacketType, PublishHeader};
use crate::reason::ReasonCode;
use crate::session::PublicationId;
use crate::session::expiry::remaining_secs;
use crate::session::journal::Gated;
use crate::session::lane::Lane;
use crate::session::outbound::{FlowPhase, OutboundFlow};
use crate::session::packet_ids::Holder;
use crate::session::queued::Queued;
use crate::session::stored::{Accepted, Entry};
use crate::time::Timestamp;
use crate::types::{Message, PacketId, QoS};

impl Active {
    /// Sends again what the last connection left unfinished: PUBRELs at once and over any quota [MQTT-4.9.0-3],
    /// PUBLISHes as quota and buffer allow, through `pump_publications`.
    // [MQTT-4.4.0-1] [MQTT-4.4.0-1 of 3.1.1]
    pub(super) fn resume(&mut self, cx: &mut Context, now: Timestamp) {
        if self.is_held {
            return;
        }
        self.releases.clear();
        for slot in cx.outbound.begin_resume() {
            let flow = cx.outbound.flow(slot);
            if flow.phase == FlowPhase::Complete {
                self.releases.push_back((slot, flow.publication));
            }
        }
        if !self.is_careful(cx) {
            while self.release_next(cx, now) {}
        }
    }

    /// Sends the next PUBREL of a resumed flow; whether there was one.
    pub(super) fn release_next(&mut self, cx: &mut Context, now: Timestamp) -> bool {
        while let Some((slot, publication)) = self.releases.pop_front() {
            let dup = cx.rules.pubrel_carries_dup;
            let Some(flow) = cx.outbound.find(slot, publication) else { continue };
            // [MQTT-4.3.3-6] [MQTT-4.6.0-4]
            self.quota.take_over_limit();
            flow.holds_quota = true;
            self.release(cx, slot, dup, now);
            return true;
        }
        false
    }

    /// Sends what became durable while the output was full, or while the end of an earlier one was not durable.
    pub(super) fn pump_stored(&mut self, cx: &mut Context, now: Timestamp) {
        while self.may_write_first(cx)
            && let Some((slot, publication)) = self.stored.pop_front()
        {
            if cx.outbound.find(slot, publication).is_some() {
                self.send_publish(cx, slot, now);
            }
        }
    }

    pub(super) fn pump_publications(&mut self, cx: &mut Context, now: Timestamp) {
        self.pump_resends(cx, now);
        while self.link.has_room() && !self.is_trying(cx) {
            let Some(lane) = cx.queue.next_lane(self.may_start_flow(cx)) else { return };
            let Some(queued) = cx.queue.pop(lane) else { return };
            self.bind(cx, queued, lane, now);
        }
    }

    /// A resumed PUBLISH keeps its packet identifier while it waits for quota, ahead of all new ones.
    fn pump_resends(&mut self, cx: &mut Context, now: Timestamp) {
        while self.link.has_room()
            && !self.is_trying(cx)
            && let Some(slot) = cx.outbound.next_to_resend()
            && (cx.outbound.flow(slot).was_sent || self.may_write_first(cx))
            && self.take_quota(cx, slot)
        {
            cx.outbound.advance_resend();
            let flow = cx.outbound.flow(slot);
            // One that is not durable yet is sent when it is.
            if flow.phase == FlowPhase::Acknowledge {
                self.send_publish(cx, slot, now);
            }
        }
    }

    /// Whether the first PUBLISH of a flow may leave, once its packet identifier is durable.
    fn may_write_first(&self, cx: &Context) -> bool {
        self.link.has_room() && cx.unsent_ends == 0
    }

    /// Whether a new QoS 1 or 2 flow may start: never without a quota unit and a packet identifier [MQTT-3.3.4-7].
    pub(crate) fn may_start_flow(&self, cx: &Context) -> bool {
        self.quota.is_free()
            && cx.outbound.len() < cx.in_flight_max()
            && cx.outbound.next_to_resend().is_none()
            && cx.outbound.ids.has_free_for_publications()
    }

    /// Whether a publication may go straight to the wire: connected, nothing before it, quota and buffer free.
    pub(crate) fn may_publish_at_once(&self, cx: &Context, qos: QoS) -> bool {
        !self.is_held
            && !self.is_careful(cx)
            && self.link.has_room()
            && match qos {
                QoS::AtMostOnce => cx.queue.is_lane_empty(Lane::AtMostOnce),
                QoS::AtLeastOnce | QoS::ExactlyOnce => {
                    cx.queue.is_lane_empty(Lane::Acknowledged) && self.may_start_flow(cx)
                }
            }
    }

    /// Whether this broker takes a message, by what it said in CONNACK.
    #[inline]
    pub(crate) fn check(&self, message: &Message) -> Result<(), LimitError> {
        // Computing the exact size costs as much as a third of writing the packet; mostly it cannot matter.
        let is_plain = message.properties.is_none();
        if is_plain
            && message.content_bytes()
                < self.limits.maximum_packet_size.saturating_sub(HEADER_BYTES_MAX) as usize
        {
            return self.limits.check_publish(message, 0);
        }
        let packet_id = if message.qos == QoS::AtMostOnce { None } else { PacketId::new(1) };
        let header = PublishHeader { packet_id, ..PublishHeader::default() };
        match self.link.encoder.publish_bytes(message, &header) {
            Ok(bytes) => self.limits.check_publish(message, bytes),
            Err(error) => self.limits.check_publish(message, 0).and(Err(too_large(error))),
        }
    }

    /// A waiting publication has its turn.
    fn bind(&mut self, cx: &mut Context, mut queued: Queued, lane: Lane, now: Timestamp) {
        // [MQTT-3.3.2-5] [MQTT-4.3.3-7]: until the first byte, expiry is ours to apply.
        if queued.deadline.is_some_and(|deadline| deadline <= now) {
            return cx.expire(queued);
        }
        cx.strip(&mut queued.message);
        if let Err(limit) = self.check(&queued.message) {
            return cx.fail_queued(queued, |message| Outcome::Forbidden { message, limit });
        }
        match lane {
            Lane::AtMostOnce => self.send_at_most_once(cx, queued, now),
            Lane::Acknowledged => self.start_flow(cx, queued, FlowSource::Queue, now),
        }
    }

    // [MQTT-4.3.1-1] [MQTT-4.3.1-1 of 3.1.1]
    pub(crate) fn send_at_most_once(&mut self, cx: &mut Context, queued: Queued, now: Timestamp) {
        let Queued { publication, message, deadline, .. } = queued;
        let header = PublishHeader {
            expiry_secs: remaining_secs(cx.rules, deadline, now),
            ..PublishHeader::default()
        };
        if let Err(error) = self.link.publish(&message, &header) {
            let limit = too_large(error);
            return cx.fail_unsent(publication, QoS::AtMostOnce, Outcome::Forbidden { message, limit });
        }
        cx.spent.message(message);
    }

    /// Takes packet identifier and quota unit together; the PUBLISH leaves once the identifier is durable (B2).
    pub(crate) fn start_flow(
        &mut self,
        cx: &mut Context,
        queued: Queued,
        source: FlowSource,
        now: Timestamp,
    ) {
        if !cx.journal.is_durable() {
            let slot = cx.outbound.start(queued, FlowPhase::Acknowledge);
            let slot = slot.expect("has_free_for_publications was asked before");
            self.take_asked_quota(cx, slot);
            return self.send_publish(cx, slot, now);
        }
        let Queued { publication, message: stored, deadline, on_session_loss, .. } = queued.clone();
        let slot = cx.outbound.start(queued, FlowPhase::Persist);
        let slot = slot.expect("has_free_for_publications was asked before");
        self.take_asked_quota(cx, slot);
        let packet_id = cx.outbound.flow(slot).packet_id;
        match source {
            FlowSource::Queue => cx.journal.record(Entry::Assigned { publication, packet_id }),
            FlowSource::Caller => {
                let deadline = deadline.map(|deadline| cx.wall(deadline));
                let accepted = Accepted {
                    publication,
                    message: stored,
                    deadline,
                    packet_id: Some(packet_id),
                    key: cx.keys.enter(publication),
                    on_session_loss,
                };
                cx.journal.record_before(Entry::Accepted(accepted), Gated::Accepted(publication));
            }
        }
        cx.journal.wait(Gated::Publish { slot, publication });
    }

    /// Takes a quota unit for a flow; whether one was free.
    fn take_quota(&mut self, cx: &mut Context, slot: u32) -> bool {
        let has_unit = self.quota.try_take();
        cx.outbound.flow_mut(slot).holds_quota = has_unit;
        has_unit
    }

    /// Takes the quota unit that `may_start_flow` saw.
    fn take_asked_quota(&mut self, cx: &mut Context, slot: u32) {
        let has_unit = self.take_quota(cx, slot);
        debug_assert!(has_unit, "a flow starts only when a unit is free");
    }

    /// B2 is passed.
    pub(super) fn on_publish_stored(
        &mut self,
        cx: &mut Context,
        slot: u32,
        publication: PublicationId,
        now: Timestamp,
    ) {
        // Without a quota unit it waits among the resumed ones.
        let may_send = cx.outbound.find(slot, publication).is_some_and(|flow| flow.holds_quota);
        if !may_send || self.is_held {
            return;
        }
        if self.stored.is_empty() && self.may_write_first(cx) {
            self.send_publish(cx, slot, now);
        } else {
            self.stored.push_back((slot, publication));
        }
    }

    /// Writes the PUBLISH of a flow: the first time without DUP, later with it [MQTT-3.3.1-1].
    pub(super) fn send_publish(&mut self, cx: &mut Context, slot: u32, now: Timestamp) {
        let flow = cx.outbound.flow(slot);
        let was_sent = flow.was_sent;
        if !was_sent && flow.deadline.is_some_and(|deadline| deadline <= now) {
            let flow = self.finish(cx, slot);
            cx.stats.publications_expired += u64::from(!flow.is_in_doubt);
            return cx.fail_unsent_flow(flow, |message| Outcome::Expired { message });
        }
        // [MQTT-3.3.1-1] [MQTT-3.3.1-1 of 3.1.1] [MQTT-4.3.2-2] [MQTT-4.3.3-2] [MQTT-2.3.1-3 of 3.1.1]
        let header = PublishHeader {
            dup: was_sent,
            packet_id: Some(flow.packet_id),
            expiry_secs: remaining_secs(cx.rules, flow.deadline, now),
            ..PublishHeader::default()
        };
        // The size is checked where it is computed, in the encoder.
        let written = self
            .limits
            .check_publish(&flow.message, 0)
            .and_then(|()| self.link.publish(&flow.message, &header).map_err(too_large));
        if let Err(limit) = written {
            return self.forbid(cx, slot, limit);
        }
        let flow = cx.outbound.flow_mut(slot);
        flow.was_sent = true;
        let bytes = flow.message.content_bytes();
        note_flow(cx, slot, bytes, now);
    }

    /// The limits of this connection forbid a flow that an earlier one allowed.
    fn forbid(&mut self, cx: &mut Context, slot: u32, limit: LimitError) {
        let flow = cx.outbound.flow(slot);
        let publication = flow.publication;
        if !flow.was_sent {
            let flow = self.finish(cx, slot);
            return cx.fail_unsent_flow(flow, |message| Outcome::Forbidden { message, limit });
        }
        let (flow, retired) = self.finish_sent(cx, slot);
        cx.spent.message(flow.message);
        cx.fail(publication, retired, Outcome::Indeterminate { limit: Some(limit) });
    }

    // [MQTT-4.3.2-3] [MQTT-2.2.1-6] [MQTT-4.3.2-1 of 3.1.1] [MQTT-2.3.1-6 of 3.1.1]
    pub(super) fn on_puback(&mut self, cx: &mut Context, ack: Ack) -> Result<(), DisconnectCause> {
        let Some(slot) = self.awaited(cx, ack.packet_id) else { return ignore(cx) };
        let flow = cx.outbound.flow(slot);
        match (flow.message.qos, flow.phase) {
            (QoS::AtLeastOnce, FlowPhase::Acknowledge) => {}
            (QoS::ExactlyOnce, FlowPhase::Acknowledge) if cx.rules.puback_may_end_qos2 => {}
            _ => return wrong(PacketType::PubAck, ack.packet_id),
        }
        let flow = self.finish(cx, slot);
        let downgraded = flow.is_exactly_once();
        end(cx, flow, ack, downgraded);
        Ok(())
    }

    // [MQTT-4.3.3-4] [MQTT-4.3.3-5] [MQTT-4.3.3-3] [MQTT-4.3.3-1 of 3.1.1]
    pub(super) fn on_pubrec(
        &mut self,
        cx: &mut Context,
        ack: Ack,
        now: Timestamp,
    ) -> Result<(), DisconnectCause> {
        let Some(slot) = self.awaited(cx, ack.packet_id) else {
            self.answer_unknown_pubrec(cx, &ack);
            return Ok(());
        };
        let flow = cx.outbound.flow(slot);
        let publication = flow.publication;
        match (flow.message.qos, flow.phase) {
            (QoS::ExactlyOnce, FlowPhase::Acknowledge) if ack.reason.is_failure() => {
                let flow = self.finish(cx, slot);
                end(cx, flow, ack, false);
            }
            (QoS::ExactlyOnce, FlowPhase::Acknowledge) => {
                cx.outbound.release(slot, FlowPhase::PersistRelease);
                let gated = Gated::Pubrel { slot, publication };
                if cx.journal.record_before(Entry::Pubrec { publication }, gated).is_some() {
                    self.on_pubrec_stored(cx, slot, publication, now);
                }
            }
            // Its PUBREL is on its way already, or about to be.
            (QoS::ExactlyOnce, FlowPhase::PersistRelease) => {}
            (QoS::ExactlyOnce, FlowPhase::Complete) if ack.reason.is_failure() => return ignore(cx),
            (QoS::ExactlyOnce, FlowPhase::Complete) => {
                self.send_pubrel(Ack::success(ack.packet_id), cx.rules.pubrel_carries_dup);
            }
            _ => return wrong(PacketType::PubRec, ack.packet_id),
        }
        Ok(())
    }

    /// B3 is passed. Expiry has no say any more.
    // [MQTT-4.3.3-13]
    pub(super) fn on_pubrec_stored(
        &mut self,
        cx: &mut Context,
        slot: u32,
        publication: PublicationId,
        now: Timestamp,
    ) {
        let Some(flow) = cx.outbound.find(slot, publication) else { return };
        flow.phase = FlowPhase::Complete;
        if self.is_held {
            // It goes out with the resumed ones.
            return;
        }
        if !flow.holds_quota {
            // The PUBREC came on an earlier connection, or before its PUBLISH was sent again on this one.
            flow.holds_quota = true;
            self.quota.take_over_limit();
        }
        self.release(cx, slot, false, now);
    }

    /// Nobody waits for it: PUBREL all the same, so that the broker can finish. 5.0 says that it is unknown.
    // [MQTT-3.6.2-1]
    fn answer_unknown_pubrec(&mut self, cx: &mut Context, ack: &Ack) {
        cx.stats.unknown_acknowledgements += 1;
        if ack.reason.is_failure() {
            self.unretire(cx, ack.packet_id);
            return;
        }
        let reason =
            if cx.rules.has_ack_reasons { ReasonCode::PacketIdentifierNotFound } else { ReasonCode::Success };
        self.send_pubrel(Ack::new(ack.packet_id, reason), false);
    }

    // [MQTT-4.3.3-1 of 3.1.1]
    pub(super) fn on_pubcomp(&mut self, cx: &mut Context, ack: Ack) -> Result<(), DisconnectCause> {
        let Some(slot) = self.awaited(cx, ack.packet_id) else {
            self.unretire(cx, ack.packet_id);
            return ignore(cx);
        };
        let flow = cx.outbound.flow(slot);
        if !flow.is_exactly_once() || flow.phase != FlowPhase::Complete {
            return wrong(PacketType::PubComp, ack.packet_id);
        }
        let flow = self.finish(cx, slot);
        // 0x92 means that the broker finished before we heard of it: the message has arrived.
        let outcome = Outcome::Acknowledged {
            reason: ReasonCode::Success,
            properties: ack.properties,
            downgraded: false,
        };
        cx.spent.message(flow.message);
        cx.succeed(flow.publication, outcome);
        Ok(())
    }

    /// The flow that an acknowledgement is for. One whose PUBLISH has not left on any connection waits for nothing.
    fn awaited(&self, cx: &Context, packet_id: PacketId) -> Option<u32> {
        cx.outbound.slot(packet_id).filter(|&slot| cx.outbound.flow(slot).was_sent)
    }

    /// The broker's last word on an identifier that was kept out of use.
    fn unretire(&mut self, cx: &mut Context, packet_id: PacketId) {
        if cx.outbound.ids.holder(packet_id) == Some(Holder::Retired) {
            cx.outbound.ids.free(packet_id);
            cx.journal.record(Entry::Unretired { packet_id });
        }
    }

    pub(super) fn send_pubrel(&mut self, ack: Ack, dup: bool) {
        // An acknowledgement without properties fits every packet size that a broker can announce but absurd ones.
        let _ = self.link.encoder.ack(&mut self.link.out, PacketType::PubRel, &ack, dup);
    }

    /// Ends a flow, and gives back what it holds of this connection.
    #[inline]
    pub(crate) fn finish(&mut self, cx: &mut Context, slot: u32) -> OutboundFlow {
        self.give_back_quota(cx, slot);
        cx.outbound.finish(slot)
    }

    /// Ends a flow that was sent, without the broker's word. The identifier of a QoS 2 flow stays out of use (returned).
    pub(super) fn finish_sent(&mut self, cx: &mut Context, slot: u32) -> (OutboundFlow, Option<PacketId>) {
        self.give_back_quota(cx, slot);
        if !cx.outbound.flow(slot).is_exactly_once() {
            return (cx.outbound.finish(slot), None);
        }
        let flow = cx.outbound.finish_retiring_id(slot);
        let retired = Some(flow.packet_id);
        (flow, retired)
    }

    // [MQTT-4.9.0-2]
    fn give_back_quota(&mut self, cx: &mut Context, slot: u32) {
        let flow = cx.outbound.flow_mut(slot);
        if core::mem::take(&mut flow.holds_quota) {
            self.quota.give_back();
        }
    }
}

/// More than everything in a PUBLISH without properties but topic and payload: fixed header 5, topic length 2, packet
/// identifier 2, property length 1.
const HEADER_BYTES_MAX: u32 = 16;

/// Where a flow comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FlowSource {
    /// It waited and is stored already.
    Queue,
    /// It goes straight from the caller to the wire; message and identifier are one entry.
    Caller,
}

/// Ends a flow by the broker's word.
#[inline]
fn end(cx: &mut Context, flow: OutboundFlow, ack: Ack, downgraded: bool) {
    let OutboundFlow { publication, message, .. } = flow;
    cx.spent.message(message);
    let Ack { reason, properties, .. } = ack;
    if reason.is_failure() {
        let outcome = Outcome::Rejected { reason, properties };
        cx.fail(publication, None, outcome);
    } else {
        cx.succeed(publication, Outcome::Acknowledged { reason, properties, downgraded });
    }
}

/// Rule 10: acknowledgements that nobody waits for are counted.
fn ignore(cx: &mut Context) -> Result<(), DisconnectCause> {
    cx.stats.unknown_acknowledgements += 1;
    Ok(())
}

fn wrong(packet: PacketType, packet_id: PacketId) -> Result<(), DisconnectCause> {
    Err(DisconnectCause::Protocol(ProtocolError::WrongAcknowledgement { packet, packet_id }))
}

/// Why a PUBLISH could not be encoded: everything but its size was checked before.
fn too_large(error: EncodeError) -> LimitError {
    let (bytes, maximum) = match error {
        EncodeError::PacketTooLarge { bytes, limit } => (u32::try_from(bytes).unwrap_or(u32::MAX), limit),
        _ => (u32::MAX, u32::MAX),
    };
    LimitError::PacketTooLarge { bytes, maximum }
}
