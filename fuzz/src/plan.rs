//! How an input is taken: version, portions, limit and framing, from its first byte. Knows no packets.

use std::borrow::Cow;

use bowline_proto::codec::Decoder;
use bowline_proto::{Bytes, Role, Version};

/// What the first byte of an input says.
///
/// | bits | meaning |
/// |---|---|
/// | 0 and 1 | 3.1, 3.1.1, 5.0; 3 is 5.0 from a server, and no CONNECT put before what a client sends |
/// | 2 and 3 | one read, one block to keep, byte by byte, portions of 1 to 64 bytes |
/// | 4 and 5 | the limit for a packet: none, 16, 100 or 1,000 bytes |
/// | 6 | in `round_trip`: 0 from a server, 1 from a client |
/// | 7 | 0: the rest is bytes as they arrive; 1: the rest is one packet without its length, which is put in |
///
/// Bit 7 is there because almost every change of the length of raw bytes breaks the packet in them.
#[derive(Clone, Copy, Debug)]
pub struct Plan(u8);

impl Plan {
    /// Takes the plan from the front of an input, `None` if there is nothing.
    pub fn split(input: &[u8]) -> Option<(Self, Cow<'_, [u8]>)> {
        let (&plan, rest) = input.split_first()?;
        match rest.split_first() {
            Some((&first, body)) if plan & 0x80 != 0 => Some((Self(plan), Cow::Owned(framed(first, body)))),
            _ => Some((Self(plan), Cow::Borrowed(rest))),
        }
    }

    /// The byte for a client's CONNECT: as [`byte`](Self::byte), but the input itself has the CONNECT.
    pub const OWN_CONNECT: u8 = 0x43;

    pub(crate) const fn of(byte: u8) -> Self {
        Self(byte)
    }

    pub(crate) const fn takes_raw_bytes(self) -> bool {
        self.0 & 0x80 == 0
    }

    /// The byte for a version and a sender: one read, no limit, raw bytes. For seeds.
    pub const fn byte(version: Version, sender: Role) -> u8 {
        let version = match version {
            Version::V3_1 => 0,
            Version::V3_1_1 => 1,
            Version::V5 => 2,
        };
        match sender {
            Role::Server => version,
            Role::Client => version | 0x40,
        }
    }

    pub(crate) const fn version(self) -> Version {
        match self.0 & 3 {
            0 => Version::V3_1,
            1 => Version::V3_1_1,
            _ => Version::V5,
        }
    }

    /// Whether the input itself has the CONNECT of a client.
    pub(crate) const fn has_own_connect(self) -> bool {
        self.0 & 3 == 3
    }

    pub(crate) const fn sender(self) -> Role {
        if self.0 & 0x40 == 0 { Role::Server } else { Role::Client }
    }

    pub(crate) const fn packet_bytes_max(self) -> u32 {
        match self.0 >> 4 & 3 {
            0 => u32::MAX,
            1 => 16,
            2 => 100,
            _ => 1000,
        }
    }

    pub(crate) const fn is_one_read(self) -> bool {
        self.0 >> 2 & 3 == 0
    }

    /// Gives the decoder all bytes, and calls `after_each` when it has a portion.
    pub(crate) fn feed(self, decoder: &mut Decoder, bytes: &[u8], mut after_each: impl FnMut(&mut Decoder)) {
        match self.0 >> 2 & 3 {
            0 => decoder.feed(bytes),
            1 => decoder.feed_block(Bytes::copy_from_slice(bytes)),
            2 => {
                for byte in bytes {
                    decoder.feed(&[*byte]);
                    after_each(decoder);
                }
            }
            _ => {
                let mut rest = bytes;
                let mut turn = self.0;
                while !rest.is_empty() {
                    turn = turn.wrapping_mul(13).wrapping_add(rest[0]);
                    let (now, later) = rest.split_at(rest.len().min(1 + usize::from(turn % 64)));
                    // Every other portion is drained late, so that blocks pile up.
                    if turn.is_multiple_of(2) {
                        decoder.feed(now);
                    } else {
                        decoder.feed_block(Bytes::copy_from_slice(now));
                        after_each(decoder);
                    }
                    rest = later;
                }
            }
        }
        after_each(decoder);
    }
}

/// A packet from its first byte and what follows the length.
fn framed(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut length = body.len();
    while length > 127 {
        bytes.push(0x80 | (length & 0x7F) as u8);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend_from_slice(body);
    bytes
}

/// The smallest CONNECT of a version.
pub(crate) const fn smallest_connect(version: Version) -> &'static [u8] {
    match version {
        Version::V3_1 => b"\x10\x0F\0\x06MQIsdp\x03\x02\0\0\0\x01c",
        Version::V3_1_1 => b"\x10\x0D\0\x04MQTT\x04\x02\0\0\0\x01c",
        Version::V5 => b"\x10\x0E\0\x04MQTT\x05\x02\0\0\0\0\x01c",
    }
}
