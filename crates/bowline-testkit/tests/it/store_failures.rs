//! A store that fails: what is refused, what waits, and that everything goes on once it works again.

use std::time::Duration;

use bowline_proto::client::{Event, Outcome, Qos0Limits};
use bowline_proto::error::PublishErrorKind;
use bowline_proto::packet::Packet;
use bowline_proto::types::QoS;
use bowline_proto::{ReasonCode, Version};
use bowline_testkit::{ClientRig, Commit, packets};

use crate::quota::receive_maximum;
use crate::script::{
    acknowledged, connect_durably, connected_on_demand, durable, expiring, message, on_store, payloads,
    puback, pubcomp, publish, publish1, publish2, published, published_id, pubrec, pubrel,
};

/// Fails the batch that is with the store.
fn fail_next(rig: &mut ClientRig) {
    let answer = rig.store.fail_next().expect("a batch is with the store");
    rig.input(answer);
}

#[test]
fn a_publication_that_could_not_be_stored_ends_with_its_message_and_was_never_sent() {
    for version in Version::ALL {
        let mut rig = connected_on_demand(durable(version));
        let asked = expiring(message("x", QoS::ExactlyOnce), 60);
        let publication = publish(&mut rig, asked.clone());
        let queued = publish1(&mut rig, "y");
        fail_next(&mut rig);
        let events = rig.events();
        let accepted = events.iter().any(|event| matches!(event, Event::PublishAccepted(_)));
        assert!(!accepted, "{events:?}");
        let ended: Vec<_> = events
            .into_iter()
            .filter_map(|event| match event {
                Event::PublishEnded { publication, outcome } => Some((publication, outcome)),
                _ => None,
            })
            .collect();
        let expected = [
            (publication, Outcome::StoreFailed { message: asked }),
            (queued, Outcome::StoreFailed { message: message("y", QoS::AtLeastOnce) }),
        ];
        assert_eq!(ended, expected, "{version:?}");
        assert_eq!((rig.sent().len(), rig.engine.in_flight(), rig.engine.queued().0), (0, 0, 0));
        let refused = rig.engine.publish(message("z", QoS::AtLeastOnce), rig.now).unwrap_err();
        assert_eq!(
            (refused.kind, refused.message),
            (PublishErrorKind::StoreFailed, message("z", QoS::AtLeastOnce))
        );
        publish(&mut rig, message("qos 0 is not stored", QoS::AtMostOnce));
        assert_eq!(payloads(&mut rig), ["qos 0 is not stored"]);
    }
}

// [MQTT-4.9.0-2]
#[test]
fn a_publication_that_could_not_be_stored_gives_back_its_identifier_and_its_place() {
    let mut config = durable(Version::V5);
    config.keep_alive_secs = 0;
    let mut rig = ClientRig::new(config);
    rig.connect_with(false, receive_maximum(1));
    rig.sent();
    for _ in 0..3 {
        rig.store.commit = Commit::Fail;
        publish2(&mut rig, "fails");
        rig.advance(Duration::from_secs(60));
        rig.store.commit = Commit::AtOnce;
    }
    publish1(&mut rig, "works");
    assert_eq!(payloads(&mut rig), ["works"]);
}

#[test]
fn a_failed_store_is_tried_again_with_growing_delays_and_the_connection_lives_on() {
    let mut rig = connected_on_demand(durable(Version::V3_1_1));
    publish2(&mut rig, "x");
    rig.commit();
    let id = published_id(&mut rig);
    rig.store.commit = Commit::Fail;
    let mut attempts = rig.store.batches();
    rig.broker(pubrec(id));
    let mut delays = Vec::new();
    let mut last = rig.now;
    for _ in 0..12 {
        assert_eq!(rig.store.batches(), attempts + 1, "one attempt, then a delay");
        attempts += 1;
        while rig.store.batches() == attempts {
            let step = rig.until().expect("it is tried again").saturating_since(rig.now);
            rig.advance(step);
            rig.broker(Packet::PingResp);
        }
        delays.push(rig.now.saturating_since(last));
        last = rig.now;
    }
    assert!(delays[0] >= Duration::from_millis(100), "{delays:?}");
    assert!(delays.is_sorted(), "{delays:?}");
    assert!(delays.iter().all(|delay| *delay <= Duration::from_secs(30)), "{delays:?}");
    assert_eq!((rig.engine.state_name(), rig.dials()), ("Active", 2), "the two of the first connect");
    assert!(rig.sent().iter().all(|packet| matches!(packet, Packet::PingReq)));
    rig.store.commit = Commit::AtOnce;
    rig.advance(Duration::from_secs(30));
    assert!(rig.sent().contains(&pubrel(id)));
}

// [MQTT-4.3.3-4] [MQTT-4.3.3-8] [MQTT-4.3.3-11]
#[test]
fn pubrel_pubrec_and_pubcomp_wait_for_the_store_and_come_when_it_works() {
    for version in Version::ALL {
        let mut config = durable(version);
        config.keep_alive_secs = 0;
        let mut rig = ClientRig::new(config);
        connect_durably(&mut rig);
        let stream = rig.subscribed("in", QoS::ExactlyOnce);
        rig.broker(packets::qos2("in", "1", 5));
        let first = rig.arrived()[0];
        rig.take(first, stream).unwrap();
        publish2(&mut rig, "x");
        let id = published_id(&mut rig);
        rig.store.commit = Commit::Fail;
        rig.broker(pubrec(id));
        rig.broker(packets::pubrel(5, ReasonCode::Success));
        rig.broker(packets::qos2("in", "2", 6));
        let second = rig.arrived()[0];
        rig.take(second, stream).unwrap();
        rig.advance(Duration::from_secs(100));
        assert_eq!((rig.sent(), rig.engine.state_name()), (vec![], "Active"));
        rig.store.commit = Commit::AtOnce;
        rig.advance(Duration::from_secs(30));
        let sent = rig.sent();
        for expected in
            [pubrel(id), packets::pubcomp(5, ReasonCode::Success), packets::pubrec(6, ReasonCode::Success)]
        {
            assert!(sent.contains(&expected), "{version:?}: {sent:?}");
        }
        assert_eq!(sent.len(), 3);
    }
}

