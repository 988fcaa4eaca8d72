//! From packets, and from what ended a connection, to the violation that is reported. Decides what counts as one.

use bowline_proto::codec::DecodeErrorKind;
use bowline_proto::error::ProtocolError;
use bowline_proto::packet::{Disconnect, Packet};
use bowline_proto::server::EndCause;
use bowline_proto::{ReasonCode, Timestamp};

use crate::core::BrokerCore;
use crate::core::conduct::{Charge, Conduct};
use crate::core::connection::Connection;
use crate::core::event::{BrokerEvent, BrokerOutput};
use crate::core::keys::ConnectionId;
use crate::core::sessions::Session;
use crate::core::statement::{Statement, both, broken_by};
use crate::core::violation::Violation;

impl BrokerCore {
    /// A connection is over: reports it if the client was in the wrong.
    pub(super) fn report_if_violation(&mut self, id: ConnectionId, cause: &EndCause) {
        let Some(connection) = self.connections.get(&id) else { return };
        let found = match cause {
            // To ask for a version that we do not speak is no violation.
            EndCause::Protocol(ProtocolError::Decode(error))
                if matches!(error.kind(), DecodeErrorKind::UnsupportedProtocolLevel { .. }) =>
            {
                None
            }
            EndCause::Protocol(error) => Some((broken_by(error), error.to_string())),
            EndCause::KeepAliveTimeout => {
                Some((both("MQTT-3.1.2-20", "MQTT-3.1.2-23 of 3.1.1"), cause.to_string()))
            }
            EndCause::ByClient(_) if connection.decoder.buffered_bytes() > 0 => {
                let bytes = connection.decoder.buffered_bytes();
                let text = format!("the client sent {bytes} bytes after its DISCONNECT, allowed are 0");
                Some((both("MQTT-3.14.4-1", "MQTT-3.14.4-2 of 3.1.1"), text))
            }
            _ => None,
        };
        if let Some((statement, text)) = found {
            self.report(id, statement, text);
        }
    }

    /// Judges a packet before the engine sees it.
    pub(super) fn charge(&mut self, id: ConnectionId, packet: &Packet) -> Result<(), Charge> {
        let Some(Connection { engine, conduct, session, .. }) = self.connections.get_mut(&id) else {
            return Ok(());
        };
        let (Some(conduct), Some(key)) = (conduct, session) else { return Ok(()) };
        let Some(Session { ledger, .. }) = self.sessions.at_mut(*key) else { return Ok(()) };
        let awaited =
            |packet_id| engine.session().and_then(|session| session.unacknowledged_publication(packet_id));
        match packet {
            Packet::Publish(publish) => conduct.on_publish(ledger, publish),
            Packet::PubRel(ack) => conduct.on_pubrel(ledger, ack.packet_id),
            Packet::PubAck(ack) => awaited(ack.packet_id).map_or(Ok(()), |one| conduct.on_puback(one)),
            Packet::PubRec(ack) => awaited(ack.packet_id).map_or(Ok(()), |one| conduct.on_pubrec(one)),
            Packet::Subscribe(request) => Conduct::on_request(ledger, request.packet_id),
            Packet::Unsubscribe(request) => Conduct::on_request(ledger, request.packet_id),
            _ => Ok(()),
        }
    }

    /// Ends the connection of a client that broke a rule which the engine does not enforce.
    pub(super) fn convict(&mut self, id: ConnectionId, (statement, text): Charge, now: Timestamp) {
        self.report(id, statement, text);
        if let Some(connection) = self.connections.get_mut(&id) {
            // An error means that the connection is over already.
            let _ = connection.engine.disconnect(&Disconnect::new(ReasonCode::ProtocolError), now);
        }
    }

    /// Reports a violation of a client.
    pub(super) fn report(&mut self, id: ConnectionId, statement: Statement, text: String) {
        let Some(connection) = self.connections.get(&id) else { return };
        // A client that has not said its version is measured by the newest.
        let is_v5 = connection.version().is_none_or(|version| version.rules().has_properties);
        let statement = if is_v5 { statement.v5 } else { statement.v3 };
        let violation = Violation { client_id: connection.client_id.clone(), statement, text };
        self.violations.push(violation.clone());
        self.outputs.push_back(BrokerOutput::Event(BrokerEvent::Violation(violation)));
    }
}
