//! CONNECT of 5.0 (section 3.1).

use alloc::boxed::Box;
use core::num::{NonZeroU16, NonZeroU32};

use crate::codec::connect_flags::{ConnectFlags, WillFlags};
use crate::codec::error::{DecodeErrorKind, EncodeError};
use crate::codec::reader::{Decoded, Reader};
use crate::codec::v5::properties::{Property, read_each, read_message_property, read_user_property};
use crate::codec::writer::Writer;
use crate::packet::{Connect, ConnectProperties, Packet, Secret, Will};
use crate::types::Message;
use crate::version::Version;

/// Reads what follows the protocol level.
pub(crate) fn read(reader: &mut Reader<'_>) -> Decoded<Packet> {
    let flags = ConnectFlags::read(reader, Version::V5)?;
    let keep_alive_secs = reader.u16("keep alive")?;
    let properties = read_properties(reader)?;
    let client_id = reader.text("client identifier")?;
    let will = match flags.will {
        Some(flags) => Some(read_will(reader, flags)?),
        None => None,
    };
    let user_name = if flags.has_user_name { Some(reader.text("user name")?) } else { None };
    let password = if flags.has_password { Some(Secret(reader.binary("password")?)) } else { None };
    reader.finish()?;
    Ok(Packet::Connect(Box::new(Connect {
        version: Version::V5,
        client_id,
        clean_start: flags.clean_start,
        keep_alive_secs,
        will,
        user_name,
        password,
        properties,
    })))
}

fn read_properties(reader: &mut Reader<'_>) -> Decoded<ConnectProperties> {
    let mut slots = ConnectProperties::default();
    read_each(reader, |property, reader| match property {
        Property::SessionExpiry => property.read_u32(reader, &mut slots.session_expiry_secs),
        Property::ReceiveMaximum => property.read_nonzero_u16(reader, &mut slots.receive_maximum),
        Property::MaximumPacketSize => property.read_nonzero_u32(reader, &mut slots.maximum_packet_size),
        Property::TopicAliasMaximum => property.read_u16(reader, &mut slots.topic_alias_maximum),
        Property::RequestResponseInformation => {
            property.read_flag(reader, &mut slots.request_response_information)
        }
        Property::RequestProblemInformation => {
            property.read_flag(reader, &mut slots.request_problem_information)
        }
        Property::UserProperty => read_user_property(reader, &mut slots.user_properties),
        Property::AuthenticationMethod => property.read_text(reader, &mut slots.authentication_method),
        Property::AuthenticationData => property.read_secret(reader, &mut slots.authentication_data),
        _ => Ok(false),
    })?;
    if slots.authentication_data.is_some() && slots.authentication_method.is_none() {
        return Err(DecodeErrorKind::AuthMethodMissing);
    }
    Ok(slots)
}

fn read_will(reader: &mut Reader<'_>, flags: WillFlags) -> Decoded<Will> {
    let mut delay_secs = None;
    let mut properties = None;
    read_each(reader, |property, reader| match property {
        Property::WillDelay => property.read_u32(reader, &mut delay_secs),
        _ => read_message_property(property, reader, &mut properties),
    })?;
    let topic = reader.topic_name("will topic")?;
    let payload = reader.binary("will payload")?;
    let message = Message { topic, payload, qos: flags.qos, retain: flags.retain, properties };
    Ok(Will { message, delay_secs })
}

pub(crate) const fn check(connect: &Connect) -> Result<(), EncodeError> {
    let properties = &connect.properties;
    if properties.authentication_data.is_some() && properties.authentication_method.is_none() {
        return Err(EncodeError::AuthMethodMissing);
    }
    Ok(())
}

pub(crate) fn write(w: &mut Writer<'_>, connect: &Connect) {
    w.string(Version::V5.protocol_name().as_bytes());
    w.u8(Version::V5.level());
    w.u8(ConnectFlags::of(connect).as_u8());
    w.u16(connect.keep_alive_secs);
    w.section(|w| write_properties(w, &connect.properties));
    // [MQTT-3.1.3-1] [MQTT-3.1.3-3]
    w.text(&connect.client_id);
    // [MQTT-3.1.2-9]
    if let Some(will) = &connect.will {
        w.section(|w| write_will_properties(w, will));
        w.string(will.message.topic.as_bytes());
        w.binary("will payload", &will.message.payload);
    }
    if let Some(user_name) = &connect.user_name {
        w.text(user_name);
    }
    if let Some(Secret(password)) = &connect.password {
        w.binary("password", password);
    }
}

fn write_properties(w: &mut Writer<'_>, properties: &ConnectProperties) {
    w.property_u32(Property::SessionExpiry, properties.session_expiry_secs);
    w.property_u16(Property::ReceiveMaximum, properties.receive_maximum.map(NonZeroU16::get));
    w.property_u32(Property::MaximumPacketSize, properties.maximum_packet_size.map(NonZeroU32::get));
    w.property_u16(Property::TopicAliasMaximum, properties.topic_alias_maximum);
    w.property_u8(
        Property::RequestResponseInformation,
        properties.request_response_information.map(u8::from),
    );
    w.property_u8(Property::RequestProblemInformation, properties.request_problem_information.map(u8::from));
    w.user_properties(&properties.user_properties);
    w.property_text(Property::AuthenticationMethod, properties.authentication_method.as_ref());
    w.property_binary(
        Property::AuthenticationData,
        properties.authentication_data.as_ref().map(|Secret(bytes)| bytes),
    );
}

fn write_will_properties(w: &mut Writer<'_>, will: &Will) {
    w.property_u32(Property::WillDelay, will.delay_secs);
    if let Some(properties) = will.message.properties.as_deref() {
        w.message_properties(properties, properties.expiry_secs);
    }
}
