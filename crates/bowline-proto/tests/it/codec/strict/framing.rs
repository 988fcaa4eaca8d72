//! Fixed headers: types, flags, lengths, and who sends what.

use bowline_proto::codec::{DecodeErrorKind as Kind, Decoder};
use bowline_proto::packet::PacketType;
use bowline_proto::{ReasonCode, Role, Version};

use super::{client_5, first, older, server_5};
use crate::codec::{NO_LIMIT, decoded, drain, hex, refused};

const MALFORMED: ReasonCode = ReasonCode::MalformedPacket;
const PROTOCOL: ReasonCode = ReasonCode::ProtocolError;

// [MQTT-2.1.3-1] [MQTT-3.14.1-1] [MQTT-3.15.1-1]
#[test]
fn flag_bits_other_than_zero_are_refused() {
    for text in ["41 02 0001", "52 02 0001", "78 02 0001", "21 03 00 00 00", "D4 00", "E1 00", "F8 00"] {
        let flags = hex(text)[0] & 0x0F;
        server_5(text, Kind::FlagBits { flags, expected: 0 }, MALFORMED);
    }
}

// [MQTT-2.2.2-1 of 3.1.1] [MQTT-2.2.2-2 of 3.1.1]
#[test]
fn flag_bits_are_checked_in_the_older_versions_too() {
    older(Role::Server, "48 02 0001", Kind::FlagBits { flags: 8, expected: 0 }, MALFORMED);
    older(Role::Client, "E2 00", Kind::FlagBits { flags: 2, expected: 0 }, MALFORMED);
}

// [MQTT-3.6.1-1] [MQTT-3.8.1-1] [MQTT-3.10.1-1] [MQTT-3.6.1-1 of 3.1.1]
#[test]
fn pubrel_subscribe_and_unsubscribe_need_flag_bit_1() {
    for text in ["60 02 0001", "63 02 0001", "6A 02 0001", "80 06 0001 0001'a' 00", "AA 05 0001 0001'a'"] {
        let flags = hex(text)[0] & 0x0F;
        client_5(text, Kind::FlagBits { flags, expected: 2 }, MALFORMED);
        let kind = Kind::FlagBits { flags, expected: 2 };
        assert_eq!(refused(Version::V3_1_1, Role::Client, text), (kind, MALFORMED));
    }
}

#[test]
fn version_3_1_has_a_dup_flag_on_them() {
    for text in ["6A 02 0001", "8A 06 0001 0001'a' 00", "AA 05 0001 0001'a'"] {
        decoded(Version::V3_1, Role::Client, &hex(text)).expect("3.1 allows it");
    }
    let kind = Kind::FlagBits { flags: 12, expected: 2 };
    assert_eq!(refused(Version::V3_1, Role::Client, "6C 02 0001"), (kind, MALFORMED));
    let kind = Kind::FlagBits { flags: 8, expected: 0 };
    assert_eq!(refused(Version::V3_1, Role::Client, "48 02 0001"), (kind, MALFORMED));
}

#[test]
fn packet_type_0_is_refused() {
    server_5("00 00", Kind::ReservedPacketType, MALFORMED);
    client_5("00 00", Kind::ReservedPacketType, MALFORMED);
}

// [MQTT-3.1.0-2] [MQTT-3.1.0-2 of 3.1.1]
#[test]
fn a_server_never_sends_what_only_clients_send() {
    for text in ["10 00", "82 06 0001 0001'a' 00", "A2 05 0001 0001'a'", "C0 00"] {
        let kind = Kind::WrongSender { sender: Role::Server };
        server_5(text, kind, PROTOCOL);
        older(Role::Server, text, kind, PROTOCOL);
    }
}

#[test]
fn a_client_never_sends_what_only_servers_send() {
    for text in ["20 02 00 00", "90 03 0001 00", "B0 02 0001", "D0 00"] {
        let kind = Kind::WrongSender { sender: Role::Client };
        client_5(text, kind, PROTOCOL);
        older(Role::Client, text, kind, PROTOCOL);
    }
}

// [MQTT-3.14.1-1 of 3.1.1]
#[test]
fn a_server_of_the_older_versions_never_disconnects() {
    older(Role::Server, "E0 00", Kind::WrongSender { sender: Role::Server }, PROTOCOL);
}

#[test]
fn the_older_versions_have_no_auth() {
    for version in [Version::V3_1, Version::V3_1_1] {
        for sender in [Role::Client, Role::Server] {
            assert_eq!(refused(version, sender, "F0 00"), (Kind::NotInVersion { version }, MALFORMED));
        }
    }
}

// [MQTT-3.1.0-1] [MQTT-3.1.0-1 of 3.1.1]
#[test]
fn a_client_starts_with_connect() {
    first("C0 00", Kind::FirstNotConnect, PROTOCOL);
    first("30 03 0001'a'", Kind::FirstNotConnect, PROTOCOL);
}

// [MQTT-3.1.0-2] [MQTT-3.1.0-2 of 3.1.1]
#[test]
fn a_client_sends_connect_once() {
    client_5("10 0D 0004'MQTT' 05 02 0000 00 0000", Kind::SecondConnect, PROTOCOL);
}

