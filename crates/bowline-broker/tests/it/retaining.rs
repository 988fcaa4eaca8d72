//! Retained messages: kept, replaced, removed, sent to new subscriptions, expired.

use std::time::Duration;

use bowline_proto::packet::Packet;
use bowline_proto::types::{MessageProperties, RetainHandling, SubscriptionOptions};
use bowline_proto::{QoS, ReasonCode, Version};
use bowline_testkit::packets::{puback, qos0, qos1};

use crate::bench::{Bench, retained};

fn options(handling: RetainHandling) -> SubscriptionOptions {
    let mut options = SubscriptionOptions::new(QoS::AtLeastOnce);
    options.retain_handling = handling;
    options
}

// [MQTT-3.3.1-5] [MQTT-3.3.1-9] [MQTT-3.3.1-5 of 3.1.1] [MQTT-3.3.1-6 of 3.1.1] [MQTT-3.3.1-8 of 3.1.1]
#[test]
fn a_new_subscription_gets_the_last_retained_message_of_each_topic_with_retain_set() {
    for version in Version::ALL {
        let mut bench = Bench::new();
        let publisher = bench.connect(version, "from");
        bench.send(publisher, retained(qos1("a/1", "old", 1)));
        bench.send(publisher, retained(qos1("a/1", "new", 2)));
        bench.send(publisher, retained(qos0("a/2", "other")));
        bench.send(publisher, retained(qos0("b", "elsewhere")));
        let subscriber = bench.connect(version, "to");
        bench.subscribe(subscriber, "a/+", QoS::AtLeastOnce);
        let got = bench.messages(subscriber);
        let seen: Vec<_> = got.iter().map(|one| (one.payload.as_ref(), one.retain, one.qos)).collect();
        assert_eq!(
            seen,
            [(&b"new"[..], true, QoS::AtLeastOnce), (&b"other"[..], true, QoS::AtMostOnce)],
            "{version}"
        );
    }
}

// [MQTT-3.3.1-6] [MQTT-3.3.1-7] [MQTT-3.3.1-8] [MQTT-3.3.1-10 of 3.1.1] [MQTT-3.3.1-11 of 3.1.1]
#[test]
fn an_empty_payload_removes_the_retained_message_and_one_without_retain_does_not_change_it() {
    let mut bench = Bench::new();
    let id = bench.connect(Version::V3_1_1, "c");
    bench.send(id, retained(qos0("a", "kept")));
    bench.send(id, qos0("a", "passing"));
    bench.subscribe(id, "a", QoS::AtMostOnce);
    assert_eq!(bench.payloads(id), ["kept"]);
    bench.send(id, retained(qos0("a", "")));
    assert_eq!(bench.payloads(id), [""], "it is delivered like any other");
    assert_eq!(bench.core.stats().retained, 0);
    bench.subscribe(id, "a", QoS::AtMostOnce);
    assert_eq!(bench.messages(id), []);
}

// [MQTT-3.3.1-12] [MQTT-3.3.1-13] [MQTT-3.3.1-9 of 3.1.1]
#[test]
fn an_established_subscription_sees_retain_only_if_it_asked_for_it_as_published() {
    let mut bench = Bench::new();
    let plain = bench.connect(Version::V5, "plain");
    let as_published = bench.connect(Version::V5, "as-published");
    bench.subscribe(plain, "a", QoS::AtMostOnce);
    let mut options = SubscriptionOptions::new(QoS::AtMostOnce);
    options.retain_as_published = true;
    bench.subscribe_with(as_published, "a", options, None);
    let publisher = bench.connect(Version::V5, "from");
    bench.send(publisher, retained(qos0("a", "x")));
    bench.send(publisher, qos0("a", "y"));
    let flags =
        |got: Vec<bowline_proto::packet::Publish>| got.iter().map(|one| one.retain).collect::<Vec<_>>();
    assert_eq!(flags(bench.messages(plain)), [false, false]);
    assert_eq!(flags(bench.messages(as_published)), [true, false]);
}

// [MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11] [MQTT-3.8.4-4]
#[test]
fn retain_handling_says_when_retained_messages_are_sent() {
    let mut bench = Bench::new();
    let id = bench.connect(Version::V5, "c");
    bench.send(id, retained(qos0("a", "x")));
    let mut count = |handling| {
        bench.subscribe_with(id, "a", options(handling), None);
        bench.messages(id).len()
    };
    assert_eq!(count(RetainHandling::Never), 0);
    assert_eq!(count(RetainHandling::OnNewSubscription), 0, "it is there already");
    assert_eq!(count(RetainHandling::OnSubscribe), 1);
    assert_eq!(count(RetainHandling::OnSubscribe), 1);
    bench.unsubscribe(id, "a");
    bench.got(id);
    bench.subscribe_with(id, "a", options(RetainHandling::OnNewSubscription), None);
    assert_eq!(bench.messages(id).len(), 1);
}

// [MQTT-3.3.2-5] [MQTT-3.3.2-6]
#[test]
fn a_retained_message_expires_and_says_until_then_how_long_it_has_left() {
    let mut bench = Bench::new();
    let id = bench.connect(Version::V5, "c");
    let Packet::Publish(mut publish) = retained(qos0("a", "x")) else { unreachable!() };
    let mut properties = MessageProperties::default();
    properties.expiry_secs = Some(10);
    publish.properties = Some(Box::new(properties));
    bench.send(id, Packet::Publish(publish));
    bench.advance(Duration::from_millis(3_500));
    bench.subscribe(id, "a", QoS::AtMostOnce);
    let got = bench.messages(id);
    assert_eq!(got[0].properties.as_ref().unwrap().expiry_secs, Some(7));
    bench.advance(Duration::from_secs(7));
    bench.subscribe(id, "a", QoS::AtMostOnce);
    assert_eq!(bench.messages(id), []);
    assert_eq!(bench.core.stats().retained, 0);
}

#[test]
fn beyond_the_bound_a_retained_message_is_refused_and_one_that_replaces_another_is_not() {
    let mut bench = Bench::with(|config| config.retained_messages_max = 2);
    let id = bench.connect(Version::V5, "c");
    bench.send(id, retained(qos0("a", "x")));
    bench.send(id, retained(qos0("b", "x")));
    bench.send(id, retained(qos1("c", "x", 1)));
    bench.send(id, retained(qos1("b", "y", 2)));
    assert_eq!(
        bench.got(id),
        [puback(1, ReasonCode::QuotaExceeded), puback(2, ReasonCode::NoMatchingSubscribers)]
    );
    assert_eq!(bench.core.stats().retained, 2);

    let mut bench = Bench::with(|config| config.retained_bytes_max = 10);
    let id = bench.connect(Version::V5, "c");
    bench.send(id, retained(qos0("a", "12345")));
    bench.send(id, retained(qos1("b", "12345", 1)));
    bench.send(id, retained(qos1("a", "123456789", 2)));
    let reasons = [puback(1, ReasonCode::QuotaExceeded), puback(2, ReasonCode::NoMatchingSubscribers)];
    assert_eq!(bench.got(id), reasons);
}
