//! One message for several streams, one filter for several streams, several filters for one message.

use bowline::proto::error::RequestError;
use bowline::proto::packet::Packet;
use bowline::{Client, Delivery, Event, QoS, ReasonCode, StreamEnd, SubscribeError, Subscription, Version};
use bowline_testkit::packets::{for_subscriptions, qos1, qos2};

use crate::inbound::{KEEPING, KIB_64, acknowledged, comes_back, kept, quick};
use crate::peer::{Harbour, Peer, within};
use crate::subscribing::{grant, release};

async fn by_hand(client: &Client, peer: &mut Peer, filter: &'static str) -> Subscription<Delivery> {
    let subscribe = client.subscribe(filter).qos(QoS::ExactlyOnce).manual_ack();
    let (stream, ()) = tokio::join!(subscribe.into_future(), grant(peer, &[2]));
    stream.expect("granted")
}

#[tokio::test]
async fn a_message_of_several_streams_is_acknowledged_once_when_the_last_is_done_with_the_highest_refusal() {
    for version in Version::ALL {
        let harbour = Harbour::new(KIB_64);
        let (client, mut peer) = harbour.pair(harbour.builder(version), version).await;
        let mut streams = Vec::new();
        for filter in ["a/b", "a/+", "#"] {
            streams.push(by_hand(&client, &mut peer, filter).await);
        }
        for message in [qos1("a/b", "m", 1), qos2("a/b", "m", 2)] {
            peer.send(message).await;
            let mut acks = Vec::new();
            for stream in &mut streams {
                acks.push(within(stream.next()).await.unwrap().into_parts().1);
            }
            let (last, middle, first) = (acks.pop().unwrap(), acks.pop().unwrap(), acks.pop().unwrap());
            within(first.reject(ReasonCode::QuotaExceeded)).await.unwrap();
            within(middle.reject(ReasonCode::NotAuthorized)).await.unwrap();
            peer.is_silent().await;
            within(last.ack()).await.unwrap();
            let says = if version == Version::V5 { ReasonCode::QuotaExceeded } else { ReasonCode::Success };
            assert_eq!(acknowledged(&mut peer).await.1, says);
            peer.is_silent().await;
        }
    }
}

#[tokio::test]
async fn streams_of_one_filter_cannot_have_different_options() {
    for version in Version::ALL {
        let harbour = Harbour::new(KIB_64);
        let (client, mut peer) = harbour.pair(harbour.builder(version), version).await;
        let _first = by_hand(&client, &mut peer, "a").await;
        let differs = within(client.subscribe("a").qos(QoS::AtLeastOnce)).await;
        assert!(matches!(differs, Err(SubscribeError::Request(RequestError::FilterOptionsDiffer))));
        drop(within(client.subscribe("a").qos(QoS::ExactlyOnce)).await.unwrap());
    }
}

#[tokio::test]
async fn in_a_kept_session_a_dropped_stream_leaves_its_subscription_and_unsubscribing_ends_it() {
    for version in KEEPING {
        let harbour = Harbour::new(KIB_64);
        let (client, mut peer) = harbour.pair(kept(&harbour, version), version).await;
        drop(by_hand(&client, &mut peer, "a").await);
        peer.is_silent().await;
        let (results, filters) = tokio::join!(client.unsubscribe("a"), release(&mut peer));
        assert_eq!((results.unwrap().len(), &*filters), (1, &["a".to_owned()][..]));
    }
}

#[tokio::test]
async fn copies_for_overlapping_filters_go_to_their_own_streams_in_5_0_and_to_all_before() {
    for version in Version::ALL {
        let harbour = Harbour::new(KIB_64);
        let (client, mut peer) = harbour.pair(harbour.builder(version), version).await;
        let mut ids = Vec::new();
        let mut streams = Vec::new();
        for filter in ["a/#", "a/b"] {
            let subscribe = client.subscribe(filter).qos(QoS::AtLeastOnce).into_future();
            let subscribed = tokio::spawn(subscribe);
            let subscribe = peer.subscribe().await;
            ids.extend(subscribe.subscription_id.map(|id| id.as_u32()));
            let reasons = vec![ReasonCode::GrantedQoS1];
            let properties = bowline::proto::packet::AckProperties::default();
            let suback =
                bowline::proto::packet::SubAck { packet_id: subscribe.packet_id, reasons, properties };
            peer.send(Packet::SubAck(Box::new(suback))).await;
            streams.push(within(subscribed).await.unwrap().unwrap());
        }
        assert_eq!(ids.len(), if version == Version::V5 { 2 } else { 0 });
        for (index, text) in ["for a/#", "for a/b"].into_iter().enumerate() {
            let copy = qos1("a/b", text, u16::try_from(index).unwrap() + 1);
            let of = ids.get(index).map(std::slice::from_ref);
            peer.send(of.map_or_else(|| copy.clone(), |of| for_subscriptions(copy.clone(), of))).await;
        }
        for (index, stream) in streams.iter_mut().enumerate() {
            let gets = match (version, index) {
                (Version::V5, 0) => &["for a/#"][..],
                (Version::V5, _) => &["for a/b"][..],
                _ => &["for a/#", "for a/b"][..],
            };
            for text in gets {
                assert_eq!(within(stream.next()).await.unwrap().text(), Ok(*text), "{version}");
            }
        }
        for id in 1..=2 {
            assert_eq!(acknowledged(&mut peer).await.0, id);
        }
    }
}

#[tokio::test]
async fn a_filter_that_is_refused_after_a_reconnect_ends_its_stream_which_says_why() {
    for version in [Version::V3_1_1, Version::V5] {
        let harbour = Harbour::new(KIB_64);
        let (client, mut peer) = harbour.pair(quick(&harbour, version), version).await;
        let mut stream = by_hand(&client, &mut peer, "a").await;
        let mut events = client.events();
        drop(peer);
        let mut peer = comes_back(&harbour, version, false).await;
        grant(&mut peer, &[0x80]).await;
        assert!(within(stream.next()).await.is_none());
        assert!(matches!(stream.end_reason(), Some(StreamEnd::Refused(ReasonCode::UnspecifiedError))));
        client.disconnect().await;
        let mut connections = 0;
        while let Some(event) = within(events.next()).await {
            connections += usize::from(matches!(event, Event::Connected(_)));
        }
        assert_eq!(connections, 1, "the connection and all others go on");
    }
}
