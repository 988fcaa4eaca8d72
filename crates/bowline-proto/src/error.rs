//! Errors that say whose fault it was: the peer's (`ProtocolError`) or the caller's (`RequestError`). A broker's
//! refusal is not an error of ours; it is reported with its reason code.

use core::fmt;

use crate::codec::{DecodeError, EncodeError};
use crate::connection::{AliasError, LimitError};
use crate::packet::PacketType;
use crate::reason::ReasonCode;
use crate::types::{Message, PacketId};

/// The peer broke the protocol. The connection is closed, in 5.0 with [`ProtocolError::reason`] [MQTT-4.13.1-1].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// Bytes that are no packet, or a packet that breaks a rule of its own.
    Decode(DecodeError),
    /// A packet that must not come in this state.
    UnexpectedPacket {
        /// What came.
        packet: PacketType,
        /// The state it came in.
        state: &'static str,
    },
    /// CONNACK says that a session was kept although none was asked for [MQTT-3.2.2-2] [MQTT-3.2.2-4].
    SessionPresentAfterCleanStart,
    /// CONNACK assigns no client identifier although ours was empty [MQTT-3.2.2-16].
    AssignedClientIdMissing,
    /// CONNACK names an authentication method although CONNECT named none [MQTT-4.12.0-6].
    AuthenticationNotAsked,
    /// A topic alias that cannot be resolved.
    Alias(AliasError),
    /// More unacknowledged QoS 1 and 2 messages than we announced [MQTT-3.3.4-9].
    ReceiveMaximumExceeded {
        /// What we announced.
        limit: u16,
    },
    /// A different message under an identifier that is in use on this connection.
    PacketIdInUse {
        /// Which identifier.
        packet_id: PacketId,
    },
    /// An acknowledgement that does not fit what it acknowledges.
    WrongAcknowledgement {
        /// What came.
        packet: PacketType,
        /// For which identifier.
        packet_id: PacketId,
    },
    /// Something that we said in CONNACK we would not take.
    Limit(LimitError),
    /// DISCONNECT sets a session expiry although CONNECT had none [MQTT-3.14.2-2].
    SessionExpiryInDisconnect {
        /// What it sets.
        secs: u32,
    },
    /// SUBACK or UNSUBACK with a wrong number of reason codes [MQTT-3.8.4-6].
    ReasonCount {
        /// What came.
        packet: PacketType,
        /// How many filters were asked for.
        expected: usize,
        /// How many reason codes came.
        found: usize,
    },
}

impl ProtocolError {
    /// The reason code to close with.
    pub const fn reason(&self) -> ReasonCode {
        match self {
            Self::Decode(error) => error.reason(),
            Self::Alias(error) => error.reason(),
            Self::Limit(error) => error.reason(),
            Self::ReceiveMaximumExceeded { .. } => ReasonCode::ReceiveMaximumExceeded,
            Self::UnexpectedPacket { .. }
            | Self::SessionPresentAfterCleanStart
            | Self::AssignedClientIdMissing
            | Self::AuthenticationNotAsked
            | Self::PacketIdInUse { .. }
            | Self::WrongAcknowledgement { .. }
            | Self::SessionExpiryInDisconnect { .. }
            | Self::ReasonCount { .. } => ReasonCode::ProtocolError,
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decode(error) => error.fmt(f),
            Self::UnexpectedPacket { packet, state } => write!(f, "the peer sent {packet} while {state}"),
            Self::SessionPresentAfterCleanStart => {
                f.write_str("the broker says it kept a session although a clean start was asked for")
            }
            Self::AssignedClientIdMissing => {
                f.write_str("the broker accepted an empty client identifier and assigned none")
            }
            Self::AuthenticationNotAsked => {
                f.write_str("the broker names an authentication method although none was offered")
            }
            Self::Alias(error) => error.fmt(f),
            Self::ReceiveMaximumExceeded { limit } => {
                write!(f, "the peer sent more than {limit} unacknowledged messages, our receive maximum")
            }
            Self::PacketIdInUse { packet_id } => {
                write!(
                    f,
                    "the peer used packet identifier {packet_id} for a second message while it was in use"
                )
            }
            Self::WrongAcknowledgement { packet, packet_id } => {
                write!(
                    f,
                    "the peer sent {packet} for packet identifier {packet_id}, which waits for another packet"
                )
            }
            Self::Limit(error) => write!(f, "the peer ignored what it was told: {error}"),
            Self::SessionExpiryInDisconnect { secs } => {
                write!(f, "the peer sent DISCONNECT with a session expiry of {secs} s after CONNECT had 0")
            }
            Self::ReasonCount { packet, expected, found } => {
                write!(f, "the peer sent {packet} with {found} reason codes for {expected} filters")
            }
        }
    }
}

