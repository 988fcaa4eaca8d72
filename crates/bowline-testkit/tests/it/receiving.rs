//! What a received message carries, and how much may be received (rule 3 of the inbound rules).

use std::num::NonZeroU16;

use bowline_proto::client::{
    ClientConfig, DisconnectCause, Event, Qos0Dropped, Qos0Full, Qos0Limits, UNROUTED,
};
use bowline_proto::error::ProtocolError;
use bowline_proto::packet::{Packet, Publish};
use bowline_proto::session::DeliveryId;
use bowline_proto::types::{MessageProperties, PayloadFormat, QoS, Text};
use bowline_proto::{Bytes, ReasonCode, Version};
use bowline_testkit::ClientRig;
use bowline_testkit::client_rig::connack;
use bowline_testkit::packets::{
    again, for_subscriptions, puback, pubcomp, publish, pubrec, pubrel, qos0, qos1, qos2, topic,
};
use bowline_testkit::subscriber::{clean, kept};

const OK: ReasonCode = ReasonCode::Success;

fn text(text: &'static str) -> Text {
    Text::from_static(text).expect("a legal string")
}

/// At most so many messages and bytes unacknowledged.
fn bounded(mut config: ClientConfig, messages_max: u16, bytes_max: usize) -> ClientConfig {
    config.inbound.messages_max = messages_max;
    config.inbound.bytes_max = bytes_max;
    config
}

fn properties() -> MessageProperties {
    let mut properties = MessageProperties::default();
    properties.payload_format = Some(PayloadFormat::Utf8);
    properties.expiry_secs = Some(7);
    properties.content_type = Some(text("text/plain"));
    properties.response_topic = Some(topic("answers/here"));
    properties.correlation_data = Some(Bytes::from_static(&[0, 255, 1]));
    properties.user_properties =
        vec![(text("b"), text("1")), (text("a"), text("2")), (text("b"), text("1")), (text("b"), text("0"))];
    properties
}

// [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-17] [MQTT-3.3.2-18] [MQTT-3.3.2-20]
#[test]
fn response_topic_correlation_data_and_user_properties_arrive_unchanged_and_in_order() {
    let mut rig = ClientRig::connected(clean(Version::V5));
    rig.subscribed("a", QoS::AtLeastOnce);
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let id = 1 + qos as u16;
        let packet = Publish { properties: Some(Box::new(properties())), ..publish("a", "m", qos, id) };
        rig.broker(Packet::Publish(packet));
        let [delivery] = &rig.deliveries()[..] else { panic!("one message") };
        assert_eq!(delivery.message.properties.as_deref(), Some(&properties()));
        assert_eq!((&delivery.message.topic, &delivery.message.payload[..]), (&topic("a"), &b"m"[..]));
    }
}

// [MQTT-3.3.2-4] [MQTT-3.3.2-6]
#[test]
fn payload_format_and_remaining_expiry_are_surfaced() {
    let mut rig = ClientRig::connected(clean(Version::V5));
    rig.subscribed("a", QoS::AtMostOnce);
    let packet =
        Publish { properties: Some(Box::new(properties())), ..publish("a", "m", QoS::AtMostOnce, 0) };
    rig.broker(Packet::Publish(packet));
    let [delivery] = &rig.deliveries()[..] else { panic!("one message") };
    let properties = delivery.message.properties.as_deref().unwrap();
    assert_eq!((properties.payload_format, properties.expiry_secs), (Some(PayloadFormat::Utf8), Some(7)));
}

// [MQTT-3.3.1-12] [MQTT-3.3.1-13] [MQTT-3.3.1-8 of 3.1.1] [MQTT-3.3.1-9 of 3.1.1] [MQTT-3.3.1-10 of 3.1.1]
#[test]
fn the_retain_flag_arrives_as_it_was_sent_also_with_an_empty_payload() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        rig.subscribed("a", QoS::AtLeastOnce);
        for (retain, payload) in [(true, "m"), (false, "m"), (true, "")] {
            rig.broker(Packet::Publish(Publish { retain, ..publish("a", payload, QoS::AtMostOnce, 0) }));
            let [delivery] = &rig.deliveries()[..] else { panic!("one message") };
            let message = &delivery.message;
            assert_eq!((message.retain, &message.payload[..]), (retain, payload.as_bytes()));
        }
    }
}

