//! Messages that go out and come back, small and large, one or many.

use std::time::Duration;

use bowline::{Client, QoS, Subscription, Version};
use tokio::time::timeout;

use crate::counterpart::Counterpart;
use crate::peer::{SILENCE, within};
use crate::round_trip::ALL_QOS;

/// Long for a debug build on a busy machine.
const LONG: Duration = Duration::from_secs(120);

/// Nothing more comes to this stream.
pub(super) async fn is_silent(stream: &mut Subscription) {
    if let Ok(message) = timeout(SILENCE, stream.next()).await {
        panic!("nothing was expected: {message:?}");
    }
}

/// Nothing is queued or in flight.
pub(super) fn assert_nothing_is_left(client: &Client) {
    let stats = client.stats();
    assert_eq!((stats.queued_messages, stats.queued_bytes, stats.in_flight), (0, 0, 0));
    assert_eq!(stats.unknown_acknowledgements, 0);
}

pub(super) async fn messages_of_every_qos_come_back_as_they_were_sent(
    counterpart: &mut Counterpart,
    version: Version,
) {
    let client = counterpart.client(version).await;
    let mut stream = within(client.subscribe("a/#").qos(QoS::ExactlyOnce)).await.unwrap();
    let payloads: [&[u8]; 4] = [b"", b"text", &[0, 0xFF, 0xFE, 0x80], "grün".as_bytes()];
    for qos in ALL_QOS {
        for topic in ["a", "a/b", "a//c", "a/größe"] {
            for payload in payloads {
                within(client.publish(topic, payload).qos(qos)).await.unwrap();
                let message = within(stream.next()).await.unwrap();
                assert_eq!((message.topic(), &message.payload()[..], message.qos()), (topic, payload, qos));
                assert!(!message.retain() && !message.dup());
                assert_eq!(message.packet_id().is_some(), qos != QoS::AtMostOnce);
            }
        }
    }
    assert_nothing_is_left(&client);
    client.disconnect().await;
}

pub(super) async fn qos2_round_trip_is_exactly_once(counterpart: &mut Counterpart, version: Version) {
    let client = counterpart.client(version).await;
    let mut stream = within(client.subscribe("a").qos(QoS::ExactlyOnce)).await.unwrap();
    for number in 0..200 {
        let acknowledgement = client.publish("a", number.to_string()).qos(QoS::ExactlyOnce);
        assert!(!within(acknowledgement).await.unwrap().is_downgraded());
        let message = within(stream.next()).await.unwrap();
        assert_eq!((message.text(), message.qos()), (Ok(&*number.to_string()), QoS::ExactlyOnce));
    }
    is_silent(&mut stream).await;
    assert_nothing_is_left(&client);
    client.disconnect().await;
}

pub(super) async fn a_retained_message_is_there_for_later_subscribers_until_it_is_cleared(
    counterpart: &mut Counterpart,
    version: Version,
) {
    let client = counterpart.client(version).await;
    for (number, qos) in ALL_QOS.into_iter().enumerate() {
        let topic = format!("state/{number}");
        within(client.publish(&*topic, "old").qos(qos).retain()).await.unwrap();
        within(client.publish(&*topic, "new").qos(qos).retain()).await.unwrap();
        within(client.flush()).await.unwrap();
        let later = counterpart.client(version).await;
        let mut stream = within(later.subscribe(&*topic).qos(QoS::ExactlyOnce)).await.unwrap();
        let message = within(stream.next()).await.unwrap();
        assert_eq!((message.text(), message.retain(), message.qos()), (Ok("new"), true, qos));
        within(client.publish(&*topic, "").qos(qos).retain()).await.unwrap();
        let cleared = within(stream.next()).await.unwrap();
        assert_eq!((cleared.payload().len(), cleared.retain()), (0, false));
        let latest = counterpart.client(version).await;
        is_silent(&mut within(latest.subscribe(&*topic)).await.unwrap()).await;
        later.disconnect().await;
        latest.disconnect().await;
    }
    client.disconnect().await;
}

pub(super) async fn a_payload_of_a_megabyte_goes_there_and_back(
    counterpart: &mut Counterpart,
    version: Version,
) {
    let client = counterpart.client(version).await;
    let mut stream = within(client.subscribe("large").qos(QoS::ExactlyOnce)).await.unwrap();
    for (qos, fill) in ALL_QOS.into_iter().zip(0_u8..) {
        let payload: Vec<u8> = (0..1024 * 1024_u32).map(|at| at.to_le_bytes()[0] ^ fill).collect();
        within(client.publish("large", payload.clone()).qos(qos)).await.unwrap();
        let message = within(stream.next()).await.unwrap();
        assert!(message.payload()[..] == payload, "{} bytes came back", message.payload().len());
    }
    client.disconnect().await;
}

pub(super) async fn five_thousand_pipelined_messages_of_qos_2_keep_their_order_both_ways(
    counterpart: &mut Counterpart,
    version: Version,
) {
    const MESSAGES: u16 = 5_000;
    // Mosquitto 2.0 sends more than a narrower Receive Maximum allows when it is in a hurry, and we close for that
    // (<https://github.com/eclipse-mosquitto/mosquitto/issues/2301>).
    let wide = async || {
        let builder = counterpart.builder(version).inbound_max(2 * MESSAGES, 16 * 1024 * 1024);
        within(builder.connect()).await.unwrap()
    };
    let (one, other) = (wide().await, wide().await);
    let mut ways = Vec::new();
    for (from, to, name) in [(&one, &other, "there"), (&other, &one, "back")] {
        let mut stream = within(to.subscribe(name).qos(QoS::ExactlyOnce)).await.unwrap();
        let topic = from.topic(name).unwrap().qos(QoS::ExactlyOnce);
        ways.push(tokio::spawn(async move {
            let mut receipts = Vec::new();
            for number in 0..MESSAGES {
                receipts.push(topic.send(number.to_string()).await.unwrap());
            }
            for receipt in receipts {
                receipt.await.unwrap();
            }
        }));
        ways.push(tokio::spawn(async move {
            for number in 0..MESSAGES {
                assert_eq!(stream.next().await.unwrap().text(), Ok(&*number.to_string()));
            }
            is_silent(&mut stream).await;
        }));
    }
    for way in ways {
        timeout(LONG, way).await.expect("it ends in time").unwrap();
    }
    assert_nothing_is_left(&one);
    assert_nothing_is_left(&other);
    one.disconnect().await;
    other.disconnect().await;
}

pub(super) async fn flush_and_drain_wait_for_every_acknowledgement(
    counterpart: &mut Counterpart,
    version: Version,
) {
    let client = counterpart.client(version).await;
    let watcher = counterpart.client(version).await;
    let mut stream = within(watcher.subscribe("a").qos(QoS::AtLeastOnce)).await.unwrap();
    for round in 0..2 {
        for number in 0..300 {
            let qos = ALL_QOS[number % 3];
            drop(client.publish("a", number.to_string()).qos(qos).send().await.unwrap());
        }
        if round == 0 {
            within(client.flush()).await.unwrap();
            assert_nothing_is_left(&client);
        } else {
            within(client.drain(Duration::from_secs(20))).await.unwrap();
            assert!(client.publish("a", "late").await.is_err());
        }
        for _ in 0..300 {
            within(stream.next()).await.unwrap();
        }
    }
    is_silent(&mut stream).await;
    watcher.disconnect().await;
}
