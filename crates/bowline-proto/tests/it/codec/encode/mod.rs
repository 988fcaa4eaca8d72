//! What the encoder refuses, what it leaves out to make a packet fit, and what it shares instead of copying.

mod limits;
mod refusals;

use bowline_proto::codec::{EncodeError, Encoder, Outgoing};
use bowline_proto::packet::Packet;
use bowline_proto::{Role, Version};

/// The bytes of a packet under a limit. Checks that a refusal leaves nothing behind.
fn encode(
    version: Version,
    role: Role,
    packet: &Packet,
    packet_bytes_max: u32,
) -> Result<Vec<u8>, EncodeError> {
    let mut out = Outgoing::new();
    let done = Encoder::new(version, role, packet_bytes_max).packet(&mut out, packet);
    assert!(done.is_ok() || out.is_empty(), "a refused packet left bytes");
    done.map(|()| out.to_vec())
}