// [MQTT-3.8.4-8] [MQTT-3.8.4-6 of 3.1.1] [MQTT-3.3.4-2] [MQTT-3.3.5-1 of 3.1.1]
#[test]
fn any_qos_is_taken_whatever_was_asked_for_and_the_message_says_which() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        rig.subscribed("a", QoS::AtLeastOnce);
        for packet in [qos0("a", "m"), qos1("a", "m", 1), qos2("a", "m", 2)] {
            let Packet::Publish(Publish { qos, .. }) = packet else { panic!("a PUBLISH") };
            rig.broker(packet);
            let [delivery] = &rig.deliveries()[..] else { panic!("one message") };
            assert_eq!(delivery.message.qos, qos);
        }
    }
}

// [MQTT-3.8.4-1] [MQTT-3.8.4-1 of 3.1.1] [MQTT-3.3.1-6 of 3.1.1]
#[test]
fn a_message_may_come_before_the_suback() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        let stream = rig.asks_for(&["a"], QoS::AtLeastOnce, Qos0Limits::default());
        rig.broker(qos1("a", "retained", 1));
        let [message] = rig.arrived()[..] else { panic!("one message") };
        rig.sent();
        rig.take(message, stream).unwrap();
        assert_eq!(rig.sent(), [puback(1, OK)]);
    }
}

// [MQTT-3.1.2-5 of 3.1.1] [MQTT-4.5.0-2] [MQTT-4.5.0-2 of 3.1.1]
#[test]
fn messages_that_waited_at_the_broker_are_not_lost_before_a_stream_is_there() {
    for version in Version::ALL {
        let mut rig = ClientRig::new(kept(version));
        rig.connect(true);
        rig.broker(qos1("a", "early", 1));
        rig.broker(qos2("a", "early", 2));
        assert_eq!(rig.arrived(), [], "nobody wants them yet");
        rig.sent();
        let stream = rig.asks_for(&["a"], QoS::ExactlyOnce, Qos0Limits::default());
        let early = rig.arrived();
        rig.sent();
        for &message in &early {
            rig.take(message, stream).unwrap();
        }
        assert_eq!((early.len(), rig.sent()), (2, vec![puback(1, OK), pubrec(2, OK)]));
    }
}

// [MQTT-3.3.4-3] [MQTT-3.3.4-4]
#[test]
fn all_subscription_identifiers_of_a_message_are_surfaced() {
    let mut rig = ClientRig::connected(clean(Version::V5));
    rig.subscribed("a", QoS::AtMostOnce);
    rig.broker(for_subscriptions(qos0("a", "m"), &[268_435_455, 1, 7]));
    let [delivery] = &rig.deliveries()[..] else { panic!("one message") };
    let ids: Vec<u32> = delivery.subscription_ids.iter().map(|id| id.as_u32()).collect();
    assert_eq!(ids, [268_435_455, 1, 7]);
}

fn aliased(name: Option<&'static str>, alias: u16) -> Packet {
    let topic_alias = NonZeroU16::new(alias);
    Packet::Publish(Publish {
        topic: name.map(topic),
        topic_alias,
        ..publish("unused", "m", QoS::AtMostOnce, 0)
    })
}

// [MQTT-3.3.2-10] [MQTT-3.3.2-7]
#[test]
fn topic_aliases_are_resolved_set_anew_and_forgotten_with_the_connection() {
    let mut rig = ClientRig::connected(kept(Version::V5));
    rig.subscribed("#", QoS::AtMostOnce);
    let arrives_as = |rig: &mut ClientRig, packet: Packet, expected: &str| {
        rig.broker(packet);
        let [delivery] = &rig.deliveries()[..] else { panic!("one message") };
        assert_eq!(delivery.message.topic.as_str(), expected);
    };
    arrives_as(&mut rig, aliased(Some("one"), 1), "one");
    arrives_as(&mut rig, aliased(Some("sixteen"), 16), "sixteen");
    arrives_as(&mut rig, aliased(None, 1), "one");
    arrives_as(&mut rig, aliased(Some("other"), 1), "other");
    arrives_as(&mut rig, aliased(None, 1), "other");
    rig.reconnect(true);
    rig.events();
    rig.broker(aliased(None, 1));
    let Some(DisconnectCause::Protocol(ProtocolError::Alias(error))) = rig.disconnected() else {
        panic!("the alias belongs to the last connection")
    };
    assert_eq!(error.reason(), ReasonCode::ProtocolError);
}

