//! A client that may speak several versions: what makes it fall back, where it goes from there, and what it remembers.

use std::time::Duration;

use bowline_proto::client::{
    Address, AddressSessions, ClientConfig, ClientEngine, DisconnectCause, Event, Input, Reconnect,
    VersionFallback,
};
use bowline_proto::error::RequestError;
use bowline_proto::packet::ConnAckProperties;
use bowline_proto::{ReasonCode, Timestamp, Version};
use bowline_testkit::client_rig::connack;
use bowline_testkit::{ClientRig, Commit, TestStore};

use crate::script::{accepted, causes, clean, connect_sent, durable, kept, publish1, text};

/// Prefers 5.0, and falls back as far as this.
pub(crate) fn falls_back(mut config: ClientConfig, oldest: Version) -> ClientConfig {
    config.version_fallback = Some(VersionFallback::to(oldest));
    config
}

/// Return code 1, as a broker says it that knows no 5.0.
const RETURN_CODE_1: [u8; 4] = [0x20, 2, 0, 1];

fn refuse_with_0x84(rig: &mut ClientRig) {
    rig.refuse_connect(ReasonCode::UnsupportedProtocolVersion);
}

fn refuse_with_code_1(rig: &mut ClientRig) {
    rig.broker_bytes(&RETURN_CODE_1);
}

/// The three ways in which brokers refuse a version.
const REFUSALS: [fn(&mut ClientRig); 3] = [refuse_with_0x84, refuse_with_code_1, ClientRig::close];

/// The version of the CONNECT that was sent since the last look.
fn spoken(rig: &mut ClientRig) -> Version {
    connect_sent(rig).version
}

/// Refuses 5.0 by return code and accepts 3.1.1; the rig has forgotten how it got there.
pub(crate) fn fallen_back(config: ClientConfig) -> ClientRig {
    let mut rig = ClientRig::new(config);
    rig.dial();
    refuse_with_code_1(&mut rig);
    while rig.engine.state_name() == "AwaitConnack" {
        rig.broker(accepted(Version::V3_1_1, false));
    }
    assert_eq!((rig.engine.state_name(), rig.engine.version()), ("Active", Version::V3_1_1));
    rig.sent();
    rig.events();
    rig
}

// [MQTT-3.1.2-2] [MQTT-3.1.2-2 of 3.1.1]
#[test]
fn each_way_of_refusing_5_0_leads_to_3_1_1_at_once() {
    for refuse in REFUSALS {
        for reconnect in [Reconnect::Never, clean(Version::V5).reconnect] {
            let mut config = falls_back(clean(Version::V5), Version::V3_1_1);
            config.reconnect = reconnect;
            let mut rig = ClientRig::new(config);
            rig.dial();
            assert_eq!(spoken(&mut rig), Version::V5);
            let before = rig.now;
            refuse(&mut rig);
            assert_eq!((spoken(&mut rig), rig.now, rig.closes()), (Version::V3_1_1, before, 1));
            let events = rig.events();
            let [Event::Disconnected(_), Event::VersionRefused { refused, next }] = events[..] else {
                panic!("{events:?}")
            };
            assert_eq!((refused, next), (Version::V5, Version::V3_1_1));
            rig.broker(accepted(Version::V3_1_1, false));
            assert_eq!((rig.engine.state_name(), rig.engine.version()), ("Active", Version::V3_1_1));
        }
    }
}

#[test]
fn without_a_fallback_the_version_is_spoken_or_none() {
    for (refuse, state) in REFUSALS.into_iter().zip(["Stopped", "Stopped", "Backoff"]) {
        let mut rig = ClientRig::new(clean(Version::V5));
        rig.dial();
        refuse(&mut rig);
        assert_eq!((rig.engine.state_name(), rig.dials()), (state, 1));
    }
}

