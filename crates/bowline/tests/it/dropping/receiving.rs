//! Futures that subscribe, receive, acknowledge and unsubscribe.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bowline::proto::packet::Packet;
use bowline::{Client, Event, QoS, ReasonCode, Session, Subscription, Version};
use bowline_broker::Broker;
use bowline_testkit::packets::qos1;

use crate::dropping::{POLLS_MAX, assert_works_and_holds_nothing, broker, builder, client, polled, until};
use crate::peer::{Harbour, Peer, within};
use crate::subscribing::grant;

#[tokio::test]
async fn a_dropped_subscribe_leaves_no_stream_and_no_subscription() {
    for version in Version::ALL {
        let mut ready = 0;
        for polls in 0..=POLLS_MAX {
            let broker = broker().await;
            let client = client(&broker, version).await;
            ready += usize::from(polled(client.subscribe("a"), polls).await.is_some());
            let many = client.subscribe_many([("b/+", QoS::AtLeastOnce), ("c", QoS::ExactlyOnce)]);
            drop(polled(many.manual_ack(), polls).await);
            drop(polled(client.subscriber().subscribe("d"), polls).await);
            assert_works_and_holds_nothing(&broker, &client).await;
            let mut stream = within(client.subscribe("a").qos(QoS::AtLeastOnce)).await.unwrap();
            within(client.publish("a", "1").qos(QoS::AtLeastOnce)).await.unwrap();
            assert_eq!(within(stream.next()).await.unwrap().text(), Ok("1"));
        }
        assert!(ready > 0, "some got their stream");
    }
}

#[tokio::test]
async fn a_dropped_on_message_leaves_no_handler_unless_it_returned_one() {
    for version in Version::ALL {
        let mut ready = 0;
        for polls in 0..=POLLS_MAX {
            let broker = broker().await;
            let client = client(&broker, version).await;
            let handled = Arc::new(AtomicUsize::new(0));
            let counts = handled.clone();
            let on_message = client.on_message("a", move |_| {
                counts.fetch_add(1, Ordering::Relaxed);
                async {}
            });
            if let Some(handler) = polled(on_message.qos(QoS::AtLeastOnce), polls).await {
                ready += 1;
                within(client.publish("a", "1").qos(QoS::AtLeastOnce)).await.unwrap();
                until("the handling", || handled.load(Ordering::Relaxed) == 1).await;
                within(handler.unwrap().unsubscribe()).await.unwrap();
            } else {
                until("the end of the stream", || client.stats().streams == 0).await;
                within(client.publish("a", "1").qos(QoS::AtLeastOnce)).await.unwrap();
                assert_eq!(handled.load(Ordering::Relaxed), 0);
            }
            assert_works_and_holds_nothing(&broker, &client).await;
        }
        assert!(ready > 0, "some got their handler");
    }
}

#[tokio::test]
async fn a_dropped_unsubscribe_unsubscribes_all_the_same_if_it_was_polled() {
    for version in Version::ALL {
        for polls in 0..=POLLS_MAX {
            let broker = broker().await;
            // In a kept session a dropped stream does not unsubscribe.
            let session = Session::in_memory();
            let client =
                within(builder(&broker, version).client_id("kept").session(session).connect()).await.unwrap();
            let mut stream = within(client.subscribe("a")).await.unwrap();
            drop(polled(stream.unsubscribe(), polls).await);
            drop(within(client.subscribe("b")).await.unwrap());
            drop(polled(client.unsubscribe("b"), polls).await);
            drop(within(client.subscribe("c")).await.unwrap());
            drop(polled(client.subscriber().unsubscribe("c"), polls).await);
            let handler = within(client.on_message("d", async |_| {})).await.unwrap();
            drop(polled(handler.unsubscribe(), polls).await);
            within(client.publish("works", "1").qos(QoS::AtLeastOnce)).await.unwrap();
            if polls == 0 {
                assert_eq!(broker.stats().subscriptions, 4);
            } else {
                drop((stream, handler));
                assert_works_and_holds_nothing(&broker, &client).await;
            }
        }
    }
}

/// Publishes numbers and takes them with futures that are dropped after one, two or three polls.
async fn take_with(
    broker: &Broker,
    client: &Client,
    mut take: impl AsyncFnMut(usize) -> Option<Vec<String>>,
) -> Vec<String> {
    const MESSAGES: usize = 60;
    let other = self::client(broker, Version::V5).await;
    let publishing = tokio::spawn(async move {
        for number in 0..MESSAGES {
            other.publish("a", number.to_string()).qos(QoS::ExactlyOnce).await.unwrap();
        }
        other
    });
    let mut taken = Vec::new();
    let mut polls = 0;
    let collecting = async {
        while taken.len() < MESSAGES {
            polls = polls % 3 + 1;
            taken.extend(take(polls).await.into_iter().flatten());
            tokio::task::yield_now().await;
        }
    };
    within(collecting).await;
    within(publishing).await.unwrap();
    within(client.flush()).await.unwrap();
    assert_eq!(taken, (0..MESSAGES).map(|number| number.to_string()).collect::<Vec<_>>());
    taken
}

