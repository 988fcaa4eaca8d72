//! Where the next attempt goes: lists of addresses, servers that name another one, and whose session it is.

use std::collections::BTreeSet;
use std::time::Duration;

use bowline_proto::backoff::Backoff;
use bowline_proto::client::{
    Address, AddressOrder, AddressSessions, ClientConfig, DisconnectCause, Event, Input, Outcome, Reconnect,
    SessionPolicy,
};
use bowline_proto::packet::connect::EXPIRY_NEVER;
use bowline_proto::packet::{ConnAckProperties, Disconnect, DisconnectProperties, Packet};
use bowline_proto::{ReasonCode, Text, Version};
use bowline_testkit::ClientRig;
use bowline_testkit::client_rig::connack;

use crate::script::{accepted, clean, connect_sent, kept, payloads, publish1, publish2, text};

fn listed(mut config: ClientConfig, count: u16) -> ClientConfig {
    config.addresses.count = count;
    config
}

fn independent(mut config: ClientConfig) -> ClientConfig {
    config.addresses.count = 2;
    config.addresses.sessions = AddressSessions::Independent;
    config
}

/// Fails attempts until a delay comes; where they went.
fn round(rig: &mut ClientRig) -> Vec<Address> {
    let mut tried = vec![rig.engine.address()];
    loop {
        rig.input(Input::DialFailed);
        if rig.engine.state_name() == "Backoff" {
            rig.wait_for_dial();
            return tried;
        }
        tried.push(rig.engine.address());
    }
}

fn places(tried: &[Address]) -> Vec<u16> {
    let place = |address: &Address| match address {
        Address::Listed(place) => *place,
        Address::Redirected(_) => panic!("nobody redirects"),
    };
    tried.iter().map(place).collect()
}

#[test]
fn an_attempt_that_fails_moves_on_at_once_until_the_list_is_through() {
    let mut rig = ClientRig::new(listed(clean(Version::V5), 3));
    rig.answers_dials = false;
    rig.dial();
    let start = rig.now;
    assert_eq!(places(&round(&mut rig)), [0, 1, 2]);
    assert!(rig.now > start, "then the delay comes");
    assert_eq!(places(&round(&mut rig)), [0, 1, 2]);
    let attempts: Vec<_> = rig.events();
    let delays = attempts.iter().filter(|event| matches!(event, Event::Reconnecting { .. })).count();
    assert_eq!(delays, 2, "one delay for each round");
}

#[test]
fn refusals_timeouts_and_nonsense_move_on_and_refused_credentials_do_not() {
    let failures: [fn(&mut ClientRig); 4] = [
        |rig| rig.refuse_connect(ReasonCode::ServerBusy),
        ClientRig::close,
        |rig| rig.advance(Duration::from_secs(30)),
        |rig| rig.broker_bytes(&[0xD0, 0]),
    ];
    for failure in failures {
        let mut rig = ClientRig::new(listed(clean(Version::V5), 2));
        rig.dial();
        failure(&mut rig);
        assert_eq!((rig.engine.state_name(), rig.engine.address()), ("AwaitConnack", Address::Listed(1)));
    }
    let mut config = listed(clean(Version::V5), 2);
    config.has_fresh_credentials = true;
    let mut rig = ClientRig::new(config);
    rig.dial();
    rig.refuse_connect(ReasonCode::NotAuthorized);
    assert_eq!((rig.engine.state_name(), rig.engine.address()), ("Backoff", Address::Listed(0)));
}

#[test]
fn after_a_loss_the_delay_comes_first_and_the_address_that_was_lost_is_tried_first() {
    let mut rig = ClientRig::new(listed(clean(Version::V5), 3));
    rig.dial();
    rig.close();
    rig.broker(accepted(Version::V5, false));
    assert_eq!((rig.engine.state_name(), rig.engine.address()), ("Active", Address::Listed(1)));
    rig.lose();
    assert_eq!(rig.engine.state_name(), "Backoff");
    rig.answers_dials = false;
    rig.wait_for_dial();
    assert_eq!(places(&round(&mut rig)), [1, 2, 0]);
}

