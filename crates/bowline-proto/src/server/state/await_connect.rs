//! AwaitConnect: the transport is open, the first packet is to come. Next: `AwaitDecision`, on CONNECT; `Closing`, on a
//! CONNECT that is answered without asking the broker; `Ended`, on anything else [MQTT-3.1.0-1], on loss and at the
//! connect timeout.

use alloc::boxed::Box;

use crate::codec::{DecodeErrorKind, Encoder};
use crate::connection::link::Link;
use crate::error::ProtocolError;
use crate::packet::{ConnAck, ConnAckProperties, Connect, Packet};
use crate::reason::{ReasonCode, Role};
use crate::rules::{EmptyClientId, version_to_refuse_in};
use crate::server::context::Context;
use crate::server::event::{EndCause, ServerEvent};
use crate::server::io::ServerInput;
use crate::server::state::{AwaitDecision, ServerState, Transition};
use crate::time::Timestamp;
use crate::version::Version;

/// Waits for CONNECT.
#[derive(Debug)]
pub(crate) struct AwaitConnect {
    pub(crate) deadline: Timestamp,
}

impl AwaitConnect {
    pub(crate) fn handle(&self, cx: &mut Context, input: ServerInput) -> Transition {
        match input {
            ServerInput::Packet(Packet::Connect(connect)) => self.on_connect(cx, connect),
            // [MQTT-3.1.0-1]
            ServerInput::Packet(packet) => protocol_error(ProtocolError::UnexpectedPacket {
                packet: packet.packet_type(),
                state: "CONNECT was awaited",
            }),
            ServerInput::Malformed(error) => match error.kind() {
                // [MQTT-3.1.2-1] [MQTT-3.1.2-2] [MQTT-3.1.2-2 of 3.1.1]
                DecodeErrorKind::UnsupportedProtocolLevel { level } => {
                    let cause = EndCause::Protocol(ProtocolError::Decode(error));
                    let reason = ReasonCode::UnsupportedProtocolVersion;
                    refuse_in(version_to_refuse_in(*level), reason, cause)
                }
                // [MQTT-3.1.4-1] [MQTT-3.1.4-1 of 3.1.1]
                _ => protocol_error(ProtocolError::Decode(error)),
            },
            ServerInput::Closed => Transition::End(EndCause::ClosedByPeer),
            ServerInput::TransportFailed => Transition::End(EndCause::TransportFailed),
            ServerInput::Transmitted(_) => Transition::Stay,
        }
    }

    fn on_connect(&self, cx: &mut Context, connect: Box<Connect>) -> Transition {
        let rules = connect.version.rules();
        let may_be_empty = match rules.empty_client_id {
            EmptyClientId::Never => false,
            // [MQTT-3.1.3-8 of 3.1.1]
            EmptyClientId::WithCleanSession => connect.clean_start,
            EmptyClientId::Always => true,
        };
        if connect.client_id.is_empty() && !may_be_empty {
            // [MQTT-3.1.3-9 of 3.1.1]
            let reason = ReasonCode::ClientIdentifierNotValid;
            return refuse_in(connect.version, reason, EndCause::Refused(reason));
        }
        cx.emit(ServerEvent::ConnectReceived(connect.clone()));
        Transition::To(ServerState::AwaitDecision(Box::new(AwaitDecision::new(self.deadline, connect))))
    }
}

/// Answers with a refusal in the form of a version, whatever the client's is.
// [MQTT-3.2.2-6] [MQTT-3.2.2-4 of 3.1.1]
pub(crate) fn refuse_in(version: Version, reason: ReasonCode, cause: EndCause) -> Transition {
    let encoder = Encoder::new(version, Role::Server, u32::MAX);
    let mut link = Link::new(encoder);
    let session_present = version.rules().has_session_present.then_some(false);
    let connack = ConnAck { session_present, reason, properties: ConnAckProperties::default() };
    match encoder.connack(&mut link.out, &connack) {
        Ok(()) => Transition::Refuse(Box::new(link), cause),
        Err(_) => Transition::End(cause),
    }
}

const fn protocol_error(error: ProtocolError) -> Transition {
    Transition::End(EndCause::Protocol(error))
}
