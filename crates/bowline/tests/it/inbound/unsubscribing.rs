//! Streams that end with their subscription: what becomes of the messages in them and of those that come later.

use bowline::proto::packet::Packet;
use bowline::{QoS, ReasonCode, StreamEnd, Version};
use bowline_testkit::packets::{qos0, qos1, qos2, unsuback};

use crate::inbound::{KIB_64, acknowledged};
use crate::peer::{Harbour, Peer, within};
use crate::subscribing::grant;

/// The acknowledgements that come before UNSUBSCRIBE and behind it, so many, and then UNSUBACK is sent.
async fn acknowledged_around_unsubscribe(peer: &mut Peer, acknowledgements: usize) -> Vec<u16> {
    let (mut ids, mut asked) = (Vec::new(), None);
    while ids.len() < acknowledgements || asked.is_none() {
        match peer.packet().await {
            Packet::PubAck(ack) | Packet::PubRec(ack) => ids.push(ack.packet_id.as_u16()),
            Packet::Unsubscribe(unsubscribe) => asked = Some(unsubscribe.packet_id),
            other => panic!("not expected: {other:?}"),
        }
    }
    // The broker may have started with another one before it read that.
    peer.send(qos1("in", "late", 9)).await;
    ids.push(acknowledged(peer).await.0);
    let has_reasons = matches!(peer.version(), Version::V5);
    let reasons: &[ReasonCode] = if has_reasons { &[ReasonCode::Success] } else { &[] };
    peer.send(unsuback(asked.expect("UNSUBSCRIBE came"), reasons)).await;
    ids
}

#[tokio::test]
async fn what_an_unsubscribed_stream_has_not_returned_is_acknowledged_and_counted_and_qos_0_is_returned() {
    for version in Version::ALL {
        let harbour = Harbour::new(KIB_64);
        let (client, mut peer) = harbour.pair(harbour.builder(version), version).await;
        let subscribe = client.subscribe("in").qos(QoS::ExactlyOnce);
        let (stream, ()) = tokio::join!(subscribe.into_future(), grant(&mut peer, &[2]));
        let mut stream = stream.unwrap();
        for message in [qos0("in", "0"), qos1("in", "1", 1), qos1("in", "1", 2), qos2("in", "2", 3)] {
            peer.send(message).await;
        }
        peer.is_silent().await;
        let around = acknowledged_around_unsubscribe(&mut peer, 3);
        let (results, ids) = tokio::join!(stream.unsubscribe(), around);
        assert_eq!((results.unwrap()[0].1, &ids[..]), (ReasonCode::Success, &[1, 2, 3, 9][..]));
        assert_eq!(within(stream.next()).await.unwrap().qos(), QoS::AtMostOnce);
        assert!(within(stream.next()).await.is_none());
        assert!(matches!(stream.end_reason(), Some(StreamEnd::Unsubscribed)));
        assert_eq!(client.stats().unsubscribed_acknowledged, 4);
    }
}

#[tokio::test]
async fn what_a_dropped_stream_has_not_returned_is_acknowledged_and_counted_in_a_clean_session() {
    for version in Version::ALL {
        let harbour = Harbour::new(KIB_64);
        let (client, mut peer) = harbour.pair(harbour.builder(version), version).await;
        let subscribe = client.subscribe("in").qos(QoS::ExactlyOnce);
        let (stream, ()) = tokio::join!(subscribe.into_future(), grant(&mut peer, &[2]));
        for message in [qos1("in", "1", 1), qos2("in", "2", 2)] {
            peer.send(message).await;
        }
        peer.is_silent().await;
        drop(stream.unwrap());
        assert_eq!(acknowledged_around_unsubscribe(&mut peer, 2).await, [1, 2, 9]);
        peer.is_silent().await;
        assert_eq!(client.stats().unsubscribed_acknowledged, 3);
    }
}
