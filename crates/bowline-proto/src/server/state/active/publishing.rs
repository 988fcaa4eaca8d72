//! Publications to the client: binding to packet identifier and quota, PUBLISH, PUBREL, and their answers.

use alloc::boxed::Box;

use crate::codec::EncodeError;
use crate::error::{ProtocolError, PublishError};
use crate::packet::{Ack, PacketType, PublishHeader};
use crate::reason::ReasonCode;
use crate::server::context::Context;
use crate::server::event::{EndCause, PublishOutcome, ServerEvent};
use crate::server::session::{admit, is_acknowledged};
use crate::server::state::Active;
use crate::server::state::active::protocol;
use crate::session::PublicationId;
use crate::session::expiry::remaining_secs;
use crate::session::lane::Lane;
use crate::session::outbound::{FlowPhase, OutboundFlow};
use crate::session::packet_ids::Holder;
use crate::session::queued::Queued;
use crate::time::Timestamp;
use crate::types::{Message, PacketId, QoS, SubscriptionIds};

impl Active {
    /// Sends a message at once if nothing is before it, else queues it.
    pub(crate) fn publish(
        &mut self,
        cx: &mut Context,
        message: Message,
        subscription_ids: SubscriptionIds,
        now: Timestamp,
    ) -> Result<PublicationId, Box<PublishError>> {
        let (message, deadline) = admit(message, now)?;
        if !self.may_publish_at_once(cx, message.qos) {
            return self.session.enqueue(message, subscription_ids, deadline);
        }
        let publication = self.session.next_publication();
        self.session.remember_ids(publication, subscription_ids);
        self.bind(cx, Queued::new(publication, message, deadline), now);
        Ok(publication)
    }

    /// Sends again what the last connection left unfinished: PUBRELs at once and over any quota [MQTT-4.9.0-3],
    /// PUBLISHes as quota and buffer allow, through `pump_publications`.
    // [MQTT-4.4.0-1] [MQTT-4.4.0-1 of 3.1.1]
    pub(super) fn resume(&mut self) {
        for slot in self.session.outbound.begin_resume() {
            let flow = self.session.outbound.flow_mut(slot);
            // [MQTT-4.3.3-6] [MQTT-4.6.0-4]
            flow.holds_quota = true;
            let packet_id = flow.packet_id;
            self.quota.take_over_limit();
            self.send_pubrel(&Ack::success(packet_id), self.rules.pubrel_carries_dup);
        }
    }

    // [MQTT-3.3.4-9] [MQTT-3.3.4-10]
    pub(super) fn pump_publications(&mut self, cx: &mut Context, now: Timestamp) {
        while self.link.has_room()
            && let Some(slot) = self.session.outbound.next_to_resend()
            && self.take_quota(slot)
        {
            self.session.outbound.advance_resend();
            self.send_publish(cx, slot, now);
        }
        while self.link.has_room() {
            let Some(lane) = self.session.queue.next_lane(self.may_start_flow(cx)) else { return };
            let Some(queued) = self.session.queue.pop(lane) else { return };
            self.bind(cx, queued, now);
        }
    }

    /// Whether a new QoS 1 or 2 flow may start: never without a quota unit and a packet identifier.
    fn may_start_flow(&self, cx: &Context) -> bool {
        let outbound = &self.session.outbound;
        self.quota.is_free()
            && outbound.len() < usize::from(cx.config.in_flight_max)
            && outbound.next_to_resend().is_none()
            && outbound.ids.has_free_for_publications()
    }

    fn may_publish_at_once(&self, cx: &Context, qos: QoS) -> bool {
        let queue = &self.session.queue;
        self.link.has_room()
            && match qos {
                QoS::AtMostOnce => queue.is_lane_empty(Lane::AtMostOnce),
                QoS::AtLeastOnce | QoS::ExactlyOnce => {
                    queue.is_lane_empty(Lane::Acknowledged) && self.may_start_flow(cx)
                }
            }
    }

