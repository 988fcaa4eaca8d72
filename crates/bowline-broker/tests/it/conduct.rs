//! What only a judge sees: identifiers used twice, repetitions without need, acknowledgements out of order.

use bowline_broker::ConnectionId;
use bowline_proto::packet::{Ack, Packet};
use bowline_proto::types::SubscriptionOptions;
use bowline_proto::{PacketId, QoS, ReasonCode, Version};
use bowline_testkit::packets::{again, packet_id, puback, pubcomp, pubrec, pubrel, qos1, qos2};

use crate::bench::{Bench, clean, kept, subscribe};

/// What a client does on a connection, and the statement that it breaks with the last packet.
fn assert_convicted(
    bench: &mut Bench,
    id: ConnectionId,
    packets: Vec<Packet>,
    statement: Option<&'static str>,
) {
    let count = packets.len();
    for (at, packet) in packets.into_iter().enumerate() {
        bench.assert_no_violations();
        bench.send(id, packet);
        assert_eq!(bench.is_closed(id), at + 1 == count, "packet {at}: {:?}", bench.violations());
    }
    let violations = bench.violations();
    assert_eq!(violations.len(), 1, "{violations:?}");
    assert_eq!(violations[0].statement, statement, "{}", violations[0]);
}

fn ok() -> ReasonCode {
    ReasonCode::Success
}

/// A client with a session that goes on, after a first connection on which it sent these packets.
fn resumed(version: Version, packets: &[Packet]) -> (Bench, ConnectionId) {
    let mut bench = Bench::new();
    let (id, _) = bench.connect_with(kept(version, "c"));
    for packet in packets {
        bench.send(id, packet.clone());
    }
    bench.lose(id);
    let (id, _) = bench.connect_with(kept(version, "c"));
    (bench, id)
}

// [MQTT-4.4.0-1]
#[test]
fn repeating_on_one_connection_is_a_violation_of_5_0_only() {
    let repeated = || vec![qos1("a", "x", 1), again(qos1("a", "x", 1))];
    let released = || vec![qos2("a", "x", 1), pubrel(1, ok()), pubrel(1, ok())];
    for packets in [repeated, released] {
        let mut bench = Bench::new();
        let id = bench.connect(Version::V5, "c");
        assert_convicted(&mut bench, id, packets(), Some("MQTT-4.4.0-1"));
        for version in [Version::V3_1, Version::V3_1_1] {
            let mut bench = Bench::new();
            let id = bench.connect(version, "c");
            for packet in packets() {
                bench.send(id, packet);
            }
            bench.assert_no_violations();
        }
    }
}

// [MQTT-3.2.2-5] [MQTT-3.1.2-4] [MQTT-3.1.2-6 of 3.1.1]
#[test]
fn going_on_with_a_session_that_is_not_there_is_a_violation() {
    for packet in [again(qos1("a", "x", 1)), again(qos2("a", "x", 1)), pubrel(1, ok())] {
        let cases = [
            (kept(Version::V5, "c"), Some("MQTT-3.2.2-5")),
            (clean(Version::V5, "c"), Some("MQTT-3.1.2-4")),
            (clean(Version::V3_1_1, "c"), Some("MQTT-3.1.2-6 of 3.1.1")),
        ];
        for (connect, statement) in cases {
            let mut bench = Bench::new();
            let (id, _) = bench.connect_with(connect);
            assert_convicted(&mut bench, id, vec![packet.clone()], statement);
        }
        // 3.1.1 does not demand that a client heeds it, and 3.1 does not say it.
        for version in [Version::V3_1, Version::V3_1_1] {
            let mut bench = Bench::new();
            let (id, _) = bench.connect_with(kept(version, "c"));
            bench.send(id, packet.clone());
            bench.assert_no_violations();
        }
    }
}

// [MQTT-2.2.1-3] [MQTT-2.3.1-2 of 3.1.1] [MQTT-3.3.1-1] [MQTT-3.3.1-1 of 3.1.1]
#[test]
fn an_identifier_whose_message_is_not_released_is_in_use_also_on_the_next_connection() {
    let request = |id| {
        let Packet::Subscribe(mut request) =
            subscribe(&[("a", SubscriptionOptions::new(QoS::AtMostOnce))], None)
        else {
            unreachable!()
        };
        request.packet_id = packet_id(id);
        Packet::Subscribe(request)
    };
    let in_use = [Some("MQTT-2.3.1-2 of 3.1.1"), Some("MQTT-2.2.1-3")];
    let no_dup = [Some("MQTT-3.3.1-1 of 3.1.1"), Some("MQTT-3.3.1-1")];
    let cases = [
        (qos2("a", "another", 1), in_use),
        (again(qos2("a", "another", 1)), in_use),
        (qos1("a", "another", 1), in_use),
        (request(1), in_use),
        (qos2("a", "x", 1), no_dup),
    ];
    for (packet, statements) in cases {
        for (version, statement) in [Version::V3_1_1, Version::V5].into_iter().zip(statements) {
            let (mut bench, id) = resumed(version, &[qos2("a", "x", 1)]);
            assert_convicted(&mut bench, id, vec![packet.clone()], statement);
        }
    }
}

