//! From the open transport to the accepted or refused client.

use std::num::NonZeroU16;
use std::time::Duration;

use bowline_proto::error::{ProtocolError, RequestError};
use bowline_proto::packet::connect::EXPIRY_NEVER;
use bowline_proto::packet::{Auth, ConnAck, ConnAckProperties, Connect, ConnectProperties, Packet, Will};
use bowline_proto::server::{EndCause, ServerConfig, ServerEvent};
use bowline_proto::types::{Message, QoS, Text};
use bowline_proto::{ReasonCode, Version};
use bowline_testkit::ServerRig;
use bowline_testkit::packets::{qos0, topic};
use bowline_testkit::server_rig::{connect, new_session};

use super::assert_closed_with;

fn rig(version: Version) -> ServerRig {
    ServerRig::new(ServerConfig::new(), version)
}

fn asked(connect: Connect) -> ServerRig {
    let mut rig = rig(connect.version);
    rig.client(Packet::Connect(Box::new(connect)));
    rig
}

#[track_caller]
fn only_connack(rig: &mut ServerRig) -> ConnAck {
    let [Packet::ConnAck(connack)] = &rig.sent()[..] else { panic!("one CONNACK") };
    (**connack).clone()
}

// [MQTT-3.1.4-5] [MQTT-3.2.0-1] [MQTT-3.2.2-3] [MQTT-3.1.4-4 of 3.1.1] [MQTT-3.2.0-1 of 3.1.1]
#[test]
fn connack_is_the_first_packet_and_comes_when_the_broker_has_decided() {
    for version in Version::ALL {
        for session_present in [false, true] {
            let mut rig = asked(Connect { clean_start: false, ..connect(version) });
            let [ServerEvent::ConnectReceived(received)] = &rig.events()[..] else { panic!("one CONNECT") };
            assert_eq!((received.version, received.client_id.as_str()), (version, "c"));
            assert_eq!(rig.sent(), [], "nothing before the decision");
            assert_eq!(rig.engine.state_name(), "AwaitDecision");

            rig.accept(new_session(), session_present, ConnAckProperties::default());
            let connack = only_connack(&mut rig);
            assert_eq!(connack.reason, ReasonCode::Success);
            let says = version.rules().has_session_present.then_some(session_present);
            assert_eq!((connack.session_present, rig.engine.state_name()), (says, "Active"));
        }
    }
}

// [MQTT-3.1.0-1] [MQTT-3.14.0-1]
#[test]
fn a_first_packet_that_is_not_connect_closes_without_a_word() {
    for version in Version::ALL {
        let mut rig = rig(version);
        rig.client_bytes(&[0xC0, 0]);
        assert_eq!((rig.sent(), rig.closes()), (vec![], 1));
        assert!(matches!(rig.ended().cause, EndCause::Protocol(ProtocolError::Decode(_))));
    }
}

// [MQTT-3.1.4-1] [MQTT-3.1.4-1 of 3.1.1] [MQTT-3.1.2-3] [MQTT-3.1.2-3 of 3.1.1]
#[test]
fn a_malformed_connect_closes_without_connack() {
    for level in [4, 5] {
        let mut rig = rig(Version::V5);
        // The reserved flag is set.
        let tail = if level == 5 { &b"\x03\0\0\0\0\x01c"[..] } else { b"\x03\0\0\0\x01c" };
        let body = [b"\0\x04MQTT", &[level][..], tail].concat();
        rig.client_bytes(&[&[0x10, body.len() as u8][..], &body].concat());
        assert_eq!((rig.sent(), rig.closes()), (vec![], 1));
        assert!(matches!(rig.ended().cause, EndCause::Protocol(ProtocolError::Decode(_))));
    }
}

// [MQTT-3.1.0-2] [MQTT-3.1.0-2 of 3.1.1]
#[test]
fn a_second_connect_closes_the_connection() {
    for version in Version::ALL {
        let mut rig = ServerRig::connected(version);
        rig.client(Packet::Connect(Box::new(connect(version))));
        assert_closed_with(&mut rig, ReasonCode::ProtocolError);
    }
}

// [MQTT-4.12.0-6]
#[test]
fn auth_without_an_authentication_method_in_connect_closes_the_connection() {
    let mut rig = ServerRig::connected(Version::V5);
    rig.client(Packet::Auth(Box::new(Auth {
        reason: ReasonCode::ReAuthenticate,
        method: Some(Text::from_static("m").unwrap()),
        data: None,
        reason_string: None,
        user_properties: Vec::new(),
    })));
    assert_closed_with(&mut rig, ReasonCode::ProtocolError);
}