// [MQTT-3.3.4-9]
#[test]
fn one_message_more_than_receive_maximum_closes_with_0x93() {
    let mut rig = ClientRig::new(bounded(kept(Version::V5), 2, usize::MAX));
    rig.connect(false);
    let Some(Packet::Connect(connect)) = rig.sent().into_iter().next() else { panic!("CONNECT") };
    assert_eq!(connect.properties.receive_maximum, NonZeroU16::new(2), "it is announced");
    let stream = rig.subscribed("a", QoS::ExactlyOnce);
    rig.broker(qos1("a", "m", 1));
    rig.broker(qos2("a", "m", 2));
    let [one, two] = rig.arrived()[..] else { panic!("two messages") };
    rig.take(one, stream).unwrap();
    rig.broker(qos1("a", "m", 3));
    rig.take(two, stream).unwrap();
    assert_eq!(rig.engine.state_name(), "Active", "a PUBACK frees a unit");
    rig.sent();
    // A QoS 2 message counts until PUBCOMP.
    rig.broker(qos1("a", "m", 4));
    let error = ProtocolError::ReceiveMaximumExceeded { limit: 2 };
    rig.assert_closed_for(&error, ReasonCode::ReceiveMaximumExceeded);
}

// [MQTT-3.3.4-9] [MQTT-4.3.3-9]
#[test]
fn pubcomp_and_a_refusing_pubrec_free_a_unit_of_receive_maximum() {
    let mut rig = ClientRig::connected(bounded(kept(Version::V5), 1, usize::MAX));
    let stream = rig.subscribed("a", QoS::ExactlyOnce);
    for round in 1..=20 {
        rig.broker(qos2("a", "m", round));
        let [message] = rig.arrived()[..] else { panic!("round {round}") };
        if round % 2 == 0 {
            rig.refuse(message, stream, ReasonCode::NotAuthorized).unwrap();
        } else {
            rig.take(message, stream).unwrap();
            rig.broker(pubrel(round, OK));
        }
    }
    assert_eq!(rig.engine.state_name(), "Active");
}

// [MQTT-4.8.0-2 of 3.1.1]
#[test]
fn more_bytes_than_the_bound_close_the_connection_and_a_kept_session_redelivers() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(bounded(kept(version), 100, 10));
        rig.subscribed("a", QoS::AtLeastOnce);
        rig.broker(qos1("a", "12345", 1));
        rig.broker(qos1("a", "123", 2));
        assert_eq!(rig.disconnected(), None, "ten bytes are allowed");
        rig.broker(qos1("a", "", 3));
        let overflow = DisconnectCause::InboundOverflow { messages: 3, bytes: 11 };
        assert_eq!(rig.disconnected(), Some(overflow), "the count that a clean session would lose");
        rig.assert_said(ReasonCode::QuotaExceeded);
        assert_eq!(rig.engine.state_name(), "Backoff");
        rig.wait_for_dial();
        rig.broker(connack(version, true, OK, Default::default()));
        rig.broker(again(qos1("a", "12345", 1)));
        rig.broker(again(qos1("a", "123", 2)));
        assert_eq!(rig.engine.state_name(), "Active", "what is held already joins");
    }
}

#[test]
fn in_a_clean_session_the_message_that_crosses_the_bound_in_bytes_is_the_last_before_reading_pauses() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(bounded(clean(version), 100, 10));
        let stream = rig.subscribed("a", QoS::AtLeastOnce);
        rig.broker(qos1("a", "12345", 1));
        assert!(!rig.engine.is_reading_paused(), "six bytes are below the bound");
        rig.broker(qos1("a", "123456", 2));
        assert_eq!(rig.engine.state_name(), "Active", "nobody would send again what does not fit");
        assert!(rig.engine.is_reading_paused());
        let messages = rig.arrived();
        assert_eq!(messages.len(), 2);
        rig.take(messages[0], stream).unwrap();
        assert!(!rig.engine.is_reading_paused(), "seven bytes are below it again");
    }
}

