//! Which statement of the specification an error of a client breaks. Knows errors and numbers, nothing else.

use bowline_proto::codec::{DecodeError, DecodeErrorKind};
use bowline_proto::connection::{AliasError, LimitError};
use bowline_proto::error::ProtocolError;
use bowline_proto::packet::PacketType;
use bowline_proto::types::{TextError, TopicError};

/// A statement by its numbers in 5.0 and in 3.1.1; `None` where an edition does not have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    pub(crate) v5: Option<&'static str>,
    pub(crate) v3: Option<&'static str>,
}

/// The statement that an error breaks.
pub(crate) fn broken_by(error: &ProtocolError) -> Statement {
    match error {
        ProtocolError::Decode(error) => broken_by_bytes(error),
        ProtocolError::UnexpectedPacket { packet, state } => broken_by_packet(*packet, state),
        ProtocolError::Alias(AliasError::AboveMaximum { maximum: 0, .. }) => only_v5("MQTT-3.2.2-18"),
        ProtocolError::Alias(AliasError::AboveMaximum { .. }) => only_v5("MQTT-3.2.2-17"),
        ProtocolError::Alias(AliasError::Unknown { .. }) => only_v5("MQTT-3.3.2-7"),
        ProtocolError::Alias(_) => both("MQTT-3.3.2-1", "MQTT-3.3.2-1 of 3.1.1"),
        ProtocolError::ReceiveMaximumExceeded { .. } => only_v5("MQTT-3.3.4-7"),
        ProtocolError::PacketIdInUse { .. } => both("MQTT-2.2.1-3", "MQTT-2.3.1-2 of 3.1.1"),
        ProtocolError::WrongAcknowledgement { .. } => both("MQTT-2.2.1-5", "MQTT-2.3.1-6 of 3.1.1"),
        ProtocolError::Limit(LimitError::QoSTooHigh { .. }) => only_v5("MQTT-3.2.2-11"),
        ProtocolError::Limit(LimitError::RetainNotAvailable) => only_v5("MQTT-3.2.2-14"),
        ProtocolError::Limit(LimitError::PacketTooLarge { .. }) => only_v5("MQTT-3.2.2-15"),
        _ => NONE,
    }
}

fn broken_by_packet(packet: PacketType, state: &str) -> Statement {
    match packet {
        PacketType::Connect => both("MQTT-3.1.0-2", "MQTT-3.1.0-2 of 3.1.1"),
        PacketType::Auth => only_v5("MQTT-4.12.0-7"),
        _ if state == FIRST => both("MQTT-3.1.0-1", "MQTT-3.1.0-1 of 3.1.1"),
        _ => NONE,
    }
}

/// What a server engine calls the time before CONNECT.
const FIRST: &str = "CONNECT was awaited";

fn broken_by_bytes(error: &DecodeError) -> Statement {
    use DecodeErrorKind as Kind;
    let packet = error.packet();
    match *error.kind() {
        Kind::FirstNotConnect => both("MQTT-3.1.0-1", "MQTT-3.1.0-1 of 3.1.1"),
        Kind::SecondConnect => both("MQTT-3.1.0-2", "MQTT-3.1.0-2 of 3.1.1"),
        Kind::FlagBits { .. } => broken_by_flags(packet),
        Kind::BadBits { field, value } => broken_by_bits(packet, field, value),
        Kind::VarintTooLong { .. } | Kind::VarintNotMinimal { .. } => only_v5("MQTT-1.5.5-1"),
        Kind::PacketTooLarge { .. } => only_v5("MQTT-3.2.2-15"),
        Kind::Text { error, .. } => broken_by_text(error),
        Kind::TopicName { error, .. } => broken_by_topic(error),
        Kind::TopicFilter { error } => broken_by_topic(error),
        Kind::ResponseTopic { error: TopicError::Text(error) } => broken_by_text(error),
        Kind::ResponseTopic { .. } => only_v5("MQTT-3.3.2-14"),
        Kind::TopicMissing => both("MQTT-3.3.2-1", "MQTT-3.3.2-1 of 3.1.1"),
        Kind::TopicAliasZero => only_v5("MQTT-3.3.2-8"),
        Kind::PacketIdZero => both("MQTT-2.2.1-3", "MQTT-2.3.1-1 of 3.1.1"),
        Kind::ReasonNotAllowed { .. } => broken_by_reason(packet),
        Kind::PropertyFromWrongSide { .. } if packet == Some(PacketType::Publish) => only_v5("MQTT-3.3.4-6"),
        Kind::EmptyList { .. } if packet == Some(PacketType::Unsubscribe) => {
            both("MQTT-3.10.3-2", "MQTT-3.10.3-2 of 3.1.1")
        }
        Kind::EmptyList { .. } => both("MQTT-3.8.3-2", "MQTT-3.8.3-3 of 3.1.1"),
        Kind::NoLocalOnShared => only_v5("MQTT-3.8.3-4"),
        Kind::UnsupportedProtocolName => both("MQTT-3.1.2-1", "MQTT-3.1.2-1 of 3.1.1"),
        _ => NONE,
    }
}

