//! Which numbered statement of MQTT 5.0 a peer broke, for those who judge peers. Knows errors, not how they were found.

use crate::codec::DecodeErrorKind;
use crate::connection::{AliasError, LimitError};
use crate::error::ProtocolError;
use crate::packet::PacketType;
use crate::reason::Role;
use crate::types::{TextError, TopicError};

impl ProtocolError {
    /// The statement of the 5.0 standard that `breaker` broke, as in `MQTT-3.1.0-2`; `None` for what the standard rules
    /// out without a number.
    pub const fn statement(&self, breaker: Role) -> Option<&'static str> {
        match self {
            Self::Decode(error) => decode(error.kind(), error.packet(), breaker),
            Self::UnexpectedPacket { packet, .. } => match (packet, breaker) {
                (PacketType::Connect, Role::Client) => Some("MQTT-3.1.0-2"),
                (PacketType::ConnAck, Role::Server) => Some("MQTT-3.2.0-2"),
                (PacketType::Auth, _) => Some("MQTT-4.12.0-6"),
                _ => None,
            },
            Self::SessionPresentAfterCleanStart => Some("MQTT-3.2.2-2"),
            Self::AssignedClientIdMissing => Some("MQTT-3.2.2-16"),
            Self::Alias(AliasError::AboveMaximum { .. }) => Some(match breaker {
                Role::Client => "MQTT-3.3.2-9",
                Role::Server => "MQTT-3.3.2-11",
            }),
            Self::Alias(_) => None,
            Self::AuthenticationNotAsked => Some("MQTT-4.12.0-6"),
            Self::ReceiveMaximumExceeded { .. } => Some(match breaker {
                Role::Client => "MQTT-3.3.4-7",
                Role::Server => "MQTT-3.3.4-9",
            }),
            Self::PacketIdInUse { .. } => Some(packet_id(breaker)),
            Self::WrongAcknowledgement { packet, .. } => match packet {
                PacketType::PubRel => Some("MQTT-4.3.3-4"),
                PacketType::PubComp => Some("MQTT-4.3.3-11"),
                _ => Some("MQTT-3.3.4-1"),
            },
            Self::Limit(limit) => match limit {
                LimitError::QoSTooHigh { .. } => Some("MQTT-3.2.2-11"),
                LimitError::RetainNotAvailable => Some("MQTT-3.2.2-14"),
                LimitError::PacketTooLarge { .. } => Some(packet_size(breaker)),
                _ => None,
            },
            Self::SessionExpiryInDisconnect { .. } => None,
            Self::ReasonCount { packet, .. } => match packet {
                PacketType::SubAck => Some("MQTT-3.8.4-6"),
                _ => Some("MQTT-3.11.3-2"),
            },
        }
    }
}

const fn decode(kind: &DecodeErrorKind, packet: Option<PacketType>, breaker: Role) -> Option<&'static str> {
    match kind {
        DecodeErrorKind::FlagBits { .. } => Some("MQTT-2.1.3-1"),
        DecodeErrorKind::FirstNotConnect => Some("MQTT-3.1.0-1"),
        DecodeErrorKind::SecondConnect => Some("MQTT-3.1.0-2"),
        DecodeErrorKind::VarintNotMinimal { .. } => Some("MQTT-1.5.5-1"),
        DecodeErrorKind::PacketTooLarge { .. } => Some(packet_size(breaker)),
        DecodeErrorKind::Text { error, .. } => text(error),
        DecodeErrorKind::TopicName { error, .. } => topic(error, "MQTT-3.3.2-2"),
        DecodeErrorKind::ResponseTopic { error } => topic(error, "MQTT-3.3.2-14"),
        DecodeErrorKind::TopicFilter { error } => topic(error, "MQTT-4.7.1-1"),
        DecodeErrorKind::TopicAliasZero => Some("MQTT-3.3.2-8"),
        DecodeErrorKind::PacketIdZero => Some(packet_id(breaker)),
        DecodeErrorKind::ReasonNotAllowed { .. } => reason(packet),
        DecodeErrorKind::EmptyList { .. } => match packet {
            Some(PacketType::Subscribe) => Some("MQTT-3.8.3-2"),
            Some(PacketType::Unsubscribe) => Some("MQTT-3.10.3-2"),
            _ => None,
        },
        DecodeErrorKind::NoLocalOnShared => Some("MQTT-3.8.3-4"),
        DecodeErrorKind::PropertyFromWrongSide { sender, .. } => match (packet, sender) {
            (Some(PacketType::Publish), _) => Some("MQTT-3.3.4-6"),
            (Some(PacketType::Disconnect), Role::Server) => Some("MQTT-3.14.2-2"),
            _ => None,
        },
        _ => None,
    }
}

const fn text(error: &TextError) -> Option<&'static str> {
    match error {
        TextError::Nul { .. } => Some("MQTT-1.5.4-2"),
        TextError::NotUtf8 { .. } => Some("MQTT-1.5.4-1"),
        TextError::TooLong { .. } => None,
    }
}

const fn topic(error: &TopicError, wildcards: &'static str) -> Option<&'static str> {
    match error {
        TopicError::Empty => Some("MQTT-4.7.3-1"),
        TopicError::WildcardInName { .. } | TopicError::MisplacedWildcard { .. } => Some(wildcards),
        TopicError::BadShare => Some("MQTT-4.8.2-2"),
        TopicError::Text(error) => text(error),
    }
}

const fn reason(packet: Option<PacketType>) -> Option<&'static str> {
    match packet {
        Some(PacketType::ConnAck) => Some("MQTT-3.2.2-8"),
        Some(PacketType::PubAck) => Some("MQTT-3.4.2-1"),
        Some(PacketType::PubRec) => Some("MQTT-3.5.2-1"),
        Some(PacketType::PubRel) => Some("MQTT-3.6.2-1"),
        Some(PacketType::PubComp) => Some("MQTT-3.7.2-1"),
        Some(PacketType::SubAck) => Some("MQTT-3.9.3-2"),
        Some(PacketType::UnsubAck) => Some("MQTT-3.11.3-2"),
        Some(PacketType::Disconnect) => Some("MQTT-3.14.2-1"),
        Some(PacketType::Auth) => Some("MQTT-3.15.2-1"),
        _ => None,
    }
}

const fn packet_id(breaker: Role) -> &'static str {
    match breaker {
        Role::Client => "MQTT-2.2.1-3",
        Role::Server => "MQTT-2.2.1-4",
    }
}

const fn packet_size(breaker: Role) -> &'static str {
    match breaker {
        Role::Client => "MQTT-3.2.2-15",
        Role::Server => "MQTT-3.1.2-24",
    }
}
