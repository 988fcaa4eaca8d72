//! A client that may speak several versions: what was asked for before it is known which, and what only 5.0 can say.

use std::num::NonZeroU32;
use std::time::Duration;

use bowline_proto::client::{
    ClientConfig, Event, Outcome, Qos0Limits, SessionPolicy, StreamEnd, VersionFallback,
};
use bowline_proto::connection::LimitError;
use bowline_proto::error::{PublishErrorKind, RequestError};
use bowline_proto::packet::connect::{EXPIRY_NEVER, Secret, Will};
use bowline_proto::packet::{Packet, Subscription};
use bowline_proto::retry::Retry;
use bowline_proto::types::{Message, MessageProperties, QoS};
use bowline_proto::{ReasonCode, Version};
use bowline_testkit::ClientRig;

use crate::script::{
    accepted, clean, connect_sent, durable, expiring, message, publish, published, subscription, text,
};
use crate::version_fallback::{fallen_back, falls_back};

fn strips(mut config: ClientConfig) -> ClientConfig {
    config.version_fallback = Some(VersionFallback::to(Version::V3_1_1).strip());
    config
}

/// A message with a property that only 5.0 has, and an expiry interval.
fn with_property(payload: &'static str, qos: QoS) -> Message {
    let mut properties = MessageProperties::default();
    properties.user_properties.push((text("k"), text("v")));
    properties.expiry_secs = Some(60);
    message(payload, qos).with_properties(properties)
}

fn no_local(name: &'static str) -> Subscription {
    let mut subscription = subscription(name, QoS::AtLeastOnce);
    subscription.options.no_local = true;
    subscription
}

/// Refuses 5.0 and accepts 3.1.1.
fn fall_back(rig: &mut ClientRig) {
    rig.dial();
    rig.broker_bytes(&[0x20, 2, 0, 1]);
    rig.sent();
    while rig.engine.state_name() == "AwaitConnack" {
        rig.broker(accepted(Version::V3_1_1, false));
    }
    assert_eq!(rig.engine.version(), Version::V3_1_1);
}

const NEEDS_VERSION_5: LimitError = LimitError::NeedsVersion5 { option: "message properties" };

#[test]
fn a_waiting_message_with_properties_ends_forbidden_where_an_older_version_is_spoken() {
    for config in [clean(Version::V5), durable(Version::V5)] {
        let mut rig = ClientRig::new(falls_back(config, Version::V3_1_1));
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            publish(&mut rig, with_property("m", qos));
        }
        publish(&mut rig, message("plain", QoS::AtLeastOnce));
        fall_back(&mut rig);
        let payloads: Vec<_> = published(&mut rig).into_iter().map(|publish| publish.payload).collect();
        assert_eq!(payloads, ["plain"]);
        let outcomes = rig.outcomes();
        assert_eq!(outcomes.len(), 3);
        for (_, outcome) in outcomes {
            assert!(
                matches!(&outcome, Outcome::Forbidden { message, limit }
                    if *limit == NEEDS_VERSION_5 && message.properties.is_some()),
                "{outcome:?}"
            );
        }
    }
}

#[test]
fn a_waiting_message_keeps_its_properties_where_5_0_is_spoken() {
    let mut rig = ClientRig::new(strips(clean(Version::V5)));
    publish(&mut rig, with_property("m", QoS::AtLeastOnce));
    rig.connect(false);
    assert_eq!(published(&mut rig)[0].properties.as_ref().unwrap().user_properties.len(), 1);
}

#[test]
fn properties_are_left_out_where_that_is_wished() {
    for config in [clean(Version::V5), durable(Version::V5)] {
        let mut rig = ClientRig::new(strips(config));
        publish(&mut rig, with_property("before", QoS::AtLeastOnce));
        fall_back(&mut rig);
        publish(&mut rig, with_property("after", QoS::AtLeastOnce));
        publish(&mut rig, with_property("after", QoS::AtMostOnce));
        let published = published(&mut rig);
        assert_eq!(published.len(), 3);
        assert!(rig.outcomes().is_empty(), "nothing is forbidden");
    }
}