    /// A publication has its turn.
    fn bind(&mut self, cx: &mut Context, queued: Queued, now: Timestamp) {
        let Queued { publication, mut message, deadline, .. } = queued;
        // [MQTT-3.3.2-5]
        if deadline.is_some_and(|deadline| deadline <= now) {
            return self.finish_publication(cx, publication, PublishOutcome::Expired { message });
        }
        self.fit_version(&mut message);
        if is_acknowledged(&message) {
            // [MQTT-2.2.1-4] [MQTT-2.3.1-4 of 3.1.1] [MQTT-4.3.2-1] [MQTT-4.3.3-1]
            let outbound = &mut self.session.outbound;
            let queued = Queued::new(publication, message, deadline);
            let slot = outbound.start(queued, FlowPhase::Acknowledge);
            let slot = slot.expect("has_free_for_publications was asked before");
            let has_unit = self.take_quota(slot);
            debug_assert!(has_unit, "a flow starts only when a unit is free");
            return self.send_publish(cx, slot, now);
        }
        let header = PublishHeader {
            expiry_secs: remaining_secs(self.rules, deadline, now),
            subscription_ids: self.session.ids_for(self.rules, publication),
            ..PublishHeader::default()
        };
        // [MQTT-4.3.1-1]
        match self.link.publish(&message, &header) {
            Ok(()) => {
                self.session.subscription_ids.remove(&publication);
            }
            // [MQTT-3.1.2-24] [MQTT-3.1.2-25]
            Err(error) => {
                let outcome = PublishOutcome::NotSendable { message, error };
                self.finish_publication(cx, publication, outcome);
            }
        }
    }

    /// Writes the PUBLISH of a flow: the first time without DUP, later with it.
    fn send_publish(&mut self, cx: &mut Context, slot: u32, now: Timestamp) {
        if !self.rules.has_properties {
            // The session may have begun on a connection that had them.
            self.session.outbound.flow_mut(slot).message.properties = None;
        }
        let flow = self.session.outbound.flow(slot);
        // [MQTT-3.3.1-1] [MQTT-3.3.1-3] [MQTT-4.3.2-2] [MQTT-4.3.3-2] [MQTT-3.3.1-1 of 3.1.1]
        let header = PublishHeader {
            dup: flow.was_sent,
            packet_id: Some(flow.packet_id),
            // [MQTT-3.3.2-6] [MQTT-4.3.3-7]
            expiry_secs: remaining_secs(self.rules, flow.deadline, now),
            subscription_ids: self.session.ids_for(self.rules, flow.publication),
            ..PublishHeader::default()
        };
        match self.link.publish(&flow.message, &header) {
            Ok(()) => self.session.outbound.flow_mut(slot).was_sent = true,
            // [MQTT-3.1.2-24] [MQTT-3.1.2-25]
            Err(error) => self.drop_unsendable(cx, slot, error),
        }
    }

    /// Leaves out what this version cannot say.
    fn fit_version(&self, message: &mut Message) {
        if !self.rules.has_properties {
            message.properties = None;
        }
    }

    fn drop_unsendable(&mut self, cx: &mut Context, slot: u32, error: EncodeError) {
        self.give_back_quota(slot);
        let outbound = &mut self.session.outbound;
        let flow = outbound.flow(slot);
        // The client may know the identifier from an earlier connection and would swallow the next message on it.
        let flow = if flow.was_sent && flow.is_exactly_once() {
            outbound.finish_retiring_id(slot)
        } else {
            outbound.finish(slot)
        };
        let outcome = PublishOutcome::NotSendable { message: flow.message, error };
        self.finish_publication(cx, flow.publication, outcome);
    }

    // [MQTT-4.3.2-3] [MQTT-4.4.0-2] [MQTT-4.3.2-1 of 3.1.1]
    pub(super) fn on_puback(&mut self, cx: &mut Context, ack: Ack) -> Result<(), EndCause> {
        let Some(slot) = self.awaited(ack.packet_id) else { return ignore(cx) };
        let flow = self.session.outbound.flow(slot);
        if flow.is_exactly_once() {
            return wrong(PacketType::PubAck, ack.packet_id);
        }
        let flow = self.finish_flow(slot);
        self.finish_publication(cx, flow.publication, outcome(ack));
        Ok(())
    }

    // [MQTT-4.3.3-3] [MQTT-4.3.3-4] [MQTT-4.3.3-5] [MQTT-4.3.3-1 of 3.1.1]
    pub(super) fn on_pubrec(&mut self, cx: &mut Context, ack: Ack) -> Result<(), EndCause> {
        let packet_id = ack.packet_id;
        let Some(slot) = self.awaited(packet_id) else {
            cx.stats.unknown_acknowledgements += 1;
            self.answer_unknown_pubrec(&ack);
            return Ok(());
        };
        let flow = self.session.outbound.flow(slot);
        match (flow.message.qos, flow.phase) {
            (QoS::ExactlyOnce, FlowPhase::Acknowledge) if ack.reason.is_failure() => {
                // [MQTT-4.4.0-2]
                let flow = self.finish_flow(slot);
                self.finish_publication(cx, flow.publication, outcome(ack));
            }
            (QoS::ExactlyOnce, FlowPhase::Acknowledge) => {
                self.session.outbound.release(slot, FlowPhase::Complete);
                let flow = self.session.outbound.flow_mut(slot);
                if !core::mem::replace(&mut flow.holds_quota, true) {
                    // It answers a PUBLISH of an earlier connection that waited here to be sent again.
                    self.quota.take_over_limit();
                }
                self.send_pubrel(&Ack::success(packet_id), false);
            }
            (QoS::ExactlyOnce, FlowPhase::Complete) if ack.reason.is_failure() => return ignore(cx),
            (QoS::ExactlyOnce, FlowPhase::Complete) => {
                self.send_pubrel(&Ack::success(packet_id), self.rules.pubrel_carries_dup);
            }
            _ => return wrong(PacketType::PubRec, packet_id),
        }
        Ok(())
    }

