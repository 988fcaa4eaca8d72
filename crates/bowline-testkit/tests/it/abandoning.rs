//! Messages that an application has let go of without finishing with them (rules 5 and 7 of the inbound rules).

use bowline_proto::client::{Qos0Limits, UNROUTED, Unmatched};
use bowline_proto::session::Stale;
use bowline_proto::types::QoS;
use bowline_proto::{ReasonCode, Version};
use bowline_testkit::ClientRig;
use bowline_testkit::packets::{again, puback, pubrec, qos1, qos2};
use bowline_testkit::subscriber::{clean, kept};

const OK: ReasonCode = ReasonCode::Success;

#[test]
fn what_was_let_go_of_goes_to_its_stream_again_when_it_comes_again_and_to_no_other() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        let lets_go = rig.subscribed("a", QoS::ExactlyOnce);
        let keeps = rig.subscribed("#", QoS::ExactlyOnce);
        rig.broker(qos1("a", "m", 1));
        rig.broker(qos2("a", "m", 2));
        let messages = rig.arrived();
        for &message in &messages {
            rig.engine.hand_over(message, lets_go);
            rig.engine.hand_over(message, keeps);
            assert_eq!(rig.engine.abandon(message, lets_go), Ok(()));
        }
        rig.reconnect(true);
        rig.sent();
        for packet in [qos1("a", "m", 1), qos2("a", "m", 2)] {
            rig.broker(again(packet));
        }
        let deliveries = rig.deliveries();
        assert_eq!(deliveries.len(), 2);
        for (delivery, &message) in deliveries.iter().zip(&messages) {
            assert_eq!(delivery.delivery, Some(message));
            assert_eq!(delivery.streams.iter().collect::<Vec<_>>(), [lets_go]);
            rig.take(message, lets_go).unwrap();
            assert_eq!(rig.sent(), [], "the other stream has it still");
        }
        for message in messages {
            rig.take(message, keeps).unwrap();
        }
        assert_eq!(rig.sent(), [puback(1, OK), pubrec(2, OK)]);
    }
}

#[test]
fn what_a_stream_had_let_go_of_before_it_was_dropped_goes_to_another_when_it_comes_again() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        let stream = rig.subscribed("a", QoS::AtLeastOnce);
        rig.broker(qos1("a", "m", 1));
        let [message] = rig.arrived()[..] else { panic!("one message") };
        rig.engine.hand_over(message, stream);
        rig.engine.abandon(message, stream).unwrap();
        rig.engine.close_stream(stream, &[]);
        let next = rig.asks_for(&["a"], QoS::AtLeastOnce, Qos0Limits::default());
        rig.settle();
        assert_eq!(rig.arrived(), [], "it is not acknowledged and stays so on this connection");
        rig.reconnect(true);
        rig.sent();
        rig.broker(again(qos1("a", "m", 1)));
        assert_eq!(rig.arrived(), [message]);
        rig.take(message, next).unwrap();
        assert_eq!(rig.sent(), [puback(1, OK)]);
    }
}

#[test]
fn what_was_let_go_of_and_nobody_wants_any_more_is_held_or_unrouted() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        let stream = rig.subscribed("a", QoS::AtLeastOnce);
        rig.broker(qos1("a", "m", 1));
        let [message] = rig.arrived()[..] else { panic!("one message") };
        rig.engine.abandon(message, stream).unwrap();
        rig.engine.close_stream(stream, &[]);
        rig.reconnect(true);
        rig.sent();
        rig.broker(again(qos1("a", "m", 1)));
        assert_eq!((rig.arrived(), rig.sent()), (vec![], vec![]));
        rig.engine.open_unrouted(Qos0Limits::default());
        rig.settle();
        assert_eq!(rig.arrived(), [message]);
        rig.take(message, UNROUTED).unwrap();
        assert_eq!(rig.sent(), [puback(1, OK)]);
    }
}

