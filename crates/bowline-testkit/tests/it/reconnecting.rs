//! When another attempt is made, when not, and how long it waits.

use std::time::Duration;

use bowline_proto::backoff::Backoff;
use bowline_proto::client::{ClientConfig, ClientEngine, DisconnectCause, Event, Input, Output, Reconnect};
use bowline_proto::packet::{Disconnect, Packet};
use bowline_proto::{ReasonCode, Timestamp, Version};
use bowline_testkit::ClientRig;

use crate::script::{causes, clean, kept, payloads, publish1};

const SECOND: Duration = Duration::from_secs(1);

/// The attempts and delays that were told since the last look.
fn delays(rig: &mut ClientRig) -> Vec<(u32, Duration)> {
    let told = rig.events().into_iter();
    let delay = |event| match event {
        Event::Reconnecting { attempt, delay } => Some((attempt, delay)),
        _ => None,
    };
    told.filter_map(delay).collect()
}

fn with_backoff(max: Duration) -> ClientConfig {
    let mut config = clean(Version::V5);
    config.reconnect = Reconnect::After(Backoff::full_jitter(SECOND, max).expect("a legal backoff"));
    config
}

// [MQTT-3.1.4-2 of 3.1.1]
#[test]
fn failed_attempts_wait_longer_and_longer_up_to_the_limit_and_with_jitter() {
    let mut rig = ClientRig::new(with_backoff(8 * SECOND));
    rig.answers_dials = false;
    rig.dial();
    let mut seen = Vec::new();
    for number in 1..=40 {
        rig.input(Input::DialFailed);
        let told = delays(&mut rig);
        let [(attempt, delay)] = told[..] else { panic!("{told:?}") };
        assert_eq!(attempt, number);
        let longest = (SECOND * (1 << (number - 1).min(3))).min(8 * SECOND);
        assert!(delay <= longest, "attempt {attempt} after {delay:?}");
        let before = rig.now;
        rig.wait_for_dial();
        assert_eq!(rig.now.saturating_since(before), delay, "the attempt comes when it was said to");
        seen.push(delay);
    }
    let late = &seen[3..];
    assert!(late.iter().any(|delay| *delay > 4 * SECOND), "{late:?}");
    assert!(
        late.iter().any(|delay| *delay < 4 * SECOND),
        "full jitter goes down to almost nothing: {late:?}"
    );
}

#[test]
fn clients_with_different_seeds_come_back_at_different_times_and_equal_seeds_at_the_same() {
    let first_delay = |seed| {
        let config = with_backoff(60 * SECOND);
        let mut engine = ClientEngine::new(config, seed, Timestamp::ZERO, Timestamp::ZERO).unwrap();
        engine.connect(Timestamp::ZERO);
        engine.handle_input(Input::DialFailed, Timestamp::ZERO);
        loop {
            match engine.poll_output(Timestamp::ZERO) {
                Output::Event(Event::Reconnecting { delay, .. }) => return delay,
                Output::Sleep { .. } => panic!("a delay is told"),
                _ => {}
            }
        }
    };
    assert_eq!(first_delay(1), first_delay(1));
    assert_ne!(first_delay(1), first_delay(2));
}

#[test]
fn a_connection_that_lasted_starts_the_delays_over_and_a_short_one_does_not() {
    let mut config = with_backoff(60 * SECOND);
    config.keep_alive_secs = 0;
    let mut rig = ClientRig::new(config);
    rig.connect(false);
    rig.reconnect(false);
    rig.reconnect(false);
    rig.lose();
    assert_eq!(delays(&mut rig).last().map(|(attempt, _)| *attempt), Some(3));
    rig.wait_for_dial();
    rig.connect(false);
    rig.advance(30 * SECOND);
    rig.lose();
    assert_eq!(delays(&mut rig).last().map(|(attempt, _)| *attempt), Some(1));
}

#[test]
fn never_means_that_the_first_loss_stops() {
    for version in Version::ALL {
        let mut config = clean(version);
        config.reconnect = Reconnect::Never;
        let mut rig = ClientRig::connected(config);
        rig.lose();
        let told = rig.events();
        assert!(matches!(told[..], [Event::Disconnected(_), Event::Stopped]), "{told:?}");
        assert_eq!((rig.engine.state_name(), rig.until()), ("Stopped", None));
    }
}

