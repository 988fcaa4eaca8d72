//! SUBSCRIBE and UNSUBSCRIBE: what is written, and how answers are matched and told.

use bowline_proto::client::{Event, OperationId, Qos0Limits, StreamEnd};
use bowline_proto::error::{ProtocolError, RequestError};
use bowline_proto::packet::{AckProperties, ConnAckProperties, Packet, SubAck, Subscribe, Subscription};
use bowline_proto::types::{PacketType, QoS, RetainHandling, SubscriptionOptions};
use bowline_proto::{ReasonCode, TopicFilter, Version};
use bowline_testkit::subscriber::granted;
use bowline_testkit::{ClientRig, packets};

use crate::script::{clean, filter, kept, puback, publish1, published, subscription, text};

/// Asks for filters with QoS 1 and lets the engine work.
fn ask(rig: &mut ClientRig, names: &[&'static str]) -> OperationId {
    let wanted = names.iter().map(|name| subscription(name, QoS::AtLeastOnce)).collect();
    let (operation, _) =
        rig.engine.subscribe(wanted, Qos0Limits::default(), Vec::new()).expect("a legal request");
    rig.settle();
    operation
}

/// The SUBSCRIBEs among what was sent since the last look; other packets are dropped.
fn subscribes(rig: &mut ClientRig) -> Vec<Subscribe> {
    let subscribe = |packet| if let Packet::Subscribe(one) = packet { Some(*one) } else { None };
    rig.sent().into_iter().filter_map(subscribe).collect()
}

/// Results of the subscribe requests that were answered since the last look; other events are dropped.
fn answers(rig: &mut ClientRig) -> Vec<(OperationId, Vec<(String, ReasonCode)>)> {
    let answer = |event| match event {
        Event::Subscribed { operation, results, .. } | Event::Unsubscribed { operation, results, .. } => {
            let results = results.into_iter().map(|(filter, reason)| (filter.as_str().to_owned(), reason));
            Some((operation, results.collect()))
        }
        _ => None,
    };
    rig.events().into_iter().filter_map(answer).collect()
}

// [MQTT-3.8.3-3] [MQTT-3.3.1-11] [MQTT-3.3.1-12] [MQTT-3.3.1-13] [MQTT-3.3.4-3]
#[test]
fn in_5_0_every_filter_has_its_own_subscribe_with_its_options_and_its_identifier() {
    let mut options = SubscriptionOptions::new(QoS::ExactlyOnce);
    options.no_local = true;
    options.retain_as_published = true;
    options.retain_handling = RetainHandling::Never;
    let plain = SubscriptionOptions::new(QoS::AtMostOnce);
    let wanted = vec![
        Subscription { filter: filter("a/+"), options },
        Subscription { filter: filter("$share/g/b"), options: plain },
    ];
    let user_properties = vec![(text("k"), text("v"))];
    let mut rig = ClientRig::connected(clean(Version::V5));
    rig.engine.subscribe(wanted.clone(), Qos0Limits::default(), user_properties.clone()).unwrap();
    rig.settle();
    let sent = subscribes(&mut rig);
    let [first, second] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!([&first.subscriptions[..], &second.subscriptions], [&wanted[..1], &wanted[1..]]);
    assert_eq!((&first.user_properties, &second.user_properties), (&user_properties, &user_properties));
    assert_ne!(first.packet_id, second.packet_id);
    assert!(first.subscription_id.is_some() && second.subscription_id.is_some());
    assert_ne!(first.subscription_id, second.subscription_id);
}

// [MQTT-3.8.4-5] [MQTT-3.9.3-1] [MQTT-3.8.4-6] [MQTT-3.8.4-4 of 3.1.1] [MQTT-3.9.3-1 of 3.1.1]
#[test]
fn without_identifiers_many_filters_share_a_packet_and_have_a_result_each_in_order() {
    for version in Version::ALL {
        let mut rig = ClientRig::new(clean(version));
        let properties = if version == Version::V5 {
            ConnAckProperties { subscription_ids_available: Some(false), ..Default::default() }
        } else {
            ConnAckProperties::default()
        };
        rig.connect_with(false, properties);
        rig.sent();
        let names: Vec<String> = (0..130).map(|number| format!("f/{number}")).collect();
        let wanted = names.iter().map(|name| Subscription {
            filter: TopicFilter::try_from(name.as_str()).unwrap(),
            options: SubscriptionOptions::new(QoS::AtLeastOnce),
        });
        let (operation, _) =
            rig.engine.subscribe(wanted.collect(), Qos0Limits::default(), Vec::new()).unwrap();
        rig.settle();
        let sent = subscribes(&mut rig);
        assert_eq!(sent.iter().map(|one| one.subscriptions.len()).collect::<Vec<_>>(), [64, 64, 2]);
        assert!(sent.iter().all(|one| one.subscription_id.is_none()));
        // Answered out of order, with another reason for each number.
        let reasons = [ReasonCode::Success, ReasonCode::GrantedQoS1, ReasonCode::GrantedQoS2];
        for (index, one) in sent.iter().enumerate().rev() {
            assert!(answers(&mut rig).is_empty(), "one event for the whole request");
            let reasons: Vec<_> =
                (0..one.subscriptions.len()).map(|number| reasons[(index * 64 + number) % 3]).collect();
            rig.broker(packets::suback(one.packet_id, &reasons));
        }
        let expected: Vec<_> =
            names.iter().enumerate().map(|(number, name)| (name.clone(), reasons[number % 3])).collect();
        assert_eq!(answers(&mut rig), [(operation, expected)], "{version:?}");
    }
}

// [MQTT-2.2.1-6] [MQTT-3.8.4-2] [MQTT-3.10.4-5] [MQTT-2.3.1-7 of 3.1.1] [MQTT-3.8.4-2 of 3.1.1]
#[test]
fn an_answer_counts_for_the_request_with_its_identifier_and_of_its_kind_only() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        let operation = ask(&mut rig, &["a"]);
        let id = subscribes(&mut rig)[0].packet_id;
        let codes: &[ReasonCode] = if version == Version::V5 { &[ReasonCode::Success] } else { &[] };
        rig.broker(packets::unsuback(id, codes));
        let other = packets::packet_id(id.as_u16() + 1);
        rig.broker(packets::suback(other, &[ReasonCode::Success]));
        rig.broker(puback(id));
        assert!(answers(&mut rig).is_empty(), "{version:?}");
        assert_eq!((rig.engine.stats().unknown_acknowledgements, rig.engine.state_name()), (3, "Active"));
        rig.broker(packets::suback(id, &[ReasonCode::GrantedQoS1]));
        assert_eq!(answers(&mut rig), [(operation, vec![("a".to_owned(), ReasonCode::GrantedQoS1)])]);
        rig.broker(packets::suback(id, &[ReasonCode::GrantedQoS1]));
        assert_eq!(rig.engine.stats().unknown_acknowledgements, 4, "answered once");
    }
}

