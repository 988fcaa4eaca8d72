//! Publications that wait: order, bounds, expiry, cancelling, and the high-water mark of the output.

use std::time::Duration;

use bowline_proto::Version;
use bowline_proto::client::{DisconnectCause, Event, Outcome};
use bowline_proto::error::PublishErrorKind;
use bowline_proto::packet::ConnAckProperties;
use bowline_proto::types::{Message, QoS, TopicName};
use bowline_testkit::ClientRig;

use crate::quota::receive_maximum;
use crate::script::{
    acknowledged, causes, clean, connected_on_demand, durable, expiring, kept, message, payload, payloads,
    puback, publish, publish1, published, published_id,
};

#[test]
fn what_was_queued_offline_goes_out_in_the_order_of_the_calls() {
    for version in Version::ALL {
        let mut rig = ClientRig::new(clean(version));
        publish1(&mut rig, "1");
        publish(&mut rig, message("2", QoS::ExactlyOnce));
        publish(&mut rig, message("3", QoS::AtMostOnce));
        publish1(&mut rig, "4");
        publish(&mut rig, message("5", QoS::AtMostOnce));
        rig.connect(false);
        assert_eq!(payloads(&mut rig), ["1", "2", "3", "4", "5"]);
    }
}

#[test]
fn a_full_queue_hands_the_message_back_and_says_how_full_it_is() {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut config = clean(Version::V5);
        config.queue.messages_max = 2;
        let mut rig = ClientRig::new(config);
        publish(&mut rig, message("1", qos));
        publish(&mut rig, message("2", qos));
        let third = message("3", qos);
        let refused = rig.engine.publish(third.clone(), rig.now).unwrap_err();
        assert_eq!(refused.message, third);
        assert_eq!(refused.kind, PublishErrorKind::Full { messages: 2, bytes: 8 });
        assert_eq!(refused.to_string(), "the send queue is full with 2 messages and 8 bytes");
        rig.connect(false);
        assert_eq!(payloads(&mut rig), ["1", "2"]);
        publish(&mut rig, third);
    }
}

#[test]
fn the_queue_is_bounded_in_bytes_too() {
    let mut config = clean(Version::V5);
    config.queue.bytes_max = 10;
    let mut rig = ClientRig::new(config);
    publish1(&mut rig, "1234567");
    let refused = rig.engine.publish(message("1", QoS::AtMostOnce), rig.now).unwrap_err();
    assert_eq!(refused.kind, PublishErrorKind::Full { messages: 1, bytes: 10 });
}

// [MQTT-3.3.2-5]
#[test]
fn a_message_that_expires_before_its_first_byte_is_never_sent_and_comes_back() {
    for version in Version::ALL {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let mut rig = ClientRig::new(clean(version));
            let brief = expiring(message("brief", qos), 10);
            let publication = publish(&mut rig, brief.clone());
            publish(&mut rig, expiring(message("lasting", qos), 11));
            rig.advance(Duration::from_secs(10));
            rig.connect(false);
            assert_eq!(payloads(&mut rig), ["lasting"], "{version:?} {qos:?}");
            assert_eq!(rig.outcomes(), [(publication, Outcome::Expired { message: brief })]);
        }
    }
}

// [MQTT-3.3.2-6]
#[test]
fn the_expiry_interval_is_sent_less_the_time_in_the_queue_rounded_up() {
    let mut rig = ClientRig::new(clean(Version::V5));
    publish(&mut rig, expiring(message("x", QoS::AtLeastOnce), 100));
    rig.advance(Duration::from_millis(30_100));
    rig.connect(false);
    let [sent] = &published(&mut rig)[..] else { panic!("one PUBLISH") };
    assert_eq!(sent.properties.as_ref().unwrap().expiry_secs, Some(70));
}

#[test]
fn before_5_0_an_expiry_interval_does_not_keep_a_message_from_being_sent() {
    for version in [Version::V3_1, Version::V3_1_1] {
        let mut rig = ClientRig::connected(clean(version));
        let publication = publish(&mut rig, expiring(message("x", QoS::AtLeastOnce), 100));
        let id = published_id(&mut rig);
        rig.broker(puback(id));
        assert_eq!(rig.outcomes(), [(publication, acknowledged())]);
    }
}

