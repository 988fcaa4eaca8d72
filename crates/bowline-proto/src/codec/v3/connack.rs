//! CONNACK of 3.1 and 3.1.1: a flag, which 3.1 does not have yet, and a return code.

use crate::codec::error::{DecodeErrorKind, EncodeError};
use crate::codec::reader::{Decoded, Reader};
use crate::codec::v3::refuse;
use crate::codec::writer::Writer;
use crate::packet::{ConnAck, ConnAckProperties};
use crate::reason::ReasonCode;
use crate::version::Version;

pub(crate) fn read(reader: &mut Reader<'_>, version: Version) -> Decoded<ConnAck> {
    let flags = reader.u8("acknowledge flags")?;
    let code = reader.u8("return code")?;
    let session_present = match (version.rules().has_session_present, flags) {
        (false, _) => None,
        (true, 0 | 1) => Some(flags == 1),
        (true, _) => return Err(DecodeErrorKind::BadBits { field: "acknowledge flags", value: flags }),
    };
    // [MQTT-3.2.2-6 of 3.1.1]
    let reason =
        ReasonCode::from_connect_return_code(code).ok_or(DecodeErrorKind::ReasonNotAllowed { code })?;
    Ok(ConnAck { session_present, reason, properties: ConnAckProperties::default() })
}

/// Limits and the like have no place here. What is only for people is left out.
pub(crate) fn check(connack: &ConnAck) -> Result<(), EncodeError> {
    let properties = &connack.properties;
    refuse(&[
        (properties.session_expiry_secs.is_some(), "a session expiry interval"),
        (properties.receive_maximum.is_some(), "a receive maximum"),
        (properties.maximum_qos.is_some(), "a maximum QoS"),
        (properties.retain_available.is_some(), "retain available"),
        (properties.maximum_packet_size.is_some(), "a maximum packet size"),
        (properties.assigned_client_id.is_some(), "an assigned client identifier"),
        (properties.topic_alias_maximum.is_some(), "a topic alias maximum"),
        (properties.wildcard_subscription_available.is_some(), "wildcard subscription available"),
        (properties.subscription_ids_available.is_some(), "subscription identifiers available"),
        (properties.shared_subscription_available.is_some(), "shared subscription available"),
        (properties.server_keep_alive_secs.is_some(), "a server keep alive"),
        (properties.response_information.is_some(), "response information"),
        (properties.server_reference.is_some(), "a server reference"),
        (properties.authentication_method.is_some(), "an authentication method"),
        (properties.authentication_data.is_some(), "authentication data"),
    ])
}

pub(crate) fn write(w: &mut Writer<'_>, connack: &ConnAck) {
    w.u8(u8::from(connack.session_present.unwrap_or(false)));
    w.u8(connack.reason.as_connect_return_code());
}