#[test]
fn what_was_let_go_of_is_acknowledged_when_its_filter_is_unsubscribed() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        let stream = rig.subscribed("a", QoS::AtLeastOnce);
        rig.broker(qos1("a", "m", 1));
        let [message] = rig.arrived()[..] else { panic!("one message") };
        rig.engine.hand_over(message, stream);
        rig.engine.abandon(message, stream).unwrap();
        // A driver may tell this late.
        rig.engine.hand_over(message, stream);
        rig.unsubscribe("a");
        assert_eq!(rig.sent()[0], puback(1, OK), "or it would hold up all that come after it");
        assert_eq!(rig.stats().unsubscribed_acknowledged, 1);
    }
}

#[test]
fn what_was_let_go_of_in_lost_sessions_does_not_keep_others_out() {
    for version in Version::ALL {
        for is_lost_before in [false, true] {
            let mut config = clean(version);
            config.inbound.messages_max = 2;
            let mut rig = ClientRig::connected(config);
            let stream = rig.subscribed("a", QoS::AtLeastOnce);
            for _ in 0..5 {
                rig.broker(qos1("a", "m", 1));
                let [message] = rig.arrived()[..] else { panic!("one message") };
                rig.engine.hand_over(message, stream);
                if !is_lost_before {
                    rig.engine.abandon(message, stream).unwrap();
                }
                rig.reconnect(false);
                rig.grant_all();
                rig.events();
                if is_lost_before {
                    assert_eq!(rig.engine.abandon(message, stream), Err(Stale));
                }
                assert!(!rig.engine.is_reading_paused(), "nothing is left of it");
            }
        }
    }
}

#[test]
fn what_was_let_go_of_unrouted_is_not_acknowledged_because_it_comes_again() {
    for version in Version::ALL {
        for (is_dropped, packet, ack) in [
            (false, qos1("a", "m", 1), puback(1, OK)),
            (false, qos2("a", "m", 1), pubrec(1, OK)),
            (true, qos1("a", "m", 1), puback(1, OK)),
            (true, qos2("a", "m", 1), pubrec(1, OK)),
        ] {
            let mut rig = ClientRig::connected(kept(version));
            rig.engine.open_unrouted(Qos0Limits::default());
            rig.broker(packet.clone());
            let [message] = rig.arrived()[..] else { panic!("one message") };
            rig.engine.hand_over(message, UNROUTED);
            rig.engine.abandon(message, UNROUTED).unwrap();
            if is_dropped {
                rig.engine.close_stream(UNROUTED, &[]);
            }
            rig.reconnect(true);
            rig.sent();
            rig.broker(again(packet));
            assert_eq!(rig.sent(), [], "the application has not finished with it");
            if is_dropped {
                assert_eq!(rig.arrived(), []);
                rig.engine.open_unrouted(Qos0Limits::default());
                rig.settle();
            }
            assert_eq!(rig.arrived(), [message]);
            rig.take(message, UNROUTED).unwrap();
            assert_eq!(rig.sent(), [ack]);
        }
    }
}

#[test]
fn what_was_let_go_of_unrouted_and_handed_out_when_unrouted_is_opened_again_is_not_handed_out_twice() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        rig.engine.open_unrouted(Qos0Limits::default());
        rig.broker(qos2("a", "m", 1));
        let [message] = rig.arrived()[..] else { panic!("one message") };
        rig.engine.hand_over(message, UNROUTED);
        rig.engine.abandon(message, UNROUTED).unwrap();
        rig.engine.close_stream(UNROUTED, &[]);
        rig.engine.open_unrouted(Qos0Limits::default());
        rig.settle();
        let handed_out = rig.arrived();
        for &message in &handed_out {
            rig.engine.hand_over(message, UNROUTED);
        }
        rig.reconnect(true);
        rig.sent();
        rig.broker(again(qos2("a", "m", 1)));
        assert_eq!(handed_out.len() + rig.arrived().len(), 1, "the application has it in its hands");
        rig.take(message, UNROUTED).unwrap();
        assert_eq!(rig.sent(), [pubrec(1, OK)]);
    }
}