// [MQTT-4.3.3-7] [MQTT-3.3.2-6]
#[test]
fn a_message_that_was_sent_does_not_expire_and_is_sent_again_with_at_least_one_second() {
    let mut rig = ClientRig::connected(kept(Version::V5));
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        publish(&mut rig, expiring(message("x", qos), 1_000));
    }
    published(&mut rig);
    rig.reconnect(true);
    let spent = rig.now;
    let left = |sent: &bowline_proto::packet::Publish| sent.properties.as_ref().unwrap().expiry_secs.unwrap();
    let sent = published(&mut rig);
    let spent = spent.saturating_since(bowline_proto::Timestamp::ZERO).as_secs();
    assert!(sent.iter().all(|sent| u64::from(left(sent)) + spent == 1_000), "{sent:?} after {spent} s");
    rig.lose();
    rig.answers_dials = false;
    rig.advance(Duration::from_secs(2_000));
    rig.answers_dials = true;
    rig.wait_for_dial();
    rig.connect(true);
    let sent = published(&mut rig);
    assert_eq!(sent.iter().map(left).collect::<Vec<_>>(), [1, 1]);
    assert!(sent.iter().all(|sent| sent.dup));
}

#[test]
fn a_queued_publication_can_be_cancelled_until_it_is_sent_and_ends_once() {
    for version in Version::ALL {
        let mut config = clean(version);
        config.in_flight_max = 1;
        let mut rig = ClientRig::connected(config);
        let sent = publish1(&mut rig, "sent");
        let cancelled = publish1(&mut rig, "cancelled");
        publish1(&mut rig, "stays");
        let id = published_id(&mut rig);
        assert!(!rig.engine.cancel(sent), "its first byte is out");
        assert!(rig.engine.cancel(cancelled));
        assert!(!rig.engine.cancel(cancelled), "only once");
        rig.settle();
        let message = message("cancelled", QoS::AtLeastOnce);
        assert_eq!(rig.outcomes(), [(cancelled, Outcome::Cancelled { message })]);
        rig.broker(puback(id));
        assert_eq!(payloads(&mut rig), ["stays"]);
        assert_eq!(rig.outcomes(), [(sent, acknowledged())]);
    }
}

/// A message with a payload of so many bytes.
fn large(bytes: usize, qos: QoS) -> Message {
    Message::new(TopicName::from_static("large").expect("a legal topic"), vec![b'x'; bytes]).with_qos(qos)
}

#[test]
fn a_broker_that_does_not_read_fills_the_queue_and_not_the_output() {
    for version in Version::ALL {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
            let mut config = clean(version);
            config.queue.messages_max = 10;
            let mut rig = ClientRig::connected(config);
            rig.writes = false;
            let accepted = (0..100).take_while(|_| {
                let is_accepted = rig.engine.publish(large(64 * 1024, qos), rig.now).is_ok();
                rig.settle();
                is_accepted
            });
            let accepted = accepted.count();
            assert!((14..=16).contains(&accepted), "256 KiB of output and 10 messages: {accepted}");
            assert_eq!(rig.engine.queued().0, 10);
            rig.write_out();
            assert_eq!(rig.engine.queued().0, 0, "all goes out once the broker reads again");
            assert_eq!(published(&mut rig).len(), accepted);
        }
    }
}

#[test]
fn a_message_larger_than_the_output_bound_goes_out_and_does_not_end_the_connection() {
    for version in Version::ALL {
        let mut config = kept(version);
        config.in_flight_max = 1;
        let mut rig = ClientRig::connected(config);
        publish1(&mut rig, "small");
        let large = large(5 * 1024 * 1024, QoS::AtLeastOnce);
        let publication = publish(&mut rig, large.clone());
        let id = published_id(&mut rig);
        rig.broker(puback(id));
        let [sent] = &published(&mut rig)[..] else { panic!("{:?}", causes(&mut rig)) };
        assert_eq!(sent.payload, large.payload);
        rig.outcomes();
        rig.broker(puback(sent.packet_id.unwrap()));
        assert_eq!(rig.outcomes(), [(publication, acknowledged())]);
    }
}

#[test]
fn a_large_message_behind_a_slow_write_does_not_end_the_connection() {
    let mut rig = ClientRig::connected(kept(Version::V5));
    rig.writes = false;
    publish1(&mut rig, "being written");
    publish(&mut rig, large(5 * 1024 * 1024, QoS::AtLeastOnce));
    rig.broker(bowline_proto::packet::Packet::PingResp);
    assert_eq!(rig.engine.state_name(), "Active");
    rig.write_out();
    assert_eq!(published(&mut rig).len(), 2);
}

