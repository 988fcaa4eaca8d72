//! SUBSCRIBE and UNSUBSCRIBE, as a server checks them.

use bowline_proto::codec::DecodeErrorKind as Kind;
use bowline_proto::types::{TextError, TopicError};
use bowline_proto::{ReasonCode, Role};

use super::{client_5, older};

const MALFORMED: ReasonCode = ReasonCode::MalformedPacket;
const PROTOCOL: ReasonCode = ReasonCode::ProtocolError;

// [MQTT-3.8.3-2] [MQTT-3.8.3-3 of 3.1.1]
#[test]
fn subscribe_without_filters_is_refused() {
    client_5("82 03 0001 00", Kind::EmptyList { field: "subscriptions" }, PROTOCOL);
    older(Role::Client, "82 02 0001", Kind::EmptyList { field: "subscriptions" }, PROTOCOL);
}

// [MQTT-3.10.3-2] [MQTT-3.10.3-2 of 3.1.1]
#[test]
fn unsubscribe_without_filters_is_refused() {
    client_5("A2 03 0001 00", Kind::EmptyList { field: "topic filters" }, PROTOCOL);
    older(Role::Client, "A2 02 0001", Kind::EmptyList { field: "topic filters" }, PROTOCOL);
}

// [MQTT-3.8.3-5]
#[test]
fn reserved_option_bits_are_refused() {
    for value in [0x40, 0x80, 0xC1] {
        let kind = Kind::BadBits { field: "subscription options", value };
        client_5(&format!("82 07 0001 00 0001'a' {value:02X}"), kind, MALFORMED);
    }
}

// [MQTT-3.8.3-4 of 3.1.1]
#[test]
fn the_older_versions_have_no_option_but_the_qos() {
    for value in [3, 4, 0x81] {
        let kind = Kind::BadBits { field: "requested QoS", value };
        older(Role::Client, &format!("82 06 0001 0001'a' {value:02X}"), kind, MALFORMED);
    }
}

#[test]
fn a_requested_qos_of_3_is_refused() {
    let kind = Kind::ForbiddenValue { field: "maximum QoS", value: 3 };
    client_5("82 07 0001 00 0001'a' 03", kind, PROTOCOL);
}

// [MQTT-3.3.1-11]
#[test]
fn retain_handling_3_is_refused() {
    let kind = Kind::ForbiddenValue { field: "retain handling", value: 3 };
    client_5("82 07 0001 00 0001'a' 30", kind, PROTOCOL);
}

// [MQTT-3.8.3-4]
#[test]
fn no_local_on_a_shared_subscription_is_refused() {
    client_5("82 0F 0001 00 0009'$share/gx'04", bad_share(), ReasonCode::TopicFilterInvalid);
    client_5("82 10 0001 00 000A'$share/g/x'04", Kind::NoLocalOnShared, PROTOCOL);
}

fn bad_share() -> Kind {
    Kind::TopicFilter { error: TopicError::BadShare }
}

// [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.3-1] [MQTT-4.8.2-1] [MQTT-4.8.2-2]
#[test]
fn a_bad_filter_is_refused() {
    let misplaced = |offset| TopicError::MisplacedWildcard { offset };
    let cases = [
        ("", TopicError::Empty),
        ("a/#/b", misplaced(2)),
        ("a#", misplaced(1)),
        ("a+/b", misplaced(1)),
        ("$share//a", TopicError::BadShare),
        ("$share/g", TopicError::BadShare),
        ("$share/g+/a", TopicError::BadShare),
        ("$share/g/", TopicError::BadShare),
    ];
    for (filter, error) in cases {
        let (bytes, kind) = (filter.len(), Kind::TopicFilter { error });
        let text = format!("82 {:02X} 0001 00 {bytes:04X}'{filter}' 00", bytes + 6);
        client_5(&text, kind, ReasonCode::TopicFilterInvalid);
        let text = format!("A2 {:02X} 0001 {bytes:04X}'{filter}'", bytes + 4);
        older(Role::Client, &text, kind, ReasonCode::TopicFilterInvalid);
    }
}

// [MQTT-3.8.3-1] [MQTT-3.10.3-1] [MQTT-3.8.3-1 of 3.1.1] [MQTT-3.10.3-1 of 3.1.1]
#[test]
fn a_filter_that_is_no_string_is_refused() {
    let kind = Kind::TopicFilter { error: TopicError::Text(TextError::Nul { offset: 1 }) };
    client_5("82 08 0001 00 0002'a'00 00", kind, MALFORMED);
    older(Role::Client, "A2 06 0001 0002'a'00", kind, MALFORMED);
}
