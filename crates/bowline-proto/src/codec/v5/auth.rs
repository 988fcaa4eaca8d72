//! AUTH of 5.0 (section 3.15), with its short form.

use crate::codec::error::{DecodeErrorKind, EncodeError};
use crate::codec::keep::Keep;
use crate::codec::reader::{Decoded, Reader};
use crate::codec::v5::properties::{Property, read_each, read_user_property};
use crate::codec::v5::read_reason;
use crate::codec::writer::Writer;
use crate::packet::{Auth, PacketType, Secret};
use crate::reason::{ReasonCode, Role};
use crate::types::UserProperties;

pub(crate) fn read(reader: &mut Reader<'_>, sender: Role) -> Decoded<Auth> {
    let mut auth = Auth {
        reason: ReasonCode::Success,
        method: None,
        data: None,
        reason_string: None,
        user_properties: UserProperties::new(),
    };
    if reader.left() == 0 {
        // The short form says success, which is not for every sender to say.
        return if sender == Role::Server {
            Ok(auth)
        } else {
            Err(DecodeErrorKind::ReasonNotAllowed { code: ReasonCode::Success.as_u8() })
        };
    }
    auth.reason = read_reason(reader, PacketType::Auth, sender)?;
    read_each(reader, |property, reader| match property {
        Property::AuthenticationMethod => property.read_text(reader, &mut auth.method),
        Property::AuthenticationData => property.read_secret(reader, &mut auth.data),
        Property::ReasonString => property.read_text(reader, &mut auth.reason_string),
        Property::UserProperty => read_user_property(reader, &mut auth.user_properties),
        _ => Ok(false),
    })?;
    // [MQTT-4.12.0-5]
    if auth.method.is_none() {
        return Err(DecodeErrorKind::AuthMethodMissing);
    }
    Ok(auth)
}

pub(crate) fn check(auth: &Auth) -> Result<(), EncodeError> {
    // [MQTT-4.12.0-5]
    if auth.method.is_none() && !is_short(auth) {
        return Err(EncodeError::AuthMethodMissing);
    }
    Ok(())
}

pub(crate) fn write(w: &mut Writer<'_>, auth: &Auth, keep: Keep) {
    if is_short(auth) {
        return;
    }
    w.u8(auth.reason.as_u8());
    w.section(|w| {
        w.property_text(Property::AuthenticationMethod, auth.method.as_ref());
        w.property_binary(Property::AuthenticationData, auth.data.as_ref().map(|Secret(bytes)| bytes));
        w.property_text(Property::ReasonString, keep.reason_string(&auth.reason_string));
        w.user_properties(keep.user_properties(&auth.user_properties));
    });
}

fn is_short(auth: &Auth) -> bool {
    auth.reason == ReasonCode::Success
        && auth.method.is_none()
        && auth.data.is_none()
        && auth.reason_string.is_none()
        && auth.user_properties.is_empty()
}