#[test]
fn what_was_let_go_of_and_never_comes_again_does_not_keep_others_out() {
    for version in Version::ALL {
        for (qos, has_other) in
            [(QoS::AtLeastOnce, false), (QoS::ExactlyOnce, false), (QoS::ExactlyOnce, true)]
        {
            let mut config = kept(version);
            config.inbound.messages_max = 2;
            let mut rig = ClientRig::connected(config);
            let stream = rig.subscribed("a", QoS::ExactlyOnce);
            let other = has_other.then(|| rig.subscribed("#", QoS::ExactlyOnce));
            for id in 1..=6 {
                // A broker that numbers anew on each connection.
                rig.broker(if qos == QoS::AtLeastOnce { qos1("a", "m", id) } else { qos2("a", "m", id) });
                let arrived = rig.arrived();
                let [message] = arrived[..] else { panic!("{version:?}: {arrived:?} for {id}") };
                rig.engine.hand_over(message, stream);
                rig.engine.abandon(message, stream).unwrap();
                if let Some(other) = other {
                    rig.take(message, other).unwrap();
                }
                rig.reconnect(true);
                rig.events();
            }
        }
    }
}

#[test]
fn what_was_let_go_of_before_its_stream_was_dropped_is_acknowledged_when_its_filter_is_unsubscribed() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        let dropped = rig.subscribed("a", QoS::ExactlyOnce);
        let keeps = rig.subscribed("b", QoS::ExactlyOnce);
        for packet in [qos1("a", "m", 1), qos2("a", "m", 2), qos1("b", "m", 3), qos2("b", "m", 4)] {
            rig.broker(packet);
        }
        let [first, second, third, fourth] = rig.arrived()[..] else { panic!("four messages") };
        for message in [first, second] {
            rig.engine.hand_over(message, dropped);
            rig.engine.abandon(message, dropped).unwrap();
        }
        for message in [third, fourth] {
            rig.take(message, keeps).unwrap();
        }
        rig.engine.close_stream(dropped, &[]);
        rig.settle();
        assert_eq!(rig.sent(), [], "they are kept for whoever comes when they come again");
        rig.unsubscribe("a");
        let acknowledgements = [puback(1, OK), puback(3, OK), pubrec(2, OK), pubrec(4, OK)];
        assert_eq!(
            rig.sent()[..4],
            acknowledgements,
            "nobody wants them, and all others would wait for them"
        );
        assert_eq!(rig.stats().unsubscribed_acknowledged, 2);
    }
}

#[test]
fn what_a_stream_has_taken_is_not_left_to_the_broker_when_unrouted_is_dropped() {
    for version in Version::ALL {
        let mut config = kept(version);
        config.unmatched = Unmatched::Leave;
        let mut rig = ClientRig::connected(config);
        let takes = rig.subscribed("#", QoS::ExactlyOnce);
        let dropped = rig.subscribed("a", QoS::ExactlyOnce);
        rig.broker(qos2("a", "m", 1));
        let [message] = rig.arrived()[..] else { panic!("one message") };
        rig.take(message, takes).unwrap();
        rig.engine.close_stream(dropped, &[message]);
        rig.engine.close_stream(takes, &[]);
        rig.engine.open_unrouted(Qos0Limits::default());
        rig.settle();
        assert_eq!(rig.arrived(), [message]);
        rig.engine.close_stream(UNROUTED, &[message]);
        let again_there = rig.asks_for(&["#"], QoS::ExactlyOnce, Qos0Limits::default());
        rig.settle();
        assert_eq!(rig.arrived(), [message], "it is the same that was taken in part");
        rig.take(message, again_there).unwrap();
        assert_eq!(rig.sent().last(), Some(&pubrec(1, OK)));
    }
}

