//! Which stream gets what: routing, sharing a filter, dropping a stream, messages that match none (rules 8 and 9 of the
//! inbound rules).

use bowline_proto::client::{Event, Qos0Full, Qos0Limits, StreamEnd, UNROUTED, Unmatched};
use bowline_proto::error::RequestError;
use bowline_proto::packet::{ConnAckProperties, Packet, Subscription};
use bowline_proto::types::{QoS, SubscriptionOptions};
use bowline_proto::{ReasonCode, Version};
use bowline_testkit::ClientRig;
use bowline_testkit::client_rig::connack;
use bowline_testkit::packets::{
    again, filter, for_subscriptions, puback, pubcomp, pubrec, pubrel, qos0, qos1, qos2, suback, unsuback,
};
use bowline_testkit::subscriber::{clean, kept};

const OK: ReasonCode = ReasonCode::Success;

fn unrouted() -> Qos0Limits {
    Qos0Limits::default()
}

// [MQTT-3.3.2-3] [MQTT-3.3.2-3 of 3.1.1] [MQTT-4.7.1-1] [MQTT-4.7.1-2 of 3.1.1]
#[test]
fn a_message_goes_to_every_stream_whose_filter_matches_once() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        let exact = rig.subscribed("a/b", QoS::AtLeastOnce);
        let many = rig.asks_for(&["a/#", "+/b", "a/b"], QoS::AtLeastOnce, Qos0Limits::default());
        let other = rig.subscribed("b/#", QoS::AtLeastOnce);
        rig.grant_all();
        rig.events();
        for packet in [qos0("a/b", "m"), qos1("a/b", "m", 1)] {
            rig.broker(packet);
            let [delivery] = &rig.deliveries()[..] else { panic!("one event for all streams") };
            assert_eq!(delivery.streams.iter().count(), 2);
            assert!(delivery.streams.contains(exact) && delivery.streams.contains(many));
            assert!(!delivery.streams.contains(other));
        }
    }
}

// [MQTT-3.3.4-5] [MQTT-3.3.4-4] [MQTT-3.3.4-3]
#[test]
fn copies_are_routed_by_their_subscription_identifiers() {
    let mut rig = ClientRig::connected(clean(Version::V5));
    let two_fit = Qos0Limits::new(2, Qos0Full::DropNewest);
    let wide = rig.asks_for(&["a/#"], QoS::ExactlyOnce, two_fit);
    let narrow = rig.asks_for(&["a/b"], QoS::ExactlyOnce, two_fit);
    let [one, two] = rig.granted_ids()[..] else { panic!("each filter has its own identifier") };
    assert_ne!(one, two);
    rig.events();
    // A broker that sends a copy per subscription.
    for (id, stream) in [(one, wide), (two, narrow)] {
        rig.broker(for_subscriptions(qos0("a/b", "m"), &[id]));
        let [delivery] = &rig.deliveries()[..] else { panic!("one copy") };
        assert_eq!(delivery.streams.iter().collect::<Vec<_>>(), [stream]);
    }
    // And one that sends one for all, in any order.
    rig.broker(for_subscriptions(qos0("a/b", "m"), &[two, one, two]));
    let [delivery] = &rig.deliveries()[..] else { panic!("one copy") };
    assert_eq!(delivery.streams.iter().count(), 2);
    assert_eq!(rig.stats().qos0_dropped, 0, "it takes one place in each");
}

// [MQTT-3.3.4-4]
#[test]
fn an_identifier_that_is_not_ours_makes_the_topic_decide() {
    let mut rig = ClientRig::connected(clean(Version::V5));
    let wide = rig.asks_for(&["a/#"], QoS::ExactlyOnce, Qos0Limits::default());
    let narrow = rig.asks_for(&["a/b"], QoS::ExactlyOnce, Qos0Limits::default());
    let [one, two] = rig.granted_ids()[..] else { panic!("each filter has its own identifier") };
    rig.events();
    let foreign = if one + 1 == two { two + 1 } else { one + 1 };
    for ids in [&[foreign][..], &[one, foreign], &[]] {
        rig.broker(for_subscriptions(qos0("a/b", "m"), ids));
        let [delivery] = &rig.deliveries()[..] else { panic!("one message") };
        assert!(delivery.streams.contains(wide) && delivery.streams.contains(narrow), "{ids:?}");
    }
}

