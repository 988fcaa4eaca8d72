//! Packets that are sent again while the connection lasts: which, when, in which order, and never in 5.0.

use std::time::Duration;

use bowline_proto::client::{ClientConfig, ClientEngine, DisconnectCause, Output, Qos0Limits};
use bowline_proto::packet::{Packet, SubAck, Subscription, UnsubAck};
use bowline_proto::retry::Retry;
use bowline_proto::types::{Message, QoS, SubscriptionOptions, TopicName};
use bowline_proto::{ReasonCode, Timestamp, TopicFilter, Version};
use bowline_testkit::ClientRig;

use crate::script::{
    acknowledged, causes, clean, connected_on_demand, durable, filter, kept, message, payloads, puback,
    pubcomp, publish, publish1, publish2, published, published_id, pubrec, request_id, subscription,
};

const OLD: [Version; 2] = [Version::V3_1, Version::V3_1_1];
const SECS_10: Duration = Duration::from_secs(10);
/// Above every first time with its spread, below every second one.
const SECS_13: Duration = Duration::from_secs(13);

fn retrying(version: Version) -> ClientConfig {
    let mut config = kept(version);
    config.retry = Some(Retry::after(SECS_10));
    config.keep_alive_secs = 0;
    config
}

/// How long until something is sent again, in whole seconds up to the limit.
fn secs_until_sent(rig: &mut ClientRig, limit: u64) -> Option<u64> {
    (1..=limit).find(|_| {
        rig.advance(Duration::from_secs(1));
        !rig.sent().is_empty()
    })
}

#[test]
fn nothing_is_sent_again_unless_asked_for() {
    for version in Version::ALL {
        let mut config = kept(version);
        config.keep_alive_secs = 0;
        let mut rig = ClientRig::connected(config);
        publish1(&mut rig, "x");
        rig.sent();
        rig.advance(Duration::from_secs(100_000));
        assert_eq!(rig.sent(), []);
    }
}

// [MQTT-4.4.0-1]
#[test]
fn retry_is_refused_for_5_0_and_out_of_its_ranges_when_the_client_is_made() {
    let refusal = |version, retry| {
        let mut config = clean(version);
        config.retry = Some(retry);
        let made = ClientEngine::new(config, 1, Timestamp::ZERO, Timestamp::ZERO);
        made.expect_err("it is refused").to_string()
    };
    let legal = Retry::after(SECS_10);
    assert_eq!(refusal(Version::V5, legal), "retry is forbidden in 5.0 while the connection lasts");
    for (retry, problem) in [
        (
            Retry::after(Duration::from_millis(99)),
            "retry must leave at least 100 ms before the first repetition",
        ),
        (legal.at_most(Duration::from_secs(9)), "retry must not have a longest time below the first"),
        (legal.bandwidth(0), "retry must not have a bandwidth of 0"),
        (legal.bandwidth_factor(0), "retry must not have a bandwidth factor of 0"),
    ] {
        assert_eq!(refusal(Version::V3_1_1, retry), problem);
    }
}

#[test]
fn publish_is_sent_again_with_dup_at_times_that_double() {
    for version in OLD {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let mut rig = ClientRig::connected(retrying(version));
            publish(&mut rig, message("x", qos));
            let [first] = &published(&mut rig)[..] else { panic!("one PUBLISH") };
            for (least, most) in [(10, 13), (20, 25), (40, 50), (80, 100)] {
                let (mut secs, mut again) = (0, Vec::new());
                while again.is_empty() {
                    rig.advance(Duration::from_secs(1));
                    secs += 1;
                    again = rig.sent();
                }
                assert!((least..=most).contains(&secs), "{secs} s");
                let [Packet::Publish(again)] = &again[..] else { panic!("one PUBLISH: {again:?}") };
                assert!(again.dup && !first.dup);
                assert_eq!((again.packet_id, &again.payload), (first.packet_id, &first.payload));
            }
            assert_eq!(rig.engine.stats().sent_again, 4);
            assert_eq!(rig.outcomes(), []);
        }
    }
}

