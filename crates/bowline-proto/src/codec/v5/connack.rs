//! CONNACK of 5.0 (section 3.2).

use core::num::{NonZeroU16, NonZeroU32};

use crate::codec::error::{DecodeErrorKind, EncodeError};
use crate::codec::keep::Keep;
use crate::codec::reader::{Decoded, Reader};
use crate::codec::v5::properties::{Property, read_each, read_user_property};
use crate::codec::v5::read_reason;
use crate::codec::writer::Writer;
use crate::packet::{ConnAck, ConnAckProperties, PacketType, Secret};
use crate::reason::{ReasonCode, Role};
use crate::types::QoS;

pub(crate) fn read(reader: &mut Reader<'_>) -> Decoded<ConnAck> {
    let flags = reader.u8("acknowledge flags")?;
    // [MQTT-3.2.2-1]
    if flags > 1 {
        return Err(DecodeErrorKind::BadBits { field: "acknowledge flags", value: flags });
    }
    // [MQTT-3.1.2-2]: a broker that does not know 5.0 refuses in its own form, which has no properties at all.
    if reader.left() == 1 {
        let code = reader.u8("return code")?;
        return match ReasonCode::from_connect_return_code(code) {
            Some(reason) if reason.is_failure() => {
                let (session_present, properties) = (Some(flags == 1), ConnAckProperties::default());
                Ok(ConnAck { session_present, reason, properties })
            }
            _ => Err(DecodeErrorKind::ReasonNotAllowed { code }),
        };
    }
    let reason = read_reason(reader, PacketType::ConnAck, Role::Server)?;
    let properties = read_properties(reader)?;
    Ok(ConnAck { session_present: Some(flags == 1), reason, properties })
}

fn read_properties(reader: &mut Reader<'_>) -> Decoded<ConnAckProperties> {
    let mut slots = ConnAckProperties::default();
    read_each(reader, |property, reader| read_property(property, reader, &mut slots))?;
    if slots.authentication_data.is_some() && slots.authentication_method.is_none() {
        return Err(DecodeErrorKind::AuthMethodMissing);
    }
    Ok(slots)
}

fn read_property(
    property: Property,
    reader: &mut Reader<'_>,
    slots: &mut ConnAckProperties,
) -> Decoded<bool> {
    match property {
        Property::SessionExpiry => property.read_u32(reader, &mut slots.session_expiry_secs),
        Property::ReceiveMaximum => property.read_nonzero_u16(reader, &mut slots.receive_maximum),
        Property::MaximumQoS => {
            // [MQTT-3.2.2-9]
            let qos = match reader.u8(property.name())? {
                0 => QoS::AtMostOnce,
                1 => QoS::AtLeastOnce,
                value => return Err(property.forbidden(value.into())),
            };
            property.once(&mut slots.maximum_qos, qos)
        }
        Property::RetainAvailable => property.read_flag(reader, &mut slots.retain_available),
        Property::MaximumPacketSize => property.read_nonzero_u32(reader, &mut slots.maximum_packet_size),
        Property::AssignedClientId => property.read_text(reader, &mut slots.assigned_client_id),
        Property::TopicAliasMaximum => property.read_u16(reader, &mut slots.topic_alias_maximum),
        Property::ReasonString => property.read_text(reader, &mut slots.reason_string),
        Property::UserProperty => read_user_property(reader, &mut slots.user_properties),
        Property::WildcardSubscriptionAvailable => {
            property.read_flag(reader, &mut slots.wildcard_subscription_available)
        }
        Property::SubscriptionIdsAvailable => {
            property.read_flag(reader, &mut slots.subscription_ids_available)
        }
        Property::SharedSubscriptionAvailable => {
            property.read_flag(reader, &mut slots.shared_subscription_available)
        }
        Property::ServerKeepAlive => property.read_u16(reader, &mut slots.server_keep_alive_secs),
        Property::ResponseInformation => property.read_text(reader, &mut slots.response_information),
        Property::ServerReference => property.read_text(reader, &mut slots.server_reference),
        Property::AuthenticationMethod => property.read_text(reader, &mut slots.authentication_method),
        Property::AuthenticationData => property.read_secret(reader, &mut slots.authentication_data),
        _ => Ok(false),
    }
}

pub(crate) const fn check(connack: &ConnAck) -> Result<(), EncodeError> {
    let properties = &connack.properties;
    if properties.authentication_data.is_some() && properties.authentication_method.is_none() {
        return Err(EncodeError::AuthMethodMissing);
    }
    Ok(())
}

pub(crate) fn write(w: &mut Writer<'_>, connack: &ConnAck, keep: Keep) {
    w.u8(u8::from(connack.session_present.unwrap_or(false)));
    w.u8(connack.reason.as_u8());
    w.section(|w| write_properties(w, &connack.properties, keep));
}

fn write_properties(w: &mut Writer<'_>, properties: &ConnAckProperties, keep: Keep) {
    let flag = |flag: Option<bool>| flag.map(u8::from);
    w.property_u32(Property::SessionExpiry, properties.session_expiry_secs);
    w.property_u16(Property::ReceiveMaximum, properties.receive_maximum.map(NonZeroU16::get));
    // A maximum of 2 has no form on the wire: it is what the absence means.
    let limited = properties.maximum_qos.filter(|&qos| qos != QoS::ExactlyOnce);
    w.property_u8(Property::MaximumQoS, limited.map(QoS::as_u8));
    w.property_u8(Property::RetainAvailable, flag(properties.retain_available));
    w.property_u32(Property::MaximumPacketSize, properties.maximum_packet_size.map(NonZeroU32::get));
    w.property_text(Property::AssignedClientId, properties.assigned_client_id.as_ref());
    w.property_u16(Property::TopicAliasMaximum, properties.topic_alias_maximum);
    w.property_text(Property::ReasonString, keep.reason_string(&properties.reason_string));
    w.user_properties(keep.user_properties(&properties.user_properties));
    w.property_u8(Property::WildcardSubscriptionAvailable, flag(properties.wildcard_subscription_available));
    w.property_u8(Property::SubscriptionIdsAvailable, flag(properties.subscription_ids_available));
    w.property_u8(Property::SharedSubscriptionAvailable, flag(properties.shared_subscription_available));
    w.property_u16(Property::ServerKeepAlive, properties.server_keep_alive_secs);
    w.property_text(Property::ResponseInformation, properties.response_information.as_ref());
    w.property_text(Property::ServerReference, properties.server_reference.as_ref());
    w.property_text(Property::AuthenticationMethod, properties.authentication_method.as_ref());
    w.property_binary(
        Property::AuthenticationData,
        properties.authentication_data.as_ref().map(|Secret(bytes)| bytes),
    );
}
