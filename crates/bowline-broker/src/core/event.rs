//! The core's outputs, and what it and those around it tell about clients.

use std::sync::Arc;

use bowline_proto::codec::Outgoing;
use bowline_proto::packet::Connect;
use bowline_proto::server::EndCause;
use bowline_proto::types::Text;
use bowline_proto::{Timestamp, Version};
use bowline_transport::AcceptError;

use crate::core::keys::ConnectionId;
use crate::core::violation::Violation;

/// What the driver must do next.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a new kind of output must break every driver at compile time")]
pub enum BrokerOutput {
    /// Write all of this; answer with [`handle_transmitted`](crate::BrokerCore::handle_transmitted). There is at most one
    /// at a time for each connection.
    Transmit {
        /// Where to.
        connection: ConnectionId,
        /// What.
        buffer: Outgoing,
    },
    /// Decide about a client; answer with [`allow`](crate::BrokerCore::allow) or [`deny`](crate::BrokerCore::deny). Only
    /// with [`asks_authentication`](crate::BrokerConfig::asks_authentication).
    Authenticate {
        /// Whose CONNECT it is.
        connection: ConnectionId,
        /// Who it is and what it wants.
        connect: Box<Connect>,
    },
    /// Close the transport and report no more inputs about it.
    Close {
        /// Which.
        connection: ConnectionId,
        /// Whether to reset it, so that the client sees a broken connection and not its end.
        is_abrupt: bool,
    },
    /// Tell who wants to know.
    Event(BrokerEvent),
    /// Nothing to do until an input comes, a command is given, or this time is reached; `None` for no time.
    Sleep {
        /// When to call `poll_output` again at the latest.
        until: Option<Timestamp>,
    },
}

/// Something that happened to a client.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum BrokerEvent {
    /// A client was accepted.
    #[non_exhaustive]
    Connected {
        /// Who; assigned by the broker if the client left it to it.
        client_id: Text,
        /// The version that it speaks.
        version: Version,
        /// Whether it goes on with a session that was there.
        session_present: bool,
    },
    /// A connection is over, or was never accepted.
    #[non_exhaustive]
    Disconnected {
        /// Who; empty if CONNECT had not come.
        client_id: Text,
        /// Why.
        cause: EndCause,
    },
    /// A client broke the protocol.
    Violation(Violation),
    /// Somebody was not accepted by a listener: the TLS or WebSocket handshake failed, or was not done in time, or the client was
    /// gone before. Told by [`BrokerEvents`](crate::BrokerEvents) alone.
    #[non_exhaustive]
    NotAccepted {
        /// Where: the listener's [`description`](bowline_transport::Listener::description).
        listener: Arc<str>,
        /// Who and why. It contains no secret.
        error: Arc<AcceptError>,
    },
    /// A listener could not accept anybody. If [`AcceptError::is_transient`], it goes on, and this is not said again before it has
    /// accepted somebody; otherwise it is closed. Told by [`BrokerEvents`](crate::BrokerEvents) alone.
    #[non_exhaustive]
    ListenerFailed {
        /// Which: its [`description`](bowline_transport::Listener::description).
        listener: Arc<str>,
        /// Why. It contains no secret.
        error: Arc<AcceptError>,
    },
    /// Events that were not read in time are lost; told by [`BrokerEvents`](crate::BrokerEvents) alone.
    #[non_exhaustive]
    Missed {
        /// How many.
        count: u64,
    },
}
