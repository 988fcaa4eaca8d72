//! The barriers B1 to B9 of a durable session: what must be in the store before something else may happen. In each test
//! nothing happens before the commit, and it happens after.

use core::time::Duration;

use bowline_proto::client::{Event, Outcome, Qos0Limits};
use bowline_proto::packet::{Ack, Disconnect, Packet};
use bowline_proto::session::Entry;
use bowline_proto::types::QoS;
use bowline_proto::{ReasonCode, Version};
use bowline_testkit::{ClientRig, Commit, packets};

use crate::script::{
    accepted, acknowledged, clean, connect_sent, connected_on_demand, durable, expiring, filter, kept,
    message, on_store, payload, payloads, puback, pubcomp, publish, publish1, publish2, published,
    published_id, pubrec, pubrel, subscription,
};

/// The publications that were told to be accepted since the last look; other events are dropped.
fn accepted_publications(rig: &mut ClientRig) -> Vec<bowline_proto::session::PublicationId> {
    let told = rig.events().into_iter();
    let accepted =
        |event| if let Event::PublishAccepted(publication) = event { Some(publication) } else { None };
    told.filter_map(accepted).collect()
}

#[test]
fn b1_a_message_is_stored_before_it_is_called_accepted() {
    for version in Version::ALL {
        let mut connected = connected_on_demand(durable(version));
        let mut offline = on_store(durable(version), Commit::OnDemand);
        for rig in [&mut connected, &mut offline] {
            let publication = publish(rig, expiring(message("x", QoS::AtLeastOnce), 60));
            assert_eq!(accepted_publications(rig), []);
            let waiting = rig.store.waiting();
            // A new store is told first whose it is.
            let ([Entry::Accepted(stored)] | [Entry::Owned { .. }, Entry::Accepted(stored)]) = &waiting[..]
            else {
                panic!("{waiting:?}")
            };
            assert_eq!((stored.publication, stored.message.payload.as_ref()), (publication, &b"x"[..]));
            assert!(stored.deadline.is_some());
            rig.commit();
            assert_eq!(accepted_publications(rig), [publication]);
        }
    }
}

// [MQTT-2.2.1-3]
#[test]
fn b2_a_packet_identifier_is_stored_before_the_first_byte_of_its_publish() {
    for version in Version::ALL {
        let mut rig = connected_on_demand(durable(version));
        publish1(&mut rig, "with a free unit");
        assert_eq!(rig.sent(), []);
        let waiting = rig.store.waiting();
        let [Entry::Accepted(stored)] = &waiting[..] else { panic!("one entry, one sync: {waiting:?}") };
        rig.commit();
        assert_eq!(published(&mut rig)[0].packet_id, stored.packet_id);

        let mut config = durable(version);
        config.in_flight_max = 1;
        let mut rig = connected_on_demand(config);
        publish1(&mut rig, "1");
        publish1(&mut rig, "2, from the queue");
        rig.commit();
        let id = published_id(&mut rig);
        rig.broker(puback(id));
        assert_eq!(published(&mut rig).len(), 0, "{version:?}");
        let waiting = rig.store.waiting();
        let assigned = waiting.iter().find_map(|entry| match entry {
            Entry::Assigned { packet_id, .. } => Some(*packet_id),
            _ => None,
        });
        rig.commit();
        assert_eq!(published(&mut rig)[0].packet_id, assigned);
    }
}

// [MQTT-2.2.1-5]
#[test]
fn b2_an_answer_to_what_was_not_sent_yet_counts_for_nothing() {
    for version in Version::ALL {
        let mut rig = connected_on_demand(durable(version));
        publish1(&mut rig, "x");
        let waiting = rig.store.waiting();
        let [Entry::Accepted(stored)] = &waiting[..] else { panic!("{waiting:?}") };
        let id = stored.packet_id.unwrap();
        rig.broker(puback(id));
        assert_eq!((rig.engine.stats().unknown_acknowledgements, rig.engine.in_flight()), (1, 1));
        rig.commit();
        assert_eq!(published_id(&mut rig), id, "{version:?}");
    }
}

