//! A durable queue that is longer than what is held in memory, and what a restart makes of a stored session.

use std::time::Duration;

use bowline_proto::client::{ClientConfig, Event, Outcome};
use bowline_proto::types::QoS;
use bowline_proto::{Timestamp, Version};
use bowline_testkit::{ClientRig, Commit, TestStore};

use crate::script::{
    connect_durably, durable, expiring, message, on_store, payload, payloads, puback, publish, publish1,
    publish2, published, published_id, pubrec, pubrel,
};

const PAYLOADS: [&str; 9] = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];

/// A durable client that sends one at a time and holds no more than two messages of the queue in memory.
fn narrow(version: Version) -> ClientConfig {
    let mut config = durable(version);
    config.in_flight_max = 1;
    config.queue.memory_bytes_max = 8;
    config
}

/// Acknowledges until nothing is sent any more; what was sent, in order.
fn drain(rig: &mut ClientRig) -> Vec<String> {
    let mut order = Vec::new();
    loop {
        let sent = published(rig);
        let [sent] = &sent[..] else { return order };
        order.push(payload(sent));
        rig.broker(puback(sent.packet_id.expect("QoS 1 has an identifier")));
    }
}

#[test]
fn a_queue_longer_than_memory_is_read_back_in_order() {
    for version in Version::ALL {
        let mut rig = ClientRig::new(narrow(version));
        for payload in PAYLOADS {
            publish1(&mut rig, payload);
        }
        assert_eq!(rig.engine.queued().0, 9);
        connect(&mut rig);
        assert_eq!(drain(&mut rig), PAYLOADS);
        assert!(rig.store.loads() > 2, "{} loads", rig.store.loads());
        assert_eq!(rig.engine.queued(), (0, 0));
        assert_eq!(rig.outcomes().len(), 9);
    }
}

/// Connects for the first time, keeping what was sent.
fn connect(rig: &mut ClientRig) {
    rig.dial();
    while rig.engine.state_name() == "AwaitConnack" {
        let packet = crate::script::accepted(rig.version(), false);
        rig.broker(packet);
    }
    assert_eq!(rig.engine.state_name(), "Active");
}

#[test]
fn messages_that_wait_for_their_commit_are_not_taken_for_missing() {
    let mut rig = ClientRig::new(narrow(Version::V5));
    connect_durably(&mut rig);
    rig.store.commit = Commit::OnDemand;
    for payload in PAYLOADS {
        publish1(&mut rig, payload);
    }
    // One by one: everything that can be read is read between the commits.
    let mut order = Vec::new();
    for _ in 0..100 {
        if let Some(answer) = rig.store.commit_next() {
            rig.input(answer);
        }
        for sent in published(&mut rig) {
            order.push(payload(&sent));
            rig.broker(puback(sent.packet_id.unwrap()));
        }
    }
    assert_eq!(order, PAYLOADS);
    assert_eq!(rig.engine.queued(), (0, 0));
}

#[test]
fn messages_of_a_long_queue_that_cannot_be_stored_all_come_back() {
    let mut rig = on_store(narrow(Version::V5), Commit::OnDemand);
    let stored: Vec<_> = PAYLOADS[..4].iter().map(|payload| publish1(&mut rig, payload)).collect();
    rig.commit();
    let unstored: Vec<_> = PAYLOADS[4..].iter().map(|payload| publish1(&mut rig, payload)).collect();
    rig.events();
    let answer = rig.store.fail_next().unwrap();
    rig.input(answer);
    let ended: Vec<_> = rig
        .outcomes()
        .into_iter()
        .map(|(publication, outcome)| {
            let Outcome::StoreFailed { message } = outcome else { panic!("{outcome:?}") };
            (publication, String::from_utf8(message.payload.to_vec()).unwrap())
        })
        .collect();
    let expected: Vec<_> =
        unstored.into_iter().zip(PAYLOADS[4..].iter().map(|payload| (*payload).to_owned())).collect();
    assert_eq!(ended, expected);
    assert_eq!(rig.engine.queued().0, stored.len());
    rig.store.commit = Commit::AtOnce;
    rig.advance(Duration::from_secs(1));
    connect(&mut rig);
    assert_eq!(drain(&mut rig), PAYLOADS[..4]);
}

