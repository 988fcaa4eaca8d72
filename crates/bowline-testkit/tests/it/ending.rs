//! How a connection and a session end: DISCONNECT, dropping the connection, errors, and the session's expiry.

use std::num::NonZeroU32;
use std::time::Duration;

use bowline_proto::client::{ClientConfig, Event, Outcome, SessionPolicy};
use bowline_proto::error::RequestError;
use bowline_proto::packet::{ConnAckProperties, Disconnect, DisconnectProperties, Packet};
use bowline_proto::{ReasonCode, Version};
use bowline_testkit::{ClientRig, packets};

use crate::script::{clean, connect_sent, kept, payloads, publish1, publish2, published, published_id, text};

fn disconnect(rig: &mut ClientRig, disconnect: Disconnect) {
    rig.engine.disconnect(disconnect, rig.now).expect("a legal DISCONNECT");
    rig.settle();
}

/// DISCONNECT with this Session Expiry Interval.
fn with_expiry(secs: u32) -> Disconnect {
    let properties = DisconnectProperties { session_expiry_secs: Some(secs), ..Default::default() };
    Disconnect { properties: Some(Box::new(properties)), ..Disconnect::new(ReasonCode::Success) }
}

// [MQTT-3.14.4-1] [MQTT-3.14.4-2] [MQTT-3.14.4-1 of 3.1.1] [MQTT-3.14.4-2 of 3.1.1]
#[test]
fn disconnect_is_the_last_packet_and_the_connection_is_closed_once_it_is_written() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        rig.writes = false;
        publish1(&mut rig, "before");
        disconnect(&mut rig, Disconnect::new(ReasonCode::Success));
        assert_eq!((rig.engine.state_name(), rig.closes()), ("Closing", 0));
        publish1(&mut rig, "after");
        rig.broker(packets::qos1("a", "x", 9));
        rig.advance(Duration::from_secs(4));
        rig.write_out();
        let sent = rig.sent();
        let [Packet::Publish(_), Packet::Disconnect(said)] = &sent[..] else { panic!("{sent:?}") };
        assert_eq!(said.reason, ReasonCode::Success);
        assert_eq!((rig.engine.state_name(), rig.closes()), ("Stopped", 1));
        rig.advance(Duration::from_secs(3_600));
        assert_eq!((rig.sent().len(), rig.dials()), (0, 1), "stopped means stopped");
    }
}

#[test]
fn what_was_taken_before_disconnect_is_acknowledged_before_it() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        let stream = rig.subscribed("a", bowline_proto::QoS::AtLeastOnce);
        rig.broker(packets::qos1("a", "x", 9));
        let delivery = rig.arrived()[0];
        rig.engine.take(delivery, stream, ReasonCode::Success).unwrap();
        disconnect(&mut rig, Disconnect::new(ReasonCode::Success));
        let sent = rig.sent();
        assert!(matches!(&sent[..], [Packet::PubAck(_), Packet::Disconnect(_)]), "{version:?}: {sent:?}");
    }
}

#[test]
fn a_peer_that_does_not_read_cannot_delay_the_end_for_long() {
    let mut rig = ClientRig::connected(clean(Version::V5));
    rig.writes = false;
    publish1(&mut rig, "x");
    disconnect(&mut rig, Disconnect::new(ReasonCode::Success));
    rig.advance(Duration::from_secs(5));
    assert_eq!((rig.engine.state_name(), rig.closes()), ("Stopped", 1));
}

// [MQTT-3.1.2-8] [MQTT-3.1.2-8 of 3.1.1]
#[test]
fn the_will_can_be_cancelled_or_left_to_the_broker() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        rig.engine.abort(rig.now);
        rig.settle();
        assert_eq!(rig.sent(), [], "without DISCONNECT the broker publishes the will");
        assert_eq!((rig.engine.state_name(), rig.closes()), ("Stopped", 1));
    }
    let mut rig = ClientRig::connected(clean(Version::V5));
    disconnect(&mut rig, Disconnect::new(ReasonCode::DisconnectWithWill));
    let [Packet::Disconnect(said)] = &rig.sent()[..] else { panic!("a DISCONNECT") };
    assert_eq!(said.reason, ReasonCode::DisconnectWithWill);
}

