//! The groups of properties that MQTT 5.0 packets have.

use bowline_proto::packet::{
    AckProperties, ConnAckProperties, ConnectProperties, DisconnectProperties, Secret,
};
use bowline_proto::types::{MessageProperties, PayloadFormat};
use bowline_proto::{QoS, Role, Text};
use proptest::option::of;
use proptest::prelude::*;

use super::{bytes, nonzero_u16, nonzero_u32, secret, text, topic, user_properties};

/// None if nothing is set, as a decoder makes it.
pub(crate) fn content() -> impl Strategy<Value = Option<Box<MessageProperties>>> {
    let format = prop_oneof![Just(PayloadFormat::Unspecified), Just(PayloadFormat::Utf8)];
    let parts = (of(format), of(any::<u32>()), of(text()), of(topic()), of(bytes()), user_properties());
    let all = parts.prop_map(|(format, expiry, content_type, response, correlation, user)| {
        let mut properties = MessageProperties::default();
        properties.payload_format = format;
        properties.expiry_secs = expiry;
        properties.content_type = content_type;
        properties.response_topic = response;
        properties.correlation_data = correlation;
        properties.user_properties = user;
        (!properties.is_empty()).then(|| Box::new(properties))
    });
    prop_oneof![1 => Just(None), 2 => all]
}

pub(crate) fn ack() -> impl Strategy<Value = AckProperties> {
    (of(text()), user_properties())
        .prop_map(|(reason_string, user_properties)| AckProperties { reason_string, user_properties })
}

/// Method and data: the data only with a method.
fn authentication() -> impl Strategy<Value = (Option<Text>, Option<Secret>)> {
    of((text(), of(secret()))).prop_map(|both| match both {
        Some((method, data)) => (Some(method), data),
        None => (None, None),
    })
}

pub(crate) fn connect() -> impl Strategy<Value = ConnectProperties> {
    let limits = (of(any::<u32>()), of(nonzero_u16()), of(nonzero_u32()), of(any::<u16>()));
    let requests = (of(any::<bool>()), of(any::<bool>()));
    (limits, requests, user_properties(), authentication()).prop_map(
        |((expiry, receive, packet, alias), (response, problem), user_properties, (method, data))| {
            ConnectProperties {
                session_expiry_secs: expiry,
                receive_maximum: receive,
                maximum_packet_size: packet,
                topic_alias_maximum: alias,
                request_response_information: response,
                request_problem_information: problem,
                user_properties,
                authentication_method: method,
                authentication_data: data,
            }
        },
    )
}

pub(crate) fn connack() -> impl Strategy<Value = ConnAckProperties> {
    let qos = prop_oneof![Just(QoS::AtMostOnce), Just(QoS::AtLeastOnce)];
    let limits =
        (of(any::<u32>()), of(nonzero_u16()), of(qos), of(nonzero_u32()), of(any::<u16>()), of(any::<u16>()));
    let flags = (of(any::<bool>()), of(any::<bool>()), of(any::<bool>()), of(any::<bool>()));
    let texts = (of(text()), ack(), of(text()), of(text()));
    (limits, flags, texts, authentication()).prop_map(|(limits, flags, texts, (method, data))| {
        let (session_expiry_secs, receive_maximum, maximum_qos, maximum_packet_size, alias, keep_alive) =
            limits;
        let (retain, wildcard, ids, shared) = flags;
        let (assigned_client_id, told, response_information, server_reference) = texts;
        ConnAckProperties {
            session_expiry_secs,
            receive_maximum,
            maximum_qos,
            retain_available: retain,
            maximum_packet_size,
            assigned_client_id,
            topic_alias_maximum: alias,
            reason_string: told.reason_string,
            user_properties: told.user_properties,
            wildcard_subscription_available: wildcard,
            subscription_ids_available: ids,
            shared_subscription_available: shared,
            server_keep_alive_secs: keep_alive,
            response_information,
            server_reference,
            authentication_method: method,
            authentication_data: data,
        }
    })
}

/// None if nothing is set, as a decoder makes it; and only what this side may send.
pub(crate) fn disconnect(sender: Role) -> impl Strategy<Value = Option<Box<DisconnectProperties>>> {
    (of(any::<u32>()), ack(), of(text())).prop_map(move |(expiry, told, reference)| {
        let properties = DisconnectProperties {
            session_expiry_secs: expiry.filter(|_| sender == Role::Client),
            reason_string: told.reason_string,
            user_properties: told.user_properties,
            server_reference: reference.filter(|_| sender == Role::Server),
        };
        (properties != DisconnectProperties::default()).then(|| Box::new(properties))
    })
}