// [MQTT-4.3.3-4]
#[test]
fn b3_pubrec_is_stored_before_pubrel() {
    for version in Version::ALL {
        let mut rig = connected_on_demand(durable(version));
        let publication = publish2(&mut rig, "x");
        rig.commit();
        let id = published_id(&mut rig);
        rig.broker(pubrec(id));
        rig.broker(pubrec(id));
        assert_eq!(rig.sent(), []);
        assert_eq!(rig.store.waiting(), [Entry::Pubrec { publication }]);
        rig.commit();
        assert_eq!(rig.sent(), [pubrel(id)], "one PUBREL answers both");
        rig.broker(pubcomp(id));
        let ended = rig.outcomes();
        assert_eq!(ended, [(publication, acknowledged())], "success is told at once and stored lazily");
    }
}

// [MQTT-4.6.0-4] [MQTT-4.6.0-4 of 3.1.1]
#[test]
fn b3_pubrels_keep_the_order_of_the_pubrecs_when_they_are_stored_late_and_on_resume() {
    for version in Version::ALL {
        let mut rig = connected_on_demand(durable(version));
        for payload in ["1", "2", "3"] {
            publish2(&mut rig, payload);
        }
        rig.commit();
        let ids: Vec<_> = published(&mut rig).iter().filter_map(|sent| sent.packet_id).collect();
        for index in [1, 2, 0] {
            rig.broker(pubrec(ids[index]));
        }
        rig.lose();
        rig.wait_for_dial();
        rig.sent();
        rig.broker(accepted(version, true));
        assert_eq!(rig.sent(), [], "{version:?}");
        rig.commit();
        assert_eq!(rig.sent(), [pubrel(ids[1]), pubrel(ids[2]), pubrel(ids[0])]);
    }
}

// [MQTT-4.3.3-8] [MQTT-4.3.3-9]
#[test]
fn b4_a_qos_2_message_is_recorded_before_its_pubrec_and_a_refused_one_is_not_recorded() {
    for version in Version::ALL {
        let mut rig = ClientRig::new(durable(version));
        crate::script::connect_durably(&mut rig);
        let stream = rig.subscribed("in", QoS::ExactlyOnce);
        rig.store.commit = Commit::OnDemand;
        rig.broker(packets::qos2("in", "x", 5));
        let delivery = rig.arrived()[0];
        assert_eq!((rig.store.waiting(), rig.sent()), (vec![], vec![]), "nothing before it is taken");
        rig.take(delivery, stream).unwrap();
        assert_eq!(rig.sent(), []);
        assert_eq!(rig.store.waiting(), [Entry::Received { packet_id: packets::packet_id(5) }]);
        assert_eq!(rig.events().len(), 0);
        rig.commit();
        assert_eq!(rig.sent(), [packets::pubrec(5, ReasonCode::Success)]);
        assert!(matches!(rig.events()[..], [Event::AcknowledgementStored(stored)] if stored == delivery));
    }
    let mut rig = ClientRig::new(durable(Version::V5));
    crate::script::connect_durably(&mut rig);
    let stream = rig.subscribed("in", QoS::ExactlyOnce);
    rig.broker(packets::qos2("in", "x", 6));
    let delivery = rig.arrived()[0];
    rig.store.commit = Commit::OnDemand;
    rig.refuse(delivery, stream, ReasonCode::NotAuthorized).unwrap();
    assert_eq!(rig.sent(), [packets::pubrec(6, ReasonCode::NotAuthorized)]);
    assert_eq!(rig.store.waiting(), []);
}

