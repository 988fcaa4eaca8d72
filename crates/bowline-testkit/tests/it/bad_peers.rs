//! Brokers that break the protocol: a typed error, the right reason code, and the end of the connection; never a panic.

use bowline_proto::client::{DisconnectCause, Input, Qos0Limits};
use bowline_proto::error::ProtocolError;
use bowline_proto::packet::{Ack, Auth, Disconnect, Packet, PacketType, Publish};
use bowline_proto::types::QoS;
use bowline_proto::{ReasonCode, Text, Version};
use bowline_testkit::ClientRig;
use bowline_testkit::packets::{packet_id, publish, pubrel, qos0, qos2, suback, topic, unsuback};
use bowline_testkit::subscriber::{clean, kept, request_id};
use bowline_testkit::transitions::packet_of;

const OK: ReasonCode = ReasonCode::Success;

fn wrong(packet: PacketType, id: u16) -> ProtocolError {
    ProtocolError::WrongAcknowledgement { packet, packet_id: packet_id(id) }
}

// [MQTT-4.13.1-1] [MQTT-4.8.0-1 of 3.1.1] [MQTT-2.2.1-5]
#[test]
fn pubrel_before_our_pubrec_closes_the_connection() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        rig.subscribed("in", QoS::ExactlyOnce);
        rig.broker(qos2("in", "m", 5));
        rig.broker(pubrel(5, OK));
        rig.assert_closed_for(&wrong(PacketType::PubRel, 5), ReasonCode::ProtocolError);
    }
}

// [MQTT-4.13.1-1] [MQTT-4.8.0-1 of 3.1.1] [MQTT-4.3.3-4]
#[test]
fn an_acknowledgement_of_the_wrong_kind_closes_the_connection() {
    for version in Version::ALL {
        let one = [PacketType::PubRec, PacketType::PubComp];
        let two = [PacketType::PubComp];
        let released = [PacketType::PubAck];
        let cases = one
            .map(|packet| (QoS::AtLeastOnce, false, packet))
            .into_iter()
            .chain(two.map(|packet| (QoS::ExactlyOnce, false, packet)))
            .chain(released.map(|packet| (QoS::ExactlyOnce, true, packet)));
        for (qos, has_pubrec, packet) in cases {
            let mut rig = ClientRig::connected(clean(version));
            rig.publishes("out", qos);
            let Some(Packet::Publish(publish)) = rig.sent().pop() else { panic!("a PUBLISH") };
            let id = publish.packet_id.unwrap();
            if has_pubrec {
                rig.broker(Packet::PubRec(Ack::success(id)));
            }
            let ack = Ack::success(id);
            rig.broker(match packet {
                PacketType::PubRec => Packet::PubRec(ack),
                PacketType::PubComp => Packet::PubComp(ack),
                _ => Packet::PubAck(ack),
            });
            rig.assert_closed_for(&wrong(packet, id.as_u16()), ReasonCode::ProtocolError);
        }
    }
}

// [MQTT-4.13.1-1] [MQTT-4.3.3-3]
#[test]
fn in_version_5_a_puback_for_a_qos_2_publication_closes_the_connection() {
    let mut rig = ClientRig::connected(clean(Version::V5));
    rig.publishes("out", QoS::ExactlyOnce);
    let Some(Packet::Publish(publish)) = rig.sent().pop() else { panic!("a PUBLISH") };
    let id = publish.packet_id.unwrap();
    rig.broker(Packet::PubAck(Ack::success(id)));
    rig.assert_closed_for(&wrong(PacketType::PubAck, id.as_u16()), ReasonCode::ProtocolError);
}

