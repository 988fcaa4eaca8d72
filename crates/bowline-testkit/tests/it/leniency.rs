//! The leniency table (rule 10 of the inbound rules), a test per row: what is out of place and goes on all the same.

use bowline_proto::client::Outcome;
use bowline_proto::packet::{Ack, Packet};
use bowline_proto::session::PublicationId;
use bowline_proto::types::QoS;
use bowline_proto::{PacketId, ReasonCode, Version};
use bowline_testkit::ClientRig;
use bowline_testkit::packets::{packet_id, puback, pubcomp, pubrec, pubrel, qos2, suback, unsuback};
use bowline_testkit::subscriber::{clean, kept};

const OK: ReasonCode = ReasonCode::Success;
const NOT_FOUND: ReasonCode = ReasonCode::PacketIdentifierNotFound;

/// What says that an identifier is unknown, where the version can.
fn unknown(version: Version) -> ReasonCode {
    if version.rules().has_ack_reasons { NOT_FOUND } else { OK }
}

/// Publishes so many and returns their identifiers.
fn flows(rig: &mut ClientRig, qos: QoS, count: usize) -> Vec<(PublicationId, PacketId)> {
    (0..count)
        .map(|_| {
            let publication = rig.publishes("out", qos);
            let Some(Packet::Publish(publish)) = rig.sent().pop() else { panic!("a PUBLISH") };
            (publication, publish.packet_id.expect("an identifier"))
        })
        .collect()
}

fn success(publication: PublicationId) -> (PublicationId, Outcome) {
    (publication, Outcome::Acknowledged { reason: OK, properties: None, downgraded: false })
}

// [MQTT-2.2.1-5] [MQTT-2.3.1-6 of 3.1.1]
#[test]
fn acknowledgements_may_come_in_any_order() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        let ones = flows(&mut rig, QoS::AtLeastOnce, 3);
        for index in [2, 0, 1] {
            rig.broker(Packet::PubAck(Ack::success(ones[index].1)));
            assert_eq!(rig.outcomes(), [success(ones[index].0)]);
        }
        let twos = flows(&mut rig, QoS::ExactlyOnce, 3);
        for index in [1, 2, 0] {
            rig.broker(Packet::PubRec(Ack::success(twos[index].1)));
            assert_eq!(rig.sent(), [Packet::PubRel(Ack::success(twos[index].1))]);
        }
        for index in [0, 2, 1] {
            rig.broker(Packet::PubComp(Ack::success(twos[index].1)));
            assert_eq!(rig.outcomes(), [success(twos[index].0)]);
        }
        assert_eq!(rig.stats().unknown_acknowledgements, 0);
    }
}

// [MQTT-2.2.1-5] [MQTT-2.2.1-6] [MQTT-2.3.1-7 of 3.1.1]
#[test]
fn puback_pubcomp_suback_and_unsuback_for_unknown_identifiers_are_ignored_and_counted() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        let [(publication, id)] = flows(&mut rig, QoS::AtLeastOnce, 1)[..] else { panic!("one") };
        let codes: &[ReasonCode] = if version.rules().has_unsuback_reasons { &[OK] } else { &[] };
        let other = packet_id(id.as_u16() + 100);
        for packet in [
            Packet::PubAck(Ack::success(other)),
            Packet::PubComp(Ack::success(other)),
            suback(other, &[OK]),
            unsuback(other, codes),
            // Known, but of another kind.
            suback(id, &[OK]),
            unsuback(id, codes),
        ] {
            rig.broker(packet);
        }
        assert_eq!((rig.sent(), rig.outcomes()), (vec![], vec![]));
        assert_eq!(rig.stats().unknown_acknowledgements, 6);
        rig.broker(Packet::PubAck(Ack::success(id)));
        assert_eq!(rig.outcomes(), [success(publication)], "no request was ended by them");
    }
}

// [MQTT-4.3.3-4] [MQTT-4.3.3-1 of 3.1.1]
#[test]
fn a_second_pubrec_is_answered_with_another_pubrel() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        let [(publication, id)] = flows(&mut rig, QoS::ExactlyOnce, 1)[..] else { panic!("one") };
        for _ in 0..3 {
            rig.broker(Packet::PubRec(Ack::success(id)));
            assert_eq!(rig.sent(), [Packet::PubRel(Ack::success(id))]);
        }
        rig.broker(Packet::PubComp(Ack::success(id)));
        assert_eq!(rig.outcomes(), [success(publication)]);
    }
}

// [MQTT-3.6.2-1]
#[test]
fn pubrec_for_an_unknown_identifier_is_answered_with_pubrel() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        rig.broker(pubrec(77, OK));
        assert_eq!(rig.sent(), [pubrel(77, unknown(version))]);
        assert_eq!(rig.stats().unknown_acknowledgements, 1);
        rig.broker(pubcomp(77, unknown(version)));
        assert_eq!((rig.sent(), rig.engine.state_name()), (vec![], "Active"));
    }
}

