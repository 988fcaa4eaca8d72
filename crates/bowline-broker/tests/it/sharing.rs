//! Shared subscriptions: turns, who can take a message, and what is separate.

use bowline_proto::{QoS, Version};
use bowline_testkit::packets::{qos0, qos1};

use crate::bench::{Bench, kept, publish, retained};

// [MQTT-4.8.2-1] [MQTT-4.8.2-2] [MQTT-4.8.2-3]
#[test]
fn members_of_a_shared_subscription_take_turns_and_groups_do_not_know_each_other() {
    for version in Version::ALL {
        let mut bench = Bench::new();
        let members = ["one", "two", "three"].map(|name| bench.connect(version, name));
        for (member, qos) in members.into_iter().zip(crate::bench::ALL_QOS) {
            bench.subscribe(member, "$share/group/a/#", qos);
        }
        let other = bench.connect(version, "other");
        bench.subscribe(other, "$share/other/a/#", QoS::AtMostOnce);
        let publisher = bench.connect(version, "from");
        for number in 0..9_u16 {
            bench.send(publisher, publish("a/b", number.to_string(), QoS::ExactlyOnce, number + 1));
        }
        for (at, member) in members.into_iter().enumerate() {
            let got = bench.messages(member);
            assert_eq!(got.len(), 3, "{version}");
            assert!(got.iter().all(|one| one.qos == crate::bench::ALL_QOS[at]));
        }
        assert_eq!(bench.messages(other).len(), 9);
    }
}

#[test]
fn a_member_that_is_away_is_passed_over_and_gets_messages_only_if_all_are() {
    let mut bench = Bench::new();
    let (away, _) = bench.connect_with(kept(Version::V5, "away"));
    let here = bench.connect(Version::V5, "here");
    for member in [away, here] {
        bench.subscribe(member, "$share/g/a", QoS::AtLeastOnce);
    }
    bench.lose(away);
    let publisher = bench.connect(Version::V5, "from");
    for id in 1..=4 {
        bench.send(publisher, qos1("a", "x", id));
    }
    assert_eq!(bench.messages(here).len(), 4);
    bench.disconnect(here);
    bench.send(publisher, qos1("a", "y", 5));
    let (back, _) = bench.connect_with(kept(Version::V5, "away"));
    assert_eq!(bench.payloads(back), ["y"]);
}

#[test]
fn a_member_whose_queue_is_full_is_passed_over() {
    let mut bench = Bench::with(|config| config.queue.messages_max = 1);
    let [slow, fast] = ["slow", "fast"].map(|name| bench.connect(Version::V5, name));
    for member in [slow, fast] {
        bench.subscribe(member, "$share/g/a", QoS::AtMostOnce);
    }
    bench.set_reading(slow, false);
    let publisher = bench.connect(Version::V5, "from");
    let large = "x".repeat(300_000);
    for _ in 0..10 {
        bench.send(publisher, publish("a", large.clone(), QoS::AtMostOnce, 0));
    }
    // The first waits in the buffer, the second in the queue of the slow one.
    assert_eq!(bench.messages(fast).len(), 8);
    assert_eq!(bench.core.stats().dropped, 0);
}

#[test]
fn a_shared_subscription_gets_no_retained_messages_and_a_copy_of_its_own() {
    let mut bench = Bench::new();
    let id = bench.connect(Version::V5, "c");
    bench.send(id, retained(qos0("a", "kept")));
    bench.subscribe(id, "$share/g/#", QoS::AtMostOnce);
    assert_eq!(bench.messages(id), []);
    bench.subscribe(id, "+", QoS::AtMostOnce);
    bench.got(id);
    bench.send(id, qos0("a", "x"));
    assert_eq!(bench.messages(id).len(), 2);
    bench.unsubscribe(id, "$share/g/#");
    bench.got(id);
    bench.send(id, qos0("a", "y"));
    assert_eq!(bench.messages(id).len(), 1);
    assert_eq!(bench.core.stats().subscriptions, 1);
}
