//! The flows of QoS 0, 1 and 2 on one connection: what is sent, and how each publication ends.

use bowline_proto::client::{Event, Outcome};
use bowline_proto::error::{PublishErrorKind, RequestError};
use bowline_proto::packet::{Ack, AckProperties, ConnAckProperties, Packet};
use bowline_proto::types::QoS;
use bowline_proto::{PacketId, ReasonCode, Version};
use bowline_testkit::ClientRig;

use crate::script::{
    acknowledged, clean, kept, message, payloads, puback, pubcomp, publish, publish1, publish2, published,
    published_id, pubrec, pubrel, text,
};

// [MQTT-4.3.1-1] [MQTT-2.2.1-2] [MQTT-4.3.1-1 of 3.1.1] [MQTT-2.3.1-5 of 3.1.1]
#[test]
fn a_qos_0_publication_is_one_packet_without_identifier_and_is_over_when_accepted() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        publish(&mut rig, message("21", QoS::AtMostOnce).with_retain(true));
        let [sent] = &published(&mut rig)[..] else { panic!("one PUBLISH") };
        assert_eq!((sent.qos, sent.dup, sent.packet_id), (QoS::AtMostOnce, false, None));
        assert!(sent.retain);
        assert_eq!(rig.events().len(), 0, "nothing is left to tell");
        assert_eq!((rig.engine.in_flight(), rig.engine.queued()), (0, (0, 0)));
    }
}

// [MQTT-4.3.2-2] [MQTT-4.3.2-3] [MQTT-4.3.2-1 of 3.1.1] [MQTT-2.3.1-3 of 3.1.1]
#[test]
fn a_qos_1_publication_is_unacknowledged_until_puback() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        let publication = publish1(&mut rig, "21");
        let [sent] = &published(&mut rig)[..] else { panic!("one PUBLISH") };
        assert_eq!((sent.qos, sent.dup), (QoS::AtLeastOnce, false));
        assert_eq!((rig.engine.in_flight(), rig.events().len()), (1, 0));
        rig.broker(puback(sent.packet_id.unwrap()));
        assert_eq!(rig.outcomes(), [(publication, acknowledged())]);
        assert_eq!(rig.engine.in_flight(), 0);
        assert_eq!(rig.sent(), []);
    }
}

// [MQTT-4.3.3-2] [MQTT-4.3.3-3] [MQTT-4.3.3-4] [MQTT-4.3.3-5] [MQTT-4.3.3-1 of 3.1.1]
#[test]
fn a_qos_2_publication_is_released_after_pubrec_and_over_at_pubcomp() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        let publication = publish2(&mut rig, "21");
        let [sent] = &published(&mut rig)[..] else { panic!("one PUBLISH") };
        assert_eq!((sent.qos, sent.dup), (QoS::ExactlyOnce, false));
        let id = sent.packet_id.unwrap();
        rig.broker(pubrec(id));
        assert_eq!(rig.sent(), [pubrel(id)]);
        assert_eq!((rig.engine.in_flight(), rig.events().len()), (1, 0));
        rig.broker(pubcomp(id));
        assert_eq!(rig.outcomes(), [(publication, acknowledged())]);
        assert_eq!((rig.engine.in_flight(), rig.sent().len()), (0, 0));
    }
}

// [MQTT-2.2.1-3] [MQTT-4.3.2-1] [MQTT-4.3.3-1] [MQTT-2.3.1-1 of 3.1.1] [MQTT-2.3.1-2 of 3.1.1]
#[test]
fn publications_in_flight_never_share_an_identifier_also_after_all_were_used_once() {
    for version in [Version::V3_1_1, Version::V5] {
        let mut config = clean(version);
        config.in_flight_max = 3;
        let mut rig = ClientRig::connected(config);
        publish1(&mut rig, "held");
        let held = published_id(&mut rig);
        let mut previous = held;
        for _ in 0..u16::MAX {
            publish2(&mut rig, "x");
            let id = published_id(&mut rig);
            assert_ne!(id, held, "{version:?}");
            assert_ne!(id, previous, "an identifier is reused as late as possible");
            previous = id;
            if version == Version::V5 {
                rig.broker(Packet::PubRec(Ack::new(id, ReasonCode::QuotaExceeded)));
                rig.events();
            } else {
                rig.broker(pubrec(id));
                rig.broker(pubcomp(id));
            }
        }
        rig.sent();
    }
}

