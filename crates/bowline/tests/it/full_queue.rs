//! The policies of the send queue, as an application sees them: results, events and figures.

use std::time::Duration;

use bowline::proto::packet::{Ack, Packet};
use bowline::{
    Builder, Client, ConnectError, DropReason, Event, Events, OnFull, PublishErrorKind, QoS, Receipt,
    SendQueue, Version,
};
use tokio::time::timeout;

use crate::peer::{Harbour, Peer, within};

const KIB_64: usize = 64 * 1024;
const QOS1: QoS = QoS::AtLeastOnce;

/// A builder of clients that send one QoS 1 or 2 message at a time and queue two more.
fn for_two(harbour: &Harbour, version: Version, on_full: OnFull) -> Builder<Client> {
    let queue = SendQueue::new().messages_max(2).on_full(on_full);
    harbour.builder(version).send_queue(queue).in_flight_max(1)
}

/// A client whose one place on the wire is taken.
async fn busy(version: Version, on_full: OnFull) -> (Client, Peer, Receipt) {
    let harbour = Harbour::new(KIB_64);
    let (client, mut peer) = harbour.pair(for_two(&harbour, version, on_full), version).await;
    let receipt = client.publish("a", "in flight").qos(QOS1).send().await.expect("there is room");
    let id = peer.publish().await.packet_id.expect("QoS 1");
    // It is acknowledged later: the identifier is always the first one.
    assert_eq!(id, bowline::PacketId::new(1).expect("not 0"));
    (client, peer, receipt)
}

/// Acknowledges what was in flight, and then all that comes; their payloads.
async fn payloads(peer: &mut Peer, messages: usize) -> Vec<String> {
    let first = bowline::PacketId::new(1).expect("not 0");
    peer.send(Packet::PubAck(Ack::success(first))).await;
    let mut payloads = Vec::new();
    for _ in 0..messages {
        let publish = peer.publish().await;
        peer.send(Packet::PubAck(Ack::success(publish.packet_id.expect("QoS 1")))).await;
        payloads.push(String::from_utf8(publish.payload.to_vec()).expect("text"));
    }
    peer.is_silent().await;
    payloads
}

async fn dropped(receipt: Receipt) -> DropReason {
    let error = within(receipt).await.expect_err("it is dropped");
    assert!(error.is_certain() && error.message().is_some(), "{error}");
    match error.kind() {
        PublishErrorKind::Dropped(why) => *why,
        kind => panic!("it is dropped, not {kind:?}"),
    }
}

/// How many were dropped, by the events until they are all told.
async fn told(events: &mut Events, expected: u64) -> Vec<DropReason> {
    let (mut total, mut reasons) = (0, Vec::new());
    while total < expected {
        match within(events.next()).await.expect("the client lives") {
            Event::Dropped { why, messages, .. } => {
                total += messages;
                reasons.push(why);
            }
            Event::PublishFailed { kind, .. } => panic!("told twice: {kind:?}"),
            _ => {}
        }
    }
    reasons
}

#[tokio::test]
async fn drop_oldest_ends_the_receipt_of_the_one_that_waited_longest() {
    for version in Version::ALL {
        let (client, mut peer, sent) = busy(version, OnFull::DropOldest).await;
        let mut events = client.events();
        let topic = client.topic("a").unwrap().qos(QOS1);
        let first = topic.send("1").await.unwrap();
        let second = topic.send("2").await.unwrap();
        let third = within(topic.send("3")).await.expect("nobody waits for room");
        assert_eq!(dropped(first).await, DropReason::Oldest);
        assert_eq!(told(&mut events, 1).await, [DropReason::Oldest]);
        let stats = client.stats();
        assert_eq!((stats.publications_dropped, stats.queued_messages), (1, 2));
        assert_eq!(payloads(&mut peer, 2).await, ["2", "3"]);
        for receipt in [sent, second, third] {
            within(receipt).await.unwrap();
        }
    }
}

