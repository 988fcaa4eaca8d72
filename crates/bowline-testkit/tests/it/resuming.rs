//! What a resumed session sends again, in which order, and what counts against the new connection's quota.

use std::num::NonZeroU32;
use std::time::Duration;

use bowline_proto::client::Outcome;
use bowline_proto::connection::LimitError;
use bowline_proto::packet::{Ack, ConnAckProperties, Packet, Publish};
use bowline_proto::types::{Message, MessageProperties, QoS, TopicName};
use bowline_proto::{PacketId, ReasonCode, Version};
use bowline_testkit::ClientRig;

use crate::quota::receive_maximum;
use crate::script::{
    acknowledged, connect_durably, durable, kept, message, payload, payloads, puback, pubcomp, publish,
    publish1, publish2, published, published_id, pubrec, pubrel,
};

/// Payload, identifier and DUP flag of a PUBLISH.
fn shape(sent: &Publish) -> (String, PacketId, bool) {
    (payload(sent), sent.packet_id.expect("QoS 1 and 2 have an identifier"), sent.dup)
}

// [MQTT-4.4.0-1] [MQTT-3.3.1-1] [MQTT-4.6.0-1] [MQTT-4.4.0-1 of 3.1.1] [MQTT-4.6.0-1 of 3.1.1]
#[test]
fn unanswered_messages_are_sent_again_with_dup_the_same_identifier_and_in_the_first_order() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        publish1(&mut rig, "1");
        publish2(&mut rig, "2");
        publish1(&mut rig, "3");
        publish2(&mut rig, "4");
        let first = published(&mut rig);
        rig.broker(puback(first[0].packet_id.unwrap()));
        publish1(&mut rig, "5");
        rig.sent();
        let expected: Vec<_> = first[1..].iter().map(|sent| (shape(sent).0, shape(sent).1, true)).collect();
        for _ in 0..3 {
            rig.reconnect(true);
            let again = published(&mut rig);
            assert_eq!(again[..3].iter().map(shape).collect::<Vec<_>>(), expected, "{version:?}");
            assert_eq!(shape(&again[3]).0, "5");
            assert!(
                again.iter().all(|sent| sent.topic.as_ref().is_some_and(|topic| topic.as_str() == "a/b"))
            );
        }
    }
}

// [MQTT-4.6.0-1] [MQTT-4.6.0-1 of 3.1.1]
#[test]
fn the_order_of_sending_counts_also_when_the_identifiers_have_wrapped() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        loop {
            publish1(&mut rig, "x");
            let id = published_id(&mut rig);
            rig.broker(puback(id));
            if id.as_u16() == 65_533 {
                break;
            }
        }
        for payload in ["a", "b", "c", "d"] {
            publish2(&mut rig, payload);
        }
        let ids: Vec<_> = published(&mut rig).iter().map(|sent| shape(sent).1.as_u16()).collect();
        assert_eq!(ids, [65_534, 65_535, 1, 2]);
        rig.reconnect(true);
        assert_eq!(payloads(&mut rig), ["a", "b", "c", "d"]);
    }
}

// [MQTT-4.3.3-6] [MQTT-4.6.0-4] [MQTT-4.4.0-1] [MQTT-4.3.3-1 of 3.1.1] [MQTT-4.6.0-4 of 3.1.1]
#[test]
fn after_pubrec_only_pubrel_is_sent_again_in_the_order_of_the_pubrecs() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        for payload in ["1", "2", "3", "4"] {
            publish2(&mut rig, payload);
        }
        let ids: Vec<_> = published(&mut rig).iter().map(|sent| shape(sent).1).collect();
        for index in [2, 0, 3] {
            rig.broker(pubrec(ids[index]));
        }
        for _ in 0..2 {
            rig.sent();
            rig.reconnect(true);
            let sent = rig.sent();
            let [Packet::Connect(_), first, second, third, Packet::Publish(publish)] = &sent[..] else {
                panic!("{version:?}: {sent:?}");
            };
            assert_eq!([first, second, third], [&pubrel(ids[2]), &pubrel(ids[0]), &pubrel(ids[3])]);
            assert_eq!(shape(publish), ("2".to_owned(), ids[1], true));
        }
        rig.broker(pubcomp(ids[0]));
        rig.reconnect(true);
        let sent = rig.sent();
        assert_eq!(sent[1..3], [pubrel(ids[2]), pubrel(ids[3])]);
    }
}

