//! SUBSCRIBE and UNSUBSCRIBE of the client, and the broker's answers.

use alloc::boxed::Box;

use crate::connection::LimitError;
use crate::error::{ProtocolError, RequestError};
use crate::packet::{AckProperties, SubAck, Subscribe, UnsubAck, Unsubscribe};
use crate::server::context::Context;
use crate::server::event::{EndCause, ServerEvent};
use crate::server::requests::{Request, RequestKind};
use crate::server::state::Active;
use crate::server::state::active::protocol;
use crate::types::PacketId;

impl Active {
    // [MQTT-3.8.4-1] [MQTT-3.8.4-1 of 3.1.1]
    pub(super) fn on_subscribe(
        &mut self,
        cx: &mut Context,
        subscribe: Box<Subscribe>,
    ) -> Result<(), EndCause> {
        self.check_subscribe(&subscribe).map_err(|limit| protocol(ProtocolError::Limit(limit)))?;
        let filters = subscribe.subscriptions.len();
        self.note_request(subscribe.packet_id, Request { kind: RequestKind::Subscribe, filters })?;
        cx.emit(ServerEvent::Subscribe(subscribe));
        Ok(())
    }

    // [MQTT-3.10.4-4] [MQTT-3.10.4-4 of 3.1.1]
    pub(super) fn on_unsubscribe(
        &mut self,
        cx: &mut Context,
        unsubscribe: Box<Unsubscribe>,
    ) -> Result<(), EndCause> {
        let filters = unsubscribe.filters.len();
        self.note_request(unsubscribe.packet_id, Request { kind: RequestKind::Unsubscribe, filters })?;
        cx.emit(ServerEvent::Unsubscribe(unsubscribe));
        Ok(())
    }

    /// What CONNACK switched off may not be asked for.
    fn check_subscribe(&self, subscribe: &Subscribe) -> Result<(), LimitError> {
        if subscribe.subscription_id.is_some() && !self.limits.subscription_ids {
            return Err(LimitError::SubscriptionIdsNotAvailable);
        }
        subscribe.subscriptions.iter().try_for_each(|one| self.limits.check_filter(&one.filter))
    }

    /// Remembers a request until it is answered.
    // [MQTT-2.2.1-3] [MQTT-2.3.1-2 of 3.1.1]
    fn note_request(&mut self, packet_id: PacketId, request: Request) -> Result<(), EndCause> {
        if self.requests.contains(packet_id) || self.session.inbound.is_open_id(packet_id) {
            return Err(protocol(ProtocolError::PacketIdInUse { packet_id }));
        }
        self.requests.insert(packet_id, request);
        Ok(())
    }

    // [MQTT-3.8.4-2] [MQTT-3.9.3-2] [MQTT-2.2.1-6] [MQTT-3.8.4-2 of 3.1.1] [MQTT-2.3.1-7 of 3.1.1]
    pub(crate) fn answer_subscribe(&mut self, mut suback: SubAck) -> Result<(), RequestError> {
        let packet_id = suback.packet_id;
        self.requests.check(packet_id, RequestKind::Subscribe, suback.reasons.len())?;
        self.mind_problem_information(&mut suback.properties);
        self.link.encoder.suback(&mut self.link.out, &suback)?;
        self.requests.remove(packet_id);
        Ok(())
    }

    // [MQTT-3.10.4-5] [MQTT-3.11.3-2] [MQTT-2.2.1-6] [MQTT-3.10.4-4 of 3.1.1]
    pub(crate) fn answer_unsubscribe(&mut self, mut unsuback: UnsubAck) -> Result<(), RequestError> {
        let packet_id = unsuback.packet_id;
        self.requests.check(packet_id, RequestKind::Unsubscribe, unsuback.reasons.len())?;
        self.mind_problem_information(&mut unsuback.properties);
        self.link.encoder.unsuback(&mut self.link.out, &unsuback)?;
        self.requests.remove(packet_id);
        Ok(())
    }

    // [MQTT-3.1.2-29]
    fn mind_problem_information(&self, properties: &mut AckProperties) {
        if !self.terms.wants_problem_information {
            *properties = AckProperties::default();
        }
    }
}
