//! What a broker can be made to grant, how clients are told, and what happens beyond it.

use bowline_broker::{BrokerConfig, ConnectionId, VersionRefusal};
use bowline_proto::packet::{ConnAck, Connect, Packet, Will};
use bowline_proto::types::SubscriptionOptions;
use bowline_proto::{Message, QoS, ReasonCode, Version};
use bowline_testkit::packets::{packet_id, qos0, qos2, suback, topic};

use crate::bench::{Bench, clean, kept, retained, subscribe};

fn connack(bench: &mut Bench, connect: Connect) -> (ConnectionId, Box<ConnAck>) {
    let id = bench.open(connect.version);
    bench.send(id, Packet::Connect(Box::new(connect)));
    match bench.got(id).remove(0) {
        Packet::ConnAck(connack) => (id, connack),
        other => panic!("{other:?} instead of CONNACK"),
    }
}

fn small(config: &mut BrokerConfig) {
    config.connection.receive_maximum = 3;
    config.connection.packet_bytes_max = 100;
    config.connection.topic_alias_maximum = 2;
    config.maximum_qos = QoS::AtLeastOnce;
    config.retain_available = false;
    config.wildcard_subscriptions = false;
    config.shared_subscriptions = false;
    config.subscription_ids = false;
    config.server_keep_alive_secs = Some(7);
    config.session_expiry_secs_max = 60;
}

// [MQTT-3.2.2-9]
#[test]
fn what_is_limited_is_announced_in_5_0_and_nothing_by_default() {
    let mut bench = Bench::with(small);
    let (_, connack_small) = connack(&mut bench, kept(Version::V5, "c"));
    let granted = &connack_small.properties;
    assert_eq!(granted.receive_maximum.unwrap().get(), 3);
    assert_eq!(granted.maximum_packet_size.unwrap().get(), 100);
    assert_eq!(granted.topic_alias_maximum, Some(2));
    assert_eq!(granted.maximum_qos, Some(QoS::AtLeastOnce));
    assert_eq!(granted.retain_available, Some(false));
    assert_eq!(granted.wildcard_subscription_available, Some(false));
    assert_eq!(granted.shared_subscription_available, Some(false));
    assert_eq!(granted.subscription_ids_available, Some(false));
    assert_eq!(granted.server_keep_alive_secs, Some(7));
    assert_eq!(granted.session_expiry_secs, Some(60));

    let (_, plain) = connack(&mut Bench::new(), clean(Version::V5, "c"));
    let granted = &plain.properties;
    assert_eq!((granted.maximum_qos, granted.retain_available), (None, None));
    assert_eq!((granted.server_keep_alive_secs, granted.session_expiry_secs), (None, None));
    assert_eq!(
        (granted.wildcard_subscription_available, granted.shared_subscription_available),
        (None, None)
    );
}

// [MQTT-3.2.2-11] [MQTT-3.2.2-14] [MQTT-3.2.2-15] [MQTT-3.3.4-7]
#[test]
fn a_client_of_5_0_that_goes_beyond_what_it_was_told_is_disconnected_and_reported() {
    let options = SubscriptionOptions::new(QoS::AtMostOnce);
    let cases = [
        (qos2("a", "x", 1), ReasonCode::QoSNotSupported, Some("MQTT-3.2.2-11")),
        (retained(qos0("a", "x")), ReasonCode::RetainNotSupported, Some("MQTT-3.2.2-14")),
        (
            crate::bench::publish("a", "x".repeat(100), QoS::AtMostOnce, 0),
            ReasonCode::PacketTooLarge,
            Some("MQTT-3.2.2-15"),
        ),
        (subscribe(&[("a/+", options)], None), ReasonCode::WildcardSubscriptionsNotSupported, None),
        (subscribe(&[("$share/g/a", options)], None), ReasonCode::SharedSubscriptionsNotSupported, None),
        (subscribe(&[("a", options)], Some(1)), ReasonCode::SubscriptionIdentifiersNotSupported, None),
    ];
    for (packet, reason, statement) in cases {
        let mut bench = Bench::with(small);
        let id = bench.connect(Version::V5, "c");
        bench.send(id, packet);
        let got = bench.got(id);
        assert!(matches!(&got[..], [Packet::Disconnect(end)] if end.reason == reason), "{reason}: {got:?}");
        assert!(bench.is_closed(id));
        let violations = bench.violations();
        assert_eq!((violations.len(), violations[0].statement), (1, statement), "{}", violations[0]);
        assert_eq!(violations[0].client_id.as_str(), "c");
    }
}

