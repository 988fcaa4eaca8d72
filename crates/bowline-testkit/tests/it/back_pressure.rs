//! When reading pauses because the application does not take what arrives (rule 4 of the inbound rules).

use std::time::Duration;

use bowline_proto::client::{Qos0Full, Qos0Limits, SessionPolicy};
use bowline_proto::packet::Packet;
use bowline_proto::routing::StreamId;
use bowline_proto::types::QoS;
use bowline_proto::{ReasonCode, Version};
use bowline_testkit::ClientRig;
use bowline_testkit::packets::{puback, qos0, qos1};
use bowline_testkit::subscriber::{clean, granted, kept};

const OK: ReasonCode = ReasonCode::Success;
const TWO: Qos0Limits = Qos0Limits::new(2, Qos0Full::Pause);

/// A connected client with a stream of two messages that is full.
fn full(version: Version) -> (ClientRig, StreamId) {
    let mut rig = ClientRig::connected(clean(version));
    let stream = rig.subscribed_with("in", QoS::AtMostOnce, TWO);
    rig.broker(qos0("in", "1"));
    assert!(!rig.engine.is_reading_paused());
    rig.broker(qos0("in", "2"));
    assert_eq!(rig.payloads().len(), 2);
    assert!(rig.engine.is_reading_paused());
    (rig, stream)
}

#[test]
fn reading_pauses_while_a_stream_is_full_and_goes_on_when_it_has_room() {
    for version in Version::ALL {
        let (mut rig, stream) = full(version);
        rig.engine.take_qos0(stream);
        assert!(!rig.engine.is_reading_paused());
        rig.broker(qos0("in", "3"));
        assert!(rig.engine.is_reading_paused());
        assert_eq!(rig.stats().qos0_dropped, 0, "a pause loses nothing");
    }
}

#[test]
fn reading_goes_on_while_a_publication_waits_for_its_answer() {
    for version in Version::ALL {
        let (mut rig, _) = full(version);
        rig.publishes("out", QoS::AtLeastOnce);
        assert!(!rig.engine.is_reading_paused());
        rig.broker(qos0("in", "3"));
        assert_eq!((rig.payloads(), rig.stats().qos0_dropped), (vec![], 1), "a full stream drops and counts");
        let Some(Packet::Publish(publish)) = rig.sent().pop() else { panic!("a PUBLISH") };
        rig.broker(puback(publish.packet_id.unwrap().as_u16(), OK));
        assert!(rig.engine.is_reading_paused(), "nothing is unanswered any more");
    }
}

#[test]
fn reading_goes_on_while_a_subscribe_or_unsubscribe_waits_for_its_answer() {
    for version in Version::ALL {
        let (mut rig, _) = full(version);
        rig.asks_for(&["more"], QoS::AtMostOnce, TWO);
        assert!(!rig.engine.is_reading_paused());
        let Some(Packet::Subscribe(subscribe)) = rig.sent().pop() else { panic!("a SUBSCRIBE") };
        rig.broker(granted(&subscribe));
        assert!(rig.engine.is_reading_paused());
        rig.unsubscribe("more");
        assert!(!rig.engine.is_reading_paused());
        rig.grant_all();
        assert!(rig.engine.is_reading_paused());
    }
}

/// `while let Some(message) = stream.next().await { client.publish(..).await }` with the stream full all the time.
#[test]
fn the_bridge_loop_does_not_deadlock_while_the_stream_is_full() {
    for version in Version::ALL {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let (mut rig, stream) = full(version);
            // The broker's own writes are blocked until we read, and until then it reads nothing either.
            rig.writes = false;
            for _ in 0..50 {
                rig.engine.take_qos0(stream);
                rig.publishes("out", qos);
                assert!(!rig.engine.is_reading_paused(), "or both sides would wait for each other");
                for _ in 0..3 {
                    rig.broker(qos0("in", "more"));
                }
                rig.write_out();
                let id = rig.sent().into_iter().find_map(|packet| match packet {
                    Packet::Publish(publish) => publish.packet_id,
                    _ => None,
                });
                let id = id.expect("the publication reached the broker").as_u16();
                if qos == QoS::AtLeastOnce {
                    rig.broker(puback(id, OK));
                } else {
                    rig.broker(bowline_testkit::packets::pubrec(id, OK));
                    rig.broker(bowline_testkit::packets::pubcomp(id, OK));
                }
                rig.writes = false;
                assert_eq!(rig.engine.in_flight(), 0, "publish().await returns");
                assert!(rig.engine.is_reading_paused(), "the stream is full again");
            }
        }
    }
}

