//! What becomes of messages whose filter is unsubscribed (rule 7 of the inbound rules).

use bowline_proto::client::{Event, Qos0Limits, Stale, StreamEnd, UNROUTED};
use bowline_proto::packet::Packet;
use bowline_proto::session::DeliveryId;
use bowline_proto::types::QoS;
use bowline_proto::{ReasonCode, Version};
use bowline_testkit::ClientRig;
use bowline_testkit::packets::{again, for_subscriptions, puback, pubcomp, pubrec, pubrel, qos0, qos1, qos2};
use bowline_testkit::subscriber::{clean, kept};

const OK: ReasonCode = ReasonCode::Success;

/// The acknowledgements among what was sent since the last look.
fn acks(rig: &mut ClientRig) -> Vec<Packet> {
    let is_ack =
        |packet: &Packet| matches!(packet, Packet::PubAck(_) | Packet::PubRec(_) | Packet::PubComp(_));
    rig.sent().into_iter().filter(is_ack).collect()
}

fn withdrawn(events: &[Event]) -> Vec<DeliveryId> {
    let delivery = |event: &Event| match event {
        Event::Withdrawn { delivery, .. } => Some(*delivery),
        _ => None,
    };
    events.iter().filter_map(delivery).collect()
}

// [MQTT-3.10.4-3] [MQTT-3.10.4-3 of 3.1.1] [MQTT-4.5.0-2] [MQTT-4.5.0-2 of 3.1.1]
#[test]
fn what_a_stream_has_not_taken_is_acknowledged_counted_and_withdrawn() {
    for version in Version::ALL {
        for config in [clean(version), kept(version)] {
            let mut rig = ClientRig::connected(config);
            let stream = rig.subscribed("a", QoS::ExactlyOnce);
            rig.broker(qos1("a", "m", 1));
            rig.broker(qos2("a", "m", 2));
            let messages = rig.arrived();
            rig.unsubscribe("a");
            assert_eq!(acks(&mut rig), [puback(1, OK), pubrec(2, OK)]);
            let events = rig.events();
            assert_eq!(withdrawn(&events), messages);
            assert!(matches!(events[0],
                Event::StreamEnded { stream: ended, reason: StreamEnd::Unsubscribed } if ended == stream));
            assert_eq!(rig.stats().unsubscribed_acknowledged, 2);
            assert_eq!(rig.take(messages[0], stream), Err(Stale));
            // Closing the ended stream changes nothing any more.
            rig.engine.close_stream(stream, &messages);
            rig.settle();
            assert_eq!((rig.sent(), rig.arrived()), (vec![], vec![]));
        }
    }
}

/// A process that is killed between `unsubscribe()` and UNSUBSCRIBE starts again without the filter, and the broker has it.
// [MQTT-3.10.4-3] [MQTT-3.10.4-3 of 3.1.1]
#[test]
fn a_filter_of_an_earlier_process_that_is_unsubscribed_holds_up_nobody() {
    for version in Version::ALL {
        for comes_before in [false, true] {
            let mut rig = ClientRig::connected(kept(version));
            let other = rig.subscribed("b", QoS::ExactlyOnce);
            rig.sent();
            let late = |id| {
                let late = qos1("a/late", "m", id);
                if version == Version::V5 { for_subscriptions(late, &[77]) } else { late }
            };
            if comes_before {
                rig.broker(late(1));
            }
            rig.unsubscribe("a/#");
            if !comes_before {
                rig.broker(late(1));
            }
            rig.broker(qos1("b", "m", 2));
            let arrived = rig.arrived();
            rig.take(*arrived.last().unwrap(), other).unwrap();
            assert_eq!(acks(&mut rig), [puback(1, OK), puback(2, OK)], "{version} {comes_before}");
        }
    }
}

