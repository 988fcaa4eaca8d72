//! DISCONNECT of 5.0 (section 3.14), with its short forms.

use alloc::boxed::Box;

use crate::codec::error::{DecodeErrorKind, EncodeError};
use crate::codec::keep::Keep;
use crate::codec::reader::{Decoded, Reader};
use crate::codec::v5::properties::{Property, read_each, read_user_property};
use crate::codec::v5::read_reason;
use crate::codec::writer::Writer;
use crate::packet::{Disconnect, DisconnectProperties, PacketType};
use crate::reason::{ReasonCode, Role};

pub(crate) fn read(reader: &mut Reader<'_>, sender: Role) -> Decoded<Disconnect> {
    if reader.left() == 0 {
        return Ok(Disconnect::new(ReasonCode::Success));
    }
    let reason = read_reason(reader, PacketType::Disconnect, sender)?;
    let mut disconnect = Disconnect::new(reason);
    if reader.left() > 0 {
        let properties = read_properties(reader, sender)?;
        disconnect.properties = (properties != DisconnectProperties::default()).then(|| Box::new(properties));
    }
    Ok(disconnect)
}

fn read_properties(reader: &mut Reader<'_>, sender: Role) -> Decoded<DisconnectProperties> {
    let mut slots = DisconnectProperties::default();
    read_each(reader, |property, reader| match property {
        // [MQTT-3.14.2-2]
        Property::SessionExpiry if sender == Role::Server => {
            Err(DecodeErrorKind::PropertyFromWrongSide { property: property.name(), sender })
        }
        Property::SessionExpiry => property.read_u32(reader, &mut slots.session_expiry_secs),
        Property::ReasonString => property.read_text(reader, &mut slots.reason_string),
        Property::UserProperty => read_user_property(reader, &mut slots.user_properties),
        Property::ServerReference if sender == Role::Client => {
            Err(DecodeErrorKind::PropertyFromWrongSide { property: property.name(), sender })
        }
        Property::ServerReference => property.read_text(reader, &mut slots.server_reference),
        _ => Ok(false),
    })?;
    Ok(slots)
}

pub(crate) fn check(disconnect: &Disconnect, sender: Role) -> Result<(), EncodeError> {
    let Some(properties) = &disconnect.properties else { return Ok(()) };
    // [MQTT-3.14.2-2]
    let (property, is_set) = match sender {
        Role::Server => (Property::SessionExpiry, properties.session_expiry_secs.is_some()),
        Role::Client => (Property::ServerReference, properties.server_reference.is_some()),
    };
    if is_set {
        return Err(EncodeError::PropertyFromWrongSide { property: property.name(), sender });
    }
    Ok(())
}

pub(crate) fn write(w: &mut Writer<'_>, disconnect: &Disconnect, keep: Keep) {
    let properties = disconnect.properties.as_deref().filter(|properties| has_any(properties, keep));
    if disconnect.reason != ReasonCode::Success || properties.is_some() {
        w.u8(disconnect.reason.as_u8());
    }
    if let Some(properties) = properties {
        w.section(|w| {
            w.property_u32(Property::SessionExpiry, properties.session_expiry_secs);
            w.property_text(Property::ReasonString, keep.reason_string(&properties.reason_string));
            w.user_properties(keep.user_properties(&properties.user_properties));
            w.property_text(Property::ServerReference, properties.server_reference.as_ref());
        });
    }
}

fn has_any(properties: &DisconnectProperties, keep: Keep) -> bool {
    properties.session_expiry_secs.is_some()
        || keep.reason_string(&properties.reason_string).is_some()
        || !keep.user_properties(&properties.user_properties).is_empty()
        || properties.server_reference.is_some()
}
