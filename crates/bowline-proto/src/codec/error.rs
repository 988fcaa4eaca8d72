//! What can be wrong with bytes (the peer's fault) and with packets to be written (the caller's fault).

use core::fmt;

use crate::packet::PacketType;
use crate::reason::{ReasonCode, Role};
use crate::types::text::TEXT_BYTES_MAX;
use crate::types::{QoS, TextError, TopicError};
use crate::version::Version;

/// The peer sent something that is not a legal packet. The connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    packet: Option<PacketType>,
    kind: DecodeErrorKind,
}

impl DecodeError {
    pub(crate) const fn new(packet: Option<PacketType>, kind: DecodeErrorKind) -> Self {
        Self { packet, kind }
    }

    /// The packet it happened in; `None` if its first byte names no packet type.
    pub const fn packet(&self) -> Option<PacketType> {
        self.packet
    }

    /// What is wrong.
    pub const fn kind(&self) -> &DecodeErrorKind {
        &self.kind
    }

    /// The reason code to close the connection with, as far as the version has any.
    pub const fn reason(&self) -> ReasonCode {
        self.kind.reason()
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.packet {
            Some(packet) => write!(f, "the peer sent a bad {packet}: {}", self.kind),
            None => write!(f, "the peer sent no legal packet: {}", self.kind),
        }
    }
}

impl core::error::Error for DecodeError {}

