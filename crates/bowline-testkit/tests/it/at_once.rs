//! The short ways of the engine, for drivers under load: QoS 0 without taking the message, publishing without a clock, and packets
//! that were read together. Each must do what the long way does.

use std::time::Duration;

use bowline_proto::client::{Input, OnFull, Output, Qos0Full, Qos0Limits};
use bowline_proto::packet::{ConnAckProperties, Packet};
use bowline_proto::retry::Retry;
use bowline_proto::types::QoS;
use bowline_proto::{ReasonCode, Timestamp, Version};
use bowline_testkit::ClientRig;
use bowline_testkit::client_rig::connack;
use bowline_testkit::packets::{puback, qos0};

use crate::script::{clean, durable, expiring, message, payloads, publish};

fn at_once(payload: &'static str) -> bowline_proto::Message {
    message(payload, QoS::AtMostOnce)
}

#[test]
fn a_qos0_message_that_can_be_written_at_once_goes_out_like_any_other() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        let first = publish(&mut rig, at_once("1"));
        let second = rig.engine.publish_at_once(&at_once("2")).unwrap();
        rig.settle();
        let third = publish(&mut rig, at_once("3"));
        assert!(first < second && second < third, "{first:?} {second:?} {third:?}");
        assert_eq!(payloads(&mut rig), ["1", "2", "3"], "{version:?}");
    }
}

#[test]
fn what_waits_or_cannot_be_sent_is_not_published_at_once_and_leaves_no_trace() {
    let small = ConnAckProperties { maximum_packet_size: core::num::NonZero::new(32), ..Default::default() };
    let mut rig = ClientRig::new(clean(Version::V5));
    assert_eq!(rig.engine.publish_at_once(&at_once("not connected")), None);
    rig.connect_with(false, small);
    rig.sent();
    assert_eq!(rig.engine.publish_at_once(&message("1", QoS::AtLeastOnce)), None);
    assert_eq!(rig.engine.publish_at_once(&message("2", QoS::ExactlyOnce)), None);
    assert_eq!(rig.engine.publish_at_once(&expiring(at_once("3"), 60)), None);
    assert_eq!(rig.engine.publish_at_once(&at_once("more than the 32 bytes of the broker")), None);
    rig.settle();
    assert!(rig.sent().is_empty() && rig.engine.queued() == (0, 0));

    let retains_nothing = ConnAckProperties { retain_available: Some(false), ..Default::default() };
    let mut rig = ClientRig::new(clean(Version::V5));
    rig.connect_with(false, retains_nothing);
    rig.sent();
    let retained = bowline_proto::Message { retain: true, ..at_once("4") };
    assert_eq!(rig.engine.publish_at_once(&retained), None);
    rig.settle();
    assert!(rig.sent().is_empty(), "the broker takes no retained message");
}

#[test]
fn a_qos0_message_does_not_pass_those_that_wait_by_being_published_at_once() {
    let mut rig = ClientRig::connected(clean(Version::V5));
    rig.writes = false;
    let large = || at_once(Box::leak("x".repeat(200 * 1024).into_boxed_str()));
    for _ in 0..4 {
        publish(&mut rig, large());
    }
    assert!(rig.engine.queued().0 > 0, "the output is full");
    assert_eq!(rig.engine.publish_at_once(&at_once("late")), None);
}

#[test]
fn nor_does_it_when_the_output_has_room_again_and_nobody_has_asked_what_to_do_yet() {
    let mut rig = ClientRig::connected(clean(Version::V5));
    for _ in 0..4 {
        let large = at_once(Box::leak("x".repeat(200 * 1024).into_boxed_str()));
        rig.engine.publish(large, rig.now).unwrap();
    }
    let Output::Transmit(buffer) = rig.engine.poll_output(rig.now) else { panic!("there is much to send") };
    rig.engine.handle_input(Input::Transmitted(buffer), rig.now);
    assert!(rig.engine.queued().0 > 0, "it waits for the next output");
    assert_eq!(rig.engine.publish_at_once(&at_once("late")), None);
}

#[test]
fn a_message_that_is_published_at_once_replaces_the_one_of_its_topic_that_waits() {
    let mut config = clean(Version::V5);
    (config.in_flight_max, config.on_full) = (1, OnFull::KeepLastPerTopic);
    let mut rig = ClientRig::connected(config);
    publish(&mut rig, message("1", QoS::AtLeastOnce));
    publish(&mut rig, message("2", QoS::AtLeastOnce));
    assert_eq!(rig.engine.queued().0, 1, "it waits for its turn");
    rig.engine.publish_at_once(&at_once("3")).unwrap();
    rig.settle();
    assert_eq!(payloads(&mut rig), ["1", "3"]);
    assert_eq!(rig.engine.queued(), (0, 0));
}