#[test]
fn an_answer_ends_the_repetitions_and_qos_0_has_none() {
    for version in OLD {
        let mut rig = ClientRig::connected(retrying(version));
        publish(&mut rig, message("0", QoS::AtMostOnce));
        assert_eq!(payloads(&mut rig), ["0"]);
        let publication = publish1(&mut rig, "1");
        let id = published_id(&mut rig);
        rig.advance(SECS_13);
        assert_eq!(payloads(&mut rig), ["1"]);
        rig.broker(puback(id));
        assert_eq!(rig.outcomes(), [(publication, acknowledged())]);
        rig.broker(puback(id));
        assert_eq!(secs_until_sent(&mut rig, 1_000), None, "the second answer is for nobody");
    }
}

// [MQTT-4.3.3-6]
#[test]
fn pubrel_is_sent_again_and_its_publish_is_not() {
    for version in OLD {
        let mut rig = ClientRig::connected(retrying(version));
        let publication = publish2(&mut rig, "2");
        let id = published_id(&mut rig);
        rig.advance(Duration::from_secs(9));
        rig.broker(pubrec(id));
        assert_eq!(rig.sent().len(), 1, "PUBREL");
        rig.advance(Duration::from_millis(9_900));
        assert_eq!(rig.sent(), [], "PUBREL has the whole time");
        rig.advance(Duration::from_secs(3));
        let sent = rig.sent();
        assert!(matches!(&sent[..], [Packet::PubRel(ack)] if ack.packet_id == id), "{sent:?}");
        rig.broker(pubcomp(id));
        assert_eq!(rig.outcomes(), [(publication, acknowledged())]);
        assert_eq!(secs_until_sent(&mut rig, 1_000), None);
    }
}

// [MQTT-4.6.0-1 of 3.1.1]
#[test]
fn what_was_sent_later_is_not_sent_again_before_what_was_sent_earlier() {
    for version in OLD {
        let mut rig = ClientRig::connected(retrying(version));
        publish1(&mut rig, "1");
        rig.advance(Duration::from_secs(1));
        publish2(&mut rig, "2");
        publish1(&mut rig, "3");
        rig.sent();
        let mut order: Vec<String> = Vec::new();
        for _ in 0..400 {
            rig.advance(Duration::from_millis(500));
            order.extend(payloads(&mut rig));
        }
        assert!(order.len() >= 9, "{order:?}");
        // Each that is sent again has all before it sent again as often.
        let mut times = [0, 0, 0];
        for payload in order {
            let index = payload.parse::<usize>().expect("a number") - 1;
            times[index] += 1;
            assert!(times[0] >= times[1] && times[1] >= times[2], "{times:?}");
        }
    }
}

/// The seed's own: a large message on a slow line needs its time.
#[test]
fn sixteen_megabytes_are_sent_again_within_ten_seconds_at_ten_megabytes_a_second_and_not_at_one() {
    for version in OLD {
        for (bytes_per_sec, is_sent_again) in [(1_000_000, false), (10_000_000, true)] {
            let mut config = retrying(version);
            let retry = Retry::after(Duration::from_secs(5));
            config.retry = Some(retry.bandwidth(bytes_per_sec));
            let mut rig = ClientRig::connected(config);
            let large = Message::new(TopicName::from_static("a").expect("a topic"), vec![0; 16_000_000]);
            publish(&mut rig, large.with_qos(QoS::AtLeastOnce));
            assert_eq!(published(&mut rig).len(), 1);
            rig.advance(SECS_10);
            assert_eq!(published(&mut rig).len(), usize::from(is_sent_again), "{bytes_per_sec} B/s");
            rig.advance(Duration::from_secs(15));
            assert!(is_sent_again || published(&mut rig).len() == 1, "some time it is");
        }
    }
}

#[test]
fn nothing_is_sent_again_while_the_first_is_not_even_written() {
    let mut rig = ClientRig::connected(retrying(Version::V3_1_1));
    rig.writes = false;
    let large = Message::new(TopicName::from_static("a").expect("a topic"), vec![0; 300_000]);
    publish(&mut rig, large.with_qos(QoS::AtLeastOnce));
    rig.advance(Duration::from_secs(1_000));
    rig.writes = true;
    rig.write_out();
    assert_eq!(published(&mut rig).len(), 2, "the first, and one that was due all the time");
}