// [MQTT-4.3.3-11]
#[test]
fn b5_a_release_is_stored_before_pubcomp() {
    for version in Version::ALL {
        let mut rig = ClientRig::new(durable(version));
        crate::script::connect_durably(&mut rig);
        let stream = rig.subscribed("in", QoS::ExactlyOnce);
        rig.broker(packets::qos2("in", "x", 5));
        let delivery = rig.arrived()[0];
        rig.take(delivery, stream).unwrap();
        rig.sent();
        rig.store.commit = Commit::OnDemand;
        rig.broker(packets::pubrel(5, ReasonCode::Success));
        rig.broker(packets::pubrel(5, ReasonCode::Success));
        assert_eq!(rig.sent(), []);
        assert_eq!(rig.store.waiting(), [Entry::Released { packet_id: packets::packet_id(5) }]);
        rig.commit();
        assert_eq!(rig.sent(), [packets::pubcomp(5, ReasonCode::Success)], "one PUBCOMP answers both");
    }
}

// [MQTT-3.1.2-4] [MQTT-3.1.2-6 of 3.1.1]
#[test]
fn b6_the_end_of_the_old_session_is_stored_before_connect_says_clean_start() {
    for version in Version::ALL {
        let mut rig = on_store(durable(version), Commit::OnDemand);
        rig.dial();
        assert_eq!(rig.sent(), []);
        let owned = Entry::Owned { client_id: durable(version).client_id };
        assert_eq!(rig.store.waiting(), [owned, Entry::SessionReset { generation: 1 }]);
        rig.commit();
        assert!(connect_sent(&mut rig).clean_start, "{version:?}");
    }
}

// [MQTT-3.2.2-5] [MQTT-3.2.2-3 of 3.1.1]
#[test]
fn b6_the_loss_of_the_session_is_stored_in_one_piece_before_anything_is_sent_or_acknowledged() {
    for version in [Version::V3_1_1, Version::V5] {
        let mut config = durable(version);
        config.in_flight_max = 2;
        let mut rig = connected_on_demand(config);
        let stream = rig.asks_for(&["in"], QoS::ExactlyOnce, Qos0Limits::default());
        rig.commit();
        rig.grant_all();
        publish1(&mut rig, "1");
        let two = publish2(&mut rig, "2");
        publish1(&mut rig, "3");
        rig.broker(packets::qos2("in", "x", 5));
        let delivery = rig.arrived()[0];
        rig.take(delivery, stream).unwrap();
        rig.commit();
        rig.events();
        rig.lose();
        rig.wait_for_dial();
        rig.sent();
        rig.broker(accepted(version, false));
        assert_eq!(rig.engine.state_name(), "Active");
        assert!(rig.engine.is_reading_paused());
        assert_eq!(rig.sent(), [], "{version:?}");
        assert!(rig.outcomes().is_empty(), "B7 as well");
        let batch = rig.store.waiting();
        let [
            Entry::SessionReset { .. },
            Entry::Ended { publication, .. },
            Entry::Requeued { .. },
            Entry::Established(_),
        ] = &batch[..]
        else {
            panic!("{batch:?}");
        };
        assert_eq!(*publication, two);
        rig.commit();
        assert!(!rig.engine.is_reading_paused());
        let sent = rig.sent();
        assert!(matches!(&sent[0], Packet::Subscribe(_)), "{sent:?}");
        assert_eq!(rig.outcomes(), [(two, Outcome::Indeterminate { limit: None })]);
        // An old inbound identifier must not swallow a new message.
        rig.commit();
        rig.broker(packets::qos2("in", "another", 5));
        assert_eq!(rig.payloads(), ["another"]);
    }
}

// [MQTT-4.4.0-2]
#[test]
fn b7_every_end_but_success_is_stored_before_it_is_told() {
    let mut config = durable(Version::V5);
    config.in_flight_max = 1;
    let mut rig = connected_on_demand(config);
    let rejected = publish1(&mut rig, "rejected");
    let cancelled = publish1(&mut rig, "cancelled");
    let expired = publish(&mut rig, expiring(message("expired", QoS::ExactlyOnce), 10));
    rig.commit();
    rig.events();
    assert!(rig.engine.cancel(cancelled));
    rig.advance(std::time::Duration::from_secs(11));
    let id = published_id(&mut rig);
    rig.broker(Packet::PubAck(Ack::new(id, ReasonCode::NotAuthorized)));
    assert!(rig.outcomes().is_empty());
    rig.commit();
    let ended: Vec<_> = rig.outcomes();
    let [first, second, third] = &ended[..] else { panic!("{ended:?}") };
    assert!(first.0 == cancelled && matches!(first.1, Outcome::Cancelled { .. }));
    assert!(second.0 == expired && matches!(second.1, Outcome::Expired { .. }));
    assert!(third.0 == rejected && matches!(third.1, Outcome::Rejected { .. }));
    let mut rig = rig.crash();
    rig.connect(true);
    assert_eq!(payloads(&mut rig).len(), 0, "none of them comes back");
}

