//! Receive Maximum and the client's own window: what they hold back, and what passes.

use std::num::NonZeroU16;

use bowline_proto::client::{ClientConfig, Qos0Limits};
use bowline_proto::packet::{Ack, ConnAckProperties, Disconnect, Packet, Publish};
use bowline_proto::types::{QoS, SubscriptionIds, TopicName};
use bowline_proto::{PacketId, ReasonCode, Version};
use bowline_testkit::ClientRig;

use crate::script::{
    clean, kept, message, payloads, puback, pubcomp, publish, publish1, publish2, published, published_id,
    pubrec, subscription,
};

pub(crate) fn receive_maximum(maximum: u16) -> ConnAckProperties {
    ConnAckProperties { receive_maximum: NonZeroU16::new(maximum), ..Default::default() }
}

/// A connected 5.0 client whose broker takes so many unanswered messages.
fn with_receive_maximum(config: ClientConfig, maximum: u16) -> ClientRig {
    let mut rig = ClientRig::new(config);
    rig.connect_with(false, receive_maximum(maximum));
    rig.sent();
    rig.events();
    rig
}

// [MQTT-3.3.4-7] [MQTT-4.9.0-2]
#[test]
fn no_more_messages_than_receive_maximum_are_unanswered() {
    let mut rig = with_receive_maximum(clean(Version::V5), 2);
    for payload in ["1", "2", "3", "4", "5"] {
        publish1(&mut rig, payload);
    }
    let first = published(&mut rig);
    assert_eq!(first.len(), 2);
    assert_eq!(rig.engine.queued().0, 3);
    rig.broker(puback(first[1].packet_id.unwrap()));
    assert_eq!(payloads(&mut rig), ["3"], "one answer, one message");
    rig.broker(puback(first[0].packet_id.unwrap()));
    assert_eq!(payloads(&mut rig), ["4"]);
}

// [MQTT-4.9.0-2] [MQTT-3.3.4-7]
#[test]
fn a_qos_2_message_counts_until_pubcomp_and_not_only_until_pubrec() {
    let mut rig = with_receive_maximum(clean(Version::V5), 1);
    publish2(&mut rig, "1");
    publish2(&mut rig, "2");
    let id = published_id(&mut rig);
    rig.broker(pubrec(id));
    assert_eq!(published(&mut rig).len(), 0);
    rig.broker(pubcomp(id));
    assert_eq!(payloads(&mut rig), ["2"]);
}

// [MQTT-4.9.0-2] [MQTT-4.3.3-4]
#[test]
fn a_failing_pubrec_frees_its_identifier_and_its_place() {
    let mut rig = with_receive_maximum(clean(Version::V5), 1);
    for _ in 0..1_000 {
        publish2(&mut rig, "x");
        let id = published_id(&mut rig);
        rig.broker(Packet::PubRec(Ack::new(id, ReasonCode::QuotaExceeded)));
        rig.events();
    }
    assert_eq!(rig.engine.in_flight(), 0);
}

// [MQTT-4.9.0-1] [MQTT-4.9.0-2]
#[test]
fn surplus_answers_never_raise_the_quota_above_its_start() {
    let mut rig = with_receive_maximum(clean(Version::V5), 2);
    publish1(&mut rig, "0");
    let id = published_id(&mut rig);
    for _ in 0..5 {
        rig.broker(puback(id));
        rig.broker(pubcomp(id));
        rig.broker(Packet::PubRec(Ack::new(id, ReasonCode::QuotaExceeded)));
    }
    for payload in ["1", "2", "3", "4"] {
        publish1(&mut rig, payload);
    }
    assert_eq!(payloads(&mut rig), ["1", "2"]);
}

// [MQTT-4.9.0-1]
#[test]
fn without_a_receive_maximum_the_window_is_ours_alone() {
    for version in Version::ALL {
        let mut config = clean(version);
        config.in_flight_max = 3;
        let mut rig = ClientRig::connected(config);
        for payload in ["1", "2", "3", "4"] {
            publish1(&mut rig, payload);
        }
        let sent = published(&mut rig);
        assert_eq!(sent.len(), 3, "{version:?}");
        rig.broker(puback(sent[0].packet_id.unwrap()));
        assert_eq!(payloads(&mut rig), ["4"]);
    }
}

