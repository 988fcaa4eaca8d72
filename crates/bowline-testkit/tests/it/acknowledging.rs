//! When and in which order received messages are acknowledged (rules 1, 2, 6, 12 and 13 of the inbound rules).

use std::time::Duration;

use bowline_proto::client::{Event, Output, Qos0Limits, Stale, UNROUTED};
use bowline_proto::packet::Packet;
use bowline_proto::types::QoS;
use bowline_proto::{ReasonCode, Version};
use bowline_testkit::ClientRig;
use bowline_testkit::packets::{again, filter, puback, pubcomp, pubrec, pubrel, qos0, qos1, qos2};
use bowline_testkit::subscriber::{clean, kept};

const OK: ReasonCode = ReasonCode::Success;

// [MQTT-3.3.4-1] [MQTT-4.3.2-4] [MQTT-3.3.4-1 of 3.1.1] [MQTT-4.3.2-2 of 3.1.1] [MQTT-2.3.1-6 of 3.1.1]
#[test]
fn a_qos_1_message_is_acknowledged_when_it_is_taken_and_not_before() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        let stream = rig.subscribed("a/#", QoS::AtLeastOnce);
        rig.broker(qos1("a/b", "m", 7));
        let [message] = rig.arrived()[..] else { panic!("one message") };
        rig.advance(Duration::from_secs(30));
        assert_eq!(rig.sent(), []);
        assert_eq!(rig.take(message, stream), Ok(()));
        assert_eq!(rig.sent(), [puback(7, OK)]);
    }
}

// [MQTT-4.3.3-8] [MQTT-4.3.3-11] [MQTT-2.2.1-5] [MQTT-4.3.3-2 of 3.1.1]
#[test]
fn a_qos_2_message_gets_pubrec_when_it_is_taken_and_pubcomp_for_pubrel() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        let stream = rig.subscribed("a/#", QoS::ExactlyOnce);
        rig.broker(qos2("a/b", "m", 7));
        let [message] = rig.arrived()[..] else { panic!("one message") };
        assert_eq!(rig.sent(), []);
        rig.take(message, stream).unwrap();
        assert_eq!(rig.sent(), [pubrec(7, OK)]);
        rig.broker(pubrel(7, OK));
        assert_eq!(rig.sent(), [pubcomp(7, OK)]);
        // [MQTT-4.3.3-12]: the identifier is free, so the same packet is a new message.
        rig.broker(qos2("a/b", "m", 7));
        assert_eq!(rig.arrived().len(), 1);
    }
}

// [MQTT-3.3.4-1] [MQTT-3.3.4-1 of 3.1.1]
#[test]
fn a_qos_0_message_is_not_answered() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        let stream = rig.subscribed("a/#", QoS::AtLeastOnce);
        rig.broker(qos0("a/b", "m"));
        assert_eq!(rig.payloads(), ["m"]);
        rig.engine.take_qos0(stream);
        rig.settle();
        assert_eq!(rig.sent(), []);
    }
}

// [MQTT-4.6.0-2] [MQTT-4.6.0-2 of 3.1.1]
#[test]
fn pubacks_leave_in_the_order_of_arrival_over_all_streams() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        let a = rig.subscribed("a", QoS::AtLeastOnce);
        let b = rig.subscribed("b", QoS::AtLeastOnce);
        for (topic, id) in [("a", 5), ("b", 9), ("a", 2), ("b", 1)] {
            rig.broker(qos1(topic, "m", id));
        }
        let [a5, b9, a2, b1] = rig.arrived()[..] else { panic!("four messages") };
        rig.take(b1, b).unwrap();
        rig.take(b9, b).unwrap();
        assert_eq!(rig.sent(), [], "the oldest is not taken");
        rig.take(a5, a).unwrap();
        assert_eq!(rig.sent(), [puback(5, OK), puback(9, OK)]);
        rig.take(a2, a).unwrap();
        assert_eq!(rig.sent(), [puback(2, OK), puback(1, OK)]);
    }
}