#[test]
fn without_subscription_identifiers_at_the_broker_none_is_sent_and_the_topic_decides() {
    let mut rig = ClientRig::new(clean(Version::V5));
    let properties =
        ConnAckProperties { subscription_ids_available: Some(false), ..ConnAckProperties::default() };
    rig.connect_with(false, properties);
    rig.sent();
    let stream = rig.asks_for(&["a", "b"], QoS::AtMostOnce, Qos0Limits::default());
    let sent = rig.sent();
    let [Packet::Subscribe(subscribe)] = &sent[..] else { panic!("one SUBSCRIBE for both: {sent:?}") };
    assert_eq!((subscribe.subscription_id, subscribe.subscriptions.len()), (None, 2));
    rig.broker(qos0("b", "m"));
    assert!(rig.deliveries()[0].streams.contains(stream));
}

// [MQTT-3.8.4-3 of 3.1.1]
#[test]
fn streams_with_the_same_filter_share_one_subscription() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        let one = rig.subscribed("a", QoS::AtLeastOnce);
        let two = rig.asks_for(&["a"], QoS::AtLeastOnce, Qos0Limits::default());
        assert_eq!(rig.sent(), [], "the broker has granted it already");
        let events = rig.events();
        let [Event::Subscribed { results, .. }] = &events[..] else { panic!("it is answered: {events:?}") };
        assert_eq!(results[..], [(filter("a"), ReasonCode::GrantedQoS1)]);
        rig.broker(qos1("a", "m", 1));
        let [delivery] = &rig.deliveries()[..] else { panic!("one message") };
        assert!(delivery.streams.contains(one) && delivery.streams.contains(two));
        // The first drop leaves the subscription to the other.
        rig.engine.close_stream(one, &[delivery.delivery.unwrap()]);
        rig.settle();
        assert_eq!(rig.sent(), []);
        rig.engine.close_stream(two, &[delivery.delivery.unwrap()]);
        rig.settle();
        let sent = rig.sent();
        assert_eq!(sent[0], puback(1, OK), "in a clean session nobody will ask for it again");
        let Packet::Unsubscribe(unsubscribe) = &sent[1] else {
            panic!("the last drop unsubscribes: {sent:?}")
        };
        assert_eq!(unsubscribe.filters, [filter("a")]);
    }
}

#[test]
fn a_shared_filter_with_other_options_is_refused() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        rig.subscribed("a", QoS::AtLeastOnce);
        let ask = |rig: &mut ClientRig, qoss: &[QoS]| {
            let one =
                |qos: &QoS| Subscription { filter: filter("a"), options: SubscriptionOptions::new(*qos) };
            let subscriptions = qoss.iter().map(one).collect();
            rig.engine.subscribe(subscriptions, Qos0Limits::default(), Vec::new()).map(|_| ())
        };
        assert_eq!(ask(&mut rig, &[QoS::ExactlyOnce]), Err(RequestError::FilterOptionsDiffer));
        assert_eq!(ask(&mut rig, &[QoS::AtLeastOnce]), Ok(()));
        rig.unsubscribe("a");
        let both = [QoS::AtMostOnce, QoS::ExactlyOnce];
        assert_eq!(ask(&mut rig, &both), Err(RequestError::FilterOptionsDiffer), "in one request");
        assert_eq!(ask(&mut rig, &[QoS::ExactlyOnce]), Ok(()), "nobody has it any more");
    }
}

#[test]
fn in_a_kept_session_only_unsubscribing_unsubscribes() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        let stream = rig.subscribed("a", QoS::AtLeastOnce);
        rig.engine.close_stream(stream, &[]);
        rig.settle();
        assert_eq!(rig.sent(), []);
        rig.unsubscribe("a");
        assert!(matches!(rig.sent()[..], [Packet::Unsubscribe(_)]));
    }
}

#[test]
fn a_dropped_stream_hands_its_messages_to_the_streams_that_match_and_do_not_have_them() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        let dropped = rig.subscribed("a", QoS::AtLeastOnce);
        rig.broker(qos1("a", "early", 1));
        let [early] = rig.arrived()[..] else { panic!("one message") };
        let late_comer = rig.subscribed("#", QoS::AtLeastOnce);
        rig.broker(qos1("a", "late", 2));
        let [late] = rig.arrived()[..] else { panic!("one message") };
        rig.take(late, late_comer).unwrap();
        rig.engine.close_stream(dropped, &[early, late]);
        rig.settle();
        let deliveries = rig.deliveries();
        let [delivery] = &deliveries[..] else { panic!("the one it does not have: {deliveries:?}") };
        assert_eq!(&delivery.message.payload[..], b"early");
        assert_eq!(delivery.streams.iter().collect::<Vec<_>>(), [late_comer]);
        rig.sent();
        rig.take(early, late_comer).unwrap();
        assert_eq!(rig.sent(), [puback(1, OK), puback(2, OK)]);
    }
}

