//! Who hears of a message that nobody takes, and who goes on all the same.

use std::time::{Duration, Instant};

use bowline::{Event, QoS, ReasonCode, Version};
use bowline_testkit::packets::{qos0, qos1};

use crate::inbound::{KEEPING, KIB_64, acknowledged, kept, told};
use crate::peer::{Harbour, within};
use crate::subscribing::grant;

/// Topic and filter of a message that holds up acknowledgements, how many it holds up, and since when.
type Stall = (String, Option<String>, usize, Instant);

fn stall(event: Event) -> Option<Stall> {
    match event {
        Event::Stalled { topic, filter, held, since } => {
            let filter = filter.map(|filter| filter.as_str().to_owned());
            Some((topic.as_str().to_owned(), filter, held, since))
        }
        _ => None,
    }
}

#[tokio::test]
async fn a_message_that_is_not_taken_is_named_and_holds_up_acknowledgements_but_no_deliveries() {
    for version in Version::ALL {
        let harbour = Harbour::new(KIB_64);
        let builder = harbour.builder(version).stall_after(Duration::from_millis(100));
        let (client, mut peer) = harbour.pair(builder, version).await;
        let mut events = client.events();
        let slow = client.subscribe("slow/#").qos(QoS::AtLeastOnce);
        let (slow, ()) = tokio::join!(slow.into_future(), grant(&mut peer, &[1]));
        let quick = client.subscribe("quick").qos(QoS::AtLeastOnce);
        let (quick, ()) = tokio::join!(quick.into_future(), grant(&mut peer, &[1]));
        let (mut slow, mut quick) = (slow.unwrap(), quick.unwrap());
        let before = Instant::now();
        // Together, so that all of them are there whenever the event comes.
        let rest = (2..=9).map(|id| qos1("quick", "1", id));
        let packets: Vec<_> = std::iter::once(qos1("slow/a", "1", 1)).chain(rest).collect();
        peer.send_all(&packets).await.unwrap();
        for _ in 2..=9 {
            within(quick.next()).await.unwrap();
        }
        let (topic, filter, held, since) = told(&mut events, stall).await;
        assert_eq!((&*topic, filter.as_deref(), held), ("slow/a", Some("slow/#"), 9));
        assert!(since >= before && since.elapsed() >= Duration::from_millis(100), "{since:?}");
        // QoS 0 waits for nobody, and neither does what we publish.
        peer.send(qos0("quick", "0")).await;
        assert_eq!(within(quick.next()).await.unwrap().text(), Ok("0"));
        within(client.publish("out", "0")).await.unwrap();
        peer.publish().await;
        peer.is_silent().await;
        within(slow.next()).await.unwrap();
        for id in 1..=9 {
            assert_eq!(acknowledged(&mut peer).await, (id, ReasonCode::Success));
        }
    }
}

#[tokio::test]
async fn a_message_of_a_kept_session_that_no_stream_wants_any_more_is_named_with_its_topic() {
    for version in KEEPING {
        let harbour = Harbour::new(KIB_64);
        let builder = kept(&harbour, version).stall_after(Duration::from_millis(50));
        let (client, mut peer) = harbour.pair(builder, version).await;
        let mut events = client.events();
        let subscribe = client.subscribe("in").qos(QoS::AtLeastOnce);
        let (stream, ()) = tokio::join!(subscribe.into_future(), grant(&mut peer, &[1]));
        peer.send(qos1("in", "1", 1)).await;
        drop(stream.unwrap());
        let (topic, filter, held, _) = told(&mut events, stall).await;
        assert_eq!((&*topic, filter, held), ("in", None, 1));
        peer.is_silent().await;
        // The filter is subscribed still: the next stream needs no SUBSCRIBE and gets what is held.
        let mut stream = within(client.subscribe("in").qos(QoS::AtLeastOnce)).await.unwrap();
        assert_eq!(within(stream.next()).await.unwrap().text(), Ok("1"));
        assert_eq!(acknowledged(&mut peer).await.0, 1);
    }
}

#[tokio::test]
async fn a_listener_that_is_too_slow_hears_how_many_events_it_lost() {
    let harbour = Harbour::new(KIB_64);
    let (client, mut peer) = harbour.pair(harbour.builder(Version::V5), Version::V5).await;
    let subscribe = client.subscribe("in").qos(QoS::AtLeastOnce).manual_ack();
    let (stream, ()) = tokio::join!(subscribe.into_future(), grant(&mut peer, &[1]));
    let (mut stream, mut events) = (stream.unwrap(), client.events());
    let lost = 7;
    let most = u16::try_from(bowline::EVENTS_MAX).unwrap();
    for id in 1..=most + lost {
        peer.send(qos1("in", "1", id)).await;
        drop(within(stream.next()).await.unwrap());
    }
    assert!(matches!(within(events.next()).await, Some(Event::Lagged(7))));
    for _ in 0..most {
        assert!(matches!(within(events.next()).await, Some(Event::AckAbandoned { .. })));
    }
}
