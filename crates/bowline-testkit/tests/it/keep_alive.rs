//! When the client pings, and when a silent broker counts as dead.

use std::time::Duration;

use bowline_proto::client::{ClientConfig, DisconnectCause};
use bowline_proto::packet::{ConnAckProperties, Packet};
use bowline_proto::types::QoS;
use bowline_proto::{ReasonCode, Version};
use bowline_testkit::ClientRig;
use bowline_testkit::packets::qos0;
use bowline_testkit::subscriber::clean;

use crate::script::causes;

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Pings every 30 seconds, and waits 10 for the answer.
fn thirty(version: Version) -> ClientConfig {
    let mut config = clean(version);
    config.keep_alive_secs = 30;
    config.ping_timeout = secs(10);
    config
}

// [MQTT-3.1.2-20] [MQTT-3.1.2-23 of 3.1.1]
#[test]
fn a_ping_leaves_before_keep_alive_has_passed_since_the_last_packet_sent() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(thirty(version));
        rig.subscribed("in", QoS::AtMostOnce);
        rig.advance(secs(20));
        rig.publishes("out", QoS::AtMostOnce);
        rig.broker(qos0("in", "m"));
        rig.sent();
        rig.advance(secs(28));
        assert_eq!(rig.sent(), [], "28 seconds after the PUBLISH");
        rig.advance(secs(2));
        assert_eq!(rig.sent(), [Packet::PingReq], "30 seconds after it");
        rig.broker(Packet::PingResp);
        rig.advance(secs(30));
        assert_eq!(rig.sent(), [Packet::PingReq]);
    }
}

// [MQTT-3.1.2-20] [MQTT-3.1.2-23 of 3.1.1]
#[test]
fn receiving_does_not_put_a_ping_off() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(thirty(version));
        rig.subscribed("in", QoS::AtMostOnce);
        for _ in 0..30 {
            rig.advance(secs(1));
            rig.broker(qos0("in", "m"));
        }
        assert_eq!(rig.sent(), [Packet::PingReq], "the broker counts what we send");
    }
}

#[test]
fn who_only_sends_finds_a_dead_broker_as_soon_as_who_does_not() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(thirty(version));
        for _ in 0..38 {
            rig.publishes("out", QoS::AtMostOnce);
            rig.advance(secs(1));
        }
        assert_eq!(rig.disconnected(), None);
        let pings = rig.sent().into_iter().filter(|packet| *packet == Packet::PingReq).count();
        assert_eq!(pings, 1);
        rig.publishes("out", QoS::AtMostOnce);
        rig.advance(secs(1));
        assert_eq!(rig.disconnected(), Some(DisconnectCause::PingTimeout));
    }
}

// [MQTT-3.12.4-1] [MQTT-3.12.4-1 of 3.1.1] [MQTT-3.1.2-22] [MQTT-3.1.2-24 of 3.1.1]
#[test]
fn a_broker_that_does_not_answer_a_ping_in_time_counts_as_dead() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(thirty(version));
        rig.advance(secs(29) + secs(10) - Duration::from_millis(1));
        assert_eq!(rig.disconnected(), None);
        assert_eq!(rig.sent(), [Packet::PingReq]);
        rig.advance(Duration::from_millis(1));
        assert_eq!(rig.disconnected(), Some(DisconnectCause::PingTimeout));
        rig.assert_said(ReasonCode::UnspecifiedError);
        assert_eq!(rig.engine.state_name(), "Backoff");
    }
}

// [MQTT-3.12.4-1] [MQTT-3.12.4-1 of 3.1.1]
#[test]
fn any_byte_counts_as_life_also_in_the_middle_of_a_large_message() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(thirty(version));
        rig.subscribed("in", QoS::AtMostOnce);
        rig.advance(secs(29));
        assert_eq!(rig.sent(), [Packet::PingReq]);
        // A message of two megabytes that comes a kilobyte a second, the PINGRESP behind it.
        let mut header = vec![0x30, 0x80, 0x80, 0x80, 0x01, 0, 2, b'i', b'n'];
        if version.rules().has_properties {
            header.push(0);
        }
        rig.broker_bytes(&header);
        for _ in 0..300 {
            rig.advance(secs(1));
            rig.broker_bytes(&[0; 1024]);
        }
        assert_eq!(rig.disconnected(), None);
        rig.advance(secs(60));
        assert_eq!(rig.disconnected(), Some(DisconnectCause::PingTimeout), "then it falls silent");
    }
}

// [MQTT-3.1.2-21] [MQTT-3.2.2-21]
#[test]
fn the_servers_keep_alive_replaces_ours_whether_smaller_or_larger() {
    for server in [5, 300] {
        let mut rig = ClientRig::new(thirty(Version::V5));
        let properties =
            ConnAckProperties { server_keep_alive_secs: Some(server), ..ConnAckProperties::default() };
        rig.connect_with(false, properties);
        rig.sent();
        rig.advance(secs(u64::from(server) - 1) - Duration::from_millis(1));
        assert_eq!(rig.sent(), []);
        rig.advance(secs(1));
        assert_eq!(rig.sent(), [Packet::PingReq]);
    }
}

