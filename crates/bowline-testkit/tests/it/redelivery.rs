//! What comes again on a resumed session, and what is left after the session is lost (rule 5 of the inbound rules).

use bowline_proto::client::{Event, Input, Stale};
use bowline_proto::error::ProtocolError;
use bowline_proto::session::Entry;
use bowline_proto::types::QoS;
use bowline_proto::{ReasonCode, Version};
use bowline_testkit::packets::{again, packet_id, puback, pubcomp, pubrec, pubrel, qos1, qos2};
use bowline_testkit::subscriber::{clean, durable, kept};
use bowline_testkit::{ClientRig, Commit};

const OK: ReasonCode = ReasonCode::Success;

// [MQTT-4.4.0-1] [MQTT-3.1.2-4 of 3.1.1]
#[test]
fn a_redelivered_message_joins_the_copy_that_is_held_and_is_acknowledged_by_its_old_handle() {
    for version in Version::ALL {
        for (packet, answer) in [(qos1("a", "m", 3), puback(3, OK)), (qos2("a", "m", 3), pubrec(3, OK))] {
            let mut rig = ClientRig::connected(kept(version));
            let stream = rig.subscribed("a", QoS::ExactlyOnce);
            rig.broker(packet.clone());
            let [message] = rig.arrived()[..] else { panic!("one message") };
            rig.reconnect(true);
            rig.sent();
            rig.broker(again(packet));
            assert_eq!(rig.arrived(), [], "it is not handed out again");
            assert_eq!(rig.sent(), [], "held but not taken: no answer yet");
            rig.take(message, stream).unwrap();
            assert_eq!(rig.sent(), [answer]);
        }
    }
}

#[test]
fn a_message_that_was_taken_while_offline_is_acknowledged_when_it_comes_again() {
    for version in Version::ALL {
        for (packet, answer) in [(qos1("a", "m", 3), puback(3, OK)), (qos2("a", "m", 3), pubrec(3, OK))] {
            let mut rig = ClientRig::connected(kept(version));
            let stream = rig.subscribed("a", QoS::ExactlyOnce);
            rig.broker(packet.clone());
            let [message] = rig.arrived()[..] else { panic!("one message") };
            rig.lose();
            assert_eq!(rig.take(message, stream), Ok(()));
            rig.wait_for_dial();
            rig.broker(bowline_testkit::client_rig::connack(version, true, OK, Default::default()));
            rig.sent();
            rig.broker(again(packet));
            assert_eq!((rig.arrived(), rig.sent()), (vec![], vec![answer]));
        }
    }
}

#[test]
fn what_was_taken_offline_and_comes_again_makes_room_for_what_comes_in_the_same_read() {
    for version in [Version::V3_1, Version::V3_1_1] {
        let mut config = kept(version);
        config.inbound.messages_max = 1;
        let mut rig = ClientRig::connected(config);
        let stream = rig.subscribed("a", QoS::AtLeastOnce);
        rig.broker(qos1("a", "m", 1));
        let [message] = rig.arrived()[..] else { panic!("one message") };
        rig.lose();
        rig.take(message, stream).unwrap();
        rig.wait_for_dial();
        rig.broker(bowline_testkit::client_rig::connack(version, true, OK, Default::default()));
        rig.sent();
        for packet in [again(qos1("a", "m", 1)), qos1("a", "next", 2)] {
            rig.engine.handle_input(Input::Packet(packet), rig.now);
        }
        rig.settle();
        assert_eq!((rig.engine.state_name(), rig.payloads().len()), ("Active", 1));
        assert_eq!(rig.sent(), [puback(1, OK)]);
    }
}

// [MQTT-4.3.3-10] [MQTT-4.3.3-2 of 3.1.1]
#[test]
fn a_recorded_qos_2_message_gets_pubrec_again_and_is_not_delivered_again() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        let stream = rig.subscribed("a", QoS::ExactlyOnce);
        rig.broker(qos2("a", "m", 3));
        let [message] = rig.arrived()[..] else { panic!("one message") };
        rig.take(message, stream).unwrap();
        assert_eq!(rig.sent(), [pubrec(3, OK)]);
        for _ in 0..3 {
            rig.reconnect(true);
            rig.sent();
            rig.broker(again(qos2("a", "m", 3)));
            assert_eq!((rig.arrived(), rig.sent()), (vec![], vec![pubrec(3, OK)]));
        }
        rig.broker(pubrel(3, OK));
        assert_eq!(rig.sent(), [pubcomp(3, OK)]);
    }
}