// [MQTT-3.8.3-2 of 3.1.1] [MQTT-3.2.2-10]
#[test]
fn a_client_of_the_older_versions_gets_less_instead() {
    let mut bench = Bench::with(small);
    let id = bench.connect(Version::V3_1_1, "c");
    let options = SubscriptionOptions::new(QoS::ExactlyOnce);
    bench.send(id, subscribe(&[("a", options), ("a/+", options), ("$share/g/a", options)], None));
    let got = bench.got(id);
    let failure = ReasonCode::UnspecifiedError;
    assert_eq!(got, [suback(packet_id(60_000), &[ReasonCode::GrantedQoS1, failure, failure])]);
    bench.send(id, retained(qos2("a", "x", 1)));
    assert_eq!(bench.messages(id)[0].qos, QoS::AtLeastOnce);
    assert_eq!(bench.core.stats().retained, 0);
    bench.assert_no_violations();
}

// [MQTT-3.2.2-12] [MQTT-3.2.2-13]
#[test]
fn a_will_beyond_the_limits_is_refused_and_a_session_that_is_there_stays() {
    let mut bench = Bench::with(small);
    let (id, _) = bench.connect_with(kept(Version::V5, "c"));
    bench.lose(id);
    let message = Message::new(topic("a"), "x");
    for (message, reason) in [
        (message.clone().with_qos(QoS::ExactlyOnce), ReasonCode::QoSNotSupported),
        (message.with_retain(true), ReasonCode::RetainNotSupported),
    ] {
        let will = Some(Will { message, delay_secs: None });
        let (id, connack) = connack(&mut bench, Connect { will, ..kept(Version::V5, "c") });
        assert_eq!(connack.reason, reason);
        assert!(bench.is_closed(id));
    }
    let (_, session_present) = bench.connect_with(kept(Version::V5, "c"));
    assert!(session_present);
    bench.assert_no_violations();
}

#[test]
fn beyond_their_bounds_sessions_and_connections_are_refused() {
    let mut bench = Bench::with(|config| {
        config.sessions_max = 1;
        config.connections_max = 2;
    });
    bench.connect(Version::V5, "c");
    let (_, refused) = connack(&mut bench, clean(Version::V5, "d"));
    assert_eq!(refused.reason, ReasonCode::QuotaExceeded);
    bench.connect(Version::V5, "c");
    bench.open(Version::V5);
    assert_eq!(bench.core.open(bench.now), None);
}

#[test]
fn enhanced_authentication_is_refused() {
    let mut bench = Bench::new();
    let mut connect = clean(Version::V5, "c");
    connect.properties.authentication_method = Some("SCRAM-SHA-1".try_into().unwrap());
    let (id, connack) = connack(&mut bench, connect);
    assert_eq!(connack.reason, ReasonCode::BadAuthenticationMethod);
    assert!(bench.is_closed(id));
}

#[test]
fn a_setting_out_of_its_range_is_refused_with_its_name() {
    let mut config = BrokerConfig::new();
    config.sessions_max = 0;
    assert!(config.check().unwrap_err().to_string().starts_with("sessions_max is 0"));
    config = BrokerConfig::new();
    config.connection.receive_maximum = 0;
    assert!(config.check().unwrap_err().to_string().starts_with("receive_maximum is 0"));
}

// [MQTT-3.1.2-2] [MQTT-3.1.2-2 of 3.1.1]
#[test]
fn a_version_that_is_not_spoken_is_refused_in_the_way_that_is_asked_for() {
    for spoken in Version::ALL {
        for refusal in [VersionRefusal::InClientsVersion, VersionRefusal::InV3_1_1, VersionRefusal::Close] {
            let mut bench = Bench::with(|config| {
                config.versions = vec![spoken];
                config.version_refusal = refusal;
            });
            for version in Version::ALL {
                if version == spoken {
                    bench.connect(version, "c");
                    continue;
                }
                let id = bench.open(version);
                bench.send(id, Packet::Connect(Box::new(clean(version, "c"))));
                let got = bench.got(id);
                assert!(bench.is_closed(id));
                match refusal {
                    VersionRefusal::Close => assert_eq!(got, []),
                    _ => assert!(
                        matches!(&got[..], [Packet::ConnAck(connack)]
                            if connack.reason == ReasonCode::UnsupportedProtocolVersion),
                        "{got:?}"
                    ),
                }
            }
            assert_eq!(bench.core.violations().count(), 0, "to ask is no violation");
        }
    }
    let mut none = BrokerConfig::new();
    none.versions.clear();
    assert!(none.check().is_err());
}
