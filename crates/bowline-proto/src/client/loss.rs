//! What follows from the loss of a connection, in one table. Knows no state and makes no attempt.

use crate::client::event::DisconnectCause;
use crate::reason::ReasonCode;

/// What the end of a connection, or of an attempt, means for the next attempt.
///
/// | class | what leads to it |
/// |---|---|
/// | `Retry`: by the reconnect policy | no transport, no CONNACK in time, a close before or after CONNACK, a transport that failed, a silent peer, a peer that broke the protocol, an overflow on our side; every reason code and return code that is not named below, among them *server unavailable* (return code 3), *server busy*, *quota exceeded*, *connection rate exceeded*, *server shutting down*, *keep alive timeout*, *administrative action*, *maximum connect time*; in DISCONNECT also *topic name invalid*, *packet too large*, *payload format invalid*, *retain not supported* and *QoS not supported*, which are about a message and not about the connection |
/// | `FreshCredentials`: once more, if credentials are asked for anew | *bad user name or password* (return code 4), *not authorized* (return code 5), *bad authentication method* |
/// | `AnotherServer`: at the server that was named, if that is allowed | *use another server*, *server moved* |
/// | `Stop`: never by itself | the caller's wish, a CONNECT that cannot be written; *unsupported protocol version* (return code 1), *client identifier not valid* (return code 2), *banned*, *session taken over*; in CONNACK also *topic name invalid*, *packet too large*, *payload format invalid*, *retain not supported* and *QoS not supported*, which are about the will |
///
/// Return codes are those of 3.1 and 3.1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LossClass {
    /// Another attempt may go better.
    Retry,
    /// Another attempt may go better with other credentials.
    FreshCredentials,
    /// The broker sends us elsewhere.
    AnotherServer,
    /// Another attempt with the same settings would go no better, or would do harm.
    Stop,
}

impl DisconnectCause {
    /// What it means for the next attempt.
    pub fn class(&self) -> LossClass {
        match self {
            Self::Requested | Self::ConnectNotEncoded(_) => LossClass::Stop,
            Self::Refused(connack) if is_about_a_message(connack.reason) => LossClass::Stop,
            Self::Refused(connack) => class_of(connack.reason),
            Self::ByBroker(disconnect) => class_of(disconnect.reason),
            _ => LossClass::Retry,
        }
    }

    /// Whether another attempt with the same settings could go better.
    pub fn is_retryable(&self) -> bool {
        self.class() == LossClass::Retry
    }

    /// Whether the connection ended because one side was given more than it takes: however long it lasted, the next one may end
    /// the same way.
    pub(crate) fn is_overflow(&self) -> bool {
        match self {
            Self::InboundOverflow { .. } | Self::OutputOverflow { .. } => true,
            Self::ByBroker(disconnect) => disconnect.reason == ReasonCode::QuotaExceeded,
            _ => false,
        }
    }
}

// [MQTT-3.1.3-8] [MQTT-4.12.0-1]
const fn class_of(reason: ReasonCode) -> LossClass {
    match reason {
        ReasonCode::BadUserNameOrPassword
        | ReasonCode::NotAuthorized
        | ReasonCode::BadAuthenticationMethod => LossClass::FreshCredentials,
        ReasonCode::UseAnotherServer | ReasonCode::ServerMoved => LossClass::AnotherServer,
        ReasonCode::UnsupportedProtocolVersion
        | ReasonCode::ClientIdentifierNotValid
        | ReasonCode::Banned
        | ReasonCode::SessionTakenOver => LossClass::Stop,
        _ => LossClass::Retry,
    }
}

const fn is_about_a_message(reason: ReasonCode) -> bool {
    matches!(
        reason,
        ReasonCode::TopicNameInvalid
            | ReasonCode::PacketTooLarge
            | ReasonCode::PayloadFormatInvalid
            | ReasonCode::RetainNotSupported
            | ReasonCode::QoSNotSupported
    )
}
