//! The choice to have sent QoS 2 publications published again when their session is lost, over connections and restarts.

use std::time::Duration;

use bowline_proto::client::{AddressSessions, ClientConfig, Event, Outcome, SessionLoss};
use bowline_proto::packet::{ConnAckProperties, Packet};
use bowline_proto::session::{Entry, KeyState, PublicationId, StoredOutcome};
use bowline_proto::types::QoS;
use bowline_proto::{ReasonCode, Version};
use bowline_testkit::{ClientRig, Commit};

use crate::script::{
    accepted, acknowledged, clean, connect_durably, connected_on_demand, durable, expiring, kept, message,
    payload, payloads, pubcomp, publish, publish1, publish2, published, published_id, pubrec, text,
};

/// The versions that say whether the session is present.
const TELLING: [Version; 2] = [Version::V3_1_1, Version::V5];

const UNKNOWN: Outcome = Outcome::Indeterminate { limit: None };

fn again(mut config: ClientConfig) -> ClientConfig {
    config.on_session_loss = SessionLoss::PublishAgain;
    config
}

/// Publishes with a choice of its own.
fn choosing(rig: &mut ClientRig, choice: SessionLoss, payload: &'static str) -> PublicationId {
    let before = rig.engine.set_on_session_loss(choice);
    let publication = publish2(rig, payload);
    assert_eq!(rig.engine.set_on_session_loss(before), choice);
    publication
}

fn again2(rig: &mut ClientRig, payload: &'static str) -> PublicationId {
    choosing(rig, SessionLoss::PublishAgain, payload)
}

/// What the client published since the last look: payload and DUP.
fn shapes(rig: &mut ClientRig) -> Vec<(String, bool)> {
    published(rig).iter().map(|sent| (payload(sent), sent.dup)).collect()
}

fn new(payloads: &[&str]) -> Vec<(String, bool)> {
    payloads.iter().map(|payload| ((*payload).to_owned(), false)).collect()
}

fn end_with(rig: &mut ClientRig, ids: &[bowline_proto::PacketId]) {
    for id in ids {
        rig.broker(pubrec(*id));
        rig.broker(pubcomp(*id));
    }
}

fn ids(sent: &[bowline_proto::packet::Publish]) -> Vec<bowline_proto::PacketId> {
    sent.iter().filter_map(|sent| sent.packet_id).collect()
}

// [MQTT-3.2.2-5] [MQTT-3.2.2-3 of 3.1.1]
#[test]
fn sent_qos_2_is_published_again_from_either_phase_in_its_order_ahead_of_what_was_never_sent() {
    for version in TELLING {
        let mut config = again(kept(version));
        config.in_flight_max = 4;
        let mut rig = ClientRig::connected(config);
        for payload in ["1", "2, released", "3, released first", "4"] {
            publish2(&mut rig, payload);
        }
        publish1(&mut rig, "5, never sent");
        let old = ids(&published(&mut rig));
        rig.broker(pubrec(old[2]));
        rig.broker(pubrec(old[1]));
        rig.sent();
        rig.events();
        rig.reconnect(false);
        let sent = published(&mut rig);
        let expected = new(&["1", "2, released", "3, released first", "4"]);
        let shapes_sent: Vec<_> = sent.iter().map(|sent| (payload(sent), sent.dup)).collect();
        assert_eq!(shapes_sent, expected, "{version:?}: not a PUBREL before them either");
        assert!(ids(&sent).iter().all(|id| !old.contains(id)), "the identifiers are new");
        let told = rig.events();
        let is_told =
            told.iter().any(|event| matches!(event, Event::SessionLost { requeued: 4, indeterminate: 0 }));
        assert!(is_told, "{told:?}");
        end_with(&mut rig, &ids(&sent));
        let ended = rig.outcomes();
        assert_eq!(ended.len(), 4);
        assert!(ended.iter().all(|(_, outcome)| *outcome == acknowledged()), "{ended:?}");
        assert_eq!(payloads(&mut rig), ["5, never sent"]);
    }
}

