//! The broker as a judge: what clients do wrong ends their connection and is reported with the statement.

use bowline_broker::ConnectionId;
use bowline_proto::ReasonCode;
use bowline_proto::Version;
use bowline_proto::packet::{Disconnect, Packet};
use bowline_testkit::packets::qos1;

use crate::bench::{Bench, clean};

fn judged(version: Version, bytes: &[u8]) -> Option<&'static str> {
    let mut bench = Bench::new();
    let id = bench.connect(version, "c");
    bench.send_bytes(id, bytes);
    expect_violation(&bench, id)
}

fn expect_violation(bench: &Bench, id: ConnectionId) -> Option<&'static str> {
    assert!(bench.is_closed(id), "the connection lives on");
    let violations = bench.violations();
    assert_eq!(violations.len(), 1, "{violations:?}");
    violations[0].statement
}

// [MQTT-4.13.1-1] [MQTT-4.8.0-1 of 3.1.1]
#[test]
fn bytes_that_break_the_format_are_reported_with_the_statement_of_the_version() {
    let cases: [(&[u8], &str, &str); 12] = [
        (b"\x36\x05\x00\x01a\x00\x01", "MQTT-3.3.1-4", "MQTT-3.3.1-4 of 3.1.1"),
        (b"\x38\x05\x00\x01a\x00\x00", "MQTT-3.3.1-2", "MQTT-3.3.1-2 of 3.1.1"),
        (b"\x30\x05\x00\x01#\x00\x00", "MQTT-3.3.2-2", "MQTT-3.3.2-2 of 3.1.1"),
        (b"\x30\x05\x00\x01\x00\x00\x00", "MQTT-1.5.4-2", "MQTT-1.5.3-2 of 3.1.1"),
        (b"\x30\x05\x00\x01\xff\x00\x00", "MQTT-1.5.4-1", "MQTT-1.5.3-1 of 3.1.1"),
        (b"\x80\x02\x00\x01", "MQTT-3.8.1-1", "MQTT-3.8.1-1 of 3.1.1"),
        (b"\xa0\x02\x00\x01", "MQTT-3.10.1-1", "MQTT-3.10.1-1 of 3.1.1"),
        (b"\x60\x02\x00\x01", "MQTT-3.6.1-1", "MQTT-3.6.1-1 of 3.1.1"),
        (b"\xc1\x00", "MQTT-2.1.3-1", "MQTT-2.2.2-1 of 3.1.1"),
        (b"\xe1\x00", "MQTT-3.14.1-1", "MQTT-2.2.2-1 of 3.1.1"),
        (b"\x40\x02\x00\x00", "MQTT-2.2.1-3", "MQTT-2.3.1-1 of 3.1.1"),
        (b"\x10\x00", "MQTT-3.1.0-2", "MQTT-3.1.0-2 of 3.1.1"),
    ];
    for (bytes, v5, v3) in cases {
        assert_eq!(judged(Version::V5, bytes), Some(v5), "{bytes:02x?}");
        assert_eq!(judged(Version::V3_1_1, bytes), Some(v3), "{bytes:02x?}");
    }
    assert_eq!(judged(Version::V5, b"\x82\x06\x00\x01\x00\x00\x01a"), None, "cut off: no statement says so");
}

// [MQTT-3.1.0-1] [MQTT-3.1.0-1 of 3.1.1]
#[test]
fn a_connection_that_does_not_begin_with_connect_is_reported_without_a_name() {
    let mut bench = Bench::new();
    let id = bench.open(Version::V5);
    bench.send_bytes(id, b"\xc0\x00");
    assert_eq!(expect_violation(&bench, id), Some("MQTT-3.1.0-1"));
    assert_eq!(bench.violations()[0].client_id.as_str(), "");
}

#[test]
fn a_version_that_is_not_spoken_is_refused_and_no_violation() {
    let mut bench = Bench::new();
    let id = bench.open(Version::V5);
    bench.send_bytes(id, b"\x10\x0d\x00\x04MQTT\x06\x02\x00\x00\x00\x00\x01c");
    assert!(bench.is_closed(id));
    bench.assert_no_violations();
}

// [MQTT-3.14.4-1] [MQTT-3.14.4-2 of 3.1.1]
#[test]
fn a_client_that_sends_something_after_disconnect_is_reported() {
    assert_eq!(judged(Version::V5, b"\xe0\x00\xc0\x00"), Some("MQTT-3.14.4-1"));
    assert_eq!(judged(Version::V3_1_1, b"\xe0\x00\xc0\x00"), Some("MQTT-3.14.4-2 of 3.1.1"));
    let mut bench = Bench::new();
    let id = bench.connect(Version::V5, "c");
    bench.send(id, Packet::Disconnect(Box::new(Disconnect::new(ReasonCode::Success))));
    assert!(bench.is_closed(id));
    bench.assert_no_violations();
}

// [MQTT-3.3.4-7] [MQTT-4.9.0-2]
#[test]
fn more_unfinished_messages_than_the_receive_maximum_are_reported() {
    let mut bench = Bench::with(|config| config.connection.receive_maximum = 2);
    let id = bench.connect(Version::V5, "c");
    for number in 1..=3 {
        bench.send(id, crate::bench::publish("a", "x", bowline_proto::QoS::ExactlyOnce, number));
    }
    assert_eq!(expect_violation(&bench, id), Some("MQTT-3.3.4-7"));
}

// [MQTT-3.1.2-20] [MQTT-3.1.2-23 of 3.1.1]
#[test]
fn silence_beyond_the_keep_alive_is_reported() {
    for (version, statement) in [(Version::V5, "MQTT-3.1.2-20"), (Version::V3_1, "MQTT-3.1.2-23 of 3.1.1")] {
        let mut bench = Bench::new();
        let mut connect = clean(version, "c");
        connect.keep_alive_secs = 2;
        let (id, _) = bench.connect_with(connect);
        bench.send(id, qos1("a", "x", 1));
        bench.advance(std::time::Duration::from_secs(3));
        assert_eq!(expect_violation(&bench, id), Some(statement));
    }
}