#[test]
fn a_dropped_streams_message_that_all_others_have_taken_holds_up_nobody_in_a_clean_session() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        let dropped = rig.subscribed("a", QoS::AtLeastOnce);
        let other = rig.subscribed("a", QoS::AtLeastOnce);
        rig.broker(qos1("a", "m", 1));
        let [message] = rig.arrived()[..] else { panic!("one message") };
        rig.take(message, other).unwrap();
        rig.engine.close_stream(dropped, &[message]);
        rig.settle();
        assert_eq!((rig.sent(), rig.arrived()), (vec![puback(1, OK)], vec![]));
    }
}

#[test]
fn what_a_dropped_stream_had_taken_is_not_handed_on() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        let stream = rig.subscribed("a", QoS::AtLeastOnce);
        rig.broker(qos1("a", "first", 1));
        rig.broker(qos1("a", "taken", 2));
        let [first, taken] = rig.arrived()[..] else { panic!("two messages") };
        rig.take(taken, stream).unwrap();
        rig.engine.open_unrouted(unrouted());
        rig.engine.close_stream(stream, &[first, taken]);
        rig.settle();
        assert_eq!(rig.arrived(), [first]);
        rig.take(first, UNROUTED).unwrap();
        assert_eq!(rig.sent(), [puback(1, OK), puback(2, OK)]);
    }
}

#[test]
fn a_dropped_stream_hands_its_messages_to_unrouted_if_nobody_else_matches() {
    for version in Version::ALL {
        for config in [clean(version), kept(version)] {
            let mut rig = ClientRig::connected(config);
            let stream = rig.subscribed("a", QoS::AtLeastOnce);
            rig.broker(qos1("a", "m", 1));
            let [message] = rig.arrived()[..] else { panic!("one message") };
            rig.engine.open_unrouted(unrouted());
            rig.engine.close_stream(stream, &[message]);
            rig.settle();
            let [delivery] = &rig.deliveries()[..] else { panic!("handed on") };
            assert!(delivery.streams.contains(UNROUTED));
            rig.sent();
            rig.take(message, UNROUTED).unwrap();
            assert_eq!(rig.sent(), [puback(1, OK)]);
        }
    }
}

#[test]
fn a_dropped_streams_messages_are_acknowledged_in_a_clean_session_and_held_in_a_kept_one() {
    for version in Version::ALL {
        for (config, is_kept) in [(clean(version), false), (kept(version), true)] {
            let mut rig = ClientRig::connected(config);
            let stream = rig.subscribed("a", QoS::AtLeastOnce);
            rig.broker(qos1("a", "m", 1));
            let [message] = rig.arrived()[..] else { panic!("one message") };
            rig.engine.close_stream(stream, &[message]);
            rig.settle();
            let acks = rig.sent().into_iter().filter(|packet| *packet == puback(1, OK)).count();
            assert_eq!(acks, usize::from(!is_kept));
            assert_eq!(rig.stats().unsubscribed_acknowledged, u64::from(!is_kept), "and counted");
            if is_kept {
                let later = rig.asks_for(&["a"], QoS::AtLeastOnce, Qos0Limits::default());
                assert_eq!(rig.arrived(), [message], "a later stream gets it");
                rig.take(message, later).unwrap();
                assert_eq!(rig.sent(), [puback(1, OK)]);
            }
        }
    }
}

// [MQTT-4.5.0-2] [MQTT-4.5.0-2 of 3.1.1]
#[test]
fn unmatched_messages_are_held_for_a_later_stream_or_for_unrouted() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        rig.broker(qos1("a", "m", 1));
        rig.broker(qos2("b", "m", 2));
        assert_eq!((rig.arrived(), rig.sent()), (vec![], vec![]));
        let stream = rig.subscribed("a", QoS::AtLeastOnce);
        rig.engine.open_unrouted(unrouted());
        rig.settle();
        let [b] = rig.arrived()[..] else { panic!("the other one") };
        rig.take(b, UNROUTED).unwrap();
        assert_eq!(rig.sent(), [pubrec(2, OK)]);
        // While unrouted is open, what no stream wants goes there at once.
        rig.broker(qos1("c", "m", 3));
        let [delivery] = &rig.deliveries()[..] else { panic!("one message") };
        assert!(delivery.streams.contains(UNROUTED) && !delivery.streams.contains(stream));
    }
}