// [MQTT-4.3.3-10] [MQTT-4.6.0-3] [MQTT-4.6.0-3 of 3.1.1]
#[test]
fn the_pubrec_of_a_recorded_message_waits_for_its_turn() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        let stream = rig.subscribed("a", QoS::ExactlyOnce);
        rig.broker(qos2("a", "recorded", 2));
        let [recorded] = rig.arrived()[..] else { panic!("one message") };
        rig.take(recorded, stream).unwrap();
        rig.broker(qos2("a", "held", 1));
        let [held] = rig.arrived()[..] else { panic!("one message") };
        rig.reconnect(true);
        rig.sent();
        rig.broker(again(qos2("a", "held", 1)));
        for _ in 0..3 {
            rig.broker(again(qos2("a", "recorded", 2)));
        }
        assert_eq!(rig.sent(), [], "the one before it is not taken");
        rig.take(held, stream).unwrap();
        assert_eq!(rig.sent(), [pubrec(1, OK), pubrec(2, OK)], "one answer for its repetitions");
    }
}

// [MQTT-4.3.3-11] [MQTT-4.4.0-1] [MQTT-4.8.2-4]
#[test]
fn pubrel_after_a_resume_is_answered_without_its_publish() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        let stream = rig.subscribed("a", QoS::ExactlyOnce);
        rig.broker(qos2("a", "m", 3));
        let [message] = rig.arrived()[..] else { panic!("one message") };
        rig.take(message, stream).unwrap();
        rig.reconnect(true);
        rig.sent();
        rig.broker(pubrel(3, OK));
        assert_eq!(rig.sent(), [pubcomp(3, OK)]);
        assert_eq!(rig.engine.state_name(), "Active");
    }
}

// [MQTT-4.3.3-10] [MQTT-4.3.3-2 of 3.1.1]
#[test]
fn qos_2_repeats_join_by_identifier_and_content_even_without_dup() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        let stream = rig.subscribed("a", QoS::ExactlyOnce);
        rig.broker(qos2("a", "m", 3));
        let [message] = rig.arrived()[..] else { panic!("one message") };
        rig.reconnect(true);
        rig.sent();
        rig.broker(qos2("a", "m", 3));
        assert_eq!(rig.arrived(), []);
        rig.take(message, stream).unwrap();
        assert_eq!(rig.sent(), [pubrec(3, OK)]);
    }
}

// [MQTT-3.3.1-1] [MQTT-3.3.1-1 of 3.1.1]
#[test]
fn a_qos_1_message_without_dup_is_a_new_one_whatever_it_says() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        let stream = rig.subscribed("a", QoS::AtLeastOnce);
        rig.broker(qos1("a", "pressed", 3));
        let [old] = rig.arrived()[..] else { panic!("one message") };
        rig.reconnect(true);
        rig.sent();
        rig.broker(qos1("a", "pressed", 3));
        let [new] = rig.arrived()[..] else { panic!("pressed once more") };
        assert_eq!(rig.take(old, stream), Err(Stale));
        assert_eq!(rig.sent(), []);
        rig.take(new, stream).unwrap();
        assert_eq!(rig.sent(), [puback(3, OK)]);
    }
}

#[test]
fn the_old_handle_is_stale_once_its_identifier_carries_another_message() {
    for version in Version::ALL {
        let others =
            [again(qos1("a", "other payload", 3)), again(qos1("a/b", "m", 3)), again(qos2("a", "m", 3))];
        for other in others {
            let mut rig = ClientRig::connected(kept(version));
            let stream = rig.subscribed("a/#", QoS::ExactlyOnce);
            rig.broker(qos1("a", "m", 3));
            let [old] = rig.arrived()[..] else { panic!("one message") };
            rig.reconnect(true);
            rig.sent();
            rig.broker(other);
            let [new] = rig.arrived()[..] else { panic!("another message") };
            assert_eq!(rig.take(old, stream), Err(Stale));
            assert_eq!(rig.sent(), []);
            assert_eq!(rig.take(new, stream), Ok(()));
            assert_eq!(rig.sent().len(), 1);
        }
    }
}