#[test]
fn no_pubrel_of_the_old_session_goes_to_the_new_one() {
    for version in TELLING {
        let mut rig = ClientRig::connected(again(kept(version)));
        publish2(&mut rig, "x");
        let id = published_id(&mut rig);
        rig.broker(pubrec(id));
        rig.sent();
        rig.reconnect(false);
        let sent = rig.sent();
        assert!(matches!(sent[..], [Packet::Connect(_), Packet::Publish(_)]), "{version:?}: {sent:?}");
    }
}

#[test]
fn each_publication_may_choose_otherwise_than_the_client() {
    for version in TELLING {
        let mut rig = ClientRig::connected(kept(version));
        let ends = publish2(&mut rig, "ends");
        again2(&mut rig, "again");
        published(&mut rig);
        rig.events();
        rig.reconnect(false);
        assert_eq!(shapes(&mut rig), new(&["again"]), "{version:?}");
        assert_eq!(rig.outcomes(), [(ends, UNKNOWN)]);

        let mut rig = ClientRig::connected(again(kept(version)));
        let ends = choosing(&mut rig, SessionLoss::Indeterminate, "ends");
        publish2(&mut rig, "again");
        published(&mut rig);
        rig.events();
        rig.reconnect(false);
        assert_eq!(shapes(&mut rig), new(&["again"]), "{version:?}");
        assert_eq!(rig.outcomes(), [(ends, UNKNOWN)]);
    }
}

#[test]
fn a_publication_is_published_again_after_each_of_several_losses_and_ends_once() {
    for version in TELLING {
        let mut rig = ClientRig::connected(again(kept(version)));
        let publication = publish2(&mut rig, "x");
        let mut id = published_id(&mut rig);
        rig.events();
        for round in 0..5 {
            if round % 2 == 0 {
                rig.broker(pubrec(id));
            }
            rig.reconnect(false);
            id = published_id(&mut rig);
        }
        // In the session that goes on it is the same one again.
        rig.reconnect(true);
        assert_eq!(shapes(&mut rig), [("x".to_owned(), true)]);
        end_with(&mut rig, &[id]);
        assert_eq!(rig.outcomes(), [(publication, acknowledged())]);
        assert_eq!((rig.engine.in_flight(), rig.engine.queued()), (0, (0, 0)));
    }
}

// [MQTT-3.1.2-4] [MQTT-3.1.2-6 of 3.1.1]
#[test]
fn with_a_session_that_ends_with_the_connection_every_connection_publishes_again() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(again(clean(version)));
        publish2(&mut rig, "x");
        let id = published_id(&mut rig);
        rig.broker(pubrec(id));
        rig.lose();
        assert_eq!(rig.engine.queued().0, 1, "{version:?}");
        rig.wait_for_dial();
        rig.connect(false);
        assert_eq!(shapes(&mut rig), new(&["x"]), "{version:?}");
    }
}

// [MQTT-4.4.0-1 of 3.1.1]
#[test]
fn in_3_1_the_session_counts_as_resumed_and_the_flow_goes_on_where_it_was() {
    let mut rig = ClientRig::connected(again(kept(Version::V3_1)));
    publish2(&mut rig, "1");
    publish2(&mut rig, "2, released");
    let old = ids(&published(&mut rig));
    rig.broker(pubrec(old[1]));
    rig.sent();
    rig.reconnect(false);
    let sent = rig.sent();
    let [Packet::Connect(_), Packet::PubRel(release), Packet::Publish(one)] = &sent[..] else {
        panic!("{sent:?}")
    };
    assert_eq!((release.packet_id, one.packet_id, one.dup), (old[1], Some(old[0]), true));
}

// [MQTT-3.3.2-5] [MQTT-3.3.2-6] [MQTT-4.3.3-7]
#[test]
fn published_again_it_carries_what_is_left_of_its_expiry_interval_and_not_at_all_when_nothing_is() {
    let mut rig = ClientRig::connected(again(kept(Version::V5)));
    let long = publish(&mut rig, expiring(message("long", QoS::ExactlyOnce), 100));
    let short = publish(&mut rig, expiring(message("short", QoS::ExactlyOnce), 20));
    let old = ids(&published(&mut rig));
    rig.broker(pubrec(old[0]));
    rig.broker(pubrec(old[1]));
    rig.lose();
    rig.events();
    rig.answers_dials = false;
    rig.advance(Duration::from_secs(30));
    assert_eq!(rig.outcomes(), [], "while the session may go on it is the broker's to expire");
    rig.answers_dials = true;
    rig.wait_for_dial();
    rig.broker(accepted(Version::V5, false));
    let sent = published(&mut rig);
    assert_eq!(sent.iter().map(payload).collect::<Vec<_>>(), ["long"]);
    let left = sent[0].properties.as_ref().and_then(|properties| properties.expiry_secs).expect("it has one");
    assert!((1..=70).contains(&left), "{left} s");
    assert_eq!(rig.outcomes(), [(short, UNKNOWN)], "it may have arrived before the loss");
    end_with(&mut rig, &ids(&sent));
    assert_eq!(rig.outcomes(), [(long, acknowledged())]);
}

