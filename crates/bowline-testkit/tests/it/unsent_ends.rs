//! What follows a publication that ends unsent although it has a packet identifier: to a store that has not heard of that
//! end it was sent, so nothing overtakes it until the store has.

use std::num::NonZero;
use std::time::Duration;

use bowline_proto::Version;
use bowline_proto::client::Outcome;
use bowline_proto::packet::ConnAckProperties;
use bowline_proto::session::Entry;
use bowline_proto::types::QoS;
use bowline_testkit::client_rig::{ClientRig, connack};

use crate::script::{connected_on_demand, durable, expiring, message, payloads, publish, publish1, publish2};

/// One batch is committed, and not the next one.
fn commit_one(rig: &mut ClientRig) {
    let answer = rig.store.commit_next().expect("a batch is with the store");
    rig.input(answer);
}

/// A client whose first message expires once its identifier is stored, together with those of its successors.
fn with_an_expired_first(version: Version) -> ClientRig {
    let mut rig = connected_on_demand(durable(version));
    publish1(&mut rig, "in a batch of its own");
    publish(&mut rig, expiring(message("expires", QoS::ExactlyOnce), 1));
    publish2(&mut rig, "successor");
    publish1(&mut rig, "another");
    commit_one(&mut rig);
    assert_eq!(payloads(&mut rig), ["in a batch of its own"]);
    rig.advance(Duration::from_secs(2));
    commit_one(&mut rig);
    rig
}

// [MQTT-4.6.0-1] [MQTT-4.6.0-1 of 3.1.1]
#[test]
fn nothing_overtakes_a_message_that_expired_with_an_identifier_until_its_end_is_stored() {
    for version in Version::ALL {
        let mut rig = with_an_expired_first(version);
        assert_eq!(payloads(&mut rig), [""; 0], "{version:?}");
        assert!(matches!(rig.store.waiting()[..], [Entry::Ended { .. }]));
        publish(&mut rig, message("QoS 0 is in no order with them", QoS::AtMostOnce));
        assert_eq!(payloads(&mut rig), ["QoS 0 is in no order with them"]);
        commit_one(&mut rig);
        assert_eq!(payloads(&mut rig), ["successor", "another"]);

        let mut rig = with_an_expired_first(version).crash();
        rig.connect(true);
        let all = ["in a batch of its own", "expires", "successor", "another"];
        assert_eq!(payloads(&mut rig), all, "the store knows nothing of its end, and the order is kept");
    }
}

#[test]
fn a_store_that_fails_at_such_an_end_is_waited_for_and_a_lost_connection_changes_nothing() {
    for version in Version::ALL {
        let mut rig = with_an_expired_first(version);
        let failed = rig.store.fail_next().expect("the end is with the store");
        rig.input(failed);
        rig.reconnect(true);
        assert_eq!(payloads(&mut rig), ["in a batch of its own"], "{version:?}");
        rig.advance(Duration::from_secs(1));
        commit_one(&mut rig);
        assert_eq!(payloads(&mut rig), ["successor", "another"]);
    }
}

#[test]
fn nothing_overtakes_an_unsent_message_that_a_new_connection_forbids_until_its_end_is_stored() {
    let mut rig = connected_on_demand(durable(Version::V5));
    publish2(&mut rig, "too long for the second connection");
    publish2(&mut rig, "short");
    rig.lose();
    commit_one(&mut rig);
    commit_one(&mut rig);
    rig.wait_for_dial();
    let properties =
        ConnAckProperties { maximum_packet_size: NonZero::new(24), ..ConnAckProperties::default() };
    rig.broker(connack(Version::V5, true, bowline_proto::ReasonCode::Success, properties));
    assert_eq!(payloads(&mut rig), [""; 0]);
    rig.commit();
    assert!(matches!(rig.outcomes()[..], [(_, Outcome::Forbidden { .. })]));
    assert_eq!(payloads(&mut rig), ["short"]);
}
