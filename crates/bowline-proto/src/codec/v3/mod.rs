//! The layouts of MQTT 3.1 and 3.1.1, read into and written from the model of MQTT 5.0.

pub(crate) mod acks;
pub(crate) mod connack;
pub(crate) mod connect;
pub(crate) mod publish;
pub(crate) mod subscribe;

use alloc::boxed::Box;

use crate::codec::error::EncodeError;
use crate::codec::reader::{Decoded, Reader};
use crate::packet::{Disconnect, Packet, PacketType};
use crate::reason::{ReasonCode, Role};
use crate::types::UserProperties;
use crate::version::Version;

/// Reads what follows the fixed header of any packet except CONNECT and PUBLISH, which the decoder handles itself.
pub(crate) fn read(reader: &mut Reader<'_>, packet: PacketType, version: Version) -> Decoded<Packet> {
    Ok(match packet {
        PacketType::Connect | PacketType::Publish => unreachable!("the decoder reads these itself"),
        PacketType::ConnAck => Packet::ConnAck(Box::new(connack::read(reader, version)?)),
        PacketType::PubAck => Packet::PubAck(acks::read(reader)?),
        PacketType::PubRec => Packet::PubRec(acks::read(reader)?),
        PacketType::PubRel => Packet::PubRel(acks::read(reader)?),
        PacketType::PubComp => Packet::PubComp(acks::read(reader)?),
        PacketType::Subscribe => Packet::Subscribe(Box::new(subscribe::read(reader)?)),
        PacketType::SubAck => Packet::SubAck(Box::new(subscribe::read_suback(reader)?)),
        PacketType::Unsubscribe => Packet::Unsubscribe(Box::new(subscribe::read_unsubscribe(reader)?)),
        PacketType::UnsubAck => Packet::UnsubAck(Box::new(subscribe::read_unsuback(reader)?)),
        PacketType::PingReq => Packet::PingReq,
        PacketType::PingResp => Packet::PingResp,
        PacketType::Disconnect => Packet::Disconnect(Box::new(Disconnect::new(ReasonCode::Success))),
        PacketType::Auth => unreachable!("the version has no AUTH, which the fixed header has shown"),
    })
}

/// DISCONNECT says nothing here, and only clients send it.
pub(crate) fn check_disconnect(disconnect: &Disconnect, sender: Role) -> Result<(), EncodeError> {
    let option = match (sender, disconnect.reason, &disconnect.properties) {
        (Role::Server, ..) => "DISCONNECT from the server",
        (Role::Client, ReasonCode::Success, None) => return Ok(()),
        (Role::Client, ReasonCode::Success, Some(_)) => "a property of DISCONNECT",
        (Role::Client, ..) => "the reason code of DISCONNECT",
    };
    Err(EncodeError::NeedsVersion5 { option })
}

/// An error for the first option that is set.
pub(crate) fn refuse(options: &[(bool, &'static str)]) -> Result<(), EncodeError> {
    match options.iter().find(|(is_set, _)| *is_set) {
        Some(&(_, option)) => Err(EncodeError::NeedsVersion5 { option }),
        None => Ok(()),
    }
}

pub(crate) fn check_no_user_properties(user_properties: &UserProperties) -> Result<(), EncodeError> {
    refuse(&[(!user_properties.is_empty(), "a user property")])
}