#[test]
fn a_stored_message_that_is_sent_again_after_a_restart_has_its_properties_left_out() {
    let mut rig = ClientRig::new(strips(durable(Version::V5)));
    publish(&mut rig, with_property("before", QoS::AtLeastOnce));
    fall_back(&mut rig);
    assert_eq!(published(&mut rig).len(), 1);
    let mut rig = rig.crash();
    rig.connect(true);
    let again = published(&mut rig);
    assert_eq!((again.len(), again[0].dup), (1, true));
}

#[test]
fn once_the_older_version_is_known_a_message_with_properties_is_refused_at_once() {
    let mut rig = fallen_back(falls_back(clean(Version::V5), Version::V3_1_1));
    for _ in 0..2 {
        let refused = rig.engine.publish(with_property("m", QoS::AtLeastOnce), rig.now).unwrap_err();
        let option = "message properties";
        assert_eq!(refused.kind, PublishErrorKind::Request(RequestError::NeedsVersion5 { option }));
        assert!(refused.message.properties.is_some());
        publish(&mut rig, expiring(message("m", QoS::AtLeastOnce), 60));
        // And while there is no connection.
        rig.lose();
    }
}

#[test]
fn an_expiry_interval_holds_in_the_older_version_too() {
    let mut rig = ClientRig::new(falls_back(clean(Version::V5), Version::V3_1_1));
    let publication = publish(&mut rig, expiring(message("m", QoS::AtLeastOnce), 60));
    rig.advance(Duration::from_secs(61));
    fall_back(&mut rig);
    assert!(published(&mut rig).is_empty());
    let outcomes = rig.outcomes();
    assert!(matches!(&outcomes[..], [(ended, Outcome::Expired { .. })] if *ended == publication));
}

#[test]
fn a_filter_with_options_is_refused_where_an_older_version_is_spoken() {
    let mut rig = ClientRig::new(falls_back(clean(Version::V5), Version::V3_1_1));
    let wanted = vec![no_local("a"), subscription("b", QoS::AtLeastOnce)];
    let (both, _) = rig.engine.subscribe(wanted, Qos0Limits::default(), Vec::new()).unwrap();
    let (_, ends) = rig.engine.subscribe(vec![no_local("c")], Qos0Limits::default(), Vec::new()).unwrap();
    let named = vec![(text("k"), text("v"))];
    let plain = vec![subscription("d", QoS::AtLeastOnce)];
    let (with_properties, _) = rig.engine.subscribe(plain, Qos0Limits::default(), named).unwrap();
    fall_back(&mut rig);
    let sent = rig.sent();
    let [Packet::Subscribe(subscribe)] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!((subscribe.subscriptions[0].filter.as_str(), subscribe.subscriptions.len()), ("b", 1));
    assert_eq!(subscribe.subscription_id, None);
    let refused = ReasonCode::UnsupportedProtocolVersion;
    let events = rig.events();
    assert!(events.iter().any(|event| matches!(event, Event::StreamEnded { stream, reason }
        if *stream == ends && *reason == StreamEnd::Refused(refused))));
    assert!(events.iter().any(|event| matches!(event, Event::Subscribed { operation, results, .. }
        if *operation == with_properties && results[0].1 == refused)));
    let ack = bowline_testkit::subscriber::granted(subscribe);
    rig.broker(ack);
    let events = rig.events();
    let [Event::Subscribed { operation, results, .. }] = &events[..] else { panic!("{events:?}") };
    let reasons: Vec<_> = results.iter().map(|(_, reason)| *reason).collect();
    assert_eq!((*operation, reasons), (both, vec![refused, ReasonCode::GrantedQoS1]));
}

