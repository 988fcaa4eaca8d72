//! Handlers: what goes on while one takes its time, and what is left when one panics.

use std::time::Duration;

use bowline::proto::packet::Packet;
use bowline::{Event, QoS, Version};
use bowline_testkit::packets::{again, qos0, qos1};
use tokio::time::Instant;

use crate::inbound::{KEEPING, KIB_64, acknowledged, comes_back, kept, told};
use crate::peer::{Harbour, within};
use crate::subscribing::grant;

/// The clock jumps ahead whenever nothing is to be done.
#[tokio::test(start_paused = true)]
async fn a_handler_that_takes_its_time_stops_neither_pings_nor_other_streams_nor_publications() {
    for version in Version::ALL {
        let harbour = Harbour::new(KIB_64);
        let second = Duration::from_secs(1);
        let builder = harbour.builder(version).keep_alive(second).ping_timeout(second);
        let (client, mut peer) = harbour.pair(builder, version).await;
        let handler = client.on_message("slow", |_| std::future::pending());
        let handler = handler.qos(QoS::AtLeastOnce).into_future();
        let (handler, ()) = tokio::join!(handler, grant(&mut peer, &[1]));
        let _handler = handler.unwrap();
        let (other, ()) = tokio::join!(client.subscribe("other").into_future(), grant(&mut peer, &[0]));
        let mut other = other.unwrap();
        peer.send(qos1("slow", "1", 1)).await;
        let end = Instant::now() + Duration::from_secs(60);
        let mut pings = 0;
        while let Ok(packet) = tokio::time::timeout_at(end, peer.next()).await {
            assert_eq!(packet, Some(Packet::PingReq), "the connection lives");
            peer.send(Packet::PingResp).await;
            pings += 1;
        }
        assert!(pings >= 59, "{pings}");
        peer.send(qos0("other", "quick")).await;
        assert_eq!(within(other.next()).await.unwrap().text(), Ok("quick"));
        within(client.publish("out", "quick")).await.unwrap();
        peer.publish().await;
    }
}

#[tokio::test]
async fn the_message_over_which_a_handler_panicked_goes_to_the_next_handler_when_it_comes_again() {
    for version in KEEPING {
        let harbour = Harbour::new(KIB_64);
        let (client, mut peer) = harbour.pair(kept(&harbour, version), version).await;
        let mut events = client.events();
        let panics = client.on_message("in", |_| async { panic!("this panic is part of the test") });
        let panics = panics.qos(QoS::AtLeastOnce).into_future();
        let (panics, ()) = tokio::join!(panics, grant(&mut peer, &[1]));
        panics.unwrap();
        peer.send(qos1("in", "bad", 1)).await;
        peer.send(qos1("in", "good", 2)).await;
        told(&mut events, |event| matches!(event, Event::HandlerPanicked { .. }).then_some(())).await;
        let (sender, mut handled) = tokio::sync::mpsc::channel(10);
        let handler = client.on_message("in", move |message| {
            let sender = sender.clone();
            async move { sender.send(message.text().unwrap().to_owned()).await.unwrap() }
        });
        let _handler = within(handler.qos(QoS::AtLeastOnce)).await.unwrap();
        assert_eq!(within(handled.recv()).await.as_deref(), Some("good"), "it was held for the next one");
        peer.is_silent().await;
        drop(peer);
        let mut peer = comes_back(&harbour, version, true).await;
        peer.send_all(&[again(qos1("in", "bad", 1)), again(qos1("in", "good", 2))]).await.unwrap();
        assert_eq!(within(handled.recv()).await.as_deref(), Some("bad"));
        for id in 1..=2 {
            assert_eq!(acknowledged(&mut peer).await.0, id);
        }
        peer.is_silent().await;
        assert!(handled.try_recv().is_err(), "each once");
    }
}
