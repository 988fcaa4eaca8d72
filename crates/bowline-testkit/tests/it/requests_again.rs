//! SUBSCRIBE and UNSUBSCRIBE over several connections, and in packets that the broker takes.

use std::num::NonZeroU32;

use bowline_proto::client::{Event, Qos0Limits};
use bowline_proto::packet::{ConnAckProperties, Packet, Subscription};
use bowline_proto::types::{QoS, SubscriptionOptions};
use bowline_proto::{ReasonCode, TopicFilter, Version};
use bowline_testkit::{ClientRig, packets};

use crate::script::{clean, filter, kept};

/// What was asked for since the last look, in order: `+` and `-` before the filters.
fn asked(rig: &mut ClientRig) -> Vec<String> {
    let sent = rig.sent().into_iter();
    let requests = sent.flat_map(|packet| match packet {
        Packet::Subscribe(one) => {
            one.subscriptions.iter().map(|one| format!("+{}", one.filter)).collect::<Vec<_>>()
        }
        Packet::Unsubscribe(one) => one.filters.iter().map(|filter| format!("-{filter}")).collect(),
        _ => Vec::new(),
    });
    requests.collect()
}

#[test]
fn unanswered_requests_are_asked_again_in_their_order_on_the_next_connection() {
    for version in [Version::V3_1_1, Version::V5] {
        for session_present in [false, true] {
            let mut rig = ClientRig::connected(kept(version));
            rig.subscribed("old", QoS::AtLeastOnce);
            rig.asks_for(&["a"], QoS::AtLeastOnce, Qos0Limits::default());
            rig.unsubscribe("old");
            rig.asks_for(&["b"], QoS::AtLeastOnce, Qos0Limits::default());
            assert_eq!(asked(&mut rig), ["+a", "-old", "+b"]);
            for _ in 0..2 {
                rig.reconnect(session_present);
                assert_eq!(asked(&mut rig), ["+a", "-old", "+b"], "{version:?} {session_present}");
            }
            rig.lose();
            rig.wait_for_dial();
            rig.sent();
            rig.connect(session_present);
            rig.grant_all();
            let told = rig.events();
            let answered = told
                .iter()
                .filter(|event| matches!(event, Event::Subscribed { .. } | Event::Unsubscribed { .. }));
            assert_eq!(answered.count(), 3, "each is answered once");
        }
    }
}

#[test]
fn a_request_that_was_answered_in_part_is_asked_again_for_the_rest_only() {
    let mut rig = ClientRig::connected(kept(Version::V5));
    rig.asks_for(&["a", "b"], QoS::AtLeastOnce, Qos0Limits::default());
    let sent = rig.sent();
    let Packet::Subscribe(first) = &sent[0] else { panic!("{sent:?}") };
    rig.broker(bowline_testkit::subscriber::granted(first));
    rig.reconnect(true);
    assert_eq!(asked(&mut rig), ["+b"]);
    rig.reconnect(false);
    let mut again = asked(&mut rig);
    again.sort();
    assert_eq!(again, ["+a", "+b"], "a lost session has lost what was granted");
}

#[test]
fn a_late_answer_of_an_earlier_connection_counts_for_nothing() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        rig.asks_for(&["a"], QoS::AtLeastOnce, Qos0Limits::default());
        let old = crate::script::request_id(&rig.sent()[0]);
        rig.lose();
        rig.wait_for_dial();
        rig.sent();
        rig.connect(true);
        let new = rig.sent();
        let new = crate::script::request_id(&new[0]);
        rig.events();
        if old != new {
            rig.broker(packets::suback(old, &[ReasonCode::UnspecifiedError]));
            assert_eq!(rig.events().len(), 0, "{version:?}");
        }
        rig.broker(packets::suback(new, &[ReasonCode::GrantedQoS1]));
        assert_eq!(rig.events().len(), 1);
    }
}

#[test]
fn subscribe_unsubscribe_and_subscribe_of_one_filter_keep_their_order() {
    for version in Version::ALL {
        let mut rig = ClientRig::new(clean(version));
        rig.asks_for(&["a"], QoS::AtMostOnce, Qos0Limits::default());
        rig.unsubscribe("a");
        rig.asks_for(&["a"], QoS::ExactlyOnce, Qos0Limits::default());
        rig.connect(false);
        assert_eq!(asked(&mut rig), ["+a", "-a", "+a"], "{version:?}");
    }
}

// [MQTT-3.2.2-15]
#[test]
fn filters_are_spread_over_packets_that_the_broker_takes_and_only_one_that_fits_in_none_is_refused() {
    let mut rig = ClientRig::new(clean(Version::V5));
    rig.connect_with(
        false,
        ConnAckProperties {
            maximum_packet_size: NonZeroU32::new(100),
            subscription_ids_available: Some(false),
            ..Default::default()
        },
    );
    rig.sent();
    rig.events();
    let long = "x".repeat(200);
    let mut names: Vec<String> = (0..40).map(|number| format!("filter/number/{number}")).collect();
    names.insert(20, long.clone());
    let filters: Vec<TopicFilter> =
        names.iter().map(|name| TopicFilter::try_from(name.as_str()).unwrap()).collect();
    let options = SubscriptionOptions::new(QoS::AtLeastOnce);
    let wanted = filters.iter().map(|filter| Subscription { filter: filter.clone(), options }).collect();
    rig.engine.subscribe(wanted, Qos0Limits::default(), Vec::new()).unwrap();
    rig.settle();
    rig.grant_all();
    let told = rig.events();
    let [Event::Subscribed { results, .. }] = &told[..] else { panic!("{told:?}") };
    let refused: Vec<_> = results.iter().filter(|(_, reason)| reason.is_failure()).collect();
    assert_eq!(refused, [&(TopicFilter::try_from(long.as_str()).unwrap(), ReasonCode::PacketTooLarge)]);
    assert_eq!(results.len(), 41);

    rig.engine.unsubscribe(filters, Vec::new()).unwrap();
    rig.settle();
    let unsubscribed = asked(&mut rig).len();
    assert_eq!(unsubscribed, 40, "the one that fits in no packet was not subscribed either");
}

// [MQTT-3.10.4-3] [MQTT-3.10.4-3 of 3.1.1]
#[test]
fn deliveries_that_began_before_unsubscribe_are_finished() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        let stream = rig.subscribed("a", QoS::ExactlyOnce);
        rig.broker(packets::qos2("a", "x", 5));
        let delivery = rig.arrived()[0];
        rig.take(delivery, stream).unwrap();
        rig.unsubscribe("a");
        rig.grant_all();
        rig.sent();
        rig.broker(packets::pubrel(5, ReasonCode::Success));
        assert_eq!(rig.sent(), [packets::pubcomp(5, ReasonCode::Success)], "{version:?}");
    }
}

#[test]
fn an_unsubscribed_filter_is_not_subscribed_again() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        rig.subscribed("a", QoS::AtLeastOnce);
        rig.lose();
        rig.engine.unsubscribe(vec![filter("a")], Vec::new()).unwrap();
        rig.wait_for_dial();
        rig.connect(false);
        assert_eq!(asked(&mut rig), ["-a"], "{version:?}");
    }
}
