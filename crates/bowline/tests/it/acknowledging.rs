//! When received messages are acknowledged: not before the application has them, and in the order of their arrival.

use std::sync::Arc;
use std::time::Duration;

use bowline::proto::packet::{Ack as Packetized, Packet};
use bowline::{
    AckError, Client, Delivery, Event, OnAbandon, QoS, ReasonCode, Session, Subscription, Version,
};
use bowline_testkit::packets::{again, qos1, qos2};
use tokio::sync::Notify;

use crate::peer::{Harbour, Peer, within};
use crate::subscribing::grant;

const KIB_64: usize = 64 * 1024;

async fn subscribed(version: Version) -> (Client, Subscription, Peer) {
    let harbour = Harbour::new(KIB_64);
    let (client, mut peer) = harbour.pair(harbour.builder(version), version).await;
    let subscribe = client.subscribe("in").qos(QoS::ExactlyOnce);
    let (stream, ()) = tokio::join!(subscribe.into_future(), grant(&mut peer, &[2]));
    (client, stream.expect("granted"), peer)
}

async fn subscribed_by_hand(version: Version) -> (Client, Subscription<Delivery>, Peer) {
    let harbour = Harbour::new(KIB_64);
    let (client, mut peer) = harbour.pair(harbour.builder(version), version).await;
    let subscribe = client.subscribe("in").qos(QoS::ExactlyOnce).manual_ack();
    let (stream, ()) = tokio::join!(subscribe.into_future(), grant(&mut peer, &[2]));
    (client, stream.expect("granted"), peer)
}

async fn acknowledged(peer: &mut Peer) -> (u16, ReasonCode) {
    match peer.packet().await {
        Packet::PubAck(ack) | Packet::PubRec(ack) => (ack.packet_id.as_u16(), ack.reason),
        other => panic!("an acknowledgement was expected: {other:?}"),
    }
}

#[tokio::test]
async fn a_message_is_acknowledged_when_the_stream_returns_it_and_not_when_it_is_handed_over() {
    for version in Version::ALL {
        let (_client, mut stream, mut peer) = subscribed(version).await;
        for id in 1..=3 {
            peer.send(qos1("in", "1", id)).await;
        }
        peer.is_silent().await;
        // All three are handed over to the stream together.
        within(stream.next()).await.unwrap();
        assert_eq!(acknowledged(&mut peer).await, (1, ReasonCode::Success));
        peer.is_silent().await;
        assert_eq!(within(stream.next_batch(10)).await.len(), 2);
        assert_eq!(acknowledged(&mut peer).await.0, 2);
        assert_eq!(acknowledged(&mut peer).await.0, 3);
    }
}

#[tokio::test]
async fn a_qos_2_message_goes_through_its_four_packets_once_it_is_taken() {
    for version in Version::ALL {
        let (_client, mut stream, mut peer) = subscribed(version).await;
        peer.send(qos2("in", "1", 5)).await;
        peer.is_silent().await;
        assert_eq!(within(stream.next()).await.unwrap().qos(), QoS::ExactlyOnce);
        assert_eq!(acknowledged(&mut peer).await.0, 5);
        peer.send(again(qos2("in", "1", 5))).await;
        assert_eq!(acknowledged(&mut peer).await.0, 5, "PUBREC again");
        peer.send(Packet::PubRel(Packetized::success(bowline::PacketId::new(5).unwrap()))).await;
        assert!(matches!(peer.packet().await, Packet::PubComp(_)));
        assert!(tokio::time::timeout(Duration::from_millis(20), stream.next()).await.is_err(), "once only");
    }
}

#[tokio::test]
async fn acknowledgements_given_in_any_order_leave_in_the_order_of_arrival() {
    for version in Version::ALL {
        let (_client, mut stream, mut peer) = subscribed_by_hand(version).await;
        for id in 1..=3 {
            peer.send(qos1("in", "1", id)).await;
        }
        let mut acks = Vec::new();
        for _ in 0..3 {
            let (message, ack) = within(stream.next()).await.unwrap().into_parts();
            assert_eq!(message.text(), Ok("1"));
            acks.push(ack);
        }
        peer.is_silent().await;
        while acks.len() > 1 {
            let ack = acks.pop().unwrap();
            tokio::spawn(ack.ack()).await.unwrap().unwrap();
        }
        peer.is_silent().await;
        acks.pop().unwrap().ack().await.unwrap();
        for id in 1..=3 {
            assert_eq!(acknowledged(&mut peer).await, (id, ReasonCode::Success));
        }
    }
}