// [MQTT-4.8.0-2 of 3.1.1]
#[test]
fn before_version_5_the_bound_on_messages_closes_a_kept_session() {
    for version in [Version::V3_1, Version::V3_1_1] {
        let mut rig = ClientRig::connected(bounded(kept(version), 2, usize::MAX));
        let stream = rig.subscribed("a", QoS::AtLeastOnce);
        rig.broker(qos1("a", "m", 1));
        rig.broker(qos1("a", "m", 2));
        assert!(!rig.engine.is_reading_paused(), "a kept session loses nothing");
        let first: Vec<DeliveryId> = rig.arrived();
        rig.broker(qos1("a", "m", 3));
        let overflow = DisconnectCause::InboundOverflow { messages: 3, bytes: 6 };
        assert_eq!(rig.disconnected(), Some(overflow));
        rig.assert_said(ReasonCode::QuotaExceeded);
        // What came before it is still good, and what did not fit comes again.
        rig.wait_for_dial();
        rig.broker(connack(version, true, OK, Default::default()));
        rig.sent();
        rig.broker(again(qos1("a", "m", 1)));
        rig.broker(again(qos1("a", "m", 2)));
        for message in first {
            rig.take(message, stream).unwrap();
        }
        assert_eq!(rig.sent(), [puback(1, OK), puback(2, OK)]);
        rig.broker(again(qos1("a", "m", 3)));
        assert_eq!(rig.arrived().len(), 1);
    }
}

#[test]
fn messages_taken_offline_that_never_come_again_do_not_keep_others_out() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(bounded(kept(version), 4, usize::MAX));
        let stream = rig.subscribed("a", QoS::ExactlyOnce);
        for start in (1..200).step_by(4) {
            for id in start..start + 4 {
                rig.broker(if id % 2 == 0 { qos2("a", "m", id) } else { qos1("a", "m", id) });
            }
            let messages = rig.arrived();
            assert_eq!(messages.len(), 4, "{version} at {start}");
            rig.lose();
            for message in messages {
                rig.take(message, stream).unwrap();
            }
            rig.wait_for_dial();
            rig.broker(connack(version, true, OK, Default::default()));
        }
    }
}

#[test]
fn a_single_message_that_is_larger_than_the_bound_still_arrives() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(bounded(kept(version), 100, 10));
        let stream = rig.subscribed("a", QoS::AtLeastOnce);
        for _ in 0..2 {
            rig.broker(qos1("a", "more than ten bytes", 1));
            let [message] = rig.arrived()[..] else { panic!("one message") };
            rig.take(message, stream).unwrap();
        }
        assert_eq!(rig.engine.state_name(), "Active");
    }
}

#[test]
fn repeated_overflows_back_off_longer_and_longer_and_say_so() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(bounded(kept(version), 100, 10));
        rig.subscribed("a", QoS::AtLeastOnce);
        for expected in 1..=4 {
            for id in 1..=3 {
                rig.broker(qos1("a", "0123456789", id));
            }
            let events = rig.events();
            let overflows = |event: &Event| {
                matches!(event, Event::Disconnected(cause)
                    if matches!(**cause, DisconnectCause::InboundOverflow { .. }))
            };
            assert!(events.iter().any(overflows), "{events:?}");
            let attempts = events.iter().filter_map(|event| match event {
                Event::Reconnecting { attempt, .. } => Some(*attempt),
                _ => None,
            });
            assert_eq!(attempts.collect::<Vec<_>>(), [expected], "it does not start anew each time");
            rig.wait_for_dial();
            rig.broker(connack(version, true, OK, Default::default()));
        }
    }
}

