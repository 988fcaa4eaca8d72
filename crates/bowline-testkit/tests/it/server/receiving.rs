//! Publications of the client: handed to the broker, acknowledged in order, delivered once.

use bowline_proto::packet::{Packet, Publish};
use bowline_proto::types::QoS;
use bowline_proto::{ReasonCode, Version};
use bowline_testkit::ServerRig;
use bowline_testkit::packets::{again, puback, pubcomp, pubrec, pubrel, qos0, qos1, qos2};

use super::assert_closed_with;

const OK: ReasonCode = ReasonCode::Success;

// [MQTT-3.3.4-1] [MQTT-3.3.4-1 of 3.1.1] [MQTT-4.3.2-4] [MQTT-4.3.3-8] [MQTT-4.3.3-11]
#[test]
fn each_qos_gets_its_answers_once_the_broker_is_done() {
    for version in Version::ALL {
        let mut rig = ServerRig::connected(version);
        rig.client(qos0("a", "0"));
        rig.client(qos1("a", "1", 1));
        rig.client(qos2("a", "2", 2));
        let received = rig.received();
        let seen: Vec<_> =
            received.iter().map(|one| (one.message.qos.as_u8(), &one.message.payload[..])).collect();
        assert_eq!(seen, [(0, &b"0"[..]), (1, b"1"), (2, b"2")]);
        assert_eq!(rig.sent(), [], "nothing is acknowledged before the broker says so");
        assert!(received[0].delivery.is_none());
        rig.acknowledge(received[1].delivery.unwrap(), OK);
        assert_eq!(rig.sent(), [puback(1, OK)]);
        rig.acknowledge(received[2].delivery.unwrap(), OK);
        assert_eq!(rig.sent(), [pubrec(2, OK)]);
        rig.client(pubrel(2, OK));
        assert_eq!(rig.sent(), [pubcomp(2, OK)]);
        assert!(rig.engine.session().unwrap().is_new());
    }
}

// [MQTT-3.3.1-3]
#[test]
fn a_dup_flag_alone_makes_no_message_a_copy() {
    for version in Version::ALL {
        let mut rig = ServerRig::connected(version);
        rig.client(again(qos1("a", "m", 1)));
        let [received] = &rig.received()[..] else { panic!("one message") };
        assert!(received.dup);
    }
}

#[test]
fn acknowledgements_leave_in_the_order_in_which_the_messages_arrived() {
    for version in Version::ALL {
        let mut rig = ServerRig::connected(version);
        for id in [11, 12, 13] {
            rig.client(qos1("a", "m", id));
            rig.client(qos2("a", "m", id + 10));
        }
        let deliveries: Vec<_> = rig.received().iter().map(|one| one.delivery.unwrap()).collect();
        for late in [2, 3, 4, 5] {
            rig.acknowledge(deliveries[late], OK);
        }
        assert_eq!(rig.sent(), [], "the first of each QoS are not done");
        rig.acknowledge(deliveries[1], OK);
        assert_eq!(rig.sent(), [pubrec(21, OK), pubrec(22, OK), pubrec(23, OK)], "whatever QoS 1 waits for");
        rig.acknowledge(deliveries[0], OK);
        assert_eq!(rig.sent(), [puback(11, OK), puback(12, OK), puback(13, OK)]);
    }
}

// [MQTT-4.3.3-10] [MQTT-4.3.3-2 of 3.1.1]
#[test]
fn a_qos_2_message_that_comes_again_is_not_delivered_again() {
    for version in Version::ALL {
        let mut rig = ServerRig::connected(version);
        rig.client(qos2("a", "m", 5));
        let delivery = rig.received()[0].delivery.unwrap();
        rig.client(again(qos2("a", "m", 5)));
        assert_eq!((rig.received().len(), rig.sent()), (0, vec![]), "still with the broker");
        rig.acknowledge(delivery, OK);
        assert_eq!(rig.sent(), [pubrec(5, OK)]);
        rig.client(again(qos2("a", "m", 5)));
        assert_eq!((rig.received().len(), rig.sent()), (0, vec![pubrec(5, OK)]));
        rig.client(pubrel(5, OK));
        rig.sent();
        // [MQTT-4.3.3-12]: now it is a new one.
        rig.client(qos2("a", "m", 5));
        assert_eq!(rig.received().len(), 1);
    }
}

// [MQTT-4.3.3-9] [MQTT-3.5.2-1]
#[test]
fn a_refused_qos_2_message_frees_its_identifier() {
    let mut rig = ServerRig::connected(Version::V5);
    rig.client(qos2("a", "m", 5));
    let delivery = rig.received()[0].delivery.unwrap();
    rig.acknowledge(delivery, ReasonCode::NotAuthorized);
    assert_eq!(rig.sent(), [pubrec(5, ReasonCode::NotAuthorized)]);
    rig.client(qos2("a", "other", 5));
    assert_eq!(rig.received().len(), 1);
}