// [MQTT-3.8.4-1]
#[test]
fn b8_a_wanted_filter_is_stored_before_subscribe_and_its_removal_before_unsubscribe() {
    for version in Version::ALL {
        let mut rig = connected_on_demand(durable(version));
        let wanted = vec![subscription("a/#", QoS::AtLeastOnce)];
        rig.engine.subscribe(wanted, Qos0Limits::default(), Vec::new()).unwrap();
        rig.settle();
        assert_eq!(rig.sent(), []);
        let waiting = rig.store.waiting();
        let [Entry::Wanted(stored)] = &waiting[..] else { panic!("{waiting:?}") };
        assert_eq!((&stored.filter, stored.options.qos), (&filter("a/#"), QoS::AtLeastOnce));
        assert_eq!(stored.subscription_id.is_some(), version == Version::V5);
        let stored_id = stored.subscription_id;
        rig.commit();
        let sent = rig.sent();
        let [Packet::Subscribe(subscribe)] = &sent[..] else { panic!("{sent:?}") };
        assert_eq!(subscribe.subscription_id, stored_id);
        rig.broker(bowline_testkit::subscriber::granted(subscribe));
        rig.unsubscribe("a/#");
        assert_eq!(rig.sent(), []);
        assert_eq!(rig.store.waiting(), [Entry::Unwanted { filter: filter("a/#") }]);
        rig.commit();
        assert!(matches!(rig.sent()[..], [Packet::Unsubscribe(_)]));
    }
}

// [MQTT-3.1.3-2] [MQTT-3.1.3-7]
#[test]
fn b9_who_we_are_to_the_broker_is_stored_before_the_session_is_used() {
    let mut config = durable(Version::V5);
    config.client_id = crate::script::text("");
    let mut rig = on_store(config, Commit::OnDemand);
    publish1(&mut rig, "x");
    rig.commit();
    rig.dial();
    rig.commit();
    rig.sent();
    let properties = bowline_proto::packet::ConnAckProperties {
        assigned_client_id: Some(crate::script::text("assigned-1")),
        session_expiry_secs: Some(77),
        ..Default::default()
    };
    rig.broker(bowline_testkit::client_rig::connack(Version::V5, false, ReasonCode::Success, properties));
    assert_eq!(rig.sent(), []);
    let established = rig.store.waiting().into_iter().find_map(|entry| match entry {
        Entry::Established(identity) => Some(identity),
        _ => None,
    });
    let identity = established.expect("who we are is recorded");
    assert_eq!((identity.client_id.as_str(), identity.session_expiry_secs), ("assigned-1", 77));
    assert_eq!(identity.version, Version::V5);
    rig.commit();
    assert_eq!(payloads(&mut rig), ["x"]);
    let mut rig = rig.crash();
    rig.dial();
    let connect = connect_sent(&mut rig);
    assert_eq!((connect.client_id.as_str(), connect.clean_start), ("assigned-1", false));
}