#[test]
fn a_message_is_timed_exactly_if_something_about_it_or_the_queue_has_a_time() {
    let plain = || message("1", QoS::AtLeastOnce);
    let rig = ClientRig::new(clean(Version::V5));
    assert!(!rig.engine.is_timed(&plain()) && rig.engine.is_timed(&expiring(plain(), 1)));
    assert!(ClientRig::new(durable(Version::V5)).engine.is_timed(&plain()));
    let mut config = clean(Version::V5);
    config.queue_age_max = Some(Duration::from_secs(1));
    assert!(ClientRig::new(config).engine.is_timed(&plain()));
    let mut config = clean(Version::V3_1_1);
    config.retry = Some(Retry::after(Duration::from_secs(20)));
    assert!(ClientRig::new(config).engine.is_timed(&plain()));
    let mut rig = ClientRig::new(clean(Version::V5));
    publish(&mut rig, expiring(plain(), 60));
    assert!(rig.engine.is_timed(&plain()), "one that waits may have to make room");
}

#[test]
fn a_message_that_is_not_timed_goes_out_whatever_time_it_was_given() {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut rig = ClientRig::connected(clean(Version::V5));
        rig.advance(Duration::from_secs(5));
        rig.sent();
        let (engine, message) = (&mut rig.engine, message("1", qos));
        assert!(!engine.is_timed(&message));
        engine.publish(message, Timestamp::ZERO).unwrap();
        rig.settle();
        assert_eq!(payloads(&mut rig), ["1"]);
        assert_eq!(rig.engine.in_flight(), usize::from(qos != QoS::AtMostOnce));
    }
}

#[test]
fn packets_that_were_read_together_are_taken_until_reading_is_to_pause() {
    let mut rig = ClientRig::connected(clean(Version::V5));
    rig.subscribed_with("in", QoS::AtMostOnce, Qos0Limits::new(2, Qos0Full::Pause));
    let mut batch = ["1", "2", "3", "4"].map(|payload| qos0("in", payload)).into_iter();
    rig.engine.handle_packets(&mut batch, rig.now);
    rig.settle();
    assert_eq!((rig.payloads().len(), batch.len()), (2, 2));
    assert!(rig.engine.is_reading_paused());
}

#[test]
fn packets_behind_one_that_ends_the_connection_are_not_heeded() {
    let mut rig = ClientRig::connected(clean(Version::V5));
    let mut batch =
        [puback(7, ReasonCode::Success), Packet::PingReq, puback(8, ReasonCode::Success)].into_iter();
    rig.engine.handle_packets(&mut batch, rig.now);
    assert_eq!((batch.len(), rig.engine.stats().unknown_acknowledgements), (0, 1));
    rig.settle();
    assert_ne!(rig.engine.state_name(), "Active");
}

#[test]
fn packets_that_were_read_together_do_what_they_do_one_by_one_whatever_the_state() {
    for version in Version::ALL {
        let packets = [
            connack(version, false, ReasonCode::Success, ConnAckProperties::default()),
            puback(7, ReasonCode::Success),
            Packet::PingReq,
        ];
        for count in 1..=packets.len() {
            let [mut together, mut one_by_one] = [0; 2].map(|_| ClientRig::new(clean(version)));
            for rig in [&mut together, &mut one_by_one] {
                rig.dial();
                rig.sent();
                rig.events();
            }
            together.engine.handle_packets(&mut packets[..count].iter().cloned(), together.now);
            together.settle();
            for packet in &packets[..count] {
                one_by_one.input(Input::Packet(packet.clone()));
            }
            let state = together.engine.state_name();
            assert_eq!(state, if count == 3 { "Backoff" } else { "Active" }, "{version} {count}");
            assert_eq!(state, one_by_one.engine.state_name());
            assert_eq!(together.closes(), one_by_one.closes());
            assert_eq!(together.engine.stats(), one_by_one.engine.stats());
            assert_eq!(together.sent(), one_by_one.sent());
            assert_eq!(format!("{:?}", together.events()), format!("{:?}", one_by_one.events()));
        }
    }
}
