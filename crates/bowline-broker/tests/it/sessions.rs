//! Sessions that outlive connections: resumed, taken over, expired, ended.

use std::time::Duration;

use bowline_broker::BrokerEvent;
use bowline_proto::packet::{Ack, Connect, Disconnect, DisconnectProperties, Packet};
use bowline_proto::server::EndCause;
use bowline_proto::{QoS, ReasonCode, Version};
use bowline_testkit::packets::{puback, pubrec, pubrel, qos0, qos1, qos2};

use crate::bench::{ALL_QOS, Bench, clean, kept, publish};

// [MQTT-3.1.2-5] [MQTT-3.2.2-3] [MQTT-3.1.2-5 of 3.1.1] [MQTT-3.2.2-2 of 3.1.1] [MQTT-3.1.2-4 of 3.1.1]
#[test]
fn what_came_while_a_client_was_away_waits_for_it_in_order() {
    for version in Version::ALL {
        let mut bench = Bench::new();
        let (id, session_present) = bench.connect_with(kept(version, "c"));
        assert!(!session_present);
        bench.subscribe(id, "a/#", QoS::ExactlyOnce);
        bench.lose(id);
        let publisher = bench.connect(version, "from");
        for number in 0..30_u16 {
            let qos = ALL_QOS[usize::from(number) % 3];
            bench.send(publisher, publish("a/b", number.to_string(), qos, number + 1));
        }
        let (id, session_present) = bench.connect_with(kept(version, "c"));
        assert_eq!(session_present, version.rules().has_session_present);
        // QoS 0 is not queued for a client that is away.
        let expected: Vec<String> = (0..30).filter(|n| n % 3 != 0).map(|n| n.to_string()).collect();
        assert_eq!(bench.payloads(id), expected, "{version}");
        bench.send(publisher, qos0("a", "live"));
        assert_eq!(bench.payloads(id), ["live"], "the subscription is still there");
        bench.assert_no_violations();
    }
}

// [MQTT-4.4.0-1] [MQTT-3.3.1-1] [MQTT-4.4.0-1 of 3.1.1]
#[test]
fn what_was_not_acknowledged_is_sent_again_on_the_next_connection() {
    for version in Version::ALL {
        let mut bench = Bench::new();
        bench.answers = false;
        let (id, _) = bench.connect_with(kept(version, "c"));
        bench.subscribe(id, "a", QoS::ExactlyOnce);
        let publisher = bench.connect(version, "from");
        for (number, packet) in
            [qos1("a", "1", 1), qos2("a", "2", 2), qos2("a", "3", 3)].into_iter().enumerate()
        {
            bench.send(publisher, packet);
            assert_eq!(bench.core.stats().messages_out, number as u64 + 1);
        }
        let got = bench.messages(id);
        bench.send(id, Packet::PubRec(Ack::success(got[1].packet_id.unwrap())));
        bench.lose(id);
        bench.got(id);
        let (id, _) = bench.connect_with(kept(version, "c"));
        let again = bench.got(id);
        assert!(
            matches!(&again[0], Packet::PubRel(ack) if Some(ack.packet_id) == got[1].packet_id),
            "{again:?}"
        );
        let resent: Vec<_> = again
            .iter()
            .filter_map(|packet| match packet {
                Packet::Publish(publish) => Some((publish.dup, publish.packet_id, publish.payload.clone())),
                _ => None,
            })
            .collect();
        let expected = [&got[0], &got[2]].map(|first| (true, first.packet_id, first.payload.clone()));
        assert_eq!(resent, expected, "{version}");
    }
}

