//! What CONNECT says, for every kind of session, and that nothing comes before it or before CONNACK.

use bowline_proto::client::{ClientConfig, Outcome, Qos0Limits, SessionPolicy};
use bowline_proto::error::RequestError;
use bowline_proto::packet::connect::EXPIRY_NEVER;
use bowline_proto::packet::{Packet, Secret, Will};
use bowline_proto::types::{MessageProperties, QoS};
use bowline_proto::{ReasonCode, Version};
use bowline_testkit::{ClientRig, Commit};

use crate::script::{
    accepted, acknowledged, clean, connect_sent, durable, expiring, kept, message, on_store, payloads,
    puback, publish1, subscription, text,
};

// [MQTT-3.1.0-1] [MQTT-3.1.0-2] [MQTT-3.1.0-1 of 3.1.1] [MQTT-3.1.0-2 of 3.1.1]
#[test]
fn connect_is_the_first_packet_on_every_connection_and_comes_once() {
    for version in Version::ALL {
        let mut rig = ClientRig::new(kept(version));
        publish1(&mut rig, "early");
        for _ in 0..3 {
            if rig.dials() == 0 {
                rig.connect(true);
            } else {
                rig.reconnect(true);
            }
            publish1(&mut rig, "x");
            rig.advance(std::time::Duration::from_secs(5));
            let sent = rig.sent();
            assert!(matches!(sent[0], Packet::Connect(_)), "{version:?}: {sent:?}");
            assert_eq!(sent.iter().filter(|packet| matches!(packet, Packet::Connect(_))).count(), 1);
        }
    }
}

// [MQTT-3.1.4-5] [MQTT-3.1.4-6] [MQTT-3.1.4-4 of 3.1.1] [MQTT-3.1.4-5 of 3.1.1]
#[test]
fn nothing_but_connect_is_sent_before_connack_and_a_refusal_counts_all_as_not_sent() {
    for version in Version::ALL {
        let mut rig = ClientRig::new(clean(version));
        let publication = publish1(&mut rig, "early");
        let wanted = vec![subscription("s/#", QoS::AtLeastOnce)];
        rig.engine.subscribe(wanted, Qos0Limits::default(), Vec::new()).unwrap();
        rig.dial();
        publish1(&mut rig, "earlier than CONNACK");
        connect_sent(&mut rig);
        rig.refuse_connect(ReasonCode::ServerUnavailable);
        assert_eq!(rig.sent(), []);
        rig.wait_for_dial();
        connect_sent(&mut rig);
        rig.connect(false);
        let sent = rig.sent();
        let [Packet::Subscribe(_), Packet::Publish(first), Packet::Publish(second)] = &sent[..] else {
            panic!("{version:?}: {sent:?}");
        };
        assert!(!first.dup && !second.dup, "neither was sent before");
        rig.broker(puback(first.packet_id.unwrap()));
        assert_eq!(rig.outcomes(), [(publication, acknowledged())]);
    }
}

// [MQTT-3.1.2-9] [MQTT-3.1.2-17] [MQTT-3.1.2-19] [MQTT-3.1.2-19 of 3.1.1] [MQTT-3.1.2-21 of 3.1.1]
#[test]
fn connect_says_what_was_configured() {
    for version in Version::ALL {
        let mut config = clean(version);
        config.user_name = Some(text("user"));
        config.password = Some(Secret("secret".into()));
        let will = Will { message: message("gone", QoS::AtLeastOnce).with_retain(true), delay_secs: None };
        config.will = Some(will.clone());
        config.keep_alive_secs = 17;
        let mut rig = ClientRig::new(config);
        rig.dial();
        let connect = connect_sent(&mut rig);
        assert_eq!(connect.version, version);
        assert_eq!(connect.client_id, text("meter-7"));
        assert_eq!(connect.keep_alive_secs, 17);
        assert_eq!(connect.user_name, Some(text("user")));
        assert_eq!(connect.password, Some(Secret("secret".into())));
        assert_eq!(connect.will, Some(will));
    }
}

// [MQTT-3.1.2-11] [MQTT-3.1.2-13] [MQTT-3.1.2-11 of 3.1.1] [MQTT-3.1.2-13 of 3.1.1] [MQTT-3.1.2-15 of 3.1.1]
#[test]
fn connect_has_no_will_unless_one_was_configured() {
    for version in Version::ALL {
        let mut rig = ClientRig::new(clean(version));
        rig.dial();
        assert_eq!(connect_sent(&mut rig).will, None);
    }
}

