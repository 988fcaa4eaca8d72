//! Packets of 5.0 that move messages and subscriptions.

use std::num::NonZeroU16;

use bowline_proto::packet::{
    Ack, AckProperties, Packet, Publish, SubAck, Subscribe, Subscription, UnsubAck, Unsubscribe,
};
use bowline_proto::types::{
    MessageProperties, PayloadFormat, RetainHandling, SubscriptionId, SubscriptionIds, SubscriptionOptions,
};
use bowline_proto::{Bytes, PacketId, QoS, ReasonCode, Role, Text, Version};

use super::{both_ways, reads_as};
use crate::codec::{filter, text, topic};

fn id(value: u16) -> PacketId {
    PacketId::new(value).expect("not 0")
}

fn pairs() -> Vec<(Text, Text)> {
    vec![(text("k"), text("v"))]
}

const PAIRS: &str = "26 0001'k' 0001'v'";

fn publish() -> Publish {
    Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        packet_id: None,
        topic: Some(topic("a/b")),
        topic_alias: None,
        subscription_ids: SubscriptionIds::new(),
        payload: Bytes::from_static(b"hi"),
        properties: None,
    }
}

// [MQTT-3.3.2-1] [MQTT-2.2.1-2] [MQTT-2.2.2-1]
#[test]
fn publish_without_properties_says_so() {
    for sender in [Role::Client, Role::Server] {
        both_ways(Version::V5, sender, &Packet::Publish(publish()), "30 08 0003'a/b' 00 'hi'");
        let qos_1 = Publish { qos: QoS::AtLeastOnce, packet_id: Some(id(1)), retain: true, ..publish() };
        both_ways(Version::V5, sender, &Packet::Publish(qos_1), "33 0A 0003'a/b' 0001 00 'hi'");
        let qos_2 = Publish { qos: QoS::ExactlyOnce, packet_id: Some(id(256)), dup: true, ..publish() };
        both_ways(Version::V5, sender, &Packet::Publish(qos_2), "3C 0A 0003'a/b' 0100 00 'hi'");
        let empty = Publish { payload: Bytes::new(), ..publish() };
        both_ways(Version::V5, sender, &Packet::Publish(empty), "30 06 0003'a/b' 00");
    }
}

// [MQTT-3.3.2-1] [MQTT-3.3.2-8]
#[test]
fn publish_with_an_alias_may_lack_the_topic() {
    let set = Publish { topic_alias: NonZeroU16::new(7), ..publish() };
    both_ways(Version::V5, Role::Client, &Packet::Publish(set.clone()), "30 0B 0003'a/b' 03 23 0007 'hi'");
    let used = Publish { topic: None, ..set };
    both_ways(Version::V5, Role::Client, &Packet::Publish(used), "30 08 0000 03 23 0007 'hi'");
}

// [MQTT-3.3.4-3] [MQTT-3.3.4-4] [MQTT-3.3.2-13] [MQTT-3.3.2-18] [MQTT-3.3.2-19]
#[test]
fn publish_from_a_server_can_have_every_property() {
    let mut properties = MessageProperties::default();
    properties.payload_format = Some(PayloadFormat::Unspecified);
    properties.expiry_secs = Some(60);
    properties.content_type = Some(text("ct"));
    properties.response_topic = Some(topic("r"));
    properties.correlation_data = Some(Bytes::from_static(&[9]));
    properties.user_properties = pairs();
    let ids = [1, 128, 268_435_455].map(|value| SubscriptionId::new(value).expect("in range"));
    let packet = Packet::Publish(Publish {
        topic_alias: NonZeroU16::new(1),
        subscription_ids: ids.into_iter().collect(),
        properties: Some(Box::new(properties)),
        ..publish()
    });
    let properties = format!(
        "23 0001 0B 01 0B 8001 0B FFFFFF7F 01 00 02 0000003C 03 0002'ct' 08 0001'r' 09 0001 09 {PAIRS}"
    );
    both_ways(Version::V5, Role::Server, &packet, &format!("30 30 0003'a/b' 28 {properties} 'hi'"));
    let shuffled = format!(
        "0B 01 {PAIRS} 09 0001 09 08 0001'r' 0B 8001 03 0002'ct' 02 0000003C 01 00 0B FFFFFF7F 23 0001"
    );
    reads_as(Version::V5, Role::Server, &packet, &format!("30 30 0003'a/b' 28 {shuffled} 'hi'"));
}

