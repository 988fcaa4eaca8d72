//! What the first answer of the broker leads to: refusals, wrong packets, a wrong session flag, limits, silence.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use bowline_proto::client::{DisconnectCause, Event, Qos0Limits};
use bowline_proto::error::ProtocolError;
use bowline_proto::packet::{Auth, ConnAckProperties, Disconnect, Packet};
use bowline_proto::types::{PacketType, QoS};
use bowline_proto::{ReasonCode, Version};
use bowline_testkit::client_rig::connack;
use bowline_testkit::{ClientRig, packets};

use crate::script::{accepted, causes, clean, connect_sent, durable, kept, publish1, subscription, text};

// [MQTT-3.2.2-7] [MQTT-3.1.4-2] [MQTT-3.2.2-5 of 3.1.1] [MQTT-3.1.3-8 of 3.1.1] [MQTT-3.1.3-9 of 3.1.1]
#[test]
fn a_refusal_closes_the_connection_and_is_told_with_its_reason() {
    for version in Version::ALL {
        for code in [
            ReasonCode::UnsupportedProtocolVersion,
            ReasonCode::ClientIdentifierNotValid,
            ReasonCode::ServerUnavailable,
            ReasonCode::BadUserNameOrPassword,
            ReasonCode::NotAuthorized,
        ] {
            let mut rig = ClientRig::new(clean(version));
            rig.dial();
            connect_sent(&mut rig);
            rig.refuse_connect(code);
            let told = causes(&mut rig);
            let [DisconnectCause::Refused(connack)] = &told[..] else { panic!("{told:?}") };
            assert_eq!(connack.reason, code);
            assert_eq!((rig.closes(), rig.sent().len()), (1, 0));
            let state = if code == ReasonCode::ServerUnavailable { "Backoff" } else { "Stopped" };
            assert_eq!(rig.engine.state_name(), state, "{version:?} {code:?}");
        }
    }
}

// [MQTT-3.1.4-2] [MQTT-3.2.2-12] [MQTT-3.2.2-13] [MQTT-4.12.0-1]
#[test]
fn the_reasons_of_5_0_are_told_with_their_reason_string_and_decide_about_another_attempt() {
    let fatal = [
        ReasonCode::Banned,
        ReasonCode::BadAuthenticationMethod,
        ReasonCode::TopicNameInvalid,
        ReasonCode::RetainNotSupported,
        ReasonCode::QoSNotSupported,
        ReasonCode::UseAnotherServer,
        ReasonCode::ServerMoved,
    ];
    let passing = [
        ReasonCode::UnspecifiedError,
        ReasonCode::ServerBusy,
        ReasonCode::QuotaExceeded,
        ReasonCode::ConnectionRateExceeded,
    ];
    let cases = fatal.map(|code| (code, "Stopped")).into_iter();
    for (code, state) in cases.chain(passing.map(|code| (code, "Backoff"))) {
        let mut rig = ClientRig::new(clean(Version::V5));
        rig.dial();
        let properties = ConnAckProperties { reason_string: Some(text("because")), ..Default::default() };
        rig.broker(connack(Version::V5, false, code, properties.clone()));
        let told = causes(&mut rig);
        let [DisconnectCause::Refused(connack)] = &told[..] else { panic!("{told:?}") };
        assert_eq!((connack.reason, &connack.properties), (code, &properties));
        assert_eq!(rig.engine.state_name(), state, "{code:?}");
    }
}

// [MQTT-3.2.0-1] [MQTT-3.2.0-1 of 3.1.1]
#[test]
fn any_packet_but_connack_ends_the_attempt() {
    for version in Version::ALL {
        let wrong = [
            packets::qos0("a", "x"),
            packets::qos1("a", "x", 1),
            packets::puback(1, ReasonCode::Success),
            packets::pubrel(1, ReasonCode::Success),
            packets::suback(packets::packet_id(1), &[ReasonCode::Success]),
            Packet::PingResp,
        ];
        for packet in wrong {
            let mut rig = ClientRig::new(clean(version));
            rig.dial();
            connect_sent(&mut rig);
            rig.broker(packet.clone());
            let expected = ProtocolError::UnexpectedPacket {
                packet: packet.packet_type(),
                state: "CONNACK was awaited",
            };
            assert_eq!(causes(&mut rig), [DisconnectCause::Protocol(expected)]);
            rig.assert_said(ReasonCode::ProtocolError);
            assert_eq!(rig.engine.state_name(), "Backoff");
        }
    }
}