// [MQTT-3.1.2-16] [MQTT-3.1.2-18] [MQTT-3.1.2-18 of 3.1.1] [MQTT-3.1.2-20 of 3.1.1]
#[test]
fn connect_has_no_credentials_unless_some_were_configured() {
    for version in Version::ALL {
        let mut rig = ClientRig::new(clean(version));
        rig.dial();
        let connect = connect_sent(&mut rig);
        assert_eq!((connect.user_name, connect.password), (None, None));
    }
}

#[test]
fn connect_announces_our_limits_in_5_0() {
    let mut config = clean(Version::V5);
    config.inbound.messages_max = 33;
    config.packet_bytes_max = 70_000;
    config.topic_alias_maximum = 5;
    config.user_properties = vec![(text("k"), text("v"))];
    let mut rig = ClientRig::new(config);
    rig.dial();
    let properties = connect_sent(&mut rig).properties;
    assert_eq!(properties.receive_maximum.map(u16::from), Some(33));
    assert_eq!(properties.maximum_packet_size.map(u32::from), Some(70_000));
    assert_eq!(properties.topic_alias_maximum, Some(5));
    assert_eq!(properties.user_properties, [(text("k"), text("v"))]);
    assert_eq!(properties.authentication_method, None);
}

/// Clean Start and Session Expiry Interval of the next CONNECT.
fn clean_start(rig: &mut ClientRig) -> (bool, Option<u32>) {
    let connect = connect_sent(rig);
    (connect.clean_start, connect.properties.session_expiry_secs)
}

// [MQTT-3.1.2-4] [MQTT-3.1.2-5]
#[test]
fn clean_start_is_said_in_5_0_unless_there_is_a_session_to_go_on_with() {
    const DAY: u32 = 86_400;
    let policies = [
        (SessionPolicy::Clean, (true, None), (true, None)),
        (SessionPolicy::InMemory { expiry_secs: DAY, adopt: true }, (false, Some(DAY)), (false, Some(DAY))),
        (SessionPolicy::InMemory { expiry_secs: DAY, adopt: false }, (true, Some(DAY)), (false, Some(DAY))),
        (SessionPolicy::Durable { expiry_secs: DAY, adopt: true }, (false, Some(DAY)), (false, Some(DAY))),
        (SessionPolicy::Durable { expiry_secs: DAY, adopt: false }, (true, Some(DAY)), (false, Some(DAY))),
    ];
    for (policy, first, later) in policies {
        let mut config = clean(Version::V5);
        config.session = policy;
        let mut rig = ClientRig::new(config);
        rig.dial();
        assert_eq!(clean_start(&mut rig), first, "{policy:?}");
        rig.connect(false);
        rig.lose();
        rig.wait_for_dial();
        assert_eq!(clean_start(&mut rig), later, "{policy:?}");
    }
}

// [MQTT-3.1.2-4 of 3.1.1] [MQTT-3.1.2-6 of 3.1.1]
#[test]
fn a_session_that_takes_over_what_the_broker_has_never_says_clean_session() {
    for version in [Version::V3_1, Version::V3_1_1] {
        for policy in [
            SessionPolicy::InMemory { expiry_secs: EXPIRY_NEVER, adopt: true },
            SessionPolicy::Durable { expiry_secs: EXPIRY_NEVER, adopt: true },
        ] {
            let mut config = clean(version);
            config.session = policy;
            let mut rig = ClientRig::new(config);
            rig.dial();
            assert!(!connect_sent(&mut rig).clean_start);
            rig.connect(true);
            rig.lose();
            rig.wait_for_dial();
            assert!(!connect_sent(&mut rig).clean_start);
        }
        let mut rig = ClientRig::new(clean(version));
        rig.dial();
        assert!(connect_sent(&mut rig).clean_start);
    }
}

/// A client before 5.0 that wants a session of its own and has none.
fn discarding(version: Version) -> ClientRig {
    let mut config = durable(version);
    config.will = Some(Will { message: message("gone", QoS::AtMostOnce), delay_secs: None });
    ClientRig::new(config)
}

// [MQTT-3.1.2-6 of 3.1.1] [MQTT-3.14.4-1 of 3.1.1]
#[test]
fn before_5_0_an_old_session_is_discarded_on_a_connection_of_its_own() {
    for version in [Version::V3_1, Version::V3_1_1] {
        let mut rig = discarding(version);
        publish1(&mut rig, "waits for the second connection");
        rig.dial();
        let connect = connect_sent(&mut rig);
        assert!(connect.clean_start);
        assert_eq!(connect.will, None, "the first connection is over at once");
        rig.broker(accepted(version, false));
        let sent = rig.sent();
        let [Packet::Disconnect(_), Packet::Connect(connect)] = &sent[..] else { panic!("{sent:?}") };
        assert!(!connect.clean_start);
        assert!(connect.will.is_some());
        assert_eq!((rig.dials(), rig.closes()), (2, 1));
        assert!(
            rig.events().iter().all(|event| !matches!(event, bowline_proto::client::Event::Connected(_)))
        );
        rig.connect(false);
        assert_eq!(payloads(&mut rig), ["waits for the second connection"]);
        rig.reconnect(true);
        let sent = rig.sent();
        assert!(matches!(&sent[0], Packet::Connect(connect) if !connect.clean_start));
        assert_eq!(rig.dials(), 3, "once there is a session, one connection is enough");
    }
}