#[test]
fn a_request_that_cannot_be_said_does_not_end_the_streams_of_one_that_can() {
    for is_first in [false, true] {
        let mut rig = ClientRig::new(falls_back(clean(Version::V5), Version::V3_1_1));
        let named = vec![(text("k"), text("v"))];
        let of_each = if is_first { [named, Vec::new()] } else { [Vec::new(), named] };
        let asked = of_each.map(|user_properties| {
            let wanted = vec![subscription("a", QoS::AtLeastOnce)];
            rig.engine.subscribe(wanted, Qos0Limits::default(), user_properties).unwrap()
        });
        let [plain, with_properties] = if is_first { [asked[1], asked[0]] } else { asked };
        fall_back(&mut rig);
        let sent = rig.sent();
        let [Packet::Subscribe(subscribe)] = &sent[..] else { panic!("{sent:?}") };
        rig.broker(bowline_testkit::subscriber::granted(subscribe));
        let events = rig.events();
        let result = |of| {
            events.iter().find_map(|event| match event {
                Event::Subscribed { operation, results, .. } if *operation == of => Some(results[0].1),
                _ => None,
            })
        };
        assert_eq!(result(with_properties.0), Some(ReasonCode::UnsupportedProtocolVersion));
        assert_eq!(result(plain.0), Some(ReasonCode::GrantedQoS1));
        rig.broker(bowline_testkit::packets::qos1("a", "m", 1));
        let deliveries = rig.deliveries();
        assert!(deliveries.iter().any(|one| one.streams.contains(plain.1)), "{deliveries:?}");
        assert!(
            !events
                .iter()
                .any(|event| matches!(event, Event::StreamEnded { stream, .. } if *stream == plain.1))
        );
    }
}

#[test]
fn subscription_options_are_left_out_where_that_is_wished() {
    let mut rig = ClientRig::new(strips(clean(Version::V5)));
    let wanted = vec![no_local("a"), no_local("b")];
    let named = vec![(text("k"), text("v"))];
    rig.engine.subscribe(wanted, Qos0Limits::default(), named.clone()).unwrap();
    fall_back(&mut rig);
    let subscribed = |rig: &mut ClientRig| {
        let sent = rig.sent();
        let subscribes = sent.into_iter().filter_map(|packet| match packet {
            Packet::Subscribe(subscribe) => Some(subscribe),
            _ => None,
        });
        subscribes.collect::<Vec<_>>()
    };
    let before = subscribed(&mut rig);
    assert_eq!(before.len(), 1, "without identifiers one SUBSCRIBE does for both");
    assert_eq!(before[0].subscriptions.len(), 2);
    rig.engine.subscribe(vec![no_local("c")], Qos0Limits::default(), named).unwrap();
    rig.settle();
    assert_eq!(subscribed(&mut rig).len(), 1);
}

#[test]
fn once_the_older_version_is_known_subscription_options_are_refused_at_once() {
    let mut rig = fallen_back(falls_back(clean(Version::V5), Version::V3_1_1));
    let refused = rig.engine.subscribe(vec![no_local("a")], Qos0Limits::default(), Vec::new());
    assert_eq!(refused, Err(RequestError::NeedsVersion5 { option: "subscription options" }));
}

#[test]
fn an_unsubscribe_that_waited_goes_out_without_its_user_properties() {
    let mut rig = ClientRig::new(falls_back(clean(Version::V5), Version::V3_1_1));
    let named = vec![(text("k"), text("v"))];
    rig.engine.unsubscribe(vec![crate::script::filter("a")], named).unwrap();
    fall_back(&mut rig);
    let sent = rig.sent();
    assert!(matches!(sent.last(), Some(Packet::Unsubscribe(_))), "{sent:?}");
}

