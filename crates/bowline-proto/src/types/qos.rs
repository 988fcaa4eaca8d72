//! Quality of service.

use core::fmt;

/// How hard both sides try to deliver a message (section 4.3).
///
/// The type cannot hold 3 [MQTT-3.3.1-4].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[expect(clippy::exhaustive_enums, reason = "the protocol has exactly three")]
pub enum QoS {
    /// QoS 0: no acknowledgement, may be lost with the connection.
    #[default]
    AtMostOnce = 0,
    /// QoS 1: acknowledged by PUBACK, may arrive more than once.
    AtLeastOnce = 1,
    /// QoS 2: PUBREC, PUBREL, PUBCOMP; arrives once.
    ExactlyOnce = 2,
}

impl QoS {
    /// The QoS with this number, `None` for 3 and above.
    // [MQTT-3.3.1-4] [MQTT-3.1.2-12] [MQTT-3.1.2-14 of 3.1.1] [MQTT-3.3.1-4 of 3.1.1]
    pub const fn from_u8(value: u8) -> Option<Self> {
        match value {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }

    /// The number used on the wire.
    pub const fn as_u8(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for QoS {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_u8())
    }
}
