//! What a session brings along to the next connection.

use std::collections::BTreeSet;
use std::num::NonZeroU16;
use std::time::Duration;

use bowline_proto::packet::{Ack, Connect, ConnectProperties, Packet};
use bowline_proto::server::{PublishOutcome, ServerInput};
use bowline_proto::types::{Message, MessageProperties, QoS, SubscriptionIds};
use bowline_proto::{ReasonCode, Version};
use bowline_testkit::ServerRig;
use bowline_testkit::packets::{again, puback, pubcomp, pubrec, pubrel, qos1, qos2, topic};
use bowline_testkit::server_rig::connect;

const OK: ReasonCode = ReasonCode::Success;

fn message(payload: &'static str, qos: QoS) -> Message {
    Message::new(topic("t"), payload).with_qos(qos)
}

/// Payload, identifier and DUP of every PUBLISH; identifiers of PUBRELs.
fn shape(sent: &[Packet]) -> Vec<String> {
    let one = |packet: &Packet| match packet {
        Packet::Publish(publish) => {
            let payload = String::from_utf8_lossy(&publish.payload).into_owned();
            let id = publish.packet_id.map_or(0, |id| id.as_u16());
            format!("{payload}:{id}{}", if publish.dup { " dup" } else { "" })
        }
        Packet::PubRel(ack) => format!("PUBREL:{}", ack.packet_id),
        other => panic!("{other:?}"),
    };
    sent.iter().map(one).collect()
}

fn resuming(version: Version, receive_maximum: u16) -> Connect {
    let receive_maximum = version.rules().has_properties.then_some(receive_maximum);
    let properties = ConnectProperties {
        receive_maximum: receive_maximum.and_then(NonZeroU16::new),
        ..connect(version).properties
    };
    Connect { clean_start: false, properties, ..connect(version) }
}

// [MQTT-4.4.0-1] [MQTT-3.3.1-1] [MQTT-4.3.3-6] [MQTT-4.4.0-1 of 3.1.1] [MQTT-3.3.1-1 of 3.1.1]
#[test]
fn what_was_not_answered_is_sent_again_with_dup_in_its_order_and_new_ones_follow() {
    for version in Version::ALL {
        let mut rig = ServerRig::connected(version);
        for (payload, qos) in [
            ("1", QoS::AtLeastOnce),
            ("2", QoS::ExactlyOnce),
            ("3", QoS::ExactlyOnce),
            ("4", QoS::AtLeastOnce),
        ] {
            rig.publish(message(payload, qos));
        }
        rig.client(pubrec(3, OK));
        rig.client(puback(1, OK));
        rig.publish(message("5", QoS::ExactlyOnce));
        rig.lose();
        let session = rig.engine.take_session().unwrap();
        assert_eq!(session.in_flight(), 4);
        let mut next = ServerRig::new(Default::default(), version);
        next.client(Packet::Connect(Box::new(resuming(version, 100))));
        let mut session = session;
        session.publish(message("6", QoS::AtLeastOnce), SubscriptionIds::new(), next.now).unwrap();
        next.accept(session, true, Default::default());
        let sent = next.sent();
        assert_eq!(shape(&sent[1..]), ["PUBREL:3", "2:2 dup", "4:4 dup", "5:5 dup", "6:6"]);
        next.client(pubrec(2, OK));
        assert_eq!(next.sent(), [pubrel(2, OK)]);
    }
}

// [MQTT-4.9.0-3] [MQTT-3.3.4-9]
#[test]
fn a_lowered_receive_maximum_lets_resumed_publications_wait_behind_all_pubrels() {
    let mut rig = ServerRig::connected(Version::V5);
    for payload in ["1", "2", "3", "4"] {
        rig.publish(message(payload, QoS::ExactlyOnce));
    }
    rig.client(pubrec(1, OK));
    rig.client(pubrec(2, OK));
    let mut rig = rig.reconnected_with(resuming(Version::V5, 1));
    assert_eq!(shape(&rig.sent()), ["PUBREL:1", "PUBREL:2"]);
    rig.client(pubcomp(1, OK));
    assert_eq!(rig.sent(), [], "two were over the limit");
    rig.client(pubcomp(2, OK));
    assert_eq!(shape(&rig.sent()), ["3:3 dup"]);
    rig.client(pubrec(3, OK));
    rig.client(pubcomp(3, OK));
    assert_eq!(shape(&rig.sent()), ["PUBREL:3", "4:4 dup"]);
}

#[test]
fn an_answer_that_overtakes_the_resend_ends_the_flow() {
    let mut rig = ServerRig::connected(Version::V5);
    for payload in ["1", "2", "3"] {
        rig.publish(message(payload, QoS::ExactlyOnce));
    }
    let mut rig = rig.reconnected_with(resuming(Version::V5, 1));
    assert_eq!(shape(&rig.sent()), ["1:1 dup"]);
    rig.client(pubrec(2, OK));
    assert_eq!(shape(&rig.sent()), ["PUBREL:2"]);
    rig.client(pubcomp(2, OK));
    rig.client(pubrec(1, OK));
    rig.client(pubcomp(1, OK));
    assert_eq!(shape(&rig.sent()), ["PUBREL:1", "3:3 dup"]);
}