#[test]
fn a_message_taken_offline_and_never_redelivered_does_not_stay_once_its_identifier_is_used_again() {
    for version in Version::ALL {
        let mut config = kept(version);
        config.inbound.messages_max = 2;
        let mut rig = ClientRig::connected(config);
        let stream = rig.subscribed("a", QoS::AtLeastOnce);
        for round in ["0", "1", "2", "3", "4"] {
            rig.broker(qos1("a", round, 1));
            rig.broker(qos1("a", round, 2));
            let messages = rig.arrived();
            assert_eq!(messages.len(), 2, "{version}, round {round}: {:?}", rig.disconnected());
            rig.lose();
            for message in messages {
                rig.take(message, stream).unwrap();
            }
            rig.wait_for_dial();
            rig.broker(bowline_testkit::client_rig::connack(version, true, OK, Default::default()));
        }
        assert_eq!(rig.engine.state_name(), "Active");
    }
}

// [MQTT-4.3.3-10] [MQTT-4.3.3-2 of 3.1.1]
#[test]
fn a_qos_2_message_whose_pubrec_did_not_get_its_turn_is_not_delivered_again() {
    for version in Version::ALL {
        let mut config = kept(version);
        config.inbound.messages_max = 2;
        let mut rig = ClientRig::connected(config);
        let stream = rig.subscribed("a", QoS::ExactlyOnce);
        rig.broker(qos2("a", "first", 1));
        rig.broker(qos2("a", "second", 2));
        let [first, second] = rig.arrived()[..] else { panic!("two messages") };
        rig.take(second, stream).unwrap();
        rig.reconnect(true);
        rig.take(first, stream).unwrap();
        // Other messages need the room.
        for id in [5, 6] {
            rig.broker(qos1("a", "m", id));
        }
        for message in rig.arrived() {
            rig.take(message, stream).unwrap();
        }
        rig.sent();
        rig.broker(again(qos2("a", "first", 1)));
        rig.broker(again(qos2("a", "second", 2)));
        assert_eq!((rig.arrived(), rig.sent()), (vec![], vec![pubrec(1, OK), pubrec(2, OK)]));
    }
}

// [MQTT-3.2.2-5] [MQTT-3.2.2-3 of 3.1.1]
#[test]
fn after_a_session_loss_taking_is_stale_and_sends_nothing() {
    for version in [Version::V3_1_1, Version::V5] {
        let mut rig = ClientRig::connected(kept(version));
        let stream = rig.subscribed("a", QoS::ExactlyOnce);
        rig.broker(qos1("a", "one", 1));
        rig.broker(qos2("a", "two", 2));
        let old = rig.arrived();
        rig.reconnect(false);
        assert!(rig.events().iter().any(|event| matches!(event, Event::SessionLost { .. })));
        rig.sent();
        for message in old {
            assert_eq!(rig.take(message, stream), Err(Stale));
        }
        assert_eq!(rig.sent(), []);
        // The same packets are new messages now.
        rig.broker(qos2("a", "two", 2));
        assert_eq!(rig.arrived().len(), 1);
    }
}

// [MQTT-3.1.2-23] [MQTT-3.1.2-6 of 3.1.1]
#[test]
fn a_clean_session_ends_with_the_connection() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        let stream = rig.subscribed("a", QoS::ExactlyOnce);
        rig.broker(qos2("a", "m", 1));
        let [old] = rig.arrived()[..] else { panic!("one message") };
        rig.reconnect(false);
        rig.grant_all();
        assert_eq!(rig.take(old, stream), Err(Stale));
        rig.broker(qos2("a", "m", 1));
        let [new] = rig.arrived()[..] else { panic!("a new session, a new message") };
        rig.take(new, stream).unwrap();
        assert_eq!(rig.sent(), [pubrec(1, OK)]);
    }
}

// [MQTT-2.2.1-4] [MQTT-2.3.1-4 of 3.1.1] [MQTT-4.8.0-1 of 3.1.1]
#[test]
fn a_second_message_under_a_live_identifier_closes_the_connection() {
    for version in Version::ALL {
        let (one, two) = (qos1("a", "m", 1), qos2("a", "m", 1));
        let pairs = [
            (one.clone(), qos1("a", "other", 1)),
            (one.clone(), one.clone()),
            (one.clone(), two.clone()),
            (two.clone(), one),
            (two, qos2("a", "other", 1)),
        ];
        for (first, second) in pairs {
            let mut rig = ClientRig::connected(clean(version));
            rig.subscribed("a", QoS::ExactlyOnce);
            rig.broker(first);
            rig.broker(second);
            let error = ProtocolError::PacketIdInUse { packet_id: packet_id(1) };
            rig.assert_closed_for(&error, ReasonCode::ProtocolError);
        }
    }
}

