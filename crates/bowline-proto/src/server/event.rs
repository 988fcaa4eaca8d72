//! What a server engine tells the broker, through the driver.

use alloc::boxed::Box;
use core::fmt;

use crate::codec::EncodeError;
use crate::error::ProtocolError;
use crate::packet::{AckProperties, Connect, Disconnect, Subscribe, Unsubscribe, Will};
use crate::reason::ReasonCode;
use crate::session::{DeliveryId, PublicationId};
use crate::types::Message;

/// Something that happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServerEvent {
    /// A legal CONNECT has come: answer with [`accept`](crate::server::ServerEngine::accept) or
    /// [`refuse`](crate::server::ServerEngine::refuse). Nothing more is read until then.
    ConnectReceived(Box<Connect>),
    /// The client has published a message.
    Message(Received),
    /// Answer with [`subscribe_result`](crate::server::ServerEngine::subscribe_result).
    Subscribe(Box<Subscribe>),
    /// Answer with [`unsubscribe_result`](crate::server::ServerEngine::unsubscribe_result).
    Unsubscribe(Box<Unsubscribe>),
    /// A publication to the client has ended. Every QoS 1 and 2 publication ends exactly once, unless its session ends
    /// first; QoS 0 tells only of what was dropped.
    PublishEnded {
        /// Which.
        publication: PublicationId,
        /// How.
        outcome: Box<PublishOutcome>,
    },
    /// The connection is over, which is told exactly once. From now on the session, if there is one, can be
    /// [taken](crate::server::ServerEngine::take_session).
    Disconnected(Box<Disconnected>),
}

/// A message from the client.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "to be taken apart by the driver")]
pub struct Received {
    /// The message, with its full topic.
    pub message: Message,
    /// The DUP flag. It says nothing about whether the broker has seen the message before [MQTT-3.3.1-3].
    pub dup: bool,
    /// Names it until [`acknowledge`](crate::server::ServerEngine::acknowledge); `None` for QoS 0.
    pub delivery: Option<DeliveryId>,
}

/// How a connection ended and what is left to the broker to do.
#[derive(Debug)]
#[non_exhaustive]
pub struct Disconnected {
    /// Why.
    pub cause: EndCause,
    /// The will, if it is to be published: at once, or after its delay unless the client comes back or the session
    /// ends [MQTT-3.1.2-8] [MQTT-3.1.3-9]. `None` if there was none or DISCONNECT removed it.
    pub will: Option<Will>,
    /// How long the session lives from now on, in seconds;
    /// [`EXPIRY_NEVER`](crate::packet::connect::EXPIRY_NEVER) for ever. 0 if there is none.
    pub session_expiry_secs: u32,
}

/// Why a connection is over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndCause {
    /// The client sent DISCONNECT.
    ByClient(Box<Disconnect>),
    /// The broker asked for it, for this reason.
    ByServer(ReasonCode),
    /// The client was refused.
    Refused(ReasonCode),
    /// No CONNECT, or no decision about it, within the connect timeout.
    ConnectTimeout,
    /// Nothing came for one and a half times the keep alive.
    KeepAliveTimeout,
    /// The stream ended without a DISCONNECT.
    ClosedByPeer,
    /// The transport failed.
    TransportFailed,
    /// The client broke the protocol.
    Protocol(ProtocolError),
    /// The client makes us answer and does not read the answers.
    OutputOverflow {
        /// Bytes that wait to be written.
        bytes: usize,
    },
}

impl EndCause {
    /// The reason code of the DISCONNECT that says this, where there is something to say and the version can.
    pub(crate) fn disconnect_reason(&self) -> Option<ReasonCode> {
        match self {
            Self::ByServer(reason) => Some(*reason),
            Self::Protocol(error) => Some(error.reason()),
            Self::KeepAliveTimeout => Some(ReasonCode::KeepAliveTimeout),
            Self::OutputOverflow { .. } => Some(ReasonCode::QuotaExceeded),
            Self::ByClient(_)
            | Self::Refused(_)
            | Self::ConnectTimeout
            | Self::ClosedByPeer
            | Self::TransportFailed => None,
        }
    }

    /// Whether the will is dropped: only a DISCONNECT with reason 0x00 removes it.
    // [MQTT-3.14.4-3] [MQTT-3.1.2-10] [MQTT-3.14.4-3 of 3.1.1] [MQTT-3.1.2-10 of 3.1.1]
    pub(crate) fn drops_will(&self) -> bool {
        matches!(self, Self::ByClient(disconnect) if disconnect.reason == ReasonCode::Success)
    }
}

impl fmt::Display for EndCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByClient(disconnect) => write!(f, "the client disconnected: {}", disconnect.reason),
            Self::ByServer(reason) => write!(f, "the server disconnected the client: {reason}"),
            Self::Refused(reason) => write!(f, "the client was refused: {reason}"),
            Self::ConnectTimeout => f.write_str("no CONNECT was accepted within the connect timeout"),
            Self::KeepAliveTimeout => f.write_str("nothing came for one and a half times the keep alive"),
            Self::ClosedByPeer => f.write_str("the client closed the connection without DISCONNECT"),
            Self::TransportFailed => f.write_str("the transport failed"),
            Self::Protocol(error) => error.fmt(f),
            Self::OutputOverflow { bytes } => {
                write!(f, "the client does not read: {bytes} bytes of answers wait to be written")
            }
        }
    }
}

/// How a publication to a client ended.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishOutcome {
    /// The client has it.
    Acknowledged {
        /// Below 0x80.
        reason: ReasonCode,
        /// What the client said besides.
        properties: Option<Box<AckProperties>>,
    },
    /// The client refused it.
    Rejected {
        /// 0x80 and above.
        reason: ReasonCode,
        /// What the client said besides.
        properties: Option<Box<AckProperties>>,
    },
    /// It cannot be written as the client wants its packets: dropped for this client, as if it had been sent
    /// [MQTT-3.1.2-25]. It may have been sent on an earlier connection with a larger Maximum Packet Size.
    NotSendable {
        /// The message.
        message: Message,
        /// Why: mostly [`EncodeError::PacketTooLarge`].
        error: EncodeError,
    },
    /// Its expiry interval passed before it could be sent [MQTT-3.3.2-5].
    Expired {
        /// The message.
        message: Message,
    },
}
