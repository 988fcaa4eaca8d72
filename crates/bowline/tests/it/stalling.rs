//! Everything full at once: windows, queues, sockets. Nobody waits for ever, and nothing grows without a bound.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bowline::proto::packet::{Ack, Packet};
use bowline::transport::{Listener, TcpAcceptor, TcpOptions};
use bowline::{Client, PublishErrorKind, QoS, Qos0Full, SendQueue, Version};
use bowline_testkit::packets::{publish, qos0};
use tokio::sync::Semaphore;

use crate::peer::{Harbour, Peer, PeerReader, PeerWriter, within};
use crate::subscribing::grant;

/// Answers everything until the client is gone. How many publications came.
async fn answer(mut reader: PeerReader, mut writer: PeerWriter, window: Arc<Semaphore>) -> usize {
    let mut publications = 0;
    while let Some(packet) = reader.next().await {
        let answer = match packet {
            Packet::Publish(publish) => {
                publications += 1;
                let Some(id) = publish.packet_id else { continue };
                let is_once = publish.qos == QoS::ExactlyOnce;
                if is_once { Packet::PubRec(Ack::success(id)) } else { Packet::PubAck(Ack::success(id)) }
            }
            Packet::PubRel(ack) => Packet::PubComp(Ack::success(ack.packet_id)),
            Packet::PubRec(ack) => Packet::PubRel(Ack::success(ack.packet_id)),
            Packet::PubAck(_) | Packet::PubComp(_) => {
                window.add_permits(1);
                continue;
            }
            Packet::Disconnect(_) => break,
            other => panic!("not expected: {other:?}"),
        };
        writer.send(answer).await.expect("the client reads");
    }
    publications
}

/// Sends so many messages, never more unacknowledged than the window allows.
async fn flood(mut writer: PeerWriter, messages: u16, qos: QoS, window: Arc<Semaphore>) {
    for number in 0..messages {
        window.acquire().await.expect("it stays open").forget();
        let id = number % 60_000 + 1;
        writer.send(Packet::Publish(publish("in", "water", qos, id))).await.expect("the client reads");
    }
}

#[tokio::test]
async fn the_bridge_loop_does_not_deadlock_while_the_inbound_window_is_full() {
    const MESSAGES: u16 = 1_000;
    const WINDOW: u16 = 4;
    for version in Version::ALL {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let harbour = Harbour::new(256);
            let queue = SendQueue::new().messages_max(1);
            let builder =
                harbour.builder(version).inbound_max(WINDOW, 1_000_000).send_queue(queue).in_flight_max(1);
            let (client, mut peer) = harbour.pair(builder, version).await;
            // A message is acknowledged when it is bridged: the window stays full meanwhile.
            let subscribe = client.subscribe("in").qos(qos).manual_ack();
            let granted = [if qos == QoS::AtLeastOnce { 1 } else { 2 }];
            let (stream, ()) = tokio::join!(subscribe.into_future(), grant(&mut peer, &granted));
            let mut stream = stream.unwrap();
            let (reader, writer) = peer.split();
            let window = Arc::new(Semaphore::new(usize::from(WINDOW)));
            let flooding = tokio::spawn(flood(writer.clone(), MESSAGES, qos, window.clone()));
            let answering = tokio::spawn(answer(reader, writer, window));
            for _ in 0..MESSAGES {
                let (message, ack) = within(stream.next()).await.expect("the connection holds").into_parts();
                within(client.publish("out", message.into_payload()).qos(qos)).await.unwrap();
                ack.ack().await.unwrap();
            }
            within(flooding).await.unwrap();
            client.disconnect().await;
            assert_eq!(within(answering).await.unwrap(), usize::from(MESSAGES));
        }
    }
}

/// A client of a peer that answers, with a queue of one message and one in flight, subscribed to nothing yet.
async fn narrow(version: Version) -> (Client, Peer) {
    let harbour = Harbour::new(512);
    let queue = SendQueue::new().messages_max(1);
    harbour.pair(harbour.builder(version).send_queue(queue).in_flight_max(1), version).await
}

#[tokio::test]
async fn a_handler_that_publishes_waits_for_room_in_a_full_queue_and_goes_on() {
    const MESSAGES: u16 = 500;
    for version in Version::ALL {
        let (client, mut peer) = narrow(version).await;
        let handled = Arc::new(AtomicUsize::new(0));
        let (publisher, counts) = (client.clone(), handled.clone());
        let handler = client.on_message("in", move |message| {
            let (publisher, counts) = (publisher.clone(), counts.clone());
            async move {
                for _ in 0..2 {
                    let publish = publisher.publish("out", message.payload().clone());
                    drop(publish.qos(QoS::AtLeastOnce).send().await.unwrap());
                }
                counts.fetch_add(1, Ordering::Relaxed);
            }
        });
        let handler = handler.qos(QoS::AtLeastOnce).into_future();
        let (handler, ()) = tokio::join!(handler, grant(&mut peer, &[1]));
        let _handler = handler.unwrap();
        let (reader, writer) = peer.split();
        let window = Arc::new(Semaphore::new(20));
        let flooding = tokio::spawn(flood(writer.clone(), MESSAGES, QoS::AtLeastOnce, window.clone()));
        let answering = tokio::spawn(answer(reader, writer, window.clone()));
        within(flooding).await.unwrap();
        // All are acknowledged: every handler has returned.
        drop(within(window.acquire_many(20)).await.unwrap());
        within(client.flush()).await.unwrap();
        assert_eq!(handled.load(Ordering::Relaxed), usize::from(MESSAGES));
        client.disconnect().await;
        assert_eq!(within(answering).await.unwrap(), 2 * usize::from(MESSAGES));
    }
}