// [MQTT-3.2.2-4]
#[test]
fn a_session_that_came_back_after_it_was_discarded_is_discarded_again() {
    let mut rig = discarding(Version::V3_1_1);
    rig.dial();
    rig.broker(accepted(Version::V3_1_1, false));
    rig.broker(accepted(Version::V3_1_1, true));
    assert_eq!(rig.engine.state_name(), "Backoff", "somebody else used the client identifier");
    rig.sent();
    rig.wait_for_dial();
    assert!(connect_sent(&mut rig).clean_start);
}

// [MQTT-3.2.2-4]
#[test]
fn a_session_that_the_broker_may_have_made_unheard_is_discarded_too() {
    let mut rig = discarding(Version::V3_1_1);
    rig.dial();
    rig.broker(accepted(Version::V3_1_1, false));
    assert_eq!(rig.sent().len(), 3, "CONNECT, DISCONNECT, CONNECT");
    rig.lose();
    rig.wait_for_dial();
    assert!(connect_sent(&mut rig).clean_start, "the answer that was lost may have made a session");
}

// [MQTT-3.1.3-7 of 3.1.1] [MQTT-3.1.2-22 of 3.1.1] [MQTT-3.1.3-6]
#[test]
fn a_configuration_that_cannot_work_is_refused_with_option_value_and_limit() {
    type Change = fn(&mut ClientConfig);
    let nameless: Change = |config| config.client_id = text("");
    let long: Change = |config| config.client_id = text("0123456789-0123456789-23");
    let password: Change = |config| config.password = Some(Secret("p".into()));
    let window: Change = |config| config.in_flight_max = 0;
    let wide: Change = |config| config.in_flight_max = u16::MAX;
    let inbound: Change = |config| config.inbound.messages_max = 0;
    let packet: Change = |config| config.packet_bytes_max = 255;
    let delay: Change = |config| {
        config.will = Some(Will { message: message("w", QoS::AtMostOnce), delay_secs: Some(1) });
    };
    let properties: Change = |config| config.user_properties = vec![(text("k"), text("v"))];
    let expiry: Change = |config| config.session = SessionPolicy::InMemory { expiry_secs: 60, adopt: true };
    let (v3_1, v3_1_1, v5) = (Version::V3_1, Version::V3_1_1, Version::V5);
    let cases: [(Version, Change, Option<&str>); 17] = [
        (v3_1, nameless, Some("client_id must not be empty in 3.1")),
        (v3_1_1, nameless, None),
        (v5, nameless, None),
        (v3_1, long, Some("client_id (bytes) is 24, allowed are 1 to 23")),
        (v3_1_1, long, None),
        (v3_1, password, Some("password needs a user name before 5.0")),
        (v3_1_1, password, Some("password needs a user name before 5.0")),
        (v5, password, None),
        (v5, window, Some("in_flight_max is 0, allowed are 1 to 65519")),
        (v5, wide, Some("in_flight_max is 65535, allowed are 1 to 65519")),
        (v5, inbound, Some("inbound.messages_max is 0, allowed are 1 to 65535")),
        (v5, packet, Some("packet_bytes_max is 255, allowed are 256 to 4294967295")),
        (v3_1_1, delay, Some("will delay needs MQTT 5.0")),
        (v5, delay, None),
        (v3_1_1, properties, Some("user_properties needs MQTT 5.0")),
        (v3_1_1, expiry, Some("session expiry needs MQTT 5.0")),
        (v5, expiry, None),
    ];
    for (number, (version, change, error)) in cases.into_iter().enumerate() {
        let mut config = clean(version);
        change(&mut config);
        let refused = config.check().err().map(|error| error.to_string());
        assert_eq!(refused.as_deref(), error, "case {number}, {version:?}");
    }
}

// [MQTT-3.1.3-5] [MQTT-3.1.3-5 of 3.1.1]
#[test]
fn a_client_identifier_may_be_long_after_3_1_and_before_if_the_caller_says_so() {
    for version in [Version::V3_1_1, Version::V5] {
        let mut config = clean(version);
        config.client_id = text("longer than 23 bytes, and not of letters and digits alone: ä");
        let mut rig = ClientRig::new(config.clone());
        rig.dial();
        assert_eq!(connect_sent(&mut rig).client_id, config.client_id);
    }
    let mut config = clean(Version::V3_1);
    config.client_id = text("0123456789-0123456789-23");
    config.allow_long_client_id = true;
    assert_eq!(config.check(), Ok(()));
}