// [MQTT-4.3.3-10] [MQTT-4.3.3-2 of 3.1.1]
#[test]
fn a_qos_2_message_that_is_sent_again_after_a_reconnect_is_not_delivered_twice() {
    for version in Version::ALL {
        let mut bench = Bench::new();
        let subscriber = bench.connect(version, "to");
        bench.subscribe(subscriber, "a", QoS::ExactlyOnce);
        let (id, _) = bench.connect_with(kept(version, "from"));
        bench.send(id, qos2("a", "x", 9));
        assert_eq!(bench.payloads(subscriber), ["x"]);
        bench.lose(id);
        let (id, _) = bench.connect_with(kept(version, "from"));
        bench.send(id, bowline_testkit::packets::again(qos2("a", "x", 9)));
        assert_eq!(bench.got(id), [pubrec(9, ReasonCode::Success)]);
        bench.send(id, pubrel(9, ReasonCode::Success));
        assert_eq!(bench.payloads(subscriber), Vec::<String>::new());
        bench.assert_no_violations();
    }
}

// [MQTT-3.1.4-3] [MQTT-3.1.4-2 of 3.1.1]
#[test]
fn a_second_connection_takes_the_session_over_and_the_first_is_told_in_5_0() {
    for version in Version::ALL {
        let mut bench = Bench::new();
        let (first, _) = bench.connect_with(kept(version, "c"));
        bench.subscribe(first, "a", QoS::AtLeastOnce);
        let (second, session_present) = bench.connect_with(kept(version, "c"));
        assert_eq!(session_present, version.rules().has_session_present);
        assert!(bench.is_closed(first));
        let goodbye = Packet::Disconnect(Box::new(Disconnect::new(ReasonCode::SessionTakenOver)));
        let expected = if version.rules().has_disconnect_reason { vec![goodbye] } else { vec![] };
        assert_eq!(bench.got(first), expected);
        bench.send(second, qos1("a", "x", 1));
        assert_eq!(bench.payloads(second), ["x"]);
        assert_eq!((bench.core.stats().clients, bench.core.stats().sessions), (1, 1));
        bench.assert_no_violations();
    }
}

// [MQTT-3.1.2-5] [MQTT-3.1.2-4 of 3.1.1]
#[test]
fn a_client_may_be_back_before_the_broker_has_looked_at_its_end() {
    for is_sent_away in [false, true] {
        let mut bench = Bench::new();
        let (first, _) = bench.connect_with(kept(Version::V5, "c"));
        let second = bench.open(Version::V5);
        let mut out = bowline_proto::codec::Outgoing::new();
        let encoder = bowline_proto::codec::Encoder::new(Version::V5, bowline_proto::Role::Client, u32::MAX);
        encoder.packet(&mut out, &Packet::Connect(Box::new(kept(Version::V5, "c")))).unwrap();
        bench.core.handle_bytes(second, &out.to_vec());
        if is_sent_away {
            bench.core.disconnect_client("c", ReasonCode::ServerBusy, bench.now).unwrap();
        } else {
            bench.core.handle_closed(first, bench.now);
        }
        bench.settle();
        let got = bench.got(second);
        assert!(
            matches!(&got[..], [Packet::ConnAck(connack)] if connack.session_present == Some(true)),
            "{got:?}"
        );
        assert_eq!((bench.core.stats().connections, bench.core.stats().clients), (1, 1));
    }
}

#[test]
fn a_take_over_of_a_session_that_ends_with_its_connection_makes_a_new_one() {
    let mut bench = Bench::new();
    let first = bench.connect(Version::V3_1_1, "c");
    bench.subscribe(first, "a", QoS::AtLeastOnce);
    let (_, session_present) = bench.connect_with(kept(Version::V3_1_1, "c"));
    assert!(!session_present);
    assert_eq!((bench.core.stats().sessions, bench.core.stats().subscriptions), (1, 0));
}

// [MQTT-3.1.2-4] [MQTT-3.2.2-2] [MQTT-3.1.2-6 of 3.1.1] [MQTT-3.2.2-1 of 3.1.1]
#[test]
fn a_clean_start_ends_the_old_session_with_its_subscriptions_and_messages() {
    for version in Version::ALL {
        let mut bench = Bench::new();
        let (id, _) = bench.connect_with(kept(version, "c"));
        bench.subscribe(id, "a", QoS::AtLeastOnce);
        bench.lose(id);
        let publisher = bench.connect(version, "from");
        bench.send(publisher, qos1("a", "x", 1));
        let (id, session_present) = bench.connect_with(clean(version, "c"));
        assert!(!session_present);
        bench.send(publisher, qos1("a", "y", 2));
        assert_eq!(bench.messages(id), [], "{version}");
        bench.disconnect(id);
        let (_, session_present) = bench.connect_with(kept(version, "c"));
        assert!(!session_present, "the pair of clean and kept begins a new session");
    }
}

