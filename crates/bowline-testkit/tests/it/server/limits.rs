//! What was announced in CONNACK is enforced; what cannot be announced pauses reading.

use std::num::NonZeroU16;

use bowline_proto::packet::{ConnAckProperties, Packet, Publish, Subscribe, Subscription};
use bowline_proto::server::ServerConfig;
use bowline_proto::types::{QoS, SubscriptionId, SubscriptionOptions};
use bowline_proto::{ReasonCode, Role, Version};
use bowline_testkit::ServerRig;
use bowline_testkit::packets::{filter, packet_id, puback, qos0, qos1, qos2};
use bowline_testkit::server_rig::connect;

use super::assert_closed_with;

const OK: ReasonCode = ReasonCode::Success;

fn granted(grants: ConnAckProperties) -> ServerRig {
    ServerRig::connected_with(ServerConfig::new(), connect(Version::V5), grants)
}

fn subscribe(text: &'static str, id: Option<u32>) -> Packet {
    let options = SubscriptionOptions::new(QoS::AtMostOnce);
    Packet::Subscribe(Box::new(Subscribe {
        packet_id: packet_id(1),
        subscriptions: vec![Subscription { filter: filter(text), options }],
        subscription_id: id.and_then(SubscriptionId::new),
        user_properties: Vec::new(),
    }))
}

// [MQTT-3.3.4-7] [MQTT-4.9.0-2]
#[test]
fn one_message_more_than_receive_maximum_closes_with_0x93() {
    let grants = ConnAckProperties { receive_maximum: NonZeroU16::new(2), ..Default::default() };
    let mut rig = granted(grants);
    rig.client(qos1("a", "m", 1));
    rig.client(qos2("a", "m", 2));
    let delivery = rig.received()[0].delivery.unwrap();
    rig.acknowledge(delivery, OK);
    rig.client(qos1("a", "m", 3));
    assert_eq!(rig.sent(), [puback(1, OK)]);
    rig.client(qos0("a", "QoS 0 does not count"));
    assert_eq!(rig.engine.state_name(), "Active");
    rig.events();
    rig.client(qos1("a", "m", 4));
    let error = assert_closed_with(&mut rig, ReasonCode::ReceiveMaximumExceeded);
    assert_eq!(error.statement(Role::Client), Some("MQTT-3.3.4-7"));
}

// [MQTT-3.2.2-11]
#[test]
fn a_qos_above_the_maximum_closes_with_0x9b() {
    for (maximum, packet) in [(QoS::AtMostOnce, qos1("a", "m", 1)), (QoS::AtLeastOnce, qos2("a", "m", 1))] {
        let mut rig = granted(ConnAckProperties { maximum_qos: Some(maximum), ..Default::default() });
        rig.client(packet);
        let error = assert_closed_with(&mut rig, ReasonCode::QoSNotSupported);
        assert_eq!(error.statement(Role::Client), Some("MQTT-3.2.2-11"));
    }
}

// [MQTT-3.2.2-14]
#[test]
fn a_retained_message_where_there_are_none_closes_with_0x9a() {
    let mut rig = granted(ConnAckProperties { retain_available: Some(false), ..Default::default() });
    let Packet::Publish(publish) = qos0("a", "m") else { unreachable!() };
    rig.client(Packet::Publish(Publish { retain: true, ..publish }));
    assert_closed_with(&mut rig, ReasonCode::RetainNotSupported);
}

// [MQTT-3.2.2-17] [MQTT-3.2.2-18]
#[test]
fn an_alias_above_the_maximum_closes_with_0x94() {
    for (maximum, alias) in [(Some(0), 1), (Some(4), 5), (None, 17)] {
        let mut rig = granted(ConnAckProperties { topic_alias_maximum: maximum, ..Default::default() });
        let Packet::Publish(publish) = qos0("a", "m") else { unreachable!() };
        rig.client(Packet::Publish(Publish { topic_alias: NonZeroU16::new(alias), ..publish }));
        assert_closed_with(&mut rig, ReasonCode::TopicAliasInvalid);
    }
}

// [MQTT-3.2.2-15]
#[test]
fn a_packet_above_maximum_packet_size_closes_with_0x95_before_it_has_arrived() {
    let mut config = ServerConfig::new();
    config.packet_bytes_max = 100;
    for version in Version::ALL {
        let mut rig = ServerRig::connected_with(config.clone(), connect(version), Default::default());
        rig.client_bytes(&[0x30, 99]);
        let error = assert_closed_with(&mut rig, ReasonCode::PacketTooLarge);
        assert_eq!(error.statement(Role::Client), Some("MQTT-3.2.2-15"));
    }
}