#[test]
fn what_a_dropped_unrouted_stream_has_not_taken_goes_to_the_next_one() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        rig.engine.open_unrouted(unrouted());
        rig.broker(qos1("a", "in hand", 1));
        rig.broker(qos1("a", "waits", 2));
        let [in_hand, waits] = rig.arrived()[..] else { panic!("two messages") };
        rig.engine.hand_over(in_hand, UNROUTED);
        rig.engine.close_stream(UNROUTED, &[waits]);
        rig.settle();
        assert_eq!(rig.sent(), []);
        rig.engine.open_unrouted(unrouted());
        rig.settle();
        assert_eq!(rig.arrived(), [waits], "the application has the other one");
        rig.take(waits, UNROUTED).unwrap();
        rig.take(in_hand, UNROUTED).unwrap();
        assert_eq!(rig.sent(), [puback(1, OK), puback(2, OK)]);
    }
}

// [MQTT-4.5.0-2] [MQTT-4.5.0-2 of 3.1.1]
#[test]
fn unmatched_messages_can_be_acknowledged_and_counted_instead() {
    for version in Version::ALL {
        let mut config = kept(version);
        config.unmatched = Unmatched::Acknowledge;
        let mut rig = ClientRig::connected(config);
        rig.broker(qos1("a", "m", 1));
        rig.broker(qos2("b", "m", 2));
        assert_eq!(rig.sent(), [puback(1, OK), pubrec(2, OK)]);
        assert_eq!((rig.arrived(), rig.stats().unmatched_acknowledged), (vec![], 2));
        // The same holds for what unrouted has not taken when it is dropped.
        rig.engine.open_unrouted(unrouted());
        rig.broker(qos1("a", "m", 3));
        assert_eq!(rig.sent(), []);
        rig.engine.close_stream(UNROUTED, &[]);
        rig.settle();
        assert_eq!((rig.sent(), rig.stats().unmatched_acknowledged), (vec![puback(3, OK)], 3));
    }
}

#[test]
fn unmatched_messages_can_be_left_to_the_broker() {
    for version in Version::ALL {
        let mut config = kept(version);
        config.unmatched = Unmatched::Leave;
        let mut rig = ClientRig::connected(config);
        for id in 1..=100 {
            rig.broker(qos1("a", "m", id));
        }
        assert_eq!((rig.arrived(), rig.sent()), (vec![], vec![]));
        assert_eq!(rig.stats().unmatched_left, 100);
        // They come again on the next connection, for whoever wants them by then.
        rig.reconnect(true);
        rig.sent();
        let stream = rig.asks_for(&["a"], QoS::AtLeastOnce, Qos0Limits::default());
        rig.sent();
        rig.broker(again(qos1("a", "m", 1)));
        let [message] = rig.arrived()[..] else { panic!("delivered now") };
        rig.take(message, stream).unwrap();
        assert_eq!(rig.sent(), [puback(1, OK)]);
    }
}

// [MQTT-3.8.4-7] [MQTT-3.8.3-2 of 3.1.1] [MQTT-3.9.3-2 of 3.1.1]
#[test]
fn a_refused_filter_ends_only_streams_that_have_no_other() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        let both = rig.asks_for(&["good", "bad"], QoS::AtMostOnce, Qos0Limits::default());
        let only = rig.asks_for(&["bad"], QoS::AtMostOnce, Qos0Limits::default());
        let refused = ReasonCode::UnspecifiedError;
        for packet in rig.sent() {
            let Packet::Subscribe(subscribe) = packet else { panic!("SUBSCRIBE") };
            let reason = |one: &Subscription| if one.filter == filter("bad") { refused } else { OK };
            let reasons: Vec<_> = subscribe.subscriptions.iter().map(reason).collect();
            rig.broker(suback(subscribe.packet_id, &reasons));
        }
        let events = rig.events();
        let ended: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                Event::StreamEnded { stream, reason } => Some((*stream, reason.clone())),
                _ => None,
            })
            .collect();
        assert_eq!(ended, [(only, StreamEnd::Refused(refused))]);
        rig.broker(qos0("good", "m"));
        assert!(rig.deliveries()[0].streams.contains(both));
    }
}

