//! How connections end: what is said, what becomes of the will and of the session.

use std::time::Duration;

use bowline_proto::error::{ProtocolError, RequestError};
use bowline_proto::packet::connect::EXPIRY_NEVER;
use bowline_proto::packet::{
    ConnAckProperties, Connect, ConnectProperties, Disconnect, DisconnectProperties, Packet, Will,
};
use bowline_proto::server::{EndCause, ServerConfig, ServerInput};
use bowline_proto::types::{Message, QoS};
use bowline_proto::{ReasonCode, Version};
use bowline_testkit::ServerRig;
use bowline_testkit::packets::topic;
use bowline_testkit::server_rig::connect;

use super::{assert_closed_with, goodbye};

fn will() -> Will {
    Will { message: Message::new(topic("will"), "gone"), delay_secs: None }
}

fn with_will(version: Version) -> ServerRig {
    let client = Connect { will: Some(will()), ..connect(version) };
    ServerRig::connected_with(ServerConfig::new(), client, Default::default())
}

fn leaving(reason: ReasonCode, session_expiry_secs: Option<u32>) -> Packet {
    let properties = DisconnectProperties { session_expiry_secs, ..DisconnectProperties::default() };
    let properties = session_expiry_secs.map(|_| Box::new(properties));
    Packet::Disconnect(Box::new(Disconnect { reason, properties }))
}

// [MQTT-3.14.4-3] [MQTT-3.1.2-10] [MQTT-3.14.4-3 of 3.1.1] [MQTT-3.1.2-10 of 3.1.1]
#[test]
fn a_normal_disconnect_removes_the_will() {
    for version in Version::ALL {
        let mut rig = with_will(version);
        rig.client(leaving(ReasonCode::Success, None));
        assert_eq!((rig.sent(), rig.closes()), (vec![], 1));
        let ended = rig.ended();
        assert!(matches!(ended.cause, EndCause::ByClient(_)));
        assert_eq!(ended.will, None);
        assert!(rig.engine.take_session().is_some());
    }
}

// [MQTT-3.1.2-8] [MQTT-3.1.2-8 of 3.1.1]
#[test]
fn every_other_end_leaves_the_will_to_be_published() {
    let ends: [fn(&mut ServerRig); 5] = [
        |rig| rig.lose(),
        |rig| rig.input(ServerInput::TransportFailed),
        |rig| rig.advance(Duration::from_secs(90)),
        |rig| rig.client_bytes(&[0, 0]),
        |rig| {
            rig.engine.disconnect(&Disconnect::new(ReasonCode::SessionTakenOver), rig.now).unwrap();
            rig.settle();
        },
    ];
    for version in Version::ALL {
        for end in ends {
            let mut rig = with_will(version);
            end(&mut rig);
            assert_eq!(rig.ended().will, Some(will()));
            assert_eq!(rig.closes(), 1);
        }
    }
    for reason in [ReasonCode::DisconnectWithWill, ReasonCode::ImplementationSpecificError] {
        let mut rig = with_will(Version::V5);
        rig.client(leaving(reason, None));
        assert_eq!(rig.ended().will, Some(will()));
    }
}

// [MQTT-3.1.2-22] [MQTT-3.1.2-24 of 3.1.1]
#[test]
fn one_and_a_half_keep_alives_of_silence_end_the_connection() {
    for version in Version::ALL {
        let mut rig = ServerRig::connected(version);
        rig.advance(Duration::from_secs(60));
        rig.client(Packet::PingReq);
        rig.sent();
        rig.advance(Duration::from_millis(89_999));
        assert_eq!(rig.closes(), 0);
        rig.advance(Duration::from_millis(1));
        let says = version.rules().has_disconnect_reason;
        let expected = if says { vec![goodbye(ReasonCode::KeepAliveTimeout)] } else { vec![] };
        assert_eq!((rig.sent(), rig.closes()), (expected, 1));
        assert_eq!(rig.ended().cause, EndCause::KeepAliveTimeout);
    }
}