// [MQTT-4.6.0-4] [MQTT-4.6.0-4 of 3.1.1]
#[test]
fn pubrels_keep_the_order_of_pubrecs_that_came_in_another_order_than_the_messages_after_a_restart_too() {
    for version in Version::ALL {
        let mut rig = ClientRig::new(durable(version));
        connect_durably(&mut rig);
        for payload in ["1", "2", "3", "4"] {
            publish2(&mut rig, payload);
        }
        let ids: Vec<_> = published(&mut rig).iter().map(|sent| shape(sent).1).collect();
        for index in [2, 0, 3] {
            rig.broker(pubrec(ids[index]));
        }
        for _ in 0..2 {
            rig = rig.crash();
            rig.connect(true);
            let sent = rig.sent();
            let released: Vec<_> = sent.iter().filter(|one| matches!(one, Packet::PubRel(_))).collect();
            assert_eq!(released, [&pubrel(ids[2]), &pubrel(ids[0]), &pubrel(ids[3])], "{version:?}");
        }
        rig.broker(pubrec(ids[1]));
        let mut rig = rig.crash();
        rig.connect(true);
        assert_eq!(rig.sent().last(), Some(&pubrel(ids[1])), "{version:?}");
    }
}

#[test]
fn what_was_written_in_part_counts_as_sent_and_what_was_queued_does_not() {
    for version in Version::ALL {
        let mut config = kept(version);
        config.in_flight_max = 1;
        let mut rig = ClientRig::connected(config);
        rig.writes = false;
        publish1(&mut rig, "in the driver's hands");
        publish1(&mut rig, "queued");
        rig.sent();
        rig.writes = true;
        rig.input(bowline_proto::client::Input::TransportFailed);
        rig.wait_for_dial();
        rig.connect(true);
        let sent = published(&mut rig);
        assert_eq!(
            sent.iter().map(|sent| (payload(sent), sent.dup)).collect::<Vec<_>>(),
            [("in the driver's hands".to_owned(), true)]
        );
        rig.broker(puback(sent[0].packet_id.unwrap()));
        let sent = published(&mut rig);
        assert_eq!(
            sent.iter().map(|sent| (payload(sent), sent.dup)).collect::<Vec<_>>(),
            [("queued".to_owned(), false)]
        );
    }
}

// [MQTT-3.3.4-7] [MQTT-4.9.0-2] [MQTT-2.2.1-3]
#[test]
fn a_lowered_receive_maximum_holds_back_what_is_sent_again_and_all_that_is_new_behind_it() {
    let mut rig = ClientRig::connected(kept(Version::V5));
    for payload in ["1", "2", "3", "4", "5"] {
        publish1(&mut rig, payload);
    }
    let ids: Vec<_> = published(&mut rig).iter().map(|sent| shape(sent).1).collect();
    rig.reconnect_with(true, receive_maximum(2));
    publish1(&mut rig, "new");
    publish(&mut rig, message("qos 0", QoS::AtMostOnce));
    let again = published(&mut rig);
    assert_eq!(again.iter().map(payload).collect::<Vec<_>>(), ["1", "2", "qos 0"]);
    for (answered, next) in [(0, "3"), (1, "4"), (2, "5"), (3, "new")] {
        rig.broker(puback(ids[answered]));
        let sent = published(&mut rig);
        assert_eq!(sent.iter().map(payload).collect::<Vec<_>>(), [next]);
        assert_eq!(sent[0].dup, next != "new");
        assert_eq!(ids.contains(&sent[0].packet_id.unwrap()), next != "new", "no live identifier is reused");
    }
}

// [MQTT-4.6.0-1]
#[test]
fn a_message_published_between_an_answer_and_the_next_poll_does_not_overtake_a_resumed_one() {
    let mut rig = ClientRig::connected(kept(Version::V5));
    for payload in ["1", "2"] {
        publish1(&mut rig, payload);
    }
    let first = published(&mut rig)[0].packet_id.unwrap();
    rig.reconnect_with(true, receive_maximum(1));
    assert_eq!(payloads(&mut rig), ["1"]);
    rig.engine.handle_input(bowline_proto::client::Input::Packet(puback(first)), rig.now);
    publish1(&mut rig, "new");
    assert_eq!(payloads(&mut rig), ["2"]);
}

// [MQTT-4.9.0-3] [MQTT-3.3.4-7] [MQTT-3.3.4-8]
#[test]
fn resumed_pubrels_go_out_over_the_quota_and_count_against_it() {
    let mut rig = ClientRig::connected(kept(Version::V5));
    for payload in ["1", "2", "3"] {
        publish2(&mut rig, payload);
    }
    let ids: Vec<_> = published(&mut rig).iter().map(|sent| shape(sent).1).collect();
    for id in &ids {
        rig.broker(pubrec(*id));
    }
    rig.sent();
    rig.reconnect_with(true, receive_maximum(1));
    publish1(&mut rig, "new");
    let sent = rig.sent();
    assert_eq!(sent[1..], [pubrel(ids[0]), pubrel(ids[1]), pubrel(ids[2])]);
    for id in &ids[..2] {
        rig.broker(pubcomp(*id));
        assert_eq!(rig.sent(), [], "the broker counts one more than its maximum still");
    }
    rig.broker(pubcomp(ids[2]));
    assert_eq!(payloads(&mut rig), ["new"]);
}

