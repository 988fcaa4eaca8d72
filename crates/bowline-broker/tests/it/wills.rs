//! Wills: published, removed, delayed, cancelled.

use std::time::Duration;

use bowline_proto::packet::{Connect, Disconnect, Packet, Will};
use bowline_proto::{Message, QoS, ReasonCode, Version};
use bowline_testkit::packets::topic;

use crate::bench::{Bench, clean, kept};

fn with_will(connect: Connect, delay_secs: Option<u32>) -> Connect {
    let message = Message::new(topic("will"), "gone").with_qos(QoS::AtLeastOnce);
    Connect { will: Some(Will { message, delay_secs }), ..connect }
}

/// A bench with a client that watches for wills.
fn watched() -> (Bench, bowline_broker::ConnectionId) {
    let mut bench = Bench::new();
    let watcher = bench.connect(Version::V5, "watcher");
    bench.subscribe(watcher, "will", QoS::ExactlyOnce);
    (bench, watcher)
}

// [MQTT-3.1.2-8] [MQTT-3.1.2-14] [MQTT-3.1.2-8 of 3.1.1] [MQTT-3.1.2-16 of 3.1.1]
#[test]
fn the_will_of_a_client_that_is_lost_is_published() {
    for version in Version::ALL {
        let (mut bench, watcher) = watched();
        let (id, _) = bench.connect_with(with_will(clean(version, "c"), None));
        assert_eq!(bench.messages(watcher), []);
        bench.lose(id);
        let got = bench.messages(watcher);
        assert_eq!((got.len(), got[0].qos, got[0].retain), (1, QoS::AtLeastOnce, false), "{version}");
        assert_eq!(bench.core.stats().retained, 0);
    }
}

// [MQTT-3.14.4-3] [MQTT-3.1.2-10] [MQTT-3.14.4-3 of 3.1.1] [MQTT-3.1.2-10 of 3.1.1]
#[test]
fn disconnect_removes_the_will_and_disconnect_with_will_message_does_not() {
    for version in Version::ALL {
        let (mut bench, watcher) = watched();
        let (id, _) = bench.connect_with(with_will(clean(version, "c"), None));
        bench.disconnect(id);
        assert_eq!(bench.messages(watcher), [], "{version}");
    }
    let (mut bench, watcher) = watched();
    let (id, _) = bench.connect_with(with_will(clean(Version::V5, "c"), None));
    bench.send(id, Packet::Disconnect(Box::new(Disconnect::new(ReasonCode::DisconnectWithWill))));
    assert_eq!(bench.messages(watcher).len(), 1);
}

// [MQTT-3.1.2-15] [MQTT-3.1.2-17 of 3.1.1]
#[test]
fn a_retained_will_is_kept() {
    let mut bench = Bench::new();
    let message = Message::new(topic("will"), "gone").with_retain(true);
    let will = Some(Will { message, delay_secs: None });
    let (id, _) = bench.connect_with(Connect { will, ..clean(Version::V3_1_1, "c") });
    bench.lose(id);
    let watcher = bench.connect(Version::V3_1, "watcher");
    bench.subscribe(watcher, "will", QoS::AtMostOnce);
    assert!(bench.messages(watcher)[0].retain);
}

// [MQTT-3.1.2-8] [MQTT-3.1.3-9]
#[test]
fn a_delayed_will_waits_and_a_client_that_comes_back_cancels_it() {
    let (mut bench, watcher) = watched();
    let connect = with_will(kept(Version::V5, "c"), Some(10));
    let (id, _) = bench.connect_with(connect.clone());
    bench.lose(id);
    bench.advance(Duration::from_secs(9));
    assert_eq!(bench.messages(watcher), []);
    let (id, session_present) = bench.connect_with(connect.clone());
    assert!(session_present);
    bench.advance(Duration::from_secs(30));
    assert_eq!(bench.messages(watcher), []);
    bench.lose(id);
    bench.advance(Duration::from_secs(10));
    assert_eq!(bench.payloads(watcher), ["gone"]);
    bench.advance(Duration::from_secs(30));
    assert_eq!(bench.messages(watcher), [], "it is published once");
}

// [MQTT-3.1.2-8]
#[test]
fn a_delayed_will_is_published_at_the_latest_when_the_session_ends() {
    let (mut bench, watcher) = watched();
    let mut connect = with_will(kept(Version::V5, "c"), Some(100));
    connect.properties.session_expiry_secs = Some(5);
    let (id, _) = bench.connect_with(connect.clone());
    bench.lose(id);
    bench.advance(Duration::from_secs(5));
    assert_eq!(bench.payloads(watcher), ["gone"]);

    let (id, _) = bench.connect_with(connect.clone());
    bench.lose(id);
    bench.connect_with(Connect { clean_start: true, will: None, ..connect });
    assert_eq!(bench.payloads(watcher), ["gone"], "a clean start ends the session");
}

// [MQTT-3.1.2-22] [MQTT-3.1.2-24 of 3.1.1]
#[test]
fn a_silent_client_is_dropped_and_its_will_published() {
    let (mut bench, watcher) = watched();
    let connect = Connect { keep_alive_secs: 10, ..with_will(clean(Version::V3_1_1, "c"), None) };
    let (id, _) = bench.connect_with(connect);
    bench.advance(Duration::from_secs(14));
    bench.send(id, Packet::PingReq);
    assert_eq!(bench.got(id), [Packet::PingResp]);
    bench.advance(Duration::from_secs(14));
    assert!(!bench.is_closed(id));
    bench.advance(Duration::from_secs(1));
    assert!(bench.is_closed(id));
    assert_eq!(bench.payloads(watcher), ["gone"]);
}