// [MQTT-3.8.4-6] [MQTT-3.8.4-5 of 3.1.1]
#[test]
fn a_suback_with_a_wrong_number_of_codes_closes_the_connection() {
    for version in Version::ALL {
        // With Subscription Identifiers each filter has a packet of its own.
        let expected = if version.rules().has_properties { 1 } else { 2 };
        for found in [expected - 1, expected + 1].into_iter().filter(|found| *found > 0) {
            let mut rig = ClientRig::connected(clean(version));
            rig.asks_for(&["a", "b"], QoS::AtMostOnce, Qos0Limits::default());
            let request = request_id(&rig.sent().pop().expect("a SUBSCRIBE"));
            rig.broker(suback(request, &vec![OK; found]));
            let error = ProtocolError::ReasonCount { packet: PacketType::SubAck, expected, found };
            rig.assert_closed_for(&error, ReasonCode::ProtocolError);
        }
    }
}

// [MQTT-3.10.4-6] [MQTT-3.11.3-1]
#[test]
fn an_unsuback_with_a_wrong_number_of_codes_closes_the_connection() {
    let mut rig = ClientRig::connected(clean(Version::V5));
    rig.unsubscribe("a");
    let request = request_id(&rig.sent().pop().expect("an UNSUBSCRIBE"));
    rig.broker(unsuback(request, &[OK, OK]));
    let error = ProtocolError::ReasonCount { packet: PacketType::UnsubAck, expected: 1, found: 2 };
    rig.assert_closed_for(&error, ReasonCode::ProtocolError);
}

fn aliased(name: Option<&'static str>, alias: u16) -> Packet {
    let topic_alias = std::num::NonZeroU16::new(alias);
    Packet::Publish(Publish { topic: name.map(topic), topic_alias, ..publish("x", "m", QoS::AtMostOnce, 0) })
}

// [MQTT-3.1.2-26] [MQTT-3.1.2-27] [MQTT-3.3.2-11] [MQTT-3.3.2-10]
#[test]
fn a_topic_alias_that_cannot_be_resolved_closes_with_its_reason() {
    let (invalid, protocol) = (ReasonCode::TopicAliasInvalid, ReasonCode::ProtocolError);
    let cases = [
        (4, aliased(Some("in"), 5), invalid),
        (0, aliased(Some("in"), 1), invalid),
        (4, aliased(None, 4), protocol),
    ];
    for (maximum, packet, reason) in cases {
        let mut config = clean(Version::V5);
        config.topic_alias_maximum = maximum;
        let mut rig = ClientRig::connected(config);
        rig.broker(packet);
        let Some(DisconnectCause::Protocol(error @ ProtocolError::Alias(_))) = rig.disconnected() else {
            panic!("an alias error");
        };
        assert_eq!(error.reason(), reason);
        rig.assert_said(reason);
    }
}

/// Bytes after CONNACK, the versions they are sent to, and what a 5.0 broker hears.
type Malformed = (&'static [u8], &'static [Version], ReasonCode);

const ALL: &[Version] = &[Version::V3_1, Version::V3_1_1, Version::V5];
const STRICT: &[Version] = &[Version::V3_1_1, Version::V5];
const V5: &[Version] = &[Version::V5];

