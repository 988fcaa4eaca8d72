//! Publications to the client: quota, identifiers, limits, expiry, and how they end.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use bowline_proto::codec::EncodeError;
use bowline_proto::error::PublishErrorKind;
use bowline_proto::packet::{Ack, Connect, ConnectProperties, Packet, Publish};
use bowline_proto::server::{PublishOutcome, ServerConfig, ServerSession};
use bowline_proto::session::QueueLimits;
use bowline_proto::types::{Message, MessageProperties, QoS, SubscriptionId, SubscriptionIds};
use bowline_proto::{ReasonCode, Timestamp, Version};
use bowline_testkit::ServerRig;
use bowline_testkit::packets::{packet_id, puback, pubcomp, pubrec, pubrel, topic};
use bowline_testkit::server_rig::connect;

use super::assert_closed_with;

const OK: ReasonCode = ReasonCode::Success;

fn message(payload: &'static str, qos: QoS) -> Message {
    Message::new(topic("t"), payload).with_qos(qos)
}

fn expiring(payload: &'static str, qos: QoS, secs: u32) -> Message {
    let mut properties = MessageProperties::default();
    properties.expiry_secs = Some(secs);
    message(payload, qos).with_properties(properties)
}

/// A rig whose client has these limits.
fn limited(receive_maximum: u16, maximum_packet_size: Option<u32>) -> ServerRig {
    let properties = ConnectProperties {
        receive_maximum: NonZeroU16::new(receive_maximum),
        maximum_packet_size: maximum_packet_size.and_then(NonZeroU32::new),
        ..connect(Version::V5).properties
    };
    let client = Connect { properties, ..connect(Version::V5) };
    ServerRig::connected_with(ServerConfig::new(), client, Default::default())
}

/// Payloads and identifiers of the PUBLISHes sent since the last call; nothing else may have been sent.
#[track_caller]
fn published(rig: &mut ServerRig) -> Vec<(String, u16)> {
    let publish = |packet| match packet {
        Packet::Publish(Publish { payload, packet_id, .. }) => {
            (String::from_utf8_lossy(&payload).into_owned(), packet_id.map_or(0, |id| id.as_u16()))
        }
        other => panic!("not a PUBLISH: {other:?}"),
    };
    rig.sent().into_iter().map(publish).collect()
}

fn acknowledged() -> PublishOutcome {
    PublishOutcome::Acknowledged { reason: OK, properties: None }
}

// [MQTT-4.3.1-1] [MQTT-4.3.2-2] [MQTT-4.3.3-2] [MQTT-4.3.3-4] [MQTT-2.2.1-4]
#[test]
fn each_qos_runs_through_in_every_version() {
    for version in Version::ALL {
        let mut rig = ServerRig::connected(version);
        rig.publish(message("0", QoS::AtMostOnce));
        let first = rig.publish(message("1", QoS::AtLeastOnce));
        let second = rig.publish(message("2", QoS::ExactlyOnce));
        assert_eq!(published(&mut rig), [("0".into(), 0), ("1".into(), 1), ("2".into(), 2)]);
        rig.client(puback(1, OK));
        assert_eq!(rig.outcomes(), [(first, acknowledged())]);
        rig.client(pubrec(2, OK));
        assert_eq!(rig.sent(), [pubrel(2, OK)]);
        rig.client(pubcomp(2, OK));
        assert_eq!(rig.outcomes(), [(second, acknowledged())]);
        assert!(rig.engine.session().unwrap().is_new());
    }
}

// [MQTT-3.3.4-9] [MQTT-3.3.4-10] [MQTT-4.9.0-1]
#[test]
fn the_clients_receive_maximum_holds_back_publications_and_nothing_else() {
    let mut rig = limited(2, None);
    for payload in ["1", "2", "3", "4"] {
        rig.publish(message(payload, QoS::AtLeastOnce));
    }
    rig.publish(message("0", QoS::AtMostOnce));
    assert_eq!(published(&mut rig), [("1".into(), 1), ("2".into(), 2), ("0".into(), 0)]);
    rig.client(Packet::PingReq);
    assert_eq!(rig.sent(), [Packet::PingResp]);
    rig.client(puback(2, OK));
    assert_eq!(published(&mut rig), [("3".into(), 3)]);
    rig.client(puback(1, OK));
    assert_eq!(published(&mut rig), [("4".into(), 4)]);
}

