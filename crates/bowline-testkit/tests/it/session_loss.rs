//! What becomes of publications and subscriptions when the broker has lost the session, or does not say.

use std::num::NonZero;
use std::time::Duration;

use bowline_proto::client::{Event, Outcome, Qos0Limits};
use bowline_proto::packet::{ConnAckProperties, Packet};
use bowline_proto::session::{Entry, PublicationId};
use bowline_proto::types::QoS;
use bowline_proto::{ReasonCode, Version};
use bowline_testkit::{ClientRig, Commit, packets};

use crate::script::{
    acknowledged, clean, connect_durably, durable, expiring, kept, message, payload, payloads, puback,
    pubcomp, publish, publish1, publish2, published, published_id, pubrec, subscription,
};

/// The versions that say whether the session is present.
const TELLING: [Version; 2] = [Version::V3_1_1, Version::V5];

const UNKNOWN: Outcome = Outcome::Indeterminate { limit: None };

// [MQTT-3.2.2-5] [MQTT-4.4.0-1] [MQTT-3.2.2-3 of 3.1.1]
#[test]
fn after_a_session_loss_qos_1_is_published_anew_and_sent_qos_2_ends_as_indeterminate() {
    for version in TELLING {
        let mut config = kept(version);
        config.in_flight_max = 4;
        let mut rig = ClientRig::connected(config);
        let _one = publish1(&mut rig, "1");
        let two = publish2(&mut rig, "2");
        let three = publish2(&mut rig, "3, answered by PUBREC");
        publish1(&mut rig, "4");
        publish2(&mut rig, "5, never sent");
        publish(&mut rig, message("6", QoS::AtMostOnce));
        let id = published(&mut rig)[2].packet_id.unwrap();
        rig.broker(pubrec(id));
        rig.sent();
        rig.events();
        rig.reconnect(false);
        let sent = published(&mut rig);
        let shapes: Vec<_> = sent.iter().map(|sent| (payload(sent), sent.dup)).collect();
        let expected = ["1", "4", "5, never sent"].map(|payload| (payload.to_owned(), false));
        assert_eq!(shapes, expected, "{version:?}");
        let told = rig.events();
        let lost = told.iter().filter_map(|event| match event {
            Event::SessionLost { requeued, indeterminate } => Some((*requeued, *indeterminate)),
            _ => None,
        });
        assert_eq!(lost.collect::<Vec<_>>(), [(2, 2)]);
        let mut ended: Vec<_> = told
            .into_iter()
            .filter_map(|event| match event {
                Event::PublishEnded { publication, outcome } => Some((publication, outcome)),
                _ => None,
            })
            .collect();
        ended.sort_by_key(|(publication, _)| *publication);
        assert_eq!(ended, [(two, UNKNOWN), (three, UNKNOWN)]);
    }
}

// [MQTT-3.2.2-5]
#[test]
fn a_publication_that_was_published_anew_ends_once_by_its_new_acknowledgement() {
    for version in TELLING {
        let mut rig = ClientRig::connected(kept(version));
        let publication = publish1(&mut rig, "x");
        published_id(&mut rig);
        for _ in 0..3 {
            rig.reconnect(false);
        }
        let id = published(&mut rig).pop().and_then(|sent| sent.packet_id).unwrap();
        rig.broker(puback(id));
        assert_eq!(rig.outcomes(), [(publication, acknowledged())]);
        assert_eq!((rig.engine.in_flight(), rig.engine.queued()), (0, (0, 0)));
    }
}

// [MQTT-3.1.2-4] [MQTT-3.1.2-6 of 3.1.1]
#[test]
fn a_session_that_ends_with_the_connection_tells_what_was_unfinished() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        publish1(&mut rig, "1");
        let two = publish2(&mut rig, "2");
        rig.sent();
        rig.lose();
        let told = rig.events();
        let is_told =
            told.iter().any(|event| matches!(event, Event::SessionLost { requeued: 1, indeterminate: 1 }));
        assert!(is_told, "{version:?}: {told:?}");
        let is_unknown = told.iter().any(|event| {
            matches!(event, Event::PublishEnded { publication, outcome } if *publication == two && *outcome == UNKNOWN)
        });
        assert!(is_unknown, "{version:?}: {told:?}");
        rig.wait_for_dial();
        rig.connect(false);
        let sent = published(&mut rig);
        assert_eq!(
            sent.iter().map(|sent| (payload(sent), sent.dup)).collect::<Vec<_>>(),
            [("1".to_owned(), false)]
        );
    }
}