const MALFORMED: [Malformed; 16] = [
    // Packet type 0; flag bits of PINGRESP, PUBACK and PUBREL; QoS 3; DUP on QoS 0.
    (&[0x00, 0], ALL, ReasonCode::MalformedPacket),
    (&[0xD1, 0], ALL, ReasonCode::MalformedPacket),
    (&[0x41, 2, 0, 1], ALL, ReasonCode::MalformedPacket),
    (&[0x60, 2, 0, 1], STRICT, ReasonCode::MalformedPacket),
    (&[0x36, 5, 0, 1, b'a', 0, 1], ALL, ReasonCode::MalformedPacket),
    (&[0x38, 4, 0, 1, b'a', 0], STRICT, ReasonCode::MalformedPacket),
    // Identifier 0; trailing bytes; truncated; a length of five bytes.
    (&[0x32, 6, 0, 1, b'a', 0, 0, 0], ALL, ReasonCode::ProtocolError),
    (&[0xD0, 1, 0], ALL, ReasonCode::MalformedPacket),
    (&[0x40, 1, 0], ALL, ReasonCode::MalformedPacket),
    (&[0x30, 0x80, 0x80, 0x80, 0x80, 1], ALL, ReasonCode::MalformedPacket),
    // Topics: ill-formed, NUL, wildcard, none.
    (&[0x30, 4, 0, 1, 0xFF, 0], STRICT, ReasonCode::MalformedPacket),
    (&[0x30, 4, 0, 1, 0, 0], STRICT, ReasonCode::MalformedPacket),
    (&[0x30, 4, 0, 1, b'#', 0], ALL, ReasonCode::TopicNameInvalid),
    (&[0x30, 3, 0, 0, 0], V5, ReasonCode::ProtocolError),
    // 5.0: alias 0; a property twice.
    (&[0x30, 7, 0, 1, b'a', 3, 0x23, 0, 0], V5, ReasonCode::TopicAliasInvalid),
    (&[0x30, 8, 0, 1, b'a', 4, 0x01, 0, 0x01, 0], V5, ReasonCode::ProtocolError),
];

// [MQTT-4.13.1-1] [MQTT-4.8.0-1 of 3.1.1] [MQTT-2.2.2-2 of 3.1.1] [MQTT-1.5.3-1 of 3.1.1] [MQTT-1.5.3-2 of 3.1.1]
#[test]
fn malformed_bytes_close_the_connection_with_the_right_reason() {
    for (bytes, versions, reason) in MALFORMED {
        for &version in versions {
            let mut rig = ClientRig::connected(clean(version));
            rig.broker_bytes(bytes);
            let cause = rig.disconnected();
            assert!(
                matches!(cause, Some(DisconnectCause::Protocol(ProtocolError::Decode(_)))),
                "{version}: {bytes:02x?} gave {cause:?}"
            );
            rig.assert_said(reason);
            assert_eq!(rig.engine.state_name(), "Backoff");
        }
    }
}

#[test]
fn every_flipped_bit_of_a_packet_ends_in_a_decision() {
    for version in Version::ALL {
        let mut whole = vec![0x3B, 0, 0, 4, b'i', b'n', b'/', b'a', 0, 9];
        if version == Version::V5 {
            whole.extend([3, 0x23, 0, 1]);
        }
        whole.extend(b"payload");
        whole[1] = u8::try_from(whole.len() - 2).unwrap();
        for position in 0..whole.len() {
            for bit in 0..8 {
                let mut bytes = whole.clone();
                bytes[position] ^= 1 << bit;
                let mut rig = ClientRig::connected(kept(version));
                rig.broker_bytes(&bytes);
                rig.broker_bytes(&whole);
                assert!(["Active", "Backoff"].contains(&rig.engine.state_name()));
            }
        }
    }
}

// [MQTT-3.1.2-24]
#[test]
fn a_packet_above_the_announced_maximum_closes_with_0x95() {
    let mut config = clean(Version::V5);
    config.packet_bytes_max = 256;
    let mut rig = ClientRig::new(config.clone());
    rig.connect(false);
    let Some(Packet::Connect(connect)) = rig.sent().into_iter().next() else { panic!("CONNECT") };
    assert_eq!(connect.properties.maximum_packet_size.map(std::num::NonZeroU32::get), Some(256));
    // The header alone is enough to know.
    rig.broker_bytes(&[0x30, 0xFD, 0x01]);
    assert_eq!(rig.disconnected(), None, "256 bytes are allowed");
    let mut rig = ClientRig::connected(config);
    rig.broker_bytes(&[0x30, 0xFE, 0x01]);
    assert!(matches!(rig.disconnected(), Some(DisconnectCause::Protocol(ProtocolError::Decode(_)))));
    rig.assert_said(ReasonCode::PacketTooLarge);
}