    /// Nobody waits for it: PUBREL all the same, so that the client can finish. 5.0 says that it is unknown.
    // [MQTT-3.6.2-1]
    fn answer_unknown_pubrec(&mut self, ack: &Ack) {
        if ack.reason.is_failure() {
            return self.unretire(ack.packet_id);
        }
        let reason = if self.rules.has_ack_reasons {
            ReasonCode::PacketIdentifierNotFound
        } else {
            ReasonCode::Success
        };
        self.send_pubrel(&Ack::new(ack.packet_id, reason), false);
    }

    // [MQTT-4.3.3-5] [MQTT-4.3.3-1 of 3.1.1]
    pub(super) fn on_pubcomp(&mut self, cx: &mut Context, ack: Ack) -> Result<(), EndCause> {
        let Some(slot) = self.awaited(ack.packet_id) else {
            self.unretire(ack.packet_id);
            return ignore(cx);
        };
        let flow = self.session.outbound.flow(slot);
        if !flow.is_exactly_once() || flow.phase != FlowPhase::Complete {
            return wrong(PacketType::PubComp, ack.packet_id);
        }
        let flow = self.finish_flow(slot);
        // 0x92 means that the client finished before we heard of it: the message has arrived.
        let outcome =
            PublishOutcome::Acknowledged { reason: ReasonCode::Success, properties: ack.properties };
        self.finish_publication(cx, flow.publication, outcome);
        Ok(())
    }

    /// The flow that an acknowledgement is for. One whose PUBLISH has not left on any connection waits for nothing.
    fn awaited(&self, packet_id: PacketId) -> Option<u32> {
        let outbound = &self.session.outbound;
        outbound.slot(packet_id).filter(|&slot| outbound.flow(slot).was_sent)
    }

    /// The client's last word on an identifier that was kept out of use.
    fn unretire(&mut self, packet_id: PacketId) {
        let ids = &mut self.session.outbound.ids;
        if ids.holder(packet_id) == Some(Holder::Retired) {
            ids.free(packet_id);
        }
    }

    fn send_pubrel(&mut self, ack: &Ack, dup: bool) {
        // An acknowledgement without properties fits every packet size that a client can announce but absurd ones.
        let _ = self.link.encoder.ack(&mut self.link.out, PacketType::PubRel, ack, dup);
    }

    fn finish_flow(&mut self, slot: u32) -> OutboundFlow {
        self.give_back_quota(slot);
        self.session.outbound.finish(slot)
    }

    fn finish_publication(&mut self, cx: &mut Context, publication: PublicationId, outcome: PublishOutcome) {
        self.session.subscription_ids.remove(&publication);
        cx.emit(ServerEvent::PublishEnded { publication, outcome: Box::new(outcome) });
    }

    /// Takes a quota unit for a flow; whether one was free.
    fn take_quota(&mut self, slot: u32) -> bool {
        let has_unit = self.quota.try_take();
        self.session.outbound.flow_mut(slot).holds_quota = has_unit;
        has_unit
    }

    // [MQTT-4.9.0-2]
    fn give_back_quota(&mut self, slot: u32) {
        let flow = self.session.outbound.flow_mut(slot);
        if core::mem::take(&mut flow.holds_quota) {
            self.quota.give_back();
        }
    }
}

/// How a publication ends by the client's word.
fn outcome(ack: Ack) -> PublishOutcome {
    let Ack { reason, properties, .. } = ack;
    if reason.is_failure() {
        PublishOutcome::Rejected { reason, properties }
    } else {
        PublishOutcome::Acknowledged { reason, properties }
    }
}

/// Acknowledgements that nobody waits for are counted.
const fn ignore(cx: &mut Context) -> Result<(), EndCause> {
    cx.stats.unknown_acknowledgements += 1;
    Ok(())
}

fn wrong(packet: PacketType, packet_id: PacketId) -> Result<(), EndCause> {
    Err(protocol(ProtocolError::WrongAcknowledgement { packet, packet_id }))
}