// [MQTT-3.8.4-6] [MQTT-3.10.4-6] [MQTT-3.11.3-1] [MQTT-3.8.4-5 of 3.1.1]
#[test]
fn an_answer_with_a_wrong_number_of_reason_codes_closes_the_connection() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        ask(&mut rig, &["a"]);
        let id = subscribes(&mut rig)[0].packet_id;
        rig.broker(packets::suback(id, &[ReasonCode::Success, ReasonCode::Success]));
        let error = ProtocolError::ReasonCount { packet: PacketType::SubAck, expected: 1, found: 2 };
        assert_eq!(
            error.to_string(),
            "the peer sent SUBACK with 2 reason codes for 1 filters",
            "{version:?}"
        );
        rig.assert_closed_for(&error, ReasonCode::ProtocolError);
    }
    let mut rig = ClientRig::connected(kept(Version::V5));
    rig.engine.unsubscribe(vec![filter("a"), filter("b")], Vec::new()).unwrap();
    rig.settle();
    let sent = rig.sent();
    let [Packet::Unsubscribe(unsubscribe)] = &sent[..] else { panic!("{sent:?}") };
    rig.broker(packets::unsuback(unsubscribe.packet_id, &[ReasonCode::Success]));
    let error = ProtocolError::ReasonCount { packet: PacketType::UnsubAck, expected: 2, found: 1 };
    rig.assert_closed_for(&error, ReasonCode::ProtocolError);
}