// [MQTT-3.1.4-3] [MQTT-3.1.3-8]
#[test]
fn a_session_that_was_taken_over_is_not_taken_back_in_a_loop() {
    let mut rig = ClientRig::connected(kept(Version::V5));
    rig.broker(Packet::Disconnect(Box::new(Disconnect::new(ReasonCode::SessionTakenOver))));
    let told = causes(&mut rig);
    let [DisconnectCause::ByBroker(said)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(said.reason, ReasonCode::SessionTakenOver);
    assert_eq!(rig.engine.state_name(), "Stopped");
    let mut rig = ClientRig::new(kept(Version::V5));
    rig.dial();
    rig.refuse_connect(ReasonCode::ClientIdentifierNotValid);
    assert_eq!(rig.engine.state_name(), "Stopped");
    rig.dial();
    assert_eq!((rig.engine.state_name(), rig.dials()), ("AwaitConnack", 2), "the caller may try again");
}

// [MQTT-3.14.4-2]
#[test]
fn what_the_broker_says_when_it_disconnects_is_told_and_answered_with_nothing() {
    let cases = [
        (ReasonCode::ServerShuttingDown, "Backoff"),
        (ReasonCode::KeepAliveTimeout, "Backoff"),
        (ReasonCode::ServerBusy, "Backoff"),
        (ReasonCode::NotAuthorized, "Stopped"),
        (ReasonCode::ServerMoved, "Stopped"),
    ];
    for (reason, state) in cases {
        let mut rig = ClientRig::connected(kept(Version::V5));
        publish1(&mut rig, "x");
        rig.sent();
        rig.broker(Packet::Disconnect(Box::new(Disconnect::new(reason))));
        publish1(&mut rig, "later");
        assert_eq!((rig.engine.state_name(), rig.closes(), rig.sent().len()), (state, 1, 0), "{reason:?}");
    }
}

#[test]
fn every_way_to_lose_a_connection_is_told_apart_and_tried_again() {
    for version in Version::ALL {
        let losses = [
            (Input::Closed, DisconnectCause::ClosedByPeer),
            (Input::TransportFailed, DisconnectCause::TransportFailed),
        ];
        for (input, cause) in losses {
            let mut rig = ClientRig::connected(clean(version));
            rig.input(input);
            assert_eq!(causes(&mut rig), [cause]);
            assert_eq!(rig.closes(), 1, "the driver is told to let go");
            rig.wait_for_dial();
            rig.connect(false);
        }
    }
}

#[test]
fn connect_during_the_delay_dials_at_once_and_disconnect_ends_the_attempts() {
    let mut rig = ClientRig::connected(clean(Version::V5));
    rig.lose();
    rig.dial();
    assert_eq!((rig.dials(), rig.engine.state_name()), (2, "AwaitConnack"));
    rig.lose();
    rig.engine.disconnect(Disconnect::new(ReasonCode::Success), rig.now).unwrap();
    rig.settle();
    assert_eq!((rig.engine.state_name(), rig.until()), ("Stopped", None));
    rig.advance(Duration::from_secs(3_600));
    assert_eq!(rig.dials(), 2);
}

#[test]
fn an_answer_to_an_attempt_that_was_given_up_changes_nothing() {
    let mut rig = ClientRig::new(clean(Version::V5));
    rig.answers_dials = false;
    rig.dial();
    rig.advance(Duration::from_secs(30));
    assert_eq!(rig.engine.state_name(), "Backoff");
    rig.input(Input::Connected);
    assert_eq!((rig.engine.state_name(), rig.sent().len()), ("Backoff", 0));
    rig.input(Input::DialFailed);
    rig.input(Input::Closed);
    assert_eq!(rig.engine.state_name(), "Backoff");
}

#[test]
fn what_was_published_while_away_goes_out_after_the_reconnect() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        rig.lose();
        publish1(&mut rig, "1");
        rig.wait_for_dial();
        publish1(&mut rig, "2");
        rig.connect(false);
        publish1(&mut rig, "3");
        assert_eq!(payloads(&mut rig), ["1", "2", "3"]);
    }
}

#[test]
fn new_credentials_are_said_at_the_next_connect() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        let password = bowline_proto::packet::Secret("fresh".into());
        rig.engine.set_credentials(Some(crate::script::text("u")), Some(password.clone())).unwrap();
        rig.lose();
        rig.wait_for_dial();
        let connect = crate::script::connect_sent(&mut rig);
        assert_eq!((connect.user_name, connect.password), (Some(crate::script::text("u")), Some(password)));
        let refused = rig.engine.set_credentials(None, Some(bowline_proto::packet::Secret("p".into())));
        assert_eq!(refused.is_err(), version != Version::V5, "a password needs a user name before 5.0");
    }
}