// [MQTT-4.9.0-2]
#[test]
fn an_answer_to_a_message_that_waits_to_be_sent_again_ends_it() {
    let mut rig = ClientRig::connected(kept(Version::V5));
    let publications: Vec<_> = ["1", "2", "3"].map(|payload| publish2(&mut rig, payload)).into();
    let ids: Vec<_> = published(&mut rig).iter().map(|sent| shape(sent).1).collect();
    rig.reconnect_with(true, receive_maximum(1));
    assert_eq!(payloads(&mut rig), ["1"]);
    rig.broker(pubrec(ids[1]));
    assert_eq!(rig.sent(), [pubrel(ids[1])], "PUBREL, and never PUBLISH after it");
    rig.broker(Packet::PubRec(Ack::new(ids[2], ReasonCode::QuotaExceeded)));
    rig.broker(pubcomp(ids[1]));
    assert_eq!(rig.sent(), [], "the first one holds the only unit");
    rig.broker(pubrec(ids[0]));
    rig.broker(pubcomp(ids[0]));
    let ended: Vec<_> = rig.outcomes().into_iter().map(|(publication, _)| publication).collect();
    assert_eq!(ended, [publications[2], publications[1], publications[0]]);
    rig.sent();
    publish1(&mut rig, "a");
    publish1(&mut rig, "b");
    assert_eq!(payloads(&mut rig), ["a"], "the quota is what it was");
}

#[test]
fn sending_again_respects_the_outputs_high_water_mark() {
    let mut rig = ClientRig::connected(kept(Version::V3_1_1));
    for _ in 0..20 {
        let large = Message::new(TopicName::from_static("large").unwrap(), vec![b'x'; 64 * 1024]);
        publish(&mut rig, large.with_qos(QoS::AtLeastOnce));
    }
    let first: Vec<_> = published(&mut rig).iter().map(|sent| sent.packet_id).collect();
    rig.lose();
    rig.wait_for_dial();
    rig.sent();
    rig.writes = false;
    rig.connect(true);
    let mut again: Vec<_> = published(&mut rig).iter().map(|sent| sent.packet_id).collect();
    assert!(again.len() <= 5, "{} of 64 KiB", again.len());
    rig.write_out();
    again.extend(published(&mut rig).iter().map(|sent| sent.packet_id));
    assert_eq!(again, first);
}

/// Publishes, loses the connection, and comes back to a broker that does not take such messages any more.
fn forbidden_after_reconnect(sent: Message, properties: ConnAckProperties) -> (ClientRig, Outcome, PacketId) {
    let mut rig = ClientRig::connected(kept(Version::V5));
    let publication = publish(&mut rig, sent);
    let id = published_id(&mut rig);
    publish1(&mut rig, "fits");
    rig.reconnect_with(true, properties);
    assert_eq!(payloads(&mut rig), ["fits", "fits"]);
    let mut ended = rig.outcomes();
    let (ended_publication, outcome) = ended.pop().expect("an outcome");
    assert_eq!((ended_publication, ended.len()), (publication, 0));
    (rig, outcome, id)
}

// [MQTT-3.2.2-11] [MQTT-3.2.2-14] [MQTT-3.2.2-15]
#[test]
fn a_sent_message_that_the_new_connection_forbids_ends_as_indeterminate_and_says_why() {
    let small = ConnAckProperties { maximum_packet_size: NonZeroU32::new(20), ..Default::default() };
    let (_, outcome, _) = forbidden_after_reconnect(message("more than fits in 20", QoS::AtLeastOnce), small);
    let limit = LimitError::PacketTooLarge { bytes: 30, maximum: 20 };
    assert_eq!(outcome, Outcome::Indeterminate { limit: Some(limit) });
    let no_retain = ConnAckProperties { retain_available: Some(false), ..Default::default() };
    let retained = message("x", QoS::AtLeastOnce).with_retain(true);
    let (_, outcome, _) = forbidden_after_reconnect(retained, no_retain);
    assert_eq!(outcome, Outcome::Indeterminate { limit: Some(LimitError::RetainNotAvailable) });
}