// [MQTT-3.8.4-7] [MQTT-3.8.4-5] [MQTT-3.8.3-2 of 3.1.1] [MQTT-3.8.4-5 of 3.1.1]
#[test]
fn a_refused_filter_is_told_by_itself_and_the_others_of_the_request_live_on() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(kept(version));
        let operation = ask(&mut rig, &["a", "b"]);
        let refusal = ReasonCode::UnspecifiedError;
        let sent = subscribes(&mut rig);
        match &sent[..] {
            [both] => rig.broker(packets::suback(both.packet_id, &[refusal, ReasonCode::Success])),
            [first, second] => {
                rig.broker(packets::suback(first.packet_id, &[refusal]));
                rig.broker(packets::suback(second.packet_id, &[ReasonCode::Success]));
            }
            sent => panic!("{sent:?}"),
        }
        let expected = vec![("a".to_owned(), refusal), ("b".to_owned(), ReasonCode::Success)];
        assert_eq!(answers(&mut rig), [(operation, expected)], "{version:?}");
        rig.broker(packets::qos0("a", "not wanted"));
        rig.broker(packets::qos0("b", "wanted"));
        assert_eq!(rig.payloads(), ["wanted"]);
        rig.reconnect(false);
        let again = subscribes(&mut rig);
        assert_eq!(again.len(), 1);
        assert_eq!(again[0].subscriptions[0].filter, filter("b"), "a refused filter is not asked for again");
    }
}

// [MQTT-3.8.4-7]
#[test]
fn a_stream_whose_filters_are_all_refused_ends_with_the_reason() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        let stream = rig.asks_for(&["a"], QoS::AtLeastOnce, Qos0Limits::default());
        let id = subscribes(&mut rig)[0].packet_id;
        rig.broker(packets::suback(id, &[ReasonCode::UnspecifiedError]));
        let ended: Vec<_> = rig
            .events()
            .into_iter()
            .filter_map(|event| match event {
                Event::StreamEnded { stream, reason } => Some((stream, reason)),
                _ => None,
            })
            .collect();
        assert_eq!(ended, [(stream, StreamEnd::Refused(ReasonCode::UnspecifiedError))]);
    }
}

// [MQTT-3.10.4-1] [MQTT-3.10.4-4] [MQTT-3.11.3-1] [MQTT-3.10.4-1 of 3.1.1] [MQTT-3.10.4-4 of 3.1.1]
#[test]
fn unsubscribe_says_the_filters_as_they_were_subscribed_and_is_answered_per_filter() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        let operation = rig
            .engine
            .unsubscribe(vec![filter("$share/g/a/#"), filter("never/subscribed")], Vec::new())
            .unwrap();
        rig.settle();
        let sent = rig.sent();
        let [Packet::Unsubscribe(unsubscribe)] = &sent[..] else { panic!("{sent:?}") };
        assert_eq!(unsubscribe.filters, [filter("$share/g/a/#"), filter("never/subscribed")]);
        let said = [ReasonCode::Success, ReasonCode::NoSubscriptionExisted];
        let has_codes = version == Version::V5;
        rig.broker(packets::unsuback(unsubscribe.packet_id, if has_codes { &said } else { &[] }));
        let expected = if has_codes { said } else { [ReasonCode::Success; 2] };
        let expected =
            vec![("$share/g/a/#".to_owned(), expected[0]), ("never/subscribed".to_owned(), expected[1])];
        assert_eq!(answers(&mut rig), [(operation, expected)], "{version:?}");
    }
}

// [MQTT-3.8.3-2] [MQTT-3.10.3-2] [MQTT-3.8.3-3 of 3.1.1] [MQTT-3.10.3-2 of 3.1.1]
#[test]
fn a_request_without_filters_is_refused_at_the_call() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        let refused = rig.engine.subscribe(Vec::new(), Qos0Limits::default(), Vec::new()).unwrap_err();
        assert_eq!(refused, RequestError::NoFilters);
        assert_eq!(rig.engine.unsubscribe(Vec::new(), Vec::new()).unwrap_err(), RequestError::NoFilters);
        rig.settle();
        assert_eq!(rig.sent(), []);
    }
}

