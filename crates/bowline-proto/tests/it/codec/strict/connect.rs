//! CONNECT, CONNACK, DISCONNECT and AUTH.

use bowline_proto::codec::DecodeErrorKind as Kind;
use bowline_proto::types::{TextError, TopicError};
use bowline_proto::{ReasonCode, Role, Version};

use super::{client_5, first, older, server_5};
use crate::codec::{hex, refused};

const MALFORMED: ReasonCode = ReasonCode::MalformedPacket;
const PROTOCOL: ReasonCode = ReasonCode::ProtocolError;

// [MQTT-3.1.2-1] [MQTT-3.1.2-1 of 3.1.1]
#[test]
fn another_protocol_name_is_refused() {
    let reason = ReasonCode::UnsupportedProtocolVersion;
    first("10 0D 0004'MQTX' 04 02 0000 0001'c'", Kind::UnsupportedProtocolName, reason);
    first("10 0D 0004'mqtt' 05 02 0000 00 0000", Kind::UnsupportedProtocolName, reason);
}

// [MQTT-3.1.2-2] [MQTT-3.1.2-2 of 3.1.1]
#[test]
fn another_protocol_level_is_refused() {
    let reason = ReasonCode::UnsupportedProtocolVersion;
    for (name, level) in [("0004'MQTT'", 3), ("0004'MQTT'", 6), ("0006'MQIsdp'", 4), ("0004'MQTT'", 0x84)] {
        let body = format!("{name} {level:02X} 02 0000 0001'c'");
        let text = format!("10 {:02X} {body}", hex(&body).len());
        first(&text, Kind::UnsupportedProtocolLevel { level }, reason);
    }
}

// [MQTT-3.1.2-3] [MQTT-3.1.2-3 of 3.1.1]
#[test]
fn the_reserved_connect_flag_is_refused() {
    let kind = Kind::BadBits { field: "connect flags", value: 3 };
    first("10 0D 0004'MQTT' 05 03 0000 00 0000", kind, MALFORMED);
    first("10 0D 0004'MQTT' 04 03 0000 0001'c'", kind, MALFORMED);
}

// [MQTT-3.1.2-11] [MQTT-3.1.2-13] [MQTT-3.1.2-13 of 3.1.1] [MQTT-3.1.2-15 of 3.1.1]
#[test]
fn will_bits_without_a_will_are_refused() {
    for value in [0x0A, 0x12, 0x22] {
        let kind = Kind::BadBits { field: "connect flags", value };
        first(&format!("10 0D 0004'MQTT' 05 {value:02X} 0000 00 0000"), kind, MALFORMED);
        first(&format!("10 0D 0004'MQTT' 04 {value:02X} 0000 0001'c'"), kind, MALFORMED);
    }
}

// [MQTT-3.1.2-12] [MQTT-3.1.2-14 of 3.1.1]
#[test]
fn a_will_of_qos_3_is_refused() {
    let kind = Kind::BadBits { field: "connect flags", value: 0x1E };
    first("10 13 0004'MQTT' 05 1E 0000 00 0000 00 0001'w' 0000", kind, MALFORMED);
    first("10 12 0004'MQTT' 04 1E 0000 0001'c' 0001'w' 0000", kind, MALFORMED);
}

// [MQTT-3.1.2-22 of 3.1.1]
#[test]
fn a_password_needs_a_user_name_before_5_0() {
    let kind = Kind::BadBits { field: "connect flags", value: 0x42 };
    first("10 10 0004'MQTT' 04 42 0000 0001'c' 0001'p'", kind, MALFORMED);
    first("10 12 0006'MQIsdp' 03 42 0000 0001'c' 0001'p'", kind, MALFORMED);
}

// [MQTT-3.1.3-11] [MQTT-3.1.3-10 of 3.1.1]
#[test]
fn a_will_topic_is_a_topic_name() {
    let bad = |error| Kind::TopicName { field: "will topic", error };
    let invalid = ReasonCode::TopicNameInvalid;
    let wildcard = bad(TopicError::WildcardInName { offset: 0 });
    first("10 13 0004'MQTT' 05 06 0000 00 0000 00 0001'#' 0000", wildcard, invalid);
    first("10 12 0004'MQTT' 04 06 0000 0001'c' 0001'+' 0000", wildcard, invalid);
    first("10 12 0004'MQTT' 05 06 0000 00 0000 00 0000 0000", bad(TopicError::Empty), invalid);
}

