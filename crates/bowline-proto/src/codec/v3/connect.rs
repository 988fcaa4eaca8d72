//! CONNECT of 3.1 and 3.1.1. Clean session becomes clean start with a session expiry of 0 or never.

use alloc::boxed::Box;

use crate::codec::connect_flags::ConnectFlags;
use crate::codec::error::{DecodeErrorKind, EncodeError};
use crate::codec::reader::{Decoded, Reader};
use crate::codec::v3::refuse;
use crate::codec::writer::Writer;
use crate::packet::connect::EXPIRY_NEVER;
use crate::packet::{Connect, ConnectProperties, Packet, Secret, Will};
use crate::types::{Message, MessageProperties};
use crate::version::Version;

/// Reads what follows the protocol level.
pub(crate) fn read(reader: &mut Reader<'_>, version: Version) -> Decoded<Packet> {
    let flags = ConnectFlags::read(reader, version)?;
    // [MQTT-3.1.2-22 of 3.1.1]
    if flags.has_password && !flags.has_user_name && version.rules().password_needs_user_name {
        return Err(DecodeErrorKind::BadBits { field: "connect flags", value: flags.as_u8() });
    }
    let keep_alive_secs = reader.u16("keep alive")?;
    let client_id = reader.text("client identifier")?;
    let will = match flags.will {
        Some(will) => {
            let topic = reader.topic_name("will topic")?;
            let payload = reader.binary("will message")?;
            let message = Message { topic, payload, qos: will.qos, retain: will.retain, properties: None };
            Some(Will { message, delay_secs: None })
        }
        None => None,
    };
    let user_name = if flags.has_user_name { Some(reader.text("user name")?) } else { None };
    let password = if flags.has_password { Some(Secret(reader.binary("password")?)) } else { None };
    reader.finish()?;
    let session_expiry_secs = Some(if flags.clean_start { 0 } else { EXPIRY_NEVER });
    Ok(Packet::Connect(Box::new(Connect {
        version,
        client_id,
        clean_start: flags.clean_start,
        keep_alive_secs,
        will,
        user_name,
        password,
        properties: ConnectProperties { session_expiry_secs, ..ConnectProperties::default() },
    })))
}

/// The session expiry follows from clean session here; nothing else of MQTT 5.0 may be asked for.
pub(crate) fn check(connect: &Connect) -> Result<(), EncodeError> {
    // [MQTT-3.1.2-22 of 3.1.1]
    if connect.password.is_some() && connect.user_name.is_none() {
        return Err(EncodeError::PasswordWithoutUserName);
    }
    let properties = &connect.properties;
    let will = connect.will.as_ref();
    let will_properties = will.and_then(|will| will.message.properties.as_deref());
    refuse(&[
        (properties.receive_maximum.is_some(), "a receive maximum"),
        (properties.maximum_packet_size.is_some(), "a maximum packet size"),
        (properties.topic_alias_maximum.is_some(), "a topic alias maximum"),
        (properties.request_response_information.is_some(), "request response information"),
        (properties.request_problem_information.is_some(), "request problem information"),
        (!properties.user_properties.is_empty(), "a user property"),
        (properties.authentication_method.is_some(), "an authentication method"),
        (properties.authentication_data.is_some(), "authentication data"),
        (will.is_some_and(|will| will.delay_secs.is_some()), "a will delay interval"),
        (
            will_properties.is_some_and(|properties: &MessageProperties| !properties.is_empty()),
            "a will property",
        ),
    ])
}

pub(crate) fn write(w: &mut Writer<'_>, connect: &Connect) {
    // [MQTT-3.1.2-1 of 3.1.1]
    w.string(connect.version.protocol_name().as_bytes());
    w.u8(connect.version.level());
    w.u8(ConnectFlags::of(connect).as_u8());
    w.u16(connect.keep_alive_secs);
    // [MQTT-3.1.3-1 of 3.1.1] [MQTT-3.1.3-3 of 3.1.1]
    w.text(&connect.client_id);
    // [MQTT-3.1.2-9 of 3.1.1]
    if let Some(will) = &connect.will {
        w.string(will.message.topic.as_bytes());
        w.binary("will message", &will.message.payload);
    }
    if let Some(user_name) = &connect.user_name {
        w.text(user_name);
    }
    if let Some(Secret(password)) = &connect.password {
        w.binary("password", password);
    }
}