#[test]
fn subscriptions_of_a_kind_that_was_switched_off_close_with_their_reasons() {
    let grants = ConnAckProperties {
        wildcard_subscription_available: Some(false),
        subscription_ids_available: Some(false),
        shared_subscription_available: Some(false),
        ..Default::default()
    };
    let cases = [
        (subscribe("a/+", None), ReasonCode::WildcardSubscriptionsNotSupported),
        (subscribe("a", Some(7)), ReasonCode::SubscriptionIdentifiersNotSupported),
        (subscribe("$share/g/a", None), ReasonCode::SharedSubscriptionsNotSupported),
    ];
    for (packet, reason) in cases {
        let mut rig = granted(grants.clone());
        rig.client(packet);
        assert_closed_with(&mut rig, reason);
    }
}

#[test]
fn before_5_0_reading_pauses_at_receive_maximum_and_goes_on_below_it() {
    for version in [Version::V3_1, Version::V3_1_1] {
        let mut config = ServerConfig::new();
        config.receive_maximum = 2;
        let mut rig = ServerRig::connected_with(config, connect(version), Default::default());
        for id in 1..=3 {
            rig.client(qos1("a", "m", id));
        }
        let received = rig.received();
        assert_eq!(received.len(), 2);
        assert!(rig.engine.is_reading_paused());
        rig.acknowledge(received[0].delivery.unwrap(), OK);
        assert_eq!((rig.received().len(), rig.sent()), (1, vec![puback(1, OK)]));
    }
}

#[test]
fn what_the_broker_finished_while_the_client_was_away_does_not_pause_reading() {
    for version in Version::ALL {
        let mut config = ServerConfig::new();
        config.receive_maximum = 1;
        config.inbound_bytes_max = 2;
        let mut rig = ServerRig::connected_with(config, connect(version), Default::default());
        rig.client(qos1("a", "m", 1));
        let delivery = rig.received()[0].delivery.unwrap();
        rig.lose();
        rig.acknowledge(delivery, OK);
        let mut rig = rig.reconnected();
        assert!(!rig.engine.is_reading_paused());
        rig.client(qos1("a", "n", 2));
        assert_eq!(rig.received().len(), 1);
    }
}

#[test]
fn reading_pauses_at_the_bound_of_bytes_and_keep_alive_with_it() {
    for version in Version::ALL {
        let mut config = ServerConfig::new();
        config.inbound_bytes_max = 10;
        let mut rig = ServerRig::connected_with(config, connect(version), Default::default());
        rig.client(qos1("topic", "12345", 1));
        let delivery = rig.received()[0].delivery.unwrap();
        assert!(rig.engine.is_reading_paused());
        assert_eq!(rig.until(), None, "the client cannot be heard");
        rig.acknowledge(delivery, OK);
        assert!(!rig.engine.is_reading_paused());
        assert!(rig.until().is_some());
    }
}

#[test]
fn unanswered_requests_pause_reading() {
    let mut rig = ServerRig::connected(Version::V5);
    for id in 1..=100 {
        let Packet::Subscribe(mut one) = subscribe("a", None) else { unreachable!() };
        one.packet_id = packet_id(id);
        rig.client(Packet::Subscribe(one));
    }
    assert_eq!(rig.events().len(), 64);
    rig.engine.subscribe_result(packet_id(1), vec![OK], Default::default()).unwrap();
    rig.settle();
    assert_eq!(rig.events().len(), 1);
}

#[test]
fn a_client_that_makes_us_answer_and_does_not_read_is_given_up() {
    let mut rig = ServerRig::connected(Version::V5);
    rig.writes = false;
    rig.client(Packet::PingReq);
    // Unknown, so that each is answered with a reason.
    let releases: Vec<u8> = [0x62, 2, 0, 9].repeat(10_000);
    let mut floods = 0;
    while rig.engine.state_name() == "Active" {
        rig.client_bytes(&releases);
        floods += 1;
        assert!(floods < 1_000, "the output grows without end");
    }
    let cause = rig.ended().cause;
    assert!(cause.to_string().starts_with("the client does not read"), "{cause}");
}
