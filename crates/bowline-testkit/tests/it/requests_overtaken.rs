//! SUBSCRIBEs that a later UNSUBSCRIBE of the same filter has made pointless, and the reverse, when an answer is missing: the
//! later request stands, and everyone who waits is told.

use std::time::Duration;

use bowline_proto::client::{ClientConfig, Event, Qos0Limits};
use bowline_proto::packet::Packet;
use bowline_proto::retry::Retry;
use bowline_proto::types::QoS;
use bowline_proto::{ReasonCode, Version};
use bowline_testkit::ClientRig;
use bowline_testkit::packets::unsuback;
use bowline_testkit::subscriber::granted;

use crate::script::{clean, kept};

fn asks(rig: &mut ClientRig, filters: &[&'static str]) -> Packet {
    rig.asks_for(filters, QoS::AtLeastOnce, Qos0Limits::default());
    let [packet] = &rig.sent()[..] else { panic!("one SUBSCRIBE") };
    packet.clone()
}

fn unsubscribes(rig: &mut ClientRig, filter: &'static str) -> Packet {
    rig.unsubscribe(filter);
    let [packet] = &rig.sent()[..] else { panic!("one UNSUBSCRIBE") };
    packet.clone()
}

fn answer(rig: &mut ClientRig, packet: &Packet) {
    match packet {
        Packet::Subscribe(subscribe) => rig.broker(granted(subscribe)),
        Packet::Unsubscribe(unsubscribe) => {
            let has_reasons = rig.version().rules().has_unsuback_reasons;
            let reasons: &[ReasonCode] = if has_reasons { &[ReasonCode::Success] } else { &[] };
            rig.broker(unsuback(unsubscribe.packet_id, reasons));
        }
        other => panic!("{other:?} is no request"),
    }
}

/// What was asked for since the last look.
fn requests(rig: &mut ClientRig) -> Vec<(char, Vec<String>)> {
    let asked = rig.sent().into_iter().filter_map(|packet| match packet {
        Packet::Subscribe(one) => {
            Some(('+', one.subscriptions.iter().map(|one| one.filter.to_string()).collect()))
        }
        Packet::Unsubscribe(one) => Some(('-', one.filters.iter().map(ToString::to_string).collect())),
        _ => None,
    });
    asked.collect()
}

/// The results of subscribing and unsubscribing that were told since the last look.
fn results(rig: &mut ClientRig) -> Vec<(String, ReasonCode)> {
    let told = rig.events().into_iter().filter_map(|event| match event {
        Event::Subscribed { results, .. } | Event::Unsubscribed { results, .. } => Some(results),
        _ => None,
    });
    told.flatten().map(|(filter, reason)| (filter.to_string(), reason)).collect()
}

#[test]
fn a_subscribe_that_was_unsubscribed_and_never_answered_is_not_made_on_the_next_connection() {
    for version in Version::ALL {
        for (config, is_kept) in [(kept(version), true), (clean(version), false)] {
            let mut rig = ClientRig::connected(config);
            asks(&mut rig, &["a"]);
            let unsubscribe = unsubscribes(&mut rig, "a");
            answer(&mut rig, &unsubscribe);
            assert_eq!(results(&mut rig), [("a".to_owned(), ReasonCode::Success)], "of UNSUBSCRIBE");
            rig.reconnect(is_kept);
            assert_eq!(requests(&mut rig), [], "{version:?}: nobody would take what it brings");
            assert_eq!(results(&mut rig), [("a".to_owned(), ReasonCode::UnspecifiedError)]);
        }
    }
}

#[test]
fn an_unsubscribe_that_was_subscribed_again_and_never_answered_does_not_undo_it_on_the_next_connection() {
    for version in [Version::V3_1_1, Version::V5] {
        let mut rig = ClientRig::connected(kept(version));
        let subscribe = asks(&mut rig, &["a"]);
        answer(&mut rig, &subscribe);
        unsubscribes(&mut rig, "a");
        let subscribe = asks(&mut rig, &["a"]);
        answer(&mut rig, &subscribe);
        results(&mut rig);
        rig.reconnect(true);
        assert_eq!(requests(&mut rig), [], "{version:?}");
        assert_eq!(results(&mut rig), [("a".to_owned(), ReasonCode::Success)]);
    }
}

#[test]
fn requests_that_were_not_sent_before_are_sent_although_later_ones_undo_them() {
    for version in Version::ALL {
        let mut rig = ClientRig::new(kept(version));
        rig.asks_for(&["a"], QoS::AtLeastOnce, Qos0Limits::default());
        rig.unsubscribe("a");
        rig.connect(false);
        assert_eq!(requests(&mut rig), [('+', vec!["a".to_owned()]), ('-', vec!["a".to_owned()])]);
        rig.reconnect(true);
        assert_eq!(requests(&mut rig), [('+', vec!["a".to_owned()]), ('-', vec!["a".to_owned()])]);
    }
}

fn retrying() -> ClientConfig {
    let mut config = kept(Version::V3_1);
    config.retry = Some(Retry::after(Duration::from_secs(10)));
    config.keep_alive_secs = 0;
    config
}

#[test]
fn in_3_1_the_rest_of_a_lost_subscribe_is_sent_again_when_one_of_its_filters_was_unsubscribed() {
    let mut rig = ClientRig::connected(retrying());
    let lost = asks(&mut rig, &["a", "b"]);
    let unsubscribe = unsubscribes(&mut rig, "a");
    answer(&mut rig, &unsubscribe);
    results(&mut rig);
    rig.advance(Duration::from_secs(13));
    let sent = rig.sent();
    let [again @ Packet::Subscribe(subscribe)] = &sent[..] else { panic!("{sent:?}") };
    let filters: Vec<&str> = subscribe.subscriptions.iter().map(|one| one.filter.as_str()).collect();
    assert_eq!(filters, ["b"], "SUBSCRIBE of the other would undo UNSUBSCRIBE");
    answer(&mut rig, again);
    let expected =
        [("a".to_owned(), ReasonCode::UnspecifiedError), ("b".to_owned(), ReasonCode::GrantedQoS1)];
    assert_eq!(results(&mut rig), expected);
    answer(&mut rig, &lost);
    assert_eq!(rig.engine.stats().unknown_acknowledgements, 1, "its late answer is nobody's");
    rig.advance(Duration::from_secs(100));
    assert_eq!(requests(&mut rig), []);
}

#[test]
fn in_3_1_a_lost_unsubscribe_of_a_filter_that_is_subscribed_again_is_over() {
    let mut rig = ClientRig::connected(retrying());
    let subscribe = asks(&mut rig, &["a"]);
    answer(&mut rig, &subscribe);
    unsubscribes(&mut rig, "a");
    let subscribe = asks(&mut rig, &["a"]);
    answer(&mut rig, &subscribe);
    results(&mut rig);
    rig.advance(Duration::from_secs(13));
    assert_eq!(
        (requests(&mut rig), results(&mut rig)),
        (vec![], vec![("a".to_owned(), ReasonCode::Success)])
    );
}

// [MQTT-2.3.1-2 of 3.1.1]
#[test]
fn an_identifier_that_was_sent_and_taken_back_is_not_given_to_another_request_before_its_answer() {
    let mut config = clean(Version::V3_1);
    config.retry = Some(Retry::after(Duration::from_secs(5)));
    config.keep_alive_secs = 0;
    let mut rig = ClientRig::connected(config);
    let Packet::Subscribe(lost) = asks(&mut rig, &["a"]) else { panic!("a SUBSCRIBE") };
    let unsubscribe = unsubscribes(&mut rig, "a");
    answer(&mut rig, &unsubscribe);
    rig.advance(Duration::from_secs(6));
    assert_eq!(results(&mut rig).len(), 2, "the SUBSCRIBE is over too");
    let mut taken = std::collections::BTreeSet::new();
    for _ in 0..66_000 {
        let Packet::Subscribe(next) = asks(&mut rig, &["b"]) else { panic!("a SUBSCRIBE") };
        taken.insert(next.packet_id);
        rig.broker(granted(&next));
        let unsubscribe = unsubscribes(&mut rig, "b");
        answer(&mut rig, &unsubscribe);
        rig.events();
        rig.sent();
    }
    assert!(!taken.contains(&lost.packet_id), "an answer to the lost one would be taken for its own");
    // Once it is answered, or the connection is over, it is free.
    rig.broker(granted(&lost));
    assert_eq!(rig.engine.state_name(), "Active");
}
