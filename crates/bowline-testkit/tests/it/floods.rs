//! Brokers that send without end and do not read: what they can make the client hold has a bound, and nothing panics.

use std::time::Duration;

use bowline_proto::client::{DisconnectCause, Event, Input, Qos0Full, Qos0Limits, Unmatched};
use bowline_proto::packet::{Packet, PacketType};
use bowline_proto::types::QoS;
use bowline_proto::{ReasonCode, Version};
use bowline_testkit::ClientRig;
use bowline_testkit::client_rig::connack;
use bowline_testkit::packets::{again, for_subscriptions, pubrec, pubrel, qos0, qos1, qos2};
use bowline_testkit::subscriber::{clean, kept};

const OK: ReasonCode = ReasonCode::Success;

/// A connected client whose first write never ends.
fn stuck(version: Version) -> ClientRig {
    let mut rig = ClientRig::connected(kept(version));
    rig.writes = false;
    rig.publishes("out", QoS::AtMostOnce);
    rig.sent();
    rig
}

/// Sends packets, many in a read, until the client gives the connection up; how many it took at most.
fn flood(rig: &mut ClientRig, most: usize, mut packet: impl FnMut(usize) -> Packet) -> usize {
    const READ: usize = 256;
    for count in (0..most).step_by(READ) {
        if rig.engine.state_name() != "Active" {
            return count;
        }
        for number in count..count + READ {
            rig.engine.handle_input(Input::Packet(packet(number)), rig.now);
        }
        rig.settle();
    }
    panic!("the client takes {most} packets without end");
}

fn id(count: usize) -> u16 {
    u16::try_from(count % 65_535).expect("it is below 65,535") + 1
}

// [MQTT-4.8.0-2 of 3.1.1]
#[test]
fn a_flood_of_pubrels_that_is_answered_into_a_stuck_write_ends_in_output_overflow() {
    for version in Version::ALL {
        let mut rig = stuck(version);
        let count = flood(&mut rig, 2_000_000, |count| pubrel(id(count), OK));
        assert!(count * 5 >= 4 * 1024 * 1024 && count <= 1_100_000, "{version}: {count} answers were kept");
        // 5.0 tries to say why, until the closing timeout.
        rig.advance(Duration::from_secs(5));
        assert!(matches!(rig.disconnected(), Some(DisconnectCause::OutputOverflow { bytes })
            if bytes < 5 * 1024 * 1024));
    }
}

// [MQTT-4.8.0-2 of 3.1.1]
#[test]
fn a_flood_of_pubrecs_for_unknown_identifiers_ends_in_output_overflow() {
    for version in Version::ALL {
        let mut rig = stuck(version);
        flood(&mut rig, 2_000_000, |count| pubrec(id(count), OK));
        rig.advance(Duration::from_secs(5));
        assert!(matches!(rig.disconnected(), Some(DisconnectCause::OutputOverflow { .. })));
    }
}

// [MQTT-3.3.4-9]
#[test]
fn a_flood_of_messages_that_are_taken_but_cannot_be_acknowledged_ends_at_the_inbound_bound() {
    let cases = [(Version::V3_1, QoS::AtLeastOnce), (Version::V3_1_1, QoS::AtLeastOnce)];
    for (version, qos) in
        cases.into_iter().chain([(Version::V5, QoS::AtLeastOnce), (Version::V5, QoS::ExactlyOnce)])
    {
        let mut rig = stuck(version);
        let stream = rig.asks_for(&["in"], QoS::ExactlyOnce, Qos0Limits::default());
        let mut held = 0;
        while rig.engine.state_name() == "Active" {
            let packet = if qos == QoS::AtLeastOnce { qos1 } else { qos2 }("in", "m", id(held));
            rig.engine.handle_input(Input::Packet(packet), rig.now);
            rig.settle();
            for message in rig.arrived() {
                rig.engine.take(message, stream, OK).unwrap();
                held += 1;
            }
            // What fits into the output below its high-water mark, and the bound on messages.
            assert!(held <= 256 * 1024 / 4 + 1_024 + 1, "{version}: {held}");
        }
    }
}