// [MQTT-3.10.4-3] [MQTT-3.10.4-3 of 3.1.1]
#[test]
fn messages_that_come_after_unsubscribing_are_acknowledged_and_hold_up_nobody() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        let other = rig.subscribed("b", QoS::ExactlyOnce);
        rig.subscribed("a/#", QoS::ExactlyOnce);
        rig.unsubscribe("a/#");
        rig.sent();
        rig.broker(qos1("a/late", "m", 1));
        rig.broker(qos2("a/late", "m", 2));
        rig.broker(qos0("a/late", "m"));
        assert_eq!(rig.sent(), [puback(1, OK), pubrec(2, OK)]);
        rig.broker(pubrel(2, OK));
        assert_eq!(rig.sent(), [pubcomp(2, OK)]);
        assert_eq!((rig.arrived(), rig.stats().unsubscribed_acknowledged), (vec![], 2));
        rig.broker(qos1("b", "m", 3));
        let [message] = rig.arrived()[..] else { panic!("one message") };
        rig.take(message, other).unwrap();
        assert_eq!(rig.sent(), [puback(3, OK)]);
    }
}

// [MQTT-3.10.4-3] [MQTT-4.4.0-1]
#[test]
fn late_messages_are_acknowledged_on_a_resumed_session_too() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        rig.subscribed("a", QoS::AtLeastOnce);
        rig.unsubscribe("a");
        rig.grant_all();
        rig.reconnect(true);
        rig.sent();
        rig.broker(again(qos1("a", "m", 1)));
        assert_eq!((rig.arrived(), acks(&mut rig)), (vec![], vec![puback(1, OK)]));
    }
}

#[test]
fn a_late_message_that_matches_another_filter_as_well_is_delivered_or_held_for_it() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        let wide = rig.subscribed("#", QoS::AtLeastOnce);
        rig.subscribed("a", QoS::AtLeastOnce);
        rig.broker(qos1("a", "early", 1));
        let [early] = rig.arrived()[..] else { panic!("one message") };
        rig.unsubscribe("a");
        assert_eq!(acks(&mut rig), [], "the other stream has it too");
        rig.broker(qos1("a", "late", 2));
        let [late] = rig.arrived()[..] else { panic!("the other stream wants it") };
        rig.take(early, wide).unwrap();
        // The other stream is dropped; its filter stays subscribed, and so its messages wait.
        rig.engine.close_stream(wide, &[late]);
        rig.settle();
        rig.broker(qos1("a", "later", 3));
        assert_eq!((rig.arrived(), acks(&mut rig)), (vec![], vec![puback(1, OK)]));
        let wide = rig.asks_for(&["#"], QoS::AtLeastOnce, Qos0Limits::default());
        for message in rig.arrived() {
            rig.take(message, wide).unwrap();
        }
        assert_eq!(acks(&mut rig), [puback(2, OK), puback(3, OK)]);
    }
}

#[test]
fn what_matches_a_filter_without_a_stream_is_held_for_its_next_stream() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        let wide = rig.subscribed("#", QoS::AtLeastOnce);
        rig.engine.close_stream(wide, &[]);
        rig.subscribed("a", QoS::AtLeastOnce);
        rig.broker(qos1("a", "m", 1));
        let [message] = rig.arrived()[..] else { panic!("one message") };
        rig.unsubscribe("a");
        assert_eq!((withdrawn(&rig.events()), acks(&mut rig)), (vec![message], vec![]));
        let wide = rig.asks_for(&["#"], QoS::AtLeastOnce, Qos0Limits::default());
        assert_eq!(rig.arrived(), [message]);
        rig.take(message, wide).unwrap();
        assert_eq!(acks(&mut rig), [puback(1, OK)]);
    }
}

#[test]
fn a_stream_that_keeps_another_filter_keeps_what_matches_it() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        let stream = rig.asks_for(&["a", "a/#", "b"], QoS::AtLeastOnce, Qos0Limits::default());
        rig.grant_all();
        rig.events();
        rig.broker(qos1("a", "both", 1));
        rig.broker(qos1("b", "only", 2));
        let [both, only] = rig.arrived()[..] else { panic!("two messages") };
        rig.unsubscribe("b");
        rig.unsubscribe("a");
        let events = rig.events();
        assert_eq!(withdrawn(&events), [only]);
        assert!(!events.iter().any(|event| matches!(event, Event::StreamEnded { .. })));
        assert_eq!(acks(&mut rig), [], "it waits for its turn");
        rig.take(both, stream).unwrap();
        assert_eq!(acks(&mut rig), [puback(1, OK), puback(2, OK)]);
    }
}