// [MQTT-3.1.2-21] [MQTT-3.2.2-21] [MQTT-3.1.2-24 of 3.1.1]
#[test]
fn keep_alive_zero_ours_or_the_servers_turns_pings_and_timeout_off() {
    for version in Version::ALL {
        let mut config = clean(version);
        config.keep_alive_secs = 0;
        let mut rig = ClientRig::connected(config);
        rig.advance(secs(1_000_000));
        assert_eq!((rig.sent(), rig.until(), rig.engine.state_name()), (vec![], None, "Active"));
    }
    let mut rig = ClientRig::new(thirty(Version::V5));
    rig.connect_with(
        false,
        ConnAckProperties { server_keep_alive_secs: Some(0), ..ConnAckProperties::default() },
    );
    rig.sent();
    rig.advance(secs(1_000_000));
    assert_eq!((rig.sent(), rig.engine.state_name()), (vec![], "Active"));
}

// [MQTT-3.12.4-1] [MQTT-3.12.4-1 of 3.1.1]
#[test]
fn the_answer_may_take_its_time_from_when_the_ping_is_written() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(thirty(version));
        rig.writes = false;
        rig.publishes("out", QoS::AtMostOnce);
        rig.sent();
        // The write of the PUBLISH is stuck; the PINGREQ waits behind it and leaves 8 seconds late.
        rig.advance(secs(29 + 8));
        assert_eq!((rig.sent(), rig.disconnected()), (vec![], None));
        rig.write_out();
        assert_eq!(rig.sent(), [Packet::PingReq]);
        rig.advance(secs(9));
        assert_eq!(rig.disconnected(), None, "9 seconds after it was written");
        rig.advance(secs(1));
        assert_eq!(rig.disconnected(), Some(DisconnectCause::PingTimeout));
    }
}

// [MQTT-3.12.4-1] [MQTT-3.12.4-1 of 3.1.1]
#[test]
fn a_ping_that_cannot_be_written_ends_the_connection_too() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(thirty(version));
        rig.writes = false;
        rig.publishes("out", QoS::AtMostOnce);
        rig.advance(secs(29 + 10));
        if version.rules().has_disconnect_reason {
            assert_eq!(rig.engine.state_name(), "Closing", "it tries to say why");
            rig.advance(secs(5));
        }
        assert_eq!(rig.disconnected(), Some(DisconnectCause::PingTimeout));
    }
}

// [MQTT-3.12.4-1] [MQTT-3.12.4-1 of 3.1.1]
#[test]
fn a_busy_publisher_that_receives_nothing_but_pingresp_is_not_taken_for_dead() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(thirty(version));
        rig.writes = false;
        rig.advance(secs(29));
        assert_eq!(rig.sent(), [Packet::PingReq], "the driver has it");
        // From now on the output is never empty when a write is done.
        rig.publishes("out", QoS::AtMostOnce);
        rig.write_one();
        rig.broker(Packet::PingResp);
        for _ in 0..25 {
            rig.publishes("out", QoS::AtMostOnce);
            rig.advance(secs(1));
            rig.write_one();
        }
        assert_eq!(rig.disconnected(), None);
    }
}

#[test]
fn a_probe_finds_a_dead_link_within_the_ping_timeout_also_where_keep_alive_is_off() {
    for version in Version::ALL {
        let mut config = clean(version);
        config.keep_alive_secs = 0;
        let mut rig = ClientRig::connected(config);
        rig.advance(Duration::from_secs(3_600));
        assert_eq!((rig.sent(), causes(&mut rig)), (vec![], vec![]), "nobody asks by itself");
        for _ in 0..2 {
            rig.engine.probe(rig.now);
            rig.settle();
        }
        assert_eq!(rig.sent(), [Packet::PingReq], "one question at a time");
        rig.broker(Packet::PingResp);
        rig.advance(Duration::from_secs(3_600));
        assert_eq!(causes(&mut rig), [], "it has answered");
        rig.engine.probe(rig.now);
        rig.settle();
        rig.advance(Duration::from_millis(9_999));
        assert_eq!(causes(&mut rig), []);
        rig.advance(Duration::from_millis(1));
        assert_eq!(causes(&mut rig), [DisconnectCause::PingTimeout]);
    }
}

#[test]
fn a_probe_during_the_delay_makes_the_next_attempt_now() {
    let mut rig = ClientRig::connected(clean(Version::V5));
    rig.engine.probe(rig.now);
    rig.lose();
    assert_eq!((rig.engine.state_name(), rig.dials()), ("Backoff", 1));
    rig.engine.probe(rig.now);
    rig.settle();
    assert_eq!((rig.engine.state_name(), rig.dials()), ("AwaitConnack", 2));
    rig.engine.probe(rig.now);
    rig.settle();
    assert_eq!(rig.dials(), 2, "an attempt that is under way goes on");
}
