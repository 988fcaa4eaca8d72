//! Full duplex: whatever blocks one direction, the other goes on, and the application cannot lock itself out.

use std::time::Duration;

use bowline::proto::packet::{Ack, Packet};
use bowline::{PublishErrorKind, QoS, Qos0Full, SendQueue, Version};
use bowline_testkit::packets::{qos0, qos1};

use crate::peer::{Harbour, PeerReader, PeerWriter, within};
use crate::round_trip::echoed;
use crate::subscribing::grant;

const FLOOD: usize = 3_000;

/// Acknowledges publications until the client is gone; how many came.
async fn acknowledge(mut reader: PeerReader, mut writer: PeerWriter) -> usize {
    let mut publications = 0;
    while let Some(packet) = reader.next().await {
        let Packet::Publish(publish) = packet else { continue };
        publications += 1;
        if let Some(id) = publish.packet_id {
            writer.send(Packet::PubAck(Ack::success(id))).await.expect("the client reads");
        }
    }
    publications
}

#[tokio::test]
async fn the_bridge_loop_does_not_deadlock_while_its_stream_is_full() {
    for version in Version::ALL {
        let harbour = Harbour::new(256);
        let (client, mut peer) = harbour.pair(harbour.builder(version), version).await;
        let subscribe = client.subscribe("in").qos0(2, Qos0Full::Pause);
        let (stream, ()) = tokio::join!(subscribe.into_future(), grant(&mut peer, &[0]));
        let mut stream = stream.unwrap();
        let (reader, writer) = peer.split();
        let (mut floods, writes) = (writer.clone(), writer);
        let flood = tokio::spawn(async move {
            for _ in 0..FLOOD {
                floods.send(qos0("in", "water")).await.expect("the client reads");
            }
        });
        let acknowledging = tokio::spawn(acknowledge(reader, writes));
        let mut bridged = 0;
        while bridged + client.stats().qos0_dropped < FLOOD as u64 {
            if let Ok(message) = tokio::time::timeout(Duration::from_millis(20), stream.next()).await {
                let message = message.unwrap();
                within(client.publish("out", message.into_payload()).qos(QoS::AtLeastOnce)).await.unwrap();
                bridged += 1;
            }
        }
        within(flood).await.unwrap();
        drop(stream);
        client.disconnect().await;
        assert_eq!(within(acknowledging).await.unwrap() as u64, bridged);
        assert!(bridged > 0);
    }
}

#[tokio::test]
async fn a_bridge_of_qos_0_goes_on_although_its_queue_and_its_stream_are_full() {
    let harbour = Harbour::new(256);
    let queue = SendQueue::new().messages_max(1);
    let (client, mut peer) = harbour.pair(harbour.builder(Version::V5).send_queue(queue), Version::V5).await;
    let subscribe = client.subscribe("in").qos0(1, Qos0Full::Pause);
    let (stream, ()) = tokio::join!(subscribe.into_future(), grant(&mut peer, &[0]));
    let mut stream = stream.unwrap();
    let bridge = client.clone();
    let bridging = tokio::spawn(async move {
        while let Some(message) = stream.next().await {
            bridge.publish("out", vec![b'x'; 100_000]).send().await.unwrap().await.unwrap();
            drop(message);
        }
    });
    // The broker writes and does not read, until everything is written.
    let flood = vec![qos0("in", "water"); FLOOD];
    within(peer.send_all(&flood)).await.unwrap();
    assert_eq!(&peer.publish().await.payload[..3], b"xxx");
    let (mut reader, _writer) = peer.split();
    tokio::spawn(async move { while reader.next().await.is_some() {} });
    client.disconnect().await;
    let _ended = within(bridging).await;
}

#[tokio::test]
async fn publishing_inside_a_stream_loop_waits_for_room_in_a_full_queue_and_goes_on() {
    const MESSAGES: usize = 200;
    for version in Version::ALL {
        let client = echoed(version).await;
        let queue = SendQueue::new().messages_max(1);
        let harbour = Harbour::new(512);
        let builder = harbour.builder(version).send_queue(queue).in_flight_max(1);
        let (narrow, peer) = harbour.pair(builder, version).await;
        let served = tokio::spawn(crate::echo::serve(peer));
        let mut stream = within(client.subscribe("in").qos(QoS::ExactlyOnce)).await.unwrap();
        let source = client.topic("in").unwrap().qos(QoS::ExactlyOnce);
        let mut receipts = Vec::new();
        for number in 0..MESSAGES {
            receipts.push(source.send(number.to_string()).await.unwrap());
        }
        let mut bridged = Vec::new();
        for number in 0..MESSAGES {
            let message = within(stream.next()).await.unwrap();
            assert_eq!(message.text(), Ok(&*number.to_string()));
            let publish = narrow.publish("out", message.into_payload()).qos(QoS::ExactlyOnce);
            bridged.push(within(publish.send()).await.unwrap());
        }
        for receipt in receipts.into_iter().chain(bridged) {
            within(receipt).await.unwrap();
        }
        narrow.disconnect().await;
        within(served).await.unwrap();
    }
}