// [MQTT-4.4.0-1] [MQTT-4.3.3-10]
#[test]
fn a_message_that_the_broker_still_has_is_not_delivered_again_and_its_first_name_acknowledges_it() {
    for version in Version::ALL {
        for (packet, answer) in [(qos1("a", "m", 3), puback(3, OK)), (qos2("a", "m", 3), pubrec(3, OK))] {
            let mut rig = ServerRig::connected(version);
            rig.client(packet.clone());
            let delivery = rig.received()[0].delivery.unwrap();
            let mut rig = rig.reconnected();
            rig.client(again(packet));
            assert_eq!((rig.received().len(), rig.sent()), (0, vec![]));
            rig.acknowledge(delivery, OK);
            assert_eq!(rig.sent(), [answer]);
        }
    }
}

#[test]
fn what_the_broker_finishes_while_the_client_is_away_is_acknowledged_when_it_comes_again() {
    for version in Version::ALL {
        for (packet, answer) in [(qos1("a", "m", 3), puback(3, OK)), (qos2("a", "m", 3), pubrec(3, OK))] {
            let mut rig = ServerRig::connected(version);
            rig.client(packet.clone());
            let delivery = rig.received()[0].delivery.unwrap();
            rig.lose();
            rig.acknowledge(delivery, OK);
            let mut rig = rig.reconnected();
            assert_eq!(rig.sent(), [], "nothing before the client sends it again");
            rig.client(again(packet));
            assert_eq!((rig.received().len(), rig.sent()), (0, vec![answer]));
        }
    }
}

// [MQTT-4.3.3-10] [MQTT-4.3.3-11]
#[test]
fn a_recorded_identifier_survives_and_its_pubrel_is_answered_on_the_next_connection() {
    for version in Version::ALL {
        let mut rig = ServerRig::connected(version);
        rig.client(qos2("a", "m", 3));
        let delivery = rig.received()[0].delivery.unwrap();
        rig.acknowledge(delivery, OK);
        let mut rig = rig.reconnected();
        rig.client(again(qos2("a", "m", 3)));
        assert_eq!((rig.received().len(), rig.sent()), (0, vec![pubrec(3, OK)]));
        let mut rig = rig.reconnected();
        rig.client(pubrel(3, OK));
        assert_eq!(rig.sent(), [pubcomp(3, OK)]);
        assert!(rig.engine.session().unwrap().is_new());
    }
}

// [MQTT-4.3.3-7] [MQTT-3.3.2-6]
#[test]
fn a_sent_message_does_not_expire_and_its_resend_says_one_second_at_least() {
    let mut rig = ServerRig::connected(Version::V5);
    let mut properties = MessageProperties::default();
    properties.expiry_secs = Some(10);
    rig.publish(message("1", QoS::AtLeastOnce).with_properties(properties));
    rig.advance(Duration::from_secs(20));
    let mut rig = rig.reconnected();
    let [Packet::Publish(publish)] = &rig.sent()[..] else { panic!("one PUBLISH") };
    assert!(publish.dup);
    assert_eq!(publish.properties.as_ref().unwrap().expiry_secs, Some(1));
}

/// A session whose first message became too large for the client while it was away.
fn with_a_message_too_large(qos: QoS) -> ServerRig {
    let mut rig = ServerRig::connected(Version::V5);
    rig.publish(message("a message that is not small", qos));
    let mut client = resuming(Version::V5, 10);
    client.properties.maximum_packet_size = std::num::NonZeroU32::new(20);
    let mut rig = rig.reconnected_with(client);
    assert_eq!(rig.sent(), []);
    assert!(matches!(&rig.outcomes()[..], [(_, PublishOutcome::NotSendable { .. })]));
    rig
}

/// The identifiers of all the next publications until they start again.
fn identifiers_of_one_round(rig: &mut ServerRig) -> BTreeSet<u16> {
    let mut seen = BTreeSet::new();
    loop {
        rig.publish(message("s", QoS::AtLeastOnce));
        let [Packet::Publish(publish)] = &rig.sent()[..] else { panic!("one PUBLISH") };
        let id = publish.packet_id.expect("QoS 1 has an identifier");
        rig.input(ServerInput::Packet(Packet::PubAck(Ack::success(id))));
        rig.events();
        if !seen.insert(id.as_u16()) {
            return seen;
        }
    }
}

// [MQTT-3.1.2-25]
#[test]
fn a_resumed_message_that_became_too_large_is_dropped_and_a_qos_2_identifier_stays_out_of_use() {
    let mut rig = with_a_message_too_large(QoS::AtLeastOnce);
    assert!(identifiers_of_one_round(&mut rig).contains(&1));

    let mut rig = with_a_message_too_large(QoS::ExactlyOnce);
    assert!(!identifiers_of_one_round(&mut rig).contains(&1));
    // The client's last word frees it.
    rig.client(pubrec(1, OK));
    let unknown = ReasonCode::PacketIdentifierNotFound;
    assert_eq!(rig.sent(), [pubrel(1, unknown)]);
    rig.client(pubcomp(1, unknown));
    assert!(identifiers_of_one_round(&mut rig).contains(&1));
}

#[test]
fn a_session_goes_on_in_another_version() {
    let mut rig = ServerRig::connected(Version::V5);
    let mut properties = MessageProperties::default();
    properties.expiry_secs = Some(100);
    rig.publish(message("1", QoS::AtLeastOnce).with_properties(properties));
    let mut rig = rig.reconnected_with(resuming(Version::V3_1_1, 10));
    assert_eq!(shape(&rig.sent()), ["1:1 dup"]);
    rig.client(puback(1, OK));
    assert_eq!(rig.outcomes().len(), 1);
}