// [MQTT-2.2.1-5] [MQTT-2.3.1-6 of 3.1.1]
#[test]
fn qos_2_works_with_several_messages_in_flight_and_answers_in_any_order() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        let publications: Vec<_> = (0..3).map(|_| publish2(&mut rig, "x")).collect();
        let ids: Vec<_> = published(&mut rig).iter().filter_map(|sent| sent.packet_id).collect();
        for index in [1, 0, 2] {
            rig.broker(pubrec(ids[index]));
        }
        assert_eq!(rig.sent(), [pubrel(ids[1]), pubrel(ids[0]), pubrel(ids[2])]);
        for index in [2, 1, 0] {
            rig.broker(pubcomp(ids[index]));
        }
        let ended: Vec<_> = rig.outcomes().into_iter().map(|(publication, _)| publication).collect();
        assert_eq!(ended, [publications[2], publications[1], publications[0]]);
    }
}

// [MQTT-4.4.0-2]
#[test]
fn a_failing_puback_or_pubrec_ends_the_publication_as_rejected_with_its_reason() {
    let mut rig = ClientRig::connected(kept(Version::V5));
    let properties = AckProperties {
        reason_string: Some(text("no space")),
        user_properties: vec![(text("k"), text("v"))],
    };
    let fail = |packet_id| Ack {
        packet_id,
        reason: ReasonCode::QuotaExceeded,
        properties: Some(Box::new(properties.clone())),
    };
    let rejected = || Outcome::Rejected {
        reason: ReasonCode::QuotaExceeded,
        properties: Some(Box::new(properties.clone())),
    };
    let first = publish1(&mut rig, "1");
    let second = publish2(&mut rig, "2");
    let ids: Vec<_> = published(&mut rig).iter().filter_map(|sent| sent.packet_id).collect();
    rig.broker(Packet::PubAck(fail(ids[0])));
    rig.broker(Packet::PubRec(fail(ids[1])));
    assert_eq!(rig.outcomes(), [(first, rejected()), (second, rejected())]);
    assert_eq!((rig.engine.in_flight(), rig.sent().len()), (0, 0), "no PUBREL after a failure");
    rig.reconnect(true);
    assert_eq!(payloads(&mut rig).len(), 0, "nothing is sent again");
}

#[test]
fn a_reason_below_0x80_is_success_and_told() {
    let mut rig = ClientRig::connected(clean(Version::V5));
    let first = publish1(&mut rig, "1");
    let second = publish2(&mut rig, "2");
    let ids: Vec<_> = published(&mut rig).iter().filter_map(|sent| sent.packet_id).collect();
    rig.broker(Packet::PubAck(Ack::new(ids[0], ReasonCode::NoMatchingSubscribers)));
    let nobody = Outcome::Acknowledged {
        reason: ReasonCode::NoMatchingSubscribers,
        properties: None,
        downgraded: false,
    };
    assert_eq!(rig.outcomes(), [(first, nobody)]);
    rig.broker(Packet::PubRec(Ack::new(ids[1], ReasonCode::NoMatchingSubscribers)));
    assert_eq!(rig.sent(), [pubrel(ids[1])]);
    rig.broker(pubcomp(ids[1]));
    assert_eq!(rig.outcomes(), [(second, acknowledged())]);
}

// [MQTT-3.7.2-1]
#[test]
fn pubcomp_for_an_identifier_that_the_broker_has_forgotten_is_success() {
    let mut rig = ClientRig::connected(clean(Version::V5));
    let publication = publish2(&mut rig, "x");
    let id = published_id(&mut rig);
    rig.broker(pubrec(id));
    rig.broker(Packet::PubComp(Ack::new(id, ReasonCode::PacketIdentifierNotFound)));
    assert_eq!(rig.outcomes(), [(publication, acknowledged())]);
}

#[test]
fn before_5_0_a_puback_ends_a_qos_2_publication_as_downgraded() {
    for version in [Version::V3_1, Version::V3_1_1] {
        let mut rig = ClientRig::connected(clean(version));
        let publication = publish2(&mut rig, "x");
        let id = published_id(&mut rig);
        rig.broker(puback(id));
        let downgraded =
            Outcome::Acknowledged { reason: ReasonCode::Success, properties: None, downgraded: true };
        assert_eq!(rig.outcomes(), [(publication, downgraded)]);
        assert_eq!(rig.engine.in_flight(), 0);
    }
}

/// Sends an answer that does not fit, and expects the connection to end for it: with DISCONNECT 0x82 in 5.0.
fn expect_wrong(version: Version, prepare: fn(&mut ClientRig) -> Packet) {
    let mut rig = ClientRig::connected(kept(version));
    let answer = prepare(&mut rig);
    rig.sent();
    rig.broker(answer.clone());
    match &rig.sent()[..] {
        [Packet::Disconnect(said)] if version == Version::V5 => {
            assert_eq!(said.reason, ReasonCode::ProtocolError);
        }
        [] if version != Version::V5 => {}
        sent => panic!("{version:?}, {answer:?}: {sent:?}"),
    }
    assert_eq!(rig.engine.state_name(), "Backoff", "{version:?}, {answer:?}");
    assert_eq!(rig.engine.in_flight(), 1, "the publication is not lost");
}