#[test]
fn the_end_of_a_success_is_stored_with_what_comes_next_or_after_a_while_or_when_the_client_ends() {
    for version in Version::ALL {
        let mut rig = connected_on_demand(durable(version));
        let acknowledged = |rig: &mut ClientRig, payload: &'static str| {
            publish1(rig, payload);
            rig.commit();
            let id = published_id(rig);
            rig.broker(puback(id));
            assert_eq!(rig.outcomes().len(), 1, "it is told at once");
            assert_eq!(rig.store.waiting(), [], "and is worth no commit");
        };
        acknowledged(&mut rig, "1");
        publish1(&mut rig, "2");
        assert!(matches!(rig.store.waiting()[..], [Entry::Ended { .. }, Entry::Accepted(_)]));
        rig.commit();
        let id = published_id(&mut rig);
        rig.broker(puback(id));
        assert_eq!(rig.outcomes().len(), 1);
        rig.advance(Duration::from_millis(49));
        assert_eq!(rig.store.waiting(), []);
        rig.advance(Duration::from_millis(1));
        assert!(matches!(rig.store.waiting()[..], [Entry::Ended { .. }]));
        rig.commit();
        acknowledged(&mut rig, "3");
        rig.engine.disconnect(Disconnect::new(ReasonCode::Success), rig.now).unwrap();
        rig.settle();
        assert!(matches!(rig.store.waiting()[..], [Entry::Ended { .. }]));
    }
}

/// Subscribes, publishes and receives at every QoS, loses the connection and comes back.
fn do_everything(rig: &mut ClientRig) {
    let stream = rig.subscribed("in", QoS::ExactlyOnce);
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        publish(rig, message("x", qos));
    }
    let ids: Vec<_> = published(rig).iter().filter_map(|sent| sent.packet_id).collect();
    rig.broker(puback(ids[0]));
    rig.broker(pubrec(ids[1]));
    rig.broker(packets::qos2("in", "x", 5));
    let delivery = rig.arrived()[0];
    rig.take(delivery, stream).expect("it is due");
    rig.broker(packets::pubrel(5, ReasonCode::Success));
    rig.reconnect(false);
}

#[test]
fn sessions_that_are_not_durable_store_nothing_and_wait_for_nothing() {
    for version in Version::ALL {
        for config in [clean(version), kept(version)] {
            let mut rig = ClientRig::connected(config);
            do_everything(&mut rig);
            assert_eq!((rig.store.batches(), rig.store.loads()), (0, 0));
        }
    }
}

#[test]
fn one_batch_is_with_the_store_at_a_time_and_the_rest_shares_the_next() {
    let mut rig = connected_on_demand(durable(Version::V5));
    let before = rig.store.batches();
    for payload in ["1", "2", "3", "4"] {
        publish1(&mut rig, payload);
    }
    assert_eq!((rig.store.batches() - before, rig.store.waiting().len()), (1, 1));
    let answer = rig.store.commit_next().unwrap();
    rig.input(answer);
    assert_eq!(payloads(&mut rig), ["1"]);
    assert_eq!((rig.store.batches() - before, rig.store.waiting().len()), (2, 3));
    rig.commit();
    assert_eq!(payloads(&mut rig), ["2", "3", "4"]);
    assert_eq!(rig.store.batches() - before, 2);
}

#[test]
fn what_is_stored_for_a_message_does_not_grow_with_the_window() {
    let mut config = durable(Version::V5);
    config.in_flight_max = 1_000;
    let mut rig = ClientRig::new(config);
    crate::script::connect_durably(&mut rig);
    let before = rig.store.log().len();
    for number in 1..=1_000 {
        publish2(&mut rig, "x");
        assert_eq!(rig.store.log().len() - before, number, "one entry to accept and to send it");
    }
    let ids: Vec<_> = published(&mut rig).iter().filter_map(|sent| sent.packet_id).collect();
    for id in ids {
        rig.broker(pubrec(id));
        rig.broker(pubcomp(id));
    }
    rig.advance(Duration::from_secs(1));
    assert_eq!(rig.store.log().len() - before, 3_000, "one for PUBREC, one for the end");
}

#[test]
fn qos_0_is_not_stored_and_does_not_wait_for_the_store() {
    for version in Version::ALL {
        let mut rig = connected_on_demand(durable(version));
        publish1(&mut rig, "1");
        publish(&mut rig, message("0", QoS::AtMostOnce));
        let sent = published(&mut rig);
        assert_eq!(sent.iter().map(payload).collect::<Vec<_>>(), ["0"]);
        assert_eq!(rig.store.waiting().len(), 1);
    }
}
