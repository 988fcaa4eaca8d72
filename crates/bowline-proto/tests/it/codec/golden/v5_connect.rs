//! Packets of 5.0 that open and close a connection: CONNECT, CONNACK, AUTH, DISCONNECT and the pings.

use std::num::{NonZeroU16, NonZeroU32};

use bowline_proto::packet::{
    Auth, ConnAck, ConnAckProperties, Connect, ConnectProperties, Disconnect, DisconnectProperties, Packet,
    Secret, Will,
};
use bowline_proto::types::{MessageProperties, PayloadFormat};
use bowline_proto::{Bytes, Message, QoS, ReasonCode, Role, Version};

use super::{both_ways, reads_as};
use crate::codec::{text, topic};

fn pairs() -> Vec<(bowline_proto::Text, bowline_proto::Text)> {
    vec![(text("k"), text("v")), (text("k"), text(""))]
}

const PAIRS: &str = "26 0001'k' 0001'v' 26 0001'k' 0000";

fn connect() -> Connect {
    Connect {
        version: Version::V5,
        client_id: text(""),
        clean_start: true,
        keep_alive_secs: 0,
        will: None,
        user_name: None,
        password: None,
        properties: ConnectProperties::default(),
    }
}

// [MQTT-3.1.2-1] [MQTT-3.1.3-3] [MQTT-2.2.2-1]
#[test]
fn connect_without_anything_has_an_empty_identifier_and_no_properties() {
    let packet = Packet::Connect(Box::new(connect()));
    both_ways(Version::V5, Role::Client, &packet, "10 0D 0004'MQTT' 05 02 0000 00 0000");
}

// [MQTT-3.1.3-1] [MQTT-3.1.3-10] [MQTT-3.1.2-9] [MQTT-3.1.2-17] [MQTT-3.1.2-19]
#[test]
fn connect_with_everything_keeps_the_order_of_the_standard() {
    let mut properties = MessageProperties::default();
    properties.payload_format = Some(PayloadFormat::Utf8);
    properties.expiry_secs = Some(0x0102_0304);
    properties.content_type = Some(text("ct"));
    properties.response_topic = Some(topic("r/t"));
    properties.correlation_data = Some(Bytes::from_static(&[0, 1]));
    properties.user_properties = pairs();
    let message = Message::new(topic("w"), &b"bye"[..])
        .with_qos(QoS::AtLeastOnce)
        .with_retain(true)
        .with_properties(properties);
    let packet = Packet::Connect(Box::new(Connect {
        client_id: text("id"),
        clean_start: false,
        keep_alive_secs: 0x0A0B,
        will: Some(Will { message, delay_secs: Some(5) }),
        user_name: Some(text("u")),
        password: Some(Secret(Bytes::from_static(b"p"))),
        properties: ConnectProperties {
            session_expiry_secs: Some(u32::MAX),
            receive_maximum: NonZeroU16::new(20),
            maximum_packet_size: NonZeroU32::new(0x0001_0000),
            topic_alias_maximum: Some(10),
            request_response_information: Some(true),
            request_problem_information: Some(false),
            user_properties: pairs(),
            authentication_method: Some(text("m")),
            authentication_data: Some(Secret(Bytes::from_static(&[7]))),
        },
        ..connect()
    }));
    let properties =
        format!("29 11 FFFFFFFF 21 0014 27 00010000 22 000A 19 01 17 00 {PAIRS} 15 0001'm' 16 0001 07");
    let will = format!(
        "29 18 00000005 01 01 02 01020304 03 0002'ct' 08 0003'r/t' 09 0002 0001 {PAIRS} 0001'w' 0003'bye'"
    );
    let bytes = format!("10 70 0004'MQTT' 05 EC 0A0B {properties} 0002'id' {will} 0001'u' 0001'p'");
    both_ways(Version::V5, Role::Client, &packet, &bytes);
}

// [MQTT-3.1.2-19]
#[test]
fn a_password_without_a_user_name_is_legal_in_5_0() {
    let password = Some(Secret(Bytes::from_static(b"p")));
    let packet = Packet::Connect(Box::new(Connect { password, ..connect() }));
    both_ways(Version::V5, Role::Client, &packet, "10 10 0004'MQTT' 05 42 0000 00 0000 0001'p'");
}

// [MQTT-3.2.2-2] [MQTT-3.2.2-3]
#[test]
fn connack_without_properties_has_three_bytes() {
    let packet = |session_present, reason| {
        let properties = ConnAckProperties::default();
        Packet::ConnAck(Box::new(ConnAck { session_present: Some(session_present), reason, properties }))
    };
    both_ways(Version::V5, Role::Server, &packet(true, ReasonCode::Success), "20 03 01 00 00");
    both_ways(Version::V5, Role::Server, &packet(false, ReasonCode::NotAuthorized), "20 03 00 87 00");
}

