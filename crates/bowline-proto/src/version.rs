//! The protocol versions. Owns their names and levels; what differs between them is in `rules`.

use core::fmt;

/// A version of the MQTT protocol.
///
/// Ordered from oldest to newest, so that "the newest both sides speak" is a `min`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a new protocol version must break every match on purpose")]
pub enum Version {
    /// MQTT 3.1, protocol name `MQIsdp`, level 3.
    V3_1,
    /// MQTT 3.1.1, protocol name `MQTT`, level 4.
    V3_1_1,
    /// MQTT 5.0, protocol name `MQTT`, level 5.
    V5,
}

impl Version {
    /// All versions, oldest first.
    pub const ALL: [Self; 3] = [Self::V3_1, Self::V3_1_1, Self::V5];

    /// This version and those before it, newest first, as far as `oldest`; none if that is newer.
    pub fn down_to(self, oldest: Self) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().rev().filter(move |version| (oldest..=self).contains(version))
    }

    /// The protocol name that CONNECT carries.
    pub const fn protocol_name(self) -> &'static str {
        match self {
            Self::V3_1 => "MQIsdp",
            Self::V3_1_1 | Self::V5 => "MQTT",
        }
    }

    /// The protocol level (5.0 calls it the protocol version) that CONNECT carries.
    pub const fn level(self) -> u8 {
        match self {
            Self::V3_1 => 3,
            Self::V3_1_1 => 4,
            Self::V5 => 5,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V3_1 => "3.1",
            Self::V3_1_1 => "3.1.1",
            Self::V5 => "5.0",
        })
    }
}