#[test]
fn a_refused_re_subscription_ends_the_stream_and_says_why() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        let stream = rig.subscribed("a", QoS::AtLeastOnce);
        rig.lose();
        rig.wait_for_dial();
        rig.broker(connack(version, false, OK, ConnAckProperties::default()));
        rig.events();
        let Some(Packet::Subscribe(subscribe)) = rig.sent().pop() else { panic!("subscribed again") };
        rig.broker(suback(subscribe.packet_id, &[ReasonCode::UnspecifiedError]));
        let events = rig.events();
        let [Event::StreamEnded { stream: ended, reason }] = &events[..] else { panic!("{events:?}") };
        assert_eq!((*ended, reason), (stream, &StreamEnd::Refused(ReasonCode::UnspecifiedError)));
        // It is wanted no longer.
        rig.reconnect(false);
        assert!(!rig.sent().iter().any(|packet| matches!(packet, Packet::Subscribe(_))));
    }
}

// [MQTT-3.8.4-5] [MQTT-3.9.3-1] [MQTT-3.8.4-4 of 3.1.1] [MQTT-3.9.3-1 of 3.1.1]
#[test]
fn each_filter_has_its_own_result_in_the_order_of_the_request() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        rig.asks_for(&["one", "two", "three"], QoS::ExactlyOnce, Qos0Limits::default());
        let results = [ReasonCode::GrantedQoS2, ReasonCode::UnspecifiedError, OK];
        let mut left = &results[..];
        for packet in rig.sent() {
            let Packet::Subscribe(subscribe) = packet else { panic!("SUBSCRIBE") };
            let (now, later) = left.split_at(subscribe.subscriptions.len());
            rig.broker(suback(subscribe.packet_id, now));
            left = later;
        }
        let events = rig.events();
        let [Event::Subscribed { results: told, .. }] = &events[..] else { panic!("{events:?}") };
        let filters = ["one", "two", "three"].map(filter);
        assert_eq!(told[..], filters.into_iter().zip(results).collect::<Vec<_>>());
    }
}

// [MQTT-3.10.4-1] [MQTT-3.10.4-1 of 3.1.1] [MQTT-3.10.4-5 of 3.1.1]
#[test]
fn unsubscribe_repeats_the_filter_exactly_and_is_answered_even_if_there_was_none() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        for name in ["$share/group/a/+", "A/\u{e9}/e\u{301}", "never/subscribed"] {
            rig.unsubscribe(name);
            let sent = rig.sent();
            let [Packet::Unsubscribe(unsubscribe)] = &sent[..] else { panic!("{sent:?}") };
            assert_eq!(unsubscribe.filters, [filter(name)]);
            let codes = [ReasonCode::NoSubscriptionExisted];
            let has_codes = version.rules().has_unsuback_reasons;
            rig.broker(unsuback(unsubscribe.packet_id, if has_codes { &codes } else { &[] }));
            let events = rig.events();
            let [Event::Unsubscribed { results, .. }] = &events[..] else { panic!("{events:?}") };
            assert_eq!(results[0].1, if has_codes { codes[0] } else { OK });
        }
    }
}

// [MQTT-4.8.2-4]
#[test]
fn a_qos_2_delivery_of_a_shared_subscription_is_finished_after_a_reconnect() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        let stream = rig.subscribed("$share/group/in/#", QoS::ExactlyOnce);
        rig.broker(qos2("in/a", "m", 5));
        let [message] = rig.arrived()[..] else { panic!("matched behind the share name") };
        rig.take(message, stream).unwrap();
        rig.reconnect(true);
        rig.sent();
        rig.broker(again(qos2("in/a", "m", 5)));
        rig.broker(pubrel(5, OK));
        assert_eq!((rig.arrived(), rig.sent()), (vec![], vec![pubrec(5, OK), pubcomp(5, OK)]));
    }
}

// [MQTT-4.8.2-6]
#[test]
fn refusing_a_message_of_a_shared_subscription_says_so_once_and_forgets_it() {
    let mut rig = ClientRig::connected(kept(Version::V5));
    let stream = rig.subscribed("$share/group/in", QoS::AtLeastOnce);
    rig.broker(qos1("in", "m", 5));
    let [message] = rig.arrived()[..] else { panic!("one message") };
    rig.refuse(message, stream, ReasonCode::NotAuthorized).unwrap();
    assert_eq!(rig.sent(), [puback(5, ReasonCode::NotAuthorized)]);
    rig.reconnect(true);
    assert_eq!(rig.arrived(), [], "nobody gets it any more");
}
