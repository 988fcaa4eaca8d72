//! Properties: which packet they belong to, how often, and with which values.

use bowline_proto::codec::DecodeErrorKind as Kind;
use bowline_proto::types::TextError;
use bowline_proto::{ReasonCode, Role, Version};

use super::{client_5, first, server_5};
use crate::codec::{decoded, hex};

const MALFORMED: ReasonCode = ReasonCode::MalformedPacket;
const PROTOCOL: ReasonCode = ReasonCode::ProtocolError;

/// Every property with a legal value, and which of the packets below it belongs into.
const PROPERTIES: [(&str, &str); 27] = [
    ("01 01", "publish will"),
    ("02 00000001", "publish will"),
    ("03 0001'c'", "publish will"),
    ("08 0001'r'", "publish will"),
    ("09 0001 00", "publish will"),
    ("0B 01", "publish subscribe"),
    ("11 00000001", "connect connack disconnect"),
    ("12 0001'i'", "connack"),
    ("13 0001", "connack"),
    ("15 0001'm'", "connect connack auth"),
    ("16 0001 00", "connect connack auth"),
    ("17 01", "connect"),
    ("18 00000001", "will"),
    ("19 01", "connect"),
    ("1A 0001'r'", "connack"),
    ("1C 0001's'", "connack disconnect"),
    ("1F 0001's'", "connack puback pubrec pubrel pubcomp suback unsuback disconnect auth"),
    ("21 0001", "connect connack"),
    ("22 0001", "connect connack"),
    ("23 0001", "publish"),
    ("24 01", "connack"),
    ("25 01", "connack"),
    ("26 0001'n' 0001'v'", "all"),
    ("27 00000001", "connect connack"),
    ("28 01", "connack"),
    ("29 01", "connack"),
    ("2A 01", "connack"),
];

/// Packets with a place for properties: who sends them, the first byte, and what stands before and behind.
const PLACES: [(&str, Role, &str, &str, &str); 14] = [
    ("connect", Role::Client, "10", "0004'MQTT' 05 02 0000", "0000"),
    ("will", Role::Client, "10", "0004'MQTT' 05 06 0000 00 0000", "0001'w' 0000"),
    ("connack", Role::Server, "20", "00 00", ""),
    ("publish", Role::Server, "30", "0001'a'", ""),
    ("puback", Role::Server, "40", "0001 00", ""),
    ("pubrec", Role::Server, "50", "0001 00", ""),
    ("pubrel", Role::Server, "62", "0001 00", ""),
    ("pubcomp", Role::Server, "70", "0001 00", ""),
    ("subscribe", Role::Client, "82", "0001", "0001'a' 00"),
    ("suback", Role::Server, "90", "0001", "00"),
    ("unsubscribe", Role::Client, "A2", "0001", "0001'a'"),
    ("unsuback", Role::Server, "B0", "0001", "00"),
    ("disconnect", Role::Server, "E0", "00", ""),
    ("auth", Role::Server, "F0", "18", ""),
];

/// A packet with these properties in it.
fn packet(place: usize, properties: &[&str]) -> (Role, String) {
    let (name, sender, first, before, after) = PLACES[place];
    let mut properties = properties.concat();
    let is_there = |id: &str| properties.split_whitespace().next() == Some(id);
    // Method and data come together, and AUTH always has a method.
    if is_there("16") || (name == "auth" && !is_there("15")) {
        properties.push_str("15 0001'm'");
    }
    let body = format!("{before} {:02X} {properties} {after}", hex(&properties).len());
    (sender, format!("{first} {:02X} {body}", hex(&body).len()))
}

fn check(place: usize, properties: &[&str], expected: Result<(), Kind>) {
    let (sender, text) = packet(place, properties);
    let kind = match (expected, PLACES[place].2, sender) {
        (Ok(()), "10", _) => {
            let mut decoder = bowline_proto::codec::Decoder::for_server(u32::MAX);
            decoder.feed(&hex(&text));
            assert!(matches!(decoder.next_packet(), Ok(Some(_))), "{text}");
            return;
        }
        (Ok(()), ..) => {
            decoded(Version::V5, sender, &hex(&text)).unwrap_or_else(|error| panic!("{text}: {error}"));
            return;
        }
        (Err(kind), ..) => kind,
    };
    let reason = if matches!(kind, Kind::MisplacedProperty { .. }) { MALFORMED } else { PROTOCOL };
    match (PLACES[place].2, sender) {
        ("10", _) => first(&text, kind, reason),
        (_, Role::Client) => client_5(&text, kind, reason),
        (_, Role::Server) => server_5(&text, kind, reason),
    }
}

fn name_of(property: &str) -> &'static str {
    let id = usize::from(hex(property)[0]);
    let names = "payload format indicator,message expiry interval,content type,,,,,response topic,correlation \
                 data,,subscription identifier,,,,,,session expiry interval,assigned client identifier,server keep \
                 alive,,authentication method,authentication data,request problem information,will delay \
                 interval,request response information,response information,,server reference,,,reason string,,\
                 receive maximum,topic alias maximum,topic alias,maximum QoS,retain available,user property,maximum \
                 packet size,wildcard subscription available,subscription identifiers available,shared subscription \
                 available";
    names.split(',').nth(id - 1).expect("a known property")
}