// [MQTT-1.5.5-1]
#[test]
fn a_length_that_takes_more_bytes_than_it_needs_is_refused() {
    let field = "remaining length";
    server_5("D0 80 00", Kind::VarintNotMinimal { field, value: 0 }, MALFORMED);
    server_5("40 82 80 00 0001", Kind::VarintNotMinimal { field, value: 2 }, MALFORMED);
    server_5("40 FF 80 80 00", Kind::VarintNotMinimal { field, value: 127 }, MALFORMED);
}

// [MQTT-1.5.5-1]
#[test]
fn a_length_has_at_most_four_bytes() {
    server_5("30 FF FF FF FF", Kind::VarintTooLong { field: "remaining length" }, MALFORMED);
    server_5("30 80 80 80 80 01", Kind::VarintTooLong { field: "remaining length" }, MALFORMED);
}

#[test]
fn a_packet_longer_than_its_fields_is_refused() {
    server_5("D0 01 00", Kind::TrailingBytes { bytes: 1 }, MALFORMED);
    server_5("40 05 0001 00 00 FF", Kind::TrailingBytes { bytes: 1 }, MALFORMED);
    older(Role::Server, "40 03 0001 00", Kind::TrailingBytes { bytes: 1 }, MALFORMED);
    older(Role::Client, "E0 01 00", Kind::TrailingBytes { bytes: 1 }, MALFORMED);
    first("10 0E 0004'MQTT' 04 02 0000 0001'c' 00", Kind::TrailingBytes { bytes: 1 }, MALFORMED);
}

#[test]
fn a_packet_shorter_than_its_fields_is_refused() {
    let truncated = |field, wanted, left| Kind::Truncated { field, wanted, left };
    server_5("40 01 00", truncated("packet identifier", 2, 1), MALFORMED);
    server_5("30 04 0005'ab'", truncated("topic name", 5, 2), MALFORMED);
    server_5("40 04 0001 00 01", truncated("properties", 1, 0), MALFORMED);
    server_5("90 05 0001 02 1F 00", truncated("reason string", 2, 1), MALFORMED);
    older(Role::Server, "20 01 00", truncated("return code", 1, 0), MALFORMED);
    first("10 0C 0004'MQTT' 04 02 0000 0001", truncated("client identifier", 1, 0), MALFORMED);
}

// [MQTT-3.1.2-24]
#[test]
fn a_packet_above_our_limit_is_refused_as_soon_as_its_length_is_known() {
    let mut decoder = Decoder::for_client(Version::V5, 100);
    decoder.feed(&hex("D0 00 30 63"));
    let error = drain(&mut decoder).expect_err("101 bytes are announced");
    assert_eq!(error.packet(), Some(PacketType::Publish));
    assert_eq!(*error.kind(), Kind::PacketTooLarge { bytes: 101, limit: 100 });
    assert_eq!(error.reason(), ReasonCode::PacketTooLarge);
    let mut decoder = Decoder::for_client(Version::V5, 100);
    decoder.feed(&hex("30 62"));
    assert_eq!(drain(&mut decoder), Ok(Vec::new()), "100 bytes are allowed");
}

#[test]
fn the_first_byte_of_a_packet_is_judged_before_the_rest_arrives() {
    let mut decoder = Decoder::for_client(Version::V5, NO_LIMIT);
    // What a web server would answer.
    decoder.feed(b"HTTP");
    let error = drain(&mut decoder).expect_err("not MQTT");
    assert_eq!(*error.kind(), Kind::FlagBits { flags: 8, expected: 0 });
    assert_eq!(drain(&mut decoder), Err(error), "it stays");
    decoder.feed(&hex("D0 00"));
    assert_eq!((drain(&mut decoder), decoder.buffered_bytes()), (Err(error), 0));
}

#[test]
fn the_first_byte_is_judged_before_the_length_however_they_arrive() {
    for portions in [vec!["41 7F"], vec!["41", "7F"], vec!["41 FF FF FF FF"], vec!["41", "FF FF FF FF"]] {
        let mut decoder = Decoder::for_client(Version::V5, 10);
        let mut found = Ok(Vec::new());
        for portion in portions {
            decoder.feed(&hex(portion));
            found = drain(&mut decoder);
        }
        assert_eq!(*found.expect_err("bad flags").kind(), Kind::FlagBits { flags: 1, expected: 0 });
    }
}

#[test]
fn packets_before_a_bad_one_are_still_yielded() {
    let mut decoder = Decoder::for_client(Version::V3_1_1, NO_LIMIT);
    decoder.feed(&hex("D0 00 40 02 0001 D0 01 00 D0 00"));
    assert!(
        matches!(decoder.next_packet(), Ok(Some(packet)) if packet.packet_type() == PacketType::PingResp)
    );
    assert!(matches!(decoder.next_packet(), Ok(Some(packet)) if packet.packet_type() == PacketType::PubAck));
    let error = decoder.next_packet().expect_err("one byte too many");
    assert_eq!(error.to_string(), "the peer sent a bad PINGRESP: 1 bytes follow its last field");
}