#[test]
fn what_the_new_broker_forbids_ends_as_indeterminate_with_the_limit() {
    let mut rig = ClientRig::connected(again(kept(Version::V5)));
    let publication = publish2(&mut rig, "x");
    published(&mut rig);
    let properties =
        ConnAckProperties { maximum_qos: Some(QoS::AtLeastOnce), ..ConnAckProperties::default() };
    rig.events();
    rig.reconnect_with(false, properties);
    assert_eq!(shapes(&mut rig), []);
    let ended = rig.outcomes();
    let [(ended, Outcome::Indeterminate { limit: Some(_) })] = &ended[..] else { panic!("{ended:?}") };
    assert_eq!(*ended, publication);
}

#[test]
fn what_waits_to_be_published_again_cannot_be_cancelled_and_ends_as_indeterminate_with_the_client() {
    let mut rig = ClientRig::connected(again(clean(Version::V5)));
    let publication = publish2(&mut rig, "x");
    published(&mut rig);
    rig.lose();
    assert!(!rig.engine.cancel(publication));
    rig.events();
    let ends = rig.engine.end();
    let ended = ends.iter().find_map(|event| match event {
        Event::PublishEnded { publication, outcome } => Some((*publication, outcome)),
        _ => None,
    });
    assert_eq!(ended, Some((publication, &UNKNOWN)));
}

#[test]
fn another_independent_address_gets_it_as_a_new_message() {
    for version in Version::ALL {
        let mut config = again(kept(version));
        config.addresses.count = 2;
        config.addresses.sessions = AddressSessions::Independent;
        let mut rig = ClientRig::new(config);
        rig.connect(false);
        publish2(&mut rig, "x");
        let id = published_id(&mut rig);
        rig.broker(pubrec(id));
        rig.sent();
        rig.lose();
        rig.wait_for_dial();
        // The first address is tried first, and fails.
        rig.close();
        while rig.engine.state_name() != "Active" {
            rig.broker(accepted(rig.version(), false));
        }
        assert_eq!(shapes(&mut rig), new(&["x"]), "{version:?}");
    }
}

#[test]
fn b6_the_loss_and_what_waits_again_for_it_are_one_batch_and_durable_before_anything_is_sent() {
    for version in TELLING {
        let mut rig = connected_on_demand(again(durable(version)));
        let publication = publish2(&mut rig, "x");
        rig.commit();
        let old = published_id(&mut rig);
        rig.broker(pubrec(old));
        rig.commit();
        rig.sent();
        rig.lose();
        rig.wait_for_dial();
        rig.broker(accepted(version, false));
        let waiting = rig.store.waiting();
        let [Entry::SessionReset { .. }, Entry::Requeued { publication: requeued }, Entry::Established(_)] =
            &waiting[..]
        else {
            panic!("{version:?}: {waiting:?}")
        };
        assert_eq!(*requeued, publication);
        assert!(matches!(rig.sent()[..], [Packet::Connect(_)]));
        rig.commit();
        assert_eq!(shapes(&mut rig), new(&["x"]));
    }
}

#[test]
fn b3_a_pubrec_that_becomes_durable_after_the_loss_releases_nothing() {
    for version in TELLING {
        let mut rig = connected_on_demand(again(durable(version)));
        publish2(&mut rig, "x");
        rig.commit();
        let old = published_id(&mut rig);
        rig.broker(pubrec(old));
        rig.lose();
        rig.wait_for_dial();
        rig.broker(accepted(version, false));
        rig.sent();
        rig.commit();
        let sent = rig.sent();
        let [Packet::Publish(publish)] = &sent[..] else { panic!("{version:?}: {sent:?}") };
        assert!(!publish.dup && publish.packet_id != Some(old));
    }
}