#[test]
fn what_waited_behind_nothing_but_failed_publications_goes_on() {
    // An UNSUBSCRIBE that has nothing to store.
    let mut rig = connected_on_demand(durable(Version::V5));
    publish1(&mut rig, "x");
    rig.unsubscribe("never/subscribed");
    assert_eq!(rig.sent(), []);
    fail_next(&mut rig);
    assert!(matches!(rig.sent()[..], [Packet::Unsubscribe(_)]));
    // An outcome.
    let mut rig = on_store(durable(Version::V5), Commit::OnDemand);
    publish1(&mut rig, "stored, as is whose store it is");
    rig.commit();
    rig.outcomes();
    let publication = publish1(&mut rig, "x");
    assert!(rig.engine.cancel(publication));
    rig.settle();
    fail_next(&mut rig);
    assert!(matches!(rig.outcomes()[..], [(ended, Outcome::Cancelled { .. })] if ended == publication));
}

#[test]
fn a_subscription_waits_for_the_store_and_is_made_when_it_works() {
    for version in Version::ALL {
        let mut rig = connected_on_demand(durable(version));
        rig.asks_for(&["a"], QoS::AtLeastOnce, Qos0Limits::default());
        fail_next(&mut rig);
        rig.store.commit = Commit::AtOnce;
        assert_eq!(rig.sent(), []);
        rig.advance(Duration::from_millis(100));
        assert!(matches!(rig.sent()[..], [Packet::Subscribe(_)]));
    }
}

#[test]
fn what_was_accepted_before_the_failure_is_kept_and_sent() {
    for version in Version::ALL {
        let mut config = durable(version);
        config.in_flight_max = 1;
        let mut rig = connected_on_demand(config);
        let one = publish1(&mut rig, "1");
        let two = publish1(&mut rig, "2");
        rig.commit();
        rig.events();
        let id = published_id(&mut rig);
        rig.broker(puback(id));
        assert_eq!(rig.outcomes(), [(one, acknowledged())]);
        fail_next(&mut rig);
        assert_eq!(rig.outcomes(), [], "the second is stored: only its identifier is not");
        rig.store.commit = Commit::AtOnce;
        rig.advance(Duration::from_millis(100));
        let id = published_id(&mut rig);
        rig.broker(puback(id));
        assert_eq!(rig.outcomes(), [(two, acknowledged())]);
    }
}

#[test]
fn a_store_that_is_slow_after_a_failure_is_waited_for_without_a_loop() {
    let mut config = durable(Version::V5);
    config.keep_alive_secs = 0;
    let mut rig = connected_on_demand(config);
    rig.asks_for(&["a"], QoS::AtLeastOnce, Qos0Limits::default());
    fail_next(&mut rig);
    rig.advance(Duration::from_millis(100));
    assert_eq!(rig.store.waiting().len(), 1, "it is tried again");
    publish1(&mut rig, "waits for the next batch");
    rig.advance(Duration::from_secs(1));
    assert_eq!(rig.until(), None, "only the store's answer leads on");
}

// [MQTT-4.4.0-1]
#[test]
fn a_connection_is_made_and_resumed_also_while_the_store_fails() {
    for version in Version::ALL {
        let mut config = durable(version);
        config.keep_alive_secs = 0;
        let mut rig = ClientRig::new(config);
        connect_durably(&mut rig);
        publish2(&mut rig, "answered");
        publish1(&mut rig, "unanswered");
        let id = published(&mut rig)[0].packet_id.unwrap();
        rig.store.commit = Commit::Fail;
        rig.broker(pubrec(id));
        rig.reconnect(true);
        let sent = published(&mut rig);
        let [again] = &sent[..] else { panic!("{version:?}: {sent:?}") };
        assert!(again.dup && again.payload == "unanswered", "never PUBLISH after PUBREC");
        rig.broker(puback(again.packet_id.unwrap()));
        assert_eq!(rig.outcomes().len(), 1);
        rig.store.commit = Commit::AtOnce;
        rig.advance(Duration::from_secs(40));
        assert_eq!(rig.sent(), [pubrel(id)]);
        rig.broker(pubcomp(id));
        assert_eq!(rig.outcomes().len(), 1);
    }
}

// [MQTT-3.1.0-1] [MQTT-3.1.0-1 of 3.1.1]
#[test]
fn a_connack_that_comes_before_connect_was_sent_ends_the_attempt() {
    for version in Version::ALL {
        let mut rig = on_store(durable(version), Commit::OnDemand);
        rig.dial();
        assert_eq!(
            (rig.engine.state_name(), rig.sent().len()),
            ("AwaitConnack", 0),
            "the store has its turn"
        );
        rig.broker(crate::script::accepted(version, false));
        assert_eq!((rig.engine.state_name(), rig.closes()), ("Backoff", 1));
    }
}