#[tokio::test]
async fn publishing_inside_a_stream_loop_is_refused_by_a_full_queue_and_gives_the_message_back() {
    let harbour = Harbour::new(64 * 1024);
    let queue = SendQueue::new().messages_max(1);
    let builder = harbour.builder(Version::V5).send_queue(queue).in_flight_max(1);
    let (client, mut peer) = harbour.pair(builder, Version::V5).await;
    let (stream, ()) = tokio::join!(client.subscribe("in").into_future(), grant(&mut peer, &[0]));
    let mut stream = stream.unwrap();
    for text in ["sent", "queued", "refused"] {
        peer.send(qos0("in", text)).await;
    }
    let mut receipts = Vec::new();
    let mut refused = Vec::new();
    for _ in 0..3 {
        let payload = within(stream.next()).await.unwrap().into_payload();
        match client.publish("out", payload).qos(QoS::AtLeastOnce).try_send() {
            Ok(receipt) => receipts.push(receipt),
            Err(error) => refused.push(error),
        }
    }
    let [error] = &refused[..] else { panic!("one is refused: {refused:?}") };
    assert_eq!(*error.kind(), PublishErrorKind::Full { messages: 1, bytes: 9 });
    assert_eq!(&error.message().unwrap().payload[..], b"refused");
    for text in ["sent", "queued"] {
        let publish = peer.publish().await;
        assert_eq!(&publish.payload[..], text.as_bytes());
        peer.send(Packet::PubAck(Ack::success(publish.packet_id.unwrap()))).await;
    }
    for receipt in receipts {
        within(receipt).await.unwrap();
    }
}

#[tokio::test]
async fn a_message_that_no_queue_could_take_is_an_error_and_nobody_waits() {
    let harbour = Harbour::new(64 * 1024);
    let queue = SendQueue::new().bytes_max(100);
    let client = harbour.builder(Version::V5).send_queue(queue).connect_lazy().unwrap();
    let error = within(client.publish("a", vec![0; 200]).send()).await.unwrap_err();
    assert_eq!(error.to_string(), "message (bytes, against the send queue's) is 201, allowed are 0 to 100");
}

#[tokio::test]
async fn a_broker_that_stops_reading_while_it_floods_us_loses_nothing_and_stalls_nothing() {
    const MESSAGES: usize = 400;
    for version in Version::ALL {
        let harbour = Harbour::new(4 * 1024);
        let (client, mut peer) = harbour.pair(harbour.builder(version), version).await;
        let subscribe = client.subscribe("in").qos(QoS::AtLeastOnce);
        let (stream, ()) = tokio::join!(subscribe.into_future(), grant(&mut peer, &[1]));
        let mut stream = stream.unwrap();
        let topic = client.topic("out").unwrap();
        for _ in 0..MESSAGES {
            topic.send(vec![b'x'; 10_000]).await.unwrap().await.unwrap();
        }
        // More than fits into both directions, and not one byte is read meanwhile.
        let flood: Vec<Packet> = (1..=1_000).map(|id| qos1("in", "water", id)).collect();
        let reading = tokio::spawn(async move {
            for _ in 0..1_000 {
                stream.next().await.unwrap();
            }
            stream
        });
        within(peer.send_all(&flood)).await.unwrap();
        let stream = within(reading).await.unwrap();
        let (mut published, mut acknowledged) = (0, 0);
        while published < MESSAGES || acknowledged < 1_000 {
            match peer.packet().await {
                Packet::Publish(_) => published += 1,
                Packet::PubAck(ack) => {
                    acknowledged += 1;
                    assert_eq!(ack.packet_id.as_u16(), acknowledged, "in the order of arrival");
                }
                other => panic!("not expected: {other:?}"),
            }
        }
        drop(stream);
    }
}