// [MQTT-4.13.1-1] [MQTT-4.8.0-1 of 3.1.1]
#[test]
fn an_answer_of_the_wrong_kind_ends_the_connection_and_keeps_the_publication() {
    for version in Version::ALL {
        expect_wrong(version, |rig| {
            publish1(rig, "x");
            pubrec(published_id(rig))
        });
        expect_wrong(version, |rig| {
            publish1(rig, "x");
            pubcomp(published_id(rig))
        });
        expect_wrong(version, |rig| {
            publish2(rig, "x");
            pubcomp(published_id(rig))
        });
        expect_wrong(version, |rig| {
            publish2(rig, "x");
            let id = published_id(rig);
            rig.broker(pubrec(id));
            puback(id)
        });
    }
    expect_wrong(Version::V5, |rig| {
        publish2(rig, "x");
        puback(published_id(rig))
    });
}

// [MQTT-2.2.1-5] [MQTT-2.3.1-6 of 3.1.1]
#[test]
fn acknowledgements_for_unknown_identifiers_are_ignored_and_counted() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        publish1(&mut rig, "x");
        let known = published_id(&mut rig).as_u16();
        let unknown = PacketId::new(known + 7).unwrap();
        rig.broker(puback(unknown));
        rig.broker(pubcomp(unknown));
        assert_eq!(rig.engine.stats().unknown_acknowledgements, 2);
        assert_eq!((rig.engine.state_name(), rig.engine.in_flight()), ("Active", 1));
        assert_eq!((rig.sent().len(), rig.events().len()), (0, 0));
    }
}

// [MQTT-3.6.2-1] [MQTT-4.3.3-4]
#[test]
fn a_pubrec_for_an_unknown_identifier_is_answered_so_that_the_broker_can_finish() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        let unknown = PacketId::new(77).unwrap();
        rig.broker(pubrec(unknown));
        let reason = match version {
            Version::V5 => ReasonCode::PacketIdentifierNotFound,
            _ => ReasonCode::Success,
        };
        assert_eq!(rig.sent(), [Packet::PubRel(Ack::new(unknown, reason))]);
        assert_eq!(rig.engine.stats().unknown_acknowledgements, 1);
    }
    let mut rig = ClientRig::connected(clean(Version::V5));
    rig.broker(Packet::PubRec(Ack::new(PacketId::new(77).unwrap(), ReasonCode::NotAuthorized)));
    assert_eq!(rig.sent(), [], "a failing PUBREC needs no PUBREL");
}

// [MQTT-4.3.3-4] [MQTT-4.3.3-6] [MQTT-4.3.3-1 of 3.1.1]
#[test]
fn a_repeated_pubrec_is_answered_with_pubrel_again() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        publish2(&mut rig, "x");
        let id = published_id(&mut rig);
        for _ in 0..3 {
            rig.broker(pubrec(id));
            assert_eq!(rig.sent(), [pubrel(id)], "PUBREL, never PUBLISH");
        }
        rig.broker(pubcomp(id));
        assert_eq!(rig.outcomes().len(), 1);
    }
}

// [MQTT-4.4.0-1]
#[test]
fn nothing_is_sent_again_while_the_connection_lasts() {
    for version in Version::ALL {
        let mut config = clean(version);
        config.keep_alive_secs = 0;
        let mut rig = ClientRig::connected(config);
        publish1(&mut rig, "1");
        publish2(&mut rig, "2");
        let id = published(&mut rig)[1].packet_id.unwrap();
        rig.broker(pubrec(id));
        rig.sent();
        rig.advance(std::time::Duration::from_secs(86_400));
        assert_eq!(rig.sent(), [], "{version:?}");
    }
}

#[test]
fn the_properties_of_a_message_reach_the_wire_in_their_order() {
    let mut rig = ClientRig::connected(clean(Version::V5));
    let mut properties = bowline_proto::types::MessageProperties::default();
    properties.content_type = Some(text("text/plain"));
    properties.correlation_data = Some("7".into());
    properties.user_properties = vec![(text("b"), text("1")), (text("a"), text("2")), (text("b"), text("1"))];
    publish(&mut rig, message("x", QoS::AtLeastOnce).with_properties(properties.clone()));
    assert_eq!(published(&mut rig)[0].properties.as_deref(), Some(&properties));
}

