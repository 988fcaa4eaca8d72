//! Limits on one operation: when they end it, and what becomes of the message or the stream.

use std::time::Duration;

use bowline::proto::packet::{Ack, Packet};
use bowline::{Client, PublishErrorKind, QoS, SendQueue, SubscribeError, Version};

use crate::peer::{Harbour, Peer, within};

const BRIEFLY: Duration = Duration::from_millis(20);
const QOS1: QoS = QoS::AtLeastOnce;

/// A client that has one message in flight, and room for one more.
async fn busy(version: Version) -> (Client, Peer, Packet) {
    let harbour = Harbour::new(64 * 1024);
    let queue = SendQueue::new().messages_max(1);
    let builder = harbour.builder(version).send_queue(queue).in_flight_max(1);
    let (client, mut peer) = harbour.pair(builder, version).await;
    let late = client.publish("a", "in flight").qos(QOS1).timeout(BRIEFLY);
    let error = within(late.into_future()).await.expect_err("it is not acknowledged");
    assert_eq!((error.kind(), error.message()), (&PublishErrorKind::TimedOut, None));
    assert!(!error.is_certain(), "it is on its way");
    assert_eq!(
        error.to_string(),
        "the message was not acknowledged within its time limit; it stays on its way"
    );
    let id = peer.publish().await.packet_id.expect("QoS 1");
    (client, peer, Packet::PubAck(Ack::success(id)))
}

#[tokio::test]
async fn an_accepted_message_stays_queued_beyond_its_limit_and_one_that_was_not_is_handed_back() {
    for version in Version::ALL {
        let (client, mut peer, puback) = busy(version).await;
        let queued = client.publish("a", "queued").qos(QOS1).timeout(BRIEFLY);
        let error = within(queued.into_future()).await.expect_err("it waits for its turn");
        assert!(!error.is_certain() && error.message().is_none());
        for sends in [true, false] {
            let refused = client.publish("a", "no room").qos(QOS1).timeout(BRIEFLY);
            let error = if sends {
                within(refused.send()).await.map(drop).expect_err("there is no room")
            } else {
                within(refused.into_future()).await.map(drop).expect_err("there is no room")
            };
            assert_eq!(error.kind(), &PublishErrorKind::TimedOut);
            assert!(error.is_certain());
            assert_eq!(&error.into_message().expect("it is handed back").payload[..], b"no room");
        }
        peer.send(puback).await;
        assert_eq!(&peer.publish().await.payload[..], b"queued");
        peer.is_silent().await;
    }
}

#[tokio::test]
async fn a_message_that_is_to_be_cancelled_is_taken_back_if_no_byte_was_sent() {
    for version in Version::ALL {
        let (client, mut peer, puback) = busy(version).await;
        let queued = client.publish("a", "queued").qos(QOS1).timeout(BRIEFLY).cancel_on_timeout();
        let error = within(queued.into_future()).await.expect_err("it waits for its turn");
        assert_eq!(error.kind(), &PublishErrorKind::TimedOut);
        assert_eq!(error.to_string(), "the message was not sent within its time limit");
        assert_eq!(&error.into_message().expect("it is handed back").payload[..], b"queued");
        peer.send(puback).await;
        peer.is_silent().await;
        let sent = client.publish("a", "sent").qos(QOS1).timeout(BRIEFLY).cancel_on_timeout();
        let error = within(sent.into_future()).await.expect_err("it is not acknowledged");
        assert!(!error.is_certain(), "it is too late to take it back");
        assert_eq!(&peer.publish().await.payload[..], b"sent");
    }
}

#[tokio::test]
async fn what_is_done_in_time_has_the_same_result_as_without_a_limit() {
    let (client, mut peer, puback) = busy(Version::V5).await;
    peer.send(puback).await;
    let publish = client.publish("a", "1").qos(QOS1).timeout(Duration::from_secs(3_600));
    let (published, ()) = tokio::join!(publish.into_future(), async {
        let id = peer.publish().await.packet_id.expect("QoS 1");
        peer.send(Packet::PubAck(Ack::success(id))).await;
    });
    published.unwrap();
}

#[tokio::test]
async fn a_subscribe_that_is_not_answered_in_time_gives_its_stream_up() {
    for version in Version::ALL {
        let harbour = Harbour::new(64 * 1024);
        let (client, mut peer) = harbour.pair(harbour.builder(version), version).await;
        let subscribe = client.subscribe("a").timeout(BRIEFLY);
        let error = within(subscribe.into_future()).await.map(drop).expect_err("there is no answer");
        assert_eq!(error, SubscribeError::TimedOut);
        assert_eq!(error.to_string(), "the broker did not answer within the time limit");
        peer.subscribe().await;
        assert_eq!(client.stats().streams, 0);
        assert!(matches!(peer.packet().await, Packet::Unsubscribe(_)), "a clean session gives it up");
    }
}