#[test]
fn a_message_in_the_applications_hands_waits_for_the_application() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        let stream = rig.subscribed("a", QoS::AtLeastOnce);
        rig.broker(qos1("a", "in hand", 1));
        rig.broker(qos1("a", "in the stream", 2));
        let [in_hand, queued] = rig.arrived()[..] else { panic!("two messages") };
        rig.engine.hand_over(in_hand, stream);
        rig.unsubscribe("a");
        assert_eq!(withdrawn(&rig.events()), [queued]);
        assert_eq!(acks(&mut rig), [], "a crash now must not lose it");
        rig.take(in_hand, stream).unwrap();
        assert_eq!(acks(&mut rig), [puback(1, OK), puback(2, OK)]);
    }
}

#[test]
fn messages_held_for_nobody_are_acknowledged_when_their_filter_is_unsubscribed() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        let stream = rig.subscribed("a", QoS::AtLeastOnce);
        rig.engine.close_stream(stream, &[]);
        rig.broker(qos1("a", "m", 1));
        rig.broker(qos1("never/subscribed", "m", 2));
        assert_eq!(acks(&mut rig), []);
        rig.unsubscribe("a");
        assert_eq!(acks(&mut rig), [puback(1, OK)]);
        // What was never unsubscribed is still held for whoever comes.
        rig.engine.open_unrouted(Qos0Limits::default());
        rig.settle();
        let [message] = rig.arrived()[..] else { panic!("one message") };
        rig.take(message, UNROUTED).unwrap();
        assert_eq!(acks(&mut rig), [puback(2, OK)]);
    }
}

/// Found by the simulator: nobody got it, and every later acknowledgement waited.
#[test]
fn what_is_withdrawn_goes_to_unrouted_if_a_filter_without_a_stream_wants_it() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        let dropped = rig.subscribed("+", QoS::AtLeastOnce);
        let stream = rig.subscribed("a", QoS::AtLeastOnce);
        rig.engine.open_unrouted(Qos0Limits::default());
        rig.engine.close_stream(dropped, &[]);
        rig.broker(qos1("a", "m", 1));
        let [message] = rig.arrived()[..] else { panic!("one message") };
        rig.unsubscribe("a");
        let events = rig.events();
        assert_eq!(withdrawn(&events), [message]);
        let handed = events.iter().find_map(|event| match event {
            Event::Message(delivery) => Some(delivery),
            _ => None,
        });
        assert!(handed.is_some_and(|delivery| delivery.streams.contains(UNROUTED)), "{events:?}");
        assert_eq!((rig.take(message, stream), acks(&mut rig)), (Err(Stale), vec![]));
        rig.take(message, UNROUTED).unwrap();
        assert_eq!(acks(&mut rig), [puback(1, OK)]);
    }
}

/// Found by the simulator: unrouted got it a second time.
#[test]
fn what_is_withdrawn_goes_to_nobody_if_another_stream_has_it() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        let stream = rig.subscribed("+", QoS::ExactlyOnce);
        rig.subscribed("a", QoS::ExactlyOnce);
        rig.broker(qos2("a", "m", 1));
        let [message] = rig.arrived()[..] else { panic!("one message") };
        rig.engine.hand_over(message, stream);
        rig.engine.close_stream(stream, &[]);
        rig.unsubscribe("a");
        rig.engine.open_unrouted(Qos0Limits::default());
        assert_eq!((rig.arrived(), acks(&mut rig)), (vec![], vec![]));
        rig.take(message, stream).unwrap();
        assert_eq!(acks(&mut rig), [pubrec(1, OK)]);
    }
}

/// Found by the simulator: it was handed out a second time, or acknowledged, while the application had it in its hands.
#[test]
fn what_unrouted_gave_out_before_it_was_dropped_waits_for_whoever_has_it() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        rig.engine.open_unrouted(Qos0Limits::default());
        rig.broker(qos1("a", "m", 1));
        let [message] = rig.arrived()[..] else { panic!("one message") };
        rig.engine.hand_over(message, UNROUTED);
        rig.engine.close_stream(UNROUTED, &[]);
        rig.subscribed("a", QoS::AtLeastOnce);
        assert_eq!((rig.arrived(), acks(&mut rig)), (vec![], vec![]), "handed out once");
        rig.unsubscribe("a");
        assert_eq!(acks(&mut rig), [], "a crash now must not lose it");
        rig.take(message, UNROUTED).unwrap();
        assert_eq!(acks(&mut rig), [puback(1, OK)]);
    }
}