#[test]
fn a_property_is_accepted_exactly_where_it_belongs() {
    for (property, belongs) in PROPERTIES {
        for (place, (name, sender, ..)) in PLACES.into_iter().enumerate() {
            let legal = belongs == "all" || belongs.split(' ').any(|belongs| belongs == name);
            // A server does not send this one in DISCONNECT, which another test is about.
            if property.starts_with("11") && name == "disconnect" && sender == Role::Server {
                continue;
            }
            let misplaced = Kind::MisplacedProperty { property: name_of(property) };
            check(place, &[property], if legal { Ok(()) } else { Err(misplaced) });
        }
    }
}

#[test]
fn all_but_two_properties_are_accepted_once() {
    for (property, belongs) in PROPERTIES {
        for (place, (name, ..)) in PLACES.into_iter().enumerate() {
            let legal = belongs == "all" || belongs.split(' ').any(|belongs| belongs == name);
            if !legal || (property.starts_with("11") && name == "disconnect") {
                continue;
            }
            let repeats = property.starts_with("26") || (property.starts_with("0B") && name == "publish");
            let duplicate = Kind::DuplicateProperty { property: name_of(property) };
            check(place, &[property, " ", property], if repeats { Ok(()) } else { Err(duplicate) });
        }
    }
}

#[test]
fn an_unknown_property_is_refused() {
    for id in [0x00, 0x04, 0x0A, 0x10, 0x14, 0x1B, 0x20, 0x2B, 0x7F] {
        let kind = Kind::UnknownProperty { id };
        server_5(&format!("30 06 0001'a' 02 {id:02X} 01"), kind, MALFORMED);
    }
    server_5("30 07 0001'a' 03 81 01 00", Kind::UnknownProperty { id: 129 }, MALFORMED);
}

// [MQTT-4.9.0-1]
#[test]
fn values_that_may_not_be_0_are_refused() {
    let zero = |field| Kind::ForbiddenValue { field, value: 0 };
    server_5("20 06 00 00 03 21 0000", zero("receive maximum"), PROTOCOL);
    server_5("20 08 00 00 05 27 00000000", zero("maximum packet size"), PROTOCOL);
    server_5("30 06 0001'a' 02 0B 00", zero("subscription identifier"), PROTOCOL);
    first("10 10 0004'MQTT' 05 02 0000 03 21 0000 0000", zero("receive maximum"), PROTOCOL);
    client_5("82 09 0001 02 0B 00 0001'a' 00", zero("subscription identifier"), PROTOCOL);
}

// [MQTT-3.3.2-4]
#[test]
fn flags_that_are_neither_0_nor_1_are_refused() {
    let two = |field| Kind::ForbiddenValue { field, value: 2 };
    for (id, field) in [
        ("25", "retain available"),
        ("28", "wildcard subscription available"),
        ("29", "subscription identifiers available"),
        ("2A", "shared subscription available"),
    ] {
        server_5(&format!("20 05 00 00 02 {id} 02"), two(field), PROTOCOL);
    }
    for (id, field) in [("17", "request problem information"), ("19", "request response information")] {
        first(&format!("10 0F 0004'MQTT' 05 02 0000 02 {id} 02 0000"), two(field), PROTOCOL);
    }
    server_5("30 06 0001'a' 02 01 02", two("payload format indicator"), PROTOCOL);
}

// [MQTT-1.5.5-1]
#[test]
fn variable_byte_integers_in_properties_are_minimal() {
    let minimal = |field, value| Kind::VarintNotMinimal { field, value };
    server_5("30 05 0001'a' 80 00", minimal("property length", 0), MALFORMED);
    server_5("30 07 0001'a' 03 0B 81 00", minimal("subscription identifier", 1), MALFORMED);
    let too_long = Kind::VarintTooLong { field: "subscription identifier" };
    server_5("30 0A 0001'a' 06 0B FFFFFFFF 01", too_long, MALFORMED);
    server_5("30 08 0001'a' 80 80 80 80 01", Kind::VarintTooLong { field: "property length" }, MALFORMED);
}

#[test]
fn a_value_does_not_reach_beyond_its_section() {
    let kind = |field, wanted, left| Kind::Truncated { field, wanted, left };
    server_5("30 08 0001'a' 02 02 00000001", kind("message expiry interval", 4, 1), MALFORMED);
    server_5("30 06 0001'a' 01 0B 01", kind("subscription identifier", 1, 0), MALFORMED);
    server_5("30 09 0001'a' 04 03 0002'c' 00", kind("content type", 2, 1), MALFORMED);
    server_5("30 05 0001'a' 02 01", kind("properties", 2, 1), MALFORMED);
    server_5("30 04 0001'a' 81", kind("property length", 2, 1), MALFORMED);
}

// [MQTT-1.5.7-1] [MQTT-1.5.4-1] [MQTT-1.5.4-2] [MQTT-3.3.2-19]
#[test]
fn strings_in_properties_are_checked() {
    let text = |field, error| Kind::Text { field, error };
    let nul = text("user property name", TextError::Nul { offset: 0 });
    server_5("30 0A 0001'a' 06 26 0001 00 0000", nul, MALFORMED);
    let not_utf8 = text("user property value", TextError::NotUtf8 { offset: 0 });
    server_5("30 0A 0001'a' 06 26 0000 0001 C3", not_utf8, MALFORMED);
    let not_utf8 = text("content type", TextError::NotUtf8 { offset: 1 });
    server_5("30 09 0001'a' 05 03 0002'c'80", not_utf8, MALFORMED);
    let nul = text("reason string", TextError::Nul { offset: 1 });
    server_5("40 09 0001 00 05 1F 0002'c'00", nul, MALFORMED);
}