// [MQTT-3.14.0-1] [MQTT-4.12.0-6]
#[test]
fn neither_disconnect_nor_auth_may_come_before_connack() {
    let auth = Auth {
        reason: ReasonCode::ContinueAuthentication,
        method: Some(text("SCRAM")),
        data: None,
        reason_string: None,
        user_properties: Vec::new(),
    };
    let disconnect = Packet::Disconnect(Box::new(Disconnect::new(ReasonCode::ServerBusy)));
    for (packet, kind) in
        [(disconnect, PacketType::Disconnect), (Packet::Auth(Box::new(auth)), PacketType::Auth)]
    {
        let mut rig = ClientRig::new(clean(Version::V5));
        rig.dial();
        rig.broker(packet);
        let expected = ProtocolError::UnexpectedPacket { packet: kind, state: "CONNACK was awaited" };
        assert_eq!(causes(&mut rig), [DisconnectCause::Protocol(expected)]);
    }
}

// [MQTT-3.2.0-2] [MQTT-4.12.0-6] [MQTT-4.13.1-1]
#[test]
fn what_only_a_client_sends_and_a_second_connack_close_with_0x82() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        rig.broker(accepted(version, false));
        if version == Version::V5 {
            let [Packet::Disconnect(said)] = &rig.sent()[..] else { panic!("a DISCONNECT") };
            assert_eq!(said.reason, ReasonCode::ProtocolError);
        } else {
            assert_eq!(rig.sent(), [], "before 5.0 a DISCONNECT would say that all is well");
        }
        let expected = ProtocolError::UnexpectedPacket { packet: PacketType::ConnAck, state: "connected" };
        assert_eq!(causes(&mut rig), [DisconnectCause::Protocol(expected)]);
        assert_eq!((rig.closes(), rig.engine.state_name()), (1, "Backoff"));
    }
}

// [MQTT-3.1.0-2] [MQTT-3.1.0-2 of 3.1.1]
#[test]
fn a_broker_that_sends_connect_is_disconnected() {
    let connect = [0x10, 12, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0, 0];
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        rig.broker_bytes(&connect);
        assert!(matches!(causes(&mut rig)[..], [DisconnectCause::Protocol(_)]));
        assert_eq!((rig.closes(), rig.engine.state_name()), (1, "Backoff"));
    }
}

// [MQTT-3.2.2-2] [MQTT-3.2.2-4] [MQTT-3.2.2-1 of 3.1.1]
#[test]
fn a_session_that_is_present_after_a_clean_start_closes_the_connection() {
    let cases = [
        (Version::V3_1_1, clean(Version::V3_1_1)),
        (Version::V5, clean(Version::V5)),
        (Version::V5, durable(Version::V5)),
    ];
    for (version, config) in cases {
        let mut rig = ClientRig::new(config);
        rig.dial();
        assert!(connect_sent(&mut rig).clean_start);
        publish1(&mut rig, "stays here");
        rig.broker(accepted(version, true));
        let expected = DisconnectCause::Protocol(ProtocolError::SessionPresentAfterCleanStart);
        assert_eq!(causes(&mut rig), [expected]);
        rig.assert_said(ReasonCode::ProtocolError);
    }
}