#[test]
fn a_store_that_cannot_be_read_is_asked_again_with_growing_delays() {
    let mut config = narrow(Version::V5);
    config.keep_alive_secs = 0;
    let mut rig = ClientRig::new(config);
    for payload in PAYLOADS {
        publish1(&mut rig, payload);
    }
    rig.store.fails_to_load = true;
    connect(&mut rig);
    let mut order = drain(&mut rig);
    let attempts = rig.store.loads();
    rig.advance(Duration::from_secs(300));
    let attempts = rig.store.loads() - attempts;
    assert!((5..=25).contains(&attempts), "{attempts} attempts in 5 minutes");
    assert_eq!(rig.engine.state_name(), "Active");
    rig.store.fails_to_load = false;
    rig.advance(Duration::from_secs(30));
    order.extend(drain(&mut rig));
    assert_eq!(order, PAYLOADS);
}

#[test]
fn the_queues_bounds_count_what_is_only_in_the_store() {
    let mut config = narrow(Version::V5);
    config.queue.messages_max = 9;
    let mut rig = ClientRig::new(config);
    for payload in PAYLOADS {
        publish1(&mut rig, payload);
    }
    assert!(rig.engine.publish(message("10", QoS::AtLeastOnce), rig.now).is_err());
    let mut rig = rig.crash();
    assert_eq!(rig.engine.queued(), (9, 36), "also after a restart");
    assert!(rig.engine.publish(message("10", QoS::AtLeastOnce), rig.now).is_err());
    connect(&mut rig);
    assert_eq!(drain(&mut rig), PAYLOADS);
}

#[test]
fn a_restart_goes_on_with_flows_queue_and_names_where_they_were() {
    for version in Version::ALL {
        let mut config = durable(version);
        config.in_flight_max = 3;
        let mut rig = ClientRig::new(config);
        connect_durably(&mut rig);
        publish1(&mut rig, "1");
        publish2(&mut rig, "2");
        publish2(&mut rig, "3");
        let last = publish1(&mut rig, "4, queued");
        let ids: Vec<_> = published(&mut rig).iter().filter_map(|sent| sent.packet_id).collect();
        rig.broker(pubrec(ids[1]));
        let mut rig = rig.crash();
        assert_eq!((rig.engine.in_flight(), rig.engine.queued().0), (3, 1));
        rig.connect(true);
        let sent = rig.sent();
        assert_eq!(sent[1], pubrel(ids[1]), "{version:?}");
        let again: Vec<_> = sent[2..]
            .iter()
            .map(|packet| match packet {
                bowline_proto::packet::Packet::Publish(sent) => (payload(sent), sent.packet_id, sent.dup),
                other => panic!("{other:?}"),
            })
            .collect();
        let expected = [("1".to_owned(), Some(ids[0]), true), ("3".to_owned(), Some(ids[2]), true)];
        assert_eq!(again, expected);
        rig.broker(puback(ids[0]));
        assert_eq!(payloads(&mut rig), ["4, queued"]);
        assert!(publish1(&mut rig, "5") > last, "names of publications are never reused");
    }
}

// [MQTT-3.3.2-5] [MQTT-3.3.2-6] [MQTT-4.3.3-7]
#[test]
fn expiry_goes_on_by_the_wall_clock_while_the_client_is_down() {
    let config = || {
        let mut config = durable(Version::V5);
        config.in_flight_max = 1;
        config
    };
    let mut rig = ClientRig::new(config());
    connect_durably(&mut rig);
    publish(&mut rig, expiring(message("sent", QoS::AtLeastOnce), 50));
    let brief = publish(&mut rig, expiring(message("brief", QoS::AtLeastOnce), 50));
    publish(&mut rig, expiring(message("lasting", QoS::AtLeastOnce), 100));
    published(&mut rig);
    let store = rig.store.after_crash();
    // Another process starts at another point of its own clock, 60 s later by the wall clock.
    let wall = bowline_testkit::client_rig::WALL_START + Duration::from_secs(60);
    let mut rig = ClientRig::resume_at(config(), store, Timestamp::from_secs(5), wall);
    rig.connect(true);
    let left = |sent: &bowline_proto::packet::Publish| sent.properties.as_ref().unwrap().expiry_secs;
    let sent = published(&mut rig);
    let [again] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!((payload(again), left(again), again.dup), ("sent".to_owned(), Some(1), true));
    rig.broker(puback(again.packet_id.unwrap()));
    let sent = published(&mut rig);
    let [lasting] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!((payload(lasting), left(lasting)), ("lasting".to_owned(), Some(40)));
    let ended = rig.outcomes();
    assert!(ended.iter().any(|(publication, outcome)| {
        *publication == brief && matches!(outcome, Outcome::Expired { .. })
    }));
}