/// What is wrong with a received packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "the fields are the value found, the limit, and the field's name in the standard"
)]
pub enum DecodeErrorKind {
    /// The packet type is 0.
    ReservedPacketType,
    /// The low four bits of the first byte are not what this packet type has.
    FlagBits { flags: u8, expected: u8 },
    /// A packet that this side of a connection never sends.
    WrongSender { sender: Role },
    /// A packet that this version does not have.
    NotInVersion { version: Version },
    /// The first packet from a client is not CONNECT.
    FirstNotConnect,
    /// A client sent CONNECT again.
    SecondConnect,
    /// CONNECT does not name the MQTT protocol.
    UnsupportedProtocolName,
    /// CONNECT asks for a version that this library does not speak.
    UnsupportedProtocolLevel { level: u8 },
    /// A variable byte integer does not end after four bytes.
    VarintTooLong { field: &'static str },
    /// A variable byte integer takes more bytes than its value needs.
    VarintNotMinimal { field: &'static str, value: u32 },
    /// The packet is larger than what we announced.
    PacketTooLarge { bytes: u32, limit: u32 },
    /// The packet, or its property section, ends within a field.
    Truncated { field: &'static str, wanted: usize, left: usize },
    /// The packet is longer than its fields.
    TrailingBytes { bytes: usize },
    /// A string is not an MQTT string.
    Text { field: &'static str, error: TextError },
    /// A topic name is not one.
    TopicName { field: &'static str, error: TopicError },
    /// The topic to answer to is not a topic name.
    ResponseTopic { error: TopicError },
    /// A topic filter is not one.
    TopicFilter { error: TopicError },
    /// A PUBLISH has neither topic name nor topic alias.
    TopicMissing,
    /// A topic alias is 0.
    TopicAliasZero,
    /// A packet identifier is 0.
    PacketIdZero,
    /// A byte of flags has reserved bits set, or bits that contradict each other.
    BadBits { field: &'static str, value: u8 },
    /// A field has a value that the standard rules out.
    ForbiddenValue { field: &'static str, value: u32 },
    /// A reason or return code that this sender may not put into this packet.
    ReasonNotAllowed { code: u8 },
    /// No such property exists.
    UnknownProperty { id: u32 },
    /// The property does not belong into this packet.
    MisplacedProperty { property: &'static str },
    /// The property may be there only once.
    DuplicateProperty { property: &'static str },
    /// The property is for the other side of the connection to send.
    PropertyFromWrongSide { property: &'static str, sender: Role },
    /// A list that needs at least one entry has none.
    EmptyList { field: &'static str },
    /// A shared subscription with the No Local option.
    NoLocalOnShared,
    /// Authentication Data or AUTH without Authentication Method.
    AuthMethodMissing,
}

impl DecodeErrorKind {
    const fn reason(&self) -> ReasonCode {
        match self {
            Self::ReservedPacketType
            | Self::FlagBits { .. }
            | Self::NotInVersion { .. }
            | Self::VarintTooLong { .. }
            | Self::VarintNotMinimal { .. }
            | Self::Truncated { .. }
            | Self::TrailingBytes { .. }
            | Self::Text { .. }
            | Self::BadBits { .. }
            | Self::UnknownProperty { .. }
            | Self::MisplacedProperty { .. }
            | Self::TopicName { error: TopicError::Text(_), .. }
            | Self::ResponseTopic { error: TopicError::Text(_) }
            | Self::TopicFilter { error: TopicError::Text(_) } => ReasonCode::MalformedPacket,
            Self::WrongSender { .. }
            | Self::FirstNotConnect
            | Self::SecondConnect
            | Self::TopicMissing
            | Self::PacketIdZero
            | Self::ForbiddenValue { .. }
            | Self::ReasonNotAllowed { .. }
            | Self::DuplicateProperty { .. }
            | Self::PropertyFromWrongSide { .. }
            | Self::EmptyList { .. }
            | Self::NoLocalOnShared
            | Self::AuthMethodMissing
            | Self::ResponseTopic { .. } => ReasonCode::ProtocolError,
            Self::UnsupportedProtocolName | Self::UnsupportedProtocolLevel { .. } => {
                ReasonCode::UnsupportedProtocolVersion
            }
            Self::PacketTooLarge { .. } => ReasonCode::PacketTooLarge,
            Self::TopicName { .. } => ReasonCode::TopicNameInvalid,
            Self::TopicFilter { .. } => ReasonCode::TopicFilterInvalid,
            Self::TopicAliasZero => ReasonCode::TopicAliasInvalid,
        }
    }
}

impl fmt::Display for DecodeErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReservedPacketType => f.write_str("packet type 0 is reserved"),
            Self::FlagBits { flags, expected } => {
                write!(f, "the flag bits are {flags:04b}, they must be {expected:04b}")
            }
            Self::WrongSender { sender } => write!(f, "a {} never sends it", side(*sender)),
            Self::NotInVersion { version } => write!(f, "MQTT {version} does not have it"),
            Self::FirstNotConnect => f.write_str("the first packet of a client must be CONNECT"),
            Self::SecondConnect => f.write_str("only the first packet of a client may be CONNECT"),
            Self::UnsupportedProtocolName => f.write_str("the protocol name is neither MQTT nor MQIsdp"),
            Self::UnsupportedProtocolLevel { level } => write!(f, "protocol level {level} is not supported"),
            Self::VarintTooLong { field } => write!(f, "the {field} does not end after four bytes"),
            Self::VarintNotMinimal { field, value } => {
                write!(f, "the {field} of {value} takes more bytes than it needs")
            }
            Self::PacketTooLarge { bytes, limit } => write!(f, "it has {bytes} bytes, the limit is {limit}"),
            Self::Truncated { field, wanted, left } => {
                write!(f, "it ends in the {field}: {wanted} bytes wanted, {left} left")
            }
            Self::TrailingBytes { bytes } => write!(f, "{bytes} bytes follow its last field"),
            Self::Text { field, error } => write!(f, "the {field} is {error}"),
            Self::TopicName { field, error } => write!(f, "the {field} {error}"),
            Self::ResponseTopic { error } => write!(f, "the response topic {error}"),
            Self::TopicFilter { error } => write!(f, "the topic filter {error}"),
            Self::TopicMissing => f.write_str("neither a topic name nor a topic alias is there"),
            Self::TopicAliasZero => f.write_str("the topic alias is 0, the least is 1"),
            Self::PacketIdZero => f.write_str("the packet identifier is 0, the least is 1"),
            Self::BadBits { field, value } => write!(f, "the {field} {value:#04x} cannot be"),
            Self::ForbiddenValue { field, value } => write!(f, "the {field} may not be {value}"),
            Self::ReasonNotAllowed { code } => write!(f, "the code {code:#04x} is not allowed in it"),
            Self::UnknownProperty { id } => write!(f, "no property has the identifier {id:#04x}"),
            Self::MisplacedProperty { property } => write!(f, "the {property} does not belong into it"),
            Self::DuplicateProperty { property } => write!(f, "the {property} is there twice"),
            Self::PropertyFromWrongSide { property, sender } => {
                write!(f, "a {} may not send the {property} in it", side(*sender))
            }
            Self::EmptyList { field } => write!(f, "it has 0 {field}, the least is 1"),
            Self::NoLocalOnShared => f.write_str("no local is set for a shared subscription"),
            Self::AuthMethodMissing => f.write_str("the authentication method is missing"),
        }
    }
}

const fn side(role: Role) -> &'static str {
    match role {
        Role::Client => "client",
        Role::Server => "server",
    }
}

/// A packet cannot be written as asked. Nothing has been written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "the fields are the value found, the limit, and the field's name in the standard"
)]
pub enum EncodeError {
    /// The packet is larger than what the peer, or the protocol, accepts.
    PacketTooLarge { bytes: u64, limit: u32 },
    /// Only MQTT 5.0 can say this.
    NeedsVersion5 { option: &'static str },
    /// CONNECT asks for another version than this encoder writes.
    OtherVersion { asked: Version, encoder: Version },
    /// Our side of a connection never sends this packet.
    WrongSender { packet: PacketType, sender: Role },
    /// Our side may not put this reason code into this packet.
    ReasonNotAllowed { packet: PacketType, reason: ReasonCode },
    /// Our side may not send this property in this packet.
    PropertyFromWrongSide { property: &'static str, sender: Role },
    /// Binary content that has only two bytes for its length.
    FieldTooLong { field: &'static str, bytes: usize },
    /// A message above QoS 0 without a packet identifier.
    PacketIdMissing { qos: QoS },
    /// A message of QoS 0 with a packet identifier.
    PacketIdOnQoS0,
    /// A message of QoS 0 with the DUP flag.
    DupOnQoS0,
    /// A PUBLISH with neither topic nor topic alias.
    TopicMissing,
    /// A packet that lists something lists nothing.
    EmptyList { packet: PacketType },
    /// A shared subscription with the No Local option.
    NoLocalOnShared,
    /// Before MQTT 5.0 a password needs a user name.
    PasswordWithoutUserName,
    /// Authentication Data or AUTH without Authentication Method.
    AuthMethodMissing,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PacketTooLarge { bytes, limit } => {
                write!(f, "the packet has {bytes} bytes, the peer's limit is {limit}")
            }
            Self::NeedsVersion5 { option } => write!(f, "{option} needs MQTT 5.0"),
            Self::OtherVersion { asked, encoder } => {
                write!(f, "CONNECT asks for MQTT {asked}, the encoder writes {encoder}")
            }
            Self::WrongSender { packet, sender } => write!(f, "a {} never sends {packet}", side(*sender)),
            Self::ReasonNotAllowed { packet, reason } => {
                write!(f, "the reason code {reason} is not allowed in {packet} from this side")
            }
            Self::PropertyFromWrongSide { property, sender } => {
                write!(f, "a {} may not send the {property} here", side(*sender))
            }
            Self::FieldTooLong { field, bytes } => {
                write!(f, "the {field} has {bytes} bytes, the limit is {TEXT_BYTES_MAX}")
            }
            Self::PacketIdMissing { qos } => write!(f, "a message of QoS {qos} needs a packet identifier"),
            Self::PacketIdOnQoS0 => f.write_str("a message of QoS 0 has no packet identifier"),
            Self::DupOnQoS0 => f.write_str("a message of QoS 0 is never a duplicate"),
            Self::TopicMissing => f.write_str("PUBLISH needs a topic or a topic alias"),
            Self::EmptyList { packet } => write!(f, "{packet} lists 0 entries, the least is 1"),
            Self::NoLocalOnShared => f.write_str("no local is set for a shared subscription"),
            Self::PasswordWithoutUserName => f.write_str("a password without a user name needs MQTT 5.0"),
            Self::AuthMethodMissing => f.write_str("the authentication method is missing"),
        }
    }
}

impl core::error::Error for EncodeError {}