// [MQTT-3.2.2-21] [MQTT-3.2.2-22]
#[test]
fn the_servers_keep_alive_counts_if_it_was_said_and_zero_never_ends_anything() {
    let said = ConnAckProperties { server_keep_alive_secs: Some(10), ..Default::default() };
    let mut rig = ServerRig::connected_with(ServerConfig::new(), connect(Version::V5), said);
    rig.advance(Duration::from_secs(15));
    assert_eq!(rig.ended().cause, EndCause::KeepAliveTimeout);

    let client = Connect { keep_alive_secs: 0, ..connect(Version::V5) };
    let mut rig = ServerRig::connected_with(ServerConfig::new(), client, Default::default());
    assert_eq!(rig.until(), None);
    rig.advance(Duration::from_secs(1_000_000));
    assert_eq!(rig.closes(), 0);
}

// [MQTT-3.14.2-2]
#[test]
fn disconnect_may_change_the_session_expiry_but_not_from_zero() {
    let client = |secs| {
        let properties = ConnectProperties { session_expiry_secs: secs, ..Default::default() };
        Connect { properties, ..connect(Version::V5) }
    };
    for (asked, said, lives) in
        [(Some(10), Some(20), 20), (Some(10), Some(0), 0), (Some(10), None, 10), (None, Some(0), 0)]
    {
        let mut rig = ServerRig::connected_with(ServerConfig::new(), client(asked), Default::default());
        rig.client(leaving(ReasonCode::Success, said));
        assert_eq!(rig.ended().session_expiry_secs, lives);
    }
    let mut rig = ServerRig::connected_with(ServerConfig::new(), client(None), Default::default());
    rig.client(leaving(ReasonCode::Success, Some(20)));
    let error = assert_closed_with(&mut rig, ReasonCode::ProtocolError);
    assert_eq!(error, ProtocolError::SessionExpiryInDisconnect { secs: 20 });
}

#[test]
fn how_long_the_session_lives_is_what_connect_or_connack_said() {
    for version in Version::ALL {
        let mut rig = ServerRig::connected(version);
        rig.lose();
        assert_eq!(rig.ended().session_expiry_secs, EXPIRY_NEVER);
    }
    for version in [Version::V3_1, Version::V3_1_1] {
        let clean = Connect {
            clean_start: true,
            properties: ConnectProperties { session_expiry_secs: Some(0), ..Default::default() },
            ..connect(version)
        };
        let mut rig = ServerRig::connected_with(ServerConfig::new(), clean, Default::default());
        rig.lose();
        assert_eq!(rig.ended().session_expiry_secs, 0);
    }
    let granted = ConnAckProperties { session_expiry_secs: Some(30), ..Default::default() };
    let mut rig = ServerRig::connected_with(ServerConfig::new(), connect(Version::V5), granted);
    rig.lose();
    assert_eq!(rig.ended().session_expiry_secs, 30);
}

// [MQTT-3.1.4-3] [MQTT-3.14.4-1] [MQTT-3.14.4-2]
#[test]
fn a_taken_over_client_is_told_after_all_that_was_encoded_and_the_session_is_free_at_once() {
    for version in Version::ALL {
        let mut rig = ServerRig::connected(version);
        rig.writes = false;
        rig.publish(Message::new(topic("t"), "m").with_qos(QoS::AtLeastOnce));
        rig.publish(Message::new(topic("t"), "n").with_qos(QoS::AtLeastOnce));
        rig.engine.disconnect(&Disconnect::new(ReasonCode::SessionTakenOver), rig.now).unwrap();
        rig.settle();
        assert_eq!(rig.engine.take_session().unwrap().in_flight(), 2);
        assert_eq!((rig.engine.state_name(), rig.closes()), ("Closing", 0));
        rig.client(Packet::PingReq);
        rig.write_out();
        let sent = rig.sent();
        assert!(matches!(&sent[..2], [Packet::Publish(_), Packet::Publish(_)]));
        let says = version.rules().has_disconnect_reason;
        let expected = if says { vec![goodbye(ReasonCode::SessionTakenOver)] } else { vec![] };
        assert_eq!((&sent[2..], rig.closes()), (&expected[..], 1));
        assert_eq!(rig.ended().cause, EndCause::ByServer(ReasonCode::SessionTakenOver));
    }
}

