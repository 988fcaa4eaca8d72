//! Every public future dropped on its way: nothing is lost, nothing is doubled, and what was accepted goes on.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bowline::proto::packet::{Ack, Packet};
use bowline::{Client, QoS, SendQueue, Version};
use bowline_testkit::packets::{qos0, qos1};
use tokio::time::timeout;

use crate::peer::{Harbour, Peer, within};
use crate::publishing::Numbers;
use crate::subscribing::{grant, release};

const KIB_64: usize = 64 * 1024;
const BRIEFLY: Duration = Duration::from_millis(10);

/// A client that sends one QoS 1 or 2 message at a time and queues one more.
async fn narrow(version: Version) -> (Client, Peer) {
    let harbour = Harbour::new(KIB_64);
    let queue = SendQueue::new().messages_max(1);
    harbour.pair(harbour.builder(version).send_queue(queue).in_flight_max(1), version).await
}

/// Polls once and drops.
fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

async fn acknowledge_next(peer: &mut Peer) -> String {
    let publish = peer.publish().await;
    peer.send(Packet::PubAck(Ack::success(publish.packet_id.expect("QoS 1")))).await;
    String::from_utf8(publish.payload.to_vec()).expect("text")
}

#[tokio::test]
async fn a_publish_that_a_timeout_interrupts_stays_queued_and_is_sent_once() {
    for version in Version::ALL {
        let (client, mut peer) = narrow(version).await;
        for payload in ["in flight", "queued"] {
            let publish = client.publish("a", payload).qos(QoS::AtLeastOnce);
            assert!(timeout(BRIEFLY, publish.into_future()).await.is_err());
        }
        assert_eq!(acknowledge_next(&mut peer).await, "in flight");
        assert_eq!(acknowledge_next(&mut peer).await, "queued");
        within(client.flush()).await.unwrap();
        peer.is_silent().await;
    }
}

#[tokio::test]
async fn a_send_that_is_dropped_while_it_waits_for_room_was_not_accepted() {
    let (client, mut peer) = narrow(Version::V5).await;
    let topic = client.topic("a").unwrap().qos(QoS::AtLeastOnce);
    let first = topic.send("1").await.unwrap();
    let second = topic.send("2").await.unwrap();
    assert!(timeout(BRIEFLY, topic.send("never")).await.is_err());
    assert!(timeout(BRIEFLY, topic.publish("never").into_future()).await.is_err());
    let third = topic.send("3");
    let (third, ()) = tokio::join!(third, async {
        assert_eq!(acknowledge_next(&mut peer).await, "1");
    });
    assert_eq!(acknowledge_next(&mut peer).await, "2");
    assert_eq!(acknowledge_next(&mut peer).await, "3");
    for receipt in [first, second, third.unwrap()] {
        within(receipt).await.unwrap();
    }
    peer.is_silent().await;
}

#[tokio::test]
async fn a_receipt_can_be_awaited_again_after_a_timeout() {
    let (client, mut peer) = narrow(Version::V5).await;
    let mut receipt = client.publish("a", "1").qos(QoS::AtLeastOnce).send().await.unwrap();
    assert!(timeout(BRIEFLY, &mut receipt).await.is_err());
    acknowledge_next(&mut peer).await;
    within(&mut receipt).await.unwrap();
}

#[tokio::test]
async fn publishing_a_stream_can_be_given_up_and_what_was_accepted_goes_on() {
    let (client, mut peer) = narrow(Version::V5).await;
    let topic = client.topic("a").unwrap().qos(QoS::AtLeastOnce);
    assert!(timeout(BRIEFLY, topic.publish_all(Numbers { next: 0, end: 50 })).await.is_err());
    assert_eq!(acknowledge_next(&mut peer).await, "1");
    assert_eq!(acknowledge_next(&mut peer).await, "2");
    within(client.flush()).await.unwrap();
    peer.is_silent().await;
}

