//! What becomes of QoS 2 messages that were sent when the broker has lost the session, by the choice of the application.

use std::time::Duration;

use bowline::proto::packet::{Ack, Packet};
use bowline::{
    Backoff, Builder, Client, Event, PublishError, PublishErrorKind, QoS, Session, SessionLoss, Version,
};

use crate::peer::{Harbour, Peer, within};
use crate::publishing::Numbers;

/// A client in memory that comes back quickly.
fn builder(harbour: &Harbour) -> Builder<Client> {
    let session = Session::in_memory().fresh();
    let quickly = Backoff::full_jitter(Duration::from_millis(10), Duration::from_millis(20));
    let quickly = quickly.expect("a legal backoff");
    harbour.builder(Version::V5).client_id("meter-7").session(session).reconnect(quickly)
}

/// Takes a QoS 2 message as far as PUBREL, and is gone.
async fn released(mut peer: Peer) {
    let id = peer.publish().await.packet_id.expect("it is of QoS 2");
    peer.send(Packet::PubRec(Ack::success(id))).await;
    assert!(matches!(peer.packet().await, Packet::PubRel(_)));
}

/// Completes the next messages, which must be new ones. Says what they were.
async fn completed(peer: &mut Peer, messages: usize) -> Vec<String> {
    let (mut payloads, mut ids) = (Vec::new(), Vec::new());
    for _ in 0..messages {
        let publish = peer.publish().await;
        assert!(!publish.dup);
        ids.push(publish.packet_id.expect("it is of QoS 2"));
        payloads.push(String::from_utf8(publish.payload.to_vec()).expect("the test sends text"));
    }
    for id in ids {
        peer.send(Packet::PubRec(Ack::success(id))).await;
        assert!(matches!(peer.packet().await, Packet::PubRel(_)));
        peer.send(Packet::PubComp(Ack::success(id))).await;
    }
    payloads
}

fn is_in_doubt(error: &PublishError) -> bool {
    matches!(error.kind(), PublishErrorKind::Indeterminate { limit: None })
}

#[tokio::test]
async fn a_client_that_prefers_doubles_to_doubt_publishes_again_and_its_receipt_waits_for_that() {
    let harbour = Harbour::new(64 * 1024);
    let (client, peer) =
        harbour.pair(builder(&harbour).on_session_loss(SessionLoss::PublishAgain), Version::V5).await;
    let mut events = client.events();
    let receipt = within(client.publish("a", "x").qos(QoS::ExactlyOnce).send()).await.unwrap();
    released(peer).await;
    let mut peer = harbour.connected(Version::V5).await;
    assert_eq!(completed(&mut peer, 1).await, ["x"]);
    within(receipt).await.expect("it is acknowledged");
    let lost = async {
        loop {
            if let Some(Event::SessionLost { requeued, indeterminate }) = events.next().await {
                return (requeued, indeterminate);
            }
        }
    };
    assert_eq!(within(lost).await, (1, 0));
}

#[tokio::test]
async fn every_way_to_publish_takes_a_choice_for_its_messages_alone() {
    let harbour = Harbour::new(64 * 1024);
    let (client, mut peer) = harbour.pair(builder(&harbour), Version::V5).await;
    let again = SessionLoss::PublishAgain;
    let topic = client.topic("a").unwrap().qos(QoS::ExactlyOnce);
    let ends = within(topic.send("ends")).await.unwrap();
    let tried = client.publish("a", "try_send").qos(QoS::ExactlyOnce).on_session_loss(again).try_send();
    let sent = within(client.publish("a", "send").qos(QoS::ExactlyOnce).on_session_loss(again).send()).await;
    let other = client.clone();
    let awaiting =
        async move { other.publish("a", "await").qos(QoS::ExactlyOnce).on_session_loss(again).await };
    let awaited = tokio::spawn(awaiting);
    _ = peer.publish().await;
    _ = peer.publish().await;
    _ = peer.publish().await;
    _ = peer.publish().await;
    let chosen = topic.clone().on_session_loss(again);
    let of_topic = within(chosen.send("topic")).await.unwrap();
    let one = within(chosen.publish("ends too").on_session_loss(SessionLoss::Indeterminate).send()).await;
    let all = tokio::spawn(async move { chosen.publish_all(Numbers { next: 7, end: 8 }).await });
    for _ in 0..3 {
        _ = peer.publish().await;
    }
    drop(peer);
    let mut peer = harbour.connected(Version::V5).await;
    assert_eq!(completed(&mut peer, 5).await, ["try_send", "send", "await", "topic", "8"]);
    for receipt in [tried.unwrap(), sent.unwrap(), of_topic] {
        within(receipt).await.expect("it is acknowledged");
    }
    within(awaited).await.unwrap().expect("it is acknowledged");
    assert_eq!(within(all).await.unwrap().expect("all are acknowledged"), 1);
    for receipt in [ends, one.unwrap()] {
        let error = within(receipt).await.unwrap_err();
        assert!(is_in_doubt(&error), "{error}");
    }
}
