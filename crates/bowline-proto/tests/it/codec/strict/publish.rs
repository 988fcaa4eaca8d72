//! PUBLISH.

use bowline_proto::codec::DecodeErrorKind as Kind;
use bowline_proto::types::{TextError, TopicError};
use bowline_proto::{ReasonCode, Role, Version};

use super::{client_5, older, server_5};
use crate::codec::{decoded, hex, refused};

const MALFORMED: ReasonCode = ReasonCode::MalformedPacket;
const PROTOCOL: ReasonCode = ReasonCode::ProtocolError;

// [MQTT-3.3.1-4] [MQTT-3.3.1-4 of 3.1.1]
#[test]
fn qos_3_is_refused() {
    let kind = |value| Kind::BadBits { field: "QoS 3 in the flags", value };
    server_5("36 06 0001'a' 0001 00", kind(0x6), MALFORMED);
    older(Role::Server, "3F 05 0001'a' 0001", kind(0xF), MALFORMED);
}

// [MQTT-3.3.1-2] [MQTT-3.3.1-2 of 3.1.1]
#[test]
fn dup_on_qos_0_is_refused_from_3_1_1_on() {
    let kind = Kind::BadBits { field: "DUP flag on QoS 0", value: 8 };
    server_5("38 04 0001'a' 00", kind, MALFORMED);
    assert_eq!(refused(Version::V3_1_1, Role::Server, "38 03 0001'a'"), (kind, MALFORMED));
    decoded(Version::V3_1, Role::Server, &hex("38 03 0001'a'")).expect("3.1 does not forbid it");
}

// [MQTT-2.2.1-3] [MQTT-2.2.1-4] [MQTT-2.3.1-1 of 3.1.1]
#[test]
fn packet_identifier_0_is_refused() {
    server_5("32 06 0001'a' 0000 00", Kind::PacketIdZero, PROTOCOL);
    older(Role::Server, "34 05 0001'a' 0000", Kind::PacketIdZero, PROTOCOL);
    server_5("40 02 0000", Kind::PacketIdZero, PROTOCOL);
    client_5("82 07 0000 00 0001'a' 00", Kind::PacketIdZero, PROTOCOL);
}

// [MQTT-3.3.2-2] [MQTT-4.7.0-1] [MQTT-3.3.2-2 of 3.1.1] [MQTT-4.7.1-1 of 3.1.1]
#[test]
fn a_topic_name_with_a_wildcard_is_refused() {
    let topics =
        [("+", 0), ("a/b/c/d/e/#", 10), ("1234567#", 7), ("12345678+", 8), ("1234+678", 4), ("ä+", 2)];
    for (topic, offset) in topics {
        let field = "topic name";
        let kind = Kind::TopicName { field, error: TopicError::WildcardInName { offset } };
        let bytes = topic.len();
        let text = format!("30 {:02X} {bytes:04X}'{topic}' 00", bytes + 3);
        server_5(&text, kind, ReasonCode::TopicNameInvalid);
        let text = format!("30 {:02X} {bytes:04X}'{topic}'", bytes + 2);
        older(Role::Server, &text, kind, ReasonCode::TopicNameInvalid);
    }
}

// [MQTT-1.5.4-1] [MQTT-1.5.4-2] [MQTT-4.7.3-2] [MQTT-1.5.3-1 of 3.1.1] [MQTT-1.5.3-2 of 3.1.1]
#[test]
fn a_topic_name_that_is_no_string_is_refused() {
    let cases = [
        ("00", TextError::Nul { offset: 0 }),
        ("'a/b/c/d'00", TextError::Nul { offset: 7 }),
        ("'12345678'00", TextError::Nul { offset: 8 }),
        ("'ab'FF", TextError::NotUtf8 { offset: 2 }),
        ("'a'EDA080", TextError::NotUtf8 { offset: 1 }),
        ("C080", TextError::NotUtf8 { offset: 0 }),
    ];
    for (topic, error) in cases {
        let kind = Kind::TopicName { field: "topic name", error: TopicError::Text(error) };
        let bytes = hex(topic).len();
        server_5(&format!("30 {:02X} {bytes:04X}{topic} 00", bytes + 3), kind, MALFORMED);
        older(Role::Server, &format!("30 {:02X} {bytes:04X}{topic}", bytes + 2), kind, MALFORMED);
    }
}

// [MQTT-1.5.4-3] [MQTT-1.5.3-3 of 3.1.1]
#[test]
fn a_byte_order_mark_stays_in_the_topic() {
    let packet = decoded(Version::V5, Role::Server, &hex("30 07 0004 EFBBBF'a' 00")).expect("legal");
    let bowline_proto::packet::Packet::Publish(publish) = packet else { panic!("PUBLISH") };
    assert_eq!(publish.topic.expect("it has one").as_bytes(), &hex("EFBBBF'a'"));
}

// [MQTT-3.3.2-1] [MQTT-4.7.3-1] [MQTT-4.7.3-1 of 3.1.1]
#[test]
fn an_empty_topic_name_needs_an_alias() {
    server_5("30 03 0000 00", Kind::TopicMissing, PROTOCOL);
    older(Role::Server, "30 02 0000", Kind::TopicMissing, PROTOCOL);
}

// [MQTT-3.3.2-8]
#[test]
fn topic_alias_0_is_refused() {
    server_5("30 07 0001'a' 03 23 0000", Kind::TopicAliasZero, ReasonCode::TopicAliasInvalid);
}

// [MQTT-3.3.4-6]
#[test]
fn a_client_may_not_send_subscription_identifiers() {
    let (property, sender) = ("subscription identifier", Role::Client);
    client_5("30 06 0001'a' 02 0B 01", Kind::PropertyFromWrongSide { property, sender }, PROTOCOL);
}

// [MQTT-3.3.2-13] [MQTT-3.3.2-14]
#[test]
fn a_response_topic_is_a_topic_name() {
    let kind = |error| Kind::ResponseTopic { error };
    let wildcard = kind(TopicError::WildcardInName { offset: 0 });
    server_5("30 08 0001'a' 04 08 0001'#'", wildcard, PROTOCOL);
    server_5("30 07 0001'a' 03 08 0000", kind(TopicError::Empty), PROTOCOL);
    let not_utf8 = kind(TopicError::Text(TextError::NotUtf8 { offset: 0 }));
    server_5("30 08 0001'a' 04 08 0001 FF", not_utf8, MALFORMED);
}
