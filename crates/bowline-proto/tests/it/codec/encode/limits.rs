//! The peer's Maximum Packet Size.

use bowline_proto::codec::outgoing::SHARED_PAYLOAD_BYTES_MIN;
use bowline_proto::codec::{EncodeError, Encoder, Outgoing};
use bowline_proto::packet::{
    Ack, AckProperties, Auth, ConnAck, ConnAckProperties, Disconnect, DisconnectProperties, Packet,
    PacketType, PublishHeader, SubAck, Subscribe, Subscription, UnsubAck,
};
use bowline_proto::types::SubscriptionOptions;
use bowline_proto::{Bytes, Message, PacketId, QoS, ReasonCode, Role, Version};

use super::encode;
use crate::codec::{NO_LIMIT, filter, hex, text, topic};

fn id(value: u16) -> PacketId {
    PacketId::new(value).expect("not 0")
}

fn told() -> AckProperties {
    AckProperties { reason_string: Some(text("reason")), user_properties: vec![(text("n"), text("v"))] }
}

/// Checks the forms of a packet as the limit falls: all of it, without the reason string, without either, refused.
fn shrinks(role: Role, packet: &Packet, whole: &str, without_reason: &str, without_both: &str) {
    let forms = [whole, without_reason, without_both].map(hex);
    for (at, form) in forms.iter().enumerate() {
        let bytes = form.len() as u32;
        assert_eq!(encode(Version::V5, role, packet, bytes).as_ref(), Ok(form), "exactly {bytes}");
        let refused = EncodeError::PacketTooLarge { bytes: forms[2].len() as u64, limit: bytes - 1 };
        let smaller = forms.get(at + 1).ok_or(refused);
        assert_eq!(encode(Version::V5, role, packet, bytes - 1).as_ref().map_err(|&error| error), smaller);
    }
}

// [MQTT-3.4.2-2] [MQTT-3.4.2-3] [MQTT-3.5.2-2] [MQTT-3.5.2-3]
#[test]
fn puback_and_pubrec_shrink_to_fit() {
    let mut ack = Ack::new(id(1), ReasonCode::QuotaExceeded);
    ack.properties = Some(Box::new(told()));
    for (packet, first) in [(Packet::PubAck(ack.clone()), "40"), (Packet::PubRec(ack), "50")] {
        let whole = format!("{first} 14 0001 97 10 1F 0006'reason' 26 0001'n' 0001'v'");
        let without_reason = format!("{first} 0B 0001 97 07 26 0001'n' 0001'v'");
        for role in [Role::Client, Role::Server] {
            shrinks(role, &packet, &whole, &without_reason, &format!("{first} 03 0001 97"));
        }
    }
}

// [MQTT-3.6.2-2] [MQTT-3.6.2-3] [MQTT-3.7.2-2] [MQTT-3.7.2-3]
#[test]
fn pubrel_and_pubcomp_shrink_to_fit() {
    let mut ack = Ack::success(id(1));
    ack.properties = Some(Box::new(told()));
    for (packet, first) in [(Packet::PubRel(ack.clone()), "62"), (Packet::PubComp(ack), "70")] {
        let whole = format!("{first} 14 0001 00 10 1F 0006'reason' 26 0001'n' 0001'v'");
        let without_reason = format!("{first} 0B 0001 00 07 26 0001'n' 0001'v'");
        shrinks(Role::Client, &packet, &whole, &without_reason, &format!("{first} 02 0001"));
    }
}

// [MQTT-3.14.2-3] [MQTT-3.14.2-4]
#[test]
fn disconnect_shrinks_to_fit() {
    let disconnect = |session_expiry_secs| {
        let AckProperties { reason_string, user_properties } = told();
        Packet::Disconnect(Box::new(Disconnect {
            reason: ReasonCode::DisconnectWithWill,
            properties: Some(Box::new(DisconnectProperties {
                session_expiry_secs,
                reason_string,
                user_properties,
                server_reference: None,
            })),
        }))
    };
    let whole = "E0 12 04 10 1F 0006'reason' 26 0001'n' 0001'v'";
    shrinks(Role::Client, &disconnect(None), whole, "E0 09 04 07 26 0001'n' 0001'v'", "E0 01 04");
    // What is not for people stays.
    let whole = "E0 17 04 15 11 00000005 1F 0006'reason' 26 0001'n' 0001'v'";
    let without_reason = "E0 0E 04 0C 11 00000005 26 0001'n' 0001'v'";
    shrinks(Role::Client, &disconnect(Some(5)), whole, without_reason, "E0 07 04 05 11 00000005");
}