#[test]
fn at_random_each_round_has_every_address_once_in_an_order_of_its_own() {
    let mut config = listed(clean(Version::V5), 4);
    config.addresses.order = AddressOrder::Random;
    let mut rig = ClientRig::new(config);
    rig.answers_dials = false;
    rig.dial();
    let orders: BTreeSet<_> = (0..20).map(|_| places(&round(&mut rig))).collect();
    assert!(orders.len() > 5, "{orders:?}");
    for order in &orders {
        assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), 4, "{order:?}");
    }
}

/// The broker sends the client elsewhere: instead of CONNACK, or afterwards.
fn redirect(rig: &mut ClientRig, reason: ReasonCode, reference: Option<&'static str>) {
    let reference = reference.map(text);
    if rig.engine.state_name() == "AwaitConnack" {
        let properties = ConnAckProperties { server_reference: reference, ..Default::default() };
        rig.broker(connack(Version::V5, false, reason, properties));
    } else {
        let mut disconnect = Disconnect::new(reason);
        let properties = DisconnectProperties { server_reference: reference, ..Default::default() };
        disconnect.properties = Some(Box::new(properties));
        rig.broker(Packet::Disconnect(Box::new(disconnect)));
    }
}

fn references(rig: &mut ClientRig) -> Vec<(String, bool)> {
    let told = rig.events().into_iter();
    let reference = |event| match event {
        Event::Redirected { reference, is_permanent } => Some((reference.to_string(), is_permanent)),
        _ => None,
    };
    told.filter_map(reference).collect()
}

// [MQTT-3.2.2-22] [MQTT-3.14.2-1]
#[test]
fn a_server_that_names_another_one_is_followed_at_once_from_connack_and_disconnect() {
    for (reason, is_permanent) in [(ReasonCode::UseAnotherServer, false), (ReasonCode::ServerMoved, true)] {
        let mut rig = ClientRig::new(kept(Version::V5));
        rig.dial();
        redirect(&mut rig, reason, Some("other:1884"));
        assert_eq!(references(&mut rig), [("other:1884".to_owned(), is_permanent)]);
        assert_eq!((rig.engine.state_name(), rig.engine.address()), ("AwaitConnack", Address::Redirected(1)));
        rig.broker(accepted(Version::V5, false));
        redirect(&mut rig, reason, Some("third"));
        assert_eq!((rig.dials(), rig.engine.address()), (3, Address::Redirected(2)));
        rig.broker(accepted(Version::V5, false));
        rig.lose();
        rig.wait_for_dial();
        let expected = if is_permanent { Address::Redirected(2) } else { Address::Listed(0) };
        assert_eq!(rig.engine.address(), expected, "{reason:?}");
        rig.refuse_connect(ReasonCode::ServerUnavailable);
        assert_eq!(rig.engine.address(), Address::Listed(0), "what cannot be reached is no use");
    }
}

/// A client that was moved from the first address of its list for good, and sent on from there for a while.
fn sent_on_after_a_move() -> ClientRig {
    let mut rig = ClientRig::new(listed(kept(Version::V5), 2));
    rig.connect(false);
    redirect(&mut rig, ReasonCode::ServerMoved, Some("new home"));
    rig.broker(accepted(Version::V5, true));
    redirect(&mut rig, ReasonCode::UseAnotherServer, Some("helper"));
    assert_eq!(rig.engine.address(), Address::Redirected(2));
    assert_eq!(rig.engine.reference().map(Text::as_str), Some("helper"));
    rig
}