// [MQTT-4.6.0-3] [MQTT-4.6.0-3 of 3.1.1]
#[test]
fn pubrecs_leave_in_the_order_of_arrival_over_all_streams() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        let a = rig.subscribed("a", QoS::ExactlyOnce);
        let b = rig.subscribed("b", QoS::ExactlyOnce);
        for (topic, id) in [("a", 5), ("b", 9), ("a", 2)] {
            rig.broker(qos2(topic, "m", id));
        }
        let [a5, b9, a2] = rig.arrived()[..] else { panic!("three messages") };
        rig.take(a2, a).unwrap();
        rig.take(b9, b).unwrap();
        assert_eq!(rig.sent(), [], "the oldest is not taken");
        rig.take(a5, a).unwrap();
        assert_eq!(rig.sent(), [pubrec(5, OK), pubrec(9, OK), pubrec(2, OK)]);
    }
}

// [MQTT-4.6.0-2] [MQTT-4.6.0-3] [MQTT-4.6.0-2 of 3.1.1] [MQTT-4.6.0-3 of 3.1.1]
#[test]
fn pubacks_and_pubrecs_do_not_wait_for_each_other() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        let stream = rig.subscribed("a", QoS::ExactlyOnce);
        rig.broker(qos1("a", "m", 1));
        rig.broker(qos2("a", "m", 2));
        rig.broker(qos1("a", "m", 3));
        let [one, two, three] = rig.arrived()[..] else { panic!("three messages") };
        rig.take(three, stream).unwrap();
        assert_eq!(rig.sent(), []);
        rig.take(two, stream).unwrap();
        assert_eq!(rig.sent(), [pubrec(2, OK)]);
        rig.take(one, stream).unwrap();
        assert_eq!(rig.sent(), [puback(1, OK), puback(3, OK)]);
    }
}

// [MQTT-4.6.0-2] [MQTT-4.6.0-5] [MQTT-4.6.0-6 of 3.1.1]
#[test]
fn an_untaken_message_delays_later_acks_and_never_later_deliveries() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        let _slow = rig.subscribed("slow", QoS::AtLeastOnce);
        let quick = rig.subscribed("quick", QoS::AtLeastOnce);
        rig.broker(qos1("slow", "s", 1));
        let held = rig.arrived();
        for id in 2..100 {
            rig.broker(qos1("quick", "q", id));
            let [message] = rig.arrived()[..] else { panic!("it is delivered at once") };
            rig.take(message, quick).unwrap();
        }
        assert_eq!((held.len(), rig.sent()), (1, vec![]));
    }
}

// [MQTT-4.6.0-2] [MQTT-3.4.2-1] [MQTT-4.6.0-3]
#[test]
fn a_refusal_waits_for_its_turn_like_any_acknowledgement() {
    let mut rig = ClientRig::connected(clean(Version::V5));
    let stream = rig.subscribed("a", QoS::ExactlyOnce);
    for (one, two) in [(1, 2), (3, 4)] {
        rig.broker(qos1("a", "m", one));
        rig.broker(qos2("a", "m", two));
    }
    let [one, two, three, four] = rig.arrived()[..] else { panic!("four messages") };
    rig.refuse(three, stream, ReasonCode::NotAuthorized).unwrap();
    rig.refuse(four, stream, ReasonCode::QuotaExceeded).unwrap();
    assert_eq!(rig.sent(), []);
    rig.take(one, stream).unwrap();
    rig.take(two, stream).unwrap();
    let expected = [
        puback(1, OK),
        puback(3, ReasonCode::NotAuthorized),
        pubrec(2, OK),
        pubrec(4, ReasonCode::QuotaExceeded),
    ];
    assert_eq!(rig.sent(), expected);
}

// [MQTT-4.6.0-2] [MQTT-4.6.0-2 of 3.1.1]
#[test]
fn what_is_taken_in_one_batch_is_acknowledged_in_one_write() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        let stream = rig.subscribed("a", QoS::AtLeastOnce);
        for id in 1..=3 {
            rig.broker(qos1("a", "m", id));
        }
        // Handed over together, the cursor stands behind the second.
        let messages = rig.arrived();
        for &message in &messages[..2] {
            rig.engine.take(message, stream, OK).unwrap();
        }
        let Output::Transmit(buffer) = rig.engine.poll_output(rig.now) else { panic!("acknowledgements") };
        assert_eq!(buffer.to_vec(), [0x40, 2, 0, 1, 0x40, 2, 0, 2], "two and not the third");
    }
}