// [MQTT-3.2.2-9] [MQTT-3.2.2-16] [MQTT-3.2.2-21]
#[test]
fn connack_with_everything() {
    let packet = Packet::ConnAck(Box::new(ConnAck {
        session_present: Some(false),
        reason: ReasonCode::Success,
        properties: ConnAckProperties {
            session_expiry_secs: Some(100),
            receive_maximum: NonZeroU16::new(1),
            maximum_qos: Some(QoS::AtLeastOnce),
            retain_available: Some(false),
            maximum_packet_size: NonZeroU32::new(256),
            assigned_client_id: Some(text("ab")),
            topic_alias_maximum: Some(3),
            reason_string: Some(text("ok")),
            user_properties: pairs(),
            wildcard_subscription_available: Some(true),
            subscription_ids_available: Some(false),
            shared_subscription_available: Some(true),
            server_keep_alive_secs: Some(30),
            response_information: Some(text("ri")),
            server_reference: Some(text("sr")),
            authentication_method: Some(text("m")),
            authentication_data: Some(Secret(Bytes::from_static(&[1, 2]))),
        },
    }));
    let properties = format!(
        "11 00000064 21 0001 24 01 25 00 27 00000100 12 0002'ab' 22 0003 1F 0002'ok' {PAIRS} 28 01 29 00 2A 01 \
         13 001E 1A 0002'ri' 1C 0002'sr' 15 0001'm' 16 0002 0102"
    );
    both_ways(Version::V5, Role::Server, &packet, &format!("20 4A 00 00 47 {properties}"));
}

// [MQTT-3.14.2-1] [MQTT-3.14.2-2]
#[test]
fn disconnect_has_three_lengths() {
    let plain = |reason| Packet::Disconnect(Box::new(Disconnect::new(reason)));
    both_ways(Version::V5, Role::Client, &plain(ReasonCode::Success), "E0 00");
    both_ways(Version::V5, Role::Client, &plain(ReasonCode::DisconnectWithWill), "E0 01 04");
    both_ways(Version::V5, Role::Server, &plain(ReasonCode::ServerShuttingDown), "E0 01 8B");
    reads_as(Version::V5, Role::Client, &plain(ReasonCode::Success), "E0 01 00");
    reads_as(Version::V5, Role::Client, &plain(ReasonCode::Success), "E0 02 00 00");
    let full = |reason, session_expiry_secs, server_reference| {
        Packet::Disconnect(Box::new(Disconnect {
            reason,
            properties: Some(Box::new(DisconnectProperties {
                session_expiry_secs,
                reason_string: Some(text("why")),
                user_properties: pairs(),
                server_reference,
            })),
        }))
    };
    let from_client = full(ReasonCode::Success, Some(9), None);
    let bytes = format!("E0 1A 00 18 11 00000009 1F 0003'why' {PAIRS}");
    both_ways(Version::V5, Role::Client, &from_client, &bytes);
    let from_server = full(ReasonCode::ServerMoved, None, Some(text("x:1")));
    let bytes = format!("E0 1B 9D 19 1F 0003'why' {PAIRS} 1C 0003'x:1'");
    both_ways(Version::V5, Role::Server, &from_server, &bytes);
}

// [MQTT-3.15.1-1] [MQTT-3.15.2-1] [MQTT-4.12.0-2] [MQTT-4.12.0-3]
#[test]
fn auth_goes_both_ways() {
    let auth = |reason, data: Option<&'static [u8]>| Auth {
        reason,
        method: Some(text("GS2")),
        data: data.map(|data| Secret(Bytes::from_static(data))),
        reason_string: None,
        user_properties: Vec::new(),
    };
    let packet = |auth| Packet::Auth(Box::new(auth));
    let first = packet(auth(ReasonCode::ContinueAuthentication, Some(&[1, 2, 3])));
    for sender in [Role::Client, Role::Server] {
        both_ways(Version::V5, sender, &first, "F0 0E 18 0C 15 0003'GS2' 16 0003 010203");
    }
    let again = packet(auth(ReasonCode::ReAuthenticate, None));
    both_ways(Version::V5, Role::Client, &again, "F0 08 19 06 15 0003'GS2'");
    let mut done = auth(ReasonCode::Success, None);
    done.reason_string = Some(text("in"));
    done.user_properties = pairs();
    let bytes = format!("F0 1A 00 18 15 0003'GS2' 1F 0002'in' {PAIRS}");
    both_ways(Version::V5, Role::Server, &packet(done), &bytes);
    let mut short = auth(ReasonCode::Success, None);
    short.method = None;
    both_ways(Version::V5, Role::Server, &packet(short), "F0 00");
}

// [MQTT-2.1.3-1]
#[test]
fn pings_are_two_bytes() {
    both_ways(Version::V5, Role::Client, &Packet::PingReq, "C0 00");
    both_ways(Version::V5, Role::Server, &Packet::PingResp, "D0 00");
}