/// Options of the client that an older version cannot say, each in a configuration that is legal in 5.0.
fn with_client_options() -> [(&'static str, ClientConfig); 4] {
    let mut properties = MessageProperties::default();
    properties.content_type = Some(text("text/plain"));
    let gone = || message("gone", QoS::AtLeastOnce);
    let change = |change: &dyn Fn(&mut ClientConfig)| {
        let mut config = clean(Version::V5);
        change(&mut config);
        config
    };
    let will = |message: Message, delay_secs| {
        change(&|config| {
            config.will = Some(Will { message: message.clone(), delay_secs });
        })
    };
    [
        ("user_properties", change(&|config| config.user_properties.push((text("k"), text("v"))))),
        ("will delay", will(gone(), Some(5))),
        ("will properties", will(gone().with_properties(properties), None)),
        (
            "session expiry",
            change(&|config| config.session = SessionPolicy::InMemory { expiry_secs: 300, adopt: true }),
        ),
    ]
}

#[test]
fn options_of_the_client_that_older_versions_lack_are_refused_when_it_is_made() {
    for (option, config) in with_client_options() {
        assert_eq!(config.check(), Ok(()));
        let config = falls_back(config, Version::V3_1_1);
        assert_eq!(config.check(), Err(RequestError::NeedsVersion5 { option }));
    }
}

#[test]
fn options_of_the_client_are_left_out_of_connect_where_that_is_wished() {
    for (option, config) in with_client_options() {
        let mut rig = ClientRig::new(strips(config));
        rig.dial();
        assert_eq!(connect_sent(&mut rig).version, Version::V5);
        rig.broker_bytes(&[0x20, 2, 0, 1]);
        let connect = connect_sent(&mut rig);
        assert_eq!(connect.version, Version::V3_1_1, "{option}");
        assert!(connect.properties.user_properties.is_empty());
        if let Some(will) = connect.will {
            assert_eq!((will.message.payload.as_ref(), will.delay_secs), (b"gone".as_slice(), None));
            assert_eq!(will.message.qos, QoS::AtLeastOnce);
        }
        if option == "session expiry" {
            assert_eq!(connect.properties.session_expiry_secs, Some(EXPIRY_NEVER));
        }
        rig.broker(accepted(Version::V3_1_1, false));
        assert_eq!(rig.engine.state_name(), "Active");
    }
}

#[test]
fn what_only_the_newest_version_allows_is_refused_when_the_client_is_made() {
    let mut config = falls_back(clean(Version::V5), Version::V3_1_1);
    config.password = Some(Secret("secret".into()));
    assert!(matches!(config.check(), Err(RequestError::Option { option: "password", .. })));
    let mut config = falls_back(clean(Version::V5), Version::V3_1);
    config.client_id = text("an identifier of more than 23 bytes");
    assert!(matches!(config.check(), Err(RequestError::OutOfRange { most: 23, .. })));
    config.allow_long_client_id = true;
    assert_eq!(config.check(), Ok(()));
    config.client_id = text("");
    assert!(matches!(config.check(), Err(RequestError::Option { option: "client_id", .. })));
    for oldest in [Version::V3_1_1, Version::V5] {
        let config = falls_back(clean(Version::V3_1_1), oldest);
        assert!(matches!(config.check(), Err(RequestError::Option { option: "version fallback", .. })));
    }
    let mut config = clean(Version::V5);
    config.version_fallback = Some(VersionFallback::to(Version::V3_1).in_flight_max(0));
    assert!(matches!(config.check(), Err(RequestError::OutOfRange { option: "in_flight_max", .. })));
}

#[test]
fn the_window_of_the_older_version_holds_there_alone() {
    let mut config = clean(Version::V5);
    config.version_fallback = Some(VersionFallback::to(Version::V3_1_1).in_flight_max(2));
    let sends = |rig: &mut ClientRig| {
        for _ in 0..5 {
            publish(rig, message("m", QoS::AtLeastOnce));
        }
        published(rig).len()
    };
    assert_eq!(sends(&mut fallen_back(config.clone())), 2);
    assert_eq!(sends(&mut ClientRig::connected(config)), 5);
}

#[test]
fn retries_may_be_asked_for_and_happen_in_the_older_version_alone() {
    let mut config = falls_back(clean(Version::V5), Version::V3_1_1);
    config.retry = Some(Retry::after(Duration::from_secs(5)));
    config.keep_alive_secs = 0;
    let sends = |rig: &mut ClientRig| {
        publish(rig, message("m", QoS::AtLeastOnce));
        rig.advance(Duration::from_secs(6));
        published(rig).len()
    };
    assert_eq!(sends(&mut fallen_back(config.clone())), 2);
    assert_eq!(sends(&mut ClientRig::connected(config)), 1);
}

#[test]
fn what_5_0_announces_does_not_hold_in_the_older_version() {
    let mut config = falls_back(clean(Version::V5), Version::V3_1_1);
    config.packet_bytes_max = 1_000;
    let mut rig = ClientRig::new(config);
    rig.dial();
    assert_eq!(connect_sent(&mut rig).properties.maximum_packet_size, NonZeroU32::new(1_000));
    rig.broker_bytes(&[0x20, 2, 0, 1]);
    let connect = connect_sent(&mut rig);
    assert_eq!(
        (connect.properties.maximum_packet_size, connect.properties.topic_alias_maximum),
        (None, None)
    );
    rig.broker(accepted(Version::V3_1_1, false));
    let limits = rig.engine.limits().unwrap();
    assert_eq!((limits.subscription_ids, limits.message_properties), (false, false));
}