// [MQTT-3.2.2-6] [MQTT-3.2.2-4 of 3.1.1]
#[test]
fn the_session_flag_of_a_refusal_means_nothing() {
    for (version, bytes) in [(Version::V3_1_1, &[0x20, 2, 1, 3][..]), (Version::V5, &[0x20, 3, 1, 0x88, 0])] {
        let mut rig = ClientRig::connected(kept(version));
        publish1(&mut rig, "x");
        rig.lose();
        rig.wait_for_dial();
        rig.sent();
        rig.events();
        rig.broker_bytes(bytes);
        let told = causes(&mut rig);
        let [DisconnectCause::Refused(connack)] = &told[..] else { panic!("{told:?}") };
        assert_eq!(connack.reason, ReasonCode::ServerUnavailable);
        assert_eq!((rig.sent().len(), rig.engine.in_flight()), (0, 1), "nothing resumed, nothing lost");
    }
}

// [MQTT-3.1.2-2] [MQTT-3.1.2-2 of 3.1.1] [MQTT-3.1.2-1]
#[test]
fn an_unsupported_version_is_told_also_when_an_old_broker_says_it_in_its_own_form() {
    for (version, bytes) in [
        (Version::V3_1, &[0x20, 2, 0, 1][..]),
        (Version::V3_1_1, &[0x20, 2, 0, 1]),
        (Version::V5, &[0x20, 3, 0, 0x84, 0]),
        (Version::V5, &[0x20, 2, 0, 1]),
    ] {
        let mut rig = ClientRig::new(clean(version));
        rig.dial();
        rig.broker_bytes(bytes);
        let told = causes(&mut rig);
        let [DisconnectCause::Refused(connack)] = &told[..] else { panic!("{told:?}") };
        assert_eq!(connack.reason, ReasonCode::UnsupportedProtocolVersion);
        assert_eq!(rig.engine.state_name(), "Stopped");
    }
}

// [MQTT-3.1.3-6] [MQTT-3.1.3-7] [MQTT-3.2.2-16] [MQTT-3.1.3-2]
#[test]
fn an_assigned_client_identifier_is_told_and_used_from_then_on() {
    let mut config = kept(Version::V5);
    config.client_id = text("");
    let mut rig = ClientRig::new(config);
    rig.dial();
    assert_eq!(connect_sent(&mut rig).client_id, text(""));
    let properties = ConnAckProperties { assigned_client_id: Some(text("assigned-1")), ..Default::default() };
    rig.connect_with(false, properties);
    assert_eq!(rig.engine.client_id(), &text("assigned-1"));
    rig.lose();
    rig.wait_for_dial();
    assert_eq!(connect_sent(&mut rig).client_id, text("assigned-1"));
    rig.connect(true);
    assert_eq!(rig.engine.client_id(), &text("assigned-1"));
}

// [MQTT-3.2.2-16]
#[test]
fn a_broker_that_assigns_no_client_identifier_is_reported() {
    let mut config = clean(Version::V5);
    config.client_id = text("");
    let mut rig = ClientRig::new(config);
    rig.dial();
    rig.broker(accepted(Version::V5, false));
    assert_eq!(causes(&mut rig), [DisconnectCause::Protocol(ProtocolError::AssignedClientIdMissing)]);
}

// [MQTT-4.12.0-6] [MQTT-4.12.0-7]
#[test]
fn an_authentication_method_that_was_not_asked_for_ends_the_attempt() {
    let mut rig = ClientRig::new(clean(Version::V5));
    rig.dial();
    assert_eq!(connect_sent(&mut rig).properties.authentication_method, None);
    let properties = ConnAckProperties { authentication_method: Some(text("SCRAM")), ..Default::default() };
    rig.broker(connack(Version::V5, false, ReasonCode::Success, properties));
    assert_eq!(causes(&mut rig), [DisconnectCause::Protocol(ProtocolError::AuthenticationNotAsked)]);
    rig.assert_said(ReasonCode::ProtocolError);
}

// [MQTT-3.1.4-1] [MQTT-3.1.4-1 of 3.1.1] [MQTT-3.2.2-6 of 3.1.1]
#[test]
fn a_close_instead_of_connack_has_a_name_of_its_own() {
    for version in Version::ALL {
        let mut rig = ClientRig::new(clean(version));
        rig.dial();
        rig.close();
        assert_eq!(causes(&mut rig), [DisconnectCause::ClosedBeforeConnack]);
        assert_eq!(rig.engine.state_name(), "Backoff");
    }
}

