//! Packets of 3.1 and 3.1.1.

use bowline_proto::packet::connect::EXPIRY_NEVER;
use bowline_proto::packet::{
    Ack, AckProperties, ConnAck, ConnAckProperties, Connect, ConnectProperties, Disconnect, Packet, Publish,
    Secret, SubAck, Subscribe, Subscription, UnsubAck, Unsubscribe, Will,
};
use bowline_proto::types::{SubscriptionIds, SubscriptionOptions};
use bowline_proto::{Bytes, Message, PacketId, QoS, ReasonCode, Role, Version};

use super::{both_ways, reads_as};
use crate::codec::{filter, text, topic};

const OLDER: [Version; 2] = [Version::V3_1, Version::V3_1_1];

fn id(value: u16) -> PacketId {
    PacketId::new(value).expect("not 0")
}

fn connect(version: Version) -> Connect {
    Connect {
        version,
        client_id: text("c1"),
        clean_start: true,
        keep_alive_secs: 60,
        will: None,
        user_name: None,
        password: None,
        properties: ConnectProperties { session_expiry_secs: Some(0), ..ConnectProperties::default() },
    }
}

// [MQTT-3.1.2-1 of 3.1.1] [MQTT-3.1.3-3 of 3.1.1] [MQTT-3.1.2-3 of 3.1.1] [MQTT-3.1.2-11 of 3.1.1]
#[test]
fn connect_names_the_protocol_and_the_client() {
    let packet = |version| Packet::Connect(Box::new(connect(version)));
    let sender = Role::Client;
    both_ways(Version::V3_1, sender, &packet(Version::V3_1), "10 10 0006'MQIsdp' 03 02 003C 0002'c1'");
    both_ways(Version::V3_1_1, sender, &packet(Version::V3_1_1), "10 0E 0004'MQTT' 04 02 003C 0002'c1'");
}

// [MQTT-3.1.3-1 of 3.1.1] [MQTT-3.1.2-9 of 3.1.1] [MQTT-3.1.2-19 of 3.1.1] [MQTT-3.1.2-21 of 3.1.1]
#[test]
fn connect_has_will_user_name_and_password_in_this_order() {
    let packet = |version| {
        let mut connect = connect(version);
        connect.clean_start = false;
        connect.properties.session_expiry_secs = Some(EXPIRY_NEVER);
        let message = Message::new(topic("w/t"), &b"bye"[..]).with_qos(QoS::ExactlyOnce).with_retain(true);
        connect.will = Some(Will { message, delay_secs: None });
        connect.user_name = Some(text("user"));
        connect.password = Some(Secret(Bytes::from_static(&[0, 255])));
        Packet::Connect(Box::new(connect))
    };
    let payload = "0002'c1' 0003'w/t' 0003'bye' 0004'user' 0002 00FF";
    let (v3_1, v3_1_1) = (packet(Version::V3_1), packet(Version::V3_1_1));
    both_ways(Version::V3_1, Role::Client, &v3_1, &format!("10 24 0006'MQIsdp' 03 F4 003C {payload}"));
    both_ways(Version::V3_1_1, Role::Client, &v3_1_1, &format!("10 22 0004'MQTT' 04 F4 003C {payload}"));
}

// [MQTT-3.2.2-2 of 3.1.1] [MQTT-3.2.2-3 of 3.1.1]
#[test]
fn connack_tells_of_the_session_from_3_1_1_on() {
    let packet = |session_present, reason| {
        Packet::ConnAck(Box::new(ConnAck {
            session_present,
            reason,
            properties: ConnAckProperties::default(),
        }))
    };
    let sender = Role::Server;
    let success = ReasonCode::Success;
    both_ways(Version::V3_1_1, sender, &packet(Some(true), success), "20 02 01 00");
    both_ways(Version::V3_1_1, sender, &packet(Some(false), success), "20 02 00 00");
    both_ways(Version::V3_1, sender, &packet(None, success), "20 02 00 00");
    reads_as(Version::V3_1, sender, &packet(None, success), "20 02 FF 00");
    let refusals = [
        ("01", ReasonCode::UnsupportedProtocolVersion),
        ("02", ReasonCode::ClientIdentifierNotValid),
        ("03", ReasonCode::ServerUnavailable),
        ("04", ReasonCode::BadUserNameOrPassword),
        ("05", ReasonCode::NotAuthorized),
    ];
    for (code, reason) in refusals {
        both_ways(Version::V3_1_1, sender, &packet(Some(false), reason), &format!("20 02 00 {code}"));
        both_ways(Version::V3_1, sender, &packet(None, reason), &format!("20 02 00 {code}"));
    }
}

