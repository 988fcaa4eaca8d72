//! What a hostile reading of the core found: state that outlives what it belongs to, and events that say too much.

use std::time::Duration;

use bowline_proto::client::{Event, Outcome, Qos0Limits};
use bowline_proto::packet::Packet;
use bowline_proto::types::QoS;
use bowline_proto::{ReasonCode, Version};
use bowline_testkit::{ClientRig, packets};

use crate::script::{accepted, clean, connected_on_demand, durable, kept, publish1};

/// The filters of the SUBSCRIBEs since the last look.
fn subscribed_to(rig: &mut ClientRig) -> Vec<String> {
    let filters = |packet| match packet {
        Packet::Subscribe(subscribe) => subscribe.subscriptions,
        _ => Vec::new(),
    };
    rig.sent().into_iter().flat_map(filters).map(|one| one.filter.to_string()).collect()
}

#[test]
fn what_was_held_for_nobody_on_clean_connections_that_are_gone_does_not_stop_reading_for_ever() {
    for version in Version::ALL {
        let mut config = clean(version);
        config.inbound.messages_max = 3;
        let mut rig = ClientRig::connected(config);
        for id in 1..=9 {
            assert!(!rig.engine.is_reading_paused(), "{version}: on connection {id}");
            rig.broker(packets::qos1("nobody/wants/this", "x", id));
            rig.reconnect(false);
        }
        rig.subscribed("in", QoS::AtLeastOnce);
        rig.broker(packets::qos1("in", "y", 20));
        assert_eq!(rig.payloads(), ["y"], "{version}");
    }
}

#[test]
fn a_late_refusal_does_not_end_a_subscription_that_was_asked_for_anew() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        rig.asks_for(&["a"], QoS::AtLeastOnce, Qos0Limits::default());
        rig.unsubscribe("a");
        let stream = rig.asks_for(&["a"], QoS::AtLeastOnce, Qos0Limits::default());
        let sent = rig.sent();
        let [Packet::Subscribe(first), Packet::Unsubscribe(second), Packet::Subscribe(third)] = &sent[..]
        else {
            panic!("{sent:?}")
        };
        rig.events();
        let refusal =
            if version == Version::V5 { ReasonCode::QuotaExceeded } else { ReasonCode::UnspecifiedError };
        rig.broker(packets::suback(first.packet_id, &[refusal]));
        let reasons = if version == Version::V5 { vec![ReasonCode::Success] } else { vec![] };
        rig.broker(packets::unsuback(second.packet_id, &reasons));
        rig.broker(packets::suback(third.packet_id, &[ReasonCode::GrantedQoS1]));
        let ended = rig.events().into_iter().any(|event| matches!(event, Event::StreamEnded { .. }));
        assert!(!ended, "{version}: its own SUBSCRIBE was granted");
        rig.broker(packets::qos1("a", "x", 1));
        let deliveries = rig.deliveries();
        assert!(deliveries[0].streams.contains(stream), "{version}");
    }
}

#[test]
fn subscriptions_are_asked_for_again_after_a_connack_that_never_came() {
    for version in [Version::V3_1_1, Version::V5] {
        let mut rig = ClientRig::connected(kept(version));
        rig.subscribed("in", QoS::AtLeastOnce);
        rig.lose();
        rig.wait_for_dial();
        // The broker may have lost the session, started a new one for this CONNECT, and said so in vain.
        rig.lose();
        rig.wait_for_dial();
        rig.sent();
        rig.broker(accepted(version, true));
        assert_eq!(subscribed_to(&mut rig), ["in"], "{version}");
        rig.reconnect(true);
        assert_eq!(subscribed_to(&mut rig), ["in"], "{version}: it was not answered");
        rig.reconnect(true);
        rig.grant_all();
        rig.reconnect(true);
        assert_eq!(subscribed_to(&mut rig), [""; 0], "{version}: now it is certain");
    }
}

#[test]
fn an_outcome_that_is_not_stored_is_not_told_when_the_client_ends() {
    // Not even handed to the store: the publication goes on after a restart.
    let mut config = durable(Version::V5);
    config.in_flight_max = 1;
    let mut rig = connected_on_demand(config);
    publish1(&mut rig, "in flight");
    let waiting = publish1(&mut rig, "waits");
    rig.commit();
    rig.events();
    let other = publish1(&mut rig, "keeps the store busy");
    assert!(rig.engine.cancel(waiting));
    let told = rig.engine.end();
    let of = |publication| {
        told.iter().filter_map(move |event| match event {
            Event::PublishEnded { publication: ended, outcome } if *ended == publication => Some(outcome),
            _ => None,
        })
    };
    assert_eq!(of(waiting).collect::<Vec<_>>(), [&Outcome::Stored]);
    assert_eq!(of(other).count(), 1);
}

#[test]
fn a_ping_that_is_answered_before_its_writing_is_told_waits_for_no_second_answer() {
    let mut config = clean(Version::V5);
    config.keep_alive_secs = 60;
    let mut rig = ClientRig::connected(config);
    rig.writes = false;
    rig.advance(Duration::from_secs(59));
    assert_eq!(rig.sent(), [Packet::PingReq]);
    rig.broker(Packet::PingResp);
    rig.write_out();
    rig.advance(Duration::from_secs(30));
    assert_eq!(rig.engine.state_name(), "Active", "{:?}", rig.events());
}