#[test]
fn a_message_for_several_streams_is_acknowledged_once_all_have_taken_it() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        let one = rig.subscribed("a/+", QoS::ExactlyOnce);
        let two = rig.subscribed("a/#", QoS::ExactlyOnce);
        rig.broker(qos1("a/b", "m", 1));
        rig.broker(qos2("a/b", "m", 2));
        let deliveries = rig.deliveries();
        assert!(deliveries.iter().all(|d| d.streams.contains(one) && d.streams.contains(two)));
        for delivery in deliveries.iter().filter_map(|delivery| delivery.delivery) {
            rig.take(delivery, two).unwrap();
            assert_eq!(rig.take(delivery, two), Err(Stale), "it has taken it before");
            assert_eq!(rig.sent(), []);
            rig.take(delivery, one).unwrap();
            assert_eq!(rig.sent().len(), 1);
            assert_eq!(rig.take(delivery, one), Err(Stale));
        }
    }
}

// [MQTT-3.4.2-1]
#[test]
fn of_several_refusals_the_highest_reason_wins_over_any_success() {
    let (lower, higher) = (ReasonCode::NotAuthorized, ReasonCode::QuotaExceeded);
    for order in [[lower, higher, OK], [OK, higher, lower], [higher, OK, lower]] {
        let mut rig = ClientRig::connected(clean(Version::V5));
        let streams = ["a", "+", "#"].map(|filter| rig.subscribed(filter, QoS::AtLeastOnce));
        rig.broker(qos1("a", "m", 1));
        let [message] = rig.arrived()[..] else { panic!("one message") };
        for (stream, reason) in streams.into_iter().zip(order) {
            rig.refuse(message, stream, reason).unwrap();
        }
        assert_eq!(rig.sent(), [puback(1, higher)]);
    }
}

// [MQTT-3.4.2-1] [MQTT-3.5.2-1]
#[test]
fn a_refusal_with_a_code_that_acknowledgements_do_not_have_says_unspecified_error() {
    let mut rig = ClientRig::connected(clean(Version::V5));
    let stream = rig.subscribed("a", QoS::ExactlyOnce);
    for reason in [ReasonCode::ServerBusy, ReasonCode::TopicFilterInvalid, ReasonCode::SessionTakenOver] {
        rig.broker(qos1("a", "m", 1));
        rig.broker(qos2("a", "m", 2));
        for message in rig.arrived() {
            rig.refuse(message, stream, reason).unwrap();
        }
        let unspecified = ReasonCode::UnspecifiedError;
        assert_eq!(rig.sent(), [puback(1, unspecified), pubrec(2, unspecified)], "{reason}");
    }
}

// [MQTT-4.3.3-9]
#[test]
fn after_a_refusing_pubrec_the_identifier_carries_a_new_message() {
    let mut rig = ClientRig::connected(clean(Version::V5));
    let stream = rig.subscribed("a", QoS::ExactlyOnce);
    rig.broker(qos2("a", "m", 1));
    let [message] = rig.arrived()[..] else { panic!("one message") };
    rig.refuse(message, stream, ReasonCode::NotAuthorized).unwrap();
    assert_eq!(rig.sent(), [pubrec(1, ReasonCode::NotAuthorized)]);
    rig.broker(again(qos2("a", "m", 1)));
    assert_eq!(rig.arrived().len(), 1, "the broker may try again");
    assert_eq!(rig.sent(), []);
}

// [MQTT-4.3.2-5] [MQTT-3.3.1-3] [MQTT-4.3.2-2 of 3.1.1] [MQTT-3.3.1-3 of 3.1.1]
#[test]
fn after_puback_the_same_identifier_is_a_new_message_whatever_dup_says() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        let stream = rig.subscribed("a", QoS::AtLeastOnce);
        for packet in [qos1("a", "m", 1), again(qos1("a", "m", 1)), qos1("a", "m", 1)] {
            rig.broker(packet);
            let [message] = rig.arrived()[..] else { panic!("delivered each time") };
            rig.take(message, stream).unwrap();
            assert_eq!(rig.sent(), [puback(1, OK)]);
        }
    }
}