/// Publishes and acknowledges until every identifier had its turn; whether `id` was among them.
fn is_used_again(rig: &mut ClientRig, id: PacketId) -> bool {
    let mut is_used = false;
    for _ in 0..u16::MAX {
        publish1(rig, "x");
        let next = published(rig).pop().and_then(|sent| sent.packet_id).expect("a PUBLISH");
        is_used |= next == id;
        rig.broker(puback(next));
        rig.events();
    }
    is_used
}

// [MQTT-2.2.1-3] [MQTT-3.2.2-11]
#[test]
fn the_identifier_of_a_forbidden_qos_2_message_is_out_of_use_until_the_brokers_last_word() {
    let endings: [fn(&mut ClientRig, PacketId); 4] = [
        |rig, id| rig.broker(pubcomp(id)),
        |rig, id| rig.broker(Packet::PubRec(Ack::new(id, ReasonCode::UnspecifiedError))),
        |rig, id| {
            rig.broker(pubrec(id));
            assert!(matches!(rig.sent()[..], [Packet::PubRel(_)]), "the broker can finish");
            rig.broker(pubcomp(id));
        },
        |rig, _| rig.reconnect(false),
    ];
    // Each check takes a round through all identifiers.
    for (number, ending) in endings.into_iter().enumerate() {
        let low = ConnAckProperties { maximum_qos: Some(QoS::AtLeastOnce), ..Default::default() };
        let (mut rig, outcome, id) = forbidden_after_reconnect(message("x", QoS::ExactlyOnce), low);
        assert!(matches!(outcome, Outcome::Indeterminate { limit: Some(LimitError::QoSTooHigh { .. }) }));
        assert!(number > 0 || !is_used_again(&mut rig, id), "the broker would swallow the next message");
        ending(&mut rig, id);
        assert!(is_used_again(&mut rig, id), "ending {number}");
    }
}

// [MQTT-2.2.1-3]
#[test]
fn the_identifier_of_a_given_up_qos_2_message_is_skipped_after_a_restart_until_the_brokers_last_word() {
    let mut rig = ClientRig::new(durable(Version::V5));
    connect_durably(&mut rig);
    publish2(&mut rig, "x");
    let id = published_id(&mut rig);
    let low = ConnAckProperties { maximum_qos: Some(QoS::AtLeastOnce), ..Default::default() };
    rig.reconnect_with(true, low);
    assert!(matches!(rig.outcomes()[..], [(_, Outcome::Indeterminate { limit: Some(_) })]));
    // A restarted rig begins with the identifier that it began with before.
    let mut rig = rig.crash();
    rig.connect(true);
    rig.sent();
    publish2(&mut rig, "the broker would swallow it");
    let next = published_id(&mut rig);
    assert_eq!(next.as_u16(), id.as_u16() + 1);
    rig.broker(pubrec(next));
    rig.broker(pubcomp(next));
    rig.broker(pubcomp(id));
    let mut rig = rig.crash();
    rig.connect(true);
    rig.sent();
    publish2(&mut rig, "the broker has finished with it");
    assert_eq!(published_id(&mut rig), id);
}

// [MQTT-4.4.0-2] [MQTT-2.3.1-3 of 3.1.1]
#[test]
fn what_was_answered_is_not_sent_again_and_its_identifier_is_free() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        let one = publish1(&mut rig, "1");
        let two = publish2(&mut rig, "2");
        let ids: Vec<_> = published(&mut rig).iter().map(|sent| shape(sent).1).collect();
        rig.broker(puback(ids[0]));
        rig.broker(pubrec(ids[1]));
        rig.broker(pubcomp(ids[1]));
        assert_eq!(rig.outcomes(), [(one, acknowledged()), (two, acknowledged())]);
        rig.sent();
        rig.reconnect(true);
        assert_eq!(rig.sent().len(), 1, "CONNECT alone");
    }
}

// [MQTT-4.3.3-13] [MQTT-4.3.3-7]
#[test]
fn a_qos_2_exchange_is_finished_although_the_message_has_expired() {
    let mut rig = ClientRig::connected(kept(Version::V5));
    let mut properties = MessageProperties::default();
    properties.expiry_secs = Some(1);
    let message = message("1", QoS::ExactlyOnce).with_properties(properties);
    rig.engine.publish(message, rig.now).unwrap();
    rig.settle();
    let id = published_id(&mut rig);
    rig.broker(pubrec(id));
    rig.advance(Duration::from_secs(10));
    rig.sent();
    rig.reconnect(true);
    assert!(rig.sent().contains(&pubrel(id)));
    rig.broker(pubcomp(id));
    assert_eq!(rig.outcomes().pop().map(|(_, outcome)| outcome), Some(acknowledged()));
}