// [MQTT-3.2.2-11] [MQTT-3.2.2-14] [MQTT-3.2.2-15]
#[test]
fn what_the_broker_said_it_would_refuse_is_refused_at_the_call_with_value_and_limit() {
    let mut rig = ClientRig::new(clean(Version::V5));
    rig.connect_with(
        false,
        ConnAckProperties {
            maximum_qos: Some(QoS::AtLeastOnce),
            retain_available: Some(false),
            maximum_packet_size: std::num::NonZeroU32::new(20),
            ..Default::default()
        },
    );
    rig.sent();
    let refusals = [
        (message("x", QoS::ExactlyOnce), "the message has QoS 2, the server's maximum is 1"),
        (
            message("x", QoS::AtMostOnce).with_retain(true),
            "the message is retained, the server keeps no retained messages",
        ),
        (message("0123456789a", QoS::AtLeastOnce), "the packet has 21 bytes, the server's maximum is 20"),
        (
            crate::script::expiring(message("012345", QoS::AtLeastOnce), 60),
            "the packet has 21 bytes, the server's maximum is 20",
        ),
    ];
    for (asked, text) in refusals {
        let refused = rig.engine.publish(asked.clone(), rig.now).unwrap_err();
        assert_eq!((&refused.message, refused.to_string().as_str()), (&asked, text));
        assert!(matches!(refused.kind, PublishErrorKind::Request(RequestError::Limit(_))));
    }
    rig.settle();
    assert_eq!(rig.sent(), []);
    publish(&mut rig, message("0123456789", QoS::AtLeastOnce));
    publish(&mut rig, crate::script::expiring(message("01234", QoS::AtLeastOnce), 60));
    assert_eq!(published(&mut rig).len(), 2, "20 bytes fit");
}

// [MQTT-3.2.2-11] [MQTT-3.2.2-14] [MQTT-3.2.2-15]
#[test]
fn a_message_that_waited_for_a_connection_that_forbids_it_comes_back_unsent() {
    for version in [Version::V5] {
        let mut rig = ClientRig::new(clean(version));
        let forbidden = [
            message("1", QoS::ExactlyOnce),
            message("2", QoS::AtLeastOnce).with_retain(true),
            message("a message that is too long for this broker", QoS::AtMostOnce),
        ];
        let publications: Vec<_> =
            forbidden.iter().map(|message| publish(&mut rig, message.clone())).collect();
        publish1(&mut rig, "fits");
        rig.connect_with(
            false,
            ConnAckProperties {
                maximum_qos: Some(QoS::AtLeastOnce),
                retain_available: Some(false),
                maximum_packet_size: std::num::NonZeroU32::new(32),
                ..Default::default()
            },
        );
        assert_eq!(payloads(&mut rig), ["fits"]);
        let mut ended = rig.outcomes();
        ended.sort_by_key(|(publication, _)| *publication);
        assert_eq!(ended.len(), 3);
        for ((ended, outcome), (publication, message)) in
            ended.into_iter().zip(publications.into_iter().zip(forbidden))
        {
            assert_eq!(ended, publication);
            assert!(matches!(outcome, Outcome::Forbidden { message: back, .. } if back == message));
        }
    }
}

#[test]
fn a_client_that_has_ended_gives_every_publication_exactly_one_outcome() {
    for version in Version::ALL {
        let mut config = kept(version);
        config.in_flight_max = 3;
        let mut rig = ClientRig::connected(config);
        let sent: Vec<_> = (0..3).map(|_| publish1(&mut rig, "sent")).collect();
        let queued = [publish2(&mut rig, "queued"), publish1(&mut rig, "queued")];
        let id = published(&mut rig)[1].packet_id.unwrap();
        rig.broker(puback(id));
        assert_eq!(rig.outcomes().len(), 1);
        let ended: Vec<_> = rig
            .engine
            .end()
            .into_iter()
            .filter_map(|event| match event {
                Event::PublishEnded { publication, outcome } => Some((publication, outcome)),
                _ => None,
            })
            .collect();
        let [first, third, fourth, fifth] = &ended[..] else { panic!("{ended:?}") };
        assert_eq!((first.0, third.0), (sent[0], sent[2]));
        assert_eq!((fourth.0, fifth.0), (queued[0], queued[1]));
        assert!(matches!(first.1, Outcome::Indeterminate { .. }));
        assert!(matches!(third.1, Outcome::Indeterminate { .. }));
        // The first queued one took the place of the acknowledged one.
        assert!(matches!(fourth.1, Outcome::Indeterminate { .. }));
        assert!(matches!(&fifth.1, Outcome::NotSent { message } if message.payload == "queued"));
    }
}