// [MQTT-4.9.0-2] [MQTT-4.4.0-2]
#[test]
fn a_refused_publication_gives_its_quota_back_and_ends() {
    for (qos, refusal) in [
        (QoS::AtLeastOnce, puback(1, ReasonCode::QuotaExceeded)),
        (QoS::ExactlyOnce, pubrec(1, ReasonCode::QuotaExceeded)),
    ] {
        let mut rig = limited(1, None);
        let refused = rig.publish(message("1", qos));
        rig.publish(message("2", qos));
        rig.sent();
        rig.client(refusal);
        let rejected = PublishOutcome::Rejected { reason: ReasonCode::QuotaExceeded, properties: None };
        assert_eq!(rig.outcomes(), [(refused, rejected)]);
        assert_eq!(published(&mut rig), [("2".into(), 2)]);
    }
}

// [MQTT-3.1.2-24] [MQTT-3.1.2-25]
#[test]
fn a_message_that_the_client_finds_too_large_is_dropped_and_the_next_one_goes() {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut rig = limited(5, Some(20));
        let large = rig.publish(message("123456789012345", qos));
        rig.publish(message("small", qos));
        let [(publication, PublishOutcome::NotSendable { message, error })] = &rig.outcomes()[..] else {
            panic!("one was dropped")
        };
        assert_eq!((*publication, message.payload.len()), (large, 15));
        assert!(matches!(error, EncodeError::PacketTooLarge { limit: 20, .. }));
        assert_eq!(published(&mut rig).len(), 1);
        assert_eq!(rig.engine.state_name(), "Active");
    }
}

// [MQTT-3.3.2-6] [MQTT-4.3.3-7]
#[test]
fn the_expiry_interval_goes_out_reduced_by_the_waiting_time() {
    let mut rig = limited(1, None);
    rig.publish(message("1", QoS::AtLeastOnce));
    rig.publish(expiring("2", QoS::AtLeastOnce, 10));
    rig.sent();
    rig.advance(Duration::from_millis(3_500));
    rig.client(puback(1, OK));
    let [Packet::Publish(publish)] = &rig.sent()[..] else { panic!("one PUBLISH") };
    assert_eq!(publish.properties.as_ref().unwrap().expiry_secs, Some(7));
}

// [MQTT-3.3.2-5]
#[test]
fn a_message_that_expires_while_it_waits_is_not_sent() {
    for version in Version::ALL {
        let mut config = ServerConfig::new();
        config.in_flight_max = 1;
        let mut rig = ServerRig::connected_with(config, connect(version), Default::default());
        rig.publish(message("1", QoS::AtLeastOnce));
        let expired = rig.publish(expiring("2", QoS::AtLeastOnce, 10));
        rig.publish(expiring("3", QoS::AtLeastOnce, 11));
        rig.sent();
        rig.advance(Duration::from_secs(10));
        rig.client(puback(1, OK));
        let outcomes = rig.outcomes();
        assert!(matches!(&outcomes[1], (id, PublishOutcome::Expired { .. }) if *id == expired));
        assert_eq!(published(&mut rig), [("3".into(), 2)]);
    }
}

// [MQTT-3.3.4-3] [MQTT-3.3.4-4]
#[test]
fn subscription_identifiers_go_along_also_when_the_message_waited() {
    let ids: SubscriptionIds = [3, 1].into_iter().filter_map(SubscriptionId::new).collect();
    for version in Version::ALL {
        let mut config = ServerConfig::new();
        config.in_flight_max = 1;
        let mut rig = ServerRig::connected_with(config, connect(version), Default::default());
        let said = if version.rules().has_properties { ids.clone() } else { SubscriptionIds::new() };
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            rig.engine.publish(message("m", qos), ids.clone(), rig.now).unwrap();
        }
        rig.settle();
        rig.client(puback(1, OK));
        let sent = rig.sent();
        assert_eq!(sent.len(), 3);
        for packet in sent {
            let Packet::Publish(publish) = packet else { panic!("a PUBLISH") };
            assert_eq!(publish.subscription_ids, said);
        }
    }
}