/// A durable client that was killed with one publication in some phase of each kind, the broker meanwhile without the session.
fn killed_with(phase: &str, version: Version) -> (ClientRig, PublicationId) {
    let mut rig = ClientRig::new(durable(version));
    connect_durably(&mut rig);
    let publication = again2(&mut rig, "x");
    let id = published_id(&mut rig);
    match phase {
        "sent" => {}
        "released" => rig.broker(pubrec(id)),
        "requeued" => {
            rig.broker(pubrec(id));
            rig.lose();
            rig.wait_for_dial();
            // The loss becomes durable, and its new packet identifier does not.
            rig.store.commit = Commit::OnDemand;
            rig.broker(accepted(version, false));
            let stored = rig.store.commit_next().expect("the loss is to be stored");
            rig.input(stored);
            let waiting = rig.store.waiting();
            assert!(matches!(waiting[..], [Entry::Assigned { .. }]), "{waiting:?}");
            assert!(rig.store.recover(usize::MAX).flows.is_empty());
        }
        other => panic!("{other}"),
    }
    let mut rig = rig.crash();
    rig.store.commit = Commit::AtOnce;
    (rig, publication)
}

#[test]
fn the_choice_survives_a_restart_in_each_phase() {
    for version in TELLING {
        for phase in ["sent", "released", "requeued"] {
            let (mut rig, publication) = killed_with(phase, version);
            rig.dial();
            rig.broker(accepted(version, false));
            assert_eq!(shapes(&mut rig), new(&["x"]), "{version:?} {phase}");
            // And another one, from what the last process has stored.
            let mut rig = rig.crash();
            rig.dial();
            rig.broker(accepted(version, false));
            let sent = published(&mut rig);
            assert_eq!(sent.len(), 1, "{version:?} {phase}");
            end_with(&mut rig, &ids(&sent));
            assert_eq!(rig.outcomes(), [(publication, acknowledged())]);
            // Success is stored a little later.
            rig.advance(Duration::from_secs(10));
            let recovered = rig.store.recover(usize::MAX);
            assert!(recovered.flows.is_empty() && recovered.queue.is_empty());
        }
    }
}

#[test]
fn what_has_no_choice_ends_after_a_restart_as_it_always_did() {
    for version in TELLING {
        let mut rig = ClientRig::new(durable(version));
        connect_durably(&mut rig);
        let publication = publish2(&mut rig, "x");
        published(&mut rig);
        // The next process has another default: what was accepted keeps the terms that it was accepted with.
        let mut rig = ClientRig::resume(again(durable(version)), rig.store.after_crash(), rig.now);
        rig.dial();
        rig.broker(accepted(version, false));
        assert_eq!(shapes(&mut rig), []);
        assert_eq!(rig.outcomes(), [(publication, UNKNOWN)]);
    }
}

#[test]
fn b7_with_a_key_the_store_remembers_the_end_that_came_after_the_loss_and_nothing_before() {
    for version in TELLING {
        let mut rig = ClientRig::new(durable(version));
        connect_durably(&mut rig);
        rig.engine.set_on_session_loss(SessionLoss::PublishAgain);
        let publication = rig.engine.publish_keyed(message("x", QoS::ExactlyOnce), text("k"), rig.now);
        let publication = publication.expect("it is accepted");
        rig.settle();
        let id = published_id(&mut rig);
        rig.broker(pubrec(id));
        rig.reconnect(false);
        assert_eq!(rig.store.outcome("k"), KeyState::Pending(publication), "{version:?}");
        let mut rig = rig.crash();
        rig.dial();
        rig.broker(accepted(version, false));
        assert_eq!(rig.engine.pending(&text("k")), Some(publication));
        let sent = published(&mut rig);
        end_with(&mut rig, &ids(&sent));
        let done = StoredOutcome::Acknowledged { reason: ReasonCode::Success, is_downgraded: false };
        assert_eq!(rig.store.outcome("k"), KeyState::Ended(done), "{version:?}");
        assert_eq!(rig.outcomes(), [(publication, acknowledged())]);
    }
}