// [MQTT-3.14.2-1] [MQTT-3.14.2-2]
#[test]
fn a_disconnect_that_cannot_be_said_is_refused_and_changes_nothing() {
    let properties = DisconnectProperties { reason_string: Some(text("bye")), ..Default::default() };
    let explained =
        Disconnect { properties: Some(Box::new(properties)), ..Disconnect::new(ReasonCode::Success) };
    let moved = DisconnectProperties { server_reference: Some(text("other")), ..Default::default() };
    let moved = Disconnect { properties: Some(Box::new(moved)), ..Disconnect::new(ReasonCode::Success) };
    let with_will = Disconnect::new(ReasonCode::DisconnectWithWill);
    let taken_over = Disconnect::new(ReasonCode::SessionTakenOver);
    let cases: [(ClientConfig, Disconnect, &str); 7] = [
        (kept(Version::V3_1), with_will.clone(), "the reason code of DISCONNECT needs MQTT 5.0"),
        (kept(Version::V3_1_1), with_will, "the reason code of DISCONNECT needs MQTT 5.0"),
        (kept(Version::V3_1_1), explained, "a property of DISCONNECT needs MQTT 5.0"),
        (kept(Version::V3_1_1), with_expiry(0), "a property of DISCONNECT needs MQTT 5.0"),
        (
            kept(Version::V5),
            taken_over,
            "the reason code session taken over (0x8E) is not allowed in DISCONNECT from this side",
        ),
        (kept(Version::V5), moved, "a client may not send the server reference here"),
        (
            clean(Version::V5),
            with_expiry(60),
            "session expiry cannot be set by DISCONNECT if CONNECT had none",
        ),
    ];
    for (config, asked, text) in cases {
        let mut rig = ClientRig::connected(config);
        let refused: RequestError = rig.engine.disconnect(asked, rig.now).unwrap_err();
        assert_eq!(refused.to_string(), text);
        rig.settle();
        assert_eq!((rig.engine.state_name(), rig.sent().len()), ("Active", 0));
    }
}

// [MQTT-4.13.2-1] [MQTT-3.14.2-3] [MQTT-3.14.2-4] [MQTT-3.2.2-15]
#[test]
fn a_disconnect_is_cut_to_what_the_broker_takes_and_closing_does_not_depend_on_it() {
    let properties = DisconnectProperties {
        reason_string: Some(text("a long explanation")),
        user_properties: vec![(text("key"), text("value"))],
        ..Default::default()
    };
    for (maximum, says) in [(20, true), (4, true), (1, false)] {
        let mut rig = ClientRig::new(clean(Version::V5));
        let maximum_packet_size = NonZeroU32::new(maximum);
        rig.connect_with(false, ConnAckProperties { maximum_packet_size, ..Default::default() });
        rig.sent();
        let properties = Some(Box::new(properties.clone()));
        disconnect(&mut rig, Disconnect { reason: ReasonCode::DisconnectWithWill, properties });
        let sent = rig.sent();
        assert_eq!(sent.len(), usize::from(says), "{sent:?}");
        if let [Packet::Disconnect(said)] = &sent[..] {
            assert_eq!(said.reason, ReasonCode::DisconnectWithWill);
            assert!(said.properties.as_ref().is_none_or(|said| said.reason_string.is_none()));
        }
        assert_eq!((rig.engine.state_name(), rig.closes()), ("Stopped", 1));
    }
}

// [MQTT-4.13.1-1] [MQTT-4.13.2-1] [MQTT-4.8.0-1 of 3.1.1]
#[test]
fn malformed_bytes_end_the_connection_with_a_reason_where_the_version_has_one() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        publish1(&mut rig, "x");
        rig.sent();
        rig.broker_bytes(&[0x36, 0]);
        match &rig.sent()[..] {
            [Packet::Disconnect(said)] if version == Version::V5 => {
                assert_eq!(said.reason, ReasonCode::MalformedPacket);
            }
            [] if version != Version::V5 => {}
            sent => panic!("{version:?}: {sent:?}"),
        }
        assert_eq!((rig.closes(), rig.engine.in_flight()), (1, 1));
        rig.wait_for_dial();
        rig.connect(true);
        assert_eq!(payloads(&mut rig), ["x"]);
    }
}

fn kept_for(secs: u32) -> ClientConfig {
    let mut config = kept(Version::V5);
    config.session = SessionPolicy::InMemory { expiry_secs: secs, adopt: false };
    config
}