// [MQTT-3.8.3-4]
#[test]
fn a_shared_subscription_with_no_local_is_refused_at_the_call() {
    let mut rig = ClientRig::connected(clean(Version::V5));
    let mut options = SubscriptionOptions::new(QoS::AtLeastOnce);
    options.no_local = true;
    let wanted = vec![Subscription { filter: filter("$share/g/a"), options }];
    let refused = rig.engine.subscribe(wanted, Qos0Limits::default(), Vec::new()).unwrap_err();
    assert_eq!(refused, RequestError::SharedWithNoLocal);
}

#[test]
fn filters_that_the_broker_has_switched_off_are_refused_at_the_call_or_when_they_are_sent() {
    let off = || ConnAckProperties {
        wildcard_subscription_available: Some(false),
        shared_subscription_available: Some(false),
        ..Default::default()
    };
    let mut rig = ClientRig::new(kept(Version::V5));
    let before = ask(&mut rig, &["a/#", "$share/g/a", "plain"]);
    rig.connect_with(false, off());
    let sent = subscribes(&mut rig);
    let [plain] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!(plain.subscriptions[0].filter, filter("plain"));
    rig.broker(granted(plain));
    let expected = vec![
        ("a/#".to_owned(), ReasonCode::WildcardSubscriptionsNotSupported),
        ("$share/g/a".to_owned(), ReasonCode::SharedSubscriptionsNotSupported),
        ("plain".to_owned(), ReasonCode::GrantedQoS1),
    ];
    assert_eq!(answers(&mut rig), [(before, expected)]);
    for name in ["b/+", "$share/g/b"] {
        let wanted = vec![subscription(name, QoS::AtLeastOnce)];
        let refused = rig.engine.subscribe(wanted, Qos0Limits::default(), Vec::new()).unwrap_err();
        assert!(matches!(refused, RequestError::Limit(_)), "{refused}");
    }
}

// [MQTT-3.8.4-1] [MQTT-3.8.4-1 of 3.1.1] [MQTT-3.3.1-6 of 3.1.1]
#[test]
fn messages_may_come_before_suback() {
    for version in Version::ALL {
        let mut rig = ClientRig::connected(clean(version));
        ask(&mut rig, &["a"]);
        rig.broker(packets::qos1("a", "early", 1));
        assert_eq!(rig.payloads(), ["early"], "{version:?}");
    }
}

#[test]
fn what_the_broker_says_besides_is_told() {
    let mut rig = ClientRig::connected(clean(Version::V5));
    ask(&mut rig, &["a"]);
    let packet_id = subscribes(&mut rig)[0].packet_id;
    let said = AckProperties { reason_string: Some(text("as you wish")), user_properties: Vec::new() };
    let suback = SubAck { packet_id, reasons: vec![ReasonCode::Success], properties: said.clone() };
    rig.broker(Packet::SubAck(Box::new(suback)));
    let told = rig.events();
    let [Event::Subscribed { properties, .. }] = &told[..] else { panic!("{told:?}") };
    assert_eq!(**properties, said);
}

// [MQTT-2.2.1-3] [MQTT-2.3.1-2 of 3.1.1]
#[test]
fn no_publication_takes_the_identifier_of_a_request_that_is_unanswered() {
    for version in [Version::V3_1_1, Version::V5] {
        let mut rig = ClientRig::connected(clean(version));
        ask(&mut rig, &["a"]);
        let subscribing = subscribes(&mut rig)[0].packet_id;
        rig.unsubscribe("b");
        let sent = rig.sent();
        let unsubscribing = crate::script::request_id(&sent[0]);
        for _ in 0..u16::MAX {
            publish1(&mut rig, "x");
            let id = published(&mut rig)[0].packet_id.unwrap();
            assert!(id != subscribing && id != unsubscribing, "{version:?}");
            rig.broker(puback(id));
        }
        rig.events();
        rig.broker(packets::suback(subscribing, &[ReasonCode::Success]));
        assert_eq!(answers(&mut rig).len(), 1, "and it is still answered");
    }
}