#[tokio::test]
async fn drop_newest_accepts_the_message_and_ends_it() {
    for version in Version::ALL {
        let (client, mut peer, _sent) = busy(version, OnFull::DropNewest).await;
        let mut events = client.events();
        let topic = client.topic("a").unwrap().qos(QOS1);
        let _waiting = [topic.send("1").await.unwrap(), topic.send("2").await.unwrap()];
        assert_eq!(dropped(topic.try_send("3").unwrap()).await, DropReason::Newest);
        let error = within(topic.publish("4").into_future()).await.expect_err("it is dropped");
        assert_eq!(
            error.to_string(),
            "the message was dropped before it was sent: it came when the send queue was full"
        );
        // Nobody holds its receipt.
        drop(topic.send("5").await.unwrap());
        assert_eq!(told(&mut events, 3).await.last(), Some(&DropReason::Newest));
        assert_eq!(payloads(&mut peer, 2).await, ["1", "2"]);
    }
}

#[tokio::test]
async fn reject_hands_the_message_back_however_it_is_published() {
    let (client, mut peer, _sent) = busy(Version::V5, OnFull::Reject).await;
    let topic = client.topic("a").unwrap().qos(QOS1);
    let _waiting = [topic.send("1").await.unwrap(), topic.send("2").await.unwrap()];
    for refused in [
        topic.try_send("3").expect_err("full"),
        within(topic.send("3")).await.expect_err("full"),
        within(topic.publish("3").into_future()).await.expect_err("full"),
    ] {
        assert_eq!(refused.kind(), &PublishErrorKind::Full { messages: 2, bytes: 4 });
        assert_eq!(&refused.into_message().expect("it is handed back").payload[..], b"3");
    }
    assert_eq!(client.stats().publications_dropped, 0);
    assert_eq!(payloads(&mut peer, 2).await, ["1", "2"]);
}

#[tokio::test]
async fn wait_is_the_default_and_keep_last_waits_for_room_for_another_topic() {
    let (client, mut peer, _sent) = busy(Version::V3_1_1, OnFull::KeepLastPerTopic).await;
    let publish = |topic: &'static str, payload: &'static str| client.publish(topic, payload).qos(QOS1);
    let first = publish("t/1", "old").send().await.unwrap();
    let _second = publish("t/2", "2").send().await.unwrap();
    let _newer = within(publish("t/1", "new").send()).await.expect("it replaces the first");
    assert_eq!(dropped(first).await, DropReason::Replaced);
    assert!(timeout(Duration::from_millis(20), publish("t/3", "3").send()).await.is_err());
    assert_eq!(payloads(&mut peer, 2).await, ["new", "2"]);
    assert_eq!(SendQueue::new(), SendQueue::new().on_full(OnFull::Wait));
}

#[tokio::test(start_paused = true)]
async fn messages_expire_and_age_without_a_connection_when_their_time_is_up() {
    let harbour = Harbour::new(KIB_64);
    let queue = SendQueue::new().age_max(Duration::from_secs(20));
    let client = harbour.builder(Version::V3_1_1).send_queue(queue).connect_lazy().expect("legal options");
    let mut events = client.events();
    let brief = client.publish("a", "1").qos(QOS1).expires_in(Duration::from_secs(10)).send().await.unwrap();
    let old = client.publish("a", "2").qos(QOS1).send().await.unwrap();
    let start = tokio::time::Instant::now();
    let error = within(brief).await.expect_err("its time is up");
    assert_eq!((error.kind(), start.elapsed().as_secs()), (&PublishErrorKind::Expired, 10));
    // `within` must not end first: this test's time passes by itself.
    let error = old.await.expect_err("it waited too long");
    let kind = PublishErrorKind::Dropped(DropReason::TooOld);
    assert_eq!((error.kind(), start.elapsed().as_secs()), (&kind, 20));
    assert_eq!(told(&mut events, 1).await, [DropReason::TooOld]);
    let stats = client.stats();
    assert_eq!((stats.publications_expired, stats.publications_dropped), (1, 1));
    client.abort().await;
}

#[tokio::test]
async fn an_age_of_zero_is_refused_with_the_name_of_the_option() {
    let harbour = Harbour::new(KIB_64);
    let queue = SendQueue::new().age_max(Duration::ZERO);
    let refused = harbour.builder(Version::V5).send_queue(queue).connect_lazy().expect_err("it is refused");
    assert!(matches!(refused, ConnectError::Request(_)), "{refused:?}");
    assert_eq!(refused.to_string(), "send queue: age_max must not be zero");
}