#[test]
fn a_client_that_is_not_accepted_within_the_connect_timeout_is_dropped() {
    let silent = rig(Version::V5);
    let undecided = asked(connect(Version::V5));
    for mut rig in [silent, undecided] {
        rig.advance(Duration::from_millis(9_999));
        assert_eq!(rig.closes(), 0);
        rig.advance(Duration::from_millis(1));
        assert_eq!((rig.closes(), rig.sent()), (1, vec![]));
        assert_eq!(rig.ended().cause, EndCause::ConnectTimeout);
        assert_eq!(rig.until(), None);
    }
}

// [MQTT-3.1.2-2] [MQTT-3.1.2-2 of 3.1.1]
#[test]
fn an_unknown_protocol_level_is_refused_in_the_shape_that_the_client_may_know() {
    for (level, expected) in
        [(6, &[0x20, 3, 0, 0x84, 0][..]), (9, &[0x20, 3, 0, 0x84, 0]), (2, &[0x20, 2, 0, 1])]
    {
        let version = if level > 5 { Version::V5 } else { Version::V3_1_1 };
        let mut rig = rig(version);
        rig.client_bytes(&[0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', level, 2, 0, 0, 0, 1, b'c']);
        assert_eq!(rig.sent_bytes(), expected);
        assert_eq!(only_connack(&mut rig).reason, ReasonCode::UnsupportedProtocolVersion);
        assert_eq!(rig.closes(), 1);
        let EndCause::Protocol(error) = rig.ended().cause else { panic!("a protocol error") };
        assert_eq!(error.reason(), ReasonCode::UnsupportedProtocolVersion);
    }
}

// [MQTT-3.1.3-8 of 3.1.1] [MQTT-3.1.3-9 of 3.1.1]
#[test]
fn an_empty_client_id_that_the_version_does_not_allow_is_refused_with_return_code_2() {
    for (version, clean_start) in [(Version::V3_1, true), (Version::V3_1, false), (Version::V3_1_1, false)] {
        let mut rig = asked(Connect { client_id: Text::EMPTY, clean_start, ..connect(version) });
        assert_eq!(only_connack(&mut rig).reason, ReasonCode::ClientIdentifierNotValid);
        assert_eq!(rig.closes(), 1);
        assert_eq!(rig.ended().cause, EndCause::Refused(ReasonCode::ClientIdentifierNotValid));
    }
}

// [MQTT-3.1.3-6] [MQTT-3.1.3-7] [MQTT-3.2.2-16] [MQTT-3.1.3-6 of 3.1.1]
#[test]
fn an_empty_client_id_needs_an_assigned_one_where_connack_can_say_it() {
    let mut rig = asked(Connect { client_id: Text::EMPTY, ..connect(Version::V5) });
    let error = rig.engine.accept(new_session(), false, ConnAckProperties::default(), rig.now).unwrap_err();
    assert!(matches!(error.kind, RequestError::Option { option: "assigned_client_id", .. }));
    let assigned_client_id = Some(Text::from_static("made-up-1").unwrap());
    rig.accept(error.session, false, ConnAckProperties { assigned_client_id, ..Default::default() });
    let assigned = only_connack(&mut rig).properties.assigned_client_id.unwrap();
    assert_eq!(assigned.as_str(), "made-up-1");

    let clean = Connect { client_id: Text::EMPTY, clean_start: true, ..connect(Version::V3_1_1) };
    let mut rig = asked(clean);
    rig.accept(new_session(), false, ConnAckProperties::default());
    assert_eq!(only_connack(&mut rig).reason, ReasonCode::Success);
}

// [MQTT-3.2.2-6] [MQTT-3.2.2-7] [MQTT-3.1.4-2] [MQTT-3.2.2-4 of 3.1.1] [MQTT-3.2.2-5 of 3.1.1]
#[test]
fn a_refusal_says_why_without_a_session_and_closes() {
    for version in Version::ALL {
        let mut rig = asked(connect(version));
        rig.events();
        let reason_string = Some(Text::from_static("not today").unwrap());
        let properties = ConnAckProperties { reason_string, ..ConnAckProperties::default() };
        rig.engine.refuse(ReasonCode::Banned, properties, rig.now).unwrap();
        rig.settle();
        let connack = only_connack(&mut rig);
        let nearest =
            if version.rules().has_properties { ReasonCode::Banned } else { ReasonCode::NotAuthorized };
        let session_present = version.rules().has_session_present.then_some(false);
        assert_eq!((connack.reason, connack.session_present), (nearest, session_present));
        assert_eq!(rig.closes(), 1);
        let ended = rig.ended();
        assert_eq!(ended.cause, EndCause::Refused(ReasonCode::Banned));
        assert_eq!((ended.will, ended.session_expiry_secs), (None, 0));
        assert!(rig.engine.take_session().is_none());
    }
}

// [MQTT-3.1.2-2] [MQTT-3.1.2-2 of 3.1.1]
#[test]
fn a_version_is_refused_in_the_form_that_the_broker_knows() {
    let cases: [(Version, Version, &[u8]); 4] = [
        (Version::V5, Version::V5, &[0x20, 3, 0, 0x84, 0]),
        (Version::V5, Version::V3_1_1, &[0x20, 2, 0, 1]),
        (Version::V5, Version::V3_1, &[0x20, 2, 0, 1]),
        (Version::V3_1, Version::V3_1_1, &[0x20, 2, 0, 1]),
    ];
    for (version, form, bytes) in cases {
        let mut rig = asked(connect(version));
        rig.events();
        rig.engine.refuse_version(form, rig.now).unwrap();
        rig.settle();
        assert_eq!((rig.sent_bytes(), rig.closes()), (bytes.to_vec(), 1));
        assert_eq!(rig.ended().cause, EndCause::Refused(ReasonCode::UnsupportedProtocolVersion));
        rig.engine.refuse_version(form, rig.now).unwrap_err();
    }
}

#[test]
fn a_refusal_must_be_one() {
    let mut rig = asked(connect(Version::V5));
    for reason in [ReasonCode::Success, ReasonCode::SessionTakenOver] {
        rig.engine.refuse(reason, ConnAckProperties::default(), rig.now).unwrap_err();
    }
    assert_eq!((rig.engine.state_name(), rig.sent()), ("AwaitDecision", vec![]));
}

// [MQTT-3.1.2-4] [MQTT-3.1.4-4] [MQTT-3.2.2-2] [MQTT-3.2.2-1 of 3.1.1] [MQTT-3.1.2-6 of 3.1.1]
#[test]
fn a_clean_start_takes_nothing_but_a_new_session() {
    for version in Version::ALL {
        let mut old = ServerRig::connected(version);
        old.publish(Message::new(topic("a"), "m").with_qos(QoS::AtLeastOnce));
        old.lose();
        let used = old.engine.take_session().unwrap();

        let mut rig = asked(Connect { clean_start: true, ..connect(version) });
        let properties = ConnAckProperties::default();
        let error = rig.engine.accept(used, false, properties.clone(), rig.now).unwrap_err();
        assert!(matches!(error.kind, RequestError::Option { option: "session", .. }), "{error}");
        assert_eq!(error.session.in_flight(), 1, "the session is handed back");
        let error = rig.engine.accept(new_session(), true, properties.clone(), rig.now).unwrap_err();
        assert!(matches!(error.kind, RequestError::Option { option: "session", .. }), "{error}");
        rig.accept(new_session(), false, properties);
        assert_ne!(only_connack(&mut rig).session_present, Some(true));
    }
}

// [MQTT-3.1.2-6] [MQTT-3.2.2-3]
#[test]
fn a_session_with_something_in_it_must_be_told_as_present() {
    let mut old = ServerRig::connected(Version::V5);
    old.publish(Message::new(topic("a"), "m").with_qos(QoS::AtLeastOnce));
    old.lose();
    let used = old.engine.take_session().unwrap();
    let mut rig = asked(Connect { clean_start: false, ..connect(Version::V5) });
    let error = rig.engine.accept(used, false, ConnAckProperties::default(), rig.now).unwrap_err();
    assert!(matches!(error.kind, RequestError::Option { option: "session", .. }));
}

// [MQTT-3.1.4-6] [MQTT-3.1.4-5 of 3.1.1]
#[test]
fn what_a_client_sends_right_behind_connect_waits_for_the_decision() {
    for version in Version::ALL {
        let mut accepted = asked(connect(version));
        accepted.events();
        accepted.client(qos0("a", "early"));
        assert!(accepted.events().is_empty());
        accepted.accept(new_session(), false, ConnAckProperties::default());
        assert_eq!(accepted.received().len(), 1);

        let mut refused = asked(connect(version));
        refused.client(qos0("a", "early"));
        refused.engine.refuse(ReasonCode::NotAuthorized, ConnAckProperties::default(), refused.now).unwrap();
        refused.settle();
        assert_eq!(refused.received().len(), 0);
    }
}

// [MQTT-3.2.2-12] [MQTT-3.2.2-13]
#[test]
fn a_will_that_the_grants_forbid_cannot_be_accepted() {
    let message = Message::new(topic("will"), "gone").with_qos(QoS::ExactlyOnce).with_retain(true);
    let will = Some(Will { message, delay_secs: None });
    let grants = [
        (
            ConnAckProperties { maximum_qos: Some(QoS::AtLeastOnce), ..Default::default() },
            ReasonCode::QoSNotSupported,
        ),
        (
            ConnAckProperties { retain_available: Some(false), ..Default::default() },
            ReasonCode::RetainNotSupported,
        ),
    ];
    for (properties, expected) in grants {
        let mut rig = asked(Connect { will: will.clone(), ..connect(Version::V5) });
        let error = rig.engine.accept(new_session(), false, properties, rig.now).unwrap_err();
        let RequestError::Limit(limit) = error.kind else { panic!("a limit") };
        assert_eq!(limit.reason(), expected);
        rig.engine.refuse(limit.reason(), ConnAckProperties::default(), rig.now).unwrap();
        rig.settle();
        assert_eq!(only_connack(&mut rig).reason, expected);
    }
}

// [MQTT-3.1.2-28]
#[test]
fn response_information_is_given_only_to_those_who_asked() {
    for (asks, gets) in [(None, false), (Some(false), false), (Some(true), true)] {
        let properties =
            ConnectProperties { request_response_information: asks, ..ConnectProperties::default() };
        let mut rig = asked(Connect { properties, ..connect(Version::V5) });
        let response_information = Some(Text::from_static("replies/c").unwrap());
        rig.accept(new_session(), false, ConnAckProperties { response_information, ..Default::default() });
        assert_eq!(only_connack(&mut rig).properties.response_information.is_some(), gets);
    }
}

// [MQTT-4.12.0-6]
#[test]
fn connack_names_no_authentication_method_that_connect_did_not() {
    let mut rig = asked(connect(Version::V5));
    let authentication_method = Some(Text::from_static("m").unwrap());
    let properties = ConnAckProperties { authentication_method, ..ConnAckProperties::default() };
    let error = rig.engine.accept(new_session(), false, properties, rig.now).unwrap_err();
    assert!(matches!(error.kind, RequestError::Option { option: "authentication_method", .. }));
}

#[test]
fn the_settings_are_announced_where_the_version_can() {
    for version in Version::ALL {
        let mut config = ServerConfig::new();
        config.receive_maximum = 7;
        config.packet_bytes_max = 1_000;
        config.topic_alias_maximum = 3;
        let mut rig = ServerRig::new(config, version);
        rig.client(Packet::Connect(Box::new(connect(version))));
        rig.accept(new_session(), false, ConnAckProperties::default());
        let said = only_connack(&mut rig).properties;
        let expected = if version.rules().has_properties {
            (NonZeroU16::new(7), Some(1_000), Some(3))
        } else {
            (None, None, None)
        };
        let maximum_packet_size = said.maximum_packet_size.map(|maximum| maximum.get());
        assert_eq!((said.receive_maximum, maximum_packet_size, said.topic_alias_maximum), expected);
        assert_eq!(rig.engine.limits().unwrap().session_expiry_secs, EXPIRY_NEVER);
    }
}

#[test]
fn settings_out_of_their_range_are_refused() {
    let broken: [fn(&mut ServerConfig); 5] = [
        |config| config.receive_maximum = 0,
        |config| config.in_flight_max = 0,
        |config| config.packet_bytes_max = 63,
        |config| config.inbound_bytes_max = 0,
        |config| config.connect_timeout = Duration::ZERO,
    ];
    assert_eq!(ServerConfig::new().check(), Ok(()));
    for change in broken {
        let mut config = ServerConfig::new();
        change(&mut config);
        config.check().unwrap_err();
    }
}