#[test]
fn each_version_is_tried_once_and_if_the_broker_said_no_to_all_the_client_stops() {
    let mut rig = ClientRig::new(falls_back(clean(Version::V5), Version::V3_1));
    rig.dial();
    let mut tried = vec![spoken(&mut rig)];
    refuse_with_0x84(&mut rig);
    tried.push(spoken(&mut rig));
    rig.broker_bytes(&RETURN_CODE_1);
    tried.push(spoken(&mut rig));
    rig.broker_bytes(&RETURN_CODE_1);
    assert_eq!(tried, [Version::V5, Version::V3_1_1, Version::V3_1]);
    assert_eq!((rig.engine.state_name(), rig.dials()), ("Stopped", 3));
}

#[test]
fn a_close_among_the_refusals_has_the_client_begin_anew_after_the_delay() {
    for refuse in [refuse_with_code_1, ClientRig::close] {
        let mut rig = ClientRig::new(falls_back(clean(Version::V5), Version::V3_1_1));
        rig.dial();
        rig.close();
        rig.sent();
        refuse(&mut rig);
        assert_eq!((rig.engine.state_name(), rig.dials()), ("Backoff", 2), "each was tried once");
        rig.wait_for_dial();
        assert_eq!(spoken(&mut rig), Version::V5);
    }
}

#[test]
fn nothing_but_a_refusal_of_the_version_is_a_reason_to_fall_back() {
    let others: [fn(&mut ClientRig); 6] = [
        ClientRig::lose,
        |rig| rig.advance(Duration::from_secs(30)),
        |rig| rig.refuse_connect(ReasonCode::ServerUnavailable),
        |rig| rig.broker_bytes(&[0xD0, 0]),
        // A part of an answer is not silence.
        |rig| {
            rig.broker_bytes(&[0x20]);
            rig.close();
        },
        // What was not written was not refused.
        |rig| {
            rig.lose();
            rig.writes = false;
            rig.wait_for_dial();
            rig.close();
            rig.writes = true;
        },
    ];
    for other in others {
        let mut rig = ClientRig::new(falls_back(clean(Version::V5), Version::V3_1));
        rig.dial();
        other(&mut rig);
        assert_eq!(rig.engine.state_name(), "Backoff");
        rig.sent();
        rig.wait_for_dial();
        assert_eq!(spoken(&mut rig), Version::V5);
    }
    let mut rig = ClientRig::new(falls_back(clean(Version::V5), Version::V3_1));
    rig.answers_dials = false;
    rig.dial();
    rig.input(Input::DialFailed);
    assert_eq!(rig.engine.state_name(), "Backoff");
}

#[test]
fn an_older_version_that_is_not_accepted_is_not_remembered() {
    let others: [fn(&mut ClientRig); 3] = [
        ClientRig::lose,
        |rig| rig.broker(connack(Version::V3_1_1, false, ReasonCode::ServerUnavailable, Default::default())),
        |rig| rig.advance(Duration::from_secs(30)),
    ];
    for refuse in REFUSALS {
        for other in others {
            let mut rig = ClientRig::new(falls_back(clean(Version::V5), Version::V3_1_1));
            rig.dial();
            refuse(&mut rig);
            rig.sent();
            other(&mut rig);
            rig.wait_for_dial();
            assert_eq!(spoken(&mut rig), Version::V5);
        }
    }
}

#[test]
fn the_version_that_was_accepted_is_kept_whatever_happens_to_connections() {
    let mut rig = fallen_back(falls_back(clean(Version::V5), Version::V3_1));
    for lose in [ClientRig::lose, ClientRig::close] {
        lose(&mut rig);
        rig.wait_for_dial();
        assert_eq!(spoken(&mut rig), Version::V3_1_1);
    }
    // The broker is starting, or stopping.
    rig.close();
    assert_eq!(rig.engine.state_name(), "Backoff", "a close does not make it fall back further");
    rig.wait_for_dial();
    assert_eq!(spoken(&mut rig), Version::V3_1_1);
}

