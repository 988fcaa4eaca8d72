//! What a server engine is made with. Checked when the engine is made.

use core::time::Duration;

use crate::error::RequestError;
use crate::session::packet_ids::PUBLICATIONS_MAX;

/// The settings of a server engine. Make one with [`ServerConfig::new`] and change what should differ.
///
/// | setting | default |
/// |---|---|
/// | `connect_timeout` | 10 s |
/// | `packet_bytes_max` | 16 MiB |
/// | `receive_maximum` | 1,024 |
/// | `inbound_bytes_max` | 16 MiB |
/// | `topic_alias_maximum` | 16 |
/// | `in_flight_max` | 1,024 |
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerConfig {
    /// From the transport being open to the broker's decision about CONNECT. Beyond it the connection closes.
    pub connect_timeout: Duration,
    /// The largest packet that is taken, in bytes, at least 64; announced in 5.0. The driver's decoder enforces it.
    pub packet_bytes_max: u32,
    /// Most QoS 1 and 2 messages that may be received and not be acknowledged, at least 1. Announced in 5.0, where one
    /// more is a violation; in the older versions reading pauses.
    pub receive_maximum: u16,
    /// Most bytes of such messages. Beyond it reading pauses.
    pub inbound_bytes_max: usize,
    /// How many topic aliases the client may use; a promise of memory.
    pub topic_alias_maximum: u16,
    /// Most QoS 1 and 2 publications between PUBLISH and their last acknowledgement, 1 to 65,519. The client's Receive
    /// Maximum caps it.
    pub in_flight_max: u16,
}

impl ServerConfig {
    /// The defaults.
    pub const fn new() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            packet_bytes_max: 16 * 1024 * 1024,
            receive_maximum: 1_024,
            inbound_bytes_max: 16 * 1024 * 1024,
            topic_alias_maximum: 16,
            in_flight_max: 1_024,
        }
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// [`RequestError`] naming the option, its value and the limit.
    pub fn check(&self) -> Result<(), RequestError> {
        let u16_max = usize::from(u16::MAX);
        let ranges = [
            ("packet_bytes_max", self.packet_bytes_max as usize, PACKET_BYTES_LEAST, u32::MAX as usize),
            ("receive_maximum", usize::from(self.receive_maximum), 1, u16_max),
            ("inbound_bytes_max", self.inbound_bytes_max, 1, usize::MAX),
            ("in_flight_max", usize::from(self.in_flight_max), 1, PUBLICATIONS_MAX),
        ];
        for (option, value, least, most) in ranges {
            if !(least..=most).contains(&value) {
                return Err(RequestError::OutOfRange { option, value, least, most });
            }
        }
        if self.connect_timeout.is_zero() {
            return Err(RequestError::Option { option: "connect_timeout", problem: "must not be zero" });
        }
        Ok(())
    }
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// Below this not even a CONNECT with a client identifier would fit.
const PACKET_BYTES_LEAST: usize = 64;
