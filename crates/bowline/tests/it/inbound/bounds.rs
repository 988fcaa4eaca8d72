//! How much may have arrived and not be acknowledged, and what happens beyond it.

use std::num::NonZero;
use std::time::Duration;

use bowline::proto::packet::Packet;
use bowline::{DisconnectCause, Event, QoS, Qos0Full, ReasonCode, Version};
use bowline_testkit::packets::{again, qos0, qos1};

use crate::inbound::{KEEPING, KIB_64, acknowledged, comes_back, kept, told};
use crate::peer::{Harbour, within};
use crate::subscribing::grant;

fn loss(event: Event) -> Option<DisconnectCause> {
    match event {
        Event::Disconnected(why) => Some(why.cause().clone()),
        _ => None,
    }
}

#[tokio::test]
async fn the_bound_on_messages_is_announced_in_5_0_and_more_of_them_close_with_0x93() {
    let harbour = Harbour::new(KIB_64);
    let builder = kept(&harbour, Version::V5).inbound_max(2, 1_000_000);
    let accepts = async {
        let mut peer = harbour.accept(Version::V5).await;
        assert_eq!(peer.connect().await.properties.receive_maximum, NonZero::new(2));
        peer.connack(false).await;
        peer
    };
    let (client, mut peer) = tokio::join!(builder.connect(), accepts);
    let client = client.unwrap();
    let mut events = client.events();
    peer.send_all(&[qos1("in", "1", 1), qos1("in", "2", 2), qos1("in", "3", 3)]).await.unwrap();
    let Packet::Disconnect(said) = peer.packet().await else { panic!("DISCONNECT was expected") };
    assert_eq!(said.reason, ReasonCode::ReceiveMaximumExceeded);
    drop(peer);
    assert!(matches!(told(&mut events, loss).await, DisconnectCause::Protocol(_)));
}

#[tokio::test]
async fn beyond_the_bound_a_kept_session_closes_and_gets_everything_again_when_there_is_room() {
    for version in KEEPING {
        let harbour = Harbour::new(KIB_64);
        let (client, mut peer) = harbour.pair(kept(&harbour, version).inbound_max(100, 10), version).await;
        let subscribe = client.subscribe("in").qos(QoS::AtLeastOnce);
        let (stream, ()) = tokio::join!(subscribe.into_future(), grant(&mut peer, &[1]));
        let (mut stream, mut events) = (stream.unwrap(), client.events());
        let messages = [qos1("in", "123456", 1), qos1("in", "12345", 2)];
        peer.send_all(&messages).await.unwrap();
        let cause = told(&mut events, loss).await;
        assert!(matches!(cause, DisconnectCause::InboundOverflow { messages: 2, bytes: 15 }), "{cause:?}");
        while within(peer.next()).await.is_some() {}
        drop(peer);
        told(&mut events, |event| matches!(event, Event::Reconnecting { .. }).then_some(())).await;
        assert_eq!(within(stream.next()).await.unwrap().text(), Ok("123456"), "what is held stays");
        let mut peer = comes_back(&harbour, version, true).await;
        peer.send_all(&messages.map(again)).await.unwrap();
        assert_eq!(acknowledged(&mut peer).await.0, 1);
        assert_eq!(within(stream.next()).await.unwrap().text(), Ok("12345"));
        assert_eq!(acknowledged(&mut peer).await.0, 2);
    }
}

#[tokio::test]
async fn a_clean_session_pauses_reading_at_its_bound_and_loses_nothing() {
    const MESSAGES: u16 = 500;
    for version in [Version::V3_1, Version::V3_1_1] {
        let harbour = Harbour::new(256);
        let (client, mut peer) = harbour.pair(harbour.builder(version).inbound_max(4, 1_000), version).await;
        let subscribe = client.subscribe("in").qos(QoS::AtLeastOnce);
        let (stream, ()) = tokio::join!(subscribe.into_future(), grant(&mut peer, &[1]));
        let mut stream = stream.unwrap();
        let (mut reader, mut writer) = peer.split();
        let sending = tokio::spawn(async move {
            for id in 1..=MESSAGES {
                writer.send(qos1("in", "1", id)).await.expect("the client reads");
            }
            writer
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!sending.is_finished(), "the broker feels the back-pressure");
        for id in 1..=MESSAGES {
            within(stream.next()).await.unwrap();
            assert!(
                matches!(within(reader.next()).await, Some(Packet::PubAck(ack)) if ack.packet_id.as_u16() == id)
            );
        }
        within(sending).await.unwrap();
    }
}

/// The clock stands still while anything is to be done, and jumps when nothing is.
#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_because_a_stream_is_full_is_not_taken_for_dead_and_pings() {
    for version in Version::ALL {
        let harbour = Harbour::new(KIB_64);
        let second = Duration::from_secs(1);
        let builder = harbour.builder(version).keep_alive(second).ping_timeout(second);
        let (client, mut peer) = harbour.pair(builder, version).await;
        let subscribe = client.subscribe("in").qos0(2, Qos0Full::Pause);
        let (stream, ()) = tokio::join!(subscribe.into_future(), grant(&mut peer, &[0]));
        let mut stream = stream.unwrap();
        peer.send_all(&[qos0("in", "1"), qos0("in", "2")]).await.unwrap();
        tokio::task::yield_now().await;
        let mut pings = 0;
        let minute = tokio::time::Instant::now() + Duration::from_secs(60);
        while let Ok(packet) = tokio::time::timeout_at(minute, peer.next()).await {
            assert_eq!(packet, Some(Packet::PingReq), "the connection lives");
            pings += 1;
        }
        assert!(pings >= 59, "{pings}");
        peer.send(qos0("in", "3")).await;
        for text in ["1", "2", "3"] {
            assert_eq!(within(stream.next()).await.unwrap().text(), Ok(text));
        }
        assert_eq!(client.stats().qos0_dropped, 0);
        // Now that it reads it does not wait for longer than it was told to.
        let mut events = client.events();
        assert!(matches!(told(&mut events, loss).await, DisconnectCause::PingTimeout));
    }
}