// [MQTT-4.4.0-1 of 3.1.1]
#[test]
fn in_3_1_the_session_counts_as_resumed_because_the_broker_cannot_say() {
    let mut rig = ClientRig::connected(kept(Version::V3_1));
    publish1(&mut rig, "1");
    publish2(&mut rig, "2");
    let ids: Vec<_> = published(&mut rig).iter().map(|sent| sent.packet_id).collect();
    rig.reconnect(false);
    let sent = published(&mut rig);
    assert!(sent.iter().all(|sent| sent.dup));
    assert_eq!(sent.iter().map(|sent| sent.packet_id).collect::<Vec<_>>(), ids);
    assert!(rig.events().iter().all(|event| !matches!(event, Event::SessionLost { .. })));
}

/// The filters of the SUBSCRIBEs that were sent since the last look, with their QoS.
fn resubscribed(rig: &mut ClientRig) -> Vec<(String, QoS)> {
    let sent = rig.sent().into_iter();
    let filters = sent.filter_map(|packet| match packet {
        Packet::Subscribe(subscribe) => Some(subscribe.subscriptions),
        _ => None,
    });
    filters.flatten().map(|one| (one.filter.as_str().to_owned(), one.options.qos)).collect()
}

// [MQTT-3.2.2-3] [MQTT-3.2.2-2 of 3.1.1] [MQTT-3.2.2-3 of 3.1.1]
#[test]
fn subscriptions_are_made_again_when_the_session_is_lost_or_unknown_and_only_then() {
    for version in Version::ALL {
        for session_present in [false, true] {
            let mut rig = ClientRig::connected(kept(version));
            rig.subscribed("a/#", QoS::AtLeastOnce);
            rig.subscribed("b", QoS::ExactlyOnce);
            rig.subscribed("gone", QoS::AtMostOnce);
            rig.unsubscribe("gone");
            rig.grant_all();
            rig.sent();
            rig.reconnect(session_present);
            let mut again = resubscribed(&mut rig);
            again.sort();
            let is_known_to_be_there = session_present && version != Version::V3_1;
            let expected = [("a/#".to_owned(), QoS::AtLeastOnce), ("b".to_owned(), QoS::ExactlyOnce)];
            let expected = if is_known_to_be_there { &[][..] } else { &expected };
            assert_eq!(again, expected, "{version:?}, session present {session_present}");
        }
    }
}

#[test]
fn subscribing_again_that_a_second_loss_cut_short_starts_over_completely() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        for name in ["a", "b", "c"] {
            rig.subscribed(name, QoS::AtLeastOnce);
        }
        rig.lose();
        rig.wait_for_dial();
        rig.sent();
        rig.connect(false);
        let sent = rig.sent();
        let Packet::Subscribe(first) = &sent[0] else { panic!("{sent:?}") };
        rig.broker(bowline_testkit::subscriber::granted(first));
        rig.lose();
        rig.wait_for_dial();
        rig.sent();
        rig.connect(false);
        let mut again: Vec<_> = resubscribed(&mut rig).into_iter().map(|(filter, _)| filter).collect();
        again.sort();
        assert_eq!(again, ["a", "b", "c"], "{version:?}");
    }
}

#[test]
fn a_refused_resubscription_ends_its_stream() {
    for version in TELLING {
        let mut rig = ClientRig::connected(kept(version));
        let stream = rig.subscribed("a", QoS::AtLeastOnce);
        rig.lose();
        rig.wait_for_dial();
        rig.sent();
        rig.connect(false);
        let sent = rig.sent();
        let Packet::Subscribe(again) = &sent[0] else { panic!("{sent:?}") };
        rig.events();
        rig.broker(packets::suback(again.packet_id, &[ReasonCode::UnspecifiedError]));
        let told = rig.events();
        let [Event::StreamEnded { stream: ended, .. }] = &told[..] else { panic!("{told:?}") };
        assert_eq!(*ended, stream);
        rig.reconnect(false);
        assert_eq!(resubscribed(&mut rig), [], "it is not asked for again and again");
    }
}

