//! Whom an encoder writes to: the version, which end we are, and how large a packet may be. Knows no packets.

use crate::codec::error::EncodeError;
use crate::reason::Role;
use crate::types::varint::{VARINT_BYTES_MAX, VARINT_MAX, varint_len};
use crate::version::Version;

/// What of a connection decides how a packet is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) version: Version,
    /// Our side of the connection, not the peer's.
    pub(crate) our_role: Role,
    pub(crate) packet_bytes_max: u32,
}

/// The most that a packet can have in any version.
const PROTOCOL_BYTES_MAX: u32 = 1 + VARINT_BYTES_MAX as u32 + VARINT_MAX;

impl Peer {
    /// The size of a packet with this remaining length, if the peer and the protocol accept it.
    #[inline]
    pub(crate) fn packet_bytes(&self, remaining_bytes: u64) -> Result<u32, EncodeError> {
        let limit = self.packet_bytes_max.min(PROTOCOL_BYTES_MAX);
        // More than a length can say is more than the limit too.
        let length_bytes = u32::try_from(remaining_bytes).map_or(VARINT_BYTES_MAX, varint_len);
        let bytes = 1 + length_bytes as u64 + remaining_bytes;
        // [MQTT-3.2.2-15]
        if bytes > u64::from(limit) {
            return Err(EncodeError::PacketTooLarge { bytes, limit });
        }
        Ok(bytes as u32)
    }
}