// [MQTT-4.3.3-4]
#[test]
fn a_refusing_pubrec_for_an_unknown_identifier_or_after_pubrel_is_ignored_and_counted() {
    let mut rig = ClientRig::connected(clean(Version::V5));
    rig.broker(pubrec(77, ReasonCode::NotAuthorized));
    let [(publication, id)] = flows(&mut rig, QoS::ExactlyOnce, 1)[..] else { panic!("one") };
    rig.broker(Packet::PubRec(Ack::success(id)));
    assert_eq!(rig.sent(), [Packet::PubRel(Ack::success(id))]);
    rig.broker(Packet::PubRec(Ack::new(id, ReasonCode::NotAuthorized)));
    assert_eq!((rig.sent(), rig.stats().unknown_acknowledgements), (vec![], 2));
    rig.broker(Packet::PubComp(Ack::success(id)));
    assert_eq!(rig.outcomes(), [success(publication)]);
}

#[test]
fn before_version_5_a_puback_ends_a_qos_2_publication_as_downgraded() {
    for version in [Version::V3_1, Version::V3_1_1] {
        let mut rig = ClientRig::connected(clean(version));
        let [(publication, id)] = flows(&mut rig, QoS::ExactlyOnce, 1)[..] else { panic!("one") };
        rig.broker(Packet::PubAck(Ack::success(id)));
        let downgraded = Outcome::Acknowledged { reason: OK, properties: None, downgraded: true };
        assert_eq!(rig.outcomes(), [(publication, downgraded)]);
        assert_eq!((rig.engine.in_flight(), rig.engine.state_name()), (0, "Active"));
    }
}

// [MQTT-4.3.3-11] [MQTT-3.7.2-1] [MQTT-4.3.3-2 of 3.1.1]
#[test]
fn pubrel_for_an_unknown_identifier_is_answered_with_pubcomp() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        let stream = rig.subscribed("in", QoS::ExactlyOnce);
        rig.broker(pubrel(77, OK));
        assert_eq!(rig.sent(), [pubcomp(77, unknown(version))]);
        // Also one that was known until its PUBCOMP.
        rig.broker(qos2("in", "m", 5));
        let [message] = rig.arrived()[..] else { panic!("one message") };
        rig.take(message, stream).unwrap();
        rig.broker(pubrel(5, OK));
        rig.broker(pubrel(5, OK));
        assert_eq!(rig.sent(), [pubrec(5, OK), pubcomp(5, OK), pubcomp(5, unknown(version))]);
    }
}

// [MQTT-4.4.0-1] [MQTT-4.3.3-4]
#[test]
fn an_unknown_pubrel_after_a_resume_does_not_end_the_connection() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        for _ in 0..3 {
            rig.reconnect(true);
            rig.sent();
            rig.broker(pubrel(9, OK));
            assert_eq!(rig.sent(), [pubcomp(9, unknown(version))]);
        }
        assert_eq!(rig.engine.state_name(), "Active");
    }
}

#[test]
fn pubcomp_0x92_ends_a_publication_successfully() {
    let mut rig = ClientRig::connected(clean(Version::V5));
    let [(publication, id)] = flows(&mut rig, QoS::ExactlyOnce, 1)[..] else { panic!("one") };
    rig.broker(Packet::PubRec(Ack::success(id)));
    rig.broker(Packet::PubComp(Ack::new(id, NOT_FOUND)));
    assert_eq!(rig.outcomes(), [success(publication)]);
}

// [MQTT-3.12.4-1 of 3.1.1]
#[test]
fn an_unasked_pingresp_is_harmless() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        for _ in 0..3 {
            rig.broker(Packet::PingResp);
        }
        assert_eq!((rig.sent(), rig.engine.state_name()), (vec![], "Active"));
    }
}

/// 3.1 brokers repeat PUBREL with DUP when PUBCOMP takes too long.
#[test]
fn a_3_1_broker_may_repeat_pubrel_with_dup() {
    let mut rig = ClientRig::connected(clean(Version::V3_1));
    let stream = rig.subscribed("in", QoS::ExactlyOnce);
    rig.broker(qos2("in", "m", 5));
    let [message] = rig.arrived()[..] else { panic!("one message") };
    rig.take(message, stream).unwrap();
    rig.broker_bytes(&[0x62, 2, 0, 5]);
    rig.broker_bytes(&[0x6A, 2, 0, 5]);
    assert_eq!(rig.sent(), [pubrec(5, OK), pubcomp(5, OK), pubcomp(5, OK)]);
    rig.broker(puback(1, OK));
    assert_eq!(rig.engine.state_name(), "Active");
}