#[test]
fn messages_of_lost_sessions_that_nobody_takes_count_against_the_bound() {
    for version in [Version::V3_1_1, Version::V5] {
        let mut rig = ClientRig::connected(bounded(kept(version), 10, usize::MAX));
        rig.subscribed("a", QoS::AtLeastOnce);
        let mut delivered = 0;
        for _ in 0..20 {
            for id in 1..=6 {
                rig.broker(qos1("a", "m", id));
                delivered += rig.arrived().len();
            }
            if rig.engine.state_name() == "Active" {
                rig.lose();
            }
            rig.wait_for_dial();
            rig.broker(connack(version, false, OK, Default::default()));
            rig.grant_all();
        }
        assert!(delivered <= 10 + 20, "{delivered} messages are held, most of them of sessions long gone");
    }
}

#[test]
fn a_full_qos_0_stream_drops_by_its_policy_and_every_drop_is_counted_and_told() {
    for version in Version::ALL {
        for (policy, which, expected) in [
            (Qos0Full::DropNewest, Qos0Dropped::Newest, vec!["1", "2"]),
            (Qos0Full::DropOldest, Qos0Dropped::Oldest, vec!["1", "2", "3", "4"]),
        ] {
            let mut rig = ClientRig::connected(clean(version));
            let stream = rig.subscribed_with("a", QoS::AtMostOnce, Qos0Limits::new(2, policy));
            for payload in ["1", "2", "3", "4"] {
                rig.broker(qos0("a", payload));
            }
            assert!(!rig.engine.is_reading_paused());
            let events = rig.events();
            let told = events.iter().filter(|event| {
                matches!(event, Event::Qos0Dropped { stream: of, which: what } if *of == stream && *what == which)
            });
            assert_eq!((told.count(), rig.stats().qos0_dropped), (2, 2));
            let payloads = events.iter().filter_map(|event| match event {
                Event::Message(delivery) => Some(String::from_utf8_lossy(&delivery.message.payload)),
                _ => None,
            });
            assert_eq!(payloads.collect::<Vec<_>>(), expected);
            // The driver holds two in any case; taking one makes room for one.
            rig.engine.take_qos0(stream);
            rig.broker(qos0("a", "5"));
            assert_eq!((rig.payloads(), rig.stats().qos0_dropped), (vec!["5".to_owned()], 2));
        }
    }
}

#[test]
fn unrouted_qos_0_messages_have_a_bound_too() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        rig.broker(qos0("nobody", "wants it"));
        assert_eq!((rig.payloads(), rig.stats().qos0_unmatched), (vec![], 1));
        rig.engine.open_unrouted(Qos0Limits::new(3, Qos0Full::DropNewest));
        for _ in 0..10 {
            rig.broker(qos0("nobody", "m"));
        }
        let deliveries = rig.deliveries();
        assert!(deliveries.iter().all(|delivery| delivery.streams.contains(UNROUTED)));
        assert_eq!((deliveries.len(), rig.stats().qos0_dropped), (3, 7));
        rig.engine.take_qos0(UNROUTED);
        rig.broker(qos0("nobody", "m"));
        assert_eq!(rig.payloads().len(), 1);
    }
}

// [MQTT-4.3.3-13] [MQTT-4.3.3-11]
#[test]
fn the_exchange_of_a_message_whose_expiry_has_passed_is_finished() {
    let mut rig = ClientRig::connected(kept(Version::V5));
    let stream = rig.subscribed("a", QoS::ExactlyOnce);
    let packet =
        Publish { properties: Some(Box::new(properties())), ..publish("a", "m", QoS::ExactlyOnce, 1) };
    rig.broker(Packet::Publish(packet));
    let [message] = rig.arrived()[..] else { panic!("one message") };
    rig.advance(std::time::Duration::from_secs(20));
    rig.take(message, stream).unwrap();
    rig.advance(std::time::Duration::from_secs(20));
    rig.broker(pubrel(1, OK));
    assert_eq!(rig.sent(), [pubrec(1, OK), pubcomp(1, OK)]);
}

// [MQTT-4.6.0-5] [MQTT-4.6.0-6 of 3.1.1]
#[test]
fn messages_are_handed_over_in_the_order_of_arrival() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        rig.subscribed("a", QoS::ExactlyOnce);
        rig.broker(qos1("a", "1", 9));
        rig.broker(qos0("a", "2"));
        rig.broker(qos2("a", "3", 4));
        rig.broker(qos1("a", "4", 1));
        assert_eq!(rig.payloads(), ["1", "2", "3", "4"]);
    }
}