// [MQTT-3.2.2-5]
#[test]
fn publishes_and_subscribes_that_were_never_sent_survive_a_session_loss() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        rig.lose();
        publish1(&mut rig, "1");
        publish2(&mut rig, "2");
        let wanted = vec![subscription("s", QoS::AtLeastOnce)];
        rig.engine.subscribe(wanted, Qos0Limits::default(), Vec::new()).unwrap();
        rig.wait_for_dial();
        rig.connect(false);
        let sent = rig.sent();
        let subscribes = sent.iter().filter(|packet| matches!(packet, Packet::Subscribe(_))).count();
        assert_eq!(subscribes, 1, "{version:?}");
        let payloads: Vec<_> = sent
            .iter()
            .filter_map(|packet| if let Packet::Publish(sent) = packet { Some(payload(sent)) } else { None })
            .collect();
        assert_eq!(payloads, ["1", "2"]);
    }
}

#[test]
fn an_adopted_session_is_gone_on_with_although_nothing_is_known_of_it() {
    for version in TELLING {
        let mut rig = ClientRig::new(kept(version));
        publish1(&mut rig, "new");
        rig.connect(true);
        assert_eq!(payloads(&mut rig), ["new"]);
        // An earlier life had a QoS 2 message under way.
        let old = packets::packet_id(9);
        rig.broker(pubrec(old));
        rig.broker(pubcomp(old));
        assert!(matches!(rig.sent()[..], [Packet::PubRel(_)]));
        assert_eq!(rig.engine.state_name(), "Active");
        assert!(rig.events().iter().all(|event| !matches!(event, Event::SessionLost { .. })));
    }
}

#[test]
fn a_first_connection_without_a_session_to_adopt_is_no_loss() {
    for version in TELLING {
        let mut rig = ClientRig::new(kept(version));
        rig.connect(false);
        assert!(rig.events().iter().all(|event| !matches!(event, Event::SessionLost { .. })));
    }
}

/// A durable client whose expiring QoS 1 message was sent in a session that is lost, and has a new packet identifier that is
/// not stored yet.
fn waiting_for_a_new_identifier(version: Version) -> (ClientRig, PublicationId) {
    let mut config = durable(version);
    config.keep_alive_secs = 0;
    let mut rig = ClientRig::new(config);
    connect_durably(&mut rig);
    let publication = publish(&mut rig, expiring(message("perhaps there", QoS::AtLeastOnce), 600));
    assert_eq!(payloads(&mut rig), ["perhaps there"]);
    rig.store.commit = Commit::OnDemand;
    rig.reconnect(false);
    let answer = rig.store.commit_next().expect("the loss is with the store");
    rig.input(answer);
    assert!(matches!(rig.store.waiting()[..], [Entry::Assigned { .. }]), "{:?}", rig.store.waiting());
    rig.events();
    (rig, publication)
}

#[test]
fn what_was_sent_in_a_lost_session_stays_in_doubt_while_its_new_identifier_is_stored() {
    for version in TELLING {
        let (mut rig, publication) = waiting_for_a_new_identifier(version);
        rig.advance(Duration::from_secs(601));
        rig.commit();
        assert_eq!(rig.outcomes(), [(publication, UNKNOWN)], "{version:?}: expired before it was sent again");

        let (mut rig, publication) = waiting_for_a_new_identifier(version);
        rig.reconnect(false);
        rig.advance(Duration::from_secs(601));
        rig.commit();
        assert_eq!(rig.outcomes(), [(publication, UNKNOWN)], "{version:?}: lost once more");
    }
    let (mut rig, publication) = waiting_for_a_new_identifier(Version::V5);
    let small = ConnAckProperties { maximum_packet_size: NonZero::new(20), ..Default::default() };
    rig.reconnect_with(true, small);
    rig.commit();
    let outcomes = rig.outcomes();
    let [(ended, Outcome::Indeterminate { limit: Some(_) })] = outcomes[..] else { panic!("{outcomes:?}") };
    assert_eq!(ended, publication, "a limit forbids it");
}

#[test]
fn what_was_sent_in_a_lost_session_stays_in_doubt_in_the_next_process() {
    for version in TELLING {
        let (rig, publication) = waiting_for_a_new_identifier(version);
        let mut rig = rig.crash();
        rig.advance(Duration::from_secs(601));
        rig.commit();
        assert_eq!(rig.outcomes(), [(publication, UNKNOWN)], "{version:?}: expired");

        let (rig, publication) = waiting_for_a_new_identifier(version);
        let mut rig = rig.crash();
        assert!(rig.engine.cancel(publication), "{version:?}");
        rig.settle();
        rig.commit();
        assert_eq!(rig.outcomes(), [(publication, UNKNOWN)], "{version:?}: cancelled");
    }
}