/// Loses a connection, stays away for so long, and says whether the next CONNECT goes on with the session.
fn goes_on_after(rig: &mut ClientRig, secs: u64) -> bool {
    publish2(rig, "x");
    rig.sent();
    rig.events();
    rig.answers_dials = false;
    rig.lose();
    rig.advance(Duration::from_secs(secs));
    if rig.engine.state_name() == "Dialing" {
        rig.input(bowline_proto::client::Input::DialFailed);
    }
    rig.answers_dials = true;
    rig.dial();
    let goes_on = !connect_sent(rig).clean_start;
    let has_lost = rig.events().iter().any(|event| matches!(event, Event::SessionLost { .. }));
    assert_eq!(goes_on, !has_lost, "a session that has ended is told");
    goes_on
}

// [MQTT-3.1.2-23] [MQTT-4.1.0-2]
#[test]
fn a_session_ends_here_too_when_its_expiry_interval_has_passed() {
    let mut rig = ClientRig::connected(kept_for(100));
    assert!(goes_on_after(&mut rig, 60));
    let mut rig = ClientRig::connected(kept_for(100));
    assert!(!goes_on_after(&mut rig, 200));
    let mut rig = ClientRig::connected(kept_for(u32::MAX));
    assert!(goes_on_after(&mut rig, 10_000_000));
}

// [MQTT-3.1.2-23]
#[test]
fn the_brokers_session_expiry_interval_counts_instead_of_ours() {
    let granted = |secs| ConnAckProperties { session_expiry_secs: Some(secs), ..Default::default() };
    for (asked, given, away, goes_on) in [
        (1_000, 100, 200, false),
        (100, 1_000, 200, true),
        (100, u32::MAX, 10_000, true),
        (u32::MAX, 100, 200, false),
        (100, 0, 1, false),
    ] {
        let mut rig = ClientRig::new(kept_for(asked));
        rig.connect_with(false, granted(given));
        assert_eq!(goes_on_after(&mut rig, away), goes_on, "asked {asked}, given {given}, away {away}");
    }
}

// [MQTT-3.1.2-23] [MQTT-3.14.2-2]
#[test]
fn a_session_expiry_interval_in_disconnect_counts_from_then_on() {
    let mut rig = ClientRig::connected(kept_for(1_000));
    let sent = publish2(&mut rig, "x");
    published_id(&mut rig);
    disconnect(&mut rig, with_expiry(0));
    let [Packet::Disconnect(said)] = &rig.sent()[..] else { panic!("a DISCONNECT") };
    assert_eq!(said.properties.as_ref().and_then(|said| said.session_expiry_secs), Some(0));
    let ended = rig.outcomes();
    assert!(matches!(ended[..], [(publication, Outcome::Indeterminate { .. })] if publication == sent));
    rig.dial();
    assert!(connect_sent(&mut rig).clean_start);
    rig.connect(false);
    rig.sent();
    disconnect(&mut rig, with_expiry(5_000));
    rig.advance(Duration::from_secs(2_000));
    rig.sent();
    rig.dial();
    assert!(!connect_sent(&mut rig).clean_start, "5,000 s instead of 1,000 s");
    rig.connect(true);
    disconnect(&mut rig, Disconnect::new(ReasonCode::Success));
    rig.sent();
    rig.advance(Duration::from_secs(2_000));
    rig.dial();
    assert!(connect_sent(&mut rig).clean_start, "every CONNECT asks for 1,000 s again");
}

// [MQTT-3.1.2-23] [MQTT-3.1.2-4 of 3.1.1] [MQTT-4.1.0-1 of 3.1.1]
#[test]
fn before_5_0_a_kept_session_never_expires() {
    for version in [Version::V3_1, Version::V3_1_1] {
        let mut rig = ClientRig::connected(kept(version));
        publish2(&mut rig, "x");
        let id = published_id(&mut rig);
        disconnect(&mut rig, Disconnect::new(ReasonCode::Success));
        rig.advance(Duration::from_secs(10_000_000));
        rig.connect(true);
        let [sent] = &published(&mut rig)[..] else { panic!("the PUBLISH again") };
        assert_eq!((sent.packet_id, sent.dup), (Some(id), true));
    }
}

// [MQTT-4.1.0-1] [MQTT-4.1.0-2 of 3.1.1]
#[test]
fn session_state_is_never_dropped_while_the_connection_is_open() {
    let mut config = kept_for(100);
    config.keep_alive_secs = 0;
    let mut rig = ClientRig::connected(config);
    publish1(&mut rig, "x");
    rig.sent();
    rig.advance(Duration::from_secs(1_000_000));
    assert_eq!(rig.engine.in_flight(), 1);
    rig.reconnect(true);
    assert_eq!(payloads(&mut rig), ["x"]);
}