// [MQTT-3.1.0-2] [MQTT-3.2.0-2] [MQTT-4.12.0-6] [MQTT-3.1.0-2 of 3.1.1] [MQTT-3.14.1-1 of 3.1.1]
#[test]
fn packets_that_a_server_never_sends_to_us_close_the_connection() {
    for version in Version::ALL {
        let never = [
            PacketType::Connect,
            PacketType::ConnAck,
            PacketType::Subscribe,
            PacketType::Unsubscribe,
            PacketType::PingReq,
            PacketType::Auth,
        ];
        for packet in never {
            let mut rig = ClientRig::connected(clean(version));
            rig.input(Input::Packet(packet_of(packet, version)));
            let error = ProtocolError::UnexpectedPacket { packet, state: "connected" };
            rig.assert_closed_for(&error, ReasonCode::ProtocolError);
        }
    }
    // On the wire a DISCONNECT or AUTH before 5.0 does not even get that far.
    for bytes in [[0xE0, 0], [0xF0, 0]] {
        let mut rig = ClientRig::connected(clean(Version::V3_1_1));
        rig.broker_bytes(&bytes);
        assert!(matches!(rig.disconnected(), Some(DisconnectCause::Protocol(ProtocolError::Decode(_)))));
    }
}

// [MQTT-4.12.0-6] [MQTT-4.12.0-7]
#[test]
fn auth_without_a_method_in_connect_closes_the_connection() {
    let auth = Auth {
        reason: ReasonCode::ContinueAuthentication,
        method: Some(Text::from_static("SCRAM-SHA-256").unwrap()),
        data: None,
        reason_string: None,
        user_properties: Vec::new(),
    };
    let mut rig = ClientRig::connected(clean(Version::V5));
    rig.broker(Packet::Auth(Box::new(auth)));
    let error = ProtocolError::UnexpectedPacket { packet: PacketType::Auth, state: "connected" };
    rig.assert_closed_for(&error, ReasonCode::ProtocolError);
}

// [MQTT-3.14.4-2] [MQTT-4.13.2-1] [MQTT-3.1.4-3]
#[test]
fn a_brokers_disconnect_is_surfaced_and_answered_by_closing_without_a_word() {
    for reason in [ReasonCode::SessionTakenOver, ReasonCode::ServerShuttingDown, OK] {
        let mut rig = ClientRig::connected(clean(Version::V5));
        let disconnect = Disconnect::new(reason);
        rig.broker(Packet::Disconnect(Box::new(disconnect.clone())));
        assert_eq!(rig.disconnected(), Some(DisconnectCause::ByBroker(Box::new(disconnect))));
        assert_eq!((rig.sent(), rig.closes()), (vec![], 1));
        let expected = if reason == ReasonCode::SessionTakenOver { "Stopped" } else { "Backoff" };
        assert_eq!(rig.engine.state_name(), expected, "two clients must not fight for a session");
    }
}

// [MQTT-4.13.2-1] [MQTT-3.14.4-1] [MQTT-3.14.4-2 of 3.1.1]
#[test]
fn nothing_follows_our_disconnect_and_the_transport_closes_even_if_it_cannot_be_written() {
    let mut rig = ClientRig::connected(clean(Version::V5));
    let stream = rig.subscribed("in", QoS::AtLeastOnce);
    rig.broker(bowline_testkit::packets::qos1("in", "m", 1));
    let [message] = rig.arrived()[..] else { panic!("one message") };
    rig.writes = false;
    rig.publishes("out", QoS::AtMostOnce);
    rig.sent();
    rig.broker_bytes(&[0, 0]);
    assert_eq!(rig.engine.state_name(), "Closing");
    rig.take(message, stream).unwrap();
    rig.publishes("late", QoS::AtMostOnce);
    rig.broker(qos0("in", "m"));
    assert_eq!(rig.deliveries().len(), 0, "what comes after the error is not looked at");
    rig.advance(std::time::Duration::from_secs(5));
    assert_eq!((rig.closes(), rig.sent(), rig.engine.state_name()), (1, vec![], "Backoff"));
}
