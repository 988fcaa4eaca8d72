//! UNSUBSCRIBE and UNSUBACK (sections 3.10 and 3.11).

use alloc::vec::Vec;

use crate::packet::ack::AckProperties;
use crate::reason::ReasonCode;
use crate::types::{PacketId, TopicFilter, UserProperties};

/// A request to end subscriptions.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the specification lists these and no others")]
pub struct Unsubscribe {
    /// The packet identifier.
    pub packet_id: PacketId,
    /// At least one [MQTT-3.10.3-2].
    pub filters: Vec<TopicFilter>,
    /// User Properties.
    pub user_properties: UserProperties,
}

/// The answer to UNSUBSCRIBE.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the specification lists these and no others")]
pub struct UnsubAck {
    /// The identifier of the UNSUBSCRIBE.
    pub packet_id: PacketId,
    /// One per filter, in order [MQTT-3.11.3-1]; empty in the older versions, which have none.
    pub reasons: Vec<ReasonCode>,
    /// Reason String and User Properties.
    pub properties: AckProperties,
}