// [MQTT-2.2.1-5] [MQTT-3.6.1-1] [MQTT-3.4.2-1] [MQTT-3.5.2-1]
#[test]
fn acknowledgements_have_three_lengths() {
    type Make = fn(Ack) -> Packet;
    let kinds: [(Make, &str, ReasonCode, &str); 4] = [
        (Packet::PubAck, "40", ReasonCode::NoMatchingSubscribers, "10"),
        (Packet::PubRec, "50", ReasonCode::QuotaExceeded, "97"),
        (Packet::PubRel, "62", ReasonCode::PacketIdentifierNotFound, "92"),
        (Packet::PubComp, "70", ReasonCode::PacketIdentifierNotFound, "92"),
    ];
    for (make, first, reason, code) in kinds {
        for sender in [Role::Client, Role::Server] {
            let success = make(Ack::success(id(3)));
            both_ways(Version::V5, sender, &success, &format!("{first} 02 0003"));
            reads_as(Version::V5, sender, &success, &format!("{first} 03 0003 00"));
            reads_as(Version::V5, sender, &success, &format!("{first} 04 0003 00 00"));
            let other = make(Ack::new(id(3), reason));
            both_ways(Version::V5, sender, &other, &format!("{first} 03 0003 {code}"));
            let properties = AckProperties { reason_string: Some(text("no")), user_properties: pairs() };
            let mut full = Ack::new(id(3), reason);
            full.properties = Some(Box::new(properties));
            let bytes = format!("{first} 10 0003 {code} 0C 1F 0002'no' {PAIRS}");
            both_ways(Version::V5, sender, &make(full.clone()), &bytes);
            full.reason = ReasonCode::Success;
            let bytes = format!("{first} 10 0003 00 0C 1F 0002'no' {PAIRS}");
            both_ways(Version::V5, sender, &make(full), &bytes);
        }
    }
}

// [MQTT-3.8.1-1] [MQTT-3.8.3-1] [MQTT-3.8.3-5] [MQTT-3.3.1-9] [MQTT-3.3.1-10]
#[test]
fn subscribe_writes_every_option() {
    let options = |qos, no_local, retain_as_published, retain_handling| {
        let mut options = SubscriptionOptions::new(qos);
        options.no_local = no_local;
        options.retain_as_published = retain_as_published;
        options.retain_handling = retain_handling;
        options
    };
    let mut subscribe = Subscribe {
        packet_id: id(10),
        subscriptions: vec![
            Subscription {
                filter: filter("a/b"),
                options: options(QoS::AtLeastOnce, true, false, RetainHandling::OnSubscribe),
            },
            Subscription {
                filter: filter("$share/g/+/#"),
                options: options(QoS::ExactlyOnce, false, true, RetainHandling::OnNewSubscription),
            },
            Subscription {
                filter: filter("#"),
                options: options(QoS::AtMostOnce, true, true, RetainHandling::Never),
            },
        ],
        subscription_id: None,
        user_properties: Vec::new(),
    };
    let filters = "0003'a/b' 05 000C'$share/g/+/#' 1A 0001'#' 2C";
    let bytes = format!("82 1C 000A 00 {filters}");
    both_ways(Version::V5, Role::Client, &Packet::Subscribe(Box::new(subscribe.clone())), &bytes);
    subscribe.subscription_id = SubscriptionId::new(300);
    subscribe.user_properties = pairs();
    let bytes = format!("82 26 000A 0A 0B AC02 {PAIRS} {filters}");
    both_ways(Version::V5, Role::Client, &Packet::Subscribe(Box::new(subscribe)), &bytes);
}

// [MQTT-3.9.3-1] [MQTT-3.9.3-2]
#[test]
fn suback_has_a_reason_per_filter() {
    let mut suback = SubAck {
        packet_id: id(10),
        reasons: vec![ReasonCode::Success, ReasonCode::GrantedQoS2, ReasonCode::NotAuthorized],
        properties: AckProperties::default(),
    };
    both_ways(Version::V5, Role::Server, &Packet::SubAck(Box::new(suback.clone())), "90 06 000A 00 00 02 87");
    suback.properties = AckProperties { reason_string: Some(text("no")), user_properties: pairs() };
    let bytes = format!("90 12 000A 0C 1F 0002'no' {PAIRS} 00 02 87");
    both_ways(Version::V5, Role::Server, &Packet::SubAck(Box::new(suback)), &bytes);
}

// [MQTT-3.10.1-1] [MQTT-3.10.3-1] [MQTT-3.11.3-1] [MQTT-3.11.3-2]
#[test]
fn unsubscribe_and_unsuback_list_one_entry_per_filter() {
    let mut unsubscribe = Unsubscribe {
        packet_id: id(1),
        filters: vec![filter("a"), filter("b/+")],
        user_properties: Vec::new(),
    };
    let packet = Packet::Unsubscribe(Box::new(unsubscribe.clone()));
    both_ways(Version::V5, Role::Client, &packet, "A2 0B 0001 00 0001'a' 0003'b/+'");
    unsubscribe.user_properties = pairs();
    let bytes = format!("A2 12 0001 07 {PAIRS} 0001'a' 0003'b/+'");
    both_ways(Version::V5, Role::Client, &Packet::Unsubscribe(Box::new(unsubscribe)), &bytes);
    let mut unsuback = UnsubAck {
        packet_id: id(1),
        reasons: vec![ReasonCode::Success, ReasonCode::NoSubscriptionExisted],
        properties: AckProperties::default(),
    };
    let packet = Packet::UnsubAck(Box::new(unsuback.clone()));
    both_ways(Version::V5, Role::Server, &packet, "B0 05 0001 00 00 11");
    unsuback.properties = AckProperties { reason_string: Some(text("no")), user_properties: pairs() };
    let bytes = format!("B0 11 0001 0C 1F 0002'no' {PAIRS} 00 11");
    both_ways(Version::V5, Role::Server, &Packet::UnsubAck(Box::new(unsuback)), &bytes);
}