#[test]
fn before_version_5_a_refusal_is_an_acknowledgement_and_an_event_that_says_so() {
    for version in [Version::V3_1, Version::V3_1_1] {
        let mut rig = ClientRig::connected(clean(version));
        let stream = rig.subscribed("a", QoS::ExactlyOnce);
        for (packet, answer) in [(qos1("a", "m", 1), puback(1, OK)), (qos2("a", "m", 2), pubrec(2, OK))] {
            rig.broker(packet);
            let [message] = rig.arrived()[..] else { panic!("one message") };
            rig.refuse(message, stream, ReasonCode::NotAuthorized).unwrap();
            assert_eq!(rig.sent(), [answer]);
            let events = rig.events();
            let [Event::RefusalNotTold { delivery, reason }] = events[..] else {
                panic!("one event: {events:?}");
            };
            assert_eq!((delivery, reason), (message, ReasonCode::NotAuthorized));
        }
        // The acknowledgement counts as one: the identifier is recorded and PUBREL completes it.
        rig.broker(pubrel(2, OK));
        assert_eq!(rig.sent(), [pubcomp(2, OK)]);
    }
}

#[test]
fn messages_taken_while_a_write_is_blocked_are_acknowledged_once_it_is_done() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        let stream = rig.asks_for(&["a"], QoS::AtLeastOnce, Qos0Limits::default());
        rig.grant_all();
        rig.events();
        rig.writes = false;
        rig.publishes("elsewhere", QoS::AtMostOnce);
        rig.broker(qos1("a", "m", 1));
        rig.broker(qos1("a", "m", 2));
        for message in rig.arrived() {
            rig.take(message, stream).unwrap();
        }
        assert!(matches!(rig.sent()[..], [Packet::Publish(_)]), "what the driver was given");
        rig.write_out();
        assert_eq!(rig.sent(), [puback(1, OK), puback(2, OK)]);
    }
}

#[test]
fn a_message_that_holds_up_others_is_named_once_after_a_while() {
    for version in Version::ALL {
        for (packets, answer) in [
            ([qos1("slow/a", "m", 1), qos1("quick", "m", 2)], puback(1, OK)),
            ([qos2("slow/a", "m", 1), qos2("quick", "m", 2)], pubrec(1, OK)),
        ] {
            let mut config = clean(version);
            config.stall_after = Duration::from_secs(20);
            let mut rig = ClientRig::connected(config);
            let slow = rig.subscribed("slow/#", QoS::ExactlyOnce);
            let quick = rig.subscribed("quick", QoS::ExactlyOnce);
            let started = rig.now;
            packets.into_iter().for_each(|packet| rig.broker(packet));
            let [holder, waiting] = rig.arrived()[..] else { panic!("two messages") };
            rig.take(waiting, quick).unwrap();
            rig.advance(Duration::from_millis(19_999));
            assert!(rig.events().is_empty());
            rig.advance(Duration::from_secs(15));
            let events = rig.events();
            let [Event::Stalled { delivery, streams, topic, filter: of, held, since }] = &events[..] else {
                panic!("told once: {events:?}")
            };
            assert_eq!((*delivery, *held, *since), (holder, 2, started));
            assert!(streams.contains(slow) && !streams.contains(quick));
            assert_eq!((topic.as_str(), of.clone()), ("slow/a", Some(filter("slow/#"))));
            rig.take(holder, slow).unwrap();
            assert_eq!(rig.sent()[0], answer);
        }
    }
}

#[test]
fn a_message_held_for_nobody_stalls_by_name_too() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        rig.broker(qos1("unmatched", "m", 1));
        rig.advance(Duration::from_secs(31));
        let events = rig.events();
        let [Event::Stalled { streams, topic, filter: None, held: 1, .. }] = &events[..] else {
            panic!("told once: {events:?}")
        };
        assert_eq!(topic.as_str(), "unmatched");
        assert!(streams.contains(UNROUTED));
    }
}