#[test]
fn a_batch_of_large_messages_that_became_durable_does_not_overrun_the_output() {
    let mut rig = connected_on_demand(durable(Version::V5));
    rig.writes = false;
    for _ in 0..200 {
        publish(&mut rig, large(64 * 1024, QoS::AtLeastOnce));
    }
    rig.commit();
    rig.broker(bowline_proto::packet::Packet::PingResp);
    assert_eq!(rig.engine.state_name(), "Active");
    assert!(published(&mut rig).len() <= 5, "256 KiB and what was begun");
    rig.write_out();
    let sent = published(&mut rig);
    assert!(sent.is_sorted_by_key(|sent| sent.packet_id), "they keep their order");
    assert_eq!(rig.engine.in_flight(), 200);
}

#[test]
fn a_peer_that_makes_us_answer_and_never_reads_is_given_up() {
    let mut rig = ClientRig::connected(clean(Version::V3_1_1));
    rig.writes = false;
    let unknown = crate::script::pubrec(bowline_proto::PacketId::new(9).unwrap());
    let mut answers = 0;
    while rig.engine.state_name() == "Active" {
        assert!(answers <= 1024 * 1024 + 1_000, "4 MiB of answers wait, and more are taken");
        for _ in 0..1_000 {
            rig.engine.handle_input(bowline_proto::client::Input::Packet(unknown.clone()), rig.now);
        }
        answers += 1_000;
        rig.settle();
    }
    assert!(matches!(causes(&mut rig)[..], [DisconnectCause::OutputOverflow { .. }]));
}

#[test]
fn qos_0_keeps_its_order_among_itself_behind_a_full_output() {
    let mut rig = ClientRig::connected(clean(Version::V5));
    rig.writes = false;
    publish(&mut rig, large(300 * 1024, QoS::AtMostOnce));
    for payload in ["1", "2", "3"] {
        publish(&mut rig, message(payload, QoS::AtMostOnce));
    }
    rig.write_out();
    let sent: Vec<_> = published(&mut rig).iter().skip(1).map(payload).collect();
    assert_eq!(sent, ["1", "2", "3"]);
}

// [MQTT-3.3.4-8]
#[test]
fn qos_0_passes_messages_that_wait_for_an_answer() {
    let mut rig = ClientRig::new(clean(Version::V5));
    publish1(&mut rig, "1");
    publish1(&mut rig, "blocked");
    publish(&mut rig, message("0", QoS::AtMostOnce));
    rig.connect_with(false, receive_maximum(1));
    assert_eq!(payloads(&mut rig), ["1", "0"]);
}

#[test]
fn what_was_sent_in_a_lost_session_and_waits_to_go_out_again_ends_in_doubt() {
    let in_doubt = || Outcome::Indeterminate { limit: None };
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        let sent = ["1", "2"].map(|payload| publish1(&mut rig, payload));
        rig.settle();
        rig.lose();
        let unsent = publish1(&mut rig, "3");
        assert!(!rig.engine.cancel(sent[1]), "its first byte was out");
        rig.settle();
        assert_eq!(rig.outcomes(), []);
        let mut ended = Vec::new();
        for event in rig.engine.end() {
            if let Event::PublishEnded { publication, outcome } = event {
                ended.push((publication, outcome));
            }
        }
        let not_sent = Outcome::NotSent { message: message("3", QoS::AtLeastOnce) };
        assert_eq!(ended, [(sent[0], in_doubt()), (sent[1], in_doubt()), (unsent, not_sent)]);
    }
}

// [MQTT-3.2.2-15]
#[test]
fn what_was_sent_in_a_lost_session_and_is_too_large_now_ends_in_doubt_and_names_the_limit() {
    let mut rig = ClientRig::connected(clean(Version::V5));
    let sent = publish1(&mut rig, "a message that is too long for the next connection");
    rig.lose();
    rig.wait_for_dial();
    let maximum_packet_size = std::num::NonZeroU32::new(32);
    rig.connect_with(false, ConnAckProperties { maximum_packet_size, ..Default::default() });
    let outcomes = rig.outcomes();
    let (ended, outcome) = &outcomes[0];
    assert_eq!((outcomes.len(), *ended), (1, sent));
    assert!(matches!(outcome, Outcome::Indeterminate { limit: Some(_) }), "{outcome:?}");
}