impl core::error::Error for ProtocolError {}

impl From<DecodeError> for ProtocolError {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

impl From<AliasError> for ProtocolError {
    fn from(error: AliasError) -> Self {
        Self::Alias(error)
    }
}

/// The caller asked for something that cannot be done. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError {
    /// An option that only MQTT 5.0 has.
    NeedsVersion5 {
        /// Which option.
        option: &'static str,
    },
    /// A number outside of its range.
    OutOfRange {
        /// Which option.
        option: &'static str,
        /// What it was.
        value: usize,
        /// The least allowed.
        least: usize,
        /// The most allowed.
        most: usize,
    },
    /// An option that cannot be as it is.
    Option {
        /// Which option.
        option: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The packet cannot be written, or the broker would not take it.
    Encode(EncodeError),
    /// The broker said in CONNACK that it would refuse this.
    Limit(LimitError),
    /// A request without any filter [MQTT-3.8.3-2] [MQTT-3.10.3-2].
    NoFilters,
    /// A stream asks for a filter that another one has with other options: they would share one subscription.
    FilterOptionsDiffer,
    /// A shared subscription with No Local [MQTT-3.8.3-4].
    SharedWithNoLocal,
    /// More streams than can be told apart.
    TooManyStreams {
        /// How many there can be.
        most: usize,
    },
    /// The engine was stopped for good.
    Ended,
    /// The connection is in a state that has no use for this.
    OutOfPlace {
        /// The state.
        state: &'static str,
    },
    /// The answer to a request that nobody made, or that was answered before.
    NotAsked {
        /// The packet identifier of the answer.
        packet_id: PacketId,
    },
    /// An answer with a wrong number of reason codes [MQTT-3.8.4-6].
    ReasonCount {
        /// How many filters were asked for.
        expected: usize,
        /// How many reason codes were given.
        found: usize,
    },
    /// What was loaded from the store is another client's session, or one of another version.
    WrongSession {
        /// What differs.
        what: &'static str,
    },
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeedsVersion5 { option } => write!(f, "{option} needs MQTT 5.0"),
            Self::OutOfRange { option, value, least, most } => {
                write!(f, "{option} is {value}, allowed are {least} to {most}")
            }
            Self::Option { option, problem } => write!(f, "{option} {problem}"),
            Self::Encode(error) => error.fmt(f),
            Self::Limit(error) => error.fmt(f),
            Self::NoFilters => f.write_str("no topic filter was given, the least is 1"),
            Self::FilterOptionsDiffer => f.write_str(
                "another stream has this topic filter with other options, and they would share it",
            ),
            Self::SharedWithNoLocal => f.write_str("a shared subscription cannot have no local"),
            Self::TooManyStreams { most } => write!(f, "there are {most} streams already, the limit"),
            Self::Ended => f.write_str("the client has ended"),
            Self::OutOfPlace { state } => write!(f, "the connection is in the state {state}"),
            Self::NotAsked { packet_id } => {
                write!(f, "no request with packet identifier {packet_id} waits for an answer")
            }
            Self::ReasonCount { expected, found } => {
                write!(f, "{found} reason codes were given for {expected} filters")
            }
            Self::WrongSession { what } => write!(f, "the stored session has another {what}"),
        }
    }
}

impl core::error::Error for RequestError {}

impl From<EncodeError> for RequestError {
    fn from(error: EncodeError) -> Self {
        Self::Encode(error)
    }
}

impl From<LimitError> for RequestError {
    fn from(error: LimitError) -> Self {
        Self::Limit(error)
    }
}

/// A publication that was not accepted; the message is handed back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "to be taken apart")]
pub struct PublishError {
    /// What was to be published.
    pub message: Message,
    /// Why it was not accepted.
    pub kind: PublishErrorKind,
}

/// Why a publication was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishErrorKind {
    /// The send queue is at its limit of messages or bytes.
    Full {
        /// Messages that wait.
        messages: usize,
        /// Bytes that wait.
        bytes: usize,
    },
    /// The store cannot be written at the moment.
    StoreFailed,
    /// The message cannot be sent as it is.
    Request(RequestError),
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            PublishErrorKind::Full { messages, bytes } => {
                write!(f, "the send queue is full with {messages} messages and {bytes} bytes")
            }
            PublishErrorKind::StoreFailed => f.write_str("the session store cannot be written at the moment"),
            PublishErrorKind::Request(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for PublishError {}