#[test]
fn what_a_dropped_stream_had_let_go_of_is_kept_while_another_filter_wants_it() {
    for version in Version::ALL {
        for is_open in [false, true] {
            let mut rig = ClientRig::connected(kept(version));
            let dropped = rig.subscribed("a", QoS::AtLeastOnce);
            let wider = rig.subscribed("#", QoS::AtLeastOnce);
            rig.broker(qos1("a", "m", 1));
            let [message] = rig.arrived()[..] else { panic!("one message") };
            for stream in [dropped, wider] {
                rig.engine.hand_over(message, stream);
                rig.engine.abandon(message, stream).unwrap();
            }
            rig.engine.close_stream(dropped, &[]);
            if !is_open {
                rig.engine.close_stream(wider, &[]);
            }
            rig.unsubscribe("a");
            assert!(!rig.sent().contains(&puback(1, OK)), "nobody has finished with it");
            rig.reconnect(true);
            rig.sent();
            rig.broker(again(qos1("a", "m", 1)));
            assert_eq!(rig.arrived(), if is_open { vec![message] } else { vec![] });
            let next =
                if is_open { wider } else { rig.asks_for(&["#"], QoS::AtLeastOnce, Qos0Limits::default()) };
            rig.settle();
            rig.take(message, next).unwrap();
            assert!(rig.sent().contains(&puback(1, OK)));
        }
    }
}

#[test]
fn what_is_let_go_of_after_its_filter_was_unsubscribed_holds_up_nobody() {
    for version in Version::ALL {
        for is_dropped in [false, true] {
            let mut rig = ClientRig::connected(kept(version));
            let stream = rig.subscribed("a", QoS::ExactlyOnce);
            let keeps = rig.subscribed("b", QoS::ExactlyOnce);
            for packet in [qos1("a", "m", 1), qos2("a", "m", 2), qos1("b", "m", 3), qos2("b", "m", 4)] {
                rig.broker(packet);
            }
            let [first, second, third, fourth] = rig.arrived()[..] else { panic!("four messages") };
            for message in [first, second] {
                rig.engine.hand_over(message, stream);
            }
            for message in [third, fourth] {
                rig.take(message, keeps).unwrap();
            }
            rig.unsubscribe("a");
            rig.grant_all();
            if is_dropped {
                rig.engine.close_stream(stream, &[]);
            }
            rig.settle();
            assert_eq!(rig.sent(), [], "the application has them in its hands");
            for message in [first, second] {
                rig.engine.abandon(message, stream).unwrap();
            }
            rig.settle();
            assert_eq!(
                rig.sent(),
                [puback(1, OK), puback(3, OK), pubrec(2, OK), pubrec(4, OK)],
                "{version:?}: nobody will ever get them"
            );
            assert_eq!(rig.stats().unsubscribed_acknowledged, 2);
        }
    }
}

#[test]
fn what_a_dropped_stream_had_let_go_of_goes_to_a_later_stream_of_another_filter_when_its_own_is_unsubscribed()
{
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        let wider = rig.subscribed("#", QoS::AtLeastOnce);
        rig.engine.close_stream(wider, &[]);
        let dropped = rig.subscribed("a", QoS::AtLeastOnce);
        rig.broker(qos1("a", "m", 1));
        let [message] = rig.arrived()[..] else { panic!("one message") };
        rig.engine.hand_over(message, dropped);
        rig.engine.abandon(message, dropped).unwrap();
        rig.engine.close_stream(dropped, &[]);
        let next = rig.asks_for(&["#"], QoS::AtLeastOnce, Qos0Limits::default());
        rig.settle();
        rig.unsubscribe("a");
        assert!(
            !rig.sent().contains(&puback(1, OK)),
            "{version:?}: a filter that is subscribed all along wants it"
        );
        assert_eq!(rig.arrived(), [message]);
        rig.take(message, next).unwrap();
        assert_eq!(rig.sent().last(), Some(&puback(1, OK)));
    }
}
