//! SUBSCRIBE and UNSUBSCRIBE of the client and the broker's answers.

use bowline_proto::error::RequestError;
use bowline_proto::packet::{
    AckProperties, Connect, ConnectProperties, Packet, SubAck, Subscribe, Subscription, Unsubscribe,
};
use bowline_proto::server::{ServerConfig, ServerEvent};
use bowline_proto::types::{QoS, SubscriptionOptions, Text};
use bowline_proto::{ReasonCode, Version};
use bowline_testkit::ServerRig;
use bowline_testkit::packets::{filter, packet_id, qos1, suback, unsuback};
use bowline_testkit::server_rig::connect;

use super::assert_closed_with;

const OK: ReasonCode = ReasonCode::Success;

fn subscribe(id: u16, filters: &[&'static str]) -> Packet {
    let options = SubscriptionOptions::new(QoS::AtLeastOnce);
    let subscriptions = filters.iter().map(|text| Subscription { filter: filter(text), options });
    Packet::Subscribe(Box::new(Subscribe {
        packet_id: packet_id(id),
        subscriptions: subscriptions.collect(),
        subscription_id: None,
        user_properties: Vec::new(),
    }))
}

fn unsubscribe(id: u16, filters: &[&'static str]) -> Packet {
    Packet::Unsubscribe(Box::new(Unsubscribe {
        packet_id: packet_id(id),
        filters: filters.iter().map(|text| filter(text)).collect(),
        user_properties: Vec::new(),
    }))
}

// [MQTT-3.8.4-1] [MQTT-3.8.4-2] [MQTT-3.9.3-1] [MQTT-3.8.4-2 of 3.1.1] [MQTT-3.8.4-5 of 3.1.1]
#[test]
fn subscribe_is_answered_with_one_code_per_filter_under_its_identifier() {
    for version in Version::ALL {
        let mut rig = ServerRig::connected(version);
        rig.client(subscribe(7, &["a", "b/#"]));
        let [ServerEvent::Subscribe(asked)] = &rig.events()[..] else { panic!("one SUBSCRIBE") };
        assert_eq!((asked.packet_id, asked.subscriptions.len()), (packet_id(7), 2));
        assert_eq!(rig.sent(), []);
        let reasons = vec![ReasonCode::GrantedQoS1, ReasonCode::NotAuthorized];
        rig.engine.subscribe_result(packet_id(7), reasons.clone(), Default::default()).unwrap();
        rig.settle();
        let said = if version.rules().has_ack_reasons {
            reasons
        } else {
            vec![ReasonCode::GrantedQoS1, ReasonCode::UnspecifiedError]
        };
        assert_eq!(rig.sent(), [suback(packet_id(7), &said)]);
    }
}

// [MQTT-3.10.4-4] [MQTT-3.10.4-5] [MQTT-3.11.3-1] [MQTT-3.10.4-4 of 3.1.1] [MQTT-3.10.4-5 of 3.1.1]
#[test]
fn unsubscribe_is_answered_also_if_there_was_no_subscription() {
    for version in Version::ALL {
        let mut rig = ServerRig::connected(version);
        rig.client(unsubscribe(7, &["a", "b"]));
        let [ServerEvent::Unsubscribe(asked)] = &rig.events()[..] else { panic!("one UNSUBSCRIBE") };
        assert_eq!(asked.filters, [filter("a"), filter("b")]);
        let reasons = vec![OK, ReasonCode::NoSubscriptionExisted];
        rig.engine.unsubscribe_result(packet_id(7), reasons.clone(), Default::default()).unwrap();
        rig.settle();
        let said = if version.rules().has_unsuback_reasons { &reasons[..] } else { &[] };
        assert_eq!(rig.sent(), [unsuback(packet_id(7), said)]);
    }
}

// [MQTT-3.8.4-6] [MQTT-3.9.3-2]
#[test]
fn a_wrong_answer_is_refused_and_the_right_one_still_goes() {
    let mut rig = ServerRig::connected(Version::V5);
    rig.client(subscribe(7, &["a", "b"]));
    let answer = |rig: &mut ServerRig, id, reasons| {
        rig.engine.subscribe_result(packet_id(id), reasons, AckProperties::default())
    };
    let not_asked = RequestError::NotAsked { packet_id: packet_id(8) };
    assert_eq!(answer(&mut rig, 8, vec![OK, OK]), Err(not_asked));
    let count = RequestError::ReasonCount { expected: 2, found: 1 };
    assert_eq!(answer(&mut rig, 7, vec![OK]), Err(count));
    let illegal = answer(&mut rig, 7, vec![OK, ReasonCode::KeepAliveTimeout]);
    assert!(matches!(illegal, Err(RequestError::Encode(_))));
    let other = rig.engine.unsubscribe_result(packet_id(7), vec![OK, OK], AckProperties::default());
    assert!(matches!(other, Err(RequestError::NotAsked { .. })));
    assert_eq!(answer(&mut rig, 7, vec![OK, OK]), Ok(()));
    assert!(answer(&mut rig, 7, vec![OK, OK]).is_err(), "one answer per request");
    rig.settle();
    assert_eq!(rig.sent(), [suback(packet_id(7), &[OK, OK])]);
}

// [MQTT-2.2.1-3] [MQTT-2.3.1-2 of 3.1.1]
#[test]
fn an_identifier_that_is_in_use_closes_the_connection() {
    let pairs = [
        (subscribe(7, &["a"]), subscribe(7, &["b"])),
        (subscribe(7, &["a"]), unsubscribe(7, &["a"])),
        (qos1("a", "m", 7), subscribe(7, &["a"])),
        (unsubscribe(7, &["a"]), qos1("a", "m", 7)),
    ];
    for version in Version::ALL {
        for (first, second) in pairs.clone() {
            let mut rig = ServerRig::connected(version);
            rig.client(first);
            rig.events();
            rig.client(second);
            assert_closed_with(&mut rig, ReasonCode::ProtocolError);
        }
    }
}

// [MQTT-3.1.2-29]
#[test]
fn a_client_that_wants_no_problem_information_gets_no_reason_string() {
    for (wants, gets) in [(None, true), (Some(true), true), (Some(false), false)] {
        let properties =
            ConnectProperties { request_problem_information: wants, ..ConnectProperties::default() };
        let client = Connect { properties, ..connect(Version::V5) };
        let mut rig = ServerRig::connected_with(ServerConfig::new(), client, Default::default());
        rig.client(subscribe(7, &["a"]));
        let reason_string = Some(Text::from_static("no").unwrap());
        let properties = AckProperties { reason_string, user_properties: Vec::new() };
        rig.engine.subscribe_result(packet_id(7), vec![ReasonCode::NotAuthorized], properties).unwrap();
        rig.settle();
        let [Packet::SubAck(answer)] = &rig.sent()[..] else { panic!("one SUBACK") };
        let SubAck { properties, .. } = &**answer;
        assert_eq!(properties.reason_string.is_some(), gets);
    }
}

// [MQTT-3.12.4-1] [MQTT-3.12.4-1 of 3.1.1]
#[test]
fn pingreq_is_answered() {
    for version in Version::ALL {
        let mut rig = ServerRig::connected(version);
        rig.client(Packet::PingReq);
        assert_eq!(rig.sent(), [Packet::PingResp]);
    }
}