fn broken_by_flags(packet: Option<PacketType>) -> Statement {
    match packet {
        Some(PacketType::PubRel) => both("MQTT-3.6.1-1", "MQTT-3.6.1-1 of 3.1.1"),
        Some(PacketType::Subscribe) => both("MQTT-3.8.1-1", "MQTT-3.8.1-1 of 3.1.1"),
        Some(PacketType::Unsubscribe) => both("MQTT-3.10.1-1", "MQTT-3.10.1-1 of 3.1.1"),
        Some(PacketType::Disconnect) => both("MQTT-3.14.1-1", "MQTT-2.2.2-1 of 3.1.1"),
        Some(PacketType::Auth) => only_v5("MQTT-3.15.1-1"),
        _ => both("MQTT-2.1.3-1", "MQTT-2.2.2-1 of 3.1.1"),
    }
}

fn broken_by_bits(packet: Option<PacketType>, field: &str, value: u8) -> Statement {
    match packet {
        Some(PacketType::Publish) if field.starts_with("DUP") => {
            both("MQTT-3.3.1-2", "MQTT-3.3.1-2 of 3.1.1")
        }
        Some(PacketType::Publish) => both("MQTT-3.3.1-4", "MQTT-3.3.1-4 of 3.1.1"),
        Some(PacketType::Subscribe) => both("MQTT-3.8.3-5", "MQTT-3.8.3-4 of 3.1.1"),
        Some(PacketType::Connect) => broken_by_connect_flags(value),
        _ => NONE,
    }
}

/// Bits 7 to 0: user name, password, will retain, will QoS (two), will, clean start, reserved.
fn broken_by_connect_flags(flags: u8) -> Statement {
    let (has_will, will_qos, will_retain) = (flags & 0x04 != 0, flags >> 3 & 0x03, flags & 0x20 != 0);
    if flags & 0x01 != 0 {
        both("MQTT-3.1.2-3", "MQTT-3.1.2-3 of 3.1.1")
    } else if will_qos == 3 {
        both("MQTT-3.1.2-12", "MQTT-3.1.2-14 of 3.1.1")
    } else if !has_will && will_qos != 0 {
        both("MQTT-3.1.2-11", "MQTT-3.1.2-13 of 3.1.1")
    } else if !has_will && will_retain {
        both("MQTT-3.1.2-13", "MQTT-3.1.2-15 of 3.1.1")
    } else {
        // What is left is a password without a user name, which only the older versions forbid.
        Statement { v5: None, v3: Some("MQTT-3.1.2-22 of 3.1.1") }
    }
}

fn broken_by_text(error: TextError) -> Statement {
    match error {
        TextError::Nul { .. } => both("MQTT-1.5.4-2", "MQTT-1.5.3-2 of 3.1.1"),
        _ => both("MQTT-1.5.4-1", "MQTT-1.5.3-1 of 3.1.1"),
    }
}

fn broken_by_topic(error: TopicError) -> Statement {
    match error {
        TopicError::Empty => both("MQTT-4.7.3-1", "MQTT-4.7.3-1 of 3.1.1"),
        TopicError::WildcardInName { .. } => both("MQTT-3.3.2-2", "MQTT-3.3.2-2 of 3.1.1"),
        TopicError::MisplacedWildcard { .. } => both("MQTT-4.7.1-1", "MQTT-4.7.1-2 of 3.1.1"),
        TopicError::BadShare => only_v5("MQTT-4.8.2-1"),
        TopicError::Text(error) => broken_by_text(error),
        _ => NONE,
    }
}

fn broken_by_reason(packet: Option<PacketType>) -> Statement {
    match packet {
        Some(PacketType::PubAck) => only_v5("MQTT-3.4.2-1"),
        Some(PacketType::PubRec) => only_v5("MQTT-3.5.2-1"),
        Some(PacketType::PubRel) => only_v5("MQTT-3.6.2-1"),
        Some(PacketType::PubComp) => only_v5("MQTT-3.7.2-1"),
        Some(PacketType::Disconnect) => only_v5("MQTT-3.14.2-1"),
        Some(PacketType::Auth) => only_v5("MQTT-3.15.2-1"),
        _ => NONE,
    }
}

const NONE: Statement = Statement { v5: None, v3: None };

pub(crate) const fn both(v5: &'static str, v3: &'static str) -> Statement {
    Statement { v5: Some(v5), v3: Some(v3) }
}

pub(crate) const fn only_v5(v5: &'static str) -> Statement {
    Statement { v5: Some(v5), v3: None }
}