// [MQTT-4.1.0-2] [MQTT-3.1.2-23]
#[test]
fn a_session_expires_when_its_time_is_over_and_not_before() {
    let mut bench = Bench::new();
    let mut connect = kept(Version::V5, "c");
    connect.properties.session_expiry_secs = Some(10);
    let (id, _) = bench.connect_with(connect.clone());
    bench.lose(id);
    bench.advance(Duration::from_secs(9));
    let (id, session_present) = bench.connect_with(connect.clone());
    assert!(session_present);
    bench.advance(Duration::from_secs(100));
    assert_eq!(bench.core.stats().sessions, 1, "the time counts from when the connection is over");
    bench.lose(id);
    bench.advance(Duration::from_secs(10));
    assert_eq!(bench.core.stats().sessions, 0);
    let (id, session_present) = bench.connect_with(connect);
    assert!(!session_present);

    let properties = DisconnectProperties { session_expiry_secs: Some(0), ..DisconnectProperties::default() };
    let leave = Disconnect { reason: ReasonCode::Success, properties: Some(Box::new(properties)) };
    bench.send(id, Packet::Disconnect(Box::new(leave)));
    assert_eq!(bench.core.stats().sessions, 0, "DISCONNECT says that nothing is to be kept");
}

// [MQTT-3.3.2-5] [MQTT-3.3.2-6]
#[test]
fn a_queued_message_expires_and_one_that_does_not_says_how_long_it_has_left() {
    let mut bench = Bench::new();
    let (id, _) = bench.connect_with(kept(Version::V5, "c"));
    bench.subscribe(id, "a", QoS::AtLeastOnce);
    bench.lose(id);
    let publisher = bench.connect(Version::V5, "from");
    for (number, secs) in [(1, 5), (2, 60)] {
        let Packet::Publish(mut publish) = publish("a", secs.to_string(), QoS::AtLeastOnce, number) else {
            unreachable!()
        };
        let mut properties = bowline_proto::types::MessageProperties::default();
        properties.expiry_secs = Some(secs);
        publish.properties = Some(Box::new(properties));
        bench.send(publisher, Packet::Publish(publish));
    }
    bench.advance(Duration::from_secs(20));
    let (id, _) = bench.connect_with(kept(Version::V5, "c"));
    let got = bench.messages(id);
    assert_eq!(got.len(), 1);
    assert_eq!(got[0].properties.as_ref().unwrap().expiry_secs, Some(40));
    assert_eq!(bench.core.stats().expired, 1);
}

// [MQTT-3.1.3-6] [MQTT-3.1.3-7] [MQTT-3.2.2-16] [MQTT-3.1.3-6 of 3.1.1]
#[test]
fn a_client_without_identifier_gets_one_of_its_own() {
    let mut bench = Bench::new();
    let id = bench.open(Version::V5);
    bench.send(id, Packet::Connect(Box::new(clean(Version::V5, ""))));
    let got = bench.got(id);
    let [Packet::ConnAck(connack)] = got.as_slice() else { panic!("{got:?}") };
    let assigned = connack.properties.assigned_client_id.clone().unwrap();
    bench.connect(Version::V3_1_1, "");
    let clients: Vec<&str> = bench.core.clients().collect();
    assert_eq!(clients.len(), 2);
    assert!(clients.contains(&assigned.as_str()));
}

