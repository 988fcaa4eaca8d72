//! Subscriptions: what is granted, how streams share and end, and what becomes of QoS 0 in full ones.

use std::time::Duration;

use bowline::proto::packet::{AckProperties, Packet, SubAck, UnsubAck};
use bowline::{Client, Event, QoS, Qos0Full, ReasonCode, Session, StreamEnd, SubscribeError, Version};
use bowline_testkit::packets::{qos0, qos1};

use crate::peer::{Harbour, Peer, within};

const KIB_64: usize = 64 * 1024;

/// Answers the next SUBSCRIBEs until these reason codes are given, one for each filter.
pub(crate) async fn grant(peer: &mut Peer, reasons: &[u8]) {
    let mut reasons = reasons.iter().map(|&reason| ReasonCode::from_u8(reason).expect("a reason code"));
    while reasons.len() > 0 {
        let subscribe = peer.subscribe().await;
        let reasons = reasons.by_ref().take(subscribe.subscriptions.len()).collect();
        let properties = AckProperties::default();
        let suback = SubAck { packet_id: subscribe.packet_id, reasons, properties };
        peer.send(Packet::SubAck(Box::new(suback))).await;
    }
}

/// Answers one UNSUBSCRIBE.
pub(crate) async fn release(peer: &mut Peer) -> Vec<String> {
    let Packet::Unsubscribe(unsubscribe) = peer.packet().await else { panic!("UNSUBSCRIBE was expected") };
    let filters: Vec<String> = unsubscribe.filters.iter().map(ToString::to_string).collect();
    let reasons = vec![ReasonCode::Success; filters.len()];
    let properties = AckProperties::default();
    let unsuback = UnsubAck { packet_id: unsubscribe.packet_id, reasons, properties };
    peer.send(Packet::UnsubAck(Box::new(unsuback))).await;
    filters
}

async fn pair(version: Version) -> (Client, Peer) {
    let harbour = Harbour::new(KIB_64);
    harbour.pair(harbour.builder(version), version).await
}

#[tokio::test]
async fn a_partly_refused_subscription_is_a_stream_that_says_what_was_granted() {
    for version in [Version::V3_1_1, Version::V5] {
        let (client, mut peer) = pair(version).await;
        let subscribe = client.subscribe_many([("a", QoS::AtLeastOnce), ("b/#", QoS::ExactlyOnce)]);
        let (stream, ()) = tokio::join!(subscribe.into_future(), grant(&mut peer, &[1, 0x80]));
        let mut stream = stream.unwrap();
        let granted: Vec<(&str, u8)> =
            stream.granted().iter().map(|(filter, reason)| (filter.as_str(), reason.as_u8())).collect();
        assert_eq!(granted, [("a", 1), ("b/#", 0x80)]);
        peer.send(qos0("a", "1")).await;
        assert_eq!(within(stream.next()).await.unwrap().text(), Ok("1"));
    }
}

#[tokio::test]
async fn a_subscription_that_is_refused_altogether_is_an_error_with_every_reason() {
    let (client, mut peer) = pair(Version::V5).await;
    let (stream, ()) = tokio::join!(client.subscribe("a").into_future(), grant(&mut peer, &[0x87]));
    let error = stream.unwrap_err();
    assert_eq!(error.to_string(), "the broker refused a (not authorized (0x87))");
    assert!(matches!(error, SubscribeError::Refused { .. }));
    let bad = client.subscribe("a/#/b").await.unwrap_err();
    assert!(bad.to_string().starts_with("topic filter 1 has a misplaced wildcard"), "{bad}");
    assert!(matches!(client.subscribe_many::<&str>([]).await, Err(SubscribeError::Request(_))));
}

#[tokio::test]
async fn messages_that_come_before_suback_are_not_lost() {
    let (client, mut peer) = pair(Version::V3_1_1).await;
    let early = async {
        let subscribe = peer.subscribe().await;
        peer.send(qos0("a", "early")).await;
        let (reasons, properties) = (vec![ReasonCode::Success], AckProperties::default());
        let suback = SubAck { packet_id: subscribe.packet_id, reasons, properties };
        peer.send(Packet::SubAck(Box::new(suback))).await;
    };
    let (stream, ()) = tokio::join!(client.subscribe("a").into_future(), early);
    assert_eq!(within(stream.unwrap().next()).await.unwrap().text(), Ok("early"));
}

#[tokio::test]
async fn two_streams_of_one_filter_share_a_subscription_and_both_get_its_messages() {
    let (client, mut peer) = pair(Version::V3_1_1).await;
    let (first, ()) = tokio::join!(client.subscribe("a").into_future(), grant(&mut peer, &[0]));
    let (mut first, mut second) = (first.unwrap(), within(client.subscribe("a")).await.unwrap());
    peer.send(qos0("a", "1")).await;
    for stream in [&mut first, &mut second] {
        assert_eq!(within(stream.next()).await.unwrap().text(), Ok("1"));
    }
    drop(first);
    peer.is_silent().await;
    drop(second);
    assert_eq!(release(&mut peer).await, ["a"], "the last one of a clean session unsubscribes");
}