#[test]
fn subscribe_and_unsubscribe_are_sent_again_in_3_1_alone() {
    for version in OLD {
        let mut rig = ClientRig::connected(retrying(version));
        subscribe(&mut rig, "a");
        unsubscribe(&mut rig, "b");
        let first = rig.sent();
        let [Packet::Subscribe(subscribe), Packet::Unsubscribe(unsubscribe)] = &first[..] else {
            panic!("two requests: {first:?}");
        };
        rig.advance(SECS_13);
        let mut again = rig.sent();
        if version == Version::V3_1_1 {
            assert_eq!(again, []);
            continue;
        }
        again.sort_by_key(|packet| matches!(packet, Packet::Unsubscribe(_)));
        assert_eq!(again, first, "the same identifiers");
        let properties = Default::default();
        let (id, reasons) = (subscribe.packet_id, vec![ReasonCode::GrantedQoS1]);
        rig.broker(Packet::SubAck(Box::new(SubAck { packet_id: id, reasons, properties })));
        let properties = Default::default();
        let (id, reasons) = (unsubscribe.packet_id, Vec::new());
        rig.broker(Packet::UnsubAck(Box::new(UnsubAck { packet_id: id, reasons, properties })));
        assert_eq!(secs_until_sent(&mut rig, 1_000), None);
    }
}

/// The first byte of what the engine writes next, which the rig does not get to see.
fn first_byte(rig: &mut ClientRig) -> u8 {
    loop {
        match rig.engine.poll_output(rig.now) {
            Output::Transmit(buffer) => return buffer.to_vec()[0],
            Output::Sleep { .. } => panic!("nothing is sent"),
            _ => {}
        }
    }
}

#[test]
fn what_is_sent_again_has_dup_where_the_version_has_that_flag() {
    for (version, pubrel) in [(Version::V3_1, 0x6A), (Version::V3_1_1, 0x62)] {
        let mut rig = ClientRig::connected(retrying(version));
        publish2(&mut rig, "2");
        let id = published_id(&mut rig);
        rig.broker(pubrec(id));
        rig.now = rig.now + SECS_13;
        assert_eq!(first_byte(&mut rig), pubrel, "{version}");
    }
    for (is_subscribe, byte) in [(true, 0x8A), (false, 0xAA)] {
        let mut rig = ClientRig::connected(retrying(Version::V3_1));
        if is_subscribe {
            subscribe(&mut rig, "a");
        } else {
            unsubscribe(&mut rig, "a");
        }
        rig.settle();
        rig.now = rig.now + SECS_13;
        assert_eq!(first_byte(&mut rig), byte);
    }
}

fn subscribe(rig: &mut ClientRig, name: &'static str) {
    let subscriptions = vec![subscription(name, QoS::AtLeastOnce)];
    rig.engine.subscribe(subscriptions, Qos0Limits::default(), Vec::new()).expect("a legal request");
    rig.settle();
}

fn unsubscribe(rig: &mut ClientRig, name: &'static str) {
    rig.engine.unsubscribe(vec![filter(name)], Vec::new()).expect("a legal request");
    rig.settle();
}

#[test]
fn a_request_that_the_application_has_taken_back_is_not_sent_again() {
    let mut rig = ClientRig::connected(retrying(Version::V3_1));
    subscribe(&mut rig, "a");
    unsubscribe(&mut rig, "a");
    rig.sent();
    rig.advance(SECS_13);
    let again = rig.sent();
    assert!(matches!(&again[..], [Packet::Unsubscribe(_)]), "SUBSCRIBE would undo it: {again:?}");
}

#[test]
fn a_broker_that_answers_nothing_is_found_out_although_we_go_on_sending() {
    for version in OLD {
        let mut config = retrying(version);
        config.retry = Some(Retry::after(Duration::from_secs(2)).at_most(Duration::from_secs(2)));
        config.keep_alive_secs = 10;
        let mut rig = ClientRig::connected(config);
        publish1(&mut rig, "x");
        for _ in 0..30 {
            rig.advance(Duration::from_secs(1));
        }
        assert_eq!(causes(&mut rig), [DisconnectCause::PingTimeout]);
    }
}