// [MQTT-3.3.2-1 of 3.1.1] [MQTT-2.3.1-5 of 3.1.1]
#[test]
fn publish_has_an_identifier_above_qos_0_only() {
    let mut publish = Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: true,
        packet_id: None,
        topic: Some(topic("a/b")),
        topic_alias: None,
        subscription_ids: SubscriptionIds::new(),
        payload: Bytes::from_static(b"hello"),
        properties: None,
    };
    for version in OLDER {
        for sender in [Role::Client, Role::Server] {
            let qos_0 = Packet::Publish(publish.clone());
            both_ways(version, sender, &qos_0, "31 0A 0003'a/b' 'hello'");
            let qos_1 = Publish { qos: QoS::AtLeastOnce, packet_id: Some(id(10)), ..publish.clone() };
            both_ways(version, sender, &Packet::Publish(qos_1), "33 0C 0003'a/b' 000A 'hello'");
            let qos_2 =
                Publish { qos: QoS::ExactlyOnce, packet_id: Some(id(0xFFFF)), dup: true, ..publish.clone() };
            both_ways(version, sender, &Packet::Publish(qos_2), "3D 0C 0003'a/b' FFFF 'hello'");
        }
    }
    // 3.1 does not forbid DUP on QoS 0.
    publish.dup = true;
    both_ways(Version::V3_1, Role::Server, &Packet::Publish(publish), "39 0A 0003'a/b' 'hello'");
}

// [MQTT-2.3.1-6 of 3.1.1] [MQTT-3.6.1-1 of 3.1.1]
#[test]
fn acknowledgements_are_an_identifier() {
    let ack = || Ack::success(id(0x1234));
    for version in OLDER {
        for sender in [Role::Client, Role::Server] {
            both_ways(version, sender, &Packet::PubAck(ack()), "40 02 1234");
            both_ways(version, sender, &Packet::PubRec(ack()), "50 02 1234");
            both_ways(version, sender, &Packet::PubRel(ack()), "62 02 1234");
            both_ways(version, sender, &Packet::PubComp(ack()), "70 02 1234");
        }
    }
}

// [MQTT-3.8.1-1 of 3.1.1] [MQTT-3.8.3-1 of 3.1.1] [MQTT-3.9.3-1 of 3.1.1] [MQTT-3.9.3-2 of 3.1.1]
#[test]
fn subscribe_and_suback_list_one_entry_per_filter() {
    let subscription =
        |text, qos| Subscription { filter: filter(text), options: SubscriptionOptions::new(qos) };
    let subscribe = Packet::Subscribe(Box::new(Subscribe {
        packet_id: id(1),
        subscriptions: vec![
            subscription("a/#", QoS::AtMostOnce),
            subscription("+", QoS::AtLeastOnce),
            subscription("b", QoS::ExactlyOnce),
        ],
        subscription_id: None,
        user_properties: Vec::new(),
    }));
    let suback = Packet::SubAck(Box::new(SubAck {
        packet_id: id(1),
        reasons: vec![
            ReasonCode::Success,
            ReasonCode::GrantedQoS1,
            ReasonCode::GrantedQoS2,
            ReasonCode::UnspecifiedError,
        ],
        properties: AckProperties::default(),
    }));
    for version in OLDER {
        both_ways(version, Role::Client, &subscribe, "82 10 0001 0003'a/#' 00 0001'+' 01 0001'b' 02");
        both_ways(version, Role::Server, &suback, "90 06 0001 00 01 02 80");
    }
}

// [MQTT-3.10.1-1 of 3.1.1] [MQTT-3.10.3-1 of 3.1.1]
#[test]
fn unsubscribe_lists_filters_and_unsuback_nothing() {
    let unsubscribe = Packet::Unsubscribe(Box::new(Unsubscribe {
        packet_id: id(2),
        filters: vec![filter("a/#"), filter("$SYS/b")],
        user_properties: Vec::new(),
    }));
    let unsuback = Packet::UnsubAck(Box::new(UnsubAck {
        packet_id: id(2),
        reasons: Vec::new(),
        properties: AckProperties::default(),
    }));
    for version in OLDER {
        both_ways(version, Role::Client, &unsubscribe, "A2 0F 0002 0003'a/#' 0006'$SYS/b'");
        both_ways(version, Role::Server, &unsuback, "B0 02 0002");
    }
}

// [MQTT-2.2.2-1 of 3.1.1] [MQTT-3.14.1-1 of 3.1.1]
#[test]
fn pings_and_disconnect_are_two_bytes() {
    for version in OLDER {
        both_ways(version, Role::Client, &Packet::PingReq, "C0 00");
        both_ways(version, Role::Server, &Packet::PingResp, "D0 00");
        let disconnect = Packet::Disconnect(Box::new(Disconnect::new(ReasonCode::Success)));
        both_ways(version, Role::Client, &disconnect, "E0 00");
    }
}