// [MQTT-3.1.3-7 of 3.1.1]
#[test]
fn an_empty_client_identifier_needs_a_session_that_ends_with_the_connection_before_5_0() {
    for (version, is_legal) in [(Version::V3_1_1, false), (Version::V5, true)] {
        let mut config = kept(version);
        config.client_id = text("");
        assert_eq!(config.check().is_ok(), is_legal, "{version:?}");
    }
}

#[test]
fn what_does_not_fit_its_length_field_is_refused_at_construction() {
    for version in Version::ALL {
        let mut config = clean(version);
        config.user_name = Some(text("user"));
        config.password = Some(Secret(vec![b'p'; 65_536].into()));
        let error = config.check().unwrap_err().to_string();
        assert_eq!(error, "password (bytes) is 65536, allowed are 0 to 65535");
        let mut config = clean(version);
        let mut will = message("", QoS::AtMostOnce);
        will.payload = vec![0; 65_536].into();
        config.will = Some(Will { message: will, delay_secs: None });
        let error = config.check().unwrap_err().to_string();
        assert_eq!(error, "will payload (bytes) is 65536, allowed are 0 to 65535");
    }
}

// [MQTT-3.8.3-4 of 3.1.1]
#[test]
fn options_of_5_0_are_refused_at_the_call_before_it() {
    for version in [Version::V3_1, Version::V3_1_1] {
        let mut rig = ClientRig::connected(clean(version));
        let mut properties = MessageProperties::default();
        properties.content_type = Some(text("text/plain"));
        let asked = message("m", QoS::AtLeastOnce).with_properties(properties);
        let refused = rig.engine.publish(asked.clone(), rig.now).unwrap_err();
        assert_eq!(refused.message, asked, "the message comes back as it was");
        let mut wanted = subscription("a", QoS::AtMostOnce);
        wanted.options.no_local = true;
        let refused = rig.engine.subscribe(vec![wanted], Qos0Limits::default(), Vec::new()).unwrap_err();
        assert_eq!(refused, RequestError::NeedsVersion5 { option: "subscription options" });
        let user_properties = vec![(text("k"), text("v"))];
        let wanted = vec![subscription("a", QoS::AtMostOnce)];
        rig.engine.subscribe(wanted, Qos0Limits::default(), user_properties.clone()).unwrap_err();
        let filters = vec![crate::script::filter("a")];
        rig.engine.unsubscribe(filters, user_properties).unwrap_err();
        rig.settle();
        assert_eq!(rig.sent(), []);
    }
}

// [MQTT-3.1.3-2] [MQTT-3.1.3-2 of 3.1.1]
#[test]
fn a_stored_session_of_another_client_or_version_is_refused() {
    let mut rig = on_store(durable(Version::V5), Commit::AtOnce);
    rig.connect(false);
    let recovered = rig.store.recover(1_000);
    let resume = |config: ClientConfig| {
        let wall = bowline_testkit::client_rig::WALL_START;
        let zero = bowline_proto::Timestamp::ZERO;
        bowline_proto::client::ClientEngine::resume(config, recovered.clone(), 1, zero, wall).err()
    };
    let mut other_client = durable(Version::V5);
    other_client.client_id = text("meter-8");
    assert_eq!(resume(other_client), Some(RequestError::WrongSession { what: "client identifier" }));
    let other_version = durable(Version::V3_1_1);
    assert_eq!(resume(other_version), Some(RequestError::WrongSession { what: "version" }));
    assert_eq!(resume(durable(Version::V5)), None);
}

#[test]
fn an_expiry_interval_before_5_0_is_the_clients_own_and_stays_with_a_message_that_comes_back() {
    for version in [Version::V3_1, Version::V3_1_1] {
        let mut config = clean(version);
        config.queue.messages_max = 1;
        let mut rig = ClientRig::new(config);
        let first = rig.engine.publish(expiring(message("1", QoS::AtLeastOnce), 60), rig.now).unwrap();
        let second = expiring(message("2", QoS::AtLeastOnce), 60);
        let refused = rig.engine.publish(second.clone(), rig.now).unwrap_err();
        assert_eq!(refused.message, second);
        assert!(rig.engine.cancel(first));
        rig.settle();
        let message = expiring(message("1", QoS::AtLeastOnce), 60);
        assert_eq!(rig.outcomes(), [(first, Outcome::Cancelled { message })]);
    }
}
