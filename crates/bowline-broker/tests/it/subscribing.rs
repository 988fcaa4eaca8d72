//! SUBSCRIBE and UNSUBSCRIBE: results, options, overlaps, identifiers.

use bowline_proto::packet::{Packet, Publish};
use bowline_proto::types::SubscriptionOptions;
use bowline_proto::{QoS, ReasonCode, Version};
use bowline_testkit::packets::{packet_id, publish, qos0, suback, unsuback};

use crate::bench::{ALL_QOS, Bench, subscribe};

fn ids(publish: &Publish) -> Vec<u32> {
    publish.subscription_ids.iter().map(|id| id.as_u32()).collect()
}

// [MQTT-3.8.4-1] [MQTT-3.8.4-2] [MQTT-3.8.4-5] [MQTT-3.8.4-6] [MQTT-3.8.4-7]
#[test]
fn every_filter_of_a_subscribe_is_answered_in_order() {
    for version in Version::ALL {
        let mut bench = Bench::new();
        let id = bench.connect(version, "c");
        let filters: Vec<_> =
            ["a", "b", "c"].into_iter().zip(ALL_QOS.map(SubscriptionOptions::new)).collect();
        bench.send(id, subscribe(&filters, None));
        let granted = [ReasonCode::Success, ReasonCode::GrantedQoS1, ReasonCode::GrantedQoS2];
        assert_eq!(bench.got(id), [suback(packet_id(60_000), &granted)]);
    }
}

// [MQTT-3.10.4-1] [MQTT-3.10.4-2] [MQTT-3.10.4-4] [MQTT-3.10.4-5] [MQTT-3.11.3-1]
#[test]
fn an_unsubscribed_filter_gets_nothing_more_and_an_unknown_one_is_answered_too() {
    for version in Version::ALL {
        let mut bench = Bench::new();
        let id = bench.connect(version, "c");
        bench.subscribe(id, "a", QoS::AtMostOnce);
        bench.subscribe(id, "+", QoS::AtMostOnce);
        for (filter, reason, left) in [
            ("A", ReasonCode::NoSubscriptionExisted, 1),
            ("a", ReasonCode::Success, 1),
            ("+", ReasonCode::Success, 0),
        ] {
            bench.unsubscribe(id, filter);
            let reasons = if version.rules().has_unsuback_reasons { vec![reason] } else { vec![] };
            assert_eq!(bench.got(id), [unsuback(packet_id(60_001), &reasons)]);
            bench.send(id, qos0("a", "x"));
            assert_eq!(bench.messages(id).len(), left, "{version} after {filter}");
        }
    }
}

// [MQTT-3.3.4-2] [MQTT-3.3.4-3] [MQTT-3.3.4-4] [MQTT-3.3.5-1 of 3.1.1]
#[test]
fn overlapping_subscriptions_get_one_copy_with_the_highest_qos_and_all_identifiers() {
    for version in Version::ALL {
        let has_ids = version.rules().has_properties;
        let mut bench = Bench::new();
        let other = bench.connect(version, "other");
        bench.subscribe(other, "a/b", QoS::AtMostOnce);
        let id = bench.connect(version, "c");
        for (number, (filter, qos)) in (1..).zip([
            ("a/#", QoS::AtMostOnce),
            ("a/+", QoS::ExactlyOnce),
            ("+/b", QoS::AtLeastOnce),
            ("x", QoS::AtLeastOnce),
        ]) {
            bench.subscribe_with(id, filter, SubscriptionOptions::new(qos), has_ids.then_some(number));
        }
        let publisher = bench.connect(version, "from");
        bench.send(publisher, Packet::Publish(publish("a/b", "x", QoS::ExactlyOnce, 1)));
        let got = bench.messages(id);
        assert_eq!((got.len(), got[0].qos), (1, QoS::ExactlyOnce), "{version}");
        let mut seen = ids(&got[0]);
        seen.sort_unstable();
        assert_eq!(seen, if has_ids { vec![1, 2, 3] } else { vec![] });
        let got = bench.messages(other);
        assert_eq!((got.len(), ids(&got[0])), (1, vec![]));
    }
}

// [MQTT-3.8.4-3] [MQTT-3.8.4-3 of 3.1.1]
#[test]
fn the_same_filter_again_replaces_the_subscription() {
    let mut bench = Bench::new();
    let id = bench.connect(Version::V5, "c");
    bench.subscribe_with(id, "a", SubscriptionOptions::new(QoS::ExactlyOnce), Some(1));
    bench.subscribe_with(id, "a", SubscriptionOptions::new(QoS::AtMostOnce), Some(2));
    bench.send(id, Packet::Publish(publish("a", "x", QoS::AtLeastOnce, 1)));
    let got = bench.messages(id);
    assert_eq!((got.len(), got[0].qos, ids(&got[0])), (1, QoS::AtMostOnce, vec![2]));
    assert_eq!(bench.core.stats().subscriptions, 1);
}

// [MQTT-3.8.3-3]
#[test]
fn no_local_keeps_a_clients_own_messages_away_from_it_and_no_others() {
    let mut bench = Bench::new();
    let id = bench.connect(Version::V5, "c");
    let mut options = SubscriptionOptions::new(QoS::AtMostOnce);
    options.no_local = true;
    bench.subscribe_with(id, "a", options, None);
    bench.send(id, qos0("a", "mine"));
    let other = bench.connect(Version::V5, "other");
    bench.send(other, qos0("a", "theirs"));
    assert_eq!(bench.payloads(id), ["theirs"]);
}

#[test]
fn beyond_the_bound_a_subscription_is_refused_and_one_that_replaces_another_is_not() {
    let mut bench = Bench::with(|config| config.subscriptions_max = 2);
    let id = bench.connect(Version::V5, "c");
    let options = SubscriptionOptions::new(QoS::AtMostOnce);
    bench.send(id, subscribe(&[("a", options), ("b", options), ("c", options), ("a", options)], None));
    let (granted, refused) = (ReasonCode::Success, ReasonCode::QuotaExceeded);
    assert_eq!(bench.got(id), [suback(packet_id(60_000), &[granted, granted, refused, granted])]);
    bench.send(id, qos0("c", "x"));
    assert_eq!(bench.messages(id), []);
}
