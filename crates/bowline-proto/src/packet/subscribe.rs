//! SUBSCRIBE and SUBACK (sections 3.8 and 3.9).

use alloc::vec::Vec;

use crate::packet::ack::AckProperties;
use crate::reason::ReasonCode;
use crate::types::{PacketId, SubscriptionId, SubscriptionOptions, TopicFilter, UserProperties};

/// A request for one or more subscriptions.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the specification lists these and no others")]
pub struct Subscribe {
    /// The packet identifier.
    pub packet_id: PacketId,
    /// At least one [MQTT-3.8.3-2].
    pub subscriptions: Vec<Subscription>,
    /// One Subscription Identifier for all of them (MQTT 5.0).
    pub subscription_id: Option<SubscriptionId>,
    /// User Properties.
    pub user_properties: UserProperties,
}

/// One filter and its options.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the specification lists these and no others")]
pub struct Subscription {
    /// The topic filter.
    pub filter: TopicFilter,
    /// The options.
    pub options: SubscriptionOptions,
}

/// The answer to SUBSCRIBE: one reason code per filter, in order [MQTT-3.9.3-1].
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the specification lists these and no others")]
pub struct SubAck {
    /// The identifier of the SUBSCRIBE.
    pub packet_id: PacketId,
    /// Granted QoS or failure, per filter.
    pub reasons: Vec<ReasonCode>,
    /// Reason String and User Properties.
    pub properties: AckProperties,
}