// [MQTT-3.2.0-1]
#[test]
fn dialling_and_connack_together_have_a_time_limit() {
    for (answers_dials, version) in [(false, Version::V3_1), (true, Version::V3_1_1), (true, Version::V5)] {
        let mut config = clean(version);
        config.connect_timeout = Duration::from_secs(7);
        let mut rig = ClientRig::new(config);
        rig.answers_dials = answers_dials;
        rig.dial();
        rig.advance(Duration::from_millis(6_999));
        assert_eq!((causes(&mut rig).len(), rig.closes()), (0, 0));
        rig.advance(Duration::from_millis(1));
        assert_eq!(causes(&mut rig), [DisconnectCause::ConnectTimeout]);
        assert_eq!(rig.closes(), 1);
    }
}

// [MQTT-3.2.2-3] [MQTT-3.2.2-3 of 3.1.1]
#[test]
fn the_application_is_told_the_whole_connack_and_what_it_means() {
    for version in Version::ALL {
        let mut rig = ClientRig::new(kept(version));
        rig.connect(false);
        let told = rig.events();
        let [Event::Connected(connected)] = &told[..] else { panic!("{told:?}") };
        let says = if version == Version::V3_1 { None } else { Some(false) };
        assert_eq!(connected.session_present, says);
        assert_eq!(connected.limits.receive_maximum, u16::MAX);
        assert_eq!(connected.limits.keep_alive_secs, 60);
        assert_eq!(connected.limits.subscription_ids, version == Version::V5);
    }
    let mut rig = ClientRig::new(kept(Version::V5));
    let properties = ConnAckProperties {
        receive_maximum: NonZeroU16::new(3),
        maximum_packet_size: NonZeroU32::new(100),
        server_keep_alive_secs: Some(5),
        response_information: Some(text("unasked")),
        user_properties: vec![(text("k"), text("v"))],
        ..Default::default()
    };
    rig.connect_with(true, properties.clone());
    let told = rig.events();
    let [Event::Connected(connected)] = &told[..] else { panic!("{told:?}") };
    assert_eq!((connected.session_present, &connected.connack.properties), (Some(true), &properties));
    assert_eq!(connected.limits.receive_maximum, 3);
}

// [MQTT-3.1.2-21] [MQTT-3.2.2-21]
#[test]
fn the_brokers_keep_alive_replaces_ours_until_the_next_connection() {
    let pings_within = |rig: &mut ClientRig, secs| {
        rig.sent();
        rig.advance(Duration::from_secs(secs));
        rig.sent() == [Packet::PingReq]
    };
    let server = |secs| ConnAckProperties { server_keep_alive_secs: Some(secs), ..Default::default() };
    let mut rig = ClientRig::new(clean(Version::V5));
    rig.connect_with(false, server(10));
    assert!(pings_within(&mut rig, 10));
    rig.reconnect_with(false, server(0));
    assert!(!pings_within(&mut rig, 100_000), "0 turns it off");
    rig.reconnect_with(false, server(600));
    assert!(!pings_within(&mut rig, 590));
    rig.reconnect(false);
    assert!(pings_within(&mut rig, 60), "without one it is ours again");
}

// [MQTT-3.2.2-10] [MQTT-3.2.2-9]
#[test]
fn a_maximum_qos_does_not_limit_what_is_subscribed() {
    let mut rig = ClientRig::new(clean(Version::V5));
    let properties = ConnAckProperties { maximum_qos: Some(QoS::AtMostOnce), ..Default::default() };
    rig.connect_with(false, properties);
    rig.sent();
    let wanted = vec![subscription("a", QoS::ExactlyOnce)];
    rig.engine.subscribe(wanted, Qos0Limits::default(), Vec::new()).unwrap();
    rig.settle();
    let [Packet::Subscribe(subscribe)] = &rig.sent()[..] else { panic!("a SUBSCRIBE") };
    assert_eq!(subscribe.subscriptions[0].options.qos, QoS::ExactlyOnce);
}