#[test]
fn after_a_server_for_a_while_comes_the_one_to_which_we_were_moved_for_good() {
    let comes_home = |rig: &ClientRig| {
        assert_eq!(rig.engine.address(), Address::Redirected(1));
        assert_eq!(rig.engine.reference().map(Text::as_str), Some("new home"));
    };
    let mut rig = sent_on_after_a_move();
    rig.broker(accepted(Version::V5, true));
    rig.lose();
    rig.wait_for_dial();
    comes_home(&rig);
    rig.broker(accepted(Version::V5, true));
    rig.lose();
    rig.wait_for_dial();
    comes_home(&rig);

    let mut rig = sent_on_after_a_move();
    let dials = rig.dials();
    rig.close();
    assert_eq!(rig.dials(), dials + 1, "at once");
    comes_home(&rig);
    rig.close();
    assert_eq!(rig.engine.address(), Address::Listed(1), "what cannot be reached is no use");
    assert_eq!(rig.engine.reference(), None);
    rig.broker(accepted(Version::V5, true));
    redirect(&mut rig, ReasonCode::UseAnotherServer, Some("helper"));
    rig.broker(accepted(Version::V5, true));
    rig.lose();
    rig.wait_for_dial();
    assert!(matches!(rig.engine.address(), Address::Listed(_)), "and is forgotten");
}

#[test]
fn servers_that_send_us_around_are_followed_three_times_and_then_by_the_delays() {
    let mut rig = ClientRig::new(kept(Version::V5));
    rig.dial();
    for hop in 1..=3 {
        redirect(&mut rig, ReasonCode::UseAnotherServer, Some("around"));
        assert_eq!(rig.engine.address(), Address::Redirected(hop));
        rig.broker(accepted(Version::V5, false));
    }
    rig.events();
    for _ in 0..5 {
        redirect(&mut rig, ReasonCode::UseAnotherServer, Some("around"));
        assert_eq!(references(&mut rig), []);
        if rig.engine.state_name() == "Backoff" {
            rig.wait_for_dial();
        }
        assert_eq!(rig.engine.address(), Address::Listed(0));
        rig.broker(accepted(Version::V5, true));
    }
    assert!(rig.now > bowline_proto::Timestamp::ZERO, "in no tight loop");
    rig.advance(Duration::from_secs(31));
    rig.events();
    redirect(&mut rig, ReasonCode::UseAnotherServer, Some("around"));
    assert_eq!(references(&mut rig).len(), 1, "a connection that lasted starts the count over");
}

#[test]
fn without_a_reference_or_with_following_off_there_is_nowhere_to_go_but_the_list() {
    for reference in [None, Some("other")] {
        for count in [1, 2] {
            let mut config = listed(kept(Version::V5), count);
            config.addresses.redirects_max = 0;
            let mut rig = ClientRig::new(config);
            rig.dial();
            redirect(&mut rig, ReasonCode::UseAnotherServer, reference);
            let state = (rig.engine.state_name(), rig.engine.address());
            match count {
                1 => assert_eq!(state, ("Stopped", Address::Listed(0))),
                _ => assert_eq!(state, ("AwaitConnack", Address::Listed(1))),
            }
        }
    }
    let mut config = kept(Version::V5);
    config.reconnect = Reconnect::Never;
    let mut rig = ClientRig::connected(config);
    redirect(&mut rig, ReasonCode::ServerMoved, Some("other"));
    assert_eq!(rig.engine.state_name(), "Stopped");
}

#[test]
fn addresses_of_one_cluster_share_the_session() {
    for version in Version::ALL {
        let mut rig = ClientRig::new(listed(kept(version), 2));
        rig.connect(false);
        publish2(&mut rig, "x");
        rig.lose();
        rig.wait_for_dial();
        rig.close();
        rig.sent();
        assert_eq!(rig.engine.address(), Address::Listed(1));
        rig.broker(accepted(version, true));
        assert_eq!(payloads(&mut rig), ["x"], "it goes on there");
    }
}

