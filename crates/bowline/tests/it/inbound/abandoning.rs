//! Messages whose acknowledgement the application has let go of without giving it.

use std::time::Duration;

use bowline::{Event, QoS, ReasonCode, Version};
use bowline_testkit::packets::{again, qos1, qos2};

use crate::inbound::{KEEPING, KIB_64, acknowledged, comes_back, kept, quick, told};
use crate::peer::{Harbour, within};
use crate::subscribing::grant;

#[tokio::test]
async fn a_message_whose_ack_was_abandoned_is_handed_out_again_when_the_broker_sends_it_again() {
    for version in KEEPING {
        for (first, qos) in [(qos1("in", "m", 4), [1]), (qos2("in", "m", 4), [2])] {
            let harbour = Harbour::new(KIB_64);
            let (client, mut peer) = harbour.pair(kept(&harbour, version), version).await;
            let subscribe = client.subscribe("in").qos(QoS::from_u8(qos[0]).unwrap()).manual_ack();
            let (stream, ()) = tokio::join!(subscribe.into_future(), grant(&mut peer, &qos));
            let (mut stream, mut events) = (stream.unwrap(), client.events());
            peer.send(first.clone()).await;
            drop(within(stream.next()).await.unwrap());
            let topic = told(&mut events, |event| match event {
                Event::AckAbandoned { topic } => Some(topic),
                _ => None,
            });
            assert_eq!(topic.await.as_str(), "in");
            peer.is_silent().await;
            drop(peer);
            let mut peer = comes_back(&harbour, version, true).await;
            peer.send(again(first)).await;
            within(within(stream.next()).await.unwrap().ack()).await.unwrap();
            assert_eq!(acknowledged(&mut peer).await, (4, ReasonCode::Success));
            assert!(tokio::time::timeout(Duration::from_millis(20), stream.next()).await.is_err(), "once");
        }
    }
}

#[tokio::test]
async fn an_abandoned_ack_of_a_session_that_is_gone_holds_up_nobody_and_nothing_is_told() {
    let harbour = Harbour::new(KIB_64);
    let (client, mut peer) = harbour.pair(quick(&harbour, Version::V5), Version::V5).await;
    let subscribe = client.subscribe("in").qos(QoS::AtLeastOnce).manual_ack();
    let (stream, ()) = tokio::join!(subscribe.into_future(), grant(&mut peer, &[1]));
    let (mut stream, mut events) = (stream.unwrap(), client.events());
    peer.send(qos1("in", "old", 1)).await;
    let old = within(stream.next()).await.unwrap();
    drop(peer);
    let mut peer = comes_back(&harbour, Version::V5, false).await;
    grant(&mut peer, &[1]).await;
    drop(old);
    peer.send(qos1("in", "new", 1)).await;
    let new = within(stream.next()).await.unwrap();
    let (message, ack) = new.into_parts();
    within(ack.ack()).await.unwrap();
    assert_eq!((message.text(), acknowledged(&mut peer).await.0), (Ok("new"), 1));
    client.disconnect().await;
    while let Some(event) = within(events.next()).await {
        assert!(!matches!(event, Event::AckAbandoned { .. }), "no acknowledgement was due");
    }
}