#[tokio::test]
async fn a_refusal_is_told_in_5_0_and_is_an_acknowledgement_with_an_event_before() {
    for version in Version::ALL {
        let (client, mut stream, mut peer) = subscribed_by_hand(version).await;
        let mut events = client.events();
        peer.send(qos1("in", "1", 1)).await;
        let (_, ack) = within(stream.next()).await.unwrap().into_parts();
        ack.reject(ReasonCode::PayloadFormatInvalid).await.unwrap();
        let (_, reason) = acknowledged(&mut peer).await;
        if version == Version::V5 {
            assert_eq!(reason, ReasonCode::PayloadFormatInvalid);
        } else {
            assert_eq!(reason, ReasonCode::Success);
            let told = within(events.next()).await;
            assert!(matches!(told, Some(Event::RefusalNotTold { reason: ReasonCode::PayloadFormatInvalid })));
        }
        peer.send(qos1("in", "2", 2)).await;
        let (_, ack) = within(stream.next()).await.unwrap().into_parts();
        let reason = ReasonCode::Success;
        assert_eq!(ack.reject(reason).await, Err(AckError::NoRefusal { reason }));
    }
}

#[tokio::test]
async fn an_ack_that_is_dropped_unused_holds_its_message_or_acknowledges_it_as_it_was_told() {
    let (client, mut stream, mut peer) = subscribed_by_hand(Version::V5).await;
    let mut events = client.events();
    for id in 1..=2 {
        peer.send(qos1("in", "1", id)).await;
    }
    let (_, first) = within(stream.next()).await.unwrap().into_parts();
    let (_, second) = within(stream.next()).await.unwrap().into_parts();
    drop(first.on_abandon(OnAbandon::Ack));
    assert_eq!(acknowledged(&mut peer).await.0, 1);
    drop(second);
    peer.is_silent().await;
    assert!(
        matches!(within(events.next()).await, Some(Event::AckAbandoned { topic }) if topic.as_str() == "in")
    );
}

#[tokio::test]
async fn an_ack_of_an_ended_client_is_stale() {
    let (client, mut stream, mut peer) = subscribed_by_hand(Version::V5).await;
    peer.send(qos1("in", "1", 1)).await;
    peer.send(qos1("in", "2", 2)).await;
    let (_, ack) = within(stream.next()).await.unwrap().into_parts();
    tokio::join!(client.disconnect(), async {
        peer.disconnected().await;
        drop(peer);
    });
    assert_eq!(ack.ack().await, Err(AckError::Stale));
    let (message, ack) = within(stream.next()).await.expect("what had arrived").into_parts();
    assert_eq!((message.text(), ack.ack().await), (Ok("2"), Err(AckError::Stale)));
    assert!(within(stream.next()).await.is_none());
}

#[tokio::test]
async fn a_redelivery_joins_the_copy_that_the_application_still_has() {
    for version in [Version::V3_1_1, Version::V5] {
        let harbour = Harbour::new(KIB_64);
        let backoff =
            bowline::Backoff::full_jitter(Duration::from_millis(10), Duration::from_millis(10)).unwrap();
        let builder =
            harbour.builder(version).client_id("meter").session(Session::in_memory()).reconnect(backoff);
        let (client, mut peer) = harbour.pair(builder, version).await;
        let subscribe = client.subscribe("in").qos(QoS::AtLeastOnce).manual_ack();
        let (stream, ()) = tokio::join!(subscribe.into_future(), grant(&mut peer, &[1]));
        let mut stream = stream.unwrap();
        peer.send(qos1("in", "1", 4)).await;
        let (_, ack) = within(stream.next()).await.unwrap().into_parts();
        drop(peer);
        let mut peer = harbour.accept(version).await;
        peer.connect().await;
        peer.connack(true).await;
        peer.send(again(qos1("in", "1", 4))).await;
        peer.is_silent().await;
        ack.ack().await.unwrap();
        assert_eq!(acknowledged(&mut peer).await.0, 4);
        assert!(tokio::time::timeout(Duration::from_millis(20), stream.next()).await.is_err(), "once only");
    }
}