#[test]
fn a_flood_of_repeated_messages_costs_nothing_while_their_answer_waits() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        let stream = rig.subscribed("in", QoS::ExactlyOnce);
        rig.broker(qos2("in", "recorded", 2));
        let [recorded] = rig.arrived()[..] else { panic!("one message") };
        rig.take(recorded, stream).unwrap();
        rig.broker(qos2("in", "held", 1));
        rig.sent();
        let repeat = |rig: &mut ClientRig, times: usize| {
            for _ in 0..times {
                rig.broker(again(qos2("in", "recorded", 2)));
                rig.broker(again(qos2("in", "held", 1)));
            }
            format!("{:?}", rig.engine).len()
        };
        let once = repeat(&mut rig, 1);
        let often = repeat(&mut rig, 5_000);
        assert!(often < once + 100, "what the engine holds has grown from {once} to {often} letters");
        let [held] = rig.arrived()[..] else { panic!("it was delivered once") };
        rig.take(held, stream).unwrap();
        assert_eq!(rig.sent().len(), 2, "one PUBREC each");
    }
}

#[test]
fn a_flood_of_qos_0_messages_is_bounded_by_the_streams() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        rig.subscribed_with("in", QoS::AtMostOnce, Qos0Limits::new(10, Qos0Full::DropNewest));
        rig.engine.open_unrouted(Qos0Limits::new(10, Qos0Full::DropNewest));
        let mut delivered = 0;
        for _ in 0..10_000 {
            rig.broker(qos0("in", "m"));
            rig.broker(qos0("elsewhere", "m"));
            let events = rig.events();
            delivered += events.iter().filter(|event| matches!(event, Event::Message(_))).count();
        }
        assert_eq!((delivered, rig.stats().qos0_dropped), (20, 20_000 - 20));
    }
}

#[test]
fn a_flood_of_unmatched_messages_that_are_left_to_the_broker_holds_nothing() {
    for version in Version::ALL {
        let mut config = kept(version);
        config.unmatched = Unmatched::Leave;
        let mut rig = ClientRig::connected(config);
        for count in 0..20_000 {
            rig.broker(qos1("nobody", "m", id(count)));
        }
        assert_eq!((rig.engine.state_name(), rig.stats().unmatched_left), ("Active", 20_000));
    }
}

#[test]
fn unmatched_messages_that_are_held_end_at_the_inbound_bound() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        let count = flood(&mut rig, 10_000, |count| qos1("nobody", "m", id(count)));
        assert!((1_025..=1_025 + 256).contains(&count), "{count}");
    }
}

// [MQTT-3.3.4-4]
#[test]
fn a_message_with_a_huge_number_of_subscription_identifiers_is_delivered_once() {
    let mut rig = ClientRig::connected(clean(Version::V5));
    rig.asks_for(&["in"], QoS::AtMostOnce, Qos0Limits::default());
    let [known] = rig.granted_ids()[..] else { panic!("one subscription") };
    rig.events();
    for ids in [vec![known; 100_000], (1..100_000).collect()] {
        rig.broker(for_subscriptions(qos0("in", "m"), &ids));
        let [delivery] = &rig.deliveries()[..] else { panic!("one message") };
        assert_eq!(delivery.streams.iter().count(), 1);
    }
}

#[test]
fn recorded_identifiers_of_a_broker_that_never_releases_are_bounded_by_their_number() {
    let mut rig = ClientRig::connected(kept(Version::V3_1_1));
    let stream = rig.subscribed("in", QoS::ExactlyOnce);
    for count in 0..70_000 {
        rig.broker(qos2("in", "m", id(count)));
        for message in rig.arrived() {
            rig.take(message, stream).unwrap();
        }
    }
    assert_eq!(rig.engine.state_name(), "Active", "it is legal, if strange");
    let pubrecs = rig.sent().iter().filter(|packet| packet.packet_type() == PacketType::PubRec).count();
    assert_eq!(pubrecs, 70_000);
}

#[test]
fn a_broker_that_loses_the_session_again_and_again_makes_nothing_grow() {
    let mut rig = ClientRig::connected(kept(Version::V5));
    rig.subscribed("in", QoS::ExactlyOnce);
    for round in 0..200 {
        for number in 1..=5 {
            rig.broker(qos2("in", "m", id(round * 5 + number)));
        }
        if rig.engine.state_name() == "Active" {
            rig.lose();
        }
        rig.wait_for_dial();
        rig.broker(connack(Version::V5, false, OK, Default::default()));
        rig.grant_all();
    }
    let held = rig.arrived().len();
    assert!(held <= 1_024, "{held} messages of lost sessions are held");
}