// [MQTT-3.4.2-1]
#[test]
fn the_broker_may_say_that_nobody_subscribes_and_what_cannot_be_said_is_unspecified() {
    let mut rig = ServerRig::connected(Version::V5);
    let reasons = [
        (ReasonCode::NoMatchingSubscribers, ReasonCode::NoMatchingSubscribers),
        (ReasonCode::QuotaExceeded, ReasonCode::QuotaExceeded),
        (ReasonCode::PacketTooLarge, ReasonCode::UnspecifiedError),
        (ReasonCode::GrantedQoS1, OK),
    ];
    for (given, said) in reasons {
        rig.client(qos1("a", "m", 1));
        let delivery = rig.received()[0].delivery.unwrap();
        rig.acknowledge(delivery, given);
        assert_eq!(rig.sent(), [puback(1, said)]);
    }
}

#[test]
fn a_refusal_before_5_0_is_an_acknowledgement_that_is_counted() {
    for version in [Version::V3_1, Version::V3_1_1] {
        let mut rig = ServerRig::connected(version);
        rig.client(qos2("a", "m", 1));
        let delivery = rig.received()[0].delivery.unwrap();
        rig.acknowledge(delivery, ReasonCode::NotAuthorized);
        assert_eq!(rig.sent(), [pubrec(1, OK)]);
        rig.client(pubrel(1, OK));
        assert_eq!(rig.sent(), [pubcomp(1, OK)]);
        assert_eq!(rig.engine.stats().refusals_untold, 1);
    }
}

// [MQTT-3.7.2-1] [MQTT-4.3.3-11]
#[test]
fn a_pubrel_for_an_unknown_identifier_is_answered() {
    for version in Version::ALL {
        let mut rig = ServerRig::connected(version);
        rig.client(pubrel(9, OK));
        let unknown = if version.rules().has_ack_reasons { ReasonCode::PacketIdentifierNotFound } else { OK };
        assert_eq!(rig.sent(), [pubcomp(9, unknown)]);
    }
}

#[test]
fn a_pubrel_before_its_pubrec_closes_the_connection() {
    for version in Version::ALL {
        let mut rig = ServerRig::connected(version);
        rig.client(qos2("a", "m", 5));
        rig.events();
        rig.client(pubrel(5, OK));
        assert_closed_with(&mut rig, ReasonCode::ProtocolError);
    }
}

// [MQTT-2.2.1-3] [MQTT-2.3.1-2 of 3.1.1]
#[test]
fn another_message_under_an_identifier_in_use_closes_the_connection() {
    let pairs = [
        (qos1("a", "m", 5), qos1("a", "other", 5)),
        (qos2("a", "m", 5), qos1("a", "m", 5)),
        (qos1("a", "m", 5), qos2("b", "m", 5)),
    ];
    for version in Version::ALL {
        for (first, second) in pairs.clone() {
            let mut rig = ServerRig::connected(version);
            rig.client(first);
            rig.events();
            rig.client(second);
            assert_closed_with(&mut rig, ReasonCode::ProtocolError);
        }
    }
}

// [MQTT-3.3.2-7] [MQTT-3.3.2-12]
#[test]
fn topic_aliases_are_resolved_and_forgotten_with_the_connection() {
    let aliased = |topic: Option<&'static str>, alias: u16| {
        let Packet::Publish(publish) = qos0("x", "m") else { unreachable!() };
        Packet::Publish(Publish {
            topic: topic.map(bowline_testkit::packets::topic),
            topic_alias: std::num::NonZeroU16::new(alias),
            ..publish
        })
    };
    let mut rig = ServerRig::connected(Version::V5);
    rig.client(aliased(Some("a/b"), 16));
    rig.client(aliased(None, 16));
    let topics: Vec<_> = rig.received().iter().map(|one| one.message.topic.to_string()).collect();
    assert_eq!(topics, ["a/b", "a/b"]);

    let mut rig = rig.reconnected();
    rig.client(aliased(None, 16));
    assert_closed_with(&mut rig, ReasonCode::ProtocolError);
}

#[test]
fn an_acknowledgement_is_due_once() {
    let mut rig = ServerRig::connected(Version::V5);
    rig.client(qos1("a", "m", 1));
    let delivery = rig.received()[0].delivery.unwrap();
    rig.acknowledge(delivery, OK);
    rig.engine.acknowledge(delivery, OK).unwrap_err();
    assert_eq!(rig.sent(), [puback(1, OK)]);
}

#[test]
fn a_message_keeps_qos_retain_and_properties() {
    let mut rig = ServerRig::connected(Version::V5);
    let Packet::Publish(publish) = qos1("a", "m", 1) else { unreachable!() };
    let mut properties = bowline_proto::types::MessageProperties::default();
    properties.expiry_secs = Some(9);
    let properties = Some(Box::new(properties));
    rig.client(Packet::Publish(Publish { retain: true, properties: properties.clone(), ..publish }));
    let [received] = &rig.received()[..] else { panic!("one message") };
    assert!(received.message.retain && received.message.qos == QoS::AtLeastOnce);
    assert_eq!(received.message.properties, properties);
}