fn text(message: &bowline::Message) -> String {
    message.text().expect("a number").to_owned()
}

#[tokio::test]
async fn a_dropped_next_or_next_batch_takes_no_message_with_it() {
    for version in Version::ALL {
        let broker = broker().await;
        let client = client(&broker, version).await;
        let mut stream = within(client.subscribe("a").qos(QoS::ExactlyOnce)).await.unwrap();
        take_with(&broker, &client, async |polls| {
            polled(stream.next(), polls).await.map(|message| vec![text(&message.unwrap())])
        })
        .await;
        take_with(&broker, &client, async |polls| {
            let batch = polled(stream.next_batch(7), polls).await;
            batch.map(|messages| messages.iter().map(text).collect())
        })
        .await;
        drop(stream);
        assert_works_and_holds_nothing(&broker, &client).await;
    }
}

#[tokio::test]
async fn a_dropped_next_of_a_stream_with_acks_by_hand_or_of_the_unrouted_one_takes_none_either() {
    for version in Version::ALL {
        let broker = broker().await;
        let (client, mut unrouted) = within(
            builder(&broker, version).client_id("kept").session(Session::in_memory()).unrouted(10).connect(),
        )
        .await
        .unwrap();
        let mut stream: Subscription<_> =
            within(client.subscribe("a").qos(QoS::ExactlyOnce).manual_ack()).await.unwrap();
        take_with(&broker, &client, async |polls| {
            let delivery = polled(stream.next(), polls).await?.unwrap();
            Some(vec![text(&delivery.ack().await.unwrap())])
        })
        .await;
        // The subscription is kept, and now nobody wants its messages.
        drop(stream);
        take_with(&broker, &client, async |polls| {
            polled(unrouted.next(), polls).await.map(|message| vec![text(&message.unwrap())])
        })
        .await;
        within(client.unsubscribe("a")).await.unwrap();
        drop(unrouted);
        assert_works_and_holds_nothing(&broker, &client).await;
    }
}

#[tokio::test]
async fn a_dropped_next_of_events_takes_no_event_with_it() {
    let harbour = Harbour::new(64 * 1024);
    let (client, mut peer) = harbour.pair(harbour.builder(Version::V3_1_1), Version::V3_1_1).await;
    let stream = client.subscribe("in").qos(QoS::AtLeastOnce).manual_ack().into_future();
    let (stream, ()) = tokio::join!(stream, grant(&mut peer, &[1]));
    let mut stream = stream.unwrap();
    let mut events = client.events();
    let mut told = Vec::new();
    for id in 1..=30 {
        peer.send(qos1("in", "1", id)).await;
        let reason = if id % 2 == 0 { ReasonCode::QuotaExceeded } else { ReasonCode::NotAuthorized };
        let delivery = within(stream.next()).await.unwrap();
        within(delivery.into_parts().1.reject(reason)).await.unwrap();
        let collecting = async {
            while told.len() < usize::from(id) {
                if let Some(event) = polled(events.next(), usize::from(id % 3) + 1).await {
                    let Event::RefusalNotTold { reason: said } = event.unwrap() else { continue };
                    told.push(said);
                }
                tokio::task::yield_now().await;
            }
        };
        within(collecting).await;
        assert_eq!(told.last(), Some(&reason));
    }
}

/// A stream with acknowledgements by hand that has one message.
async fn delivered(id: u16) -> (Client, Peer, bowline::Delivery) {
    let harbour = Harbour::new(64 * 1024);
    let (client, mut peer) = harbour.pair(harbour.builder(Version::V5), Version::V5).await;
    let stream = client.subscribe("in").qos(QoS::AtLeastOnce).manual_ack().into_future();
    let (stream, ()) = tokio::join!(stream, grant(&mut peer, &[1]));
    peer.send(qos1("in", "1", id)).await;
    let delivery = within(stream.unwrap().next()).await.unwrap();
    (client, peer, delivery)
}

#[tokio::test]
async fn a_dropped_ack_or_reject_is_given_if_it_was_polled_and_else_abandoned() {
    for polls in 0..=2 {
        for way in 0..3 {
            let (client, mut peer, delivery) = delivered(9).await;
            let mut events = client.events();
            match way {
                0 => drop(polled(delivery.ack(), polls).await),
                1 => drop(polled(delivery.into_parts().1.ack(), polls).await),
                _ => drop(polled(delivery.into_parts().1.reject(ReasonCode::QuotaExceeded), polls).await),
            }
            // The stream was dropped before, which unsubscribes: what is abandoned then is told, and holds up nobody.
            loop {
                match peer.packet().await {
                    Packet::PubAck(ack) => {
                        let refused = way == 2 && polls > 0;
                        assert_eq!(ack.reason == ReasonCode::QuotaExceeded, refused);
                        break;
                    }
                    Packet::Unsubscribe(_) => {}
                    other => panic!("not expected: {other:?}"),
                }
            }
            if polls == 0 {
                let told = within(events.next()).await;
                assert!(matches!(told, Some(Event::AckAbandoned { .. })), "{told:?}");
            }
        }
    }
}
