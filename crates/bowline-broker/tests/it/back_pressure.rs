//! Full queues: who waits, for how long, what is dropped, and that nobody waits for ever.

use std::time::Duration;

use bowline_broker::{BrokerConfig, ConnectionId};
use bowline_proto::packet::Packet;
use bowline_proto::{QoS, ReasonCode, Version};
use bowline_testkit::packets::{puback, qos1};

use crate::bench::{Bench, clean, kept, publish};

fn two_at_most(config: &mut BrokerConfig) {
    config.queue.messages_max = 2;
}

/// So large that one fills the output buffer of a client that does not read.
fn large(number: u16, qos: QoS) -> Packet {
    publish("a", "0".repeat(300_000) + &number.to_string(), qos, number)
}

fn slow_and_publisher(bench: &mut Bench, version: Version) -> (ConnectionId, ConnectionId) {
    let slow = bench.connect(version, "slow");
    bench.subscribe(slow, "a", QoS::ExactlyOnce);
    bench.set_reading(slow, false);
    (slow, bench.connect(version, "from"))
}

#[test]
fn a_publisher_is_acknowledged_when_everyone_has_its_message_and_not_before() {
    for version in Version::ALL {
        let mut bench = Bench::with(two_at_most);
        let (slow, publisher) = slow_and_publisher(&mut bench, version);
        let fast = bench.connect(version, "fast");
        bench.subscribe(fast, "a", QoS::AtMostOnce);
        for number in 1..=8 {
            bench.send(publisher, large(number, QoS::AtLeastOnce));
        }
        // One is in the buffer of the slow client and two are in its queue.
        let acknowledged: Vec<Packet> = (1..=3).map(|id| puback(id, ReasonCode::Success)).collect();
        assert_eq!(bench.got(publisher), acknowledged, "{version}");
        assert!(!bench.core.is_reading_paused(publisher), "its acknowledgements may be what makes room");
        bench.set_reading(slow, true);
        let rest: Vec<Packet> = (4..=8).map(|id| puback(id, ReasonCode::Success)).collect();
        assert_eq!(bench.got(publisher), rest);
        let order =
            |payloads: Vec<String>| payloads.iter().map(|text| text.parse().unwrap()).collect::<Vec<u16>>();
        assert_eq!(order(bench.payloads(slow)), (1..=8).collect::<Vec<_>>());
        assert_eq!(order(bench.payloads(fast)), (1..=8).collect::<Vec<_>>());
        assert_eq!(bench.core.stats().dropped, 0);
        bench.assert_no_violations();
    }
}

#[test]
fn after_a_qos_0_message_that_finds_no_room_nothing_is_read_from_its_publisher() {
    let mut bench = Bench::with(two_at_most);
    let (slow, publisher) = slow_and_publisher(&mut bench, Version::V3_1_1);
    for number in 1..=5 {
        bench.send(publisher, large(number, QoS::AtMostOnce));
    }
    assert!(bench.core.is_reading_paused(publisher));
    bench.set_reading(slow, true);
    assert!(!bench.core.is_reading_paused(publisher));
    assert_eq!(bench.messages(slow).len(), 5);
    assert_eq!(bench.core.stats().dropped, 0);
}

#[test]
fn a_client_that_never_reads_holds_its_publishers_up_once_and_then_loses_messages() {
    let mut bench = Bench::with(two_at_most);
    let (slow, publisher) = slow_and_publisher(&mut bench, Version::V5);
    for number in 1..=5 {
        bench.send(publisher, large(number, QoS::AtLeastOnce));
    }
    bench.got(publisher);
    bench.advance(Duration::from_millis(4_999));
    assert_eq!(bench.got(publisher), []);
    bench.advance(Duration::from_millis(1));
    assert_eq!(bench.got(publisher), [puback(4, ReasonCode::Success), puback(5, ReasonCode::Success)]);
    assert_eq!(bench.core.stats().dropped, 2);
    bench.send(publisher, large(6, QoS::AtLeastOnce));
    assert_eq!(bench.got(publisher), [puback(6, ReasonCode::Success)], "nobody waits a second time");
    bench.set_reading(slow, true);
    assert_eq!(bench.messages(slow).len(), 3);
    bench.set_reading(slow, false);
    for number in 7..=10 {
        bench.send(publisher, large(number, QoS::AtLeastOnce));
    }
    assert_eq!(bench.got(publisher).len(), 3, "it has read meanwhile, so it is waited for again");
}

#[test]
fn who_waits_for_a_client_that_leaves_goes_on() {
    for (is_publisher, is_kept, dropped) in [(false, false, 0), (false, true, 2), (true, false, 2)] {
        let mut bench = Bench::with(two_at_most);
        let connect = if is_kept { kept(Version::V5, "slow") } else { clean(Version::V5, "slow") };
        let (slow, _) = bench.connect_with(connect);
        bench.subscribe(slow, "a", QoS::ExactlyOnce);
        bench.set_reading(slow, false);
        let publisher = bench.connect(Version::V5, "from");
        let fast = bench.connect(Version::V5, "fast");
        bench.subscribe(fast, "a", QoS::AtMostOnce);
        for number in 1..=5 {
            bench.send(publisher, large(number, QoS::AtLeastOnce));
        }
        assert_eq!(bench.messages(fast).len(), 4);
        bench.lose(if is_publisher { publisher } else { slow });
        assert_eq!(bench.messages(fast).len(), 1, "what waited goes to those who have room");
        assert_eq!(bench.core.stats().dropped, dropped);
        if !is_publisher {
            let acknowledged: Vec<Packet> = (1..=5).map(|id| puback(id, ReasonCode::Success)).collect();
            assert_eq!(bench.got(publisher), acknowledged);
        }
    }
}

#[test]
fn a_client_that_fills_its_own_queue_goes_on_in_the_end() {
    for version in Version::ALL {
        let mut bench = Bench::with(|config| {
            two_at_most(config);
            config.connection.receive_maximum = 4;
        });
        bench.answers = false;
        let mut connect = kept(version, "c");
        connect.properties.receive_maximum = version.rules().has_properties.then(|| 1.try_into().unwrap());
        let (id, _) = bench.connect_with(connect);
        bench.subscribe(id, "a", QoS::AtLeastOnce);
        bench.set_reading(id, false);
        for number in 1..=4 {
            bench.send(id, large(number, QoS::AtLeastOnce));
        }
        bench.answers = true;
        bench.set_reading(id, true);
        bench.advance(Duration::from_secs(6));
        let acknowledged = bench.got(id).iter().filter(|packet| matches!(packet, Packet::PubAck(_))).count();
        assert_eq!(acknowledged, 4, "{version}");
        bench.assert_no_violations();
    }
}

#[test]
fn the_queue_of_a_client_that_is_away_drops_what_is_beyond_its_bound() {
    let mut bench = Bench::with(two_at_most);
    let (id, _) = bench.connect_with(kept(Version::V3_1_1, "c"));
    bench.subscribe(id, "a", QoS::AtLeastOnce);
    bench.lose(id);
    let publisher = bench.connect(Version::V3_1_1, "from");
    for number in 1..=5 {
        bench.send(publisher, qos1("a", "x", number));
    }
    assert_eq!(bench.got(publisher).len(), 5);
    assert_eq!(bench.core.stats().dropped, 3);
    let (id, _) = bench.connect_with(kept(Version::V3_1_1, "c"));
    assert_eq!(bench.messages(id).len(), 2);
}