#[test]
fn a_broker_that_took_5_0_once_is_not_given_up_for_a_close() {
    let mut rig = ClientRig::connected(falls_back(clean(Version::V5), Version::V3_1_1));
    rig.lose();
    rig.wait_for_dial();
    rig.close();
    assert_eq!(rig.engine.state_name(), "Backoff");
    rig.sent();
    rig.wait_for_dial();
    assert_eq!(spoken(&mut rig), Version::V5);
}

#[test]
fn a_broker_that_refuses_what_it_accepted_before_is_asked_for_the_newest_again() {
    let mut rig = fallen_back(falls_back(clean(Version::V5), Version::V3_1));
    rig.lose();
    rig.wait_for_dial();
    rig.sent();
    rig.broker_bytes(&RETURN_CODE_1);
    assert_eq!(spoken(&mut rig), Version::V5);
    rig.broker(accepted(Version::V5, false));
    assert_eq!(rig.engine.version(), Version::V5);
    rig.lose();
    rig.wait_for_dial();
    assert_eq!(spoken(&mut rig), Version::V5, "and that is kept in its place");
}

#[test]
fn a_session_that_outlives_its_connection_goes_on_in_its_version_or_not_at_all() {
    let mut rig = fallen_back(falls_back(kept(Version::V5), Version::V3_1));
    rig.lose();
    rig.wait_for_dial();
    rig.broker_bytes(&RETURN_CODE_1);
    assert_eq!(rig.engine.state_name(), "Stopped");
    let causes = causes(&mut rig);
    assert!(matches!(&causes[..], [_, DisconnectCause::Refused(connack)]
        if connack.reason == ReasonCode::UnsupportedProtocolVersion));
}

#[test]
fn a_durable_session_keeps_its_version_over_a_restart() {
    let config = falls_back(durable(Version::V5), Version::V3_1);
    let mut rig = fallen_back(config);
    publish1(&mut rig, "m");
    let mut rig = rig.crash();
    assert_eq!(rig.engine.version(), Version::V3_1_1);
    rig.dial();
    let connect = connect_sent(&mut rig);
    assert_eq!((connect.version, connect.clean_start), (Version::V3_1_1, false));
    // The broker is starting.
    rig.close();
    assert_eq!(rig.engine.state_name(), "Backoff");
    rig.wait_for_dial();
    assert_eq!(spoken(&mut rig), Version::V3_1_1);
}

#[test]
fn a_stored_session_of_a_version_that_is_not_allowed_is_refused() {
    let stored = || {
        let rig = fallen_back(falls_back(durable(Version::V5), Version::V3_1_1));
        rig.store.after_crash()
    };
    let resume = |config: ClientConfig| {
        let recovered = stored().recover(config.queue.memory_bytes_max);
        let now = Timestamp::from_secs(1);
        ClientEngine::resume(config, recovered, 7, now, now).map(|engine| engine.version())
    };
    let wrong = Err(RequestError::WrongSession { what: "version" });
    assert_eq!(resume(durable(Version::V5)), wrong);
    assert_eq!(resume(falls_back(durable(Version::V3_1_1), Version::V3_1)), Ok(Version::V3_1_1));
    assert_eq!(resume(durable(Version::V3_1_1)), Ok(Version::V3_1_1));
    assert_eq!(resume(falls_back(durable(Version::V5), Version::V3_1)), Ok(Version::V3_1_1));
}

#[test]
fn the_version_is_durable_before_anything_is_sent_in_it() {
    let mut rig = ClientRig::resume(
        falls_back(durable(Version::V5), Version::V3_1_1),
        TestStore::new(Commit::AtOnce),
        Timestamp::ZERO,
    );
    publish1(&mut rig, "m");
    rig.dial();
    refuse_with_code_1(&mut rig);
    rig.broker(accepted(Version::V3_1_1, false));
    rig.sent();
    rig.store.commit = Commit::OnDemand;
    rig.broker(accepted(Version::V3_1_1, false));
    assert_eq!((rig.engine.state_name(), rig.sent().len()), ("Active", 0));
    rig.commit();
    assert_eq!(rig.sent().len(), 1);
}