#[test]
fn before_5_0_properties_are_left_out() {
    for version in [Version::V3_1, Version::V3_1_1] {
        let mut rig = ServerRig::connected(version);
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
            rig.publish(expiring("m", qos, 60));
        }
        assert_eq!(published(&mut rig).len(), 2);
        assert_eq!(rig.engine.state_name(), "Active");
    }
}

#[test]
fn a_full_queue_hands_the_message_back() {
    let mut queue = QueueLimits::default();
    queue.messages_max = 1;
    let mut session = ServerSession::new(queue);
    let now = Timestamp::ZERO;
    session.publish(message("1", QoS::AtLeastOnce), SubscriptionIds::new(), now).unwrap();
    let error = session.publish(message("2", QoS::AtLeastOnce), SubscriptionIds::new(), now).unwrap_err();
    assert_eq!(error.message, message("2", QoS::AtLeastOnce));
    assert!(matches!(error.kind, PublishErrorKind::Full { messages: 1, bytes: 2 }));
}

// [MQTT-2.2.1-5] [MQTT-4.3.3-5]
#[test]
fn an_acknowledgement_of_the_wrong_kind_closes_the_connection() {
    let cases = [
        (QoS::AtLeastOnce, pubrec(1, OK)),
        (QoS::AtLeastOnce, pubcomp(1, OK)),
        (QoS::ExactlyOnce, puback(1, OK)),
        (QoS::ExactlyOnce, pubcomp(1, OK)),
    ];
    for version in Version::ALL {
        for (qos, answer) in cases.clone() {
            let mut rig = ServerRig::connected(version);
            rig.publish(message("m", qos));
            rig.sent();
            rig.client(answer);
            assert_closed_with(&mut rig, ReasonCode::ProtocolError);
        }
    }
}

// [MQTT-3.6.2-1]
#[test]
fn acknowledgements_for_unknown_identifiers_are_counted_and_pubrec_is_answered() {
    for version in Version::ALL {
        let mut rig = ServerRig::connected(version);
        rig.client(puback(9, OK));
        rig.client(pubcomp(9, OK));
        assert_eq!(rig.sent(), []);
        rig.client(pubrec(9, OK));
        let unknown = if version.rules().has_ack_reasons { ReasonCode::PacketIdentifierNotFound } else { OK };
        assert_eq!(rig.sent(), [pubrel(9, unknown)]);
        assert_eq!(rig.engine.stats().unknown_acknowledgements, 3);
    }
}

#[test]
fn a_repeated_pubrec_gets_its_pubrel_again() {
    for version in Version::ALL {
        let mut rig = ServerRig::connected(version);
        rig.publish(message("m", QoS::ExactlyOnce));
        rig.sent();
        rig.client(pubrec(1, OK));
        rig.client(pubrec(1, OK));
        assert_eq!(rig.sent(), [pubrel(1, OK), pubrel(1, OK)]);
        rig.client(Packet::PubComp(Ack::success(packet_id(1))));
        assert_eq!(rig.outcomes().len(), 1);
    }
}

#[test]
fn while_the_client_does_not_read_publications_wait_in_the_bounded_queue() {
    let mut rig = ServerRig::connected(Version::V5);
    rig.writes = false;
    let payload = vec![b'x'; 100_000];
    for _ in 0..100 {
        let message = Message::new(topic("t"), payload.clone());
        rig.engine.publish(message, SubscriptionIds::new(), rig.now).unwrap();
        rig.settle();
    }
    let (messages, _) = rig.engine.session().unwrap().queued();
    assert!((95..100).contains(&messages), "{messages} messages wait");
    rig.write_out();
    assert_eq!(rig.engine.session().unwrap().queued().0, 0);
    assert_eq!(published(&mut rig).len(), 100);
}
