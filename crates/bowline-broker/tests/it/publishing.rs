//! From a publisher to a subscriber: QoS both ways, three versions, order, and who is told what.

use bowline_proto::packet::{Ack, Packet};
use bowline_proto::types::SubscriptionOptions;
use bowline_proto::{Message, QoS, ReasonCode, Version};
use bowline_testkit::packets::{puback, pubcomp, pubrec, pubrel, qos0, qos1, qos2, topic};

use crate::bench::{ALL_QOS, Bench, publish, subscribe};

// [MQTT-3.8.4-8] [MQTT-3.8.4-6 of 3.1.1] [MQTT-3.3.4-1] [MQTT-4.5.0-1] [MQTT-3.3.2-3]
#[test]
fn a_message_arrives_with_the_lower_of_the_published_and_the_granted_qos_in_all_versions() {
    for from in Version::ALL {
        for to in Version::ALL {
            for published in ALL_QOS {
                for granted in ALL_QOS {
                    let mut bench = Bench::new();
                    let subscriber = bench.connect(to, "to");
                    bench.subscribe(subscriber, "a/+", granted);
                    let publisher = bench.connect(from, "from");
                    bench.send(publisher, publish("a/b", "hello", published, 7));

                    let case = format!("{from} to {to}, QoS {published} to {granted}");
                    let got = bench.messages(subscriber);
                    assert_eq!(got.len(), 1, "{case}");
                    assert_eq!(got[0].qos, published.min(granted), "{case}");
                    assert_eq!(
                        (got[0].topic.clone(), got[0].dup, got[0].retain),
                        (Some(topic("a/b")), false, false)
                    );
                    let answer = match published {
                        QoS::AtMostOnce => vec![],
                        QoS::AtLeastOnce => vec![puback(7, ReasonCode::Success)],
                        QoS::ExactlyOnce => vec![pubrec(7, ReasonCode::Success)],
                    };
                    assert_eq!(bench.got(publisher), answer, "{case}");
                    bench.assert_no_violations();
                }
            }
        }
    }
}

// [MQTT-4.3.3-10] [MQTT-4.3.3-11] [MQTT-4.3.3-12] [MQTT-4.3.3-2 of 3.1.1]
#[test]
fn qos_2_is_delivered_once_and_its_identifier_is_free_after_pubcomp() {
    for version in Version::ALL {
        let mut bench = Bench::new();
        let id = bench.connect(version, "c");
        bench.subscribe(id, "a", QoS::AtMostOnce);
        for round in ["first", "second"] {
            bench.send(id, publish("a", round, QoS::ExactlyOnce, 1));
            bench.send(id, pubrel(1, ReasonCode::Success));
            let got = bench.got(id);
            assert!(got.contains(&pubcomp(1, ReasonCode::Success)), "{got:?}");
            assert_eq!(got.iter().filter(|packet| matches!(packet, Packet::Publish(_))).count(), 1);
        }
        bench.assert_no_violations();
    }
}

#[test]
fn a_publisher_of_5_0_is_told_that_nobody_subscribes() {
    for version in Version::ALL {
        let mut bench = Bench::new();
        let id = bench.connect(version, "c");
        bench.send(id, qos1("a", "x", 1));
        bench.send(id, qos2("a", "x", 2));
        let has_reasons = version.rules().has_ack_reasons;
        let reason = if has_reasons { ReasonCode::NoMatchingSubscribers } else { ReasonCode::Success };
        assert_eq!(bench.got(id), [puback(1, reason), pubrec(2, reason)]);
    }
}

// [MQTT-4.6.0-5] [MQTT-4.6.0-6 of 3.1.1]
#[test]
fn messages_of_a_publisher_arrive_in_their_order() {
    let mut bench = Bench::new();
    let subscriber = bench.connect(Version::V5, "to");
    bench.subscribe(subscriber, "#", QoS::ExactlyOnce);
    let publisher = bench.connect(Version::V3_1_1, "from");
    for id in 1..=500_u16 {
        bench.send(publisher, publish("a", id.to_string(), QoS::AtLeastOnce, id));
    }
    let expected: Vec<String> = (1..=500).map(|id: u16| id.to_string()).collect();
    assert_eq!(bench.payloads(subscriber), expected);
}