// [MQTT-3.15.2-2] [MQTT-3.15.2-3]
#[test]
fn auth_shrinks_to_fit() {
    let AckProperties { reason_string, user_properties } = told();
    let packet = Packet::Auth(Box::new(Auth {
        reason: ReasonCode::ContinueAuthentication,
        method: Some(text("m")),
        data: None,
        reason_string,
        user_properties,
    }));
    let whole = "F0 16 18 14 15 0001'm' 1F 0006'reason' 26 0001'n' 0001'v'";
    let without_reason = "F0 0D 18 0B 15 0001'm' 26 0001'n' 0001'v'";
    shrinks(Role::Client, &packet, whole, without_reason, "F0 06 18 04 15 0001'm'");
}

// [MQTT-3.2.2-19] [MQTT-3.2.2-20]
#[test]
fn connack_shrinks_to_fit() {
    let AckProperties { reason_string, user_properties } = told();
    let packet = Packet::ConnAck(Box::new(ConnAck {
        session_present: Some(false),
        reason: ReasonCode::Success,
        properties: ConnAckProperties {
            topic_alias_maximum: Some(1),
            reason_string,
            user_properties,
            ..ConnAckProperties::default()
        },
    }));
    let whole = "20 16 00 00 13 22 0001 1F 0006'reason' 26 0001'n' 0001'v'";
    let without_reason = "20 0D 00 00 0A 22 0001 26 0001'n' 0001'v'";
    shrinks(Role::Server, &packet, whole, without_reason, "20 06 00 00 03 22 0001");
}

// [MQTT-3.9.2-1] [MQTT-3.9.2-2] [MQTT-3.11.2-1] [MQTT-3.11.2-2]
#[test]
fn suback_and_unsuback_shrink_to_fit() {
    let (packet_id, reasons) = (id(1), vec![ReasonCode::Success]);
    let suback = SubAck { packet_id, reasons: reasons.clone(), properties: told() };
    let unsuback = UnsubAck { packet_id, reasons, properties: told() };
    let packets = [(Packet::SubAck(Box::new(suback)), "90"), (Packet::UnsubAck(Box::new(unsuback)), "B0")];
    for (packet, first) in packets {
        let whole = format!("{first} 14 0001 10 1F 0006'reason' 26 0001'n' 0001'v' 00");
        let without_reason = format!("{first} 0B 0001 07 26 0001'n' 0001'v' 00");
        shrinks(Role::Server, &packet, &whole, &without_reason, &format!("{first} 04 0001 00 00"));
    }
}

// [MQTT-3.2.2-15]
#[test]
fn subscribe_loses_nothing_to_fit() {
    let packet = Packet::Subscribe(Box::new(Subscribe {
        packet_id: id(1),
        subscriptions: vec![Subscription {
            filter: filter("a"),
            options: SubscriptionOptions::new(QoS::AtMostOnce),
        }],
        subscription_id: None,
        user_properties: vec![(text("n"), text("v"))],
    }));
    assert_eq!(encode(Version::V5, Role::Client, &packet, 16).map(|bytes| bytes.len()), Ok(16));
    let refused = EncodeError::PacketTooLarge { bytes: 16, limit: 15 };
    assert_eq!(encode(Version::V5, Role::Client, &packet, 15), Err(refused));
}