#[test]
fn a_new_connection_starts_the_times_over() {
    for version in OLD {
        let mut rig = ClientRig::connected(retrying(version));
        publish1(&mut rig, "1");
        rig.advance(Duration::from_secs(40));
        assert_eq!(payloads(&mut rig), ["1", "1", "1"]);
        rig.reconnect(true);
        assert_eq!(payloads(&mut rig), ["1"], "resumed");
        assert!(secs_until_sent(&mut rig, 13).is_some_and(|secs| secs >= 10));
    }
}

#[test]
fn a_flow_that_waits_for_its_store_is_not_sent_again_before_it_was_sent() {
    let mut config = durable(Version::V3_1_1);
    config.retry = Some(Retry::after(SECS_10));
    config.keep_alive_secs = 0;
    let mut rig = connected_on_demand(config);
    publish1(&mut rig, "1");
    rig.advance(Duration::from_secs(100));
    assert_eq!(payloads(&mut rig).len(), 0);
    rig.commit();
    assert_eq!(payloads(&mut rig), ["1"]);
    assert!(secs_until_sent(&mut rig, 13).is_some_and(|secs| secs >= 10));
}

/// Bytes that may wait to be written before what can wait does.
const ROOM: usize = 256 * 1024;

#[test]
fn a_window_larger_than_the_output_is_sent_again_to_its_end() {
    for version in OLD {
        let mut rig = ClientRig::connected(retrying(version));
        let payload: &'static str = "x".repeat(64 * 1024).leak();
        for _ in 0..12 {
            publish1(&mut rig, payload);
        }
        let first: Vec<_> = published(&mut rig).iter().map(|sent| sent.packet_id).collect();
        assert_eq!(first.len(), 12);
        rig.writes = false;
        rig.advance(SECS_13);
        assert!(rig.engine.unwritten_bytes() < ROOM + 65 * 1024, "{}", rig.engine.unwritten_bytes());
        rig.write_out();
        let again: Vec<_> = published(&mut rig).iter().map(|sent| sent.packet_id).collect();
        assert_eq!(again, first, "{version:?}: as soon as there is room");
        rig.advance(Duration::from_secs(5));
        assert_eq!(payloads(&mut rig).len(), 0, "and not once more before its time");
    }
}

#[test]
fn an_answer_for_the_one_whose_turn_it_is_to_be_sent_again_does_not_end_the_round() {
    let mut rig = ClientRig::connected(retrying(Version::V3_1_1));
    let payload: &'static str = "x".repeat(64 * 1024).leak();
    for _ in 0..6 {
        publish1(&mut rig, payload);
    }
    let first: Vec<_> = published(&mut rig).iter().filter_map(|sent| sent.packet_id).collect();
    rig.writes = false;
    rig.advance(SECS_13);
    assert!(rig.engine.unwritten_bytes() >= ROOM, "the fifth waits for room");
    rig.broker(puback(first[4]));
    rig.write_out();
    let again: Vec<_> = published(&mut rig).iter().filter_map(|sent| sent.packet_id).collect();
    assert_eq!(again, [first[0], first[1], first[2], first[3], first[5]]);
}

#[test]
fn requests_that_are_due_again_wait_for_room_in_the_output() {
    let mut rig = ClientRig::connected(retrying(Version::V3_1));
    for n in 0..12 {
        let filter = TopicFilter::try_from(format!("{n}/{}", "x".repeat(60 * 1024)).as_str()).unwrap();
        let one = Subscription { filter, options: SubscriptionOptions::new(QoS::AtLeastOnce) };
        rig.engine.subscribe(vec![one], Qos0Limits::default(), Vec::new()).unwrap();
        rig.settle();
    }
    let first: Vec<_> = rig.sent().iter().map(request_id).collect();
    assert_eq!(first.len(), 12);
    rig.writes = false;
    // A driver that comes late finds them all due at once.
    rig.now = rig.now + SECS_13;
    rig.settle();
    assert!(rig.engine.unwritten_bytes() < ROOM + 61 * 1024, "{}", rig.engine.unwritten_bytes());
    rig.write_out();
    let again: Vec<_> = rig.sent().iter().map(request_id).collect();
    assert_eq!(again.len(), first.len(), "as soon as there is room, each once");
    assert!(first.iter().all(|id| again.contains(id)));
}
