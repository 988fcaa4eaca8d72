//! What CONNECT says: made from the configuration and from what the session is to the broker.

use core::num::{NonZeroU16, NonZeroU32};

use crate::client::addresses::AddressSessions;
use crate::client::context::Context;
use crate::packet::connect::{EXPIRY_NEVER, Will};
use crate::packet::{Connect, ConnectProperties};
use crate::time::Timestamp;

/// What the connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To be used.
    Use,
    /// To make the broker throw an old session away, because 3.1 and 3.1.1 cannot say "start anew, then keep": another
    /// connection follows.
    DiscardOldSession,
}

impl Context {
    /// The CONNECT for the next connection.
    pub(crate) fn connect_packet(&self, purpose: Purpose) -> Connect {
        let config = &self.config;
        let is_anew = self.starts_anew();
        let must_say_keep = is_anew && !self.rules.can_clean_start_then_keep && purpose == Purpose::Use;
        let clean_start = !config.session.outlives_connection() || (is_anew && !must_say_keep);
        let session_expiry_secs = match (purpose, config.session.expiry_secs()) {
            (Purpose::DiscardOldSession, _) => 0,
            (Purpose::Use, secs) if self.rules.has_properties => secs,
            (Purpose::Use, 0) => 0,
            (Purpose::Use, _) => EXPIRY_NEVER,
        };
        let properties = if self.rules.has_properties {
            ConnectProperties {
                session_expiry_secs: Some(session_expiry_secs).filter(|secs| *secs != 0),
                receive_maximum: NonZeroU16::new(config.inbound.messages_max),
                maximum_packet_size: NonZeroU32::new(config.packet_bytes_max)
                    .filter(|max| *max != NonZeroU32::MAX),
                topic_alias_maximum: Some(config.topic_alias_maximum).filter(|maximum| *maximum != 0),
                user_properties: config.user_properties.clone(),
                // [MQTT-4.12.0-7]: no authentication method is named, and so no AUTH is ever sent.
                ..ConnectProperties::default()
            }
        } else {
            ConnectProperties {
                session_expiry_secs: Some(session_expiry_secs),
                ..ConnectProperties::default()
            }
        };
        Connect {
            version: self.rules.version,
            // [MQTT-3.1.3-2] [MQTT-3.1.3-2 of 3.1.1]
            client_id: self.standing.client_id.clone(),
            clean_start,
            keep_alive_secs: config.keep_alive_secs,
            will: self.will().filter(|_| purpose == Purpose::Use),
            user_name: config.user_name.clone(),
            password: config.password.clone(),
            properties,
        }
    }

    /// The will as this version can say it; what it could not say and must not be left out is refused with the configuration.
    fn will(&self) -> Option<Will> {
        let mut will = self.config.will.clone()?;
        if !self.rules.has_properties {
            will.message.strip_version_5();
            will.delay_secs = None;
        }
        Some(will)
    }

    /// Whether the broker at the current address must not go on with a session of ours: we have none there, and do not take over
    /// what it may have.
    pub(crate) fn starts_anew(&self) -> bool {
        let standing = &self.standing;
        let is_elsewhere = match (self.config.addresses.sessions, standing.holder) {
            (AddressSessions::Shared, _) => false,
            (AddressSessions::Independent, Some(holder)) => holder != self.rotation.current(),
            (AddressSessions::Independent, None) => standing.is_established,
        };
        // A session that was given up for another address is not to be met again: its identifiers are forgotten.
        let was_given_up = self.config.addresses.sessions == AddressSessions::Independent
            && !standing.is_established
            && standing.generation > 0;
        is_elsewhere || was_given_up || (!standing.is_established && !self.config.session.adopts())
    }

    /// Whether the broker at the current address was made to throw an old session away.
    pub(crate) fn was_discarded(&self) -> bool {
        match (self.config.addresses.sessions, self.standing.discarded_at) {
            (AddressSessions::Shared, at) => at.is_some(),
            (AddressSessions::Independent, at) => at == Some(self.rotation.current()),
        }
    }

    /// Forgets a session whose expiry interval has passed since the connection was lost [MQTT-3.1.2-23]. One that takes over what the
    /// broker holds does not: the broker noticed the loss later and may have it still, and CONNACK says so.
    pub(crate) fn forget_expired_session(&mut self, now: Timestamp) {
        if self.config.session.adopts() {
            return;
        }
        if self.standing.expires_at.is_some_and(|expires_at| now >= expires_at) {
            self.reset_session();
            self.standing.expires_at = None;
            self.standing.discarded_at = None;
        }
    }
}