// [MQTT-2.2.1-4] [MQTT-2.3.1-4 of 3.1.1]
#[test]
fn a_qos_1_message_under_an_identifier_that_waits_for_pubrel_closes_the_connection() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        let stream = rig.subscribed("a", QoS::ExactlyOnce);
        rig.broker(qos2("a", "m", 1));
        let [message] = rig.arrived()[..] else { panic!("one message") };
        rig.take(message, stream).unwrap();
        rig.broker(qos1("a", "m", 1));
        let error = ProtocolError::PacketIdInUse { packet_id: packet_id(1) };
        rig.assert_closed_for(&error, ReasonCode::ProtocolError);
    }
}

/// 3.1 brokers may repeat a PUBLISH on a timer while the connection lasts.
// [MQTT-4.3.3-10]
#[test]
fn a_publish_that_is_repeated_on_the_same_connection_is_delivered_and_answered_once() {
    for version in Version::ALL {
        for (packet, answer) in [(qos1("a", "m", 3), puback(3, OK)), (qos2("a", "m", 3), pubrec(3, OK))] {
            let mut rig = ClientRig::connected(clean(version));
            let stream = rig.subscribed("a", QoS::ExactlyOnce);
            rig.broker(packet.clone());
            let [message] = rig.arrived()[..] else { panic!("one message") };
            for _ in 0..3 {
                rig.broker(again(packet.clone()));
            }
            assert_eq!((rig.arrived(), rig.sent()), (vec![], vec![]));
            rig.take(message, stream).unwrap();
            assert_eq!(rig.sent(), [answer]);
        }
    }
}

// [MQTT-4.3.3-10] [MQTT-4.3.3-9]
#[test]
fn a_qos_2_message_that_replaces_one_being_recorded_is_not_swallowed_later() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(durable(version));
        let stream = rig.subscribed("a", QoS::ExactlyOnce);
        rig.broker(qos2("a", "old", 1));
        let [old] = rig.arrived()[..] else { panic!("one message") };
        rig.reconnect(true);
        rig.sent();
        // Its `Received` is with the store when the identifier comes back with another message.
        rig.store.commit = Commit::OnDemand;
        rig.take(old, stream).unwrap();
        rig.broker(qos2("a", "new", 1));
        let [new] = rig.arrived()[..] else { panic!("another message") };
        rig.commit();
        let events = rig.events();
        let is_stored =
            |event: &Event| matches!(event, Event::AcknowledgementStored(delivery) if *delivery == old);
        assert!(events.iter().any(is_stored), "nobody waits in vain: {events:?}");
        assert_eq!(rig.sent(), [], "nothing acknowledges the new message for the old one");
        let log = rig.store.log();
        let last = log.iter().rev().find_map(|entry| match entry {
            Entry::Received { .. } => Some("received"),
            Entry::Released { .. } => Some("released"),
            _ => None,
        });
        assert_eq!(last, Some("released"), "the store must not take the new message for the old one");
        rig.broker(again(qos2("a", "new", 1)));
        assert_eq!((rig.arrived(), rig.sent()), (vec![], vec![]), "it is held, not recorded");
        rig.take(new, stream).unwrap();
        rig.commit();
        assert_eq!(rig.sent(), [pubrec(1, OK)]);
    }
}

// [MQTT-3.1.2-23] [MQTT-4.3.3-10]
#[test]
fn a_session_that_our_clock_holds_expired_and_the_broker_still_has_delivers_nothing_twice() {
    let mut config = kept(Version::V5);
    config.session = bowline_proto::client::SessionPolicy::InMemory { expiry_secs: 20, adopt: true };
    let mut rig = ClientRig::connected(config);
    let stream = rig.subscribed("a", QoS::ExactlyOnce);
    rig.broker(qos2("a", "m", 3));
    let [message] = rig.arrived()[..] else { panic!("one message") };
    rig.take(message, stream).unwrap();
    assert_eq!(rig.sent(), [pubrec(3, OK)]);
    rig.lose();
    // Attempts fail for longer than that.
    for _ in 0..12 {
        rig.wait_for_dial();
        rig.lose();
        rig.advance(std::time::Duration::from_secs(3));
    }
    if rig.engine.state_name() != "AwaitConnack" {
        rig.wait_for_dial();
    }
    rig.broker(bowline_testkit::client_rig::connack(Version::V5, true, OK, Default::default()));
    rig.sent();
    rig.broker(again(qos2("a", "m", 3)));
    assert_eq!((rig.arrived(), rig.sent()), (vec![], vec![pubrec(3, OK)]));
}
