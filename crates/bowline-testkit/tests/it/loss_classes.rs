//! Which losses are followed by another attempt, code by code.

use std::time::Duration;

use bowline_proto::client::{ClientConfig, DisconnectCause, Event, Input, LossClass};
use bowline_proto::packet::{ConnAckProperties, Disconnect, Packet};
use bowline_proto::{ReasonCode, Version};
use bowline_testkit::ClientRig;
use bowline_testkit::client_rig::connack;

use crate::script::{clean, kept};

/// The client's state after the first CONNECT was refused.
fn after_refusal(config: ClientConfig, reason: ReasonCode) -> &'static str {
    let mut rig = ClientRig::new(config);
    rig.dial();
    rig.refuse_connect(reason);
    rig.engine.state_name()
}

#[test]
fn every_return_code_of_the_older_versions_has_its_class() {
    let classes = [
        (ReasonCode::UnsupportedProtocolVersion, 1, "Stopped"),
        (ReasonCode::ClientIdentifierNotValid, 2, "Stopped"),
        (ReasonCode::ServerUnavailable, 3, "Backoff"),
        (ReasonCode::BadUserNameOrPassword, 4, "Stopped"),
        (ReasonCode::NotAuthorized, 5, "Stopped"),
    ];
    for version in [Version::V3_1, Version::V3_1_1] {
        for (reason, code, state) in classes {
            let mut rig = ClientRig::new(clean(version));
            rig.dial();
            rig.broker_bytes(&[0x20, 2, 0, code]);
            assert_eq!(rig.engine.state_name(), state, "{reason:?} of {version:?}");
        }
    }
}

#[test]
fn what_a_refusal_says_decides_whether_another_attempt_follows() {
    let classes = [
        (ReasonCode::UnspecifiedError, "Backoff"),
        (ReasonCode::ServerUnavailable, "Backoff"),
        (ReasonCode::ServerBusy, "Backoff"),
        (ReasonCode::QuotaExceeded, "Backoff"),
        (ReasonCode::ConnectionRateExceeded, "Backoff"),
        (ReasonCode::UnsupportedProtocolVersion, "Stopped"),
        (ReasonCode::ClientIdentifierNotValid, "Stopped"),
        (ReasonCode::BadUserNameOrPassword, "Stopped"),
        (ReasonCode::NotAuthorized, "Stopped"),
        (ReasonCode::BadAuthenticationMethod, "Stopped"),
        (ReasonCode::Banned, "Stopped"),
        (ReasonCode::TopicNameInvalid, "Stopped"),
        (ReasonCode::QoSNotSupported, "Stopped"),
        (ReasonCode::UseAnotherServer, "Stopped"),
    ];
    for (reason, state) in classes {
        assert_eq!(after_refusal(clean(Version::V5), reason), state, "{reason:?}");
    }
}

#[test]
fn a_disconnect_over_a_message_is_followed_by_another_attempt() {
    for reason in [
        ReasonCode::TopicNameInvalid,
        ReasonCode::PacketTooLarge,
        ReasonCode::PayloadFormatInvalid,
        ReasonCode::RetainNotSupported,
        ReasonCode::QoSNotSupported,
    ] {
        let mut rig = ClientRig::connected(kept(Version::V5));
        rig.broker(Packet::Disconnect(Box::new(Disconnect::new(reason))));
        assert_eq!(rig.engine.state_name(), "Backoff", "{reason:?}");
    }
}

#[test]
fn refused_credentials_are_followed_by_one_more_attempt_if_there_are_fresh_ones() {
    for version in Version::ALL {
        for reason in [ReasonCode::BadUserNameOrPassword, ReasonCode::NotAuthorized] {
            let mut config = clean(version);
            config.has_fresh_credentials = true;
            let mut rig = ClientRig::new(config);
            rig.dial();
            rig.refuse_connect(reason);
            assert_eq!(rig.engine.state_name(), "Backoff", "fresh ones may do");
            rig.wait_for_dial();
            // Accepted meanwhile: the next refusal is a first one again.
            rig.broker(connack(version, false, ReasonCode::Success, ConnAckProperties::default()));
            rig.lose();
            for state in ["Backoff", "Stopped"] {
                rig.wait_for_dial();
                rig.refuse_connect(reason);
                assert_eq!(rig.engine.state_name(), state, "{version:?}");
            }
        }
    }
}

#[test]
fn repeated_overflows_wait_longer_and_longer_however_long_each_connection_lasted() {
    let attempts = |cause: ReasonCode| {
        let mut config = kept(Version::V5);
        config.keep_alive_secs = 0;
        let mut rig = ClientRig::connected(config);
        let mut attempts = Vec::new();
        for _ in 0..4 {
            rig.advance(Duration::from_secs(3_600));
            rig.broker(Packet::Disconnect(Box::new(Disconnect::new(cause))));
            attempts.extend(rig.events().into_iter().filter_map(|event| match event {
                Event::Reconnecting { attempt, .. } => Some(attempt),
                _ => None,
            }));
            // An attempt that fails on the way excuses nothing either.
            rig.wait_for_dial();
            rig.lose();
            rig.wait_for_dial();
            rig.connect(true);
            rig.events();
        }
        attempts
    };
    assert_eq!(attempts(ReasonCode::QuotaExceeded), [1, 3, 5, 7]);
    assert_eq!(attempts(ReasonCode::ServerBusy), [1, 1, 1, 1]);
}

#[test]
fn a_cause_tells_its_class() {
    assert_eq!(DisconnectCause::Requested.class(), LossClass::Stop);
    assert_eq!(DisconnectCause::PingTimeout.class(), LossClass::Retry);
    let moved = DisconnectCause::ByBroker(Box::new(Disconnect::new(ReasonCode::ServerMoved)));
    assert_eq!(moved.class(), LossClass::AnotherServer);
    let mut rig = ClientRig::new(clean(Version::V5));
    rig.answers_dials = false;
    rig.dial();
    rig.input(Input::DialFailed);
    assert_eq!(rig.engine.state_name(), "Backoff");
}
