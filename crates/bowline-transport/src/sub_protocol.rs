//! What MQTT is called by transports that carry several protocols. Knows no transport and no packet.

use std::fmt;

/// The name of the version that an attempt speaks, for transports on which the two sides agree on a protocol first: WebSocket's
/// sub-protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SubProtocol {
    /// `mqtt`: 3.1.1 and 5.0, which say in CONNECT which of them it is.
    #[default]
    Mqtt,
    /// `mqttv3.1`: 3.1, which is from the time before the other name.
    MqttV31,
}

impl SubProtocol {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Mqtt, Self::MqttV31];

    /// The name as it stands on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            // [MQTT-6.0.0-3] [MQTT-6.0.0-3 of 3.1.1]
            Self::Mqtt => "mqtt",
            Self::MqttV31 => "mqttv3.1",
        }
    }
}

impl fmt::Display for SubProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