#[test]
fn properties_are_passed_on_unchanged_to_5_0_and_left_out_before() {
    let mut bench = Bench::new();
    let new = bench.connect(Version::V5, "new");
    let old = bench.connect(Version::V3_1, "old");
    bench.subscribe(new, "a", QoS::AtLeastOnce);
    bench.subscribe(old, "a", QoS::AtLeastOnce);
    let mut properties = bowline_proto::types::MessageProperties::default();
    properties.content_type = Some(bowline_proto::types::Text::from_static("text/plain").unwrap());
    properties.user_properties = vec![
        ("a".try_into().unwrap(), "1".try_into().unwrap()),
        ("a".try_into().unwrap(), "2".try_into().unwrap()),
    ];
    let Packet::Publish(mut packet) = qos1("a", "x", 1) else { unreachable!() };
    packet.properties = Some(Box::new(properties));
    let publisher = bench.connect(Version::V5, "from");
    bench.send(publisher, Packet::Publish(packet.clone()));
    assert_eq!(bench.messages(new)[0].properties, packet.properties);
    assert_eq!(bench.messages(old)[0].properties, None);
}

#[test]
fn a_refusal_by_one_subscriber_does_not_concern_the_publisher() {
    let mut bench = Bench::new();
    bench.answers = false;
    let subscriber = bench.connect(Version::V5, "to");
    bench.subscribe(subscriber, "a", QoS::ExactlyOnce);
    let publisher = bench.connect(Version::V5, "from");
    bench.send(publisher, qos2("a", "x", 1));
    assert_eq!(bench.got(publisher), [pubrec(1, ReasonCode::Success)]);
    let got = bench.messages(subscriber);
    let id = got[0].packet_id.unwrap();
    bench.send(subscriber, Packet::PubRec(Ack::new(id, ReasonCode::NotAuthorized)));
    assert_eq!(bench.got(subscriber), [], "a refusal ends the exchange");
    bench.assert_no_violations();
}

// [MQTT-4.7.2-1] [MQTT-4.7.2-1 of 3.1.1]
#[test]
fn what_clients_publish_below_sys_goes_to_nobody_and_wildcards_match_no_dollar() {
    let mut bench = Bench::new();
    let id = bench.connect(Version::V5, "c");
    bench.send(
        id,
        subscribe(
            &[
                ("#", SubscriptionOptions::new(QoS::AtMostOnce)),
                ("$SYS/#", SubscriptionOptions::new(QoS::AtMostOnce)),
            ],
            None,
        ),
    );
    bench.got(id);
    bench.send(id, qos1("$SYS/x", "x", 1));
    assert_eq!(bench.got(id), [puback(1, ReasonCode::NotAuthorized)]);
    bench.send(id, qos0("$other/x", "x"));
    assert_eq!(bench.got(id), []);
    let injected = Message::new(topic("$SYS/x"), "1");
    assert_eq!(bench.core.publish(&injected, bench.now), 1);
    bench.settle();
    assert_eq!(bench.payloads(id), ["1"]);
}

#[test]
fn an_injected_message_goes_to_all_who_subscribe() {
    let mut bench = Bench::new();
    let one = bench.connect(Version::V3_1_1, "one");
    let two = bench.connect(Version::V5, "two");
    bench.subscribe(one, "a/#", QoS::ExactlyOnce);
    bench.subscribe(two, "+/b", QoS::AtMostOnce);
    let message = Message::new(topic("a/b"), "x").with_qos(QoS::AtLeastOnce);
    assert_eq!(bench.core.publish(&message, bench.now), 2);
    bench.settle();
    assert_eq!(bench.messages(one)[0].qos, QoS::AtLeastOnce);
    assert_eq!(bench.messages(two)[0].qos, QoS::AtMostOnce);
    let stats = bench.core.stats();
    assert_eq!((stats.messages_in, stats.messages_out, stats.clients), (0, 2, 2));
}