#[test]
fn reading_goes_on_while_a_publication_cannot_even_be_written() {
    for version in Version::ALL {
        let (mut rig, _) = full(version);
        rig.writes = false;
        // QoS 0 has no answer; but once the queue fills, whoever publishes waits for the broker to read.
        let mut published = 0;
        while rig.engine.queued().0 == 0 {
            let message =
                bowline_proto::Message::new(bowline_testkit::packets::topic("out"), vec![0; 64 * 1024]);
            rig.engine.publish(message, rig.now).unwrap();
            rig.settle();
            published += 1;
            assert!(published < 100, "the output has a bound");
        }
        assert!(!rig.engine.is_reading_paused());
    }
}

#[test]
fn a_clean_session_pauses_before_it_would_have_to_close() {
    for version in Version::ALL {
        let mut config = clean(version);
        config.inbound.messages_max = 2;
        let mut rig = ClientRig::connected(config);
        let stream = rig.subscribed("in", QoS::AtLeastOnce);
        rig.broker(qos1("in", "m", 1));
        assert!(!rig.engine.is_reading_paused());
        rig.broker(qos1("in", "m", 2));
        assert!(rig.engine.is_reading_paused());
        let [one, _] = rig.arrived()[..] else { panic!("two messages") };
        rig.take(one, stream).unwrap();
        assert!(!rig.engine.is_reading_paused());
    }
}

#[test]
fn a_clean_session_pauses_by_bytes_too_and_a_kept_one_never_for_qos_1() {
    for version in Version::ALL {
        for (mut config, pauses) in [(clean(version), true), (kept(version), false)] {
            config.inbound.bytes_max = 10;
            let mut rig = ClientRig::connected(config);
            rig.subscribed("in", QoS::AtLeastOnce);
            rig.broker(qos1("in", "12345678", 1));
            assert_eq!(rig.engine.is_reading_paused(), pauses);
        }
    }
}

// [MQTT-3.12.4-1] [MQTT-3.12.4-1 of 3.1.1] [MQTT-3.1.2-20] [MQTT-3.1.2-23 of 3.1.1]
#[test]
fn the_ping_timeout_pauses_with_reading_and_pings_go_on() {
    for version in Version::ALL {
        let (mut rig, stream) = full(version);
        rig.advance(Duration::from_secs(3_600));
        assert_eq!(rig.disconnected(), None, "the answer cannot be seen");
        let pings = rig.sent();
        assert!(pings.len() >= 60 && pings.iter().all(|packet| *packet == Packet::PingReq));
        rig.engine.take_qos0(stream);
        rig.settle();
        rig.advance(Duration::from_secs(9));
        assert_eq!(rig.disconnected(), None, "the broker has as much time as it had");
        rig.advance(Duration::from_secs(2));
        assert!(rig.disconnected().is_some(), "and no more");
    }
}

#[test]
fn the_ping_timeout_goes_on_when_a_publication_makes_reading_go_on() {
    for version in Version::ALL {
        let (mut rig, _) = full(version);
        rig.advance(Duration::from_secs(60));
        // Not even its write is done.
        rig.writes = false;
        rig.publishes("out", QoS::AtLeastOnce);
        assert!(!rig.engine.is_reading_paused());
        rig.advance(Duration::from_secs(11));
        assert_ne!(rig.engine.state_name(), "Active");
    }
}

#[test]
fn a_stream_that_is_still_full_pauses_the_next_connection_as_well() {
    for version in Version::ALL {
        let mut config = clean(version);
        config.session = SessionPolicy::InMemory { expiry_secs: u32::MAX, adopt: true };
        let mut rig = ClientRig::connected(config);
        let stream = rig.subscribed_with("in", QoS::AtMostOnce, TWO);
        rig.broker(qos0("in", "1"));
        rig.broker(qos0("in", "2"));
        rig.reconnect(true);
        rig.grant_all();
        assert!(rig.engine.is_reading_paused());
        rig.engine.close_stream(stream, &[]);
        rig.settle();
        assert!(!rig.engine.is_reading_paused(), "a closed stream holds nobody back");
    }
}

#[test]
fn packets_of_one_read_that_come_after_the_pause_are_not_lost() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        let stream = rig.subscribed_with("in", QoS::AtMostOnce, TWO);
        // The driver looks only after it has passed on everything that it has decoded.
        for _ in 0..5 {
            let Packet::Publish(publish) = qos0("in", "m") else { panic!("a PUBLISH") };
            rig.engine.handle_input(bowline_proto::client::Input::Packet(Packet::Publish(publish)), rig.now);
        }
        assert!(rig.engine.is_reading_paused(), "it can tell without being polled");
        rig.settle();
        assert_eq!((rig.payloads().len(), rig.stats().qos0_dropped), (5, 0));
        for _ in 0..3 {
            rig.engine.take_qos0(stream);
            assert!(rig.engine.is_reading_paused());
        }
        rig.engine.take_qos0(stream);
        assert!(!rig.engine.is_reading_paused());
    }
}
