//! CONNECT (section 3.1).

use core::fmt;
use core::num::{NonZeroU16, NonZeroU32};

use bytes::Bytes;

use crate::types::{Message, Text, UserProperties};
use crate::version::Version;

/// The first packet on a connection.
///
/// The older versions' Clean Session 1 is Clean Start with a session expiry of 0, Clean Session 0 is no Clean Start
/// with [`EXPIRY_NEVER`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the specification lists these and no others")]
pub struct Connect {
    /// The version to speak on this connection.
    pub version: Version,
    /// Client Identifier; may be empty.
    // A string by type, and limited in length by nothing else. [MQTT-3.1.3-4] [MQTT-3.1.3-5] [MQTT-3.1.3-4 of 3.1.1]
    // [MQTT-3.1.3-5 of 3.1.1]
    pub client_id: Text,
    /// Whether the broker discards what it kept for this client.
    pub clean_start: bool,
    /// Keep Alive in seconds, 0 for none.
    pub keep_alive_secs: u16,
    /// The message that the broker publishes when this client is lost.
    pub will: Option<Will>,
    /// User Name. None and empty differ.
    // A string by type. [MQTT-3.1.3-12] [MQTT-3.1.3-11 of 3.1.1]
    pub user_name: Option<Text>,
    /// Password; never printed. None and empty differ.
    pub password: Option<Secret>,
    /// MQTT 5.0 properties.
    pub properties: ConnectProperties,
}

/// A session expiry interval that means "never".
pub const EXPIRY_NEVER: u32 = u32::MAX;

/// The properties of CONNECT (section 3.1.2.11).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the specification lists these and no others")]
pub struct ConnectProperties {
    /// Session Expiry Interval in seconds; absent means 0, [`EXPIRY_NEVER`] means never.
    pub session_expiry_secs: Option<u32>,
    /// Receive Maximum; absent means 65,535.
    pub receive_maximum: Option<NonZeroU16>,
    /// Maximum Packet Size in bytes; absent means no limit.
    pub maximum_packet_size: Option<NonZeroU32>,
    /// Topic Alias Maximum; absent means 0.
    pub topic_alias_maximum: Option<u16>,
    /// Request Response Information; absent means no.
    pub request_response_information: Option<bool>,
    /// Request Problem Information; absent means yes.
    pub request_problem_information: Option<bool>,
    /// User Properties.
    pub user_properties: UserProperties,
    /// Authentication Method.
    pub authentication_method: Option<Text>,
    /// Authentication Data; never printed.
    pub authentication_data: Option<Secret>,
}

/// The will: flag, QoS, retain, topic and payload can only exist together [MQTT-3.1.2-9] [MQTT-3.1.2-11]
/// [MQTT-3.1.2-13].
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the specification lists these and no others")]
pub struct Will {
    /// What is published.
    // Its topic is a topic name by type. [MQTT-3.1.3-10] [MQTT-3.1.3-11] [MQTT-3.1.3-10 of 3.1.1]
    pub message: Message,
    /// Will Delay Interval in seconds (MQTT 5.0).
    pub delay_secs: Option<u32>,
}

/// Bytes that are never printed: passwords and authentication data.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a wrapper around bytes and nothing else")]
pub struct Secret(pub Bytes);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