#[test]
fn a_stored_message_expires_by_the_wall_clock_as_it_is_now_and_not_as_it_was_at_the_start() {
    let later = bowline_testkit::client_rig::WALL_START + Duration::from_secs(86_400);
    let config = || durable(Version::V5);
    let mut rig = ClientRig::new(config());
    // The clock was set, or the machine has slept.
    rig.engine.set_wall_clock(Timestamp::ZERO, later);
    publish(&mut rig, expiring(message("x", QoS::AtLeastOnce), 60));
    let store = rig.store.after_crash();
    let mut rig =
        ClientRig::resume_at(config(), store, Timestamp::from_secs(5), later + Duration::from_secs(20));
    connect(&mut rig);
    let sent = published(&mut rig);
    let [sent] = &sent[..] else { panic!("it has 40 s left: {sent:?}") };
    assert_eq!(sent.properties.as_ref().unwrap().expiry_secs, Some(40));
}

#[test]
fn wanted_subscriptions_are_made_again_after_a_restart_only_if_the_broker_lost_them() {
    for (session_present, expected) in [(true, 0), (false, 1)] {
        let mut rig = ClientRig::new(durable(Version::V5));
        connect_durably(&mut rig);
        rig.subscribed("a/#", QoS::AtLeastOnce);
        let mut rig = rig.crash();
        rig.connect(session_present);
        let subscribes = rig
            .sent()
            .iter()
            .filter(|packet| matches!(packet, bowline_proto::packet::Packet::Subscribe(_)))
            .count();
        assert_eq!(subscribes, expected, "session present {session_present}");
    }
}

#[test]
fn a_subscription_from_before_a_restart_may_be_asked_for_with_other_options() {
    let mut rig = ClientRig::new(durable(Version::V5));
    connect_durably(&mut rig);
    rig.subscribed("a/#", QoS::AtLeastOnce);
    let mut rig = rig.crash();
    rig.connect(true);
    rig.sent();
    rig.subscribed("a/#", QoS::ExactlyOnce);
    let mut rig = rig.crash();
    rig.connect(false);
    let sent = rig.sent();
    let bowline_proto::packet::Packet::Subscribe(again) = &sent[1] else { panic!("{sent:?}") };
    assert_eq!(again.subscriptions[0].options.qos, QoS::ExactlyOnce);
}

// [MQTT-2.2.1-3]
#[test]
fn a_retired_identifier_stays_out_of_use_after_a_restart() {
    let low = || bowline_proto::packet::ConnAckProperties {
        maximum_qos: Some(QoS::AtLeastOnce),
        ..Default::default()
    };
    let mut rig = ClientRig::new(durable(Version::V5));
    connect_durably(&mut rig);
    publish2(&mut rig, "x");
    let retired = published_id(&mut rig);
    rig.reconnect_with(true, low());
    let mut rig = rig.crash();
    assert_eq!(rig.store.recover(0).retired, [retired]);
    rig.connect_with(true, low());
    rig.broker(crate::script::pubcomp(retired));
    assert_eq!(rig.store.recover(0).retired, []);
}

#[test]
fn a_durable_client_that_ends_says_stored_only_of_what_is_stored() {
    let ended = |rig: ClientRig| -> Vec<Outcome> {
        let outcome =
            |event| if let Event::PublishEnded { outcome, .. } = event { Some(outcome) } else { None };
        rig.engine.end().into_iter().filter_map(outcome).collect()
    };
    let mut rig = on_store(durable(Version::V5), Commit::OnDemand);
    publish1(&mut rig, "stored");
    rig.commit();
    publish1(&mut rig, "with the store");
    publish1(&mut rig, "not yet with the store");
    let qos0 = message("0", QoS::AtMostOnce);
    publish(&mut rig, qos0.clone());
    let [first, second, third, fourth] = &ended(rig)[..] else { panic!("four outcomes") };
    assert_eq!(*first, Outcome::Stored);
    assert_eq!(*second, Outcome::Indeterminate { limit: None });
    assert!(matches!(third, Outcome::NotSent { message } if message.payload == "not yet with the store"));
    assert_eq!(*fourth, Outcome::NotSent { message: qos0 });
}

#[test]
fn an_empty_store_starts_an_empty_session() {
    let rig = ClientRig::resume(durable(Version::V5), TestStore::default(), Timestamp::ZERO);
    assert_eq!((rig.engine.in_flight(), rig.engine.queued()), (0, (0, 0)));
}