#[test]
fn a_client_that_does_not_read_delays_the_end_by_five_seconds() {
    let mut rig = ServerRig::connected(Version::V5);
    rig.writes = false;
    rig.engine.disconnect(&Disconnect::new(ReasonCode::ServerShuttingDown), rig.now).unwrap();
    rig.settle();
    rig.advance(Duration::from_millis(4_999));
    assert_eq!(rig.closes(), 0);
    rig.advance(Duration::from_millis(1));
    assert_eq!((rig.closes(), rig.until()), (1, None));
}

// [MQTT-3.14.0-1]
#[test]
fn a_client_that_was_not_accepted_gets_no_disconnect() {
    for version in Version::ALL {
        let mut rig = ServerRig::new(ServerConfig::new(), version);
        rig.client(Packet::Connect(Box::new(connect(version))));
        rig.engine.disconnect(&Disconnect::new(ReasonCode::ServerBusy), rig.now).unwrap();
        rig.settle();
        assert_eq!((rig.sent(), rig.closes()), (vec![], 1));
        assert_eq!(rig.ended().cause, EndCause::ByServer(ReasonCode::ServerBusy));
    }
}

// [MQTT-3.14.2-1] [MQTT-3.14.2-2]
#[test]
fn a_disconnect_that_a_server_may_not_say_is_refused_and_changes_nothing() {
    let mut rig = ServerRig::connected(Version::V5);
    let with_will = Disconnect::new(ReasonCode::DisconnectWithWill);
    let Packet::Disconnect(with_expiry) = leaving(ReasonCode::Success, Some(1)) else { unreachable!() };
    for disconnect in [with_will, *with_expiry] {
        let error = rig.engine.disconnect(&disconnect, rig.now).unwrap_err();
        assert!(matches!(error, RequestError::Encode(_)));
    }
    rig.settle();
    assert_eq!((rig.sent(), rig.engine.state_name()), (vec![], "Active"));
}

// [MQTT-4.13.2-1]
#[test]
fn a_client_that_takes_only_tiny_packets_is_closed_without_being_told() {
    let mut client = connect(Version::V5);
    client.properties.maximum_packet_size = std::num::NonZeroU32::new(3);
    let mut rig = ServerRig::new(ServerConfig::new(), Version::V5);
    rig.client(Packet::Connect(Box::new(client)));
    let session = bowline_testkit::server_rig::new_session();
    // Not even CONNACK fits.
    let error = rig.engine.accept(session, false, Default::default(), rig.now).unwrap_err();
    assert!(matches!(error.kind, RequestError::Encode(_)));
    rig.advance(Duration::from_secs(10));
    assert_eq!((rig.sent(), rig.closes()), (vec![], 1));
}

#[test]
fn after_the_end_nothing_can_be_asked_for() {
    let mut rig = ServerRig::connected(Version::V5);
    rig.lose();
    rig.engine.take_session().unwrap();
    rig.events();
    let message = Message::new(topic("t"), "m");
    rig.engine.publish(message, Default::default(), rig.now).unwrap_err();
    rig.engine.disconnect(&Disconnect::new(ReasonCode::Success), rig.now).unwrap_err();
    rig.engine.refuse(ReasonCode::ServerBusy, Default::default(), rig.now).unwrap_err();
    rig.input(ServerInput::Packet(Packet::PingReq));
    rig.input(ServerInput::Closed);
    assert_eq!((rig.sent(), rig.events().len(), rig.closes(), rig.until()), (vec![], 0, 1, None));
}