#[test]
fn what_a_dropped_unrouted_stream_had_of_an_unsubscribed_filter_holds_up_nobody() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        rig.engine.open_unrouted(Qos0Limits::default());
        rig.broker(qos1("a", "m", 1));
        rig.broker(qos1("never/subscribed", "m", 2));
        rig.unsubscribe("a");
        assert_eq!(acks(&mut rig), [], "it may be taken still");
        rig.engine.close_stream(UNROUTED, &[]);
        rig.settle();
        assert_eq!(acks(&mut rig), [puback(1, OK)]);
        assert_eq!(rig.stats().unsubscribed_acknowledged, 1);
    }
}

#[test]
fn a_filter_that_is_subscribed_again_gets_its_messages_again() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        rig.subscribed("a", QoS::AtLeastOnce);
        rig.unsubscribe("a");
        rig.grant_all();
        let stream = rig.subscribed("a", QoS::AtLeastOnce);
        rig.broker(qos1("a", "m", 1));
        let [message] = rig.arrived()[..] else { panic!("one message") };
        rig.take(message, stream).unwrap();
        rig.engine.close_stream(stream, &[]);
        rig.settle();
        rig.broker(qos1("a", "m", 2));
        assert_eq!(acks(&mut rig), [puback(1, OK)], "dropped is not unsubscribed: it is held");
    }
}

#[test]
fn after_a_session_loss_nothing_is_known_to_have_been_unsubscribed() {
    for version in [Version::V3_1_1, Version::V5] {
        let mut rig = ClientRig::connected(kept(version));
        rig.subscribed("a", QoS::AtLeastOnce);
        rig.unsubscribe("a");
        rig.grant_all();
        rig.reconnect(false);
        rig.subscribed("b", QoS::AtLeastOnce);
        rig.unsubscribe("b");
        rig.sent();
        rig.broker(qos1("a", "m", 1));
        assert_eq!(acks(&mut rig), [], "it is unmatched, and held");
    }
}

// [MQTT-3.3.4-5]
#[test]
fn a_late_copy_for_an_ended_subscription_is_not_taken_for_one_of_another() {
    let mut rig = ClientRig::connected(kept(Version::V5));
    let wide = rig.asks_for(&["#"], QoS::AtLeastOnce, Qos0Limits::default());
    rig.asks_for(&["a"], QoS::AtLeastOnce, Qos0Limits::default());
    let [wide_id, narrow_id] = rig.granted_ids()[..] else { panic!("two subscriptions") };
    rig.events();
    rig.unsubscribe("a");
    rig.sent();
    rig.broker(for_subscriptions(qos1("a", "copy for a", 1), &[narrow_id]));
    assert_eq!((rig.arrived(), acks(&mut rig)), (vec![], vec![puback(1, OK)]));
    rig.broker(for_subscriptions(qos1("a", "copy for #", 2), &[wide_id]));
    let [message] = rig.arrived()[..] else { panic!("its own copy") };
    rig.broker(for_subscriptions(qos1("a", "for both", 3), &[narrow_id, wide_id]));
    let [both] = rig.arrived()[..] else { panic!("one for both") };
    rig.take(message, wide).unwrap();
    rig.take(both, wide).unwrap();
    assert_eq!(acks(&mut rig), [puback(2, OK), puback(3, OK)]);
}

// [MQTT-3.3.4-5]
#[test]
fn a_late_copy_of_the_earlier_subscription_does_not_reach_the_stream_that_subscribed_again() {
    let mut rig = ClientRig::connected(kept(Version::V5));
    rig.asks_for(&["a"], QoS::AtLeastOnce, Qos0Limits::default());
    let [old] = rig.granted_ids()[..] else { panic!("one subscription") };
    rig.unsubscribe("a");
    rig.grant_all();
    rig.asks_for(&["a"], QoS::AtLeastOnce, Qos0Limits::default());
    let [new] = rig.granted_ids()[..] else { panic!("one subscription") };
    assert_ne!(old, new);
    rig.events();
    rig.broker(for_subscriptions(qos1("a", "late", 1), &[old]));
    assert_eq!((rig.arrived(), acks(&mut rig)), (vec![], vec![puback(1, OK)]));
    rig.broker(for_subscriptions(qos1("a", "m", 2), &[new]));
    assert_eq!(rig.arrived().len(), 1);
}