#[test]
fn a_new_kept_session_discards_the_old_one_in_the_version_that_is_accepted() {
    let mut config = falls_back(kept(Version::V5), Version::V3_1_1);
    config.session = durable(Version::V5).session;
    let mut rig = ClientRig::new(config);
    rig.dial();
    let first = connect_sent(&mut rig);
    assert_eq!((first.version, first.clean_start), (Version::V5, true));
    refuse_with_code_1(&mut rig);
    let discards = connect_sent(&mut rig);
    assert_eq!((discards.version, discards.clean_start), (Version::V3_1_1, true));
    rig.broker(accepted(Version::V3_1_1, false));
    let sent = rig.sent();
    let [_, bowline_proto::packet::Packet::Connect(keeps)] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!((keeps.version, keeps.clean_start), (Version::V3_1_1, false));
}

#[test]
fn each_of_several_independent_addresses_has_a_version_of_its_own() {
    let mut config = falls_back(clean(Version::V5), Version::V3_1_1);
    config.addresses.count = 2;
    config.addresses.sessions = AddressSessions::Independent;
    let mut rig = ClientRig::connected(config);
    assert_eq!((rig.engine.address(), rig.engine.version()), (Address::Listed(0), Version::V5));
    rig.lose();
    rig.wait_for_dial();
    rig.lose();
    rig.sent();
    assert_eq!(rig.engine.address(), Address::Listed(1));
    // This one closes on 5.0; the other one's word does not count here.
    rig.close();
    assert_eq!((spoken(&mut rig), rig.engine.address()), (Version::V3_1_1, Address::Listed(1)));
    rig.broker(accepted(Version::V3_1_1, false));
    assert_eq!(rig.engine.state_name(), "Active");
    rig.lose();
    rig.wait_for_dial();
    assert_eq!((spoken(&mut rig), rig.engine.address()), (Version::V3_1_1, Address::Listed(1)));
    rig.lose();
    assert_eq!((spoken(&mut rig), rig.engine.address()), (Version::V5, Address::Listed(0)));
    rig.broker(connack(Version::V5, false, ReasonCode::Success, ConnAckProperties::default()));
    assert_eq!(rig.engine.state_name(), "Active");
}

#[test]
fn a_durable_session_at_one_of_several_independent_addresses_keeps_its_version_there() {
    let mut config = falls_back(durable(Version::V5), Version::V3_1_1);
    config.addresses.count = 2;
    config.addresses.sessions = AddressSessions::Independent;
    config.address_names = vec![text("first"), text("second")];
    let mut rig = ClientRig::new(config);
    rig.dial();
    // The first one is away.
    rig.lose();
    refuse_with_code_1(&mut rig);
    while rig.engine.state_name() == "AwaitConnack" {
        rig.broker(accepted(Version::V3_1_1, false));
    }
    let mut rig = rig.crash();
    rig.dial();
    let connect = connect_sent(&mut rig);
    assert_eq!((connect.version, connect.clean_start), (Version::V3_1_1, false));
    assert_eq!(rig.engine.address(), Address::Listed(1));
    rig.lose();
    let elsewhere = connect_sent(&mut rig);
    assert_eq!((elsewhere.version, elsewhere.clean_start), (Version::V5, true));
    assert_eq!(rig.engine.address(), Address::Listed(0));
}

#[test]
fn the_next_address_is_asked_for_the_newest_version_first() {
    let mut config = falls_back(clean(Version::V5), Version::V3_1_1);
    config.addresses.count = 2;
    let mut rig = ClientRig::new(config);
    rig.dial();
    rig.close();
    assert_eq!(rig.engine.address(), Address::Listed(0), "first the versions, then the addresses");
    rig.sent();
    rig.close();
    assert_eq!((spoken(&mut rig), rig.engine.address()), (Version::V5, Address::Listed(1)));
}