#[tokio::test]
async fn a_handler_acknowledges_when_it_is_done_and_handles_one_message_after_the_other() {
    for version in Version::ALL {
        let harbour = Harbour::new(KIB_64);
        let (client, mut peer) = harbour.pair(harbour.builder(version), version).await;
        let gate = Arc::new(Notify::new());
        let handled = gate.clone();
        let on_message = client.on_message("in", move |message| {
            let gate = gate.clone();
            async move {
                assert_eq!(message.topic(), "in");
                gate.notified().await;
            }
        });
        let on_message = on_message.qos(QoS::AtLeastOnce).into_future();
        let (handler, ()) = tokio::join!(on_message, grant(&mut peer, &[1]));
        assert_eq!(handler.unwrap().granted().len(), 1);
        for id in 1..=2 {
            peer.send(qos1("in", "1", id)).await;
        }
        for id in 1..=2 {
            peer.is_silent().await;
            handled.notify_one();
            assert_eq!(acknowledged(&mut peer).await.0, id);
        }
        drop(client);
        assert!(matches!(peer.packet().await, Packet::Disconnect(_)), "a handler keeps no client alive");
    }
}

/// A client with a handler of "in" that has panicked over "bad", identifier 2, and the other end of its connection.
async fn panicked(session: Session) -> (Client, Peer) {
    let harbour = Harbour::new(KIB_64);
    let builder = harbour.builder(Version::V5).client_id("meter").session(session);
    let (client, mut peer) = harbour.pair(builder, Version::V5).await;
    let mut events = client.events();
    let on_message = client.on_message("in", |message| async move {
        assert_ne!(message.text(), Ok("bad"), "this panic is part of the test");
    });
    let on_message = on_message.qos(QoS::AtLeastOnce).into_future();
    let (handler, ()) = tokio::join!(on_message, grant(&mut peer, &[1]));
    handler.unwrap();
    peer.send(qos1("in", "good", 1)).await;
    assert_eq!(acknowledged(&mut peer).await.0, 1);
    peer.send(qos1("in", "bad", 2)).await;
    loop {
        if let Event::HandlerPanicked { topic } = within(events.next()).await.expect("the client goes on") {
            assert_eq!(topic.as_str(), "in");
            return (client, peer);
        }
    }
}

#[tokio::test]
async fn a_handler_that_panics_leaves_its_message_and_ends_its_subscription_with_an_event() {
    let (_client, mut peer) = panicked(Session::in_memory().fresh()).await;
    // The broker has it for whoever comes next.
    peer.is_silent().await;
}

#[tokio::test]
async fn a_handler_that_panics_does_not_hold_up_others_in_a_session_that_ends_with_the_connection() {
    let (client, mut peer) = panicked(Session::clean()).await;
    assert_eq!(acknowledged(&mut peer).await, (2, ReasonCode::Success), "nobody could get it any more");
    assert!(matches!(peer.packet().await, Packet::Unsubscribe(_)));
    let other = client.subscribe("other").qos(QoS::AtLeastOnce);
    let (other, ()) = tokio::join!(other.into_future(), grant(&mut peer, &[1]));
    peer.send(qos1("other", "next", 3)).await;
    assert_eq!(within(other.unwrap().next()).await.unwrap().text(), Ok("next"));
    assert_eq!(acknowledged(&mut peer).await.0, 3);
}

#[tokio::test]
async fn a_dropped_stream_leaves_its_messages_to_another_one_that_matches() {
    let harbour = Harbour::new(KIB_64);
    let (client, mut peer) = harbour.pair(harbour.builder(Version::V3_1_1), Version::V3_1_1).await;
    let first = client.subscribe("in").qos(QoS::AtLeastOnce);
    let (first, ()) = tokio::join!(first.into_future(), grant(&mut peer, &[1]));
    let first = first.unwrap();
    peer.send(qos1("in", "1", 1)).await;
    peer.is_silent().await;
    let second = client.subscribe("#").qos(QoS::AtLeastOnce);
    let (second, ()) = tokio::join!(second.into_future(), grant(&mut peer, &[1]));
    let mut second = second.unwrap();
    drop(first);
    assert_eq!(within(second.next()).await.unwrap().text(), Ok("1"));
    assert!(matches!(peer.packet().await, Packet::Unsubscribe(_)));
    assert_eq!(acknowledged(&mut peer).await.0, 1);
}