#[tokio::test]
async fn a_handler_that_does_not_want_to_wait_gets_its_message_back_from_a_full_queue() {
    for version in Version::ALL {
        let (client, mut peer) = narrow(version).await;
        let (refused, mut refusals) = tokio::sync::mpsc::channel(10);
        let publisher = client.clone();
        let handler = client.on_message("in", move |message| {
            let (publisher, refused) = (publisher.clone(), refused.clone());
            async move {
                let publish = publisher.publish("out", message.into_payload()).qos(QoS::AtLeastOnce);
                if let Err(error) = publish.try_send() {
                    refused.send(error).await.unwrap();
                }
            }
        });
        let (handler, ()) = tokio::join!(handler.into_future(), grant(&mut peer, &[0]));
        let _handler = handler.unwrap();
        for text in ["sent", "queued", "refused", "refused too"] {
            peer.send(qos0("in", text)).await;
        }
        for text in ["refused", "refused too"] {
            let error = within(refusals.recv()).await.unwrap();
            assert_eq!(*error.kind(), PublishErrorKind::Full { messages: 1, bytes: 9 });
            assert_eq!(&error.into_message().unwrap().payload[..], text.as_bytes());
        }
        for text in ["sent", "queued"] {
            let publish = peer.publish().await;
            assert_eq!(&publish.payload[..], text.as_bytes());
            peer.send(Packet::PubAck(Ack::success(publish.packet_id.unwrap()))).await;
        }
        within(client.flush()).await.unwrap();
        peer.is_silent().await;
    }
}

/// A client and its peer on real sockets whose buffers hold next to nothing.
async fn on_tiny_sockets(version: Version, queue: SendQueue) -> (Client, Peer) {
    let tiny = TcpOptions::new().send_buffer_bytes(4_096).receive_buffer_bytes(4_096);
    let acceptor =
        TcpAcceptor::bind_with((std::net::Ipv4Addr::LOCALHOST, 0).into(), tiny, 8).expect("a free port");
    let builder = Client::builder(&format!("mqtt://{}", acceptor.local_addr())).expect("a legal URL");
    let accepts = async {
        let mut peer = Peer::new(within(acceptor.accept()).await.expect("a client connects"), version);
        peer.connect().await;
        peer.connack(false).await;
        peer
    };
    let (client, peer) = tokio::join!(builder.version(version).send_queue(queue).connect(), accepts);
    (client.expect("the peer accepts"), peer)
}

#[tokio::test]
async fn a_broker_on_tiny_sockets_that_only_writes_is_read_to_the_end_and_nothing_grows() {
    const MESSAGES: usize = 20_000;
    const QUEUE_BYTES: usize = 1_000_000;
    const PAYLOAD_BYTES: usize = 100_000;
    for version in Version::ALL {
        let (client, mut peer) = on_tiny_sockets(version, SendQueue::new().bytes_max(QUEUE_BYTES)).await;
        let subscribe = client.subscribe("in").qos0(10, Qos0Full::Pause);
        let (stream, ()) = tokio::join!(subscribe.into_future(), grant(&mut peer, &[0]));
        let mut stream = stream.unwrap();
        // One that waits for its answer for as long as the broker does not read: so reading must not pause.
        let unanswered = client.publish("out", "first").qos(QoS::AtLeastOnce).send().await.unwrap();
        let publisher = client.clone();
        let publishing = tokio::spawn(async move {
            loop {
                let publish = publisher.publish("out", vec![b'x'; PAYLOAD_BYTES]).send();
                if publish.await.is_err() {
                    break;
                }
            }
        });
        let flooding = tokio::spawn(async move {
            let flood = vec![qos0("in", "water"); MESSAGES];
            within(peer.send_all(&flood)).await.expect("the client reads");
            peer
        });
        // Nobody takes a message meanwhile: the stream stays full.
        while !flooding.is_finished() {
            let stats = client.stats();
            assert!(stats.queued_bytes <= QUEUE_BYTES, "{stats:?}");
            assert!(stats.unwritten_bytes <= QUEUE_BYTES + 10 * PAYLOAD_BYTES, "{stats:?}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let peer = within(flooding).await.unwrap();
        let mut taken = 0;
        while taken + client.stats().qos0_dropped < MESSAGES as u64 {
            if tokio::time::timeout(Duration::from_millis(20), stream.next()).await.is_ok() {
                taken += 1;
            }
        }
        assert!(client.stats().queued_bytes > QUEUE_BYTES / 2, "the broker has read nothing");
        let (reader, writer) = peer.split();
        let answering = tokio::spawn(answer(reader, writer, Arc::new(Semaphore::new(0))));
        within(unanswered).await.unwrap();
        drop(stream);
        client.disconnect().await;
        within(publishing).await.unwrap();
        answering.abort();
    }
}