// [MQTT-4.6.0-1] [MQTT-4.6.0-1 of 3.1.1]
#[test]
fn messages_are_sent_again_in_their_first_order() {
    let first = [qos2("a", "1", 1), qos2("a", "2", 2), qos2("a", "3", 3)];
    for (version, statement) in [(Version::V5, "MQTT-4.6.0-1"), (Version::V3_1, "MQTT-4.6.0-1 of 3.1.1")] {
        let (mut bench, id) = resumed(version, &first);
        let wrong = vec![again(first[1].clone()), again(first[0].clone())];
        assert_convicted(&mut bench, id, wrong, Some(statement));
    }
}

// [MQTT-4.6.0-4] [MQTT-4.6.0-4 of 3.1.1]
#[test]
fn pubrels_follow_the_order_of_the_pubrecs() {
    for (version, statement) in [(Version::V5, "MQTT-4.6.0-4"), (Version::V3_1_1, "MQTT-4.6.0-4 of 3.1.1")] {
        let mut bench = Bench::new();
        let id = bench.connect(version, "c");
        let wrong = vec![qos2("a", "1", 1), qos2("a", "2", 2), pubrel(2, ok()), pubrel(1, ok())];
        assert_convicted(&mut bench, id, wrong, Some(statement));
    }
}

// [MQTT-4.3.3-9] [MQTT-4.3.3-12]
#[test]
fn an_honest_client_that_resumes_is_not_accused() {
    for version in Version::ALL {
        let first = [qos2("a", "1", 1), qos2("a", "2", 2), qos2("a", "3", 3), qos1("a", "4", 4)];
        let (mut bench, id) = resumed(version, &first);
        // It has seen the first PUBREC and none of the others; its fifth message was lost on the way.
        bench.send(id, pubrel(1, ok()));
        for packet in &first[1..] {
            bench.send(id, again(packet.clone()));
        }
        bench.send(id, again(qos2("a", "5", 5)));
        for released in [2, 3, 5] {
            bench.send(id, pubrel(released, ok()));
        }
        for reused in [1, 2, 4] {
            bench.send(id, qos2("b", "new", reused));
        }
        bench.lose(id);
        let (id, _) = bench.connect_with(kept(version, "c"));
        for (at, packet) in
            [qos2("b", "new", 1), qos2("b", "new", 2), qos2("b", "new", 4)].into_iter().enumerate()
        {
            bench.send(id, again(packet));
            assert!(!bench.is_closed(id), "{version}, {at}: {:?}", bench.violations());
        }
        bench.assert_no_violations();
    }
    // A message that was refused leaves its identifier free.
    let mut bench = Bench::new();
    let id = bench.connect(Version::V5, "c");
    bench.send(id, qos2("$SYS/a", "x", 1));
    assert_eq!(bench.got(id), [pubrec(1, ReasonCode::NotAuthorized)]);
    bench.send(id, qos2("a", "y", 1));
    bench.assert_no_violations();
}

/// A client that got these messages and has not answered, with their identifiers.
fn receiver(version: Version, qos: QoS, count: u16) -> (Bench, ConnectionId, Vec<PacketId>) {
    let mut bench = Bench::new();
    bench.answers = false;
    let id = bench.connect(version, "c");
    bench.subscribe(id, "a", qos);
    let publisher = bench.connect(version, "from");
    for number in 1..=count {
        bench.send(publisher, qos2("a", "x", number));
    }
    let ids = bench.messages(id).iter().filter_map(|publish| publish.packet_id).collect();
    (bench, id, ids)
}

// [MQTT-4.6.0-2] [MQTT-4.6.0-3] [MQTT-4.6.0-2 of 3.1.1] [MQTT-4.6.0-3 of 3.1.1]
#[test]
fn acknowledgements_follow_the_order_of_the_messages() {
    let cases = [
        (Version::V5, QoS::AtLeastOnce, "MQTT-4.6.0-2"),
        (Version::V5, QoS::ExactlyOnce, "MQTT-4.6.0-3"),
        (Version::V3_1_1, QoS::AtLeastOnce, "MQTT-4.6.0-2 of 3.1.1"),
        (Version::V3_1_1, QoS::ExactlyOnce, "MQTT-4.6.0-3 of 3.1.1"),
    ];
    for (version, qos, statement) in cases {
        let answer = |id: PacketId| match qos {
            QoS::ExactlyOnce => Packet::PubRec(Ack::success(id)),
            _ => Packet::PubAck(Ack::success(id)),
        };
        let (mut bench, id, ids) = receiver(version, qos, 3);
        let wrong = vec![answer(ids[0]), answer(ids[2]), answer(ids[1])];
        assert_convicted(&mut bench, id, wrong, Some(statement));

        let (mut bench, id, ids) = receiver(version, qos, 3);
        for one in ids {
            bench.send(id, answer(one));
        }
        assert!(!bench.is_closed(id));
        bench.assert_no_violations();
    }
}

// [MQTT-2.2.1-5] [MQTT-2.3.1-6 of 3.1.1]
#[test]
fn an_acknowledgement_for_nothing_is_a_violation() {
    for packet in [puback(9, ok()), pubrec(9, ok()), pubcomp(9, ok())] {
        for (version, statement) in [(Version::V5, "MQTT-2.2.1-5"), (Version::V3_1, "MQTT-2.3.1-6 of 3.1.1")]
        {
            let mut bench = Bench::new();
            let id = bench.connect(version, "c");
            assert_convicted(&mut bench, id, vec![packet.clone()], Some(statement));
            assert_eq!(bench.core.stats().violations, 1);
        }
    }
}
