//! What follows from the loss of a connection, in one table. Makes no attempt.

use core::time::Duration;

use crate::backoff::Backoff;
use crate::client::config::Reconnect;
use crate::client::context::Context;
use crate::client::event::DisconnectCause;
use crate::reason::ReasonCode;
use crate::time::Timestamp;
use crate::types::Text;
use crate::version::Version;

/// What the end of a connection, or of an attempt, means for the next attempt.
///
/// | class | what leads to it |
/// |---|---|
/// | `Retry`: by the reconnect policy | no transport, no CONNACK in time, a close before or after CONNACK, a transport that failed, a silent peer, a peer that broke the protocol, an overflow on our side; every reason code and return code that is not named below, among them *server unavailable* (return code 3), *server busy*, *quota exceeded*, *connection rate exceeded*, *server shutting down*, *keep alive timeout*, *administrative action*, *maximum connect time*; in DISCONNECT also *topic name invalid*, *packet too large*, *payload format invalid*, *retain not supported* and *QoS not supported*, which are about a message and not about the connection |
/// | `FreshCredentials`: once more, if credentials are asked for anew | *bad user name or password* (return code 4), *not authorized* (return code 5), *bad authentication method* |
/// | `AnotherServer`: at the server that was named, if that is allowed | *use another server*, *server moved* |
/// | `Stop`: never by itself | the caller's wish, a CONNECT that cannot be written; *unsupported protocol version* (return code 1), *client identifier not valid* (return code 2), *banned*, *session taken over*; in CONNACK also *topic name invalid*, *packet too large*, *payload format invalid*, *retain not supported* and *QoS not supported*, which are about the will |
///
/// Return codes are those of 3.1 and 3.1.1. With a [version fallback](crate::client::VersionFallback), *unsupported protocol
/// version* and a close right after CONNECT lead to the next version first; and after the last one, `Stop` needs that the
/// broker said so of every version.
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

    /// Which server the broker names instead of itself, and whether that is for good.
    fn server_reference(&self) -> Option<(&Text, bool)> {
        let (reason, reference) = match self {
            Self::Refused(connack) => (connack.reason, connack.properties.server_reference.as_ref()),
            Self::ByBroker(disconnect) => {
                let properties = disconnect.properties.as_ref();
                (disconnect.reason, properties.and_then(|properties| properties.server_reference.as_ref()))
            }
            _ => return None,
        };
        reference.map(|reference| (reference, reason == ReasonCode::ServerMoved))
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

/// A connection shorter than this does not count the redirections anew.
const LASTED_MIN: Duration = Duration::from_secs(1);

/// What comes after the loss of a connection or an attempt.
#[derive(Debug)]
pub(crate) enum AfterLoss {
    /// An attempt at another server, at once.
    Redirect { reference: Text, is_permanent: bool },
    /// An attempt in another version at the same address, at once.
    OtherVersion { refused: Version, next: Version },
    /// An attempt at the next address, at once.
    NextAddress,
    /// An attempt after a delay.
    Wait(Backoff),
    /// Nothing.
    Stop,
}

impl Context {
    /// Decides what comes next, and to which address it goes.
    pub(crate) fn after_loss(
        &mut self,
        cause: &DisconnectCause,
        class: LossClass,
        now: Timestamp,
    ) -> AfterLoss {
        let Reconnect::After(backoff) = self.config.reconnect else { return AfterLoss::Stop };
        let was_connected = self.backoff.is_connected();
        // Whatever starts the delays over, servers that send us around must come to an end.
        let was_short = self.backoff.connected_for(now).is_none_or(|lasted| lasted < LASTED_MIN);
        if cause.is_overflow() {
            self.backoff.on_lost_again();
        } else if self.backoff.on_lost(&backoff, now) && !was_short {
            self.rotation.on_lasted();
        }
        let addresses = self.config.addresses;
        match class {
            LossClass::Retry => {}
            LossClass::FreshCredentials => {
                let is_first = !core::mem::replace(&mut self.was_refused, true);
                if !self.config.has_fresh_credentials || !is_first {
                    return AfterLoss::Stop;
                }
                // They were refused, not the address.
                return AfterLoss::Wait(backoff);
            }
            LossClass::AnotherServer => match cause.server_reference() {
                Some((reference, is_permanent)) if addresses.redirects_max > 0 => {
                    if self.rotation.redirect(addresses, reference, is_permanent) {
                        return AfterLoss::Redirect { reference: reference.clone(), is_permanent };
                    }
                }
                // It does not say which: perhaps one that we know.
                _ if addresses.count > 1 => {}
                _ => return AfterLoss::Stop,
            },
            LossClass::Stop => return AfterLoss::Stop,
        }
        let names_another = class == LossClass::AnotherServer;
        if was_connected && !names_another {
            self.rotation.on_connection_lost(addresses, &mut self.jitter);
            return AfterLoss::Wait(backoff);
        }
        match self.rotation.on_attempt_failed(addresses, &mut self.jitter) {
            true => AfterLoss::NextAddress,
            false => AfterLoss::Wait(backoff),
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
