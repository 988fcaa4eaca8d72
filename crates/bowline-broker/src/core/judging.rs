//! From what ended a connection to the violation that is reported. Decides what counts as one.

use bowline_proto::codec::DecodeErrorKind;
use bowline_proto::error::ProtocolError;
use bowline_proto::server::EndCause;

use crate::core::BrokerCore;
use crate::core::event::{BrokerEvent, BrokerOutput};
use crate::core::keys::ConnectionId;
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
