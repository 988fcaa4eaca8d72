//! Publications of the client: limits, alias, classification, and acknowledgements in their turn.

use crate::connection::LimitError;
use crate::error::ProtocolError;
use crate::packet::{Ack, PacketType, Publish};
use crate::reason::ReasonCode;
use crate::server::context::Context;
use crate::server::event::{EndCause, Received, ServerEvent};
use crate::server::state::Active;
use crate::server::state::active::protocol;
use crate::session::inbound::{Arrival, Release};
use crate::session::{DeliveryId, Stale};
use crate::types::{Message, PacketId};

impl Active {
    // [MQTT-3.3.4-1] [MQTT-3.3.4-1 of 3.1.1]
    pub(super) fn on_publish(&mut self, cx: &mut Context, mut publish: Publish) -> Result<(), EndCause> {
        self.check_publish(&publish).map_err(|limit| protocol(ProtocolError::Limit(limit)))?;
        let (dup, packet_id) = (publish.dup, publish.packet_id);
        // [MQTT-3.3.2-9] [MQTT-3.3.2-12] [MQTT-3.2.2-17] [MQTT-3.2.2-18]
        let topic = self.aliases.resolve(publish.topic.take(), publish.topic_alias).map_err(protocol)?;
        let message = publish.into_message(topic);
        let Some(packet_id) = packet_id else {
            cx.emit(ServerEvent::Message(Received { message, dup: false, delivery: None }));
            return Ok(());
        };
        self.on_acknowledged(cx, message, packet_id, dup)
    }

    fn check_publish(&self, publish: &Publish) -> Result<(), LimitError> {
        let maximum = self.limits.maximum_qos;
        // [MQTT-3.2.2-11]
        if publish.qos > maximum {
            return Err(LimitError::QoSTooHigh { qos: publish.qos, maximum });
        }
        // [MQTT-3.2.2-14]
        if publish.retain && !self.limits.retain_available {
            return Err(LimitError::RetainNotAvailable);
        }
        Ok(())
    }

    fn on_acknowledged(
        &mut self,
        cx: &mut Context,
        message: Message,
        packet_id: PacketId,
        dup: bool,
    ) -> Result<(), EndCause> {
        // [MQTT-2.2.1-3] [MQTT-2.3.1-2 of 3.1.1]
        if self.requests.contains(packet_id) {
            return Err(protocol(ProtocolError::PacketIdInUse { packet_id }));
        }
        match self.session.inbound.classify(packet_id, &message, dup) {
            // [MQTT-4.3.3-10] [MQTT-4.3.3-2 of 3.1.1]
            Arrival::Recorded => self.turns.push_recorded(packet_id),
            Arrival::RecordedInTurn => {}
            Arrival::Joined(delivery) => {
                if self.session.inbound.join(delivery) {
                    self.turns.push(message.qos, delivery);
                }
            }
            Arrival::IdInUse => return Err(protocol(ProtocolError::PacketIdInUse { packet_id })),
            // [MQTT-4.3.2-5] [MQTT-4.3.2-2 of 3.1.1]: a DUP flag alone never makes a message a copy.
            Arrival::New | Arrival::Replacing => {
                let delivery = self.session.hold(packet_id, message.clone());
                self.turns.push(message.qos, delivery);
                cx.emit(ServerEvent::Message(Received { message, dup, delivery: Some(delivery) }));
            }
        }
        let limit = self.limits.receive_maximum;
        // [MQTT-3.3.4-7] [MQTT-4.9.0-2]
        if self.rules.has_properties && self.session.inbound.open() > usize::from(limit) {
            return Err(protocol(ProtocolError::ReceiveMaximumExceeded { limit }));
        }
        Ok(())
    }

    /// Acknowledgements leave in the order in which the messages arrived, as far as they are due.
    // [MQTT-4.3.2-4] [MQTT-4.3.3-8]
    pub(super) fn pump_acknowledgements(&mut self) {
        while self.link.has_room()
            && let Some((packet, ack)) = self.turns.next_due(&mut self.session.inbound)
        {
            self.send_acknowledgement(packet, &ack);
        }
    }

    /// The broker has finished with a message.
    pub(crate) fn acknowledge(
        &mut self,
        cx: &mut Context,
        delivery: DeliveryId,
        reason: ReasonCode,
    ) -> Result<(), Stale> {
        let is_told = self.rules.has_ack_reasons || !reason.is_failure();
        let said = if is_told { reason } else { ReasonCode::Success };
        self.session.acknowledge(delivery, said)?;
        cx.stats.refusals_untold += u64::from(!is_told);
        Ok(())
    }

    // [MQTT-4.3.3-11] [MQTT-3.7.2-1] [MQTT-2.2.1-5]
    pub(super) fn on_pubrel(&mut self, ack: &Ack) -> Result<(), EndCause> {
        let packet_id = ack.packet_id;
        match self.session.inbound.on_pubrel(packet_id) {
            Release::Recorded | Release::Repeated => {
                self.session.inbound.complete(packet_id);
                self.send_acknowledgement(PacketType::PubComp, &Ack::success(packet_id));
                Ok(())
            }
            Release::Unknown => {
                let reason = if self.rules.has_ack_reasons {
                    ReasonCode::PacketIdentifierNotFound
                } else {
                    ReasonCode::Success
                };
                self.send_acknowledgement(PacketType::PubComp, &Ack::new(packet_id, reason));
                Ok(())
            }
            Release::OutOfPlace => {
                let packet = PacketType::PubRel;
                Err(protocol(ProtocolError::WrongAcknowledgement { packet, packet_id }))
            }
        }
    }

    pub(super) fn send_acknowledgement(&mut self, packet: PacketType, ack: &Ack) {
        // An acknowledgement without properties has at most 5 bytes; a client that announces less gets none.
        let _ = self.link.encoder.ack(&mut self.link.out, packet, ack, false);
    }
}