#[tokio::test]
async fn next_and_next_batch_lose_no_message_when_they_are_dropped() {
    let (client, mut peer) = narrow(Version::V3_1_1).await;
    let subscribe = client.subscribe("in").qos(QoS::AtLeastOnce);
    let (stream, ()) = tokio::join!(subscribe.into_future(), grant(&mut peer, &[1]));
    let mut stream = stream.unwrap();
    for id in 1..=200 {
        assert!(poll_once(stream.next()).is_pending());
        assert!(poll_once(stream.next_batch(10)).is_pending());
        peer.send(qos1("in", "1", id)).await;
        // Each poll is dropped, wherever the message is on its way.
        while stream_is_empty(&mut stream).await {}
        let Packet::PubAck(ack) = peer.packet().await else { panic!("PUBACK") };
        assert_eq!(ack.packet_id.as_u16(), id);
    }
    peer.is_silent().await;
}

/// Gives `next` one poll after the other, dropping each.
async fn stream_is_empty(stream: &mut bowline::Subscription) -> bool {
    tokio::task::yield_now().await;
    match poll_once(stream.next()) {
        Poll::Ready(message) => {
            message.expect("the stream goes on");
            false
        }
        Poll::Pending => true,
    }
}

#[tokio::test]
async fn a_subscribe_that_is_given_up_gives_its_stream_up() {
    for version in Version::ALL {
        let (client, mut peer) = narrow(version).await;
        assert!(timeout(BRIEFLY, client.subscribe("in").into_future()).await.is_err());
        assert_eq!(client.stats().streams, 0);
        grant(&mut peer, &[0]).await;
        assert_eq!(release(&mut peer).await, ["in"]);
        let again = client.subscribe("in").into_future();
        let (stream, ()) = tokio::join!(again, grant(&mut peer, &[0]));
        peer.send(qos0("in", "1")).await;
        assert_eq!(within(stream.unwrap().next()).await.unwrap().text(), Ok("1"));
    }
}

#[tokio::test]
async fn an_unsubscribe_that_is_given_up_unsubscribes_all_the_same() {
    let (client, mut peer) = narrow(Version::V5).await;
    let subscribe = client.subscribe("in");
    let (stream, ()) = tokio::join!(subscribe.into_future(), grant(&mut peer, &[0]));
    let mut stream = stream.unwrap();
    assert!(timeout(BRIEFLY, stream.unsubscribe()).await.is_err());
    assert_eq!(release(&mut peer).await, ["in"]);
    assert!(within(stream.next()).await.is_none());
    assert!(timeout(BRIEFLY, client.unsubscribe("other")).await.is_err());
    assert_eq!(release(&mut peer).await, ["other"]);
}

#[tokio::test]
async fn an_ack_is_given_at_the_first_poll() {
    let (client, mut peer) = narrow(Version::V5).await;
    let subscribe = client.subscribe("in").qos(QoS::AtLeastOnce).manual_ack();
    let (stream, ()) = tokio::join!(subscribe.into_future(), grant(&mut peer, &[1]));
    let mut stream = stream.unwrap();
    peer.send(qos1("in", "1", 1)).await;
    let (_, ack) = within(stream.next()).await.unwrap().into_parts();
    assert!(poll_once(ack.ack()).is_ready());
    assert!(matches!(peer.packet().await, Packet::PubAck(_)));
}

#[tokio::test]
async fn flush_drain_and_watches_change_nothing_when_they_are_dropped() {
    let (client, mut peer) = narrow(Version::V5).await;
    let receipt = client.publish("a", "1").qos(QoS::AtLeastOnce).send().await.unwrap();
    let (mut events, mut watch) = (client.events(), client.connection());
    for _ in 0..3 {
        assert!(timeout(BRIEFLY, client.flush()).await.is_err());
        assert!(timeout(BRIEFLY, client.drain(Duration::from_secs(60))).await.is_err());
        assert!(timeout(BRIEFLY, events.next()).await.is_err());
        assert!(timeout(BRIEFLY, watch.ended()).await.is_err());
    }
    acknowledge_next(&mut peer).await;
    within(receipt).await.unwrap();
    within(client.flush()).await.unwrap();
}

#[tokio::test]
async fn a_disconnect_that_is_given_up_disconnects_all_the_same() {
    let (client, mut peer) = narrow(Version::V5).await;
    assert!(poll_once(client.disconnect()).is_pending());
    peer.disconnected().await;
    drop(peer);
    assert!(within(client.connection().ended()).await.is_requested());
}