#[test]
fn a_window_of_1_keeps_strict_order_over_both_qualities() {
    for version in Version::ALL {
        let mut config = clean(version);
        config.in_flight_max = 1;
        let mut rig = ClientRig::connected(config);
        publish2(&mut rig, "1");
        publish1(&mut rig, "2");
        publish2(&mut rig, "3");
        let id = published_id(&mut rig);
        rig.broker(pubrec(id));
        assert_eq!(published(&mut rig).len(), 0);
        rig.broker(pubcomp(id));
        let [second] = &published(&mut rig)[..] else { panic!("one PUBLISH") };
        assert_eq!(second.payload, "2");
        rig.broker(puback(second.packet_id.unwrap()));
        assert_eq!(payloads(&mut rig), ["3"]);
    }
}

/// An incoming message of this QoS.
fn incoming(qos: QoS, id: u16) -> Packet {
    Packet::Publish(Publish {
        dup: false,
        qos,
        retain: false,
        packet_id: PacketId::new(id),
        topic: Some(TopicName::from_static("in").expect("a legal topic")),
        topic_alias: None,
        subscription_ids: SubscriptionIds::new(),
        payload: "x".into(),
        properties: None,
    })
}

// [MQTT-3.3.4-8] [MQTT-4.9.0-3]
#[test]
fn everything_but_acknowledged_publications_passes_a_full_quota() {
    let mut config = clean(Version::V5);
    config.unmatched = bowline_proto::client::Unmatched::Acknowledge;
    let mut rig = with_receive_maximum(config, 1);
    publish1(&mut rig, "1");
    publish1(&mut rig, "blocked");
    published_id(&mut rig);
    publish(&mut rig, message("qos 0", QoS::AtMostOnce));
    assert_eq!(payloads(&mut rig), ["qos 0"]);
    let wanted = vec![subscription("s", QoS::AtLeastOnce)];
    rig.engine.subscribe(wanted, Qos0Limits::default(), Vec::new()).unwrap();
    rig.engine.unsubscribe(vec![crate::script::filter("t")], Vec::new()).unwrap();
    rig.settle();
    let sent = rig.sent();
    assert!(matches!(&sent[..], [Packet::Subscribe(_), Packet::Unsubscribe(_)]), "{sent:?}");
    rig.broker(incoming(QoS::AtLeastOnce, 5));
    rig.broker(incoming(QoS::ExactlyOnce, 6));
    let sent = rig.sent();
    assert!(matches!(&sent[..], [Packet::PubAck(_), Packet::PubRec(_)]), "{sent:?}");
    rig.broker(Packet::PubRel(Ack::success(PacketId::new(6).unwrap())));
    assert!(matches!(&rig.sent()[..], [Packet::PubComp(_)]));
    rig.advance(std::time::Duration::from_secs(60));
    assert!(matches!(&rig.sent()[..], [Packet::PingReq]));
    rig.engine.disconnect(Disconnect::new(ReasonCode::Success), rig.now).unwrap();
    rig.settle();
    assert!(matches!(&rig.sent()[..], [Packet::Disconnect(_)]));
}

// [MQTT-4.9.0-1]
#[test]
fn the_quota_starts_anew_with_every_connection() {
    let mut rig = with_receive_maximum(kept(Version::V5), 3);
    for payload in ["1", "2", "3", "4", "5"] {
        publish1(&mut rig, payload);
    }
    assert_eq!(published(&mut rig).len(), 3);
    rig.reconnect_with(true, receive_maximum(4));
    assert_eq!(payloads(&mut rig), ["1", "2", "3", "4"]);
}

// [MQTT-3.3.4-7] [MQTT-3.3.4-8]
#[test]
fn subscribing_is_possible_while_publications_hold_all_identifiers_that_they_may() {
    let mut config = clean(Version::V3_1_1);
    config.in_flight_max = 65_519;
    let mut rig = ClientRig::connected(config);
    for _ in 0..65_530 {
        rig.engine.publish(message("x", QoS::AtLeastOnce), rig.now).unwrap();
    }
    rig.settle();
    assert_eq!(published(&mut rig).len(), 65_519);
    let wanted = vec![subscription("s", QoS::AtLeastOnce)];
    rig.engine.subscribe(wanted, Qos0Limits::default(), Vec::new()).unwrap();
    rig.settle();
    assert!(matches!(&rig.sent()[..], [Packet::Subscribe(_)]));
    // What requests hold is kept free of publications as well.
    let acknowledge = |id| puback(PacketId::new(id).expect("not 0"));
    rig.broker(acknowledge(1));
    rig.broker(acknowledge(2));
    assert_eq!(published(&mut rig).len(), 1, "one identifier is the request's");
}
