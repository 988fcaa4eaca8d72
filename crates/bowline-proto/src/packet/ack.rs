//! PUBACK, PUBREC, PUBREL and PUBCOMP, which have one shape (sections 3.4 to 3.7).

use alloc::boxed::Box;

use crate::reason::ReasonCode;
use crate::types::{PacketId, Text, UserProperties};

/// The content of a PUBACK, PUBREC, PUBREL or PUBCOMP. In 3.1 and 3.1.1 the reason is always `Success`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by every engine on the path of a message")]
pub struct Ack {
    /// The identifier of the PUBLISH that this belongs to.
    pub packet_id: PacketId,
    /// The outcome.
    pub reason: ReasonCode,
    /// Rarely there.
    pub properties: Option<Box<AckProperties>>,
}

impl Ack {
    /// An acknowledgement with this reason and no properties.
    pub const fn new(packet_id: PacketId, reason: ReasonCode) -> Self {
        Self { packet_id, reason, properties: None }
    }

    /// A successful one.
    pub const fn success(packet_id: PacketId) -> Self {
        Self::new(packet_id, ReasonCode::Success)
    }
}

/// What acknowledgements say besides the reason code: for people, not for programs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the specification lists these and no others")]
pub struct AckProperties {
    /// Reason String.
    pub reason_string: Option<Text>,
    /// User Properties.
    pub user_properties: UserProperties,
}

impl AckProperties {
    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.reason_string.is_none() && self.user_properties.is_empty()
    }
}