// [MQTT-3.1.3-4] [MQTT-3.1.3-12] [MQTT-1.5.4-1] [MQTT-1.5.4-2]
#[test]
fn client_identifier_and_user_name_are_strings() {
    let text = |field, error| Kind::Text { field, error };
    let nul = text("client identifier", TextError::Nul { offset: 1 });
    first("10 0F 0004'MQTT' 05 02 0000 00 0002'a'00", nul, MALFORMED);
    let not_utf8 = text("user name", TextError::NotUtf8 { offset: 0 });
    first("10 10 0004'MQTT' 05 82 0000 00 0000 0001 FF", not_utf8, MALFORMED);
}

#[test]
fn authentication_data_needs_a_method() {
    first("10 11 0004'MQTT' 05 02 0000 04 16 0001 00 0000", Kind::AuthMethodMissing, PROTOCOL);
    server_5("20 07 00 00 04 16 0001 00", Kind::AuthMethodMissing, PROTOCOL);
}

// [MQTT-3.2.2-1]
#[test]
fn reserved_acknowledge_flags_are_refused() {
    let kind = Kind::BadBits { field: "acknowledge flags", value: 2 };
    server_5("20 03 02 00 00", kind, MALFORMED);
    assert_eq!(refused(Version::V3_1_1, Role::Server, "20 02 02 00"), (kind, MALFORMED));
}

// [MQTT-3.2.2-8] [MQTT-3.2.2-6 of 3.1.1]
#[test]
fn an_unlisted_connect_code_is_refused() {
    for code in [0x01, 0x10, 0x8B, 0x91, 0xFF] {
        server_5(&format!("20 03 00 {code:02X} 00"), Kind::ReasonNotAllowed { code }, PROTOCOL);
    }
    for code in [6, 0x80, 0xFF] {
        older(Role::Server, &format!("20 02 00 {code:02X}"), Kind::ReasonNotAllowed { code }, PROTOCOL);
    }
}

// [MQTT-3.2.2-9]
#[test]
fn a_maximum_qos_of_2_is_refused() {
    for value in [2, 3] {
        let kind = Kind::ForbiddenValue { field: "maximum QoS", value };
        server_5(&format!("20 05 00 00 02 24 {value:02X}"), kind, PROTOCOL);
    }
}

// [MQTT-3.14.2-1]
#[test]
fn a_disconnect_reason_is_for_one_side_only() {
    server_5("E0 01 04", Kind::ReasonNotAllowed { code: 0x04 }, PROTOCOL);
    client_5("E0 01 8B", Kind::ReasonNotAllowed { code: 0x8B }, PROTOCOL);
    client_5("E0 01 10", Kind::ReasonNotAllowed { code: 0x10 }, PROTOCOL);
}

// [MQTT-3.14.2-2]
#[test]
fn a_server_may_not_change_the_session_expiry_at_the_end() {
    let (property, sender) = ("session expiry interval", Role::Server);
    server_5("E0 07 00 05 11 00000001", Kind::PropertyFromWrongSide { property, sender }, PROTOCOL);
}

#[test]
fn a_client_may_not_send_anyone_elsewhere() {
    let (property, sender) = ("server reference", Role::Client);
    client_5("E0 06 00 04 1C 0001'x'", Kind::PropertyFromWrongSide { property, sender }, PROTOCOL);
}

// [MQTT-3.15.2-1]
#[test]
fn an_auth_reason_is_for_one_side_only() {
    server_5("F0 06 19 04 15 0001'm'", Kind::ReasonNotAllowed { code: 0x19 }, PROTOCOL);
    client_5("F0 06 00 04 15 0001'm'", Kind::ReasonNotAllowed { code: 0 }, PROTOCOL);
    client_5("F0 00", Kind::ReasonNotAllowed { code: 0 }, PROTOCOL);
}

// [MQTT-4.12.0-5]
#[test]
fn auth_needs_a_method_unless_it_is_short() {
    server_5("F0 02 00 00", Kind::AuthMethodMissing, PROTOCOL);
    server_5("F0 06 18 04 16 0001 00", Kind::AuthMethodMissing, PROTOCOL);
    let kind = Kind::Truncated { field: "property length", wanted: 1, left: 0 };
    server_5("F0 01 18", kind, MALFORMED);
}