#[test]
fn the_broker_disconnects_or_kills_a_client_on_demand() {
    let mut bench = Bench::new();
    let (one, _) = bench.connect_with(kept(Version::V5, "one"));
    let (two, _) = bench.connect_with(kept(Version::V5, "two"));
    assert_eq!(bench.core.disconnect_client("one", ReasonCode::ServerBusy, bench.now), Ok(true));
    assert!(bench.core.kill_connection("two", bench.now));
    assert!(!bench.core.kill_connection("three", bench.now));
    bench.settle();
    assert_eq!(bench.got(one), [Packet::Disconnect(Box::new(Disconnect::new(ReasonCode::ServerBusy)))]);
    assert_eq!(bench.got(two), []);
    assert!(bench.is_closed(one) && !bench.is_reset(one));
    assert!(bench.is_reset(two));
    assert_eq!((bench.core.stats().clients, bench.core.stats().sessions), (0, 2));
    let ends: Vec<_> =
        bench.events.iter().filter(|event| matches!(event, BrokerEvent::Disconnected { .. })).collect();
    assert!(matches!(
        ends[0],
        BrokerEvent::Disconnected { cause: EndCause::ByServer(ReasonCode::ServerBusy), .. }
    ));
    bench.assert_no_violations();
}

#[test]
fn nothing_is_waited_for_when_all_clients_are_gone() {
    let mut bench = Bench::new();
    let (id, _) = bench.connect_with(Connect { keep_alive_secs: 10, ..kept(Version::V5, "c") });
    assert!(bench.until().is_some());
    bench.lose(id);
    assert_eq!(bench.until(), None);
}

#[test]
fn shutting_down_says_so_and_takes_no_more_connections() {
    let mut bench = Bench::new();
    let id = bench.connect(Version::V5, "c");
    bench.core.shut_down(bench.now);
    bench.settle();
    assert_eq!(
        bench.got(id),
        [Packet::Disconnect(Box::new(Disconnect::new(ReasonCode::ServerShuttingDown)))]
    );
    assert!(bench.is_closed(id));
    assert_eq!(bench.core.open(bench.now), None);
    assert_eq!(bench.core.stats().connections, 0);
}

#[test]
fn the_decision_about_a_client_can_be_left_to_the_driver() {
    let mut bench = Bench::with(|config| config.asks_authentication = true);
    for (reason, said) in [
        (ReasonCode::BadUserNameOrPassword, ReasonCode::BadUserNameOrPassword),
        (ReasonCode::KeepAliveTimeout, ReasonCode::NotAuthorized),
    ] {
        let id = bench.open(Version::V5);
        let connect = Connect { user_name: Some("me".try_into().unwrap()), ..clean(Version::V5, "c") };
        bench.send(id, Packet::Connect(Box::new(connect)));
        assert_eq!(bench.got(id), []);
        let (asked, connect) = bench.asked.pop().unwrap();
        assert_eq!(connect.user_name.as_ref().unwrap().as_str(), "me");
        bench.core.deny(asked, reason, bench.now);
        bench.settle();
        let got = bench.got(id);
        assert!(matches!(&got[0], Packet::ConnAck(connack) if connack.reason == said), "{got:?}");
        assert!(bench.is_closed(id));
    }
    for is_allowed in [true, false] {
        let id = bench.open(Version::V5);
        bench.send(id, Packet::Connect(Box::new(clean(Version::V5, "c"))));
        let (asked, _) = bench.asked.pop().unwrap();
        bench.core.handle_closed(id, bench.now);
        match is_allowed {
            true => bench.core.allow(asked, bench.now),
            false => bench.core.deny(asked, ReasonCode::Banned, bench.now),
        }
        bench.settle();
        assert_eq!(bench.core.stats().connections, 0, "it did not wait for the decision");
    }
    let id = bench.open(Version::V3_1);
    bench.send(id, Packet::Connect(Box::new(clean(Version::V3_1, "c"))));
    let (asked, _) = bench.asked.pop().unwrap();
    bench.core.allow(asked, bench.now);
    bench.settle();
    assert!(matches!(&bench.got(id)[0], Packet::ConnAck(connack) if connack.reason == ReasonCode::Success));
    bench.send(id, qos1("a", "x", 1));
    assert_eq!(bench.got(id), [puback(1, ReasonCode::Success)]);
    bench.assert_no_violations();
}