#[tokio::test]
async fn unsubscribing_ends_the_stream_and_says_why() {
    for version in Version::ALL {
        let (client, mut peer) = pair(version).await;
        let (stream, ()) = tokio::join!(client.subscribe("a").into_future(), grant(&mut peer, &[0]));
        let mut stream = stream.unwrap();
        peer.send(qos0("a", "1")).await;
        let (results, filters) = tokio::join!(stream.unsubscribe(), release(&mut peer));
        assert_eq!((results.unwrap()[0].1, &*filters), (ReasonCode::Success, &["a".to_owned()][..]));
        while within(stream.next()).await.is_some() {}
        assert!(matches!(stream.end_reason(), Some(StreamEnd::Unsubscribed)));
        let (results, _) = tokio::join!(client.unsubscribe("b"), release(&mut peer));
        assert_eq!(results.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_full_stream_drops_by_its_policy_and_every_drop_is_counted_and_told() {
    for (when_full, kept) in [(Qos0Full::DropOldest, ["4", "5"]), (Qos0Full::DropNewest, ["1", "2"])] {
        let (client, mut peer) = pair(Version::V5).await;
        let subscribe = client.subscribe("a").qos0(2, when_full);
        let (stream, ()) = tokio::join!(subscribe.into_future(), grant(&mut peer, &[0]));
        let (mut stream, mut events) = (stream.unwrap(), client.events());
        for payload in ["1", "2", "3", "4", "5"] {
            peer.send(qos0("a", payload)).await;
        }
        let mut told = 0;
        while told < 3 {
            let Some(Event::Qos0Dropped { messages }) = within(events.next()).await else { continue };
            told += messages;
        }
        assert_eq!(client.stats().qos0_dropped, 3);
        for payload in kept {
            assert_eq!(within(stream.next()).await.unwrap().text(), Ok(payload));
        }
        peer.send(qos0("a", "6")).await;
        assert_eq!(within(stream.next()).await.unwrap().text(), Ok("6"), "there is room again");
    }
}

#[tokio::test]
async fn a_paused_stream_loses_nothing() {
    let harbour = Harbour::new(512);
    let (client, mut peer) = harbour.pair(harbour.builder(Version::V3_1_1), Version::V3_1_1).await;
    let subscribe = client.subscribe("a").qos0(1, Qos0Full::Pause);
    let (stream, ()) = tokio::join!(subscribe.into_future(), grant(&mut peer, &[0]));
    let mut stream = stream.unwrap();
    let sending = tokio::spawn(async move {
        for _ in 0..1_000 {
            peer.send(qos0("a", "1")).await;
        }
        peer
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!sending.is_finished(), "the peer feels the back-pressure");
    for _ in 0..1_000 {
        within(stream.next()).await.unwrap();
    }
    within(sending).await.unwrap();
    assert_eq!(client.stats().qos0_dropped, 0);
}

#[tokio::test]
async fn the_unrouted_stream_gets_what_a_resumed_session_sends_before_anybody_subscribes() {
    for version in [Version::V3_1_1, Version::V5] {
        let harbour = Harbour::new(KIB_64);
        let builder = harbour.builder(version).client_id("meter").session(Session::in_memory());
        let resumes = async {
            let mut peer = harbour.accept(version).await;
            peer.connect().await;
            peer.connack(true).await;
            peer.send(qos1("a", "kept", 7)).await;
            peer.send(qos0("b", "now")).await;
            peer
        };
        let (connected, mut peer) = tokio::join!(builder.unrouted(10).connect(), resumes);
        let (client, mut unrouted) = connected.unwrap();
        peer.is_silent().await;
        assert_eq!(within(unrouted.next()).await.unwrap().text(), Ok("kept"));
        assert!(matches!(peer.packet().await, Packet::PubAck(ack) if ack.packet_id.as_u16() == 7));
        assert_eq!(within(unrouted.next()).await.unwrap().text(), Ok("now"));
        client.disconnect().await;
        assert!(within(unrouted.next()).await.is_none());
        assert!(matches!(unrouted.end_reason(), Some(StreamEnd::ClientEnded(_))));
    }
}

#[tokio::test]
async fn a_message_that_nobody_wants_yet_waits_for_the_stream_that_does() {
    let harbour = Harbour::new(KIB_64);
    let builder = harbour.builder(Version::V5).client_id("meter").session(Session::in_memory());
    let (client, mut peer) = harbour.pair(builder, Version::V5).await;
    peer.send(qos1("a", "early", 9)).await;
    peer.is_silent().await;
    let (stream, ()) =
        tokio::join!(client.subscribe("a").qos(QoS::AtLeastOnce).into_future(), grant(&mut peer, &[1]));
    assert_eq!(within(stream.unwrap().next()).await.unwrap().text(), Ok("early"));
    assert!(matches!(peer.packet().await, Packet::PubAck(ack) if ack.packet_id.as_u16() == 9));
}

#[tokio::test]
async fn subscriptions_are_made_again_after_a_reconnect_without_a_session() {
    let harbour = Harbour::new(KIB_64);
    let backoff =
        bowline::Backoff::full_jitter(Duration::from_millis(10), Duration::from_millis(10)).unwrap();
    let builder = harbour.builder(Version::V3_1_1).reconnect(backoff);
    let (client, mut peer) = harbour.pair(builder, Version::V3_1_1).await;
    let (stream, ()) = tokio::join!(client.subscribe("a/+").into_future(), grant(&mut peer, &[0]));
    let mut stream = stream.unwrap();
    drop(peer);
    let mut peer = harbour.connected(Version::V3_1_1).await;
    grant(&mut peer, &[0]).await;
    peer.send(qos0("a/b", "again")).await;
    assert_eq!(within(stream.next()).await.unwrap().text(), Ok("again"));
}
