//! The layouts of MQTT 5.0.

pub(crate) mod acks;
pub(crate) mod auth;
pub(crate) mod connack;
pub(crate) mod connect;
pub(crate) mod disconnect;
pub(crate) mod properties;
pub(crate) mod publish;
pub(crate) mod subscribe;

use alloc::boxed::Box;

use crate::codec::error::DecodeErrorKind;
use crate::codec::reader::{Decoded, Reader};
use crate::packet::{Packet, PacketType};
use crate::reason::{ReasonCode, Role};

/// Reads what follows the fixed header of any packet except CONNECT and PUBLISH, which the decoder handles itself.
pub(crate) fn read(reader: &mut Reader<'_>, packet: PacketType, sender: Role) -> Decoded<Packet> {
    Ok(match packet {
        PacketType::Connect | PacketType::Publish => unreachable!("the decoder reads these itself"),
        PacketType::ConnAck => Packet::ConnAck(Box::new(connack::read(reader)?)),
        PacketType::PubAck => Packet::PubAck(acks::read(reader, packet, sender)?),
        PacketType::PubRec => Packet::PubRec(acks::read(reader, packet, sender)?),
        PacketType::PubRel => Packet::PubRel(acks::read(reader, packet, sender)?),
        PacketType::PubComp => Packet::PubComp(acks::read(reader, packet, sender)?),
        PacketType::Subscribe => Packet::Subscribe(Box::new(subscribe::read(reader)?)),
        PacketType::SubAck => Packet::SubAck(Box::new(subscribe::read_suback(reader)?)),
        PacketType::Unsubscribe => Packet::Unsubscribe(Box::new(subscribe::read_unsubscribe(reader)?)),
        PacketType::UnsubAck => Packet::UnsubAck(Box::new(subscribe::read_unsuback(reader)?)),
        PacketType::PingReq => Packet::PingReq,
        PacketType::PingResp => Packet::PingResp,
        PacketType::Disconnect => Packet::Disconnect(Box::new(disconnect::read(reader, sender)?)),
        PacketType::Auth => Packet::Auth(Box::new(auth::read(reader, sender)?)),
    })
}

/// Reads a reason code that `sender` may put into this packet.
fn read_reason(reader: &mut Reader<'_>, packet: PacketType, sender: Role) -> Decoded<ReasonCode> {
    let code = reader.u8("reason code")?;
    // [MQTT-3.2.2-8] [MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-3.6.2-1] [MQTT-3.7.2-1] [MQTT-3.9.3-2] [MQTT-3.11.3-2]
    // [MQTT-3.14.2-1] [MQTT-3.15.2-1]
    ReasonCode::from_u8(code)
        .filter(|reason| reason.is_allowed_in(packet, sender))
        .ok_or(DecodeErrorKind::ReasonNotAllowed { code })
}