// [MQTT-3.2.2-4]
#[test]
fn an_independent_broker_gets_a_clean_start_and_so_does_the_first_one_after_it() {
    let version = Version::V5;
    let mut rig = ClientRig::new(independent(kept(version)));
    rig.connect(false);
    let lost = publish2(&mut rig, "x");
    rig.lose();
    rig.wait_for_dial();
    rig.sent();
    rig.close();
    assert_eq!(rig.engine.address(), Address::Listed(1));
    assert!(connect_sent(&mut rig).clean_start, "the session is at the other one");
    rig.close();
    rig.wait_for_dial();
    assert_eq!(rig.engine.address(), Address::Listed(0));
    assert!(!connect_sent(&mut rig).clean_start, "nobody has answered since: the session is still here");
    rig.close();
    rig.events();
    rig.sent();
    rig.broker(accepted(version, false));
    assert_eq!(rig.outcomes(), [(lost, Outcome::Indeterminate { limit: None })]);
    publish1(&mut rig, "y");
    rig.lose();
    rig.wait_for_dial();
    rig.close();
    assert_eq!(rig.engine.address(), Address::Listed(0));
    let connects = rig.sent();
    assert!(
        matches!(connects.last(), Some(Packet::Connect(connect)) if connect.clean_start),
        "an old session"
    );
    rig.events();
    rig.broker(accepted(version, true));
    assert!(matches!(
        rig.events().iter().find_map(|event| match event {
            Event::Disconnected(cause) => Some((**cause).clone()),
            _ => None,
        }),
        Some(DisconnectCause::Protocol(_))
    ));
}

#[test]
fn before_5_an_independent_broker_is_first_made_to_throw_its_old_session_away() {
    for version in [Version::V3_1, Version::V3_1_1] {
        let mut rig = ClientRig::new(independent(kept(version)));
        rig.connect(false);
        publish2(&mut rig, "x");
        rig.lose();
        rig.wait_for_dial();
        rig.close();
        rig.sent();
        assert_eq!(rig.engine.address(), Address::Listed(1));
        let dials = rig.dials();
        rig.broker(accepted(version, false));
        assert_eq!((rig.dials(), rig.engine.address()), (dials + 1, Address::Listed(1)), "the pair");
        let sent = rig.sent();
        let [Packet::Disconnect(_), Packet::Connect(connect)] = &sent[..] else { panic!("{sent:?}") };
        assert!(!connect.clean_start, "kept from now on");
        rig.broker(accepted(version, false));
        assert_eq!(rig.engine.state_name(), "Active");
        assert_eq!(
            payloads(&mut rig),
            Vec::<String>::new(),
            "the QoS 2 message of the other session has ended"
        );
    }
}

#[test]
fn an_old_session_that_one_independent_broker_threw_away_is_still_at_the_other() {
    for version in [Version::V3_1, Version::V3_1_1] {
        let mut config = independent(kept(version));
        config.session = SessionPolicy::InMemory { expiry_secs: EXPIRY_NEVER, adopt: false };
        let mut rig = ClientRig::new(config);
        rig.dial();
        rig.answers_dials = false;
        rig.broker(accepted(version, false));
        rig.sent();
        rig.input(Input::DialFailed);
        assert_eq!(rig.engine.address(), Address::Listed(1));
        rig.input(Input::Connected);
        assert!(connect_sent(&mut rig).clean_start);
    }
}

#[test]
fn servers_that_send_us_around_make_no_tight_loop_even_where_every_connection_starts_the_delays_over() {
    let mut config = kept(Version::V5);
    config.reconnect = Reconnect::After(Backoff::default().reset_after(Duration::ZERO));
    let mut rig = ClientRig::new(config);
    rig.dial();
    rig.broker(accepted(Version::V5, false));
    for _ in 0..20 {
        redirect(&mut rig, ReasonCode::UseAnotherServer, Some("around"));
        if rig.engine.state_name() == "Backoff" {
            return;
        }
        rig.broker(accepted(Version::V5, true));
    }
    panic!("sent around 20 times without a delay");
}
