//! AwaitDecision: CONNECT has come and the broker decides. Nothing is read meanwhile. Next: `Active`, on `accept`;
//! `Closing`, on `refuse`; `Ended`, on loss and at the connect timeout.

use alloc::boxed::Box;
use core::num::{NonZeroU16, NonZeroU32};

use crate::codec::Encoder;
use crate::connection::link::Link;
use crate::connection::{LimitError, Limits};
use crate::error::{ProtocolError, RequestError};
use crate::packet::{ConnAck, ConnAckProperties, Connect};
use crate::reason::{ReasonCode, Role};
use crate::server::config::ServerConfig;
use crate::server::event::EndCause;
use crate::server::io::ServerInput;
use crate::server::session::ServerSession;
use crate::server::state::Transition;
use crate::time::Timestamp;

/// Waits for the broker.
#[derive(Debug)]
pub(crate) struct AwaitDecision {
    pub(crate) deadline: Timestamp,
    pub(crate) connect: Box<Connect>,
}

/// A CONNACK that was written, and what it means.
#[derive(Debug)]
pub(crate) struct Agreed {
    pub(crate) link: Link,
    pub(crate) limits: Limits,
}

impl AwaitDecision {
    pub(crate) const fn new(deadline: Timestamp, connect: Box<Connect>) -> Self {
        Self { deadline, connect }
    }

    pub(crate) fn handle(input: &ServerInput) -> Transition {
        match input {
            // The driver does not read now, so it has no packet to bring.
            ServerInput::Packet(packet) => {
                Transition::End(EndCause::Protocol(ProtocolError::UnexpectedPacket {
                    packet: packet.packet_type(),
                    state: "its CONNECT was being decided",
                }))
            }
            ServerInput::Malformed(error) => {
                Transition::End(EndCause::Protocol(ProtocolError::Decode(*error)))
            }
            ServerInput::Closed => Transition::End(EndCause::ClosedByPeer),
            ServerInput::TransportFailed => Transition::End(EndCause::TransportFailed),
            ServerInput::Transmitted(_) => Transition::Stay,
        }
    }

    /// Writes the CONNACK that accepts the client.
    // [MQTT-3.1.4-5] [MQTT-3.2.0-1] [MQTT-3.2.0-2] [MQTT-3.1.4-4 of 3.1.1] [MQTT-3.2.0-1 of 3.1.1]
    pub(crate) fn accept(
        &self,
        config: &ServerConfig,
        session: &ServerSession,
        session_present: bool,
        properties: ConnAckProperties,
    ) -> Result<Agreed, RequestError> {
        let connect = &*self.connect;
        let rules = connect.version.rules();
        self.check_session(session, session_present)?;
        // [MQTT-3.1.3-7] [MQTT-3.2.2-16]
        if connect.client_id.is_empty() && rules.has_properties && properties.assigned_client_id.is_none() {
            return Err(RequestError::Option {
                option: "assigned_client_id",
                problem: "is needed for an empty client identifier",
            });
        }
        // [MQTT-4.12.0-6]
        if connect.properties.authentication_method.is_none() && properties.authentication_method.is_some() {
            return Err(RequestError::Option {
                option: "authentication_method",
                problem: "was not named by the client",
            });
        }
        let connack = ConnAck {
            session_present: rules.has_session_present.then_some(session_present),
            reason: ReasonCode::Success,
            properties: self.grants(config, properties),
        };
        let limits = Limits::new(&connack, connect);
        self.check_will(&limits)?;
        let mut link = self.link();
        link.encoder.connack(&mut link.out, &connack)?;
        Ok(Agreed { link, limits })
    }

    /// Writes the CONNACK that refuses the client.
    // [MQTT-3.2.2-6] [MQTT-3.2.2-7] [MQTT-3.1.4-2] [MQTT-3.2.2-4 of 3.1.1] [MQTT-3.2.2-5 of 3.1.1]
    pub(crate) fn refuse(
        &self,
        reason: ReasonCode,
        properties: ConnAckProperties,
    ) -> Result<Link, RequestError> {
        if !reason.is_failure() {
            return Err(RequestError::Option { option: "reason", problem: "is not a failure" });
        }
        let rules = self.connect.version.rules();
        let properties = if rules.has_properties { properties } else { ConnAckProperties::default() };
        let session_present = rules.has_session_present.then_some(false);
        let mut link = self.link();
        link.encoder.connack(&mut link.out, &ConnAck { session_present, reason, properties })?;
        Ok(link)
    }

    /// What the broker grants, and what follows from the settings and from what the client asked.
    fn grants(&self, config: &ServerConfig, mut properties: ConnAckProperties) -> ConnAckProperties {
        if !self.connect.version.rules().has_properties {
            return ConnAckProperties::default();
        }
        properties.receive_maximum =
            properties.receive_maximum.or_else(|| NonZeroU16::new(config.receive_maximum));
        let packet_bytes_max = NonZeroU32::new(config.packet_bytes_max);
        properties.maximum_packet_size = packet_bytes_max.filter(|max| *max != NonZeroU32::MAX);
        let aliases = properties.topic_alias_maximum.unwrap_or(config.topic_alias_maximum);
        properties.topic_alias_maximum = Some(aliases).filter(|maximum| *maximum != 0);
        // [MQTT-3.1.2-28]
        if self.connect.properties.request_response_information != Some(true) {
            properties.response_information = None;
        }
        properties
    }

    /// A session must be what CONNACK says of it.
    fn check_session(&self, session: &ServerSession, session_present: bool) -> Result<(), RequestError> {
        let problem = match (self.connect.clean_start, session_present, session.is_new()) {
            // [MQTT-3.2.2-2] [MQTT-3.2.2-1 of 3.1.1]
            (true, true, _) => "cannot be present after a clean start",
            // [MQTT-3.1.2-4] [MQTT-3.1.4-4] [MQTT-3.1.2-6 of 3.1.1]
            (true, false, false) => "must be new after a clean start",
            // [MQTT-3.2.2-3] [MQTT-3.1.2-6]
            (false, false, false) => "must be new if it is not present",
            (_, false, true) | (false, true, _) => return Ok(()),
        };
        Err(RequestError::Option { option: "session", problem })
    }

    fn check_will(&self, limits: &Limits) -> Result<(), RequestError> {
        let Some(will) = &self.connect.will else { return Ok(()) };
        // [MQTT-3.2.2-12]
        if will.message.qos > limits.maximum_qos {
            let (qos, maximum) = (will.message.qos, limits.maximum_qos);
            return Err(LimitError::QoSTooHigh { qos, maximum }.into());
        }
        // [MQTT-3.2.2-13]
        if will.message.retain && !limits.retain_available {
            return Err(LimitError::RetainNotAvailable.into());
        }
        Ok(())
    }

    /// The write side, which keeps to the client's Maximum Packet Size.
    // [MQTT-3.1.2-24]
    fn link(&self) -> Link {
        let maximum = self.connect.properties.maximum_packet_size.map_or(u32::MAX, NonZeroU32::get);
        Link::new(Encoder::new(self.connect.version, Role::Server, maximum))
    }
}
