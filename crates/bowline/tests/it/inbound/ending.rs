//! What is told and acknowledged when a session or the client is over.

use bowline::{AckError, Event, QoS, Version};
use bowline_testkit::packets::{qos1, qos2};

use crate::inbound::{KIB_64, acknowledged, comes_back, quick, told};
use crate::peer::{Harbour, within};
use crate::subscribing::grant;

#[tokio::test]
async fn after_a_session_is_lost_what_waits_is_still_handed_out_and_its_ack_is_stale() {
    for version in Version::ALL {
        let harbour = Harbour::new(KIB_64);
        let (client, mut peer) = harbour.pair(quick(&harbour, version), version).await;
        let subscribe = client.subscribe("in").qos(QoS::ExactlyOnce).manual_ack();
        let (stream, ()) = tokio::join!(subscribe.into_future(), grant(&mut peer, &[2]));
        let mut stream = stream.unwrap();
        peer.send(qos1("in", "one", 1)).await;
        peer.send(qos2("in", "two", 2)).await;
        let (_, in_hand) = within(stream.next()).await.unwrap().into_parts();
        drop(peer);
        let mut peer = comes_back(&harbour, version, false).await;
        grant(&mut peer, &[2]).await;
        assert_eq!(within(in_hand.ack()).await, Err(AckError::Stale));
        let (message, ack) = within(stream.next()).await.unwrap().into_parts();
        assert_eq!((message.text(), within(ack.ack()).await), (Ok("two"), Err(AckError::Stale)));
        peer.is_silent().await;
        // The identifiers are free for other messages.
        peer.send(qos2("in", "three", 2)).await;
        let delivery = within(stream.next()).await.unwrap();
        assert_eq!(within(delivery.ack()).await.unwrap().text(), Ok("three"));
        assert_eq!(acknowledged(&mut peer).await.0, 2);
    }
}

#[tokio::test]
async fn nothing_is_told_after_the_end() {
    let harbour = Harbour::new(KIB_64);
    let (client, mut peer) = harbour.pair(harbour.builder(Version::V5), Version::V5).await;
    let subscribe = client.subscribe("in").qos(QoS::AtLeastOnce).manual_ack();
    let (stream, ()) = tokio::join!(subscribe.into_future(), grant(&mut peer, &[1]));
    let (mut stream, mut events) = (stream.unwrap(), client.events());
    peer.send(qos1("in", "m", 1)).await;
    let in_hand = within(stream.next()).await.unwrap();
    tokio::join!(client.disconnect(), async {
        peer.disconnected().await;
        drop(peer);
    });
    drop(in_hand);
    told(&mut events, |event| matches!(event, Event::Ended(_)).then_some(())).await;
    assert!(within(events.next()).await.is_none());
}
