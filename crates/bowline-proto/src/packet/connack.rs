//! CONNACK (section 3.2).

use core::num::{NonZeroU16, NonZeroU32};

use crate::packet::connect::Secret;
use crate::reason::ReasonCode;
use crate::types::{QoS, Text, UserProperties};

/// The broker's answer to CONNECT.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the specification lists these and no others")]
pub struct ConnAck {
    /// Whether the broker kept the session; `None` if the version cannot say.
    pub session_present: Option<bool>,
    /// `Success`, or why the connection was refused.
    pub reason: ReasonCode,
    /// MQTT 5.0 properties; all absent in the older versions.
    pub properties: ConnAckProperties,
}

/// The properties of CONNACK (section 3.2.2.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the specification lists these and no others")]
pub struct ConnAckProperties {
    /// Session Expiry Interval in seconds; absent means as the client asked.
    pub session_expiry_secs: Option<u32>,
    /// Receive Maximum; absent means 65,535.
    pub receive_maximum: Option<NonZeroU16>,
    /// Maximum QoS, 0 or 1 on the wire; absent means 2.
    pub maximum_qos: Option<QoS>,
    /// Retain Available; absent means yes.
    pub retain_available: Option<bool>,
    /// Maximum Packet Size in bytes; absent means no limit.
    pub maximum_packet_size: Option<NonZeroU32>,
    /// Assigned Client Identifier.
    pub assigned_client_id: Option<Text>,
    /// Topic Alias Maximum; absent means 0.
    pub topic_alias_maximum: Option<u16>,
    /// Reason String.
    pub reason_string: Option<Text>,
    /// User Properties.
    pub user_properties: UserProperties,
    /// Wildcard Subscription Available; absent means yes.
    pub wildcard_subscription_available: Option<bool>,
    /// Subscription Identifiers Available; absent means yes.
    pub subscription_ids_available: Option<bool>,
    /// Shared Subscription Available; absent means yes.
    pub shared_subscription_available: Option<bool>,
    /// Server Keep Alive in seconds; absent means as the client asked.
    pub server_keep_alive_secs: Option<u16>,
    /// Response Information.
    pub response_information: Option<Text>,
    /// Server Reference: where to go instead.
    pub server_reference: Option<Text>,
    /// Authentication Method.
    pub authentication_method: Option<Text>,
    /// Authentication Data; never printed.
    pub authentication_data: Option<Secret>,
}
