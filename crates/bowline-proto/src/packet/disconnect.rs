//! DISCONNECT (section 3.14).

use alloc::boxed::Box;

use crate::reason::ReasonCode;
use crate::types::{Text, UserProperties};

/// The last packet on a connection. In 3.1 and 3.1.1 only clients send it, without content.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the specification lists these and no others")]
pub struct Disconnect {
    /// Why.
    pub reason: ReasonCode,
    /// Rarely there.
    pub properties: Option<Box<DisconnectProperties>>,
}

impl Disconnect {
    /// A DISCONNECT with this reason and no properties.
    pub const fn new(reason: ReasonCode) -> Self {
        Self { reason, properties: None }
    }
}

/// The properties of DISCONNECT (section 3.14.2.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the specification lists these and no others")]
pub struct DisconnectProperties {
    /// Session Expiry Interval in seconds; only clients send it [MQTT-3.14.2-2].
    pub session_expiry_secs: Option<u32>,
    /// Reason String.
    pub reason_string: Option<Text>,
    /// User Properties.
    pub user_properties: UserProperties,
    /// Server Reference: where to go instead.
    pub server_reference: Option<Text>,
}
