//! Writing PUBLISH: sized ahead, then written in one go. Knows what the versions share; their own parts are in v3 and v5.

use crate::codec::error::EncodeError;
use crate::codec::outgoing::{Outgoing, SHARED_PAYLOAD_BYTES_MIN};
use crate::codec::peer::Peer;
use crate::codec::publish::PublishParts;
use crate::codec::writer::{Writer, varint_bytes};
use crate::codec::{v3, v5};
use crate::reason::Role;
use crate::types::QoS;
use crate::types::varint::varint_len;
use crate::version::Version;

/// Appends the packet, or nothing.
#[inline(always)]
pub(crate) fn append(parts: &PublishParts<'_>, peer: &Peer, out: &mut Outgoing) -> Result<(), EncodeError> {
    let sizes = sizes(parts, peer)?;
    let shared = parts.payload.len() >= SHARED_PAYLOAD_BYTES_MIN;
    let copied_bytes = sizes.packet_bytes as usize - if shared { parts.payload.len() } else { 0 };
    let flat = out.flat();
    // More than is needed by what the head has too much.
    flat.reserve(copied_bytes + HEAD_ROOM);
    let (head, head_bytes) = head(parts.first_byte(), sizes.remaining_bytes, parts.topic.len() as u16);
    let end = flat.len() + head_bytes;
    // A constant number of bytes is written by one instruction.
    flat.extend_from_slice(&head.to_le_bytes());
    flat.truncate(end);
    flat.extend_from_slice(parts.topic);
    if let Some(id) = parts.packet_id {
        flat.extend_from_slice(&id.as_u16().to_be_bytes());
    }
    if peer.version == Version::V5 {
        // [MQTT-2.2.2-1]
        if sizes.property_bytes == 0 {
            flat.push(0);
        } else {
            v5::publish::write_properties(&mut Writer::new(flat), sizes.property_bytes, parts);
        }
    }
    if shared {
        out.push_shared(parts.payload.clone());
    } else {
        flat.extend_from_slice(parts.payload);
    }
    Ok(())
}

const HEAD_ROOM: usize = size_of::<u64>();

/// The first byte, the remaining length and the length of the topic, from the low byte up, and how many bytes they are.
#[inline(always)]
fn head(first: u8, remaining: u32, topic_bytes: u16) -> (u64, usize) {
    let (length, length_bytes) = match remaining {
        0..=127 => (remaining, 1),
        128..=16_383 => (remaining & 0x7F | 0x80 | remaining >> 7 << 8, 2),
        _ => {
            let (bytes, used) = varint_bytes(remaining);
            (u32::from_le_bytes(bytes) & u32::MAX >> (32 - 8 * used), used)
        }
    };
    let topic_bytes = u64::from(topic_bytes.swap_bytes()) << (8 + 8 * length_bytes);
    (u64::from(first) | u64::from(length) << 8 | topic_bytes, 3 + length_bytes)
}

/// The size of the packet.
pub(crate) fn packet_bytes(parts: &PublishParts<'_>, peer: &Peer) -> Result<u32, EncodeError> {
    sizes(parts, peer).map(|sizes| sizes.packet_bytes)
}

#[derive(Clone, Copy, Debug)]
struct Sizes {
    property_bytes: u32,
    remaining_bytes: u32,
    packet_bytes: u32,
}

#[inline(always)]
fn sizes(parts: &PublishParts<'_>, peer: &Peer) -> Result<Sizes, EncodeError> {
    check(parts, peer)?;
    let has_properties = parts.has_properties();
    let mut remaining_bytes = 2 + parts.topic.len() as u64 + parts.payload.len() as u64;
    if parts.packet_id.is_some() {
        remaining_bytes += 2;
    }
    let mut property_bytes = 0;
    if peer.version == Version::V5 {
        if has_properties {
            let bytes = v5::publish::property_bytes(parts)?;
            // Refuses a section that is too long for its length field, because the packet is then too long too.
            peer.packet_bytes(bytes)?;
            property_bytes = bytes as u32;
        }
        remaining_bytes += varint_len(property_bytes) as u64 + u64::from(property_bytes);
    } else if has_properties {
        v3::publish::check(parts)?;
    }
    let packet_bytes = peer.packet_bytes(remaining_bytes)?;
    Ok(Sizes { property_bytes, remaining_bytes: remaining_bytes as u32, packet_bytes })
}

#[inline(always)]
fn check(parts: &PublishParts<'_>, peer: &Peer) -> Result<(), EncodeError> {
    match (parts.qos, parts.packet_id) {
        (QoS::AtMostOnce, None) => {
            // [MQTT-3.3.1-2] [MQTT-4.3.1-1] [MQTT-3.3.1-2 of 3.1.1]
            if parts.dup && peer.version.rules().qos0_dup_is_error {
                return Err(EncodeError::DupOnQoS0);
            }
        }
        // [MQTT-2.2.1-2] [MQTT-2.3.1-5 of 3.1.1]
        (QoS::AtMostOnce, Some(_)) => return Err(EncodeError::PacketIdOnQoS0),
        // [MQTT-2.2.1-3] [MQTT-2.3.1-1 of 3.1.1]
        (qos, None) => return Err(EncodeError::PacketIdMissing { qos }),
        (_, Some(_)) => {}
    }
    // [MQTT-3.3.4-6]
    if peer.our_role == Role::Client && parts.subscription_ids.is_some_and(|ids| !ids.is_empty()) {
        let property = "subscription identifier";
        return Err(EncodeError::PropertyFromWrongSide { property, sender: Role::Client });
    }
    Ok(())
}