// [MQTT-3.2.2-15]
#[test]
fn publish_is_refused_above_the_limit_and_sized_without_being_written() {
    let header = PublishHeader { packet_id: Some(id(1)), expiry_secs: Some(9), ..PublishHeader::default() };
    for payload_bytes in [0, 1, 110, 111, 112, 113, 16_370, 16_371, 16_372, 16_373, 3_000_000] {
        let message = Message::new(topic("a/b"), vec![0; payload_bytes]).with_qos(QoS::AtLeastOnce);
        let encoder = Encoder::new(Version::V5, Role::Client, NO_LIMIT);
        let mut out = Outgoing::new();
        encoder.publish(&mut out, &message, &header).expect("no limit");
        let bytes = out.len() as u32;
        assert_eq!(encoder.publish_bytes(&message, &header), Ok(bytes));
        let tight = Encoder::new(Version::V5, Role::Client, bytes);
        assert_eq!(tight.publish_bytes(&message, &header), Ok(bytes));
        let too_tight = Encoder::new(Version::V5, Role::Client, bytes - 1);
        let refused = EncodeError::PacketTooLarge { bytes: bytes.into(), limit: bytes - 1 };
        assert_eq!(too_tight.publish_bytes(&message, &header), Err(refused));
        let mut out = Outgoing::new();
        assert_eq!(too_tight.publish(&mut out, &message, &header), Err(refused));
        assert!(out.is_empty());
    }
}

#[test]
fn no_packet_is_larger_than_a_length_can_say() {
    let message = Message::new(topic("a"), vec![0; 268_435_455 - 3]);
    let encoder = Encoder::new(Version::V3_1_1, Role::Client, NO_LIMIT);
    let header = PublishHeader::default();
    assert_eq!(encoder.publish_bytes(&message, &header), Ok(268_435_460));
    let message = Message::new(topic("ab"), message.payload);
    let refused = EncodeError::PacketTooLarge { bytes: 268_435_461, limit: 268_435_460 };
    assert_eq!(encoder.publish_bytes(&message, &header), Err(refused));
    assert_eq!(refused.to_string(), "the packet has 268435461 bytes, the peer's limit is 268435460");
}

#[test]
fn an_acknowledgement_needs_room_for_four_bytes() {
    let refused = EncodeError::PacketTooLarge { bytes: 4, limit: 3 };
    for version in Version::ALL {
        let ack = Packet::PubAck(Ack::success(id(1)));
        assert_eq!(encode(version, Role::Client, &ack, 3), Err(refused));
        assert_eq!(encode(version, Role::Client, &ack, 4), Ok(hex("40 02 0001")));
    }
}

#[test]
fn large_payloads_are_shared_and_small_ones_copied() {
    let encoder = Encoder::new(Version::V5, Role::Client, NO_LIMIT);
    for (payload_bytes, is_shared) in
        [(SHARED_PAYLOAD_BYTES_MIN - 1, false), (SHARED_PAYLOAD_BYTES_MIN, true)]
    {
        let payload = Bytes::from(vec![7; payload_bytes]);
        let message = Message::new(topic("a"), payload.clone());
        let mut out = Outgoing::new();
        encoder.pingreq(&mut out);
        encoder.publish(&mut out, &message, &PublishHeader::default()).expect("it fits");
        encoder.pingreq(&mut out);
        let shares = out.chunks().any(|chunk| chunk.as_ptr() == payload.as_ptr());
        assert_eq!((shares, out.chunks().count()), (is_shared, if is_shared { 3 } else { 1 }));
        let bytes = out.to_vec();
        assert_eq!(bytes.len(), out.len());
        assert_eq!((&bytes[..2], &bytes[bytes.len() - 2..]), (&hex("C0 00")[..], &hex("C0 00")[..]));
    }
}

#[test]
fn only_pubrel_subscribe_and_unsubscribe_of_3_1_carry_dup() {
    let ack = Ack::success(id(1));
    for (version, first) in [(Version::V3_1, 0x6A), (Version::V3_1_1, 0x62), (Version::V5, 0x62)] {
        let encoder = Encoder::new(version, Role::Client, NO_LIMIT);
        let mut out = Outgoing::new();
        encoder.ack(&mut out, PacketType::PubRel, &ack, true).expect("it fits");
        encoder.ack(&mut out, PacketType::PubAck, &ack, true).expect("it fits");
        assert_eq!((out.to_vec()[0], out.to_vec()[4]), (first, 0x40));
    }
}
